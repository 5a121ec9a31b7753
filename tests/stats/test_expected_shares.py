import numpy as np
import pytest

from facevalue.stats.expected_shares import expected_shares


def test_the_interval_is_that_of_the_exact_poisson_binomial():
    p = np.random.default_rng(0).beta(0.5, 1.5, size=150)
    exact = np.ones(1)
    for one in p:
        exact = np.convolve(exact, [1 - one, one])
    ends = np.searchsorted(exact.cumsum(), [0.05, 0.95]) / 150
    value, low, high = expected_shares(np.column_stack([p, 1 - p]), level=0.9)
    assert value[0] == pytest.approx(p.mean())
    assert [low[0], high[0]] == pytest.approx(ends, abs=1.01 / 150)
    assert low[1] == pytest.approx(1 - high[0])


def test_intervals_cover_weighted_shares_of_people_with_several_photos():
    draw, hits = np.random.default_rng(1), []
    who = np.repeat(np.arange(50), draw.integers(1, 5, size=50))
    weights, person = draw.uniform(0.5, 2, size=len(who)), draw.dirichlet([0.6, 0.3, 0.3], 50)
    value, low, high = expected_shares(person[who], level=0.9, weights=weights, person=who)
    for _ in range(400):
        label = (draw.random(50)[:, None] > person.cumsum(1)).sum(1)
        share = np.bincount(label[who], weights, 3) / weights.sum()
        hits.append((low <= share) & (share <= high))
    assert (np.mean(hits, axis=0) >= 0.88).all()
    assert (np.mean(hits, axis=0) <= 0.96).all()
    assert value.sum() == pytest.approx(1)


def test_facts_are_certain_and_nothing_is_refused():
    value, low, high = expected_shares(np.eye(2)[[0, 0, 1]], level=0.9)
    assert np.array_equal(low, value)
    assert np.array_equal(high, value)
    for p, weights in ((np.array([[np.nan, 1]]), None), (np.eye(2), np.zeros(2)), (np.eye(2), np.ones(3))):
        with pytest.raises(ValueError, match="expected probabilities"):
            expected_shares(p, level=0.9, weights=weights)
