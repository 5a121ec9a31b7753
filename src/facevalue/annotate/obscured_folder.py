"""`facevalue obscure`: photos and films into a folder that can be given away, with the record of it beside that folder."""

from __future__ import annotations

import difflib
import math
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.annotate.allow_list import AllowList
from facevalue.annotate.film_plan import REASONS as IN_FILMS
from facevalue.annotate.film_plan import Filming
from facevalue.annotate.obscured import REASONS as IN_PHOTOS
from facevalue.annotate.obscured import Finder, Obscuring
from facevalue.annotate.obscured_photos import Job, Targets, obscure_photos, out_names
from facevalue.annotate.obscured_video import FilmJob, write_log
from facevalue.data.errors import RunError, SchemaError, reads
from facevalue.data.files import inside, read_json
from facevalue.data.films import find_films, is_film
from facevalue.data.manifest import Entry, Manifest, read_manifest, write_manifest
from facevalue.data.photos import REASONS as UNREAD
from facevalue.data.photos import Found, Photo, find_photos
from facevalue.data.video import REASONS as UNREAD_FILMS

REASONS: Mapping[str, str] = {**UNREAD, **UNREAD_FILMS, **IN_PHOTOS, **IN_FILMS}
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
    whole = Path(os.path.abspath(out))
    return out.with_name(out.name + RECORD) if out.name == whole.name else whole.with_name(whole.name + RECORD)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a run is given beside its settings.

    Parameters
    ----------
    targets
        By path, boxes, which are hidden in any case; None where there is no list.
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
        No photos; the folder holds something else, or the photos; a target names no photo; the record cannot be written.
    """
    found, films, others = _found(inputs)
    _check([*found, *films], inputs, out)
    _check_targets(given.targets, found)
    flags = {"targets": given.targets is not None, "redo": given.redo is not None, "allowed": _allowed(given), "others": others}
    try:
        with _alone(record_folder(out)):
            return _into(found, films, Job(settings, out, targets=given.targets), given, settings.told() | flags, progress)
    except OSError as error:
        raise RunError(f"--out {out}: expected a folder that can be written; {error.strerror}: {error.filename}") from error


def _found(inputs: Sequence[str | Path]) -> tuple[list[Photo], list[Photo], int]:
    """Return the photos and the films of the inputs, a film that a list names too, and how many other files lie there."""
    films, rest = find_films(inputs)
    found = find_photos(rest) if rest else Found()
    seen, direct = {photo.where for photo in found}, {os.path.abspath(os.path.expanduser(one)) for one in inputs}
    others = found.others - sum(film.where not in seen | direct for film in films)
    known = {film.where for film in films}
    films += [photo for photo in found if is_film(photo.path) and photo.where not in known]
    if twice := [path for path, n in Counter(film.path for film in films).items() if n > 1]:
        raise RunError(f"expected films of different names, several are called {twice[0]}: give them in several runs")
    return [photo for photo in found if not is_film(photo.path)], films, others


@contextmanager
def _alone(record: Path) -> Iterator[None]:
    """Make the folder of the record and hold it against a second run, but on Windows, whose folders have no locks."""
    record.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder = os.open(record, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RunError(f"{record}: another run writes there now; wait for it, or choose another --out") from error
    finally:
        os.close(folder)


def _into(
    found: Sequence[Photo], films: Sequence[Photo], job: Job, given: Given, told: Mapping[str, Any], progress: Progress
) -> Manifest:
    """Obscure photos and films into a folder; the manifest is written whatever happens."""
    record = record_folder(job.out)
    _clear(job.out, record)
    names = out_names([photo.path for photo in (*found, *films)], rename=given.rename)
    left = {photo.path: Entry(photo.path, why="not_reached", out=names[photo.path]) for photo in (*found, *films)}
    write_manifest(Manifest(told, tuple(left.values())), record / MANIFEST)
    entries = list[Entry]()
    try:
        with closing(_obscured(found, films, replace(job, names=names), given, progress)) as done:
            for entry in done:
                left.pop(entry.path, None)
                entries.append(entry)
    finally:
        for path in (inside(job.out, entry.out) for entry in left.values()):
            if path.is_file():
                path.unlink()
        manifest = Manifest(told, (*entries, *left.values()))
        write_manifest(manifest, record / MANIFEST)
    return manifest


def _obscured(
    found: Sequence[Photo], films: Sequence[Photo], job: Job, given: Given, progress: Progress
) -> Generator[Entry, None, None]:
    """Yield what was done to each photo, to each film, and to each frame of it."""
    known = None if given.redo is None else {entry.path: entry for entry in given.redo.entries}
    find = None if known is not None else Finder(job.settings, given.allowed)
    photos = replace(job, find=find, known=known)
    yield from obscure_photos(found, photos, workers=given.workers, progress=progress)
    filmed = FilmJob(job.settings, given.filming, job.out, find, given.workers)
    for film in films:
        done = filmed(film, job.names[film.path], None if given.redo is None else given.redo.entries, progress=progress)
        if done.frames:
            write_log(done, inside(record_folder(job.out), f"{film.path}.csv"))
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


def _check_targets(targets: Targets | None, found: Sequence[Photo]) -> None:
    """Refuse targets of a photo that is not there: a name that is written wrongly would leave a face visible."""
    paths = {photo.path for photo in found}
    if lost := sorted(set(targets or ()) - paths):
        near = difflib.get_close_matches(lost[0], paths, 1)
        known = f"did you mean {near[0]}?" if near else f"they are called such as {min(paths, default='none')}"
        raise RunError(f"--targets: expected paths of the photos, got {lost[0]!r}; {known}")


def _clear(out: Path, record: Path) -> None:
    """Remove what an earlier run wrote, so that nothing of it is taken for a result of this one."""
    if (record / MANIFEST).exists():
        for entry in read_manifest(record / MANIFEST).entries:
            if entry.out:
                inside(out, entry.out).unlink(missing_ok=True)
        for part in out.rglob(".*.part"):  # of a run that was killed
            part.unlink()
    left = next((path for path in out.rglob("*") if path.is_file()), None) if out.is_dir() else None
    if left is not None:
        raise RunError(f"--out {out}: expected an empty folder, or that of an earlier run; {left} lies in it: choose another")


@reads("boxes by photo")
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
