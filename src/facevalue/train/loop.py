"""The loop: shuffled, augmented batches, AdamW, a running average of the weights, the best average kept; resumable."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facevalue.data.errors import RunError
from facevalue.data.files import replacing
from facevalue.train.augment import Augmentation, augment
from facevalue.train.chips import Chips
from facevalue.train.nets import Heads

Loss = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
Batch = tuple[tuple[Tensor, Tensor], dict[str, Tensor]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Config:
    """All that chance and training depend on; with the data it reproduces the net.

    Parameters
    ----------
    seed
        Of shuffling, augmentation, dropout and the heads' first weights.
    epochs, batch, rate, decay, dropout
        Of AdamW with a one-cycle learning rate whose peak is `rate`.
    average
        Share of the running average of the weights that a step keeps.
    patience
        Epochs without a better stopping loss after which training stops.
    head_rate
        How many times `rate` the new layers learn at.
    augmentation
        What is done to the chips.
    """

    seed: int
    epochs: int = 40
    batch: int = 64
    rate: float = 3e-4
    decay: float = 0.05
    dropout: float = 0.2
    average: float = 0.998
    patience: int = 12
    head_rate: float = 4.0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class Part:
    """Chips, the embeddings that go with them, (n, d) or (n, 0), and what is known of them, for one purpose."""

    chips: Chips
    embeddings: np.ndarray
    targets: Mapping[str, np.ndarray]


def device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    net: Heads, fit_on: Part, stop_on: Part, loss: Loss, config: Config, *, folder: Path, progress: Progress
) -> list[float]:
    """Train `net` in place and leave it with the averaged weights of the best epoch; return the stopping losses.

    Parameters
    ----------
    net
        Pixels (n, c, s, s) in 0..255 to a dictionary of outputs.
    fit_on, stop_on
        The part that gradients come from, and the part by whose loss the best epoch is chosen.
    loss
        Of outputs and targets: a mean over the batch.
    config
        See there.
    folder
        `checkpoint.pt` is written there after every epoch, and training goes on from one that is there.
    progress
        Called with epochs done and epochs in all.
    """
    where, path, key = device(), folder / "checkpoint.pt", _key(config, fit_on, stop_on)
    net.to(where)
    net.trunk.to_channels_last()
    average, best = copy.deepcopy(net), copy.deepcopy(net)
    optimizer = torch.optim.AdamW(_groups(net, config), weight_decay=config.decay)
    schedule = _schedule(optimizer, config.epochs * math.ceil(len(fit_on.chips.wide) / config.batch))
    state: dict[str, Any] = {"net": net, "average": average, "best": best, "optimizer": optimizer, "schedule": schedule}
    losses = resumed(state, path, where, key)
    for epoch in range(len(losses), config.epochs):
        if _stalled(losses, config.patience):
            break
        for value in _steps(net, fit_on, loss, config, epoch):
            optimizer.zero_grad()
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            _follow(average, net, min(config.average, schedule.last_epoch / (9 + schedule.last_epoch)))
        losses.append(evaluate(average, stop_on, loss))
        if not math.isfinite(losses[-1]):
            raise RunError(
                f"{folder}: epoch {epoch + 1} ended with a loss of {losses[-1]}: choose another --out and a lower rate"
            )
        if losses[-1] == min(losses):
            best.load_state_dict(average.state_dict())
        with replacing(path) as part:
            torch.save({name: one.state_dict() for name, one in state.items()} | {"losses": losses, "key": key}, part)
        progress(epoch + 1, config.epochs)
    net.load_state_dict(best.state_dict())
    return losses


def _steps(net: Heads, part: Part, loss: Loss, config: Config, epoch: int) -> Iterator[Tensor]:
    """Yield the loss of each batch of an epoch."""
    where = device()
    torch.manual_seed(config.seed * 10_000 + epoch)
    net.train()
    for inputs, targets in batches(part, net.size, config, epoch, where):
        with torch.autocast(where.type, torch.bfloat16):
            value = loss(net(*inputs), targets)
        yield value


def batches(part: Part, size: int, config: Config, epoch: int, where: torch.device) -> Iterator[Batch]:
    """Yield one epoch's batches; the next one is made while the present one is used."""
    order = np.random.default_rng((config.seed, epoch)).permutation(len(part.chips.wide))
    groups = [order[i : i + config.batch] for i in range(0, len(order), config.batch)]

    def make(number: int) -> Batch:
        rng, rows = np.random.default_rng((config.seed, epoch, number)), groups[number]
        chips = augment(part.chips.wide[rows], part.chips.inside[rows], size, config.augmentation, rng)
        inputs = tensor(chips, where), torch.from_numpy(part.embeddings[rows]).to(where)
        return inputs, {name: torch.from_numpy(v[rows]).to(where) for name, v in part.targets.items()}

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, 0)
        for number in range(len(groups)):
            ready = waiting.result()
            if number + 1 < len(groups):
                waiting = pool.submit(make, number + 1)
            yield ready


def tensor(chips: np.ndarray, where: torch.device) -> Tensor:
    """Return (n, s, s, c) uint8 as (n, c, s, s) float, channels last."""
    return torch.from_numpy(chips).to(where).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def outputs(net: nn.Module, part: Part, *, batch: int = 256) -> dict[str, np.ndarray]:
    """Return the net's outputs for the plain chips, as float32 arrays."""
    net.eval()
    where, chips, embeddings = next(net.parameters()).device, part.chips.plain, torch.from_numpy(part.embeddings)
    starts = range(0, len(chips), batch)
    parts = [net(tensor(chips[i : i + batch], where), embeddings[i : i + batch].to(where)) for i in starts]
    return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def evaluate(net: nn.Module, part: Part, loss: Loss) -> float:
    """Return the loss on plain chips."""
    out = {name: torch.from_numpy(values) for name, values in outputs(net, part).items()}
    return float(loss(out, {name: torch.from_numpy(values) for name, values in part.targets.items()}))


def _groups(net: nn.Module, config: Config) -> list[dict[str, Any]]:
    head = [p for name, p in net.named_parameters() if not name.startswith("trunk.")]
    trunk = [p for name, p in net.named_parameters() if name.startswith("trunk.")]
    return [{"params": trunk, "lr": config.rate}, {"params": head, "lr": config.rate * config.head_rate}]


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, kept: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - kept)


def _stalled(losses: list[float], patience: int) -> bool:
    return len(losses) - 1 - int(np.argmin(losses)) >= patience if losses else False


def _schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    rates = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps, pct_start=0.1, div_factor=10, final_div_factor=100
    )


def _key(config: Config, *parts: Part) -> str:
    """Return digits that change with the config and with the faces of each part."""
    digest = hashlib.sha256(repr(config).encode())
    for part in parts:
        for values in (part.chips.inside, part.embeddings, *part.targets.values()):
            digest.update(values.tobytes())
    return digest.hexdigest()


def resumed(state: Mapping[str, Any], path: Path, where: torch.device, key: str) -> list[float]:
    """Bring everything to where a checkpoint left it, and return its stopping losses; none where there is none."""
    if not path.exists():
        return []
    kept = torch.load(path, map_location=where, weights_only=True)
    if kept["key"] != key:
        raise RunError(f"{path}: made with another config, or of other data or another split; choose another --out")
    for name, one in state.items():
        one.load_state_dict(kept[name])
    losses: list[float] = kept["losses"]
    return losses
