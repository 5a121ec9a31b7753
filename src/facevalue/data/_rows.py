"""Photos that lie as bytes in the rows of a parquet."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data._pixels import one_line
from facevalue.data.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("path", "file", "filename", "file_name", "image", "photo", "name")
BYTES = ("image", "photo", "bytes", "jpg", "png", "img", "data", "content")
BATCH = 16


def rows(path: str) -> Rows:
    """Return the open rows of a parquet, one reader a file and process.

    Raises
    ------
    RunError
        When it is not a parquet, or has no column of bytes that is surely the photos'.
    """
    import pyarrow as pa

    try:
        return _rows(path, os.getpid(), os.stat(path).st_mtime_ns)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: expected a parquet of photos; it cannot be read: {one_line(error)}") from error


@functools.lru_cache(maxsize=4)
def _rows(path: str, process: int, changed: int) -> Rows:
    return Rows(path)


class Rows:
    """The photos of a parquet, streamed: rows read in ascending order cost one pass and little memory."""

    def __init__(self, path: str) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._file = pq.ParquetFile(path, buffer_size=1 << 20)
        self._column, self._inside = _bytes_column(path, self._file.schema_arrow)
        groups = range(self._file.num_row_groups)
        self._starts = np.cumsum([0, *(self._file.metadata.row_group(group).num_rows for group in groups)])
        self._lock = threading.Lock()
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = ()
        self._start, self._group = 0, -1

    def names(self) -> list[str | None]:
        """Return each row's name, None where it has none; RunError where they cannot be read."""
        try:
            return self._names()
        except Exception as error:  # a damaged page can fail anywhere in Arrow
            raise RunError(f"{self._path}: expected a parquet of photos; it cannot be read: {one_line(error)}") from error

    def _names(self) -> list[str | None]:
        import pyarrow as pa

        schema = self._file.schema_arrow
        texts = (pa.string(), pa.large_string(), pa.string_view())
        name = next((name for name in NAMES if name in schema.names and schema.field(name).type in texts), None)
        if name:
            return list(self._file.read(columns=[name]).column(0).to_pylist())
        if self._inside and schema.field(self._column).type.get_field_index("path") >= 0:
            structs = self._file.read(columns=[f"{self._column}.path"]).column(0).to_pylist()
            return [struct and struct["path"] for struct in structs]
        return [None] * int(self._starts[-1])

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


def _bytes_column(path: str, schema: pa.Schema) -> tuple[str, bool]:
    """Return the name of the column that holds the photos, and whether it is a struct {bytes, path}."""
    import pyarrow as pa

    found = {}
    for field in schema:
        struct = pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        kind = field.type.field("bytes").type if struct else field.type
        if kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
            found[field.name] = struct
    known = [name for wanted in BYTES for name in found if name.lower() == wanted]
    if not known and len(found) != 1:
        raise RunError(
            f"{path}: expected one column of bytes, or one called {', '.join(BYTES)}; it has {', '.join(schema.names)}"
        )
    name = next(iter(known or found))
    return name, found[name]
