"""FaceNet by D. Sandberg: an Inception-ResNet of 128 or 512 numbers a face; as ONNX by deepface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facevalue.image.align import Crop
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import CONVERTED, UNHASHED, fed_by_deepface, published
from facevalue.models._published import measure

__all__ = ["CARDS", "build", "measure"]

if TYPE_CHECKING:
    import onnx

SIZE = 160
PAPER = "Schroff, Kalenichenko, Philbin: FaceNet: A Unified Embedding for Face Recognition and Clustering, CVPR 2015"
CROP = "the box and a quarter more, stretched to a square, stands for the margin of 32 px in 160 around the box of MTCNN"
FACENET = Card(
    "facenet",
    "embed",
    "a direction a face in 128 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("facenet_weights.onnx"),),
    inputs=Input(SIZE, SIZE, layout="nhwc"),
    crops=(Crop("stretched", SIZE, scale=1.25),),
    outputs=(Output("embedding", "1", (128,)),),
    licence=CONVERTED,
    commercial=False,
    paper=PAPER,
    trained_on="MS-Celeb-1M, withdrawn by its maker",
    limits=(f"{CROP}; RGB, each face whitened by its own mean and deviation", UNHASHED),
)
FACENET512 = Card(
    "facenet512",
    "embed",
    "a direction a face in 512 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("facenet512_weights.onnx"),),
    inputs=Input(SIZE, SIZE, mean=(127.5,), std=(128.0,), layout="nhwc"),
    crops=(Crop("stretched", SIZE, scale=1.25),),
    outputs=(Output("embedding", "1", (512,)),),
    licence=CONVERTED,
    commercial=False,
    paper=PAPER,
    trained_on="VGGFace2: 3.3 million photos of 9,131 people, for research",
    limits=(f"{CROP}; RGB, (x - 127.5) / 128, as its author trained the nets of 2018; older ones were whitened", UNHASHED),
)
CARDS = (FACENET, fed_by_deepface(FACENET), FACENET512, fed_by_deepface(FACENET512))


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph, (n, 160, 160, 3) to (n, 128 or 512); for `facenet` with a whitening of each face.

    Raises
    ------
    LayerMismatch
        The file is not the graph that it should be.
    """
    from facevalue.models._convert.published import read_published, whitened

    model = read_published(files[0], card)
    return [whitened(model) if card.name == FACENET.name else model]
