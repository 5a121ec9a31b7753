"""One person under two names, and, where photos have no names, which photos show one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.search import Nearest
from facevalue.studies.strangers import Strangers

CANDIDATES = 20_000
PHOTOS = 50


@dataclass(frozen=True, slots=True, eq=False)
class NamePairs:
    """Pairs of names that may be one person, alikest first.

    Parameters
    ----------
    searched
        Pairs of names in all.
    a, b : (c,) int
        The two photos, as rows, at whose cosine the names are judged.
    similarity : (c,) float
        The cosine that more than half of the pairs of their photos reach.
    photo_pairs : (c,) int
        How many pairs of photos that is of.
    answer : (c,) str
        What such a pair says by itself.
    p, share : (c,) float
        Of strangers as alike; the share of false ones expected among all as alike.
    called : (c,) bool
        Those that still hold after so many were searched.
    """

    searched: int
    a: np.ndarray
    b: np.ndarray
    similarity: np.ndarray
    photo_pairs: np.ndarray
    answer: np.ndarray
    p: np.ndarray
    share: np.ndarray
    called: np.ndarray


def majority(values: np.ndarray) -> int:
    """Return where the largest value stands that more than half of the values reach.

    At most twice as many groups of values have such a majority above a bound as single values lie above it (Markov).

    Examples
    --------
    >>> values = np.array([0.9, 0.2, 0.8, 0.7])
    >>> majority(values), majority(values[:2]), majority(values[:1])
    (3, 1, 0)
    """
    order = np.argsort(-values, kind="stable")
    return int(order[len(values) // 2])


def several(photo_pairs: np.ndarray) -> np.ndarray:
    """Return by how much a majority of pairs may exceed one pair's rate: 1 of one, 2 of several."""
    return np.where(np.asarray(photo_pairs) > 1, 2.0, 1.0)


def name_pairs(
    u: np.ndarray, who: np.ndarray, found: Nearest, strangers: Strangers, *, comparable: np.ndarray, seed: int
) -> NamePairs:
    """Return which two names may be one person: every pair of names that stand near each other anywhere is judged.

    Two names are as alike as more than half of the pairs of their photos are, so that one photo under a wrong name makes no
    double; p of strangers as alike is at most twice that of a pair of photos. Called are pairs whose answer is "same" and
    among which at most `1 - level` are expected to be false, of all pairs of names there are.

    Parameters
    ----------
    u : (m, d) float32
        Embeddings of length 1.
    who : (m,) int
        Whose each is, from 0.
    found
        The photos of other names nearest to each.
    strangers
        See there.
    comparable : (m,) bool
        Faces such as were calibrated on.
    seed
        Of the photos of a person with more than 50, of whom 50 are compared.

    Returns
    -------
    NamePairs
        At most 20,000, those with the alikest photos.
    """
    groups = photos_of(who, seed=seed)
    rows = [_majority_pair(u, groups[one], groups[other]) for one, other in _near(who, found)]
    a, b, similarity, count = (np.array(part) for part in zip(*rows, strict=True)) if rows else (np.empty(0, int),) * 4
    answer = strangers.answers(similarity, comparable[a] & comparable[b])
    p = np.minimum(1, several(count) * strangers.tail(similarity))
    p[answer == "not comparable"] = 1
    people = len(groups)
    searched = people * (people - 1) // 2
    share, called = strangers.call(p, answer, tests=searched)
    order = np.argsort(-similarity, kind="stable")
    parts = [part[order] for part in (a, b, similarity, count, answer, p, share, called)]
    return NamePairs(searched, *parts)


def photos_of(who: np.ndarray, *, seed: int, most: int = PHOTOS) -> list[np.ndarray]:
    """Return the rows of each person, from 0, at most so many, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(who))
    order = order[np.argsort(who[order], kind="stable")]
    ends = np.cumsum(np.bincount(who)) if len(who) else np.empty(0, int)
    return [np.sort(part[:most]) for part in np.split(order, ends[:-1])] if len(who) else []


def _near(who: np.ndarray, found: Nearest) -> list[tuple[int, int]]:
    """Return pairs of people that stand near each other, those with the alikest photos first."""
    one = np.repeat(who, found.index.shape[1])
    kept = found.index.ravel() >= 0
    one, other, cosine = one[kept], who[found.index.ravel()[kept]], found.similarity.ravel()[kept]
    order = np.argsort(-cosine, kind="stable")
    ends = np.sort(np.stack([one[order], other[order]], axis=1), axis=1)
    _, first = np.unique(ends, axis=0, return_index=True)
    return [(int(i), int(j)) for i, j in ends[np.sort(first)[:CANDIDATES]]]


def _majority_pair(u: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[int, int, float, int]:
    cosines = (u[one].astype(np.float64) @ u[other].astype(np.float64).T).ravel().clip(-1, 1)
    at = majority(cosines)
    return int(one[at // len(other)]), int(other[at % len(other)]), float(cosines[at]), len(cosines)


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Pairs of photos without names that may show one person, alikest first, and the groups that the called ones make.

    Parameters
    ----------
    a, b, similarity, answer, share, called
        As of `NamePairs`, of pairs of photos, (c,).
    group : (m,) int
        The group of each photo, numbered from 0.
    least, most
        Groups that there would be if as many links are missed as the calibration cannot rule out, each of two groups; and if as
        many of the called ones are false.
    searched
        Pairs of photos in all.
    """

    a: np.ndarray
    b: np.ndarray
    similarity: np.ndarray
    answer: np.ndarray
    share: np.ndarray
    called: np.ndarray
    group: np.ndarray
    least: int
    most: int
    searched: int


def links(n: int, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], strangers: Strangers, *, comparable: np.ndarray) -> Links:
    """Return which of n photos without names show one person, by verdicts on pairs, and the groups that these connect.

    Parameters
    ----------
    n
        Photos.
    pairs
        Photos a and b, (c,) int in 0 .. n - 1, and cosines, each pair once.
    strangers
        See there.
    comparable : (n,) bool
        Faces such as were calibrated on.
    """
    a, b, cosine = pairs
    answer = strangers.answers(cosine, comparable[a] & comparable[b])
    p = np.where(answer == "not comparable", 1, strangers.tail(cosine))
    searched = n * (n - 1) // 2
    share, called = strangers.call(p, answer, tests=searched)
    group = connected(n, a[called], b[called])
    groups = int(group.max(initial=-1)) + 1
    score = float(cosine[called].min()) if called.any() else strangers.threshold
    false = strangers.false_alarms(searched, score)[2]
    _, missed = strangers.missed(score)
    least = groups - called.sum() * missed / max(1 - missed, 1e-9)
    most = groups + min(n - groups, np.nan_to_num(false, nan=np.inf)) if called.any() else n
    return Links(
        a, b, cosine, answer, share, called, group, max(1, int(least)) if called.any() else 1, int(np.ceil(most)), searched
    )


def connected(n: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the connected group of each of n, (n,) int from 0 in order of their first member.

    Examples
    --------
    >>> connected(5, np.array([0, 3]), np.array([2, 4])).tolist()
    [0, 1, 0, 2, 2]
    """
    parent = list(range(n))
    for one, other in zip(a.tolist(), b.tolist(), strict=True):
        roots = sorted((_root(parent, one), _root(parent, other)))
        parent[roots[1]] = roots[0]
    roots_of = np.array([_root(parent, i) for i in range(n)], int)
    return np.unique(roots_of, return_inverse=True)[1].reshape(-1)


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
