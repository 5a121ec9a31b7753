"""Regressions on the similarity of faces without what its error takes from the coefficients, or adds to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from facevalue.stats.attenuation import (
    Calibration,
    PersonErrors,
    calibrated_values,
    person_variance,
    similarity_reliability,
    student_quantile,
)
from facevalue.stats.dyads import Cells
from facevalue.stats.network_linear import LinearFit, linear_fit
from facevalue.stats.network_logistic import LogisticFit, logistic_fit
from facevalue.stats.predictors import group_sums
from facevalue.stats.reliability import Reliability

Kind = Literal["linear", "logistic"]
NODES, STEPS, CLOSE = 9, 50, 1e-7
DOUBTFUL = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedFit:
    """Coefficients as they are measured, and corrected.

    Parameters
    ----------
    names
        Of the q coefficients, as the fits have them.
    naive : (q,) float64
        With the similarity as measured.
    values, se, low, high : (q,) float64
        Corrected by regression calibration; the error carries the doubt about the reliability. NaN where nothing can be
        corrected.
    reliability
        Of the similarity, given the other predictors.
    calibration
        Behind it.
    note
        "" or why nothing, or little, can be said.
    """

    names: tuple[str, ...]
    naive: np.ndarray
    values: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reliability: Reliability
    calibration: Calibration
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """A fit on what is expected of the similarity.

    `score`, `slope` and `pull` are (m,): outcome less mean; and how the mean goes with the log odds, and with the variance
    of the log odds that the unknown part of the similarity brings.
    """

    coefficients: np.ndarray
    design: np.ndarray
    score: np.ndarray
    slope: np.ndarray
    pull: np.ndarray
    unknown: np.ndarray
    weights: np.ndarray


def corrected_fit(
    cells: Cells, errors: PersonErrors, *, column: int, kind: Kind, block_intercepts: bool = False, level: float
) -> CorrectedFit:
    """Return a regression on the true similarity: on `E[S | W, Z]` in place of what was measured.

    A logistic model takes the unknown rest of S as normal with the variance `tau^2 (1 - lambda_ij)`, and the mean of the
    outcome over it: `E H(x'b + b_S sqrt(tau^2 (1 - lambda)) z)`, by Gauss and Hermite's rule. Errors are those of all
    estimating equations together (coefficients, regression of W on Z, tau^2), dyadic-robust, and of the doubt about the
    photos' errors; intervals have Student's t with one degree of freedom less than people.

    Parameters
    ----------
    cells
        Of m dyads; all predictors are part of the model.
    errors
        Of each person's face.
    column
        Of the predictor that holds the similarity. Products of it with others are not corrected: leave them out.
    kind
        "linear" or "logistic".
    block_intercepts
        Whether each block has a constant of its own.
    level
        Nominal coverage of the intervals, in (0, 1).

    Returns
    -------
    CorrectedFit
        In simulations coefficients at reliabilities of .3 and .5 are within 3 % of those of the true similarity, at .5 also for
        odds of 2.7 per standard deviation; with two photos of 10 people alone 4 % too small, with odds of 7.4 9 % too large.
        A linear model asks for no more than that; a logistic one takes the true similarity as normal given the predictors:
        with a skewness of -.25, as where faces have much in common, it is 4 % too small at odds of 1.65.
        Where the interval of the reliability comes near 0, they and their intervals say little, and `note` says so.

    Raises
    ------
    ValueError
        When a fit cannot be made, a person's error is not known, or the level is outside (0, 1).

    References
    ----------
    Carroll, Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2006, sections 4.1, 4.8 (the expanded
    form) and A.6.6 (stacked equations); Aronow, Samii, Assenova, Political Analysis 23, 2015, eq. 6.

    Examples
    --------
    >>> draw = np.random.default_rng(3)
    >>> ego, alter = np.triu_indices(60, 1)
    >>> true = draw.normal(size=len(ego))
    >>> outcome = 0.5 * true + draw.normal(size=len(ego))
    >>> measured = (true + draw.normal(size=len(ego)))[:, None]
    >>> cells = Cells(outcome, measured, np.ones(len(ego)), ego, alter, np.zeros(len(ego), int))
    >>> found = corrected_fit(cells, PersonErrors(np.full(60, 0.5)), column=0, kind="linear", level=0.9)
    >>> [float(part[1].round(2)) for part in (found.naive, found.values, found.low, found.high)]
    [0.23, 0.45, 0.38, 0.53]
    """
    naive = _fit(cells, kind, block_intercepts)
    calibration = calibrated_values(cells, errors, column=column, block_intercepts=block_intercepts)
    reliability = similarity_reliability(calibration, cells, errors, level=level)
    at = column + (not block_intercepts)
    note = f"errors of {calibration.noise:.3g} explain all of the similarity's variance: it cannot be corrected"
    solution = None
    if calibration.signal > 0:
        solution = _solved(_exchanged(cells, column, calibration), calibration, kind, block_intercepts, at)
        note = "the effect is too strong for so noisy a similarity: it cannot be corrected"
    if solution is None:
        nan = np.full(len(naive.coefficients), np.nan)
        return CorrectedFit(naive.names, naive.coefficients, nan, nan, nan, nan, reliability, calibration, note)
    influence, of_errors = _influence(solution, calibration, cells, at)
    values, se = solution.coefficients, np.sqrt(person_variance(influence, cells) + (errors.doubt * of_errors) ** 2)
    half = student_quantile(cells, level=level) * se
    low = max(reliability.low, 0)
    note = "" if low > DOUBTFUL else f"the reliability may be as low as {low:.2f}: corrected coefficients say little"
    return CorrectedFit(
        naive.names, naive.coefficients, values, se, values - half, values + half, reliability, calibration, note
    )


def _fit(cells: Cells, kind: Kind, block_intercepts: bool) -> LinearFit | LogisticFit:
    if kind not in ("linear", "logistic"):
        raise ValueError(f"expected the kind linear or logistic, got {kind!r}")
    return (linear_fit if kind == "linear" else logistic_fit)(cells, block_intercepts=block_intercepts)


def _exchanged(cells: Cells, column: int, calibration: Calibration) -> Cells:
    """Return cells with what is expected of the similarity in place of what was measured."""
    predictors = cells.predictors.copy()
    predictors[:, column] = calibration.values
    return replace(cells, predictors=predictors)


def _solved(cells: Cells, calibration: Calibration, kind: Kind, block_intercepts: bool, at: int) -> _Solution | None:
    """Return the fit whose mean outcome is that over the unknown rest of the similarity; None where there is none."""
    fit = _fit(cells, kind, block_intercepts)
    unknown = calibration.prior * (1 - calibration.reliability)
    if isinstance(fit, LinearFit):
        ones = np.ones(len(cells))
        return _Solution(fit.coefficients, fit.design, fit.residuals, ones, 0 * ones, unknown, cells.weights)
    weights = np.where(np.isin(cells.block, fit.left_out_blocks) & block_intercepts, 0, cells.weights)
    with np.errstate(divide="ignore"):
        odds = np.where(weights > 0, np.log(fit.probability) - np.log1p(-fit.probability), 0)
    group = np.unique(cells.block, return_inverse=True)[1].reshape(-1) if block_intercepts else None
    b, within = fit.coefficients, np.sqrt(np.diag(fit.bread)) * CLOSE
    for _ in range(STEPS):
        mean, slope, pull = _averaged(odds, b[at], unknown)
        design = fit.design if group is None else _recentred(fit.design, weights * slope, group)
        here = _Solution(b, design, cells.outcome - mean, slope, pull, unknown, weights)
        move, shift = _step(here, at, group)
        b, odds = b + move, odds + shift
        if (np.abs(move) < within).all():
            return here
    return None


def _step(here: _Solution, at: int, group: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return Newton's step of the coefficients, (q,), and of the log odds, (m,), with those of the groups' constants."""
    move = np.linalg.solve(_forward(here, at), here.design.T @ (here.weights * here.score))
    shift = here.design @ move
    if group is not None:
        left = here.weights * (here.score - here.pull * move[at])
        sums, totals = (group_sums(part, group, group.max() + 1) for part in (left, here.weights * here.slope))
        shift += (sums / np.where(totals > 0, totals, 1))[group]
    return move, shift


def _forward(here: _Solution, at: int) -> np.ndarray:
    """Return minus the derivative of the sum of scores by the coefficients, (q, q)."""
    forward = here.design.T @ ((here.weights * here.slope)[:, None] * here.design)
    forward[:, at] += here.design.T @ (here.weights * here.pull)
    return np.asarray(forward)


def _recentred(design: np.ndarray, weights: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return a design less the means of its groups by other weights."""
    groups = int(group.max()) + 1
    totals = group_sums(weights, group, groups)
    means = group_sums(design * weights[:, None], group, groups) / np.where(totals > 0, totals, 1)[:, None]
    return np.asarray(design - means[group])


def _averaged(odds: np.ndarray, b: float, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `E H(odds + b u)`, u normal of a variance, and its derivatives by the odds and, beyond the odds, by b."""
    nodes, shares = hermegauss(NODES)
    spread = np.sqrt(unknown)
    mean, slope, pull = np.zeros((3, len(odds)))
    for node, share in zip(nodes, shares / shares.sum(), strict=True):
        p = 0.5 * (1 + np.tanh((odds + b * spread * node) / 2))
        mean += share * p
        slope += share * p * (1 - p)
        pull += share * p * (1 - p) * spread * node
    return mean, slope, pull


def _influence(solution: _Solution, calibration: Calibration, cells: Cells, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how each dyad moves each coefficient, (m, q), by all equations together; and how the log of all errors does."""
    w, x, b = solution.weights[:, None], solution.design, solution.coefficients[at]
    prior, rest = calibration.prior, 1 - calibration.reliability
    half = np.divide(solution.pull * b, 2 * solution.unknown, out=np.zeros(len(x)), where=solution.unknown > 0)

    def moved(value: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        """Return how the sum of scores, (q, k), goes with k parameters that move the similarity and its unknown rest."""
        change = -x.T @ (w * (solution.slope[:, None] * b * value + half[:, None] * unknown))
        change[at] += (w[:, 0] * solution.score) @ value
        return np.asarray(change)

    shrunk = calibration.reliability * rest * calibration.residuals
    by_covariates = moved(rest[:, None] * calibration.design, np.zeros((len(x), 1)))
    by_signal = moved(shrunk[:, None] / prior, rest[:, None] ** 2)
    by_errors = moved(-shrunk[:, None], prior * calibration.reliability[:, None] * rest[:, None])
    away = cells.weights * (calibration.residuals**2 - calibration.errors - calibration.signal) / calibration.degrees
    measured = calibration.design * (cells.weights * calibration.residuals)[:, None] @ calibration.bread
    own = x * (w[:, 0] * solution.score)[:, None] + np.outer(away, by_signal) + measured @ by_covariates.T
    inverse = np.linalg.inv(_forward(solution, at))
    return own @ inverse.T, (inverse @ (by_errors - calibration.noise * by_signal))[:, 0]
