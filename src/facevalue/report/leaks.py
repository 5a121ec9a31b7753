"""The files and the page of `facevalue leaks`: which files of a folder still give something away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevalue.data.files import write_findings, write_json
from facevalue.data.findings import Findings
from facevalue.data.leaks import KINDS, Audited, Leak, file_rows, leak_rows
from facevalue.report.page import Page, Picture, write_page
from facevalue.report.people import measures, write_table
from facevalue.report.references import WILSON

LISTED = 500
TOLD = ("path", "status", "kinds", "why")
PLACES = ("x1", "y1", "x2", "y2", "score", "similarity", "fmr", "fmr_low", "fmr_high")


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    files
        A row each.
    findings
        Of `facevalue.studies.leaks`.
    detectors
        That looked for faces.
    done
        What else was done, in sentences.
    cards
        Of the models.
    pictures
        Faces to show; none by default, since they are what was to be hidden.
    """

    files: Sequence[Audited]
    findings: Findings
    detectors: Sequence[str]
    done: Sequence[str] = ()
    cards: Sequence[Any] = ()
    pictures: Sequence[Picture] = ()


def write_leaks(result: Result, out: Path) -> list[str]:
    """Write files, leaks, findings and the page into a folder; return the files' names."""
    import pyarrow as pa

    rows, leaks = file_rows(result.files), leak_rows(result.files)
    write_table(pa.Table.from_pylist(rows, _schema(rows[0] if rows else {})), out / "files.csv")
    write_table(pa.Table.from_pylist(leaks, _leak_schema()), out / "leaks.csv")
    write_json({"files": rows, "leaks": leaks}, out / "leaks.json")
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    names = write_page(page(result), out / "leaks.html")
    return [*names, "files.csv", "leaks.csv", "leaks.json", "findings.csv", "findings.parquet"]


def _schema(row: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    return pa.schema([(name, pa.int64() if isinstance(value, int) else pa.string()) for name, value in row.items()])


def _leak_schema() -> Any:
    import pyarrow as pa

    names = list(leak_rows([Audited("", leaks=(Leak(""),))])[0])
    types = dict.fromkeys(PLACES, pa.float64()) | {"frame": pa.int64(), "allowed": pa.bool_()}
    return pa.schema([(name, types.get(name, pa.string())) for name in names])


def page(result: Result) -> Page:
    """Return the page."""
    found = digest(result)
    listed = [{name: row[name] for name in TOLD} for row in found["listed"]]
    own = {name: getattr(result, name) for name in ("detectors", "done", "pictures")}
    return Page("leaks", found | own | {"listed": listed, "files": len(result.files)}, cards=result.cards, references=[WILSON])


def _files(n: int) -> str:
    return f"{n} file{'s' * (n != 1)}"


def digest(result: Result) -> dict[str, Any]:
    """Return what the page and the terminal say.

    Returns
    -------
    dict
        `counts`: files by status. `share`: of files with leaks, a row of findings. `kinds`: a row a kind, with its meaning.
        `listed`: files with leaks, at most 500. `more`: how many there are beyond. `allowed`: kinds found that are no leak.
    """
    rows = file_rows(result.files)
    leaking = [row for row in rows if row["status"] != "clean"]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("clean", "leaks", "unreadable")}
    kinds = []
    for kind, about in KINDS.items():
        found = measures(result.findings, kind)
        if found:
            share = found["leaking"]
            counted = {"leaks": int(found["leaks"]["value"]), "having": _files(round(share["value"] * share["n"]))}
            kinds.append({"kind": kind, "about": about, "share": share, **counted})
    spared = Counter(kind for file in result.files for kind in {leak.kind for leak in file.leaks if leak.allowed})
    allowed = [f"{kind} in {_files(n)}" for kind, n in sorted(spared.items())]
    share = measures(result.findings, "all")["leaking"]
    more = max(0, len(leaking) - LISTED)
    return {"counts": counts, "share": share, "kinds": kinds, "listed": leaking[:LISTED], "more": more, "allowed": allowed}
