"""SCRFD: InsightFace's detectors with five points, in three sizes; no commercial use."""

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

BASE = "https://github.com/yakhyo/uniface/releases/download/weights/"
SIDE = 640
STRIDES = (8, 16, 32)
ANCHORS = 2
OVERLAP = 0.4
WIDTHS = (1, 4, 10)


def _card(name: str, operations: str, file: str, url: str, sha256: str, limit: str) -> Card:
    return Card(
        name,
        "detect",
        f"finds faces, with the centres of the eyes, the nose and the mouth's corners; {operations} operations a photo",
        files=(File(f"scrfd/{file}", url, sha256),),
        inputs=Input(SIDE, SIDE, mean=(127.5,), std=(128.0,)),
        licence="InsightFace's models: research only, no commercial use",
        commercial=False,
        paper="Guo, Deng, Lattas, Zafeiriou: Sample and Computation Redistribution for Efficient Face Detection, ICLR 2022",
        trained_on="WIDER FACE, with RetinaFace's five points",
        limits=(limit, "a face that fills the frame can be missed"),
    )


CARDS = (
    _card(
        "scrfd_10g",
        "10 billion",
        "scrfd_10g_kps.onnx",
        BASE + "scrfd_10g_kps.onnx",
        "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        "WIDER FACE average precision easy/medium/hard .954/.940/.828 (published)",
    ),
    _card(
        "scrfd_2g5",
        "2.5 billion",
        "scrfd_2.5g_kps.onnx",
        "",
        "041f73f47371333d1d17a6fee6c8ab4e6aecabefe398ff32cca4e2d5eaee0af9",
        "nobody offers the file for a fixed address: bring it with `facevalue models import scrfd_2g5 FILE`",
    ),
    _card(
        "scrfd_500m",
        "half a billion",
        "scrfd_500m_kps.onnx",
        BASE + "scrfd_500m_kps.onnx",
        "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
        "no figure is published for this file: the smallest of the three, and the least sure of small faces",
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph: scores, boxes and points of three strides, each (cells * 2, 1 or 4 or 10).

    Raises
    ------
    LayerMismatch
        The graph's outputs are others, such as those of a file without points.
    """
    from facevalue.models._convert.heads import read_heads

    return [read_heads(files[0], _widths())]


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return the faces of a photo, best first.

    The net sees the photo with its longer side at 640 px, black to the right and below up to a square.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face.
    """
    box = letterbox(photo, SIDE)
    outputs = [output.reshape(-1, width) for output, width in zip(nets[0](box.picture[None]), _widths(), strict=True)]
    scores, boxes, points = outputs[:3], outputs[3:6], outputs[6:]
    maps = zip(scores, boxes, points, STRIDES, strict=True)
    rows = [decode(*heads, stride=stride, threshold=threshold) for *heads, stride in maps]
    return faces(np.concatenate(rows), box, limit=OVERLAP)


def _widths() -> list[int]:
    return [width for width in WIDTHS for _ in STRIDES]


def decode(score: np.ndarray, box: np.ndarray, points: np.ndarray, *, stride: int, threshold: float) -> np.ndarray:
    """Return box (4), points (10) and score of the anchors above a threshold, (n, 15), px.

    Two anchors lie on each cell's first pixel, (c s, r s); a box is four distances from there, left, up, right and down,
    a point two, all in strides.

    Parameters
    ----------
    score : (cells * 2, 1) float
    box : (cells * 2, 4) float
    points : (cells * 2, 10) float
        Of a square map, row by row.
    stride
        px.
    threshold
        Lowest score.

    Examples
    --------
    >>> score = np.zeros((8, 1))
    >>> score[5] = 0.9
    >>> decode(score, np.full((8, 4), 0.5), np.zeros((8, 10)), stride=8, threshold=0.5).tolist()
    [[-4.0, 4.0, 4.0, 12.0, 0.0, 8.0, 0.0, 8.0, 0.0, 8.0, 0.0, 8.0, 0.0, 8.0, 0.9]]
    """
    seen = np.flatnonzero(score[:, 0] > threshold)
    columns = round((len(score) / ANCHORS) ** 0.5)
    cell = np.stack([seen // ANCHORS % columns, seen // ANCHORS // columns], axis=1)
    corners = (cell - box[seen, :2], cell + box[seen, 2:], np.tile(cell, 5) + points[seen])
    return np.hstack([np.hstack(corners) * stride, score[seen]])
