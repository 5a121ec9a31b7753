import csv

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.pairs import compare_all
from facevalue.report.page import html
from facevalue.report.plots import Curve
from facevalue.report.verification import Result, differences, lines, page, photos, points, supported, write_verification
from facevalue.studies import verification as study

from .alone import outside
from .people import people, simulated
from .saved import draws_again

MODELS = ("m", "k")


def judged(given=None, *, metrics=("cosine",), thresholds=None, models=MODELS):
    given = given or simulated(16, 3, models=MODELS)
    pairs = compare_all(given.person, most=None, folds=4, seed=0)
    systems = [study.compared(given, pairs, model, detector="det", metric=metric) for model in models for metric in metrics]
    findings = study.verification(
        [(system, given) for system in systems], pairs, level=0.95, seed=0, resamples=40, thresholds=thresholds
    )
    curves = {system.name: study.curve(system, pairs) for system in systems}
    return Result(findings, curves, {"det": given}, models, 0.95, 0, "all of them", ["What was done <here>."])


@pytest.fixture(scope="module")
def result():
    return judged(metrics=("cosine", "euclidean"), thresholds={"m / det / cosine": 0.5})


def row(result, measure, system="m / det / cosine"):
    found = result.findings
    return found[(found.measure == measure) & (found.group == system)].to_rows()[0]


def test_a_line_says_what_the_finding_says(result):
    found = {line.measure: line for line in lines(result.findings, "m / det / cosine")}
    area, accuracy, error = (row(result, name) for name in ("area_under_curve", "accuracy", "accuracy_standard_error"))
    assert found["area under the ROC"].value == f"{area['value']:.4f}"
    assert found["area under the ROC"].interval == f"{area['low']:.4f} to {area['high']:.4f}"
    assert found["accuracy"].value == f"{accuracy['value']:.4f} ± {error['value']:.4f}"
    assert list(found)[:3] == ["accuracy", "area under the ROC", "equal error rate"]


def test_a_rate_without_data_enough_says_how_many_it_needs(result):
    found = {line.measure: line for line in lines(result.findings, "m / det / cosine")}
    line = found["TMR at FMR 0.001"]
    assert (line.value, line.interval) == ("", "")
    assert line.method == "insufficient: needs 30,000 pairs of different people, has 120"
    assert line.method in html(page(result))


def test_deepface_thresholds_stand_beside_ours_where_they_were_given(result):
    found = {line.measure: line.value for line in lines(result.findings, "m / det / cosine")}
    assert found["deepface's threshold"] == "0.5000"
    assert 0.5 < float(found["accuracy at deepface's"]) <= 1
    assert "deepface's threshold" not in {line.measure for line in lines(result.findings, "k / det / cosine")}


def test_differences_are_of_the_first_system_and_those_of_its_metric(result):
    found = differences(result.findings)
    assert {group for group, _ in found} == {"m / det / cosine - k / det / cosine"}
    assert [(line.measure, line.value) for _, line in found] == [
        ("accuracy", "0.0000"),
        ("area under curve", "0.0000"),
        ("equal error rate", "0.0000"),
    ]


def test_limits_of_the_curves_are_30_errors(result):
    curve = supported(result)[0]
    assert curve.fmr_limit == 30 / 120
    assert curve.fnmr_limit == 30 / 48


def test_files_hold_the_curves_and_the_findings(result, tmp_path):
    names = write_verification(result, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert "people_det.csv" in names
    with (tmp_path / "curves.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["system"] == "k / det / euclidean"]
    curve = result.curves["k / det / euclidean"]
    for name in ("threshold", "fmr", "fnmr"):
        assert np.array_equal([float(row[name]) for row in rows], curve[name])
    assert len(read_findings(tmp_path / "findings.parquet")) == len(result.findings)
    with (tmp_path / "people_det.csv").open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == ["m"] * 48 + ["k"] * 48
    assert draws_again(tmp_path / "accuracy.html")


def test_the_area_under_the_written_curve_is_the_one_that_is_told(result):
    curve = result.curves["m / det / cosine"]
    metrics = pytest.importorskip("sklearn.metrics")
    area = metrics.auc(curve["fmr"][::-1], 1 - curve["fnmr"][::-1])
    assert area == pytest.approx(row(result, "area_under_curve")["value"], abs=1e-3)


def test_the_page_stands_alone_and_names_every_system(result):
    text = html(page(result))
    assert not outside(text)
    for name in result.curves:
        assert f"<b>{name}</b>" in text
    assert "What was done &lt;here&gt;." in text
    assert "by facevalue" in text.split('<p class="methods">')[1]
    assert "48 pairs of one person and 1,080 of two (all of them)" in text
    assert "A match is not an identity" in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=") == 2


def test_the_table_of_the_curves_has_the_least_error_at_a_rate_and_says_where_data_are_few(result):
    curve = result.curves["m / det / cosine"]
    found = {point["fmr"]: point for point in points(supported(result))["m / det / cosine"]}
    assert found[0.1]["fnmr"] == f"{min(curve['fnmr'][curve['fmr'] <= 0.1]):.4f}"
    rates = {"threshold": np.arange(3.0), "fmr": np.array([1.0, 0.3, 0.04]), "fnmr": np.array([0.1, 0.2, 0.3])}
    row = points([Curve("a", *rates.values(), fmr_limit=0.15, fnmr_limit=0.05)])["a"]
    assert [point["fnmr"] for point in row] == ["", "", "", "0.3000", "0.3000", "0.3000", "0.2000"]
    assert [point["faint"] for point in row] == [True, True, True, True, True, False, False]
    assert points([Curve("a", *rates.values(), fnmr_limit=0.25)])["a"][-1]["faint"]


def test_what_became_of_the_photos_is_told_once_for_models_that_fail_alike(result):
    (told,) = photos(result)
    assert told["sentences"] == ("48 photos in: 48 compared, 0 not", "16 people in: 16 compared")
    given = simulated(6, 2)
    broken = np.array(given.embedding("m"))
    broken[0] = np.nan
    failed = people(given.person, broken, why=["no_face"] + [""] * 11)
    (told,) = photos(judged(failed, models=("m",)))
    assert told["sentences"][0] == "12 photos in: 11 compared, 1 not (1 no_face)"
    assert "no_face" in html(page(judged(failed, models=("m",))))
