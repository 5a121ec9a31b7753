"""A folder of photos, obscured into another folder: a photo that is not surely covered is blanked or not written at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from facevalue.annotate.measure import photo_seed
from facevalue.annotate.obscured import UNSURE, Finder, Found, Obscuring, aimed, hidden
from facevalue.data import photos
from facevalue.data.bare import write_bare
from facevalue.data.errors import PhotoError
from facevalue.data.files import inside, nameable
from facevalue.data.films import is_film
from facevalue.data.manifest import Entry, Manifest
from facevalue.data.photos import SUFFIXES, Photo
from facevalue.data.video_writer import written_suffix

MAX_PIXELS = 100_000_000
Targets = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is done to each photo.

    Parameters
    ----------
    settings
        What is hidden, and how.
    out
        Folder of the obscured photos.
    find
        Picture and targets to its faces: a `Finder`, or None where all faces are known.
    targets
        By path of a photo, boxes to be hidden; None where no list was given.
    known
        By path of a photo, what an earlier run found in it; None to find anew.
    names
        By path of a photo, the path in `out`.
    """

    settings: Obscuring
    out: Path
    find: Finder | None = None
    targets: Targets | None = None
    known: Mapping[str, Entry] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, photo: Photo) -> Entry:
        """Return what was done to a photo; the file is written before."""
        entry = Entry(photo.path)
        try:
            data = photos.read_bytes(photo)
            entry = replace(entry, sha256=hashlib.sha256(data).hexdigest())
            pixels = photos.decode(data, max_pixels=MAX_PIXELS)
            entry = replace(entry, width=pixels.shape[1], height=pixels.shape[0])
            found = self._found(pixels, entry)
            written = self._written(pixels, replace(entry, faces=found.faces), found.unsure)
            several = written.status == "obscured" and photos.several(data)
            return replace(written, why="first_of_several") if several else written
        except PhotoError as error:
            return replace(entry, why=error.why)

    def _found(self, pixels: np.ndarray, entry: Entry) -> Found:
        """Return the faces, found now or earlier; targets are hidden either way."""
        targets = None if self.targets is None else self.targets.get(entry.path)
        if self.known is None:
            assert self.find is not None
            return self.find(pixels, targets)
        before = self.known.get(entry.path)
        if before is None or before.sha256 != entry.sha256:
            return Found((), "changed")
        shown = before.status == "obscured" or bool(targets and before.why in UNSURE)
        return Found(aimed(before.faces, targets or (), only=False), "" if shown else before.why or before.status)

    def _written(self, pixels: np.ndarray, entry: Entry, unsure: str) -> Entry:
        """Write the photo with its faces hidden, or nothing but black, or nothing."""
        if unsure and self.settings.if_unsure == "refuse":
            return replace(entry, status="refused", why=unsure)
        settings = replace(self.settings, seed=photo_seed(self.settings.seed, entry.sha256))
        shown = np.zeros_like(pixels) if unsure else hidden(pixels, entry.faces, settings)
        name = self.names[entry.path]
        sha256 = write_bare(shown, inside(self.out, name))
        return replace(entry, status="blanked" if unsure else "obscured", why=unsure, out=name, out_sha256=sha256)


def obscure_photos(
    found: Sequence[Photo], job: Job, *, workers: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Entry]:
    """Yield what was done to each photo, in order; threads share the nets.

    Parameters
    ----------
    found
        Photos.
    job
        What to do.
    workers
        Threads.
    progress
        Called with photos done and in all.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(workers)
    try:
        for done, entry in enumerate(pool.map(job, found), start=1):
            progress(done, len(found))
            yield entry
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)


def out_names(paths: Sequence[str], *, rename: bool) -> dict[str, str]:
    """Return for each path the one that its obscured file gets: its own, or a number; PNG where the name says no format.

    Films of a format that is not written become `.mp4`.

    Examples
    --------
    >>> out_names(["a/b.jpg", "c"], rename=False), out_names(["a/b.jpg"], rename=True)
    ({'a/b.jpg': 'a/b.jpg', 'c': 'c.png'}, {'a/b.jpg': '000001.jpg'})
    """
    names = dict[str, str]()
    taken = set(paths)
    for number, path in enumerate(paths, start=1):
        suffix = PurePosixPath(path).suffix
        film, photo = is_film(path), suffix.lower() in SUFFIXES
        wanted = written_suffix(suffix) if film else suffix if photo else ".png"
        stem = f"{number:06d}" if rename else path.removesuffix(suffix) if film or photo else path
        name = "/".join(map(nameable, stem.split("/"))) + wanted
        while name != path and name in taken:
            name = f"{name.removesuffix(wanted)}_{wanted}"
        taken.add(name)
        names[path] = name
    return names


def summed(manifest: Manifest) -> dict[str, Counter[str]]:
    """Return counts of photos, films and frames of each status, with its reason, and of the faces in photos and in frames.

    Examples
    --------
    >>> summed(Manifest({}, (Entry("a.jpg", "blanked", "no_face"), Entry("b.jpg", "obscured"))))
    {'photos': Counter({'blanked (no_face)': 1, 'obscured': 1})}
    """
    counts = dict[str, Counter[str]]()
    for entry in manifest.entries:
        what, why = kind(entry), entry.why.partition(":")[0]
        counts.setdefault(what, Counter())[f"{entry.status} ({why})" if why else entry.status] += 1
        for face in entry.faces:
            kept = face.kept if face.kept in ("", "not_a_target") else "kept"
            word = f"visible ({kept})" if kept else f"hidden by their {face.how}"
            counts.setdefault(f"faces in {what}", Counter())[word] += 1
    return counts


def kind(entry: Entry) -> str:
    """Return whether an entry is of "photos", "films" or "frames".

    >>> kind(Entry("a.mp4#12")), kind(Entry("a#1.jpg"))
    ('frames', 'photos')
    """
    film, _, frame = entry.path.rpartition("#")
    return "frames" if frame.isdigit() and is_film(film) else "films" if is_film(entry.path) else "photos"
