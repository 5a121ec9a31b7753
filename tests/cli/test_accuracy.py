import csv
import json

import numpy as np
import pytest

from facevalue.cli.accuracy import _deepface
from facevalue.data.files import read_findings
from facevalue.studies.verification import System

from .test_similarity import FAKE, inside, portrait


@pytest.fixture
def people(tmp_path):
    """Return a folder of 12 people with three photos each, whose colours scatter, and one photo that is broken."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "people"
    for who in range(12):
        colour = draw.integers(30, 220, 2)
        for i in range(3):
            portrait(folder / f"p{who:02}/{i}.png", np.clip(colour + draw.integers(-25, 25, 2), 0, 255))
    (folder / "p00/broken.png").write_bytes(b"")
    return folder


def findings(out, measure):
    found = read_findings(out / "findings.parquet")
    return {row["group"]: row for row in found[found.measure == measure].to_rows()}


def test_it_judges_every_metric_and_measures_a_photo_once(people, tmp_path):
    out = tmp_path / "out"
    done = inside(
        "accuracy", people, "--out", out, *FAKE, "--metric", "cosine,euclidean", "--folds", 3, "--threshold", "deepface"
    )
    assert done.returncode == 0, done.stderr
    areas = findings(out, "area_under_curve")
    assert list(areas) == ["fake_embed / fake_detector / cosine", "fake_embed / fake_detector / euclidean"]
    for name, row in areas.items():
        assert all(part in done.stdout for part in name.split(" / "))
        assert f"{row['value']:.4f}" in done.stdout
        assert 0.5 < row["low"] < row["value"] <= row["high"]
    assert all(row["method"].startswith("insufficient") for row in findings(out, "tmr@fmr=0.001").values())
    assert "36 pairs of one person and 630 of two, of 12 people" not in done.stdout
    assert "39 pairs of one person and 627 of two, of 12 people: all, or 100,000 of a kind" in done.stdout
    assert "37 photos in: 36 compared, 1 not (1 empty)" in done.stdout
    assert done.stdout.count("deepface has no threshold for fake_embed.") == 1
    assert "deepface's thresholds are judged" not in done.stdout
    assert json.loads((out / "faces/fake_detector/run.json").read_text())["counts"]["measured_now"] == 37
    names = done.stdout.strip().splitlines()[-1].partition(": in ")[0].split(", ")
    assert all((out / name).stat().st_size for name in names)
    assert {"accuracy.html", "roc.svg", "roc.png", "det.svg", "det.png", "curves.csv", "people_fake_detector.csv"} <= {*names}
    with (out / "people_fake_detector.csv").open() as file:
        assert [row["path"] for row in csv.DictReader(file) if row["why"] == "empty"] == ["p00/broken.png"]


def test_pairs_are_those_of_the_list_and_a_lost_photo_is_a_failure(people, tmp_path):
    listed, out = tmp_path / "pairs.csv", tmp_path / "out"
    rows = [f"people/p{i:02}/0.png,people/p{i:02}/1.png,1" for i in range(12)]
    rows += [f"people/p{i:02}/0.png,people/p{(i + 1) % 12:02}/1.png,0" for i in range(11)] + [
        "people/p11/0.png,people/lost.png,0"
    ]
    listed.write_text("\n".join(["a,b,same", *rows]))
    done = inside("accuracy", "--pairs", listed, "--out", out, *FAKE, "--folds", 2)
    assert done.returncode == 0, done.stderr
    assert "12 pairs of one person and 12 of two, of 13 people: as listed." in done.stdout
    assert "25 photos in: 24 compared, 1 not (1 missing)" in done.stdout
    (compare,) = findings(out, "failure_to_compare").values()
    assert (compare["value"], compare["n"]) == (pytest.approx(1 / 24), 24)
    again = inside(
        "accuracy",
        out / "faces/fake_detector",
        "--pairs",
        listed,
        "--out",
        tmp_path / "again",
        "--model",
        "fake_embed",
        "--folds",
        2,
    )
    assert again.returncode == 0, again.stderr
    assert findings(out, "accuracy") == findings(tmp_path / "again", "accuracy")


def test_lfw_pairs_keep_their_folds_and_lie_in_the_folder_given(tmp_path):
    draw = np.random.default_rng(1)
    for who in "abcdefgh":
        colour = draw.integers(30, 220, 2)
        for i in (1, 2):
            portrait(tmp_path / f"lfw/{who}/{who}_000{i}.png", np.clip(colour + draw.integers(-9, 9, 2), 0, 255))
    kinds = ["a 1 2\nb 1 2\na 1 c 1\nb 2 d 1", "e 1 2\nf 1 2\ne 1 g 1\nf 1 h 2"]
    (tmp_path / "pairs.txt").write_text("\n".join(["2\t2", *kinds]))
    done = inside("accuracy", tmp_path / "lfw", "--pairs", tmp_path / "pairs.txt", "--out", tmp_path / "out", *FAKE)
    assert done.returncode == 0, done.stderr
    assert "folds are as listed" in done.stdout
    (accuracy,) = findings(tmp_path / "out", "accuracy").values()
    assert (accuracy["n"], accuracy["method"]) == (8, "2 folds of people; no error, bound of 4 people")


def test_quiet_prints_nothing(people, tmp_path):
    done = inside("accuracy", people, "--out", tmp_path / "out", *FAKE, "--most", 10, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (same,) = findings(tmp_path / "out", "pairs_same").values()
    (pairs,) = findings(tmp_path / "out", "failure_to_compare").values()
    assert 5 <= same["value"] <= 10
    assert pairs["n"] == 20


def test_what_cannot_be_judged_is_one_line(people, tmp_path):
    (tmp_path / "lost.csv").write_text("a,b,same\nx.jpg,y.jpg,1\nz.jpg,y.jpg,0\n")
    portrait(tmp_path / "single/ann/0.png", (9, 90))
    portrait(tmp_path / "single/ben/0.png", (90, 9))
    for words, code, message in (
        ((), 2, "expected PEOPLE, or --pairs FILE"),
        (("--pairs", tmp_path / "lost.csv"), 1, "expected the 3 photos that"),
        (("--pairs", tmp_path / "none.csv"), 2, "none.csv"),
        ((people, "--threshold", "0.4"), 2, "--threshold: expected deepface, got 0.4"),
        ((people, "--model", ","), 2, "--model: expected names with commas"),
        ((people, "--metric", "cosin"), 1, "no metric is called 'cosin'; did you mean cosine"),
        ((people, "--model", "fake_embed,sface", "--only-permissive"), 1, "no commercial use of sface"),
        ((people, "--model", "fake_embed,fake"), 1, "no model that embeds is called 'fake'"),
        ((tmp_path / "single", *FAKE, "-q"), 1, "expected scores for pairs of both kinds"),
    ):
        done = inside("accuracy", *words, "--out", tmp_path / "out")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_cosine_distance_of_deepface_becomes_a_cosine():
    systems = [System("dlib_resnet", "d", metric, np.zeros(0)) for metric in ("cosine", "euclidean", "angular")]
    known, told = _deepface([*systems, System("mobileface_v2", "d", "cosine", np.zeros(0))])
    assert known == {
        "dlib_resnet / d / cosine": pytest.approx(1 - 0.07),
        "dlib_resnet / d / euclidean": 0.6,
        "dlib_resnet / d / angular": 0.12,
    }
    assert told == [
        "deepface's thresholds are judged for comparison only: no error rate was ever stated with them.",
        "deepface has no threshold for mobileface_v2.",
    ]
