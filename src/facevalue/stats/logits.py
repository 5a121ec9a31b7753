"""Many logistic fits at once: the same columns, but for one that moves, or an outcome that does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

TILE = 2**15
ALONE = 2**18
STEPS = 60
CLOSE = 1e-6
NEAR = 1e-2
COLLAPSED = 1e-6
INSIDE = 1e-9
RIDGE = 1e-13
TINY = 1e-200


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """What r logistic regressions over m dyads are of: `log odds = constant of the group + fixed b + moved b'`.

    Parameters
    ----------
    fixed : (z, m) float64
        Of a spread near 1 each.
    outcome : (r, m) or (1, m) float64
        0 or 1.
    weights : (r, m) or (1, m) float64, optional
        0 where a dyad does not count; None counts all alike.
    moved : (r, m) float64, optional
        The last column.
    groups : (g + 1,) int, optional
        Where each of g stretches of dyads with a constant of its own starts, and where the last ends; None for no constants.
    keep : (k,) int, optional
        Which fixed columns are in the model; None for all.
    shift : (z,) float64, optional
        Added to the fixed columns.
    """

    fixed: np.ndarray
    outcome: np.ndarray
    weights: np.ndarray | None = None
    moved: np.ndarray | None = None
    groups: np.ndarray | None = None
    keep: np.ndarray | None = None
    shift: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many fits, r."""
        return max(len(part) for part in (self.outcome, self.weights, self.moved) if part is not None)

    @property
    def constants(self) -> int:
        """How many groups have one, g."""
        return 0 if self.groups is None else len(self.groups) - 1

    @property
    def kept(self) -> np.ndarray:
        """Which fixed columns are in the model, (k,) int."""
        return np.arange(len(self.fixed)) if self.keep is None else self.keep

    @property
    def read(self) -> np.ndarray:
        """Of which columns z is wanted, (s,) int: the moved one, or all."""
        k = len(self.kept)
        return np.arange(k) if self.moved is None else np.array([k])

    def columns(self, at: slice) -> np.ndarray:
        """Return 1 and the fixed columns over a stretch of dyads, (1 + k, .)."""
        found = np.ones((1 + len(self.kept), at.stop - at.start))
        for number, k in enumerate(self.kept, start=1):
            np.add(self.fixed[k, at], 0 if self.shift is None else self.shift[k], out=found[number])
        return found

    def tiles(self) -> Iterator[tuple[slice, int]]:
        """Give stretches of dyads of one group, and which: small enough to stay at hand, and for products on one core."""
        k = 1 + len(self.kept)
        size = max(min(TILE, ALONE // (k * (k + 1) // 2)) // self.rows, 64)
        bounds = np.array([0, self.fixed.shape[1]]) if self.groups is None else self.groups
        for group, (start, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            yield from ((slice(at, min(at + size, int(end))), group) for at in range(int(start), int(end), size))

    def only(self, rows: np.ndarray) -> Logits:
        """Return some of the fits."""
        names = ("outcome", "weights", "moved")
        several = {name: part for name in names if (part := getattr(self, name)) is not None and len(part) > 1}
        return replace(self, **{name: part[rows] for name, part in several.items()})

    def without(self, column: int) -> Logits:
        """Return the fits without a column of the model."""
        if column == len(self.kept):
            return replace(self, moved=None)
        return replace(self, keep=np.delete(self.kept, column))


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The ends of r fits of q columns and g constants.

    Parameters
    ----------
    coefficients : (r, q + g) float64
        Of the fixed columns, the moved one, the groups.
    statistic : (r, s) float64
        Of the moved column, or of all where none moves: z; `sign(b) sqrt(deviance without the column - deviance)` where
        outcomes are separated; endless where the moved column lies within the others.
    separated : (r, s) bool
    """

    coefficients: np.ndarray
    statistic: np.ndarray
    separated: np.ndarray


def fit_logits(problem: Logits, start: np.ndarray) -> Fitted:
    """Return logistic fits of the largest likelihood, each z to about 1e-6.

    Newton's steps, halved where the next one would be longer, until what is left, as steps shrink, is no longer seen in z.
    Outcomes count as separated when a column's information has sunk to 1e-6 of that at the start, or after 60 steps.

    Parameters
    ----------
    problem
        Of r fits.
    start : (q + g,) float64
        Coefficients to start from, the same for all.

    References
    ----------
    Albert, Anderson, On the existence of maximum likelihood estimates in logistic regression models, Biometrika 71, 1984; z
    under separation: Hauck, Donner, Wald's test as applied to hypotheses in logit analysis, JASA 72, 1977.

    Examples
    --------
    >>> x, outcome = np.array([[1.0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]]), np.array([[0.0, 0, 1, 0, 1, 1]])
    >>> found = fit_logits(Logits(x, outcome), np.zeros(2))
    >>> found.coefficients.round(4), found.statistic.round(4)  # odds of 1/2, and four times that
    (array([[-0.6931,  1.3863]]), array([[-0.566 ,  0.8004]]))
    """
    found = _climb(problem, start)
    for s in np.flatnonzero(found.separated.any(0)):
        rows, k = np.flatnonzero(found.separated[:, s]), len(problem.kept) if problem.moved is not None else int(s)
        apart = problem.only(rows)
        less = apart.without(k)
        gain = _likelihood(apart, found.coefficients[rows]) - _likelihood(less, _climb(less, np.delete(start, k)).coefficients)
        found.statistic[rows, s] = np.sign(found.coefficients[rows, k]) * np.sqrt(2 * np.maximum(gain, 0))
    return found


def _climb(problem: Logits, start: np.ndarray) -> Fitted:
    """Return the ends of Newton's steps; where outcomes are separated, z as it stands there."""
    shape = problem.rows, len(problem.read)
    found = Fitted(np.empty((shape[0], len(start))), np.empty(shape), np.zeros(shape, bool))
    search = _Search(problem, start)
    for number in range(STEPS):
        with np.errstate(over="ignore"):
            z, fallen, ended = search.advance()
        done = ended | (number == STEPS - 1)
        if done.any():
            at = search.left[done]
            found.coefficients[at], found.statistic[at] = search.place[done], z[done]
            found.separated[at] = (fallen | ~ended[:, None])[done]
            if done.all():
                break
            search.keep(~done)
    return found


class _Search:
    """Where the fits stand that have not ended, where they came from, by which step, and how long that was."""

    def __init__(self, problem: Logits, start: np.ndarray) -> None:
        self.problem, self.left, self.first = problem, np.arange(problem.rows), np.empty(0)
        self.base = self.place = start[None]
        self.move, self.length = np.zeros((problem.rows, len(start))), np.full(problem.rows, np.inf)

    def advance(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Go a step; return z (r, s), whether a column's information is gone (r, s), and whether a fit has ended (r,)."""
        here, fresh = _view(self.problem, self.place), not self.first.size
        self.first = here.information if fresh else self.first
        longer = here.length > self.length
        shrunk = np.ones(len(longer)) if fresh else here.length / np.maximum(self.length, TINY)
        self.base = np.where(longer[:, None], self.base, self.place)
        self.move = np.where(longer[:, None], self.move / 2, here.move)
        self.length = np.where(longer, self.length, here.length)
        self.place = self.base + self.move
        z, fallen = self.place[:, self.problem.read] * np.sqrt(here.information), here.information < COLLAPSED * self.first
        unseen = shrunk * here.length + np.abs(z).max(1, initial=0) * shrunk**2 < CLOSE
        ended = ~longer & unseen | fallen.any(1) & (here.length < NEAR)
        inside = here.inside & fresh
        return np.where(inside[:, None], np.inf, z), fallen, ended | inside

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some of the fits."""
        for name in ("left", "first", "base", "place", "move", "length"):
            setattr(self, name, getattr(self, name)[rows])
        self.problem = self.problem.only(rows)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What is seen from a place: Newton's step, its length in standard errors, and what is known of each column.

    move : (r, q + g)
    length : (r,)
    information : (r, s)
        `1 / se^2`.
    inside : (r,) bool
        Whether the moved column lies within the others.
    """

    move: np.ndarray
    length: np.ndarray
    information: np.ndarray
    inside: np.ndarray


def _view(problem: Logits, place: np.ndarray) -> _View:
    """Return what is seen from a place, (r or 1, q + g); constants are taken out by the Schur complement."""
    score, mixed, h = _hessian(problem, _sums(problem, place))
    slopes, own, whole = score[:, :, 1:].sum(1), score[:, :, 0], np.maximum(np.einsum("rkk->rk", h), TINY)
    if problem.constants:
        size = np.maximum(mixed[:, :, 0], TINY)
        mean, constants = mixed[:, :, 1:] / size[:, :, None], own / size
        slopes, h = slopes - np.einsum("rg,rgk->rk", own, mean), h - mixed[:, :, 1:].swapaxes(1, 2) @ mean
    diagonal = np.arange(h.shape[1])
    h[:, diagonal, diagonal] += RIDGE * whole
    inverse = np.linalg.inv(h)
    move = (inverse @ slopes[:, :, None])[:, :, 0]
    gain, information = (move * slopes).sum(1), 1 / inverse[:, problem.read, problem.read]
    if problem.constants:
        gain = gain + (constants * own).sum(1)
        move = np.concatenate([move, constants - (mean @ move[:, :, None])[:, :, 0]], axis=1)
    inside = np.zeros(len(move), bool) if problem.moved is None else information[:, -1] <= INSIDE * whole[:, -1]
    return _View(move, np.sqrt(np.maximum(gain, 0)), information, inside)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums over dyads, whose residual is e and whose v is p (1 - p), both weighted.

    score, weight : (r or 1, g or 1, 1 + k)
        Of e and of v, times 1 and each fixed column, by group.
    square : (r or 1, k (k + 1) / 2)
        Of v times products of fixed columns.
    moved_score, crossed, moved_square : (r, g or 1), (r, g or 1, 1 + k), (r,)
        The moved column's: with e, with v and the others, with v and itself.
    """

    score: np.ndarray
    weight: np.ndarray
    square: np.ndarray
    moved_score: np.ndarray
    crossed: np.ndarray
    moved_square: np.ndarray


def _hessian(problem: Logits, sums: _Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the score (r, g or 1, 1 + q), what constants share with columns, as that, and the slopes' Hessian (r, q, q)."""
    r, k, q = problem.rows, len(problem.kept), len(problem.kept) + (problem.moved is not None)
    rows, cols = np.triu_indices(k)
    score, mixed, h = np.empty((r, sums.score.shape[1], 1 + q)), np.empty((r, sums.score.shape[1], 1 + q)), np.empty((r, q, q))
    score[:, :, : 1 + k], mixed[:, :, : 1 + k] = sums.score, sums.weight
    h[:, rows, cols] = h[:, cols, rows] = sums.square
    if q > k:
        score[:, :, -1], mixed[:, :, -1] = sums.moved_score, sums.crossed[:, :, 0]
        h[:, :k, k] = h[:, k, :k] = sums.crossed[:, :, 1:].sum(1)
        h[:, k, k] = sums.moved_square
    return score, mixed, h


def _sums(problem: Logits, place: np.ndarray) -> _Sums:
    """Return the sums at a place; of one row where all fits share them."""
    k, r, g = len(problem.kept), problem.rows, max(problem.constants, 1)
    rows, cols = np.triu_indices(k)
    n = max(len(place), 1 if problem.weights is None else len(problem.weights))
    score, weight, square = (
        np.zeros((max(n, len(problem.outcome)), g, 1 + k)),
        np.zeros((n, g, 1 + k)),
        np.zeros((n, len(rows))),
    )
    sums = _Sums(score, weight, square, np.zeros((r, g)), np.zeros((r, g, 1 + k)), np.zeros(r))
    for at, group in problem.tiles():
        columns, moved = problem.columns(at), None if problem.moved is None else problem.moved[:, at]
        e, v = _weighed(problem, place, columns, at, group)
        score[:, group] += e @ columns.T
        weight[:, group] += v @ columns.T
        square += v @ (columns[1 + rows] * columns[1 + cols]).T
        if moved is not None:
            held = v * moved
            sums.moved_score[:, group] += np.einsum("rm,rm->r", np.broadcast_to(e, moved.shape), moved)
            sums.crossed[:, group] += held @ columns.T
            sums.moved_square[...] += np.einsum("rm,rm->r", held, moved)
    return sums


def _weighed(problem: Logits, place: np.ndarray, columns: np.ndarray, at: slice, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted residuals and v of a stretch of dyads, (r or 1, .)."""
    p = _odds(problem, -place, columns, at, group)
    np.exp(p, out=p)
    p += 1
    np.reciprocal(p, out=p)
    e, v = problem.outcome[:, at] - p, p * p
    np.subtract(p, v, out=v)
    return (e, v) if problem.weights is None else (e * problem.weights[:, at], v * problem.weights[:, at])


def _odds(problem: Logits, place: np.ndarray, columns: np.ndarray, at: slice, group: int) -> np.ndarray:
    """Return the log odds over a stretch of dyads, (r or 1, .)."""
    k = len(problem.kept)
    odds = place[:, :k] @ columns[1:]
    if problem.constants:
        odds += place[:, [group - problem.constants]]
    if problem.moved is not None and place[:, k].any():
        odds = odds + place[:, k, None] * problem.moved[:, at]
    return np.asarray(odds)


def _likelihood(problem: Logits, place: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each fit, (r,)."""
    found = np.zeros(problem.rows)
    for at, group in problem.tiles():
        odds = _odds(problem, place, problem.columns(at), at, group)
        part = problem.outcome[:, at] * odds - np.logaddexp(0, odds)
        found += (part if problem.weights is None else part * problem.weights[:, at]).sum(1)
    return found
