"""Likelihoods with gradients in closed form: against finite differences, autograd, and the formulas of `stats.choice`."""

from itertools import combinations

import numpy as np
import pytest
import torch

from facevalue.stats.choice import odd_probabilities, ranking_log_likelihood, similarities
from facevalue.train.choice import FromTarget, OddOneOut, Rectified, pair_shares

N, D, B = 6, 3, 25


def drawn(k: int = 3, *, a: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64):
    """Return an embedding, squares of masks, k faces an answer, and whose it is; faces come again, within a batch."""
    draw = np.random.default_rng(seed)
    x = torch.tensor(draw.gamma(1, 1, (N, D)), dtype=dtype, requires_grad=True)
    squares = torch.tensor(draw.uniform(0.1, 2, (a, D)), dtype=dtype, requires_grad=True)
    items = torch.tensor(np.array([draw.permutation(N)[:k] for _ in range(B)]))
    return x, squares, items, torch.tensor(draw.integers(0, a, B)), draw


def padded(items: torch.Tensor, left: np.ndarray) -> torch.Tensor:
    """Return the items with -1 behind the first so many that can be chosen."""
    places = torch.arange(items.shape[1] - 1)
    none = places[None] >= torch.tensor(left)[:, None]
    return torch.cat([items[:, :1], items[:, 1:].masked_fill(none, -1)], 1)


def odd_written(x, squares, items, odd, rater):
    q = squares if len(squares) == 1 else squares[rater]
    a, b, c = (x[items[:, i]] for i in range(3))
    logits = torch.stack([(q * b * c).sum(1), (q * a * c).sum(1), (q * a * b).sum(1)], 1)
    return torch.nn.functional.cross_entropy(logits, odd, reduction="sum")


def target_written(x, squares, items, chosen, rater):
    """Return the sum, one answer after the other, over the faces that are there."""
    total = torch.zeros((), dtype=x.dtype)
    for (target, *others), choice, r in zip(items.tolist(), chosen.tolist(), rater.tolist(), strict=True):
        q = squares[0 if len(squares) == 1 else r]
        logits = torch.stack([(q * x[target] * x[j]).sum() for j in others if j >= 0])
        total = total - logits.log_softmax(0)[choice]
    return total


@pytest.mark.parametrize("a", [1, 4])
def test_gradients_of_the_odd_one_out_are_finite_differences(a):
    x, squares, items, rater, draw = drawn(a=a)
    odd = torch.tensor(draw.integers(0, 3, B))
    assert torch.autograd.gradcheck(OddOneOut.apply, (x, squares, items, odd, rater))


@pytest.mark.parametrize("a", [1, 4])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_gradients_of_choices_from_a_target_are_finite_differences(k, a):
    x, squares, items, rater, draw = drawn(1 + k, a=a)
    left = draw.integers(2, k + 1, B)
    items, chosen = padded(items, left), torch.tensor(draw.integers(0, left))
    assert torch.autograd.gradcheck(FromTarget.apply, (x, squares, items, chosen, rater))


@pytest.mark.parametrize("learns", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kind", ["odd", "target"])
def test_values_and_gradients_are_autograds_whichever_is_learnt(kind, learns):
    x, squares, items, rater, draw = drawn(3 if kind == "odd" else 5)
    left = draw.integers(2, 5, B)
    items = items if kind == "odd" else padded(items, left)
    chosen = torch.tensor(draw.integers(0, 3, B) if kind == "odd" else draw.integers(0, left))
    function, written = (OddOneOut, odd_written) if kind == "odd" else (FromTarget, target_written)
    x.requires_grad_(learns[0])
    squares.requires_grad_(learns[1])
    values = [of(x, squares, items, chosen, rater) for of in (function.apply, written)]
    torch.testing.assert_close(*values)
    learnt = [tensor for tensor in (x, squares) if tensor.requires_grad]
    torch.testing.assert_close(*(torch.autograd.grad(3 * value, learnt) for value in values))


def test_a_face_that_stands_twice_among_the_choices_gets_both_gradients():
    x, squares, _, _, _ = drawn()
    items, chosen, rater = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]]), torch.tensor([1, 0]), torch.tensor([0, 3])
    values = [of(x, squares, items, chosen, rater) for of in (FromTarget.apply, target_written)]
    torch.testing.assert_close(*(torch.autograd.grad(value, (x, squares)) for value in values))


@pytest.mark.parametrize("anchored", [False, True])
def test_the_loss_is_that_of_the_probabilities_in_numpy(anchored):
    x, squares, items, rater, draw = drawn(dtype=torch.float32)
    odd = draw.integers(anchored, 3, B)
    known = similarities(x.detach().numpy(), items.numpy(), masks=np.sqrt(squares.detach().numpy()), rater=rater.numpy())
    expected = -np.log(odd_probabilities(known, anchored=anchored)[np.arange(B), odd]).sum()
    if anchored:
        found = FromTarget.apply(x, squares, items, torch.tensor(2 - odd), rater)
    else:
        found = OddOneOut.apply(x, squares, items, torch.tensor(odd), rater)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_choices_of_a_ranking_one_after_the_other_are_its_likelihood_in_numpy():
    x, squares, items, rater, _ = drawn(5)
    faces, q = x.detach().numpy()[items], squares.detach().numpy()[rater]
    expected = -ranking_log_likelihood((q[:, None] * faces[:, :1] * faces[:, 1:]).sum(2)).sum()
    first, found = torch.zeros(B, dtype=torch.int64), 0.0
    for place in range(1, 4):
        left = padded(torch.cat([items[:, :1], items[:, place:]], 1), np.full(B, 5 - place))
        found += FromTarget.apply(x, squares, torch.cat([left, torch.full((B, 1), -1)], 1), first, rater).item()
    assert found == pytest.approx(expected, rel=1e-10)


def test_extreme_likeness_stays_finite():
    x, squares, items, rater, draw = drawn(dtype=torch.float32)
    far = (100 * x).detach().requires_grad_()
    for function, high in ((OddOneOut, 3), (FromTarget, 2)):
        loss = function.apply(far, squares, items, torch.tensor(draw.integers(0, high, B)), rater)
        assert bool(torch.isfinite(loss))
        assert all(bool(torch.isfinite(g).all()) for g in torch.autograd.grad(loss, (far, squares)))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_rectified_passes_a_share_of_the_gradient_down_where_it_raises_what_is_negative(share):
    x = torch.tensor([2.0, 2.0, -2.0, -2.0, 0.0, 0.0], requires_grad=True)
    found = Rectified.apply(x, share)
    assert found.tolist() == [2, 2, 0, 0, 0, 0]
    upstream = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    (slope,) = torch.autograd.grad(found, x, upstream)
    assert slope.tolist() == [1, -1, 0, -share, 0, -share]  # a step against it never lowers what is 0 already


def test_rectified_without_a_share_is_the_plain_one():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(Rectified.apply, (x, 0.0))


def shares_by_hand(x: np.ndarray) -> np.ndarray:
    """Return the mean over the third faces of the softmax over three pairs."""
    n, similarity = len(x), x @ x.T
    total = np.zeros((n, n))
    for i, j, k in combinations(range(n), 3):
        pairs = ((i, j), (i, k), (j, k))
        powers = np.array([np.exp(similarity[pair]) for pair in pairs])
        for (a, b), p in zip(pairs, powers / powers.sum(), strict=True):
            total[a, b] += p / (n - 2)
            total[b, a] += p / (n - 2)
    return total


def test_shares_of_pairs_are_those_of_all_triplets():
    x = drawn()[0].detach()
    found = pair_shares(x)
    np.testing.assert_allclose(found.numpy(), shares_by_hand(x.numpy()), rtol=1e-10)
    assert found.triu(1).sum().item() == pytest.approx(N * (N - 1) / 6)  # one pair of each triplet is kept


def test_gradients_of_shares_are_finite_differences():
    assert torch.autograd.gradcheck(pair_shares, (drawn()[0],))


def test_shares_of_faces_that_are_all_alike_or_far_apart_are_finite():
    assert pair_shares(torch.ones(4, 2)).triu(1).sum().item() == pytest.approx(2)
    x = torch.tensor([[20.0, 0.0], [20.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.5]], requires_grad=True)
    found = pair_shares(x)
    (slope,) = torch.autograd.grad(found.triu(1).clamp(min=1e-12).log().sum(), x)
    assert bool(torch.isfinite(found).all())
    assert bool(torch.isfinite(slope).all())
    assert found.triu(1).sum().item() == pytest.approx(10 / 3)
