from dataclasses import replace

import numpy as np
import pyarrow.csv
import pytest

from facevalue.data.files import read_findings
from facevalue.report.page import html
from facevalue.report.probing import Result, digest, dots, page, write_probing
from facevalue.studies import probing as study
from facevalue.studies.increment import increment
from facevalue.studies.probing import probing

from .alone import outside
from .people import people
from .saved import draws_again


@pytest.fixture(scope="module")
def result():
    """Return what was found of 20 people with two photos; one photo failed, one lacks a value."""
    draw, person = np.random.default_rng(0), [f"p<{i:02}>" for i in range(20) for _ in range(2)]
    x = draw.normal(size=(20, 6)).repeat(2, 0) + 0.3 * draw.normal(size=(40, 6))
    why = ["no_face"] + [""] * 39
    x[0] = np.nan
    height = x[:, 0] + 0.3 * draw.normal(size=40)
    height[1] = np.nan
    targets = {"height": height, "kind": np.where(np.arange(40) // 2 % 2, "a<b>", "c"), "flat": np.ones(40)}
    given = people(person, x, why=why)
    features = {"m": given.embedding("m"), "other": draw.normal(size=(40, 2))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "DRAWS", {True: 2, False: 5})
        patch.setattr(study, "PERMUTATIONS", {True: 3, False: 9})
        patch.setattr(study, "ORDERS", 1)
        findings = probing(features, targets, given.person, level=0.9, seed=0, folds=4)
    more = increment(x, draw.normal(size=(40, 2)), height, given.person, level=0.9, seed=0, group="height", folds=4, repeats=2)
    return Result(findings, given, targets, "m", "det", 0.9, 4, 0, more, ("shape",), notes=["A note."])


def test_targets_stand_in_the_order_of_success_numbers_first(result):
    found = digest(result)
    assert [row["name"] for row in found["rows"]] == ["height", "kind"]
    assert [row["measure"] for row in found["rows"]] == ["r_squared", "balanced_accuracy"]
    assert found["unvaried"] == ["flat"]
    own = {row["measure"]: row for row in result.findings.to_rows() if row["group"] == "height from m"}
    row = found["rows"][0]
    assert row["own"]["main"] == own["r_squared"]
    assert row["own"]["main_control_leaky"] == own["r_squared_control_leaky"]
    assert set(row["others"]) == set(row["gains"]) == {"other"}
    assert row["gains"]["other"]["value"] == pytest.approx(own["r_squared"]["value"] - row["others"]["other"]["value"])
    assert found["increment"]["outcome"] == "height"
    assert found["sentences"] == [
        "40 photos in: 39 of 20 people with vectors (1 no_face)",
        "1 photo without a value of height",
    ]


@pytest.mark.parametrize(("low", "fooled"), [(0.5, True), (-0.5, False)])
def test_it_says_whether_people_on_both_sides_fool(result, low, fooled):
    known = result.findings
    leaky, control = known.measure == "r_squared_control_leaky", known.measure == "r_squared_control"
    ends = {"low": np.where(leaky, low, known.low), "high": np.where(leaky, 0.9, np.where(control, 0.1, known.high))}
    value = np.where(leaky, 0.7, np.where(control, -0.5, known.value))
    kept = result.findings.measure != "balanced_accuracy_control_leaky"
    changed = replace(result, findings=replace(known, value=value, low=np.minimum(ends["low"], value), high=ends["high"])[kept])
    assert digest(changed)["fooled"] == fooled
    assert ("even targets that are random per person" in html(page(changed))) == fooled


def test_the_page_stands_alone_and_warns(result):
    text = html(page(result))
    assert not outside(text)
    assert "a<b>" not in text
    assert "distance between the pupils in px is the same for all" in text
    assert "Not probed, because they do not vary among these photos, or have one label only: flat." in text
    assert "Does shape add anything for height?" in text
    assert "A note." in text
    assert "on 40 photos of 20 people" in text
    assert "Whether shape added to the vectors for height was told by" in text
    assert text.count("<img ") == text.count(" alt=")
    assert "Does" not in html(page(replace(result, increment=None)))


def test_files_hold_what_was_found(result, tmp_path):
    names = write_probing(result, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    found = read_findings(tmp_path / "findings.parquet")
    assert len(found) == len(result.findings) + len(result.increment)
    table = pyarrow.csv.read_csv(tmp_path / "targets.csv")
    assert table.column_names == ["path", "person", "height", "kind", "flat"]
    assert table["height"].null_count == 2  # of the photo that failed, and of the one without a value
    assert draws_again(tmp_path / "probing.html")


def test_the_plot_has_a_line_a_target_and_leaves_out_what_there_is_not(result):
    rows = digest(result)["rows"]
    axes = dots(rows, "m").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["height", "kind"]
    assert len(axes.containers) == 6
    single = [{**row, "own": {name: one for name, one in row["own"].items() if "leaky" not in name}} for row in rows]
    assert len(dots(single, "m").axes[0].containers) == 4
    assert dots([], "m").axes[0].get_ylim() == (0.6, -0.6)
