"""The ROC of similarity scores: both error rates at every threshold, and what follows from the curve alone.

Everywhere a higher score is more alike, a score equal to the threshold is a match, and weights are those of pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """Both error rates at every threshold that matters.

    Parameters
    ----------
    threshold : (u + 1,) float
        The distinct scores, rising, then inf.
    fmr, fnmr : (u + 1,) float
        False match rate, falling from 1 to 0, and false non-match rate, rising from 0 to 1.
    """

    threshold: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray

    def first_at_most(self, fmr: float) -> int:
        """Return the place of the smallest threshold whose false match rate is at most the given one."""
        return len(self.fmr) - int(np.searchsorted(self.fmr[::-1], fmr, side="right"))

    def area(self) -> float:
        """Return the area under the curve, ties counting half: the trapezia between its points."""
        return float(((self.fmr[:-1] - self.fmr[1:]) * (2 - self.fnmr[:-1] - self.fnmr[1:])).sum() / 2)

    def equal_error_rate(self) -> float:
        """Return the rate at which the convex hull of the points has both errors equal; NaN of a curve of NaN."""
        return _diagonal_of_hull(self.fmr, self.fnmr)


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """Scores of pairs, sorted once, so that a bootstrap that gives pairs new weights need not sort again.

    Weights, (n,) of 0 or more, are in the order in which `sort_pairs` had the pairs; None is 1 each. Where all pairs of a
    kind weigh 0, the answer is NaN.

    Parameters
    ----------
    score : (u,) float
        The distinct scores, rising.
    cell : (n,) int
        The place of each pair's score among them, plus u where the pair is of one person.
    """

    score: np.ndarray
    cell: np.ndarray

    def masses(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the weight of different (row 0) and same (row 1) pairs at each distinct score, (2, u)."""
        return np.bincount(self.cell, weights, 2 * len(self.score)).astype(np.float64).reshape(2, -1)

    def rates(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the false match (row 0) and false non-match rates (row 1), (2, u + 1), as in `Roc`."""
        below = np.zeros((2, len(self.score) + 1))
        np.cumsum(self.masses(weights), axis=1, out=below[:, 1:])
        total = below[:, -1:].copy()
        below[0] = total[0] - below[0]
        with np.errstate(invalid="ignore"):
            return np.asarray(below / total)

    def roc(self, weights: np.ndarray | None = None) -> Roc:
        """Return both error rates at every threshold."""
        return Roc(np.append(self.score, np.inf), *self.rates(weights))

    def area_under_curve(self, weights: np.ndarray | None = None) -> float:
        """Return the probability that a same pair outscores a different one, as `area_under_curve` does."""
        return self.roc(weights).area()

    def equal_error_rate(self, weights: np.ndarray | None = None) -> float:
        """Return the error rate where both are equal, as `equal_error_rate` does."""
        return self.roc(weights).equal_error_rate()

    def true_match_rate(self, fmr: float, weights: np.ndarray | None = None) -> float:
        """Return the share of same pairs at or above the smallest threshold of at most this false match rate."""
        curve = self.roc(weights)
        return float(1 - curve.fnmr[curve.first_at_most(fmr)])

    def balanced_threshold(self, weights: np.ndarray | None = None) -> float:
        """Return the threshold of the highest balanced accuracy, as `balanced_threshold` does."""
        errors = self.rates(weights).sum(0)
        if np.isnan(errors).any():
            return math.nan
        best = np.flatnonzero(errors <= errors.min() + 1e-12)
        breaks = np.flatnonzero(np.diff(best) > 1)
        first, last = best[np.append(0, breaks + 1)], best[np.append(breaks, len(best) - 1)]
        low = self.score[np.maximum(first - 1, 0)]
        high = np.append(self.score, np.nextafter(self.score[-1], np.inf))[last]
        widest = int(np.argmax(high - low))
        middle = float(low[widest] + high[widest]) / 2
        return middle if low[widest] < middle <= high[widest] else float(high[widest])


def sort_pairs(scores: np.ndarray, same: np.ndarray) -> Sorted:
    """Return the scores of pairs sorted, ready to be judged under any weights.

    Parameters
    ----------
    scores : (n,) float
        Higher is more alike.
    same : (n,) bool
        Whether both faces are one person's.

    Raises
    ------
    ValueError
        When a score is NaN, or either kind of pair is missing.

    Examples
    --------
    >>> pairs = sort_pairs(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
    >>> pairs.area_under_curve()
    0.875
    >>> pairs.area_under_curve(np.array([1.0, 0.0, 1.0, 1.0]))
    1.0
    """
    scores, same = np.asarray(scores, np.float64), np.asarray(same)
    if scores.ndim != 1 or same.dtype != bool or same.shape != scores.shape:
        raise ValueError(f"expected scores (n,) and bool same (n,); got {scores.shape} and {same.dtype} {same.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"expected {len(scores)} scores without NaN, got {np.isnan(scores).sum()} NaN: leave those pairs out")
    if same.all() or not same.any():
        raise ValueError(f"expected pairs of both kinds, got {same.sum()} same and {(~same).sum()} different")
    distinct, at = np.unique(scores, return_inverse=True)
    return Sorted(distinct, at + len(distinct) * same)


def sort_kinds(
    genuine: np.ndarray,
    impostor: np.ndarray,
    genuine_weights: np.ndarray | None = None,
    impostor_weights: np.ndarray | None = None,
) -> tuple[Sorted, np.ndarray]:
    """Return the pairs of both kinds sorted, genuine first, and their weights, (g + i,); arguments as for `roc`."""
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    pairs = sort_pairs(np.concatenate([genuine, impostor]), same)
    weights = np.ones(len(same))
    for kind, given in ((same, genuine_weights), (~same, impostor_weights)):
        if given is None:
            continue
        if np.shape(given) != (kind.sum(),) or not (np.asarray(given) >= 0).all():
            raise ValueError(f"expected {kind.sum()} weights of 0 or more, one a score; got {np.shape(given)}, or one below 0")
        weights[kind] = given
    return pairs, weights


def _diagonal_of_hull(x: np.ndarray, y: np.ndarray) -> float:
    """Return where the lower convex hull of points, x falling as y rises, crosses x = y.

    From the chord between both ends, step to the point furthest below it, until there is none.
    """
    if np.isnan(x[0]) or np.isnan(y[0]):
        return math.nan
    a, b = 0, len(x) - 1
    while True:
        depth = (y[b] - y[a]) * x[a : b + 1] + (x[a] - x[b]) * y[a : b + 1]
        c = int(np.argmin(depth))
        if depth[c] >= depth[0] - 1e-14:
            above, below = x[a] - y[a], y[b] - x[b]
            return float(x[a] + (x[b] - x[a]) * above / (above + below))
        a, b = (a + c, b) if x[a + c] >= y[a + c] else (a, a + c)


def roc(genuine: np.ndarray, impostor: np.ndarray) -> Roc:
    """Return `FMR(t) = share of impostor >= t` and `FNMR(t) = share of genuine < t` at every threshold that matters.

    Parameters
    ----------
    genuine, impostor : (g,), (i,) float
        Scores of pairs of one person and of two; higher is more alike.

    Raises
    ------
    ValueError
        When a score is NaN, or either kind is missing.

    References
    ----------
    ISO/IEC 19795-1:2021, Biometric performance testing and reporting: false match and false non-match rates.

    Examples
    --------
    >>> curve = roc(np.array([0.9, 0.4]), np.array([0.4, 0.1]))
    >>> curve.threshold, curve.fmr, curve.fnmr
    (array([0.1, 0.4, 0.9, inf]), array([1. , 0.5, 0. , 0. ]), array([0. , 0. , 0.5, 1. ]))
    """
    return sort_kinds(genuine, impostor)[0].roc()


def area_under_curve(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return `P(genuine > impostor) + P(genuine = impostor) / 2`.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.

    Returns
    -------
    In [0, 1]; 0.5 for scores that know nothing

    Raises
    ------
    ValueError
        As `roc` does.

    References
    ----------
    Mann, Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals of
    Mathematical Statistics 18, 1947.

    Examples
    --------
    >>> area_under_curve(np.array([0.9, 0.4]), np.array([0.4, 0.1]))
    0.875
    """
    return sort_kinds(genuine, impostor)[0].area_under_curve()


def equal_error_rate(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return the rate at which the convex hull of the points (FMR, FNMR) has both equal.

    It is also the highest, over priors, of the least error that any threshold has.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.

    Returns
    -------
    In [0, 0.5]

    Raises
    ------
    ValueError
        As `roc` does.

    References
    ----------
    Brummer, de Villiers, The BOSARIS Toolkit: Theory, Algorithms and Code for Surviving the New DCF, arXiv 1304.2865.

    Examples
    --------
    >>> round(equal_error_rate(np.array([0.9, 0.4]), np.array([0.4, 0.1])), 3)  # on the chord from (0.5, 0) to (0, 0.5)
    0.25
    """
    return sort_kinds(genuine, impostor)[0].equal_error_rate()


def balanced_threshold(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return the threshold of the highest `balanced_accuracy`, midway between neighbouring scores.

    Of several that are best, the middle of the widest run.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.

    Raises
    ------
    ValueError
        As `roc` does.

    Examples
    --------
    >>> balanced_threshold(np.array([0.75, 0.5]), np.array([0.25, 0.0]))
    0.375
    """
    return sort_kinds(genuine, impostor)[0].balanced_threshold()
