"""The faces of photos as a manifest, found once, so that what hides them can be tried in many ways; no photo is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facevalue.annotate.obscured import Finder, Found, Obscuring
from facevalue.annotate.obscured_photos import MAX_PIXELS
from facevalue.data.errors import PhotoError
from facevalue.data.manifest import Entry, Manifest
from facevalue.data.photos import decode

WHY = "not_obscured"


def find_faces(
    paths: Sequence[Path],
    finder: Callable[..., Found] | None = None,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """Return where the parts of all faces lie, a photo an entry, in order.

    Parameters
    ----------
    paths
        Of photos.
    finder
        Pixels to faces; None takes the detectors of `facevalue obscure`.
    workers
        Threads.
    progress
        Called with photos done and photos in all.

    Returns
    -------
    Manifest
        Its entries have the status "refused": nothing was written. `why` is "not_obscured", or what makes the faces unsure.
        A photo that cannot be read is "failed", with the reason.
    """
    settings = Obscuring()
    found = finder or Finder(settings)

    def entry(path: Path) -> Entry:
        try:
            pixels = decode(path.read_bytes(), max_pixels=MAX_PIXELS)
        except PhotoError as error:
            return Entry(path.name, "failed", error.why)
        told = found(pixels)
        height, width = pixels.shape[:2]
        return Entry(path.name, "refused", told.unsure or WHY, width=width, height=height, faces=told.faces)

    entries = []
    with ThreadPoolExecutor(workers) as pool:
        for done, one in enumerate(pool.map(entry, paths), start=1):
            entries.append(one)
            progress(done, len(paths))
    told = {"made": "facevalue.annotate.obscured_scenes"}
    return Manifest(told | ({} if finder else settings.told()), tuple(entries))
