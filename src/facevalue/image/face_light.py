"""Light, colour, sharpness and coding of one face's pixels, as ISO/IEC 29794-5 looks at them.

A face is cut so that its eyes lie 113 px apart in a window of 616 px; luminance is linear light, not the encoded values.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from facevalue.image.align import apply, cut, similarity

# OFIQ's window: the eyes, the nose's tip and the mouth's corners, px
WINDOW = ((251.0, 272.0), (364.0, 272.0), (308.0, 336.0), (262.0, 402.0), (355.0, 402.0))
EYE_DISTANCE = 113.0
# our own window of what is behind the head, in eye distances about the point between the eyes, and px an eye distance
BEHIND, BEHIND_PX = (-2.17, -2.4, 2.17, 2.1), 68.0
HEAD = (1.75, 2.2)
ZONE = 0.3
DARK, BRIGHT = 25, 247
BLUR = 11
LINEAR = np.array([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.arange(256) / 255], np.float32)
TO_XYZ = np.array([[0.43605, 0.38508, 0.14309], [0.22249, 0.71689, 0.06062], [0.01393, 0.09710, 0.71419]])
WHITE = np.array([0.964221, 1.0, 0.825211])


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Return `255 (.2126 R + .7152 G + .0722 B)` of the linear values of sRGB, rounded.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        RGB.

    Returns
    -------
    (h, w) uint8

    References
    ----------
    IEC 61966-2-1:1999 (sRGB); ISO/IEC 29794-5:2025, luminance image.

    Examples
    --------
    >>> luminance(np.array([[[255, 255, 255], [188, 188, 188], [255, 0, 0]]], np.uint8))
    array([[255, 128,  54]], dtype=uint8)
    """
    linear = cv2.LUT(pixels, LINEAR)
    y = cv2.transform(linear, np.array([[0.2126, 0.7152, 0.0722]]) * 255)
    return np.asarray(np.floor(y.reshape(pixels.shape[:2]) + 0.5), np.uint8)


def face_light(photo: np.ndarray, points: Mapping[str, np.ndarray], mesh: np.ndarray) -> dict[str, float]:
    """Return the measures of one face's light, colour and sharpness, and of what is behind it.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    points
        (2,) px each of `left`, `right` (eye centres in the picture), `nose`, `mouth_left`, `mouth_right`.
    mesh : (k, 2) float
        Points of the face, px of the photo: what they enclose is the face.

    Returns
    -------
    dict
        illumination_uniformity: `sum_i min(l_i, r_i)`, the shares of the 256 luminances in a square below either eye;
        luminance_mean and luminance_variance of the face, of luminances in 0..1; under_exposure_prevention,
        over_exposure_prevention: shares of its px at most 25, at least 247 of 255; dynamic_range: entropy of its luminances,
        bits; natural_colour: how far the cheeks' colour lies from that of skin, in CIELAB; sharpness: mean
        `blur_effect` of the window and of it at half its size;
        background_uniformity: mean gradient behind the head. NaN where the photo does not show the part.

    References
    ----------
    ISO/IEC 29794-5:2025; BSI-OFIQ, constants of version 1.0.3.

    Examples
    --------
    >>> eyes = {"left": (40, 40), "right": (60, 40), "nose": (50, 52), "mouth_left": (42, 64), "mouth_right": (58, 64)}
    >>> gray = np.full((100, 100, 3), 188, np.uint8)
    >>> found = face_light(gray, {k: np.array(v) for k, v in eyes.items()}, np.array([(30, 30), (70, 30), (50, 80)]))
    >>> round(found["luminance_mean"], 3), found["dynamic_range"], found["illumination_uniformity"]
    (0.502, 0.0, 1.0)
    """
    five = np.array([points[name] for name in ("left", "right", "nose", "mouth_left", "mouth_right")], np.float64)
    to_window = similarity(five[None], np.array(WINDOW))
    outline = apply(to_window, np.asarray(mesh, np.float64)[None])[0]
    eyes, mouth = (apply(to_window, five[None, rows])[0] for rows in (slice(0, 2), slice(3, 5)))
    low, high = np.floor(outline.min(0)).astype(int), np.ceil(outline.max(0)).astype(int) + 1
    to_crop = to_window - np.array([[0, 0, low[0]], [0, 0, low[1]]])
    size = (int(high[1] - low[1]), int(high[0] - low[0]))
    crop = cut(photo, to_crop, size)[0]
    mask = _hull(outline - low, size) & _inside(photo, to_crop[0], size)
    return (
        _exposure(luminance(crop)[mask])
        | _cheeks(crop, mask, eyes - low, mouth - low)
        | {"sharpness": _blur(crop, mask)}
        | {"background_uniformity": background(photo, five[:2], mesh)}
    )


def _hull(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return mask.astype(bool)


def _inside(photo: np.ndarray, to_crop: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which px of a crop come from the photo, (h, w) bool."""
    height, width = photo.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    mask = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(mask, np.round(apply(to_crop[None], corners[None])[0]).astype(np.int32), 1)
    return mask.astype(bool)


def _exposure(light: np.ndarray) -> dict[str, float]:
    """Return the measures of the luminances of a face's px, (k,) uint8."""
    names = ("luminance_mean", "luminance_variance", "under_exposure_prevention", "over_exposure_prevention", "dynamic_range")
    if not len(light):
        return dict.fromkeys(names, np.nan)
    share = np.bincount(light, minlength=256) / len(light)
    level = np.arange(256) / 255
    mean = float(share @ level)
    some = share[share > 0]
    values = (mean, share @ (level - mean) ** 2, share[: DARK + 1].sum(), share[BRIGHT:].sum(), abs(some @ np.log2(some)))
    return dict(zip(names, map(float, values), strict=True))


def _cheeks(crop: np.ndarray, mask: np.ndarray, eyes: np.ndarray, mouth: np.ndarray) -> dict[str, float]:
    """Return what the squares below the eyes show: how alike their light is, and whether their colour is that of skin."""
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    down, side = float(np.linalg.norm(mouth.mean(0) - eyes.mean(0))) / 2, int(ZONE * apart)
    zones, colours = [], []
    for (x, y), left in zip(eyes, (side, 0), strict=True):
        x1, y1 = round(float(x)) - left, round(float(y) + down)
        part = tuple(slice(max(0, low), max(0, low + side)) for low in (y1, x1))
        pixels = crop[part][mask[part]]
        zones.append(np.bincount(luminance(pixels[None])[0], minlength=256) if len(pixels) else np.zeros(256))
        colours.append(pixels)
    if not all(zone.any() for zone in zones):
        return {"illumination_uniformity": np.nan, "natural_colour": np.nan}
    alike = np.minimum(*(zone / zone.sum() for zone in zones)).sum()
    return {
        "illumination_uniformity": float(alike),
        "natural_colour": skin_distance(np.concatenate(colours).mean(0)),
    }


def _blur(crop: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean blur effect of the crop as it is and at half its size: one sees little blur, the other much."""
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    smaller = cv2.resize(mask.astype(np.uint8), half.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    return float(np.mean([blur_effect(gray, mask=mask), blur_effect(half, mask=smaller)]))


def chroma(colour: np.ndarray) -> tuple[float, float]:
    """Return a* and b* of CIELAB under D50, of an sRGB colour.

    Parameters
    ----------
    colour : (3,) float
        RGB, 0 to 255.

    References
    ----------
    ISO/CIE 11664-4:2019; the matrix of sRGB adapted to D50: Lindbloom, brucelindbloom.com.

    Examples
    --------
    >>> [round(part, 1) + 0.0 for part in chroma(np.array([225.0, 172, 150]))]
    [17.8, 19.2]
    """
    encoded = np.asarray(colour, np.float64) / 255
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    ratio = TO_XYZ @ linear / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return float(500 * (x - y)), float(200 * (y - z))


def skin_distance(colour: np.ndarray) -> float:
    """Return how far a colour lies outside 5 <= a* <= 25, 5 <= b* <= 35; 100 where either is below 0.

    Parameters
    ----------
    colour : (3,) float
        RGB, 0 to 255.

    References
    ----------
    ISO/IEC 29794-5:2025, natural colour.

    Examples
    --------
    >>> skin_distance(np.array([225.0, 172, 150])), skin_distance(np.array([100.0, 100, 200]))
    (0.0, 100.0)
    """
    a, b = chroma(colour)
    if a < 0 or b < 0:
        return 100.0
    return float(np.hypot(max(5 - a, 0, a - 25), max(5 - b, 0, b - 35)))


def blur_effect(gray: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Return the blur effect: `max over x, y of (sum D - sum max(0, D - D')) / sum D`.

    D is the absolute derivative (Sobel's) along an axis, D' that after a mean of 11 px along it: what is blurred already
    loses little by being blurred again.

    Parameters
    ----------
    gray : (h, w) uint8 or float
    mask : (h, w) bool, optional
        What to sum over; all, less a border of 2 px, by default.

    Returns
    -------
    In [0, 1]: 0 sharp, 1 blurred; NaN where nothing varies

    References
    ----------
    Crete, Dolmiere, Ladret, Nicolas, The blur effect: perception and estimation with a new no-reference perceptual blur
    metric, SPIE 6492, 2007, eq. 1-5.

    Examples
    --------
    >>> edge = np.zeros((40, 40), np.uint8); edge[:, 20:] = 200; edge[20:] //= 2
    >>> round(blur_effect(edge), 2), round(blur_effect(cv2.GaussianBlur(edge, (0, 0), 4)), 2)
    (0.18, 0.87)
    """
    image = np.asarray(gray, np.float32)
    inner = np.zeros(image.shape, bool)
    inner[2:-1, 2:-1] = True
    inner &= True if mask is None else mask
    found = []
    for axis, kernel in (((1, 0), (BLUR, 1)), ((0, 1), (1, BLUR))):
        again = cv2.blur(image, kernel, borderType=cv2.BORDER_REFLECT)
        before, after = (
            np.abs(cv2.Sobel(part, cv2.CV_32F, *axis, borderType=cv2.BORDER_REFLECT))[inner] for part in (image, again)
        )
        total = float(before.sum(dtype=np.float64))
        kept = total - float(np.maximum(before - after, 0).sum(dtype=np.float64))
        found.append(kept / total if total else np.nan)
    return float(np.max(found)) if np.isfinite(found).all() else float("nan")


def background(photo: np.ndarray, eyes: np.ndarray, mesh: np.ndarray) -> float:
    """Return the mean length of the luminance's gradient (Sobel's) behind a head, 68 px an eye distance.

    Behind is what of the photo lies above the mouth's level and outside an ellipse about the head; where none is, NaN.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    eyes : (2, 2) float
        Eye centres, px, image left to right.
    mesh : (k, 2) float
        Points of the face, px.

    References
    ----------
    ISO/IEC 29794-5:2025, background uniformity, there outside of a face parser's mask.

    Examples
    --------
    >>> background(np.full((90, 90, 3), 99, np.uint8), np.array([[35.0, 45], [55, 45]]), np.array([[30.0, 40], [60, 80]]))
    0.0
    """
    x1, y1, x2, y2 = (end * BEHIND_PX for end in BEHIND)
    target = np.array([[-BEHIND_PX / 2 - x1, -y1], [BEHIND_PX / 2 - x1, -y1]])
    to_window = similarity(eyes[None], target)
    size = (round(y2 - y1), round(x2 - x1))
    behind = _inside(photo, to_window[0], size)
    centre = (round(-x1), round(-y1))
    cv2.ellipse(head := np.ones(size, np.uint8), centre, tuple(round(r * BEHIND_PX) for r in HEAD), 0, 0, 360, 0, -1)
    chin = apply(to_window, np.asarray(mesh, np.float64)[None])[0][:, 1].max()
    behind[max(0, round((2 * chin + centre[1]) / 3)) :] = False
    behind &= head.astype(bool)
    behind = cv2.erode(behind.astype(np.uint8), np.ones((4, 4), np.uint8), borderValue=0).astype(bool)
    if not behind.any():
        return float("nan")
    light = luminance(cut(photo, to_window, size)[0])
    along = [cv2.Sobel(light, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    return float(cv2.magnitude(*along)[behind].mean(dtype=np.float64))
