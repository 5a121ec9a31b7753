"""Where a fit of an encoder stands: begun, written down after every epoch, gone on from; tensors and plain values alone."""

from __future__ import annotations

import csv
import hashlib
import math
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facevalue.data.errors import LayerMismatch, RunError
from facevalue.data.files import replacing
from facevalue.models.avfs import read_encoder
from facevalue.train.judged import Run
from facevalue.train.loop import device
from facevalue.train.residual import Net

PARTS = ("ooo_loss", "sparsity_loss", "neg_embed_val_loss", "mask_loss", "total_loss")
LOG = ("epoch", "part", "batch", "ooo_acc", *PARTS, "dims_above_thresh")
# Keys that may differ between a run and the one that goes on with it.
FREE = {
    "misc_cfg": ("experiment_name", "model_strict_load", "resume", "num_epochs", "save_every_num_epochs"),
    "setup_cfg": ("devices", "primary_device", "data_parallel", "cudnn_benchmark"),
    "model_cfg": ("chkpt_path", "chkpt_filename"),
    "loader_cfg": ("num_workers", "pin_memory"),
}


@dataclass(slots=True)
class State:
    """What a run has come to: epochs done, the best of them and its weights, the log."""

    net: Net
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0
    best_net: Mapping[str, Tensor] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    table: Tensor | None = None


def begun(run: Run) -> State:
    """Return a run at its beginning: first weights, or those of the checkpoint that the configuration names.

    Raises
    ------
    RunError
        The folder holds a run, a checkpoint is wanted and not there, or there is nothing to train.
    LayerMismatch
        The checkpoint is none of this net.
    """
    model = run.config.model_cfg
    if list((run.folder / "checkpoints").glob("*.pth")):
        raise RunError(f"{run.folder}: holds a run already; set misc_cfg.resume to go on with it, or choose another --out")
    if model.freeze_encoder_gradients and model.checkpoint is None:
        raise RunError(
            "model_cfg.freeze_encoder_gradients: expected a checkpoint in chkpt_path, for a frozen encoder, got none"
        )
    if model.posthoc_dims is not None and model.checkpoint is None:
        raise RunError("model_cfg.posthoc_dims: expected a checkpoint in chkpt_path, whose dimensions they are, got none")
    state = _fresh(run)
    if model.checkpoint is not None:
        _start_from(model.checkpoint, run, state.net)
    return state


def _fresh(run: Run) -> State:
    """Return a net and its optimizer as they are before anything is learnt."""
    model, optim = run.config.model_cfg, run.config.optim_cfg
    torch.manual_seed(run.config.setup_cfg.pytorch_seed)
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = run.config.setup_cfg.cudnn_benchmark
    net = Net(run.d, len(run.labels), frozen=model.freeze_encoder_gradients).to(device())
    if net.masks is not None:
        net.masks.weight.requires_grad = not model.freeze_mask_gradients
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not learnt:
        raise RunError("nothing to train: the encoder is frozen, and masks are frozen or data_cfg.create_masks is false")
    kind = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW, "SGD": torch.optim.SGD}[optim.method]
    return State(net, kind(learnt, lr=optim.lr, weight_decay=optim.weight_decay))


def _start_from(path: Path, run: Run, net: Net) -> None:
    """Take over the weights of a checkpoint, and its masks where they are of the same annotators."""
    if not path.is_file():
        raise RunError(f"{path}: expected the checkpoint of model_cfg.chkpt_path and chkpt_filename, got no file")
    model = run.config.model_cfg
    advice = "name another in model_cfg, or set num_output_dims to the checkpoint's own"
    weights, rows = read_encoder(path, width=model.num_output_dims, model=run.config.misc_cfg.experiment_name, advice=advice)
    kept = slice(None) if model.posthoc_dims is None else list(model.posthoc_dims)
    masks = weights.pop("masks.weight", None)
    weights["fc.weight"] = weights["fc.weight"][kept]
    net.encoder.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()}, strict=False)
    same = sorted(rows, key=rows.__getitem__) == list(run.labels)
    if run.config.misc_cfg.model_strict_load and not same:
        expected = f"misc_cfg.model_strict_load: expected the {len(run.labels)} masks of the judgments in {path.name}"
        raise LayerMismatch(f"{expected}, got {len(rows)} or other ones; set it to false to begin with new masks")
    if net.masks is not None and masks is not None and same:
        net.masks.load_state_dict({"weight": torch.from_numpy(masks[:, kept])})


def record(run: Run, state: State, rows: list[dict[str, Any]]) -> None:
    """Write down an epoch: its rows in the log, the best epoch, the checkpoints."""
    misc, folder = run.config.misc_cfg, run.folder / "checkpoints"
    state.epoch, state.log = rows[-1]["epoch"], state.log + rows
    with replacing(run.folder / "log.csv") as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG, restval="")
        writer.writeheader()
        writer.writerows(state.log)
    value = rows[-1][misc.monitor_validation_loss]
    if value < state.best:
        state.best, state.best_epoch = value, state.epoch
        state.best_net = {name: values.clone() for name, values in state.net.state_dict().items()}
        _save(run, state, folder / f"best_{misc.monitor_validation_loss}.pth", rows[-1])
    if state.epoch % misc.save_every_num_epochs == 0 or state.epoch == misc.num_epochs:
        _save(run, state, folder / f"epoch{state.epoch}.pth", rows[-1])


def _save(run: Run, state: State, path: Path, stats: Mapping[str, Any]) -> None:
    """Write a checkpoint of AVFS's keys, tensors and plain values alone."""
    known = {
        "current_epoch": state.epoch,
        "num_epochs": run.config.misc_cfg.num_epochs,
        "training_stats": dict(stats),
        "model": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "annotator_labels": {label: i for i, label in enumerate(run.labels)},
        "best": {"epoch": state.best_epoch, "value": state.best},
        "best_model": dict(state.best_net),
        "key": _key(run),
    }
    with replacing(path) as part:
        torch.save(known, part)


def _key(run: Run) -> str:
    """Return digits that change with whatever the numbers of a run hang on."""
    config = asdict(run.config)
    for part, names in FREE.items():
        for name in names:
            del config[part][name]
    digest = hashlib.sha256(repr((config, sorted(run.sums.items()), run.labels, sorted(run.members.items()))).encode())
    for judged in (run.train, run.validation):
        for values in (judged.items, judged.odd, judged.mask):
            digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()


def resumed(run: Run) -> State:
    """Return a run as its last checkpoint has it.

    Raises
    ------
    RunError
        There is none, or it is of another configuration, other answers or other photos.
    """
    path, state = _last(run), _fresh(run)
    try:
        kept = torch.load(path, map_location=device(), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        why = " ".join(str(error).split())[:120]
        raise RunError(f"{path}: expected a checkpoint of tensors and numbers, got a file that is none ({why})") from error
    if not isinstance(kept, dict) or kept.get("key") != _key(run):
        raise RunError(f"{path}: made with another configuration, or of other answers or photos; choose another --out")
    state.net.load_state_dict(kept["model"])
    state.optimizer.load_state_dict(kept["optimizer"])
    state.epoch, state.best_net = kept["current_epoch"], kept["best_model"]
    state.best, state.best_epoch = kept["best"]["value"], kept["best"]["epoch"]
    state.log = _logged(run.folder / "log.csv", state.epoch)
    return state


def _last(run: Run) -> Path:
    """Return the checkpoint to go on from: the run's last, or the one that the configuration names."""
    found = {int(path.stem.removeprefix("epoch")): path for path in (run.folder / "checkpoints").glob("epoch*.pth")}
    path = found[max(found)] if found else run.config.model_cfg.checkpoint
    if path is None or not path.is_file():
        raise RunError(
            f"{run.folder}: expected a checkpoint to resume from, got {path or 'none'}; set misc_cfg.resume to false"
        )
    return path


def _logged(path: Path, epoch: int) -> list[dict[str, Any]]:
    """Return the rows of the log up to an epoch."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["epoch"]) <= epoch]
