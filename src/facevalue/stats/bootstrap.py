"""The bootstrap: the interval of any statistic, by drawing rows, whole clusters of rows, or the people of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from facevalue.stats.calibration import check_level


def bootstrap_interval(
    statistic: Callable[..., Any],
    *arrays: np.ndarray,
    level: float,
    seed: int,
    resamples: int = 2000,
    clusters: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of a statistic: the `(1 -+ level) / 2` quantiles of its values on resamples.

    Parameters
    ----------
    statistic
        Of as many arrays as given; returns a number or an array.
    arrays : (n, ...) each
        A row a face.
    level
        In (0, 1).
    seed
        Of the draws.
    resamples
        How many.
    clusters : (n,), optional
        Whom each row belongs to, as in photos of a person: whole clusters are drawn.

    Returns
    -------
    low, high : as the statistic

    Raises
    ------
    ValueError
        When there are no rows, or the arrays differ in their number.

    References
    ----------
    Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; clusters: Davison, Hinkley, Bootstrap
    Methods and their Application, 1997, section 3.8.

    Examples
    --------
    >>> low, high = bootstrap_interval(np.mean, np.arange(100.0), level=0.9, seed=0)
    >>> bool(43 < low < 47), bool(52 < high < 56)
    (True, True)
    """
    check_level(level)
    rows = {len(array) for array in (*arrays, *(() if clusters is None else (clusters,)))}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"expected arrays of one number of rows, 1 or more; got {sorted(rows)}")
    ids = np.arange(rows.pop()) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    draws = _draws(ids, resamples, np.random.default_rng(seed))
    values = np.stack([np.asarray(statistic(*(array[drawn] for array in arrays))) for drawn in draws])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _draws(ids: np.ndarray, resamples: int, draw: np.random.Generator) -> Iterator[np.ndarray]:
    """Give the row numbers of each resample; ids, (n,), number the clusters from 0."""
    order, counts = np.argsort(ids, kind="stable"), np.bincount(ids)
    if len(counts) == len(ids):
        yield from (order[draw.integers(len(ids), size=len(ids))] for _ in range(resamples))
        return
    starts = np.cumsum(counts) - counts
    for _ in range(resamples):
        drawn = draw.integers(len(counts), size=len(counts))
        sizes = counts[drawn]
        before = np.cumsum(sizes) - sizes
        yield order[np.repeat(starts[drawn] - before, sizes) + np.arange(sizes.sum())]


def people_weights(first: np.ndarray, second: np.ndarray, *, seed: int, resamples: int = 2000) -> Iterator[np.ndarray]:
    """Give the weights of pairs in each resample of people: `w_p` of a pair of one person, `w_p w_q` of two.

    As many people as there are, P, are drawn with replacement; w_p is how often person p was.

    Parameters
    ----------
    first, second : (n,)
        The two people of each pair.
    seed
        Of the draws.
    resamples
        How many.

    Yields
    ------
    (n,) float64, whole numbers of 0 or more

    Raises
    ------
    ValueError
        When there are no pairs, or not as many first as second people.

    References
    ----------
    Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007; for pairs drawn out of one set: Davezies,
    D'Haultfoeuille, Guyonvarch, Empirical process results for exchangeable arrays, Annals of Statistics 49, 2021.

    Examples
    --------
    >>> first, second = np.array(["ann", "bo", "ann"]), np.array(["ann", "bo", "bo"])
    >>> [weights.tolist() for weights in people_weights(first, second, seed=0, resamples=3)]
    [[0.0, 2.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"expected pairs of people, 1 or more; got {len(first)} first and {len(second)} second")
    names, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    n_people, draw = len(names), np.random.default_rng(seed)
    one, other = at[: len(first)], at[len(first) :]
    other = np.where(one == other, n_people, other)
    for _ in range(resamples):
        drawn = np.bincount(draw.integers(n_people, size=n_people), minlength=n_people)
        drawn = np.append(drawn, 1).astype(np.float64)
        yield drawn[one] * drawn[other]


def people_interval(
    statistic: Callable[[np.ndarray], Any],
    first: np.ndarray,
    second: np.ndarray,
    *,
    level: float,
    seed: int,
    resamples: int = 2000,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of a statistic of pairs, by drawing their people: see `people_weights`.

    A difference of two statistics on the same weights is a paired comparison. Statistics that are fitted to the pairs, as
    the hull of an equal error rate or the ratios of a minimum Cllr are, look better on few people than they are, and their
    intervals fall short: of 60 people, 90 % intervals held the true equal error rate in about 8 of 10 samples, the minimum
    Cllr in 5.

    Parameters
    ----------
    statistic
        Of the weights of the pairs, (n,); returns a number or an array. NaN where a resample cannot tell, as when no pair
        of one kind was drawn.
    first, second : (n,)
        The two people of each pair.
    level
        In (0, 1).
    seed
        Of the draws.
    resamples
        How many.

    Returns
    -------
    low, high : as the statistic
        Of the resamples that can tell; NaN where more than 5 % cannot.

    Raises
    ------
    ValueError
        As `people_weights` does, and for a level outside (0, 1).

    Examples
    --------
    >>> people, values = np.arange(100), np.arange(100.0)
    >>> low, high = people_interval(lambda w: w @ values / w.sum(), people, people, level=0.9, seed=0)
    >>> bool(43 < low < 47), bool(52 < high < 56)
    (True, True)
    """
    check_level(level)
    draws = people_weights(first, second, seed=seed, resamples=resamples)
    values = np.stack([np.asarray(statistic(weights), np.float64) for weights in draws])
    told = np.isnan(values).mean(0) <= 0.05
    ends = np.nanquantile(np.where(told, values, 0), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(told, ends, np.nan)
    return low, high
