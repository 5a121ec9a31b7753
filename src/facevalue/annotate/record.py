"""What a run's folder already knows: rows of photos, and where the rows of their faces lie."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facevalue.annotate.measure import Measured, PhotoRow
from facevalue.data.faces import Faces, concatenate
from facevalue.data.files import replacing, write_faces

GROUP = 512
PHOTO_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("path", "sha256")),
        ("size", pa.int64()),
        *((name, pa.string()) for name in ("status", "why")),
        *((name, pa.int32()) for name in ("width", "height", "faces")),
        ("detector", pa.string()),
    ]
)


def write_photos(rows: Sequence[PhotoRow], path: Path) -> None:
    """Write one row a photo."""
    with replacing(path) as part:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=PHOTO_SCHEMA), part)


def read_photos(path: Path) -> list[PhotoRow]:
    """Read what `write_photos` wrote."""
    return [PhotoRow(**row) for row in pq.read_table(path).to_pylist()]


class Record:
    """The rows of a folder: those of its finished files, and over them those of parts that a stopped run left.

    A part is two files; the photos' file is written last and counts: faces without it were never finished.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = folder / ".parts"
        self.photos: dict[str, PhotoRow] = {}
        self._places: dict[str, tuple[Path, int]] = {}
        self._group = functools.lru_cache(maxsize=8)(self._read_group)
        if (folder / "photos.parquet").exists():
            self._add(folder / "photos.parquet", folder / "faces.parquet")
        self._next = 0
        for photos in sorted(self.parts.glob("*.photos.parquet")):
            self._next = int(photos.name.split(".")[0]) + 1
            self._add(photos, photos.with_name(photos.name.replace("photos", "faces")))

    def _add(self, photos: Path, faces: Path) -> None:
        self.photos.update({row.path: row for row in read_photos(photos)})
        with pq.ParquetFile(faces) as file:
            for group in range(file.num_row_groups):
                for path in set(file.read_row_group(group, columns=["path"])["path"].to_pylist()):
                    self._places[path] = (faces, group)

    def _read_group(self, file: Path, group: int) -> Faces:
        with pq.ParquetFile(file) as opened:
            return Faces.from_arrow(opened.read_row_group(group))

    def faces(self, path: str) -> Faces | None:
        """Return the faces of one photo, None where there are none."""
        if path not in self._places or not self.photos[path].faces:
            return None
        group = self._group(*self._places[path])
        picked: Faces = group[np.flatnonzero(group.path == path)]
        return picked

    def add_part(self, measured: Measured) -> None:
        """Write one batch, faces first."""
        write_faces(measured.faces, self.parts / f"{self._next:08d}.faces.parquet")
        write_photos(measured.photos, self.parts / f"{self._next:08d}.photos.parquet")
        self._next += 1

    def in_order(self, paths: Sequence[str]) -> Iterator[tuple[PhotoRow, Faces | None]]:
        """Yield every photo's row and faces, as the paths come."""
        yield from ((self.photos[path], self.faces(path)) for path in paths)

    def drop_parts(self) -> None:
        """Remove the parts, once the finished files hold their rows."""
        shutil.rmtree(self.parts, ignore_errors=True)


class FacesWriter:
    """Writes faces to one parquet file, row group by row group, in flat memory.

    Parameters
    ----------
    path
        Of the file.
    blank
        No faces, with the columns to come.
    """

    def __init__(self, path: Path, blank: Faces) -> None:
        self._blank, self._waiting, self._rows = blank, [blank], 0
        self._writer = pq.ParquetWriter(path, blank.to_arrow().schema, compression="zstd")

    def __enter__(self) -> FacesWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, faces: Faces) -> None:
        """Add rows with the columns of `blank`."""
        self._waiting.append(faces)
        self._rows += len(faces)
        if self._rows >= GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(concatenate(self._waiting).to_arrow())
        self._waiting, self._rows = [self._blank], 0
