"""What was measured on photos, as something by which two faces are more or less alike; and whose photos they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.image.geometry import align
from facevalue.studies.dimensions import dimension_names
from facevalue.studies.shapes import MAX_YAW, PRESENCE

GEOMETRY = "geometry"
POINTS = ("frl132.landmarks", "mesh.landmarks")
NOT_MEASURED = "not_measured"
PHOTO_WORDS = ("camera", "batch", "day", "device", "wave")


@dataclass(frozen=True, slots=True, eq=False)
class PhotoMeasure:
    """What a source says of n photos.

    Parameters
    ----------
    kind
        How two rows are compared: a key of `ALIKE`.
    name
        The similarity in words: "mean cosine of dlib_resnet".
    values : (n, d) float64
        Unit embeddings, places along dimensions, shares of labels, a number, or the (x, y) of points laid on each other.
    why : (n,) str
        Why a photo has none; "" where it has.
    labels
        Of the dimensions, where they mean something.
    """

    kind: str
    name: str
    values: np.ndarray
    why: np.ndarray
    labels: tuple[str, ...] = ()


def photo_measure(people: People, source: str) -> PhotoMeasure:
    """Return what a source says of each photo, and how two of them are compared.

    Parameters
    ----------
    people
        n photos.
    source
        As for `facevalue.studies.face_similarity.face_similarity`.

    Raises
    ------
    MissingColumn
        The photos were not measured by the source.
    SchemaError
        The column is neither one number a photo, nor a distribution, nor (n, d) of unit "1".
    """
    if source == GEOMETRY:
        return _shapes(people.faces)
    name, column = source_column(people.faces, source)
    values, why = column.values.astype(np.float64), photo_reasons(column)
    if name.endswith(".embedding"):
        length = np.linalg.norm(values, axis=1, keepdims=True)
        why[(why == "") & (length[:, 0] == 0)] = NOT_MEASURED
        return PhotoMeasure("cosine", f"mean cosine of {source}", values / np.where(length > 0, length, np.nan), why)
    if values.ndim == 1:
        unit = "" if column.unit == "1" else f" ({column.unit})"
        return PhotoMeasure("difference", f"minus the difference in {source}{unit}", values[:, None], why, (source,))
    if values.ndim == 2 and column.unit == "p" and column.labels:
        return PhotoMeasure("overlap", f"overlap of {source}", values, why, column.labels)
    if values.ndim == 2 and column.unit == "1":
        labels = column.labels or tuple(dimension_names(values.shape[1]).tolist())
        return PhotoMeasure("product", f"dot product of {source}", values, why, labels)
    raise SchemaError(
        f"expected one number a photo, a distribution over labels, or (n, d) of unit '1'; {name} is {values.shape} of "
        f"{column.unit!r}: choose another source"
    )


def source_column(faces: Faces, source: str) -> tuple[str, Column]:
    """Return the column behind a source, and its name: a model's embedding, its dimensions, or the column itself.

    Raises
    ------
    MissingColumn
        There is none.
    """
    for name in (f"{source}.embedding", f"{source}.dimensions", source):
        if name in faces.columns:
            return name, faces.columns[name]
    known = ", ".join(sorted(faces.columns)) or "none"
    raise MissingColumn(f"expected a column {source}, {source}.embedding or {source}.dimensions; there are: {known}")


def photo_reasons(column: Column) -> np.ndarray:
    """Return the first word of why each photo has no value, (n,) str; "" where it has one.

    Examples
    --------
    >>> age = Column(np.array([30, np.nan, np.nan]), "years", "m@1", why=np.array(["", "unreadable: damaged", ""]))
    >>> photo_reasons(age).tolist()
    ['', 'unreadable', 'not_measured']
    """
    words = np.full(len(column), "") if column.why is None else column.why
    why = np.array([str(word).partition(":")[0] for word in words], object)
    lacking = ~np.isfinite(column.values.reshape(len(column), int(np.prod(column.values.shape[1:])))).all(1)
    why[lacking & (why == "")] = NOT_MEASURED
    return why


def member_rows(people: People, members: np.ndarray) -> np.ndarray:
    """Return the member on each photo, (n,) int; -1 where it shows none.

    Parameters
    ----------
    people
        n photos.
    members : (m,) str
        Ids.

    Raises
    ------
    SchemaError
        An id stands twice.
    """
    names, counts = np.unique(np.asarray(members, str), return_counts=True)
    if (counts > 1).any():
        raise SchemaError(f"expected each member once; {names[counts.argmax()]!r} stands {counts.max()} times")
    row = {str(name): i for i, name in enumerate(members)}
    return np.array([row.get(str(who), -1) if who != "" else -1 for who in people.person], np.int64)


def member_means(values: np.ndarray, who: np.ndarray, members: int) -> np.ndarray:
    """Return the mean of the finite values over each member's photos, (m, d) float64; NaN where there is none.

    Parameters
    ----------
    values : (n, d) float
    who : (n,) int
        The member on each photo; -1 for nobody.
    members
        How many, m.

    Examples
    --------
    >>> member_means(np.array([[1.0], [3.0], [np.nan], [9.0]]), np.array([1, 1, 1, -1]), 2).tolist()
    [[nan], [2.0]]
    """
    mine = who >= 0
    given, whose = np.asarray(values, np.float64)[mine], who[mine]
    total, count = np.zeros((members, given.shape[1])), np.zeros((members, given.shape[1]))
    np.add.at(total, whose, np.nan_to_num(given, posinf=0, neginf=0))
    np.add.at(count, whose, np.isfinite(given))
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def taken_alike(people: People, who: np.ndarray) -> dict[str, int]:
    """Return how many of those with two photos or more have all of them of one camera, batch, day, device or wave.

    Such photos do not tell how much another day, with its light, would change.

    Parameters
    ----------
    people
        n photos.
    who : (n,) int
        The member on each photo; -1 where it does not count.

    Returns
    -------
    dict
        By column of words, where there is one and it has such people. Words that are not known are all different.

    Examples
    --------
    >>> faces = Faces(np.arange(5).astype(str), np.zeros((5, 4)), np.zeros((5, 5, 2)), np.ones(5))
    >>> day = {"day": np.array(["mon", "mon", "mon", "tue", "mon"], object)}
    >>> taken_alike(People(faces, np.array([*"aabbc"], object), np.zeros(5, int), day), np.array([0, 0, 1, 1, 2]))
    {'day': 1}
    """
    mine, found = who >= 0, {}
    for name in (name for name in PHOTO_WORDS if name in people.columns):
        words = people.columns[name][mine].astype(str)
        at = np.unique(words, return_inverse=True)[1].reshape(-1)
        at = np.where(words == "", len(at) + np.arange(len(at)), at)
        photos = np.bincount(who[mine])
        kinds = np.bincount(np.unique(np.stack([who[mine], at]), axis=1)[0], minlength=len(photos))
        if alike := int(((photos > 1) & (kinds == 1)).sum()):
            found[name] = alike
    return found


def _shapes(faces: Faces) -> PhotoMeasure:
    """Return the shape of each face, all laid on each other."""
    name = next((name for name in POINTS if name in faces.columns), None)
    if name is None or "pose.yaw" not in faces.columns:
        raise MissingColumn(f"geometry: expected the columns {' or '.join(POINTS)}, and pose.yaw; measure mesh, pose, frl132")
    points, why = faces[name].values[:, :, :2].astype(np.float64), photo_reasons(faces[name])
    if name == "mesh.landmarks":
        why[(why == "") & ~(faces["mesh.presence"].values >= PRESENCE)] = "no_mesh"
    why[(why == "") & (np.abs(faces["pose.yaw"].values) > MAX_YAW)] = "turned_away"
    points[why != ""] = np.nan
    shapes = align(points, project=False).shapes if (why == "").any() else points
    words = f"minus the Procrustes distance of {name.partition('.')[0]}'s points"
    return PhotoMeasure("distance", words, shapes.reshape(len(points), -1), why)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a @ b.T)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    alike: np.ndarray = np.ones((len(a), len(b)))
    for p, q in zip(a.T, b.T, strict=True):
        alike -= np.abs(p[:, None] - q) / 2
    return alike


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(-np.abs(a - b.T))


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return minus the partial Procrustes distance of shapes, (m, 2p) and (k, 2p), centred, of any size."""
    x, y = (np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True)).view(complex) for rows in (a, b))
    with np.errstate(invalid="ignore"):  # NaN points give NaN
        return np.asarray(-np.sqrt(np.maximum(2 - 2 * np.abs(x.conj() @ y.T), 0)))


Alike = Callable[[np.ndarray, np.ndarray], np.ndarray]
ALIKE: Mapping[str, Alike] = {
    "cosine": _product,
    "product": _product,
    "overlap": _overlap,
    "difference": _difference,
    "distance": _distance,
}
