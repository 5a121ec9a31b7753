"""Exact tests of a share: how probable so few, or so many, hits are."""

from __future__ import annotations

import math

import numpy as np


def binomial_tail(hits: int, n: int, share: float) -> float:
    """Return the probability of at most so many hits: `sum_{k <= h} C(n, k) p^k (1 - p)^(n - k)`.

    That of at least so many is `binomial_tail(n - hits, n, 1 - share)`.

    Parameters
    ----------
    hits, n
        Hits in n independent trials; fewer than none have probability 0.
    share
        p, the probability of a hit, in [0, 1].

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        A share outside [0, 1], or more hits than trials.

    Examples
    --------
    >>> round(binomial_tail(1, 3, 0.5), 4), round(binomial_tail(10 - 8, 10, 0.5), 4)
    (0.5, 0.0547)
    """
    if not 0 <= share <= 1 or hits > n or n < 0:
        raise ValueError(f"expected at most n hits and a share in [0, 1]; got {hits} of {n} and {share}")
    if hits < 0 or hits == n or share in (0, 1):
        return float(hits >= 0 and (hits == n or share == 0))
    k = np.arange(hits + 1)
    log_ways = np.append(0.0, np.cumsum(np.log(n - k[:-1]) - np.log(k[1:])))
    return min(1.0, float(np.exp(log_ways + k * math.log(share) + (n - k) * math.log1p(-share)).sum()))


def uniform_test(counts: np.ndarray) -> float:
    """Return the p-value of k places being chosen equally often: `min(1, k min_i 2 min(P(X <= c_i), P(X >= c_i)))`.

    Each place is tested by a two-sided exact binomial test against 1/k; of two places both tests are one, and not corrected.

    Parameters
    ----------
    counts : (k,) int
        How often each place was chosen, k of 2 or more.

    Returns
    -------
    float
        In (0, 1]; NaN where nothing was chosen.

    Raises
    ------
    ValueError
        Fewer than two places, or counts below 0.

    References
    ----------
    Dunn, Multiple comparisons among means, JASA 56, 1961 (Bonferroni).

    Examples
    --------
    >>> round(uniform_test(np.array([8, 2])), 4), round(uniform_test(np.array([9, 0, 0])), 6), uniform_test(np.array([5, 5]))
    (0.1094, 0.000305, 1.0)
    """
    counts = np.asarray(counts, np.int64)
    if counts.ndim != 1 or len(counts) < 2 or (counts < 0).any():
        raise ValueError(f"expected counts (k,) of 0 or more, of 2 places or more; got {counts.tolist()}")
    k, n = len(counts), int(counts.sum())
    if not n:
        return float("nan")
    tails = [min(binomial_tail(c, n, 1 / k), binomial_tail(n - c, n, 1 - 1 / k)) for c in counts.tolist()]
    return min(1.0, 2 * min(tails) * (1 if k == 2 else k))
