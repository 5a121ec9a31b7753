"""The files and the page of `facevalue similarity`: the matrix, its heat map, what it says on the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.pairs import Pairs
from facevalue.data.people import People
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import interval, measures, outcome_table, outcomes, sentences, write_table
from facevalue.report.references import BOOTSTRAP

SHOWN = 20
TOP = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    pairs
        Of p people and the same p.
    findings
        Of `facevalue.studies.similarity`.
    people
        The photos.
    model, detector
        Their names.
    most
        At most so many pairs of photos a cell; None for all.
    seed
        Of all that was drawn.
    cards
        Of the model and the detector.
    notes
        What else is to be said, in sentences.
    """

    pairs: Pairs
    findings: Findings
    people: People
    model: str
    detector: str
    most: int | None
    seed: int
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()


def write_similarity(result: Result, out: Path) -> list[str]:
    """Write the matrix, the findings, the photos, the heat map and the page into a folder; return the files' names."""
    write_table(result.pairs.to_arrow(), out / "similarity.csv")
    write_table(result.pairs.to_arrow(), out / "similarity.parquet")
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    write_table(outcome_table(result.people, [result.model]), out / "people.csv")
    names = write_page(page(result), out / "similarity.html")
    return [*names, "similarity.csv", "similarity.parquet", "findings.csv", "findings.parquet", "people.csv"]


def page(result: Result) -> Page:
    """Return the page."""
    values = {
        "people": len(result.pairs.rows),
        "metric": result.pairs.metric,
        "level": result.pairs.level,
        **{name: getattr(result, name) for name in ("model", "detector", "most", "seed", "notes")},
        **digest(result),
    }
    return Page("similarity", values, {"heatmap": _heatmap(result)}, result.cards, [BOOTSTRAP])


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal: the gap, what became of the photos, the cells that stand out.

    Returns
    -------
    dict
        `gap`, `mean_same`, `mean_different`: rows of findings. `sentences`: what became of photos and people. `outcomes`.
        `alike`: the ten most alike cells of two people. `apart`: the ten people least like themselves. `single`: who has
        one photo. `table`: names and rows of cells, of at most 20 people.
    """
    pairs, found = result.pairs, measures(result.findings, "all")
    outcome = outcomes(result.people, result.model)
    likeness = pairs.values if pairs.metric == "cosine" else -pairs.values
    above, below = np.triu_indices(len(pairs.rows), 1)
    top = np.argsort(-likeness[above, below], kind="stable")[:TOP]
    own = np.argsort(np.diag(likeness), kind="stable")[: min(TOP, int(np.isfinite(np.diag(likeness)).sum()))]
    everyone = range(len(pairs.rows)) if len(pairs.rows) <= SHOWN else ()
    return {name: found[name] for name in ("gap", "mean_same", "mean_different", "failure_to_acquire")} | {
        "counts": found,
        "sentences": sentences(found, outcome.reasons),
        "outcomes": outcome,
        "alike": [cell(pairs, int(above[i]), int(below[i])) for i in top],
        "apart": [cell(pairs, int(i), int(i)) for i in own],
        "single": [str(name) for name, value in zip(pairs.rows, np.diag(pairs.values), strict=True) if np.isnan(value)],
        "table": [[cell(pairs, i, j) for j in everyone] for i in everyone],
    }


def cell(pairs: Pairs, i: int, j: int) -> dict[str, Any]:
    """Return a cell: both names, the value and its interval as text, and the pairs of photos it rests on."""
    value = float(pairs.values[i, j])
    ends = {
        name: None if array is None or np.isnan(array[i, j]) else float(array[i, j])
        for name, array in (("low", pairs.low), ("high", pairs.high))
    }
    return {
        "row": str(pairs.rows[i]),
        "col": str(pairs.cols[j]),
        "value": "" if np.isnan(value) else f"{value:.3f}",
        "interval": interval(ends, 3),
        "n": None if pairs.count is None else int(pairs.count[i, j]),
    }


def _heatmap(result: Result) -> Any:
    means = (measures(result.findings, "all")[name]["value"] for name in ("mean_same", "mean_different"))
    same, different = (np.nan if mean is None else mean for mean in means)
    return plots.heatmap(result.pairs, same=same, different=different)
