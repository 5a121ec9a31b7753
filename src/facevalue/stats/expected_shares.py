"""Shares of labels that are known only with some probability: what is expected, and how far off it may be."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level

EXACT = 1e-14


def expected_shares(
    p: np.ndarray, *, level: float, weights: np.ndarray | None = None, person: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `sum_i w_i p_ij / sum_i w_i` of each label, and between which shares the true one lies.

    Given calibrated probabilities the number of a label is a sum of independent trials, of variance `sum_g W_g^2 m_g (1 - m_g)`
    over people g, W_g their share of the weight and m_g their mean p: all photos of a person are of one label. The interval is
    the normal one with half a person for continuity, inside [0, 1]; where all p are 0 or 1 nothing is uncertain. It is
    about these very faces and no sample, and knows nothing of probabilities that are wrong.

    Parameters
    ----------
    p : (n, k) float in [0, 1]
    level
        In (0, 1).
    weights : (n,) float, optional
        0 or more.
    person : (n,), optional
        Whom each face shows; without it all are different.

    Returns
    -------
    value, low, high : (k,) float64

    Raises
    ------
    ValueError
        Other shapes, NaN, or no weight.

    References
    ----------
    Poisson, 1837; the normal approximation: Hong, On computing the distribution function for the Poisson binomial
    distribution, Computational Statistics and Data Analysis 59, 2013, section 2.3.

    Examples
    --------
    >>> value, low, high = expected_shares(np.tile([0.9, 0.1], (50, 1)), level=0.9)
    >>> value.round(2), low.round(3), high.round(3)
    (array([0.9, 0.1]), array([0.82, 0.02]), array([0.98, 0.18]))
    """
    check_level(level)
    p, n = np.asarray(p, np.float64), len(p)
    w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    who = np.arange(n) if person is None else np.unique(person, return_inverse=True)[1]
    if p.ndim != 2 or {len(w), len(who)} != {n} or not np.isfinite(p).all() or not w.sum() > 0:
        raise ValueError(f"expected probabilities (n, k) without NaN, and weights of a sum above 0; got {p.shape}")
    w = w / w.sum()
    people = int(who.max()) + 1
    mass, totals = np.bincount(who, w, people), np.stack([np.bincount(who, w * column, people) for column in p.T], 1)
    value = totals.sum(0)
    variance = (totals * (mass[:, None] - totals)).clip(0).sum(0)
    variance = np.where(variance > EXACT, variance, 0.0)
    wide = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(variance) + np.where(variance > 0, (mass**2).sum() / 2, 0)
    return value, np.clip(value - wide, 0, 1), np.clip(value + wide, 0, 1)
