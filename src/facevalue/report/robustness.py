"""The page of `facevalue robustness`: where photos that go wrong break detection, identity, answers and bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.references import BOOTSTRAP, CONFORMAL, CONFORMAL_SHIFT, CORRUPTIONS, WILSON

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLEAN, BREAKS, ALL = "as they are", "first_severity_below", "all"
COLUMNS, KEPT, ROOM, NAMED = 7, 0.95, 0.05, 12
BANDS = {
    "coverage.clean": "made of photos as they are",
    "coverage.widened": "widened for all corruptions",
    "coverage.unseen": "widened for all but this one",
}
CHANGED = (".label_changed", ".mean_change_")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one model makes of the faces that one detector finds.

    Parameters
    ----------
    model, detector
        Names.
    fmr
        False match rate of the threshold.
    findings
        Groups are named "CONDITION / MODEL / DETECTOR".
    severities
        Family and severity of each condition; a severity of 0 where there is no order.
    notes
        What else is to be said, in sentences.
    """

    model: str
    detector: str
    fmr: float
    findings: Findings
    severities: Mapping[str, tuple[str, int]]
    notes: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The model on the detector."""
        return f"{self.model} / {self.detector}"

    @property
    def rate(self) -> str:
        """Name of the measure of true matches."""
        return f"tar@fmr={self.fmr:g}"

    def limits(self, level: float) -> dict[str, float]:
        """Return below what a measure has failed."""
        return {"detection_rate": KEPT, self.rate: KEPT, **dict.fromkeys(BANDS, round(level - ROOM, 3))}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """All parts, where they break, and how it was done.

    Parameters
    ----------
    parts
        One a model and detector.
    breaking
        First severities below the limits, and errors beside the first part's.
    level, seed
        Of intervals and bands, and of all that was drawn.
    drawn
        Which photos were corrupted, in words: "one photo of each person"; "" where people's own photos were judged.
    factor
        What these are judged by, then.
    cards
        Of models and detectors.
    done
        What was done, in sentences.
    """

    parts: Sequence[Part]
    breaking: Findings
    level: float
    seed: int
    drawn: str = ""
    factor: str = ""
    cards: Sequence[Any] = ()
    done: Sequence[str] = ()

    @property
    def findings(self) -> Findings:
        """All numbers in one table."""
        return concatenate([*(part.findings for part in self.parts), self.breaking])

    @property
    def families(self) -> list[str]:
        """Names of conditions with severities, in order."""
        return list(dict.fromkeys(f for part in self.parts for f, severity in part.severities.values() if severity))

    @property
    def levels(self) -> list[str]:
        """Names of conditions without."""
        return [name for name, (_, severity) in self.parts[0].severities.items() if not severity]


def write_robustness(
    result: Result, out: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[str]:
    """Write the page, its figures and the findings into a folder; return the files' names."""
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    names = write_page(page(result, progress=progress), out / "robustness.html")
    return [*names, "findings.csv", "findings.parquet"]


def page(result: Result, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Page:
    """Return the page."""
    drawn: dict[str, Figure] = {}
    wanted = list(figures(result))
    for done, (name, _, figure) in enumerate(wanted):
        progress(done, len(wanted))
        drawn[name] = figure()
    progress(len(wanted), len(wanted))
    parts = result.parts
    values = {
        **{name: getattr(result, name) for name in ("level", "seed", "factor", "drawn", "done")},
        "parts": [{"name": part.name, "model": part.model, "detector": part.detector, "fmr": part.fmr} for part in parts],
        "conditions": _conditions(result),
        "notes": [note for part in parts for note in part.notes],
        "captions": {name: caption for name, caption, _ in wanted},
        "banded": any(_told(part, measure) for part in parts for measure in BANDS),
        "breaks": breaks(result),
        "errors": errors(result),
        "failing": failing(result),
        "answers": list(answers(result)),
        "kept": KEPT,
        **_tables(result),
    }
    cited = [WILSON, BOOTSTRAP, *([CONFORMAL, CONFORMAL_SHIFT] if values["banded"] else [])]
    return Page("robustness", values, drawn, result.cards, cited + ([CORRUPTIONS] if values["errors"] else []))


def _conditions(result: Result) -> dict[str, Any]:
    """Return how many conditions there were, and the names of levels, and of corruptions unless there are many."""
    families, levels = result.families, result.levels
    names = families if len(families) <= NAMED else []
    return {"all": len(result.parts[0].severities), "families": len(families), "names": names, "levels": levels}


def _tables(result: Result) -> dict[str, Any]:
    """Return the heads of the columns that any part has anything for, and the tables of all parts."""
    tables = {part.name: list(numbers(part, result.level)) for part in result.parts}
    rows = [cells for table in tables.values() for _, cells in table]
    there = [i for i in range(len(HEADS)) if any(cells[i][0] or cells[i][1] for cells in rows)]
    heads = list(HEADS.values())
    return {
        "heads": [heads[i].split("\n") for i in there],
        "tables": {name: [(word, [cells[i] for i in there]) for word, cells in table] for name, table in tables.items()},
    }


def rows_of(part: Part, measure: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a measure by condition."""
    chosen = part.findings[part.findings.measure == measure]
    return {row["group"].removesuffix(f" / {part.name}"): row for row in chosen.to_rows()}


def curve(part: Part, measure: str, family: str) -> list[tuple[int, dict[str, Any]]]:
    """Return severity and row, from 0, the photos as they are, of a family."""
    found = rows_of(part, measure)
    points = [(s, found[name]) for name, (f, s) in part.severities.items() if f == family and s and name in found]
    start = [(0, found[CLEAN])] if CLEAN in found else []
    return start + sorted(points, key=lambda point: point[0])


def breaks(result: Result) -> list[dict[str, Any]]:
    """Return a row a family and part: the first severity at which each measure lies below its limit, "none" or nothing.

    Its keys are "family", "part", "detection_rate", "tar", and those of `BANDS`.
    """
    found = {(row["measure"], row["group"]): row for row in result.breaking.to_rows()}
    rows = []
    for family in result.families:
        for part in result.parts:
            cells = {"family": family, "part": part.name}
            for measure, limit in part.limits(result.level).items():
                row = found.get((f"{BREAKS} {limit:g} {measure}", f"{family} / {part.name}"))
                short = "tar" if measure == part.rate else measure
                cells[short] = "" if row is None else "none" if row["value"] is None else f"{row['value']:.0f}"
            rows.append(cells)
    return rows


def errors(result: Result) -> list[str]:
    """Return the mean corruption errors, a sentence each."""
    rows = [row for row in result.breaking.to_rows() if row["measure"] == "mean_corruption_error"]
    over = {row["group"]: f"{row['n']} corruption{'s' * (row['n'] != 1)}" for row in rows}
    return [
        f"{row['group'].removeprefix('all / ')}: mean corruption error "
        + ("none" if row["value"] is None else f"{row['value']:.3f}")
        + f" {row['method']}, over {over[row['group']]} on which that errs; below 1 it errs less."
        for row in rows
    ]


def failing(result: Result) -> list[str]:
    """Return, a sentence each, the measures that lie below their limit on photos as they are already."""
    found = []
    for part in result.parts:
        for measure, limit in part.limits(result.level).items():
            row = rows_of(part, measure).get(CLEAN)
            if row is not None and row["value"] is not None and row["value"] < limit:
                found.append(f"{part.name}: {measure} is {row['value']:.3f} on photos as they are, below {limit:g} already.")
    return found


HEADS = {
    "detection_rate": "found",
    "tar": "true\nmatches",
    "fmr": "false\nmatches",
    "angle_to_clean_deg": "moved by,\ndeg",
    "angle_to_others_deg": "from reference\nphotos, deg",
    "landmark_drift_eyes": "points off,\neye distances",
    "coverage.clean": "held,\nas they are",
    "coverage.widened": "held,\nwidened",
    "coverage.unseen": "held, widened\nfor the others",
    "width.clean_deg": "radius, deg,\nas they are",
    "width.widened_deg": "radius, deg,\nwidened",
    "width.unseen_deg": "radius, deg,\nfor the others",
    "atypical": "atypical",
}


def numbers(part: Part, level: float) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    """Yield each condition and its cells: the value, the interval, and whether it lies below the limit."""
    names = {"tar": part.rate, "fmr": part.rate.replace("tar", "fmr", 1)}
    limits = part.limits(level)
    found = {head: rows_of(part, names.get(head, head)) for head in HEADS}
    for condition in (CLEAN, *part.severities):
        cells = []
        for head, rows in found.items():
            row, limit = rows.get(condition), limits.get(names.get(head, head), -np.inf)
            if row is None or row["value"] is None:
                cells.append(("", "" if row is None else row["method"], False))
                continue
            digits = 1 if head.endswith("_deg") else 4 if head == "fmr" else 3
            ends = "" if row["low"] is None else f"{row['low']:.{digits}f} to {row['high']:.{digits}f}"
            cells.append((f"{row['value']:.{digits}f}", ends, row["value"] < limit))
        yield condition, cells


def answers(result: Result) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each condition and, by column, how often the answer is another, or how far off, and its interval."""
    part = result.parts[0]
    names = [name for name in dict.fromkeys(part.findings.measure) if any(kind in name for kind in CHANGED)]
    found = {name: rows_of(part, name) for name in names}
    yield "", [(_head(name), "") for name in names]
    for condition in part.severities:
        rows = [found[name].get(condition) for name in names]
        yield condition, [("", "") if row is None or row["value"] is None else _value(row) for row in rows]


def _head(measure: str) -> str:
    """Return the head of a column of answers.

    >>> _head("attributes.gender.label_changed"), _head("pose.yaw.mean_change_deg")
    ('attributes.gender', 'pose.yaw, deg')
    """
    column, _, kind = measure.rpartition(".")
    return column if kind == "label_changed" else f"{column}, {kind.rpartition('_')[2]}"


def _value(row: Mapping[str, Any]) -> tuple[str, str]:
    digits = 3 if row["measure"].endswith("changed") else 2
    ends = "" if row["low"] is None else f"{row['low']:.{digits}f} to {row['high']:.{digits}f}"
    return f"{row['value']:.{digits}f}", ends


def figures(result: Result) -> Iterator[tuple[str, str, Callable[[], Figure]]]:
    """Yield the name of each figure, its caption, and what draws it."""
    if result.levels:
        caption = "Each level of the factor, with intervals; dotted: the photos as they are."
        yield "levels", caption, lambda: forest(result)
    if not result.families:
        return
    told = f"means over people, shaded intervals at {100 * result.level:g} %; severity 0 is the photo as it is."
    measures = {
        "detection": ("detection_rate", "Share of faces found, from 1 on of those found in the photo as it is", (0, 1.02)),
        "tar": (result.parts[0].rate, "Share of true matches, faces not found among the misses", (0, 1.02)),
        "angle": ("angle_to_clean_deg", "Degrees by which the embedding has moved", None),
        "atypical": ("atypical", "Share of faces that are flagged as atypical", (0, 1.02)),
    }
    for name, (measure, caption, ends) in measures.items():
        if any(_told(part, measure) for part in result.parts):
            lines = {part.name: (part, measure) for part in result.parts}
            yield name, f"{caption}; {told}", lambda lines=lines, ends=ends: small_multiples(result, lines, ends)  # type: ignore[misc]
    for number, part in enumerate(result.parts):
        known = {word: (part, measure) for measure, word in BANDS.items() if _told(part, measure)}
        if known:
            mark = "" if len(result.parts) == 1 else f"_{number + 1}"
            caption = f"{part.name}: share of photos whose person's template lies in the band; {told}"
            yield f"coverage{mark}", caption, lambda known=known: small_multiples(result, known, (0, 1.02))  # type: ignore[misc]
            widths = {word: (part, f"width.{m.partition('.')[2]}_deg") for word, (_, m) in known.items()}
            caption = f"{part.name}: median radius of the bands, degrees; {told}"
            yield f"width{mark}", caption, lambda widths=widths: small_multiples(result, widths, None)  # type: ignore[misc]


def _told(part: Part, measure: str) -> bool:
    """Return whether a measure has a value under any condition."""
    return bool(np.isfinite(part.findings.value[part.findings.measure == measure]).any())


@plots.house_style()
def small_multiples(result: Result, lines: Mapping[str, tuple[Part, str]], ends: tuple[float, float] | None) -> Figure:
    """Return a panel a corruption: a measure by severity, a line a name, with its interval; a limit is dotted.

    Parameters
    ----------
    result
        With families.
    lines
        By name the part and the measure.
    ends
        Of the vertical axis, None to fit.
    """
    families, several = result.families, len(lines) > 1
    rows, columns = -(-len(families) // COLUMNS), min(COLUMNS, len(families))
    curves = {name: {f: curve(part, measure, f) for f in families} for name, (part, measure) in lines.items()}
    part, measure = next(iter(lines.values()))
    limit, ends = part.limits(result.level).get(measure), ends or (0, 1.05 * _highest(curves))
    figure, panels = _grid(rows, columns, ends, room=0.25 * several)
    for panel, family in zip(panels.flat, families, strict=False):
        panel.set_title(family.replace("_", " "), fontsize=8)
        for number, (name, points) in enumerate(curves.items()):
            _line(panel, number, points[family], name if family == families[0] else "")
        if limit is not None:
            panel.axhline(limit, color=plots.LINE, linewidth=0.8, linestyle=":")
    for panel in panels.flat[len(families) :]:
        panel.set_visible(False)
    if several:
        figure.legend(loc="lower left", ncols=2, frameon=False, fontsize=8, handlelength=3.5)
    return figure


def _line(panel: Axes, number: int, points: Sequence[tuple[int, Mapping[str, Any]]], name: str) -> None:
    """Draw a line and the shade of its interval."""
    known = [(s, row) for s, row in points if row["value"] is not None]
    colour, dash = plots.COLOURS[number % len(plots.COLOURS)], plots.DASHES[number % len(plots.DASHES)]
    at = [s for s, _ in known]
    if known and all(row["low"] is not None for _, row in known):
        low, high = ([row[end] for _, row in known] for end in ("low", "high"))
        panel.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    panel.plot(
        at, [row["value"] for _, row in known], color=colour, linestyle=dash, linewidth=1.4, label=name, marker="o", ms=2
    )


def _highest(curves: Mapping[str, Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]]]) -> float:
    """Return the highest value or end of an interval in any panel."""
    rows = [row for points in curves.values() for curve in points.values() for _, row in curve]
    return max((row[end] for row in rows for end in ("value", "high") if row[end] is not None), default=1.0) or 1.0


def _grid(rows: int, columns: int, ends: tuple[float, float], *, room: float) -> tuple[Figure, np.ndarray]:
    """Return panels that lie fixed, which is several times as fast as a layout: room, inches, is left for a legend of lines."""
    from matplotlib.figure import Figure

    wide, high, below = 1.4 * columns + 0.6, 1.3 * rows + 0.65 + 2 * room, 0.45 + 2 * room
    figure = Figure(figsize=(wide, high))
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(0.5 / wide, below / high, 1 - 0.1 / wide, 1 - 0.25 / high, wspace=0.12, hspace=0.35)
    for (row, column), panel in np.ndenumerate(panels):
        panel.set(xlim=(-0.2, 5.2), ylim=ends, xticks=range(6))
        panel.tick_params(labelbottom=row == rows - 1, labelleft=column == 0)
    figure.text(0.5, (2 * room + 0.05) / high, "severity", ha="center", fontsize=9)
    return figure, panels


@plots.house_style()
def forest(result: Result) -> Figure:
    """Return a row a level of the factor, and a column each for true matches, coverage and the embedding's angle."""
    from matplotlib.figure import Figure

    part, levels = result.parts[0], result.levels
    shown = {
        part.rate: "true matches",
        "coverage.clean": "held by bands made\nof reference photos",
        "angle_to_others_deg": "degrees from the\nreference photos",
    }
    known = {name: word for name, word in shown.items() if _told(part, name)}
    figure = Figure(figsize=(8.4, 1.4 + 0.3 * len(levels)), layout="constrained")
    panels = figure.subplots(1, len(known), sharey=True, squeeze=False)[0]
    for panel, (measure, word) in zip(panels, known.items(), strict=True):
        found = rows_of(part, measure)
        for at, row in enumerate(found.get(level) for level in levels):
            if row is not None and row["value"] is not None:
                panel.plot([row["low"] or row["value"], row["high"] or row["value"]], [at, at], color=plots.COLOURS[0])
                panel.plot([row["value"]], [at], "o", color=plots.COLOURS[0], markersize=4.5)
        if CLEAN in found and found[CLEAN]["value"] is not None:
            panel.axvline(found[CLEAN]["value"], color=plots.INK, linewidth=0.8, linestyle=":")
        panel.set_xlabel(word)
    panels[0].set_yticks(range(len(levels)), levels)
    panels[0].set_ylim(len(levels) - 0.5, -0.5)
    return figure
