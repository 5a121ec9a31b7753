"""Maps the batch function over batches: here, in threads or processes."""

from __future__ import annotations

import itertools
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.measure import Measured, Measurer, Settings, Task, crashed, joined
from facevalue.data.errors import RunError

BATCH = 8
Batch = tuple[int, list[Task]]
_measurer: Measurer | None = None
_failure = ""


@dataclass(frozen=True, slots=True)
class Ray:
    """A Ray cluster to measure on.

    Parameters
    ----------
    address
        Of a running cluster; None starts one on this machine.
    gpus
        Share of a GPU, in [0, 1], that each worker reserves.
    """

    address: str | None = None
    gpus: float = 0.0


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batches(tasks: Iterable[Task], *, size: int) -> Iterator[Batch]:
    """Yield numbered lists of at most `size` tasks."""
    part: list[Task] = []
    number = 0
    for task in tasks:
        part.append(task)
        if len(part) == size:
            yield number, part
            number, part = number + 1, []
    if part:
        yield number, part


def run(settings: Settings, work: Iterable[Batch], *, workers: int, ray: Ray | None = None) -> Iterator[tuple[int, Measured]]:
    """Yield the results of batches as they end: from processes where there is work for several, from this one, or from Ray.

    Parameters
    ----------
    settings
        What to do with each photo.
    work
        Numbered batches; they are drawn as they are needed, by the thread that asks for results.
    workers
        At most so many processes; 0 takes one a core, of this machine or of the cluster.
    ray
        The cluster; None measures on this machine.

    Raises
    ------
    UnknownName
        The detector is none.
    RunError
        There is no such cluster.
    """
    instruments.detector(settings.detector)
    work = iter(work)
    first = list(itertools.islice(work, workers or cores()))
    work = itertools.chain(first, work)
    if not first or len(first) == 1 and ray is None:
        yield from here(settings, work, workers=1) if first else ()
        return
    for name in settings.models:
        models.prepare(name)
    if ray is None:
        yield from processes(settings, work, workers=len(first))
    else:
        from facevalue.annotate._ray import ray_engine

        yield from ray_engine(settings, work, workers=workers, address=ray.address, gpus=ray.gpus)


def here(settings: Settings, work: Iterable[Batch], *, workers: int) -> Iterator[tuple[int, Measured]]:
    """Yield the results of batches as they end, measured by threads of this process.

    Decoding and the nets release the interpreter's lock; one copy of each net serves all threads.
    """
    measurer, work = settings.open(), iter(work)
    if workers == 1:
        yield from ((number, measurer(tasks)) for number, tasks in work)
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            for (number, _), future in _window(pool, measurer, work, limit=2 * workers):
                yield number, future.result()
    finally:
        cv2.setNumThreads(before)


def processes(settings: Settings, work: Iterable[Batch], *, workers: int) -> Iterator[tuple[int, Measured]]:
    """Yield the results of batches as they end, measured by processes that open each net once.

    A process that dies takes the batches under way with it: their photos are then measured one at a time, and a photo
    that kills its process again becomes a row with the reason "crashed".
    """
    work, lost = iter(work), [(0, list[Task]())]
    while lost:
        lost = []
        with _pool(settings, workers) as pool:
            for batch, future in _window(pool, _run, work, limit=2 * workers):
                if isinstance(future.exception(), BrokenProcessPool):
                    lost.append(batch)
                else:
                    yield batch[0], future.result()
        for number, tasks in lost:
            yield number, joined([_alone(settings, task) for task in tasks])


def _window(
    pool: Executor, function: Callable[[list[Task]], Measured], work: Iterator[Batch], *, limit: int
) -> Iterator[tuple[Batch, Future[Measured]]]:
    """Yield finished batches, with at most `limit` under way, so that memory stays flat however many there are."""
    under_way: dict[Future[Measured], Batch] = {}
    broken = False
    while True:
        while not broken and len(under_way) < limit and (batch := next(work, None)) is not None:
            try:
                under_way[pool.submit(function, batch[1])] = batch
            except BrokenProcessPool as error:
                broken, failed = True, Future[Measured]()
                failed.set_exception(error)
                under_way[failed] = batch
        if not under_way:
            return
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            broken = broken or isinstance(future.exception(), BrokenProcessPool)
            yield under_way.pop(future), future


def _pool(settings: Settings, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_open, initargs=(settings,)
    )


def _open(settings: Settings) -> None:
    """Make a worker of this process: leave Ctrl-C to the parent, end when the parent is gone, open the nets."""
    global _measurer, _failure
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    try:
        _measurer = settings.open()
    except Exception as error:  # told by the first batch: an error raised here would print its traceback and no more
        _failure = f"a worker cannot open its instruments: {type(error).__name__}: {error}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _run(tasks: list[Task]) -> Measured:
    if _measurer is None:
        raise RunError(_failure)
    return _measurer(tasks)


def _alone(settings: Settings, task: Task) -> Measured:
    with _pool(settings, 1) as pool:
        try:
            return pool.submit(_run, [task]).result()
        except BrokenProcessPool:
            return crashed(settings, task)
