"""Our own expression: how ten raters would share their votes over eight emotions, out of one small net, calibrated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import dlib_chip
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net
from facevalue.models.dmue import LABELS

if TYPE_CHECKING:
    import onnx

SIZE, PADDING = 96, 0.2
CARDS = (
    Card(
        "expression",
        "expression",
        "perceived expression: the shares that eight emotions would get of ten raters' votes, with a set for the majority",
        files=(
            File(
                "facevalue/expression.onnx",
                "package:models/_weights/expression.onnx",
                "660247b60486cb458e360f3126b1d0199011198989a9f627221dda5f652e40be",
                3_332_794,
            ),
            File(
                "facevalue/expression.json",
                "package:models/_weights/expression.json",
                "2a9ed0905d543fbd4b31d983a0a2311dc008664097aec9f51a72c132069c1e8e",
                25_068,
            ),
        ),
        inputs=Input(SIZE, SIZE),
        crops=(dlib_chip(SIZE, PADDING),),
        outputs=(
            Output("votes", "p", (8,), LABELS),
            Output("votes_set", "1", (8,), LABELS),
            Output("entropy", "bits"),
            Output("distance", "1"),
        ),
        needs=("mesh", "pose", "quality"),
        licence="FER+ labels: MIT; their photos, FER2013: research only, no commercial use; trunk started from dlib's (CC0)",
        commercial=False,
        paper="facevalue's own: `facevalue train expression`; data: Barsoum, Zhang, Canton Ferrer, Zhang, ICMI 2016 (FER+)",
        trained_on="FER+: 21,027 gray faces of 48 px, ten raters' votes each; before that dlib's",
        limits=(
            "what raters saw in a photo, not what a person felt",
            "contempt, disgust (1 % of FER+'s faces or less) and fear (2 %) are seldom found, and their shares rest on few",
            "a smile with closed lips passes for neutral: of 102 people asked to smile (London set) .618 are likelier Happy "
            "than Neutral, though every one is happier than their own neutral photo",
            "its entropy holds its own doubt beside the raters': 1.1 bits on average for their .7",
            "it looks at luminance alone, and was trained on faces of 48 px found by web searches for emotion words",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the graph that the recipe exported."""
    import onnx

    return [onnx.load(files[0])]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return votes (n, 8), which sum to 1, their entropy (n,) in bits, `-sum p log2 p`, and distance (n,)."""
    votes, distance = nets[0](crops)
    return {"votes": votes, "entropy": -(votes * np.log2(np.maximum(votes, 1e-12))).sum(1), "distance": distance}
