"""The bootstrap: the interval of any statistic, by drawing rows, or whole clusters of rows, with replacement."""

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
    starts = np.cumsum(counts) - counts
    for _ in range(resamples):
        drawn = draw.integers(len(counts), size=len(counts))
        sizes = counts[drawn]
        before = np.cumsum(sizes) - sizes
        yield order[np.repeat(starts[drawn] - before, sizes) + np.arange(sizes.sum())]
