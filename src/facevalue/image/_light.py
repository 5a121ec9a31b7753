"""Light and colour: shadow on half a face, light from behind, too little of it, a cast, and eyes red from a flash."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image._cover import HEAD, Canvas, laid, mixed, region, tinted, usable_axes
from facevalue.image._noise import GRAIN, grid, grown
from facevalue.image.jitter import View

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
# the sensor's variance for light of 1 and its standard deviation in the dark, of full scale
PHOTONS, READING = 3e-3, 4e-3
COARSE = 24  # px between the eyes are enough for what is soft


def half_shadow(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with one side of each face in a shadow that takes a share of the values.

    Its edge follows the face's own midline, is soft, bends out around the nose, and moves with the level from beside the
    midline to beyond it. The side is drawn.
    """
    photo = view.photo.copy()
    for maps in usable_axes(view):
        side = 1.0 if rng.random() < 0.5 else -1.0
        canvas = Canvas((-2.0, -2.4, 2.0, 3.2), COARSE)
        x, y = side * canvas.x, canvas.y
        edge = 0.3 - 0.55 * level + 0.1 * np.exp(-(((y - 0.55) / 0.28) ** 2)) - 0.05 * y
        inside = 1 / (1 + np.exp(-(x - edge) / 0.06))
        reach = np.clip(2.6 - 2 * np.hypot((x - HEAD[0]) / HEAD[2], (y - HEAD[1]) / HEAD[3]), 0, 1)
        place = region(maps, canvas.window, photo.shape)
        if place is not None:
            shadow = laid((level * inside * reach).astype(np.float32), canvas, maps, place)
            photo[place] = mixed(np.zeros_like(photo[place]), photo[place], shadow)
    return replace(view, photo=photo)


def back_light(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with light from behind: the surround goes to white, the heads and what is below them to dark."""
    height, width = view.photo.shape[:2]
    dark: np.ndarray = np.zeros(_coarse(view), np.float32)
    to_coarse = np.diag([dark.shape[1] / width, dark.shape[0] / height])
    for maps in usable_axes(view):
        _shade_person(dark, to_coarse @ maps)
    dark = np.asarray(cv2.GaussianBlur(dark, (0, 0), 0.12 * eye_distance(view) * to_coarse[0, 0]))
    value = np.arange(256)
    person, behind = (1 - 0.82 * level) * value + 14 * level, (1 - 0.85 * level) * value + 242 * level
    shaded, lit = (cv2.LUT(view.photo, np.round(one).clip(0, 255).astype(np.uint8)) for one in (person, behind))
    return replace(view, photo=mixed(shaded, lit, cv2.resize(dark, (width, height), interpolation=cv2.INTER_LINEAR)))


def _coarse(view: View) -> tuple[int, int]:
    """Return height and width at which there are `COARSE` px between the eyes, no more than the photo's own."""
    ratio = min(1.0, COARSE / eye_distance(view))
    return max(1, round(view.photo.shape[0] * ratio)), max(1, round(view.photo.shape[1] * ratio))


def _shade_person(dark: np.ndarray, maps: np.ndarray) -> None:
    """Fill the outline of a head, (h, w) float32, and of the shoulders below it, as wide as the face is high."""
    (x, y), middle = maps[:, 1], maps[:, 2]
    turn = np.linspace(0, 2 * np.pi, 40)
    head = np.stack([1.4 * np.cos(turn), 0.3 + 2.05 * np.sin(turn)], axis=1)
    below = np.array([(-0.9, 1.6), (0.9, 1.6), (0.9, 2.5), (2.6, 3.1), (3.2, 30), (-3.2, 30), (-2.6, 3.1), (-0.9, 2.5)])
    for outline in (head, below):
        places = np.clip(outline @ ((y, -x), (x, y)) + middle, -30000, 30000)
        cv2.fillPoly(dark, [np.round(places * 16).astype(np.int32)], 1.0, cv2.LINE_8, shift=4)


def low_light(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with so many stops of light less, in the noise of a sensor and in coarser steps.

    Of the linear light `x = (v / 255)^2.2 / 2^stops` the sensor has `x + N(0, a x + b)` (Poisson-Gaussian) in each
    grain, of `GRAIN` eye distances; its values are multiples of `1 + stops`.

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian, Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data, IEEE TIP 17(10), 2008, eq. 1-3.
    """
    light = (np.arange(256) / 255) ** 2.2 / 2**level
    spread = np.sqrt(PHOTONS * light + READING**2) / 2.2 * np.maximum(light, READING) ** (1 / 2.2 - 1)
    grains = rng.standard_normal((*grid(view, GRAIN), 3), dtype=np.float32)
    left = 255 * min(1.0, GRAIN * eye_distance(view))
    noise = cv2.multiply(grown(view, grains, cv2.INTER_NEAREST), cv2.LUT(view.photo, (left * spread).astype(np.float32)))
    dim = cv2.LUT(view.photo, (255 * light ** (1 / 2.2)).astype(np.float32))
    steps = np.round(np.round(np.arange(256) / (1 + level)) * (1 + level)).clip(0, 255).astype(np.uint8)
    return replace(view, photo=cv2.LUT(cv2.add(dim, noise, dtype=cv2.CV_8U), steps))


def gray(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with a share of its colour taken: `(1 - level) v + level luma(v)`."""
    return replace(view, photo=cv2.transform(view.photo, (1 - level) * np.eye(3) + level * np.tile(LUMA, (3, 1))))


def colour_cast(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo in the light of a lamp: channel c times `lamp_c^level`; lamp and depth are drawn."""
    lamp = np.array([(1.06, 0.86, 0.56), (0.62, 0.88, 1.1), (0.8, 1.04, 0.74), (1.04, 0.76, 0.98)])[rng.integers(4)]
    return replace(view, photo=tinted(view.photo, lamp ** (level * rng.uniform(0.9, 1.1))))


def red_eye(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with the pupils red from a flash, so many eye distances in radius; the larger, the brighter.

    A pupil is looked for where it is darkest within a tenth of the eye distance of the eye's landmark.
    """
    photo = view.photo.copy()
    for maps in usable_axes(view):
        for middle in (-0.5, 0.5):
            _redden(photo, maps, middle, level)
    return replace(view, photo=photo)


def _redden(photo: np.ndarray, maps: np.ndarray, middle: float, radius: float) -> None:
    """Draw the pupil of one eye, at x = `middle` of a face's axes."""
    canvas = Canvas((middle - 0.25, -0.25, middle + 0.25, 0.25), 160)
    place = region(maps, canvas.window, photo.shape)
    if place is None:
        return
    x, y = _pupil(photo, canvas, maps)
    away = np.hypot(canvas.x - x, canvas.y - y)
    pupil = np.clip((radius - away) / (0.4 * radius) + 0.3, 0, 1) * min(1.0, 0.45 + 6 * radius)
    alpha = laid(pupil.astype(np.float32), canvas, maps, place)[:, :, None]
    under = photo[place]
    glow = np.array((205, 30, 28), np.float32) * (0.7 + 0.3 * alpha) + 0.3 * under
    under[:] = np.clip(under + alpha * (glow - under), 0, 255)


def _pupil(photo: np.ndarray, canvas: Canvas, maps: np.ndarray) -> tuple[float, float]:
    """Return where in a window about an eye it is darkest, near its middle."""
    size = canvas.x.size, canvas.y.size
    eye = cv2.warpAffine(
        photo, maps @ canvas.affine, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    dark = canvas.soften(cv2.cvtColor(eye, cv2.COLOR_RGB2GRAY).astype(np.float32), 0.04)
    away = (canvas.x - (canvas.window[0] + canvas.window[2]) / 2) ** 2 + canvas.y**2
    row, column = np.unravel_index(np.argmin(dark / 255 + 20 * away + 1e3 * (away > 0.01)), dark.shape)
    return float(canvas.x[0, column]), float(canvas.y[row, 0])


CORRUPTIONS = (
    Corruption("half_shadow", "one side of the face in shadow", "light taken", (0.3, 0.45, 0.6, 0.75, 0.9), half_shadow),
    Corruption("back_light", "light from behind, the face dark before it", "1", (0.3, 0.5, 0.7, 0.85, 1.0), back_light),
    Corruption("low_light", "too little light, with the sensor's noise", "stops", (1.0, 2.5, 4.0, 5.0, 6.0), low_light),
    Corruption("gray", "colour taken", "share", (0.2, 0.4, 0.6, 0.8, 1.0), gray),
    Corruption("colour_cast", "lamp light: warm, cold, green or magenta", "1", (0.25, 0.5, 0.8, 1.2, 1.7), colour_cast),
    Corruption("red_eye", "pupils red from a flash", "eye distances", (0.03, 0.045, 0.06, 0.08, 0.1), red_eye),
)
