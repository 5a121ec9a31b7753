"""The classifier two-sample test: how well a regression tells the set of faces that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.energy import drawn_people, exchanged, kinds
from facevalue.stats.ridge import held_out, stratified_folds

FOLDS, PERMUTATIONS, RESAMPLES, TIE = 5, 199, 500, 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """How well sets can be told apart.

    Parameters
    ----------
    value, low, high
        The area under the ROC curve, and its interval; .5 where nothing tells them apart, 1 where all are told.
    p
        The share of exchanges of people whose sets can be told apart at least as well, in (0, 1].
    scores : (n,) float64
        Of each face, fitted to other people: higher the more it looks like the first set.
    folds
        How many.
    """

    value: float
    low: float
    high: float
    p: float
    scores: np.ndarray
    folds: int


def classifier_test(
    x: np.ndarray,
    first: np.ndarray,
    *,
    level: float,
    seed: int,
    person: np.ndarray | None = None,
    draws: tuple[int, int] = (PERMUTATIONS, RESAMPLES),
) -> Told:
    """Return the mean area under the curve of folds of people, of a ridge regression fitted to the other folds.

    The interval is even on the logit of A, with the spread of A in a bootstrap over people, scores held, or, where that is
    larger, with that of A where people are exchanged between the sets, times `2 sqrt(A (1 - A))`; where all are told it is
    Wilson's for the people of the smaller set. A value below .5 is chance.

    Parameters
    ----------
    x : (n, d) float
    first : (n,) bool
        Which faces are of the first set.
    level
        In (0, 1).
    seed
        Of folds and resamples.
    person : (n,), optional
        Whom each face shows: all photos of one are in one fold. Without it all are different.
    draws
        Permutations, and resamples of the bootstrap.

    Raises
    ------
    ValueError
        Fewer than two people in a set, NaN, or other shapes.

    References
    ----------
    Lopez-Paz, Oquab, Revisiting classifier two-sample tests, ICLR 2017; Friedman, On multivariate goodness-of-fit and
    two-sample testing, PHYSTAT 2003; the mean over folds: LeDell, Petersen, van der Laan, Electronic Journal of Statistics 9,
    2015.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(80, 2)) + np.repeat([[0.0], [1.0]], 40, axis=0)
    >>> found = classifier_test(x, np.arange(80) < 40, level=0.9, seed=0)
    >>> bool(0.5 < found.low < found.value < found.high < 1), found.p, found.folds
    (True, 0.005, 5)
    """
    check_level(level)
    first = np.asarray(first, bool)
    who, kind = kinds(first, np.arange(len(first)) if person is None else person)
    folds = min(FOLDS, int((kind <= 1).sum()), int((kind >= 1).sum()))
    if folds < 2:
        raise ValueError(f"expected two people or more in each set; got {(kind <= 1).sum()} and {(kind >= 1).sum()}")
    fold = stratified_folds(kind, folds=folds, seed=seed)[who]
    sets = np.vstack([first, exchanged(first, who, draws[0], seed=seed)])
    scores = held_out(x, sets.T.astype(np.float64), fold)
    once = np.ones((1, len(first)))
    value, *null = (float(fold_areas(one, of, fold, once)[0]) for one, of in zip(scores.T, sets, strict=True))
    spread = np.nanstd(fold_areas(scores[:, 0], first, fold, drawn_people(first, who, draws[1], seed=seed)))
    spread = max(float(spread), float(np.nanstd(null)) * 2 * np.sqrt(value * (1 - value)))
    people = int(min((kind <= 1).sum(), (kind >= 1).sum()))
    p = (1 + float((np.array(null) >= value - TIE).sum())) / (1 + len(null))
    return Told(value, *_ends(value, spread, people, level), p, scores[:, 0], folds)


def fold_areas(scores: np.ndarray, first: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over folds of `P(s+ > s-) + P(s+ = s-) / 2` in each of r draws, (r,); NaN where no fold has both.

    Parameters
    ----------
    scores : (n,) float
    first : (n,) bool
        Those that should score higher.
    folds : (n,)
    weights : (r, n) float
        0 or more: how often each row counts.

    Examples
    --------
    >>> scores, first = np.array([0.1, 0.6, 0.9, 0.5]), np.array([False, True, False, True])
    >>> fold_areas(scores, first, np.array([0, 0, 1, 1]), np.ones((1, 4)))
    array([0.5])
    """
    areas = np.stack(
        [_area(scores[inside], first[inside], weights[:, inside]) for inside in folds == np.unique(folds)[:, None]]
    )
    known = np.isfinite(areas)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, areas, 0).sum(0) / known.sum(0))


def _area(scores: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area in each draw, (r,); NaN where a kind is missing."""
    at = np.unique(scores, return_inverse=True)[1]
    order, k = np.argsort(at, kind="stable"), int(at.max()) + 1
    starts = np.searchsorted(at[order], np.arange(k))
    higher, lower = (np.add.reduceat((weights * side)[:, order], starts, axis=1) for side in (first, ~first))
    below = np.cumsum(lower, axis=1) - lower / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((higher * below).sum(1) / (higher.sum(1) * lower.sum(1)))


def _ends(value: float, spread: float, people: int, level: float) -> tuple[float, float]:
    bound = float(wilson_interval(people, people, level=level)[0])
    if value <= 0 or value >= 1:
        return (bound, 1.0) if value >= 1 else (0.0, 1 - bound)
    wide = NormalDist().inv_cdf((1 + level) / 2) * spread / (value * (1 - value))
    odds = np.log(value / (1 - value))
    return float(1 / (1 + np.exp(wide - odds))), float(1 / (1 + np.exp(-wide - odds)))
