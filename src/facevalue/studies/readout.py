"""How well targets are read out of vectors: numbers by R2, labels by balanced accuracy, both by the length of a code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from facevalue.stats.description_length import OnlineCode, normal_shares, online_code, people_blocks
from facevalue.stats.multinomial import label_learnt, label_predictions
from facevalue.stats.probe import person_folds, ridge_learnt, ridge_predictions, squared_errors
from facevalue.stats.roc import area_under_curve

BINS, LEARNING_FOLDS, LEAST = 8, 5, 3


class Readout(Protocol):
    """What a kind of target must do to be probed."""

    @property
    def measure(self) -> str:
        """Name of the measure that it is judged by."""
        ...

    def scores(
        self, x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, chosen: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return each measure of the columns of y, (c,), and the penalties chosen, (c, folds); those given are kept."""
        ...

    def codes(self, x: np.ndarray, y: np.ndarray, person: np.ndarray, *, seed: int) -> list[OnlineCode]:
        """Return the online code of each column of y, (n, c), given x, people in random order."""
        ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, read out by ridge regression; in a code, by the eighth of all values that they lie in."""

    measure: str = "r_squared"

    def scores(
        self, x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, chosen: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return R2 of the columns of y, (n, c); penalties are chosen anew each time, which costs little.

        Examples
        --------
        >>> x, draw = np.arange(12.0)[:, None], np.random.default_rng(0)
        >>> Numbers().scores(x, np.hstack([x, draw.normal(size=(12, 1))]), np.arange(12) % 4)[0]["r_squared"].round(1)
        array([ 1. , -0.1])
        """
        found = ridge_predictions(x, y, folds)
        return {self.measure: squared_errors(y, found, np.zeros(len(y))).r_squared()}, np.empty((y.shape[1], 0))

    def codes(self, x: np.ndarray, y: np.ndarray, person: np.ndarray, *, seed: int) -> list[OnlineCode]:
        """Return the codes of which eighth each number lies in; normal scores of the next ones are normal about the prediction.

        Examples
        --------
        >>> x = np.arange(100.0)[:, None]
        >>> Numbers().codes(x, 3 * x, np.arange(100), seed=0)[0].compression > 2
        True
        """
        scores, blocks = _normal_scores(y), people_blocks(person, seed=seed)
        learnt = {}
        for i in range(1, len(blocks)):
            known = np.concatenate(blocks[:i])
            if len(people := np.unique(person[known])) >= LEAST:
                folds = person_folds(person[known], folds=min(LEARNING_FOLDS, len(people)), seed=seed)
                learnt[len(known)] = ridge_learnt(x[known], scores[known], folds, x[blocks[i]])
        codes = []
        for c, column in enumerate(scores.T):
            edges = np.unique(np.quantile(column, np.arange(1, BINS) / BINS))
            inside, k = np.searchsorted(edges, column, side="right"), len(edges) + 1
            codes.append(online_code(inside, blocks, _lookup(learnt, c, inside, edges), k=k))
        return codes


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels 0 .. k - 1, read out by logistic regression."""

    k: int
    measure: str = "balanced_accuracy"

    def scores(
        self, x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, chosen: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return balanced accuracy, area under the curve and deviance explained of the columns of y, (n, c) int.

        Examples
        --------
        >>> x = np.arange(12.0)[:, None]
        >>> found, _ = Labels(2).scores(x, (x > 5).astype(int), np.arange(12) % 4)
        >>> found["balanced_accuracy"], found["auc"]
        (array([1.]), array([1.]))
        """
        kept, rows = [], []
        for c, column in enumerate(y.T):
            given = {} if chosen is None else {"penalties": chosen[c]}
            found = label_predictions(x, column, folds, k=self.k, **given)
            kept.append(found.penalty)
            at = np.arange(len(column)), column
            explained = 1 - np.log(np.maximum(found.p[at], 1e-12)).sum() / np.log(found.prior[at]).sum()
            rows.append((_balanced_accuracy(found.p, column), _area(found.p, column), explained))
        named = zip((self.measure, "auc", "deviance_explained"), np.array(rows).T, strict=True)
        return dict(named), np.stack(kept)

    def codes(self, x: np.ndarray, y: np.ndarray, person: np.ndarray, *, seed: int) -> list[OnlineCode]:
        """Return the codes of the labels.

        Examples
        --------
        >>> x = np.arange(100.0)[:, None]
        >>> Labels(2).codes(x, (x > 50).astype(int), np.arange(100), seed=0)[0].compression > 2
        True
        """

        def code(column: np.ndarray) -> OnlineCode:
            def learn(known: np.ndarray, new: np.ndarray) -> np.ndarray:
                if len(people := np.unique(person[known])) < LEAST:
                    return _shares(column[known], len(new), self.k)
                folds = person_folds(person[known], folds=min(LEARNING_FOLDS, len(people)), seed=seed)
                return label_learnt(x[known], column[known], folds, x[new], k=self.k)

            return online_code(column, people_blocks(person, seed=seed), learn, k=self.k)

        return [code(column) for column in y.T]


def _normal_scores(y: np.ndarray) -> np.ndarray:
    """Return each column's normal deviates of the mean ranks of equal numbers, over n + 1."""
    inverse, found = NormalDist().inv_cdf, np.empty(y.shape)
    for c, column in enumerate(y.T):
        _, at, count = np.unique(column, return_inverse=True, return_counts=True)
        ranks = np.cumsum(count) - (count - 1) / 2
        found[:, c] = np.array([inverse(rank / (len(column) + 1)) for rank in ranks])[at.reshape(-1)]
    return found


def _lookup(
    learnt: Mapping[int, tuple[np.ndarray, np.ndarray]], c: int, inside: np.ndarray, edges: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return what was learnt of column c from so many rows; of too few people the shares so far."""

    def learn(known: np.ndarray, new: np.ndarray) -> np.ndarray:
        if len(known) not in learnt:
            return _shares(inside[known], len(new), len(edges) + 1)
        centre, deviation = learnt[len(known)]
        return normal_shares(centre[:, c], max(float(deviation[c]), 1e-9), edges)

    return learn


def _shares(y: np.ndarray, m: int, k: int) -> np.ndarray:
    """Return the shares of labels so far, one more of each, for m rows."""
    return np.tile((np.bincount(y, minlength=k) + 1) / (len(y) + k), (m, 1))


def _balanced_accuracy(p: np.ndarray, y: np.ndarray) -> float:
    right = p.argmax(1) == y
    return float(np.mean([right[y == label].mean() for label in np.unique(y)]))


def _area(p: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over labels of the area under the curve of each against the rest; of two labels both are the same."""
    there = [label for label in np.unique(y) if (y != label).any()]
    return (
        float(np.mean([area_under_curve(p[y == label, label], p[y != label, label]) for label in there])) if there else np.nan
    )
