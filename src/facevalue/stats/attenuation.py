"""How much of the similarity of faces is true, among pairs of people, and what is expected to be true of each pair's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.dyadic import by_pair, by_person
from facevalue.stats.dyads import Cells
from facevalue.stats.f_distribution import f_quantile
from facevalue.stats.predictors import group_sums, standardise
from facevalue.stats.reliability import Reliability


@dataclass(frozen=True, slots=True, eq=False)
class PersonErrors:
    """The variance that each person's photos bring into a similarity, and how well it is known.

    Parameters
    ----------
    variance : (n,) float64
        By the number of a person in `Cells`, 0 or more, in squared units of the similarity; that of a pair is the sum of both.
    shared
        Which part of it is one error to all others, in [0, 1]; the rest is drawn anew for each pair.
    doubt
        Relative standard error of all variances together: 0 where they are known.

    Raises
    ------
    ValueError
        When a variance is below 0 or `shared` is outside [0, 1].
    """

    variance: np.ndarray
    shared: float = 0.0
    doubt: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", np.asarray(self.variance, np.float64))
        if (self.variance < 0).any() or not 0 <= self.shared <= 1 or not self.doubt >= 0:
            least = np.fmin.reduce(self.variance, initial=np.inf)
            got = f"{least:g} for the least variance, shared {self.shared:g} and doubt {self.doubt:g}"
            raise ValueError(f"expected variances and a doubt of 0 or more, and a shared part in [0, 1]; got {got}")

    def of_pairs(self, cells: Cells) -> np.ndarray:
        """Return the variance of each pair's similarity, (m,); ValueError where a person has none."""
        pairs = self.variance[cells.ego] + self.variance[cells.alter]
        if gone := int(np.isnan(self.variance[np.unique([cells.ego, cells.alter])]).sum()):
            raise ValueError(f"expected the error of everybody's face; that of {gone} people is NaN: leave their pairs out")
        return np.asarray(pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What is expected of the true similarity of each of m pairs, and out of what.

    Parameters
    ----------
    values, reliability : (m,) float64
        `E[S | W, Z]`; and how far each measured similarity is taken at its word.
    signal, noise
        Variances of the true similarity given the covariates, and of the mean pair's error. Where signal is not above 0 all
        is noise: every reliability is 0, and nothing can be corrected.
    prior
        The variance that reliabilities are made with: signal, and more of it where it is in doubt.
    residuals, errors : (m,) float64
        Measured less expected given the covariates; and the variance of each pair's error.
    design : (m, q), bread : (q, q) float64
        Covariates less the means of their groups, standardised, behind a column of ones unless blocks have means of their own;
        and (Z'WZ)^-1.
    degrees
        By which sums of squares were divided.
    """

    values: np.ndarray
    reliability: np.ndarray
    signal: float
    noise: float
    prior: float
    residuals: np.ndarray
    errors: np.ndarray
    design: np.ndarray
    bread: np.ndarray
    degrees: float


def calibrated_values(
    cells: Cells,
    errors: PersonErrors,
    *,
    column: int | None = None,
    given: Sequence[int] | None = None,
    block_intercepts: bool = False,
) -> Calibration:
    """Return what the similarity of each pair is expected to be: `E[S | W, Z] = m(Z) + lambda_ij (W - m(Z))`.

    m is the regression of the measured similarity W on the covariates Z. Its residual variance less that of the mean pair's
    error is the variance tau^2 of the true similarity given Z, and `lambda_ij = tau^2 / (tau^2 + e_i + e_j)`: pairs whose
    photos differ more move further to what is expected anyway. Coefficients go with 1 / tau^2, which is too large on
    average where tau^2 is in doubt: it is taken as `tau^2 (1 + c^2)`, `c^2 = var / (tau^4 + var)`, and the mean pair's error
    as less by as much, in the manner of Fuller. What the regression, or the mean of a block, takes out of the errors is
    counted: `tr(M Omega)`, M the residual maker and Omega the errors' covariance, in place of their sum.

    Parameters
    ----------
    cells
        Of m dyads.
    errors
    column
        Of the predictor that holds the similarity; None where it is the outcome.
    given
        Columns of the covariates; None for all other predictors.
    block_intercepts
        Whether each block has a mean of its own.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        When a person's error is not known, or covariates do not vary or are collinear.

    References
    ----------
    Carroll, Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2006, section 4.4; Fuller, Measurement
    Error Models, 1987, sections 1.2 and 2.5; the trace: Searle, Linear Models, 1971, section 2.5, theorem 1.

    Examples
    --------
    >>> ego, alter = np.triu_indices(5, 1)
    >>> similarity = np.array([0.1, 0.5, 0.3, 0.9, 0.7, 0.2, 0.4, 0.6, 0.8, 0.1])
    >>> cells = Cells(similarity, np.empty((10, 0)), np.ones(10), ego, alter, np.zeros(10, int))
    >>> found = calibrated_values(cells, PersonErrors(np.full(5, 0.02)))
    >>> round(found.signal, 4), round(found.noise, 4), found.values.round(2)[:4]
    (0.0427, 0.04, array([0.24, 0.48, 0.36, 0.73]))
    """
    w, values = cells.weights, cells.outcome if column is None else cells.predictors[:, column]
    group = np.unique(cells.block, return_inverse=True)[1].reshape(-1) if block_intercepts else np.zeros(len(cells), int)
    x, names = _covariates(cells, column, given)
    z = standardise(x, w, group, names=names, where=" within any block" if block_intercepts else "").z
    bread = np.linalg.inv(z.T @ (z * w[:, None]))
    centred = values - (group_sums(w * values, group, group.max() + 1) / group_sums(w, group, group.max() + 1))[group]
    residuals = centred - z @ (bread @ (z.T @ (w * centred)))
    degrees = w.sum() * (1 - (z.shape[1] + group.max() + 1) / len(cells))
    pairs = errors.of_pairs(cells)
    noise = float((w @ pairs - _taken_out(cells, errors, z, bread, group)) / degrees)
    signal = float(w @ residuals**2 / degrees) - noise
    scaled = pairs * noise * w.sum() / (w @ pairs) if noise > 0 else np.zeros(len(cells))
    own = person_variance((w * (residuals**2 - scaled - signal) / degrees)[:, None], cells)
    prior = _prior(signal, noise, float(own[0]) + (errors.doubt * noise) ** 2)
    left = scaled * (signal + noise - prior) / noise if noise > 0 else scaled
    reliability = prior / (prior + left) if prior > 0 else np.zeros(len(cells))
    expected = values - (1 - reliability) * residuals
    z, bread = (z, bread) if block_intercepts else _with_ones(z, bread, w.sum())
    return Calibration(expected, reliability, signal, noise, prior, residuals, scaled, z, bread, float(degrees))


def _prior(signal: float, noise: float, variance: float) -> float:
    """Return `tau^2 (1 + var / (tau^4 + var))`, at most what was measured; 0 where the moment estimate is not above 0."""
    return min(signal * (1 + variance / (signal**2 + variance)), signal + noise) if signal > 0 else 0.0


def _with_ones(z: np.ndarray, bread: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a centred design behind a column of ones, and its (Z'WZ)^-1."""
    wider = np.zeros((len(bread) + 1,) * 2)
    wider[0, 0], wider[1:, 1:] = 1 / total, bread
    return np.column_stack([np.ones(len(z)), z]), wider


def _covariates(cells: Cells, column: int | None, given: Sequence[int] | None) -> tuple[np.ndarray, list[str]]:
    """Return the predictors that are held constant, (m, q), and their names."""
    kept = range(cells.predictors.shape[1]) if given is None else given
    at = [k for k in kept if k != column]
    return cells.predictors[:, at], [f"x{k + 1}" for k in at]


def _taken_out(cells: Cells, errors: PersonErrors, z: np.ndarray, bread: np.ndarray, group: np.ndarray) -> float:
    """Return `tr(Omega W Z (Z'WZ)^-1 Z'W)`: what covariates and means of groups take out of the sum of squared errors."""
    held = z * cells.weights[:, None]
    of_covariates = np.sum(bread * _error_products(cells, errors, held))
    sizes = group_sums(cells.weights, group, group.max() + 1)
    of_means = np.sum(_error_products(cells, errors, (cells.weights / np.sqrt(sizes)[group])[:, None]))
    return float(of_covariates + of_means)


def _error_products(cells: Cells, errors: PersonErrors, rows: np.ndarray) -> np.ndarray:
    """Return `R' Omega R`, (q, q), of rows (m, q): `(1 - s) sum_pairs (e_i + e_j) P P' + s sum_i e_i G_i G_i'`."""
    if not rows.shape[1]:
        return np.zeros((0, 0))
    root = np.sqrt(errors.variance[cells.ego] + errors.variance[cells.alter])[:, None]
    pair = by_pair(rows * root, cells)
    people = np.unique(np.concatenate([cells.ego, cells.alter]))
    person = by_person(rows, cells) * np.sqrt(errors.variance[people])[:, None]
    return np.asarray((1 - errors.shared) * pair.T @ pair + errors.shared * person.T @ person)


def similarity_reliability(calibration: Calibration, cells: Cells, errors: PersonErrors, *, level: float) -> Reliability:
    """Return the share of the similarity's variance that is true, given the covariates: `tau^2 / (tau^2 + mean error)`.

    Its interval is that of the logarithm of `1 - reliability`: the residual variance by dyadic-robust errors, together with
    the doubt about the photos' errors, and Student's t with one degree of freedom less than people.

    Parameters
    ----------
    calibration
        Of these cells.
    cells, errors
    level
        In (0, 1).

    Returns
    -------
    Reliability
        Its value and its low end may lie below 0: then the similarity may be noise alone.

    Raises
    ------
    ValueError
        A level outside (0, 1).

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> ego, alter = np.triu_indices(40, 1)
    >>> values = draw.normal(size=780) + 0.5 * (draw.normal(size=40)[ego] + draw.normal(size=40)[alter])
    >>> cells = Cells(values, np.empty((780, 0)), np.ones(780), ego, alter, np.zeros(780, int))
    >>> errors = PersonErrors(np.full(40, 0.25), shared=1, doubt=0.1)
    >>> found = similarity_reliability(calibrated_values(cells, errors), cells, errors, level=0.9)
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)  # truly 1 / 1.5
    (0.64, 0.56, 0.71)
    """
    check_level(level)
    noise, total = calibration.noise, calibration.signal + calibration.noise
    if not noise:
        return Reliability(1.0, 1.0, 1.0)
    away = calibration.errors / noise - calibration.residuals**2 / total
    own = (cells.weights * away / calibration.degrees)[:, None]
    se = np.sqrt(person_variance(own, cells)[0] + errors.doubt**2)
    ends = noise / total * np.exp(np.array([1, -1]) * student_quantile(cells, level=level) * se)
    return Reliability(float(1 - noise / total), *(float(1 - end) for end in ends))


def person_variance(influence: np.ndarray, cells: Cells) -> np.ndarray:
    """Return the variances of sums whose dyads go together where they share a person: `sum_i G_i^2 - sum_(i<j) P_ij^2`.

    Where that comes out below `sum P_ij^2`, of pairs taken as independent, as with few people it may, the latter stands.

    Parameters
    ----------
    influence : (m, q) float
        Of dyads on q estimates.
    cells
        Whose dyads.

    Returns
    -------
    (q,) float64

    Examples
    --------
    >>> cells = Cells(np.ones(3), np.empty((3, 0)), np.ones(3), np.array([0, 0, 1]), np.array([1, 2, 2]), np.zeros(3, int))
    >>> person_variance(np.array([[1.0], [2.0], [3.0]]), cells)  # of people 3^2 + 4^2 + 5^2, of pairs 1 + 4 + 9
    array([36.])
    """
    apart = (by_pair(influence, cells) ** 2).sum(0)
    return np.asarray(np.maximum((by_person(influence, cells) ** 2).sum(0) - apart, apart))


def student_quantile(cells: Cells, *, level: float) -> float:
    """Return the quantile of Student's t with one degree of freedom less than there are people, two-sided."""
    people = len(np.unique(np.concatenate([cells.ego, cells.alter])))
    return float(np.sqrt(f_quantile(level, 1, people - 1)))


def precision_weights(pairs: np.ndarray, signal: float) -> np.ndarray:
    """Return the weights of pairs where the similarity is the outcome: `tau^2 / (tau^2 + e_i + e_j)`, at most 1.

    Parameters
    ----------
    pairs : (...) float
        Variance `e_i + e_j` of each pair's error; NaN where not known: its weight is 0.
    signal
        `tau^2`, the variance of the true similarity given the covariates, 0 or more: see `calibrated_values`.

    Returns
    -------
    (...) float64

    Raises
    ------
    ValueError
        When a variance is below 0, or both are 0.

    References
    ----------
    DerSimonian, Laird, Meta-analysis in clinical trials, Controlled Clinical Trials 7, 1986, section 3.

    Examples
    --------
    >>> precision_weights(np.array([0.0, 1.0, 3.0, np.nan]), 1.0)
    array([1.  , 0.5 , 0.25, 0.  ])
    """
    pairs = np.asarray(pairs, np.float64)
    if not signal >= 0 or (pairs < 0).any() or (signal == 0 and (pairs == 0).any()):
        raise ValueError(f"expected variances of 0 or more, not all 0; got {signal:g}, and pairs from {np.nanmin(pairs):g}")
    if not signal:
        least = np.nanmin(pairs, initial=np.inf)
        return np.where(np.isnan(pairs), 0, least / np.where(np.isnan(pairs), 1, pairs))
    return np.where(np.isnan(pairs), 0, signal / (signal + np.where(np.isnan(pairs), 0, pairs)))


def standardised_effects(coefficients: np.ndarray, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients of a model of the similarity in its standard deviations, measured and true: `b / sd(W)`, `b / tau`.

    Error in an outcome leaves its coefficients alone, yet makes them small beside its spread, by the root of the reliability.
    The standard deviations are those given the covariates of the calibration: with none, those of all pairs.

    Parameters
    ----------
    coefficients : (q,) float
    calibration
        Of the outcome: `calibrated_values(cells, errors, given=())`.

    Returns
    -------
    measured, true : (q,) float64
        The latter NaN where all is noise.

    References
    ----------
    Hunter, Schmidt, Methods of Meta-Analysis, 2004, section 3, on attenuated standardised differences.

    Examples
    --------
    >>> ego, alter = np.triu_indices(5, 1)
    >>> similarity = np.array([0.1, 0.5, 0.3, 0.9, 0.7, 0.2, 0.4, 0.6, 0.8, 0.1])
    >>> cells = Cells(similarity, np.empty((10, 0)), np.ones(10), ego, alter, np.zeros(10, int))
    >>> found = calibrated_values(cells, PersonErrors(np.full(5, 0.02)), given=())
    >>> standardised_effects(np.array([0.1]), found)[1].round(3)
    array([0.484])
    """
    signal = calibration.signal
    true = np.sqrt(signal) if signal > 0 else np.nan
    return coefficients / np.sqrt(signal + calibration.noise), np.asarray(coefficients) / true
