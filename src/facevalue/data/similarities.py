"""`Similarities`: how alike people find every two faces, as one symmetric table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape, reads
from facevalue.data.people import read_table
from facevalue.data.triplets import Triplets, named_rows

PAIR = re.compile(r"\s*\(?\s*(\d+)\s*[,;]\s*(\d+)\s*\)?\s*")


@dataclass(frozen=True, slots=True)
class Similarities:
    """How alike each two of n faces are found.

    Parameters
    ----------
    names : (n,) str
        Of the faces.
    values : (n, n) float64
        Symmetric, in [0, 1], 1 is most alike; NaN on the diagonal and where nobody was asked.
    count : (n, n) int64
        On how many answers each value rests; 0 where that is not known.
    columns
        Further facts of each pair, (n, n) each, such as a mean response time.

    Raises
    ------
    WrongShape
        The tables are not as wide and as long as there are names.
    SchemaError
        A name twice, a value outside [0, 1], a table that is not symmetric, a face compared with itself.

    Examples
    --------
    >>> nan = float("nan")
    >>> alike = Similarities(["a", "b", "c"], [[nan, 0.5, 1], [0.5, nan, 0], [1, 0, nan]], np.zeros((3, 3)))
    >>> alike[[2, 0]].values.tolist()
    [[nan, 1.0], [1.0, nan]]
    """

    names: np.ndarray
    values: np.ndarray
    count: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in (("names", object), ("values", np.float64), ("count", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
        object.__setattr__(self, "columns", {name: np.asarray(column) for name, column in self.columns.items()})
        n = len(self.names)
        for name, table in {"values": self.values, "count": self.count, **self.columns}.items():
            if table.shape != (n, n):
                raise WrongShape(f"similarities: {name} has shape {table.shape}, expected {(n, n)} for {n} names")
        faults = {
            "a name twice": len(set(self.names)) < n,
            "values outside [0, 1]": bool(((self.values < 0) | (self.values > 1)).any()),
            "values of (i, j) that differ from those of (j, i)": not np.array_equal(self.values, self.values.T, equal_nan=True),
            "faces compared with themselves": not np.isnan(np.diag(self.values)).all(),
            "counts below 0, or of (i, j) other than of (j, i)": bool(
                (self.count < 0).any() or (self.count != self.count.T).any()
            ),
        }
        if found := [what for what, wrong in faults.items() if wrong]:
            raise SchemaError(
                f"similarities: expected a symmetric table in [0, 1] with NaN on its diagonal; got {'; '.join(found)}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Any) -> Similarities:
        """Return the faces of a mask, a slice or an index array, in that order."""
        at = np.arange(len(self))[rows]
        cells = np.ix_(at, at)
        columns = {name: column[cells] for name, column in self.columns.items()}
        return replace(self, names=self.names[at], values=self.values[cells], count=self.count[cells], columns=columns)


def human_similarity(answers: Triplets) -> Similarities:
    """Return how often two faces were kept together: `s_ij = kept_ij / asked_ij`.

    Of odd-one-out answers, asked are all that show i and j, kept those in which neither is the odd one. Of anchor answers,
    asked are those in which one is the reference and the other was offered, kept those in which it was chosen; the two that
    are offered are not compared with each other. A ranking of m - 1 faces compares its target with each: kept is the share of
    the others that the face was put before. Check trials that offer their own reference are left out.

    Parameters
    ----------
    answers
        Of any annotators.

    Returns
    -------
    Similarities
        Over all names; NaN for two faces that were never compared.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023, section 4.2; Hebart et al., Revealing the multidimensional mental
    representations of natural objects, Nature Human Behaviour 4, 2020, methods.

    Examples
    --------
    >>> alike = human_similarity(Triplets([[0, 1, 2], [1, 0, 3]], [2, 0], ["", ""], list("abcd"), "odd_one_out"))
    >>> alike.values[0].tolist(), alike.count[0].tolist()
    ([nan, 0.5, 0.0, 1.0], [0, 2, 1, 1])
    """
    answers = answers[~answers.self_referring]
    n, m = len(answers.names), answers.items.shape[1]
    kept, asked = np.zeros(n * n), np.zeros(n * n, np.int64)
    for a, b, weight in _compared(answers, m):
        low, high = np.minimum(a, b), np.maximum(a, b)
        kept += np.bincount(low * n + high, weight, n * n)
        asked += np.bincount(low * n + high, minlength=n * n)
    count = asked.reshape(n, n)
    count += count.T.copy()
    share = kept.reshape(n, n)
    share += share.T.copy()
    return Similarities(answers.names, np.divide(share, count, out=np.full((n, n), np.nan), where=count > 0), count)


def _compared(answers: Triplets, m: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the pairs that each answer compares, and how much it keeps of each: (first, second, weight), (t,) each."""
    items, odd = answers.items, answers.odd
    if answers.kind == "odd_one_out":
        return [(items[:, i], items[:, j], (odd == 3 - i - j).astype(float)) for i, j in ((0, 1), (0, 2), (1, 2))]
    if answers.kind == "anchor":
        return [(items[:, 0], items[:, i], (odd != i).astype(float)) for i in (1, 2)]
    return [(items[:, 0], items[:, i], np.full(len(items), (m - 1 - i) / (m - 2))) for i in range(1, m)]


def is_similarities(path: str | Path) -> bool:
    """Return whether a file is a table of pairs with a column of similarities, by its first line."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return "similarity" in re.split(r"[,;\t]", file.readline().strip().lower())


@reads("a table of similarities")
def read_similarities(path: str | Path, *, names: Sequence[str] | None = None) -> Similarities:
    """Read a table of pairs: "(i, j)" in the first column, then `similarity`, and further numbers, as FaceSim3D has it.

    Parameters
    ----------
    path
        A .csv or .tsv.
    names
        Of face 0, 1, ...; their numbers as text by default.

    Returns
    -------
    Similarities
        The counts are 0: the file does not say them.

    Raises
    ------
    MissingColumn
        No column of similarities.
    SchemaError
        Not a table, a cell that is no pair or no number, a pair twice, or fewer names than faces.
    """
    path = Path(path)
    rows = read_table(path)
    first, *others = rows[0]
    if "similarity" not in others:
        raise MissingColumn(
            f"{path}: expected pairs '(i, j)' and a column 'similarity'; it has {', '.join(map(repr, rows[0]))}"
        )
    found = [PAIR.fullmatch(row[first] or "") for row in rows]
    cells = {name: [_number(row[name]) for row in rows] for name in others}
    wrong = [i for i, match in enumerate(found) if match is None or any(cells[name][i] is None for name in others)]
    if wrong:
        raise SchemaError(f"{path}: expected '(i, j)' and numbers in each row; not so in {named_rows(wrong)} (the first is 0)")
    pairs = np.array([match.groups() for match in found if match], np.int64)
    return _similarities(path, pairs, {name: np.array(column, np.float64) for name, column in cells.items()}, names)


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN of an empty one, None of words."""
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def _similarities(path: Path, pairs: np.ndarray, cells: Mapping[str, np.ndarray], names: Sequence[str] | None) -> Similarities:
    n = int(pairs.max()) + 1
    if names is not None and len(names) < n:
        raise SchemaError(f"{path}: expected a name for each of {n} faces, got {len(names)}")
    named = np.array([str(i) for i in range(n)] if names is None else names, object)
    key = pairs.min(1) * n + pairs.max(1)
    twice = np.flatnonzero(np.isin(np.arange(len(key)), np.unique(key, return_index=True)[1], invert=True))
    if same := [*np.flatnonzero(pairs[:, 0] == pairs[:, 1]), *twice]:
        raise SchemaError(
            f"{path}: expected two faces a pair and each pair once; not so in {named_rows(same)} (the first is 0)"
        )
    tables = {name: np.full((len(named), len(named)), np.nan) for name in cells}
    for name, column in cells.items():
        tables[name][pairs[:, 0], pairs[:, 1]] = tables[name][pairs[:, 1], pairs[:, 0]] = column
    values = tables.pop("similarity")
    return Similarities(named, values, np.zeros(values.shape, np.int64), tables)
