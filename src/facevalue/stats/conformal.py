"""Conformal prediction: scores, their quantile, sets, and how far counted coverage may fall from the level.

Of faces exchangeable with the calibration faces, sets of a level hold the truth at least that often.
"""

from __future__ import annotations

import math

import numpy as np

from facevalue.stats.calibration import check_level


def scores_needed(level: float) -> int:
    """Return the least number of calibration scores for a level: the smallest n with `ceil((n + 1) level) <= n`.

    Examples
    --------
    >>> scores_needed(0.9), scores_needed(0.99)
    (9, 99)
    """
    check_level(level)
    return math.ceil(level / (1 - level) - 1e-9)


def conformal_quantile(scores: np.ndarray, level: float) -> float:
    """Return the `ceil((n + 1) level)`-th smallest score: a new exchangeable score is at most this with P >= level.

    Parameters
    ----------
    scores : (n,) float
    level
        In (0, 1).

    Raises
    ------
    ValueError
        When there are fewer scores than the level needs, or one is NaN.

    References
    ----------
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005; Lei, G'Sell, Rinaldo, Tibshirani, Wasserman,
    Distribution-Free Predictive Inference for Regression, JASA 113, 2018, Theorem 2.2.

    Examples
    --------
    >>> conformal_quantile(np.arange(1, 20), 0.9)
    18.0
    """
    n, needed = len(scores), scores_needed(level)
    if n < needed:
        raise ValueError(f"expected at least {needed} scores for level {level}, got {n}: ask for a lower level")
    if np.isnan(scores).any():
        raise ValueError(f"expected {n} scores without NaN, got {np.isnan(scores).sum()} NaN")
    return float(np.sort(scores)[math.ceil((n + 1) * level - 1e-9) - 1])


def hierarchical_quantile(scores: np.ndarray, groups: np.ndarray, level: float) -> float:
    """Return the smallest v with `sum_k sum_i 1{s_ki <= v} / ((K + 1) n_k) >= level`: each of K people weighs the same.

    One score of a new person, exchangeable with the K people, is at most this with P >= level. Pooling all scores as if
    each were a person does not promise that.

    Parameters
    ----------
    scores : (n,) float
    groups : (n,)
        The person of each; a person k has n_k scores.
    level
        In (0, 1).

    Raises
    ------
    ValueError
        When there are fewer people than the level needs, a score is NaN, or the lengths differ.

    References
    ----------
    Lee, Barber, Willett, Distribution-free inference with hierarchical data, arXiv 2306.06342; Dunn, Wasserman, Ramdas,
    Distribution-free prediction sets for two-layer hierarchical models, arXiv 1809.07441.

    Examples
    --------
    Nine people, of whom the first has a thousand scores:

    >>> groups = np.concatenate([np.zeros(1000), np.arange(1, 9)])
    >>> scores = np.concatenate([np.zeros(1000), np.arange(1.0, 9.0)])
    >>> hierarchical_quantile(scores, groups, 0.9), conformal_quantile(scores, 0.9)
    (8.0, 0.0)
    """
    scores, weights = np.asarray(scores, np.float64), _group_weights(scores, groups)
    people, needed = round(weights.sum()), scores_needed(level)
    if people < needed:
        raise ValueError(f"expected scores of at least {needed} people for level {level}, got {people}: ask for a lower level")
    order = np.argsort(scores)
    mass = np.cumsum(weights[order]) / (people + 1)
    return float(scores[order][np.searchsorted(mass, level - 1e-9)])


def conformal_p_values(calibration: np.ndarray, scores: np.ndarray, *, groups: np.ndarray | None = None) -> np.ndarray:
    """Return `(1 + #{calibration >= score}) / (n + 1)`, or with groups `(1 + sum_k #{c_ki >= score} / n_k) / (K + 1)`.

    Of a face exchangeable with the calibration faces (with groups: a face of a new person), P(p <= a) <= a.

    Parameters
    ----------
    calibration : (n,) float
        The higher, the stranger.
    scores : (m,) float
        NaN gives NaN.
    groups : (n,), optional
        The person of each calibration score; each person weighs the same.

    Returns
    -------
    (m,) float in (0, 1]

    Raises
    ------
    ValueError
        When a calibration score is NaN, there is none, or the lengths differ.

    References
    ----------
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005, section 2.2; groups: Lee, Barber, Willett,
    arXiv 2306.06342.

    Examples
    --------
    >>> conformal_p_values(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0]))
    array([1.  , 0.75, 0.25])
    >>> conformal_p_values(np.array([1.0, 2.0, 3.0]), np.array([3.0]), groups=np.array([0, 0, 1]))
    array([0.66666667])
    """
    calibration, scores = np.asarray(calibration, np.float64), np.asarray(scores, np.float64)
    weights = _group_weights(calibration, np.arange(len(calibration)) if groups is None else groups)
    order = np.argsort(calibration)
    above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    p = (1 + above[np.searchsorted(calibration[order], scores)]) / (round(weights.sum()) + 1)
    return np.where(np.isnan(scores), np.nan, p)


def _group_weights(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return 1 / n_k for each score, (n,); raise ValueError where there is no score, a NaN, or another length."""
    if len(scores) != len(groups) or not len(scores) or np.isnan(scores).any():
        found = f"{len(scores)} scores with {np.isnan(scores).sum()} NaN and {len(groups)} groups"
        raise ValueError(f"expected scores without NaN and a group for each, got {found}")
    _, at, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[at])


def adaptive_scores(p: np.ndarray) -> np.ndarray:
    """Return for each label `sum of p_j over p_j > p_y, plus p_y / 2`: low for the labels that are believed.

    The randomised share of the label's own mass is replaced by its mean: any fixed score is valid.

    Parameters
    ----------
    p : (n, k) float
        Probabilities.

    Returns
    -------
    (n, k) float64 in [0, 1]; the most probable label has the smallest

    References
    ----------
    Romano, Sesia, Candes, Classification with Valid and Adaptive Coverage, NeurIPS 2020: the score E with u = 1/2.

    Examples
    --------
    >>> adaptive_scores(np.array([[0.2, 0.7, 0.1]]))
    array([[0.8 , 0.35, 0.95]])
    """
    p = np.asarray(p, np.float64)
    above = p[:, None, :] > p[:, :, None]
    return np.asarray((above * p[:, None, :]).sum(2) + p / 2)


def prediction_sets(scores: np.ndarray, thresholds: np.ndarray, *, top: bool = False) -> np.ndarray:
    """Return which labels are in each face's set: those whose score is at most their threshold.

    Parameters
    ----------
    scores : (n, k) float
        One a label, as from `adaptive_scores`.
    thresholds : (k,) or (n, k) float
        From `conformal_quantile`: one a label (class-conditional), or also one a face (Mondrian).
    top
        Also include the label of the smallest score, so that no set is empty.

    Returns
    -------
    (n, k) bool

    Examples
    --------
    >>> prediction_sets(np.array([[0.8, 0.35], [0.45, 0.95]]), np.array([0.9, 0.3]), top=True)
    array([[ True,  True],
           [ True, False]])
    """
    sets = np.asarray(scores <= thresholds)
    if top:
        sets[np.arange(len(sets)), np.argmin(scores, axis=1)] = True
    return sets


def coverage_range(n_calibration: int, n_test: int, level: float, *, confidence: float = 0.99) -> tuple[float, float]:
    """Return the range in which a conformal set's counted coverage falls with probability `confidence`.

    Of m test faces, BetaBinomial(m, k, n + 1 - k) are covered, `k = ceil((n + 1) level)`, when scores have no ties.

    Parameters
    ----------
    n_calibration, n_test
        n and m.
    level
        Nominal coverage, in (0, 1).
    confidence
        In (0, 1); half of the rest lies on each side.

    References
    ----------
    Marques F., Universal distribution of the empirical coverage in split conformal prediction, arXiv 2303.02770.

    Examples
    --------
    >>> [round(share, 3) for share in coverage_range(300, 300, 0.9)]
    [0.83, 0.957]
    """
    check_level(confidence)
    if n_calibration < scores_needed(level) or n_test < 1:
        raise ValueError(f"expected {scores_needed(level)} calibration and 1 test faces, got {n_calibration} and {n_test}")
    a = math.ceil((n_calibration + 1) * level - 1e-9)
    b, x = n_calibration + 1 - a, np.arange(n_test)
    ratios = np.log(n_test - x) + np.log(x + a) - np.log(x + 1) - np.log(n_test - x - 1 + b)
    log_mass = np.concatenate([[0.0], np.cumsum(ratios)])
    mass = np.exp(log_mass - log_mass.max())
    low, high = np.searchsorted(np.cumsum(mass) / mass.sum(), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low / n_test), float(high / n_test)
