"""FairFace: perceived race, gender and age group out of one ResNet-34."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import LayerMismatch
from facevalue.image.align import Crop, dlib_chip
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

RACES = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
RACES_4 = ("White", "Black", "Asian", "Indian")
GENDERS = ("Male", "Female")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
BLOCKS = (3, 4, 6, 3)
IMAGENET = Input(224, 224, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
MEASURES = (
    Output("race", "p", (7,), RACES),
    Output("gender", "p", (2,), GENDERS),
    Output("age", "p", (9,), AGES),
)
PAPER = "Karkkainen, Joo: FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age, WACV 2021"
DATA = "FairFace: 108,501 photos of YFCC-100M, labelled by Mechanical Turk raters"
LIMITS = (
    "what raters saw in a photo: neither identity, nor ancestry, nor the age in a passport",
    "softmax outputs are not calibrated: the arg-max and its number overstate what is known",
    "the 4-race and the 7-race nets are two nets and disagree",
)
CHIP = (
    "the chip is cut at 224 px at once; the authors cut 300 px, save a JPEG and shrink it",
    "the chip's five points come from the mesh; the authors' from dlib's five-point predictor (same template)",
    "nobody publishes a sha256: the one of the file that you bring is recorded, and a change is refused",
)


def _bring(file: str, drive: str) -> str:
    return f"bring {file} from Google Drive ({drive}, linked in the README of github.com/dchen236/FairFace)"


CARDS = (
    Card(
        "fairface",
        "attributes",
        "perceived race (7 groups), gender and age group, as distributions",
        files=(File("fairface/res34_fair_align_multi_7_20190809.pt"),),
        inputs=IMAGENET,
        crops=(dlib_chip(224),),
        outputs=MEASURES,
        needs=("mesh",),
        licence="CC BY 4.0 (stated for the data; implied for the weights)",
        paper=PAPER,
        trained_on=DATA,
        limits=(
            _bring("res34_fair_align_multi_7_20190809.pt", "file 11y0Wi3YQf21a_VcspUV4FwqzhMcfaVAB"),
            *LIMITS,
            *CHIP,
        ),
    ),
    Card(
        "fairface4",
        "attributes",
        "perceived race (4 groups), as a distribution",
        files=(File("fairface/res34_fair_align_multi_4_20190809.pt"),),
        inputs=IMAGENET,
        crops=(dlib_chip(224),),
        outputs=(Output("race", "p", (4,), RACES_4),),
        needs=("mesh",),
        licence="CC BY 4.0 (stated for the data; implied for the weights)",
        paper=PAPER,
        trained_on=DATA,
        limits=(
            _bring("res34_fair_align_multi_4_20190809.pt", "folder 1F_pXfbzWvG-bhCpNsRj6F_xsdjpesiFu"),
            *LIMITS,
            *CHIP,
        ),
    ),
    Card(
        "fairface_onnx",
        "attributes",
        "perceived race (7 groups), gender and age group, as distributions; published as ONNX",
        files=(
            File(
                "fairface/fairface.onnx",
                "https://github.com/yakhyo/fairface-onnx/releases/download/weights/fairface.onnx",
                "9c8c47d437cd310538d233f2465f9ed0524cb7fb51882a37f74e8bc22437fdbf",
            ),
        ),
        inputs=IMAGENET,
        crops=(Crop("upright", 224, scale=1.5),),
        outputs=MEASURES,
        licence="CC BY 4.0 (claimed by the publisher of the ONNX file)",
        paper=PAPER,
        trained_on=DATA,
        limits=(
            *LIMITS,
            "unaligned: the box with a quarter of its side more on each of the four; its publisher stretches that to a "
            "square, here the aspect is kept",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return torchvision's ResNet-34 with a head of 18: race (7 or 4), gender (2), age (9), a softmax on each."""
    from facevalue.models._convert.checkpoint import fit, read_checkpoint
    from facevalue.models._convert.graph import Graph, residual_shapes

    if card.name == "fairface_onnx":
        return [_with_softmax(files[0])]
    shapes = residual_shapes(BLOCKS) | {"fc.weight": (18, 512), "fc.bias": (18,)}
    weights = fit(read_checkpoint(files[0]), shapes, file=files[0].name, model=card.name)
    graph = Graph(weights, (3, 224, 224))
    x = graph.relu(graph.conv(graph.input, "conv1", norm="bn1", stride=2, pad=3))
    x = graph.max_pool(x, 3, stride=2, pad=1)
    for stage, count in enumerate(BLOCKS):
        x = graph.basic_blocks(x, f"layer{stage + 1}", count, stride=1 if stage == 0 else 2)
    logits = graph.linear(graph.flatten(graph.mean(x)), "fc")
    parts = ((0, 4),) if card.name == "fairface4" else ((0, 7), (7, 9), (9, 18))
    return [graph.finish([graph.softmax(graph.part(logits, *part)) for part in parts])]


def _with_softmax(path: Path) -> onnx.ModelProto:
    """Return a published graph of three outputs, race, gender and age logits, with a softmax on each."""
    import onnx
    from onnx import helper

    model = onnx.load(path)
    outputs = list(model.graph.output)
    logits = [output.name for output in outputs]
    if len(logits) != len(MEASURES):
        expected = "expected three outputs (race, gender, age)"
        raise LayerMismatch(f"{path.name}: {expected}, got {', '.join(logits)}; bring the file that the card names")
    del model.graph.output[:]
    for output, name in zip(outputs, logits, strict=True):
        model.graph.node.append(helper.make_node("Softmax", [name], [f"{name}_softmax"], axis=-1))
        output.name = f"{name}_softmax"
        model.graph.output.append(output)
    return model


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return race (n, 7) or (n, 4) and, but for the 4-race net, gender (n, 2) and age (n, 9); rows sum to 1."""
    return dict(zip(("race", "gender", "age"), nets[0](crops), strict=False))
