"""What a run costs beside measuring: a million photos through `run`, whose instrument is a fake that measures nothing.

    python benchmarks/bookkeeping.py [--photos 1000000] [--csv FILE]

Every photo has a name and rows, no bytes: what remains is drawing tasks, keeping parts, writing parquet and JSON, the page.
"""

import argparse
import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.annotate.instruments import blank
from facevalue.annotate.measure import Measured, PhotoRow, Settings, Task
from facevalue.annotate.run import Options, Summary, run
from facevalue.data.faces import Column, Faces
from facevalue.data.photos import Found, Photo
from facevalue.report.people import write_table


class Listed(Found):
    """Photos that are made when they are asked for, so that what is measured is the run and not the list."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Photo]:
        return (Photo(f"{i // 1000:06d}/{i:09d}.jpg", f"/nowhere/{i:09d}.jpg") for i in range(self.n))


@dataclass(frozen=True, slots=True)
class Pretended(Settings):
    """The settings of a run whose every photo has one face, but each tenth none, and each hundredth fails."""

    def open(self) -> Callable[[Sequence[Task]], Measured]:  # type: ignore[override]
        return self.measure

    def measure(self, tasks: Sequence[Task]) -> Measured:
        rows = tuple(self.row(task.photo.path) for task in tasks)
        seen = [row for row in rows if row.faces]
        none = blank(self.detector, self.instruments, level=self.level)
        columns = {}
        for name, column in none.columns.items():
            values = np.full((len(seen), *column.values.shape[1:]), 0.5, np.float32)
            columns[name] = Column(values, column.unit, column.source, labels=column.labels)
        ids, paths = (np.array([getattr(row, name) for row in seen], object) for name in ("sha256", "path"))
        n = len(seen)
        return Measured(rows, Faces(ids, np.ones((n, 4)), np.ones((n, 5, 2)), np.ones(n), columns, paths))

    def row(self, path: str) -> PhotoRow:
        kind = int(path[-7:-4]) % 100
        row = PhotoRow(path, hashlib.sha256(path.encode()).hexdigest(), 1, detector=self.detector)
        if kind == 0:
            return PhotoRow(path, why="truncated", detector=self.detector)
        status, why = ("no_face", "no_face") if kind % 10 == 0 else ("measured", "")
        return PhotoRow(path, row.sha256, 1, status, why, 64, 64, int(kind % 10 > 0), self.detector)


def megabytes() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def bookkept(n: int) -> tuple[Summary, dict[int, float], float]:
    """Return what came of n photos, the memory when a tenth, a half and all were done, and the processor's seconds."""
    held: dict[int, float] = {}

    def progress(done: int, total: int) -> None:
        for share in (10, 25, 50, 75, 100):
            if done >= total * share // 100:
                held.setdefault(share, megabytes())

    settings = Pretended("fake_detector", ("fake",))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        summary = run(Listed(n), Path(folder) / "out", settings, options=Options(1, gallery=False), progress=progress)
    return summary, held, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    n = options.photos
    summary, held, seconds = bookkept(n)
    pretended = Pretended("fake_detector", ("fake",))
    begun = time.process_time()
    for start in range(0, 8000, 8):
        pretended.measure([Task(photo) for photo in [Photo(f"000000/{i:09d}.jpg", "") for i in range(start, start + 8)]])
    fake = (time.process_time() - begun) * n / 8000
    counts = summary.photos, summary.faces, summary.status
    assert counts == (n, n * 9 // 10, {"measured": n * 9 // 10, "no_face": n * 9 // 100, "failed": n // 100}), counts
    memory = ", ".join(f"{size:.0f} MB at {share} %" for share, size in held.items())
    print(
        f"{n:,} photos, counts exact: {n / (seconds - fake):,.0f} rows a second a core ({seconds:.0f} s, the fake {fake:.0f} s)"
    )
    print(f"memory: {memory}; at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    if options.csv:
        import pyarrow as pa

        rows = {"photos": [n], "rows_a_second_a_core": [n / (seconds - fake)], "cpu_seconds": [seconds - fake]}
        rows |= {f"mb_at_{share}": [size] for share, size in held.items()}
        write_table(pa.table(rows | {"cores": [os.cpu_count()]}), options.csv)


if __name__ == "__main__":
    main()
