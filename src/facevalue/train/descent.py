"""The most probable embedding and masks: Adam over batches of answers, with priors whose spread the data set.

`-log P(answers) + sparsity sum x + sum w' C^-1 w / 2` is made small: an exponential prior on the non-negative embedding x, and
a normal one on how far each mask w is from the population's, whose covariance C is found on the way. The sparsity rises in the
first half, so that dimensions form before the prior prunes them; large steps at first keep one dimension from being split
into two. In that half a head also gets gradients where a face is at 0 and should not be, fewer and fewer; then those of the
loss alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from facevalue.data.errors import RunError
from facevalue.stats.mask import shrunk_correlation
from facevalue.train.choice import FromTarget, OddOneOut, Rectified, pair_shares
from facevalue.train.task import Part, Task

LINKS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": torch.sigmoid, "softplus": torch.nn.functional.softplus}
# where both links have room on both sides: sigmoid 1/2, softplus 1
MEANS = {"sigmoid": 0.0, "softplus": math.log(math.e - 1)}
WARM_UP, PLATEAU, RAMP, FIRST, EASED = 0.05, 0.6, 0.5, 0.1, 0.2
LEAST_STEPS = 1200
SPREADS = 12
SMALLEST_SPREAD = 0.03
BLOCK, FEWER = 32_768, 4096
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is sought.

    Parameters
    ----------
    dimensions
        d, at first.
    link
        "sigmoid" or "softplus".
    sparsity
        Rate of the exponential prior on each entry of the embedding.
    ridge
        Rate of the normal prior on the weights of a head.
    epochs, batch, rate
        Passes over the answers, at least; answers a step; the largest step.
    """

    dimensions: int
    link: str = "sigmoid"
    sparsity: float = 6.0
    ridge: float = 1.0
    epochs: int = 30
    batch: int = 8192
    rate: float = 0.1


@dataclass(slots=True)
class State:
    """Where the search is.

    Parameters
    ----------
    x : (n, d) or None
        The table, where there is no head.
    weights : (k, d), bias : (d,), or None
        The head.
    masks : (l, d)
        How far each is from the population's mean, before the link.
    spread : (d,)
        The sd of these in the population.
    correlation : (d, d)
        How they go together in it.
    loss
        What was made small, at the end.
    losses
        Of an answer, on the way.
    revived
        The share of the gradient that reaches a negative output of the head and would raise it; see `Rectified`.
    """

    x: Tensor | None
    weights: Tensor | None
    bias: Tensor | None
    masks: Tensor
    spread: Tensor
    correlation: Tensor
    loss: float = math.nan
    losses: list[float] = field(default_factory=list)
    revived: float = 0.0

    def keep(self, dimensions: Tensor) -> State:
        """Return a copy with only some of the dimensions, in that order."""
        x, weights, bias = (
            None if t is None else t.detach()[..., dimensions].clone() for t in (self.x, self.weights, self.bias)
        )
        masks, correlation = self.masks.detach()[:, dimensions].clone(), self.correlation[dimensions][:, dimensions]
        return State(x, weights, bias, masks, self.spread[dimensions].clone(), correlation)

    @property
    def precision(self) -> Tensor:
        """The inverse of the covariance of the masks in the population, (d, d)."""
        inverse: Tensor = torch.linalg.inv(self.correlation * self.spread[:, None] * self.spread)
        return inverse

    def table(self, task: Task) -> Tensor:
        """Return the embedding of all faces, (n, d)."""
        with torch.no_grad():
            return embedded(self, task, None)


def start(task: Task, settings: Settings, *, seed: int) -> State:
    """Return small positive embeddings drawn by the seed, and masks at the population's mean."""
    draw, d, where = torch.Generator().manual_seed(seed), settings.dimensions, task.shares.device
    masks = torch.zeros(task.shares.shape[1], d, device=where)
    population = torch.ones(d, device=where), torch.eye(d, device=where)
    if task.vectors is None:
        x = 0.05 + 0.4 * torch.rand(task.n, d, generator=draw)
        return State(x.to(where), None, None, masks, *population)
    k = task.vectors.shape[1]
    weights = 0.2 * torch.randn(k, d, generator=draw) / math.sqrt(k)
    return State(None, weights.to(where), torch.full((d,), 0.25, device=where), masks, *population)


def descend(
    task: Task,
    settings: Settings,
    state: State,
    *,
    seed: int,
    frozen: bool = False,
    since: float = 0.0,
    progress: Progress = lambda done, total: None,
) -> State:
    """Change the state in place until the posterior is at its top, and return it.

    Parameters
    ----------
    task, settings
        See there.
    state
        From `start`, or from an earlier descent.
    seed
        Of the order of the answers.
    frozen
        Leave the embedding as it is, and fit the masks alone.
    since
        Where in the course of a descent to begin, in [0, 1): 0 for a fresh start, later for one that is to be settled.
    progress
        Called with steps done and steps in all.

    Raises
    ------
    RunError
        The loss is no longer a number.
    """
    steps, learnt = math.ceil((1 - since) * _steps(task, settings)), _learnt(task, state, frozen=frozen)
    optimizer = torch.optim.Adam(learnt, lr=settings.rate, betas=(0.9, 0.98), fused=True)
    total = max(sum(len(part.items) for part in task.parts), 1)
    every = max(steps // SPREADS, 1)
    recent = 0.0
    for step, (part, rows) in enumerate(_batches(task, settings, steps, np.random.default_rng(seed))):
        done = since + (1 - since) * step / steps
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * _pace(done) * (_eased(step / steps) if since else 1.0)
        state.revived = max(0.0, 1 - done / RAMP)
        share = len(rows) / total if part is not None else 1.0
        loss = _loss(task, settings, state, part, rows)
        prior = _prior(task, settings, state, part, rows, sparsity=settings.sparsity * _ramp(done), share=share)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + prior)
        optimizer.step()
        if state.x is not None and not frozen:
            state.x.data.clamp_(min=0)
        if state.masks.numel() and step and (step % every == 0 or step + 1 == steps):
            state.spread, state.correlation = _population(task, settings, state)
        recent = loss.item() / len(rows) if part is not None else loss.item()
        if not math.isfinite(recent):
            raise RunError(f"the fit diverged at step {step + 1} of {steps}: choose a lower rate than {settings.rate:g}")
        if step % 20 == 0 or step + 1 == steps:
            state.losses.append(recent)
            progress(step + 1, steps)
    for tensor in learnt:
        tensor.requires_grad_(False)
    state.revived = 0.0
    state.loss = posterior(task, settings, state)
    return state


def embedded(state: State, task: Task, faces: Tensor | None) -> Tensor:
    """Return the embedding of all faces or of some, non-negative."""
    if state.x is not None:
        return state.x if faces is None else state.x[faces]
    assert task.vectors is not None
    assert state.weights is not None
    assert state.bias is not None
    given = task.vectors if faces is None else task.vectors[faces]
    positive: Tensor = Rectified.apply(given @ state.weights + state.bias, state.revived)  # type: ignore[no-untyped-call]
    return positive


def squares(task: Task, settings: Settings, state: State) -> Tensor:
    """Return the square of each rater's mask, (r, d): `(link(mean + w) / link(mean))^2`; a row of ones without masks."""
    if not state.masks.numel():
        return torch.ones(1, state.masks.shape[1], device=state.masks.device)
    link, mean = LINKS[settings.link], torch.tensor(MEANS[settings.link], device=state.masks.device)
    return (link(mean + torch.sparse.mm(task.shares, state.masks)) / link(mean)) ** 2


def posterior(task: Task, settings: Settings, state: State) -> float:
    """Return minus the log of the posterior, up to a constant, over all answers."""
    none = torch.empty(0, dtype=torch.int64)
    with torch.no_grad():
        parts = [float(_loss(task, settings, state, part, rows)) for part in task.parts for rows in _blocks(part)]
        parts += [] if task.counts is None else [float(_loss(task, settings, state, None, none))]
        return sum(parts) + float(_prior(task, settings, state, None, none, sparsity=settings.sparsity, share=1.0))


def _blocks(part: Part, most: int | None = None) -> list[Tensor]:
    """Return the rows of a part in blocks that fit the memory."""
    size = most or BLOCK
    starts = range(0, len(part.items), size)
    return [torch.arange(i, min(i + size, len(part.items)), device=part.items.device) for i in starts]


def _learnt(task: Task, state: State, *, frozen: bool) -> list[Tensor]:
    embedding = [] if frozen else [t for t in (state.x, state.weights, state.bias) if t is not None]
    return [t.requires_grad_(True) for t in (*embedding, *((state.masks,) if state.masks.numel() else ()))]


def _steps(task: Task, settings: Settings) -> int:
    return max(LEAST_STEPS, settings.epochs * sum(-(-len(part.items) // settings.batch) for part in task.parts))


def _pace(done: float) -> float:
    """Return the share of the largest step: up, level, then down by a cosine."""
    if done < PLATEAU:
        return min(1.0, 0.1 + done / WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * (done - PLATEAU) / (1 - PLATEAU))) + 0.003


def _eased(done: float) -> float:
    """Return the share of the step while Adam learns anew how steep things are, where a descent is taken up again."""
    return min(1.0, 0.01 + done / EASED)


def _ramp(done: float) -> float:
    return min(1.0, FIRST + (1 - FIRST) * done / RAMP)


def _batches(task: Task, settings: Settings, steps: int, draw: np.random.Generator) -> Iterator[tuple[Part | None, Tensor]]:
    """Yield a part and rows of it for each step; all answers once before any comes again."""
    if task.counts is not None:
        yield from ((None, torch.empty(0)) for _ in range(steps))
        return
    left = steps
    while left:
        todo = [
            (part, torch.from_numpy(rows).to(part.items.device))
            for part in task.parts
            for rows in np.array_split(draw.permutation(len(part.items)), -(-len(part.items) // settings.batch))
        ]
        for i in draw.permutation(len(todo))[:left]:
            yield todo[i]
        left = max(0, left - len(todo))


def _loss(task: Task, settings: Settings, state: State, part: Part | None, rows: Tensor) -> Tensor:
    """Return minus the log-likelihood of some answers, or of the counts."""
    if part is None:
        assert task.counts is not None
        shares = pair_shares(embedded(state, task, None))
        return -(task.counts.triu(1) * shares.clamp(min=1e-12).log().triu(1)).sum()
    items, function = part.items[rows], FromTarget if part.from_target else OddOneOut
    rater, weights = part.rater[rows], squares(task, settings, state)
    if state.x is not None:
        table = state.x
    else:
        used, places = torch.unique(items, return_inverse=True)
        table = embedded(state, task, used.clamp(min=0))
        items = places.masked_fill(items < 0, -1)
    found: Tensor = function.apply(table, weights, items, part.chosen[rows], rater)  # type: ignore[no-untyped-call]
    return found


def _prior(
    task: Task, settings: Settings, state: State, part: Part | None, rows: Tensor, *, sparsity: float, share: float
) -> Tensor:
    """Return minus the log of the priors, of which a batch of answers gets its share."""
    if state.x is not None:
        found = sparsity * share * state.x.sum()
    else:
        faces = None if part is None else torch.unique(part.items[rows])
        x = embedded(state, task, None if faces is None else faces[faces >= 0])
        found = sparsity * share * x.sum() * (task.n / len(x))
        assert state.weights is not None
        found = found + settings.ridge * share * (state.weights**2).sum() / 2
    if state.masks.numel():
        found = found + share * ((state.masks @ state.precision) * state.masks).sum() / 2
    return found


@torch.no_grad()
def _population(task: Task, settings: Settings, state: State) -> tuple[Tensor, Tensor]:
    """Return the sd (d,) and correlation (d, d) of the masks by a step of EM: `C = mean(w w' + posterior covariance)`.

    References
    ----------
    Dempster, Laird, Rubin, JRSS B 39, 1977; the posterior is taken to be normal, with the Fisher information.
    """
    masks = state.masks.double()
    covariance = masks.T @ masks / len(masks)
    covariance += torch.linalg.inv(state.precision.double() + _information(task, settings, state).double()).mean(0)
    correlation = torch.from_numpy(shrunk_correlation(covariance.cpu().numpy(), len(masks)))
    return covariance.diag().sqrt().clamp(min=SMALLEST_SPREAD).to(state.spread), correlation.to(state.spread)


def _information(task: Task, settings: Settings, state: State) -> Tensor:
    """Return the Fisher information of the answers about each mask, (l, d, d)."""
    x, d = state.table(task), state.masks.shape[1]
    found = torch.zeros(len(task.shares), d, d, device=x.device)
    link, mean = LINKS[settings.link], torch.tensor(MEANS[settings.link], device=x.device)
    w = (mean + torch.sparse.mm(task.shares, state.masks)).requires_grad_(True)
    with torch.enable_grad():
        square = (link(w) / link(mean)) ** 2
        (slope,) = torch.autograd.grad(square.sum(), w)
    for part in task.parts:
        for rows in _blocks(part, FEWER):
            rater, items = part.rater[rows], part.items[rows]
            products = _products(x, items, from_target=part.from_target)
            p = (products * square.detach()[rater][:, None]).sum(2)
            p = (p.masked_fill(items[:, 1:] < 0, -torch.inf) if part.from_target else p).softmax(1)[:, :, None]
            steep = products * slope[rater][:, None]
            apart = (steep - (p * steep).sum(1, keepdim=True)) * p.sqrt()
            found.index_add_(0, rater, apart.transpose(1, 2) @ apart)
    of_masks: Tensor = torch.sparse.mm((task.shares * task.shares).t(), found.flatten(1))
    return of_masks.view(-1, d, d)


def _products(x: Tensor, items: Tensor, *, from_target: bool) -> Tensor:
    """Return `x_id x_jd` of the pairs among which was chosen, (b, k, d)."""
    if from_target:
        return x[items[:, :1]] * x[items[:, 1:].clamp(min=0)]
    a, b, c = (x[items[:, i]] for i in range(3))
    return torch.stack([b * c, a * c, a * b], 1)
