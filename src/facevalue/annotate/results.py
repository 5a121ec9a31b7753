"""The files of results, written photo by photo in the order of the inputs, in flat memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facevalue.annotate.measure import PhotoRow
from facevalue.annotate.record import PHOTO_SCHEMA
from facevalue.data import photos
from facevalue.data.errors import PhotoError
from facevalue.data.faces import Faces, concatenate
from facevalue.data.files import replacing
from facevalue.image import align
from facevalue.report import annotate as report
from facevalue.report import faceannotate
from facevalue.report.page import Picture, write_page

GROUP, PHOTO_GROUP = 512, 8192
GALLERY = 120
THUMB = align.Crop("upright", 96, scale=1.4)


class Results:
    """`faces.parquet`, `results.json`, `photos.parquet` and `report.html`; they appear together when the block ends well.

    Parameters
    ----------
    out
        Folder of the run.
    blank
        No faces, with the columns to come.
    chips
        Path of a photo's chips without `_face<k>.jpg`, by its path.
    """

    def __init__(self, out: Path, blank: Faces, *, chips: Mapping[str, str]) -> None:
        self.digest = report.Digest(GALLERY)
        self._out, self._blank, self._chips = out, blank, chips
        self._faces, self._rows = [blank], list[PhotoRow]()
        self._files = ExitStack()

    def __enter__(self) -> Results:
        # left in the reverse of this order: the photos' file, without which faces do not count, is renamed last
        photos_file, json_file, self._faces_file = (
            self._files.enter_context(replacing(self._out / name))
            for name in ("photos.parquet", "results.json", "faces.parquet")
        )
        self._entries = self._files.enter_context(json_file.open("w", encoding="utf-8"))
        schemas = {photos_file: PHOTO_SCHEMA, self._faces_file: self._blank.to_arrow().schema}
        self._photo_table, self._face_table = (
            self._files.enter_context(pq.ParquetWriter(file, schema, compression="zstd")) for file, schema in schemas.items()
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.__exit__(kind, error, trace)

    def add(self, photo: photos.Photo, row: PhotoRow, faces: Faces | None) -> None:
        """Add a photo's row and its faces."""
        if faces is not None:
            if list(faces.columns) != list(self._blank.columns):
                faces = replace(faces, columns={name: faces.columns[name] for name in self._blank.columns})
            self._faces.append(faces)
        entry = faceannotate.entry(faces, chip=self._chips.get(row.path, ""), why=row.why)
        comma = ",\n" if self.digest.photos else "{\n"
        self._entries.write(f"{comma}{_json(row.path)}: {_json(entry)}")
        self.digest.add(photo, row, faces)
        self._rows.append(row)
        if len(self._faces) > GROUP:
            self._flush_faces()
        if len(self._rows) >= PHOTO_GROUP:
            self._flush_photos()

    def finish(self, *, max_pixels: int, cards: Sequence[dict[str, Any]], gallery: bool) -> None:
        """Write what can only be written at the end: the last faces, the photos' rows and the report."""
        self._flush_faces()
        self._flush_photos()
        self._entries.write("\n}\n")
        self._face_table.close()
        pictures = _gallery(self.digest.shown(), max_pixels) if gallery else []
        write_page(report.page(self.digest, self._column, pictures, cards=cards), self._out / "report.html")

    def _column(self, name: str) -> np.ndarray:
        """Return one column of all faces, (n,) float32."""
        return np.asarray(pq.read_table(self._faces_file, columns=[name])[name], np.float32)

    def _flush_faces(self) -> None:
        if len(self._faces) > 1:
            faces = concatenate(self._faces)
            self._face_table.write_table(faces.to_arrow())
            self.digest.add_faces(faces)
        self._faces = [self._blank]

    def _flush_photos(self) -> None:
        rows = [{name: getattr(row, name) for name in PHOTO_SCHEMA.names} for row in self._rows]
        self._photo_table.write_table(pa.Table.from_pylist(rows, schema=PHOTO_SCHEMA))
        self._rows = []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _gallery(shown: Sequence[tuple[photos.Photo, Faces]], max_pixels: int) -> list[Picture]:
    """Return small pictures of faces, read from the photos once more; a photo that is gone by now is left out."""
    pictures = list[Picture]()
    for photo, faces in shown:
        try:
            pixels = photos.decode(photos.read_bytes(photo), max_pixels=max_pixels)
        except PhotoError:
            continue
        maps = align.transforms(THUMB, faces.box, faces.landmarks, shape=pixels.shape[:2])
        crops = align.cut(pixels, maps, THUMB.size)
        pictures += [Picture(photo.path, k, crop, float(faces.score[k])) for k, crop in enumerate(crops)]
    return pictures
