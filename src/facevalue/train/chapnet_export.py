"""A trained CHAPNet as ONNX: photos in, calibrated probabilities out; normalisations are folded into their layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.files import replacing
from facevalue.models._convert.graph import IR_VERSION, OPSET, Graph
from facevalue.train.chapnet_backbones import CELLS, Compact, ResNet
from facevalue.train.chapnet_nets import (
    ATTENDING,
    LANDMARKS,
    MEAN,
    NODE,
    PATCH,
    PATCHES,
    SLOPE,
    STD,
    TALL,
    TARGET,
    WIDE,
    Chapnet,
)

if TYPE_CHECKING:
    import onnx

TINY = 1e-6


class Photos(Graph):
    """A graph of two photos, maps and which of them are valid.

    Parameters
    ----------
    weights
        Tensors by name.
    size
        Side of the photos, px.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], size: int) -> None:
        super().__init__(weights, (size, size, 3))

    def normalised(self, photos: str) -> str:
        """Add pixels, (n, s, s, 3) uint8, as (n, 3, s, s) of mean 0 and deviation 1 over ImageNet."""
        from onnx import TensorProto

        x = self.node("Cast", self.transpose(photos, (0, 3, 1, 2)), to=TensorProto.FLOAT)
        mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
        return self.node("Div", self.node("Sub", x, self.constant(mean)), self.constant(std))

    def written(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """Return the model: context, target, maps and valid to outputs by name."""
        import onnx
        from onnx import helper, shape_inference

        byte, number, truth = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL
        given = {
            "context": (byte, self._shape),
            "target": (byte, self._shape),
            "maps": (number, (LANDMARKS, CELLS, CELLS)),
            "valid": (truth, (LANDMARKS,)),
        }
        nodes = [*self._nodes, *(helper.make_node("Identity", [made], [name]) for name, made in outputs.items())]
        inputs = [helper.make_tensor_value_info(name, kind, ["n", *shape]) for name, (kind, shape) in given.items()]
        results = [helper.make_tensor_value_info(name, number, None) for name in outputs]
        graph = helper.make_graph(nodes, "chapnet", inputs, results, self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="facevalue")
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        del model.graph.value_info[:]
        return model


def chapnet_graph(net: Chapnet, *, temperatures: Mapping[str, float] | None = None) -> onnx.ModelProto:
    """Return a net as ONNX: `softmax(logits / T)` of each head, for photos as they are.

    Its inputs are context and target, (n, s, s, 3) uint8 RGB, maps, (n, 18, 25, 25) float32 in 0..1, and valid, (n, 18)
    bool; its outputs are the net's heads by name.

    Parameters
    ----------
    net
        Whole and repaired.
    temperatures
        T of each head, above 0; 1 where none is given.

    Raises
    ------
    ValueError
        A net with the published errors or without some branch, which is for a study and no instrument; a temperature
        that is not above 0 or of no head.
    """
    temperatures = dict(temperatures or {})
    _check(net, temperatures)
    graph = Photos({name: values.detach().cpu().numpy() for name, values in net.state_dict().items()}, net.size)
    context, target = graph.normalised("context"), graph.normalised("target")
    objects = graph.relu(graph.linear(_pooled(graph, context, "objects.trunk", net.objects.trunk), "objects.fc"))
    event = _pooled(graph, context, "event.trunk", net.event.trunk)
    scene = graph.concat(objects, _relationship(graph, context, target, net.size), event)
    person = _target(graph, _trunk(graph, target, "target.trunk", net.target.trunk), net.target.trunk.features)
    made = {}
    for name in net.heads:
        add = _emotion if name == "emotion" else _person
        logits = add(graph, person, scene, f"heads.{name}")
        made[name] = graph.softmax(graph.node("Div", logits, graph.constant(np.array([temperatures.get(name, 1.0)]))))
    return graph.written(made)


def write_chapnet(net: Chapnet, path: Path, *, temperatures: Mapping[str, float] | None = None) -> None:
    """Write what `chapnet_graph` returns; the instrument `chapnet` takes it under the name chapnet.onnx."""
    with replacing(path) as part:
        part.write_bytes(chapnet_graph(net, temperatures=temperatures).SerializeToString())


def _check(net: Chapnet, temperatures: Mapping[str, float]) -> None:
    if net.paper_exact or net.without:
        lacking = ", ".join(sorted(net.without))
        got = f"one without {lacking}" if lacking else "one with the published errors"
        raise ValueError(f"expected a whole, repaired net, got {got}, which is for a study and no instrument: train another")
    wrong = {name: t for name, t in temperatures.items() if name not in net.heads or not t > 0}
    if wrong:
        raise ValueError(f"temperatures: expected numbers above 0 for {', '.join(net.heads)}; got {wrong}")


def _trunk(graph: Photos, x: str, name: str, net: ResNet | Compact) -> str:
    """Add a backbone: its map."""
    stride, pad = net.conv1.stride[0], int(net.conv1.padding[0])
    x = graph.relu(graph.conv(x, f"{name}.conv1", norm=f"{name}.bn1", stride=stride, pad=pad))
    if isinstance(net, ResNet):
        x = graph.max_pool(x, 3, stride=2, pad=1)
    for stage, (count, step) in enumerate(zip(net.counts, net.strides, strict=True)):
        x = graph.basic_blocks(x, f"{name}.layer{stage + 1}", count, stride=step)
    return x if isinstance(net, ResNet) else graph.relu(graph.conv(x, f"{name}.conv2", norm=f"{name}.bn2"))


def _pooled(graph: Photos, x: str, name: str, net: ResNet | Compact) -> str:
    return graph.flatten(graph.mean(_trunk(graph, x, name, net)))


def _relationship(graph: Photos, context: str, target: str, size: int) -> str:
    """Add the graph's 256 numbers."""
    name = "relationship"
    wide = graph.relu(graph.conv(_largest(graph, context, size, (WIDE, WIDE)), f"{name}.context", norm=f"{name}.context_norm"))
    side = WIDE // PATCH
    patches = graph.transpose(graph.reshape(wide, (-1, side, PATCH, side, PATCH)), (0, 1, 3, 2, 4))
    tall = graph.relu(graph.conv(_largest(graph, target, size, TALL), f"{name}.target", norm=f"{name}.target_norm"))
    nodes = graph.concat(graph.reshape(patches, (-1, PATCHES, NODE)), graph.reshape(tall, (-1, 1, NODE)))
    heads = [_attention(graph, nodes, f"{name}.heads.{i}") for i in range(ATTENDING)]
    hidden = graph.node("Elu", graph.concat(*heads, axis=2))
    found = graph.node("Elu", _attention(graph, hidden, f"{name}.out"))
    pairs = graph.reshape(graph.node("ReduceMean", found, axes=[1], keepdims=0), (0, -1, 2))
    largest, mean = (graph.node(by, pairs, axes=[2], keepdims=0) for by in ("ReduceMax", "ReduceMean"))
    return graph.relu(graph.concat(largest, mean))


def _largest(graph: Photos, x: str, size: int, cells: tuple[int, int]) -> str:
    """Add torch's adaptive max pooling of (n, 3, size, size): cell i holds pixels floor(i s / c) to ceil((i + 1) s / c)."""
    for axis, count in zip((2, 3), cells, strict=True):
        first = np.arange(count) * size // count
        last = -(-(np.arange(count) + 1) * size // count) - 1
        widest = int((last - first).max()) + 1
        taken = np.minimum(first[:, None] + np.arange(widest), last[:, None])
        x = graph.node("ReduceMax", graph.node("Gather", x, graph.constant(taken), axis=axis), axes=[axis + 1], keepdims=0)
    return x


def _attention(graph: Photos, nodes: str, name: str) -> str:
    """Add one head of graph attention, (n, v, width)."""
    h = _times(graph, nodes, f"{name}.weight")
    source, towards = (_times(graph, h, f"{name}.{part}") for part in ("source", "towards"))
    both = graph.add(source, graph.transpose(towards, (0, 2, 1)))
    return graph.node("MatMul", graph.softmax(graph.node("LeakyRelu", both, alpha=SLOPE)), h)


def _times(graph: Photos, x: str, name: str) -> str:
    return graph.node("MatMul", x, graph.constant(graph.weights[f"{name}.weight"].T))


def _target(graph: Photos, features: str, count: int) -> str:
    """Add the strongest landmark of each channel, 128 numbers."""
    from onnx import TensorProto

    masks = graph.reshape("maps", (0, LANDMARKS, CELLS**2))
    sums = graph.node("MatMul", graph.reshape(features, (0, count, CELLS**2)), graph.transpose(masks, (0, 2, 1)))
    mass = graph.node("Max", graph.node("ReduceSum", masks, graph.constant([2]), keepdims=0), graph.constant(np.array([TINY])))
    shares = graph.node("Div", graph.node("Cast", "valid", to=TensorProto.FLOAT), mass)
    means = graph.mul(sums, graph.node("Unsqueeze", shares, graph.constant([1])))
    strongest = graph.node("ReduceMax", means, axes=[2], keepdims=0)
    return graph.node("ReduceMean", graph.reshape(strongest, (0, TARGET, -1)), axes=[2], keepdims=0)


def _emotion(graph: Photos, target: str, scene: str, name: str) -> str:
    x = graph.affine(graph.concat(target, scene), *graph.scale(f"{name}.norm"))
    x = _leaky(graph, graph.linear(x, f"{name}.first", norm=f"{name}.first_norm"))
    return graph.linear(x, f"{name}.last")


def _person(graph: Photos, target: str, scene: str, name: str) -> str:
    pooled = graph.node("ReduceMax", graph.reshape(scene, (0, -1, 2)), axes=[2], keepdims=0)
    pooled = graph.affine(pooled, *graph.scale(f"{name}.norm"))
    person = graph.affine(target, *graph.scale(f"{name}.seen_norm"))
    x = graph.concat(person, graph.relu(graph.linear(pooled, f"{name}.scene", norm=f"{name}.scene_norm")))
    x = _leaky(graph, graph.linear(x, f"{name}.first", norm=f"{name}.first_norm"))
    x = _leaky(graph, graph.linear(x, f"{name}.second", norm=f"{name}.second_norm"))
    return graph.linear(x, f"{name}.last")


def _leaky(graph: Photos, x: str) -> str:
    return graph.node("LeakyRelu", x, alpha=SLOPE)
