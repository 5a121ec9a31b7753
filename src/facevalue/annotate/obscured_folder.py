"""`facevalue obscure`: photos and films into a folder that can be given away, with the record of it beside that folder."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.annotate.allow_list import AllowList
from facevalue.annotate.film_plan import Filming
from facevalue.annotate.obscured import Finder, Obscuring
from facevalue.annotate.obscured_photos import Job, Targets, obscure_photos, out_names
from facevalue.annotate.obscured_video import FilmJob, write_log
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import read_json
from facevalue.data.films import find_films
from facevalue.data.manifest import Entry, Manifest, read_manifest, write_manifest
from facevalue.data.photos import Found, Photo, find_photos

RECORD = ".record"
MANIFEST = "manifest.json"
Progress = Callable[[int, int], None]


def record_folder(out: Path) -> Path:
    """Return the folder of the record: beside the folder of the results, so that this can be given away.

    Examples
    --------
    >>> record_folder(Path("shared/photos")).as_posix()
    'shared/photos.record'
    """
    return out.with_name(out.name + RECORD)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a run is given beside its settings.

    Parameters
    ----------
    targets
        By path, boxes; None where there is no list.
    allowed
        People who stay visible.
    redo
        The manifest of an earlier run, whose faces are taken as they are.
    filming
        What is special to films.
    rename
        Number the files, so that no name is given away.
    workers
        Threads.
    """

    targets: Targets | None = None
    allowed: AllowList | None = None
    redo: Manifest | None = None
    filming: Filming = field(default_factory=Filming)
    rename: bool = False
    workers: int = 1


def obscure_folder(
    inputs: Sequence[str | Path], out: Path, settings: Obscuring, *, given: Given, progress: Progress = lambda done, total: None
) -> Manifest:
    """Hide the faces of all photos of the inputs, and write them bare into a folder.

    Parameters
    ----------
    inputs
        Files, folders, globs, lists.
    out
        A new or empty folder, or that of an earlier run, whose files are then removed first. `<out>.record/manifest.json` says
        what was done.
    settings
        What is hidden, and how.
    given
        Targets, people who stay visible, the manifest of an earlier run.
    progress
        Called with photos done and in all.

    Raises
    ------
    RunError
        No photos; the folder holds something else, or the photos.
    """
    films, others = find_films(inputs)
    found = find_photos(others) if others else Found()
    _check([*found, *films], inputs, out)
    record = record_folder(out)
    _clear(out, record)
    names = out_names([photo.path for photo in (*found, *films)], rename=given.rename)
    left = {photo.path: Entry(photo.path, why="not_reached", out=names[photo.path]) for photo in (*found, *films)}
    told = settings.told() | {"targets": given.targets is not None, "redo": given.redo is not None, "allowed": _allowed(given)}
    write_manifest(Manifest(told, tuple(left.values())), record / MANIFEST)
    entries = list[Entry]()
    try:
        for entry in _obscured(found, films, names, Job(settings, out, targets=given.targets), given, progress):
            left.pop(entry.path, None)
            entries.append(entry)
    finally:
        manifest = Manifest(told, (*entries, *left.values()))
        write_manifest(manifest, record / MANIFEST)
    return manifest


def _obscured(
    found: Found, films: Sequence[Photo], names: Mapping[str, str], job: Job, given: Given, progress: Progress
) -> Iterator[Entry]:
    """Yield what was done to each photo, to each film, and to each frame of it."""
    known = None if given.redo is None else {entry.path: entry for entry in given.redo.entries}
    find = None if known is not None else Finder(job.settings, given.allowed)
    photos = replace(job, find=find, known=known, names=names)
    yield from obscure_photos(found, photos, workers=given.workers, progress=progress)
    filmed = FilmJob(job.settings, given.filming, job.out, find, given.workers)
    for film in films:
        done = filmed(film, names[film.path], () if given.redo is None else given.redo.entries, progress=progress)
        if done.frames:
            write_log(done, record_folder(job.out) / f"{film.path}.csv")
        yield from (done.entry, *done.frames)


def _allowed(given: Given) -> list[str]:
    return [] if given.allowed is None else sorted(set(given.allowed.person.tolist()))


def _check(found: Sequence[Photo], inputs: Sequence[str | Path], out: Path) -> None:
    """Refuse inputs without photos or films, and a folder of results in which some of them lie."""
    if not found:
        raise RunError(f"expected photos or films in {', '.join(map(str, inputs))}; found none")
    place = os.path.join(os.path.realpath(out), "")
    inside = [photo.where for photo in found if os.path.realpath(photo.where).startswith(place)]
    if inside:
        raise RunError(f"--out {out}: expected a folder without the photos themselves; {inside[0]} lies in it")


def _clear(out: Path, record: Path) -> None:
    """Remove what an earlier run wrote, so that nothing of it is taken for a result of this one."""
    if (record / MANIFEST).exists():
        for entry in read_manifest(record / MANIFEST).entries:
            if entry.out:
                (out / entry.out).unlink(missing_ok=True)
    left = next((path for path in out.rglob("*") if path.is_file()), None) if out.is_dir() else None
    if left is not None:
        raise RunError(f"--out {out}: expected an empty folder, or that of an earlier run; {left} lies in it: choose another")


def read_targets(path: Path) -> dict[str, list[np.ndarray]]:
    """Read boxes by photo: a JSON object of lists of [x1, y1, x2, y2] px of the upright photo.

    Raises
    ------
    SchemaError
        With the photo whose boxes are none.
    """
    expected = 'boxes by photo: {"a.jpg": [[x1, y1, x2, y2], ...]}'
    targets = dict[str, list[np.ndarray]]()
    for photo, boxes in read_json(path, expected=expected).items():
        targets[photo] = [_box(box, f"{path}: {photo}", expected) for box in (boxes if isinstance(boxes, list) else [boxes])]
    return targets


def _box(given: Any, where: str, expected: str) -> np.ndarray:
    """Return a box of four numbers, the first corner above and left of the second."""
    number = isinstance(given, list) and len(given) == 4 and all(isinstance(v, int | float) for v in given)
    if not number or not all(map(math.isfinite, given)) or given[2] <= given[0] or given[3] <= given[1]:
        raise SchemaError(f"{where}: expected {expected}, x1 < x2 and y1 < y2; got {given!r}")
    return np.array(given, np.float32)
