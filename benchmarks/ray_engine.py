"""Photos a second on Ray: two workers against one, and against the local engine, in one run; and what the engines cost.

    python benchmarks/ray_engine.py PHOTOS_FOLDER [--photos 200] [--repeats 3] [--csv results/ray_engine.csv] [--ray-data]

The folder's photos are taken again under other names until there are so many. "Started" is until all nets are open: until
the first batch is back. Rates are given from there on, and in all; the least of the repeats counts, and repeats alternate.
Then the cost of the engines alone: batches in which a worker sleeps 10 ms and measures nothing. `--ray-data` gives the same
batches to Ray Data, through a source that draws them from a queue. Needs the extra `ray`; two idle cores.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from facevalue import models
from facevalue.annotate import engine, instruments
from facevalue.annotate._ray import _connected, ray_engine
from facevalue.annotate.instruments import DEFAULT, ordered
from facevalue.annotate.measure import Measured, Settings, Task
from facevalue.data.photos import Photo

NAP, NAPS = 0.01, 1000
ENGINES: dict[str, Callable[..., Iterator[tuple[int, Measured]]]] = {"ray": ray_engine, "processes": engine.processes}


class Napping(Settings):
    """Opens what sleeps through a batch, and ends its process where a photo is called fatal."""

    __slots__ = ()

    def open(self) -> Any:
        blank = instruments.blank("fake_detector", ())

        def nap(tasks: list[Task]) -> Measured:
            if tasks[0].photo.path == "fatal":
                os._exit(1)
            time.sleep(NAP)
            return Measured((), blank)

        return nap


def naps(n: int = NAPS, fatal: int = -1) -> Iterator[engine.Batch]:
    for i in range(n):
        yield i, [Task(Photo("fatal" if i == fatal else f"{i}.jpg", f"/photos/{i}.jpg"))] * engine.BATCH


def photos(folder: Path, n: int) -> list[Task]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return [Task(Photo(f"{i}/{paths[i % len(paths)].name}", str(paths[i % len(paths)].resolve()))) for i in range(n)]


def timed(results: Iterator[tuple[int, Measured]]) -> tuple[float, float, int, int]:
    """Return the seconds until the first batch and from it to the last, the photos after the first batch, and all faces."""
    start = time.perf_counter()
    _, measured = next(results)
    first, faces, rest = time.perf_counter(), len(measured.faces), 0
    for _, measured in results:
        last = time.perf_counter()
        faces, rest = faces + len(measured.faces), rest + len(measured.photos)
    return first - start, last - first, rest, faces


def measuring(given: argparse.Namespace) -> list[tuple[str, ...]]:
    """Print and return a row an engine and a number of workers."""
    tasks = photos(given.folder, given.photos)
    settings = Settings(instruments=ordered(DEFAULT))
    for name in settings.models:
        models.prepare(name)
    contenders = [(name, workers) for name in ENGINES for workers in (1, 2)]
    best: dict[tuple[str, int], tuple[float, float]] = {}
    for _ in range(given.repeats):
        for name, workers in contenders:
            results = ENGINES[name](settings, engine.batches(tasks, size=engine.BATCH), workers=workers)
            started, seconds, rest, faces = timed(results)
            known = best.get((name, workers), (0.0, 0.0))
            best[name, workers] = max(known[0], rest / seconds), max(known[1], len(tasks) / (started + seconds))
    rows = []
    for name, workers in contenders:
        after, whole = best[name, workers]
        ratios = after / best[name, 1][0], whole / best[name, 1][1], after / best["processes", workers][0]
        rows.append((name, str(workers), str(faces), f"{after:.2f}", f"{whole:.2f}", *(f"{ratio:.3f}" for ratio in ratios)))
        print("{:10} {} workers, {} faces: {:>6} photos/s once started, {:>6} in all".format(*rows[-1][:5]), end="; ")
        print("{} ({} in all) of one worker, {} of as many processes".format(*rows[-1][5:]))
    return rows


def idle() -> None:
    """Print what an engine costs beside the measuring."""
    settings = Napping("fake_detector", ())
    for name, map_batches in ENGINES.items():
        results = map_batches(settings, naps(), workers=2)
        list(islice(results, 20))
        start, cpu = time.perf_counter(), time.process_time()
        rest = sum(1 for _ in results)
        wall, cpu = (time.perf_counter() - start) / rest, (time.process_time() - cpu) / rest
        print(
            f"{name}: {1e3 * wall:.2f} ms a batch, of which {1e3 * NAP / 2:.0f} are measuring on two workers; "
            f"{1e3 * cpu:.2f} ms of the driver's core, which is {1 / cpu:,.0f} batches a second at most"
        )


def ray_data(n: int, *, block: int | None, fatal: int = -1, patience: float = 60, **options: Any) -> None:
    """Print how Ray Data fares with the same batches."""
    import pyarrow as pa
    import ray
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask, read_datasource
    from ray.data.block import BlockMetadata

    context = DataContext.get_current()
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    if block:
        context.target_max_block_size = block

    class Feed:
        def __init__(self) -> None:
            self.drawn = 0

        def next(self) -> int | None:
            if self.drawn == n:
                return None
            self.drawn += 1
            return self.drawn - 1

        def count(self) -> int:
            return self.drawn

    feed = ray.remote(num_cpus=0)(Feed).remote()

    class Source(Datasource):
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
            def read() -> Iterator[pa.Table]:
                while (number := ray.get(feed.next.remote())) is not None:
                    yield pa.table({"number": [number], "faces": [b"x" * 20_000]})

            return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))]

    class Nap:
        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            if batch["number"][0] == fatal:
                os._exit(1)
            time.sleep(NAP)
            return batch

    source = read_datasource(Source(), override_num_blocks=1, num_cpus=0)
    mapped = source.map_batches(
        Nap, batch_size=1, batch_format="numpy", compute=ActorPoolStrategy(size=2), num_cpus=1, **options
    )
    start, came = time.perf_counter(), list[tuple[int, float, int]]()

    def consume() -> None:
        for batch in mapped.iter_batches(batch_size=1, prefetch_batches=0):
            ahead = ray.get(feed.count.remote()) - len(came) if len(came) < 100 else 0
            came.append((int(batch["number"][0]), time.perf_counter() - start, ahead))

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    thread.join(patience)
    ended = "ended" if not thread.is_alive() else f"had not ended after {patience:.0f} s"
    lost = sorted(set(range(n)) - {number for number, _, _ in came})
    print(
        f"Ray Data, blocks of {f'{block} byte' if block else 'its own size'}, {options or 'its own retries'}: the first of {n} "
        f"back after {came[0][1]:.1f} s with {came[0][2]} drawn, at most {max(ahead for _, _, ahead in came)} drawn ahead, "
        f"the last after {came[-1][1]:.1f} s; {ended}, lost {lost}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--ray-data", action="store_true")
    given = parser.parse_args()
    stack = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    stack += "".join(f", {name} {version(name)}" for name in ("ray", "onnxruntime"))
    print(f"{stack}; {given.photos} photos of {given.folder.name}, the best of {given.repeats}")
    rows = measuring(given)
    idle()
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            names = ["engine", "workers", "faces", "photos_a_second_started", "photos_a_second_in_all", "ratio_to_one"]
            writer.writerow([*names, "ratio_to_one_in_all", "ratio_to_processes", "stack"])
            writer.writerows((*row, stack) for row in rows)
    if given.ray_data:
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        with _connected(None, 4):
            ray_data(NAPS, block=None)
            ray_data(NAPS, block=1)
            ray_data(200, block=1, fatal=7, max_task_retries=0)
            ray_data(200, block=1, fatal=7, patience=30)


if __name__ == "__main__":
    main()
