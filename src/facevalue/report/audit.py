"""The files and the page of `facevalue audit`: what is in a data set, who is in it twice, what is not sure, what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from facevalue.data.files import write_findings, write_json
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, Picture, plain, write_page
from facevalue.report.people import counted, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPOSITION, COMPARISON, SUSPECTS, CONFLICTS, FAILURES, SUBSET = (
    "composition",
    "difference",
    "suspects",
    "conflicts",
    "failures",
    "even_subset",
)
EVENED = ("target", "share_before", "share_kept", "share_weighted")
TESTED = ("energy_distance", "chance", "p", "adjusted_p", "auc")
DIMENSIONS = ("difference", "difference_given_quality", "adjusted_p", "adjusted_p_given_quality", "max_t_p")
SHARE, RAW, NOT_MEASURED = "share", "raw_share", "not_measured"
LISTED, PAIRS, DRAWN, TOLD = 200, 12, 40, 4
WIDE, KINDS_OF_COPIES = 320, ("same_bytes", "near_duplicate")
# Beside the share of a label, in this order; `share` itself comes first, `raw_share` last.
BESIDE = {
    "share": "share",
    "share_by_matrix": "by the labelled faces' confusions",
    "share_by_rates": "by recorded error rates",
    "share_bounds": "of all faces, judged or not",
    "raw_share": "raw: not corrected",
}
FLAGS = {"empty_cell": "empty: none told", "too_small": "few people", "contradicted": "contradicted by the error rates"}
POSES = {"pose.yaw": "head turned aside", "pose.pitch": "head nodding"}
KINDS = {
    "same_bytes": "The same file twice",
    "near_duplicate": "One photo twice, changed",
    "two_names": "One person under two names",
    "mislabelled": "Photos unlike the others of their name",
    "look_alike": "Look-alikes, of whom no more can be said",
    "same_person": "Photos of probably one person",
}


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
        if 1 < len(part["cells"]) <= DRAWN and any(_known(cell[SHARE]) for cell in part["cells"]):
            part["figure"] = f"composition_{i}_{_word(part['name'])}"
            figures[part["figure"]] = shares(part)
    if rows := [row["difference"] for row in found["dimensions"] if _known(row["difference"])]:
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
        "beside": BESIDE,
        "counted": [row for row in of.get(COMPOSITION, []) if row["group"] == "all"],
        "kinds": list(_kinds(result)),
        "suspect_counts": _suspect_counts(of.get(SUSPECTS, [])),
        "conflicts": _conflict_rows(of.get(CONFLICTS, [])),
        "conflicting": result.conflicts[:LISTED],
        **_failures(of.get(FAILURES, [])),
        "failed": result.failed[:LISTED],
        **_comparison(of.get(COMPARISON, [])),
        "evened": pivoted([row for row in of.get(SUBSET, []) if row["group"] not in ("all",) and row["measure"] in EVENED]),
        "costs": [row for row in of.get(SUBSET, []) if row["measure"] not in EVENED],
        "even_heads": EVENED,
        "kept": sum(bool(row["keep"]) for row in result.subset),
        "judged": [{**row, **told(row)} for row in result.judged],
        "more": {"conflicting": max(len(result.conflicts) - LISTED, 0), "failed": max(len(result.failed) - LISTED, 0)},
    }


def pivoted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a mapping a group: its name, and its rows by their measures.

    >>> pivoted([{"group": "a", "measure": "x"}, {"group": "a", "measure": "y"}])
    [{'name': 'a', 'x': {'group': 'a', 'measure': 'x'}, 'y': {'group': 'a', 'measure': 'y'}}]
    """
    found = dict[str, dict[str, Any]]()
    for row in rows:
        found.setdefault(row["group"], {"name": row["group"]})[row["measure"]] = row
    return list(found.values())


def _suspect_counts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found of each kind, what of it is expected to be false, what is called; and the other rows."""
    ends = ("_found", "_expected_false", "_called")
    of = {row["measure"]: row for row in rows}
    kinds = [name.removesuffix("_found") for name in of if name.endswith("_found")]
    table = [{"name": KINDS[kind], **{end[1:]: of.get(f"{kind}{end}") for end in ends}} for kind in kinds]
    return {"table": table, "others": [row for row in rows if not row["measure"].endswith(ends)]}


def _conflict_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a row a pair of columns and group: rate, kappa, mean difference; and what has nothing to be compared with."""
    table = dict[str, dict[str, Any]]()
    alone = list[str]()
    for row in rows:
        measure, _, kind = row["measure"].partition("_")
        if row["method"].startswith("nothing to compare"):
            alone.append(f"{measure}: {row['method']}")
        elif kind in ("conflict", "kappa") or kind.startswith("mean_absolute_difference"):
            cells = table.setdefault(row["group"], {"name": row["group"], "measure": measure, "n": row["n"]})
            cells[kind.partition("_")[0]] = row
    return {"table": list(table.values()), "alone": alone}


def _failures(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return failures by group, those of instruments that failed at all; the names of the others; reasons."""
    rows = [row for row in rows if row["measure"] != "failed"]
    of = {(row["measure"], row["group"]): row for row in rows}
    rates = [row["measure"] for row in rows if row["group"] == "all" and ":" not in row["measure"]]
    some = [name for name in rates if of[name, "all"]["value"]]
    table = [
        {
            "rate": of[name, group],
            "apart": of.get((f"difference_to_rest {name}", group)),
            "p": of.get((f"adjusted_p {name}", group)),
        }
        for name in some
        for group in dict.fromkeys(row["group"] for row in rows if row["measure"] == name)
    ]
    reasons = [row for row in rows if row["group"] == "all" and ":" in row["measure"] and row["value"]]
    return {"failures": table, "reasons": reasons, "never": [name.rpartition(" ")[2] for name in rates if name not in some]}


def _comparison(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison by instrument, by dimension, the largest first, and the other rows."""
    of_dimensions = [row for row in rows if row["measure"] in DIMENSIONS]
    dimensions = {row["group"] for row in of_dimensions if row["measure"] == "difference"}
    table = [row for row in pivoted(of_dimensions) if row["name"] in dimensions]
    apart = pivoted([row for row in rows if row["measure"].startswith(TESTED) and row["group"] not in dimensions])
    tested = {row["name"] for row in apart}
    others = [row for row in rows if row["measure"] not in DIMENSIONS and row["group"] not in tested]
    table.sort(key=lambda row: -abs(row["difference"]["value"] or 0))
    return {"comparison": apart, "dimensions": table, "compared": others}


def attributes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the composition attribute by attribute: a cell a label, with the share and what stands beside it.

    Parameters
    ----------
    rows
        Of the composition, as `told` gives them; a group is "gender: Female".

    Returns
    -------
    list
        Of each attribute its `name`, `title`, whether it is `crossed`, `cells` (label, a row by each name of `BESIDE`, flags),
        the names of `BESIDE` that have a row, `methods`, and `others`: further rows, as those of faces not judged.
    """
    parts = dict[str, dict[str, Any]]()
    for row in rows:
        name, colon, label = row["group"].partition(": ")
        if name == "all":
            continue
        part = parts.setdefault(
            name, {"name": name, "title": _title(name), "crossed": " x " in name, "cells": {}, "others": []}
        )
        if colon and row["measure"] in BESIDE | FLAGS:
            cell = part["cells"].setdefault(label, {"label": label, "flags": []})
            if row["measure"] in FLAGS:
                cell["flags"].append(_flag(row))
            cell.setdefault(row["measure"], row)
        else:
            part["others"].append(row | {"label": label})
    for part in parts.values():
        part["cells"] = [dict.fromkeys(BESIDE) | cell for cell in part["cells"].values()]
        part["beside"] = [name for name in BESIDE if any(cell[name] is not None for cell in part["cells"])]
        part["flagged"] = any(cell["flags"] for cell in part["cells"])
        first = part["cells"][0] if part["cells"] else {}
        part["methods"] = [f"{BESIDE[name]}: {first[name]['method']}" for name in part["beside"] if first[name]]
    return list(parts.values())


def _flag(row: Mapping[str, Any]) -> str:
    ends = f", {row['interval']}" if row["interval"] else ""
    return FLAGS[row["measure"]] + (f": {row['told']}" if row["measure"] == "too_small" else ends)


def _title(name: str) -> str:
    """Return what an attribute is called.

    >>> _title("age_group"), _title("pose.yaw")
    ('age group', 'pose.yaw (head turned aside)')
    """
    return f"{name} ({POSES[name]})" if name in POSES else name.replace("_", " ")


def _kinds(result: Result) -> Iterator[dict[str, Any]]:
    for kind, words in KINDS.items():
        pairs = [row for row in result.suspects if row["kind"] == kind]
        if pairs:
            shown = [_pair(pair, result) for pair in pairs[:PAIRS]]
            more = result.about.get("hidden", {}).get(kind, 0)
            yield {
                "kind": kind,
                "words": words,
                "n": len(pairs) + more,
                "pairs": shown,
                "hidden": len(pairs) + more - len(shown),
            }


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
            yield f"{part['title']}: {_shortly(part['cells'])}"
    for row in found["suspect_counts"]["table"]:
        n, false, called = (row[end]["told"] for end in ("found", "expected_false", "called"))
        yield f"{row['name'].lower()}: {n} found, {false} expected to be false, {called} called"
    copies = [f"{part['words'].lower()}: {part['n']:,}" for part in found["kinds"] if part["kind"] in KINDS_OF_COPIES]
    yield from ["; ".join(copies)] if copies else []
    for row in found["comparison"]:
        if "auc" in row and _known(row["auc"]):
            yield f"sets told apart by {row['name']}: AUC {_measured(row['auc'])}"
    for row in found["lacking"]:
        yield shorten(f"{row['study'].replace('_', ' ')} not made: {row['method']}", WIDE, placeholder=" ...")
    for row in found["judged"]:
        why = _measured(row) if _known(row) else row["why"]
        yield shorten(f"{row['verdict']}: {row['requirement']} ({why})", WIDE, placeholder=" ...")


def _measured(row: Mapping[str, Any]) -> str:
    return f"{row['told']}, {row['interval']}" if row["interval"] else str(row["told"])


def _shortly(cells: Sequence[Mapping[str, Any]]) -> str:
    known = [cell for cell in cells if _known(cell[SHARE])]
    if not known:
        first = cells[0][SHARE]
        return "not told: no face was judged" if first is None else str(first["method"])
    known = sorted(known, key=lambda cell: -cell[SHARE]["value"]) if len(known) > TOLD else known
    words = (f"{cell['label']} {cell[SHARE]['told']} ({cell[SHARE]['interval']})" for cell in known[:TOLD])
    return ", ".join(words) + (f", {len(known) - TOLD} more" if len(known) > TOLD else "")


def _pair(pair: Mapping[str, Any], result: Result) -> dict[str, Any]:
    """Return a pair of suspects with its numbers as text and its pictures."""
    texts: dict[str, Any] = {"cosine": ("similarity", "similarity"), "ratio_told": ("ratio", "ratio")}
    texts |= {"strangers_told": ("strangers", "strangers")}
    found = dict(pair) | {f"picture_{side}": result.pictures.get(pair[f"photo_{side}"]) for side in "ab"}
    for name, (value, ends) in texts.items():
        row = told({"value": pair[value], "low": pair[f"{ends}_low"], "high": pair[f"{ends}_high"]})
        found |= {name: row["told"], f"{name.removesuffix('_told')}_interval": row["interval"]}
    return found


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of findings with its value and interval as text.

    >>> row = {"value": 0.25, "low": 0.2, "high": 0.3}
    >>> told(row)["told"], told(row)["interval"], told(row | {"value": None, "low": None, "high": None})["told"]
    ('0.25', '0.2 to 0.3', 'none')
    """
    low, high = (None if row[end] is None else number(row[end]) for end in ("low", "high"))
    interval = "" if low is None and high is None else f"at most {high}" if low is None else f"at least {low}"
    if low is not None and high is not None:
        interval = f"{low} to {high}"
    words = str(row.get("measure", "")).replace("_", " ")
    return {**row, "told": "none" if row["value"] is None else number(row["value"]), "interval": interval, "words": words}


def number(value: float) -> str:
    """Return a number with three digits that say something.

    >>> number(0.01234), number(12.345), number(0.0), number(1234.5), number(7.0)
    ('0.0123', '12.3', '0', '1,234', '7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1e-4 or not value else f"{value:.1e}"


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


def _known(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row["value"] is not None


def _word(name: str) -> str:
    """Return a name as a part of a file's name.

    >>> _word("gender x race"), _word("../x")
    ('gender_x_race', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]


@plots.house_style()
def shares(part: Mapping[str, Any]) -> Figure:
    """Return the shares of an attribute: a dot with its interval a label, and what the instrument said, hollow, beside it.

    Parameters
    ----------
    part
        Of `attributes`.
    """
    cells = part["cells"]
    figure, axes = plots.new_figure(6.4, 0.9 + 0.3 * len(cells))
    blue, orange = plots.COLOURS[:2]
    for at, cell in enumerate(cells):
        row, raw = cell[SHARE], cell[RAW]
        if row is not None and row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [at, at], color=blue, linewidth=1.6)
        if _known(row):
            axes.plot([row["value"]], [at], "o", color=blue, markersize=5)
        if _known(raw):
            axes.plot([raw["value"]], [at + 0.22], "D", color=orange, fillstyle="none", markersize=4)
    axes.plot([], [], "o-", color=blue, markersize=5, label="share, with interval")
    if any(cell[RAW] is not None for cell in cells):
        axes.plot(
            [], [], "D", color=orange, fillstyle="none", markersize=4, label="raw: as told by the instrument, not corrected"
        )
    axes.set_yticks(range(len(cells)), [cell["label"] for cell in cells])
    axes.set(ylim=(len(cells) - 0.4, -0.6), xlabel=f"share of faces, {part['name']} as perceived by the instrument")
    axes.set_xlim(left=0)
    figure.legend(loc="outside lower left", frameon=False, fontsize=8, ncols=2)
    return figure


@plots.house_style()
def differences(rows: Sequence[Mapping[str, Any]], one: str) -> Figure:
    """Return standardised differences of dimensions, largest first, with their intervals.

    Parameters
    ----------
    rows
        Of findings, as `told` gives them.
    one
        Name of the first set.
    """
    figure, axes = plots.new_figure(7.2, 1.0 + 0.24 * len(rows))
    axes.axvline(0, color=plots.LINE, linewidth=0.8)
    for at, row in enumerate(rows):
        if row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [at, at], color=plots.COLOURS[0], linewidth=1.4)
        if row["value"] is not None:
            axes.plot([row["value"]], [at], "o", color=plots.COLOURS[0], markersize=4)
    axes.set_yticks(range(len(rows)), [row["group"] for row in rows], fontsize=7)
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"standardised difference: to the right, more in {one}")
    return figure
