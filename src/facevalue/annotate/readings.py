"""The mesh read many times: the mean of its readings of a face on slightly moved crops, and how far one reading is off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import engine
from facevalue.annotate.measure import Measured, Measurer, PhotoRow, Settings, Task
from facevalue.annotate.run import Progress
from facevalue.data.errors import PhotoError, SchemaError
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.data.people import main_faces
from facevalue.data.photos import Found, decode, find_photos, read_bytes
from facevalue.data.shapes import Shapes
from facevalue.image import align
from facevalue.image.jitter import View, jitter
from facevalue.image.landmark_noise import landmark_covariance, reading_noise
from facevalue.image.pose import mean_mesh
from facevalue.models.mesh import EYES, POINTS, PRESENCE, SIZE
from facevalue.studies.shapes import About, mesh_shapes

READINGS, POOLED = 12, 200
NAME = "mesh.readings"


@dataclass(frozen=True, slots=True)
class Reading(Settings):
    """Settings, how often each face is read, and the seed of the crops."""

    readings: int = READINGS
    seed: int = 0

    def open(self) -> Reader:
        """Return what reads so."""
        return Reader(self)


class Reader(Measurer):
    """A `Measurer` of faces that were found before: their column is "mesh.readings", (n, r, 468, 2) px of the photo."""

    def __init__(self, settings: Reading) -> None:
        self.asked = settings
        self.mesh = models.load("mesh")

    def __call__(self, tasks: Sequence[Task]) -> Measured:
        """Return a row a photo, and the one face that is known of it with its readings."""
        rows, parts = list[PhotoRow](), list[Faces]()
        for task in tasks:
            assert task.before is not None
            row, values = PhotoRow(task.photo.path), np.full((1, self.asked.readings, POINTS, 2), np.nan)
            try:
                pixels = decode(read_bytes(task.photo), max_pixels=self.asked.max_pixels)
                values[0] = self._read(pixels, task.before)
                row = replace(row, status="measured", faces=1)
            except PhotoError as error:
                row = replace(row, why=error.why)
            rows.append(row)
            parts.append(replace(task.before, columns={NAME: Column(values, "px", self.mesh.card.source)}))
        return Measured(tuple(rows), concatenate(parts))

    def _read(self, pixels: np.ndarray, face: Faces) -> np.ndarray:
        """Return the readings, every second one of the mirrored crop; NaN where the mesh sees no face in the crop."""
        view, (crop,) = View(pixels, face.box.astype(np.float64), face.landmarks.astype(np.float64)), self.mesh.card.crops
        own = int.from_bytes(hashlib.sha256(f"{self.asked.seed} {face.photo[0]}".encode()).digest()[:4], "big")
        moved = [jitter(view, seed=(own, i)) for i in range(self.asked.readings)]
        maps = np.concatenate([align.transforms(crop, v.box, v.landmarks, shape=pixels.shape[:2]) for v in moved])
        crops = align.cut(pixels, maps, crop.size)
        crops[1::2] = crops[1::2, :, ::-1]
        read = self.mesh(crops)
        points = read["landmarks"][:, :, :2].astype(np.float64)
        points[1::2] = points[1::2, mean_mesh()[1]] * (-1, 1) + (SIZE - 1, 0)
        points[read["presence"] < PRESENCE] = np.nan
        return np.asarray(align.apply(align.invert(maps), points))


def mesh_readings(
    faces: Faces,
    inputs: Sequence[str | Path] | Found,
    *,
    seed: int,
    workers: int = 1,
    progress: Progress = lambda done, total: None,
) -> tuple[Shapes, About]:
    """Return the shape of the largest face of each photo, as the mean of the mesh's readings, and how far that is off.

    Each face is read on 12 crops that are moved as another detector would place them (`image.jitter.jitter`), every second
    one mirrored. The noise of the mean is that of one reading, each face's own, by the square root of 12; how points err
    together is taken from up to 200 faces in common. What all readings of a photo have wrong, and what another photo of the
    person would change, is not in it.

    Parameters
    ----------
    faces
        Measured by "mesh" and "pose".
    inputs
        The photos in which they were found.
    seed
        Of the crops.
    workers
        Threads.
    progress
        Called with photos done and in all.

    Returns
    -------
    Shapes
        Of n photos, px, turned about their own middle until the eyes are level.
    About
        With the noise and its covariance. A face that the mesh does not see in each of its crops has no points: "no_mesh".

    Raises
    ------
    MissingColumn
        As `facevalue.studies.shapes.mesh_shapes`.
    SchemaError
        The photo of a face is not among the inputs.
    """
    faces = faces[main_faces(faces)[0]]
    shapes, about = mesh_shapes(faces)
    points, noise, why = np.full_like(shapes.points, np.nan), np.full(len(faces), np.nan), about.why.copy()
    due, pooled, done = np.flatnonzero(why == ""), dict[int, np.ndarray](), 0
    work = engine.batches(_tasks(faces, due, inputs), size=engine.BATCH)
    for number, measured in engine.here(Reading(seed=seed), work, workers=workers):
        rows = due[number * engine.BATCH :][: len(measured.faces)]
        readings = _level(np.moveaxis(measured.faces[NAME].values.astype(np.float64), 1, 0))
        points[rows], noise[rows] = readings.mean(0), reading_noise(readings) / np.sqrt(READINGS)
        why[rows] = np.where(np.isnan(noise[rows]), [row.why or "no_mesh" for row in measured.photos], "")
        pooled |= {row: readings[:, [i]] for i, row in enumerate(rows) if noise[row] > 0 and row in due[:POOLED]}
        progress(done := done + len(rows), len(due))
    covariance = landmark_covariance(np.concatenate([pooled[row] for row in sorted(pooled)], axis=1)) if pooled else None
    return replace(shapes, points=points), replace(about, noise=noise, why=why, covariance=covariance)


def _tasks(faces: Faces, rows: np.ndarray, inputs: Sequence[str | Path] | Found) -> Iterator[Task]:
    found = {photo.path: photo for photo in (inputs if isinstance(inputs, Found) else find_photos(inputs))}
    for i in rows:
        if (path := faces.path[i]) not in found:
            raise SchemaError(f"expected the photos in which the faces were found; {path} is not among them")
        yield Task(found[path], faces[[i]])


def _level(readings: np.ndarray) -> np.ndarray:
    """Return readings, (r, n, 468, 2), each face turned about the middle of all its points until the eyes are level."""
    eyes = readings[:, :, EYES].mean((0, 3))
    x, y = (eyes[:, 1] - eyes[:, 0]).T / np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)
    turns = np.stack([np.stack([x, -y], -1), np.stack([y, x], -1)], -2)
    middle = readings.mean((0, 2))[:, None]
    return np.asarray((readings - middle) @ turns + middle)
