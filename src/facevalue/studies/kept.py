"""What a perceptual model says about answers: each keeps one pair of faces out of those that it could have kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import LEFT, ranking_log_likelihood

ROWS = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Answers as choices among k pairs of faces.

    Of an odd-one-out the pairs are the three that are left without one face; of an anchor the reference with the first and
    with the second; of a ranking the target with each of the others.

    Parameters
    ----------
    items : (t, m) int
        Rows of the model's embedding.
    options
        Both places in `items` of each pair that could have been kept, k of them.
    chosen : (t,) int
        Which was; of a ranking the first.
    ranked
        Whether the options stand in the order in which they were chosen, and the likelihood is that of the whole order.
    """

    items: np.ndarray
    options: tuple[tuple[int, int], ...]
    chosen: np.ndarray
    ranked: bool

    @classmethod
    def of(cls, model: Perception, answers: Triplets) -> Kept:
        """Return the choices of answers about faces that the model knows.

        Raises
        ------
        SchemaError
            No answers, or faces that the model does not know.
        """
        if not len(answers):
            raise SchemaError(f"{model.name}: expected answers to judge the model by, got none")
        used = np.unique(answers.items)
        place = np.full(len(answers.names), -1, np.int64)
        place[used] = model.places(answers.names[used])
        options, chosen = choices(answers)
        return cls(place[answers.items], options, chosen, answers.kind == "ranking")

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: Any) -> Kept:
        """Return the choices of a mask, a slice or row numbers."""
        return Kept(self.items[rows], self.options, self.chosen[rows], self.ranked)

    @property
    def chance(self) -> tuple[float, float]:
        """The accuracy and the log-loss of a guess."""
        k = len(self.options)
        return 1 / k, float(np.log(np.arange(1, k + 1)).sum() if self.ranked else np.log(k))

    def products(self, embedding: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield, a block of rows at a time, the rows and `x_id x_jd` of each pair, (rows, k, d)."""
        first, second = np.array(self.options).T
        for start in range(0, len(self), ROWS):
            rows = slice(start, min(start + ROWS, len(self)))
            faces = embedding[self.items[rows]]
            yield rows, faces[:, first] * faces[:, second]

    def similarities(self, model: Perception, masks: np.ndarray) -> np.ndarray:
        """Return `sum_d m_d^2 x_id x_jd` of each pair, (t, k) float64; `masks`, (t,), are rows of `model.all_masks`."""
        squares = np.asarray(model.all_masks, np.float64) ** 2
        out = np.empty((len(self), len(self.options)))
        for rows, products in self.products(model.embedding):
            out[rows] = np.einsum("tkd,td->tk", products, squares[masks[rows]])
        return out

    def hits(self, similarity: np.ndarray) -> np.ndarray:
        """Return 1 where the most alike pair was kept, 1/j where it shares that place with j - 1 more, else 0; (t,)."""
        leading = similarity >= similarity.max(1, keepdims=True)
        right = np.take_along_axis(leading, self.chosen[:, None], 1)[:, 0]
        return np.asarray(right / leading.sum(1))

    def losses(self, similarity: np.ndarray) -> np.ndarray:
        """Return minus the log probability of each answer, (t,); of a ranking that of its whole order, of Plackett and Luce."""
        if self.ranked:
            return -ranking_log_likelihood(similarity)
        top = similarity.max(1)
        rest = np.log(np.exp(similarity - top[:, None]).sum(1))
        return np.asarray(top + rest - np.take_along_axis(similarity, self.chosen[:, None], 1)[:, 0])


def choices(answers: Triplets) -> tuple[tuple[tuple[int, int], ...], np.ndarray]:
    """Return the places of the pairs that could have been kept, and which was, (t,) int.

    Examples
    --------
    >>> choices(Triplets([[0, 1, 2]], [2], [""], ["a", "b", "c"], "anchor"))
    (((0, 1), (0, 2)), array([0]))
    """
    if answers.kind == "odd_one_out":
        return LEFT, answers.odd
    options = tuple((0, place) for place in range(1, answers.items.shape[1]))
    chosen = 2 - answers.odd if answers.kind == "anchor" else np.zeros(len(answers), np.int64)
    return options, chosen
