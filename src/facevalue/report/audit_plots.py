"""The plots of an audit: shares with their intervals beside raw ones, and differences of two sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facevalue.report import plots
from facevalue.report.audit_tables import RAW, SHARE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        _draw_share(axes, at, cell[SHARE], color=blue)
        raw = cell[RAW]
        if raw is not None and raw["value"] is not None and not part["given"]:
            axes.plot([raw["value"]], [at + 0.22], "D", color=orange, fillstyle="none", markersize=4)
    axes.plot([], [], "o-", color=blue, markersize=5, label="share, with interval")
    if any(cell[RAW] is not None for cell in cells) and not part["given"]:
        axes.plot(
            [], [], "D", color=orange, fillstyle="none", markersize=4, label="raw: as told by the instrument, not corrected"
        )
    axes.set_yticks(range(len(cells)), [cell["label"] for cell in cells])
    axes.set(ylim=(len(cells) - 0.4, -0.6), xlabel=f"share of faces, {part['title']} {part['view']}")
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
        _draw_share(axes, at, row, color=plots.COLOURS[0])
    axes.set_yticks(range(len(rows)), [row["group"] for row in rows], fontsize=7)
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"standardised difference: to the right, more in {one}")
    return figure


def _draw_share(axes: Axes, at: int, row: Mapping[str, Any] | None, *, color: str) -> None:
    if row is not None and row["low"] is not None and row["high"] is not None:
        axes.plot([row["low"], row["high"]], [at, at], color=color, linewidth=1.6)
    if row is not None and row["value"] is not None:
        axes.plot([row["value"]], [at], "o", color=color, markersize=5)
