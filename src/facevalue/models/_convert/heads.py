"""Graphs of detectors as their authors published them, checked by what their heads give out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.published import parsed

if TYPE_CHECKING:
    import onnx

# From this version of the format on, weights need not be listed as inputs.
FREE_WEIGHTS = 4


def read_heads(path: Path, widths: Sequence[int], *, axis: int = -1, names: Sequence[str] = ()) -> onnx.ModelProto:
    """Return a published graph after checking its outputs.

    Parameters
    ----------
    path
        The file; its weights must lie inside it.
    widths
        What each output has along `axis`, in order; a side that the file leaves free passes.
    axis
        The axis checked.
    names
        The outputs' names, where the authors gave them lasting ones.

    Raises
    ------
    LayerMismatch
        The file is no ONNX, or its outputs are not those.
    """
    model = parsed(path)
    outputs = [output.name for output in model.graph.output]
    if names and outputs != list(names):
        raise LayerMismatch(f"{path.name}: expected outputs {list(names)}, got {outputs}; fetch the file again")
    came = [_width(output, axis) for output in model.graph.output]
    if len(came) != len(widths) or any(side not in (0, width) for side, width in zip(came, widths, strict=True)):
        raise LayerMismatch(f"{path.name}: expected outputs of widths {list(widths)}, got {came}; fetch the file again")
    model.ir_version = max(model.ir_version, FREE_WEIGHTS)
    return model


def _width(output: onnx.ValueInfoProto, axis: int) -> int:
    """Return the size along an axis, 0 where the file leaves it free, -1 where the output has no such axis."""
    kind = output.type.tensor_type
    if not kind.HasField("shape"):
        return 0
    sides = [int(side.dim_value) for side in kind.shape.dim]
    return sides[axis] if -len(sides) <= axis < len(sides) else -1
