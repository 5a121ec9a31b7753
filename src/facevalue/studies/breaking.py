"""Where things break: the first severity of each corruption at which a measure is below a limit; errors beside a peer's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from facevalue.data.findings import Findings

STUDY = "robustness"
BREAKS = "first_severity_below"


def breaking_points(findings: Findings, severities: Mapping[str, tuple[str, int]], limits: Mapping[str, float]) -> Findings:
    """Return the first severity of each family of conditions at which a measure lies below its limit.

    The rows' `measure` is "first_severity_below LIMIT MEASURE", their `group` the family and what follows the condition's name
    in the group ("fog / dlib_resnet / centerface"), the value the severity, NaN where no severity lies below; `n` is how many
    severities were measured. The value of the measure decides, not its interval. Where none was measured there is no row.

    Parameters
    ----------
    findings
        With groups "CONDITION" or "CONDITION / SYSTEM".
    severities
        The family and the severity of each condition.
    limits
        By measure.

    Examples
    --------
    >>> row = {"study": "robustness", "measure": "tar", "group": "fog 1 / net", "value": 0.99, "low": 0.9, "high": 1.0,
    ...        "level": 0.9, "n": 50, "method": "", "run": ""}
    >>> found = Findings.from_rows([row, row | {"group": "fog 2 / net", "value": 0.5}])
    >>> told = breaking_points(found, {"fog 1": ("fog", 1), "fog 2": ("fog", 2)}, {"tar": 0.95})
    >>> told.measure[0], told.group[0], float(told.value[0])
    ('first_severity_below 0.95 tar', 'fog / net', 2.0)
    """
    rows = list[dict[str, Any]]()
    for measure, limit in limits.items():
        for group, curve in _curves(findings, severities, measure).items():
            below = [severity for severity, row in curve if row["value"] < limit]
            ends: dict[str, Any] = dict.fromkeys(("low", "high"), math.nan) | {"level": curve[0][1]["level"]}
            known = {"study": STUDY, "measure": f"{BREAKS} {limit:g} {measure}", "group": group, "n": len(curve)}
            told = {"method": "first of the severities looked at", "run": curve[0][1]["run"]}
            rows.append(ends | known | told | {"value": float(min(below, default=math.nan))})
    return Findings.from_rows(rows)


def _curves(
    findings: Findings, severities: Mapping[str, tuple[str, int]], measure: str
) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Return the measured rows of a measure with their severities, rising, by family and system."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for row in findings[(findings.measure == measure) & np.isfinite(findings.value)].to_rows():
        condition, slash, system = row["group"].partition(" / ")
        if condition in severities and severities[condition][1]:
            family, severity = severities[condition]
            found.setdefault(f"{family}{slash}{system}", []).append((severity, row))
    return {group: sorted(curve, key=lambda point: point[0]) for group, curve in found.items()}


def mean_corruption_errors(
    findings: Findings, severities: Mapping[str, tuple[str, int]], measure: str, systems: Sequence[str]
) -> Findings:
    """Return how much each system errs beside the first: `CE_c = sum_s e_cs / sum_s e_cs of the first`, and mCE, their mean.

    The error e is one less the measure; severities count at which both were measured. A family on which the first does not
    err at all has no CE.

    Parameters
    ----------
    findings
        With groups "CONDITION / SYSTEM".
    severities
        The family and the severity of each condition.
    measure
        A rate of success, as "tar@fmr=0.001".
    systems
        Names; the first is the one that others are held against.

    References
    ----------
    Hendrycks, Dietterich, ICLR 2019, section 3.1, there with AlexNet as the first.
    """
    curves = _curves(findings, severities, measure)
    families = list(dict.fromkeys(family for family, severity in severities.values() if severity))
    rows = [row for system in systems[1:] for row in _errors(curves, families, systems[0], system)]
    return Findings.from_rows([row | {"study": STUDY, "level": math.nan, "low": math.nan, "high": math.nan} for row in rows])


def _errors(
    curves: Mapping[str, list[tuple[int, dict[str, Any]]]], families: Sequence[str], first: str, system: str
) -> Iterator[dict[str, Any]]:
    ratios = list[float]()
    for family in families:
        own, other = (dict(curves.get(f"{family} / {name}", [])) for name in (system, first))
        both = sorted(own.keys() & other.keys())
        error, peer = (sum(1 - curve[severity]["value"] for severity in both) for curve in (own, other))
        ratios += [error / peer] if peer > 0 else []
        told = f"beside {first}" if peer > 0 else f"{first} does not err" if both else "not measured"
        row = {"measure": "corruption_error", "group": f"{family} / {system}", "method": told, "run": "", "n": len(both)}
        yield row | {"value": error / peer if peer > 0 else math.nan}
    row = {"measure": "mean_corruption_error", "group": f"all / {system}", "method": f"beside {first}", "run": ""}
    yield row | {"value": float(np.mean(ratios)) if ratios else math.nan, "n": len(ratios)}
