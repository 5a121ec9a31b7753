"""Many logistic fits at once against scikit-learn, one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from facevalue.stats.logits import Logits, fit_logits

M, R = 150, 6


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two fixed columns, (2, m), a moved one for each fit, (r, m), and an outcome for each, (r, m)."""
    draw = np.random.default_rng(seed)
    fixed, moved = draw.normal(size=(2, M)), draw.normal(size=(R, M))
    return fixed, moved, (draw.random((R, M)) < expit(fixed[0] - 1 + 0.5 * moved)).astype(float)


def by_scikit(columns: np.ndarray, outcome: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and z."""
    fit = LogisticRegression(C=np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-10)
    fit.fit(columns.T, outcome, sample_weight=weights)
    p = expit(columns.T @ fit.coef_[0])
    v = p * (1 - p) * (1 if weights is None else weights)
    return fit.coef_[0], fit.coef_[0] / np.sqrt(np.diag(np.linalg.inv(columns * v @ columns.T)))


def test_fits_with_a_moved_column_are_those_of_scikit_learn():
    fixed, moved, outcome = drawn()
    weights = np.random.default_rng(1).integers(0, 3, (R, M)).astype(float)
    found = fit_logits(Logits(fixed, outcome[:1], weights=weights, moved=moved), np.zeros(3))
    for r in range(R):
        coefficients, z = by_scikit(np.vstack([fixed, moved[r]]), outcome[0], weights[r])
        np.testing.assert_allclose(found.coefficients[r], coefficients, atol=1e-6)
        assert found.statistic[r, 0] == pytest.approx(z[-1], abs=1e-6)


def test_constants_of_groups_are_those_of_a_column_for_each():
    fixed, _, outcome = drawn()
    groups = np.array([0, 40, 90, M])
    found = fit_logits(Logits(fixed, outcome, groups=groups), np.zeros(5))
    inside = (np.arange(M) >= groups[:-1, None]) & (np.arange(M) < groups[1:, None])
    for r in range(R):
        coefficients, z = by_scikit(np.vstack([fixed, inside]), outcome[r])
        np.testing.assert_allclose(found.coefficients[r], coefficients, atol=1e-6)
        np.testing.assert_allclose(found.statistic[r], z[:2], atol=1e-6)


def test_constants_alone_are_the_log_odds_of_their_groups():
    fixed, _, outcome = drawn()
    groups = np.array([0, 40, 90, M])
    found = fit_logits(Logits(fixed, outcome, groups=groups, keep=np.array([], int)), np.zeros(3))
    share = np.add.reduceat(outcome, groups[:-1], axis=1) / np.diff(groups)
    np.testing.assert_allclose(found.coefficients, np.log(share / (1 - share)), atol=1e-6)
    assert found.statistic.shape == (R, 0)


def test_kept_and_shifted_columns():
    fixed, _, outcome = drawn()
    found = fit_logits(Logits(fixed, outcome, keep=np.array([1]), shift=np.array([9.0, 2.0])), np.zeros(1))
    np.testing.assert_allclose(found.statistic, fit_logits(Logits(fixed[1:] + 2, outcome), np.zeros(1)).statistic)


def test_ends_from_a_start_from_which_whole_steps_run_away():
    fixed, _, outcome = drawn()
    far = fit_logits(Logits(fixed, outcome), np.array([3.0, -3.0]))
    np.testing.assert_allclose(far.statistic, fit_logits(Logits(fixed, outcome), np.zeros(2)).statistic, atol=2e-6)
    assert not far.separated.any()


def test_separated_outcomes_have_the_root_of_the_drop_in_deviance():
    fixed, moved, outcome = drawn()
    moved[0], moved[1] = 2 * outcome[0] - 1, 1 - 2 * outcome[0]
    found = fit_logits(Logits(fixed, outcome[:1], moved=moved), np.zeros(3))
    assert found.separated[:, 0].tolist() == [True, True] + [False] * (R - 2)
    p = expit(by_scikit(fixed, outcome[0])[0] @ fixed)
    root = np.sqrt(-2 * np.log(np.where(outcome[0] == 1, p, 1 - p)).sum())
    np.testing.assert_allclose(found.statistic[:2, 0], [root, -root], atol=1e-3)


def test_near_separation_the_root_is_larger_than_z():
    fixed, moved, outcome = drawn()
    moved[0] = 2 * outcome[0] - 1
    moved[0, [0, 1]] *= -1
    found = fit_logits(Logits(fixed, outcome[:1], moved=moved), np.zeros(3))
    p, q = (expit(by_scikit(x, outcome[0])[0] @ x) for x in (fixed, np.vstack([fixed, moved[0]])))
    gain = np.log(np.where(outcome[0] == 1, q / p, (1 - q) / (1 - p))).sum()
    assert not found.separated[0, 0]
    assert found.statistic[0, 0] < np.sqrt(2 * gain)


def test_a_moved_column_within_the_others_is_endless():
    fixed, moved, outcome = drawn()
    moved[2] = fixed[0] - 2 * fixed[1]
    moved[3] = 0
    found = fit_logits(Logits(fixed, outcome[:1], moved=moved), np.zeros(3))
    assert np.isinf(found.statistic[:, 0]).tolist() == [False, False, True, True, False, False]


def test_outcomes_that_are_all_alike_tell_nothing():
    fixed, _, outcome = drawn()
    outcome[1] = 0
    found = fit_logits(Logits(np.vstack([np.ones(M), fixed]), outcome), np.zeros(3))
    np.testing.assert_allclose(found.statistic[1, 1:], 0, atol=0.01)
    assert found.separated[1].all()
    assert not found.separated[0].any()
