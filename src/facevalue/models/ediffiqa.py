"""eDifFIQA(T): how much use a face is for recognition, one number, as OpenCV's Zoo and yakhyo publish it."""

from __future__ import annotations

import numpy as np

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._published import build
from facevalue.models._session import Net

__all__ = ["CARDS", "build", "measure"]

SIZE = 112
ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models/face_image_quality_assessment_ediffiqa/"
YAKHYO = "https://github.com/yakhyo/face-image-quality-assessment/releases/download/weights/"


def _card(name: str, file: File, licence: str, *limits: str) -> Card:
    return Card(
        name,
        "quality",
        "how sure a face recogniser can be of a face, as a network predicts it that learnt from a diffusion model",
        files=(file,),
        inputs=Input(SIZE, SIZE, mean=(127.5,), std=(127.5,)),
        crops=(arcface(SIZE),),
        outputs=(Output("quality", "1"),),
        licence=licence,
        commercial=False,
        paper="Babnik, Peer, Struc: eDifFIQA: Towards Efficient Face Image Quality Assessment based on Denoising Diffusion "
        "Probabilistic Models, IEEE TBIOM 6(4), 2024",
        trained_on="VGGFace2 for the quality, a pretrained MobileFaceNet below it; both for research",
        limits=(
            "five-point crop, RGB, (x - 127.5) / 127.5; mostly over .5 on LFW, much lower on XQLFW (published figure)",
            "quality for a recogniser of faces, not beauty, and not for a person's eye",
            "taught by a recogniser: what that one finds hard, in whatever group, counts as low quality",
            "the authors align by RetinaFace; other detectors' points move the number",
            *limits,
        ),
    )


CARDS = (
    _card(
        "ediffiqa",
        File(
            "ediffiqa/ediffiqa_tiny_jun2024.onnx",
            f"{ZOO}ediffiqa_tiny_jun2024.onnx",
            "9426c899cc0f01665240cb7d9e7f98e18e24e456c178326c771a43da289bfc6a",
            7_272_678,
        ),
        "CC BY 4.0; training data for research only",
    ),
    _card(
        "ediffiqa_yakhyo",
        File(
            "ediffiqa/ediffiqa_t.onnx",
            f"{YAKHYO}ediffiqa_t.onnx",
            "7a83be63e6583ec5800fa0762e219b65b4b9f1721c4d210bfe2f16c0478832bb",
        ),
        "CC BY 4.0 (the authors' weights); training data for research only",
        "another export of the tiny net than `ediffiqa`; nobody states that the two agree",
    ),
)


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `quality`, (n,), for (n, 112, 112, 3) uint8 RGB."""
    return {"quality": nets[0](crops)[0].reshape(-1)}
