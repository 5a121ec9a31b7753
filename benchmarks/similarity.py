"""Seconds of the matrix and of the exact search, beside plain numpy and usearch, in one run.

    python benchmarks/similarity.py [--rows 1000000] [--csv results/similarity.csv]      # writes results/fast_similarity.csv

Vectors are random, of 128 numbers. Memory is the peak of a process that does nothing else, less what its input takes.
"""

import argparse
import csv
import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np
from ratios import Ratio, stack, write_ratios

from facevalue.stats.search import nearest
from facevalue.stats.similarity import METRICS, similarity, unit

D, K, QUERIES, SIDE = 128, 10, 1000, 10_000
REPEATS = 3


def vectors(n: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    out = np.empty((n, D), np.float32)
    for start in range(0, n, 50_000):
        out[start : start + 50_000] = unit(draw.standard_normal((min(50_000, n - start), D), dtype=np.float32))
    return out


def matrix(metric: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return similarity(a, b, metric=metric)


def numpy_matrix(metric: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the same, as one would write it in a line or two."""
    if metric == "euclidean":
        return np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0))
    cosine = (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T
    if metric == "cosine":
        return cosine
    return np.sqrt(np.maximum(2 - 2 * cosine, 0)) if metric == "euclidean_l2" else np.arccos(cosine.clip(-1, 1)) / np.pi


def search(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    return nearest(queries, gallery, k=K).index


def numpy_search(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Return the k best of argpartition, a hundred queries at a time: all at once, the scores take 4 GB."""
    out = []
    for start in range(0, len(queries), 100):
        scores = queries[start : start + 100] @ gallery.T
        top = np.argpartition(-scores, K, axis=1)[:, :K]
        out.append(np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, 1), axis=1), 1))
    return np.concatenate(out)


def usearch_search(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    from usearch.index import MetricKind
    from usearch.index import search as exact

    return np.asarray(exact(gallery, queries, K, MetricKind.IP, exact=True, threads=os.cpu_count() or 1).keys)


CONTENDERS = {
    "facevalue": {"matrix": matrix, "search": search},
    "numpy": {"matrix": numpy_matrix, "search": numpy_search},
    "usearch exact": {"search": usearch_search},
}


def measured(task: str, who: str, metric: str, rows: int) -> tuple[float, float, np.ndarray]:
    """Return the least seconds of some runs, the memory in MB that they took beyond the input, and the answer."""
    given = [vectors(SIDE, seed) for seed in (0, 1)] if task == "matrix" else [vectors(QUERIES, 0), vectors(rows, 1)]
    call = CONTENDERS[who][task]
    words = (metric, *given) if task == "matrix" else tuple(given)
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    answer = np.empty(0)
    for _ in range(REPEATS if task == "matrix" else 1):
        del answer
        start = time.perf_counter()
        answer = call(*words)
        seconds.append(time.perf_counter() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return min(seconds), memory, answer[:50]


def ratios(table: list[tuple[str, ...]]) -> list[Ratio]:
    """Return the cosines and the search beside each other contender."""
    seconds, found = {row[:2]: float(row[2]) for row in table}, list[Ratio]()
    for task, who, _, memory, _, agrees in table:
        told = {"cosine": f"`similarity`, cosines of {D} numbers, {task[7:]}", "top-10": f"`find`, {task}"}.get(task.split()[0])
        if told and who != "facevalue":
            note = f"the same in {float(agrees):.2%}, {int(memory):,} MB"
            found.append(Ratio(told, who, "s", seconds[task, "facevalue"], seconds[task, who], note))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    on = stack("numpy", "usearch")
    print(on)
    tasks = [("matrix", f"{metric} {SIDE:,} x {SIDE:,}", metric) for metric in METRICS]
    tasks.append(("search", f"top-{K} of {QUERIES:,} in {given.rows:,}", ""))
    table = list[tuple[str, ...]]()
    for task, label, metric in tasks:
        ours: tuple[float, np.ndarray] | None = None
        for who in (name for name, calls in CONTENDERS.items() if task in calls):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, memory, answer = pool.apply(measured, (task, who, metric, given.rows))
            first, reference = ours = ours or (seconds, answer)
            agrees = np.mean(np.isclose(reference, answer, atol=1e-3) if task == "matrix" else reference == answer)
            table.append((label, who, f"{seconds:.3f}", f"{memory:.0f}", f"{seconds / first:.2f}", f"{agrees:.4f}"))
            print("{:36} {:14} {:>8} s  {:>6} MB  {:>6} of facevalue's time, {} of its answers".format(*table[-1]))
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["task", "contender", "seconds", "peak_mb_beyond_input", "ratio_to_facevalue", "agreement", "stack"]
            )
            writer.writerows((*row, on) for row in table)
    write_ratios("similarity", ratios(table), on=on)


if __name__ == "__main__":
    main()
