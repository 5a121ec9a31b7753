"""How alike embeddings are: cosines and distances, matrices and pairs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

METRICS = ("cosine", "euclidean", "euclidean_l2", "angular")
BLOCK = 2_097_152
# Below this share of the squared lengths, |a|^2 + |b|^2 - 2ab has lost too many digits, and the difference is taken.
CLOSE = 1e-3
TURN = threading.Lock()


def similarity(a: np.ndarray, b: np.ndarray, *, metric: str) -> np.ndarray:
    """Return the cosine, or the distance, of each row of one table and each row of another.

    cosine `ab / (|a| |b|)`; euclidean `|a - b|`; euclidean_l2 `|a/|a| - b/|b||`; angular `arccos(cosine) / pi`.

    Parameters
    ----------
    a : (n, d) float
    b : (m, d) float
        Embeddings, one a row.
    metric
        One of `METRICS`. A cosine is higher the more alike two faces are, the three distances are lower.

    Returns
    -------
    (n, m) float32
        Cosines in [-1, 1]; distances of 0 or more, angular in [0, 1]. NaN where a row has a number that is not finite,
        and, but for "euclidean", where it has no length.

    Raises
    ------
    ValueError
        Another metric, or tables that are not of as many columns.

    References
    ----------
    The three distances are those of Serengil, Ozpinar, LightFace, ASYU 2020, and of its program deepface.

    Examples
    --------
    >>> a, b = np.array([[3.0, 4.0]]), np.array([[3.0, 4.0], [4.0, -3.0], [6.0, 8.0]])
    >>> similarity(a, b, metric="cosine"), similarity(a, b, metric="euclidean").round(3)
    (array([[1., 0., 1.]], dtype=float32), array([[0.   , 7.071, 5.   ]], dtype=float32))
    >>> similarity(a, b, metric="euclidean_l2").round(3), similarity(a, b, metric="angular")
    (array([[0.   , 1.414, 0.   ]], dtype=float32), array([[0. , 0.5, 0. ]], dtype=float32))
    """
    a, b = _tables(a, b, metric)
    out = np.empty((len(a), len(b)), np.float32)
    rows = max(1, BLOCK // max(1, len(b)))
    blocks = [slice(start, start + rows) for start in range(0, len(a), rows)]
    with np.errstate(invalid="ignore"):
        squares = np.vecdot(b, b)
    with in_turn(min(cores(), len(blocks))) as pool:
        list(pool.map(lambda block: _fill(out[block], a[block], b, squares, metric), blocks))
    return out


def paired_similarity(a: np.ndarray, b: np.ndarray, *, metric: str) -> np.ndarray:
    """Return the cosine, or the distance, of each row of one table and the same row of another.

    Parameters
    ----------
    a, b : (n, d) float
        Embeddings, one a row.
    metric
        One of `METRICS`, as in `similarity`.

    Returns
    -------
    (n,) float32
        As in `similarity`.

    Raises
    ------
    ValueError
        Another metric, or tables of two shapes.

    Examples
    --------
    >>> a, b = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[4.0, -3.0], [2.0, 0.0]])
    >>> paired_similarity(a, b, metric="cosine"), paired_similarity(a, b, metric="euclidean").round(3)
    (array([0., 1.], dtype=float32), array([7.071, 1.   ], dtype=float32))
    """
    a, b = _tables(a, b, metric)
    if len(a) != len(b):
        raise ValueError(f"expected as many rows in both tables; got {len(a)} and {len(b)}")
    out = np.empty(len(a), np.float32)
    rows = max(1, BLOCK // max(1, a.shape[1]))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(a), rows):
            some, others = a[start : start + rows], b[start : start + rows]
            if metric == "cosine":
                out[start : start + rows] = np.vecdot(some, others).clip(-1, 1)
            else:
                out[start : start + rows] = _finish(lengths(some - others), metric)
    return out


def alike(values: np.ndarray, metric: str) -> np.ndarray:
    """Return values that are higher the more alike two faces are: a cosine as it is, a distance with its sign turned.

    Parameters
    ----------
    values : (...) float
        What `similarity` returned.
    metric
        One of `METRICS`.

    Raises
    ------
    ValueError
        Another metric.

    Examples
    --------
    >>> alike(np.array([0.25, 0.5]), "euclidean")
    array([-0.25, -0.5 ])
    """
    _check_metric(metric)
    return np.asarray(values) if metric == "cosine" else -np.asarray(values)


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1; a row without length, or with a number that is not finite, becomes NaN.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [nan, nan]], dtype=float32)
    """
    rows = np.asarray(rows, np.float32)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        out: np.ndarray = np.divide(rows, lengths(rows)[:, None], out=np.empty_like(rows), casting="same_kind")
    return out


def arc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the angle of each row of u with that of v, rows of length 1, as `2 atan2(|u - v|, |u + v|)`: exact for small ones.

    Parameters
    ----------
    u : (n, d) float
    v : (n, d) or (1, d) float

    Returns
    -------
    (n,) float in [0, 180], deg

    References
    ----------
    Kahan, How futile are mindless assessments of roundoff in floating-point computation?, 2006.

    Examples
    --------
    >>> arc(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[0.0, 1.0]])).round(1)
    array([90. , 36.9])
    """
    return np.asarray(np.degrees(2 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def in_turn(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads in each of which BLAS takes one: that setting is the whole process's, so callers take turns."""
    from threadpoolctl import threadpool_limits

    with TURN, threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max(1, threads)) as pool:
        yield pool


def _tables(a: np.ndarray, b: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    _check_metric(metric)
    if np.ndim(a) != 2 or np.ndim(b) != 2 or np.shape(a)[1] != np.shape(b)[1]:
        raise ValueError(f"expected (n, d) and (m, d) with one d; got {np.shape(a)} and {np.shape(b)}")
    if metric != "euclidean":
        return unit(a), unit(b)
    return np.asarray(a, np.float32), np.asarray(b, np.float32)


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"expected a metric among {', '.join(METRICS)}; got {metric!r}")


def _fill(out: np.ndarray, a: np.ndarray, b: np.ndarray, squares: np.ndarray, metric: str) -> None:
    """Write the cosines, or the distances, of unit or raw rows a and b into out; `squares` are of b's lengths."""
    with np.errstate(invalid="ignore"):
        np.matmul(a, b.T, out=out)
        if metric == "cosine":
            np.clip(out, -1, 1, out=out)
        else:
            _to_distances(out, a, b, squares)
            _finish(out, metric)


def _to_distances(out: np.ndarray, a: np.ndarray, b: np.ndarray, squares: np.ndarray) -> None:
    """Turn products ab into |a - b|, in place; those of near rows out of the difference itself."""
    own = np.vecdot(a, a)[:, None]
    out *= -2
    out += squares
    out += own
    row, column = np.nonzero(out < CLOSE * (own + squares))
    np.sqrt(np.maximum(out, 0, out=out), out=out)
    few = max(1, BLOCK // max(1, a.shape[1]))
    for start in range(0, len(row), few):
        i, j = row[start : start + few], column[start : start + few]
        out[i, j] = lengths(a[i] - b[j])


def _finish(distances: np.ndarray, metric: str) -> np.ndarray:
    """Turn distances of unit rows into angles / pi, in place, where those are asked for: arcsin keeps the small ones."""
    if metric == "angular":
        distances *= 0.5
        np.arcsin(np.minimum(distances, 1, out=distances), out=distances)
        distances *= 2 / np.pi
    return distances


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return the length of each row, in float64."""
    return np.asarray(np.sqrt(np.vecdot(rows, rows, dtype=np.float64)))
