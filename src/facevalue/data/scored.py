"""Scored pairs of photos, and what a table says of their people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape, reads
from facevalue.data.pairs import SAME, Listed, owners
from facevalue.data.people import PERSON_COLUMNS, Roster, read_table
from facevalue.data.photos import PATH_COLUMNS

SCORE_COLUMNS = ("score", "similarity", "cosine")
PROBABILITY = "p_same"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Pairs of photos with their scores, and the photos' people and words.

    Parameters
    ----------
    a, b : (m,) int
        Rows of the photos of each pair.
    same : (m,) bool
        Whether both are of one person.
    scores : (m,) float64
        Higher is more alike; NaN where the pair could not be compared.
    person : (n,) str
        Whose each photo is. Where nobody is named each pair stands for itself, as though it were one person.
    columns
        Words about each photo, (n,) str each; "" where unknown.
    probability : (m,) float64, optional
        P(same person), where somebody made it.
    named
        Whether the people are known.

    Raises
    ------
    WrongShape
        Arrays that do not fit each other.
    """

    a: np.ndarray
    b: np.ndarray
    same: np.ndarray
    scores: np.ndarray
    person: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    probability: np.ndarray | None = None
    named: bool = True

    def __post_init__(self) -> None:
        m, n = len(self.a), len(self.person)
        for name, kind in (("b", np.int64), ("same", bool), ("scores", np.float64), ("probability", np.float64)):
            given = getattr(self, name)
            if given is not None and np.shape(given) != (m,):
                raise WrongShape(f"Scored: {name} has shape {np.shape(given)}, expected {(m,)}")
            object.__setattr__(self, name, None if given is None else np.asarray(given, kind))
        for name, column in self.columns.items():
            if np.shape(column) != (n,):
                raise WrongShape(f"Scored: {name} has shape {np.shape(column)}, expected {(n,)}, one a photo")

    def __len__(self) -> int:
        return len(self.a)


def is_scored(path: Path) -> bool:
    """Return whether a file is a table of scored pairs: it has a column of scores, and one called same."""
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    first = read_table(path)[0]
    return "same" in first and any(name in first for name in SCORE_COLUMNS)


@reads("pairs with scores")
def read_scored(path: Path, wanted: Sequence[str]) -> Scored:
    """Read scored pairs from a .csv or .tsv.

    Parameters
    ----------
    path
        With the columns score (higher is more alike; empty where not compared) and same (1 or 0). Beside them what is known
        of a and b: their photos (a, b), people (person_a, person_b), and any word or number, as `sex_a`, `sex_b`, or `sex`
        where it is of both; P(same) as p_same.
    wanted
        Words and numbers that are needed, without _a and _b.

    Raises
    ------
    SchemaError
        A cell that is not what its column says, pairs of one kind only, or a photo or person of whom two lines differ.
    MissingColumn
        A column is not there.
    """
    rows = read_table(path)
    score = next((name for name in SCORE_COLUMNS if name in rows[0]), None)
    if score is None or "same" not in rows[0]:
        raise MissingColumn(f"{path}: expected the columns score and same; it has {', '.join(rows[0])}")
    lines = enumerate(rows, start=2)
    same = np.array([_same(path, i, row) for i, row in lines])
    scores = np.array([_number(path, i, row, score) for i, row in enumerate(rows, start=2)])
    if same.all() or not same.any():
        raise SchemaError(f"{path}: expected pairs of one person and of two; got {same.sum()} and {(~same).sum()}")
    photo, person, named = _sides(path, rows, same)
    names, at = np.unique(photo, return_inverse=True)
    columns = {name: _words(path, rows, name, names, at) for name in wanted}
    whose = _one_each(path, "person", person, names, at)
    p = None
    if PROBABILITY in rows[0]:
        p = np.array([_number(path, i, row, PROBABILITY) for i, row in enumerate(rows, start=2)])
        if ((p < 0) | (p > 1)).any():
            raise SchemaError(f"{path}: expected {PROBABILITY} in [0, 1]; got {np.nanmin(p)} to {np.nanmax(p)}")
    m = len(rows)
    return Scored(at[:m], at[m:], same, scores, whose, columns, p, named)


def _same(path: Path, line: int, row: Mapping[str, str]) -> bool:
    found = SAME.get(row["same"].strip().lower())
    if found is None:
        raise SchemaError(f"{path}, line {line}: expected same as 1 or 0; got {row['same']!r}")
    return found


def _number(path: Path, line: int, row: Mapping[str, str], name: str) -> float:
    cell = row[name].strip()
    try:
        return float(cell) if cell else np.nan
    except ValueError as error:
        raise SchemaError(f"{path}, line {line}: expected a number as {name}; got {cell!r}") from error


def _sides(path: Path, rows: Sequence[Mapping[str, str]], same: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the name of each side's photo and person, (2 m,) str each, all a before all b; and whether people are known."""
    photos = [_cells(rows, f"{side}") for side in "ab"] if "a" in rows[0] and "b" in rows[0] else None
    people = [_cells(rows, f"person_{side}") for side in "ab"] if "person_a" in rows[0] and "person_b" in rows[0] else None
    sides = [f"pair {i}{side}" for side in "ab" for i in range(len(rows))]
    photo = np.array([name or own for name, own in zip([*photos[0], *photos[1]], sides, strict=True)] if photos else sides)
    if photos is not None:
        given = people or [[""] * len(rows)] * 2
        listed = [Listed(photo[i], photo[len(rows) + i], bool(same[i]), -1, given[0][i], given[1][i]) for i in range(len(rows))]
        whose = owners(listed)
        return photo, np.array([whose[name] for name in photo]), True
    if people is not None:
        wrong = [i for i, (one, other) in enumerate(zip(*people, strict=True)) if (one == other) != same[i] or not one]
        if wrong:
            i = wrong[0]
            told = f"{people[0][i]!r} and {people[1][i]!r} with same = {int(same[i])}"
            raise SchemaError(f"{path}, line {i + 2}: expected people that agree with same; got {told}")
        return photo, np.array([*people[0], *people[1]]), True
    return photo, np.array([f"pair {i}" for _ in "ab" for i in range(len(rows))]), False


def _cells(rows: Sequence[Mapping[str, str]], name: str) -> list[str]:
    return [row[name].strip() for row in rows]


def _words(path: Path, rows: Sequence[Mapping[str, str]], name: str, names: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return what the columns name_a and name_b, or name, say of each photo."""
    ends = [f"{name}_a", f"{name}_b"] if f"{name}_a" in rows[0] and f"{name}_b" in rows[0] else [name, name]
    if ends[0] not in rows[0]:
        raise MissingColumn(f"{path}: expected the columns {name}_a and {name}_b, or {name}; it has {', '.join(rows[0])}")
    return _one_each(path, name, np.array([*_cells(rows, ends[0]), *_cells(rows, ends[1])], object), names, at)


def _one_each(path: Path, what: str, cells: np.ndarray, names: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the one cell of each photo; two that differ are refused."""
    found = np.full(len(names), "", object)
    found[at] = cells
    wrong = np.flatnonzero(found[at] != cells)
    if len(wrong):
        told = f"{cells[wrong[0]]!r} and {found[at[wrong[0]]]!r}"
        raise SchemaError(f"{path}: expected one {what} a photo; {names[at[wrong[0]]]} has {told}")
    return found


def with_info(roster: Roster, path: Path) -> Roster:
    """Return the roster with the columns of a table of people, or of photos.

    Parameters
    ----------
    roster
        Whose the photos are.
    path
        A .csv or .tsv with a column of photos' paths, as the roster has them, or of people: called person or the like, or else
        the first.

    Raises
    ------
    SchemaError
        One column only, a person or photo twice, or none of those in the roster.
    """
    rows = read_table(path)
    first, *_ = rows[0]
    by_path = next((name for name in PATH_COLUMNS if name in rows[0]), None)
    key = by_path or next((name for name in PERSON_COLUMNS if name in rows[0]), first)
    known = {row[key].strip(): row for row in rows}
    others = [name for name in rows[0] if name != key]
    if len(known) < len(rows) or not others:
        flaw = f"{len(rows) - len(known)} lines repeat one" if others else "it has one column"
        raise SchemaError(f"{path}: expected one line a {'photo' if by_path else 'person'} and facts beside it; {flaw}")
    of = {photo: (photo if by_path else who) for photo, who in roster.person.items()}
    if not set(of.values()) & set(known):
        told = f"{next(iter(known))!r}, ...; the photos have {next(iter(of.values()))!r}, ..."
        raise SchemaError(f"{path}: expected {key} to name {'photos' if by_path else 'people'}; it names {told}")
    nothing = dict.fromkeys(others, "")
    found = {name: {photo: known.get(of[photo], nothing)[name].strip() for photo in of} for name in others}
    return replace(roster, columns={**roster.columns, **found})
