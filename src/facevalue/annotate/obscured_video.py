"""Films obscured: once read to find the faces of every frame, once more to hide them; what is not surely covered is blanked."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from facevalue.annotate.film_plan import LEFT_OUT, TRACKED, Filming, Seen, Span, plan, within
from facevalue.annotate.measure import photo_seed
from facevalue.annotate.obscured import Found, Obscuring, hidden
from facevalue.data.errors import PhotoError, Unreadable
from facevalue.data.files import inside, replacing
from facevalue.data.manifest import Entry, Hidden
from facevalue.data.photos import Photo
from facevalue.data.video import probe, snapped, timed_frames
from facevalue.data.video_writer import Sound, VideoWriter

THUMB = (32, 18)
LOG = ("frame", "time", "status", "why", "found", "tracked", "hidden", "kept", "smallest_score")
Find = Callable[[np.ndarray], Found]
Progress = Callable[[int, int], None]
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """What was done to a film.

    Parameters
    ----------
    entry
        Of the film as a whole, without faces: "obscured", "blanked" where all of it is, "refused" or "failed".
    frames
        One a frame that was read; those that are "blanked" because they are left out are not in the film.
    times
        Of the frames, s.
    """

    entry: Entry
    frames: tuple[Entry, ...] = ()
    times: tuple[float, ...] = field(default=())

    def counted(self) -> dict[str, int]:
        """Return counts of frames by status, and by status and reason.

        >>> Film(Entry("a.mp4"), (Entry("a.mp4#0", "blanked", "no_face"), Entry("a.mp4#1", "obscured"))).counted()
        {'blanked': 1, 'blanked: no_face': 1, 'obscured': 1}
        """
        words = [word for one in self.frames for word in (one.status, one.why and f"{one.status}: {one.why}") if word]
        return dict(Counter(words))


@dataclass(frozen=True, slots=True, eq=False)
class FilmJob:
    """What is done to each film.

    Parameters
    ----------
    settings
        What is hidden, and how.
    filming
        Spans, sound, and how long a lost face lingers.
    out
        Folder of the obscured films.
    find
        Picture to its faces: a `Finder`, or None where all faces are known.
    workers
        Threads.
    """

    settings: Obscuring
    filming: Filming
    out: Path
    find: Find | None = None
    workers: int = 1

    def __call__(
        self, film: Photo, name: str, known: Sequence[Entry] | None = None, *, progress: Progress = lambda done, total: None
    ) -> Film:
        """Return what was done to a film; the file is written before, or nothing is.

        Parameters
        ----------
        film
            Its path and place.
        name
            Path in the folder of results, with a suffix of `facevalue.data.video_writer.CODECS`.
        known
            The film and its frames as an earlier run's manifest has them; None to find anew.
        progress
            Called with frames done and in all; each frame counts twice, or once where the faces are known.
        """
        entry = Entry(film.path)
        if self.settings.who == "targets":
            return Film(replace(entry, status="refused", why="targets_in_film"))
        try:
            info = probe(film.where)
            entry = replace(entry, sha256=_sha256(Path(film.where)), width=info.width, height=info.height)
            total = info.frames * (2 if known is None else 1)
            if known is not None:
                frames = _as_before(entry, known, self.settings)
                times = [n / float(info.rate) for n in range(len(frames))]
            else:
                seen = self._seen(film.where, info.rate, lambda done: progress(done, total))
                times = [one.time for one in seen]
                frames = plan(film.path, seen, (info.height, info.width), self.settings, self.filming)
            result = Film(entry, frames, tuple(times))
            return self._written(film, name, result, lambda done: progress(total - info.frames + done, total))
        except PhotoError as error:
            return Film(replace(entry, why=error.why))

    def _seen(self, path: str, rate: Fraction, progress: Callable[[int], None]) -> list[Seen]:
        """Return what is found in every frame that is in a span, or near one."""
        assert self.find is not None
        find, seen = self.find, list[Seen]()
        spans = self.filming.spans or ((-math.inf, math.inf),)

        def needed(face: Hidden) -> Hidden:
            names = {*self.settings.regions, *(("head",) if face.how == "body" else ())}
            return replace(face, outlines={name: face.outlines[name].astype(np.float32) for name in names})

        def look(frame: tuple[float, np.ndarray]) -> Seen:
            time, pixels = frame
            wanted = within(np.array([time]), spans, margin=2 * self.filming.linger)[0]
            found = find(pixels) if wanted else Found((), LEFT_OUT)
            return Seen(time, replace(found, faces=tuple(map(needed, found.faces))), _thumb(pixels))

        timed = ((n / float(rate) if math.isnan(time) else time, pixels) for n, (time, pixels) in enumerate(timed_frames(path)))
        for one in _in_order(look, timed, workers=self.workers):
            seen.append(one)
            progress(len(seen))
        return seen

    def _written(self, film: Photo, name: str, result: Film, progress: Callable[[int], None]) -> Film:
        """Write the film, unless a frame is unsure and that refuses it, or no frame is left."""
        entry, shown = result.entry, [one for one in result.frames if one.why != LEFT_OUT]
        unsure = [n for n, one in enumerate(result.frames) if one.status == "blanked" and one.why != LEFT_OUT]
        if not shown:
            return replace(result, entry=replace(entry, status="refused", why=LEFT_OUT))
        if unsure and self.settings.if_unsure == "refuse":
            why = f"{result.frames[unsure[0]].why}: {len(unsure)} of {len(shown)} frames, the first is {unsure[0]}"
            return replace(result, entry=replace(entry, status="refused", why=why))
        self._write(film.where, inside(self.out, name), result, progress)
        status = "obscured" if len(unsure) < len(shown) else "blanked"
        why = "" if status == "obscured" else result.frames[unsure[0]].why
        return replace(result, entry=replace(entry, status=status, why=why, out=name, out_sha256=_sha256(self.out / name)))

    def _write(self, path: str, out: Path, result: Film, progress: Callable[[int], None]) -> None:
        """Read the film again, hide what is to be hidden, and write it."""
        settings = replace(self.settings, seed=photo_seed(self.settings.seed, result.entry.sha256))
        rate = _rate(result.times, probe(path).rate)
        sound = Sound(Path(path), _parts(result, float(rate))) if self.filming.audio and probe(path).audio else None

        def shown(both: tuple[Entry, np.ndarray]) -> np.ndarray | None:
            plan, pixels = both
            if plan.why == LEFT_OUT:
                return None
            return np.zeros_like(pixels) if plan.status == "blanked" else hidden(pixels, plan.faces, settings)

        size = (result.entry.width, result.entry.height)
        with VideoWriter(out, size, rate, sound=sound, crf=self.filming.crf) as film:
            pairs = _paired(result.frames, (pixels for _, pixels in timed_frames(path)))
            for done, pixels in enumerate(_in_order(shown, pairs, workers=self.workers), start=1):
                if pixels is not None:
                    film.write(pixels)
                progress(done)


def write_log(film: Film, path: Path) -> None:
    """Write what is covered in each frame of a film as CSV, one row a frame.

    `found` are faces that a detector saw in the frame itself, `tracked` those carried on from other frames; `hidden` and `kept`
    are both. `smallest_score` is that of the least sure of them.
    """
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(LOG)
        for number, (time, one) in enumerate(zip(film.times, film.frames, strict=True)):
            tracked = sum(face.detector == TRACKED for face in one.faces)
            kept = sum(bool(face.kept) for face in one.faces)
            scores = [face.score for face in one.faces if not math.isnan(face.score)]
            counts = (len(one.faces) - tracked, tracked, len(one.faces) - kept, kept)
            rows.writerow((number, f"{time:.3f}", one.status, one.why, *counts, f"{min(scores):.3f}" if scores else ""))


def _as_before(film: Entry, known: Sequence[Entry], settings: Obscuring) -> tuple[Entry, ...]:
    """Return the frames of an earlier run of the same film, as they were planned then."""
    before = next((one for one in known if one.path == film.path), None)
    frames = tuple(one for one in known if one.path.rpartition("#")[0] == film.path)
    if before is None or before.sha256 != film.sha256 or not frames:
        raise Unreadable(before.why if before and before.why and not frames else "changed")
    if any(name not in face.outlines for one in frames for face in one.faces for name in settings.regions):
        raise Unreadable("no_outlines")
    return frames


def _paired(frames: Sequence[Entry], pictures: Iterable[np.ndarray]) -> Iterator[tuple[Entry, np.ndarray]]:
    """Yield each frame's plan with its picture; a film with more or fewer pictures than plans is another film."""
    done = 0
    for pixels in pictures:
        if done == len(frames) or pixels.shape[:2] != (frames[done].height, frames[done].width):
            raise Unreadable("changed_while_read")
        yield frames[done], pixels
        done += 1
    if done < len(frames):
        raise Unreadable("changed_while_read")


def _in_order(function: Callable[[A], B], items: Iterable[A], *, workers: int) -> Iterator[B]:
    """Yield what a function makes of items, in order, on threads, with few under way so that memory stays flat."""
    with _one_thread_each(), ThreadPoolExecutor(workers) as pool:
        under_way = deque[Future[B]]()
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > 2 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _rate(times: Sequence[float], told: Fraction) -> Fraction:
    """Return the mean rate of a film: what its header says, unless the times of the frames say otherwise."""
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    if span <= 0:
        return told
    mean = Fraction((len(times) - 1) / span).limit_denominator(100_000)
    return told if abs(mean / told - 1) < Fraction(1, 1000) else snapped(mean)


def _parts(film: Film, rate: float) -> tuple[Span, ...]:
    """Return the spans of the frames that are in the film, s."""
    times, parts = [*film.times, film.times[-1] + 1 / rate], list[Span]()
    for left_out, run in groupby(range(len(film.frames)), lambda n: film.frames[n].why == LEFT_OUT):
        numbers = list(run)
        if not left_out:
            parts.append((times[numbers[0]], times[numbers[-1] + 1]))
    return tuple(parts)


def _thumb(pixels: np.ndarray) -> np.ndarray:
    small = cv2.resize(pixels, THUMB, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
