"""Noise whose grain is a share of the distance between the eyes, and the random fields that other corruptions grow from.

Noise drawn afresh for each px vanishes when a photo of 2,000 px is shrunk to the 112 px of a recogniser, and ruins one of
40 px. Here a grain is 1/60 of the distance between the eyes, each grain of one value; where that is less than 1 px, each px
is a grain, and its noise as weak as the mean of the grains that share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image.jitter import View

GRAIN = 1 / 60
OCTAVES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
Draw = Callable[..., np.ndarray]


def grid(view: View, cell: float) -> tuple[int, int]:
    """Return the rows and columns of a grid over the photo whose cells measure `cell` eye distances, 1 px or more."""
    step = max(cell * eye_distance(view), 1.0)
    height, width = view.photo.shape[:2]
    return int(np.ceil(height / step)), int(np.ceil(width / step))


def grown(view: View, field: np.ndarray, how: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Return a field at the photo's size."""
    return cv2.resize(field, view.photo.shape[1::-1], interpolation=how)


def clouds(view: View, rng: np.random.Generator) -> np.ndarray:
    """Return a (rows, columns) float32 field in [0, 1] with cells of 1/8 eye distance: octaves as strong as they are wide."""
    rows, columns = grid(view, OCTAVES[-1])
    total = np.zeros((rows, columns), np.float32)
    for cell in OCTAVES:
        octave = rng.random(grid(view, cell), dtype=np.float32)
        total += cell * cv2.resize(octave, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray((total - total.min()) / max(float(np.ptp(total)), 1e-6), np.float32)


def _grains(view: View, draw: Draw) -> tuple[np.ndarray, float]:
    """Return one draw a grain and channel, on their grid, and how much of it is left in a px."""
    return draw((*grid(view, GRAIN), 3), dtype=np.float32), min(1.0, GRAIN * eye_distance(view))


def _noisy(view: View, spread: np.ndarray, rng: np.random.Generator) -> View:
    """Return the photo with normal noise whose standard deviation, of 255, is looked up by value."""
    grains, left = _grains(view, rng.standard_normal)
    noise = cv2.multiply(grown(view, grains, cv2.INTER_NEAREST), cv2.LUT(view.photo, spread.astype(np.float32)), scale=left)
    return replace(view, photo=cv2.add(view.photo, noise, dtype=cv2.CV_8U))


def gaussian_noise(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with normal noise of standard deviation `level`, of full scale, as of a hot sensor."""
    return _noisy(view, np.full(256, 255 * level), rng)


def shot_noise(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with the noise of counting `level` photons a grain at full scale, by its normal approximation."""
    return _noisy(view, 255 * np.sqrt(np.arange(256) / 255 / level), rng)


def speckle_noise(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with normal noise of standard deviation `level` times the value, as of coherent light."""
    return _noisy(view, level * np.arange(256), rng)


def impulse_noise(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with a share `level` of its grains, of each channel, at 0 or at full scale."""
    grains, left = _grains(view, rng.random)
    black, white = (
        grown(view, 255 * hit.astype(np.uint8), cv2.INTER_NEAREST) for hit in (grains < level / 2, grains > 1 - level / 2)
    )
    struck = cv2.max(cv2.subtract(view.photo, black), white)
    return replace(view, photo=cv2.addWeighted(struck, left, view.photo, 1 - left, 0))


CORRUPTIONS = (
    Corruption(
        "gaussian_noise", "normal noise of one strength everywhere", "full scale", (0.1, 0.17, 0.25, 0.37, 0.55), gaussian_noise
    ),
    Corruption("shot_noise", "the noise of few photons", "photons", (50.0, 18.0, 8.0, 4.0, 2.0), shot_noise),
    Corruption("impulse_noise", "grains at black or at full scale", "share", (0.03, 0.08, 0.15, 0.24, 0.36), impulse_noise),
    Corruption("speckle_noise", "noise that grows with the value", "value", (0.18, 0.3, 0.45, 0.65, 0.95), speckle_noise),
)
