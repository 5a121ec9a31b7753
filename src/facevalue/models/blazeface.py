"""BlazeFace: MediaPipe's small detectors of near (short range) and of far (full range) faces.

Both nets predict, at fixed anchors, a square and six points: the two eyes, the tip of the nose, the middle of the mouth
and the two ears. What follows downstream was tuned to CenterFace, so three things are made alike, by figures fitted on
the 204 photos of the Face Research Lab London Set: the square becomes a box of CenterFace's proportions (`BOXES`), and
the mouth's corners, which the nets do not give, lie `MOUTH` times the vector between the eyes to either side of the
mouth's middle. A smile or a pout does not show in them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.faces import Faces
from facevalue.image import align
from facevalue.image.boxes import overlap
from facevalue.models._card import Card, File, Input

if TYPE_CHECKING:
    import onnx

    from facevalue.models._session import Net

Found = tuple[np.ndarray, ...]
NETS = 2
SHORT, FULL = 0, 1
SIDES = (128, 192)
GRIDS = (((16, 2), (8, 6)), ((48, 1),))
# of the net's square: shift down, width, height
BOXES = ((-0.123, 0.964, 1.259), (-0.076, 0.919, 1.203))
MOUTH = 0.46
SAME_FACE = 0.3
NEAR = 0.25
MARGIN = 2.0
WHEEL = "pip:mediapipe==0.10.21/mediapipe/modules/face_detection/"

CARDS = (
    Card(
        name="blazeface",
        kind="detect",
        about="face boxes, eyes and nose, with the mouth's corners set beside its middle",
        files=(
            File(
                "mediapipe/face_detection_short_range.tflite",
                WHEEL + "face_detection_short_range.tflite",
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
                229_714,
            ),
            File(
                "mediapipe/face_detection_full_range_sparse.tflite",
                WHEEL + "face_detection_full_range_sparse.tflite",
                "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
                676_746,
            ),
        ),
        inputs=Input(0, 0, mean=(127.5,), std=(127.5,)),
        licence="Apache-2.0",
        paper="Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv 1907.05047",
        trained_on="Google's own photos, not published",
        limits=(
            "faces below a twentieth of the photo's longer side are missed",
            "a full profile may be missed",
            f"mouth corners are not seen: they lie {MOUTH} of the eye vector beside the mouth's middle",
            "boxes are a fixed rescaling of BlazeFace's squares to CenterFace's proportions",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the two graphs: near, far."""
    from facevalue.models._convert.tflite import read_tflite

    return [read_tflite(path.read_bytes()) for path in files]


def find(nets: Sequence[Net], photo: np.ndarray, *, threshold: float = 0.5) -> Faces:
    """Return the faces of a photo, best first.

    The far net sees every photo; the near one is asked where that finds no face of a quarter of the photo's longer
    side, and only larger ones are believed. Where neither finds any, the near one looks again with a margin around the
    photo, for faces that fill it.

    Parameters
    ----------
    nets
        Near and far.
    photo : (h, w, 3) uint8
        RGB.
    threshold
        Least score, in (0, 1).
    """
    found = _look(nets[FULL], FULL, photo, 1.0, threshold)
    if not (_side(found[0]) >= NEAR * max(photo.shape[:2])).any():
        near = _near(nets[SHORT], photo, 1.0, threshold)
        found = tuple(np.concatenate(pair) for pair in zip(found, near, strict=True))
    if not len(found[0]):
        found = _near(nets[SHORT], photo, MARGIN, threshold)
    boxes, points, scores = merge(*found)
    return Faces(np.full(len(scores), "", object), boxes, _five(points), scores)


def merge(boxes: np.ndarray, points: np.ndarray, scores: np.ndarray) -> Found:
    """Return one face for each cluster of overlapping ones: their mean weighted by score, with the best one's score.

    Parameters
    ----------
    boxes : (n, 4) float
    points : (n, k, 2) float
    scores : (n,) float

    References
    ----------
    Bazarevsky et al. 2019, section 3.2: blending in place of suppression.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 4, 4.0], [1, 0, 5, 4.0], [9, 9, 11, 11]])
    >>> merge(boxes, np.zeros((3, 1, 2)), np.array([0.6, 0.6, 0.9]))[0]
    array([[ 9. ,  9. , 11. , 11. ],
           [ 0.5,  0. ,  4.5,  4. ]])
    """
    order, merged = np.argsort(-scores, kind="stable"), []
    while len(order):
        same = overlap(boxes[order[0]], boxes[order]) >= SAME_FACE
        same[0] = True
        cluster, order = order[same], order[~same]
        weights = scores[cluster] / scores[cluster].sum()
        merged.append((weights @ boxes[cluster], np.einsum("i,ijk", weights, points[cluster]), scores[cluster[0]]))
    if not merged:
        return boxes, points, scores
    box, point, score = zip(*merged, strict=True)
    return np.stack(box), np.stack(point), np.array(score)


def _near(net: Net, photo: np.ndarray, margin: float, threshold: float) -> Found:
    """Return what the near net finds, without the small faces, which it places badly."""
    boxes, points, scores = _look(net, SHORT, photo, margin, threshold)
    large = _side(boxes) >= NEAR * max(photo.shape[:2])
    return boxes[large], points[large], scores[large]


def _look(net: Net, which: int, photo: np.ndarray, margin: float, threshold: float) -> Found:
    """Return boxes (n, 4), points (n, 4, 2): eyes, nose, mouth, and scores (n,) of every anchor above the threshold."""
    side = SIDES[which]
    frame = letterbox(photo.shape[:2], side, margin)
    raw, logits = net(align.cut(photo, frame, side))
    scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -100, 100).astype(np.float64)))
    sure = scores >= threshold
    anchors = _anchors(which)[sure] * side
    values = raw[0, sure].reshape(-1, 8, 2).astype(np.float64)
    centre, size, points = values[:, 0] + anchors, values[:, 1], values[:, 2:6] + anchors[:, None]
    down, width, height = BOXES[which]
    centre = centre + size * (0, down)
    half = size * (width, height) / 2
    placed = np.concatenate([np.stack([centre - half, centre + half], axis=1), points], axis=1)
    placed = align.apply(align.invert(frame), placed.reshape(1, -1, 2) - 0.5).reshape(placed.shape)
    return placed[:, :2].reshape(-1, 4), placed[:, 2:], scores[sure]


def letterbox(shape: tuple[int, int], side: int, margin: float) -> np.ndarray:
    """Return the map (1, 2, 3) that lays a photo, whole and centred, into a square `margin` times its longer side.

    Examples
    --------
    >>> letterbox((100, 200), 100, 1.0)
    array([[[ 0.5 ,  0.  , -0.25],
            [ 0.  ,  0.5 , 24.75]]])
    """
    scale = side / (max(shape) * margin)
    x, y = ((side - size * scale) / 2 + scale / 2 - 0.5 for size in (shape[1], shape[0]))
    return np.array([[[scale, 0.0, x], [0.0, scale, y]]])


@functools.cache
def _anchors(which: int) -> np.ndarray:
    """Return the anchors' centres, (n, 2), in units of the window."""
    rounds = []
    for cells, each in GRIDS[which]:
        rows, columns = np.mgrid[:cells, :cells]
        rounds.append(np.repeat((np.stack([columns, rows], -1).reshape(-1, 2) + 0.5) / cells, each, axis=0))
    return np.concatenate(rounds)


def _side(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes[:, 2] - boxes[:, 0])


def _five(points: np.ndarray) -> np.ndarray:
    reach = MOUTH * (points[:, 1] - points[:, 0])
    return np.stack([*points[:, :3].transpose(1, 0, 2), points[:, 3] - reach, points[:, 3] + reach], axis=1)
