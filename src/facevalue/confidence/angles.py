"""Angles between embeddings, in degrees: to other photos of a person, to reference faces, to one direction.

Only the direction of an embedding counts, not its length, so that those of any network will do. A row with NaN, or of zeros,
has no direction: its angles are NaN.
"""

from __future__ import annotations

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.stats.similarity import arc


def directions(embeddings: np.ndarray) -> np.ndarray:
    """Return `x / |x|` for each row, (n, d) float64; NaN where a row has no direction.

    Raises
    ------
    WrongShape
        When the array is not (n, d).

    Examples
    --------
    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [nan, nan]])
    """
    x = np.asarray(embeddings, np.float64)
    if x.ndim != 2:
        raise WrongShape(f"expected embeddings (n, d), got {x.shape}")
    length = np.linalg.norm(x, axis=1, keepdims=True)
    known = (length > 0) & np.isfinite(length)
    return np.asarray(np.divide(x, length, out=np.full(x.shape, np.nan), where=known))


def template_angles(embeddings: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return the angle of each photo to the template of the same person's other photos, the direction of their mean.

    `angle(u_i, sum over j != i of u_j)`, u the directions of the person's photos.

    Parameters
    ----------
    embeddings : (n, d) float
        Rows without a direction count for no template.
    people : (n,)
        Who is on each photo.

    Returns
    -------
    (n,) float in [0, 180], deg; NaN for people with one photo

    Raises
    ------
    WrongShape
        When people are not as many as embeddings.

    Examples
    --------
    >>> photos = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> template_angles(photos, np.array(["a", "a", "b"])).round(1)
    array([90., 90., nan])
    """
    u, ids = directions(embeddings), _numbered(people, len(embeddings))
    known = np.isfinite(u).all(1)
    total = np.zeros((ids.max(initial=-1) + 1, u.shape[1]))
    np.add.at(total, ids[known], u[known])
    others = total[ids] - u
    others[np.bincount(ids[known], minlength=len(total))[ids] < 2] = np.nan
    return between(u, others)


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle, (n,) deg, between each row of a, (n, d), and that of b, (n, d) or (d,).

    Examples
    --------
    >>> between(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 3.0])).round(1)
    array([90., 45.])
    """
    u, v = directions(a), directions(np.atleast_2d(b))
    if u.shape[1] != v.shape[1] or len(v) not in (1, len(u)):
        raise WrongShape(f"expected two sets of directions of one width, got {np.shape(a)} and {np.shape(b)}")
    return arc(u, v)


def nearest_angle(embeddings: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the angle of each face to the nearest of r references: far from all is unlike what the network knows.

    `min over r of arccos(u_i . v_r)`.

    Parameters
    ----------
    embeddings : (n, d) float
    references : (r, d) float
        Faces or `prototypes`; a reference that a face was itself made from makes its angle too small.

    Returns
    -------
    (n,) float in [0, 180], deg

    Raises
    ------
    WrongShape
        When there is no reference, or the widths differ.

    References
    ----------
    Sun, Ming, Zhu, Li, Out-of-distribution detection with deep nearest neighbors, ICML 2022, here the nearest one.

    Examples
    --------
    >>> nearest_angle(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])).round(1)
    array([ 0., 45.])
    """
    u, v = directions(embeddings), directions(references)
    if not len(v) or u.shape[1] != v.shape[1] or np.isnan(v).any():
        flaw = f"{np.shape(references)} with {np.isnan(v).any(1).sum()} without a direction"
        raise WrongShape(f"expected references (r, {u.shape[1]}), 1 or more, each with a direction; got {flaw}")
    nearest = np.concatenate([(u[at : at + 4096] @ v.T).max(1) for at in range(0, len(u), 4096)] or [np.zeros(0)])
    return np.asarray(np.degrees(np.arccos(np.clip(nearest, -1, 1))))


def unrecognisable_angle(embeddings: np.ndarray, centroid: np.ndarray) -> np.ndarray:
    """Return the angle of each face to the mean direction of faces that nobody could recognise: small is bad.

    Parameters
    ----------
    embeddings : (n, d) float
    centroid : (d,) float
        The mean of the directions of many unrecognisable faces, say blurred until nothing is left of who they are.

    Returns
    -------
    (n,) float in [0, 180], deg

    References
    ----------
    Deng, Chen, Liu, Harnessing unrecognizable faces for improving face recognition, arXiv 2106.04112: the embedding
    recognisability score, there as a distance.

    Examples
    --------
    >>> unrecognisable_angle(np.array([[0.0, 1.0], [3.0, 3.0]]), np.array([0.5, 0.0])).round(1)
    array([90., 45.])
    """
    return between(embeddings, np.asarray(centroid))


def templates(embeddings: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return the direction of the mean of each person's directions, (people, d), in the order of their sorted names.

    Raises
    ------
    ValueError
        When a person has no photo with a direction.

    Examples
    --------
    >>> templates(np.array([[1.0, 0.0], [0.0, 9.0], [2.0, 0.0]]), np.array(["a", "a", "b"])).round(2)
    array([[0.71, 0.71],
           [1.  , 0.  ]])
    """
    u, ids = directions(embeddings), _numbered(people, len(embeddings))
    known = np.isfinite(u).all(1)
    total = np.zeros((ids.max(initial=-1) + 1, u.shape[1]))
    np.add.at(total, ids[known], u[known])
    found = directions(total)
    if np.isnan(found).any():
        without = np.unique(people)[np.isnan(found).any(1)]
        raise ValueError(f"expected a direction of each person, {without[0]} has none: leave out faces that were not measured")
    return found


def _numbered(people: np.ndarray, n: int) -> np.ndarray:
    if np.shape(people) != (n,):
        raise WrongShape(f"expected the person of each of {n} embeddings, got {np.shape(people)}")
    return np.asarray(np.unique(people, return_inverse=True)[1])
