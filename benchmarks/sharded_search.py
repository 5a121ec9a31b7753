"""Seconds and memory of the exact search over mapped shards, beside the bare product of matrices, and usearch.

    python benchmarks/sharded_search.py FOLDER [--rows 1000000 5000000] [--csv results/sharded_search.csv]

Vectors are random, of 128 numbers, in shards of a million, which are written into FOLDER (512 MB each) and stay there. The
floor is `queries @ block.T` alone, on as many threads, whose scores nobody looks at. Memory is the highest of the pages that
are a process's own (RssAnon), above those before: mapped pages, which the system takes back when it wants to, are not counted.
"""

import argparse
import csv
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from facevalue.stats.mean_cosine import most_alike, person_sums
from facevalue.stats.search import SPAN, TILE, merged, nearest
from facevalue.stats.similarity import cores, in_turn, unit

D, K, SHARD, QUERIES = 128, 10, 1_000_000, (1, 100)
PEOPLE = 20_000


def vectors(n: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    out = np.empty((n, D), np.float32)
    for start in range(0, n, 50_000):
        out[start : start + 50_000] = unit(draw.standard_normal((min(50_000, n - start), D), dtype=np.float32))
    return out


def shards(folder: Path, rows: int) -> list[Path]:
    """Return shards of so many rows in all; those that are there are taken."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"shard-{i:04d}.npy" for i in range(-(-rows // SHARD))]
    for i, path in enumerate(paths):
        if not path.exists():
            np.save(path, vectors(SHARD, i + 1))
    return paths


def one_pass(queries: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    return nearest(queries, pieces, k=K).index


def shard_by_shard(queries: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    return merged([nearest(queries, piece, k=K) for piece in pieces], list(map(len, pieces)), k=K).index


def floor(queries: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    def scores(block: np.ndarray) -> None:
        for start in range(0, len(queries), TILE):
            np.matmul(queries[start : start + TILE], block.T)

    blocks = [piece[start : start + SPAN] for piece in pieces for start in range(0, len(piece), SPAN)]
    with in_turn(cores()) as pool:
        list(pool.map(scores, blocks))
    return np.empty(0)


def usearch_exact(queries: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    from usearch.index import MetricKind, search

    keys, distance = [], []
    for start, piece in zip(np.cumsum([0, *map(len, pieces)]), pieces, strict=False):
        found = search(piece, queries, K, MetricKind.IP, exact=True, threads=cores())
        keys.append(np.atleast_2d(found.keys).astype(np.int64) + start)
        distance.append(np.atleast_2d(found.distances))
    order = np.argsort(np.concatenate(distance, 1), axis=1)[:, :K]
    return np.take_along_axis(np.concatenate(keys, 1), order, 1)


CONTENDERS: dict[str, Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]] = {
    "floor: product only": floor,
    "facevalue, one pass": one_pass,
    "facevalue, merged": shard_by_shard,
    "usearch exact": usearch_exact,
}


class Peak:
    """The highest own memory of this process while the block runs, in MB above that before."""

    def __enter__(self) -> "Peak":
        self.before, self.most, self.ended = own(), 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        while not self.ended.wait(0.005):
            self.most = max(self.most, own() - self.before)


def own() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measured(who: str, paths: Sequence[Path], rows: int, count: int) -> tuple[float, float, np.ndarray]:
    """Return the seconds of the second of two runs, its memory and its answer: the first reads what the second finds mapped."""
    pieces = [np.load(path, mmap_mode="r")[: rows - i * SHARD] for i, path in enumerate(paths)]
    queries, call = vectors(count, 0), CONTENDERS[who]
    call(queries, pieces)
    with Peak() as peak:
        start = time.perf_counter()
        answer = call(queries, pieces)
        seconds = time.perf_counter() - start
    return seconds, peak.most, answer


def people(count: int) -> tuple[float, float]:
    """Return seconds and memory of the ten pairs most alike of so many people."""
    sums = person_sums(vectors(count, 3), np.arange(count))
    with Peak() as peak:
        start = time.perf_counter()
        most_alike(sums, k=10)
        seconds = time.perf_counter() - start
    return seconds, peak.most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    stack = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, " + ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "usearch")
    )
    print(stack)
    table = []
    for rows, count in ((rows, count) for rows in given.rows for count in QUERIES):
        paths, base, reference = shards(given.folder, rows), 0.0, np.empty(0)
        for who in CONTENDERS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, memory, answer = pool.apply(measured, (who, paths, rows, count))
            base, reference = base or seconds, reference if len(reference) else answer
            agrees = f"{np.mean(reference == answer):.4f}" if len(answer) else ""
            label = f"top-{K} of {count:,} in {rows:,}"
            table.append((label, who, f"{seconds:.3f}", f"{memory:.0f}", f"{seconds / base:.2f}", agrees))
            print("{:28} {:20} {:>8} s {:>6} MB  {:>6} of the floor's time  {}".format(*table[-1]), flush=True)
    seconds, memory = people(PEOPLE)
    pairs = PEOPLE * (PEOPLE - 1) / 2
    label = f"10 most alike of {PEOPLE:,} people"
    table.append((label, "facevalue", f"{seconds:.3f}", f"{memory:.0f}", "", ""))
    print(f"{label:28} {'facevalue':20} {seconds:8.3f} s {memory:6.0f} MB  {seconds / pairs * 1e9:.2f} ns a pair")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["task", "contender", "seconds", "peak_mb_own", "ratio_to_floor", "agreement", "stack"])
            writer.writerows((*row, stack) for row in table)


if __name__ == "__main__":
    main()
