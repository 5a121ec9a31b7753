"""The exact search of shards on Ray: a task a shard, the k best of each merged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevalue.annotate import _ray
from facevalue.data.gallery import read_gallery
from facevalue.stats.search import Nearest, merged, nearest


def nearest_on_ray(
    queries: np.ndarray, galleries: Sequence[str | Path], *, k: int, address: str | None = None, workers: int = 0
) -> Nearest:
    """Return the k faces most alike each query in several galleries, each searched where Ray has a core for it.

    Parameters
    ----------
    queries : (q, d) float32
        Of length 1, or NaN.
    galleries
        Folders that every machine can read.
    k
        At least 1.
    address
        Of a running cluster, as for `annotate`; None uses a connection that is open, or starts a cluster on this machine.
    workers
        Cores of a cluster that is started; 0 takes all.

    Returns
    -------
    Nearest
        What `nearest` finds in all of them as one, row after row in the order of the folders.

    Raises
    ------
    RunError
        Ray is not installed, or no cluster answers at the address.
    SchemaError
        A gallery that is damaged.
    ValueError
        Queries that are not of length 1, or of other numbers than the gallery's; a k below 1.
    """
    with _ray._connected(address, workers or None) as ray:
        search, given = ray.remote(num_cpus=1)(_searched), ray.put(np.ascontiguousarray(queries, np.float32))
        try:
            found = ray.get([search.remote(given, str(folder), k) for folder in galleries])
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        parts, sizes = zip(*found, strict=True)
        return merged(parts, sizes, k=k)


def _searched(queries: np.ndarray, folder: str, k: int) -> tuple[Nearest, int]:
    """Return the k best of one gallery, on one core, and how many faces it has."""
    gallery = read_gallery(folder, verify=False)
    if not len(gallery):
        return Nearest(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)), 0
    return nearest(queries, gallery.embeddings, k=min(k, len(gallery)), threads=1), len(gallery)
