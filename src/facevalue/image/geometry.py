"""Shapes of faces: what is left of landmarks without place, size and turn, and how far apart shapes are.

Points are (x, y), y down, in and out; no measure here depends on that. In two dimensions a shape is a complex vector
`z = x + iy` with mean 0 and length 1, and the turn that lays `z` on `m` with least squares is `<z, m> / |<z, m>|`,
`<z, m> = sum conj(z) m`: a rotation, never a reflection. Size is centroid size, `CS = sqrt(sum |p - c|^2)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.image._shapes import check_points, to_points, turned, unit

ROUNDS, CHANGE = 100, 1e-12

Eyes = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Shapes of n faces laid on each other; NaN where a point of the face is.

    Parameters
    ----------
    shapes : (n, p, 2) float
        Centred on 0; of size 1, or next to it where they were projected to the tangent space.
    mean : (p, 2) float
        Their mean, brought to size 1, upright on its principal axes.
    size : (n,) float
        Centroid size, in the unit of the points.
    """

    shapes: np.ndarray
    mean: np.ndarray
    size: np.ndarray


def centroid_size(points: np.ndarray) -> np.ndarray:
    """Return the centroid size of each face, `sqrt(sum |p - c|^2)`.

    Parameters
    ----------
    points : (n, p, 2) float

    Returns
    -------
    (n,) float

    Examples
    --------
    >>> centroid_size(np.array([[[0, 0], [6, 0], [6, 8], [0, 8.0]]]))
    array([10.])
    """
    centred = points - points.mean(1, keepdims=True)
    return np.asarray(np.sqrt((centred**2).sum((1, 2))))


def align(points: np.ndarray, *, eyes: Eyes | None = None, project: bool = True) -> Aligned:
    """Lay shapes on each other: generalised Procrustes analysis, partial (no scaling beyond unit size), rotations only.

    Each shape is turned to the mean, the mean taken anew and brought to unit size, until it changes by less than 1e-12.
    Then `f <- f - <f, m> m + m`, the projection to the tangent space at the mean m. All are turned to the principal axes of
    the mean and, by a multiple of 90 degrees, upright; what mirrors shapes needs that.

    Parameters
    ----------
    points : (n, p, 2) float
        Any unit; faces with NaN get NaN and have no part in the mean.
    eyes
        The points whose means are the eyes, image left first. Without them, upright is as the points mostly are.
    project
        To the tangent space.

    Returns
    -------
    Aligned

    Raises
    ------
    ValueError
        When no face has all its points, or all points of a face are one.

    References
    ----------
    Gower, Psychometrika 40, 1975; Dryden & Mardia, Statistical Shape Analysis, 2016, chapter 7; projection and axes as in
    the R packages geomorph (`gpagen`) and facefuns.

    Examples
    --------
    >>> square = np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])
    >>> found = align(np.stack([square, 5 * square[:, ::-1] * (1, -1) + 3]), eyes=([0], [1]))
    >>> found.size.round(3), found.shapes.round(2).tolist()[1]
    (array([ 2.828, 14.142]), [[-0.35, -0.35], [0.35, -0.35], [0.35, 0.35], [-0.35, 0.35]])
    """
    check_points(points)
    z, size = unit(points)
    there = np.isfinite(size)
    if not there.any():
        raise ValueError(f"expected faces with all their points; got {len(points)} faces, each with NaN")
    start, mean = z[there].mean(0), z[there][0]
    for _ in range(ROUNDS):
        z = turned(z, mean)
        before, mean = mean, z[there].mean(0)
        mean = mean / np.linalg.norm(mean)
        if np.abs(mean - before).max() < CHANGE:
            break
    if project:
        z = z - (z.conj() @ mean).real[:, None] * mean + mean
    turn = _upright(mean, start, eyes)
    return Aligned(to_points(z * turn), to_points(mean * turn), size)


def _upright(mean: np.ndarray, start: np.ndarray, eyes: Eyes | None) -> complex:
    """Return the turn that brings the mean to its principal axes and then, by a multiple of 90 degrees, upright."""
    axis = np.exp(-0.5j * np.angle((mean**2).sum()))  # sum z^2 = sum x^2 - sum y^2 + 2i sum xy: real on principal axes
    level = (start.conj() * mean).sum() if eyes is None else mean[list(eyes[1])].mean() - mean[list(eyes[0])].mean()
    quarter = np.round(-np.angle(level * axis) / (np.pi / 2))
    return complex(axis * 1j**quarter)


def shape_distances(shapes: np.ndarray) -> np.ndarray:
    """Return the distances of aligned shapes from each other, `||f_a - f_b||`.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`.

    Returns
    -------
    (n, n) float

    Examples
    --------
    >>> shape_distances(np.array([[[0, 0], [1, 0.0]], [[3, 0], [1, 4]]]))
    array([[0., 5.],
           [5., 0.]])
    """
    flat = shapes.reshape(len(shapes), -1)
    return np.stack([np.linalg.norm(flat - one, axis=1) for one in flat])


def partial_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the partial Procrustes distance of faces two by two: `sqrt(2 - 2 T)`, T = `|<a, b>|`.

    It is taken as the norm of the difference of the turned shapes, so that it is 0, and not 1e-8, for one shape.

    Parameters
    ----------
    first, second : (n, p, 2) float
        Any unit; (1, p, 2) for one face with many.

    Returns
    -------
    (n,) float, 0 to sqrt(2)

    References
    ----------
    Dryden & Mardia, Statistical Shape Analysis, 2016, section 4.1.

    Examples
    --------
    >>> face = np.array([[[0, 0], [2, 0], [1, 3.0]]])
    >>> partial_distance(face, 4 * face + 7).round(6), partial_distance(face, face + [[0, 0], [0, 0], [1, 0]]).round(3)
    (array([0.]), array([0.139]))
    """
    a, b = _pair(first, second)
    return np.asarray(np.linalg.norm(turned(a, b) - b, axis=1))


def full_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the full Procrustes distance, scaling free too: `sqrt(1 - T^2) = ||b - <a, b> a||`.

    Parameters
    ----------
    first, second : (n, p, 2) float

    Returns
    -------
    (n,) float, 0 to 1
        Its square is the disparity of `scipy.spatial.procrustes`, where that needs no reflection.

    References
    ----------
    Dryden & Mardia, Statistical Shape Analysis, 2016, section 4.1.

    Examples
    --------
    >>> face = np.array([[[0, 0], [2, 0], [1, 3.0]]])
    >>> full_distance(face, face + [[0, 0], [0, 0], [1, 0]]).round(3)
    array([0.139])
    """
    a, b = _pair(first, second)
    inner = (a.conj() * b).sum(1, keepdims=True)
    return np.asarray(np.linalg.norm(b - inner * a, axis=1))


def riemannian_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angle between two shapes on the sphere of shapes, `arccos T`, as `2 arcsin(partial / 2)`.

    Parameters
    ----------
    first, second : (n, p, 2) float

    Returns
    -------
    (n,) float, radians, 0 to pi / 2

    References
    ----------
    Dryden & Mardia, Statistical Shape Analysis, 2016, section 4.1.

    Examples
    --------
    >>> face = np.array([[[0, 0], [2, 0], [1, 3.0]]])
    >>> riemannian_distance(face, face + [[0, 0], [0, 0], [1, 0]]).round(3)
    array([0.139])
    """
    return np.asarray(2 * np.arcsin(np.minimum(partial_distance(first, second) / 2, 1)))


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    check_points(first)
    check_points(second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"expected faces with the same landmarks, got {first.shape[1]} and {second.shape[1]} points")
    return unit(first)[0], unit(second)[0]
