from collections import Counter

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.sign_swaps import permuted_signs, swapped_signs

from .signed import every_sign, network


def tied(n: int, density: float, *, seed: int, bad: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    signs = network(n, seed=seed, density=density, bad=bad)
    ends = np.argwhere(np.triu(signs))
    return ends, signs[*ends.T] < 0


def test_permuted_signs_keep_their_number_and_fall_on_every_tie():
    drawn = permuted_signs(np.arange(20) < 5, draws=2000, seed=0)
    assert (drawn.sum(1) == 5).all()
    assert stats.chisquare(drawn.sum(0)).pvalue > 0.001


def test_everyone_keeps_their_enemies():
    ends, negative = tied(30, 0.3, seed=0)
    found = swapped_signs(ends, negative, draws=50, seed=1)
    wanted = np.bincount(ends[negative].ravel(), minlength=30)
    for signs in [found.start, *found.negative]:
        assert (np.bincount(ends[signs].ravel(), minlength=30) == wanted).all()
    assert len(np.unique(found.negative, axis=0)) == 50
    assert found.completed > 0.95


@pytest.mark.parametrize("seed", [6, 13, 27])
def test_all_signs_are_reached_equally_often(seed):
    ends, negative = tied(7, 0.7, seed=seed)
    possible = [tuple(signs[*ends.T] < 0) for signs in every_sign(network(7, seed=seed, density=0.7, bad=0.4))]
    assert len(possible) > 2
    found = swapped_signs(ends, negative, draws=200 * len(possible), seed=3)
    seen = Counter(map(tuple, found.negative))
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
    ends, negative = tied(30, 0.3, seed=2)
    from_start, among = swapped_signs(ends, negative, draws=300, seed=0).distances
    assert from_start == pytest.approx(among, rel=0.08)
    near, apart = swapped_signs(ends, negative, draws=300, seed=0, moves=1).distances
    assert near < 0.9 * apart


def test_p_values_are_exact_after_a_single_move():
    ends, _ = tied(12, 0.5, seed=3)
    low, draw = 0, np.random.default_rng(0)
    weights = draw.normal(size=len(ends))
    for seed in range(150):
        negative = draw.random(len(ends)) < 0.4
        drawn = swapped_signs(ends, negative, draws=19, seed=seed, moves=1).negative
        low += (1 + (drawn @ weights >= negative @ weights - 1e-9).sum()) / 20 <= 0.1
    assert low <= stats.binom.ppf(0.999, 150, 0.1)


def test_a_network_without_ties_has_nothing_to_draw():
    assert swapped_signs(np.empty((0, 2), int), np.empty(0, bool), draws=3, seed=0).negative.shape == (3, 0)


def test_signs_are_one_a_tie():
    with pytest.raises(ValueError, match="expected a sign a tie"):
        swapped_signs(np.array([[0, 1]]), np.array([True, False]), draws=1, seed=0)
