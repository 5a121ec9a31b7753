"""Eight-bit nets of one operator, each against what its numbers stand for, and against LiteRT's integers."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.quantised import plain, read_quantised

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
SAME, RELU6, SIDE = 0, 3, 6
FACTORS_AT, CONVOLVED = 8, 7
KINDS = {np.dtype(np.float32): 0, np.dtype(np.int32): 2, np.dtype(np.uint8): 3, np.dtype(np.int8): 9}


class Made:
    """A model under construction; every tensor may have a scale and a zero."""

    def __init__(self) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.buffers, self.model.operatorCodes = 3, [schema.BufferT()], []
        self.model.subgraphs = [self.graph]
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape: Any, kind: Any, scale: Any = None, zero: Any = 0, *, values: Any = None, axis: int = 0) -> int:
        new = schema.TensorT()
        new.shape, new.name, new.buffer, new.type = list(shape), f"t{len(self.graph.tensors)}", 0, KINDS[np.dtype(kind)]
        if scale is not None:
            new.quantization = schema.QuantizationParametersT()
            new.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
            new.quantization.zeroPoint = np.broadcast_to(np.asarray(zero, np.int64), new.quantization.scale.shape)
            new.quantization.quantizedDimension = axis
        if values is not None:
            new.buffer = len(self.model.buffers)
            self.model.buffers.append(schema.BufferT())
            self.model.buffers[-1].data = np.frombuffer(np.ascontiguousarray(values, kind).tobytes(), np.uint8)
        self.graph.tensors.append(new)
        return len(self.graph.tensors) - 1

    def step(self, kind: str, inputs: list[int], output: int, table: str = "", **options: Any) -> int:
        operator, code = schema.OperatorT(), schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 3 if kind.endswith("CONV_2D") else 2
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self.model.operatorCodes), inputs, [output]
        self.model.operatorCodes.append(code)
        if table:
            operator.builtinOptions = getattr(schema, f"{table}T")()
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            for name, value in options.items():
                setattr(operator.builtinOptions, name, value)
        self.graph.operators.append(operator)
        return output

    def closed(self, output: int) -> bytes:
        import flatbuffers

        self.graph.inputs, self.graph.outputs = [0], [output]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
SCALES = RNG.uniform(0.002, 0.01, 5).astype(np.float32)
BIAS = RNG.integers(-3000, 3000, 5)
FACTORS = RNG.integers(-128, 128, (SIDE, SIDE, 1))


def net() -> tuple[bytes, int]:
    """Return a net that casts, quantises, subtracts, convolves, multiplies by a map and dequantises, and its last tensor."""
    made, shape, wide = Made(), (1, SIDE, SIDE, 3), (1, SIDE, SIDE, 5)
    made.tensor(shape, np.uint8)
    real = made.step("CAST", [0], made.tensor(shape, np.float32), "CastOptions", inDataType=3, outDataType=0)
    last = made.step("QUANTIZE", [real], made.tensor(shape, np.int8, 1.0, -128), "QuantizeOptions")
    about = made.tensor((1, 1, 1, 3), np.int8, 0.5, -128, values=[[[[122, 72, 12]]]])
    last = made.step("SUB", [last, about], made.tensor(shape, np.int8, 1.0, -3), "SubOptions")
    weights = made.tensor(WEIGHTS.shape, np.int8, SCALES, values=WEIGHTS)
    bias = made.tensor((5,), np.int32, SCALES * np.float32(1.0), values=BIAS)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": SAME}
    out = made.tensor(wide, np.int8, 0.023529, -128)
    last = made.step("CONV_2D", [last, weights, bias], out, "Conv2DOptions", **options, fusedActivationFunction=RELU6)
    factors = made.tensor(FACTORS.shape, np.int8, 0.01, -28, values=FACTORS)
    last = made.step("MUL", [last, factors], made.tensor(wide, np.int8, 0.075, 0), "MulOptions")
    last = made.step("DEQUANTIZE", [last], made.tensor(wide, np.float32), "DequantizeOptions")
    return made.closed(last), last


def ours(data: bytes, outputs: list[int], batch: np.ndarray) -> list[np.ndarray]:
    graph = read_quantised(data, outputs)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32)})


def by_hand(batch: np.ndarray) -> np.ndarray:
    real = batch.astype(float) - 0.5 * np.array([250, 200, 140])
    padded = np.pad(real, ((0, 0), (1, 1), (1, 1), (0, 0)))
    weights = WEIGHTS * SCALES[:, None, None, None].astype(float)
    found = np.zeros((*batch.shape[:3], 5))
    for row, column in np.ndindex(3, 3):
        found += padded[:, row : row + SIDE, column : column + SIDE] @ weights[:, row, column].T
    return np.clip(found + BIAS * SCALES.astype(float), 0, 6) * (FACTORS + 28) * 0.01


def test_a_net_is_what_its_numbers_stand_for() -> None:
    data, last = net()
    batch = RNG.integers(0, 256, (2, SIDE, SIDE, 3))
    np.testing.assert_allclose(ours(data, [last], batch)[0], by_hand(batch), atol=2e-3)


def test_a_net_equals_integers_but_for_their_steps() -> None:
    from ai_edge_litert.interpreter import Interpreter

    data, last = net()
    picture = RNG.integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, picture)
    interpreter.invoke()
    theirs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    # a step is .075; the differences before may be cut off at the ends of the range
    inside = np.abs(picture.astype(float) - 0.5 * np.array([250, 200, 140])).max() < 125
    apart = np.abs(ours(data, [last], picture)[0] - theirs)
    assert np.quantile(apart, 0.9 if not inside else 1) < 0.15
    assert np.abs(theirs).max() > 1


def test_what_lies_behind_the_chosen_tensor_is_left_out() -> None:
    data, _ = net()
    graph = read_quantised(data, [CONVOLVED])
    assert {node.op_type for node in graph.graph.node} == {"Sub", "Conv", "Clip", "Transpose"}
    early = read_quantised(data, [2])
    assert [node.op_type for node in early.graph.node] == ["Transpose"]


def test_scales_go_along_their_axis() -> None:
    values = RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8)
    scale, zero = np.array([0.1, 0.2, 0.3]), np.array([1, 2, 3])
    found = plain(values, scale, zero, 1)
    for channel in range(3):
        np.testing.assert_allclose(found[:, channel], (values[:, channel].astype(float) - zero[channel]) * scale[channel], 1e-6)
    assert plain(values, None, zero, 0) is values


def test_what_cannot_be_read_is_refused_in_one_line() -> None:
    made = Made()
    made.tensor((1, 2, 2, 1), np.int8, 1.0)
    data = made.closed(made.step("TANH", [0], made.tensor((1, 2, 2, 1), np.int8, 1.0)))
    with pytest.raises(LayerMismatch, match=r"expected operators among .*QUANTIZE.*, got TANH; this net needs another reader"):
        read_quantised(data, [1])
    with pytest.raises(LayerMismatch, match=r"expected tensors \[7\], got a file of 2; it is another net"):
        read_quantised(data, [7])
    with pytest.raises(LayerMismatch, match=r"expected tensors \[8\] to be computed .* it is another net"):
        read_quantised(net()[0], [FACTORS_AT])
    with pytest.raises(LayerMismatch, match="expected a tflite file"):
        read_quantised(b"PK\x03\x04 not a net", [0])
