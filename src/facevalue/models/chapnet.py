"""CHAPNet: perceived emotion, age and gender out of the place and the body, for whom the face may be hidden."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.data.dpac import AGES, EMOTIONS, GENDERS
from facevalue.data.errors import LayerMismatch
from facevalue.image.heatmaps import CELLS, JOINTS, coco18, cropped, heat_maps
from facevalue.models._card import Card, File, Input, Output
from facevalue.models._session import Net

if TYPE_CHECKING:
    import onnx

    from facevalue.data.faces import Faces

LABELS: Mapping[str, tuple[str, ...]] = {"emotion": EMOTIONS, "age": AGES, "gender": GENDERS}
MAPS = (len(JOINTS), CELLS, CELLS)
CARDS = (
    Card(
        "chapnet",
        "attributes",
        "perceived emotion, age (5 groups) and gender of a person from the whole photo, the body and its joints: what people "
        "would say of someone whose face may be hidden",
        files=(File("facevalue/chapnet.onnx"), File("facevalue/chapnet.json")),
        inputs=Input(0, 0, layout="nhwc"),
        outputs=tuple(
            output
            for name, labels in LABELS.items()
            for output in (
                Output(name, "p", (len(labels),), labels),
                Output(f"{name}_set", "1", (len(labels),), labels),
            )
        ),
        needs=("yolox_nano", "movenet"),
        licence="that of the data and of the first weights that you train it with",
        commercial=False,
        paper="Singh, Fan, Kankanhalli: Human Attributes Prediction under Privacy-preserving Conditions, ACM Multimedia 2021",
        trained_on="what you train it on: `facevalue train chapnet`; it was made for DPaC, which its authors alone can give",
        limits=(
            "nobody publishes its weights: `facevalue train chapnet` writes chapnet.onnx and chapnet.json, then "
            "`facevalue models import chapnet chapnet.onnx chapnet.json`",
            "no accuracy of the published net is known; that of yours stands in your chapnet.json",
            "what people who look at the scene would say, not what someone feels, nor how old or what they are: a cake makes "
            "everybody beside it happy",
            "probabilities and sets are calibrated on photos like those of training: a net trained on hidden faces promises "
            "nothing of intact ones",
            "a face that no person's box holds has no measure (no_body); two people in one box have the same",
            "with the face in view it looks at the face too: hide it to learn what the rest tells",
        ),
        withheld="no_body",
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the graph that training exported, after checking it and the calibration beside it.

    Raises
    ------
    LayerMismatch
        The graph has other inputs or outputs, or the calibration is of another net.
    """
    from facevalue.models._convert.published import parsed

    path, beside = files
    model, size = parsed(path), _size_of(beside)
    given = {value.name: _sides(value) for value in model.graph.input}
    made = {value.name: _sides(value) for value in model.graph.output}
    photos = (size, size, 3)
    _expect(path, {"context": photos, "target": photos, "maps": MAPS, "valid": MAPS[:1]}, given)
    _expect(path, {name: (len(labels),) for name, labels in LABELS.items()}, made)
    return [model]


def derive(nets: tuple[Net, ...], photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return emotion (n, 7), age (n, 5) and gender (n, 2), whose rows sum to 1; NaN where nobody holds the face.

    Parameters
    ----------
    nets
        One.
    photo : (h, w, 3) uint8
        RGB, upright.
    faces
        With `yolox_nano.body`, (n, 4) px, `movenet.joints`, (n, 17, 2) px, and `movenet.joint_scores`, (n, 17).

    Raises
    ------
    MissingColumn
        When bodies or joints were not measured.
    """
    from facevalue.models._registry import card

    bodies, places = faces["yolox_nano.body"].values, faces["movenet.joints"].values
    joints = coco18(np.concatenate([places, faces["movenet.joint_scores"].values[..., None]], axis=2))
    held = _within(bodies, photo.shape[:2])
    found = {name: np.full((len(faces), len(labels)), np.nan, np.float32) for name, labels in LABELS.items()}
    if held.any():
        given = inputs(photo, bodies[held], joints[held], size=_size(card("chapnet").source))
        context = np.repeat(given.pop("context"), held.sum(), axis=0)
        for name, values in zip(LABELS, nets[0](context, **given), strict=True):
            found[name][held] = values
    return found


def inputs(photo: np.ndarray, boxes: np.ndarray, joints: np.ndarray, *, size: int) -> dict[str, np.ndarray]:
    """Return what the net sees of n people in one photo, whether it is trained or used.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    boxes : (n, 4) float
        x1 y1 x2 y2 of each body, px; what of it lies outside the photo is cut off.
    joints : (n, 18, 3) float
        Of COCO-18: x y in px of the photo, and confidence.
    size
        Side of the net's photos, px.

    Returns
    -------
    dict
        "context" (1, size, size, 3) and "target" (n, size, size, 3), uint8, squeezed to squares; "maps" (n, 18, 25, 25)
        float32 and "valid" (n, 18) bool.

    Raises
    ------
    ValueError
        A box of which less than a pixel lies in the photo.

    Examples
    --------
    >>> seen = inputs(np.zeros((60, 80, 3), np.uint8), np.array([[10, -5, 30, 55]]), np.zeros((1, 18, 3)), size=100)
    >>> {name: values.shape for name, values in seen.items()}
    {'context': (1, 100, 100, 3), 'target': (1, 100, 100, 3), 'maps': (1, 18, 25, 25), 'valid': (1, 18)}
    """
    if not _within(boxes, photo.shape[:2]).all():
        raise ValueError(f"expected boxes that lie in a photo of {photo.shape[1]} x {photo.shape[0]} px, got {boxes.tolist()}")
    places = windows(boxes, photo.shape[:2])
    targets = [squeezed(photo[y1:y2, x1:x2], size) for x1, y1, x2, y2 in places]
    moved = np.stack([cropped(j, w) for j, w in zip(joints, places, strict=True)])
    maps, valid = heat_maps(moved, places[:, [3, 2]] - places[:, [1, 0]])
    return {"context": squeezed(photo, size)[None], "target": np.stack(targets), "maps": maps, "valid": valid}


def squeezed(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return pixels, (h, w, 3), as a square, one axis after the other, so that one may shrink while the other grows.

    Examples
    --------
    >>> squeezed(np.array([[[0], [40]], [[80], [120]]], np.uint8).repeat(3, 2), 1)[0, 0].tolist()
    [60, 60, 60]
    """
    wide = cv2.resize(np.ascontiguousarray(pixels), (size, len(pixels)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(wide, (size, size), interpolation=cv2.INTER_AREA))


def windows(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the whole pixels of a photo of some height and width that boxes, (n, 4), touch: x1 y1 x2 y2, (n, 4) int.

    Examples
    --------
    >>> windows(np.array([[-3.0, 2.5, 4.2, 99]]), (20, 10)).tolist()
    [[0, 2, 5, 20]]
    """
    height, width = shape
    outer = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    return np.asarray(outer.clip(0, [width, height, width, height]), int)


def _within(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return of which boxes, (n, 4), something lies in the photo; of NaN nothing does."""
    low, high = boxes[:, :2].clip(0), np.minimum(boxes[:, 2:], [shape[1], shape[0]])
    return np.asarray((high - low >= 1).all(1))


@functools.cache
def _size(source: str) -> int:
    """Return the side of the photos of the net that is imported under a source."""
    from facevalue.models._registry import calibration

    known = calibration("chapnet")
    assert known is not None, source
    return int(known["config"]["size"])


def _size_of(path: Path) -> int:
    """Return the side of the photos that the calibration names."""
    from facevalue.data.files import read_json

    known = read_json(path, expected="the chapnet.json that was written beside chapnet.onnx")
    size = known.get("config", {}).get("size")
    columns = known.get("calibration", {}).get("distributions", {})
    wanted = {f"chapnet.{name}" for name in LABELS}
    if not isinstance(size, int) or set(columns) != wanted:
        raise LayerMismatch(
            f"{path.name}: expected config.size and a calibration of {', '.join(sorted(wanted))}, got size {size} and "
            f"{', '.join(sorted(columns)) or 'none'}; bring the chapnet.json that was written beside chapnet.onnx"
        )
    return size


def _sides(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Return an input's or output's sides without the batch, 0 where any goes."""
    return tuple(int(side.dim_value) for side in value.type.tensor_type.shape.dim)[1:]


def _expect(path: Path, wanted: Mapping[str, tuple[int, ...]], came: Mapping[str, tuple[int, ...]]) -> None:
    if dict(wanted) != dict(came):
        raise LayerMismatch(
            f"{path.name} is not a net of `facevalue train chapnet`: expected {dict(wanted)}, got {dict(came)}; bring "
            "chapnet.onnx and the chapnet.json that was written beside it"
        )
