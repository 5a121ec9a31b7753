"""Qualities of a face's picture that need no model: how large, how sharp, how lit, how near the edge."""

from __future__ import annotations

import cv2
import numpy as np


def inter_eye(landmarks: np.ndarray) -> np.ndarray:
    """Return the distance of the eye centres, px, for (n, 5, 2) landmarks.

    Examples
    --------
    >>> inter_eye(np.array([[[0, 0], [3, 4], [0, 0], [0, 0], [0, 0]]]))
    array([5.])
    """
    return np.asarray(np.linalg.norm(np.subtract(landmarks[:, 1], landmarks[:, 0], dtype=np.float64), axis=1))


def sharpness(crops: np.ndarray) -> np.ndarray:
    """Return the variance of the Laplacian over the variance of the gray values: sharp edges raise it, contrast does not.

    Parameters
    ----------
    crops : (n, s, s, 3) uint8
        RGB; compare values only between crops of one size.

    Returns
    -------
    (n,) float64, 0 or more; 0 for a crop of one colour

    References
    ----------
    Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia, ICPR 2000, eq. 5 (there without the denominator).

    Examples
    --------
    >>> sharpness(np.full((1, 8, 8, 3), 7, np.uint8))
    array([0.])
    """
    ratios = np.empty(len(crops))
    for i, crop in enumerate(crops):
        gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        edges = cv2.Laplacian(gray, cv2.CV_32F)
        ratios[i] = edges.var() / max(float(gray.var()), 1.0)
    return ratios


def exposure(crops: np.ndarray) -> np.ndarray:
    """Return the mean luminance, the share of px under 5 % and the share over 95 % of full scale.

    Luminance is .299 R + .587 G + .114 B of the encoded values over 255 (ITU-R BT.601).

    Parameters
    ----------
    crops : (n, s, s, 3) uint8
        RGB.

    Returns
    -------
    (n, 3) float64, each in [0, 1]

    Examples
    --------
    >>> exposure(np.full((1, 4, 4, 3), 255, np.uint8))
    array([[1., 0., 1.]])
    """
    shares = np.empty((len(crops), 3))
    for i, crop in enumerate(crops):
        gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        shares[i] = gray.mean() / 255, (gray < 0.05 * 255).mean(), (gray > 0.95 * 255).mean()
    return shares


def margin(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the smallest distance from the box to the photo's edge in units of the box's mean side; negative outside.

    Parameters
    ----------
    box : (n, 4) float
        x1 y1 x2 y2, px.
    shape
        Height and width of the photo, px.

    Examples
    --------
    >>> margin(np.array([[10, 20, 30, 40.0]]), (100, 100))
    array([0.5])
    """
    height, width = shape
    room = np.minimum(box[:, :2], np.array([width, height]) - box[:, 2:]).min(1)
    return np.asarray(room / np.maximum((box[:, 2:] - box[:, :2]).mean(1), 1e-9))
