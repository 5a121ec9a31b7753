"""The files and the page of `facevalue perceive evaluate`: how well a perceptual model says what people answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import counted, interval, measures
from facevalue.report.references import BOOTSTRAP, CALIBRATION, CROSSED, NOISE_CEILING, PERCEPTION, WILSON

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED, FEW = 60, 100
COMPARED = ("plurality of the others", "bound of blind models")
# What the table of figures shows, in this order, where it was found; None begins a part.
LABELS: Mapping[str, str | None] = {
    "The model": None,
    "accuracy": "answers said right",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "expected_calibration_error": "expected calibration error (0 is best)",
    "calibration_slope": "calibration slope (below 1: too sure)",
    "chance_accuracy": "answers a guess says right",
    "chance_log_loss": "log-loss of a guess",
    "Annotators' own masks": None,
    "typical_mask.accuracy": "answers said right with the typical mask",
    "typical_mask.accuracy_lost": "what the typical mask loses",
    "typical_mask.log_loss": "log-loss with the typical mask",
    "typical_mask.log_loss_added": "what the typical mask adds",
    "swapped_masks.accuracy": "answers said right with swapped masks",
    "swapped_masks.accuracy_difference": "own masks less swapped ones",
    "swapped_masks.log_loss": "log-loss with swapped masks",
    "swapped_masks.log_loss_difference": "own masks less swapped ones, log-loss",
    "swapped_masks.p": "p: swapped masks do as well",
    "How far people agree": None,
    "agreement": "two annotators agree",
    "noise_ceiling_lower": "the plurality of the others is right",
    "accuracy_where_ceiling": "the model is right on the same answers",
    "noise_ceiling_upper": "the plurality of all is right",
    "rater_blind_bound": "no model blind to annotators exceeds",
    "Likeness of faces": None,
    "spearman": "Spearman with the answers' own matrix",
    "human.spearman": "Spearman with the given matrix",
    "Dimensions": None,
    "dimensions_for_95_percent": "most important ones that keep 95 % of the accuracy above chance",
    "dimensions_for_99_percent": "that keep 99 %",
    "dimensions_by_face_for_95_percent": "largest ones of each face that keep 95 %",
    "dimensions_by_face_for_99_percent": "that keep 99 %",
    "What the model had seen before": None,
    "train.query": "answers whose query stands in the training data",
    "train.query_and_annotator": "by the same annotator",
    "train.annotator": "answers by annotators of the training data",
    "train.no_face": "answers about new faces only",
    "train.majority_accuracy": "the training data's majority is right",
}
LADDER = {
    "accuracy": "own masks",
    "typical_mask.accuracy": "typical mask",
    "swapped_masks.accuracy": "swapped masks",
    "noise_ceiling_lower": "plurality of the others",
    "rater_blind_bound": "bound of blind models",
    "chance_accuracy": "a guess",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.perception.evaluate`, and perhaps those of `facevalue.studies.attributes.group_auroc`.
    model
        Its name.
    seed
        Of all that was drawn.
    question
        What people were asked, as `facevalue.data.triplets` calls it: "odd_one_out".
    done
        What was done, in sentences.
    cards
        Of models that were used.
    """

    findings: Findings
    model: str
    seed: int
    question: str
    done: Sequence[str] = ()
    cards: Sequence[Any] = ()


def write_perception_report(result: Result, out: Path) -> list[str]:
    """Write the findings, the plots and the page into a folder; return the files' names."""
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    return [*write_page(page(result), out / "perception.html"), "findings.csv", "findings.parquet"]


def page(result: Result) -> Page:
    """Return the page."""
    found = result.findings
    values = {
        **{name: getattr(result, name) for name in ("model", "seed", "question", "done")},
        "run": str(found.run[0]) if len(found) else "",
        "bins": _bins(found),
        "curve": _steps(found),
        "people": [_line(row["group"].removeprefix("annotator "), row) for row in _strip(found)],
        **digest(result),
    }
    cited = {
        CROSSED: True,
        CALIBRATION: True,
        WILSON: True,
        BOOTSTRAP: bool({"spearman", "agreement"} & values["counts"].keys()),
        NOISE_CEILING: "noise_ceiling_lower" in values["counts"],
        PERCEPTION: "swapped_masks.accuracy" in values["counts"],
    }
    return Page("perception", values, figures(found), result.cards, [one for one, used in cited.items() if used])


def _line(label: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of a table as text."""
    return {"label": label, "value": _number(row), "ends": interval(row, 3), "n": row["n"], "method": row["method"]}


def _bins(findings: Findings) -> list[dict[str, Any]]:
    """Return the points of the reliability plot: what was said, what came true."""
    groups = dict.fromkeys(group for group in findings.group if group.startswith("bin "))
    points = [measures(findings, group) for group in groups]
    return [_line(_number(found["said"]), found["came_true"]) for found in points]


def _steps(findings: Findings) -> list[dict[str, Any]]:
    """Return the points of the curves of dimensions left: by the number that are left, both kinds beside each other."""
    curves = [_curve(findings, measure) for measure in ("accuracy", "accuracy_by_face")]
    return [
        {"k": k, "chief": _line("", chief), "by_face": _line("", other)}
        for k, (chief, other) in enumerate(zip(*curves, strict=False), 1)
    ]


def figures(findings: Findings) -> dict[str, Figure]:
    """Return the plots that the findings have numbers for, by name: ladder, reliability, elimination, annotators."""
    drawn = {"ladder": ladder(findings), "reliability": reliability(findings)}
    drawn |= {"elimination": elimination(findings)} if _curve(findings, "accuracy") else {}
    return drawn | ({"annotators": annotators(findings)} if _strip(findings) else {})


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `counts`: rows of the group "all" by measure. `sentences`: what was found, in plain words. `parts`: the table of
        figures, heading to lines of label, value, ends, n and method. `groups`: the same of areas under the ROC, where the
        findings have any. `spread`: least, middle and greatest accuracy of annotators. `level`.
    """
    found = measures(result.findings, "all")
    parts: dict[str, list[dict[str, Any]]] = {}
    for measure, label in LABELS.items():
        if label is None:
            lines = parts.setdefault(measure, [])
        elif measure in found:
            lines.append(_line(label, found[measure]))
    shares = [row["value"] for row in _strip(result.findings)]
    groups = result.findings[np.array([measure.startswith("auroc ") for measure in result.findings.measure], bool)].to_rows()
    spread = [f"{shares[i]:.2f}" for i in (0, len(shares) // 2, -1)] if shares else []
    return {
        "counts": found,
        "sentences": sentences(result.findings),
        "parts": {heading: lines for heading, lines in parts.items() if lines},
        "groups": [_line(_group(row), row) for row in groups],
        "spread": spread,
        "level": float(np.nanmax(result.findings.level)),
    }


def sentences(findings: Findings) -> list[str]:
    """Return what was found in plain words, none of it without what it is compared with."""
    found = measures(findings, "all")
    own, guess = found["accuracy"], found["chance_accuracy"]
    lines = [f"It says {_share(own)} of the answers right{_between(own)}; a guess says {_share(guess)}."]
    if "typical_mask.accuracy" in found:
        typical, lost = found["typical_mask.accuracy"], found["typical_mask.accuracy_lost"]
        lines.append(f"With the typical annotator's mask for everybody it says {_share(typical)} right{_between(typical)}.")
        told = lost["low"] is not None and (lost["low"] > 0 or lost["high"] < 0)
        lines[-1] += "" if told else " These answers do not tell whether the annotators' own masks help."
    if "swapped_masks.accuracy" in found:
        swapped = found["swapped_masks.accuracy"]
        lines.append(f"With each answer given somebody's mask at random it says {_share(swapped)} right.")
    lines.append(_people(found))
    return lines + ([_seen(findings, found["train.query"])] if found.get("train.query", {}).get("value") else [])


def _seen(findings: Findings, seen: Mapping[str, Any]) -> str:
    fresh = measures(findings, "query not in train")["accuracy"]
    told = f"{counted(int(seen['value']), 'answer')} of {seen['n']:,} {'is' if seen['value'] == 1 else 'are'} to queries"
    told += " that the model was fitted on; "
    others = (
        f"of the others it says {_share(fresh)} right{_between(fresh)}" if fresh["value"] is not None else "no other is there"
    )
    return f"{told}{others}."


def _people(found: Mapping[str, Mapping[str, Any]]) -> str:
    bound, others = found["rater_blind_bound"], found["noise_ceiling_lower"]
    if bound["value"] is None or others["value"] is None:
        return "How well it could do is not known: no query was answered by two annotators who agree more than by chance."
    if others["n"] < FEW:
        return (
            f"How well it could do is not known: only {others['n']} answers are to a query that another annotator answered too."
        )
    return (
        f"What most of the other annotators answered is right for {_share(others)}{_between(others)}, and no model that is "
        f"blind to annotators can exceed {_share(bound)}{_between(bound)}."
    )


def _share(row: Mapping[str, Any]) -> str:
    return f"{100 * row['value']:.1f} %"


def _between(row: Mapping[str, Any]) -> str:
    return "" if row["low"] is None else f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _group(row: Mapping[str, Any]) -> str:
    return f"{row['measure'].removeprefix('auroc ')}, {row['group']}"


def _number(row: Mapping[str, Any]) -> str:
    value = row["value"]
    whole = row["method"] == "count" or row["measure"].startswith("dimensions")
    return "none" if value is None else f"{value:,.0f}" if whole else f"{value:.3f}"


@plots.house_style()
def ladder(findings: Findings) -> Figure:
    """Return a plot of accuracies under each other: the model's with own, typical and swapped masks, and what people reach."""
    found = measures(findings, "all")
    rows = [(label, found[name]) for name, label in LADDER.items() if name in found and found[name]["value"] is not None]
    rows = [(label, row) for label, row in rows if row["n"] >= FEW or label not in COMPARED]
    if not any(label.endswith("mask") for label, _ in rows):
        rows = [("the model" if label == LADDER["accuracy"] else label, row) for label, row in rows]
    figure, axes = plots.new_figure(7.6, 0.38 * len(rows) + 1.1)
    for place, (label, row) in enumerate(rows):
        own = label.endswith(("masks", "mask", "model"))
        _bars(axes, place, row, colour=plots.COLOURS[0 if own else 1], flat=True, marker="o" if own else "D")
    axes.set(xlabel="share of answers", ylim=(len(rows) - 0.5, -0.5))
    axes.yaxis.set_ticks(range(len(rows)), labels=[label for label, _ in rows])
    axes.yaxis.set_tick_params(length=0)
    return figure


@plots.house_style()
def reliability(findings: Findings) -> Figure:
    """Return a reliability plot: how often the pair that the model holds most alike was kept, by the probability it gave."""
    groups = list(dict.fromkeys(group for group in findings.group if group.startswith("bin ")))
    points = [measures(findings, group) for group in groups]
    figure, axes = plots.new_figure(5.2, 4.6)
    axes.plot((0, 1), (0, 1), color=plots.LINE, linewidth=0.8, linestyle=":")
    for found in points:
        _bars(axes, found["said"]["value"], found["came_true"], colour=plots.COLOURS[0])
    low = min([0.95, *(min(found["said"]["value"], found["came_true"]["low"]) for found in points)]) - 0.03
    axes.set(xlim=(low, 1.02), ylim=(low, 1.02), xlabel="probability that the model gives its first choice")
    axes.set_ylabel("share of answers that were it")
    return figure


@plots.house_style()
def elimination(findings: Findings) -> Figure:
    """Return the accuracy by the number of dimensions that are left: the most important ones, and the largest of each face."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = plots.new_figure(7.6, 4.4)
    curves = {"accuracy": "the most important", "accuracy_by_face": "the largest of each face"}
    for number, (measure, label) in enumerate(curves.items()):
        rows = _curve(findings, measure)
        k = range(1, len(rows) + 1)
        look: dict[str, Any] = {"color": plots.COLOURS[number], "linestyle": plots.DASHES[number]}
        axes.plot(k, [row["value"] for row in rows], marker="o", markersize=3, label=label, **look)
        if all(row["low"] is not None for row in rows) and not number:
            low, high = ([row[end] for row in rows] for end in ("low", "high"))
            axes.fill_between(k, low, high, color=plots.COLOURS[0], alpha=0.12)
    guess = measures(findings, "all")["chance_accuracy"]["value"]
    axes.axhline(guess, color=plots.INK, linewidth=0.8, linestyle=":", label="a guess")
    axes.set(xlabel="dimensions left", ylabel="share of answers said right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plots.legend(figure)
    return figure


@plots.house_style()
def annotators(findings: Findings) -> Figure:
    """Return a strip of annotators by rising accuracy, each with its interval; names of up to 60."""
    rows = _strip(findings)
    figure, axes = plots.new_figure(float(np.clip(0.17 * len(rows) + 1.5, 5.5, 11)), 4.2 if len(rows) <= NAMED else 3.4)
    for place, row in enumerate(rows if len(rows) <= NAMED else []):
        _bars(axes, place, row, colour=plots.COLOURS[0])
    if len(rows) > NAMED:
        low, value, high = ([row[end] for row in rows] for end in ("low", "value", "high"))
        axes.fill_between(range(len(rows)), low, high, color=plots.COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(range(len(rows)), value, color=plots.COLOURS[0])
    found = measures(findings, "all")
    for measure, style in (("accuracy", "solid"), ("chance_accuracy", ":")):
        axes.axhline(found[measure]["value"], color=plots.INK, linewidth=0.8, linestyle=style)
    axes.set(xlabel="annotator, by accuracy", ylabel="share of answers said right", xlim=(-1, len(rows)))
    names = [row["group"].removeprefix("annotator ") for row in rows] if len(rows) <= NAMED else []
    axes.xaxis.set_ticks(range(len(names)), labels=names, rotation=90, fontsize=7)
    return figure


def _bars(axes: Any, at: float, row: Mapping[str, Any], *, colour: str, flat: bool = False, marker: str = "o") -> None:
    """Draw a value and its interval, upright or `flat`."""
    ends = [[0.0], [0.0]] if row["low"] is None else [[max(row["value"] - row["low"], 0)], [max(row["high"] - row["value"], 0)]]
    place, side = ((row["value"], at), "xerr") if flat else ((at, row["value"]), "yerr")
    axes.errorbar(*place, **{side: ends}, fmt=marker, color=colour, markersize=4, linewidth=1.2)


def _curve(findings: Findings, measure: str) -> list[dict[str, Any]]:
    """Return the rows of a measure by the number of dimensions left, 1 first."""
    rows = [(row["group"].split(" "), row) for row in findings[findings.measure == measure].to_rows()]
    left = [(int(words[0]), row) for words, row in rows if words[0].isdigit() and words[-1].startswith("dimension")]
    return [row for _, row in sorted(left, key=lambda one: one[0])]


def _strip(findings: Findings) -> list[dict[str, Any]]:
    """Return the accuracy of each annotator, the lowest first."""
    rows = findings[findings.measure == "accuracy"].to_rows()
    return sorted((row for row in rows if row["group"].startswith("annotator ")), key=lambda row: (row["value"], row["group"]))
