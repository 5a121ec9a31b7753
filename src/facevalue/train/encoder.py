"""AVFS's encoder, fitted to odd-one-out answers: a ResNet-18 on photos that are decoded once, with masks or without.

A run is a folder: `config.yaml`, `log.csv`, `checkpoints/`, and in the end the perceptual model. What chance decides
hangs on the seeds of the configuration, the epoch and the batch, so that a run that was stopped goes on to the same
numbers.
"""

from __future__ import annotations

import math
import platform
import secrets
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facevalue.data.errors import RunError
from facevalue.data.forgetting import digest
from facevalue.data.perception import Perception, write_perception
from facevalue.data.triplets import Triplets
from facevalue.models._session import on_pixels
from facevalue.models.avfs import SIZE, WHOLE, WINDOW, crop_facts, encoder_graph, sigmoid, spread_of
from facevalue.train.avfs import ANNOTATOR, Config, write_config
from facevalue.train.checkpoints import State, begun, record, resumed
from facevalue.train.judged import Groups, Run, prepared
from facevalue.train.loop import device, tensor
from facevalue.train.residual import Net, loss_terms

Say = Callable[[str], None]
Progress = Callable[[int, int], None]
FACES_AT_ONCE = 256


def fit_encoder(
    config: Config,
    answers: Triplets,
    pixels: np.ndarray,
    out: str | Path,
    *,
    groups: Groups | None = None,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Perception:
    """Fit AVFS's encoder to answers as a configuration says, and write the run and the model into a folder.

    Unlike the original: a face that a batch holds several times is cropped and embedded once; masks are used wherever
    `create_masks` says so, at weight 0 too; a frozen encoder stays as it is, to the last bit, and its embeddings are
    made once; where `misc_cfg.resume` is true, the folder's last checkpoint is gone on from.

    Parameters
    ----------
    config
        As in AVFS's YAML.
    answers
        t odd-one-out answers over n faces, with the column "split": "train" and "validation"; other rows are left out.
    pixels : (n, 128, 128, 3) uint8
        RGB, of each of `answers.names`, cut by `image.align.ffhq(128)`.
    out
        The folder of the run.
    groups
        Annotator to group, or to several that count as one together; needed where the masks are of groups.
    say
        Called with a line of progress for people.
    progress
        Called with epochs done and epochs in all.

    Returns
    -------
    Perception
        Of the best epoch by the monitored loss: the n faces, the masks, 1 for the typical annotator, and the encoder.

    Raises
    ------
    SchemaError
        Answers or photos that are not as described.
    LayerMismatch
        A checkpoint that is none of this net.
    RunError
        Nothing to train, nothing to resume, another run in the folder, or a loss that is no number.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023.
    """
    run = prepared(config, answers, pixels, Path(out), groups)
    state = _with_table(run, resumed(run) if config.misc_cfg.resume else begun(run))
    write_config(config, run.folder / "config.yaml")
    epochs = config.misc_cfg.num_epochs
    say(f"{len(run.train)} answers to learn from, {len(run.validation)} to choose by; {len(run.labels)} masks")
    for epoch in range(state.epoch, epochs):
        rows = [*_trained(run, state, epoch), _validated(run, state, epoch)]
        record(run, state, rows)
        say(f"epoch {epoch + 1} of {epochs}: {', '.join(f'{name} {rows[-1][name]:.4g}' for name in ('ooo_acc', 'total_loss'))}")
        progress(epoch + 1, epochs)
    model = _finished(run, state)
    write_perception(model, run.folder)
    return model


def cropped(pixels: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Return (n, 112, 112, 3) of (n, 128, 128, 3) px: anywhere and mirrored half of the time, or the middle without `rng`."""
    if rng is None:
        edge = (WHOLE - SIZE) // 2
        return pixels[:, edge : edge + SIZE, edge : edge + SIZE]
    corners, mirrored = rng.integers(0, WHOLE - SIZE + 1, (len(pixels), 2)), rng.random(len(pixels)) < 0.5
    crops = np.empty((len(pixels), SIZE, SIZE, 3), np.uint8)
    for crop, whole, (y, x), mirror in zip(crops, pixels, corners, mirrored, strict=True):
        crop[:] = whole[y : y + SIZE, x : x + SIZE][:, :: -1 if mirror else 1]
    return crops


@torch.no_grad()
def embedded(net: Net, pixels: np.ndarray) -> Tensor:
    """Return the raw dimensions of faces' middles, (n, d), as the net gives them once it is trained."""
    net.eval()
    where = next(net.encoder.parameters()).device
    starts = range(0, len(pixels), FACES_AT_ONCE)
    return torch.cat([net.encoder(tensor(cropped(pixels[i : i + FACES_AT_ONCE], None), where)) for i in starts])


def _with_table(run: Run, state: State) -> State:
    """Embed all faces once where the encoder is frozen."""
    if state.net.frozen:
        state.table = embedded(state.net, run.pixels)
    return state


def _raw(run: Run, state: State, faces: Tensor, rng: np.random.Generator) -> Tensor:
    if state.table is not None:
        return state.table[faces]
    crops = cropped(run.pixels[faces.cpu().numpy()], rng)
    raw: Tensor = state.net.encoder(tensor(crops, device()))
    return raw


def _trained(run: Run, state: State, epoch: int) -> list[dict[str, Any]]:
    """Train for an epoch; return the means of each run of batches."""
    config, seed = run.config, run.config.setup_cfg.numpy_seed
    size, averaged = config.loader_cfg.train_batch_size, config.misc_cfg.num_train_batches_to_average
    order = np.random.default_rng((seed, epoch)).permutation(len(run.train))
    _set_rate(state.optimizer, config, epoch)
    state.net.train()
    rows, means = [], Means(config.loss_cfg.dims_threshold_value)
    for number, batch in enumerate(run.train.batches(size, order=order, most=run.most, whole=True), 1):
        faces, items = torch.unique(batch.items, return_inverse=True)
        raw = _raw(run, state, faces, np.random.default_rng((seed, epoch, number)))
        terms = loss_terms(raw, items, batch.odd, state.net.of(batch.mask), config.loss_cfg)
        state.optimizer.zero_grad()
        torch.autograd.backward(terms["total_loss"])
        state.optimizer.step()
        means.add(terms, raw, len(batch))
        if number % averaged == 0:
            rows.append(means.row(epoch, "train", number))
            means = Means(config.loss_cfg.dims_threshold_value)
    return rows + ([means.row(epoch, "train", number)] if means.count else [])


@torch.no_grad()
def _validated(run: Run, state: State, epoch: int) -> dict[str, Any]:
    """Return the means over the answers to choose by, from the middles of the photos."""
    config = run.config
    raw = embedded(state.net, run.pixels) if state.table is None else state.table
    state.net.eval()
    batches = list(run.validation.batches(config.loader_cfg.validation_batch_size, most=run.most))
    means = Means(config.loss_cfg.dims_threshold_value)
    for batch in batches:
        terms = loss_terms(raw, batch.items, batch.odd, state.net.of(batch.mask), config.loss_cfg)
        means.add(terms, raw, len(batch))
    return means.row(epoch, "validation", len(batches))


class Means:
    """Means over answers of the parts of the loss, while batches pass.

    Parameters
    ----------
    threshold
        A dimension counts where any face has more of it.
    """

    def __init__(self, threshold: float) -> None:
        self.count, self._threshold = 0, threshold
        self._sums: dict[str, Tensor] = {}
        self._largest: Tensor | None = None

    def add(self, terms: Mapping[str, Tensor], raw: Tensor, count: int) -> None:
        """Add a batch's sums."""
        self.count += count
        self._sums = {name: self._sums.get(name, 0.0) + term.detach().double() for name, term in terms.items()}
        largest = raw.detach().amax(0)
        self._largest = largest if self._largest is None else torch.maximum(self._largest, largest)

    def row(self, epoch: int, part: str, batch: int) -> dict[str, Any]:
        """Return the means under the names of the log."""
        means = {name: float(total) / self.count for name, total in self._sums.items()}
        if not math.isfinite(means["total_loss"]):
            raise RunError(
                f"epoch {epoch + 1}: the loss became {means['total_loss']}; lower optim_cfg.lr, and choose another --out"
            )
        assert self._largest is not None
        dims = int((self._largest > self._threshold).sum())
        place = {"epoch": epoch + 1, "part": part, "batch": batch, "ooo_acc": means.pop("right"), "dims_above_thresh": dims}
        return place | means


def _set_rate(optimizer: torch.optim.Optimizer, config: Config, epoch: int) -> None:
    """Set the learning rate of an epoch: times the factor for each milestone behind it."""
    rate = config.learning_rate_cfg
    passed = sum(milestone <= epoch for milestone in rate.learning_rate_milestones or ())
    for group in optimizer.param_groups:
        group["lr"] = config.optim_cfg.lr * (rate.learning_rate_factor or 1) ** passed


def _finished(run: Run, state: State) -> Perception:
    """Return the best epoch's net as a model whose typical mask is 1."""
    config, net = run.config, state.net
    net.load_state_dict(dict(state.best_net))
    embedding = functional.relu(embedded(net, run.pixels)).cpu().numpy()
    logits = np.empty((0, run.d)) if net.masks is None else net.masks.weight.detach().cpu().numpy().astype(np.float64)
    population = spread_of(logits) if len(logits) else None
    gain = np.ones(run.d) if population is None else sigmoid(population.mean)
    weights = {name: values.cpu().numpy() for name, values in net.encoder.state_dict().items()}
    kind = config.data_cfg.mask_type or ""
    return Perception(
        config.misc_cfg.experiment_name,
        run.names,
        (embedding * gain).astype(np.float32),
        np.array(run.labels, object),
        (sigmoid(logits) / gain).astype(np.float32),
        run.members,
        "annotator" if kind == ANNOTATOR else kind,
        population,
        encoder=on_pixels(encoder_graph(weights, gain=gain), WINDOW).SerializeToString(),
        about=_about(run, state),
    )


def _about(run: Run, state: State) -> dict[str, Any]:
    packages, salt = ("numpy", "torch", "onnx"), secrets.token_hex(16)
    return {
        "config": run.config.to_dict(),
        "counts": {
            "train": len(run.train),
            "validation": len(run.validation),
            "faces": len(run.names),
            "masks": len(run.labels),
        },
        "sha256": dict(run.sums),
        "salt": salt,
        "annotators": sorted(digest(annotator, salt) for annotator in run.annotators),
        "best": {"epoch": state.best_epoch, run.config.misc_cfg.monitor_validation_loss: state.best},
        "crop": crop_facts(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
