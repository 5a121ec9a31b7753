"""Where the parts of a face lie that are to be hidden: outlines of eye, lower, face and head, and masks of them.

Three rungs of a ladder, from what tells most to what tells least: the mesh of a face, its box, the body it belongs to.
Each lower rung is wider. Hair that hangs below the chin is in no region.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.image.pose import mean_mesh

REGIONS = ("eye", "lower", "face", "head")
VERTICES = 468
# of MediaPipe's canonical face (Kartynnik et al. 2019): FACEMESH_RIGHT_EYE and _LEFT_EYE, _RIGHT_EYEBROW and _LEFT_EYEBROW
EYES = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
)
BROWS = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
LIDS = ((33, 133), (263, 362))  # the corners of the eye at the left of the picture, and of the other
BRIDGE = 197  # of the nose, below the eyes
# in distances between the eyes of the mean face: beside the eyes, above the forehead's topmost vertex
EYE_MARGIN, HAIRLINE = 0.35, 0.45
LOWER_GROWTH, FACE_GROWTH = 1.12, 1.1
FOREHEAD = -0.4  # vertices of the mean face that lie higher are forehead
# the head of the mean face, in distances between its eyes: middle and half axes, with hair and ears
HEAD_MIDDLE, HEAD_REACH = (0.0, -0.2, 1.0), (1.85, 2.45, 2.1)
# in widths and heights of a box, from its middle: middle of an ellipse and half its axes; where eye ends and lower begins
BOX_FACE, BOX_HEAD = ((0.0, -0.05), (0.78, 0.8)), ((0.0, -0.18), (1.08, 1.02))
BOX_EYE, BOX_LOWER = 0.42, -0.32
# half a head's height, with hair, in distances between joints, and the least of it in heights of a body
EARS, SHOULDERS, NOSE_EAR, PUPILS, NECK, STANDING = 0.9, 0.55, 1.3, 2.3, 0.6, 1 / 12
NARROW = 0.95  # a head's width in heights, seen from anywhere
TOP = 0.75  # of a body's box: in its widths, how far down a head may reach; at least a quarter of it
AROUND = 1.6  # an ellipse around that part: above root 2, for boxes of bodies end at the hair or within it
SEEN = 0.3  # a joint is used from this confidence
CORNERS = 48  # of an ellipse
FARTHEST = 1e7  # px


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """A part of a photo to be hidden.

    Parameters
    ----------
    outline : (p, 2) float
        A polygon, x y in px of the photo; it may reach beyond the photo.
    size
        Of the face it belongs to, px: the root of its box's area. Strengths are relative to it.
    """

    outline: np.ndarray
    size: float


def mesh_outlines(mesh: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outlines of the four regions of a face whose vertices are known.

    eye: the bar along the eyes around eyes and brows, .35 eye distances wider on each side. lower: the hull of what lies
    below the nose's bridge, 12 % wider. face: the hull of all, up to the hairline, 10 % wider; it holds lower. head: the
    outline of an ellipsoid with hair and ears, fixed to the face and turned with it; it holds the other three.
    Eye distances are those of the mean face, so that a face that looks aside has margins no narrower.

    Parameters
    ----------
    mesh : (468, 2 or 3) float
        MediaPipe's vertices, px; z is not used.

    Returns
    -------
    dict
        (p, 2) float64 polygons, px, convex, by name of the region.

    Raises
    ------
    ValueError
        Another shape, a vertex that is not finite, or two eyes in one place: take `box_outlines`.

    References
    ----------
    Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, arXiv 1907.06724, 2019.

    Examples
    --------
    >>> outlines = mesh_outlines(100 * mean_mesh()[0] + 300)
    >>> {name: np.ptp(points, axis=0).round().astype(int).tolist() for name, points in outlines.items()}
    {'eye': [251, 115], 'lower': [244, 182], 'face': [244, 345], 'head': [371, 491]}
    """
    points = np.asarray(mesh, np.float64)
    if points.shape not in ((VERTICES, 2), (VERTICES, 3)) or not np.isfinite(points[:, :2]).all():
        raise ValueError(f"expected {VERTICES} finite vertices x y [z], got an array of {points.shape}; take box_outlines")
    points = points[:, :2]
    eyes = np.array([points[list(one)].mean(0) for one in LIDS])
    onto = _pseudo_inverse() @ (points - points.mean(0))
    scale = float(np.linalg.norm(onto, 2))
    if not np.ptp(eyes, 0).any() or scale < 1e-9:
        raise ValueError("expected two eyes apart, got both in one place; take box_outlines")
    eye = _bar(points[[*EYES, *BROWS]], eyes[1] - eyes[0], EYE_MARGIN * scale)
    lower = _grown(_hull(points[_below()]), points[BRIDGE], LOWER_GROWTH)
    forehead = points[_above()] - HAIRLINE * onto[1]
    face = _hull(np.concatenate([_grown(_hull(np.concatenate([points, forehead])), points.mean(0), FACE_GROWTH), lower]))
    head = _hull(np.concatenate([_ellipsoid(onto) + points.mean(0), face, eye]))
    return {"eye": eye, "lower": lower, "face": face, "head": head}


@functools.cache
def _pseudo_inverse() -> np.ndarray:
    """Return what takes centred points to the affine map from the mean face, (3, 468)."""
    face = mean_mesh()[0]
    return np.asarray(np.linalg.pinv(face - face.mean(0)))


@functools.cache
def _below() -> np.ndarray:
    """Return the vertices that lie no higher than the nose's bridge on the mean face."""
    height = mean_mesh()[0][:, 1]
    return np.flatnonzero(height >= height[BRIDGE])


@functools.cache
def _above() -> np.ndarray:
    """Return the vertices of the forehead."""
    return np.flatnonzero(mean_mesh()[0][:, 1] < FOREHEAD)


def _hull(points: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.convexHull(points.astype(np.float32)).reshape(-1, 2), np.float64)


def _grown(outline: np.ndarray, middle: np.ndarray, factor: float) -> np.ndarray:
    return np.asarray(middle + factor * (outline - middle))


def _bar(points: np.ndarray, along: np.ndarray, margin: float) -> np.ndarray:
    """Return the rectangle around points, one side along a direction, wider by a margin on every side."""
    x, y = along / np.linalg.norm(along)
    axes = np.array([[x, y], [-y, x]])
    low, high = (points @ axes.T).min(0) - margin, (points @ axes.T).max(0) + margin
    return np.asarray(np.array([low, (high[0], low[1]), high, (low[0], high[1])]) @ axes)


def _ellipsoid(onto: np.ndarray) -> np.ndarray:
    """Return the outline of the mean face's head under an affine map, (3, 2), of centred points: middle + root(A A^T) u."""
    u, singular, _ = np.linalg.svd(onto.T * HEAD_REACH)
    middle = (np.array(HEAD_MIDDLE) - mean_mesh()[0].mean(0)) @ onto
    return np.asarray(middle + _circle() * singular @ u.T)


def _circle() -> np.ndarray:
    """Return a polygon around the unit circle, (p, 2)."""
    angles = np.arange(CORNERS) * 2 * np.pi / CORNERS
    return np.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1) / np.cos(np.pi / CORNERS))


def box_outlines(box: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outlines of the four regions of a face of which only a box is known.

    face: an ellipse 1.56 times as wide and 1.6 times as high as the box, .05 heights above its middle, so that another
    detector's box of the same face lies in it but for its corners. eye and lower: its part above .42, and below -.32
    heights from the box's middle, for how a face is turned is not known. head: an ellipse 2.16 times as wide, 2.04 as high.

    Parameters
    ----------
    box : (4,) float
        x1 y1 x2 y2, px.

    Returns
    -------
    dict
        (p, 2) float64 polygons, px, convex, by name of the region.

    Raises
    ------
    ValueError
        Another shape, a side that is not finite, or no area.

    Examples
    --------
    >>> outlines = box_outlines(np.array([100, 100, 200, 200.0]))
    >>> {name: np.ptp(points, axis=0).round().astype(int).tolist() for name, points in outlines.items()}
    {'eye': [156, 127], 'lower': [156, 107], 'face': [156, 160], 'head': [216, 204]}
    """
    middle, sides = _checked(box)
    face = _ellipse(middle + sides * BOX_FACE[0], sides * BOX_FACE[1])
    head = _ellipse(middle + sides * BOX_HEAD[0], sides * BOX_HEAD[1])
    eye = _cut(face, middle[1] + BOX_EYE * sides[1], above=True)
    lower = _cut(face, middle[1] + BOX_LOWER * sides[1], above=False)
    return {"eye": eye, "lower": lower, "face": face, "head": head}


def body_outlines(body: np.ndarray, joints: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the outlines of the four regions of a person whose face was not found: of each, the ellipse around the head.

    Half its height is the largest of .9 x ear to ear, .55 x shoulder to shoulder, 1.3 x nose to ear, 2.3 x eye to eye,
    .6 x head to neck, as far as they are seen, and 1/12 of the body's height, for each of them vanishes in some view.
    Where no two of them are seen, or the head they tell of lies off the body, it is the upper part of the body's box.

    Parameters
    ----------
    body : (4,) float
        x1 y1 x2 y2, px.
    joints : (17, 3) float, optional
        COCO's: x y, px, and confidence in [0, 1]; nose, eyes, ears, shoulders first.

    Returns
    -------
    dict
        The same (p, 2) float64 polygon, px, four times, by name of the region.

    Raises
    ------
    ValueError
        Another shape, a side that is not finite, or no area.

    Examples
    --------
    >>> joints = np.zeros((17, 3))
    >>> joints[[3, 4]] = (140, 120, 0.9), (120, 120, 0.8)
    >>> np.ptp(body_outlines(np.array([100, 100, 160, 300.0]), joints)["face"], axis=0).round().tolist()
    [34.0, 36.0]
    """
    middle, sides = _checked(body)
    outline = _head_of(joints, middle, sides) if joints is not None else None
    if outline is None:
        height = min(sides[1], max(TOP * sides[0], sides[1] / 4))
        half = np.array([sides[0], height]) / 2
        outline = _ellipse(np.array([middle[0], middle[1] - sides[1] / 2 + half[1]]), half * AROUND)
    return {name: outline.copy() for name in REGIONS}


def _head_of(joints: np.ndarray, middle: np.ndarray, sides: np.ndarray) -> np.ndarray | None:
    """Return the ellipse around the head that joints tell of; None where they tell of none, or of one off the body."""
    if joints.shape != (17, 3):
        raise ValueError(f"expected joints of shape (17, 3), x y and confidence, got {joints.shape}")
    places = np.asarray(joints[:, :2], np.float64)
    seen = (joints[:, 2] > SEEN) & np.isfinite(places).all(1)
    head, shoulders = seen[:5], bool(seen[5:7].all())
    reach = _reach(places, seen, sides[1])
    if reach is None:
        return None
    neck, hips = places[5:7].mean(0), places[11:13][seen[11:13]]
    down = np.array([0.0, 1.0])
    if head.any() and shoulders:
        down = neck - places[:5][head].mean(0)
    elif shoulders and len(hips):
        down = hips.mean(0) - neck
    down = down / max(float(np.linalg.norm(down)), 1e-9)
    at = places[:5][head].mean(0) if head.any() else neck - 1.2 * reach * down
    if (abs(at - middle) > 0.6 * sides).any():
        return None
    return _ellipse(at - 0.1 * reach * down, np.array([NARROW, 1.0]) * reach, down)


def _reach(places: np.ndarray, seen: np.ndarray, height: float) -> float | None:
    """Return half a head's height, px; None where no two joints tell of it."""
    pairs = [((3, 4), EARS), ((5, 6), SHOULDERS), ((0, 3), NOSE_EAR), ((0, 4), NOSE_EAR), ((1, 2), PUPILS)]
    known = [factor * float(np.linalg.norm(places[a] - places[b])) for (a, b), factor in pairs if seen[a] and seen[b]]
    if seen[5:7].all() and seen[:5].any():
        known.append(NECK * float(np.linalg.norm(places[5:7].mean(0) - places[:5][seen[:5]].mean(0))))
    return max([height * STANDING, *known]) if known else None


def _checked(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle and the sides of a box."""
    values = np.asarray(box, np.float64)
    if values.shape != (4,) or not np.isfinite(values).all() or (values[2:] <= values[:2]).any():
        raise ValueError(f"expected a box x1 y1 x2 y2 with x1 < x2 and y1 < y2, got {values.tolist()}")
    return (values[:2] + values[2:]) / 2, values[2:] - values[:2]


def _ellipse(middle: np.ndarray, half: np.ndarray, down: np.ndarray | None = None) -> np.ndarray:
    """Return an ellipse's outline, its second axis along a direction."""
    x, y = (0.0, 1.0) if down is None else down
    return np.asarray(middle + _circle() * half @ np.array([[y, -x], [x, y]]))


def inscribed(box: np.ndarray) -> np.ndarray:
    """Return the outline of the ellipse that touches the four sides of a box, (p, 2) px.

    Examples
    --------
    >>> np.ptp(inscribed(np.array([10, 20, 50, 80.0])), axis=0).round().tolist()
    [40.0, 60.0]
    """
    middle, sides = _checked(box)
    return _ellipse(middle, sides / 2)


def _cut(outline: np.ndarray, height: float, *, above: bool) -> np.ndarray:
    """Return the part of a convex polygon above or below a height."""
    after = np.roll(outline, -1, axis=0)
    crosses = (outline[:, 1] - height) * (after[:, 1] - height) < 0
    share = (height - outline[crosses, 1]) / (after[crosses, 1] - outline[crosses, 1])
    edge = outline[crosses] + share[:, None] * (after[crosses] - outline[crosses])
    kept = outline[:, 1] <= height if above else outline[:, 1] >= height
    return _hull(np.concatenate([outline[kept], edge]))


def filled(shape: tuple[int, int], outlines: Sequence[np.ndarray]) -> np.ndarray:
    """Return which pixels lie in one polygon or more, or within a pixel of an edge: none that is cut by one is left out.

    Parameters
    ----------
    shape
        Height and width of the photo, px.
    outlines
        (p, 2) float polygons, px; what reaches beyond the photo is cut off, one without points covers nothing.

    Returns
    -------
    (h, w) bool

    Raises
    ------
    ValueError
        A point that is not finite: what is to be hidden would stay visible.

    Examples
    --------
    >>> filled((4, 6), [np.array([[2, 2], [3, 2], [3, 9], [2, 9.0]])]).astype(int)
    array([[0, 0, 0, 0, 0, 0],
           [0, 0, 1, 1, 0, 0],
           [0, 1, 1, 1, 1, 0],
           [0, 1, 1, 1, 1, 0]])
    """
    mask = np.zeros(shape, np.uint8)
    for outline in outlines:
        points = np.asarray(outline, np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ValueError("expected outlines of finite points, got one that is not; nothing would be hidden there")
        if len(points):
            corners = [np.round(points.clip(-FARTHEST, FARTHEST) * 16).astype(np.int32)]
            cv2.fillPoly(mask, corners, 1, cv2.LINE_8, shift=4)
            cv2.polylines(mask, corners, True, 1, 2, cv2.LINE_8, 4)  # alone, filling leaves out pixels up to .6 px inside
    return mask.astype(bool)
