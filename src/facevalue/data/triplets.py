"""`Triplets`: what people said about which faces are alike, one row an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Kind = Literal["odd_one_out", "anchor", "ranking"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMED_ROWS = 5


@dataclass(frozen=True, slots=True)
class Triplets:
    """Answers of annotators about faces, all of one kind.

    Parameters
    ----------
    items : (t, m) int
        Rows of `names`. "odd_one_out": the three faces, in the order in which they were shown. "anchor": the reference,
        then the two that were compared with it. "ranking": the target, then the others from the most to the least alike.
    odd : (t,) int
        The place in `items` of the face that was left out: 0, 1 or 2; of an anchor 1 or 2; of a ranking the last.
    annotator : (t,) str
        "" where nobody recorded whose answer it is.
    names : (n,) str
        Of the faces.
    kind
        Of the question.
    columns
        Further facts about each answer, (t, ...) each: "split", "response_ms", "place" (where on the screen the chosen
        face stood), "purpose" ("random", "check", "validation").

    A check trial, whose "purpose" is "check", may offer its reference or target among the other faces, so that one answer is
    right for certain; nowhere else does a face stand twice in one answer. `self_referring` says where that is so.

    Raises
    ------
    WrongShape
        A column is not as long as `items`, or `items` is not as wide as the kind asks.
    SchemaError
        A kind that is none, a name that stands twice, or rows that name a face twice, a face that is not there, or an odd
        one that cannot be; the message names the first of them.

    Examples
    --------
    >>> answers = Triplets([[0, 1, 2], [2, 1, 3]], [2, 0], ["ann", "bo"], ["a", "b", "c", "d"], "odd_one_out")
    >>> len(answers), answers[answers.annotator == "bo"].items.tolist(), len(set(answers.query))
    (2, [[2, 1, 3]], 2)
    """

    items: np.ndarray
    odd: np.ndarray
    annotator: np.ndarray
    names: np.ndarray
    kind: Kind
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SchemaError(f"judgments: expected a kind out of {', '.join(KINDS)}; got {self.kind!r}")
        for name, kind in (("items", np.int64), ("odd", np.int64), ("annotator", object), ("names", object)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
        object.__setattr__(self, "columns", {name: np.asarray(column) for name, column in self.columns.items()})
        if self.items.ndim != 2 or self.items.shape[1] < 3 or (self.kind != "ranking" and self.items.shape[1] != 3):
            wide = "(t, 3 or more)" if self.kind == "ranking" else "(t, 3)"
            raise WrongShape(f"judgments: expected items {wide}, got {self.items.shape}")
        for name, column in {"odd": self.odd, "annotator": self.annotator, **self.columns}.items():
            if column.shape[:1] != (len(self),) or (name in ("odd", "annotator") and column.ndim != 1):
                raise WrongShape(f"judgments: {name} has shape {column.shape}, expected {len(self)} rows as items has")
        if len(set(self.names)) < len(self.names):
            raise SchemaError(
                f"judgments: expected each of {len(self.names)} names once, got {len(set(self.names))} different ones"
            )
        if (faults := self._faults()) and any(faults.values()):
            raise SchemaError(
                "judgments: " + "; ".join(f"{what} in {named_rows(rows)}" for what, rows in faults.items() if rows)
            )

    def _faults(self) -> dict[str, list[int]]:
        last = self.items.shape[1] - 1
        low, high = {"odd_one_out": (0, 2), "anchor": (1, 2), "ranking": (last, last)}[self.kind]
        found = {
            f"a face that is none of the {len(self.names)}": ((self.items < 0) | (self.items >= len(self.names))).any(1),
            "one face twice": twice(self.items, self.kind, self.columns.get("purpose")),
            f"an odd one that is not {low} to {high}": (self.odd < low) | (self.odd > high),
        }
        return {what: np.flatnonzero(rows).tolist() for what, rows in found.items()}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: Any) -> Triplets:
        """Return the answers of a mask, a slice or an index array; the faces stay all of them."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, items=self.items[rows], odd=self.odd[rows], annotator=self.annotator[rows], columns=columns)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row an answer: item_0 and on by name, odd, annotator, kind, further columns; RunError without pandas."""
        from facevalue.data import _frames

        return _frames.pandas_frame(_frames.flat_triplets(self), {})

    def to_polars(self) -> pl.DataFrame:
        """Return the columns of `to_pandas` as a frame of polars; RunError where that is not installed."""
        from facevalue.data import _frames

        return _frames.polars_frame(_frames.flat_triplets(self))

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of `items`, (t, m): by it scikit-learn takes rows, not single answers."""
        return tuple(self.items.shape)

    @property
    def annotators(self) -> np.ndarray:
        """The annotators that are known, sorted, (a,) str."""
        return np.array(sorted(set(self.annotator) - {""}), object)

    @property
    def query(self) -> np.ndarray:
        """The number of each answer's question, (t,) int: equal where the same was asked, in whatever order it was shown."""
        fixed = 0 if self.kind == "odd_one_out" else 1
        asked = np.hstack([self.items[:, :fixed], np.sort(self.items[:, fixed:], axis=1)])
        return np.unique(asked, axis=0, return_inverse=True)[1].reshape(-1)

    @property
    def chosen(self) -> np.ndarray:
        """The face that was left out or, of a ranking, put last, (t,) int: a row of `names`."""
        left_out: np.ndarray = self.items[np.arange(len(self)), self.odd]
        return left_out

    @property
    def self_referring(self) -> np.ndarray:
        """Where the reference is among the faces that are offered, (t,) bool: a check trial, which says nothing of likeness."""
        return np.asarray((self.items[:, 1:] == self.items[:, :1]).any(1))

    def sha256(self) -> str:
        """Return the sum of all answers, whose they are and the names of the faces."""
        words = "\n".join([self.kind, *map(str, self.names), "", *map(str, self.annotator)])
        return hashlib.sha256(words.encode() + self.items.tobytes() + self.odd.tobytes()).hexdigest()


def twice(items: np.ndarray, kind: Kind, purpose: np.ndarray | None) -> np.ndarray:
    """Return in which answers a face stands twice, (t,) bool; a check trial may offer its own reference.

    Examples
    --------
    >>> twice(np.array([[0, 0, 1], [0, 0, 1], [0, 1, 1]]), "anchor", np.array(["", "check", "check"])).tolist()
    [True, False, True]
    """
    offered = np.sort(items[:, 1:], axis=1)
    again = (items[:, 1:] == items[:, :1]).any(1)
    if purpose is not None and kind != "odd_one_out":
        again &= purpose != "check"
    return np.asarray(again | (offered[:, 1:] == offered[:, :-1]).any(1))


def named_rows(rows: Sequence[int]) -> str:
    """Return the first of some rows in words.

    Examples
    --------
    >>> named_rows([3]), named_rows(range(9))
    ('row 3', 'rows 0, 1, 2, 3, 4 and 4 more')
    """
    shown = ", ".join(str(row) for row in rows[:NAMED_ROWS])
    rest = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    return f"row{'s' * (len(rows) > 1)} {shown}{rest}"


def concatenate(parts: Sequence[Triplets]) -> Triplets:
    """Return the answers of all parts, which are of one kind, over the faces of all of them; the columns that all have.

    Raises
    ------
    SchemaError
        Parts of several kinds, or none.
    """
    if len({(part.kind, part.items.shape[1]) for part in parts}) != 1:
        raise SchemaError(f"judgments: expected parts of one kind, got {sorted({part.kind for part in parts})}")
    parts = over_same_faces(parts)
    shared = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    items, odd, annotator = (np.concatenate([getattr(part, name) for part in parts]) for name in ("items", "odd", "annotator"))
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in shared}
    return replace(parts[0], items=items, odd=odd, annotator=annotator, columns=columns)


def over_same_faces(parts: Sequence[Triplets]) -> list[Triplets]:
    """Return the parts with their items numbered over the names of all, the first part's names first."""
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    row = {name: i for i, name in enumerate(names)}
    places = [np.array([row[name] for name in part.names], np.int64) for part in parts]
    return [
        replace(part, items=place[part.items], names=np.array(names, object)) for part, place in zip(parts, places, strict=True)
    ]
