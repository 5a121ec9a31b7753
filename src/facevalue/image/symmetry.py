"""How far a face is from its own mirror image: asymmetry of a single face, and of the faces of a sample.

A head turned aside is asymmetric in the picture however even the face is: report the yaw beside every value here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.image._shapes import check_points, turned, unit
from facevalue.image.geometry import Aligned, Eyes, align


@dataclass(frozen=True, slots=True)
class ObjectSymmetry:
    """The asymmetry of n faces of one sample, in its two parts; NaN where a point of the face is.

    Parameters
    ----------
    asymmetry : (n,) float
        Half the distance of a face from its mirror image.
    fluctuating : (n,) float
        The distance less what the whole sample shares, not halved.
    directional : (p, 2) float
        What it shares: the mean face less the mean mirror image, in units of centroid size.
    """

    asymmetry: np.ndarray
    fluctuating: np.ndarray
    directional: np.ndarray


def mirrored(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return the points of the mirrored faces under their own names: x changes its sign, and left points become right ones.

    Parameters
    ----------
    points : (n, p, 2) float
    mirror : (p,) int
        For each point the one that a mirror puts in its place; its own inverse.

    Returns
    -------
    (n, p, 2) float

    Raises
    ------
    ValueError
        When the map has not p points, or is not its own inverse.

    Examples
    --------
    >>> mirrored(np.array([[[-2, 0], [1, 0], [0, 3]]]), np.array([1, 0, 2])).tolist()
    [[[-1, 0], [2, 0], [0, 3]]]
    """
    return np.asarray((points * np.array([-1, 1]))[:, _checked(mirror, points.shape[1])])


def _checked(mirror: np.ndarray, count: int) -> np.ndarray:
    mirror = np.asarray(mirror)
    if mirror.shape != (count,):
        raise ValueError(f"expected a mirror map of {count} points, got shape {mirror.shape}")
    if set(mirror.tolist()) != set(range(count)) or (mirror[mirror] != np.arange(count)).any():
        raise ValueError("expected a mirror map that is its own inverse: point i of its image is point mirror[i], and back")
    return mirror


def asymmetry(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return half the partial Procrustes distance of each face from its own mirror image, whatever the other faces are.

    `a = ||f - g|| / 2`, f of unit size, g its relabelled mirror image turned to it. That is the distance of f from
    `(f + g) / 2`, the face made symmetric.

    Parameters
    ----------
    points : (n, p, 2) float
        Any unit; NaN gives NaN.
    mirror : (p,) int
        For each point the one that a mirror puts in its place.

    Returns
    -------
    (n,) float, 0 or more; 0 for a symmetric face

    Raises
    ------
    ValueError
        When points or map are not what they should be.

    References
    ----------
    Klingenberg, Barluenga, Meyer, Evolution 56, 2002; Holzleitner & DeBruine, facefuns (`calcAS`), 2021, with one face for
    the sample.

    Examples
    --------
    >>> face = np.array([[[-2, 0], [2, 0], [0, 3.0]]])
    >>> asymmetry(face, np.array([1, 0, 2])), asymmetry(face + [[0, 0], [0, 0], [1, 0]], np.array([1, 0, 2])).round(3)
    (array([0.]), array([0.16]))
    """
    check_points(points)
    own, _ = unit(points)
    image = -own.conj()[:, _checked(mirror, points.shape[1])]
    return np.asarray(np.linalg.norm(turned(image, own) - own, axis=1) / 2)


def object_symmetry(shapes: np.ndarray, mirror: np.ndarray, *, eyes: Eyes | None = None) -> ObjectSymmetry:
    """Return the asymmetry of the faces of a sample, from a joint alignment of the faces O and their mirror images M.

    Asymmetry is `||O_i - M_i|| / 2`. Directional asymmetry is `D = mean O - mean M`, and fluctuating asymmetry
    `||O_i - M_i - D||`.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`: upright, on principal axes.
    mirror : (p,) int
        For each point the one that a mirror puts in its place.
    eyes
        As in `align`.

    Returns
    -------
    ObjectSymmetry

    Raises
    ------
    ValueError
        As `asymmetry` and `align`.

    References
    ----------
    Klingenberg, Symmetry 7, 2015; Komori, Kawamura, Ishihara, Acta Psychologica 130, 2009; Holzleitner & DeBruine, facefuns
    (`calcAS`, `calcFA`), 2021.

    Examples
    --------
    >>> faces = np.array([[[-2, 0], [2, 0], [0, 3.0]]]) + [[[0, 0], [0, 0], [1, 0]], [[0, 0], [0, 0], [-1, 0]]]
    >>> found = object_symmetry(align(faces).shapes, np.array([1, 0, 2]))
    >>> found.asymmetry.round(3), found.fluctuating.round(3), found.directional.round(3).tolist()[2]
    (array([0.158, 0.158]), array([0.315, 0.315]), [0.0, 0.0])
    """
    n = len(shapes)
    both = align(np.concatenate([shapes, mirrored(shapes, mirror)]), eyes=eyes).shapes
    apart = both[:n] - both[n:]
    directional = apart[np.isfinite(apart).all((1, 2))].mean(0)
    total, rest = (np.sqrt((x**2).sum((1, 2))) for x in (apart, apart - directional))
    return ObjectSymmetry(total / 2, rest, directional)


def symmetrised(aligned: Aligned, mirror: np.ndarray, *, eyes: Eyes | None = None) -> Aligned:
    """Return the faces made symmetric, `(f + mirrored f) / 2`, and aligned anew.

    Only shapes that are upright on their principal axes may be mirrored one by one, as `align` leaves them: a mirror image of
    tilted shapes is tilted to the other side.

    Parameters
    ----------
    aligned
        n faces.
    mirror : (p,) int
        For each point the one that a mirror puts in its place.
    eyes
        As in `align`.

    Returns
    -------
    Aligned
        Size is that of the given faces.

    Raises
    ------
    ValueError
        As `mirrored`.

    Examples
    --------
    >>> faces = np.array([[[-2, 0], [2, 0], [0, 3.0]]]) + [[[0, 0], [0, 0], [1, 0]], [[0, 0], [0, 0], [-1, 0]]]
    >>> mirror = np.array([1, 0, 2])
    >>> asymmetry(symmetrised(align(faces), mirror).shapes, mirror).round(9)
    array([0., 0.])
    """
    halves = (aligned.shapes + mirrored(aligned.shapes, mirror)) / 2
    again = align(halves, eyes=eyes)
    return Aligned(again.shapes, again.mean, aligned.size)
