from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.triad_intervals import closure, share_intervals
from facevalue.stats.triads import MEASURES, triads

from .signed import network, one_by_one, relabelled


def reach(sets: list[frozenset[int]], errors: np.ndarray, level: float) -> float:
    """Return half the width of the interval of a sum of errors, from the products of all that have a person in common."""
    total = sum(a * b for s, a in zip(sets, errors, strict=True) for t, b in zip(sets, errors, strict=True) if s & t)
    people = np.array([sum(e for s, e in zip(sets, errors, strict=True) if i in s) for i in sorted(set().union(*sets))])
    square, n = (people**2).sum(), (people != 0).sum()
    variance = max(total, square / len(sets[0])) * n / (n - 1)
    return stats.t.ppf((1 + level) / 2, max(square**2 / (people**4).sum() - 1, 1)) * np.sqrt(variance)


def logit_interval(sets: list[frozenset[int]], hits: np.ndarray, level: float) -> tuple[float, float]:
    share = hits.mean()
    half = reach(sets, hits - share, level) / len(sets) / (share * (1 - share))
    return tuple(1 / (1 + np.exp(-np.log(share / (1 - share)) - np.array([-half, half]))))


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_triads_vary_as_all_that_share_a_person_do(seed):
    signs = network(12, seed=seed, density=0.6, bad=0.4, unknown=0.1)
    low, high = share_intervals([signs], level=0.9)
    trios = [t for t in combinations(range(12), 3) if all(abs(signs[i, j]) == 1 for i, j in combinations(t, 2))]
    negative = np.array([sum(signs[i, j] < 0 for i, j in combinations(trio, 2)) for trio in trios])
    expected = logit_interval([frozenset(trio) for trio in trios], np.isin(negative, (0, 2)) * 1.0, 0.9)
    assert (low[0], high[0]) == pytest.approx(expected, rel=5e-3)
    with_enemy = [
        (i, j)
        for i, j in combinations(range(12), 2)
        if np.isfinite(signs[i, j]) and any(signs[i, k] == signs[k, j] == -1 for k in range(12))
    ]
    hits = np.array([signs[pair] == -1 for pair in with_enemy], float)
    expected = logit_interval([frozenset(pair) for pair in with_enemy], hits, 0.9)
    at = MEASURES.index("enemy_of_enemy_is_enemy") - 4
    assert (low[at], high[at]) == pytest.approx(expected, rel=5e-3)


def test_order_of_people_and_of_blocks_does_not_matter():
    one, other = network(15, seed=3), network(10, seed=4)
    told = share_intervals([one, other], level=0.8)
    assert np.allclose(told, share_intervals([relabelled(other, seed=1), relabelled(one, seed=2)], level=0.8), equal_nan=True)


def test_intervals_hold_the_truth_as_often_as_they_say():
    draw, covered, truth = np.random.default_rng(0), [], []
    networks = []
    for _ in range(250):
        place, bad = draw.normal(size=(30, 2)), 0.5 * draw.normal(size=30)
        far = ((place[:, None] - place) ** 2).sum(2)
        negative = draw.random((30, 30)) < 1 / (1 + np.exp(0.8 - bad[:, None] - bad))
        signs = np.triu((draw.random((30, 30)) < np.exp(-far)) * np.where(negative, -1.0, 1), 1)
        networks.append(signs + signs.T)
        truth.append(triads([networks[-1]]).measures[4:])
    middle = np.nanmean(truth, 0)
    for signs in networks:
        low, high = share_intervals([signs], level=0.9)
        covered.append(np.where(np.isnan(low), np.nan, (low <= middle) & (middle <= high)))
    held = np.nanmean(covered, 0)
    assert (held > 0.84).all()
    assert (held < 0.97).all()


def test_shares_of_nothing_or_all_have_no_interval():
    camp = np.repeat([1, -1], 4)
    low, high = share_intervals([np.outer(camp, camp)], level=0.9)
    assert np.isnan([low[:2], high[:2]]).all()
    assert np.isnan(share_intervals([np.zeros((4, 4))], level=0.9)).all()


def test_levels_are_between_0_and_1():
    with pytest.raises(ValueError, match="expected a level"):
        share_intervals([network(5, seed=0)], level=90)


def alike(n: int, *, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, n))
    return values + values.T


def test_ends_of_paths_are_as_alike_as_found_one_by_one():
    signs, similarity = network(14, seed=5, unknown=0.1), alike(14, seed=0)
    similarity[3] = similarity[:, 3] = np.nan
    found = closure([signs], [similarity], level=0.9)
    values = [
        similarity[i, j]
        for i, j in combinations(range(14), 2)
        for k in range(14)
        if signs[i, j] == 0 and signs[i, k] == signs[k, j] == 1 and np.isfinite(similarity[i, j])
    ]
    assert found.mean[0, 1] == pytest.approx(np.mean(values))
    assert found.n[0, 1] == len(values) < one_by_one(signs)[1][0, 1]
    assert found.low[0, 1] < found.mean[0, 1] < found.high[0, 1]


def test_means_vary_as_all_that_share_a_person_do():
    signs, similarity = network(20, seed=6, density=0.25, bad=0), alike(20, seed=1)
    person = np.random.default_rng(2).normal(size=20)
    similarity += person[:, None] + person
    found = closure([signs], [similarity], level=0.9)
    i, j = np.nonzero(np.triu((signs == 0) & (signs @ signs > 0), 1))
    paths = (signs @ signs)[i, j]
    mean = np.average(similarity[i, j], weights=paths)
    pairs = [frozenset(pair) for pair in zip(i, j, strict=True)]
    half = reach(pairs, paths * (similarity[i, j] - mean), 0.9) / paths.sum()
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((mean - half, mean + half), rel=5e-3)


def test_similarities_have_the_shape_of_signs():
    with pytest.raises(ValueError, match="of the shape of its signs"):
        closure([network(5, seed=0)], [np.zeros((4, 4))], level=0.9)
