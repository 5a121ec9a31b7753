"""Photos to drop: which to look at first, and what is wrong with them in words."""

from __future__ import annotations

import numpy as np

from facevalue.data.people import NO_PERSON, People
from facevalue.image.iso_quality import COMPONENTS, NEUTRALITY

LOW, APART = 50, 10
OF_SKIN = ("luminance_mean", "luminance_variance", "dynamic_range")
RATED = {f"iso_quality.{name}": one for name, one in COMPONENTS.items()} | {f"iso_expression.{NEUTRALITY.name}": NEUTRALITY}


def reasons(people: People) -> list[str]:
    """Return what is wrong with each photo, in words, the worst first.

    Said is what lies below 50, and 10 or more below the median of these photos. The luminance of a face is its skin's as well
    as the light's: of it is said what also lies 10 or more below the best of the person's photos.

    Parameters
    ----------
    people
        n photos, with the columns of `iso_quality` and `iso_expression`, or without.
    """
    flaws = [list[tuple[float, str]]() for _ in range(len(people))]
    for name, one in RATED.items():
        if (column := people.faces.columns.get(name)) is None or not np.isfinite(column.values).any():
            continue
        values = column.values.astype(np.float64)
        usual = _own_best(values, people.person) if one.name in OF_SKIN else np.inf
        low = (values < LOW) & (values <= np.minimum(np.nanmedian(values), usual) - APART)
        for i in np.flatnonzero(low):
            flaws[i].append((float(values[i]), f"{one.words} ({one.name} {values[i]:.0f})"))
    return ["; ".join(words for _, words in sorted(each)) for each in flaws]


def _own_best(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return the largest value among the photos of each photo's person, (n,); of nobody's photo, its own."""
    _, at = np.unique(person.astype(str), return_inverse=True)
    best = np.full(at.max() + 1, -np.inf)
    np.maximum.at(best, at, np.nan_to_num(values, nan=-np.inf))
    return np.where(person == "", values, best[at])


def _unmeasured(people: People, i: int) -> str:
    """Return why a photo has no face to measure: there is none, or the photo could not be read."""
    told = (str(column.why[i]).partition(":")[0] for column in people.faces.columns.values() if column.why is not None)
    why = next((why for why in told if why not in ("", "no_face")), "")
    return f"not measured: {why}" if why else "no face"


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
    words = reasons(people)
    faceless = ~np.isfinite(people.faces.box).all(1)
    words = [_unmeasured(people, i) if gone else words[i] for i, gone in enumerate(faceless)]
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
