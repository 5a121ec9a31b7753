"""Online codes: in how few bits labels can be sent to somebody who has the vectors and learns from what was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class OnlineCode:
    """The bits of each of n rows.

    Parameters
    ----------
    bits : (n,) float64
        That each row took; of the first block log2 k, as nothing was known.
    k
        Labels.
    """

    bits: np.ndarray
    k: int

    @property
    def length(self) -> float:
        """Bits in all."""
        return float(self.bits.sum())

    @property
    def compression(self) -> float:
        """The length without a probe, n log2 k, over that with it: 1 where the vectors tell nothing."""
        return float(len(self.bits) * np.log2(self.k) / self.length)


def people_blocks(person: np.ndarray, *, seed: int, fractions: Sequence[float] = FRACTIONS) -> list[np.ndarray]:
    """Return the rows of each block, (m,) int: those of people in random order, up to each fraction of them.

    A block ends with a person: nobody is in two. Fractions of fewer than one more person make no block of their own.

    Parameters
    ----------
    person : (n,)
        Whom each row belongs to.
    fractions
        Rising to 1.
    seed
        Of the order.

    Raises
    ------
    ValueError
        Fractions that do not rise to 1.

    Examples
    --------
    >>> blocks = people_blocks(np.array(list("aabbccdd")), seed=0)
    >>> [len(rows) for rows in blocks]
    [2, 2, 4]
    """
    if not np.all(np.diff(fractions) > 0) or not fractions or fractions[0] <= 0 or fractions[-1] != 1:
        raise ValueError(f"expected fractions above 0 that rise to 1, got {fractions}")
    names, at = np.unique(np.asarray(person, str), return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))[at]
    ends = sorted({ceil(round(fraction * len(names), 9)) for fraction in fractions})
    return [np.flatnonzero((place >= start) & (place < end)) for start, end in zip([0, *ends], ends, strict=False)]


def online_code(
    y: np.ndarray, blocks: Sequence[np.ndarray], learn: Callable[[np.ndarray, np.ndarray], np.ndarray], *, k: int
) -> OnlineCode:
    """Return `L = t_1 log2 k - sum_i log2 p_i(y of block i + 1)`, p_i learnt from blocks 1 to i.

    Probabilities are mixed with one in a hundred of the uniform, so that no row takes more than log2 (100 k) bits.

    Parameters
    ----------
    y : (n,) int
        In 0 .. k - 1.
    blocks
        Rows of each, all of them once.
    learn
        Of the rows to learn from and of those to predict, (m,) int each; returns probabilities, (m, k).
    k
        Labels.

    Raises
    ------
    ValueError
        Blocks that do not hold each row once.

    References
    ----------
    Voita, Titov, Information-Theoretic Probing with Minimum Description Length, EMNLP 2020, eq. 3; Rissanen, IEEE
    Transactions on Information Theory 30, 1984.

    Examples
    --------
    >>> y, blocks = np.array([0, 1, 0, 1]), [np.array([0, 1]), np.array([2, 3])]
    >>> online_code(y, blocks, lambda known, new: np.full((len(new), 2), 0.5), k=2).compression
    1.0
    >>> online_code(y, blocks, lambda known, new: np.eye(2)[y[new]], k=2).bits.round(2)
    array([1.  , 1.  , 0.01, 0.01])
    """
    y = np.asarray(y)
    if not np.array_equal(np.sort(np.concatenate(blocks)), np.arange(len(y))):
        raise ValueError(f"expected blocks that hold each of {len(y)} rows once")
    bits = np.full(len(y), np.log2(k))
    for i in range(1, len(blocks)):
        new = blocks[i]
        p = 0.99 * learn(np.concatenate(blocks[:i]), new)[np.arange(len(new)), y[new]] + 0.01 / k
        bits[new] = -np.log2(p)
    return OnlineCode(bits, k)


def normal_shares(centre: np.ndarray, deviation: float, edges: np.ndarray) -> np.ndarray:
    """Return how much of a normal distribution about each centre lies in each bin, (m, bins).

    Parameters
    ----------
    centre : (m,) float
    deviation
        Above 0.
    edges : (bins - 1,) float
        Rising, between the bins; the outer ones have no end.

    Examples
    --------
    >>> normal_shares(np.array([0.0, 5.0]), 1.0, np.array([0.0, 1.0])).round(3)
    array([[0.5  , 0.341, 0.159],
           [0.   , 0.   , 1.   ]])
    """
    from math import erf, sqrt

    z = (np.asarray(edges)[None] - np.asarray(centre)[:, None]) / deviation
    below = np.array([0.5 + erf(one / sqrt(2)) / 2 for one in z.ravel()]).reshape(z.shape)
    ends = np.hstack([np.zeros((len(z), 1)), below, np.ones((len(z), 1))])
    return np.asarray(np.diff(ends, axis=1))
