"""Approximate search, for galleries too large to compare every row: an index that is measured before it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.stats.search import Nearest, nearest, rescored, rows
from facevalue.stats.similarity import cores

QUERIES = 200
CONNECTIVITY, EXPANSION = 16, 128


@dataclass(frozen=True, slots=True)
class Recall:
    """Which share of the k nearest an index finds: `share` over `queries` rows of the gallery, itself not counted."""

    share: float
    k: int
    queries: int


def write_index(gallery: Sequence[np.ndarray], path: Path, *, threads: int | None = None) -> None:
    """Build an index of a gallery's pieces and save it; each row is kept in half precision.

    Parameters
    ----------
    gallery : pieces of (m, d) float32
        Of length 1.
    path
        Of the file.
    threads
        None takes one a core; with more than one, two builds of one gallery differ a little.

    Raises
    ------
    ImportError
        usearch is not installed.

    References
    ----------
    Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
    graphs, IEEE TPAMI 42, 2020.
    """
    from usearch.index import Index

    index = Index(ndim=gallery[0].shape[1], metric="cos", dtype="f16", connectivity=CONNECTIVITY, expansion_add=EXPANSION)
    start = 0
    for piece in gallery:
        index.add(np.arange(start, start + len(piece), dtype=np.uint64), piece, threads=threads or cores())
        start += len(piece)
    index.save(str(path))


def nearest_by_index(queries: np.ndarray, gallery: Sequence[np.ndarray], path: Path, *, k: int) -> Nearest:
    """Return k rows that an index takes for the nearest; their cosines are those of the gallery itself.

    Parameters
    ----------
    queries : (q, d) float32
        Of length 1, or NaN.
    gallery : pieces of (m, d) float32
        Of which the index was made.
    path
        Of the index.
    k
        In 1 .. m.

    Raises
    ------
    ImportError
        usearch is not installed.
    """
    from usearch.index import Index

    index = Index.restore(str(path), view=True, expansion_search=max(EXPANSION, 4 * k))
    if index is None or len(index) != sum(map(len, gallery)):
        raise ValueError(f"{path}: expected an index of {sum(map(len, gallery))} rows; build it anew")
    found = np.full((len(queries), k), -1, np.int64)
    some = np.flatnonzero(~np.isnan(queries).any(1))
    if len(some):
        keys = np.asarray(index.search(queries[some], k, threads=cores()).keys, np.int64).reshape(len(some), -1)
        found[some, : keys.shape[1]] = np.where((keys >= 0) & (keys < len(index)), keys, -1)
    return rescored(queries, gallery, found)


def index_recall(gallery: Sequence[np.ndarray], path: Path, *, k: int, seed: int, most: int = QUERIES) -> Recall:
    """Return the recall of an index: of the k rows nearest to a row of the gallery, beside itself, the share it finds.

    recall@k = mean over queries of |found by the index, and among the exact k| / k.

    Parameters
    ----------
    gallery : pieces of (m, d) float32
        Of which the index was made.
    path
        Of the index.
    k
        At most m - 1 are looked for.
    seed
        Of the rows drawn.
    most
        At most so many.

    Raises
    ------
    ImportError
        usearch is not installed.
    """
    m = sum(map(len, gallery))
    k, drawn = min(k, m - 1), np.sort(np.random.default_rng(seed).permutation(m)[:most])
    if k < 1:
        return Recall(1.0, 0, 0)
    queries = rows(gallery, drawn)
    exact = nearest(queries, gallery, k=k + 1).index
    found = nearest_by_index(queries, gallery, path, k=k + 1).index
    hits = [len({*one[one != own][:k]} & {*two[two != own]}) for one, two, own in zip(exact, found, drawn, strict=True)]
    return Recall(float(np.mean(hits)) / k, k, len(drawn))
