"""A drawn body: a posture for each emotion, a build for each age, clothes for each gender, and its joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.image._drawn_face import EYES, HEAD, draw_face, face_outlines
from facevalue.image._pen import Pen, arc, oval

OLDER, FEMALE = 4, 1
SKIN = ((250, 220, 195), (235, 190, 155), (205, 150, 110), (150, 100, 70), (100, 65, 45))
HAIR = ((40, 30, 25), (90, 60, 35), (150, 105, 55), (215, 180, 110), (140, 60, 35), (165, 165, 165))
LIMB = 0.075  # width of an arm, of the body's height
# arms of an emotion: upper and lower arm of each side, degrees outward from straight down
ARMS = (
    ((150, 165), (150, 165)),
    ((50, -45), (50, -45)),
    ((85, 175), (85, 175)),
    ((95, 125), (12, 8)),
    ((25, -140), (25, -140)),
    ((4, -28), (4, -28)),
    ((12, 6), (12, 6)),
)
FEAR, SADNESS = 4, 5
FLARE = 0.13  # of a skirt beyond the waist, to each side
FACIAL = ((0, 0.09), (-EYES, -0.05), (EYES, -0.05), (-0.36, 0.02), (0.36, 0.02))  # nose, eyes and ears in the head's axes
NOWHERE = np.empty((0, 0, 3), np.uint8)

Shown = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Build:
    """A body's build: height in shares of the scene, head and half the shoulders' and waist's width in shares of the height."""

    height: float
    head: float
    shoulders: float
    waist: float


BUILDS = (
    Build(0.52, 0.38, 0.1, 0.08),
    Build(0.64, 0.31, 0.1, 0.065),
    Build(0.74, 0.27, 0.115, 0.075),
    Build(0.74, 0.27, 0.125, 0.145),
    Build(0.64, 0.3, 0.105, 0.105),
)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A body before it is drawn, in px from between its feet, y down.

    Parameters
    ----------
    joints : (18, 2) float
        Of COCO-18.
    head : (2,) float
        Its middle.
    unit
        Height of the body.
    head_unit
        Height of the head.
    roll
        Of the head, degrees clockwise.
    shown
        Emotion, age and gender of the posture, the build and the clothes.
    """

    joints: np.ndarray
    head: np.ndarray
    unit: float
    head_unit: float
    roll: float
    shown: Shown

    @property
    def box(self) -> np.ndarray:
        """x1 y1 x2 y2 of all that is drawn of it."""
        reach = np.array((0.56, 0.62)) * self.head_unit
        wide = self.unit * max(BUILDS[self.shown[1]].waist + FLARE * (self.shown[2] == FEMALE), 0.18 * (self.shown[1] == OLDER))
        points = np.concatenate([self.joints, [self.head - reach, self.head + reach, (-wide, 0), (wide, 0)]])
        margin = 0.06 * self.unit
        return np.concatenate([points.min(0) - margin, points.max(0) + (margin, 0.045 * self.unit)])

    def smaller(self, by: float) -> Figure:
        """Return the same body at another size."""
        return Figure(self.joints * by, self.head * by, self.unit * by, self.head_unit * by, self.roll, self.shown)


def pose(shown: Shown, size: float, draw: np.random.Generator) -> Figure:
    """Return a body that shows an emotion by its posture, an age by its build and a gender by its clothes."""
    emotion, age, _ = shown
    build, sad, bent = BUILDS[age], emotion == SADNESS, age == OLDER
    unit = size * build.height * draw.uniform(0.9, 1.05)
    stoop, droop = (amount * draw.choice((-1, 1)) for amount in (0.09 * bent, 16 * sad))
    joints = _joints(emotion, build, stoop, draw)
    roll = float(draw.normal(0, 3) + droop + 60 * stoop)
    sunk = max(0.05 * sad, 0.07 * bent)
    head = np.array((stoop * 1.35, sunk - (1 - build.head) - 0.47 * build.head))
    axes = Pen(NOWHERE, (float(head[0]), float(head[1])), build.head, roll)
    joints[[0, 14, 15, 16, 17]] = axes.at(FACIAL)
    return Figure(joints * unit, head * unit, unit, build.head * unit, roll, shown)


def _joints(emotion: int, build: Build, stoop: float, draw: np.random.Generator) -> np.ndarray:
    """Return the joints below the head, in heights of the body from between its feet, (18, 2)."""
    body, knees, other = 1 - build.head, 0.05 * (emotion == FEAR), int(draw.integers(2))
    joints = np.zeros((18, 2))
    joints[1] = stoop, -0.96 * body
    for i, side in enumerate((-1, 1)):
        arm, leg = 2 + 3 * i, 8 + 3 * i
        joints[arm] = stoop + side * build.shoulders, -0.94 * body + 0.02 * (emotion == SADNESS)
        for j, angle in enumerate(np.radians(np.array(ARMS[emotion][i ^ other]) + draw.normal(0, 4, 2))):
            joints[arm + j + 1] = joints[arm + j] + 0.19 * body * np.array((side * np.sin(angle), np.cos(angle)))
        joints[leg] = side * 0.055, -0.5 * body
        joints[leg + 1] = side * (0.06 + knees), -0.27 * body
        joints[leg + 2] = side * (0.065 - knees / 2), -0.03
    return joints


def draw_figure(
    photo: np.ndarray, figure: Figure, feet: tuple[float, float], face: Shown, draw: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw a body whose feet stand at x y px of the photo, with a face; return the outlines of the face, px."""
    skin = np.array(SKIN[draw.integers(len(SKIN))], float) + draw.normal(0, 6, 3)
    hair = np.array(HAIR[draw.integers(len(HAIR))], float) + draw.normal(0, 6, 3)
    pen = Pen(photo, feet, figure.unit)
    _body(pen, figure, skin, draw.integers(30, 225, (2, 3)).astype(float))
    head = Pen(photo, (feet[0] + figure.head[0], feet[1] + figure.head[1]), figure.head_unit, figure.roll)
    style = int(draw.integers(3))
    _hair_behind(head, hair, style)
    for side in (-0.37, 0.37):
        head.disc((side, 0.02), (0.05, 0.08), skin * 0.93)
    draw_face(head, face, skin, hair)
    head.fill(np.concatenate([arc((0, 0.02), (0.4, 0.46), 197, 343), arc((0, -0.1), (0.36, 0.24), 343, 197)]), hair)
    return face_outlines(head)


def _body(pen: Pen, figure: Figure, skin: np.ndarray, clothes: np.ndarray) -> None:
    joints, (top, below) = figure.joints / figure.unit, clothes
    build, female = BUILDS[figure.shown[1]], figure.shown[2] == FEMALE
    for leg in (8, 11):
        pen.line(joints[leg : leg + 3], skin if female else below, LIMB * 1.15)
        pen.disc((joints[leg + 2, 0], -0.02), (0.055, 0.03), (40, 35, 35))
    pen.line(np.array([joints[1], figure.head / figure.unit]), skin * 0.9, 0.07)
    waist = build.waist
    torso = [joints[2] + (-0.03, -0.015), joints[5] + (0.03, -0.015)]
    middle = (joints[8] + joints[11]) / 2
    belly = [(middle[0] + waist, middle[1] - 0.1), (middle[0] + max(waist * 0.8, 0.075), middle[1] + 0.03)]
    mirror = [(2 * middle[0] - x, y) for x, y in reversed(belly)]
    pen.fill(np.array([*torso, *belly, *mirror]), top)
    if female:
        hem = joints[9, 1] + 0.03
        pen.fill([(-waist, middle[1] - 0.08), (waist, middle[1] - 0.08), (waist + FLARE, hem), (-waist - FLARE, hem)], top)
    for arm in (2, 5):
        pen.line(joints[arm : arm + 3], top * 0.85, LIMB)
        pen.disc(tuple(joints[arm + 2]), 0.045, skin)
    if figure.shown[1] == OLDER:
        side = 1.0 if joints[1, 0] > 0 else -1.0
        pen.line([(side * 0.2, -0.35), (side * 0.2, -0.01)], (110, 70, 40), 0.03)
        pen.line([(side * 0.2, -0.35), (side * 0.14, -0.37)], (110, 70, 40), 0.03)


def _hair_behind(head: Pen, hair: np.ndarray, style: int) -> None:
    if style == 1:
        head.fill([(-0.44, -0.1), (0.44, -0.1), (0.46, 0.5), (-0.46, 0.5)], hair * 0.9)
    radius = HEAD[1] if style != 2 else (HEAD[1][0] * 1.08, HEAD[1][1] * 1.05)
    head.fill(oval((0, -0.03), (radius[0] * 0.94, radius[1] * 0.92)), hair * 0.9)
