"""Quantiles, scores and sets, and the law of counted coverage."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.conformal import adaptive_scores, conformal_quantile, coverage_range, prediction_sets, scores_needed

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


@pytest.mark.parametrize("level", LEVELS)
def test_the_fewest_scores_of_a_level_suffice_and_one_less_does_not(level):
    needed = scores_needed(level)
    assert conformal_quantile(np.arange(needed), level) == needed - 1
    with pytest.raises(ValueError, match=rf"expected at least {needed} scores for level {level}, got {needed - 1}"):
        conformal_quantile(np.arange(needed - 1), level)


def test_the_quantile_is_the_rank_that_split_conformal_asks_for():
    scores = np.random.default_rng(0).permutation(300)
    assert conformal_quantile(scores, 0.9) == 271 - 1  # the 271st of 0..299
    assert conformal_quantile(np.arange(29), 0.9) == 27 - 1  # 30 * .9 is 27, not a hair more
    with pytest.raises(ValueError, match="1 NaN"):
        conformal_quantile(np.append(np.arange(20.0), np.nan), 0.9)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        conformal_quantile(scores, 1.0)


def test_adaptive_scores_by_the_definition():
    p = np.random.default_rng(1).dirichlet(np.ones(5), 50)
    p[0] = 0.2
    slow = [[sum(q for q in row if q > own) + own / 2 for own in row] for row in p]
    np.testing.assert_allclose(adaptive_scores(p), slow, atol=1e-12)
    np.testing.assert_array_equal(adaptive_scores(p).argmin(1), p.argmax(1))


def test_sets_take_thresholds_by_label_and_by_face():
    scores = np.array([[0.2, 0.9, 0.6], [0.5, 0.5, 0.5]])
    expected = [[True, False, True], [True, False, True]]
    np.testing.assert_array_equal(prediction_sets(scores, np.array([0.5, 0.4, 0.7])), expected)
    by_face = prediction_sets(scores, np.array([[0.1, 1.0, 0.1], [0.4, 0.4, 0.4]]))
    np.testing.assert_array_equal(by_face, [[False, True, False], [False, False, False]])
    with_top = prediction_sets(scores, np.array([0.0, 0.0, 0.0]), top=True)
    np.testing.assert_array_equal(with_top, [[True, False, False], [True, False, False]])


@pytest.mark.parametrize(
    ("n", "mean", "sd", "low", "high"), [(300, 0.90033, 0.02440, 0.830, 0.957), (150, 0.90066, 0.03437, 0.8, 0.973)]
)
def test_coverage_range_at_the_known_figures(n, mean, sd, low, high):
    rank = np.ceil((n + 1) * 0.9)
    law = stats.betabinom(n, rank, n + 1 - rank)
    assert (law.mean() / n, law.std() / n) == pytest.approx((mean, sd), abs=5e-6)
    assert coverage_range(n, n, 0.9) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("n", "m", "level", "confidence"), [(300, 300, 0.9, 0.99), (60, 5000, 0.8, 0.9), (99, 40, 0.99, 0.95)])
def test_coverage_range_agrees_with_scipy(n, m, level, confidence):
    rank = np.ceil((n + 1) * level - 1e-9)
    law = stats.betabinom(m, rank, n + 1 - rank)
    expected = law.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) / m
    assert coverage_range(n, m, level, confidence=confidence) == pytest.approx(tuple(expected))


def test_coverage_range_refuses_what_no_set_could_reach():
    with pytest.raises(ValueError, match="expected 99 calibration"):
        coverage_range(98, 100, 0.99)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_counted_coverage_has_the_stated_mean_and_range(level):
    n, m, times = 200, 300, 400
    draw = np.random.default_rng(2)
    scores = draw.gamma(1.3, size=(times, n + m))
    coverage = np.array([(row[n:] <= conformal_quantile(row[:n], level)).mean() for row in scores])
    rank = np.ceil((n + 1) * level - 1e-9)
    law = stats.betabinom(m, rank, n + 1 - rank)
    assert abs(coverage.mean() - law.mean() / m) < 4 * law.std() / m / np.sqrt(times)
    low, high = coverage_range(n, m, level, confidence=0.95)
    assert ((low <= coverage) & (coverage <= high)).sum() >= stats.binom.ppf(1e-5, times, 0.95)
    assert (coverage < low).any()
    assert (coverage > high).any()
