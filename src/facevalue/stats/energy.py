"""The energy distance of two sets of faces, tested by exchanging people between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level
from facevalue.stats.permutation import permutation_test
from facevalue.stats.separation import separation_interval
from facevalue.stats.similarity import similarity

PERMUTATIONS, RESAMPLES, BATCH = 499, 200, 100
FIRST, BOTH, SECOND = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Energy:
    """How far two sets lie apart, and how far apart chance alone would put them.

    Parameters
    ----------
    value, low, high
        The energy distance, in [0, 1], and its interval.
    chance, chance_low, chance_high
        Its mean where people are exchanged between the sets, and between which values most of these lie.
    p
        The share of exchanges that put the sets at least as far apart, in (0, 1].
    """

    value: float
    low: float
    high: float
    chance: float
    chance_low: float
    chance_high: float
    p: float


def energy_distance(distances: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return `(2 E|X - Y| - E|X - X'| - E|Y - Y'|) / (2 E|X - Y|)`, X, X' of one set and Y, Y' of the other, r times.

    It is 0 where both distributions are one and 1 where each set is one point, another one each. Of samples it lies above 0
    by chance: compare it with what it is where faces are exchanged.

    Parameters
    ----------
    distances : (n, n) float
        Of all faces, 0 on the diagonal.
    a, b : (r, n) float
        0 or more: how often each face counts in the first set and in the second, in each of r draws.

    Returns
    -------
    (r,) float64
        In [0, 1].

    Raises
    ------
    ValueError
        Other shapes.

    References
    ----------
    Szekely, Rizzo, Energy statistics, Journal of Statistical Planning and Inference 143, 2013, eq. 2.1 and section 3.

    Examples
    --------
    >>> x = np.array([0.0, 2, 3])
    >>> energy_distance(abs(x[:, None] - x), np.array([[1, 0, 0]]), np.array([[0, 1, 1]])).round(3)
    array([0.9])
    """
    n = len(distances)
    if distances.shape != (n, n) or np.shape(a) != np.shape(b) or np.ndim(a) != 2 or np.shape(a)[1] != n:
        raise ValueError(
            f"expected distances (n, n) and weights (r, n) twice; got {distances.shape}, {np.shape(a)}, {np.shape(b)}"
        )
    found = np.empty(len(a))
    for start in range(0, len(a), BATCH):
        one, other = (_shares(side[start : start + BATCH]) for side in (a, b))
        ahead, behind = one @ distances, other @ distances
        within = np.einsum("ij,ij->i", ahead, one, dtype=np.float64) + np.einsum("ij,ij->i", behind, other, dtype=np.float64)
        between = 2 * np.einsum("ij,ij->i", ahead, other, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[start : start + BATCH] = np.where(between > 0, 1 - within / between, 0.0)
    return np.clip(found, 0, 1)


def energy_test(
    x: np.ndarray,
    first: np.ndarray,
    *,
    level: float,
    seed: int,
    person: np.ndarray | None = None,
    draws: tuple[int, int] = (PERMUTATIONS, RESAMPLES),
) -> Energy:
    """Return the energy distance of two sets of faces by Euclidean distance, its interval and its p.

    p is that of a permutation test: people of one set alone are dealt anew to both sets; of a person in both sets, photos of
    the one change places with those of the other, or not. It holds for any number of photos a person; where one set has
    many photos of few people and the other one photo of many, it is too large rather than too small. The interval is that of
    `separation_interval`, by a bootstrap over people.

    Parameters
    ----------
    x : (n, d) float
        Faces of both sets along d dimensions of comparable scale.
    first : (n,) bool
        Which are of the first set.
    level
        Of the interval, and of the range of chance, in (0, 1).
    seed
        Of the draws.
    person : (n,), optional
        Whom each shows; without it all are different.
    draws
        Permutations, and resamples of the bootstrap.

    Raises
    ------
    ValueError
        A set without faces, other shapes, or NaN.

    References
    ----------
    Szekely, Rizzo, Journal of Statistical Planning and Inference 143, 2013, section 3; p: Phipson, Smyth, Statistical
    Applications in Genetics and Molecular Biology 9, 2010.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0.0], [2.0]], 30, axis=0)
    >>> found = energy_test(x, np.arange(60) < 30, level=0.9, seed=0)
    >>> bool(found.value > found.high / 2 > found.chance), found.p
    (True, 0.002)
    """
    check_level(level)
    x, first = np.asarray(x, np.float64), np.asarray(first, bool)
    if x.ndim != 2 or first.shape != x.shape[:1] or first.all() or not first.any() or np.isnan(x).any():
        raise ValueError(
            f"expected faces (n, d) of two sets without NaN; got {x.shape}, {first.sum()} of the first, {np.isnan(x).sum()} NaN"
        )
    distances = similarity(x, x, metric="euclidean")
    value = energy_distance(distances, first[None], ~first[None])
    who = np.arange(len(x)) if person is None else person
    chosen = exchanged(first, who, draws[0], seed=seed)
    null = energy_distance(distances, chosen, ~chosen)
    test = permutation_test(value, null[:, None])
    weights = drawn_people(first, who, draws[1], seed=seed)
    boot = energy_distance(distances, weights * first, weights * ~first)
    low, high = separation_interval(value, boot[:, None], level=level)
    ends = np.quantile(null, [(1 - level) / 2, (1 + level) / 2])
    return Energy(*(float(cell) for cell in (value[0], low[0], high[0], null.mean(), *ends, test.greater[0])))


def exchanged(first: np.ndarray, person: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Return which faces are of the first set when people change places, (count, n) bool.

    As many people have photos in one set alone as before; of a person in both, the photos of one set are all changed for
    those of the other, or none is.

    Parameters
    ----------
    first : (n,) bool
    person : (n,)
    count
        How many draws.
    seed
        Of them.

    Examples
    --------
    >>> exchanged(np.array([True, True, False, True]), np.array(["a", "a", "b", "c"]), 3, seed=1)
    array([[ True,  True, False,  True],
           [ True,  True,  True, False],
           [False, False,  True,  True]])
    """
    draw, (who, kind) = np.random.default_rng(seed), kinds(first, person)
    alone, sides = kind != BOTH, np.tile(kind == FIRST, (count, 1))
    sides[:, alone] = draw.permuted(sides[:, alone], axis=1)
    sides[:, ~alone] = draw.random((count, int((~alone).sum()))) < 0.5
    return np.asarray(np.where(alone[who], sides[:, who], sides[:, who] == first))


def drawn_people(first: np.ndarray, person: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Return how often each face counts when people are drawn with replacement, (count, n) int.

    As many are drawn as there are of each kind: in the first set alone, in the second alone, in both.

    Parameters
    ----------
    first : (n,) bool
    person : (n,)
    count
        How many draws.
    seed
        Of them.

    Examples
    --------
    >>> drawn_people(np.array([True, True, True, False]), np.array(["a", "a", "b", "c"]), 3, seed=0)
    array([[1, 1, 1, 1],
           [1, 1, 1, 1],
           [0, 0, 2, 1]])
    """
    draw, (who, kind) = np.random.default_rng(seed), kinds(first, person)
    drawn = np.zeros((count, len(kind)), np.int64)
    for one in np.unique(kind):
        there = int((kind == one).sum())
        drawn[:, kind == one] = draw.multinomial(there, np.full(there, 1 / there), size=count)
    return drawn[:, who]


def kinds(first: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each face's person, (n,), and of each of p people 0, in the first set alone, 1, in both, or 2.

    Parameters
    ----------
    first : (n,) bool
    person : (n,)

    Examples
    --------
    >>> kinds(np.array([True, False, False]), np.array(["a", "a", "b"]))
    (array([0, 0, 1]), array([1, 2]))
    """
    who = np.unique(person, return_inverse=True)[1]
    in_first, in_second = (np.bincount(who, side) > 0 for side in (first, ~first))
    return who, np.where(in_first & in_second, BOTH, np.where(in_first, FIRST, SECOND))


def _shares(weights: np.ndarray) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)
