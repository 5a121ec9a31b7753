"""Published ONNX files, read as data: input and output are checked against the card, and the batch is made free."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.models._card import Card

if TYPE_CHECKING:
    import onnx

INITIALISERS_APART = 4


def read_published(path: Path, card: Card) -> onnx.ModelProto:
    """Return a published graph as the card describes it: one float input in the card's layout, any number of faces.

    Initialisers leave the inputs, an input of the other layout or of another number type gets a node in front, a fixed
    batch is made free, and the numbers a face of the first output are compared with the card's first output.

    Parameters
    ----------
    path
        The file; its weights must lie inside it.
    card
        The model: `inputs` (height, width, layout) and `outputs[0].shape`.

    Raises
    ------
    LayerMismatch
        The file is no ONNX graph, or not that of the model.
    """
    model = parsed(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(value.name for value in inputs) or "none"
        raise _mismatch(path, card, "one input, the pixels, and an output", f"{len(inputs)} inputs ({names})")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, INITIALISERS_APART)
    batch = _fit_input(model, path, card)
    if batch:
        _free(model, batch)
    _check_output(model, path, card)
    return model


def _mismatch(path: Path, card: Card, expected: str, got: str) -> LayerMismatch:
    return LayerMismatch(
        f"{path.name} is not {card.name}'s: expected {expected}, got {got}; bring the file that the card names"
    )


def parsed(path: Path) -> onnx.ModelProto:
    """Return the file's graph without looking at any other file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise LayerMismatch(f"{path.name}: expected an ONNX graph, got other bytes ({error}); fetch it again") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise LayerMismatch(f"{path.name}: expected all weights inside, got names of other files; bring one whole file")
    return model


def _fit_input(model: onnx.ModelProto, path: Path, card: Card) -> int:
    """Lead pixels in the card's layout to the file's input; return the file's fixed batch, 0 where it is free."""
    import onnx
    from onnx import helper

    spec, value = card.inputs, model.graph.input[0]
    assert spec is not None
    kind = value.type.tensor_type.elem_type
    dimensions = [int(d.dim_value) for d in value.type.tensor_type.shape.dim]
    shapes = {"nchw": [3, spec.height, spec.width], "nhwc": [spec.height, spec.width, 3]}
    order = [spec.layout, *(layout for layout in shapes if layout != spec.layout)]
    layout = next((name for name in order if _may_be(dimensions[1:], shapes[name])), None)
    if layout is None or len(dimensions) != 4:
        expected = f"(n, {', '.join(map(str, shapes[spec.layout]))}) pixels"
        raise _mismatch(path, card, expected, f"{tuple(dimensions)} (0: any)")
    nodes, name = [], value.name
    if kind != onnx.TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", ["pixels_kind"], [name], to=kind))
        name = "pixels_kind"
    if layout != spec.layout:
        order_of_axes = [0, 3, 1, 2] if layout == "nchw" else [0, 2, 3, 1]
        nodes.append(helper.make_node("Transpose", ["pixels_layout"], [name], perm=order_of_axes))
        name = "pixels_layout"
    old = list(model.graph.node)
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend([*reversed(nodes), *old])
    model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *shapes[spec.layout]]))
    return dimensions[0]


def _may_be(dimensions: list[int], shape: list[int]) -> bool:
    """Return whether the dimensions, 0 where any goes, can be the shape."""
    return len(dimensions) == len(shape) and all(d in (0, side) for d, side in zip(dimensions, shape, strict=True))


def _free(model: onnx.ModelProto, batch: int) -> None:
    """Let every Reshape of pixels that begins with the file's fixed batch begin with any number of faces."""
    from onnx import numpy_helper

    graph = model.graph
    known = {tensor.name: tensor for tensor in graph.initializer}
    known |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"}
    moving = {value.name for value in graph.input}
    for node in graph.node:
        if moving.isdisjoint(node.input):
            continue
        moving.update(node.output)
        if node.op_type == "Reshape" and node.input[0] in moving and node.input[1] in known:
            shape = numpy_helper.to_array(known[node.input[1]]).copy()
            if len(shape) and shape[0] == batch:
                shape[0] = 0 if -1 in shape else -1
                name = f"{node.output[0]}_free"
                graph.initializer.append(numpy_helper.from_array(shape.astype(np.int64), name))
                node.input[1] = name


def _check_output(model: onnx.ModelProto, path: Path, card: Card) -> None:
    """Forget the shapes that the file states, infer them anew, and compare the first output's."""
    import onnx

    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model).graph.output
    for output, known in zip(model.graph.output, inferred, strict=True):
        output.type.tensor_type.shape.CopyFrom(known.type.tensor_type.shape)
    first, width = inferred[0].type.tensor_type, math.prod(card.outputs[0].shape)
    sides = [d.dim_value for d in first.shape.dim]
    expected = f"(n, {width}) for the first output"
    if all(sides[1:]) and sides and math.prod(sides[1:]) != width:
        raise _mismatch(path, card, expected, f"{tuple(sides)} (0: any)")
    if sides and sides[0]:
        raise _mismatch(path, card, f"any number n of faces, {expected}", f"a graph made for {sides[0]}")


def whitened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that whitens each face before anything else: (x - mean) / max(std, 1 / sqrt(size)).

    Mean and standard deviation are over all pixels and channels of one face; size is their number.

    Parameters
    ----------
    model
        Its one input (n, 3, h, w) or (n, h, w, 3) float.

    References
    ----------
    Schroff, Kalenichenko, Philbin: FaceNet, CVPR 2015, by its implementation in TensorFlow (`prewhiten`).
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    inner = graph.input[0].name
    sides = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:]
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    constants = {"white_axes": np.array([1, 2, 3]), "white_least": np.float32(1 / math.sqrt(math.prod(sides)))}
    by_input = opset >= 18

    def mean(x: str, to: str) -> onnx.NodeProto:
        if by_input:
            return helper.make_node("ReduceMean", [x, "white_axes"], [to], keepdims=1)
        return helper.make_node("ReduceMean", [x], [to], axes=[1, 2, 3], keepdims=1)

    nodes = [mean("unwhitened", "white_mean"), helper.make_node("Sub", ["unwhitened", "white_mean"], ["white_about"])]
    nodes += [helper.make_node("Mul", ["white_about"] * 2, ["white_square"]), mean("white_square", "white_variance")]
    nodes += [helper.make_node("Sqrt", ["white_variance"], ["white_std"])]
    nodes += [helper.make_node("Max", ["white_std", "white_least"], ["white_by"])]
    nodes += [helper.make_node("Div", ["white_about", "white_by"], [inner])]
    used = list(constants)[0 if by_input else 1 :]
    graph.initializer.extend(numpy_helper.from_array(np.asarray(constants[name]), name) for name in used)
    old = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *old])
    graph.input[0].name = "unwhitened"
    return model
