"""Plots of the shapes of faces: their mean and its mirrored pairs, components, measures against each other and ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.faces import Column
from facevalue.data.ratings import SEXES
from facevalue.image.dimorphism import Components
from facevalue.report import plots
from facevalue.report.plots import COLOURS, INK, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN, STEP = 3, 2.0


def _bare(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_axis_off()


def means(mean: np.ndarray, shapes: np.ndarray, sex: np.ndarray, mirror: np.ndarray | None) -> list[tuple[str, np.ndarray]]:
    """Return the mean face, and of each sex with two faces or more its mean, as (title, (p, 2) float), level, y down."""
    turn = _level(mean, mirror)
    panels = [("mean face", mean @ turn)]
    there = np.isfinite(shapes).all((1, 2))
    for one in SEXES:
        if (rows := there & (sex == one)).sum() > 1:
            panels.append((f"mean of {rows.sum()}, {one}", shapes[rows].mean(0) @ turn))
    return panels


def ways(found: Components, mirror: np.ndarray | None) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return of each of the first components its title and both ends of each point's way, (p, 2) float, level, y down."""
    turn, every = _level(found.mean, mirror), []
    for j in range(min(SHOWN, len(found.sd))):
        way = STEP * found.sd[j] * found.axes[j]
        title = f"component {j + 1}: {100 * found.share[j]:.0f} % of the variance"
        every.append((title, (found.mean - way) @ turn, (found.mean + way) @ turn))
    return every


@plots.house_style()
def mean_face(mean: np.ndarray, shapes: np.ndarray, sex: np.ndarray, mirror: np.ndarray | None) -> Figure:
    """Return the mean face, each point joined to its mirror image; beside it the means of both sexes, where known."""
    panels = means(mean, shapes, sex, mirror)
    figure, grid = _grid(len(panels), 3.4, 4.2)
    for axes, (title, points) in zip(grid, panels, strict=True):
        _draw_face(axes, points, mirror)
        axes.set_title(title, fontsize=9)
    return figure


def _level(points: np.ndarray, mirror: np.ndarray | None) -> np.ndarray:
    """Return the turn, (2, 2) from the right, that lays the lines between mirrored points level on the whole."""
    if mirror is None:
        return np.eye(2)
    across = points[mirror] - points
    x, y = across[across[:, 0] > 0].sum(0) / np.linalg.norm(across[across[:, 0] > 0].sum(0))
    return np.array([[x, -y], [y, x]])


def _joined(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return one broken line, (2, 3 p), from each of p points to its other end, y up."""
    breaks = np.full_like(starts, np.nan)
    return np.asarray((np.stack([starts, ends, breaks], 1) * (1, -1)).reshape(-1, 2).T)


def _draw_face(axes: Axes, points: np.ndarray, mirror: np.ndarray | None) -> None:
    x, y = points[:, 0], -points[:, 1]
    if mirror is not None:
        pairs = np.flatnonzero(mirror > np.arange(len(mirror)))
        axes.plot(*_joined(points[pairs], points[mirror[pairs]]), color=LINE, linewidth=0.35, alpha=0.6)
        middle = mirror == np.arange(len(mirror))
        axes.plot(x[middle], y[middle], ".", color=COLOURS[1], markersize=4)
        axes.plot(x[~middle], y[~middle], ".", color=COLOURS[0], markersize=3)
    else:
        axes.plot(x, y, ".", color=COLOURS[0], markersize=4)
    _bare(axes)


def _grid(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    return figure, [figure.add_subplot(1, panels, i + 1) for i in range(panels)]


@plots.house_style()
def components(found: Components, mirror: np.ndarray | None) -> Figure:
    """Return the first principal components: each point's way from two standard deviations below the mean to two above."""
    every = ways(found, mirror)
    figure, grid = _grid(len(every), 3.4, 4.2)
    for axes, (title, low, high) in zip(grid, every, strict=True):
        axes.plot(*_joined(low, high), color=LINE, linewidth=0.7)
        axes.plot(low[:, 0], -low[:, 1], ".", color=COLOURS[0], markersize=2.5, label="- 2 sd")
        axes.plot(high[:, 0], -high[:, 1], ".", color=COLOURS[1], markersize=2.5, label="+ 2 sd")
        axes.set_title(title, fontsize=9)
        _bare(axes)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


@plots.house_style()
def scatter(names: np.ndarray, sex: np.ndarray, across: Column, up: Column, *, labels: tuple[str, str]) -> Figure:
    """Return averageness against asymmetry, a mark a face, with bands where there are some; the outermost have names."""
    figure, axes = plots.new_figure(8.4, 5.2)
    known = np.isfinite(across.values) & np.isfinite(up.values)
    for number, one in enumerate(dict.fromkeys((*SEXES, *sex.tolist()))):
        rows = np.flatnonzero(known & (sex == one))
        if not len(rows):
            continue
        colour = COLOURS[number % len(COLOURS)]
        bars = _bars(across, rows), _bars(up, rows)
        if bars[0] is not None or bars[1] is not None:
            spots = across.values[rows], up.values[rows]
            axes.errorbar(*spots, xerr=bars[0], yerr=bars[1], fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.35)
        mark = "os^"[number % 3]
        axes.plot(across.values[rows], up.values[rows], mark, color=colour, markersize=4, label=one or "sex not known")
    for i in _outermost(across.values, up.values, known):
        axes.annotate(str(names[i]), (across.values[i], up.values[i]), (4, 3), textcoords="offset points", fontsize=7)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    plots.legend(figure)
    return figure


def _bars(column: Column, rows: np.ndarray) -> np.ndarray | None:
    if column.low is None or column.high is None:
        return None
    value = column.values[rows]
    return np.asarray(np.maximum(np.nan_to_num(np.stack([value - column.low[rows], column.high[rows] - value])), 0))


def _outermost(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> list[int]:
    rows = np.flatnonzero(known)
    ends = [*rows[np.argsort(-x[rows], kind="stable")[:SHOWN]], *rows[np.argsort(y[rows], kind="stable")[:SHOWN]]]
    return list(dict.fromkeys(int(i) for i in ends))


def told(traits: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return the rank correlations that have a value: what of what, of whom, and the row of findings."""
    return [
        (f"{one['name']}\n{trait['trait']}, {trait['group']}", trait["group"], one["spearman"])
        for trait in traits
        for one in trait["correlations"]
        if one["spearman"]["value"] is not None
    ]


@plots.house_style()
def forest(lines: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Figure:
    """Return the rank correlations of measures with ratings, one or more, a line each, with their intervals."""
    figure, axes = plots.new_figure(8.4, 1.2 + 0.42 * len(lines))
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (_, group, row) in enumerate(lines):
        colour = COLOURS[SEXES.index(group) if group in SEXES else 2]
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
        axes.plot(row["value"], place, "os^"[SEXES.index(group) if group in SEXES else 2], color=colour, markersize=5)
    axes.yaxis.set_ticks(range(len(lines)), labels=[label for label, *_ in lines])
    axes.tick_params(axis="y", labelsize=7, length=0)
    axes.set(xlim=(-1, 1), ylim=(len(lines) - 0.5, -0.5), xlabel="rank correlation with the mean rating")
    return figure
