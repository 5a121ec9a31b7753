"""Faces followed through a film, so that one that is lost for some frames stays hidden: coverage matters here, not identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.image.boxes import overlap

# A box and a track belong together from this overlap on, or where their middles lie within `REACH` sizes, and `SPREAD` sizes
# more a frame of the gap, at most `FARTHEST`; and where one is at most `ALIKE` times as large as the other.
OVERLAP, REACH, SPREAD, FARTHEST, ALIKE = 0.15, 0.6, 0.1, 2.0, 2.0
# A box that is not seen grows by this share of its size a frame, up to LARGEST times its size.
GROWTH, LARGEST = 0.03, 1.5
RECENT = 5
FASTEST = 0.4
# frames around a cut that are compared
NEAR = 3


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a face is hidden in one frame.

    Parameters
    ----------
    track
        Number of its track.
    box : (4,) float
        x1 y1 x2 y2, px.
    how
        "found"; "between" two sightings, "before" the first or "after" the last one.
    sightings
        Frame and index of the boxes that it was made from: itself, both neighbours, the first, or the last.
    """

    track: int
    box: np.ndarray
    how: str
    sightings: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Sightings of one face, in order of time.

    Parameters
    ----------
    frames, rows : (k,) int
        The frames, and the index of the box in each.
    boxes : (k, 4) float
        x1 y1 x2 y2, px.
    """

    frames: np.ndarray
    rows: np.ndarray
    boxes: np.ndarray


def tracks(frames: Sequence[np.ndarray], *, gap: int, cuts: Sequence[int] = ()) -> tuple[Track, ...]:
    """Return the tracks of a film: each box of each frame is in exactly one, and none goes over a cut.

    Boxes go to tracks greedily: the largest overlap with where the face was last, or would be by now, first; then those whose
    middles are near.

    Parameters
    ----------
    frames
        Per frame (n, 4) float boxes, x1 y1 x2 y2 px.
    gap
        The longest gap in a track, frames.
    cuts
        Frames with which a new shot begins.

    Examples
    --------
    >>> box = np.array([[0, 0, 10, 10.0]])
    >>> [one.frames.tolist() for one in tracks([box, box + 1, box[:0], box + 3, box + 90], gap=5)]
    [[0, 1, 3], [4]]
    """
    if gap < 0:
        raise ValueError(f"expected a gap of 0 frames or more, got {gap}")
    every, alive, begins = list[list[_Seen]](), list[list[_Seen]](), set(cuts)
    for t, given in enumerate(frames):
        boxes = np.asarray(given, np.float64).reshape(-1, 4)
        alive = [] if t in begins else [one for one in alive if t - one[-1][0] <= gap + 1]
        taken = _joined(alive, boxes, t)
        for row, box in enumerate(boxes):
            if row in taken:
                alive[taken[row]].append((t, row, box))
            else:
                every.append([(t, row, box)])
        alive += [one for one in every[max(len(every) - len(boxes), 0) :] if one[0][0] == t]
    return tuple(Track(*(np.array(column) for column in zip(*one, strict=True))) for one in every)


# frame, index of the box in it, the box
_Seen = tuple[int, int, np.ndarray]


def _joined(alive: Sequence[list[_Seen]], boxes: np.ndarray, t: int) -> dict[int, int]:
    """Return the index of the track of each box that continues one."""
    if not alive or not len(boxes):
        return {}
    near = np.stack([_nearness(one, boxes, t) for one in alive])
    taken = dict[int, int]()
    while near.max() > 0:
        best, row = np.unravel_index(int(near.argmax()), near.shape)
        taken[int(row)] = int(best)
        near[best], near[:, row] = 0, 0
    return taken


def _nearness(seen: list[_Seen], boxes: np.ndarray, t: int) -> np.ndarray:
    """Return how well each box continues a track, (n,): 1 to 2 where they overlap, 0 to 1 where they are near, 0 where not."""
    last, past = seen[-1][2], t - seen[-1][0]
    recent = seen[-RECENT:]
    moved = last + past * np.tile(_motion(np.array([one[0] for one in recent]), np.stack([one[2] for one in recent])), 2)
    shared = np.maximum(overlap(last, boxes), overlap(moved, boxes))
    size = _size(last)
    far = np.minimum(*(np.hypot(*(_middle(boxes) - _middle(one)).T) for one in (last, moved))) / size
    ratio = _size(boxes) / size
    near = (far <= min(REACH + SPREAD * (past - 1), FARTHEST)) & (ratio <= ALIKE) & (ratio >= 1 / ALIKE)
    found = np.where(shared >= OVERLAP, 1 + shared, np.where(near, 1 / (1 + far), 0))
    return np.asarray(found * 0.999 ** (past - 1))


def places(found: Sequence[Track], length: int, *, linger: int, cuts: Sequence[int] = ()) -> tuple[tuple[Place, ...], ...]:
    """Return what is to be hidden in each frame: what was found, what lies between, and what is lost or not yet found.

    A box between two sightings lies on the line between them. One before the first or after the last sighting stays where
    it was and reaches as far as it would have moved. All of these grow while the face is not seen.

    Parameters
    ----------
    found
        As `tracks` gives them.
    length
        Of the film, frames.
    linger
        Frames for which a face is hidden before its first and after its last sighting, within the shot.
    cuts
        Frames with which a new shot begins.

    Examples
    --------
    >>> box = np.array([[0, 0, 10, 10.0]])
    >>> one = tracks([box[:0], box, box[:0], box + 4, box[:0], box[:0]], gap=5)
    >>> [[place.how for place in frame] for frame in places(one, 6, linger=1)]
    [['before'], ['found'], ['between'], ['found'], ['after'], []]
    """
    frames: list[list[Place]] = [[] for _ in range(length)]
    for number, one in enumerate(found):
        first, last = int(one.frames[0]), int(one.frames[-1])
        start, end = _shot(first, length, cuts)
        for t in range(max(first - linger, start), min(last + linger + 1, end)):
            frames[t].append(_place(number, one, t))
    return tuple(map(tuple, frames))


def _place(number: int, one: Track, t: int) -> Place:
    """Return where a track's face is hidden in a frame."""
    after = int(np.searchsorted(one.frames, t))
    if after < len(one.frames) and one.frames[after] == t:
        return Place(number, one.boxes[after], "found", (_sighting(one, after),))
    if 0 < after < len(one.frames):
        before, until = t - one.frames[after - 1], one.frames[after] - t
        box = (one.boxes[after - 1] * until + one.boxes[after] * before) / (before + until)
        both = _sighting(one, after - 1), _sighting(one, after)
        return Place(number, _grown(box, min(before, until)), "between", both)
    end = 0 if after == 0 else -1
    away = int(abs(t - one.frames[end]))
    return Place(number, _reached(one, end, away), "after" if end else "before", (_sighting(one, end),))


def _reached(one: Track, end: int, away: int) -> np.ndarray:
    """Return the box at one end of a track as it stays, moves and grows for some frames."""
    some = slice(None, RECENT) if end == 0 else slice(-RECENT, None)
    motion = _motion(one.frames[some], one.boxes[some]) * (1 if end else -1)
    box = one.boxes[end]
    moved = box + away * np.tile(motion, 2)
    return _grown(np.concatenate([np.minimum(box[:2], moved[:2]), np.maximum(box[2:], moved[2:])]), away)


def unaccounted(
    found: Sequence[Track], shape: tuple[int, int], length: int, *, linger: int, cuts: Sequence[int] = ()
) -> np.ndarray:
    """Return in which frames a face may be that was lost within the picture, and has not come back, (length,) bool.

    A track that ends where its face neither leaves the picture nor the shot ends is lost. From when it no longer lingers, until
    a track that began within the picture can be it, or the shot ends, its face may be anywhere.

    Parameters
    ----------
    found
        Tracks of faces that count.
    shape
        Height and width, px.
    length, linger, cuts
        As for `places`.

    Examples
    --------
    >>> box = np.array([[40, 40, 50, 50.0]])
    >>> one = tracks([box, box, box[:0], box[:0], box[:0]], gap=1)
    >>> unaccounted(one, (100, 100), 5, linger=1)
    array([False, False, False,  True,  True])
    """
    doubt = np.zeros(length, bool)
    begun = sorted(int(one.frames[0]) for one in found if _within(one, 0, linger, shape))
    for last in sorted(int(one.frames[-1]) for one in found if _within(one, -1, linger, shape)):
        _, end = _shot(last, length, cuts)
        back = next((first for first in begun if last < first < end), None)
        if back is not None:
            begun.remove(back)
        doubt[last + linger + 1 : end if back is None else max(back - linger, 0)] = True
    return doubt


def _within(one: Track, end: int, linger: int, shape: tuple[int, int]) -> bool:
    """Return whether a track begins or ends where its face does not reach the picture's border."""
    box, limit = _reached(one, end, linger), np.array([shape[1], shape[0]])
    return bool((box[:2] > 0).all() and (box[2:] < limit).all())


def shot_cuts(thumbs: np.ndarray, *, least: float = 0.12) -> tuple[int, ...]:
    """Return the frames with which a new shot begins: the few frames before are alike, so are those after, but not the two.

    After a flash the picture is as before, and while the camera is swept around no two frames are alike: neither is a cut.
    Faces that are lost are not carried over a cut, so what is not surely one must not pass for one.

    Parameters
    ----------
    thumbs : (n, h, w) float
        Frames made small, grey, 0 to 1.
    least
        Mean absolute difference of two frames of different shots.

    Examples
    --------
    >>> grey = np.array([0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5])
    >>> shot_cuts(np.ones((9, 4, 4)) * grey[:, None, None])
    (6,)
    """
    steps = np.abs(np.diff(thumbs, axis=0)).mean((1, 2))
    cuts = []
    for t in np.flatnonzero(steps >= least) + 1:
        before, after = thumbs[max(t - NEAR, 0) : t], thumbs[t : t + NEAR]
        apart = np.abs(before[:, None] - after[None]).mean((2, 3)).min()
        around = np.concatenate([steps[max(t - NEAR, 0) : t - 1], steps[t : t + NEAR - 1]])
        if apart >= least and (around < least).all():
            cuts.append(int(t))
    return tuple(cuts)


def _shot(t: int, length: int, cuts: Sequence[int]) -> tuple[int, int]:
    """Return the first frame of the shot that a frame is in, and the first after it."""
    bounds = np.array([0, *sorted(cuts), length])
    after = int(np.searchsorted(bounds[1:-1], t, side="right"))
    return int(bounds[after]), int(bounds[after + 1])


def _sighting(one: Track, at: int) -> tuple[int, int]:
    return int(one.frames[at]), int(one.rows[at])


def _motion(frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return how far a box moves in a frame, (2,) px."""
    if len(frames) < 2:
        return np.zeros(2)
    limit = FASTEST * _size(boxes[-1])
    return np.asarray(np.clip((_middle(boxes[-1]) - _middle(boxes[0])) / (frames[-1] - frames[0]), -limit, limit))


def _middle(boxes: np.ndarray) -> np.ndarray:
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def _size(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum((boxes[..., 2:] - boxes[..., :2]).prod(-1), 1.0)))


def _grown(box: np.ndarray, away: int) -> np.ndarray:
    """Return a box as it has grown when its face was last seen some frames ago."""
    more = (box[2:] - box[:2]) / 2 * (min(1 + GROWTH * away, LARGEST) - 1)
    return np.concatenate([box[:2] - more, box[2:] + more])
