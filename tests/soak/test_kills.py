"""kill -9 at random moments: what is there afterwards is whole or absent, and the same command brings the same results.

Whatever needs the server stands in this file, so that of several workers one alone starts it.
"""

import itertools
import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from facevalue.annotate.run import Options, run
from facevalue.data.files import read_findings
from facevalue.data.gallery import read_gallery
from facevalue.data.leftovers import leftovers
from tests.annotate.conftest import FAKE
from tests.soak.conftest import rounds

KILLED = -9


def contents(out: Path) -> dict[str, object]:
    """Return all that a run found, and its page."""
    tables = {name: pq.read_table(out / name).to_pydict() for name in ("photos.parquet", "faces.parquet")}
    page = (out / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    return tables | {"results": (out / "results.json").read_text(), "page": page}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {".lock"}


def resumed(server, photos, out, draw, *, workers, kills):
    """Kill a run again and again until it ends, or so many times; return how often."""
    done = 0
    while True:
        whole = server.run("annotate", str(photos), str(out), 1)["seconds"] if done >= kills else None
        if whole is not None:
            return done
        found = server.run("annotate", str(photos), str(out), workers, kill_after=draw.uniform(0, 1.2) ** 2)
        assert found["status"] in (0, KILLED), found
        if found["status"] == 0:
            return done
        done += 1


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one(server, photos, tmp_path, workers):
    given, draw = photos(rounds(16, 300)), random.Random(workers)
    assert server.run("annotate", str(given), str(tmp_path / "whole"), 1)["status"] == 0
    whole, names = contents(tmp_path / "whole"), files(tmp_path / "whole")
    kills, wanted = 0, rounds(4, 50)
    for i in itertools.count():
        out = tmp_path / f"out{i}"
        kills += resumed(server, given, out, draw, workers=workers, kills=min(6, wanted - kills))
        assert contents(out) == whole
        assert files(out) == names
        rows = [row["path"] for row in pq.read_table(out / "photos.parquet").to_pylist()]
        assert rows == sorted(path.name for path in given.iterdir())
        if kills >= wanted or i > 4 * wanted:
            break
    print(f"{kills} kills of runs with {workers} workers over {len(rows)} photos")


def test_a_run_that_dies_at_any_rename_of_a_file_ends_as_an_undisturbed_one(server, photos, tmp_path):
    given, out = photos(16), tmp_path / "out"
    server.run("annotate", str(given), str(tmp_path / "whole"), 1)
    for deadly in range(1, 40, 1 if rounds(0, 1) else 4):
        if server.run("annotate", str(given), str(out), 1, deadly)["status"] == 0:
            break
        for name in ("photos.parquet", "faces.parquet"):
            if (out / name).exists():
                pq.read_table(out / name)
    assert 8 < deadly < 37
    assert server.run("annotate", str(given), str(out), 1)["status"] == 0
    assert contents(out) == contents(tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


def test_what_obscure_had_written_when_it_was_killed_is_whole_and_the_next_run_clears_it(server, photos, tmp_path):
    given, out, draw = photos(12), tmp_path / "out", random.Random(1)
    for _ in range(rounds(2, 40)):
        found = server.run("obscure", str(given), str(out), kill_after=draw.uniform(0, 0.25))
        assert found["status"] in (0, KILLED), found
        for path in out.glob("*.png"):
            assert leftovers(path.read_bytes()) == ()
        record = out.with_name("out.record") / "manifest.json"
        if record.exists():
            json.loads(record.read_text())
    assert server.run("obscure", str(given), str(out))["result"] == 12
    assert not list(tmp_path.rglob("*.part"))
    server.run("obscure", str(given), str(tmp_path / "whole"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()
    }


def test_a_gallery_that_dies_at_any_rename_holds_all_of_an_update_or_nothing(server, tmp_path):
    held = 0
    for deadly in range(1, 8):
        found = server.run("gallery", str(tmp_path), 10 * deadly, deadly)
        photos = read_gallery(tmp_path).manifest.photos if (tmp_path / "manifest.json").exists() else 0
        assert photos in (held, held + 10), found
        held = photos
    assert found["status"] == 0, found
    server.run("gallery", str(tmp_path), 900)
    gallery = read_gallery(tmp_path)
    named = {part.file for parts in gallery.manifest.parts.values() for part in parts} | {"manifest.json"}
    assert files(tmp_path) == named


def test_of_two_runs_in_one_folder_the_second_says_so_and_the_first_ends_whole(server, photos, tmp_path):
    given, out, seen = photos(24), tmp_path / "out", []

    def racing(done: int, total: int) -> None:
        if not seen:
            seen.append(server.run("annotate", str(given), str(out)))

    run([given], out, FAKE, options=Options(gallery=False), progress=racing)
    assert (seen[0]["status"], seen[0]["error"]) == (1, "RunError")
    assert "another run is writing to" in seen[0]["message"]
    run([given], tmp_path / "whole", FAKE, options=Options(gallery=False))
    assert contents(out) == contents(tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.soak
def test_a_report_that_was_being_written_is_whole_or_absent(server, tmp_path):
    draw = random.Random(3)
    server.run("similarity", str(tmp_path / "whole"))
    names = files(tmp_path / "whole")
    for i in range(rounds(1, 30)):
        out = tmp_path / str(i)
        server.run("similarity", str(out), kill_after=draw.uniform(0, 1.0))
        if (out / "similarity.html").exists():
            assert (out / "similarity.html").read_text().rstrip().endswith("</html>")
        if (out / "findings.parquet").exists():
            read_findings(out / "findings.parquet")
        assert server.run("similarity", str(out))["status"] == 0
        assert {name for name in files(out) if not name.startswith(".")} == names
