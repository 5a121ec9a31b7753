"""Things that stand about a person in a drawn scene: one for each emotion, age and gender, and some that mean nothing.

Each is drawn in axes of its own, the origin its middle, one unit its height and its width, y down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from facevalue.image._pen import Pen, arc, oval

DARK, WOOD, STEEL = (50, 50, 55), (140, 90, 50), (150, 155, 165)


def balloons(pen: Pen) -> None:
    """Draw three balloons."""
    for x, y, colour in ((-0.25, -0.2, (230, 60, 60)), (0.25, -0.22, (60, 110, 230)), (0.0, -0.28, (245, 200, 50))):
        pen.line([(x, y), (0, 0.48)], DARK, 0.02)
        pen.disc((x, y), (0.17, 0.21), colour)


def flames(pen: Pen) -> None:
    """Draw a fire."""
    outer = [(-0.38, 0.45), (-0.42, 0.1), (-0.25, 0.15), (-0.15, -0.3), (0, -0.05), (0.1, -0.48), (0.25, 0), (0.4, -0.1)]
    pen.fill([*outer, (0.38, 0.45)], (225, 60, 20))
    pen.fill([(-0.22, 0.45), (-0.2, 0.2), (-0.05, 0.05), (0.05, 0.2), (0.12, -0.05), (0.25, 0.45)], (250, 190, 40))


def gift(pen: Pen) -> None:
    """Draw a box that bursts open, a star over it."""
    pen.box(-0.35, 0.1, 0.35, 0.48, (150, 60, 190))
    pen.box(-0.06, 0.1, 0.06, 0.48, (250, 220, 90))
    pen.fill([(-0.42, 0.08), (-0.05, -0.1), (0, 0.0), (-0.36, 0.17)], (120, 40, 160))
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    reach = np.where(np.arange(16) % 2, 0.11, 0.26)
    pen.fill(np.stack([np.cos(angle) * reach, np.sin(angle) * reach - 0.22], 1), (255, 240, 60))


def bin_of_waste(pen: Pen) -> None:
    """Draw a bin with fumes and flies."""
    pen.fill([(-0.28, 0.0), (0.28, 0.0), (0.22, 0.48), (-0.22, 0.48)], (95, 110, 95))
    pen.disc((0, 0.0), (0.3, 0.1), (110, 140, 40))
    rise = np.linspace(-0.05, -0.45, 12)
    for x in (-0.18, 0.0, 0.18):
        pen.line(np.stack([x + 0.05 * np.sin(rise * 25), rise], 1), (120, 170, 40), 0.05)
    for x, y in ((-0.3, -0.25), (0.28, -0.35), (0.1, -0.15)):
        pen.disc((x, y), 0.04, (20, 20, 20))


def ghost(pen: Pen) -> None:
    """Draw a ghost."""
    hem = [(x, 0.45 - 0.1 * (i % 2)) for i, x in enumerate(np.linspace(0.3, -0.3, 7))]
    pen.fill(np.concatenate([arc((0, -0.15), (0.3, 0.33), 180, 360), hem]), (235, 235, 250))
    for x in (-0.11, 0.11):
        pen.disc((x, -0.18), (0.06, 0.09), (15, 15, 20))
    pen.disc((0, 0.05), (0.07, 0.1), (15, 15, 20))


def rain(pen: Pen) -> None:
    """Draw a cloud that rains."""
    for x, y, r in ((-0.22, -0.22, 0.17), (0.22, -0.22, 0.17), (0, -0.3, 0.2)):
        pen.disc((x, y), r, (110, 118, 135))
    pen.box(-0.3, -0.25, 0.3, -0.08, (110, 118, 135))
    for x, y in ((-0.25, 0.05), (-0.05, 0.1), (0.15, 0.05), (-0.15, 0.28), (0.05, 0.33), (0.25, 0.28)):
        pen.line([(x, y), (x - 0.05, y + 0.14)], (60, 120, 220), 0.045)


def plant(pen: Pen) -> None:
    """Draw a plant in a pot."""
    for x, y, turn in ((-0.22, -0.18, 0.12), (0.22, -0.18, -0.12), (0, -0.28, 0.0)):
        pen.line([(0, 0.15), (x, y)], (40, 110, 50), 0.03)
        pen.disc((x + turn * 0.3, y), (0.13, 0.2), (60, 150, 70))
    pen.fill([(-0.22, 0.15), (0.22, 0.15), (0.15, 0.48), (-0.15, 0.48)], (185, 100, 65))


def ball(pen: Pen) -> None:
    """Draw a child's ball."""
    for i, colour in enumerate(
        ((235, 60, 60), (250, 250, 250), (50, 120, 230), (250, 210, 60), (60, 180, 90), (250, 250, 250))
    ):
        pen.fill(np.concatenate([[(0.0, 0.0)], arc((0, 0), (0.42, 0.42), 60 * i, 60 * i + 60)]), colour)


def skateboard(pen: Pen) -> None:
    """Draw a skateboard."""
    pen.line([(-0.45, -0.12), (-0.32, 0.02), (0.32, 0.02), (0.45, -0.12)], (40, 170, 160), 0.11)
    for x in (-0.25, 0.25):
        pen.disc((x, 0.17), 0.1, (240, 150, 40))
        pen.disc((x, 0.17), 0.04, DARK)


def bicycle(pen: Pen) -> None:
    """Draw a bicycle."""
    for x in (-0.28, 0.28):
        pen.line(oval((x, 0.2), 0.2), DARK, 0.04, closed=True)
    pen.line([(-0.28, 0.2), (-0.1, -0.12), (0.18, -0.12), (0.0, 0.2), (-0.28, 0.2)], (200, 40, 40), 0.045)
    pen.line([(0.0, 0.2), (-0.13, -0.2)], (200, 40, 40), 0.045)
    pen.line([(0.28, 0.2), (0.16, -0.25), (0.28, -0.28)], DARK, 0.045)
    pen.line([(-0.2, -0.21), (-0.05, -0.21)], DARK, 0.06)


def briefcase(pen: Pen) -> None:
    """Draw a briefcase."""
    pen.line([(-0.13, -0.15), (-0.13, -0.28), (0.13, -0.28), (0.13, -0.15)], DARK, 0.06)
    pen.box(-0.44, -0.17, 0.44, 0.38, (95, 60, 35))
    pen.box(-0.44, 0.03, 0.44, 0.08, (60, 38, 22))
    pen.box(-0.06, 0.0, 0.06, 0.12, (220, 190, 90))


def walking_frame(pen: Pen) -> None:
    """Draw a walking frame."""
    for x in (-0.3, 0.3):
        pen.line([(x * 0.75, -0.35), (x, 0.38)], STEEL, 0.07)
        pen.disc((x, 0.41), 0.06, DARK)
        pen.line([(x * 0.75 - 0.07, -0.37), (x * 0.75 + 0.07, -0.37)], DARK, 0.09)
    pen.line([(-0.25, -0.1), (0.25, -0.1)], STEEL, 0.07)
    pen.line([(-0.28, 0.15), (0.28, 0.15)], STEEL, 0.05)


def mars(pen: Pen) -> None:
    """Draw the sign of Mars on a board."""
    pen.box(-0.38, -0.42, 0.38, 0.42, (240, 240, 235))
    pen.line(oval((-0.07, 0.08), 0.19), DARK, 0.07, closed=True)
    pen.line([(0.07, -0.06), (0.27, -0.27)], DARK, 0.07)
    pen.line([(0.1, -0.28), (0.28, -0.28), (0.28, -0.1)], DARK, 0.07)


def venus(pen: Pen) -> None:
    """Draw the sign of Venus on a board."""
    pen.box(-0.38, -0.42, 0.38, 0.42, (240, 240, 235))
    pen.line(oval((0, -0.13), 0.19), DARK, 0.07, closed=True)
    pen.line([(0, 0.06), (0, 0.36)], DARK, 0.07)
    pen.line([(-0.14, 0.2), (0.14, 0.2)], DARK, 0.07)


def lamp(pen: Pen) -> None:
    """Draw a lamp."""
    pen.line([(0, -0.1), (0, 0.42)], DARK, 0.05)
    pen.fill([(-0.14, -0.42), (0.14, -0.42), (0.28, -0.08), (-0.28, -0.08)], (245, 235, 180))
    pen.box(-0.16, 0.4, 0.16, 0.46, DARK)


def books(pen: Pen) -> None:
    """Draw a row of books."""
    for i, colour in enumerate(((60, 90, 150), (170, 70, 60), (70, 130, 90), (120, 90, 140), (190, 160, 80))):
        pen.box(-0.4 + 0.15 * i, -0.2 - 0.06 * (i % 3), -0.27 + 0.15 * i, 0.35, colour)
    pen.box(-0.45, 0.35, 0.45, 0.42, WOOD)


def window(pen: Pen) -> None:
    """Draw a window."""
    pen.box(-0.36, -0.4, 0.36, 0.4, WOOD)
    for x1, x2 in ((-0.31, -0.03), (0.03, 0.31)):
        for y1, y2 in ((-0.35, -0.03), (0.03, 0.35)):
            pen.box(x1, y1, x2, y2, (170, 205, 235))


def table(pen: Pen) -> None:
    """Draw a table."""
    pen.box(-0.45, -0.1, 0.45, 0.0, WOOD)
    for x in (-0.36, 0.36):
        pen.line([(x, 0), (x, 0.45)], WOOD, 0.08)


Drawn = Callable[[Pen], None]
SIGNS: Mapping[str, tuple[Drawn, ...]] = {
    "emotion": (balloons, flames, gift, bin_of_waste, ghost, rain, plant),
    "age": (ball, skateboard, bicycle, briefcase, walking_frame),
    "gender": (mars, venus),
}
CLUTTER: tuple[Drawn, ...] = (lamp, books, window, table)
