"""People: which photos show whom, and one face a photo."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, RunError, SchemaError, WrongShape, reads
from facevalue.data.faces import Faces
from facevalue.data.files import read_faces
from facevalue.data.photos import PATH_COLUMNS, Found, find_photos, resolved

PERSON_COLUMNS = ("person", "people", "identity", "subject")
NO_PERSON = "no_person"


@dataclass(frozen=True, slots=True)
class Roster:
    """Whom each photo shows, before anything is measured.

    Parameters
    ----------
    person
        By a photo's path; "" for a photo that belongs to nobody, as one outside the folders of people.
    photos
        What is to be measured; None where `faces` are measured already.
    faces
        The result of an earlier run.
    columns
        Further words about each photo, by the name of the column, by path: a group, a camera.
    """

    person: Mapping[str, str]
    photos: Found | None = None
    faces: Faces | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class People:
    """One row a photo: its main face, and whose it is.

    Parameters
    ----------
    faces
        n rows; NaN with a `why` where the photo has no face.
    person : (n,) str
        "" for a photo that belongs to nobody.
    further : (n,) int
        Faces in the photo beside the main one.
    columns
        Further words about each photo, (n,) str each.

    Raises
    ------
    WrongShape
        When person, further or a column is not as long as faces.
    """

    faces: Faces
    person: np.ndarray
    further: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in {"person": self.person, "further": self.further, **self.columns}.items():
            if np.shape(array) != (len(self.faces),):
                raise WrongShape(f"People: {name} has shape {np.shape(array)}, expected {(len(self.faces),)}")

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, rows: Any) -> People:
        """Return the photos of a mask, a slice or an index array."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return People(self.faces[rows], self.person[rows], self.further[rows], columns)

    def embedding(self, model: str) -> np.ndarray:
        """Return the embeddings of a model, (n, d) float32; NaN where there is none.

        Raises
        ------
        MissingColumn
            The model did not measure these faces.
        """
        name = f"{model}.embedding"
        if name not in self.faces.columns:
            known = ", ".join(sorted(c.partition(".")[0] for c in self.faces.columns if c.endswith(".embedding"))) or "none"
            raise MissingColumn(f"expected the column {name!r}; embeddings are there of: {known}; annotate with that model")
        values: np.ndarray = self.faces[name].values
        return values

    def why(self, model: str) -> np.ndarray:
        """Return why each photo cannot be compared by a model, (n,) str; "" where it can."""
        reasons = self.faces[f"{model}.embedding"].why
        why = (
            np.full(len(self), "", object) if reasons is None else np.array([str(w).partition(":")[0] for w in reasons], object)
        )
        embedding = self.embedding(model)
        lacking = ~np.isfinite(embedding).all(1) | (embedding == 0).all(1)
        why[lacking & (why == "")] = "not_measured"
        why[self.person == ""] = NO_PERSON
        return why

    def usable(self, model: str) -> np.ndarray:
        """Return which photos, (n,) bool, can be compared by a model, and belong to someone."""
        return np.asarray(self.why(model) == "")


def find_people(given: str | Path) -> Roster:
    """Return whom the photos of a folder, a table or an earlier run show.

    Parameters
    ----------
    given
        A folder of folders, `person/photo.jpg`: the person is the folder in which a photo lies, below the one given.
        A .csv or .tsv with a column of paths and one called person; its other columns come along. A folder or a parquet
        that `facevalue annotate` wrote: the person is a text column of that name, or the folder in each face's path.

    Raises
    ------
    RunError
        Nothing is there, or no photo.
    SchemaError
        A table without a column of people, or with two for a photo; or nobody in the photos.
    """
    path = Path(given).expanduser()
    if (path / "faces.parquet").is_file() or path.suffix == ".parquet":
        return _measured(path)
    photos = find_photos(path)
    if not photos:
        raise RunError(f"expected photos in {path}, found none among {photos.others} files")
    if path.suffix.lower() in (".csv", ".tsv"):
        return _listed(path, photos)
    person = {photo.path: os.path.dirname(photo.path) for photo in photos}
    if not any(person.values()):
        raise SchemaError(
            f"{path}: expected folders of people, person/photo.jpg; {len(photos)} photos lie in the folder itself: "
            "sort them into one folder a person, or give a .csv with the columns path,person"
        )
    return Roster(person, photos)


def _listed(path: Path, photos: Found) -> Roster:
    rows = read_table(path)
    person, at = _column(rows, PERSON_COLUMNS, path), _column(rows, PATH_COLUMNS, path)
    beside, here = ({resolved(str(path), row[at])[i]: row for row in rows} for i in (0, 1))
    places = here | beside
    by_path = {photo.path: places[photo.where] for photo in photos if photo.where in places}
    whose: dict[str, str] = {}
    for row in rows:
        if whose.setdefault(row[at], row[person].strip()) != row[person].strip():
            raise SchemaError(f"{path}: expected one person a photo; {row[at]} is of {whose[row[at]]} and of {row[person]}")
    others = [name for name in rows[0] if name not in (person, at)]
    columns = {name: {p: row[name] for p, row in by_path.items()} for name in others}
    return Roster({p: row[person].strip() for p, row in by_path.items()}, photos, columns=columns)


@reads("a table in UTF-8")
def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a .csv or .tsv by the names, in lower case, in its first line.

    Raises
    ------
    SchemaError
        It cannot be read, or has no row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: expected a table in UTF-8; it cannot be read: {error}") from error
    first = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    table = [{str(k).strip().lower(): v for k, v in row.items() if k is not None} for row in rows]
    if not table:
        raise SchemaError(f"{path}: expected a line of names and rows below it; it has none")
    return table


def _column(rows: Sequence[Mapping[str, str]], names: Sequence[str], path: Path) -> str:
    found = next((name for name in names if name in rows[0]), None)
    if found is None:
        raise MissingColumn(f"{path}: expected a column called {' or '.join(names)}; it has {', '.join(rows[0])}")
    return found


@reads("faces, as annotate writes them")
def _measured(path: Path) -> Roster:
    import pyarrow.parquet as pq

    faces = read_faces(path)
    table = pq.read_table(path / "faces.parquet" if path.is_dir() else path)
    column = next((name for name in PERSON_COLUMNS if name in table.column_names), None)
    if "path" not in table.column_names:
        raise MissingColumn(f"{path}: expected faces with a column 'path', as annotate writes it; it has none")
    if column is not None:
        known = zip(table["path"].to_pylist(), table[column].to_pylist(), strict=True)
        person = {p: "" if who is None else str(who) for p, who in known}
    else:
        person = {p: os.path.dirname(p) for p in faces.path}
    if not any(person.values()):
        raise SchemaError(
            f"{path}: expected faces with a text column called {' or '.join(PERSON_COLUMNS)}, or photos in one folder a "
            "person; there is neither"
        )
    return Roster(person, faces=faces)


def main_faces(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each photo's largest face, or of its NaN, and how many further faces it has, (n,) each.

    Examples
    --------
    >>> paths = np.array(["a.jpg", "a.jpg", "b.jpg"])
    >>> box = np.array([[0, 0, 1, 1], [0, 0, 5, 5], [0, 0, 2, 2.0]])
    >>> main_faces(Faces(paths, box, np.zeros((3, 5, 2)), np.ones(3), path=paths))
    (array([1, 2]), array([1, 0]))
    """
    area = np.nan_to_num((faces.box[:, 2:] - faces.box[:, :2]).prod(1), nan=-1)
    largest: dict[str, int] = {}
    for i, path in enumerate(faces.path):
        if path not in largest or area[i] > area[largest[path]]:
            largest[path] = i
    count = Counter(faces.path)
    return np.array(list(largest.values()), int), np.array([count[path] - 1 for path in largest], int)


def people(faces: Faces, roster: Roster) -> People:
    """Return the main face of each photo, with whom the roster says that it shows."""
    rows, further = main_faces(faces)
    main = faces[rows]
    person = np.array([roster.person.get(path, "") for path in main.path], object)
    columns = {name: np.array([values.get(path, "") for path in main.path], object) for name, values in roster.columns.items()}
    return People(main, person, further, columns)
