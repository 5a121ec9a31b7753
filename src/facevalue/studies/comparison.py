"""Comparison: how two sets of faces differ along dimensions, without labels."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.association import areas_under_curve, fold_area
from facevalue.stats.calibration import check_level
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.ridge import held_out, stratified_folds
from facevalue.stats.separation import bootstrapped, permuted, separation, separation_interval
from facevalue.studies.dimensions import dimension_names, tabled

STUDY = "comparison"
RESAMPLES, FOLDS = 1000, 10
LEAST = 4


def comparison(a: np.ndarray, b: np.ndarray, *, level: float, seed: int, resamples: int = RESAMPLES) -> Findings:
    """Return how two sets of faces differ along each dimension, and on the whole.

    Of each dimension: "disparity", the area between both distributions, `2 int |F_a - F_b| dH`, 0 where they are equal and 1
    where they do not overlap (of a property that a face has or has not: the difference of shares); "difference",
    `(mean_a - mean_b) / sqrt((var_a + var_b) / 2)`; "auroc", the probability that a face of a lies higher; "adjusted_p" of
    equal ranks, over all dimensions. Of the group "all": the mean disparity, "chance" (what it is between sets drawn at random
    out of both), "p" by these permutations, and "auroc", how well all dimensions together tell the sets of faces that the
    ridge regression was not fitted to. Faces are taken to be independent: photos of one person are not.

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
    level
        Of the intervals, in (0, 1).
    seed
        Of the resamples and the folds.
    resamples
        Of the bootstrap and the permutations.

    Raises
    ------
    SchemaError
        Fewer than four faces in a set, NaN, or other dimensions.

    References
    ----------
    The difference: Cohen, Statistical Power Analysis, 1988; its error: Bonett, Psychological Methods 13, 2008, eq. 10; p of
    permutations: Phipson, Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010.

    Examples
    --------
    >>> a, b = np.arange(8.0)[:, None], np.arange(4.0, 12)[:, None]
    >>> found = comparison(a, b, level=0.9, seed=0, resamples=50)
    >>> [(row["measure"], row["group"], round(row["value"], 2)) for row in found.to_rows()][:3]
    [('disparity', 'dimension 0', 0.75), ('difference', 'dimension 0', -1.63), ('auroc', 'dimension 0', 0.12)]
    """
    check_level(level)
    a, b = sets(a, b)
    names, value = dimension_names(a.shape[1]), separation(a, b)
    draws = bootstrapped(a, b, seed=seed, resamples=resamples)
    low, high = separation_interval(value, draws, level=level)
    cells: dict[str, Any] = {"group": names, "level": level, "n": len(a) + len(b), "run": f"seed {seed}"}
    rows = [tabled(STUDY, measure="disparity", value=value, low=low, high=high, method="bootstrap", **cells)]
    middle, wide = _difference(a, b), NormalDist().inv_cdf((1 + level) / 2) * _difference_error(a, b)
    ends = {"value": middle, "low": middle - wide, "high": middle + wide}
    rows.append(tabled(STUDY, measure="difference", method="standard error", **ends, **cells))
    area = areas_under_curve(np.vstack([a, b]), np.arange(len(a) + len(b)) < len(a), level=level)
    rows.append(tabled(STUDY, measure="auroc", value=area.value, low=area.low, high=area.high, method="delong", **cells))
    known = {"value": adjusted_p_values(area.p), "method": "BH", "level": np.nan}
    rows.append(tabled(STUDY, measure="adjusted_p", **cells | known))
    return concatenate([*rows, *_overall(a, b, draws, cells | {"group": "all"}, seed)])


def sets(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of faces as float64, after a look at their shapes, sizes and NaN."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise WrongShape(f"expected two sets of faces along the same dimensions; got {a.shape} and {b.shape}")
    if min(len(a), len(b)) < LEAST:
        raise SchemaError(f"expected {LEAST} faces or more in each set, got {len(a)} and {len(b)}")
    if gone := int(np.isnan(a).any(1).sum() + np.isnan(b).any(1).sum()):
        raise SchemaError(f"{gone} of {len(a) + len(b)} faces have no place along the dimensions (NaN): leave them out")
    return a, b


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a.mean(0) - b.mean(0)) / np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / 2))


def _difference_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the standard error of the standardised difference, which holds where both spreads differ."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (a.var(0, ddof=1) + b.var(0, ddof=1)) / 2
        parts = [(side.var(0, ddof=1), len(side)) for side in (a, b)]
        shape = _difference(a, b) ** 2 / (8 * pooled**2) * sum(v**2 / (n - 1) for v, n in parts)
        return np.asarray(np.sqrt(shape + sum(v / (n - 1) for v, n in parts) / pooled))


def _overall(a: np.ndarray, b: np.ndarray, draws: np.ndarray, cells: dict[str, Any], seed: int) -> list[Findings]:
    """Return the rows of all dimensions together."""
    value, level = float(separation(a, b).mean()), cells["level"]
    low, high = separation_interval(np.array([value]), draws.mean(1)[:, None], level=level)
    rows = [tabled(STUDY, measure="disparity", value=value, low=low[0], high=high[0], method="bootstrap", **cells)]
    chance = permuted(a, b, seed=seed, resamples=len(draws)).mean(1)
    ends = np.quantile(chance, [(1 - level) / 2, (1 + level) / 2])
    rows.append(tabled(STUDY, measure="chance", value=chance.mean(), low=ends[0], high=ends[1], method="permutation", **cells))
    p = (1 + (chance >= value - 1e-12).sum()) / (1 + len(chance))
    rows.append(tabled(STUDY, measure="p", value=p, method="permutation", **cells | {"level": np.nan}))
    inside = np.arange(len(a) + len(b)) < len(a)
    folds = min(FOLDS, len(a), len(b))
    at = stratified_folds(inside, folds=folds, seed=seed)
    scores = held_out(np.vstack([a, b]), inside[:, None].astype(np.float64), at)[:, 0]
    area = fold_area(scores, inside, at, level=level)
    ends = {"value": area.value, "low": area.low, "high": area.high}
    return [*rows, tabled(STUDY, measure="auroc", method=f"ridge, {folds} folds", **ends, **cells)]
