"""The photos as they were: whose faces, names and looks an obscured folder must not show any more."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np

from facevalue import models
from facevalue.annotate.instruments import placed
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.confidence.verdict import Rates, Verifier
from facevalue.data.errors import PhotoError, RunError, SchemaError
from facevalue.data.faces import Faces, concatenate
from facevalue.data.photos import decode, find_photos, read_bytes
from facevalue.image.boxes import overlap
from facevalue.stats.similarity import unit

MAX_PIXELS = 100_000_000
# A photo is an original that was obscured where half of its look has the same gray values, but for so many levels.
LOOK, SAME_LOOK, SAME_GRAY, CLOSEST = 24, 0.5, 4.0, 10
FACE, SAME_FACE, LEVELS = 32, 0.95, 8.0
SAME_PLACE = 0.3
MESH = "mesh.landmarks"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """One photo as it was.

    Parameters
    ----------
    path
        From its folder on.
    sha256
        Of its bytes.
    shape
        Height and width, px.
    look : (24, 24) float
        Its gray values, coarse.
    faces
        That the detector finds.
    crops : (n, 32, 32, 3) uint8
        The boxes of these, coarse.
    """

    path: str
    sha256: str
    shape: tuple[int, int]
    look: np.ndarray
    faces: Faces
    crops: np.ndarray


class Likeness(NamedTuple):
    """How alike a face is to one of theirs: path, cosine, and how often two people are as alike, with the ends of that."""

    path: str
    cosine: float
    fmr: float
    fmr_low: float
    fmr_high: float


@dataclass(frozen=True, eq=False)
class Originals:
    """All of them, and from which likeness on a face is called one of theirs.

    Parameters
    ----------
    photos
        Those that could be read.
    embeddings : (m, d) float
        Of all faces that could be embedded, of length 1.
    owner : (m,) int
        Which photo each lies on.
    model
        Name of the one that embeds.
    threshold
        Cosine from which a face is one of theirs: that of so many comparisons.
    own_threshold
        Cosine from which what is seen at the place of a face is that face: that of one comparison.
    rates
        False match rates by cosine.
    unread
        Path and reason of those that could not be read.
    others
        How many files there are no photos: films are not compared.
    """

    photos: tuple[Original, ...]
    embeddings: np.ndarray
    owner: np.ndarray
    model: str
    threshold: float
    own_threshold: float
    rates: Rates
    unread: Mapping[str, str] = field(default_factory=dict)
    others: int = 0

    @cached_property
    def by_sha256(self) -> Mapping[str, Original]:
        """The photos by the hash of their bytes."""
        return {one.sha256: one for one in reversed(self.photos)}

    @cached_property
    def by_name(self) -> Mapping[str, Original]:
        """The photos by their name without folder and suffix, the first of each."""
        return {PurePosixPath(one.path).stem: one for one in reversed(self.photos)}

    @cached_property
    def _by_path(self) -> Mapping[PurePosixPath, Sequence[Original]]:
        """The photos by their path without suffix."""
        found = defaultdict[PurePosixPath, list[Original]](list)
        for one in self.photos:
            found[PurePosixPath(one.path).with_suffix("")].append(one)
        return found

    @cached_property
    def _looks(self) -> np.ndarray:
        """The looks of the photos, (p, 24, 24)."""
        return np.stack([one.look for one in self.photos])

    def best(self, embedding: np.ndarray) -> Likeness | None:
        """Return the likeness to the original that a face is most alike to; None below the threshold."""
        if not len(self.embeddings) or not np.isfinite(embedding).all():
            return None
        cosines = self.embeddings @ unit(embedding[None])[0]
        at = int(cosines.argmax())
        if cosines[at] < self.threshold:
            return None
        return Likeness(self.photos[self.owner[at]].path, float(cosines[at]), *self.rates.at(float(cosines[at])))

    def own(self, embedding: np.ndarray, original: Original, face: int) -> Likeness | None:
        """Return the likeness of what is seen at the place of a face to that face alone; None below `own_threshold`."""
        cosine = float((unit(embedding[None]) * unit(original.faces[f"{self.model}.embedding"].values[face][None])).sum())
        return Likeness(original.path, cosine, *self.rates.at(cosine)) if cosine >= self.own_threshold else None

    def same_photo(self, path: str, pixels: np.ndarray) -> Original | None:
        """Return the original that an obscured photo was: by its path but for the suffix, or else by its look."""
        named = self._by_path.get(PurePosixPath(path).with_suffix(""), ())
        wide = [one for one in named if _as_wide(one, pixels.shape)]
        if wide or not self.photos:
            return wide[0] if wide else None
        shared = (np.abs(self._looks - coarse(pixels)) <= SAME_GRAY).mean((1, 2))
        close = [i for i in np.argsort(-shared, kind="stable")[:CLOSEST] if shared[i] >= SAME_LOOK]
        return next((self.photos[i] for i in close if _as_wide(self.photos[i], pixels.shape)), None)


def read_originals(
    folder: Path, *, verifier: Verifier, fpir: float = 0.01, progress: Progress = lambda done, total: None
) -> Originals:
    """Read and measure the originals.

    A face is compared with all m faces of theirs, so that a match must be one that two people reach in at most `fpir / m` of
    all comparisons, as the calibration has it: the least cosine of that, or the highest between two people there. What is seen
    at the place of a hidden face is also compared with that face alone, where `fpir` is enough.

    Parameters
    ----------
    folder
        Of photos.
    verifier
        A calibration: its model and detector measure them.
    fpir
        How often a face of somebody else may be called one of theirs, in (0, 1).
    progress
        Called with photos done and in all.

    Raises
    ------
    RunError
        No photos there.
    SchemaError
        The calibration is of other weights.
    """
    origin = verifier.origin
    column = f"{origin.model}.embedding"
    if origin.sources.get(column) != models.card(origin.model).source:
        raise SchemaError(
            f"a calibration of {origin.sources.get(column)} was given; {origin.model} now is {models.card(origin.model).source}"
        )
    found = find_photos([folder])
    if not found:
        raise RunError(f"--originals: expected photos in {folder}; found none among {found.others} files")
    measurer = InMemory(Settings(origin.detector, placed([origin.model], origin.detector)))
    photos, unread = list[Original](), dict[str, str]()
    for done, photo in enumerate(found, start=1):
        try:
            data = read_bytes(photo)
            pixels = decode(data, max_pixels=MAX_PIXELS)
        except PhotoError as error:
            unread[photo.path] = error.why
        else:
            sha256 = hashlib.sha256(data).hexdigest()
            faces = measurer.measure([pixels])
            photos.append(Original(photo.path, sha256, pixels.shape[:2], coarse(pixels), faces, crops(pixels, faces.box)))
        progress(done, len(found))
    return replace(originals(photos, origin.model, verifier.rates, fpir=fpir), unread=unread, others=found.others)


def originals(photos: Sequence[Original], model: str, rates: Rates, *, fpir: float) -> Originals:
    """Return measured photos as the originals of an audit; see `read_originals`."""
    faces = concatenate([one.faces for one in photos]) if photos else None
    values = np.empty((0, 1)) if faces is None else faces[f"{model}.embedding"].values
    owner = np.repeat(np.arange(len(photos)), [len(one.faces) for one in photos])
    kept = np.isfinite(values).all(1)
    threshold = cut(rates, fpir / max(int(kept.sum()), 1))
    return Originals(tuple(photos), unit(values[kept]), owner[kept], model, threshold, cut(rates, fpir), rates)


def cut(rates: Rates, wanted: float) -> float:
    """Return the least score whose false match rate is at most the wanted one, or the least at which it is 0 in the data.

    Examples
    --------
    >>> ends = np.zeros(3)
    >>> cut(Rates(np.array([0.1, 0.5, 0.9]), np.array([1.0, 0.01, 0.0]), ends, ends, ends), 0.05)
    0.5
    """
    fits = np.flatnonzero(rates.fmr <= wanted)
    return float(rates.score[fits[0]]) if len(fits) else float(np.nextafter(rates.score[-1], np.inf))


def coarse(pixels: np.ndarray) -> np.ndarray:
    """Return the gray values of a photo at 24 x 24, float32."""
    small = cv2.resize(pixels, (LOOK, LOOK), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))


def crops(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return boxes of a photo, (n, 4), at 32 x 32, (n, 32, 32, 3) uint8; black where one lies outside."""
    height, width = pixels.shape[:2]
    found = np.zeros((len(box), FACE, FACE, 3), np.uint8)
    for i, edges in enumerate(box):
        x1, y1, x2, y2 = np.clip(np.rint(edges), 0, (width, height, width, height)).astype(int)
        if x2 > x1 and y2 > y1:
            found[i] = cv2.resize(pixels[y1:y2, x1:x2], (FACE, FACE), interpolation=cv2.INTER_AREA)
    return found


def as_it_was(pixels: np.ndarray, original: Original) -> np.ndarray:
    """Return which faces of an original, (n,) bool, are to be seen in another photo as they were."""
    both = (crops(pixels, _scaled(pixels, original)), original.crops)
    now, before = (one.reshape(len(one), 3 * FACE**2).astype(np.float64) for one in both)
    off, then = now - now.mean(1, keepdims=True), before - before.mean(1, keepdims=True)
    shared = (off * then).sum(1) / np.maximum(np.sqrt((off**2).sum(1) * (then**2).sum(1)), 1e-9)
    return np.asarray((shared >= SAME_FACE) & (np.abs(now - before).mean(1) <= LEVELS))


def hidden_faces(pixels: np.ndarray, original: Original) -> Faces:
    """Return the faces of an original as places in an obscured photo, with the landmarks and meshes that they had there."""
    height, width = pixels.shape[0] / original.shape[0], pixels.shape[1] / original.shape[1]
    faces = original.faces
    placed = replace(faces, box=_scaled(pixels, original), landmarks=faces.landmarks * (width, height))
    if MESH not in faces.columns:
        return placed
    mesh = faces[MESH]
    return placed.with_column(MESH, replace(mesh, values=mesh.values * (width, height, np.sqrt(width * height))))


def _scaled(pixels: np.ndarray, original: Original) -> np.ndarray:
    height, width = original.shape
    return np.asarray(original.faces.box * np.tile([pixels.shape[1] / width, pixels.shape[0] / height], 2))


def _as_wide(original: Original, shape: tuple[int, ...]) -> bool:
    """Return whether a photo has the proportions of an original."""
    return bool(abs(np.log(original.shape[0] * shape[1] / (original.shape[1] * shape[0]))) < 0.02)


def same_place(box: np.ndarray, others: np.ndarray) -> bool:
    """Return whether a box lies where one of others does."""
    return bool(len(others) and (overlap(box, others) >= SAME_PLACE).any())
