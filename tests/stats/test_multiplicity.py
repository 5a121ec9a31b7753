"""Benjamini and Hochberg against scipy, by their own words, and the rate of false discoveries."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.conformal import conformal_p_values
from facevalue.stats.multiplicity import adjusted_p_values, benjamini_hochberg


def mixed(n: int, *, seed: int) -> np.ndarray:
    """Return p-values, half of them uniform and half small, with ties."""
    draw = np.random.default_rng(seed)
    return np.where(draw.random(n) < 0.5, draw.random(n), draw.beta(0.2, 5, n)).round(3)


@pytest.mark.parametrize("n", [1, 2, 50, 1000])
def test_adjusted_p_values_are_scipys(n):
    p = mixed(n, seed=n)
    np.testing.assert_allclose(adjusted_p_values(p), stats.false_discovery_control(p), rtol=1e-12)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_rejected_are_the_k_smallest(rate):
    for seed in range(20):
        p = mixed(60, seed=seed)
        k = max((k for k in range(1, 61) if np.sort(p)[k - 1] <= k * rate / 60), default=0)
        expected = np.zeros(60, bool)
        expected[np.argsort(p)[:k]] = True
        np.testing.assert_array_equal(benjamini_hochberg(p, rate=rate), expected)


def test_an_equal_p_value_is_rejected():
    np.testing.assert_array_equal(benjamini_hochberg(np.array([0.05, 0.1, 0.3]), rate=0.15), [True, True, False])


def test_what_was_not_tested_is_not_rejected_and_does_not_count():
    p, holes = mixed(80, seed=3), np.arange(80) % 7 == 0
    with_nan = np.where(holes, np.nan, p)
    assert np.isnan(adjusted_p_values(with_nan)[holes]).all()
    np.testing.assert_array_equal(adjusted_p_values(with_nan)[~holes], adjusted_p_values(p[~holes]))
    np.testing.assert_array_equal(benjamini_hochberg(with_nan, rate=0.1)[~holes], benjamini_hochberg(p[~holes], rate=0.1))
    assert not benjamini_hochberg(with_nan, rate=0.1)[holes].any()
    assert benjamini_hochberg(np.array([]), rate=0.1).shape == (0,)


@pytest.mark.parametrize("strange", [0, 20, 60])
def test_false_discoveries_among_conformal_p_values_are_as_rare_as_asked_and_many_are_true(strange):
    draw, rate, false, found = np.random.default_rng(4), 0.2, [], []
    for _ in range(500):
        scores = draw.normal(size=100) + 4.0 * (np.arange(100) < strange)
        rejected = benjamini_hochberg(conformal_p_values(draw.normal(size=500), scores), rate=rate)
        false.append(rejected[strange:].sum() / max(rejected.sum(), 1))
        found.append(rejected[:strange].sum() / max(strange, 1))
    assert np.mean(false) <= rate * (100 - strange) / 100 + 4 * np.std(false) / np.sqrt(
        500
    )  # their theorem: the share of nulls
    assert strange == 0 or np.mean(found) > 0.6


@pytest.mark.parametrize("wrong", [[0.5, 1.5], [-0.1, 0.5], [[0.1, 0.2]]])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(ValueError, match=r"p-values \(n,\) in \[0, 1\]"):
        adjusted_p_values(np.array(wrong))


@pytest.mark.parametrize("rate", [0, 1, 5])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match=rf"rate in \(0, 1\), got {rate}"):
        benjamini_hochberg(np.array([0.1]), rate=rate)
