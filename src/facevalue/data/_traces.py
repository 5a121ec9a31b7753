"""Traces of a person in tables of any kind: which rows are theirs, and the table without these."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from facevalue.data._network_tables import PAIRS
from facevalue.data._rows import NAMES
from facevalue.data.errors import SchemaError
from facevalue.data.members import ID_COLUMNS
from facevalue.data.people import PERSON_COLUMNS
from facevalue.data.photos import SUFFIXES, composed
from facevalue.data.video import VIDEOS

TABLES = (".csv", ".tsv", ".parquet", ".pq", ".json", ".jsonl")
WHOSE = (*ID_COLUMNS, "folder")
BOTH = (*PAIRS, ("row", "col"))
SHOWN = (*NAMES, "query")
SHAS = ("photo", "sha256")
SPLIT = "split.csv"
PICTURES = SUFFIXES | VIDEOS
FINDINGS = frozenset(("study", "measure", "group", "value"))
SHA = re.compile(r"[0-9a-f]{64}")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
MARK = "\ufeff"


def nothing(path: str, place: str) -> bool:
    """Return False: no register names a photo."""
    return False


@dataclass(slots=True)
class Theirs:
    """What is known of a person's photos; it grows while tables are read.

    Parameters
    ----------
    person
        Their id.
    named
        What tells of a path and a place whether a register of consent names it as theirs.
    photos
        sha256 of their photos.
    paths
        Paths of their photos as tables write them, with the folders of these tables.
    runs
        Folders whose tables say of their paths which photos these are: what others say of the same paths does not count.
    """

    person: str
    named: Callable[[str, str], bool] = nothing
    photos: set[str] = field(default_factory=set)
    paths: dict[str, set[Path]] = field(default_factory=dict)
    runs: frozenset[Path] = frozenset()

    def named_by(self, path: str, place: str = "") -> bool:
        """Return whether a path says itself whose it is: by a folder, by its name, or by the register.

        Examples
        --------
        >>> ann = Theirs("ann")
        >>> [ann.named_by(path) for path in ("ann/1.jpg", "staff/ann/2.jpg", "ann.jpg", "anna/1.jpg", "bob/ann.jpg")]
        [True, True, True, False, False]
        """
        whole = PurePosixPath(composed(path))
        names = (*whole.parts[:-1], *map(str, whole.parents)) if whole.parts[:-1] else (whole.stem,)
        return composed(self.person) in names or self.named(path, place)

    def shows(self, path: str, folder: Path) -> bool:
        """Return whether a path of a table in a folder is of a photo of theirs."""
        if self.named_by(path):
            return True
        places = self.listed(path)
        near = folder not in self.runs and any(at in folder.parents or folder in at.parents for at in places)
        return near or folder in places

    def listed(self, path: str) -> set[Path]:
        """Return the folders of the tables that say of a path, or of a folder above it, that it is theirs."""
        whole = PurePosixPath(path)
        return set().union(*(self.paths.get(str(part), set()) for part in (whole, *whole.parents) if part.name))

    def holds(self, cells: Mapping[str, Any], folder: Path) -> bool:
        """Return whether a row, cells by column in lower case, is theirs."""
        words = {name: str(cell).strip() for name, cell in cells.items() if isinstance(cell, str | int) and cell != ""}
        pairs = (pair for pair in BOTH if set(pair) <= set(cells))
        if any(self.called(words.get(name, "")) for name in (*WHOSE, *itertools.chain(*pairs))) or self._left_visible(cells):
            return True
        if set(cells) >= FINDINGS and words.get("group") == self.person:
            return True
        known, shown = _known(words), [words[name] for name in SHOWN if not SHA.fullmatch(words.get(name, "0" * 64))]
        if known:  # which photo it is, is certain: the same path elsewhere may be another
            return bool(known & self.photos) or any(map(self.named_by, shown))
        return any(self.shows(path, folder) for path in shown)

    def learn(self, cells: Mapping[str, Any], folder: Path) -> None:
        """Take in what a row of theirs says: which bytes, and which path, their photo has."""
        words = {name: str(cell).strip() for name, cell in cells.items() if isinstance(cell, str) and cell}
        whose = next((words[name] for name in ID_COLUMNS if name in words), "")
        called = self.called(whose) or any(self.called(words.get(name, "")) for name in PERSON_COLUMNS)
        shown = [words[name] for name in NAMES if not SHA.fullmatch(words.get(name, "0" * 64))]
        known = _known(words)
        if called or self._left_visible(cells) or self.photos & known or any(map(self.named_by, shown)):
            self.photos |= known | _obscured(words)
            for path in [path for path in shown if _is_path(path)] or [words.get("folder", "")]:
                self.paths.setdefault(path, set()).add(folder)

    def called(self, word: str) -> bool:
        """Return whether a word is their id, alone or as the last folder of a path."""
        return composed(self.person) in (known := composed(word), known.rpartition("/")[2])

    def _left_visible(self, cells: Mapping[str, Any]) -> bool:
        """Return whether a row of a manifest says that their face was left visible."""
        faces = cells.get("faces")
        some = [face for face in faces if isinstance(face, dict)] if isinstance(faces, list) else []
        return any(self.called(str(face.get("kept", ""))) for face in some)


def _known(words: Mapping[str, str]) -> set[str]:
    """Return the sha256 of photos that a row tells."""
    return {words[name] for name in SHAS if SHA.fullmatch(words.get(name, ""))}


def _obscured(words: Mapping[str, str]) -> set[str]:
    """Return the sha256 of the obscured photo that a row of a manifest tells; blanked ones of two people may be the same."""
    made = words.get("out_sha256", "")
    return {made} if words.get("status") == "obscured" and SHA.fullmatch(made) else set()


def _is_path(word: str) -> bool:
    """Return whether a cell is a path of a photo or film, and not the name of a condition that it was measured under."""
    return "/" in word or PurePosixPath(word.partition("#")[0]).suffix.lower() in PICTURES


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows of a table are theirs, how many others', and the table without theirs; None where none is."""

    removed: int
    left: int
    data: bytes | None = None


def rows_of(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table as cells by column in lower case, of a parquet only those of text and whole numbers.

    Raises
    ------
    SchemaError
        It cannot be read.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        yield from _parquet_rows(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from (cells for cells, _ in _lines(path, path.read_bytes())[1])
    else:
        yield from (row for row in _json_rows(read_value(path)))


def without(path: Path, theirs: Theirs) -> Rows:
    """Return a table without the rows of a person; rows of others in text stay as they are written.

    Raises
    ------
    SchemaError
        It cannot be read.
    """
    suffix = path.suffix.lower()
    made = _parquet if suffix in (".parquet", ".pq") else _separated if suffix in (".csv", ".tsv") else _objects
    return made(path, theirs)


def _lines(path: Path, raw: bytes) -> tuple[str, list[tuple[dict[str, str], str]]]:
    """Return the line of names as it is written, and each row's cells with its lines; no rows of what is no table."""
    text = decoded(raw)[0]
    lines = LINE.findall(text.removeprefix(MARK))
    first = lines[0] if lines else ""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    reader, found = csv.reader(lines, delimiter=delimiter), list[tuple[dict[str, str], str]]()
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        head = at = reader.line_num
        for cells in reader:
            found.append((dict(zip(names, cells, strict=False)), "".join(lines[at : reader.line_num])))
            at = reader.line_num
    except csv.Error as error:
        raise SchemaError(f"{path}: expected a table; it cannot be read: {error}") from error
    return MARK * text.startswith(MARK) + "".join(lines[:head]), found


def _separated(path: Path, theirs: Theirs) -> Rows:
    raw = path.read_bytes()
    head, rows = _lines(path, raw)
    kept = [written for cells, written in rows if not theirs.holds(cells, path.parent)]
    if len(kept) == len(rows):
        return Rows(0, len(rows))
    return Rows(len(rows) - len(kept), len(kept), (head + "".join(kept)).encode(decoded(raw)[1]))


def decoded(raw: bytes) -> tuple[str, str]:
    """Return a text, its mark with it, and its encoding: UTF-16 by the mark, UTF-8, or else Latin-1, which fits any bytes.

    Examples
    --------
    >>> decoded("Zoë".encode()), decoded("Zoë".encode("latin-1"))
    (('Zoë', 'utf-8'), ('Zoë', 'latin-1'))
    """
    marks = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    encoding = marks.get(raw[:2], "utf-8")
    try:
        return raw.decode(encoding), encoding
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1"


def read_value(path: Path) -> Any:
    """Return what a JSON file holds, of JSON lines a list; SchemaError where it is none."""
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    try:
        if path.suffix.lower() == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{path}: expected JSON, it cannot be read: {error}") from error


def _json_rows(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, of an object by their keys, and of the lists right below it."""
    if isinstance(value, list):
        yield from ({str(k).lower(): v for k, v in row.items()} for row in value if isinstance(row, dict))
    elif isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, dict):
                yield {"path": key, **{str(k).lower(): v for k, v in entry.items()}}
            elif isinstance(entry, list):
                yield from _json_rows(entry)


def _objects(path: Path, theirs: Theirs) -> Rows:
    """Return JSON without objects of theirs: of a list, of an object by their paths, of the lists right below it."""
    value, count = read_value(path), [0, 0]

    def stays(cells: Mapping[str, Any]) -> bool:
        gone = theirs.holds({str(key).lower(): entry for key, entry in cells.items()}, path.parent)
        count[gone] += 1
        return not gone

    def of_list(rows: list[Any]) -> list[Any]:
        return [row for row in rows if not isinstance(row, dict) or stays(row)]

    if isinstance(value, list):
        value = of_list(value)
    elif isinstance(value, dict):
        rows = {key for key, entry in value.items() if isinstance(entry, dict) and (_is_path(key) or theirs.called(key))}
        value = {key: entry for key, entry in value.items() if key not in rows or stays({"path": key, **entry})}
        value = {key: of_list(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
    left, removed = count
    if not removed:
        return Rows(0, left)
    if path.suffix.lower() == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value)
    else:
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return Rows(removed, left, text.encode("utf-8", "surrogateescape"))


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = _text_columns(file.schema_arrow)
            for batch in file.iter_batches(columns=names):
                columns = [column.to_pylist() for column in batch.columns]
                yield from (dict(zip(map(str.lower, names), row, strict=True)) for row in zip(*columns, strict=True))
    except (OSError, pa.ArrowException) as error:
        raise SchemaError(f"{path}: expected parquet, got something else ({str(error).splitlines()[0]})") from error


def _text_columns(schema: Any) -> list[str]:
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    return [entry.name for entry in schema if any(kind(entry.type) for kind in kinds) and entry.name.lower() in _READ]


_READ = frozenset((*WHOSE, *itertools.chain(*BOTH), *SHOWN, *SHAS, *FINDINGS))


def _parquet(path: Path, theirs: Theirs) -> Rows:
    """Return a parquet without their rows, its groups of rows and what its schema says kept."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    gone = [theirs.holds(cells, path.parent) for cells in _parquet_rows(path)]
    if not any(gone):
        return Rows(0, len(gone))
    sink, at = io.BytesIO(), 0
    with pq.ParquetFile(path) as file, pq.ParquetWriter(sink, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            writer.write_table(table.filter(pa.array([not one for one in gone[at : at + len(table)]], pa.bool_())))
            at += len(table)
    return Rows(sum(gone), len(gone) - sum(gone), sink.getvalue())


def holds_photos(path: Path) -> bool:
    """Return whether a table is a parquet with a column of bytes, the photos themselves, and not those of a training run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() not in (".parquet", ".pq") or (path.parent / SPLIT).exists():
        return False
    kinds = [entry.type.field("bytes").type if _is_struct(entry.type) else entry.type for entry in pq.read_schema(path)]
    return any(kind in (pa.binary(), pa.large_binary(), pa.binary_view()) for kind in kinds)


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def mentions(text: bytes, words: Iterable[str]) -> bool:
    """Return whether any of some words stands as a word in a text.

    Examples
    --------
    >>> [mentions(text, ["ann"]) for text in (b"of ann, 7", b"anna", b"ann-lee")], mentions(b"p = 0.001", ["001"])
    ([True, False, False], False)
    """
    some = "|".join(re.escape(composed(word)) for word in words)
    return re.search(rf"(?<![\w-])(?<!\d\.)(?:{some})(?![\w-])(?!\.\d)", composed(decoded(text)[0])) is not None


def names_any(items: Sequence[str], theirs: Theirs, more: Iterable[str] = ()) -> bool:
    """Return whether any of the names of faces is of a photo of theirs: its path, or the end of it, with or without suffix.

    `more` are further paths of their photos.
    """
    known = {*theirs.paths, *more}
    ends = known | {PurePosixPath(path).name for path in known} | {PurePosixPath(path).stem for path in known}
    return any(str(item) in ends or theirs.named_by(str(item)) for item in items)
