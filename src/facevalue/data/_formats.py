"""Files of judgments as others write them: what each row declares, before anything is checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.files import read_json
from facevalue.data.people import read_table
from facevalue.data.triplets import KINDS, Kind

Rows = Sequence[Mapping[str, str]]
NAMES_KEY = b"facevalue.names"
ITEM = re.compile(r"item_(\d+)")
CHOICE = re.compile(r"(?:choice|rank|click)[ _]?(\d+)")
SHOWN = re.compile(r"face[ _]?(\d+)", re.IGNORECASE)
TARGETS = ("target", "target face", "target_face")
PARTICIPANTS = ("participant", "participant number", "participant_number", "annotator", "worker_id")
ORDER = "face click order"
SPLITS = {1: "train", 0: "validation"}


@dataclass(frozen=True, slots=True)
class Declared:
    """Answers as a file declares them; any cell may be wrong.

    Parameters
    ----------
    kind
        Of all of them.
    faces : (t, m) str or int
        In the order that `Triplets.items` asks for; "" where the file names none.
    odd : (t,) int
        -1 where it is none.
    annotator : (t,) str
    columns
        (t,) each.
    faults
        Further faults that only the format can see, (t,) bool each.
    names
        Of the faces, in their order, perhaps more than were judged; else they are sorted.
    where
        Says in which row of the file an answer stands.
    """

    kind: Kind
    faces: np.ndarray
    odd: np.ndarray
    annotator: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    faults: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: np.ndarray | None = None
    where: Callable[[int], str] = lambda i: f"row {i + 1}"


def recognise(path: Path) -> str | None:
    """Return the format that the suffix or the line of names tells; None where neither does."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv"):
        return {".json": "avfs", ".parquet": "facevalue"}.get(suffix)
    header = set(read_table(path)[0])
    if {"head", "winner", "loser"} <= header:
        return "triplets"
    if {"item_0", "odd", "kind"} <= header:
        return "facevalue"
    clicked = ORDER in header or any(CHOICE.fullmatch(name) for name in header)
    return "rankings" if clicked and header & set(TARGETS) else None


def avfs(path: Path, kind: Kind | None) -> Declared:
    """Read the trials of AVFS: JSON with several questions a trial."""
    trials = read_json(path, expected="AVFS's JSON, an object of trials")
    questions, places, parts, annotator, rows, first = [], [], [], list[str](), list[str](), dict[str, int]()
    for name, trial in trials.items():
        asked, odd = _trial(path, name, trial)
        questions += asked
        places += odd
        parts += trial.get("split", [])
        annotator += [str(trial["annotator_id"])] * len(asked)
        first[name] = len(rows)
        rows += [name] * len(asked)
    columns = {}
    if parts:
        columns["split"] = np.array([SPLITS.get(part, "?") for part in parts], object)
    return Declared(
        "odd_one_out",
        _whole(path, questions, "three whole numbers, the ids of faces, in each question"),
        _whole(path, places, "a whole number as the place of each odd one"),
        np.array(annotator, object),
        columns,
        {"a split that is neither 0 nor 1": columns["split"] == "?"} if parts else {},
        where=lambda i: f"trial {rows[i]!r} question {i - first[rows[i]]}",
    )


def _trial(path: Path, name: str, trial: Any) -> tuple[list[Any], list[Any]]:
    """Return the questions and answers of a trial whose lists are of one length."""
    keys = ("triplet_questions", "odd_one_out_positions", "annotator_id")
    if not isinstance(trial, dict) or (lacking := [key for key in keys if key not in trial]):
        lack = f"lacks {lacking[0]!r}" if isinstance(trial, dict) else "is no object"
        raise MissingColumn(f"{path}: expected AVFS's trials, with {', '.join(keys)}; entry {name!r} {lack}")
    asked, odd, split = trial[keys[0]], trial[keys[1]], trial.get("split")
    lists = [asked, odd, *([] if split is None else [split])]
    if not all(isinstance(one, list) and len(one) == len(asked) for one in lists):
        raise SchemaError(f"{path}: expected as many answers and splits as questions in each trial; not so in trial {name!r}")
    if wrong := [one for one in asked if not isinstance(one, list) or len(one) != 3]:
        raise SchemaError(f"{path}: expected three faces a question; trial {name!r} has {wrong[0]!r}")
    return asked, odd


def _whole(path: Path, cells: Sequence[Any], expected: str) -> np.ndarray:
    found = np.array(cells) if cells else np.empty((0, 3), np.int64)
    if found.dtype.kind not in "iu":
        wrong = next(cell for row in cells for cell in (row if isinstance(row, list) else [row]) if type(cell) is not int)
        raise SchemaError(f"{path}: expected {expected}; got {wrong!r}")
    return found.astype(np.int64)


def triplets(path: Path, kind: Kind | None) -> Declared:
    """Read head, winner, loser: the reference, the face chosen as more like it, and the other."""
    rows = read_table(path)
    needed(path, rows, ("head", "winner", "loser"))
    ids = np.array([[row["head"].strip(), row["winner"].strip(), row["loser"].strip()] for row in rows])
    columns, faults = _facts(rows)
    annotator = _words(rows, "worker_id")
    if not {"center", "left", "right", "answer"} <= set(rows[0]):
        return Declared("anchor", ids, np.full(len(rows), 2), annotator, columns, faults)
    shown = np.array([[row[name].strip() for name in ("center", "left", "right", "answer")] for row in rows])
    answered = shown[:, 1:3] == shown[:, 3:]
    loser = np.where(answered[:, 1], shown[:, 1], shown[:, 2])
    whole = answered.any(1) & (ids != "").all(1) & (shown != "").all(1) & (ids[:, 1] != ids[:, 2])
    names, disagree = _names(ids, np.stack([shown[:, 0], shown[:, 3], loser], 1), whole)
    odd = np.where(answered.any(1), np.where(answered[:, 1], 1, 2), -1)
    columns["place"] = np.where(answered[:, 1], "right", "left").astype(object)
    faults |= {
        "a Center, Left, Right or Answer that belongs to another number elsewhere": disagree,
        "one face as winner and loser": ids[:, 1] == ids[:, 2],
        "a cell without a number": (ids == "").any(1),
    }
    return Declared("anchor", shown[:, :3], odd, annotator, columns, faults, names)


def _facts(rows: Rows) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return response time, split and purpose of each row, where the table has them, and the times that are no numbers."""
    columns, faults = dict[str, np.ndarray](), dict[str, np.ndarray]()
    if "rt" in rows[0]:
        columns["response_ms"], faults["a response time that is no number of 0 or more"] = _times(rows, "rt")
    for name, column in (("samplealg", "purpose"), ("sampleset", "split")):
        if name in rows[0]:
            words = _words(rows, name)
            columns[column] = np.where(words == "NA", "", words)
    return columns, faults


def _times(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers, NaN where there is none, and where something else stands than a number of 0 or more."""
    numbers, wrong = np.full(len(rows), np.nan), np.zeros(len(rows), bool)
    for i, row in enumerate(rows):
        cell = row[name].strip()
        try:
            numbers[i] = float(cell) if cell not in ("", "NA") else np.nan
            wrong[i] = numbers[i] < 0 or np.isinf(numbers[i])
        except ValueError:
            wrong[i] = True
    return numbers, wrong


def _words(rows: Rows, name: str) -> np.ndarray:
    return np.array([row.get(name, "").strip() for row in rows], object)


def _names(ids: np.ndarray, called: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the names in the order of their ids, and in which rows an id and a name are not together as they mostly are."""
    pairs = Counter(zip(ids[rows].ravel().tolist(), called[rows].ravel().tolist(), strict=True))
    name_of, id_of = dict[str, str](), dict[str, str]()
    for (number, name), _ in pairs.most_common():
        name_of.setdefault(number, name)
        id_of.setdefault(name, number)
    fine = {(number, name) for number, name in pairs if name_of[number] == name and id_of[name] == number}
    together = [[pair in fine for pair in zip(*row, strict=True)] for row in zip(ids.tolist(), called.tolist(), strict=True)]
    known = set(called[rows].ravel().tolist())
    listed = list(dict.fromkeys(name_of[number] for number in in_order(name_of)))
    return np.array([*listed, *sorted(known - set(listed))], object), rows & ~np.array(together).all(1)


def in_order(names: Any) -> list[str]:
    """Return names sorted; as numbers where all are."""
    words = list(names)
    return sorted(words, key=int) if all(word.isascii() and word.isdigit() for word in words) else sorted(words)


def things(path: Path, kind: Kind | None) -> Declared:
    """Read three whole numbers a row, the last of which is the odd one: THINGS, SPoSE, VICE; or head, winner, loser."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: expected three whole numbers a row; it cannot be read: {error}") from error
    told = [(i, re.split(r"[\s,;]+", line.strip())) for i, line in enumerate(lines, 1) if line.strip()]
    wrong = [i for i, cells in told if len(cells) != 3 or not all(_is_whole(cell) for cell in cells)]
    if wrong or not told:
        came = f"not so in {len(wrong)} of {len(told)} lines, the first is line {wrong[0]}" if wrong else "it is empty"
        raise SchemaError(f"{path}: expected three whole numbers of 0 or more a row, the odd one last; {came}")
    faces, line = np.array([[int(float(cell)) for cell in cells] for _, cells in told]), [i for i, _ in told]
    nobody = np.full(len(faces), "", object)
    return Declared(kind or "odd_one_out", faces, np.full(len(faces), 2), nobody, where=lambda i: f"line {line[i]}")


def _is_whole(cell: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.0*(e\+?0+)?)?|\d+\.?\d*e\+?\d+", cell)) and float(cell).is_integer()


def rankings(path: Path, kind: Kind | None) -> Declared:
    """Read a target and the order in which the others were clicked, from the most to the least alike."""
    rows = read_table(path)
    target = _one(path, rows, TARGETS)
    columns = dict[str, np.ndarray]()
    if ORDER in rows[0]:
        others, bad = _clicked(path, rows)
        columns["purpose"] = _controls(rows)
    else:
        choices = sorted((name for name in rows[0] if CHOICE.fullmatch(name)), key=lambda name: int(CHOICE.sub(r"\1", name)))
        needed(path, rows, choices if len(choices) > 1 else ("choice_1", "choice_2"))
        others, bad = np.array([[row[name].strip() for name in choices] for row in rows]), np.zeros(len(rows), bool)
    who = next((name for name in PARTICIPANTS if name in rows[0]), "")
    faces = np.hstack([np.array([[row[target].strip()] for row in rows]), others])
    odd = np.full(len(rows), faces.shape[1] - 1)
    return Declared("ranking", faces, odd, _words(rows, who), columns, {"a click order that names not each face once": bad})


def _clicked(path: Path, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces in the order of the clicks, and in which rows the clicks do not name each face once."""
    names = sorted((name for name in rows[0] if SHOWN.fullmatch(name)), key=lambda name: int(SHOWN.sub(r"\1", name)))
    needed(path, rows, names if len(names) > 1 else ("face 1", "face 2"))
    shown = np.array([[row[name].strip() for name in names] for row in rows])
    clicks = [[int(number) - 1 for number in SHOWN.findall(row[ORDER])] for row in rows]
    fine = [sorted(order) == list(range(len(names))) for order in clicks]
    order = np.array([one if ok else range(len(names)) for one, ok in zip(clicks, fine, strict=True)])
    return np.take_along_axis(shown, order, 1), ~np.array(fine)


def _controls(rows: Rows) -> np.ndarray:
    """Return "repeat" for a trial shown twice to test a participant, "check" for one whose target is among the choices."""
    told = _words(rows, "displayed-as-control")
    return np.array(["repeat" if "1" in word else "check" if "2" in word else "" for word in told], object)


def _one(path: Path, rows: Rows, names: Sequence[str]) -> str:
    found = next((name for name in names if name in rows[0]), None)
    if found is None:
        raise MissingColumn(f"{path}: expected a column called {' or '.join(names)}; it has {', '.join(rows[0])}")
    return found


def facevalue(path: Path, kind: Kind | None) -> Declared:
    """Read our own table: item_0, item_1, ..., odd, annotator, kind, and further columns; CSV, TSV or parquet."""
    table, names = _parquet(path) if path.suffix.lower() == ".parquet" else (_cells(read_table(path)), None)
    items = [name for i in range(len(table)) if (name := f"item_{i}") in table]
    lacking = [name for name in ("item_0", "item_1", "item_2", "odd", "annotator", "kind") if name not in table]
    if lacking:
        raise MissingColumn(f"{path}: expected a column {lacking[0]!r}; it has {', '.join(table)}")
    kinds = sorted({str(word) for word in table["kind"]})
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise SchemaError(
            f"{path}: expected one kind in all rows, of {', '.join(KINDS)}; got {', '.join(map(repr, kinds)) or 'none'}"
        )
    declared = next(one for one in KINDS if one == kinds[0])
    odd = [int(cell) if re.fullmatch(r"\d{1,6}", str(cell)) else -1 for cell in table["odd"].tolist()]
    faces = np.stack([table[name].astype(str) for name in items], axis=1)
    others, faults = {k: v for k, v in table.items() if k not in (*items, "odd", "annotator", "kind")}, {}
    if (times := others.get("response_ms")) is not None and times.dtype == object:
        cells = [{"ms": "" if cell is None else str(cell)} for cell in times]
        others["response_ms"], faults["a response time that is no number of 0 or more"] = _times(cells, "ms")
    return Declared(declared, faces, np.array(odd), table["annotator"], others, faults, names)


def _cells(rows: Rows) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], object) for name in rows[0]}


def _parquet(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Return the columns of a parquet, text with "" for null, and the names it carries."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise SchemaError(f"{path}: expected a parquet of judgments; {str(error).splitlines()[0]}") from error
    names = (table.schema.metadata or {}).get(NAMES_KEY)
    columns = {name: _column(table[name]) for name in table.column_names}
    return columns, None if names is None else np.array(json.loads(names), object)


def _column(cells: Any) -> np.ndarray:
    values: list[Any] = cells.to_pylist()
    if any(isinstance(value, str) for value in values) or all(value is None for value in values):
        return np.array(["" if value is None else str(value) for value in values], object)
    return np.array([np.nan if value is None else value for value in values])


def needed(path: Path, rows: Rows, names: Sequence[str]) -> None:
    """Raise MissingColumn where a table lacks one of some columns."""
    if lacking := [name for name in names if name not in rows[0]]:
        raise MissingColumn(
            f"{path}: expected the columns {', '.join(names)}; {lacking[0]!r} is not among {', '.join(rows[0])}"
        )
