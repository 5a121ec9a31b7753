"""Permutation of people in networks: rows and columns of a matrix together, within blocks, and what p-values that gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import wilson_interval

CHUNK = 8192
SINGLE_PRECISION = 128
TIE = 1e-5
BATCH = 250


def draw_permutations(n: int, count: int, *, seed: int | tuple[int, ...], within: np.ndarray | None = None) -> np.ndarray:
    """Return random permutations of n people, (count, n) int, each equally likely, and independent of each other.

    Parameters
    ----------
    n, count
        People, permutations.
    seed
        Of the draws.
    within : (n,), optional
        The group of each person: only people of one group change places.

    Examples
    --------
    >>> draw_permutations(4, 2, seed=0, within=np.array(["a", "a", "b", "b"]))
    array([[0, 1, 2, 3],
           [0, 1, 3, 2]])
    """
    draw = np.random.default_rng(seed)
    if within is None:
        return draw.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    order = np.empty((count, n), int)
    for group in np.unique(within):
        rows = np.flatnonzero(within == group)
        order[:, rows] = draw.permuted(np.tile(rows, (count, 1)), axis=1)
    return order


def permuted_products(permuted: np.ndarray, fixed: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return `sum over i, j of permuted[order[i], order[j]] x fixed[i, j]`, all products of columns, for each permutation.

    Among more than 128 people single precision is used: put what is large against its spread, such as years, about 0 first.

    Parameters
    ----------
    permuted : (n, n, a)
    fixed : (n, n, b)
        0 where a cell does not count.
    order : (r, n) int
        Permutations.

    Returns
    -------
    (r, a, b) float64

    Examples
    --------
    >>> one, other = np.array([[0, 1.0], [2, 0]]), np.array([[0, 10.0], [1, 0]])
    >>> permuted_products(one[..., None], other[..., None], np.array([[0, 1], [1, 0]])).ravel()
    array([12., 21.])
    """
    n, kind = len(permuted), np.float64 if len(permuted) <= SINGLE_PRECISION else np.float32
    a, still = permuted.shape[2], np.ascontiguousarray(fixed.reshape(n * n, -1), kind)
    flat = np.zeros((n * n, a if a <= 4 else -8 * (-a // 8)), kind)  # eight columns are gathered in one piece
    flat[:, :a] = permuted.reshape(n * n, a)
    found = np.zeros((len(order), flat.shape[1], still.shape[1]))
    rows, batch = max(1, min(n, CHUNK // n)), max(1, CHUNK // (n * n))
    for start in range(0, len(order), batch):
        drawn = order[start : start + batch]
        for i in range(0, n, rows):
            at = drawn[:, i : i + rows, None] * n + drawn[:, None, :]
            moved = flat.take(at.ravel(), axis=0, mode="clip").reshape(len(drawn), -1, flat.shape[1])
            found[start : start + batch] += moved.swapaxes(1, 2) @ still[i * n : (i + rows) * n]
    return found[:, :a]


@dataclass(frozen=True, slots=True, eq=False)
class PermutationTest:
    """Statistics beside what they are when people are exchanged.

    Parameters
    ----------
    statistic : (p,) float64
        Observed.
    less, greater, two_sided : (p,) float64
        p-values, `(1 + k) / (1 + r)`: of k statistics under permutation at most, at least, or in size at least as large.
    error : (p,) float64
        Monte-Carlo standard error of `two_sided`, `sqrt(p (1 - p) / r)`.
    permutations : (p,) int
        r, of each: fewer than were allowed where the answer was clear before.
    null : (r, p) float64
        Under permutation.
    """

    statistic: np.ndarray
    less: np.ndarray
    greater: np.ndarray
    two_sided: np.ndarray
    error: np.ndarray
    permutations: np.ndarray
    null: np.ndarray

    def interval(self, *, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return where `two_sided` lies with endless permutations, by Wilson's interval, (p,) each."""
        return wilson_interval(self.two_sided * (self.permutations + 1), self.permutations + 1, level=level)


def permutation_test(statistic: np.ndarray, null: np.ndarray, *, stop: int | None = None) -> PermutationTest:
    """Return the p-values of statistics: never 0, for the observed one is one of the possible.

    Parameters
    ----------
    statistic : (p,)
    null : (r, p)
        The same under permutation, in the order drawn; endless ones, whose sign tells nothing, count against every claim.
    stop
        How many statistics as large in size make the answer clear: those drawn after do not count for it. With that the
        two-sided p is `stop / r` of the r drawn until then, and still exact. None counts all.

    Raises
    ------
    ValueError
        When shapes do not fit, there is no permutation, or a number is NaN.

    References
    ----------
    Phipson, Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010; stopping: Besag, Clifford, Sequential
    Monte Carlo p-values, Biometrika 78, 1991.

    Examples
    --------
    >>> found = permutation_test(np.array([2.0]), np.array([[0.0], [1], [-2], [-1], [0.5], [1.5], [-1.5], [0], [0.1]]))
    >>> found.two_sided, found.greater, found.less
    (array([0.2]), array([0.1]), array([1.]))
    """
    statistic, null = np.asarray(statistic, np.float64), np.asarray(null, np.float64)
    if null.ndim != 2 or null.shape[1:] != statistic.shape or not len(null):
        raise ValueError(
            f"expected statistics (p,) and a null (r, p) with r of 1 or more, got {statistic.shape} and {null.shape}"
        )
    if np.isnan(statistic).any() or np.isnan(null).any():
        absent = np.isnan(statistic).sum(), np.isnan(null).sum()
        raise ValueError(f"expected numbers, got {absent[0]} NaN among the statistics and {absent[1]} under permutation")
    slack = TIE * np.maximum(1, abs(statistic))
    larger = abs(null) >= abs(statistic) - slack
    counted, r = np.ones_like(larger), np.full(len(statistic), len(null))
    if stop is not None:
        hits = np.cumsum(larger, axis=0)
        reached = hits[-1] >= stop
        r = np.where(reached, (hits < stop).sum(0) + 1, r)
        counted = np.arange(len(null))[:, None] < r
    less, greater, two_sided = (
        (1 + (counted & part).sum(0)) / (1 + r)
        for part in ((null <= statistic + slack) | np.isinf(null), (null >= statistic - slack) | np.isinf(null), larger)
    )
    if stop is not None:
        two_sided = np.where(reached, stop / r, two_sided)
    return PermutationTest(statistic, less, greater, two_sided, np.sqrt(two_sided * (1 - two_sided) / r), r, null)


def batched_test(
    statistic: np.ndarray,
    draw: Callable[[int, int], np.ndarray],
    *,
    permutations: int,
    stop: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PermutationTest:
    """Return the p-values of statistics under permutations that are drawn 250 at a time, until the answer is clear.

    Parameters
    ----------
    statistic : (p,)
    draw
        From how many are drawn already, and how many to draw, to the statistics under these, (count, p).
    permutations
        At most so many, 1 or more.
    stop
        See `permutation_test`; the last batch is that in which all are clear.
    progress
        Called with permutations done and in all.

    Raises
    ------
    ValueError
        Without permutations, and as `permutation_test` does.

    Examples
    --------
    >>> found = batched_test(np.zeros(1), lambda done, count: np.ones((count, 1)), permutations=5000, stop=20)
    >>> len(found.null), found.permutations, found.two_sided
    (250, array([20]), array([1.]))
    """
    if permutations < 1:
        raise ValueError(f"expected 1 permutation or more, got {permutations}")
    null = np.empty((0, len(statistic)))
    while len(null) < permutations:
        null = np.concatenate([null, draw(len(null), min(BATCH, permutations - len(null)))])
        progress(len(null), permutations)
        found = permutation_test(statistic, null, stop=stop)
        if stop is not None and (found.permutations < len(null)).all():
            break
    return found


@dataclass(frozen=True, slots=True, eq=False)
class QapTest:
    """The correlation of two networks over their dyads, and its test.

    Parameters
    ----------
    correlation
        Pearson's, in [-1, 1].
    dyads
        On how many it rests.
    test
        Of the one statistic, the correlation.
    """

    correlation: float
    dyads: int
    test: PermutationTest


def qap_test(
    a: np.ndarray,
    b: np.ndarray,
    *,
    directed: bool,
    permutations: int,
    seed: int,
    within: np.ndarray | None = None,
) -> QapTest:
    """Test the correlation of two networks by exchanging the people of one: quadratic assignment.

    Parameters
    ----------
    a, b : (n, n)
        NaN where not known, and then not counted, wherever it lands; the diagonal does not count.
    directed
        False wants both symmetric, and counts each dyad once.
    permutations, seed
        How many, and of the draws.
    within : (n,), optional
        The group of each person: only people of one group change places.

    Raises
    ------
    ValueError
        When shapes do not fit, of fewer than four people, of a network that does not vary, or an undirected one not symmetric.

    References
    ----------
    Krackhardt, QAP partialling as a test of spuriousness, Social Networks 9, 1987.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> a = draw.normal(size=(12, 12))
    >>> found = qap_test(a, a + draw.normal(size=(12, 12)), directed=True, permutations=499, seed=1)
    >>> round(found.correlation, 3), found.dyads, found.test.two_sided
    (0.627, 132, array([0.002]))
    """
    a, b = (_network(matrix, name, directed=directed) for matrix, name in ((a, "the first"), (b, "the second")))
    if a.shape != b.shape:
        raise ValueError(f"expected two networks of the same people, got {a.shape} and {b.shape}")
    stacks = [_moments(matrix) for matrix in (a, b)]
    order = np.concatenate([np.arange(len(a))[None], draw_permutations(len(a), permutations, seed=seed, within=within)])
    sums = permuted_products(stacks[0], stacks[1], order)
    n, mean_a, mean_b = sums[:, 0, 0], sums[:, 1, 0], sums[:, 0, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (sums[:, 2, 0] - mean_a**2 / n) * (sums[:, 0, 2] - mean_b**2 / n)
        correlations = np.where(spread > 1e-12, (sums[:, 1, 1] - mean_a * mean_b / n) / np.sqrt(np.maximum(spread, 0)), 0)
    if not spread[0] > 1e-12:
        raise ValueError("expected two networks that vary over the dyads known in both; one is constant there")
    test = permutation_test(correlations[:1], correlations[1:, None])
    return QapTest(float(correlations[0]), round(n[0] / (1 if directed else 2)), test)


def _network(matrix: np.ndarray, name: str, *, directed: bool) -> np.ndarray:
    """Return a network standardised over its known dyads, NaN on the diagonal."""
    matrix = np.array(matrix, np.float64)
    n = len(matrix)
    if matrix.shape != (n, n) or n < 4:
        raise ValueError(f"expected networks (n, n) of four people or more, {name} is {matrix.shape}")
    np.fill_diagonal(matrix, np.nan)
    if not directed and not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ValueError(f"expected undirected networks; {name} is not symmetric: symmetrise it, or take it as directed")
    known = np.isfinite(matrix)
    if not known.any() or np.ptp(matrix[known]) == 0:
        told = "has no known dyad" if not known.any() else f"is {matrix[known][0]:g} throughout"
        raise ValueError(f"expected networks that vary; {name} {told}")
    return np.asarray((matrix - matrix[known].mean()) / matrix[known].std())


def _moments(matrix: np.ndarray) -> np.ndarray:
    """Return 1, the value and its square, (n, n, 3); 0 where not known."""
    known = np.isfinite(matrix)
    value = np.where(known, matrix, 0)
    return np.stack([known, value, value**2], axis=2).astype(np.float64)
