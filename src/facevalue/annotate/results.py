"""The files of results, written photo by photo in the order of the inputs, in flat memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as pq

from facevalue.annotate.measure import PhotoRow
from facevalue.annotate.record import write_photos
from facevalue.data import photos
from facevalue.data.errors import PhotoError
from facevalue.data.faces import Faces, concatenate
from facevalue.data.files import replacing
from facevalue.image import align
from facevalue.report import annotate as report
from facevalue.report import faceannotate
from facevalue.report.page import Picture, write_page

GROUP = 512
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
    """

    def __init__(self, out: Path, blank: Faces) -> None:
        self.rows: list[PhotoRow] = []
        self.digest = report.Digest(GALLERY)
        self._out, self._blank, self._waiting = out, blank, [blank]
        self._files = ExitStack()

    def __enter__(self) -> Results:
        # left in the reverse of this order: the photos' file, without which faces do not count, is renamed last
        self._photos, json_file, faces_file = (
            self._files.enter_context(replacing(self._out / name))
            for name in ("photos.parquet", "results.json", "faces.parquet")
        )
        self._entries = self._files.enter_context(json_file.open("w", encoding="utf-8"))
        schema = self._blank.to_arrow().schema
        self._faces = self._files.enter_context(pq.ParquetWriter(faces_file, schema, compression="zstd"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.__exit__(kind, error, trace)

    def add(self, row: PhotoRow, faces: Faces | None, *, chip: str) -> None:
        """Add a photo's row and its faces; `chip` is the path of its chips without `_face<k>.jpg`."""
        if faces is not None:
            if list(faces.columns) != list(self._blank.columns):
                faces = replace(faces, columns={name: faces.columns[name] for name in self._blank.columns})
            self._waiting.append(faces)
        entry = faceannotate.entry(faces, chip=chip, why=row.why)
        comma = ",\n" if self.rows else "{\n"
        self._entries.write(
            f"{comma}{json.dumps(row.path, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False, allow_nan=False)}"
        )
        self.digest.add(row, faces)
        self.rows.append(row)
        if len(self._waiting) > GROUP:
            self._flush()

    def finish(self, found: Sequence[photos.Photo], *, max_pixels: int, cards: Sequence[dict[str, Any]], gallery: bool) -> None:
        """Write what can only be written at the end: the last faces, the photos' rows and the report."""
        self._flush()
        self._entries.write("\n}\n")
        write_photos(self.rows, self._photos)
        pictures = _gallery(found, self.digest.shown(), max_pixels) if gallery else []
        write_page(report.page(self.digest, pictures, cards=cards), self._out / "report.html")

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the photos by status and by the first word of their reason."""
        why = Counter(row.why.split(":")[0] for row in self.rows if row.why)
        return {"status": dict(Counter(row.status for row in self.rows)), "why": dict(why.most_common())}

    def _flush(self) -> None:
        if len(self._waiting) > 1:
            self._faces.write_table(concatenate(self._waiting).to_arrow())
        self._waiting = [self._blank]


def _gallery(found: Sequence[photos.Photo], shown: Sequence[tuple[str, Faces]], max_pixels: int) -> list[Picture]:
    """Return small pictures of faces, read from the photos once more; a photo that is gone by now is left out."""
    by_path, pictures = {photo.path: photo for photo in found}, list[Picture]()
    for path, faces in shown:
        try:
            pixels = photos.decode(photos.read_bytes(by_path[path]), max_pixels=max_pixels)
        except PhotoError:
            continue
        maps = align.transforms(THUMB, faces.box, faces.landmarks, shape=pixels.shape[:2])
        crops = align.cut(pixels, maps, THUMB.size)
        pictures += [Picture(path, k, crop, float(faces.score[k])) for k, crop in enumerate(crops)]
    return pictures
