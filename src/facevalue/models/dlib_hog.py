"""dlib's detector of frontal faces, five linear filters on histograms of oriented gradients; no landmarks."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from facevalue.data.errors import WeightsError
from facevalue.data.faces import Faces
from facevalue.image.boxes import keep
from facevalue.models._card import Card
from facevalue.models._session import Net

CARDS = (
    Card(
        "dlib_hog",
        "detect",
        "finds frontal faces with dlib's histograms of oriented gradients; no landmarks",
        licence="Boost Software License 1.0",
        paper="King: Max-Margin Object Detection, arXiv 1502.00046; Dalal, Triggs, CVPR 2005",
        trained_on="Labeled Faces in the Wild, 3,000 faces",
        landmarks=False,
        limits=(
            "no landmarks: the commands that compare faces lay crops on those of the mesh, annotate only where it is asked for",
            "the score is the logistic of the distance from the filter's margin: it ranks boxes and is no probability",
            "faces under 80 px are missed; 30 of 35 faces on ten group photos, none false (measured here)",
            "turned faces are missed; its boxes end at brow and chin",
            "it is no net: nothing is converted to ONNX, the package dlib-bin runs it (pip install 'facevalue[dlib]')",
        ),
    ),
)
OVERLAP = 0.3
_here = threading.local()


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return the faces of a photo, best first; landmarks are NaN.

    Parameters
    ----------
    nets
        None: dlib runs the filters.
    photo : (h, w, 3) uint8
        RGB, upright; it is not enlarged.
    threshold
        Lowest score of a face, in (0, 1); .5 is dlib's own margin.

    Raises
    ------
    WeightsError
        The package dlib is not installed.
    """
    margin = float(np.log(threshold / (1 - threshold)))
    found, distances, _ = _detector().run(np.ascontiguousarray(photo), 0, margin)
    corners = [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in found]
    boxes, scores = np.array(corners, float).reshape(-1, 4), 1 / (1 + np.exp(-np.array(distances, float)))
    kept = keep(boxes, scores, OVERLAP)
    return Faces(np.full(len(kept), ""), boxes[kept], np.full((len(kept), 5, 2), np.nan), scores[kept])


def _detector() -> Any:
    """Return this thread's detector: it keeps its pyramid between photos."""
    if not hasattr(_here, "detector"):
        try:
            import dlib
        except ImportError as error:
            raise WeightsError(
                "dlib_hog: expected the package dlib, it is not installed; pip install 'facevalue[dlib]'"
            ) from error
        _here.detector = dlib.get_frontal_face_detector()
    return _here.detector
