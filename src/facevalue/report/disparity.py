"""The files and the page of `facevalue disparity`: rates by group as forest plots, how far they lie apart, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import counted
from facevalue.report.references import (
    CALIBRATION,
    DISCREPANCY,
    FALSE_DISCOVERY,
    GARBE,
    GROUP_ERRORS,
    OVERLAP_WEIGHTS,
    PEOPLE_BOOTSTRAP,
    ROBUST_PERMUTATION,
    RULE_OF_30,
    SIMULTANEOUS,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHIEF = ("fmr", "fnmr", "failure_to_acquire", "calibration_error", "calibration_in_the_large", "coverage.embedding")
SHORT = {
    "fmr": "FMR",
    "fnmr": "FNMR",
    "failure_to_acquire": "FTA",
    "calibration_error": "ECE",
    "coverage.embedding": "coverage",
}
LABELS = {
    "fmr": "false match rate",
    "fnmr": "false non-match rate",
    "fmr_cross": "false match rate, with other groups",
    "failure_to_acquire": "failure to acquire",
    "calibration_error": "calibration error (ECE)",
    "calibration_in_the_large": "mean P(same) less 1/2",
    "coverage.embedding": "coverage of bands",
    "width.embedding_deg": "width of bands, deg",
    "coverage.pair.same": "coverage of intervals, one person",
    "coverage.pair.different": "coverage of intervals, two people",
    "discrepancy_rate": "fairness discrepancy rate (1 is alike)",
    "garbe": "GARBE (0 is alike)",
}
SPREADS = {"max_min": "largest over smallest", "max_mean": "largest over geometric mean", "range": "largest less smallest"}
BALANCED, REFUSED, FEW = " balanced", ("too few", "no overlap"), "too few groups"
OWN = ("people", "people_unknown")


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.disparity`.
    views
        By grouping: whose view it is, "" for facts.
    level
        Of the intervals.
    least
        People in a group of which anything is claimed.
    seed
        Of all that was drawn.
    adjust
        What the groups were made alike in.
    notes
        What else is to be said, in sentences.
    cards
        Of the instruments.
    """

    findings: Findings
    views: Mapping[str, str]
    level: float
    least: int
    seed: int
    adjust: Sequence[str] = ()
    notes: Sequence[str] = ()
    cards: Sequence[Any] = ()


def write_disparity(result: Result, out: Path) -> list[str]:
    """Write the findings, a forest plot a grouping and the page into a folder; return the files' names."""
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    return [*write_page(page(result), out / "disparity.html"), "findings.csv", "findings.parquet"]


def page(result: Result) -> Page:
    """Return the page."""
    found = digest(result)
    drawn = {f"forest_{i}": forest(part) for i, part in enumerate(found["groupings"]) if part["drawn"]}
    measures = [measure for part in found["groupings"] for measure in part["measures"]]
    values = {
        **{name: getattr(result, name) for name in ("level", "least", "seed", "adjust", "notes")},
        **{name: found[name] for name in ("overall", "sentences", "demonstration")},
        "groupings": [_shown(part) for part in found["groupings"]],
        "verified": any(measure.startswith(("fmr", "fnmr")) for measure in measures),
        "calibrated": "calibration_error" in measures,
    }
    return Page("disparity", values, drawn, result.cards, _cited(result, values["verified"], values["calibrated"]))


def _cited(result: Result, verified: bool, calibrated: bool) -> list[str]:
    cited = [PEOPLE_BOOTSTRAP, SIMULTANEOUS, ROBUST_PERMUTATION, FALSE_DISCOVERY]
    cited += [RULE_OF_30, GROUP_ERRORS, DISCREPANCY, GARBE] if verified else []
    return cited + [CALIBRATION] * calibrated + [OVERLAP_WEIGHTS] * bool(result.adjust)


def _shown(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a grouping as the page shows it: its cells in rows, a row a measure."""
    cells, names = part["cells"], [group["name"] for group in part["groups"]]
    rows = [
        {"label": part["labels"][measure], "cells": [cells.get((measure, name)) for name in names]}
        for measure in part["measures"]
    ]
    refused = [{"label": part["labels"][row["measure"]], **row} for row in cells.values() if row["refused"]]
    kept = ("name", "title", "view", "groups", "unknown", "spreads", "lost", "differences", "balance")
    return {name: part[name] for name in kept} | {"rows": rows, "refusals": refused, "cells": len(cells)}


def digest(result: Result) -> dict[str, Any]:
    """Return what the page and the terminal show.

    Returns
    -------
    dict
        `groupings`: of each its `name`, `title`, `groups` (name, people), `measures`, `cells` by measure and group, `spreads`,
        what is `lost`, `differences`, `balance`, `chief` in sentences, `drawn`. `sentences`: threshold and refusals.
        `refused`, `all`: cells.
        `demonstration`: why these data are none to judge groups by, "" where they are.
    """
    rows = [_texts(row) for row in result.findings.to_rows()]
    groupings = [_grouping(name, view, rows) for name, view in result.views.items()]
    cells = [cell for part in groupings for cell in part["cells"].values()]
    refused = sum(cell["refused"] for cell in cells)
    groups = [group for part in groupings for group in part["groups"]]
    small = [f"{group['name']} ({group['people']})" for group in groups if group["people"] < result.least]
    why = ""
    unset = any(row["measure"] == "threshold" and row["refused"] for row in rows)
    if refused or small or unset:
        named = f": {', '.join(small)} have fewer than {result.least} people" if small else ""
        told = f"{refused} of {len(cells)} cells" if refused or not unset else "errors"
        why = f"A demonstration only: {told} cannot be told on so few people{named}."
    overall = {row["measure"]: row for row in rows if row["group"] == "all"}
    return {
        "groupings": groupings,
        "overall": overall,
        "sentences": [*_threshold(overall), *([why] if why else [])],
        "refused": refused,
        "all": len(cells),
        "demonstration": why,
    }


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of findings with its value and interval as text, and whether it was refused."""
    value, refused = row["value"], row["value"] is None and row["method"].startswith(REFUSED)
    told = "refused" if refused else "none" if value is None else _number(value)
    ends = ""
    if row["low"] is not None:
        ends = f"at least {_number(row['low'])}" if row["high"] is None else f"{_number(row['low'])} to {_number(row['high'])}"
    return row | {"told": told, "interval": ends, "refused": refused, "why": row["method"] if value is None else ""}


def _number(value: float) -> str:
    """Return a number with three digits that say something.

    >>> _number(0.01234), _number(12.345), _number(0.0), _number(1234.5)
    ('0.0123', '12.3', '0', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1e-4 or not value else f"{value:.1e}"


def label(measure: str) -> str:
    """Return what a measure is called.

    >>> label("fmr balanced"), label("max_min fnmr"), label("range pose.yaw")
    ('false match rate, balanced', 'false non-match rate: largest over smallest', 'pose.yaw: largest less smallest')
    """
    tail = ", balanced" if measure.endswith(BALANCED) else ""
    measure = measure.removesuffix(BALANCED)
    kind, _, rest = measure.partition(" ")
    if kind in SPREADS and rest:
        return f"{LABELS.get(rest, rest)}: {SPREADS[kind]}{tail}"
    return LABELS.get(measure, measure) + tail


def _grouping(name: str, view: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    of_groups = [row | {"word": row["group"].removeprefix(f"{name}: ")} for row in rows if row["group"].startswith(f"{name}: ")]
    groups = [{"name": row["word"], "people": int(row["value"])} for row in of_groups if row["measure"] == "people"]
    cells = {(row["measure"], row["word"]): row for row in of_groups if _is_cell(row["measure"])}
    measures = list(dict.fromkeys(measure for measure, _ in cells))
    own = [row for row in rows if row["group"] == name]
    spreads = [row | {"label": label(row["measure"])} for row in own if _is_spread(row["measure"])]
    lost = [row for row in spreads if row["method"].startswith(FEW)]
    spreads = [row for row in spreads if row not in lost]
    unknown = next((int(row["value"]) for row in own if row["measure"] == "people_unknown"), 0)
    return {
        "name": name,
        "title": f"{name}, {view}" if view else name,
        "view": view,
        "groups": groups,
        "unknown": unknown,
        "measures": measures,
        "labels": {measure: label(measure) for measure in measures},
        "cells": cells,
        "spreads": spreads,
        "lost": f"{len(lost)} of these measures are {_refused(lost)} people." if lost else "",
        "differences": list(_differences(of_groups, measures)),
        "balance": [row for row in own if row["measure"].startswith(("overlap ", "apart "))],
        "drawn": [measure for measure in CHIEF if any(c["value"] is not None for (m, _), c in cells.items() if m == measure)],
        "chief": list(_sentences(name, spreads, lost)),
    }


def _is_cell(measure: str) -> bool:
    return measure not in OWN and not measure.startswith(("difference ", "p ", "adjusted_p "))


def _is_spread(measure: str) -> bool:
    word = measure.removesuffix(BALANCED).partition(" ")[0]
    return word in (*SPREADS, "discrepancy_rate", "garbe")


def _differences(rows: Sequence[dict[str, Any]], measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row a measure and group: the difference as it is, balanced and adjusted, and the adjusted p."""
    found = {(row["measure"], row["word"]): row for row in rows}
    for measure in measures:
        for word in dict.fromkeys(row["word"] for row in rows):
            raw = found.get((f"difference {measure}", word))
            if measure.endswith(BALANCED) or raw is None:
                continue
            more = {tail: found.get((f"difference {measure} {tail}", word)) for tail in ("balanced", "adjusted")}
            p = found.get((f"adjusted_p {measure}", word))
            yield {"label": label(measure), "word": word, "raw": raw, **more, "p": "" if p is None else _p(p["value"])}


def _p(value: float) -> str:
    """Return a p-value as text.

    >>> _p(0.0002), _p(0.25)
    ('below 0.001', '0.250')
    """
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _sentences(name: str, spreads: Sequence[dict[str, Any]], lost: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what is to be said on the terminal of how far groups lie apart."""
    for row in spreads:
        if row["measure"] in ("max_min fmr", "max_min fnmr", "discrepancy_rate", "garbe", "range calibration_error"):
            ends = f" ({row['interval']})" if row["interval"] else ""
            why = f"; {row['why']}" if row["why"] else ""
            yield f"{name}, {row['label']}: {row['told']}{ends}{why}"
    if lost:
        more = counted(len(lost), "more measure" if spreads else "measure")
        yield f"{name}, how far groups lie apart, {more}: {_refused(lost)}"


def _refused(lost: Sequence[dict[str, Any]]) -> str:
    methods = {row["method"] for row in lost}
    return f"refused; {methods.pop()}" if len(methods) == 1 else "refused; too few groups have enough"


def _threshold(overall: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    at = overall.get("threshold")
    if at is None:
        return
    if at["value"] is None:
        yield f"No threshold: {at['why']}."
        return
    rates = f"false match rate {overall['fmr']['told']} and false non-match rate {overall['fnmr']['told']} over all pairs"
    yield f"Threshold {at['told']}, {at['method']}: {rates} ({counted(at['n'], 'pair')})."


@plots.house_style()
def forest(part: Mapping[str, Any]) -> Figure:
    """Return a forest plot of a grouping: a panel a measure, a line a group, as it is and balanced; refused cells say so.

    Parameters
    ----------
    part
        Of `digest`.
    """
    from matplotlib.figure import Figure

    names, measures = [group["name"] for group in part["groups"]], part["drawn"]
    columns = min(len(measures), 3)
    lines = -(-len(measures) // columns)
    figure = Figure(figsize=(9.2, lines * (1.1 + 0.42 * len(names)) + 0.3), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes, measure in zip(panels.flat, measures, strict=False):
        _panel(axes, part["cells"], names, measure)
    for axes in panels.flat[len(measures) :]:
        axes.set_visible(False)
    if any(f"{measure}{BALANCED}" in part["measures"] for measure in measures):
        panels.flat[0].plot([], [], "o", color=plots.COLOURS[0], label="as it is")
        panels.flat[0].plot([], [], "D", color=plots.COLOURS[1], fillstyle="none", label="balanced")
        figure.legend(loc="outside lower left", frameon=False, fontsize=8, ncols=2)
    return figure


def _panel(axes: Axes, cells: Mapping[tuple[str, str], Mapping[str, Any]], names: Sequence[str], measure: str) -> None:
    kinds = (("", "o", -0.1, "full"), (BALANCED, "D", 0.16, "none"))
    for number, (tail, mark, shift, fill) in enumerate(kinds):
        for at, name in enumerate(names):
            row = cells.get((f"{measure}{tail}", name))
            if row is not None and row["value"] is not None:
                look: Any = {"color": plots.COLOURS[number], "fillstyle": fill, "markersize": 5}
                if row["low"] is not None and row["high"] is not None:
                    axes.plot([row["low"], row["high"]], [at + shift] * 2, color=plots.COLOURS[number], linewidth=1.4)
                axes.plot([row["value"]], [at + shift], mark, **look)
            elif row is not None and not tail:
                axes.text(0.02, at, "refused", transform=axes.get_yaxis_transform(), color=plots.INK, fontsize=8, va="center")
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=LABELS[measure])
    if not axes.lines:
        axes.set_xticks([])
    elif measure not in ("calibration_in_the_large", "coverage.embedding"):
        axes.set_xlim(left=0)
    axes.xaxis.get_major_locator().set_params(**({"nbins": 4} if axes.lines else {}))
