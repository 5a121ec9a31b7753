"""What `facevalue perceive explain` shows: faces, their pictures and columns, and what studies find about the dimensions."""

from __future__ import annotations

from collections import Counter
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


def shown(model: Perception, photos: tuple[str, ...], out: Path, *, instruments: str, detector: str, quiet: bool) -> Shown:
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
        names.append(_perceive.installed(model, quiet=quiet))
    judged = None if embeds else model.items
    faces = _perceive.measured(photos, out / "faces", names, detector=detector, judged=judged, quiet=quiet)
    if embeds:
        main = _perceive.with_places(faces, names[-1], photos[0], quiet=quiet)
        places, who = main[f"{names[-1]}.dimensions"].values, main.path
    else:
        main, places, who = _judged(model, faces[main_faces(faces)[0]])
    kept = {name: column for name, column in main.columns.items() if column.labels or column.values.ndim == 1}
    cards = tuple(models.card(name) for name in ordered(names))
    return Shown(model, who, places, kept, _perceive.pictures(photos, who, detector=detector, quiet=quiet), cards)


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
    from facevalue.data.errors import SchemaError
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
        if (last := int(known.dimension.max())) >= found.model.d:
            raise SchemaError(f"{topics}: expected dimensions of 0 to {found.model.d - 1}, got {last}: words of another model")
        parts.append(study.words(known.dimension, list(known.words), known.annotator, level=level, run=topics.name))
    if ratings is not None:
        rated = read_ratings(ratings)
        dimensions, face = _rated(found, rated.image)
        given = {"face": face, "dimension": rated.dimension, "rating": rated.rating, "annotator": rated.annotator}
        rows = {name: values[face >= 0] for name, values in given.items()}
        parts.append(study.ratings(dimensions, rows, level=level, run=ratings.name))
        if gone := int((face < 0).sum()):
            notes.append(f"{gone} of {len(face)} ratings are of faces without a photo: left out.")
    if len(found.model.masks):
        parts.append(study.weights(found.model, level=level))
    if not parts:
        notes.append("Nothing else is known of these faces: give --photos, --columns, --topics or --ratings.")
    return concatenate(parts), notes


def _rated(found: Shown, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return faces along the dimensions, and which of them each rated image is: judged ones, or those of the photos."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import photo_places

    if len(found.model.items):
        return found.model.embedding, found.model.places(images)
    if (places := photo_places(images, found.names)).max() < 0:
        raise SchemaError(f"--ratings: expected ratings of the faces on the photos; {images[0]!r} or another is none of them")
    return found.dimensions, places


def _told_by(found: Shown, facts: Mapping[str, Any], *, level: float, seed: int) -> Findings:
    """Return how well continuous facts, and those that are one thing or another, are told by all or the best dimension."""
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
            labels = np.where(known, values == kinds[1], np.nan)
            told = classification(found.dimensions, labels, name=name, level=level, seed=seed)[1]
            parts.append(told[(told.group == "best") | (told.measure == f"threshold {name}")])
        elif known.sum() > max(3 * len(dimension_names(found.model.d)), 30) and len(kinds) > 2:
            told = attribute_model(found.dimensions, values, name=name, level=level, seed=seed)
            parts.append(told[told.measure != f"missing {name}"])
    return concatenate(parts)


def read_facts(path: Path, names: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a table, in the order of faces; NaN for those that it does not name."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import photo_places
    from facevalue.data.people import read_table

    rows = read_table(path)
    first, *others = rows[0]
    if not others:
        raise SchemaError(f"{path}: expected facts beside the faces' names; it has one column, {first!r}")
    given = [row[first] for row in rows]
    if twice := [face for face, count in Counter(given).items() if count > 1]:
        raise SchemaError(f"{path}: expected one row a face; {twice[0]!r} has several")
    places = photo_places(names, given)
    backwards = photo_places(given, names)
    for i in np.flatnonzero(backwards >= 0):
        places[backwards[i]] = i if places[backwards[i]] < 0 else places[backwards[i]]
    if (places < 0).all():
        raise SchemaError(
            f"{path}: expected names of faces ({names[0]!r}, ...) in its first column, {first!r}; got {given[0]!r}, ..."
        )
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
