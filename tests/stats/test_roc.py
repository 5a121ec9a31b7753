"""The ROC: against scikit-learn, against every threshold and every line by brute force, and under weights."""

import itertools

import numpy as np
import pytest
from sklearn import metrics

from facevalue.stats.roc import area_under_curve, balanced_threshold, equal_error_rate, roc, sort_kinds, sort_pairs

SUMMARIES = (area_under_curve, equal_error_rate, balanced_threshold)


def drawn(seed: int, *, n: tuple[int, int] = (60, 200), digits: int = 2, apart: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return genuine and impostor scores, rounded so that there are ties within and between kinds."""
    draw = np.random.default_rng(seed)
    return draw.normal(apart, 1, n[0]).round(digits), draw.normal(0, 1, n[1]).round(digits)


def joined(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([True, False], [len(genuine), len(impostor)]), np.concatenate([genuine, impostor])


def repeated(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.repeat(scores, weights.astype(int))


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_rates_agree_with_scikit_learn(digits):
    genuine, impostor = drawn(0, digits=digits)
    curve = roc(genuine, impostor)
    fmr, tmr, thresholds = metrics.roc_curve(*joined(genuine, impostor), drop_intermediate=False)
    np.testing.assert_array_equal(curve.threshold, thresholds[::-1])
    np.testing.assert_allclose(curve.fmr, fmr[::-1], atol=1e-15)
    np.testing.assert_allclose(curve.fnmr, 1 - tmr[::-1], atol=1e-15)


def test_a_score_equal_to_the_threshold_is_a_match():
    genuine, impostor = drawn(1, digits=1)
    curve = roc(genuine, impostor)
    for t, fmr, fnmr in zip(curve.threshold, curve.fmr, curve.fnmr, strict=True):
        assert fmr == pytest.approx(sum(s >= t for s in impostor) / len(impostor))
        assert fnmr == pytest.approx(sum(s < t for s in genuine) / len(genuine))


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_area_agrees_with_scikit_learn_and_with_counting(digits):
    genuine, impostor = drawn(2, digits=digits)
    found = area_under_curve(genuine, impostor)
    assert found == pytest.approx(metrics.roc_auc_score(*joined(genuine, impostor)))
    won = [(g > i) + (g == i) / 2 for g in genuine for i in impostor]
    assert found == pytest.approx(sum(won) / len(won))
    assert area_under_curve(impostor, genuine) == pytest.approx(1 - found)
    assert area_under_curve(np.exp(genuine), np.exp(impostor)) == found


def test_area_under_weights_agrees_with_scikit_learn():
    genuine, impostor = drawn(3, digits=1)
    draw = np.random.default_rng(4)
    g, i = draw.random(len(genuine)), draw.random(len(impostor))
    expected = metrics.roc_auc_score(*joined(genuine, impostor), sample_weight=np.concatenate([g, i]))
    same, scores = joined(genuine, impostor)
    assert sort_pairs(scores, same).area_under_curve(np.concatenate([g, i])) == pytest.approx(expected)


def equal_error_by_chords(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Return the lowest crossing of x = y by any chord between two points of the ROC."""
    curve = roc(genuine, impostor)
    points, best = list(zip(curve.fmr, curve.fnmr, strict=True)), 1.0
    for (x, y), (u, v) in itertools.combinations(points, 2):
        over, under = x - y, v - u
        if over >= 0 and under >= 0 and over + under > 0:
            best = min(best, x + (u - x) * over / (over + under))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_is_where_the_lowest_chord_crosses(seed):
    genuine, impostor = drawn(seed, n=(20 + 7 * seed, 60), digits=1, apart=0.5 * seed)
    found = equal_error_rate(genuine, impostor)
    assert found == pytest.approx(equal_error_by_chords(genuine, impostor), abs=1e-12)
    curve = roc(genuine, impostor)
    priors = np.linspace(0, 1, 20_001)[:, None]
    least = (priors * curve.fnmr + (1 - priors) * curve.fmr).min(1)
    assert found == pytest.approx(least.max(), abs=1e-4)
    assert least.max() <= found + 1e-12


def test_equal_error_rate_at_the_ends():
    alike, unlike = np.arange(5.0) + 10, np.arange(7.0)
    assert equal_error_rate(alike, unlike) == 0
    assert equal_error_rate(unlike, alike) == pytest.approx(0.5)
    assert equal_error_rate(np.ones(4), np.ones(3)) == pytest.approx(0.5)


def test_equal_error_rate_of_normal_scores_is_the_known_one():
    genuine, impostor = drawn(5, n=(40_000, 40_000), digits=8, apart=2.0)
    expected = 0.158655  # P(N > 1)
    error = np.sqrt(expected * (1 - expected) / 40_000)
    assert equal_error_rate(genuine, impostor) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("seed", range(6))
def test_no_threshold_is_better_than_the_balanced_one(seed):
    genuine, impostor = drawn(seed, n=(30, 40), digits=seed % 3, apart=seed / 2 - 1)
    threshold = balanced_threshold(genuine, impostor)

    def right(t: float) -> float:
        return ((genuine >= t).mean() + (impostor < t).mean()) / 2

    scores = np.unique(np.concatenate([genuine, impostor]))
    every = [right(t) for t in np.concatenate([scores, [scores[-1] + 1], (scores[1:] + scores[:-1]) / 2])]
    assert right(threshold) == pytest.approx(max(every), abs=1e-12)


def test_the_balanced_threshold_is_in_the_middle_of_the_widest_run():
    assert balanced_threshold(np.array([4.0, 8.0]), np.array([0.0, 2.0])) == 3
    # 1 < t <= 2 and 3 < t <= 9 are as good: half of either kind wrong at most once
    assert balanced_threshold(np.array([2.0, 9.0]), np.array([1.0, 3.0])) == 6
    # as many of both kinds at 2: thresholds below and above it are as good
    assert balanced_threshold(np.array([2.0, 5.0, 6.0]), np.array([-1.0, 0.0, 2.0])) == 2.5
    # .1 + .2 is as good as .3 + 0, whatever binary fractions say
    assert balanced_threshold(np.repeat([0.0, 5.0, 10.0], [1, 2, 7]), np.repeat([1.0, 5.0], [8, 2])) == 5.5
    # nothing is a match, or all are
    assert balanced_threshold(np.array([0.0]), np.array([1.0])) == pytest.approx(1)
    assert balanced_threshold(np.array([1.0]), np.array([1.0])) == pytest.approx(1)


def test_the_balanced_threshold_lies_between_neighbouring_floats_too():
    low = np.float64(0.3)
    high = np.nextafter(low, 1)
    threshold = balanced_threshold(np.array([high]), np.array([low]))
    assert low < threshold <= high


@pytest.mark.parametrize("statistic", SUMMARIES)
def test_whole_weights_are_copies(statistic):
    genuine, impostor = drawn(6, digits=1)
    draw = np.random.default_rng(7)
    g, i = draw.poisson(1, len(genuine)).astype(float), draw.poisson(1, len(impostor)).astype(float)
    expected = statistic(repeated(genuine, g), repeated(impostor, i))
    same, scores = joined(genuine, impostor)
    order = draw.permutation(len(scores))
    pairs, weights = sort_pairs(scores[order], same[order]), np.concatenate([g, i])[order]
    assert getattr(pairs, statistic.__name__)(weights) == pytest.approx(expected, abs=1e-12)
    assert getattr(pairs, statistic.__name__)(weights * 3.7) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_the_curve_alone_gives_the_area_and_the_equal_error_rate(digits):
    genuine, impostor = drawn(14, digits=digits)
    curve = roc(genuine, impostor)
    assert curve.area() == pytest.approx(area_under_curve(genuine, impostor))
    assert curve.area() == pytest.approx(metrics.auc(curve.fmr, 1 - curve.fnmr))
    assert curve.equal_error_rate() == equal_error_rate(genuine, impostor)


def test_the_true_match_rate_of_sorted_pairs_is_that_of_copies():
    genuine, impostor = drawn(8, digits=1)
    draw = np.random.default_rng(9)
    same, scores = joined(genuine, impostor)
    weights = draw.poisson(1, len(scores)).astype(float)
    pairs = sort_pairs(scores, same)
    g, i = repeated(genuine, weights[same]), repeated(impostor, weights[~same])
    for fmr in (0.001, 0.05, 0.3):
        threshold = min((t for t in [*scores, np.inf] if (i >= t).mean() <= fmr), default=np.inf)
        assert pairs.true_match_rate(fmr, weights) == pytest.approx((g >= threshold).mean())


def test_pairs_of_one_kind_that_all_weigh_nothing_give_nan():
    pairs = sort_pairs(np.array([1.0, 2.0, 3.0]), np.array([True, False, False]))
    for weights in (np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0])):
        found = [pairs.area_under_curve(weights), pairs.equal_error_rate(weights), pairs.balanced_threshold(weights)]
        assert np.isnan(found).all()
    assert np.isnan(pairs.true_match_rate(0.1, np.array([0.0, 1.0, 1.0])))


def test_what_is_no_pair_of_kinds_is_refused():
    with pytest.raises(ValueError, match="3 scores without NaN, got 1 NaN"):
        roc(np.array([1.0, np.nan]), np.array([0.0]))
    with pytest.raises(ValueError, match="both kinds, got 2 same and 0 different"):
        area_under_curve(np.ones(2), np.ones(0))
    with pytest.raises(ValueError, match="bool same"):
        sort_pairs(np.ones(2), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"expected 2 weights of 0 or more, one a score; got \(3,\)"):
        sort_kinds(np.ones(2), np.ones(3), np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="or one below 0"):
        sort_kinds(np.ones(2), np.ones(3), None, np.array([1.0, -1.0, 1.0]))
