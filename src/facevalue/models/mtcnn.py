"""MTCNN: three nets one behind the other, each looking closer at what the last one left, with five points."""

from __future__ import annotations

from collections.abc import Iterator
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

WHEEL = "pip:facenet-pytorch==2.6.0/facenet_pytorch/data/"
CARDS = (
    Card(
        "mtcnn",
        "detect",
        "finds faces, with the centres of the eyes, the nose and the mouth's corners, in three steps",
        files=(
            File(
                "mtcnn/pnet.pt",
                WHEEL + "pnet.pt",
                "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
                28_570,
            ),
            File(
                "mtcnn/rnet.pt",
                WHEEL + "rnet.pt",
                "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
                403_147,
            ),
            File(
                "mtcnn/onet.pt",
                WHEEL + "onet.pt",
                "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
                1_559_269,
            ),
        ),
        inputs=Input(0, 0, mean=(127.5,), std=(128.0,)),
        licence="MIT",
        paper="Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment Using Multi-task Cascaded CNNs, SPL 23, 2016",
        trained_on="WIDER FACE and CelebA",
        limits=(
            "33 of 35 faces on ten group photos, none false (measured here); the code that its weights come from finds 32",
            "faces under 20 px are missed",
            "the time grows with the photo's size: it looks at every scale of it",
        ),
    ),
)
NETS = 3
PROPOSE, REFINE, DECIDE = range(NETS)
SMALLEST = 20
CELL, STRIDE = 12, 2
FACTOR = 0.709
THRESHOLDS = (0.6, 0.7, 0.7)
OVERLAP_SCALE, OVERLAP = 0.5, 0.7
SIDES = (CELL, 24, 48)
# Channels and kernel of each net's convolutions; the size and the stride of the pool behind each, 0 for none.
CONVOLUTIONS = (
    ((10, 3, 2, 2), (16, 3, 0, 0), (32, 3, 0, 0)),
    ((28, 3, 3, 2), (48, 3, 3, 2), (64, 2, 0, 0)),
    ((32, 3, 3, 2), (64, 3, 3, 2), (64, 3, 2, 2), (128, 2, 0, 0)),
)
# A net's fully connected layer: name, inputs, outputs; and its heads: name and outputs.
DENSE = (None, ("dense4", 576, 128), ("dense5", 1152, 256))
HEADS = (
    (("conv4_1", 2), ("conv4_2", 4)),
    (("dense5_1", 2), ("dense5_2", 4)),
    (("dense6_1", 2), ("dense6_2", 4), ("dense6_3", 10)),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the three nets: probability of a face, offsets of the box, and for the last one of the points.

    Raises
    ------
    LayerMismatch
        The tensors of a file are not those of its net.
    """
    from facevalue.models._convert.checkpoint import fit, read_checkpoint
    from facevalue.models._convert.graph import Graph

    graphs = []
    for net, path in enumerate(files):
        weights = fit(read_checkpoint(path), _shapes(net), file=path.name, model=card.name)
        side = 0 if net == PROPOSE else SIDES[net]
        graphs.append(_net(Graph(weights, (3, side, side)), net))
    return graphs


def _shapes(net: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    before, dense = 3, DENSE[net]
    for i, (channels, kernel, *_) in enumerate(CONVOLUTIONS[net], 1):
        shapes |= {f"conv{i}.weight": (channels, before, kernel, kernel), f"conv{i}.bias": (channels,)}
        shapes |= {f"prelu{i}.weight": (channels,)}
        before = channels
    if dense:
        name, inputs, before = dense
        shapes |= {f"{name}.weight": (before, inputs), f"{name}.bias": (before,)}
        shapes |= {f"prelu{len(CONVOLUTIONS[net]) + 1}.weight": (before,)}
    for name, outputs in HEADS[net]:
        shapes |= {f"{name}.weight": (outputs, before, *((1, 1) if dense is None else ())), f"{name}.bias": (outputs,)}
    return shapes


def _net(graph: Graph, net: int) -> onnx.ModelProto:
    x, dense = graph.input, DENSE[net]
    for i, (*_, pool, stride) in enumerate(CONVOLUTIONS[net], 1):
        x = graph.prelu(graph.conv(x, f"conv{i}"), f"prelu{i}")
        if pool:
            x = graph.node("MaxPool", x, kernel_shape=[pool] * 2, strides=[stride] * 2, ceil_mode=1)
    if dense is None:
        heads = [graph.conv(x, name) for name, _ in HEADS[net]]
    else:
        # the authors' files run through columns first
        x = graph.linear(graph.flatten(graph.transpose(x, (0, 3, 2, 1))), dense[0])
        x = _flat_prelu(graph, x, f"prelu{len(CONVOLUTIONS[net]) + 1}")
        heads = [graph.linear(x, name) for name, _ in HEADS[net]]
    return graph.finish([graph.softmax(heads[0], axis=1), *heads[1:]])


def _flat_prelu(graph: Graph, x: str, name: str) -> str:
    slope = graph.constant(graph.weights[f"{name}.weight"])
    return graph.node("PRelu", x, slope)


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = THRESHOLDS[DECIDE]) -> Faces:
    """Return the faces of a photo, best first.

    The first net runs over the photo at every scale at which a face of 20 px or more is 12 px, and proposes boxes; the
    second sees each of them at 24 px, the third at 48 px. Each net moves the boxes that it keeps; before the next one
    they are made square.

    Parameters
    ----------
    nets
        The three.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face, in the last step.
    """
    boxes = _proposed(nets[PROPOSE], photo)
    for net, lowest in ((REFINE, THRESHOLDS[REFINE]), (DECIDE, threshold)):
        boxes = squares(boxes)
        classes, offsets, *points = nets[net](_cut(photo, boxes, SIDES[net])) if len(boxes) else _nothing()
        sure = np.flatnonzero(classes[:, 1] > lowest)
        boxes, scores, offsets = boxes[sure], classes[sure, 1], offsets[sure]
        if net == REFINE:
            best = keep(boxes, scores, OVERLAP)
            boxes = moved(boxes[best], offsets[best])
    marks = _in_photo(boxes, points[0][sure] if points else np.empty((0, 10)))
    boxes = moved(boxes, offsets)
    best = keep_apart(boxes, scores, OVERLAP)
    return Faces(np.full(len(best), ""), boxes[best], marks[best], scores[best])


def _nothing() -> tuple[np.ndarray, ...]:
    return np.empty((0, 2)), np.empty((0, 4)), np.empty((0, 10))


def scales(height: int, width: int) -> Iterator[float]:
    """Yield the scales of the pyramid, largest first, down to the one at which the shorter side is 12 px.

    Examples
    --------
    >>> [round(scale, 3) for scale in scales(40, 60)]
    [0.6, 0.425, 0.302]
    """
    scale = CELL / SMALLEST
    while min(height, width) * scale >= CELL:
        yield scale
        scale *= FACTOR


def _proposed(net: Net, photo: np.ndarray) -> np.ndarray:
    """Return the first net's boxes, (n, 4) px, moved by its offsets."""
    found = [np.empty((0, 9))]
    for scale in scales(*photo.shape[:2]):
        size = [int(side * scale + 1) for side in photo.shape[1::-1]]
        classes, offsets = net(cv2.resize(photo, size, interpolation=cv2.INTER_AREA)[None])
        rows, columns = np.nonzero(classes[0, 1] > THRESHOLDS[PROPOSE])
        corner = np.stack([columns, rows], axis=1) * STRIDE
        box = np.floor(np.hstack([corner + 1, corner + CELL]) / scale)
        score = classes[0, 1, rows, columns]
        best = keep(box, score, OVERLAP_SCALE)
        found.append(np.hstack([box, score[:, None], offsets[0][:, rows, columns].T])[best])
    rows_found = np.concatenate(found)
    best = keep(rows_found[:, :4], rows_found[:, 4], OVERLAP)
    return moved(rows_found[best, :4], rows_found[best, 5:], rim=0)


def moved(boxes: np.ndarray, offsets: np.ndarray, *, rim: int = 1) -> np.ndarray:
    """Return boxes, (n, 4), whose corners moved by offsets, (n, 4), in widths and heights of the box.

    Parameters
    ----------
    boxes : (n, 4) float
        x1 y1 x2 y2, px.
    offsets : (n, 4) float
    rim
        px that a side is longer than the difference of its ends: the authors count the last pixel in the later nets.

    Examples
    --------
    >>> moved(np.array([[10, 10, 19, 29.0]]), np.array([[0.1, 0, 0, -0.5]])).tolist()
    [[11.0, 10.0, 19.0, 19.0]]
    """
    return np.asarray(boxes + np.tile(boxes[:, 2:] - boxes[:, :2] + rim, 2) * offsets)


def squares(boxes: np.ndarray) -> np.ndarray:
    """Return squares about the middles of boxes, (n, 4), as wide as their longer sides.

    Examples
    --------
    >>> squares(np.array([[10, 10, 20, 30.0]])).tolist()
    [[5.0, 10.0, 25.0, 30.0]]
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True, initial=0) / 2
    return np.hstack([middle - half, middle + half])


def keep_apart(boxes: np.ndarray, scores: np.ndarray, limit: float) -> np.ndarray:
    """Return the indices, best first, of boxes that no better one covers: intersection over the smaller area < limit.

    Parameters
    ----------
    boxes : (n, 4) float
    scores : (n,) float
    limit
        In (0, 1].

    Examples
    --------
    >>> keep_apart(np.array([[0, 0, 4, 4.0], [1, 1, 2, 2.0], [3, 3, 5, 5.0]]), np.array([0.9, 0.8, 0.7]), 0.7)
    array([0, 2])
    """
    kept: list[int] = []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for i in np.argsort(-scores, kind="stable"):
        shared = np.minimum(boxes[i, 2:], boxes[kept, 2:]) - np.maximum(boxes[i, :2], boxes[kept, :2])
        if (np.clip(shared, 0, None).prod(1) < limit * np.minimum(areas[i], areas[kept])).all():
            kept.append(int(i))
    return np.array(kept, dtype=int)


def _cut(photo: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """Return the photo's squares, (n, side, side, 3), black outside the photo; a box's first pixel counts as 1."""
    crops = np.zeros((len(boxes), side, side, 3), np.uint8)
    for crop, (x1, y1, x2, y2) in zip(crops, np.trunc(boxes).astype(int) - (1, 1, 0, 0), strict=True):
        seen = photo[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        if seen.size:
            above, left = max(-y1, 0), max(-x1, 0)
            below, right = y2 - y1 - above - seen.shape[0], x2 - x1 - left - seen.shape[1]
            whole = cv2.copyMakeBorder(seen, above, below, left, right, cv2.BORDER_CONSTANT)
            crop[:] = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA if x2 - x1 > side else cv2.INTER_LINEAR)
    return crops


def _in_photo(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points, (n, 5, 2) px, given as fractions of boxes, x of all five and then y."""
    fractions = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return np.asarray(boxes[:, None, :2] - 1 + fractions * (boxes[:, 2:] - boxes[:, :2] + 1)[:, None])
