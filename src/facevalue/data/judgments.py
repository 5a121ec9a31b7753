"""Judgments in and out: one customs house for every format that people's answers come in."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data import _formats
from facevalue.data.errors import SchemaError, UnknownName, reads
from facevalue.data.files import replacing
from facevalue.data.triplets import KINDS, NAMED_ROWS, Kind, Triplets, twice

FORMATS: Mapping[str, Callable[[Path, Kind | None], _formats.Declared]] = {
    "avfs": _formats.avfs,
    "triplets": _formats.triplets,
    "things": _formats.things,
    "rankings": _formats.rankings,
    "facevalue": _formats.facevalue,
}
SUFFIXES = {
    "avfs": (".json",),
    "triplets": (".csv", ".tsv"),
    "things": (".txt", ".csv", ".tsv"),
    "rankings": (".csv", ".tsv"),
    "facevalue": (".csv", ".tsv", ".parquet"),
}
OWN = ("odd", "annotator", "kind")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the customs house found in a file.

    Parameters
    ----------
    format
        As which the file was read.
    answers
        Those without a fault.
    rows
        How many answers the file holds.
    faults
        By what is wrong: where each such answer stands.
    """

    format: str
    answers: Triplets
    rows: int
    faults: Mapping[str, tuple[str, ...]]

    def sentence(self) -> str:
        """Return the faults in one line, with the first rows of each; "" where there are none."""
        told = []
        for what, where in self.faults.items():
            rest = f" and {len(where) - NAMED_ROWS} more" if len(where) > NAMED_ROWS else ""
            told.append(f"{what}: {len(where)} ({', '.join(where[:NAMED_ROWS])}{rest})")
        return "; ".join(told)


def read_judgments(path: str | Path, *, kind: str | None = None, format: str | None = None) -> Triplets:
    """Read people's answers, of one kind, from one file.

    A file with a wrong answer is refused as a whole, and all its faults are named; `inspect_judgments` returns the answers
    without a fault beside them. Wrong are: a face that is missing or stands twice in one answer (a check trial may offer its
    own reference), a place of the odd one that is none, a winner who is the loser, an Answer that is none of the faces shown,
    names and numbers of faces that contradict each other, a response time that is no number. The same query to the same
    annotator again is no fault but a re-test; rows alike in everything are found by `repeated_rows`.

    Parameters
    ----------
    path
        "avfs": JSON of trials (train and validation, same stimuli, novel stimuli). "triplets": a table with head, winner,
        loser, and perhaps worker_id, rt, Center, Left, Right, Answer, sampleAlg, sampleSet. "things": three whole numbers a
        row, the odd one last, or head, winner, loser with `kind="anchor"`. "rankings": a table with a target and choice_1,
        choice_2, ... in the order of the clicks, or face 1, face 2, ... and a face click order. "facevalue": what
        `write_judgments` wrote.
    kind
        "odd_one_out", "anchor" or "ranking". Needed, or `format` is, where the file itself does not say what was asked.
    format
        One of the five; by default what the suffix and the line of names say.

    Returns
    -------
    Triplets
        With the columns that the file has: "split", "response_ms", "place", "purpose".

    Raises
    ------
    MissingColumn
        A table lacks a column, a trial a key.
    UnknownName
        No such format.
    SchemaError
        The format is not clear, the file is not what it should be, or an answer is wrong.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, ICLR 2023; github.com/Knowledge-and-Concepts-Lab/tripletTools; Hebart et
    al., Nature Human Behaviour 4, 2020 (THINGS); github.com/AliMoharramipour/Human-Face-Similarity-Judgment-Dataset.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> answers = Triplets([[0, 1, 2], [2, 1, 0]], [2, 0], ["ann", "bo"], ["a", "b", "c"], "odd_one_out")
    >>> with TemporaryDirectory() as folder:
    ...     write_judgments(answers, Path(folder, "answers.csv"))
    ...     back = read_judgments(Path(folder, "answers.csv"))
    >>> back.kind, back.items.tolist(), back.odd.tolist(), back.annotator.tolist(), back.names.tolist()
    ('odd_one_out', [[0, 1, 2], [2, 1, 0]], [2, 0], ['ann', 'bo'], ['a', 'b', 'c'])
    """
    found = inspect_judgments(path, kind=kind, format=format)
    if found.faults:
        wrong = found.rows - len(found.answers)
        raise SchemaError(
            f"{path}: expected answers without a fault; {wrong} of {found.rows} have one: {found.sentence()}; mend them"
        )
    return found.answers


@reads("people's answers")
def inspect_judgments(path: str | Path, *, kind: str | None = None, format: str | None = None) -> Inspected:
    """Read people's answers and say which of them are wrong: as `read_judgments`, which refuses a file with any.

    Raises
    ------
    MissingColumn, UnknownName, SchemaError
        As `read_judgments`, but not for single answers.
    """
    path = Path(path)
    name = _format(path, kind, format)
    declared = FORMATS[name](path, next((one for one in KINDS if one == kind), None))
    if kind is not None and declared.kind != kind:
        raise SchemaError(f"{path}: expected {kind} judgments; as {name!r} the file holds {declared.kind} judgments")
    if not len(declared.faces):
        raise SchemaError(f"{path}: expected answers; it has none")
    faults = {what: rows for what, rows in _faults(declared).items() if rows.any()}
    fine = ~np.logical_or.reduce([np.zeros(len(declared.faces), bool), *faults.values()])
    named = {what: tuple(declared.where(int(i)) for i in np.flatnonzero(rows)) for what, rows in faults.items()}
    return Inspected(name, _answers(declared, fine), len(fine), named)


def _format(path: Path, kind: str | None, format: str | None) -> str:
    """Return the format of a file: given, or told by its suffix and header; of plain numbers only with the kind."""
    if kind is not None and kind not in KINDS:
        raise SchemaError(f"{path}: expected a kind out of {', '.join(KINDS)}; got {kind!r}")
    if format is not None and format not in FORMATS:
        raise UnknownName(format, FORMATS, what="format of judgments")
    if not path.is_file():
        raise SchemaError(f"{path}: expected a file of judgments; {'it is a folder' if path.is_dir() else 'it is not there'}")
    if not path.stat().st_size:
        raise SchemaError(f"{path}: expected judgments; the file is empty")
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    if (suffix := path.suffix.lower()) not in (known if format is None else SUFFIXES[format]):
        expected = sorted(known if format is None else SUFFIXES[format])
        raise SchemaError(f"{path}: expected a file called *{' or *'.join(expected)}, got {suffix or 'no suffix'}")
    name = format or _formats.recognise(path) or ("things" if kind in ("odd_one_out", "anchor") else None)
    if name is None:
        raise SchemaError(
            f"{path}: the file does not say what was asked, and facevalue does not guess it; "
            f"give --format ({', '.join(FORMATS)}) or --kind ({', '.join(KINDS)})"
        )
    return name


def _faults(declared: _formats.Declared) -> dict[str, np.ndarray]:
    """Return in which answers a face is missing or stands twice, the odd one is none, and what the format saw."""
    faces, m = declared.faces, declared.faces.shape[1]
    low, high = {"odd_one_out": (0, 2), "anchor": (1, 2), "ranking": (m - 1, m - 1)}[declared.kind]
    missing = (faces == "").any(1) if faces.dtype.kind == "U" else (faces < 0).any(1)
    allowed = f"{low} to {high}" if low < high else f"{high}"
    outside = (declared.odd < low) | (declared.odd > high)
    own = {
        "a face that is not named": missing,
        "one face twice": twice(faces, declared.kind, declared.columns.get("purpose")) & ~missing,
        f"an odd one or Answer that is none of the faces shown (place {allowed})": outside,
    }
    return own | dict(declared.faults)


def _answers(declared: _formats.Declared, fine: np.ndarray) -> Triplets:
    faces = declared.faces[fine]
    found, items = np.unique(faces, return_inverse=True)
    words = [str(face) for face in found]
    faulty = {str(face) for face in np.unique(declared.faces[~fine])} - set(words)
    listed = _formats.in_order(words) if declared.names is None else [str(name) for name in declared.names]
    names = [name for name in listed if name not in faulty]
    place = {name: i for i, name in enumerate(names)}
    if unlisted := [word for word in words if word not in place]:
        raise SchemaError(f"judgments: expected faces out of the {len(names)} that the file lists; {unlisted[0]!r} is not")
    order = np.array([place[word] for word in words], np.int64)
    columns = {name: column[fine] for name, column in declared.columns.items()}
    numbered = order[items.reshape(faces.shape)] if len(faces) else np.empty(faces.shape, np.int64)
    return Triplets(numbered, declared.odd[fine], declared.annotator[fine], np.array(names, object), declared.kind, columns)


def repeated_rows(answers: Triplets) -> np.ndarray:
    """Return which answers are like an earlier one in everything: faces, order, answer, annotator, all columns, (t,) bool.

    With response times that is no coincidence but a row that was copied. Without, it may be a re-test; then none is named,
    nor any whose annotator or response time is not known.

    Examples
    --------
    >>> twice = {"response_ms": np.array([812.0, 812.0])}
    >>> repeated_rows(Triplets([[0, 1, 2]] * 2, [1, 1], ["ann", "ann"], list("abc"), "anchor", twice)).tolist()
    [False, True]
    """
    times = answers.columns.get("response_ms")
    if times is None:
        return np.zeros(len(answers), bool)
    known = ~np.isnan(times) & (answers.annotator != "")
    columns = [column.tolist() for column in answers.columns.values()]
    cells = zip(answers.items.tolist(), answers.odd.tolist(), answers.annotator.tolist(), *columns, strict=True)
    seen, found = set[str](), np.zeros(len(answers), bool)
    for i, cell in enumerate(cells):
        key = repr(cell)
        found[i] = known[i] and key in seen
        seen.add(key)
    return found


def write_judgments(answers: Triplets, path: str | Path) -> None:
    """Write answers as our own CSV, TSV or parquet, by the suffix; `read_judgments` reads them back.

    Parquet keeps all names in their order, and the types of columns. CSV keeps the names of the faces that were judged, and
    text: on the way back names are sorted, and of further columns only "response_ms" is a number.

    Parameters
    ----------
    answers
        t rows of one kind.
    path
        `*.csv`, `*.tsv` or `*.parquet`.

    Raises
    ------
    SchemaError
        Another suffix, a column that is not flat, or one that is called as ours are.
    """
    path = Path(path)
    if (suffix := path.suffix.lower()) not in SUFFIXES["facevalue"]:
        raise SchemaError(f"{path}: expected a file called *.csv, *.tsv or *.parquet")
    width = answers.items.shape[1]
    table: dict[str, Any] = {f"item_{i}": answers.names[answers.items[:, i]] for i in range(width)}
    table |= {"odd": answers.odd, "annotator": answers.annotator, "kind": np.full(len(answers), answers.kind, object)}
    for name, column in answers.columns.items():
        if name in table or column.ndim != 1:
            raise SchemaError(f"{path}: expected flat columns beside {', '.join(table)}; {name!r} has shape {column.shape}")
        table[name] = column
    with replacing(path) as part:
        if suffix == ".parquet":
            _write_parquet(table, answers.names, part)
        else:
            _write_text(table, part, delimiter="\t" if suffix == ".tsv" else ",")


def _write_parquet(table: Mapping[str, np.ndarray], names: np.ndarray, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(column.tolist(), from_pandas=True) for name, column in table.items()}
    known = {_formats.NAMES_KEY: json.dumps(names.tolist(), ensure_ascii=False).encode()}
    pq.write_table(pa.table(columns).replace_schema_metadata(known), path, compression="zstd")


def _write_text(table: Mapping[str, np.ndarray], path: Path, *, delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        rows.writerow(table)
        columns = [["" if cell != cell else cell for cell in column.tolist()] for column in table.values()]
        rows.writerows(zip(*columns, strict=True))
