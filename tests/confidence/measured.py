"""Made-up people as measured photos: a direction a person, noise a photo, and columns that foretell the noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.people import People

MODEL, DETECTOR = "net", "finder"
COLUMNS = (
    "finder.score",
    "net.embedding",
    "net_spread.flip",
    "net_spread.jitter",
    "net_spread.blind",
    "quality.inter_eye",
    "quality.sharpness",
    "quality.luminance",
)


def crowd(
    photos: int | Sequence[int],
    people: int,
    draw: np.random.Generator,
    *,
    noise: float = 0.5,
    d: int = 32,
    named: str = "",
    columns: Mapping[str, np.ndarray] | None = None,
) -> People:
    """Return people called `<named>0000`, ... with so many photos each, off a direction of their own by lognormal noise."""
    who = np.repeat(np.arange(people), photos)
    truth = draw.normal(size=(people, d))[who]
    strength = noise * np.exp(0.5 * draw.normal(size=len(who)))
    return album(truth, strength, np.char.add(named, np.char.zfill(who.astype(str), 4)), draw, columns=columns)


def album(
    truth: np.ndarray,
    strength: np.ndarray,
    person: np.ndarray,
    draw: np.random.Generator,
    *,
    columns: Mapping[str, np.ndarray] | None = None,
) -> People:
    """Return one photo a row: the person's truth, (n, d), plus noise of a strength, (n,), that flip and sharpness tell."""
    n, d = truth.shape

    def told(values: np.ndarray) -> np.ndarray:
        return values * np.exp(0.1 * draw.normal(size=n))

    values = {
        "finder.score": np.full(n, 0.9),
        "net.embedding": truth + strength[:, None] * draw.normal(size=(n, d)),
        "net_spread.flip": told(10 * strength),
        "net_spread.jitter": told(np.full(n, 5.0)),
        "net_spread.blind": np.eye(d)[0] + 0.1 * draw.normal(size=(n, d)),
        "quality.inter_eye": told(np.full(n, 60.0)),
        "quality.sharpness": told(0.1 / strength),
        "quality.luminance": draw.uniform(0.3, 0.6, n),
    }
    path = np.array([f"{who}/{i:05d}.jpg" for i, who in enumerate(person)], object)
    known = {name: Column(values[name], "1", f"{name.partition('.')[0]}@1") for name in COLUMNS}
    faces = Faces(path, np.tile([0.0, 0, 9, 9], (n, 1)), np.zeros((n, 5, 2)), np.full(n, 0.9), known, path)
    words = {name: np.asarray(part, object) for name, part in (columns or {}).items()}
    return People(faces, np.array(person, object), np.zeros(n, int), words)


def replaced(faces: Faces, rows: object, **columns: object) -> Faces:
    """Return the faces with other values in some rows of columns, named with "__" for the dot."""
    for name, value in columns.items():
        column = faces[name.replace("__", ".")]
        values = column.values.copy()
        values[rows] = value
        faces = faces.with_column(name.replace("__", "."), Column(values, column.unit, column.source, why=column.why))
    return faces
