"""Weights come from a server on 127.0.0.1, a mirror or a made package; none of these tests uses a network."""

import concurrent.futures
import gc
import hashlib
import http.server
import io
import multiprocessing
import os
import re
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from facevalue.data import _packages, fetch
from facevalue.data.errors import ChecksumMismatch, Unreachable, WeightsError

GOOD = bytes(range(256)) * 4000
SUM = hashlib.sha256(GOOD).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEVALUE_MIRROR", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


class Server(http.server.BaseHTTPRequestHandler):
    asked: Counter = Counter()

    def do_GET(self):
        Server.asked[self.path] += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/tampered": GOOD[:-1] + b"!", "/page": b"\n<!DOCTYPE html><html>sign in</html>"}.get(self.path, GOOD)
        if self.path == "/slow":
            time.sleep(0.5)
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path in ("/truncated", "/unsized") else body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("FACEVALUE_MIRROR", str(folder))
    return folder


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file() and path.suffix not in (".lock", ".sha256")]


def refused(error: type, *parts: str, **options: str) -> str:
    with pytest.raises(error) as caught:
        fetch.file("m/w.bin", **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    del caught
    gc.collect()
    assert leftovers(fetch.cache()) == []
    return message


# --- over HTTP


def test_a_file_is_fetched_once_and_says_so(server, cache, capsys):
    Server.asked.clear()
    for _ in range(2):
        place = fetch.file("m/w.bin", url=f"{server}/good", sha256=SUM, progress=True)
    assert place == cache / "m" / "w.bin"
    assert place.read_bytes() == GOOD
    assert Server.asked["/good"] == 1
    assert re.fullmatch(r"fetching w.bin ...\nfetched w.bin: 1.0 MB in \d+ s\n", capsys.readouterr().err)
    assert not (cache / "m" / "w.bin.sha256").exists()


def test_without_progress_nothing_is_said(server, capfd):
    fetch.file("m/w.bin", url=f"{server}/good", sha256=SUM)
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_the_line_counts(server, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = fetch._Line("w.bin", shown=True)
    line.total = 3_000_000
    line._last -= 1
    line.update(1_500_000)
    line.end(3_000_000)
    assert "1.5 of 3.0 MB" in capsys.readouterr().err


def test_truncated(server):
    refused(Unreachable, "/truncated", "a download cut short", "FACEVALUE_MIRROR", url=f"{server}/truncated", sha256=SUM)


def test_truncated_without_a_length(server):
    half = hashlib.sha256(GOOD[: len(GOOD) // 2]).hexdigest()
    refused(ChecksumMismatch, "/unsized", SUM, half, "512000 bytes", url=f"{server}/unsized", sha256=SUM)


def test_tampered(server):
    came = hashlib.sha256(GOOD[:-1] + b"!").hexdigest()
    parts = ("/tampered", SUM, came, "nothing was kept", "cut short", "changed")
    refused(ChecksumMismatch, *parts, url=f"{server}/tampered", sha256=SUM)


def test_not_found(server):
    refused(Unreachable, "w.bin", f"{server}/missing", "404 Not Found", url=f"{server}/missing", sha256=SUM)


def test_nobody_listens():
    refused(Unreachable, "connection refused", "FACEVALUE_MIRROR", url="http://127.0.0.1:9/w.bin", sha256=SUM)


def test_an_address_that_is_none():
    refused(Unreachable, "InvalidSchema", url="htp://x/w.bin", sha256=SUM)


def test_a_server_that_does_not_answer(server, monkeypatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.1)
    refused(Unreachable, "no answer in 0.1 s", url=f"{server}/slow", sha256=SUM)


def test_a_web_page_is_no_weights(server):
    refused(Unreachable, "got a web page", url=f"{server}/page")
    refused(ChecksumMismatch, SUM, url=f"{server}/page", sha256=SUM)


def test_where_nobody_published_a_sum_the_first_is_recorded_and_a_change_refused(server, cache):
    place = fetch.file("m/w.bin", url=f"{server}/good")
    assert fetch.known_sha256("m/w.bin") == SUM
    assert list(fetch.recorded()) == [place]
    place.unlink()
    refused(ChecksumMismatch, SUM, url=f"{server}/tampered")
    assert fetch.file("m/w.bin", url=f"{server}/good").read_bytes() == GOOD


def test_a_file_that_only_the_user_can_bring():
    refused(Unreachable, "net: nobody offers w.bin", "not set", "facevalue models import net FILE", model="net")


def fetch_slowly(url: str) -> bytes:
    return fetch.file("m/w.bin", url=url, sha256=SUM).read_bytes()


def test_processes_that_race_fetch_once(server):
    Server.asked.clear()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=context) as pool:
        results = list(pool.map(fetch_slowly, [f"{server}/slow"] * 3))
    assert results == [GOOD] * 3
    assert Server.asked["/slow"] == 1


def test_threads_that_race_fetch_once(server):
    Server.asked.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fetch_slowly, [f"{server}/slow"] * 4)) == [GOOD] * 4
    assert Server.asked["/slow"] == 1


def test_waiting_has_an_end(monkeypatch, server):
    monkeypatch.setattr(fetch, "PATIENCE", 0.1)
    with fetch._only_one("m/w.bin"), concurrent.futures.ThreadPoolExecutor(1) as pool:
        failed = pool.submit(fetch_slowly, f"{server}/good").exception()
    assert isinstance(failed, Unreachable)
    assert "another process has been fetching it" in str(failed)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, server):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path / "file"))
    with pytest.raises(Unreachable, match=r"cannot keep m/w.bin there \(Not a directory\).*FACEVALUE_CACHE"):
        fetch.file("m/w.bin", url=f"{server}/good", sha256=SUM)


def test_a_full_disk_leaves_nothing(monkeypatch, server):
    def fail(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    refused(Unreachable, "No space left on device", url=f"{server}/good", sha256=SUM)


# --- from the mirror, and from the user


def test_the_mirror_comes_first(mirror, server, cache):
    Server.asked.clear()
    (mirror / "deep").mkdir()
    (mirror / "deep" / "w.bin").write_bytes(GOOD)
    assert fetch.file("m/w.bin", url=f"{server}/good", sha256=SUM).read_bytes() == GOOD
    assert not Server.asked


def test_a_mirror_without_the_file_falls_through(mirror, server):
    assert fetch.file("m/w.bin", url=f"{server}/good", sha256=SUM).read_bytes() == GOOD


def test_a_mirror_with_another_file_of_that_name(mirror, server):
    (mirror / "w.bin").write_bytes(b"other")
    refused(ChecksumMismatch, f"{mirror}/w.bin", SUM, OTHER, "5 bytes", url=f"{server}/good", sha256=SUM)
    (mirror / "z").mkdir()
    (mirror / "z" / "w.bin").write_bytes(GOOD)
    assert fetch.file("m/w.bin", sha256=SUM).read_bytes() == GOOD


def test_of_several_in_the_mirror_the_one_in_its_place_is_taken(mirror):
    for folder in ("a", "m", "z"):
        (mirror / folder).mkdir()
        (mirror / folder / "w.bin").write_bytes(folder.encode())
    assert fetch.file("m/w.bin").read_bytes() == b"m"


def test_adopt(tmp_path, cache):
    (tmp_path / "mine.pt").write_bytes(GOOD)
    assert fetch.adopt(tmp_path / "mine.pt", "m/w.bin", sha256=SUM) == cache / "m" / "w.bin"
    with pytest.raises(ChecksumMismatch, match="mine.pt"):
        fetch.adopt(tmp_path / "mine.pt", "m/w.bin", sha256=OTHER)
    assert (cache / "m" / "w.bin").read_bytes() == GOOD
    for nothing in (tmp_path / "gone.pt", tmp_path):
        with pytest.raises(Unreachable, match="expected a file of weights to read"):
            fetch.adopt(nothing, "m/w.bin")
    fetch.adopt(tmp_path / "mine.pt", "m/v.bin")
    assert fetch.known_sha256("m/v.bin") == SUM


def test_verify(tmp_path, cache):
    (tmp_path / "mine.pt").write_bytes(GOOD)
    fetch.adopt(tmp_path / "mine.pt", "a.bin", sha256=SUM)
    fetch.adopt(tmp_path / "mine.pt", "b.bin")
    fetch.adopt(tmp_path / "mine.pt", "c.bin")
    (cache / "c.bin").write_bytes(b"other")
    assert fetch.verify({"a.bin": SUM, "b.bin": "", "c.bin": "", "d.bin": OTHER}) == [
        ("a.bin", True, SUM, SUM),
        ("b.bin", True, SUM, SUM),
        ("c.bin", False, SUM, OTHER),
        ("d.bin", False, OTHER, ""),
    ]


# --- out of packages


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "made_up-1.0-py3-none-any.whl"
    info = {
        "made_up-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n",
        "made_up-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "made_up-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in {**members, **info}.items():
            archive.writestr(name, body)
    return path


def source(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "made_up-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return path


PIP = "pip:made_up==1.0/made_up/"


def test_pip_downloads_the_package(tmp_path, monkeypatch, capsys):
    wheel(tmp_path, {"made_up/w.bin": GOOD})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetch.file("m/w.bin", url=f"{PIP}w.bin", sha256=SUM, progress=True).read_bytes() == GOOD
    first, second = capsys.readouterr().err.splitlines()
    assert first == "fetching package made_up==1.0 ..."
    assert second.startswith("fetched package made_up==1.0: ")


def test_a_package_that_the_index_does_not_have():
    parts = ("made_up==1.0", "No matching distribution found for made_up==1.0", "no network", "FACEVALUE_MIRROR")
    refused(Unreachable, *parts, url=f"{PIP}w.bin", sha256=SUM)


def test_pip_that_hangs(monkeypatch):
    monkeypatch.setattr(_packages, "PATIENCE", 0.01)
    refused(Unreachable, "nothing in time", url=f"{PIP}w.bin", sha256=SUM)


def test_what_pip_says_is_one_line():
    noise = "WARNING: Retrying\n  error: exited\n  \n  ERROR: No wheel\nERROR: No package\n\nnote: and so on\n"
    assert _packages._last_error(noise) == "No package"
    assert _packages._last_error("/bin/python: No module named pip\n") == "/bin/python: No module named pip"
    assert _packages._last_error("") == ""


@pytest.mark.parametrize("make", [wheel, source])
def test_one_archive_gives_every_file_that_is_asked_for(make, mirror, cache, monkeypatch):
    top = "" if make is wheel else "made_up-1.0/"
    make(mirror, {f"{top}made_up/{name}": GOOD + name.encode() for name in "abcd"})
    sums = {name: hashlib.sha256(GOOD + name.encode()).hexdigest() for name in "abcd"}
    siblings = {f"m/{name}": (f"{PIP}{name}", sums[name]) for name in "abc"}
    siblings |= {
        "m/bad": (f"{PIP}d", OTHER),
        "m/gone": (f"{PIP}e", OTHER),
        "n/x": ("pip:other==2/d", ""),
        "n/y": ("", ""),
    }
    fetch.file("m/a", url=f"{PIP}a", sha256=sums["a"], siblings=siblings)
    assert sorted(leftovers(cache)) == ["a", "b", "c"]
    monkeypatch.setattr(_packages, "archive", None)
    for name in "abc":
        assert fetch.file(f"m/{name}", url=f"{PIP}{name}", sha256=sums[name]).read_bytes() == GOOD + name.encode()


@pytest.mark.parametrize("make", [wheel, source])
def test_a_member_that_is_not_there_or_is_not_the_card_s(make, mirror):
    top = "" if make is wheel else "made_up-1.0/"
    archive = make(mirror, {f"{top}made_up/w.bin": b"other", f"{top}made_up/deep/v.bin": b"other"})
    refused(Unreachable, archive.name, "expected made_up/v.bin in it; it has no such member", url=f"{PIP}v.bin")
    refused(ChecksumMismatch, "made_up/w.bin of made_up==1.0", SUM, OTHER, url=f"{PIP}w.bin", sha256=SUM)


@pytest.mark.parametrize("make", [wheel, source])
def test_a_damaged_archive(make, mirror):
    top = "" if make is wheel else "made_up-1.0/"
    archive = make(mirror, {f"{top}made_up/w.bin": os.urandom(50_000)})
    whole = bytearray(archive.read_bytes())
    whole[20_000:20_100] = bytes(100)
    archive.write_bytes(whole)
    refused(WeightsError, "made_up", url=f"{PIP}w.bin", sha256=SUM)
    archive.write_bytes(whole[:30_000])
    refused(Unreachable, archive.name, "damaged", url=f"{PIP}w.bin")


def test_an_archive_cannot_write_where_it_likes(mirror, cache, tmp_path):
    members = {"made_up-1.0/../../../evil": b"x", "/evil": b"x", "made_up-1.0/made_up/w.bin": GOOD}
    archive = source(mirror, members)
    with tarfile.open(archive, "w:gz") as tar:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
        link = tarfile.TarInfo("made_up-1.0/made_up/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    refused(Unreachable, "no such member", url=f"{PIP}link")
    fetch.file("m/w.bin", url=f"{PIP}w.bin", sha256=SUM)
    assert not list(tmp_path.rglob("evil"))
    assert leftovers(cache) == ["w.bin"]


def test_what_the_package_carries_is_used_where_it_is_and_must_have_its_sum(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEVALUE_CACHE", str(tmp_path))
    place = Path(fetch.__file__)
    url = "package:data/fetch.py"
    assert fetch.file("facevalue/x.onnx", url=url, sha256=fetch.sha256(place)) == place
    assert not list(tmp_path.iterdir())
    with pytest.raises(ChecksumMismatch, match=r"fetch\.py: expected sha256 0{64}, got .* install it again"):
        fetch.file("facevalue/x.onnx", url=url, sha256="0" * 64)
