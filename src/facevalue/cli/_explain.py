"""What `facevalue perceive explain` shows: faces along the dimensions of a model, their pictures and columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from facevalue.data.consent import Permission
    from facevalue.data.findings import Findings
    from facevalue.data.perception import Perception
    from facevalue.report.dimensions import Explanation


def shown(
    model: Perception,
    photos: tuple[str, ...],
    out: Path,
    *,
    instruments: str,
    detector: str,
    quiet: bool,
    permission: Permission | None = None,
) -> tuple[Explanation, Mapping[str, Any]]:
    """Return the judged faces or, of a model that embeds, those of the photos, with columns and pictures."""
    from facevalue import models
    from facevalue.annotate.instruments import named, ordered
    from facevalue.cli import _perceive
    from facevalue.data.errors import SchemaError
    from facevalue.data.findings import concatenate
    from facevalue.data.people import main_faces
    from facevalue.report.dimensions import Explanation

    if not photos:
        if not len(model.items):
            raise SchemaError(f"{model.name}: it comes without judged faces; give --photos")
        return Explanation(model, model.items, model.embedding, concatenate([]), {}), {}
    names = list(named(instruments.split(",")))
    if embeds := model.head is not None or bool(model.encoder):
        names.append(_perceive.installed(model, quiet=quiet))
    judged = None if embeds else model.items
    faces = _perceive.measured(
        photos, out / "faces", names, detector=detector, judged=judged, quiet=quiet, permission=permission
    )
    if embeds:
        main = _perceive.with_places(faces, names[-1], photos[0], quiet=quiet)
        places, who = main[f"{names[-1]}.dimensions"].values, main.path
    else:
        main, places, who = _judged(model, faces[main_faces(faces)[0]])
    kept = {
        name: column
        for name, column in main.columns.items()
        if (column.labels or column.values.ndim == 1) and not name.endswith("_set")
    }
    cards = tuple(models.card(name) for name in ordered(names))
    pictures = _perceive.pictures(photos, main, who, quiet=quiet, permission=permission)
    return Explanation(model, who, places, concatenate([]), pictures, cards), kept


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


def notes(findings: Findings) -> list[str]:
    """Return what is to be said beside what was found."""
    if not len(findings):
        return ["Nothing else is known of these faces: give --photos, --columns, --topics or --ratings."]
    left = findings[findings.measure == "ratings_left_out"]
    return [
        f"{value:.0f} of {n} ratings are of other faces: left out."
        for value, n in zip(left.value, left.n, strict=True)
        if value
    ]
