"""AdaFace: 512 numbers a face, and the length of the raw feature, which falls with the quality of the photo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import arcface
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._deepface import fed_by_deepface
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

SIZE = 112
WEIGHTS = "https://github.com/yakhyo/adaface-onnx/releases/download/weights/"
SUMS = {
    "ir18": ("adaface_ir_18", "6b6a35772fb636cdd4fa86520c1a259d0c41472a76f70f802b351837a00d9870"),
    "ir50": ("adaface_ir_50", "9c0ae385d7362323c92d218de598d32e52a9130b78faac6a8a924091aca62c0b"),
    "ir101": ("adaface_ir_101", "f2eb07d03de0af560a82e1214df799fec5e09375d43521e2868f9dc387e5a43e"),
}
TRAINED_ON = {
    "ir18": "WebFace4M, a part of WebFace260M, which is given for research only",
    "ir50": "WebFace4M, a part of WebFace260M, which is given for research only",
    "ir101": "WebFace12M, a part of WebFace260M, which is given for research only",
}
PUBLISHED = {
    "ir18": "LFW 99.53, IJB-C 94.99 at a false match rate of 1e-4 (published)",
    "ir50": "the authors' IR-50 of another training (MS1MV2) gives .7334, -.0655 and -.0277 on their three photos",
    "ir101": "LFW 99.82, CFP-FP 99.26, AgeDB 98.00, IJB-C 97.66 at a false match rate of 1e-4 (published)",
}


def _card(name: str) -> Card:
    file, sha256 = SUMS[name]
    return Card(
        f"adaface_{name}",
        "embed",
        "a direction a face in 512 dimensions: the smaller the angle, the more the net takes two for one person; and the "
        "length of the raw feature, which falls with the quality of the photo",
        files=(File(f"adaface/{file}.onnx", f"{WEIGHTS}{file}.onnx", sha256),),
        inputs=Input(SIZE, SIZE, "bgr", mean=(127.5,), std=(127.5,)),
        crops=(arcface(SIZE),),
        outputs=(Output("embedding", "1", (512,)), Output("norm", "1")),
        licence="MIT (code and weights); WebFace training data: non-commercial",
        commercial=False,
        paper="Kim, Jain, Liu: AdaFace: Quality Adaptive Margin for Face Recognition, CVPR 2022",
        trained_on=TRAINED_ON[name],
        limits=(
            "five-point crop, BGR, (x / 255 - .5) / .5; the re-releases in CVLface want RGB",
            PUBLISHED[name],
            "no file's norms were looked at for this project: where all are 1, the file gives unit vectors, and no quality",
            "as ONNX by yakhyo/adaface-onnx, not by its authors",
        ),
    )


def _as_in_face_similarity(card: Card) -> Card:
    """Return the card as the program face-similarity feeds it, through the package deepface."""
    fed = fed_by_deepface(card)
    return replace(fed, limits=(*fed.limits, "deepface itself has no AdaFace: the program face-similarity brought it"))


CARDS = (*map(_card, SUMS), _as_in_face_similarity(_card("ir101")))


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph: BGR pixels to the raw feature, (n, 512), or to unit feature and norm where it gives both.

    A graph whose last step divides by a norm, or is a normalisation, ends before it.

    Raises
    ------
    LayerMismatch
        The file is not the graph that it should be.
    """
    from facevalue.models._convert.published import read_published

    model = read_published(files[0], card)
    outputs, makers = model.graph.output, {name: node for node in model.graph.node for name in node.output}
    if len(outputs) == 1:
        last = makers[outputs[0].name]
        constants = {tensor.name for tensor in model.graph.initializer}
        constants |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
        divides = last.op_type == "Div" and last.input[1] not in constants
        if divides or last.op_type == "LpNormalization":
            outputs[0].name = last.input[0]
            model.graph.node.remove(last)
    return [model]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return `embedding`, (n, 512) of length 1, and `norm`, (n,), for (n, 112, 112, 3) uint8 RGB."""
    first, *others = nets[0](crops)
    if others:
        return {"embedding": first, "norm": others[0].reshape(-1)}
    norm = np.linalg.norm(first, axis=1)
    return {"embedding": first / np.maximum(norm, np.finfo(np.float32).tiny)[:, None], "norm": norm}
