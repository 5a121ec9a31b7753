"""Photos measured again in several ways, a file a photo: what lies there already is not measured anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facevalue import models
from facevalue.annotate import engine
from facevalue.annotate.measure import Measured, PhotoRow, Settings, Task
from facevalue.annotate.run import Progress
from facevalue.data.errors import reads
from facevalue.data.faces import Faces, concatenate, with_faceless
from facevalue.data.files import read_faces, write_faces

Ask = Callable[[int, Collection[str]], Task]


def part_places(faces: Faces, out: Path, told: Sequence[Any]) -> list[Path]:
    """Return where the part of each photo lies: its name changes with the photo and with all that is told.

    Parameters
    ----------
    faces
        A face a photo.
    out
        Folder.
    told
        What the numbers depend on, but for the ways: sources of models, seeds; as JSON can hold it.
    """
    names = [json.dumps([photo, path, *told]) for photo, path in zip(faces.photo, faces.path, strict=True)]
    return [out / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.parquet" for name in names]


def measured_parts(
    settings: Settings,
    places: Sequence[Path],
    ways: Sequence[str],
    ask: Ask,
    *,
    workers: int,
    settled: Collection[str] = (),
    progress: Progress = lambda done, total: None,
) -> list[Faces]:
    """Return a part a photo, a row a way: the old ones, and those that are measured now; each is kept as soon as it is done.

    Parameters
    ----------
    settings
        What measures.
    places
        Files of the parts.
    ways
        In words that change with all that the ways do.
    ask
        Takes the number of a photo and the ways that its part lacks; returns the task of measuring these.
    workers
        Processes.
    settled
        Why there is no face, for good: a row without a face for another reason is measured again.
    progress
        Called with ways done and in all.
    """
    before = [_known(place, settled) for place in places]
    lacking = [[way for way in ways if part is None or way not in set(part.path)] for part in before]
    due = [i for i, names in enumerate(lacking) if names]
    done, total = sum(len(ways) - len(names) for names in lacking), len(places) * len(ways)
    progress(done, total)
    tasks = {i: ask(i, lacking[i]) for i in due}
    work = ((i, [tasks[i]]) for i in due)
    for i, measured in _results(settings, work, workers=min(workers, len(due))):
        known = tasks[i].before
        assert known is not None
        fresh, old = with_faceless(measured.faces, rows(measured, lacking[i], str(known.photo[0]))), before[i]
        write_faces(fresh if old is None else concatenate([old, fresh]), places[i])
        done += len(lacking[i])
        progress(done, total)
    return [read_faces(place) for place in places]


def _results(settings: Settings, work: Iterator[engine.Batch], *, workers: int) -> Iterator[tuple[int, Measured]]:
    if workers < 2:
        return engine.here(settings, work, workers=1)
    for name in settings.models:
        models.prepare(name)
    return engine.processes(settings, work, workers=workers)


def rows(measured: Measured, ways: Sequence[str], photo: str) -> list[dict[str, object]]:
    """Return a row a way of a photo, as `with_faceless` takes them; where its process died, each says so."""
    found = {row.path: row for row in measured.photos}
    crashed = PhotoRow("", why=next(iter(found.values())).why)
    told = [(way, found.get(way, crashed)) for way in ways]
    return [{"path": way, "sha256": photo, "faces": row.faces, "why": row.why} for way, row in told]


@reads("a part of an earlier run; remove it, and it is measured again")
def _known(place: Path, settled: Collection[str]) -> Faces | None:
    """Return what an earlier run settled of a photo."""
    if not place.exists():
        return None
    faces: Faces = read_faces(place)
    why = next(iter(faces.columns.values())).why
    known: Faces = faces if why is None else faces[np.isfinite(faces.box).all(1) | np.isin(why.astype(str), list(settled))]
    return known
