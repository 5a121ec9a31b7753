"""Weights and regressions that make groups alike in what confounds them: light, pose, quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import least_cross_entropy, softmax

RIDGE, FAR = 1e-5, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Balance:
    """Weights of n rows under which g groups are alike in their covariates, and how far they are.

    Parameters
    ----------
    weights : (n,) float
        0 or more, of mean 1 in each group.
    overlap
        The area that all groups' distributions share, in [0, 1]: 1 where they are one, 0 where they do not meet.
    before, after : (c,) float
        Of each covariate the largest difference of two groups' means, in standard deviations within groups.
    """

    weights: np.ndarray
    overlap: float
    before: np.ndarray
    after: np.ndarray


def overlap_weights(covariates: np.ndarray, groups: np.ndarray) -> Balance:
    """Return `w_i = (1 / e_g(x_i)) / sum_h (1 / e_h(x_i))`, g the group of row i, e_h(x) the probability of group h at x.

    Rows that could be of any group weigh most, so that no weight is extreme. e is a multinomial logistic regression on the
    standardised covariates, cut at 3 standard deviations, and their squares. Of two groups the weighted means are equal.

    Parameters
    ----------
    covariates : (n, c) float
    groups : (n,)
        Two or more.

    Raises
    ------
    ValueError
        NaN, other shapes, fewer than two groups.

    References
    ----------
    Li, Morgan, Zaslavsky, Balancing covariates via propensity score weighting, JASA 113, 2018, theorem 3; of several groups:
    Li, Li, Propensity score weighting for causal inference with multiple treatments, Annals of Applied Statistics 13, 2019.

    Examples
    --------
    >>> light = np.array([0.1, 0.2, 0.3, 0.2, 0.3, 0.4])[:, None]
    >>> found = overlap_weights(light, np.array(["a", "a", "a", "b", "b", "b"]))
    >>> found.before.round(2), found.after.round(2)
    (array([1.22]), array([0.]))
    """
    x, at, g = _checked(covariates, groups)
    z = _standardised(x, at, g)
    cut = np.clip(z, -FAR, FAR)
    features = np.column_stack([np.ones(len(x)), cut, cut**2])
    p = np.maximum(_probabilities(features, at, g), 1e-12)
    inverse = 1 / p
    weights = inverse[np.arange(len(x)), at] / inverse.sum(1)
    weights /= (np.bincount(at, weights, g) / np.bincount(at, minlength=g))[at]
    return Balance(weights, _overlap(p, at, g), _differences(z, at, g), _differences(z, at, g, weights))


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """The balance of those of n rows that can be balanced.

    Parameters
    ----------
    balance
        Of the rows that have all covariates and are of a group that is kept.
    rows : (n,) bool
        Which these are.
    """

    balance: Balance
    rows: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The weight of every row, (n,); 0 of those that are not in it."""
        weights = np.zeros(len(self.rows))
        weights[self.rows] = self.balance.weights
        return weights


def balanced(covariates: Mapping[str, np.ndarray], code: np.ndarray, kept: np.ndarray) -> Balanced | None:
    """Return weights of rows under which the kept groups are alike; None where there are not two, or no covariates.

    Parameters
    ----------
    covariates : (n,) float each
        NaN where missing.
    code : (n,) int
        Groups of 0 to g - 1, -1 of none.
    kept : (g,) bool
        Groups that are balanced.

    Examples
    --------
    >>> found = balanced({"light": np.array([0.1, 0.2, np.nan, 0.2, 0.1])}, np.array([0, 0, 0, 1, 1]), np.array([True, True]))
    >>> found.rows.tolist(), found.weights.round(2).tolist()
    ([True, True, False, True, True], [1.0, 1.0, 0.0, 1.0, 1.0])
    """
    if not covariates or kept.sum() < 2:
        return None
    x = np.stack([np.asarray(column, np.float64) for column in covariates.values()], 1)
    rows = np.isfinite(x).all(1) & (code >= 0) & kept[code]
    if len(np.unique(code[rows])) < kept.sum():
        return None
    return Balanced(overlap_weights(x[rows], code[rows]), rows)


def effective_number(weights: np.ndarray) -> float:
    """Return `(sum w)^2 / sum w^2`, how many rows of equal weight say as much; 0 of none.

    Parameters
    ----------
    weights : (n,) float, 0 or more

    References
    ----------
    Kish, Survey Sampling, 1965, section 11.7.

    Examples
    --------
    >>> effective_number(np.array([1.0, 1.0, 0.0])), effective_number(np.array([3.0, 1.0]))
    (2.0, 1.6)
    """
    square = float((np.asarray(weights, np.float64) ** 2).sum())
    return float(np.sum(weights)) ** 2 / square if square else 0.0


def difference_to_rest(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return `h_g / n_g - sum_{f != g} h_f / sum_{f != g} n_f`, each group against all others together.

    Parameters
    ----------
    hits, n : (..., g) float

    Returns
    -------
    (..., g) float64
        NaN where a group or the rest has nothing.

    Examples
    --------
    >>> difference_to_rest(np.array([1.0, 4, 0]), np.array([10.0, 10, 0])).round(3)
    array([-0.3,  0.3,  nan])
    """
    rest = [part.sum(-1, keepdims=True) - part for part in (hits, n)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where((n > 0) & (rest[1] > 0), hits / n - rest[0] / rest[1], np.nan))


def regression_difference(x: np.ndarray, code: np.ndarray, y: np.ndarray, weights: np.ndarray, g: int) -> np.ndarray:
    """Return `difference_to_rest` of the group means m_g of `y = m_g + x b`, fitted by weighted least squares, (g,).

    Parameters
    ----------
    x : (n, c) float
    code : (n,) int
        Groups of 0 to g - 1; one without a row is NaN.
    y : (n,) float or bool
    weights : (n,) float
        0 or more.
    g
        Groups.

    Examples
    --------
    >>> x, code = np.array([[0.0], [1], [1], [2]]), np.array([0, 0, 1, 1])
    >>> regression_difference(x, code, 3 * x[:, 0] + code, np.ones(4), 2).round(6)
    array([-1.,  1.])
    """
    design = np.column_stack([np.eye(g)[code], x - x.mean(0) if len(x) else x])
    weighted = design * weights[:, None]
    n = weighted[:, :g].sum(0)
    means = np.linalg.lstsq(weighted.T @ design, weighted.T @ y.astype(np.float64), rcond=1e-10)[0][:g]
    return difference_to_rest(means * n, n)


def _checked(covariates: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    x = np.asarray(covariates, np.float64)
    if x.ndim != 2 or len(x) != len(groups) or np.isnan(x).any():
        raise ValueError(f"expected covariates (n, c) without NaN, a row a group; got {x.shape} and {len(groups)} groups")
    names, at = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"expected two groups or more, got {len(names)}")
    return x, at, len(names)


def _means(z: np.ndarray, at: np.ndarray, g: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the (weighted) mean of each group, (g, c)."""
    w = np.ones(len(z)) if weights is None else weights
    total = np.bincount(at, w, g)[:, None]
    return np.asarray(np.stack([np.bincount(at, w * column, g) for column in z.T], 1) / total)


def _standardised(x: np.ndarray, at: np.ndarray, g: int) -> np.ndarray:
    """Return x about its mean, in standard deviations within groups; a covariate that does not vary is 0."""
    within = np.sqrt(((x - _means(x, at, g)[at]) ** 2).mean(0))
    scale = np.where(within > 1e-12, within, x.std(0))
    return np.asarray((x - x.mean(0)) / np.where(scale > 1e-12, scale, 1.0))


def _probabilities(features: np.ndarray, at: np.ndarray, g: int) -> np.ndarray:
    """Return the fitted probabilities of the groups, (n, g)."""
    n, d = features.shape
    design = np.zeros((n, g, (g - 1) * d))
    for j in range(1, g):
        design[:, j, (j - 1) * d : j * d] = features
    best = least_cross_entropy(design, np.eye(g)[at], np.zeros((g - 1) * d), ridge=RIDGE)
    return softmax(design @ best)


def _overlap(p: np.ndarray, at: np.ndarray, g: int) -> float:
    """Return `int min_h f_h`, of densities by `f_h / mean f = g p_h`, p the probabilities were all groups of one size."""
    even = p / np.bincount(at, minlength=g)
    least = (even / even.sum(1, keepdims=True)).min(1)
    return float(np.clip(g * (np.bincount(at, least, g) / np.bincount(at, minlength=g)).mean(), 0, 1))


def _differences(z: np.ndarray, at: np.ndarray, g: int, weights: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(np.ptp(_means(z, at, g, weights), axis=0))
