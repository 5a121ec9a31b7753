"""Frozen TensorFlow graphs (`.pb`), read without TensorFlow and rebuilt in NCHW."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.graph import Graph

if TYPE_CHECKING:
    import onnx

FLOAT, INT32, INT64 = 1, 3, 9
NUMBERS = {FLOAT: "<f4", INT32: "<i4", INT64: "<i8"}
PADDING = {b"SAME": "SAME_UPPER", b"VALID": "VALID"}
Field = tuple[int, int | bytes]
Attribute = int | float | bytes | list[int] | np.ndarray


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: its name and kind, the names of its inputs, and its attributes."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def read_graph(path: Path) -> list[Node]:
    """Return the nodes of a frozen graph, in the file's order.

    Raises
    ------
    LayerMismatch
        The bytes are no such graph.

    References
    ----------
    tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto
    """
    try:
        nodes = [_node(_message(value)) for number, value in _fields(path.read_bytes()) if number == 1]
    except (ValueError, struct.error) as error:
        raise LayerMismatch(
            f"{path.name}: expected a frozen TensorFlow graph, got {error}; the file was cut short or is another; "
            "remove it and fetch it again"
        ) from error
    if not nodes:
        raise LayerMismatch(f"{path.name}: expected a frozen TensorFlow graph, got none; remove it and fetch it again")
    return nodes


def _fields(data: bytes) -> Iterator[Field]:
    """Yield (number, value) of a protobuf message: whole numbers as int, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"a field of {size} bytes at byte {at} of {len(data)}")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise ValueError(f"an unfinished number at byte {at} of {len(data)}")


def _varints(data: bytes) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value - (1 << 64) if value >> 63 else value)
    return values


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError(f"the number {value} where a message belongs")
    return value


def _node(data: bytes) -> Node:
    name, kind, inputs, attributes = "", "", [], {}
    for number, value in _fields(data):
        if number == 1:
            name = _message(value).decode()
        elif number == 2:
            kind = _message(value).decode()
        elif number == 3:
            inputs.append(_message(value).decode().removesuffix(":0"))
        elif number == 5:
            entry = dict(_fields(_message(value)))
            attributes[_message(entry.get(1, b"")).decode()] = _attribute(_message(entry.get(2, b"")))
    return Node(name, kind, tuple(inputs), attributes)


def _attribute(data: bytes) -> Attribute:
    """Return text (2), a number (3, 5, 6), a real number (4), a list of numbers (1) or a tensor (8)."""
    for number, value in _fields(data):
        if number == 1:
            return [k for n, packed in _fields(_message(value)) if n == 3 for k in _varints(_message(packed))]
        if number == 4:
            return float(struct.unpack("<f", _message(value))[0])
        if number == 8:
            return _tensor(_message(value))
        return value
    return b""


def _tensor(data: bytes) -> np.ndarray:
    """Return a tensor: type (1), shape (2), and its numbers raw (4) or one by one (5 and 7), the last one repeated."""
    kind, shape, values = FLOAT, tuple[int, ...](), np.empty(0, np.float32)
    for number, value in _fields(data):
        if number == 1:
            kind = int(value)
        elif number == 2:
            sides = [dict(_fields(_message(side))) for n, side in _fields(_message(value)) if n == 2]
            shape = tuple(int(side.get(1, 0)) for side in sides)
        elif number in (4, 5) and kind in NUMBERS:
            values = np.frombuffer(_message(value), NUMBERS[kind])
        elif number == 7:
            values = np.array(_varints(value) if isinstance(value, bytes) else [value], np.int64)
    size = int(np.prod(shape))
    if kind not in NUMBERS or not 0 < len(values) <= size:
        raise ValueError(f"{len(values)} numbers of type {kind} for a tensor of shape {shape}")
    return np.concatenate([values, np.repeat(values[-1:], size - len(values))]).reshape(shape)


def to_onnx(nodes: Sequence[Node], output: str, *, source: str) -> onnx.ModelProto:
    """Return the graph up to `output` as ONNX, from (n, channels, height, width).

    Parameters
    ----------
    nodes
        From `read_graph`; its one placeholder is (n, height, width, channels).
    output
        The name of the last node.
    source
        The file, for messages.

    Raises
    ------
    LayerMismatch
        A node, or an operator, is missing or not known here.
    """
    values: dict[str, np.ndarray] = {}
    tensors: dict[str, str] = {}
    graph = Graph(values, (3, 0, 0))
    for node in nodes:
        unknown = [name for name in node.inputs if name not in values and name not in tensors]
        if unknown:
            raise LayerMismatch(f"{source}: {node.name}: expected its inputs {unknown} before it; fetch it again")
        if node.kind == "Const":
            values[node.name] = np.asarray(node.attributes["value"])
        elif node.kind == "Identity" and node.inputs[0] in values:
            values[node.name] = values[node.inputs[0]]
        else:
            tensors[node.name] = _converted(graph, node, tensors, source)
    if output not in tensors:
        raise LayerMismatch(f"{source}: expected a node {output!r}, got {len(nodes)} others; fetch it again")
    return graph.finish([tensors[output]])


def _converted(graph: Graph, node: Node, tensors: Mapping[str, str], source: str) -> str:
    if node.kind == "Placeholder":
        return graph.input
    if node.kind not in OPERATORS:
        known = ", ".join(sorted(OPERATORS))
        raise LayerMismatch(f"{source}: {node.name}: expected one of {known}, got {node.kind!r}")
    if node.attributes.get("data_format", b"NHWC") != b"NHWC" or set(_numbers(node, "dilations")) != {1}:
        raise LayerMismatch(f"{source}: {node.name}: expected NHWC without dilation, got {dict(node.attributes)}")
    moving = [tensors[name] for name in node.inputs if name in tensors]
    fixed = [graph.weights[name] for name in node.inputs if name not in tensors]
    return OPERATORS[node.kind](graph, node, moving, fixed)


def _numbers(node: Node, name: str) -> list[int]:
    value = node.attributes.get(name, [1, 1, 1, 1])
    return value if isinstance(value, list) else []


def _sides(node: Node) -> dict[str, object]:
    padding = node.attributes.get("padding")
    assert isinstance(padding, bytes)
    return {"strides": _numbers(node, "strides")[1:3], "auto_pad": PADDING[padding]}


def _conv(graph: Graph, node: Node, moving: list[str], fixed: list[np.ndarray]) -> str:
    weights = fixed[0].transpose(3, 2, 0, 1)
    return graph.node("Conv", moving[0], graph.constant(weights), kernel_shape=weights.shape[2:], **_sides(node))


def _depthwise(graph: Graph, node: Node, moving: list[str], fixed: list[np.ndarray]) -> str:
    rows, columns, channels, times = fixed[0].shape
    weights = graph.constant(fixed[0].transpose(2, 3, 0, 1).reshape(channels * times, 1, rows, columns))
    return graph.node("Conv", moving[0], weights, kernel_shape=(rows, columns), group=channels, **_sides(node))


def _batch_norm(graph: Graph, node: Node, moving: list[str], fixed: list[np.ndarray]) -> str:
    constants = [graph.constant(value) for value in fixed]
    return graph.node("BatchNormalization", moving[0], *constants, epsilon=node.attributes.get("epsilon", 1e-4))


def _average(graph: Graph, node: Node, moving: list[str], _: list[np.ndarray]) -> str:
    return graph.node("AveragePool", moving[0], kernel_shape=_numbers(node, "ksize")[1:3], **_sides(node))


def _reshape(graph: Graph, _: Node, moving: list[str], fixed: list[np.ndarray]) -> str:
    return graph.reshape(graph.transpose(moving[0], (0, 2, 3, 1)), fixed[0].tolist())


OPERATORS: dict[str, Callable[[Graph, Node, list[str], list[np.ndarray]], str]] = {
    "Add": lambda graph, _, moving, fixed: graph.add(*moving),
    "AvgPool": _average,
    "BiasAdd": lambda graph, _, moving, fixed: graph.add(moving[0], graph.constant(fixed[0])),
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "FusedBatchNorm": _batch_norm,
    "Identity": lambda graph, _, moving, fixed: moving[0],
    "MatMul": lambda graph, _, moving, fixed: graph.node("MatMul", moving[0], graph.constant(fixed[0])),
    "Relu": lambda graph, _, moving, fixed: graph.relu(moving[0]),
    "Reshape": _reshape,
    "Sigmoid": lambda graph, _, moving, fixed: graph.sigmoid(moving[0]),
}
