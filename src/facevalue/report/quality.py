"""The files and the page of `facevalue quality`: components of each photo, which of them predicts errors, what to drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.image.iso_quality import NATIVE
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import counted, interval, measures, outcome_table, outcomes, sentences, write_table
from facevalue.report.references import (
    BOOTSTRAP,
    DISCARD,
    DISCARD_CURVES,
    FALSE_DISCOVERY,
    PERMUTATION_P,
    QUALITY_STANDARD,
    RISK_COVERAGE,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

DRAWN, LISTED = 6, 50
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    people
        n photos.
    rated
        By component, (n,): higher is better.
    order
        Their names, the best first; as measured where there are no errors to judge by.
    dropped
        Rows of the photos to look at first, and what is wrong with each.
    model, detector
        Their names.
    level, seed, resamples
        Of the intervals.
    threshold
        How it was found, in words, where there are errors to judge by.
    findings
        Of `facevalue.studies.quality`; None where no person has two photos.
    curves
        By component: share discarded and error, (s,) each.
    cards
        Of all that measured.
    notes
        What else is to be said, in sentences.
    """

    people: People
    rated: Mapping[str, np.ndarray]
    order: Sequence[str]
    dropped: tuple[np.ndarray, Sequence[str]]
    model: str
    detector: str
    level: float
    seed: int
    resamples: int
    threshold: str = ""
    findings: Findings | None = None
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()


def write_quality(result: Result, out: Path) -> list[str]:
    """Write the components, the photos to drop, the page and, where there are errors, findings and curves; return names."""
    write_table(photo_table(result), out / "quality.csv")
    write_table(drop_table(result), out / "drop.csv")
    names = [*write_page(page(result), out / "quality.html"), "quality.csv", "drop.csv"]
    if result.findings is not None:
        for name in ("findings.csv", "findings.parquet"):
            write_findings(result.findings, out / name)
        write_table(outcome_table(result.people, [result.model]), out / "people.csv")
        names += ["findings.csv", "findings.parquet", "people.csv"]
    return names


def page(result: Result) -> Page:
    """Return the page."""
    judged = result.findings is not None
    known = {name: getattr(result, name) for name in ("model", "detector", "level", "seed", "resamples", "threshold", "notes")}
    values = {**known, "photos": len(result.people), "curves": _points(result), **digest(result)}
    values["standard"] = any(name.startswith("iso_quality") for name in result.order)
    cited = [DISCARD, DISCARD_CURVES, RISK_COVERAGE, BOOTSTRAP, PERMUTATION_P, FALSE_DISCOVERY] if judged else []
    cited += [QUALITY_STANDARD] if values["standard"] else []
    return Page("quality", values, {"discard": discard_plot(result)} if judged else {}, result.cards, cited)


def _points(result: Result) -> dict[str, Any]:
    """Return the error of the pairs that are left when so many are left out, of the components that are drawn."""
    if result.curves is None:
        return {}
    rows = []
    for name in result.order[:DRAWN]:
        share, error = result.curves[name]
        rows.append({"name": name, "errors": error[np.searchsorted(share, SHARES, side="right") - 1]})
    return {"shares": SHARES, "rows": rows}


def photo_table(result: Result) -> pa.Table:
    """Return a row a photo: path, person, each component, native values where there are such, and why where one is missing."""
    import pyarrow as pa

    faces = result.people.faces
    columns: dict[str, Any] = {"path": faces.path, "person": result.people.person}
    columns["further_faces"] = result.people.further
    for name, values in result.rated.items():
        columns[name] = np.asarray(values, np.float64)
        if name + NATIVE in faces.columns:
            columns[name + NATIVE] = faces.columns[name + NATIVE].values.astype(np.float64)
    columns["why"] = _why(result)
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def _why(result: Result) -> list[str]:
    """Return for each photo why some of its components are missing."""
    words, columns = [dict[str, None]() for _ in range(len(result.people))], result.people.faces.columns
    lacking = np.isnan(np.stack(list(result.rated.values()))).any(0)
    for name, values in result.rated.items():
        why = columns[name].why if name in columns else None
        if why is None:
            continue
        for i in np.flatnonzero(np.isnan(values)):
            words[i] |= {str(why[i]): None} if why[i] else {}
    return [", ".join(each) or "not_measured" * gone for each, gone in zip(words, lacking.tolist(), strict=True)]


def drop_table(result: Result) -> pa.Table:
    """Return a row a photo to look at first: rank, path, person, component, value, reason."""
    import pyarrow as pa

    rows, words = result.dropped
    best = result.order[0] if result.findings is not None else ""
    values = result.rated[best][rows] if best else np.full(len(rows), np.nan)
    return pa.table(
        {
            "rank": pa.array(range(1, len(rows) + 1), pa.int64()),
            "path": pa.array(result.people.faces.path[rows], pa.string()),
            "person": pa.array(result.people.person[rows], pa.string()),
            "component": pa.array([best] * len(rows), pa.string()),
            "value": pa.array(np.asarray(values, np.float64), from_pandas=True),
            "reason": pa.array(list(words), pa.string()),
        }
    )


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `rows`: of each component name, median, 5 % and 95 % quantile and photos without it and, where there are errors, cells
        of its findings. `counts`, `sentences`, `outcomes`: what became of the photos; None without errors. `drop`: rows of
        `drop_table`, at most 50, and `hidden`, how many more there are.
    """
    dropped = drop_table(result).to_pylist()
    found: dict[str, Any] = {"rows": [_row(result, name) for name in result.order], "drop": dropped[:LISTED]}
    found |= {"hidden": len(dropped) - len(found["drop"]), "counts": None, "sentences": _told(result), "outcomes": None}
    if result.findings is not None:
        outcome, every = outcomes(result.people, result.model), measures(result.findings, "all")
        found |= {"counts": every, "outcomes": outcome, "sentences": sentences(every, outcome.reasons)}
    return found


def _told(result: Result) -> list[str]:
    faceless = int((~np.isfinite(result.people.faces.box).all(1)).sum())
    return [f"{counted(len(result.people), 'photo')} in: {faceless} without a face to measure"]


def _row(result: Result, name: str) -> dict[str, Any]:
    values = result.rated[name]
    known = values[np.isfinite(values)]
    low, middle, high = np.quantile(known, (0.05, 0.5, 0.95)) if len(known) else (None, None, None)
    row: dict[str, Any] = {
        "name": name,
        "low": low,
        "median": middle,
        "high": high,
        "missing": len(values) - len(known),
        "found": {},
    }
    if result.findings is not None:
        row["found"] = {
            measure: one | {"interval": interval(one, 3)} for measure, one in measures(result.findings, name).items()
        }
    return row


@plots.house_style()
def discard_plot(result: Result) -> Figure:
    """Return the error of the pairs that are left by the share left out, for the six best components and for no quality."""
    assert result.curves is not None
    figure, axes = plots.new_figure(8.4, 5.4)
    start = next(iter(result.curves.values()))[1][0] if result.curves else 0.0
    for number, name in enumerate(result.order[:DRAWN]):
        share, error = result.curves[name]
        look: dict[str, Any] = {"color": plots.COLOURS[number], "linestyle": plots.DASHES[number % len(plots.DASHES)]}
        axes.plot(share, error, drawstyle="steps-post", linewidth=1.7, label=name, **look)
    given: dict[str, Any] = {"color": plots.LINE, "linewidth": 1.0}
    axes.plot([0, 1], [start, start], linestyle="dotted", label="a quality that knows nothing", **given)
    axes.plot([0, start], [start, 0], linestyle="dashed", label="the best that there could be", **given)
    axes.set(xlim=(0, 0.5), ylim=(0, None), xlabel="share of pairs left out", ylabel="false non-match rate of the rest")
    axes.axvline(0.2, color=plots.INK, linewidth=0.8, linestyle=":")
    plots.legend(figure)
    return figure
