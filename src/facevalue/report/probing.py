"""The files and the page of `facevalue probe`: what can be read out of vectors, and what of that is no fake success."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.data.people import People
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import counted, interval, measures, outcome_table, outcomes, write_table
from facevalue.report.references import (
    CONTROL_TARGETS,
    CORRECTED_T,
    FALSE_DISCOVERY,
    JACKKNIFE,
    ONLINE_CODE,
    PROBES,
    RESIDUALS,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERS, LABELS = "r_squared", "balanced_accuracy"
ALIGNED = (
    "A model sees faces laid on the same places of a crop: the distance between the pupils in px is the same for all, and "
    "cannot be probed there. Geometry is therefore of proportions, free of size."
)


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.probing`.
    people
        n photos.
    targets
        (n,) by name.
    model, detector
        Their names.
    level, folds, seed
        Of the study.
    increment
        Of `facevalue.studies.increment`; None where no outcome was given.
    added
        What was added to the vectors there.
    cards
        Of the instruments.
    notes
        What else is to be said, in sentences.
    """

    findings: Findings
    people: People
    targets: Mapping[str, np.ndarray]
    model: str
    detector: str
    level: float
    folds: int
    seed: int
    increment: Findings | None = None
    added: Sequence[str] = ()
    cards: Sequence[Any] = ()
    notes: Sequence[str] = field(default=())


def write_probing(result: Result, out: Path) -> list[str]:
    """Write findings, targets, photos, the plot and the page into a folder; return the files' names."""
    import pyarrow as pa

    found = result.findings if result.increment is None else concatenate([result.findings, result.increment])
    for suffix in ("csv", "parquet"):
        write_findings(found, out / f"findings.{suffix}")
    columns: dict[str, Any] = {"path": result.people.faces.path, "person": result.people.person}
    columns |= {name: pa.array(values, from_pandas=True) for name, values in result.targets.items()}
    write_table(pa.table(columns), out / "targets.csv")
    write_table(outcome_table(result.people, [result.model]), out / "people.csv")
    names = write_page(page(result), out / "probing.html")
    return [*names, "findings.csv", "findings.parquet", "targets.csv", "people.csv"]


def page(result: Result) -> Page:
    """Return the page."""
    found = digest(result)
    values = {
        **{name: getattr(result, name) for name in ("model", "detector", "level", "folds", "seed", "added", "notes")},
        **found,
        "photos": len(result.people),
        "people": len(np.unique(result.people.person[result.people.usable(result.model)].astype(str))),
        "aligned": ALIGNED,
    }
    figures = {"probing": dots(found["rows"], result.model)}
    cited = [PROBES, CONTROL_TARGETS, JACKKNIFE, FALSE_DISCOVERY, ONLINE_CODE]
    cited += [CORRECTED_T, RESIDUALS] if found["increment"] else []
    return Page("probing", values, figures, result.cards, cited)


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `rows`: a mapping a target with its `name`, its `measure`, rows of findings by measure (`own`) and of other vectors by
        their name (`others`, `gains`); `unvaried`: names of targets that do not vary; `leaky`: whether photos of a person were
        put on both sides, `fooled`: whether control targets seemed to be read out then; `increment`: rows by measure, or
        nothing; `outcomes`, `sentences`: what became of the photos.
    """
    known = {group: measures(result.findings, group) for group in dict.fromkeys(result.findings.group.tolist())}
    rows, unvaried = [], []
    for target in result.targets:
        own = known.get(f"{target} from {result.model}", {})
        main = next((name for name in (NUMBERS, LABELS) if name in own), None)
        if main is None or own[main]["value"] is None:
            unvaried.append(target)
            continue
        told = {"name": target, "measure": main, "own": {_short(name, main): row for name, row in own.items()}}
        start, beyond = f"{target} from ", f"{target} from {result.model} beyond "
        others = {group.removeprefix(start): part for group, part in known.items() if group.startswith(start) and main in part}
        gains = {group.removeprefix(beyond): part["gain"] for group, part in known.items() if group.startswith(beyond)}
        rows.append(
            told | {"others": {name: part[main] for name, part in others.items() if name != result.model}} | {"gains": gains}
        )
    outcome = outcomes(result.people, result.model)
    return {
        "rows": sorted(rows, key=lambda row: (row["measure"] != NUMBERS, -row["own"]["main"]["value"])),
        "unvaried": unvaried,
        "leaky": any("main_leaky" in row["own"] for row in rows),
        "fooled": any(_fooled(row["own"]) for row in rows),
        "increment": _increment(result.increment),
        "outcomes": outcome,
        "sentences": _sentences(result, outcome.reasons),
    }


def _short(measure: str, main: str) -> str:
    """Return the name of a measure of either kind of target.

    >>> _short("r_squared_leaky", "r_squared"), _short("leak", "r_squared")
    ('main_leaky', 'leak')
    """
    return "main" + measure.removeprefix(main) if measure.startswith(main) else measure


def _fooled(own: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether control targets are read out clearly better with people on both sides."""
    return "main_control_leaky" in own and own["main_control_leaky"]["low"] > own["main_control"]["high"]


def _increment(found: Findings | None) -> dict[str, Any]:
    return {} if found is None else {"outcome": str(found.group[0])} | measures(found, str(found.group[0]))


def _sentences(result: Result, reasons: Mapping[str, int]) -> list[str]:
    usable = result.people.usable(result.model)
    people = len(np.unique(result.people.person[usable].astype(str)))
    told = ", ".join(f"{n} {why}" for why, n in reasons.items())
    lines = [
        f"{counted(len(usable), 'photo')} in: {usable.sum()} of {people} people with vectors" + (f" ({told})" if told else "")
    ]
    gone = defaultdict[int, list[str]](list)
    for row in result.findings.to_rows():
        if row["measure"].startswith("missing ") and row["value"]:
            gone[int(row["value"])].append(row["measure"].removeprefix("missing "))
    for n, names in gone.items():
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        lines.append(f"{counted(n, 'photo')} without a value of {', '.join(names[:2])}{more}")
    return lines


@plots.house_style()
def dots(rows: Sequence[Mapping[str, Any]], model: str) -> Figure:
    """Return a plot with a line a target: the measure with its interval, its control, and the leaky success beside them."""
    figure, axes = plots.new_figure(8.4, 1.6 + 0.3 * max(len(rows), 1))
    looks = (
        ("main", model, "o", 0),
        ("main_control", "control: random per person", "s", 1),
        ("main_leaky", "people on both sides", "D", 3),
    )
    for number, (name, _, marker, colour) in enumerate(looks):
        for at, row in enumerate(rows):
            if (one := row["own"].get(name)) is None:
                continue
            ends = [[one["value"] - one["low"]], [one["high"] - one["value"]]] if one["low"] is not None else None
            look: dict[str, Any] = {
                "color": plots.COLOURS[colour],
                "markerfacecolor": "none" if number else plots.COLOURS[colour],
            }
            axes.errorbar([one["value"]], [at + 0.22 * (number - 1)], xerr=ends, fmt=marker, markersize=4, linewidth=1, **look)
    for name, label, marker, colour in looks:
        if any(name in row["own"] for row in rows):
            axes.plot([], [], marker, color=plots.COLOURS[colour], label=label, markersize=4)
    axes.axvline(0, color=plots.INK, linewidth=0.8, linestyle=":")
    axes.yaxis.set_ticks(range(len(rows)), labels=[row["name"] for row in rows])
    axes.set(ylim=(max(len(rows), 1) - 0.4, -0.6), xlim=(max(-1.0, axes.get_xlim()[0]), 1.02))
    axes.set_xlabel("R2 of people not seen before" + (", of labels balanced accuracy" if _labelled(rows) else ""))
    if rows:
        plots.legend(figure)
    return figure


def _labelled(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["measure"] == LABELS for row in rows)


def told(row: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Return a value and its interval as text.

    >>> told({"value": 0.5, "low": 0.25, "high": 0.75}), told(None)
    ('0.50 (0.25 to 0.75)', '')
    """
    if row is None or row["value"] is None:
        return ""
    ends = interval(row, digits)
    return f"{row['value']:z.{digits}f}" + (f" ({ends})" if ends else "")
