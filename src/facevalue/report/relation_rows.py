"""Findings about ties as rows of text, for the page: similarity by relation, dimensions of the face, triads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facevalue.data.findings import Findings
from facevalue.report.networks import RELATIONS, WORDS, Network
from facevalue.report.people import LISTED
from facevalue.report.regression_tables import ModelRow, TermRow, interval_decimals, p_text, worded

BESIDE = ("expected ", "ratio ", "p ", "p_error ", "among_all ")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CONTRASTS = {
    "friend-none": "friends less pairs without a tie",
    "enemy-none": "enemies less pairs without a tie",
    "friend-enemy": "friends less enemies",
}


def relations(findings: Findings) -> list[dict[str, str]]:
    """Return the mean similarity of each relation: friends, no tie, enemies, others."""
    found = _measured(findings, "mean_similarity")
    names = [*(name for name in RELATIONS if name in found), *(name for name in found if name not in RELATIONS)]
    return [found[name] | {"name": WORDS.get(name, name)} for name in names]


def contrasts(findings: Findings) -> list[dict[str, Any]]:
    """Return a row a contrast: the difference, and both of its sizes in standard deviations."""
    by = {measure: _measured(findings, measure) for measure in ("difference", "d", "d_corrected")}
    names = dict.fromkeys(name for found in by.values() for name in found)
    return [{"name": CONTRASTS.get(one, one)} | {measure: found.get(one) for measure, found in by.items()} for one in names]


def spreads(samples: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return how the pairs that are drawn spread, a row a relation: its name, the pairs, and quantiles of their similarity.

    >>> spreads({"friend": np.array([0.1, 0.2, np.nan]), "enemy": np.array([])})
    [{'name': 'friends', 'n': 2, 'cells': ['0.105', '0.125', '0.150', '0.175', '0.195']}]
    """
    known = {name: samples[name][np.isfinite(samples[name])] for name in (*RELATIONS, *samples) if name in samples}
    return [{"name": WORDS.get(name, name), "n": len(one), "cells": _quantiles(one)} for name, one in known.items() if len(one)]


def chances(chosen: Sequence[tuple[ModelRow, TermRow]]) -> list[dict[str, Any]]:
    """Return what statistics are under permutation, a row a coefficient: quantiles of theirs, what was observed, and p."""
    return [
        {
            "name": f"{model.name}: {worded(term.name)}",
            "cells": _quantiles(np.asarray(model.null[term.name], np.float64)),
            "observed": f"{term.statistic:.3f}",
            "p": p_text(term.p, term.p_error),
        }
        for model, term in chosen
    ]


def _quantiles(values: np.ndarray) -> list[str]:
    known = values[np.isfinite(values)]
    return [f"{q:z.3f}" for q in np.quantile(known, QUANTILES)] if len(known) else ["none"] * len(QUANTILES)


def lines(network: Network) -> dict[str, Any]:
    """Return the ties that a picture of a network shows, the first 500 as `rows`, and how many more as `hidden`."""
    kinds = [WORDS["friend"] if sign > 0 else WORDS["enemy"] for sign in network.sign[:LISTED]]
    rows = [
        {"people": [str(network.ids[i]) for i in edge], "kind": kind, "similarity": "none" if np.isnan(s) else f"{s:.3f}"}
        for edge, kind, s in zip(network.edges[:LISTED], kinds, network.similarity[:LISTED], strict=True)
    ]
    return {"rows": rows, "hidden": len(network.edges) - len(rows)}


def villages(findings: Findings | None) -> list[dict[str, str]]:
    """Return a row a village and contrast."""
    rows = findings.to_rows() if findings is not None else []
    return [_row(row, row["group"]) | {"contrast": CONTRASTS.get(row["measure"], row["measure"])} for row in rows]


def dimensions(findings: Findings | None) -> list[dict[str, str]]:
    """Return a row a dimension, the largest first, with its adjusted p."""
    if findings is None:
        return []
    p = {row["group"]: row["value"] for row in findings[findings.measure == "adjusted_p"].to_rows()}
    found = [row for row in findings[findings.measure == "dimension"].to_rows() if row["value"] is not None]
    found.sort(key=lambda row: -abs(row["value"]))
    return [_row(row, row["group"]) | {"p": p_text(_nan(p.get(row["group"])), math.nan)} for row in found]


def named(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of findings as text, by the name of its measure, with its group."""
    return _row(row, row["measure"].replace("_", " ")) | {"group": row["group"]}


def balance(findings: Findings | None) -> dict[str, Any]:
    """Return a row a measure of triads: as found, among all pairs, and by each way of drawing signs expected, with p."""
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in findings.to_rows() if findings is not None else ():
        kind = next((prefix for prefix in BESIDE if row["measure"].startswith(prefix)), "")
        found.setdefault(row["measure"].removeprefix(kind), {})[kind.strip(), row["group"]] = row
    draws = list(dict.fromkeys(group for kinds in found.values() for kind, group in kinds if kind == "expected"))
    rows = [_beside(name, kinds, draws) for name, kinds in found.items() if any(kind == "expected" for kind, _ in kinds)]
    others = [row for kinds in found.values() if all(kind == "" for kind, _ in kinds) for row in kinds.values()]
    return {"draws": draws, "rows": rows, "others": [named(row) for row in others]}


def _beside(name: str, kinds: Mapping[tuple[str, str], Mapping[str, Any]], draws: Sequence[str]) -> dict[str, Any]:
    word = name.removeprefix("triads ").replace("_", " ")
    beside = []
    for draw in draws:
        p, error = (_nan(kinds.get((kind, draw), {"value": None})["value"]) for kind in ("p", "p_error"))
        expected = kinds.get(("expected", draw))
        beside.append({"expected": expected and _row(expected, word), "p": p_text(p, error)})
    one, among = kinds.get(("", "all")), kinds.get(("among_all", "all"))
    return {"name": word, "found": one and _row(one, word), "among": among and _row(among, word), "cells": beside}


def _measured(findings: Findings, measure: str) -> dict[str, dict[str, str]]:
    """Return the rows of one measure by group."""
    return {row["group"]: _row(row, row["group"]) for row in findings[findings.measure == measure].to_rows()}


def _row(row: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return a row of findings as text: name, value, interval, n, measure."""
    known = row["low"] is not None and row["high"] is not None
    digits = 0 if row["method"] == "count" else interval_decimals(row["low"], row["high"]) if known else 3
    value = "none" if row["value"] is None else f"{row['value']:z,.{digits}f}"
    ends = f"{row['low']:z,.{digits}f} to {row['high']:z,.{digits}f}" if known else ""
    return {"name": name, "value": value, "interval": ends, "n": f"{row['n']:,}", "measure": row["measure"]}


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
