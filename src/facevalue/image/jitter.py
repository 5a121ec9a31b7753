"""Small changes of a photo that leave the face what it is: the pixels, and where the faces then lie in them.

Boxes count from the photo's edges, points from the centre of its first px: a mirrored box is `w - x`, a mirrored point
`w - 1 - x`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facevalue.image.align import EYES, apply

# the five points of a mirrored face, image left to right again
MIRRORED = (1, 0, 2, 4, 3)


@dataclass(frozen=True, slots=True)
class View:
    """A photo and where its faces lie.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    box : (n, 4) float
        x1 y1 x2 y2, px.
    landmarks : (n, 5, 2) float
        px, image left to right.
    """

    photo: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray


def jitter(view: View, *, seed: int | Sequence[int], shift: float = 0.05, scale: float = 0.1, points: float = 0.05) -> View:
    """Return the same photo with each box and each landmark moved a little, as another detector would place them.

    Parameters
    ----------
    view
        The photo.
    seed
        Of the draws.
    shift
        A box's centre moves by up to so many of its widths and heights, uniformly.
    scale
        Its sides are multiplied by 1 - `scale` to 1 + `scale`, uniformly, both by the same.
    points
        Each landmark moves by up to so many eye distances in x and in y, uniformly, on its own.

    Examples
    --------
    >>> view = View(np.zeros((9, 9, 3), np.uint8), np.array([[0, 0, 100, 100.0]]), np.zeros((1, 5, 2)))
    >>> jitter(view, seed=0).box.round(1)
    array([[ 6. ,  2.3, 96.8, 93.1]])
    """
    draw, n = np.random.default_rng(seed), len(view.box)
    size = view.box[:, 2:] - view.box[:, :2]
    centre = (view.box[:, 2:] + view.box[:, :2]) / 2 + size * draw.uniform(-shift, shift, (n, 2))
    half = size / 2 * draw.uniform(1 - scale, 1 + scale, (n, 1))
    eyes = np.linalg.norm(view.landmarks[:, EYES[1]] - view.landmarks[:, EYES[0]], axis=1)
    moved = view.landmarks + eyes[:, None, None] * draw.uniform(-points, points, (n, 5, 2))
    return View(view.photo, np.hstack([centre - half, centre + half]), moved)


def mirror(view: View) -> View:
    """Return the photo mirrored left to right, with its faces."""
    width = view.photo.shape[1]
    box = view.box[:, (2, 1, 0, 3)] * (-1, 1, -1, 1) + (width, 0, width, 0)
    landmarks = view.landmarks[:, MIRRORED] * (-1, 1) + (width - 1, 0)
    return View(cv2.flip(view.photo, 1), box, landmarks)


def rotate(view: View, degrees: float) -> View:
    """Return the photo turned counter-clockwise about its centre, its edges repeated outwards; boxes keep their size."""
    height, width = view.photo.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    photo = cv2.warpAffine(view.photo, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    centre = (view.box[:, :2] + view.box[:, 2:] - 1) / 2
    moved = apply(turn[None], centre[None])[0] - centre
    return View(photo, view.box + np.hstack([moved, moved]), apply(turn[None], view.landmarks))


def halve(view: View) -> View:
    """Return the photo at half its width and height, averaged, with its faces."""
    height, width = view.photo.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    ratio = np.array(size) / (width, height)
    photo = cv2.resize(view.photo, size, interpolation=cv2.INTER_AREA)
    return View(photo, view.box * np.tile(ratio, 2), (view.landmarks + 0.5) * ratio - 0.5)


def blur(view: View, share: float) -> View:
    """Return the photo under a Gaussian whose standard deviation is a share of the faces' mean box side."""
    sigma = share * float((view.box[:, 2:] - view.box[:, :2]).mean())
    return replace(view, photo=cv2.GaussianBlur(view.photo, (0, 0), sigma))


def compress(view: View, quality: int) -> View:
    """Return the photo as JPEG of a quality, 1 to 100, gives it back."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(view.photo, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return replace(view, photo=cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB))


def to_gray(view: View) -> View:
    """Return the photo without colour (ITU-R BT.601 luma), still in three channels."""
    return replace(view, photo=cv2.cvtColor(cv2.cvtColor(view.photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def brighten(view: View, factor: float) -> View:
    """Return the photo with its values multiplied, and cut off at 255."""
    return replace(view, photo=cv2.convertScaleAbs(view.photo, alpha=factor))
