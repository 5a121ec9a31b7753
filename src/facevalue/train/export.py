"""A trained net as ONNX: calibration folded into its last layer, weights kept as 16-bit numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from facevalue.models._convert.dlib import Layer
from facevalue.models._convert.graph import Graph
from facevalue.models.dlib_resnet import MEAN, STD, trunk
from facevalue.train.nets import EMBEDDING_SCALE, LUMINANCE, Heads, Trunk

if TYPE_CHECKING:
    import onnx

COMPONENTS, TINY = 64, 1e-6
LEFT_END = -(2**31)


@dataclass(frozen=True, slots=True)
class Typical:
    """Where the features of the training faces lie.

    Parameters
    ----------
    mean : (d,)
        Of the features.
    whitening : (d, m)
        Their m main directions, each over its standard deviation and the root of m.
    """

    mean: np.ndarray
    whitening: np.ndarray


def typical(features: np.ndarray) -> Typical:
    """Return the mean and main directions of features, (n, d).

    `|(f - mean) W|^2` is then the squared Mahalanobis distance within those directions over their number: 1 on average.
    """
    mean = features.mean(0)
    values, directions = np.linalg.eigh(np.cov(features.T))
    largest = np.argsort(-values)[: min(COMPONENTS, int((values > TINY * values.max()).sum()))]
    return Typical(mean, directions[:, largest] / np.sqrt(values[largest] * len(largest)))


def graph_of(net: Heads) -> tuple[Graph, str, str]:
    """Return a graph of RGB 0..255, (n, 3, s, s), and the names in it of the features, (n, d), and of what the heads see."""
    graph = Graph({}, (3, net.size, net.size))
    gain, offset = np.full(3, 1 / STD).reshape(1, 3, 1, 1), -np.array(MEAN).reshape(1, 3, 1, 1) / STD
    x = graph.affine(graph.input, gain, offset)
    if net.trunk.gray:
        x = graph.node("Conv", x, graph.constant(np.array(LUMINANCE).reshape(1, 3, 1, 1)))
    if net.mirrored:
        x = graph.concat(x, graph.part(x, -1, LEFT_END, axis=3, step=-1), axis=0)
    features = trunk(graph, x, _layers(net.trunk), size=net.size, blocks=net.trunk.blocks)
    if net.mirrored:
        features = graph.node("ReduceMean", graph.reshape(features, (2, -1, net.trunk.features)), axes=[0], keepdims=0)
    if not net.embedding:
        return graph, features, features
    scaled = graph.node("Mul", graph.given("embedding", net.embedding), graph.constant(np.array([EMBEDDING_SCALE])))
    return graph, features, graph.concat(features, scaled)


def head(graph: Graph, seen: str, net: Heads, name: str, scale: np.ndarray, bias: np.ndarray) -> str:
    """Add the logits of one head, each times `scale` plus `bias`, (k,): its calibration."""
    sizes = list(net.sizes.values())
    at = sum(sizes[: list(net.sizes).index(name)])
    rows = slice(at, at + net.sizes[name])
    weights, offset = _numpy(net.linear.weight)[rows], _numpy(net.linear.bias)[rows]
    scaled = weights * np.reshape(scale, (-1, 1))
    return graph.node("Gemm", seen, graph.constant(scaled), graph.constant(offset * scale + bias), transB=1)


def distance(graph: Graph, features: str, known: Typical) -> str:
    """Add the distance of the features from those of the training faces, (n,)."""
    centred = graph.node("Sub", features, graph.constant(known.mean))
    whitened = graph.node("MatMul", centred, graph.constant(known.whitening))
    squared = graph.node("ReduceSum", graph.mul(whitened, whitened), graph.constant([1]), keepdims=0)
    return graph.node("Sqrt", squared)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its larger constants stored as float16 and cast to float32 where they are used."""
    from onnx import TensorProto, helper, numpy_helper

    casts, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 256:
            kept.append(tensor)
            continue
        short = f"{tensor.name}_16"
        kept.append(numpy_helper.from_array(values.astype(np.float16), short))
        casts.append(helper.make_node("Cast", [short], [tensor.name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*casts, *nodes])
    return model


def _layers(net: Trunk) -> list[Layer]:
    return [_layer(convolution) for convolution in net.convolutions()]


def _layer(convolution: nn.Conv2d) -> Layer:
    assert convolution.bias is not None
    stride, padding = ((int(pair[0]), int(pair[1])) for pair in (convolution.stride, convolution.padding))
    return Layer("con", _numpy(convolution.weight), _numpy(convolution.bias), stride, padding)


def _numpy(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().float().contiguous().numpy()


def millions_of_products(net: Heads) -> float:
    """Return the multiplications of one face, in millions."""
    counts: list[int] = []

    def count(layer: nn.Conv2d, _: tuple[torch.Tensor], out: torch.Tensor) -> None:
        counts.append(out.shape[-2] * out.shape[-1] * layer.weight.numel())

    hooks = [layer.register_forward_hook(count) for layer in net.trunk.convolutions()]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, net.size, net.size), torch.zeros(1, net.embedding))
    for hook in hooks:
        hook.remove()
    return round(sum(counts) / 1e6, 1)
