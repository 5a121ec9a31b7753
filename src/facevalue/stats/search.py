"""Exact search: the rows of a gallery that are most like each query, every row compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.similarity import cores, in_turn, lengths

TILE, SPAN = 512, 4096
SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k rows of a gallery that are most like each query, best first.

    Parameters
    ----------
    index : (q, k) int64
        Rows of the gallery; -1 where there is none, as for a query of NaN.
    similarity : (q, k) float32
        Their cosines; NaN where there is none.
    """

    index: np.ndarray
    similarity: np.ndarray


def nearest(
    queries: np.ndarray,
    gallery: np.ndarray | Sequence[np.ndarray],
    *,
    k: int,
    labels: tuple[np.ndarray, np.ndarray] | None = None,
    threads: int | None = None,
) -> Nearest:
    """Return the k rows of a gallery with the highest cosine to each query: every row is compared, nothing is estimated.

    Cosines are made a block at a time and only those above the k-th best so far are looked at, so that memory stays flat.

    Parameters
    ----------
    queries : (q, d) float32
        Of length 1, or NaN.
    gallery : (m, d) float32, or pieces of it
        Of length 1; may be memory-mapped, and is never copied. About a thousand rows of each piece are checked.
    k
        In 1 .. m.
    labels : (q,) int and (m,) int, optional
        A query is compared only with rows of another label than its own, and never with rows whose label is below 0.
    threads
        None takes one a core.

    Returns
    -------
    Nearest
        Of equal cosines the lower row first. Cosines that differ by less than rounding (1e-6) may trade places.

    Raises
    ------
    ValueError
        Rows that are not of length 1, another number of columns, a gallery that is not float32, or k out of its range.

    Examples
    --------
    >>> queries, gallery = np.array([[0.6, 0.8]], "f"), np.array([[1, 0], [0, 1], [0, 1]], "f")
    >>> found = nearest(queries, gallery, k=2)
    >>> found.index, found.similarity
    (array([[1, 2]]), array([[0.8, 0.8]], dtype=float32))
    >>> nearest(queries, gallery, k=2, labels=(np.array([7]), np.array([6, 7, 8]))).index
    array([[2, 0]])
    """
    queries = np.ascontiguousarray(queries, np.float32)
    pieces = [gallery] if isinstance(gallery, np.ndarray) else list(gallery)
    m = _check(queries, pieces, k, labels)
    threads = min(threads or cores(), -(-m // SPAN))
    edges = np.linspace(0, m, threads + 1).astype(int)
    tiles = [slice(start, start + TILE) for start in range(0, len(queries), TILE)]
    work = [(tile, span) for tile in tiles for span in zip(edges[:-1], edges[1:], strict=True)]

    def search(task: tuple[slice, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        own = None if labels is None else (labels[0][task[0]], labels[1])
        return _search(queries[task[0]], _blocks(pieces, *task[1]), k, own)

    with in_turn(threads) as pool:
        parts = list(pool.map(search, work))
    found = [_joined(parts[i : i + threads], k) for i in range(0, len(parts), threads)]
    return rescored(queries, pieces, np.concatenate([np.empty((0, k), np.int64), *found]))


def merged(parts: Sequence[Nearest], sizes: Sequence[int], *, k: int) -> Nearest:
    """Return the k best of several shards, of each of which the k best are known: what a search of all in one would find.

    Whoever is among the k best of all is among the k best of their shard.

    Parameters
    ----------
    parts : one (q, k) a shard
        Their rows count from 0 in each shard; a shard of fewer than k rows has fewer columns.
    sizes
        Rows of each shard.
    k
        At least 1.

    Returns
    -------
    Nearest
        (q, k), or fewer columns where all shards together have fewer. Rows count through the shards in their order; of equal
        cosines the earlier shard's first.

    Raises
    ------
    ValueError
        No shard, another number of sizes, parts of other numbers of queries, or a k below 1.

    Examples
    --------
    >>> queries, one, two = np.array([[0.6, 0.8]], "f"), np.array([[1, 0]], "f"), np.array([[0, 1], [0.6, 0.8]], "f")
    >>> found = merged([nearest(queries, one, k=1), nearest(queries, two, k=2)], [1, 2], k=2)
    >>> found.index, found.similarity
    (array([[2, 1]]), array([[1. , 0.8]], dtype=float32))
    """
    if not parts or len(sizes) != len(parts) or len({len(part.index) for part in parts}) > 1 or k < 1:
        raise ValueError(f"expected k of 1 or more, and shards of as many queries; got k {k}, {len(parts)} of {len(sizes)}")
    starts = np.cumsum([0, *sizes])
    index = np.concatenate([np.where(p.index < 0, -1, p.index + at) for p, at in zip(parts, starts, strict=False)], axis=1)
    cosine = np.concatenate([part.similarity for part in parts], axis=1)
    order = np.lexsort((index, np.where(index < 0, np.inf, -cosine)))[:, :k]
    return Nearest(np.take_along_axis(index, order, 1), np.take_along_axis(cosine, order, 1))


def _check(queries: np.ndarray, pieces: Sequence[np.ndarray], k: int, labels: tuple[np.ndarray, np.ndarray] | None) -> int:
    """Return the rows of the gallery, or raise ValueError."""
    for piece in pieces:
        if piece.ndim != 2 or piece.dtype != np.float32 or queries.ndim != 2 or queries.shape[1] != piece.shape[1]:
            came = f"{queries.shape} and {piece.shape} {piece.dtype}"
            raise ValueError(f"expected queries (q, d) and a gallery (m, d) of float32; got {came}")
        _check_lengths("gallery", piece[:: max(1, len(piece) // SAMPLE)])
    _check_lengths("queries", queries[~np.isnan(queries).any(1)])
    m = sum(map(len, pieces))
    if not 1 <= k <= m:
        raise ValueError(f"expected k in 1 .. {m}, the rows of the gallery; got {k}")
    if labels is not None and (len(labels[0]), len(labels[1])) != (len(queries), m):
        raise ValueError(f"expected {len(queries)} labels and {m}; got {len(labels[0])} and {len(labels[1])}")
    return m


def _check_lengths(name: str, rows: np.ndarray) -> None:
    found = lengths(rows)
    if len(wrong := found[~(np.abs(found - 1) <= 1e-3)]):
        raise ValueError(f"{name}: expected rows of length 1, got one of length {wrong[0]:.4g}; divide each by its length")


def _blocks(pieces: Sequence[np.ndarray], first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rows between two edges, with the number of the first of each block."""
    before = 0
    for piece in pieces:
        low, high = max(first - before, 0), min(last - before, len(piece))
        for start in range(low, high, SPAN):
            yield before + start, piece[start : min(start + SPAN, high)]
        before += len(piece)


def _search(
    queries: np.ndarray, blocks: Iterator[tuple[int, np.ndarray]], k: int, labels: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return index and cosine, (q, k), of the best rows in some blocks of the gallery."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    index = np.full((len(queries), k), -1)
    room = np.empty(len(queries) * SPAN, np.float32)
    for start, block in blocks:
        scores = room[: len(queries) * len(block)].reshape(len(queries), len(block))
        np.matmul(queries, block.T, out=scores)
        if labels is not None:
            _leave_out(scores, labels[0], labels[1][start : start + len(block)])
        row, column = np.divmod(_above(scores, best[:, -1:], k), len(block))
        if len(row):
            _take(best, index, row, start + column, scores[row, column])
    return index, best


def _leave_out(scores: np.ndarray, own: np.ndarray, labels: np.ndarray) -> None:
    """Write -inf where a row has the query's label, or one below 0."""
    columns = np.flatnonzero(np.isin(labels, own) | (labels < 0))
    row, at = np.nonzero((own[:, None] == labels[columns]) | (labels[columns] < 0))
    scores[row, columns[at]] = -np.inf


def _above(scores: np.ndarray, floor: np.ndarray, k: int) -> np.ndarray:
    """Return the flat places of scores above each row's floor; of a row with many, at least its k highest."""
    places = np.flatnonzero(scores > floor)
    if len(places) <= 8 * k * len(scores) or scores.shape[1] <= k:
        return places
    kth = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    return np.flatnonzero((scores > floor) & ~(scores < kth))


def _take(best: np.ndarray, index: np.ndarray, row: np.ndarray, place: np.ndarray, score: np.ndarray) -> None:
    """Put new scores of some rows among their k best; of equal ones the lower place stays first."""
    k, rows = best.shape[1], np.unique(row)
    row = np.concatenate([np.repeat(rows, k), row])
    place = np.concatenate([index[rows].ravel(), place])
    score = np.concatenate([best[rows].ravel(), score])
    order = np.lexsort((place, -score, row))
    row, place, score = row[order], place[order], score[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < k
    best[row[kept], rank[kept]] = score[kept]
    index[row[kept], rank[kept]] = place[kept]


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    """Return the index of the k best of several spans of one gallery."""
    index, best = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    order = np.lexsort((index, -best))[:, :k]
    return np.take_along_axis(index, order, 1)


def rescored(queries: np.ndarray, pieces: Sequence[np.ndarray], index: np.ndarray) -> Nearest:
    """Return the rows found in order of their cosines, made anew in float64: they depend on no block's size."""
    cosine = np.empty(index.shape, np.float32)
    for start in range(0, len(index), TILE):
        some = queries[start : start + TILE, None].astype(np.float64)
        cosine[start : start + TILE] = np.vecdot(some, rows(pieces, index[start : start + TILE]).astype(np.float64))
    cosine[index < 0] = np.nan
    order = np.lexsort((index, -cosine))
    return Nearest(np.take_along_axis(index, order, 1), np.take_along_axis(cosine, order, 1).clip(-1, 1))


def rows(pieces: Sequence[np.ndarray], index: np.ndarray) -> np.ndarray:
    """Return some rows, (..., d) float32, of a gallery in pieces; an index below 0 gives any row.

    Examples
    --------
    >>> rows([np.eye(2, dtype="f"), 2 * np.eye(2, dtype="f")], np.array([3, 0]))
    array([[0., 2.],
           [1., 0.]], dtype=float32)
    """
    starts = np.cumsum([0, *map(len, pieces)])
    which = np.searchsorted(starts, np.maximum(index, 0), side="right") - 1
    out = np.empty((*index.shape, pieces[0].shape[1]), np.float32)
    for number, piece in enumerate(pieces):
        here = which == number
        out[here] = piece[np.maximum(index[here], 0) - starts[number]]
    return out
