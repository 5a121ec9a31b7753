"""Logistic regression over dyads, tested by exchanging people: MRQAP, logistic.

Every permutation is a fit of its own. Fits are found by the hundred, by Newton's method from where the fit without the permuted
column ends; the first step is much the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.logits import Logits, fit_logits
from facevalue.stats.mrqap import Design, coefficients_to_test
from facevalue.stats.network_logistic import LogisticFit, logistic_fit
from facevalue.stats.permutation import BATCH, PermutationTest, batched_test, draw_permutations
from facevalue.stats.predictors import INTERCEPT

NUMBERS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class MrqapLogistic:
    """A logistic regression over dyads, and the test of each coefficient's z.

    Parameters
    ----------
    fit
        Of the dyads as they are.
    test
        Of the t coefficients tested, in the fit's order.
    separated : (t,) int
        Under how many permutations outcomes were separated, so that the root of the drop in deviance stood in for z.
    tested : (t,) int
        Which coefficients these are.
    """

    fit: LogisticFit
    test: PermutationTest
    separated: np.ndarray
    tested: np.ndarray


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
    only: Sequence[str] | None = None,
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
    only
        Names of the coefficients to test, which is quicker; None tests all.
    over
        The `map` of a pool of processes or threads; the answer does not depend on it.
    progress
        Called with permutations done and in all.

    Returns
    -------
    MrqapLogistic
        Each z is that of the largest likelihood to about 1e-6.

    Raises
    ------
    ValueError
        As `cells` and `logistic_fit` do, of an unknown method, without permutations, or with nothing to test.

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
    (('(intercept)', 'a', 'b'), array([-0.89,  0.92,  0.34]), array([0.36 , 0.005, 0.015]))
    """
    counted = cells(blocks, directed=directed)
    fit = logistic_fit(counted, names=names, block_intercepts=block_intercepts)
    tested = coefficients_to_test(fit.names, only, method)
    if method == "dsp":
        plan = _moved_residuals(blocks, counted, fit, tested)
    else:
        plan = _moved_outcome(blocks, counted, fit, directed=directed)
    columns, separated = slice(None) if method == "dsp" else tested, np.zeros(len(tested), int)

    def draw(done: int, count: int) -> np.ndarray:
        order = _order(blocks, count, (seed, done))
        tasks = [(plan, order[start : start + plan.at_once]) for start in range(0, len(order), plan.at_once)]
        found = list(over(_permuted, tasks))
        separated[...] += sum(apart[columns] for _, apart in found)
        return np.concatenate([statistic[:, columns] for statistic, _ in found])

    test = batched_test(fit.statistic[tested], draw, permutations=permutations, stop=stop, progress=progress)
    return MrqapLogistic(fit, test, separated, tested)


def _order(blocks: Sequence[Dyads], count: int, seed: tuple[int, int]) -> np.ndarray:
    """Return permutations of the people of all blocks within these, (count, people)."""
    drawn, start = [], 0
    for i, block in enumerate(blocks):
        drawn.append(start + draw_permutations(len(block), count, seed=(seed[0], i, seed[1])))
        start += len(block)
    return np.concatenate(drawn, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What stays from one permutation to the next; cell (i, j) of the blocks laid out flat is `row[i] + column[j]`.

    models
        What to fit: one for each coefficient, whose own column moves, or one in all, whose outcome moves.
    starts
        Where to start.
    ego, alter : (m,)
        People of the places that count.
    row, column : (people,)
    moving : (models, cells)
        0 where not known.
    weight : (cells,), optional
        Moves along; None where all that counts weighs 1.
    """

    models: tuple[Logits, ...]
    starts: tuple[np.ndarray, ...]
    ego: np.ndarray
    alter: np.ndarray
    row: np.ndarray
    column: np.ndarray
    moving: np.ndarray
    weight: np.ndarray | None

    @property
    def at_once(self) -> int:
        """How many permutations to fit together."""
        return int(np.clip(NUMBERS // len(self.ego), 4, BATCH // 2))


def _laid_out(blocks: Sequence[Dyads]) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of a plan."""
    sizes = np.array([len(block) for block in blocks])
    column = np.concatenate([np.arange(n) for n in sizes])
    return np.repeat(np.cumsum(sizes**2) - sizes**2, sizes) + column * np.repeat(sizes, sizes), column


def _uneven(weight: np.ndarray, people: int) -> np.ndarray | None:
    """Return the weights of cells laid out flat; None where all off the diagonals are 1."""
    return None if weight.max() == 1 and weight.sum() == len(weight) - people else weight


def _moved_residuals(blocks: Sequence[Dyads], counted: Cells, fit: LogisticFit, tested: np.ndarray) -> _Plan:
    """Return the plan of double semi-partialling; in the model of the intercept the other columns are as given."""
    constant, (row, column) = fit.names[0] == INTERCEPT, _laid_out(blocks)
    places = _only(counted, ~np.isin(counted.block, fit.left_out_blocks))
    model, mean = _model(places, constant=constant)
    models = [replace(model.without(k), shift=mean if constant and k == 0 else None) for k in tested]
    ends = [fit_logits(less, np.zeros(len(less.kept) + less.constants)).coefficients[0] for less in models]
    starts = [np.insert(end, len(less.kept), 0) for less, end in zip(models, ends, strict=True)]
    design = Design.of(blocks, counted, tested, block_intercepts=not constant, halved=False)
    moving = np.concatenate([(design.columns(block) @ design.residual).reshape(-1, len(tested)) for block in blocks]).T
    weight = _uneven(_flat(block.predicted for block in blocks), len(row))
    return _Plan(tuple(models), tuple(starts), places.ego, places.alter, row, column, np.ascontiguousarray(moving), weight)


def _moved_outcome(blocks: Sequence[Dyads], counted: Cells, fit: LogisticFit, *, directed: bool) -> _Plan:
    """Return the plan of permuting the outcome, over all places whose predictors are known; it takes its weight along."""
    constant, (row, column) = fit.names[0] == INTERCEPT, _laid_out(blocks)
    outcome = _flat(np.where(block.observed, block.outcome, 0) for block in blocks)
    weight = _flat(block.weigh(block.observed) for block in blocks)
    places = cells([Dyads(np.zeros(block.outcome.shape), block.predictors) for block in blocks], directed=directed)
    places = _only(places, ~np.isin(places.block, fit.left_out_blocks))
    model, mean = _model(places, constant=constant)
    start = np.zeros(len(model.fixed) + model.constants)
    ones = counted.weights @ counted.outcome
    start[[0] if constant else slice(len(model.fixed), None)] = np.log(ones / (counted.weights.sum() - ones))
    models, uneven = (replace(model, shift=mean),), _uneven(weight, len(row))
    return _Plan(models, (start,), places.ego, places.alter, row, column, outcome[None], uneven)


def _only(places: Cells, kept: np.ndarray) -> Cells:
    return Cells(*(getattr(places, field.name)[kept] for field in fields(places)))


def _model(places: Cells, *, constant: bool) -> tuple[Logits, np.ndarray]:
    """Return the model of places, with 1 as its first column or a constant a block, and what was taken off its columns."""
    mean, sd = places.predictors.mean(0), places.predictors.std(0)
    sd = np.where(sd > 0, sd, 1)
    columns = np.ascontiguousarray(((places.predictors - mean) / sd).T)
    weights = None if (places.weights == 1).all() else places.weights[None]
    if constant:
        columns = np.vstack([np.ones(len(places)), columns])
        return Logits(columns, places.outcome[None], weights), np.concatenate([[0], mean / sd])
    ends = np.append(np.flatnonzero(np.diff(places.block, prepend=-1)), len(places))
    return Logits(columns, places.outcome[None], weights, groups=ends), np.zeros(len(mean))


def _flat(matrices: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(matrix, np.float64).ravel() for matrix in matrices])


def _permuted(task: tuple[_Plan, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics under permutations, (r, q), and how many of each stand for separated outcomes, (q,)."""
    plan, order = task
    at = plan.row[order].take(plan.ego, axis=1) + plan.column[order].take(plan.alter, axis=1)
    weights, fits = plan.models[0].weights, []
    if plan.weight is not None:
        weights = plan.weight.take(at) * (1 if weights is None else weights)
    for model, start, source in zip(plan.models, plan.starts, plan.moving, strict=True):
        moved = source.take(at)
        told = {"moved": moved} if len(start) > len(model.kept) + model.constants else {"outcome": moved}
        fits.append(fit_logits(replace(model, weights=weights, **told), start))
    return np.hstack([fit.statistic for fit in fits]), np.concatenate([fit.separated.sum(0) for fit in fits])
