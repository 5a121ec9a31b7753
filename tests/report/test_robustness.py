"""The page of robustness: what it says breaks, what it leaves empty, its curves, and what it does with names."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.report.page import html
from facevalue.report.robustness import Part, Result, breaks, curve, errors, failing, figures, numbers, page, write_robustness
from facevalue.studies.breaking import breaking_points, mean_corruption_errors

from .alone import outside
from .cards import CARD
from .saved import draws_again

FOG = {"fog 1": ("fog", 1), "fog 2": ("fog", 2), "red_eye 1": ("red_eye", 1), "red_eye 2": ("red_eye", 2)}


def row(measure, condition, value, *, system="m / d", n=40):
    ends = (np.nan, np.nan) if np.isnan(value) else (value - 0.1, value + 0.1)
    return {
        "study": "robustness",
        "measure": measure,
        "group": f"{condition} / {system}",
        "value": value,
        "low": ends[0],
        "high": ends[1],
        "level": 0.9,
        "n": n,
        "method": "no face to measure" if np.isnan(value) else "wilson over people",
        "run": "m@1",
    }


def part(values, *, detector="d", severities=FOG, notes=()):
    """Return a part from {measure: {condition: value}}."""
    rows = [row(m, c, v, system=f"m / {detector}") for m, of in values.items() for c, v in of.items()]
    return Part("m", detector, 0.001, Findings.from_rows(rows), severities, notes)


def result(*parts, **options):
    breaking = [breaking_points(one.findings, one.severities, one.limits(0.9)) for one in parts]
    both = concatenate([one.findings for one in parts])
    names = [one.name for one in parts]
    breaking.append(mean_corruption_errors(both, parts[0].severities, parts[0].rate, names))
    return Result(parts, concatenate(breaking), 0.9, 0, cards=[CARD], **options)


CURVES = {
    "detection_rate": {"as they are": 1.0, "fog 1": 0.99, "fog 2": 0.3, "red_eye 1": 1.0, "red_eye 2": 1.0},
    "tar@fmr=0.001": {"as they are": 0.97, "fog 1": 0.9, "fog 2": 0.1, "red_eye 1": 0.96, "red_eye 2": 0.96},
    "fmr@fmr=0.001": {"as they are": 0.001, "fog 1": 0.0015, "fog 2": np.nan, "red_eye 1": 0.001, "red_eye 2": 0.001},
    "angle_to_clean_deg": {"fog 1": 12.0, "fog 2": np.nan, "red_eye 1": 1.0, "red_eye 2": 2.0},
    "coverage.clean": {"as they are": 0.9, "fog 1": 0.7, "red_eye 1": 0.9, "red_eye 2": 0.9},
    "width.clean_deg": {"as they are": 30.0, "fog 1": 31.0, "red_eye 1": 30.0, "red_eye 2": 30.0},
    "coverage.widened": {"as they are": 0.96, "fog 1": 0.86, "red_eye 1": 0.96, "red_eye 2": 0.96},
    "width.widened_deg": {"as they are": 40.0, "fog 1": 41.0, "red_eye 1": 40.0, "red_eye 2": 40.0},
    "attributes.gender.label_changed": {"fog 1": 0.125, "fog 2": np.nan, "red_eye 1": 0.0, "red_eye 2": 0.0},
    "pose.yaw.mean_change_deg": {"fog 1": 2.345, "fog 2": np.nan, "red_eye 1": 0.1, "red_eye 2": 0.1},
}


def test_the_first_severity_below_each_limit_is_told():
    fog, red = breaks(result(part(CURVES)))
    assert fog == {
        "family": "fog",
        "part": "m / d",
        "detection_rate": "2",
        "tar": "1",
        "coverage.clean": "1",
        "coverage.widened": "none",
        "coverage.unseen": "",
    }
    assert [red[name] for name in ("detection_rate", "tar", "coverage.clean")] == ["none"] * 3


def test_what_was_never_measured_is_not_said_to_hold():
    alone = CURVES | {"tar@fmr=0.001": dict.fromkeys(CURVES["tar@fmr=0.001"], np.nan)}
    one = result(part(alone))
    assert breaks(one)[0]["tar"] == ""
    assert "not judged" in html(page(one))
    assert "tar" not in [name for name, *_ in figures(one)]


def test_what_fails_as_it_is_is_said_so():
    assert failing(result(part(CURVES))) == []
    weak = CURVES | {"tar@fmr=0.001": CURVES["tar@fmr=0.001"] | {"as they are": 0.5}}
    one = result(part(weak))
    assert failing(one) == ["m / d: tar@fmr=0.001 is 0.500 on photos as they are, below 0.95 already."]
    assert failing(one)[0] in html(page(one))


def test_curves_begin_with_photos_as_they_are_and_rise_in_severity():
    shuffled = replace(part(CURVES), severities=dict(reversed(FOG.items())))
    points = curve(shuffled, "tar@fmr=0.001", "fog")
    assert [(s, found["value"]) for s, found in points] == [(0, 0.97), (1, 0.9), (2, 0.1)]
    assert [s for s, _ in curve(shuffled, "angle_to_clean_deg", "fog")] == [1, 2]


def test_cells_have_intervals_marks_and_reasons():
    found = dict(numbers(part(CURVES), 0.9))
    assert list(found) == ["as they are", *FOG]
    assert found["fog 1"][:4] == [
        ("0.990", "0.890 to 1.090", False),
        ("0.900", "0.800 to 1.000", True),
        ("0.0015", "-0.0985 to 0.1015", False),
        ("12.0", "11.9 to 12.1", False),
    ]
    assert found["fog 2"][2] == ("", "no face to measure", False)
    assert found["as they are"][3] == ("", "", False)


def test_several_systems_are_told_apart_and_errors_held_against_the_first():
    other = {m: {c: v - 0.05 if m.startswith("tar") else v for c, v in of.items()} for m, of in CURVES.items()}
    two = result(part(CURVES), part(other, detector="e"))
    assert [found["part"] for found in breaks(two)] == ["m / d", "m / e"] * 2
    fog, red = (0.15 + 0.95) / (0.1 + 0.9), 0.18 / 0.08
    mean = (fog + red) / 2
    told = f"m / e: mean corruption error {mean:.3f} beside m / d, over 2 corruptions on which that errs; below 1 it errs less."
    assert errors(two) == [told]
    text = html(page(two))
    assert told in text
    assert '<th scope="col">system</th>' in text
    assert "Mean corruption errors were taken beside m / d (Hendrycks and Dietterich, 2019)." in text
    assert [name for name, *_ in figures(two) if name.startswith("coverage")] == ["coverage_1", "coverage_2"]


def test_files_hold_the_same_numbers_as_the_parts(tmp_path):
    one = result(part(CURVES))
    calls = []
    names = write_robustness(one, tmp_path, progress=lambda *done: calls.append(done))
    assert {"robustness.html", "detection.svg", "tar.svg", "angle.svg", "coverage.svg", "width.svg"} <= set(names)
    assert all((tmp_path / name).stat().st_size for name in names)
    found = read_findings(tmp_path / "findings.csv")
    assert len(found) == len(one.findings)
    np.testing.assert_array_equal(found.value, one.findings.value)
    assert calls[-1] == (5, 5)
    assert draws_again(tmp_path / "robustness.html")
    assert ">fog<" in (tmp_path / "tar.svg").read_text()


def test_levels_of_a_factor_have_rows_and_no_severities(tmp_path):
    levels = {"hat <b>": ("", 0), "profile": ("", 0)}
    values = {
        "detection_rate": {"as they are": 1.0, "hat <b>": 1.0, "profile": 0.0},
        "tar@fmr=0.001": {"as they are": 0.9, "hat <b>": 0.8, "profile": 0.0},
        "angle_to_others_deg": {"as they are": 20.0, "hat <b>": 30.0, "profile": np.nan},
    }
    one = result(part(values, severities=levels))
    assert (one.families, one.levels, breaks(one)) == ([], list(levels), [])
    names = write_robustness(one, tmp_path)
    assert [name for name in names if name.endswith(".svg")] == ["levels.svg"]
    text = (tmp_path / "robustness.html").read_text()
    assert "Where it breaks" not in text
    assert "hat &lt;b&gt;" in text
    assert "hat <b>" not in text
    assert "from reference<br>photos, deg" in text
    assert draws_again(tmp_path / "robustness.html")


def test_the_page_stands_alone_and_says_what_was_done():
    text = html(page(result(part(CURVES, notes=["A <note>."]), done=["Done & told."], drawn="one photo of each person")))
    assert not outside(text)
    for words in (
        "A &lt;note&gt;.",
        "Done &amp; told.",
        "embeds &lt;b&gt;",
        "not for commercial use",
        "red eye 1",
        "attributes.gender",
        "of those that could be compared, was corrupted in 2 ways (fog, red eye), 4 conditions in all",
        "judged on people they were made without",
    ):
        assert words in text
    assert "Do not use these numbers to decide about a person." in text
    assert "2.35" in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=")


@pytest.mark.parametrize("value", [0.849, 0.85])
def test_the_limit_of_bands_is_five_points_below_the_level(value):
    held = CURVES | {"coverage.widened": CURVES["coverage.widened"] | {"fog 1": value}}
    assert breaks(result(part(held)))[0]["coverage.widened"] == ("1" if value < 0.85 else "none")
