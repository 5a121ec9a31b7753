"""FSA-Net: head pose from a crop of 64 px, the mean of two nets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

URL = "https://raw.githubusercontent.com/omasaht/headpose-fsanet-pytorch/master/pretrained"
NETS = 2
SIZE = 64
# Of CenterFace's box. The nets were trained on the box around 68 points, 2.2 times as wide: about this.
SCALE = 2.0
SIGNS = np.array([1, -1, -1], np.float32)
CARDS = (
    Card(
        "fsanet",
        "pose",
        "head pose in degrees (yaw + to the viewer's left, pitch + down, roll + counter-clockwise), mean of two nets",
        files=(
            File(
                "fsanet/fsanet-1x1-iter-688590.onnx",
                f"{URL}/fsanet-1x1-iter-688590.onnx",
                "d85e90cb4b9d3a87e81bbfdcfcd130cbe0e175407042e439a570aa396c44eda6",
                1_247_488,
            ),
            File(
                "fsanet/fsanet-var-iter-688590.onnx",
                f"{URL}/fsanet-var-iter-688590.onnx",
                "2877b1db98e3dc66468e90df8db4a21059facd1c3f107af91c6d4fe6476a03e1",
                1_246_963,
            ),
        ),
        inputs=Input(SIZE, SIZE, colour="bgr", mean=(127.5,), std=(128.0,)),
        crops=(Crop("upright", SIZE, scale=SCALE),),
        outputs=(Output("yaw", "deg"), Output("pitch", "deg"), Output("roll", "deg")),
        licence="MIT (code and weights); 300W-LP training data: research only",
        commercial=False,
        paper="Yang, Chen, Lin, Chuang: FSA-Net: Learning Fine-Grained Structure Aggregation for Head Pose Estimation "
        "from a Single Image, CVPR 2019; weights by Hassan, headpose-fsanet-pytorch, 2020",
        trained_on="300W-LP",
        limits=(
            "mean absolute error yaw 4.64, pitch 6.10, roll 4.79 deg on AFLW2000, angles up to 99 deg (published)",
            "sees a square of twice the face's side: hair, hands and hats near the face count",
            "turning the photo by 40 deg turns its roll by 39 and its yaw by 4 deg (measured for this project)",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the two published graphs; they hold for any batch as they are."""
    import onnx

    return [onnx.load(path) for path in files]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `yaw`, `pitch` and `roll`, (n,) deg, for (n, 64, 64, 3) uint8 RGB.

    The nets' own pitch and roll have the opposite signs.
    """
    angles = np.mean([net(crops)[0] for net in nets], axis=0) * SIGNS
    return dict(zip(("yaw", "pitch", "roll"), angles.T, strict=True))
