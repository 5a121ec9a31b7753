"""What a face shows of how sure its embedding is, from columns alone: the features of a `Scale`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.confidence.angles import nearest_angle, unrecognisable_angle
from facevalue.data.faces import Faces

NAMES = ("log_flip", "log_jitter", "nearest_angle", "unrecognisable_angle", "log_norm", "log_inter_eye", "log_sharpness")


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What embeddings are held against: prototypes of people, and the embedding of faces that nobody can recognise.

    Parameters
    ----------
    prototypes : (r, d) float
        Means of several people's embeddings each; none may be of a single face.
    blind : (d,) float
        Mean direction of the embeddings of crops made unrecognisable.
    """

    prototypes: np.ndarray
    blind: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Return the same in lists of numbers, fit for JSON; nothing is lost."""
        return {"prototypes": self.prototypes.tolist(), "blind": self.blind.tolist()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> References:
        """Return what `to_dict` wrote."""
        return cls(np.array(plain["prototypes"]), np.array(plain["blind"]))


def face_features(faces: Faces, model: str, references: References) -> np.ndarray:
    """Return the features `NAMES` of n faces, (n, 7) float64; NaN where a column is not there or has no value.

    Logarithms (natural) of degrees by which the embedding moves when the crop is mirrored or nudged, of the embedding's
    length (the model's own `norm` where it has one), of the px between the eyes and of the sharpness; degrees to the nearest
    prototype and to the unrecognisable.

    Parameters
    ----------
    faces
        With `<model>.embedding`, and perhaps `<model>_spread.flip`, `.jitter`, `<model>.norm`, `quality.inter_eye`,
        `quality.sharpness`.
    model
        Name of the model that embeds.
    references
        To hold the embeddings against.
    """
    embedding = faces[f"{model}.embedding"].values.astype(np.float64)
    norm = _log(faces, f"{model}.norm")
    length = _finite_log(np.linalg.norm(embedding, axis=1))
    columns = (
        _log(faces, f"{model}_spread.flip"),
        _log(faces, f"{model}_spread.jitter"),
        nearest_angle(embedding, references.prototypes),
        unrecognisable_angle(embedding, references.blind),
        length if norm is None else norm,
        _log(faces, "quality.inter_eye"),
        _log(faces, "quality.sharpness"),
    )
    return np.stack([np.full(len(faces), np.nan) if column is None else column for column in columns], axis=1)


def _log(faces: Faces, name: str) -> np.ndarray | None:
    if name not in faces.columns:
        return None
    return _finite_log(faces[name].values.astype(np.float64))


def _finite_log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
    return np.where(np.isfinite(logs), logs, np.nan)
