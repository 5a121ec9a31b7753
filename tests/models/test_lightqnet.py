import struct
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from facevalue.data.errors import LayerMismatch
from facevalue.image.align import cut, transforms
from facevalue.models._convert.tensorflow import read_graph, to_onnx
from facevalue.models._session import Net, on_pixels
from facevalue.models.lightqnet import CARDS, build, measure


def varint(value: int) -> bytes:
    value, out = value & (1 << 64) - 1, b""
    while value > 127:
        value, out = value >> 7, out + bytes([value & 127 | 128])
    return out + bytes([value])


def message(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(values: np.ndarray) -> bytes:
    kind = {"float32": 1, "int32": 3}[values.dtype.name]
    sides = b"".join(message(2, message(1, side)) for side in values.shape)
    return message(8, message(1, kind) + message(2, sides) + message(4, values.tobytes()))


def numbers(*values: int) -> bytes:
    return message(1, message(3, b"".join(varint(value) for value in values)))


def node(name: str, kind: str, inputs: tuple[str, ...] = (), **attributes: bytes) -> bytes:
    pairs = [message(5, message(1, key.encode()) + message(2, value)) for key, value in attributes.items()]
    names = [message(3, name.encode()) for name in inputs]
    return message(1, b"".join([message(1, name.encode()), message(2, kind.encode()), *names, *pairs]))


def text(value: str) -> bytes:
    return message(2, value.encode())


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(6)
    shapes = {"w": (3, 3, 3, 4), "d": (3, 3, 4, 2), "gamma": (4,), "beta": (4,), "mean": (4,), "var": (4,)}
    shapes |= {"fc": (8, 1), "bias": (1,)}
    values = {name: random.uniform(-0.5, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**values, "var": values["var"] ** 2 + 0.1, "to": np.array([-1, 8], np.int32)}


@pytest.fixture
def file(weights: dict[str, np.ndarray], tmp_path: Path) -> Path:
    conv = {"data_format": text("NHWC"), "dilations": numbers(1, 1, 1, 1), "padding": text("SAME")}
    nodes = [node(name, "Const", value=tensor(value)) for name, value in weights.items()]
    nodes += [
        node("input", "Placeholder"),
        node("w/read", "Identity", ("w",)),
        node("a", "Conv2D", ("input", "w/read"), strides=numbers(1, 2, 2, 1), **conv),
        node("b", "FusedBatchNorm", ("a", "gamma", "beta", "mean", "var"), epsilon=b"\x25" + struct.pack("<f", 0.01)),
        node("c", "Relu", ("b:0",)),
        node("c2", "Add", ("c", "c")),
        node("e", "DepthwiseConv2dNative", ("c2", "d"), strides=numbers(1, 1, 1, 1), **conv),
        node("p", "AvgPool", ("e",), ksize=numbers(1, 4, 4, 1), strides=numbers(1, 1, 1, 1), padding=text("VALID")),
        node("r", "Reshape", ("p", "to")),
        node("m", "MatMul", ("r", "fc")),
        node("n", "BiasAdd", ("m", "bias"), data_format=text("NHWC")),
        node("s", "Sigmoid", ("n",)),
        node("confidence_st", "Identity", ("s",)),
    ]
    path = tmp_path / "seeded.pb"
    path.write_bytes(b"".join(nodes))
    return path


def test_the_operators_equal_torch(file: Path, weights: dict[str, np.ndarray]) -> None:
    w = {name: torch.tensor(value) for name, value in weights.items()}
    pixels = np.random.default_rng(7).normal(size=(2, 3, 8, 8)).astype(np.float32)
    # TensorFlow's SAME pads an even side at stride 2 behind it only
    x = F.conv2d(F.pad(torch.tensor(pixels), (0, 1, 0, 1)), w["w"].permute(3, 2, 0, 1), stride=2)
    x = 2 * F.relu(F.batch_norm(x, w["mean"], w["var"], w["gamma"], w["beta"], eps=0.01))
    x = F.conv2d(x, w["d"].permute(2, 3, 0, 1).reshape(8, 1, 3, 3), padding=1, groups=4).mean((2, 3))
    expected = torch.sigmoid(x @ w["fc"] + w["bias"]).numpy()
    model = to_onnx(read_graph(file), "confidence_st", source=file.name)
    got = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": pixels})[0]
    assert np.abs(got - expected).max() < 1e-5


@pytest.mark.parametrize("cut_at", [1, 40, 500, -1])
def test_a_truncated_file_is_refused(file: Path, cut_at: int) -> None:
    file.write_bytes(file.read_bytes()[:cut_at])
    with pytest.raises(LayerMismatch, match=r"^seeded.pb: expected a frozen TensorFlow graph, got .*; [^\n]*$"):
        read_graph(file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 30, b"\x80\x02}q\x00."])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pb").write_bytes(content)
    with pytest.raises(LayerMismatch, match="x.pb: expected a frozen TensorFlow graph"):
        read_graph(tmp_path / "x.pb")


def test_an_unknown_operator_or_output_is_named(file: Path) -> None:
    nodes = read_graph(file)
    with pytest.raises(LayerMismatch, match="x.pb: expected a node 'quality'"):
        to_onnx(nodes, "quality", source="x.pb")
    with pytest.raises(LayerMismatch, match=r"x.pb: w/read: expected its inputs \['w'\]"):
        to_onnx(nodes[1:], "confidence_st", source="x.pb")
    file.write_bytes(node("input", "Placeholder") + node("t", "Tanh", ("input",)))
    with pytest.raises(LayerMismatch, match="x.pb: t: expected one of .*, got 'Tanh'"):
        to_onnx(read_graph(file), "t", source="x.pb")


@pytest.fixture
def net(shared: Path) -> Net:
    graph = build(CARDS[0], [shared / "models/lightqnet/lightqnet-dm100.pb"])[0]
    return Net(on_pixels(graph, CARDS[0].inputs).SerializeToString())


@pytest.mark.shared
def test_equals_the_published_conversion(shared: Path, net: Net) -> None:
    random = np.random.default_rng(8)
    coarse = random.integers(0, 256, (8, 6, 6, 3), np.uint8)
    crops = coarse.repeat(16, 1).repeat(16, 2)
    crops[4:] = random.integers(0, 256, (4, 96, 96, 3), np.uint8)
    theirs = onnxruntime.InferenceSession(str(shared / "models/lightqnet/lightqnet-dm100.onnx"))
    expected = theirs.run(None, {"input:0": (crops.astype(np.float32) - 128) / 128})[0][:, 0]
    got = measure((net,), crops)["quality"]
    assert got.shape == (8,)
    assert np.abs(got - expected).max() < 1e-5


@pytest.mark.shared
def test_quality_falls_with_blur(astronaut: np.ndarray, net: Net) -> None:
    points = np.array([[[206.3, 102.0], [247.1, 105.3], [224.8, 124.1], [206.8, 142.2], [241.0, 144.9]]])
    maps = transforms(CARDS[0].crops[0], np.zeros((1, 4)), points, shape=astronaut.shape[:2])
    crop = cut(astronaut, maps, 96)[0]
    blurred = np.stack([crop, *(cv2.GaussianBlur(crop, (0, 0), sigma) for sigma in (2, 4, 6))])
    quality = measure((net,), blurred)["quality"]
    assert quality[0] > 0.5
    assert (np.diff(quality) < 0).all()
    assert quality[-1] < 0.1
