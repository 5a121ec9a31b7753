"""Means of cosines over all pairs of photos of two people, from each person's sum of unit vectors: no pair is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 1024, 8192


@dataclass(frozen=True, slots=True)
class Sums:
    """What a person's photos come to.

    Parameters
    ----------
    total : (p, d) float64
        Sum of each person's embeddings, each of length 1.
    squares : (p,) float64
        Sum of their squared lengths, as rounded.
    size : (p,) int64
        Photos of each, 1 or more.
    """

    total: np.ndarray
    squares: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.size)

    @property
    def mean(self) -> np.ndarray:
        """The mean embedding of each person, (p, d) float64, shorter than 1 where photos differ."""
        return np.asarray(self.total / self.size[:, None])

    @property
    def own(self) -> np.ndarray:
        """The mean cosine of each person's pairs of different photos, (p,) float64; NaN for one photo.

        (|S|^2 - sum |u|^2) / (n (n - 1))
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = (self.size * (self.size - 1)).astype(float)
            return np.asarray((np.vecdot(self.total, self.total) - self.squares) / np.where(pairs, pairs, np.nan))


def person_sums(rows: np.ndarray, who: np.ndarray) -> Sums:
    """Return the sums of each person's rows.

    Parameters
    ----------
    rows : (n, d) float
        Embeddings of length 1.
    who : (n,) int
        Whose each is: every number from 0 to p - 1.

    Raises
    ------
    ValueError
        Another number of rows, a row that is not finite, or a person without one.

    Examples
    --------
    >>> sums = person_sums(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), np.array([0, 0, 1]))
    >>> sums.own.round(2), mean_cosines(sums, 0, 2).round(2)
    (array([0.6, nan]), array([[0.6, 0.4],
           [0.4, nan]], dtype=float32))
    """
    size = np.bincount(who) if len(who) else np.zeros(0, int)
    if len(rows) != len(who) or not size.all() or not np.isfinite(rows).all():
        raise ValueError(f"expected finite rows of everybody, one a label; got {len(rows)} rows and {len(who)} labels")
    order = np.argsort(who, kind="stable")
    starts = np.cumsum(size) - size
    total = np.stack([np.add.reduceat(column[order], starts, dtype=np.float64) for column in rows.T], axis=1)
    squares = np.add.reduceat(np.vecdot(rows, rows, dtype=np.float64)[order], starts)
    return Sums(total, squares, size)


def mean_cosines(sums: Sums, first: int, last: int) -> np.ndarray:
    """Return some rows of the matrix of means, (last - first, p) float32: S_i S_j / (n_i n_j), on the diagonal `own`."""
    return _rows(sums.mean, sums.own, first, last)


def most_alike(
    sums: Sums, *, k: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the k pairs of two people with the highest mean cosine, of all pairs, a block of the matrix at a time.

    Parameters
    ----------
    sums
        Of p people.
    k
        At least 1.
    progress
        Called with people done and people in all.

    Returns
    -------
    first, second : (t,) int64
        People, first < second; t is k, or the number of pairs.
    mean : (t,) float64
        Falling; of equal ones the lower people first. Means that differ by rounding (1e-6) may trade places.

    Raises
    ------
    ValueError
        A k below 1.

    Examples
    --------
    >>> sums = person_sums(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), np.array([0, 1, 2]))
    >>> [part.tolist() for part in most_alike(sums, k=2)]
    [[1, 0], [2, 1], [0.8, 0.6]]
    """
    if k < 1:
        raise ValueError(f"expected k of 1 or more, got {k}")
    mean = sums.mean
    exact, single = mean, mean.astype(np.float32)
    best = (np.empty(0, int), np.empty(0, int), np.empty(0, np.float32))
    for start in range(0, len(sums), ROWS):
        progress(start, len(sums))
        for i, j, score in _above(single, start, best, k):
            joined = tuple(np.concatenate(pair) for pair in zip(best, (i, j, score), strict=True))
            kept = np.lexsort((joined[1], joined[0], -joined[2]))[:k]
            best = (joined[0][kept], joined[1][kept], joined[2][kept])
    progress(len(sums), len(sums))
    i, j = best[:2]
    value = np.vecdot(exact[i], exact[j]).clip(-1, 1)
    order = np.lexsort((j, i, -value))
    return i[order], j[order], value[order]


def write_mean_cosines(sums: Sums, path: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Write the matrix of means, (p, p) float32, as .npy, some rows at a time: it need not fit in memory.

    `np.load(path, mmap_mode="r")` opens it.

    Parameters
    ----------
    sums
        Of p people.
    path
        Of the file; 4 p^2 bytes.
    progress
        Called with people done and people in all.
    """
    p = len(sums)
    rows = max(1, ROWS * COLUMNS // max(p, 1))
    mean, own = sums.mean, sums.own
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (p, p)})
        for start in range(0, p, rows):
            progress(start, p)
            file.write(_rows(mean, own, start, min(start + rows, p)).astype("<f4", copy=False).data)
    progress(p, p)


def _rows(mean: np.ndarray, own: np.ndarray, first: int, last: int) -> np.ndarray:
    block: np.ndarray = (mean[first:last] @ mean.T).astype(np.float32)
    block[np.arange(last - first), np.arange(first, last)] = own[first:last]
    return block.clip(-1, 1)


def _above(
    mean: np.ndarray, start: int, best: tuple[np.ndarray, ...], k: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, of some rows, the cells right of the diagonal among the k best of their block, above the end of a full list."""
    rows = mean[start : start + ROWS]
    floor = best[2][-1] if len(best[2]) == k else -np.inf
    for left in range(start, len(mean), COLUMNS):
        scores = rows @ mean[left : left + COLUMNS].T
        if left < start + len(rows):
            scores[np.arange(left, left + scores.shape[1]) <= np.arange(start, start + len(rows))[:, None]] = -np.inf
        flat = np.flatnonzero(scores > floor)
        if len(flat) > k:
            kth = np.partition(scores.ravel()[flat], len(flat) - k)[len(flat) - k]
            flat = flat[scores.ravel()[flat] >= kth]
        i, j = np.divmod(flat, scores.shape[1])
        yield start + i, left + j, scores.ravel()[flat]
