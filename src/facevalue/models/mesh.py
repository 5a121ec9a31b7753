"""MediaPipe's face mesh: 468 points in three dimensions, and whether there is a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facevalue.image.align import Crop
from facevalue.image.pose import STABLE, mean_mesh
from facevalue.models._card import Card, File, Input, Output

if TYPE_CHECKING:
    import onnx

    from facevalue.models._session import Net

SIZE = 192
POINTS = 468
PRESENCE = 0.5
EYES = ((33, 133), (263, 362))

# MediaPipe's own window, 1.5 times BlazeFace's square, in terms of CenterFace's box.
CARDS = (
    Card(
        name="mesh",
        kind="landmarks",
        about="468 points of the face in three dimensions, the belief that there is a face, how far a mirror moves them",
        files=(
            File(
                "mediapipe/face_landmark.tflite",
                "pip:mediapipe==0.10.21/mediapipe/modules/face_landmark/face_landmark.tflite",
                "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
                1_242_398,
            ),
        ),
        inputs=Input(SIZE, SIZE, std=(255.0,)),
        crops=(Crop("eyes_level", SIZE, scale=1.4, shift=0.07),),
        outputs=(
            Output("landmarks", "px", (POINTS, 3), points=True),
            Output("presence", "p"),
            Output("rigid", "px", (len(STABLE), 3), points=True),
            Output("spread", "1"),
        ),
        licence="Apache-2.0",
        paper="Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video, arXiv 1907.06724, 2019",
        trained_on="Google's own photos, not published; depth from a fitted synthetic face",
        limits=(
            "depth is that of a model face fitted to the picture, not a measurement",
            "the far side of a turned face is guessed; a full profile is not read at all",
            "moves by about 1 % of the distance between the eyes where the box moves by 5 %",
        ),
    ),
)


def build(card: Card, files: list[Path]) -> list[onnx.ModelProto]:
    """Return the graph: points (n, 1, 1, 1404), flag (n, 1, 1, 1)."""
    from facevalue.models._convert.tflite import read_tflite

    return [read_tflite(files[0].read_bytes())]


def measure(nets: Sequence[Net], crops: np.ndarray) -> dict[str, np.ndarray]:
    """Return points and presence, read from the crop, and what the reading of its mirror image adds.

    The net counts from the edges of the crop, facevalue from the centre of its first pixel: hence half a pixel.

    Parameters
    ----------
    nets
        The mesh.
    crops : (n, 192, 192, 3) uint8
        RGB.

    Returns
    -------
    dict
        landmarks (n, 468, 3): x and y, px of the crop, and z in the same unit, smaller where nearer; presence (n,),
        in [0, 1]; rigid (n, 18, 3): the vertices `image.pose.STABLE`, mean of the crop's reading and its mirror's;
        spread (n,): how far the two lie apart in the picture, root mean square over all vertices, in eye distances.
    """
    twice = np.empty((2, *crops.shape), np.uint8)
    twice[0] = crops
    for crop, mirrored in zip(crops, twice[1], strict=True):
        cv2.flip(crop, 1, dst=mirrored)
    points, flag = nets[0](twice.reshape(-1, SIZE, SIZE, 3))
    readings = points.reshape(2, len(crops), POINTS, 3) - np.array([0.5, 0.5, 0], np.float32)
    there, back = readings[0], readings[1][:, mean_mesh()[1]]
    back[:, :, 0] = SIZE - 1 - back[:, :, 0]
    eyes = np.linalg.norm(there[:, EYES[0]].mean(1) - there[:, EYES[1]].mean(1), axis=1)
    apart = np.sqrt(((there - back)[:, :, :2] ** 2).sum(2).mean(1))
    return {
        "landmarks": there,
        "presence": 1 / (1 + np.exp(-flag.reshape(2, len(crops))[0])),
        "rigid": (there + back)[:, STABLE] / 2,
        "spread": apart / np.maximum(eyes, 1e-6),
    }
