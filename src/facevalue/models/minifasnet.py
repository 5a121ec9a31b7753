"""MiniFASNet: is this a live face before the camera, or a print, a screen, a mask? Two nets on two crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

    from facevalue.models._convert.graph import Graph

# The authors sample the window at 80 px without averaging, and the nets read what that leaves: cut at 240, every third px.
SIDE, SIZE = 240, 80
SOURCE = "https://raw.githubusercontent.com/minivision-ai/Silent-Face-Anti-Spoofing/master/resources/anti_spoof_models"
CARDS = (
    Card(
        "minifasnet",
        "liveness",
        "probability that the photo was taken of a living face, not of a print or a screen",
        files=(
            File(
                "minifasnet/2.7_80x80_MiniFASNetV2.pth",
                f"{SOURCE}/2.7_80x80_MiniFASNetV2.pth",
                "a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0",
                1_849_453,
            ),
            File(
                "minifasnet/4_0_0_80x80_MiniFASNetV1SE.pth",
                f"{SOURCE}/4_0_0_80x80_MiniFASNetV1SE.pth",
                "84ee1d37d96894d5e82de5a57df044ef80a58be2b218b5ed7cdfd875ec2f5990",
                1_856_130,
            ),
        ),
        inputs=Input(SIDE, SIDE, "bgr"),
        crops=tuple(Crop("stretched", SIDE, scale=scale) for scale in (2.7, 4.0)),
        outputs=(Output("live", "p"),),
        licence="Apache-2.0",
        paper="minivision-ai/Silent-Face-Anti-Spoofing, 2020 (no paper)",
        trained_on="not published",
        limits=(
            "no photos of prints or screens were at hand: the published rate (97.8 % of the living at one false pass "
            "in 100,000) is the authors', on their own photos",
            "204 London portraits: .941 live on average, .954 by the authors' own sampling, .016 apart",
            "made for phone cameras at arm's length: on scans, stock photos and screenshots it is out of its depth",
        ),
    ),
)
NETS = 2
# Group of blocks, channels out; the groups with a model in their name keep the map's size and add a skip.
GROUPS = (("conv_23", 64), ("conv_3", 64), ("conv_34", 128), ("conv_4", 128), ("conv_45", 128), ("conv_5", 128))
# Channels inside each group's blocks, as the authors' pruning left them: MiniFASNetV2, MiniFASNetV1SE.
INSIDE = (
    ((103,), (13, 13, 13, 13), (231,), (231, 52, 26, 77, 26, 26), (308,), (26, 26)),
    ((103,), (13, 26, 13, 52), (231,), (154, 52, 26, 52, 26, 26), (308,), (26, 26)),
)
SQUEEZED = 4


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return MiniFASNetV2 and MiniFASNetV1SE, a softmax of three classes behind each; class 1 is live."""
    nets = zip(files, INSIDE, (False, True), strict=True)
    return [_net(card, path, _blocks(inside), gated=gated) for path, inside, gated in nets]


def _blocks(inside: tuple[tuple[int, ...], ...]) -> list[tuple[str, int, int, int]]:
    """Return name, channels in, inside and out of every block."""
    found, before = [], 32
    for (group, after), widths in zip(GROUPS, inside, strict=True):
        several = len(widths) > 1
        found += [(f"{group}.model.{i}" if several else group, before, width, after) for i, width in enumerate(widths)]
        before = after
    return found


def _gates(blocks: list[tuple[str, int, int, int]]) -> list[tuple[str, int]]:
    """Return name and channels of the blocks with a gate: the last of each group of several."""
    last = {name.split(".")[0]: (name, after) for name, _, _, after in blocks if ".model." in name}
    return list(last.values())


def _net(card: Card, path: Path, blocks: list[tuple[str, int, int, int]], *, gated: bool) -> onnx.ModelProto:
    from facevalue.models._convert.checkpoint import fit, read_checkpoint
    from facevalue.models._convert.graph import Graph

    gates = dict(_gates(blocks)) if gated else {}
    weights = fit(read_checkpoint(path), _shapes(blocks, gates), file=path.name, model=card.name)
    graph = Graph(weights, (3, SIDE, SIDE))
    x = _conv(graph, graph.stretch(graph.input, (0, SIDE), SIZE), "conv1", stride=2, pad=1)
    x = _conv(graph, x, "conv2_dw", pad=1, groups=32)
    for name, _, width, _ in blocks:
        skip, stride = (x, 1) if ".model." in name else ("", 2)
        x = _conv(graph, _conv(graph, x, f"{name}.conv"), f"{name}.conv_dw", stride=stride, pad=1, groups=width)
        x = graph.conv(x, f"{name}.project.conv", norm=f"{name}.project.bn")
        if name in gates:
            x = graph.mul(x, _gate(graph, x, name))
        x = graph.add(skip, x) if skip else x
    x = graph.conv(_conv(graph, x, "conv_6_sep"), "conv_6_dw.conv", norm="conv_6_dw.bn", groups=512)
    x = graph.linear(graph.linear(graph.flatten(x), "linear", norm="bn"), "prob")
    return graph.finish([graph.softmax(x)])


def _shapes(blocks: list[tuple[str, int, int, int]], gates: dict[str, int]) -> dict[str, tuple[int, ...]]:
    from facevalue.models._convert.checkpoint import layer, normalisation

    sloped = [("conv1", (32, 3, 3, 3)), ("conv2_dw", (32, 1, 3, 3)), ("conv_6_sep", (512, 128, 1, 1))]
    plain = [("conv_6_dw", (512, 1, 5, 5))]
    for name, before, width, after in blocks:
        sloped += [(f"{name}.conv", (width, before, 1, 1)), (f"{name}.conv_dw", (width, 1, 3, 3))]
        plain.append((f"{name}.project", (after, width, 1, 1)))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in (*sloped, *plain):
        shapes |= layer(f"{name}.conv", f"{name}.bn", shape)
    shapes |= {f"{name}.prelu.weight": shape[:1] for name, shape in sloped}
    for name, channels in gates.items():
        few = channels // SQUEEZED
        shapes |= layer(f"{name}.se_module.fc1", f"{name}.se_module.bn1", (few, channels, 1, 1))
        shapes |= layer(f"{name}.se_module.fc2", f"{name}.se_module.bn2", (channels, few, 1, 1))
    return shapes | {"linear.weight": (128, 512), "prob.weight": (3, 128)} | normalisation("bn", 128)


def _conv(graph: Graph, x: str, name: str, *, stride: int = 1, pad: int = 0, groups: int = 1) -> str:
    x = graph.conv(x, f"{name}.conv", norm=f"{name}.bn", stride=stride, pad=pad, groups=groups)
    return graph.prelu(x, f"{name}.prelu")


def _gate(graph: Graph, x: str, name: str) -> str:
    """Add a number in (0, 1) a channel, out of the channels' means (squeeze and excitation)."""
    x = graph.relu(graph.conv(graph.mean(x), f"{name}.se_module.fc1", norm=f"{name}.se_module.bn1"))
    return graph.sigmoid(graph.conv(x, f"{name}.se_module.fc2", norm=f"{name}.se_module.bn2"))


def measure(nets: tuple[Net, ...], near: np.ndarray, far: np.ndarray) -> dict[str, np.ndarray]:
    """Return live (n,): the mean over the two nets, the first on windows of 2.7 boxes, the second of 4."""
    return {"live": (nets[0](near)[0][:, 1] + nets[1](far)[0][:, 1]) / 2}
