"""Differences of shares: how the composition of one set of photos differs from that of another."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.association import two_sided
from facevalue.stats.calibration import check_level
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.studies.composition import CONTRADICTED
from facevalue.studies.difference import STUDY
from facevalue.studies.dimensions import tabled


def share_differences(one: Findings, other: Findings, *, level: float, measure: str = "share") -> Findings:
    """Return the shares of one set less those of another, group by group: `d = p - q`.

    The interval is `d - sqrt((p - l_p)^2 + (u_q - q)^2)` to `d + sqrt((u_p - p)^2 + (q - l_q)^2)`, of the intervals of both
    shares, and so carries whatever they carry. It takes both estimates to be independent: shares corrected by one and the
    same record of errors are not, and their difference is then surer than its interval says. "adjusted_p" is over all groups.

    Parameters
    ----------
    one, other
        What `composition` found in either set.
    level
        Of the intervals in both, and of those returned.
    measure
        Which rows to compare.

    Returns
    -------
    Findings
        "share_difference" and "adjusted_p_share" of each group told in both; "not_compared" of the others, and why.

    Raises
    ------
    SchemaError
        A share of another level than the one asked for, or given twice.

    References
    ----------
    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17, 1998, method
    10; of any two estimates: Zou, Donner, Statistics in Medicine 27, 2008.

    Examples
    --------
    >>> share = {"study": "composition", "measure": "share", "value": 0.7, "low": 0.6, "high": 0.79, "level": 0.95, "n": 100}
    >>> share |= {"group": "gender: Female", "method": "wilson", "run": ""}
    >>> other = share | {"value": 0.5, "low": 0.4, "high": 0.6}
    >>> found = share_differences(Findings.from_rows([share]), Findings.from_rows([other]), level=0.95)
    >>> found.value.round(3), found.low.round(3), found.high.round(3)
    (array([0.2  , 0.006]), array([0.059,   nan]), array([0.335,   nan]))
    """
    check_level(level)
    sides = [_shares(side, measure, level) for side in (one, other)]
    groups = [group for group in sides[0] if group in sides[1]]
    why = {group: "in one set only" for group in [*sides[0], *sides[1]] if group not in groups} | _untold((one, other), measure)
    cells: dict[str, Any] = {"group": np.array(list(why), object), "method": np.array(list(why.values()), object)}
    lacking = tabled(STUDY, measure="not_compared", value=np.nan, n=0, **cells)
    if not groups:
        return lacking
    (p, p_low, p_high, n), (q, q_low, q_high, m) = (np.array([side[group] for group in groups]).T for side in sides)
    d, under, over = p - q, np.hypot(p - p_low, q_high - q), np.hypot(p_high - p, q - q_low)
    cells = {"group": np.array(groups, object), "n": n + m}
    ends = {"value": d, "low": d - under, "high": d + over, "level": level, "method": "newcombe"}
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = two_sided(z * d / np.where(d > 0, under, over))
    found = tabled(STUDY, measure="share_difference", **ends, **cells)
    tested = tabled(STUDY, measure="adjusted_p_share", value=adjusted_p_values(chance), method="BH", **cells)
    return concatenate([found, tested, lacking])


def _shares(side: Findings, measure: str, level: float) -> dict[str, tuple[float, float, float, int]]:
    """Return value, low, high and n of each group that has an interval to believe."""
    rows = side[(side.measure == measure) & _told(side)]
    found = dict(zip(rows.group, zip(rows.value, rows.low, rows.high, rows.n, strict=True), strict=True))
    if len(found) < len(rows) or not np.allclose(rows.level, level):
        raise SchemaError(f"expected each {measure} once, with an interval at {level}; got {len(rows)} of {len(found)} groups")
    return found


def _told(side: Findings) -> np.ndarray:
    believed = np.array([CONTRADICTED not in method for method in side.method], bool)
    return np.asarray(np.isfinite(side.low) & np.isfinite(side.high) & believed)


def _untold(sides: Sequence[Findings], measure: str) -> dict[str, str]:
    """Return why groups are not told, by group."""
    rows = [row for side in sides for row in side[(side.measure == measure) & ~_told(side)].to_rows()]
    return {row["group"]: row["method"] for row in rows}
