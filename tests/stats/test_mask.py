"""The mask of a new annotator: against integration over a grid, scipy's search, and the coverage of simulated annotators."""

import numpy as np
import pytest
from scipy import optimize, special

from facevalue.stats.choice import odd_probabilities, similarities
from facevalue.stats.mask import Prior, _loss, _slopes, contrasts_of, mask_posterior, pair_products, shrunk_correlation
from tests.stats.raters import LINKS, answered, embedding, questions, weights

CORRELATION = np.array([[1.0, 0.6], [0.6, 1.0]])


def correlated(link: str, d: int, rho: float = 0.5) -> Prior:
    known = np.full((d, d), rho) + (1 - rho) * np.eye(d)
    return Prior(link, np.linspace(-0.5, 1, d), np.linspace(0.5, 1.2, d), known)


def written(w: np.ndarray, products: np.ndarray, odd: np.ndarray, prior: Prior, *, anchored: bool) -> np.ndarray:
    """Return minus the log posterior of weights, (..., d), as it is written, but for a constant."""
    link = special.expit if prior.link == "sigmoid" else lambda v: np.log1p(np.exp(v))
    logits = np.einsum("tkd,...d->...tk", products, (link(w) / link(prior.mean)) ** 2)
    log_p = logits[..., np.arange(len(odd)), odd] - special.logsumexp(logits[..., 1:] if anchored else logits, axis=-1)
    known = np.eye(len(prior.mean)) if prior.correlation is None else prior.correlation
    apart, spread = w - prior.mean, np.outer(prior.sd, prior.sd) * known
    return -log_p.sum(-1) + (apart @ np.linalg.inv(spread) * apart).sum(-1) / 2


def asked(seed: int, prior: Prior, t: int, *, anchored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    products = questions(draw, embedding(draw, len(prior.mean)), t)
    return products, answered(draw, products, prior.masks(weights(draw, prior, 1)[0]), anchored=anchored)


def test_products_sum_to_similarities():
    draw = np.random.default_rng(0)
    x, items, mask = draw.random((9, 4)), draw.random((20, 9)).argsort(1)[:, :3], draw.random((1, 4))
    expected = similarities(x, items, masks=mask, rater=np.zeros(20, int))
    np.testing.assert_allclose(pair_products(x, items) @ mask[0] ** 2, expected)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("anchored", [False, True])
def test_gradient_and_hessian_agree_with_finite_differences(link, anchored):
    prior = correlated(link, 4)
    products, odd = asked(1, prior, 30, anchored=anchored)
    contrasts, at = contrasts_of(products, odd, prior, anchored=anchored), np.array([0.3, -0.8, 1.1, 0.1])
    gradient, hessian, information = _slopes(contrasts, prior, at)
    steps = 1e-5 * np.eye(4)
    slopes = [(_loss(contrasts, prior, at + h) - _loss(contrasts, prior, at - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
    bends = [(_slopes(contrasts, prior, at + h)[0] - _slopes(contrasts, prior, at - h)[0]) / 2e-5 for h in steps]
    np.testing.assert_allclose(hessian, bends, rtol=1e-6, atol=1e-6)
    assert np.linalg.eigvalsh(information)[0] >= 1


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("anchored", [False, True])
def test_the_likeliest_weights_agree_with_a_search(link, anchored):
    prior = correlated(link, 5)
    products, odd = asked(2, prior, 40, anchored=anchored)
    found = mask_posterior(products, odd, prior, anchored=anchored, seed=0, draws=10)

    def loss(w: np.ndarray) -> float:
        return written(w, products, odd, prior, anchored=anchored)

    peer = optimize.minimize(loss, prior.mean, method="BFGS", options={"gtol": 1e-5})
    assert loss(found.weights) <= peer.fun + 1e-9
    np.testing.assert_allclose(found.weights, peer.x, atol=1e-3)
    steps = 1e-4 * np.eye(5)
    at = found.weights
    bends = [[loss(at + g + h) - loss(at + g - h) - loss(at - g + h) + loss(at - g - h) for h in steps] for g in steps]
    np.testing.assert_allclose(found.covariance, np.linalg.inv(np.array(bends) / 4e-8), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("link", "t", "anchored"), [("sigmoid", 3, False), ("sigmoid", 40, True), ("softplus", 12, False)])
def test_the_posterior_agrees_with_integration_over_a_grid(link, t, anchored):
    prior = Prior(link, np.array([0.2, 0.8]), np.array([1.5, 0.8]), CORRELATION)
    products, odd = asked(3, prior, t, anchored=anchored)
    found = mask_posterior(products, odd, prior, anchored=anchored, seed=0, draws=4000)
    axes = [np.linspace(-6, 6, 97) * sd + mean for mean, sd in zip(prior.mean, prior.sd, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    loss = written(grid, products, odd, prior, anchored=anchored)
    p = np.exp(loss.min() - loss)
    p /= p.sum()
    np.testing.assert_allclose(found.draws.mean(0), p @ grid, atol=0.05)
    masks, ends = prior.masks(grid), found.interval(level=0.9)
    for d in range(2):
        order = np.argsort(masks[:, d])
        shares = np.interp([ends[0][d], ends[1][d]], masks[order, d], p[order].cumsum())
        np.testing.assert_allclose(shares, [0.05, 0.95], atol=0.012)
    fresh = questions(np.random.default_rng(9), embedding(np.random.default_rng(9), 2), 6)
    told = odd_probabilities(np.einsum("tkd,gd->gtk", fresh, masks**2).reshape(-1, 3), anchored=anchored)
    expected = np.tensordot(p, told.reshape(len(grid), *fresh.shape[:2]), 1)
    np.testing.assert_allclose(found.predict(fresh, anchored=anchored), expected, atol=0.01)


@pytest.mark.parametrize(("link", "sd", "anchored"), [("sigmoid", 1.5, False), ("softplus", 0.8, True)])
def test_intervals_cover_the_masks_of_simulated_annotators(link, sd, anchored):
    draw = np.random.default_rng(1)
    prior = Prior(link, np.full(8, 0.5), np.full(8, sd))
    x, hits, losses = embedding(draw, 8), [], []
    for seed, t in enumerate([5, 20, 60] * 28):
        mask = prior.masks(weights(draw, prior, 1)[0])
        products, fresh = questions(draw, x, t), questions(draw, x, 60)
        given = answered(draw, products, mask, anchored=anchored)
        found = mask_posterior(products, given, prior, anchored=anchored, seed=seed, draws=400)
        low, high = found.interval(level=0.9)
        hits.append((low <= mask) & (mask <= high))
        odd = answered(draw, fresh, mask, anchored=anchored)
        told = [found.predict(fresh, anchored=anchored)]
        told += [odd_probabilities(fresh @ m**2, anchored=anchored) for m in (found.mask, np.ones(8))]
        losses.append([-np.log(np.maximum(p[np.arange(60), odd], 1e-12)).mean() for p in told])
    assert 0.88 < np.mean(hits) < 0.92
    assert all(0.86 < np.mean(hits[i::3]) < 0.94 for i in range(3))
    averaged, plugged, typical = np.mean(losses, 0)
    assert averaged < plugged - 0.01
    assert averaged < typical - 0.05


def test_more_answers_come_nearer_and_no_answers_leave_the_prior():
    prior, draw = Prior("softplus", np.zeros(3), np.ones(3)), np.random.default_rng(5)
    mask, products = prior.masks(np.array([1.5, 0.0, -1.0])), questions(draw, embedding(draw, 3), 2000)
    odd = answered(draw, products, mask)
    nothing, some, many = (mask_posterior(products[:t], odd[:t], prior, seed=0) for t in (0, 50, 2000))
    np.testing.assert_allclose(nothing.weights, prior.mean)
    np.testing.assert_allclose(nothing.draws.std(0), 1, atol=0.1)
    np.testing.assert_allclose(many.mask, mask, rtol=0.15, atol=0.05)
    widths = [np.subtract(*one.interval(level=0.9)[::-1]) for one in (nothing, some, many)]
    assert (widths[2] < widths[1]).all()
    assert (widths[2] < widths[0] / 3).all()


def test_a_dimension_without_spread_stays_typical():
    prior = Prior("sigmoid", np.zeros(3), np.array([1.0, 0.0, 1.0]))
    products, odd = asked(6, Prior("sigmoid", np.zeros(3), np.ones(3)), 50)
    found = mask_posterior(products, odd, prior, seed=0)
    low, high = found.interval(level=0.9)
    assert (found.mask[1], low[1], high[1], found.covariance[1, 1]) == pytest.approx((1, 1, 1, 0))
    without = mask_posterior(products[..., [0, 2]], odd, Prior("sigmoid", np.zeros(2), np.ones(2)), seed=0)
    assert found.covariance[0, 0] != pytest.approx(without.covariance[0, 0], rel=1e-6)


def test_the_order_of_answers_and_of_faces_changes_nothing():
    prior = correlated("softplus", 4)
    products, odd = asked(7, prior, 30)
    turned = np.random.default_rng(0).permutation(30)
    found = mask_posterior(products, odd, prior, seed=0, draws=10)
    rows = mask_posterior(products[turned], odd[turned], prior, seed=0, draws=10)
    faces = mask_posterior(products[:, [2, 0, 1]], (odd + 1) % 3, prior, seed=0, draws=10)
    for other in (rows, faces):
        np.testing.assert_allclose(other.weights, found.weights, atol=1e-6)


@pytest.mark.parametrize("link", LINKS)
def test_weights_are_the_inverse_of_masks(link):
    prior, w = Prior(link, np.array([0.3, -1.0]), np.ones(2)), np.random.default_rng(0).normal(0, 2, (50, 2))
    np.testing.assert_allclose(prior.weights(prior.masks(w)), w, atol=1e-8)
    assert np.isfinite(prior.weights(np.array([[0.0, 1e6]]))).all()


def test_correlations_of_masks_are_those_of_their_weights_shrunk():
    draw, prior = np.random.default_rng(1), Prior("softplus", np.zeros(2), np.ones(2))
    w = draw.multivariate_normal(np.zeros(2), CORRELATION, 3000)
    assert prior.correlated(prior.masks(w)).correlation[0, 1] == pytest.approx(0.6, abs=0.04)
    few = prior.correlated(prior.masks(w[:1])).correlation
    np.testing.assert_allclose(np.abs(few), [[1, 0.25], [0.25, 1]])
    assert prior.correlated(np.empty((0, 2))) is prior
    same = prior.correlated(np.ones((5, 2)))
    np.testing.assert_array_equal(same.correlation, np.eye(2))
    np.testing.assert_allclose(shrunk_correlation(np.cov(w.T), 997), 0.997 * np.corrcoef(w.T) + 0.003 * np.eye(2))


def test_correlations_let_answers_along_one_dimension_tell_of_another():
    products = np.zeros((60, 3, 2))
    products[:, :, 0] = [4, 1, 0]
    odd, prior = np.zeros(60, int), Prior("softplus", np.zeros(2), np.ones(2), CORRELATION)
    found = mask_posterior(products, odd, prior, seed=0)
    alone = mask_posterior(products, odd, Prior("softplus", np.zeros(2), np.ones(2)), seed=0)
    assert alone.weights[1] == pytest.approx(0)
    assert found.weights[1] == pytest.approx(0.6 * found.weights[0])


FINE = {"link": "softplus", "mean": np.zeros(2), "sd": np.ones(2)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"link": "exp"}, "link sigmoid or softplus, got 'exp'"),
        ({"sd": np.ones(3)}, r"got \(2,\) and \(3,\)"),
        ({"sd": np.array([1, -1])}, "negative sd"),
        ({"mean": np.array([0, np.nan])}, "NaN"),
        ({"correlation": np.eye(3)}, "a correlation of 2 dimensions"),
        ({"correlation": np.ones((2, 2))}, "positive definite"),
    ],
)
def test_priors_that_cannot_be_are_refused(change, told):
    with pytest.raises(ValueError, match=told):
        Prior(**(FINE | change))


@pytest.mark.parametrize(
    ("products", "odd", "anchored", "told"),
    [
        (np.ones((2, 3, 4)), [0, 1], False, r"expected products \(2, 3, 2\)"),
        (np.full((2, 3, 2), np.nan), [0, 1], False, "NaN"),
        (np.ones((2, 3, 2)), [0, 3], False, "0, 1 or 2"),
        (np.ones((2, 3, 2)), [0, 1], True, "1 or 2, got"),
    ],
)
def test_answers_that_do_not_fit_are_refused(products, odd, anchored, told):
    with pytest.raises(ValueError, match=told):
        mask_posterior(products, np.array(odd), Prior(**FINE), anchored=anchored, seed=0)


def test_a_level_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match="level"):
        mask_posterior(np.ones((0, 3, 2)), np.array([], int), Prior(**FINE), seed=0).interval(level=90)
