"""How far stated probabilities are from what happens in each group, and how far groups lie apart in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.fairness import UNTOLD, Spread

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Miscalibration:
    """The calibration error of g groups, and the range of them.

    Parameters
    ----------
    value, low, high : (g,) float
        Each holds the truth at the level together with all others; low is 0 where chance alone could make the error.
    spread
        Of the largest less the smallest.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spread: Spread


def calibration_gaps(p: np.ndarray, same: np.ndarray, code: np.ndarray, weights: np.ndarray, *, g: int) -> np.ndarray:
    """Return `d_gb = sum_{i in g, b} w_i (p_i - y_i)` of each group and bin of p, both answers weighing 1/2 in each group.

    The sum over bins is the mean of p less 1/2 ("calibration in the large"), the sum of sizes the expected calibration error
    where both answers are as frequent.

    Parameters
    ----------
    p : (m,) float in [0, 1]
        Stated probabilities of y = 1.
    same : (m,) bool
        y.
    code : (m,) int
        The group of each, 0 to g - 1.
    weights : (m,) float
        0 or more.
    g
        Groups.

    Returns
    -------
    (g, 15) float64
        NaN of groups that lack an answer. Bins are ((b - 1) / 15, b / 15], as of `expected_calibration_error`.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017, eq. 3.

    Examples
    --------
    >>> gaps = calibration_gaps(np.array([0.9, 0.2]), np.array([True, False]), np.zeros(2, int), np.ones(2), g=1)
    >>> gaps.sum(1).round(3), np.abs(gaps).sum(1).round(3)
    (array([0.05]), array([0.15]))
    """
    kind = code + g * np.asarray(same, int)
    of = np.bincount(kind, weights, 2 * g)
    with np.errstate(invalid="ignore", divide="ignore"):
        each = weights / (2 * of[kind])
    at = np.clip(np.ceil(np.asarray(p, np.float64) * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(code * BINS + at, np.where(weights > 0, each * (p - same), 0), g * BINS).reshape(g, BINS)
    return np.where((of[:g] > 0) & (of[g:] > 0), gaps.T, np.nan).T


def calibrated_gaps(
    p: np.ndarray, same: np.ndarray, code: np.ndarray, n: np.ndarray, *, seed: int, resamples: int
) -> np.ndarray:
    """Return `calibration_gaps` that chance makes where probabilities are right: answers drawn as the probabilities say.

    Of answer y as many as n are drawn, with chance proportional to w p (y = 1) or w (1 - p), w of both answers 1/2.

    Parameters
    ----------
    p, same, code
        As for `calibration_gaps`.
    n : (2, g) int
        Independent answers of 0 and 1 in each group.
    seed
        Of the draws.
    resamples
        How many.

    Returns
    -------
    (r, g, 15) float64
        0 in groups that lack an answer.

    References
    ----------
    Broecker, Smith, Increasing the reliability of reliability diagrams, Weather and Forecasting 22, 2007 (consistency).

    Examples
    --------
    >>> p, same = np.repeat([0.9, 0.1], 10), np.repeat([True, False], 10)
    >>> draws = calibrated_gaps(p, same, np.zeros(20, int), np.full((2, 1), 10), seed=0, resamples=1000)
    >>> float(np.abs(draws).sum(-1).mean().round(2))
    0.07
    """
    draw, found = np.random.default_rng(seed), np.zeros((resamples, n.shape[1], BINS))
    for j in range(n.shape[1]):
        rows = code == j
        if not n[:, j].all() or same[rows].all() or not same[rows].any():
            continue
        x, y = np.asarray(p, np.float64)[rows], same[rows]
        w = np.where(y, 1 / y.sum(), 1 / (~y).sum())
        at = np.clip(np.ceil(x * BINS).astype(int) - 1, 0, BINS - 1)
        for answer, chance in enumerate((w * (1 - x), w * x)):
            mass = np.bincount(at, chance, BINS)
            off = np.bincount(at, chance * (x - answer), BINS) / np.where(mass > 0, mass, 1)
            if mass.any():
                found[:, j] += draw.multinomial(n[answer, j], mass / mass.sum(), resamples) * off / (2 * n[answer, j])
    return found


def miscalibration(gaps: np.ndarray, draws: np.ndarray, chance: np.ndarray, *, level: float) -> Miscalibration:
    """Return `E_g = sum_b |d_gb|` with intervals that allow for its bias: chance alone makes it larger than 0.

    `|E_g - true E_g| <= sum_b |d_gb - true d_gb|`, whose distribution is that of `D_g = sum_b |d*_gb - d_gb|` over resamples.
    The intervals are `E_g -+ q mean D_g`, q the quantile at the level of `max_g D_g / mean D_g`; at least what the same makes
    of the gaps of right probabilities, since no resample has an error that nobody made. They are conservative; so are those
    of the range, which add both groups' reach.

    Parameters
    ----------
    gaps : (g, b) float
        Of `calibration_gaps`.
    draws : (r, g, b) float
        The same on resamples.
    chance : (r, g, b) float
        Of `calibrated_gaps`.
    level
        In (0, 1).

    Returns
    -------
    Miscalibration
        Intervals of NaN where over 5 % of the resamples cannot tell.

    Raises
    ------
    ValueError
        A level outside (0, 1), or no group.

    References
    ----------
    The bias: Roelofs, Cain, Shlens, Mozer, Mitigating bias in calibration error estimation, AISTATS 2022.

    Examples
    --------
    >>> gaps = np.array([[0.1, -0.1], [0.0, 0.0]])
    >>> draws = np.random.default_rng(0).normal(gaps, 0.01, (500, 2, 2))
    >>> found = miscalibration(gaps, draws, np.zeros((500, 2, 2)), level=0.9)
    >>> found.value, found.low.round(2), round(found.spread.low, 2), round(found.spread.high, 2)
    (array([0.2, 0. ]), array([0.17, 0.  ]), 0.14, 0.26)
    """
    check_level(level)
    if not len(gaps):
        raise ValueError("expected the gaps of one group or more, got none")
    value, told = np.abs(gaps).sum(-1), draws[~np.isnan(draws).any((1, 2))]
    reach = np.full(len(gaps), np.nan)
    if len(told) and len(told) >= (1 - UNTOLD) * len(draws):
        reach = np.maximum(*(_reach(np.abs(off).sum(-1), level) for off in (told - gaps, chance)))
    i, j = np.triu_indices(len(gaps), 1)
    apart, both = np.abs(value[i] - value[j]), reach[i] + reach[j]
    low, high = (float(ends.max(initial=0)) for ends in (np.maximum(apart - both, 0), apart + both))
    return Miscalibration(
        value, np.maximum(value - reach, 0), np.minimum(value + reach, 1), Spread(float(np.ptp(value)), low, min(high, 1.0))
    )


def _reach(off: np.ndarray, level: float) -> np.ndarray:
    """Return how far each group's simultaneous interval reaches, (g,), off its distances on resamples, (r, g)."""
    mean = off.mean(0)
    return np.asarray(mean * np.quantile((off / np.where(mean > 0, mean, 1)).max(1), level))
