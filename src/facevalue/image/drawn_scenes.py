"""Drawn scenes whose right answer is known: a person, whose emotion, age and gender show in face, context and posture.

Each place shows the true label with a probability of its own, and else any label, all alike likely. So it is known how
much there is to be found in each place, and what remains when the face is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.image._drawn_body import Figure, draw_figure, pose
from facevalue.image._drawn_objects import CLUTTER, SIGNS, Drawn
from facevalue.image._pen import Pen

COUNTS: Mapping[str, int] = {"emotion": 7, "age": 5, "gender": 2}
PLACES = ("face", "context", "posture")
LEAST = 0.2  # of a column of things beside the person, in shares of the scene
ROWS = 3
BYSTANDER = 0.55  # height of someone in the background, beside what it would be in front

Labels = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A drawn scene, its right answer and what it shows of it.

    Parameters
    ----------
    photo : (s, s, 3) uint8
        RGB.
    box : (4,) float32
        x1 y1 x2 y2 of the person's body, px. No thing of the context reaches into it.
    joints : (18, 3) float32
        x y px and confidence, 1, of COCO-18.
    emotion, age, gender
        The right answer, places in the labels of CHAPNet.
    faces
        Outlines of each face by region, (p, 2) px: the person's, then those of others.
    shown
        Emotion, age and gender as "face", "context" and "posture" show them.
    """

    photo: np.ndarray
    box: np.ndarray
    joints: np.ndarray
    emotion: int
    age: int
    gender: int
    faces: tuple[dict[str, np.ndarray], ...]
    shown: Mapping[str, Labels]


def draw_scene(
    *,
    seed: int,
    size: int = 400,
    p_face: float = 1.0,
    p_context: float = 1.0,
    p_posture: float = 1.0,
    labels: Labels | None = None,
) -> Scene:
    """Draw a scene.

    In each place each label is the right one with probability p, and else any of the k, the right one among them: with
    probability p + (1 - p) / k in all. Nothing else depends on the labels: skin, hair, the clothes' colours, the wall, the
    things that mean nothing, the person in the background, and where all stands as far as the body leaves room.

    Parameters
    ----------
    seed
        Of all that is drawn at random.
    size
        Width and height, px, 64 or more.
    p_face
        Expression; cheeks, spots, wrinkles and glasses; beard, or lips and lashes. All of it lies in the region "face".
    p_context
        Things beside the person: one for each emotion, one for each age, one for each gender.
    p_posture
        How arms, head and knees are held; the build; clothes.
    labels
        Emotion, age and gender, 0 to 6, 0 to 4 and 0 to 1; drawn where None.

    Raises
    ------
    ValueError
        A smaller size, a probability outside [0, 1], or unknown labels.

    Examples
    --------
    >>> scene = draw_scene(seed=1, size=128, p_face=0, labels=(0, 2, 1))
    >>> scene.photo.shape, scene.shown["context"], sorted(scene.faces[0])
    ((128, 128, 3), (0, 2, 1), ['eye', 'face', 'head', 'lower'])
    """
    chances = _checked(size, (p_face, p_context, p_posture), labels)
    draw = np.random.default_rng(seed)
    truth = labels or _any(draw)
    shown = {place: _shown(truth, p, draw) for place, p in chances.items()}
    photo = _room(size, draw)
    figure = pose(shown["posture"], size, draw)
    feet = _feet(figure, size, draw)
    box = (figure.box + np.tile(feet, 2)).clip(0, size).astype(np.float32)
    others = _context(photo, box, shown["context"], draw)
    face = draw_figure(photo, figure, feet, shown["face"], draw)
    joints = np.column_stack([figure.joints + feet, np.ones(18)]).astype(np.float32)
    emotion, age, gender = truth
    return Scene(_lit(photo, draw), box, joints, emotion, age, gender, (face, *others), shown)


def _checked(size: int, chances: tuple[float, ...], labels: Labels | None) -> dict[str, float]:
    if size < 64:
        raise ValueError(f"expected a size of 64 px or more, got {size}")
    if not all(0 <= p <= 1 for p in chances):
        raise ValueError(f"expected probabilities from 0 to 1, got {chances}")
    if labels is not None and not all(0 <= one < k for one, k in zip(labels, COUNTS.values(), strict=True)):
        raise ValueError(f"expected labels below {tuple(COUNTS.values())}, got {labels}")
    return dict(zip(PLACES, chances, strict=True))


def _any(draw: np.random.Generator) -> Labels:
    emotion, age, gender = (int(draw.integers(k)) for k in COUNTS.values())
    return emotion, age, gender


def _shown(truth: Labels, p: float, draw: np.random.Generator) -> Labels:
    right = draw.random(3) < p
    emotion, age, gender = (true if told else other for true, told, other in zip(truth, right, _any(draw), strict=True))
    return emotion, age, gender


def _room(size: int, draw: np.random.Generator) -> np.ndarray:
    """Return a wall and a floor of any colours, a pattern on the wall."""
    wall, floor, stripe = draw.integers(90, 245, (3, 3))
    photo = np.empty((size, size, 3), np.uint8)
    horizon = int(size * draw.uniform(0.68, 0.8))
    photo[:horizon], photo[horizon:] = wall, floor
    if draw.random() < 0.5:
        step = max(4, int(size * draw.uniform(0.06, 0.15)))
        for x in range(int(draw.integers(step)), size, step):
            photo[:horizon, x : x + max(1, step // 4)] = (0.7 * wall + 0.3 * stripe).astype(np.uint8)
    return photo


def _feet(figure: Figure, size: int, draw: np.random.Generator) -> tuple[float, float]:
    """Return where a person stands so that things have room to both sides."""
    box = figure.box
    left, right = LEAST * size - box[0], (1 - LEAST) * size - box[2]
    x = draw.uniform(left, right) if left < right else (left + right) / 2
    return float(x), float(min(draw.uniform(0.88, 0.96) * size, size - box[3]))


def _context(photo: np.ndarray, box: np.ndarray, shown: Labels, draw: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """Draw what the context shows, things that mean nothing and perhaps someone else; return the faces of the latter."""
    size = photo.shape[0]
    columns = [(0.0, float(box[0])), (float(box[2]), float(size))]
    slots = [(low, high, row) for low, high in columns for row in range(ROWS)]
    faces: list[dict[str, np.ndarray]] = []
    if draw.random() < 0.4:
        behind = int(draw.integers(2))
        slots = [slot for slot in slots if slot[:2] != columns[behind] or slot[2] == 0]
        faces.append(_bystander(photo, columns[behind], draw))
    order = [slots[i] for i in draw.permutation(len(slots))]
    things: list[Drawn] = [SIGNS[task][one] for task, one in zip(SIGNS, shown, strict=True)]
    things += [CLUTTER[i] for i in draw.permutation(len(CLUTTER))[: draw.integers(len(order) - 2)]]
    for thing, (low, high, row) in zip(things, order, strict=False):
        side = min(high - low, size / ROWS) * draw.uniform(0.85, 1)
        x = draw.uniform(low + side / 2, high - side / 2)
        y = draw.uniform(row * size / ROWS + side / 2, (row + 1) * size / ROWS - side / 2)
        tint = draw.normal(0, 14, 3)
        thing(Pen(photo, (float(x), float(y)), 0.9 * side, float(draw.uniform(-8, 8)), (tint[0], tint[1], tint[2])))
    return faces


def _bystander(photo: np.ndarray, column: tuple[float, float], draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw someone whose face and posture have nothing to do with the labels, in a column beside the person."""
    size, width = photo.shape[0], column[1] - column[0]
    figure = pose(_any(draw), size * BYSTANDER, draw)
    box = figure.box
    if (wide := box[2] - box[0]) > width:
        figure = figure.smaller(width / wide)
        box = figure.box
    x = draw.uniform(column[0] - box[0], max(column[1] - box[2], column[0] - box[0] + 1e-6))
    return draw_figure(photo, figure, (float(x), size * 0.93), _any(draw), draw)


def _lit(photo: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return the photo under uneven light, with a grain."""
    size = photo.shape[0]
    light = cv2.resize(draw.normal(1, 0.06, (3, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    grain = draw.integers(0, 9, (size, size), np.int8).astype(np.float32) - 4
    return cv2.convertScaleAbs((photo * light[..., None] + grain[..., None]).clip(0, 255))
