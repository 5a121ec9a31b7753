"""What `facevalue perceive explain` shows: faces, their pictures and columns, and what studies find about the dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from facevalue.data.findings import Findings
    from facevalue.data.perception import Perception


@dataclass(frozen=True, slots=True)
class Shown:
    """Faces along the dimensions of a model.

    Parameters
    ----------
    model
        With d dimensions.
    names : (n,) str
        Of the faces.
    dimensions : (n, d) float
        Their places.
    columns
        What instruments measured of them, by column.
    pictures
        (s, s, 3) uint8 by name.
    cards
        Of the instruments.
    """

    model: Perception
    names: np.ndarray
    dimensions: np.ndarray
    columns: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)
    cards: tuple[Any, ...] = ()


def shown(model: Perception, photos: tuple[str, ...], out: Path, *, instruments: str, quiet: bool) -> Shown:
    """Return the judged faces or, of a model that embeds, those of the photos, with columns and pictures."""
    from facevalue import models
    from facevalue.annotate.instruments import named, ordered
    from facevalue.cli import _perceive
    from facevalue.data.errors import SchemaError
    from facevalue.data.people import main_faces

    if not photos:
        if not len(model.items):
            raise SchemaError(f"{model.name}: it comes without judged faces; give --photos")
        return Shown(model, model.items, model.embedding)
    names = list(named(instruments.split(",")))
    if embeds := model.head is not None or bool(model.encoder):
        names.append(_perceive.installed(model))
    faces = _perceive.measured(photos, out / "faces", names, quiet=quiet)
    main = faces[main_faces(faces)[0]]
    if embeds:
        places = main[f"{names[-1]}.dimensions"].values
        seen = np.isfinite(places).all(1)
        main, places, who = main[seen], places[seen], main.path[seen]
    else:
        main, places, who = _judged(model, main)
    kept = {name: column for name, column in main.columns.items() if column.labels or column.values.ndim == 1}
    cards = tuple(models.card(name) for name in ordered(names))
    return Shown(model, who, places, kept, _perceive.pictures(photos, who, quiet=quiet), cards)


def _judged(model: Perception, main: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the faces of judged ones that have a photo, their places, and their names."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import photo_places

    places = photo_places(model.items, main.path)
    known = places >= 0
    if not known.any():
        raise SchemaError(
            f"--photos: expected photos named as the {len(model.items)} judged faces ({model.items[0]!r}, ...); "
            f"got {main.path[0]!r}, ..."
        )
    return main[places[known]], model.embedding[known], model.items[known]


def findings(
    found: Shown, columns: Path | None, topics: Path | None, ratings: Path | None, *, level: float, seed: int
) -> tuple[Findings, list[str]]:
    """Return what goes with each dimension, its words and ratings, who weighs it, and what is to be said beside."""
    from facevalue.data.annotators import read_ratings, read_topics
    from facevalue.data.findings import concatenate
    from facevalue.studies import dimensions as study

    run, parts, notes = f"perceptual.{found.model.name}", [], list[str]()
    facts = {name: column for name, column in found.columns.items() if not name.endswith("_set")}
    if columns is not None:
        facts |= read_facts(columns, found.names)
    if facts:
        parts.append(study.correlations(found.dimensions, facts, level=level, run=run))
        parts.append(_told_by(found, facts, level=level, seed=seed))
    if topics is not None:
        known = read_topics(topics)
        parts.append(study.words(known.dimension, list(known.words), known.annotator, level=level, run=topics.name))
    if ratings is not None:
        rated = read_ratings(ratings)
        face = found.model.places(rated.image)
        rows = {"face": face, "dimension": rated.dimension, "rating": rated.rating, "annotator": rated.annotator}
        parts.append(study.ratings(found.model.embedding, rows, level=level, run=ratings.name))
    if len(found.model.masks):
        parts.append(study.weights(found.model, level=level))
    if not parts:
        notes.append("Nothing else is known of these faces: give --photos, --columns, --topics or --ratings.")
    return concatenate(parts), notes


def _told_by(found: Shown, facts: Mapping[str, Any], *, level: float, seed: int) -> Findings:
    """Return how well continuous facts, and those that are one thing or another, are told by the dimensions."""
    from facevalue.data.findings import concatenate
    from facevalue.studies.attributes import attribute_model, classification
    from facevalue.studies.dimensions import dimension_names

    parts = [concatenate([])]
    for name, fact in facts.items():
        values = np.asarray(getattr(fact, "values", fact))
        if values.ndim != 1 or values.dtype.kind not in "fib":
            continue
        known = np.isfinite(values)
        kinds, counts = np.unique(values[known], return_counts=True)
        if len(kinds) == 2 and counts.min() >= 10:
            labels = np.where(known, np.where(values == kinds[1], "yes", "no"), "")
            parts.append(classification(found.dimensions, labels, name=name, level=level, seed=seed)[1])
        elif known.sum() > max(3 * len(dimension_names(found.model.d)), 30) and len(kinds) > 2:
            parts.append(attribute_model(found.dimensions, values, name=name, level=level, seed=seed))
    return concatenate(parts)


def read_facts(path: Path, names: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a table, in the order of faces; NaN for those that it does not name."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import photo_places
    from facevalue.data.people import read_table

    rows = read_table(path)
    first, *others = rows[0]
    places = photo_places(names, [row[first] for row in rows])
    if (places < 0).all():
        raise SchemaError(f"{path}: expected the faces' names in its first column, {first!r}; none is {names[0]!r} or another")
    found = {}
    for name in others:
        cells = np.array([_number(row[name]) for row in rows])
        found[name] = np.where(places >= 0, cells[places], np.nan)
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
