from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from facevalue import models
from facevalue.data import fetch
from facevalue.data.errors import LayerMismatch
from facevalue.models._session import Net, on_pixels
from facevalue.models.dlib_resnet import CARDS, FILTERS, HALVING, WIDTHS, build, measure

SIZE = 150
STRIDED = {1 + 2 * block for block in HALVING}


def packed(*values: int) -> bytes:
    """Write integers as dlib does: one byte that counts, then the bytes, lowest first."""
    parts = []
    for value in values:
        size = max(1, (value.bit_length() + 7) // 8)
        parts.append(bytes([size]) + value.to_bytes(size, "little"))
    return b"".join(parts)


def tensor(values: np.ndarray, *shape: int) -> bytes:
    return packed(2, *shape) + values.astype("<f4").tobytes()


def convolution(i: int, weights: np.ndarray, bias: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> bytes:
    stride, padding = (2, 0) if i == 0 or i in STRIDED else (1, 1)
    values = np.concatenate([weights.ravel(), bias])
    con = b"\x01\x05con_4" + tensor(values, len(values), 1, 1, 1)
    con += packed(len(weights), *weights.shape[2:], stride, stride, padding, padding)
    affine = np.concatenate([gain, offset])
    return con + b"\x01\x03xyz\x01\x07affine_" + tensor(affine, len(affine), 1, 1, 1) + b"\x01\x05relu_"


@pytest.fixture(scope="module")
def weights() -> list[tuple[np.ndarray, ...]]:
    random, channels, layers = np.random.default_rng(1), 3, []
    for i, filters in enumerate(FILTERS):
        kernel = 7 if i == 0 else 3
        spread = np.sqrt(1 / (channels * kernel * kernel))
        values = random.normal(0, spread, (filters, channels, kernel, kernel)), random.normal(0, 0.1, filters)
        layers.append((*values, random.uniform(0.5, 1, filters), random.normal(0, 0.1, filters)))
        channels = filters
    return [*layers, (random.normal(0, 1 / 16, (256, 128)),)]


@pytest.fixture
def file(weights: list[tuple[np.ndarray, ...]], tmp_path: Path) -> Path:
    path = tmp_path / "seeded.dat"
    body = b"".join(convolution(i, *layer) for i, layer in enumerate(weights[:-1]))
    last = b"\x01\x04fc_2" + packed(128, 256) + tensor(weights[-1][0], 256, 128, 1, 1)
    path.write_bytes(b"\x01\x01loss_metric_2" + body + last + packed(1, 2, 3))
    return path


def forward(weights: list[tuple[np.ndarray, ...]], chips: np.ndarray) -> np.ndarray:
    """Run the net in torch, layer by layer as dlib's file names them, the affine apart."""
    tensors = [[torch.tensor(value, dtype=torch.float64) for value in layer] for layer in weights]
    mean = torch.tensor([122.782, 117.001, 104.298]).double()[:, None, None]

    def layer(x: torch.Tensor, i: int) -> torch.Tensor:
        w, b, gain, offset = tensors[i]
        stride, padding = (2, 0) if i == 0 or i in STRIDED else (1, 1)
        x = F.conv2d(x, w, b, stride=stride, padding=padding)
        return x * gain[:, None, None] + offset[:, None, None]

    x = (torch.tensor(chips.transpose(0, 3, 1, 2)).double() - mean) / 256
    x = F.max_pool2d(F.relu(layer(x, 0)), 3, 2)
    for block in range(len(WIDTHS)):
        y = layer(F.relu(layer(x, 1 + 2 * block)), 2 + 2 * block)
        x = F.avg_pool2d(x, 2, 2) if block in HALVING else x
        total = torch.zeros([len(x), *np.maximum(x.shape[1:], y.shape[1:])]).double()
        for part in (x, y):
            total[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
        x = F.relu(total)
    return (x.mean((2, 3)) @ tensors[-1][0]).numpy()


def opened(path: Path) -> Net:
    return Net(on_pixels(build(CARDS[0], [path])[0], CARDS[0].inputs).SerializeToString())


def test_equals_a_plain_torch_net(file: Path, weights: list[tuple[np.ndarray, ...]]) -> None:
    chips = np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    expected = forward(weights, chips)
    got = measure((opened(file),), chips)["embedding"]
    assert got.shape == (3, 128)
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("share", [0.0001, 0.002, 0.1, 0.5, 0.9, 0.997])
def test_a_truncated_file_names_the_layer_and_the_byte(file: Path, share: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(
        LayerMismatch, match=r"^seeded.dat: (convolution \d+ of 29|the last layer): .* at byte \d+ of \d+; [^\n]*$"
    ):
        build(CARDS[0], [file])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 1000, b"\x01\x05con_4" + b"\xff" * 50, b"\x01\x05con_4\x01\x02"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.dat"
    path.write_bytes(content)
    with pytest.raises(LayerMismatch, match="foreign.dat: convolution 0 of 29"):
        build(CARDS[0], [path])


def test_another_net_of_dlib_is_refused(tmp_path: Path, weights: list[tuple[np.ndarray, ...]]) -> None:
    path = tmp_path / "other.dat"
    path.write_bytes(b"".join(convolution(i, *weights[i]) for i in (0, 1, 2, 9)))
    with pytest.raises(LayerMismatch, match="convolution 3 of 29: expected 32 filters over 32 channels, got 64"):
        build(CARDS[0], [path])


@pytest.mark.index
@pytest.mark.shared
def test_equals_dlib_on_london_chips(shared: Path) -> None:
    dlib = pytest.importorskip("dlib")
    photos = sorted((shared / "data/london/photos").rglob("*.jpg"))[::20][:10]
    middles = [cv2.imread(str(path))[200:700, 200:700, ::-1] for path in photos]
    chips = np.stack([cv2.resize(middle, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for middle in middles])
    model = models.load("dlib_resnet")
    theirs = dlib.face_recognition_model_v1(str(fetch.cache() / model.card.files[0].path))
    expected = np.array([theirs.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])
    together = model(chips)["embedding"]
    apart = np.concatenate([model(chip[None])["embedding"] for chip in chips])
    assert np.abs(together - expected).max() < 1e-5
    assert np.abs(together - apart).max() < 1e-5
