"""Fronts against a plain loop, and bounds that are read, not run."""

import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.findings import Findings
from facevalue.studies.pareto import meets, pareto, undominated
from facevalue.studies.privacy import CLEAN


def told(*cells: tuple[str, str, float, float, float]) -> Findings:
    known = {"study": "privacy", "level": 0.9, "n": 9, "method": "", "run": ""}
    return Findings.from_rows([known | dict(zip(("group", "measure", "value", "low", "high"), c, strict=True)) for c in cells])


FOUND = told(
    ("solid", "tar", 0.0, 0.0, 0.03),
    ("solid", "gender_f1", 0.5, 0.4, 0.6),
    ("blur", "tar", 0.2, 0.1, 0.3),
    ("blur", "gender_f1", 0.9, 0.85, 0.95),
    ("mean", "tar", 0.2, 0.1, 0.3),
    ("mean", "gender_f1", 0.8, 0.7, 0.9),
    ("none", "tar", np.nan, np.nan, np.nan),
    ("none", "gender_f1", 1.0, 0.9, 1.0),
    (CLEAN, "tar", 1.0, 0.9, 1.0),
    (CLEAN, "gender_f1", 0.95, 0.9, 1.0),
    ("blur / sex: f", "tar", 0.0, 0.0, 0.1),
)


def test_the_front_is_that_of_a_plain_loop():
    draw, less = np.random.default_rng(0), np.array([True, False, False])
    values = draw.integers(0, 5, (40, 3)).astype(float)
    values[3, 1] = np.nan
    signed = np.where(less, values, -values)
    known = [i for i in range(40) if i != 3]
    expected = np.zeros(40, bool)
    for i in known:
        beaten = [j for j in known if (signed[j] <= signed[i]).all() and (signed[j] < signed[i]).any()]
        expected[i] = not beaten
    np.testing.assert_array_equal(undominated(values, less), expected)
    assert 0 < expected.sum() < 20


def test_the_front_of_findings():
    assert pareto(FOUND) == {"solid": True, "blur": True, "mean": False, "none": False}
    assert pareto(FOUND, clean=True)[CLEAN]
    with pytest.raises(UnknownName, match="no measure is called 'race_f1'; did you mean gender_f1"):
        pareto(FOUND, utility="race_f1")


@pytest.mark.parametrize(
    ("required", "met"),
    [
        ("tar<=0.01 and gender_f1>=0.8", ""),
        ("tar<=0.2 and gender_f1>=0.8", "blur mean"),
        ("tar.high < .05", "solid"),
        ("gender_f1.low>0.8", "blur none"),
        ("  tar >= 0  ", "solid blur mean"),
        ("tar <= 2e-1 and tar.low > 0", "blur mean"),
    ],
)
def test_bounds_are_met_or_not(required: str, met: str):
    assert [name for name, fine in meets(FOUND, required).items() if fine] == met.split()


def test_photos_as_they_are_and_groups_of_people_meet_nothing():
    assert set(meets(FOUND, "tar>=0")) == {"solid", "blur", "mean", "none"}


@pytest.mark.parametrize(
    "required", ["", "tar", "tar<0.1 or tar>1", "tar=0", "tar<=x", "__import__('os')", "tar<=0.1 and", "tar.mid<1"]
)
def test_what_is_no_bound_is_refused(required: str):
    with pytest.raises(SchemaError, match="expected bounds such as"):
        meets(FOUND, required)


def test_a_measure_that_is_none_is_refused():
    with pytest.raises(UnknownName, match="did you mean tar"):
        meets(FOUND, "tarr<=0.1")
