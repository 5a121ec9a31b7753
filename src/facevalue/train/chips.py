"""Chips for training: each face cut once as `annotate` would cut it, and once wider, to be moved about in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.data import photos
from facevalue.image import align
from facevalue.train.tables import MAX_PIXELS

MARGIN = 16


@dataclass(frozen=True, slots=True)
class Chips:
    """Faces cut out of photos.

    Parameters
    ----------
    plain : (n, s, s, c) uint8
        As the instrument will see them: black outside the photo.
    wide : (n, s + 2 MARGIN, s + 2 MARGIN, c) uint8
        The same with a margin; outside the photo lies its mirror image.
    inside : (n, 4, 2) float32
        The photo's corners in px of the wide chip.
    """

    plain: np.ndarray
    wide: np.ndarray
    inside: np.ndarray


def wider(crop: align.Crop) -> align.Crop:
    """Return the crop with MARGIN px more on each side."""
    moved = tuple((x + MARGIN, y + MARGIN) for x, y in crop.template)
    return align.Crop(crop.how, crop.size + 2 * MARGIN, moved)


def cut_chips(found: Sequence[photos.Photo], meshes: np.ndarray, crop: align.Crop, *, gray: bool) -> Chips:
    """Return the chips of one face a photo.

    Parameters
    ----------
    found
        n photos.
    meshes : (n, 468, 3) float
        px of the photo; finite.
    crop
        By eye corners.
    gray
        Keep one channel, where the photos have no colour.
    """
    wide, channels = wider(crop), 1 if gray else 3
    plain = np.empty((len(found), crop.size, crop.size, channels), np.uint8)
    large = np.empty((len(found), wide.size, wide.size, channels), np.uint8)
    inside = np.empty((len(found), 4, 2), np.float32)
    for i, (photo, mesh) in enumerate(zip(found, meshes[:, None], strict=True)):
        pixels = photos.decode(photos.read_bytes(photo), max_pixels=MAX_PIXELS)
        height, width = pixels.shape[:2]
        maps = [_map(one, mesh, (height, width)) for one in (crop, wide)]
        plain[i] = align.cut(pixels, maps[0], crop.size)[0, :, :, :channels]
        large[i] = _mirrored(pixels, maps[1], wide.size)[:, :, :channels]
        corners = np.array([[(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]], np.float64)
        inside[i] = align.apply(maps[1], corners)[0]
    return Chips(plain, large, inside)


def _map(crop: align.Crop, mesh: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    nowhere = np.full((1, 4), np.nan), np.full((1, 5, 2), np.nan)
    return align.transforms(crop, *nowhere, shape=shape, mesh=mesh)


def _mirrored(pixels: np.ndarray, maps: np.ndarray, size: int) -> np.ndarray:
    """Return a crop whose px outside the photo are mirrored ones."""
    room = [side // 2 for side in pixels.shape[:2]]
    framed = cv2.copyMakeBorder(pixels, room[0], room[0], room[1], room[1], cv2.BORDER_REFLECT_101)
    moved = maps.copy()
    moved[:, :, 2] -= maps[:, :, :2] @ (room[1], room[0])
    return np.asarray(align.cut(framed, moved, size)[0])
