"""Photos corrupted and measured again: one face a condition, or why there is none; a stopped run is taken up where it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import engine
from facevalue.annotate.measure import Measured, Measurer, PhotoRow, Settings, Task, photo_seed
from facevalue.annotate.parts import measured_parts, part_places
from facevalue.annotate.run import Progress
from facevalue.data.errors import PhotoError, SchemaError
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.data.people import People, Roster
from facevalue.data.photos import decode, read_bytes
from facevalue.image.boxes import overlap
from facevalue.image.corrupt import CORRUPTIONS, corrupt
from facevalue.image.jitter import View
from facevalue.image.quality import inter_eye

Condition = tuple[str, int]
SAME_FACE = 0.3
SOURCE = "corruption@1"
# by name: the unit of each column that is added
ADDED = {"drift": "eye distances", "mesh_drift": "eye distances", "turned": "deg", "largest": "p", "further": "1"}
LEFT_OUT = ("mesh.landmarks", "mesh.rigid", "_spread.blind")
# why there is no face, for good: a photo that could not be read, or ended its process, is tried again
SETTLED = ("no_face", "other_face")


@dataclass(frozen=True, slots=True)
class Corrupting(Settings):
    """Settings, and the seed of what is drawn for corruptions."""

    seed: int = 0

    def open(self) -> Corrupter:
        """Return what corrupts and measures so."""
        return Corrupter(self)


@dataclass(frozen=True, slots=True)
class Probe(Task):
    """A photo whose face, measured before, is to be measured again under conditions: names and severities."""

    conditions: tuple[Condition, ...] = ()


class Corrupter(Measurer):
    """A `Measurer` of corrupted photos: of each, the face that overlaps most with where the true one lies then."""

    def __call__(self, tasks: Sequence[Task]) -> Measured:
        """Return a row a condition of each probe; its path is `key` of the condition."""
        parts = [self._probe(task) for task in tasks if isinstance(task, Probe)]
        rows = tuple(row for part in parts for row in part.photos)
        return Measured(rows, concatenate([_added(self.blank, {}), *(part.faces for part in parts)]))

    def _probe(self, task: Probe) -> Measured:
        try:
            pixels = decode(read_bytes(task.photo), max_pixels=self.settings.max_pixels)
        except PhotoError as error:
            rows = tuple(PhotoRow(key(one), why=error.why) for one in task.conditions)
            return Measured(rows, _added(self.blank, {}))
        assert task.before is not None
        view, seed = _view(pixels, task.before), self._seed(task.before)
        done = [
            self._measured([(one, corrupt(view, *one, seed=seed)) for one in task.conditions[at : at + engine.BATCH]])
            for at in range(0, len(task.conditions), engine.BATCH)
        ]
        return Measured(tuple(row for part in done for row in part.photos), concatenate([part.faces for part in done]))

    def _seed(self, before: Faces) -> int:
        assert isinstance(self.settings, Corrupting)
        return photo_seed(self.settings.seed, before.photo[0])

    def _measured(self, changed: Sequence[tuple[Condition, View]]) -> Measured:
        rows, found, seen = list[PhotoRow](), list[Faces](), list[tuple[View, int, bool]]()
        for condition, view in changed:
            row = PhotoRow(key(condition))
            faces = self._detect(view.photo, row)
            shared = overlap(view.box[0], faces.box)
            if not (shared >= SAME_FACE).any():
                rows.append(replace(row, why="other_face" if len(faces) else "no_face"))
                continue
            best, area = int(shared.argmax()), (faces.box[:, 2:] - faces.box[:, :2]).prod(1)
            rows.append(replace(row, status="measured", faces=1))
            found.append(faces[[best]])
            seen.append((view, len(faces) - 1, int(area.argmax()) == best))
        if not found:
            return Measured(tuple(rows), _added(self.blank, {}))
        faces = self._complete(found, [view.photo for view, *_ in seen], self.settings.instruments)
        return Measured(tuple(rows), _added(faces, _told(faces, seen)))


def key(condition: Condition) -> str:
    """Return a condition in words that change with its level.

    >>> key(("rotation", 1))
    'rotation 1, 10'
    """
    name, severity = condition
    return f"{name} {severity}, {CORRUPTIONS[name].levels[severity - 1]:g}"


def _view(pixels: np.ndarray, before: Faces) -> View:
    """Return the photo, its face, and behind the five points the vertices of the mesh where there is one."""
    points = before.landmarks
    if "mesh.landmarks" in before.columns and np.isfinite(before["mesh.landmarks"].values).all():
        points = np.concatenate([points, before["mesh.landmarks"].values[:, :, :2]], axis=1)
    return View(pixels, before.box.astype(np.float64), points.astype(np.float64))


def _told(faces: Faces, seen: Sequence[tuple[View, int, bool]]) -> dict[str, np.ndarray]:
    """Return how far the points lie from where the corruption took them, and what else there is to say of each face."""
    truth = np.concatenate([view.landmarks for view, *_ in seen])
    eyes = inter_eye(truth)
    across = truth[:, 1] - truth[:, 0]
    found = {
        "drift": np.sqrt(((faces.landmarks - truth[:, :5]) ** 2).sum(2).mean(1)) / eyes,
        "turned": np.degrees(np.arctan2(-across[:, 1], across[:, 0])),
        "further": np.array([further for _, further, _ in seen], np.float64),
        "largest": np.array([largest for *_, largest in seen], np.float64),
    }
    if "mesh.landmarks" in faces.columns and truth.shape[1] > 5:
        apart = faces["mesh.landmarks"].values[:, :, :2] - truth[:, 5:]
        found["mesh_drift"] = np.sqrt((apart**2).sum(2).mean(1)) / eyes
    return found


def _added(faces: Faces, told: dict[str, np.ndarray]) -> Faces:
    """Return faces with what is told of them, and without what is too large to keep for every condition."""
    kept = replace(faces, columns={name: one for name, one in faces.columns.items() if not name.endswith(LEFT_OUT)})
    for name, unit in ADDED.items():
        values = told.get(name, np.full(len(faces), np.nan))
        why = np.where(np.isnan(values), "not_measured", "").astype(object)
        kept = kept.with_column(f"corruption.{name}", Column(values, unit, SOURCE, why=why))
    return kept


def measure_corrupted(
    roster: Roster,
    probes: People,
    conditions: Sequence[Condition],
    out: Path,
    *,
    settings: Corrupting,
    workers: int,
    progress: Progress = lambda done, total: None,
) -> dict[Condition, Faces]:
    """Return the faces of the probes under each condition, row by row; NaN and a reason where one was not found.

    Photos are read one at a time, and each is kept as soon as it is done: what lies there already is not measured again.

    Parameters
    ----------
    roster
        With the photos.
    probes
        m photos with a face each, measured as they are by the same detector, and by the mesh where that is wanted.
    conditions
        Names of corruptions and severities.
    out
        Folder of the parts, a file a photo.
    settings
        What measures.
    workers
        Processes.
    progress
        Called with conditions done and in all.

    Raises
    ------
    SchemaError
        The roster has faces that were measured earlier, and no photos.
    """
    if roster.photos is None:
        raise SchemaError("expected photos to corrupt, got faces that were measured earlier: give the photos themselves")
    where = {photo.path: photo for photo in roster.photos}
    sources = [models.card(name).source for name in settings.models]
    places = part_places(probes.faces, out, [sources, settings.level, settings.seed, SOURCE])
    ways = {key(one): one for one in conditions}

    def ask(i: int, lacking: Collection[str]) -> Probe:
        return Probe(where[probes.faces.path[i]], probes.faces[[i]], conditions=tuple(ways[name] for name in lacking))

    parts = measured_parts(settings, places, list(ways), ask, settled=SETTLED, workers=workers, progress=progress)
    return _by_condition(parts, probes, conditions)


def _by_condition(parts: Sequence[Faces], probes: People, conditions: Sequence[Condition]) -> dict[Condition, Faces]:
    """Return the rows of each condition, in the order of the probes, out of a part a probe."""
    every, starts = concatenate(parts), np.cumsum([0, *map(len, parts)])
    at = [{path: start + i for i, path in enumerate(part.path)} for part, start in zip(parts, starts, strict=False)]
    rows = {one: [places[key(one)] for places in at] for one in conditions}
    faces = probes.faces
    return {one: replace(every[chosen], path=faces.path, photo=faces.photo) for one, chosen in rows.items()}
