"""Which instruments a run uses, in an order in which each finds what it needs."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from facevalue import models
from facevalue.confidence.sets import Calibration, with_sets
from facevalue.data.errors import UnknownName
from facevalue.data.faces import Column, Faces

DETECTOR = "centerface"
DEFAULT = ("mesh", "pose", "quality", "dlib_resnet", "attributes", "expression")
LEVEL = 0.9


def named(words: Iterable[str]) -> tuple[str, ...]:
    """Return the names that words stand for: "default" for all default instruments, blanks for none.

    Examples
    --------
    >>> named(["default", " fsanet", ""])
    ('mesh', 'pose', 'quality', 'dlib_resnet', 'attributes', 'expression', 'fsanet')
    """
    stripped = [word.strip() for word in words if word.strip()]
    return tuple(name for word in stripped for name in (DEFAULT if word == "default" else (word,)))


def ordered(chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the chosen instruments and those they need, each after what it needs.

    Raises
    ------
    UnknownName
        For a name that is no instrument, or is a detector.

    Examples
    --------
    >>> ordered(["pose"])
    ('mesh', 'pose')
    """
    known = [name for name in models.names() if models.card(name).kind != "detect"] + [
        *models.names(kind="spread"),
        *models.installed(),
    ]
    found: list[str] = []
    for name in chosen:
        if name not in known:
            raise UnknownName(name, known, what="instrument")
        found += [n for n in (*ordered(models.card(name).needs), name) if n not in found]
    return tuple(found)


def detector(name: str) -> str:
    """Return the name of a detector, or raise UnknownName."""
    known = models.names(kind="detect")
    if name not in known:
        raise UnknownName(name, known, what="detector")
    return name


def placed(chosen: Iterable[str], detector: str) -> tuple[str, ...]:
    """Return the chosen instruments in order, and first of all the mesh where a detector gives no five points.

    Examples
    --------
    >>> placed(["fake_embed"], "haar"), placed(["fake_embed"], "centerface")
    (('mesh', 'fake_embed'), ('fake_embed',))
    """
    return ordered(chosen if models.card(detector).landmarks else ("mesh", *chosen))


def columns(name: str) -> tuple[str, ...]:
    """Return the columns that an instrument fills.

    Examples
    --------
    >>> columns("fake")
    ('fake.colour', 'fake.light')
    """
    return tuple(f"{name}.{output.name}" for output in models.card(name).outputs)


@functools.cache
def calibrated(name: str) -> Calibration | None:
    """Return what makes the sets and intervals of an instrument, None where it is not calibrated."""
    known = models.calibration(name)
    return None if known is None else Calibration.from_dict(known["calibration"])


def blank(detector: str, chosen: Sequence[str], *, level: float = LEVEL) -> Faces:
    """Return no faces at all, with the columns that a detector and instruments fill, and bands where they will have some.

    Examples
    --------
    >>> list(blank("fake_detector", ["fake"]).columns)
    ['fake_detector.score', 'fake.colour', 'fake.light']
    """
    filled = {f"{detector}.score": Column(np.empty(0), "1", models.card(detector).source)}
    for card in map(models.card, chosen):
        for output in card.outputs:
            values = np.empty((0, *output.shape))
            filled[f"{card.name}.{output.name}"] = Column(values, output.unit, card.source, labels=output.labels)
    faces = Faces(np.empty(0), np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0), filled)
    for calibration in filter(None, map(calibrated, chosen)):
        faces = with_sets(faces, calibration, level=level)
    return faces


def stale(faces: Faces, wanted: Sequence[str], *, level: float = LEVEL) -> tuple[str, ...]:
    """Return the instruments whose columns are not there, have other weights or bands of another level, or rest on such."""
    out: list[str] = []
    for name in wanted:
        card = models.card(name)
        current = all(c in faces.columns and faces.columns[c].source == card.source for c in columns(name))
        current = current and {faces.columns[c].level for c in columns(name)} <= {None, level}
        if not current or any(need in out for need in card.needs):
            out.append(name)
    return tuple(out)
