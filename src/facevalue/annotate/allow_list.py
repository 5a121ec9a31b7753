"""People who stay visible where others are hidden: their photos, and how alike a face must be to be theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.annotate.instruments import DETECTOR, placed
from facevalue.annotate.memory import annotate
from facevalue.confidence.defaults import default_verifier
from facevalue.data.errors import RunError
from facevalue.data.faces import Faces
from facevalue.data.people import find_people, people
from facevalue.stats.similarity import unit

MODEL = "dlib_resnet"
# The false match rate that the threshold must keep even at the upper end of its interval.
FMR = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class AllowList:
    """Photos of people who stay visible.

    Parameters
    ----------
    person : (m,) str
    embeddings : (m, d) float
        Of unit length.
    threshold
        The cosine from which a face is theirs.
    model
        That embeds.
    """

    person: np.ndarray
    embeddings: np.ndarray
    threshold: float
    model: str = MODEL

    def names(self, faces: Faces, sure: np.ndarray) -> list[str]:
        """Return whose each face is, "" where it is nobody's on the list or the detection is not sure.

        Parameters
        ----------
        faces
            n faces, measured by the model.
        sure : (n,) bool
        """
        embeddings = faces[f"{self.model}.embedding"].values
        known = sure & np.isfinite(embeddings).all(1)
        cosines = unit(np.where(known[:, None], embeddings, 1)) @ self.embeddings.T
        best = cosines.argmax(1)
        theirs = known & (cosines.max(1) >= self.threshold)
        return [str(self.person[at]) if one else "" for at, one in zip(best, theirs, strict=True)]


def read_allow_list(folder: Path) -> AllowList:
    """Measure the photos of a folder of people, or of a single person, and return whom they show.

    Raises
    ------
    RunError
        No face was found in any photo of somebody.
    """
    roster = find_people(folder)
    faces = annotate(folder, instruments=placed([MODEL], DETECTOR), detector=DETECTOR)
    found = people(faces, roster)
    usable = found.usable(MODEL)
    if lacking := sorted(set(found.person.tolist()) - set(found.person[usable].tolist()) - {""}):
        raise RunError(f"{folder}: expected a photo with a face of everybody who is to stay visible; {lacking[0]} has none")
    rates = default_verifier(MODEL, DETECTOR).rates
    held = np.flatnonzero(rates.high <= FMR)
    if not len(held):
        raise RunError(f"{folder}: the calibration of {MODEL} keeps no false match rate of {FMR:g}; nobody can be told apart")
    return AllowList(found.person[usable], unit(found.embedding(MODEL)[usable]), float(rates.score[held[0]]))
