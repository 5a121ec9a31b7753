"""RetinaFace: a detector of anchors with five points, small (MobileNetV2) and large (ResNet-50)."""

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
SHA256 = {
    "retinaface_mv2.onnx": "3ca44c045651cabeed1193a1fae8946ad1f3a55da8fa74b341feab5a8319f757",
    "retinaface_r50.onnx": "905eac744dc165dbcd62960938a191de3fecea6bef198fb1c5e13e690bc6a828",
}
SIDE = 640
OVERLAP = 0.4
MOST = 5000
VARIANCES = (0.1, 0.2)
# Step of a map and the sides of the anchors of each of its cells, px.
MAPS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))


def _card(name: str, file: str, about: str, *limits: str) -> Card:
    return Card(
        name,
        "detect",
        f"finds faces, with the centres of the eyes, the nose and the mouth's corners; {about}",
        files=(File(f"retinaface/{file}", BASE + file, SHA256[file]),),
        inputs=Input(SIDE, SIDE, "bgr", mean=(104.0, 117.0, 123.0)),
        licence="MIT",
        paper="Deng, Guo, Ververas, Kotsia, Zafeiriou: RetinaFace: Single-shot Multi-level Face Localisation, CVPR 2020",
        trained_on="WIDER FACE, with its five points",
        limits=(*limits, "faces under 2.5 % of the photo's longer side are smaller than the smallest anchor, 16 of 640 px"),
    )


CARDS = (
    _card(
        "retinaface",
        "retinaface_mv2.onnx",
        "on MobileNetV2",
        "WIDER FACE average precision easy/medium/hard .917/.910/.866 (published)",
    ),
    _card("retinaface_r50", "retinaface_r50.onnx", "on ResNet-50, slow without a GPU"),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph: offsets (n, anchors, 4), the two classes' softmax and points (n, anchors, 10).

    Raises
    ------
    LayerMismatch
        The graph's outputs are others.
    """
    from facevalue.models._convert.heads import read_heads

    return [read_heads(files[0], (4, 2, 10), names=("loc", "conf", "landmarks"))]


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
    offsets, classes, points = (output[0] for output in nets[0](box.picture[None]))
    best = np.argsort(-classes[:, 1], kind="stable")[:MOST]
    best = best[classes[best, 1] > threshold]
    rows = np.hstack([decode(anchors(SIDE)[best], offsets[best], points[best]), classes[best, 1:]])
    return faces(rows, box, limit=OVERLAP)


def anchors(side: int) -> np.ndarray:
    """Return the anchors of a square picture, (n, 3): centre x, y and side, px; maps, rows, columns, then sizes.

    Examples
    --------
    >>> anchors(32)[[0, 1, 2, -2]]
    array([[  4.,   4.,  16.],
           [  4.,   4.,  32.],
           [ 12.,   4.,  16.],
           [ 16.,  16., 256.]])
    """
    found = []
    for step, sizes in MAPS:
        y, x = np.mgrid[: side // step, : side // step].reshape(2, -1, 1) + 0.5
        cells = np.broadcast_arrays(x * step, y * step, np.array(sizes, float))
        found.append(np.stack(cells, axis=2).reshape(-1, 3))
    return np.concatenate(found)


def decode(anchor: np.ndarray, offsets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return boxes and points, (n, 14) px.

    A centre moves by a tenth of the anchor's side an offset, a side is stretched by exp of a fifth, and a point lies a
    tenth of the side an offset from the anchor's centre.

    Parameters
    ----------
    anchor : (n, 3) float
        From `anchors`.
    offsets : (n, 4) float
    points : (n, 10) float

    References
    ----------
    Liu et al., SSD, ECCV 2016, eq. 2.

    Examples
    --------
    >>> decode(np.array([[50, 60, 20.0]]), np.array([[1, 0, 0, 0]]), np.array([[1, -1] * 5])).astype(int).tolist()
    [[42, 50, 62, 70, 52, 58, 52, 58, 52, 58, 52, 58, 52, 58]]
    """
    middle, side = anchor[:, :2], anchor[:, 2:]
    centre = middle + offsets[:, :2] * VARIANCES[0] * side
    half = side * np.exp(offsets[:, 2:] * VARIANCES[1]) / 2
    marks = np.tile(middle, 5) + points * VARIANCES[0] * side
    return np.hstack([centre - half, centre + half, marks])
