"""3DDFA_V2: head pose and the parameters of a 3D face model, out of a MobileNet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import Crop
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

# Name, channels in and out at width 1, stride: each a 3x3 convolution by channel, then a 1x1 convolution.
STAGES = (
    ("dw2_1", 32, 64, 1),
    ("dw2_2", 64, 128, 2),
    ("dw3_1", 128, 128, 1),
    ("dw3_2", 128, 256, 2),
    ("dw4_1", 256, 256, 1),
    ("dw4_2", 256, 512, 2),
    *((f"dw5_{i}", 512, 512, 1) for i in range(1, 6)),
    ("dw5_6", 512, 1024, 2),
    ("dw6", 1024, 1024, 1),
)
WIDTHS = {"tddfa": 0.5, "tddfa_mb1": 1.0}
# The authors' window, tuned to FaceBoxes; and the one that makes it out of a box of CenterFace, fitted on 239 faces.
FACEBOXES_CROP = Crop("upright", 120, scale=1.58, shift=0.14)
CENTERFACE_CROP = Crop("upright", 120, scale=1.59, shift=0.127)
FAILED = 0.1
GIMBAL = 0.998
SOURCE = "https://raw.githubusercontent.com/cleardusk/3DDFA_V2/master"
SCALING = File(
    "tddfa/param_mean_std_62d_120x120.pkl",
    f"{SOURCE}/configs/param_mean_std_62d_120x120.pkl",
    "090d7150f77cb66c29ddae21e4508fbde59123dcd1dea7facc24a7ed06d1c795",
    713,
)


LIMITS = (
    "research only: the training set 300W-LP is",
    "orthogonality over .13 says that the fit failed: leave that face's angles out",
    "beyond 80 degrees of yaw the angles run into each other",
    "the crop is 1.59 mean sides of a CenterFace box moved down by .127, which makes the authors' window (1.58 and .14 "
    "of a FaceBoxes box) with a spread of 2.6 % in size and 2.0 % in height; angles then differ by .5, .5 and .3 "
    "degrees (yaw, pitch, roll) on London portraits and by 1.2, 2.2 and 1.9 on group photos",
    "crops are averaged down, the authors' are sampled: .5 degrees apart on average, 2.6 (pitch) on a face of 700 px",
    "a face and its mirror image differ by 1.3, 1.1 and .9 degrees on average (239 faces)",
)


def _card(name: str, about: str, weights: File, *limits: str) -> Card:
    return Card(
        name,
        "pose",
        about,
        files=(weights, SCALING),
        inputs=Input(120, 120, "bgr", (127.5,), (128.0,)),
        crops=(CENTERFACE_CROP,),
        outputs=(
            Output("yaw", "deg"),
            Output("pitch", "deg"),
            Output("roll", "deg"),
            Output("orthogonality", "1"),
            Output("params", "1", (62,)),
        ),
        licence="MIT (code and weights); 300W-LP training data: research only",
        commercial=False,
        withheld="no_fit",
        paper="Guo, Zhu, Yang, Yang, Lei, Li: Towards Fast, Accurate and Stable 3D Dense Face Alignment, ECCV 2020",
        trained_on="300W-LP",
        limits=(*LIMITS, *limits),
    )


CARDS = (
    _card(
        "tddfa",
        "head pose in degrees (yaw + to the viewer's left, pitch + down, roll + counter-clockwise); width .5",
        File(
            "tddfa/mb05_120x120.pth",
            f"{SOURCE}/weights/mb05_120x120.pth",
            "f93ed7f1c4c0382b16d7c18480a5f67473c1917a47475a9823924f38aeb27280",
            3_752_462,
        ),
    ),
    _card(
        "tddfa_mb1",
        "head pose in degrees (yaw + to the viewer's left, pitch + down, roll + counter-clockwise); width 1",
        File("tddfa/mb1_120x120.pth", f"{SOURCE}/weights/mb1_120x120.pth"),
        "nobody publishes a sha256: the one of the first file fetched is recorded, and a change is refused",
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return MobileNet with one head of 62, its output brought back to the parameters' scale: `out * std + mean`."""
    from facevalue.models._convert.checkpoint import fit, layer, read_checkpoint
    from facevalue.models._convert.graph import Graph

    width = WIDTHS[card.name]
    shapes = layer("conv1", "bn1", (int(32 * width), 3, 3, 3))
    for name, before, after, _ in STAGES:
        shapes |= layer(f"{name}.conv_dw", f"{name}.bn_dw", (int(before * width), 1, 3, 3))
        shapes |= layer(f"{name}.conv_sep", f"{name}.bn_sep", (int(after * width), int(before * width), 1, 1))
    shapes |= {"fc_param.weight": (62, int(1024 * width)), "fc_param.bias": (62,)}
    # the second head, 68 landmarks, served training only
    found = {name: value for name, value in read_checkpoint(files[0]).items() if not name.startswith("fc_lm.")}
    graph = Graph(fit(found, shapes, file=files[0].name, model=card.name), (3, 120, 120))
    scaling = fit(read_checkpoint(files[1]), {"mean": (62,), "std": (62,)}, file=files[1].name, model=card.name)
    x = graph.relu(graph.conv(graph.input, "conv1", norm="bn1", stride=2, pad=1))
    for name, before, _, stride in STAGES:
        sides = {"stride": stride, "pad": 1, "groups": int(before * width)}
        x = graph.relu(graph.conv(x, f"{name}.conv_dw", norm=f"{name}.bn_dw", **sides))
        x = graph.relu(graph.conv(x, f"{name}.conv_sep", norm=f"{name}.bn_sep"))
    x = graph.linear(graph.flatten(graph.mean(x)), "fc_param")
    return [graph.finish([graph.affine(x, scaling["std"], scaling["mean"])])]


def measure(nets: tuple[Net, ...], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return yaw, pitch, roll (n,) in degrees, NaN where the fit failed, the sign of that (n,), and the parameters (n, 62)."""
    params = nets[0](crops)[0]
    found = pose(params)
    failed = found["orthogonality"] > FAILED
    return {name: np.where(failed, np.nan, found[name]) for name in ("yaw", "pitch", "roll")} | {
        "orthogonality": found["orthogonality"],
        "params": params,
    }


def pose(params: np.ndarray) -> dict[str, np.ndarray]:
    """Return the angles of a head, and how far its axes are from standing upright on each other.

    The first 12 parameters are a scaled rotation and a shift, (3, 4). Its first two rows r1 and r2, at unit length, and
    r3 = r1 x r2 make R; yaw = asin R31, pitch = atan2(R32, R33), roll = atan2(R21, R11). Where abs(R31) > .998 roll is
    not defined and is 0. `orthogonality` is abs(r1 . r2): below .03 on good faces, .13 to .80 where the fit failed.

    Parameters
    ----------
    params : (n, 12 or more) float

    References
    ----------
    Guo et al., ECCV 2020, and the angles of cleardusk/3DDFA_V2.

    Examples
    --------
    >>> angles = pose(np.array([[0, -2, 0, 5.0, 2, 0, 0, 5, 0, 0, 2, 5]]))
    >>> {name: float(angle[0]) + 0.0 for name, angle in angles.items()}
    {'yaw': 0.0, 'pitch': 0.0, 'roll': 90.0, 'orthogonality': 0.0}
    """
    rows = np.asarray(params, np.float64)[:, :12].reshape(-1, 3, 4)[:, :2, :3]
    rows = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    r1, r2 = rows[:, 0], rows[:, 1]
    r3 = np.cross(r1, r2)
    turn = np.where(np.abs(r3[:, 0]) > GIMBAL, np.sign(r3[:, 0]), 0)
    yaw = np.where(turn == 0, np.arcsin(np.clip(r3[:, 0], -1, 1)), turn * np.pi / 2)
    pitch = np.where(turn == 0, np.arctan2(r3[:, 1], r3[:, 2]), np.arctan2(-turn * r1[:, 1], -turn * r1[:, 2]))
    roll = np.where(turn == 0, np.arctan2(r2[:, 0], r1[:, 0]), 0)
    angles = {name: np.degrees(angle) for name, angle in (("yaw", yaw), ("pitch", pitch), ("roll", roll))}
    return {**angles, "orthogonality": np.abs((r1 * r2).sum(1))}
