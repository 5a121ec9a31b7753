"""People's faces obscured and attacked: each photo is read once, and a stopped run is taken up where it was.

The attacker knows where the face was, what was done to it and how strongly: crops are cut by the landmarks of the photo as it
is, and restored by one who knows method and strength (Kerckhoffs).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facevalue import models
from facevalue.annotate import engine, instruments
from facevalue.annotate.measure import BATCH_PIXELS, Measured, Measurer, PhotoRow, Settings, Task, photo_seed, with_columns
from facevalue.annotate.obscured import outlined, sure_mesh
from facevalue.annotate.parts import measured_parts, part_places
from facevalue.annotate.run import Progress
from facevalue.data.errors import PhotoError, RunError, SchemaError
from facevalue.data.faces import Column, Faces, concatenate, with_faceless
from facevalue.data.people import People, Roster
from facevalue.data.photos import decode, read_bytes
from facevalue.image.boxes import inside, overlap
from facevalue.image.obscure import obscure, under_cover
from facevalue.image.regions import Cover, filled
from facevalue.image.restore import restore
from facevalue.models.mesh import PRESENCE
from facevalue.studies.privacy import CLEAN

SAME_FACE = 0.3
SOURCE = "obscured@3"
RESTORED, INSIDE = "attack.restored", "attack.inside"
GRAY = 128
FRESH = ("embed", "attributes", "expression")
LEFT_OUT = ("_set", ".distance")


class Treatment(NamedTuple):
    """One way to obscure: a method, a region, and a strength; None for a method that has none. `AS_IS` hides nothing."""

    method: str
    region: str
    strength: float | None = None

    @property
    def name(self) -> str:
        """The words that stand for it, in findings too.

        >>> Treatment("blur", "face", 0.1).name, Treatment("solid", "eye").name, AS_IS.name
        ('blur face 0.1', 'solid eye 0', 'as they are')
        """
        return self.method if self.method == CLEAN else f"{self.method} {self.region} {self.strength or 0:g}"


AS_IS = Treatment(CLEAN, "")


@dataclass(frozen=True, slots=True)
class Attacking(Settings):
    """Settings, and how faces are attacked.

    Parameters
    ----------
    model
        Name of the instrument by which people are recognised; one of `instruments`.
    second
        Name of the detector that looks for what was hidden.
    restoring
        Whether the attacker tries to undo what was done.
    seed
        Of noise, which each photo has its own of, as in `facevalue obscure`.
    """

    model: str = "dlib_resnet"
    second: str = "yunet"
    restoring: bool = True
    seed: int = 0

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models that are opened."""
        return (self.detector, self.second, *self.instruments)

    def open(self) -> Attacker:
        """Return what obscures, attacks and measures so."""
        return Attacker(self)

    @property
    def fresh(self) -> tuple[str, ...]:
        """The instruments that measure the obscured face; mesh, pose and quality stay those of the photo as it is."""
        return tuple(name for name in self.instruments if models.card(name).kind in FRESH)


@dataclass(frozen=True, slots=True)
class Victim(Task):
    """A photo whose face, measured before, is to be obscured in these ways."""

    treatments: tuple[Treatment, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    """A face as it is: the photo, its row, its outlines, its size, and the points that a cover should hide, (p, 2) px."""

    pixels: np.ndarray
    row: Faces
    outlines: Mapping[str, np.ndarray]
    size: float
    points: np.ndarray

    def covers(self, treatment: Treatment) -> list[Cover]:
        """Return what a treatment covers."""
        return [] if treatment == AS_IS else [Cover(self.outlines[treatment.region], self.size)]


class Attacker(Measurer):
    """A `Measurer` of obscured faces: a row a treatment of each photo, whose path is the treatment's name."""

    def __init__(self, settings: Attacking) -> None:
        super().__init__(settings)
        self.second = models.load(instruments.detector(settings.second))
        self.fresh = [model for model in self.instruments if model.card.name in settings.fresh]
        self.model = next(model for model in self.fresh if model.card.name == settings.model)

    def __call__(self, tasks: Sequence[Task]) -> Measured:
        """Return the rows of each photo, treatment by treatment."""
        parts = [self._attacked(task) for task in tasks if isinstance(task, Victim)]
        none, embeddings = np.empty(0), np.empty((0, *self.model.card.outputs[0].shape))
        nothing = {"attack.found": none, "attack.covered": none, RESTORED: embeddings, INSIDE: embeddings}
        blank = self._told(self.blank, nothing)
        return Measured(tuple(row for part in parts for row in part.photos), concatenate([blank, *(p.faces for p in parts)]))

    def _attacked(self, task: Victim) -> Measured:
        assert task.before is not None
        try:
            pixels = decode(read_bytes(task.photo), max_pixels=self.settings.max_pixels)
        except PhotoError as error:
            rows = tuple(PhotoRow(one.name, why=error.why) for one in task.treatments)
            return Measured(rows, self(()).faces)
        face = _face(pixels, self._known_columns(task.before))
        step = int(np.clip(3 * BATCH_PIXELS // pixels.size, 1, engine.BATCH))
        ways = [task.treatments[at : at + step] for at in range(0, len(task.treatments), step)]
        rows = tuple(PhotoRow(one.name, status="measured", faces=1) for one in task.treatments)
        return Measured(rows, concatenate([self._measured(face, part) for part in ways]))

    def _known_columns(self, before: Faces) -> Faces:
        """Return the face with what of its columns is not measured anew."""
        fresh = {model.card.name for model in self.fresh}
        known = [name for name in self.blank.columns if name.rpartition(".")[0] not in fresh]
        return replace(before, columns={name: before.columns[name] for name in known})

    def _measured(self, face: _Face, treatments: Sequence[Treatment]) -> Faces:
        """Return a row a treatment."""
        settings = self.settings
        assert isinstance(settings, Attacking)
        seed, covers = photo_seed(settings.seed, face.row.photo[0]), [face.covers(one) for one in treatments]
        changed = [
            obscure(face.pixels, cover, one.method, strength=one.strength, seed=seed) if cover else face.pixels
            for one, cover in zip(treatments, covers, strict=True)
        ]
        rows, alone = [slice(i, i + 1) for i in range(len(changed))], concatenate([face.row] * len(changed))
        faces = replace(alone, path=np.array([one.name for one in treatments], object))
        for model in self.fresh:
            faces = with_columns(faces, model, changed, rows)
        restored = [
            restore(photo, cover, one.method, strength=one.strength) if cover and settings.restoring else None
            for photo, cover, one in zip(changed, covers, treatments, strict=True)
        ]
        inside = [_inside(photo, cover) if cover else None for photo, cover in zip(changed, covers, strict=True)]
        found = {
            "attack.found": np.array([self._finds(one, face.row.box[0]) for one in changed], float),
            "attack.covered": np.array([_covered(face, one) for one in treatments]),
            RESTORED: self._recognised(alone, restored),
            INSIDE: self._recognised(alone, inside),
        }
        return self._told(faces, found)

    def _finds(self, photo: np.ndarray, box: np.ndarray) -> bool:
        """Return whether the second detector still finds the face in the whole photo, or its middle."""
        found: Faces = self.second(photo)
        middle = (found.box[:, :2] + found.box[:, 2:]) / 2
        near = [inside(one, box[None])[0] for one in middle]
        return bool((overlap(box, found.box) >= SAME_FACE).any() or any(near))

    def _recognised(self, alone: Faces, photos: Sequence[np.ndarray | None]) -> np.ndarray:
        """Return the embeddings of a face, a row each, in photos, (n, d); NaN where there is no photo."""
        found = np.full((len(photos), *self.model.card.outputs[0].shape), np.nan, np.float32)
        there = [i for i, photo in enumerate(photos) if photo is not None]
        if there:
            pixels = [photo for photo in photos if photo is not None]
            faces = with_columns(alone[there], self.model, pixels, [slice(i, i + 1) for i in range(len(there))])
            found[there] = faces[f"{self.model.card.name}.embedding"].values
        return found

    def _told(self, faces: Faces, found: Mapping[str, np.ndarray]) -> Faces:
        """Return the faces with what became of the attacks, and of the other columns those that are measured anew."""
        fresh = tuple(f"{model.card.name}." for model in self.fresh)
        kept = {name: one for name, one in faces.columns.items() if name.startswith(fresh) and not name.endswith(LEFT_OUT)}
        added = {
            "attack.found": Column(found["attack.found"], "p", self.second.card.source),
            "attack.covered": Column(found["attack.covered"], "p", SOURCE),
        }
        for name, word in ((RESTORED, "not_restored"), (INSIDE, "not_covered")):
            why = np.where(np.isnan(found[name]).any(1), word, "").astype(object)
            added[name] = Column(found[name], "1", self.model.card.source, why=why)
        return replace(faces, columns=kept | added)


def _inside(photo: np.ndarray, covers: Sequence[Cover]) -> np.ndarray:
    """Return a photo in which all but what lies under the covers is gray."""
    out = np.full(photo.shape, GRAY, np.uint8)
    for under in filter(None, (under_cover(photo, cover) for cover in covers)):
        np.copyto(out[under.window], photo[under.window], where=under.mask[:, :, None])
    return out


def _face(pixels: np.ndarray, row: Faces) -> _Face:
    """Return a face with the outlines that `facevalue obscure` would give it, had it this one detector."""
    mesh, sure = None, False
    if "mesh.landmarks" in row.columns and row["mesh.presence"].values[0] >= PRESENCE:
        mesh, sure = row["mesh.landmarks"].values[0, :, :2], bool(sure_mesh(row)[0])
    hidden = outlined(row.box, mesh, sure=sure)
    return _Face(pixels, row, hidden.outlines, hidden.size, row.landmarks[0] if mesh is None else mesh)


def _covered(face: _Face, treatment: Treatment) -> float:
    """Return the share of a face's points that lie under the cover; points outside the photo are not counted."""
    shape = face.pixels.shape[:2]
    at = np.rint(face.points[np.isfinite(face.points).all(1)]).astype(int)
    at = at[((at >= 0) & (at < shape[::-1])).all(1)]
    if not len(at):
        return float("nan")
    low, high = at.min(0), at.max(0) + 1
    mask = filled((int(high[1] - low[1]), int(high[0] - low[0])), [one.outline - low for one in face.covers(treatment)])
    return float(mask[at[:, 1] - low[1], at[:, 0] - low[0]].mean())


def measure_attacked(
    roster: Roster,
    probes: People,
    treatments: Sequence[Treatment],
    out: Path,
    *,
    settings: Attacking,
    workers: int,
    progress: Progress = lambda done, total: None,
) -> dict[Treatment, Faces]:
    """Return the faces of the probes under each treatment, row by row; NaN and a reason where there is none.

    Each photo is kept as soon as it is done: what lies there already is not measured again. Columns are those of the model, of
    instruments of attributes and of expression, "attack.found", "attack.covered", and two embeddings: "attack.restored", of the
    photo on which the obscuring was reversed, and "attack.inside", of that in which all but what lies under the cover is gray.

    Parameters
    ----------
    roster
        With the photos.
    probes
        m photos, measured as they are by the same detector and instruments; those without a face are rows of NaN here too.
    treatments
        Ways to obscure.
    out
        Folder of the parts, a file a photo.
    settings
        What measures.
    workers
        Processes.
    progress
        Called with treatments done and in all.

    Raises
    ------
    SchemaError
        The roster has faces that were measured earlier, and no photos.
    RunError
        No photo has a face.
    """
    if roster.photos is None:
        raise SchemaError("expected photos to obscure, got faces that were measured earlier: give the photos themselves")
    where = {photo.path: photo for photo in roster.photos}
    seen = np.flatnonzero(np.isfinite(probes.faces.box).all(1) & np.isfinite(probes.faces.landmarks).all((1, 2)))
    sources = [models.card(name).source for name in settings.models]
    places = part_places(probes.faces[seen], out, [sources, settings.model, settings.restoring, settings.seed, SOURCE])
    ways = {one.name: one for one in treatments}

    def ask(k: int, lacking: Collection[str]) -> Victim:
        i = seen[k]
        return Victim(where[probes.faces.path[i]], probes.faces[[i]], treatments=tuple(ways[name] for name in lacking))

    parts = measured_parts(settings, places, list(ways), ask, workers=workers, progress=progress)
    return _by_treatment(dict(zip(seen.tolist(), parts, strict=True)), probes, treatments)


def _by_treatment(parts: Mapping[int, Faces], probes: People, treatments: Sequence[Treatment]) -> dict[Treatment, Faces]:
    """Return the rows of each treatment, in the order of the probes; of a photo without a face, a row of NaN."""
    faces = probes.faces
    if not parts:
        raise RunError(f"expected photos with a face to obscure, got none among {len(probes)}")
    first = next(iter(faces.columns.values())).why
    whys = [""] * len(probes) if first is None else first.tolist()
    lost = [{"path": f"{i}", "sha256": faces.photo[i], "faces": 0, "why": whys[i] or "no_face"} for i in range(len(probes))]
    lost = [row for i, row in enumerate(lost) if i not in parts]
    every, ends = concatenate(list(parts.values())), np.cumsum([0, *map(len, parts.values())])
    at = {(i, path): start + k for i, start in zip(parts, ends, strict=False) for k, path in enumerate(parts[i].path)}
    found = dict[Treatment, Faces]()
    for one in treatments:
        there = every[[at[i, one.name] for i in parts]]
        there = replace(there, path=np.array([f"{i}" for i in parts], object))
        rows = [*({"path": f"{i}", "faces": 1} for i in parts), *lost]
        whole = with_faceless(there, sorted(rows, key=lambda row: int(row["path"])))
        found[one] = replace(whole, path=faces.path, photo=faces.photo)
    return found
