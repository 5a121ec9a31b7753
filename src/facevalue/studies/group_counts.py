"""What is counted by group, the same on resamples of people, and what covariates leave of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from facevalue.stats.weighting import Balance, overlap_weights

BALANCED = " balanced"


@dataclass(frozen=True, slots=True)
class Draws:
    """What is drawn: the seed, resamples of the bootstrap, and permutations of labels."""

    seed: int
    resamples: int
    permutations: int


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A measure by group, `hits / n`, and the same on resamples of people.

    Parameters
    ----------
    measure
        Its name.
    hits, n : (g,) float
        Sums over each group's pairs, or people.
    drawn : (r, 2, g) float
        Both on resamples.
    people, people_pairs : (g,) float
        How many people it rests on, in effect where they are weighted; and pairs of two, NaN where it is not of such.
    errors
        Whether it is an error rate, of which ratios are told.
    p : (g,) float, optional
        Of no difference to the rest.
    share
        Whether it is a share of photos that have something or not.
    """

    measure: str
    hits: np.ndarray
    n: np.ndarray
    drawn: np.ndarray
    people: np.ndarray
    people_pairs: np.ndarray
    errors: bool = False
    p: np.ndarray | None = None
    share: bool = False

    @property
    def value(self) -> np.ndarray:
        """The measure of each group, (g,); NaN where there is nothing to count."""
        return ratio(self.hits, self.n)

    @property
    def draws(self) -> np.ndarray:
        """The same on resamples, (r, g)."""
        return ratio(self.drawn[:, 0], self.drawn[:, 1])

    @property
    def independent(self) -> np.ndarray:
        """How many independent trials each group's share rests on, (g,): people, or half of them for pairs of two."""
        halves = np.where(np.isnan(self.people_pairs), 1, 2)
        return np.asarray(np.maximum(self.people // halves, 1))

    def spread_out(self, seed: int) -> Counted:
        """Return the same with draws of shares of 0 and 1 that do vary: no resample has what no person had.

        They are drawn as Beta(1, m), m independent trials, whose quantiles are the exact bounds of no error in m.
        """
        if not (self.errors or self.share):
            return self
        draw, drawn = np.random.default_rng(seed), self.drawn.copy()
        for j in np.flatnonzero(np.isin(self.value, (0, 1))):
            few = draw.beta(1, self.independent[j], len(drawn))
            drawn[:, 0, j] = drawn[:, 1, j] * (few if self.value[j] == 0 else 1 - few)
        return replace(self, drawn=drawn)

    @property
    def apart(self) -> tuple[np.ndarray, np.ndarray]:
        """The difference of each group to the rest taken together, (g,), and on resamples, (r, g)."""
        value, draws = (part - rest(part_hits, part_n) for part, part_hits, part_n in self._parts())
        return value, draws

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        yield self.value, self.hits, self.n
        yield self.draws, self.drawn[:, 0], self.drawn[:, 1]


def ratio(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return hits / n, NaN where n is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(n > 0, hits / n, np.nan))


def rest(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the measure of all groups but each, over the last axis."""
    return ratio(hits.sum(-1, keepdims=True) - hits, n.sum(-1, keepdims=True) - n)


@dataclass(frozen=True, slots=True, eq=False)
class Adjusted:
    """The difference of each group to the rest that a linear regression on covariates leaves, and the same on resamples.

    Parameters
    ----------
    measure
        Of what.
    value, draws : (g,), (r, g) float
    n : (g,) float
        Pairs or people in each group.
    """

    measure: str
    value: np.ndarray
    draws: np.ndarray
    n: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """What was done to make groups alike: the balance, and which groups were in it.

    Parameters
    ----------
    balance
        Of the rows that have all covariates.
    rows : (n,) bool
        Which these are.
    kept : (g,) bool
        Groups of people enough.
    """

    balance: Balance
    rows: np.ndarray
    kept: np.ndarray

    def weights(self) -> np.ndarray:
        """Return the weight of every row, (n,); 0 of those that are not in it."""
        weights = np.zeros(len(self.rows))
        weights[self.rows] = self.balance.weights
        return weights


def balanced(covariates: Mapping[str, np.ndarray], code: np.ndarray, kept: np.ndarray) -> Balanced | None:
    """Return weights of rows under which the kept groups are alike; None where there are not two, or no covariates."""
    if not covariates or kept.sum() < 2:
        return None
    x = np.stack([np.asarray(column, np.float64) for column in covariates.values()], 1)
    rows = np.isfinite(x).all(1) & (code >= 0) & kept[code]
    if len(np.unique(code[rows])) < kept.sum():
        return None
    return Balanced(overlap_weights(x[rows], code[rows]), rows, kept)


def regression_difference(x: np.ndarray, code: np.ndarray, y: np.ndarray, weights: np.ndarray, g: int) -> np.ndarray:
    """Return `m_g - sum_{h != g} n_h m_h / sum_{h != g} n_h` of `y = m_g + x b`, fitted by weighted least squares, (g,).

    Parameters
    ----------
    x : (n, c) float
    code : (n,) int
        Groups of 0 to g - 1; one without a row is NaN, as is its difference.
    y : (n,) float or bool
    weights : (n,) float
        0 or more.
    g
        Groups.

    Examples
    --------
    >>> x, code = np.array([[0.0], [1], [1], [2]]), np.array([0, 0, 1, 1])
    >>> regression_difference(x, code, 3 * x[:, 0] + code, np.ones(4), 2).round(6)
    array([-1.,  1.])
    """
    design = np.column_stack([np.eye(g)[code], x - x.mean(0) if len(x) else x])
    weighted = design * weights[:, None]
    n = weighted[:, :g].sum(0)
    means = np.linalg.lstsq(weighted.T @ design, weighted.T @ y.astype(np.float64), rcond=1e-10)[0][:g]
    means = np.where(n > 0, means, np.nan)
    shares = np.nan_to_num(means) * n
    return np.asarray(means - ratio(shares.sum() - shares, n.sum() - n))


def placed(names: np.ndarray, p: np.ndarray, g: int) -> np.ndarray:
    """Return p, (g,), of groups that are numbered; NaN of those without one."""
    found = np.full(g, np.nan)
    found[names] = p
    return found
