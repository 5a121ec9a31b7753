"""The delete-a-group jackknife against Student's interval and scipy."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.jackknife import jackknife_interval, people_left_out


def test_of_a_mean_it_is_students_interval():
    x = np.random.default_rng(0).gamma(2, size=15)
    left_out = np.array([x[kept].mean() for kept in people_left_out(np.arange(15), seed=0)])
    low, high = jackknife_interval(x.mean(), left_out, level=0.9)
    expected = stats.t.interval(0.9, 14, x.mean(), stats.sem(x))
    assert (low, high) == pytest.approx(expected, rel=1e-4)


def test_groups_are_of_whole_people_even_and_spread_over_strata():
    person = np.repeat(np.arange(100), np.arange(100) % 3 + 1)
    parts = [~kept for kept in people_left_out(person, seed=0, strata=person % 5)]
    assert len(parts) == 20
    assert (np.sum(parts, axis=0) == 1).all()
    for part in parts:
        assert sorted(np.unique(person[part]) % 5) == [0, 1, 2, 3, 4]
        assert set(person[part]) & set(person[~part]) == set()


def test_the_interval_of_a_ratio_of_clustered_rows_covers_at_its_level():
    hits, draw, person = 0, np.random.default_rng(0), np.repeat(np.arange(60), 3)
    for _ in range(300):
        own = draw.normal(size=60)[person]
        a, b = 2 + own + 0.3 * draw.normal(size=180), 1 + 0.5 * own + 0.3 * draw.normal(size=180)
        left = np.array([a[kept].sum() / b[kept].sum() for kept in people_left_out(person, seed=0)])
        low, high = jackknife_interval(a.sum() / b.sum(), left, level=0.9)
        hits += low <= 2 <= high
    assert 0.86 < hits / 300 < 0.94


def test_one_group_is_no_jackknife():
    with pytest.raises(ValueError, match="two groups or more, got 1"):
        jackknife_interval(1.0, np.array([1.0]), level=0.9)
    with pytest.raises(ValueError, match="got 1 people"):
        next(people_left_out(np.zeros(3), seed=0))
