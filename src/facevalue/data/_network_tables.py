"""Tables of people and of ties: cells as text with their lines, lists of ties, square matrices."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, reads
from facevalue.data.networks import MISSING

PAIRS = (("ego", "alter"), ("source", "target"), ("from", "to"), ("i", "j"))
RELATION_COLUMNS = ("relation", "type", "layer")
POSITIVE, NEGATIVE = ("+", "+1", "1", "positive"), ("-", "\u2212", "-1", "\u22121", "negative")
SIGNS = {"0": 0.0} | dict.fromkeys(POSITIVE, 1.0) | dict.fromkeys(NEGATIVE, -1.0)


class Entry(NamedTuple):
    """One tie of a file; `directed` is None where the file does not say."""

    ego: str
    alter: str
    relation: str
    weight: float
    wave: str
    line: int
    directed: bool | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a table, with no blank around them, and the line of each row, or its number in a parquet."""

    path: Path
    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"

    def where(self, row: int) -> str:
        """Return in which file and line a row stands."""
        return f"{self.path}, {self.unit} {self.lines[row]}"

    def columns(self) -> dict[str, list[str]]:
        """Return the columns that have a name, in lower case; SchemaError where two have the same."""
        lower = [name.lower() for name in self.names]
        distinct([name for name in lower if name], f"{self.path}: expected each column's name once")
        return {name: [row[k] for row in self.rows] for k, name in enumerate(lower) if name}


def read_text(path: Path) -> str:
    """Return a text in UTF-8; SchemaError where the file is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        how = ": save it as CSV UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise SchemaError(f"{path}: expected a text in UTF-8; it cannot be read: {error}{how}") from error


def distinct(names: Sequence[str], expected: str) -> None:
    """Raise SchemaError where a name stands twice."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise SchemaError(f"{expected}; {twice[0]!r} stands {names.count(twice[0])} times")


def number(word: str) -> float:
    """Return a number, NaN for a word that stands for none; ValueError for others and for what is not finite."""
    if word.lower() in MISSING:
        return math.nan
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word!r} is not finite")
    return value


@reads("a table")
def read_sheet(path: Path) -> Sheet:
    """Return the cells of a .csv, .tsv or .parquet; rows whose cells are all empty are none.

    Raises
    ------
    SchemaError
        It cannot be read, has no row, or has a row of another length than its line of names.
    """
    sheet = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _separated(path)
    if not sheet.rows:
        raise SchemaError(f"{path}: expected a line of names and rows below it; it has none")
    return sheet


def _separated(path: Path) -> Sheet:
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines, line = list[list[str]](), list[int](), 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(stripped)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise SchemaError(f"{path}, line {line}: expected a table; it cannot be read: {error}") from error
    names, rows = (rows[0], rows[1:]) if rows else ([], [])
    if rows and all(len(row) == len(names) + 1 for row in rows):
        names = ["", *names]
    sheet = Sheet(path, names, rows, lines[1:])
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise SchemaError(f"{sheet.where(i)}: expected {len(names)} cells, as the first line has; got {len(row)}")
    return sheet


def _parquet(path: Path) -> Sheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SchemaError(f"{path}: expected parquet; it cannot be read: {str(error).splitlines()[0]}") from error
    columns = [[_word(cell) for cell in column.to_pylist()] for column in table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Sheet(path, list(table.column_names), rows, list(range(1, len(rows) + 1)), "row")


def _word(cell: Any) -> str:
    """Return a cell of a parquet as text: null is empty, 3.0 is 3."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def is_list(sheet: Sheet) -> bool:
    """Return whether a table is a list of ties: it has two columns of ids, and its first column does not repeat its names."""
    lower = {name.lower() for name in sheet.names}
    named = [row[0] for row in sheet.rows] == sheet.names[1:]
    return not named and any(set(pair) <= lower for pair in PAIRS)


def listed(sheet: Sheet, relation: str, wave: str) -> list[Entry]:
    """Return the ties of a list.

    Parameters
    ----------
    sheet
        Columns: the two ids; perhaps a relation, a wave, a sign, a weight. With a sign and a weight a tie weighs sign times
        |weight|, with neither 1; it is unknown where either cell is empty.
    relation, wave
        Of ties for which the table has no such column.

    Raises
    ------
    MissingColumn
        No two columns of ids.
    SchemaError
        A sign or weight that is none, or a weight below 0 beside a positive sign.
    """
    columns = sheet.columns()
    pair = next((pair for pair in PAIRS if set(pair) <= set(columns)), None)
    if pair is None:
        raise MissingColumn(f"{sheet.path}: expected {_expected()}; it has the columns {', '.join(sheet.names)}")
    kind = next((name for name in RELATION_COLUMNS if name in columns), "")
    relations, waves = (columns.get(name, [given] * len(sheet.rows)) for name, given in ((kind, relation), ("wave", wave)))
    weights = _weights(sheet, columns)
    rows = zip(columns[pair[0]], columns[pair[1]], relations, weights, waves, sheet.lines, strict=True)
    return [Entry(*row) for row in rows]


def _expected() -> str:
    return f"a list of ties with the columns {' or '.join(','.join(pair) for pair in PAIRS)}, or a square matrix"


def _weights(sheet: Sheet, columns: Mapping[str, Sequence[str]]) -> list[float]:
    given: list[Sequence[str | None]] = [columns.get(name, [None] * len(sheet.rows)) for name in ("sign", "weight")]
    known, found = dict[tuple[str | None, str | None], float](), []
    for i, pair in enumerate(zip(*given, strict=True)):
        if pair not in known:
            try:
                known[pair] = signed(*pair)
            except ValueError as error:
                raise SchemaError(f"{sheet.where(i)}: {error}") from error
        found.append(known[pair])
    return found


def signed(sign: str | None, weight: str | None) -> float:
    """Return what a tie weighs: sign times |weight|, either alone, or 1; NaN where one is not known.

    Raises
    ------
    ValueError
        Words that are no sign or no number, or a weight below 0 beside a sign that is not negative.

    Examples
    --------
    >>> signed("-", "-2"), signed("positive", None), signed(None, "-3"), signed(None, None), signed("+", "NA")
    (-2.0, 1.0, -3.0, 1.0, nan)
    """
    direction = 1.0
    if sign is not None:
        if sign.lower() not in SIGNS and sign.lower() not in MISSING:
            raise ValueError(f"expected a sign (+, -, 1, -1, positive, negative), got {sign!r}")
        direction = SIGNS.get(sign.lower(), math.nan)
    try:
        size = 1.0 if weight is None else number(weight)
    except ValueError as error:
        raise ValueError(f"expected a weight that is a number, or empty where unknown; got {weight!r}") from error
    if sign is None:
        return size
    if size < 0 <= direction:
        raise ValueError(f"expected a sign and a weight that agree, got {sign!r} and {weight!r}")
    return direction * abs(size)


def matrix(sheet: Sheet, relation: str, wave: str) -> list[Entry]:
    """Return the ties of a square matrix: from the person of the row to that of the column.

    Parameters
    ----------
    sheet
        A line of names, perhaps a first column of names: the same, in any order, or the numbers of the rows. A cell of 0 is
        no tie, an empty one or NA is not known; neither on the diagonal.
    relation, wave
        Of all of them.

    Raises
    ------
    SchemaError
        Not square, names that differ, are empty or stand twice, or a cell that is no number.
    """
    n, named = len(sheet.rows), len(sheet.names) == len(sheet.rows) + 1
    if n < 2 or len(sheet.names) not in (n, n + 1):
        first = ", ".join(sheet.names[:6]) + (", ..." if len(sheet.names) > 6 else "")
        raise SchemaError(f"{sheet.path}: expected {_expected()}; it has {n} rows and the columns {first}")
    names = sheet.names[1:] if named else sheet.names
    if "" in names:
        raise SchemaError(
            f"{sheet.path}: expected {n} names in the first line, one a row; column {names.index('') + 1} has none"
        )
    distinct(names, f"{sheet.path}: expected each name once in the first line")
    egos = [row[0] for row in sheet.rows] if named else names
    if set(egos) != set(names) and egos == [str(i + 1) for i in range(n)]:
        egos = names
    if other := sorted(set(egos) ^ set(names)):
        raise SchemaError(f"{sheet.path}: expected the same names of rows and columns; {other[0]!r} names only one of them")
    distinct(egos, f"{sheet.path}: expected each name once in the first column")
    values = np.array([[_cell(sheet, i, k) for k in range(named, n + named)] for i in range(n)])
    return entries(egos, names, values, sheet.lines, (relation, wave))


def _cell(sheet: Sheet, row: int, column: int) -> float:
    try:
        return number(sheet.rows[row][column])
    except ValueError as error:
        got = f"got {sheet.rows[row][column]!r} for {sheet.names[column]!r}"
        raise SchemaError(f"{sheet.where(row)}: expected a number, or NA where unknown; {got}") from error


def entries(
    egos: Sequence[str], alters: Sequence[str], values: np.ndarray, lines: Sequence[int], kind: tuple[str, str]
) -> list[Entry]:
    """Return the ties of a matrix (n, n) that are not 0, in the order of cells; `kind` is their relation and wave."""
    rows, columns = np.nonzero(values)
    cells = ((i, j, float(values[i, j])) for i, j in zip(rows.tolist(), columns.tolist(), strict=True))
    return [
        Entry(egos[i], alters[j], kind[0], value, kind[1], lines[i])
        for i, j, value in cells
        if egos[i] != alters[j] or not math.isnan(value)
    ]
