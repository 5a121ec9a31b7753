"""Blocks that coding as JPEG leaves, also in photos that were resized since then."""

from __future__ import annotations

import cv2
import numpy as np

BLOCK, SHORTEST, LONGEST, FINENESS = 8, 5.0, 32.0, 0.006
PHASES = 16
MOST = 512


def blockiness(gray: np.ndarray) -> float:
    """Return how much oftener a step stands out at one phase of a period than at its others.

    Of the steps `d_x = |I_x+a - I_x|`, a = period / 8 px, a share s_k of those at phase k of the period is larger than d_x-a
    and d_x+a; the measure is the mean over rows and columns of `max over periods and k of s_k - mean of the other s`. JPEG
    codes blocks of 8 px, whose edges stand out; in a photo resized since then they lie 5 to 32 px apart.

    Parameters
    ----------
    gray : (h, w) uint8 or float
        Of a photo.

    Returns
    -------
    About .1 or less for no blocks; NaN below 32 px, or where nothing varies

    References
    ----------
    After Wang, Bovik, Evans, Blind measurement of blocking artifacts in images, ICIP 2000; counted, not summed, so that
    edges of the picture do not weigh.

    Examples
    --------
    >>> noise = np.random.default_rng(0).integers(0, 255, (96, 96)).astype(np.float32)
    >>> blocks = np.kron(noise[:12, :12], np.ones((8, 8))).astype(np.float32) + noise / 50
    >>> larger = cv2.resize(blocks, None, fx=1.7, fy=1.7, interpolation=cv2.INTER_CUBIC)
    >>> [round(blockiness(image), 1) for image in (noise, blocks, larger)]
    [0.1, 0.8, 0.8]
    """
    image = np.asarray(gray, np.float32)
    if min(image.shape) < 4 * BLOCK:
        return float("nan")
    return float(np.mean([_along(image), _along(np.ascontiguousarray(image.T))]))


def _along(image: np.ndarray) -> float:
    """Return the largest excess over all periods of the steps along rows; NaN where nothing varies."""
    longest = min(LONGEST, max(BLOCK, image.shape[1] / 6))
    periods = np.append(BLOCK, np.exp(np.arange(np.log(SHORTEST), np.log(longest), FINENESS)))
    apart = np.maximum(1, np.round(periods / BLOCK)).astype(int)
    peaks = {a: _peaks(image, a) for a in np.unique(apart).tolist()}
    if not peaks[1][1].any():
        return float("nan")
    return max(_excess(*peaks[a], periods[apart == a]) for a in peaks)


def _peaks(image: np.ndarray, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each column how many of its steps are larger than both neighbours, and how many could be."""
    step = np.abs(image[:, apart:] - image[:, :-apart])
    here, beside = step[:, apart:-apart], np.maximum(step[:, : -2 * apart], step[:, 2 * apart :])
    return (here > beside).sum(0), (here != beside).sum(0)


def _excess(peak: np.ndarray, uneven: np.ndarray, periods: np.ndarray) -> float:
    """Return the largest share of peaks in an eighth of any of the periods, less the share in the rest of it."""
    at = (np.arange(len(peak)) * (PHASES / periods[:, None])).astype(int) % PHASES
    at += PHASES * np.arange(len(periods))[:, None]
    peaks, count = (
        np.bincount(at.ravel(), np.tile(each, len(periods)), PHASES * len(periods)).reshape(-1, PHASES)
        for each in (peak, uneven)
    )
    peaks, count = (part + np.roll(part, -1, axis=1) for part in (peaks, count))
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = peaks / count - (peak.sum() - peaks) / (uneven.sum() - count)
    return float(np.nanmax(excess, initial=0))


def compression(photo: np.ndarray, box: np.ndarray) -> float:
    """Return the blockiness of a face's box, or of its middle 512 px, in the photo's own px.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    box : (4,) float
        x1 y1 x2 y2, px.

    Returns
    -------
    See `blockiness`; NaN where there is no box, or it lies outside

    Examples
    --------
    >>> compression(np.zeros((99, 99, 3), np.uint8), np.full(4, np.nan))
    nan
    """
    height, width = photo.shape[:2]
    centre, half = (box[:2] + box[2:]) / 2, np.minimum((box[2:] - box[:2]) / 2, MOST / 2)
    low, high = np.maximum(np.floor(centre - half), 0), np.minimum(np.ceil(centre + half), (width, height))
    if not np.isfinite(box).all() or (high - low < 1).any():
        return float("nan")
    (x1, y1), (x2, y2) = low.astype(int), high.astype(int)
    return blockiness(cv2.cvtColor(np.ascontiguousarray(photo[y1:y2, x1:x2]), cv2.COLOR_RGB2GRAY))
