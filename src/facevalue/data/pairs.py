"""Pairs: a table of similarities by rows and columns, and lists of photos to compare."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape, reads
from facevalue.data.people import read_table
from facevalue.data.photos import Found, Photo

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

SAME = {"1": True, "true": True, "same": True, "yes": True, "0": False, "false": False, "different": False, "no": False}


@dataclass(frozen=True, slots=True)
class Pairs:
    """How alike each row is to each column.

    Parameters
    ----------
    rows, cols : (n,), (m,) str
        Names, of people or photos.
    values : (n, m) float32
        NaN where nothing could be compared.
    metric
        "cosine" (higher is more alike), or one of the distances "euclidean", "euclidean_l2", "angular".
    low, high : (n, m) float32, optional
        The band; NaN in cells that have none.
    level
        Nominal coverage of the band, in (0, 1).
    count : (n, m) int, optional
        On how many comparisons each value rests.

    Raises
    ------
    WrongShape
        When values, low, high or count do not fit rows and cols.

    Examples
    --------
    >>> pairs = Pairs(np.array(["ann"]), np.array(["bo", "cy"]), np.array([[0.5, 0.25]]), "cosine")
    >>> pairs.to_arrow().to_pylist()[1]
    {'row': 'ann', 'col': 'cy', 'value': 0.25, 'low': None, 'high': None, 'level': None, 'n': None, 'metric': 'cosine'}
    """

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    metric: str
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    count: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.rows), len(self.cols))
        for name in ("values", "low", "high", "count"):
            array = getattr(self, name)
            if array is not None and np.shape(array) != shape:
                raise WrongShape(f"Pairs: {name} has shape {np.shape(array)}, expected {shape}")
            if array is not None and name != "count":
                object.__setattr__(self, name, np.asarray(array, np.float32))

    def to_arrow(self) -> pa.Table:
        """Return a row a cell: row, col, value, low, high, level, n, metric; null where there is no number."""
        import pyarrow as pa

        n, m = self.values.shape
        nothing = pa.nulls(n * m, pa.float32())
        numbers = {
            name: nothing if array is None else pa.array(array.ravel(), pa.float32(), from_pandas=True)
            for name, array in (("value", self.values), ("low", self.low), ("high", self.high))
        }
        count = pa.nulls(n * m, pa.int64()) if self.count is None else pa.array(self.count.ravel().astype(np.int64))
        names = {
            "row": pa.array(np.repeat(np.asarray(self.rows, object), m), pa.string()),
            "col": pa.array(np.tile(np.asarray(self.cols, object), n), pa.string()),
        }
        ends = {
            "level": pa.array([self.level] * (n * m), pa.float64()),
            "n": count,
            "metric": pa.array([self.metric] * (n * m)),
        }
        return pa.table({**names, **numbers, **ends})

    def _repr_html_(self) -> str:
        from facevalue.data import _notebook

        return _notebook.pairs_html(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return the columns of `to_arrow` as a frame of pandas, NaN where there is no number; RunError without pandas."""
        from facevalue.data import _frames

        return _frames.pandas_frame(self._flat(), {})

    def to_polars(self) -> pl.DataFrame:
        """Return the columns of `to_arrow` as a frame of polars, null where there is no number; RunError without polars."""
        from facevalue.data import _frames

        return _frames.polars_frame(self._flat())

    def _flat(self) -> dict[str, np.ndarray]:
        """Return a row a cell, as flat columns; NaN where there is no number."""
        n, m = self.values.shape
        blank = np.full(n * m, np.nan, np.float32)
        numbers = {name: getattr(self, part) for name, part in (("value", "values"), ("low", "low"), ("high", "high"))}
        return {
            "row": np.repeat(np.asarray(self.rows, object), m),
            "col": np.tile(np.asarray(self.cols, object), n),
            **{name: blank if array is None else np.ravel(array) for name, array in numbers.items()},
            "level": np.full(n * m, np.nan if self.level is None else self.level),
            "n": blank if self.count is None else np.ravel(self.count).astype(np.int64),
            "metric": np.full(n * m, self.metric, object),
        }


class Listed(NamedTuple):
    """A line of a list of pairs: two photos' paths, whether one person is on both, the fold (-1: none given), the people."""

    a: str
    b: str
    same: bool
    fold: int = -1
    first: str = ""
    second: str = ""


@reads("pairs of photos")
def read_pairs(path: str | Path) -> list[Listed]:
    """Read pairs of photos to compare.

    Parameters
    ----------
    path
        A .csv or .tsv with the columns a, b (paths) and same (1 or 0, same or different), and perhaps fold, person_a and
        person_b. Or LFW's pairs.txt: its first line folds and pairs a kind, then `name 1 4` for `name/name_0001.jpg` and
        `name/name_0004.jpg` of one person, `name 1 other 2` for two.

    Raises
    ------
    SchemaError
        A line is neither, the counts of LFW's first line do not fit, only some pairs have folds, or a kind of pair is missing.

    References
    ----------
    Huang, Ramesh, Berg, Learned-Miller, Labeled Faces in the Wild, University of Massachusetts, Technical Report 07-49, 2007.
    """
    path = Path(path)
    listed = list(_table(path) if path.suffix.lower() in (".csv", ".tsv") else _lfw(path))
    if not any(pair.same for pair in listed) or all(pair.same for pair in listed):
        kinds = f"{sum(pair.same for pair in listed)} same and {sum(not pair.same for pair in listed)} different"
        raise SchemaError(f"{path}: expected pairs of one person and of two; it has {kinds}")
    if without := sum(pair.fold < 0 for pair in listed) % len(listed):
        raise SchemaError(f"{path}: expected a fold on every line, or on none; {without} of {len(listed)} have none")
    return listed


def _table(path: Path) -> Iterator[Listed]:
    for number, row in enumerate(read_table(path), start=2):
        if lacking := [name for name in ("a", "b", "same") if name not in row]:
            raise MissingColumn(f"{path}: expected the columns a, b, same; it has {', '.join(row)}, no {lacking[0]}")
        same, fold = SAME.get(row["same"].strip().lower()), row.get("fold", "").strip() or "-1"
        if same is None or not fold.removeprefix("-").isdecimal() or not row["a"] or not row["b"]:
            raise SchemaError(f"{path}, line {number}: expected two paths, same as 1 or 0 and a whole fold; got {row}")
        people = (row.get(name, "").strip() for name in ("person_a", "person_b"))
        yield Listed(row["a"], row["b"], same, int(fold), *people)


def _lfw(path: Path) -> Iterator[Listed]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: expected LFW's pairs.txt, or a .csv of a,b,same; it cannot be read: {error}") from error
    if not lines or len(lines[0]) > 2 or not all(word.isdecimal() for word in lines[0]):
        first = " ".join(lines[0]) if lines else "nothing"
        raise SchemaError(f"{path}: expected LFW's first line, folds and pairs a kind as in '10 300'; got {first!r}")
    folds, each = (1, int(lines[0][0])) if len(lines[0]) == 1 else map(int, lines[0])
    if len(lines) - 1 != 2 * folds * each:
        raise SchemaError(f"{path}: expected {2 * folds * each} pairs, as its first line says; got {len(lines) - 1}")
    for number, words in enumerate(lines[1:]):
        same = len(words) == 3
        if len(words) not in (3, 4) or not (words[1] + words[-1]).isdecimal():
            raise SchemaError(f"{path}: expected 'name 1 4' or 'name 1 other 2'; got {' '.join(words)!r}")
        first, second = words[0], words[0] if same else words[2]
        fold = number // (2 * each) if folds > 1 else -1
        a, b = (f"{name}/{name}_{int(n):04d}.jpg" for name, n in ((first, words[1]), (second, words[-1])))
        yield Listed(a, b, same, fold, first, second)


def photos_of(listed: Sequence[Listed], root: Path) -> Found:
    """Return the photos that pairs name, each once, by paths below a folder; a missing one is a photo that cannot be read.

    Where a photo is not there, one of the same name with another suffix of an image is taken: copies of LFW differ in it.
    """
    named = dict.fromkeys(path for pair in listed for path in (pair.a, pair.b))
    return Found(Photo(path, str(_existing(Path(os.path.abspath(root)) / path))) for path in named)


def _existing(place: Path) -> Path:
    if place.exists():
        return place
    return next(
        (other for suffix in (".png", ".jpeg", ".ppm", ".bmp", ".webp") if (other := place.with_suffix(suffix)).exists()), place
    )


def owners(listed: Sequence[Listed]) -> dict[str, str]:
    """Return whose each photo is: as the list says; or its folder, where every pair agrees with that; or who is tied to it.

    Photos in pairs of one person are tied together, and photos tied to those; they are called by the first of them.

    Raises
    ------
    SchemaError
        A pair contradicts other pairs, or the people that it names.

    Examples
    --------
    >>> owners([Listed("1.jpg", "2.jpg", True), Listed("2.jpg", "3.jpg", False)])
    {'1.jpg': '1.jpg', '2.jpg': '1.jpg', '3.jpg': '3.jpg'}
    """
    said = {path: name for pair in listed for path, name in ((pair.a, pair.first), (pair.b, pair.second)) if name}
    folder = {path: os.path.dirname(path) for pair in listed for path in (pair.a, pair.b)}
    if not said and all(folder.values()) and all((folder[pair.a] == folder[pair.b]) == pair.same for pair in listed):
        return folder
    tied = _tied(listed)
    names = {_root(tied, path): name for path, name in said.items()}
    whose = {path: said.get(path) or names.get(root := _root(tied, path), root) for path in tied}
    if wrong := [pair for pair in listed if (whose[pair.a] == whose[pair.b]) != pair.same]:
        told = ("one person's", "two people's") if wrong[0].same else ("two people's", "one person's")
        lines = f"{wrong[0].a} and {wrong[0].b} are {told[0]} by their line, {told[1]} by names or other lines"
        raise SchemaError(f"expected pairs that agree with each other; {len(wrong)} do not: {lines}")
    return whose


def _tied(listed: Sequence[Listed]) -> dict[str, str]:
    """Return for each photo one that it is tied to, by pairs of one person; a chain of them ends at the first photo."""
    tied = {path: path for pair in listed for path in (pair.a, pair.b)}
    for pair in listed:
        if pair.same:
            one, other = _root(tied, pair.a), _root(tied, pair.b)
            tied[max(one, other)] = min(one, other)
    return tied


def _root(tied: Mapping[str, str], path: str) -> str:
    while tied[path] != path:
        path = tied[path]
    return path


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Pairs of photos by their rows, and the people behind them.

    Parameters
    ----------
    a, b : (p,) int
        Rows of the photos.
    same : (p,) bool
        Whether both are of one person.
    first, second : (p,) int
        Numbers of the two people.
    fold_a, fold_b : (p,) int
        The folds of the two people: a threshold is chosen on other folds than it is judged on.
    """

    a: np.ndarray
    b: np.ndarray
    same: np.ndarray
    first: np.ndarray
    second: np.ndarray
    fold_a: np.ndarray
    fold_b: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, rows: np.ndarray) -> Comparisons:
        """Return the pairs of a mask or an index array."""
        return Comparisons(*(getattr(self, name)[rows] for name in self.__slots__))

    @property
    def people_pairs(self) -> int:
        """How many pairs of two different people are compared at least once."""
        different = ~self.same
        low, high = np.minimum(self.first, self.second)[different], np.maximum(self.first, self.second)[different]
        return len(np.unique(np.stack([low, high]), axis=1).T)


def compare_all(person: np.ndarray, *, most: int | None, folds: int, seed: int) -> Comparisons:
    """Return all pairs of photos of the same person, and of different people: at most `most` of each kind, drawn at random.

    Parameters
    ----------
    person : (n,) str
        Of each photo.
    most
        None for all.
    folds
        People are dealt to so many at random.
    seed
        Of the draws.

    Examples
    --------
    >>> pairs = compare_all(np.array(["ann", "ann", "bo"]), most=None, folds=2, seed=0)
    >>> pairs.a, pairs.b, pairs.same
    (array([0, 0, 1]), array([1, 2, 2]), array([ True, False, False]))
    """
    names, who = np.unique(np.asarray(person, str), return_inverse=True)
    draw = np.random.default_rng(seed)
    fold = draw.permutation(len(names)) % folds
    a, b = _within(who)
    a, b = _at_most(a, b, most, draw)
    c, d = _across(who, most, draw)
    a, b, same = np.append(a, c), np.append(b, d), np.repeat([True, False], [len(a), len(c)])
    order = np.lexsort((b, a))
    a, b, same = a[order], b[order], same[order]
    return Comparisons(a, b, same, who[a], who[b], fold[who[a]], fold[who[b]])


def _within(who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(who, kind="stable")
    parts = [np.empty((2, 0), int)]
    for rows in np.split(order, np.flatnonzero(np.diff(who[order])) + 1):
        i, j = np.triu_indices(len(rows), 1)
        parts.append(np.stack([rows[i], rows[j]]))
    a, b = np.concatenate(parts, axis=1)
    return np.minimum(a, b), np.maximum(a, b)


def _at_most(a: np.ndarray, b: np.ndarray, most: int | None, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if most is None or len(a) <= most:
        return a, b
    kept = np.sort(draw.permutation(len(a))[:most])
    return a[kept], b[kept]


def _across(who: np.ndarray, most: int | None, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of different people: all, or as many as asked for, drawn without making all of them."""
    order = np.argsort(who, kind="stable")
    own = np.cumsum(np.bincount(who))[who[order]]
    ends = np.cumsum(len(who) - own)
    every = int(ends[-1])
    drawn = np.arange(every) if most is None or every <= most else draw.choice(every, most, replace=False)
    at = np.searchsorted(ends, drawn, side="right")
    a, b = order[at], order[len(who) - (ends[at] - drawn)]
    return np.minimum(a, b), np.maximum(a, b)


def compare_listed(listed: Sequence[Listed], path: np.ndarray, *, folds: int, seed: int) -> Comparisons:
    """Return the pairs of a list by the rows of their photos; folds as given, or of people at random where none are.

    Parameters
    ----------
    listed
        p pairs.
    path : (n,) str
        Of each photo.
    folds, seed
        As for `compare_all`.

    Raises
    ------
    SchemaError
        A pair names a photo that is not there, or contradicts others: see `owners`.
    """
    rows = {name: i for i, name in enumerate(path)}
    if lost := [name for pair in listed for name in (pair.a, pair.b) if name not in rows]:
        raise SchemaError(f"expected the photos that the pairs name; {len(lost)} are not there, {lost[0]} the first")
    whose = owners(listed)
    names = {name: i for i, name in enumerate(sorted(set(whose.values())))}
    first, second = (np.array([names[whose[getattr(pair, end)]] for pair in listed], int) for end in ("a", "b"))
    same = np.array([pair.same for pair in listed], bool)
    a, b = (np.array([rows[getattr(pair, end)] for pair in listed], int) for end in ("a", "b"))
    fold = np.random.default_rng(seed).permutation(len(names)) % folds
    given = np.array([pair.fold for pair in listed], int)
    fold_a, fold_b = (fold[who] if (given < 0).any() else given for who in (first, second))
    return Comparisons(a, b, same, first, second, fold_a, fold_b)
