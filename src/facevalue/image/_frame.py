"""The frame of a photo: the face turned in it, cropped too tightly or too loosely, or small."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image._cover import mixed, usable_axes
from facevalue.image.align import apply
from facevalue.image.jitter import View

# half the sides of a face about its middle, in eye distances, and how far that is below the eyes
FACE, BELOW = (1.2, 1.6), 0.5
REACHES = (1.8, 1.4, 1.1, 0.92, 0.75)


def middles(view: View) -> np.ndarray:
    """Return the middles of the faces that have any, (m, 2) px, half an eye distance below the eyes."""
    maps = usable_axes(view)
    return np.asarray(maps[:, :, 1] * BELOW + maps[:, :, 2])


def carried(view: View, photo: np.ndarray, maps: np.ndarray) -> View:
    """Return a photo, and boxes and landmarks where an affine map without turn, (2, 3), carries points."""
    corners = apply(maps[None], view.box.reshape(1, -1, 2) - 0.5) + 0.5
    return View(photo, corners.reshape(-1, 4), apply(maps[None], view.landmarks))


def rotation(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo turned counter-clockwise by degrees about the mean middle of the faces, its edges repeated outwards.

    Boxes keep their size and move with their centres.
    """
    where = middles(view)
    if not len(where):
        return view
    turn = cv2.getRotationMatrix2D(tuple(map(float, where.mean(0))), level, 1.0)
    size = view.photo.shape[1::-1]
    photo = cv2.warpAffine(view.photo, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    centre = (view.box[:, :2] + view.box[:, 2:] - 1) / 2
    moved = apply(turn[None], centre[None])[0] - centre
    return View(photo, view.box + np.hstack([moved, moved]), apply(turn[None], view.landmarks))


def tight_crop(view: View, level: float, rng: np.random.Generator) -> View:
    """Return what a window about the faces shows, enlarged to the photo's shape.

    The window has the photo's aspect and holds `level` times each face's reach (`FACE`); it is pushed back inside the
    photo, and no larger than it, so that a photo that is cropped as tightly already stays as it is.
    """
    maps = usable_axes(view)
    if not len(maps):
        return view
    shape, where = np.array(view.photo.shape[1::-1], np.float64), middles(view)
    reach = level * np.abs(maps[:, :, :2] * FACE).sum(2)
    low, high = (where - reach).min(0), (where + reach).max(0)
    share = min(1.0, float(((high - low) / shape).max()))
    side = shape * share
    corner = np.clip((low + high) / 2 + 0.5 - side / 2, 0, shape - side)
    scale = 1 / share
    onto = np.array([[scale, 0, 0], [0, scale, 0]])
    onto[:, 2] = (0.5 - corner) * scale - 0.5
    size = view.photo.shape[1::-1]
    photo = cv2.warpAffine(view.photo, onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return carried(view, photo, onto)


def loose_crop(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo at `level` times its size in the middle of the frame, its blurred edges going on outwards."""
    height, width = view.photo.shape[:2]
    w, h = max(1, round(width * level)), max(1, round(height * level))
    inner = cv2.resize(view.photo, (w, h), interpolation=cv2.INTER_AREA)
    left, top = (width - w) // 2, (height - h) // 2
    photo = _surround(inner, (left, top), (width, height))
    edge = max(2, round(0.04 * min(w, h)))
    fade = np.minimum(*np.ix_(_ramp(h, edge), _ramp(w, edge)))
    part = photo[top : top + h, left : left + w]
    part[:] = mixed(inner, part, fade)
    scale = np.array([w / width, h / height])
    onto = np.hstack([np.diag(scale), ((left, top) + 0.5 * scale - 0.5)[:, None]])
    return carried(view, photo, onto)


def _ramp(length: int, edge: int) -> np.ndarray:
    """Return 0 to 1 over an edge, 1, and back to 0: (length,) float32."""
    there = (np.arange(length, dtype=np.float32) + 0.5) / edge
    return np.asarray(np.clip(np.minimum(there, there[::-1]), 0, 1))


def _surround(inner: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return a photo of a size whose surround is the blurred edge of `inner`, going on outwards from its corner."""
    ratio = min(1.0, 64 / max(size))
    coarse = max(2, round(size[0] * ratio)), max(2, round(size[1] * ratio))
    small = cv2.resize(
        inner, (max(1, round(inner.shape[1] * ratio)), max(1, round(inner.shape[0] * ratio))), interpolation=cv2.INTER_AREA
    )
    left, top = (
        min(round(one * ratio), whole - part) for one, whole, part in zip(corner, coarse, small.shape[1::-1], strict=True)
    )
    right, below = coarse[0] - left - small.shape[1], coarse[1] - top - small.shape[0]
    wide = cv2.copyMakeBorder(small, top, below, left, right, cv2.BORDER_REPLICATE)
    return cv2.resize(cv2.GaussianBlur(wide, (0, 0), 2.5), size, interpolation=cv2.INTER_LINEAR)


def small(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as from `level` px between the eyes, at its shape again; as it is where there are no more.

    Down by the mean over areas, up bicubic. Severities that ask for more px than a face has leave it as it is.
    """
    ratio = level / eye_distance(view)
    if not ratio < 1:
        return view
    height, width = view.photo.shape[:2]
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    reduced = cv2.resize(view.photo, size, interpolation=cv2.INTER_AREA)
    return replace(view, photo=cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC))


CORRUPTIONS = (
    Corruption("rotation", "turned in the plane, counter-clockwise", "deg", (10.0, 20.0, 30.0, 45.0, 60.0), rotation),
    Corruption("tight_crop", "cropped about the face until it leaves the frame", "of the face's reach", REACHES, tight_crop),
    Corruption("loose_crop", "the face ever smaller in the frame", "of its size", (0.75, 0.55, 0.4, 0.28, 0.18), loose_crop),
    Corruption("small", "few px, enlarged again", "px between the eyes", (60.0, 40.0, 30.0, 20.0, 10.0), small),
)
