"""How many permutations a verdict takes: until few studies have a p so near alpha that another draw could turn it."""

from __future__ import annotations

from math import ceil
from statistics import NormalDist

DOUBTFUL = 0.05


def permutations_needed(power: float, *, alpha: float) -> float:
    """Return the permutations with which p lies within two Monte-Carlo errors of alpha in 5 % of studies.

    For a normal test statistic, with z the quantile of `1 - alpha / 2` and `d = z + q(power)`, p has the density
    `f = (phi(z - d) + phi(z + d)) / (2 phi(z))` at alpha, and `r = alpha (1 - alpha) (4 f / .05)^2`. It is largest, as f is,
    at a power of a half.

    Parameters
    ----------
    power
        In [0, 1]; taken as at least alpha, and at most .9999.
    alpha
        In (0, 1).

    Examples
    --------
    >>> [permutations_needed(power, alpha=0.05) for power in (0.05, 0.5, 0.8, 0.99)]
    [304.0, 3545.0, 1744.0, 16.0]
    """
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2)
    d = z + normal.inv_cdf(min(power, 0.9999)) if power > alpha else 0.0
    density = (normal.pdf(z - d) + normal.pdf(z + d)) / (2 * normal.pdf(z))
    return float(ceil(alpha * (1 - alpha) * (4 * density / DOUBTFUL) ** 2 - 1e-9))
