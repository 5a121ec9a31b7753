"""Weights that make groups alike: against scikit-learn's logistic regression, and the theorem of exact balance."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from facevalue.stats.weighting import difference_to_rest, effective_number, overlap_weights, regression_difference


def groups(apart, n=400, g=2, seed=0):
    draw = np.random.default_rng(seed)
    at = np.repeat(np.arange(g), n)
    return draw.normal(at[:, None] * [apart, 0.0], 1, (g * n, 2)), at


def test_weights_are_those_of_a_logistic_regression():
    x, at = groups(0.8)
    within = np.sqrt(np.mean([x[at == j].var(0) for j in (0, 1)], axis=0))
    z = np.clip((x - x.mean(0)) / within, -3, 3)
    model = LogisticRegression(C=1e8, tol=1e-10, max_iter=2000).fit(np.column_stack([z, z**2]), at)
    e = model.predict_proba(np.column_stack([z, z**2]))[:, 1]
    expected = np.where(at == 1, 1 - e, e)
    expected /= (np.bincount(at, expected) / 400)[at]
    found = overlap_weights(x, at)
    np.testing.assert_allclose(found.weights, expected, rtol=5e-3)
    for weights in (found.weights,):
        means = [np.average(z[at == j], axis=0, weights=weights[at == j]) for j in (0, 1)]
        np.testing.assert_allclose(means[0], means[1], atol=1e-3)
    assert found.before[0] == pytest.approx(0.8, abs=0.15)
    assert found.after.max() < 0.02


def test_overlap_is_the_area_that_two_normal_curves_share():
    from scipy.stats import norm

    for apart in (0.0, 1.0, 2.0):
        x, at = groups(apart, n=3000)
        assert overlap_weights(x, at).overlap == pytest.approx(2 * norm.cdf(-apart / 2), abs=0.04)


def test_several_groups_come_together():
    x, at = groups(0.5, g=3)
    found = overlap_weights(x, at)
    assert found.before[0] > 0.8
    assert found.after.max() < 0.12
    np.testing.assert_allclose(np.bincount(at, found.weights), 400)


def test_groups_that_do_not_meet_do_not_overlap():
    x, at = groups(12.0, n=60)
    assert overlap_weights(x, at).overlap < 0.01


def test_the_order_of_rows_and_a_constant_covariate_change_nothing():
    x, at = groups(0.7, n=80)
    order = np.random.default_rng(1).permutation(len(x))
    found = overlap_weights(x, at)
    np.testing.assert_allclose(overlap_weights(x[order], at[order]).weights, found.weights[order], rtol=1e-6)
    more = np.column_stack([x, np.full(len(x), 7.0)])
    np.testing.assert_allclose(overlap_weights(more, at).weights, found.weights, rtol=1e-4)


def test_effective_number():
    assert effective_number(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_number(np.array([5.0, 0, 0])) == 1
    assert effective_number(np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("x", "at", "message"),
    [
        (np.full((4, 1), np.nan), np.arange(4), "without NaN"),
        (np.zeros((4, 1)), np.zeros(4), "two groups or more"),
        (np.zeros(4), np.arange(4), "covariates"),
    ],
)
def test_what_cannot_be_weighed_is_refused(x, at, message):
    with pytest.raises(ValueError, match=message):
        overlap_weights(x, at)


def test_differences_of_many_draws_are_those_of_each():
    draw = np.random.default_rng(4)
    n = draw.integers(1, 9, (5, 3)).astype(float)
    hits = draw.random((5, 3)) * n
    np.testing.assert_allclose(difference_to_rest(hits, n), [difference_to_rest(*row) for row in zip(hits, n, strict=True)])
    assert difference_to_rest(hits, n)[2, 1] == pytest.approx(hits[2, 1] / n[2, 1] - hits[2, ::2].sum() / n[2, ::2].sum())


def test_differences_by_regression_are_those_of_fitted_means():
    draw = np.random.default_rng(5)
    x, code, weights = draw.normal(size=(40, 2)), np.arange(40) % 3, draw.uniform(0.2, 2, 40)
    y = x @ [1.0, -2.0] + code + draw.normal(size=40)
    model = LinearRegression().fit(np.column_stack([code == 1, code == 2, x - x.mean(0)]), y, weights)
    means, size = model.intercept_ + np.array([0, *model.coef_[:2]]), np.bincount(code, weights)
    rest = [np.average(np.delete(means, g), weights=np.delete(size, g)) for g in range(3)]
    np.testing.assert_allclose(regression_difference(x, code, y, weights, 3), means - rest)
