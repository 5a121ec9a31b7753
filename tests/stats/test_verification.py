"""Operating points, exact bounds, accuracies by folds and d': against scipy, scikit-learn, counting and the known laws."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from facevalue.stats import verification
from facevalue.stats.verification import (
    balanced_accuracy,
    balanced_threshold,
    d_prime,
    error_bound,
    fold_accuracy,
    roc,
    true_match_rate_at,
)


def drawn(seed: int, genuine: int, impostor: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(2, 1, genuine).round(2), draw.normal(0, 1, impostor).round(2)


@pytest.mark.parametrize("fmr", [0.3, 0.1, 0.01])
def test_the_operating_point_is_the_smallest_threshold_of_at_most_the_rate(fmr):
    genuine, impostor = drawn(0, 200, 3000)
    point = true_match_rate_at(genuine, impostor, fmr=fmr)
    allowed = [t for t in np.unique(np.concatenate([genuine, impostor])) if (impostor >= t).mean() <= fmr]
    assert point.threshold == min(allowed)
    assert point.measured == (impostor >= point.threshold).mean() <= fmr == point.asked
    assert point.true_match_rate == pytest.approx((genuine >= point.threshold).mean())
    assert point.sufficient


def test_a_rate_that_is_met_exactly_is_met():
    impostor = np.arange(1000.0)
    point = true_match_rate_at(np.array([950.0, 970.0]), impostor, fmr=0.03)
    assert (point.threshold, point.measured, point.true_match_rate) == (970, 0.03, 0.5)


@pytest.mark.parametrize(
    ("fmr", "needed"), [(0.1, 300), (0.01, 3000), (0.001, 30_000), (1e-6, 30_000_000), (3e-4, 100_000), (0.7, 43)]
)
def test_too_few_impostors_are_told_and_give_no_number(fmr, needed):
    genuine, impostor = drawn(1, 50, 3000)
    point = true_match_rate_at(genuine, impostor, fmr=fmr)
    assert point.needed == needed
    assert point.sufficient == (needed <= 3000) == (not math.isnan(point.true_match_rate)) == (not math.isnan(point.threshold))
    fewer = true_match_rate_at(genuine, impostor, fmr=fmr, independent=needed - 1)
    assert not fewer.sufficient
    assert np.isnan([fewer.true_match_rate, fewer.threshold, fewer.measured]).all()
    enough = true_match_rate_at(genuine, impostor, fmr=fmr, independent=needed)
    assert enough.sufficient


def test_a_rate_or_a_threshold_that_is_none_is_refused():
    for fmr in (0.0, 1.0, 10):
        with pytest.raises(ValueError, match=r"false match rate in \(0, 1\)"):
            true_match_rate_at(np.ones(3), np.zeros(3), fmr=fmr)
    with pytest.raises(ValueError, match="expected a threshold, got NaN"):
        balanced_accuracy(np.ones(3), np.zeros(3), math.nan)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_error_bounds_agree_with_scipy(level):
    for errors, n in ((0, 1), (0, 300), (1, 10), (3, 3000), (17, 40), (999, 1000), (2, 5_000_000), (5000, 20_000)):
        assert error_bound(errors, n, level) == pytest.approx(stats.beta.ppf(level, errors + 1, n - errors), rel=1e-8)


def test_no_errors_are_three_in_n_and_all_errors_are_everything():
    for n in (100, 1000, 100_000):
        assert error_bound(0, n, 0.95) == pytest.approx(3 / n, rel=0.02)
    assert error_bound(7, 7, 0.9) == error_bound(0, 0, 0.9) == 1
    with pytest.raises(ValueError, match="got 8 in 7"):
        error_bound(8, 7, 0.9)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        error_bound(0, 7, 95)


@pytest.mark.parametrize(("n", "rate"), [(50, 0.1), (200, 0.1)])
def test_error_bounds_cover_at_least_the_level(n, rate):
    counts = np.arange(n + 1)
    covers = np.array([error_bound(int(k), n, 0.9) >= rate for k in counts])
    assert 0.9 <= stats.binom.pmf(counts, n, rate)[covers].sum() < 0.97


def test_balanced_accuracy_agrees_with_scikit_learn():
    genuine, impostor = drawn(4, 40, 300)
    same, scores = np.repeat([True, False], [40, 300]), np.concatenate([genuine, impostor])
    for threshold in (-9.0, 0.5, float(genuine[0]), 1.2, 9.0):
        expected = metrics.balanced_accuracy_score(same, scores >= threshold)
        assert balanced_accuracy(genuine, impostor, threshold) == pytest.approx(expected)


def lfw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, kinds and folds laid out as LFW View 2: 10 folds of 300 same and 300 different pairs."""
    draw = np.random.default_rng(seed)
    same = np.tile(np.repeat([True, False], 300), 10)
    return draw.normal(3.0 * same, 1).round(3), same, np.repeat(np.arange(1, 11), 600)


def test_fold_accuracy_is_the_protocol_of_lfw():
    scores, same, folds = lfw(5)
    found = fold_accuracy(scores, same, folds, folds)
    right = []
    for fold in range(1, 11):
        train, test = folds != fold, folds == fold
        tries = np.unique(scores[train])
        correct = [((scores[train] >= t) == same[train]).mean() for t in tries]
        threshold = found.threshold[fold - 1]
        assert ((scores[train] >= threshold) == same[train]).mean() == pytest.approx(max(correct))
        right.append(((scores[test] >= threshold) == same[test]).mean())
    np.testing.assert_allclose(found.accuracy, right)
    assert found.mean == pytest.approx(np.mean(right))
    assert found.standard_error == pytest.approx(np.std(right, ddof=1) / np.sqrt(10))
    expected = stats.norm.cdf(1.5)
    assert found.mean == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 6000))


def test_pairs_across_folds_are_neither_judged_nor_learned_from_in_their_folds():
    draw = np.random.default_rng(6)
    people = draw.integers(60, size=(4000, 2))
    people[:600, 1] = people[:600, 0]
    same, folds = people[:, 0] == people[:, 1], people % 3
    scores = draw.normal(2.0 * same, 1)
    found = fold_accuracy(scores, same, *folds.T)
    for fold in range(3):
        inside, outside = (folds == fold).all(1), (folds != fold).all(1)
        assert (~inside & ~outside).any()
        threshold = balanced_threshold(scores[outside & same], scores[outside & ~same])
        assert found.threshold[fold] == threshold
        expected = metrics.balanced_accuracy_score(same[inside], scores[inside] >= threshold)
        assert found.accuracy[fold] == pytest.approx(expected)
    spoiled = np.where((folds[:, 0] == 0) ^ (folds[:, 1] == 0), 99.0, scores)  # one person in fold 0, one not
    assert fold_accuracy(spoiled, same, *folds.T).accuracy[0] == found.accuracy[0]


def test_a_threshold_that_saw_the_test_pairs_would_look_better_on_scores_that_know_nothing():
    gains = []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        scores, same, folds = draw.normal(size=80), np.tile([True, False], 40), np.repeat(np.arange(4), 20)
        honest = fold_accuracy(scores, same, folds, folds).mean
        threshold = balanced_threshold(scores[same], scores[~same])
        gains.append((balanced_accuracy(scores[same], scores[~same], threshold), honest))
    seen, honest = np.array(gains).T
    assert abs(honest.mean() - 0.5) < 4 * honest.std() / np.sqrt(40)
    assert seen.mean() > 0.5 + 4 * seen.std() / np.sqrt(40)


def test_folds_that_lack_a_kind_are_refused_by_name():
    scores, same = np.arange(6.0), np.array([True, False, True, False, True, True])
    folds = np.array(["a", "a", "b", "b", "c", "c"])
    with pytest.raises(ValueError, match="in and outside fold c; got 2 and 0 in it, 2 and 2 without"):
        fold_accuracy(scores, same, folds, folds)
    with pytest.raises(ValueError, match="two folds of people or more, got 1"):
        fold_accuracy(scores, same, np.ones(6), np.ones(6))


def test_d_prime_by_the_formula_and_of_known_laws():
    genuine, impostor = drawn(9, 20_000, 20_000)
    expected = abs(np.mean(genuine) - np.mean(impostor)) / np.sqrt((np.var(genuine) + np.var(impostor)) / 2)
    assert d_prime(genuine, impostor) == pytest.approx(expected)
    assert d_prime(genuine, impostor) == pytest.approx(2, abs=4 * np.sqrt(2 / 20_000 * (1 + 2**2 / 8)))
    assert d_prime(impostor, genuine) == pytest.approx(expected)
    assert d_prime(3 * genuine - 7, 3 * impostor - 7) == pytest.approx(expected)
    assert d_prime(np.ones(3), np.zeros(3)) == math.inf
    with pytest.raises(ValueError, match="without NaN, got 2 with 1 NaN"):
        d_prime(np.array([1.0, np.nan]), impostor)


def test_the_curves_of_roc_are_here_too():
    assert verification.roc is roc
    assert set(verification.__all__) <= set(dir(verification))
