"""What can still be read in obscured photos: attributes against the truth, or against what the clean photos said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.stats.confusion import balanced_accuracy, confusions, macro_f1
from facevalue.studies.resampled import Labelled, Means, Measure

TRUTHS = {"gender": ("gender", "sex", "face_gender", "face_sex"), "age": ("age", "face_age")}
NAMES = {"expression.votes": "expression"}
WORDS = {"man": "male", "woman": "female", "w": "female"}


def attributes_left(
    people: People, person: np.ndarray, attributes: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, Measure, str]]:
    """Yield measures of each attribute, and what they were held against.

    The truth is a column of the people ("gender" or "sex", "age"), else the label of the clean photo. Of labels:

    - A_f1, A_balanced_accuracy: over labels, each photo counting once; a photo of which nothing is told is wrong
    - A_retained: F1 over that of the clean photos; without a truth, the share of photos whose label is still the same
    - A_agreement: that share, where there is a truth

    Of numbers, A_error_years: mean distance from the truth, a photo of which nothing is told left out.

    Parameters
    ----------
    people
        n clean photos.
    person : (n,) int
        Whose each is, numbered from 0.
    attributes
        By column, as "attributes.gender": distributions (n, k), or numbers (n,), of the obscured photos.

    Raises
    ------
    MissingColumn
        The clean photos have no such column.
    WrongShape
        Another number of rows or labels.
    SchemaError
        A column of truths of which no word is a label.
    """
    names = short_names(list(attributes))
    for column, values in attributes.items():
        clean, told = people.faces[column], np.asarray(values, np.float64)
        told = told[:, 0] if told.ndim == 2 and told.shape[1] == 1 and clean.values.ndim == 1 else told
        if told.shape != clean.values.shape:
            raise WrongShape(f"{column}: expected shape {clean.values.shape}, as clean photos have; got {told.shape}")
        if told.ndim == 1:
            yield from _number(people, person, names[column], clean, told)
        else:
            yield from _labels(people, person, names[column], clean, told)


def short_names(columns: list[str]) -> dict[str, str]:
    """Return the word by which each column's measures go: its last part, or all of it where two would be one.

    Examples
    --------
    >>> short_names(["attributes.gender", "expression.votes", "a.race", "b.race"])
    {'attributes.gender': 'gender', 'expression.votes': 'expression', 'a.race': 'a_race', 'b.race': 'b_race'}
    """
    short = {column: NAMES.get(column, column.rpartition(".")[2]) for column in columns}
    count = Counter(short.values())
    return {column: name if count[name] == 1 else column.replace(".", "_") for column, name in short.items()}


def _labels(
    people: People, person: np.ndarray, name: str, clean: Column, told: np.ndarray
) -> Iterator[tuple[str, Measure, str]]:
    labels = clean.labels or tuple(map(str, range(told.shape[1])))
    now, before = _likeliest(told), _likeliest(clean.values)
    where = _column(people, name)
    truth = before if where is None else _numbered(people.columns[where], labels, where)
    against = "the clean photo's reading" if where is None else f"the column {where!r}"
    counts, same, was = (
        confusions(true, it, person, k=len(labels)) for true, it in ((truth, now), (before, now), (truth, before))
    )
    yield f"{name}_f1", Labelled(counts, macro_f1), against
    yield f"{name}_balanced_accuracy", Labelled(counts, balanced_accuracy), against
    agreement = Means(Labelled(same).shares[None])
    if where is None:
        yield f"{name}_retained", agreement, against
    else:
        yield f"{name}_retained", Labelled(counts, macro_f1, was), f"{against}, over that of clean photos"
        yield f"{name}_agreement", agreement, "the clean photo's reading"


def _number(
    people: People, person: np.ndarray, name: str, clean: Column, told: np.ndarray
) -> Iterator[tuple[str, Measure, str]]:
    where = _column(people, name)
    truth = clean.values if where is None else _numbers(people.columns[where])
    off = abs(told - truth)
    known = np.isfinite(off)
    with np.errstate(invalid="ignore"):
        size = int(person.max()) + 1
        means = np.bincount(person[known], off[known], size) / np.bincount(person[known], minlength=size)
    against = "the clean photo's reading" if where is None else f"the column {where!r}"
    yield f"{name}_error" + (f"_{clean.unit}" if clean.unit != "1" else ""), Means(means[None], share=False), against


def _likeliest(p: np.ndarray) -> np.ndarray:
    """Return the likeliest label of each face, -1 where nothing is told."""
    known = np.isfinite(p).all(1)
    return np.where(known, np.nan_to_num(p).argmax(1), -1)


def _column(people: People, name: str) -> str | None:
    """Return the people's column that holds the truth of an attribute."""
    return next((column for column in TRUTHS.get(name, ()) if column in people.columns), None)


def _numbered(words: np.ndarray, labels: tuple[str, ...], column: str) -> np.ndarray:
    """Return the label of each word, or of its beginning; -1 where it is none.

    >>> _numbered(np.array(["female", "m", "", "Woman", "x"]), ("Male", "Female"), "sex")
    array([ 1,  0, -1,  1, -1])
    """
    known = [label.casefold() for label in labels]
    found = {}
    for word in {str(word) for word in words}:
        plain = word.strip().casefold()
        plain = WORDS.get(plain, plain)
        begun = [i for i, label in enumerate(known) if plain and label.startswith(plain)]
        found[word] = known.index(plain) if plain in known else begun[0] if len(begun) == 1 else -1
    if max(found.values(), default=-1) < 0:
        told = ", ".join(sorted(found)[:5])
        raise SchemaError(f"column {column!r}: expected words such as {', '.join(labels)}; got {told}: rename the column")
    return np.array([found[str(word)] for word in words])


def _numbers(words: np.ndarray) -> np.ndarray:
    """Return numbers, NaN where a word is none."""

    def number(word: str) -> float:
        try:
            return float(word)
        except ValueError:
            return np.nan

    return np.array([number(str(word)) for word in words])
