"""The page of `facevalue power`: how often a study would find what it looks for, and what that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import interval, measures, write_table
from facevalue.report.references import PERMUTATION_P, SEMI_PARTIALLING, WILSON

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANNED, TARGET = "as planned", 0.8
LINES = {
    "power": "similarity as outcome",
    "power_without_error": "the same without measurement error",
    "power_ties": "ties as outcome",
}
ERRORS = {"type_i_error": "no effect, similarity as outcome", "type_i_error_ties": "no effect, ties as outcome"}
HEADS = (*LINES.values(), "friends more alike by")
AXES = {
    "people": "people of a village",
    "villages": "villages",
    "ties": "friends of a person",
    "effect": "log odds per standard deviation",
    "reliability": "reliability",
    "photos": "photos of a person",
}


class Designed(Protocol):
    """What the page reads of a design."""

    @property
    def people(self) -> int: ...  # noqa: D102
    @property
    def villages(self) -> int: ...  # noqa: D102
    @property
    def ties(self) -> float: ...  # noqa: D102
    @property
    def enemies(self) -> float: ...  # noqa: D102
    @property
    def effect(self) -> float: ...  # noqa: D102
    @property
    def reliability(self) -> float: ...  # noqa: D102
    @property
    def photos(self) -> int: ...  # noqa: D102
    @property
    def directed(self) -> bool: ...  # noqa: D102


class Simulated(Protocol):
    """What the page reads of a simulation."""

    @property
    def runs(self) -> int: ...  # noqa: D102
    @property
    def permutations(self) -> int: ...  # noqa: D102
    @property
    def alpha(self) -> float: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.power`.
    design
        As planned.
    axis, values
        What further designs differ in, and its values; "" and none without such.
    simulation
        Runs, permutations, alpha, seed.
    level
        Of the intervals.
    seconds
        It took.
    """

    findings: Findings
    design: Designed
    axis: str
    values: Sequence[float]
    simulation: Simulated
    level: float
    seconds: float


def write_power(result: Result, out: Path) -> list[str]:
    """Write the page, the plot, the table and the findings into a folder; return the files' names."""
    import pyarrow as pa

    out.mkdir(parents=True, exist_ok=True)
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    write_table(pa.Table.from_pylist(_table(result)), out / "power.csv")
    return [*write_page(page(result), out / "power.html"), "power.csv", "findings.csv", "findings.parquet"]


def page(result: Result) -> Page:
    """Return the page."""
    values = digest(result) | {
        "design": {name: getattr(result.design, name) for name in (*AXES, "enemies", "directed")},
        "simulation": {name: getattr(result.simulation, name) for name in ("runs", "permutations", "alpha", "seed")},
        "level": result.level,
        "seconds": result.seconds,
        "axis": AXES.get(result.axis, ""),
        "heads": HEADS,
    }
    return Page("power", values, {"power": curves(result)}, references=[SEMI_PARTIALLING, PERMUTATION_P, WILSON])


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `all`: rows of findings about the design as planned, by measure. `rows`: a row a design: `group`, and `cells` with
        `told` and `interval`, as `HEADS` names them, the last in standard deviations. `errors`: of both tests how many find
        what is not there. `sentences`: what else was found.
    """
    groups = [PLANNED, *(f"{result.axis} {value:g}" for value in result.values)]
    rows = []
    for group in groups:
        found = measures(result.findings, group)
        rows.append({"group": group, "cells": [_cell(found[name]) for name in (*LINES, "difference")]})
    known = measures(result.findings, PLANNED)
    errors = [{"name": label} | _cell(known[name]) for name, label in ERRORS.items()]
    return {"all": known, "rows": rows, "errors": errors, "sentences": _sentences(result, known)}


def _cell(row: dict[str, Any]) -> dict[str, str]:
    return {"told": _told(row), "interval": interval(row, 2)}


def _told(row: dict[str, Any]) -> str:
    return "none" if row["value"] is None else f"{row['value']:.2f}"


def _sentences(result: Result, known: dict[str, dict[str, Any]]) -> list[str]:
    """Return what stands below the table of powers."""
    lost, needed, alpha = known["lost"], known["permutations_needed"], result.simulation.alpha
    reliability, given = known["reliability"]["value"], known["reliability_given_controls"]
    count, low, high = (f"{needed[end]:,.0f}" for end in ("value", "low", "high"))
    told = [
        f"The effect of {result.design.effect:g} makes the odds of friends {exp(result.design.effect):.2f} times as high for "
        f"each standard deviation of true similarity. Friends are then {_with(known['difference'])} standard deviations of the "
        "measured similarity more alike than pairs without a tie, beyond what they share.",
        f"Where similarity makes no ties, {_with(known['type_i_error'])} of studies find that it does (ties as outcome: "
        f"{_with(known['type_i_error_ties'])}); {alpha:g} should.",
        f"Measurement error lowers power by {_with(lost)}. The reliability of similarity is {reliability:.2f} over all pairs; "
        "what people share explains a part of the true similarity and none of the error, so that among pairs alike in that it "
        f"is {_with(given)}: so much is left of the coefficient of similarity where ties are the outcome.",
        f"With {result.simulation.permutations:,} permutations {_with(known['doubtful'])} of verdicts are in doubt: p lies "
        f"within two Monte-Carlo errors of {alpha:g}. At this power about {count} ({low} to {high}) permutations leave 5 % so.",
    ]
    return told + [_crossing(result, row) for row in measures(result.findings, f"power {TARGET:g}").values()]


def _with(row: dict[str, Any]) -> str:
    ends = interval(row, 2)
    return _told(row) + (f" ({ends})" if ends else "")


def _crossing(result: Result, row: dict[str, Any]) -> str:
    """Return where a power crosses .8, in words."""
    measure = "power" + row["measure"].removeprefix(f"{result.axis}_needed")
    first, last = (f"{value:g}" for value in (result.values[0], result.values[-1]))
    if row["value"] is None:
        at_first = measures(result.findings, f"{result.axis} {first}")[measure]["value"]
        where = f"above {TARGET:g} already at {first}" if at_first > TARGET else f"below {TARGET:g} up to {last}"
    else:
        low, high = (end if row[end] is None else f"{row[end]:.3g}" for end in ("low", "high"))
        ends = f"({'below ' + first if low == 'low' else low} to {'above ' + last if high == 'high' else high})"
        where = f"{TARGET:g} is reached at {row['value']:.3g} {ends}"
    return f"Power, {LINES[measure]}: {where} {AXES[result.axis]}."


def _table(result: Result) -> list[dict[str, Any]]:
    """Return the powers, a row a design and test."""
    rows = [row for row in result.findings.to_rows() if row["measure"] in LINES]
    return [
        {"design": row["group"], "test": LINES[row["measure"]], "power": row["value"]}
        | {name: row[name] for name in ("low", "high", "level")}
        | {"runs": row["n"]}
        for row in rows
    ]


@plots.house_style()
def curves(result: Result) -> Figure:
    """Return a plot of power over the grid; without a grid, of the one design.

    Parameters
    ----------
    result
        With or without further designs.
    """
    if not result.axis:
        return _points(result)
    figure, axes = plots.new_figure(8.4, 4.8)
    found = [measures(result.findings, f"{result.axis} {value:g}") for value in result.values]
    for number, (name, label) in enumerate(LINES.items()):
        value, low, high = (np.array([row[name][end] for row in found]) for end in ("value", "low", "high"))
        colour = plots.COLOURS[number]
        axes.plot(result.values, value, "o", color=colour, linestyle=plots.DASHES[number], markersize=4, label=label)
        axes.fill_between(result.values, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(result.simulation.alpha, color=plots.INK, linewidth=0.8, linestyle=":", label="alpha")
    if len(result.values) <= 12:
        axes.set_xticks(list(result.values), [f"{value:g}" for value in result.values])
    axes.set_xlabel(AXES[result.axis])
    axes.set(ylim=(0, 1.02), ylabel="power")
    axes.axhline(TARGET, color=plots.LINE, linewidth=0.8)
    plots.legend(figure)
    return figure


def _points(result: Result) -> Figure:
    """Return a plot of the powers and of the errors of the first kind of one design."""
    names = LINES | ERRORS
    known = measures(result.findings, PLANNED)
    figure, axes = plots.new_figure(7.6, 2.6)
    for at, name in enumerate(names):
        row, colour = known[name], plots.COLOURS[0 if name in LINES else 1]
        axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=1.4)
        axes.plot([row["value"]], [at], "o", color=colour, markersize=4.5)
    axes.axvline(result.simulation.alpha, color=plots.INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), list(names.values()))
    axes.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel(f"share of studies with p of at most {result.simulation.alpha:g} (dotted)")
    return figure
