"""Image quality by the components of ISO/IEC 29794-5, each 0 to 100 and with its native value; no weights of its own."""

from __future__ import annotations

import numpy as np

from facevalue.data.faces import Faces
from facevalue.image.blockiness import compression
from facevalue.image.face_light import face_light
from facevalue.image.iso_quality import COMPONENTS, EYES, MOUTH, NATIVE, NOSE, rival, shape_measures
from facevalue.models._card import Card, Output
from facevalue.models.mesh import PRESENCE

OURS = tuple(f"{one.name}: {one.ours}" for one in COMPONENTS.values() if one.ours)
CARDS = (
    Card(
        "iso_quality",
        "quality",
        "22 components of image quality after ISO/IEC 29794-5, 0 to 100 each, and the native values that they are made of",
        outputs=tuple(
            output
            for one in COMPONENTS.values()
            for output in (Output(one.name, "0-100"), Output(f"{one.name}{NATIVE}", one.unit))
        ),
        needs=("mesh", "pose"),
        licence="Apache-2.0",
        paper="ISO/IEC 29794-5:2025; BSI-OFIQ 1.0.3 (maps and their constants); Crete et al., SPIE 6492, 2007 (sharpness)",
        limits=(
            *OURS,
            "a score is not OFIQ's: each is its formula on other landmarks, or, where named here, a measure of our own",
            "sharpness and compression_artifacts are mapped by constants of our own, set on corrupted London photos",
            "noise, and squares of one colour, pass for sharpness; blocks of JPEG are seen where they are 5 to 32 px wide",
            "not measured, for want of free networks: occlusion of eyes, mouth and face, head coverings, the unified score",
            "neutrality of the expression is an instrument of its own, iso_expression",
            "luminance_mean, luminance_variance and dynamic_range depend on skin as much as on light: on evenly lit portraits "
            "(London) luminance_mean is 82 for sitters described as white in the median, 8 for those described as black",
            "eyes_open: the mesh seldom closes an eye all the way",
        ),
        withheld="not_assessed",
    ),
)


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return each component's score and native value, (n,) each; NaN where there is no mesh, or nothing to look at.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        RGB.
    faces
        All faces of the photo, with the columns of mesh and pose.

    Raises
    ------
    MissingColumn
        When one of the two was not measured.
    """
    mesh = faces["mesh.landmarks"].values.astype(np.float64)
    mesh[faces["mesh.presence"].values < PRESENCE] = np.nan
    yaw, pitch, roll = (faces[f"pose.{angle}"].values for angle in ("yaw", "pitch", "roll"))
    native = shape_measures(mesh, yaw, photo.shape[:2]) | {"pose_yaw": yaw, "pose_pitch": pitch, "pose_roll": roll}
    native["single_face_present"] = rival(faces.box)
    native["compression_artifacts"] = np.array([compression(photo, box) for box in faces.box])
    lit = [face_light(photo, _points(points), points[:, :2]) if np.isfinite(points).all() else {} for points in mesh]
    measures: dict[str, np.ndarray] = {}
    for name, one in COMPONENTS.items():
        values = native[name] if name in native else np.array([each.get(name, np.nan) for each in lit])
        measures |= {name: one.score(np.asarray(values, np.float64)), f"{name}{NATIVE}": values}
    return measures


def _points(mesh: np.ndarray) -> dict[str, np.ndarray]:
    """Return the five points by which a face is laid in its window."""
    flat = mesh[:, :2]
    names = ("left", "right", "nose", "mouth_left", "mouth_right")
    places = (flat[list(EYES[0])].mean(0), flat[list(EYES[1])].mean(0), flat[NOSE], flat[MOUTH[0]], flat[MOUTH[1]])
    return dict(zip(names, places, strict=True))
