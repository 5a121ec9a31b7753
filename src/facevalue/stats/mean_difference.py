"""Standardised differences of two sets' means along many dimensions, also where what else differs is held equal."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np

from facevalue.stats.association import Association
from facevalue.stats.calibration import check_level
from facevalue.stats.f_distribution import f_quantile, f_tail

FLAT = 1e-12


def mean_difference(
    x: np.ndarray,
    first: np.ndarray,
    *,
    level: float,
    person: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
) -> Association:
    """Return `d = b / s` of each dimension: `x = a + b [first] + q c + e` by least squares, `s^2 = (var_1 + var_2) / 2`.

    Without covariates b is the difference of means, with them what is left of it between faces that are alike in these. s is
    the spread of faces as they are, so that both can be compared. The interval is `d -+ t se`: se sums the influence of each
    face on b and on s within people, and t has p - 2 degrees of freedom, p people.

    Parameters
    ----------
    x : (n, d) float
    first : (n,) bool
        Which faces are of the first set; two or more of each.
    level
        In (0, 1).
    person : (n,), optional
        Whom each face shows, also in both sets; without it all are different.
    covariates : (n, c) float, optional

    Returns
    -------
    Association
        Of d dimensions; NaN of one that does not vary within sets.

    Raises
    ------
    ValueError
        Other shapes, NaN, fewer than two faces in a set or four people.

    References
    ----------
    The difference: Cohen, Statistical Power Analysis, 1988, with the spread of Bonett, Psychological Methods 13, 2008; sums
    within people: Liang, Zeger, Biometrika 73, 1986; Cameron, Miller, Journal of Human Resources 50, 2015, section VI.

    Examples
    --------
    >>> x, blur = np.array([[0.0], [1], [2], [1], [2], [3]]), np.array([0.0, 1, 2, 1, 2, 3])[:, None]
    >>> first = np.arange(6) < 3
    >>> found = mean_difference(x, first, level=0.9)
    >>> found.value.round(3), found.low.round(2), found.high.round(2)
    (array([-1.]), array([-2.95]), array([0.95]))
    >>> mean_difference(x, first, level=0.9, covariates=blur).value.round(3) + 0
    array([0.])
    """
    check_level(level)
    x, q, who = _checked(x, first, person, covariates)
    n, people = len(x), int(who.max()) + 1
    design = np.column_stack([np.where(first, 0.5, -0.5), np.ones(n), q])
    outer = np.linalg.pinv(design)
    fitted = outer @ x
    about = x - np.where(first[:, None], x[first].mean(0), x[~first].mean(0))
    counts = np.where(first, first.sum(), (~first).sum())[:, None]
    variance = (about**2 / (2 * (counts - 1))).sum(0)
    flat = variance <= FLAT * (1 + (x**2).mean(0))
    spread = np.sqrt(np.where(flat, np.nan, variance))
    d = fitted[0] / spread
    on_spread = (about**2 - (counts - 1) / counts * variance) / (4 * (counts - 1) * spread**2)
    influence = outer[0][:, None] * (x - design @ fitted) / spread - d * on_spread
    totals = np.zeros((people, x.shape[1]))
    np.add.at(totals, who, influence)
    error = np.sqrt((totals**2).sum(0) * people / max(people - 1, 1) * n / max(n - design.shape[1], 1))
    wide = _quantile(level, people - 2) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(error > 0, (d / error) ** 2, np.nan)
    p = np.array([f_tail(float(one), 1, people - 2) if np.isfinite(one) else np.nan for one in t])
    return Association(d, d - wide, d + wide, p)


@cache
def _quantile(level: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t."""
    return sqrt(f_quantile(level, 1, degrees))


def _checked(
    x: np.ndarray, first: np.ndarray, person: np.ndarray | None, covariates: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, the covariates about their means, (n, c), and the number of each face's person, (n,)."""
    x, n = np.asarray(x, np.float64), len(first)
    q = np.empty((n, 0)) if covariates is None else np.asarray(covariates, np.float64)
    who = np.arange(n) if person is None else np.unique(person, return_inverse=True)[1]
    if x.ndim != 2 or {len(x), len(q), len(who)} != {n} or np.isnan(x).any() or np.isnan(q).any():
        raise ValueError(f"expected faces (n, d) without NaN, {n} as there are marks; got {x.shape} and covariates {q.shape}")
    people = len(np.unique(who))
    if min(first.sum(), n - first.sum()) < 2 or people < 4:
        raise ValueError(f"expected two faces of each set and four people; got {first.sum()}, {n - first.sum()} and {people}")
    return x, q - q.mean(0), who
