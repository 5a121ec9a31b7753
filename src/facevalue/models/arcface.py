"""ArcFace: 512 numbers a face; deepface's ResNet-34, and the nets that insightface publishes."""

from __future__ import annotations

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._deepface import CONVERTED, UNHASHED, fed_by_deepface, published
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 112
PAPER = "Deng, Guo, Xue, Zafeiriou: ArcFace: Additive Angular Margin Loss for Deep Face Recognition, CVPR 2019"
ABOUT = "a direction a face in 512 dimensions: the smaller the angle, the more the net takes two for one person"
COPY = "https://github.com/yakhyo/uniface/releases/download/weights/"
LICENCE = "non-commercial research (insightface's models)"
NATIVE = Card(
    "arcface",
    "embed",
    ABOUT,
    files=(published("arcface_weights.onnx"),),
    inputs=Input(SIZE, SIZE, mean=(127.5,), std=(128.0,), layout="nhwc"),
    crops=(arcface(SIZE),),
    outputs=(Output("embedding", "1", (512,)),),
    licence=CONVERTED,
    commercial=False,
    paper=PAPER,
    trained_on="not stated by deepface",
    limits=("a ResNet-34; five-point crop, RGB, (x - 127.5) / 128", UNHASHED),
)


def _insightface(name: str, file: File, trained_on: str, *limits: str) -> Card:
    return Card(
        name,
        "embed",
        ABOUT,
        files=(file,),
        inputs=Input(SIZE, SIZE, mean=(127.5,), std=(127.5,)),
        crops=(arcface(SIZE),),
        outputs=(Output("embedding", "1", (512,)),),
        licence=LICENCE,
        commercial=False,
        paper=PAPER,
        trained_on=trained_on,
        limits=("five-point crop, RGB, (x - 127.5) / 127.5", *limits),
    )


WEBFACE = "WebFace600K, a part of WebFace260M, which is given for research only"
CARDS = (
    NATIVE,
    fed_by_deepface(NATIVE),
    _insightface(
        "arcface_r50",
        File(
            "arcface/w600k_r50.onnx",
            f"{COPY}w600k_r50.onnx",
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        ),
        WEBFACE,
        "the recogniser of insightface's buffalo_l; IJB-C 97.25 at a false match rate of 1e-4 (published)",
        "on MR-ALL 90.29 for African, 94.70 Caucasian, 93.16 South Asian and 74.96 East Asian faces (published): one "
        "threshold is not one error rate",
        "not the net that deepface calls Buffalo_L",
    ),
    _insightface(
        "arcface_mbf",
        File(
            "arcface/w600k_mbf.onnx",
            f"{COPY}w600k_mbf.onnx",
            "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        ),
        WEBFACE,
        "the recogniser of insightface's buffalo_sc, a MobileFaceNet",
    ),
    _insightface(
        "arcface_r100",
        File("arcface/glintr100.onnx", "", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
        "Glint360K, for research only",
        "bring glintr100.onnx out of antelopev2.zip, of the release v0.7 of github.com/deepinsight/insightface",
    ),
)
