"""Crops: where a model's window lies on a photo, and the pixels in it. One function cuts, for every model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

EYES = (0, 1)
MOUTH = (3, 4)
# Vertices of the 468-point mesh at dlib's five points: eye corners right to left in the picture, base of the nose.
MESH_EYE_CORNERS = (263, 362, 33, 133, 2)
ARCFACE_112 = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
DLIB_CORNERS = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)


@dataclass(frozen=True, slots=True)
class Crop:
    """A window on a face, square unless it says how wide it is.

    Parameters
    ----------
    how
        "template": the five points are laid on `template` by a least-squares similarity;
        "eyes_mouth": the two eyes and the middle of the mouth are;
        "corners": `template` is laid on the eye corners and the base of the nose, out of the mesh, as dlib does;
        "upright": a square around the box, `scale` times its mean side, moved down by `shift` of it;
        "eyes_level": the same, turned until the eyes are level;
        "stretched": a rectangle `scale` times as wide and high as the box, less where the photo is smaller, pushed back
        inside the photo, its pixels stretched to the crop;
        "letterbox": the box, after the photo was turned about its middle until the eyes are level, in the middle of the
        crop with its aspect kept and black around it;
        "ffhq": the middle `scale` of FFHQ-Aging's square about eyes and mouth.
    size
        Height, px.
    template
        (k, 2) px of the crop.
    scale, shift
        For the squares, in units of the box's mean side; of "ffhq", `scale` is the share of its square's side.
    width
        px; 0: as wide as high. The squares are never anything else.
    nudge
        How the face is moved from its place in the crop: right and down in shares of the crop's sides, degrees
        counter-clockwise about its middle, and a factor of size; none for the crop as it should be.
    """

    how: Literal["template", "eyes_mouth", "corners", "upright", "eyes_level", "stretched", "letterbox", "ffhq"]
    size: int
    template: tuple[tuple[float, float], ...] = ()
    scale: float = 1.0
    shift: float = 0.0
    width: int = 0
    nudge: tuple[float, float, float, float] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.size, self.width or self.size


def arcface(size: int = 112) -> Crop:
    """Return the five-point crop of ArcFace, 112 px or a multiple."""
    return Crop("template", size, tuple((x * size / 112, y * size / 112) for x, y in ARCFACE_112))


def dlib_chip(size: int = 150, padding: float = 0.25) -> Crop:
    """Return dlib's `get_face_chip`: corner p goes to the place `(padding + p) / (1 + 2 padding) * size`.

    Places count from the edge of the crop, half a px before the centre of its first px.
    """
    unit = size / (1 + 2 * padding)
    return Crop("corners", size, tuple(((padding + x) * unit - 0.5, (padding + y) * unit - 0.5) for x, y in DLIB_CORNERS))


def ffhq(size: int = 128, *, scale: float = 1.0) -> Crop:
    """Return FFHQ-Aging's crop, or its middle: a square turned with the face, wider than FFHQ's own.

    With `e` from eye to eye and `m` from the eyes' middle to the mouth's, its right is `x = e + (m_y, -m_x)`, half its
    side `max(2 |e|, 2.2 |m|)`, its centre a tenth of `m` below the eyes' middle.

    Parameters
    ----------
    size
        px.
    scale
        The share of the square's side that is kept, 0 to 1.

    References
    ----------
    Karras, Laine, Aila: A Style-Based Generator Architecture for GANs, CVPR 2019 (FFHQ; 1.8 for 2.2); Or-El et al.:
    Lifespan Age Transformation Synthesis, ECCV 2020 (FFHQ-Aging).
    """
    return Crop("ffhq", size, scale=scale)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the least-squares similarity (rotation, one scale, shift; no mirroring) from points to points.

    With points as complex numbers about their means, `a = sum(conj(s) t) / sum |s|^2` is scale and rotation in one.

    Parameters
    ----------
    source : (n, k, 2) float
    target : (k, 2) or (n, k, 2) float

    Returns
    -------
    (n, 2, 3) float64
        Affine matrices: `target ~ source @ m[:, :2].T + m[:, 2]`.

    References
    ----------
    Umeyama, IEEE TPAMI 13(4), 1991, eq. 40-42, in two dimensions.

    Examples
    --------
    >>> similarity(np.array([[[0, 0], [1, 0], [0, 1]]]), np.array([[2, 3], [4, 3], [2, 5]])).round(6)
    array([[[ 2., -0.,  2.],
            [ 0.,  2.,  3.]]])
    """
    s = np.asarray(source, np.float64) @ (1, 1j)
    t = np.broadcast_to(np.asarray(target, np.float64) @ (1, 1j), s.shape)
    s_mean, t_mean = s.mean(-1, keepdims=True), t.mean(-1, keepdims=True)
    s, t = s - s_mean, t - t_mean
    with np.errstate(invalid="ignore"):  # NaN points give NaN maps
        a = ((s.conj() * t).sum(-1) / np.maximum((s.conj() * s).sum(-1).real, 1e-12))[:, None]
        b = t_mean - a * s_mean
    rows = (np.hstack([a.real, -a.imag, b.real]), np.hstack([a.imag, a.real, b.imag]))
    return np.stack(rows, axis=1)


def transforms(
    crop: Crop, box: np.ndarray, landmarks: np.ndarray, *, shape: tuple[int, int], mesh: np.ndarray | None = None
) -> np.ndarray:
    """Return the affine map from photo px to crop px for each face.

    Parameters
    ----------
    crop
        The window.
    box : (n, 4) float
        px.
    landmarks : (n, 5, 2) float
        px.
    shape
        Height and width of the photo, px.
    mesh : (n, 468, 2 or 3) float, optional
        px; needed where `crop.how` is "corners".

    Returns
    -------
    (n, 2, 3) float64
    """
    maps = _placed(crop, np.asarray(box, np.float64), np.asarray(landmarks, np.float64), shape, mesh)
    return maps if crop.nudge is None else _nudged(crop, maps)


def _placed(crop: Crop, box: np.ndarray, points: np.ndarray, shape: tuple[int, int], mesh: np.ndarray | None) -> np.ndarray:
    if crop.how == "template":
        return similarity(points, np.array(crop.template))
    if crop.how == "eyes_mouth":
        middle = points[:, MOUTH].mean(1, keepdims=True)
        return similarity(np.concatenate([points[:, EYES], middle], axis=1), np.array(crop.template))
    if crop.how == "corners":
        if mesh is None:
            raise ValueError("a crop by eye corners needs the mesh")
        corners = np.asarray(mesh[:, MESH_EYE_CORNERS, :2], np.float64)
        return invert(similarity(np.broadcast_to(np.array(crop.template), corners.shape), corners))
    if crop.how == "stretched":
        return _stretched(crop, box, shape)
    if crop.how == "letterbox":
        return _letterbox(crop, box, points)
    return _ffhq(crop, points) if crop.how == "ffhq" else _square(crop, box, points)


def _nudged(crop: Crop, maps: np.ndarray) -> np.ndarray:
    """Return the maps, (n, 2, 3), followed by the nudge of the crop."""
    assert crop.nudge is not None
    right, down, degrees, factor = crop.nudge
    height, width = crop.shape
    middle = (width - 1) / 2, (height - 1) / 2
    turn = cv2.getRotationMatrix2D(middle, degrees, factor) + [[0, 0, right * width], [0, 0, down * height]]
    moved = turn[:, :2] @ maps
    moved[:, :, 2] += turn[:, 2]
    return np.asarray(moved)


def _stretched(crop: Crop, box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    size, photo = box[:, 2:] - box[:, :2], np.array(shape[::-1], np.float64)
    side = size * np.minimum(crop.scale, ((photo - 1) / size).min(1, keepdims=True))
    corner = np.clip((box[:, :2] + box[:, 2:] - side) / 2, 0, photo - side)
    maps = np.zeros((len(box), 2, 3))
    scale = np.array(crop.shape[::-1]) / side
    maps[:, (0, 1), (0, 1)] = scale
    maps[:, :, 2] = (0.5 - corner) * scale - 0.5
    return maps


def frames(crop: Crop, box: np.ndarray) -> np.ndarray | None:
    """Return where in a "letterbox" crop the box lies; None for the other crops, which photo fills.

    The box's sides are multiplied by the smaller of width / w and height / h, and cut to whole px, which for the longer
    side may be one too few by rounding; what is left over is halved, the larger half to the right and below.

    Parameters
    ----------
    crop
        The window.
    box : (n, 4) float
        px of the photo.

    Returns
    -------
    (n, 4) int or None
        x1 y1 x2 y2, px of the crop; nothing of it where a box has no size.

    Examples
    --------
    >>> frames(Crop("letterbox", 100), np.array([[10, 10, 60, 90.0]]))
    array([[ 19,   0,  81, 100]])
    """
    if crop.how != "letterbox":
        return None
    side, whole = np.asarray(box, np.float64), np.array(crop.shape[::-1])
    side = side[:, 2:] - side[:, :2]
    sized = (side > 0).all(1, keepdims=True)
    side = np.where(sized, side, 1.0)
    inner = (np.floor(side * (whole / side).min(1, keepdims=True)) * sized).astype(int)
    low = (whole - inner) // 2
    return np.hstack([low, low + inner])


def _letterbox(crop: Crop, box: np.ndarray, points: np.ndarray) -> np.ndarray:
    frame = frames(crop, box)
    assert frame is not None
    low, inner = frame[:, :2], frame[:, 2:] - frame[:, :2]
    right, down = _level(points)
    with np.errstate(divide="ignore", invalid="ignore"):  # boxes without size give no usable map
        scale = inner / (box[:, 2:] - box[:, :2])
    turn = np.stack([right, down], axis=1) * scale[:, :, None]
    # edges, not centres of px, and the box's middle in the middle of its frame
    middle = (box[:, :2] + box[:, 2:]) / 2 - 0.5
    shift = low + inner / 2 - 0.5 - (turn @ middle[:, :, None])[:, :, 0]
    return np.concatenate([turn, shift[:, :, None]], axis=2)


def _level(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the face's right and down in the photo, (n, 2) each of length 1: along the eyes where there are eyes."""
    level = points[:, 1] - points[:, 0]
    level = level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    right = np.where(np.isfinite(level), level, (1.0, 0.0))
    return right, np.stack([-right[:, 1], right[:, 0]], axis=1)


def _ffhq(crop: Crop, points: np.ndarray) -> np.ndarray:
    left, right = points[:, EYES[0]], points[:, EYES[1]]
    across, middle = right - left, (left + right) / 2
    down = points[:, MOUTH].mean(1) - middle
    long = np.maximum(2.0 * np.linalg.norm(across, axis=1), 2.2 * np.linalg.norm(down, axis=1))
    x = across + down[:, ::-1] * (1, -1)
    x = x * (crop.scale * long / np.maximum(np.linalg.norm(x, axis=1), 1e-9))[:, None]
    y, centre = x[:, ::-1] * (-1, 1), middle + 0.1 * down
    corners = np.stack([centre - x - y, centre + x - y, centre - x + y], axis=1)
    return similarity(corners, np.array([(0, 0), (crop.size, 0), (0, crop.size)], np.float64) - 0.5)


def _square(crop: Crop, box: np.ndarray, points: np.ndarray) -> np.ndarray:
    centre = (box[:, :2] + box[:, 2:]) / 2
    mean_side = (box[:, 2:] - box[:, :2]).mean(1)
    side = mean_side * crop.scale
    right, down = _level(points if crop.how == "eyes_level" else np.full_like(points, np.nan))
    centre = centre + down * (crop.shift * mean_side)[:, None]
    corner = centre - (right + down) * side[:, None] / 2
    corners = np.stack([corner, corner + right * side[:, None], corner + down * side[:, None]], axis=1)
    # edges, not centres of px: crop px p shows photo px (p + .5) * scale - .5, as an image resize does
    return similarity(corners - 0.5, np.array([(0, 0), (crop.size, 0), (0, crop.size)], np.float64) - 0.5)


def cut(photo: np.ndarray, maps: np.ndarray, size: int | tuple[int, int], *, within: np.ndarray | None = None) -> np.ndarray:
    """Return the crops, bilinear, black outside the photo; a face over twice the crop's size is first averaged down.

    Parameters
    ----------
    photo : (h, w, 3) uint8
    maps : (n, 2, 3) float
        From `transforms`.
    size
        Side of a crop, or its height and width, px.
    within : (n, 4) int, optional
        From `frames`: outside of it a crop is black.

    Returns
    -------
    (n, height, width, 3) uint8
    """
    height, width = (size, size) if isinstance(size, int) else size
    crops = np.zeros((len(maps), height, width, 3), np.uint8)
    for i in np.flatnonzero(usable(maps)):
        crop, matrix = crops[i], np.asarray(maps[i], np.float64)
        shrink = int(1 / max(*np.hypot(matrix[0, :2], matrix[1, :2])) + 1e-6)
        if shrink < 2:
            cv2.warpAffine(photo, matrix, (width, height), dst=crop, flags=cv2.INTER_LINEAR)
        else:
            part, reduced = _reduced(photo, matrix, (width, height), shrink)
            cv2.warpAffine(part, reduced, (width, height), dst=crop, flags=cv2.INTER_LINEAR)
        if within is not None:
            x1, y1, x2, y2 = within[i]
            crop[:y1], crop[y2:], crop[:, :x1], crop[:, x2:] = 0, 0, 0, 0
    return crops


def usable(maps: np.ndarray) -> np.ndarray:
    """Return for each affine map, (n, 2, 3), whether it can be inverted: False for NaN and for faces without size.

    Examples
    --------
    >>> usable(np.array([[[2.0, 0, 4], [0, 2, 6]], [[0, 0, 4], [0, 0, 6]], [[np.nan] * 3] * 2]))
    array([ True, False, False])
    """
    return np.asarray(np.isfinite(maps).all((1, 2)) & (abs(_determinant(maps)) > 1e-12))


def _determinant(maps: np.ndarray) -> np.ndarray:
    return np.asarray(maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0])


def _reduced(photo: np.ndarray, matrix: np.ndarray, size: tuple[int, int], shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of the photo under a crop, averaged over `shrink` x `shrink` px, and the matrix for it."""
    width, height = size
    corners = apply(invert(matrix[None]), np.array([[(0, 0), (width, 0), (0, height), (width, height)]], np.float64))[0]
    limit = np.array(photo.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - shrink, 0, np.maximum(limit - shrink, 0))
    high = np.clip(np.ceil(corners.max(0)).astype(int) + shrink, low + shrink, np.maximum(limit, low + shrink))
    columns, rows = (high - low) // shrink
    part = photo[low[1] : low[1] + rows * shrink, low[0] : low[0] + columns * shrink]
    part = averaged(part, shrink)
    # px p of the reduced part is the mean of px shrink * p + low ... + shrink - 1 of the photo
    offset = low + (shrink - 1) / 2
    reduced = np.hstack([matrix[:, :2] * shrink, (matrix[:, :2] @ offset + matrix[:, 2])[:, None]])
    return part, reduced


def averaged(photo: np.ndarray, shrink: int) -> np.ndarray:
    """Return a photo averaged over `shrink` x `shrink` px; sides that are no multiple of it are stretched to fit.

    Powers of two go by halving, which OpenCV does several times as fast.

    Examples
    --------
    >>> averaged(np.arange(16, dtype=np.uint8).reshape(4, 4), 2)
    array([[ 3,  5],
           [11, 13]], dtype=uint8)
    """
    while shrink > 1:
        step = 2 if shrink & (shrink - 1) == 0 else shrink
        size = (max(1, photo.shape[1] // step), max(1, photo.shape[0] // step))
        photo, shrink = cv2.resize(photo, size, interpolation=cv2.INTER_AREA), shrink // step
    return photo


def invert(maps: np.ndarray) -> np.ndarray:
    """Return the inverse affine maps, (n, 2, 3); not finite where there is none.

    Examples
    --------
    >>> invert(np.array([[[2.0, 0, 4], [0, 2, 6]]]))
    array([[[ 0.5,  0. , -2. ],
            [ 0. ,  0.5, -3. ]]])
    """
    swapped = np.stack([maps[:, (1, 0), (1, 1)] * (1, -1), maps[:, (1, 0), (0, 0)] * (-1, 1)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = swapped / _determinant(maps)[:, None, None]
        return np.concatenate([inverse, -inverse @ maps[:, :, 2:]], axis=2) + 0.0


def apply(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points, (n, k, 2) px, carried through affine maps, (n, 2, 3).

    Examples
    --------
    >>> apply(np.array([[[2.0, 0, 4], [0, 2, 6]]]), np.array([[[1.0, 1.0]]]))
    array([[[6., 8.]]])
    """
    return np.asarray(points @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2])
