"""The maximum of a logistic likelihood with a constant for each group, by Newton's method; and what separation is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.predictors import Unusable, group_sums

STEPS = 40
CLOSE = 1e-10
INFORMATIVE = 1e-6
FAR = 0.5


class Separated(Unusable):
    """Predictors tell outcomes of 0 and 1 apart without error, so that a coefficient is infinite."""


@dataclass(frozen=True, slots=True, eq=False)
class Logit:
    """Slopes b of p predictors and constants a of g groups: `log odds = a_group + z b`.

    Parameters
    ----------
    slopes : (p,) float64
    constants : (g,) float64
    probability : (m,) float64
        Of an outcome of 1.
    deviance
        `-2 log L`.
    mean : (g, p), total : (g,) float64
        Of z in each group, weighted by v = w p (1 - p); and the sum of v.
    information : (p, p) float64
        Of the slopes, constants estimated too: `sum v (z - mean)(z - mean)'`.
    """

    slopes: np.ndarray
    constants: np.ndarray
    probability: np.ndarray
    deviance: float
    mean: np.ndarray
    total: np.ndarray
    information: np.ndarray


def maximise(
    z: np.ndarray, outcome: np.ndarray, weights: np.ndarray, group: np.ndarray, *, names: Sequence[str], steps: int = STEPS
) -> Logit:
    """Return the logistic fit of the largest likelihood, with a constant for each group.

    Newton's steps from slopes of 0, halved where the likelihood falls, until a step promises less than 1e-10; constants are
    taken out of each step by the Schur complement. Where a step promises less than 1e-6 and yet moves some log odds by more
    than 1/2, the data tell nothing about that move: outcomes are separated, and there is no largest likelihood.

    Parameters
    ----------
    z : (m, p) float64
        Of a spread near 1 each.
    outcome : (m,) float64
        0 or 1, both in each group.
    weights : (m,) float64
        Above 0; a whole number is as many copies.
    group : (m,) int
        From 0.
    names
        Of the predictors, for the error.
    steps
        At most so many.

    Raises
    ------
    Separated
        When predictors tell the outcomes apart without error.
    ValueError
        When the search did not end.

    References
    ----------
    Albert, Anderson, On the existence of maximum likelihood estimates in logistic regression models, Biometrika 71, 1984;
    Hosmer, Lemeshow, Applied logistic regression, 2000, section 1.2.

    Examples
    --------
    >>> z, outcome = np.array([[0.0], [0], [0], [1], [1], [1]]), np.array([0.0, 0, 1, 0, 1, 1])
    >>> fit = maximise(z, outcome, np.ones(6), np.zeros(6, int), names=["x"])
    >>> fit.constants.round(4), fit.slopes.round(4)  # odds of 1/2 and of 2
    (array([-0.6931]), array([1.3863]))
    """
    dyads = _Dyads(z, outcome, weights, group)
    ones, sizes = (group_sums(part, group, int(group.max()) + 1) for part in (weights * outcome, weights))
    here = _at(dyads, np.zeros(z.shape[1]), np.log(ones / (sizes - ones)))
    for _ in range(steps):
        residual = weights * (outcome - here.probability)
        left = group_sums(residual, group, len(sizes))
        score = residual @ z - left @ here.mean
        slopes = np.linalg.solve(here.information, score)
        constants = left / here.total - here.mean @ slopes
        promised, move = score @ slopes + left @ (left / here.total), np.abs(z @ slopes + constants[group]).max()
        if promised < INFORMATIVE and move > FAR:
            raise _separating(slopes, names)
        here = _better(dyads, here, slopes, constants)
        if promised < CLOSE:
            return here
    raise ValueError(f"the logistic fit did not end in {steps} steps: look for dyads whose predictors lie far from all others")


@dataclass(frozen=True, slots=True, eq=False)
class _Dyads:
    z: np.ndarray
    outcome: np.ndarray
    weights: np.ndarray
    group: np.ndarray


def _separating(slopes: np.ndarray, names: Sequence[str]) -> Separated:
    """Return the error of a direction in which the likelihood rises for ever."""
    apart = [names[int(k)] for k in np.flatnonzero(np.abs(slopes) > 1e-3 * np.abs(slopes).max())]
    who, verb, they = " and ".join(map(repr, apart)), "together separate", "they tell"
    if len(apart) == 1:
        verb, they = "separates", "it tells"
    message = f"{who} {verb} outcomes of 0 and 1 without error, so the coefficient is infinite: leave it out"
    return Separated(message, tuple(apart), f"{they} outcomes apart without error")


def _at(dyads: _Dyads, slopes: np.ndarray, constants: np.ndarray) -> Logit:
    """Return likelihood and information at given coefficients."""
    odds, groups = dyads.z @ slopes + constants[dyads.group], len(constants)
    small = np.exp(-np.abs(odds))
    probability = np.where(odds >= 0, 1, small) / (1 + small)
    deviance = 2 * float(dyads.weights @ np.logaddexp(0, np.where(dyads.outcome > 0, -odds, odds)))
    v = dyads.weights * small / (1 + small) ** 2
    total = np.maximum(group_sums(v, dyads.group, groups), np.finfo(float).tiny)
    held = dyads.z * v[:, None]
    mean = group_sums(held, dyads.group, groups) / total[:, None]
    information = held.T @ dyads.z - (mean * total[:, None]).T @ mean
    return Logit(slopes, constants, probability, deviance, mean, total, information)


def _better(dyads: _Dyads, here: Logit, slopes: np.ndarray, constants: np.ndarray) -> Logit:
    """Return the fit a step further, or half of it, until the deviance does not rise."""
    length = 1.0
    while True:
        there = _at(dyads, here.slopes + length * slopes, here.constants + length * constants)
        if there.deviance <= here.deviance * (1 + 1e-12) or length < 1e-6:
            return there
        length /= 2
