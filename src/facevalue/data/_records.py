"""Files of judgments and findings without one annotator's records; the others stay as they are written, byte by byte."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevalue.data.errors import SchemaError

SUFFIXES = (".json", ".csv", ".tsv", ".parquet", ".txt")
WHOSE = ("annotator", "annotator_id", "worker_id", "participant", "participant number", "participant_number")
FINDINGS = ("study", "measure", "group", "value")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
MARK = "\ufeff"
SPACE = re.compile(r"[\s,]*")
DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Records:
    """What a file holds of an annotator.

    Parameters
    ----------
    removed, left
        How many records are theirs, and how many are others'.
    data
        The file without theirs; None where nothing is theirs.
    named
        Whether the file says whose its records are.
    """

    removed: int
    left: int
    data: bytes | None = None
    named: bool = True


NAMELESS = Records(0, 0, named=False)


def without(path: Path, annotator: str) -> Records:
    """Return a file's records without those of an annotator.

    Raises
    ------
    SchemaError
        The file is not what its suffix says, so that nobody can tell whose records it holds.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path, annotator)
    if path.suffix.lower() == ".txt":
        return NAMELESS
    raw = path.read_bytes()
    if b"\0" in raw:
        raise SchemaError(f"{path}: expected text in UTF-8, got bytes of another kind; convert it, or name it otherwise")
    text = raw.decode("utf-8", "surrogateescape")
    try:
        found = _json(text, annotator) if path.suffix.lower() == ".json" else _table(path, text, annotator)
    except (ValueError, csv.Error, RecursionError) as error:
        raise SchemaError(f"{path}: expected {path.suffix.lower()[1:].upper()}, it cannot be read: {error}") from error
    return found


def is_about(group: Any, annotator: str) -> bool:
    """Return whether a group of findings is one annotator, or a part of theirs.

    Examples
    --------
    >>> [is_about(group, "7") for group in ("7", "annotator 7", "annotator 7, dimension 2", "annotator 3, dimension 7")]
    [True, True, True, False]
    """
    first = str(group).split(",")[0].strip()
    return str(group) == annotator or str(group).startswith(f"annotator {annotator},") or first == f"annotator {annotator}"


def _theirs(names: Sequence[str], annotator: str) -> Callable[[Sequence[Any]], bool] | None:
    """Return what tells, of the cells of a row, whether it is theirs; None where no column says whose rows are."""
    names = [str(name).strip().lower() for name in names]
    whose = [i for i, name in enumerate(names) if name in WHOSE]
    group = names.index("group") if set(FINDINGS) <= set(names) else None
    if not whose and group is None:
        return None
    return lambda cells: (
        any(str(cells[i]).strip() == annotator for i in whose if i < len(cells))
        or (group is not None and group < len(cells) and is_about(cells[group], annotator))
    )


def _table(path: Path, text: str, annotator: str) -> Records:
    lines = LINE.findall(text.removeprefix(MARK))
    first = lines[0] if lines else ""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    rows, kept, removed, left, at = csv.reader(lines, delimiter=delimiter), list[str](), 0, 0, 0
    theirs = _theirs(next(rows, []), annotator)
    if theirs is None:
        return NAMELESS
    kept += lines[: rows.line_num]
    at = rows.line_num
    for cells in rows:
        written, at = lines[at : rows.line_num], rows.line_num
        if theirs(cells):
            removed += 1
        else:
            left += bool(cells)
            kept += written
    mark = MARK * text.startswith(MARK)
    return _found(removed, left, mark + "".join(kept))


def _found(removed: int, left: int, text: str) -> Records:
    return Records(removed, left, text.encode("utf-8", "surrogateescape") if removed else None)


def _json(text: str, annotator: str) -> Records:
    """Read AVFS's entries, an object of objects that name their annotator, or a list of findings."""
    spans = _spans(text)
    entries = [entry for entry, _, _ in spans if isinstance(entry, dict)]
    if any("annotator_id" in entry for entry in entries):
        gone = [isinstance(e, dict) and str(e.get("annotator_id")).strip() == annotator for e, _, _ in spans]
    elif entries and set(FINDINGS) <= set(entries[0]):
        gone = [isinstance(e, dict) and is_about(e.get("group"), annotator) for e, _, _ in spans]
    else:
        return NAMELESS
    if not any(gone):
        return Records(0, len(spans))
    kept = [i for i, drop in enumerate(gone) if not drop]
    parts = [text[spans[i - 1][2] : spans[i][2]] for i in kept[1:]]
    parts = [text[spans[i][1] : spans[i][2]] for i in kept[:1]] + parts
    return _found(sum(gone), len(kept), "".join([text[: spans[0][1]], *parts, text[spans[-1][2] :]]))


def _spans(text: str) -> list[tuple[Any, int, int]]:
    """Return the entries of a JSON object or list, and where each stands, with its key; of other JSON none."""
    start = len(text) - len(text.lstrip(MARK + " \t\r\n"))
    whole, end = DECODER.raw_decode(text, start)
    if text[end:].strip():
        raise ValueError(f"more stands after its end at character {end}")
    if not isinstance(whole, dict | list):
        return []
    found, at = [], _skip(text, start + 1)
    while text[at] not in "}]":
        begun = at
        if isinstance(whole, dict):
            at = _skip(text, DECODER.raw_decode(text, at)[1])
            at = _skip(text, at + 1)
        entry, at = DECODER.raw_decode(text, at)
        found.append((entry, begun, at))
        at = _skip(text, at)
    return found


def _skip(text: str, at: int) -> int:
    """Return the place of the next character that is neither a space nor a comma."""
    match = SPACE.match(text, at)
    return match.end() if match else at


def _parquet(path: Path, annotator: str) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        known = [i for i, name in enumerate(names) if name.strip().lower() in (*WHOSE, "group")]
        theirs = _theirs(names, annotator)
        if theirs is None:
            return NAMELESS
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise SchemaError(f"{path}: expected parquet, got something else ({str(error).splitlines()[0]})") from error
    cells = [table[name].to_pylist() if i in known else [None] * len(table) for i, name in enumerate(names)]
    gone = [theirs(row) for row in zip(*cells, strict=True)]
    if not any(gone):
        return Records(0, len(gone))
    kept, sink = table.filter(pa.array([not drop for drop in gone])), pa.BufferOutputStream()
    pq.write_table(kept, sink, compression="zstd")
    return Records(sum(gone), len(kept), sink.getvalue().to_pybytes())
