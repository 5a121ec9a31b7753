"""Dyads: pairs of people, in matrices of blocks among whom labels may be exchanged, or as a list of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Dyads:
    """The pairs of the n people of one block, such as a village; cell (i, j) goes from i to j, the diagonal does not count.

    Parameters
    ----------
    outcome : (n, n) float64
        NaN where not known.
    predictors : (n, n, p) float64
        Without an intercept; NaN where not known.
    weights : (n, n) float64, optional
        Of the cells, 0 or more: the inverse of an outcome's variance; None weighs all the same.

    Raises
    ------
    ValueError
        When shapes do not fit, or a weight is below 0 or NaN.
    """

    outcome: np.ndarray
    predictors: np.ndarray
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("outcome", "predictors", "weights"):
            if (array := getattr(self, name)) is not None:
                object.__setattr__(self, name, np.asarray(array, np.float64))
        n = len(self.outcome)
        if self.outcome.shape != (n, n) or self.predictors.ndim != 3 or self.predictors.shape[:2] != (n, n):
            got = f"{self.outcome.shape} and {self.predictors.shape}"
            raise ValueError(f"expected an outcome (n, n) and predictors (n, n, p), got {got}")
        if self.weights is not None and (self.weights.shape != (n, n) or not (self.weights >= 0).all()):
            raise ValueError(
                f"expected weights {(n, n)} of 0 or more, got {self.weights.shape}, {np.nanmin(self.weights)} the least"
            )

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def observed(self) -> np.ndarray:
        """Which cells off the diagonal have an outcome, (n, n) bool."""
        return np.asarray(np.isfinite(self.outcome) & ~np.eye(len(self), dtype=bool))

    @property
    def predicted(self) -> np.ndarray:
        """Which cells off the diagonal have all predictors, (n, n) bool."""
        return np.asarray(np.isfinite(self.predictors).all(2) & ~np.eye(len(self), dtype=bool))

    @property
    def known(self) -> np.ndarray:
        """Which cells count, (n, n) bool: off the diagonal, with an outcome and all predictors, of a weight above 0."""
        return np.asarray(self.observed & self.predicted & (True if self.weights is None else self.weights > 0))

    def weigh(self, cells: np.ndarray) -> np.ndarray:
        """Return the weights of some cells, (n, n) bool, among all, (n, n); 0 of the others."""
        return np.where(cells, 1.0 if self.weights is None else self.weights, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The m dyads that count, one a row.

    Parameters
    ----------
    outcome : (m,) float64
    predictors : (m, p) float64
        Without an intercept.
    weights : (m,) float64
    ego, alter : (m,) int
        Numbers of the two people; none in two blocks.
    block : (m,) int
        From 0.
    """

    outcome: np.ndarray
    predictors: np.ndarray
    weights: np.ndarray
    ego: np.ndarray
    alter: np.ndarray
    block: np.ndarray

    def __len__(self) -> int:
        return len(self.outcome)


def cells(blocks: Sequence[Dyads], *, directed: bool) -> Cells:
    """Return the cells of blocks that count: both directions, or of undirected ties the upper triangle alone.

    Parameters
    ----------
    blocks
        With the same predictors each.
    directed
        Whether (i, j) may differ from (j, i).

    Raises
    ------
    ValueError
        When blocks have different predictors, undirected ones are not symmetric, or no cell counts.

    Examples
    --------
    >>> outcome = np.array([[0, 1, np.nan], [1, 0, 1], [np.nan, 1, 0]])
    >>> found = cells([Dyads(outcome, np.ones((3, 3, 1)))], directed=False)
    >>> found.outcome, found.ego, found.alter
    (array([1., 1.]), array([0, 1]), array([1, 2]))
    """
    if len(widths := {block.predictors.shape[2] for block in blocks}) != 1:
        raise ValueError(f"expected blocks with the same predictors, got {sorted(widths)} of them")
    parts, start = [], 0
    for number, block in enumerate(blocks):
        known = block.known if directed else np.triu(_symmetric(block))
        i, j = np.nonzero(known)
        weights = np.ones(len(i)) if block.weights is None else block.weights[known]
        at = np.full(len(i), number)
        parts.append((block.outcome[known], block.predictors[known], weights, start + i, start + j, at))
        start += len(block)
    found = Cells(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if not len(found):
        raise ValueError("expected dyads with an outcome and all predictors, got none")
    return found


def _symmetric(block: Dyads) -> np.ndarray:
    """Return which cells count of a block, or say which cells differ from their mirror images."""
    known = block.known
    for name, array in (("outcome", block.outcome), ("predictors", block.predictors), ("weights", block.weights)):
        if array is None:
            continue
        mirrored = array.swapaxes(0, 1)
        differ = ~np.isclose(array, mirrored, rtol=1e-9, atol=1e-12, equal_nan=True)
        differ[np.diag_indices(len(block))] = False
        if differ.any():
            i, j = np.argwhere(differ.reshape(*differ.shape[:2], -1).any(2))[0]
            raise ValueError(f"expected undirected dyads; {name} of ({i}, {j}) and of ({j}, {i}) differ: symmetrise them first")
    return known
