"""MXNet checkpoints, `-symbol.json` and `.params`, read and rebuilt without MXNet."""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.graph import Graph

if TYPE_CHECKING:
    import onnx

LIST = 0x112
WITH_STORAGE, WIDE, NUMPY_SHAPE = 0xF993FAC9, 0xF993FAC8, 0xF993FACA
TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}


class _Reader:
    """A place in the bytes of one file."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, path.read_bytes(), 0

    def fail(self, expected: str) -> LayerMismatch:
        return LayerMismatch(
            f"{self.path.name}: expected {expected} at byte {self.at} of {len(self.data)}; the file was cut short, or "
            "is no list of dense MXNet arrays; remove it and fetch it again"
        )

    def take(self, count: int, what: str) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise self.fail(f"{what} ({count} bytes)")
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, kinds: str, what: str) -> tuple[int, ...]:
        return struct.unpack("<" + kinds, self.take(struct.calcsize("<" + kinds), what))

    def array(self) -> np.ndarray:
        """Read one array: shape (32 bits a side in the oldest format), device, number type, numbers."""
        (head,) = self.numbers("I", "an array")
        if head in (WITH_STORAGE, NUMPY_SHAPE) and self.numbers("i", "a storage type") != (0,):
            raise self.fail("a dense array")
        dimensions = self.numbers("I", "a shape")[0] if head in (WITH_STORAGE, WIDE, NUMPY_SHAPE) else head
        if dimensions > 32:
            raise self.fail(f"an array of at most 32 dimensions, got {dimensions},")
        shape = self.numbers(("I" if dimensions == head else "q") * dimensions, "a shape")
        if not dimensions and head != NUMPY_SHAPE:
            return np.empty(0, np.float32)
        *_, kind = self.numbers("iii", "a device and a number type")
        if kind not in TYPES or min(shape, default=1) < 0:
            raise self.fail(f"numbers of a known type, got type {kind} in shape {shape},")
        values = self.take(math.prod(shape) * np.dtype(TYPES[kind]).itemsize, "an array's numbers")
        return np.frombuffer(values, TYPES[kind]).reshape(shape)


def read_params(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a `.params` file by name, without the "arg:" and "aux:" before the names.

    Raises
    ------
    LayerMismatch
        The bytes are not those of such a file; the message names the place.
    """
    reader = _Reader(path)
    magic, _, count = reader.numbers("QQQ", "a list's head")
    if magic != LIST:
        raise reader.fail(f"the number {LIST:#x} of a list of arrays, got {magic:#x},")
    arrays = [reader.array() for _ in range(min(count, len(reader.data)))]
    (named,) = reader.numbers("Q", "the number of names")
    if named != len(arrays):
        raise reader.fail(f"{len(arrays)} names, got {named},")
    names = [reader.take(reader.numbers("Q", "a name")[0], "a name").decode(errors="replace") for _ in arrays]
    return {name.removeprefix("arg:").removeprefix("aux:"): array for name, array in zip(names, arrays, strict=True)}


class _Node:
    """One operator of the symbol: its attributes read, with MXNet's defaults where it is silent."""

    def __init__(self, node: Mapping[str, Any], source: str) -> None:
        self.name, self.source = node["name"], source
        self.given = node.get("attrs") or node.get("attr") or node.get("param") or {}

    def read(self, name: str, default: Any) -> Any:
        return ast.literal_eval(self.given[name]) if name in self.given else default

    def scalar(self) -> np.ndarray:
        return np.array(self.read("scalar", 0.0), np.float32)


def to_onnx(
    symbol: Mapping[str, Any], params: Mapping[str, np.ndarray], shape: tuple[int, ...], *, source: str
) -> onnx.ModelProto:
    """Return a symbol's graph with its weights inside, from (n, *shape) to the symbol's heads.

    Parameters
    ----------
    symbol
        The parsed `-symbol.json`.
    params
        From `read_params`.
    shape
        Of the input "data" without the batch.
    source
        The file of the weights, for messages.

    Raises
    ------
    LayerMismatch
        An operator is not known here, or the weights are not those that the symbol names.
    """
    nodes = symbol["nodes"]
    wanted = {node["name"] for node in nodes if node["op"] == "null"} - {"data"}
    missing, extra = sorted(wanted - params.keys()), sorted(params.keys() - wanted)
    if missing or extra:
        raise LayerMismatch(
            f"{source}: not the weights that the symbol names: missing {missing[:5] or 'none'}, too many "
            f"{extra[:5] or 'none'}; take both files from one release"
        )
    graph = Graph(params, shape)
    tensors = [graph.input if node["name"] == "data" else node["name"] for node in nodes]
    for i, node in enumerate(nodes):
        if node["op"] == "null":
            continue
        if node["op"] not in OPERATORS:
            known = ", ".join(sorted(OPERATORS))
            raise LayerMismatch(f"{source}: {node['name']}: expected one of {known}, got {node['op']!r}")
        inputs = [tensors[k[0]] for k in node["inputs"]]
        tensors[i] = OPERATORS[node["op"]](graph, _Node(node, source), inputs)
    return graph.finish([tensors[head[0]] for head in symbol["heads"]])


def _convolution(graph: Graph, node: _Node, inputs: list[str]) -> str:
    kernel, filters = tuple(node.read("kernel", ())), node.read("num_filter", 0)
    values = [graph.weights[name] for name in inputs[1:]]
    _expect(node, values[0].shape, (filters, values[0].shape[1], *kernel))
    pad, stride, dilate = (tuple(node.read(k, (d, d))) for k, d in (("pad", 0), ("stride", 1), ("dilate", 1)))
    sides = {"kernel_shape": kernel, "strides": stride, "pads": pad + pad, "dilations": dilate}
    weights = [graph.constant(value) for value in values]
    return graph.node("Conv", inputs[0], *weights, group=node.read("num_group", 1), **sides)


def _batch_norm(graph: Graph, node: _Node, inputs: list[str]) -> str:
    gamma, *others = (graph.weights[name] for name in inputs[1:])
    for value in others:
        _expect(node, value.shape, gamma.shape)
    if node.read("fix_gamma", True):
        gamma = np.ones_like(gamma)
    constants = [graph.constant(value) for value in (gamma, *others)]
    return graph.node("BatchNormalization", inputs[0], *constants, epsilon=float(node.read("eps", 1e-3)))


def _fully_connected(graph: Graph, node: _Node, inputs: list[str]) -> str:
    values = [graph.weights[name] for name in inputs[1:]]
    _expect(node, values[0].shape, (node.read("num_hidden", 0), values[0].shape[1]))
    return graph.node("Gemm", graph.flatten(inputs[0]), *(graph.constant(value) for value in values), transB=1)


def _expect(node: _Node, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if got != expected:
        raise LayerMismatch(f"{node.source}: {node.name}: expected shape {expected}, got {got}; take both files of one release")


def _with_scalar(operator: str) -> Callable[[Graph, _Node, list[str]], str]:
    def convert(graph: Graph, node: _Node, inputs: list[str]) -> str:
        return graph.node(operator, inputs[0], graph.constant(node.scalar()))

    return convert


OPERATORS: dict[str, Callable[[Graph, _Node, list[str]], str]] = {
    "BatchNorm": _batch_norm,
    "Convolution": _convolution,
    "Flatten": lambda graph, _, inputs: graph.flatten(inputs[0]),
    "FullyConnected": _fully_connected,
    "_maximum_scalar": _with_scalar("Clip"),
    "_minimum_scalar": lambda graph, node, inputs: graph.node("Clip", inputs[0], "", graph.constant(node.scalar())),
    "_minus_scalar": _with_scalar("Sub"),
    "_mul_scalar": _with_scalar("Mul"),
    "elemwise_add": lambda graph, _, inputs: graph.add(*inputs),
}
