"""How far two sets of faces lie apart along a measure: the area between their distributions."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from facevalue.stats.calibration import check_level

BLOCK = 300_000


def separation(a: np.ndarray, b: np.ndarray, *, weights: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return the area between two distributions along each dimension: `D = 2 int |F_a - F_b| dH`, `H = (F_a + F_b) / 2`.

    F are mid-distribution functions, so that D needs no unit, and is the same under any rising change of scale and for any
    sizes of the sets. D is 0 for equal distributions and 1 where they do not overlap. Of a property that a face has or has
    not it is the difference of shares, `|p_a - p_b|`; where one set lies above the other throughout it is
    `|2 AUC - 1|`, and it sees differences of spread besides.

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
    weights : (r, n) and (r, m) float, optional
        0 or more: how often each face counts, in each of r resamples.

    Returns
    -------
    (d,) float64 in [0, 1]; (r, d) with weights

    Raises
    ------
    ValueError
        A set without faces, other shapes, or NaN.

    References
    ----------
    The mid-distribution function: Parzen, Journal of Nonparametric Statistics 5, 1995; the area without the halving of ties
    is the statistic of Wasserstein's distance between ranks.

    Examples
    --------
    >>> a, b = np.array([[0.0, 1], [1, 2]]), np.array([[0.0, 3], [0, 4], [0, 5]])
    >>> separation(a, b)  # of the first, half of a has it and none of b
    array([0.5, 1. ])
    """
    a, b = _checked(a, b)
    counts = tuple(np.ones((1, len(side))) for side in (a, b)) if weights is None else weights
    if [np.shape(side) for side in counts] != [(len(counts[0]), len(side)) for side in (a, b)]:
        shapes = " and ".join(str(np.shape(side)) for side in counts)
        raise ValueError(f"expected weights (r, {len(a)}) and (r, {len(b)}), got {shapes}")
    kind = np.float64 if weights is None else np.float32
    joint = np.vstack([sign * np.asarray(side.T / side.sum(1), kind) for sign, side in zip((1, -1), counts, strict=True)])
    found = np.stack([_area(column, joint) for column in np.vstack([a, b]).T], axis=1)
    return found if weights is not None else np.asarray(found[0])


def _area(column: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Return D of one dimension under r columns of shares, those of b with a minus, (n + m, r)."""
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    gain = joint[order]
    mass = np.abs(gain)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(starts) < len(order):
        mass, gain = np.add.reduceat(mass, starts, axis=0), np.add.reduceat(gain, starts, axis=0)
    height = np.cumsum(gain, axis=0)
    height -= gain / 2
    return np.asarray(np.einsum("ij,ij->j", np.abs(height, out=height), mass, dtype=np.float64))


def bootstrapped(
    a: np.ndarray, b: np.ndarray, *, seed: int, resamples: int = 1000, drawn: tuple[bool, bool] = (True, True)
) -> np.ndarray:
    """Return `separation` on resamples of the faces of both sets, (r, d).

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
    seed
        Of the draws.
    resamples
        How many, r.
    drawn
        Whether a and b are samples; one that is none stays as it is.

    Examples
    --------
    >>> bootstrapped(np.zeros((3, 1)), np.ones((2, 1)), seed=0, resamples=2)
    array([[1.],
           [1.]])
    """
    draw = np.random.default_rng(seed)

    def counts(n: int, r: int, varies: bool) -> np.ndarray:
        return draw.multinomial(n, np.full(n, 1 / n), size=r) if varies else np.ones((r, n))

    parts = []
    for r in _blocks(resamples, len(a) + len(b)):
        parts.append(separation(a, b, weights=(counts(len(a), r, drawn[0]), counts(len(b), r, drawn[1]))))
    return np.concatenate(parts)


def permuted(a: np.ndarray, b: np.ndarray, *, seed: int, resamples: int = 1000) -> np.ndarray:
    """Return `separation` of sets of these sizes drawn at random out of all faces, (r, d): what chance alone makes.

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
    seed
        Of the draws.
    resamples
        How many, r.

    Examples
    --------
    >>> permuted(np.array([[0.0]]), np.array([[1.0]]), seed=0, resamples=2)
    array([[1.],
           [1.]])
    """
    draw, pool = np.random.default_rng(seed), np.vstack([a, b])
    marks = np.repeat([1.0, 0.0], [len(a), len(b)])
    parts = []
    for r in _blocks(resamples, len(pool)):
        inside = draw.permuted(np.tile(marks, (r, 1)), axis=1)
        parts.append(separation(pool, pool, weights=(inside, 1 - inside)))
    return np.concatenate(parts)


def _blocks(resamples: int, n: int) -> Iterator[int]:
    step = max(1, BLOCK // n)
    for first in range(0, resamples, step):
        yield min(step, resamples - first)


def separation_interval(value: np.ndarray, draws: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `D - bias - z s` to `D + z s`, cut to [0, 1]: bias, of 0 or more, and s are those of the resamples.

    The bias is what chance adds to D, and to its resamples once more; a percentile interval would never reach 0. In
    simulations 90 % intervals held the true D in 82 to 93 of 100 samples of 50 faces a set, in 84 to 93 of 200. Where no
    resample differs, as in sets that do not overlap, both ends are D itself.

    Parameters
    ----------
    value : (d,) float in [0, 1]
    draws : (r, d) float
        The same on resamples.
    level
        In (0, 1).

    References
    ----------
    Davison, Hinkley, Bootstrap Methods and their Application, 1997, section 5.2.

    Examples
    --------
    >>> low, high = separation_interval(np.array([0.5]), np.array([[0.4], [0.5], [0.72]]), level=0.9)
    >>> low.round(3), high.round(3)
    (array([0.24]), array([0.72]))
    """
    check_level(level)
    z, spread = NormalDist().inv_cdf((1 + level) / 2), draws.std(0)
    bias = np.maximum(draws.mean(0) - value, 0)
    return np.clip(value - bias - z * spread, 0, 1), np.clip(value + z * spread, 0, 1)


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise ValueError(f"expected two sets of faces along the same dimensions; got {a.shape} and {b.shape}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(f"expected no NaN, got faces with NaN, {np.isnan(a).any(1).sum()} and {np.isnan(b).any(1).sum()}")
    return a, b
