"""What real photos bring: a face placed, turned, lit, blurred and compressed otherwise; (n, s, s, c) uint8 in and out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a chip is changed, and how often.

    Parameters
    ----------
    scale, turn, shift
        Standard deviations: of the logarithm of the size, degrees, shares of the crop's side.
    light
        Standard deviation of the logarithms of contrast and gamma; brightness goes along.
    gray, blur, small, jpeg, noise, erase, edge
        How often, 0 to 1: colour is dropped; a Gaussian blurs; the face is made small and large again; JPEG squeezes;
        noise is added; a rectangle is hidden; what lies outside the photo is black and not mirrored.
    """

    scale: float = 0.09
    turn: float = 6.0
    shift: float = 0.035
    light: float = 0.2
    gray: float = 0.15
    blur: float = 0.2
    small: float = 0.2
    jpeg: float = 0.3
    noise: float = 0.15
    erase: float = 0.2
    edge: float = 0.5


def augment(chips: np.ndarray, inside: np.ndarray, size: int, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Return changed crops of the chips' middle.

    Parameters
    ----------
    chips : (n, s, s, c) uint8
        Wider than the crop; c is 1 or 3.
    inside : (n, 4, 2) float
        The photo's corners in px of the chip.
    size
        Side of the crop, px.
    how
        Distances and shares.
    rng
        All chance comes from here.

    Returns
    -------
    (n, size, size, c) uint8
    """
    crops = np.empty((len(chips), size, size, chips.shape[3]), np.uint8)
    for crop, chip, corners in zip(crops, chips, inside, strict=True):
        crop[:] = _lit(_placed(chip, corners, size, how, rng), how, rng)
    return crops


def _placed(chip: np.ndarray, corners: np.ndarray, size: int, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    angle, scale = np.radians(rng.normal(0, how.turn)), np.exp(rng.normal(0, how.scale))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn * (-1, 1)
    middle, target = (chip.shape[0] - 1) / 2, (size - 1) / 2 + rng.normal(0, how.shift * size, 2)
    matrix = np.column_stack([turn, target - turn @ (middle, middle)])
    crop = cv2.warpAffine(chip, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    crop = crop.reshape(size, size, chip.shape[2])
    if rng.random() < how.edge:
        edge = np.round(corners @ turn.T + matrix[:, 2]).astype(np.int32)
        mask = cv2.fillConvexPoly(np.zeros((size, size), np.uint8), edge, 1)
        crop = crop * mask[:, :, None]
    return crop


def _lit(crop: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    chance, coloured = rng.random(6), crop.shape[2] == 3
    values = np.arange(256, dtype=np.float32) / 255
    gamma, contrast = np.exp(rng.normal(0, how.light, 2))
    channels = 1 + rng.normal(0, how.light / 4, (1, crop.shape[-1]))
    curve = (values**gamma - 0.5) * contrast + 0.5 + rng.normal(0, how.light / 3)
    table = np.clip(255 * curve[:, None] * channels, 0, 255).astype(np.uint8)
    crop = np.asarray(cv2.LUT(crop, table[None])).reshape(crop.shape)
    if coloured and chance[0] < how.gray:
        crop = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if chance[1] < how.small:
        crop = _through(crop, int(rng.integers(28, 80)))
    if chance[2] < how.blur:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 2.0)).reshape(crop.shape)
    if chance[3] < how.noise:
        crop = np.clip(crop + rng.normal(0, rng.uniform(2, 12), crop.shape), 0, 255).astype(np.uint8)
    if chance[4] < how.jpeg:
        crop = _squeezed(crop, int(rng.integers(20, 90)))
    if chance[5] < how.erase:
        sides = rng.integers(len(crop) // 10, len(crop) // 3, 2)
        y, x = rng.integers(0, len(crop) - sides)
        crop = crop.copy()
        crop[y : y + sides[0], x : x + sides[1]] = rng.integers(0, 256, crop.shape[2])
    return crop


def _through(crop: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(crop.shape)


def _squeezed(crop: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)).reshape(crop.shape)
