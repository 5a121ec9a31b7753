"""How far a face is on the way from the mean woman's to the mean man's, on the principal components of shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components of n shapes, the largest first.

    Parameters
    ----------
    scores : (n, k) float
        In units of centroid size; NaN for faces with NaN.
    axes : (k, p, 2) float
        Of length 1: `mean + score * axis` is a shape.
    mean : (p, 2) float
    sd, share : (k,) float
        Standard deviation of the scores, `S / sqrt(n - 1)`, and share of the whole variance.
    kept : int
        How many the broken stick keeps.
    """

    scores: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    share: np.ndarray
    kept: int


def principal_components(shapes: np.ndarray) -> Components:
    """Return the principal components of shapes, by the singular values of the centred coordinates.

    The broken stick keeps component j = 1, 2, ... as long as `share_j >= (1 / n) sum_{k=j..n} 1 / k`, for n faces.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`; faces with NaN have no part, and get NaN.

    Returns
    -------
    Components

    Raises
    ------
    ValueError
        With fewer than 3 faces without NaN.

    References
    ----------
    Frontier, Journal of Experimental Marine Biology and Ecology 25, 1976 (broken stick); Holzleitner & DeBruine, facefuns
    (`selectPCs`), 2021.

    Examples
    --------
    >>> shapes = np.zeros((4, 3, 2))
    >>> shapes[:, 0, 1] = [-3, -1, 1, 3]
    >>> found = principal_components(shapes)
    >>> abs(found.scores[:, 0]).round(6).tolist(), found.sd.round(2).tolist()[0], found.share.round(6).tolist()[0], found.kept
    ([3.0, 1.0, 1.0, 3.0], 2.58, 1.0, 1)
    """
    there = np.isfinite(shapes).all((1, 2))
    n = int(there.sum())
    if n < 3:
        raise ValueError(f"expected 3 faces or more with all their points, got {n} of {len(shapes)}")
    mean = shapes[there].mean(0)
    centred = (shapes - mean).reshape(len(shapes), -1)
    _, singular, axes = np.linalg.svd(centred[there], full_matrices=False)
    share = singular**2 / max(float((singular**2).sum()), 1e-300)
    scores = np.full((len(shapes), len(axes)), np.nan)
    scores[there] = centred[there] @ axes.T
    return Components(scores, axes.reshape(-1, *shapes.shape[1:]), mean, singular / np.sqrt(n - 1), share, _kept(share, n))


def _kept(share: np.ndarray, n: int) -> int:
    stick = np.cumsum(1 / np.arange(n, 0, -1))[::-1] / n
    short = np.flatnonzero(share < stick[: len(share)])
    return int(short[0]) if len(short) else len(share)


def dimorphism(scores: np.ndarray, sex: np.ndarray) -> np.ndarray:
    """Return the vector score of sexual dimorphism: 0 for the mean woman, 1 for the mean man.

    `<z - f, m - f> / |m - f|^2`, f and m the mean scores of the women and of the men. A face without a sex has a score, but
    no part in the means. The score of a face that has one looks better than it is: `dimorphism_left_out`.

    Parameters
    ----------
    scores : (n, k) float
        On the kept components: `components.scores[:, :components.kept]`.
    sex : (n,) float
        0 female, 1 male, NaN unknown: as given, not as perceived in the photo.

    Returns
    -------
    (n,) float

    Raises
    ------
    ValueError
        When there is no woman or no man among them, or a sex is neither 0, 1 nor NaN.

    References
    ----------
    Holzleitner & DeBruine, facefuns (`calcVS`), 2021; Komori, Kawamura, Ishihara, Vision Research 51, 2011.

    Examples
    --------
    >>> dimorphism(np.array([[0.0, 1], [2, 1], [4, 9], [3, 5]]), np.array([0, 1, np.nan, np.nan]))
    array([0. , 1. , 2. , 1.5])
    """
    women, men = _sexes(scores, sex)
    origin = scores[women].mean(0)
    way = scores[men].mean(0) - origin
    return np.asarray((scores - origin) @ way / (way @ way))


def _sexes(scores: np.ndarray, sex: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sex = np.asarray(sex, np.float64)
    if sex.shape != (len(scores),) or not np.isin(sex[~np.isnan(sex)], (0, 1)).all():
        raise ValueError(f"expected a sex for each of {len(scores)} faces, 0 female, 1 male or NaN; got {sex.shape} {sex[:5]}")
    there = np.isfinite(scores).all(1)
    women, men = there & (sex == 0), there & (sex == 1)
    if not women.any() or not men.any():
        raise ValueError(f"expected women and men, got {women.sum()} women and {men.sum()} men with all their points")
    return women, men


def dimorphism_left_out(shapes: np.ndarray, sex: np.ndarray) -> np.ndarray:
    """Return the vector score of each face on components, kept number and means that the face itself has no part in.

    Parameters
    ----------
    shapes : (n, p, 2) float
        From `align`, which each face still has its part in.
    sex : (n,) float
        0 female, 1 male, NaN unknown.

    Returns
    -------
    (n,) float
        NaN for faces with NaN.

    Raises
    ------
    ValueError
        As `principal_components` and `dimorphism`.

    Examples
    --------
    >>> shapes = np.zeros((6, 3, 2))
    >>> shapes[:, 0, 1] = [0, 1, 2, 7, 8, 9]
    >>> dimorphism_left_out(shapes, np.array([0, 0, 0, 1, 1, 1])).round(2)
    array([-0.23,  0.  ,  0.2 ,  0.8 ,  1.  ,  1.23])
    """
    left_out = np.full(len(shapes), np.nan)
    sex = np.asarray(sex, np.float64)
    coordinates = principal_components(shapes).scores[:, :, None]  # all of them: the same distances in fewer dimensions
    for i in np.flatnonzero(np.isfinite(shapes).all((1, 2))):
        rest = np.delete(np.arange(len(shapes)), i)
        found = principal_components(coordinates[rest])
        kept = found.axes[: max(found.kept, 1), :, 0]
        own = kept @ (coordinates[i] - found.mean)[:, 0]
        left_out[i] = dimorphism(np.vstack([own, found.scores[:, : len(kept)]]), np.append(np.nan, sex[rest]))[0]
    return left_out
