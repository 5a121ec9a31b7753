"""What a run's folder already knows: rows of photos, and where the rows of their faces lie; on disk, not in memory."""

from __future__ import annotations

import functools
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facevalue.annotate import instruments
from facevalue.annotate.measure import Measured, PhotoRow
from facevalue.data.errors import expecting
from facevalue.data.faces import Faces, concatenate, rows_by_path
from facevalue.data.files import replacing

PHOTOS = b"photos"
PHOTO_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("path", "sha256")),
        ("size", pa.int64()),
        *((name, pa.string()) for name in ("status", "why")),
        *((name, pa.int32()) for name in ("width", "height", "faces")),
        ("detector", pa.string()),
    ]
)
FIELDS = tuple(field.name for field in fields(PhotoRow))
# What a killed run loses at most: the seconds between two parts, or so many photos.
PART_SECONDS, PART_PHOTOS = 1.0, 4096
WHOLE = "what an earlier run left, whole; remove it, and its photos are measured again"


class Record:
    """The rows of a folder: those of its finished files, and over them those of parts that a stopped run left.

    A part is one file: the faces of some batches as a table, their photos' rows in the table's metadata.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.parts = folder / ".parts"
        self._known = sqlite3.connect("")  # a file without a name, which goes when it is closed
        self._known.execute(f"CREATE TABLE photos ({', '.join(FIELDS)}, file, rows, PRIMARY KEY (path)) WITHOUT ROWID")
        self._files: list[Path] = []
        self._group = functools.lru_cache(maxsize=8)(self._read_group)
        self._stale = functools.cache(self._stale_in)
        self._waiting: list[Measured] = []
        self._next, self._written = 0, -PART_SECONDS
        if (photos := folder / "photos.parquet").exists():
            with expecting(photos, WHOLE), pq.ParquetFile(photos) as file:
                for batch in file.iter_batches():
                    self._add(tuple(row[name] for name in FIELDS) for row in batch.to_pylist())
            self._place(folder / "faces.parquet")
        for part in sorted(self.parts.glob("*.parquet")):
            with expecting(part, WHOLE):
                self._next = int(part.stem) + 1
                rows = json.loads(pq.read_schema(part).metadata[PHOTOS])
                self._add(tuple(row[name] for name in FIELDS) for row in rows)
            self._place(part)

    def __len__(self) -> int:
        return int(self._known.execute("SELECT count(*) FROM photos").fetchone()[0])

    def close(self) -> None:
        """Let go of the rows."""
        self._known.close()

    def first(self) -> str:
        """Return the least path."""
        return str(self._known.execute("SELECT min(path) FROM photos").fetchone()[0])

    def row(self, path: str) -> PhotoRow | None:
        """Return what is known of a photo."""
        found = self._known.execute(f"SELECT {', '.join(FIELDS)} FROM photos WHERE path = ?", (path,)).fetchone()
        return None if found is None else PhotoRow(*found)

    def faces(self, path: str) -> Faces | None:
        """Return the faces of one photo, None where there are none."""
        place = self._place_of(path)
        if place is None:
            return None
        faces, rows = self._group(*place)
        picked: Faces = faces[rows[path]]
        return picked

    def stale(self, path: str, wanted: Sequence[str], level: float) -> tuple[str, ...]:
        """Return the instruments whose columns a photo's faces lack, or have from other weights or at another level."""
        place = self._place_of(path)
        return tuple(wanted) if place is None else self._stale(place[0], tuple(wanted), level)

    def add(self, measured: Measured) -> None:
        """Keep a batch; what has come in since the last part is written as one, a second later at the latest."""
        self._waiting.append(measured)
        waited = time.monotonic() - self._written
        if waited >= PART_SECONDS or sum(len(batch.photos) for batch in self._waiting) >= PART_PHOTOS:
            self.flush()

    def flush(self) -> None:
        """Write what was kept and not yet written."""
        if not self._waiting:
            return
        rows = [{name: getattr(row, name) for name in FIELDS} for batch in self._waiting for row in batch.photos]
        faces = concatenate([batch.faces for batch in self._waiting])
        table = faces.to_arrow().replace_schema_metadata({PHOTOS: json.dumps(rows)})
        with replacing(self.parts / f"{self._next:08d}.parquet") as part:
            pq.write_table(table, part, compression="none", use_dictionary=False, write_statistics=False)
        self._waiting, self._next, self._written = [], self._next + 1, time.monotonic()

    def drop_parts(self) -> None:
        """Remove the parts, once the finished files hold their rows."""
        self._waiting = []
        shutil.rmtree(self.parts, ignore_errors=True)

    def _add(self, rows: Iterator[tuple[object, ...]]) -> None:
        marks = ", ".join("?" * len(FIELDS))
        self._known.executemany(f"INSERT OR REPLACE INTO photos VALUES ({marks}, NULL, NULL)", rows)

    def _place(self, path: Path) -> None:
        """Note in which row group of a file the faces of each photo lie."""
        number = len(self._files)
        self._files.append(path)
        with expecting(path, WHOLE), pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                paths = set(file.read_row_group(group, columns=["path"])["path"].to_pylist())
                places = ((number, group, one) for one in paths)
                self._known.executemany("UPDATE photos SET file = ?, rows = ? WHERE path = ?", places)

    def _place_of(self, path: str) -> tuple[int, int] | None:
        found = self._known.execute("SELECT file, rows, faces FROM photos WHERE path = ?", (path,)).fetchone()
        return None if found is None or found[0] is None or not found[2] else (found[0], found[1])

    def _read_group(self, number: int, group: int) -> tuple[Faces, dict[str, slice]]:
        with expecting(self._files[number], WHOLE), pq.ParquetFile(self._files[number]) as opened:
            faces = Faces.from_arrow(opened.read_row_group(group))
        return faces, rows_by_path(faces)

    def _stale_in(self, number: int, wanted: tuple[str, ...], level: float) -> tuple[str, ...]:
        with expecting(self._files[number], WHOLE):
            faces = Faces.from_arrow(pq.read_schema(self._files[number]).empty_table())
        return instruments.stale(faces, wanted, level=level)
