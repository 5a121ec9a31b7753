"""The pure batch function: photos in, one row a photo and one row a face out. Every engine maps this one."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.instruments import LEVEL
from facevalue.confidence.sets import with_sets
from facevalue.data import photos
from facevalue.data.errors import PhotoError
from facevalue.data.faces import Column, Faces, concatenate
from facevalue.data.files import inside, replacing
from facevalue.image import align
from facevalue.models.mesh import PRESENCE

REASONS = {
    "no_face": "The photo was decoded; the detector found no face in it.",
    "no_mesh": "The mesh says that there is no face under it (presence under .5): what rests on it would be noise.",
    "no_landmarks": "The detector gives no points, and no mesh was asked for that could.",
    "not_measured": "A measure that this one is made from is missing for the face; its own column says why.",
    "not_assessed": "The mesh is missing, or the photo does not show what the component looks at: background, cheeks.",
    "no_body": "No person is found whose head the face could be.",
    "no_fit": "By the model's own sign its fit failed (3DDFA: the head's axes do not stand upright on each other).",
    "too_small": "The eyes are nearer to each other than calibration reaches; each instrument's page gives the distance.",
    "too_blurred": "The face, at 112 px, is less sharp than calibration reaches; each instrument's page gives the limit.",
    "turned_away": "The head is turned, or tilted, further than 99.5 % of the faces that the instrument was calibrated on.",
    "atypical": "To the instrument the face is stranger than 99.5 % of the faces that it was calibrated on.",
    "other_face": "The detector finds a face in the corrupted photo, but not where the true one lies.",
    "crashed": "Measuring this photo ended its process twice, or needs more memory than there is.",
}
BATCH_PIXELS = 48_000_000
CHIP = align.dlib_chip(300)
# Vertices of the mesh that stand for the five points where a detector gives none.
FIVE_POINTS = ((33, 133), (263, 362), (1, 1), (61, 61), (291, 291))


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run does with each photo.

    Parameters
    ----------
    detector, instruments
        Names of cards; instruments in an order that `instruments.ordered` gave.
    max_pixels
        A photo with more is refused before it is decoded.
    chips
        Folder for aligned faces, None to write none.
    level
        Nominal coverage of sets, intervals and bands, in (0, 1).
    """

    detector: str = instruments.DETECTOR
    instruments: tuple[str, ...] = instruments.DEFAULT
    max_pixels: int = 100_000_000
    chips: str | None = None
    level: float = LEVEL

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models that are opened."""
        return (self.detector, *self.instruments)

    def open(self) -> Measurer:
        """Return what measures so, its models opened."""
        return Measurer(self)


@dataclass(frozen=True, slots=True)
class Task:
    """One photo to measure, what an earlier run knows of it, and the name of its chips without `_face0.jpg`."""

    photo: photos.Photo
    before: Faces | None = None
    chip: str = ""


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One row of `photos.parquet`; status is "measured", "no_face" or "failed", and `why` says why not."""

    path: str
    sha256: str = ""
    size: int = 0
    status: str = "failed"
    why: str = ""
    width: int = 0
    height: int = 0
    faces: int = 0
    detector: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a batch: a row for every photo, a row for every face."""

    photos: tuple[PhotoRow, ...]
    faces: Faces


@dataclass(slots=True)
class _Open:
    """Photos decoded but not yet measured."""

    pixels: list[np.ndarray] = field(default_factory=list)
    faces: list[Faces] = field(default_factory=list)
    chips: list[str] = field(default_factory=list)


class Measurer:
    """Detect, align and measure; the models are opened once and shared by every batch.

    Parameters
    ----------
    settings
        What to do with each photo.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.detector = models.load(instruments.detector(settings.detector))
        self.instruments = [models.load(name) for name in settings.instruments]
        self.blank = instruments.blank(settings.detector, settings.instruments, level=settings.level)

    def __call__(self, tasks: Sequence[Task]) -> Measured:
        """Return the rows of a batch of photos, in the order in which they came.

        Where memory does not suffice, each photo is measured alone; one for which that is too much is "crashed".
        """
        try:
            return self._batch(tasks)
        except Exception as error:
            if not _out_of_memory(error):
                raise
        return crashed(self.settings, tasks[0]) if len(tasks) == 1 else joined([self([task]) for task in tasks])

    def _batch(self, tasks: Sequence[Task]) -> Measured:
        rows, done, waiting = list[PhotoRow](), list[Faces](), _Open()
        for task in tasks:
            row, pixels, faces = self._find(task)
            rows.append(row)
            if pixels is not None and faces is not None and len(faces):
                waiting.pixels.append(pixels)
                waiting.faces.append(faces)
                waiting.chips.append(task.chip)
            if sum(p.size for p in waiting.pixels) > 3 * BATCH_PIXELS:
                done.append(self._measure(waiting))
                waiting = _Open()
        if waiting.faces:
            done.append(self._measure(waiting))
        return Measured(tuple(rows), concatenate([self.blank, *done]))

    def _find(self, task: Task) -> tuple[PhotoRow, np.ndarray | None, Faces | None]:
        """Read, decode, detect; a photo that fails is a row that says why."""
        row = PhotoRow(task.photo.path, detector=self.detector.card.source)
        try:
            data = photos.read_bytes(task.photo)
            row = replace(row, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
            pixels = photos.decode(data, max_pixels=self.settings.max_pixels)
        except PhotoError as error:
            return replace(row, why=error.why), None, None
        row = replace(row, width=pixels.shape[1], height=pixels.shape[0])
        faces = self._known(task.before, row.sha256) or self._detect(pixels, row)
        if not len(faces):
            return replace(row, status="no_face", why="no_face"), pixels, faces
        return replace(row, status="measured", faces=len(faces)), pixels, faces

    def _known(self, before: Faces | None, sha256: str) -> Faces | None:
        """Return the faces of an earlier run if it saw the same bytes with the same detector."""
        if before is None or not len(before) or before.photo[0] != sha256:
            return None
        score = before.columns.get(f"{self.detector.card.name}.score")
        return before if score is not None and score.source == self.detector.card.source else None

    def _detect(self, pixels: np.ndarray, row: PhotoRow) -> Faces:
        found: Faces = self.detector(pixels)
        n, card = len(found), self.detector.card
        score = Column(found.score, "1", card.source)
        ids, paths = np.full(n, row.sha256, object), np.full(n, row.path, object)
        return replace(found, photo=ids, path=paths, columns={f"{card.name}.score": score})

    def _measure(self, batch: _Open) -> Faces:
        """Fill the columns that are missing or stale, each net once for all faces of the batch that lack it."""
        due = [instruments.stale(f, self.settings.instruments, level=self.settings.level) for f in batch.faces]
        parts, order = list[Faces](), list[int]()
        for missing in dict.fromkeys(due):
            group = [i for i, names in enumerate(due) if names == missing]
            parts.append(self._complete([batch.faces[i] for i in group], [batch.pixels[i] for i in group], missing))
            order += [i for i in group for _ in range(len(batch.faces[i]))]
        faces = parts[0] if len(parts) == 1 else concatenate(parts)[np.argsort(order, kind="stable")]
        if self.settings.chips:
            ends = np.cumsum([len(part) for part in batch.faces])
            for pixels, chip, end, part in zip(batch.pixels, batch.chips, ends, batch.faces, strict=True):
                save_chips(pixels, faces[end - len(part) : end], Path(self.settings.chips), chip)
        return faces

    def _complete(self, parts: Sequence[Faces], pixels: Sequence[np.ndarray], missing: Sequence[str]) -> Faces:
        known = [c for c in self.blank.columns if c.rpartition(".")[0] not in missing]
        faces = concatenate([replace(part, columns={c: part.columns[c] for c in known}) for part in parts])
        ends = np.cumsum([len(part) for part in parts])
        rows = [slice(end - len(part), end) for end, part in zip(ends, parts, strict=True)]
        for model in self.instruments:
            if model.card.name in missing:
                faces = with_columns(faces, model, pixels, rows)
                if calibration := instruments.calibrated(model.card.name):
                    faces = with_sets(faces, calibration, level=self.settings.level)
        return replace(faces, columns={c: faces.columns[c] for c in self.blank.columns})


def crashed(settings: Settings, task: Task) -> Measured:
    """Return the row of a photo that ended its worker twice, or needs more memory than there is."""
    row = PhotoRow(task.photo.path, why="crashed", detector=models.card(settings.detector).source)
    return Measured((row,), instruments.blank(settings.detector, settings.instruments, level=settings.level))


def joined(parts: Sequence[Measured]) -> Measured:
    """Return the parts of a batch as one."""
    return Measured(tuple(row for part in parts for row in part.photos), concatenate([part.faces for part in parts]))


def with_columns(faces: Faces, model: models.Model, pixels: Sequence[np.ndarray], rows: Sequence[slice]) -> Faces:
    """Return the faces with the columns of one instrument, measured on the photos, of which each has a slice of the faces."""
    card = model.card
    if card.crops:
        maps = [_transforms(crop, faces, pixels, rows) for crop in card.crops]
        known = [np.isfinite(faces[name].values).all(1) for name in card.given]
        seen = np.logical_and.reduce([*(align.usable(m) for m in maps), *known])
        frames = [align.frames(crop, faces.box) for crop in card.crops]
        cuts = zip(maps, card.crops, frames, strict=True)
        crops = [_cut(m, crop.shape, pixels, rows, seen, frame) for m, crop, frame in cuts]
        given = {name.split(".")[-1]: faces[name].values[seen] for name in card.given}
        measures = model(*crops, **given) if seen.any() else {}
    else:
        seen = np.ones(len(faces), bool)
        parts = [model.derive(photo, faces[part]) for photo, part in zip(pixels, rows, strict=True)]
        measures = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    unseen = "no_mesh" if "mesh" in card.needs else "no_landmarks"
    reasons = np.where(seen, card.withheld, unseen)
    for output in card.outputs:
        values = np.full((len(faces), *output.shape), np.nan, np.float32)
        if output.name in measures:
            values[seen] = measures[output.name]
            if output.points:
                values[seen] = _in_photo(values[seen], maps[0][seen])
        missing = np.isnan(values).reshape(len(faces), -1).any(1)
        why = np.where(missing, reasons, "").astype(object) if missing.any() else None
        column = Column(values, output.unit, card.source, labels=output.labels, why=why)
        faces = faces.with_column(f"{card.name}.{output.name}", column)
    return _with_five_points(faces) if card.name == "mesh" else faces


def _transforms(crop: align.Crop, faces: Faces, pixels: Sequence[np.ndarray], rows: Sequence[slice]) -> np.ndarray:
    mesh = _mesh(faces)
    maps = [
        align.transforms(crop, faces.box[r], faces.landmarks[r], shape=p.shape[:2], mesh=None if mesh is None else mesh[r])
        for p, r in zip(pixels, rows, strict=True)
    ]
    return np.concatenate(maps)


def _mesh(faces: Faces) -> np.ndarray | None:
    """Return the mesh, NaN where it says itself that there is no face under it."""
    if "mesh.landmarks" not in faces.columns:
        return None
    absent = faces.columns["mesh.presence"].values < PRESENCE
    return np.where(absent[:, None, None], np.nan, faces.columns["mesh.landmarks"].values)


def _cut(
    maps: np.ndarray,
    size: int | tuple[int, int],
    pixels: Sequence[np.ndarray],
    rows: Sequence[slice],
    seen: np.ndarray,
    within: np.ndarray | None = None,
) -> np.ndarray:
    faces = [np.arange(len(seen))[r][seen[r]] for r in rows]
    frames = [None if within is None else within[k] for k in faces]
    cuts = [align.cut(p, maps[k], size, within=frame) for p, k, frame in zip(pixels, faces, frames, strict=True)]
    return np.concatenate(cuts)


def _in_photo(points: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return crop points, (n, k, 2 or 3), in px of the photo; depth is scaled like the plane."""
    back = align.invert(maps)
    placed = align.apply(back, points[:, :, :2])
    depth = points[:, :, 2:] * np.hypot(back[:, 0, 0], back[:, 1, 0])[:, None, None]
    return np.concatenate([placed, depth], axis=2)


def _with_five_points(faces: Faces) -> Faces:
    """Return the faces with five points out of the mesh where the detector gave none."""
    without = np.isnan(faces.landmarks).any((1, 2))
    if not without.any():
        return faces
    landmarks = faces.landmarks.copy()
    mesh = faces.columns["mesh.landmarks"].values[without, :, :2]
    landmarks[without] = np.stack([mesh[:, pair].mean(1) for pair in FIVE_POINTS], axis=1)
    return replace(faces, landmarks=landmarks)


def _out_of_memory(error: Exception) -> bool:
    """Return whether memory could not be had, as Python, OpenCV and ONNX Runtime say it."""
    words = str(error).lower()
    foreign = type(error).__module__.partition(".")[0] in ("cv2", "onnxruntime")
    return isinstance(error, MemoryError) or (foreign and ("insufficient memory" in words or "allocat" in words))


def photo_seed(seed: int, sha256: str) -> int:
    """Return the seed of one photo: the noise of two must not be the same, or their difference is without it.

    >>> photo_seed(0, "ab") == photo_seed(0, "ab") != photo_seed(0, "cd")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {sha256}".encode()).digest()[:4], "big")


def save_chips(pixels: np.ndarray, faces: Faces, folder: Path, chip: str) -> None:
    """Write each aligned face as `<chip>_face<k>.jpg`, 300 px, and remove those of faces that are gone."""
    from PIL import Image

    mesh = _mesh(faces)
    crop = CHIP if mesh is not None and np.isfinite(mesh).all() else align.arcface(CHIP.size)
    maps = align.transforms(crop, faces.box, faces.landmarks, shape=pixels.shape[:2], mesh=mesh)
    for k, picture in enumerate(align.cut(pixels, maps, crop.size)):
        with replacing(inside(folder, f"{chip}_face{k}.jpg")) as part:
            Image.fromarray(picture).save(part, "JPEG", quality=95)
    for k in itertools.count(len(faces)):
        if not (folder / f"{chip}_face{k}.jpg").exists():
            return
        (folder / f"{chip}_face{k}.jpg").unlink()
