"""Viola and Jones's cascade as OpenCV carries it: no net, no weights to fetch, no landmarks."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import cv2
import numpy as np

from facevalue.data.errors import ChecksumMismatch, Unreachable
from facevalue.data.faces import Faces
from facevalue.image.boxes import keep
from facevalue.models._card import Card
from facevalue.models._session import Net

HALF = 4.0
CARDS = (
    Card(
        "haar",
        "detect",
        "finds frontal faces with OpenCV's cascade of rectangles; no landmarks",
        licence="Intel licence agreement for the Open Source Computer Vision Library (BSD-like)",
        paper="Viola, Jones: Robust Real-Time Face Detection, IJCV 57, 2004; Lienhart, Maydt, ICIP 2002",
        trained_on="Rainer Lienhart's faces, not published",
        landmarks=False,
        limits=(
            "no landmarks: the commands that compare faces lay crops on those of the mesh, annotate only where it is asked for",
            f"the score is s / (s + {HALF:g}) of the last stage's sum s: it ranks boxes and is no probability",
            "22 of 35 faces on ten group photos, and 5 boxes on no face (measured here)",
            "turned and tilted faces are missed; faces under 24 px cannot be seen",
            "it is no net: nothing is converted to ONNX, OpenCV runs it; OpenCV 5 no longer carries it",
        ),
    ),
)
FILE = "haarcascade_frontalface_default.xml"
SHA256 = "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0"
GROWTH, NEIGHBOURS = 1.1, 10
OVERLAP = 0.3


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.0) -> Faces:
    """Return the faces of a photo, best first; landmarks are NaN.

    The window grows by a tenth from 24 px; ten windows must agree on a face.

    Parameters
    ----------
    nets
        None: OpenCV runs the cascade.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face.

    Raises
    ------
    Unreachable
        The installed OpenCV carries no cascade.
    ChecksumMismatch
        It carries another one.
    """
    cascade = cv2.CascadeClassifier(str(checked(_folder() / FILE)))
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    found, _, sums = cascade.detectMultiScale3(grey, GROWTH, NEIGHBOURS, outputRejectLevels=True)
    corner_size = np.array(found, float).reshape(-1, 4)
    boxes, scores = np.hstack([corner_size[:, :2], corner_size[:, :2] + corner_size[:, 2:]]), score(np.array(sums, float))
    best = np.flatnonzero(scores >= threshold)
    kept = best[keep(boxes[best], scores[best], OVERLAP)]
    return Faces(np.full(len(kept), ""), boxes[kept], np.full((len(kept), 5, 2), np.nan), scores[kept])


def score(sums: np.ndarray) -> np.ndarray:
    """Return s / (s + 4) of the last stage's sums, 0 where they are negative: an order, no probability.

    Examples
    --------
    >>> score(np.array([-1.0, 4.0, 12.0]))
    array([0.  , 0.5 , 0.75])
    """
    positive = np.maximum(sums.reshape(-1), 0)
    return np.asarray(positive / (positive + HALF))


@functools.cache
def checked(path: Path) -> Path:
    """Return the cascade's path after checking its sha256.

    Parameters
    ----------
    path
        Of OpenCV's file.

    Raises
    ------
    Unreachable
        It is not there.
    ChecksumMismatch
        Its bytes are others.
    """
    if not path.is_file():
        raise Unreachable(f"haar: expected {path}, OpenCV {cv2.__version__} has none; install opencv-python-headless>=4.12,<5")
    came = hashlib.sha256(path.read_bytes()).hexdigest()
    if came != SHA256:
        raise ChecksumMismatch(f"haar: {path}: expected sha256 {SHA256}, got {came}; install opencv-python-headless again")
    return path


def _folder() -> Path:
    data = getattr(cv2, "data", None)
    return Path(getattr(data, "haarcascades", "cv2/data"))
