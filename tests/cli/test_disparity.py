import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from .test_similarity import FAKE, inside, portrait

QUICK = ("--measures", "failures,verification,calibration")


def findings(folder):
    """Return the rows of the findings by measure and group."""
    return {(row["measure"], row["group"]): row for row in pq.read_table(folder / "findings.parquet").to_pylist()}


@pytest.fixture
def pairs(tmp_path):
    """Return a table of scored pairs of 31 women and 31 men, two photos each."""
    draw, path = np.random.default_rng(0), tmp_path / "pairs.csv"
    rows = ["person_a,person_b,sex_a,sex_b,light_a,light_b,score,same"]
    sex = ["f", "m"]
    for i in range(62):
        rows.append(f"p{i},p{i},{sex[i % 2]},{sex[i % 2]},{i // 2 % 3},{i // 2 % 3},{draw.normal(3):.4f},1")
        for j in range(i):
            rows.append(f"p{i},p{j},{sex[i % 2]},{sex[j % 2]},{i // 2 % 3},{j // 2 % 3},{draw.normal():.4f},0")
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def people(tmp_path):
    """Return a folder of ten people of two photos, of one of whom a photo is broken, and a table of their facts."""
    for i in range(10):
        for k in range(2):
            portrait(tmp_path / f"people/p{i}/{k}.png", (40 + 20 * i, 10 + 5 * k))
    (tmp_path / "people/p3/1.png").write_bytes(b"")
    (tmp_path / "info.csv").write_text("person,sex,age\n" + "\n".join(f"p{i},{'fm'[i % 2]},{20 + i}" for i in range(10)))
    return tmp_path / "people"


def test_a_table_of_pairs(pairs, tmp_path):
    words = ("--by", "sex", "--fmr", "0.1", "--adjust", "light", "--out", tmp_path / "out")
    done = inside("disparity", pairs, *words)
    assert done.returncode == 0, done.stderr
    assert "Threshold " in done.stdout
    assert "sex, false match rate: largest over smallest: " in done.stdout
    assert "demonstration" not in done.stdout
    rows = findings(tmp_path / "out")
    assert rows["people", "sex: f"]["value"] == 31
    with pairs.open() as lines:
        table = [row for row in csv.DictReader(lines) if row["same"] == "0"]
    at = rows["threshold", "all"]["value"]
    own = [float(row["score"]) >= at for row in table if row["sex_a"] == row["sex_b"] == "f"]
    assert rows["fmr", "sex: f"]["value"] == pytest.approx(np.mean(own))
    assert rows["fmr balanced", "sex: f"]["value"] is not None


def test_people_are_measured_and_small_groups_refused(people, tmp_path):
    words = ("--info", people.parent / "info.csv", "--by", "sex,age,sex * age", "--adjust", "luminance", "--fmr", "0.5", *FAKE)
    done = inside("disparity", people, *words, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "No threshold: too few: 45 pairs of people, 60 needed: 2 more people." in done.stdout
    assert "A demonstration only: " in done.stdout
    assert "Coverage of bands: not counted: " in done.stdout
    rows = findings(tmp_path / "out")
    assert rows["failure_to_acquire", "sex: m"]["method"] == "too few: 5 people, 30 needed: 25 more people"
    assert ("quality.luminance", "sex: f") in rows
    assert rows["people", "sex*age: f, up to 23"]["value"] == 2
    assert rows["failure_to_acquire", "sex*age: f, up to 23"]["method"] == "too few: 2 people, 30 needed: 28 more people"
    assert rows["people", "age: up to 23"]["method"] == "thirds of the people"


def test_a_second_run_measures_nothing_and_least_lets_groups_in(people, tmp_path):
    words = ("--info", people.parent / "info.csv", "--by", "sex", "--threshold", "0.5", "--least", "5", *FAKE, *QUICK)
    inside("disparity", people, *words, "--out", tmp_path / "out", "--quiet")
    done = inside("disparity", people, *words, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = findings(tmp_path / "out")
    assert rows["threshold", "all"]["method"] == "given"
    assert rows["failure_to_acquire", "sex: m"]["value"] == pytest.approx(0.1)
    assert ("age", "sex: f") not in rows


def test_what_cannot_be_compared_is_one_line(people, pairs, tmp_path):
    for words, code, message in (
        ((pairs, "--by", "eth"), 1, "expected the columns eth_a and eth_b, or eth"),
        ((pairs, "--by", "light,sex", "--adjust", "sex"), 1, "sex: expected one number a photo"),
        ((pairs, "--by", "sex", "--measures", "pose.yaw"), 2, "expected verification and calibration of a table of pairs"),
        ((pairs, "--by", "sex", "--info", pairs), 2, "they are for photos"),
        ((pairs, "--by", "sex", "--fmr", "0.1", "--threshold", "1"), 2, "expected one of --fmr, --threshold and --calibration"),
        ((people, "--by", "eth", *FAKE), 2, "expected a column of the table or an instrument's (attributes.race), got 'eth'"),
        ((people, "--by", "nets.race", *FAKE), 1, "no instrument is called 'nets'"),
        ((people, "--by", ",", *FAKE), 2, "--by: expected names with commas"),
        ((people, "--by", "sex", "--metric", "cosin", *FAKE), 1, "did you mean cosine"),
    ):
        done = inside("disparity", *words, "--out", tmp_path / "out", "-q")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_photos_that_are_not_there_are_failures(tmp_path):
    (tmp_path / "lost.csv").write_text("path,person,sex\n" + "\n".join(f"{i}.jpg,p{i},{'fm'[i % 2]}" for i in range(4)))
    done = inside("disparity", tmp_path / "lost.csv", "--by", "sex", "--least", "2", *FAKE, *QUICK, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert findings(tmp_path / "out")["failure_to_acquire", "sex: f"]["value"] == 1
