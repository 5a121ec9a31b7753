"""Where the parts of a face lie that are to be hidden: outlines of eye, lower, face and head, and masks of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REGIONS = ("eye", "lower", "face", "head")


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """A part of a photo to be hidden.

    Parameters
    ----------
    outline : (p, 2) float
        A polygon, x y in px of the photo; it may reach beyond the photo.
    size
        Of the face it belongs to, px: the root of its box's area. Strengths are relative to it.
    """

    outline: np.ndarray
    size: float
