"""Annotators and what they wrote: their groups, words for dimensions, ratings of faces, as the files of AVFS have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape, reads
from facevalue.data.files import read_json

AGES = ((18, 19), (20, 29), (30, 39), (40, 49), (50, 120))
SEVERAL = ("ancestry_regions", "ancestry_subregions")
GROUPINGS = ("age_group", "gender_id", *SEVERAL, "nationality", "intersectional")
CROSSED = ("gender_id", "age_group", "ancestry_regions")
SAID = ("age", "ancestry_regions", "ancestry_subregions", "gender_id", "nationality")


@dataclass(frozen=True, slots=True)
class Annotators:
    """What annotators say of themselves, one row each.

    Parameters
    ----------
    ids : (a,) str
        Each once.
    columns
        Words about each, (a,) str each, "" where they did not say. Several regions stand in one cell, with commas.

    Raises
    ------
    WrongShape
        A column is not as long as ids.
    SchemaError
        An id that is empty, or stands twice.

    Examples
    --------
    >>> known = Annotators(["ann", "bo"], {"gender_id": ["female", "male"], "age_group": ["20-29", ""],
    ...                                    "ancestry_regions": ["AS,EU", "EU"]})
    >>> known.groups("ancestry_regions")
    {'ann': ('AS', 'EU'), 'bo': ('EU',)}
    >>> known.groups("intersectional")
    {'ann': ('female,20-29,AS', 'female,20-29,EU'), 'bo': ()}
    """

    ids: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.asarray(self.ids, object))
        object.__setattr__(self, "columns", {name: np.asarray(column, object) for name, column in self.columns.items()})
        for name, column in self.columns.items():
            if column.shape != self.ids.shape:
                raise WrongShape(f"annotators: {name} has shape {column.shape}, expected {self.ids.shape} as ids has")
        if "" in self.ids or len(set(self.ids)) < len(self.ids):
            raise SchemaError(f"annotators: expected each of {len(self.ids)} ids once and none empty; got {len(set(self.ids))}")

    def __len__(self) -> int:
        return len(self.ids)

    def groups(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return the groups of each annotator: none where they did not say, several where they named several regions.

        Parameters
        ----------
        name
            A column, or "intersectional": gender, age group and region, crossed.

        Raises
        ------
        UnknownName
            No such column.
        """
        if name == "intersectional":
            parts = [self.groups(one) for one in CROSSED]
            return {who: tuple(map(",".join, product(*(part[who] for part in parts)))) for who in self.ids}
        if name not in self.columns:
            raise UnknownName(name, [*self.columns, "intersectional"], what="grouping of annotators")
        cells = (str(cell).split(",") if name in SEVERAL else [str(cell)] for cell in self.columns[name])
        split = (tuple(dict.fromkeys(word.strip() for word in words if word.strip())) for words in cells)
        return dict(zip(self.ids, split, strict=True))


def age_group(age: float | None) -> str:
    """Return the age group that AVFS uses; "" of no age, or one that is not 18 to 120.

    Examples
    --------
    >>> age_group(19), age_group(50), age_group(None), age_group(17)
    ('18-19', '50-120', '', '')
    """
    fits = [f"{low}-{high}" for low, high in AGES if age is not None and low <= age < high + 1]
    return fits[0] if fits else ""


@reads("AVFS's prescreener.json")
def read_annotators(path: str | Path) -> Annotators:
    """Read `prescreener.json` of AVFS: age, ancestry, gender and nationality; `age_group` is added.

    Raises
    ------
    MissingColumn
        An entry lacks one of them.
    SchemaError
        Not such a file, an age that is no number, or an annotator with two entries that differ.
    """
    path, known = Path(path), dict[str, dict[str, str]]()
    for entry in _entries(path, ("annotator_id", *SAID), what="what annotators say of themselves"):
        age = entry["age"]
        if age is not None and (isinstance(age, bool) or not isinstance(age, int | float)):
            raise SchemaError(f"{path}: expected an age in years, got {age!r} of annotator {entry['annotator_id']}")
        said = {name: "" if entry[name] is None else str(entry[name]) for name in SAID} | {"age_group": age_group(age)}
        if known.setdefault(str(entry["annotator_id"]), said) != said:
            raise SchemaError(f"{path}: expected one entry an annotator; {entry['annotator_id']} has two that differ")
    columns = {name: np.array([said[name] for said in known.values()], object) for name in (*SAID, "age_group")}
    return Annotators(np.array(list(known), object), columns)


@dataclass(frozen=True, slots=True)
class Topics:
    """Words that annotators gave to dimensions, one row a label.

    Parameters
    ----------
    dimension, original : (r,) int
        Number of the dimension, and its number before pruning.
    words : (r, 3) str
    annotator : (r,) str
    """

    dimension: np.ndarray
    original: np.ndarray
    words: np.ndarray
    annotator: np.ndarray


@dataclass(frozen=True, slots=True)
class Ratings:
    """How much of a dimension annotators see in faces, one row a rating.

    Parameters
    ----------
    dimension, original : (r,) int
        Number of the dimension, and its number before pruning.
    image : (r,) str
    rating : (r,) float64
        0 to 100.
    annotator : (r,) str
    """

    dimension: np.ndarray
    original: np.ndarray
    image: np.ndarray
    rating: np.ndarray
    annotator: np.ndarray


@reads("AVFS's dimension_topics.json")
def read_topics(path: str | Path) -> Topics:
    """Read `dimension_topics.json` of AVFS.

    Raises
    ------
    MissingColumn
        An entry lacks a key.
    SchemaError
        Not such a file, or an entry without three words.
    """
    entries = list(_entries(Path(path), (*LABELLED, "topics"), what="words for dimensions"))
    if wrong := [entry["topics"] for entry in entries if not _three_words(entry["topics"])]:
        raise SchemaError(f"{path}: expected three words an entry, got {wrong[0]!r} ({len(wrong)} of {len(entries)} so)")
    return Topics(*_labelled(entries), np.array([entry["topics"] for entry in entries], object), _whose(entries))


@reads("AVFS's image_rating.json")
def read_ratings(path: str | Path) -> Ratings:
    """Read `image_rating.json` of AVFS.

    Raises
    ------
    MissingColumn
        An entry lacks a key.
    SchemaError
        Not such a file, or a rating that is not 0 to 100.
    """
    entries = list(_entries(Path(path), (*LABELLED, "image_id", "image_rating"), what="ratings of faces"))
    given = [entry["image_rating"] for entry in entries]
    if wrong := [value for value in given if type(value) not in (int, float) or not 0 <= value <= 100]:
        raise SchemaError(f"{path}: expected ratings from 0 to 100, got {wrong[0]!r} ({len(wrong)} of {len(entries)} so)")
    images = np.array([str(entry["image_id"]) for entry in entries], object)
    return Ratings(*_labelled(entries), images, np.array(given, np.float64), _whose(entries))


LABELLED = ("dimension_id", "original_dimension_id", "annotator_id")


def _three_words(words: Any) -> bool:
    return isinstance(words, list) and len(words) == 3 and all(isinstance(word, str) for word in words)


def _labelled(entries: list[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    dimension, original = (np.array([entry[name] for entry in entries], np.int64) for name in LABELLED[:2])
    return dimension, original


def _whose(entries: list[Mapping[str, Any]]) -> np.ndarray:
    return np.array([str(entry["annotator_id"]) for entry in entries], object)


def _entries(path: Path, keys: tuple[str, ...], *, what: str) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of a JSON file of AVFS, each with all keys; whole numbers where a dimension is numbered."""
    found = read_json(path, expected=f"a JSON object with {what}")
    if not found:
        raise SchemaError(f"{path}: expected {what}; it has no entry")
    for name, entry in found.items():
        if not isinstance(entry, dict) or (lacking := [key for key in keys if key not in entry]):
            lack = f"lacks {lacking[0]!r}" if isinstance(entry, dict) else "is no object"
            raise MissingColumn(f"{path}: expected {what}, with {', '.join(keys)} in each entry; entry {name!r} {lack}")
        if wrong := [key for key in keys if key.endswith("dimension_id") and type(entry[key]) is not int]:
            raise SchemaError(f"{path}: expected a whole number as {wrong[0]}, got {entry[wrong[0]]!r} in entry {name!r}")
        yield entry
