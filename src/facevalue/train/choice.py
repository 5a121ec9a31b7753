"""The likelihoods of `facevalue.stats.choice` with their gradients in closed form, for tables of many faces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# pairs less alike than the most alike one by more than this are taken to be equally so: float32 knows no smaller number
LEAST_POWER = -80.0


class _ClosedForm(torch.autograd.Function):
    """A loss whose forward pass finds the gradients too."""

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradients that the forward pass found."""
        grad_x, grad_q = ctx.saved_tensors
        return upstream * grad_x, upstream * grad_q if ctx.needs_input_grad[1] else None, None, None, None


class OddOneOut(_ClosedForm):
    """Sum of `-log P(odd)` over odd-one-out answers, `P = softmax(s_12, s_02, s_01)`, `s_ij = sum_d q_d x_id x_jd`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, squares: Tensor, items: Tensor, odd: Tensor, rater: Tensor) -> Tensor:
        """Return the sum, a number.

        Parameters
        ----------
        ctx
            Keeps the gradients.
        x : (n, d)
            Non-negative.
        squares : (a, d)
            Squares of the masks; of one row where all answers share it.
        items : (b, 3) int
        odd : (b,) int
        rater : (b,) int
            Rows of `squares`.
        """
        a, b, c = (x[items[:, i]] for i in range(3))
        q = squares if len(squares) == 1 else squares[rater]
        qa, qb = q * a, q * b
        logits = torch.stack([(qb * c).sum(1), (qa * c).sum(1), (qa * b).sum(1)], 1)
        loss, g = _loss_and_slope(logits, odd)
        g0, g1, g2 = g[:, :1], g[:, 1:2], g[:, 2:]
        grad_x = torch.zeros_like(x)
        grad_x.index_add_(0, items[:, 0], q * (g1 * c + g2 * b))
        grad_x.index_add_(0, items[:, 1], q * (g0 * c) + g2 * qa)
        grad_x.index_add_(0, items[:, 2], g0 * qb + g1 * qa)
        grad_q = _spread((g0 * b + g1 * a) * c + (g2 * a) * b, squares, rater) if ctx.needs_input_grad[1] else squares
        ctx.save_for_backward(grad_x, grad_q)
        return loss


class FromTarget(_ClosedForm):
    """Sum of `-log P(chosen)` over choices among faces by likeness to a target, `P = softmax_j(s_target,j)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, squares: Tensor, items: Tensor, chosen: Tensor, rater: Tensor) -> Tensor:
        """Return the sum, a number.

        Parameters
        ----------
        ctx
            Keeps the gradients.
        x : (n, d)
            Non-negative.
        squares : (a, d)
            Squares of the masks; of one row where all answers share it.
        items : (b, 1 + k) int
            The target, then those to choose among; -1 where there is none.
        chosen : (b,) int
            In 0 to k - 1.
        rater : (b,) int
            Rows of `squares`.
        """
        target, others = x[items[:, 0]], x[items[:, 1:].clamp(min=0)]
        q = squares if len(squares) == 1 else squares[rater]
        weighted = q * target
        logits = (weighted[:, None] * others).sum(2).masked_fill(items[:, 1:] < 0, -torch.inf)
        loss, g = _loss_and_slope(logits, chosen)
        pull = (g[:, :, None] * others).sum(1)
        grad_x = torch.zeros_like(x)
        grad_x.index_add_(0, items[:, 0], q * pull)
        for j in range(others.shape[1]):
            grad_x.index_add_(0, items[:, 1 + j].clamp(min=0), g[:, j : j + 1] * weighted)
        grad_q = _spread(target * pull, squares, rater) if ctx.needs_input_grad[1] else squares
        ctx.save_for_backward(grad_x, grad_q)
        return loss


def _loss_and_slope(logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of `-log softmax` at what was chosen, and its slope by the logits, (b, k)."""
    logs = logits.log_softmax(1)
    slope = logs.exp()
    slope[torch.arange(len(chosen), device=chosen.device), chosen] -= 1
    return -logs.gather(1, chosen[:, None]).sum(), slope


def _spread(values: Tensor, squares: Tensor, rater: Tensor) -> Tensor:
    """Return the sums of rows by rater, shaped as the squares."""
    if len(squares) == 1:
        return values.sum(0, keepdim=True)
    return torch.zeros_like(squares).index_add_(0, rater, values)


class Rectified(torch.autograd.Function):
    """`max(x, 0)`; a share of the gradient that would raise a negative x reaches it: no dimension of a face dies early.

    With any such share the gradient is not that of the loss, and where it is 0 lies no minimum: let the share end at 0.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        """Return the positive part; `share`, in [0, 1], is for the gradient."""
        ctx.save_for_backward(x > 0)
        ctx.share = share
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """Return the gradient."""
        (positive,) = ctx.saved_tensors
        return torch.where(positive, upstream, ctx.share * upstream.clamp(max=0)), None


def pair_shares(x: Tensor) -> Tensor:
    """Return how often each pair is kept over all third faces: `q_ij = mean_k P(ij kept | i, j, k)`, (n, n); 0 on the diagonal.

    Parameters
    ----------
    x : (n, d)
        Non-negative; of a few hundred faces, as all n^3 triplets are looked at.
    """
    n = len(x)
    own = torch.eye(n, dtype=torch.bool, device=x.device)
    similarity = x @ x.T
    highest = similarity.detach().masked_fill(own, -torch.inf).max()
    powers = (similarity - highest).clamp(LEAST_POWER, 0).exp().masked_fill(own, 0)
    total = powers[:, :, None] + powers[:, None, :] + powers[None]
    kept = (powers[:, :, None] / total).masked_fill(own[:, None] | own[None], 0)
    shares: Tensor = kept.sum(2) / (n - 2)
    return shares
