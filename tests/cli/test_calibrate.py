import csv
import json
import shutil

import pytest

from facevalue.confidence.defaults import read_verifier

from .coloured import FAKE, here

pytestmark = pytest.mark.usefixtures("few_draws")


def calibrate(given, out, *words, fmr=0.05):
    return here("calibrate", given, "--out", out, "--fmr", fmr, *FAKE, "--workers", 1, *words)


def rows(path):
    with open(path, newline="") as file:
        return {(row["measure"], row["group"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def mine(coloured, few_draws, tmp_path_factory):
    """Return the file of a calibration with groups, and what was printed."""
    out = tmp_path_factory.mktemp("out") / "mine.json"
    return out, calibrate(coloured / "people.csv", out, "--by", "sex", "--name", "Sixty colours")


def test_it_writes_a_calibration_the_coverage_and_the_faces(mine):
    out, done = mine
    assert done.returncode == 0, done.stderr
    verifier = read_verifier(out)
    assert verifier.origin.data == "Sixty colours"
    assert (verifier.origin.people, verifier.origin.photos, verifier.fmr, verifier.level) == (60, 120, 0.05, 0.9)
    coverage = rows(out.parent / "mine_coverage.csv")
    for group in ("all", "sex: f", "sex: m"):
        assert 0.8 < float(coverage["coverage.embedding", group]["value"]) < 1
        assert ("coverage.pair.different", group) in coverage
    assert (out.parent / "mine_faces/faces.parquet").is_file()


def test_it_prints_what_it_rests_on_and_whether_the_bands_hold(mine):
    out, done = mine
    lines, verifier = done.stdout.splitlines(), read_verifier(out)
    assert lines[:2] == ["Sixty colours: 60 people, 120 photos,", "60 pairs of one person, 1,770 of different people"]
    assert f"threshold {verifier.threshold:.4f} (cosine) for a false match rate of 0.05" in lines
    assert "no interval for pairs of one person: 18 people with 4 photos are needed" in lines
    assert not [line for line in lines if "no interval for pairs of two people" in line]
    assert [line for line in lines if line.startswith("coverage.embedding ") and " all " in line]
    assert lines[-1] == f"mine.json, mine_coverage.csv, mine_faces: in {out.parent}"


def test_the_same_command_takes_up_the_faces_and_writes_the_same_file(mine, coloured):
    out, _ = mine
    before = out.read_bytes()
    done = calibrate(coloured / "people.csv", out, "--by", "sex", "--name", "Sixty colours", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_bytes() == before


def test_a_folder_and_an_earlier_result_do_as_well(mine, coloured, tmp_path):
    assert calibrate(coloured, tmp_path / "folder.json", "-q").returncode == 0
    done = calibrate(tmp_path / "folder_faces", tmp_path / "again.json", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    known = [json.loads(path.read_text()) for path in (tmp_path / "folder.json", tmp_path / "again.json")]
    assert [one["origin"].pop("data") for one in known] == ["people", "folder_faces"]
    assert known[0] == known[1]
    assert not (tmp_path / "again_faces").exists()
    table = json.loads(mine[0].read_text())
    assert known[0]["threshold"] == table["threshold"]


def test_changes_are_counted_and_a_mix_says_so(coloured, tmp_path):
    done = calibrate(coloured, tmp_path / "mix.json", "--changes", "mix")
    assert done.returncode == 0, done.stderr
    assert "people, half of the photos changed (blur, size, JPEG, light, gray): 60 people" in done.stdout
    coverage = rows(tmp_path / "mix_coverage.csv")
    for group in ("as they are", "blurred 1", "shrunk 1"):
        assert 0.7 < float(coverage["coverage.embedding", group]["value"]) <= 1
    # the fake detector finds pure red, which JPEG and darkness take away
    assert ("coverage.embedding", "darker 1") not in coverage


def test_changes_need_the_photos(mine, tmp_path):
    done = calibrate(mine[0].parent / "mine_faces", tmp_path / "mix.json", "--changes", "count")
    assert done.returncode == 1
    assert "expected photos to change, got faces that were measured earlier" in done.stderr
    assert not (tmp_path / "mix.json").exists()


@pytest.mark.parametrize(
    ("fmr", "words", "message"),
    [
        (0.001, (), "needs 246 people (30 expected errors among pairs of different people), there are 60: you need 186 more"),
        (0.05, ("--level", 0.95), "level 0.95 needs 120 people with two photos or more, there are 60: you need 60 more"),
    ],
)
def test_too_few_people_are_told_before_anything_is_measured(coloured, tmp_path, fmr, words, message):
    done = calibrate(coloured, tmp_path / "out.json", *words, fmr=fmr)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_too_few_that_can_be_compared_are_told_too(coloured, tmp_path):
    shutil.copytree(coloured, tmp_path / "people")
    for i in range(3):
        (tmp_path / f"people/p{i:02d}/0.png").write_bytes(b"")
    done = calibrate(tmp_path / "people", tmp_path / "out.json", "-q")
    assert done.returncode == 1
    assert "a check of level 0.9 needs 60 people with two photos or more, there are 57: you need 3 more" in done.stderr
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--model", "fake_embd"), 1, "did you mean fake_embed"),
        (("--model", "fake"), 1, "no model that embeds is called 'fake'"),
        (("--model", "sface", "--only-permissive"), 1, "no commercial use of sface"),
        (("--detector", "fake_detektor"), 1, "did you mean fake_detector"),
        (("--by", "age"), 2, "has no column age; it has sex"),
        (("--fmr", "0"), 2, "--fmr"),
        (("--fmr", "0.9"), 2, "--fmr"),
        (("--level", "1"), 2, "--level"),
        (("--changes", "all"), 2, "--changes"),
        (("--seed", "-1"), 2, "--seed"),
    ],
)
def test_a_wrong_option_is_one_line(coloured, tmp_path, words, code, message):
    done = calibrate(coloured / "people.csv", tmp_path / "out.json", *words)
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_are_no_people_is_one_line(coloured, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "plain.csv").write_text("path\nx.png\n")
    for given, message in (
        (tmp_path / "gone", "gone"),
        (tmp_path / "empty", "expected photos in"),
        (coloured / "p00", "expected folders of people"),
        (tmp_path / "plain.csv", "expected a column called person"),
    ):
        done = calibrate(given, tmp_path / "out.json")
        assert done.returncode == 1, given
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    done = calibrate(coloured, tmp_path / "empty")
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_a_result_of_other_instruments_is_refused(coloured, tmp_path):
    words = ("--detector", "fake_detector", "--workers", 1, "-q", "--instruments")
    for name, instruments in (("bare", "fake_embed"), ("whole", "fake_embed_spread,quality")):
        done = here("annotate", coloured, "--out", tmp_path / name, *words, instruments)
        assert done.returncode == 0, done.stderr
    for name, words, message in (
        ("bare", ("--model", "mobileface_v2"), "mobileface_v2.embedding"),
        ("bare", (), "fake_embed_spread"),
        ("whole", ("--detector", "centerface"), "centerface.score"),
    ):
        done = calibrate(tmp_path / name, tmp_path / "out.json", "-q", *words)
        assert done.returncode == 1, name
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
