"""YOLOX-Nano: a small detector of everyday things, of which only people are taken, and the person who holds each face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.boxes import keep
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._letterbox import letterbox

if TYPE_CHECKING:
    import onnx

    from facevalue.data.faces import Faces
    from facevalue.models._session import Net

CARDS = (
    Card(
        name="yolox_nano",
        kind="body",
        about="the box of the person who holds each face",
        files=(
            File(
                "yolox_nano/yolox_nano.onnx",
                "https://github.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample/raw/3d4f111/model/yolox_nano.onnx",
                "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
                3_660_092,
            ),
        ),
        inputs=Input(416, 416, colour="bgr"),
        outputs=(Output("body", "px", (4,)), Output("score", "p")),
        licence="Apache-2.0",
        paper="Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv 2107.08430",
        trained_on="COCO 2017",
        limits=(
            "COCO average precision .258 over all 80 kinds of thing (published)",
            "the photo is seen at 416 px: people far away, or much hidden, are missed",
            "who holds a face is read off where the head lies in the box; in a crowd it may be a neighbour",
        ),
        withheld="no_body",
    ),
)
SIDE = 416
GREY = 114
STRIDES = (8, 16, 32)
WIDTH = 85
PERSON = 5
OVERLAP = 0.45
# of a face in the box of its person: the middle lies so deep at most, in heights of the box or, if that is more, of the face
DEPTH = (0.5, 1.5)
# where a face's middle is expected below the top of the box, in heights of the face
HEAD = 0.7


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph: 85 numbers a cell, (1, 3549, 85).

    Raises
    ------
    LayerMismatch
        The graph's output is another.
    """
    from facevalue.models._convert.heads import read_heads

    return [read_heads(files[0], [WIDTH])]


def people(nets: Sequence[Net], photo: np.ndarray, *, score: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Return the people of a photo, best first: boxes x1 y1 x2 y2, (n, 4) float32 px, and scores, (n,) float32.

    The net sees the photo with its longer side at 416 px, grey to the right and below. Boxes end at the photo's edges.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    score
        Lowest score of a person, in [0, 1].
    """
    box = letterbox(photo, SIDE, fill=GREY)
    boxes, scores = decode(nets[0](box.picture[None])[0][0], score=score)
    kept = keep(boxes, scores, OVERLAP)
    placed = (boxes[kept].reshape(-1, 2, 2) - box.corner) / box.scale
    return np.clip(placed, 0, photo.shape[1::-1]).reshape(-1, 4).astype(np.float32), scores[kept].astype(np.float32)


def decode(cells: np.ndarray, *, score: float, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes, (n, 4) px of the picture, and scores, (n,), of the cells that are people.

    At stride s the cell (r, c) has its middle at `((c + x) s, (r + y) s)`, size `s exp(w)` by `s exp(h)`, and the score
    `object person`.

    Parameters
    ----------
    cells : (n, 85) float
        x, y, w, h, the share of an object, those of 80 kinds, people first; stride by stride, row by row.
    score
        Lowest score of a person, in [0, 1].
    side
        Of the square picture, px.

    References
    ----------
    Ge et al., arXiv 2107.08430, section 2.1.

    Examples
    --------
    >>> cells = np.zeros((21, 85))
    >>> cells[5, :6] = [0.5, 0.5, np.log(2), 0, 0.9, 0.8]
    >>> boxes, scores = decode(cells, score=0.3, side=32)
    >>> boxes.round().tolist(), scores.round(2).tolist()
    ([[4.0, 8.0, 20.0, 16.0]], [0.72])
    """
    grids = [np.stack(np.divmod(np.arange((side // s) ** 2), side // s)[::-1], 1) for s in STRIDES]
    stride = np.repeat(STRIDES, [len(grid) for grid in grids])[:, None]
    scores = cells[:, PERSON - 1] * cells[:, PERSON]
    seen = scores >= score
    middle = (np.concatenate(grids) + cells[:, :2])[seen] * stride[seen]
    half = np.exp(cells[seen, 2:4].astype(np.float64)) * stride[seen] / 2
    return np.hstack([middle - half, middle + half]), scores[seen]


def holders(faces: np.ndarray, bodies: np.ndarray) -> np.ndarray:
    """Return the number of the person who holds each face, (n,) int; -1 where nobody does.

    The face's middle lies in the person's box, in its upper half or at most 1.5 heights of the face below its top. Of all
    such pairs, that in which the face lies nearest to where a head would is taken first; nobody holds two faces.

    Parameters
    ----------
    faces : (n, 4) float
        Boxes x1 y1 x2 y2.
    bodies : (m, 4) float
        Of people, in the same px.

    Examples
    --------
    >>> holders(np.array([[40, 10, 60, 35], [45, 160, 55, 170.0]]), np.array([[0, 0, 100, 200], [30, 5, 70, 200.0]]))
    array([ 1, -1])
    """
    middle, size = (faces[:, :2] + faces[:, 2:]) / 2, faces[:, 2:] - faces[:, :2]
    inside = ((middle[:, None] >= bodies[:, :2]) & (middle[:, None] <= bodies[:, 2:])).all(2)
    below, height = middle[:, None, 1] - bodies[:, 1], size[:, 1:]
    fits = inside & (below <= np.maximum(DEPTH[0] * (bodies[:, 3] - bodies[:, 1]), DEPTH[1] * height))
    aside = (middle[:, None, 0] - (bodies[:, 0] + bodies[:, 2]) / 2) / np.maximum(size[:, :1], 1e-6)
    off = np.where(fits, np.hypot(aside, below / np.maximum(height, 1e-6) - HEAD), np.inf)
    held = np.full(len(faces), -1)
    while off.size and np.isfinite(off.min()):
        face, person = np.unravel_index(off.argmin(), off.shape)
        held[face] = person
        off[face], off[:, person] = np.inf, np.inf
    return held


def derive(nets: Sequence[Net], photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return `body`, (n, 4) px, and `score`, (n,), of the person who holds each face; NaN where nobody does.

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    faces
        Found in the photo.
    """
    boxes, scores = people(nets, photo)
    held = holders(faces.box.astype(np.float64), boxes.astype(np.float64))
    known = np.vstack([np.column_stack([boxes, scores]), np.full((1, 5), np.nan)])[held]
    return {"body": known[:, :4], "score": known[:, 4]}
