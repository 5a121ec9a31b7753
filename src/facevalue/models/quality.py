"""Qualities that need no model: inter-eye distance, sharpness, exposure, distance from the photo's edge."""

from __future__ import annotations

import numpy as np

from facevalue.data.faces import Faces
from facevalue.image import align, quality
from facevalue.models._card import Card, Output

WINDOW = align.Crop("upright", 112)
CARDS = (
    Card(
        "quality",
        "quality",
        "size, sharpness, exposure and room around the face, from pixels alone",
        outputs=(
            Output("inter_eye", "px"),
            Output("sharpness", "1"),
            Output("luminance", "1"),
            Output("dark", "1"),
            Output("bright", "1"),
            Output("margin", "1"),
        ),
        licence="Apache-2.0",
        paper="Pech-Pacheco et al., ICPR 2000 (sharpness)",
        limits=(
            "sharpness is measured on the face scaled to 112 px: it falls for faces that were smaller",
            "luminance of a face depends on its skin as well as on the light",
        ),
    ),
)


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return the six qualities, (n,) each."""
    shape = photo.shape[:2]
    maps = align.transforms(WINDOW, faces.box, faces.landmarks, shape=shape)
    crops = align.cut(photo, maps, WINDOW.size)
    light = quality.exposure(crops)
    return {
        "inter_eye": quality.inter_eye(faces.landmarks),
        "sharpness": quality.sharpness(crops),
        "luminance": light[:, 0],
        "dark": light[:, 1],
        "bright": light[:, 2],
        "margin": quality.margin(faces.box, shape),
    }
