"""Blurs whose kernels are shares of the distance between the eyes.

A wide kernel is applied to a shrunken photo, in which it is a few px wide: what it leaves of the photo has no finer detail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image._noise import GRAIN, grid, grown
from facevalue.image.jitter import View


def _shrunken(photo: np.ndarray, step: float, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the photo changed at 1/`step` of its size, and at its size again."""
    if step <= 1:
        return change(photo)
    height, width = photo.shape[:2]
    size = (max(1, round(width / step)), max(1, round(height / step)))
    return cv2.resize(change(cv2.resize(photo, size, interpolation=cv2.INTER_AREA)), (width, height))


def kernel(points: np.ndarray) -> np.ndarray:
    """Return the kernel that averages a photo over (m, 2) offsets, px, between which it is linear.

    Examples
    --------
    >>> kernel(np.array([[-0.5, 0.0], [0.5, 0.0]]))
    array([[0.  , 0.  , 0.  ],
           [0.25, 0.5 , 0.25],
           [0.  , 0.  , 0.  ]])
    """
    reach = int(np.ceil(abs(points).max()))
    x, y = (np.clip(1 - abs(axis[:, None] - np.arange(-reach, reach + 1)), 0, 1) for axis in points.T)
    return np.asarray(y.T @ x / len(points))


def _averaged(photo: np.ndarray, points: np.ndarray, widest: float) -> np.ndarray:
    """Return the photo averaged over offsets, px, in one shrunken so that none is beyond `widest`."""
    step = max(1.0, abs(points).max() / widest)
    weights = kernel(points / step)
    return _shrunken(photo, step, lambda it: cv2.filter2D(it, -1, weights, borderType=cv2.BORDER_REPLICATE))


def defocus_blur(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo out of focus: each point a disc whose radius is `level` eye distances."""
    offsets = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 2), axis=-1).reshape(-1, 2)
    disc = offsets[np.hypot(*offsets.T) <= 1]
    return replace(view, photo=_averaged(view.photo, disc * level * eye_distance(view), 2.5))


def gaussian_blur(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo under a Gaussian whose standard deviation is `level` eye distances."""
    sigma = level * eye_distance(view)
    step = max(1.0, sigma / 2)
    return replace(view, photo=_shrunken(view.photo, step, lambda it: cv2.GaussianBlur(it, (0, 0), sigma / step)))


def motion_blur(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as if moved by `level` eye distances while exposed, in a direction drawn."""
    angle = rng.uniform(0, np.pi)
    path = np.linspace(-0.5, 0.5, 65)[:, None] * (np.cos(angle), np.sin(angle))
    return replace(view, photo=_averaged(view.photo, path * level * eye_distance(view), 5.0))


def glass_blur(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as if behind rough glass: each grain taken from up to `level` eye distances away, then smoothed."""
    scale = eye_distance(view)
    shift = 2 * level * scale * (rng.random((*grid(view, GRAIN), 2), dtype=np.float32) - 0.5)
    x, y = cv2.split(grown(view, shift, cv2.INTER_NEAREST))
    x += np.arange(view.photo.shape[1], dtype=np.float32)
    y += np.arange(view.photo.shape[0], dtype=np.float32)[:, None]
    shuffled = cv2.remap(view.photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(view, photo=cv2.GaussianBlur(shuffled, (0, 0), max(GRAIN * scale / 2, 0.1)))


def zoom_blur(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as if zoomed while exposed, from 1/sqrt(1 + `level`) to its inverse, about the middle of the faces."""
    smear = level * eye_distance(view)
    step = max(1.0, smear / 12)
    middle = (np.nanmean(view.landmarks, axis=(0, 1)) + 0.5) / step - 0.5
    halvings = max(1, int(np.ceil(np.log2(2 * smear / step))))

    def zoomed(photo: np.ndarray) -> np.ndarray:
        shares = 0.5 ** np.arange(1, halvings + 1)
        photo = _zoom(photo, (1 + level) ** (-shares.sum() / 2), middle)
        for share in shares:
            photo = cv2.addWeighted(photo, 0.5, _zoom(photo, (1 + level) ** share, middle), 0.5, 0)
        return photo

    return replace(view, photo=_shrunken(view.photo, step, zoomed))


def _zoom(photo: np.ndarray, factor: float, middle: np.ndarray) -> np.ndarray:
    """Return the photo zoomed about a point, its edges repeated outwards."""
    matrix = np.column_stack([factor * np.eye(2), (1 - factor) * middle])
    return cv2.warpAffine(photo, matrix, photo.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


CORRUPTIONS = (
    Corruption(
        "defocus_blur", "out of focus, each point a disc", "eye distances", (0.03, 0.06, 0.095, 0.14, 0.2), defocus_blur
    ),
    Corruption("gaussian_blur", "under a Gaussian", "eye distances", (0.02, 0.04, 0.06, 0.09, 0.13), gaussian_blur),
    Corruption("glass_blur", "behind rough glass", "eye distances", (0.03, 0.06, 0.09, 0.14, 0.2), glass_blur),
    Corruption("motion_blur", "moved while exposed", "eye distances", (0.08, 0.16, 0.26, 0.38, 0.52), motion_blur),
    Corruption("zoom_blur", "zoomed while exposed", "zoom", (0.05, 0.1, 0.18, 0.28, 0.4), zoom_blur),
)
