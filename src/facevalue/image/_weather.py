"""Snow, frost, fog, too much light, and mud on the lens; fields are random, their cells shares of the eye distance."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import cv2
import numpy as np

from facevalue.image._blur import kernel
from facevalue.image._corruption import Corruption
from facevalue.image._noise import clouds, grid, grown
from facevalue.image.jitter import View

WHITE, MIST, ICE, MUD = (250, 250, 252), (214, 217, 222), (226, 236, 244), (70, 52, 34)


def _covered(view: View, field: np.ndarray, colour: tuple[int, int, int], *, most: float = 1.0) -> View:
    """Return the photo under a colour: not at all where a field of any size is 0, by `most` of 1 where it is 1."""
    cover = most * np.clip(grown(view, field.astype(np.float32)), 0, 1)
    flat = np.full_like(view.photo, colour)
    return replace(view, photo=cv2.blendLinear(view.photo, flat, 1 - cover, cover))


def _standard(view: View, cell: float, smooth: float, rng: np.random.Generator) -> np.ndarray:
    """Return a normal field of mean 0 and standard deviation 1, smoothed over so many of its cells."""
    drawn = rng.standard_normal(grid(view, cell), dtype=np.float32)
    field = np.asarray(cv2.GaussianBlur(drawn, (0, 0), smooth) if smooth else drawn)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6))


def _line(length: float, degrees: float) -> np.ndarray:
    """Return the kernel of a line, its length in cells."""
    turn = np.radians(degrees)
    return kernel(np.linspace(-length / 2, length / 2, 33)[:, None] * (np.cos(turn), np.sin(turn)))


def snow(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo through falling snow: flakes of two sizes on a share `level` of their cells, and a white veil."""
    slant = rng.uniform(60, 120)
    alpha = np.full(view.photo.shape[:2], level, np.float32)
    for cell, length in ((1 / 24, 6.0), (1 / 10, 4.0)):
        flakes = _standard(view, cell, 0.5, rng) - NormalDist().inv_cdf(1 - level)
        streaks = cv2.filter2D(np.clip(flakes, 0, 1), -1, _line(length, slant))
        alpha += grown(view, np.clip(2 * streaks, 0, 1).astype(np.float32))
    return _covered(view, alpha, WHITE, most=0.95)


def frost(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo through a pane on which needles of ice have grown over about a share `level`."""
    seeds = np.clip(_standard(view, 1 / 40, 0.0, rng) - 1.5, 0, None)
    start = rng.uniform(0, 60)
    needles = np.max([cv2.filter2D(seeds, -1, _line(10.0, start + turn)) for turn in (0, 60, 120)], axis=0)
    patches = cv2.resize(clouds(view, rng), needles.shape[::-1])
    ice = 0.5 * patches + 3 * cv2.GaussianBlur(needles, (0, 0), 0.6) + 1.5 * cv2.GaussianBlur(needles, (0, 0), 4.0)
    return _covered(view, (ice - np.quantile(ice, 1 - level)) / 0.5, ICE, most=0.9)


def fog(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo through fog in banks, at its thickest a share `level` of what is seen."""
    return _covered(view, level * (0.75 + 0.25 * clouds(view, rng)), MIST)


def brightness(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with the value of hue, saturation and value raised by `level` of full scale, cut off at it."""
    hue, saturation, value = cv2.split(cv2.cvtColor(view.photo, cv2.COLOR_RGB2HSV))
    brighter = cv2.merge([hue, saturation, cv2.convertScaleAbs(value, alpha=1, beta=255 * level)])
    return replace(view, photo=cv2.cvtColor(brighter, cv2.COLOR_HSV2RGB))


def spatter(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo through a lens with drops of muddy water on a share `level` of it, thin at their rims."""
    drops = _standard(view, 1 / 20, 3.0, rng) + 0.5 * _standard(view, 1 / 20, 1.5, rng)
    return _covered(view, (drops - np.quantile(drops, 1 - level)) / 0.3, MUD, most=0.95)


CORRUPTIONS = (
    Corruption("snow", "falling snow before the face", "share", (0.03, 0.06, 0.1, 0.15, 0.21), snow),
    Corruption("frost", "needles of ice on a pane", "share", (0.2, 0.4, 0.6, 0.8, 0.95), frost),
    Corruption("fog", "banks of fog", "opacity", (0.5, 0.7, 0.82, 0.91, 0.97), fog),
    Corruption("brightness", "values raised and cut off", "full scale", (0.15, 0.3, 0.45, 0.6, 0.75), brightness),
    Corruption("spatter", "muddy drops on the lens", "share", (0.05, 0.12, 0.22, 0.35, 0.5), spatter),
)
