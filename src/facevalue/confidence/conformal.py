"""What calibration faces teach of a head: thresholds of its sets, scores of its interval, bands of its probabilities.

Numbers only: every scale is kept, so that sets, intervals and bands of any level can be made later.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.errors import NotCalibrated
from facevalue.stats.calibration import Reliability, reliability, to_shares
from facevalue.stats.conformal import adaptive_scores, conformal_quantile, prediction_sets, scores_needed

DIGITS = 5


@dataclass(frozen=True, slots=True)
class Within:
    """Cells of faces by the most probable label of another head of the same instrument.

    Parameters
    ----------
    column
        `<instrument>.<head>`.
    cells
        For each of its labels the number of the cell, from 0.

    Examples
    --------
    >>> Within("x.age_group", (0, 0, 1)).of(np.array([[0.2, 0.7, 0.1], [0.2, 0.2, 0.6]]))
    array([0, 1])
    """

    column: str
    cells: tuple[int, ...]

    def of(self, p: np.ndarray) -> np.ndarray:
        """Return the cell, (n,) int, of faces with the head's probabilities (n, labels)."""
        return np.asarray(np.array(self.cells)[p.argmax(1)])


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """What calibration faces taught of a head that gives probabilities of k labels.

    Parameters
    ----------
    labels
        The k names.
    within
        The cells, None where all faces are in one.
    category : (cells, k) int
        The category of each cell and label.
    scores
        Of each category, the sorted adaptive scores of its calibration faces' true labels.
    reliability
        Of each label, how often its probability came true.
    """

    labels: tuple[str, ...]
    within: Within | None
    category: np.ndarray
    scores: tuple[np.ndarray, ...]
    reliability: tuple[Reliability, ...]

    def sets(self, p: np.ndarray, *, level: float, beside: np.ndarray | None = None, top: bool = True) -> np.ndarray:
        """Return which labels are in each face's set: those whose score is at most the quantile of their category.

        Parameters
        ----------
        p : (n, k) float
            Probabilities.
        level
            In (0, 1): the least coverage of the faces of each category.
        beside : (n, labels) float
            Probabilities of the head `within.column`, where there is one.
        top
            Whether the most probable label is always in, so that no set is empty; coverage can only grow.

        Returns
        -------
        (n, k) bool

        Raises
        ------
        NotCalibrated
            When a category has too few calibration faces for the level.
        """
        thresholds = _thresholds(self, level)[_cells(self.within, p, beside)]
        return prediction_sets(_scores(p), thresholds, top=top)

    def bands(self, p: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high, (n, k), of probabilities (n, k): see `Reliability.band`."""
        bands = [part.band(p[:, j], level=level) for j, part in enumerate(self.reliability)]
        return np.stack([low for low, _ in bands], axis=1), np.stack([high for _, high in bands], axis=1)

    def name(self, category: int) -> str:
        """Return the labels of a category, and its cell, in words."""
        cells, labels = np.nonzero(self.category == category)
        names = " or ".join(self.labels[j] for j in labels)
        return names if self.within is None else f"{names} in cell {cells[0]} of {self.within.column}"


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """What calibration faces taught of a number whose scale, such as a predicted deviation, is another number.

    The score of a value y is `|y - yhat| / max(scale, floor)`.

    Parameters
    ----------
    edges : (b - 1,) float
        Rising; the first bin of true values ends below the first edge, the others begin at one.
    grid
        The least and the largest whole number that the truth can be.
    floor
        Of the scale, above 0, in the number's unit.
    scores
        Of each of the b bins, the sorted scores of its calibration faces' true values.
    """

    edges: np.ndarray
    grid: tuple[int, int]
    floor: float
    scores: tuple[np.ndarray, ...]

    def band(self, values: np.ndarray, scale: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high, (n,): the hull of the value and of each y of the grid with a score that its bin allows.

        Parameters
        ----------
        values, scale : (n,) float
            NaN in either gives NaN.
        level
            In (0, 1): the least coverage of the faces of each bin of the true value.

        Raises
        ------
        NotCalibrated
            When a bin has too few calibration faces for the level.
        """
        limits = _limits(self, level)
        grid = np.arange(self.grid[0], self.grid[1] + 1.0)
        allowed = _distances(values[:, None], scale[:, None], grid, self.floor) <= limits[_bins(self.edges, grid)]
        hull = np.where(allowed, grid, values[:, None])
        hull[np.isnan(scale)] = np.nan
        return np.minimum(hull.min(1), values), np.maximum(hull.max(1), values)

    def name(self, b: int) -> str:
        """Return a bin of true values in words."""
        ends = np.concatenate([[self.grid[0]], self.edges, [self.grid[1] + 1]])
        return f"true values from {ends[b]:g} to below {ends[b + 1]:g}"


@functools.lru_cache(maxsize=64)
def _thresholds(distribution: Distribution, level: float) -> np.ndarray:
    """Return the threshold of each cell and label, (cells, k)."""
    scores = enumerate(distribution.scores)
    found = [_quantile(part, level, what=distribution.name(at)) for at, part in scores]
    return np.asarray(np.array(found)[distribution.category])


@functools.lru_cache(maxsize=64)
def _limits(interval: Interval, level: float) -> np.ndarray:
    """Return the largest score of each bin, (b,)."""
    return np.array([_quantile(scores, level, what=interval.name(b)) for b, scores in enumerate(interval.scores)])


def fit_distribution(
    p: np.ndarray,
    truth: np.ndarray,
    *,
    labels: Sequence[str],
    within: Within | None = None,
    beside: np.ndarray | None = None,
    least: int = 50,
) -> Distribution:
    """Return what calibration faces teach of a head with k labels.

    A category is a cell and a label: sets are class-conditional within each cell. In a cell, the labels of fewer than
    `least` faces share one category.

    Parameters
    ----------
    p : (n, k) float
        Calibrated probabilities, of faces that were not trained on.
    truth : (n,) int, or (n, k) shares of votes
        Sets are made to hold the label, or the one with most votes; bands to hold its share of faces, or of votes.
    labels
        The k names.
    within, beside
        The cells, and the probabilities (n, labels) of their head.
    least
        Faces of a category of its own.

    References
    ----------
    Vovk, Conditional validity of inductive conformal predictors, ACML 2012 (categories of label and object);
    Romano, Sesia, Candes, Classification with Valid and Adaptive Coverage, NeurIPS 2020 (the score).
    """
    p, shares, cell = np.asarray(p, np.float32), to_shares(truth, len(labels)), _cells(within, p, beside)
    label = shares.argmax(1)
    counts = np.zeros((1 if within is None else max(within.cells) + 1, len(labels)), int)
    np.add.at(counts, (cell, label), 1)
    category = _categories(counts < least)
    scores = _scores(p)[np.arange(len(p)), label]
    parts = tuple(np.sort(scores[category[cell, label] == at]) for at in range(category.max() + 1))
    kept = tuple(reliability(p[:, j], shares[:, j]) for j in range(len(labels)))
    return Distribution(tuple(labels), within, category, parts, kept)


def fit_interval(
    values: np.ndarray, scale: np.ndarray, truth: np.ndarray, *, edges: Sequence[float], grid: tuple[int, int], floor: float
) -> Interval:
    """Return what calibration faces teach of a number.

    Parameters
    ----------
    values, scale : (n,) float
        The instrument's number and its scale, of faces that were not trained on.
    truth : (n,) whole numbers
        Within the grid.
    edges, grid, floor
        See `Interval`.

    Raises
    ------
    ValueError
        When a true value is not a whole number of the grid.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-Free Predictive Inference for Regression, JASA 113, 2018,
    section 5.2 (the scaled score), here with a quantile for each bin of the true value.
    """
    if (truth != np.round(truth)).any() or (truth < grid[0]).any() or (truth > grid[1]).any():
        raise ValueError(f"expected whole true values from {grid[0]} to {grid[1]}, got {truth.min()} to {truth.max()}")
    cuts = np.asarray(edges, np.float64)
    scores, at = _distances(values, scale, truth, floor), _bins(cuts, truth)
    return Interval(cuts, grid, floor, tuple(np.sort(scores[at == b]) for b in range(len(cuts) + 1)))


def _categories(rare: np.ndarray) -> np.ndarray:
    """Return numbers from 0 for (cells, k) pairs of cell and label: one for all rare labels of a cell, else one each.

    Examples
    --------
    >>> _categories(np.array([[False, True, True], [False, False, False]]))
    array([[0, 1, 1],
           [2, 3, 4]])
    """
    each = np.arange(rare.size).reshape(rare.shape)
    first_rare = each[:, :1] + rare.argmax(1, keepdims=True)
    return np.unique(np.where(rare, first_rare, each), return_inverse=True)[1].reshape(rare.shape)


def _quantile(scores: np.ndarray, level: float, *, what: str) -> float:
    needed = scores_needed(level)
    if len(scores) < needed:
        have = f"needs {needed} calibration faces of {what}, there are {len(scores)}"
        most = math.floor(1000 * len(scores) / (len(scores) + 1)) / 1000
        raise NotCalibrated(f"level {level} {have}: ask for {most:g} at most")
    return conformal_quantile(scores, level)


def _scores(p: np.ndarray) -> np.ndarray:
    """Return adaptive scores with the digits that are kept, of probabilities as a column holds them."""
    return np.asarray(adaptive_scores(np.asarray(p, np.float32)).round(DIGITS))


def _distances(values: np.ndarray, scale: np.ndarray, truth: np.ndarray, floor: float) -> np.ndarray:
    """Return the scores of an interval, of numbers as a column holds them."""
    values, scale = (np.asarray(part, np.float32).astype(np.float64) for part in (values, scale))
    return np.asarray((abs(truth - values) / np.maximum(scale, floor)).round(DIGITS))


def _bins(edges: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.searchsorted(edges, truth, side="right")


def _cells(within: Within | None, p: np.ndarray, beside: np.ndarray | None) -> np.ndarray:
    if within is None:
        return np.zeros(len(p), int)
    if beside is None or beside.shape != (len(p), len(within.cells)):
        got = None if beside is None else beside.shape
        raise ValueError(f"expected beside, {(len(p), len(within.cells))} probabilities of {within.column}, got {got}")
    return within.of(beside)
