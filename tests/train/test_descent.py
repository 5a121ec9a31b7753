"""The descent: it goes down, repeats with its seed, finds what was planted, and leaves alone what is frozen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from facevalue.data.errors import RunError
from facevalue.stats.choice import odd_probabilities, ranking_log_likelihood, similarities
from facevalue.train import descent
from facevalue.train.descent import MEANS, Settings, State, descend, embedded, posterior, squares, start
from facevalue.train.dimensions import matched
from facevalue.train.task import Part, Task

N, D, A = 20, 2, 12
SETTINGS = Settings(D, sparsity=1.0)
MIX = np.random.default_rng(8).normal(0, 0.9, (5, D))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(descent, "LEAST_STEPS", 300)


def planted(*, n: int = N, seed: int = 0) -> np.ndarray:
    """Return an embedding in which every other entry is 0."""
    draw = np.random.default_rng(seed)
    return np.where(draw.random((n, D)) < 0.5, draw.gamma(4, 0.5, (n, D)), 0)


def floats(values) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def shares_of(raters: int, masks: int | None = None) -> torch.Tensor:
    """Return which mask is whose: one for each rater, or none at all."""
    table = torch.eye(raters) if masks is None else torch.zeros(raters, masks)
    return table.to_sparse_coo()


def answered(
    x: np.ndarray, t: int, *, masks: np.ndarray | None = None, others: int = 0, seed: int = 0
) -> tuple[Part, np.ndarray]:
    """Return answers drawn by their probabilities, odd-one-out or from a target, and their probabilities."""
    draw = np.random.default_rng(seed)
    raters = 1 if masks is None else len(masks)
    items, rater = np.argsort(draw.random((t, len(x))), 1)[:, : others + 1 if others else 3], draw.integers(0, raters, t)
    if not others:
        known = similarities(x, items, masks=np.ones((1, x.shape[1])) if masks is None else masks, rater=rater)
    else:
        square = np.ones((1, x.shape[1])) if masks is None else masks**2
        known = (square[rater][:, None] * x[items[:, :1]] * x[items[:, 1:]]).sum(2)
    p = odd_probabilities(known)
    chosen = (p.cumsum(1) < draw.random((t, 1))).sum(1)
    return Part(others > 0, *(torch.from_numpy(v) for v in (items, chosen, rater))), p


def weights_and_masks(link: str, sd: float, *, a: int = A, d: int = D, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return what masks are made of, (a, d), and the masks."""
    w = np.random.default_rng(seed).normal(0, sd, (a, d))
    made = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "softplus": lambda v: np.log1p(np.exp(v))}[link]
    return w, made(MEANS[link] + w) / made(np.array(MEANS[link]))


@pytest.fixture
def task() -> Task:
    return Task([answered(planted(), 2500)[0]], N, shares_of(1, 0))


def minus_log_posterior(part: Part, x: np.ndarray, masks: np.ndarray, w: np.ndarray, sd: np.ndarray, sparsity: float) -> float:
    """Return what the descent makes small, as it is written."""
    items, chosen, rater = part.items.numpy(), part.chosen.numpy(), part.rater.numpy()
    if part.from_target:
        known = (masks[rater][:, None] ** 2 * x[items[:, :1]] * x[items[:, 1:]]).sum(2)
    else:
        known = similarities(x, items, masks=masks, rater=rater)
    p = odd_probabilities(known)[np.arange(len(items)), chosen]
    return -np.log(p).sum() + sparsity * x.sum() + (w**2 / sd**2).sum() / 2


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize("link", ["sigmoid", "softplus"])
def test_the_posterior_is_the_one_that_is_written(link, others, monkeypatch):
    monkeypatch.setattr(descent, "BLOCK", 130)
    w, masks = weights_and_masks(link, 0.7)
    x, sd = planted(seed=2), np.array([0.5, 2.0])
    part = answered(x, 400, masks=masks, others=others)[0]
    settings = replace(SETTINGS, link=link, sparsity=3.0)
    state = State(floats(x), None, None, floats(w), floats(sd), torch.eye(2))
    given = Task([part], N, shares_of(A))
    assert posterior(given, settings, state) == pytest.approx(minus_log_posterior(part, x, masks, w, sd, 3.0), rel=1e-5)
    np.testing.assert_allclose(squares(given, settings, state), masks**2, rtol=1e-5)


def test_batches_together_weigh_as_the_whole(task, monkeypatch):
    other = answered(planted(), 700, others=4, seed=3)[0]
    both, settings = replace(task, parts=[*task.parts, other]), replace(SETTINGS, batch=300)
    state = start(both, settings, seed=0)
    sums = 0.0
    batches = list(descent._batches(both, settings, 9 + 3, np.random.default_rng(0)))
    for part, rows in batches:
        loss = descent._loss(both, settings, state, part, rows)
        prior = descent._prior(both, settings, state, part, rows, sparsity=settings.sparsity, share=len(rows) / 3200)
        sums += (loss + prior).item()
    assert sums == pytest.approx(posterior(both, settings, state), rel=1e-5)
    for part in both.parts:
        seen = np.concatenate([rows.numpy() for one, rows in batches if one is part])
        np.testing.assert_array_equal(np.sort(seen), np.arange(len(part.items)))


def test_a_batch_of_few_faces_gets_its_share_of_the_priors_of_a_head():
    vectors, x = linear_faces(0, 40)
    given, settings = headed(vectors, answered(x, 3000)[0]), replace(SETTINGS, batch=6, sparsity=2.0)
    state, found = start(given, settings, seed=0), 0.0
    for part, rows in descent._batches(given, settings, 500, np.random.default_rng(0)):
        found += descent._prior(given, settings, state, part, rows, sparsity=2.0, share=len(rows) / 3000).item()
    table, ridge = state.table(given), (state.weights**2).sum().item() / 2
    assert found == pytest.approx(2 * table.sum().item() + ridge, rel=0.03)


def test_a_descent_ends_below_where_it_began_and_below_what_was_planted(task):
    state = start(task, SETTINGS, seed=0)
    before = posterior(task, SETTINGS, state)
    found = descend(task, SETTINGS, state, seed=0)
    truth = replace(start(task, SETTINGS, seed=0), x=floats(planted()))
    assert found is state
    assert found.loss == pytest.approx(posterior(task, SETTINGS, found))
    assert found.loss < posterior(task, SETTINGS, truth) < before
    assert found.losses[-1] < found.losses[0]
    assert not found.x.requires_grad


def test_the_end_is_a_minimum_no_small_step_leaves(task):
    found = descend(task, SETTINGS, start(task, SETTINGS, seed=0), seed=0)
    x, draw = found.x.clone(), torch.Generator().manual_seed(0)
    for _ in range(20):
        moved = replace(found, x=(x + 0.05 * torch.randn(x.shape, generator=draw)).clamp(min=0))
        assert posterior(task, SETTINGS, moved) > found.loss


def test_the_same_seed_gives_the_same_numbers_and_another_the_same_dimensions(task):
    one, same, other = (descend(task, SETTINGS, start(task, SETTINGS, seed=s), seed=s) for s in (0, 0, 1))
    assert torch.equal(one.x, same.x)
    assert one.losses == same.losses
    assert not torch.equal(one.x, other.x)
    match = matched(one.x.numpy(), other.x.numpy())
    assert (match.r > 0.995).all()
    assert one.loss == pytest.approx(other.loss, rel=1e-3)
    assert (matched(planted(), one.x.numpy()).r > 0.97).all()


@pytest.mark.parametrize("link", ["sigmoid", "softplus"])
def test_planted_spreads_are_found(link):
    sd = np.array([0.9, 0.2])
    w, masks = weights_and_masks(link, sd, a=60)
    x = planted()
    given, settings = Task([answered(x, 20_000, masks=masks)[0]], N, shares_of(60)), replace(SETTINGS, link=link)
    state = replace(start(given, settings, seed=0), x=floats(x))
    found = descend(given, settings, state, seed=0, frozen=True)
    truth = w.std(0)
    np.testing.assert_allclose(found.spread.numpy(), truth, rtol=0.3, atol=0.1)
    assert found.spread[0] > 2 * found.spread[1]
    r = [np.corrcoef(w[:, d], found.masks[:, d].numpy())[0, 1] for d in range(D)]
    assert r[0] > 0.85
    assert found.masks.std(0)[1] < 0.8 * truth[1] + 0.1  # shrunk to the typical one where little is told


def test_raters_who_do_not_differ_get_one_mask():
    given = Task([answered(planted(), 6000, masks=np.ones((A, D)))[0]], N, shares_of(A))
    found = descend(given, SETTINGS, start(given, SETTINGS, seed=0), seed=0)
    assert float(found.masks.std(0).max()) < 0.15
    assert float(found.spread.max()) < 0.6  # from 1; the last steps of EM towards 0 are slow


def test_a_step_of_em_is_that_of_a_normal_posterior():
    """With information F of each mask, `C = mean(w w' + inv(C^-1 + F))`; F by the outer products of scores."""
    w, masks = weights_and_masks("sigmoid", 0.6, a=3)
    x = planted()
    part = answered(x, 60, masks=masks)[0]
    given = Task([part], N, shares_of(3))
    state = State(floats(x), None, None, floats(w), floats([0.7, 1.1]), torch.eye(2))
    told = np.zeros((3, D, D))
    for items, r in zip(part.items.numpy(), part.rater.tolist(), strict=True):
        for odd in range(3):
            weight = torch.tensor(w[r], requires_grad=True)
            q = (torch.sigmoid(weight) / 0.5) ** 2
            faces = torch.tensor(x[items])
            logits = torch.stack([(q * faces[i] * faces[j]).sum() for i, j in ((1, 2), (0, 2), (0, 1))])
            log_p = logits.log_softmax(0)[odd]
            (score,) = torch.autograd.grad(log_p, weight)
            told[r] += log_p.exp().item() * np.outer(score, score)
    posterior_covariance = np.linalg.inv(np.diag(1 / np.array([0.7, 1.1]) ** 2) + told)
    expected = (w[:, :, None] * w[:, None] + posterior_covariance).mean(0)
    spread, correlation = descent._population(given, SETTINGS, state)
    np.testing.assert_allclose(spread, np.sqrt(expected.diagonal()), rtol=1e-4)
    together = expected[0, 1] / np.sqrt(expected[0, 0] * expected[1, 1])
    np.testing.assert_allclose(
        correlation, [[1, together / 2], [together / 2, 1]], rtol=1e-3
    )  # three annotators, and three more


def test_masks_that_go_together_are_less_surprising_together():
    """The prior of the masks is normal: `w' C^-1 w / 2`."""
    together, spread = np.array([[1.0, 1.0], [-1.0, -1.0], [0.5, 0.5], [-0.5, -0.5]]), np.array([0.8, 0.7])
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    state = State(torch.zeros(N, D), None, None, floats(together), floats(spread), floats(correlation))
    given = Task([], N, shares_of(4))
    expected = sum(w @ np.linalg.solve(np.outer(spread, spread) * correlation, w) for w in together) / 2
    assert posterior(given, SETTINGS, state) == pytest.approx(expected, rel=1e-4)
    state.masks = floats(together * [1, -1])
    assert posterior(given, SETTINGS, state) > expected


def test_a_frozen_embedding_is_the_same_to_the_byte():
    _, masks = weights_and_masks("sigmoid", 0.8)
    given = Task([answered(planted(), 3000, masks=masks)[0]], N, shares_of(A))
    state = replace(start(given, SETTINGS, seed=0), x=floats(planted()))
    before, loss = state.x.numpy().tobytes(), posterior(given, SETTINGS, state)
    found = descend(given, SETTINGS, state, seed=0, frozen=True)
    assert found.x.numpy().tobytes() == before
    assert found.loss < loss
    assert bool((found.masks != 0).all())


def test_a_frozen_head_is_the_same_to_the_byte():
    _, masks = weights_and_masks("sigmoid", 0.8)
    vectors = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    given = Task([answered(planted(), 1000, masks=masks)[0]], N, shares_of(A), vectors)
    state = start(given, SETTINGS, seed=0)
    before = [tensor.numpy().tobytes() for tensor in (state.weights, state.bias)]
    found = descend(given, SETTINGS, state, seed=0, frozen=True)
    assert [tensor.numpy().tobytes() for tensor in (found.weights, found.bias)] == before
    assert bool((found.masks != 0).any())


def test_a_late_beginning_settles_and_takes_fewer_steps(task, monkeypatch):
    seen, paces, pace = [], [], descent._pace
    monkeypatch.setattr(descent, "_pace", lambda done: paces.append(done) or pace(done))
    found = descend(task, SETTINGS, start(task, SETTINGS, seed=0), seed=0, progress=lambda *at: seen.append(at))
    loss, x = found.loss, found.x.clone()
    again = descend(task, SETTINGS, found, seed=5, since=0.75, progress=lambda *at: seen.append(at))
    assert seen[-1] == (75, 75)
    assert (300, 300) in seen
    assert (paces[0], paces[300]) == (0, 0.75)
    assert max(paces) < 1
    assert again.loss == pytest.approx(loss, rel=1e-3)
    assert (matched(x.numpy(), again.x.numpy()).r > 0.999).all()


def test_what_is_kept_is_a_copy_of_these_dimensions(task):
    masks = torch.arange(A * 3.0).reshape(A, 3)
    state = State(torch.rand(N, 3), None, None, masks, torch.tensor([1.0, 2.0, 3.0]), torch.arange(9.0).reshape(3, 3), 5.0)
    kept = state.keep(torch.tensor([2, 0]))
    assert torch.equal(kept.x, state.x[:, [2, 0]])
    assert torch.equal(kept.masks, masks[:, [2, 0]])
    assert kept.spread.tolist() == [3, 1]
    assert kept.correlation.tolist() == [[8, 6], [2, 0]]
    assert np.isnan(kept.loss)
    kept.x += 1
    assert not torch.equal(kept.x, state.x[:, [2, 0]])
    head = State(None, torch.rand(4, 3), torch.tensor([1.0, 2.0, 3.0]), masks, torch.ones(3), torch.eye(3)).keep(
        torch.tensor([1])
    )
    assert (head.weights.shape, head.bias.tolist()) == ((4, 1), [2.0])


def linear_faces(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of faces and the dimensions that are linear in them, but for the rectifying."""
    vectors = np.random.default_rng(seed).normal(size=(n, 5))
    return vectors, np.maximum(vectors @ MIX + 0.3, 0)


@pytest.mark.parametrize("sparsity", [0.0, 1.0])
def test_a_head_finds_linear_dimensions_and_places_new_faces(sparsity):
    (vectors, x), (new, truth) = linear_faces(0), linear_faces(1)
    given, settings = headed(vectors, answered(x, 6000)[0]), replace(SETTINGS, sparsity=sparsity)
    found = descend(given, settings, start(given, settings, seed=0), seed=0)
    planted_head = State(None, floats(MIX), floats([0.3, 0.3]), torch.zeros(0, D), torch.ones(D), torch.eye(D))
    assert found.loss < posterior(given, settings, planted_head)  # it ends at a minimum of what it makes small
    assert (matched(x, found.table(given).numpy()).r > 0.99).all()
    placed = found.table(headed(new)).numpy()
    assert (matched(truth, placed).r > 0.99).all()
    part, p = answered(truth, 3000, seed=2)
    hits = similarities(placed, part.items.numpy()).argmax(1) == part.chosen.numpy()
    assert hits.mean() > 0.95 * p.max(1).mean() > 0.5


def headed(vectors: np.ndarray, *parts: Part) -> Task:
    return Task(parts, len(vectors), shares_of(1, 0), floats(vectors))


def test_a_head_embeds_some_faces_as_it_embeds_all():
    vectors, x = linear_faces(0)
    given = headed(vectors, answered(x, 100)[0])
    state, some = start(given, SETTINGS, seed=0), torch.tensor([5, 0, 17])
    torch.testing.assert_close(embedded(state, given, some), embedded(state, given, None)[some])
    assert bool((state.table(given) >= 0).all())


def ranked(x: np.ndarray, t: int, k: int, *, seed: int = 0) -> np.ndarray:
    """Return targets and k faces from the most to the least alike, drawn as Plackett and Luce say."""
    draw = np.random.default_rng(seed)
    items = np.argsort(draw.random((t, len(x))), 1)[:, : k + 1]
    utility = (x[items[:, :1]] * x[items[:, 1:]]).sum(2) + draw.gumbel(size=(t, k))
    return np.hstack([items[:, :1], np.take_along_axis(items[:, 1:], np.argsort(-utility, 1), 1)])


@pytest.mark.parametrize("headed", [False, True])
def test_padded_rankings_are_plackett_and_luce(headed):
    x, k = planted(), 4
    items = ranked(x, 1500, k)
    rows = [np.hstack([items[:, :1], items[:, 1 + s :], np.full((len(items), s), -1)]) for s in range(k - 1)]
    none = torch.zeros(len(items) * (k - 1), dtype=torch.int64)
    vectors = torch.eye(N) if headed else None  # a layer on one place a face is a table
    given = Task([Part(True, torch.tensor(np.vstack(rows)), none, none)], N, shares_of(1, 0), vectors)
    settings = replace(SETTINGS, sparsity=0.0, ridge=0.0)
    state = start(given, settings, seed=0)
    now = state.table(given).numpy().astype(np.float64)
    expected = -ranking_log_likelihood((now[items[:, :1]] * now[items[:, 1:]]).sum(2)).sum()
    assert posterior(given, settings, state) == pytest.approx(expected, rel=1e-5)
    settings = SETTINGS
    found = descend(given, settings, start(given, settings, seed=0), seed=0)
    assert (matched(x, found.table(given).numpy()).r > 0.95).all()


def test_counts_of_pairs_give_the_embedding_back():
    x = planted(seed=4)
    shares = descent.pair_shares(torch.tensor(x))
    given = Task((), N, shares_of(1, 0), None, (500 * shares).float())
    found = descend(given, SETTINGS, start(given, SETTINGS, seed=0), seed=0)
    assert (matched(x, found.x.numpy()).r > 0.98).all()
    np.testing.assert_allclose(descent.pair_shares(found.x).numpy(), shares.numpy(), atol=0.05)


def test_a_fit_that_diverges_says_so(task):
    settings = replace(SETTINGS, rate=1e25)
    with pytest.raises(RunError, match=r"^the fit diverged at step \d+ of 300: choose a lower rate than 1e\+25$"):
        descend(task, settings, start(task, settings, seed=0), seed=0)


def test_steps_go_up_stay_and_come_down():
    pace = [descent._pace(done) for done in np.linspace(0, 1, 101)]
    assert pace[0] == pytest.approx(0.1)
    assert pace[10:60] == [1.0] * 50
    assert (np.diff(pace[61:]) < 0).all()
    assert 0 < pace[-1] < 0.01
    ramp = [descent._ramp(done) for done in np.linspace(0, 1, 101)]
    assert ramp[0] == pytest.approx(0.1)
    assert ramp[50:] == [1.0] * 51
