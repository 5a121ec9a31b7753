"""Groupings: which group each photo's person is of, by a fact about people or as an instrument perceives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column

THIRDS, DISTINCT = 3, 8
UNKNOWN = ("", "na", "n/a", "nan", "none", "null")


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The group of each of n photos; all photos of a person are of one.

    Parameters
    ----------
    name
        What groups them: a column.
    groups
        Names of the groups, in order.
    code : (n,) int
        The group of each photo, -1 where it is unknown.
    view
        Whose view it is: "" for facts, "as perceived by ...", or how a number was cut.
    """

    name: str
    groups: tuple[str, ...]
    code: np.ndarray
    view: str = ""

    @property
    def words(self) -> np.ndarray:
        """The group's name of each photo, (n,) str; "" where it is unknown."""
        return np.asarray(np.array([*self.groups, ""], object)[self.code])


def grouping(name: str, values: np.ndarray | Column, person: np.ndarray) -> Grouping:
    """Return the groups of people by words or numbers about their photos.

    Words: a person's one word. Numbers, of which there are more than eight: thirds of the people by the mean of their
    photos. A distribution over labels: the label of the highest mean share over the person's photos.

    Parameters
    ----------
    name
        Of the column.
    values : (n,) str or float, or a Column
        "", "NA" or NaN where unknown.
    person : (n,) str
        Whose each photo is; "" for nobody's, of no group.

    Raises
    ------
    SchemaError
        A person of two words, or fewer than two groups.
    WrongShape
        Not a value a photo.

    Examples
    --------
    >>> found = grouping("sex", np.array(["f", "f", "m", ""]), np.array(["ann", "ann", "bo", "cy"]))
    >>> found.groups, found.code.tolist()
    (('f', 'm'), [0, 0, 1, -1])
    >>> found = grouping("age", np.arange(12.0), np.array(list("abcdefghijkl")))
    >>> found.groups, found.view
    (('up to 3', '4 to 7', '8 or more'), 'thirds of the people')
    """
    if len(values) != len(person):
        raise WrongShape(f"{name}: expected a value for each of {len(person)} photos, got {len(values)}")
    _, who = np.unique(person.astype(str), return_inverse=True)
    if isinstance(values, Column) and values.labels:
        found = _labelled(name, values, who)
    elif (numbers := _numbers(values)) is not None:
        found = _thirds(name, numbers, who, values.source if isinstance(values, Column) else "")
    else:
        found = _worded(name, np.asarray(values, object), who, person)
    code = np.where(person == "", -1, found.code)
    there = [j for j in range(len(found.groups)) if (code == j).any()]
    if len(there) < 2:
        told = ", ".join(found.groups[j] for j in there) or "none"
        raise SchemaError(f"{name}: expected two groups of people or more; got {told}")
    place = np.full(len(found.groups) + 1, -1)
    place[there] = np.arange(len(there))
    return Grouping(name, tuple(found.groups[j] for j in there), place[code], found.view)


def unknown(cell: object) -> bool:
    """Return whether a cell of a table says that nothing is known.

    >>> unknown("NA"), unknown(" "), unknown(None), unknown("f"), unknown(0.0)
    (True, True, True, False, False)
    """
    return str(cell).strip().lower() in UNKNOWN


def _numbers(values: np.ndarray | Column) -> np.ndarray | None:
    """Return the values as (n,) float where they are numbers of more than eight kinds, None otherwise."""
    cells = values.values if isinstance(values, Column) else np.asarray(values)
    if cells.ndim != 1:
        raise SchemaError(f"expected one number or word a photo, or shares of labels; got shape {cells.shape}")
    try:
        numbers = np.array([np.nan if unknown(cell) else float(cell) for cell in cells])
    except ValueError:
        return None
    few = len(np.unique(numbers[np.isfinite(numbers)])) <= DISTINCT
    return None if few and not isinstance(values, Column) else numbers


def person_means(values: np.ndarray, who: np.ndarray, people: int) -> np.ndarray:
    """Return the mean of each person's photos that have a number, (p,); NaN of people without one.

    Examples
    --------
    >>> person_means(np.array([1.0, 3.0, np.nan]), np.array([0, 0, 1]), 2)
    array([ 2., nan])
    """
    has = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        total = np.bincount(who[has], values[has].astype(np.float64), people)
        return np.asarray(total / np.bincount(who[has], minlength=people))


def _labelled(name: str, column: Column, who: np.ndarray) -> Grouping:
    means = np.stack([person_means(part, who, who.max() + 1) for part in column.values.T], 1)
    best = np.where(np.isnan(means).any(1), -1, np.nan_to_num(means).argmax(1))
    return Grouping(name, column.labels, best[who], f"as perceived by {column.source}")


def _thirds(name: str, numbers: np.ndarray, who: np.ndarray, source: str) -> Grouping:
    means = person_means(numbers, who, who.max() + 1)
    known = np.sort(means[np.isfinite(means)])
    if not len(known):
        raise SchemaError(f"{name}: expected numbers to cut into thirds; there is none")
    edges = np.unique(np.quantile(known, np.arange(1, THIRDS) / THIRDS, method="inverted_cdf"))
    code = np.where(np.isnan(means), -1, np.searchsorted(edges, means))
    ends = [(known[np.searchsorted(edges, known) == j][[0, -1]]) for j in np.unique(code[code >= 0])]
    middle = [f"{low:.4g} to {high:.4g}" for low, high in ends[1:-1]]
    names = (f"up to {ends[0][1]:.4g}", *middle, *([f"{ends[-1][0]:.4g} or more"] if len(ends) > 1 else []))
    by = f"thirds of the people{f', as measured by {source}' if source else ''}"
    return Grouping(name, names, code[who], by)


def _worded(name: str, words: np.ndarray, who: np.ndarray, person: np.ndarray) -> Grouping:
    text = np.array(["" if unknown(word) else str(word).strip() for word in words])
    names, code = np.unique(text, return_inverse=True)
    known = text != ""
    pairs = np.unique(np.stack([who[known], code[known]]), axis=1)
    people, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        whose = people[counts > 1][0]
        told = " and ".join(names[pairs[1][pairs[0] == whose]][:2])
        raise SchemaError(f"{name}: expected one word a person; {person[who == whose][0]} is {told}")
    own = np.full(int(who.max()) + 1, -1)
    own[pairs[0]] = pairs[1]
    kept = names[names != ""]
    return Grouping(name, tuple(kept.tolist()), (own - int("" in names))[who].clip(-1))
