"""Joints of people in crops, as pose estimators write them, recognised by what is in the files.

CHAPNet's own     {"<crop>": [[x, y, confidence] x 18]}; the same with 17 or 25 joints
OpenPose          <crop>_keypoints.json {"people": [{"pose_keypoints_2d": [x, y, c, ...]}]}, of 18 or 25 joints
COCO              [{"image_id": ..., "keypoints": [51 numbers]}], or such a list as "annotations", beside "images"
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data._dpac_schema import bare
from facevalue.data.errors import SchemaError, WrongShape, reads

NO_PERSON = "no_person"
REASONS = {NO_PERSON: "The pose estimator found nobody in the crop."}
SEEN = 0.2  # least confidence of a joint that counts, where one of several persons is chosen
SCHEMES: Mapping[int, str] = {17: "coco17", 18: "coco18", 25: "body25"}
EXPECTED = "joints as CHAPNet, OpenPose or COCO write them"

Crop = tuple[str, list[np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """n crops, and the joints of one person in each.

    Parameters
    ----------
    id : (n,) str
        Name of the crop, without suffix.
    joints : (n, k, 3) float32
        x y in px of the crop and confidence; 0 0 0 for a joint that was not detected, NaN where there is nobody.
    scheme
        "coco18", "coco17" or "body25": which k joints, in which order.
    person : (n,) int
        Which of the persons found in the crop, -1 where there is nobody.
    persons : (n,) int
        How many were found.
    why : (n,) str
        "no_person", or "".

    Raises
    ------
    WrongShape
        When an array is not as long as `id`, or joints are not of the scheme.
    """

    id: np.ndarray
    joints: np.ndarray
    scheme: str
    person: np.ndarray
    persons: np.ndarray
    why: np.ndarray

    def __post_init__(self) -> None:
        count = next((k for k, name in SCHEMES.items() if name == self.scheme), None)
        if self.joints.shape != (len(self.id), count, 3):
            raise WrongShape(f"Poses: joints have shape {self.joints.shape}, expected {(len(self.id), count, 3)}")
        for name in ("person", "persons", "why"):
            if getattr(self, name).shape != self.id.shape:
                raise WrongShape(f"Poses: {name} has shape {getattr(self, name).shape}, expected {self.id.shape}")

    def __len__(self) -> int:
        return len(self.id)


@reads(EXPECTED)
def read_poses(path: str | Path) -> Poses:
    """Read the joints of people in crops.

    Of several persons in a crop, the one with the most joints that are seen (confidence of `SEEN` or more, not left of or
    above the crop) counts, of equals the one whose confidences sum to the most, of equals the first.

    Parameters
    ----------
    path
        A JSON file, or a folder of OpenPose's, one a crop.

    Returns
    -------
    Poses
        A row a crop, in the order of the file, or of the names of the files.

    Raises
    ------
    SchemaError
        No JSON there, of none of the formats, crops of different numbers of joints, or a crop met twice.
    """
    path = Path(path)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise SchemaError(f"{path}: expected {EXPECTED}; the folder has no .json")
    crops: dict[str, list[np.ndarray]] = {}
    for file in files:
        for name, people in _crops(_json(file), file):
            if name in crops:
                raise SchemaError(f"{file}: expected each crop once; {name!r} was met before")
            crops[name] = people
    return _chosen(crops, path)


def _chosen(crops: Mapping[str, list[np.ndarray]], path: Path) -> Poses:
    counts = {len(one) for people in crops.values() for one in people} or {18}
    if len(counts) > 1:
        raise SchemaError(f"{path}: expected crops of one number of joints; got {', '.join(map(str, sorted(counts)))}")
    k = counts.pop()
    best = [max(range(len(people)), key=lambda i: _rank(people[i]), default=-1) for people in crops.values()]
    nobody = np.full((k, 3), np.nan, np.float32)
    joints = [people[i] if people else nobody for people, i in zip(crops.values(), best, strict=True)]
    return Poses(
        np.array(list(crops), object),
        np.array(joints, np.float32).reshape(-1, k, 3),
        SCHEMES[k],
        np.array(best, int),
        np.array([len(people) for people in crops.values()], int),
        np.array(["" if people else NO_PERSON for people in crops.values()], object),
    )


def _rank(joints: np.ndarray) -> tuple[int, float]:
    seen = (joints[:, 2] >= SEEN) & (joints[:, :2] >= 0).all(1)
    return int(seen.sum()), float(joints[seen, 2].sum())


def _crops(told: Any, file: Path) -> Iterator[Crop]:
    """Yield each crop of a file with the joints of everybody in it."""
    if isinstance(told, dict) and isinstance(told.get("people"), list):
        people = [one.get("pose_keypoints_2d") if isinstance(one, dict) else one for one in told["people"]]
        yield file.stem.removesuffix("_keypoints"), [_joints(one, f"{file}: person {i}") for i, one in enumerate(people)]
    elif isinstance(told, list) or (isinstance(told, dict) and isinstance(told.get("annotations"), list)):
        yield from _coco(told, file)
    elif isinstance(told, dict) and all(isinstance(one, list) for one in told.values()):
        for name, one in told.items():
            yield bare(name), [_joints(one, f"{file}: {name!r}")] if one else []
    else:
        raise SchemaError(f"{file}: expected {EXPECTED}; got JSON of another kind")


def _coco(told: Any, file: Path) -> Iterator[Crop]:
    """Yield the crops of COCO's results, whose third number is a confidence, or its annotations, where it is 0, 1 or 2."""
    rows = told if isinstance(told, list) else told["annotations"]
    images = told.get("images", []) if isinstance(told, dict) else []
    try:
        names = {one["id"]: str(one.get("file_name", one["id"])) for one in images}
        found: dict[str, list[np.ndarray]] = {bare(name): [] for name in names.values()}
        for row in rows:
            name = bare(names.get(row["image_id"], str(row["image_id"])))
            found.setdefault(name, []).append(_joints(row["keypoints"], f"{file}: {name!r}"))
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f'{file}: expected rows with "image_id" and "keypoints"; one has not: {error!r}') from error
    if isinstance(told, dict):
        _flags_to_confidences([one for people in found.values() for one in people])
    yield from found.items()


def _flags_to_confidences(people: list[np.ndarray]) -> None:
    """Turn COCO's 0, 1 (hidden) and 2 (visible) of labelled joints into 0 and 1, where nothing else is there."""
    if people and np.isin(np.concatenate(people)[:, 2], (0, 1, 2)).all():
        for one in people:
            one[:, 2] = one[:, 2] > 0


def _joints(told: Any, where: str) -> np.ndarray:
    try:
        joints = np.array(told, np.float32).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{where}: expected x, y and confidence of 17, 18 or 25 joints; {error}") from error
    if len(joints) not in SCHEMES or not np.isfinite(joints).all():
        raise SchemaError(f"{where}: expected x, y and confidence of 17, 18 or 25 joints, finite; got {len(joints)} of them")
    return joints


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SchemaError(f"{file}: expected {EXPECTED}; {error}") from error
