"""Photos that lie as bytes in the rows of a parquet, or of an arrow file as `datasets` writes it."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data import _stores
from facevalue.data._found import Photo, Texts
from facevalue.data._pixels import one_line
from facevalue.data.errors import RunError, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("path", "file", "filename", "file_name", "image", "photo", "name")
BYTES = ("image", "photo", "bytes", "jpg", "png", "img", "data", "content")
BATCH = 16
CUT = "truncated: the file ends, or is damaged, before its last rows"


@dataclass(slots=True)
class TableRows:
    """The rows of a table of photos; `cut` where it ends too early, and has a last photo that tells so."""

    folder: str
    where: str
    n: int
    names: Texts | None
    cut: bool = False
    alone: bool = False

    def __len__(self) -> int:
        return self.n + self.cut

    def __getitem__(self, i: int) -> Photo:
        if i == self.n:
            return Photo(*self.entry(i), None, CUT)
        return Photo(*self.entry(i))

    def entry(self, i: int) -> tuple[str, str]:
        """Return a photo's path and its place."""
        if i == self.n:
            return f"{self.folder}/cut_off", ""
        return (self.names and self.names[i]) or f"{self.folder}/{i:06d}", f"{self.where}#{i}"

    def words(self) -> Mapping[str, Sequence[str]]:
        """Return the plain columns as words; numbers of classes as their names."""
        return rows(self.where).words()


def table(path: str, folder: str = "") -> TableRows:
    """Return the photos of a parquet or arrow file, a path or an address.

    Raises
    ------
    RunError
        It cannot be read, or has no column of bytes that is surely the photos'.
    """
    opened = rows(path)
    names = opened.names()
    folder = folder or Path(path).stem
    return TableRows(folder, path, len(opened), names, opened.cut, alone=names is None and not opened.cut)


def read_row(path: str, row: int) -> bytes:
    """Return the bytes of one row.

    Raises
    ------
    Unreadable
        `why` is "missing", where it is null, or "unreadable: ...".
    """
    try:
        opened = functools.partial(_read, path, row)
        data = _stores.attempted(opened) if _stores.is_address(path) else opened()
    except Exception as error:  # a damaged page can fail anywhere in Arrow
        raise Unreadable(f"unreadable: row {row}: {one_line(error)}") from error
    if data is None:
        raise Unreadable("missing")
    return data


def _read(path: str, row: int) -> bytes | None:
    return rows(path).read(row)


def rows(path: str) -> Rows:
    """Return the open rows of a parquet or arrow file, one reader a file and process.

    Raises
    ------
    RunError
        When it is neither, or has no column of bytes that is surely the photos'.
    """
    try:
        return _rows(path, os.getpid(), 0 if _stores.is_address(path) else os.stat(path).st_mtime_ns)
    except RunError:
        raise
    except Exception as error:  # as above, and stores have errors of their own
        what = "an arrow file" if path.lower().endswith(".arrow") else "a parquet"
        raise RunError(f"{path}: expected {what} of photos; it cannot be read: {one_line(error)}") from error


@functools.lru_cache(maxsize=4)
def _rows(path: str, process: int, changed: int) -> Rows:
    return ArrowRows(path) if path.lower().endswith(".arrow") else ParquetRows(path)


class Rows:
    """The photos of a table.

    Parameters
    ----------
    path
        Of the file.
    schema
        Its columns.
    """

    cut = False

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._features = _features(schema)
        self._column, self._inside = _bytes_column(path, schema, self._features)
        self._starts = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, row: int) -> bytes | None:
        """Return the bytes of one row, None where it is null."""
        raise NotImplementedError

    def _batches_of(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def names(self) -> Texts | None:
        """Return each row's name without what leads out of a folder, "" where it has none; None where no row has one."""
        import pyarrow as pa

        texts = (pa.string(), pa.large_string(), pa.string_view())
        name = next((n for n in NAMES if n in self._schema.names and self._schema.field(n).type in texts), None)
        inner = self._inside and self._schema.field(self._column).type.get_field_index("path") >= 0
        if not name and not inner:
            return None
        found = Texts()
        try:
            for batch in self._batches_of([name or f"{self._column}.path"]):
                column = batch.column(0) if name else batch.column(0).field("path")
                for word in column.to_pylist():
                    found.append(cleaned(word or ""))
        except Exception as error:  # as above
            raise RunError(f"{self._path}: expected a parquet of photos; it cannot be read: {one_line(error)}") from error
        return found

    def words(self) -> dict[str, list[str]]:
        """Return the plain columns, but the names, as words a row; numbers of classes as their names."""
        import pyarrow.types as kinds

        plain = (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_floating, kinds.is_boolean)
        columns = [at.name for at in self._schema if at.name not in NAMES and any(of(at.type) for of in plain)]
        found: dict[str, list[str]] = {name: [] for name in columns}
        for batch in self._batches_of(columns) if columns else ():
            for name in columns:
                classes = self._features.get(name, {}).get("names") or ()
                found[name] += [word_of(value, classes) for value in batch.column(name).to_pylist()]
        return found


class ParquetRows(Rows):
    """The photos of a parquet, streamed: rows read in ascending order cost one pass and little memory."""

    def __init__(self, path: str) -> None:
        import pyarrow.parquet as pq

        source = _stores.open_object(path) if _stores.is_address(path) else path
        self._file = pq.ParquetFile(source, buffer_size=1 << 20)
        super().__init__(path, self._file.schema_arrow)
        groups = range(self._file.num_row_groups)
        self._starts = np.cumsum([0, *(self._file.metadata.row_group(group).num_rows for group in groups)])
        self._lock = threading.Lock()
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = ()
        self._start, self._group = 0, -1

    def _batches_of(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        batches: Iterator[pa.RecordBatch] = self._file.iter_batches(columns=columns, use_threads=False)
        return batches

    def read(self, row: int) -> bytes | None:
        """Return the bytes of one row, None where it is null."""
        with self._lock:
            group = int(np.searchsorted(self._starts, row, side="right")) - 1
            if group != self._group or row < self._start:
                self._open(group)
            self._group = -1
            while row >= self._start + len(self._batch):
                self._start += len(self._batch)
                column = next(self._batches).column(0)
                self._batch = column.field("bytes") if self._inside else column
            self._group = group
            value: bytes | None = self._batch[row - self._start].as_py()
            return value

    def _open(self, group: int) -> None:
        columns = [f"{self._column}.bytes" if self._inside else self._column]
        options = {"batch_size": BATCH, "columns": columns, "use_threads": False}
        self._batches = self._file.iter_batches(row_groups=[group], **options)
        self._batch, self._start = (), int(self._starts[group])


class ArrowRows(Rows):
    """The photos of an arrow file, a stream as `datasets` writes it or with an index, mapped into memory and not read."""

    def __init__(self, path: str) -> None:
        import pyarrow as pa

        if _stores.is_address(path):
            raise RunError(f"{path}: expected an arrow file on this machine: copy it here, or write it as parquet")
        source = pa.memory_map(path)
        if source.read(6) == b"ARROW1":
            opened = pa.ipc.open_file(source)
            super().__init__(path, opened.schema)
            self._take(opened.get_batch(i) for i in range(opened.num_record_batches))
        else:
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            super().__init__(path, reader.schema)
            self._take(reader)
        self._starts = np.cumsum([0, *map(len, self._parts)])

    def _take(self, parts: Iterable[pa.RecordBatch]) -> None:
        """Keep the batches up to one that is cut off, or damaged."""
        import pyarrow as pa

        self._parts: list[pa.RecordBatch] = []
        try:
            for part in parts:
                _sound(part, [self._column])
                self._parts.append(part)
        except (pa.ArrowInvalid, OSError):
            self.cut = True

    def _batches_of(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        names = [name if name in self._schema.names else name.rpartition(".")[0] for name in columns]
        return (_sound(part, names) for part in self._parts)

    def read(self, row: int) -> bytes | None:
        """Return the bytes of one row, None where it is null."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        value = self._parts[part].column(self._column)[row - int(self._starts[part])].as_py()
        found: bytes | None = value and value["bytes"] if self._inside else value
        return found


def _sound(part: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """Return some columns of a batch, whose offsets point into it: Arrow itself would follow any."""
    found = part.select(names)
    found.validate(full=True)
    return found


def cleaned(name: str) -> str:
    r"""Return a name from within a file as a path that leads out of no folder.

    >>> cleaned("../../etc/x.jpg"), cleaned("C:\\x.jpg"), cleaned("/./")
    ('etc/x.jpg', 'C:/x.jpg', '')
    """
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def word_of(value: object, classes: Sequence[str] = ()) -> str:
    """Return a plain value as a word, the number of a class as its name; "" of nothing.

    >>> word_of(1, ["cat", "dog"]), word_of(-1, ["cat"]), word_of(2.0), word_of(None), word_of(True)
    ('dog', '', '2.0', '', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if classes and isinstance(value, int):
        return str(classes[value]) if 0 <= value < len(classes) else ""
    return str(value).strip()


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return what `datasets` has written of its columns; nothing where it was not it that wrote."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {str(name): kind for name, kind in found.items() if isinstance(kind, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _bytes_column(path: str, schema: pa.Schema, features: Mapping[str, Mapping[str, Any]]) -> tuple[str, bool]:
    """Return the name of the column that holds the photos, and whether it is a struct {bytes, path}."""
    import pyarrow as pa

    found = {}
    for field in schema:
        struct = pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        kind = field.type.field("bytes").type if struct else field.type
        if kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
            found[field.name] = struct
    images = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    known = images if len(images) == 1 else [name for wanted in BYTES for name in found if name.lower() == wanted]
    if not known and len(found) != 1:
        raise RunError(
            f"{path}: expected one column of bytes, or one called {', '.join(BYTES)}; it has {', '.join(schema.names)}"
        )
    name = next(iter(known or found))
    return name, found[name]
