"""The findings of an audit as tables: a row a label, a group or an instrument, with what was measured of it in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARE, RAW = "share", "raw_share"
EVENED = ("target", "share_before", "share_kept", "share_weighted")
GIVEN = "_given_quality"
TESTED = ("energy_distance", "chance", "p", "adjusted_p", "auc")
DIMENSIONS = ("difference", "difference_given_quality", "adjusted_p", "adjusted_p_given_quality", "max_t_p")
# How the method of a share begins that is told with others, and what the method holds of one not to be believed.
TOGETHER, CONTRADICTED = "told only as ", "CONTRADICTED"
SHARES = ("share_difference", "adjusted_p_share")
# Beside the share of a label, in this order; `share` itself comes first, `raw_share` last.
BESIDE = {
    "share": "share",
    "share_by_matrix": "by confusions",
    "share_by_rates": "by error rates",
    "share_bounds": "of all faces",
    "raw_share": "raw",
}
FLAGS = {"empty_cell": "none told", "too_small": "few people", "contradicted": "contradicted by the error rates"}
WORDS = {
    "pose.yaw": "head turned aside",
    "pose.pitch": "head bent up or down",
    "quality.inter_eye": "px between the eyes",
    "quality.sharpness": "sharpness",
}
KINDS = {
    "same_bytes": "The same file twice",
    "near_duplicate": "One photo twice, changed",
    "two_names": "One person under two names",
    "mislabelled": "Photos unlike the others of their name",
    "look_alike": "Look-alikes, of whom no more can be said",
    "same_person": "Photos of probably one person",
}


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of findings with its value and interval as text, and its measure in words; shares with three decimals.

    >>> row = {"measure": "p", "value": 0.25, "low": 0.2, "high": 0.3}
    >>> told(row)["told"], told(row)["interval"], told(row | {"value": None, "low": None, "high": None})["told"]
    ('0.25', '0.2 to 0.3', 'none')
    >>> told(row | {"measure": "share", "low": 1e-7})["interval"]
    '0.000 to 0.300'
    """
    share = str(row.get("measure", "")).startswith(("share", "raw_share", "empty_cell", "not_judged"))
    text = (lambda value: f"{value:.3f}") if share else number
    value, low, high = (None if row[end] is None else text(row[end]) for end in ("value", "low", "high"))
    interval = "" if low is None and high is None else f"at most {high}" if low is None else f"at least {low}"
    if low is not None and high is not None:
        interval = "" if row["low"] == row["high"] == row["value"] else f"{low} to {high}"
    words = str(row.get("measure", "")).replace("_", " ")
    return {**row, "told": "none" if value is None else value, "interval": interval, "words": words}


def number(value: float) -> str:
    """Return a number with three digits that say something.

    >>> number(0.01234), number(12.345), number(0.0), number(1234.5), number(7.0)
    ('0.0123', '12.3', '0', '1,234', '7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1e-4 or not value else f"{value:.1e}"


def known(row: Mapping[str, Any] | None) -> bool:
    """Return whether a row is there and has a value."""
    return row is not None and row["value"] is not None


def pivoted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a mapping a group: its name, and its rows by their measures.

    >>> pivoted([{"group": "a", "measure": "x"}, {"group": "a", "measure": "y"}])
    [{'name': 'a', 'x': {'group': 'a', 'measure': 'x'}, 'y': {'group': 'a', 'measure': 'y'}}]
    """
    found = dict[str, dict[str, Any]]()
    for row in rows:
        found.setdefault(row["group"], {"name": row["group"]})[row["measure"]] = row
    return list(found.values())


def attributes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the composition attribute by attribute: a cell a label, with the share and what stands beside it.

    Parameters
    ----------
    rows
        Of the composition, as `told` gives them; a group is "gender: Female".

    Returns
    -------
    list
        Of each attribute its `name`, `title`, whether it is `crossed`, `cells` (label, a row by each name of `BESIDE`, flags),
        the names of `BESIDE` that have a number, `methods`, and `others`: further rows, as those of faces not judged.
    """
    parts = dict[str, dict[str, Any]]()
    for row in rows:
        name, colon, label = row["group"].partition(": ")
        if name == "all" or "." in name and row["measure"] not in BESIDE | FLAGS:
            continue
        part = parts.setdefault(
            name, {"name": name, "title": name.replace("_", " "), "crossed": " x " in name, "cells": {}, "others": []}
        )
        if colon and row["measure"] in BESIDE | FLAGS:
            cell = part["cells"].setdefault(label, {"label": label, "flags": []})
            if row["measure"] in FLAGS:
                cell["flags"].append(_flag(row))
            cell.setdefault(row["measure"], row)
        else:
            part["others"].append(row | {"label": label})
    for part in parts.values():
        part["cells"] = _ordered([dict.fromkeys(BESIDE) | cell for cell in part["cells"].values()])
        _finish(part)
    return list(parts.values())


def _ordered(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cells, one of labels that are told together before the first of these, which say so."""
    of, pools = {cell["label"]: cell for cell in cells}, dict[str, str]()
    for label, cell in of.items():
        method = cell[SHARE]["method"] if cell[SHARE] else ""
        if method.startswith(TOGETHER):
            pools[label] = method.removeprefix(TOGETHER).partition(":")[0]
            cell["flags"].insert(0, f"told only as {pools[label]}")
    together = set(pools.values())
    order = dict.fromkeys(name for label in of if label not in together for name in (pools.get(label, label), label))
    return [of[name] for name in order if name in of]


def _finish(part: dict[str, Any]) -> None:
    """Add what the tables of an attribute show: columns with a number in them, whose view it is, how each was made."""
    cells = part["cells"]
    first = cells[0] if cells else {}
    part["given"] = bool(first.get(RAW)) and first[RAW]["method"] == "given"
    part["view"] = "as given" if part["given"] else "as measured" if "." in part["name"] else "as perceived by the instrument"
    shown = [name for name in BESIDE if name != RAW or not part["given"]]
    part["beside"] = [
        name for name in shown if name == SHARE or any(known(cell[name]) or _bounded(cell[name]) for cell in cells)
    ]
    untold = bool(cells) and not any(known(cell[SHARE]) for cell in cells)
    part["untold"] = first[SHARE]["method"].removeprefix("not told: ") if untold and first[SHARE] else ""
    part["contradicted"] = any(CONTRADICTED in cell[SHARE]["method"] for cell in cells if cell[SHARE])
    part["flagged"] = any(cell["flags"] for cell in cells)
    by = {name: next((cell for cell in cells if known(cell[name])), first).get(name) for name in shown}
    part["methods"] = [f"{BESIDE[name]}: {row['method']}" for name, row in by.items() if row]


def _bounded(row: Mapping[str, Any] | None) -> bool:
    return row is not None and bool(row["interval"])


def _flag(row: Mapping[str, Any]) -> str:
    if row["measure"] == "empty_cell":
        return f"{FLAGS['empty_cell']}, at most {row['high']:.3f}" if row["high"] is not None else FLAGS["empty_cell"]
    return FLAGS[row["measure"]] + (f": {row['told']}" if row["measure"] == "too_small" else "")


def measured_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of composition of numbers, as pose and quality, with a name in words."""
    found = []
    for row in rows:
        name, _, label = row["group"].partition(": ")
        if "." in name or "age" in row["measure"]:
            found.append(row | {"name": f"{WORDS.get(name, name)}: {label}" if label else row["words"]})
    return found


def suspect_counts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found of each kind, what of it is expected to be false, what is called; and the other rows."""
    ends = ("_found", "_expected_false", "_called")
    of = {row["measure"]: row for row in rows}
    kinds = [name.removesuffix("_found") for name in of if name.endswith("_found")]
    table = [{"name": KINDS[kind], **{end[1:]: of.get(f"{kind}{end}") for end in ends}} for kind in kinds]
    return {"table": table, "others": [row for row in rows if not row["measure"].endswith(ends)]}


def conflict_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a row a pair of columns, and one a group of it: rate, kappa, difference; and what nothing was compared with."""
    table = dict[str, dict[str, Any]]()
    alone = list[str]()
    for row in rows:
        measure, _, kind = row["measure"].partition("_")
        if row["method"].startswith("nothing to compare"):
            alone += [f"{measure}: {row['method']}"] if row["n"] else []
        elif kind in ("conflict", "kappa") or kind.startswith("mean_absolute_difference"):
            cells = table.setdefault(row["group"], {"name": row["group"], "measure": measure, "n": row["n"]})
            cells[kind.partition("_")[0]] = row
    told = [row for row in table.values() if any(known(row.get(kind)) for kind in ("conflict", "kappa", "mean"))]
    return {
        "table": [row for row in table.values() if " | " not in row["name"]],
        "by_group": [row for row in told if " | " in row["name"]],
        "few": sum(" | " in name for name in table) - sum(" | " in row["name"] for row in told),
        "alone": alone,
    }


def failure_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return failures by group, those of instruments that failed at all; the names of the others; reasons."""
    of = {(row["measure"], row["group"]): row for row in rows}
    rates = [row["measure"] for row in rows if row["group"] == "all" and ":" not in row["measure"]]
    some = [name for name in rates if of[name, "all"]["value"]]
    table = [
        {
            "rate": of[name, group],
            "apart": of.get((f"difference_to_rest {name}", group)),
            "p": of.get((f"adjusted_p {name}", group)),
        }
        for name in some
        for group in dict.fromkeys(row["group"] for row in rows if row["measure"] == name)
    ]
    reasons = [row for row in rows if row["group"] == "all" and ":" in row["measure"] and row["value"]]
    return {
        "failures": table,
        "reasons": reasons,
        "never": [name.rpartition(" ")[2] for name in rates if name not in some and " " in name],
    }


def comparison_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the comparison by instrument, by dimension and by share, the largest first, and the other rows."""
    of_dimensions = [row for row in rows if row["measure"] in DIMENSIONS]
    dimensions = {row["group"] for row in of_dimensions if row["measure"] == "difference"}
    table = [row for row in pivoted(of_dimensions) if row["name"] in dimensions]
    apart = pivoted([row for row in rows if row["measure"].removesuffix(GIVEN) in TESTED and row["group"] not in dimensions])
    tested = {row["name"] for row in apart}
    others = [row for row in rows if row["measure"] not in DIMENSIONS and row["group"] not in tested]
    table.sort(key=lambda row: -abs(row["difference"]["value"] or 0))
    flaws = dict.fromkeys(row["method"] for row in rows if row["measure"].endswith(GIVEN) and row["value"] is None)
    shares = [row for row in pivoted([row for row in others if row["measure"] in SHARES]) if known(row.get(SHARES[0]))]
    return {
        "comparison": apart,
        "dimensions": table,
        "shares": sorted(shares, key=lambda row: -abs(row[SHARES[0]]["value"])),
        "compared": [row for row in others if row["measure"] not in SHARES],
        "not_given": list(flaws),
    }
