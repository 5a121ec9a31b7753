"""What instruments perceive in faces, and people labelled: the attributes whose shares a data set is told by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName, WrongShape
from facevalue.data.faces import Column, Faces
from facevalue.studies.grouping import unknown
from facevalue.studies.sample import numbers_of

COLUMNS = {
    "age_group": "attributes.age_group",
    "gender": "attributes.gender",
    "race": "attributes.race",
    "expression": "expression.votes",
}
GIVEN = "given"


class Rates(Protocol):
    """How often each label was told of faces of each true one, as `facevalue.confidence.error_rates.ErrorRates` has it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The k names."""

    @property
    def counts(self) -> np.ndarray:
        """True x told, (k, k)."""

    @property
    def source(self) -> str:
        """The instrument."""

    @property
    def of(self) -> str:
        """Whose faces."""


@dataclass(frozen=True, slots=True, eq=False)
class Perceived:
    """One attribute, or several crossed, of n faces.

    Parameters
    ----------
    name
        "gender", "gender x race".
    labels
        k names; of crossed ones "Female, Black".
    p : (n, k) float64
        Probabilities; NaN where not judged.
    why : (n,) str
        Why a face was not judged; "" where it was.
    truth : (n,) int
        What people labelled; -1 where nobody did.
    rates
        One a part: an instrument's error rates, None where there are none, "given" where the labels are without error.
    parts
        Labels of each part.
    source
        Who perceives.
    """

    name: str
    labels: tuple[str, ...]
    p: np.ndarray
    why: np.ndarray
    truth: np.ndarray
    rates: tuple[Rates | str | None, ...]
    parts: tuple[tuple[str, ...], ...]
    source: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many labels each part has."""
        return tuple(len(part) for part in self.parts)

    @property
    def judged(self) -> np.ndarray:
        """Which faces were judged, (n,) bool."""
        return np.asarray(self.why == "")

    @property
    def told(self) -> np.ndarray:
        """The most likely label of each face, (n,) int; -1 where it was not judged. Of crossed ones, that of each part."""
        return np.asarray(np.where(self.judged, np.nan_to_num(self.p).argmax(1), -1))


def perceived(
    faces: Faces,
    name: str,
    *,
    truth: Mapping[str, np.ndarray],
    rates: Mapping[str, Rates],
    given: Mapping[str, np.ndarray],
) -> Perceived:
    """Return an attribute by its word, by its column, or by a given column; "a x b" of several.

    Parameters
    ----------
    faces
        n faces.
    name
        A word of `COLUMNS`, a column of the faces that has labels, a given column; several joined by " x ".
    truth
        By word or column, (n,) str: what people labelled; "" where nobody did.
    rates
        By column.
    given
        By name, (n,) str: facts about each face, "" where unknown.

    Raises
    ------
    UnknownName
        Neither is there, or a label is none of the column's.
    SchemaError
        A column without labels.
    WrongShape
        Labels that are not one a face.
    """
    parts = [_one(faces, part.strip(), truth, rates, given) for part in re.split(r" x |\*", name)]
    return parts[0] if len(parts) == 1 else crossed(parts)


def crossed(parts: Sequence[Perceived]) -> Perceived:
    """Return the cells of several attributes; p is the product, as if the instruments erred regardless of each other.

    Examples
    --------
    >>> rest = {"why": np.array([""]), "truth": np.array([1]), "rates": (None,), "parts": (("x", "y"),), "source": "m@1"}
    >>> a = Perceived("a", ("x", "y"), np.array([[0.2, 0.8]]), **rest)
    >>> found = crossed([a, Perceived("b", ("x", "y"), np.array([[0.2, 0.8]]), **rest)])
    >>> found.name, found.labels, found.p.round(2), found.truth
    ('a x b', ('x, x', 'x, y', 'y, x', 'y, y'), array([[0.04, 0.16, 0.16, 0.64]]), array([3]))
    """
    p, truth, why = parts[0].p, parts[0].truth, parts[0].why
    for part in parts[1:]:
        p = (p[:, :, None] * part.p[:, None, :]).reshape(len(p), -1)
        truth = np.where((truth < 0) | (part.truth < 0), -1, truth * len(part.labels) + part.truth)
        why = np.where(why == "", part.why, why)
    return Perceived(
        " x ".join(part.name for part in parts),
        tuple(", ".join(cell) for cell in product(*(part.labels for part in parts))),
        p,
        why,
        truth,
        tuple(rate for part in parts for rate in part.rates),
        tuple(labels for part in parts for labels in part.parts),
        "; ".join(dict.fromkeys(part.source for part in parts)),
    )


def truth_of(truth: Mapping[str, np.ndarray], name: str, labels: Sequence[str], n: int) -> np.ndarray:
    """Return what people labelled as numbers of labels, (n,) int, -1 where nobody did.

    Years of "age" serve for "age_group" where that is not labelled.

    Examples
    --------
    >>> truth_of({"gender": np.array(["female", "", "Male"])}, "gender", ("Male", "Female"), 3)
    array([ 1, -1,  0])
    >>> truth_of({"age": np.array([2, 35, np.nan])}, "age_group", ("0-2", "3-29", "30+"), 3)
    array([ 0,  2, -1])
    """
    words = {word.lower(): i for i, word in enumerate(labels)}
    given = truth.get(name, truth.get(COLUMNS.get(name, "")))
    if given is None and name == "age_group" and "age" in truth:
        years, first = numbers_of("age", truth["age"]), [float(re.findall(r"\d+", word)[0]) for word in labels]
        given = np.where(np.isnan(years), "", np.array(labels)[np.maximum(np.searchsorted(first, years, side="right") - 1, 0)])
    if given is None:
        return np.full(n, -1)
    if np.shape(given) != (n,):
        raise WrongShape(f"labels of {name}: expected one a face, {n}; got shape {np.shape(given)}")
    text = ["" if unknown(cell) else str(cell).strip() for cell in given]
    for wrong in (cell for cell in text if cell and cell.lower() not in words):
        raise UnknownName(wrong, labels, what=f"label of {name}")
    return np.array([words[cell.lower()] if cell else -1 for cell in text])


def reasons(column: Column) -> np.ndarray:
    """Return why each face was not measured, (n,) str; "" where it was.

    >>> reasons(Column(np.array([1.0, np.nan, np.nan]), "1", "m@1", why=np.array(["", "too_small: 9 px", ""])))
    array(['', 'too_small', 'not_measured'], dtype=object)
    """
    gone = np.isnan(column.values).any(tuple(range(1, column.values.ndim)))
    given = np.full(len(column), "", object) if column.why is None else column.why
    words = np.array([str(why or "").partition(":")[0] for why in given], object)
    return np.asarray(np.where(gone, np.where(words == "", "not_measured", words), "").astype(object))


def _one(
    faces: Faces, name: str, truth: Mapping[str, np.ndarray], rates: Mapping[str, Rates], given: Mapping[str, np.ndarray]
) -> Perceived:
    if name in given:
        return _given(name, given[name], len(faces))
    path = COLUMNS.get(name, name)
    if path not in faces.columns:
        raise UnknownName(
            name,
            [
                *(w for w, c in COLUMNS.items() if c in faces.columns),
                *given,
                *(c for c, column in faces.columns.items() if column.labels),
            ],
            what="attribute",
        )
    column = faces[path]
    if not column.labels:
        raise SchemaError(f"{path}: expected a column with labels, whose shares can be told; it is a number in {column.unit}")
    known = rates.get(path)
    if known is not None and known.labels != column.labels:
        raise SchemaError(f"{path}: expected error rates of {column.labels}, got those of {known.labels}")
    found = truth_of(truth, name, column.labels, len(faces))
    p = column.values.astype(np.float64)
    return Perceived(name, column.labels, p, reasons(column), found, (known,), (column.labels,), column.source)


def _given(name: str, cells: np.ndarray, n: int) -> Perceived:
    if np.shape(cells) != (n,):
        raise WrongShape(f"{name}: expected a word a face, {n}; got shape {np.shape(cells)}")
    text = np.array(["" if unknown(cell) else str(cell).strip() for cell in cells], object)
    labels = sorted(set(text.tolist()) - {""}) or ["none"]
    code = np.array([labels.index(cell) if cell else -1 for cell in text], int)
    p = np.where(code[:, None] < 0, np.nan, code[:, None] == np.arange(len(labels)))
    why = np.where(code < 0, "not_given", "").astype(object)
    return Perceived(name, tuple(labels), p, why, code, (GIVEN,), (tuple(labels),), GIVEN)
