"""Coverage: whether bands hold what they promise, counted on people whom they were made without."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facevalue.confidence.angles import between, directions
from facevalue.confidence.bands import EmbeddingBand, PairBand, match_people
from facevalue.confidence.calibration import fitted_band, mixed, paired_band, references_of
from facevalue.confidence.features import References, face_features
from facevalue.data.errors import NotCalibrated
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.image.jitter import View, blur, brighten, compress, halve, to_gray
from facevalue.stats.conformal import coverage_range, scores_needed
from facevalue.stats.discard import error_versus_discard, excess_area_under_risk_coverage, spearman


def _shrunk(view: View, times: int) -> View:
    """Return the photo at half its width and height, so many times over."""
    return functools.reduce(lambda small, _: halve(small), range(times), view)


QUALITIES = ("quality.inter_eye", "quality.sharpness")
CHANGES: Mapping[str, Callable[[View], View]] = {
    **{f"blurred {i}": functools.partial(blur, share=share) for i, share in enumerate((0.02, 0.04, 0.08), start=1)},
    **{f"shrunk {i}": functools.partial(_shrunk, times=i) for i in (1, 2, 3)},
    **{f"jpeg {i}": functools.partial(compress, quality=quality) for i, quality in enumerate((30, 10, 5), start=1)},
    **{f"darker {i}": functools.partial(brighten, factor=factor) for i, factor in enumerate((0.5, 0.25, 0.12), start=1)},
    **{f"brighter {i}": functools.partial(brighten, factor=factor) for i, factor in enumerate((1.3, 1.7), start=1)},
    "gray": to_gray,
}
BINS = ("low", "middle", "high")
FEW = 30


def coverage(
    people: People,
    model: str,
    *,
    level: float,
    seed: int,
    splits: int = 100,
    groups: Sequence[str] = (),
    changed: Mapping[str, People] | None = None,
    mix: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return how often the bands of a model's embeddings hold the truth, over splits of the people into three parts.

    One part fits the scale, one calibrates, on the third is counted: whether the template of a person's other photos lies in
    the cap of each embedding ("embedding"), and whether the score of two people's other photos lies in the interval of a pair
    ("pair.same", "pair.different"). The rows' `measure`:

    - coverage.WHAT: the share held, each person weighing the same, mean over the splits; low and high are the 99 % range, over
      splits, of the share that exact bands would hold in one split (beta-binomial; as though photos of one person were one)
    - width.WHAT: the median radius or half-width, degrees of arc
    - spearman: rank correlation of the scale with the angle it should foretell; risk_coverage: area under the mean angle of
      the faces kept, the surest first, less that of the best order; discard: false non-matches left after the least sure
      fifth of photos is gone, of 5 % before

    The rows' `group`: "all"; a third of the faces by quality; a group of the people by a column; a change of the photos
    ("blurred 2", "as they are"), held against the person's other photos. Groups of fewer than 30 answers are NaN.

    Parameters
    ----------
    people
        Photos with the columns of the model, of its `_spread`, and `quality`.
    model
        Its name.
    level
        Of the bands, in (0, 1).
    seed
        Of the splits.
    splits
        How many.
    groups
        Columns of people.
    changed
        The same photos, row by row, measured after a change.
    mix
        Make and count the bands on photos of which half are as they are and half are changed, as `mixed` draws them.
    progress
        Called with splits done and splits in all.

    Raises
    ------
    NotCalibrated
        There are too few people with two photos for three parts.

    References
    ----------
    Marques F., arXiv 2303.02770 (the range); Geifman, Uziel, El-Yaniv, ICLR 2019 (area under risk and coverage); Schlett and
    others, arXiv 2303.13294 (error versus discard).
    """
    kept = people.usable(model)
    seen = people[kept]
    names, photos = np.unique(seen.person.astype(str), return_counts=True)
    names = names[photos > 1]
    check_people(seen.person, level=level)
    seen = seen[np.isin(seen.person.astype(str), names)]
    others = {} if changed is None else {name: _rows_of(other, seen) for name, other in changed.items()}
    tally, draw, ends = _Tally(level, tuple(groups)), np.random.default_rng(seed), ends_of_parts(len(names), level)
    for split in range(splits):
        progress(split, splits)
        parts = np.split(draw.permutation(names), ends)
        fit, rest, test = (np.isin(seen.person.astype(str), part) for part in parts)
        base = mixed(seen, others, model, seed=int(draw.integers(2**31))) if mix else seen
        bands = _Bands.of(base[fit], base[rest], model, seed=int(draw.integers(2**31)))
        tally.add(bands, base[test], {name: other[test] for name, other in ({"as they are": seen} | others).items()})
    progress(splits, splits)
    source = seen.faces[f"{model}.embedding"].source
    return Findings.from_rows([{"study": "coverage", "run": f"{source}, seed {seed}"} | row for row in tally.rows(splits)])


def check_people(person: np.ndarray, *, level: float) -> None:
    """Raise NotCalibrated, saying how many more are needed, where people on photos, (n,) str, are too few for three parts."""
    several = int((np.unique(person[person != ""].astype(str), return_counts=True)[1] > 1).sum())
    needed = 6 * (scores_needed(level) + 1)
    if several < needed:
        raise NotCalibrated(
            f"a check of level {level} needs {needed} people with two photos or more, there are {several}: "
            f"you need {needed - several} more"
        )


def ends_of_parts(people: int, level: float) -> tuple[int, int]:
    """Return where the first and the second of three parts of the people end.

    Quantiles go in steps: of sizes from 1/3 to 2/5 the calibration part has the one at which they overshoot the level least,
    for people and for pairs of them; a half of the rest fits.

    Examples
    --------
    >>> ends_of_parts(102, 0.9)  # 31, 39 and 32: 36 of 40 and 18 of 20
    (31, 70)
    """

    def overshoot(n: int) -> float:
        return sum(math.ceil((k + 1) * level - 1e-9) / (k + 1) - level for k in (n, n // 2))

    size = min(range(people // 3, 2 * people // 5 + 1), key=lambda n: (round(overshoot(n), 9), n))
    fit = (people - size) // 2
    return fit, fit + size


def _rows_of(other: People, seen: People) -> People:
    """Return the rows of changed photos in the order of the photos as they are."""
    at = {path: i for i, path in enumerate(other.faces.path)}
    return other[np.array([at[path] for path in seen.faces.path], int)]


@dataclass(frozen=True, slots=True)
class _Bands:
    """Bands made of two parts of the people."""

    model: str
    references: References
    embedding_band: EmbeddingBand
    pair_band: PairBand
    calibration: int
    seed: int

    @classmethod
    def of(cls, fit: People, rest: People, model: str, *, seed: int) -> _Bands:
        fit, rest = fit[fit.usable(model)], rest[rest.usable(model)]
        references = references_of(fit, model, seed)
        features = face_features(rest.faces, model, references)
        band = fitted_band(fit, model, references).calibrate(rest.embedding(model), rest.person, features)
        pair_band = paired_band(rest, model, references, band, seed)
        return cls(model, references, band, pair_band, len(np.unique(rest.person.astype(str))), seed)

    def sigma(self, people: People) -> np.ndarray:
        """Return the scale of each face, (n,) deg."""
        return self.embedding_band.sigma(face_features(people.faces, self.model, self.references))


@dataclass(slots=True)
class _Tally:
    """Sums over splits: of answers held, and of answers, by what and group; widths; figures of the scale."""

    level: float
    columns: tuple[str, ...]
    held: defaultdict[tuple[str, str], list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    widths: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    scale: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, bands: _Bands, test: People, conditions: Mapping[str, People]) -> None:
        """Count one split: the photos on which the bands are judged, and the same photos in each condition."""
        test, angles, radius = self._caps(bands, test, test)
        sigma = bands.sigma(test)
        self._embedding("all", angles <= radius, radius, test.person)
        self.ranges["embedding"] = bands.calibration, len(np.unique(test.person.astype(str)))
        for group, chosen in _groups(test, self.columns):
            self._embedding(group, (angles <= radius)[chosen], radius[chosen], test.person[chosen])
        self.scale["spearman"].append(spearman(sigma, angles))
        self.scale["risk_coverage"].append(excess_area_under_risk_coverage(angles, -sigma))
        self._discard(test, bands.model, sigma)
        self._pairs(bands, test, sigma)
        for name, condition in conditions.items() if len(conditions) > 1 else ():
            seen, angles, radius = self._caps(bands, condition, test)
            self._embedding(name, angles <= radius, radius, seen.person)

    def _caps(self, bands: _Bands, people: People, whole: People) -> tuple[People, np.ndarray, np.ndarray]:
        """Return the faces that can be held against other photos of their people, the angle to these and the radius, deg."""
        people, whole = (part[part.usable(bands.model)] for part in (people, whole))
        angles = to_other_photos(people, whole, bands.model)
        people, angles = people[np.isfinite(angles)], angles[np.isfinite(angles)]
        features = face_features(people.faces, bands.model, bands.references)
        return people, angles, bands.embedding_band.radius(features, level=self.level)

    def _embedding(self, group: str, held: np.ndarray, radius: np.ndarray, person: np.ndarray) -> None:
        if not len(held):
            return
        _, ids, counts = np.unique(person.astype(str), return_inverse=True, return_counts=True)
        self.held["embedding", group].append((float((held / counts[ids]).sum()), len(counts)))
        self.widths["embedding", group].append(float(np.median(radius)))

    def _pairs(self, split: _Bands, test: People, sigma: np.ndarray) -> None:
        replicates = match_people(test.person.astype(str), seed=split.seed)
        cosines = replicates.cosines(test.embedding(split.model))
        for cell in ("same", "different"):
            chosen = np.flatnonzero(replicates.cells == cell)
            calibrated = sum(len(s) for n, s in zip(split.pair_band.cells, split.pair_band.scores, strict=True) if n == cell)
            if not len(chosen) or calibrated < scores_needed(self.level):
                continue
            a, b = replicates.rows[chosen, 0].T
            band = split.pair_band.interval(cosines[chosen, 0], sigma[a], sigma[b], cell=cell, level=self.level)
            held = (band.low <= cosines[chosen, 1]) & (cosines[chosen, 1] <= band.high)
            half = np.degrees(np.arccos(band.low) - np.arccos(band.high)) / 2
            self.ranges[f"pair.{cell}"] = calibrated, len(chosen)
            self.held[f"pair.{cell}", "all"].append((float(held.sum()), len(held)))
            self.widths[f"pair.{cell}", "all"].append(float(np.median(half)))
            for name in self.columns:
                words = test.columns[name]
                for word in np.unique(words[a][(words[a] == words[b]) & (words[a] != "")].astype(str)):
                    within = (words[a] == word) & (words[b] == word)
                    self.held[f"pair.{cell}", f"{name}: {word}"].append((float(held[within].sum()), int(within.sum())))

    def _discard(self, test: People, model: str, sigma: np.ndarray) -> None:
        """Add the false non-matches left when the least sure photos go, of pairs of one person."""
        _, ids = np.unique(test.person.astype(str), return_inverse=True)
        a, b = np.triu_indices(len(ids), 1)
        a, b = a[ids[a] == ids[b]], b[ids[a] == ids[b]]
        embedding = test.embedding(model)
        cosine = np.cos(np.radians(between(embedding[a], embedding[b])))
        found = error_versus_discard(cosine, -sigma[a], -sigma[b], threshold=float(np.quantile(cosine, 0.05)))
        self.scale["discard"].append(found.at(0.2))

    def rows(self, splits: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of findings."""
        for (what, group), counts in self.held.items():
            held, answers = np.array(counts).T.sum(1)
            low, high = self._range(what) if group == "all" else (math.nan, math.nan)
            enough = answers >= FEW
            numbers = {"value": held / answers if enough else math.nan, "low": low, "high": high}
            method = f"{splits} splits of the people" if enough else f"fewer than {FEW} answers"
            row = {"group": group, "level": self.level, "n": int(answers), "method": method}
            yield row | numbers | {"measure": f"coverage.{what}"}
            if self.widths[what, group]:
                width = float(np.mean(self.widths[what, group])) if enough else math.nan
                nothing = dict.fromkeys(("low", "high"), math.nan)
                yield row | nothing | {"measure": f"width.{what}_deg", "value": width}
        for name, values in self.scale.items():
            ends = np.quantile(values, [0.005, 0.995])
            numbers = {"value": float(np.mean(values)), "low": float(ends[0]), "high": float(ends[1]), "level": 0.99}
            yield numbers | {"measure": name, "group": "all", "n": len(values), "method": "range over splits"}

    def _range(self, what: str) -> tuple[float, float]:
        return coverage_range(*self.ranges[what], self.level)


def to_other_photos(people: People, whole: People, model: str) -> np.ndarray:
    """Return the angle of each embedding to the mean direction of the same person's other photos, (n,) deg; NaN for none."""
    known, at = directions(whole.embedding(model)), {path: i for i, path in enumerate(whole.faces.path)}
    names, ids = np.unique(np.append(whole.person, people.person).astype(str), return_inverse=True)
    total, photos = np.zeros((len(names), known.shape[1])), np.bincount(ids[: len(whole)], minlength=len(names))
    np.add.at(total, ids[: len(whole)], known)
    own = np.array([at.get(path, -1) for path in people.faces.path], int)
    others = total[ids[len(whole) :]] - np.where(own[:, None] < 0, 0, known[own])
    others[photos[ids[len(whole) :]] - (own >= 0) < 1] = np.nan
    return between(people.embedding(model), others)


def _groups(test: People, columns: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the rows, (n,) bool, of thirds by quality and of groups by column."""
    for name in QUALITIES:
        if name in test.faces.columns:
            values = test.faces[name].values
            edges = np.nanquantile(values, [1 / 3, 2 / 3])
            third = np.searchsorted(edges, values)
            yield from ((f"{name}: {word}", third == i) for i, word in enumerate(BINS) if edges[0] < edges[1])
    for name in columns:
        words = test.columns[name].astype(str)
        yield from ((f"{name}: {word}", words == word) for word in np.unique(words[words != ""]))
