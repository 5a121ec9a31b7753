"""A public fake: a detector and an instrument without weights, on which the whole house runs offline."""

from __future__ import annotations

import numpy as np

from facevalue.data.faces import Faces
from facevalue.image import align
from facevalue.models._card import Card, Output
from facevalue.models._session import Net

CARDS = (
    Card(
        "fake_detector",
        "detect",
        "a face wherever there is a saturated red square; for tests",
        licence="Apache-2.0",
        limits=("finds no faces",),
    ),
    Card(
        "fake",
        "attributes",
        "the mean colour of a crop, as a distribution over three colours; for tests",
        crops=(align.Crop("upright", 32),),
        outputs=(Output("colour", "p", (3,), ("red", "green", "blue")), Output("light", "1")),
        licence="Apache-2.0",
        limits=("measures no faces",),
    ),
)


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return one face a connected patch of pure red of at least 16 px, largest first; of each the score is 1."""
    import cv2

    red = (photo == (255, 0, 0)).all(2).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(red)
    found = sorted((row for row in stats[1:] if row[4] >= 16), key=lambda row: -row[4])
    corner = np.array([row[:2] for row in found], np.float32).reshape(-1, 2)
    size = np.array([row[2:4] for row in found], np.float32).reshape(-1, 2)
    marks = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
    points = corner[:, None] + size[:, None] * marks
    return Faces(np.full(len(found), ""), np.hstack([corner, corner + size]), points, np.ones(len(found)))


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return the shares of the three channels and the mean value, in [0, 1]."""
    mean = crops.reshape(len(crops), -1, 3).mean(1) / 255
    return {"colour": mean / np.maximum(mean.sum(1, keepdims=True), 1e-9), "light": mean.mean(1)}
