"""Where curves fall below their limits, and how much a system errs beside another."""

import math

import pytest

from facevalue.data.findings import Findings
from facevalue.studies.breaking import breaking_points, mean_corruption_errors

SEVERITIES = {f"{name} {s}": (name, s) for name in ("fog", "snow") for s in (1, 2, 3)} | {"as they are": ("", 0)}


def curves(values: dict[str, tuple[float | None, ...]]) -> Findings:
    row = {"study": "robustness", "measure": "tar", "low": None, "high": None, "level": 0.9, "n": 9, "method": "", "run": "x"}
    cells = [(*group.split(" / "), s, v) for group, of in values.items() for s, v in enumerate(of, start=1)]
    return Findings.from_rows([row | {"group": f"{f} {s} / {net}", "value": v} for f, net, s, v in cells])


def test_the_first_severity_below_the_limit_is_told_and_none_where_there_is_none():
    found = curves({"fog / a": (0.99, 0.9, 0.97), "snow / a": (0.95, 0.96, 0.97), "fog / b": (None, 0.97, 0.2)})
    told = breaking_points(found, SEVERITIES, {"tar": 0.95})
    values = dict(zip(told.group, told.value, strict=True))
    assert (values["fog / a"], values["fog / b"]) == (2, 3)
    assert math.isnan(values["snow / a"])
    assert set(told.measure) == {"first_severity_below 0.95 tar"}
    assert dict(zip(told.group, told.n.tolist(), strict=True)) == {"fog / a": 3, "snow / a": 3, "fog / b": 2}
    assert not len(breaking_points(found, SEVERITIES, {"coverage": 0.85}))


def test_errors_beside_the_first_are_those_of_the_definition():
    found = curves({"fog / a": (0.9, 0.8, 0.7), "fog / b": (0.95, 0.9, 0.85), "snow / a": (1, 1, 1), "snow / b": (0.5, 1, 1)})
    told = mean_corruption_errors(found, SEVERITIES, "tar", ["a", "b"])
    values = dict(zip(told.group, told.value, strict=True))
    assert values["fog / b"] == pytest.approx(0.3 / 0.6)
    assert math.isnan(values["snow / b"])  # the first does not err there
    assert values["all / b"] == pytest.approx(0.5)
    assert told.n[told.measure == "mean_corruption_error"].tolist() == [1]
    assert not len(mean_corruption_errors(found, SEVERITIES, "tar", ["a"]))


def test_what_was_never_measured_does_not_hold():
    found = curves(
        {
            "fog / a": (None, None, None),
            "fog / b": (0.9, 0.8, None),
            "snow / a": (0.5, 0.5, 0.5),
            "snow / b": (None, None, None),
        }
    )
    assert set(breaking_points(found, SEVERITIES, {"tar": 0.95}).group) == {"fog / b", "snow / a"}
    told = mean_corruption_errors(found, SEVERITIES, "tar", ["a", "b"])
    assert all(math.isnan(value) for value in told.value)
    assert set(told.method[told.measure == "corruption_error"]) == {"not measured"}


def test_errors_are_summed_over_severities_that_both_have():
    found = curves({"fog / a": (0.9, 0.8, 0.6), "fog / b": (0.95, None, 0.8)})
    told = mean_corruption_errors(found, SEVERITIES, "tar", ["a", "b"])
    assert told.value[told.group == "fog / b"].tolist() == pytest.approx([0.25 / 0.5])
