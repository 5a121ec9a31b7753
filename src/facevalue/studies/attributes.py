"""Attributes told by numbers: of faces, as they are perceived, by the dimensions; of annotators by their masks.

Whatever is fitted is judged on folds that took no part: the rows of each fold are told by what the other folds teach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.association import areas_under_curve, fold_area, mean_fold_areas, rank_correlations
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.ridge import held_out, ridge, stratified_folds
from facevalue.stats.roc import sort_pairs
from facevalue.studies.dimensions import STUDY, dimension_names, tabled

FOLDS, PERMUTATIONS = 10, 500
UNKNOWN = ("", "nan", "None")


def attribute_model(
    dimensions: np.ndarray, values: np.ndarray, *, name: str, level: float, seed: int, folds: int = FOLDS
) -> Findings:
    """Return how well dimensions tell a continuous attribute, and each one's part in it.

    "r2 <name>" is `1 - sum (y - p)^2 / sum (y - mean)^2` and "spearman <name>" the rank correlation, p predictions of a ridge
    regression that was fitted on the other folds; their intervals are over faces. "coefficient <name>" is the change of the
    attribute, in its standard deviations, with one standard deviation of a dimension, the others held; it is shrunk, and its
    interval is that of the shrunk coefficient. Faces without a value are left out, and counted by "missing <name>".

    Parameters
    ----------
    dimensions : (n, d) float
    values : (n,) float
        NaN where unknown.
    name
        Of the attribute.
    level
        Of the intervals, in (0, 1).
    seed
        Of the folds.
    folds
        How many.

    Raises
    ------
    SchemaError
        Fewer known values than twice the folds, or all of them equal.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> found = attribute_model(x, x @ [3.0, 4], name="age", level=0.9, seed=0)
    >>> [(row["measure"], row["group"], round(row["value"], 2)) for row in found.to_rows()][:2]
    [('r2 age', 'all', 1.0), ('spearman age', 'all', 1.0)]
    """
    check_level(level)
    x, y, known = _with_value(dimensions, np.asarray(values, np.float64), name)
    if len(y) < 2 * folds or not np.ptp(y):
        raise SchemaError(f"{name}: expected {2 * folds} faces or more with different values, got {len(y)}; use fewer folds")
    parts = _deciles(y, folds, seed)
    told = held_out(x, y[:, None], parts)
    cells: dict[str, Any] = {"level": level, "n": len(y), "run": f"seed {seed}"}
    method = f"influence, {folds} folds"
    ends = _explained(y, told[:, 0], level)
    found = [tabled(STUDY, measure=f"r2 {name}", group="all", method=method, **ends, **cells)]
    rank = rank_correlations(told, y[:, None], level=level)
    ends = {"value": rank.value[0], "low": rank.low[0], "high": rank.high[0]}
    found.append(tabled(STUDY, measure=f"spearman {name}", group="all", method=method, **ends, **cells))
    found.append(_coefficients(x, y, name, cells))
    gone = {"value": (~known).sum(), "n": len(known), "method": "count", "run": cells["run"]}
    return concatenate([*found, tabled(STUDY, measure=f"missing {name}", group="all", **gone)])


def _with_value(dimensions: np.ndarray, values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the faces with a value, their values, and which they are."""
    x = np.asarray(dimensions, np.float64)
    if x.ndim != 2 or values.shape != x.shape[:1]:
        raise WrongShape(f"{name}: expected a value a face; got {values.shape} for dimensions {x.shape}")
    if gone := int(np.isnan(x).any(1).sum()):
        raise SchemaError(f"{gone} of {len(x)} faces have no place along the dimensions (NaN): leave them out")
    known = np.isfinite(values) if values.dtype.kind == "f" else ~np.isin(values.astype(str), UNKNOWN)
    return x[known], values[known], known


def _deciles(y: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return folds over which the ranks of y are spread evenly."""
    strata = np.empty(len(y), np.int64)
    strata[np.argsort(y, kind="stable")] = np.arange(len(y)) // folds
    return stratified_folds(strata, folds=folds, seed=seed)


def _explained(y: np.ndarray, told: np.ndarray, level: float) -> dict[str, float]:
    """Return R2 and its interval, which is even on the scale of log(1 - R2)."""
    errors, spread = (y - told) ** 2, (y - y.mean()) ** 2
    left = float(errors.mean() / spread.mean())
    deviation = float(np.std(errors - left * spread, ddof=1) / spread.mean() / np.sqrt(len(y)))
    room = np.exp(NormalDist().inv_cdf((1 + level) / 2) * deviation / left) if left > 0 else 1.0
    return {"value": 1 - left, "low": float(1 - left * room), "high": float(1 - left / room)}


def _coefficients(x: np.ndarray, y: np.ndarray, name: str, cells: Mapping[str, Any]) -> Findings:
    line = ridge(x, y[:, None])
    scale = x.std(0) / y.std()
    value, wide = line.weights[:, 0] * scale, line.deviation[:, 0] * scale * NormalDist().inv_cdf((1 + cells["level"]) / 2)
    known = {"group": dimension_names(x.shape[1]), "method": f"ridge {line.penalty[0]:.2g}, HC3"}
    return tabled(STUDY, measure=f"coefficient {name}", value=value, low=value - wide, high=value + wide, **known, **cells)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A label told by one dimension: a face has it where the dimension is at or above, or below, the threshold.

    Parameters
    ----------
    dimension
        Which one.
    threshold
        On the scale of the dimension.
    above
        Whether faces at or above the threshold have the label.
    """

    dimension: int
    threshold: float
    above: bool

    def __call__(self, dimensions: np.ndarray) -> np.ndarray:
        """Return which faces have the label, (n,) bool, from (n, d)."""
        return np.asarray((np.asarray(dimensions)[:, self.dimension] >= self.threshold) == self.above)


def classification(
    dimensions: np.ndarray, labels: np.ndarray, *, name: str, level: float, seed: int, folds: int = FOLDS
) -> tuple[Classifier, Findings]:
    """Return the one dimension that tells a perceived label best, with its threshold, and how well one dimension tells it.

    Of each dimension "auroc <name>", and "adjusted_p <name>" over all of them. Of the best, which is chosen and given the
    threshold of the highest balanced accuracy on the other folds anew, "auroc <name>" and "balanced_accuracy <name>" of the
    group "best": the best of many looks better on the faces it was chosen by than on others. "threshold <name>" is that of
    the classifier, which all faces chose.

    Parameters
    ----------
    dimensions : (n, d) float
    labels : (n,) bool
        Whether a face is perceived to have it; or numbers 0 and 1, NaN where unknown.
    name
        Of the label.
    level
        Of the intervals, in (0, 1).
    seed
        Of the folds.
    folds
        How many, or as many as the rarer kind has faces.

    Raises
    ------
    SchemaError
        Other labels, or fewer than four faces of a kind.

    Examples
    --------
    >>> x = np.array([[0.0, 5], [0.2, 4], [0.1, 6], [0.3, 5], [0.9, 4], [0.8, 5], [0.7, 6], [0.9, 5]])
    >>> best, found = classification(x, np.arange(8) > 3, name="smiling", level=0.9, seed=0)
    >>> best
    Classifier(dimension=0, threshold=0.5, above=True)
    >>> found[found.group == "best"].value
    array([1., 1.])
    """
    check_level(level)
    x, y, known = _with_value(dimensions, np.asarray(labels, np.float64), name)
    if not np.isin(y, (0, 1)).all() or min(y.sum(), len(y) - y.sum()) < 4:
        raise SchemaError(f"{name}: expected 0 and 1, four faces or more of each; got {int(y.sum())} of 1 among {len(y)}")
    has = y == 1
    area = areas_under_curve(x, has, level=level)
    best = _best(x, has)
    cells: dict[str, Any] = {"n": len(y), "run": f"seed {seed}"}
    each = {"group": dimension_names(x.shape[1])} | cells
    ends = {"value": area.value, "low": area.low, "high": area.high, "level": level}
    rows = [tabled(STUDY, measure=f"auroc {name}", method="delong", **ends, **each)]
    rows.append(tabled(STUDY, measure=f"adjusted_p {name}", value=adjusted_p_values(area.p), method="BH", **each))
    rows += _on_other_folds(x, has, name, {"level": level} | cells, min(folds, int(min(has.sum(), (~has).sum()))), seed)
    chosen = {"group": f"dimension {best.dimension}", "value": best.threshold, "method": "above" if best.above else "below"}
    rows.append(tabled(STUDY, measure=f"threshold {name}", **chosen, **cells))
    gone = {"value": (~known).sum(), "n": len(known), "method": "count", "run": cells["run"]}
    return best, concatenate([*rows, tabled(STUDY, measure=f"missing {name}", group="all", **gone)])


def _best(x: np.ndarray, has: np.ndarray) -> Classifier:
    area = areas_under_curve(x, has, level=0.5).value
    j = int(np.argmax(np.abs(area - 0.5)))
    sign = 1 if area[j] >= 0.5 else -1
    cut = sort_pairs(sign * x[:, j], has).balanced_threshold()
    return Classifier(j, sign * cut if sign > 0 else float(np.nextafter(-cut, np.inf)), sign > 0)


def _on_other_folds(
    x: np.ndarray, has: np.ndarray, name: str, cells: Mapping[str, Any], folds: int, seed: int
) -> list[Findings]:
    """Return AUROC and balanced accuracy of the dimension and threshold that the other folds choose."""
    at, scores, told = stratified_folds(has, folds=folds, seed=seed), np.empty(len(x)), np.empty(len(x), bool)
    for fold in range(folds):
        inside = at == fold
        best = _best(x[~inside], has[~inside])
        scores[inside] = x[inside, best.dimension] * (1 if best.above else -1)
        told[inside] = best(x[inside])
    area = fold_area(scores, has, at, level=cells["level"])
    ends = {"value": area.value, "low": area.low, "high": area.high}
    rows = [tabled(STUDY, measure=f"auroc {name}", group="best", method=f"influence, {folds} folds", **ends, **cells)]
    known = _balanced(told, has, cells["level"])
    return [*rows, tabled(STUDY, measure=f"balanced_accuracy {name}", group="best", method="wilson", **known, **cells)]


def _balanced(told: np.ndarray, has: np.ndarray, level: float) -> dict[str, float]:
    """Return the mean of both kinds' accuracies and its interval: Wilson's of each, joined as Newcombe joins them."""
    hits, n = np.array([told[has].sum(), (~told)[~has].sum()]), np.array([has.sum(), (~has).sum()])
    share, (low, high) = hits / n, wilson_interval(hits, n, level=level)
    value = float(share.mean())
    down, up = np.sqrt(((share - low) ** 2).sum()) / 2, np.sqrt(((high - share) ** 2).sum()) / 2
    return {"value": value, "low": float(value - down), "high": float(value + up)}


def group_auroc(
    masks: np.ndarray, groups: np.ndarray, *, level: float, seed: int, folds: int = FOLDS, name: str = "group"
) -> Findings:
    """Return how well annotators' groups can be told from their masks: "auroc <name>" of each group against the rest.

    A ridge regression on the masks, fitted on the other folds, gives each annotator a score; the area under the curve is the
    mean of the folds' own. Two groups make one row, of the first against the second; 0.5 is chance. A group with fewer
    members than folds has NaN. p, "adjusted_p <name>" over all groups, counts the permutations of groups within folds that
    are told as well. The folds learn from each other's annotators, which the variance by influence leaves out: it is taken to
    be at least `4 A (1 - A)` times that of the permutations. It says nothing where masks were made by group.

    Parameters
    ----------
    masks : (a, d) float
    groups : (a,)
        The group of each annotator; "" or NaN where unknown: left out, and counted by "missing <name>".
    level
        Of the intervals, in (0, 1).
    seed
        Of the folds.
    folds
        How many.
    name
        Of the grouping, as "gender".

    Raises
    ------
    SchemaError
        Fewer than two groups.

    References
    ----------
    Andrews, Joniak, Xiang, A View From Somewhere, arXiv 2303.17176, told groups by linear support vector machines in 10
    folds; the share of permutations: Phipson, Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010.

    Examples
    --------
    >>> masks = np.repeat([[1.0, 0.5], [0.5, 1.0]], 20, axis=0) + 0.01 * np.arange(40)[:, None]
    >>> found = group_auroc(masks, np.repeat(["India", "USA"], 20), level=0.9, seed=0)
    >>> [(row["group"], row["value"]) for row in found.to_rows()][0]
    ('India / USA', 1.0)
    """
    check_level(level)
    x, who, known = _with_value(masks, np.asarray(groups, object), name)
    labels = sorted(set(who.astype(str)))
    if len(labels) < 2:
        raise SchemaError(f"{name}: expected annotators of two groups or more, got {', '.join(labels) or 'none'}")
    tested = labels[:1] if len(labels) == 2 else labels
    found = np.array([_told(x, who.astype(str) == label, level=level, seed=seed, folds=folds) for label in tested])
    title = [f"{label} / {labels[1] if len(labels) == 2 else 'rest'}" for label in tested]
    cells: dict[str, Any] = {"group": np.array(title, object), "n": len(x), "run": f"seed {seed}"}
    ends = {"value": found[:, 0], "low": found[:, 1], "high": found[:, 2], "level": level}
    rows = [tabled(STUDY, measure=f"auroc {name}", method=f"influence, {folds} folds", **ends, **cells)]
    rows.append(tabled(STUDY, measure=f"adjusted_p {name}", value=adjusted_p_values(found[:, 3]), method="BH", **cells))
    gone = {"group": "all", "value": (~known).sum(), "n": len(known), "method": "count"}
    return concatenate([*rows, tabled(STUDY, measure=f"missing {name}", **gone)])


def _told(x: np.ndarray, member: np.ndarray, *, level: float, seed: int, folds: int) -> tuple[float, float, float, float]:
    """Return the area under the curve of a group against the rest, its interval and p."""
    if min(member.sum(), (~member).sum()) < folds:
        return (np.nan,) * 4
    at, draw = stratified_folds(member, folds=folds, seed=seed), np.random.default_rng(seed)
    order = np.argsort(at, kind="stable")
    permuted = np.tile(member[:, None], PERMUTATIONS)
    for rows in np.split(order, np.cumsum(np.bincount(at))[:-1]):
        permuted[rows] = draw.permuted(permuted[rows], axis=0)
    told = held_out(x, np.column_stack([member, permuted]).astype(np.float64), at)
    by_chance = mean_fold_areas(told[:, 1:], permuted, at)
    found = fold_area(told[:, 0], member, at, level=level, least_deviation=float(by_chance.std()))
    p = (1 + (by_chance >= found.value[0] - 1e-12).sum()) / (1 + PERMUTATIONS)
    return float(found.value[0]), float(found.low[0]), float(found.high[0]), float(p)
