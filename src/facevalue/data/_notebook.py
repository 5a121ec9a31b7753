"""Tables for Jupyter: the first rows as HTML, in the notebook's own colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data._frames import listed

if TYPE_CHECKING:
    from facevalue.data.faces import Column, Faces
    from facevalue.data.findings import Findings
    from facevalue.data.pairs import Pairs

ROWS, COLUMNS, NAMED = 10, 10, 2
DIGITS = 3
PERCEIVED = "Age, gender, race and expression are as perceived by the instrument that is named in the head."
STYLE = """<style>
.facevalue { overflow-x: auto; }
.facevalue table { border-collapse: collapse; color: inherit; background: none; font-size: .9em; }
.facevalue caption, .facevalue p { text-align: left; opacity: .8; margin: .3em 0; }
.facevalue :is(th, td) { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; white-space: nowrap; color: inherit;
  background: none; border: 0; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
.facevalue th small { display: block; font-weight: normal; opacity: .75; }
.facevalue i { opacity: .75; }
</style>"""


def faces_html(faces: Faces) -> str:
    """Return the first faces as an HTML table: each measure with its band, or the reason why there is none."""
    shown = faces[:ROWS]
    heads = [_head("photo"), _head("box", "px"), _head("score"), *(_column_head(n, c) for n, c in faces.columns.items())]
    cells = [
        [escape(name) for name in (shown.path if any(shown.path) else shown.photo)],
        [" ".join(map(number, box)) for box in shown.box.tolist()],
        [number(score) for score in shown.score.tolist()],
        *(column_cells(column, is_set=name.endswith("_set")) for name, column in shown.columns.items()),
    ]
    caption = f"{_counted(len(faces), 'face')} of {_counted(len(set(faces.path)), 'photo')}"
    said = any(column.labels or column.unit == "years" for column in faces.columns.values())
    return table(caption, heads, list(zip(*cells, strict=True)), left=len(faces) - ROWS, said=PERCEIVED if said else "")


def column_html(column: Column) -> str:
    """Return the first values of a measure as an HTML table."""
    rows = [[str(i), cell] for i, cell in enumerate(column_cells(column[:ROWS], is_set=False))]
    return table(_counted(len(column), "value"), [_head("face"), _column_head("value", column)], rows, left=len(column) - ROWS)


def findings_html(findings: Findings) -> str:
    """Return the first findings as an HTML table: each value with its interval."""
    heads = [_head(name) for name in ("study", "measure", "group", "value", "level", "n", "method", "run")]
    rows = []
    for row in findings[: 2 * ROWS].to_rows():
        ends = (math.nan if row[end] is None else row[end] for end in ("value", "low", "high"))
        numbers = [banded(*ends), "" if row["level"] is None else f"{row['level']:g}", str(row["n"])]
        study, measure, group, method, run = (escape(row[name]) for name in ("study", "measure", "group", "method", "run"))
        rows.append([study, measure, group, *numbers, method, run])
    return table(_counted(len(findings), "finding"), heads, rows, left=len(findings) - 2 * ROWS)


def pairs_html(pairs: Pairs) -> str:
    """Return the first cells of a table of similarities as an HTML table."""
    (n, m), metric = pairs.values.shape, escape(pairs.metric)
    blank = np.full((n, m), np.nan)
    parts = np.stack([blank if part is None else part for part in (pairs.values, pairs.low, pairs.high)])
    more = [f"and {m - COLUMNS} more"] if m > COLUMNS else []
    rows = [
        [
            f"<b>{escape(str(name))}</b>",
            *(banded(*parts[:, i, j].tolist()) for j in range(min(m, COLUMNS))),
            *("" for _ in more),
        ]
        for i, name in enumerate(pairs.rows[:ROWS])
    ]
    level = "" if pairs.level is None else f", bands at {pairs.level:g}"
    heads = [_head(""), *(_head(str(name)) for name in pairs.cols[:COLUMNS]), *more]
    return table(f"{n} x {m} pairs, {metric}{level}", heads, rows, left=n - ROWS)


def column_cells(column: Column, *, is_set: bool) -> list[str]:
    """Return a cell a face: its number or its likeliest labels with bands, or the reason why it has none."""
    cells = []
    for i in range(len(column)):
        if np.isnan(column.values[i]).all() and column.values[i].size:
            reason = "" if column.why is None else str(column.why[i])
            cells.append(f"<i>{escape(reason or 'not measured')}</i>")
        elif listed(column):
            cells.append(f"<i>{' x '.join(map(str, column.values.shape[1:]))} numbers</i>")
        else:
            cells.append(_labelled(column, i, is_set=is_set) if column.labels else banded(*_ends(column, i)))
    return cells


def _labelled(column: Column, i: int, *, is_set: bool) -> str:
    """Return the labels of a set, or the likeliest of a distribution, or the first of other numbers, with their bands."""
    values, labels = column.values[i], column.labels
    if is_set:
        return escape(" or ".join(label for label, there in zip(labels, values, strict=True) if there > 0.5)) or "<i>none</i>"
    order = np.argsort(-values, kind="stable") if column.unit == "p" else np.arange(len(labels))
    named = [f"{escape(labels[k])} {banded(*_ends(column, (i, k)))}" for k in order[:NAMED]]
    rest = [f"<i>{len(labels) - NAMED} more</i>"] if len(labels) > NAMED else []
    return ", ".join([*named, *rest])


def _ends(column: Column, at: int | tuple[int, int]) -> tuple[float, float, float]:
    low, high = (math.nan if band is None else float(band[at]) for band in (column.low, column.high))
    return float(column.values[at]), low, high


def banded(value: float, low: float, high: float) -> str:
    """Return a number with its band.

    Examples
    --------
    >>> banded(30.46, 16.0, 45.21), banded(0.5, float("nan"), float("nan")), banded(float("nan"), 0.0, 1.0)
    ('30.5 (16 to 45.2)', '0.5', '<i>no value</i> (0 to 1)')
    """
    shown = "<i>no value</i>" if math.isnan(value) else number(value)
    return shown if math.isnan(low) and math.isnan(high) else f"{shown} ({number(low)} to {number(high)})"


def number(value: float) -> str:
    """Return a number in three digits, and all of those before the point.

    Examples
    --------
    >>> number(0.98765), number(12345.6), number(-7.0), number(float("nan"))
    ('0.988', '12346', '-7', '?')
    """
    if math.isnan(value):
        return "?"
    return f"{value:.0f}" if 10**DIGITS <= abs(value) < 10**15 else f"{value:.{DIGITS}g}"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int, said: str = "") -> str:
    """Return a table of cells that are HTML already, and how many more rows there are."""
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    notes = "".join(f"<p>{note}</p>" for note in (f"and {left} more" if left > 0 else "", said) if note)
    inner = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="facevalue">{STYLE}{inner}{notes}</div>'


def _head(name: str, *facts: str) -> str:
    return escape(name) + "".join(f"<small>{escape(fact)}</small>" for fact in facts if fact)


def _column_head(name: str, column: Column) -> str:
    level = "" if column.level is None else f"at level {column.level:g}"
    return _head(name, "" if column.unit == "1" else column.unit, column.source, level)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
