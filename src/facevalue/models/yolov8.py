"""YOLOv8n-face: a small detector without anchors, with five points; its licences are GPL-3.0 and AGPL-3.0."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.faces import Faces
from facevalue.models._card import Card, File, Input
from facevalue.models._letterbox import faces, letterbox
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

CARDS = (
    Card(
        "yolov8n_face",
        "detect",
        "finds faces, with the centres of the eyes, the nose and the mouth's corners",
        files=(
            File(
                "yolov8/yolov8n-face.onnx",
                "https://github.com/yakhyo/yolov8-face-onnx-inference/releases/download/weights/yolov8n-face.onnx",
                "33f3951af7fc0c4d9b321b29cdcd8c9a59d0a29a8d4bdc01fcb5507d5c714809",
            ),
        ),
        inputs=Input(640, 640, std=(255.0,)),
        licence="GPL-3.0 (derronqi/yolov8-face) and AGPL-3.0 (Ultralytics)",
        commercial=False,
        paper="Jocher, Chaurasia, Qiu: Ultralytics YOLOv8, 2023; points: derronqi/yolov8-face",
        trained_on="WIDER FACE",
        limits=(
            "WIDER FACE average precision easy/medium/hard .946/.923/.796 (published)",
            "who passes on a program that contains it must lay that open under the GPL: --only-permissive refuses it",
            "at .25, its own threshold, it finds more than faces: raise the threshold where a false face does harm",
        ),
    ),
)
SIDE = 640
STRIDES = (8, 16, 32)
OVERLAP = 0.45
BINS = 16
CHANNELS = 4 * BINS + 1 + 15
GREY = 114


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph: a map of 80 channels for each of three strides.

    Raises
    ------
    LayerMismatch
        The graph's outputs are others, such as those of an export that decodes by itself.
    """
    from facevalue.models._convert.heads import read_heads

    return [read_heads(files[0], [CHANNELS] * len(STRIDES), axis=1)]


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.25) -> Faces:
    """Return the faces of a photo, best first.

    The net sees the photo with its longer side at 640 px, in the middle of a grey square.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face.
    """
    box = letterbox(photo, SIDE, fill=GREY, centred=True)
    maps = nets[0](box.picture[None])
    rows = [decode(channels[0], stride=stride, threshold=threshold) for channels, stride in zip(maps, STRIDES, strict=True)]
    return faces(np.concatenate(rows), box, limit=OVERLAP)


def decode(channels: np.ndarray, *, stride: int, threshold: float) -> np.ndarray:
    """Return box (4), points (10) and score of the cells above a threshold, (n, 15), px.

    A box is four distances from the cell's middle, left, up, right and down, each the mean of a distribution over 0 to
    15 strides; a point lies twice its offset, in strides, from the cell's first pixel; the score is a logistic.

    Parameters
    ----------
    channels : (80, rows, columns) float
        16 logits a distance, the score's logit, and x, y and visibility of five points.
    stride
        px.
    threshold
        Lowest score.

    References
    ----------
    Li et al., Generalized Focal Loss, NeurIPS 2020, eq. 5.

    Examples
    --------
    >>> channels = np.zeros((80, 2, 2))
    >>> channels[64] = [[-9, -9], [-9, 0]]
    >>> decode(channels, stride=8, threshold=0.3).tolist()
    [[-48.0, -48.0, 72.0, 72.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 0.5]]
    """
    score = 1 / (1 + np.exp(-channels[4 * BINS].astype(np.float64)))
    rows, columns = np.nonzero(score > threshold)
    seen, cell = channels[:, rows, columns].T.astype(np.float64), np.stack([columns, rows], axis=1)
    logits = seen[:, : 4 * BINS].reshape(-1, 4, BINS)
    share = np.exp(logits - logits.max(2, keepdims=True))
    distance = share @ np.arange(BINS) / share.sum(2)
    points = 2 * seen[:, 4 * BINS + 1 :].reshape(-1, 5, 3)[..., :2] + cell[:, None]
    corners = (cell + 0.5 - distance[:, :2], cell + 0.5 + distance[:, 2:], points.reshape(-1, 10))
    return np.hstack([np.hstack(corners) * stride, score[rows, columns, None]])
