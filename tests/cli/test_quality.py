import csv

import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import instruments
from facevalue.cli.quality import _wanted, _words
from facevalue.data.errors import LicenceRefused
from facevalue.data.files import read_findings

from .test_similarity import FAKE, inside, people, portrait

__all__ = ["people"]
GIVEN = (*FAKE, "--components", "quality,fake.light", "--resamples", "20")


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_it_ranks_components_and_lists_what_to_drop(people, tmp_path):
    out = tmp_path / "out"
    done = inside("quality", people, "--out", out, *GIVEN)
    assert done.returncode == 0, done.stderr
    assert "8 photos in: 6 compared, 2 not (1 empty, 1 no_person)" in done.stdout
    names = done.stdout.splitlines()[-1].partition(": in ")[0].split(", ")
    assert all((out / name).stat().st_size for name in names)
    assert {"quality.html", "quality.csv", "drop.csv", "discard.svg", "findings.csv"} <= {*names}
    photos = rows(out / "quality.csv")
    assert len(photos) == 8
    assert {"quality.sharpness", "fake.light", "fake_embed.length"} <= set(photos[0])
    broken = next(row for row in photos if row["path"].endswith("broken.png"))
    assert (broken["why"], broken["fake.light"]) == ("empty", "")
    first = rows(out / "drop.csv")[0]
    assert (first["path"], first["reason"]) == ("cy/broken.png", "not compared: empty")
    found = read_findings(out / "findings.csv")
    assert {"fake.light", "quality.margin", "all"} <= set(found.group)
    assert "quality.luminance" not in found.group
    assert np.isfinite(found.value[found.measure == "gain@0.20"]).all()


def test_a_second_run_and_an_annotate_result_say_the_same(people, tmp_path):
    words = ("--instruments", "quality,fake,fake_embed", "--detector", "fake_detector")
    inside("annotate", people, "-o", tmp_path / "faces", "-q", *words)
    out = tmp_path / "results"
    first = inside("quality", people, "--out", out, *GIVEN)
    again = inside("quality", people, "--out", out, *GIVEN)
    given = inside("quality", tmp_path / "faces", "--out", tmp_path / "out", "--model", "fake_embed", *GIVEN[6:])
    assert given.returncode == 0, given.stderr
    assert first.stdout == again.stdout
    assert rows(out / "drop.csv") == rows(tmp_path / "out/drop.csv")
    assert inside("quality", people, "--out", out, *GIVEN, "-q").stdout == ""


def test_photos_of_nobody_have_components_and_no_errors(tmp_path):
    for i in range(3):
        portrait(tmp_path / f"photos/{i}.png", (60 * i, 9))
    done = inside("quality", tmp_path / "photos", "--out", tmp_path / "out", *GIVEN)
    assert done.returncode == 0, done.stderr
    assert "Nobody has two photos here: no errors can be counted." in done.stdout
    assert len(rows(tmp_path / "out/quality.csv")) == 3
    assert not (tmp_path / "out/findings.csv").exists()


def test_what_cannot_be_done_is_one_line(people, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, code, message in (
        ((tmp_path / "empty", *GIVEN), 1, "expected photos in"),
        ((people, *FAKE, "--components", "qualiti"), 1, "no instrument is called 'qualiti'; did you mean quality"),
        ((people, *FAKE, "--components", "quality.sharpnes"), 1, "quality.sharpness"),
        ((people, *GIVEN, "--fmr", "0.001"), 1, "needs 30,000 pairs of people"),
        ((people, "--model", "fake"), 1, "no model that embeds is called 'fake'"),
        ((people, *FAKE, "--components", "iso_expression", "--only-permissive"), 1, "no commercial use of expression"),
        ((people, *FAKE, "--components", "expected_error"), 1, "needs 24 people with two comparable photos; there are 2"),
        ((people, *GIVEN, "--calibration", tmp_path / "none.json"), 1, "expected a calibration"),
    ):
        done = inside("quality", *words, "--out", tmp_path / "out", "-q")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.shared
@pytest.mark.index
def test_on_real_people_blurred_photos_are_found(shared, mirror, tmp_path):
    import cv2

    for path in sorted((shared / "data/london/photos/neutral").glob("*.jpg"))[:6]:
        who = path.name.split("_")[0]
        for k in range(2):
            photo = cv2.imread(str(path))
            photo = cv2.GaussianBlur(photo, (0, 0), 8) if k and who.endswith(("1", "3")) else photo
            (tmp_path / "people" / who).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "people" / who / f"{k}.jpg"), photo)
    blurred = {f"{path.name}/1.jpg" for path in (tmp_path / "people").iterdir() if path.name.endswith(("1", "3"))}
    assert blurred
    given = (
        "--components",
        "iso_quality.sharpness",
        "--resamples",
        "20",
        "--threshold-fnmr",
        "0.2",
        "--drop",
        len(blurred) / 12,
    )
    done = inside("quality", tmp_path / "people", "--out", tmp_path / "out", "--workers", "1", *given)
    assert done.returncode == 0, done.stderr
    told = rows(tmp_path / "out/quality.csv")
    assert {row["path"] for row in told if float(row["iso_quality.sharpness"]) < 50} == blurred
    assert {row["path"] for row in rows(tmp_path / "out/drop.csv")} == blurred


def test_only_neutrality_is_left_out_where_commercial_use_must_be_free():
    every, _ = _words(None, "dlib_resnet", errors=True, permissive=False)
    free, notes = _words(None, "dlib_resnet", errors=True, permissive=True)
    assert {*every} - {*free} == {"iso_expression"}
    assert notes == ["No expression neutrality: the data of `expression` forbid commercial use."]
    wanted = _wanted(free, "dlib_resnet", errors=True, calibrated=False)
    assert wanted == ["dlib_resnet", "iso_quality", "quality", "dlib_resnet_spread"]
    models.permissive(instruments.placed(wanted, "centerface"))
    with pytest.raises(LicenceRefused, match="iso_expression"):
        models.permissive(instruments.placed(_wanted(every, "dlib_resnet", errors=True, calibrated=False), "centerface"))


def test_a_calibration_brings_what_its_error_is_made_of():
    assert _wanted(["iso_quality"], "m", errors=True, calibrated=True) == ["m", "iso_quality", "m_spread", "quality"]
    assert _wanted(["iso_quality", "quality.dark"], "m", errors=False, calibrated=False) == ["iso_quality", "quality"]
