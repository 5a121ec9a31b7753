"""What a corruption is: a name, five severities, and a function of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevalue.image.jitter import View
from facevalue.image.quality import inter_eye

Apply = Callable[[View, float, np.random.Generator], View]


@dataclass(frozen=True, slots=True)
class Corruption:
    """A way in which photos of faces go wrong.

    Parameters
    ----------
    name
        As the literature has it.
    about
        What is done to the photo, one line.
    unit
        Of the levels.
    levels
        Of severities 1 to 5, each further from the photo as it is than the one before.
    apply
        Takes the view, a level and a generator; returns a photo of the same shape, and landmarks where they then lie.
    """

    name: str
    about: str
    unit: str
    levels: tuple[float, float, float, float, float]
    apply: Apply


def eye_distance(view: View) -> float:
    """Return the median over faces of the distance between the eyes, px, NaN without eyes: the scale of what is not one face's.

    Examples
    --------
    >>> face = np.array([[[2, 3], [6, 3], [4, 5], [3, 7], [5, 7.0]]])
    >>> eye_distance(View(np.zeros((9, 9, 3), np.uint8), np.zeros((1, 4)), face))
    4.0
    """
    eyes = inter_eye(view.landmarks)
    return float(np.median(eyes[np.isfinite(eyes)])) if np.isfinite(eyes).any() else float("nan")
