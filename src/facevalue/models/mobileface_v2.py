"""MobileFace Identification V2: 256 numbers a face, from a net small enough for a phone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

URL = "https://raw.githubusercontent.com/becauseofAI/MobileFace/master/MobileFace_Identification"
NAME = "MobileFace_Identification_V2"
SIZE = 112
CARDS = (
    Card(
        "mobileface_v2",
        "embed",
        "a direction a face in 256 dimensions: the smaller the angle, the more the net takes two for one person",
        files=(
            File(
                f"mobileface_v2/{NAME}-0000.params",
                f"{URL}/{NAME}-0000.params",
                "750057619a1eef8acb320339aebf0bbcf191497e1396a361c8aaba517bbe825e",
                3_582_482,
            ),
            File(
                f"mobileface_v2/{NAME}-symbol.json",
                f"{URL}/{NAME}-symbol.json",
                "9d4f776ecb40772e3eb10338319e4a10a3cd68694dc6ef4e9042c8c4141e658f",
                75_716,
            ),
        ),
        inputs=Input(SIZE, SIZE),
        crops=(arcface(SIZE),),
        outputs=(Output("embedding", "1", (256,)),),
        licence="MIT",
        paper="becauseofAI: MobileFace, github.com/becauseofAI/MobileFace, 2018",
        trained_on="not stated by its author",
        limits=(
            "99.65 % on LFW (published); .974 on grey LFW crops in two folds (measured for this project)",
            "what it was trained on is not stated: check for whom it works before you rely on it",
            "compare by the cosine: the length of an embedding is no measure of quality",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the net as float ONNX: (n, 3, 112, 112), 0..255, to (n, 256); the net scales by itself.

    Raises
    ------
    LayerMismatch
        The two files are not those of the model.
    """
    from facevalue.models._convert.mxnet import read_params, to_onnx

    weights, symbol = files
    shape = (3, SIZE, SIZE)
    return [to_onnx(json.loads(symbol.read_text()), read_params(weights), shape, source=weights.name)]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `embedding`, (n, 256), for (n, 112, 112, 3) uint8 RGB."""
    return {"embedding": nets[0](crops)[0]}
