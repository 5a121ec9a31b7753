"""Regression over dyads, tested by exchanging people: MRQAP, linear.

Nothing is refitted in a permutation. By Frisch, Waugh and Lovell the t-value of a permuted residual needs only its products
with the outcome and the other predictors, and these add up over blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.network_linear import LinearFit, linear_fit
from facevalue.stats.permutation import PermutationTest, batched_test, draw_permutations, permuted_products

METHODS = ("dsp", "y")


@dataclass(frozen=True, slots=True, eq=False)
class Mrqap:
    """A linear regression over dyads, and the test of each coefficient's t.

    Parameters
    ----------
    fit
        Of the dyads as they are.
    test
        Of the coefficients that were tested, in the fit's order.
    tested : (t,) int
        Which those are.
    """

    fit: LinearFit
    test: PermutationTest
    tested: np.ndarray


def mrqap(
    blocks: Sequence[Dyads],
    *,
    names: Sequence[str],
    directed: bool,
    permutations: int,
    seed: int,
    method: str = "dsp",
    block_intercepts: bool = False,
    stop: int | None = None,
    only: Sequence[str] | None = None,
    over: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Mrqap:
    """Regress an outcome of dyads on predictors, and test each coefficient by exchanging people within blocks.

    "dsp", double semi-partialling: the residual of `x_k` on the other predictors is permuted, the outcome regressed on the
    others and the permuted residual, and its t compared with the observed one. "y": the outcome is permuted, and every t
    compared; it fails where predictors are correlated with each other and with the outcome, as they mostly are.

    Parameters
    ----------
    blocks
        b blocks of people; people change places within a block only.
    names
        Of the p predictors.
    directed
        False wants symmetric blocks, and counts each dyad once.
    permutations, seed
        How many at most, and of the draws.
    method
        "dsp" or "y".
    block_intercepts
        Whether each block has a constant of its own, in place of one for all.
    stop
        See `permutation_test`; the permutations come in batches of 250, and end with that in which all are clear.
    only
        Names of the coefficients to test, which is quicker; None tests all.
    over
        The `map` of a pool of processes; the answer does not depend on it.
    progress
        Called with permutations done and in all.

    Raises
    ------
    ValueError
        As `cells` and `linear_fit` do, of an unknown method, without permutations, or with nothing to test.

    References
    ----------
    Dekker, Krackhardt, Snijders, Sensitivity of MRQAP tests to collinearity and autocorrelation conditions, Psychometrika 72,
    2007; Krackhardt, Social Networks 10, 1988 ("y").

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> x = draw.normal(size=(20, 20, 2))
    >>> found = mrqap([Dyads(x[..., 0] + 3 * draw.normal(size=(20, 20)), x)], names=["a", "b"], directed=True,
    ...               permutations=199, seed=1)
    >>> found.fit.coefficients.round(2), found.test.two_sided
    (array([-0.09,  0.91,  0.3 ]), array([0.465, 0.005, 0.055]))
    """
    counted = cells(blocks, directed=directed)
    fit = linear_fit(counted, names=names, block_intercepts=block_intercepts)
    tested = coefficients_to_test(fit.names, only, method)
    design = Design.of(blocks, counted, tested, block_intercepts=block_intercepts, halved=not directed)

    def draw(done: int, count: int) -> np.ndarray:
        tasks = [_Task(block, design, method, count, (seed, i, done)) for i, block in enumerate(blocks)]
        sums = [sum(parts) for parts in zip(*over(_block_sums, tasks), strict=True)]
        return _semi_partial(sums, design) if method == "dsp" else _refitted(sums, design)

    test = batched_test(fit.statistic[tested], draw, permutations=permutations, stop=stop, progress=progress)
    return Mrqap(fit, test, tested)


def coefficients_to_test(names: Sequence[str], only: Sequence[str] | None, method: str) -> np.ndarray:
    """Return the numbers of the coefficients to test, or say that there are none, or no such method."""
    if method not in METHODS:
        raise ValueError(f"expected method dsp or y, got {method!r}")
    tested = np.flatnonzero([only is None or name in only for name in names])
    if not tested.size:
        raise ValueError(f"expected coefficients to test out of {list(names)}, got {list(only or ())}")
    return tested


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Of columns constant, predictors, outcome (p + 2): their shifts and scales, and the residuals of each on the others.

    Parameters
    ----------
    mean, sd : (p + 1,) float64
        Of predictors and outcome.
    tested : (t,) int
        Numbers of the coefficients.
    residual : (p + 1, t) float64
        Weights of constant and standardised predictors in the residual of each of their columns.
    raw : (p + 2, p + 2) float64
        What makes the columns as given of the standardised ones.
    block_intercepts
        Whether each block has a constant, and `blocks` how many do.
    halved
        Whether dyads are undirected, so that each is counted twice in matrices.
    """

    mean: np.ndarray
    sd: np.ndarray
    tested: np.ndarray
    residual: np.ndarray
    raw: np.ndarray
    block_intercepts: bool
    halved: bool
    blocks: int

    @classmethod
    def of(cls, blocks: Sequence[Dyads], counted: Cells, tested: np.ndarray, *, block_intercepts: bool, halved: bool) -> Design:
        """Return the design of blocks, of which the cells that count are given."""
        values = np.column_stack([counted.predictors, counted.outcome])
        mean, sd = values.mean(0), values.std(0)
        sd = np.where(sd > 0, sd, 1.0)
        raw = np.diag(np.concatenate([[1.0], sd]))
        raw[0, 1:] = mean
        constants = len(np.unique(counted.block)) if block_intercepts else 0
        design = cls(mean, sd, tested, np.empty(0), raw, block_intercepts, halved, constants)
        return replace(design, residual=design._on_others(blocks)[:, tested])

    def columns(self, block: Dyads) -> np.ndarray:
        """Return constant and standardised predictors of a block, (n, n, p + 1); 0 where one is not known."""
        known = block.predicted
        columns = np.zeros((*known.shape, len(self.mean)))
        columns[known, 0], columns[known, 1:] = 1, (block.predictors[known] - self.mean[:-1]) / self.sd[:-1]
        if self.block_intercepts and known.any():
            columns[known, 1:] -= columns[known, 1:].mean(0)
        return columns

    def _on_others(self, blocks: Sequence[Dyads]) -> np.ndarray:
        """Return the weights of columns in the residual of each by least squares on the others, (p + 1, q)."""
        size = len(self.mean)
        flat = (self.columns(block).reshape(-1, size) for block in blocks)
        square = np.sum([columns.T @ columns for columns in flat], axis=0)
        first = 1 if self.block_intercepts else 0
        inverse = np.linalg.inv(square[first:, first:])
        residual = np.zeros((size, size))
        residual[first:, first:] = inverse / np.diag(inverse)
        if not self.block_intercepts:
            own = self.raw[:-1, :-1]
            inverse = np.linalg.inv(own.T @ square @ own)
            residual[:, 0] = own @ inverse[:, 0] / inverse[0, 0]
        return residual[:, first:]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One block, and the permutations wanted of it."""

    block: Dyads
    design: Design
    method: str
    count: int
    seed: tuple[int, ...]


def _block_sums(task: _Task) -> tuple[np.ndarray, ...]:
    """Return what a block adds for each permutation: products of columns (r or 1, c, c), dyads (r or 1,); and of "dsp" the
    products of permuted residuals with columns (r, q, c), and of each with itself (r, q).
    """
    block, design = task.block, task.design
    columns = design.columns(block)
    known = block.known if task.method == "dsp" else block.observed
    weights = block.weigh(known)
    outcome = np.where(known, (block.outcome - design.mean[-1]) / design.sd[-1], 0)
    order = draw_permutations(len(block), task.count, seed=task.seed)
    if task.method == "y":
        sums = _moved_outcome(outcome, weights, columns, order)
    else:
        sums = _moved_residuals(outcome, weights, columns, columns @ design.residual, order)
    if design.block_intercepts:
        sums = _without_constant(*sums)
    return tuple(part / 2 for part in sums) if design.halved else sums


def _moved_residuals(
    outcome: np.ndarray, weights: np.ndarray, columns: np.ndarray, residuals: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, ...]:
    everything = np.concatenate([columns, outcome[..., None]], axis=2)
    fixed, there = everything * weights[..., None], columns[..., 0]
    c, q, even = everything.shape[2], residuals.shape[2], bool((weights == there).all())
    whole = bool(there.sum() == len(there) * (len(there) - 1))
    if even and whole:
        sums = permuted_products(residuals, fixed, order)
        alone = np.broadcast_to((residuals**2).sum((0, 1)), (len(order), q))
        return _square(everything, fixed), np.array([there.sum()]), sums, alone
    moved = np.concatenate([residuals, residuals**2, there[..., None]], axis=2)
    rows, cols = np.triu_indices(c)
    if not whole:
        fixed = np.concatenate([fixed, everything[..., rows] * fixed[..., cols], (weights > 0)[..., None]], axis=2)
    sums = permuted_products(moved, fixed, order)
    if whole:
        return _square(everything, fixed), np.array([(weights > 0).sum()]), sums[:, :q, :c], sums[:, q : 2 * q, 0]
    return with_columns(sums[:, -1, c:-1], c), sums[:, -1, -1], sums[:, :q, :c], sums[:, q : 2 * q, 0]


def _moved_outcome(outcome: np.ndarray, weights: np.ndarray, columns: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, ...]:
    rows, cols = np.triu_indices(columns.shape[2])
    products = columns[..., rows] * columns[..., cols]
    moved = np.stack([weights, weights * outcome, weights * outcome**2, weights > 0], axis=2)
    sums = permuted_products(moved, products, order)
    c = columns.shape[2]
    square = np.empty((len(order), c + 1, c + 1))
    square[:, :c, :c] = with_columns(sums[:, 0], c)
    square[:, c, :c] = square[:, :c, c] = sums[:, 1, rows == 0]
    square[:, c, c] = sums[:, 2, 0]
    return square, sums[:, 3, 0]


def _square(columns: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    c = columns.shape[2]
    return np.asarray((columns.reshape(-1, c).T @ weighted[..., :c].reshape(-1, c))[None])


def with_columns(upper: np.ndarray, c: int) -> np.ndarray:
    """Return symmetric matrices of their upper triangles, (r, c, c) of (r, c (c + 1) / 2)."""
    full = np.empty((len(upper), c, c))
    rows, cols = np.triu_indices(c)
    full[:, rows, cols] = full[:, cols, rows] = upper
    return full


def _without_constant(
    square: np.ndarray, dyads: np.ndarray, products: np.ndarray | None = None, alone: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Return the sums after the mean of the block is taken off every column, whose first, the constant, is then gone."""
    size = np.maximum(square[:, 0, 0], 1e-300)
    less = square[:, 1:, 1:] - square[:, 1:, :1] * square[:, :1, 1:] / size[:, None, None]
    if products is None or alone is None:
        return less, dyads
    share = products[:, :, 0] / size[:, None]
    return less, dyads, products[:, :, 1:] - share[..., None] * square[:, :1, 1:], alone - share * products[:, :, 0]


def _semi_partial(sums: Sequence[np.ndarray], design: Design) -> np.ndarray:
    """Return the t of every permuted residual beside the other columns, (r, t)."""
    square, dyads, products, alone = sums
    q = square.shape[1] - 1
    found = np.empty((len(products), len(design.tested)))
    for at, k in enumerate(design.tested):
        own, moved = square, products[:, at]
        if k == 0 and not design.block_intercepts:
            own, moved = design.raw.T @ square @ design.raw, moved @ design.raw
        others = np.delete(np.arange(q), k)
        among, with_outcome = own[:, others[:, None], others], own[:, others, -1]
        kept = np.broadcast_to(among, (len(products), *among.shape[1:]))
        solved = np.linalg.solve(kept, np.stack(np.broadcast_arrays(moved[:, others], with_outcome), axis=2))
        size = alone[:, at] - (moved[:, others] * solved[..., 0]).sum(1)
        covaried = moved[:, -1] - (moved[:, others] * solved[..., 1]).sum(1)
        left = own[:, -1, -1] - (with_outcome * solved[..., 1]).sum(1)
        found[:, at] = _t(covaried, size, left, dyads - q - design.blocks)
    return found


def _t(covaried: np.ndarray, size: np.ndarray, left: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return `b / se` with `b = covaried / size`; endless where a permuted residual lies within the other columns."""
    inside = size <= 1e-9 * np.max(size)
    size = np.where(inside, 1, size)
    b = covaried / size
    variance = np.maximum(left - b * covaried, 1e-300) / df / size
    return np.asarray(np.where(inside, np.inf, b / np.sqrt(variance)))


def _refitted(sums: Sequence[np.ndarray], design: Design) -> np.ndarray:
    """Return the t of every tested column with a permuted outcome, (r, t)."""
    square, dyads = sums
    q = square.shape[1] - 1
    inverse = np.linalg.inv(square[:, :q, :q])
    b = (inverse @ square[:, :q, q:])[..., 0]
    variance = np.maximum(square[:, q, q] - (b * square[:, :q, q]).sum(1), 1e-300) / (dyads - q - design.blocks)
    t = b / np.sqrt(variance[:, None] * np.einsum("rkk->rk", inverse))
    if not design.block_intercepts:
        back = np.concatenate([[1.0], -design.mean[:-1] / design.sd[:-1]])
        spread = np.sqrt(variance * np.einsum("i,rij,j->r", back, inverse, back))
        t[:, 0] = (b @ back + design.mean[-1] / design.sd[-1]) / spread
    return np.asarray(t[:, design.tested])
