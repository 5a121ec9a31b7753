"""GhostFaceNet V1 1.3-1: 512 numbers a face from few operations; as ONNX by deepface."""

from __future__ import annotations

from facevalue.image.align import arcface
from facevalue.models._card import Card, Input, Output
from facevalue.models._deepface import UNHASHED, fed_by_deepface, published
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 112
NATIVE = Card(
    "ghostfacenet",
    "embed",
    "a direction a face in 512 dimensions: the smaller the angle, the more the net takes two for one person",
    files=(published("ghostfacenet_v1.onnx"),),
    inputs=Input(SIZE, SIZE, mean=(127.5,), std=(128.0,), layout="nhwc"),
    crops=(arcface(SIZE),),
    outputs=(Output("embedding", "1", (512,)),),
    licence="MIT (the authors' weights); MS1MV3 training data: research only",
    commercial=False,
    paper="Alansari, Hay, Javed, Shoufan, Zweiri, Werghi: GhostFaceNets: Lightweight Face Recognition Model From Cheap "
    "Operations, IEEE Access 11, 2023",
    trained_on="MS1MV3, out of MS-Celeb-1M, which its maker withdrew",
    limits=("five-point crop, RGB, (x - 127.5) / 128; 99.73 % on LFW, 96.83 on CFP-FP (published)", UNHASHED),
)
CARDS = (NATIVE, fed_by_deepface(NATIVE))
