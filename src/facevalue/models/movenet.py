"""MoveNet Lightning: the 17 joints of a person, out of a square crop around the body."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.align import apply, cut, invert
from facevalue.models._card import Card, File, Input, Output

if TYPE_CHECKING:
    import onnx

    from facevalue.data.faces import Faces
    from facevalue.models._session import Net

SIDE = 192
GRID = 48
JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
)
CARDS = (
    Card(
        name="movenet",
        kind="body",
        about="the 17 joints of COCO of the person who holds each face, and how sure each is",
        files=(
            File(
                "movenet/movenet_singlepose_lightning_int8_v4.tflite",
                "https://github.com/Kazuhito00/MoveNet-Python-Example/raw/515743a/tflite/"
                "lite-model_movenet_singlepose_lightning_tflite_int8_4.tflite",
                "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105",
                2_894_840,
            ),
        ),
        inputs=Input(SIDE, SIDE),
        outputs=(Output("joints", "px", (len(JOINTS), 2)), Output("joint_scores", "p", (len(JOINTS),), JOINTS)),
        needs=("yolox_nano",),
        licence="Apache-2.0",
        paper="Votel, Li: Next-Generation Pose Detection with MoveNet and TensorFlow.js, TensorFlow Blog, 2021",
        trained_on="COCO and Google's own videos of fitness and dance, not published",
        limits=(
            "its eight-bit file is computed in float: 9 of 10 sure joints lie within 3 of 192 px of its own (measured)",
            "a joint out of sight is guessed: believe those of a score above .3",
            "where bodies overlap it may take a neighbour's joints",
        ),
        withheld="no_body",
    ),
)
# tensors of the file: the middle's heat by its distance from the crop's middle, the joints' heat, their offsets, their way
# from the middle
HEADS = (261, 277, 282, 285)
MARGIN = 1.25
NEAR = 1.8


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the graph up to its four heads: (n, 48, 48, 1), (n, 48, 48, 17), (n, 48, 48, 34) and (n, 48, 48, 34)."""
    from facevalue.models._convert.quantised import read_quantised

    return [read_quantised(files[0].read_bytes(), HEADS)]


def joints(nets: Sequence[Net], photo: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the joints of people, (n, 17, 3) float32: x and y, px of the photo, and score; NaN where a box is.

    Each is looked for in a square around the middle of the box, 1.25 times as long as its longer side, black where it
    reaches beyond the photo.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    boxes : (n, 4) float
        x1 y1 x2 y2 of each person, px.
    """
    found = np.full((len(boxes), len(JOINTS), 3), np.nan, np.float32)
    known = np.isfinite(boxes).all(1)
    if not known.any():
        return found
    maps = squares(boxes[known])
    heads = nets[0](cut(photo, maps, SIDE))
    for i, back, *one in zip(np.flatnonzero(known), invert(maps), *heads, strict=True):
        placed = decode(*one)
        found[i] = np.column_stack([apply(back[None], placed[None, :, :2])[0], placed[:, 2]])
    return found


def squares(boxes: np.ndarray) -> np.ndarray:
    """Return the maps from the photo into the 192 px square around each box, (n, 2, 3).

    >>> squares(np.array([[0, 0, 76.8, 153.6]])).round(2).tolist()
    [[[1.0, 0.0, 57.1], [0.0, 1.0, 18.7]]]
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    scale = SIDE / (MARGIN * np.maximum((boxes[:, 2:] - boxes[:, :2]).max(1), 1))
    maps = np.zeros((len(boxes), 2, 3))
    maps[:, [0, 1], [0, 1]] = scale[:, None]
    maps[:, :, 2] = (SIDE - 1) / 2 - scale[:, None] * middle
    return maps


def decode(middle: np.ndarray, heat: np.ndarray, offsets: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return the joints of the person nearest to the crop's middle, (17, 3): x and y, px of the crop, and score.

    The hottest cell is the person's middle; the ways there say about where each joint lies. Of each joint, the cell with the
    highest `heat / (distance + 1.8)` from that place is taken, and its offset added.

    Parameters
    ----------
    middle : (48, 48, 1) float
        Heat of people's middles, weighed.
    heat : (48, 48, 17) float
        Of each joint, in [0, 1].
    offsets, ways : (48, 48, 34) float
        y, x of each joint, in cells: of the joint in its cell, and from the person's middle.

    References
    ----------
    Votel, Li, TensorFlow Blog, 2021; Zhou, Wang, Krähenbühl, Objects as Points, arXiv 1904.07850, section 4.
    """
    at = np.array(np.unravel_index(int(middle.argmax()), (GRID, GRID)))
    about = ways[at[0], at[1]].reshape(len(JOINTS), 2) + at
    cells = np.moveaxis(np.indices((GRID, GRID)), 0, 2)[:, :, None]
    likely = heat / (np.linalg.norm(cells - about, axis=3) + NEAR)
    rows, columns = np.unravel_index(likely.reshape(-1, len(JOINTS)).argmax(0), (GRID, GRID))
    each = np.arange(len(JOINTS))
    within = offsets[rows, columns].reshape(len(JOINTS), -1, 2)[each, each]
    scale = SIDE / GRID
    x, y = (columns + within[:, 1]) * scale - 0.5, (rows + within[:, 0]) * scale - 0.5
    return np.column_stack([x, y, heat[rows, columns, each]])


def derive(nets: Sequence[Net], photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return `joints`, (n, 17, 2) px, and `joint_scores`, (n, 17), of the person who holds each face; NaN where nobody does.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    faces
        With `yolox_nano.body`.

    Raises
    ------
    MissingColumn
        When the bodies were not measured.
    """
    found = joints(nets, photo, faces["yolox_nano.body"].values.astype(np.float64))
    return {"joints": found[:, :, :2], "joint_scores": found[:, :, 2]}
