"""The percentile bootstrap: against scipy, by its coverage, and over clusters."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.bootstrap import bootstrap_interval, people_interval, people_weights
from facevalue.stats.roc import sort_pairs


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


def everyone_with_everyone(people: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one pair of each person and one of each two people."""
    first, second = np.triu_indices(people)
    return first, second


def test_weights_of_pairs_are_how_often_their_people_were_drawn():
    names = np.array(["ann", "bo", "cy", "di"])
    first, second = (names[each] for each in everyone_with_everyone(4))
    own = {name: int(np.flatnonzero((first == name) & (second == name))[0]) for name in names}
    for weights in people_weights(first, second, seed=13, resamples=200):
        drawn = {name: weights[row] for name, row in own.items()}
        assert sum(drawn.values()) == 4
        for a, b, weight in zip(first, second, weights, strict=True):
            assert weight == (drawn[a] if a == b else drawn[a] * drawn[b])
    once, again = (list(people_weights(first, second, seed=14, resamples=5)) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_people_who_stand_in_pairs_of_their_own_are_the_bootstrap_of_rows():
    values, people = np.random.default_rng(15).gamma(2, size=200), np.arange(200)
    found = people_interval(lambda w: w @ values / w.sum(), people, people, level=0.9, seed=16)
    np.testing.assert_allclose(found, bootstrap_interval(np.mean, values, level=0.9, seed=16), rtol=1e-12)


def test_intervals_cover_people_not_met_but_those_of_pairs_and_of_fitted_rates_fall_short():
    people, times, options = 40, 200, {"level": 0.9, "resamples": 100}
    first, second = everyone_with_everyone(people)
    same, rows = first == second, np.arange(len(first))
    # of pairs of one person 2 + noise, of two b_p + b_q + noise: both normal, of variance 1
    truth = np.array([stats.norm.cdf(2 / np.sqrt(2)), stats.norm.cdf(-2 / 2)])
    covered, naive = np.zeros(2), 0
    for run in range(times):
        draw = np.random.default_rng(1000 + run)
        effect, noise = draw.normal(0, np.sqrt(0.35), people), draw.normal(0, 1, len(first))
        pairs = sort_pairs(np.where(same, 2 + noise, effect[first] + effect[second] + np.sqrt(0.3) * noise), same)

        def both(weights, pairs=pairs):
            return np.array([pairs.area_under_curve(weights), pairs.equal_error_rate(weights)])

        low, high = people_interval(both, first, second, seed=run, **options)
        covered += (low <= truth) & (truth <= high)
        low, high = people_interval(pairs.area_under_curve, rows, rows, seed=run, level=0.9, resamples=40)
        naive += low <= truth[0] <= high
    assert covered[0] / times >= 0.85
    assert 0.7 <= covered[1] / times < 0.9
    assert naive / times < 0.8


def test_a_difference_of_two_systems_on_the_same_people_is_narrower_than_either():
    first, second = everyone_with_everyone(40)
    same, draw = first == second, np.random.default_rng(17)
    effect, shared_noise = draw.normal(size=40), draw.normal(size=len(first))
    one, two = (
        sort_pairs(2 * same + effect[first] * effect[second] + shared_noise + 0.1 * draw.normal(size=len(first)), same)
        for _ in range(2)
    )
    options = {"level": 0.9, "seed": 18, "resamples": 300}
    alone = np.diff(people_interval(one.area_under_curve, first, second, **options))

    def gain(weights):
        return one.area_under_curve(weights) - two.area_under_curve(weights)

    low, high = people_interval(gain, first, second, **options)
    assert high - low < alone / 2
    assert low < gain(None) < high


def test_resamples_that_cannot_tell_are_left_out_when_few_and_told_when_many():
    people = np.arange(50)
    calls = iter(range(10_000))

    def statistic(weights):
        call = next(calls)
        return np.array([call, np.nan if call % 100 < 5 else call, np.nan if call % 100 < 6 else call])

    low, high = people_interval(statistic, people, people, level=0.9, seed=19, resamples=1000)
    kept = np.arange(1000)[np.arange(1000) % 100 >= 5]
    np.testing.assert_allclose([low[0], high[0]], np.quantile(np.arange(1000), [0.05, 0.95]))
    np.testing.assert_allclose([low[1], high[1]], np.quantile(kept, [0.05, 0.95]))
    assert np.isnan([low[2], high[2]]).all()


def test_pairs_without_people_are_refused():
    with pytest.raises(ValueError, match="got 3 first and 4 second"):
        people_interval(np.sum, np.zeros(3), np.zeros(4), level=0.9, seed=0)
    with pytest.raises(ValueError, match="1 or more; got 0"):
        people_interval(np.sum, np.zeros(0), np.zeros(0), level=0.9, seed=0)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        people_interval(np.sum, np.zeros(3), np.zeros(3), level=95, seed=0)
