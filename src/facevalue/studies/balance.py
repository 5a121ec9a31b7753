"""Balance: subsets of faces that lie along dimensions as they should, chosen without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.association import rank_correlations
from facevalue.stats.calibration import check_level
from facevalue.stats.separation import bootstrapped, separation, separation_interval
from facevalue.studies.comparison import LEAST, STUDY, sets
from facevalue.studies.dimensions import dimension_names, tabled

BINS, HEIGHTS, TRIED, ROUNDS = 16, 201, 4, 5


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """Faces that were chosen, and what the choice changed.

    Parameters
    ----------
    rows : (s,) int
        Rising.
    findings
        The disparity before and after.
    """

    rows: np.ndarray
    findings: Findings


def even(dimensions: np.ndarray) -> np.ndarray:
    """Return what stands for faces spread evenly over each dimension, from its 1 % to its 99 % quantile, (201, d).

    Where both are equal the ends are the least and the greatest value.

    Examples
    --------
    >>> even(np.arange(101.0)[:, None])[[0, 100, 200], 0]
    array([ 1., 50., 99.])
    """
    x = np.asarray(dimensions, np.float64)
    low, high = np.quantile(x, [0.01, 0.99], axis=0)
    narrow = low == high
    return np.asarray(np.linspace(np.where(narrow, x.min(0), low), np.where(narrow, x.max(0), high), HEIGHTS))


def balanced_subset(
    dimensions: np.ndarray, size: int, *, level: float, seed: int, reference: np.ndarray | None = None, resamples: int = 200
) -> Subset:
    """Return a subset of faces that lies along all dimensions as a reference does.

    Faces are added one by one, then exchanged, each time the one that brings the shares of faces below 30 heights of each
    dimension nearest to the reference's, by the sum of squares. The measures are "before", the disparity (see `comparison`)
    between all faces and the reference; "random", that of subsets of this size drawn at random, with the range of them;
    "after", that of the subset. Each of every dimension and, as a mean, of "all".

    Parameters
    ----------
    dimensions : (n, d) float
    size
        Of the subset, 1 to n.
    level
        Of the intervals, in (0, 1): by a bootstrap of the faces and of the reference. The subset is no sample, and `even` is
        none: they are not drawn.
    seed
        Of ties, and of the resamples.
    reference : (m, d) float, optional
        Faces of the set to be like; without them `even`, as many faces at every height.
    resamples
        Of the bootstrap, and random subsets.

    Raises
    ------
    SchemaError
        A size that cannot be, fewer than four faces, NaN.

    References
    ----------
    Welling, Herding dynamical weights to learn, ICML 2009, with indicators of heights as features.

    Examples
    --------
    >>> faces = np.repeat([[0.0], [1.0]], [90, 10], axis=0)
    >>> chosen = balanced_subset(faces, 20, level=0.9, seed=0, reference=np.array([[0.0], [1], [0], [1]]))
    >>> int((faces[chosen.rows] == 1).sum())
    10
    """
    check_level(level)
    pool, like = sets(dimensions, even(dimensions) if reference is None else reference)
    _check_size(size, len(pool))
    edges = _edges(pool, like)
    rows = _nearest(_heights(pool, edges), _heights(like, edges).mean(0), size, seed)
    draw, sampled = np.random.default_rng(seed), reference is not None
    random = [pool[draw.permutation(len(pool))[:size]] for _ in range(resamples)]
    cells: dict[str, Any] = {"level": level, "seed": seed, "resamples": resamples}
    parts = [_apart("before", pool, like, drawn=(True, sampled), **cells), _range(random, like, level, seed)]
    return Subset(rows, concatenate([*parts, _apart("after", pool[rows], like, drawn=(False, sampled), **cells)]))


def matched_subsets(
    a: np.ndarray, b: np.ndarray, size: int, *, level: float, seed: int, resamples: int = 200
) -> tuple[np.ndarray, np.ndarray, Findings]:
    """Return rows of a and rows of b, so many each, that lie along all dimensions as alike as can be.

    By turns each subset is chosen to be like the other, as `balanced_subset` chooses, from the mean of both sets on and while
    that brings them nearer, five times at most. Findings: "before", the disparity of the sets, with an interval by a
    bootstrap of both; "after", that of the subsets, which are no samples and have none.

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
    size
        Of each subset.
    level
        Of the interval, in (0, 1).
    seed
        Of ties and resamples.
    resamples
        Of the bootstrap.

    Raises
    ------
    SchemaError
        A size that cannot be, fewer than four faces, NaN.

    Examples
    --------
    >>> in_a, in_b, found = matched_subsets(np.arange(8.0)[:, None], np.arange(4.0, 12)[:, None], 4, level=0.9, seed=0)
    >>> in_a, in_b
    (array([4, 5, 6, 7]), array([0, 1, 2, 3]))
    """
    check_level(level)
    a, b = sets(a, b)
    _check_size(size, min(len(a), len(b)))
    edges = _edges(a, b)
    sides = [_heights(side, edges) for side in (a, b)]
    rows = [_nearest(side, (sides[0].mean(0) + sides[1].mean(0)) / 2, size, seed) for side in sides]
    for turn in range(2 * ROUNDS):
        one, other = turn % 2, 1 - turn % 2
        target = sides[other][rows[other]].mean(0)
        new = _nearest(sides[one], target, size, seed)
        apart = [float(((sides[one][at].mean(0) - target) ** 2).sum()) for at in (rows[one], new)]
        if apart[1] < apart[0]:
            rows[one] = new
        elif turn:
            break
    cells: dict[str, Any] = {"level": level, "seed": seed, "resamples": resamples}
    before = _apart("before", a, b, drawn=(True, True), **cells)
    after = _apart("after", a[rows[0]], b[rows[1]], drawn=(False, False), **cells)
    return rows[0], rows[1], concatenate([before, after])


def choose(
    dimensions: np.ndarray,
    candidates: Sequence[np.ndarray],
    *,
    level: float,
    seed: int,
    reference: np.ndarray | None = None,
    truth: np.ndarray | None = None,
) -> tuple[int, Findings]:
    """Return which candidate subset has the least disparity, and that of each.

    The measure "disparity" is the mean over dimensions, its group "candidate 0" and so on: with a reference the disparity to
    it (see `comparison`), without one `|2 s - 1|`, s the share of faces at or above `cuts` of the faces of all candidates. Give
    the columns of the dimensions that matter. Where the true disparity of labels is known, "true_disparity" of the choice and
    "least_true_disparity" of any candidate tell what the choice is worth, and "spearman" how well both orders agree.

    Parameters
    ----------
    dimensions : (n, d) float
    candidates
        Rows of `dimensions`, each.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap over faces.
    reference : (m, d) float, optional
        Faces of the set to be like.
    truth : (c,) float, optional
        True disparities, such as `|2 p - 1|` of the share p of a label.

    Raises
    ------
    SchemaError
        No candidates, fewer than four faces in one, NaN, or as many truths as there are not candidates.

    References
    ----------
    What is asked of the choice: Andrews, Joniak, Xiang, A View From Somewhere, arXiv 2303.17176; the disparity is our own.

    Examples
    --------
    >>> faces = np.repeat([[0.0], [1.0]], 10, axis=0)
    >>> best, found = choose(faces, [np.arange(10), np.arange(5, 15), np.arange(8, 20)], level=0.9, seed=0)
    >>> best, found.value.round(2)
    (1, array([1.  , 0.  , 0.67]))
    """
    check_level(level)
    if not candidates or (truth is not None and len(truth) != len(candidates)):
        raise SchemaError(f"expected candidates, and a truth for each of them where known; got {len(candidates)} candidates")
    x = np.asarray(dimensions, np.float64)
    told: dict[str, Any] = {"level": level, "seed": seed, "resamples": 200}
    if reference is not None:
        parts = [_apart("disparity", *sets(x[rows], reference), drawn=(True, True), **told)[-1] for rows in candidates]
    else:
        given = [sets(x[rows], x[rows])[0] for rows in candidates]
        at = cuts(x[np.unique(np.concatenate(candidates))])
        parts = [_uneven(faces >= at, **told) for faces in given]
    found = [replace(part, group=np.array([f"candidate {i}"], object)) for i, part in enumerate(parts)]
    value = np.concatenate([part.value for part in parts])
    best = int(np.argmin(value))
    if truth is not None:
        found.append(_judged(value, np.asarray(truth, np.float64), best, level))
    return best, concatenate(found)


def cuts(dimensions: np.ndarray) -> np.ndarray:
    """Return where each dimension falls into two parts, `argmax w_0 w_1 (mean_0 - mean_1)^2`, midway between two faces, (d,).

    Of a dimension that does not vary, its value.

    References
    ----------
    Otsu, IEEE Transactions on Systems, Man, and Cybernetics 9, 1979.

    Examples
    --------
    >>> cuts(np.array([[0.0], [0], [1], [8], [9]]))
    array([4.5])
    """
    x = np.sort(np.asarray(dimensions, np.float64), axis=0)
    n, count = len(x), np.arange(1, len(x))[:, None]
    below = np.cumsum(x, axis=0)[:-1]
    between = count * (n - count) * (below / count - (x.sum(0) - below) / (n - count)) ** 2
    best = np.argmax(np.where(x[1:] > x[:-1], between, -1), axis=0)
    at = np.arange(x.shape[1])
    middle = (x[best, at] + x[best + 1, at]) / 2
    return np.asarray(np.where(middle > x[best, at], middle, x[best + 1, at]))


def _uneven(above: np.ndarray, *, level: float, seed: int, resamples: int) -> Findings:
    """Return the mean over dimensions of `|2 s - 1|`, s the share of faces above a cut, (s, d) bool."""
    n, draw = len(above), np.random.default_rng(seed)
    shares = np.vstack([np.full(n, 1 / n), draw.multinomial(n, np.full(n, 1 / n), size=resamples) / n]) @ above
    value, *draws = np.abs(2 * shares - 1).mean(1)
    low, high = separation_interval(np.array([value]), np.array(draws)[:, None], level=level)
    ends = {"value": value, "low": low, "high": high, "level": level}
    return tabled(STUDY, measure="disparity", group="all", n=n, method="bootstrap", run=f"seed {seed}", **ends)


def _judged(value: np.ndarray, truth: np.ndarray, best: int, level: float) -> Findings:
    known: dict[str, Any] = {"group": "all", "n": len(truth)}
    measures, values = ["true_disparity", "least_true_disparity"], [truth[best], truth.min()]
    rows = [tabled(STUDY, measure=measures, value=values, method="count", **known)]
    if len(truth) >= LEAST:
        rank = rank_correlations(value[:, None], truth[:, None], level=level)
        ends = {"value": rank.value[0], "low": rank.low[0], "high": rank.high[0], "level": level}
        rows.append(tabled(STUDY, measure="spearman", method="influence", **ends, **known))
    return concatenate(rows)


def _check_size(size: int, most: int) -> None:
    if not 1 <= size <= most:
        raise SchemaError(f"expected a size of 1 to {most}, the faces there are; got {size}")


def _edges(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the heights at which shares are compared, (30, d): quantiles of both sets, each of the same weight."""
    inner = np.arange(1, BINS) / BINS
    return np.asarray(np.sort(np.vstack([np.quantile(side, inner, axis=0) for side in (a, b)]), axis=0))


def _heights(faces: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return whether each face lies below each height, half where level with it, (n, 30 d) float32, over the root of 30 d."""
    under = (faces[:, None] < edges).astype(np.float32) + (faces[:, None] <= edges)
    return np.asarray(under.reshape(len(faces), -1) / np.float32(2 * np.sqrt(edges.size)))


def _nearest(features: np.ndarray, target: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return the rows whose mean of features is near a target: greedily, then by exchanges while one helps."""
    order = np.random.default_rng(seed).permutation(len(features))
    features = features[order]
    square, free = (features**2).sum(1), np.ones(len(features), bool)
    gap = np.zeros(features.shape[1], np.float32)
    for _ in range(size):
        gap -= target
        best = int(np.argmin(np.where(free, 2 * (features @ gap) + square, np.inf)))
        free[best] = False
        gap += features[best]
    while size < len(features) and _exchanged(features, square, free, gap):
        pass
    return np.sort(order[~free])


def _exchanged(features: np.ndarray, square: np.ndarray, free: np.ndarray, gap: np.ndarray) -> bool:
    """Exchange the chosen row and the free one that lower the square of the gap most; return whether any two do.

    The gap is the sum of chosen features less as many targets. Of the chosen, the four that are best left out are tried.
    """
    along, chosen = features @ gap, np.flatnonzero(~free)
    out = chosen[np.argsort(square[chosen] - 2 * along[chosen], kind="stable")[:TRIED]]
    change = 2 * (along - along[out][:, None]) + square + square[out][:, None] - 2 * features[out] @ features.T
    change[:, ~free] = np.inf
    i, j = np.unravel_index(int(np.argmin(change)), change.shape)
    if change[i, j] > -1e-6 * max(1.0, float(square.mean())):
        return False
    free[out[i]], free[j] = True, False
    gap += features[j] - features[out[i]]
    return True


def _apart(
    measure: str, a: np.ndarray, b: np.ndarray, *, drawn: tuple[bool, bool], level: float, seed: int, resamples: int
) -> Findings:
    """Return the disparity of each dimension and, last, their mean; an interval where one of the sets is a sample."""
    value = _with_mean(separation(a, b))
    cells: dict[str, Any] = {"group": np.append(dimension_names(a.shape[1]), "all"), "n": len(a), "run": f"seed {seed}"}
    if not any(drawn):
        return tabled(STUDY, measure=measure, value=value, method="subset", **cells)
    draws = _with_mean(bootstrapped(a, b, seed=seed, resamples=resamples, drawn=drawn))
    low, high = separation_interval(value, draws, level=level)
    return tabled(STUDY, measure=measure, value=value, low=low, high=high, level=level, method="bootstrap", **cells)


def _range(subsets: Sequence[np.ndarray], like: np.ndarray, level: float, seed: int) -> Findings:
    """Return the mean disparity of random subsets, and between which most lie."""
    values = _with_mean(np.array([separation(faces, like) for faces in subsets]))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    cells: dict[str, Any] = {"group": np.append(dimension_names(like.shape[1]), "all"), "level": level, "run": f"seed {seed}"}
    known = {"value": values.mean(0), "low": low, "high": high, "n": len(subsets[0]), "method": "random subsets"}
    return tabled(STUDY, measure="random", **known, **cells)


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)
