"""Networks: who the people are, and the ties that were reported among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape

CONFLICTS = ("missing", "error", "positive", "negative")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", ".")


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The n people of a study, and the m photos that a table names of them.

    Parameters
    ----------
    id : (n,) str
        Each once, in any order.
    columns
        What is known of people, by name, (n,) str each; "" where unknown.
    photo : (m,) str
        Paths, or names of folders, as the table has them; none where it has no such column.
    of : (m,) int
        Whose each photo is.
    photo_columns
        What is known of photos (camera, batch, wave), by name, (m,) str each.

    Raises
    ------
    WrongShape
        When arrays do not fit each other.
    SchemaError
        When an id is empty or stands twice.
    """

    id: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    photo: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    of: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    photo_columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = len(self.id), len(self.photo)
        sizes = {"of": (self.of, m)} | {name: (array, n) for name, array in self.columns.items()}
        sizes |= {name: (array, m) for name, array in self.photo_columns.items()}
        for name, (array, length) in sizes.items():
            if np.shape(array) != (length,):
                raise WrongShape(f"Members: {name} has shape {np.shape(array)}, expected {(length,)}")
        names, counts = np.unique(np.asarray(self.id, str), return_counts=True)
        if (counts > 1).any() or "" in names:
            raise SchemaError(
                f"Members: expected each id once, none empty; {str(names[counts.argmax()])!r} stands {counts.max()} times"
            )

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, rows: Any) -> Members:
        """Return the people of a mask, a slice or an index array, with their photos."""
        at = np.arange(len(self))[rows]
        place = np.full(len(self), -1)
        place[at] = np.arange(len(at))
        kept = place[self.of] >= 0
        columns = {name: array[at] for name, array in self.columns.items()}
        photo_columns = {name: array[kept] for name, array in self.photo_columns.items()}
        return Members(self.id[at], columns, self.photo[kept], place[self.of[kept]], photo_columns)

    def words(self, name: str) -> np.ndarray:
        """Return a column, (n,) str; MissingColumn where there is none."""
        if name not in self.columns:
            known = ", ".join(sorted(self.columns)) or "none"
            raise MissingColumn(f"people: expected a column {name!r}; there are: {known}")
        return np.asarray(self.columns[name], object)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as numbers, (n,) float64, NaN where unknown; SchemaError where a cell is none."""
        words = self.words(name)
        found = np.full(len(words), np.nan)
        for i, word in enumerate(words):
            if not word:
                continue
            if NUMBER.fullmatch(word) is None:
                point = ": write decimals with a point" if NUMBER.fullmatch(word.replace(",", ".", 1)) else ""
                raise SchemaError(f"people: expected numbers in {name!r}; {self.id[i]} has {word!r}{point}")
            found[i] = float(word)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Ties as they were reported, t rows.

    Parameters
    ----------
    ego, alter : (t,) str
        Ids: whose report it is, and of whom.
    relation : (t,) str
        "" where the source names none.
    weight : (t,) float64
        Below 0 for a negative tie; 0 for none that was asked about; NaN where it is not known.
    wave : (t,) str
        "" where there is one.
    row : (t,) int
        Line of the source from 1, which of a matrix has several cells; row of a parquet.
    directed
        False where the source says that its ties have no direction.
    source : (t,) str
        File of each row, or none of any.

    Raises
    ------
    WrongShape
        When arrays do not fit each other.
    """

    ego: np.ndarray
    alter: np.ndarray
    relation: np.ndarray
    weight: np.ndarray
    wave: np.ndarray
    row: np.ndarray
    directed: bool = True
    source: np.ndarray = field(default_factory=lambda: np.empty(0, object))

    def __post_init__(self) -> None:
        names = ("ego", "alter", "relation", "weight", "wave", "row") + (("source",) if len(self.source) else ())
        for name in names:
            if np.shape(getattr(self, name)) != (len(self.ego),):
                raise WrongShape(f"Ties: {name} has shape {np.shape(getattr(self, name))}, expected {(len(self.ego),)}")

    def __len__(self) -> int:
        return len(self.ego)

    def __getitem__(self, rows: Any) -> Ties:
        """Return the ties of a mask, a slice or an index array."""
        names = ("ego", "alter", "relation", "weight", "wave", "row") + (("source",) if len(self.source) else ())
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def relations(self) -> tuple[str, ...]:
        """The names of the relations, sorted."""
        return tuple(sorted(set(map(str, self.relation))))

    @property
    def waves(self) -> tuple[str, ...]:
        """The names of the waves, sorted: as numbers where all are."""
        names = set(map(str, self.wave))
        numeric = all(name.replace(".", "", 1).isdecimal() for name in names)
        return tuple(sorted(names, key=lambda name: (float(name), name) if numeric else (0.0, name)))


@dataclass(frozen=True, slots=True, eq=False)
class Linked:
    """Ties between known people, each pair of a relation and wave once, and what became of every row.

    Parameters
    ----------
    ego, alter : (u,) int
        Rows of the members.
    relation, wave : (u,) str
    weight : (u,) float64
        NaN where it is not known, or reports conflict.
    status : (t,) str
        Of each row of the ties: "used", "repeated" (says what an earlier row said), "conflict", "self", "unknown_id",
        "other_block".
    ties
        The rows.
    conflicts
        What became of ties whose rows contradict each other.
    """

    ego: np.ndarray
    alter: np.ndarray
    relation: np.ndarray
    wave: np.ndarray
    weight: np.ndarray
    status: np.ndarray
    ties: Ties
    conflicts: str = "missing"
