"""ONNX Runtime, one thread a session: many small processes or batches beat threads that spin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.models._card import Input

if TYPE_CHECKING:
    import onnx

BATCH = 8
PIXELS = "pixels"


class Net:
    """One ONNX graph whose input is RGB pixels, (n, h, w, 3) uint8, and at most some numbers beside them.

    Parameters
    ----------
    model
        Path of an ONNX file, or its bytes.
    threads
        Of one operator.
    """

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, pixels: np.ndarray, **given: np.ndarray) -> list[np.ndarray]:
        """Return the graph's outputs for (n, h, w, 3) uint8 RGB and its other inputs, run in blocks of `BATCH`."""
        inputs = {PIXELS: pixels, **given}
        starts = range(0, len(pixels), BATCH) or [0]
        blocks = [{name: np.ascontiguousarray(v[start : start + BATCH]) for name, v in inputs.items()} for start in starts]
        results = [self._session.run(self._outputs, block) for block in blocks]
        return [np.concatenate(parts) for parts in zip(*results, strict=True)] if len(results) > 1 else results[0]


def on_pixels(model: onnx.ModelProto, spec: Input) -> onnx.ModelProto:
    """Return the model with its preprocessing inside: the input becomes (n, h, w, 3) uint8 RGB pixels.

    Parameters
    ----------
    model
        Its first input float pixels, laid out as `spec.layout` says; any fixed batch size is made free.
    spec
        Size, colour order, mean, standard deviation and layout.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    used = {name for node in graph.node for name in node.input} - weights
    inner, *others = [value for value in graph.input if value.name in used]
    channels = (3, 1, 1) if spec.layout == "nchw" else (3,)
    mean, std = (np.broadcast_to(np.asarray(v, np.float32), 3).reshape(channels) for v in (spec.mean, spec.std))
    steps: list[tuple[str, np.ndarray | None, bool, dict[str, Any]]]
    steps = [("Transpose", None, spec.layout == "nchw", {"perm": [0, 3, 1, 2]})]
    steps += [("Gather", np.array([2, 1, 0]), spec.colour == "bgr", {"axis": 1 if spec.layout == "nchw" else 3})]
    steps += [("Cast", None, True, {"to": onnx.TensorProto.FLOAT})]
    steps += [("Sub", mean, bool(mean.any()), {}), ("Div", std, bool((std != 1).any()), {})]
    nodes, last = [], PIXELS
    for operator, constant, needed, attributes in steps:
        if needed:
            given = [last] if constant is None else [last, f"pixels_{operator}_by"]
            last = f"pixels_{operator}"
            nodes.append(helper.make_node(operator, given, [last], **attributes))
            if constant is not None:
                graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(constant), given[1]))
    nodes[-1].output[0] = inner.name
    old = list(graph.node)
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend([*nodes, *old])
    size = ["n", spec.height or "height", spec.width or "width", 3]
    graph.input.extend([helper.make_tensor_value_info(PIXELS, onnx.TensorProto.UINT8, size), *others])
    for output in graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            dimension.Clear()
    onnx.checker.check_model(model)
    return model
