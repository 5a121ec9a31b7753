"""The files and the page of `facevalue accuracy`: a table a system, ROC and DET curves, paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import interval, measures, outcome_table, outcomes, sentences, write_table
from facevalue.report.references import ACCURACY, BIOMETRIC_ERRORS, LIKELIHOOD_COST, PEOPLE_BOOTSTRAP, RULE_OF_30

if TYPE_CHECKING:
    import pyarrow as pa

DIFFERENCE = "difference."
ERRORS = 30
SHOWN_RATES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
LABELS = {
    "accuracy": "accuracy",
    "area_under_curve": "area under the ROC",
    "equal_error_rate": "equal error rate",
    "tmr": "TMR at FMR",
    "cllr": "Cllr",
    "minimum_cllr": "least Cllr",
    "d_prime": "d'",
    "gap": "gap",
    "failure_to_acquire": "failure to acquire",
    "failure_to_compare": "failure to compare",
    "threshold": "threshold, mean of folds",
    "fixed_threshold": "deepface's threshold",
    "fixed_accuracy": "accuracy at deepface's",
}


class Line(NamedTuple):
    """A measure of a system, as text: its name, value, interval, what it rests on, and how it was made."""

    measure: str
    value: str
    interval: str
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.verification`.
    curves
        By the name of a system: threshold, fmr and fnmr, (k,) each.
    people
        By the name of a detector: the photos.
    models
        Names of models.
    level, seed
        Of the intervals, and of all that was drawn.
    drawn
        Which pairs were compared, in words.
    done
        What was done, in sentences.
    cards
        Of models and detectors.
    """

    findings: Findings
    curves: Mapping[str, Mapping[str, np.ndarray]]
    people: Mapping[str, People]
    models: Sequence[str]
    level: float
    seed: int
    drawn: str = "all pairs of photos"
    done: Sequence[str] = ()
    cards: Sequence[Any] = ()


def write_verification(result: Result, out: Path) -> list[str]:
    """Write the findings, the curves, the photos by detector, the plots and the page into a folder; return the names."""
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    write_table(curve_table(result.curves), out / "curves.csv")
    for detector, people in result.people.items():
        write_table(outcome_table(people, result.models), out / f"people_{detector}.csv")
    names = write_page(page(result), out / "accuracy.html")
    photos = [f"people_{detector}.csv" for detector in result.people]
    return [*names, "curves.csv", "findings.csv", "findings.parquet", *photos]


def page(result: Result) -> Page:
    """Return the page."""
    curves = supported(result)
    systems = {name: list(lines(result.findings, name)) for name in result.curves}
    first = measures(result.findings, next(iter(result.curves)))
    values = {
        **{name: getattr(result, name) for name in ("models", "level", "seed", "drawn", "done")},
        "systems": {name: [row._asdict() for row in rows] for name, rows in systems.items()},
        "overview": {name: {line.measure: line._asdict() for line in rows} for name, rows in systems.items()},
        "points": points(curves),
        "differences": [{"systems": group, **line._asdict()} for group, line in differences(result.findings)],
        "photos": list(photos(result)),
        "metrics": list(dict.fromkeys(parts(name)[2] for name in result.curves)),
        "detectors": list(result.people),
        "counts": {name: first[name]["value"] for name in ("photos", "people", "pairs_same", "pairs_different")},
        "folds": "" if first["accuracy"]["value"] is None else first["accuracy"]["method"].partition(";")[0],
    }
    cited = [ACCURACY, BIOMETRIC_ERRORS, PEOPLE_BOOTSTRAP, RULE_OF_30, LIKELIHOOD_COST]
    return Page("accuracy", values, {"roc": plots.roc(curves), "det": plots.det(curves)}, result.cards, cited)


def points(curves: Sequence[plots.Curve]) -> dict[str, list[dict[str, Any]]]:
    """Return what the curves show: by system the false non-match rate at a false match rate of at most so much.

    Returns
    -------
    dict
        Rows of `fmr`, `fnmr` as text, "" where the curve has no such point, and `faint`: fewer than 30 errors of a kind can be
        expected there.
    """
    return {curve.name: [_point(curve, rate) for rate in SHOWN_RATES] for curve in curves}


def _point(curve: plots.Curve, rate: float) -> dict[str, Any]:
    held = curve.fnmr[curve.fmr <= rate]
    least = float(held.min()) if len(held) else float("nan")
    faint = rate < curve.fmr_limit or least < curve.fnmr_limit
    return {"fmr": rate, "fnmr": f"{least:.4f}" if len(held) else "", "faint": bool(faint)}


def supported(result: Result) -> list[plots.Curve]:
    """Return the curves with the rates down to which 30 errors can be expected: of pairs of people, and of same pairs."""
    curves = []
    for name, rates in result.curves.items():
        found = measures(result.findings, name)
        limits = [min(1.0, ERRORS / max(found[kind]["value"], 1)) for kind in ("people_pairs", "pairs_same")]
        curves.append(plots.Curve(name, rates["threshold"], rates["fmr"], rates["fnmr"], *limits))
    return curves


def curve_table(curves: Mapping[str, Mapping[str, np.ndarray]]) -> pa.Table:
    """Return a row a point: system, threshold (in the metric's own terms), fmr, fnmr."""
    import pyarrow as pa

    names = np.repeat(np.array(list(curves), object), [len(rates["fmr"]) for rates in curves.values()])
    rates = {name: np.concatenate([curve[name] for curve in curves.values()]) for name in ("threshold", "fmr", "fnmr")}
    return pa.table({"system": names, **rates})


def lines(findings: Findings, system: str) -> Iterator[Line]:
    """Yield the measures of a system in the order in which they are read; those that could not be had say why."""
    found = measures(findings, system)
    for stem, label in LABELS.items():
        for measure in (name for name in found if name == stem or name.startswith(f"{stem}@")):
            row = found[measure]
            rate = measure.partition("=")[2]
            yield Line(f"{label} {rate}".rstrip(), _value(row, found), interval(row), row["n"], row["method"])


def _value(row: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a value; that of the accuracy with its standard error; of one that is not there, nothing."""
    if row["value"] is None:
        return ""
    error = found.get("accuracy_standard_error", {}).get("value") if row["measure"] == "accuracy" else None
    return f"{row['value']:.4f}" + ("" if error is None else f" ± {error:.4f}")


def differences(findings: Findings) -> list[tuple[str, Line]]:
    """Return the paired differences: the two systems, and a line a measure."""
    return [
        (row["group"], Line(row["measure"].removeprefix(DIFFERENCE).replace("_", " "), _value(row, {}), *_rest(row)))
        for row in findings.to_rows()
        if row["measure"].startswith(DIFFERENCE)
    ]


def differences_by_system(findings: Findings) -> Iterator[tuple[str, list[str]]]:
    """Yield "first - other" and its differences in words, with their intervals."""
    cells: dict[str, list[str]] = {}
    for group, line in differences(findings):
        value = line.value or "not to be had"
        cells.setdefault(group, []).append(f"{line.measure} {value}" + (f" ({line.interval})" if line.interval else ""))
    yield from cells.items()


def parts(system: str) -> tuple[str, str, str]:
    """Return model, detector and metric of a system's name; an ensemble has no detector.

    Examples
    --------
    >>> parts("sface / yunet / cosine"), parts("ensemble by gap / cosine")
    (('sface', 'yunet', 'cosine'), ('ensemble by gap', '', 'cosine'))
    """
    first, *rest = system.split(" / ")
    return first, " / ".join(rest[:-1]), rest[-1]


def short(measure: str) -> str:
    """Return the head of a narrow column, on at most two lines.

    Examples
    --------
    >>> short("area_under_curve"), short("tmr@fmr=0.01").split()
    ('AUC', ['TMR', 'at', 'FMR', '0.01'])
    """
    heads = {"area_under_curve": "AUC", "equal_error_rate": "EER", "cllr": "Cllr", "failure_to_acquire": "failure\nto acquire"}
    heads["fixed_accuracy"] = "at\ndeepface's"
    stem, _, rate = measure.partition("@fmr=")
    return f"TMR at\nFMR {rate}" if rate else heads.get(stem, stem)


def summary_cell(found: Mapping[str, Mapping[str, Any]], measure: str) -> str:
    """Return a value without its interval, or the first word of why there is none."""
    if measure not in found:
        return ""
    return _value(found[measure], found) or str(found[measure]["method"]).partition(":")[0]


def _rest(row: Mapping[str, Any]) -> tuple[str, int, str]:
    return interval(row), row["n"], row["method"]


def photos(result: Result) -> Iterator[dict[str, Any]]:
    """Yield for each detector and model what became of the photos; a model that fails on no more than another is left out."""
    for detector, people in result.people.items():
        told = set[tuple[str, ...]]()
        for model in result.models:
            groups = dict.fromkeys(result.findings.group)
            group = next(name for name in groups if f"{name} / ".startswith(f"{model} / {detector} / "))
            found = outcomes(people, model)
            text = tuple(sentences(measures(result.findings, group), found.reasons))
            if text not in told:
                yield {"detector": detector, "model": model, "sentences": text, "outcomes": found}
            told.add(text)
