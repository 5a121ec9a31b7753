"""FaceBoxes: a detector without landmarks, the one that 3DDFA_V2's pose was tuned to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.data.faces import Faces
from facevalue.image.boxes import keep
from facevalue.models._card import Card, File, Input
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

    from facevalue.models._convert.graph import Graph

CARDS = (
    Card(
        "faceboxes",
        "detect",
        "finds faces; no landmarks",
        files=(
            File(
                "faceboxes/FaceBoxesProd.pth",
                "https://raw.githubusercontent.com/cleardusk/3DDFA_V2/master/FaceBoxes/weights/FaceBoxesProd.pth",
                "c0cb2b1e40710c0aa5fc32a8759b1496a0fe0a126c907ca0ffe35b4bd0709d09",
                4_072_492,
            ),
        ),
        inputs=Input(0, 0, "bgr", mean=(104.0, 117.0, 123.0)),
        licence="MIT",
        paper="Zhang, Zhu, Lei, Shi, Wang, Li: FaceBoxes: A CPU Real-time Face Detector with High Accuracy, IJCB 2017",
        trained_on="WIDER FACE",
        landmarks=False,
        limits=(
            "no landmarks: the commands that compare faces lay crops on those of the mesh, annotate only where it is asked for",
            "photos over 720 px high or 1080 px wide are shrunk to that: small faces are lost",
        ),
    ),
)
TALLEST, WIDEST = 720, 1080
OVERLAP = 0.3
BEFORE_NMS, AFTER_NMS = 5000, 750
VARIANCES = (0.1, 0.2)
# Step of a map, px, and its priors: side, px, and how many a row and a column of each cell.
MAPS = ((32, ((32, 4), (64, 2), (128, 1))), (64, ((256, 1),)), (128, ((512, 1),)))
PAIRED = (("conv1", (24, 3, 7, 7)), ("conv2", (64, 48, 5, 5)))
INCEPTION = (
    ("branch1x1", (32, 128, 1, 1)),
    ("branch1x1_2", (32, 128, 1, 1)),
    ("branch3x3_reduce", (24, 128, 1, 1)),
    ("branch3x3", (32, 24, 3, 3)),
    ("branch3x3_reduce_2", (24, 128, 1, 1)),
    ("branch3x3_2", (32, 24, 3, 3)),
    ("branch3x3_3", (32, 32, 3, 3)),
)
TAIL = (
    ("conv3_1", (128, 128, 1, 1)),
    ("conv3_2", (256, 128, 3, 3)),
    ("conv4_1", (128, 256, 1, 1)),
    ("conv4_2", (256, 128, 3, 3)),
)
HEADS = ((21, 128), (1, 256), (1, 256))


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the net: offsets (n, priors, 4) and the two classes' softmax (n, priors, 2) of three maps."""
    from facevalue.models._convert.checkpoint import fit, read_checkpoint
    from facevalue.models._convert.graph import Graph

    graph = Graph(fit(read_checkpoint(files[0]), _shapes(), file=files[0].name, model=card.name), (3, 0, 0))
    x = graph.max_pool(_paired(graph, graph.input, "conv1", stride=4, pad=3), 3, stride=2, pad=1)
    x = graph.max_pool(_paired(graph, x, "conv2", stride=2, pad=2), 3, stride=2, pad=1)
    for i in (1, 2, 3):
        x = _inception(graph, x, f"inception{i}")
    maps = [x]
    for first, second in (("conv3_1", "conv3_2"), ("conv4_1", "conv4_2")):
        maps.append(_conv(graph, _conv(graph, maps[-1], first), second, stride=2, pad=1))
    offsets, classes = (
        graph.concat(*(_head(graph, x, f"{name}.{i}", width) for i, x in enumerate(maps)))
        for name, width in (("loc", 4), ("conf", 2))
    )
    return [graph.finish([offsets, graph.softmax(classes)])]


def _shapes() -> dict[str, tuple[int, ...]]:
    from facevalue.models._convert.checkpoint import layer

    blocks = [(f"inception{i}.{name}", shape) for i in (1, 2, 3) for name, shape in INCEPTION]
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in (*PAIRED, *blocks, *TAIL):
        shapes |= layer(f"{name}.conv", f"{name}.bn", shape)
    for i, (priors, channels) in enumerate(HEADS):
        for name, width in (("loc", 4 * priors), ("conf", 2 * priors)):
            shapes |= {f"{name}.{i}.weight": (width, channels, 3, 3), f"{name}.{i}.bias": (width,)}
    return shapes


def _conv(graph: Graph, x: str, name: str, *, stride: int = 1, pad: int = 0) -> str:
    return graph.relu(graph.conv(x, f"{name}.conv", norm=f"{name}.bn", stride=stride, pad=pad))


def _paired(graph: Graph, x: str, name: str, *, stride: int, pad: int) -> str:
    """Add a convolution and its negative, side by side (C.ReLU)."""
    x = graph.conv(x, f"{name}.conv", norm=f"{name}.bn", stride=stride, pad=pad)
    return graph.relu(graph.concat(x, graph.node("Neg", x)))


def _inception(graph: Graph, x: str, name: str) -> str:
    pooled = graph.average_pool(x, 3, stride=1, pad=1)
    short = _conv(graph, _conv(graph, x, f"{name}.branch3x3_reduce"), f"{name}.branch3x3", pad=1)
    long = _conv(graph, _conv(graph, x, f"{name}.branch3x3_reduce_2"), f"{name}.branch3x3_2", pad=1)
    long = _conv(graph, long, f"{name}.branch3x3_3", pad=1)
    ones = (_conv(graph, x, f"{name}.branch1x1"), _conv(graph, pooled, f"{name}.branch1x1_2"))
    return graph.concat(*ones, short, long)


def _head(graph: Graph, x: str, name: str, width: int) -> str:
    cells = graph.transpose(graph.conv(x, name, pad=1), (0, 2, 3, 1))
    return graph.reshape(cells, (0, -1, width))


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return the faces of a photo, best first; landmarks are NaN.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright; one over 720 px high, then over 1080 px wide, is shrunk to that.
    threshold
        Lowest score of a face.
    """
    height, width = photo.shape[:2]
    scale = min(1.0, TALLEST / height)
    scale *= min(1.0, WIDEST / (width * scale))
    if scale < 1:
        photo = cv2.resize(photo, (max(1, int(width * scale)), max(1, int(height * scale))))
    offsets, classes = nets[0](photo[None])
    boxes, scores = decode(priors(*photo.shape[:2]), offsets[0]), classes[0, :, 1]
    best = np.argsort(-scores, kind="stable")[:BEFORE_NMS]
    best = best[scores[best] > threshold]
    # sides count a pixel more, as in the authors' NMS
    kept = best[keep(boxes[best] + (0, 0, 1, 1), scores[best], OVERLAP)[:AFTER_NMS]]
    return Faces(np.full(len(kept), ""), boxes[kept] / scale, np.full((len(kept), 5, 2), np.nan), scores[kept])


def priors(height: int, width: int) -> np.ndarray:
    """Return the priors of a photo's three maps, (n, 3): centre x, y and side, px.

    Examples
    --------
    >>> priors(32, 32)[[0, 1, 4, 16, 20]]
    array([[  0.,   0.,  32.],
           [  8.,   0.,  32.],
           [  0.,   8.,  32.],
           [  0.,   0.,  64.],
           [ 16.,  16., 128.]])
    """
    found = []
    for step, sizes in MAPS:
        rows, columns = -(-height // step), -(-width // step)
        cells = [
            [(i % many / many, i // many / many, side) if many > 1 else (0.5, 0.5, side) for i in range(many * many)]
            for side, many in sizes
        ]
        cell = np.concatenate([np.array(part) for part in cells])
        corner = np.stack([*np.meshgrid(np.arange(columns), np.arange(rows)), np.zeros((rows, columns))], axis=2)
        found.append(((corner[:, :, None] + cell) * (step, step, 1)).reshape(-1, 3))
    return np.concatenate(found)


def decode(prior: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return boxes, (n, 4) px: centres move by a tenth of the prior's side an offset, sides by exp of a fifth.

    Parameters
    ----------
    prior : (n, 3) float
        From `priors`.
    offsets : (n, 4) float

    References
    ----------
    Liu et al., SSD, ECCV 2016, eq. 2.
    """
    side = prior[:, 2:]
    centre = prior[:, :2] + offsets[:, :2] * VARIANCES[0] * side
    half = side * np.exp(offsets[:, 2:] * VARIANCES[1]) / 2
    return np.hstack([centre - half, centre + half])
