import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import typer
from PIL import Image

from facevalue.cli.leaks import leaks
from facevalue.data.errors import FacevalueError
from facevalue.data.files import read_findings
from facevalue.data.leaks import KINDS

from ..report.saved import draws_again

RED = (255, 0, 0)


def here(*words):
    """Run the command in this process, by itself."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(leaks)
    argv, out, err = ["leaks", *map(str, words)], io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            code = app(standalone_mode=False) or 0
        except FacevalueError as error:
            code, _ = 1, print(error, file=sys.stderr)
        except typer.BadParameter as error:
            code, _ = 2, print(error.format_message(), file=sys.stderr)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a clean photo, one with a face and one with a comment."""
    hidden, shown = np.full((64, 64, 3), 90, np.uint8), np.full((64, 64, 3), 90, np.uint8)
    shown[8:40, 8:40] = RED
    (tmp_path / "given").mkdir()
    Image.fromarray(hidden).save(tmp_path / "given/clean.png")
    Image.fromarray(shown).save(tmp_path / "given/face.png")
    Image.fromarray(hidden).save(tmp_path / "given/told.jpg", comment=b"Ann at home")
    return tmp_path / "given"


FAKE = ("--detector", "fake_detector")


def test_leaks_are_told_and_the_exit_code_is_one(folder, tmp_path):
    done = here(folder, *FAKE, "--out", tmp_path / "audit")
    assert done.returncode == 1, done.stderr
    assert "3 files: 1 clean, 2 with leaks, 0 unreadable" in done.stdout
    assert "1 face in 1 file" in done.stdout
    rows = list(csv.DictReader(io.StringIO((tmp_path / "audit/files.csv").read_text())))
    assert [(row["path"], row["status"], row["kinds"]) for row in rows] == [
        ("clean.png", "clean", ""),
        ("face.png", "leaks", "1 face"),
        ("told.jpg", "leaks", "1 text"),
    ]
    told = list(csv.DictReader(io.StringIO((tmp_path / "audit/leaks.csv").read_text())))
    assert [(row["path"], row["kind"], row["x1"], row["score"]) for row in told] == [
        ("face.png", "face", "8", "1"),
        ("told.jpg", "text", "", ""),
    ]
    assert json.loads((tmp_path / "audit/leaks.json").read_text())["leaks"][0]["detector"] == "fake_detector"
    found = read_findings(tmp_path / "audit/findings.parquet")
    assert found.value[(found.measure == "leaking") & (found.group == "all")].tolist() == pytest.approx([2 / 3])


def test_the_page_tells_no_face_unasked_and_no_text(folder, tmp_path):
    here(folder, *FAKE, "--out", tmp_path / "a", "--quiet")
    here(folder, *FAKE, "--out", tmp_path / "b", "--quiet", "--show")
    plain, shown = (tmp_path / "a/leaks.html").read_text(), (tmp_path / "b/leaks.html").read_text()
    assert "What 3 files still give away" in plain
    assert "data:image" not in plain
    assert shown.count("data:image/jpeg") == 1
    assert "Ann" not in plain + shown
    assert draws_again(tmp_path / "b/leaks.html")
    assert "not anonymity" in plain
    assert "fake_detector" in plain


def test_what_is_allowed_does_not_count(folder):
    done = here(folder, *FAKE, "--allow", "text,face")
    assert done.returncode == 0, done.stderr
    assert "3 files: 3 clean" in done.stdout
    assert "Found, and no leak here: face in 1 file, text in 1 file." in done.stdout
    assert here(folder / "clean.png", *FAKE, "--quiet").stdout == ""


def test_a_folder_of_nothing_but_clean_files_has_a_page(folder, tmp_path):
    done = here(folder / "clean.png", *FAKE, "--out", tmp_path / "audit")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "audit/leaks.csv").read_text().startswith('"path","kind"')
    assert "By kind" not in (tmp_path / "audit/leaks.html").read_text()


def test_a_name_that_looks_like_markup_is_printed_as_it_is(folder):
    (folder / "[/red]").mkdir(parents=True)
    (folder / "face.png").rename(folder / "[/red]/[bold].png")
    assert "[/red]/[bold].png" in here(folder, *FAKE).stdout


def test_the_page_of_the_docs_has_every_kind():
    page = (Path(__file__).parents[2] / "docs/leaks.md").read_text(encoding="utf-8")
    assert [kind for kind, about in KINDS.items() if f"| `{kind}` | {about} |" not in page] == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--allow", "fac"), 1, "no kind of leak is called 'fac'; did you mean face"),
        (("--detector", "yunett"), 1, "no model is called 'yunett'"),
        (("--show",), 2, "--show needs a page"),
        (("--out", "{folder}/audit"), 2, "expected a folder outside"),
        (("--detector", ","), 2, "--detector: expected names"),
        (("--allow", "unreadable"), 2, "take these files out"),
    ],
)
def test_what_cannot_be_is_refused(folder, words, code, told):
    options = () if "--detector" in words else FAKE
    done = here(folder, *options, *(word.format(folder=folder) for word in words))
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "audit").exists()


@pytest.mark.shared
@pytest.mark.usefixtures("mirror")
def test_a_real_photo_is_recognized_until_its_face_is_hidden(shared, tmp_path):
    from facevalue.annotate.memory import annotate
    from facevalue.data.bare import write_bare

    people, given = tmp_path / "people", tmp_path / "given"
    people.mkdir()
    for name in ("001_03", "002_03", "003_03"):
        path = next((shared / "data/london/photos/neutral").glob(f"{name}*"))
        (people / f"{name}.jpg").write_bytes(path.read_bytes())
    pixels = np.array(Image.open(people / "001_03.jpg").convert("RGB"))
    x1, y1, x2, y2 = annotate(people / "001_03.jpg", instruments=[]).box[0].astype(int)
    write_bare(pixels, given / "seen.jpg")
    pixels[y1 - 30 : y2 + 30, x1 - 30 : x2 + 30] = 0
    write_bare(pixels, given / "hidden.jpg")
    done = here(given, "--originals", people, "--out", tmp_path / "audit")
    assert done.returncode == 1, done.stderr
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO((tmp_path / "audit/files.csv").read_text()))}
    assert rows["hidden.jpg"]["status"] == "clean"
    assert [rows["hidden.jpg"][name] for name in ("original", "places", "compared")] == ["001_03.jpg", "1", "1"]
    assert "The originals of 2 photos have 2 faces; at the places of 2 what" in done.stdout
    assert rows["seen.jpg"]["kinds"] == "1 face, 1 match, 1 unobscured"
    told = list(csv.DictReader(io.StringIO((tmp_path / "audit/leaks.csv").read_text())))
    assert {row["original"] for row in told} == {"", "001_03.jpg"}
