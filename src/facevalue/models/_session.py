"""ONNX Runtime, one thread a session: many small processes or batches beat threads that spin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.models._card import Input

if TYPE_CHECKING:
    import onnx

BATCH = 16
PIXELS = "pixels"


class Net:
    """One ONNX graph whose only input is RGB pixels, (n, h, w, 3) uint8.

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

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the graph's outputs for (n, h, w, 3) uint8 RGB, run in blocks of `BATCH`."""
        blocks = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)] or [pixels]
        results = [self._session.run(self._outputs, {PIXELS: np.ascontiguousarray(block)}) for block in blocks]
        return [np.concatenate(parts) for parts in zip(*results, strict=True)] if len(results) > 1 else results[0]


def on_pixels(model: onnx.ModelProto, spec: Input) -> onnx.ModelProto:
    """Return the model with its preprocessing inside: the input becomes (n, h, w, 3) uint8 RGB pixels.

    Parameters
    ----------
    model
        One input, float, laid out as `spec.layout` says; any fixed batch size is made free.
    spec
        Size, colour order, mean, standard deviation and layout.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inner = next(value.name for value in graph.input if value.name not in weights)
    colour = slice(None, None, -1) if spec.colour == "bgr" else slice(None)
    mean, std = (np.broadcast_to(np.asarray(v, np.float32), 3)[colour] for v in (spec.mean, spec.std))
    constants = {"rgb_mean": mean, "rgb_std": std, "colour_order": np.arange(3)[colour].astype(np.int64)}
    nodes, last = [helper.make_node("Cast", [PIXELS], ["pixels_float"], to=onnx.TensorProto.FLOAT)], "pixels_float"
    steps = [("Sub", "rgb_mean", mean.any()), ("Div", "rgb_std", (std != 1).any())]
    for operator, constant, needed in steps:
        if needed:
            nodes.append(helper.make_node(operator, [last, constant], [f"pixels_{operator}"]))
            last = f"pixels_{operator}"
    if spec.colour == "bgr":
        nodes.append(helper.make_node("Gather", [last, "colour_order"], ["pixels_bgr"], axis=3))
        last = "pixels_bgr"
    if spec.layout == "nchw":
        nodes.append(helper.make_node("Transpose", [last], [inner], perm=[0, 3, 1, 2]))
    else:
        nodes.append(helper.make_node("Identity", [last], [inner]))
    old = list(graph.node)
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend([*nodes, *old])
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items())
    size = ["n", spec.height or "height", spec.width or "width", 3]
    graph.input.append(helper.make_tensor_value_info(PIXELS, onnx.TensorProto.UINT8, size))
    for output in graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            dimension.Clear()
    onnx.checker.check_model(model)
    return model
