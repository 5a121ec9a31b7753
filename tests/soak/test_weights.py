"""Weights without a network, cut short, tampered with, half written, and fetched by two processes at once."""

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from facevalue import models
from facevalue.data import fetch
from facevalue.data.errors import ChecksumMismatch, FacevalueError, Unreachable
from facevalue.models import _registry
from tests.soak.conftest import rounds

GOOD = random.Random(0).randbytes(4000)
SUM = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACEVALUE_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "mirror").mkdir()
    return tmp_path / "cache"


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_without_a_network_what_is_not_there_is_one_line_and_what_is_there_works(cache, tmp_path):
    with pytest.raises(Unreachable, match="FACEVALUE_MIRROR") as told:
        fetch.file("m/w.bin", url="https://example.org/w.bin", sha256=SUM)
    assert "\n" not in str(told.value)
    assert kept(cache) == []
    (tmp_path / "mirror" / "w.bin").write_bytes(GOOD)
    assert fetch.file("m/w.bin", url="https://example.org/w.bin", sha256=SUM).read_bytes() == GOOD
    (tmp_path / "mirror" / "w.bin").unlink()
    assert fetch.file("m/w.bin", url="https://example.org/w.bin", sha256=SUM).read_bytes() == GOOD


def test_weights_of_which_a_bit_or_the_end_is_wrong_are_never_kept_and_the_right_ones_heal_it(cache, tmp_path):
    draw, source = random.Random(1), tmp_path / "mirror" / "w.bin"
    for _ in range(rounds(20, 500)):
        at = draw.randrange(len(GOOD))
        wrong = GOOD[:at] + bytes([GOOD[at] ^ 1 << draw.randrange(8)]) + GOOD[at + 1 :]
        source.write_bytes(wrong if draw.random() < 0.5 else GOOD[:at])
        with pytest.raises(ChecksumMismatch, match="nothing was kept"):
            fetch.file("m/w.bin", sha256=SUM)
        assert kept(cache) == []
    source.write_bytes(GOOD)
    assert fetch.file("m/w.bin", sha256=SUM).read_bytes() == GOOD


def test_what_a_killed_process_left_half_written_is_not_used(cache, tmp_path):
    (cache / "m").mkdir(parents=True)
    (cache / "m" / "w.bin.99999-1.part").write_bytes(GOOD[:100])
    (tmp_path / "mirror" / "w.bin").write_bytes(GOOD)
    assert fetch.file("m/w.bin", sha256=SUM).read_bytes() == GOOD


def test_a_cache_that_may_not_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "mirror" / "w.bin").write_bytes(GOOD)
    for place in ("file", "file/deeper"):
        monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / place))
        with pytest.raises(Unreachable, match="cannot keep m/w.bin there") as told:
            fetch.file("m/w.bin", sha256=SUM)
        assert "\n" not in str(told.value)


RACE = """
import sys, time
from facevalue.data import fetch
while time.time() < float(sys.argv[1]):
    pass
print(fetch.sha256(fetch.file("m/w.bin", sha256=sys.argv[2])))
"""


@pytest.mark.soak
def test_two_processes_that_want_one_file_at_once_both_get_it_whole(cache, tmp_path):
    import time

    data = random.Random(2).randbytes(20_000_000)
    (tmp_path / "mirror" / "w.bin").write_bytes(data)
    wanted = hashlib.sha256(data).hexdigest()
    for _ in range(rounds(1, 5)):
        command = [sys.executable, "-c", RACE, str(time.time() + 1.5), wanted]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [one.communicate()[0].strip() for one in both] == [wanted, wanted]
        assert kept(cache) == ["w.bin"]
        (cache / "m" / "w.bin").unlink()


@pytest.mark.soak
def test_without_any_network_the_command_works_and_says_in_one_line_what_it_lacks(tmp_path):
    base = ["unshare", "--net", sys.executable, "-m", "facevalue"]
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --net is not allowed here")
    assert subprocess.run([*base, "models", "list"], capture_output=True, check=False).returncode == 0
    done = subprocess.run([*base, "models", "fetch", "fairface"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("facevalue: ")
    assert "Traceback" not in done.stderr


def built(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a graph of the cache out of a small instrument that the package carries."""
    (path, *_) = models.prepare("expression")
    return path


def test_a_graph_in_the_cache_that_is_damaged_is_never_used_and_made_anew(monkeypatch):
    path = built(monkeypatch)
    whole, draw = path.read_bytes(), random.Random(3)
    for _ in range(rounds(3, 60)):
        at = draw.randrange(len(whole))
        path.write_bytes(whole[:at] if draw.random() < 0.5 else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        _registry.prepare("expression")
        assert path.read_bytes() == whole


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"ONNX"])
def test_weights_that_a_user_brings_and_that_are_none_are_one_line(tmp_path, data):
    (tmp_path / "w.onnx").write_bytes(data)
    with pytest.raises(FacevalueError) as told:
        models.adopt("fairface", [tmp_path / "w.onnx"])
    assert "\n" not in str(told.value)
