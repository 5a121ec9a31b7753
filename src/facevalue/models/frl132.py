"""The Face Research Lab's 132 points, foretold from the mesh and from the edges about each point."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.image.align import apply, cut, invert, similarity, usable
from facevalue.image.averageness import reference
from facevalue.models._card import Card, Output
from facevalue.models.mesh import EYES, PRESENCE

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from facevalue.data.faces import Faces

POINTS = 132
MEASURES = ("asymmetry", "distinctiveness")
HEIGHT, WIDTH = 352, 256
EYES_APART, EYES_AT = 80.0, ((WIDTH - 1) / 2, 143.0)
LEVELS, DIRECTIONS, CELLS = 2, 8, 4
BLUR, SPACING, FLAT = 2.5, 5.0, 4.0

CARDS = (
    Card(
        name="frl132",
        kind="landmarks",
        about="132 points of the Face Research Lab's template, jaw and hairline among them, as people would place them",
        outputs=(Output("landmarks", "px", (POINTS, 2)),),
        needs=("mesh",),
        licence="CC BY 4.0 (learned from the Face Research Lab London Set: DeBruine & Jones 2017, "
        "doi 10.6084/m9.figshare.5047666.v5)",
        paper="facevalue's own: `facevalue train landmarks`; after Xiong, De la Torre, CVPR 2013 (points from gradients)",
        trained_on="102 neutral London photos, 132 points placed by hand on each, and their mirror images",
        limits=(
            "learned from 102 frontal, neutral, evenly lit adults before a plain wall, and tested on no others: held out, "
            "a point is off by 2.8 % of the distance between the eyes (eyes 1.5, nose 1.8, mouth 2.1, brows 3.7, jaw 5.1, "
            "cheek edge 5.9, hairline 6.4), averageness correlates .87 with that by hand, asymmetry .91",
            "before a patterned background put behind these people the error is 3.4 %, the correlation of averageness .84",
            "faces come out nearer to the mean than they are: distinctiveness is .063 on average, by hand .074",
            "of the smiling photos of these people averageness correlates .66 with that by hand of the neutral, asymmetry .42",
            "smiling, turned or bearded faces, and a hairline under a fringe or a hat, are guessed from what it learned",
            "where the window reaches beyond the photo its border counts as an edge",
        ),
        revision=2,
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
    """Return where the London Set's mean mesh lies in the window, (468, 2) px.

    Examples
    --------
    >>> frame()[[33, 263]].round(), frame()[152].round()  # the outer corners of the eyes, the chin
    (array([[ 70., 142.],
           [185., 142.]]), array([129., 283.]))
    """
    mean = reference("london_mesh468").mean
    left, right = (mean[list(eye)].mean(0) for eye in EYES)
    return np.asarray((mean - (left + right) / 2) * EYES_APART / np.linalg.norm(right - left) + EYES_AT)


def window(photo: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the window on one face, (352, 256, 3) uint8, and the map from the photo to it, (1, 2, 3).

    Parameters
    ----------
    photo : (h, w, 3) uint8
    mesh : (468, 2 or 3) float
        px of the photo.
    """
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
    """Return what a basis, (2, 128, c), keeps of descriptors, (..., 2, 128): (..., 2 c).

    Examples
    --------
    >>> project(np.array([[[1.0, 2], [3, 4]]]), np.array([[[1.0], [0]], [[0], [1]]]))
    array([[1., 4.]])
    """
    kept = np.einsum("...lf,lfc->...lc", told, basis, optimize=True)
    return np.asarray(kept.reshape(*kept.shape[:-2], -1))


def across(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return points, (..., p, 2), as they lie in the mirrored window, under their own names.

    Examples
    --------
    >>> across(np.array([[0, 5], [200, 6]]), np.array([1, 0])).tolist()
    [[55, 6], [255, 5]]
    """
    return np.asarray(np.array([WIDTH - 1, 0]) + points[..., mirror, :] * [-1, 1])


@functools.cache
def regression() -> Regression:
    """Return the regression that the package carries."""
    with resources.as_file(_weights()) as path:
        return read_regression(path)


@functools.cache
def departures() -> Mapping[str, np.ndarray]:
    """Return how far "asymmetry" and "distinctiveness" of points placed by people lay above those of the foretold, (102,) each.

    One a face of the London Set, whose points were foretold by a regression that had not learned from it.

    Examples
    --------
    >>> {name: np.median(values).round(3) for name, values in departures().items()}
    {'asymmetry': np.float32(0.004), 'distinctiveness': np.float32(0.01)}
    """
    with resources.as_file(_weights()) as path, np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in MEASURES}


def _weights() -> Traversable:
    return resources.files("facevalue.models").joinpath("_weights", "frl132.npz")


def read_regression(path: Path) -> Regression:
    """Read what `facevalue train landmarks` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        values = {field.name: stored[field.name] for field in fields(Regression)}
    return Regression(**{name: v if name == "near" else v.astype(np.float32) for name, v in values.items()})


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return landmarks, (n, 132, 2), px of the photo; NaN where there is no mesh.

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
    landmarks = np.full((len(faces), POINTS, 2), np.nan)
    for i in np.flatnonzero(present & usable(similarity(meshes, frame()))):
        picture, maps = window(photo, meshes[i])
        points = regression()(edges(picture), apply(maps, meshes[i : i + 1])[0])
        landmarks[i] = apply(invert(maps), points[None])[0]
    return {"landmarks": landmarks}
