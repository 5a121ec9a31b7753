"""Photos to drop: which to look at first, and what is wrong with them in words."""

from __future__ import annotations

import numpy as np

from facevalue.data.faces import Faces
from facevalue.data.people import NO_PERSON, People
from facevalue.image.iso_quality import COMPONENTS

LOW, APART = 50, 10


def reasons(faces: Faces) -> list[str]:
    """Return what is wrong with each photo, in words, the worst first.

    Said is what lies below 50, and 10 or more below the median of these photos.

    Parameters
    ----------
    faces
        n photos, with the columns of `iso_quality`, or without.
    """
    flaws = [list[tuple[float, str]]() for _ in range(len(faces))]
    for name, one in COMPONENTS.items():
        if (column := faces.columns.get(f"iso_quality.{name}")) is None or not np.isfinite(column.values).any():
            continue
        for i in np.flatnonzero((column.values < LOW) & (column.values <= np.nanmedian(column.values) - APART)):
            flaws[i].append((float(column.values[i]), f"{one.words} ({name} {column.values[i]:.0f})"))
    return ["; ".join(words for _, words in sorted(each)) for each in flaws]


def to_drop(
    people: People, by: tuple[str, str, np.ndarray] | None = None, *, share: float = 0.1
) -> tuple[np.ndarray, list[str]]:
    """Return the rows of the photos to look at first, the worst first, and what is wrong with each.

    Parameters
    ----------
    people
        n photos.
    by
        The model, the name of the component to sort by, and its values, (n,), higher is better; photos that the model cannot
        compare, and then those without the component, come first. Without it, photos are sorted by how much there is to say
        about them, and those of which there is nothing are left out.
    share
        So many of the photos at most, in (0, 1].
    """
    words = reasons(people.faces)
    faceless = ~np.isfinite(people.faces.box).all(1)
    words = ["no face" if gone else text for text, gone in zip(words, faceless, strict=True)]
    rated = np.where(faceless, -np.inf, [-(text.count(";") + 1.0) if text else 0.0 for text in words])
    if by is not None:
        model, name, values = by
        why = people.why(model)
        gone = (why != "") & (why != NO_PERSON)
        words = [f"not compared: {w}" if g else text for text, w, g in zip(words, why, gone, strict=True)]
        words = [text or f"nothing stands out but its {name}" for text in words]
        rated = np.where(gone, -np.inf, np.nan_to_num(values, nan=np.finfo(np.float64).min))
    rows = np.argsort(rated, kind="stable")[: int(np.ceil(share * len(people)))]
    rows = rows if by is not None else rows[rated[rows] < 0]
    return rows, [words[i] for i in rows]
