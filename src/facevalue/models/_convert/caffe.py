"""Caffe's trained nets (`.caffemodel`), read without Caffe and rebuilt layer by layer."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.graph import Graph
from facevalue.models._convert.tensorflow import _fields, _message, _varints

if TYPE_CHECKING:
    import onnx

Settings = Mapping[int, list[int | bytes]]
# Numbers of a layer's settings in caffe.proto; the SSD branch and OpenCV number two of them differently.
SETTINGS = {
    "BatchNorm": (139,),
    "Concat": (104,),
    "Convolution": (106,),
    "Eltwise": (110,),
    "Flatten": (135,),
    "Normalize": (206, 149),
    "Permute": (202, 148),
    "Pooling": (121,),
    "ReLU": (123,),
    "Reshape": (133,),
    "Scale": (142,),
    "Softmax": (125,),
}
SUM = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name and kind, the blobs it reads and writes, its weights, and its settings by field number."""

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    weights: tuple[np.ndarray, ...] = ()
    settings: Settings = field(default_factory=dict)


def read_caffemodel(path: Path) -> list[Layer]:
    """Return the layers of a trained net, in the file's order; inputs named beside the layers stand first.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    LayerMismatch
        The bytes are no such net.

    References
    ----------
    BVLC/caffe, src/caffe/proto/caffe.proto; weiliu89/caffe, branch ssd.
    """
    try:
        fields = list(_fields(path.read_bytes()))
        inputs = tuple(_message(value).decode() for number, value in fields if number == 3)
        layers = [_layer(_message(value)) for number, value in fields if number == 100]
    except (ValueError, struct.error) as error:
        raise LayerMismatch(
            f"{path.name}: expected a .caffemodel, got {error}; the file was cut short or is another; remove it and "
            "fetch it again"
        ) from error
    if not layers:
        raise LayerMismatch(f"{path.name}: expected a .caffemodel with layers, got none; remove it and fetch it again")
    return [Layer("input", "Input", (), inputs), *layers] if inputs else layers


def _grouped(data: bytes) -> Settings:
    found: dict[int, list[int | bytes]] = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def _layer(data: bytes) -> Layer:
    fields = _grouped(data)
    name, kind = (_message(fields.get(number, [b""])[-1]).decode() for number in (1, 2))
    bottoms, tops = (tuple(_message(value).decode() for value in fields.get(number, ())) for number in (3, 4))
    weights = tuple(_blob(_grouped(_message(value))) for value in fields.get(7, ()))
    given = next((number for number in SETTINGS.get(kind, ()) if number in fields), 0)
    settings = _grouped(_message(fields[given][-1])) if given else {}
    return Layer(name, kind, bottoms, tops, weights, settings)


def _blob(fields: Settings) -> np.ndarray:
    """Return one array of weights: its shape (7, or 1 to 4 in old files), and its numbers single (5) or half (12)."""
    shape = _whole(_grouped(_message(fields[7][-1])).get(1, ())) if 7 in fields else []
    if not shape:
        shape = [int(fields[number][-1]) for number in (1, 2, 3, 4) if number in fields]
    single = b"".join(_message(value) for value in fields.get(5, ()))
    half = b"".join(_message(value) for value in fields.get(12, ()))
    values = np.frombuffer(single, "<f4") if single else np.frombuffer(half, "<f2").astype(np.float32)
    if len(values) != math.prod(shape):
        raise ValueError(f"{len(values)} numbers for weights of shape {tuple(shape)}")
    return values.reshape(shape)


def _whole(values: Sequence[int | bytes]) -> list[int]:
    """Return repeated whole numbers, packed or one by one."""
    return [k for value in values for k in (_varints(value) if isinstance(value, bytes) else [value])]


def _number(layer: Layer, number: int, default: int) -> int:
    return _whole(layer.settings[number])[-1] if number in layer.settings else default


def _real(layer: Layer, number: int, default: float) -> float:
    if number not in layer.settings:
        return default
    return float(struct.unpack("<f", _message(layer.settings[number][-1]))[0])


def to_onnx(layers: Sequence[Layer], outputs: Sequence[str], shape: Sequence[int], *, source: str) -> onnx.ModelProto:
    """Return the part of a net that leads from its first input to some blobs.

    Parameters
    ----------
    layers
        From `read_caffemodel`; those that lead elsewhere (losses, prior boxes) may be of any kind.
    outputs
        Names of blobs.
    shape
        Of one input without the batch, (channels, height, width).
    source
        The file, for messages.

    Raises
    ------
    LayerMismatch
        A blob, a kind of layer or a setting is missing or not known here.
    """
    graph = Graph({}, shape)
    blobs: dict[str, str] = {}
    for layer in _leading(layers, outputs):
        missing = [name for name in layer.bottoms if name not in blobs]
        if missing:
            raise LayerMismatch(f"{source}: {layer.name}: expected its inputs {missing} before it; fetch it again")
        try:
            made = _converted(graph, layer, [blobs[name] for name in layer.bottoms])
        except (IndexError, KeyError, ValueError, struct.error) as error:
            raise LayerMismatch(f"{source}: {layer.name} ({layer.kind}): expected other settings, got {error}") from error
        blobs.update(dict.fromkeys(layer.tops, made))
    absent = [name for name in outputs if name not in blobs]
    if absent:
        raise LayerMismatch(f"{source}: expected layers that make {absent}, got {len(layers)} others; fetch it again")
    return graph.finish([blobs[name] for name in outputs])


def _leading(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Layer]:
    """Return the layers that the outputs are made from; a layer may write where it reads."""
    needed, found = set(outputs), list[Layer]()
    for layer in reversed(layers):
        if needed & set(layer.tops):
            needed = (needed - set(layer.tops)) | set(layer.bottoms)
            found.append(layer)
    return found[::-1]


def _converted(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    if not inputs:
        return graph.input
    if layer.kind not in KINDS:
        raise ValueError(f"the kind {layer.kind!r}; known: {', '.join(sorted(KINDS))}")
    return KINDS[layer.kind](graph, layer, inputs)


def _pairs(layer: Layer, both: int, each: tuple[int, int], default: int) -> list[int]:
    """Return a setting along y and x: given once, twice, or under two numbers of its own."""
    given = _whole(layer.settings.get(both, ()))
    if given:
        return given * 2 if len(given) == 1 else given
    return [_number(layer, number, default) for number in each]


def _conv(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    weight, *bias = layer.weights
    sides = {
        "kernel_shape": weight.shape[2:],
        "strides": _pairs(layer, 6, (13, 14), 1),
        "pads": _pairs(layer, 3, (9, 10), 0) * 2,
        "dilations": _pairs(layer, 18, (0, 0), 1),
        "group": _number(layer, 5, 1),
    }
    constants = [graph.constant(weight), *(graph.constant(part.reshape(-1)) for part in bias)]
    return graph.node("Conv", inputs[0], *constants, **sides)


def _batch_norm(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    """Add (x - mean) / sqrt(variance + epsilon); both are sums over as many batches as the third weight counts."""
    mean, variance, count = (part.astype(np.float64).reshape(-1) for part in layer.weights)
    over = 1 / count[0] if count[0] else 0.0
    gain = 1 / np.sqrt(variance * over + _real(layer, 3, 1e-5))
    return graph.affine(inputs[0], _column(gain), _column(-mean * over * gain))


def _scale(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    gain, *offset = (part.reshape(-1) for part in layer.weights)
    if _number(layer, 1, 1) != 1:
        raise ValueError(f"axis {_number(layer, 1, 1)}, not 1")
    return graph.affine(inputs[0], _column(gain), _column(offset[0] if offset else np.zeros_like(gain)))


def _column(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 1, 1)


def _relu(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    slope = _real(layer, 1, 0.0)
    return graph.node("LeakyRelu", inputs[0], alpha=slope) if slope else graph.relu(inputs[0])


def _eltwise(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    if _number(layer, 1, SUM) != SUM or 2 in layer.settings:
        raise ValueError("products, maxima or weighted sums, not a plain sum")
    return graph.node("Sum", *inputs)


def _pool(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    """Add the largest of each window; Caffe rounds the number of windows up."""
    if _number(layer, 1, 0) or _number(layer, 12, 0):
        raise ValueError("averages or pooling of the whole map, not maxima of windows")
    sides = {
        "kernel_shape": _pairs(layer, 2, (5, 6), 1),
        "strides": _pairs(layer, 3, (7, 8), 1),
        "pads": _pairs(layer, 4, (9, 10), 0) * 2,
        "ceil_mode": _number(layer, 13, 1),
    }
    return graph.node("MaxPool", inputs[0], **sides)


def _permute(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return graph.transpose(inputs[0], _whole(layer.settings[1]))


def _flatten(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    if _number(layer, 1, 1) != 1 or 2 in layer.settings:
        raise ValueError("other axes than all from 1 on")
    return graph.flatten(inputs[0])


def _concat(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return graph.concat(*inputs, axis=_number(layer, 2, _number(layer, 1, 1)))


def _normalize(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    """Add x / sqrt(sum of squares over the channels + epsilon), times one number a channel."""
    if _number(layer, 1, 1):
        raise ValueError("a sum over the map, not over the channels")
    squares = graph.node("ReduceSumSquare", inputs[0], axes=[1], keepdims=1)
    length = graph.node("Sqrt", graph.add(squares, graph.constant(np.array(_real(layer, 4, 1e-10)))))
    return graph.mul(graph.node("Div", inputs[0], length), graph.constant(_column(layer.weights[0])))


def _reshape(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    if 2 in layer.settings or 3 in layer.settings:
        raise ValueError("a reshape of some axes, not of all")
    return graph.reshape(inputs[0], _whole(_grouped(_message(layer.settings[1][-1]))[1]))


KINDS: dict[str, Callable[[Graph, Layer, list[str]], str]] = {
    "BatchNorm": _batch_norm,
    "Concat": _concat,
    "Convolution": _conv,
    "Dropout": lambda graph, layer, inputs: inputs[0],
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "Normalize": _normalize,
    "Permute": _permute,
    "Pooling": _pool,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Scale": _scale,
    "Softmax": lambda graph, layer, inputs: graph.softmax(inputs[0], axis=_number(layer, 2, 1)),
    "Split": lambda graph, layer, inputs: inputs[0],
}
