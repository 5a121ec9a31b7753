"""Failures: photos without a face, and faces that an instrument did not judge, by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.disparity import labels_test
from facevalue.stats.misclassification import effective_counts
from facevalue.stats.multiplicity import adjusted_p_values

LEAST, PERMUTATIONS = 30, 999
NO_FACE, NOT_JUDGED, DIFFERENCE, TEST = "photos_without_face", "faces_not_judged", "difference_to_rest", "adjusted_p"
UNTOLD = "no reason told"


@dataclass(frozen=True, slots=True, eq=False)
class _Rate:
    """Failures among units, each of a cluster: of photos, or of faces of an instrument."""

    measure: str
    noun: str
    rows: np.ndarray
    why: np.ndarray
    cluster: np.ndarray
    source: str

    @property
    def failed(self) -> np.ndarray:
        return np.asarray(self.why != "")


@dataclass(slots=True, eq=False)
class _Table:
    """Rows so far, and the tests whose p-values are adjusted together at the end."""

    level: float
    seed: int
    least: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    tests: list[int] = field(default_factory=list)

    def add(self, rate: _Rate, measure: str, group: str, n: int, method: str, **numbers: float) -> None:
        blank = {"value": np.nan, "low": np.nan, "high": np.nan, "level": np.nan}
        row = {"study": "failures", "measure": measure, "group": group, "n": n, "method": method}
        self.rows.append(row | blank | {"run": rate.source} | numbers)

    def finished(self) -> Findings:
        adjusted = adjusted_p_values(np.array([self.rows[i]["value"] for i in self.tests], np.float64))
        for i, p in zip(self.tests, adjusted, strict=True):
            self.rows[i]["value"] = float(p)
        return Findings.from_rows(self.rows)


def failures(
    faces: Faces,
    groups: Mapping[str, np.ndarray],
    *,
    level: float,
    seed: int,
    perceived: Mapping[str, np.ndarray] | None = None,
    person: np.ndarray | None = None,
    least: int = LEAST,
) -> Findings:
    """Return how often photos show no face and instruments judge none, by group, each rate with its interval.

    A photo without a face has no perceived group: its rate is told by what was given about the photo alone, a folder or a
    column of a table. Faces that were found are told by both. For each rate and grouping, each group is held against the rest:
    the difference with Newcombe's interval, and p by permuting labels over people, adjusted over all tests (Benjamini and
    Hochberg).

    Parameters
    ----------
    faces
        n rows, a photo without a face a row of NaN whose columns say why.
    groups
        By name, a word about each row's photo, (n,) str, "" where unknown.
    level
        Of the intervals, in (0, 1).
    seed
        Of the permutations.
    perceived
        By name, a word about each face as an instrument perceives it, (n,) str, "" where it is not judged.
    person : (n,) str, optional
        Whose each is; without it photos are taken as independent. "" is nobody's.
    least
        Groups with fewer photos, or faces, are refused.

    Returns
    -------
    Findings
        "photos_without_face", "faces_not_judged <instrument>", each also by reason; "difference_to_rest <rate>" and
        "adjusted_p <rate>" of groups.

    Raises
    ------
    WrongShape
        Words that are not one a row.

    References
    ----------
    Wilson, JASA 22, 1927; Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, 1998, method 10; labels: Chung, Romano, Annals of Statistics 41, 2013.

    Examples
    --------
    >>> box = np.where(np.arange(80)[:, None] < 10, np.nan, 1.0) * np.ones(4)
    >>> paths = np.array([f"{i}.jpg" for i in range(80)], object)
    >>> faces = Faces(paths, box, np.zeros((80, 5, 2)), np.ones(80), path=paths)
    >>> found = failures(faces, {"camera": np.repeat(["a", "b"], 40)}, level=0.9, seed=0)
    >>> [(row["measure"], row["group"], row["value"]) for row in found[:4].to_rows()]  # doctest: +NORMALIZE_WHITESPACE
    [('photos_without_face', 'all', 0.125), ('photos_without_face: no reason told', 'all', 0.125),
     ('photos_without_face', 'camera: a', 0.25), ('photos_without_face: no reason told', 'camera: a', 0.25)]
    """
    check_level(level)
    seen = dict(perceived or {})
    for name, words in {**groups, **seen, **({} if person is None else {"person": person})}.items():
        if np.shape(words) != (len(faces),):
            raise WrongShape(f"failures: {name} has shape {np.shape(words)}, expected {(len(faces),)}")
    table = _Table(level, seed, least)
    given = {name: np.asarray(words, object).astype(str) for name, words in groups.items()}
    called = {f"{name} (perceived)": np.asarray(words, object).astype(str) for name, words in seen.items()}
    cluster = _clusters(faces, person)
    for rate in _rates(faces, cluster):
        _add_rate(table, rate, given if rate.measure == NO_FACE else given | called)
    return table.finished()


def _clusters(faces: Faces, person: np.ndarray | None) -> np.ndarray:
    """Return whom, or which photo, each row belongs to, (n,) int."""
    path = np.array([f"photo {p}" for p in faces.path], object)
    if person is not None:
        whose = np.asarray(person, object).astype(str)
        path = np.where(whose == "", path, np.array([f"person {who}" for who in whose], object))
    return np.unique(path.astype(str), return_inverse=True)[1].reshape(-1)


def _rates(faces: Faces, cluster: np.ndarray) -> Iterator[_Rate]:
    """Yield the rate of photos without a face, and of each instrument that of faces that it did not judge."""
    found = np.isfinite(faces.box).all(1)
    _, first = np.unique(faces.path.astype(str), return_index=True)
    photos = np.sort(first)
    detectors = [name for name in faces.columns if name.endswith(".score")]
    source = faces[detectors[0]].source if detectors else ""
    why = np.where(found, "", _reasons(faces, list(faces.columns)))
    yield _Rate(NO_FACE, "photos", photos, why[photos], cluster[photos], source)
    rows = np.flatnonzero(found)
    for instrument in dict.fromkeys(name.partition(".")[0] for name in faces.columns if name not in detectors):
        columns = [name for name in faces.columns if name.partition(".")[0] == instrument]
        lacking = np.zeros(len(faces), bool)
        for name in columns:
            values = faces[name].values
            lacking |= np.isnan(values).all(tuple(range(1, values.ndim)))
        why = np.where(lacking, _reasons(faces, columns), "")
        yield _Rate(f"{NOT_JUDGED} {instrument}", "faces", rows, why[rows], cluster[rows], faces[columns[0]].source)


def _reasons(faces: Faces, columns: list[str]) -> np.ndarray:
    """Return the first reason that columns give for each row, (n,) str, without its detail."""
    why = np.full(len(faces), "", object)
    for name in columns:
        told = faces[name].why
        if told is not None:
            why = np.where(why == "", np.array([str(word).partition(":")[0] for word in told], object), why)
    return np.where(why == "", UNTOLD, why)


def _add_rate(table: _Table, rate: _Rate, groups: Mapping[str, np.ndarray]) -> None:
    reasons = sorted(set(rate.why.tolist()) - {""})
    _add_cell(table, rate, "all", np.ones(len(rate.rows), bool), reasons)
    for name, every in groups.items():
        words = every[rate.rows]
        large = []
        for word in sorted(set(words.tolist()) - {""}):
            cell = words == word
            _add_cell(table, rate, f"{name}: {word}", cell, reasons, least=table.least)
            large += [word] if cell.sum() >= table.least else []
        if unknown := int((words == "").sum()):
            table.add(rate, f"{rate.measure} of unknown group", name, unknown, "count", value=float(unknown))
        _add_tests(table, rate, name, words, large)


def _add_cell(table: _Table, rate: _Rate, group: str, cell: np.ndarray, reasons: list[str], *, least: int = 1) -> None:
    """Add the rate of a cell, and each reason's."""
    n = int(cell.sum())
    if n < least:
        table.add(rate, rate.measure, group, n, f"too few: {n} {rate.noun}, {least} needed" if n else f"no {rate.noun}")
        return
    for measure, hits in [(rate.measure, rate.failed)] + [(f"{rate.measure}: {word}", rate.why == word) for word in reasons]:
        value, low, high = _share(hits[cell], rate.cluster[cell], table.level)
        table.add(rate, measure, group, n, "wilson", value=value, low=low, high=high, level=table.level)


def _share(hits: np.ndarray, cluster: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return a share and its Wilson interval, units of one cluster counted as far as they are alike."""
    counts = effective_counts(hits.astype(int), cluster, k=2)
    low, high = wilson_interval(float(counts[1]), float(counts.sum()), level=level)
    return float(hits.mean()), float(low), float(high)


def _add_tests(table: _Table, rate: _Rate, name: str, words: np.ndarray, large: list[str]) -> None:
    """Add each group's difference to the rest of those that are large enough, and the p of none."""
    if len(large) < 2 or not rate.failed.any():
        return
    kept = np.isin(words, large)
    hits, cluster, labels = rate.failed[kept], rate.cluster[kept], words[kept]
    code = np.unique(labels, return_inverse=True)[1].reshape(-1)
    _, first, unit = np.unique(cluster * len(large) + code, return_index=True, return_inverse=True)
    sums, n = np.bincount(unit, hits), np.bincount(unit).astype(np.float64)
    names, p = labels_test(sums, n, labels[first], seed=table.seed, permutations=PERMUTATIONS)
    for word, value in zip(names.tolist(), p.tolist(), strict=True):
        cell, group, count = labels == word, f"{name}: {word}", int((labels == word).sum())
        own, rest = (_share(hits[part], cluster[part], table.level) for part in (cell, ~cell))
        numbers = dict(zip(("value", "low", "high"), _apart(own, rest), strict=True))
        table.add(rate, f"{DIFFERENCE} {rate.measure}", group, count, "newcombe", level=table.level, **numbers)
        table.tests.append(len(table.rows))
        table.add(rate, f"{TEST} {rate.measure}", group, count, "permutation, Benjamini-Hochberg", value=value)


def _apart(own: tuple[float, float, float], rest: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the difference of two shares and its interval, out of their intervals."""
    (a, low, high), (b, other_low, other_high) = own, rest
    apart = a - b
    return apart, apart - np.hypot(a - low, other_high - b), apart + np.hypot(high - a, b - other_low)
