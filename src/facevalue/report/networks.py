"""Plots of networks: coefficients, null distributions, similarity by relation, the people and their ties, the villages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.plots import COLOURS, INK, LINE
from facevalue.report.regression_tables import INTERCEPT, ModelRow, TermRow, p_text, remedy, unit, worded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHIEF = ("friend", "enemy", "friend-enemy", "similarity")
RELATIONS = ("friend", "none", "enemy")
WORDS = {"friend": "friends", "none": "no tie", "enemy": "enemies"}
SHADES = {"friend": COLOURS[2], "none": LINE, "enemy": COLOURS[3]}
NAMED, DRAWN, PANELS, ROW, BINS, NEAR = 40, 300, 12, 30, 40, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The n people and the e ties among them, for a picture.

    Parameters
    ----------
    ids : (n,) str
    block : (n,) str
        Name of each one's village; "" where there is but one.
    edges : (e, 2) int
        Rows of the two people.
    sign : (e,) float
        Above 0 for friends, below for enemies.
    similarity : (e,) float
        Of the two faces; NaN where one has none.
    untied
        Mean similarity of pairs without a tie: the middle of the colours. NaN where there is none.

    Raises
    ------
    WrongShape
        When arrays do not fit each other.
    SchemaError
        When an edge is not between two of the people, or has sign 0.
    """

    ids: np.ndarray
    block: np.ndarray
    edges: np.ndarray
    sign: np.ndarray
    similarity: np.ndarray
    untied: float = math.nan

    def __post_init__(self) -> None:
        n, e = len(self.ids), len(self.edges)
        for name, shape in {"block": (n,), "edges": (e, 2), "sign": (e,), "similarity": (e,)}.items():
            if np.shape(getattr(self, name)) != shape:
                raise WrongShape(f"Network: {name} has shape {np.shape(getattr(self, name))}, expected {shape}")
        if e and (self.edges.min() < 0 or self.edges.max() >= n or (self.edges[:, 0] == self.edges[:, 1]).any()):
            raise SchemaError(f"Network: expected edges between two of {n} people, numbered from 0")
        if not (np.abs(self.sign) > 0).all():
            raise SchemaError("Network: expected signs above or below 0, got 0 or NaN: leave those ties out")


@plots.house_style()
def forest(models: Sequence[ModelRow], spread: Mapping[str, float] | None = None) -> Figure:
    """Return the coefficients of models, a panel each: estimate and interval, corrected or weighted below, p at the right.

    The intercept is left out. A hollow circle has no interval.

    Parameters
    ----------
    models
        One or more.
    spread
        Standard deviations of predictors by name: their coefficients are drawn per standard deviation, and say so.
    """
    from matplotlib.figure import Figure

    rows = [[term for term in model.terms if term.name != INTERCEPT] for model in models]
    heights = [0.9 + 0.42 * len(terms) for terms in rows]
    figure = Figure(figsize=(8.4, 0.5 + sum(heights)), layout="constrained")
    panels = figure.subplots(len(models), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, model, terms in zip(panels, models, rows, strict=True):
        _forest_panel(axes, model, terms, spread or {})
    panels[0].plot([], [], "o-", color=COLOURS[0], markersize=5, label="as it is")
    if how := {remedy(model) for model in models if any(term.corrected is not None for term in model.terms)}:
        label = " or ".join(sorted(how)) + " for the error of the photos"
        panels[0].plot([], [], "D-", color=COLOURS[1], markersize=5, fillstyle="none", label=label)
    figure.legend(loc="outside lower left", frameon=False, fontsize=8, ncols=2)
    return figure


def _forest_panel(axes: Axes, model: ModelRow, terms: Sequence[TermRow], spread: Mapping[str, float]) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, term in enumerate(terms):
        by = spread.get(term.name, 1.0)
        ends, fixed = (by * term.low, by * term.high), term.corrected
        hollow = not np.isfinite(ends).all()
        axes.plot(ends, [place - 0.12] * 2, color=COLOURS[0], linewidth=1.6)
        axes.plot(by * term.value, place - 0.12, "o", color=COLOURS[0], markersize=5, fillstyle="none" if hollow else "full")
        if fixed is not None:
            axes.plot([by * fixed.low, by * fixed.high], [place + 0.18] * 2, color=COLOURS[1], linewidth=1.2)
            axes.plot(by * fixed.value, place + 0.18, "D", color=COLOURS[1], markersize=4, fillstyle="none")
        said = f"p {p_text(term.p, term.p_error)}" if math.isfinite(term.p) else "not permuted"
        said += "\nno interval" if hollow else ""
        axes.text(1.01, place, said, transform=axes.get_yaxis_transform(), fontsize=7, va="center")
    labels = [f"{worded(term.name)}, per sd" if term.name in spread else worded(term.name) for term in terms]
    axes.yaxis.set_ticks(range(len(terms)), labels=labels)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.set(ylim=(len(terms) - 0.5, -0.5), xlabel=unit(model))
    axes.set_title(f"{model.kind.capitalize()} regression of {model.outcome}", fontsize=9, loc="left", wrap=True)


def chief(models: Sequence[ModelRow]) -> list[tuple[ModelRow, TermRow]]:
    """Return the coefficients that the question is about, and were permuted: of friends, enemies and similarity."""
    every = [(model, term) for model in models for term in model.terms if len(model.null.get(term.name, ()))]
    return [(model, term) for model, term in every if term.name in CHIEF][:PANELS]


@plots.house_style()
def nulls(chosen: Sequence[tuple[ModelRow, TermRow]]) -> Figure:
    """Return histograms of statistics under permutation, a panel a coefficient; a line marks what was observed."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(len(chosen), 3)
    lines = -(-len(chosen) // columns)
    figure = Figure(figsize=(max(2.9 * columns, 4.2), 2.5 * lines), layout=ConstrainedLayoutEngine(wspace=0.06))
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes, (model, term) in zip(panels.flat, chosen, strict=False):
        null = np.asarray(model.null[term.name], np.float64)
        axes.hist(null[np.isfinite(null)], bins=BINS, color=LINE)
        axes.axvline(term.statistic, color=COLOURS[1], linewidth=1.8)
        axes.set_title(f"{model.name}: {worded(term.name)}\np {p_text(term.p, term.p_error)}", fontsize=8)
        axes.set(xlabel="z" if model.kind == "logistic" else "t", yticks=[])
        axes.spines["left"].set_visible(False)
    for axes in panels.flat[len(chosen) :]:
        axes.set_visible(False)
    return figure


@plots.house_style()
def relations(samples: Mapping[str, np.ndarray], found: Findings, *, what: str) -> Figure:
    """Return how similar pairs of each relation are: a violin of the pairs, a mark with an interval of their mean.

    Parameters
    ----------
    samples
        Similarities of pairs, (m,) float, by relation.
    found
        Rows of "mean_similarity" by relation.
    what
        The similarity in words.
    """
    figure, axes = plots.new_figure(6.4, 4.2)
    rows = {row["group"]: row for row in found[found.measure == "mean_similarity"].to_rows()}
    names = [name for name in (*RELATIONS, *sorted(set(samples) - set(RELATIONS))) if name in samples or name in rows]
    for place, name in enumerate(names):
        values = np.asarray(samples.get(name, ()), np.float64)
        _violin(axes, values[np.isfinite(values)], place, SHADES.get(name, COLOURS[0]))
        row = rows.get(name)
        if row is not None and row["value"] is not None:
            ends = [[np.nan if row[end] is None else abs(row[end] - row["value"])] for end in ("low", "high")]
            axes.errorbar(place, row["value"], yerr=ends, fmt="o", color=INK, markersize=5, elinewidth=1.6, capsize=3)
    labels = [
        f"{WORDS.get(name, name)}\n{rows[name]['n']:,} dyads" if name in rows else WORDS.get(name, name) for name in names
    ]
    axes.xaxis.set_ticks(range(len(names)), labels=labels)
    axes.set(xlim=(-0.6, len(names) - 0.4), ylabel=what)
    return figure


def _violin(axes: Axes, values: np.ndarray, place: int, colour: str) -> None:
    """Draw the density of values, or of fewer than three, or all alike, a tick each."""
    if len(values) < 3 or np.ptp(values) == 0:
        axes.plot(np.full(len(values), place), values, "_", color=colour, markersize=12)
        return
    drawn: Any = axes.violinplot(values, positions=[place], widths=0.8, showextrema=False, points=200)
    for body in drawn["bodies"]:
        body.set(facecolor=colour, alpha=0.55, linewidth=0)


@plots.house_style()
def sociogram(network: Network, *, seed: int) -> Figure:
    """Return the people as marks and their ties as lines: red is more alike than pairs without a tie, blue is less.

    Friends attract each other, enemies, dashed, do not count for the places; each village stands by itself, those without a
    friend in it in its bottom rows. Up to 40 people have their names.

    Parameters
    ----------
    network
        Up to some hundred people.
    seed
        Of the places.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection

    figure, axes = plots.new_figure(8.4, 7.4)
    at, titles = _places(network, seed)
    look = ScalarMappable(_norm(network), _red_is_alike())
    for below, style in ((False, "solid"), (True, (0, (3, 2)))):
        chosen = (network.sign < 0) == below
        shades = look.to_rgba(network.similarity[chosen])
        lines: Any = at[network.edges[chosen]]
        axes.add_collection(LineCollection(lines, colors=shades, linewidths=1.3, linestyles=[style], zorder=1))
    axes.plot(at[:, 0], at[:, 1], "o", color=INK, markersize=float(np.clip(60 / math.sqrt(len(at) or 1), 2.5, 7)), zorder=2)
    if (network.sign < 0).any():
        axes.plot([], [], "-", color=INK, linewidth=1.3, label="friends")
        axes.plot([], [], "--", color=INK, linewidth=1.3, label="enemies")
        plots.legend(figure)
    for name, (x, y) in titles.items():
        axes.text(x, y, name, fontsize=8, ha="center")
    for name, (x, y) in zip(network.ids, at, strict=True) if len(at) <= NAMED else ():
        axes.annotate(str(name), (x, y), (4, 4), textcoords="offset points", fontsize=7)
    axes.set_aspect("equal")
    axes.set_axis_off()
    bar = figure.colorbar(look, ax=axes, fraction=0.035, pad=0.02, shrink=0.6)
    bar.set_label("similarity of the two faces; grey in the middle: as without a tie, or not known", fontsize=8)
    bar.outline.set_visible(False)
    return figure


def _red_is_alike() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("alike", ["#0a5aa8", "#b4b9c2", "#c8321e"]).with_extremes(bad="#b4b9c2")


def _norm(network: Network) -> Any:
    """Return the scale of colours: as far to both sides of the pairs without a tie as all but a twentieth of ties lie."""
    from matplotlib.colors import Normalize

    known = network.similarity[np.isfinite(network.similarity)]
    middle = network.untied if math.isfinite(network.untied) else float(known.mean()) if len(known) else 0.0
    reach = float(np.quantile(np.abs(known - middle), 0.95)) if len(known) else 1.0
    return Normalize(middle - (reach or 1.0), middle + (reach or 1.0), clip=True)


def _places(network: Network, seed: int) -> tuple[np.ndarray, dict[str, tuple[float, float]]]:
    """Return where people stand, (n, 2), and where the names of villages do."""
    names, number = np.unique(np.asarray(network.block, str), return_inverse=True)
    at, columns = np.zeros((len(network.ids), 2)), max(math.ceil(math.sqrt(len(names))), 1)
    titles = {}
    for one, name in enumerate(names):
        rows = np.flatnonzero(number == one)
        corner = np.array([3.0 * (one % columns), -3.4 * (one // columns)])
        at[rows] = corner + _block_places(network, rows, seed)
        if len(names) > 1:
            titles[str(name)] = (float(corner[0]), float(corner[1]) + 1.15)
    return at, titles


def _block_places(network: Network, rows: np.ndarray, seed: int) -> np.ndarray:
    """Return where the people of a village stand in a square of side 2, (n_b, 2); those without a friend below it.

    Parts of a village that no friends join are held near each other by a weak tie that is not drawn.
    """
    import networkx as nx

    inside = np.isin(network.edges, rows).all(1) & (network.sign > 0)
    graph = nx.Graph()
    graph.add_nodes_from(sorted({int(row) for row in network.edges[inside].ravel()}))
    graph.add_edges_from(network.edges[inside].tolist())
    hubs = [max(sorted(part), key=graph.degree) for part in sorted(nx.connected_components(graph), key=len, reverse=True)]
    graph.add_edges_from([(hubs[0], hub) for hub in hubs[1:]], weight=NEAR)
    found = nx.spring_layout(graph, seed=seed, iterations=100) if len(graph) else {}
    alone = [int(row) for row in rows if int(row) not in found]
    across = np.linspace(-1, 1, min(len(alone), ROW)) if len(alone) > 1 else np.zeros(1)
    found |= {row: np.array([across[k % ROW], -1.15 - 0.12 * (k // ROW)]) for k, row in enumerate(alone)}
    return np.array([found[int(row)] for row in rows])


@plots.house_style()
def villages(found: Findings) -> Figure:
    """Return the difference between tied and untied pairs by village, in its order: larger marks for more people.

    Parameters
    ----------
    found
        Rows whose measure is the contrast ("friend-none", "enemy-none"), whose group is the village, n its people; one or more.
    """
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(map(str, found.measure)))
    figure = Figure(figsize=(8.4, 2.9 * len(kinds) + 0.2), layout="constrained")
    panels = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
    for axes, kind in zip(panels, kinds, strict=True):
        rows = found[(found.measure == kind) & np.isfinite(found.value)]
        rows = rows[np.argsort(rows.value, kind="stable")]
        first, _, second = kind.partition("-")
        colour, place = SHADES.get(first, COLOURS[0]), np.arange(len(rows))
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.vlines(place, rows.low, rows.high, color=colour, linewidth=0.9, alpha=0.6)
        axes.scatter(place, rows.value, s=np.clip(30 * rows.n / max(rows.n.max(initial=1), 1), 3, 30), color=colour, zorder=3)
        axes.set(ylabel=f"{WORDS.get(first, first)} less {WORDS.get(second, second)}", xlabel="village, by rising difference")
        lost = int((found.measure == kind).sum()) - len(rows)
        axes.set_title(
            f"{len(rows)} villages" + (f"; {lost} without such pairs left out" if lost else ""), fontsize=9, loc="left"
        )
        named = len(rows) <= NAMED
        axes.xaxis.set_ticks(place if named else [], labels=[str(name) for name in rows.group] if named else [], rotation=90)
        axes.tick_params(axis="x", labelsize=7)
    return figure
