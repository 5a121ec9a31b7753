"""Head pose: the turn of a rigid mean face that best explains a mesh.

The mean face, `mean_mesh.csv`, is ours: the mirror-symmetrised Procrustes mean of the 468-point meshes of the 102
neutral photos of the Face Research Lab London Set (DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5,
CC BY 4.0). Its yaw and roll are 0 by symmetry; its pitch is 0 because the London sitters' mean pitch is. It is in
units of the distance between the eyes, with x to the right, y down and z away from the viewer.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

# Eye corners, bridge and base of the nose, forehead and temples: what speech and expression move least.
STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 4, 2, 8, 9, 10, 151, 127, 356, 234, 454)


@dataclass(frozen=True, slots=True)
class HeadPose:
    """The pose of n heads; NaN where the mesh is.

    Parameters
    ----------
    yaw, pitch, roll : (n,) float
        Degrees: yaw + toward the viewer's left, pitch + down, roll + counter-clockwise in the picture.
    residual : (n,) float
        Root mean square distance of the fitted points, in units of the distance between the eyes.
    """

    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    residual: np.ndarray


@functools.cache
def mean_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Return the mean face, (468, 3), and each vertex's mirror image, (468,) int.

    Examples
    --------
    >>> points, mirror = mean_mesh()
    >>> mirror[[33, 61, 1]]
    array([263, 291,   1])
    >>> points[4].round(1)  # the tip of the nose: midway, below the eyes, in front of them
    array([ 0. ,  0.5, -0.7])
    """
    with resources.files("facevalue.image").joinpath("mean_mesh.csv").open() as file:
        table = np.loadtxt(file, delimiter=",")
    return table[:, :3], table[:, 3].astype(int)


def rigid(points: np.ndarray, target: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rotation, scale and misfit of the least-squares similarity from one shape to n shapes; no mirroring.

    With both centred on their weighted means, `sum w t p^T = U S V^T` gives `R = U diag(1, 1, d) V^T`, where d = +-1
    makes det R = +1, and scale `trace(diag(1, 1, d) S) / sum w |p|^2`.

    Parameters
    ----------
    points : (k, 3) float
    target : (n, k, 3) float
    weights : (k,) float

    Returns
    -------
    rotation : (n, 3, 3)
    scale : (n,)
    misfit : (n,)
        Weighted root mean square distance, in units of `points`.

    References
    ----------
    Umeyama, IEEE TPAMI 13(4), 1991, eq. 40-42.

    Examples
    --------
    >>> shape = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    >>> rotation, scale, misfit = rigid(shape, 2 * shape[None] @ turn.T + 5, np.ones(4))
    >>> rotation[0].round(6) + 0.0, scale.round(6), misfit.round(6)
    (array([[ 0., -1.,  0.],
           [ 1.,  0.,  0.],
           [ 0.,  0.,  1.]]), array([2.]), array([0.]))
    """
    weights = weights / weights.sum()
    p = points - weights @ points
    t = target - np.einsum("k,nki->ni", weights, target)[:, None]
    u, singular, v = np.linalg.svd(np.einsum("k,nki,kj->nij", weights, t, p))
    signs = np.ones_like(singular)
    signs[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(v))
    rotation = np.einsum("nij,nj,njk->nik", u, signs, v)
    scale = (singular * signs).sum(1) / (weights @ (p**2).sum(1))
    apart = t - scale[:, None, None] * np.einsum("nij,kj->nki", rotation, p)
    misfit = np.sqrt(np.einsum("k,nki->n", weights, apart**2)) / scale
    return rotation, scale, misfit


def angles(rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return yaw, pitch and roll, degrees, of rotations (n, 3, 3) of a face whose y points down and z away.

    References
    ----------
    3DDFA_V2 (Guo et al., Towards Fast, Accurate and Stable 3D Dense Face Alignment, ECCV 2020): yaw = asin R20,
    pitch = atan2(R21, R22), roll = atan2(R10, R00), there with y up and z toward the viewer.
    """
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    roll = np.arctan2(-rotation[:, 1, 0], rotation[:, 0, 0])
    return np.degrees(yaw), np.degrees(pitch), np.degrees(roll)


def head_pose(mesh: np.ndarray) -> HeadPose:
    """Return the pose of each head, seen from afar (no perspective).

    Parameters
    ----------
    mesh : (n, 468, 3) or (n, 18, 3) float
        All vertices or the `STABLE` ones; px of the photo, z in the same unit, smaller where nearer; rows with NaN give NaN.

    Examples
    --------
    The mean face, and the same turned by 20 degrees in the picture so that the eye line rises to the right:

    >>> face, _ = mean_mesh()
    >>> a = np.radians(20)
    >>> turned = face @ np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    >>> pose = head_pose(np.stack([100 * face, 60 * turned + 300]))
    >>> (pose.roll + 1e-9).round(2), pose.residual.round(4)
    (array([ 0., 20.]), array([0., 0.]))
    """
    stable = list(STABLE)
    points = np.asarray(mesh, np.float64)
    points = points[:, stable] if points.shape[1] > len(stable) else points
    there = np.isfinite(points).all((1, 2))
    results = np.full((4, len(points)), np.nan)
    rotation, _, misfit = rigid(mean_mesh()[0][stable], points[there], np.ones(len(stable)))
    results[:, there] = (*angles(rotation), misfit)
    return HeadPose(*results)
