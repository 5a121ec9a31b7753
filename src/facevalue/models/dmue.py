"""DMUE: perceived expression, eight classes, out of the target branch of a ResNet-18."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

LABELS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
BLOCKS = (2, 2, 2, 2)
BRANCH = "8"
# The authors lay 98 points on a template in a frame of 800 px, find the box there, and stretch it to 224 x 224. With
# the eyes at their template's places, the mean nose and mouth of 204 London portraits and the mean box of two detectors
# of WIDER FACE's convention (410 x 557 about (414, 378.7)) stand for the other points and for their MTCNN's box.
POINTS_800 = ((322.0, 330.0), (508.0, 326.0), (413.6, 433.8), (333.2, 512.6), (491.3, 508.6))
CENTRE_800, HEIGHT_800 = (414.0, 378.7), 557.0
SIDE, COLUMNS, SIZE = 304, (40, 264), 224


def template() -> Crop:
    """Return the crop: a square as high as the box, in which the middle 224 of 304 columns are as wide as it is.

    Examples
    --------
    >>> [tuple(round(v, 1) for v in point) for point in template().template[:2]]
    [(101.8, 125.4), (203.3, 123.2)]
    """
    scale, middle = SIDE / HEIGHT_800, SIDE / 2
    (x0, y0) = CENTRE_800
    return Crop("template", SIDE, tuple((middle + (x - x0) * scale, middle + (y - y0) * scale) for x, y in POINTS_800))


CARDS = (
    Card(
        "dmue",
        "expression",
        "perceived expression (8 classes of AffectNet), as a distribution",
        files=(File("dmue/ep7_b3400_acc0.6285.pth"),),
        inputs=Input(SIDE, SIDE, mean=(127.5,), std=(127.5,)),
        crops=(template(),),
        outputs=(Output("expression", "p", (8,), LABELS),),
        licence="Apache-2.0 (code and weights); AffectNet training data: research only",
        commercial=False,
        paper="She, Hu, Shi, Wang, Shen, Mei: Dive into Ambiguity: Latent Distribution Mining and Pairwise Uncertainty "
        "Estimation for Facial Expression Recognition, CVPR 2021",
        trained_on="AffectNet (8 classes); MS-Celeb-1M before",
        limits=(
            "bring ep7_b3400_acc0.6285.pth (all nine branches) or AffectNet_res18_acc0.6285.pth (the target branch) "
            "from Google Drive (folder 1p_vRIClF5ZXdDVzQC0oYnffspA5TjqnU, linked in the README of addition_module/DMUE "
            "of github.com/JDAI-CV/FaceX-Zoo)",
            "62.85 % right on AffectNet's eight classes (published): a label is wrong about four times in ten",
            "what raters saw in a photo, not what a person felt",
            "the crop follows the authors' training crops (aligned, stretched to a square), which their inference.py "
            "does not; five points stand for their 98, and two other detectors' mean box for their MTCNN's",
            "nobody publishes a sha256: the one of the file that you bring is recorded, and a change is refused",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the ResNet-18 of the authors: no ReLU behind the stem, 2x2 pooling, a normalisation before the classes."""
    from facevalue.models._convert.checkpoint import fit, normalisation, read_checkpoint
    from facevalue.models._convert.graph import Graph, residual_shapes

    shapes = residual_shapes(BLOCKS, "base.") | normalisation("bottleneck", 512) | {"classifiers.0.weight": (8, 512)}
    weights = fit(target_branch(read_checkpoint(files[0])), shapes, file=files[0].name, model=card.name)
    graph = Graph(weights, (3, SIDE, SIDE))
    x = graph.conv(graph.stretch(graph.input, COLUMNS, SIZE), "base.conv1", norm="base.bn1", stride=2, pad=3)
    x = graph.max_pool(x, 2, stride=2)
    for stage, count in enumerate(BLOCKS):
        x = graph.basic_blocks(x, f"base.layer{stage + 1}", count, stride=1 if stage == 0 else 2)
    x = graph.affine(graph.flatten(graph.mean(x)), *graph.scale("bottleneck"))
    return [graph.finish([graph.softmax(graph.linear(x, "classifiers.0"))])]


def target_branch(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of the last of nine branches under the names of the net without branches.

    The other eight, one trained without each class, and the weighting of labels (`project_w`) served training only. A
    checkpoint that its authors' script has already brought to one branch stays as it is.
    """
    branched = any(name.startswith("base.layer4_") for name in tensors)
    found = {}
    for name, values in tensors.items():
        stem, _, rest = name.partition(".")
        if stem == "project_w" or "fc." in name:
            continue
        if branched and rest.startswith("layer4_"):
            branch, _, rest = rest.removeprefix("layer4_").partition(".")
            name = f"base.layer4.{rest}"
        elif branched and stem == "classifiers":
            branch, _, rest = rest.partition(".")
            name = f"classifiers.0.{rest}"
        else:
            branch = BRANCH
        if branch == BRANCH:
            found[name] = values
    return found


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return expression (n, 8); rows sum to 1."""
    return {"expression": nets[0](crops)[0]}
