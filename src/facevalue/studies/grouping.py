"""Groupings: which group each photo's person is of, by facts or as instruments perceive them, and when one is too small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.stats.weighting import Balance

THIRDS, DISTINCT = 3, 8
UNKNOWN = ("", "na", "n/a", "nan", "none", "null")
ERRORS, OVERLAP, APART = 30, 0.1, 0.25


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
    return _there(Grouping(name, found.groups, np.where(person == "", -1, found.code), found.view))


def crossed(parts: Sequence[Grouping]) -> Grouping:
    """Return the groups of people who are of one group of each part: women of up to 29, say.

    Parameters
    ----------
    parts
        Groupings of the same photos.

    Raises
    ------
    SchemaError
        Fewer than two groups have a person.

    Examples
    --------
    >>> sex = Grouping("sex", ("f", "m"), np.array([0, 0, 1, -1]))
    >>> found = crossed([sex, Grouping("age", ("young", "old"), np.array([1, 0, 1, 1]))])
    >>> found.name, found.groups, found.code.tolist()
    ('sex*age', ('f, young', 'f, old', 'm, old'), [1, 0, 2, -1])
    """
    groups, code = [""], np.zeros(len(parts[0].code), int)
    for part in parts:
        code = np.where((code < 0) | (part.code < 0), -1, code * len(part.groups) + part.code)
        groups = [f"{one}, {other}" if one else other for one in groups for other in part.groups]
    view = "; ".join(f"{part.name} {part.view}" for part in parts if part.view)
    return _there(Grouping("*".join(part.name for part in parts), tuple(groups), code, view))


def _there(found: Grouping) -> Grouping:
    """Return the grouping without the groups that nobody is of; raise where fewer than two are left."""
    there = [j for j in range(len(found.groups)) if (found.code == j).any()]
    if len(there) < 2:
        told = ", ".join(found.groups[j] for j in there) or "none"
        raise SchemaError(f"{found.name}: expected two groups of people or more; got {told}")
    place = np.full(len(found.groups) + 1, -1)
    place[there] = np.arange(len(there))
    return Grouping(found.name, tuple(found.groups[j] for j in there), place[found.code], found.view)


def too_few_people(people: float, least: int) -> str:
    """Return what to say of too few people, "" of people enough.

    Examples
    --------
    >>> too_few_people(13, 30), too_few_people(30, 30)
    ('too few: 13 people, 30 needed: 17 more people', '')
    """
    if people >= least - 1e-9:
        return ""
    more = math.ceil(least - people - 1e-9)
    told = f"{people:.0f}" if float(people).is_integer() else f"in effect {people:.1f}"
    words = ["person" if n == 1 else "people" for n in (people, more)]
    return f"too few: {told} {words[0]}, {least} needed: {more} more {words[1]}"


def too_few_pairs(people: float, pairs: float, rate: float, *, named: bool = True) -> str:
    """Return what to say of pairs of people among whom 30 false matches cannot be expected, "" of pairs enough.

    Examples
    --------
    >>> too_few_pairs(49, 1176, 0.01)
    'too few: 1,176 pairs of people, 3,000 needed: 29 more people'
    """
    if not rate > 0:
        return ""
    needed = math.ceil(ERRORS / rate * (1 - 1e-12))
    if pairs >= needed - 1e-9:
        return ""
    wanted = math.ceil((1 + math.sqrt(1 + 8 * needed)) / 2 - 1e-9)
    more = f"{wanted - math.floor(people):,} more people" if named and wanted > people else f"{needed - pairs:,.0f} more pairs"
    return f"too few: {pairs:,.0f} pairs of people, {needed:,} needed: {more}"


def no_overlap(balance: Balance) -> str:
    """Return what to say of groups that cannot be made alike, "" of those that can."""
    worst = float(balance.after.max())
    if balance.overlap >= OVERLAP and worst <= APART:
        return ""
    return f"no overlap: groups share {balance.overlap:.0%} and stay {worst:.1f} standard deviations apart when weighted"


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
