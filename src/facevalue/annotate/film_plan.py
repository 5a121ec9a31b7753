"""What is done to each frame of a film: which faces are hidden in it, found or not, and whether it is shown at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facevalue.annotate.obscured import Found, Obscuring
from facevalue.data.errors import SchemaError
from facevalue.data.manifest import Entry, Hidden
from facevalue.image.tracking import Place, Track, places, shot_cuts, tracks, unaccounted

LEFT_OUT = "left_out"
REASONS = {
    "lost_track": "A face was lost within the picture, no longer lingers, and has not come back: it may be there unseen.",
    LEFT_OUT: "The frame is not in a span that was asked for; it is not in the film.",
    "said_clear": "No face was found, and the frame is in a span of which it was said that nobody is in it; it is shown.",
    "targets_in_film": "Boxes are of photos; in a film hide all, and let --keep say who stays visible.",
}
TRACKED = "track"
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Filming:
    """What is special to films.

    Parameters
    ----------
    spans
        s; only these parts of the film are in the result. None given keeps all.
    clear
        s; the user says that nobody is in these: a frame of them without any face is shown. Faces are hidden all the same.
    linger
        s; for so long a face is hidden before it is first found and after it is lost. Twice as long is bridged between.
    audio
        Whether the sound is kept; voices give people away.
    crf
        Quality of the film: 0 is best, 51 worst.
    """

    spans: tuple[Span, ...] = ()
    clear: tuple[Span, ...] = ()
    linger: float = 0.5
    audio: bool = False
    crf: int = 20


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was found in one frame: its time, s; the faces; and the frame made small, (h, w) float, grey, 0 to 1."""

    time: float
    found: Found
    thumb: np.ndarray


def read_spans(text: str) -> tuple[Span, ...]:
    """Return spans, s, out of words with commas; an end that is missing is that of the film.

    Raises
    ------
    SchemaError
        A word is no span, or ends before it begins.

    Examples
    --------
    >>> read_spans("0:05-0:20, 1:02:03.5-")
    ((5.0, 20.0), (3723.5, inf))
    """
    expected = "spans of time such as 0:05-0:20,1:10-"
    spans = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        start, dash, end = word.partition("-")
        try:
            span = (_seconds(start) if start else 0.0, _seconds(end) if end else math.inf)
        except ValueError as error:
            raise SchemaError(f"expected {expected}, got {word!r}") from error
        if not dash or not 0 <= span[0] < span[1]:
            raise SchemaError(f"expected {expected}, with an end after the beginning; got {word!r}")
        spans.append(span)
    if not spans:
        raise SchemaError(f"expected {expected}, got {text!r}")
    return tuple(spans)


def _seconds(word: str) -> float:
    """Return seconds out of [[h:]m:]s."""
    parts = [float(part) for part in word.strip().split(":")]
    if len(parts) > 3 or any(part < 0 or not math.isfinite(part) for part in parts):
        raise ValueError(word)
    return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))


def within(times: np.ndarray, spans: Sequence[Span], *, margin: float = 0.0) -> np.ndarray:
    """Return which times, (n,) s, lie in one of the spans, (n,) bool; the end of a span is not in it.

    >>> within(np.array([0.0, 1.0, 2.0]), [(0.5, 2.0)])
    array([False,  True, False])
    """
    inside = [(times >= start - margin) & (times < end + margin) for start, end in spans]
    return np.asarray(np.logical_or.reduce([np.zeros(len(times), bool), *inside]))


def plan(name: str, seen: Sequence[Seen], shape: tuple[int, int], settings: Obscuring, filming: Filming) -> tuple[Entry, ...]:
    """Return what is to be done to each frame of a film: `status` says whether it is shown, `faces` what is hidden or kept.

    A frame is shown where a face that some detector is sure of is hidden or kept in it, be it found there or carried on from
    other frames, and no face was lost within the picture. All other frames are unsure, and blanked.

    Parameters
    ----------
    name
        Path of the film; a frame's is `<name>#<number>`.
    seen
        Of each frame, in order.
    shape
        Height and width of the film, px.
    settings
        What is hidden; how sure a detector must be.
    filming
        Spans, and how long a lost face lingers.
    """
    times = np.array([one.time for one in seen])
    linger = lingering(times, filming.linger)
    cuts = shot_cuts(np.stack([one.thumb for one in seen])) if seen else ()
    found = tracks([_boxes(one.found.faces) for one in seen], gap=2 * linger, cuts=cuts)
    sure = [_sure(one, seen, settings.sure) for one in found]
    counted = [one for one, is_sure in zip(found, sure, strict=True) if is_sure and not _last(one, seen).kept]
    lost = unaccounted(counted, shape, len(seen), linger=linger, cuts=cuts)
    kept, clear = within(times, filming.spans or [(-math.inf, math.inf)]), within(times, filming.clear)
    entries = []
    for t, here in enumerate(places(found, len(seen), linger=linger, cuts=cuts)):
        entry = Entry(f"{name}#{t}", width=shape[1], height=shape[0])
        if not kept[t]:
            entries.append(replace(entry, status="blanked", why=LEFT_OUT))
            continue
        faces = tuple(_hidden(place, seen, settings.regions) for place in here)
        why = _unsure(seen[t].found, [sure[place.track] for place in here], bool(lost[t]))
        said = why in ("no_face", "no_person") and not here and bool(clear[t])
        status = "blanked" if why and not said else "obscured"
        entries.append(replace(entry, status=status, why="said_clear" if said else why, faces=faces))
    return tuple(entries)


def lingering(times: np.ndarray, linger: float) -> int:
    """Return for how many frames a face lingers, rounded up.

    >>> lingering(np.array([0.0, 0.04, 0.08]), 0.5)
    13
    """
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    return math.ceil(linger * (len(times) - 1) / span - 1e-6) if span > 0 else math.ceil(linger * 30)


def _unsure(found: Found, sure: Sequence[bool], lost: bool) -> str:
    """Return why a frame may show a face that is not hidden; "" where it does not."""
    if not sure:
        return found.unsure or "no_face"
    if not any(sure):
        return "low_confidence"
    return "lost_track" if lost else ""


def _sure(one: Track, seen: Sequence[Seen], least: float) -> bool:
    """Return whether a track has a sighting that can be relied on: by its score, or as the head of a person."""
    faces = [seen[t].found.faces[row] for t, row in zip(one.frames, one.rows, strict=True)]
    return any(face.how == "body" or math.isnan(face.score) or face.score >= least for face in faces)


def _last(one: Track, seen: Sequence[Seen]) -> Hidden:
    return seen[int(one.frames[-1])].found.faces[int(one.rows[-1])]


def _boxes(faces: Sequence[Hidden]) -> np.ndarray:
    return np.array([_extent(face) for face in faces]).reshape(-1, 4)


def _extent(face: Hidden) -> np.ndarray:
    """Return the box by which a face is followed: its own, or that of the head where the box is a body's."""
    if face.how != "body":
        return np.asarray(face.box, np.float64)
    head = np.asarray(face.outlines["head"], np.float64)
    return np.concatenate([head.min(0), head.max(0)])


def _hidden(place: Place, seen: Sequence[Seen], regions: Sequence[str]) -> Hidden:
    """Return a face as it is hidden at a place, with the outlines of the wanted regions."""
    faces = [seen[t].found.faces[row] for t, row in place.sightings]
    if place.how == "found":
        return replace(faces[0], outlines={name: faces[0].outlines[name] for name in regions})
    moved = [_moved(face, place.box, regions) for face in faces]
    outlines = {name: _hull([one[name] for one in moved]) for name in regions}
    names = {face.kept for face in faces}
    kept = names.pop() if len(names) == 1 and place.how == "between" else ""
    size = math.sqrt(float((place.box[2:] - place.box[:2]).prod()))
    return Hidden(place.box, min(face.score for face in faces), TRACKED, faces[0].how, size, outlines, kept)


def _moved(face: Hidden, box: np.ndarray, regions: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the outlines of a face, moved and stretched as its box is to become another."""
    own = _extent(face)
    scale = (box[2:] - box[:2]) / np.maximum(own[2:] - own[:2], 1e-6)
    return {name: (np.asarray(face.outlines[name]) - own[:2]) * scale + box[:2] for name in regions}


def _hull(outlines: Sequence[np.ndarray]) -> np.ndarray:
    if len(outlines) == 1:
        return outlines[0].astype(np.float32)
    return np.asarray(cv2.convexHull(np.concatenate(outlines).astype(np.float32))[:, 0])
