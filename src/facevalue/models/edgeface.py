"""EdgeFace: 512 numbers a face from a small mix of convolution and attention, in four sizes."""

from __future__ import annotations

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._published import build, measure

__all__ = ["CARDS", "build", "measure"]

SIZE = 112
WEIGHTS = "https://github.com/yakhyo/edgeface-onnx/releases/download/weights/"
SUMS = {
    "xxs": ("edgeface_xxs", "dc674de4cbc77fa0bf9a82d5149558ab8581d82a2cd3bb60f28fd1a5d3ff8a2f"),
    "xs": ("edgeface_xs_gamma_06", "9206e2eb13a2761d7b5b76e13016d4b9acd3fa3535a9a09939f3adacd139a5ff"),
    "s": ("edgeface_s_gamma_05", "b850767cf791bda585600b5c4c7d7432b2f998ccd862caae34ef1afa967d2e54"),
    "base": ("edgeface_base", "b56942f072c67385f44734b9458b0ccc4a2226888a113f77e0c802ad0c77b4c3"),
}


def _card(size: str, file: str, sha256: str) -> Card:
    return Card(
        f"edgeface_{size}",
        "embed",
        "a direction a face in 512 dimensions: the smaller the angle, the more the net takes two for one person",
        files=(File(f"edgeface/{file}.onnx", f"{WEIGHTS}{file}.onnx", sha256),),
        inputs=Input(SIZE, SIZE, mean=(127.5,), std=(127.5,)),
        crops=(arcface(SIZE),),
        outputs=(Output("embedding", "1", (512,)),),
        licence="BSD-3-Clause (code); CC BY-NC-SA 4.0 (weights, as reported, not verified)",
        commercial=False,
        paper="George, Ecabert, Otroshi Shahreza, Kotwal, Marcel: EdgeFace: Efficient Face Recognition Model for Edge "
        "Devices, IEEE TBIOM 6(2), 2024",
        trained_on="WebFace260M or parts of it, given for research only",
        limits=("five-point crop, RGB, (x - 127.5) / 127.5", "as ONNX by yakhyo/edgeface-onnx, not by its authors"),
    )


CARDS = tuple(_card(size, *file) for size, file in SUMS.items())
