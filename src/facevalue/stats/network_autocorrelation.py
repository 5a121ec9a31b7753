"""Whether people who are tied are alike in a number: Moran's I and Geary's C of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.permutation import PermutationTest, draw_permutations, permutation_test


@dataclass(frozen=True, slots=True, eq=False)
class NetworkAutocorrelation:
    """How alike tied people are in a number.

    Parameters
    ----------
    moran
        About `-1 / (n - 1)` where ties have nothing to do with the number, above where tied people are alike.
    geary
        About 1 where ties have nothing to do with it, below where tied people are alike.
    test
        Of both, in this order, about what they are by chance.
    """

    moran: float
    geary: float
    test: PermutationTest


def network_autocorrelation(
    ties: np.ndarray, values: np.ndarray, *, permutations: int, seed: int, within: np.ndarray | None = None
) -> NetworkAutocorrelation:
    """Return Moran's I and Geary's C of a number over ties, and their test by exchanging people.

    With z the number less its mean and W the sum of ties, `I = n / W sum w_ij z_i z_j / sum z_i^2` and
    `C = (n - 1) / (2 W) sum w_ij (z_i - z_j)^2 / sum z_i^2`, over i != j. The test is of `I + 1 / (n - 1)` and of `C - 1`.

    Parameters
    ----------
    ties : (n, n)
        Weights of 0 or more; NaN where not known, and then not counted. The diagonal does not count.
    values : (n,)
        Of people, all known.
    permutations, seed
        How many, and of the draws.
    within : (n,), optional
        The group of each person: only people of one group change places.

    Raises
    ------
    ValueError
        When shapes do not fit, a value is NaN, a weight is below 0, there is no tie, or people do not differ.

    References
    ----------
    Moran, Biometrika 37, 1950; Geary, The Incorporated Statistician 5, 1954; Cliff, Ord, Spatial Autocorrelation, 1973.

    Examples
    --------
    >>> ring = np.roll(np.eye(8), 1, axis=1)
    >>> found = network_autocorrelation(ring + ring.T, np.array([1.0, 2, 3, 4, 5, 4, 3, 2]), permutations=999, seed=0)
    >>> found.moran, found.geary, found.test.two_sided
    (0.6666666666666666, 0.2916666666666667, array([0.001, 0.001]))
    """
    ties, values = np.array(ties, np.float64), np.asarray(values, np.float64)
    n = len(values)
    if ties.shape != (n, n) or not np.isfinite(values).all() or (ties < 0).any():
        raise ValueError(
            f"expected ties (n, n) of 0 or more and a value of each of n people, got {ties.shape} and {values.shape}"
        )
    np.fill_diagonal(ties, 0)
    ties = np.nan_to_num(ties)
    z, total = values - values.mean(), ties.sum()
    if not total > 0 or not (z**2).sum() > 0:
        raise ValueError(f"expected ties among people who differ, got {total:g} ties and a spread of {z.std():g}")
    order = np.concatenate([np.arange(n)[None], draw_permutations(n, permutations, seed=seed, within=within)])
    rows, squares = z[order], z[order] ** 2
    products = ((rows @ ties) * rows).sum(1)
    apart = squares @ ties.sum(1) + squares @ ties.sum(0) - 2 * products
    moran = n / total * products / (z**2).sum()
    geary = (n - 1) / (2 * total) * apart / (z**2).sum()
    about = np.stack([moran + 1 / (n - 1), geary - 1], axis=1)
    return NetworkAutocorrelation(float(moran[0]), float(geary[0]), permutation_test(about[0], about[1:]))
