"""The mask swap, which tells whether it is the annotator's own mask that helps or anybody's would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.data.perception import Perception
from facevalue.studies.kept import Kept

AT_ONCE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """Accuracy and log-loss with the annotators' masks dealt out at random.

    Parameters
    ----------
    accuracy, log_loss : (swaps,) float
    """

    accuracy: np.ndarray
    log_loss: np.ndarray


def mask_swap(model: Perception, kept: Kept, masks: np.ndarray, *, seed: int, swaps: int = 100) -> Swap:
    """Return accuracy and log-loss with masks permuted over the answers, so that each answer has somebody's, once a swap.

    Parameters
    ----------
    model
        With masks.
    kept
        t answers.
    masks : (t,) int
        Rows of `model.all_masks`, as they belong to the answers.
    seed
        Of the permutations.
    swaps
        How many.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023 (annotators' ids permuted over the answers, 100 times).
    """
    squares = np.asarray(model.all_masks, np.float32) ** 2
    draw, sums = np.random.default_rng(seed), np.zeros((2, swaps))
    for start in range(0, swaps, AT_ONCE):
        dealt = [draw.permutation(masks) for _ in range(start, min(start + AT_ONCE, swaps))]
        for rows, products in kept.products(np.asarray(model.embedding, np.float32)):
            part = kept[rows]
            for i, one in enumerate(dealt, start):
                similarity = np.matmul(products, squares[one[rows]][:, :, None])[:, :, 0].astype(np.float64)
                sums[:, i] += part.hits(similarity).sum(), part.losses(similarity).sum()
    return Swap(*(sums / len(kept)))
