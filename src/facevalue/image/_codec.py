"""What recording, storing and printing do to values and places: contrast, colour, blocks, waves."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image._noise import grid, grown
from facevalue.image.jitter import View, compress

# eye distances from one drawn shift of elastic waves to the next, and px between the eyes of a photo coded as JPEG
WAVE, CODED = 0.65, 60.0


def contrast(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with each channel's distance from its mean multiplied by `level`."""
    values = np.arange(256)[:, None]
    means = np.array(cv2.mean(view.photo)[:3])
    table = np.rint(means + level * (values - means)).astype(np.uint8)
    return replace(view, photo=cv2.LUT(view.photo, table[None]))


def saturate(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with the saturation of hue, saturation and value multiplied by `level`, cut off at full scale."""
    hue, saturation, value = cv2.split(cv2.cvtColor(view.photo, cv2.COLOR_RGB2HSV))
    richer = cv2.merge([hue, cv2.convertScaleAbs(saturation, alpha=level), value])
    return replace(view, photo=cv2.cvtColor(richer, cv2.COLOR_HSV2RGB))


def pixelate(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo in squares of one colour each, their sides `level` eye distances."""
    rows, columns = grid(view, level)
    squares = cv2.resize(view.photo, (columns, rows), interpolation=cv2.INTER_AREA)
    return replace(view, photo=grown(view, squares, cv2.INTER_NEAREST))


def jpeg(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as JPEG of quality `level` gives it back with 60 px between the eyes, or fewer where it has fewer."""
    rows, columns = grid(view, 1 / CODED)
    small = cv2.resize(view.photo, (columns, rows), interpolation=cv2.INTER_AREA)
    coded = compress(replace(view, photo=small), int(level))
    return replace(view, photo=grown(view, coded.photo, cv2.INTER_CUBIC))


def elastic(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo in waves that move each point by up to `level` eye distances in x and in y.

    What is seen at p was at p + d(p); a point at q goes to the p at which p + d(p) = q, found by p <- q - d(p).
    """
    reach = level * eye_distance(view)
    waves = (2 * reach * (rng.random((*grid(view, WAVE), 2), dtype=np.float32) - 0.5)).astype(np.float32)
    shift = grown(view, waves, cv2.INTER_CUBIC)
    x, y = cv2.split(shift)
    x += np.arange(view.photo.shape[1], dtype=np.float32)
    y += np.arange(view.photo.shape[0], dtype=np.float32)[:, None]
    photo = cv2.remap(view.photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return View(photo, _box(view.box, shift), _seen(view.landmarks, shift))


def _box(box: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the boxes whose sides lie where the middles of their sides are seen."""
    x1, y1, x2, y2 = box.T
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    sides = np.stack([x1, y, x, y1, x2, y, x, y2], axis=1).reshape(-1, 4, 2)
    return _seen(sides - 0.5, shift)[:, range(4), (0, 1, 0, 1)] + 0.5


def _seen(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return where points of the photo are seen once each px shows what lay `shift` px from it."""
    seen = points.reshape(1, -1, 2).astype(np.float32)
    start = seen
    for _ in range(20):
        x, y = seen[..., 0], seen[..., 1]
        seen = start - cv2.remap(shift, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return seen.reshape(points.shape).astype(points.dtype)


CORRUPTIONS = (
    Corruption("contrast", "values drawn to their mean", "share left", (0.6, 0.4, 0.25, 0.14, 0.07), contrast),
    Corruption("elastic", "the face in waves", "eye distances", (0.03, 0.055, 0.085, 0.12, 0.16), elastic),
    Corruption("pixelate", "squares of one colour", "eye distances", (0.04, 0.07, 0.11, 0.15, 0.2), pixelate),
    Corruption("jpeg", "coded as JPEG at 60 px between the eyes", "quality", (40.0, 20.0, 12.0, 7.0, 3.0), jpeg),
    Corruption("saturate", "colours too rich", "times", (1.5, 2.2, 3.5, 6.0, 12.0), saturate),
)
