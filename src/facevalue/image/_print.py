"""Photos of photos: printed and scanned, or small on a card with its security print.

A print has fewer px between the eyes than the photo; what a press does is done at that size, then enlarged again.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facevalue.image._corruption import Corruption, eye_distance
from facevalue.image._cover import Canvas, laid, mixed, region, tinted, usable_axes
from facevalue.image._frame import carried, middles
from facevalue.image._noise import GRAIN, grid
from facevalue.image.jitter import View, compress

# screens of cyan, magenta, yellow and black, degrees, and their period, px of the print
SCREENS, PERIOD = (15.0, 75.0, 0.0, 45.0), 3.0
FINE, ROUGH = 100.0, 25.0  # px a print has between the eyes, unworn and at a level of 1
LID = (226, 225, 221)  # of the scanner


def print_scan(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as printed and scanned: fewer px, faded ink, halftone dots, paper, a glare, a slant, JPEG.

    The corners of the page move by up to 6 % of its sides times the level; boxes enclose what their corners do.
    """
    size = view.photo.shape[1::-1]
    grain = rng.standard_normal(grid(view, GRAIN), dtype=np.float32)
    drawn, bright, turn = rng.uniform(-1, 1, (4, 2)), rng.uniform(-1.2, 1.2, 2), rng.uniform(0, np.pi)
    page = _halftoned(_faded(_reduced(view, level), level), 8 + 45 * level)
    ratio = np.array(page.shape[1::-1]) / size
    paper = cv2.GaussianBlur(cv2.resize(grain, page.shape[1::-1], interpolation=cv2.INTER_AREA), (0, 0), 0.7)
    page = cv2.add(page, cv2.merge([(2 + 7 * level) * paper] * 3))
    page = _glared(page, (_middle(view) + bright * eye_distance(view)) * ratio, float(turn), level)
    slant = _slant(size, 0.06 * level * drawn)
    enlarge = np.array([[1 / ratio[0], 0, 0.5 / ratio[0] - 0.5], [0, 1 / ratio[1], 0.5 / ratio[1] - 0.5], [0, 0, 1]])
    scan = cv2.warpPerspective(page, slant @ enlarge, size, flags=cv2.INTER_LINEAR, borderValue=LID)
    return compress(_slanted(view, scan, slant), round(92 - 55 * level))


def _reduced(view: View, level: float) -> np.ndarray:
    """Return the photo at the px of its print, or its own where they are fewer."""
    ratio = min(1.0, FINE * (ROUGH / FINE) ** level / eye_distance(view))
    size = max(2, round(view.photo.shape[1] * ratio)), max(2, round(view.photo.shape[0] * ratio))
    return cv2.resize(view.photo, size, interpolation=cv2.INTER_AREA)


def _cosine(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return `cos(down + across)` of phases (h,) and (w,), (h, w) float32: by the sum formula, as a product."""
    rows = np.stack([np.cos(down), -np.sin(down)], axis=1).astype(np.float32)
    return np.asarray(rows @ np.stack([np.cos(across), np.sin(across)]).astype(np.float32))


def _wave(shape: tuple[int, ...], across: float, down: float, phase: float = 0.0) -> np.ndarray:
    """Return a plane wave of so many cycles a px, (h, w) float32."""
    return _cosine(2 * np.pi * down * np.arange(shape[0]) + phase, 2 * np.pi * across * np.arange(shape[1]))


def _screen(shape: tuple[int, ...], degrees: float) -> np.ndarray:
    """Return the threshold of a halftone screen at an angle, (h, w) float32 in [-1, 1]."""
    a, b = np.cos(np.radians(degrees)) / PERIOD, np.sin(np.radians(degrees)) / PERIOD
    return np.asarray((_wave(shape, a, b) + _wave(shape, -b, a)) / 2)


def _faded(photo: np.ndarray, level: float) -> np.ndarray:
    """Return a print with less range, lighter middle tones and less colour; (h, w, 3) uint8."""
    pale = cv2.transform(photo, (1 - 0.25 * level) * np.eye(3) + 0.25 * level / 3)
    tone = (np.arange(256) / 255) ** (1 - 0.3 * level)
    return cv2.LUT(pale, np.round(255 * (0.14 * level + (1 - 0.2 * level) * tone)).astype(np.uint8))


def _halftoned(photo: np.ndarray, amplitude: float) -> np.ndarray:
    """Return a photo, (h, w, 3) float32, whose middle tones swing as the dots of four inks, each at its own angle."""
    tone = np.arange(256) / 255
    swing = (amplitude * 4 * tone * (1 - tone)).astype(np.float32)
    inks = cv2.merge([_screen(photo.shape, degrees) for degrees in SCREENS[:3]])
    black = cv2.LUT(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), swing * 0.6) * _screen(photo.shape, SCREENS[3])
    dots = cv2.add(cv2.multiply(cv2.LUT(photo, swing), inks), cv2.merge([black] * 3))
    return cv2.add(photo, dots, dtype=cv2.CV_32F)


def _glared(photo: np.ndarray, where: np.ndarray, turn: float, level: float) -> np.ndarray:
    """Return a print under a long soft light: `v + g (255 - v)`, about a place and at an angle; (h, w, 3) uint8."""
    height, width = photo.shape[:2]
    side, step = 0.2 * min(height, width), 8
    x, y = (step * np.arange(n // step + 2, dtype=np.float32) - float(at) for n, at in ((width, where[0]), (height, where[1])))
    along, off = x * np.cos(turn) + (y * np.sin(turn))[:, None], y[:, None] * np.cos(turn) - x * np.sin(turn)
    coarse = 0.75 * level * np.exp(-((along / (2.5 * side)) ** 2) - (off / (0.7 * side)) ** 2)
    enlarge = np.array([[step, 0, 0], [0, step, 0]], np.float64)
    glare = cv2.merge([cv2.warpAffine(coarse.astype(np.float32), enlarge, (width, height), flags=cv2.INTER_LINEAR)] * 3)
    return cv2.add(cv2.multiply(photo, 1 - glare), 255 * glare, dtype=cv2.CV_8U)


def _middle(view: View) -> np.ndarray:
    """Return the middle of the first face that has one; else of the photo."""
    where = middles(view)
    return np.asarray(where[0] if len(where) else np.array(view.photo.shape[1::-1]) / 2)


def _slant(size: tuple[int, int], shares: np.ndarray) -> np.ndarray:
    """Return the perspective, (3, 3), that moves the corners of a page by shares, (4, 2), of its sides."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size - 0.5
    return cv2.getPerspectiveTransform(corners.astype(np.float32), (corners + shares * size).astype(np.float32))


def _slanted(view: View, photo: np.ndarray, slant: np.ndarray) -> View:
    """Return a photo, and boxes and landmarks carried through a perspective."""
    corners = view.box[:, (0, 1, 2, 1, 2, 3, 0, 3)].reshape(-1, 4, 2) - 0.5
    moved = _through(slant, corners) + 0.5
    return View(photo, np.hstack([moved.min(1), moved.max(1)]), _through(slant, view.landmarks))


def _through(slant: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points, (n, k, 2), through a perspective."""
    raised = points @ slant[:, :2].T + slant[:, 2]
    return np.asarray(raised[..., :2] / raised[..., 2:])


def id_card(view: View, level: float, rng: np.random.Generator) -> View:
    """Return the photo as the portrait of a card: smaller, under moire, a hologram, a stamp over the cheek, and plastic."""
    height, width = view.photo.shape[:2]
    phase, ink, side = rng.uniform(0, 2 * np.pi, 4).tolist(), float(rng.random()), float(rng.choice((-1.0, 1.0)))
    share = 1 - 0.5 * level
    w, h = max(2, round(width * share)), max(2, round(height * share))
    left, top = round(0.2 * (width - w)), round(0.45 * (height - h))
    card = _card(view.photo.shape, share * eye_distance(view), phase[0])
    portrait = _moire(_reduced(view, level), eye_distance(view) / width, level, phase)
    card[top : top + h, left : left + w] = cv2.resize(portrait, (w, h), interpolation=cv2.INTER_LINEAR)
    scale = np.array([w / width, h / height])
    moved = carried(view, card, np.hstack([np.diag(scale), ((left, top) + 0.5 * scale - 0.5)[:, None]]))
    for maps in usable_axes(moved):
        _stamp(card, maps, (ink, side), level)
    return replace(moved, photo=_laminated(card, _middle(moved), share * eye_distance(view), level, phase))


def _card(shape: tuple[int, ...], unit: float, phase: float) -> np.ndarray:
    """Return an empty card, (h, w, 3) uint8: pale, with fine waves of lines, and bars of writing at right and below."""
    height, width = shape[:2]
    x, pitch = np.arange(width), 2 * np.pi / max(0.1 * unit, 4)
    lines = _cosine(pitch * np.arange(height), pitch * 0.25 * unit * np.sin(2 * np.pi * x / (1.5 * unit) + phase))
    paper = zip((206, 218, 222), (14, 7, 4), strict=True)
    card = cv2.merge([cv2.convertScaleAbs(lines, alpha=depth, beta=value) for value, depth in paper])
    step = max(round(0.5 * unit), 6)
    for row in range(step, height, step):
        ends = round(0.62 * width), round((0.8 + 0.15 * np.cos(row)) * width)
        cv2.line(card, (ends[0], row), (ends[1], row), (90, 96, 104), max(1, step // 4))
    return card


def _moire(photo: np.ndarray, unit: float, level: float, phase: list[float]) -> np.ndarray:
    """Return a print under the beat of two gratings, another in each channel; `unit` is the eye distance over its width."""
    cycle = 1 / (unit * photo.shape[1])
    fine = (2.5 + 14 * level) * (1 + _wave(photo.shape, 5.1 * cycle, -7.3 * cycle, phase[3]))
    beats = [fine * _wave(photo.shape, (2.3 + 0.2 * i) * cycle, 1.4 * cycle, phase[i]) for i in range(3)]
    return cv2.add(photo, cv2.merge(beats), dtype=cv2.CV_8U)


def _stamp(card: np.ndarray, maps: np.ndarray, drawn: tuple[float, float], level: float) -> None:
    """Draw the arc of a round stamp over one cheek: two rings and letters between them, in ink that lets skin through."""
    ink, side = drawn
    canvas = Canvas((-2.2, 0.0, 2.2, 4.0), int(np.clip(round(float(np.hypot(*maps[:, 0]))), 12, 120)))
    place = region(maps, canvas.window, card.shape)
    if place is None:
        return
    x, y = side * canvas.x - (1.55 - 0.5 * level), canvas.y - (2.05 - 0.35 * level)
    away, turn = np.hypot(x, y), np.arctan2(y, x)
    rings = sum(np.clip(1.5 - np.abs(away - radius) / 0.03, 0, 1) for radius in (1.35, 0.95))
    letters = np.clip(1.5 - np.abs(away - 1.15) / 0.06, 0, 1) * (np.sin(34 * turn) * np.sin(13 * turn + 1) > 0.1)
    worn = 0.75 + 0.25 * np.sin(7 * x + 3 * y)
    opacity = laid(((0.3 + 0.6 * level) * np.clip(rings + letters, 0, 1) * worn).astype(np.float32), canvas, maps, place)
    stained = tinted(card[place], np.array((0.15 + 0.5 * ink, 0.15, 0.65 - 0.4 * ink)))
    card[place] = mixed(stained, card[place], opacity)


def _laminated(card: np.ndarray, where: np.ndarray, unit: float, level: float, phase: list[float]) -> np.ndarray:
    """Return a card under plastic: a veil, and a band of the hologram's colours across the face; (h, w, 3) uint8."""
    height, width = card.shape[:2]
    rows, columns = max(2, round(12 * height / unit)), max(2, round(12 * width / unit))
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns / unit) - where[0] / unit
    y = ((np.arange(rows, dtype=np.float32) + 0.5) * (height / rows / unit) - where[1] / unit)[:, None]
    off = 0.8 * x + 0.6 * y + 0.35 * np.sin(1.5 * (0.6 * x - 0.8 * y) + phase[0]) + 0.5 * np.cos(phase[1])
    share = (0.12 + 0.55 * level) * np.exp(-((off / 0.8) ** 2)) * (0.7 + 0.3 * np.sin(5 * (0.6 * x - 0.8 * y)))
    colours = np.stack([170 + 85 * np.cos(4 * off + 1.2 * y + turn) for turn in (0, 2.1, 4.2)], axis=2)
    dull = np.round((1 - 0.25 * level) * np.arange(256) + 40 * level).astype(np.uint8)
    coarse = colours.clip(0, 255).astype(np.uint8), share.astype(np.float32)
    over, alpha = (cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in coarse)
    return mixed(over, cv2.LUT(card, dull), alpha)


CORRUPTIONS = (
    Corruption("print_scan", "printed on paper and scanned", "wear", (0.2, 0.4, 0.6, 0.8, 1.0), print_scan),
    Corruption("id_card", "the portrait on a laminated card, stamped", "wear", (0.2, 0.4, 0.6, 0.8, 1.0), id_card),
)
