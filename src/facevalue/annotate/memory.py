"""Annotating without a folder: `annotate` and `measure` give `Faces`, `stream` prints JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from facevalue.annotate import engine
from facevalue.annotate.instruments import DEFAULT, DETECTOR, LEVEL, blank, ordered, stale
from facevalue.annotate.measure import Measured, Measurer, PhotoRow, Settings, Task
from facevalue.data import photos
from facevalue.data.errors import RunError, WrongShape
from facevalue.data.faces import Column, Faces, concatenate, with_faceless
from facevalue.report import faceannotate


def annotate(
    inputs: Sequence[str | Path] | str | Path | photos.Found,
    *,
    instruments: Sequence[str] = DEFAULT,
    detector: str = DETECTOR,
    workers: int | None = None,
    level: float = LEVEL,
    max_pixels: int = Settings().max_pixels,
) -> Faces:
    """Measure every face of the photos.

    Parameters
    ----------
    inputs
        Files, folders (recursive), globs, text or CSV lists, parquet files with a bytes column; or photos that were found.
    instruments
        Names of cards; those that they need come along.
    detector
        Name of a detector's card.
    workers
        Threads; None takes one a core.
    level
        Nominal coverage of sets, intervals and bands, in (0, 1).
    max_pixels
        A photo with more is refused before it is decoded.

    Returns
    -------
    Faces
        In the order of the inputs: a row for each face, and a row of NaN for each photo without one, whose columns say
        why ("no_face", "truncated: ...").

    Raises
    ------
    UnknownName
        No such instrument or detector.
    WeightsError
        Weights that are not to be had.

    Examples
    --------
    >>> import tempfile; from pathlib import Path; from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> red = Image.new("RGB", (64, 64)); red.paste((255, 0, 0), (8, 8, 40, 40)); red.save(folder / "a.png")
    >>> _ = (folder / "b.png").write_bytes(b"")
    >>> faces = annotate([folder], instruments=["fake"], detector="fake_detector", workers=1)
    >>> faces["fake.colour"].values[0].tolist(), faces["fake.colour"].why.tolist()
    ([1.0, 0.0, 0.0], ['', 'empty'])
    """
    settings = Settings(detector, ordered(instruments), max_pixels, level=level)
    found = photos.find_photos(inputs)
    tasks = (Task(photo) for photo in found)
    work = engine.batches(tasks, size=engine.BATCH)
    parts = dict(engine.here(settings, work, workers=workers or engine.cores()))
    return joined([parts[number] for number in sorted(parts)], settings)


def joined(parts: Sequence[Measured], settings: Settings) -> Faces:
    """Return the faces of measured batches, and a row of NaN, whose columns say why, for each photo without one."""
    none = blank(settings.detector, settings.instruments, level=settings.level)
    rows = [asdict(row) for part in parts for row in part.photos]
    return with_faceless(concatenate([none, *(part.faces for part in parts)]), rows)


class InMemory(Measurer):
    """A `Measurer` of pixels: its models are opened once, and serve every call of `measure`."""

    def measure(self, photos: Sequence[np.ndarray], *, faces: Sequence[Faces] | None = None) -> Faces:
        """Measure the faces of photos in memory; see `facevalue.annotate.memory.measure`."""
        _check(photos, faces)
        parts = []
        for start in range(0, len(photos), engine.BATCH):
            pixels = photos[start : start + engine.BATCH]
            numbers = map(str, range(start, start + len(pixels)))
            if faces is None:
                found = [self._detect(photo, PhotoRow(path)) for photo, path in zip(pixels, numbers, strict=True)]
            else:
                given = faces[start : start + engine.BATCH]
                found = [self._given(part, path) for part, path in zip(given, numbers, strict=True)]
            seen = [i for i, part in enumerate(found) if len(part)]
            if seen:
                parts.append(self._complete([found[i] for i in seen], [pixels[i] for i in seen], self.settings.instruments))
        return concatenate(parts or [self.blank])

    def again(self, photo: np.ndarray, faces: Faces, names: Sequence[str]) -> Faces:
        """Measure some instruments anew on a photo that has changed; the faces' other columns are taken as they are."""
        given = faces.with_column(f"{self.detector.card.name}.score", Column(faces.score, "1", "given"))
        due = stale(given, self.settings.instruments, level=self.settings.level)
        return self._complete([given], [photo], (*due, *names))

    def _given(self, faces: Faces, path: str) -> Faces:
        columns = {f"{self.detector.card.name}.score": Column(faces.score, "1", "given")}
        return replace(faces, path=np.full(len(faces), path, object), columns=columns)


def measure(
    photos: Sequence[np.ndarray],
    *,
    faces: Sequence[Faces] | None = None,
    instruments: Sequence[str] = DEFAULT,
    detector: str = DETECTOR,
    level: float = LEVEL,
) -> Faces:
    """Measure every face of photos that are in memory, or only those faces whose places are known.

    To measure many times, open the models once: `InMemory(Settings(detector, ordered(instruments))).measure`.

    Parameters
    ----------
    photos : sequence of (h, w, 3) uint8
        RGB, upright.
    faces
        One `Faces` a photo, perhaps of no rows: their boxes, landmarks and scores are taken as they are, nothing is
        detected, and their columns are measured anew.
    instruments
        Names of cards; those that they need come along.
    detector
        Name of a detector's card.
    level
        Nominal coverage of sets, intervals and bands, in (0, 1).

    Returns
    -------
    Faces
        In the order of the photos; `path` is a photo's number, "0" the first. A photo without a face has no row. With
        `faces`, a row for each of theirs, and the source of the column of scores is "given".

    Raises
    ------
    WrongShape
        A photo is not (h, w, 3) uint8, or there is not one `Faces` a photo.
    UnknownName
        No such instrument or detector.
    WeightsError
        Weights that are not to be had.

    Examples
    --------
    >>> photo = np.zeros((64, 64, 3), np.uint8)
    >>> photo[8:40, 8:40] = (255, 0, 0)
    >>> found = measure([photo[:4, :4], photo], instruments=["fake"], detector="fake_detector")
    >>> found.path.tolist(), found.box[0].tolist(), found["fake.colour"].values[0].tolist()
    (['1'], [8.0, 8.0, 40.0, 40.0], [1.0, 0.0, 0.0])
    >>> measure([255 - photo], faces=[found], instruments=["fake"], detector="fake_detector")["fake.colour"].values.tolist()
    [[0.0, 0.5, 0.5]]
    """
    return InMemory(Settings(detector, ordered(instruments), level=level)).measure(photos, faces=faces)


def _check(photos: Sequence[np.ndarray], faces: Sequence[Faces] | None) -> None:
    for i, photo in enumerate(photos):
        if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or not photo.size:
            raise WrongShape(f"photo {i}: expected (h, w, 3) uint8 RGB, got {photo.shape} {photo.dtype}")
    if faces is not None and len(faces) != len(photos):
        raise WrongShape(f"expected one Faces a photo, got {len(faces)} for {len(photos)} photos")


def stream(
    inputs: Sequence[str | Path] | photos.Found,
    settings: Settings,
    *,
    workers: int,
    ray: engine.Ray | None = None,
    progress: Callable[[int, int], None],
) -> Counter[str]:
    """Print one JSON object a photo on stdout, in the order of the inputs, and return the photos by status."""
    found, status = photos.find_photos(inputs), Counter[str]()
    if not found:
        given = ", ".join(str(one) for one in inputs)
        raise RunError(f"expected photos in {given or 'the folders'}; found none among {found.others} files")
    waiting: dict[int, Measured] = {}
    due, done = 0, 0
    work = engine.batches((Task(photo) for photo in found), size=engine.BATCH)
    for number, measured in engine.run(settings, work, workers=workers, ray=ray):
        waiting[number] = measured
        while due in waiting:
            batch = waiting.pop(due)
            for row in batch.photos:
                faces = batch.faces[np.flatnonzero(batch.faces.path == row.path)]
                entry = faceannotate.entry(faces, why=row.why)
                print(json.dumps({"path": row.path, "sha256": row.sha256, "status": row.status, **entry}, ensure_ascii=False))
            status.update(row.status for row in batch.photos)
            due, done = due + 1, done + len(batch.photos)
            progress(done, len(found))
    return status
