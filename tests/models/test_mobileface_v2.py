import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from facevalue.data.errors import LayerMismatch
from facevalue.models._convert.mxnet import read_params, to_onnx
from facevalue.models._session import Net, on_pixels
from facevalue.models.mobileface_v2 import CARDS, build, measure

HEADS = {"now": 0xF993FAC9, "wide": 0xF993FAC8, "oldest": None}


def array(values: np.ndarray, form: str = "now") -> bytes:
    """Write one array as MXNet does: today, with 64-bit sides but no storage type, or with 32-bit sides alone."""
    kind = {"float32": 0, "float16": 2, "int64": 6}[values.dtype.name]
    sides = struct.pack(f"<{values.ndim}{'I' if form == 'oldest' else 'q'}", *values.shape)
    head = b"" if form == "oldest" else struct.pack("<I", HEADS[form])
    storage = struct.pack("<i", 0) if form == "now" else b""
    return head + storage + struct.pack("<I", values.ndim) + sides + struct.pack("<iii", 1, 0, kind) + values.tobytes()


def params(path: Path, arrays: dict[str, np.ndarray], form: str = "now") -> Path:
    body = b"".join(array(values, form) for values in arrays.values())
    names = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in arrays)
    path.write_bytes(struct.pack("<QQQ", 0x112, 0, len(arrays)) + body + struct.pack("<Q", len(arrays)) + names)
    return path


def symbol(*nodes: tuple[Any, ...]) -> dict[str, Any]:
    rows = [{"op": o, "name": n, "inputs": [[k, 0, 0] for k in i], "attrs": a} for o, n, i, a in nodes]
    return {"nodes": rows, "heads": [[len(rows) - 1, 0, 0]]}


SMALL = symbol(
    ("null", "data", (), {}),
    ("_minus_scalar", "m", (0,), {"scalar": "127.5"}),
    ("_mul_scalar", "s", (1,), {"scalar": "0.0078125"}),
    ("null", "c_weight", (), {}),
    ("null", "c_bias", (), {}),
    ("Convolution", "c", (2, 3, 4), {"kernel": "(3, 3)", "num_filter": "4", "pad": "(1, 1)", "stride": "(2, 2)"}),
    ("null", "b_gamma", (), {}),
    ("null", "b_beta", (), {}),
    ("null", "b_moving_mean", (), {}),
    ("null", "b_moving_var", (), {}),
    ("BatchNorm", "b", (5, 6, 7, 8, 9), {"fix_gamma": "False"}),
    ("_maximum_scalar", "max", (10,), {"scalar": "0"}),
    ("_minimum_scalar", "min", (11,), {"scalar": "6"}),
    ("null", "d_weight", (), {}),
    (
        "Convolution",
        "d",
        (12, 13),
        {"kernel": "(3, 3)", "num_filter": "4", "pad": "(1, 1)", "num_group": "4", "no_bias": "True"},
    ),
    ("elemwise_add", "add", (12, 14), {}),
    ("Flatten", "f", (15,), {}),
    ("null", "fc_weight", (), {}),
    ("FullyConnected", "fc", (16, 17), {"num_hidden": "5", "no_bias": "True"}),
)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    shapes = {"arg:c_weight": (4, 3, 3, 3), "arg:c_bias": (4,), "arg:b_gamma": (4,), "arg:b_beta": (4,)}
    shapes |= {
        "aux:b_moving_mean": (4,),
        "aux:b_moving_var": (4,),
        "arg:d_weight": (4, 1, 3, 3),
        "arg:fc_weight": (5, 64),
    }
    return {name: random.uniform(0.2, 1, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("form", HEADS)
def test_every_form_of_the_file_is_read(tmp_path: Path, arrays: dict[str, np.ndarray], form: str) -> None:
    arrays["arg:half"] = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    arrays["arg:whole"] = np.arange(3)
    got = read_params(params(tmp_path / "x.params", arrays, form))
    assert list(got) == [name[4:] for name in arrays]
    for name, values in arrays.items():
        assert got[name[4:]].dtype == values.dtype
        assert np.array_equal(got[name[4:]], values)


def test_the_operators_equal_torch(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    w = {name[4:]: torch.tensor(values) for name, values in arrays.items()}
    model = to_onnx(SMALL, read_params(params(tmp_path / "x.params", arrays)), (3, 8, 8), source="x.params")
    pixels = np.random.default_rng(4).uniform(0, 255, (2, 3, 8, 8)).astype(np.float32)
    x = F.conv2d((torch.tensor(pixels) - 127.5) / 128, w["c_weight"], w["c_bias"], stride=2, padding=1)
    x = F.batch_norm(x, w["b_moving_mean"], w["b_moving_var"], w["b_gamma"], w["b_beta"], eps=1e-3).clamp(0, 6)
    x = x + F.conv2d(x, w["d_weight"], padding=1, groups=4)
    expected = (x.flatten(1) @ w["fc_weight"].T).numpy()
    got = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": pixels})[0]
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("cut", [0, 10, 30, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], cut: int) -> None:
    path = params(tmp_path / "x.params", arrays)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(LayerMismatch, match=r"^x.params: expected .* at byte \d+ of \d+; [^\n]*$"):
        read_params(path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.params").write_bytes(b"\x80\x02}q\x00." * 50)
    with pytest.raises(LayerMismatch, match="expected the number 0x112"):
        read_params(tmp_path / "x.params")


def test_weights_of_another_model_are_named(arrays: dict[str, np.ndarray]) -> None:
    weights = {name[4:]: values for name, values in arrays.items()}
    strange = {**weights, "z_weight": weights["c_bias"]}
    del strange["b_beta"]
    with pytest.raises(LayerMismatch, match=r"x: .*missing \['b_beta'\], too many \['z_weight'\]"):
        to_onnx(SMALL, strange, (3, 8, 8), source="x")
    with pytest.raises(LayerMismatch, match=r"x: c: expected shape \(4, 2, 3, 3\), got \(3, 2, 3, 3\)"):
        to_onnx(SMALL, {**weights, "c_weight": weights["c_weight"][:3, :2]}, (3, 8, 8), source="x")
    other = symbol(("null", "data", (), {}), ("Softmax", "s", (0,), {}))
    with pytest.raises(LayerMismatch, match="x: s: expected one of .*, got 'Softmax'"):
        to_onnx(other, {}, (3, 8, 8), source="x")


@pytest.mark.shared
def test_equals_the_published_conversion(shared: Path) -> None:
    folder = shared / "models/mobileface_v2"
    files = [folder / file.name for file in CARDS[0].files]
    net = Net(on_pixels(build(CARDS[0], files)[0], CARDS[0].inputs).SerializeToString())
    crops = np.random.default_rng(5).integers(0, 256, (6, 112, 112, 3), np.uint8)
    got = measure((net,), crops)["embedding"]
    theirs = onnxruntime.InferenceSession(str(folder / "mobileface_V2.onnx"))
    expected = theirs.run(None, {"input": crops.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    assert got.shape == (6, 256)
    assert np.abs(got - expected).max() < 1e-4
    assert np.abs(got[2:3] - measure((net,), crops[2:3])["embedding"]).max() < 1e-4


@pytest.mark.shared
def test_the_params_belong_to_the_symbol(shared: Path) -> None:
    folder = shared / "models/mobileface_v2"
    weights = read_params(folder / CARDS[0].files[0].name)
    nodes = json.loads((folder / CARDS[0].files[1].name).read_text())["nodes"]
    assert set(weights) == {node["name"] for node in nodes if node["op"] == "null"} - {"data"}
