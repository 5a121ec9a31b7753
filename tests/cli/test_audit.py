import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from facevalue.report.page import rebuild

from ..annotate.audited import made, parquet, table
from .coloured import here as inside
from .test_similarity import portrait

FAKE = ("--instruments", "fake", "--model", "fake_embed", "--detector", "fake_detector", "--workers", "1")


@pytest.fixture
def photos(tmp_path):
    """Return a folder of ann and ben, a copy of one photo under the other's name, one without a face, a broken one."""
    folder = tmp_path / "photos"
    for i in range(2):
        portrait(folder / f"ann/{i}.png", (200 + 20 * i, 10))
        portrait(folder / f"ben/{i}.png", (10, 200 + 20 * i))
    portrait(folder / "ben/copy.png", (200, 10))
    portrait(folder / "ben/none.png", (10, 210), squares=())
    (folder / "ann/broken.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return faces measured before, and labels of a hundred of them."""
    folder = tmp_path_factory.mktemp("measured")
    faces, woman = made(300, seed=3)
    return parquet(folder / "faces.parquet", faces), table(folder / "small.csv", faces, np.arange(0, 300, 3), woman)


def test_a_folder_of_people_is_measured_and_accounted_for(photos, tmp_path):
    out = tmp_path / "out"
    done = inside("audit", photos, "--out", out, *FAKE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "7 photos in = 5 measured (5 faces of 2 people) + 1 without a face + 1 failed (1 empty)"
    assert any(line.startswith("suspects not made: no calibration comes with the package for fake_embed") for line in lines)
    assert any(line.startswith("composition not made: age_group, gender, race, expression: not measured") for line in lines)
    names = lines[-1].partition(": in ")[0].split(", ")
    assert {"audit.html", "audit.page.json", "findings.csv", "findings.parquet", "failures.csv", "people.csv", "run.json"} <= {
        *names
    }
    assert all((out / name).stat().st_size for name in names)
    with (out / "failures.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"path": "ann/broken.png", "why": "empty"},
            {"path": "ben/none.png", "why": "no_face"},
        ]
    about = json.loads((out / "run.json").read_text())
    assert about["counts"]["photos"] == 7
    assert about["command"][1] == "audit"
    assert {card["name"] for card in about["cards"]} == {"fake_detector", "fake", "fake_embed", "quality"}


def test_a_second_run_measures_nothing_and_takes_no_plot_for_a_photo(photos):
    out = photos / "results"
    first = inside("audit", photos, "--out", out, *FAKE, "--quiet")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    second = inside("audit", photos, "--out", out, *FAKE)
    assert second.stdout.startswith("7 photos in = 5 measured")
    assert json.loads((out / "faces/run.json").read_text())["counts"]["measured_now"] <= 1


def test_copies_are_found_by_the_calibration_that_the_package_carries(tmp_path):
    faces, _ = made(80, seed=4, carried=True)
    photo = faces.photo.copy()
    photo[40] = photo[3]
    done = inside("audit", parquet(tmp_path / "faces.parquet", replace(faces, photo=photo)), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "the same file twice: 1" in done.stdout.splitlines()
    with (tmp_path / "out/suspects.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["kind"] == "same_bytes")
    assert (row["photo_a"], row["photo_b"], row["called"]) == (faces.path[3], faces.path[40], "true")
    assert "The same file twice: 1" in (tmp_path / "out/audit.html").read_text()


def test_labels_correct_what_instruments_say(measured, tmp_path):
    faces, labels = measured
    done = inside("audit", faces, "--labels", labels, "--by", "gender", "--subset", "even", "--out", tmp_path, "--level", "0.9")
    assert done.returncode == 0, done.stderr
    assert "gender: Male 0." in done.stdout
    kept = pq.read_table(tmp_path / "findings.parquet").to_pylist()
    assert any(row["measure"] == "share" and "prediction-powered" in row["method"] for row in kept)
    with (tmp_path / "subset.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300
    assert {"path", "keep", "weight"} <= set(rows[0])
    assert {row["keep"] for row in rows} == {"true", "false"}
    page = (tmp_path / "audit.html").read_text()
    assert "prediction-powered inference with power tuning (Angelopoulos" in page
    (tmp_path / "audit.html").unlink()
    assert [path.name for path in rebuild(tmp_path)] == ["audit.html"]
    assert (tmp_path / "audit.html").read_text() == page


@pytest.mark.parametrize(
    ("rules", "code", "told"),
    [
        (["faces >= 300", "share gender=Female < .9"], 0, "met: faces >= 300 (300)"),
        (["faces >= 301"], 4, "not met: faces >= 301 (300)"),
        (["auc <= .6"], 4, "not measured: auc <= .6"),
        (["share gender=Female >= 0.3"], 5, "undecided: share gender=Female >= 0.3"),
    ],
)
def test_requirements_set_the_exit_code(measured, tmp_path, rules, code, told):
    (tmp_path / "rules.txt").write_text("# what must hold\n" + "\n".join(rules))
    words = ("--labels", measured[1], "--require", f"@{tmp_path / 'rules.txt'}", "--out", tmp_path / "out")
    done = inside("audit", measured[0], *words)
    assert done.returncode == code, done.stderr
    assert any(line.startswith(told) for line in done.stdout.splitlines())
    with (tmp_path / "out/requirements.csv").open() as file:
        assert [row["requirement"] for row in csv.DictReader(file)] == rules


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--subset", "even"), 2, "--by gender"),
        (("--subset", "all", "--by", "gender"), 2, "expected even, or a number of photos; got 'all'"),
        (("--labels-drawn", "luck"), 1, "no way to draw labels is called 'luck'"),
        (("--by", "gendr"), 1, "did you mean"),
        (("--require", "faces many"), 1, "expected a requirement like"),
        (("--require", "face >= 3"), 1, "faces"),
        (("--folders", "persons"), 1, "no kind of folders is called 'persons'"),
        (("--model", "fake"), 1, "no model that embeds is called 'fake'"),
        (("--consent", __file__), 2, "expected both, or neither"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_measured(measured, tmp_path, words, code, told):
    done = inside("audit", measured[0], "--out", tmp_path / "out", *words)
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out/audit.html").exists()


def test_what_consent_does_not_cover_is_not_read(photos, tmp_path):
    register = tmp_path / "register.csv"
    register.write_text("person,photos,purpose,until\nann,,audit,\n")
    done = inside("audit", photos, "--out", tmp_path / "out", *FAKE, "--consent", register, "--purpose", "audit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "7 photos in = 2 measured (2 faces of 2 people) + 0 without a face + 5 failed (4 no_consent, 1 empty)"
    )


@pytest.mark.shared
def test_real_people_are_who_they_are(shared, mirror, tmp_path):
    rows = ["path,person,sex"]
    for folder, ending in (("neutral", "03"), ("smiling", "08")):
        rows += [f"{shared}/data/london/photos/{folder}/{who:03d}_{ending}.jpg,{who:03d},{'ab'[who % 2]}" for who in (1, 2)]
    (tmp_path / "set.csv").write_text("\n".join(rows) + "\n")
    done = inside("audit", tmp_path / "set.csv", "--by", "sex", "--out", tmp_path / "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 photos in = 4 measured (4 faces of 2 people)")
    assert "one person under two names: 0 found" in done.stdout
    assert "photos unlike the others of their name: 0 found" in done.stdout
