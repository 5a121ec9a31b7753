"""The files and the page of `facevalue audit`: what is in a data set, who is in it twice, what is not sure, what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

from facevalue.data.files import write_findings, write_json
from facevalue.data.findings import Findings
from facevalue.report.audit_plots import differences, shares
from facevalue.report.audit_tables import (
    BESIDE,
    EVENED,
    KINDS,
    SHARE,
    SHARES,
    attributes,
    comparison_rows,
    conflict_rows,
    failure_rows,
    known,
    measured_rows,
    pivoted,
    suspect_counts,
    told,
)
from facevalue.report.page import Page, Picture, plain, write_page
from facevalue.report.people import counted, write_table

COMPOSITION, COMPARISON, SUSPECTS, CONFLICTS, FAILURES, SUBSET = (
    "composition",
    "difference",
    "suspects",
    "conflicts",
    "failures",
    "even_subset",
)
NOT_MEASURED = "not_measured"
LISTED, PAIRS, DRAWN, TOLD = 200, 8, 40, 4
WIDE, KINDS_OF_COPIES = 160, ("same_bytes", "near_duplicate")
PREDICTION_POWERED = (
    "Angelopoulos, A. N., Duchi, J. C., & Zrnic, T. (2023). PPI++: Efficient prediction-powered inference. arXiv:2311.01453."
)
MATRIX = (
    "Rogan, W. J., & Gladen, B. (1978). Estimating prevalence from the results of a screening test. American Journal of "
    "Epidemiology, 107(1), 71-76."
)
ENERGY = (
    "Székely, G. J., & Rizzo, M. L. (2013). Energy statistics: A class of statistics based on distances. Journal of "
    "Statistical Planning and Inference, 143(8), 1249-1272."
)
CLASSIFIER_TEST = (
    "Lopez-Paz, D., & Oquab, M. (2017). Revisiting classifier two-sample tests. International Conference on Learning "
    "Representations."
)
CUBE = "Deville, J.-C., & Tillé, Y. (2004). Efficient balanced sampling: The cube method. Biometrika, 91(4), 893-912."
RAKING = (
    "Deville, J.-C., & Särndal, C.-E. (1992). Calibration estimators in survey sampling. Journal of the American Statistical "
    "Association, 87(418), 376-382."
)


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    name
        Of the data set, as it was given.
    counts
        Photos, measured, no_face, failed; faces, people; "why REASON".
    findings
        Of all studies.
    suspects, conflicts, failed, people
        Tables, a mapping a row; all of the suspects' `kind`, `photo_a`, `photo_b`.
    subset
        Rows of path, keep and weight; none where no subset was asked for.
    judged
        What was required: requirement, verdict, value, low, high, level, why.
    code
        Exit code that it amounts to.
    pictures
        By path, of the suspects that are shown.
    about
        What the methods need: labels, level, seed, names of instruments.
    notes
        What else is to be said, in sentences.
    cards, references
        Of the instruments and the methods.
    """

    name: str
    counts: Mapping[str, int]
    findings: Findings
    suspects: Sequence[Mapping[str, Any]] = ()
    conflicts: Sequence[Mapping[str, Any]] = ()
    failed: Sequence[Mapping[str, Any]] = ()
    people: Sequence[Mapping[str, Any]] = ()
    subset: Sequence[Mapping[str, Any]] = ()
    judged: Sequence[Mapping[str, Any]] = ()
    code: int = 0
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    cards: Sequence[Any] = ()
    references: Sequence[str] = ()


def write_audit(result: Result, out: Path) -> list[str]:
    """Write the page, the findings and the tables into a folder; return the files' names."""
    names = write_page(page(result), out / "audit.html")
    for suffix in ("csv", "parquet"):
        write_findings(result.findings, out / f"findings.{suffix}")
        names.append(f"findings.{suffix}")
    for name, study in (("composition.csv", COMPOSITION), ("comparison.csv", COMPARISON)):
        (out / name).unlink(missing_ok=True)
        if (of := result.findings.study == study).any():
            write_findings(result.findings[of], out / name)
            names.append(name)
    tables = {"suspects": result.suspects, "conflicts": result.conflicts, "failures": result.failed, "people": result.people}
    for name, rows in (tables | {"subset": result.subset, "requirements": result.judged}).items():
        if rows:
            names.append(_written(rows, out / f"{name}.csv"))
        else:
            (out / f"{name}.csv").unlink(missing_ok=True)
    write_json(plain(_run(result)), out / "run.json")
    return [*names, "run.json"]


def _run(result: Result) -> dict[str, Any]:
    """Return what was run: command, versions, instruments, counts."""
    from importlib.metadata import version

    versions = {name: version(name) for name in ("facevalue", "numpy", "onnxruntime", "opencv-python-headless", "pyarrow")}
    cards = [{name: getattr(card, name) for name in ("name", "source", "licence")} for card in result.cards]
    return {**result.about, "versions": versions, "cards": cards, "counts": result.counts, "exit_code": result.code}


def _written(rows: Sequence[Mapping[str, Any]], path: Path) -> str:
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    write_table(pa.table({name: pa.array([row.get(name) for row in rows]) for name in names}), path)
    return path.name


def page(result: Result) -> Page:
    """Return the page."""
    found = digest(result)
    figures = {}
    for i, part in enumerate(found["attributes"]):
        part["figure"] = ""
        if "." not in part["name"] and 1 < len(part["cells"]) <= DRAWN and any(known(cell[SHARE]) for cell in part["cells"]):
            part["figure"] = f"composition_{i}_{_word(part['name'])}"
            figures[part["figure"]] = shares(part)
    if rows := [row["difference"] for row in found["dimensions"] if known(row["difference"])]:
        figures["comparison"] = differences(rows[:DRAWN], result.name)
    values = {name: getattr(result, name) for name in ("name", "counts", "about", "notes")}
    return Page("audit", values | found, figures, result.cards, result.references)


def digest(result: Result) -> dict[str, Any]:
    """Return what the page and the terminal show.

    Returns
    -------
    dict
        `accounted`: photos in, in one sentence. `attributes`: see there. `kinds`: of each kind of suspect its words, `n`, the
        `pairs` shown and how many are `hidden`. Tables of `suspect_counts`, `conflicts`, `failures`, `comparison`,
        `dimensions`, `evened`; rows `lacking`, `failed`, `conflicting`, `judged`; `more`: how many are not shown.
    """
    rows = [told(row) for row in result.findings.to_rows()]
    lacking = [row for row in rows if row["measure"] == NOT_MEASURED]
    of = dict[str, list[dict[str, Any]]]()
    for row in rows:
        if row["measure"] != NOT_MEASURED:
            of.setdefault(row["study"], []).append(row)
    return {
        "accounted": accounted(result.counts),
        "lacking": lacking,
        "attributes": attributes(of.get(COMPOSITION, [])),
        "measured": measured_rows(of.get(COMPOSITION, [])),
        "beside": BESIDE,
        "counted": [row for row in of.get(COMPOSITION, []) if row["group"] == "all"],
        "kinds": list(_kinds(result)),
        "suspect_counts": suspect_counts(of.get(SUSPECTS, [])),
        "conflicts": conflict_rows(of.get(CONFLICTS, [])),
        "conflicting": result.conflicts[:LISTED],
        **failure_rows(of.get(FAILURES, [])),
        "failed": result.failed[:LISTED],
        **comparison_rows(of.get(COMPARISON, [])),
        "evened": pivoted([row for row in of.get(SUBSET, []) if row["group"] not in ("all",) and row["measure"] in EVENED]),
        "costs": [row for row in of.get(SUBSET, []) if row["measure"] not in EVENED],
        "even_heads": EVENED,
        "kept": sum(bool(row["keep"]) for row in result.subset),
        "to_keep": len(result.subset),
        "judged": [{**row, **told(row)} for row in result.judged],
        "more": {"conflicting": max(len(result.conflicts) - LISTED, 0), "failed": max(len(result.failed) - LISTED, 0)},
    }


def _kinds(result: Result) -> Iterator[dict[str, Any]]:
    for kind, words in KINDS.items():
        pairs = [row for row in result.suspects if row["kind"] == kind]
        if pairs:
            shown = [_pair(pair, result) for pair in pairs[:PAIRS]]
            more = result.about.get("hidden", {}).get(kind, 0)
            hidden = len(pairs) + more - len(shown)
            counts = {"n": len(pairs) + more, "called": sum(bool(row["called"]) for row in pairs), "hidden": hidden}
            yield {"kind": kind, "words": words, "pairs": shown} | counts


def _pair(pair: Mapping[str, Any], result: Result) -> dict[str, Any]:
    """Return a pair of suspects with its numbers as text and its pictures."""
    texts: dict[str, Any] = {"cosine": ("similarity", "similarity"), "ratio_told": ("ratio", "ratio")}
    texts |= {"strangers_told": ("strangers", "strangers")}
    found = dict(pair) | {f"picture_{side}": result.pictures.get(pair[f"photo_{side}"]) for side in "ab"}
    for name, (value, ends) in texts.items():
        row = told({"value": pair[value], "low": pair[f"{ends}_low"], "high": pair[f"{ends}_high"]})
        found |= {name: row["told"], f"{name.removesuffix('_told')}_interval": row["interval"]}
    return found


def shown_paths(suspects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the paths of the suspects that a page shows."""
    rows = [row for kind in KINDS for row in [row for row in suspects if row["kind"] == kind][:PAIRS]]
    return sorted({row[f"photo_{side}"] for row in rows for side in "ab"} - {""})


def chief(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what matters most, in sentences, for a terminal.

    Parameters
    ----------
    found
        Of `digest`.
    """
    yield found["accounted"]
    for part in found["attributes"]:
        if part["cells"] and "." not in part["name"]:
            yield _line(f"{part['title']}: {_shortly(part)}")
    for row in found["suspect_counts"]["table"]:
        n, false, called = (row[end]["told"] for end in ("found", "expected_false", "called"))
        yield f"{row['name'].lower()}: {n} found, {false} expected to be false, {called} called"
    copies = [f"{part['words'].lower()}: {part['n']:,}" for part in found["kinds"] if part["kind"] in KINDS_OF_COPIES]
    yield from ["; ".join(copies)] if copies else []
    apart = [f"{row['name']} {_measured(row['auc'])}" for row in found["comparison"] if known(row.get("auc"))]
    yield from [_line(f"told apart from the other set (AUC, .5 where not): {'; '.join(apart)}")] if apart else []
    differ = [row for row in found["shares"] if not row[SHARES[0]]["low"] <= 0 <= row[SHARES[0]]["high"]]
    words = [f"{row['name']} {_measured(row[SHARES[0]])}" for row in differ[:TOLD]]
    yield from [_line(f"shares that differ, less the other's: {'; '.join(words)}")] if words else []
    yield from [f"even subset: {found['kept']:,} of {found['to_keep']:,} faces kept"] if found["to_keep"] else []
    for row in found["lacking"]:
        yield _line(f"{row['study'].replace('_', ' ')} not made: {row['method']}")
    for row in found["judged"]:
        yield _line(f"{row['verdict']}: {row['requirement']} ({_measured(row) if known(row) else row['why']})")


def _line(text: str) -> str:
    return shorten(text, WIDE, placeholder=" ...")


def _measured(row: Mapping[str, Any]) -> str:
    return f"{row['told']}, {row['interval']}" if row["interval"] else str(row["told"])


def _shortly(part: Mapping[str, Any]) -> str:
    """Return the largest shares of an attribute, or why there are none to believe."""
    if part["contradicted"]:
        return "not told: the error rates are CONTRADICTED by what was told; --labels would tell"
    if part["untold"]:
        return f"not told: {part['untold'].partition('; ')[0]}"
    rows = [(cell["label"], cell[SHARE]) for cell in part["cells"] if known(cell[SHARE])]
    rows = sorted(rows, key=lambda row: -row[1]["value"]) if len(rows) > TOLD else rows
    words = ", ".join(f"{label} {row['told']} ({row['interval']})" for label, row in rows[:TOLD])
    few = "".join(f"; {row['method'].partition(': ')[2]}" for row in part["others"] if row["measure"] == "labelled_too_few")
    return words + (f", {len(rows) - TOLD} more" if len(rows) > TOLD else "") + few


def accounted(counts: Mapping[str, int]) -> str:
    """Return what became of every photo, in one sentence.

    >>> counts = {"photos": 5, "measured": 3, "no_face": 1, "failed": 1, "faces": 4, "people": 0, "why no_face": 1}
    >>> accounted(counts | {"why empty": 1})
    '5 photos in = 3 measured (4 faces) + 1 without a face + 1 failed (1 empty)'
    """
    why = ", ".join(f"{n:,} {name[4:]}" for name, n in counts.items() if name.startswith("why ") and name != "why no_face")
    people = f" of {counted(counts['people'], 'person', 'people')}" if counts["people"] else ""
    measured = f"{counts['measured']:,} measured ({counted(counts['faces'], 'face')}{people})"
    failed = f"{counts['failed']:,} failed" + (f" ({why})" if why else "")
    return f"{counted(counts['photos'], 'photo')} in = {measured} + {counts['no_face']:,} without a face + {failed}"


def _word(name: str) -> str:
    """Return a name as a part of a file's name.

    >>> _word("gender x race"), _word("../x")
    ('gender_x_race', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
