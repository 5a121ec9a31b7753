"""Losses against torch's own and scipy's formulas."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.nn import functional

from facevalue.train.losses import age_shares, cross_entropy, expected_age, smoothed

DRAW = np.random.default_rng(1)
LOGITS = DRAW.normal(0, 2, (50, 5)).astype(np.float32)
SHARES = DRAW.dirichlet(np.ones(5), 50).astype(np.float32)
LABELS = DRAW.integers(0, 5, 50)


def test_cross_entropy_is_that_of_shares() -> None:
    value = float(cross_entropy(torch.tensor(LOGITS), torch.tensor(SHARES)))
    by_torch = float(functional.cross_entropy(torch.tensor(LOGITS), torch.tensor(SHARES)))
    by_scipy = -(SHARES * special.log_softmax(LOGITS, axis=1)).sum(1).mean()
    assert value == pytest.approx(by_torch, rel=1e-5)
    assert value == pytest.approx(by_scipy, rel=1e-5)


def test_cross_entropy_is_least_at_the_shares_themselves_and_then_their_entropy() -> None:
    logits = torch.tensor(np.log(SHARES), requires_grad=True)
    value = cross_entropy(logits, torch.tensor(SHARES))
    value.backward()
    assert value.item() == pytest.approx(stats.entropy(SHARES, axis=1).mean(), rel=1e-5)
    assert logits.grad.abs().max() < 1e-7


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.3])
def test_smoothed_labels_are_torch_s_label_smoothing(smoothing: float) -> None:
    labels = torch.tensor(LABELS)
    value = cross_entropy(torch.tensor(LOGITS), smoothed(labels, 5, smoothing=smoothing))
    expected = functional.cross_entropy(torch.tensor(LOGITS), labels, label_smoothing=smoothing)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("spread", [0.5, 2.5, 10])
def test_ages_are_spread_like_a_normal_density_cut_to_the_range(spread: float) -> None:
    years = np.array([0, 1, 37, 50.5, 100, 116], np.float32)
    density = stats.norm.pdf(np.arange(101), np.minimum(years, 100)[:, None], spread)
    shares = age_shares(torch.tensor(years), 101, spread=spread).numpy()
    assert shares == pytest.approx(density / density.sum(1, keepdims=True), abs=1e-6)


def test_the_expected_age_is_the_mean_of_the_distribution() -> None:
    assert expected_age(torch.tensor(LOGITS)).numpy() == pytest.approx(special.softmax(LOGITS, axis=1) @ np.arange(5), rel=1e-5)
    shares = age_shares(torch.tensor([20.0, 47.0, 80.0]), 101, spread=2.5)
    assert expected_age(torch.log(shares + 1e-30)).numpy() == pytest.approx([20, 47, 80], abs=1e-3)
