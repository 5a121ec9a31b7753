"""Labels by hand: what people see in some faces of a data set, in the words of the instruments."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, reads
from facevalue.data.faces import Faces
from facevalue.data.judged import photo_places
from facevalue.data.people import PERSON_COLUMNS, read_table
from facevalue.data.photos import PATH_COLUMNS

DRAWN = {
    "random": "the labelled faces were drawn at random from those of the data set",
    "chosen": "the labelled faces were chosen, not drawn: intervals hold only if the choice had nothing to do with the errors",
}
FACE, AGE, AGE_GROUP = "face", "age", "age_group"
OLDEST = 120.0
UNKNOWN = ("", "na", "n/a", "nan", "none", "null", "?")
# A face that a row cannot be laid on, by why.
STRANGE, AMBIGUOUS = "not_among_the_faces", "several_faces"


@dataclass(frozen=True, slots=True)
class Labels:
    """A small table of labels.

    Parameters
    ----------
    path : (m,) str
        Of the photos, as the table names them.
    face : (m,) int
        Which face of the photo, from 0 in the order of the run; -1 where the table does not say.
    columns
        By attribute: (m,) str labels of the instrument, "" where a cell is blank; age in years, (m,) float, NaN where blank.
    others
        Columns of the table that are no attribute: they were not used.

    Raises
    ------
    SchemaError
        A column is not as long as `path`.
    """

    path: np.ndarray
    face: np.ndarray
    columns: Mapping[str, np.ndarray]
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, column in {FACE: self.face, **self.columns}.items():
            if len(column) != len(self.path):
                raise SchemaError(f"Labels: {name} has {len(column)} rows, expected {len(self.path)} as path has")

    def __len__(self) -> int:
        return len(self.path)


@dataclass(frozen=True, slots=True)
class Placed:
    """Labels laid on faces.

    Parameters
    ----------
    columns
        By attribute, (n,) each: labels, "" where a face has none; age in years, NaN where it has none.
    strange
        Rows of the table that fit no face: path, and why.
    """

    columns: Mapping[str, np.ndarray]
    strange: Sequence[tuple[str, str]] = field(default_factory=tuple)

    @property
    def labelled(self) -> dict[str, int]:
        """How many faces have a label, by attribute."""
        return {name: int(_given(column).sum()) for name, column in self.columns.items()}


@reads("a table of labels")
def read_labels(path: str | Path, known: Mapping[str, Sequence[str]]) -> Labels:
    r"""Read a table of labels, a row a photo or a face.

    Parameters
    ----------
    path
        A .csv or .tsv: a column of paths; perhaps `face`, which of a photo's faces, from 0; a column an attribute. Cells may be
        blank, or NA. Where `age` is given in years and the age groups are known, they follow from it.
    known
        The labels of each attribute; none for one in numbers, as age.

    Raises
    ------
    MissingColumn
        There is no column of paths, or none of an attribute.
    SchemaError
        A word that is no label, an age that is none, a face twice with two labels.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "small.csv")
    ...     _ = table.write_text("path,gender,age\na.jpg,female,31\nb.jpg,,\n")
    ...     labels = read_labels(table, {"gender": ("Male", "Female"), "age": (), "age_group": ("0-29", "30-59", "60+")})
    >>> {name: column.tolist() for name, column in labels.columns.items()}
    {'gender': ['Female', ''], 'age': [31.0, nan], 'age_group': ['30-59', '']}
    """
    path = Path(path)
    rows = read_table(path)
    at = next((name for name in PATH_COLUMNS if name in rows[0]), None)
    if at is None:
        raise MissingColumn(f"{path}: expected a column called path; it has {', '.join(rows[0])}")
    wanted = [name for name in rows[0] if name in known]
    if not wanted:
        there, words = ", ".join(rows[0]), ", ".join(known)
        raise MissingColumn(f"{path}: expected a column of labels, one of {words or 'none that was measured'}; it has {there}")
    columns = {name: _column(path, rows, name, known[name]) for name in wanted}
    if AGE in columns and AGE_GROUP not in columns and known.get(AGE_GROUP):
        columns[AGE_GROUP] = _groups(columns[AGE], known[AGE_GROUP])
    used = {at, FACE, *PERSON_COLUMNS, *wanted}
    face = np.array([_face(path, i, row.get(FACE, "")) for i, row in enumerate(rows)], int)
    paths = np.array([row[at].strip() for row in rows], object)
    return _once(path, Labels(paths, face, columns, tuple(name for name in rows[0] if name not in used)))


def placed(labels: Labels, faces: Faces) -> Placed:
    """Return the labels of faces, and the rows of the table that fit none.

    A photo is named by its path, absolute or as a run has it, or by its file, as in `facevalue.data.judged.photo_places`.
    Where the table does not say which of several faces of a photo is meant, the row is not used.

    Parameters
    ----------
    labels
        m rows.
    faces
        n faces, the rows of a photo in the order of the run.

    Raises
    ------
    SchemaError
        A name that fits two photos, or two rows of the table that fit one face.
    """
    rows, why = _rows(labels, faces)
    fits = why == ""
    twice = [row for row, count in Counter(rows[fits].tolist()).items() if count > 1]
    if twice:
        raise SchemaError(f"labels: expected one row a face; {faces.path[twice[0]]} has several")
    columns = dict[str, np.ndarray]()
    for name, column in labels.columns.items():
        columns[name] = np.full(len(faces), np.nan) if column.dtype.kind == "f" else np.full(len(faces), "", object)
        columns[name][rows[fits]] = column[fits]
    strange = [(str(labels.path[i]), str(why[i])) for i in np.flatnonzero(~fits)]
    return Placed(columns, strange)


def _rows(labels: Labels, faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of the face of each label, (m,) int, and why there is none, (m,) str."""
    of_photo = dict[str, list[int]]()
    for row in np.flatnonzero(np.isfinite(faces.box).all(1)).tolist():
        of_photo.setdefault(faces.path[row], []).append(row)
    paths = list(of_photo)
    places = _places(labels.path, paths)
    rows, why = np.full(len(labels), -1), np.full(len(labels), "", object)
    for i, place in enumerate(places):
        there = of_photo[paths[place]] if place >= 0 else []
        k = max(int(labels.face[i]), 0)
        why[i] = AMBIGUOUS if labels.face[i] < 0 and len(there) > 1 else "" if k < len(there) else STRANGE
        rows[i] = there[k] if not why[i] else -1
    return rows, why


def _places(names: np.ndarray, paths: Sequence[str]) -> np.ndarray:
    """Return which path each name means, (m,) int, -1 where none: by its last parts, or as `photo_places` has it."""
    places = photo_places(names, paths)
    at = {path: i for i, path in enumerate(paths)}
    for i in np.flatnonzero(places < 0).tolist():
        parts = str(names[i]).replace("\\", "/").split("/")
        endings = ("/".join(parts[k:]) for k in range(1, len(parts)))
        places[i] = next((at[ending] for ending in endings if ending in at), -1)
    return places


def _column(path: Path, rows: Sequence[Mapping[str, str]], name: str, labels: Sequence[str]) -> np.ndarray:
    cells = [row[name].strip() for row in rows]
    if not labels:
        return np.array([_years(path, i, name, cell) for i, cell in enumerate(cells)], float)
    spelt = dict.fromkeys(UNKNOWN, "") | {_plain(label): label for label in labels}
    found = [spelt.get(_plain(cell), None) for cell in cells]
    if None in found:
        i = found.index(None)
        near = difflib.get_close_matches(_plain(cells[i]), [word for word in spelt if spelt[word]], n=1, cutoff=0.4)
        offer = f"; did you mean {spelt[near[0]]!r}?" if near else ""
        expected = f"expected one of {', '.join(labels)} in the column {name}, or nothing"
        raise SchemaError(f"{path}, line {i + 2}: {expected}; got {cells[i]!r}{offer}")
    return np.array(found, object)


def _plain(word: str) -> str:
    """Return a word as it is compared: without case, dashes and underscores alike.

    >>> _plain("Middle_Eastern "), _plain("20\u201329")
    ('middle eastern', '20-29')
    """
    return re.sub(r"[\s_]+", " ", re.sub("[\u2010-\u2015]", "-", word)).strip().casefold()


def _years(path: Path, i: int, name: str, cell: str) -> float:
    if cell.casefold() in UNKNOWN:
        return np.nan
    try:
        years = float(cell.replace(",", "."))
    except ValueError:
        years = np.nan
    if not 0 <= years <= OLDEST:
        raise SchemaError(f"{path}, line {i + 2}: expected years from 0 to {OLDEST:g} in the column {name}; got {cell!r}")
    return years


def _face(path: Path, i: int, cell: str) -> int:
    if not cell.strip():
        return -1
    if not cell.strip().isdecimal():
        raise SchemaError(f"{path}, line {i + 2}: expected the number of a face from 0 in the column face; got {cell!r}")
    return int(cell)


def _groups(years: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return the age group of each age, (m,) str; "" where there is none."""
    starts = np.array([float(re.split(r"[-+]", label)[0]) for label in labels])
    names = np.array(labels, object)[np.maximum(np.searchsorted(starts, np.floor(np.nan_to_num(years)), side="right") - 1, 0)]
    return np.where(np.isnan(years), "", names).astype(object)


def _once(path: Path, labels: Labels) -> Labels:
    """Return labels, each row once; raise where a face has two."""
    seen = dict[tuple[str, int], tuple[object, ...]]()
    kept = list[int]()
    for i in range(len(labels)):
        key, row = (labels.path[i], int(labels.face[i])), tuple(str(column[i]) for column in labels.columns.values())
        if seen.setdefault(key, row) != row:
            raise SchemaError(f"{path}: expected one row a face; {key[0]} has two that differ")
        if len(seen) > len(kept):
            kept.append(i)
    columns = {name: column[kept] for name, column in labels.columns.items()}
    return Labels(labels.path[kept], labels.face[kept], columns, labels.others)


def _given(column: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(column) if column.dtype.kind == "f" else column != "")
