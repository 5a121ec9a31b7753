"""Plots: a heat map of similarities, ROC and DET curves; each as SVG and as PNG, the same bytes for the same numbers."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.data.files import replacing
from facevalue.data.pairs import Pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE, MISSING = "#1c2330", "#9aa3b2", "#c4c9d2"
DARK = {INK: "#e6e9f0", LINE: "#6b7585"}
# Okabe and Ito's colours, the yellow left out: it does not show on white. Dashes differ too, so that grey print will do.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (1, 1)))
NAMED, NUMBERED, FAINT = 60, 20, 0.5
DECADES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1)
DEVIATES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)
FEW = "fewer than 30 errors can be expected"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The error rates of one system, as `facevalue.studies.verification.curve` gives them.

    Parameters
    ----------
    name
        Of the system.
    threshold, fmr, fnmr : (k,) float
        By rising likeness; false match rates fall, false non-match rates rise.
    fmr_limit, fnmr_limit
        The rates below which fewer than 30 errors can be expected.

    Raises
    ------
    WrongShape
        The three are not as long as each other.
    """

    name: str
    threshold: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray
    fmr_limit: float = 0.0
    fnmr_limit: float = 0.0

    def __post_init__(self) -> None:
        shapes = {name: np.shape(getattr(self, name)) for name in ("threshold", "fmr", "fnmr")}
        if len(set(shapes.values())) > 1 or len(shapes["fmr"]) != 1:
            raise WrongShape(f"{self.name}: expected three flat arrays of one length; got {shapes}")


@contextmanager
def house_style() -> Iterator[None]:
    """Set text as text, names without mathematics, and ids that are always the same; it decorates all that draws."""
    from matplotlib import rc_context

    style: dict[Any, Any] = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK) | {
        "axes.edgecolor": LINE,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
        "figure.facecolor": "white",
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "facevalue",
        "text.parse_math": False,
    }
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the SVG has the name, and the reader's fonts
        yield


@house_style()
def heatmap(pairs: Pairs, *, same: float, different: float) -> Figure:
    """Return a heat map: red is more alike, blue is less, whatever the metric.

    White lies halfway between the mean of one person and that of two; both colours reach their full depth. Names stand
    beside the cells of up to 60 people, numbers in those of up to 20; a cell without a number is grey.

    Parameters
    ----------
    pairs
        Of n people and m people, their values (n, m).
    same, different
        Mean value of one person's photos and of two people's; NaN where there is none.

    Examples
    --------
    >>> pairs = Pairs(np.array(["ann"]), np.array(["bo"]), np.array([[0.5]]), "cosine")
    >>> heatmap(pairs, same=np.nan, different=0.5).axes[1].get_ylabel().splitlines()
    ['mean cosine of pairs of photos', 'white: 0.500']
    """
    from matplotlib.colors import TwoSlopeNorm

    n, m = pairs.values.shape
    side = float(np.clip(0.26 * max(n, m) + 2.5, 5.5, 14)) if max(n, m) <= NAMED else 8.5
    figure, axes = new_figure(side + 1.3, side)
    means = [mean for mean in (same, different) if np.isfinite(mean)]
    centre = sum(means) / len(means) if means else 0.0
    ends = [float(end(pairs.values, initial=centre + room)) for end, room in ((np.nanmin, -1e-3), (np.nanmax, 1e-3))]
    look = {"cmap": _red_is_alike(pairs.metric), "norm": TwoSlopeNorm(centre, *ends)}
    if max(n, m) <= NAMED:
        drawn: Any = axes.pcolormesh(np.ma.masked_invalid(pairs.values), edgecolor=INK, linewidth=0.1, **look)
    else:
        drawn = axes.imshow(pairs.values, interpolation="nearest", extent=(0, m, n, 0), **look)
    axes.set(xlim=(0, m), ylim=(n, 0), aspect="equal", xlabel="person", ylabel="person")
    _people_ticks(axes, pairs)
    if max(n, m) <= NUMBERED:
        _cell_numbers(axes, pairs.values, np.asarray(look["norm"](pairs.values)))
    _colour_bar(figure, drawn, axes, pairs.metric, centre, halfway=len(means) == 2)
    return figure


def _red_is_alike(metric: str) -> Any:
    from matplotlib import colormaps

    return colormaps["RdBu_r" if metric == "cosine" else "RdBu"].with_extremes(bad=MISSING)


def _people_ticks(axes: Axes, pairs: Pairs) -> None:
    for axis, names in ((axes.xaxis, pairs.cols), (axes.yaxis, pairs.rows)):
        if max(pairs.values.shape) <= NAMED:
            axis.set_ticks(np.arange(len(names)) + 0.5, labels=[str(name) for name in names])
            axis.set_tick_params(length=0, rotation=90 if axis is axes.xaxis else 0, labelsize=8)
        else:
            numbers = np.linspace(1, len(names), 6).astype(int)
            axis.set_ticks(numbers - 0.5, labels=[str(number) for number in numbers])
            axis.set_label_text("person, numbered in the order of similarity.csv")


def _cell_numbers(axes: Axes, values: np.ndarray, shade: np.ndarray) -> None:
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "#ffffff" if abs(shade[i, j] - 0.5) > 0.3 else "#101010"
            axes.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)


def _colour_bar(figure: Figure, drawn: Any, axes: Axes, metric: str, centre: float, *, halfway: bool) -> None:
    bar = figure.colorbar(drawn, ax=axes, fraction=0.045, pad=0.03)
    told = ", halfway between one person and two" if halfway else ""
    what = "cosine" if metric == "cosine" else f"{metric} distance"
    bar.set_label(f"mean {what} of pairs of photos\nwhite: {centre:.3f}{told}", fontsize=8)
    bar.outline.set_visible(False)
    if metric != "cosine":
        bar.ax.invert_yaxis()


@house_style()
def roc(curves: Sequence[Curve]) -> Figure:
    """Return ROC curves: true match rate by false match rate, which stands on a logarithmic axis; a rate of 0 at its edge.

    Where fewer than 30 false matches can be expected a curve is faint; a dotted line marks the limit.

    Parameters
    ----------
    curves
        One a system.

    Examples
    --------
    >>> one = Curve("a", np.array([0.1, 0.5]), np.array([1.0, 0.01]), np.array([0.0, 0.1]), fmr_limit=0.1)
    >>> [line.get_alpha() for line in roc([one]).axes[0].get_lines()]
    [0.5, None, None]
    """
    figure, axes = new_figure(8.4, 5.2)
    floor = _floor(curve.fmr for curve in curves)
    for number, curve in enumerate(curves):
        points = np.maximum(curve.fmr, floor), 1 - curve.fnmr
        _draw(axes, number, curve.name, points, curve.fmr >= curve.fmr_limit)
    low = min(float(1 - curve.fnmr[curve.fmr > 0].max(initial=0)) for curve in curves)
    room = 0.04 * (1 - low) + 0.001
    axes.set(xscale="log", xlim=(floor, 1), ylim=(low - room, 1 + room))
    axes.set(xlabel="false match rate", ylabel="true match rate")
    ticks = [rate for rate in DECADES if rate >= floor]
    axes.xaxis.set_ticks(ticks, labels=[_percent(rate) for rate in ticks])
    axes.xaxis.set_ticks([], minor=True)
    axes.yaxis.set_ticks(rates := [rate for rate in axes.get_yticks() if 0 <= rate <= 1 + 1e-9])
    axes.yaxis.set_ticklabels([_percent(rate) for rate in rates])
    axes.set_ylim(low - room, 1 + room)
    limit = max(curve.fmr_limit for curve in curves)
    if floor < limit < 1:
        axes.axvline(limit, color=INK, linewidth=0.8, linestyle=":", label=f"left of it {FEW}")
    legend(figure)
    return figure


@house_style()
def det(curves: Sequence[Curve]) -> Figure:
    """Return DET curves: both error rates in normal deviates, on which normal scores make straight lines.

    Where fewer than 30 errors of one kind can be expected a curve is faint; dotted lines mark the limits.

    Parameters
    ----------
    curves
        One a system.

    References
    ----------
    Martin, Doddington, Kamm, Ordowski, Przybocki, The DET curve in assessment of detection task performance, Eurospeech 1997.

    Examples
    --------
    >>> one = Curve("a", np.array([0.1, 0.5]), np.array([0.5, 0.2]), np.array([0.2, 0.5]))
    >>> det([one]).axes[0].get_lines()[0].get_xdata().round(3)
    array([ 0.   , -0.842])
    """
    figure, axes = new_figure(8.4, 5.2)
    floors = _floor(curve.fmr for curve in curves), _floor(curve.fnmr for curve in curves)
    for number, curve in enumerate(curves):
        points = _deviate(curve.fmr, floors[0]), _deviate(curve.fnmr, floors[1])
        held = (curve.fmr >= curve.fmr_limit) & (curve.fnmr >= curve.fnmr_limit)
        _draw(axes, number, curve.name, points, held)
    limits = max(curve.fmr_limit for curve in curves), max(curve.fnmr_limit for curve in curves)
    label = f"left of it or below {FEW}"
    for axis, floor, limit, mark in zip((axes.xaxis, axes.yaxis), floors, limits, (axes.axvline, axes.axhline), strict=True):
        ticks = np.array([rate for rate in DEVIATES if rate >= floor])
        axis.set_ticks(_deviate(ticks, floor), labels=[_percent(rate) for rate in ticks])
        if floor < limit < 0.7:
            mark(float(_deviate(np.array([limit]), floor)[0]), color=INK, linewidth=0.8, linestyle=":", label=label)
            label = ""
    axes.set(xlabel="false match rate", ylabel="false non-match rate")
    axes.set(xlim=_deviate(np.array([floors[0], 0.7]), floors[0]), ylim=_deviate(np.array([floors[1], 0.7]), floors[1]))
    legend(figure)
    return figure


def _floor(rates: Iterable[np.ndarray]) -> float:
    """Return half the smallest rate above 0: there, at the edge, stands a rate of 0."""
    return min((float(rate[rate > 0].min()) / 2 for rate in rates if (rate > 0).any()), default=0.01)


def _deviate(rates: np.ndarray, floor: float) -> np.ndarray:
    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(rate)) for rate in np.clip(rates, floor, 0.999)])


def _percent(rate: float) -> str:
    """Return a rate in per cent, as short as it goes.

    >>> _percent(0.0001), _percent(0.05), _percent(1)
    ('0.01 %', '5 %', '100 %')
    """
    return f"{100 * rate:.6f}".rstrip("0").rstrip(".") + " %"


def _draw(axes: Axes, number: int, name: str, points: tuple[np.ndarray, np.ndarray], held: np.ndarray) -> None:
    """Draw a curve: all of it faint, and over that the part that the data support."""
    look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
    look["drawstyle"] = "steps-post"
    axes.plot(*points, linewidth=1.2, alpha=FAINT, **look)
    axes.plot(*(np.where(held, part, np.nan) for part in points), linewidth=1.9, label=name, **look)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of so many inches, with one plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def legend(figure: Figure) -> None:
    """Put the names of what is drawn below a figure."""
    figure.legend(loc="outside lower left", frameon=False, fontsize=8, handlelength=3.5)


def write_plot(figure: Figure, path: Path, *, drawn: str = "") -> list[str]:
    """Write a figure as `path` with .svg, .png and .pdf, and return the files' names.

    A name in a script that matplotlib's font lacks shows boxes in the PNG and the PDF; the SVG keeps its text.
    """
    with replacing(path.with_suffix(".svg")) as part:
        part.write_text(drawn or svg(figure), encoding="utf-8")
    for suffix, options in ((".png", {"dpi": 150}), (".pdf", {"metadata": {"CreationDate": None}})):
        with replacing(path.with_suffix(suffix)) as part:
            _save(figure, part, format=suffix[1:], **options)
    return [path.with_suffix(suffix).name for suffix in (".svg", ".png", ".pdf")]


def svg(figure: Figure) -> str:
    """Return a figure as SVG, on white."""
    buffer = io.BytesIO()
    _save(figure, buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode()


@house_style()
def _save(figure: Figure, to: Any, **options: Any) -> None:
    figure.savefig(to, **options)


def uri(svg_text: str) -> str:
    """Return an SVG of ours as a data URI, without ground, its ink light where the reader's screen is dark."""
    svg_text = svg_text.replace('style="fill: #ffffff"', 'style="fill: none"', 1)
    names = {colour: f"--c{number}" for number, colour in enumerate(DARK)}
    light, dark = ("".join(f"{names[old]}:{new};" for old, new in shades.items()) for shades in ({c: c for c in DARK}, DARK))
    for colour, name in names.items():
        svg_text = svg_text.replace(colour, f"var({name})")
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    opening, rest = svg_text.split("<defs>", 1)
    return "data:image/svg+xml;base64," + base64.b64encode(f"{opening}{style}<defs>{rest}".encode()).decode()
