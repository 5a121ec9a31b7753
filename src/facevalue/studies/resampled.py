"""Measures told by person, so that people can be drawn again; their intervals over all people and over a group of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from facevalue.stats.calibration import wilson_interval
from facevalue.stats.confusion import macro_f1

# With fewer people than this who have a hit, or a miss, a bootstrap hardly knows how the rest would vary.
FEW = 10


class Measure(Protocol):
    """What can be told of people who are drawn again."""

    @property
    def shares(self) -> np.ndarray:
        """Share of hits of each person, (p,); NaN for people of whom nothing is known."""
        ...

    def drawn(self, draws: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return the measure of each draw, (r,), of how often each person was drawn, (r, p), of those inside, (p,) bool."""
        ...

    def wilson(self, inside: np.ndarray, level: float) -> tuple[float, float]:
        """Return an interval that does not close where all people inside have a hit, or none; NaN where there is none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """The mean over people of a number of each.

    Parameters
    ----------
    table : (1, p) or (r, p) float
        The number of each person, in all draws or in each; NaN for people of whom nothing is known.
    share
        Whether the numbers are shares, in [0, 1].
    """

    table: np.ndarray
    share: bool = True

    @property
    def shares(self) -> np.ndarray:
        """The numbers of all people, each drawn once."""
        return np.asarray(self.table[0])

    def drawn(self, draws: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return the mean of each draw, (r,).

        Examples
        --------
        >>> Means(np.array([[0.0, 1.0, np.nan]])).drawn(np.array([[1, 1, 1], [3, 1, 0]]), np.ones(3, bool))
        array([0.5 , 0.25])
        """
        kept = inside & ~np.isnan(self.table[0])
        with np.errstate(invalid="ignore"):
            return np.asarray((draws[:, kept] * self.table[:, kept]).sum(1) / draws[:, kept].sum(1))

    def wilson(self, inside: np.ndarray, level: float) -> tuple[float, float]:
        """Return Wilson's interval over people."""
        own = self.shares[inside & ~np.isnan(self.shares)]
        if not self.share or not len(own):
            return math.nan, math.nan
        low, high = wilson_interval(float(np.clip(own, 0, 1).sum()), len(own), level=level)
        return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A measure of labels told and true, as F1.

    Parameters
    ----------
    counts : (p, k, k + 1) float
        Of each person, as `confusions` returns them.
    measure
        Of such counts.
    before : (p, k, k + 1) float, optional
        Counts whose own measure it is divided by.
    """

    counts: np.ndarray
    measure: Callable[[np.ndarray], np.ndarray] = macro_f1
    before: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray:
        """Share of each person's faces of which the true label is told."""
        k = self.counts.shape[1]
        hits = np.trace(self.counts[:, :, :k], axis1=1, axis2=2)
        with np.errstate(invalid="ignore"):
            return np.asarray(hits / self.counts.sum((1, 2)))

    def drawn(self, draws: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return the measure of each draw, (r,).

        Examples
        --------
        >>> counts = np.array([[[1.0, 0, 0], [0, 0, 0]], [[0, 0, 0], [1, 1, 0]]])
        >>> Labelled(counts).drawn(np.array([[1, 1], [2, 0]]), np.ones(2, bool)).round(3)
        array([0.667, 1.   ])
        """
        found, *before = (self._of(part, draws * inside) for part in (self.counts, self.before) if part is not None)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(found / before[0]) if before else found

    def _of(self, counts: np.ndarray, draws: np.ndarray) -> np.ndarray:
        p, k = counts.shape[:2]
        return self.measure((draws @ counts.reshape(p, -1)).reshape(-1, k, k + 1))

    def wilson(self, inside: np.ndarray, level: float) -> tuple[float, float]:
        """Return the means over labels of Wilson's intervals of the share told right, over the people of each label."""
        counts = self.counts[inside]
        true, k = counts.sum(2), counts.shape[1]
        has = true > 0
        hits = (counts[:, range(k), range(k)] / np.where(has, true, 1)).sum(0)
        there = has.any(0)
        if not there.any():
            return math.nan, math.nan
        ends = wilson_interval(hits[there], has.sum(0)[there], level=level)
        whole = 1.0 if self.before is None else float(self._of(self.before, np.asarray(inside, float)[None])[0])
        low, high = (float(end.mean()) / whole if whole else math.nan for end in ends)
        return low, high


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """People, and how often each is drawn.

    Parameters
    ----------
    draws : (1 + r, p) float
        Everybody once, then the draws.
    level
        Of the intervals.
    """

    draws: np.ndarray
    level: float

    @classmethod
    def of(cls, people: int, *, level: float, seed: int, resamples: int) -> Crowd:
        """Return so many people, and as many drawn with replacement in each resample."""
        drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=resamples)
        return cls(np.concatenate([np.ones((1, people)), drawn]), level)

    def row(self, measure: Measure, inside: np.ndarray | None = None) -> dict[str, Any]:
        """Return value, interval, level, n and method of a measure of the people inside, (p,) bool; None for all.

        The interval has the percentiles of the draws. Where fewer than ten people have a hit, or a miss, it is widened to hold
        Wilson's, so that it does not close where all have one or none has.

        Examples
        --------
        >>> crowd = Crowd.of(50, level=0.9, seed=0, resamples=200)
        >>> row = crowd.row(Means(np.zeros((1, 50))))
        >>> row["value"], row["low"], round(row["high"], 3), row["n"]
        (0.0, 0.0, 0.051, 50)
        """
        inside = np.ones(self.draws.shape[1], bool) if inside is None else inside
        known = measure.shares[inside & ~np.isnan(measure.shares)]
        if not len(known):
            return nothing("nobody to tell of")
        drawn = measure.drawn(self.draws, inside)
        low, high = self._percentiles(drawn[1:])
        method = "bootstrap over people"
        ends = measure.wilson(inside, self.level)
        if not math.isnan(ends[0]) and min((known > 0).sum(), (known < 1).sum()) < FEW:
            low, high, method = float(np.fmin(low, ends[0])), float(np.fmax(high, ends[1])), f"{method}, at least wilson"
        level = math.nan if math.isnan(low) else self.level
        return {"value": float(drawn[0]), "low": low, "high": high, "level": level, "n": len(known), "method": method}

    def _percentiles(self, drawn: np.ndarray) -> tuple[float, float]:
        """Return both ends; NaN where more than 5 % of the draws cannot tell."""
        told = np.isfinite(drawn)
        if told.mean() < 0.95:
            return math.nan, math.nan
        low, high = np.quantile(drawn[told], [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


def nothing(method: str) -> dict[str, Any]:
    """Return the cells of a row that has no value, and says why."""
    return dict.fromkeys(("value", "low", "high", "level"), math.nan) | {"n": 0, "method": method}


def count(value: float, n: int) -> dict[str, Any]:
    """Return the cells of a row that counts."""
    return {"value": float(value), "low": math.nan, "high": math.nan, "level": math.nan, "n": n, "method": "count"}
