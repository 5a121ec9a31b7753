"""What each instrument says of faces, as numbers side by side: one block an instrument, for sets that are to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.image.proportions import proportions
from facevalue.studies.face_dimensions import face_dimensions, photo_controls
from facevalue.studies.photo_measures import NOT_MEASURED, photo_reasons
from facevalue.studies.targets import mesh_proportions

# instruments that judge the photo and how the head stands in it
OF_PHOTOS = ("pose", "fsanet", "tddfa", "quality", "iso_quality", "iso_expression", "ediffiqa", "lightqnet")
# how sure an instrument is of itself, what repeats another column, and what a detector or a plug-in notes beside
BESIDE = ("age_sd", "race4", "distance", "norm", "residual", "score", "live", "expression_neutrality_native")
SHAPES = {"geometry": "mesh.landmarks", "frl132": "frl132.landmarks"}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What one instrument says of n faces.

    Parameters
    ----------
    name
        "attributes", "avfs_u", "geometry", "dlib_resnet".
    weights
        The instrument and the first digits of its weights.
    labels
        Of the d dimensions, "attributes.gender: Female"; none of an embedding, whose dimensions mean nothing one by one.
    values : (n, d) float64
        NaN where not measured, in the whole row.
    why : (n,) str
        The reason; "" where it is measured.
    """

    name: str
    weights: str
    labels: tuple[str, ...]
    values: np.ndarray
    why: np.ndarray

    @property
    def of_photos(self) -> bool:
        """Whether it judges the photo, not the face."""
        return self.name.partition("_mb1")[0].removesuffix("_yakhyo") in OF_PHOTOS

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Return the dimensions of some rows, scaled so that each column's variances add up to 1; an embedding as it is.

        A distribution over labels weighs as much as one number does.
        """
        values = self.values[rows]
        if not self.labels:
            return np.asarray(values)
        column = np.unique([label.partition(": ")[0] for label in self.labels], return_inverse=True)[1]
        total = np.sqrt(np.bincount(column, values.var(0)))
        return np.asarray((values - values.mean(0)) / np.where(total > 0, total, 1)[column])


def face_sources(faces: Faces) -> dict[str, Source]:
    """Return what each instrument says of faces, by its name.

    Numbers and distributions stand as they are, a distribution over two labels as one of them; of landmarks stand the
    proportions, of the mesh turned to the front. Sets of labels, errors and distances that an instrument notes beside are
    left out.

    Parameters
    ----------
    faces
        n faces.

    Examples
    --------
    >>> gender = Column(np.array([[0.2, 0.8], [np.nan] * 2]), "p", "m@1", labels=("Male", "Female"))
    >>> faces = Faces(np.array(["a", "b"]), np.zeros((2, 4)), np.zeros((2, 5, 2)), np.ones(2), {"m.gender": gender})
    >>> found = face_sources(faces)["m"]
    >>> found.labels, found.values.round(1).tolist(), found.why.tolist()
    (('m.gender: Female',), [[0.8], [nan]], ['', 'not_measured'])
    """
    by_instrument: dict[str, list[str]] = {}
    for name, column in faces.columns.items():
        if _counts(name, column):
            by_instrument.setdefault(name.rpartition(".")[0], []).append(name)
    rows = _as_people(faces)
    found = {name: _numbers(rows, name, columns) for name, columns in by_instrument.items()}
    for name, column in faces.columns.items():
        if name.endswith(".embedding"):
            instrument = name.removesuffix(".embedding")
            found[instrument] = _embedding(instrument, column)
    for name, where in SHAPES.items():
        if where in faces.columns:
            found[name] = _proportions(faces, name, where)
    return found


def photo_quality(faces: Faces) -> Mapping[str, np.ndarray]:
    """Return what of a photo passes for a difference of faces: sharpness, light, size and turn, (n,) float64 by column.

    NaN where not measured.
    """
    rows = _as_people(faces)
    return photo_controls(rows, rows.person).quality


def _as_people(faces: Faces) -> People:
    """Return each face as a person of its own."""
    return People(faces, np.arange(len(faces)).astype(str).astype(object), np.zeros(len(faces), int))


def _counts(name: str, column: Column) -> bool:
    """Return whether a column is numbers about faces that mean something one by one."""
    last = name.rpartition(".")[2]
    if last.endswith(("_set", "_spread", "_native")) or last in BESIDE or name.partition(".")[0].endswith("_spread"):
        return False
    if column.values.ndim == 2:
        return last == "dimensions" or (column.unit == "p" and bool(column.labels) and last != "joint_scores")
    return column.values.ndim == 1 and name.partition(".")[0] != "mesh"


def _numbers(rows: People, name: str, columns: list[str]) -> Source:
    found = face_dimensions(rows, rows.person, columns)
    labels = tuple(label.replace(".dimensions: ", ": ") for label in found.labels)
    why = np.full(len(rows), "", object)
    for column in columns:
        reasons = photo_reasons(rows.faces[column])
        why = np.where(why == "", reasons, why)
    return _whole(Source(name, rows.faces[columns[0]].source, labels, found.values, why))


def _embedding(name: str, column: Column) -> Source:
    values = column.values.astype(np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return _whole(Source(name, column.source, (), values / np.where(length > 0, length, np.nan), photo_reasons(column)))


def _proportions(faces: Faces, name: str, where: str) -> Source:
    column = faces[where]
    found = mesh_proportions(faces) if name == "geometry" else proportions(column.values.astype(np.float64), name)
    labels = tuple(f"{name}.{part}" for part in found)
    return _whole(Source(name, column.source, labels, np.stack(list(found.values()), 1), photo_reasons(column)))


def _whole(source: Source) -> Source:
    """Return the source with each row that lacks a number empty throughout, and a reason for it."""
    lacking = ~np.isfinite(source.values).all(1) | (source.why != "")
    why = np.where(lacking & (source.why == ""), NOT_MEASURED, source.why)
    return replace(source, values=np.where(lacking[:, None], np.nan, source.values), why=why)
