"""What a run's folder already knows: rows of photos, and where the rows of their faces lie."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facevalue.annotate import instruments
from facevalue.annotate.measure import Measured, PhotoRow
from facevalue.data.faces import Faces, rows_by_path
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


def write_photos(rows: Sequence[PhotoRow], path: Path) -> None:
    """Write one row a photo."""
    with replacing(path) as part:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=PHOTO_SCHEMA), part)


def read_photos(path: Path) -> list[PhotoRow]:
    """Read what `write_photos` wrote."""
    return [PhotoRow(**row) for row in pq.read_table(path).to_pylist()]


class Record:
    """The rows of a folder: those of its finished files, and over them those of parts that a stopped run left.

    A part is one file: the faces of a batch as a table, its photos' rows in the table's metadata.

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
        self._stale = functools.cache(self._stale_in)
        self._next = 0
        if (folder / "photos.parquet").exists():
            self._add(read_photos(folder / "photos.parquet"), folder / "faces.parquet")
        for part in sorted(self.parts.glob("*.parquet")):
            self._next = int(part.stem) + 1
            rows = json.loads(pq.read_schema(part).metadata[PHOTOS])
            self._add([PhotoRow(**row) for row in rows], part)

    def _add(self, rows: Sequence[PhotoRow], faces: Path) -> None:
        self.photos.update({row.path: row for row in rows})
        with pq.ParquetFile(faces) as file:
            for group in range(file.num_row_groups):
                for path in set(file.read_row_group(group, columns=["path"])["path"].to_pylist()):
                    self._places[path] = (faces, group)

    def _read_group(self, file: Path, group: int) -> tuple[Faces, dict[str, slice]]:
        with pq.ParquetFile(file) as opened:
            faces = Faces.from_arrow(opened.read_row_group(group))
        return faces, rows_by_path(faces)

    def faces(self, path: str) -> Faces | None:
        """Return the faces of one photo, None where there are none."""
        if path not in self._places or not self.photos[path].faces:
            return None
        faces, rows = self._group(*self._places[path])
        picked: Faces = faces[rows[path]]
        return picked

    def stale(self, path: str, wanted: Sequence[str], level: float) -> tuple[str, ...]:
        """Return the instruments whose columns a photo's faces lack, or have from other weights or at another level."""
        return self._stale(self._places[path][0], tuple(wanted), level)

    def _stale_in(self, file: Path, wanted: tuple[str, ...], level: float) -> tuple[str, ...]:
        return instruments.stale(Faces.from_arrow(pq.read_schema(file).empty_table()), wanted, level=level)

    def add_part(self, measured: Measured) -> None:
        """Write one batch."""
        rows = json.dumps([asdict(row) for row in measured.photos])
        table = measured.faces.to_arrow().replace_schema_metadata({PHOTOS: rows})
        with replacing(self.parts / f"{self._next:08d}.parquet") as part:
            pq.write_table(table, part, compression="none", use_dictionary=False, write_statistics=False)
        self._next += 1

    def drop_parts(self) -> None:
        """Remove the parts, once the finished files hold their rows."""
        shutil.rmtree(self.parts, ignore_errors=True)
