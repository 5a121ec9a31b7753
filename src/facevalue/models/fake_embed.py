"""A public fake that embeds: 8 numbers a face without weights, with which galleries and pairs run offline."""

from __future__ import annotations

import numpy as np

from facevalue.image import align
from facevalue.models._card import Card, Output
from facevalue.models._session import Net

CARDS = (
    Card(
        "fake_embed",
        "embed",
        "the green and the blue of the four quarters around a face: a person is a colour; for tests",
        crops=(align.Crop("upright", 32, scale=2.0),),
        outputs=(Output("embedding", "1", (8,)),),
        licence="Apache-2.0",
        limits=("knows no people",),
    ),
)


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean green and blue of each quarter, in [0, 1], and a little more, so that black has a direction too."""
    n, side = len(crops), crops.shape[1] // 2
    quarters = crops[..., 1:].reshape(n, 2, side, 2, side, 2).mean((2, 4)) / 255
    return {"embedding": (quarters.reshape(n, 8) + 0.02).astype(np.float32)}
