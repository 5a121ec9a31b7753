"""The page of `facevalue perceive compare`: two sets of faces along dimensions, and a plot of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import interval, measures
from facevalue.report.references import AREA_UNDER_CURVE, BOOTSTRAP, FALSE_DISCOVERY, MEAN_DIFFERENCE, PERMUTATION_P

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN = 40
MEASURES = ("disparity", "difference", "auroc", "adjusted_p")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two sets of faces and what `facevalue.studies.comparison` found.

    Parameters
    ----------
    model
        Name of the instrument whose dimensions they are.
    sets
        Names of both.
    sizes
        Their faces.
    findings
        Of `comparison`.
    seed
        Of the resamples.
    cards
        Of the instruments.
    notes
        What else is to be said, in sentences.
    """

    model: str
    sets: tuple[str, str]
    sizes: tuple[int, int]
    findings: Findings
    seed: int
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()


def write_comparison(comparison: Comparison, out: Path) -> list[str]:
    """Write the page, the plot and the findings into a folder; return the files' names."""
    write_findings(comparison.findings, out / "findings.csv")
    write_findings(comparison.findings, out / "findings.parquet")
    return [*write_page(page(comparison), out / "comparison.html"), "findings.csv", "findings.parquet"]


def page(comparison: Comparison) -> Page:
    """Return the page."""
    values = {
        **{name: getattr(comparison, name) for name in ("model", "sets", "sizes", "seed", "notes")},
        "rows": digest(comparison.findings),
        "overall": measures(comparison.findings, "all"),
        "drawn": DRAWN,
    }
    figures = {"comparison": forest(comparison.findings, comparison.sets)}
    cited = [BOOTSTRAP, MEAN_DIFFERENCE, AREA_UNDER_CURVE, FALSE_DISCOVERY, PERMUTATION_P]
    return Page("comparison", values, figures, comparison.cards, cited)


def digest(findings: Findings) -> list[dict[str, Any]]:
    """Return a row a dimension, the largest disparity first: `group`, and the rows of findings by their measure.

    Each of these has `told`, its value, and `interval` as text.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in findings.to_rows():
        if row["group"] != "all" and row["measure"] in MEASURES:
            text = {"told": _told(row["measure"], row["value"]), "interval": interval(row, 3)}
            found.setdefault(row["group"], {"group": row["group"]})[row["measure"]] = row | text
    return sorted(found.values(), key=lambda row: -(row["disparity"]["value"] or 0))


def _told(measure: str, value: float | None) -> str:
    """Return a number as text.

    >>> _told("adjusted_p", 0.0002), _told("auroc", 0.5), _told("auroc", None)
    ('below 0.001', '0.500', 'none')
    """
    if value is None:
        return "none"
    return "below 0.001" if measure == "adjusted_p" and value < 0.001 else f"{value:.3f}"


@plots.house_style()
def forest(findings: Findings, sets: tuple[str, str]) -> Figure:
    """Return a plot of the 40 dimensions of the largest disparity: disparity and difference, each with its interval.

    Parameters
    ----------
    findings
        Of `facevalue.studies.comparison`.
    sets
        Names of both sets.
    """
    from matplotlib.figure import Figure

    rows = digest(findings)[:DRAWN]
    figure = Figure(figsize=(8.4, 1.3 + 0.24 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _points(left, [row["disparity"] for row in rows])
    _points(right, [row["difference"] for row in rows])
    left.set_yticks(range(len(rows)), [row["group"] for row in rows])
    left.set(xlim=(0, None), ylim=(len(rows) - 0.5, -0.5), xlabel="disparity: 0 alike, 1 no overlap")
    right.axvline(0, color=plots.LINE, linewidth=0.8)
    right.set_xlabel(f"difference in standard deviations\nright: {sets[0]} is higher, left: {sets[1]}")
    chance = measures(findings, "all").get("chance")
    if chance is not None and chance["value"] is not None:
        left.axvline(chance["value"], color=plots.INK, linewidth=0.8, linestyle=":", label="mean disparity that chance makes")
        figure.legend(loc="outside lower left", frameon=False, fontsize=8)
    return figure


def _points(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Draw a point a row, and a line from one end of its interval to the other."""
    for at, row in enumerate(rows):
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [at, at], color=plots.COLOURS[0], linewidth=1.4)
    values = np.array([np.nan if row["value"] is None else row["value"] for row in rows])
    axes.plot(values, np.arange(len(rows)), "o", color=plots.COLOURS[0], markersize=4.5)
