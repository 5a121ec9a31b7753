"""What else photos show of people: dimensions in which they are near or far, and what of a photo passes for likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.studies.dimensions import dimension_names
from facevalue.studies.photo_measures import PHOTO_WORDS, member_means, member_rows, photo_reasons, source_column

DIMENSIONS = (
    "attributes.age",
    "attributes.gender",
    "pose.yaw",
    "pose.pitch",
    "pose.roll",
    "expression.votes",
    "quality.inter_eye",
    "quality.sharpness",
    "quality.luminance",
)
AVERAGENESS, YAW = "averageness", "pose.yaw"
QUALITY = ("quality.sharpness", "quality.luminance", "quality.inter_eye", YAW)


@dataclass(frozen=True, slots=True, eq=False)
class FaceDimensions:
    """Numbers about the faces of n people.

    Parameters
    ----------
    labels
        "attributes.age", "attributes.gender: female", "expression.votes: happiness".
    units
        Of each.
    values : (n, d) float64
        Means over photos; NaN where none was measured.
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class PhotoControls:
    """What of n people's photos goes with the similarity of their faces, and is not their faces.

    Parameters
    ----------
    quality
        By column, (n,) float64 means over photos; of "pose.yaw" of its size. NaN where none was measured.
    shares
        By column of words, (n, c) float64: which share of a person's photos has each word; NaN where none has any.
    words
        By the same, the c words, sorted.
    """

    quality: Mapping[str, np.ndarray]
    shares: Mapping[str, np.ndarray]
    words: Mapping[str, tuple[str, ...]]

    def same(self, name: str, block: np.ndarray) -> np.ndarray:
        """Return which share of two people's pairs of photos has the same word, (n_b, n_b) float64; NaN on the diagonal.

        Parameters
        ----------
        name
            "camera".
        block : (n_b,) int
            Rows of people.

        Raises
        ------
        MissingColumn
            Nothing is known by that name.
        """
        if name not in self.shares:
            raise MissingColumn(f"photos: expected a column {name!r}; there are: {', '.join(sorted(self.shares)) or 'none'}")
        part = self.shares[name][block]
        found = np.asarray(part @ part.T)
        np.fill_diagonal(found, np.nan)
        return found


def face_dimensions(people: People, members: np.ndarray, names: Sequence[str] | None = None) -> FaceDimensions:
    """Return what was measured of faces as one number a person and dimension: the mean over photos.

    A distribution over two labels is one dimension: P(female), or that of the second label; one over more has a dimension a
    label; so has each of a perceptual model's.

    Parameters
    ----------
    people
        Photos that count, of members or others.
    members : (n,) str
        Ids.
    names
        Of columns, or of perceptual models; None takes age, perceived gender, pose, expression, quality and averageness, as
        far as they were measured.

    Raises
    ------
    MissingColumn
        A column is not there.
    SchemaError
        A column is not (photos,) or (photos, d), or an embedding, whose dimensions mean nothing one by one.

    Examples
    --------
    >>> from facevalue.data.faces import Faces
    >>> gender = Column(np.array([[0.2, 0.8], [0.4, 0.6], [1, 0]]), "p", "m@1", labels=("male", "female"))
    >>> faces = Faces(np.arange(3).astype(str), np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3), {"m.gender": gender})
    >>> people = People(faces, np.array(["ann", "ann", "bo"], object), np.zeros(3, int))
    >>> found = face_dimensions(people, np.array(["ann", "bo"]), ["m.gender"])
    >>> found.labels, found.values.round(2).tolist()
    (('m.gender: female',), [[0.7], [0.0]])
    """
    if names is None:
        known = people.faces.columns
        names = [name for name in DIMENSIONS if name in known] + [n for n in known if n.rpartition(".")[2] == AVERAGENESS]
    who, labels, units = member_rows(people, members), list[str](), list[str]()
    parts = [np.empty((len(members), 0))]
    for name in names:
        column, values = source_column(people.faces, name), _numbers(people, name)
        told, kept = _labels(name, column[1])
        labels, units = [*labels, *told], [*units, *[column[1].unit] * len(told)]
        parts.append(member_means(values[:, kept], who, len(members)))
    return FaceDimensions(tuple(labels), tuple(units), np.hstack(parts))


def photo_controls(people: People, members: np.ndarray, names: Sequence[str] | None = None) -> PhotoControls:
    """Return the quality of each person's photos, and with what they were taken.

    Parameters
    ----------
    people
        Photos that count: those with a part in the similarity, and no others.
    members : (n,) str
        Ids.
    names
        Columns of words about photos; None takes camera, batch, day, device and wave, as far as they are there. "" is unknown.

    Raises
    ------
    MissingColumn
        A column of words is not there.

    Examples
    --------
    >>> from facevalue.data.faces import Faces
    >>> faces = Faces(np.arange(3).astype(str), np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3))
    >>> camera = {"camera": np.array(["A", "B", "A"], object)}
    >>> people = People(faces, np.array(["ann", "ann", "bo"], object), np.zeros(3, int), camera)
    >>> found = photo_controls(people, np.array(["ann", "bo"]))
    >>> found.words["camera"], found.shares["camera"].tolist(), found.same("camera", np.arange(2)).tolist()
    (('A', 'B'), [[0.5, 0.5], [1.0, 0.0]], [[nan, 0.5], [0.5, nan]])
    """
    who, n = member_rows(people, members), len(members)
    quality = {}
    for name in (name for name in QUALITY if name in people.faces.columns):
        values = _numbers(people, name)
        quality[name] = member_means(np.abs(values) if name == YAW else values, who, n)[:, 0]
    names = [name for name in PHOTO_WORDS if name in people.columns] if names is None else names
    shares, words = {}, {}
    for name in names:
        if name not in people.columns:
            known = ", ".join(sorted(people.columns)) or "none"
            raise MissingColumn(f"photos: expected a column of words {name!r}; there are: {known}")
        words[name], shares[name] = _shares(people.columns[name], who, n)
    return PhotoControls(quality, shares, words)


def _numbers(people: People, name: str) -> np.ndarray:
    """Return the values of a column, (photos, d), NaN where there is a reason for none."""
    found, column = source_column(people.faces, name)
    if column.values.ndim > 2 or found.endswith(".embedding"):
        raise SchemaError(f"expected numbers that mean something one by one; {found} is {column.values.shape}: leave it out")
    values = column.values.astype(np.float64)
    values = values[:, None] if values.ndim == 1 else values
    values[photo_reasons(column) != ""] = np.nan
    return values


def _labels(name: str, column: Column) -> tuple[list[str], list[int]]:
    """Return what the dimensions of a column are called, and which of its values they are."""
    if column.values.ndim == 1:
        return [name], [0]
    labels = list(column.labels) or dimension_names(column.values.shape[1]).tolist()
    kept = list(range(len(labels)))
    if len(labels) == 2 and column.unit == "p":
        kept = [next((k for k in kept if labels[k].lower() == "female"), 1)]
    return [f"{name}: {labels[k]}" for k in kept], kept


def _shares(column: np.ndarray, who: np.ndarray, n: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the words of members' photos, and the share of each among those with a word, (n, c)."""
    told = (who >= 0) & (column != "")
    words, at = np.unique(column[told].astype(str), return_inverse=True)
    counts = np.zeros((n, len(words)))
    np.add.at(counts, (who[told], at), 1)
    total = counts.sum(1, keepdims=True)
    return tuple(words.tolist()), np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
