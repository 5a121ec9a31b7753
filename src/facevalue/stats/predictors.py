"""Predictors of dyads: checked, less the means of their groups, in units of their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.dyads import Cells

INTERCEPT = "(intercept)"
SAME = 1e-10


class Unusable(ValueError):
    """Predictors with which a regression cannot be fitted.

    Parameters
    ----------
    predictors
        Their names.
    reason
        In words: "it does not vary within any block".
    """

    def __init__(self, message: str, predictors: tuple[str, ...], reason: str) -> None:
        super().__init__(message, predictors, reason)
        self.predictors, self.reason = predictors, reason

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """Predictors z = (x - mean) / spread, with the mean of each of g groups and one spread.

    Parameters
    ----------
    z : (m, p) float64
    mean : (g, p) float64
    spread : (p,) float64
        Root of the weighted mean of the squares within groups.
    """

    z: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


def name_predictors(cells: Cells, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of predictors, x1, x2 and so on where none are given, and check the cells.

    Raises
    ------
    ValueError
        When names do not fit, or there is no predictor, a value that is NaN, or a weight that is not above 0.
    """
    p = cells.predictors.shape[1]
    named = tuple(names) or tuple(f"x{k + 1}" for k in range(p))
    if not p or len(named) != p or len(set(named)) != p:
        raise ValueError(f"expected one predictor or more, each with a name of its own; got {p} and {list(named)}")
    for name, column in (("the outcome", cells.outcome), *zip(named, cells.predictors.T, strict=True)):
        if absent := int(np.count_nonzero(~np.isfinite(column))):
            raise ValueError(f"expected numbers in {name}, got {absent} of {len(cells)} that are none: leave these dyads out")
    if not (np.isfinite(cells.weights) & (cells.weights > 0)).all():
        raise ValueError(f"expected weights above 0, got {cells.weights.min()}: leave dyads that weigh nothing out")
    return named


def constant_groups(cells: Cells, block_intercepts: bool) -> np.ndarray:
    """Return which constant belongs to each cell, (m,) int from 0: that of its block, or the one of all."""
    if not block_intercepts:
        return np.zeros(len(cells), int)
    return np.unique(cells.block, return_inverse=True)[1].reshape(-1)


def where_varies(block_intercepts: bool) -> str:
    """Return what is said of what does not vary."""
    return " within any block" if block_intercepts else ""


def degrees_left(n: int, predictors: int, constants: int) -> int:
    """Return the degrees of freedom that are left, or say that none are."""
    if n <= predictors + constants:
        raise ValueError(
            f"expected more dyads than coefficients, got {n} for {predictors} predictors and {constants} constants"
        )
    return n - predictors - constants


def group_sums(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Return the sums of values, (m,) or (m, p), over each group, (groups,) or (groups, p).

    Examples
    --------
    >>> group_sums(np.array([1.0, 2, 4]), np.array([0, 1, 1]), 2)
    array([1., 6.])
    """
    if values.ndim == 1:
        return np.bincount(group, values, groups)
    if groups == 1:
        return np.asarray(values.sum(0, keepdims=True))
    return np.stack([np.bincount(group, column, groups) for column in values.T], axis=1)


def standardise(
    x: np.ndarray, weights: np.ndarray, group: np.ndarray, *, names: Sequence[str], where: str = ""
) -> Standardised:
    """Return predictors as `(x - mean of its group) / spread`.

    Parameters
    ----------
    x : (m, p) float64
    weights : (m,) float64
        Above 0.
    group : (m,) int
        From 0, none of them empty.
    names
        Of the predictors.
    where
        Said of a predictor that does not vary, as " within any block".

    Raises
    ------
    Unusable
        When a predictor does not vary within any group, or is a linear combination of others.

    Examples
    --------
    >>> found = standardise(np.array([[1.0], [3], [7], [9]]), np.ones(4), np.array([0, 0, 1, 1]), names=["x"])
    >>> found.z.ravel(), found.mean.ravel()
    (array([-1.,  1., -1.,  1.]), array([2., 8.]))
    """
    groups = int(group.max()) + 1
    totals = group_sums(weights, group, groups)
    z, mean, spread = np.empty_like(x), np.empty((groups, x.shape[1])), np.empty(x.shape[1])
    for k, column in enumerate(x.T):
        mean[:, k] = group_sums(weights * column, group, groups) / totals
        z[:, k] = column - mean[group, k]
        if np.abs(z[:, k]).max() <= SAME * np.abs(column).max():
            over = where or f" over the {len(x)} dyads"
            raise Unusable(
                f"expected predictors that vary; {names[k]!r} does not{over}", (names[k],), f"it does not vary{over}"
            )
        spread[k] = np.sqrt(weights @ z[:, k] ** 2 / totals.sum())
        z[:, k] /= spread[k]
    _check_independent((z * weights[:, None]).T @ z / totals.sum(), names)
    return Standardised(z, mean, spread)


def _check_independent(correlation: np.ndarray, names: Sequence[str]) -> None:
    """Name the first predictor that is a linear combination of those before it, and which these are."""
    for k in range(1, len(correlation)):
        before = np.linalg.solve(correlation[:k, :k], correlation[:k, k])
        if 1 - correlation[:k, k] @ before <= SAME:
            others = " and ".join(repr(names[int(j)]) for j in np.flatnonzero(np.abs(before) > 1e-5))
            message = f"expected predictors that are not collinear; {names[k]!r} is a combination of {others}: drop one"
            raise Unusable(message, (names[k],), f"it is a combination of {others}")


def with_intercept(inverse: np.ndarray, mean: np.ndarray, total: float) -> np.ndarray:
    """Return the inverse of [1, x]' W [1, x], (q, q), from that of x less its mean: `B_00 = 1 / total + mean' B mean`.

    Parameters
    ----------
    inverse : (p, p) float64
    mean : (p,) float64
        Weighted as in W.
    total
        Sum of the weights.

    Examples
    --------
    >>> with_intercept(np.array([[0.5]]), np.array([2.0]), 4.0)  # x = 1, 1, 3, 3 with weights of 1 has 1 / 4 for 1 / 2
    array([[ 2.25, -1.  ],
           [-1.  ,  0.5 ]])
    """
    first = -inverse @ mean
    corner = np.array([[1 / total + mean @ inverse @ mean]])
    return np.block([[corner, first[None]], [first[:, None], inverse]])
