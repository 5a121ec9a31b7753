"""The files and the page of `facevalue frontier`: what each way to obscure still gives away, and what it leaves to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.image.obscure import METHODS
from facevalue.report import plots
from facevalue.report.page import Page, write_page
from facevalue.report.people import counted, interval, outcome_table, outcomes, write_table
from facevalue.report.references import BOOTSTRAP, DOMINANCE, FALSE_DISCOVERY, NAIVE_ATTACK, TRAINED_ATTACK, WILSON

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLEAN = "as they are"
SIZES, MARKS = (4.0, 6.0, 8.5), {"eye": "o", "lower": "s", "face": "^", "head": "D"}
ATTACKS = {
    "naive": "obscured photos against clean other photos of the person",
    "gallery": "obscured photos against other photos obscured alike",
    "parrot": "the same, by a head trained on other people's obscured photos",
    "reversal": "restored photos, as naive and as parrot",
    "inside": "as gallery and as parrot, of photos in which all but what lies under the cover is gray",
}
HEADS = {
    "tar": "people\nrecognised",
    "outside_tar": "by what lies\noutside",
    "inside_tar": "by what lies\nunder it",
    "naive_tar": "naive",
    "gallery_tar": "gallery\nalike",
    "parrot_tar": "parrot",
    "reversal_tar": "reversed",
    "same_photo_tar": "to its own\noriginal",
    "rank1": "best match\nis the person",
    "detected": "still\ndetected",
    "covered_min": "least\ncovered",
}
UTILITIES = ("_f1", "_retained")


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found and how.

    Parameters
    ----------
    findings
        Of `facevalue.studies.privacy`.
    ways
        Method, region and strength of each condition, by its name; no strength is 0.
    fronts
        By a measure of utility, the conditions of which none gives away less and leaves more to be read.
    model, detector, second
        Names: who recognises people, found the faces, and looked for them again.
    fmr, level, seed
        False match rate of the threshold; nominal coverage of the intervals; of what was drawn.
    required
        What was asked for; "" for nothing.
    met
        Conditions that meet it.
    cards
        Of models and detectors.
    notes
        What else is to be said, in sentences.
    people
        The photos as they are, among them those that could not be compared; None where they are not at hand.
    """

    findings: Findings
    ways: Mapping[str, tuple[str, str, float]]
    fronts: Mapping[str, Sequence[str]]
    model: str
    detector: str
    second: str
    fmr: float
    level: float
    seed: int
    required: str = ""
    met: Sequence[str] = ()
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()
    people: People | None = None


def write_frontier(result: Result, out: Path) -> list[str]:
    """Write the page, the plot and the findings into a folder; return the files' names."""
    names = ["findings.csv", "findings.parquet"]
    for name in names:
        write_findings(result.findings, out / name)
    if result.people is not None:
        names.append("photos.csv")
        write_table(outcome_table(result.people, [result.model]), out / names[-1])
    return [*write_page(page(result), out / "frontier.html"), *names]


def page(result: Result) -> Page:
    """Return the page; without a frontier it has no plot."""
    own = {name: getattr(result, name) for name in ("model", "detector", "second", "fmr", "level", "seed", "required", "notes")}
    restored = result.findings.value[result.findings.measure == "reversal_tar"]
    values = digest(result) | own | {"ways": len(result.ways), "attacks": ATTACKS, "restored": bool((restored >= 0).any())}
    grouped = [FALSE_DISCOVERY] if values["groupings"] else []
    cited = [NAIVE_ATTACK, TRAINED_ATTACK, BOOTSTRAP, WILSON, *([DOMINANCE] if result.fronts else []), *grouped]
    return Page("frontier", values, {"frontier": scatter(result)} if result.fronts else {}, result.cards, cited)


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `heads`: the columns. `rows`: of each condition its name, cells (value, interval) and whether it lies on a frontier and
        meets what is required. `calibration`: the rows of the threshold. `groupings`: tables by group. `sentences`: what
        stands out. `warnings`: of the methods that can be undone.
    """
    found = by_group(result.findings)
    read = {name: name.replace("_", "\n") for name in utilities(result.findings)}
    first = ("tar", "outside_tar", "inside_tar")
    heads = {name: HEADS[name] for name in first} | read | HEADS
    on_front = {name for names in result.fronts.values() for name in names}
    rows = [
        {
            "name": shown_name(result, name),
            "cells": [cell(found.get(name, {}).get(measure)) for measure in heads],
            "front": name in on_front,
            "met": name in result.met,
            "by": worst(found.get(name, {}).get("tar")),
        }
        for name in (CLEAN, *result.ways)
    ]
    methods = list(dict.fromkeys(method for method, *_ in result.ways.values()))
    return {
        "heads": heads,
        "rows": rows,
        "calibration": {name: found[CLEAN][name] for name in ("photos", "people", "pairs_different", "threshold", "fmr")},
        "groupings": list(groupings(result)),
        "sentences": sentences(result),
        "warnings": {name: METHODS[name].warning for name in methods if METHODS[name].warning},
    }


def by_group(findings: Findings) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the rows of findings by group and measure."""
    found = dict[str, dict[str, dict[str, Any]]]()
    for row in findings.to_rows():
        found.setdefault(row["group"], {})[row["measure"]] = row
    return found


def utilities(findings: Findings) -> list[str]:
    """Return the measures of what can still be read, in order."""
    names = dict.fromkeys(findings.measure.tolist())
    return [name for name in names if name.endswith(UTILITIES) or name.endswith(("_error_years", "_error"))]


def worst(row: Mapping[str, Any] | None) -> str:
    """Return the attack that found most, as the method of a row of tar names it.

    >>> worst({"value": 0.5, "method": "parrot_tar: bootstrap"}), worst(None)
    ('parrot', '')
    """
    if row is None or row["value"] is None:
        return ""
    return str(row["method"]).partition(":")[0].partition("_")[0]


def cell(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the value of a row and its interval, or why there is none.

    >>> cell({"value": 0.25, "low": 0.2, "high": 0.31, "method": "wilson", "measure": "tar"})
    ('0.250', '0.200 to 0.310')
    """
    if row is None:
        return "", ""
    if row["value"] is None:
        return "", str(row["method"])
    digits = 1 if row["measure"].endswith("_years") else 3
    return f"{row['value']:.{digits}f}", interval(row, digits)


def shown_name(result: Result, name: str) -> str:
    """Return a condition's name without the strength of a method that has none."""
    method, region, strength = result.ways.get(name, (name, "", 0.0))
    return " ".join(part for part in (method, region, f"{strength:g}" if strength else "") if part)


def sentences(result: Result) -> list[str]:
    """Return what stands out: the photos, the threshold, the least and the most that was given away, what was required."""
    found = by_group(result.findings)
    clean, told = found[CLEAN], _photos(result)
    few = clean["threshold"]["method"] if "insufficient" in clean["threshold"]["method"] else ""
    told.append(
        f"Threshold {clean['threshold']['value']:.4f}, at which {clean['fmr']['value']:.2g} of "
        f"{clean['pairs_different']['value']:,.0f} pairs of different people's clean photos match"
        + (f" ({few}: such a rate is hardly known)." if few else ".")
    )
    tar = {name: found[name]["tar"] for name in result.ways if found[name]["tar"]["value"] is not None}
    if tar:
        order = sorted(tar, key=lambda name: float(tar[name]["value"]))
        for name, word in ((order[0], "Least"), (order[-1], "Most"))[len(tar) == 1 :]:
            told.append(
                f"{word} is given away by {shown_name(result, name)}: {tar[name]['value']:.3f} of comparisons recognise the "
                f"person ({interval(tar[name], 3) or 'no interval'}), by the attack {worst(tar[name])}."
            )
        told += [sentence for sentence in (_outside(result, found), _untrained(result, found)) if sentence]
        if better := [name for name in tar if _hidden_by_naive(found[name])]:
            told.append(
                f"The naive attack alone would call {len(better)} of {len(tar)} ways better than they are: another attack "
                "finds more than twice as many there."
            )
    if result.required:
        met = ", ".join(shown_name(result, name) for name in result.met) or "no way"
        told.append(f"Required {result.required}: met by {met}.")
    return told


def _photos(result: Result) -> list[str]:
    """Return what became of the photos: count in is count out."""
    if result.people is None:
        return []
    reasons, several = outcomes(result.people, result.model).reasons, int((result.people.further > 0).sum())
    n, lost = len(result.people), sum(reasons.values())
    why = f" ({', '.join(f'{count} {reason}' for reason, count in reasons.items())}; photos.csv names them)" if lost else ""
    told = [f"{counted(n, 'photo')} in: {n - lost:,} attacked, {lost} not{why}."]
    if several:
        told.append(
            f"{counted(several, 'photo')} with several faces: the largest was attacked, the others were left as they are."
        )
    return told


def _untrained(result: Result, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return that, and why, no parrot was trained for some ways; "" where one was for all."""
    rows = {name: found[name].get("parrot_tar") for name in result.ways}
    lacking = {name: row for name, row in rows.items() if row is not None and row["value"] is None}
    if not lacking:
        return ""
    why = str(next(iter(lacking.values()))["method"]).partition(": ")[2]
    return f"The parrot attack is lacking for {len(lacking)} of {len(rows)} ways, which may look safer than they are: {why}."


def _outside(result: Result, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return what is recognised where a region is blacked out, so that nothing of it is left; "" where none was."""
    tars = {region: found[name]["tar"]["value"] for name, (method, region, _) in result.ways.items() if method == "solid"}
    told = [f"{region} {tar:.3f}" for region, tar in tars.items() if tar is not None]
    if not told:
        return ""
    return (
        "Where a region is blacked out, nothing of it is left but its outline; what lies outside recognises people in this "
        f"share of comparisons: {', '.join(told)}. That is hair, clothes, light and place, and of eye and lower the rest of "
        "the face."
    )


def _hidden_by_naive(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    naive = rows.get("naive_tar", {}).get("value")
    return naive is not None and rows["tar"]["value"] > max(2 * naive, naive + 0.01)


def groupings(result: Result) -> Iterator[dict[str, Any]]:
    """Yield for each grouping its name, its groups, and of each condition the cells of tar a group, the gap and its p."""
    found = by_group(result.findings)
    names = dict.fromkeys(
        group.removeprefix(f"{CLEAN} / ").partition(":")[0] for group in found if group.startswith(f"{CLEAN} / ")
    )
    for name in names:
        start = f"{CLEAN} / {name}: "
        groups = [group.removeprefix(start) for group in found if group.startswith(start)]
        rows = []
        for way in (CLEAN, *result.ways):
            gap = found.get(f"{way} / {name}", {})
            cells = [cell(found.get(f"{way} / {name}: {group}", {}).get("tar")) for group in groups]
            rows.append((shown_name(result, way), [*cells, cell(gap.get("tar_gap")), cell(gap.get("tar_gap_adjusted_p"))]))
        yield {"name": name, "groups": groups, "rows": rows}


@plots.house_style()
def scatter(result: Result) -> Figure:
    """Return a panel a measure of utility: what is left to be read by what is given away, both with intervals.

    Colours are methods, markers regions, sizes strengths; a line joins the conditions of which none is better in both.

    Parameters
    ----------
    result
        With at least one frontier.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(result.fronts) + 0.4, 5.4), layout="constrained")
    panels, found = figure.subplots(1, len(result.fronts), squeeze=False)[0], by_group(result.findings)
    for panel, (measure, front) in zip(panels, result.fronts.items(), strict=True):
        points = {name: (found[name]["tar"], found[name][measure]) for name in result.ways if measure in found[name]}
        points = {name: both for name, both in points.items() if both[0]["value"] is not None and both[1]["value"] is not None}
        for name, (x, y) in points.items():
            _point(panel, result, name, x, y)
        line = sorted((points[name][0]["value"], points[name][1]["value"]) for name in front if name in points)
        panel.plot(*zip(*line, strict=True) if line else ([], []), color=plots.INK, linewidth=0.9, linestyle=":", zorder=1)
        clean = found[CLEAN]
        if measure in clean and clean[measure]["value"] is not None and clean["tar"]["value"] is not None:
            panel.plot(clean["tar"]["value"], clean[measure]["value"], "*", color=plots.INK, markersize=9)
        panel.set(xlabel="people recognised by the worst attack", ylabel=measure.replace("_", " "), xlim=(-0.03, 1.03))
    _keys(figure, result)
    return figure


def _look(result: Result, name: str) -> dict[str, Any]:
    """Return the colour, the marker and the size of a condition."""
    methods = list(dict.fromkeys(method for method, *_ in result.ways.values()))
    method, region, strength = result.ways[name]
    known = sorted({s for m, _, s in result.ways.values() if m == method})
    size = SIZES[1] if len(known) == 1 else SIZES[min(2, round(2 * known.index(strength) / (len(known) - 1)))]
    colour = plots.COLOURS[methods.index(method) % len(plots.COLOURS)]
    return {"color": colour, "marker": MARKS.get(region, "o"), "markersize": size}


def _point(panel: Axes, result: Result, name: str, x: Mapping[str, Any], y: Mapping[str, Any]) -> None:
    """Draw a condition and both intervals."""
    look = _look(result, name)
    for ends, across in ((x, True), (y, False)):
        if ends["low"] is not None:
            place = (
                ([ends["low"], ends["high"]], [y["value"]] * 2) if across else ([x["value"]] * 2, [ends["low"], ends["high"]])
            )
            panel.plot(*place, color=look["color"], linewidth=0.7, alpha=plots.FAINT, zorder=2)
    panel.plot(x["value"], y["value"], linestyle="none", zorder=3, **look)


def _keys(figure: Figure, result: Result) -> None:
    """Put below the figure what colours, markers and lines mean."""
    from matplotlib.lines import Line2D

    methods = list(dict.fromkeys(method for method, *_ in result.ways.values()))
    regions = list(dict.fromkeys(region for _, region, _ in result.ways.values()))
    blank: dict[str, Any] = {"linestyle": "none"}
    handles = [
        *(
            Line2D([], [], marker="o", color=plots.COLOURS[i % len(plots.COLOURS)], label=m, **blank)
            for i, m in enumerate(methods)
        ),
        *(Line2D([], [], marker=MARKS.get(region, "o"), color=plots.LINE, label=region, **blank) for region in regions),
        Line2D([], [], marker="*", color=plots.INK, label=CLEAN, **blank),
        Line2D([], [], color=plots.INK, linewidth=0.9, linestyle=":", label="none is better in both"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
