"""Likelihood ratios: against scikit-learn, brute force, and the laws that scores were drawn from."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from facevalue.stats.likelihood import (
    Logistic,
    calibration_loss,
    cllr,
    likelihood_ratio_bounds,
    logistic,
    minimum_cllr,
    pav,
    sorted_minimum_cllr,
)
from facevalue.stats.roc import sort_pairs


def drawn(seed: int, n: tuple[int, int] = (80, 500), *, digits: int = 2, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and kinds; of normal laws with variance 1, whose ratio is exp(apart s - apart^2 / 2)."""
    draw = np.random.default_rng(seed)
    same = draw.permutation(np.repeat([True, False], n))
    return draw.normal(apart * same, 1).round(digits), same


def odds(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return p / (1 - p)


def firth(scores: np.ndarray, same: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a and b by searching for the highest penalised likelihood, as it is written."""
    totals = weights[same].sum(), weights[~same].sum()
    w = weights * min(totals) / np.where(same, *totals)
    design = np.stack([np.ones_like(scores), scores], axis=1)

    def loss(x: np.ndarray) -> float:
        p = special.expit(design @ x)
        _, log_det = np.linalg.slogdet(design.T @ (design * (w * p * (1 - p))[:, None]))
        return -(w * special.log_expit(np.where(same, 1, -1) * (design @ x))).sum() - log_det / 2

    return optimize.minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}).x


@pytest.mark.parametrize(("n", "apart"), [((80, 500), 2.0), ((500, 80), 0.5), ((12, 9), 1.0), ((20, 50), 12.0)])
def test_the_logistic_fit_agrees_with_a_search(n, apart):
    scores, same = drawn(0, n, apart=apart)
    weights = np.random.default_rng(1).random(len(scores)) * 2
    found = logistic(scores, same, weights=weights)
    assert (found.a, found.b) == pytest.approx(firth(scores, same, weights), rel=1e-4, abs=1e-4)


def test_the_logistic_fit_nears_that_of_scikit_learn_as_pairs_grow():
    for n in (500, 10_000):
        scores, same = drawn(1, (n, 3 * n))
        peer = LogisticRegression(C=np.inf, tol=1e-10, class_weight="balanced").fit(scores[:, None], same)
        found = logistic(scores, same)
        assert (found.a, found.b) == pytest.approx((peer.intercept_[0], peer.coef_[0, 0]), abs=10 / n)


def test_of_two_scores_half_a_pair_is_added_to_each_count():
    scores, same = np.repeat([0.0, 0.0, 1.0, 1.0], [30, 10, 3, 40]), np.repeat([False, True, False, True], [30, 10, 3, 40])
    scale = 33 / 50  # same pairs weigh as much as the rarer, different ones
    found = 10 ** logistic(scores, same).log10_ratio(np.array([0.0, 1.0]))
    expected = [(10 * scale + 0.5) / 30.5, (40 * scale + 0.5) / 3.5]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_logistic_fit_recovers_the_law_whatever_the_numbers_of_pairs():
    fits = [logistic(*drawn(seed, (400, 4000), digits=9)) for seed in range(30)]
    a, b = np.array([(fit.a, fit.b) for fit in fits]).T
    assert abs(a.mean() + 2) < 4 * a.std() / np.sqrt(30)
    assert abs(b.mean() - 2) < 4 * b.std() / np.sqrt(30)


def test_separable_scores_have_finite_ratios_that_grow_with_the_pairs():
    strongest = []
    for n in (5, 50, 5000):
        scores, same = np.tile([0.2, 0.8], n) + np.tile([0.0, 0.0, 0.1, 0.1], n)[: 2 * n], np.tile([False, True], n)
        ratios = logistic(scores, same).log10_ratio(scores)
        assert ratios[~same].max() < 0 < ratios[same].min()
        strongest.append(abs(ratios).max())
    assert strongest == sorted(strongest)
    assert strongest[-1] < 6
    assert logistic(np.ones(4), np.array([True, False, True, False])) == Logistic(0.0, 0.0)


def test_whole_weights_of_the_logistic_fit_are_copies():
    scores, same = drawn(2)
    weights = np.random.default_rng(3).poisson(1, len(scores))
    one, two = logistic(scores, same, weights=weights), logistic(np.repeat(scores, weights), np.repeat(same, weights))
    assert (one.a, one.b) == pytest.approx((two.a, two.b))


def test_the_scale_of_scores_changes_nothing():
    scores, same = drawn(2)
    one, two = logistic(scores, same), logistic(1e6 * scores - 3e6, same)
    np.testing.assert_allclose(one.log10_ratio(scores), two.log10_ratio(1e6 * scores - 3e6), atol=1e-6)
    np.testing.assert_allclose(logistic(-scores, same).log10_ratio(-scores), one.log10_ratio(scores), atol=1e-6)


def test_probabilities_are_the_posterior_odds():
    law = Logistic(-2.0, 2.0)
    scores = np.array([-400.0, 0.3, 1.0, 400.0, np.nan])
    for prior in (0.01, 0.5):
        ratio = np.exp(law.a + law.b * scores[1:3])
        np.testing.assert_allclose(odds(law.probability(scores, prior=prior)[1:3]), ratio * prior / (1 - prior))
    assert law.probability(scores, prior=0.5)[[0, 3]].tolist() == [0, 1]
    assert np.isnan(law.probability(scores, prior=0.5)[4])
    assert np.isnan(law.log10_ratio(scores)[4])
    with pytest.raises(ValueError, match=r"prior in \(0, 1\), got 1"):
        law.probability(scores, prior=1)


def test_posterior_probabilities_are_as_often_right_as_they_say():
    scores, same = drawn(3, (3000, 3000), digits=9)
    held, kinds = drawn(4, (1000, 9000), digits=9)
    p = logistic(scores, same).probability(held, prior=0.1)
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 1)):
        rows = (low < p) & (p <= high)
        error = np.sqrt((p[rows] * (1 - p[rows])).sum()) / rows.sum()
        assert kinds[rows].mean() == pytest.approx(p[rows].mean(), abs=4 * error + 0.02)


@pytest.mark.parametrize(("digits", "seed"), [(0, 5), (1, 6), (8, 7), (8, 8)])
def test_pooling_agrees_with_scikit_learn(digits, seed):
    scores, same = drawn(seed, digits=digits)
    weights = np.random.default_rng(seed).random(len(scores)) if seed % 2 else np.ones(len(scores))
    balanced = weights / np.where(same, weights[same].sum(), weights[~same].sum())
    p = IsotonicRegression(y_min=0, y_max=1).fit(scores, same, balanced).predict(scores)
    np.testing.assert_allclose(pav(scores, same, weights=weights), odds(p), rtol=1e-9)


def test_pooling_needs_many_rounds_and_still_agrees():
    n = 400
    scores, same = np.arange(2.0 * n), np.tile([True, False], n)
    weights = np.ones(2 * n)
    weights[::2] = np.linspace(3, 1, n)  # the ratio falls all the way: one block
    assert np.unique(pav(scores, same, weights=weights)).tolist() == pytest.approx([1.0])
    assert minimum_cllr(scores[same], scores[~same], same_weights=weights[::2]) == pytest.approx(1)


def test_pooled_ratios_rise_tie_with_scores_and_average_to_one():
    scores, same = drawn(9, digits=1)
    ratio = pav(scores, same)
    order = np.argsort(scores, kind="stable")
    assert (ratio[order][1:] >= ratio[order][:-1]).all()
    for score in np.unique(scores):
        assert len(np.unique(ratio[scores == score])) == 1
    finite = ratio < np.inf
    assert ratio[finite & ~same].sum() / (~same).sum() == pytest.approx((finite & same).sum() / same.sum())


def test_scores_of_weight_zero_share_the_block_below():
    scores, same = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True, True])
    weights = np.array([1.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(pav(scores, same, weights=weights), [0, 1, 1, 1, np.inf])


def test_cllr_by_the_formula_and_at_the_ends():
    same, different = np.array([0.5, 3.0, 20.0]), np.array([0.1, 0.1, 1.5, 0.01])
    expected = (np.mean(np.log2(1 + 1 / same)) + np.mean(np.log2(1 + different))) / 2
    assert cllr(same, different) == pytest.approx(expected)
    assert cllr(np.ones(5), np.ones(2)) == 1
    assert cllr(np.array([np.inf]), np.zeros(2)) == 0
    assert cllr(np.array([0.0]), np.ones(2)) == np.inf
    assert cllr(np.array([1e300]), np.array([1e300])) == pytest.approx(300 * np.log2(10) / 2)
    weights = {"same_weights": np.array([2.0, 0.0, 1.0]), "different_weights": np.array([1.0, 3.0, 0.0, 2.0])}
    copies = np.repeat(same, [2, 0, 1]), np.repeat(different, [1, 3, 0, 2])
    assert cllr(same, different, **weights) == pytest.approx(cllr(*copies))
    assert cllr(np.append(same, 0.0), different, same_weights=np.array([1.0, 1, 1, 0])) == pytest.approx(expected)
    assert np.isnan(cllr(same, different, same_weights=np.zeros(3)))


def test_the_minimum_is_the_cost_of_pooled_ratios_and_calibration_loses_the_rest():
    scores, same = drawn(10, digits=1)
    pooled, fitted = pav(scores, same), 10 ** logistic(scores, same).log10_ratio(scores)
    least = minimum_cllr(scores[same], scores[~same])
    assert least == pytest.approx(cllr(pooled[same], pooled[~same]))
    assert least < cllr(fitted[same], fitted[~same]) < cllr(fitted[same] ** 3, fitted[~same] ** 3)
    assert calibration_loss(pooled[same], pooled[~same]) == pytest.approx(0, abs=1e-12)
    expected = cllr(fitted[same], fitted[~same]) - least
    assert calibration_loss(fitted[same], fitted[~same]) == pytest.approx(expected)
    assert minimum_cllr(np.exp(scores[same]), np.exp(scores[~same])) == pytest.approx(least)
    assert minimum_cllr(np.arange(3.0) + 9, np.arange(4.0)) == 0
    assert minimum_cllr(np.arange(4.0), np.arange(3.0) + 9) == 1


def test_the_minimum_under_whole_weights_is_that_of_copies():
    scores, same = drawn(11, digits=1)
    weights = np.random.default_rng(12).poisson(1, len(scores)).astype(float)
    copies = (np.repeat(scores[rows], weights[rows].astype(int)) for rows in (same, ~same))
    expected = minimum_cllr(*copies)
    given = {"same_weights": weights[same], "different_weights": weights[~same]}
    assert minimum_cllr(scores[same], scores[~same], **given) == pytest.approx(expected)
    assert sorted_minimum_cllr(sort_pairs(scores, same), weights) == pytest.approx(expected)
    assert np.isnan(sorted_minimum_cllr(sort_pairs(scores, same), weights * same))


def test_cllr_of_the_true_ratios_is_the_integral_over_the_law():
    scores, same = drawn(13, (20_000, 20_000), digits=9)
    ratio = np.exp(2 * scores - 2)
    s, step = np.linspace(-8, 10, 20_001, retstep=True)
    density = np.exp(-((s - 2) ** 2) / 2) / np.sqrt(2 * np.pi)
    expected = (density * np.log2(1 + np.exp(-(2 * s - 2)))).sum() * step  # both halves are equal, by symmetry
    cost = np.log2(1 + np.where(same, 1 / ratio, ratio))
    assert cllr(ratio[same], ratio[~same]) == pytest.approx(expected, abs=4 * cost.std() / np.sqrt(40_000))
    assert 0 <= calibration_loss(ratio[same], ratio[~same]) < 0.005


def costs_at(t: float, same: np.ndarray, different: np.ndarray, effective: tuple[float, float]) -> float:
    s, d = effective
    return t * (d * (different >= t).mean() + 1) / (d + 1) + (s * (same < t).mean() + 1) / (s + 1)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_where_ignoring_the_ratios_gets_better(seed):
    scores, same = drawn(seed, (60 + 40 * seed, 300), apart=2 + seed / 2)
    fitted = 10 ** (logistic(scores, same).log10_ratio(scores) * (1 + seed % 3))
    effective = (len(fitted[same]), len(fitted[~same])) if seed % 2 else (40, 70.5)
    low, high = likelihood_ratio_bounds(fitted[same], fitted[~same], effective=effective)
    ends = []
    for genuine, impostor, n in (
        (fitted[same], fitted[~same], effective),
        (1 / fitted[~same], 1 / fitted[same], effective[::-1]),
    ):
        grid = np.exp(np.arange(1, 12_000) / 1000)
        bad = [t for t in grid if costs_at(t, genuine, impostor, n) > 1]
        ends.append(max(1.0, bad[0] / np.exp(1e-3)))
    assert high == pytest.approx(ends[0], rel=2e-3)
    assert 1 / low == pytest.approx(ends[1], rel=2e-3)


def test_bounds_of_separated_ratios_are_the_numbers_of_pairs():
    low, high = likelihood_ratio_bounds(np.full(200, np.inf), np.zeros(1000))
    assert high == pytest.approx(1001 * 200 / 201)
    assert 1 / low == pytest.approx(201 * 1000 / 1001)
    few = likelihood_ratio_bounds(np.full(200, np.inf), np.zeros(1000), effective=(20, 10))
    assert few == pytest.approx((11 / (21 * 10), 11 * 20 / 21))


def test_ratios_that_mislead_are_better_ignored():
    assert likelihood_ratio_bounds(np.full(50, 0.01), np.full(50, 100.0)) == (1, 1)
    # one impostor of 99 at 50 stops the range where 2 t / 100 + 1 / 100 = 1
    _, high = likelihood_ratio_bounds(np.full(99, 1e9), np.append(np.full(98, 1e-9), 60.0))
    assert high == pytest.approx(49.5)
    # half of 100 at 1.5 do not, as 1.5 * 51 / 101 + 1 / 101 is less than 1
    _, high = likelihood_ratio_bounds(np.full(100, 1e9), np.repeat([1e-9, 1.5], 50))
    assert high == pytest.approx(100)
    assert likelihood_ratio_bounds(np.ones(9), np.ones(9)) == (1, 1)


def test_what_is_no_ratio_is_refused():
    for bad in (np.array([1.0, np.nan]), np.array([-1.0, 1.0])):
        with pytest.raises(ValueError, match="got 2 with 1 NaN or below 0"):
            cllr(bad, np.ones(2))
        with pytest.raises(ValueError, match="got 2 with 1 NaN or below 0"):
            likelihood_ratio_bounds(np.ones(2), bad)
    with pytest.raises(ValueError, match="effective numbers of 1 or more, got 0 same"):
        likelihood_ratio_bounds(np.ones(2), np.ones(2), effective=(0, 2))
    with pytest.raises(ValueError, match="got weights of 0 same and 2 different in all"):
        logistic(np.arange(3.0), np.array([True, False, False]), weights=np.array([0.0, 1.0, 1.0]))
