"""Discarding by quality: how errors fall as the least trusted are left out, and the correlation of ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Discard:
    """The error of the pairs that are left, as a step curve over the share discarded.

    Parameters
    ----------
    share : (s,) float
        Discarded, rising from 0 to 1; each error holds until the next share.
    error : (s,) float
        Of the pairs that are left; 0 where none is.
    """

    share: np.ndarray
    error: np.ndarray

    def at(self, share: float) -> float:
        """Return the error once at most this share, in [0, 1], is discarded."""
        return float(self.error[np.searchsorted(self.share, _checked(share), side="right") - 1])

    def area(self, most: float = 0.2) -> float:
        """Return the area under the curve from 0 to a share of at most `most`, in [0, 1]."""
        widths = np.diff(np.minimum(self.share, _checked(most)))
        return float(widths @ self.error[:-1])

    def excess(self, most: float = 0.2) -> float:
        """Return the area above that of the best quality, under which the error e falls by 1 a share: `e^2 / 2` in all."""
        reached = min(float(self.error[0]), most)
        return self.area(most) - reached * (float(self.error[0]) - reached / 2)


def _checked(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share in [0, 1], got {share}: 0.2 is 20 %")
    return share


def error_versus_discard(
    scores: np.ndarray,
    quality_a: np.ndarray,
    quality_b: np.ndarray,
    *,
    threshold: float,
    weights: np.ndarray | None = None,
) -> Discard:
    """Return the share of pairs of one person with `score < threshold` among those left, the worst quality leaving first.

    A pair's quality is the smaller of its faces'; pairs of equal quality leave together.

    Parameters
    ----------
    scores : (n,) float
        Of pairs of one person; higher is more alike.
    quality_a, quality_b : (n,) float
        Of both faces; higher is better.
    threshold
        A score equal to it is a match.
    weights : (n,) float, optional
        Of the pairs, 0 or more.

    Raises
    ------
    ValueError
        When there are no pairs, lengths differ, or a number is NaN.

    References
    ----------
    Grother, Tabassi, Performance of biometric quality measures, IEEE PAMI 29, 2007; Schlett, Rathgeb, Tapia, Busch,
    Considerations on the evaluation of biometric quality assessment algorithms, arXiv 2303.13294.

    Examples
    --------
    >>> scores, good = np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 9.0)
    >>> found = error_versus_discard(scores, np.array([1.0, 3.0, 3.0, 4.0]), good, threshold=0.5)
    >>> found.share, found.error.round(3)
    (array([0.  , 0.25, 0.75, 1.  ]), array([0.5  , 0.333, 0.   , 0.   ]))
    >>> round(found.at(0.5), 3), round(found.area(0.5), 4)
    (0.333, 0.2083)
    """
    scores, quality = _paired(scores, np.minimum(quality_a, quality_b))
    weight = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    levels, at = np.unique(quality, return_inverse=True)
    mass = np.bincount(at, weight, len(levels))
    wrong = np.bincount(at, weight * (scores < threshold), len(levels))
    left, errors = (np.append(np.cumsum(each[::-1])[::-1], 0.0) for each in (mass, wrong))
    with np.errstate(invalid="ignore"):
        error = np.where(left > 0, errors / left, 0.0 if left[0] > 0 else np.nan)
        return Discard((left[0] - left) / left[0], error)


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays in float64; raise ValueError unless they are of one length, 1 or more, and without NaN."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"expected two arrays (n,) of 1 or more; got {a.shape} and {b.shape}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(f"expected {len(a)} rows without NaN, got NaN in {(np.isnan(a) | np.isnan(b)).sum()}: leave those out")
    return a, b


def area_under_risk_coverage(risk: np.ndarray, confidence: np.ndarray) -> float:
    """Return the mean over k = 1..n of the mean risk of the k most confident; of equal confidence, in random order.

    Parameters
    ----------
    risk : (n,) float
        The loss of each answer: 1 and 0 for wrong and right, or any number.
    confidence : (n,) float
        Higher is surer.

    Returns
    -------
    The mean risk, for a confidence that knows nothing; lower is better

    Raises
    ------
    ValueError
        When there are no rows, lengths differ, or a number is NaN.

    References
    ----------
    Geifman, Uziel, El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR 2019, section 2.

    Examples
    --------
    >>> round(area_under_risk_coverage(np.array([0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1])), 4)  # (0 + 1/2 + 1/3) / 3
    0.2778
    """
    risk, confidence = _paired(risk, confidence)
    _, at, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    expected = np.repeat(np.bincount(at, risk) / counts, counts)
    return float((np.cumsum(expected) / np.arange(1, len(risk) + 1)).mean())


def excess_area_under_risk_coverage(risk: np.ndarray, confidence: np.ndarray) -> float:
    """Return `area_under_risk_coverage` less that of the best confidence, which falls as the risk rises.

    Parameters
    ----------
    risk, confidence
        As for `area_under_risk_coverage`.

    Returns
    -------
    0 or more; 0 for the best

    Raises
    ------
    ValueError
        As `area_under_risk_coverage` does.

    References
    ----------
    Geifman, Uziel, El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR 2019, section 5: E-AURC.

    Examples
    --------
    >>> round(excess_area_under_risk_coverage(np.array([0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1])), 4)  # less 1/3 / 3
    0.1667
    """
    return area_under_risk_coverage(risk, confidence) - area_under_risk_coverage(risk, -np.asarray(risk, np.float64))


def spearman(x: np.ndarray, y: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """Return the correlation of the ranks of x and y; equal numbers share their average rank.

    Parameters
    ----------
    x, y : (n,) float
    weights : (n,) float, optional
        0 or more; a whole number is as many copies of the row.

    Returns
    -------
    In [-1, 1]; NaN where x or y is constant

    Raises
    ------
    ValueError
        When there are no rows, lengths differ, or a number is NaN.

    References
    ----------
    Spearman, The proof and measurement of association between two things, American Journal of Psychology 15, 1904.

    Examples
    --------
    >>> round(spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 20.0, 5.0])), 3)
    -0.316
    """
    x, y = _paired(x, y)
    weight = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    a, b = (_centred_ranks(each, weight) for each in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((weight * a) @ b / np.sqrt(((weight * a) @ a) * ((weight * b) @ b)))


def _centred_ranks(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted average ranks, less their mean: half of what lies below less what lies above."""
    _, at = np.unique(x, return_inverse=True)
    mass = np.bincount(at, weight)
    below = np.cumsum(mass) - mass
    return np.asarray((below + mass / 2 - mass.sum() / 2)[at])
