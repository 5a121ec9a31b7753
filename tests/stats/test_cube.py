import numpy as np
import pytest

from facevalue.stats.cube import _free, cube_sample


def test_each_unit_is_chosen_with_its_own_probability():
    draw = np.random.default_rng(0)
    p, x = draw.uniform(0.1, 0.9, size=12), draw.normal(size=(12, 2))
    chosen = np.mean([cube_sample(p, x, seed=seed) for seed in range(600)], axis=0)
    assert np.abs(chosen - p).max() < 4 * np.sqrt(0.25 / 600)


def test_sums_are_as_expected_but_for_a_few_units_and_far_nearer_than_at_random():
    draw = np.random.default_rng(1)
    p, x = draw.uniform(0, 0.5, size=300), draw.random((300, 4))
    off, random = [], []
    for seed in range(15):
        chosen = cube_sample(p, x, seed=seed)
        assert abs(chosen.sum() - p.sum()) < 1
        off.append(np.abs(x[chosen].sum(0) - p @ x).max())
        random.append(np.abs(x[draw.random(300) < p].sum(0) - p @ x).max())
    assert max(off) < 4  # units that the last steps settle: no more than the features
    assert np.mean(off) < np.mean(random) / 3


def test_cells_are_exact_and_sure_units_stay():
    cell = np.repeat(np.eye(3), [60, 30, 10], axis=0)
    chosen = cube_sample(np.repeat([0.1, 0.2, 0.6], [60, 30, 10]), cell, seed=3)
    assert cell[chosen].sum(0).tolist() == [6, 6, 6]
    p = np.array([1.0, 0.0, 0.5, 0.5])
    assert cube_sample(p, np.empty((4, 0)), seed=0)[:2].tolist() == [True, False]
    assert cube_sample(p, np.empty((4, 0)), seed=0).sum() == 2
    assert not cube_sample(np.zeros(3), np.zeros((3, 1)), seed=0).any()


def test_what_is_no_probability_is_refused():
    for p, x in (([0.5, 1.2], np.zeros((2, 1))), ([0.5], np.zeros((2, 1))), ([0.5], [[np.nan]])):
        with pytest.raises(ValueError, match=r"expected probabilities \(n,\) in \[0, 1\]"):
            cube_sample(np.array(p), np.array(x), seed=0)


@pytest.mark.parametrize("seed", range(6))
def test_features_that_say_the_same_do_not_push_others_out(seed):
    cell = np.repeat(np.eye(3), [60, 30, 10], axis=0)
    told = cell[:, [0, 0, 0, 0, 1]]
    chosen = cube_sample(np.repeat([0.1, 0.2, 0.6], [60, 30, 10]), told, seed=seed)
    assert cell[chosen].sum(0).tolist() == [6, 6, 6]


def test_a_direction_is_free_where_rows_say_the_same_however_few_they_are():
    rows = np.array([[1.0, 2, 0, 3], [2, 4, 0, 6], [0, 0, 1, 1]])
    free = _free(rows)
    np.testing.assert_allclose(free @ rows, 0, atol=1e-12)
    assert np.linalg.norm(free) == pytest.approx(1)
    assert _free(rows[1:]) is None
    assert _free(rows[:0]) is None
