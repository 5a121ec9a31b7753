"""Splits of answers into parts that do not know each other: by query, by face, by annotator; and what leaked all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.triplets import Triplets, concatenate

By = Literal["triplet", "query", "image", "rater"]
DROPPED = "dropped"


@dataclass(frozen=True, slots=True, eq=False)
class Leaks:
    """What answers share with those that a model was fitted on.

    Parameters
    ----------
    query : (t,) bool
        Whose query was answered there, by whomever.
    answer : (t,) bool
        Whose query was answered there by the same, known annotator.
    faces : (t,) int
        How many of the faces of each stand there.
    annotator : (t,) bool
        Whose annotator, known, answered there.
    """

    query: np.ndarray
    answer: np.ndarray
    faces: np.ndarray
    annotator: np.ndarray


def split(answers: Triplets, *, by: By, shares: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    """Return the rows of each part, rising, and as "dropped" those that fit into none.

    Parameters
    ----------
    answers
        t of them.
    by
        "triplet": each answer by itself, so that parts share queries, faces and annotators. "query": an answered question
        lies in one part, whoever answered it. "image": a face lies in one part; answers about faces of several parts are
        dropped. "rater": an annotator lies in one part.
    shares
        Name of a part to its share, of what `by` says; they sum to 1. By image, three faces of a part of share s are met
        together in about s^3 of the answers.
    seed
        Of the drawing.

    Returns
    -------
    dict
        Rows (int) by the name of their part; "dropped" last.

    Raises
    ------
    SchemaError
        Another `by`; shares that are not above 0 or do not sum to 1, or a part called "dropped"; by rater, answers of
        which nobody recorded whose they are; a part that is left without answers.

    Examples
    --------
    >>> answers = Triplets([[0, 1, 2], [2, 1, 0], [3, 4, 5]], [0, 0, 1], ["ann", "bo", "ann"], list("abcdef"), "odd_one_out")
    >>> parts = split(answers, by="query", shares={"train": 0.5, "test": 0.5}, seed=0)
    >>> {name: rows.tolist() for name, rows in parts.items()}
    {'train': [0, 1], 'test': [2], 'dropped': []}
    """
    _check(answers, by, shares)
    known, unit = np.unique(_units(answers, by), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(known))
    ends = np.round(np.cumsum(list(shares.values())) * len(known)).astype(int)
    part = np.searchsorted(ends[:-1], order[unit], side="right").reshape(len(answers), -1)
    whole = (part == part[:, :1]).all(1)
    rows = {name: np.flatnonzero(whole & (part[:, 0] == i)) for i, name in enumerate(shares)}
    if empty := [name for name, found in rows.items() if not len(found)]:
        told = f"{len(answers)} split by {by}, {int((~whole).sum())} dropped"
        raise SchemaError(f"expected answers in each part, got none in {empty[0]!r} ({told}): give larger shares")
    return rows | {DROPPED: np.flatnonzero(~whole)}


def _units(answers: Triplets, by: By) -> np.ndarray:
    """Return the numbers of what must lie in one part, (t, c) int."""
    if by == "image":
        return answers.items
    if by == "rater":
        return np.unique(answers.annotator.astype(str), return_inverse=True)[1].reshape(-1, 1)
    return (answers.query if by == "query" else np.arange(len(answers)))[:, None]


def _check(answers: Triplets, by: By, shares: Mapping[str, float]) -> None:
    if by not in get_args(By):
        raise SchemaError(f"expected a split by {', '.join(get_args(By))}; got {by!r}")
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6 or DROPPED in shares:
        raise SchemaError(f"expected shares above 0 that sum to 1, none of them called {DROPPED!r}; got {dict(shares)}")
    if by == "rater" and (unknown := int((answers.annotator == "").sum())):
        raise SchemaError(f"expected answers with annotators to split by rater; {unknown} of {len(answers)} have none")


def leaks(answers: Triplets, train: Triplets) -> Leaks:
    """Return what answers share with those that a model was fitted on, row by row; faces are the same where their names are.

    Raises
    ------
    SchemaError
        When the two are not of one kind.

    Examples
    --------
    >>> train = Triplets([[0, 1, 2]], [2], ["ann"], ["a", "b", "c"], "anchor")
    >>> found = leaks(Triplets([[2, 1, 0], [1, 2, 0]], [1, 1], ["ann", "bo"], ["c", "b", "a"], "anchor"), train)
    >>> found.query.tolist(), found.answer.tolist(), found.faces.tolist(), found.annotator.tolist()
    ([True, False], [True, False], [3, 3], [True, False])
    """
    both = concatenate([answers, train])
    new, query = slice(0, len(answers)), both.query
    who = np.unique(both.annotator.astype(str), return_inverse=True)[1].reshape(-1)
    known, asked = answers.annotator != "", query * (int(who.max(initial=0)) + 1) + who
    seen = np.isin(both.items[new], both.items[len(answers) :]).sum(1)
    old = slice(len(answers), None)
    return Leaks(
        np.isin(query[new], query[old]),
        np.isin(asked[new], asked[old]) & known,
        seen,
        np.isin(who[new], who[old]) & known,
    )
