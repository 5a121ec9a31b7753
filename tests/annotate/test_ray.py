"""The engine on Ray: the same rows as at home, one of each, whatever dies. One local cluster serves the file."""

import os
import pickle
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facevalue.annotate import _ray, engine, instruments
from facevalue.annotate.measure import Measured, Measurer, PhotoRow, Settings, Task
from facevalue.annotate.run import Options, run
from facevalue.data.errors import RunError
from facevalue.data.photos import Photo

from .conftest import FAKE, broken, picture

EXPECTED = {f"{i}.png": 1 + i % 3 for i in range(60)}
ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'facevalue[ray]'")


class Telling(Measurer):
    """Measures, kills its process where a photo's name says so, and tells its process and its share of a GPU as reasons."""

    def __call__(self, tasks):
        for task in tasks:
            name = task.photo.path.partition(".")[0]
            if name == "fatal":
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "raises":
                raise ZeroDivisionError("a fault of the code")
        measured = super().__call__(tasks)
        gpus = ray.get_runtime_context().get_accelerator_ids()["GPU"]
        return replace(measured, photos=tuple(replace(row, why=f"{os.getpid()} {gpus}") for row in measured.photos))


class Deadly(Settings):
    """Opens a `Telling`; with no pixels allowed it dies while it opens."""

    __slots__ = ()

    def open(self):
        if not self.max_pixels:
            os.kill(os.getpid(), signal.SIGKILL)
        return Telling(self)


BLANK = instruments.blank(FAKE.detector, FAKE.instruments)
DEADLY = Deadly(FAKE.detector, FAKE.instruments)


def work(n: int, size: int = 4, special: dict[int, Photo] = {}) -> Iterator[engine.Batch]:  # noqa: B006
    tasks = (Task(special.get(i, Photo(f"{i}.png", "", picture(1 + i % 3)))) for i in range(n))
    return engine.batches(tasks, size=size)


def counts(results: list[tuple[int, Measured]]) -> dict[str, int]:
    """Return the faces by photo, after making sure that no photo and no batch came twice."""
    rows = [row for _, measured in results for row in measured.photos]
    faces = Counter(path for _, measured in results for path in measured.faces.path)
    assert len({row.path for row in rows}) == len(rows)
    assert len({number for number, _ in results}) == len(results)
    assert faces == Counter({row.path: row.faces for row in rows if row.faces})
    return {row.path: row.faces for row in rows}


@pytest.mark.parametrize(
    ("address", "reason"), [("auto", "Could not find"), ("127.0.0.1:1", ".*refused"), ("here", "Invalid address")]
)
def test_an_address_at_which_no_cluster_answers(address, reason):
    with pytest.raises(RunError, match=f"expected a Ray cluster at {address}: {reason}.*; start one"):
        list(_ray.ray_engine(FAKE, work(1), address=address))
    assert not ray.is_initialized()


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunError, match=r"the engine ray needs Ray: pip install 'facevalue\[ray\]'"):
        list(_ray.ray_engine(FAKE, work(1)))


def test_a_worker_of_another_version_says_so():
    said = _ray.Worker(FAKE, "0.0.0", {}).opened()
    assert said.startswith("expected facevalue 0.0.0 on every machine; a worker has ")


class Simulated:
    """Stands in for Ray: what is waited for ends in an order of chance, and workers die by chance or of fatal photos."""

    class Dead(Exception):
        """Takes the part of all of Ray's errors that tell of a death."""

    exceptions = SimpleNamespace(RayError=Dead, RayTaskError=ZeroDivisionError)

    def __init__(self, seed: int, *, deaths: float) -> None:
        self.chance, self.deaths, self.begun, self.busiest = random.Random(seed), deaths, 0, 0
        self.dead, self.ended = set[int](), set[int]()
        self.under_way: dict[tuple[int, int], Any] = {}

    def remote(self, **options: Any) -> Any:
        assert options == {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": 0, "max_task_retries": 0}
        return lambda _: SimpleNamespace(remote=self._actor)

    def _actor(self, *_: Any) -> Any:
        me = self.begun = self.begun + 1
        method = SimpleNamespace(remote=lambda tasks=None: self._call(me, tasks))
        return SimpleNamespace(opened=method, measure=method, me=me)

    def _call(self, actor: int, tasks: list[Task] | None) -> tuple[int, int]:
        assert actor not in self.ended
        ref = actor, self.chance.getrandbits(60)
        self.under_way[ref] = tasks
        self.busiest = max(self.busiest, sum(whose == actor for whose, _ in self.under_way))
        return ref

    def wait(self, refs: list[tuple[int, int]], *, num_returns: int) -> tuple[list[tuple[int, int]], list[Any]]:
        done = self.chance.choice(refs)
        return [done], [ref for ref in refs if ref != done]

    def get(self, ref: tuple[int, int]) -> bytes | str:
        tasks = self.under_way.pop(ref)
        fatal = any(task.photo.path.startswith("fatal") for task in tasks or [])
        if fatal or self.chance.random() < self.deaths:
            self.dead.add(ref[0])
        came_before = not fatal and self.chance.random() < 0.3
        if ref[0] in self.dead and not came_before:
            raise self.Dead("The actor died.")
        rows = tuple(PhotoRow(task.photo.path, status="no_face") for task in tasks or [])
        return "" if tasks is None else pickle.dumps(Measured(rows, BLANK))

    def kill(self, actor: Any) -> None:
        self.dead.add(actor.me)
        self.ended.add(actor.me)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_batch_comes_once_in_any_order_of_deaths(workers, monkeypatch):
    monkeypatch.setattr(_ray, "BIRTHS", 99)
    for seed in range(40):
        simulated, drawn, seen = Simulated(seed, deaths=0.08 * (seed % 2)), 0, dict[int, list[str]]()

        def counted() -> Iterator[engine.Batch]:
            nonlocal drawn
            for number, tasks in work(48, size=3, special={i: Photo(f"fatal{i}", "") for i in (4, 5, 44)}):
                drawn += 1
                yield number, tasks

        crew = _ray._Crew(simulated, FAKE, workers, 0.0)
        crashed = set[str]()
        for number, measured in crew.measured(counted()):
            assert number not in seen
            seen[number] = [row.path for row in measured.photos]
            crashed |= {row.path for row in measured.photos if row.why == "crashed"}
            waiting = {number for number, _ in crew._suspects} | set(crew._parts)
            assert drawn - len(seen) <= _ray.AHEAD * workers + len(waiting)
        fatal = {"fatal4", "fatal5", "fatal44"}
        names = [f"fatal{i}" if i in (4, 5, 44) else f"{i}.png" for i in range(48)]
        assert [name for number in sorted(seen) for name in seen[number]] == names
        assert simulated.busiest == _ray.AHEAD
        assert crashed >= fatal if simulated.deaths else crashed == fatal
        crew.dismiss()
        assert simulated.ended == set(range(1, simulated.begun + 1))


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start what the engine would start for itself, with a GPU that is none; see that it ends, and its files with it."""
    with pytest.MonkeyPatch.context() as patch:
        init, places = ray.init, []
        patch.setattr(ray, "init", lambda at, **given: places.append(given["_temp_dir"]) or init(at, num_gpus=1, **given))
        with _ray._connected(None, 2):
            assert ray.cluster_resources()["CPU"] == 2
            yield
    assert not ray.is_initialized()
    assert not Path(places[0]).exists()


@pytest.mark.usefixtures("cluster")
class TestCluster:
    def test_a_run_that_stops_and_goes_on_writes_the_same_bytes_as_the_local_engine(self, folder, tmp_path):
        def stopping(done: int, total: int) -> None:
            if done > total / 2:
                raise KeyboardInterrupt

        photos = folder(36)
        for name, data in broken().items():
            (photos / name).write_bytes(data)
        run([photos], tmp_path / "here", FAKE, options=Options(workers=1))
        on_ray = Options(workers=1, ray=engine.Ray())
        with pytest.raises(KeyboardInterrupt):
            run([photos], tmp_path / "ray", FAKE, options=on_ray, progress=stopping)
        assert 0 < run([photos], tmp_path / "ray", FAKE, options=on_ray).measured_now < 24
        for name in ("faces.parquet", "photos.parquet", "results.json"):
            assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()

    def test_work_is_drawn_as_it_is_used_and_workers_share_a_gpu_and_end_with_the_run(self):
        drawn: list[int] = []

        def counted() -> Iterator[engine.Batch]:
            for batch in work(400, size=1):
                drawn.append(batch[0])
                yield batch

        results, told = _ray.ray_engine(DEADLY, counted(), workers=2, gpus=0.5), list[str]()
        for out in range(1, 101):
            told += [row.why for row in next(results)[1].photos]
            assert len(drawn) - out <= 2 * _ray.AHEAD
        results.close()
        assert len(drawn) < 110
        assert {why.split(maxsplit=1)[1] for why in told} == {"['0']"}
        assert all(_ended(int(pid)) for pid in {why.split()[0] for why in told})

    def test_whatever_kills_a_worker_no_photo_is_lost_and_none_comes_twice(self, capfd):
        results, killed = [], 0
        special = {5: Photo("fatal.png", "", picture())}
        for number, measured in _ray.ray_engine(DEADLY, work(60, special=special), workers=1):
            results.append((number, measured))
            if len(results) == 8:
                killed = int(measured.photos[0].why.split()[0])
                os.kill(killed, signal.SIGKILL)
        assert killed
        assert counts(results) == {path: n for path, n in EXPECTED.items() if path != "5.png"} | {"fatal.png": 0}
        (crashed,) = (row for _, part in results for row in part.photos if row.why == "crashed")
        assert (crashed.path, crashed.status) == ("fatal.png", "failed")
        assert crashed.detector.startswith("fake_detector@")
        alone = dict(engine.here(FAKE, work(60), workers=1))
        for number in set(alone) - {1}:
            measured = dict(results)[number]
            assert [row.path for row in measured.photos] == [row.path for row in alone[number].photos]
            assert np.array_equal(measured.faces["fake.colour"].values, alone[number].faces["fake.colour"].values)
        assert capfd.readouterr() == ("", "")

    def test_what_a_worker_cannot_do_ends_the_run_with_one_line(self, monkeypatch):
        monkeypatch.setattr(_ray, "BIRTHS", 1)
        with pytest.raises(RunError, match="expected a cluster with 2 GPU a worker; it has 1: ask for none"):
            list(_ray.ray_engine(FAKE, work(4), workers=2, gpus=2))
        with pytest.raises(RunError, match="1 workers in a row died before they had opened their instruments: The actor"):
            list(_ray.ray_engine(replace(DEADLY, max_pixels=0), work(4), workers=1))
        with pytest.raises(RunError, match="a worker cannot open its instruments: UnknownName: no detector is called"):
            list(_ray.ray_engine(replace(FAKE, detector="no_such_detector"), work(4), workers=1))
        special = {1: Photo("raises.png", "", picture())}
        with pytest.raises(ZeroDivisionError, match="a fault of the code"):
            list(_ray.ray_engine(DEADLY, work(4, special=special), workers=1))


def _ended(pid: int) -> bool:
    """Return whether a process ends within ten seconds."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False
