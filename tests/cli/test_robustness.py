"""`facevalue robustness` on people as the fake instruments see them: what it prints and writes, and what it refuses."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from facevalue.confidence import defaults
from facevalue.data.files import read_findings

from .coloured import FAKE, album, here, portrait

SMALL = ("--corruptions", "small,fog", "--severities", "5,1")
GIVEN = (*FAKE, "--instruments", "fake", "--workers", "1")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Return two photos each of five people, in a folder whose name is not ASCII."""
    return album(tmp_path_factory.mktemp("wer") / "Bilder für ä", people=5, photos=2)


@pytest.fixture(scope="module")
def wearing(tmp_path_factory):
    """Return people with two photos as they are, two with a hat, and one person without a hat."""
    folder, draw = tmp_path_factory.mktemp("wearing"), np.random.default_rng(0)
    for i in range(4):
        colours = draw.integers(10, 240, (2, 2, 3))
        for level in ("", "hat") if i else ("",):
            for k in range(2):
                portrait(folder / f"p{i}" / level / f"{k}.png", colours, draw)
    return folder


def told(out):
    found = read_findings(out / "findings.csv")
    return {(row["measure"], row["group"].removesuffix(" / fake_embed / fake_detector")): row for row in found.to_rows()}


def test_it_tells_where_each_corruption_breaks_what_and_goes_on_where_it_was(people, tmp_path):
    out = tmp_path / "aus ü"
    first = here("robustness", people, "--out", out, *GIVEN, *SMALL)
    assert first.returncode == 0, first.stderr
    cells = {line.split()[1]: line.split("│")[2:6] for line in first.stdout.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in cells["fog"]] == ["1", "1", "not judged", "not judged"]
    assert cells["small"][0].strip() == "none"
    assert "One photo of each person, of those that can be compared, was corrupted" in first.stdout
    assert "the bands were not judged: a check of level 0.9 needs 60 people" in first.stdout
    names = first.stdout.splitlines()[-1].partition(": in ")[0].split(", ")
    assert all((out / name).stat().st_size for name in names)
    found = told(out)
    assert found["detection_rate", "fog 1"]["value"] == 0
    assert found["detection_rate", "small 5"]["value"] == 1
    assert found["photos", "small 1"]["value"] == 5
    assert ("detection_rate", "small 3") not in found
    parts = sorted((out / "corrupted/fake_detector").iterdir())
    before = [part.stat().st_mtime_ns for part in parts]
    again = here("robustness", people, "--out", out, *GIVEN, *SMALL, "-q")
    assert (again.returncode, again.stdout) == (0, "")
    assert [part.stat().st_mtime_ns for part in parts] == before
    assert told(out) == found


def test_people_with_one_photo_are_detected_and_not_matched(tmp_path):
    alone = album(tmp_path / "alone", people=3, photos=1)
    done = here("robustness", alone, "--out", tmp_path / "out", *GIVEN, "--corruptions", "small", "--severities", "1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"small +│ +none │ +not judged", done.stdout)
    assert not (tmp_path / "out/tar.svg").exists()


def test_levels_of_a_factor_are_judged_on_photos_and_on_an_earlier_result(wearing, tmp_path):
    instruments = "fake,fake_embed,fake_embed_spread,quality"
    done = here("robustness", wearing, "--out", tmp_path / "out", *GIVEN, "--factor", "folder")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("as they are: ")
    assert lines[0].endswith("4 people")
    assert lines[1].startswith("hat: ")
    assert lines[1].endswith("3 people")
    here("annotate", wearing, "-o", tmp_path / "faces", "--detector", "fake_detector", "--instruments", instruments, "-q")
    words = ("--model", "fake_embed", "--factor", "folder")
    earlier = here("robustness", tmp_path / "faces", "--out", tmp_path / "again", *words)
    assert earlier.returncode == 0, earlier.stderr
    assert "nothing was measured anew" in earlier.stdout
    assert told(tmp_path / "again").keys() == told(tmp_path / "out").keys()
    turned = here("robustness", wearing, "--out", tmp_path / "out", *GIVEN, "--factor", "folder", "--reference", "hat")
    assert turned.stdout.splitlines()[1].startswith("none: ")
    given = here("robustness", tmp_path / "faces", "--out", tmp_path / "never", "--model", "fake_embed")
    assert (given.returncode, given.stderr.count("\n")) == (1, 1)
    assert "give the photos, or --factor" in given.stderr
    assert not (tmp_path / "never").exists()


def test_a_calibration_gives_the_threshold_and_must_be_of_the_model_and_detector(wearing, tmp_path, monkeypatch):
    origin = SimpleNamespace(model="fake_embed", detector="fake_detector", check=lambda faces: None)
    monkeypatch.setattr(defaults, "read_verifier", lambda path: SimpleNamespace(origin=origin, threshold=0.5, fmr=0.02))
    (tmp_path / "calibration.json").write_text("{}")
    words = ("--out", tmp_path / "out", *GIVEN, "--factor", "folder", "--calibration", tmp_path / "calibration.json")
    done = here("robustness", wearing, *words)
    assert done.returncode == 0, done.stderr
    assert "threshold" not in done.stdout
    assert told(tmp_path / "out")["tar@fmr=0.02", "hat"]["value"] == 1
    origin.model = "dlib_resnet"
    wrong = here("robustness", wearing, *words)
    assert wrong.returncode == 2
    assert "is of dlib_resnet on fake_detector; asked for are fake_embed on fake_detector" in wrong.stderr


def test_what_cannot_be_done_is_one_line_before_anything_is_measured(people, wearing, tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    table = people / "people.csv"
    for given, words, code, message in (
        (people, ("--corruptions", "fogg"), 1, "no corruption is called 'fogg'; did you mean fog"),
        (people, ("--corruptions", ","), 2, "--corruptions: expected names with commas"),
        (people, ("--severities", "0"), 2, "--severities: expected 1 to 5 with commas, got 0"),
        (people, ("--model", "fake"), 1, "no model that embeds is called 'fake'"),
        (people, ("--detector", "fake"), 1, "no detector is called 'fake'"),
        (people, ("--reference", "hat"), 2, "--reference: expected --factor with it"),
        (people, ("--calibration", tmp_path / "bad.json"), 1, "expected a calibration"),
        (people, ("--factor", "folder"), 1, "expected two levels or more of folder, as in PERSON/LEVEL/photo; got none (10)"),
        (people, ("--factor", "outer-folder"), 1, "expected people with photos of outer-folder p00 and of another level"),
        (people, ("--factor", "age"), 1, "a factor that the photos carry: folder, outer-folder; got age"),
        (table, ("--factor", "sex"), 1, "expected people with photos of sex f and of another level, got none: f (6), m (4)"),
        (wearing, ("--factor", "folder", *SMALL), 2, "--factor: expected no --corruptions or --severities with it"),
        (wearing, ("--factor", "folder", "--reference", "cap"), 1, "one of none (8), hat (6); got cap"),
    ):
        done = here("robustness", given, "--out", tmp_path / "out", *GIVEN, *words, "-q")
        assert done.returncode == code, (words, done.stderr)
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_photos_without_a_face_are_told_by_reason(tmp_path):
    draw = np.random.default_rng(0)
    for who in "ab":
        portrait(tmp_path / f"people/{who}/0.png", draw.integers(10, 240, (2, 2, 3)), draw, squares=())
    done = here("robustness", tmp_path / "people", "--out", tmp_path / "out", *GIVEN, *SMALL, "-q")
    assert done.returncode == 1
    assert "expected photos of people with a face that fake_embed can compare, got none of 2 (2 no_face)" in done.stderr
