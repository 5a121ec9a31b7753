"""A pen that draws smooth shapes on a photo, in axes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SHIFT = 4  # bits of a px that OpenCV's coordinates are fine to
ROUND = np.stack([np.cos(np.linspace(0, 2 * np.pi, 29)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 29)[:-1])], 1)

Points = Sequence[tuple[float, float]] | np.ndarray
Colour = Sequence[float] | np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Pen:
    """Axes on a photo.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        Drawn upon.
    origin : (2,) float
        x y, px.
    unit
        px that one unit is long.
    turn
        Degrees clockwise in the picture.
    tint : (3,) float
        Added to every colour.
    """

    photo: np.ndarray
    origin: tuple[float, float]
    unit: float
    turn: float = 0.0
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def at(self, points: Points) -> np.ndarray:
        """Return points of the axes in px of the photo, (k, 2) float."""
        c, s = np.cos(np.radians(self.turn)) * self.unit, np.sin(np.radians(self.turn)) * self.unit
        return np.asarray(np.asarray(points, float) @ np.array([[c, s], [-s, c]]) + self.origin)

    def fill(self, points: Points, colour: Colour) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.photo, [self._fixed(points)], self._colour(colour), cv2.LINE_AA, SHIFT)

    def line(self, points: Points, colour: Colour, width: float, *, closed: bool = False) -> None:
        """Draw a line through points, of a width in units, one px at least."""
        thick = max(1, round(width * self.unit))
        cv2.polylines(self.photo, [self._fixed(points)], closed, self._colour(colour), thick, cv2.LINE_AA, SHIFT)

    def disc(self, middle: tuple[float, float], radius: float | tuple[float, float], colour: Colour) -> None:
        """Fill an ellipse along the axes."""
        self.fill(oval(middle, radius), colour)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fill a rectangle along the axes."""
        self.fill([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def _fixed(self, points: Points) -> np.ndarray:
        return np.asarray(np.rint(self.at(points) * (1 << SHIFT)), np.int32)

    def _colour(self, colour: Colour) -> tuple[int, ...]:
        return tuple(int(min(max(one + shift, 0), 255)) for one, shift in zip(colour, self.tint, strict=True))


def oval(middle: tuple[float, float], radius: float | tuple[float, float]) -> np.ndarray:
    """Return the points of an ellipse along the axes, (28, 2).

    >>> oval((1, 2), (3, 4))[0].tolist()
    [4.0, 2.0]
    """
    return np.asarray(ROUND * radius + middle)


def arc(middle: tuple[float, float], radius: tuple[float, float], low: float, high: float) -> np.ndarray:
    """Return points of an ellipse between two angles in degrees, clockwise from the right, (13, 2).

    >>> arc((0, 0), (1, 1), 0, 90)[-1].round(3).tolist()
    [0.0, 1.0]
    """
    angle = np.radians(np.linspace(low, high, 13))
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius + middle
