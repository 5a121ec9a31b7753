"""OpenCV's SSD: a small ResNet that sees the photo at 300 x 300 px; no landmarks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.data.errors import ChecksumMismatch
from facevalue.data.faces import Faces
from facevalue.image.boxes import keep
from facevalue.models._card import Card, File, Input
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

SIDE = 300
CARDS = (
    Card(
        "ssd",
        "detect",
        "finds faces with OpenCV's single-shot detector; no landmarks",
        files=(
            File(
                "ssd/res10_300x300_ssd_iter_140000.caffemodel",
                "https://raw.githubusercontent.com/opencv/opencv_3rdparty/dnn_samples_face_detector_20170830/"
                "res10_300x300_ssd_iter_140000.caffemodel",
            ),
        ),
        inputs=Input(SIDE, SIDE, "bgr", mean=(104.0, 177.0, 123.0)),
        licence="OpenCV's (BSD-3-Clause when it was published)",
        paper="Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg: SSD: Single Shot MultiBox Detector, ECCV 2016",
        trained_on="not published; OpenCV names photos gathered from the web",
        landmarks=False,
        limits=(
            "no landmarks: the commands that compare faces lay crops on those of the mesh, annotate only where it is asked for",
            "the photo is squeezed to 300 x 300 px: small faces are lost, wide and tall photos are distorted",
            "OpenCV published no sha256: the file's sha1 is checked, and its sha256 recorded at the first fetch",
        ),
    ),
)
SHA1 = "15aa726b4d46d9f023526d85537db81cbc8dd566"
OUTPUTS = ("mbox_loc", "mbox_conf")
VARIANCES = (0.1, 0.2)
OVERLAP = 0.45
BEFORE_NMS, AFTER_NMS = 400, 200
# Cells a side, step, least and largest side of the priors, px, and how many times as wide as high they are.
MAPS = (
    (38, 8, 30, 60, (2,)),
    (19, 16, 60, 111, (2, 3)),
    (10, 32, 111, 162, (2, 3)),
    (5, 64, 162, 213, (2, 3)),
    (5, 100, 213, 264, (2,)),
    (5, 300, 264, 315, (2,)),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the net: offsets (n, priors * 4) and the two classes' logits (n, priors * 2).

    Raises
    ------
    ChecksumMismatch
        The file's sha1 is not the one that OpenCV published.
    LayerMismatch
        The layers are not those of this net.
    """
    came = hashlib.sha1(files[0].read_bytes(), usedforsecurity=False).hexdigest()
    if came != SHA1:
        raise ChecksumMismatch(f"{files[0]}: expected sha1 {SHA1}, got {came}; remove the file and fetch it again")
    return [converted(files[0])]


def converted(path: Path) -> onnx.ModelProto:
    """Return the net of a file, whatever its sum.

    Parameters
    ----------
    path
        A `.caffemodel`.

    Raises
    ------
    LayerMismatch
        The layers are not those of this net.
    """
    from facevalue.models._convert.caffe import read_caffemodel, to_onnx

    return to_onnx(read_caffemodel(path), OUTPUTS, (3, SIDE, SIDE), source=path.name)


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.9) -> Faces:
    """Return the faces of a photo, best first; landmarks are NaN.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright; it is squeezed to 300 x 300 px.
    threshold
        Lowest score of a face.
    """
    offsets, logits = nets[0](cv2.resize(photo, (SIDE, SIDE))[None])
    scores = 1 / (1 + np.exp(-np.diff(logits.reshape(-1, 2).astype(np.float64))[:, 0]))
    best = np.argsort(-scores, kind="stable")[:BEFORE_NMS]
    best = best[scores[best] > threshold]
    boxes = np.clip(decode(priors()[best], offsets.reshape(-1, 4)[best]) / SIDE, 0, 1)
    kept = keep(boxes, scores[best], OVERLAP)[:AFTER_NMS]
    boxes, scores = boxes[kept] * np.tile(photo.shape[1::-1], 2), scores[best][kept]
    return Faces(np.full(len(kept), ""), boxes, np.full((len(kept), 5, 2), np.nan), scores)


def priors() -> np.ndarray:
    """Return the priors of the six maps, (8892, 4): centre x, y, width and height, px; rows, columns, then shapes.

    References
    ----------
    Liu et al., SSD, section 2.2: a cell has two squares, of the least side and of the geometric mean of least and
    largest, and rectangles of the least square's area.

    Examples
    --------
    >>> priors().shape
    (8892, 4)
    >>> priors()[:4].round(2)
    array([[ 4.  ,  4.  , 30.  , 30.  ],
           [ 4.  ,  4.  , 42.43, 42.43],
           [ 4.  ,  4.  , 42.43, 21.21],
           [ 4.  ,  4.  , 21.21, 42.43]])
    """
    found = []
    for cells, step, least, largest, ratios in MAPS:
        squares = [(least, least), ((least * largest) ** 0.5,) * 2]
        oblong = [(least * r**0.5, least / r**0.5) for ratio in ratios for r in (ratio, 1 / ratio)]
        sizes = np.array([*squares, *oblong], float)
        y, x = (np.mgrid[:cells, :cells].reshape(2, -1, 1) + 0.5) * step
        parts = np.broadcast_arrays(x, y, sizes[:, 0], sizes[:, 1])
        found.append(np.stack(parts, axis=2).reshape(-1, 4))
    return np.concatenate(found)


def decode(prior: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return boxes, (n, 4) px: centres move by a tenth of the prior's side an offset, sides by exp of a fifth.

    Parameters
    ----------
    prior : (n, 4) float
        From `priors`.
    offsets : (n, 4) float

    References
    ----------
    Liu et al., SSD, ECCV 2016, eq. 2.

    Examples
    --------
    >>> decode(np.array([[50, 60, 20, 40.0]]), np.array([[1, -1, 0, 0]])).tolist()
    [[42.0, 36.0, 62.0, 76.0]]
    """
    centre = prior[:, :2] + offsets[:, :2] * VARIANCES[0] * prior[:, 2:]
    half = prior[:, 2:] * np.exp(offsets[:, 2:] * VARIANCES[1]) / 2
    return np.hstack([centre - half, centre + half])
