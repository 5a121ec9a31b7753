"""Robustness: what is left of detection, identity and answers when photos go wrong, condition by condition."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, SchemaError
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.similarity import arc, unit
from facevalue.stats.verification import error_bound
from facevalue.studies.answers import MEAN, answer_changes, answers

STUDY, CLEAN = "robustness", "as they are"
MEANS = {"drift": "landmark_drift_eyes", "mesh_drift": "mesh_drift_eyes"}
NO_ANSWER = re.compile(r"^corruption\.|_spread\.")
BLOCK, RESAMPLES = 2000, 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """Photos under one condition, and the same faces as they are.

    Parameters
    ----------
    people
        m rows, a photo each; NaN where no face was found.
    before
        m rows: each face in the photo as it is, or in another photo of the person.
    family, severity
        "fog" and 3; a severity of 0 where there is no order.
    """

    people: People
    before: Faces
    family: str = ""
    severity: int = 0


def robustness(
    reference: People,
    conditions: Mapping[str, Condition],
    model: str,
    *,
    threshold: float,
    fmr: float,
    level: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return what a model makes of people's photos under each condition, a row a measure; the condition is the `group`.

    - photos, detection_rate: how many there are, and the share in which the detector finds the face; of photos as they are all
      that show someone count, those that cannot be compared too
    - other_face_larger: the share of those in which another face is larger, and would be taken for the person
    - landmark_drift_eyes, mesh_drift_eyes: root mean square distance of the five points, and of the mesh, from where the
      condition took them, in distances of the eyes
    - angle_to_clean_deg, angle_to_others_deg: of the embedding to the one of `before`, and to the mean direction of the
      person's other reference photos
    - tar@fmr=F, tar_of_found@fmr=F: the share of pairs with the person's other reference photos at or above the threshold; a
      photo without a face counts as below it, or does not count
    - fmr@fmr=F: the share of pairs with other people's reference photos at or above it
    - COLUMN.label_changed and so on: see `answer_changes`

    Every person weighs the same. Shares have Wilson intervals over people, means percentile intervals of a bootstrap over
    people, the false match rate one over both people of its pairs, and at least the bound that its people would allow.

    Parameters
    ----------
    reference
        Photos as they are.
    conditions
        By name; "as they are" is added.
    model
        Name of a model that embeds.
    threshold
        A cosine at or above it is a match.
    fmr
        The rate for which the threshold was chosen; it names the measures.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap.
    progress
        Called with conditions done and in all.

    Raises
    ------
    RunError
        No reference photo can be compared.
    SchemaError
        A condition has not as many faces before as after.
    """
    check_level(level)
    known = reference[reference.usable(model)]
    if not len(known):
        raise RunError(f"expected photos as they are that {model} can compare, got none of {len(reference)}")
    named = reference[reference.person != ""]
    own = {CLEAN: Condition(named, named.faces)} | dict(conditions)
    against, rows = _Against.of(known, model, threshold, fmr), list[dict[str, Any]]()
    columns = _answers(known.faces)
    for done, (name, condition) in enumerate(own.items()):
        progress(done, len(own))
        if len(condition.before) != len(condition.people):
            raise SchemaError(f"{name}: expected {len(condition.people)} faces before, got {len(condition.before)}")
        told = _Told(condition.people.person.astype(str), level, seed)
        found = [*_found(condition, told), *against.rows(condition, told)]
        found += _answers_changed(condition, columns, told) if name != CLEAN else []
        rows += [{"group": name, "level": level} | row for row in found]
    progress(len(own), len(own))
    run = f"{known.faces[f'{model}.embedding'].source}, seed {seed}"
    return Findings.from_rows([{"study": STUDY, "run": run} | row for row in rows])


def clean_threshold(reference: People, model: str, *, fmr: float) -> tuple[float, int]:
    """Return the least cosine at which at most `fmr` of the pairs of different people's photos match, and how many people's.

    Raises
    ------
    RunError
        There are not two people.
    """
    known = reference[reference.usable(model)]
    person, u = known.person.astype(str), unit(known.embedding(model))
    most = max(1, int(fmr * _different(person)) + 1)
    kept = np.full(0, -np.inf, np.float32)
    for at in range(0, len(u), BLOCK):
        part = u[at : at + BLOCK] @ u.T
        later = np.arange(len(u)) > np.arange(at, at + len(part))[:, None]
        kept = np.append(kept, part[later & (person[at : at + BLOCK, None] != person)])
        kept = np.sort(kept)[::-1][: most + 1]
    if not len(kept):
        raise RunError(f"expected photos of two people or more, got {len(known)} of {len(np.unique(person))}")
    allowed = int(fmr * _different(person))
    people = len(np.unique(person))
    return float(np.nextafter(kept[min(allowed, len(kept) - 1)], np.float32(2))), people * (people - 1) // 2


def _different(person: np.ndarray) -> int:
    """Return how many pairs of photos are of different people."""
    counts = np.unique(person, return_counts=True)[1]
    return int((len(person) ** 2 - (counts**2).sum()) // 2)


def _answers(faces: Faces) -> list[str]:
    """Return the columns that answer a question about a face: neither the spread of an embedding nor what is corrupted."""
    told = [name for name, column in faces.columns.items() if column.labels or column.unit in ("years", "deg")]
    return [name for name in (answers(faces) if told else ()) if not NO_ANSWER.search(name)]


@dataclass(frozen=True, slots=True)
class _Told:
    """Makes rows of what each of m photos says; photos of a person are averaged first."""

    person: np.ndarray
    level: float
    seed: int

    def share(self, measure: str, hits: np.ndarray, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Return the row of a share, Wilson over people."""
        means = self._by_person(np.asarray(hits, np.float64), rows)
        if not len(means):
            return _nothing(measure)
        low, high = map(float, wilson_interval(means.sum(), len(means), level=self.level))
        ends = {"value": float(means.mean()), "low": low, "high": high, "n": len(means)}
        return {"measure": measure, "method": "wilson over people"} | ends

    def mean(self, measure: str, values: np.ndarray, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Return the row of a mean, by a bootstrap over people; NaN counts for nothing."""
        kept = np.isfinite(values)
        means = self._by_person(values[kept], np.flatnonzero(kept) if rows is None else rows[kept])
        if not len(means):
            return _nothing(measure)
        low = high = math.nan
        if len(means) > 1:
            ends = bootstrap_interval(np.mean, means, level=self.level, seed=self.seed, resamples=RESAMPLES)
            low, high = map(float, ends)
        known = {"value": float(means.mean()), "low": low, "high": high, "n": len(means)}
        return {"measure": measure, "method": "bootstrap over people"} | known

    def _by_person(self, values: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        who = self.person if rows is None else self.person[rows]
        _, at, counts = np.unique(who, return_inverse=True, return_counts=True)
        return np.asarray(np.bincount(at, values, len(counts)) / counts)


def _nothing(measure: str) -> dict[str, Any]:
    ends = dict.fromkeys(("value", "low", "high"), math.nan)
    return {"measure": measure, "method": "no face to measure", "n": 0} | ends


def _found(condition: Condition, told: _Told) -> Iterator[dict[str, Any]]:
    """Yield the rows of detection."""
    faces, m = condition.people.faces, len(condition.people)
    found = np.isfinite(faces.box).all(1)
    count = dict.fromkeys(("low", "high", "level"), math.nan)
    yield count | {"measure": "photos", "method": "count", "value": float(m), "n": m}
    yield told.share("detection_rate", found)
    if "corruption.largest" in faces.columns:
        seen = np.flatnonzero(found)
        yield told.share("other_face_larger", faces["corruption.largest"].values[seen] == 0, seen)
        for name, measure in MEANS.items():
            yield told.mean(measure, faces[f"corruption.{name}"].values.astype(np.float64))


def _answers_changed(condition: Condition, columns: Sequence[str], told: _Told) -> Iterator[dict[str, Any]]:
    """Yield the rows of answers about the faces that are not what they were."""
    after, turned = condition.people.faces, 0.0
    if "corruption.turned" in after.columns:
        was = condition.before.landmarks[:, 1] - condition.before.landmarks[:, 0]
        turned = after["corruption.turned"].values - np.degrees(np.arctan2(-was[:, 1], was[:, 0]))
    for name in columns:
        carried = (1.0, turned) if name.endswith(".roll") else (1.0, 0.0)
        for measure, values, rows in answer_changes(condition.before, after, name, carried=carried):
            yield (told.mean if MEAN in measure else told.share)(measure, values, rows)


@dataclass(frozen=True, slots=True)
class _Against:
    """Reference photos, against which those under conditions are held; `number`, (n,), is the place of each one's person."""

    model: str
    threshold: float
    fmr: float
    unit: np.ndarray
    names: np.ndarray
    number: np.ndarray
    row: Mapping[str, int]

    @classmethod
    def of(cls, known: People, model: str, threshold: float, fmr: float) -> _Against:
        names, number = np.unique(known.person.astype(str), return_inverse=True)
        row = {path: i for i, path in enumerate(known.faces.path)}
        return cls(model, threshold, fmr, unit(known.embedding(model)), names, number, row)

    def rows(self, condition: Condition, told: _Told) -> Iterator[dict[str, Any]]:
        """Yield the rows of the embedding: angles, true matches, false matches."""
        usable = np.flatnonzero(condition.people.usable(self.model))
        u = unit(condition.people.embedding(self.model)[usable])
        who, own = self._whose(condition.people)
        same = who[usable, None] == self.number
        other, itself = same.copy(), np.flatnonzero(own[usable] >= 0)
        other[itself, own[usable][itself]] = False
        if condition.people.faces is not condition.before:
            was = condition.before[f"{self.model}.embedding"].values[usable]
            yield told.mean("angle_to_clean_deg", arc(u, unit(was)), usable)
        others = other.astype(np.float64) @ self.unit
        yield told.mean("angle_to_others_deg", arc(u, unit(others)), usable)
        match = u @ self.unit.T >= self.threshold
        share = np.zeros(len(who))
        share[usable] = (match & other).sum(1) / np.maximum(other.sum(1), 1)
        several = np.append(np.bincount(self.number), 0)[who] > (own >= 0)
        seen = usable[several[usable]]
        yield told.share(f"tar@fmr={self.fmr:g}", share[several], np.flatnonzero(several))
        yield told.share(f"tar_of_found@fmr={self.fmr:g}", share[seen], seen)
        yield self._false(told, usable, match, same)

    def _whose(self, people: People) -> tuple[np.ndarray, np.ndarray]:
        """Return the place of each photo's person among the names, and its own row, (m,) int each; -1 for none."""
        place = {name: i for i, name in enumerate(self.names)}
        found = [
            (place.get(str(p), -1), self.row.get(path, -1)) for p, path in zip(people.person, people.faces.path, strict=True)
        ]
        who, own = np.array(found, int).reshape(-1, 2).T
        return who, own

    def _false(self, told: _Told, usable: np.ndarray, match: np.ndarray, same: np.ndarray) -> dict[str, Any]:
        """Return the row of false matches: each pair of people weighs the same, and both people are drawn."""
        measure = f"fmr@fmr={self.fmr:g}"
        probes, at = np.unique(told.person[usable], return_inverse=True)
        if not len(probes) or len(self.names) < 2:
            return _nothing(measure)
        sums, pairs = (self._by_people(at, len(probes), part) for part in (match & ~same, ~same))
        rates = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)
        pairs = pairs > 0
        value, n = float(rates[pairs].mean()), int(pairs.sum())
        low, high = _both_drawn(rates, pairs, (probes, self.names), level=told.level, seed=told.seed)
        every = len(np.union1d(probes, self.names))
        unordered = min(n, every * (every - 1) // 2)
        bound = error_bound(math.ceil(value * unordered - 1e-9), unordered, (1 + told.level) / 2)
        return {
            "measure": measure,
            "method": "bootstrap over people",
            "value": value,
            "low": low,
            "high": max(high, bound),
            "n": n,
        }

    def _by_people(self, at: np.ndarray, probes: int, hits: np.ndarray) -> np.ndarray:
        """Return sums of hits, (m, n) bool, by the person of the probe and of the reference photo."""
        order, starts = np.argsort(self.number, kind="stable"), np.flatnonzero(np.diff(np.sort(self.number), prepend=-1))
        found = np.zeros((probes, len(self.names)))
        np.add.at(found, at, np.add.reduceat(hits[:, order], starts, axis=1, dtype=np.float64))
        return found


def _both_drawn(
    rates: np.ndarray, pairs: np.ndarray, names: tuple[np.ndarray, np.ndarray], *, level: float, seed: int
) -> tuple[float, float]:
    """Return the interval of the mean of a table of two kinds of people: `people_interval`, as products of matrices."""
    every = np.union1d(*names)
    draw = np.random.default_rng(seed)
    drawn = draw.multinomial(len(every), np.full(len(every), 1 / len(every)), size=RESAMPLES).astype(np.float64)
    one, two = (drawn[:, np.searchsorted(every, own)] for own in names)
    hits, weights = ((one @ table * two).sum(1) for table in (rates * pairs, pairs.astype(np.float64)))
    some = weights > 0
    low, high = np.quantile(hits[some] / weights[some], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
