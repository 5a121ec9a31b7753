"""One face of each photo, cut out: the largest, or one that was found before; each photo is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facevalue import models
from facevalue.annotate import instruments
from facevalue.data import photos
from facevalue.data.errors import PhotoError
from facevalue.data.faces import Faces
from facevalue.image import align


def main_crops(
    found: Sequence[photos.Photo],
    crop: align.Crop,
    *,
    detector: str = instruments.DETECTOR,
    max_pixels: int = 100_000_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of the largest face of each photo, (n, h, w, 3) uint8 RGB, and why there is none, (n,) str.

    Parameters
    ----------
    found
        n photos.
    crop
        By the box or the five points.
    detector
        Name of one that gives what the crop needs.
    max_pixels
        A photo with more is not decoded.
    progress
        Called with photos done and photos in all.
    """
    model = models.load(instruments.detector(detector))

    def largest(pixels: np.ndarray, _: int) -> Faces:
        faces: Faces = model(pixels)
        first: Faces = faces[np.argsort(-(faces.box[:, 2:] - faces.box[:, :2]).prod(1), kind="stable")[:1]]
        return first

    return _cropped(found, crop, largest, max_pixels=max_pixels, progress=progress)


def face_crops(
    found: Sequence[photos.Photo],
    faces: Faces,
    crop: align.Crop,
    *,
    max_pixels: int = 100_000_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of a face of each photo that was found before, (n, h, w, 3) uint8 RGB, and why there is none, (n,) str.

    Parameters
    ----------
    found
        n photos.
    faces
        n faces, one a photo.
    crop, max_pixels, progress
        As for `main_crops`.
    """
    return _cropped(found, crop, lambda _, i: faces[[i]], max_pixels=max_pixels, progress=progress)


def _cropped(
    found: Sequence[photos.Photo],
    crop: align.Crop,
    face: Callable[[np.ndarray, int], Faces],
    *,
    max_pixels: int,
    progress: Callable[[int, int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crops of the face that `face` gives of the pixels of each photo and its number; no row of none."""
    crops, why = np.zeros((len(found), *crop.shape, 3), np.uint8), np.full(len(found), "", object)
    for i, photo in enumerate(found):
        progress(i, len(found))
        try:
            pixels = photos.decode(photos.read_bytes(photo), max_pixels=max_pixels)
        except PhotoError as error:
            why[i] = error.why
            continue
        if not len(one := face(pixels, i)):
            why[i] = "no_face"
            continue
        maps = align.transforms(crop, one.box, one.landmarks, shape=pixels.shape[:2])
        if not align.usable(maps)[0]:
            why[i] = "no_landmarks"
            continue
        crops[i] = align.cut(pixels, maps, crop.shape)[0]
    progress(len(found), len(found))
    return crops, why
