"""What models share whose net is published as ONNX and gives one embedding: how it is read, and how it is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.models._card import Card
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph, checked against its card and with its batch free.

    Raises
    ------
    LayerMismatch
        The file is not the graph that it should be.
    """
    from facevalue.models._convert.published import read_published

    return [read_published(files[0], card)]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `embedding`, (n, d), for crops, (n, h, w, 3) uint8 RGB."""
    return {"embedding": nets[0](crops)[0]}
