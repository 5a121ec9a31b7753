"""The percentile bootstrap: against scipy, by its coverage, and over clusters."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.bootstrap import bootstrap_interval


def test_ends_agree_with_scipy_and_with_theory():
    values, resamples, level = np.random.default_rng(0).gamma(2, size=200), 4000, 0.9
    found = bootstrap_interval(np.mean, values, level=level, seed=1, resamples=resamples)
    options = {"confidence_level": level, "n_resamples": resamples, "method": "percentile", "rng": np.random.default_rng(2)}
    expected = stats.bootstrap((values,), np.mean, **options).confidence_interval
    # the .05 quantile of a nearly normal law, from R draws, has the standard error sqrt(.05 .95 / R) / density
    spread = values.std() / np.sqrt(len(values))
    error = np.sqrt(0.05 * 0.95 / resamples) / (stats.norm.pdf(stats.norm.ppf(0.05)) / spread)
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(2) * error)


def test_coverage_is_the_level():
    n, times, level = 100, 250, 0.9
    draw = np.random.default_rng(3)
    samples = draw.normal(size=(times, n))
    ends = np.array([bootstrap_interval(np.mean, row, level=level, seed=i, resamples=300) for i, row in enumerate(samples)])
    covered = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).sum()
    # the percentile interval is mean -+ z s / sqrt(n) with s over n, not n - 1
    exact = 1 - 2 * stats.t(n - 1).sf(stats.norm.ppf((1 + level) / 2) * np.sqrt((n - 1) / n))
    assert stats.binom.ppf(1e-4, times, exact) <= covered <= stats.binom.ppf(1 - 1e-4, times, exact)


def test_arrays_are_drawn_together_and_a_seed_repeats_itself():
    x = np.random.default_rng(4).normal(size=60)
    low, high = bootstrap_interval(lambda a, b: (a - b).mean(), x, x + 3, level=0.95, seed=5, resamples=50)
    assert (low, high) == pytest.approx((-3, -3))
    once, again, other = (bootstrap_interval(np.median, x, level=0.9, seed=seed, resamples=50) for seed in (6, 6, 7))
    assert once == again
    assert once != other


def test_a_statistic_of_several_numbers_gives_an_interval_for_each():
    x = np.random.default_rng(8).normal(size=(80, 2)) + (0, 10)
    low, high = bootstrap_interval(lambda rows: rows.mean(0), x, level=0.9, seed=9, resamples=200)
    assert low.shape == high.shape == (2,)
    np.testing.assert_array_less(low, x.mean(0))
    np.testing.assert_array_less(x.mean(0), high)


def test_clusters_are_drawn_whole():
    people = np.repeat(["ann", "bo", "cy"], [1, 5, 2])
    seen = []
    bootstrap_interval(lambda ids: seen.append(tuple(ids)) or 0.0, people, level=0.9, seed=10, resamples=200, clusters=people)
    for ids in seen:
        counts = {name: ids.count(name) for name in ("ann", "bo", "cy")}
        assert counts["bo"] % 5 == counts["cy"] % 2 == 0
        assert counts["ann"] + counts["bo"] // 5 + counts["cy"] // 2 == 3


def test_copies_of_rows_narrow_the_interval_unless_they_are_a_cluster():
    people = np.random.default_rng(11).normal(size=100)
    photos, ids = np.repeat(people, 9), np.repeat(np.arange(100), 9)
    options = {"level": 0.9, "seed": 12, "resamples": 1000}
    width = {
        "people": np.diff(bootstrap_interval(np.mean, people, **options)),
        "naive": np.diff(bootstrap_interval(np.mean, photos, **options)),
        "clusters": np.diff(bootstrap_interval(np.mean, photos, clusters=ids, **options)),
    }
    assert width["clusters"] == pytest.approx(width["people"])
    z = stats.norm.ppf(0.95)  # each end has the standard error below, in standard deviations of the mean
    error = np.sqrt(0.05 * 0.95 / 1000) / stats.norm.pdf(z)
    assert width["naive"] == pytest.approx(width["people"] / 3, rel=4 * np.sqrt(2 * 2) * error / (2 * z))


def test_rows_that_do_not_match_or_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"got \[3, 4\]"):
        bootstrap_interval(np.mean, np.zeros(3), np.zeros(4), level=0.9, seed=0)
    with pytest.raises(ValueError, match=r"got \[0\]"):
        bootstrap_interval(np.mean, np.zeros(0), level=0.9, seed=0)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        bootstrap_interval(np.mean, np.zeros(3), level=95, seed=0)
