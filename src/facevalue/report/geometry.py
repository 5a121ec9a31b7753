"""The files and the page of `facevalue geometry`: a row a face, findings, the mean face, components, correlations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.faces import Column
from facevalue.data.files import write_findings
from facevalue.data.findings import Findings
from facevalue.data.ratings import SEXES
from facevalue.data.shapes import BY_HAND, NOISE_FREE, best
from facevalue.image.averageness import Reference
from facevalue.image.dimorphism import Components
from facevalue.report.page import Page, write_page
from facevalue.report.people import LISTED, counted, measures, write_table
from facevalue.report.references import (
    BOOTSTRAP,
    BROKEN_STICK,
    FACEFUNS,
    FALSE_DISCOVERY,
    INTRACLASS,
    OBJECT_SYMMETRY,
    PIGEONHOLE,
    SHAPES,
    WILSON,
)
from facevalue.report.shapes import components, forest, mean_face, means, scatter, told, ways

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

TOP, RATE = 5, 0.05
WAY = ("- 2 sd", "+ 2 sd")
ENDS = {NOISE_FREE: "noise taken off", BY_HAND: "as by hand"}
BANDS = {
    f"asymmetry{NOISE_FREE}": "from the noise of the landmarks",
    f"asymmetry{BY_HAND}": "from how far faces that frl132 had not learned from lay from their values by hand",
}
WORDS = {
    "asymmetry": "asymmetry",
    "fluctuating_asymmetry": "fluctuating asymmetry",
    "distinctiveness": "distinctiveness",
    "averageness": "averageness",
    "dimorphism": "dimorphism",
    "dimorphism_left_out": "dimorphism, from the others",
    "yaw": "yaw (deg)",
    "size": "centroid size (px)",
}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was measured and found, and how.

    Parameters
    ----------
    names, sex : (n,) str
    columns
        Of the measures, by name.
    shapes : (n, p, 2) float
        Laid on each other; NaN for faces that were not measured.
    mean : (p, 2) float
        Their mean.
    mirror : (p,) int
        For each point the one that a mirror puts in its place; None where that is not known.
    components
        None of fewer than three faces.
    reference
        What averageness refers to.
    scheme
        What the landmarks are, in words.
    findings
        Of `facevalue.studies.geometry`.
    seed
        Of all that was drawn.
    max_yaw
        deg; None where no face's yaw is known.
    cards
        Of the instruments.
    notes
        What else is to be said, in sentences.
    """

    names: np.ndarray
    sex: np.ndarray
    columns: Mapping[str, Column]
    shapes: np.ndarray
    mean: np.ndarray
    mirror: np.ndarray | None
    components: Components | None
    reference: Reference
    scheme: str
    findings: Findings
    seed: int
    max_yaw: float | None = None
    cards: Sequence[Any] = ()
    notes: Sequence[str] = ()


def write_geometry(result: Result, out: Path) -> list[str]:
    """Write the rows of faces, the findings, the plots and the page into a folder; return the files' names."""
    write_table(face_table(result), out / "geometry.csv")
    write_findings(result.findings, out / "findings.csv")
    write_findings(result.findings, out / "findings.parquet")
    return [*write_page(page(result), out / "geometry.html"), "geometry.csv", "findings.csv", "findings.parquet"]


def face_table(result: Result) -> pa.Table:
    """Return a row a face: name, sex, each measure, its band where it has one, and why where it is missing."""
    import pyarrow as pa

    table: dict[str, Any] = {"name": pa.array(map(str, result.names)), "sex": pa.array(map(str, result.sex))}
    for name, column in result.columns.items():
        table[name] = pa.array(column.values, from_pandas=True)
        for end in ("low", "high"):
            band = getattr(column, end)
            table |= {} if band is None else {f"{name}.{end}": pa.array(band, from_pandas=True)}
        why = column.why
        table |= {} if why is None or not any(why) else {f"{name}.why": pa.array(map(str, why))}
    return pa.table(table)


def page(result: Result) -> Page:
    """Return the page."""
    there = {name: bool(np.isfinite(column.values).any()) for name, column in result.columns.items()}
    values = digest(result) | {
        **{name: getattr(result, name) for name in ("scheme", "seed", "max_yaw", "notes")},
        "reference": result.reference.name,
        "kept": None if result.components is None else result.components.kept,
        "mirrored": result.mirror is not None,
        "dimorphic": there.get("dimorphism", False),
        "rate": RATE,
        "points": _points(result),
        "marks": _marks(result),
    }
    cited = [SHAPES, *([OBJECT_SYMMETRY] if values["mirrored"] else []), FACEFUNS]
    cited += [*([BROKEN_STICK] if values["dimorphic"] else []), *([WILSON] if values["sexed"] else []), BOOTSTRAP]
    cited += [PIGEONHOLE, INTRACLASS, FALSE_DISCOVERY] if values["traits"] else []
    return Page("geometry", values, _figures(result), result.cards, cited)


def digest(result: Result) -> dict[str, Any]:
    """Return the numbers of the page and of the terminal.

    Returns
    -------
    dict
        `counts`; `sentences` on what became of the faces; `level`; `groups`; `means`: a row a measure, a cell a group;
        `turned`: how asymmetry goes with yaw; `sexed`; `extremes`: lists of names; `untold`: of how many faces asymmetry cannot
        be told from none; `bands`: whence its bands are; `traits`: reliability and correlations of each trait and sex.
    """
    counts = measures(result.findings, "all")
    turned = [(key, f"spearman {key} with yaw") for key in WORDS]
    levels = result.findings.level[np.isfinite(result.findings.level)]
    return {
        "counts": counts,
        "sentences": _sentences(result, counts),
        "level": float(levels[0]) if len(levels) else None,
        "groups": (groups := [g for g in ("all", *SEXES) if "mean size" in measures(result.findings, g)]),
        "means": _means(result.findings, groups),
        "turned": [
            counts[name] | {"name": WORDS[key]} for key, name in turned if counts.get(name, {}).get("value") is not None
        ],
        "sexed": counts.get("sexed_right"),
        "extremes": _extremes(result),
        "untold": _untold(result),
        "bands": BANDS.get(best(result.columns, "asymmetry")),
        "traits": _traits(result.findings),
    }


def worded(name: str) -> str:
    """Return a measure in words.

    >>> worded("asymmetry_noise_free"), worded("averageness_by_hand"), worded("yaw")
    ('asymmetry, noise taken off', 'averageness, as by hand', 'yaw (deg)')
    """
    for end, word in ENDS.items():
        if name.endswith(end):
            return f"{worded(name.removesuffix(end))}, {word}"
    return WORDS.get(name, name)


def _sentences(result: Result, counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    n = {name: int(row["value"]) for name, row in counts.items() if name.startswith(("faces", "ratings")) and " " not in name}
    reasons = {name.removeprefix("faces_"): k for name, k in n.items() if name.startswith("faces_")}
    rated = {word: reasons.pop(word, 0) for word in ("rated_unknown", "unrated")}
    told = ", ".join(f"{k} {word}" for word, k in reasons.items() if word != "measured")
    lines = [f"{counted(n['faces'], 'face')} in: {n['faces_measured']} measured, {n['faces'] - n['faces_measured']} not"]
    lines[0] += f" ({told})" if told else ""
    if result.max_yaw is None:
        lines.append("the turn of the heads is not known: a turned head passes for an asymmetric one")
    else:
        lines.append(f"faces turned by more than {result.max_yaw:g} degrees to a side are not measured")
    for name in ("asymmetry", "averageness"):
        why = result.columns[name].why
        whole = Counter(word for word in (() if why is None else why) if word in ("no_mirror", "too_few_faces"))
        lines += [f"{worded(name)} of {counted(k, 'face')} is missing: {word}" for word, k in whole.items()]
    if "ratings" in n:
        lines.append(f"{counted(n['ratings'], 'rating')}, {n['ratings_blank']} blank cells beside them")
        if rated["rated_unknown"]:
            lines.append(f"{counted(rated['rated_unknown'], 'rated face')} not among these: left out")
        if rated["unrated"]:
            lines.append(f"{counted(rated['unrated'], 'measured face')} without a rating")
    return lines


def _means(findings: Findings, groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row a measure: its name, and for each group its mean and standard deviation, or None."""
    found = {group: measures(findings, group) for group in groups}
    names = [name.removeprefix("mean ") for name in found["all"] if name.startswith("mean ")] if "all" in found else []
    rows = []
    for name in names:
        cells = [{"mean": found[g].get(f"mean {name}"), "sd": found[g].get(f"sd {name}")} for g in groups]
        rows.append({"name": worded(name), "cells": cells, "digits": 1 if name in ("yaw", "size") else 4})
    return rows


def _extremes(result: Result) -> list[dict[str, Any]]:
    """Return the faces at the ends of asymmetry and averageness, with their values and the turn of the head."""
    yaw = result.columns["yaw"].values
    lists = []
    for name, sign, title in (
        ("asymmetry", -1, "The most asymmetric"),
        ("averageness", -1, "The most average"),
        ("averageness", 1, "The least average"),
    ):
        column = result.columns[best(result.columns, name)]
        values = column.values.astype(np.float64)
        order = [i for i in np.argsort(sign * values, kind="stable") if np.isfinite(values[i])][:TOP]
        faces = [
            {
                "name": str(result.names[i]),
                "value": values[i],
                "ends": _ends(column, i),
                "yaw": None if np.isnan(yaw[i]) else yaw[i],
            }
            for i in order
        ]
        lists += [{"title": title, "faces": faces, "measure": name}] if faces else []
    return lists


def _ends(column: Column, i: int) -> tuple[float, float] | None:
    if column.low is None or column.high is None or np.isnan(column.low[i]):
        return None
    return float(column.low[i]), float(column.high[i])


def _untold(result: Result) -> tuple[int, int] | None:
    """Return of how many faces, out of how many, the interval of asymmetry holds 0."""
    column = result.columns[best(result.columns, "asymmetry")]
    if column.low is None:
        return None
    known = np.isfinite(column.low)
    return int((column.low[known] <= 0).sum()), int(known.sum())


def _traits(findings: Findings) -> list[dict[str, Any]]:
    """Return a mapping a trait and sex: its raters' reliability, and its correlations."""
    traits: dict[tuple[str, str], dict[str, Any]] = {}
    for row in findings.to_rows():
        kind, _, rest = row["measure"].partition(" ")
        before, with_, trait = rest.partition(" with ")
        if with_ and trait != "yaw":
            found = _trait(traits, trait, row["group"])
            found["correlations"].setdefault(before, {"name": worded(before)})[kind] = row
        elif rest.startswith("of ") and not with_:
            _trait(traits, rest.removeprefix("of "), row["group"])["reliability"][kind] = row
    return [one | {"correlations": list(one["correlations"].values())} for one in traits.values()]


def _trait(traits: dict[tuple[str, str], dict[str, Any]], trait: str, group: str) -> dict[str, Any]:
    return traits.setdefault((trait, group), {"trait": trait, "group": group, "reliability": {}, "correlations": {}})


def _points(result: Result) -> dict[str, Any]:
    """Return what the plots of shapes show as a row a point: its number, that of its mirror image, and x and y in each."""
    faces = means(result.mean, result.shapes, result.sex, result.mirror)
    found = [] if result.components is None else ways(result.components, result.mirror)
    ends = [(f"{title.partition(':')[0]}, {end}", at) for title, *both in found for end, at in zip(WAY, both, strict=True)]
    mirror = [None] * len(result.mean) if result.mirror is None else result.mirror.tolist()
    rows = [
        {"mirror": mirror[i], "cells": [f"{value:.4f}" for _, at in (*faces, *ends) for value in at[i]]}
        for i in range(len(result.mean))
    ]
    return {"heads": [title for title, _ in (*faces, *ends)], "rows": rows, "shares": [title for title, *_ in found]}


def _marks(result: Result) -> dict[str, Any]:
    """Return what the plot of averageness against asymmetry shows, a row a face, of the first 500; and how many more."""
    names = [best(result.columns, name) for name in ("asymmetry", "averageness")]
    columns = [result.columns[name] for name in names]
    known = np.flatnonzero(np.logical_and(*(np.isfinite(column.values) for column in columns)))
    rows = [
        {
            "name": str(result.names[i]),
            "sex": str(result.sex[i]),
            "cells": [{"value": float(column.values[i]), "ends": _ends(column, i)} for column in columns],
        }
        for i in known[:LISTED]
    ]
    return {"heads": list(map(worded, names)), "rows": rows, "hidden": len(known) - len(rows)}


def _figures(result: Result) -> dict[str, Figure]:
    """Return the plots by the names of their files."""
    figures = {"mean_face": mean_face(result.mean, result.shapes, result.sex, result.mirror)}
    if result.components is not None and len(result.components.sd):
        figures["components"] = components(result.components, result.mirror)
    across, up = (best(result.columns, name) for name in ("asymmetry", "averageness"))
    columns = result.columns[across], result.columns[up]
    if all(np.isfinite(column.values).any() for column in columns):
        figures["scatter"] = scatter(result.names, result.sex, *columns, labels=(worded(across), worded(up)))
    if lines := told(_traits(result.findings)):
        figures["correlations"] = forest(lines)
    return figures
