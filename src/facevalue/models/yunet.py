"""YuNet: a detector of 76,000 weights with five points, by OpenCV's Zoo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.data.faces import Faces
from facevalue.image.boxes import keep
from facevalue.models._card import Card, File, Input
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

CARDS = (
    Card(
        "yunet",
        "detect",
        "finds faces, with the centres of the eyes, the nose and the mouth's corners; small and fast",
        files=(
            File(
                "yunet/face_detection_yunet_2023mar.onnx",
                "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                232_589,
            ),
        ),
        inputs=Input(0, 0, colour="bgr"),
        licence="MIT",
        paper="Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023",
        trained_on="WIDER FACE",
        limits=(
            "WIDER FACE average precision easy/medium/hard .884/.866/.750 (published)",
            "at OpenCV's threshold, .9, it misses 7 of 35 faces in group photos, at .7 none (measured here)",
            "the threshold of .7 was chosen on ten group photos: recall on those says nothing of others",
            "its points lie .06 eye distances from CenterFace's on average (London set)",
        ),
    ),
)
SIDE = 640
STRIDES = (8, 16, 32)
PARTS = ("cls", "obj", "bbox", "kps")
OVERLAP = 0.3
MOST = 5000


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph with free batch, height and width: its last reshapes are made to keep the batch.

    Raises
    ------
    LayerMismatch
        The graph's outputs are not YuNet's.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(files[0])
    expected = [f"{part}_{stride}" for part in PARTS for stride in STRIDES]
    outputs = [output.name for output in model.graph.output]
    if outputs != expected:
        raise LayerMismatch(f"{files[0].name}: expected outputs {expected}, got {outputs}; fetch the file again")
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    return [model]


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.7) -> Faces:
    """Return the faces of a photo, best first.

    The net sees the photo with its longer side at 640 px, black to the right and below up to multiples of 32 px.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face; OpenCV takes .9.
    """
    scale = SIDE / max(photo.shape[:2])
    found = _decoded(nets[0], _resized(photo, scale), threshold)
    found[:, :14] /= scale
    return Faces(np.full(len(found), ""), found[:, :4], found[:, 4:14].reshape(-1, 5, 2), found[:, 14])


def _resized(photo: np.ndarray, scale: float) -> np.ndarray:
    """Return the photo scaled, whole-number averaging first, then bilinear, and padded to multiples of 32 px."""
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    shrink = int(1 / scale)
    if shrink > 1:
        whole = tuple(max(1, side // shrink) for side in photo.shape[1::-1])
        photo = cv2.resize(photo, whole, interpolation=cv2.INTER_AREA)
    if photo.shape[:2] != (height, width):
        photo = cv2.resize(photo, (width, height))
    return cv2.copyMakeBorder(photo, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)


def _decoded(net: Net, picture: np.ndarray, threshold: float) -> np.ndarray:
    """Return rows of box (4), points (10) and score in px of the picture, best first.

    At stride s the cell (r, c) has score `sqrt(cls obj)`, centre `((c + b0) s, (r + b1) s)`, size `s exp(b2)` by
    `s exp(b3)` and points `((c + k) s, (r + k) s)`.
    """
    outputs = net(picture[None])
    rows = []
    for i, stride in enumerate(STRIDES):
        cls, obj, box, points = (outputs[i + 3 * part][0] for part in range(4))
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))[:, 0]
        cells = np.flatnonzero(score > threshold)
        cell = np.stack([cells % (picture.shape[1] // stride), cells // (picture.shape[1] // stride)], axis=1)
        centre, size = (cell + box[cells, :2]) * stride, np.exp(box[cells, 2:]) * stride
        marks = (np.tile(cell, 5) + points[cells]) * stride
        rows.append(np.hstack([centre - size / 2, centre + size / 2, marks, score[cells, None]]))
    found = np.concatenate(rows)
    found = found[np.argsort(-found[:, 14], kind="stable")[:MOST]]
    kept: np.ndarray = found[keep(found[:, :4], found[:, 14], OVERLAP)]
    return kept
