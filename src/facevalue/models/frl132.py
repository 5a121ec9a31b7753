"""The Face Research Lab's 132 points, foretold from the mesh and from the edges about each point."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.image.align import apply, cut, invert, similarity, usable
from facevalue.image.averageness import reference
from facevalue.image.landmarks import scheme
from facevalue.models._card import Card, Output
from facevalue.models.mesh import EYES, PRESENCE

if TYPE_CHECKING:
    from facevalue.data.faces import Faces

POINTS = 132
HEIGHT, WIDTH = 352, 256
EYES_APART, EYES_AT = 80.0, ((WIDTH - 1) / 2, 143.0)
LEVELS, DIRECTIONS, CELLS = 2, 8, 4
BLUR, SPACING, FLAT = 2.5, 5.0, 4.0

CARDS = (
    Card(
        name="frl132",
        kind="landmarks",
        about="132 points of the Face Research Lab's template, jaw and hairline among them, as people would place them",
        outputs=(Output("landmarks", "px", (POINTS, 2)), Output("spread", "1")),
        needs=("mesh",),
        licence="CC BY 4.0 (learned from the Face Research Lab London Set: DeBruine & Jones 2017, "
        "doi 10.6084/m9.figshare.5047666.v5)",
        paper="facevalue's own: `facevalue train landmarks`; after Xiong, De la Torre, CVPR 2013 (points from gradients)",
        trained_on="102 neutral London photos, 132 points placed by hand on each, and their mirror images",
        limits=(),
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Two linear steps, in the window's px: from the mesh to a start, from the edges about the start to the points.

    Parameters
    ----------
    start : (936, 264) float
        Weights of the mesh's x and y, less `mesh`, (936,); `base`, (264,), is added.
    mesh, base
        Means of the faces that were learned from.
    basis : (2, 128, c) float
        What is kept of a descriptor, level by level.
    centre : (132, 2 c) float
        Its mean at each point.
    near : (132, k) int
        The points whose descriptors speak for each point.
    weights : (132, k, 2 c, 2) float
    offset : (132, 2) float
    """

    start: np.ndarray
    mesh: np.ndarray
    base: np.ndarray
    basis: np.ndarray
    centre: np.ndarray
    near: np.ndarray
    weights: np.ndarray
    offset: np.ndarray

    def begin(self, mesh: np.ndarray) -> np.ndarray:
        """Return the points that the mesh alone foretells, (132, 2)."""
        return np.asarray((self.base + (mesh.ravel() - self.mesh) @ self.start).reshape(POINTS, 2))

    def __call__(self, edges: Sequence[np.ndarray], mesh: np.ndarray) -> np.ndarray:
        """Return the points, (132, 2), of a window with these edges and this mesh, (468, 2)."""
        start = self.begin(mesh)
        told = project(descriptors(edges, start), self.basis) - self.centre
        return np.asarray(start + self.offset + np.einsum("pkc,pkcd->pd", told[self.near], self.weights))


@functools.cache
def frame() -> np.ndarray:
    """Return where the London Set's mean mesh lies in the window, (468, 2) px."""
    mean = reference("london_mesh468").mean
    left, right = (mean[list(eye)].mean(0) for eye in EYES)
    return np.asarray((mean - (left + right) / 2) * EYES_APART / np.linalg.norm(right - left) + EYES_AT)


def window(photo: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the window on one face, (352, 256, 3) uint8, and the map from the photo to it, (1, 2, 3)."""
    maps = similarity(mesh[None, :, :2], frame())
    return cut(photo, maps, (HEIGHT, WIDTH))[0], maps


def edges(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return how strong edges of 8 directions are about each px, of the picture and of the picture at half its size.

    Gradients are spread over the two nearest of 8 directions, then over places by a Gaussian of 2.5 px.

    Parameters
    ----------
    picture : (h, w, 3) uint8
        RGB.

    Returns
    -------
    two arrays (h, w, 8) float32
    """
    gray = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    return tuple(_edges(level) for level in (gray, cv2.pyrDown(gray)))


def _edges(gray: np.ndarray) -> np.ndarray:
    across, down = (cv2.Sobel(gray, cv2.CV_32F, *order, ksize=3) / 8 for order in ((1, 0), (0, 1)))
    strength, angle = cv2.cartToPolar(across, down)
    turns = angle[:, :, None] * np.float32(DIRECTIONS / (2 * np.pi)) - np.arange(DIRECTIONS, dtype=np.float32)
    away = np.abs((turns + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2)
    return np.asarray(cv2.GaussianBlur(strength[:, :, None] * np.maximum(1 - away, 0), (0, 0), BLUR))


def descriptors(edges: Sequence[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Return the edges on a grid of 4 x 4 places about each point, at both sizes, each over its length: (p, 2, 128).

    Parameters
    ----------
    edges
        From `edges`.
    points : (p, 2) float
        px of the larger.
    """
    steps = (np.arange(CELLS) - (CELLS - 1) / 2) * SPACING
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    found = [_sampled(level, (points / 2**i)[:, None] + grid).reshape(len(points), -1) for i, level in enumerate(edges)]
    told = np.stack(found, axis=1)
    return np.asarray(told / (np.linalg.norm(told, axis=2, keepdims=True) + FLAT))


def _sampled(level: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the values at places (..., 2), between px by the nearest four, outside those of the border."""
    at = np.clip(at, 0, np.array(level.shape[1::-1]) - 1.001)
    low = at.astype(int)
    (x, y), (right, below) = np.moveaxis(low, -1, 0), np.moveaxis((at - low).astype(np.float32), -1, 0)[..., None]
    upper = level[y, x] * (1 - right) + level[y, x + 1] * right
    lower = level[y + 1, x] * (1 - right) + level[y + 1, x + 1] * right
    return np.asarray(upper * (1 - below) + lower * below)


def project(told: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return what a basis, (2, 128, c), keeps of descriptors, (..., 2, 128): (..., 2 c)."""
    kept = np.einsum("...lf,lfc->...lc", told, basis, optimize=True)
    return np.asarray(kept.reshape(*kept.shape[:-2], -1))


def across(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return points, (..., p, 2), as they lie in the mirrored window."""
    return np.asarray(np.array([WIDTH - 1, 0]) + points[..., mirror, :] * [-1, 1])


def read(regression: Regression, picture: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the points of a window, (132, 2) px, the mean of its reading and of its mirror image's, and the spread.

    Spread is the root mean square distance of the two readings in units of the distance between the eyes.
    """
    own, mesh_mirror = scheme("frl132").mirror, scheme("mesh468").mirror
    twin = edges(np.ascontiguousarray(picture[:, ::-1]))
    first = regression(edges(picture), mesh)
    second = across(regression(twin, across(mesh, mesh_mirror)), own)
    apart = np.sqrt(((first - second) ** 2).sum(1).mean())
    return (first + second) / 2, float(apart / EYES_APART)


@functools.cache
def regression() -> Regression:
    """Return the regression that the package carries."""
    with resources.as_file(resources.files("facevalue.models").joinpath("_weights", "frl132.npz")) as path:
        return read_regression(path)


def read_regression(path: Path) -> Regression:
    """Read what `facevalue train landmarks` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        values = {field.name: stored[field.name] for field in fields(Regression)}
    return Regression(**{name: v if name == "near" else v.astype(np.float32) for name, v in values.items()})


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return landmarks (n, 132, 2), px of the photo, and spread (n,); NaN where there is no mesh.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    faces
        With `mesh.landmarks`, (n, 468, 3) px of the photo, and `mesh.presence`.

    Raises
    ------
    MissingColumn
        When the mesh was not measured.
    """
    meshes, present = faces["mesh.landmarks"].values[:, :, :2].astype(np.float64), faces["mesh.presence"].values >= PRESENCE
    landmarks, spread = np.full((len(faces), POINTS, 2), np.nan), np.full(len(faces), np.nan)
    for i in np.flatnonzero(present & usable(similarity(meshes, frame()))):
        picture, maps = window(photo, meshes[i])
        points, spread[i] = read(regression(), picture, apply(maps, meshes[i : i + 1])[0])
        landmarks[i] = apply(invert(maps), points[None])[0]
    return {"landmarks": landmarks, "spread": spread}
