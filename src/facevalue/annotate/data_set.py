"""A data set: its photos found, whom they show where that is told, and measured, or as it was measured before."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import run
from facevalue.annotate.measure import Settings
from facevalue.data.errors import RunError, SchemaError, reads
from facevalue.data.faces import Column, Faces, with_faceless
from facevalue.data.files import read_json
from facevalue.data.people import PERSON_COLUMNS, People, Roster, people, read_table
from facevalue.data.photos import PATH_COLUMNS, Found, find_photos, resolved

FOLDERS = ("people", "groups", "nothing")
FOLDER, NO_FACE = "folder", "no_face"
MESH = "mesh.landmarks"
LARGE = (MESH, "mesh.rigid")


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """What is looked at.

    Parameters
    ----------
    name
        As it was given.
    people
        n rows: the main face of each photo where anybody is named, or else every face; NaN with a `why` for a photo without.
        Its columns are what is given of each photo in words.
    counts
        Photos by what became of them: photos, measured, no_face, failed; faces, people; reasons.
    failed
        Path and reason of each photo without a measured face.
    photos
        Where they lie; None where that is not known.
    notes
        What else is to be said, in sentences.
    """

    name: str
    people: People
    counts: Mapping[str, int]
    failed: Sequence[tuple[str, str]]
    photos: Found | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def named(self) -> bool:
        """Whether anybody is named."""
        return bool((self.people.person != "").any())

    @property
    def found(self) -> People:
        """The faces that were found, without the rows of photos that have none."""
        there = np.isfinite(self.people.faces.box).all(1)
        return self.people if there.all() else self.people[there]

    @property
    def keyed(self) -> People:
        """The same rows, each with a path of its own: "group.jpg#1" of the second face of a photo with several.

        Its bytes are told apart too: two faces on one photo are no copies of each other.
        """
        people, count = self.people, Counter(self.people.faces.path)
        if max(count.values(), default=0) < 2:
            return people
        several = [count[path] > 1 for path in people.faces.path]
        names = numbered(people.faces.path)
        path, photo = (
            np.array([f"{word}#{k}" if more else word for word, k, more in zip(part, names, several, strict=True)], object)
            for part in (people.faces.path, people.faces.photo)
        )
        return replace(people, faces=replace(people.faces, path=path, photo=photo))

    @property
    def detector(self) -> str:
        """The detector that found the faces, "unknown" where their columns do not say."""
        known = models.names(kind="detect")
        return next((name for name in known if f"{name}.score" in self.people.faces.columns), "unknown")

    @property
    def instruments(self) -> tuple[str, ...]:
        """The detector and instruments whose columns are there and whose cards are known."""
        names = dict.fromkeys(name.rpartition(".")[0] for name in self.people.faces.columns)
        known = {*models.names(), *models.names(kind="spread"), *models.installed()}
        return tuple(name for name in names if name in known)


def numbered(paths: np.ndarray) -> np.ndarray:
    """Return which face of its photo each row is, (n,) int, from 0.

    >>> numbered(np.array(["a", "b", "a"]))
    array([0, 0, 1])
    """
    seen = Counter[str]()
    found = np.empty(len(paths), int)
    for i, path in enumerate(paths):
        found[i] = seen[path]
        seen[path] += 1
    return found


def find_set(given: str | Path, *, folders: str = "people") -> Roster:
    """Return the photos of a data set, or its faces that were measured before, and what is given of each.

    Parameters
    ----------
    given
        A folder with a folder a person; a .csv or .tsv of path, perhaps person, and further words about each photo; photos in
        a folder, a glob, a list; the folder of an `annotate` run, or a parquet of faces.
    folders
        What the folders of the photos are: "people", "groups" (a given word called folder) or "nothing".

    Raises
    ------
    RunError
        Nothing is there, or no photo.
    SchemaError
        Not a table, or not faces.
    """
    path = Path(given).expanduser()
    if (path / "faces.parquet").is_file() or _holds_faces(path):
        return _measured(path, folders)
    photos = find_photos(path if path.exists() else str(given))
    if not len(photos):
        raise RunError(f"expected photos in {given}, found none among {photos.others} files")
    if path.suffix.lower() in (".csv", ".tsv") and path.is_file():
        return _listed(path, photos, folders)
    return _sorted(Roster({photo.path: "" for photo in photos}, photos, columns=photos.words()), folders)


def measure_set(
    roster: Roster,
    out: Path,
    name: str,
    *,
    settings: Settings,
    options: run.Options,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DataSet:
    """Return a data set, its photos measured into a folder, which is taken up where a run lies there; or as it was measured.

    Parameters
    ----------
    roster
        Of `find_set`.
    out
        Folder of the run.
    name
        Of the data set, for reports.
    settings, options, progress
        As for `facevalue.annotate.run.run`.

    Raises
    ------
    UnknownName, WeightsError
        No such model; its weights are not to be had.
    """
    notes = list[str]()
    if roster.photos is not None:
        run.run(roster.photos, out, settings, options=options, progress=progress)
        faces = read_slim(out)
        if roster.photos.others:
            notes.append(f"{roster.photos.others} files in the folders are not photos: left alone.")
    else:
        assert roster.faces is not None
        faces = roster.faces
        notes.append("The faces are those of an earlier run; nothing was measured anew.")
    return _set_of(name, faces, roster, notes)


@reads("faces, as annotate writes them")
def read_slim(path: Path) -> Faces:
    """Read faces as `facevalue.read_faces` does, with no more than one copy of the mesh, by far the largest column.

    Raises
    ------
    SchemaError
        Not faces.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / "faces.parquet" if path.is_dir() else path
    try:
        schema = pq.read_schema(file)
        faces = Faces.from_arrow(pq.read_table(file, columns=[name for name in schema.names if not name.startswith(LARGE)]))
        photos = pq.read_table(path / "photos.parquet").to_pylist() if path.is_dir() else None
        mesh = _mesh(file) if MESH in schema.names else None
    except (OSError, pa.ArrowInvalid, SchemaError) as error:
        raise SchemaError(f"{file}: expected faces as annotate writes them; {str(error).splitlines()[0]}") from error
    if photos is None:
        return faces if mesh is None else faces.with_column(MESH, mesh)
    place = {photo["path"]: i for i, photo in enumerate(photos)}
    order = np.argsort([place[one] for one in faces.path], kind="stable")
    if mesh is not None and (np.diff(order) < 0).any():
        mesh = mesh[order]
    every = with_faceless(faces, photos)
    return every if mesh is None else every.with_column(MESH, _spread_out(mesh, np.isfinite(every.box).all(1)))


def _mesh(file: Path) -> Column:
    """Return the mesh of each face, (n, p, 3), read some rows at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        at = opened.schema_arrow.field(MESH)
        shape = json.loads(at.metadata[b"shape"])
        values, start = np.empty((opened.metadata.num_rows, *shape), np.float32), 0
        for batch in opened.iter_batches(8192, columns=[MESH]):
            flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            values[start : start + len(batch)] = flat.reshape(len(batch), *shape)
            start += len(batch)
    return Column(values, at.metadata[b"unit"].decode(), at.metadata[b"source"].decode())


def _spread_out(column: Column, there: np.ndarray) -> Column:
    """Return a column with rows of NaN where no face is there."""
    if there.all():
        return column
    values = np.full((len(there), *column.values.shape[1:]), np.nan, np.float32)
    values[there] = column.values
    return replace(column, values=values)


def _holds_faces(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return {"landmarks", "box", "score"} <= set(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise SchemaError(f"{path}: expected parquet, of faces or of photos; {str(error).splitlines()[0]}") from error


@reads("faces, as annotate writes them")
def _measured(path: Path, folders: str) -> Roster:
    import pyarrow as pa
    import pyarrow.parquet as pq

    faces, file = read_slim(path), path / "faces.parquet" if path.is_dir() else path
    schema = pq.read_schema(file)
    own = ("path", "photo")
    texts = [at.name for at in schema if pa.types.is_string(at.type) or pa.types.is_large_string(at.type)]
    words = [name for name in texts if name not in own and not name.endswith(".why")]
    table = pq.read_table(file, columns=["path", *words]).to_pydict() if "path" in schema.names else {"path": []}
    given = {
        name: {p: "" if word is None else str(word) for p, word in zip(table["path"], table[name], strict=True)}
        for name in words
    }
    person = next((given.pop(name) for name in PERSON_COLUMNS if name in given), {})
    roster = Roster(dict.fromkeys(faces.path, "") | person, faces=faces, columns=given)
    return roster if any(person.values()) else _sorted(roster, folders)


def _listed(path: Path, photos: Found, folders: str) -> Roster:
    rows = read_table(path)
    at = next((name for name in PATH_COLUMNS if name in rows[0]), next(iter(rows[0])))
    who = next((name for name in PERSON_COLUMNS if name in rows[0]), None)
    places = {place: row for row in rows for place in reversed(resolved(str(path), row[at]))}
    of = {photo.path: places[photo.where] for photo in photos if photo.where in places}
    others = [name for name in rows[0] if name not in (who, at)]
    columns = {name: {photo: row[name].strip() for photo, row in of.items()} for name in others}
    if who is None:
        return _sorted(Roster({photo.path: "" for photo in photos}, photos, columns=columns), folders)
    whose = dict[str, str]()
    for row in rows:
        if whose.setdefault(row[at], row[who].strip()) != row[who].strip():
            raise SchemaError(f"{path}: expected one person a photo; {row[at]} is of {whose[row[at]]} and of {row[who]}")
    return Roster(
        {photo.path: of[photo.path][who].strip() if photo.path in of else "" for photo in photos}, photos, columns=columns
    )


def _sorted(roster: Roster, folders: str) -> Roster:
    """Return a roster with what the photos' folders say."""
    folder = {path: os.path.dirname(path) for path in roster.person}
    if folders == "people":
        return replace(roster, person=folder)
    if folders == "groups" and any(folder.values()):
        return replace(roster, columns={FOLDER: folder, **roster.columns})
    return roster


def _set_of(name: str, faces: Faces, roster: Roster, notes: list[str]) -> DataSet:
    named = any(roster.person.values())
    every = people(faces, roster) if named else _all(faces, roster)
    found = np.isfinite(faces.box).all(1)
    with_face = set(faces.path[found])
    why = _why(faces)
    failed = [(str(path), str(reason)) for path, reason in zip(faces.path[~found], why[~found], strict=True)]
    no_face = sum(reason.startswith(NO_FACE) for _, reason in failed)
    counts = {
        "photos": len(with_face) + len(failed),
        "measured": len(with_face),
        "no_face": no_face,
        "failed": len(failed) - no_face,
        "faces": int(found.sum()),
        "people": len(set(every.person) - {""}),
        **{f"why {reason}": n for reason, n in Counter(reason.partition(":")[0] for _, reason in failed).most_common()},
    }
    if named and (further := int(every.further.sum())):
        notes.append(f"{further:,} further faces in photos of named people: the largest face of each photo was taken.")
    photos = _earlier(Path(name)) if roster.photos is None else roster.photos
    return DataSet(name, every, counts, failed, photos, _doubts(every, notes))


def _earlier(folder: Path) -> Found | None:
    """Return the photos that an earlier run read, where they still lie where its run.json says; else None."""
    if not (folder / "run.json").is_file():
        return None
    inputs = read_json(folder / "run.json", expected="what annotate writes of a run").get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, str) and Path(one).exists() for one in inputs):
        return None
    return find_photos(inputs) if inputs else None


def _all(faces: Faces, roster: Roster) -> People:
    columns = {name: np.array([of.get(path, "") for path in faces.path], object) for name, of in roster.columns.items()}
    return People(faces, np.full(len(faces), "", object), np.zeros(len(faces), int), columns)


def _why(faces: Faces) -> np.ndarray:
    """Return why a photo has no face, (n,) str, "" where it has one or nothing is told."""
    told = next((column.why for column in faces.columns.values() if column.why is not None), None)
    return np.full(len(faces), NO_FACE, object) if told is None else np.where(told == "", NO_FACE, told)


def _doubts(every: People, notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes, and a caution where the folders may not be people."""
    count = Counter(every.person[every.person != ""])
    if 0 < len(count) <= 5 and min(count.values()) > 50:
        what = f"{len(count)} folders of {min(count.values())} photos or more were taken for people"
        return (*notes, f"{what}: --folders groups, or nothing, where they are none.")
    return tuple(notes)
