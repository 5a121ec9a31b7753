"""What vectors are to be better than: five landmarks, components of the pixels, a network that learnt nothing."""

from __future__ import annotations

import numpy as np

from facevalue.data.errors import WrongShape

SIZE, COMPONENTS, UNITS = 32, 50, 512


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Return nose and corners of the mouth where the eyes lie at (0, 0) and (1, 0), (n, 6) float64.

    Parameters
    ----------
    landmarks : (n, 5, 2) float
        The two eyes, the nose, the mouth's corners; NaN gives NaN.

    Examples
    --------
    >>> five_points(np.array([[[10, 10], [10, 30], [0, 20], [-10, 10], [-10, 30]]]))
    array([[0.5, 0.5, 0. , 1. , 1. , 1. ]])
    """
    points = np.asarray(landmarks, np.float64) @ np.array([1, 1j])
    across = points[:, 1] - points[:, 0]
    there = np.isfinite(points).all(1) & (across != 0)
    placed = np.full((len(points), 3), complex(np.nan, np.nan))
    placed[there] = (points[there, 2:] - points[there, :1]) / across[there, None]
    return np.stack([placed.real, placed.imag], 2).reshape(len(points), -1)


def pixel_components(crops: np.ndarray, *, components: int = COMPONENTS) -> np.ndarray:
    """Return the first principal components of gray crops, (n, k) float64; no target takes part in finding them.

    Parameters
    ----------
    crops : (n, h, w, 3) uint8
        RGB, aligned.
    components
        k at most.

    Raises
    ------
    WrongShape
        Crops of another shape.

    References
    ----------
    Turk, Pentland, Eigenfaces for recognition, Journal of Cognitive Neuroscience 3, 1991.

    Examples
    --------
    >>> crops = np.random.default_rng(0).integers(256, size=(9, 4, 4, 3), dtype=np.uint8)
    >>> pixel_components(crops, components=3).shape
    (9, 3)
    """
    pixels = _gray(crops)
    u, s, _ = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    return np.asarray((u * s)[:, :components])


def random_network(crops: np.ndarray, *, seed: int, units: int = UNITS) -> np.ndarray:
    """Return `max(0, W p)` of gray pixels p less their mean over the crop, W random, (n, units) float64.

    Parameters
    ----------
    crops : (n, h, w, 3) uint8
        RGB, aligned.
    seed
        Of the weights.
    units
        Rows of W.

    Raises
    ------
    WrongShape
        Crops of another shape.

    References
    ----------
    Rahimi, Recht, Weighted sums of random kitchen sinks, NIPS 2008; as a baseline of probes: Zhang, Bowman, BlackboxNLP 2018.

    Examples
    --------
    >>> crops = np.random.default_rng(0).integers(256, size=(2, 4, 4, 3), dtype=np.uint8)
    >>> random_network(crops, seed=0, units=8).min()
    np.float64(0.0)
    """
    pixels = _gray(crops)
    pixels = pixels - pixels.mean(1, keepdims=True)
    weights = np.random.default_rng(seed).normal(size=(pixels.shape[1], units)) / np.sqrt(pixels.shape[1])
    return np.asarray(np.maximum(pixels @ weights, 0))


def _gray(crops: np.ndarray) -> np.ndarray:
    if crops.ndim != 4 or crops.shape[3] != 3 or not crops.size:
        raise WrongShape(f"expected crops (n, h, w, 3) uint8 RGB, got {crops.shape}")
    return np.asarray(crops.reshape(len(crops), -1, 3) @ np.array([0.299, 0.587, 0.114]) / 255)
