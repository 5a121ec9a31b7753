"""Intervals of means over answers that share raters and faces: other raters would have judged other faces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import pi, tan
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level

MOST = 3


def crossed_interval(
    values: np.ndarray, rater: np.ndarray, faces: np.ndarray, *, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of means over raters and faces: `mean -+ t sqrt(sum_ij [i, j share a unit] e_i e_j / (n^2 (1 - s)))`.

    e is what a value lies above the mean; two answers share a unit when they are of one rater or show one face or more in
    common; s is the share of pairs of answers that do. Dividing by 1 - s makes up for what taking the mean off costs: with
    one kind of unit, G alike, it is G / (G - 1). Where the sum over all units is below that over one kind, the largest is
    taken. t has as many degrees of freedom as there are units of the rarer kind, less one. A bootstrap that draws raters and
    faces multiplies their counts, and makes the noise of single answers count up to 15 times; this does not.

    Parameters
    ----------
    values : (t,) or (t, s) float
        Of each answer, or s of them. Any statistic will do whose influence is known: give `estimate + influence`.
    rater : (t,) int
        Who answered. A number of its own where that is not known.
    faces : (t, m) int
        What was shown, m in 1 to 3.
    level
        In (0, 1).

    Returns
    -------
    low, high : float, or (s,) float
        NaN where every two answers share a unit.

    Raises
    ------
    ValueError
        No answers, NaN among the values, or arrays of several lengths.

    References
    ----------
    Cameron, Gelbach, Miller, Robust inference with multiway clustering, Journal of Business & Economic Statistics 29, 2011,
    section 2; for faces that stand in several places: Aronow, Samii, Assenova, Cluster-robust variance estimation for
    dyadic data, Political Analysis 23, 2015, eq. 6.

    Examples
    --------
    >>> values, rater = np.array([1.0, 1, 0, 1, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> low, high = crossed_interval(values, rater, np.arange(8)[:, None], level=0.9)
    >>> round(float(low), 3), round(float(high), 3)  # four raters with shares of 1, .5, 0 and .5
    (0.02, 0.98)
    """
    check_level(level)
    table = np.asarray(values, np.float64)
    if not len(table) or len(rater) != len(table) or faces.shape[:1] != table.shape[:1] or not 1 <= faces.shape[1] <= MOST:
        shapes = f"{table.shape}, {rater.shape}, {faces.shape}"
        raise ValueError(f"expected values, raters and 1 to {MOST} faces a row; got {shapes}")
    columns = table.reshape(len(table), -1)
    if absent := int(np.isnan(columns).any(1).sum()):
        raise ValueError(f"expected values without NaN, got {absent} rows of {len(table)} with it")
    mean = columns.mean(0)
    variance = _variance(np.column_stack([columns - mean, np.ones(len(columns))]), rater, np.sort(faces, axis=1))
    rarer = min(len(np.unique(rater)), len(np.unique(faces)))
    half = t_quantile((1 + level) / 2, max(rarer - 1, 1)) * np.sqrt(variance)
    shape = table.shape[1:]
    return (mean - half).reshape(shape), (mean + half).reshape(shape)


def _variance(columns: np.ndarray, rater: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the variance of the means of all columns but the last, which is of ones and counts the pairs."""
    by_rater = _sums(columns, rater[:, None])
    by_face, by_both = (sum(sign * _sums(columns, codes) for sign, codes in _sets(faces, of)) for of in (None, rater))
    sums = np.stack([by_rater + by_face - by_both, by_rater, by_face, (columns**2).sum(0)])
    shared = sums[:, -1:] / len(columns) ** 2
    apart = np.where(shared < 1 - 1e-12, 1 - shared, np.nan)
    kinds = sums[:, :-1] / len(columns) ** 2 / apart
    kinds[1:] = np.where(np.isnan(kinds[1:]), -np.inf, kinds[1:])
    variance: np.ndarray = np.maximum(kinds.max(0), 0)
    return variance


def _sets(faces: np.ndarray, rater: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (-1)^(k + 1) and numbers (t, c) of the sets of k faces of each row, by rater too where given."""
    n = int(faces.max()) + 1
    if n ** faces.shape[1] * len(faces) >= 2**63:
        raise ValueError(f"expected faces with numbers so small that their sets have numbers too; got up to {n - 1}")
    who = np.zeros(len(faces), np.int64) if rater is None else np.unique(rater, return_inverse=True)[1].astype(np.int64)
    for k in range(1, faces.shape[1] + 1):
        parts = []
        for places in combinations(range(faces.shape[1]), k):
            code = who
            for place in places:
                code = code * n + faces[:, place]
            parts.append(code)
        yield (-1) ** (k + 1), np.stack(parts, axis=1)


def _sums(columns: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the sum over sets of the square of the sum over the rows that hold it, one a column; codes are (t, c)."""
    _, at = np.unique(codes.ravel(), return_inverse=True)
    c = codes.shape[1]
    return np.array([(np.bincount(at.reshape(-1), np.repeat(column, c)) ** 2).sum() for column in columns.T])


def t_quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t, to .5 % of its value for p in [.5, .99].

    Parameters
    ----------
    p
        In [.5, 1).
    df
        Degrees of freedom, 1 or more.

    References
    ----------
    Abramowitz, Stegun, Handbook of Mathematical Functions, 1964, 26.7.5; exact for 1 and 2 degrees of freedom.

    Examples
    --------
    >>> round(t_quantile(0.95, 1), 3), round(t_quantile(0.95, 35), 3)
    (6.314, 1.69)
    """
    if df <= 2:
        a = 2 * p - 1
        return tan(pi * a / 2) if df < 2 else a * (2 / (1 - a**2)) ** 0.5
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / df**k for k, term in enumerate(terms, 1))
