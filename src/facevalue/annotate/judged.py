"""Judged faces on photos: which photos, their vectors, their crops, their places along the dimensions of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facevalue import models
from facevalue.annotate.crops import main_crops
from facevalue.data.errors import SchemaError
from facevalue.data.faces import Faces
from facevalue.data.judged import about_faces, photo_places
from facevalue.data.people import main_faces
from facevalue.data.photos import Found, find_photos
from facevalue.data.triplets import Triplets, over_same_faces
from facevalue.image.align import Crop


def judged_photos(inputs: Sequence[str] | Found, names: Sequence[str] | np.ndarray) -> Found:
    """Return the photos of judged faces alone.

    Parameters
    ----------
    inputs
        Files, folders, globs, lists.
    names : (n,) str
        Of the faces.

    Raises
    ------
    SchemaError
        None of them has a photo, or one has two.
    """
    found = find_photos(inputs)
    places = photo_places(names, [photo.path for photo in found])
    if (places < 0).all():
        got = f"{found[0].path!r}, ..." if found else "no photo"
        raise SchemaError(f"--photos: expected photos named as the judged faces are ({names[0]!r}, ...); got {got}")
    return Found(found[i] for i in sorted(set(places[places >= 0].tolist())))


def judged_vectors(answers: Sequence[Triplets], faces: Faces, columns: Sequence[str]) -> tuple[list[Triplets], np.ndarray]:
    """Return the answers about faces that were measured, over the same faces, and the vectors of these, (n, k) float32.

    Parameters
    ----------
    answers
        Sets of answers.
    faces
        Measured.
    columns
        Whose values stand side by side.

    Raises
    ------
    SchemaError
        No answer is about faces that all were measured.
    """
    main, together = faces[main_faces(faces)[0]], over_same_faces(answers)
    values, names = models.vectors(main, tuple(columns)), together[0].names
    places = photo_places(names, main.path)
    known = (places >= 0) & np.isfinite(values).all(1)[places]
    kept = [about_faces(part, known) for part in together]
    if not sum(map(len, kept)):
        raise SchemaError(
            f"expected photos of the judged faces ({names[0]!r}, ...) among {main.path[0]!r}, ...: no answer is "
            "about faces that all have one; name the photos as the judgments name the faces"
        )
    return kept, values[places[known]]


def judged_crops(
    inputs: Sequence[str] | Found,
    names: np.ndarray,
    crop: Crop,
    *,
    detector: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of each judged face, (n, h, w, 3) uint8 RGB, and which have a photo of a face, (n,) bool.

    Parameters
    ----------
    inputs
        Files, folders, globs, lists.
    names : (n,) str
        Of the faces.
    crop, detector, progress
        As for `main_crops`.
    """
    found = find_photos(inputs)
    places = photo_places(names, [photo.path for photo in found])
    seen, crops = places >= 0, np.zeros((len(names), *crop.shape, 3), np.uint8)
    crops[seen], why = main_crops([found[i] for i in places[seen]], crop, detector=detector, progress=progress)
    seen[seen] = why == ""
    return crops, seen


def placed(faces: Faces, name: str) -> tuple[Faces, int]:
    """Return the main faces that an instrument, as it is installed now, has placed, and how many photos have none.

    Parameters
    ----------
    faces
        Measured.
    name
        Of the instrument, "perceptual.mine".

    Raises
    ------
    SchemaError
        It did not measure them, or did with other weights; it placed none of them.
    """
    column, now = f"{name}.dimensions", models.card(name).source
    if column not in faces.columns:
        raise SchemaError(f"expected the column {column}; annotate with --instruments default,{name}")
    if (source := faces[column].source) != now:
        raise SchemaError(f"expected {column} of {now}, got {source}; annotate again")
    main = faces[main_faces(faces)[0]]
    seen = np.isfinite(main[column].values).all(1)
    if not seen.any():
        raise SchemaError(f"expected faces with a place along {name}; none of {len(main)} photos has one")
    return main[seen], int((~seen).sum())
