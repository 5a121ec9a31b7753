"""Head pose out of the mesh, by the rigid fit of a mean face; no weights of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.pose import head_pose
from facevalue.models._card import Card, Output
from facevalue.models.mesh import PRESENCE

if TYPE_CHECKING:
    from facevalue.data.faces import Faces

CARDS = (
    Card(
        name="pose",
        kind="pose",
        about="how the head is turned: the rigid fit of a mean face to the mesh and its mirror",
        outputs=(Output("yaw", "deg"), Output("pitch", "deg"), Output("roll", "deg"), Output("residual", "1")),
        needs=("mesh",),
        licence="CC BY 4.0 (mean face: DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5)",
        paper="Umeyama, Least-squares estimation of transformation parameters, IEEE TPAMI 13(4), 1991",
        trained_on="mean of 102 neutral London photos",
        limits=(
            "pitch 0 is the mean of the London sitters, not the horizontal",
            "one mean face for all: people's own proportions move pitch by about 3 degrees",
            "beyond about 60 degrees of yaw the pose is a guess; where mesh.presence is below .5 there is none",
        ),
    ),
)


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return yaw, pitch, roll and residual, each (n,), from `mesh.rigid`; NaN where the mesh sees no face.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        Not looked at.
    faces
        With `mesh.rigid`, (n, 18, 3) px of the photo, and `mesh.presence`.

    Raises
    ------
    MissingColumn
        When the mesh was not measured.
    """
    absent = faces["mesh.presence"].values < PRESENCE
    pose = head_pose(np.where(absent[:, None, None], np.nan, faces["mesh.rigid"].values))
    return {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll, "residual": pose.residual}
