"""Splits that no photo, near copy of one, or frame of one scene straddles, as far as an embedding can tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SAME = 0.25


def persons(embeddings: np.ndarray, *, same: float = SAME) -> np.ndarray:
    """Return a number a face, equal where a chain of faces nearer than `same` joins them.

    dlib takes two faces under .6 for one person's; at .25 they are nearly always two copies, or two frames, of one photo.
    Above .3 the chains join strangers (infants most).

    Parameters
    ----------
    embeddings : (n, d) float
    same
        Euclidean distance.

    Returns
    -------
    (n,) int64
        The smallest row that belongs together with this one.

    Examples
    --------
    >>> persons(np.array([[0.0], [5.0], [0.1], [0.3]])).tolist()
    [0, 1, 0, 0]
    """
    e = np.asarray(embeddings, np.float64)
    squares, parent = (e**2).sum(1), np.arange(len(e))
    for start in range(0, len(e), 1024):
        block = squares[start : start + 1024, None] + squares - 2 * e[start : start + 1024] @ e.T
        for i, j in np.argwhere(block < same**2):
            a, b = _root(parent, i + start), _root(parent, j)
            parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, i) for i in range(len(e))], np.int64)


def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        i = parent[i]
    return int(i)


def split(groups: np.ndarray, shares: Mapping[str, float], *, seed: int) -> dict[str, np.ndarray]:
    """Return the rows of each part; a group lies in one part whole.

    Parameters
    ----------
    groups : (n,) int
        As from `persons`.
    shares
        Name to its share of the groups; they sum to 1.
    seed
        Of the drawing.

    Examples
    --------
    >>> parts = split(np.array([0, 0, 2, 3, 4]), {"a": 0.5, "b": 0.5}, seed=1)
    >>> sorted(np.concatenate(list(parts.values())).tolist())
    [0, 1, 2, 3, 4]
    """
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    ends = np.round(np.cumsum(list(shares.values())) * len(order)).astype(int)
    return {
        name: np.flatnonzero(np.isin(groups, drawn)) for name, drawn in zip(shares, np.split(order, ends[:-1]), strict=True)
    }
