"""What people say of faces: ratings of traits, in long and in wide tables, and facts about the faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape, reads
from facevalue.data.judged import photo_places
from facevalue.data.people import read_table

FACE_COLUMNS = ("face", "face_id", "name", "id", "image", "image_id", "photo", "path", "file", "filename", "stimulus")
RATER_COLUMNS = ("rater", "rater_id", "user_id", "user", "participant", "participant_id", "annotator", "subject")
TRAIT_COLUMNS = ("trait", "scale", "dimension", "question")
RATING_COLUMNS = ("rating", "score", "value", "response", "dv")
SEX_COLUMNS = ("sex", "face_sex", "face_gender", "gender")
SEXES = ("female", "male")
SEX_WORDS = {
    word: sex for sex, words in (("female", "female f woman w women"), ("male", "male m man men")) for word in words.split()
}
BLANK = ("", "na", "nan", "none", "null")


@dataclass(frozen=True, slots=True)
class TraitRatings:
    """Ratings of faces, one row a rating.

    Parameters
    ----------
    face : (t,) str
    rater : (t,) str
        "" where nobody is named: a mean, or a rating by who knows whom.
    trait : (t,) str
    rating : (t,) float64
        On whatever scale people were given.
    blank
        Cells without a rating, which have no row.

    Raises
    ------
    WrongShape
        The four are not as long as each other.
    SchemaError
        A rating that is NaN or infinite.
    """

    face: np.ndarray
    rater: np.ndarray
    trait: np.ndarray
    rating: np.ndarray
    blank: int = 0

    def __post_init__(self) -> None:
        for name, kind in (("face", object), ("rater", object), ("trait", object), ("rating", np.float64)):
            column = np.asarray(getattr(self, name), kind)
            object.__setattr__(self, name, column)
            if column.shape != np.shape(self.face) or column.ndim != 1:
                raise WrongShape(f"ratings: {name} has shape {column.shape}, expected {np.shape(self.face)} as face has")
        if gone := int((~np.isfinite(self.rating)).sum()):
            raise SchemaError(f"ratings: expected numbers, got {gone} of {len(self.rating)} that are not: leave them out")

    def __len__(self) -> int:
        return len(self.rating)

    def __getitem__(self, rows: np.ndarray | slice) -> TraitRatings:
        """Return the ratings of a mask, a slice or an index array."""
        return TraitRatings(self.face[rows], self.rater[rows], self.trait[rows], self.rating[rows], self.blank)


@reads("a table of ratings")
def read_trait_ratings(path: str | Path, *, names: Sequence[str] | np.ndarray = ()) -> TraitRatings:
    """Read ratings from a .csv or .tsv of one of three forms; names in its first line are read in small letters.

    Long: a column for the face and one called rating; one for the rater and one for the trait may stand beside them. Wide:
    a column for the face, and one of numbers for each trait; without a rater these are means, whose reliability nobody can
    tell. Raters in rows: names of known faces as columns, as in the ratings of the London set; the trait is then called
    after the file. Cells that are empty or "NA" are counted.

    Parameters
    ----------
    path
        Of the table.
    names
        Of the known faces, by which the third form is told; an "X" before a name that begins with a digit, as R writes
        it, is left out.

    Raises
    ------
    MissingColumn
        No column of faces, or none of ratings.
    SchemaError
        It cannot be read, or a rating is no number.
    """
    path = Path(path)
    rows = read_table(path)
    heads = list(rows[0])
    rater = next((name for name in RATER_COLUMNS if name in heads), None)
    lowered = [str(name).lower() for name in names]
    known = [head for head, place in zip(heads, face_places(list(map(_bare, heads)), lowered), strict=True) if place >= 0]
    if len(known) >= 2:
        return _raters_in_rows(path, rows, rater, known)
    face = next((name for name in FACE_COLUMNS if name in heads), None)
    if face is None:
        told = ", ".join(heads[:8])
        raise MissingColumn(f"{path}: expected a column called {', '.join(FACE_COLUMNS[:3])} or the like; it has {told}")
    if rating := next((name for name in RATING_COLUMNS if name in heads), None):
        trait = next((name for name in TRAIT_COLUMNS if name in heads), None)
        cells = [
            (i, row[face], row[rater] if rater else "", row[trait] if trait else rating, row[rating]) for i, row in _at(rows)
        ]
    else:
        others = [head for head in heads if head not in (face, rater) and _numeric(row[head] for row in rows)]
        if not others:
            raise MissingColumn(f"{path}: expected a column called rating, or one of numbers for each trait; it has neither")
        cells = [(i, row[face], row[rater] if rater else "", head, row[head]) for head in others for i, row in _at(rows)]
    return _gathered(path, cells)


Cell = tuple[int, str, str, str, str]


def _at(rows: Sequence[Mapping[str, str]]) -> list[tuple[int, Mapping[str, str]]]:
    """Return the rows with the lines on which they stand."""
    return list(enumerate(rows, 2))


def _raters_in_rows(path: Path, rows: Sequence[Mapping[str, str]], rater: str | None, faces: Sequence[str]) -> TraitRatings:
    who = [row[rater] if rater else f"row {i}" for i, row in _at(rows)]
    cells = [
        (i, _bare(head), name, path.stem, row[head]) for (i, row), name in zip(_at(rows), who, strict=True) for head in faces
    ]
    return _gathered(path, cells)


def _gathered(path: Path, cells: Sequence[Cell]) -> TraitRatings:
    given = [cell for cell in cells if cell[4].strip().lower() not in BLANK]
    if not given:
        raise SchemaError(f"{path}: expected ratings; all {len(cells)} cells are empty")
    if nameless := [cell[0] for cell in given if not cell[1].strip()]:
        raise SchemaError(f"{path}: expected a face for each rating; line {nameless[0]} names none")
    numbers = np.array([_number(path, line, text) for line, *_, text in given])
    words = np.array([cell[1:4] for cell in given], object)
    face, rater, trait = (np.array([word.strip() for word in column], object) for column in words.T)
    return TraitRatings(face, rater, trait, numbers, blank=len(cells) - len(given))


def _number(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise SchemaError(
            f"{path}: expected a number as rating, got {text!r} in line {line}; leave the cell empty where there is none"
        )
    return value


def _numeric(cells: Iterable[str]) -> bool:
    """Return whether all cells that are not empty are numbers, and one is."""
    seen = [cell for cell in cells if cell.strip().lower() not in BLANK]
    try:
        return bool(seen) and bool(np.isfinite([float(cell) for cell in seen]).all())
    except ValueError:
        return False


def _bare(head: str) -> str:
    """Return a column's name without the x that R puts before a digit.

    >>> _bare("x001"), _bare("xena")
    ('001', 'xena')
    """
    return head[1:] if head[:1] == "x" and head[1:2].isdigit() else head


def face_places(given: Sequence[str] | np.ndarray, names: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return which known face each given name means, (t,) int; -1 where none is.

    As `photo_places`, and where that finds none a face whose name begins with the one given and an underscore or a hyphen, as
    001 is the face of 001_03.tem.

    Raises
    ------
    SchemaError
        A name that fits two faces.

    Examples
    --------
    >>> face_places(["001", "2", "x"], ["001_03", "002", "004_03"]).tolist()
    [0, 1, -1]
    """
    different = list(dict.fromkeys(map(str, given)))
    places = photo_places(different, names)
    by_start: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        stem = Path(str(name)).stem
        for start in {stem.partition("_")[0], stem.partition("-")[0]} - {stem}:
            by_start.setdefault(start, []).append(i)
    for i in np.flatnonzero(places < 0).tolist():
        fits = by_start.get(different[i], [])
        if len(fits) > 1:
            raise SchemaError(
                f"face {different[i]!r}: expected one face, got {names[fits[0]]} and {names[fits[1]]}: name them in full"
            )
        places[i] = fits[0] if fits else -1
    where = dict(zip(different, places.tolist(), strict=True))
    return np.array([where[str(name)] for name in given], np.int64)


@reads("a table about faces")
def read_sexes(path: str | Path, names: Sequence[str] | np.ndarray, *, column: str | None = None) -> np.ndarray:
    """Return "female", "male" or "" of each face, (n,) str, out of a table about faces.

    Parameters
    ----------
    path
        A .csv or .tsv with a column of faces' names and one of sexes: female, f, woman, male, m, man.
    names
        Of the n faces.
    column
        Of the sexes; None looks for sex, face_sex, face_gender or gender.

    Raises
    ------
    MissingColumn
        No column of faces, or none of sexes.
    UnknownName
        No such column.
    SchemaError
        It cannot be read, knows none of the faces, or has two sexes for one.
    """
    path = Path(path)
    rows, said = _about(path, names)
    wanted = column.lower() if column else next((name for name in SEX_COLUMNS if name in rows[0]), None)
    if wanted is None:
        raise MissingColumn(f"{path}: expected a column called {' or '.join(SEX_COLUMNS)}; name it by --sex")
    if wanted not in rows[0]:
        raise UnknownName(wanted, rows[0], what=f"column of {path}")
    sexes = np.full(len(names), "", object)
    for row, place in zip(rows, said, strict=True):
        sex = SEX_WORDS.get(row[wanted].strip().lower(), "")
        if place >= 0 and sexes[place] not in ("", sex):
            raise SchemaError(f"{path}: expected one sex a face; {names[place]} has {sexes[place]} and {sex}")
        if place >= 0:
            sexes[place] = sex
    return sexes


@reads("a table about faces")
def read_yaws(path: str | Path, names: Sequence[str] | np.ndarray) -> np.ndarray | None:
    """Return the yaw of each face, (n,) degrees, out of a table about faces; NaN where not known, None without that column.

    Raises
    ------
    SchemaError
        A yaw that is no number, or as `read_sexes`.
    """
    path = Path(path)
    rows, said = _about(path, names)
    if "yaw" not in rows[0]:
        return None
    yaws = np.full(len(names), np.nan)
    for (line, row), place in zip(_at(rows), said, strict=True):
        if place >= 0 and row["yaw"].strip().lower() not in BLANK:
            yaws[place] = _number(path, line, row["yaw"])
    return yaws


def _about(path: Path, names: Sequence[str] | np.ndarray) -> tuple[list[dict[str, str]], np.ndarray]:
    """Return the rows of a table about faces, and the face that each is about."""
    rows = read_table(path)
    face = next((name for name in FACE_COLUMNS if name in rows[0]), None)
    if face is None:
        told = ", ".join(list(rows[0])[:8])
        raise MissingColumn(f"{path}: expected a column called {', '.join(FACE_COLUMNS[:3])} or the like; it has {told}")
    places = face_places([row[face] for row in rows], names)
    if (places < 0).all():
        raise SchemaError(
            f"{path}: expected faces such as {names[0]!r} in its column {face}; got {rows[0][face]!r}, ..., none known"
        )
    return rows, places
