"""Covers of a face: glasses, masks, scarves, and further faces in the background.

A cover is drawn in the face's own axes: the origin between the eyes, x from eye to eye and one distance between them
long, y down to the middle of the mouth, which lies `MOUTH` down. So it turns, tilts and narrows with the face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption
from facevalue.image.align import cut, invert, usable
from facevalue.image.jitter import View

# below the eyes, in eye distances: of ArcFace's template
MOUTH = 1.155
# a head's outline in its axes: middle and half its sides
HEAD = (0.0, 0.45, 1.35, 1.95)
FINEST, COARSEST = 96, 12  # px a canvas has between the eyes


@dataclass(frozen=True, slots=True)
class Canvas:
    """A window on the axes of a face.

    Parameters
    ----------
    window
        x1 y1 x2 y2, eye distances.
    unit
        px of the canvas between the eyes.
    """

    window: tuple[float, float, float, float]
    unit: int

    @property
    def x(self) -> np.ndarray:
        """Where its columns lie, (1, w) float32 eye distances."""
        return self._marks(0)[None]

    @property
    def y(self) -> np.ndarray:
        """Where its rows lie, (h, 1) float32 eye distances."""
        return self._marks(1)[:, None]

    @property
    def affine(self) -> np.ndarray:
        """The map from its px to the axes of the face, (3, 3)."""
        return np.array([[1 / self.unit, 0, self.window[0]], [0, 1 / self.unit, self.window[1]], [0, 0, 1]])

    def _marks(self, axis: int) -> np.ndarray:
        count = round((self.window[axis + 2] - self.window[axis]) * self.unit)
        return np.asarray(np.arange(count, dtype=np.float32) / self.unit + self.window[axis], np.float32)

    def fill(self, *corners: np.ndarray) -> np.ndarray:
        """Return the opacity of polygons, each (k, 2) eye distances: (h, w) float32, 0 to 1, their edges antialiased."""
        opacity = np.zeros((self.y.size, self.x.size), np.uint8)
        for one in corners:
            places = np.round((one - self.window[:2]) * self.unit * 16).astype(np.int32)
            cv2.fillPoly(opacity, [places], 255, cv2.LINE_AA, shift=4)
        return opacity * np.float32(1 / 255)

    def line(self, corners: np.ndarray, width: float) -> np.ndarray:
        """Return the opacity of a line of a width in eye distances."""
        opacity = np.zeros((self.y.size, self.x.size), np.uint8)
        places = np.round((corners - self.window[:2]) * self.unit * 16).astype(np.int32)
        cv2.polylines(opacity, [places], False, 255, max(1, round(width * self.unit)), cv2.LINE_AA, shift=4)
        return opacity * np.float32(1 / 255)

    def soften(self, values: np.ndarray, sigma: float) -> np.ndarray:
        """Return values blurred by a sigma in eye distances."""
        return cv2.GaussianBlur(values, (0, 0), max(sigma * self.unit, 0.3))


def axes(landmarks: np.ndarray) -> np.ndarray:
    """Return the affine maps from the axes of faces to px: the eyes at (-.5, 0) and (.5, 0), the mouth's middle at (0, MOUTH).

    Parameters
    ----------
    landmarks : (n, k, 2) float
        px; the first five are eyes, nose, mouth corners, image left to right.

    Returns
    -------
    (n, 2, 3) float64

    Examples
    --------
    >>> axes(np.array([[[40, 40], [60, 40], [50, 52], [42, 63.1], [58, 63.1]]])).round(6)
    array([[[20.,  0., 50.],
            [ 0., 20., 40.]]])
    """
    points = np.asarray(landmarks, np.float64)
    middle = (points[:, 0] + points[:, 1]) / 2
    down = (points[:, 3] + points[:, 4]) / 2 - middle
    return np.stack([points[:, 1] - points[:, 0], down / MOUTH, middle], axis=2)


def usable_axes(view: View) -> np.ndarray:
    """Return the axes of the faces that have any: not of those without landmarks or without size."""
    maps = axes(view.landmarks)
    return np.asarray(maps[usable(maps)])


def region(maps: np.ndarray, window: tuple[float, float, float, float], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Return the rows and columns of a photo under a window on a face's axes; None where it shows none of it."""
    x1, y1, x2, y2 = window
    places = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]) @ maps[:, :2].T + maps[:, 2]
    low = np.clip(np.floor(places.min(0)), 0, shape[1::-1]).astype(int)
    high = np.clip(np.ceil(places.max(0)) + 1, 0, shape[1::-1]).astype(int)
    if (high <= low).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def laid(values: np.ndarray, canvas: Canvas, maps: np.ndarray, place: tuple[slice, slice]) -> np.ndarray:
    """Return a canvas' values where the face has them in the photo; its edge goes on outwards."""
    rows, columns = place
    onto = maps @ canvas.affine - [[0, 0, columns.start], [0, 0, rows.start]]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return cv2.warpAffine(values, onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


Draw = Callable[[Canvas, float, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def _covered(view: View, level: float, rng: np.random.Generator, draw: Draw, window: tuple[float, float, float, float]) -> View:
    """Return the photo with each face under what `draw` draws: colour (h, w, 3) and opacity (h, w) of a canvas."""
    photo = view.photo.copy()
    for maps in usable_axes(view):
        long = float(np.hypot(*maps[:, :2]).max())
        canvas = Canvas(window, int(np.clip(round(long), COARSEST, FINEST)))
        colour, opacity = draw(canvas, level, rng)
        place = region(maps, window, photo.shape)
        if place is None:
            continue
        alpha = laid(opacity, canvas, maps, place)
        light = cv2.merge([_light_on(photo[place], alpha)] * 3)
        over = cv2.multiply(laid(colour, canvas, maps, place), light, dtype=cv2.CV_8U)
        photo[place] = mixed(over, photo[place], alpha)
    return replace(view, photo=photo)


def mixed(over: np.ndarray, under: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return `share over + (1 - share) under`, (h, w, 3) uint8; the share is (h, w) float32, 0 to 1."""
    return cv2.blendLinear(np.ascontiguousarray(over), np.ascontiguousarray(under), share, 1 - share)


def tinted(photo: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return a photo, (h, w, 3) uint8, with each channel times its gain, cut off at 255."""
    steps = np.round(np.arange(256)[:, None] * gains).clip(0, 255).astype(np.uint8)
    return cv2.LUT(photo, np.ascontiguousarray(steps[None]))


def _light_on(under: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the light that falls on a cover, after what is under it: (h, w) float32, about 1 for a face well lit."""
    colour, weight = (cv2.resize(one, (12, 12), interpolation=cv2.INTER_AREA).astype(np.float32) for one in (under, alpha))
    gray, weight = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)), weight + 1e-3
    mean = float((gray * weight).sum() / weight.sum())
    relief = np.clip(cv2.GaussianBlur(gray, (0, 0), 1.5) / max(mean, 1.0), 0.5, 1.5)
    light = np.asarray(float(np.clip(mean / 130, 0.3, 1.1)) * (0.55 + 0.45 * relief), np.float32)
    return cv2.resize(light, (under.shape[1], under.shape[0]), interpolation=cv2.INTER_LINEAR)


def _rounded(corners: np.ndarray, times: int = 3) -> np.ndarray:
    """Return a polygon with its corners cut so many times (Chaikin)."""
    for _ in range(times):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], axis=1).reshape(-1, 2)
    return corners


def _mirrored(half: np.ndarray) -> np.ndarray:
    """Return a polygon out of its right half, given from the top down."""
    return np.concatenate([half, half[::-1] * (-1, 1)])


def sunglasses(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with glasses on each face, that take a share of the light; the darker, the larger."""
    return _covered(view, level, rng, _glasses, (-1.35, -0.5, 1.35, 0.65))


def _glasses(canvas: Canvas, level: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    tint = np.array([(40, 32, 26), (22, 24, 28), (24, 38, 34)], np.float32)[rng.integers(3)]
    half = np.array([(0.13, -0.2), (0.5, -0.27), (0.92, -0.22), (0.9, 0.1), (0.72, 0.33), (0.36, 0.34), (0.16, 0.12)])
    size = 0.85 + 0.45 * level
    lens = _rounded((half - (0.5, 0.04)) * (size, size) + (0.5, 0.04))
    lenses = canvas.fill(lens, lens * (-1, 1))
    wires = np.zeros_like(lenses)
    arms = (np.array([(0.85, -0.16), (1.0, -0.15), (1.14, -0.12)]), np.array([(0.2, -0.08), (0, -0.13), (-0.2, -0.08)]))
    for wire in (arms[0], arms[0] * (-1, 1), arms[1], *(np.vstack([x, x[:1]]) for x in (lens, lens * (-1, 1)))):
        wires = np.maximum(wires, canvas.line(wire, 0.02 + 0.03 * level))
    gloss = np.exp(-(((canvas.x - 0.35 * canvas.y) % 1.0 - 0.35) ** 2) / 0.008 - (canvas.y + 0.12) ** 2 / 0.03)
    fall = np.clip(1.06 - 0.22 * (canvas.y + 0.25), 0.8, 1.06)
    opacity = np.maximum(np.minimum(lenses * level * fall, 0.99), wires * (0.5 + 0.47 * level))
    shine = 70 * gloss * (1 - wires) + 14 * (canvas.y + 0.4)
    return tint + np.maximum(shine, 0)[:, :, None].astype(np.float32), opacity.astype(np.float32)


def medical_mask(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with a mask on each face; sheer and low at first, then dense, its edge nearer the eyes."""
    return _covered(view, level, rng, _mask, (-1.45, -0.1, 1.45, 2.25))


def _mask(canvas: Canvas, level: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    cloth = np.array([(150, 186, 212), (222, 226, 228), (58, 60, 66), (168, 196, 190)], np.float32)[rng.integers(4)]
    top = MOUTH * (1 - level)
    half = np.array([(0, 0), (0.26, 0), (0.72, 0), (0.98, 0.9), (0.9, 1.45), (0.6, 1.9), (0.25, 2.08), (0, 2.1)])
    half[:3, 1] = top + np.array((-0.05, 0.06, 0.24))
    half[3:, 1] = np.maximum(half[3:, 1], top - 0.05)
    body = canvas.fill(_rounded(_mirrored(half)))
    loops = np.zeros_like(body)
    for end in ((0.9, max(top + 0.3, 0.75)), (0.82, 1.6)):
        loop = np.array([end, (1.04, 0.55), (1.13, 0.25)])
        loops = np.maximum(loops, np.maximum(canvas.line(loop, 0.025), canvas.line(loop * (-1, 1), 0.025)))
    shade = _pleats(canvas, top) * (0.72 + 0.28 * canvas.soften(body, 0.07))
    return cloth * shade[:, :, None], np.maximum(body * min(1.0, 0.2 + 1.7 * level), loops * 0.9)


def _pleats(canvas: Canvas, top: float) -> np.ndarray:
    """Return the light on a mask, (h, w) float32: round as the face, with three folds below its upper edge."""
    bow = canvas.y - 0.12 * canvas.x**2
    folds = np.zeros_like(bow)
    for fold in (0.35, 0.58, 0.8):
        line = bow - (top + fold * (2.05 - top))
        folds += np.exp(-((line / 0.025) ** 2)) - 0.6 * np.exp(-(((line + 0.05) / 0.04) ** 2))
    dome = 1.08 - 0.28 * canvas.x**2 - 0.1 * (canvas.y - 1.1) ** 2
    return np.asarray(dome * (1 - 0.13 * folds), np.float32)


def scarf(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with a striped scarf around each face, up from the neck to a height above the chin."""
    return _covered(view, level, rng, _wool, (-1.8, 0.0, 1.8, 3.5))


def _wool(canvas: Canvas, level: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    dyes = np.array([(122, 38, 44), (44, 64, 104), (84, 92, 74), (120, 98, 72)], np.float32)
    first = int(rng.integers(4))
    ground, stripe = dyes[first], dyes[(first + 1 + int(rng.integers(3))) % 4] * 0.5 + 100
    phase = rng.uniform(0, 2 * np.pi, 3).tolist()
    top = 1.95 - level
    half = np.array(
        [(0, top + 0.1), (0.6, top), (1.0, top - 0.12), (1.14, top + 0.1), (1.2, 2.1), (1.5, 2.7), (1.45, 3.1), (0, 3.3)]
    )
    half[4:6, 1] = np.maximum(half[4:6, 1], (top + 0.3, top + 0.7))
    body = canvas.fill(_rounded(_mirrored(half)))
    sag = canvas.y + 0.2 * np.cos(1.7 * canvas.x) + 0.06 * np.sin(3.5 * canvas.x + 2 * canvas.y + phase[0])
    folds = 0.5 * np.sin(9 * sag + 1.5 * canvas.x + phase[1]) + 0.3 * np.sin(17 * sag - 2.2 * canvas.x + phase[2])
    knit = np.sin(2 * np.pi * 15 * canvas.x) * np.sin(2 * np.pi * 11 * sag)
    share = 1 / (1 + np.exp(-14 * (np.cos(2 * np.pi * sag / 0.42) - 0.25)))
    colour = ground + share[:, :, None].astype(np.float32) * (stripe - ground)
    shade = (1.05 + 0.2 * folds + 0.07 * knit - 0.25 * canvas.x**2) * (0.55 + 0.45 * canvas.soften(body, 0.1))
    return colour * shade[:, :, None].astype(np.float32), canvas.soften(body, 0.008)


def background_faces(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo with further faces behind the true ones: theirs mirrored, out of focus, of another colour.

    The more the higher the level, which is the size of the largest over a true one's. They are put where there is most
    room, cut by the photo's edge where there is none, and never in front of a true head. Boxes and landmarks are those
    of the true faces.
    """
    maps = usable_axes(view)
    if not len(maps):
        return view
    photo, sizes = view.photo.copy(), np.array([1, 0.9, 0.8, 0.7])
    models = maps[rng.integers(len(maps), size=len(sizes))]
    tints = rng.uniform(0.82, 1.08, (len(sizes), 3)).astype(np.float32)
    centres = _places(maps, models, BACKGROUND[-1] * sizes, view.photo.shape, rng)
    for model, centre, size, tint in zip(models[: _further(level)], centres, level * sizes, tints, strict=False):
        _paste(photo, view.photo, (model, _moved(model, centre, size)), maps, tint)
    return replace(view, photo=photo)


def _further(level: float) -> int:
    """Return how many further faces there are: one to four."""
    return 1 + int(np.searchsorted((0.35, 0.45, 0.7), level, side="right"))


def _moved(maps: np.ndarray, centre: np.ndarray, size: float) -> np.ndarray:
    """Return the axes of a face mirrored, `size` times as large, the middle of its head at a centre."""
    turned = maps[:, :2] * (-size, size)
    return np.hstack([turned, (centre - turned @ HEAD[:2])[:, None]])


def _bounds(maps: np.ndarray) -> np.ndarray:
    """Return x1 y1 x2 y2 of heads, (n, 4) px."""
    centre, reach = maps[:, :, :2] @ HEAD[:2] + maps[:, :, 2], np.hypot(*np.moveaxis(maps[:, :, :2] * HEAD[2:], 2, 0))
    return np.hstack([centre - reach, centre + reach])


def _places(
    maps: np.ndarray, models: np.ndarray, sizes: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return where further heads are put, (k, 2) px, one after the other where least is in their way."""
    height, width = shape[:2]
    grid = np.stack(np.meshgrid(np.linspace(0.06, 0.94, 12) * width, np.linspace(0.06, 0.94, 9) * height), axis=2).reshape(
        -1, 2
    )
    taken = [_bounds(maps), np.empty((0, 4))]
    low, centres = float(np.median(maps[:, 1, 2] + maps[:, 1, 1])), np.empty((len(sizes), 2))
    for i, size in enumerate(sizes):
        reach = size * np.diff(_bounds(models[i : i + 1]).reshape(2, 2), axis=0)[0] / 2
        heads = np.hstack([grid - reach, grid + reach])
        outside = 1 - _shared(heads, np.array([[0, 0, width, height]]))
        cost = 4 * _shared(heads, taken[0]) + 2 * _shared(heads, taken[1]) + outside + 0.3 * (grid[:, 1] > low)
        best = int(np.argmin(cost + rng.uniform(0, 0.2, len(grid))))
        centres[i], taken[1] = grid[best], np.vstack([taken[1], heads[best]])
    return centres


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the share of each box, (m, 4), that others, (n, 4), cover; what two cover counts twice."""
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(2).sum(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9))


def _paste(
    photo: np.ndarray, source: np.ndarray, face: tuple[np.ndarray, np.ndarray], heads: np.ndarray, tint: np.ndarray
) -> None:
    """Draw a head of `source`, by its axes there and its axes in `photo`, behind other heads."""
    there, here = face
    place = region(here, (HEAD[0] - HEAD[2], HEAD[1] - HEAD[3], HEAD[0] + HEAD[2], HEAD[1] + HEAD[3]), photo.shape)
    if place is None:
        return
    rows, columns = place
    onto = _chained(here, invert(there[None])[0]) - [[0, 0, columns.start], [0, 0, rows.start]]
    size = (rows.stop - rows.start, columns.stop - columns.start)
    head = cut(source, onto[None], size)[0]
    known = cv2.warpAffine(np.ones(source.shape[:2], np.float32), onto, size[::-1])
    blur = max(0.04 * float(np.hypot(*here[:, 0])), 0.3)
    alpha = _oval(here, place, 0.2) * (known > 0.99)
    for other in heads:
        alpha *= 1 - _oval(other, place, -0.1)
    photo[place] = mixed(tinted(cv2.GaussianBlur(head, (0, 0), blur), tint), photo[place], alpha)


def _chained(after: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the affine map that is one map and then another."""
    return np.asarray(after @ np.vstack([first, (0, 0, 1)]))


def _oval(maps: np.ndarray, place: tuple[slice, slice], soft: float) -> np.ndarray:
    """Return the opacity of a head, (h, w) float32, fading out within its outline, or without if `soft` is negative."""
    back = invert(maps[None])[0].astype(np.float32)
    columns, rows = (
        np.arange(place[1].start, place[1].stop, dtype=np.float32),
        np.arange(place[0].start, place[0].stop, dtype=np.float32),
    )
    x, y = (back[i, 0] * columns + (back[i, 1] * rows + (back[i, 2] - HEAD[i]))[:, None] for i in (0, 1))
    radius = np.sqrt((x / HEAD[2]) ** 2 + (y / HEAD[3]) ** 2)
    return np.asarray(np.clip((1 + max(-soft, 0) - radius) / abs(soft), 0, 1), np.float32)


BACKGROUND = (0.25, 0.38, 0.5, 0.62, 0.75)
CORRUPTIONS = (
    Corruption(
        "sunglasses", "dark glasses, their tint and their size grow", "light taken", (0.2, 0.45, 0.7, 0.85, 0.98), sunglasses
    ),
    Corruption(
        "medical_mask",
        "a mask over mouth and chin, sheer at first, its edge nearer and nearer to the eyes",
        "of the way from mouth to eyes",
        (0.05, 0.3, 0.5, 0.7, 0.9),
        medical_mask,
    ),
    Corruption("scarf", "a striped scarf, up from the neck", "eye distances above the chin", (0.1, 0.45, 0.8, 1.2, 1.6), scarf),
    Corruption(
        "background_faces",
        "further faces behind the true ones, more and larger",
        "of a true face's size",
        BACKGROUND,
        background_faces,
    ),
)
