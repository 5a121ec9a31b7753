"""The batch function on Ray: actors open each net once, on this machine or on a cluster, and are fed from here.

Actors and a loop of our own, and not Ray Data's `map_batches`: what is asked of an engine here (work drawn as it is used,
every batch back exactly once, a photo that kills its worker told) was measured on both with Ray 2.60, two workers, and
batches of 10 ms that come from a generator (`python benchmarks/ray_engine.py --ray-data`):

- Ray Data joins what a source yields to blocks of 128 MiB. The first of 1000 batches came back when the last was measured:
  a run that is killed has written nothing.
- With blocks of one batch it draws some 170 batches ahead, and costs 17 ms a batch beside its measuring.
- A photo that kills its worker is tried again without end; told not to try again, the block is left out of the result, and
  only a line in a log says so.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

from facevalue import models
from facevalue.annotate import instruments
from facevalue.annotate.engine import Batch
from facevalue.annotate.measure import Measured, Measurer, PhotoRow, Settings, Task
from facevalue.data.errors import RunError
from facevalue.data.faces import concatenate

AHEAD = 2
BIRTHS = 3
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
OURS = "FACEVALUE_"


def ray_engine(
    settings: Settings, work: Iterable[Batch], *, workers: int = 0, address: str | None = None, gpus: float = 0.0
) -> Iterator[tuple[int, Measured]]:
    """Yield the results of batches as they end, measured by actors of a Ray cluster.

    A batch is drawn when a worker has room for it; each has at most `AHEAD` of them. A worker that dies is replaced, and
    the photos that it had are measured one at a time; a photo that ends its worker again becomes a row with the reason
    "crashed". Every batch that was drawn comes out once.

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
        crew = _Crew(ray, settings, workers or int(resources["CPU"]), gpus)
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
        except Exception as error:  # told by `opened`: an error raised here would look like a worker that died
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
        self._ray, self._settings, self._gpus = ray, settings, gpus
        self._environment = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
        self._opening: dict[Any, Any] = {}
        self._alive: list[Any] = []
        self._room: deque[Any] = deque()
        self._under_way: dict[Any, tuple[Any, Batch]] = {}
        self._stillborn = 0
        for _ in range(workers):
            self._hire()

    def measured(self, work: Iterator[Batch]) -> Iterator[tuple[int, Measured]]:
        """Yield every batch once; one is drawn when there is room for it."""
        more = True
        while True:
            while more and self._room:
                if batch := next(work, None):
                    worker = self._room.popleft()
                    self._under_way[worker.measure.remote(batch[1])] = worker, batch
                more = batch is not None
            if not more and not self._under_way:
                return
            (done,), _ = self._ray.wait([*self._under_way, *self._opening], num_returns=1)
            if done in self._opening:
                self._begin(done)
            elif (measured := self._finish(done)) is not None:
                yield measured

    def dismiss(self) -> None:
        """End all actors, also those that still wait for room."""
        for worker in (*self._alive, *self._opening.values()):
            self._ray.kill(worker)

    def _hire(self) -> None:
        worker = _actor(self._ray, self._settings, self._environment, num_cpus=1, num_gpus=self._gpus)
        self._opening[worker.opened.remote()] = worker

    def _begin(self, done: Any) -> None:
        """Give a worker room for batches once its nets are open."""
        worker = self._opening.pop(done)
        if _is_open(self._ray, done):
            self._stillborn = 0
            self._alive.append(worker)
            self._room.extend([worker] * AHEAD)
            return
        self._stillborn += 1
        if self._stillborn == BIRTHS:
            raise RunError(f"{BIRTHS} workers died one after another while they opened their instruments; is there memory?")
        self._hire()

    def _finish(self, done: Any) -> tuple[int, Measured] | None:
        """Return the result of a batch; if its worker died, send its photos off to be measured one at a time."""
        worker, batch = self._under_way.pop(done)
        measured = _result(self._ray, done)
        if measured is not None:
            self._room.extend([worker] if worker in self._alive else [])
            return batch[0], measured
        if worker is None:
            raise RunError("machines of the cluster die again and again; what was measured is safe: give the command again")
        if worker in self._alive:
            self._alive.remove(worker)
            self._room = deque(other for other in self._room if other is not worker)
            self._ray.kill(worker)
            self._hire()
        alone = self._ray.remote(num_cpus=0)(_alone)
        self._under_way[alone.remote(self._settings, self._environment, batch[1])] = None, batch
        return None


def _alone(settings: Settings, environment: Mapping[str, str], tasks: list[Task]) -> bytes:
    """Measure photos whose worker died, one at a time: one that ends its worker again becomes a row that says so."""
    import ray

    parts, worker = list[Measured](), None
    for task in tasks:
        worker = worker or _opened(ray, settings, environment)
        measured = _result(ray, worker.measure.remote([task]))
        if measured is None:
            worker, row = None, PhotoRow(task.photo.path, why="crashed", detector=models.card(settings.detector).source)
            measured = Measured((row,), instruments.blank(settings.detector, settings.instruments, level=settings.level))
        parts.append(measured)
    if worker is not None:
        ray.kill(worker)
    rows = tuple(row for part in parts for row in part.photos)
    return pickle.dumps(Measured(rows, concatenate([part.faces for part in parts])))


def _opened(ray: Any, settings: Settings, environment: Mapping[str, str]) -> Any:
    """Return a worker beside the others; it takes no core of the cluster's count, so that it never waits for one."""
    for _ in range(BIRTHS):
        worker = _actor(ray, settings, environment, num_cpus=0)
        if _is_open(ray, worker.opened.remote()):
            return worker
    raise RunError(f"{BIRTHS} workers died one after another while they opened their instruments; is there memory?")


def _actor(ray: Any, settings: Settings, environment: Mapping[str, str], **resources: float) -> Any:
    made = ray.remote(max_restarts=0, max_task_retries=0, **resources)(Worker)
    return made.remote(settings, version("facevalue"), environment)


def _is_open(ray: Any, opened: Any) -> bool:
    """Return False for a worker that died on the way; raise what it says of its instruments."""
    try:
        failure = ray.get(opened)
    except ray.exceptions.RayActorError:
        return False
    if failure:
        raise RunError(failure)
    return True


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
    place = None if address else tempfile.mkdtemp(prefix="fv-", dir="/tmp" if Path("/tmp").is_dir() else None)
    ours = {} if address else {"num_cpus": workers, "include_dashboard": False, "_temp_dir": place}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **ours)
        yield ray
    except ConnectionError as error:
        where = f"expected a Ray cluster at {address}; none answers"
        raise RunError(f"{where}: start one (ray start --head), or leave --address out") from error
    finally:
        ray.shutdown()
        if place:
            shutil.rmtree(place, ignore_errors=True)
