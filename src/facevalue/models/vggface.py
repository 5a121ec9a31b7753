"""VGG-Face: 4,096 numbers a face, the oldest of the deep descriptors here; as ONNX by deepface."""

from __future__ import annotations

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import UNHASHED, fed_by_deepface, published
from facevalue.models._published import build
from facevalue.models._session import Net

__all__ = ["CARDS", "build", "measure"]

SIZE, LENGTH = 224, 4096
NATIVE = Card(
    "vggface",
    "embed",
    "a direction a face in 4,096 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("vgg_face_weights.onnx"),),
    inputs=Input(SIZE, SIZE, "bgr", mean=(93.594, 104.7624, 129.1863), layout="nhwc"),
    crops=(Crop("upright", SIZE, scale=1.1),),
    outputs=(Output("embedding", "1", (LENGTH,)),),
    licence="non-commercial research (the authors' weights); the conversion unproven",
    commercial=False,
    paper="Parkhi, Vedaldi, Zisserman: Deep Face Recognition, BMVC 2015",
    trained_on="VGG-Face: 2.6 million photos of 2,622 celebrities from the web",
    limits=(
        "the box and a tenth more, upright, stands for the authors' crop, BGR minus their means; published papers differ on "
        "whether the net was made for BGR or RGB, and no photo was measured with the real weights for this project",
        "embeddings have length 1, as deepface gives them",
        "celebrities of the web, mostly white: check for whom it works before you rely on it",
        UNHASHED,
    ),
)
CARDS = (NATIVE, fed_by_deepface(NATIVE))


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `embedding`, (n, 4096) of length 1, for (n, 224, 224, 3) uint8 RGB."""
    raw = nets[0](crops)[0]
    return {"embedding": raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), np.finfo(np.float32).tiny)}
