"""A run: photos into a folder of results that a stopped run can be taken up from."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from facevalue import models
from facevalue.annotate import engine, instruments
from facevalue.annotate.measure import Measured, PhotoRow, Settings, Task
from facevalue.annotate.record import Record
from facevalue.annotate.results import Results
from facevalue.data import photos
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.faces import Faces, rows_by_path
from facevalue.data.files import write_json
from facevalue.data.sealed import SUFFIX as SEALED

CHIPS = "detected_faces"
# A photo refused for these is read again: the reason lies in the run's settings or in what is installed.
SETTING_REASONS = ("too_many_pixels", "needs_heic")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What `run` does beside measuring.

    Parameters
    ----------
    workers
        Processes.
    gallery
        Put small pictures of the faces into the report.
    command
        The command line, for `run.json`.
    consent
        Which register and purpose the photos were chosen by, for `run.json`.
    """

    workers: int = 1
    gallery: bool = True
    command: tuple[str, ...] = ()
    consent: Mapping[str, str] = field(default_factory=dict)


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
    started = time.time()
    listed = inputs if isinstance(inputs, photos.Found) else photos.find_photos(inputs)
    given = [f"{len(listed)} photos that were listed"] if listed is inputs else list(map(str, inputs))
    found = _outside(listed, out)
    if not found:
        raise RunError(f"expected photos in {', '.join(given)}, found none among {listed.others} files")
    blank = instruments.blank(settings.detector, settings.instruments, level=settings.level)
    with _locked(out), _writable(out):
        record = Record(out)
        dropped = _gone(record, found, out)
        chips = chip_names([photo.path for photo in found]) if settings.chips else {}
        due = {photo.path: reuse for photo, reuse in _due(found, record, settings, chips)}
        with Results(out, blank) as results:
            work = engine.batches(_tasks(found, due, record, chips), size=engine.BATCH)
            batches = engine.run(settings, work, workers=options.workers, photos=len(due))
            for row, faces in _in_order(found, due, record, batches, progress):
                results.add(row, faces, chip=chips.get(row.path, ""))
            results.finish(found, max_pixels=settings.max_pixels, cards=_cards(settings), gallery=options.gallery)
        summary = Summary(
            photos=len(results.rows),
            faces=sum(row.faces for row in results.rows),
            **results.counts(),
            measured_now=len(due),
            dropped=dropped,
            skipped=listed.others,
            seconds=round(time.time() - started, 3),
        )
        write_json(_manifest(given, settings, options, summary), out / "run.json")
        record.drop_parts()
        _drop_chips(found, out)
        return summary


def _tasks(found: Sequence[photos.Photo], due: dict[str, bool], record: Record, chips: dict[str, str]) -> Iterator[Task]:
    for photo in found:
        if photo.path in due:
            yield Task(photo, record.faces(photo.path) if due[photo.path] else None, chips.get(photo.path, ""))


def _in_order(
    found: Sequence[photos.Photo],
    due: dict[str, bool],
    record: Record,
    batches: Iterator[tuple[int, Measured]],
    progress: Progress,
) -> Iterator[tuple[PhotoRow, Faces | None]]:
    """Yield every photo's row and faces in the order of the inputs, those that are due out of the batches.

    Each batch is kept as a part as soon as it is fetched; while its rows are written, the next ones are measured.
    """
    fresh: dict[str, tuple[PhotoRow, Faces | None]] = {}
    done = len(found) - len(due)
    progress(done, len(found))
    for photo in found:
        while photo.path in due and photo.path not in fresh:
            _, measured = next(batches)
            record.add_part(measured)
            rows = rows_by_path(measured.faces)
            fresh.update({row.path: (row, measured.faces[rows[row.path]] if row.faces else None) for row in measured.photos})
            done += len(measured.photos)
            progress(done, len(found))
        yield fresh.pop(photo.path) if photo.path in due else (record.photos[photo.path], record.faces(photo.path))


def _outside(found: Sequence[photos.Photo], out: Path) -> list[photos.Photo]:
    """Return the photos that do not lie in the folder of the results, such as chips of an earlier run."""
    inside = tuple(os.path.join(place, "") for place in (os.path.abspath(out), os.path.realpath(out)))
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
    return {path: f"{CHIPS}/{stem if count[stem] == 1 else path}" for path, stem in stems.items()}


def _drop_chips(found: Sequence[photos.Photo], out: Path) -> None:
    """Remove the chips of an earlier run that show photos which must no longer be read."""
    names = chip_names([photo.path for photo in found])
    for name in (names[photo.path] for photo in found if photo.why):
        for picture in (out / name).parent.glob(f"{glob.escape(PurePosixPath(name).name)}_face*.jpg"):
            picture.unlink()


def _due(
    found: Sequence[photos.Photo], record: Record, settings: Settings, chips: dict[str, str]
) -> Iterator[tuple[photos.Photo, bool]]:
    """Yield the photos whose rows are not what these settings would give, and whether their faces can be used again."""
    detector = models.card(settings.detector).source
    for photo in found:
        row, chip = record.photos.get(photo.path), chips.get(photo.path, "")
        if row is None or row.detector != detector or row.why.startswith(SETTING_REASONS) or not _same(photo, row):
            yield photo, False
        elif row.faces:
            pictures = [Path(settings.chips or "", f"{chip}_face{k}.jpg") for k in range(row.faces)] if chip else []
            if record.stale(photo.path, settings.instruments, settings.level) or not all(
                picture.exists() for picture in pictures
            ):
                yield photo, True


def _same(photo: photos.Photo, row: PhotoRow) -> bool:
    try:
        return hashlib.sha256(photos.read_bytes(photo)).hexdigest() == row.sha256
    except PhotoError:
        return False


def _gone(record: Record, found: Sequence[photos.Photo], out: Path) -> int:
    """Return how many photos of an earlier run are not among the inputs; refuse where that is all of them."""
    gone = set(record.photos) - {photo.path for photo in found}
    if gone and len(gone) == len(record.photos):
        raise RunError(
            f"{out} holds a run over {len(gone)} other photos ({min(gone)} ...), and none of those given; "
            "choose another --out, or remove the folder"
        )
    return len(gone)


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
        "command": list(options.command),
        "inputs": list(inputs),
        "settings": asdict(settings),
        "workers": options.workers,
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
