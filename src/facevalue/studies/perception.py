"""How well a perceptual model says what people answer, and how well it could."""

from __future__ import annotations

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.stats.choice import odd_probabilities, similarities


def answer_probabilities(model: Perception, answers: Triplets, *, masks: np.ndarray | None = None) -> np.ndarray:
    """Return the probability that a model gives each face of being the odd one, (t, 3).

    Parameters
    ----------
    model
        With every face of the answers.
    answers
        Odd-one-out or anchor; the mask of each annotator whom the model knows is used, else the typical one.
    masks : (t,) int, optional
        Other rows of `model.all_masks` to use.

    Raises
    ------
    SchemaError
        Rankings, or faces that the model does not know.
    """
    if answers.kind == "ranking":
        raise SchemaError("expected odd-one-out or anchor judgments, got rankings: their answers are orders")
    items = model.places(answers.names)[answers.items]
    rows = model.rows(answers.annotator) if masks is None else masks
    known = similarities(model.embedding, items, masks=model.all_masks, rater=rows)
    return odd_probabilities(known, anchored=answers.kind == "anchor")
