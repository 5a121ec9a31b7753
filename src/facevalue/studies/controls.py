"""Controls of regressions over pairs of people, as words: `same:sex`, `absdiff:age`, `kin`, `same:sex*same:ethnicity`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Members

SIMILARITY = "similarity"
OF_NUMBERS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "absdiff": lambda ego, alter: abs(ego - alter),
    "sum": lambda ego, alter: ego + alter,
    "product": lambda ego, alter: ego * alter,
    "min": np.minimum,
    "max": np.maximum,
    "sender": lambda ego, alter: ego + 0 * alter,
    "receiver": lambda ego, alter: alter + 0 * ego,
}
KINDS = ("same", *OF_NUMBERS)
DIRECTED = ("sender", "receiver")


@dataclass(frozen=True, slots=True, order=True)
class Control:
    """One control: what is done with a column of people, or a relation between them.

    Parameters
    ----------
    kind
        One of KINDS, or "relation".
    column
        Of people; or the name of the relation, or "similarity".
    """

    kind: str
    column: str

    def __str__(self) -> str:
        return self.column if self.kind == "relation" else f"{self.kind}:{self.column}"


def read_control(word: str) -> tuple[Control, ...]:
    """Return the controls that a word names: one, or those whose product an interaction is.

    Raises
    ------
    UnknownName
        What stands before the colon is no kind of control.
    SchemaError
        A part is empty, or the similarity of faces stands alone.

    Examples
    --------
    >>> [str(part) for part in read_control("same:sex*absdiff:age")], read_control("kin")
    (['same:sex', 'absdiff:age'], (Control(kind='relation', column='kin'),))
    """
    parts = []
    for part in word.split("*"):
        kind, colon, column = (piece.strip() for piece in part.partition(":"))
        if not kind or (colon and not column):
            raise SchemaError(f"expected a control such as same:sex, absdiff:age, kin or same:sex*same:village; got {word!r}")
        if colon and kind not in KINDS:
            raise UnknownName(kind, KINDS, what="kind of control")
        parts.append(Control(kind, column) if colon else Control("relation", kind))
    if parts == [Control("relation", SIMILARITY)]:
        raise SchemaError("expected other controls than similarity, which is in every regression of ties; leave it out")
    return tuple(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """All that controls may be made of.

    Parameters
    ----------
    members
        n people.
    numbers
        Further numbers of people, (n,) each by name, as measured on their photos; NaN where unknown.
    shares
        Words about photos, (n, c) by name: the share of each word among a person's photos; NaN where unknown.
    relations
        Of each block, (n_b, n_b) each by name.
    """

    members: Members
    numbers: Mapping[str, np.ndarray]
    shares: Mapping[str, np.ndarray]
    relations: Mapping[str, Sequence[np.ndarray]]

    def number(self, name: str) -> np.ndarray:
        """Return numbers of people, (n,) float64, of the table or else of the photos."""
        if name in self.members.columns:
            return self.members.numbers(name)
        if name not in self.numbers:
            raise UnknownName(name, {*self.members.columns, *self.numbers}, what="column of numbers")
        return np.asarray(self.numbers[name], np.float64)

    def same(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return which share of what is said of two people agrees, (n_b, n_b) float64; NaN where nothing is said of one."""
        if name in self.shares:
            part = self.shares[name][rows]
            found = part @ part.T
            return np.asarray(found if part.shape[1] else np.full(found.shape, np.nan))
        if name not in self.members.columns:
            raise UnknownName(name, {*self.members.columns, *self.shares}, what="column of words")
        words = self.members.words(name)[rows].astype(str)
        known = words != ""
        return np.where(known[:, None] & known, words[:, None] == words, np.nan)


def predictors(terms: Sequence[str], known: Known, blocks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the controls of the pairs of each block, (n_b, n_b, p); NaN where one of two people lacks what it needs.

    "same" is 1 or 0, or for words about photos the share of the pairs of photos that agree; a relation is 1 where either
    reported it, or its weight. The similarity of faces counts as 1 in an interaction: `pair_sample` puts it in on its scale.

    Parameters
    ----------
    terms
        p words, see `read_control`.
    known
        What they are made of.
    blocks
        Rows of the people of each.

    Raises
    ------
    UnknownName, SchemaError
        A column, relation or kind is not there, or a column of numbers has words.
    """
    asked = [read_control(word) for word in terms]
    made = {part: _of_blocks(part, known, blocks) for word in asked for part in word}
    found = []
    for i, rows in enumerate(blocks):
        shape = (len(rows), len(rows))
        columns = [np.prod([made[part][i] for part in word], axis=0) for word in asked]
        found.append(np.stack(columns, axis=2) if columns else np.empty((*shape, 0)))
    return found


def _of_blocks(control: Control, known: Known, blocks: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Return one control of the pairs of each block."""
    if control.kind == "relation":
        if control.column == SIMILARITY:
            return [np.ones((len(rows), len(rows))) for rows in blocks]
        if control.column not in known.relations:
            raise UnknownName(control.column, known.relations, what="relation in the ties, or kind:column,")
        return known.relations[control.column]
    if control.kind == "same":
        return [known.same(control.column, rows) for rows in blocks]
    numbers, pair = known.number(control.column), OF_NUMBERS[control.kind]
    return [pair(numbers[rows][:, None], numbers[rows][None]) for rows in blocks]


def is_directed(terms: Sequence[str]) -> bool:
    """Return whether any of the controls differs between (i, j) and (j, i)."""
    return any(part.kind in DIRECTED for word in terms for part in read_control(word))


def holds_similarity(term: str) -> bool:
    """Return whether a control is an interaction with the similarity of faces.

    Examples
    --------
    >>> holds_similarity("similarity*same:sex"), holds_similarity("same:sex")
    (True, False)
    """
    return SIMILARITY in {part.column for part in read_control(term)}
