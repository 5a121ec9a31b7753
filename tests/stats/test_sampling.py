"""Draws of a posterior: against laws whose quantiles scipy knows."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.sampling import posterior_draws


def shares_below(found: np.ndarray, law: stats.rv_continuous) -> np.ndarray:
    return np.array([(found <= law.ppf(q)).mean() for q in (0.05, 0.25, 0.5, 0.75, 0.95)])


@pytest.mark.parametrize(("mode", "precision"), [(0.0, 1.0), (0.0, 0.2), (0.0, 4.0), (1.0, 1.0)])
def test_a_skewed_law_is_drawn_whatever_the_proposals(mode, precision):
    law = stats.loggamma(2.0)  # mode log 2; the curvature there is 2
    found = posterior_draws(
        lambda x: np.exp(x[:, 0]) - 2 * x[:, 0], np.array([mode]), np.array([[precision]]), draws=8000, seed=1
    )
    np.testing.assert_allclose(shares_below(found[:, 0], law), [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.015)


def test_a_law_of_two_peaks_keeps_both():
    law = 0.5
    loss = lambda x: -np.logaddexp(stats.norm.logpdf(x[:, 0], -2, law), stats.norm.logpdf(x[:, 0], 2, law))  # noqa: E731
    found = posterior_draws(loss, np.zeros(1), np.array([[0.25]]), draws=4000, seed=0)
    assert (found > 0).mean() == pytest.approx(0.5, abs=0.04)
    assert np.abs(found).std() == pytest.approx(law, abs=0.04)


def test_many_correlated_dimensions_have_their_covariance():
    d, draw = 30, np.random.default_rng(0)
    root = draw.standard_normal((d, d)) / np.sqrt(d) + np.eye(d)
    precision = root @ root.T
    found = posterior_draws(lambda x: ((x @ root) ** 2).sum(1) / 2, np.zeros(d), precision, draws=6000, seed=0)
    whitened = found @ root
    np.testing.assert_allclose(whitened.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(d), atol=0.08)


def test_the_seed_decides():
    once, again, other = (
        posterior_draws(lambda x: (x**2).sum(1) / 2, np.zeros(2), np.eye(2), draws=20, seed=s) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
