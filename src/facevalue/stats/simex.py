"""Simulation and extrapolation: noise is added to the similarity of faces, to see what coefficients would be without any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.dyads import Cells

ADDED = (0.5, 1.0, 1.5, 2.0)


class Fitted(Protocol):
    """What a regression has to have."""

    @property
    def coefficients(self) -> np.ndarray:
        """In order, (q,)."""

    @property
    def design(self) -> np.ndarray:
        """Columns of the coefficients, (m, q)."""


@dataclass(frozen=True, slots=True, eq=False)
class Simex:
    """Coefficients extrapolated to no error.

    Parameters
    ----------
    values : (q,) float64
        By the curve `a + b / (c + zeta)`; NaN where the errors are as large as all that varies.
    quadratic : (q,) float64
        By a parabola, which corrects too little.
    error : (q,) float64
        Monte-Carlo standard error of `values`: more draws make it smaller.
    added : (z + 1,), path : (z + 1, q) float64
        Noise that was added, in units of what is there, 0 first; and the mean coefficients with it.
    """

    values: np.ndarray
    quadratic: np.ndarray
    error: np.ndarray
    added: np.ndarray
    path: np.ndarray


def simex(
    cells: Cells, errors: PersonErrors, fit: Callable[[Cells], Fitted], *, column: int, seed: int, draws: int = 20
) -> Simex:
    """Return coefficients by simulation and extrapolation: noise of zeta times the errors' variance is added, zeta -> -1.

    With zeta = .5, 1, 1.5, 2 more of the errors' variance, coefficients follow `a + b / (c + zeta)`, in a linear model exactly
    so, with `c = 1 / (1 - reliability)`. c is read from the noise too: the variance of the similarity given all other columns
    of the design grows along a line, which crosses 0 at zeta = -c. A pair has one noise in both directions; the shared part
    is one for a person.

    Parameters
    ----------
    cells
    errors
        Of each person's face.
    fit
        A regression, such as `linear_fit`; it is made 4 draws + 1 times.
    column
        Of the predictor that holds the similarity.
    seed
        Of the noise.
    draws
        2 or more.

    Returns
    -------
    Simex

    Raises
    ------
    ValueError
        When there are fewer than two draws, a person's error is not known, or a fit cannot be made.

    References
    ----------
    Cook, Stefanski, Simulation-extrapolation estimation in parametric measurement error models, JASA 89, 1994; Carroll,
    Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2006, sections 5.3.1 and 5.3.2.

    Examples
    --------
    >>> from facevalue.stats.network_linear import linear_fit
    >>> draw = np.random.default_rng(3)
    >>> ego, alter = np.triu_indices(60, 1)
    >>> true = draw.normal(size=len(ego))
    >>> outcome = 0.5 * true + draw.normal(size=len(ego))
    >>> measured = (true + draw.normal(size=len(ego)))[:, None]
    >>> cells = Cells(outcome, measured, np.ones(len(ego)), ego, alter, np.zeros(len(ego), int))
    >>> found = simex(cells, PersonErrors(np.full(60, 0.5)), linear_fit, column=0, seed=1)
    >>> [float(part[1].round(2)) for part in (found.path[0], found.quadratic, found.values)]
    [0.23, 0.34, 0.46]
    """
    if draws < 2:
        raise ValueError(f"expected two draws or more, got {draws}")
    pairs, numbers = errors.of_pairs(cells), _pair_numbers(cells)
    naive, added = fit(cells), np.array([0.0, *ADDED])
    at = column + (len(naive.coefficients) - cells.predictors.shape[1])
    paths = np.tile(_told(naive, cells, at), (draws, len(added), 1))
    for path, stream in zip(paths, np.random.default_rng(seed).spawn(draws), strict=True):
        noise = _noise(cells, errors, pairs, numbers, stream)
        for k, zeta in enumerate(ADDED, 1):
            path[k] = _told(fit(_noisier(cells, column, np.sqrt(zeta) * noise)), cells, at)
    mean = paths.mean(0)
    left_out = np.array([_extrapolated(added, (mean * draws - one) / (draws - 1)) for one in paths])
    error = np.sqrt((draws - 1) / draws * ((left_out - left_out.mean(0)) ** 2).sum(0))
    parabola = np.polyfit(added, mean[:, :-1], 2)
    quadratic = np.asarray(parabola[0] - parabola[1] + parabola[2])
    return Simex(_extrapolated(added, mean), quadratic, error, added, mean[:, :-1])


def _told(fit: Fitted, cells: Cells, at: int) -> np.ndarray:
    """Return the coefficients of a fit, and the sum of squares of the similarity that other columns leave, (q + 1,)."""
    squares = fit.design.T @ (cells.weights[:, None] * fit.design)
    return np.append(fit.coefficients, 1 / np.linalg.inv(squares)[at, at])


def _pair_numbers(cells: Cells) -> np.ndarray:
    """Return one number for both directions of a pair, (m,) from 0."""
    low, high = np.minimum(cells.ego, cells.alter).astype(np.int64), np.maximum(cells.ego, cells.alter)
    return np.unique(low * (int(high.max()) + 1) + high, return_inverse=True)[1].reshape(-1)


def _noise(cells: Cells, errors: PersonErrors, pairs: np.ndarray, numbers: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return noise of the variance of the errors, (m,): a part of each person, the same to all, and one of each pair."""
    person = np.sqrt(errors.variance) * draw.standard_normal(len(errors.variance))
    own = draw.standard_normal(int(numbers.max()) + 1)[numbers] * np.sqrt(pairs)
    return np.asarray(np.sqrt(errors.shared) * (person[cells.ego] + person[cells.alter]) + np.sqrt(1 - errors.shared) * own)


def _noisier(cells: Cells, column: int, noise: np.ndarray) -> Cells:
    predictors = cells.predictors.copy()
    predictors[:, column] += noise
    return replace(cells, predictors=predictors)


def _extrapolated(added: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Return `a + b / (c - 1)` of the curves that fit coefficients best, (q,); NaN where errors are all that varies."""
    slope, start = np.polyfit(added, path[:, -1], 1)
    if not 0 < slope < start:
        return np.full(path.shape[1] - 1, np.nan) if slope > 0 else np.asarray(path[0, :-1])
    line = np.polyfit(1 / (start / slope + added), path[:, :-1], 1)
    return np.asarray(line[0] / (start / slope - 1) + line[1])
