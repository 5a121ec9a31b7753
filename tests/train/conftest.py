from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from facevalue.data.faces import Faces
from facevalue.data.photos import Photo
from facevalue.train import figures, recipe
from facevalue.train.chips import MARGIN, Chips
from facevalue.train.loop import Part
from facevalue.train.nets import Heads, Trunk
from facevalue.train.recipe import Recipe


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bootstrap of many groups end soon, where its intervals are not looked at."""
    monkeypatch.setattr(figures, "RESAMPLES", 20)


def png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def photo(pixels: np.ndarray) -> Photo:
    return Photo("photo.png", "", png(pixels))


def noise(n: int, size: int, channels: int = 3, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), np.uint8)


def write_table(path: Path, columns: Mapping[str, Sequence], pictures: Sequence[bytes] | None = None) -> Path:
    """Write labels and as many photos, of 8 px and one grey if none are given, as a parquet."""
    n = len(next(iter(columns.values())))
    pictures = [png(np.full((8, 8), 100, np.uint8))] * n if pictures is None else pictures
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, "png": pa.array(pictures, pa.binary())}), path)
    return path


def heads(
    blocks: Sequence[int] = (0, 3), *, gray: bool = False, size: int = 48, embedding: int = 0, seed: int = 0, **sizes: int
) -> Heads:
    """Return a net with seeded weights, in which every block adds little to its skip and features keep their size."""
    torch.manual_seed(seed)
    net = Heads(Trunk(blocks, gray=gray), sizes or {"a": 2, "b": 3}, size=size, embedding=embedding, mirrored=True, dropout=0.2)
    for layer in net.trunk.convolutions():
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    for block in net.trunk.residuals:
        block.second.weight.data *= 0.3
    return net.eval()


def part(n: int, *, size: int = 48, channels: int = 1, embedding: int = 0, seed: int = 0) -> Part:
    """Return chips of noise whose brightness says the label: "a" in 0 and 1."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, n)
    wide = noise(n, size + 2 * MARGIN, channels, seed=seed) // 2 + (100 * labels).astype(np.uint8)[:, None, None, None]
    plain = wide[:, MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
    inside = np.tile(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * (size + 2 * MARGIN - 1), (n, 1, 1))
    return Part(Chips(plain, wide, inside), draw.normal(0, 0.1, (n, embedding)).astype(np.float32), {"a": labels})


def figures_of(one: Recipe, faces: Faces, targets: Mapping[str, np.ndarray]) -> dict[tuple[str, str], dict]:
    """Return the rows of a recipe's figures by measure and group."""
    found = recipe._judged(one, faces, targets, study=one.name, run="run", by_group=True)
    return {(row["measure"], row["group"]): row for row in found.to_rows()}
