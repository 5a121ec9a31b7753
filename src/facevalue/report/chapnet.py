"""The files and the page of `facevalue test chapnet`: what was trained by what is tested, and what each branch gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import interval
from facevalue.report.references import CLUSTERS, HIDDEN_FACES, MACRO_F1

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "weighted_precision": "weighted precision",
    "weighted_f1": "weighted F1",
}
# Of which findings name their groups: "face:AO > intact > without event / gender: Male"; people are human raters.
BETWEEN, WITHIN, WITHOUT = " > ", " / ", "without "
INTACT, PEOPLE = "intact", "people"
Row = Mapping[str, Any]
Rows = Mapping[tuple[str, str, str, str], Mapping[str, Row]]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.transfer`.
    tested
        Names of the test conditions, in order.
    level, seed
        Nominal coverage of the intervals; of what was drawn.
    notes
        What else is to be said, in sentences.
    """

    findings: Findings
    tested: Sequence[str]
    level: float
    seed: int
    notes: Sequence[str] = field(default=())


def write_chapnet(result: Result, out: Path) -> list[str]:
    """Write the page, both plots and the findings into a folder; return the files' names."""
    names = ["findings.csv", "findings.parquet"]
    for name in names:
        write_findings(result.findings, out / name)
    return [*write_page(page(result), out / "chapnet.html"), *names]


def page(result: Result) -> Page:
    """Return the page."""
    own = {name: getattr(result, name) for name in ("level", "seed", "notes")}
    values = digest(result) | own | {"measures": list(MEASURES.values())}
    return Page("chapnet", values, figures(result), references=[HIDDEN_FACES, MACRO_F1, CLUSTERS])


def figures(result: Result) -> dict[str, Figure]:
    """Return the plots by the name of their file: the matrix, and the branches where some were left out."""
    found = {"matrix": matrix(result)}
    if any(f"{BETWEEN}{WITHOUT}" in group for group in result.findings.group):
        found["branches"] = branches(result)
    return found


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `tested`: the columns. `tasks`: of each its name and rows, a net a row, with cells (value, interval) of macro-F1.
        `details`: of each task rows of all measures. `lost`: rows of macro-F1 that goes with a branch. `groups`: rows by
        group of targets. `labels`: F1 by label. `sentences`: what stands out.
    """
    rows, tasks = by_name(result.findings), tasks_of(result.findings)
    return {
        "tested": list(result.tested),
        "tasks": [{"name": task, "rows": list(_matrix_rows(result, rows, task))} for task in tasks],
        "details": {task: list(_details(rows, task)) for task in tasks},
        "lost": {task: list(_lost(rows, task)) for task in tasks},
        "groups": {task: list(_grouped(rows, task)) for task in tasks},
        "labels": {task: _labels(rows, task) for task in tasks},
        "sentences": list(_sentences(rows, tasks)),
    }


def _matrix_rows(result: Result, rows: Rows, task: str) -> Iterator[dict[str, Any]]:
    for name in trained(result.findings):
        found = [rows.get((name, tested, "", ""), {}).get(f"{task}_macro_f1") for tested in result.tested]
        yield {"name": name, "cells": [cell(row) for row in found]}


def by_name(findings: Findings) -> dict[tuple[str, str, str, str], dict[str, Row]]:
    """Return the rows by what was trained, what was tested, the branch left out and the group of targets; then by measure.

    >>> row = {"study": "transfer", "measure": "age_accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "level": 0.9, "n": 9}
    >>> found = Findings.from_rows([row | {"group": "intact > eye:AO / gender: Male", "method": "", "run": ""}])
    >>> list(by_name(found))
    [('intact', 'eye:AO', '', 'gender: Male')]
    """
    found = dict[tuple[str, str, str, str], dict[str, Row]]()
    for row in findings.to_rows():
        name, _, group = row["group"].partition(WITHIN)
        parts = [*name.split(BETWEEN), ""][:3]
        key = (parts[0], parts[1], parts[2].removeprefix(WITHOUT), group)
        found.setdefault(key, {})[row["measure"]] = row
    return found


def trained(findings: Findings) -> list[str]:
    """Return what was trained, in order, people last."""
    names = dict.fromkeys(str(group).partition(BETWEEN)[0] for group in findings.group)
    return sorted(names, key=lambda name: name == PEOPLE)


def tasks_of(findings: Findings) -> list[str]:
    """Return the tasks, in order."""
    return list(dict.fromkeys(name.removesuffix("_macro_f1") for name in findings.measure if name.endswith("_macro_f1")))


def cell(row: Row | None) -> tuple[str, str]:
    """Return the value of a row and its interval, as text; empty where there is none.

    >>> cell({"value": 0.25, "low": 0.2, "high": 0.31}), cell(None)
    (('0.250', '0.200 to 0.310'), ('', ''))
    """
    if row is None or row["value"] is None:
        return "", ""
    return f"{row['value']:.3f}", interval(row, 3)


def _details(rows: Rows, task: str) -> Iterator[dict[str, Any]]:
    """Yield all measures of each net and condition, and what it gains over the one trained intact."""
    for (name, tested, without, group), found in rows.items():
        if without or group or f"{task}_accuracy" not in found:
            continue
        cells = [cell(found.get(f"{task}_{measure}")) for measure in (*MEASURES, "macro_f1_gain")]
        yield {"name": name, "tested": tested, "cells": cells, "n": found[f"{task}_accuracy"]["n"]}


def _lost(rows: Rows, task: str) -> Iterator[dict[str, Any]]:
    for (name, tested, without, group), found in rows.items():
        if without and not group and f"{task}_macro_f1_lost" in found:
            yield {"name": name, "tested": tested, "without": without, "cell": cell(found[f"{task}_macro_f1_lost"])}


def _grouped(rows: Rows, task: str) -> Iterator[dict[str, Any]]:
    for (name, tested, without, group), found in rows.items():
        if group and not without and not group.startswith(f"{task}:") and f"{task}_macro_f1" in found:
            cells = [cell(found.get(f"{task}_{measure}")) for measure in ("accuracy", "macro_f1")]
            yield {"name": name, "tested": tested, "group": group, "cells": cells, "n": found[f"{task}_macro_f1"]["n"]}


def _labels(rows: Rows, task: str) -> dict[str, Any]:
    """Return the labels of a task, and F1 of each by net and condition."""
    start, heads, found = f"{task}_f1 ", dict[str, None](), list[dict[str, Any]]()
    for (name, tested, without, group), measures in rows.items():
        own = {measure.removeprefix(start): cell(row) for measure, row in measures.items() if measure.startswith(start)}
        if own and not without and not group:
            heads |= dict.fromkeys(own)
            found.append({"name": name, "tested": tested, "cells": list(own.values())})
    return {"heads": list(heads), "rows": found}


def _sentences(rows: Rows, tasks: Sequence[str]) -> Iterator[str]:
    """Yield, of each task, what each net gains over the one trained on intact photos where both see what it was trained on."""
    for task in tasks:
        gains = [
            f"{name} {found[measure]['value']:+.3f} ({cell(found[measure])[1]})"
            for (name, tested, without, group), found in rows.items()
            for measure in (f"{task}_macro_f1_gain",)
            if not without and not group and tested == _bare(name) and measure in found and found[measure]["value"] is not None
        ]
        if gains:
            yield f"{task}: shown what it was trained on, a net's macro-F1 beside the net trained intact: {', '.join(gains)}."


@plots.house_style()
def matrix(result: Result) -> Figure:
    """Return macro-F1 of each task by what was trained (rows) and tested (columns), with intervals."""
    from matplotlib.figure import Figure

    rows, names, tasks = by_name(result.findings), trained(result.findings), tasks_of(result.findings)
    wide, high = 1.6 + 0.95 * len(result.tested), 1.2 + 0.5 * len(names)
    figure = Figure(figsize=(wide, high * len(tasks)), layout="constrained")
    for axes, task in zip(np.atleast_1d(figure.subplots(len(tasks), 1)), tasks, strict=True):
        cells = [[rows.get((name, one, "", ""), {}).get(f"{task}_macro_f1") for one in result.tested] for name in names]
        _draw_matrix(axes, cells, names, result.tested)
        axes.set_title(f"{task}: macro-F1", loc="left", fontsize=9)
    return figure


def _draw_matrix(axes: Axes, cells: Sequence[Sequence[Row | None]], names: Sequence[str], tested: Sequence[str]) -> None:
    values = np.array([[np.nan if row is None or row["value"] is None else row["value"] for row in line] for line in cells])
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(tested)), tested, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, line in enumerate(cells):
        for j, row in enumerate(line):
            value, ends = cell(row)
            colour = "white" if values[i, j] > 0.6 else "black"
            axes.text(j, i - 0.12, value, ha="center", va="center", fontsize=8, color=colour)
            axes.text(j, i + 0.25, ends, ha="center", va="center", fontsize=5, color=colour)


@plots.house_style()
def branches(result: Result) -> Figure:
    """Return what of macro-F1 goes with each branch, of every net on the condition that it was trained on."""
    from matplotlib.figure import Figure

    rows, tasks = by_name(result.findings), tasks_of(result.findings)
    names = [name for name in trained(result.findings) if name != PEOPLE]
    figure = Figure(figsize=(7.2, 2.4 * len(tasks)), layout="constrained")
    for axes, task in zip(np.atleast_1d(figure.subplots(len(tasks), 1)), tasks, strict=True):
        own = [one for one in _lost(rows, task) if one["tested"] == own_condition(one["name"], result.tested)]
        left = list(dict.fromkeys(one["without"] for one in own))
        for number, name in enumerate(names):
            seen = own_condition(name, result.tested)
            mine = [rows.get((name, seen, one, ""), {}).get(f"{task}_macro_f1_lost") for one in left]
            _draw_bars(axes, mine, number, len(names), name)
        axes.axhline(0, color=plots.LINE, linewidth=0.8)
        axes.set_xticks(range(len(left)), [f"without\n{one}" for one in left], fontsize=8)
        axes.set_ylabel(f"{task}:\nmacro-F1 lost")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", frameon=False, fontsize=8, ncols=3)
    return figure


def own_condition(name: str, tested: Sequence[str]) -> str:
    """Return the condition that a net is shown here: the one it was trained on where that was tested, else the first.

    >>> own_condition("face:AO (run2)", ["intact", "face:AO"]), own_condition("eye:TO", ["intact", "face:AO"])
    ('face:AO', 'intact')
    """
    return _bare(name) if _bare(name) in tested else tested[0]


def _bare(name: str) -> str:
    """Return the condition a net was trained on, without its run."""
    return name.partition(" (")[0]


def _draw_bars(axes: Axes, rows: Sequence[Row | None], number: int, count: int, name: str) -> None:
    """Draw the bars of a net, with intervals, beside those of the others."""
    wide = 0.8 / count
    places, known = np.arange(len(rows)) + (number - (count - 1) / 2) * wide, [row or {} for row in rows]
    value, low, high = (np.array([row.get(end) for row in known], float) for end in ("value", "low", "high"))
    ends = np.stack([value - low, high - value])
    look: dict[str, Any] = {
        "color": plots.COLOURS[number % len(plots.COLOURS)],
        "width": 0.9 * wide,
        "label": f"trained on {name}",
    }
    axes.bar(places, value, yerr=np.clip(ends, 0, None), error_kw={"elinewidth": 0.8, "ecolor": plots.INK}, **look)
