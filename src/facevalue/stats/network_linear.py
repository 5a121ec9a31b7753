"""Linear regression over dyads: weighted least squares, with what R prints of it.

Standard errors here take dyads as independent, which they are not: for errors and p-values that do not, see dyadic-robust
errors and permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypedDict

import numpy as np

from facevalue.stats.dyads import Cells
from facevalue.stats.f_distribution import f_tail
from facevalue.stats.predictors import (
    INTERCEPT,
    SAME,
    constant_groups,
    degrees_left,
    group_sums,
    name_predictors,
    standardise,
    where_varies,
    with_intercept,
)

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """A linear regression over m dyads with q coefficients.

    Parameters
    ----------
    names
        "(intercept)" first, unless each block has one of its own.
    coefficients, se : (q,) float64
        se takes dyads as independent.
    n, df
        Dyads; and those less the coefficients, and less the blocks where each has a constant.
    rse, r_squared, adjusted_r_squared
        Residual standard error; share of the (weighted) variance, within blocks where each has a constant.
    f, f_df, f_p
        Of all predictors together, with its two degrees of freedom.
    residuals : (m,) float64
        Outcome less prediction, not weighted.
    quantiles : (5,) float64
        Of the residuals: least, quartiles, most.
    design : (m, q) float64
        Columns of the coefficients: less their blocks' means where each block has a constant.
    working_weights : (m,) float64
        The cells' weights.
    bread : (q, q) float64
        (X'WX)^-1.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    se: np.ndarray
    n: int
    df: int
    rse: float
    r_squared: float
    adjusted_r_squared: float
    f: float
    f_df: tuple[int, int]
    f_p: float
    residuals: np.ndarray
    quantiles: np.ndarray
    design: np.ndarray
    working_weights: np.ndarray
    bread: np.ndarray

    @property
    def statistic(self) -> np.ndarray:
        """The t of each coefficient, (q,)."""
        return np.asarray(self.coefficients / self.se)

    @property
    def printed(self) -> dict[str, float]:
        """What R prints below the coefficients, by name."""
        names = ("rse", "df", "r_squared", "adjusted_r_squared", "f", "f_p")
        return {name: float(getattr(self, name)) for name in names}


def linear_fit(cells: Cells, *, names: Sequence[str] = (), block_intercepts: bool = False) -> LinearFit:
    """Return weighted least squares over dyads: `b = (X'WX)^-1 X'W y`.

    With block_intercepts each block's weighted mean is taken off outcome and predictors, which is what one constant a block
    comes to.

    Parameters
    ----------
    cells
        Of m dyads; weights are up to a factor the inverse of the outcome's variance.
    names
        Of the p predictors; x1, x2 and so on where none are given.
    block_intercepts
        Whether each block has a constant of its own, in place of one intercept.

    Returns
    -------
    LinearFit
        Coefficients, model errors and what R prints.

    Raises
    ------
    ValueError
        A predictor that does not vary or is a combination of others, an outcome that does not vary or is fitted exactly,
        or no more dyads than coefficients.

    References
    ----------
    Frisch, Waugh, Partial time regressions as compared with individual trends, Econometrica 1, 1933, for blocks.

    Examples
    --------
    >>> ego, alter = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3])
    >>> x, y = np.array([[0.0], [0], [0], [1], [1], [1]]), np.array([1.0, 2, 3, 4, 5, 6])
    >>> fit = linear_fit(Cells(y, x, np.ones(6), ego, alter, np.zeros(6, int)), names=["same"])
    >>> fit.names, fit.coefficients.round(3), fit.se.round(3), round(fit.r_squared, 3)
    (('(intercept)', 'same'), array([2., 3.]), array([0.577, 0.816]), 0.771)
    """
    named, group = name_predictors(cells, names), constant_groups(cells, block_intercepts)
    constants = int(group.max()) + 1
    df = degrees_left(len(cells), len(named), constants)
    mean, y = _centred(cells, group, where_varies(block_intercepts))
    x = standardise(cells.predictors, cells.weights, group, names=named, where=where_varies(block_intercepts))
    total = cells.weights.sum()
    inverse = np.linalg.inv((x.z * cells.weights[:, None]).T @ x.z / total)
    slopes = inverse @ (x.z.T @ (cells.weights * y)) / total
    residuals = y - x.z @ slopes
    tss, rss = (float(cells.weights @ part**2) for part in (y, residuals))
    if rss <= 1e-20 * tss:
        raise ValueError(f"expected an outcome that is not a combination of {', '.join(map(repr, named))}; it is, exactly")
    bread, coefficients = inverse / np.outer(x.spread, x.spread) / total, slopes / x.spread
    if not block_intercepts:
        bread = with_intercept(bread, x.mean[0], total)
        coefficients = np.append(mean[0] - x.mean[0] @ coefficients, coefficients)
    return LinearFit(
        names=named if block_intercepts else (INTERCEPT, *named),
        coefficients=coefficients,
        se=np.sqrt(np.diag(bread) * rss / df),
        n=len(cells),
        df=df,
        rse=sqrt(rss / df),
        **_explained(tss, rss, len(named), df, len(cells) - constants),
        residuals=residuals,
        quantiles=np.quantile(residuals, QUANTILES),
        design=x.z * x.spread if block_intercepts else np.column_stack([np.ones(len(cells)), cells.predictors]),
        working_weights=cells.weights,
        bread=bread,
    )


def _centred(cells: Cells, group: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcome's means by group, (g,), and the outcome less these, (m,)."""
    groups = int(group.max()) + 1
    mean = group_sums(cells.weights * cells.outcome, group, groups) / group_sums(cells.weights, group, groups)
    y = cells.outcome - mean[group]
    if np.abs(y).max() <= SAME * np.abs(cells.outcome).max():
        raise ValueError(f"expected an outcome that varies{where}; it does not over {len(cells)} dyads")
    return mean, y


class _Explained(TypedDict):
    r_squared: float
    adjusted_r_squared: float
    f: float
    f_df: tuple[int, int]
    f_p: float


def _explained(tss: float, rss: float, predictors: int, df: int, free: int) -> _Explained:
    """Return what predictors explain; `free` are the degrees of freedom of the total sum of squares."""
    f = max((tss - rss) / predictors / (rss / df), 0.0)
    return {
        "r_squared": 1 - rss / tss,
        "adjusted_r_squared": 1 - rss / tss * free / df,
        "f": f,
        "f_df": (predictors, df),
        "f_p": f_tail(f, predictors, df),
    }
