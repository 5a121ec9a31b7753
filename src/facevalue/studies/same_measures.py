"""Which columns of different instruments measure the same, and what one label is called by the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facevalue.data.faces import Column, Faces

# What a label is called where instruments are compared; by measure.
LABELS: Mapping[str, Mapping[str, str]] = {
    "gender": {"male": "Male", "man": "Male", "female": "Female", "woman": "Female"},
    "race": {
        "white": "White",
        "black": "Black",
        "asian": "Asian",
        "east asian": "Asian",
        "southeast asian": "Asian",
        "indian": "Indian",
        "latino hispanic": "Other",
        "middle eastern": "Other",
        "other": "Other",
    },
    "expression": {
        "neutral": "Neutral",
        "happy": "Happy",
        "happiness": "Happy",
        "sad": "Sad",
        "sadness": "Sad",
        "surprise": "Surprise",
        "fear": "Fear",
        "disgust": "Disgust",
        "anger": "Anger",
        "angry": "Anger",
        "contempt": "Contempt",
    },
}
ANGLES, QUALITY, SET = ("yaw", "pitch", "roll"), ("quality", "unified"), "_set"
MEASURES = (*LABELS, "age", *ANGLES, "quality")
YEARS = re.compile(r"(\d+)(?:-(\d+)|\+)")
OLDEST = 130.0


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One column, as what it can be compared by.

    Parameters
    ----------
    name
        Of the column.
    measure
        One of `MEASURES`.
    column
        Itself.
    labels
        What its labels are called where instruments are compared, in order of their first; () of numbers.
    shares : (n, k) float, optional
        Of those labels; NaN where not measured.
    possible : (n, k) bool, optional
        Those in its set; of a column without sets the likeliest.
    sets
        Whether it has sets.
    """

    name: str
    measure: str
    column: Column
    labels: tuple[str, ...] = ()
    shares: np.ndarray | None = None
    possible: np.ndarray | None = None
    sets: bool = False

    @property
    def instrument(self) -> str:
        """Its instrument."""
        return self.name.partition(".")[0]

    @property
    def measured(self) -> np.ndarray:
        """Which faces it measured, (n,) bool."""
        values = self.column.values if self.shares is None else self.shares
        return np.asarray(np.isfinite(values).all(tuple(range(1, values.ndim))))

    def years(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the youngest and the oldest age it leaves possible, (n,) each; None of a number without a band."""
        if self.shares is not None and self.possible is not None:
            ends = np.array([year_range(label) for label in self.labels])
            low = np.where(self.possible, ends[:, 0], np.inf).min(1)
            return low, np.where(self.possible, ends[:, 1], -np.inf).max(1)
        if self.column.low is None or self.column.high is None:
            return None
        return self.column.low, self.column.high


def measure_of(name: str, column: Column) -> str:
    """Return what a column measures, one of `MEASURES`, or "" where it is compared with none.

    Examples
    --------
    >>> p = Column(np.zeros((1, 2)), "p", "x@1", labels=("Male", "Female"))
    >>> measure_of("x.sex", p), measure_of("x.yaw", Column(np.zeros(1), "deg", "x@1")), measure_of("x.sex_set", p)
    ('gender', 'yaw', '')
    """
    head = name.rpartition(".")[2]
    if head.endswith(SET):
        return ""
    if column.labels and column.unit == "p":
        words = [_word(label) for label in column.labels]
        if all(YEARS.fullmatch(word) for word in words):
            return "age"
        return next((measure for measure, known in LABELS.items() if all(word in known for word in words)), "")
    if column.values.ndim != 1:
        return ""
    if column.unit == "years" and head == "age":
        return "age"
    if column.unit == "deg" and head in ANGLES:
        return head
    return "quality" if head in QUALITY else ""


def readings(faces: Faces) -> dict[str, list[Reading]]:
    """Return by measure, of each of `MEASURES`, the columns that measure it, in order of their names."""
    found: dict[str, list[Reading]] = {measure: [] for measure in MEASURES}
    for name in sorted(faces.columns):
        column = faces.columns[name]
        if measure := measure_of(name, column):
            beside = faces.columns.get(name + SET)
            found[measure].append(_reading(name, measure, column, beside))
    return found


def year_range(label: str) -> tuple[float, float]:
    """Return from which age up to which a group reaches, in years.

    >>> year_range("20-29"), year_range("70+")
    ((20.0, 30.0), (70.0, 130.0))
    """
    found = YEARS.fullmatch(label)
    if found is None:
        raise ValueError(f"expected an age group such as 20-29 or 70+, got {label!r}")
    return float(found[1]), float(found[2]) + 1 if found[2] else OLDEST


def _reading(name: str, measure: str, column: Column, beside: Column | None) -> Reading:
    if not column.labels:
        return Reading(name, measure, column)
    known = LABELS.get(measure, {})
    called = [known.get(_word(label), label) for label in column.labels]
    labels = tuple(dict.fromkeys(called))
    at = np.array([labels.index(word) for word in called])
    shares = np.stack([column.values[:, at == i].sum(1) for i in range(len(labels))], axis=1)
    likeliest = np.nan_to_num(shares, nan=-1.0).argmax(1)
    possible = likeliest[:, None] == np.arange(len(labels))
    if beside is not None:
        possible = np.stack([np.nan_to_num(beside.values)[:, at == i].any(1) for i in range(len(labels))], axis=1)
    return Reading(name, measure, column, labels, shares, possible, beside is not None)


def _word(label: str) -> str:
    return label.replace("_", " ").strip().lower()
