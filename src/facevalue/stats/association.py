"""Association of many measures with one: rank correlations and areas under the curve, each with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level, wilson_interval


@dataclass(frozen=True, slots=True, eq=False)
class Association:
    """A measure of d columns, with intervals and the p-values of no association.

    Parameters
    ----------
    value, low, high, p : (d,) or (d, k) float64
        NaN where a column does not vary; the ends are NaN also where the sample has no spread to judge by.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


class _Ranks:
    """The order of each column of x, (n, d), sorted once; `below` weighs what lies under each row, ties by half."""

    def __init__(self, x: np.ndarray) -> None:
        rows, n = np.ascontiguousarray(x.T), len(x)
        self.order = np.argsort(rows, axis=1, kind="stable")
        ordered = np.take_along_axis(rows, self.order, 1)
        edge = np.ones((len(rows), n + 1), bool)
        edge[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
        places = np.arange(n)
        start = np.maximum.accumulate(np.where(edge[:, :-1], places, 0), axis=1)
        stop = np.minimum.accumulate(np.where(edge[:, 1:], places + 1, n)[:, ::-1], axis=1)[:, ::-1]
        self.low, self.high = np.empty_like(start), np.empty_like(start)
        np.put_along_axis(self.low, self.order, start, 1)
        np.put_along_axis(self.high, self.order, stop, 1)

    @property
    def share(self) -> np.ndarray:
        """The mid-distribution function at each row, (d, n)."""
        return np.asarray((self.low + self.high) / (2 * self.low.shape[1]))

    def below(self, weights: np.ndarray) -> np.ndarray:
        """Return the sum of weights, (n,) or (d, n), of the rows below each row and half of those level with it, (d, n)."""
        if len(self.order) == 1:
            total = _running(np.atleast_2d(weights)[:, self.order[0]])
            return np.asarray((total[:, self.low[0]] + total[:, self.high[0]]) / 2)
        total = _running(weights[self.order] if weights.ndim == 1 else np.take_along_axis(weights, self.order, 1))
        return np.asarray((np.take_along_axis(total, self.low, 1) + np.take_along_axis(total, self.high, 1)) / 2)


def _running(weights: np.ndarray) -> np.ndarray:
    total = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


def rank_correlations(x: np.ndarray, y: np.ndarray, *, level: float, clusters: np.ndarray | None = None) -> Association:
    """Return Spearman's correlation of columns of x with columns of y: `r = cov(F(x), G(y)) / sd(F(x)) sd(G(y))`.

    F and G are mid-distribution functions, so that equal numbers share a rank. The interval is `tanh(artanh r -+ t s)`; s
    comes of the influence of each row on r, which holds under ties, many zeros and any dependence; it falls short where
    fewer than ten rows of a column differ from the rest. Without clusters p is that of a permutation, whose variance of r
    is `1 / (n - 1)`.

    Parameters
    ----------
    x : (n, d) float
    y : (n, k) float
    level
        In (0, 1).
    clusters : (n,), optional
        Whom each row belongs to, as answers of an annotator; rows of one cluster may depend on each other.

    Returns
    -------
    Association
        Of (d, k) pairs.

    Raises
    ------
    ValueError
        Fewer than four rows, other shapes, or NaN.

    References
    ----------
    Influence functions: Hampel, JASA 69, 1974; of Spearman's correlation: Croux, Dehon, Statistical Methods and
    Applications 19, 2010; p: Hotelling, Pabst, Annals of Mathematical Statistics 7, 1936.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> found = rank_correlations(np.stack([x, x % 3], 1), np.array([[0.0], [2], [1], [3], [5], [4], [6], [7]]), level=0.9)
    >>> found.value.T.round(3), found.low.T.round(3), found.high.T.round(3)
    (array([[ 0.952, -0.013]]), array([[ 0.624, -0.66 ]]), array([[0.995, 0.646]]))
    """
    check_level(level)
    x, y = _checked(x, y)
    over, columns = _Ranks(x), list[Association]()
    a, quantile = over.share - 0.5, _quantile(level, len(x) if clusters is None else len(np.unique(clusters)))
    own = a**2 - 2 * over.below(a) / len(x)
    for column in y.T:
        r, influence = _influence(over, a, own, _Ranks(column[:, None]))
        deviation = _deviation(influence, clusters)
        columns.append(_on_fisher_scale(r, deviation, quantile, None if clusters is not None else len(x)))
    return Association(*(np.stack([getattr(c, name) for c in columns], 1) for name in ("value", "low", "high", "p")))


def _influence(over: _Ranks, a: np.ndarray, own: np.ndarray, up: _Ranks) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlations of d columns with one, (d,), and the influence of each row on each, (d, n)."""
    b, n = up.share - 0.5, a.shape[1]
    covariance, spread_a, spread_b = (a * b).mean(1), (a**2).mean(1), (b**2).mean()
    both = a * b - (over.below(b[0]) + up.below(a)) / n
    own_b = b**2 - 2 * up.below(b) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(spread_a * spread_b)
        r = np.where(scale > 0, covariance / scale, np.nan)
        change = both / scale[:, None] - r[:, None] / 2 * (own / spread_a[:, None] + own_b / spread_b)
    return np.clip(r, -1, 1), change - change.mean(1, keepdims=True)


def _on_fisher_scale(r: np.ndarray, deviation: np.ndarray, quantile: float, n: int | None) -> Association:
    """Return the interval that is even on the scale of artanh r, and p: of a permutation of n rows, or by the deviation."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z, wide = np.arctanh(r), np.where(np.abs(r) > 1 - 1e-9, np.nan, deviation / (1 - r**2))
        low, high = np.tanh(z - quantile * wide), np.tanh(z + quantile * wide)
        return Association(r, low, high, two_sided(r * np.sqrt(n - 1) if n else z / wide))


def _deviation(influence: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Return the standard deviation of a statistic out of its influences, (d, n), summed within clusters."""
    n = influence.shape[1]
    if clusters is not None:
        at = np.unique(clusters, return_inverse=True)[1]
        influence = influence @ (at[:, None] == np.arange(at.max() + 1))
    count = influence.shape[1]
    return np.asarray(np.sqrt((influence**2).sum(1) * count / max(count - 1, 1)) / n)


def _quantile(level: float, count: int) -> float:
    """Return the quantile of Student's t with `count - 2` degrees of freedom, by its expansion."""
    z, degrees = NormalDist().inv_cdf((1 + level) / 2), max(2, count - 2)
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def two_sided(z: np.ndarray) -> np.ndarray:
    """Return the probability of a normal deviate at least as far from 0.

    Examples
    --------
    >>> two_sided(np.array([0.0, 1.96, np.nan])).round(3)
    array([1.  , 0.05,  nan])
    """
    return np.array([math.erfc(abs(one) / math.sqrt(2)) for one in np.ravel(z)]).reshape(np.shape(z))


def areas_under_curve(x: np.ndarray, positive: np.ndarray, *, level: float) -> Association:
    """Return the area under the ROC curve of each column of x: `P(x+ > x-) + P(x+ = x-) / 2`.

    The interval is DeLong's on the logit; of an area of 0 or 1 it is Wilson's for the smaller group, all of whom lie on one
    side. p is that of the rank-sum test, corrected for ties.

    Parameters
    ----------
    x : (n, d) float
    positive : (n,) bool
        At least two of each kind.
    level
        In (0, 1).

    Raises
    ------
    ValueError
        As `rank_correlations`, and where a kind has fewer than two rows.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988; on the logit: Pepe, The Statistical Evaluation of Medical Tests,
    2003, section 5.2.

    Examples
    --------
    >>> found = areas_under_curve(np.array([[3.0], [1], [2], [0], [4]]), np.array([True, False, True, False, False]), level=0.9)
    >>> found.value.round(3), found.low.round(3), found.high.round(3)
    (array([0.667]), array([0.145]), array([0.959]))
    """
    check_level(level)
    x, positive = _checked(x, positive)
    n_pos = int(positive.sum())
    n_neg = len(x) - n_pos
    if positive.dtype != bool or min(n_pos, n_neg) < 2:
        raise ValueError(f"expected bool, two or more of each kind; got {positive.dtype}, {n_pos} true of {len(x)}")
    ranks = _Ranks(x)
    beaten, missed = _placements(ranks, positive)
    value = beaten.mean(1)
    deviation = np.sqrt(beaten.var(1, ddof=1) / n_pos + missed.var(1, ddof=1) / n_neg)
    null = ranks.share.std(1, ddof=1) * np.sqrt(len(x) / (n_pos * n_neg))
    with np.errstate(invalid="ignore", divide="ignore"):
        tested = np.where(null > 0, (value - 0.5) / null, np.nan)
    low, high = _logit_interval(value, deviation, min(n_pos, n_neg), level)
    return Association(value, low, high, two_sided(tested))


def _placements(ranks: _Ranks, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of negatives that each positive beats, (d, n+), and of positives that beat each negative, (d, n-)."""
    against_negative = ranks.below((~positive).astype(np.float64)) / (~positive).sum()
    against_positive = ranks.below(positive.astype(np.float64)) / positive.sum()
    return against_negative[:, positive], 1 - against_positive[:, ~positive]


def _logit_interval(value: np.ndarray, deviation: np.ndarray, least: int, level: float) -> np.ndarray:
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        logit = np.log(value / (1 - value))
        ends = 1 / (1 + np.exp(-(logit + z * deviation / (value * (1 - value)) * np.array([[-1], [1]]))))
    bound = wilson_interval(least, least, level=level)[0]
    ends = np.where(value >= 1, np.array([[bound], [1.0]]), ends)
    return np.where(value <= 0, np.array([[0.0], [1 - bound]]), ends)


def fold_area(
    scores: np.ndarray, positive: np.ndarray, folds: np.ndarray, *, level: float, least_deviation: float = 0.0
) -> Association:
    """Return the mean area under the curve of folds, `A = mean_v A_v`, of scores that each fold had from the others.

    The variance is that of the influence of each row within its fold, about A.

    Parameters
    ----------
    scores : (n,) float
    positive : (n,) bool
    folds : (n,)
        Each with both kinds.
    level
        In (0, 1).
    least_deviation
        The standard deviation of A where the scores know nothing, if that is known, as of permutations: that of A is taken to
        be at least so much, times `2 sqrt(A (1 - A))`.

    Returns
    -------
    Association
        Of one column.

    Raises
    ------
    ValueError
        A fold lacks a kind, or as `areas_under_curve`.

    References
    ----------
    LeDell, Petersen, van der Laan, Electronic Journal of Statistics 9, 2015, eq. 11.

    Examples
    --------
    >>> scores, positive = np.array([0.1, 0.6, 0.5, 0.9]), np.array([False, True, False, True])
    >>> fold_area(scores, positive, np.array([0, 0, 1, 1]), level=0.9).value
    array([1.])
    """
    check_level(level)
    x, positive = _checked(np.asarray(scores, np.float64)[:, None], positive)
    folds, n_pos = np.asarray(folds), int(positive.sum())
    names = np.unique(folds)
    if any(positive[folds == v].all() or not positive[folds == v].any() for v in names):
        raise ValueError("expected both kinds in every fold; use fewer folds")
    parts = [_placements(_Ranks(x[folds == v]), positive[folds == v]) for v in names]
    value = np.mean([beaten.mean(1) for beaten, _ in parts], axis=0)
    square = [sum(((part[kind] - value[:, None]) ** 2).sum(1) for part in parts) for kind in (0, 1)]
    deviation = np.sqrt(square[0] / n_pos**2 + square[1] / (len(x) - n_pos) ** 2)
    deviation = np.maximum(deviation, least_deviation * 2 * np.sqrt(value * (1 - value)))
    with np.errstate(invalid="ignore", divide="ignore"):
        tested = (value - 0.5) / deviation
    low, high = _logit_interval(value, deviation, min(n_pos, len(x) - n_pos), level)
    return Association(value, low, high, two_sided(tested))


def mean_fold_areas(scores: np.ndarray, positive: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the value of `fold_area` for each column of scores and of labels, (k,), without intervals.

    Parameters
    ----------
    scores : (n, k) float
    positive : (n, k) bool
        Each fold with both kinds in every column.
    folds : (n,)

    Examples
    --------
    >>> scores, positive = np.array([[0.1], [0.6], [0.9], [0.5]]), np.array([[False], [True], [False], [True]])
    >>> mean_fold_areas(scores, positive, np.array([0, 0, 1, 1]))
    array([0.5])
    """
    areas = []
    for inside in np.asarray(folds) == np.unique(folds)[:, None]:
        has, n = positive[inside], inside.sum()
        count = has.sum(0)
        ranks = np.where(has, _Ranks(scores[inside]).share.T * n, 0).sum(0)
        areas.append((ranks - count**2 / 2) / (count * (n - count)))
    return np.asarray(np.mean(areas, axis=0))


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y)
    y = y if y.dtype == bool else y.astype(np.float64)
    if x.ndim != 2 or y.shape[:1] != x.shape[:1] or y.ndim != (1 if y.dtype == bool else 2) or len(x) < 4:
        raise ValueError(f"expected two tables of as many rows, four or more; got {x.shape} and {y.shape}")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected no NaN, got {np.isnan(x).sum()} in x and {np.isnan(y).sum()} in y: leave those rows out")
    return x, y
