"""Faces found in order to be hidden: several detectors together, a mesh under each face, and a reason to doubt.

What is found is hidden even where it is doubtful; `unsure` says that a picture may hold a face that was not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.allow_list import AllowList
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.errors import RunError, UnknownName, Unreadable
from facevalue.data.faces import Faces
from facevalue.data.manifest import Hidden
from facevalue.image.boxes import inside, overlap
from facevalue.image.obscure import METHODS, obscure
from facevalue.image.regions import REGIONS, Cover, body_outlines, box_outlines, filled, inscribed, mesh_outlines
from facevalue.models.mesh import PRESENCE

DETECTORS = ("centerface", "blazeface")
IF_UNSURE = ("blank", "box", "refuse")
REASONS = {
    "no_face": "No detector found a face: one may be there all the same.",
    "low_confidence": "Faces were found, and hidden, but of none is any detector sure.",
    "no_target": "Targets alone were to be hidden, and the list of targets does not name the photo.",
    "no_person": "Neither a face nor a person was found.",
    "changed": "The file is not the one that the manifest was made of.",
    "no_outlines": "The manifest does not have the outlines of that region: obscure the file anew, without --redo.",
    "first_of_several": "The file holds several pictures, as animations and scans do: the first is written, obscured.",
    "not_written": "The file could not be written; the system's own words follow.",
    "leftovers": "What was written held more than pixels when it was read again; it was removed.",
    "unknown_format": "No photo is written in the format of that suffix.",
    "not_reached": "The run was stopped before this file.",
}
UNSURE = frozenset(("no_face", "low_confidence", "no_target", "no_person"))
SAME_FACE = 0.3
# Of a box's ellipse, what the mesh's outline of the face must hold for the mesh alone to be believed.
HELD = 0.75
# Presence and spread beyond which a mesh may lie beside its face, as it does on profiles.
SURE_MESH, STEADY = 0.9, 0.06


@dataclass(frozen=True, slots=True)
class Obscuring:
    """What is hidden, how, and what is done where it is not sure that all was found.

    Parameters
    ----------
    regions
        Of `REGIONS`.
    method, strength
        Of `METHODS`; None takes the method's own strength.
    seed
        Of what is drawn at random.
    who
        "all", or "targets": those in a list of boxes.
    if_unsure
        "blank": nothing of the picture is shown; "box": heads of people are hidden by their bodies, and it is blanked where
        there is no person; "refuse": it is not written.
    detectors
        Names; what any of them finds is hidden.
    least, sure
        Scores: the lowest that is hidden; the one that some face must reach, or the picture is unsure.
    """

    regions: tuple[str, ...] = ("face",)
    method: str = "solid"
    strength: float | None = None
    seed: int = 0
    who: str = "all"
    if_unsure: str = "blank"
    detectors: tuple[str, ...] = DETECTORS
    least: float = 0.3
    sure: float = 0.6

    def __post_init__(self) -> None:
        for given, known, what in (
            (self.regions, REGIONS, "region"),
            ((self.method,), METHODS, "method"),
            ((self.if_unsure,), IF_UNSURE, "answer to --if-unsure"),
            ((self.who,), ("all", "targets"), "answer to --who"),
        ):
            for name in given:
                if name not in known:
                    raise UnknownName(name, known, what=what)
        try:
            METHODS[self.method].strength(self.strength)
        except ValueError as error:
            raise RunError(str(error)) from error
        if not 0 < self.least <= self.sure:
            raise RunError(f"--least: expected a score up to {self.sure:g}, from which a face is sure; got {self.least:g}")

    def told(self) -> dict[str, Any]:
        """Return the same in plain values, with the sources of the detectors, for a manifest."""
        sources = [models.card(instruments.detector(name)).source for name in self.detectors]
        strength = METHODS[self.method].default if self.strength is None else self.strength
        plain = {name: getattr(self, name) for name in ("method", "seed", "who", "if_unsure", "least", "sure")}
        return plain | {"strength": strength, "regions": list(self.regions), "detectors": sources}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The faces of a picture, and why it is not sure that these are all; "" where it is."""

    faces: tuple[Hidden, ...]
    unsure: str = ""


class Finder:
    """Finds the faces of a picture: models are opened once, and serve every thread.

    Parameters
    ----------
    settings
        Which detectors, and when they are sure.
    allowed
        People who stay visible.
    """

    def __init__(self, settings: Obscuring, allowed: AllowList | None = None) -> None:
        self.settings, self.allowed = settings, allowed
        self.detectors = [models.load(instruments.detector(name)) for name in settings.detectors]
        wanted = instruments.ordered(("mesh",) if allowed is None else ("mesh", allowed.model))
        self.measurer = InMemory(Settings(settings.detectors[0], wanted))
        self.bodies = models.load("yolox_nano") if settings.if_unsure == "box" else None

    def __call__(self, pixels: np.ndarray, targets: Sequence[np.ndarray] | None = None) -> Found:
        """Return the faces of a picture.

        Parameters
        ----------
        pixels : (h, w, 3) uint8
            RGB, upright.
        targets
            Boxes, (4,) px each, that are to be hidden whatever the detectors say; with `who` "targets", nothing else is. None
            where the picture is not in the list.
        """
        seen = [detector(pixels, threshold=self.settings.least) for detector in self.detectors]
        faces = self._faces(pixels, seen)
        if self.settings.who == "targets" and targets is None:
            return Found(faces, "no_target")
        if targets is not None:
            faces = aimed(faces, targets, only=self.settings.who == "targets")
            if self.settings.who == "targets":
                return Found(faces)
        unsure = self._unsure(faces)
        return self._by_bodies(pixels, faces, unsure) if self.bodies is not None else Found(faces, unsure)

    def _unsure(self, faces: Sequence[Hidden]) -> str:
        if not faces:
            return "no_face"
        given = any(face.detector == "given" for face in faces)
        return "" if given or max(face.score for face in faces) >= self.settings.sure else "low_confidence"

    def _faces(self, pixels: np.ndarray, seen: Sequence[Faces]) -> tuple[Hidden, ...]:
        """Return a face for all boxes that lie on it: the outlines of its mesh, and of its boxes where the mesh is off."""
        boxes = np.concatenate([faces.box for faces in seen])
        points = np.concatenate([faces.landmarks for faces in seen])
        scores = np.concatenate([faces.score for faces in seen])
        names = [detector.card.source for detector, faces in zip(self.detectors, seen, strict=True) for _ in faces.score]
        groups = _grouped(boxes, scores)
        if not groups:
            return ()
        best = np.array([group[0] for group in groups])
        given = Faces(np.full(len(best), ""), boxes[best], points[best], scores[best])
        measured = self.measurer.measure([pixels], faces=[given])
        sure = sure_mesh(measured)
        there = measured["mesh.presence"].values >= PRESENCE
        mesh = measured["mesh.landmarks"].values
        alone = np.array([_one_face(boxes[group]) for group in groups])
        known = there & alone & (given.score >= self.settings.sure)
        kept = [""] * len(groups) if self.allowed is None else self.allowed.names(measured, known)
        faces = (outlined(boxes[group], mesh[i] if there[i] else None, sure=bool(sure[i])) for i, group in enumerate(groups))
        told = zip(faces, groups, kept, strict=True)
        return tuple(replace(face, score=float(scores[at[0]]), detector=names[at[0]], kept=who) for face, at, who in told)

    def _by_bodies(self, pixels: np.ndarray, faces: tuple[Hidden, ...], unsure: str) -> Found:
        """Add the head of every person that no sure face is in; a picture with neither stays unsure."""
        assert self.bodies is not None
        bodies, scores = self.bodies.code.people(self.bodies.nets, pixels)
        centres = [_middle(face.box) for face in faces if not face.score < self.settings.sure]
        heads = [
            Hidden(body, float(score), self.bodies.card.source, "body", _size(body), body_outlines(body))
            for body, score in zip(bodies, scores, strict=True)
        ]
        added = [head for head in heads if not any(inside(centre, _extent(head)[None])[0] for centre in centres)]
        return Found((*faces, *added), unsure and ("" if len(bodies) else "no_person"))


def _grouped(boxes: np.ndarray, scores: np.ndarray) -> list[list[int]]:
    """Return the indices of the boxes of each face, best first: those that overlap the best one, or have its middle in them."""
    left, groups = list(np.argsort(-scores, kind="stable")), list[list[int]]()
    while left:
        best = boxes[left[0]]
        shared, middle = overlap(best, boxes[left]) >= SAME_FACE, inside((best[:2] + best[2:]) / 2, boxes[left])
        close = middle & (overlap(best, boxes[left]) > SAME_FACE / 3)
        group = [i for i, one in zip(left, shared | close, strict=True) if one]
        groups.append(group)
        left = [i for i in left if i not in group]
    return groups


def _one_face(boxes: np.ndarray) -> bool:
    """Return whether boxes, the best first, are of one face: large ones around it may be of another, who is not kept."""
    return bool((overlap(boxes[0], boxes) >= SAME_FACE).all() and all(inside(_middle(box), boxes[:1])[0] for box in boxes))


def sure_mesh(faces: Faces) -> np.ndarray:
    """Return whether the mesh of each face can be believed, (n,) bool: it sees a face, and a nudge does not move it."""
    return np.asarray((faces["mesh.presence"].values >= SURE_MESH) & (faces["mesh.spread"].values <= STEADY))


def outlined(boxes: np.ndarray, mesh: np.ndarray | None, *, sure: bool) -> Hidden:
    """Return a face with its outlines: by its mesh where that can be believed, else by its boxes too.

    Of face and head, what lies in the ellipse of any box is in the outline in either case.

    Parameters
    ----------
    boxes : (b, 4) float
        That stand for the face, px; the best first.
    mesh : (468, 2 or 3) float, optional
        Its vertices, px.
    sure
        Whether the mesh can be believed; it must hold the boxes too.
    """
    by_boxes = [box_outlines(box) for box in boxes]
    size, nobody = max(map(_size, boxes)), float("nan")
    outlines = {} if mesh is None else mesh_outlines(mesh)
    if outlines and sure and min(_held(outlines["face"], box) for box in boxes) >= HELD:
        wider = {name: _hull([outlines[name], *map(inscribed, boxes)]) for name in ("face", "head")}
        return Hidden(boxes[0], nobody, "", "mesh", size, outlines | wider)
    parts = [*by_boxes, *([outlines] if outlines else [])]
    return Hidden(boxes[0], nobody, "", "box", size, {name: _hull([one[name] for one in parts]) for name in REGIONS})


def _held(outline: np.ndarray, box: np.ndarray) -> float:
    """Return the share of a box's inscribed ellipse that lies in an outline."""
    scale = 64 / max(*(box[2:] - box[:2]), 1e-3)
    side = np.ceil((box[2:] - box[:2]) * scale).astype(int) + 1
    ellipse = np.zeros((side[1], side[0]), np.uint8)
    cv2.ellipse(ellipse, (side // 2).tolist(), (side // 2).tolist(), 0, 0, 360, 1, -1)
    mask = filled(ellipse.shape, [(outline - box[:2]) * scale])
    return float((ellipse.astype(bool) & mask).sum() / max(ellipse.sum(), 1))


def _hull(outlines: Sequence[np.ndarray]) -> np.ndarray:
    return cv2.convexHull(np.concatenate(outlines).astype(np.float32))[:, 0]


def _size(box: np.ndarray) -> float:
    return float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1)))


def _middle(box: np.ndarray) -> np.ndarray:
    return np.asarray((box[:2] + box[2:]) / 2)


def _extent(head: Hidden) -> np.ndarray:
    """Return the box around a head's outline."""
    return np.concatenate([head.outlines["head"].min(0), head.outlines["head"].max(0)])


def aimed(faces: Sequence[Hidden], targets: Sequence[np.ndarray], *, only: bool) -> tuple[Hidden, ...]:
    """Return the faces with the targets among them hidden whoever they are, and the targets that are none of the faces.

    Parameters
    ----------
    faces
        That were found.
    targets
        Boxes, (4,) px each.
    only
        Whether the faces whose middle lies in no target are kept.
    """
    boxes = np.array(targets, np.float32).reshape(-1, 4)
    pairs = len(faces), len(boxes)
    held = np.array([inside(_middle(face.box), boxes) for face in faces], bool).reshape(pairs)
    same = held & (np.array([overlap(face.box, boxes) for face in faces]).reshape(pairs) >= SAME_FACE)
    nobody = "not_a_target" if only else ""
    told = [replace(face, kept="" if mine.any() else face.kept or nobody) for face, mine in zip(faces, held, strict=True)]
    nan = float("nan")
    added = [Hidden(box, nan, "given", "box", _size(box), box_outlines(box)) for box in boxes[~same.any(0)]]
    return (*told, *added)


def hidden(pixels: np.ndarray, faces: Sequence[Hidden], settings: Obscuring) -> np.ndarray:
    """Return a picture with the wanted regions of its faces hidden, but for the faces that are kept.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        RGB.
    faces
        As `Finder` gives them.
    settings
        Regions, method, strength, seed.

    Raises
    ------
    Unreadable
        "no_outlines": a face comes from a manifest that does not have the region.
    """
    wanted = [face for face in faces if not face.kept]
    if any(name not in face.outlines for face in wanted for name in settings.regions):
        raise Unreadable("no_outlines")
    covers = [Cover(face.outlines[name], face.size) for face in wanted for name in settings.regions]
    return obscure(pixels, covers, settings.method, strength=settings.strength, seed=settings.seed)
