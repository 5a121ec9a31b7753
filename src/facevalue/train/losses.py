"""Losses: cross-entropy to distributions, and to ages spread over their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Return the mean of `-sum q log p` for logits (n, k) and target shares q (n, k)."""
    return -(shares * functional.log_softmax(logits, dim=1)).sum(1).mean()


def smoothed(labels: Tensor, k: int, *, smoothing: float) -> Tensor:
    """Return (n, k) targets: `1 - smoothing` on the label, the rest spread over all k.

    References
    ----------
    Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, CVPR 2016, section 7.
    """
    return functional.one_hot(labels, k) * (1 - smoothing) + smoothing / k


def age_shares(years: Tensor, k: int, *, spread: float) -> Tensor:
    """Return (n, k) targets over the ages 0 to k - 1: a normal density around each age, cut to the range.

    References
    ----------
    Gao, Xing, Xie, Wu, Geng: Deep Label Distribution Learning with Label Ambiguity, IEEE TIP 2017, eq. 3.
    """
    ages = torch.arange(k, device=years.device)
    return torch.softmax(-0.5 * ((ages - years[:, None].clamp(max=k - 1)) / spread) ** 2, dim=1)


def expected_age(logits: Tensor) -> Tensor:
    """Return the mean of the distributions over the ages 0 to k - 1, (n,) years."""
    ages = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32)
    return torch.softmax(logits, dim=1) @ ages
