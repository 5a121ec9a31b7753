"""The manifest of an obscured folder: what was found where, what was done to it, and the hashes of what went in and came out.

It lies beside the folder, not in it, so that the folder can be given away as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, reads
from facevalue.data.files import read_json, write_json

VERSION = 1
STATUS = ("obscured", "blanked", "refused", "failed")
DECIMALS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """One face of a photo or frame, and where its parts lie.

    Parameters
    ----------
    box : (4,) float
        x1 y1 x2 y2, px of the upright photo.
    score
        Of the detector, 0 to 1; NaN for a box that was given.
    detector
        Source of the detector that found it; "given" for a box of the user's, "track" for one carried on from other frames.
    how
        What the outlines were made from: "mesh", "box" or "body".
    size
        px: the root of the box's area.
    outlines
        (p, 2) float px polygon of each region, eye, lower, face and head.
    kept
        Why it was left visible: the name of a person of the allow-list, or "not_a_target"; "" where it was hidden.
    """

    box: np.ndarray
    score: float
    detector: str
    how: str
    size: float
    outlines: Mapping[str, np.ndarray]
    kept: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One photo, or one frame of a video.

    Parameters
    ----------
    path
        As in the folder that was given.
    status
        "obscured"; "blanked", where nothing of it is to be seen; "refused" and "failed", where nothing was written.
    why
        The reason of a status, or what else is to be said of it; it begins with a word of
        `facevalue.annotate.obscured_folder.REASONS`.
    sha256, out, out_sha256
        Of the bytes that went in; path and hash of what came out, "" where nothing did.
    width, height
        px.
    faces
        All that were found, those left visible too.
    """

    path: str
    status: str = "failed"
    why: str = ""
    sha256: str = ""
    out: str = ""
    out_sha256: str = ""
    width: int = 0
    height: int = 0
    faces: tuple[Hidden, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """What was done to a folder.

    Parameters
    ----------
    settings
        Plain values: method, regions, strength, seed, who, if_unsure, detectors with their sources, thresholds.
    entries
        One a photo, in order.
    """

    settings: Mapping[str, Any]
    entries: tuple[Entry, ...] = field(default=())


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as JSON, coordinates to a tenth of a px."""
    told = {"version": VERSION, "settings": dict(manifest.settings), "entries": [_entry(one) for one in manifest.entries]}
    write_json(told, path)


@reads("a manifest of facevalue obscure")
def read_manifest(path: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises
    ------
    SchemaError
        It is no manifest, of another version, or has a face that it does not outline.
    """
    expected = f"a manifest of facevalue obscure, version {VERSION}"
    told = read_json(path, expected=expected)
    if told.get("version") != VERSION or "entries" not in told:
        raise SchemaError(f"{path}: expected {expected}; got JSON of something else")
    try:
        return Manifest(told["settings"], tuple(_read_entry(one) for one in told["entries"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"{path}: expected {expected}; an entry cannot be read: {error!r}") from error


def _entry(entry: Entry) -> dict[str, Any]:
    return {one.name: getattr(entry, one.name) for one in fields(entry)} | {"faces": [_face(face) for face in entry.faces]}


def _face(face: Hidden) -> dict[str, Any]:
    outlines = {name: _rounded(points) for name, points in face.outlines.items()}
    score = None if np.isnan(face.score) else round(float(face.score), 4)
    told = {"box": _rounded(face.box), "score": score, "size": round(face.size, 2), "outlines": outlines}
    return {one.name: getattr(face, one.name) for one in fields(face)} | told


def _rounded(points: np.ndarray) -> list[Any]:
    return np.asarray(points, np.float64).round(DECIMALS).tolist()  # type: ignore[no-any-return]


def _read_entry(told: Mapping[str, Any]) -> Entry:
    if told["status"] not in STATUS:
        raise ValueError(f"{told['path']}: no status is called {told['status']!r}; known: {', '.join(STATUS)}")
    return Entry(**{**told, "faces": tuple(_read_face(face) for face in told["faces"])})


def _read_face(told: Mapping[str, Any]) -> Hidden:
    outlines = {name: np.array(points, np.float32).reshape(-1, 2) for name, points in told["outlines"].items()}
    if bad := [name for name, points in outlines.items() if len(points) < 3 or not np.isfinite(points).all()]:
        raise ValueError(f"the outline {bad[0]!r} of a face has fewer than three points, or one that is not finite")
    score = float("nan") if told["score"] is None else told["score"]
    return Hidden(**{**told, "box": np.array(told["box"], np.float32), "score": score, "outlines": outlines})
