import numpy as np

from facevalue.image.landmarks import frl_mean, scheme

MIRROR = scheme("frl132").mirror
EYES = scheme("frl132").eyes


def similar(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the same shapes at other places, in other sizes, turned any way."""
    draw, n = np.random.default_rng(seed), len(points)
    turn = np.exp(1j * draw.uniform(-np.pi, np.pi, n)) * draw.uniform(0.2, 30, n)
    z = (points @ np.array([1, 1j])) * turn[:, None]
    return np.stack([z.real, z.imag], axis=2) + draw.uniform(-500, 500, (n, 1, 2))


def faces(n: int = 12, *, spread: float = 0.004, seed: int = 0) -> np.ndarray:
    """Return faces about the mean of 132 points, (n, 132, 2), px, upright."""
    draw = np.random.default_rng(seed)
    return 1000 * (frl_mean() + draw.normal(0, spread, (n, 132, 2))) + draw.uniform(300, 600, (n, 1, 2))


def even(n: int = 5, *, seed: int = 0) -> np.ndarray:
    """Return symmetric faces, (n, 132, 2)."""
    x = faces(n, spread=0.01, seed=seed)
    x = x - x.mean(1, keepdims=True)
    return (x + (x * (-1, 1))[:, MIRROR]) / 2


def printed(values, published) -> None:
    """Hold values to published ones at the digits that are printed."""
    for value, text in zip(values, map(str, published), strict=True):
        digits = len(text.partition(".")[2])
        assert round(float(value), digits) == float(text), (value, text)
