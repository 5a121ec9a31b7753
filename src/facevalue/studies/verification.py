"""Verification: how well scores tell whether two photos show one person, by model, detector and metric."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.findings import Findings
from facevalue.data.pairs import Comparisons
from facevalue.data.people import People
from facevalue.stats import similarity as measures
from facevalue.stats.bootstrap import people_interval
from facevalue.stats.calibration import check_level
from facevalue.stats.folds import cross_fitted_ratio, fold_splits
from facevalue.stats.likelihood import cllr, minimum_cllr
from facevalue.stats.verification import (
    Sorted,
    balanced_accuracy,
    d_prime,
    error_bound,
    fold_accuracy,
    sort_pairs,
    true_match_rate_at,
)
from facevalue.studies.similarity import counts

RATES = (0.1, 0.01, 0.001, 0.0001)
POINTS = 400


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """What one model, detector and metric make of pairs of photos.

    Parameters
    ----------
    model, detector, metric
        Their names.
    scores : (p,) float64
        Higher is more alike, so that distances are negative; NaN where a photo could not be compared.
    source
        The model with its weights.
    """

    model: str
    detector: str
    metric: str
    scores: np.ndarray
    source: str = ""

    @property
    def name(self) -> str:
        """The three names in one."""
        return " / ".join(filter(None, (self.model, self.detector, self.metric)))

    @property
    def seen(self) -> np.ndarray:
        """Which pairs, (p,) bool, have a score."""
        return np.asarray(np.isfinite(self.scores))

    def judges(self, pairs: Comparisons) -> bool:
        """Return whether it has scores for pairs of both kinds, without which nothing can be said of it."""
        same = pairs.same[self.seen]
        return bool(same.any() and not same.all())


def compared(people: People, pairs: Comparisons, model: str, *, detector: str, metric: str) -> System:
    """Return the scores of pairs of photos; each photo's embedding is made once, however many pairs it stands in."""
    embeddings = people.embedding(model)
    values = np.empty(len(pairs))
    for start in range(0, len(pairs), 65_536):
        part = slice(start, start + 65_536)
        rows = embeddings[pairs.a[part]], embeddings[pairs.b[part]]
        values[part] = measures.paired_similarity(*rows, metric=metric)
    return System(model, detector, metric, measures.alike(values, metric), people.faces[f"{model}.embedding"].source)


def verification(
    systems: Sequence[tuple[System, People | None]],
    pairs: Comparisons,
    *,
    level: float,
    seed: int,
    resamples: int = 2000,
    thresholds: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how well each system tells pairs of one person from pairs of two, and how they compare.

    The rows' `measure`, a `group` a system ("model / detector / metric"):

    - photos, people and failure_to_acquire, as in `similarity`; failure_to_compare: share of the pairs without a score.
      All that follows is of the pairs that have one.
    - accuracy: mean of the share of right answers among pairs of one person and of two, threshold chosen on the other folds
      of other people; its interval is mean -+ z standard errors over folds; accuracy_standard_error; threshold
    - area_under_curve, equal_error_rate, true_match_rate at a false match rate ("tmr@fmr=0.001"): intervals of a bootstrap
      over people. Where there was no error, the end of the interval is the exact bound for none among so many people. A rate
      for which there are fewer than 30 / rate pairs of different people is NaN, its method says how many are needed.
    - d_prime; cllr of log-linear likelihood ratios fitted on other folds, minimum_cllr; gap: mean score of one person's pairs
      less that of different people's, each person and each two people weighing the same
    - fixed_accuracy: the same at a threshold that was given

    Groups "A - B": the difference of the first system and another of its metric, on the pairs that both have, people drawn
    alike for both.

    Parameters
    ----------
    systems
        Scores of the pairs, and the photos that they are from; None for an ensemble of others.
    pairs
        p pairs.
    level
        Of the intervals, in (0, 1).
    seed, resamples
        Of the bootstrap.
    thresholds
        By a system's name: a threshold in its metric, to be judged as it is.
    progress
        Called with systems done and systems in all.

    Raises
    ------
    RunError
        No system has scores for pairs of both kinds. Of one among others the accuracy is NaN, and its method says so; likewise
        of the difference of two that have no such pairs in common.

    References
    ----------
    ISO/IEC 19795-1:2021; Huang, Ramesh, Berg, Learned-Miller, Labeled Faces in the Wild, 2007 (folds); Brummer, du Preez,
    Computer Speech and Language 20, 2006 (Cllr); bootstrap over people: see `facevalue.stats.bootstrap.people_weights`.
    """
    check_level(level)
    rows = list[dict[str, Any]]()
    judge = _Judge(pairs, level, seed, resamples)
    able = [system for system, _ in systems if system.judges(pairs)]
    if not able:
        judge.refuse(systems[0][0])
    for done, (system, people) in enumerate(systems):
        progress(done, len(systems))
        row = {"study": "verification", "group": system.name, "run": f"{system.source}, seed {seed}"}
        if people is not None:
            rows += [row | count for count in counts(people, system.model, level=level)]
        rows += [row | found for found in judge.measures(system, (thresholds or {}).get(system.name))]
    first, *others = able
    for other in (other for other in others if other.metric == first.metric):
        row = {"study": "verification", "group": f"{first.name} - {other.name}"}
        row |= {"run": f"{first.source} and {other.source}, seed {seed}"}
        rows += [row | found for found in judge.differences(first, other)]
    progress(len(systems), len(systems))
    return Findings.from_rows(rows)


def curve(system: System, pairs: Comparisons) -> dict[str, np.ndarray]:
    """Return threshold (in the metric's own terms), false match and false non-match rates of a system, thinned for a plot."""
    seen = system.seen
    found = sort_pairs(system.scores[seen], pairs.same[seen]).roc()
    turns = np.flatnonzero(np.diff(found.fnmr, prepend=-1) > 0)
    near = np.unique(np.concatenate([turns, np.linspace(0, len(found.fmr) - 1, POINTS).astype(int)]))
    kept = near if len(near) <= 2 * POINTS else near[np.linspace(0, len(near) - 1, 2 * POINTS).astype(int)]
    rates = {"threshold": measures.alike(found.threshold, system.metric), "fmr": found.fmr, "fnmr": found.fnmr}
    return {name: values[kept] for name, values in rates.items()}


@dataclass(slots=True)
class _Judge:
    """Judges systems on the same pairs; intervals are made once for all metrics that rank pairs alike."""

    pairs: Comparisons
    level: float
    seed: int
    resamples: int
    known: dict[tuple[str, str, bool], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def __init__(self, pairs: Comparisons, level: float, seed: int, resamples: int) -> None:
        self.pairs, self.level, self.seed, self.resamples, self.known = pairs, level, seed, resamples, {}

    def measures(self, system: System, threshold: float | None) -> Iterator[dict[str, Any]]:
        """Yield the rows of one system."""
        seen = system.seen
        pairs, scores = self.pairs[seen], system.scores[seen]
        yield from self._counts(pairs, seen)
        if not system.judges(self.pairs):
            yield self._row("accuracy", np.nan, len(pairs), "not to be had: no scores for pairs of both kinds")
            return
        yield from self._accuracy(pairs, scores, system.metric)
        yield from self._curve(system, pairs, scores)
        yield from self._ratios(pairs, scores)
        if threshold is not None:
            at = float(measures.alike(np.array(threshold), system.metric))
            genuine, impostor = scores[pairs.same], scores[~pairs.same]
            yield self._row("fixed_threshold", threshold, len(pairs), "given")
            yield self._row("fixed_accuracy", balanced_accuracy(genuine, impostor, at), len(pairs), "given threshold")

    def refuse(self, system: System) -> None:
        """Raise RunError, as a system without scores for pairs of both kinds deserves."""
        same = self.pairs.same[system.seen]
        kinds = f"{same.sum()} pairs of one person and {(~same).sum()} of two"
        raise RunError(f"{system.name}: expected scores for pairs of both kinds; of {len(self.pairs)} it has {kinds}")

    def _row(self, measure: str, value: float, n: int, method: str, ends: tuple[float, float] | None = None) -> dict[str, Any]:
        low, high = ends or (np.nan, np.nan)
        level = np.nan if np.isnan(low) else self.level
        return {"measure": measure, "value": value, "low": low, "high": high, "level": level, "n": n, "method": method}

    def _counts(self, pairs: Comparisons, seen: np.ndarray) -> Iterator[dict[str, Any]]:
        yield self._row("failure_to_compare", float(1 - seen.mean()), len(seen), "count")
        same = int(pairs.same.sum())
        told = {"pairs_same": same, "pairs_different": len(pairs) - same, "people_pairs": pairs.people_pairs}
        yield from (self._row(name, n, len(pairs), "count") for name, n in told.items())

    def _accuracy(self, pairs: Comparisons, scores: np.ndarray, metric: str) -> Iterator[dict[str, Any]]:
        try:
            found = fold_accuracy(scores, pairs.same, pairs.fold_a, pairs.fold_b)
        except ValueError as error:
            yield self._row("accuracy", np.nan, len(pairs), f"not to be had: {error}")
            return
        room = NormalDist().inv_cdf((1 + self.level) / 2) * found.standard_error
        method, ends = f"{len(found.accuracy)} folds {_kind_of_folds(pairs)}", (found.mean - room, min(found.mean + room, 1.0))
        if not room and found.mean == 1:
            n_people = len(np.unique(pairs.first[pairs.same]))
            ends, method = (1 - error_bound(0, n_people, self.level), 1.0), f"{method}; no error, bound of {n_people} people"
        yield self._row("accuracy", found.mean, len(pairs), method, ends)
        yield self._row("accuracy_standard_error", found.standard_error, len(found.accuracy), method)
        threshold = float(measures.alike(found.threshold.mean(), metric))
        yield self._row("threshold", threshold, len(found.threshold), method)

    def _curve(self, system: System, pairs: Comparisons, scores: np.ndarray) -> Iterator[dict[str, Any]]:
        key = system.model, system.detector, system.metric == "euclidean"
        if key not in self.known:
            statistic = functools.partial(_curve_values, sort_pairs(scores, pairs.same))
            ends = people_interval(
                statistic, pairs.first, pairs.second, level=self.level, seed=self.seed, resamples=self.resamples
            )
            self.known[key] = statistic(None), *ends
        values, low, high = self.known[key]
        n_people = len(np.unique(pairs.first[pairs.same]))
        bound = error_bound(0, n_people, self.level)
        names = ("area_under_curve", "equal_error_rate", *(f"tmr@fmr={rate:g}" for rate in RATES))
        faultless = values[1] == 0, values[1] == 0, *(values[2:] == 1)
        for i, name in enumerate(names):
            method, ends_i = "bootstrap over people", (float(low[i]), float(high[i]))
            if faultless[i]:
                method = f"no error; bound of {n_people} people"
                ends_i = (0.0, bound) if name == "equal_error_rate" else (1 - bound, 1.0)
            if name.startswith("tmr"):
                yield self._operating(name, pairs, scores, (float(values[i]), ends_i, method))
            else:
                yield self._row(name, float(values[i]), len(pairs), method, ends_i)

    def _operating(
        self, name: str, pairs: Comparisons, scores: np.ndarray, found: tuple[float, tuple[float, float], str]
    ) -> dict[str, Any]:
        value, ends, method = found
        rate = float(name.partition("=")[2])
        kinds = scores[pairs.same], scores[~pairs.same]
        point = true_match_rate_at(*kinds, fmr=rate, independent=pairs.people_pairs)
        if not point.sufficient:
            told = f"insufficient: needs {point.needed:,} pairs of different people, has {pairs.people_pairs:,}"
            return self._row(name, np.nan, len(kinds[1]), told)
        return self._row(name, value, len(kinds[0]), method, ends)

    def _ratios(self, pairs: Comparisons, scores: np.ndarray) -> Iterator[dict[str, Any]]:
        genuine, impostor = scores[pairs.same], scores[~pairs.same]
        yield self._row("d_prime", d_prime(genuine, impostor), len(pairs), "moments")
        log_ratio = cross_fitted_ratio(scores, pairs.same, pairs.fold_a, pairs.fold_b)
        told = np.isfinite(log_ratio)
        kinds = 10 ** log_ratio[told & pairs.same], 10 ** log_ratio[told & ~pairs.same]
        if all(map(len, kinds)):
            yield self._row("cllr", cllr(*kinds), int(told.sum()), "logistic fitted on other folds")
        yield self._row("minimum_cllr", minimum_cllr(genuine, impostor), len(pairs), "pool adjacent violators")
        yield self._row("gap", gap(pairs, scores), len(pairs), "means of people and of pairs of people")

    def differences(self, first: System, other: System) -> Iterator[dict[str, Any]]:
        """Yield the rows of the difference of two systems, on the pairs that both have."""
        seen = first.seen & other.seen
        pairs = self.pairs[seen]
        if pairs.same.all() or not pairs.same.any():
            yield self._row("difference.accuracy", np.nan, len(pairs), "not to be had: no pairs of both kinds in common")
            return
        both = [sort_pairs(system.scores[seen], pairs.same) for system in (first, other)]
        right = [_right(pairs, system.scores[seen]) for system in (first, other)]

        def statistic(weights: np.ndarray | None) -> np.ndarray:
            curves = [(curve.area(), curve.equal_error_rate()) for curve in (one.roc(weights) for one in both)]
            accuracy = [_balanced(pairs.same, one, weights) for one in right]
            return np.array([accuracy[0] - accuracy[1], *(one - other for one, other in zip(*curves, strict=True))])

        low, high = people_interval(
            statistic, pairs.first, pairs.second, level=self.level, seed=self.seed, resamples=self.resamples
        )
        for i, name in enumerate(("accuracy", "area_under_curve", "equal_error_rate")):
            ends = float(low[i]), float(high[i])
            yield self._row(f"difference.{name}", float(statistic(None)[i]), len(pairs), "bootstrap over people, paired", ends)


def _kind_of_folds(pairs: Comparisons) -> str:
    """Return "of people", or how many people stand in several folds, which a list of pairs can have."""
    who, fold = np.append(pairs.first, pairs.second), np.append(pairs.fold_a, pairs.fold_b)
    _, count = np.unique(np.unique(np.stack([who, fold]), axis=1)[0], return_counts=True)
    shared = int((count > 1).sum())
    return f"as listed, {shared} people in several" if shared else "of people"


def _curve_values(pairs: Sorted, weights: np.ndarray | None) -> np.ndarray:
    """Return the area, the equal error rate and the true match rates at `RATES`, out of one pass over the pairs."""
    curve = pairs.roc(weights)
    matched = [1 - curve.fnmr[min(curve.first_at_most(rate), len(curve.fnmr) - 1)] for rate in RATES]
    return np.array([curve.area(), curve.equal_error_rate(), *matched])


def _right(pairs: Comparisons, scores: np.ndarray) -> np.ndarray:
    """Return whether each pair is answered right at the threshold of other folds, 1 or 0; NaN for pairs of two folds."""
    right = np.full(len(pairs), np.nan)
    for inside, outside in fold_splits(pairs.same, pairs.fold_a, pairs.fold_b):
        threshold = sort_pairs(scores[outside], pairs.same[outside]).balanced_threshold()
        right[inside] = (scores[inside] >= threshold) == pairs.same[inside]
    return right


def _balanced(same: np.ndarray, right: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the mean of the shares of right answers among both kinds; NaN where the draw has none of a kind."""
    judged = ~np.isnan(right)
    weight = None if weights is None else weights[judged]
    cells = np.bincount(2 * same[judged] + right[judged].astype(int), weight, 4)
    with np.errstate(invalid="ignore"):
        return float((cells[[1, 3]] / (cells[[0, 2]] + cells[[1, 3]])).mean())


def gap(pairs: Comparisons, scores: np.ndarray) -> float:
    """Return the mean over people of their own mean score, less the mean over pairs of people of theirs."""
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    _, cell = np.unique(low * (int(high.max()) + 1) + high, return_inverse=True)
    means = np.bincount(cell, scores) / np.bincount(cell)
    same = np.bincount(cell, pairs.same) > 0
    return float(means[same].mean() - means[~same].mean())
