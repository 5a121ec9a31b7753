"""Checkpoints of CHAPNet under test conditions: what each tells of the test part, whole and without each of its branches."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facevalue.data.dpac import LABELS, Dpac, bare, read_dpac
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import read_json
from facevalue.data.findings import Findings
from facevalue.models._convert.checkpoint import read_checkpoint
from facevalue.studies.transfer import PEOPLE, Told, transfer
from facevalue.train.chapnet import LEVEL, Around, targets
from facevalue.train.chapnet_data import Condition, Hiding, Pictures, Views, condition, left_out, pictures, unusable
from facevalue.train.chapnet_loop import BESIDE, features, likeliest, logits_of
from facevalue.train.chapnet_nets import BRANCHES, Chapnet

# What is left out in turn: each branch, and all that sees the photo.
LEFT_OUT: Mapping[str, tuple[str, ...]] = {name: (name,) for name in BRANCHES} | {
    "context": ("objects", "event", "relationship")
}
RATED = ("image", "person", "condition", "rater", "label")
BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A checkpoint: the net, what it was trained on, and the plain values of its training."""

    net: Chapnet
    condition: Condition
    known: Mapping[str, Any]
    path: Path


def read_trained(path: Path, device: torch.device) -> Trained:
    """Read a checkpoint, a state dict, by the net.json beside it.

    Raises
    ------
    RunError
        It is no checkpoint of `facevalue train chapnet`, or another net's.
    """
    beside = path.parent / BESIDE
    if not path.is_file() or not beside.is_file():
        lacking = beside if path.is_file() else path
        raise RunError(f"--cp-path: expected a checkpoint of `facevalue train chapnet` and its {BESIDE}; no {lacking} is there")
    known = read_json(beside, expected="what `facevalue train chapnet` writes beside a checkpoint")
    try:
        hidden = Condition(known["condition"]["region"], known["condition"]["people"])
        net = Chapnet(known["backbone"], known["size"], paper_exact=known["paper_exact"])
        net.load_state_dict(
            {name: torch.from_numpy(values.copy()) for name, values in read_checkpoint(path, ignored=()).items()}
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise RunError(
            f"{path}: expected the weights of the net that {BESIDE} tells of; {' '.join(str(error).split())[:120]}"
        ) from error
    return Trained(net.to(device).eval(), hidden, known, path)


def under_conditions(
    checkpoints: Sequence[Path],
    folder: Path,
    wanted: Sequence[Condition],
    *,
    around: Around,
    hiding: Hiding | None = None,
    ratings: Path | None = None,
    level: float = LEVEL,
    seed: int,
) -> Findings:
    """Return how well each checkpoint tells the labels of the test part in each condition; see `transfer`.

    The same targets are used throughout: those that can be seen in every condition. A branch is left out by putting its mean
    over the test targets of that condition in its place; nothing is trained anew.

    Parameters
    ----------
    checkpoints
        Files `<epoch>.pth`; two of one condition are told apart by their folders.
    folder
        Of DPaC, or one made like it.
    wanted
        Conditions of the test.
    around
        Device, faces and progress.
    hiding
        How regions are hidden; that of the first checkpoint's training where it is not given.
    ratings
        A .csv of image, person, condition, rater, label: what people said.
    level, seed
        Of the intervals.
    """
    nets = [read_trained(path, around.device) for path in checkpoints]
    hiding = hiding or Hiding(**nets[0].known["hiding"])
    data = read_dpac(folder)
    shown, whence = pictures(data, wanted, hiding, around.find)
    why = unusable(shown, wanted)
    rows = np.flatnonzero(data.test & (why == ""))
    if not len(rows):
        raise RunError(f"{folder}: expected targets of the test part that can be seen in every condition, got none")
    around.say(f"{len(rows)} targets of the test part{left_out(why[data.test])}; {whence}{_hidden_by(nets, wanted, hiding)}")
    cells, names = list[Told](), _names(nets)
    for number, (one, name) in enumerate(zip(nets, names, strict=True)):
        seen = _as_trained(shown, one)
        for which, hidden in enumerate(wanted):
            views = Views(seen, hidden, one.net.size)
            cells += cells_of(one.net, views, rows, name)
            around.progress(number * len(wanted) + which + 1, len(nets) * len(wanted))
    if ratings is not None:
        rated, others = read_ratings(ratings, data, rows)
        answers = sum(len(one.row) for one in rated if one.row is not None)
        around.say(f"answers of people: {answers} used, {others} about targets that are not tested")
        cells += rated
    run = ", ".join(f"{name} {one.path.parent.name}/{one.path.name}" for one, name in zip(nets, names, strict=True))
    groups = {name: _words(name, getattr(data, name)[rows]) for name in ("age", "gender")}
    return transfer(cells, targets(data, rows, groups), level=level, seed=seed, run=f"{run}; {hiding.method}; seed {seed}")


def _as_trained(shown: Pictures, one: Trained) -> Pictures:
    """Return the photos with joints as a net was trained on them: those of a net with the published errors are scrambled."""
    return replace(shown, data=replace(shown.data, paper_exact=True)) if one.known["paper_exact"] else shown


def _hidden_by(nets: Sequence[Trained], wanted: Sequence[Condition], hiding: Hiding) -> str:
    """Return how faces are hidden, and which nets saw them hidden otherwise in training."""
    if not any(one.region for one in wanted):
        return ""
    ways = {one.known["hiding"]["method"] for one in nets if one.condition.region} - {hiding.method}
    return f"; hidden by {hiding.method}" + (f", in training of some nets by {', '.join(sorted(ways))}" if ways else "")


def cells_of(net: Chapnet, views: Views, rows: np.ndarray, trained: str) -> Iterator[Told]:
    """Yield what a net tells of targets in a condition, whole and without each of its branches."""
    found = features(net, views, rows, batch=BATCH)
    yield Told(trained, views.condition.name, likeliest(logits_of(net, found)))
    for name, branches in LEFT_OUT.items():
        mean = {branch: found[branch].mean(0).expand_as(found[branch]) for branch in branches}
        yield Told(trained, views.condition.name, likeliest(logits_of(net, {**found, **mean})), without=name)


def _names(nets: Sequence[Trained]) -> list[str]:
    """Return what each net was trained on, with its run's folder where two were trained alike."""
    names = [one.condition.name for one in nets]
    told = [
        name if names.count(name) == 1 else f"{name} ({one.path.resolve().parent.parent.name})"
        for name, one in zip(names, nets, strict=True)
    ]
    if len(set(told)) < len(told):
        raise RunError("--cp-path: expected checkpoints of different conditions or runs, got two of one run")
    return told


def _words(task: str, places: np.ndarray) -> np.ndarray:
    names: np.ndarray = np.array([*LABELS[task], ""], object)[places]
    return names


def read_ratings(path: Path, data: Dpac, rows: np.ndarray) -> tuple[list[Told], int]:
    """Return what people said of targets, a cell a condition, and how many answers are about targets that are not tested.

    Parameters
    ----------
    path
        A .csv of image, person (number), condition ("intact", "face:AO" or "face"), rater, label (of any task).
    data
        n targets.
    rows : (m,) int
        Those that are tested.

    Raises
    ------
    SchemaError
        A column is missing, or a label, a condition or a target unknown.
    """
    where = {name: (task, place) for task, names in LABELS.items() for place, name in enumerate(names)}
    number = dict.fromkeys(map(str, data.id)) | {str(name): at for at, name in enumerate(data.id[rows])}
    others = 0
    found = dict[str, list[tuple[int, str, int]]]()
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if lacking := [name for name in RATED if name not in (reader.fieldnames or ())]:
            raise SchemaError(f"{path}: expected columns {', '.join(RATED)}; {lacking[0]!r} is missing")
        for line, row in enumerate(reader, start=2):
            if row["label"] not in where:
                raise SchemaError(f"{path}, line {line}: expected a label such as {next(iter(where))}, got {row['label']!r}")
            region, _, people = row["condition"].partition(":")
            hidden = condition(region if region != "intact" else None, people or None).name
            name = f"{bare(row['image'])}_{row['person']}"
            if name not in number:
                raise SchemaError(f"{path}, line {line}: expected a target of {data.folder / 'data.json'}, got {name!r}")
            if (at := number[name]) is None:
                others += 1
            else:
                found.setdefault(hidden, []).append((at, *where[row["label"]]))
    return [_rated(hidden, told) for hidden, told in found.items()], others


def _rated(hidden: str, told: Sequence[tuple[int, str, int]]) -> Told:
    """Return the answers of people in one condition; each is about one task."""
    at = np.array([row for row, _, _ in told])
    answers = {task: np.array([place if of == task else -1 for _, of, place in told]) for task in LABELS}
    return Told(PEOPLE, hidden, answers, row=at)
