"""What is known about the dimensions of a perceptual model: what goes with them, their words and ratings, who weighs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facevalue.data.annotators import Ratings, Topics
from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.judged import photo_places
from facevalue.data.perception import Perception
from facevalue.studies.attributes import attribute_model, classification
from facevalue.studies.dimensions import correlations, ratings, tabled, weights, words

FEW, FACES_A_DIMENSION, FACES = 10, 3, 30


def explain(
    model: Perception,
    names: Sequence[str] | np.ndarray,
    dimensions: np.ndarray,
    *,
    facts: Mapping[str, Any],
    topics: Topics | None = None,
    rated: Ratings | None = None,
    level: float,
    seed: int,
) -> Findings:
    """Return all that can be found out about the dimensions of a model, study "dimensions".

    Parameters
    ----------
    model
        With d dimensions.
    names : (n,) str
        Of faces.
    dimensions : (n, d) float
        Their places.
    facts
        Arrays or columns of n rows by name: each is correlated with each dimension; continuous ones are told by all
        dimensions together, those that are one thing or another by the best single one.
    topics, rated
        Words for the dimensions, and ratings of faces along them; "ratings_left_out" counts those of other faces.
    level
        Of the intervals, in (0, 1).
    seed
        Of folds.

    Raises
    ------
    SchemaError
        Topics of another model; ratings of none of the faces.
    """
    run, parts = f"perceptual.{model.name}", [concatenate([])]
    if facts:
        parts += [correlations(dimensions, facts, level=level, run=run), *_told_by(dimensions, facts, level=level, seed=seed)]
    if topics is not None:
        if (last := int(topics.dimension.max())) >= model.d:
            raise SchemaError(f"topics: expected dimensions of 0 to {model.d - 1}, got {last}: words of another model")
        parts.append(words(topics.dimension, list(topics.words), topics.annotator, level=level, run=run))
    if rated is not None:
        parts += _rated(model, names, dimensions, rated, level=level)
    if len(model.masks):
        parts.append(weights(model, level=level))
    return concatenate(parts)


def _rated(
    model: Perception, names: Sequence[str] | np.ndarray, dimensions: np.ndarray, rated: Ratings, *, level: float
) -> list[Findings]:
    """Return how ratings go with the dimensions of the judged faces or, where there are none, of the faces at hand."""
    face = model.places(rated.image) if len(model.items) else photo_places(rated.image, names)
    known = face >= 0
    if not known.any():
        raise SchemaError(f"ratings: expected ratings of the faces at hand; {rated.image[0]!r} or another is none of them")
    given = {"face": face, "dimension": rated.dimension, "rating": rated.rating, "annotator": rated.annotator}
    rows = {name: values[known] for name, values in given.items()}
    cells = {"measure": "ratings_left_out", "group": "all", "value": (~known).sum(), "n": len(face), "method": "count"}
    found = ratings(model.embedding if len(model.items) else dimensions, rows, level=level, run=f"perceptual.{model.name}")
    return [found, tabled("dimensions", **cells)]


def _told_by(dimensions: np.ndarray, facts: Mapping[str, Any], *, level: float, seed: int) -> list[Findings]:
    """Return how well each fact is told by all dimensions, or by the best of them."""
    parts = []
    for name, fact in facts.items():
        values = np.asarray(getattr(fact, "values", fact))
        if values.ndim != 1 or values.dtype.kind not in "fib":
            continue
        known = np.isfinite(values)
        kinds, counts = np.unique(values[known], return_counts=True)
        if len(kinds) == 2 and counts.min() >= FEW:
            labels = np.where(known, values == kinds[1], np.nan)
            told = classification(dimensions, labels, name=name, level=level, seed=seed)[1]
            parts.append(told[(told.group == "best") | (told.measure == f"threshold {name}")])
        elif known.sum() > max(FACES_A_DIMENSION * dimensions.shape[1], FACES) and len(kinds) > 2:
            told = attribute_model(dimensions, values, name=name, level=level, seed=seed)
            parts.append(told[told.measure != f"missing {name}"])
    return parts
