"""Folds of people: pairs to judge, and pairs of none of the same people to learn from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from facevalue.stats.likelihood import logistic


def fold_splits(same: np.ndarray, fold_a: np.ndarray, fold_b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each fold which pairs are of its people alone, and which of none of them, (n,) bool each.

    A fold outside of which one kind of pair is missing is left out.

    Parameters
    ----------
    same : (n,) bool
        Whether both faces are one person's.
    fold_a, fold_b : (n,)
        The folds of a pair's two people.

    Examples
    --------
    >>> same, fold = np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    >>> [inside.tolist() for inside, _ in fold_splits(same, fold, fold)]
    [[True, True, False, False], [False, False, True, True]]
    """
    for fold in np.unique(np.append(fold_a, fold_b)):
        in_a, in_b = fold_a == fold, fold_b == fold
        inside, outside = in_a & in_b, ~in_a & ~in_b
        if same[outside].any() and not same[outside].all():
            yield inside, outside


def cross_fitted_ratio(scores: np.ndarray, same: np.ndarray, fold_a: np.ndarray, fold_b: np.ndarray) -> np.ndarray:
    """Return `log10 LR`, (n,), of each pair by the log-linear ratio of pairs of none of its fold's people.

    Parameters
    ----------
    scores : (n,) float
        Higher is more alike.
    same, fold_a, fold_b
        As for `fold_splits`.

    Returns
    -------
    (n,) float64
        NaN for pairs whose two people are of two folds.

    Examples
    --------
    >>> scores, same = np.array([0.9, 0.1, 0.8, 0.2, 0.5]), np.array([True, False, True, False, False])
    >>> cross_fitted_ratio(scores, same, np.array([0, 0, 1, 1, 0]), np.array([0, 0, 1, 1, 1])).round(1) + 0.0
    array([ 0.6, -0.6,  0.4, -0.4,  nan])
    """
    found = np.full(len(scores), np.nan)
    for inside, outside in fold_splits(same, fold_a, fold_b):
        found[inside] = logistic(scores[outside], same[outside]).log10_ratio(scores[inside])
    return found
