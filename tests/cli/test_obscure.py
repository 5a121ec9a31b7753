"""`facevalue obscure`: what it writes, what it says, and that a wrong word never leaves a face visible."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue.data.manifest import read_manifest
from tests.cli.coloured import here

RED = (255, 0, 0)
FAKE = ("--detector", "fake_detector", "-q")


def photo(path: Path, *, faces: int = 1) -> Path:
    """Write a green photo with so many red faces."""
    image = Image.new("RGB", (260, 140), (10, 120, 90))
    for left in (20, 180)[:faces]:
        image.paste(RED, (left, 40, left + 50, 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def red(path: Path) -> int:
    """Return how many px are those of a face."""
    return int((np.asarray(Image.open(path).convert("RGB")) == RED).all(2).sum())


def manifest(out: Path) -> Path:
    return out.with_name(f"{out.name}.record") / "manifest.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos with faces, one without, and a file that is no photo."""
    photo(tmp_path / "in/one.png")
    photo(tmp_path / "in/two.png", faces=2)
    photo(tmp_path / "in/none.png", faces=0)
    (tmp_path / "in/list.pdf").write_text("%PDF")
    return tmp_path


def test_it_counts_all_that_went_in_and_says_what_is_not_shown_and_why(folder: Path) -> None:
    (folder / "in/broken.png").write_bytes(b"")
    run = here("obscure", folder / "in", "-o", folder / "out", *FAKE[:-1])
    assert run.returncode == 3
    assert "4 photos: 1 failed (empty), 1 blanked (no_face), 2 obscured" in run.stdout
    assert "3 faces in photos: 3 hidden by their" in run.stdout
    assert "not copied: 1 other file\n" in run.stdout
    assert "empty: The file has no bytes. (broken.png)" in run.stdout
    assert "not anonymity" in run.stdout
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["none.png", "one.png", "two.png"]
    assert not sum(red(path) for path in (folder / "out").iterdir())


def test_a_reversible_method_warns(folder: Path) -> None:
    run = here("obscure", folder / "in/one.png", "-o", folder / "out", "--method", "blur", *FAKE[:-1])
    assert run.returncode == 0
    assert "can be undone in part" in run.stdout


def test_quiet_says_nothing_and_the_exit_code_tells(folder: Path) -> None:
    run = here("obscure", folder / "in", "-o", folder / "out", "--if-unsure", "refuse", *FAKE)
    assert (run.returncode, run.stdout, run.stderr) == (3, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--region", "nose"), "no region is called 'nose'"),
        (("--method", "blurr"), "did you mean blur?"),
        (("--strength", ".5"), "has no strength"),
        (("--method", "blur", "--strength", "nan"), "expected a strength of blur"),
        (("--who", "targets"), "--targets FILE"),
        (("--least", ".9"), "--least"),
        (("--span", "x"), "0:05-0:20"),
        (("--redo", "in/list.pdf"), "a manifest of facevalue obscure"),
        (("--targets", "in/list.pdf"), "boxes by photo"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_is_one_line_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    run = here("obscure", "in", "-o", "out", *words, *FAKE)
    assert run.returncode in (1, 2)
    assert said in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (folder / "out").exists()


def test_targets_of_a_photo_that_is_not_there_are_refused(folder: Path) -> None:
    (folder / "targets.json").write_text(json.dumps({"on.png": [[1, 1, 9, 9]]}))
    run = here("obscure", folder / "in", "-o", folder / "out", "--targets", folder / "targets.json", *FAKE)
    assert run.returncode == 1
    assert "did you mean one.png?" in run.stderr
    assert not (folder / "out").exists()


def test_an_earlier_run_is_done_again_with_targets_more(folder: Path) -> None:
    here("obscure", folder / "in", "-o", folder / "out", *FAKE)
    (folder / "targets.json").write_text(json.dumps({"none.png": [[90, 40, 150, 100]], "one.png": [[190, 50, 220, 80]]}))
    words = ("--redo", manifest(folder / "out"), "--targets", folder / "targets.json", "--method", "mean", *FAKE)
    assert here("obscure", folder / "in", "-o", folder / "again", *words).returncode == 0
    done = {entry.path: entry for entry in read_manifest(manifest(folder / "again")).entries}
    assert {path: (one.status, len(one.faces)) for path, one in done.items()} == {
        "none.png": ("obscured", 1),
        "one.png": ("obscured", 2),
        "two.png": ("obscured", 2),
    }
    assert not red(folder / "again/one.png")


def test_what_is_done_again_is_done_as_then_but_for_what_is_asked(folder: Path) -> None:
    first = ("--region", "eye,lower", "--method", "pixelate", "--strength", "0.3", *FAKE)
    here("obscure", folder / "in/one.png", "-o", folder / "out", *first)
    kept = {"regions": ["eye", "lower"], "method": "pixelate", "strength": 0.3}
    for words, changed in (((), {}), (("--strength", "0.2"), {"strength": 0.2}), (("--method", "solid"), {"method": "solid"})):
        run = here("obscure", folder / "in/one.png", "-o", folder / "again", "--redo", manifest(folder / "out"), *words, *FAKE)
        told = read_manifest(manifest(folder / "again")).settings
        expected = kept | changed | ({"strength": None} if words[:1] == ("--method",) else {})
        assert (run.returncode, {name: told[name] for name in kept}) == (0, expected)


@pytest.mark.parametrize("points", [[], [[1, 1], [2, 2]], [[1, 1], [2, 2], [float("nan"), 3]]], ids=["none", "two", "nan"])
def test_a_manifest_with_a_face_that_it_does_not_outline_is_refused(folder: Path, points: list[list[float]]) -> None:
    here("obscure", folder / "in/one.png", "-o", folder / "out", *FAKE)
    told = json.loads(manifest(folder / "out").read_text())
    told["entries"][0]["faces"][0]["outlines"]["face"] = points
    (folder / "edited.json").write_text(json.dumps(told))
    run = here("obscure", folder / "in/one.png", "-o", folder / "again", "--redo", folder / "edited.json", *FAKE)
    assert run.returncode == 1
    assert "fewer than three points" in run.stderr
    assert not (folder / "again").exists()


def test_a_manifest_without_a_region_gives_no_photo(folder: Path) -> None:
    here("obscure", folder / "in/one.png", "-o", folder / "out", *FAKE)
    told = json.loads(manifest(folder / "out").read_text())
    del told["entries"][0]["faces"][0]["outlines"]["head"]
    (folder / "edited.json").write_text(json.dumps(told))
    words = ("--redo", folder / "edited.json", "--region", "head", *FAKE)
    assert here("obscure", folder / "in/one.png", "-o", folder / "again", *words).returncode == 3
    assert read_manifest(manifest(folder / "again")).entries[0].why == "no_outlines"
    assert not (folder / "again/one.png").exists()


def test_of_several_pages_the_first_is_written_and_it_is_said(tmp_path: Path) -> None:
    with Image.open(photo(tmp_path / "a.png")) as still:
        still.save(tmp_path / "a.tif", save_all=True, append_images=[still.rotate(180)])
    run = here("obscure", tmp_path / "a.tif", "-o", tmp_path / "out", *FAKE[:-1])
    assert "1 photo: 1 obscured (first_of_several)" in run.stdout
    with Image.open(tmp_path / "out/a.tif") as written:
        assert getattr(written, "n_frames", 1) == 1


def test_a_photo_that_cannot_be_written_fails_alone(folder: Path) -> None:
    (folder / "out/one.png").mkdir(parents=True)
    run = here("obscure", folder / "in", "-o", folder / "out", *FAKE)
    told = {
        entry.path: (entry.status, entry.why.partition(":")[0]) for entry in read_manifest(manifest(folder / "out")).entries
    }
    assert run.returncode == 3
    assert told == {"none.png": ("blanked", "no_face"), "one.png": ("failed", "not_written"), "two.png": ("obscured", "")}


def test_a_place_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "out.record").write_text("in the way")
    run = here("obscure", folder / "in", "-o", folder / "out", *FAKE)
    assert run.returncode == 1
    assert "expected a folder that can be written" in run.stderr


def test_the_working_folder_can_be_the_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    assert here("obscure", "../in/one.png", "-o", ".", *FAKE).returncode == 0
    assert [path.name for path in (folder / "here").iterdir()] == ["one.png"]
    assert (folder / "here.record/manifest.json").exists()


def test_two_runs_do_not_write_into_one_folder(folder: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="Windows has no locks of folders")
    (folder / "out.record").mkdir()
    held = os.open(folder / "out.record", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    run = here("obscure", folder / "in", "-o", folder / "out", *FAKE)
    os.close(held)
    assert run.returncode == 1
    assert "another run" in run.stderr
    assert here("obscure", folder / "in", "-o", folder / "out", *FAKE).returncode == 0


def test_a_film_that_a_glob_or_a_list_names_is_one_film(folder: Path) -> None:
    (folder / "in/a.mp4").write_bytes(b"no film")
    (folder / "list.txt").write_text("in/a.mp4\nin/one.png\n")
    for n, given in enumerate((folder / "in/*.mp4", folder / "in", folder / "list.txt")):
        assert here("obscure", given, "-o", folder / f"out{n}", *FAKE).returncode == 3
        films = [entry for entry in read_manifest(manifest(folder / f"out{n}")).entries if entry.path.endswith("mp4")]
        assert [(one.status, one.why.partition(":")[0]) for one in films] in (
            [("failed", "not_a_video")],
            [("failed", "needs_video")],
        )
