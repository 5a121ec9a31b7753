"""CHAPNet from a folder of DPaC to an instrument: trained in a condition, calibrated, judged on the test part, exported."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facevalue.confidence.sets import Calibration, fit_distribution
from facevalue.data import fetch
from facevalue.data.dpac import LABELS, Dpac, read_dpac, with_validation
from facevalue.data.errors import RunError
from facevalue.data.files import write_findings, write_json
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.calibration import softmax, temperature
from facevalue.studies.transfer import Targets, Told, transfer
from facevalue.train.chapnet_data import Condition, Find, Pictures, Views, left_out, pictures, unusable
from facevalue.train.chapnet_export import write_chapnet
from facevalue.train.chapnet_loop import Config, Progress, fit, likeliest, outputs
from facevalue.train.chapnet_nets import Chapnet

NAME, LEVEL = "chapnet", 0.9
FIGURE = ("measure", "group", "value", "low", "high", "n")
SHOWN = ("accuracy", "macro_f1")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Around:
    """What training is given from outside.

    Parameters
    ----------
    device
        Where.
    weights
        Files of published weights by branch, for a net of ResNets.
    find
        Paths of photos to their faces; None where none can be found.
    say
        Called with lines of text.
    progress
        Called with epochs done and epochs in all.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    weights: Mapping[str, Path] = field(default_factory=dict)
    find: Find | None = None
    say: Callable[[str], None] = field(default=lambda text: None)
    progress: Progress = field(default=lambda done, total: None)


def train(folder: Path, out: Path, config: Config, *, around: Around) -> Findings:
    """Train, calibrate and judge; write the checkpoint, `chapnet.onnx`, `chapnet.json` and `findings.csv`.

    A part of the photos of the split's training part is kept for validation, unless the split names one. Half of it chooses
    the epoch and the temperatures, half makes the sets. The test part is looked at once, at the end: in the condition of
    the training, and intact. A net with the published errors is no instrument: it has a checkpoint and findings alone. Of
    these, two are left out of training, which they would end: the loader that stops after two photos, and mirrored boxes.

    Parameters
    ----------
    folder
        Of DPaC, or one made like it.
    out
        Of the run; one that was stopped goes on from what lies there.
    config
        With the same data it gives the same net on the same machine.
    around
        See there.

    Returns
    -------
    Findings
        Of the test part; none where the split has none.

    Raises
    ------
    SchemaError
        The folder is not DPaC's, or no faces are known that are to be hidden.
    RunError
        Too few targets, or a folder of another run.
    """
    data = _split(replace(read_dpac(folder), paper_exact=config.paper_exact), config)
    shown, whence = pictures(data, [config.condition], config.hiding, around.find)
    why = unusable(shown, [config.condition])
    parts = _parts(data, why == "", config.seed)
    counts = {name: len(rows) for name, rows in parts.items()}
    around.say(", ".join(f"{name} {n}" for name, n in counts.items()) + f" targets{left_out(why)}; {whence}")
    views = Views(shown, config.condition, config.size)
    net = start(config, around.weights).to(around.device)
    losses = fit(net, views, (parts["fit"], parts["choose"]), config, folder=out, progress=around.progress)
    around.say(f"best loss {min(losses):.4f} after epoch {int(np.argmin(losses)) + 1} of {len(losses)}")
    heats = _temperatures(net, views, parts["choose"], config.batch, around.say)
    calibration = _calibrated(net, views, parts["calibrate"], config.batch, heats)
    findings = _judged(net, shown, parts["test"], config)
    write_findings(findings, out / "findings.csv")
    if not config.paper_exact:
        write_chapnet(net.cpu(), out / f"{NAME}.onnx", temperatures=heats)
        facts = {"counts": counts | {"left out": int((why != "").sum())}, "temperatures": heats, "data": _hashes(folder)}
        facts |= {"net": {"parameters": sum(parameter.numel() for parameter in net.parameters())}}
        _write(config, facts, findings, calibration, out / f"{NAME}.json")
    return findings


def start(config: Config, weights: Mapping[str, Path]) -> Chapnet:
    """Return the untrained net: drawn by the seed, published weights where they are given."""
    torch.manual_seed(config.seed)
    net = Chapnet(config.backbone, config.size, paper_exact=config.paper_exact)
    try:
        net.start_from(weights)
    except ValueError as error:
        raise RunError(f"--weights: {error}") from error
    return net


def _split(data: Dpac, config: Config) -> Dpac:
    return data if data.valid.any() else with_validation(data, config.valid, seed=config.seed)


def _parts(data: Dpac, fine: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return which targets are for what: photos for validation are dealt out to choosing and to calibration."""
    photos = np.unique(data.photo[data.valid & fine].astype(str))
    if len(photos) < 2 or not (data.train & fine).any():
        raise RunError(
            f"{data.folder}: expected targets for training, and two photos or more for validation; got "
            f"{int((data.train & fine).sum())} and {len(photos)}: raise --valid, or look at the reasons in the data"
        )
    chosen = np.random.default_rng(seed).permutation(photos)[: len(photos) // 2]
    choose = np.isin(data.photo.astype(str), chosen)
    parts = {
        "fit": data.train,
        "choose": data.valid & choose,
        "calibrate": data.valid & ~choose,
        "test": data.test,
    }
    return {name: np.flatnonzero(rows & fine) for name, rows in parts.items()}


def _temperatures(net: Chapnet, views: Views, rows: np.ndarray, batch: int, say: Callable[[str], None]) -> dict[str, float]:
    """Return the temperature of each head; 1 where none is best."""
    found = {}
    for name, logits in outputs(net, views, rows, batch=batch).items():
        truth = getattr(views.pictures.data, name)[rows]
        try:
            found[name] = temperature(logits[truth >= 0], truth[truth >= 0])
        except ValueError as error:
            say(f"{name}: temperature 1, for {error}")
            found[name] = 1.0
    return found


def _calibrated(net: Chapnet, views: Views, rows: np.ndarray, batch: int, heats: Mapping[str, float]) -> Calibration:
    """Return what the calibration part teaches of each head."""
    known = {}
    for name, logits in outputs(net, views, rows, batch=batch).items():
        truth = getattr(views.pictures.data, name)[rows]
        if not (truth >= 0).any():
            raise RunError(f"{views.pictures.data.folder}: expected targets for validation whose {name} is known, got none")
        p = softmax(logits[truth >= 0] / heats[name]).astype(np.float32)
        known[f"{NAME}.{name}"] = fit_distribution(p, truth[truth >= 0], labels=LABELS[name])
    return Calibration(known)


def _judged(net: Chapnet, shown: Pictures, rows: np.ndarray, config: Config) -> Findings:
    """Return how well labels of the test part are told in the condition of the training, and intact."""
    if not len(rows):
        return concatenate([])
    wanted = dict.fromkeys((config.condition, Condition()))
    cells = [
        Told(config.condition.name, one.name, likeliest(outputs(net, Views(shown, one, config.size), rows, batch=config.batch)))
        for one in wanted
    ]
    return transfer(cells, targets(shown.data, rows), level=LEVEL, seed=config.seed, run=f"seed {config.seed}")


def targets(data: Dpac, rows: np.ndarray, groups: Arrays | None = None) -> Targets:
    """Return what is true of some targets."""
    return Targets({name: getattr(data, name)[rows] for name in LABELS}, data.photo[rows].astype(str), LABELS, groups or {})


def _hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of the JSON files of the data."""
    return {path.name: fetch.sha256(path) for path in sorted(folder.glob("*.json"))}


def _write(config: Config, facts: Mapping[str, Any], findings: Findings, calibration: Calibration, path: Path) -> None:
    """Write what is known of a net: how it was trained, how well it does in that condition, what calibrates it."""
    own = findings[findings.group == f"{config.condition.name} > {config.condition.name}"]
    figures = [
        [_short(row[name]) if name != "group" else "all" for name in FIGURE]
        for row in own.to_rows()
        if row["measure"].endswith(SHOWN)
    ]
    versions = {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "torch")}}
    known = {"instrument": NAME, "config": config.told(), **facts, "versions": versions, "level": LEVEL}
    write_json(known | {"figures": figures, "calibration": calibration.to_dict()}, path, indent=None)


def _short(value: Any) -> Any:
    """Return a number with four digits, and anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
