"""Triads and paths of two ties, counted for many draws of the signs of the same ties at once, a bit a draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WORD = 64
PATHS_AT_ONCE = 2**16
DRAWS_AT_ONCE = 1024


def drawn_triads(known: np.ndarray, ends: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many triads, and pairs at the ends of paths, of each kind there are in each of r draws.

    Which ties meet is the same in all draws; whether both, one or neither is negative is an operation on bits.

    Parameters
    ----------
    known : (n, n) bool
        Whose tie, or that there is none, is known; symmetric.
    ends : (m, 2) int
        The two people of each tie.
    negative : (r, m) bool
        Signs of the ties, each draw.

    Returns
    -------
    closed : (r, 4), pairs : (r, 3, 3) int64
        As `facevalue.stats.triads.Triads` has them, of one block.

    Examples
    --------
    >>> ends = np.array([[0, 1], [1, 2], [0, 2]])
    >>> closed, pairs = drawn_triads(np.ones((3, 3), bool), ends, np.array([[False, False, True]]))
    >>> closed, pairs[0, 0]
    (array([[0, 1, 0, 0]]), array([1, 0, 0]))
    """
    draws = len(negative)
    closed, pairs = np.zeros((draws, 4), int), np.zeros((draws, 3, 3), int)
    for paths in _paths(known, ends):
        for start in range(0, draws, DRAWS_AT_ONCE):
            some = slice(start, start + DRAWS_AT_ONCE)
            bits = _packed(negative[some])
            closed[some] += paths.closed(bits)[: len(closed[some])]
            pairs[some] += paths.pairs(bits)[: len(pairs[some])]
    return closed, pairs


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """Paths of two ties, those between the same two people one after the other, strangers first.

    Parameters
    ----------
    one, other : (k,) int
        The two ties.
    starts : (p,) int
        Where the paths of each pair begin.
    between : (q,) int
        The ties of the last q pairs; the pairs before have none.
    triads : (3, c) int
        The three ties of each triad.
    """

    one: np.ndarray
    other: np.ndarray
    starts: np.ndarray
    between: np.ndarray
    triads: np.ndarray

    def closed(self, bits: np.ndarray) -> np.ndarray:
        """Return how many triads there are of each kind, (draws, 4)."""
        a, b, c = bits[self.triads]
        none, odd, all_three = _counted(~(a | b | c)), _counted(a ^ b ^ c), _counted(a & b & c)
        return np.stack([none, odd - all_three, self.triads.shape[1] - none - odd, all_three], 1)

    def pairs(self, bits: np.ndarray) -> np.ndarray:
        """Return how many pairs are the ends of a path or more, by kind of path and what the pair is, (draws, 3, 3)."""
        a, b, foes, strangers = bits[self.one], bits[self.other], bits[self.between], len(self.starts) - len(self.between)
        found = []
        for kind in (~(a | b), a ^ b, a & b):
            reached = np.bitwise_or.reduceat(kind, self.starts, axis=0)
            enemies = _counted(reached[strangers:] & foes)
            found.append(np.stack([enemies, _counted(reached[:strangers]), _counted(reached[strangers:]) - enemies], 1))
        return np.stack(found, 1)


def _paths(known: np.ndarray, ends: np.ndarray) -> Iterator[_Paths]:
    """Give the paths of two ties between known pairs i < j, those of some people i at a time.

    Of tie t, end 2 t is that of the first person, and 2 t + 1 that of the other.
    """
    n, tie_of = len(known), np.full(known.shape, -1)
    tie_of[*ends.T] = tie_of[*ends.T[::-1]] = np.arange(len(ends))
    person, partner = ends.ravel(), ends[:, ::-1].ravel()
    by_person, degree = np.argsort(person, kind="stable"), np.bincount(person, minlength=n)
    first = np.cumsum(degree) - degree
    batch = (np.cumsum(np.bincount(person, degree[partner], n)) // PATHS_AT_ONCE)[person[by_person]]
    for starts in np.split(by_person, np.flatnonzero(np.diff(batch)) + 1):
        wide = degree[partner[starts]]
        out = np.repeat(starts, wide)
        onward = by_person[np.arange(len(out)) + np.repeat(first[partner[starts]] - np.cumsum(wide) + wide, wide)]
        kept = (person[out] < partner[onward]) & known[person[out], partner[onward]]
        paths = (person[out], partner[out], partner[onward], out // 2, onward // 2)
        if kept.any():
            yield _ordered(tie_of, *(part[kept] for part in paths))


def _ordered(
    tie_of: np.ndarray, i: np.ndarray, middle: np.ndarray, j: np.ndarray, one: np.ndarray, other: np.ndarray
) -> _Paths:
    """Return paths from i by one tie to the middle and by the other to j, (k,) each, in order; ties by people, (n, n)."""
    order = np.lexsort((j, i, tie_of[i, j] >= 0))
    i, middle, j, one, other = (part[order] for part in (i, middle, j, one, other))
    starts = np.flatnonzero(np.append(True, (np.diff(i) != 0) | (np.diff(j) != 0)))
    third, between = tie_of[i, j], tie_of[i[starts], j[starts]]
    once = (third >= 0) & (j < middle)
    return _Paths(one, other, starts, between[between >= 0], np.stack([one, other, third])[:, once])


def _packed(negative: np.ndarray) -> np.ndarray:
    """Return a bit for each of r draws, (m, words) uint64, of signs (r, m)."""
    bits = np.zeros((negative.shape[1], -(-len(negative) // WORD) * WORD), bool)
    bits[:, : len(negative)] = negative.T
    return np.packbits(bits, axis=1).view(np.uint64)


def _counted(bits: np.ndarray) -> np.ndarray:
    """Return how many rows have each bit set, (bits,) int64."""
    return np.asarray(np.unpackbits(bits.view(np.uint8), axis=1).sum(0, dtype=np.int64))
