"""Conflicts: instruments that measure the same of a face, and cannot both be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.jackknife import jackknife_interval
from facevalue.stats.kappa import kappa_interval
from facevalue.stats.misclassification import effective_counts
from facevalue.studies.same_measures import MEASURES, Reading, readings

LEAST, MOST = 30, 1000
TELLS = {"age": "years", "yaw": "deg", "pitch": "deg", "roll": "deg"}


@dataclass(frozen=True, slots=True)
class Conflict:
    """One face of which two instruments cannot both be right.

    Parameters
    ----------
    photo
        Its path.
    face
        Its row.
    measure
        "gender", "race", "expression", "age", "yaw", "pitch", "roll" or "quality".
    first, second
        The two columns.
    told_first, told_second
        What each says, with what it leaves possible.
    """

    photo: str
    face: int
    measure: str
    first: str
    second: str
    told_first: str
    told_second: str


@dataclass(frozen=True, slots=True, eq=False)
class Conflicts:
    """How often instruments disagree, and about which faces.

    Parameters
    ----------
    findings
        Rates of conflict, kappa and differences, a row a pair of columns and group.
    rows
        The first faces in conflict, at most 1,000.
    hidden
        How many more there are.
    """

    findings: Findings
    rows: tuple[Conflict, ...]
    hidden: int


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Two readings of the same faces: where both measured, where they conflict, by what, and what else is told."""

    first: Reading
    second: Reading
    both: np.ndarray
    conflict: np.ndarray | None
    method: str
    codes: tuple[np.ndarray, np.ndarray, int] | None = None

    @property
    def pair(self) -> str:
        one = " (one instrument)" if self.first.instrument == self.second.instrument else ""
        return f"{self.first.name} vs {self.second.name}{one}"


def conflicts(
    faces: Faces,
    *,
    level: float,
    person: np.ndarray | None = None,
    groups: Mapping[str, np.ndarray] | None = None,
    least: int = LEAST,
) -> Conflicts:
    """Return how often instruments that measure the same of a face contradict each other.

    Labels contradict where the prediction sets share none; of an instrument without sets its likeliest label counts. Ages and
    angles contradict where their intervals share nothing; without intervals that is not told, and the mean difference is.
    Qualities have no common scale: they contradict where one puts a face in its lowest quarter and the other in its highest,
    which chance does to one face in eight. Labels that only one instrument has are left out, and counted. Kappa is of likeliest
    labels. That instruments agree does not make them right: they learnt from like photos.

    Parameters
    ----------
    faces
        n rows, those without a face included.
    level
        Of the intervals, in (0, 1).
    person : (n,) str, optional
        Whose each is, whom intervals keep together; "" for nobody's, each for itself.
    groups
        (n,) words each, "" where unknown; perceived ones under a name that says so.
    least
        Groups with fewer faces that both measured are refused.

    Returns
    -------
    Conflicts
        A measure that one instrument alone took is a row that says so.

    Raises
    ------
    WrongShape
        Persons or groups of another length.

    References
    ----------
    Interval: Wilson, JASA 22, 1927, on the number of faces divided by the design effect of people (Kish, Survey Sampling,
    1965). Kappa: Cohen, 1960.
    """
    check_level(level)
    for name, words in {"person": person, **(groups or {})}.items():
        if words is not None and np.shape(words) != (len(faces),):
            raise WrongShape(f"conflicts: {name} has shape {np.shape(words)}, expected {(len(faces),)}")
    cells = {"": np.ones(len(faces), bool)}
    for name, words in (groups or {}).items():
        cells |= {f"{name}: {word}": np.asarray(words == word) for word in sorted(set(map(str, words)) - {""})}
    who = _clusters(person, len(faces))
    rows: list[dict[str, Any]] = []
    found: list[Conflict] = []
    for measure, known in readings(faces).items():
        pairs = [_compared(one, other) for one, other in combinations(known, 2)]
        rows += _alone(measure, known) if not pairs else []
        for pair in pairs:
            rows += [row for name, cell in cells.items() for row in _told(pair, name, cell, who, level, least)]
            found += _listed(faces, pair)
    order = sorted(found, key=lambda row: (MEASURES.index(row.measure), row.first, row.second, row.face))
    return Conflicts(Findings.from_rows(rows), tuple(order[:MOST]), max(0, len(order) - MOST))


def _clusters(person: np.ndarray | None, n: int) -> np.ndarray:
    """Return a number for each face's person, (n,); a face of nobody is one by itself."""
    if person is None:
        return np.arange(n)
    _, who = np.unique(np.asarray(person, str), return_inverse=True)
    return np.where(np.asarray(person, str) == "", who.max(initial=0) + 1 + np.arange(n), who)


def _alone(measure: str, known: list[Reading]) -> list[dict[str, Any]]:
    """Return the row that says why a measure is not compared."""
    group, n = (known[0].name, int(known[0].measured.sum())) if known else ("none", 0)
    why = f"nothing to compare: {group} alone" if known else f"nothing to compare: no instrument measured {measure}"
    return [_row(f"{measure}_conflict", group, n, why)]


def _row(measure: str, group: str, n: int, method: str, **numbers: float) -> dict[str, Any]:
    blank = {"value": np.nan, "low": np.nan, "high": np.nan, "level": np.nan, "run": ""}
    return {"study": "conflicts", "measure": measure, "group": group, "n": n, "method": method} | blank | numbers


def _compared(first: Reading, second: Reading) -> _Compared:
    both = first.measured & second.measured
    if first.measure == "age":
        ends = first.years(), second.years()
        return _Compared(first, second, both, *_apart(first, second, ends))
    if first.shares is not None and second.shares is not None:
        return _labelled(first, second, both)
    if first.measure == "quality":
        quarters = [_quarter(reading.column.values, both) for reading in (first, second)]
        apart = np.abs(quarters[0] - quarters[1]) == 3
        return _Compared(first, second, both, apart & both, "lowest against highest quarter, wilson")
    ends = first.years(), second.years()
    return _Compared(first, second, both, *_apart(first, second, ends))


def _apart(first: Reading, second: Reading, ends: tuple[Any, Any]) -> tuple[np.ndarray | None, str]:
    """Return where two intervals share nothing, and the method; None where one has none."""
    if lacking := [reading.name for reading, end in zip((first, second), ends, strict=True) if end is None]:
        return None, f"not calibrated: {' and '.join(lacking)} without a band"
    (low, high), (other_low, other_high) = ends
    return np.asarray((low > other_high) | (other_low > high)), f"{_by(first)} and {_by(second)} apart, wilson"


def _by(reading: Reading) -> str:
    return "interval" if reading.shares is None else "set" if reading.sets else "likeliest group"


def _labelled(first: Reading, second: Reading, both: np.ndarray) -> _Compared:
    """Return two readings of labels, compared over those that both have."""
    common = [label for label in first.labels if label in second.labels]
    parts = []
    for reading in (first, second):
        assert reading.shares is not None
        assert reading.possible is not None
        place = [reading.labels.index(label) for label in common]
        likeliest = np.array([common.index(label) if label in common else -1 for label in reading.labels])
        code = likeliest[np.nan_to_num(reading.shares, nan=-1.0).argmax(1)]
        parts.append((code, reading.possible[:, place]))
    (code, possible), (other, others) = parts
    both = both & (code >= 0) & (other >= 0)
    kinds = " and ".join("set" if reading.sets else "likeliest label" for reading in (first, second))
    disjoint = ~(possible & others).any(1) & both
    return _Compared(first, second, both, disjoint, f"{kinds} disjoint, wilson", (code, other, len(common)))


def _quarter(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the quarter, 0 to 3, of each value among those of some rows."""
    known = np.sort(values[rows])
    if not len(known):
        return np.zeros(len(values), int)
    return np.asarray(np.minimum(np.searchsorted(known, values) * 4 // len(known), 3))


def _told(pair: _Compared, name: str, cell: np.ndarray, who: np.ndarray, level: float, least: int) -> Iterator[dict[str, Any]]:
    """Yield what is told of a pair of columns in one cell."""
    rows, measure = pair.both & cell, pair.first.measure
    group, n = pair.pair + (f" | {name}" if name else ""), int(rows.sum())
    if n < (least if name else 1):
        why = f"too few: {n} faces, {least} needed" if name else "nothing to compare: no face that both measured"
        yield _row(f"{measure}_conflict", group, n, why)
        return
    if not name and pair.codes is not None:
        left = int((pair.first.measured & pair.second.measured).sum()) - n
        yield _row(f"{measure}_not_comparable", group, n + left, "count: a label that only one has", value=left)
    if pair.conflict is None:
        yield _row(f"{measure}_conflict", group, n, pair.method)
    else:
        numbers = _share(pair.conflict[rows], who[rows], level)
        yield _row(f"{measure}_conflict", group, n, pair.method, **numbers)
    yield from _beside(pair, group, rows, who, level)


def _beside(pair: _Compared, group: str, rows: np.ndarray, who: np.ndarray, level: float) -> Iterator[dict[str, Any]]:
    """Yield kappa of labels, and the differences of numbers."""
    measure, n = pair.first.measure, int(rows.sum())
    if pair.codes is not None:
        code, other, k = pair.codes
        value, low, high = kappa_interval(code[rows], other[rows], who[rows], k=k, level=level)
        numbers = {"value": value, "low": low, "high": high, "level": np.nan if np.isnan(low) else level}
        untold = "one label alone" if np.isnan(value) else "all agree: no interval" if value >= 1 else "one person alone"
        method = untold if np.isnan(low) else "jackknife over people"
        yield _row(f"{measure}_kappa", group, n, method, **numbers)
    if measure in TELLS and pair.first.shares is None and pair.second.shares is None:
        apart = pair.first.column.values[rows].astype(np.float64) - pair.second.column.values[rows]
        for word, values in (("mean_difference", apart), ("mean_absolute_difference", np.abs(apart))):
            numbers = _mean(values, who[rows], level)
            yield _row(f"{measure}_{word}_{TELLS[measure]}", group, n, "jackknife over people", **numbers)


def _share(hits: np.ndarray, who: np.ndarray, level: float) -> dict[str, float]:
    """Return a share and its Wilson interval, people counted as far as their faces are alike."""
    counts = effective_counts(hits.astype(int), who, k=2)
    low, high = wilson_interval(float(counts[1]), float(counts.sum()), level=level)
    return {"value": float(hits.mean()), "low": float(low), "high": float(high), "level": level}


def _mean(values: np.ndarray, who: np.ndarray, level: float) -> dict[str, float]:
    _, at = np.unique(who, return_inverse=True)
    sums, n = np.bincount(at, values), np.bincount(at).astype(np.float64)
    if len(n) < 2:
        return {"value": float(values.mean())}
    low, high = jackknife_interval(values.mean(), (sums.sum() - sums) / (n.sum() - n), level=level)
    return {"value": float(values.mean()), "low": float(low), "high": float(high), "level": level}


def _listed(faces: Faces, pair: _Compared) -> Iterator[Conflict]:
    if pair.conflict is None:
        return
    for i in np.flatnonzero(pair.conflict & pair.both).tolist():
        told = (_says(reading, i) for reading in (pair.first, pair.second))
        yield Conflict(str(faces.path[i]), i, pair.first.measure, pair.first.name, pair.second.name, *told)


def _says(reading: Reading, i: int) -> str:
    """Return what a column says of a face, in words."""
    if reading.shares is not None and reading.possible is not None:
        best = int(reading.shares[i].argmax())
        others = [label for j, label in enumerate(reading.labels) if reading.possible[i, j] and j != best]
        return f"{reading.labels[best]} {reading.shares[i, best]:.2f}" + (f", or {', '.join(others)}" if others else "")
    value, low, high = reading.column.values[i], reading.column.low, reading.column.high
    return f"{value:.4g}" + ("" if low is None or high is None else f" ({low[i]:.4g} to {high[i]:.4g})")
