"""The files of `facevalue similarity --top`: the pairs most alike, what is said on the whole, and all means if asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.files import replacing, write_findings
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.report.people import interval, measures, outcome_table, outcomes, sentences, write_table
from facevalue.stats.mean_cosine import Sums, write_mean_cosines

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Result:
    """What was found.

    Parameters
    ----------
    table
        A row a pair, the most alike first.
    findings
        What became of the photos, and the means of all.
    people
        The photos.
    model
        Whose embeddings were compared.
    names, sums
        Of all people compared.
    """

    table: pa.Table
    findings: Findings
    people: People
    model: str
    names: np.ndarray
    sums: Sums


def write_most_alike(
    result: Result, out: Path, *, matrix: bool = False, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[str]:
    """Write top.csv, top.parquet, findings and the photos into a folder; return the files' names.

    Parameters
    ----------
    result
        What was found.
    out
        Folder, which is there.
    matrix
        Write similarity.npy too, (p, p) float32, row by row and never whole in memory, and names.csv with whose rows they are.
    progress
        Called with people done and people in all.

    Raises
    ------
    RunError
        The matrix does not fit the disk; nothing was written then.
    """
    if matrix:
        _check_disk(len(result.names), out)
    for suffix in ("csv", "parquet"):
        write_table(result.table, out / f"top.{suffix}")
        write_findings(result.findings, out / f"findings.{suffix}")
    write_table(outcome_table(result.people, [result.model]), out / "people.csv")
    files = ["top.csv", "top.parquet", "findings.csv", "findings.parquet", "people.csv"]
    if not matrix:
        return files
    import pyarrow as pa

    names = pa.table({"row": np.arange(len(result.names)), "person": result.names, "photos": result.sums.size})
    write_table(names, out / "names.csv")
    with replacing(out / "similarity.npy") as part:
        write_mean_cosines(result.sums, part, progress=progress)
    return [*files, "similarity.npy", "names.csv"]


def lines(result: Result) -> list[str]:
    """Return what the terminal says: the means with their intervals, the first pair, and what became of the photos."""
    found, told = measures(result.findings, "all"), list[str]()
    for name, words in (("mean_same", "one person"), ("mean_different", "two people"), ("gap", "gap")):
        row = found[name]
        value = "no person has two photos" if row["value"] is None else f"{row['value']:.4f}"
        told.append(f"{words:11} {value}" + (f"  {interval(row)} at {row['level']:g}" if interval(row) else ""))
    for pair in result.table.slice(0, 1).to_pylist():
        ends = interval(pair, 3)
        told.append(f"most alike  {pair['row']} and {pair['col']}: {pair['value']:.3f}" + (f" ({ends})" if ends else ""))
    told.append(f"{len(result.table)} pairs kept, the highest of all: their means tend to be too high")
    return [*told, *sentences(found, outcomes(result.people, result.model).reasons)]


def _check_disk(people: int, out: Path) -> None:
    needed, there = 4 * people**2, shutil.disk_usage(out).free
    if needed > there:
        raise RunError(
            f"{out}: expected room for the matrix of {people:,} people, {needed / 1e9:.1f} GB; {there / 1e9:.1f} GB are free: "
            "leave --matrix out"
        )
