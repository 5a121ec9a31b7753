"""LightQNet: how much use a face is for recognition, one number in 0..1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

SIZE = 96
TEMPLATE = tuple((x * SIZE / 100, y * SIZE / 100) for x, y in ((34.19, 46.16), (65.65, 45.98), (50.12, 82.40)))
CARDS = (
    Card(
        "lightqnet",
        "quality",
        "how sure a face recogniser can be of a face (sharpness, light, pose, cover), as a network predicts it",
        files=(
            File(
                "lightqnet/lightqnet-dm100.pb",
                "https://raw.githubusercontent.com/KaenChan/lightqnet/master/lightqnet-dm100.pb",
                "057b8ea2714953b70745934bcd7a927f4676a827a55509a2adc64e7282f836f3",
                1_875_662,
            ),
        ),
        inputs=Input(SIZE, SIZE, mean=(128.0,), std=(128.0,)),
        crops=(Crop("eyes_mouth", SIZE, TEMPLATE),),
        outputs=(Output("quality", "1"),),
        licence="MIT",
        commercial=False,
        paper="Chen, Yi, Lv: LightQNet: Lightweight Deep Face Quality Assessment for Risk-Controlled Face Recognition, "
        "IEEE Signal Processing Letters 28, 2021",
        trained_on="MS1M-RetinaFace, which its makers release for research only",
        limits=(
            "mean .58 on UTKFace; .49 after a blur of 2 px, .04 after 4 px (measured for this project)",
            "quality for a recogniser of faces, not beauty, and not for a person's eye",
            "taught by a recogniser: what that one finds hard, in whatever group, counts as low quality",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the net as float ONNX: (n, 3, 96, 96) to (n, 1).

    The authors' demo feeds it BGR; it was trained on RGB (utils/imageprocessing.py of KaenChan/lightqnet-train).

    Raises
    ------
    LayerMismatch
        The file is not the frozen graph that it should be.
    """
    from facevalue.models._convert.tensorflow import read_graph, to_onnx

    return [to_onnx(read_graph(files[0]), "confidence_st", source=files[0].name)]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `quality`, (n,) in [0, 1], for (n, 96, 96, 3) uint8 RGB."""
    return {"quality": nets[0](crops)[0][:, 0]}
