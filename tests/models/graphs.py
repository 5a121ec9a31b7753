"""Small ONNX graphs of a detector's shape, whose outputs a test sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def write_graph(path: Path, outputs: Mapping[str, np.ndarray], *, side: int = 640, batch: int = 1) -> Path:
    """Write a graph of (batch, 3, side, side) that gives constants, the first pixel's first channel / 1e6 added to each."""
    nodes = [
        helper.make_node("Slice", ["input", "zero", "one", "axes"], ["pixel"]),
        helper.make_node("ReduceSum", ["pixel"], ["whole"], keepdims=0),
        helper.make_node("Mul", ["whole", "tiny"], ["little"]),
    ]
    constants = {"zero": np.zeros(3, np.int64), "one": np.ones(3, np.int64), "axes": np.arange(1, 4)}
    constants |= {"tiny": np.array(1e-6, np.float32)} | {f"{name}_set": v.astype(np.float32) for name, v in outputs.items()}
    nodes += [helper.make_node("Add", [f"{name}_set", "little"], [name]) for name in outputs]
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("input", number, [batch, 3, side, side])],
        [helper.make_tensor_value_info(name, number, values.shape) for name, values in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
