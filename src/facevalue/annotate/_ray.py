"""The batch function on Ray: actors open each net once, on this machine or on a cluster, and are fed from here.

Actors and a loop of our own, and not Ray Data's `map_batches`: what is asked of an engine here (work drawn as it is used,
every batch back exactly once, a photo that kills its worker told) was measured on both, with Ray 2.60, two workers and 1000
batches of 10 ms out of a generator (`python benchmarks/ray_engine.py PHOTOS --ray-data`):

- Ray Data joins what a source yields to blocks of 128 MiB. The first batch came back when the last was measured: a run
  that is killed has written nothing.
- With blocks of one batch, it drew up to 170 batches ahead, and took 22 s where this loop took 7.
- A photo that kills its worker is tried again without end. Told not to try again, Ray Data leaves the block out of the
  result, and only a line in a log says so.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import cv2

from facevalue.annotate.engine import Batch
from facevalue.annotate.measure import Measured, Measurer, Settings, Task, crashed, joined
from facevalue.data.errors import RunError

AHEAD = 2
BIRTHS = 3
PATIENCE = 10
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
OURS = "FACEVALUE_"
SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


def ray_engine(
    settings: Settings, work: Iterable[Batch], *, workers: int = 0, address: str | None = None, gpus: float = 0.0
) -> Iterator[tuple[int, Measured]]:
    """Yield the results of batches as they end, measured by actors of a Ray cluster.

    A batch is drawn when a worker has room for it; each has at most `AHEAD` of them. A worker that dies is replaced, and
    the photos that it had are measured one at a time by a worker that has nothing else; a photo that ends its worker again
    becomes a row with the reason "crashed". Every batch that was drawn comes out once.

    Parameters
    ----------
    settings
        What to do with each photo.
    work
        Numbered batches. Photos travel as paths, which every machine must be able to read.
    workers
        At most so many actors, each with one core; 0 takes one a core of the cluster. Those for which the cluster has no
        room yet wait, and the others work.
    address
        Of a running cluster: "host:6379", "ray://host:10001", or "auto" for the one on this machine. None uses a
        connection that is open already, or starts a cluster on this machine and ends it.
    gpus
        Share of a GPU, in [0, 1], that each actor reserves.

    Raises
    ------
    RunError
        Ray is not installed, no cluster answers at the address or it has no GPU that was asked for, a worker cannot open
        its instruments or has another version of facevalue.
    """
    settings = replace(settings, chips=settings.chips and os.path.abspath(settings.chips))
    with _connected(address, workers or None) as ray:
        resources = ray.cluster_resources()
        if gpus > resources.get("GPU", 0):
            raise RunError(f"expected a cluster with {gpus:g} GPU a worker; it has {resources.get('GPU', 0):g}: ask for none")
        crew = _Crew(ray, settings, workers or int(resources.get("CPU", 1)), gpus)
        try:
            yield from crew.measured(iter(work))
        finally:
            crew.dismiss()


class Worker:
    """What an actor does: open the nets once, measure batches.

    Parameters
    ----------
    settings
        What to do with each photo.
    release
        Version of facevalue that the other side has.
    environment
        Variables of the other side, which hold where this machine has none of that name.
    """

    def __init__(self, settings: Settings, release: str, environment: Mapping[str, str]) -> None:
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        cv2.setNumThreads(1)
        self.failure = ""
        if release != version("facevalue"):
            self.failure = f"expected facevalue {release} on every machine; a worker has {version('facevalue')}"
            return
        try:
            self.measurer: Measurer = settings.open()
        except Exception as error:  # told by `opened`: an error raised here would look like a death
            self.failure = f"a worker cannot open its instruments: {type(error).__name__}: {error}"

    def opened(self) -> str:
        """Return why the nets could not be opened, or nothing."""
        return self.failure

    def measure(self, tasks: list[Task]) -> bytes:
        """Return what came of a batch, pickled: out of Ray's own store arrays come read-only, and hold its memory."""
        return pickle.dumps(self.measurer(tasks), protocol=pickle.HIGHEST_PROTOCOL)


class _Crew:
    """The actors, and what they have under way."""

    def __init__(self, ray: Any, settings: Settings, workers: int, gpus: float) -> None:
        self._ray, self._settings = ray, settings
        actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(Worker)
        environment = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
        self._actor = functools.partial(actor.remote, settings, version("facevalue"), environment)
        self._opening: dict[Any, Any] = {}
        self._alive: list[Any] = []
        self._room: deque[Any] = deque()  # a worker stands here once for each batch that it can take
        self._under_way: dict[Any, tuple[Any, Batch]] = {}
        self._suspects: deque[tuple[int, Task]] = deque()
        self._parts: dict[int, list[Measured]] = {}
        self._tester: Any = None
        self._stillborn = 0
        for _ in range(workers):
            self._hire()

    def measured(self, work: Iterator[Batch]) -> Iterator[tuple[int, Measured]]:
        """Yield every batch once; one is drawn when there is room for it."""
        while self._feed(work) or self._under_way:
            (done,), _ = self._ray.wait([*self._under_way, *self._opening], num_returns=1)
            if done in self._opening:
                self._begin(done)
            elif (measured := self._finish(done)) is not None:
                yield measured

    def dismiss(self) -> None:
        """End all actors, also those that still wait for a core."""
        for worker in (*self._alive, *self._opening.values()):
            self._ray.kill(worker)

    def _feed(self, work: Iterator[Batch]) -> bool:
        """Give work to whoever has room, suspects first; return False once there is no more to draw."""
        while self._room:
            if self._suspects and self._tester is None:
                idle = next((worker for worker in self._room if self._room.count(worker) == AHEAD), None)
                if idle is None:
                    return True
                self._tester = idle
                self._room = deque(worker for worker in self._room if worker is not idle)
                self._test()
            elif batch := next(work, None):
                self._give(self._room.popleft(), batch)
            else:
                return False
        return True

    def _give(self, worker: Any, batch: Batch) -> None:
        self._under_way[worker.measure.remote(batch[1])] = worker, batch

    def _test(self) -> None:
        """Give the next suspect to the tester, which has nothing else under way; with none left it works like the others."""
        if self._suspects:
            number, task = self._suspects.popleft()
            self._give(self._tester, (number, [task]))
        else:
            self._room.extend([self._tester] * AHEAD)
            self._tester = None

    def _hire(self) -> None:
        worker = self._actor()
        self._opening[worker.opened.remote()] = worker

    def _begin(self, done: Any) -> None:
        """Give a worker room for batches once its nets are open."""
        worker = self._opening.pop(done)
        try:
            failure = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(worker)
            self._stillborn += 1
            if self._stillborn == BIRTHS:
                reason = str(error).strip().rpartition("\n")[2]
                raise RunError(f"{BIRTHS} workers in a row died before they had opened their instruments: {reason}") from error
            self._hire()
            return
        if failure:
            raise RunError(failure)
        self._stillborn = 0
        self._alive.append(worker)
        self._room.extend([worker] * AHEAD)

    def _finish(self, done: Any) -> tuple[int, Measured] | None:
        """Return what came of a batch, unless its worker died or some of its photos are still to be tested."""
        worker, (number, tasks) = self._under_way.pop(done)
        measured, tested = _result(self._ray, done), worker is self._tester
        if measured is None and worker in self._alive:
            self._bury(worker)
        if tested:
            return self._tested(number, measured or crashed(self._settings, tasks[0]))
        if measured is None:
            self._suspects.extend((number, task) for task in tasks)
            return None
        self._room.extend([worker] if worker in self._alive else [])
        return number, measured

    def _tested(self, number: int, measured: Measured) -> tuple[int, Measured] | None:
        """Keep the result of a suspect, and return its batch if it was the last of it."""
        self._parts.setdefault(number, []).append(measured)
        whole = not (self._suspects and self._suspects[0][0] == number)
        if self._tester is not None:
            self._test()
        return (number, joined(self._parts.pop(number))) if whole else None

    def _bury(self, worker: Any) -> None:
        """Take a dead worker off the lists, one that only cannot be reached ended first, and hire another."""
        self._ray.kill(worker)
        self._alive.remove(worker)
        self._room = deque(other for other in self._room if other is not worker)
        if worker is self._tester:
            self._tester = None
        self._hire()


def _result(ray: Any, done: Any) -> Measured | None:
    """Return a result, None where its worker died or its machine was lost with it; raise what the worker raised."""
    try:
        measured: Measured = pickle.loads(ray.get(done))
        return measured
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError:
        return None


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Give Ray, connected; end what was begun here, and leave a connection that was there before as it is."""
    try:
        import ray
    except ImportError as error:
        raise RunError("the engine ray needs Ray: pip install 'facevalue[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with ExitStack() as stack:
        stack.enter_context(_unprinted())
        if address:
            stack.callback(ray.shutdown)
            _join(ray, address)
        else:
            # sockets lie in this folder, and their paths may have 107 characters at most
            place = tempfile.mkdtemp(prefix="fv-", dir="/tmp" if os.path.isdir("/tmp") else None)
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            stack.callback(ray.shutdown)
            _start(ray, workers, place)
        yield ray


@contextmanager
def _unprinted() -> Iterator[None]:
    """Log what a cluster reports, such as deaths: Ray would print it to stdout, where `--out -` writes, whatever it is told."""
    from ray._private import worker

    def log(data: Any, ignore_prefix: bool) -> None:
        logging.getLogger(__name__).info("%s", " ".join(data["lines"]))

    before = worker.print_to_stdstream
    worker.print_to_stdstream = log
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def _start(ray: Any, workers: int | None, place: str) -> None:
    try:
        ray.init("local", num_cpus=workers, include_dashboard=False, _temp_dir=place, **SILENT)
    except Exception as error:  # Ray raises a bare one where its node does not answer in time
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise RunError(
            f"expected Ray to start on this machine: {reason}; it may be busy: try again, or --engine local"
        ) from error


def _join(ray: Any, address: str) -> None:
    """Connect to a running cluster; Ray itself would try for minutes where nothing listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():
            socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
        ray.init(address, **SILENT)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        where = f"expected a Ray cluster at {address}: {reason}"
        raise RunError(f"{where}; start one (ray start --head), or leave --address out") from error
