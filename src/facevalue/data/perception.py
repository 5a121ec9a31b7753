"""A perceptual model: faces as people see them, along few dimensions, and how much each annotator weighs each of these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from facevalue.data.errors import ChecksumMismatch, SchemaError, WrongShape, reads
from facevalue.data.files import read_json, replacing

FILE, ARRAYS, ENCODER = "perception.json", "arrays.npz", "encoder.onnx"
FORMAT = 1
LINKS = ("sigmoid", "softplus")


@dataclass(frozen=True, slots=True)
class Head:
    """A layer that places any face by columns that instruments measure: `x = relu((v - centre) / scale @ weights + bias)`.

    Parameters
    ----------
    columns
        Names of the columns, whose values stand side by side as v.
    sources
        Whose they were when the head was fitted, as `Column.source`, one a column.
    centre, scale : (k,) float32
    weights : (k, d) float32
    bias : (d,) float32
    """

    columns: tuple[str, ...]
    sources: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class Population:
    """How the annotators' masks are spread: `mask = link(w) / link(mean)`, w normal about `mean` with `sd`.

    Parameters
    ----------
    link
        "sigmoid" or "softplus".
    mean, sd : (d,) float32
    """

    link: str
    mean: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True, slots=True)
class Perception:
    """A fitted model: n faces along d dimensions, and a masks.

    Parameters
    ----------
    name
        The instrument is called `perceptual.<name>`.
    items : (n,) str
        The faces that were judged.
    embedding : (n, d) float32
        Non-negative; similarity is the dot product of masked embeddings.
    labels : (a,) str
        Whose masks they are: annotators, groups, or sets of groups; none where the model has no masks.
    masks : (a, d) float32
        Non-negative factors of the embedding; 1 is the typical annotator.
    members
        The label of each annotator that the model knows.
    grouping
        "annotator", or what the groups are made by ("gender"); "" without masks.
    population
        From which the mask of a new annotator is drawn; None without masks.
    head
        Places new faces; None where the embedding is a table, or an encoder does.
    encoder
        ONNX bytes, crops to (n, d); b"" where there is none.
    measures
        Further facts of each dimension, (d,) each: "evidence", "stability".
    about
        What it was fitted with and on: configuration, counts, sums of the data, versions.

    Raises
    ------
    WrongShape
        The arrays do not fit each other.
    """

    name: str
    items: np.ndarray
    embedding: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    members: Mapping[str, str] = field(default_factory=dict)
    grouping: str = ""
    population: Population | None = None
    head: Head | None = None
    encoder: bytes = b""
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d = self.embedding.shape[-1]
        expected = {"embedding": (len(self.items), d), "masks": (len(self.labels), d)}
        found = {"embedding": self.embedding, "masks": self.masks} | dict(self.measures)
        if self.population is not None:
            found |= {"population's mean": self.population.mean, "population's sd": self.population.sd}
        if self.head is not None:
            expected["head's weights"] = (len(self.head.centre), d)
            found |= {"head's weights": self.head.weights, "head's bias": self.head.bias}
        for name, array in found.items():
            if array.shape != expected.get(name, (d,)):
                raise WrongShape(f"{self.name}: {name} has shape {array.shape}, expected {expected.get(name, (d,))}")

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return int(self.embedding.shape[1])

    @property
    def all_masks(self) -> np.ndarray:
        """The masks and, as the last row, the typical one of ones, (a + 1, d) float32."""
        return np.vstack([self.masks, np.ones((1, self.d), np.float32)])

    def rows(self, annotators: Sequence[str] | np.ndarray) -> np.ndarray:
        """Return the row of `all_masks` of each annotator, (t,) int; -1, the typical mask, for those it does not know."""
        row = {label: i for i, label in enumerate(self.labels)}
        known = {annotator: row[label] for annotator, label in self.members.items()}
        return np.array([known.get(annotator, -1) for annotator in annotators], np.int64)

    def places(self, names: Sequence[str] | np.ndarray) -> np.ndarray:
        """Return the row of the embedding of each face, (n,) int.

        Raises
        ------
        SchemaError
            Faces that the model has no row for.
        """
        row = {name: i for i, name in enumerate(self.items)}
        if unknown := [name for name in names if name not in row]:
            raise SchemaError(
                f"{self.name}: {len(unknown)} of {len(names)} faces are not among those it was fitted on "
                f"({unknown[0]!r}); embed them first"
            )
        return np.array([row[name] for name in names], np.int64)

    def keep(self, dimensions: Sequence[int] | np.ndarray) -> Perception:
        """Return the model with only some of its dimensions, in that order.

        Raises
        ------
        SchemaError
            A model with an encoder, whose net gives all of them; `facevalue.train.dimensions.kept` cuts that too.
        """
        if self.encoder:
            raise SchemaError(f"{self.name}: its encoder gives all {self.d} dimensions: use facevalue.train.dimensions.kept")
        at = np.asarray(dimensions, np.int64)
        head, known = self.head, self.population
        return replace(
            self,
            embedding=self.embedding[:, at],
            masks=self.masks[:, at],
            head=None if head is None else replace(head, weights=head.weights[:, at], bias=head.bias[at]),
            population=None if known is None else replace(known, mean=known.mean[at], sd=known.sd[at]),
            measures={name: values[at] for name, values in self.measures.items()},
        )


def write_perception(model: Perception, folder: str | Path) -> None:
    """Write a model into a folder: `perception.json`, `arrays.npz` and, where it has one, `encoder.onnx`."""
    folder, arrays = Path(folder), dict[str, Any](_arrays(model))
    with replacing(folder / ARRAYS) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    sums = {ARRAYS: hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()}
    if model.encoder:
        with replacing(folder / ENCODER) as part:
            part.write_bytes(model.encoder)
        sums[ENCODER] = hashlib.sha256(model.encoder).hexdigest()
    known = {
        "format": FORMAT,
        "name": model.name,
        "items": list(model.items),
        "labels": list(model.labels),
        "members": dict(model.members),
        "grouping": model.grouping,
        "link": model.population.link if model.population else None,
        "columns": dict(zip(model.head.columns, model.head.sources, strict=True)) if model.head else None,
        "sha256": sums,
        "about": dict(model.about),
    }
    with replacing(folder / FILE) as part:
        part.write_text(json.dumps(known, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def _arrays(model: Perception) -> Mapping[str, np.ndarray]:
    head, known = model.head, model.population
    parts = {"embedding": model.embedding, "masks": model.masks}
    parts |= {f"measure.{name}": values for name, values in model.measures.items()}
    parts |= {} if known is None else {"population.mean": known.mean, "population.sd": known.sd}
    names = ("centre", "scale", "weights", "bias")
    parts |= {} if head is None else {f"head.{name}": getattr(head, name) for name in names}
    return {name: np.asarray(values, np.float32) for name, values in parts.items()}


@reads("a perceptual model, as facevalue writes it; copy it again")
def read_perception(folder: str | Path) -> Perception:
    """Read a model that `write_perception` wrote; nothing in it is executed.

    Raises
    ------
    SchemaError
        No model lies there, or one of a later version, or a file of it is not what it should be.
    ChecksumMismatch
        The arrays are not those that the model was written with.
    """
    folder = Path(folder)
    known = read_json(folder / FILE, expected=f"the folder of a perceptual model, with {FILE}")
    if known.get("format") != FORMAT:
        raise SchemaError(f"{folder / FILE}: expected format {FORMAT}, got {known.get('format')!r}; update facevalue")
    sums = known.get("sha256")
    if not isinstance(sums, dict) or ARRAYS not in sums:
        raise SchemaError(f"{folder / FILE}: expected the sha256 of {ARRAYS}, got {sums!r}; copy the model again")
    _check_sums(folder, sums)
    try:
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _model(known, dict(arrays), (folder / ENCODER).read_bytes() if ENCODER in sums else b"")
    except (KeyError, TypeError, ValueError, BadZipFile) as error:
        raise SchemaError(f"{folder}: expected a perceptual model as facevalue writes it; {error}; copy it again") from error


def _check_sums(folder: Path, sums: Mapping[str, str]) -> None:
    for name in (name for name in (ARRAYS, ENCODER) if name in sums):
        if not (folder / name).is_file():
            raise SchemaError(f"{folder / name}: expected the arrays of a perceptual model, it is not there; copy it again")
        if (got := hashlib.sha256((folder / name).read_bytes()).hexdigest()) != sums[name]:
            raise ChecksumMismatch(
                f"{folder / name}: expected sha256 {sums[name][:16]}..., got {got[:16]}...; copy the model again"
            )


def _model(known: Mapping[str, Any], arrays: Mapping[str, np.ndarray], encoder: bytes) -> Perception:
    columns, link = known["columns"], known["link"]
    head = {name.removeprefix("head."): values for name, values in arrays.items() if name.startswith("head.")}
    spread = {name.removeprefix("population."): v for name, v in arrays.items() if name.startswith("population.")}
    return Perception(
        known["name"],
        np.array(known["items"], object),
        arrays["embedding"],
        np.array(known["labels"], object),
        arrays["masks"],
        known["members"],
        known["grouping"],
        Population(link, **spread) if link else None,
        Head(tuple(columns), tuple(columns.values()), **head) if columns else None,
        encoder,
        {name.removeprefix("measure."): v for name, v in arrays.items() if name.startswith("measure.")},
        known["about"],
    )
