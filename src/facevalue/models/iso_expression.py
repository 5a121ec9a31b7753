"""Neutrality of the expression, the component of ISO/IEC 29794-5 that needs a network of its own: here `expression`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facevalue.image.iso_quality import NATIVE, NEUTRALITY
from facevalue.models._card import Card, Output

if TYPE_CHECKING:
    from facevalue.data.faces import Faces

NEUTRAL = "Neutral"
CARDS = (
    Card(
        "iso_expression",
        "quality",
        "how neutral an expression is perceived to be, 0 to 100, as a component of image quality after ISO/IEC 29794-5",
        outputs=(Output(NEUTRALITY.name, "0-100"), Output(NEUTRALITY.name + NATIVE, NEUTRALITY.unit)),
        needs=("expression",),
        licence="Apache-2.0; it rests on `expression`, whose data forbid commercial use",
        commercial=False,
        paper="ISO/IEC 29794-5:2025; see `expression`",
        limits=(
            f"{NEUTRALITY.name}: {NEUTRALITY.ours}",
            "a smile with closed lips passes for neutral",
            "missing where `expression` abstains",
        ),
        withheld="not_measured",
    ),
)


def derive(photo: np.ndarray, faces: Faces) -> dict[str, np.ndarray]:
    """Return the score and the native value, (n,) each: the share of votes for neutral that `expression` expects.

    Parameters
    ----------
    photo : (h, w, 3) uint8
        Not looked at.
    faces
        With `expression.votes`.

    Raises
    ------
    MissingColumn
        When the expression was not measured.
    """
    votes = faces["expression.votes"]
    share = votes.values[:, votes.labels.index(NEUTRAL)]
    return {NEUTRALITY.name: NEUTRALITY.score(share), NEUTRALITY.name + NATIVE: share}
