import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.pairs import compare_all
from facevalue.data.scored import Scored
from facevalue.report.disparity import Result, digest, forest, label, page, write_disparity
from facevalue.report.page import html
from facevalue.studies.disparity import Sample, Terms, disparity
from facevalue.studies.grouping import Grouping

from .alone import outside
from .cards import CARD
from .saved import draws_again


def result(people=60, *, every=4, balance=True, fmr=0.1):
    """Return what was found in people of whom each fourth is of a group that is called <m>."""
    draw = np.random.default_rng(0)
    who = np.repeat(np.arange(people), 2)
    person = np.array([f"p{i}" for i in who], object)
    pairs = compare_all(person, most=None, folds=2, seed=0)
    scores = draw.normal(size=len(pairs)) + 2 * pairs.same
    code = np.where(who % every == 0, 1, 0)
    code[:2] = -1
    light = {"quality.luminance": draw.normal(size=len(who))} if balance else {}
    given = Grouping("race", ("f", "<m>"), code, "as perceived by net@1")
    sample = Sample(
        person, [given], Scored(pairs.a, pairs.b, pairs.same, scores, person), np.zeros(len(who), bool), covariates=light
    )
    found = disparity(sample, Terms(fmr, least=20, resamples=20, permutations=19), level=0.9, seed=0)
    return Result(found, {"race": given.view}, 0.9, 20, 0, tuple(light), ["A note."], [CARD])


@pytest.fixture(scope="module")
def refused():
    return result()


def test_what_is_refused_is_shown_with_what_is_needed(refused):
    found = digest(refused)
    (part,) = found["groupings"]
    assert found["demonstration"].startswith("A demonstration only: ")
    assert "<m> (14) have fewer than 20 people" in found["demonstration"]
    cell = part["cells"]["fnmr", "<m>"]
    assert (cell["told"], cell["refused"]) == ("refused", True)
    text = html(page(refused))
    assert "too few: 14 people, 20 needed: 6 more people" in text
    assert "A demonstration only" in text
    assert "as perceived by net@1" in text
    assert "neither identity nor ancestry" in text
    assert "of 1 people the group is unknown" in text
    assert "&lt;m&gt;" in text
    assert "<m>" not in text
    assert "A note." in text
    assert ">nan<" not in text
    assert "None" not in text
    assert "race, as perceived by net@1 (f: 45 people, &lt;m&gt;: 14 people)." in text
    assert "by overlap weights (Li et al., 2018)" in text
    assert not outside(text)


def test_a_whole_set_is_no_demonstration_and_shows_raw_beside_balanced():
    found = digest(result(100, every=2))
    (part,) = found["groupings"]
    assert found["demonstration"] == ""
    assert found["refused"] == 0
    assert {"fmr", "fmr balanced", "fnmr", "fnmr balanced"} <= {*part["measures"]}
    row = next(row for row in part["differences"] if row["label"] == "false match rate")
    assert row["raw"]["interval"]
    assert row["balanced"]["interval"]
    assert row["adjusted"]["interval"]
    assert row["p"]
    assert [row["measure"].partition(" ")[0] for row in part["balance"]] == ["overlap", "apart", "apart"]
    assert part["chief"][0].startswith("race, false match rate: largest over smallest: ")


def test_files_are_written_and_findings_come_back(refused, tmp_path):
    names = write_disparity(refused, tmp_path)
    drawn = [f"forest_0.{suffix}" for suffix in ("svg", "png", "pdf")]
    assert names == ["disparity.html", "disparity.page.json", *drawn, "findings.csv", "findings.parquet"]
    assert all((tmp_path / name).stat().st_size for name in names)
    assert len(read_findings(tmp_path / "findings.csv")) == len(refused.findings)
    assert draws_again(tmp_path / "disparity.html")


def test_the_plot_draws_what_is_told_and_says_what_is_not(refused):
    (part,) = digest(refused)["groupings"]
    figure = forest(part)
    axes = figure.axes[part["drawn"].index("fnmr")]
    row = part["cells"]["fnmr", "f"]
    drawn = [line.get_xdata().tolist() for line in axes.get_lines()]
    assert [row["low"], row["high"]] in drawn
    assert [row["value"]] in drawn
    assert [text.get_text() for text in axes.texts] == ["refused"]


def test_no_threshold_is_told():
    found = digest(result(fmr=0.001))
    assert found["sentences"][0].startswith("No threshold: too few: 1,770 pairs of people, 30,000 needed")
    assert found["demonstration"]
    assert "No threshold" in html(page(result(fmr=0.001)))


def test_measures_are_called_by_words():
    assert label("garbe balanced") == "GARBE (0 is alike), balanced"
    assert label("mean pose.yaw") == "mean pose.yaw"
