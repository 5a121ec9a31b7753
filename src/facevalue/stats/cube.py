"""The cube method: a random sample with given inclusion probabilities whose totals are those that were expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WHOLE = 1e-9


def cube_sample(probability: np.ndarray, features: np.ndarray, *, seed: int) -> np.ndarray:
    """Return a sample in which `sum_s x_i = sum_i p_i x_i` as nearly as whole units allow, x = (1, features).

    A point walks at random inside the cube [0, 1]^n, along directions that change none of these sums, until every unit is in
    or out but for as many as there are features; those are settled by giving up the features one by one, the last first.
    Each unit is in the sample with its own probability.

    Parameters
    ----------
    probability : (n,) float in [0, 1]
    features : (n, q) float
    seed
        Of the walk.

    Returns
    -------
    (n,) bool

    Raises
    ------
    ValueError
        A probability outside [0, 1], NaN, or other shapes.

    References
    ----------
    Deville, Tille, Efficient balanced sampling: the cube method, Biometrika 91, 2004; a few units at a time: Chauvet, Tille, A
    fast algorithm for balanced sampling, Computational Statistics 21, 2006.

    Examples
    --------
    >>> of_a = np.repeat([1.0, 0.0], [30, 10])
    >>> chosen = cube_sample(np.where(of_a, 0.1, 0.3), of_a[:, None], seed=0)
    >>> int(chosen[:30].sum()), int(chosen[30:].sum())
    (3, 3)
    """
    p, x = np.array(probability, np.float64), np.asarray(features, np.float64)
    if p.ndim != 1 or x.ndim != 2 or len(x) != len(p) or not ((p >= 0) & (p <= 1)).all() or not np.isfinite(x).all():
        raise ValueError(f"expected probabilities (n,) in [0, 1] and features (n, q) without NaN; got {p.shape} and {x.shape}")
    sums, draw = np.column_stack([np.ones(len(p)), x]), np.random.default_rng(seed)
    for kept in range(sums.shape[1], 0, -1):
        _walk(p, sums[:, :kept], draw)
    return np.asarray(draw.random(len(p)) < p)


def _walk(p: np.ndarray, sums: np.ndarray, draw: np.random.Generator) -> None:
    """Move p in place until no direction is left that changes none of the sums, (n, q)."""
    queue, q = draw.permutation(np.flatnonzero((p > 0) & (p < 1))).tolist(), sums.shape[1]
    held: list[int] = []
    while True:
        while queue and len(held) <= q:
            held.append(queue.pop())
        direction = _free(sums[held])
        if direction is None:
            return
        p[held] = _moved(p[held], direction, draw)
        held = [i for i in held if 0 < p[i] < 1]


def _free(rows: np.ndarray) -> np.ndarray | None:
    """Return weights of rows, (h,), whose sum of rows is 0; None where there are none."""
    h, q = rows.shape
    if not h:
        return None
    _, sizes, turn = np.linalg.svd(rows.T)
    if h <= q and sizes[-1] > WHOLE * max(sizes[0], 1.0):
        return None
    return np.asarray(turn[-1])


def _moved(p: np.ndarray, direction: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return p moved to one of the two places where the first unit is in or out, each as often as leaves the mean of p."""
    moving = np.abs(direction) > WHOLE
    ways = [_reach(p[moving], sign * direction[moving]) for sign in (1, -1)]
    step = ways[0] if draw.random() * (ways[0] + ways[1]) < ways[1] else -ways[1]
    moved = p + step * np.where(moving, direction, 0)
    return np.asarray(np.where(moved < WHOLE, 0.0, np.where(moved > 1 - WHOLE, 1.0, moved)))


def _reach(p: Sequence[float] | np.ndarray, direction: np.ndarray) -> float:
    """Return how far p can go before one unit is in or out."""
    p = np.asarray(p)
    return float((np.where(direction > 0, 1 - p, p) / np.abs(direction)).min())
