"""How alike the faces of people are, with the error that their photos bring in, by what measured them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class FaceSimilarity:
    """How alike the faces of the people of each block are; higher is more alike.

    Parameters
    ----------
    name
        In words: "mean cosine of dlib_resnet".
    blocks
        Rows of the members of each block, (n_b,) int.
    values
        Of each block, (n_b, n_b) float64, symmetric; NaN where one of two has no face, and on the diagonal.
    error : (n,) float64
        Variance that each member's face brings into its similarity to others: that of a pair is the sum of both, in squared
        units of the values. NaN where there is no face, or where the error is not known.
    origin
        How the error is known, in words: "from 412 people with two photos or more"; "" where it is not.
    photos : (n,) int
        Usable photos of each member.
    why : (n,) str
        Why a member has no face; "" where there is one.
    vectors : (n, d) float64, optional
        What the similarity is made of, where it has dimensions.
    labels
        Their names.
    """

    name: str
    blocks: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]
    error: np.ndarray
    origin: str
    photos: np.ndarray
    why: np.ndarray
    vectors: np.ndarray | None = None
    labels: tuple[str, ...] = ()
