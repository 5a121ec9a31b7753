"""How fast facevalue is beside a peer or a limit, measured in one run: a row, and the file that `table.py` reads."""

import csv
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = ("what", "peer", "unit", "facevalue", "beside", "times", "note", "script", "busy", "stack")
SECONDS = "s"
BEFORE = os.getloadavg()[0]


class Ratio(NamedTuple):
    """What both did, in seconds, or in things a second such as "photos/s"; `note` says what else differs."""

    what: str
    peer: str
    unit: str
    facevalue: float
    beside: float
    note: str = ""

    @property
    def times(self) -> float:
        """How many times as fast facevalue is; below 1 it is slower."""
        return self.beside / self.facevalue if self.unit == SECONDS else self.facevalue / self.beside

    def cells(self) -> tuple[str, ...]:
        numbers = (f"{number:.4g}" for number in (self.facevalue, self.beside, self.times))
        return (self.what, self.peer, self.unit, *numbers, self.note)

    def sentence(self) -> str:
        what, peer, unit, facevalue, beside, times, note = self.cells()
        return f"{what}: facevalue {facevalue} {unit}, {peer} {beside} {unit}: {times} times{f' ({note})' if note else ''}"


def busy() -> bool:
    """Whether the machine had more to do than its cores can when this process began; a benchmark just before is not."""
    return 1.5 * (os.cpu_count() or 1) < BEFORE


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def stack(*packages: str, more: str = "") -> str:
    """Return processor, cores, threads and the versions of packages; those of a peer's own environment are `more`."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    found = [processor(), f"{os.cpu_count()} cores", f"OMP_NUM_THREADS {threads}", f"Python {platform.python_version()}"]
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join([*found, more] if more else found)


def write_ratios(name: str, ratios: Sequence[Ratio], *, on: str, folder: Path = RESULTS) -> Path:
    """Print the ratios of `benchmarks/<name>.py`, write them into `fast_<name>.csv`, and return its path."""
    path = folder / f"fast_{name}.csv"
    marked = "yes" if busy() else ""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for ratio in ratios:
            table.writerow([*ratio.cells(), f"benchmarks/{name}.py", marked, on])
            print(ratio.sentence(), flush=True)
    return path
