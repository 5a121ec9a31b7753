import json
import shutil

import numpy as np
import pytest

from facevalue.confidence.calibration import calibrated
from facevalue.confidence.defaults import read_verifier, write_verifier

from .coloured import FAKE, album, here, portrait
from .test_calibrate import calibrate

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture(scope="module")
def mine(coloured, few_draws, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "mine.json"
    done = calibrate(coloured, out, "-q")
    assert done.returncode == 0, done.stderr
    return out


def verify(a, b, calibration, *words):
    return here("verify", a, b, "--calibration", calibration, *words)


def one_line(done, code, message):
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_the_card_says_what_speaks_for_it_and_on_what_it_rests(coloured, mine):
    done = verify(coloured / "p03/0.png", coloured / "p03/1.png", mine)
    assert done.returncode == 0, done.stderr
    lines = {line[:18].strip(): line[18:] for line in done.stdout.splitlines()}
    assert done.stdout.startswith("same\n")
    verifier = read_verifier(mine)
    assert f"threshold {verifier.threshold:.3f} for false matches in 0.05" in lines["score"]
    assert "if it was 0.5 before the faces were seen" in lines["P(same)"]
    assert "(90%: " in lines["likelihood ratio"]
    assert "at this score (90%: " in lines["false match rate"]
    assert lines["if same: as low"].endswith("of 60 pairs of one person")
    assert lines["if not: as high"].endswith("of 30 pairs of two people")
    assert lines["if same"] == "not calibrated: level 0.9 needs 9 replicates of a cell, there are 0 of same"
    assert lines["if different"].startswith("other photos score ")
    assert lines["photo A"] == "0.png"
    assert lines["photo B"] == "1.png"
    assert lines["calibrated on"] == "people: 60 people, 120 photos, 1,770 pairs of two people"
    assert lines["measured by"].startswith("fake_detector@1, fake_embed@1")
    assert "no proof of identity" in done.stdout


def test_json_is_one_object_and_equals_the_library(coloured, mine):
    photos = coloured / "p03/0.png", coloured / "p41/1.png"
    done = verify(*photos, mine, "--json")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    plain = json.loads(done.stdout)
    assert plain["answer"] == "different"
    assert plain["calibration"]["people"] == 60
    assert plain["further_faces"] == [0, 0]
    assert (plain["threshold_fmr"], plain["fmr_level"], plain["level"]) == (0.05, 0.9, 0.9)
    assert "deepface" not in plain
    from facevalue.annotate.verify import verify as verification

    verdict, _ = verification(*photos, verifier=read_verifier(mine), level=0.9, prior=0.5)
    known = verdict.to_dict()
    assert {name: plain[name] for name in known} == json.loads(json.dumps(known))


def test_the_prior_and_the_level_are_those_given(coloured, mine):
    photos = coloured / "p03/0.png", coloured / "p03/1.png"
    low, high = (
        json.loads(verify(*photos, mine, "--json", "--prior", prior, "--level", level).stdout)
        for prior, level in ((0.001, 0.8), (0.9, 0.9))
    )
    assert low["chance"]["probability"] < 0.5 < high["chance"]["probability"]
    assert low["chance"]["ratio"] == high["chance"]["ratio"]
    assert low["chance"]["low"] >= high["chance"]["low"]
    assert low["faces"][0]["radius"] < high["faces"][0]["radius"]
    card = verify(*photos, mine, "--level", 0.8).stdout
    assert "(80%: " in card.split("likelihood ratio")[1].splitlines()[0]
    assert "(90%: " in card.split("false match rate")[1].splitlines()[0]  # the rates were made at the calibration's level


def test_a_ratio_at_the_end_of_what_the_data_vouch_for_is_told(coloured, mine):
    done = verify(coloured / "p03/0.png", coloured / "p03/0.png", mine)
    assert done.stdout.startswith("same\n")
    assert ", the most that the data vouch for (90%: " in done.stdout
    pair = coloured / "p03/0.png", coloured / "p41/1.png"
    assert ", the least that the data vouch for" in verify(*pair, mine).stdout


def test_a_photo_and_itself_has_a_cosine_of_one(coloured, mine):
    plain = json.loads(verify(coloured / "p03/0.png", coloured / "p03/0.png", mine, "--json").stdout)
    assert (plain["answer"], plain["score"]) == ("same", pytest.approx(1))
    assert plain["faces"][0] == plain["faces"][1]


def test_further_faces_are_told_and_the_largest_is_taken(coloured, mine, tmp_path):
    draw = np.random.default_rng(0)
    group = portrait(tmp_path / "group.png", np.full((2, 2, 3), 90), draw, squares=((4, 8), (36, 24), (76, 8)))
    done = verify(group, coloured / "p03/0.png", mine)
    assert "group.png; the largest of 3 faces" in done.stdout
    assert json.loads(verify(coloured / "p03/0.png", group, mine, "--json").stdout)["further_faces"] == [0, 2]


@pytest.mark.parametrize(("name", "why"), [("none.png", "no_face"), ("zero.png", "empty"), ("text.png", "not_an_image")])
def test_a_photo_without_a_face_is_not_comparable(coloured, mine, tmp_path, name, why):
    path = tmp_path / name
    if name == "none.png":
        portrait(path, np.full((2, 2, 3), 90), np.random.default_rng(0), squares=())
    else:
        path.write_bytes(b"" if name == "zero.png" else b"words\n")
    done = verify(coloured / "p03/0.png", path, mine)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[:2]
    assert first == "not comparable"
    assert second.startswith(f"  {name}: {why}")
    assert "score" not in done.stdout
    plain = json.loads(verify(path, coloured / "p03/0.png", mine, "--json").stdout)
    assert (plain["answer"], plain["score"], plain["chance"]) == ("not comparable", None, None)


@pytest.mark.parametrize("name", ["[red]a.png", "[|b].png"])
def test_names_in_brackets_are_shown_as_they_are(coloured, mine, tmp_path, name):
    folder = tmp_path / "x"
    folder.mkdir()
    path = folder / name
    dark = portrait(folder / "dark.png", np.full((2, 2, 3), 0), np.random.default_rng(0))
    shutil.copy(dark, path)
    done = verify(coloured / "p03/0.png", path, mine)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("not comparable\n")
    assert f"  {path.name}: " in done.stdout
    assert path.name in done.stdout.split("photo B")[1].splitlines()[0]


def test_deepfaces_verdict_stands_beside_it_where_it_has_one(coloured, mine, tmp_path):
    photos = coloured / "p03/0.png", coloured / "p03/1.png"
    done = verify(*photos, mine, "--threshold", "deepface")
    line = next(line for line in done.stdout.splitlines() if line.startswith("deepface says"))
    assert "none: no threshold of deepface's is called 'fake_embed'" in line
    assert "deepface" in json.loads(verify(*photos, mine, "--threshold", "deepface", "--json").stdout)


@pytest.mark.parametrize(
    ("score", "model", "said"),
    [
        (0.94, "dlib_resnet", "same (cosine distance 0.060, threshold 0.07, of no stated error rate)"),
        (0.92, "dlib_resnet", "different (cosine distance 0.080, threshold 0.07, of no stated error rate)"),
        (0.65, "facenet512", "different (cosine distance 0.350, threshold 0.3, of no stated error rate)"),
        (float("nan"), "dlib_resnet", "none: there is no score"),
    ],
)
def test_deepfaces_threshold_is_a_distance(score, model, said):
    from facevalue.cli._verdict import deepface

    assert deepface(score, model) == said


def test_quiet_shows_the_card_alone(coloured, mine):
    done = verify(coloured / "p03/0.png", coloured / "p03/1.png", mine, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("same\n")


def test_what_cannot_be_verified_is_one_line(coloured, mine, tmp_path):
    photo = coloured / "p03/0.png"
    one_line(verify(photo, coloured / "gone.png", mine), 1, "gone.png")
    one_line(verify(coloured, photo, mine), 1, "expected one photo, got 120 in ")
    one_line(here("verify", photo, photo, *FAKE), 1, "no calibration comes with the package for fake_embed with fake_detector")
    one_line(here("verify", photo), 2, "")
    one_line(verify(photo, photo, mine, "--level", 0.99), 1, "level 0.99 needs 99 calibration people, there are 30")
    for words in (("--level", 0.2), ("--prior", 0), ("--prior", 1), ("--threshold", "mine")):
        one_line(verify(photo, photo, mine, *words), 2, words[0])


def test_a_file_that_is_no_calibration_is_one_line(coloured, mine, tmp_path):
    photo, other = coloured / "p03/0.png", tmp_path / "other.json"
    one_line(verify(photo, photo, other), 1, "other.json: expected a calibration")
    text = mine.read_text()
    for wrong in (text[:999], "[]", "{}", json.dumps(json.loads(text) | {"format": "facevalue.verifier/0"})):
        other.write_text(wrong)
        one_line(verify(photo, photo, other), 1, f"{other}: expected a calibration")
    one_line(verify(photo, photo, tmp_path), 2, "--calibration")


def test_a_calibration_of_other_weights_or_another_detector_is_refused(coloured, mine, tmp_path):
    plain, photo, other = json.loads(mine.read_text()), coloured / "p03/0.png", tmp_path / "other.json"
    for column in plain["origin"]["sources"]:
        sources = plain["origin"]["sources"] | {column: "fake@sha256:00000000"}
        other.write_text(json.dumps(plain | {"origin": plain["origin"] | {"sources": sources}}))
        one_line(verify(photo, photo, other), 1, f"holds for {column} of fake@sha256:00000000; these faces have ")
    other.write_text(json.dumps(plain | {"origin": plain["origin"] | {"preprocessing": "00000000"}}))
    one_line(verify(photo, photo, other), 1, "holds for fake_embed with preprocessing 00000000; it now has ")
    for name in ("model", "detector"):
        other.write_text(json.dumps(plain | {"origin": plain["origin"] | {name: "nothing"}}))
        one_line(verify(photo, photo, other), 1, "'nothing'")


def test_people_with_four_photos_have_an_interval_if_same(tmp_path):
    from facevalue.annotate.memory import annotate
    from facevalue.annotate.verify import wanted
    from facevalue.data.people import find_people
    from facevalue.data.people import people as people_of

    folder = album(tmp_path / "people", people=30, photos=4, seed=1)
    roster = find_people(folder)
    faces = annotate(folder, instruments=wanted("fake_embed"), detector="fake_detector")
    known = people_of(faces, roster)
    made = calibrated(known, "fake_embed", detector="fake_detector", fmr=0.1, level=0.9, seed=0, data="thirty")
    write_verifier(made, tmp_path / "thirty.json")
    plain = json.loads(verify(folder / "p00/0.png", folder / "p00/1.png", tmp_path / "thirty.json", "--json").stdout)
    low, high = plain["intervals"]["same"]
    assert low < plain["score"] < high
    assert plain["intervals"]["different"].startswith("not calibrated: level 0.9 needs 9 replicates of a cell, there are 7")
