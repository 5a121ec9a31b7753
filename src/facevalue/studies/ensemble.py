"""Ensembles: weighted sums of several systems' scores, judged on other people than the weights were chosen on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.findings import Findings
from facevalue.data.pairs import Comparisons
from facevalue.stats.folds import fold_splits
from facevalue.stats.roc import sort_pairs
from facevalue.studies.verification import System, gap

STEP, LEAST = 0.05, 0.1
MOST, FITTED = 4, 4000


def ensembles(systems: Sequence[System], pairs: Comparisons, *, seed: int) -> list[tuple[System, Findings]]:
    """Return an ensemble by each of both rules, where there are two systems of cosines or more."""
    if sum(system.metric == "cosine" for system in systems) < 2:
        return []
    return [ensemble(systems, pairs, by=by, seed=seed) for by in RULES]


def weight_grid(k: int, *, step: float = STEP, least: float = LEAST) -> np.ndarray:
    """Return all weights of k systems that are multiples of a step, at least so large, and sum to 1, (g, k).

    Examples
    --------
    >>> weight_grid(2, step=0.25, least=0.25)
    array([[0.25, 0.75],
           [0.5 , 0.5 ],
           [0.75, 0.25]])
    >>> len(weight_grid(4))
    455
    """
    whole, first = round(1 / step), round(least / step)
    parts = itertools.product(range(first, whole + 1), repeat=k - 1)
    rows = [(*part, whole - sum(part)) for part in parts if whole - sum(part) >= first]
    return np.array(rows) / whole


def ensemble(systems: Sequence[System], pairs: Comparisons, *, by: str, seed: int) -> tuple[System, Findings]:
    """Return the weighted sum of up to four systems' cosines as a system of its own, and the mean weights.

    For the pairs of each fold's people the weights are those that are best on pairs of none of them, so that neither weights
    nor the threshold that `verification` then chooses have seen the people whom they are judged on. Pairs of two folds, and
    those that a system could not compare, have no score.

    Parameters
    ----------
    systems
        Two or more; those of the metric "cosine" are used, the first four.
    pairs
        p pairs.
    by
        What is maximised: "gap", face-similarity's mean score of one person less that of different people, which always
        gives all it may to the system of the largest gap; or "area_under_curve".
    seed
        Of the at most 4,000 pairs of each kind that choose the weights.

    Raises
    ------
    RunError
        Fewer than two systems have cosines, or no fold has pairs of both kinds outside it that all of them could compare.

    References
    ----------
    github.com/JungKH33/face-similarity, which chose among weights of .1 or more in steps of .05 on the pairs that it reported.
    """
    chosen = [system for system in systems if system.metric == "cosine"][:MOST]
    if len(chosen) < 2:
        raise RunError(f"an ensemble needs two systems with --metric cosine, there are {len(chosen)}: name more models")
    scores = np.stack([system.scores for system in chosen], axis=1)
    rows, grid = np.flatnonzero(np.isfinite(scores).all(1)), weight_grid(len(chosen))
    seen, scores = pairs[rows], scores[rows]
    judge = RULES[by]
    summed, kept = np.full(len(pairs), np.nan), list[np.ndarray]()
    for inside, outside in fold_splits(seen.same, seen.fold_a, seen.fold_b):
        drawn = _drawn(seen, outside, seed)
        best = _best(grid, judge(grid, scores[drawn], seen[drawn]))
        summed[rows[inside]] = scores[inside] @ best
        kept.append(best)
    if not kept:
        raise RunError("an ensemble needs pairs of both kinds outside of a fold to choose its weights on, there are none")
    names = [" / ".join((system.model, system.detector)) for system in chosen]
    made = System(f"ensemble by {by}", "", "cosine", summed, " + ".join(dict.fromkeys(system.source for system in chosen)))
    return made, _weights(made, names, np.array(kept))


def _best(grid: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the best weights; of equally good ones those nearest to equal ones."""
    tied = grid[found >= found.max() - 1e-12]
    best: np.ndarray = tied[int(np.argmin(((tied - 1 / grid.shape[1]) ** 2).sum(1)))]
    return best


def _drawn(pairs: Comparisons, allowed: np.ndarray, seed: int) -> np.ndarray:
    """Return at most `FITTED` rows of each kind among those allowed."""
    draw = np.random.default_rng(seed)
    kinds = (np.flatnonzero(allowed & pairs.same), np.flatnonzero(allowed & ~pairs.same))
    return np.concatenate([np.sort(draw.permutation(rows)[:FITTED]) for rows in kinds])


def _by_gap(grid: np.ndarray, scores: np.ndarray, pairs: Comparisons) -> np.ndarray:
    """Return the gap of each row of weights: it is the weighted sum of the systems' own gaps."""
    return np.asarray(grid @ [gap(pairs, one) for one in scores.T])


def _by_area(grid: np.ndarray, scores: np.ndarray, pairs: Comparisons) -> np.ndarray:
    return np.array([sort_pairs(scores @ weights, pairs.same).area_under_curve() for weights in grid])


def _weights(made: System, names: Sequence[str], kept: np.ndarray) -> Findings:
    nothing = dict.fromkeys(("low", "high", "level"), np.nan)
    row = {"study": "verification", "group": made.name, "method": f"mean over {len(kept)} folds", "n": len(kept)}
    means = zip(names, kept.mean(0), strict=True)
    return Findings.from_rows(
        [row | nothing | {"measure": f"weight {name}", "value": float(w), "run": made.source} for name, w in means]
    )


RULES = {"gap": _by_gap, "area_under_curve": _by_area}
