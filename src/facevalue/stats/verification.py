"""Verification: are two faces one person's? Operating points, bounds of errors, accuracies.

Everywhere a higher score is more alike, and a score equal to the threshold is a match.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.roc import Roc, Sorted, area_under_curve, balanced_threshold, equal_error_rate, roc, sort_pairs

__all__ = [
    "FoldAccuracy",
    "OperatingPoint",
    "Roc",
    "Sorted",
    "area_under_curve",
    "balanced_accuracy",
    "balanced_threshold",
    "d_prime",
    "equal_error_rate",
    "error_bound",
    "fold_accuracy",
    "roc",
    "sort_pairs",
    "true_match_rate_at",
]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a system does at the false match rate that was asked for.

    Parameters
    ----------
    threshold
        The smallest of at most that rate; a score equal to it is a match.
    asked, measured
        The false match rate asked for, and that at the threshold.
    true_match_rate
        Share of genuine pairs at or above the threshold.
    needed
        Independent impostor comparisons needed: 30 expected errors.
    sufficient
        Whether there are as many; if not, threshold, measured and true_match_rate are NaN.
    """

    threshold: float
    asked: float
    measured: float
    true_match_rate: float
    needed: int
    sufficient: bool


def true_match_rate_at(
    genuine: np.ndarray,
    impostor: np.ndarray,
    *,
    fmr: float,
    independent: int | None = None,
) -> OperatingPoint:
    """Return the true match rate at the smallest threshold t with `FMR(t) <= fmr`, where 30 errors can be expected.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.
    fmr
        In (0, 1).
    independent
        How many of the impostor comparisons are independent; None for all. Pairs that share people are not: of p people
        who each stand in many pairs, p / 2 is a safe number.

    Raises
    ------
    ValueError
        As `roc` does, and for a rate outside (0, 1).

    References
    ----------
    Doddington, Przybocki, Martin, Reynolds, The NIST speaker recognition evaluation, Speech Communication 31, 2000: the
    rule of 30.

    Examples
    --------
    >>> impostor = np.arange(300) / 1000
    >>> point = true_match_rate_at(np.array([0.2, 0.296, 0.5]), impostor, fmr=0.1)
    >>> point.threshold, point.measured, round(point.true_match_rate, 3)
    (0.27, 0.1, 0.667)
    >>> point = true_match_rate_at(np.array([0.2, 0.296, 0.5]), impostor, fmr=0.001)
    >>> point.true_match_rate, point.needed, point.sufficient
    (nan, 30000, False)
    """
    if not 0 < fmr < 1:
        raise ValueError(f"expected a false match rate in (0, 1), got {fmr}: 0.001 is 1 in 1,000")
    needed = math.ceil(30 / fmr * (1 - 1e-12))
    curve = roc(genuine, impostor)
    if (len(impostor) if independent is None else independent) < needed:
        return OperatingPoint(math.nan, fmr, math.nan, math.nan, needed, sufficient=False)
    at = curve.first_at_most(fmr)
    found = (float(curve.threshold[at]), fmr, float(curve.fmr[at]), float(1 - curve.fnmr[at]))
    return OperatingPoint(*found, needed, sufficient=True)


def error_bound(errors: int, n: int, level: float) -> float:
    """Return the upper bound p of an error rate: `P(at most so many errors in n | p) = 1 - level`.

    With no errors it is `1 - (1 - level)^(1 / n)`, about 3 / n at 0.95.

    Parameters
    ----------
    errors, n
        Errors in n independent comparisons.
    level
        One-sided coverage, in (0, 1).

    Returns
    -------
    In (0, 1]

    Raises
    ------
    ValueError
        When there are not 0 to n errors.

    References
    ----------
    Clopper, Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26,
    1934: exact.

    Examples
    --------
    >>> round(error_bound(0, 1000, 0.95), 6), round(error_bound(1, 10, 0.95), 3)
    (0.002991, 0.394)
    """
    check_level(level)
    if not 0 <= errors <= n:
        raise ValueError(f"expected 0 to n errors in n comparisons, got {errors} in {n}")
    if errors == 0 or errors == n:
        return 1.0 if errors == n else 1 - (1 - level) ** (1 / n)
    k = np.arange(errors + 1)
    log_ways = np.append(0.0, np.cumsum(np.log(n - k[:-1]) - np.log(k[1:])))
    low, high = errors / n, 1.0
    while high - low > 1e-12 * high:
        p = (low + high) / 2
        mass = np.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p)).sum()
        low, high = (p, high) if mass > 1 - level else (low, p)
    return high


def balanced_accuracy(
    genuine: np.ndarray,
    impostor: np.ndarray,
    threshold: float,
) -> float:
    """Return the mean of the share of genuine scores >= threshold and the share of impostor scores below it.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.
    threshold
        A score equal to it is a match.

    Returns
    -------
    In [0, 1]; 0.5 for a threshold that tells nothing

    Raises
    ------
    ValueError
        As `roc` does, and for a threshold of NaN.

    Examples
    --------
    >>> balanced_accuracy(np.array([0.75, 0.5]), np.array([0.5, 0.25, 0.0, 0.1]), 0.5)
    0.875
    """
    if math.isnan(threshold):
        raise ValueError("expected a threshold, got NaN: take one from balanced_threshold or true_match_rate_at")
    curve = roc(genuine, impostor)
    at = int(np.searchsorted(curve.threshold, threshold))
    return float(1 - (curve.fmr[at] + curve.fnmr[at]) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class FoldAccuracy:
    """Accuracy by cross-validation over folds of people.

    Parameters
    ----------
    mean, standard_error
        Of the folds' accuracies; the error is their standard deviation (over k - 1) / sqrt(k).
    accuracy, threshold : (k,) float
        Of each fold, in rising order of the folds.
    """

    mean: float
    standard_error: float
    accuracy: np.ndarray
    threshold: np.ndarray


def fold_accuracy(
    scores: np.ndarray,
    same: np.ndarray,
    fold_a: np.ndarray,
    fold_b: np.ndarray,
) -> FoldAccuracy:
    """Return the balanced accuracy on each fold at the threshold that is best for people of the other folds.

    A pair is judged in a fold when both its people are of it; the threshold comes from pairs with neither of it. Where a
    fold has as many same as different pairs, as in LFW View 2, this is the share of right answers.

    Parameters
    ----------
    scores : (n,) float
        Higher is more alike.
    same : (n,) bool
        Whether both faces are one person's.
    fold_a, fold_b : (n,)
        The folds of a pair's two people.

    Raises
    ------
    ValueError
        When there are fewer than two folds, or either kind of pair is missing inside or outside a fold.

    References
    ----------
    Huang, Ramesh, Berg, Learned-Miller, Labeled Faces in the Wild, Technical Report 07-49, University of Massachusetts,
    2007: View 2, whose folds share no people.

    Examples
    --------
    >>> scores, same = np.array([0.9, 0.1, 0.8, 0.6, 0.7, 0.2]), np.array([True, False] * 3)
    >>> folds = np.array([0, 0, 1, 1, 2, 2])
    >>> found = fold_accuracy(scores, same, folds, folds)
    >>> found.accuracy, round(found.mean, 3), round(found.standard_error, 3)
    (array([1. , 0.5, 1. ]), 0.833, 0.167)
    """
    folds = np.unique(np.concatenate([fold_a, fold_b]))
    if len(folds) < 2:
        raise ValueError(f"expected two folds of people or more, got {len(folds)}")
    table = np.array([_judge_fold(fold, scores, same, (fold_a, fold_b)) for fold in folds])
    accuracy, threshold = table.T
    error = accuracy.std(ddof=1) / math.sqrt(len(folds))
    return FoldAccuracy(float(accuracy.mean()), float(error), accuracy, threshold)


def _judge_fold(
    fold: object, scores: np.ndarray, same: np.ndarray, folds: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Return the accuracy on one fold and its threshold."""
    in_a, in_b = (np.asarray(each == fold) for each in folds)
    parts = [(kind & same, kind & ~same) for kind in (in_a & in_b, ~in_a & ~in_b)]
    counts = [int(part.sum()) for kinds in parts for part in kinds]
    if 0 in counts:
        raise ValueError(
            f"expected same and different pairs in and outside fold {fold}; got {counts[0]} and {counts[1]} in it, "
            f"{counts[2]} and {counts[3]} without its people: take fewer folds"
        )
    inside, outside = ((scores[g], scores[i]) for g, i in parts)
    threshold = balanced_threshold(*outside)
    return balanced_accuracy(*inside, threshold), threshold


def d_prime(
    genuine: np.ndarray,
    impostor: np.ndarray,
) -> float:
    """Return `|m_g - m_i| / sqrt((s_g^2 + s_i^2) / 2)`, of the means and the variances (over n) of both kinds.

    Parameters
    ----------
    genuine, impostor
        As for `roc`.

    Returns
    -------
    0 or more; inf where neither kind varies but their means differ

    Raises
    ------
    ValueError
        As `roc` does.

    References
    ----------
    Daugman, Biometric decision landscapes, Technical Report 482, University of Cambridge, 2000.

    Examples
    --------
    >>> d_prime(np.array([4.0, 6.0]), np.array([0.0, 2.0]))
    4.0
    """
    for scores in (genuine, impostor):
        if not len(scores) or np.isnan(scores).any():
            raise ValueError(f"expected scores without NaN, got {len(scores)} with {np.isnan(scores).sum()} NaN")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(abs(np.mean(genuine) - np.mean(impostor)) / np.sqrt((np.var(genuine) + np.var(impostor)) / 2))
