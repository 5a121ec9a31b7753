"""TensorFlow Lite files of eight-bit weights and activations to ONNX in plain float, up to named tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.tflite import OPERATORS, TO_NCHW, _Graph, _model, _Operator, _operators, _stored

if TYPE_CHECKING:
    import onnx


def read_quantised(data: bytes, outputs: Sequence[int]) -> onnx.ModelProto:
    """Return the ONNX graph of a quantised tflite file from its input to chosen tensors, in float: `x = scale (q - zero)`.

    Weights and biases are what their numbers stand for; activations are no longer rounded to 256 steps, nor cut off at the
    ends of their range, so that results differ a little from those of integer arithmetic. What lies behind the chosen
    tensors is left out. The input is NCHW, 0 to 255; outputs keep the file's layout.

    Parameters
    ----------
    data
        The file's bytes.
    outputs
        Numbers of the tensors to give out.

    Raises
    ------
    LayerMismatch
        The bytes are no tflite file, do not reach such tensors, or hold an operator that is not known on the way.

    References
    ----------
    Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018,
    eq. 1.
    """
    import tflite

    if data[4:8] != b"TFL3":
        raise LayerMismatch(f"expected a tflite file (bytes 4-7 'TFL3'), got {data[4:8]!r}; fetch the file again")
    model = tflite.Model.GetRootAsModel(data, 0)
    subgraph = model.Subgraphs(0)
    count = subgraph.TensorsLength()
    if not all(0 <= number < count for number in outputs):
        raise LayerMismatch(f"tflite: expected tensors {list(outputs)}, got a file of {count}; it is another net")
    shapes = [tuple(map(int, np.atleast_1d(subgraph.Tensors(i).ShapeAsNumpy()))) for i in range(count)]
    graph = _Graph(shapes, _plain(_stored(model, subgraph), subgraph))
    (entry,) = map(int, subgraph.InputsAsNumpy())
    graph.names[entry] = "input"
    for operator in _needed(_operators(model, subgraph), outputs):
        if operator.kind not in KNOWN:
            known = ", ".join(KNOWN)
            raise LayerMismatch(f"tflite: expected operators among {known}, got {operator.kind}; this net needs another reader")
        graph.names[operator.output] = KNOWN[operator.kind](graph, operator)
    if not set(outputs) <= set(graph.names):
        raise LayerMismatch(f"tflite: expected tensors {list(outputs)} to be computed from the input; it is another net")
    return _model(graph, entry, list(outputs))


def _plain(stored: dict[int, np.ndarray], subgraph: Any) -> dict[int, np.ndarray]:
    """Return the stored arrays, those with a scale as the float32 that they stand for."""
    return {number: plain(values, *_scale(subgraph.Tensors(number))) for number, values in stored.items()}


def _scale(tensor: Any) -> tuple[np.ndarray | None, np.ndarray, int]:
    """Return a tensor's scales, zeros and the axis they go along; None for the scales where it has none."""
    spec = tensor.Quantization()
    if spec is None or not spec.ScaleLength():
        return None, np.zeros(1), 0
    return spec.ScaleAsNumpy(), spec.ZeroPointAsNumpy(), int(spec.QuantizedDimension())


def plain(values: np.ndarray, scale: np.ndarray | None, zero: np.ndarray, axis: int) -> np.ndarray:
    """Return what quantised numbers stand for, float32; without a scale, the numbers.

    Parameters
    ----------
    values : (...) int
        Quantised.
    scale, zero : (1,) or (channels,) float
        Of all, or channel by channel.
    axis
        Of the channels.

    Examples
    --------
    >>> plain(np.array([[-128, 0], [127, 2]], np.int8), np.array([0.5, 2]), np.array([-128, 0]), 1).tolist()
    [[0.0, 0.0], [127.5, 4.0]]
    """
    if scale is None:
        return values
    shape = [1] * values.ndim
    if len(scale) > 1:
        shape[axis] = len(scale)
    lifted = (np.asarray(part, np.float64).reshape(shape) for part in (scale, zero))
    step, origin = lifted
    return np.asarray((values - origin) * step, np.float32)


def _needed(operators: Sequence[_Operator], outputs: Sequence[int]) -> list[_Operator]:
    """Return the operators that the outputs rest on, in order."""
    wanted, kept = set(outputs), list[_Operator]()
    for operator in reversed(operators):
        if operator.output in wanted:
            wanted |= set(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _same(graph: _Graph, operator: _Operator) -> str:
    """Return the tensor as it is: in float there is nothing to cast or to round."""
    return graph.names[operator.inputs[0]]


def _pairwise(kind: str, options: str) -> Callable[[_Graph, _Operator], str]:
    """Return the reader of an operator on two tensors, one of which may be stored."""

    def read(graph: _Graph, operator: _Operator) -> str:
        sides = [graph.names[i] if i in graph.names else _broadcast(graph, i) for i in operator.inputs]
        return graph.activated(graph.add(kind, *sides), operator.options(options).FusedActivationFunction())

    return read


def _broadcast(graph: _Graph, number: int) -> str:
    """Return a stored tensor's name, with leading axes of one put in front, channels second."""
    values = graph.constants[number]
    return graph.weight(values.reshape((1,) * (4 - values.ndim) + values.shape).transpose(TO_NCHW))


KNOWN: dict[str, Callable[[_Graph, _Operator], str]] = OPERATORS | {
    "ADD": _pairwise("Add", "AddOptions"),
    "CAST": _same,
    "DEQUANTIZE": _same,
    "MUL": _pairwise("Mul", "MulOptions"),
    "QUANTIZE": _same,
    "SUB": _pairwise("Sub", "SubOptions"),
}
