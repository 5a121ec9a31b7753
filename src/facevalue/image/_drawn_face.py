"""A drawn face: an expression, signs of age and of gender, all within the oval of the face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevalue.image._pen import Pen, Points, arc, oval

# axes of the head: the origin its middle, one unit its height, y down
OVAL = ((0.0, 0.03), (0.36, 0.45))
HEAD = ((0.0, 0.0), (0.46, 0.54))
EYES, BROW, MOUTH = 0.155, -0.19, 0.26
INK, WHITE, RED = (35, 25, 25), (250, 250, 250), (190, 40, 50)
CHILD, ADOLESCENT, MIDDLE, OLDER = 0, 1, 3, 4
FEMALE = 1


@dataclass(frozen=True, slots=True)
class Expression:
    """How brows, eyes and mouth stand.

    Parameters
    ----------
    inner, outer
        How far the brows' ends are lowered, units.
    open
        Half the height of an eye, units.
    pupil
        Its radius, units.
    mouth
        Draws it.
    """

    inner: float
    outer: float
    open: float
    pupil: float
    mouth: Callable[[Pen, tuple[int, int, int], bool], None]


def draw_face(pen: Pen, shown: tuple[int, int, int], skin: np.ndarray, hair: np.ndarray) -> None:
    """Draw a face in the axes of its head: emotion, age and gender, places in the labels of CHAPNet."""
    emotion, age, gender = shown
    expression, female = EXPRESSIONS[emotion], gender == FEMALE
    pen.disc(*OVAL, skin)
    pen.line(arc((0, 0.06), (0.05, 0.07), 20, 130), skin * 0.6, 0.02)
    _age(pen, age, skin)
    if not female:
        _beard(pen, hair)
    expression.mouth(pen, RED if female else (140, 75, 70), female)
    _eyes(pen, expression, wide=1.25 if age == CHILD else 1.0, lashes=female)
    _brows(pen, expression, np.array((150, 150, 150)) if age == OLDER else hair * 0.7, 0.03 if female else 0.05)
    if emotion == 3:
        for y in (-0.02, 0.03):
            pen.line([(-0.05, y), (0.05, y)], skin * 0.55, 0.015)
    if emotion == 5:
        pen.disc((-EYES - 0.02, 0.12), (0.03, 0.055), (90, 170, 240))
    if age == OLDER:
        for side in (-1, 1):
            pen.line(oval((side * EYES, -0.05), (0.13, 0.11)), INK, 0.02, closed=True)
        pen.line([(-0.03, -0.06), (0.03, -0.06)], INK, 0.02)


def face_outlines(pen: Pen) -> dict[str, np.ndarray]:
    """Return where the parts of a face that was drawn in these axes lie, px: eye, lower, face and head."""
    lower = np.concatenate([[(-0.38, 0.06)], [(0.38, 0.06)], arc((0.0, 0.06), (0.38, 0.46), 0, 180)[1:-1]])
    local: dict[str, Points] = {
        "eye": [(-0.34, -0.31), (0.34, -0.31), (0.34, 0.07), (-0.34, 0.07)],
        "lower": lower,
        "face": oval((OVAL[0][0], OVAL[0][1]), (OVAL[1][0] * 1.07, OVAL[1][1] * 1.07)),
        "head": oval(HEAD[0], (HEAD[1][0] * 1.1, HEAD[1][1] * 1.1)),
    }
    return {name: pen.at(points).astype(np.float32) for name, points in local.items()}


def _eyes(pen: Pen, expression: Expression, *, wide: float, lashes: bool) -> None:
    for side in (-1, 1):
        middle = (side * EYES, -0.05)
        pen.disc(middle, (0.075 * wide, expression.open * wide), WHITE)
        pen.disc(middle, min(expression.pupil * wide, expression.open * wide), INK)
        pen.line(arc(middle, (0.075 * wide, expression.open * wide), 180, 360), INK, 0.02)
        if lashes:
            for reach in (0.07, 0.1, 0.13):
                low, high = -0.05 - expression.open, -0.09 - expression.open
                pen.line([(side * (EYES + reach - 0.04), low), (side * (EYES + reach), high)], INK, 0.015)


def _brows(pen: Pen, expression: Expression, colour: np.ndarray, width: float) -> None:
    for side in (-1, 1):
        ends = [(side * 0.06, BROW + expression.inner), (side * 0.25, BROW + expression.outer)]
        pen.line(ends, colour, width)


def _beard(pen: Pen, hair: np.ndarray) -> None:
    jaw = arc(OVAL[0], (0.35, 0.44), 15, 165)
    inner = arc((0, 0.14), (0.25, 0.16), 170, 10)
    pen.fill(np.concatenate([jaw, inner]), hair * 0.85)
    pen.fill([(-0.16, 0.2), (0, 0.13), (0.16, 0.2), (0, 0.18)], hair * 0.7)


def _age(pen: Pen, age: int, skin: np.ndarray) -> None:
    line = skin * 0.62
    if age == CHILD:
        for side in (-1, 1):
            pen.disc((side * 0.23, 0.13), (0.075, 0.055), skin * 0.5 + np.array((120, 45, 50)))
    if age == ADOLESCENT:
        for x, y in ((-0.22, 0.08), (-0.27, 0.16), (0.2, 0.1), (0.26, 0.17), (-0.08, -0.27), (0.1, -0.29), (0.22, 0.22)):
            pen.disc((x, y), 0.024, (205, 60, 60))
    if age in (MIDDLE, OLDER):
        for i in range(3 if age == OLDER else 2):
            pen.line(arc((0, -0.22 - 0.045 * i), (0.19, 0.02), 200, 340), line, 0.016)
        for side in (-1, 1):
            pen.line([(side * 0.09, 0.1), (side * 0.17, 0.22)], line, 0.016)
    if age == OLDER:
        for side in (-1, 1):
            for y in (0.06, 0.12, 0.18):
                pen.line([(side * 0.23, y), (side * 0.32, y + 0.03)], line, 0.016)


def _smile(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    shape = np.concatenate([arc((0, MOUTH - 0.05), (0.17, 0.15), 0, 180), arc((0, MOUTH - 0.05), (0.17, 0.03), 180, 0)])
    pen.fill(shape, (95, 25, 30))
    pen.fill(np.concatenate([arc((0, MOUTH - 0.04), (0.15, 0.06), 0, 180), [(-0.15, MOUTH - 0.04)]]), WHITE)
    pen.line(shape, lips, 0.035 if thick else 0.02, closed=True)


def _clenched(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    corners = [(-0.13, MOUTH - 0.03), (0.13, MOUTH - 0.03), (0.16, MOUTH + 0.06), (-0.16, MOUTH + 0.06)]
    pen.fill(corners, WHITE)
    for x in (-0.08, 0, 0.08):
        pen.line([(x, MOUTH - 0.03), (x, MOUTH + 0.06)], INK, 0.012)
    pen.line([(-0.14, MOUTH + 0.015), (0.14, MOUTH + 0.015)], INK, 0.012)
    pen.line(corners, lips, 0.04 if thick else 0.025, closed=True)


def _gape(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    pen.disc((0, MOUTH + 0.01), (0.075, 0.1), (70, 15, 20))
    pen.line(oval((0, MOUTH + 0.01), (0.075, 0.1)), lips, 0.035 if thick else 0.02, closed=True)


def _tongue(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    x = np.linspace(-0.16, 0.16, 13)
    pen.disc((0.05, MOUTH + 0.07), (0.06, 0.085), (225, 95, 120))
    wave = np.stack([x, MOUTH + 0.025 * np.sin(x * 40)], 1)
    pen.line(wave, lips, 0.045 if thick else 0.03)


def _grimace(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    x = np.linspace(-0.17, 0.17, 15)
    top, low = MOUTH - 0.035 + 0.015 * np.sin(x * 60), MOUTH + 0.055 + 0.015 * np.sin(x * 60)
    shape = np.concatenate([np.stack([x, top], 1), np.stack([x, low], 1)[::-1]])
    pen.fill(shape, (70, 15, 20))
    pen.line(shape, lips, 0.035 if thick else 0.02, closed=True)


def _frown(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    pen.line(arc((0, MOUTH + 0.1), (0.14, 0.11), 200, 340), lips, 0.05 if thick else 0.035)


def _straight(pen: Pen, lips: tuple[int, int, int], thick: bool) -> None:
    pen.line([(-0.11, MOUTH), (0.11, MOUTH)], lips, 0.05 if thick else 0.035)


EXPRESSIONS = (
    Expression(-0.01, 0.0, 0.04, 0.038, _smile),
    Expression(0.09, -0.04, 0.032, 0.032, _clenched),
    Expression(-0.08, -0.08, 0.085, 0.035, _gape),
    Expression(0.05, 0.05, 0.02, 0.03, _tongue),
    Expression(-0.09, -0.01, 0.085, 0.02, _grimace),
    Expression(-0.08, 0.03, 0.03, 0.035, _frown),
    Expression(0.0, 0.0, 0.045, 0.038, _straight),
)
