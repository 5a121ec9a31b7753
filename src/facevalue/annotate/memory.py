"""Annotating without a folder: `annotate` gives `Faces`, `stream` prints JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from facevalue.annotate import engine
from facevalue.annotate.instruments import DEFAULT, DETECTOR, blank, ordered
from facevalue.annotate.measure import Measured, Settings, Task
from facevalue.data import photos
from facevalue.data.errors import RunError
from facevalue.data.faces import Faces, concatenate, with_faceless
from facevalue.report import faceannotate


def annotate(
    inputs: Sequence[str | Path] | str | Path,
    *,
    instruments: Sequence[str] = DEFAULT,
    detector: str = DETECTOR,
    workers: int | None = None,
    max_pixels: int = Settings().max_pixels,
) -> Faces:
    """Measure every face of the photos.

    Parameters
    ----------
    inputs
        Files, folders (recursive), globs, text or CSV lists, parquet files with a bytes column.
    instruments
        Names of cards; those that they need come along.
    detector
        Name of a detector's card.
    workers
        Threads; None takes one a core.
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
    settings = Settings(detector, ordered(instruments), max_pixels)
    found = photos.find_photos([inputs] if isinstance(inputs, str | Path) else inputs)
    tasks = (Task(photo) for photo in found)
    work = engine.batches(tasks, size=engine.BATCH)
    parts = dict(engine.here(settings, work, workers=workers or engine.cores()))
    every = [parts[number] for number in sorted(parts)]
    rows = [row for part in every for row in part.photos]
    return with_faceless(
        concatenate([blank(detector, settings.instruments), *(part.faces for part in every)]),
        [asdict(row) for row in rows],
    )


def stream(
    inputs: Sequence[str | Path], settings: Settings, *, workers: int, progress: Callable[[int, int], None]
) -> Counter[str]:
    """Print one JSON object a photo on stdout, in the order of the inputs, and return the photos by status."""
    found, status = photos.find_photos(inputs), Counter[str]()
    if not found:
        raise RunError(f"expected photos in {', '.join(map(str, inputs))}; found none among {found.others} files")
    waiting: dict[int, Measured] = {}
    due, done = 0, 0
    work = engine.batches((Task(photo) for photo in found), size=engine.BATCH)
    for number, measured in engine.run(settings, work, workers=workers, photos=len(found)):
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
