"""Perceptual models that a user fitted and installed: each is an instrument, `perceptual.<name>`."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data import fetch
from facevalue.data.errors import SchemaError, UnknownName, WeightsError
from facevalue.data.perception import ARRAYS, FILE, Perception, read_perception, write_perception
from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Output
from facevalue.models._session import Net
from facevalue.stats.choice import rectified

if TYPE_CHECKING:
    from facevalue.data.faces import Faces

PERCEPTUAL = "perceptual."
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def installed() -> tuple[str, ...]:
    """Return the names of the instruments that are installed."""
    return tuple(sorted(PERCEPTUAL + path.parent.name for path in _place("").glob(f"*/{FILE}")))


def install(model: Perception) -> str:
    """Put a model among the instruments, in the place of one of the same name; return the name of the instrument.

    Raises
    ------
    SchemaError
        A table, which embeds no new face; a head without names of columns; a name that is none.
    """
    if not NAME.fullmatch(model.name):
        raise SchemaError(f"expected a name of small letters, digits, - and _ for an instrument; got {model.name!r}")
    if model.head is None and not model.encoder:
        raise SchemaError(
            f"{model.name}: a table of the {len(model.items)} faces that were judged embeds no new face; "
            "fit it on columns that annotate measures (--on), or with AVFS's encoder (--config)"
        )
    if model.head is not None and not model.head.columns:
        raise SchemaError(f"{model.name}: expected the names of the columns that its vectors were; fit it with them")
    write_perception(model, _place(model.name))
    return PERCEPTUAL + model.name


def perception(name: str) -> Perception:
    """Return the model behind an instrument.

    Raises
    ------
    UnknownName
        None of that name is installed.
    """
    if name not in installed():
        raise UnknownName(name, installed(), what="installed perceptual model")
    return read_perception(_place(name.removeprefix(PERCEPTUAL)))


def perceptual_card(name: str) -> Card:
    """Return the card of an installed model; its source changes with its arrays."""
    return _card(name, hashlib.sha256((_place(name.removeprefix(PERCEPTUAL)) / ARRAYS).read_bytes()).hexdigest())


@functools.cache
def _card(name: str, sha256: str) -> Card:
    model = perception(name)
    head, crops = model.head, (Crop(**model.about["crop"]),) if model.encoder else ()
    needs = tuple(dict.fromkeys(column.rpartition(".")[0] for column in head.columns)) if head else ()
    return Card(
        name=name,
        kind="perceptual",
        about=f"the place of a face along {model.d} dimensions of likeness, as perceived by those who judged it",
        files=(File(f"{PERCEPTUAL.rstrip('.')}/{model.name}/{ARRAYS}", sha256=sha256),),
        crops=crops,
        outputs=(Output("dimensions", "1", (model.d,)),),
        needs=needs,
        licence="that of the judgments it was fitted to",
        paper="Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023",
        trained_on=f"{model.about.get('answers', 'unknown')} answers about {len(model.items)} faces",
        limits=(
            "the likeness that its annotators see, among faces such as they were shown",
            "not calibrated: a dimension has no band; perceive evaluate says how well the model predicts answers",
        ),
        withheld="not_measured",
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """The verbs of such an instrument, as a model's file has them."""

    model: Perception

    def measure(self, nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
        """Return `dimensions`, (n, d), for crops, (n, h, w, 3) uint8 RGB."""
        return {"dimensions": nets[0](crops)[0]}

    def derive(self, photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
        """Return `dimensions`, (n, d), by the head, from the columns it was fitted on; NaN where one is missing."""
        head = self.model.head
        assert head is not None
        values = vectors(faces, head.columns)
        return {"dimensions": rectified((values - head.centre) / head.scale, head.weights, head.bias)}


def vectors(faces: Faces, columns: tuple[str, ...]) -> np.ndarray:
    """Return columns side by side, (n, k) float32."""
    return np.hstack([faces[name].values.reshape(len(faces), -1) for name in columns])


def placed(name: str, sources: dict[str, str]) -> Placed:
    """Return the verbs of an instrument, if the instruments that it needs have the sources that it was fitted with.

    Raises
    ------
    WeightsError
        An instrument that it needs has other weights now.
    """
    model = perception(name)
    if model.head is not None:
        for column, fitted in zip(model.head.columns, model.head.sources, strict=True):
            now = sources[column.rpartition(".")[0]]
            if now != fitted:
                raise WeightsError(f"{name}: fitted on {column} of {fitted}, which is {now} now; fit it again")
    return Placed(model)


def graphs(name: str) -> list[Path]:
    """Return the path of the encoder; none where a head does the work."""
    place = _place(name.removeprefix(PERCEPTUAL)) / "encoder.onnx"
    return [place] if place.is_file() else []


def _place(name: str) -> Path:
    return fetch.cache() / PERCEPTUAL.rstrip(".") / name


def is_perceptual(name: Any) -> bool:
    """Return whether a name is that of an installed model's instrument."""
    return str(name).startswith(PERCEPTUAL)
