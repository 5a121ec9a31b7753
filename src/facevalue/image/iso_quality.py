"""Components of ISO/IEC 29794-5: native values of a face's place and shape, and the maps of native values to 0..100."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

# Vertices of the 468-point mesh, image left to right; pairs are upper and lower.
EYES = ((33, 133), (362, 263))
LIDS = (((160, 144), (159, 145), (158, 153)), ((385, 380), (386, 374), (387, 373)))
LIPS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402))
NOSE, MOUTH, CHIN = 4, (61, 291), 152
STEEPEST = 80.0
NATIVE = "_native"

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Component:
    """A component of a face photo's quality.

    Parameters
    ----------
    name
        As OFIQ has it, in small letters.
    unit
        Of the native value.
    score
        Maps native values to whole numbers of 0..100, NaN to NaN.
    words
        What is wrong with a photo of a low score.
    ours
        How it differs from OFIQ's; "" where it is its formula on our landmarks.
    """

    name: str
    unit: str
    score: Score
    words: str
    ours: str = ""


def whole(values: np.ndarray) -> np.ndarray:
    """Return values within 0..100, rounded, halves away from zero.

    Examples
    --------
    >>> whole(np.array([62.5, -3, 101, np.nan]))
    array([ 63.,   0., 100.,  nan])
    """
    return np.asarray(np.floor(np.clip(values, 0, 100) + 0.5))


def sigmoid_score(native: np.ndarray, x0: float, w: float, *, h: float = 100.0, a: float = 0.0, s: float = 1.0) -> np.ndarray:
    """Return `h (a + s / (1 + exp((x0 - x) / w)))`, rounded and within 0..100.

    Parameters
    ----------
    native : (n,) float
    x0, w
        Middle and width, in the unit of the native value.
    h, a, s
        Of the map.

    Returns
    -------
    (n,) float64, whole numbers; NaN where the native value is

    References
    ----------
    ISO/IEC 29794-5:2025, 6.2; BSI-OFIQ 1.0.3, `ExecuteScalarConversion`.

    Examples
    --------
    >>> sigmoid_score(np.array([70.0, 110.0]), 70, 20)
    array([50., 88.])
    """
    with np.errstate(over="ignore"):
        return whole(h * (a + s / (1 + np.exp((x0 - np.asarray(native, np.float64)) / w))))


def _falling(native: np.ndarray, x0: float, w: float, *, h: float = 100.0) -> np.ndarray:
    return sigmoid_score(native, x0, w, h=h, a=1, s=-1)


def _mean_score(m: np.ndarray) -> np.ndarray:
    low, high = (1 / (1 + np.exp((x0 - np.asarray(m, np.float64)) / 0.05)) for x0 in (0.2, 0.8))
    return whole(100 * low * (1 - high))


def _turn_score(degrees: np.ndarray) -> np.ndarray:
    return whole(100 * np.maximum(0, np.cos(np.radians(np.asarray(degrees, np.float64)))) ** 2)


def _variance_score(v: np.ndarray) -> np.ndarray:
    return whole(100 * np.sin(np.pi * 60 * v / (60 * v + 1)))


# Our own two maps: 95 at the median of the London photos as they are (.50, .11), 50 at that of the same photos blurred by a
# Gaussian of .015 eye distances (.67), and coded as JPEG of quality 30 (.56).
SHAPE = "on the mesh instead of 98 landmarks"
LOOK = "the face is what the mesh encloses, up to the hairline; nothing that covers it is left out"
COMPONENTS: Mapping[str, Component] = {
    one.name: one
    for one in (
        Component(
            "background_uniformity",
            "1",
            functools.partial(_falling, x0=10, w=100, h=190),
            "restless background",
            "behind is what lies outside an ellipse about the head and above the mouth: no face parser",
        ),
        Component("illumination_uniformity", "1", lambda x: whole(100 * np.asarray(x) ** 0.3), "one side in shadow"),
        Component("luminance_mean", "1", _mean_score, "too dark or too bright"),
        Component("luminance_variance", "1", _variance_score, "too flat or too contrasty"),
        Component(
            "under_exposure_prevention",
            "1",
            functools.partial(sigmoid_score, x0=0.92, w=0.05, h=120, a=0.832, s=-1),
            "under-exposed",
            LOOK,
        ),
        Component("over_exposure_prevention", "1", lambda x: whole(1 / (np.asarray(x) + 0.01)), "over-exposed", LOOK),
        Component("dynamic_range", "bits", lambda x: whole(12.5 * np.asarray(x)), "few tones"),
        Component(
            "sharpness",
            "1",
            functools.partial(_falling, x0=0.67, w=0.058),
            "blurred",
            "the blur effect of Crete et al. at two scales instead of a random forest",
        ),
        Component(
            "compression_artifacts",
            "1",
            functools.partial(_falling, x0=0.56, w=0.153),
            "compressed too much",
            "blockiness at the best of all periods of 5 to 32 px instead of a network",
        ),
        Component("natural_colour", "1", functools.partial(_falling, x0=0, w=10, h=200), "unnatural colour"),
        Component("single_face_present", "1", lambda x: whole(100 * (1 - np.asarray(x))), "another face in the photo"),
        Component("eyes_open", "1", functools.partial(sigmoid_score, x0=0.02, w=0.01), "eyes closed", SHAPE),
        Component("mouth_closed", "1", functools.partial(_falling, x0=0.2, w=0.06), "mouth open", SHAPE),
        Component("inter_eye_distance", "px", functools.partial(sigmoid_score, x0=70, w=20), "face too small"),
        Component(
            "head_size",
            "1",
            lambda x: _falling(np.abs(np.asarray(x) - 0.45), 0, 0.05, h=200),
            "head too small or too large in the photo",
        ),
        Component("leftward_crop", "1", functools.partial(sigmoid_score, x0=0.9, w=0.1), "too near the left edge"),
        Component("rightward_crop", "1", functools.partial(sigmoid_score, x0=0.9, w=0.1), "too near the right edge"),
        Component("margin_above", "1", functools.partial(sigmoid_score, x0=1.4, w=0.1), "too near the upper edge"),
        Component("margin_below", "1", functools.partial(sigmoid_score, x0=1.8, w=0.1), "too near the lower edge"),
        Component("pose_yaw", "deg", _turn_score, "head turned", "angles of `pose` instead of 3DDFA_V2"),
        Component("pose_pitch", "deg", _turn_score, "head tilted up or down", "angles of `pose` instead of 3DDFA_V2"),
        Component("pose_roll", "deg", _turn_score, "head tilted sideways", "angles of `pose` instead of 3DDFA_V2"),
    )
}
NEUTRALITY = Component(
    "expression_neutrality",
    "p",
    lambda x: whole(100 * np.asarray(x)),
    "not neutral",
    "the share of raters' votes for neutral that `expression` expects, instead of three networks of OFIQ",
)


def shape_measures(mesh: np.ndarray, yaw: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the native values of a face's shape and of its place in the photo, (n,) each.

    With e the eye centres' distance and T that from the point between them to the chin: eyes_open, the larger opening of the
    eye that is less open over T; mouth_closed, the inner lips' largest gap over T; inter_eye_distance `e / cos yaw`; head_size
    T over the photo's height; leftward_crop and rightward_crop, the distance of an eye from its edge over e; margin_above and
    margin_below, that of the point between the eyes over T.

    Parameters
    ----------
    mesh : (n, 468, 2 or 3) float
        Px of the photo; rows of NaN give NaN.
    yaw : (n,) float
        Deg; taken for 80 where it is more.
    size
        Height and width of the photo, px.

    References
    ----------
    ISO/IEC 29794-5:2025; BSI-OFIQ 1.0.3.

    Examples
    --------
    >>> mesh = np.zeros((1, 468, 2)); mesh[0, [33, 133], 0] = 40; mesh[0, [362, 263], 0] = 60; mesh[0, 152] = 50, 36
    >>> found = shape_measures(mesh, np.array([60.0]), (80, 100))
    >>> {name: round(float(found[name][0]), 3) for name in ("inter_eye_distance", "head_size", "leftward_crop")}
    {'inter_eye_distance': 40.0, 'head_size': 0.45, 'leftward_crop': 2.025}
    """
    flat = np.asarray(mesh, np.float64)[:, :, :2]
    height, width = size
    left, right = (flat[:, pair].mean(1) for pair in EYES)
    middle, apart = (left + right) / 2, np.linalg.norm(right - left, axis=1)
    tall = np.linalg.norm(flat[:, CHIN] - middle, axis=1)
    turned = np.cos(np.radians(np.minimum(np.abs(yaw), STEEPEST)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "eyes_open": np.minimum(*(_widest(flat, lids) for lids in LIDS)) / tall,
            "mouth_closed": _widest(flat, LIPS) / tall,
            "inter_eye_distance": apart / turned,
            "head_size": tall / height,
            "leftward_crop": (left[:, 0] + 0.5) / apart,
            "rightward_crop": (width - 0.5 - right[:, 0]) / apart,
            "margin_above": (middle[:, 1] + 0.5) / tall,
            "margin_below": (height - 0.5 - middle[:, 1]) / tall,
        }


def _widest(flat: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    upper, lower = np.array(pairs).T
    return np.asarray(np.linalg.norm(flat[:, upper] - flat[:, lower], axis=2).max(1))


def rival(box: np.ndarray) -> np.ndarray:
    """Return the root of the largest other face's area over a face's own, at most 1; 0 for a face alone.

    Parameters
    ----------
    box : (n, 4) float
        All faces of one photo, x1 y1 x2 y2, px.

    Returns
    -------
    (n,) float64 in [0, 1]

    References
    ----------
    ISO/IEC 29794-5:2025, single face present; there of the largest face alone.

    Examples
    --------
    >>> rival(np.array([[0, 0, 10, 10], [20, 20, 25, 25], [0, 0, 0, 0.0]]))
    array([0.5, 1. , 1. ])
    """
    area = np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=1, dtype=np.float64)
    others = np.tile(area, (len(area), 1))
    np.fill_diagonal(others, 0)
    largest = others.max(1, initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(largest >= area, np.minimum(1, largest), np.sqrt(largest / area)))
