"""Privacy against utility: which conditions no other beats in both, and which meet a bound."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.findings import Findings
from facevalue.studies.privacy import CLEAN

# Measures of which less is better: for whom is on the photo, or for the one who reads it.
LESS = re.compile(r"(^|_)(tar|rank1|refit|fmr|detected|gap|error)(_|$)")
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
BOUND = re.compile(r"\s*([A-Za-z_]\w*)(?:\.(low|high))?\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def undominated(values: np.ndarray, less: np.ndarray) -> np.ndarray:
    """Return which rows no other row beats: none is as good in every column and better in one.

    Parameters
    ----------
    values : (c, m) float
        A row a condition, a column a measure. A row with NaN is not among them, and beats none.
    less : (m,) bool
        Whether less of a measure is better.

    Returns
    -------
    (c,) bool

    References
    ----------
    Pareto, Manuale di economia politica, 1906; dominance as in Deb, Pratap, Agarwal, Meyarivan, NSGA-II, IEEE Transactions on
    Evolutionary Computation 6, 2002, section III.

    Examples
    --------
    >>> undominated(np.array([[0.0, 0.5], [0.1, 0.9], [0.1, 0.8], [0.2, np.nan]]), np.array([True, False]))
    array([ True,  True, False, False])
    """
    values, less = np.asarray(values, np.float64), np.asarray(less, bool)
    if values.ndim != 2 or less.shape != values.shape[1:]:
        raise ValueError(f"expected values (c, m) and less (m,); got {values.shape} and {less.shape}")
    known = ~np.isnan(values).any(1)
    signed = np.where(less, values, -values)
    with np.errstate(invalid="ignore"):
        as_good = (signed[:, None] <= signed[None]).all(2)
        better = (signed[:, None] < signed[None]).any(2)
    return np.asarray(known & ~(as_good & better & known[:, None]).any(0))


def pareto(findings: Findings, *, privacy: str = "tar", utility: str = "gender_f1", clean: bool = False) -> dict[str, bool]:
    """Return of each condition whether no other has both more privacy and more utility.

    Parameters
    ----------
    findings
        As `facevalue.studies.privacy.privacy` returns them.
    privacy, utility
        Measures; of rates of linkage and of errors less is better, of the rest more. A condition where one is NaN is not on
        the front.
    clean
        Whether photos as they are count as a condition.

    Raises
    ------
    UnknownName
        No condition has such a measure.

    Examples
    --------
    >>> row = {"study": "privacy", "low": 0, "high": 1, "level": 0.9, "n": 9, "method": "", "run": ""}
    >>> cells = [("solid", "tar", 0.0), ("solid", "gender_f1", 0.5), ("blur", "tar", 0.1), ("blur", "gender_f1", 0.5)]
    >>> pareto(Findings.from_rows([row | dict(zip(("group", "measure", "value"), cell)) for cell in cells]))
    {'solid': True, 'blur': False}
    """
    tables = [_values(findings, name) for name in (privacy, utility)]
    names = [name for name in tables[0] if name in tables[1] and (clean or name != CLEAN)]
    values = np.array([[table[name][0] for table in tables] for name in names]).reshape(-1, 2)
    best = undominated(values, np.array([less_is_better(name) for name in (privacy, utility)]))
    return dict(zip(names, best.tolist(), strict=True))


def less_is_better(measure: str) -> bool:
    """Return whether less of a measure is better.

    Examples
    --------
    >>> [less_is_better(name) for name in ("tar", "naive_tar_refit", "age_error_years", "gender_f1", "covered")]
    [True, True, True, False, False]
    """
    return bool(LESS.search(measure))


def meets(findings: Findings, required: str) -> dict[str, bool]:
    """Return of each condition whether it meets every bound, as in "tar.high <= 0.05 and gender_f1 >= 0.8".

    Parameters
    ----------
    findings
        As `facevalue.studies.privacy.privacy` returns them.
    required
        Bounds joined by "and": a measure, or the .low or .high end of its interval, one of <= >= < >, and a number. What is
        NaN meets no bound. Photos as they are are no condition.

    Raises
    ------
    SchemaError
        Something else is asked for.
    UnknownName
        No condition has such a measure.

    Examples
    --------
    >>> row = {"study": "privacy", "low": 0, "high": 0.03, "level": 0.9, "n": 9, "method": "", "run": ""}
    >>> cells = [("solid", "tar", 0.0), ("blur", "tar", 0.02)]
    >>> found = Findings.from_rows([row | dict(zip(("group", "measure", "value"), cell)) for cell in cells])
    >>> meets(found, "tar<=0.01"), meets(found, "tar.high < .05 and tar < 1")
    ({'solid': True, 'blur': False}, {'solid': True, 'blur': True})
    """
    met: dict[str, bool] = dict.fromkeys((name for name in _conditions(findings) if name != CLEAN), True)
    for measure, end, sign, number in bounds(required):
        column, table = ("", "low", "high").index(end), _values(findings, measure)
        for name in met:
            value = table[name][column] if name in table else math.nan
            met[name] = met[name] and bool(OPERATORS[sign](value, number))
    return met


def bounds(required: str) -> list[tuple[str, str, str, float]]:
    """Return the measure, the end of its interval ("" for the value), the sign and the number of each bound.

    Raises
    ------
    SchemaError
        Something else than bounds is asked for.

    Examples
    --------
    >>> bounds("tar.high <= 0.05 and gender_f1>=.8")
    [('tar', 'high', '<=', 0.05), ('gender_f1', '', '>=', 0.8)]
    """
    found = list[tuple[str, str, str, float]]()
    for part in re.split(r"\s+and\s+", required.strip()):
        told = BOUND.fullmatch(part)
        if told is None:
            raise SchemaError(
                f"expected bounds such as 'tar<=0.01 and gender_f1.low>=0.8', with <= >= < or > and a number; got {part!r}"
            )
        measure, end, sign, number = told.groups("")
        found.append((measure, end, sign, float(number)))
    return found


def _conditions(findings: Findings) -> list[str]:
    """Return the names of conditions, without groups of people."""
    return list(dict.fromkeys(str(group) for group in findings.group if " / " not in group))


def _values(findings: Findings, measure: str) -> dict[str, tuple[float, float, float]]:
    """Return value, low and high of a measure by condition."""
    conditions = set(_conditions(findings))
    inside = np.array([group in conditions for group in findings.group], bool)
    rows = findings[inside & (findings.measure == measure)]
    if not len(rows):
        raise UnknownName(measure, set(findings.measure[inside]), what="measure")
    return {str(g): (v, low, high) for g, v, low, high in zip(rows.group, rows.value, rows.low, rows.high, strict=True)}
