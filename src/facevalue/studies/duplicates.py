"""Duplicates: photos that lie twice in a data set, as the same bytes or as another file of one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facevalue.data.faces import Faces
from facevalue.image.landmarks import scheme_of
from facevalue.stats.search import Nearest

MESH, FIVE_MIRROR = "mesh.landmarks", (1, 0, 2, 4, 3)
BATCH = 4096
# Shares of the angle at which two faces match, and Procrustes distances; from copies of London portraits, by dlib_resnet.
COPY, MIRRORED, COPY_BY_FIVE = 1 / 6, 0.3, 1 / 8
SHAPE, MIRRORED_SHAPE, FIVE_SHAPE = 0.016, 0.02, 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Pairs of photos that are one picture.

    Parameters
    ----------
    a, b : (c,) int
        Rows, a before b.
    similarity : (c,) float
        Cosine of the embeddings.
    shape : (c,) float
        Procrustes distance of the points of both faces, of one turned over where `mirrored`.
    mirrored : (c,) bool
    points
        How many points a face; 5 is the weaker rule, 0 where there were no faces.
    """

    a: np.ndarray
    b: np.ndarray
    similarity: np.ndarray
    shape: np.ndarray
    mirrored: np.ndarray
    points: int


def same_bytes(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first photo of the same bytes, and each further one, (c,) int rows each.

    Parameters
    ----------
    photo : (n,) str
        sha256; "" is nobody's copy.

    Examples
    --------
    >>> same_bytes(np.array(["x", "y", "x", "", "", "x"]))
    (array([0, 0]), array([2, 5]))
    """
    first: dict[str, int] = {}
    kept = [(first.setdefault(str(sha), i), i) for i, sha in enumerate(photo) if sha]
    pairs = np.array([pair for pair in kept if pair[0] != pair[1]], int).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def neighbour_pairs(found: Nearest, rows: np.ndarray, *, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of a search of rows among themselves, each once: rows a, b with a before b, and cosines, alikest first.

    Parameters
    ----------
    found
        Of rows, (m,), among themselves.
    rows : (m,) int
        Rising.
    least
        Cosine from which pairs count.

    Examples
    --------
    >>> found = Nearest(np.array([[1], [0], [1]]), np.array([[0.9], [0.9], [0.5]], "f"))
    >>> a, b, cosine = neighbour_pairs(found, np.array([4, 6, 7]), least=0.2)
    >>> a, b, cosine
    (array([4, 6]), array([6, 7]), array([0.9, 0.5], dtype=float32))
    """
    query = np.repeat(np.arange(len(rows)), found.index.shape[1])
    other, cosine = found.index.ravel(), found.similarity.ravel()
    kept = (other >= 0) & (cosine >= least)
    query, other, cosine = query[kept], other[kept], cosine[kept]
    code = np.minimum(query, other).astype(np.int64) * len(rows) + np.maximum(query, other)
    code, first = np.unique(code, return_index=True)
    order = np.argsort(-cosine[first], kind="stable")
    return rows[code[order] // len(rows)], rows[code[order] % len(rows)], cosine[first][order]


def near_duplicates(faces: Faces, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], *, degrees: float) -> Copies:
    """Return which pairs are one picture that was saved anew, made smaller, cut, brightened or turned over.

    With a mesh: an angle between the embeddings of at most 1/6 of that at which two faces match, and a Procrustes distance of
    at most .016 between the two meshes; turned over, .3 of the angle and .02. With five points alone: 1/8 and .06, and
    nothing is said of pictures turned over. The distance is `sqrt(1 - |<z, w>|^2)` of two shapes of size 1 as complex numbers,
    which no shift, turn or scale changes. Photos of the same bytes are left out.

    Of 204 London portraits of 900 px it finds every copy that was saved as JPEG 40, made 360 px small or brightened, 186 of
    those cut and 155 of those turned over, and none made 150 px small; of 4,998 pairs of a neutral and a smiling picture of one
    person, or of copies of them, it takes 18 for copies. It takes neighbouring frames of a film, or two shots of one burst, for
    copies.

    Parameters
    ----------
    faces
        n rows.
    pairs
        Rows a and b, and their cosines, (c,) each.
    degrees
        The angle at which two faces match.

    References
    ----------
    Kendall, Shape manifolds, Procrustean metrics, and complex projective spaces, Bulletin of the LMS 16, 1984: full
    Procrustes distance.
    """
    a, b, cosine = pairs
    kept = faces.photo[a] != faces.photo[b]
    a, b, cosine = a[kept], b[kept], cosine[kept]
    angle = np.degrees(np.arccos(np.clip(cosine.astype(np.float64), -1, 1)))
    near = angle <= MIRRORED * degrees
    a, b, cosine, angle = a[near], b[near], cosine[near], angle[near]
    points, mirror = _points(faces)
    direct, turned = _distances(points, mirror, a, b)
    meshed = points.shape[1] > 5
    limits = (COPY, SHAPE) if meshed else (COPY_BY_FIVE, FIVE_SHAPE)
    plain = (angle <= limits[0] * degrees) & (direct <= limits[1])
    mirrored = ~plain & meshed & (turned <= MIRRORED_SHAPE) & (turned < direct)
    copy = plain | mirrored
    shape = np.where(mirrored, turned, direct)
    return Copies(a[copy], b[copy], cosine[copy], shape[copy], mirrored[copy], points.shape[1] if len(faces) else 0)


def _points(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of each face, (n, p, 2 or 3), and the point that a mirror puts in the place of each, (p,)."""
    if MESH in faces.columns:
        points = faces[MESH].values
        return points, scheme_of(points.shape[1]).mirror
    return faces.landmarks, np.array(FIVE_MIRROR)


def _distances(points: np.ndarray, mirror: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Procrustes distances of pairs of faces, (c,), as they are and with one turned over; NaN without points."""
    parts = [np.zeros((0, 2))]
    for z, w in _shapes(points, a, b):
        turned = -w[:, mirror].conj()
        parts.append(np.stack([_distance(z, w), _distance(z, turned)], axis=1))
    direct, mirrored = np.concatenate(parts).T
    return direct, mirrored


def _shapes(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(a), BATCH):
        rows = (points[part[start : start + BATCH]].astype(np.float64) for part in (a, b))
        z, w = (part[..., 0] + 1j * part[..., 1] for part in rows)
        yield z, w


def _distance(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    z, w = (part - part.mean(1, keepdims=True) for part in (z, w))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.abs(np.vecdot(z, w)) ** 2 / (np.vecdot(z, z).real * np.vecdot(w, w).real)
    return np.asarray(np.sqrt(np.maximum(1 - cosine, 0)))
