"""Logistic regression over dyads: the largest likelihood, with what R prints of it.

Standard errors here take dyads as independent, which they are not: for errors and p-values that do not, see dyadic-robust
errors and permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from facevalue.stats.chi_squared import chi_squared_tail
from facevalue.stats.dyads import Cells
from facevalue.stats.newton import Logit, maximise
from facevalue.stats.predictors import (
    INTERCEPT,
    Standardised,
    constant_groups,
    degrees_left,
    group_sums,
    name_predictors,
    standardise,
    where_varies,
    with_intercept,
)

PRINTED = (
    "null_deviance",
    "intercept_deviance",
    "deviance",
    "df",
    "chi_squared",
    "chi_squared_p",
    "aic",
    "bic",
    "pseudo_r_squared",
    "pseudo_r_squared_mcfadden",
    "fraction_correct",
    "base_rate",
)


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """A logistic regression over m dyads with q coefficients.

    Parameters
    ----------
    names
        "(intercept)" first, unless each block has one of its own.
    coefficients, se : (q,) float64
        Logarithms of odds ratios; se takes dyads as independent.
    n, df
        Dyads that count; and those less the coefficients, and less the blocks where each has a constant.
    weight
        Of the dyads that count; n where all weigh 1.
    deviance
        `-2 log L`.
    null_deviance
        As R's sna prints it, of p = 1/2 for every dyad: `2 weight log 2`. Not that of a model of an intercept alone.
    intercept_deviance
        That of a model of an intercept alone, or of the blocks' constants.
    contingency : (2, 2) float64
        Weights by prediction (rows: p < 1/2, p >= 1/2) and outcome (columns: 0, 1).
    probability : (m,) float64
        Of an outcome of 1; the outcome itself in blocks that are left out.
    residuals : (m,) float64
        Outcome less probability.
    design : (m, q) float64
        Columns of the coefficients; where each block has a constant, less the block's mean, weighted by w p (1 - p), and 0 in
        blocks that are left out.
    working_weights : (m,) float64
        w p (1 - p); 0 in blocks that are left out.
    bread : (q, q) float64
        The inverse Hessian.
    left_out_blocks
        Numbers of blocks whose outcomes are all 0 or all 1; their constants are infinite, and tell nothing of the others.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    se: np.ndarray
    n: int
    df: int
    weight: float
    deviance: float
    null_deviance: float
    intercept_deviance: float
    contingency: np.ndarray
    probability: np.ndarray
    residuals: np.ndarray
    design: np.ndarray
    working_weights: np.ndarray
    bread: np.ndarray
    left_out_blocks: tuple[int, ...] = ()

    @property
    def left_out(self) -> int:
        """How many blocks are left out."""
        return len(self.left_out_blocks)

    @property
    def statistic(self) -> np.ndarray:
        """The z of each coefficient, (q,)."""
        return np.asarray(self.coefficients / self.se)

    @property
    def exponentiated(self) -> np.ndarray:
        """The odds ratios, (q,)."""
        return np.asarray(np.exp(self.coefficients))

    @property
    def chi_squared(self) -> float:
        """Null deviance less deviance, with n - df degrees of freedom."""
        return self.null_deviance - self.deviance

    @property
    def chi_squared_p(self) -> float:
        """The chance of so large a chi-squared where every p is 1/2."""
        return chi_squared_tail(max(self.chi_squared, 0.0), self.n - self.df)

    @property
    def aic(self) -> float:
        """Deviance and twice the number of coefficients and constants."""
        return self.deviance + 2 * (self.n - self.df)

    @property
    def bic(self) -> float:
        """Deviance and the number of coefficients and constants, times the logarithm of the weight."""
        return self.deviance + log(self.weight) * (self.n - self.df)

    @property
    def pseudo_r_squared(self) -> float:
        """`(Dn - D) / (Dn - D + weight)`."""
        return self.chi_squared / (self.chi_squared + self.weight)

    @property
    def pseudo_r_squared_mcfadden(self) -> float:
        """`(Dn - D) / Dn`, Dn of p = 1/2."""
        return self.chi_squared / self.null_deviance

    @property
    def fraction_correct(self) -> float:
        """The share of dyads on the right side of p = 1/2; see the base rate beside it."""
        return float(np.trace(self.contingency) / self.contingency.sum())

    @property
    def base_rate(self) -> float:
        """The share of the more frequent outcome: what guessing it always gets right."""
        return float(self.contingency.sum(0).max() / self.contingency.sum())

    @property
    def ones_correct(self) -> float | None:
        """The share of predicted ones that are; None where none is predicted."""
        return _share(self.contingency[1, 1], self.contingency[1].sum())

    @property
    def zeros_correct(self) -> float | None:
        """The share of predicted zeros that are; None where none is predicted."""
        return _share(self.contingency[0, 0], self.contingency[0].sum())

    @property
    def false_negative_rate(self) -> float:
        """The share of ones that are predicted 0."""
        return float(self.contingency[0, 1] / self.contingency[:, 1].sum())

    @property
    def false_positive_rate(self) -> float:
        """The share of zeros that are predicted 1."""
        return float(self.contingency[1, 0] / self.contingency[:, 0].sum())

    @property
    def printed(self) -> dict[str, float]:
        """What R prints below the coefficients, by name; and the base rate and the deviance of an intercept."""
        return {name: float(getattr(self, name)) for name in PRINTED}


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def logistic_fit(cells: Cells, *, names: Sequence[str] = (), block_intercepts: bool = False) -> LogisticFit:
    """Return the logistic regression over dyads of the largest likelihood: `log odds = X b`.

    With block_intercepts each block has a constant, taken out by the Schur complement; blocks whose outcomes are all alike
    are left out and named. In blocks of few dyads such constants blow coefficients up; from some tens of dyads on, little.

    Parameters
    ----------
    cells
        Of m dyads, outcomes 0 or 1; a weight that is a whole number is as many copies.
    names
        Of the p predictors; x1, x2 and so on where none are given.
    block_intercepts
        Whether each block has a constant of its own, in place of one intercept.

    Returns
    -------
    LogisticFit
        Coefficients, model errors and what R prints.

    Raises
    ------
    ValueError
        Outcomes other than 0 and 1, or all alike; a predictor that does not vary, is a combination of others, or separates
        the outcomes; no more dyads than coefficients.

    References
    ----------
    McCullagh, Nelder, Generalized linear models, 1989, section 4.4; Albert, Anderson, On the existence of maximum likelihood
    estimates in logistic regression models, Biometrika 71, 1984.

    Examples
    --------
    >>> ego, alter = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3])
    >>> x, y = np.array([[0.0], [0], [0], [1], [1], [1]]), np.array([0.0, 0, 1, 0, 1, 1])
    >>> fit = logistic_fit(Cells(y, x, np.ones(6), ego, alter, np.zeros(6, int)), names=["same"])
    >>> fit.exponentiated.round(3), fit.se.round(3), round(fit.deviance, 3), round(fit.null_deviance, 3)
    (array([0.5, 4. ]), array([1.225, 1.732]), 7.638, 8.318)
    """
    named, group = name_predictors(cells, names), constant_groups(cells, block_intercepts)
    if (other := cells.outcome[(cells.outcome != 0) & (cells.outcome != 1)]).size:
        raise ValueError(f"expected outcomes of 0 or 1 for a logistic model, got {other[0]:g}")
    kept, left_out = _varying(cells, group)
    within = np.unique(group[kept], return_inverse=True)[1].reshape(-1)
    y, w = cells.outcome[kept], cells.weights[kept]
    df = degrees_left(len(y), len(named), int(within.max()) + 1)
    x = standardise(cells.predictors[kept], w, within, names=named, where=where_varies(block_intercepts))
    found = maximise(x.z, y, w, within, names=named)
    coefficients, design, bread = _unscaled(found, x, within, block_intercepts)
    predicted = (found.probability >= 0.5).astype(int)
    return LogisticFit(
        names=named if block_intercepts else (INTERCEPT, *named),
        coefficients=coefficients,
        se=np.sqrt(np.diag(bread)),
        n=len(y),
        df=df,
        weight=float(w.sum()),
        deviance=found.deviance,
        null_deviance=2 * log(2) * float(w.sum()),
        intercept_deviance=_constant_deviance(y, w, within),
        contingency=np.bincount(2 * predicted + y.astype(int), w, 4).reshape(2, 2),
        probability=_spread(found.probability, kept, cells.outcome),
        residuals=_spread(y - found.probability, kept, np.zeros(len(cells))),
        design=_spread(design, kept, np.zeros((len(cells), len(coefficients)))),
        working_weights=_spread(w * found.probability * (1 - found.probability), kept, np.zeros(len(cells))),
        bread=bread,
        left_out_blocks=left_out,
    )


def _varying(cells: Cells, group: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return which cells are of groups that have outcomes of both kinds, (m,) bool, and the blocks that have not."""
    groups = int(group.max()) + 1
    sizes, ones = np.bincount(group, minlength=groups), group_sums(cells.outcome, group, groups)
    kept = ((ones > 0) & (ones < sizes))[group]
    if not kept.any():
        where = "" if groups == 1 else " within any block"
        raise ValueError(f"expected outcomes of 0 and of 1{where}, got one kind alone over {len(cells)} dyads")
    return kept, tuple(int(block) for block in np.unique(cells.block[~kept]))


def _unscaled(
    found: Logit, x: Standardised, group: np.ndarray, block_intercepts: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, design and inverse Hessian in the predictors' units, with the intercept unless blocks have it."""
    slopes, bread = found.slopes / x.spread, np.linalg.inv(found.information) / np.outer(x.spread, x.spread)
    if block_intercepts:
        return slopes, (x.z - found.mean[group]) * x.spread, bread
    coefficients = np.append(found.constants[0] - x.mean[0] @ slopes, slopes)
    design = np.column_stack([np.ones(len(x.z)), x.z * x.spread + x.mean[0]])
    return coefficients, design, with_intercept(bread, x.mean[0] + found.mean[0] * x.spread, float(found.total[0]))


def _spread(values: np.ndarray, kept: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return values, one a row that is kept, among others, which stand for the rest."""
    if kept.all():
        return values
    whole = others.copy()
    whole[kept] = values
    return whole


def _constant_deviance(y: np.ndarray, weights: np.ndarray, group: np.ndarray) -> float:
    """Return the deviance of each group's share of ones, none of them 0 or 1."""
    groups = int(group.max()) + 1
    ones, size = group_sums(weights * y, group, groups), group_sums(weights, group, groups)
    return float(-2 * (ones * np.log(ones / size) + (size - ones) * np.log1p(-ones / size)).sum())
