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

DRAWS, TOGETHER = 400, 0.99

_Measure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How far the landmarks of n faces lie from where they belong.

    Parameters
    ----------
    sigma : float or (n,) float
        Standard deviation of a coordinate, in the unit of the points; NaN where it is not known.
    covariance : (2p, 2p) float
        How the coordinates, x and y of the first point, of the second, ..., err together, in units of sigma squared: its trace
        is 2p, as `landmark_covariance` gives it. None: each by itself, all alike.
    """

    sigma: float | np.ndarray
    covariance: np.ndarray | None = None


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


def reading_noise(readings: np.ndarray) -> np.ndarray:
    """Return the noise of one reading of each face: the standard deviation of its coordinates from reading to reading.

    Of the readings z of a face, turned together and of unit size: `sigma = CS sqrt(sum |z - mean z|^2 / (2 p (r - 1)))`.

    Parameters
    ----------
    readings : (r, n, p, 2) float
        Two readings a face or more, as of slightly moved crops; NaN gives NaN.

    Returns
    -------
    (n,) float
        In the unit of the points. The mean of r readings has `sigma / sqrt(r)`. What all readings of a face have wrong in
        common is not in it.

    Raises
    ------
    ValueError
        With one reading.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 2, (2000, 1, 4, 2))
    >>> square = 100 * np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    >>> reading_noise(square + noise).round(1)  # of eight coordinates four are place, turn and size: 2 sqrt(4 / 8)
    array([1.4])
    """
    apart, size = _apart(readings)
    return np.asarray(size * np.sqrt((apart**2).sum((0, 2)) / (apart.shape[2] * (len(apart) - 1))))


def landmark_covariance(readings: np.ndarray) -> np.ndarray:
    """Return how the coordinates of landmarks err together, from readings of the same faces.

    The covariance within faces, `sum (z - mean z)(z - mean z)' / (n (r - 1))`, after turning the readings z of each together,
    each face in units of its own `reading_noise`. It is not shrunk: noise is drawn from it, it is not inverted, and of every
    direction of shape its variance is right on average, however few the faces; shrinking would take some away.

    Parameters
    ----------
    readings : (r, n, p, 2) float
        Two readings a face or more, of upright faces, any unit.

    Returns
    -------
    (2p, 2p) float
        Of x and y of the first point, of the second, ...; its trace is 2p.

    Raises
    ------
    ValueError
        With one reading, with NaN, or where all readings are the same.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (50, 1, 4, 2))
    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    >>> found = landmark_covariance(square + noise)
    >>> found.shape, float(np.trace(found).round(6))
    ((8, 8), 8.0)
    """
    apart, _ = _apart(readings)
    r, n, wide = apart.shape
    own = np.sqrt((apart**2).sum((0, 2)) / (wide * (r - 1)))
    if not (own > 0).all():
        raise ValueError(f"expected readings of faces without NaN that differ; got {int((~(own > 0)).sum())} of {n} others")
    rows = (apart / own[:, None]).reshape(-1, wide)
    return np.asarray(rows.T @ rows / (n * (r - 1)))


def _apart(readings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each reading lies from the mean of its face's, (r, n, 2p) of unit size, and the sizes, (n,)."""
    if readings.ndim != 4 or len(readings) < 2:
        raise ValueError(f"expected 2 readings or more of faces, (r, n, p, 2); got {readings.shape}")
    r, n, p, _ = readings.shape
    check_points(readings.reshape(-1, p, 2))
    z, size = unit(readings.reshape(-1, p, 2))
    z = z.reshape(r, n, p)
    z = turned(z, turned(z, z.mean(0)).mean(0))
    return to_points(z - z.mean(0)).reshape(r, n, 2 * p), size.reshape(r, n).mean(0)


def asymmetry_estimate(points: np.ndarray, mirror: np.ndarray, noise: Noise, *, level: float, seed: int) -> Estimate:
    """Return the asymmetry of each face without what landmark noise adds, and its interval.

    The landmarks are drawn anew about the given ones. With `a*` of a draw, noise adds `N = mean a*^2 - a^2`; the value is
    `sqrt(max(0, a^2 - N))`, and the interval of the square is `a^2 - N` less the quantiles of `a*^2 - mean a*^2`.

    Parameters
    ----------
    points : (n, p, 2) float
        px; NaN gives NaN.
    mirror : (p,) int
        For each point the one that a mirror puts in its place.
    noise
        Of the landmarks; of upright faces where it has a covariance.
    level
        Nominal coverage, in (0, 1). The interval is on the safe side where noise is as large as the asymmetry.
    seed
        Of the draws.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        When the noise does not fit the points, or as `asymmetry`.

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap, 1993, sections 10.2 (bias) and 6.5 (parametric bootstrap); Davison &
    Hinkley, Bootstrap Methods and their Application, 1997, section 2.4 (basic interval).

    Examples
    --------
    >>> face = np.array([[[-2, 0], [2, 0], [0, 3.0], [0, 4]]]) + [[[0, 0], [0, 0], [0.4, 0], [0.3, 0]]]
    >>> found = asymmetry_estimate(face, np.array([1, 0, 2, 3]), Noise(0.01), level=0.9, seed=0)
    >>> found.value.round(3), found.low.round(3), found.high.round(3), found.told
    (array([0.054]), array([0.05]), array([0.057]), array([ True]))
    """
    return _estimate(lambda x: asymmetry(x, mirror), points, noise, level, seed)


def distinctiveness_estimate(points: np.ndarray, reference: Reference, noise: Noise, *, level: float, seed: int) -> Estimate:
    """Return the distinctiveness of each face from a reference without what landmark noise adds, and its interval.

    As `asymmetry_estimate`; the reference, a mean of many faces, is taken as known.

    Parameters
    ----------
    points : (n, p, 2) float
        px; NaN gives NaN.
    reference
        Of the same landmarks.
    noise, level, seed
        As in `asymmetry_estimate`.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        When the noise does not fit the points, or as `distinctiveness_from`.

    Examples
    --------
    >>> square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 8**0.5
    >>> known = Reference(square, 0.1, "four", "a square")
    >>> face = 100 * square[None] + [[9, 0], [0, 0], [0, 0], [0, 0]]
    >>> found = distinctiveness_estimate(face, known, Noise(1), level=0.9, seed=0)
    >>> found.value.round(3), found.told
    (array([0.062]), array([ True]))
    """
    return _estimate(lambda x: distinctiveness_from(x, reference), points, noise, level, seed)


def _estimate(measure: _Measure, points: np.ndarray, noise: Noise, level: float, seed: int) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1), got {level}")
    check_points(points)
    given = measure(points) ** 2
    drawn = _draws(noise, points.shape, np.random.default_rng(seed))
    squares = np.stack([measure(points + drawn()) ** 2 for _ in range(DRAWS)])
    middle = squares.mean(0)
    value = 2 * given - middle
    ends = np.quantile(squares - middle, [(1 + level) / 2, (1 - level) / 2], axis=0)
    roots = np.sqrt(np.maximum(0, np.stack([value, value - ends[0], value - ends[1]])))
    return Estimate(*roots)


def _draws(noise: Noise, shape: tuple[int, ...], draw: np.random.Generator) -> Callable[[], np.ndarray]:
    """Return what gives one draw of noise, (n, p, 2) in the unit of sigma, at a time."""
    n, p, _ = shape
    sigma = np.broadcast_to(np.asarray(noise.sigma, np.float64), n)[:, None, None]
    if noise.covariance is None:
        return lambda: sigma * draw.standard_normal(shape)
    if noise.covariance.shape != (2 * p, 2 * p):
        raise ValueError(f"expected a covariance of shape {(2 * p, 2 * p)}, got {noise.covariance.shape}")
    values, axes = np.linalg.eigh(noise.covariance)
    rest = np.cumsum(values) > (1 - TOGETHER) * values.sum()  # the largest come last
    root = axes[:, rest] * np.sqrt(np.maximum(values[rest], 0))
    alone = np.sqrt(np.maximum(np.diag(noise.covariance) - (root**2).sum(1), 0))
    count = root.shape[1]
    return lambda: sigma * (draw.standard_normal((n, count)) @ root.T + alone * draw.standard_normal((n, 2 * p))).reshape(shape)
