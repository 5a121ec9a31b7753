"""Intervals of a similarity: where the score of the same two people could have come out on other photos.

They are calibrated on replicates: pairs of pairs of photos of the same two people. Adding the caps of two embeddings by the
triangle inequality instead gives an interval so wide that it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.confidence.angles import between
from facevalue.confidence.scale import significant
from facevalue.data.errors import NotCalibrated, UnknownName, WrongShape
from facevalue.stats.conformal import conformal_quantile, scores_needed

RANGES = {"cosine": (-1.0, 1.0), "euclidean": (0.0, np.inf), "euclidean_l2": (0.0, 2.0), "angular": (0.0, 1.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Pairs of photos, and for each another pair of photos of the same two people.

    Parameters
    ----------
    rows : (m, 2, 2) int
        Row numbers of photos: of the first pair, then of its replicate.
    same : (m,) bool
        Whether it is one person.
    left_out
        People with too few photos to be in a pair of one person (4), and in a pair of two (2, or an odd one left over).
    """

    rows: np.ndarray
    same: np.ndarray
    left_out: tuple[int, int]

    @property
    def cells(self) -> np.ndarray:
        """Return "same" or "different" for each, (m,)."""
        return np.asarray(np.where(self.same, "same", "different"))

    def cosines(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the cosine of the pair and of its replicate, (m, 2), of embeddings (n, d)."""
        a, b = embeddings[self.rows[..., 0].ravel()], embeddings[self.rows[..., 1].ravel()]
        return np.asarray(np.cos(np.radians(between(a, b))).reshape(-1, 2))


def match_people(people: np.ndarray, *, seed: int) -> Replicates:
    """Return replicates for calibration, none of which shares a person with another of its kind.

    Pairs of one person: four different photos of each person with four or more. Pairs of two people: a random perfect matching
    of the people with two photos or more, and two different photos of each.

    Parameters
    ----------
    people : (n,)
        Who is on each photo; give only photos that were measured.
    seed
        Of the choice of photos and partners.

    References
    ----------
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005, section 4.5: cells need exchangeable scores, and
    pairs that share a person are not.

    Examples
    --------
    >>> found = match_people(np.array(["a", "a", "b", "b", "b", "b", "c"]), seed=0)
    >>> found.cells.tolist(), found.left_out
    (['same', 'different'], (2, 1))
    """
    draw = np.random.default_rng(seed)
    _, ids, counts = np.unique(people, return_inverse=True, return_counts=True)
    starts = np.cumsum(counts) - counts

    def photos(who: np.ndarray, number: int) -> np.ndarray:
        shuffled = draw.permutation(len(ids))
        by_person = shuffled[np.argsort(ids[shuffled], kind="stable")]
        return np.asarray(by_person[starts[who][:, None] + np.arange(number)])

    one = np.flatnonzero(counts >= 4)
    two = draw.permutation(np.flatnonzero(counts >= 2))
    a, b = two[: len(two) // 2], two[len(two) // 2 :][: len(two) // 2]
    rows = np.concatenate([photos(one, 4).reshape(-1, 2, 2), np.stack([photos(a, 2), photos(b, 2)], axis=2)])
    return Replicates(rows, np.arange(len(rows)) < len(one), (len(counts) - len(one), len(counts) - 2 * len(a)))


@dataclass(frozen=True, slots=True, eq=False)
class PairInterval:
    """Where the scores of n pairs could have come out.

    Parameters
    ----------
    low, high : (n,) float
        On the scale of the scores; NaN where the score or a scale is.
    cell : (n,) str
        The cell that judged it: the one asked for, or the parent it fell back to.
    replicates : (n,) int
        Calibration replicates of that cell.
    level
        Nominal coverage.
    """

    low: np.ndarray
    high: np.ndarray
    cell: np.ndarray
    replicates: np.ndarray
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class PairBand:
    """An interval about a score that holds the score of the same two people on other photos.

    `g(score) -+ q sqrt(scale_a^2 + scale_b^2)`, q the conformal quantile, in the pair's cell, of
    `R = |g(s_1) - g(s_2)| / sqrt(scale_a1^2 + scale_b1^2)` over replicates. g is the angle in degrees of a cosine.

    Parameters
    ----------
    metric
        "cosine", "euclidean", "euclidean_l2" or "angular".
    cells
        Names of the c cells: words joined by "/", from the general to the special, as in "different/women/blurred".
    scores
        Of each cell, the sorted R of its replicates.

    References
    ----------
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005, section 4.5 (Mondrian cells); Lei, G'Sell, Rinaldo,
    Tibshirani, Wasserman, JASA 113, 2018, section 5.2 (the scale).

    Examples
    --------
    >>> scores = np.cos(np.radians([[40.0, 40.0 + e] for e in range(1, 20)]))
    >>> band = PairBand().calibrate(scores, np.ones((19, 2)), np.full(19, "same"))
    >>> found = band.interval(np.array([0.5]), np.array([1.0]), np.array([1.0]), cell="same/women", level=0.9)
    >>> found.low.round(3), found.high.round(3), found.cell, found.replicates  # cosines of 60 + 18 and of 60 - 18 degrees
    (array([0.208]), array([0.743]), array(['same'], dtype='<U4'), array([19]))
    """

    metric: str = "cosine"
    cells: tuple[str, ...] = ()
    scores: tuple[np.ndarray, ...] = ()

    def __post_init__(self) -> None:
        if self.metric not in RANGES:
            raise UnknownName(self.metric, RANGES, what="metric")

    def calibrate(self, scores: np.ndarray, sigma: np.ndarray, cells: np.ndarray) -> PairBand:
        """Return the band with what m replicates teach; no two of a cell may share a person, see `match_people`.

        Parameters
        ----------
        scores : (m, 2) float
            Of each pair and of its replicate, on the metric's scale.
        sigma : (m, 2) float above 0
            Scale of each of the two faces of the first pair, as from a `Scale` that was fitted to other people.
        cells : (m,) str
            The most special cell of each.

        Raises
        ------
        WrongShape, ValueError
            When the arrays do not fit each other, or hold NaN, a scale of 0 or a score that the metric cannot have.
        """
        scores, sigma, cells = np.asarray(scores, np.float64), np.asarray(sigma, np.float64), np.asarray(cells, str)
        if scores.shape != (len(cells), 2) or sigma.shape != scores.shape or cells.ndim != 1:
            got = f"{scores.shape}, {sigma.shape} and {cells.shape}"
            raise WrongShape(f"expected scores (m, 2), sigma (m, 2) and cells (m,), got {got}")
        if np.isnan(scores).any() or not (sigma > 0).all():
            flaw = f"{np.isnan(scores).any(1).sum()} with NaN scores and {(~(sigma > 0)).any(1).sum()} with a scale that is not"
            raise ValueError(f"expected replicates with scores and scales above 0, got {flaw}: leave out faces not measured")
        drift = abs(np.diff(self._stretched(scores), axis=1)[:, 0]) / np.hypot(*sigma.T)
        names = tuple(np.unique(cells).tolist())
        return replace(self, cells=names, scores=tuple(significant(np.sort(drift[cells == name])) for name in names))

    def interval(
        self, scores: np.ndarray, sigma_a: np.ndarray, sigma_b: np.ndarray, *, cell: str | np.ndarray, level: float
    ) -> PairInterval:
        """Return the interval of each of n scores; a cell with too few replicates falls back to its parent, and says so.

        Whether it is one person is rarely known: then take the lower low and the higher high of "same" and "different", which
        holds whichever is true.

        Parameters
        ----------
        scores : (n,) float
            NaN gives NaN.
        sigma_a, sigma_b : (n,) float above 0
            Scales of the two faces of each.
        cell
            The cell of all, or of each, (n,).
        level
            In (0, 1): the least coverage of the pairs of the cell that judges.

        Raises
        ------
        NotCalibrated
            When nothing was calibrated, or neither the cell nor a parent has replicates enough.
        ValueError
            When a scale is 0 or below, or a score is one that the metric cannot have.
        """
        scores = np.asarray(scores, np.float64)
        if (np.asarray(sigma_a) <= 0).any() or (np.asarray(sigma_b) <= 0).any():
            raise ValueError(f"expected scales above 0, got {np.sum(np.less_equal([sigma_a, sigma_b], 0))} that are not")
        names, at = np.unique(np.broadcast_to(np.asarray(cell, str), scores.shape), return_inverse=True)
        found = [self._calibrated(name, level) for name in names.tolist()]
        q = np.array([conformal_quantile(part, level) for _, part in found])[at]
        used, n = np.array([name for name, _ in found], str)[at], np.array([len(part) for _, part in found], int)[at]
        centre, half = self._stretched(scores), q * np.hypot(sigma_a, sigma_b)
        low, high = self._shrunk(centre - half, centre + half)
        return PairInterval(low, high, used, n, level)

    def to_dict(self) -> dict[str, Any]:
        """Return the same in lists, words and numbers, fit for JSON; nothing is lost."""
        return {"metric": self.metric, "cells": list(self.cells), "scores": [part.tolist() for part in self.scores]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> PairBand:
        """Return the band that `to_dict` wrote."""
        return cls(plain["metric"], tuple(plain["cells"]), tuple(np.array(part) for part in plain["scores"]))

    def _calibrated(self, cell: str, level: float) -> tuple[str, np.ndarray]:
        """Return the nearest cell, from the one asked for to its parents, with replicates enough, and their scores."""
        if not self.cells:
            raise NotCalibrated("expected a calibrated band, got an empty one: call calibrate(...) first")
        words, needed, had = cell.split("/"), scores_needed(level), []
        for depth in range(len(words), 0, -1):
            name = "/".join(words[:depth])
            parts = [part for own, part in zip(self.cells, self.scores, strict=True) if f"{own}/".startswith(f"{name}/")]
            if sum(map(len, parts)) >= needed:
                return name, np.concatenate(parts)
            had.append(f"{sum(map(len, parts))} of {name}")
        few = f"level {level} needs {needed} replicates of a cell, there are {', '.join(had)}"
        raise NotCalibrated(f"{few}: give more people, a lower level, or one of the cells {', '.join(self.cells)}")

    def _stretched(self, scores: np.ndarray) -> np.ndarray:
        """Return g of the scores."""
        least, most = RANGES[self.metric]
        if (scores < least - 1e-6).any() or (scores > most + 1e-6).any():
            got = f"{np.nanmin(scores)} to {np.nanmax(scores)}"
            raise ValueError(f"expected {self.metric} scores from {least:g} to {most:g}, got {got}: name their metric")
        return np.degrees(np.arccos(np.clip(scores, -1, 1))) if self.metric == "cosine" else scores

    def _shrunk(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high on the scale of the scores, from those of g, within what the metric can be."""
        if self.metric == "cosine":
            ends = np.cos(np.radians(np.clip([high, low], 0, 180)))
            return ends[0], ends[1]
        return np.clip(low, *RANGES[self.metric]), np.clip(high, *RANGES[self.metric])
