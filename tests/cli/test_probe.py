import csv

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.studies import increment, probing

from .coloured import FAKE, album, here


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr(probing, "DRAWS", {True: 2, False: 5})
    monkeypatch.setattr(probing, "PERMUTATIONS", {True: 3, False: 19})
    monkeypatch.setattr(probing, "ORDERS", 1)
    monkeypatch.setattr(increment, "REPEATS", 2)


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    """Return a folder of two photos each of sixteen people, with people.csv and table.csv, income by person."""
    folder = album(tmp_path_factory.mktemp("probe") / "people", people=16, photos=2)
    lines = [f"p{i:02d},{1000 * i}" for i in range(15)]
    (folder.parent / "table.csv").write_text("\n".join(["person,income", *lines]) + "\n")
    return folder


def test_it_tells_what_vectors_encode_and_writes_it(sixteen, tmp_path):
    words = ("--targets", "brightness,fake.colour,sex,income,size", "--table", sixteen.parent / "table.csv")
    more = ("--outcome", "income", "--add", "brightness,fake.light", "--folds", "4")
    done = here("probe", sixteen / "people.csv", *words, *more, "--out", tmp_path, *FAKE, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "target" in done.stdout
    assert "sex (accuracy)" in done.stdout
    assert "not probed, as they do not vary: " in done.stdout
    assert "quality.inter_eye" in done.stdout
    assert "32 photos in: 32 of 16 people with vectors" in done.stdout
    assert "2 photos without a value of income" in done.stdout
    names = done.stdout.strip().splitlines()[-1].partition(": in ")[0].split(", ")
    assert all((tmp_path / name).stat().st_size for name in names)
    found = read_findings(tmp_path / "findings.csv")
    groups = {group.partition(" from ")[2] for group in found.group if " from " in group}
    others = {"five landmarks", "pixels", "random network"}
    assert groups == {"fake_embed"} | others | {f"fake_embed beyond {name}" for name in others}
    (row,) = (
        row for row in found.to_rows() if (row["measure"], row["group"]) == ("r_squared", "quality.luminance from fake_embed")
    )
    assert row["value"] > 0.5
    assert {row["measure"] for row in found.to_rows() if row["group"] == "income"} >= {"delta_r_squared", "p_corrected_t"}
    with (tmp_path / "targets.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    assert [rows[0]["income"], rows[-1]["income"], rows[0]["sex"]] == ["0", "", "f"]


def test_an_earlier_run_has_no_pixels_and_says_so(sixteen, tmp_path):
    annotated = ("--detector", "fake_detector", "--instruments", "fake_embed,quality", "--workers", "1")
    here("annotate", sixteen, "-o", tmp_path / "faces", "-q", *annotated)
    words = ("--targets", "brightness", "--model", "fake_embed", "--folds", "4")
    done = here("probe", tmp_path / "faces", *words, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "The faces are those of an earlier run; nothing was measured anew." in done.stdout
    assert not any("pixels" in group for group in read_findings(tmp_path / "out/findings.csv").group)


def test_quiet_prints_nothing_and_the_same_seed_gives_the_same_numbers(sixteen, tmp_path):
    words = ("--targets", "brightness", "--no-pixels", "--folds", "3", "--quiet", *FAKE, "--workers", "1")
    done = [here("probe", sixteen, *words, "--out", tmp_path / name) for name in "ab"]
    assert [(one.returncode, one.stdout, one.stderr) for one in done] == [(0, "", "")] * 2
    one, two = (read_findings(tmp_path / name / "findings.csv") for name in "ab")
    np.testing.assert_array_equal(one.value, two.value)


def test_what_cannot_be_probed_is_one_line(sixteen, tmp_path):
    (tmp_path / "t.csv").write_text("name,x\na,1\n")
    for words, code, message in (
        (("--targets", "geometri"), 1, "no target is called 'geometri'; did you mean geometry"),
        (("--targets", "sex", "--outcome", "nothing"), 1, "no target is called 'nothing'"),
        (("--targets", "brightness", "--table", tmp_path / "t.csv"), 1, "expected a column called path or person"),
        (("--targets", "brightness", "--folds", "2"), 2, "--folds"),
        (("--targets", "brightness", "--folds", "12"), 1, "expected 24 people or more with this target"),
        (("--targets", "placed"), 1, "--landmarks"),
        (("--targets", "fake.light", "--outcome", "placed"), 1, "--landmarks"),
        (("--targets", "sex", "--outcome", "brightness", "--add", "sex"), 1, "got labels: sex"),
    ):
        done = here("probe", sixteen / "people.csv", *words, "--out", tmp_path / "out", *FAKE, "--workers", "1", "--quiet")
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
