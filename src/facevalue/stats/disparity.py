"""Any measure by any grouping, always a table; a group that is too small is a row that says so by NaN."""

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
