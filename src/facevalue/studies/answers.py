"""Answers about faces, and what becomes of them when the photo changes and the face does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Column, Faces

MEAN = ".mean_change_"


def answers(faces: Faces, wanted: Sequence[str] | None = None) -> Sequence[str]:
    """Return the columns that are answers: those wanted, or all labels but sets, and all numbers in years or degrees.

    Raises
    ------
    MissingColumn, SchemaError
        A column is not measured, or is neither a number nor a distribution over labels.
    """
    if wanted is None:
        wanted = [
            name
            for name, column in faces.columns.items()
            if (column.labels or (column.values.ndim == 1 and column.unit in ("years", "deg")))
            and not name.endswith(("_set", "_sd"))
        ]
    if not wanted:
        raise SchemaError(f"expected a column with labels, or in years or degrees; measured are {', '.join(faces.columns)}")
    for name in wanted:
        if not faces[name].labels and faces[name].values.ndim > 1:
            raise SchemaError(f"{name}: expected a number, or a distribution over labels, a face; it is neither")
    return wanted


def answer_changes(
    before: Faces, after: Faces, name: str, *, carried: tuple[float, float | np.ndarray] = (1.0, 0.0)
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each measure of a column, its answers, (m,), bool for a share and float for a mean, and whose they are, (m,) int.

    - COLUMN.became_missing: no value now, of the faces that had one; the others are of those that kept it
    - COLUMN.label_changed: the most probable label is another
    - COLUMN.set_changed: the prediction set, the column COLUMN_set, is another
    - COLUMN.mean_change_UNIT: absolute change of a number, of angles the short way round
    - COLUMN.beyond_band: the number moved by more than half the width of its band

    Parameters
    ----------
    before, after
        n faces each, row by row.
    name
        Of a column that `answers` knows.
    carried
        What the change of the photo multiplies a number by and adds to it, as a mirror or a turn do to angles.

    Examples
    --------
    >>> place = np.zeros(2), np.zeros((2, 4)), np.zeros((2, 5, 2)), np.ones(2)
    >>> before, after = (Faces(*place, {"pose.roll": Column(np.array(v), "deg", "pose")}) for v in ([1, 179.0], [3, -179.0]))
    >>> [(measure, values.tolist()) for measure, values, _ in answer_changes(before, after, "pose.roll")]
    [('pose.roll.became_missing', [False, False]), ('pose.roll.mean_change_deg', [2.0, 2.0])]
    """
    lost, had = missing(after[name]), ~missing(before[name])
    yield f"{name}.became_missing", lost[had], np.flatnonzero(had)
    kept = np.flatnonzero(had & ~lost)
    was, now = before[name][kept], after[name][kept]
    if was.labels:
        yield f"{name}.label_changed", was.values.argmax(1) != now.values.argmax(1), kept
        if f"{name}_set" in before.columns:
            sets = (np.nan_to_num(faces[f"{name}_set"].values[kept], nan=-1) for faces in (before, after))
            yield f"{name}.set_changed", np.not_equal(*sets).any(1), kept
        return
    factor, shift = carried
    change = now.values - factor * was.values - (shift[kept] if isinstance(shift, np.ndarray) else shift)
    if was.unit == "deg":
        change = (change + 180) % 360 - 180
    yield f"{name}{MEAN}{was.unit}", abs(change), kept
    if was.low is not None and was.high is not None:
        banded = np.isfinite(was.high - was.low)
        yield f"{name}.beyond_band", (abs(change) > (was.high - was.low) / 2)[banded], kept[banded]


def missing(column: Column) -> np.ndarray:
    """Return which faces, (n,) bool, have no value."""
    return np.asarray(np.isnan(column.values).any(axis=tuple(range(1, column.values.ndim))))
