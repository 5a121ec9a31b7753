"""The spread of masks over annotators: recovered from simulated answers."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.stats.mask import Prior, mask_posterior
from facevalue.stats.population import mask_population
from tests.stats.raters import answered, embedding, questions, weights


def simulated(truth: Prior, a: int, t: int, *, seed: int = 0, anchored: bool = False):
    draw = np.random.default_rng(seed)
    x, w = embedding(draw, len(truth.mean)), weights(draw, truth, a)
    products = questions(draw, x, a * t)
    rater = np.repeat(np.arange(a), t)
    odd = np.concatenate([answered(draw, products[rater == i], truth.masks(w[i]), anchored=anchored) for i in range(a)])
    return products, odd, rater, w


@pytest.mark.parametrize(("link", "anchored"), [("softplus", True), ("sigmoid", False)])
def test_mean_spread_and_correlation_are_recovered(link, anchored):
    known = np.array([[1, 0.7, 0], [0.7, 1, 0], [0, 0, 1.0]])
    truth = Prior(link, np.array([0.5, 0.5, 0.5]), np.array([0.3, 1.0, 0.6]), known)
    products, odd, rater, w = simulated(truth, 150, 80, anchored=anchored)
    found = mask_population(products, odd, rater, Prior(link, truth.mean, np.ones(3)), anchored=anchored)
    np.testing.assert_allclose(found.prior.sd, truth.sd, rtol=0.25)
    np.testing.assert_allclose(found.factor, 1, atol=0.12)
    assert found.prior.correlation[0, 1] == pytest.approx(0.7, abs=0.2)
    assert np.abs(found.prior.correlation[2, :2]).max() < 0.35
    assert np.corrcoef(found.weights[:, 1], w[:, 1])[0, 1] > 0.8


def test_a_typical_mask_that_is_not_1_is_absorbed_by_the_factor():
    truth = Prior("softplus", np.array([1.0, 1.0]), np.array([0.4, 0.4]))
    products, odd, rater, _ = simulated(truth, 60, 150)
    scaled = products / np.array([4.0, 1.0])  # the embedding is half as large along the first dimension
    found = mask_population(scaled, odd, rater, truth)
    np.testing.assert_allclose(found.factor, [2.0, 1.0], rtol=0.15)


def test_of_known_parameters_a_round_leaves_each_annotator_their_own_posterior():
    truth = Prior("softplus", np.zeros(2), np.ones(2))
    products, odd, rater, _ = simulated(truth, 3, 40)
    found = mask_population(products, odd, rater, truth, rounds=1)
    alone = [mask_posterior(products[rater == i], odd[rater == i], truth, seed=0, draws=10) for i in range(3)]
    np.testing.assert_allclose(found.weights, [one.weights for one in alone], atol=1e-6)
    spread = np.cov(found.weights.T, bias=True) + np.mean([one.covariance for one in alone], 0)
    np.testing.assert_allclose(found.prior.sd**2, spread.diagonal(), rtol=1e-6)


def test_an_sd_of_0_stays_0():
    truth = Prior("sigmoid", np.zeros(2), np.ones(2))
    products, odd, rater, _ = simulated(truth, 10, 40)
    found = mask_population(products, odd, rater, replace(truth, sd=np.array([1.0, 0.0])))
    assert found.prior.sd[1] == 0
    np.testing.assert_allclose(found.factor[1], 1)


@pytest.mark.parametrize("rater", [np.zeros(4, int), np.array([0, 0, 2, 2]), np.array([0, 1]), np.array([], int)])
def test_too_few_annotators_or_answers_are_refused(rater):
    with pytest.raises(ValueError, match="two or more"):
        mask_population(np.ones((4, 3, 2)), np.zeros(4, int), rater, Prior("sigmoid", np.zeros(2), np.ones(2)))
