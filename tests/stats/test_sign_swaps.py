from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.sign_swaps import permuted_signs, swapped_signs


def network(n: int, density: float, *, seed: int, bad: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    ends = np.array([(i, j) for i, j in combinations(range(n), 2) if draw.random() < density])
    return ends, draw.random(len(ends)) < bad


def all_signs(ends: np.ndarray, negative: np.ndarray) -> list[tuple[bool, ...]]:
    n = ends.max() + 1
    wanted, found = np.bincount(ends[negative].ravel(), minlength=n), []
    for chosen in combinations(range(len(ends)), int(negative.sum())):
        signs = np.zeros(len(ends), bool)
        signs[list(chosen)] = True
        if (np.bincount(ends[signs].ravel(), minlength=n) == wanted).all():
            found.append(tuple(signs.tolist()))
    return found


def test_permuted_signs_keep_their_number_and_fall_on_every_tie():
    drawn = permuted_signs(np.arange(20) < 5, draws=2000, seed=0)
    assert (drawn.sum(1) == 5).all()
    assert stats.chisquare(drawn.sum(0)).pvalue > 0.001


def test_everyone_keeps_their_enemies():
    ends, negative = network(30, 0.3, seed=0)
    found = swapped_signs(ends, negative, draws=50, seed=1)
    wanted = np.bincount(ends[negative].ravel(), minlength=30)
    for signs in [found.start, *found.negative]:
        assert (np.bincount(ends[signs].ravel(), minlength=30) == wanted).all()
    assert len(np.unique(found.negative, axis=0)) == 50
    assert found.completed > 0.95


@pytest.mark.parametrize("seed", [1, 4, 6, 9])
def test_all_signs_are_reached_equally_often(seed):
    ends, negative = network(7, 0.7, seed=seed)
    possible = all_signs(ends, negative)
    assert len(possible) > 2
    found = swapped_signs(ends, negative, draws=200 * len(possible), seed=3)
    seen = Counter(map(tuple, found.negative.tolist()))
    assert set(seen) == set(possible)
    assert stats.chisquare([seen[signs] for signs in possible]).pvalue > 0.001
    varies = np.ptp(np.array(possible, int), axis=0) > 0
    assert (found.free | ~varies).all()


def test_a_ring_turns_by_a_coin():
    ring = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    found = swapped_signs(ring, np.array([True, False, True, False]), draws=1000, seed=0)
    assert 440 < found.negative[:, 0].sum() < 560


def test_ties_of_people_with_one_sign_stay():
    star = np.array([[0, 1], [0, 2], [0, 3], [1, 2]])
    found = swapped_signs(star, np.array([True, False, True, False]), draws=5, seed=0)
    assert not found.free.any()
    assert (found.negative == [True, False, True, False]).all()
    assert found.distances == (0, 0)
    assert np.isnan(found.completed)


def test_chains_forget_where_they_began():
    ends, negative = network(60, 0.2, seed=2, bad=0.2)
    from_start, among = swapped_signs(ends, negative, draws=300, seed=0).distances
    assert from_start == pytest.approx(among, rel=0.08)
    near, apart = swapped_signs(ends, negative, draws=300, seed=0, moves=1).distances
    assert near < 0.9 * apart


def test_p_values_are_exact_after_a_single_move():
    ends, _ = network(12, 0.5, seed=3)
    low, draw = 0, np.random.default_rng(0)
    weights = draw.normal(size=len(ends))
    for seed in range(400):
        negative = draw.random(len(ends)) < 0.4
        drawn = swapped_signs(ends, negative, draws=19, seed=seed, moves=1).negative
        low += (1 + (drawn @ weights >= negative @ weights - 1e-9).sum()) / 20 <= 0.1
    assert low <= stats.binom.ppf(0.999, 400, 0.1)


def test_a_network_without_ties_has_nothing_to_draw():
    assert swapped_signs(np.empty((0, 2), int), np.empty(0, bool), draws=3, seed=0).negative.shape == (3, 0)


def test_signs_are_one_a_tie():
    with pytest.raises(ValueError, match="expected a sign a tie"):
        swapped_signs(np.array([[0, 1]]), np.array([True, False]), draws=1, seed=0)
