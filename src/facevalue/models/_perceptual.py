"""Perceptual models that a user fitted and installed: each is an instrument, `perceptual.<name>`."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data import fetch
from facevalue.data.errors import SchemaError, UnknownName, WeightsError
from facevalue.data.perception import ARRAYS, ENCODER, FILE, Perception, read_perception, write_perception
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


def perceptual_name(name: str) -> str:
    """Return what the instrument of a model is called.

    Raises
    ------
    SchemaError
        A name that is none.

    Examples
    --------
    >>> perceptual_name("mine")
    'perceptual.mine'
    """
    if not NAME.fullmatch(name):
        raise SchemaError(f"expected a name of small letters, digits, - and _ for an instrument; got {name!r}")
    return PERCEPTUAL + name


def install(model: Perception) -> str:
    """Put a model among the instruments, in the place of one of the same name; return the name of the instrument.

    Raises
    ------
    SchemaError
        A table, which embeds no new face; a head without names of columns, or on columns that rest on the model itself; an
        encoder without a crop; a name that is none.
    """
    name = perceptual_name(model.name)
    if model.head is None and not model.encoder:
        raise SchemaError(
            f"{model.name}: a table of the {len(model.items)} faces that were judged embeds no new face; "
            "fit it on columns that annotate measures (--on), or with AVFS's encoder (--config)"
        )
    if model.head is not None and not model.head.columns:
        raise SchemaError(f"{model.name}: expected the names of the columns that its vectors were; fit it with them")
    if model.head is None and "crop" not in model.about:
        raise SchemaError(f"{model.name}: expected about['crop'], the crop that its encoder sees; there is none")
    if any(_rests_on(needed, name) for needed in _needs(model)):
        raise SchemaError(f"{model.name}: it was fitted on columns that {name} itself fills; fit it under another --name")
    write_perception(model, _place(model.name))
    return name


def _needs(model: Perception) -> tuple[str, ...]:
    columns = model.head.columns if model.head else ()
    return tuple(dict.fromkeys(column.rpartition(".")[0] for column in columns))


def _rests_on(instrument: str, name: str) -> bool:
    """Return whether an instrument is, or needs, the one of that name."""
    known = instrument in installed() and instrument != name
    return instrument == name or (known and any(_rests_on(needed, name) for needed in _needs(perception(instrument))))


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
    """Return the card of an installed model; its source changes with its arrays and its encoder."""
    place = _place(name.removeprefix(PERCEPTUAL))
    state = os.stat(place / FILE)
    return _card(name, place, (state.st_ino, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=64)
def _card(name: str, place: Path, written: tuple[int, ...]) -> Card:
    model = perception(name)
    licence = str(model.about.get("licence", "that of the judgments it was fitted to"))
    return Card(
        name=name,
        kind="perceptual",
        about=f"the place of a face along {model.d} dimensions of likeness, as perceived by those who judged it",
        files=_files(model, place),
        crops=() if model.head else (Crop(**model.about["crop"]),),
        outputs=(Output("dimensions", "1", (model.d,)),),
        needs=_needs(model),
        licence=licence,
        commercial="-NC" not in licence,
        paper=str(model.about.get("paper", "Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023")),
        trained_on=_trained_on(model),
        limits=(
            "the likeness that its annotators see, among faces such as they were shown",
            "not calibrated: a dimension has no band; perceive evaluate says how well the model predicts answers",
        ),
        withheld="not_measured",
    )


def _files(model: Perception, place: Path) -> tuple[File, ...]:
    """Return the files that decide what the instrument measures, with their sums."""
    names = (ARRAYS, ENCODER) if model.encoder else (ARRAYS,)
    sums = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    return tuple(File(f"{PERCEPTUAL.rstrip('.')}/{model.name}/{name}", sha256=sha256) for name, sha256 in sums.items())


def _trained_on(model: Perception) -> str:
    answers = model.about.get("answers", model.about.get("counts", {}).get("train"))
    if answers is not None:
        return f"{answers} answers about {len(model.items)} faces"
    return f"what {model.about['source']} was trained on" if "source" in model.about else "unknown answers"


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
    found = [faces[name].values for name in columns]
    return np.hstack([values.reshape(len(faces), int(np.prod(values.shape[1:]))) for values in found])


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
    """Return the path of the encoder, which is what the model was written with; none where a head does the work."""
    return [_place(name.removeprefix(PERCEPTUAL)) / ENCODER] if perception(name).head is None else []


def _place(name: str) -> Path:
    return fetch.cache() / PERCEPTUAL.rstrip(".") / name


def is_perceptual(name: Any) -> bool:
    """Return whether a name is that of an installed model's instrument."""
    return str(name).startswith(PERCEPTUAL)
