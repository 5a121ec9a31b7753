"""The largest face of each photo, cut out; each photo is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facevalue import models
from facevalue.annotate import instruments
from facevalue.data import photos
from facevalue.data.errors import PhotoError
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
    crops, why = np.zeros((len(found), *crop.shape, 3), np.uint8), np.full(len(found), "", object)
    for i, photo in enumerate(found):
        progress(i, len(found))
        try:
            pixels = photos.decode(photos.read_bytes(photo), max_pixels=max_pixels)
        except PhotoError as error:
            why[i] = error.why
            continue
        faces = model(pixels)
        if not len(faces):
            why[i] = "no_face"
            continue
        largest = int((faces.box[:, 2:] - faces.box[:, :2]).prod(1).argmax())
        maps = align.transforms(crop, faces.box[[largest]], faces.landmarks[[largest]], shape=pixels.shape[:2])
        if not align.usable(maps)[0]:
            why[i] = "no_landmarks"
            continue
        crops[i] = align.cut(pixels, maps, crop.shape)[0]
    progress(len(found), len(found))
    return crops, why
