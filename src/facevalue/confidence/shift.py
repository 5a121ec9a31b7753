"""Bands under shift: whether they widen, and hold, on photos unlike those that they were made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.confidence.calibration import references_of
from facevalue.confidence.coverage import check_people, ends_of_parts, to_other_photos
from facevalue.confidence.features import NAMES, face_features
from facevalue.confidence.scale import fit_scale
from facevalue.confidence.typical import Typicality
from facevalue.data.faces import concatenate
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.conformal import hierarchical_quantile, scores_needed

DRAWS, ATYPICAL = 16, 0.05
CLEAN, WIDENED, UNSEEN = "clean", "widened", "unseen"


@dataclass(frozen=True, slots=True)
class Shift:
    """Photos under one condition, as measured.

    Parameters
    ----------
    people
        A row a photo; NaN where no face was found.
    family
        The condition's kind, as "fog" of "fog 3": bands that are to know nothing of it know none of its family.
    known
        Whether bands may be made of such photos too.
    """

    people: People
    family: str = ""
    known: bool = False


def shifted_coverage(
    reference: People,
    shifts: Mapping[str, Shift],
    model: str,
    *,
    level: float,
    seed: int,
    splits: int = 60,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return whether the bands of embeddings hold the template of a person's photos as they are, under each condition.

    In each split of the people one part fits the scale, one calibrates, the third is counted. Three bands are judged: "clean",
    made of photos as they are; "widened", whose scale is fitted to these and, as often, to photos under known conditions, and
    whose factor is the largest that any one of these asks for, `q = max_c q_c`: it holds in each of them; "unseen", widened
    without the family of the condition on which it is judged. The rows' `group` is the condition, "as they are" among them,
    their `measure`:

    - coverage.BAND: the share of photos whose template lies in the cap, each person weighing the same; Wilson over people,
      the bands given: how much they would differ if made of other people is not in it
    - width.BAND_deg: the median radius
    - atypical: the share whose typicality among photos as they are has a p-value of .05 or less

    Parameters
    ----------
    reference
        Photos as they are, with the columns of the model, of its `_spread`, and `quality`.
    shifts
        By the name of the condition.
    model
        Its name.
    level
        Of the bands and the intervals, in (0, 1).
    seed
        Of the splits and the mixes.
    splits
        How many.
    progress
        Called with splits done and splits in all.

    Raises
    ------
    NotCalibrated
        There are too few people with two photos for three parts.

    References
    ----------
    Barber, Candes, Ramdas, Tibshirani, Conformal prediction beyond exchangeability, Annals of Statistics 51, 2023: what
    bands lose under shift. The largest over conditions: Vovk, Conditional validity of inductive conformal predictors, Machine
    Learning 92, 2013, where the category of a new case is not known.
    """
    seen = reference[reference.usable(model)]
    check_people(seen.person, level=level)
    table = _Table.of(seen, shifts, model)
    names, photos = np.unique(seen.person.astype(str), return_counts=True)
    names, draw = names[photos > 1], np.random.default_rng(seed)
    tally = _Tally(table, names)
    for split in range(splits):
        progress(split, splits)
        parts = np.split(draw.permutation(names), ends_of_parts(len(names), level))
        whole, held = (seen[np.isin(seen.person.astype(str), part)] for part in parts[:2])
        references = references_of(whole, model, seed=int(draw.integers(2**31)))
        x = face_features(table.people.faces, model, references)
        known = Typicality().fit(whole.embedding(model), whole.person)
        known = known.calibrate(held.embedding(model), held.person)
        fit, rest, test = (np.isin(table.person, part) for part in parts)
        tally.flagged(test, known.p_values(table.people.embedding(model)[test]) <= ATYPICAL)
        for band, rows in table.bands(fit, draw):
            sigma = fit_scale(x[rows], table.angle[rows], table.person[rows], names=NAMES).predict(x)
            judged = test & table.judged(band)
            factor = table.factor(table.angle / sigma, rest, band, level)
            tally.held(band.partition(" ")[0], judged, np.minimum(factor * sigma[judged], 180))
    progress(splits, splits)
    run = f"{seen.faces[f'{model}.embedding'].source}, seed {seed}, {splits} splits of the people"
    return Findings.from_rows([{"study": "robustness", "run": run} | row for row in tally.rows(level)])


@dataclass(frozen=True, slots=True)
class _Table:
    """The photos of all conditions that have a face and a template, one below the other."""

    people: People
    person: np.ndarray
    angle: np.ndarray
    condition: np.ndarray
    names: tuple[str, ...]
    family: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, reference: People, shifts: Mapping[str, Shift], model: str) -> _Table:
        every = {"as they are": Shift(reference)} | dict(shifts)
        usable = [one.people[one.people.usable(model)] for one in every.values()]
        wanted = [name for name in reference.faces.columns if all(name in part.faces.columns for part in usable)]
        faces = concatenate([_only(part, wanted) for part in usable])
        person, further = (np.concatenate([getattr(part, name) for part in usable]) for name in ("person", "further"))
        counts = [len(part) for part in usable]
        people = People(faces, person, further)
        angle = to_other_photos(people, reference, model)
        family = np.repeat(np.array([one.family for one in every.values()], object), counts)
        known = np.repeat([one.known for one in every.values()], counts)
        kept = np.isfinite(angle)
        condition = np.repeat(np.arange(len(every)), counts)
        told = (people[kept], person[kept].astype(str), angle[kept], condition[kept])
        return cls(*told, tuple(every), family[kept], known[kept])

    def bands(self, fit: np.ndarray, draw: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name of each band, of the unseen ones with the family, and the rows that its scale is fitted to."""
        yield CLEAN, np.flatnonzero(fit & (self.condition == 0))
        if not self.known.any():
            return
        yield WIDENED, self._mix(fit, self.known, draw)
        families = np.unique(self.family[self.known].astype(str))
        for family in families if len(families) > 1 else ():
            yield f"{UNSEEN} {family}", self._mix(fit, self.known & (self.family != family), draw)

    def factor(self, scores: np.ndarray, rest: np.ndarray, band: str, level: float) -> float:
        """Return the largest hierarchical quantile of the scores, (n,), of any condition that a band knows.

        A condition in which fewer people than the level needs are left counts for nothing.
        """
        rows = rest & (self.condition == 0)
        if band != CLEAN:
            rows |= rest & self.known & (self.family != (band.partition(" ")[2] or None))
        parts = [np.flatnonzero(rows & (self.condition == number)) for number in np.unique(self.condition[rows])]
        enough = [part for part in parts if len(np.unique(self.person[part])) >= scores_needed(level)]
        return max(hierarchical_quantile(scores[part], self.person[part], level) for part in enough)

    def judged(self, band: str) -> np.ndarray:
        """Return the rows, (n,) bool, on which a band is judged."""
        _, _, family = band.partition(" ")
        return np.asarray(self.family == family) if family else np.ones(len(self.family), bool)

    def _mix(self, part: np.ndarray, known: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Return rows of a part: as many draws of each person's photos as they are as of those under known conditions."""
        drawn = list[np.ndarray]()
        for person in np.unique(self.person[part]):
            own = self.person == person
            for rows in (np.flatnonzero(own & (self.condition == 0)), np.flatnonzero(own & known)):
                drawn += [draw.choice(rows, DRAWS)] if len(rows) else []
        return np.concatenate(drawn)


def _only(people: People, columns: list[str]) -> Any:
    return replace(people.faces, columns={name: people.faces.columns[name] for name in columns})


class _Tally:
    """Of each band and condition: what every person's photos held, over the splits in which they were counted; widths."""

    def __init__(self, table: _Table, names: np.ndarray) -> None:
        self.table = table
        self.at = np.searchsorted(names, table.person)
        self.shape = len(table.names), len(names)
        self.hits: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.widths: dict[tuple[str, int], list[float]] = {}

    def held(self, band: str, judged: np.ndarray, radius: np.ndarray) -> None:
        self._add(f"coverage.{band}", judged, self.table.angle[judged] <= radius)
        condition = self.table.condition[judged]
        order = np.argsort(condition, kind="stable")
        numbers, starts = np.unique(condition[order], return_index=True)
        for number, widths in zip(numbers.tolist(), np.split(radius[order], starts[1:]), strict=True):
            self.widths.setdefault((band, number), []).append(float(np.median(widths)))

    def flagged(self, test: np.ndarray, strange: np.ndarray) -> None:
        self._add("atypical", test, strange)

    def _add(self, measure: str, rows: np.ndarray, hits: np.ndarray) -> None:
        places = self.table.condition[rows], self.at[rows]
        for kept, values in ((self.hits, hits.astype(np.float64)), (self.counts, np.ones(len(hits)))):
            np.add.at(kept.setdefault(measure, np.zeros(self.shape)), places, values)

    def rows(self, level: float) -> Iterator[dict[str, Any]]:
        """Yield the rows of findings."""
        for measure, hits in self.hits.items():
            counts = self.counts[measure]
            for number, name in enumerate(self.table.names):
                seen = counts[number] > 0
                n = int(seen.sum())
                if not n:
                    continue
                held = float((hits[number, seen] / counts[number, seen]).sum())
                low, high = map(float, wilson_interval(held, n, level=level))
                row = {"group": name, "level": level, "n": n, "method": "wilson over people"}
                yield row | {"measure": measure, "value": held / n, "low": low, "high": high}
                band = measure.removeprefix("coverage.")
                if (band, number) in self.widths:
                    ends = {"low": math.nan, "high": math.nan, "method": "median, mean over splits"}
                    width = float(np.mean(self.widths[band, number]))
                    yield row | ends | {"measure": f"width.{band}_deg", "value": width}
