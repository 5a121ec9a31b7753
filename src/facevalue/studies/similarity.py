"""Similarity: how alike people's faces are to each other's, and to their own on other photos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.findings import Findings
from facevalue.data.pairs import Pairs
from facevalue.data.people import People
from facevalue.stats import similarity as measures
from facevalue.stats.calibration import check_level, wilson_interval

RESAMPLES = 1000
# Bytes that a cell takes until it is written (128 were measured before the files), and a photo in each resample.
CELL, DRAWN = 150, 4


def similarity(
    people: People,
    model: str,
    *,
    metric: str,
    level: float,
    seed: int,
    most: int | None = None,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Pairs, Findings]:
    """Return the person x person matrix of similarities, and what it says on the whole.

    A cell is the mean over the pairs of photos of two people; on the diagonal over the pairs of different photos of one.
    Intervals of cells are percentiles of a bootstrap over the photos of each person; a cell in which a person has one photo
    (on the diagonal: fewer than three) has none. The mean of the diagonal, the mean off it and the gap between both carry
    intervals of a bootstrap over people, or none where more than 5 % of the draws lack one of the kinds.

    Parameters
    ----------
    people
        n photos.
    model
        Whose embeddings are compared.
    metric
        "cosine", "euclidean", "euclidean_l2" or "angular".
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap, and of the pairs drawn.
    most
        At most so many pairs of photos a cell, drawn at random; None for all.
    resamples
        Of the bootstrap.
    progress
        Called with people done and people in all.

    Raises
    ------
    RunError
        Fewer than two people have a photo that can be compared, or the matrix does not fit this machine's memory.

    References
    ----------
    Means of pairs and the gap: github.com/JungKH33/face-similarity; the bootstrap: Efron, Tibshirani, An Introduction to the
    Bootstrap, 1993, section 13.3.
    """
    check_level(level)
    seen, names, who = compared(people, model)
    _check_room(len(names), len(seen), resamples)
    cells = Cells(seen.embedding(model), who, metric, most, seed)
    draws = cells.draws(resamples)
    parts = []
    for i in range(len(names)):
        progress(i, len(names))
        parts.append(cells.row(i, level=level, draws=draws))
    progress(len(names), len(names))
    value, low, high, count = (np.stack(part) for part in zip(*parts, strict=True))
    pairs = Pairs(names, names, value, metric, low, high, level, count)
    return pairs, _findings(people, model, pairs, seed=seed, resamples=resamples)


def compared(people: People, model: str) -> tuple[People, np.ndarray, np.ndarray]:
    """Return the photos that a model can compare, the p names of whom they show, and the number of each photo's.

    Raises
    ------
    RunError
        There are fewer than two people.
    """
    seen = people[people.usable(model)]
    names, who = np.unique(seen.person.astype(str), return_inverse=True)
    if len(names) < 2:
        told = ", ".join(f"{n} {why}" for why, n in Counter(people.why(model)).items() if why) or "none failed"
        raise RunError(f"expected photos of two people or more that {model} can compare; got those of {len(names)} ({told})")
    return seen, names, who


def _check_room(people: int, photos: int, resamples: int) -> None:
    """Refuse, before anything is compared, a matrix that this machine cannot hold."""
    needed, there = people**2 * CELL + photos * resamples * DRAWN, memory()
    if needed > there:
        raise RunError(
            f"expected a matrix that fits {there / 1e9:.1f} GB of memory; that of {people:,} people and {photos:,} photos "
            f"takes {needed / 1e9:.1f} GB with intervals: --top 100 keeps the pairs most alike, with --matrix also all means"
        )


def memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 8 << 30


@dataclass(slots=True)
class Cells:
    """Photos of people, sorted by person, and what the matrix is made of."""

    rows: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    metric: str
    most: int | None
    seed: int

    def __init__(self, embeddings: np.ndarray, who: np.ndarray, metric: str, most: int | None, seed: int) -> None:
        order = np.argsort(who, kind="stable")
        self.rows, self.sizes = embeddings[order], np.bincount(who)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.metric, self.most, self.seed = metric, most, seed

    def draws(self, resamples: int) -> np.ndarray:
        """Return how often each photo is drawn in each resample of the photos of its person, (resamples, n) float32."""
        draw, drawn = np.random.default_rng(self.seed), np.empty((resamples, len(self.rows)), np.float32)
        for start, size in zip(self.starts, self.sizes, strict=True):
            drawn[:, start : start + size] = draw.multinomial(size, np.full(size, 1 / size), size=resamples)
        return drawn

    def row(self, i: int, *, level: float, draws: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return value, low, high and count of person i with each, (p,) each."""
        own = slice(self.starts[i], self.starts[i] + self.sizes[i])
        scores = measures.similarity(self.rows[own], self.rows, metric=self.metric)
        kept = self._kept(own).astype(np.float32)
        scores *= kept
        count = np.add.reduceat(kept.sum(0), self.starts)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.add.reduceat(scores.sum(0, dtype=np.float64), self.starts) / count
        ends = np.full((2, len(self.sizes)), np.nan)
        several = (self.sizes > 1) & (self.sizes[i] > 1)
        several[i] = self.sizes[i] > 2
        if several.any():
            ends[:, several] = self._ends(scores, kept, draws, own, several, level)
        count[i] /= 2
        return value, *ends, count.astype(int)

    def _ends(
        self, scores: np.ndarray, kept: np.ndarray, draws: np.ndarray, own: slice, several: np.ndarray, level: float
    ) -> np.ndarray:
        """Return the ends of the intervals of a row's cells with people of several photos, (2, cells)."""
        photos, sizes = np.repeat(several, self.sizes), self.sizes[several]
        others, starts = draws[:, photos], np.cumsum(sizes) - sizes
        with np.errstate(invalid="ignore", divide="ignore"):
            sums, counts = (
                np.add.reduceat((draws[:, own] @ part[:, photos]) * others, starts, axis=1) for part in (scores, kept)
            )
            return _quantiles(np.where(counts.any(0), sums / counts, 0), level)

    def _kept(self, own: slice) -> np.ndarray:
        """Return which pairs of a person's photos and all photos count, (size, n) bool: none with itself, `most` a cell."""
        a, b = np.arange(len(self.rows))[own, None], np.arange(len(self.rows))
        kept: np.ndarray = a != b
        if self.most is None:
            return kept
        key = np.where(kept, _shuffled(np.minimum(a, b), np.maximum(a, b), self.seed), np.inf)
        for start, size in zip(self.starts, self.sizes, strict=True):
            cell = key[:, start : start + size]
            known = np.unique(cell[np.isfinite(cell)])
            if len(known) > self.most:
                kept[:, start : start + size] = cell <= known[self.most - 1]
        return kept


def _shuffled(a: np.ndarray, b: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each pair of photos, the same for (a, b) wherever it is asked for (splitmix64)."""
    z = (a.astype(np.uint64) << np.uint64(32)) + b.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((z ^ (z >> np.uint64(31))) / 2.0**64)


def _findings(people: People, model: str, pairs: Pairs, *, seed: int, resamples: int) -> Findings:
    assert pairs.count is not None
    diagonal = np.diag(pairs.values)
    values = _means(np.ones((1, len(pairs.rows))), pairs)[:, 0]
    ends = ends_of(_means(_people_draws(len(pairs.rows), resamples, seed), pairs), pairs.level or 0)
    pairs_same = np.diag(pairs.count).sum()
    pairs_different = (pairs.count.sum() - pairs_same) // 2
    ns = (pairs_same, pairs_different, np.isfinite(diagonal).sum())
    return told(people, model, (values, *ends), ns, metric=pairs.metric, level=pairs.level or 0, seed=seed)


def told(
    people: People, model: str, means: Sequence[np.ndarray], ns: Sequence[int], *, metric: str, level: float, seed: int
) -> Findings:
    """Return the findings: what became of the photos, and the means, (3,) each of value, low and high, with their numbers."""
    source = people.faces[f"{model}.embedding"].source
    row = {"study": "similarity", "group": "all", "run": f"{source}, {metric}, seed {seed}"}
    rows = [row | count for count in counts(people, model, level=level)]
    for name, value, low, high, n in zip(("mean_same", "mean_different", "gap"), *means, ns, strict=True):
        numbers = {"value": value, "low": low, "high": high, "level": np.nan if np.isnan(low) else level, "n": int(n)}
        rows.append(row | numbers | {"measure": name, "method": "bootstrap over people"})
    return Findings.from_rows(rows)


def _quantiles(drawn: np.ndarray, level: float) -> np.ndarray:
    """Return both ends of the interval of each column, (2, p), of draws, (resamples, p), without those that cannot tell."""
    ends, gaps = [(1 - level) / 2, (1 + level) / 2], np.isnan(drawn).any(0)
    found: np.ndarray = np.quantile(np.where(gaps, 0, drawn), ends, axis=0)
    found[:, gaps] = np.nanquantile(drawn[:, gaps], ends, axis=0)
    return found


def ends_of(drawn: np.ndarray, level: float) -> np.ndarray:
    """Return both ends of the interval of each row, (2, r), of draws, (r, resamples): NaN where over 5 % cannot tell."""
    told = np.isnan(drawn).mean(1) <= 0.05
    return np.where(told, _quantiles(np.where(told[:, None], drawn, 0).T, level), np.nan)


def _people_draws(people: int, resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=resamples).astype(np.float64)


def _means(draws: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return the mean of the diagonal, of the rest, and the gap, (3, resamples), of people drawn so often, (resamples, p)."""
    cells = pairs.values.astype(np.float64)
    diagonal = np.diag(cells).copy()
    np.fill_diagonal(cells, 0)
    have = np.isfinite(diagonal)
    with np.errstate(invalid="ignore", divide="ignore"):
        same = draws[:, have] @ diagonal[have] / draws[:, have].sum(1)
        different = ((draws @ cells) * draws).sum(1) / (draws.sum(1) ** 2 - (draws**2).sum(1))
    return np.stack([same, different, measures.alike(same, pairs.metric) - measures.alike(different, pairs.metric)])


def counts(people: People, model: str, *, level: float) -> Iterator[dict[str, Any]]:
    """Yield what became of the photos, as rows of findings: photos in, those compared, failures by reason, people."""
    why, n = people.why(model), len(people)
    usable = why == ""
    _, photos = np.unique(people.person[usable].astype(str), return_counts=True)
    named = people.person != ""
    told = {
        "photos": n,
        "photos_compared": usable.sum(),
        **{f"photos_{reason}": k for reason, k in sorted(Counter(why[~usable]).items())},
        "photos_with_several_faces": (people.further > 0).sum(),
        "people": len(np.unique(people.person[named].astype(str))),
        "people_compared": len(photos),
        "people_of_one_photo": (photos == 1).sum(),
    }
    count = dict.fromkeys(("low", "high", "level"), np.nan) | {"method": "count"}
    yield from (count | {"measure": name, "value": float(value), "n": n} for name, value in told.items())
    failed = int((~usable & named).sum())
    low, high = wilson_interval(failed, max(int(named.sum()), 1), level=level)
    numbers = {"value": failed / max(named.sum(), 1), "low": float(low), "high": float(high), "level": level}
    yield numbers | {"measure": "failure_to_acquire", "n": int(named.sum()), "method": "wilson"}
