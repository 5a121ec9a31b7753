"""`results.json`: the keys of FaceAnnotate, in its order and number formats, and beside them what it leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np

from facevalue.data.faces import Column, Faces

LARGE = 32
SET = "_set"
# FaceAnnotate's key: the columns that answer it, the first that was measured first.
LABELS = {
    "race": ("fairface.race", "fairface_onnx.race", "attributes.race"),
    "race4": ("fairface4.race", "attributes.race4"),
    "gender": ("fairface.gender", "fairface_onnx.gender", "attributes.gender"),
    "age": ("fairface.age", "fairface_onnx.age", "attributes.age_group"),
}
SCORES = {
    "race_scores_fair": LABELS["race"],
    "race_scores_fair_4": LABELS["race4"],
    "gender_scores_fair": LABELS["gender"],
    "age_scores_fair": LABELS["age"],
}
EXPRESSIONS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
EXPRESSION = ("dmue.expression", "expression.votes")
ANGLES = {name: (f"tddfa.{name}", f"tddfa_mb1.{name}", f"pose.{name}") for name in ("yaw", "pitch", "roll")}


def entry(faces: Faces | None, *, chip: str = "", why: str = "") -> dict[str, Any]:
    """Return what `results.json` holds for one photo.

    Parameters
    ----------
    faces
        Those of the photo, or None.
    chip
        Path of its aligned faces without `_face<k>.jpg`; "" where none were written.
    why
        The photo's reason, where it has no faces.

    Returns
    -------
    dict
        FaceAnnotate's 21 keys for the main face, the one with the largest box; null where the instrument is absent, and
        `why` then names the reason, key by key; `sources` names the instrument behind each key; `faces` holds all
        faces with every small measure (those of over 32 numbers a face are in `faces.parquet` alone).
    """
    if faces is None or not len(faces):
        keys = ("face_name_align", *LABELS, *SCORES, "bbox", *EXPRESSIONS, *ANGLES)
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, why), "sources": {}, "faces": []}
    areas = (faces.box[:, 2:] - faces.box[:, :2]).prod(1)
    k = int(areas.argmax())
    main = _Main(faces, k)
    values: dict[str, Any] = {"face_name_align": f"{chip}_face{k}.jpg" if chip else main.absent("face_name_align", "--chips")}
    for key, columns in LABELS.items():
        values[key] = main.read(key, columns, lambda column: column.labels[int(column.values[k].argmax())])
    for key, columns in SCORES.items():
        values[key] = main.read(key, columns, lambda column: str(column.values[k]))
    left, top, right, bottom = (int(v) for v in faces.box[k])
    values["bbox"] = f"[({left}, {top}) ({right}, {bottom})]"
    for i, key in enumerate(EXPRESSIONS):
        values[key] = main.read(key, EXPRESSION, lambda column, i=i: _decimals(column.values[k][i], 4))
    for key, columns in ANGLES.items():
        values[key] = main.read(key, columns, lambda column: _decimals(column.values[k], 2))
    return {**values, "why": main.why, "sources": main.sources, "faces": [_face(faces, i) for i in range(len(faces))]}


class _Main:
    """Reads the main face's columns and notes, key by key, where a value is from or why there is none."""

    def __init__(self, faces: Faces, k: int) -> None:
        self.faces, self.k = faces, k
        self.why: dict[str, str] = {}
        self.sources: dict[str, str] = {}

    def absent(self, key: str, wish: str) -> Any:
        self.why[key] = f"not_requested: add {wish}"
        return None

    def read(self, key: str, columns: tuple[str, ...], value: Any) -> Any:
        measured = [name for name in columns if name in self.faces.columns]
        if not measured:
            return self.absent(key, f"--instruments {columns[-1].split('.')[0]}")
        column = self.faces.columns[measured[0]]
        if np.isnan(column.values[self.k]).any():
            self.why[key] = "not_measured" if column.why is None else str(column.why[self.k])
            return None
        self.sources[key] = column.source
        return value(column)


def _decimals(value: float, n: int) -> float:
    return round(float(value), n)


def _face(faces: Faces, k: int) -> dict[str, Any]:
    small = {name: column for name, column in faces.columns.items() if column.values[k].size <= LARGE}
    shown = {name: column for name, column in small.items() if not name.endswith(SET)}
    measures = {name: _measure(column, k, small.get(f"{name}{SET}")) for name, column in shown.items()}
    return {
        "face": k,
        "box": [round(v, 2) for v in faces.box[k].tolist()],
        "landmarks": [[None if v != v else round(v, 2) for v in point] for point in faces.landmarks[k].tolist()],
        "score": _decimals(faces.score[k], 4),
        "measures": measures,
    }


def _measure(column: Column, k: int, sets: Column | None) -> dict[str, Any]:
    bands = [None if band is None else _plain(band[k], column.labels) for band in (column.low, column.high)]
    out: dict[str, Any] = {
        "value": _plain(column.values[k], column.labels),
        "unit": column.unit,
        "source": column.source,
    }
    out |= {"low": bands[0], "high": bands[1], "level": column.level}
    if sets is not None:
        out["set"] = [label for label, held in zip(sets.labels, sets.values[k], strict=True) if held == 1] or None
    if column.why is not None and column.why[k]:
        out["why"] = str(column.why[k])
    return out


def _plain(values: np.ndarray, labels: tuple[str, ...]) -> Any:
    if not np.ndim(values):
        return None if np.isnan(values) else float(f"{values:.6g}")
    rounded = [None if v != v else float(f"{v:.6g}") for v in values.ravel().tolist()]
    return dict(zip(labels, rounded, strict=True)) if labels else rounded
