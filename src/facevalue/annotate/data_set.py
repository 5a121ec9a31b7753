"""A data set: its photos found, whom they show where that is told, and measured, or as it was measured before."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import instruments, run
from facevalue.annotate.measure import Settings
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Faces, with_faceless
from facevalue.data.people import PERSON_COLUMNS, People, Roster, people, read_table
from facevalue.data.photos import PATH_COLUMNS, Found, Photo, find_photos, resolved

FOLDERS = ("people", "groups", "nothing")
FOLDER, NO_FACE = "folder", "no_face"
# Columns of a size that no study of a data set needs: 468 points a face.
LARGE = ("mesh.landmarks", "mesh.rigid")


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
    def faces(self) -> Faces:
        """The faces, n rows."""
        return self.people.faces

    def sources(self) -> dict[str, str]:
        """Return the instrument and weights of each measured column's instrument."""
        found = ((name.partition(".")[0], column.source) for name, column in self.faces.columns.items())
        return {name: source for name, source in found if not source.endswith("facevalue")}


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
    return _sorted(Roster({photo.path: "" for photo in photos}, photos), folders)


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


def lacking(faces: Faces, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the instruments that did not measure faces, out of those wanted.

    Examples
    --------
    >>> from facevalue.data.faces import Column
    >>> faces = Faces(np.array(["a"]), np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1))
    >>> lacking(faces.with_column("pose.yaw", Column(np.zeros(1), "deg", "pose@1")), ["pose", "quality"])
    ('quality',)
    """
    there = {name.partition(".")[0] for name in faces.columns}
    return tuple(name for name in wanted if name not in there)


def detector_of(faces: Faces) -> str:
    """Return the detector that found faces, "" where their columns do not say."""
    return next((name for name in models.names(kind="detect") if f"{name}.score" in faces.columns), "")


def read_slim(path: Path) -> Faces:
    """Read faces as `facevalue.read_faces` does, without the columns that are large and that no study of sets needs.

    Raises
    ------
    SchemaError
        Not faces.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / "faces.parquet" if path.is_dir() else path
    try:
        names = [name for name in pq.read_schema(file).names if not name.startswith(LARGE)]
        faces = Faces.from_arrow(pq.read_table(file, columns=names))
        photos = pq.read_table(path / "photos.parquet").to_pylist() if path.is_dir() else None
    except (OSError, pa.ArrowInvalid, SchemaError) as error:
        raise SchemaError(f"{file}: expected faces as annotate writes them; {str(error).splitlines()[0]}") from error
    return faces if photos is None else with_faceless(faces, photos)


def _holds_faces(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return {"landmarks", "box", "score"} <= set(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise SchemaError(f"{path}: expected parquet, of faces or of photos; {str(error).splitlines()[0]}") from error


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
    return DataSet(name, every, counts, failed, roster.photos, _doubts(every, notes))


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


def photo_at(photos: Found | None, path: str) -> Photo | None:
    """Return the photo of a path, None where it is not at hand."""
    return next((photo for photo in photos or () if photo.path == path), None)


def settings_for(detector: str, wanted: Sequence[str], *, level: float) -> Settings:
    """Return what measures a data set: a detector and instruments with those they need."""
    return Settings(instruments.detector(detector), instruments.placed(wanted, detector), level=level)
