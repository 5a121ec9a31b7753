"""A program of somebody else's, with strict types: `make lint` and `make wheel-check` hold that it passes mypy --strict."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import facevalue
from facevalue import Column, Faces, Findings, models


def frontal(faces: Faces, *, most: float = 20.0) -> Faces:
    """Return the faces that look ahead, by their yaw in degrees."""
    yaw: Column = faces.columns["pose.yaw"]
    kept: Faces = faces[np.abs(yaw.values) < most]
    return kept


def told(found: Findings) -> list[str]:
    """Return a line a finding."""
    return [f"{row['measure']} {row['value']}" for row in found.to_rows()]


def permissive() -> tuple[str, ...]:
    """Return the detectors that allow commercial use."""
    return tuple(name for name in models.names(kind="detect") if models.card(name).commercial)


def main(photos: Path, out: Path) -> int:
    """Measure photos, keep the frontal faces."""
    try:
        faces = facevalue.annotate([photos], instruments=["pose"], detector="centerface")
    except facevalue.FacevalueError as error:
        print(error)
        return 1
    facevalue.write_faces(frontal(faces), out)
    return len(facevalue.read_faces(out))


def types_are_not_any(faces: Faces) -> None:
    """Fail under mypy --strict, as an ignore that is not needed, where the package's types do not arrive."""
    number: int = faces.columns["pose.yaw"]  # type: ignore[assignment]
    word: str = models.card("mesh").commercial  # type: ignore[assignment]
    print(number, word)
