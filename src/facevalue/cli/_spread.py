"""Work spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def spread(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give the `map` of so many processes, of which each computes in one thread; 0 takes one a core."""
    import multiprocessing
    import os
    from concurrent.futures import ProcessPoolExecutor

    from facevalue.annotate.engine import cores

    workers = workers or cores()
    if workers == 1:
        yield map
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.map
