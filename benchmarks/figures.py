"""Figures of benchmarks beside their goals, and the table that they are written to."""

import csv
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facevalue.data.findings import Findings
from facevalue.stats.bootstrap import bootstrap_interval

LEVEL = 0.9
COLUMNS = ("part", "what", "measure", "value", "low", "high", "goal", "met", "method", "stack")
Ends = tuple[float, float]
NONE: Ends = (float("nan"), float("nan"))


class Figure(NamedTuple):
    """A number; its goal is a bound such as ">= 0.736", a range such as "0.88 to 0.92", or "low > 0" of the lower end."""

    what: str
    measure: str
    value: float
    ends: Ends = NONE
    goal: str = ""
    method: str = ""

    @property
    def met(self) -> str:
        """Whether the goal is: "yes", "no", or "" without one."""
        if not self.goal:
            return ""
        *first, sign, last = self.goal.split()
        value, bound = self.ends[0] if first == ["low"] else self.value, float(last)
        if sign == "to":
            return "yes" if float(first[0]) <= value <= bound else "no"
        known = {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}
        return "yes" if known[sign] else "no"

    def cells(self) -> tuple[str, ...]:
        numbers = ("" if np.isnan(number) else f"{number:.4g}" for number in (self.value, *self.ends))
        return (self.what, self.measure, *numbers, self.goal, self.met, self.method)

    def sentence(self) -> str:
        what, measure, value, low, high, goal, met, method = self.cells()
        within = f" ({low} to {high})" if low else ""
        return f"{what} | {measure}: {value or method}{within}{f'  [{goal}: {met}]' if goal else ''}"


def told(found: Findings, measure: str, group: str = "all") -> tuple[float, Ends]:
    """Return a finding with its ends."""
    at = np.flatnonzero((found.measure == measure) & (found.group == group))[0]
    return float(found.value[at]), (float(found.low[at]), float(found.high[at]))


def mean(values: np.ndarray) -> tuple[float, Ends]:
    """Return the mean of annotators' values with its interval over annotators."""
    low, high = bootstrap_interval(np.mean, values, level=LEVEL, seed=0)
    return float(values.mean()), (float(low), float(high))


def middle(what: str, measure: str, values: Sequence[float], *, goal: str = "", method: str = "") -> Figure:
    """Return the median, with the least and the most as its ends."""
    how = f"median of {len(values)}, least, most"
    return Figure(
        what, measure, float(np.median(values)), (min(values), max(values)), goal, f"{how}; {method}" if method else how
    )


def stack() -> str:
    """Return on what is measured; in the process that measures, for its threads."""
    import torch

    from facevalue.train.loop import device

    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {device()}"
    return f"{machine}, Python {platform.python_version()}, {versions}"


def joined(known: Sequence[Sequence[str]], found: Sequence[Sequence[str]], parts: Sequence[str]) -> list[Sequence[str]]:
    """Return known rows with those of the parts that were measured anew replaced, in the order of the parts."""
    anew = {row[0] for row in found}
    rows = [*(row for row in known if row[0] in parts and row[0] not in anew), *found]
    return sorted(rows, key=lambda row: parts.index(row[0]))


def write(found: Sequence[Sequence[str]], path: Path, parts: Sequence[str]) -> None:
    """Write rows into a table, in place of those of the same parts."""
    known = list[list[str]]()
    if path.exists():
        with path.open(newline="") as file:
            known = list(csv.reader(file))[1:]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *joined(known, found, parts)])
