"""A run: photos into a folder of results that a stopped run can be taken up from."""

from __future__ import annotations

import errno
import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from facevalue import models
from facevalue.annotate import engine, instruments
from facevalue.annotate.measure import PhotoRow, Settings, Task
from facevalue.annotate.record import FacesWriter, Record, write_photos
from facevalue.data import photos
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.faces import Faces
from facevalue.data.files import replacing, write_json
from facevalue.image import align
from facevalue.report import faceannotate, page

CHIPS = "detected_faces"
# A photo refused for these is read again: the reason lies in the run's settings or in what is installed.
SETTING_REASONS = ("too_many_pixels", "needs_heic")
GALLERY = 120
THUMB = align.Crop("upright", 96, scale=1.4)
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
    """

    workers: int = 1
    gallery: bool = True
    command: tuple[str, ...] = ()


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
    inputs: Sequence[str | Path],
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
        Files, folders, globs, lists, parquet files with a bytes column.
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
    found = photos.find_photos(inputs)
    if not found:
        raise RunError(f"expected photos in {', '.join(map(str, inputs))}, found none among {found.others} files")
    with _locked(out), _writable(out):
        record = Record(out)
        dropped = _gone(record, found, out)
        chips = chip_names([photo.path for photo in found]) if settings.chips else {}
        todo = list(_todo(found, record, settings, chips))
        done = len(found) - len(todo)
        progress(done, len(found))
        work = engine.batches(todo, size=engine.BATCH)
        for _, measured in engine.run(settings, work, workers=options.workers, photos=len(todo)):
            record.add_part(measured)
            done += len(measured.photos)
            progress(done, len(found))
        rows = _write(Record(out), found, settings, options, chips)
        summary = Summary(
            photos=len(rows),
            faces=sum(row.faces for row in rows),
            status=dict(Counter(row.status for row in rows)),
            why=dict(Counter(row.why.split(":")[0] for row in rows if row.why).most_common()),
            measured_now=len(todo),
            dropped=dropped,
            skipped=found.others,
            seconds=round(time.time() - started, 3),
        )
        write_json(_manifest(inputs, settings, options, summary), out / "run.json")
        record.drop_parts()
        return summary


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


def _todo(found: Sequence[photos.Photo], record: Record, settings: Settings, chips: dict[str, str]) -> Iterator[Task]:
    """Yield the photos whose rows are not there, or no longer what these settings would give."""
    detector = models.card(settings.detector).source
    for photo in found:
        row, chip = record.photos.get(photo.path), chips.get(photo.path, "")
        before = record.faces(photo.path) if row is not None else None
        if row is None or row.detector != detector or row.why.startswith(SETTING_REASONS) or not _same(photo, row):
            yield Task(photo, None, chip)
        elif before is not None:
            saved = not chip or all(Path(settings.chips or "", f"{chip}_face{k}.jpg").exists() for k in range(len(before)))
            if not saved or instruments.stale(before, settings.instruments):
                yield Task(photo, before, chip)


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


def _write(
    record: Record, found: Sequence[photos.Photo], settings: Settings, options: Options, chips: dict[str, str]
) -> list[PhotoRow]:
    """Write the four files of results from the record, in the order of the inputs, in flat memory."""
    out, rows, digest = record.folder, list[PhotoRow](), page.Digest()
    blank = instruments.blank(settings.detector, settings.instruments)
    with ExitStack() as stack:
        # left in the reverse of this order: the photos' file, without which faces do not count, is renamed last
        names = ("photos.parquet", "report.html", "results.json", "faces.parquet")
        photos_file, report_file, json_file, faces_file = (stack.enter_context(replacing(out / name)) for name in names)
        writer = stack.enter_context(FacesWriter(faces_file, blank))
        entries = stack.enter_context(json_file.open("w", encoding="utf-8"))
        for photo in found:
            row, faces = record.photos[photo.path], record.faces(photo.path)
            if faces is not None:
                faces = replace(faces, columns={name: faces.columns[name] for name in blank.columns})
                writer.add(faces)
            entry = faceannotate.entry(faces, chip=chips.get(row.path, ""), why=row.why)
            comma = ",\n" if rows else "{\n"
            entries.write(f"{comma}{json.dumps(row.path, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}")
            digest.add(row, faces)
            rows.append(row)
        entries.write("\n}\n")
        write_photos(rows, photos_file)
        pictures = _gallery(found, digest.shown(GALLERY), settings) if options.gallery else []
        report_file.write_text(page.html(digest, pictures, cards=_cards(settings)), encoding="utf-8")
    return rows


def _gallery(found: Sequence[photos.Photo], shown: Sequence[tuple[str, Faces]], settings: Settings) -> list[page.Picture]:
    """Return small pictures of the faces that the report shows, read from the photos once more."""
    by_path, pictures = {photo.path: photo for photo in found}, list[page.Picture]()
    for path, faces in shown:
        pixels = photos.decode(photos.read_bytes(by_path[path]), max_pixels=settings.max_pixels)
        maps = align.transforms(THUMB, faces.box, faces.landmarks, shape=pixels.shape[:2])
        crops = align.cut(pixels, maps, THUMB.size)
        pictures += [page.Picture(path, k, crop, float(faces.score[k])) for k, crop in enumerate(crops)]
    return pictures


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


def _manifest(inputs: Sequence[str | Path], settings: Settings, options: Options, summary: Summary) -> dict[str, Any]:
    names = ("facevalue", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyarrow")
    return {
        "command": list(options.command),
        "inputs": [str(given) for given in inputs],
        "settings": asdict(settings),
        "workers": options.workers,
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
        with FileLock(out / ".lock", timeout=0):
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
