"""Verify: measure two photos and hold them against a calibration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from facevalue.annotate.instruments import placed
from facevalue.annotate.memory import annotate
from facevalue.confidence.verdict import Verdict, Verifier
from facevalue.data.errors import RunError
from facevalue.data.faces import Faces
from facevalue.data.people import main_faces
from facevalue.data.photos import find_photos
from facevalue.models import SPREAD, preprocessing


def wanted(model: str) -> tuple[str, ...]:
    """Return the instruments that a calibration needs: the model, its spread, quality.

    Examples
    --------
    >>> wanted("dlib_resnet")
    ('dlib_resnet', 'dlib_resnet_spread', 'quality')
    """
    return (model, f"{model}{SPREAD}", "quality")


def verify(
    a: str | Path, b: str | Path, *, verifier: Verifier, level: float, prior: float, measure: Callable[..., Faces] = annotate
) -> tuple[Verdict, tuple[int, int]]:
    """Return what can be said of the main, largest, faces of two photos, and how many further faces each photo has.

    Parameters
    ----------
    a, b
        Photos.
    verifier
        Its model and detector measure them.
    level
        Of intervals and answers, in (0, 1).
    prior
        P(same person) before the faces are seen, in (0, 1).
    measure
        As `facevalue.annotate`.

    Raises
    ------
    RunError
        An input is not one photo.
    """
    for given in (a, b):
        if len(found := find_photos(given)) != 1:
            raise RunError(f"expected one photo, got {len(found)} in {given}: name a file")
    origin = verifier.origin
    faces = measure([a, b], instruments=placed(wanted(origin.model), origin.detector), detector=origin.detector)
    origin.check(faces, preprocessing=preprocessing(origin.model))
    rows, further = (part[[0, -1]] for part in main_faces(faces))
    return verifier.verdict(faces[rows], level=level, prior=prior), (int(further[0]), int(further[1]))
