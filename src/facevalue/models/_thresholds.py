"""Distances at which the package deepface says "same person": its own table, offered for comparison, not for use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from facevalue.data.errors import UnknownName

METRICS = ("cosine", "euclidean", "euclidean_l2", "angular")
_PUBLISHED = {
    "VGG-Face": (0.68, 1.17, 1.17, 0.39),
    "Facenet": (0.40, 10.0, 0.80, 0.33),
    "Facenet512": (0.30, 23.56, 1.04, 0.35),
    "ArcFace": (0.68, 4.15, 1.13, 0.39),
    "Dlib": (0.07, 0.6, 0.4, 0.12),
    "SFace": (0.593, 10.734, 1.055, 0.36),
    "OpenFace": (0.10, 0.55, 0.55, 0.11),
    "DeepFace": (0.23, 64.0, 0.64, 0.12),
    "DeepID": (0.015, 45.0, 0.17, 0.04),
    "GhostFaceNet": (0.65, 35.71, 1.10, 0.38),
    "Buffalo_L": (0.55, 0.6, 1.1, 0.45),
}
# Its Buffalo_L is a net of another file than `arcface_r50`: no card of ours stands for it.
_CARDS = {
    "vggface": "VGG-Face",
    "facenet": "Facenet",
    "facenet512": "Facenet512",
    "arcface": "ArcFace",
    "dlib_resnet": "Dlib",
    "sface": "SFace",
    "openface": "OpenFace",
    "deepface": "DeepFace",
    "deepid": "DeepID",
    "ghostfacenet": "GhostFaceNet",
}


def _row(values: tuple[float, ...]) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(METRICS, values, strict=True)))


_OWN = {theirs: _row(values) for theirs, values in _PUBLISHED.items()}
_FED = {f"{name}_deepface": theirs for name, theirs in _CARDS.items() if name != "dlib_resnet"}
DEEPFACE: Mapping[str, Mapping[str, float]] = MappingProxyType({name: _OWN[theirs] for name, theirs in (_CARDS | _FED).items()})


def deepface_threshold(model: str, metric: str) -> float:
    """Return the distance up to which deepface calls two faces the same person.

    Same if distance <= threshold. The table contradicts itself: on unit vectors the euclidean distance is
    sqrt(2 d) of the cosine distance d, so that a pair can be "different" by the cosine and "same" by "euclidean_l2".

    Parameters
    ----------
    model
        Name of a card, deepface's preprocessing or the native one, or deepface's own name ("Facenet512").
    metric
        "cosine" (1 - cosine), "euclidean" (of the embeddings as they are), "euclidean_l2" (of unit embeddings) or
        "angular" (angle / pi).

    Returns
    -------
    float
        A distance, not a similarity; no error rate is stated with it.

    Raises
    ------
    UnknownName
        deepface has no threshold for the model, or no such metric.

    References
    ----------
    serengil/deepface 0.0.100, `thresholds`.

    Examples
    --------
    >>> deepface_threshold("facenet512_deepface", "cosine"), deepface_threshold("facenet512", "euclidean_l2")
    (0.3, 1.04)
    """
    row = DEEPFACE.get(model) or _OWN.get(model)
    if row is None:
        raise UnknownName(model, [*DEEPFACE, *_OWN], what="threshold of deepface's")
    if metric not in row:
        raise UnknownName(metric, METRICS, what="metric of deepface's")
    return row[metric]
