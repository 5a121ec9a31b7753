"""A run: photos into a folder of results that a stopped run can be taken up from."""

from __future__ import annotations

import errno
import glob
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from facevalue import models
from facevalue.annotate import engine, instruments
from facevalue.annotate.measure import Settings
from facevalue.annotate.queue import Progress as Progress
from facevalue.annotate.queue import Queue
from facevalue.annotate.record import Record
from facevalue.annotate.results import Results
from facevalue.data import photos
from facevalue.data.errors import RunError
from facevalue.data.files import inside, nameable, write_json
from facevalue.data.sealed import SUFFIX as SEALED

CHIPS = "detected_faces"


@dataclass(frozen=True, slots=True)
class Options:
    """What `run` does beside measuring.

    Parameters
    ----------
    workers
        Processes; 0 takes one a core.
    gallery
        Put small pictures of the faces into the report.
    command
        The command line, for `run.json`.
    consent
        Which register and purpose the photos were chosen by, for `run.json`.
    ray
        The cluster to measure on; None measures on this machine.
    """

    workers: int = 1
    gallery: bool = True
    command: tuple[str, ...] = ()
    consent: Mapping[str, str] = field(default_factory=dict)
    ray: engine.Ray | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run: counts by status and by reason, faces, photos measured now, photos dropped, seconds."""

    photos: int
    faces: int
    status: dict[str, int]
    why: dict[str, int]
    measured_now: int
    dropped: int
    skipped: int
    seconds: float


def run(
    inputs: Sequence[str | Path] | photos.Found,
    out: Path,
    settings: Settings,
    *,
    options: Options,
    progress: Progress = lambda done, total: None,
) -> Summary:
    """Measure every face of the photos and write `photos.parquet`, `faces.parquet`, `results.json`, `report.html`, `run.json`.

    Parameters
    ----------
    inputs
        Files, folders, globs, lists, parquet files with a bytes column; or photos that were found in them.
    out
        Folder of the results; rows that it already holds and that are still current are kept.
    settings, options
        What to do.
    progress
        Called with photos done and photos in all.

    Raises
    ------
    RunError
        The folder is in use by another run, is full or cannot be written; the inputs hold no photo.
    """
    started = time.monotonic()
    if photos.is_address(place := photos.as_given(out)):
        raise RunError(f"{place}: expected a folder on this machine for --out; copy the results there afterwards")
    if isinstance(inputs, photos.Found):
        listed, given = inputs, [f"{len(inputs)} photos that were listed"]
    else:
        listed, given = photos.find_photos(inputs), [photos.without_secrets(one) for one in inputs]
    found = _outside(listed, out)
    if not len(found):
        raise RunError(f"expected photos in {', '.join(given)}, found none among {listed.others} files")
    blank = instruments.blank(settings.detector, settings.instruments, level=settings.level)
    with _locked(out), _writable(out), closing(Record(out)) as record:
        _refuse_others(record, found, out)
        chips = chip_names([photo.path for photo in found]) if settings.chips else {}
        with Results(out, blank, chips=chips) as results:
            queue = Queue(found, record, settings, results.add, chips=chips, progress=progress)
            _measure(queue, options)
            results.finish(max_pixels=settings.max_pixels, cards=_cards(settings), gallery=options.gallery)
        summary = Summary(
            photos=queue.drawn,
            faces=results.digest.faces,
            status=dict(results.digest.status),
            why=dict(results.digest.why.most_common()),
            measured_now=queue.due,
            dropped=len(record) - queue.known,
            skipped=listed.others,
            seconds=round(time.monotonic() - started, 3),
        )
        write_json(_manifest(given, settings, options, summary), out / "run.json")
        record.drop_parts()
        _drop_chips(found, out)
        return summary


def _measure(queue: Queue, options: Options) -> None:
    """Measure what is due; what has been measured when a run is stopped is kept."""
    work = engine.batches(queue.tasks(), size=engine.BATCH)
    try:
        for _, measured in engine.run(queue.settings, work, workers=options.workers, ray=options.ray):
            queue.add(measured)
    except BaseException:
        with suppress(OSError):
            queue.record.flush()
        raise
    queue.check()


def _outside(found: photos.Found, out: Path) -> Sequence[photos.Photo]:
    """Return the photos that do not lie in the folder of the results, such as chips of an earlier run."""
    inside = tuple(os.path.join(place, "") for place in (os.path.abspath(out), os.path.realpath(out)))
    if not any(photo.where.startswith(inside) for photo in found):
        return found
    return [photo for photo in found if not photo.where.startswith(inside)]


def chip_names(paths: Sequence[str]) -> dict[str, str]:
    """Return for each photo the path of its chips without `_face<k>.jpg`: its own without suffix, if that is unique.

    Examples
    --------
    >>> chip_names(["a.b.jpg", "x/c.png", "x/c.jpg"])
    {'a.b.jpg': 'detected_faces/a.b', 'x/c.png': 'detected_faces/x/c.png', 'x/c.jpg': 'detected_faces/x/c.jpg'}
    """
    stems = {path: path[: -len(suffix)] if (suffix := PurePosixPath(path).suffix) else path for path in paths}
    count = Counter(stems.values())
    names = {path: stem if count[stem] == 1 else path for path, stem in stems.items()}
    return {path: f"{CHIPS}/{'/'.join(map(nameable, name.split('/')))}" for path, name in names.items()}


def _drop_chips(found: Sequence[photos.Photo], out: Path) -> None:
    """Remove the chips of an earlier run that show photos which must no longer be read."""
    if not any(photo.why for photo in found):
        return
    names = chip_names([photo.path for photo in found])
    for name in (names[photo.path] for photo in found if photo.why):
        for picture in inside(out, name).parent.glob(f"{glob.escape(PurePosixPath(name).name)}_face*.jpg"):
            picture.unlink()


def _refuse_others(record: Record, found: Sequence[photos.Photo], out: Path) -> None:
    """Refuse a folder that holds a run over other photos, and none of those given."""
    if len(record) and not any(record.row(photo.path) for photo in found):
        raise RunError(
            f"{out} holds a run over {len(record)} other photos ({record.first()} ...), and none of those given; "
            "choose another --out, or remove the folder"
        )


def _cards(settings: Settings) -> list[dict[str, Any]]:
    cards = map(models.card, (settings.detector, *settings.instruments))
    return [
        {
            "name": card.name,
            "source": card.source,
            "about": card.about,
            "sha256": [file.sha256 for file in card.files],
            "licence": card.licence,
            "commercial": card.commercial,
            "paper": card.paper,
            "trained_on": card.trained_on,
            "limits": list(card.limits),
        }
        for card in cards
    ]


def _manifest(inputs: Sequence[str], settings: Settings, options: Options, summary: Summary) -> dict[str, Any]:
    names = ("facevalue", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyarrow")
    return {
        "command": [photos.without_secrets(word) for word in options.command],
        "inputs": list(inputs),
        "settings": asdict(settings),
        "workers": options.workers,
        "engine": "local" if options.ray is None else "ray",
        **({"consent": dict(options.consent)} if options.consent else {}),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "cards": _cards(settings),
        "counts": {name: value for name, value in asdict(summary).items() if name != "seconds"},
        "seconds": summary.seconds,
    }


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder; a second run says so and stops."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if sealed := next(out.glob(f"*{SEALED}"), None):
            raise RunError(f"{out} is sealed ({sealed.name}): facevalue unseal it first, or choose another --out")
        with FileLock(out / ".lock", timeout=0):
            for left in out.glob(".*.part"):
                left.unlink()
            yield
    except Timeout as error:
        raise RunError(f"another run is writing to {out}; wait for it to end, or choose another --out") from error
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise RunError(f"expected a folder that can be written at {out}: {error.strerror}; choose another --out") from error


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        reason = f"{out}: {error.strerror}"
        raise RunError(f"{reason}; what was measured so far is safe: make room and give the same command again") from error
