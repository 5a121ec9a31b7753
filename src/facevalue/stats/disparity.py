"""Any measure by any grouping, always a table; a group that is too small is a row that says so by NaN. Tests of groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval


@dataclass(frozen=True, slots=True)
class ByGroup:
    """One row a group, in the order of their names.

    Parameters
    ----------
    group : (g,)
        Names.
    value, low, high : (g,) float
        The measure and its interval; NaN in groups with too few faces.
    n : (g,) int
        Faces.
    level
        Nominal coverage of each interval.
    """

    group: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    level: float


def share_by_group(hits: np.ndarray, groups: np.ndarray, *, level: float, least: int = 30) -> ByGroup:
    """Return the share of hits in each group, with Wilson intervals.

    Parameters
    ----------
    hits : (n,) bool
        Of independent faces.
    groups : (n,)
        The group of each.
    level
        In (0, 1).
    least
        Groups with fewer faces are rows of NaN.

    Raises
    ------
    ValueError
        When hits are not bool, or not as many as groups.

    Examples
    --------
    >>> table = share_by_group(np.array([True, False, True]), np.array(["a", "a", "b"]), level=0.9, least=2)
    >>> table.group, table.value, table.low.round(2), table.high.round(2), table.n
    (array(['a', 'b'], dtype='<U1'), array([0.5, nan]), array([0.12,  nan]), array([0.88,  nan]), array([2, 1]))
    """
    hits = np.asarray(hits)
    if hits.dtype != bool or hits.shape != np.shape(groups):
        raise ValueError(f"expected bool hits, one a group; got {hits.dtype} {hits.shape}, groups {np.shape(groups)}")
    names, at, n = np.unique(groups, return_inverse=True, return_counts=True)
    counts = np.bincount(at, hits, len(names))
    table = np.stack([counts / n, *wilson_interval(counts, n, level=level)])
    value, low, high = np.where(n >= least, table, np.nan)
    return ByGroup(names, value, low, high, n, level)


def by_group(
    statistic: Callable[..., float],
    groups: np.ndarray,
    *arrays: np.ndarray,
    level: float,
    seed: int,
    least: int = 30,
    resamples: int = 2000,
) -> ByGroup:
    """Return any statistic in each group, with percentile bootstrap intervals over faces.

    Parameters
    ----------
    statistic
        Of as many arrays as given; returns a number.
    groups : (n,)
        The group of each face.
    arrays : (n, ...) each
        A row a face.
    level
        In (0, 1).
    seed
        Of the draws.
    least
        Groups with fewer faces are rows of NaN.
    resamples
        Of the bootstrap.

    Examples
    --------
    >>> years = np.array([1.0, 2.0, 3.0, 9.0])
    >>> table = by_group(np.mean, np.array(["a", "a", "a", "b"]), years, level=0.9, seed=0, least=3)
    >>> table.value, table.n
    (array([ 2., nan]), array([3, 1]))
    """
    check_level(level)
    names, at, n = np.unique(groups, return_inverse=True, return_counts=True)
    table = np.full((3, len(names)), np.nan)
    for g in np.flatnonzero(n >= least):
        rows = [array[at == g] for array in arrays]
        table[:, g] = (statistic(*rows), *bootstrap_interval(statistic, *rows, level=level, seed=seed, resamples=resamples))
    value, low, high = table
    return ByGroup(names, value, low, high, n, level)


def labels_test(
    hits: np.ndarray, n: np.ndarray, labels: np.ndarray, *, seed: int, permutations: int = 999
) -> tuple[np.ndarray, np.ndarray]:
    """Return the p-values of no difference between each group's rate and the rest's, by permuting labels over people.

    The rate is `sum hits / sum n`, and the statistic its difference to the rest's over its standard error, by which the test
    holds also where groups differ in how much their rates vary.

    Parameters
    ----------
    hits, n : (p,) float
        Of each person, say errors and comparisons; people without a comparison do not count.
    labels : (p,)
        The group of each.
    seed
        Of the permutations.
    permutations
        How many.

    Returns
    -------
    names : (g,)
    p : (g,) float64 in (0, 1]
        NaN where a group or the rest has no comparison.

    Raises
    ------
    ValueError
        Arrays of other shapes, or NaN.

    References
    ----------
    Chung, Romano, Exact and asymptotically robust permutation tests, Annals of Statistics 41, 2013; p: Phipson, Smyth,
    Statistical Applications in Genetics and Molecular Biology 9, 2010.

    Examples
    --------
    >>> hits = np.repeat([1.0, 0.0], [9, 11])
    >>> names, p = labels_test(hits, np.ones(20), np.repeat(["a", "b"], 10), seed=0)
    >>> names.tolist(), bool(p.max() < 0.01)
    (['a', 'b'], True)
    """
    hits, n = np.asarray(hits, np.float64), np.asarray(n, np.float64)
    if not hits.shape == n.shape == np.shape(labels) or hits.ndim != 1 or np.isnan(hits).any() or np.isnan(n).any():
        raise ValueError(f"expected hits, n and labels (p,) without NaN; got {hits.shape}, {n.shape}, {np.shape(labels)}")
    names, at = np.unique(labels, return_inverse=True)
    return names, _permuted(at, len(names), lambda _: (hits, n), seed, permutations)


def pair_labels_test(
    hits: np.ndarray, first: np.ndarray, second: np.ndarray, labels: np.ndarray, *, seed: int, permutations: int = 999
) -> tuple[np.ndarray, np.ndarray]:
    """Return the p-values of no difference between the rate of pairs within each group and that within all others.

    As `labels_test`, of pairs of two people; a pair counts where both have one label. Each person's sum over pairs is taken
    as one for the standard error.

    Parameters
    ----------
    hits : (m,) bool or float
        Of each pair, as false matches.
    first, second : (m,) int
        The two people, numbered from 0.
    labels : (p,)
        The group of each person.
    seed, permutations
        As for `labels_test`.

    Returns
    -------
    names : (g,)
    p : (g,) float64 in (0, 1]
        NaN where a group or the rest has no pair.

    Raises
    ------
    ValueError
        Arrays of other shapes, or people without a label.

    References
    ----------
    As `labels_test`; the error: Aronow, Samii, Assenova, Cluster-robust variance estimation for dyadic data, Political
    Analysis 23, 2015.

    Examples
    --------
    >>> first, second = np.triu_indices(20, 1)
    >>> names, p = pair_labels_test((first < 9) & (second < 9), first, second, np.repeat(["a", "b"], 10), seed=0)
    >>> names.tolist(), bool(p.max() < 0.01)
    (['a', 'b'], True)
    """
    if not len(hits) == len(first) == len(second) or (len(first) and max(first.max(), second.max()) >= len(labels)):
        raise ValueError(f"expected pairs (m,) of {len(labels)} labelled people; got {len(hits)}, {len(first)}, {len(second)}")
    names, at = np.unique(labels, return_inverse=True)
    people, low, high = len(at), np.minimum(first, second), np.maximum(first, second)
    pair, cell = np.unique(low.astype(np.int64) * people + high, return_inverse=True)
    y, m, one, other = np.bincount(cell, hits), np.bincount(cell).astype(np.float64), pair // people, pair % people

    def sums(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        within = label[one] == label[other]
        ends = np.append(one[within], other[within])
        return tuple(np.bincount(ends, np.tile(part[within], 2), people) for part in (y, m))  # type: ignore[return-value]

    return names, _permuted(at, len(names), sums, seed, permutations)


def _permuted(
    at: np.ndarray,
    g: int,
    sums: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    seed: int,
    permutations: int,
) -> np.ndarray:
    """Return p of each group; `sums` gives each person's hits and comparisons under labels, (p,) int."""
    draw, known = np.random.default_rng(seed), _studentised(*sums(at), at, g)
    above = np.ones(g)
    for _ in range(permutations):
        drawn = draw.permutation(at)
        above += np.nan_to_num(_studentised(*sums(drawn), drawn, g), nan=0.0) >= known - 1e-12
    return np.where(np.isnan(known), np.nan, above / (permutations + 1))


def _studentised(hits: np.ndarray, n: np.ndarray, at: np.ndarray, g: int) -> np.ndarray:
    """Return |rate - rate of the rest| over its standard error, (g,); NaN where one of both has no comparison."""
    own = np.stack([np.bincount(at, part, g) for part in (hits, n, hits**2, hits * n, n**2)])
    kinds = own, own.sum(1, keepdims=True) - own
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [part[0] / part[1] for part in kinds]
        squares = [np.maximum(p[2] - 2 * r * p[3] + r**2 * p[4], 0) / p[1] ** 2 for p, r in zip(kinds, rates, strict=True)]
        apart = np.abs(rates[0] - rates[1])
        return np.asarray(np.where(apart < 1e-12, apart * 0, apart / np.sqrt(sum(squares))))
