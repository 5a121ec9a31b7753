"""DeepFace by Facebook, rebuilt and trained by S. Ghosh: 4,096 numbers a face; as ONNX by deepface, the package."""

from __future__ import annotations

from facevalue.image.align import Crop
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import CONVERTED, UNHASHED, fed_by_deepface, published
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 152
NATIVE = Card(
    "deepface",
    "embed",
    "a direction a face in 4,096 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("VGGFace2_DeepFace_weights_val-0.9034.onnx"),),
    inputs=Input(SIZE, SIZE, std=(255.0,), layout="nhwc"),
    crops=(Crop("letterbox", SIZE),),
    outputs=(Output("embedding", "1", (4096,)),),
    licence=CONVERTED,
    commercial=False,
    paper="Taigman, Yang, Ranzato, Wolf: DeepFace: Closing the Gap to Human-Level Performance in Face Verification, "
    "CVPR 2014; trained anew by github.com/swghosh/DeepFace",
    trained_on="VGGFace2: 3.3 million photos of 9,131 people, for research",
    limits=(
        "RGB in [0, 1]; the box, turned until the eyes are level, with its aspect kept and black around it stands for "
        "VGGFace2's looser crops, which were not turned but padded likewise in training; the paper's alignment in three "
        "dimensions was never part of these weights",
        "its numbers are not those of the paper, whose weights were never published",
        UNHASHED,
    ),
)
CARDS = (NATIVE, fed_by_deepface(NATIVE))
