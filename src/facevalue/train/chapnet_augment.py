"""What is changed by chance in what CHAPNet sees: photo and person each their own way, the joints along with the person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.image.heatmaps import CELLS, cropped_maps, mirrored
from facevalue.models.chapnet import squeezed

GREY = np.array([0.299, 0.587, 0.114])
TRIES = 10


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is seen of a target.

    Parameters
    ----------
    context, target : (h, w, 3) uint8
        The photo and the person, RGB.
    maps : (18, 25, 25) float32
        Of the joints, in [0, 1].
    valid : (18,) bool
        Which joints were seen.
    """

    context: np.ndarray
    target: np.ndarray
    maps: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far pictures are changed.

    Parameters
    ----------
    least
        Area of the smallest crop, in areas of the picture. Published: .08, which shows little of a person; here .5.
    ratio
        Largest ratio of a crop's sides, beside the picture's own.
    flip
        How often a picture is mirrored.
    jitter
        How far brightness, contrast and saturation go, either way.
    follows
        Whether the joints' maps are cropped and mirrored with the person, as they must be; not so as published.
    """

    least: float = 0.5
    ratio: float = 4 / 3
    flip: float = 0.5
    jitter: float = 0.4
    follows: bool = True


def published() -> Augmentation:
    """Return what the published code does: crops down to .08 of the picture, the joints left where they were."""
    return Augmentation(least=0.08, follows=False)


def augmented(view: View, size: int, how: Augmentation, draw: np.random.Generator) -> View:
    """Return a target as it could have been photographed: both pictures (size, size, 3)."""
    context, _, _ = _changed(view.context, size, how, draw)
    target, part, flipped = _changed(view.target, size, how, draw)
    if not how.follows:
        return View(context, target, view.maps, view.valid)
    maps, valid = followed(view.maps, view.valid, part, flipped=flipped)
    return View(context, target, maps, valid)


def followed(maps: np.ndarray, valid: np.ndarray, part: np.ndarray, *, flipped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of a crop of the person, mirrored or not; joints outside it are no longer valid.

    Parameters
    ----------
    maps : (18, 25, 25) float32
    valid : (18,) bool
    part : (4,) float
        x1 y1 x2 y2 of the crop in shares of the person's picture.
    flipped
        Whether it is mirrored afterwards.
    """
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), CELLS)
    place = (np.stack([columns, rows], axis=1) + 0.5) / CELLS
    seen = valid & (place >= part[:2]).all(1) & (place <= part[2:]).all(1)
    found = np.where(seen[:, None, None], cropped_maps(maps, part), np.float32(0))
    return mirrored(found, seen) if flipped else (found, seen)


def _changed(
    pixels: np.ndarray, size: int, how: Augmentation, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return a crop of a picture, jittered, the part of it that was taken and whether it was mirrored."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = _part(height, width, how, draw)
    crop = jittered(squeezed(pixels[y1:y2, x1:x2], size), how.jitter, draw)
    flipped = bool(draw.random() < how.flip)
    if flipped:
        crop = cv2.flip(crop, 1)
    return np.asarray(crop), np.array([x1 / width, y1 / height, x2 / width, y2 / height]), flipped


def _part(height: int, width: int, how: Augmentation, draw: np.random.Generator) -> tuple[int, int, int, int]:
    """Return a rectangle of a chance area and shape, px; all of the picture where none fits."""
    for _ in range(TRIES):
        area, ratio = draw.uniform(how.least, 1), np.exp(draw.uniform(-1, 1) * np.log(how.ratio))
        w, h = round(width * np.sqrt(area * ratio)), round(height * np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(draw.integers(width - w + 1)), int(draw.integers(height - h + 1))
            return x, y, x + w, y + h
    return 0, 0, width, height


def jittered(pixels: np.ndarray, jitter: float, draw: np.random.Generator) -> np.ndarray:
    """Return a picture, (h, w, 3) uint8, whose brightness, contrast and saturation are changed by factors of 1 -+ jitter.

    The three are affine in the colours, and so is one after the other: y = A x + b, cut to 0..255 at the end.
    """
    if not jitter:
        return pixels
    brightness, contrast, saturation = draw.uniform(max(0, 1 - jitter), 1 + jitter, 3)
    colours = brightness * (saturation * np.eye(3) + (1 - saturation) * np.tile(GREY, (3, 1)))
    mean = GREY @ colours @ np.array(cv2.mean(pixels)[:3])
    affine = np.column_stack([contrast * colours, np.full(3, (1 - contrast) * mean)])
    return np.asarray(cv2.transform(pixels, affine))
