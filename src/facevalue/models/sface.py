"""SFace: 128 numbers a face, by OpenCV's Zoo, whole or with weights of 8 bits."""

from __future__ import annotations

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._deepface import fed_by_deepface
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 112
ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models/face_recognition_sface/"


def _card(name: str, file: str, sha256: str, size: int, *limits: str) -> Card:
    return Card(
        name,
        "embed",
        "a direction a face in 128 dimensions: the smaller the angle, the more the net takes two for one person",
        files=(File(f"sface/{file}", ZOO + file, sha256, size),),
        inputs=Input(SIZE, SIZE),
        crops=(arcface(SIZE),),
        outputs=(Output("embedding", "1", (128,)),),
        licence="Apache-2.0 (weights); the paper's training data: research only",
        commercial=False,
        paper="Zhong, Deng, Hu, Zhao, Li, Wen: SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, "
        "IEEE Transactions on Image Processing 30, 2021",
        trained_on="CASIA-WebFace, VGGFace2 and MS1MV2 by turns in the paper; which of them here is not stated",
        limits=(
            "five-point crop, pixels as they are: OpenCV hands its BGR to the net as RGB, and the net scales by itself",
            "99.40 % on LFW (published); OpenCV calls a pair one person from a cosine of .363 on, without an error rate",
            *limits,
        ),
    )


NATIVE = _card(
    "sface",
    "face_recognition_sface_2021dec.onnx",
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    38_696_353,
)
CARDS = (
    NATIVE,
    fed_by_deepface(NATIVE, inputs=NATIVE.inputs),
    _card(
        "sface_int8",
        "face_recognition_sface_2021dec_int8.onnx",
        "2b0e941e6f16cc048c20aee0c8e31f569118f65d702914540f7bfdc14048d78a",
        9_896_933,
        "weights and numbers between layers rounded to 8 bits: do not compare with embeddings of the whole net",
    ),
)
