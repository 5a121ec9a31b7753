"""How far a face is from the average one: distinctiveness and averageness, in a sample or against a frozen reference."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np

from facevalue.image._shapes import check_points, turned, unit
from facevalue.image.geometry import Aligned
from facevalue.image.landmarks import frl_mean

MARGIN = 0.01
# the distinctiveness of face 140 by its template, of face 139, which is turned, by the mesh
FURTHEST = {"london_frl132": ("frl132", 0.13754256), "london_mesh468": ("mesh468", 0.10643267)}


@dataclass(frozen=True, slots=True)
class Reference:
    """A sample of faces, frozen: what averageness refers to.

    Parameters
    ----------
    mean : (p, 2) float
        The mean shape, of size 1.
    furthest : float
        The distinctiveness of the sample's most distinctive face.
    scheme, name
        The landmarks, and what the sample is called in a report.
    """

    mean: np.ndarray
    furthest: float
    scheme: str
    name: str


def distinctiveness(shapes: np.ndarray) -> np.ndarray:
    """Return how far each face is from the mean of its sample, `||f_i - mean f||`.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`; faces with NaN have no part in the mean.

    Returns
    -------
    (n,) float
        It refers to the sample: a face more changes every value. `distinctiveness_from` does not.

    Examples
    --------
    >>> distinctiveness(np.array([[[0, 0], [1, 0.0]], [[6, 0], [1, 8]]]))
    array([5., 5.])
    """
    there = np.isfinite(shapes).all((1, 2))
    return np.asarray(np.sqrt(((shapes - shapes[there].mean(0)) ** 2).sum((1, 2))))


def averageness(shapes: np.ndarray) -> np.ndarray:
    """Return `.01 + max d - d_i`, d the distinctiveness: .01 for the sample's most distinctive face, more for the others.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`.

    Returns
    -------
    (n,) float
        It refers to the sample, and to its most distinctive face. `averageness_from` does to a frozen one.

    References
    ----------
    Holzleitner & DeBruine, facefuns (`calcSD`, averageness), 2021.

    Examples
    --------
    >>> averageness(np.array([[[0, 0], [0, 0.0]], [[0, 0], [0, 0]], [[3, 0], [0, 0]]]))
    array([1.01, 1.01, 0.01])
    """
    d = distinctiveness(shapes)
    return np.asarray(MARGIN + np.nanmax(d) - d)


def frozen(aligned: Aligned, *, scheme: str, name: str) -> Reference:
    """Return the sample of aligned faces as a reference under a name.

    Examples
    --------
    >>> from facevalue.image.geometry import align
    >>> faces = align(np.random.default_rng(0).normal(size=(9, 5, 2)))
    >>> known = frozen(faces, scheme="five", name="nine faces")
    >>> bool(known.furthest == distinctiveness(faces.shapes).max())
    True
    """
    return Reference(aligned.mean, float(np.nanmax(distinctiveness(aligned.shapes))), scheme, name)


def distinctiveness_from(points: np.ndarray, reference: Reference) -> np.ndarray:
    """Return how far each face is from a reference's mean, by itself: other faces have no part in it.

    The face, centred and of unit size, is turned to the mean m, projected to the tangent space there, and `||f - m||` taken.

    Parameters
    ----------
    points : (n, p, 2) float
        Any unit; NaN gives NaN.
    reference
        Of the same landmarks.

    Returns
    -------
    (n,) float
        For the faces of the reference itself, what `distinctiveness` says of them.

    Raises
    ------
    ValueError
        When the number of points is not the reference's.

    Examples
    --------
    >>> from facevalue.image.geometry import align
    >>> faces = np.random.default_rng(0).normal(size=(9, 5, 2))
    >>> aligned = align(faces)
    >>> known = frozen(aligned, scheme="five", name="nine faces")
    >>> bool(np.allclose(distinctiveness_from(faces[:2], known), distinctiveness(aligned.shapes)[:2]))
    True
    """
    check_points(points)
    if points.shape[1] != len(reference.mean):
        expected = f"{len(reference.mean)} points a face, as the reference {reference.name!r} has ({reference.scheme})"
        raise ValueError(f"expected {expected}; got {points.shape[1]}")
    mean = reference.mean @ np.array([1, 1j])
    z = turned(unit(points)[0], mean)
    return np.asarray(np.linalg.norm(z - (z.conj() @ mean).real[:, None] * mean, axis=1))


def averageness_from(points: np.ndarray, reference: Reference) -> np.ndarray:
    """Return `.01 + furthest - d_i`, d the distance to the reference's mean; below .01 for a face further than its furthest.

    Parameters
    ----------
    points : (n, p, 2) float
    reference
        Of the same landmarks.

    Returns
    -------
    (n,) float

    Raises
    ------
    ValueError
        As `distinctiveness_from`.

    Examples
    --------
    >>> square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 8**0.5
    >>> averageness_from(9 * square[None], Reference(square, 0.1, "four", "a square")).round(6)
    array([0.11])
    """
    return np.asarray(MARGIN + reference.furthest - distinctiveness_from(points, reference))


def reference(name: str) -> Reference:
    """Return a reference that comes with facevalue: the 102 neutral faces of the London Set, by template or by mesh.

    Photos of other cameras, distances and head pitches are further from it than the faces themselves are.

    Parameters
    ----------
    name
        "london_frl132": 132 points placed by hand. "london_mesh468": MediaPipe's mesh, x and y of the picture.

    Returns
    -------
    Reference

    Raises
    ------
    ValueError
        When none is called so.

    References
    ----------
    DeBruine & Jones, Face Research Lab London Set, 2017, doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0.

    Examples
    --------
    >>> known = reference("london_frl132")
    >>> known.mean.shape, known.furthest
    ((132, 2), 0.13754256)
    """
    if name not in FURTHEST:
        raise ValueError(f"expected a reference out of {', '.join(FURTHEST)}; got {name!r}")
    scheme, furthest = FURTHEST[name]
    if scheme == "frl132":
        return Reference(frl_mean(), furthest, scheme, name)
    with resources.files("facevalue.image").joinpath("london_mesh468.csv").open() as file:
        return Reference(np.loadtxt(file, delimiter=","), furthest, scheme, name)
