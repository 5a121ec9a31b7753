"""What data.json and the split of DPaC say, in both known schemas, or what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.files import read_json

EMOTIONS = ("Happiness", "Anger", "Surprise", "Disgust", "Fear", "Sadness", "Neutral")
AGES = ("Child", "Adolescent", "Young Adult", "Middle-Aged Adult", "Older Adult")
GENDERS = ("Male", "Female")
LABELS: Mapping[str, tuple[str, ...]] = {"emotion": EMOTIONS, "age": AGES, "gender": GENDERS}
UNKNOWN = -1
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SPLITS = ("train_test_split.json", "splits.json")
PARTS: Mapping[str, str] = {"train": "train", "val": "valid", "valid": "valid", "test": "test"}


@dataclass(frozen=True, slots=True)
class Row:
    """A target as data.json has it: its box as it stands there, labels as places in `LABELS`, -1 where unknown."""

    id: str
    photo: str
    person: int
    box: tuple[float, ...]
    labels: Mapping[str, int]


def read_targets(data: Mapping[str, Any], folder: Path) -> list[Row]:
    """Return the targets of data.json, in order.

    Raises
    ------
    SchemaError
        An entry of neither schema, an unknown label, a box that is not four rising numbers, a name met twice.
    """
    found = list(_targets(data, folder / "data.json"))
    name, count = max(Counter(one.id for one in found).items(), key=lambda pair: pair[1], default=("", 0))
    if count > 1:
        raise SchemaError(f"{folder / 'data.json'}: expected each target once; {name!r} is there {count} times")
    return found


def read_split(folder: Path, data: Mapping[str, Any], targets: Sequence[Row]) -> dict[str, str]:
    """Return the part, "train", "valid" or "test", of each target that the split names, by its photo or itself.

    Raises
    ------
    SchemaError
        No split, a name that data.json lacks, or one in two parts.
    """
    file = next((folder / name for name in SPLITS if (folder / name).is_file()), folder / SPLITS[0])
    told = read_json(file, expected='{"train": [names], "test": [names]}')
    known = {bare(name) for name in data} | {name for one in targets for name in (one.id, one.photo)}
    parts: dict[str, str] = {}
    for key, part in PARTS.items():
        names = told.get(key, [] if part == "valid" else None)
        if not isinstance(names, list):
            raise SchemaError(f"{file}: expected {key!r}, a list of names; got {short(names)}")
        for name in map(bare, map(str, names)):
            if name not in known:
                raise SchemaError(f"{file}: {key}: {name!r} is not in {folder / 'data.json'}; take it out of the split")
            if parts.setdefault(name, part) != part:
                raise SchemaError(f"{file}: {name!r} is in {parts[name]} and in {part}; leave it in one")
    return {one.id: parts.get(one.id, parts.get(one.photo, "")) for one in targets}


def bare(name: str) -> str:
    """Return the name of a photo without the suffix of one."""
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name


def short(value: Any) -> str:
    """Return a value in at most 60 characters."""
    words = repr(value)
    return words if len(words) <= 60 else words[:59] + "…"


def _targets(data: Mapping[str, Any], file: Path) -> Iterator[Row]:
    for name, told in data.items():
        if isinstance(told, dict) and "body_bb" in told:
            photo, _, person = bare(name).rpartition("_")
            if not photo or not person.isdigit():
                raise SchemaError(f"{file}: {name!r}: expected the name of a target, <photo>_<number of the person>")
            yield _row(told, (photo, int(person)), f"{file}: {name!r}", name=bare(name))
        elif isinstance(told, dict) and isinstance(told.get("persons"), list):
            for i, one in enumerate(told["persons"]):
                yield _row(one, (bare(name), i), f"{file}: {name!r}, person {i}", name=f"{bare(name)}_{i}")
        else:
            raise SchemaError(f'{file}: {name!r}: expected "persons" as a list, or "body_bb"; got {short(told)}')


def _row(told: Any, place: tuple[str, int], where: str, *, name: str) -> Row:
    if not isinstance(told, dict) or not isinstance(told.get("attributes", {}), dict):
        raise SchemaError(f'{where}: expected "attributes" and "body_bb", got {short(told)}')
    if (box := _corners(told.get("body_bb"))) is None:
        got = short(told.get("body_bb"))
        raise SchemaError(f"{where}: expected body_bb [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got {got}")
    labels = {task: _label(told.get("attributes", {}).get(task), task, where) for task in LABELS}
    return Row(name, *place, box, labels)


def _corners(box: Any) -> tuple[float, ...] | None:
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(x, int | float) for x in box)
    if not numbers or not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
        return None
    return tuple(map(float, box))


def _label(word: Any, task: str, where: str) -> int:
    if word is None or word == "":
        return UNKNOWN
    known = LABELS[task]
    if isinstance(word, int) and not isinstance(word, bool) and 0 <= word < len(known):
        return word
    places = [label.casefold() for label in known]
    if isinstance(word, str) and word.strip().casefold() in places:
        return places.index(word.strip().casefold())
    raise SchemaError(f"{where}: expected {task} as one of {', '.join(known)}; got {short(word)}")
