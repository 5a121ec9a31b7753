"""The square picture that a detector was trained on, made out of a photo, and what it finds brought back into the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facevalue.data.faces import Faces
from facevalue.image.align import averaged
from facevalue.image.boxes import keep


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A photo shrunk or enlarged into a square: picture px = photo px * scale + corner.

    Parameters
    ----------
    picture : (side, side, 3) uint8
        RGB.
    scale : (2,) float
        Along x and y; they differ by less than a pixel's rounding.
    corner : (2,) float
        Where the photo's first pixel lies, x y px.
    """

    picture: np.ndarray
    scale: np.ndarray
    corner: np.ndarray


def letterbox(photo: np.ndarray, side: int, *, fill: int = 0, centred: bool = False) -> Letterbox:
    """Return a photo with its longer side at `side` px, averaged by a whole number, then bilinear, padded to a square.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    side
        px.
    fill
        Value of the padding, 0 to 255.
    centred
        Whether the padding lies on both sides, or to the right and below.

    Examples
    --------
    >>> box = letterbox(np.full((20, 40, 3), 9, np.uint8), 8, centred=True)
    >>> box.picture[:, 0, 0].tolist(), box.scale.tolist(), box.corner.tolist()
    ([0, 0, 9, 9, 9, 9, 0, 0], [0.2, 0.2], [0.0, 2.0])
    """
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(averaged(photo, int(1 / scale)), size)
    left, top = ((side - size[0]) // 2, (side - size[1]) // 2) if centred else (0, 0)
    right, below = side - size[0] - left, side - size[1] - top
    picture = cv2.copyMakeBorder(small, top, below, left, right, cv2.BORDER_CONSTANT, value=(fill, fill, fill))
    return Letterbox(picture, np.array(size) / (width, height), np.array([left, top], float))


def faces(rows: np.ndarray, box: Letterbox, *, limit: float) -> Faces:
    """Return the faces of the photo, best first, one of those that overlap.

    Parameters
    ----------
    rows : (n, 15) float
        Box (4), points (10), px of the picture, and score.
    box
        The picture.
    limit
        Intersection over union from which two boxes are one face, in (0, 1].

    Examples
    --------
    >>> box = Letterbox(np.zeros((8, 8, 3), np.uint8), np.array([0.5, 0.5]), np.array([0.0, 2.0]))
    >>> rows = np.array([[1, 3, 2, 4, *[2] * 10, 0.6], [1, 3, 2, 4.5, *[3] * 10, 0.7]])
    >>> faces(rows, box, limit=0.4).box.tolist()
    [[2.0, 2.0, 4.0, 5.0]]
    """
    rows = rows[keep(rows[:, :4], rows[:, 14], limit)]
    points = (rows[:, :14].reshape(-1, 7, 2) - box.corner) / box.scale
    return Faces(np.full(len(rows), ""), points[:, :2].reshape(-1, 4), points[:, 2:], rows[:, 14])
