"""What noise in the landmarks adds to asymmetry and distinctiveness, and what is left without it.

Noise only ever adds: automatic landmarks that miss by 4 % of the distance between the eyes make a typical face look about
twice as asymmetric as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevalue.image._shapes import check_points, to_points, turned, unit
from facevalue.image.averageness import Reference, distinctiveness_from
from facevalue.image.symmetry import asymmetry

DRAWS = 400

_Measure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure of n faces less what noise adds to it, and its interval; NaN where a point of the face is.

    Parameters
    ----------
    value, low, high : (n,) float, 0 or more
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def told(self) -> np.ndarray:
        """Return for which faces, (n,) bool, the interval leaves 0 out; of the others one cannot tell."""
        return np.asarray(self.low > 0)


def noise_free_asymmetry(a: np.ndarray, sigma: float | np.ndarray, size: np.ndarray, points: int) -> np.ndarray:
    """Return asymmetry without what landmark noise adds: `sqrt(max(0, a^2 - (p - 2) sigma^2 / CS^2))`.

    Half of the 2p coordinates are asymmetric ones, and of these two go with the face's place and its turn.

    Parameters
    ----------
    a : (n,) float
        From `asymmetry`.
    sigma
        Standard deviation of the noise in each coordinate, independent, px: one, or one a face.
    size : (n,) float
        Centroid size, px.
    points
        p.

    Returns
    -------
    (n,) float

    Examples
    --------
    >>> noise_free_asymmetry(np.array([0.05, 0.03]), 6.0, np.array([2000.0, 2000.0]), 132).round(4)
    array([0.0365, 0.    ])
    """
    return _without(a, (points - 2) * (np.asarray(sigma) / size) ** 2)


def noise_free_distinctiveness(d: np.ndarray, sigma: float | np.ndarray, size: np.ndarray, points: int) -> np.ndarray:
    """Return distinctiveness without what landmark noise adds: `sqrt(max(0, d^2 - (2 p - 4) sigma^2 / CS^2))`.

    Of the 2p coordinates four go with the face's place, turn and size.

    Parameters
    ----------
    d : (n,) float
        From `distinctiveness` or `distinctiveness_from`.
    sigma
        Standard deviation of the noise in each coordinate, independent, px: one, or one a face.
    size : (n,) float
        Centroid size, px.
    points
        p.

    Returns
    -------
    (n,) float

    Examples
    --------
    >>> noise_free_distinctiveness(np.array([0.08]), 4.0, np.array([2000.0]), 132).round(4)
    array([0.0732])
    """
    return _without(d, (2 * points - 4) * (np.asarray(sigma) / size) ** 2)


def _without(measure: np.ndarray, added: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum(0, np.asarray(measure) ** 2 - added)))


def landmark_covariance(readings: np.ndarray) -> np.ndarray:
    """Return the covariance of landmark noise, from readings of the same faces: within faces, after turning them together.

    Parameters
    ----------
    readings : (r, n, p, 2) float
        Two readings a face or more, as of slightly moved crops, any unit.

    Returns
    -------
    (2p, 2p) float
        Of x and y of the first point, of the second, ..., in units of squared centroid size. Of one reading: the mean of
        r readings has an r-th of it. What all readings of a face have wrong in common is not in it.

    Raises
    ------
    ValueError
        With one reading, or with NaN.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (50, 1, 4, 2))
    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    >>> float(np.trace(landmark_covariance(square + noise)).round(4))  # 4 of 8 coordinates are left, 2 is the size's square
    0.0008
    """
    if readings.ndim != 4 or len(readings) < 2 or not np.isfinite(readings).all():
        raise ValueError(f"expected 2 readings or more of faces, (r, n, p, 2) without NaN; got {readings.shape}")
    r, n, p, _ = readings.shape
    check_points(readings.reshape(-1, p, 2))
    z = unit(readings.reshape(-1, p, 2))[0].reshape(r, n, p)
    z = turned(z, turned(z, z[0]).mean(0))
    apart = to_points(z - z.mean(0)).reshape(-1, 2 * p)
    return np.asarray(apart.T @ apart / (n * (r - 1)))


def asymmetry_estimate(
    points: np.ndarray,
    mirror: np.ndarray,
    *,
    level: float,
    seed: int,
    sigma: float | np.ndarray | None = None,
    covariance: np.ndarray | None = None,
) -> Estimate:
    """Return the asymmetry of each face without what landmark noise adds, and its interval.

    The landmarks are drawn anew about the given ones. With `a*` of a draw, noise adds `N = mean a*^2 - a^2`; the value is
    `sqrt(max(0, a^2 - N))`, and the interval of the square is `a^2 - N` less the quantiles of `a*^2 - mean a*^2`.

    Parameters
    ----------
    points : (n, p, 2) float
        px; NaN gives NaN.
    mirror : (p,) int
        For each point the one that a mirror puts in its place.
    level
        Nominal coverage, in (0, 1). The interval is on the safe side where noise is as large as the asymmetry.
    seed
        Of the draws.
    sigma
        Standard deviation of the noise in each coordinate, independent, px: one, or one a face.
    covariance : (2p, 2p) float
        Instead: in units of squared centroid size, of upright faces, from `landmark_covariance`.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        When not one of sigma and covariance is given, or as `asymmetry`.

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap, 1993, sections 10.2 (bias) and 6.5 (parametric bootstrap); Davison &
    Hinkley, Bootstrap Methods and their Application, 1997, section 2.4 (basic interval).

    Examples
    --------
    >>> face = np.array([[[-2, 0], [2, 0], [0, 3.0], [0, 4]]]) + [[[0, 0], [0, 0], [0.4, 0], [0.3, 0]]]
    >>> found = asymmetry_estimate(face, np.array([1, 0, 2, 3]), sigma=0.01, level=0.9, seed=0)
    >>> found.value.round(3), found.low.round(3), found.high.round(3), found.told
    (array([0.054]), array([0.05]), array([0.057]), array([ True]))
    """
    return _estimate(lambda x: asymmetry(x, mirror), points, _Noise(sigma, covariance), level, seed)


def distinctiveness_estimate(
    points: np.ndarray,
    reference: Reference,
    *,
    level: float,
    seed: int,
    sigma: float | np.ndarray | None = None,
    covariance: np.ndarray | None = None,
) -> Estimate:
    """Return the distinctiveness of each face from a reference without what landmark noise adds, and its interval.

    As `asymmetry_estimate`; the reference, a mean of many faces, is taken as known.

    Parameters
    ----------
    points : (n, p, 2) float
        px; NaN gives NaN.
    reference
        Of the same landmarks.
    level, seed, sigma, covariance
        As in `asymmetry_estimate`.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        When not one of sigma and covariance is given, or as `distinctiveness_from`.

    Examples
    --------
    >>> square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 8**0.5
    >>> known = Reference(square, 0.1, "four", "a square")
    >>> face = 100 * square[None] + [[9, 0], [0, 0], [0, 0], [0, 0]]
    >>> found = distinctiveness_estimate(face, known, sigma=1, level=0.9, seed=0)
    >>> found.value.round(3), found.told
    (array([0.062]), array([ True]))
    """
    return _estimate(lambda x: distinctiveness_from(x, reference), points, _Noise(sigma, covariance), level, seed)


@dataclass(frozen=True, slots=True)
class _Noise:
    sigma: float | np.ndarray | None
    covariance: np.ndarray | None

    def draws(self, points: np.ndarray, size: np.ndarray, draw: np.random.Generator) -> Callable[[], np.ndarray]:
        """Return what gives one draw of noise, (n, p, 2) px, at a time."""
        if (self.sigma is None) == (self.covariance is None):
            raise ValueError("expected the noise of the landmarks as sigma or as covariance, one of the two")
        if self.sigma is not None:
            scale = np.broadcast_to(np.asarray(self.sigma, np.float64), size.shape)[:, None, None]
            return lambda: scale * draw.standard_normal(points.shape)
        wide, covariance = 2 * points.shape[1], np.asarray(self.covariance, np.float64)
        if covariance.shape != (wide, wide):
            raise ValueError(f"expected a covariance of shape {(wide, wide)}, got {covariance.shape}")
        values, axes = np.linalg.eigh(covariance)
        large = values > max(float(values[-1]), 0) * 1e-10
        root = axes[:, large] * np.sqrt(values[large])
        scale = size[:, None, None]
        return lambda: scale * (draw.standard_normal((len(points), root.shape[1])) @ root.T).reshape(points.shape)


def _estimate(measure: _Measure, points: np.ndarray, noise: _Noise, level: float, seed: int) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1), got {level}")
    check_points(points)
    given = measure(points) ** 2
    drawn = noise.draws(points, unit(points)[1], np.random.default_rng(seed))
    squares = np.stack([measure(points + drawn()) ** 2 for _ in range(DRAWS)])
    middle = squares.mean(0)
    value = 2 * given - middle
    ends = np.quantile(squares - middle, [(1 + level) / 2, (1 - level) / 2], axis=0)
    roots = np.sqrt(np.maximum(0, np.stack([value, value - ends[0], value - ends[1]])))
    return Estimate(*roots)
