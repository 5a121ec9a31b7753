"""Triads of friends and enemies: which there are, which structural balance expects, and what chance would give.

A triad is three people of whom every pair is tied; its name has the signs of the three ties. Of a path, two ties that meet in
a person, the pair at its ends may be tied or not: the friend of a friend, the friend of an enemy, the enemy of an enemy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.stats.permutation import PermutationTest, permutation_test
from facevalue.stats.sign_swaps import permuted_signs, swapped_signs
from facevalue.stats.triad_draws import drawn_triads

TYPES = ("+++", "++-", "+--", "---")
PATHS = ("friend of a friend", "friend of an enemy", "enemy of an enemy")
ENDS = ("enemies", "strangers", "friends")
MEASURES = (
    *(f"triads {name}" for name in TYPES),
    "share_balanced",
    "share_weakly_balanced",
    "friend_of_friend_is_friend",
    "friend_of_friend_is_enemy",
    "friend_of_enemy_is_friend",
    "friend_of_enemy_is_enemy",
    "enemy_of_enemy_is_friend",
    "enemy_of_enemy_is_enemy",
)
KEPT = ("ties", "people")


@dataclass(frozen=True, slots=True, eq=False)
class Triads:
    """What the triads and paths of each of b blocks end in.

    Parameters
    ----------
    paths : (b, 3, 3) float64
        How many paths of each of `PATHS`, by what the pair at its ends is, of `ENDS`; those whose ends are not known are left
        out.
    pairs : (b, 3, 3) float64
        How many pairs are the ends of one such path or more, likewise.
    all_pairs : (b, 3) float64
        How many known pairs there are at all, by what they are.
    """

    paths: np.ndarray
    pairs: np.ndarray
    all_pairs: np.ndarray

    @property
    def closed(self) -> np.ndarray:
        """How many triads there are of each of `TYPES`, (b, 4)."""
        return closed_triads(self.paths)

    @property
    def measures(self) -> np.ndarray:
        """`MEASURES` over all blocks, (12,); shares of nothing are NaN.

        Balanced is +++ and +-- (Cartwright and Harary), weakly balanced also --- (Davis). The rules are shares of the pairs
        at the ends of a path of the kind.
        """
        return _measures(self.closed.sum(0), self.pairs.sum(0))

    @property
    def resting(self) -> np.ndarray:
        """On how many triads or pairs each of `MEASURES` rests, (12,)."""
        return np.concatenate([np.full(6, self.closed.sum()), np.repeat(self.pairs.sum((0, 2)), 2)])

    @property
    def among_all(self) -> np.ndarray:
        """What the last six of `MEASURES` are among all pairs of the same blocks, in the same proportions, (6,)."""
        exposed = self.pairs.sum(2)
        with np.errstate(invalid="ignore"):
            share = self.all_pairs / self.all_pairs.sum(1, keepdims=True)
            mean = np.where(exposed[..., None] > 0, exposed[..., None] * share[:, None], 0).sum(0) / exposed.sum(0)[:, None]
        return np.asarray(mean[:, [2, 0]].ravel())


def triads(signs: Sequence[np.ndarray]) -> Triads:
    """Count triads and paths by products of the matrices of friends, P, and of enemies, N: `+++ = sum P . (P P) / 6`.

    Parameters
    ----------
    signs
        Of each block, (n, n), symmetric: 1 friends, -1 enemies, 0 neither, NaN not known; the diagonal does not count.

    Raises
    ------
    ValueError
        There is no block, or one is not as above.

    References
    ----------
    Cartwright, Harary, Structural balance, Psychological Review 63, 1956; Davis, Clustering and structural balance in graphs,
    Human Relations 20, 1967.

    Examples
    --------
    >>> two_camps = np.array([[0, 1, -1, 0], [1, 0, -1, -1], [-1, -1, 0, 1], [0, -1, 1, 0]])
    >>> found = triads([two_camps])
    >>> found.closed, found.paths[0, 2]
    (array([[0., 0., 2., 0.]]), array([0., 0., 2.]))
    """
    parts = [census(matrix[None]) for matrix in checked_signs(signs)]
    paths, pairs, every = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Triads(paths, pairs, every)


@dataclass(frozen=True, slots=True, eq=False)
class BalanceTest:
    """`MEASURES` beside what they are when signs are drawn anew over the same ties.

    Parameters
    ----------
    observed, expected, ratio : (12,) float64
        Expected is the mean of the draws in which the measure is defined.
    test
        Of the distances from the mean of draws and observed together; an undefined share is at distance 0. NaN where the
        observed share is undefined.
    null : (r, 12) float64
        The measures of the draws.
    free
        Share of ties whose sign could change.
    mixing
        How far draws are from where their chains began, in units of how far they are from each other: 1 where chains have
        forgotten it. Always 1 where ties are kept, NaN where no sign could change.
    """

    observed: np.ndarray
    expected: np.ndarray
    ratio: np.ndarray
    test: PermutationTest
    null: np.ndarray
    free: float
    mixing: float


def balance_test(
    signs: Sequence[np.ndarray],
    *,
    permutations: int,
    seed: int,
    keep: str = "ties",
    over: Callable[..., Iterable[Any]] = map,
) -> BalanceTest:
    """Test triads against signs drawn anew in each block, with the same pairs tied.

    Parameters
    ----------
    signs
        As for `triads`.
    permutations, seed
        How many draws, and of the draws.
    keep
        "ties": each block keeps its number of negative ties, any ties may bear them. "people": each person keeps theirs, so
        that people with many enemies do not pass for balance; see `swapped_signs`.
    over
        The `map` of a pool of processes, for several blocks; the answer does not depend on it.

    Raises
    ------
    ValueError
        As `triads` does; or `keep` is neither, or no permutations are asked for.

    References
    ----------
    Signs over fixed ties: Leskovec, Huttenlocher, Kleinberg, Signed networks in social media, CHI 2010, section 3.

    Examples
    --------
    >>> camp = np.repeat([1, -1], 5)
    >>> found = balance_test([np.outer(camp, camp)], permutations=199, seed=0)
    >>> found.observed[:4], found.expected[:4].round(1), float(found.test.two_sided[4])
    (array([ 20.,   0., 100.,   0.]), array([ 9.8, 40. , 50.8, 19.5]), 0.005)
    """
    if keep not in KEPT or permutations < 1:
        raise ValueError(f"expected keep {' or '.join(KEPT)} and 1 permutation or more, got {keep!r} and {permutations}")
    blocks = checked_signs(signs)
    tasks = [_Task(matrix, keep, permutations, (seed, number)) for number, matrix in enumerate(blocks)]
    closed, pairs, distances, free = (sum(parts) for parts in zip(*over(_drawn, tasks), strict=True))
    with np.errstate(invalid="ignore"):
        (free,), mixing = free[:1] / free[1:], 1.0 if keep == "ties" else float(np.divide(*distances))
    return _tested(triads(blocks).measures, _measures(closed, pairs), free=float(free), mixing=mixing)


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One block, and the draws of its signs that are wanted."""

    signs: np.ndarray
    keep: str
    draws: int
    seed: tuple[int, ...]


def _drawn(task: _Task) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return triads and pairs of draws, how far draws lie from their start and from each other, ties that are free and all."""
    ends = np.argwhere(np.triu(np.nan_to_num(task.signs) != 0))
    negative = task.signs[*ends.T] < 0
    if task.keep == "ties":
        drawn, distances, free = permuted_signs(negative, draws=task.draws, seed=task.seed), (0.0, 0.0), len(ends)
    else:
        swapped = swapped_signs(ends, negative, draws=task.draws, seed=task.seed)
        drawn, distances, free = swapped.negative, swapped.distances, int(swapped.free.sum())
    return *drawn_triads(np.isfinite(task.signs), ends, drawn), np.array(distances), np.array([free, len(ends)])


def checked_signs(signs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return blocks of float64 with NaN on the diagonal, or say what is wrong with them."""
    if not len(signs):
        raise ValueError("expected the signs of one block or more, got none")
    checked = []
    for number, given in enumerate(signs):
        matrix = np.array(given, np.float64)
        if matrix.ndim != 2 or len(set(matrix.shape)) != 1:
            raise ValueError(f"expected signs (n, n), block {number} has shape {matrix.shape}")
        np.fill_diagonal(matrix, np.nan)
        wrong = ~np.isin(matrix, (-1, 0, 1)) & ~np.isnan(matrix)
        if wrong.any():
            raise ValueError(f"expected signs -1, 0, 1 or NaN, block {number} has {matrix[wrong][0]:g}")
        if not np.array_equal(matrix, matrix.T, equal_nan=True):
            raise ValueError(f"expected undirected signs, block {number} is not symmetric: symmetrise it first")
        checked.append(matrix)
    return checked


def path_kinds(signs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the paths between the people of matrices, and who is an enemy, a stranger, a friend, (c, n, n) float32 each."""
    ends = tuple((signs == sign).astype(np.float32) for sign in (-1, 0, 1))
    enemy, _, friend = ends
    mixed = friend @ enemy
    return friend @ friend, mixed + mixed.swapaxes(1, 2), enemy @ enemy, *ends


def _half(paths: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return half the sum of the products of cells, (c,): every unordered pair once."""
    rows = np.einsum("cij,cij->ci", paths, ends)
    return np.asarray(rows.sum(1, dtype=np.float64) / 2)


def census(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `Triads` holds, of c matrices of one size, (c, n, n): (c, 3, 3), (c, 3, 3), (c, 3)."""
    kinds = path_kinds(signs)
    paths, ends = kinds[:3], kinds[3:]
    counted, reached = (
        np.stack([np.stack([_half(path, end) for end in ends], 1) for path in some], 1)
        for some in (paths, [np.minimum(path, 1) for path in paths])
    )
    every = np.stack([end.sum((1, 2), dtype=np.float64) / 2 for end in ends], 1)
    return counted, reached, every


def closed_triads(paths: np.ndarray) -> np.ndarray:
    """Return the triads, (..., 4), of paths, (..., 3, 3): +++ and --- hold three paths whose ends close them."""
    return np.stack([paths[..., 0, 2] / 3, paths[..., 0, 0], paths[..., 2, 2], paths[..., 2, 0] / 3], -1)


def _measures(closed: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return `MEASURES`, (..., 12), of triads, (..., 4), and pairs, (..., 3, 3)."""
    with np.errstate(invalid="ignore"):
        share = closed / closed.sum(-1, keepdims=True)
        rules = pairs / pairs.sum(-1, keepdims=True)
    balanced = share[..., 0] + share[..., 2]
    last = rules[..., [2, 0]].reshape(*rules.shape[:-2], 6)
    return np.concatenate([closed, np.stack([balanced, balanced + share[..., 3]], -1), last], -1)


def _tested(observed: np.ndarray, null: np.ndarray, *, free: float, mixing: float) -> BalanceTest:
    """Return the test of distances from the mean of all; a share of nothing is at none."""
    every = np.concatenate([observed[None], null])
    known = np.isfinite(every)
    centre = np.where(known, every, 0).sum(0) / np.maximum(known.sum(0), 1)
    distance = np.where(known, every - centre, 0)
    test = permutation_test(distance[0], distance[1:])
    for p in (test.less, test.greater, test.two_sided, test.error):
        p[~known[0]] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.where(known[1:], null, 0).sum(0) / known[1:].sum(0)
        ratio = np.where(expected > 0, observed / expected, np.nan)
    return BalanceTest(observed, expected, ratio, test, null, free, mixing)
