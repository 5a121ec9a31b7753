"""Runs whose disk is full, whose folder or photos go away, whose clock jumps and whose memory ends."""

import contextlib
import errno
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from facevalue.annotate import record
from facevalue.annotate.run import Options, run
from facevalue.data.consent import read_permission
from facevalue.data.errors import FacevalueError, RunError
from facevalue.models import fake
from tests.annotate.conftest import FAKE, picture
from tests.soak.conftest import rounds
from tests.soak.test_kills import contents, files

ONE = Options(gallery=False)


def rows(out: Path) -> dict[str, str]:
    return {row["path"]: row["why"] for row in pq.read_table(out / "photos.parquet").to_pylist()}


def whole(folder: Path) -> None:
    """Fail where a file of results is not whole."""
    for path in folder.glob("*.parquet"):
        pq.read_table(path)
    for path in folder.glob("*.html"):
        assert path.read_text().rstrip().endswith("</html>")


# --- the disk


SMALL = """
mount -t tmpfs -o size=192k tmpfs "$1" || exit 77
shift
"$@" 2> "$TOLD"; echo $? >> "$TOLD"
ls -A "$OUT" > "$TOLD.names"
mount -o remount,size=64m "$PLACE" && "$@" && cp -r "$OUT" "$KEPT"
"""


@pytest.mark.soak
def test_a_full_file_system_is_one_line_and_with_room_the_run_goes_on(photos, tmp_path):
    """The file system lies in a name space of mounts that ends with the process, and with it."""
    given, place, kept = photos(160), tmp_path / "small", tmp_path / "kept"
    place.mkdir()
    code = "import sys; from facevalue.annotate import record; from facevalue.cli import main\nrecord.PART_SECONDS = 0; main()"
    words = ["annotate", str(given), "--out", str(place / "out"), "--detector", "fake_detector", "--instruments", "fake", "-q"]
    names = {"PLACE": place, "OUT": place / "out", "KEPT": kept, "TOLD": tmp_path / "told"}
    environment = os.environ | {name: str(path) for name, path in names.items()}
    command = ["unshare", "--mount", "bash", "-c", SMALL, "bash", str(place), sys.executable, "-c", code, *words]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not installed: no file system that is full can be made")
    if done.returncode in (1, 77) and not (tmp_path / "told").exists():
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told, code = (tmp_path / "told").read_text().splitlines()
    assert code == "1"
    assert "No space left on device; what was measured so far is safe" in told
    assert "photos.parquet" not in (tmp_path / "told.names").read_text().split()
    assert len(rows(kept)) == 160
    assert not list(kept.rglob("*.part"))


@pytest.mark.soak
def test_a_limit_on_the_size_of_files_ends_a_run_with_one_line(photos, tmp_path):
    given, out = photos(8), tmp_path / "out"
    code = (
        "import resource, signal, sys; from facevalue.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "main()"
    )
    words = ["annotate", str(given), "--out", str(out), "--detector", "fake_detector", "--instruments", "fake", "-q"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr
    assert not (out / "photos.parquet").exists()
    assert not list(out.glob(".*.part"))


@pytest.mark.parametrize(("number", "fails"), [(errno.ENOSPC, 1), (errno.EROFS, 2), (errno.EIO, 3), (errno.EDQUOT, 4)])
def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(photos, tmp_path, monkeypatch, number, fails):
    given, out = photos(6), tmp_path / "out"
    run([given], out, FAKE, options=ONE)
    before, names = contents(out), files(out)
    (given / "0001.png").write_bytes(picture(3))
    replace, done = Path.replace, [0]

    def failing(self: Path, target: object) -> Path:
        done[0] += 1
        if done[0] == fails:
            raise OSError(number, os.strerror(number), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises((RunError, OSError)):
        run([given], out, FAKE, options=ONE)
    monkeypatch.undo()
    whole(out)
    assert not list(out.glob(".*.part"))
    run([given], out, FAKE, options=ONE)
    assert files(out) == names
    assert contents(out) != before
    run([given], tmp_path / "again", FAKE, options=ONE)
    assert contents(out) == contents(tmp_path / "again")


def test_a_folder_of_results_that_is_a_file_or_may_not_be_written_is_one_line(photos, tmp_path, monkeypatch):
    given = photos(2)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="expected a folder that can be written"):
        run([given], tmp_path / "file", FAKE, options=ONE)
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "dangling").symlink_to(tmp_path / "gone" / "deeper")
    with pytest.raises(RunError, match="expected a folder that can be written"):
        run([given], tmp_path / "dangling", FAKE, options=ONE)
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(RunError, match="expected a folder that can be written"):
            run([given], tmp_path / "closed" / "out", FAKE, options=ONE)


def test_a_folder_that_goes_away_during_a_run_ends_it_with_one_line_or_is_made_again(photos, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(record, "PART_SECONDS", 0)
    given, out, gone = photos(40), tmp_path / "out", []

    def removing(done: int, total: int) -> None:
        if done > 16 and not gone:
            gone.append(done)
            shutil.rmtree(out)

    with contextlib.suppress(FacevalueError, OSError):
        run([given], out, FAKE, options=ONE, progress=removing)
    assert gone
    run([given], out, FAKE, options=ONE)
    assert len(rows(out)) == 40


def test_photos_that_go_away_or_change_during_a_run_are_rows_all_the_same(photos, tmp_path):
    given, changed = photos(40), []

    def changing(done: int, total: int) -> None:
        if not changed:
            changed.append(done)
            for i in (30, 31):
                (given / f"{i:04d}.png").unlink()
            (given / "0032.png").write_bytes(b"")
            (given / "0033.png").unlink()
            (given / "0033.png").mkdir()

    run([given], tmp_path / "out", FAKE, options=Options(), progress=changing)
    told = rows(tmp_path / "out")
    assert len(told) == 40
    assert [told[f"{i:04d}.png"] for i in (30, 31, 32)] == ["missing", "missing", "empty"]
    assert told["0033.png"].startswith("unreadable")


# --- clocks


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumps_changes_no_result(photos, tmp_path, monkeypatch, years):
    given, clock, calls = photos(20), time.time, [0]
    run([given], tmp_path / "before", FAKE, options=ONE)

    def jumping() -> float:
        calls[0] += 1
        return clock() + years * 31_557_600 * (calls[0] % 3)

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(record, "PART_SECONDS", 0.001)
    assert run([given], tmp_path / "out", FAKE, options=ONE).seconds < 100
    again = run([given], tmp_path / "out", FAKE, options=ONE)
    assert again.measured_now == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "before")


@pytest.mark.parametrize(
    ("today", "why"), [("1999-01-01", "no_consent"), ("2026-06-30", ""), ("2090-01-01", "consent_expired")]
)
def test_consent_goes_by_the_day_that_the_calendar_says_and_writes_it_down(tmp_path, monkeypatch, today, why):
    from facevalue.data import consent

    class Jumped(date):
        @classmethod
        def today(cls) -> date:
            return date.fromisoformat(today)

    monkeypatch.setattr(consent, "date", Jumped)
    (tmp_path / "c.csv").write_text("person,photos,purpose,granted,until\nann,ann/*,study,2020-01-01,2026-12-31\n")
    permission = read_permission(tmp_path / "c.csv", "study")
    assert permission.about()["on"] == today
    reasons = permission.consent.covers(["ann/1.jpg"], None, purpose="study", on=permission.on)
    assert reasons[0] == why


# --- memory


def test_an_instrument_without_memory_makes_rows_that_say_so(photos, tmp_path, monkeypatch):
    given, find = photos(20), fake.find

    def hungry(nets, photo, **options):
        if int((photo == (255, 0, 0)).all(2).sum()) == 16 * 16 * 3:
            raise MemoryError
        return find(nets, photo, **options)

    monkeypatch.setattr(fake, "find", hungry)
    run([given], tmp_path / "out", FAKE, options=ONE)
    told = rows(tmp_path / "out")
    assert len(told) == 20
    assert {why.partition(":")[0] for path, why in told.items() if int(path[:4]) % 7 and int(path[:4]) % 5 == 2} == {"crashed"}


@pytest.mark.soak
def test_workers_that_are_killed_again_and_again_cost_no_row(photos, tmp_path):
    import multiprocessing
    import random

    given, draw, kills = photos(rounds(60, 160)), random.Random(0), [0]

    def killing(done: int, total: int) -> None:
        workers = multiprocessing.active_children()
        if workers and draw.random() < 0.25:
            kills[0] += 1
            draw.choice(workers).kill()

    run([given], tmp_path / "out", FAKE, options=Options(workers=2, gallery=False), progress=killing)
    run([given], tmp_path / "whole", FAKE, options=ONE)
    assert kills[0]
    assert contents(tmp_path / "out")["photos.parquet"] == contents(tmp_path / "whole")["photos.parquet"]


@pytest.mark.soak
def test_a_worker_whose_memory_ends_makes_rows_that_say_so(tmp_path):
    """A photo of 100 megapixels in a process that may have 700 MiB more than it starts with."""
    from PIL import Image

    given = tmp_path / "photos"
    given.mkdir()
    (given / "small.png").write_bytes(picture(1))
    Image.new("RGB", (10_000, 9_999)).save(given / "large.png")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from facevalue.annotate.run import Options, run; from tests.annotate.conftest import FAKE\n"
        "import pyarrow.parquet, facevalue.report.annotate\n"
        "size = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (700 << 20), size + (700 << 20)))\n"
        "run([sys.argv[1]], Path(sys.argv[2]), FAKE, options=Options(gallery=False))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(given), str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = rows(tmp_path / "out")
    assert told["small.png"] == ""
    assert told["large.png"].startswith(("crashed", "unreadable"))
