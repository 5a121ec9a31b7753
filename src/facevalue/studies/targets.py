"""Targets: numbers and labels of faces that a probe may look for, out of measured columns, tables and placed landmarks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.faces import Column, Faces
from facevalue.data.people import PERSON_COLUMNS, People
from facevalue.data.photos import PATH_COLUMNS
from facevalue.data.shapes import Shapes
from facevalue.image.proportions import proportions

# what stands for several columns or has a shorter name: the columns, and the instrument that measures them
GROUPS: Mapping[str, tuple[str, ...]] = {
    "geometry": ("mesh.landmarks",),
    "pose": ("pose.yaw", "pose.pitch", "pose.roll"),
    "age": ("attributes.age",),
    "brightness": ("quality.luminance",),
    "sharpness": ("quality.sharpness",),
    "size": ("quality.inter_eye",),
}
PLACED = "placed"
NONE = frozenset({"na", "n/a", "nan", "none", "null"})


def instruments_of(names: Sequence[str], known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the instruments that must measure faces for these targets, each once.

    Parameters
    ----------
    names
        Groups ("geometry"), or columns ("attributes.gender").
    known
        Columns of a table, which need none.

    Raises
    ------
    UnknownName
        Neither a group, nor a column of an instrument, nor one of the table.

    Examples
    --------
    >>> instruments_of(["geometry", "pose", "attributes.gender", "income"], known=["income"])
    ('mesh', 'pose', 'attributes')
    """
    columns: list[str] = []
    for name in names:
        group = "geometry" if name.startswith("geometry.") else name
        if name in known or name.partition(".")[0] == PLACED:
            continue
        if group not in GROUPS and "." not in name:
            raise UnknownName(name, [*GROUPS, PLACED, *known], what="target")
        columns += GROUPS.get(group, (group,))
    return tuple(dict.fromkeys(column.partition(".")[0] for column in columns))


def targets(
    names: Sequence[str], people: People, *, table: Mapping[str, np.ndarray] | None = None, placed: Shapes | None = None
) -> dict[str, np.ndarray]:
    """Return the targets by name, (n,) each: float64 with NaN, or labels with "".

    "geometry" is each of `facevalue.image.proportions`, free of size and, by the mesh's depth, of pose; of a column of shares
    the target is the label with the largest. A column of a table comes before a group of the same name.

    Parameters
    ----------
    names
        Groups ("geometry", "pose", "age", "brightness", "sharpness", "size"), columns of instruments, columns of the table;
        "placed" is the geometry of placed landmarks; "geometry.nose_width" and "placed.nose_width" are one of each.
    people
        n photos, measured.
    table
        Further columns, (n,) each.
    placed
        Landmarks that somebody placed, by the name of the photo without folder and suffix.

    Raises
    ------
    MissingColumn, UnknownName
        A column that is not there; no such name.
    SchemaError
        "placed" without landmarks, or none of the photos among them; a column of neither numbers nor shares of labels.
    """
    known, found = dict(table or {}), dict[str, np.ndarray]()
    for name in names:
        if name in known:
            found[name] = known[name]
        elif name.partition(".")[0] in ("geometry", PLACED):
            group, _, one = name.partition(".")
            found |= _geometry(group, one, _placed(people, placed) if group == PLACED else mesh_proportions(people.faces))
        elif name in GROUPS:
            found |= {column: _column(people.faces[column], column) for column in GROUPS[name]}
        elif "." in name:
            found[name] = _column(people.faces[name], name)
        else:
            raise UnknownName(name, [*GROUPS, *known], what="target")
    return found


def outcome(
    name: str, people: People, *, table: Mapping[str, np.ndarray] | None = None, placed: Shapes | None = None
) -> np.ndarray:
    """Return the one target of a name, (n,); arguments as for `targets`.

    Raises
    ------
    SchemaError
        The name stands for several.
    MissingColumn, UnknownName
        As `targets` does.
    """
    found = targets([name], people, table=table, placed=placed)
    if len(found) != 1:
        raise SchemaError(f"expected one outcome; {name} stands for {len(found)}: name one of {', '.join(found)}")
    return next(iter(found.values()))


def numbers(found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return targets of numbers side by side, (n, e) float64.

    Raises
    ------
    SchemaError
        One of them is of labels.

    Examples
    --------
    >>> numbers({"a": np.array([1.0, 2]), "b": np.array([3.0, 4])})
    array([[1., 3.],
           [2., 4.]])
    """
    if labelled := [name for name, values in found.items() if np.asarray(values).dtype.kind in "OUS"]:
        raise SchemaError(f"expected numbers, got labels: {', '.join(labelled)}; leave those out")
    return np.stack([np.asarray(values, np.float64) for values in found.values()], 1)


def mesh_proportions(faces: Faces) -> dict[str, np.ndarray]:
    """Return the proportions of the meshes of faces, by name, (n,) float64; NaN where there is no mesh.

    Raises
    ------
    MissingColumn
        The mesh was not measured.
    """
    return proportions(faces["mesh.landmarks"].values.astype(np.float64))


def table_columns(people: People, rows: Sequence[Mapping[str, str]], *, where: str) -> dict[str, np.ndarray]:
    """Return the columns of a table for each photo, (n,), numbers where all words are; by its path, or else its person.

    Parameters
    ----------
    people
        n photos.
    rows
        Of a table, by lower-case names, as `facevalue.data.people.read_table` gives them.
    where
        What to call the table in an error.

    Raises
    ------
    MissingColumn
        No column of paths or people.
    SchemaError
        A photo or person twice, or none of them among the photos.
    """
    key = next((name for name in (*PATH_COLUMNS, *PERSON_COLUMNS) if name in rows[0]), None)
    if key is None:
        wanted = f"{PATH_COLUMNS[0]} or {PERSON_COLUMNS[0]}"
        raise MissingColumn(f"{where}: expected a column called {wanted}; it has {', '.join(rows[0])}")
    by_key = {row[key].strip(): row for row in rows}
    if len(by_key) < len(rows):
        raise SchemaError(f"{where}: expected each {key} once; {len(rows) - len(by_key)} of {len(rows)} rows repeat one")
    photos = people.faces.path if key in PATH_COLUMNS else people.person
    if not any(str(photo) in by_key for photo in photos):
        raise SchemaError(
            f"{where}: expected {key} like {str(photos[0])!r}; none of {len(by_key)} fits, the first is {next(iter(by_key))!r}"
        )
    names = [name for name in rows[0] if name not in (*PATH_COLUMNS, *PERSON_COLUMNS)]
    words = {name: [by_key.get(str(photo), {}).get(name, "") for photo in photos] for name in names}
    return {name: read_words(column) for name, column in words.items()}


def read_words(words: Sequence[str]) -> np.ndarray:
    """Return words as float64, NaN where there is none, if all others are numbers; else as they are, "" where there is none.

    NA, N/A, NaN, None and null are none.

    Examples
    --------
    >>> read_words(["1.5", "NA", "2"]), read_words(["a", "1", "none"])
    (array([1.5, nan, 2. ]), array(['a', '1', ''], dtype=object))
    """
    stripped = ["" if str(word).strip().lower() in NONE else str(word).strip() for word in words]
    number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
    if all(number.fullmatch(word) for word in stripped if word):
        return np.array([float(word) if word else np.nan for word in stripped])
    return np.array(stripped, object)


def _column(column: Column, name: str) -> np.ndarray:
    values = column.values.astype(np.float64)
    if values.ndim == 1:
        return values
    if not column.labels or values.ndim != 2 or name.endswith("_set"):
        raise SchemaError(f"{name}: expected a number a face or shares of labels; got shape {values.shape}")
    labels, there = np.array(column.labels, object), np.isfinite(values).all(1)
    return np.where(there, labels[np.nan_to_num(values).argmax(1)], "")


def _geometry(group: str, one: str, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the proportions of a group, or the one that is asked for."""
    if one and one not in known:
        raise UnknownName(f"{group}.{one}", [f"{group}.{name}" for name in known], what="target")
    return {f"{group}.{name}": values for name, values in known.items() if one in ("", name)}


def _placed(people: People, shapes: Shapes | None) -> dict[str, np.ndarray]:
    """Return the proportions of placed landmarks by photo; NaN where nobody placed any."""
    if shapes is None:
        raise SchemaError(f"expected placed landmarks for the target {PLACED!r}: give them with --landmarks")
    at = {str(name): i for i, name in enumerate(shapes.names)}
    rows = np.array([at.get(PurePosixPath(str(path)).stem, -1) for path in people.faces.path])
    if (rows < 0).all():
        example = PurePosixPath(str(people.faces.path[0])).stem
        raise SchemaError(f"expected landmarks named like the photos, as {example!r}; they are like {str(shapes.names[0])!r}")
    found = proportions(shapes.points, shapes.scheme)
    return {name: np.where(rows >= 0, values[rows], np.nan) for name, values in found.items()}
