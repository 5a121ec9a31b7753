"""Difference: how two sets of photos differ in what instruments say of the faces, and what of it goes with the photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings, concatenate
from facevalue.data.people import People
from facevalue.stats.calibration import check_level
from facevalue.stats.classifier_test import classifier_test
from facevalue.stats.energy import PERMUTATIONS, energy_test, exchanged
from facevalue.stats.mean_difference import mean_difference
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.weighting import overlap_weights
from facevalue.studies.dimensions import tabled
from facevalue.studies.face_sources import Source, face_sources, photo_quality
from facevalue.studies.grouping import no_overlap

STUDY = "difference"
MOST, LEAST, WIDEST = 1500, 10, 512
GIVEN = "_given_quality"
QUALITY = "photo quality"


def difference(
    faces: Faces | People,
    other: Faces | People,
    *,
    names: tuple[str, str] = ("first", "second"),
    level: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how two sets of photos differ, without labels, and how they do where photos are equally good.

    Of each instrument: "energy_distance" in [0, 1], beside "chance", what it is where people are exchanged between the sets,
    with "p" of such exchanges and "adjusted_p" over all instruments; and "auc", how well a regression tells the sets of faces
    that it was not fitted to, .5 where they cannot be told apart. Of each dimension that means something by itself:
    "difference", the standardised difference of means, first less second, with "adjusted_p" (Benjamini and Hochberg) and
    "max_t_p" (the largest of all dimensions under exchange). Names that end in "_given_quality" are of what is left when
    sharpness, light, size and turn of the photos, and their squares and cubes, are taken out of every dimension by
    regression: a difference that vanishes there goes with the photos and need not be one of faces. "overlap" says how much of
    photo quality both sets share. "faces_left_out" counts, by reason, faces without a measure, "not_compared" says why an
    instrument is not compared at all.

    Of more than 1,500 faces a set, people are drawn until there are so many. Photos of one person count as one draw where
    people are known; faces of one photo do so always.

    Parameters
    ----------
    faces, other
        Two measured sets; `People` where it is known who is on each photo. A name in both is one person.
    names
        Of the sets.
    level
        Of the intervals, in (0, 1).
    seed
        Of everything drawn.
    progress
        Called with instruments done and in all.

    Raises
    ------
    SchemaError
        Fewer than ten faces in a set, two sets of one name.

    References
    ----------
    Szekely, Rizzo, Journal of Statistical Planning and Inference 143, 2013; Lopez-Paz, Oquab, ICLR 2017; residuals under
    exchange: Kennedy, Journal of Business and Economic Statistics 13, 1995; the largest: Westfall, Young, Resampling-Based
    Multiple Testing, 1993.
    """
    check_level(level)
    if names[0] == names[1] or min(len(faces), len(other)) < LEAST:
        raise SchemaError(
            f"expected two sets of two names and {LEAST} faces or more; got {len(faces)} of {names[0]!r} and {len(other)} of "
            f"{names[1]!r}"
        )
    sides = [_Side.of(side, name, seed) for side, name in zip((faces, other), names, strict=True)]
    both = _Both(sides[0], sides[1], level, seed)
    known = [name for name in both.sources if not both.obstacle(name)]
    parts = [side.counts() for side in sides] + [both.overlap()]
    tested: list[Findings] = []
    for done, name in enumerate(known):
        progress(done, len(known))
        tested += both.tested(name)
    progress(len(known), len(known))
    parts += [*tested, *_adjusted(tested), *both.dimensions(known)]
    parts += [both.left_out(name) for name in both.sources]
    return concatenate(parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One of the sets: the faces that are compared, whose they are, and how many there were."""

    name: str
    faces: Faces
    person: np.ndarray
    total: int
    people: int
    known: bool

    @classmethod
    def of(cls, given: Faces | People, name: str, seed: int) -> _Side:
        faces = given.faces if isinstance(given, People) else given
        told = given.person if isinstance(given, People) else np.full(len(faces), "", object)
        photos = np.where(faces.photo == "", faces.path, faces.photo)
        person = np.array([f"person {who}" if who else f"photo {at}" for who, at in zip(told, photos, strict=True)], object)
        rows = _drawn(person, MOST, seed)
        return cls(name, faces[rows], person[rows], len(faces), len(np.unique(person.astype(str))), bool((told != "").any()))

    def counts(self) -> Findings:
        told = {"faces": self.total, "people" if self.known else "photos": self.people, "faces_drawn": len(self.faces)}
        cells: dict[str, Any] = {"group": self.name, "method": "count", "n": self.total}
        return tabled(STUDY, measure=np.array(list(told), object), value=np.array(list(told.values()), float), **cells)


def _drawn(person: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return the rows of people drawn at random, in order, until one more would make it more than so many rows."""
    if len(person) <= most:
        return np.arange(len(person))
    who = np.unique(person.astype(str), return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(who.max() + 1)
    total = np.cumsum(np.bincount(who)[order])
    return np.flatnonzero(np.isin(who, order[total <= max(most, total[0])]))


class _Both:
    """Both sets, one below the other."""

    def __init__(self, one: _Side, other: _Side, level: float, seed: int) -> None:
        self.one, self.other, self.level, self.seed = one, other, level, seed
        self.person = np.concatenate([one.person, other.person]).astype(str)
        self.first = np.arange(len(self.person)) < len(one.faces)
        self.parts = [face_sources(side.faces) for side in (one, other)]
        self.sources = sorted({*self.parts[0], *self.parts[1]})
        quality = [photo_quality(side.faces) for side in (one, other)]
        self.known = [bool(part) for part in quality]
        self.quality = {name: np.concatenate([part[name] for part in quality]) for name in quality[0] if name in quality[1]}
        there = np.isfinite(np.stack([np.zeros(len(self.first)), *self.quality.values()])).all(0)
        self.rated = there & bool(self.quality)
        self.flaw = self._flaw()

    def _flaw(self) -> str:
        """Return why photo quality cannot be held equal, "" where it can."""
        sides = (self.one.name, self.other.name)
        lacking = [name for name, rated in zip(sides, self._rated_sides(), strict=True) if rated < LEAST]
        if lacking and not self.quality:
            lacking = [name for name, known in zip(sides, self.known, strict=True) if not known] or lacking
        if lacking:
            return f"photo quality is not measured in {' and '.join(lacking)}: annotate with quality and pose"
        return no_overlap(self._balance())

    def _rated_sides(self) -> tuple[int, int]:
        return int((self.rated & self.first).sum()), int((self.rated & ~self.first).sum())

    def _balance(self) -> Any:
        columns = np.stack([column[self.rated] for column in self.quality.values()], 1)
        return overlap_weights(columns, self.first[self.rated])

    def overlap(self) -> Findings:
        """Return how much of photo quality both sets share."""
        measured = min(self._rated_sides()) >= LEAST
        value, method = (self._balance().overlap, "propensity") if measured else (np.nan, self.flaw)
        return tabled(
            STUDY, measure="overlap", group=QUALITY, value=value, n=int(self.rated.sum()), method=method, run=self.run
        )

    @property
    def run(self) -> str:
        return f"seed {self.seed}"

    def source(self, name: str) -> Source:
        """Return what an instrument says of both sets."""
        one, other = (part[name] for part in self.parts)
        values, why = np.vstack([one.values, other.values]), np.concatenate([one.why, other.why])
        return Source(name, one.weights, one.labels, values, why)

    def obstacle(self, name: str) -> str:
        """Return why an instrument's measures cannot be compared, "" where they can."""
        for part, side in zip(self.parts, (self.one, self.other), strict=True):
            if name not in part:
                return f"not measured in {side.name}: annotate it with {'mesh' if name == 'geometry' else name}"
        one, other = (part[name] for part in self.parts)
        if one.weights != other.weights or one.labels != other.labels:
            return f"{one.weights} in {self.one.name} and {other.weights} in {self.other.name}: measure both with one of them"
        for source, side in ((one, self.one), (other, self.other)):
            people = len(np.unique(side.person[source.why == ""].astype(str)))
            if people < LEAST:
                return f"measured of {people} people or photos in {side.name}, {LEAST} needed"
        return ""

    def left_out(self, name: str) -> Findings:
        """Return how many faces lack an instrument's measure, by reason; or why it is not compared."""
        if reason := self.obstacle(name):
            return tabled(STUDY, measure="not_compared", group=name, value=np.nan, n=0, method=reason, run=self.run)
        rows = []
        for part, side in zip(self.parts, (self.one, self.other), strict=True):
            for why, count in sorted(Counter(part[name].why).items()):
                if why:
                    cells = {"measure": "faces_left_out", "group": f"{side.name}: {name}: {why}", "method": "count"}
                    rows.append(tabled(STUDY, value=count, n=len(side.faces), run=self.run, **cells))
        return concatenate(rows)

    def tested(self, name: str) -> list[Findings]:
        """Return how far an instrument puts the sets apart, and how well it tells them, as they are and given quality."""
        source = self.source(name)
        measured = source.why == ""
        found = self._apart(source, measured, "")
        if source.of_photos:
            return found
        if self.flaw:
            cells: dict[str, Any] = {"group": name, "value": np.nan, "n": 0, "method": self.flaw, "run": self.run}
            return [*found, *(tabled(STUDY, measure=f"{one}{GIVEN}", **cells) for one in ("energy_distance", "p", "auc"))]
        return found + self._apart(source, measured & self.rated, GIVEN)

    def _apart(self, source: Source, rows: np.ndarray, ending: str) -> list[Findings]:
        first, person = self.first[rows], self.person[rows]
        x = _narrow(source.scaled(rows), self.seed)
        if ending:
            x = _residuals(x, self.features[rows])
        energy = energy_test(x, first, level=self.level, seed=self.seed, person=person)
        told = classifier_test(x, first, level=self.level, seed=self.seed, person=person)
        cells: dict[str, Any] = {"group": source.name, "n": len(x), "run": f"{source.weights}, {self.run}"}
        ends = {"level": self.level} | cells
        dealt = f"{PERMUTATIONS} exchanges of people"
        values = (
            ("energy_distance", (energy.value, energy.low, energy.high), "bootstrap over people"),
            ("chance", (energy.chance, energy.chance_low, energy.chance_high), dealt),
            ("auc", (told.value, told.low, told.high), f"ridge, {told.folds} folds of people, bootstrap"),
        )
        found = [
            tabled(STUDY, measure=f"{name}{ending}", value=value, low=low, high=high, method=method, **ends)
            for name, (value, low, high), method in values
        ]
        return [*found, tabled(STUDY, measure=f"p{ending}", value=energy.p, method=dealt, **cells)]

    @property
    def features(self) -> np.ndarray:
        """Return photo quality by ranks in [-1, 1], their squares and cubes, (n, 3 q); NaN where not measured."""
        columns = []
        for column in self.quality.values():
            known = np.sort(column[np.isfinite(column)])
            rank = (np.searchsorted(known, column, "left") + np.searchsorted(known, column, "right")) / max(len(known), 1) - 1
            columns += [np.where(np.isfinite(column), rank, np.nan) ** power for power in (1, 2, 3)]
        return np.stack(columns, 1)

    def dimensions(self, names: list[str]) -> list[Findings]:
        """Return the differences of means along all dimensions that mean something by themselves."""
        sources = [source for source in map(self.source, names) if source.labels]
        if not sources:
            return []
        p = dict(zip([source.name for source in sources], self._largest(sources), strict=True))
        raw, given = [], []
        for source in sources:
            measured = source.why == ""
            raw.append(self._means(source, measured, "", p[source.name]))
            if not source.of_photos and not self.flaw:
                given.append(self._means(source, measured & self.rated, GIVEN, None))
        return [*_joined(raw), *_joined(given)]

    def _means(self, source: Source, rows: np.ndarray, ending: str, largest: np.ndarray | None) -> list[Findings]:
        covariates = self.features[rows] if ending else None
        told: dict[str, Any] = {"level": self.level, "person": self.person[rows], "covariates": covariates}
        found = mean_difference(source.values[rows], self.first[rows], **told)
        cells: dict[str, Any] = {"group": np.array(source.labels, object), "n": int(rows.sum())}
        cells["run"] = f"{source.weights}, {self.run}"
        method = np.where(np.isnan(found.value), "does not vary", "least squares, people as clusters").astype(object)
        ends = {"value": found.value, "low": found.low, "high": found.high, "level": self.level, "method": method}
        parts = [tabled(STUDY, measure=f"difference{ending}", **ends, **cells)]
        parts.append(tabled(STUDY, measure=f"adjusted_p{ending}", value=found.p, method="BH", **cells))
        if largest is not None:
            dealt = f"largest of all, {PERMUTATIONS} exchanges of people"
            largest = np.where(np.isnan(found.value), np.nan, largest)
            parts.append(tabled(STUDY, measure="max_t_p", value=largest, method=dealt, **cells))
        return parts

    def _largest(self, sources: list[Source]) -> list[np.ndarray]:
        """Return of each dimension how often the largest difference of any is at least as large when people are exchanged."""
        chosen = np.vstack([self.first, exchanged(self.first, self.person, PERMUTATIONS, seed=self.seed)])
        scores = []
        for source in sources:
            rows = source.why == ""
            gap = _gaps(source.values[rows], chosen[:, rows])
            spread = gap[1:].std(0)
            scores.append(np.abs(gap) / np.where(spread > 0, spread, np.inf))
        most = np.nanmax(np.hstack(scores)[1:], axis=1)
        return [
            np.where(np.isfinite(score[0]), (1 + (most[:, None] >= score[0] - 1e-9).sum(0)) / (1 + len(most)), np.nan)
            for score in scores
        ]


def _gaps(x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the difference of the means of the chosen and the others in each draw, (r, d)."""
    marks = chosen.astype(np.float64)
    inside, n = marks @ x, marks.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(inside / n - (x.sum(0) - inside) / (len(x) - n))


def _residuals(x: np.ndarray, features: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(x)), features])
    return np.asarray(x - design @ np.linalg.lstsq(design, x, rcond=None)[0])


def _narrow(x: np.ndarray, seed: int) -> np.ndarray:
    """Return faces along at most 512 dimensions: of more, random mixtures, which keep distances nearly."""
    if x.shape[1] <= WIDEST:
        return x
    return np.asarray(x @ np.random.default_rng(seed).normal(size=(x.shape[1], WIDEST)) / np.sqrt(WIDEST))


def _adjusted(tested: list[Findings]) -> list[Findings]:
    """Return the p of all instruments, as they are and given quality, with what it is among so many."""
    found = []
    for ending in ("", GIVEN):
        rows = concatenate([part for part in tested if (part.measure == f"p{ending}").all()])
        if len(rows) and np.isfinite(rows.value).any():
            cells: dict[str, Any] = {"measure": f"adjusted_p{ending}", "value": adjusted_p_values(rows.value), "method": "BH"}
            found.append(tabled(STUDY, group=rows.group, n=rows.n, run=rows.run, **cells))
    return found


def _joined(parts: list[list[Findings]]) -> list[Findings]:
    """Return the rows of all instruments, measure by measure, p-values adjusted over all of them."""
    found = [concatenate(rows) for rows in zip(*parts, strict=True)]
    return [replace(rows, value=adjusted_p_values(rows.value)) if rows.method[0] == "BH" else rows for rows in found]
