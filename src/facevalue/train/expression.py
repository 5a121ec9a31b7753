"""The recipe of `expression`: how ten raters share their votes over eight emotions, from FER+."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from facevalue.confidence.error_rates import confusion_record
from facevalue.confidence.sets import Calibration, fit_distribution
from facevalue.data.errors import SchemaError
from facevalue.data.faces import Faces
from facevalue.data.photos import find_photos
from facevalue.models.dmue import LABELS
from facevalue.stats.calibration import vector_scaling
from facevalue.train.export import head
from facevalue.train.figures import Judge
from facevalue.train.losses import cross_entropy
from facevalue.train.nets import Heads
from facevalue.train.recipe import Arrays, Recipe, Sample
from facevalue.train.tables import Labelled, check_classes, check_photos, read_labelled

if TYPE_CHECKING:
    from facevalue.models._convert.graph import Graph

# FER+'s columns in the order of LABELS, and the two that are no emotion.
EMOTIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
NEITHER = ("unknown", "NF")
RATERS = 10
TABLES = ("train.parquet", "valid.parquet")
# Rows with fewer votes for emotions teach nothing; nor do those that most raters called unknown, or no face.
LEAST_VOTES = 3
LEAST = 10


def read(data: Path) -> Sample:
    """Read a folder with train.parquet and valid.parquet: photos and the votes of ten raters; the latter is the test."""
    tables = [_table(data / name) for name in TABLES]
    votes = np.concatenate([np.stack([t.labels[name] for name in (*EMOTIONS, *NEITHER)], axis=1) for t in tables])
    of_emotions = votes[:, : len(EMOTIONS)]
    usable = (of_emotions.sum(1) >= LEAST_VOTES) & (votes.argmax(1) < len(EMOTIONS))
    test = np.repeat([False, True], [len(t.photos) for t in tables])
    for what, rows in (("train", ~test), ("valid", test)):
        check_classes(of_emotions[rows & usable].argmax(1), LABELS, what=f"{data}/{what}: most votes", least=LEAST)
    shares = of_emotions / np.maximum(of_emotions.sum(1, keepdims=True), 1)
    targets = {"votes": shares.astype(np.float32), "majority": majority(votes)}
    files = [data / name for name in TABLES]
    return Sample(find_photos(files), files, targets, usable, test)


def _table(path: Path) -> Labelled:
    table = read_labelled(path, dict.fromkeys((*EMOTIONS, *NEITHER), (0, RATERS)))
    total = sum(table.labels.values())
    if len(wrong := np.flatnonzero((np.asarray(total) < 1) | (np.asarray(total) > RATERS))):
        raise SchemaError(f"{path}: expected 1 to {RATERS} votes a row, got {np.asarray(total)[wrong[0]]} in row {wrong[0]}")
    check_photos(table, path)
    return table


def majority(votes: np.ndarray) -> np.ndarray:
    """Return the emotion of most votes, (n,), or -1 where FER+ has none: the rule of its authors' "majority" mode.

    Single votes count as noise; the label with most of the others must have more than half of them, and be an emotion.

    Parameters
    ----------
    votes : (n, 10) int
        For eight emotions, unknown and no face.

    References
    ----------
    Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
    Label Distribution, ICMI 2016, section 4.1.

    Examples
    --------
    >>> majority(np.array([[6, 3, 1, 0, 0, 0, 0, 0, 0, 0], [4, 4, 1, 1, 0, 0, 0, 0, 0, 0]])).tolist()
    [0, -1]
    """
    kept = np.where(votes > 1, votes, 0)
    clear = (kept.max(1) > kept.sum(1) / 2) & (kept.argmax(1) < len(EMOTIONS))
    return np.where(clear, kept.argmax(1), -1)


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return the cross-entropy to the raters' shares."""
    return cross_entropy(outputs["votes"], targets["votes"])


def scale(logits: Arrays, targets: Arrays) -> dict[str, Any]:
    """Return scale and bias of each emotion's logit."""
    fitted = vector_scaling(logits["votes"], targets["votes"])
    return {"votes": {"scale": fitted.scale.tolist(), "bias": fitted.bias.tolist()}}


def outputs(net: Heads, scaling: Mapping[str, Any], graph: Graph, seen: str) -> list[str]:
    """Add the distribution of votes."""
    scaled = (np.array(scaling["votes"][part]) for part in ("scale", "bias"))
    return [graph.softmax(head(graph, seen, net, "votes", *scaled))]


def calibrate(faces: Faces, targets: Arrays) -> Calibration:
    """Return sets, conditional on the label, for the emotion of most votes."""
    votes = faces["expression.votes"].values
    return Calibration({"expression.votes": fit_distribution(votes, targets["votes"], labels=LABELS)})


def groups(targets: Arrays) -> dict[str, np.ndarray]:
    """Return the emotion of most votes."""
    return {"emotion": np.array(LABELS)[targets["votes"].argmax(1)]}


def judge(to: Judge, faces: Faces, targets: Arrays) -> None:
    """Add how well votes, their majority and the raters' disagreement are told."""
    shares, top, clear = targets["votes"], targets["votes"].argmax(1), targets["majority"]
    column = faces["expression.votes"]
    to.share("majority_accuracy", column.values.argmax(1) == clear, among=to.judged & (clear >= 0))
    to.distribution("votes", column, faces["expression.votes_set"], top, shares=shares, votes=RATERS)
    to.entropies(faces["expression.entropy"].values, shares)


def errors(faces: Faces, targets: Arrays, weights: np.ndarray) -> dict[str, Any]:
    """Return for which emotion the faces of each are taken, by that of most votes."""
    told, truth = faces["expression.votes"].values, targets["votes"].argmax(1)
    return {"confusions": {"votes": confusion_record(told, truth, labels=LABELS, weights=weights)}}


RECIPE = Recipe(
    "expression",
    blocks=(0, 1, 3, 4, 5, 7, 8, 10),
    gray=True,
    heads={"votes": len(LABELS)},
    mirrored=False,
    shares={"fit": 0.88, "stop": 0.04, "calibrate": 0.08},
    read=read,
    loss=loss,
    scale=scale,
    outputs=outputs,
    calibrate=calibrate,
    groups=groups,
    judge=judge,
    errors=errors,
    shrinks=False,
)
