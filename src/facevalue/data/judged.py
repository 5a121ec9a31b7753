"""Which photo is of which judged face, and which answers are for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.people import read_table
from facevalue.data.triplets import Triplets


def photo_places(names: Sequence[str] | np.ndarray, paths: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return which photo is of each judged face, (n,) int; -1 where none is.

    A face is named by its photo's path, by the last part of it, by that without its suffix, or, where that is a number, by
    the number without leading zeros, as FFHQ's 00107.png is 107; the first that fits counts.

    Raises
    ------
    SchemaError
        A name that fits two photos.

    Examples
    --------
    >>> photo_places(["a", "b.png", "c", "7"], ["x/b.png", "x/a.jpg", "00007.png"]).tolist()
    [1, 0, -1, 2]
    """
    places = np.full(len(names), -1, np.int64)
    for called in (str, _last, _stem, _number):
        found: dict[str, list[int]] = {}
        for i, path in enumerate(paths):
            found.setdefault(called(path), []).append(i)
        for i in np.flatnonzero(places < 0).tolist():
            fits = found.get(str(names[i]), [])
            if len(fits) > 1:
                raise SchemaError(f"face {names[i]!r}: expected one photo, got {paths[fits[0]]} and {paths[fits[1]]}")
            places[i] = fits[0] if fits else -1
    return places


def _last(path: str) -> str:
    return PurePosixPath(path).name


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _number(path: str) -> str:
    """Return a stem that is a number without leading zeros; others as they are."""
    stem = _stem(path)
    return str(int(stem)) if stem.isascii() and stem.isdigit() else stem


def part(answers: Triplets, wanted: str | None, default: str) -> Triplets:
    """Return the answers whose column "split" is what is wanted; of none wanted, of the default, or all where it has none.

    Raises
    ------
    MissingColumn
        A part is wanted, and there is no column "split".
    SchemaError
        No answer is of that part.

    Examples
    --------
    >>> split = {"split": np.array(["train", "test"], object)}
    >>> answers = Triplets([[0, 1, 2]] * 2, [0, 1], [""] * 2, list("abc"), "odd_one_out", split)
    >>> [len(part(answers, *asked)) for asked in ((None, "train"), (None, "other"), ("all", "train"))]
    [1, 2, 2]
    """
    known = answers.columns.get("split")
    if wanted == "all" or (wanted is None and (known is None or default not in known)):
        return answers
    if known is None:
        raise MissingColumn(f"expected answers with a column split, to take the part {wanted!r}; they have none")
    if not (rows := known == (wanted or default)).any():
        raise SchemaError(f"expected answers of the part {wanted!r}; parts: {', '.join(sorted(set(map(str, known))))} or all")
    return answers[rows]


def about_faces(answers: Triplets, known: np.ndarray) -> Triplets:
    """Return the answers all of whose faces are known, numbered over these; `known`, (n,) bool, is of `answers.names`.

    Examples
    --------
    >>> answers = Triplets([[0, 1, 2], [1, 2, 3]], [0, 1], [""] * 2, list("abcd"), "odd_one_out")
    >>> kept = about_faces(answers, np.array([False, True, True, True]))
    >>> kept.items.tolist(), kept.names.tolist()
    ([[0, 1, 2]], ['b', 'c', 'd'])
    """
    kept = answers[known[answers.items].all(1)]
    number = np.cumsum(known) - 1
    return Triplets(number[kept.items], kept.odd, kept.annotator, kept.names[known], kept.kind, kept.columns)


def read_facts(path: Path, names: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a table, its first column the faces' names, says of faces, (n,) float each; NaN where it is no number.

    Raises
    ------
    SchemaError
        One column only, a face twice, or none of the faces.
    """
    rows = read_table(path)
    first, *others = rows[0]
    if not others:
        raise SchemaError(f"{path}: expected facts beside the faces' names; it has one column, {first!r}")
    given = [row[first] for row in rows]
    if twice := [face for face, count in Counter(given).items() if count > 1]:
        raise SchemaError(f"{path}: expected one row a face; {twice[0]!r} has several")
    places = photo_places(names, given)
    backwards = photo_places(given, names)
    for i in np.flatnonzero(backwards >= 0):
        places[backwards[i]] = i if places[backwards[i]] < 0 else places[backwards[i]]
    if (places < 0).all():
        raise SchemaError(
            f"{path}: expected names of faces ({names[0]!r}, ...) in its first column, {first!r}; got {given[0]!r}, ..."
        )
    found = {}
    for name in others:
        cells = np.array([_measured(row[name]) for row in rows])
        found[name] = np.where(places >= 0, cells[places], np.nan)
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _measured(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
