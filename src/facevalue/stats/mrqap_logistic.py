"""Logistic regression over dyads, tested by exchanging people: MRQAP, logistic.

Every permutation is a fit of its own. Fits are found by the hundred, by Newton's method from where the fit without the permuted
column ends; the first step is much the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.logits import Logits, fit_logits
from facevalue.stats.mrqap import METHODS
from facevalue.stats.network_fits import LogisticFit, logistic_fit
from facevalue.stats.permutation import PermutationTest, draw_permutations, permutation_test

BATCH = 250
NUMBERS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class MrqapLogistic:
    """A logistic regression over dyads, and the test of each coefficient's z.

    Parameters
    ----------
    fit
        Of the dyads as they are.
    test
        Of the coefficients in the fit's order.
    separated : (q,) int
        Under how many permutations outcomes were separated, so that the root of the drop in deviance stood in for z.
    """

    fit: LogisticFit
    test: PermutationTest
    separated: np.ndarray


def mrqap_logistic(
    blocks: Sequence[Dyads],
    *,
    names: Sequence[str],
    directed: bool,
    permutations: int,
    seed: int,
    method: str = "dsp",
    block_intercepts: bool = False,
    stop: int | None = None,
    over: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MrqapLogistic:
    """Regress ties on predictors by logistic regression, and test each coefficient by exchanging people within blocks.

    "dsp", double semi-partialling: the residual of `x_k` on the other predictors, by least squares over all dyads whose
    predictors are known, is permuted, the outcome regressed on the others and the permuted residual, and its z compared with
    the observed one. "y": the outcome is permuted, and every z compared; it fails where predictors are correlated. What is
    not known moves with its people, and does not count where it lands.

    Where permuted outcomes are separated, b is endless and b / se tends to 0 whatever the data say. There the statistic is
    `sign(b) sqrt(deviance without the column - deviance with it)`, which is finite, and larger than z near separation, so that
    p is rather too large than too small. Where a permuted residual lies within the other columns, it is endless.

    Parameters
    ----------
    blocks
        b blocks of people; people change places within a block only. Outcomes are 0, 1 or NaN.
    names
        Of the p predictors.
    directed
        False wants symmetric blocks, and counts each dyad once.
    permutations, seed
        How many at most, and of the draws.
    method
        "dsp" or "y".
    block_intercepts
        Whether each block has a constant of its own, in place of one for all; blocks whose outcomes are all alike are left out.
    stop
        See `permutation_test`; the permutations come in batches of 250, and end with that in which all are clear.
    over
        The `map` of a pool of processes or threads; the answer does not depend on it.
    progress
        Called with permutations done and in all.

    Returns
    -------
    MrqapLogistic
        Each z is that of the largest likelihood to about 1e-7.

    Raises
    ------
    ValueError
        As `cells` and `logistic_fit` do, of an unknown method, or without permutations.

    References
    ----------
    Dekker, Krackhardt, Snijders, Sensitivity of MRQAP tests to collinearity and autocorrelation conditions, Psychometrika 72,
    2007; z under separation: Hauck, Donner, Wald's test as applied to hypotheses in logit analysis, JASA 72, 1977.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> x = draw.normal(size=(20, 20, 2))
    >>> tie = (x[..., 0] + 2 * draw.normal(size=(20, 20)) > 1).astype(float)
    >>> found = mrqap_logistic([Dyads(tie, x)], names=["a", "b"], directed=True, permutations=199, seed=1)
    >>> found.fit.names, found.fit.coefficients.round(2), found.test.two_sided
    """
    if method not in METHODS or permutations < 1:
        raise ValueError(f"expected method dsp or y and 1 permutation or more, got {method!r} and {permutations}")
    counted = cells(blocks, directed=directed)
    fit = logistic_fit(counted, names=names, block_intercepts=block_intercepts)
    plan = _plan(blocks, counted, fit, method=method, directed=directed, block_intercepts=block_intercepts)
    null, separated = np.empty((0, len(fit.names))), np.zeros(len(fit.names), int)
    while len(null) < permutations and (stop is None or not _clear(fit.statistic, null, stop)):
        order = _order(blocks, min(BATCH, permutations - len(null)), (seed, len(null)))
        parts = [order[start : start + plan.at_once] for start in range(0, len(order), plan.at_once)]
        found = list(over(_permuted, [plan] * len(parts), parts))
        null = np.concatenate([null, *(statistic for statistic, _ in found)])
        separated += sum(number for _, number in found)
        progress(len(null), permutations)
    return MrqapLogistic(fit, permutation_test(fit.statistic, null, stop=stop), separated)


def _clear(statistic: np.ndarray, null: np.ndarray, stop: int) -> bool:
    return bool(len(null) and (permutation_test(statistic, null, stop=stop).permutations < len(null)).all())


def _order(blocks: Sequence[Dyads], count: int, seed: tuple[int, int]) -> np.ndarray:
    """Return permutations of the people of all blocks within these, (count, people)."""
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    drawn = [
        start + draw_permutations(len(block), count, seed=(seed[0], i, seed[1]))
        for i, (start, block) in enumerate(zip(starts, blocks, strict=False))
    ]
    return np.concatenate(drawn, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What does not change from one permutation to the next.

    model
        Of the dyads as they are, all columns and the observed outcome.
    ego, alter : (m,)
        People of the places that count.
    row, column : (people,)
        Cell (i, j) of the blocks laid out flat is row[i] + column[j].
    moving : (c, cells)
        Residuals of the c coefficients' columns; or the outcome alone. 0 where not known.
    weight : (cells,), optional
        That moves with it; None where all that counts weighs 1.
    starts
        Where each search starts.
    """

    model: Logits
    ego: np.ndarray
    alter: np.ndarray
    row: np.ndarray
    column: np.ndarray
    moving: np.ndarray
    weight: np.ndarray | None
    raw: np.ndarray
    method: str
    starts: tuple[np.ndarray, ...] = ()

    @property
    def at_once(self) -> int:
        """How many permutations to fit together."""
        return int(np.clip(NUMBERS // len(self.ego), 4, BATCH))

    def term(self, k: int) -> Logits:
        """Return the model without coefficient k; columns as given where that is the constant."""
        less = self.model.without(k)
        return replace(less, shift=self.raw) if self.raw is not None and k == 0 else less


def _plan(
    blocks: Sequence[Dyads], counted: Cells, fit: LogisticFit, *, method: str, directed: bool, block_intercepts: bool
) -> _Plan:
    """Return the plan of a test."""
    if method == "y":
        counted = cells([Dyads(np.zeros(block.outcome.shape), block.predictors) for block in blocks], directed=directed)
        known = [block.known for block in blocks]
        moving = _flat(np.where(there, block.outcome, 0) for there, block in zip(known, blocks, strict=True))[None]
        heavy = (there if block.weights is None else there * block.weights for there, block in zip(known, blocks, strict=True))
        weight = _flat(heavy)
    else:
        moving, weight = _residuals(blocks, constant=not block_intercepts), _flat(_predicted(block) for block in blocks)
    sizes = np.array([len(block) for block in blocks])
    column = np.concatenate([np.arange(n) for n in sizes])
    row = np.repeat(np.cumsum(sizes**2) - sizes**2, sizes) + column * np.repeat(sizes, sizes)
    kept = ~np.isin(counted.block, fit.left_out_blocks)
    model, raw = _model(counted, kept, block_intercepts=block_intercepts)
    whole = weight.sum() == (sizes * (sizes - 1)).sum() and weight.max() == 1
    weight = None if whole else weight
    plan = _Plan(model, counted.ego[kept], counted.alter[kept], row, column, moving, weight, raw, method)
    if method == "y":
        rate = fit.contingency[:, 1].sum() / fit.contingency.sum()
        start = np.zeros(len(model.fixed) + model.constants)
        start[0 if raw is not None else len(model.fixed) :][: max(1, model.constants)] = np.log(rate / (1 - rate))
        return replace(plan, starts=(start,))
    return replace(plan, starts=tuple(_null(plan.term(k)) for k in range(len(moving))))


def _model(counted: Cells, kept: np.ndarray, *, block_intercepts: bool) -> tuple[Logits, np.ndarray | None]:
    """Return the model over the places kept, and what makes its columns those given, but for their scale."""
    x, weights = counted.predictors[kept], counted.weights[kept]
    mean, sd = x.mean(0), x.std(0)
    sd = np.where(sd > 0, sd, 1)
    outcome, even = counted.outcome[kept][None], None if (weights == 1).all() else weights[None]
    if block_intercepts:
        starts = np.flatnonzero(np.diff(counted.block[kept], prepend=-1))
        return Logits(np.ascontiguousarray(((x - mean) / sd).T), outcome, even, groups=np.append(starts, len(x))), None
    columns = np.vstack([np.ones(len(x)), ((x - mean) / sd).T])
    return Logits(columns, outcome, even), np.concatenate([[0], mean / sd])


def _null(less: Logits) -> np.ndarray:
    """Return the coefficients without a column, and 0 for what is put in its place."""
    slopes = len(less.kept)
    found = fit_logits(less, np.zeros(slopes + less.constants)).coefficients[0]
    return np.insert(found, slopes, 0)


def _predicted(block: Dyads) -> np.ndarray:
    """Return which cells have all predictors, (n, n) bool."""
    known = np.isfinite(block.predictors).all(2)
    known[np.diag_indices(len(block))] = False
    return known


def _flat(matrices: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(matrix, np.float64).ravel() for matrix in matrices])


def _residuals(blocks: Sequence[Dyads], *, constant: bool) -> np.ndarray:
    """Return what is left of each column by least squares on the others, (c, cells): 0 where not known.

    The constant comes first; without it, columns are less their blocks' means. With X = QR, the residual of a column on the
    others lies along that of X (X'X)^-1 = Q R'^-1.
    """
    known = [_predicted(block) for block in blocks]
    parts = [block.predictors[there] for block, there in zip(blocks, known, strict=True)]
    x = np.concatenate(parts if constant else [part - part.mean(0) for part in parts if len(part)])
    sd = x.std(0)
    x = x / np.where(sd > 0, sd, 1)
    q, r = np.linalg.qr(np.column_stack([np.ones(len(x)), x]) if constant else x)
    inverse = np.linalg.inv(r)
    found = np.zeros((len(r), sum(len(block) ** 2 for block in blocks)))
    found[:, _flat(known) > 0] = (q @ (inverse.T / (inverse**2).sum(1))).T
    return found


def _permuted(plan: _Plan, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics under permutations, (r, q), and how many of each stand for separated outcomes, (q,)."""
    at = plan.row[order].take(plan.ego, axis=1) + plan.column[order].take(plan.alter, axis=1)
    weights = plan.model.weights
    if plan.weight is not None:
        weights = plan.weight.take(at) * (1 if weights is None else weights)
    if plan.method == "y":
        outcome = plan.moving[0].take(at)
        fits = [fit_logits(replace(plan.model, outcome=outcome, weights=weights, shift=plan.raw), plan.starts[0])]
    else:
        fits = [
            fit_logits(replace(plan.term(k), weights=weights, moved=column.take(at)), start)
            for k, (column, start) in enumerate(zip(plan.moving, plan.starts, strict=True))
        ]
    return np.hstack([fit.statistic for fit in fits]), np.concatenate([fit.separated.sum(0) for fit in fits])
