"""What an audit found in a folder of obscured photos and films: a row a file, and what each still gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from facevalue.data.errors import UnknownName
from facevalue.data.leftovers import KINDS as LEFTOVERS

KINDS: Mapping[str, str] = {
    "face": "A detector still finds a face.",
    "match": "What is seen of a face is as alike to a face of the originals as one person's photos are.",
    "unobscured": "A face of an original is there as it was.",
    "identical": "Byte for byte one of the originals.",
    "name": "Its name is that of an original.",
    "kept": "A face that the manifest says was left visible on purpose.",
    "file": "Neither a photo nor a film: nobody looked into it.",
    **LEFTOVERS,
}
STATUS = ("clean", "leaks", "unreadable")


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that a file gives away.

    Parameters
    ----------
    kind
        One of `KINDS`.
    detail
        What and where, never the thing itself.
    box
        Of a face: x1 y1 x2 y2, px of the upright photo or of the embedded picture.
    score
        Of the detector that is surest, 0 to 1.
    detector
        Names of the detectors that find it, with commas.
    frame
        Of a film, from 0.
    original
        Path of the original that it is, or is alike to.
    similarity, fmr, fmr_low, fmr_high
        Cosine to it, and how often two people's faces are as alike, with the interval that the calibration has.
    allowed
        Whether the user said that this kind is none.
    """

    kind: str
    detail: str = ""
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    detector: str = ""
    frame: int | None = None
    original: str = ""
    similarity: float | None = None
    fmr: float | None = None
    fmr_low: float | None = None
    fmr_high: float | None = None
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Audited:
    """One file that was looked at.

    Parameters
    ----------
    path
        From the folder on.
    sha256
        Of its bytes; "" where they could not be read.
    sort
        "photo", "film" or "file".
    why
        Why its pixels, or some of them, could not be looked at.
    width, height, frames
        px, and pictures looked at.
    original
        Path of the original that it was, where there are originals and one is found.
    places, compared
        Faces that its original has, and how many of their places were compared with the faces of all originals.
    leaks
        What it gives away.
    """

    path: str
    sha256: str = ""
    sort: str = "file"
    why: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    original: str = ""
    places: int = 0
    compared: int = 0
    leaks: tuple[Leak, ...] = ()

    @property
    def status(self) -> str:
        """One of `STATUS`: "unreadable" where that is all that there is to say; what is allowed does not count."""
        kinds = {leak.kind for leak in self.leaks if not leak.allowed}
        return "clean" if not kinds else "unreadable" if kinds == {"unreadable"} else "leaks"


def allowing(files: Sequence[Audited], kinds: Sequence[str]) -> tuple[Audited, ...]:
    """Return files whose leaks of some kinds are allowed.

    Raises
    ------
    UnknownName
        No such kind.

    Examples
    --------
    >>> [file] = allowing([Audited("a.jpg", leaks=(Leak("icc"),))], ["icc"])
    >>> file.status, file.leaks[0].allowed
    ('clean', True)
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName(kind, KINDS, what="kind of leak")
    return tuple(replace(file, leaks=tuple(replace(leak, allowed=leak.kind in kinds) for leak in file.leaks)) for file in files)


def file_rows(files: Sequence[Audited]) -> list[dict[str, Any]]:
    """Return a mapping a file, its leaks counted by kind."""
    rows = []
    for file in files:
        row = {one.name: getattr(file, one.name) for one in fields(file) if one.name != "leaks"}
        kinds = [leak.kind for leak in file.leaks if not leak.allowed]
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        rows.append(row | {"status": file.status, "leaks": len(kinds), "kinds": told})
    return rows


def leak_rows(files: Sequence[Audited]) -> list[dict[str, Any]]:
    """Return a mapping a leak, allowed ones included; a box as four numbers."""
    rows = []
    for file in files:
        for leak in file.leaks:
            told = {one.name: getattr(leak, one.name) for one in fields(leak) if one.name != "box"}
            box = dict(zip(("x1", "y1", "x2", "y2"), leak.box or (None,) * 4, strict=True))
            rows.append({"path": file.path, **told, **box})
    return rows
