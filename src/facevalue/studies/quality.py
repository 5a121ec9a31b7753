"""Quality: which component of a photo's quality, the worst photos left out first, takes most of the errors with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings, concatenate
from facevalue.data.pairs import compare_all
from facevalue.data.people import People
from facevalue.image.iso_quality import NATIVE
from facevalue.stats.bootstrap import people_interval
from facevalue.stats.calibration import check_level
from facevalue.stats.discard import (
    Discard,
    area_under_risk_coverage,
    error_versus_discard,
    excess_area_under_risk_coverage,
    spearman,
)
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.similarity import paired_similarity
from facevalue.stats.verification import true_match_rate_at
from facevalue.studies.dimensions import tabled
from facevalue.studies.similarity import counts

STUDY = "quality"
MOST = 0.2
MEASURES = ("gain@0.20", "area@0.20", "excess@0.20", "fnmr@0.10", "fnmr@0.20", "aurc", "excess_aurc", "spearman")
RESAMPLES, PAIRS = 1000, 20_000
FALLING = (".flip", ".jitter", "quality.dark", "quality.bright")
NEITHER = ("quality.luminance",)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs of photos of one person, and the score below which they would be taken for two people.

    Parameters
    ----------
    a, b : (p,) int
        Rows of the photos.
    person : (p,) str
        Whose they are.
    scores : (p,) float64
        Cosines.
    threshold
        A score equal to it is a match.
    method
        How the threshold was found, in words.
    """

    a: np.ndarray
    b: np.ndarray
    person: np.ndarray
    scores: np.ndarray
    threshold: float
    method: str

    def __len__(self) -> int:
        return len(self.a)

    def angles(self, n: int) -> np.ndarray:
        """Return the mean angle of each of n photos to the others of its person, (n,) deg; NaN where there are none."""
        apart = np.degrees(np.arccos(np.clip(self.scores, -1, 1)))
        both = np.append(self.a, self.b)
        sums, count = (np.bincount(both, part, n) for part in (np.append(apart, apart), np.ones(2 * len(self))))
        return np.asarray(np.divide(sums, count, out=np.full(n, np.nan), where=count > 0))


def matches(
    people: People, model: str, *, seed: int, fnmr: float = 0.05, fmr: float | None = None, most: int = PAIRS
) -> Matches:
    """Return the pairs of photos of one person that a model can compare, and the threshold.

    Parameters
    ----------
    people
        n photos.
    model
        Whose embeddings are compared, by cosine.
    seed
        Of the pairs drawn.
    fnmr
        The threshold is the quantile of the scores at this rate: so many errors there are before any photo is left out.
    fmr
        Where given, the threshold is the smallest of at most this false match rate among pairs of different people.
    most
        At most so many pairs of one person, and of two.

    Raises
    ------
    RunError
        Nobody has two photos that can be compared, or there are too few pairs of different people for the false match rate.

    References
    ----------
    Schlett, Rathgeb, Tapia, Busch, arXiv 2303.13294: the threshold by the initial error.
    """
    usable = np.flatnonzero(people.usable(model))
    pairs = compare_all(people.person[usable], most=most, folds=2, seed=seed)
    if not pairs.same.any():
        raise RunError(f"expected a person with two photos that {model} can compare; there is none among {len(people)} photos")
    a, b, embedding = usable[pairs.a], usable[pairs.b], people.embedding(model)
    scores = paired_similarity(embedding[a], embedding[b], metric="cosine").astype(np.float64)
    genuine, same = scores[pairs.same], pairs.same
    threshold, method = float(np.quantile(genuine, fnmr)), f"quantile {fnmr:g} of the scores of one person's photos"
    if fmr is not None:
        if same.all():
            raise RunError("--fmr: expected photos of two people or more; leave it out, or give --threshold-fnmr")
        point = true_match_rate_at(genuine, scores[~same], fmr=fmr)
        if not point.sufficient:
            raise RunError(f"a false match rate of {fmr:g} needs {point.needed:,} pairs of people, got {(~same).sum():,}")
        threshold, method = point.threshold, f"false match rate {fmr:g}"
    return Matches(a[same], b[same], people.person[a[same]].astype(str), genuine, threshold, method)


def components(faces: Faces, model: str, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the components of quality among the columns, (n,) float64 each: higher is better, NaN where not measured.

    What is better when it is less (spreads, shares of dark and bright px) is taken with a minus.

    Parameters
    ----------
    faces
        n photos, measured.
    model
        Its `norm`, or the length of its embedding, is a component too.
    wanted
        Instruments, or single columns.

    Raises
    ------
    UnknownName
        A name that no component bears.
    """
    rates = {name: column for name, column in faces.columns.items() if column.values.ndim == 1 and not name.endswith(NATIVE)}
    found = dict[str, np.ndarray]()
    for word in wanted:
        names = [n for n in rates if n not in NEITHER and (n == word or n.rpartition(".")[0] == word)]
        if not names:
            raise UnknownName(word, sorted({n.rpartition(".")[0] for n in rates} | {*rates}), what="component of quality")
        found |= {n: 0.0 - rates[n].values if n.endswith(FALLING) else rates[n].values.astype(np.float64) for n in names}
    if f"{model}.norm" in rates:
        found[f"{model}.norm"] = rates[f"{model}.norm"].values.astype(np.float64)
    elif f"{model}.embedding" in faces.columns:
        found[f"{model}.length"] = np.linalg.norm(faces[f"{model}.embedding"].values.astype(np.float64), axis=1)
    return found


def curve(pairs: Matches, component: np.ndarray) -> Discard:
    """Return the error of the pairs that are left as those with the worst photo, by a component, (n,), are left out.

    A photo without the component leaves first.
    """
    worst_first = np.nan_to_num(component, nan=-np.inf, neginf=-np.inf, posinf=np.inf)
    return error_versus_discard(pairs.scores, worst_first[pairs.a], worst_first[pairs.b], threshold=pairs.threshold)


def quality(
    people: People,
    model: str,
    pairs: Matches,
    rated: Mapping[str, np.ndarray],
    *,
    level: float,
    seed: int,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how well each component of quality predicts errors, and how they compare.

    A `group` a component, its rows' `measure`:

    - area@0.20: area under the curve of error versus discard up to 20 % of the pairs; excess@0.20: less that of the best
      quality; gain@0.20: `1 - area / (.2 error)`, the share of the errors' area that is saved: 0 for a component that knows
      nothing; fnmr@0.10, fnmr@0.20: error after at most 10 % and 20 % are left out
    - aurc, excess_aurc: area under risk and coverage, the risk being that of a non-match
    - spearman: rank correlation of the component with minus the mean angle to the person's other photos
    - difference_to_best: its gain less that of the component with the largest one, people drawn alike for both
    - adjusted_p, adjusted_p_difference: of no gain, and of no difference, over all components at once
    - missing: photos without the component, which leave first

    Intervals are percentiles of a bootstrap over people at a fixed threshold; they are too short for a component that leaves
    no error out. The p of no gain is that of a permutation of people, one-sided: how often so large a gain arises by chance;
    that of no difference `2 min(share <= 0, share >= 0)` of the draws. The best component was chosen on the same photos: its
    gain is a little too large. Group "all": what became of the photos, pairs, errors, threshold, fnmr.

    Parameters
    ----------
    people
        n photos.
    model
        Name.
    pairs
        From `matches`.
    rated
        From `components`: (n,) each, higher is better.
    level
        Of the intervals, in (0, 1).
    seed, resamples
        Of the bootstrap.
    progress
        Called with resamples done and in all.

    Raises
    ------
    RunError
        There are no components.

    References
    ----------
    Grother, Tabassi, IEEE PAMI 29, 2007; Schlett et al., arXiv 2303.13294; Geifman, Uziel, El-Yaniv, ICLR 2019.
    """
    check_level(level)
    if not rated:
        raise RunError("expected components of quality, got none: measure iso_quality, quality or a spread")
    judge = _Judge(pairs, {name: np.asarray(values, np.float64) for name, values in rated.items()}, len(people))
    ones = np.ones(len(judge.person))
    values = judge.measures(ones)
    best, drawn = int(np.argmax(np.nan_to_num(values[:, 0], nan=-np.inf))), list[np.ndarray]()

    def statistic(weights: np.ndarray) -> np.ndarray:
        found = judge.measures(weights)
        drawn.append(found[:, 0] - found[best, 0])
        progress(len(drawn), resamples)
        return np.column_stack([found, drawn[-1]])

    low, high = people_interval(statistic, judge.person, judge.person, level=level, seed=seed, resamples=resamples)
    told = np.column_stack([values, values[:, 0] - values[best, 0]])
    run = f"{people.faces[f'{model}.embedding'].source}, threshold {pairs.threshold:.4f} ({pairs.method}), seed {seed}"
    return concatenate(
        [
            _whole(people, model, pairs, level=level, run=run),
            *_rows(judge, (told, low, high), level=level, run=run),
            *_tests(judge, values[:, 0], np.stack(drawn), seed=seed, run=run),
        ]
    )


@dataclass(slots=True)
class _Judge:
    """Measures all components on pairs and photos under weights of people."""

    pairs: Matches
    names: list[str]
    ranks: np.ndarray
    missing: np.ndarray
    photos: np.ndarray
    closeness: np.ndarray
    person: np.ndarray

    def __init__(self, pairs: Matches, rated: Mapping[str, np.ndarray], n: int) -> None:
        self.pairs, self.names = pairs, list(rated)
        angles = pairs.angles(n)
        self.photos = np.flatnonzero(np.isfinite(angles))
        self.closeness = -angles[self.photos]
        given = np.stack(list(rated.values()))
        self.missing = np.isnan(given[:, self.photos])
        lowest = np.where(np.isnan(given), -np.inf, given)
        self.ranks = np.stack([np.unique(row, return_inverse=True)[1] for row in lowest]).astype(np.float64)
        owner = np.full(n, "", object)
        owner[pairs.a], owner[pairs.b] = pairs.person, pairs.person
        self.person = np.append(pairs.person, owner[self.photos].astype(str))

    def measures(self, weights: np.ndarray) -> np.ndarray:
        """Return `MEASURES` of each component, (c, 8); weights are of the pairs, then of the photos, whole numbers."""
        of_pairs, of_photos = np.split(weights, [len(self.pairs)])
        if not of_pairs.any():
            return np.full((len(self.names), len(MEASURES)), np.nan)
        drawn = np.repeat(np.arange(len(self.pairs)), of_pairs.astype(int))
        risk = (self.pairs.scores < self.pairs.threshold).astype(np.float64)[drawn]
        return np.stack([self._one(ranks, of_pairs, of_photos, drawn, risk) for ranks in self.ranks])

    def _one(
        self, ranks: np.ndarray, of_pairs: np.ndarray, of_photos: np.ndarray, drawn: np.ndarray, risk: np.ndarray
    ) -> tuple[float, ...]:
        a, b = ranks[self.pairs.a], ranks[self.pairs.b]
        found = error_versus_discard(self.pairs.scores, a, b, threshold=self.pairs.threshold, weights=of_pairs)
        area, start = found.area(MOST), found.at(0)
        confidence = np.minimum(a, b)[drawn]
        return (
            1 - area / (MOST * start) if start > 0 else np.nan,
            area,
            found.excess(MOST),
            found.at(0.1),
            found.at(0.2),
            area_under_risk_coverage(risk, confidence),
            excess_area_under_risk_coverage(risk, confidence),
            spearman(ranks[self.photos], self.closeness, weights=of_photos),
        )

    def chance(self, value: np.ndarray, draws: int, draw: np.random.Generator) -> np.ndarray:
        """Return how often a gain as large arises when people's scores, each person's kept together, change places, (c,)."""
        order = np.argsort(self.pairs.person, kind="stable")
        blocks = np.split(order, np.flatnonzero(np.diff(np.unique(self.pairs.person[order], return_inverse=True)[1])) + 1)
        lowest = np.minimum(self.ranks[:, self.pairs.a], self.ranks[:, self.pairs.b])[:, order]
        reached, threshold = np.ones(len(lowest)), self.pairs.threshold
        for _ in range(draws):
            scores = self.pairs.scores[np.concatenate([blocks[i] for i in draw.permutation(len(blocks))])]
            for j, ranks in enumerate(lowest):
                found = error_versus_discard(scores, ranks, ranks, threshold=threshold)
                reached[j] += 1 - found.area(MOST) / (MOST * found.at(0)) >= value[j] - 1e-12 if found.at(0) > 0 else 0
        return np.where(np.isnan(value), np.nan, reached / (draws + 1))


def _whole(people: People, model: str, pairs: Matches, *, level: float, run: str) -> Findings:
    errors = int((pairs.scores < pairs.threshold).sum())
    told = {"pairs": len(pairs), "errors": errors, "threshold": pairs.threshold, "fnmr": errors / len(pairs)}
    given = {"n": len(pairs), "method": "count", "run": run}
    rows = [tabled(STUDY, group="all", measure=name, value=value, **given) for name, value in told.items()]
    every = [{"study": STUDY, "group": "all", "run": run} | row for row in counts(people, model, level=level)]
    return concatenate([Findings.from_rows(every), *rows])


def _rows(judge: _Judge, ends: Sequence[np.ndarray], *, level: float, run: str) -> list[Findings]:
    known: dict[str, Any] = {"group": np.array(judge.names, object), "run": run}
    parts = []
    for j, name in enumerate((*MEASURES, "difference_to_best")):
        value, low, high = (end[:, j] for end in ends)
        n = len(judge.photos) if name == "spearman" else len(judge.pairs)
        interval = {"low": low, "high": high, "level": np.where(np.isnan(low), np.nan, level)}
        parts.append(tabled(STUDY, measure=name, value=value, n=n, method="bootstrap over people", **interval, **known))
    gone = {"value": judge.missing.sum(1), "n": len(judge.photos), "method": "count"}
    return [*parts, tabled(STUDY, measure="missing", **gone, **known)]


def _tests(judge: _Judge, value: np.ndarray, drawn: np.ndarray, *, seed: int, run: str) -> list[Findings]:
    """Return the adjusted p-values of no gain, and of no difference to the best; drawn, (resamples, c), are differences."""
    known: dict[str, Any] = {"group": np.array(judge.names, object), "n": len(judge.pairs), "run": run}
    chance = judge.chance(value, len(drawn), np.random.default_rng(seed))
    p = {"adjusted_p": (chance, "permutation of people, BH"), "adjusted_p_difference": (_two_sided(drawn), "bootstrap, BH")}
    return [tabled(STUDY, measure=m, value=adjusted_p_values(q), method=how, **known) for m, (q, how) in p.items()]


def _two_sided(drawn: np.ndarray) -> np.ndarray:
    """Return `2 min(share <= 0, share >= 0)` of each column's draws; NaN where over 5 % cannot tell, or all are 0."""
    told = np.isfinite(drawn)
    count, sides = told.sum(0), [((side >= 0) & told).sum(0) + 1 for side in (drawn, -drawn)]
    able = (count >= 0.95 * len(drawn)) & (np.nan_to_num(drawn) != 0).any(0)
    return np.where(able, np.minimum(1, 2 * np.minimum(*sides) / (count + 1)), np.nan)


def ranking(findings: Findings) -> list[str]:
    """Return the names of the components, the one with the largest gain first, equal ones by their rank correlation.

    Parameters
    ----------
    findings
        Of `quality`.
    """
    gain, rank = (
        {g: v for m, g, v in zip(findings.measure, findings.group, findings.value, strict=True) if m == name}
        for name in ("gain@0.20", "spearman")
    )
    return sorted(gain, key=lambda name: (-np.nan_to_num(gain[name], nan=-9), -np.nan_to_num(rank[name], nan=-9)))
