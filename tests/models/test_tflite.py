"""Tiny nets, one an operator, and the four that facevalue uses: each against LiteRT."""

import numpy as np
import onnx
import onnxruntime
import pytest

from facevalue.data import fetch
from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.tflite import OPERATORS, STORAGE, read_tflite

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2}
RELU, RELU6, TANH = 1, 3, 4
SAME, VALID = 0, 1
WHEEL = "pip:mediapipe==0.10.21/mediapipe/modules"
NETS = {
    "face_landmark": ("face_landmark", "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"),
    "face_detection_short_range": (
        "face_detection",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face_detection_full_range_sparse": (
        "face_detection",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    ),
    "iris_landmark": ("iris_landmark", "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f"),
}


def tensor(model, shape, values=None):
    """Add a tensor, with its values where it is a constant, and return its number."""
    new = schema.TensorT()
    new.shape, new.name, new.buffer = list(shape), f"t{len(model.subgraphs[0].tensors)}", 0
    if values is not None:
        new.type, new.buffer = TYPES[values.dtype], len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.subgraphs[0].tensors.append(new)
    return len(model.subgraphs[0].tensors) - 1


def step(model, kind, inputs, shape, **options):
    """Add an operator whose output has this shape, and return the output's number."""
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 3 if kind == "RESIZE_BILINEAR" else 1
    operator.opcodeIndex, operator.inputs = len(model.operatorCodes), list(inputs)
    model.operatorCodes.append(code)
    table = options.pop("table", None)
    if table:
        operator.builtinOptions = getattr(schema, f"{table}T")()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        for name, value in options.items():
            setattr(operator.builtinOptions, name, value)
    operator.outputs = [tensor(model, shape)]
    model.subgraphs[0].operators.append(operator)
    return operator.outputs[0]


def opened(shape):
    """Return a model without operators, its input is tensor 0."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    graph.inputs = [tensor(model, shape)]
    return model


def closed(model, *outputs):
    """Return the model's bytes."""
    import flatbuffers

    model.subgraphs[0].outputs = list(outputs)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def one(kind, shape, result, *constants, twice=False, **options):
    """Return the bytes of a net of one operator, fed the input (twice) and constants."""
    model = opened(shape)
    stored = [tensor(model, c.shape, c) for c in constants]
    return closed(model, step(model, kind, [0, 0] if twice else [0, *stored], result, **options))


def litert(data, batch):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    rows = []
    for row in batch:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()])
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def converted(data, batch):
    graph = read_tflite(data)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))})


def agree(data, *, seed=0, limit=2e-4):
    """Compare on two random pictures at once; the limit is relative to the output's scale."""
    from tflite import Model

    graph = Model.GetRootAsModel(data, 0).Subgraphs(0)
    shape = graph.Tensors(graph.Inputs(0)).ShapeAsNumpy()[1:]
    batch = np.random.default_rng(seed).uniform(-1, 1, (2, *shape)).astype(np.float32)
    expected, got = litert(data, batch), converted(data, batch)
    assert len(expected) == len(got)
    for theirs, ours in zip(expected, got, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=limit * max(abs(theirs).max(), 1), rtol=0)


RNG = np.random.default_rng(0)
FILTERS, BIAS = RNG.normal(size=(5, 3, 3, 4)).astype(np.float32), RNG.normal(size=5).astype(np.float32)
BY_CHANNEL, BIAS8 = RNG.normal(size=(1, 3, 3, 8)).astype(np.float32), RNG.normal(size=8).astype(np.float32)
CONV = {"table": "Conv2DOptions", "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
POOL = {"table": "Pool2DOptions", "filterHeight": 3, "filterWidth": 3, "strideH": 2, "strideW": 2}
PADS = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
CHANNELS = np.array([[0, 0], [0, 0], [0, 0], [0, 16]], np.int32)
CASES = {
    "conv": one("CONV_2D", (1, 9, 8, 4), (1, 9, 8, 5), FILTERS, BIAS, **CONV, padding=SAME),
    "conv by two": one("CONV_2D", (1, 9, 8, 4), (1, 5, 4, 5), FILTERS, BIAS, **CONV | {"strideH": 2, "strideW": 2}),
    "conv valid relu6": one(
        "CONV_2D", (1, 9, 8, 4), (1, 7, 6, 5), FILTERS, BIAS, **CONV, padding=VALID, fusedActivationFunction=RELU6
    ),
    "dilated conv": one(
        "CONV_2D", (1, 9, 8, 4), (1, 9, 8, 5), FILTERS, BIAS, **CONV | {"dilationHFactor": 2, "dilationWFactor": 2}
    ),
    "depthwise": one(
        "DEPTHWISE_CONV_2D",
        (1, 8, 8, 4),
        (1, 4, 4, 8),
        BY_CHANNEL,
        BIAS8,
        **CONV | {"table": "DepthwiseConv2DOptions", "strideH": 2, "strideW": 2},
        depthMultiplier=2,
    ),
    "prelu": one("PRELU", (1, 5, 6, 4), (1, 5, 6, 4), RNG.normal(size=(1, 1, 4)).astype(np.float32)),
    "relu": one("RELU", (1, 5, 6, 4), (1, 5, 6, 4)),
    "relu6": one("RELU6", (1, 5, 6, 4), (1, 5, 6, 4)),
    "sigmoid": one("LOGISTIC", (1, 5, 6, 4), (1, 5, 6, 4)),
    "add relu": one("ADD", (1, 5, 6, 4), (1, 5, 6, 4), twice=True, table="AddOptions", fusedActivationFunction=RELU),
    "pad": one("PAD", (1, 5, 6, 4), (1, 8, 7, 4), PADS, table="PadOptions"),
    "pad channels": one("PAD", (1, 5, 6, 16), (1, 5, 6, 32), CHANNELS, table="PadOptions"),
    "pad channels in front": one("PAD", (1, 5, 6, 16), (1, 5, 6, 32), CHANNELS[:, ::-1], table="PadOptions"),
    "max pool": one("MAX_POOL_2D", (1, 9, 8, 4), (1, 5, 4, 4), **POOL, padding=SAME),
    "reshape": one("RESHAPE", (1, 2, 3, 4), (1, 6, 4), np.array([1, 6, 4], np.int32)),
    "reshape to a map": one("RESHAPE", (1, 2, 3, 4), (1, 4, 3, 2), np.array([1, 4, 3, 2], np.int32)),
    "concat": one("CONCATENATION", (1, 2, 3, 4), (1, 2, 6, 4), twice=True, table="ConcatenationOptions", axis=2),
    "concat channels": one("CONCATENATION", (1, 2, 3, 4), (1, 2, 3, 8), twice=True, table="ConcatenationOptions", axis=-1),
    "depth to space": one("DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), table="DepthToSpaceOptions", blockSize=2),
    **{
        f"resize {name}": one(
            "RESIZE_BILINEAR",
            (1, 4, 5, 3),
            (1, 9, 10, 3),
            np.array([9, 10], np.int32),
            table="ResizeBilinearOptions",
            alignCorners=name == "corners",
            halfPixelCenters=name == "half",
        )
        for name in ("half", "corners", "plain")
    },
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_equals_litert(name):
    agree(CASES[name])


def test_every_operator_has_a_case():
    from tflite import BuiltinOperator, Model

    met = {Model.GetRootAsModel(data, 0).OperatorCodes(0).BuiltinCode() for data in CASES.values()}
    assert met == {getattr(BuiltinOperator, name) for name in OPERATORS}
    assert set(STORAGE) == {"DENSIFY", "DEQUANTIZE"}


def sparse(weights, *, block):
    """Return the stored values and `SparsityParametersT` of (o, h, w, c) weights, the channels in blocks."""
    blocks = weights.reshape(-1, weights.shape[3] // block, block)
    kept = blocks.any(2)
    levels = [schema.DimensionMetadataT() for _ in range(4 + (block > 1))]
    for level, size in zip(levels[:3] + levels[4:], [*weights.shape[:3], block], strict=False):
        level.format, level.denseSize = 0, size
    levels[3].format = 1
    segments, indices = schema.Uint16VectorT(), schema.Uint8VectorT()
    segments.values = np.concatenate([[0], kept.sum(1).cumsum()]).astype(np.uint16)
    indices.values = np.nonzero(kept)[1].astype(np.uint8)
    levels[3].arraySegmentsType, levels[3].arraySegments = schema.SparseIndexVector.Uint16Vector, segments
    levels[3].arrayIndicesType, levels[3].arrayIndices = schema.SparseIndexVector.Uint8Vector, indices
    parameters = schema.SparsityParametersT()
    parameters.traversalOrder = np.arange(len(levels), dtype=np.int32)
    parameters.blockMap = np.array([3] if block > 1 else [], np.int32)
    parameters.dimMetadata = levels
    return blocks[kept].ravel(), parameters


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("block", [1, 4])
def test_sparse_and_half_weights_are_unfolded(block, half):
    weights = RNG.normal(size=(6, 1, 1, 8)).astype(np.float16 if half else np.float32)
    weights.reshape(-1, block)[RNG.random(weights.size // block) < 0.6] = 0
    values, parameters = sparse(weights, block=block)
    model = opened((1, 4, 4, 8))
    last = tensor(model, weights.shape, values)
    model.subgraphs[0].tensors[last].sparsity = parameters
    last = step(model, "DENSIFY", [last], weights.shape, table="DensifyOptions")
    if half:
        model.subgraphs[0].tensors[last].type = 1
        last = step(model, "DEQUANTIZE", [last], weights.shape, table="DequantizeOptions")
    bias = tensor(model, (6,), BIAS8[:6])
    out = step(model, "CONV_2D", [0, last, bias], (1, 4, 4, 6), **CONV)
    data = closed(model, out)
    agree(data)
    (stored,) = (w for w in read_tflite(data).graph.initializer if list(w.dims) == [6, 8, 1, 1])
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored)[:, :, 0, 0], weights[:, 0, 0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 not a net", r"expected a tflite file .* fetch the file again"),
        (one("TANH", (1, 2, 3, 4), (1, 2, 3, 4)), r"expected operators among ADD, .*, got TANH; "),
        (
            one("ADD", (1, 2, 3, 4), (1, 2, 3, 4), twice=True, table="AddOptions", fusedActivationFunction=TANH),
            r"expected the fused activation none, relu or relu6, got number 4",
        ),
        (one("DEQUANTIZE", (1, 2, 3, 4), (1, 2, 3, 4)), r"expected DEQUANTIZE of stored float weights"),
    ],
    ids=["zip", "operator", "activation", "dequantize"],
)
def test_what_cannot_be_read_is_refused_in_one_line(data, message):
    with pytest.raises(LayerMismatch, match=message) as refusal:
        read_tflite(data)
    assert "\n" not in str(refusal.value)


@pytest.mark.index
@pytest.mark.parametrize("name", NETS)
def test_a_published_net_equals_litert(name):
    folder, sha256 = NETS[name]
    path = fetch.file(f"mediapipe/{name}.tflite", url=f"{WHEEL}/{folder}/{name}.tflite", sha256=sha256)
    agree(path.read_bytes(), seed=1)
