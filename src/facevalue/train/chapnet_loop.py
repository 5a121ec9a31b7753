"""The loop that trains CHAPNet: SGD in steps, one epoch after the other, the best kept; a stopped run goes on."""

from __future__ import annotations

import copy
import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facevalue.data.dpac import LABELS, UNKNOWN
from facevalue.data.errors import RunError
from facevalue.data.files import replacing, write_json
from facevalue.train.chapnet_augment import Augmentation, View
from facevalue.train.chapnet_data import Condition, Hiding, Views
from facevalue.train.chapnet_nets import Backbone, Chapnet
from facevalue.train.loop import resumed

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]
Progress = Callable[[int, int], None]
THREADS = 4
LARGEST_GRADIENT = 5.0
RESUME, BESIDE = "resume.pth", "net.json"
TEMPERATURES = tuple(np.geomspace(0.25, 16, 25).tolist())


@dataclass(frozen=True, slots=True)
class Config:
    """All that chance and training depend on; with the data it reproduces the net.

    Parameters
    ----------
    seed
        Of first weights, order, augmentation, dropout, the validation part and the obscuring.
    condition
        What is hidden.
    hiding
        How.
    backbone, size
        Of the net.
    epochs, batch, rate, decay, momentum
        Of SGD.
    step, gamma
        Every so many epochs the rate is multiplied by gamma.
    valid
        Share of the photos for validation, where the split names none.
    augmentation
        What is changed by chance.
    paper_exact
        With the published errors.
    """

    seed: int
    condition: Condition = field(default_factory=Condition)
    hiding: Hiding = field(default_factory=Hiding)
    backbone: Backbone = "compact"
    size: int = 400
    epochs: int = 40
    batch: int = 16
    rate: float = 0.01
    decay: float = 5e-4
    momentum: float = 0.9
    step: int = 8
    gamma: float = 0.1
    valid: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    paper_exact: bool = False

    def told(self) -> dict[str, Any]:
        """Return the same in plain values, and the condition's name as "trained"."""
        return asdict(self) | {"trained": self.condition.name}


def device_of(name: str | None) -> torch.device:
    """Return a device by its name, "cpu", "cuda" or "cuda:1"; None takes a GPU where there is one.

    Raises
    ------
    RunError
        There is no such device.
    """
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(wanted)
    except RuntimeError as error:
        raise RunError(f"--device: expected cpu, cuda or cuda:N, got {wanted!r}") from error
    count = torch.cuda.device_count()
    if found.type not in ("cpu", "cuda") or (found.type == "cuda" and (found.index or 0) >= count):
        raise RunError(f"--device: expected cpu{' or cuda, of which there are ' + str(count) if count else ''}, got {wanted!r}")
    return found


def fit(
    net: Chapnet, views: Views, rows: tuple[np.ndarray, np.ndarray], config: Config, *, folder: Path, progress: Progress
) -> list[float]:
    """Train a net in place and leave it with the weights of the best epoch; return the validation losses.

    Parameters
    ----------
    net
        On the device where it is to be trained.
    views
        Of the targets, in the condition that is trained.
    rows : (a,) int and (b,) int
        Targets for training and for choosing the epoch.
    config
        See there.
    folder
        Of the run. `resume.pth` is written there after each epoch, and a run goes on from one that is there; the best epoch's
        weights are `<condition's folder>/<epoch>.pth`, a state dict, with the config beside it as `net.json`.
    progress
        Called with epochs done and epochs in all.

    Raises
    ------
    RunError
        What lies in the folder is of another run, or the loss is no number.
    """
    where = next(net.parameters()).device
    optimizer = torch.optim.SGD(net.parameters(), config.rate, momentum=config.momentum, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, config.step, config.gamma)
    state: dict[str, Any] = {"net": net, "best": copy.deepcopy(net), "optimizer": optimizer, "schedule": schedule}
    key = _key(config, views, rows)
    losses = resumed(state, folder / RESUME, where, key)
    write_json(config.told(), folder / config.condition.folder / BESIDE)
    for epoch in range(len(losses), config.epochs):
        _epoch(net, optimizer, views, rows[0], config, epoch)
        schedule.step()
        losses.append(evaluate(net, views, rows[1], batch=config.batch))
        if not math.isfinite(losses[-1]):
            raise RunError(f"{folder}: epoch {epoch + 1} ended with a loss of {losses[-1]}: another --out and a lower --lr")
        if losses[-1] == min(losses):
            state["best"].load_state_dict(net.state_dict())
            _write_best(net, folder / config.condition.folder, epoch + 1)
        with replacing(folder / RESUME) as part:
            torch.save({name: one.state_dict() for name, one in state.items()} | {"losses": losses, "key": key}, part)
        progress(epoch + 1, config.epochs)
    net.load_state_dict(state["best"].state_dict())
    return losses


def _epoch(net: Chapnet, optimizer: torch.optim.Optimizer, views: Views, rows: np.ndarray, config: Config, epoch: int) -> None:
    """Take the steps of an epoch."""
    torch.manual_seed(config.seed * 10_000 + epoch)
    where = next(net.parameters()).device
    net.train()
    order = rows[np.random.default_rng((config.seed, epoch)).permutation(len(rows))]
    for inputs, truth in batches(views, order, config.batch, where, how=config.augmentation, seed=(config.seed, epoch)):
        with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
            value = loss(net(*inputs), truth)
        optimizer.zero_grad()
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
        optimizer.step()


def loss(logits: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
    """Return the sum over heads of the mean cross-entropy of targets whose label is known; 0 of a head without any."""
    parts = []
    for name, values in logits.items():
        known = (truth[name] != UNKNOWN).sum().clamp(min=1)
        parts.append(functional.cross_entropy(values, truth[name], ignore_index=UNKNOWN, reduction="sum") / known)
    return torch.stack(parts).sum()


def batches(
    views: Views,
    rows: np.ndarray,
    batch: int,
    where: torch.device,
    *,
    how: Augmentation | None = None,
    seed: Sequence[int] = (),
) -> Iterator[tuple[Inputs, dict[str, Tensor]]]:
    """Yield what the net takes and what is true of targets, in order; threads make one batch while the last is used.

    Parameters
    ----------
    views
        Of targets.
    rows : (n,) int
        Which.
    batch
        How many at once.
    where
        Device.
    how, seed
        Augmentation and its seed; None shows targets as they are.
    """
    groups = [rows[i : i + batch] for i in range(0, len(rows), batch)]

    def seen(i: int) -> View:
        return views(i, how, None if how is None else np.random.default_rng((*seed, i)))

    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[list[Future[View]]] = deque()
        for number, group in enumerate(groups):
            for ahead in groups[number + len(waiting) : number + 2]:
                waiting.append([pool.submit(seen, int(i)) for i in ahead])
            made = [one.result() for one in waiting.popleft()]
            truth = {name: torch.from_numpy(getattr(views.pictures.data, name)[group]).to(where) for name in LABELS}
            yield inputs(made, where), truth


def inputs(seen: Sequence[View], where: torch.device) -> Inputs:
    """Return views as tensors: photos and persons (n, 3, s, s) in 0..255, maps (n, 18, 25, 25), valid (n, 18)."""
    photos = [_tensor(np.stack([getattr(one, name) for one in seen]), where) for name in ("context", "target")]
    maps, valid = (torch.from_numpy(np.stack([getattr(one, name) for one in seen])).to(where) for name in ("maps", "valid"))
    return photos[0], photos[1], maps, valid


def _tensor(photos: np.ndarray, where: torch.device) -> Tensor:
    return torch.from_numpy(photos).to(where).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


def evaluate(net: Chapnet, views: Views, rows: np.ndarray, *, batch: int) -> float:
    """Return the loss of targets as they are, each head's logits over the temperature, of `TEMPERATURES`, that suits it best.

    Temperatures are fitted after training; without them an epoch would be passed over for being too sure.
    """
    data, parts = views.pictures.data, []
    for name, logits in outputs(net, views, rows, batch=batch).items():
        truth, values = torch.from_numpy(getattr(data, name)[rows]), torch.from_numpy(logits)
        parts.append(min(float(loss({name: values / heat}, {name: truth})) for heat in TEMPERATURES))
    return float(np.sum(parts))


def outputs(net: Chapnet, views: Views, rows: np.ndarray, *, batch: int) -> dict[str, np.ndarray]:
    """Return the logits of targets as they are, (n, k) float32 by head."""
    return logits_of(net, features(net, views, rows, batch=batch))


@torch.no_grad()
def features(net: Chapnet, views: Views, rows: np.ndarray, *, batch: int) -> dict[str, Tensor]:
    """Return the numbers of each branch of targets as they are, (n, d) float32."""
    net.eval()
    where = next(net.parameters()).device
    found = [net.features(*given) for given, _ in batches(views, rows, batch, where)]
    return {name: torch.cat([one[name] for one in found]).float() for name in found[0]}


@torch.no_grad()
def logits_of(net: Chapnet, found: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return the logits that the heads make of the numbers of the branches."""
    return {name: logits.cpu().numpy() for name, logits in net.eval().logits(found).items()}


def likeliest(logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the place of the likeliest label of targets, (n,) int by head."""
    return {name: values.argmax(1) for name, values in logits.items()}


def _write_best(net: Chapnet, folder: Path, epoch: int) -> None:
    """Write the weights of an epoch, and take away those of the one that was best before."""
    before = list(folder.glob("*.pth"))
    with replacing(folder / f"{epoch}.pth") as part:
        torch.save({name: values.cpu() for name, values in net.state_dict().items()}, part)
    for path in before:
        if path.stem != str(epoch):
            path.unlink()


def _key(config: Config, views: Views, rows: Sequence[np.ndarray]) -> str:
    """Return digits that change with the config and with the targets of each part."""
    digest, data = hashlib.sha256(repr(config).encode()), views.pictures.data
    for part in rows:
        digest.update("\n".join(map(str, data.id[part])).encode())
        for values in (data.box[part], *(getattr(data, name)[part] for name in LABELS)):
            digest.update(values.tobytes())
    return digest.hexdigest()
