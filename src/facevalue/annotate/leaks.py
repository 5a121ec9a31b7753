"""The audit of an obscured folder, whoever obscured it: faces that are still found, and what else its files give away."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.annotate.originals import Original, Originals, as_it_was, hidden_faces, same_place
from facevalue.data import photos
from facevalue.data.all_files import all_files, sort_of
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.faces import Faces
from facevalue.data.leaks import Audited, Leak, allowing
from facevalue.data.leftovers import Leftover, leftovers
from facevalue.data.manifest import Entry, Manifest
from facevalue.image.boxes import keep
from facevalue.report.page import Picture

DETECTORS = ("yunet",)
MAX_PIXELS = 100_000_000
ONE_FACE = 0.3
PICTURE = 64
# An embedded picture smaller than this is enlarged before faces are looked for.
SMALL, LARGE = 480, 960
# Kinds that are a picture: where it cannot be taken out of the file alone, that is said.
PICTURES = ("thumbnail", "preview", "cover", "frames", "auxiliary")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Auditing:
    """How to look.

    Parameters
    ----------
    detectors
        Names: what any of them finds is a face.
    min_score
        Faces below this score do not count; each detector has its own threshold anyway.
    every
        Of a film, every so manieth frame is looked at.
    names
        Whether a file with the name of an original is a leak; it is told anyway.
    allow
        Kinds of leaks that are none; "kept" is one of them anyway.
    """

    detectors: tuple[str, ...] = DETECTORS
    min_score: float = 0.0
    every: int = 1
    names: bool = False
    allow: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """All kinds that are no leak."""
        return ("kept", *(() if self.names else ("name",)), *self.allow)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of the folder: the originals, and the manifest of what was done."""

    originals: Originals | None = None
    manifest: Manifest | None = None


NOTHING = Known()


class Auditor:
    """Looks into one file at a time; its models are opened once, and serve all threads.

    Parameters
    ----------
    settings
        How to look.
    known
        Originals and manifest.
    """

    def __init__(self, settings: Auditing, known: Known = NOTHING) -> None:
        self.settings, self.known = settings, known
        self.detectors = {name: models.load(instruments.detector(name)) for name in settings.detectors}
        self.entries = {} if known.manifest is None else {one.out: one for one in known.manifest.entries if one.out}
        self.measurer: InMemory | None = None
        if known.originals is not None:
            pointless = [name for name in settings.detectors if not models.card(name).landmarks]
            detector = [*pointless, *settings.detectors][0]
            self.measurer = InMemory(Settings(detector, instruments.placed([known.originals.model], detector)))

    def __call__(self, path: str, file: Path) -> Audited:
        """Return what one file gives away."""
        sort = sort_of(file)
        try:
            if file.is_dir():
                raise PhotoError("a link to a folder: not followed" if file.is_symlink() else "a folder that cannot be listed")
            if sort == "film":
                return self._film(path, file)
            data = photos.read_bytes(photos.Photo(path, str(file.absolute())))
        except (PhotoError, OSError) as error:
            why = error.why if isinstance(error, PhotoError) else str(error)
            return Audited(path, sort=sort, why=why, leaks=(Leak("unreadable", why),))
        row = Audited(path, hashlib.sha256(data).hexdigest(), sort, leaks=(*self._names(path),))
        row = replace(row, leaks=(*row.leaks, *self._identical(row.sha256)))
        if sort == "file":
            return replace(row, leaks=(*row.leaks, Leak("file", f"{len(data)} bytes")))
        return self._photo(row, data)

    def _photo(self, row: Audited, data: bytes) -> Audited:
        """Return what a photo gives away."""
        leaks = [*row.leaks, *self._leftovers(leftovers(data))]
        try:
            pixels = photos.decode(data, max_pixels=MAX_PIXELS)
        except PhotoError as error:
            if not any(leak.kind == "unreadable" for leak in leaks):
                leaks.append(Leak("unreadable", error.why))
            return replace(row, why=error.why, leaks=tuple(leaks))
        row = replace(row, width=pixels.shape[1], height=pixels.shape[0], frames=1, leaks=tuple(leaks))
        return self._seen(row, pixels)

    def _film(self, path: str, file: Path) -> Audited:
        """Return what a film gives away; a film that ends in an error keeps what was seen of it until then."""
        from facevalue.data import video

        if not file.stat().st_size:
            return Audited(path, sort="film", why="empty", leaks=(Leak("unreadable", "empty"),))
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            sha256, found = hashlib.sha256(data).hexdigest(), leftovers(data)
        leaks = [*self._names(path), *self._identical(sha256), *self._leftovers(found)]
        row = Audited(path, sha256, "film")
        looked, shape, why = 0, (0, 0), ""
        try:
            for number, pixels in enumerate(video.frames(file)):
                if number % self.settings.every == 0:
                    looked, shape = looked + 1, pixels.shape[:2]
                    leaks += [replace(leak, frame=number) for leak in self._faces(pixels, "", self._kept(path))]
        except PhotoError as error:
            why = error.why
        if not why and not looked:
            why = "no frames"
        leaks += [Leak("unreadable", why)] if why else []
        return replace(row, why=why, width=shape[1], height=shape[0], frames=looked, leaks=tuple(leaks))

    def _names(self, path: str) -> Iterator[Leak]:
        if self.known.originals is not None and (same := self.known.originals.by_name.get(Path(path).stem)):
            yield Leak("name", "of an original", original=same.path)

    def _identical(self, sha256: str) -> Iterator[Leak]:
        if self.known.originals is not None and (same := self.known.originals.by_sha256.get(sha256)):
            yield Leak("identical", "all bytes of an original", original=same.path)

    def _leftovers(self, found: Sequence[Leftover]) -> Iterator[Leak]:
        """Yield leftovers, and the faces on the pictures among them."""
        for one in found:
            unseen = one.kind in PICTURES and not one.picture
            yield Leak(one.kind, one.detail + "; faces on it were not looked for" * unseen)
            if not one.picture:
                continue
            try:
                pixels = photos.decode(one.picture, max_pixels=MAX_PIXELS)
            except PhotoError as error:
                yield Leak("unreadable", f"{one.kind}, {one.detail}: {error.why}")
                continue
            yield from self._faces(pixels, f"{one.kind}, {one.detail}", np.empty((0, 4)))

    def _kept(self, path: str) -> np.ndarray:
        """Return the boxes that the manifest says were left visible, (n, 4)."""
        entry: Entry | None = self.entries.get(path)
        boxes = [] if entry is None else [face.box for face in entry.faces if face.kept]
        return np.array(boxes, np.float32).reshape(-1, 4)

    def _seen(self, row: Audited, pixels: np.ndarray) -> Audited:
        """Return what the pixels of a photo show: faces, and those of its original that are as they were or still alike."""
        kept = self._kept(row.path)
        faces = list(self._faces(pixels, "", kept))
        row = replace(row, leaks=(*row.leaks, *faces))
        original = self._original(row.path, pixels)
        if original is None:
            return row
        hidden = hidden_faces(pixels, original)
        told = [
            Leak("unobscured", "a face of the original", _box(box), original=original.path)
            for box, same in zip(hidden.box, as_it_was(pixels, original), strict=True)
            if same and not same_place(box, kept)
        ]
        embeddings = self._embedded(pixels, hidden, anew=True)
        seen = _with(kept, [leak for leak in faces if leak.kind == "match"])
        told += self._alike(embeddings, hidden.box, "the place of a hidden face", seen, own=original)
        compared = int(np.isfinite(embeddings).all(1).sum())
        return replace(row, leaks=(*row.leaks, *told), original=original.path, places=len(hidden), compared=compared)

    def _original(self, path: str, pixels: np.ndarray) -> Original | None:
        """Return the original of a photo, by the manifest where there is one."""
        if self.known.originals is None:
            return None
        entry = self.entries.get(path)
        if entry is not None:
            return self.known.originals.by_sha256.get(entry.sha256)
        return self.known.originals.same_photo(path, pixels)

    def _faces(self, pixels: np.ndarray, where: str, kept: np.ndarray) -> Iterator[Leak]:
        """Yield the faces that are found, one that several detectors find once, and whose they are."""
        side = max(pixels.shape[:2])
        factor = LARGE / side if where and side < SMALL else 1.0
        looked = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else pixels
        found = {name: detector(looked) for name, detector in self.detectors.items()}
        boxes = np.concatenate([faces.box for faces in found.values()])
        scores = np.concatenate([faces.score for faces in found.values()])
        names = np.concatenate([np.full(len(faces), name, object) for name, faces in found.items()])
        sure = ~(scores < self.settings.min_score)
        boxes, scores, names = boxes[sure], scores[sure], names[sure]
        for i in keep(boxes, scores, ONE_FACE):
            alike = sorted({str(name) for name, box in zip(names, boxes, strict=True) if same_place(box, boxes[[i]])})
            kind = "kept" if same_place(boxes[i], kept) else "face"
            yield Leak(kind, where and f"in {where}", _box(boxes[i] / factor), float(scores[i]), ", ".join(alike))
        told = kept
        for faces in found.values():
            sure_ones = faces[~(faces.score < self.settings.min_score)]
            matches = list(self._alike(self._embedded(looked, sure_ones), sure_ones.box / factor, where or "a face", told))
            yield from matches
            told = _with(told, matches)

    def _embedded(self, pixels: np.ndarray, faces: Faces, *, anew: bool = False) -> np.ndarray:
        """Return embeddings, (n, d); `anew` takes the landmarks of the originals, whatever is seen at their places now."""
        if self.measurer is None or self.known.originals is None or not len(faces):
            return np.full((len(faces), 1), np.nan)
        model = self.known.originals.model
        measured = self.measurer.again(pixels, faces, [model]) if anew else self.measurer.measure([pixels], faces=[faces])
        return np.asarray(measured[f"{model}.embedding"].values)

    def _alike(
        self, embeddings: np.ndarray, boxes: np.ndarray, where: str, told: np.ndarray, own: Original | None = None
    ) -> Iterator[Leak]:
        """Yield which faces, or places of an original's own faces, are alike to an original, but for those that were told."""
        known = self.known.originals
        for i, (embedding, box) in enumerate(zip(embeddings, boxes, strict=True)):
            if known is None or not np.isfinite(embedding).all() or same_place(box, told):
                continue
            best = known.best(embedding) or (None if own is None else known.own(embedding, own, i))
            if best is not None:
                leak = Leak("match", where, _box(box), original=best.path, similarity=best.cosine)
                yield replace(leak, fmr=best.fmr, fmr_low=best.fmr_low, fmr_high=best.fmr_high)


def audit(
    folder: Path,
    settings: Auditing,
    *,
    known: Known = NOTHING,
    workers: int = 1,
    progress: Progress = lambda done, total: None,
) -> tuple[Audited, ...]:
    """Look into every file of a folder, hidden ones too, and return a row for each, in the order of their paths.

    Parameters
    ----------
    folder
        Of obscured photos and films, or one file.
    settings
        How to look.
    known
        Originals and manifest, where there are any.
    workers
        Threads.
    progress
        Called with files done and in all.

    Raises
    ------
    RunError
        There are no files.
    UnknownName
        No such detector, or kind of leak to allow.
    """
    files, rows = all_files(folder), list[Audited]()
    if not files:
        raise RunError(f"{folder}: expected files to look into; there are none")
    allowing((), settings.allowed)
    auditor, before = Auditor(settings, known), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            for done, row in enumerate(pool.map(auditor, files, files.values()), start=1):
                rows.append(row)
                progress(done, len(files))
    finally:
        cv2.setNumThreads(before)
    return allowing(rows, settings.allowed)


def _with(boxes: np.ndarray, leaks: Sequence[Leak]) -> np.ndarray:
    """Return boxes, (n, 4), and those of some leaks."""
    return np.concatenate([boxes, np.array([leak.box for leak in leaks], np.float32).reshape(-1, 4)])


def _box(edges: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(edge), 1) for edge in edges)
    return x1, y1, x2, y2


def pictures(folder: Path, files: Sequence[Audited], *, most: int = 200) -> list[Picture]:
    """Return the faces still found on photos, cut out, at most so many; those inside thumbnails and films are not shown."""
    places, found = all_files(folder), list[Picture]()
    for file in files:
        leaks = [leak for leak in file.leaks if leak.kind == "face" and leak.frame is None and not leak.detail]
        if not leaks or len(found) >= most:
            continue
        pixels = photos.decode(places[file.path].read_bytes(), max_pixels=MAX_PIXELS)
        for k, leak in enumerate(leaks[: most - len(found)]):
            assert leak.box is not None
            found.append(Picture(file.path, k, _cut(pixels, leak.box), leak.score or 0.0))
    return found


def _cut(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return a box of a photo as a small square."""
    height, width = pixels.shape[:2]
    x1, y1 = (int(np.clip(edge, 0, size - 1)) for edge, size in zip(box[:2], (width, height), strict=True))
    x2, y2 = (int(np.clip(edge, low + 1, size)) for edge, low, size in zip(box[2:], (x1, y1), (width, height), strict=True))
    return np.asarray(cv2.resize(pixels[y1:y2, x1:x2], (PICTURE, PICTURE), interpolation=cv2.INTER_AREA))
