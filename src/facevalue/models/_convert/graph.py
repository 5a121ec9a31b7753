"""ONNX graphs, written layer by layer out of numpy weights; batch normalisation is folded into the layer before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8
EPSILON = 1e-5


class Graph:
    """A graph under construction: a method adds nodes and returns the name of the tensor that they make.

    Parameters
    ----------
    weights
        Tensors by name, as a checkpoint has them.
    shape
        Of one input without the batch, (channels, height, width); 0 where any size goes.

    Attributes
    ----------
    input
        The name of the input tensor, (n, *shape) float32.

    Examples
    --------
    >>> graph = Graph({"fc.weight": np.eye(2, dtype=np.float32)}, (2,))
    >>> model = graph.finish([graph.softmax(graph.linear(graph.input, "fc"))])
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Softmax']
    """

    input = "input"

    def __init__(self, weights: Mapping[str, np.ndarray], shape: Sequence[int]) -> None:
        self.weights = weights
        self._shape = tuple(shape)
        self._given: dict[str, int] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add any node of one output."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def given(self, name: str, length: int) -> str:
        """Add a second input, (n, length) float32."""
        self._given[name] = length
        return name

    def constant(self, values: np.ndarray | Sequence[int]) -> str:
        """Add numbers: float32, or int64 where they are whole."""
        from onnx import numpy_helper

        array = np.asarray(values)
        kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, kind, order="C"), name))
        return name

    def scale(self, norm: str) -> tuple[np.ndarray, np.ndarray]:
        """Return gain and offset, (channels,), to which a batch normalisation comes down once it is trained."""
        weight, bias, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = weight / np.sqrt(variance + EPSILON)
        return gain, bias - mean * gain

    def conv(self, x: str, name: str, *, norm: str = "", stride: int = 1, pad: int = 0, groups: int = 1) -> str:
        """Add a convolution by `<name>.weight` (out, in / groups, kernel, kernel), its bias, and what follows it."""
        weight, bias = self._folded(name, norm)
        kernel = weight.shape[2:]
        sides = {"kernel_shape": kernel, "strides": [stride] * 2, "pads": [pad] * 4, "group": groups}
        return self.node("Conv", x, self.constant(weight), self.constant(bias), **sides)

    def linear(self, x: str, name: str, *, norm: str = "") -> str:
        """Add `x @ weight.T + bias` by `<name>.weight` (out, in), and the batch normalisation that follows it."""
        weight, bias = self._folded(name, norm)
        return self.node("Gemm", x, self.constant(weight), self.constant(bias), transB=1)

    def _folded(self, name: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
        weight = self.weights[f"{name}.weight"].astype(np.float64)
        bias = np.asarray(self.weights.get(f"{name}.bias", np.zeros(len(weight))), np.float64)
        if norm:
            gain, offset = self.scale(norm)
            weight, bias = weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), bias * gain + offset
        return weight, bias

    def affine(self, x: str, gain: np.ndarray, offset: np.ndarray) -> str:
        """Add `x * gain + offset`."""
        return self.add(self.node("Mul", x, self.constant(gain)), self.constant(offset))

    def relu(self, x: str) -> str:
        """Add max(x, 0)."""
        return self.node("Relu", x)

    def prelu(self, x: str, name: str) -> str:
        """Add a PReLU of one slope a channel as `a * x + (1 - a) * max(x, 0)`, thrice as fast as the operator."""
        slope = self.weights[f"{name}.weight"].reshape(-1, 1, 1)
        straight = self.node("Mul", x, self.constant(slope))
        return self.add(straight, self.node("Mul", self.relu(x), self.constant(1 - slope)))

    def sigmoid(self, x: str) -> str:
        """Add 1 / (1 + exp(-x))."""
        return self.node("Sigmoid", x)

    def softmax(self, x: str, *, axis: int = -1) -> str:
        """Add exp(x) / sum exp(x)."""
        return self.node("Softmax", x, axis=axis)

    def add(self, x: str, y: str) -> str:
        """Add x + y."""
        return self.node("Add", x, y)

    def mul(self, x: str, y: str) -> str:
        """Add x * y."""
        return self.node("Mul", x, y)

    def concat(self, *parts: str, axis: int = 1) -> str:
        """Add the parts one behind the other."""
        return self.node("Concat", *parts, axis=axis)

    def max_pool(self, x: str, size: int, *, stride: int, pad: int = 0) -> str:
        """Add the largest of each window."""
        return self.node("MaxPool", x, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def average_pool(self, x: str, size: int, *, stride: int, pad: int = 0) -> str:
        """Add the mean of each window; the zeros around the map count."""
        sides = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node("AveragePool", x, count_include_pad=1, **sides)

    def mean(self, x: str) -> str:
        """Add the mean over the map, (n, channels, 1, 1)."""
        return self.node("GlobalAveragePool", x)

    def flatten(self, x: str) -> str:
        """Add (n, everything else)."""
        return self.node("Flatten", x)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Add a reshape; 0 keeps a dimension, -1 takes what is left."""
        return self.node("Reshape", x, self.constant(np.array(shape)))

    def transpose(self, x: str, order: Sequence[int]) -> str:
        """Add a permutation of the dimensions."""
        return self.node("Transpose", x, perm=order)

    def part(self, x: str, start: int, stop: int, *, axis: int = 1, step: int = 1) -> str:
        """Add `x[:, start:stop:step]`, or the same along another axis."""
        ends = (self.constant([value]) for value in (start, stop, axis, step))
        return self.node("Slice", x, *ends)

    def stretch(self, x: str, columns: tuple[int, int], size: int) -> str:
        """Add the columns from one to another of a map, (n, channels, height, width), bilinear at size x size."""
        x = self.part(x, *columns, axis=3)
        sides = self.concat(self.node("Shape", x, end=2), self.constant([size, size]), axis=0)
        return self.node("Resize", x, "", "", sides, mode="linear", coordinate_transformation_mode="half_pixel")

    def basic_blocks(self, x: str, name: str, count: int, *, stride: int) -> str:
        """Add a stage of ResNet-18 or -34 as torchvision names it: two 3x3 convolutions a block, added to its input."""
        for block in (f"{name}.{i}" for i in range(count)):
            step, skip = (stride if block.endswith(".0") else 1), x
            if f"{block}.downsample.0.weight" in self.weights:
                skip = self.conv(x, f"{block}.downsample.0", norm=f"{block}.downsample.1", stride=step)
            x = self.relu(self.conv(x, f"{block}.conv1", norm=f"{block}.bn1", stride=step, pad=1))
            x = self.relu(self.add(self.conv(x, f"{block}.conv2", norm=f"{block}.bn2", pad=1), skip))
        return x

    def finish(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """Return the model; its outputs in the order given, its batch free."""
        import onnx
        from onnx import helper, shape_inference

        number = onnx.TensorProto.FLOAT
        free = [side or f"side_{axis}" for axis, side in enumerate(self._shape)]
        inputs = [helper.make_tensor_value_info(self.input, number, ["n", *free])]
        inputs += [helper.make_tensor_value_info(name, number, ["n", length]) for name, length in self._given.items()]
        results = [helper.make_tensor_value_info(name, number, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "net", inputs, results, self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="facevalue")
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        del model.graph.value_info[:]
        return model


def residual_shapes(counts: Sequence[int], prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Return the shapes of a ResNet of basic blocks without its head: the stem and four stages of `counts` blocks.

    Examples
    --------
    >>> residual_shapes((2, 2, 2, 2))["layer2.0.downsample.0.weight"]
    (128, 64, 1, 1)
    """
    from facevalue.models._convert.checkpoint import layer

    shapes, before = layer(f"{prefix}conv1", f"{prefix}bn1", (64, 3, 7, 7)), 64
    for stage, count in enumerate(counts):
        width = 64 << stage
        for i in range(count):
            block = f"{prefix}layer{stage + 1}.{i}"
            shapes |= layer(f"{block}.conv1", f"{block}.bn1", (width, before, 3, 3))
            shapes |= layer(f"{block}.conv2", f"{block}.bn2", (width, width, 3, 3))
            if before != width:
                shapes |= layer(f"{block}.downsample.0", f"{block}.downsample.1", (width, before, 1, 1))
            before = width
    return shapes
