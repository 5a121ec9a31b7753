"""Figures of an instrument by group, as tables: a row a group, a column a measure, each cell with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What stands in the tables by group, in this order, where it was measured; the rest is told of all faces only.
BY_GROUP = (
    "gender_accuracy",
    "gender_ece",
    "gender_set_coverage",
    "gender_set_size",
    "race_accuracy",
    "race_ece",
    "race_set_coverage",
    "race_set_size",
    "age_mean_absolute_error",
    "age_interval_coverage",
    "age_interval_width",
    "age_group_set_coverage",
    "votes_accuracy",
    "votes_set_coverage",
    "votes_set_size",
)
TOO_FEW = "too few"


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, names of columns, and rows of text: the group, its faces, and a cell a measure."""

    grouping: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def overall(known: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return measure, "value (low to high)" and n of all test faces.

    Parameters
    ----------
    known
        What a recipe wrote: see `facevalue.models.calibration`.

    Examples
    --------
    >>> overall({"figures": [["race_accuracy", "all", 0.812, 0.79, 0.83, 1200]]})
    [('race_accuracy', '0.812 (0.790 to 0.830)', '1200')]
    """
    return [(measure, _cell(row, measure), str(row[-1])) for measure, group, *row in known["figures"] if group == "all"]


def by_group(known: Mapping[str, Any]) -> Iterator[Table]:
    """Yield a table a grouping, groups with too few faces left out of the crossed ones and counted in their heading."""
    cells: dict[str, dict[str, dict[str, Sequence[Any]]]] = {}
    for measure, group, *row in known["figures"]:
        if group != "all":
            grouping, _, name = group.partition(": ")
            cells.setdefault(grouping, {}).setdefault(name, {})[measure] = row
    for grouping, groups in cells.items():
        columns = tuple(m for m in BY_GROUP if any(m in of for of in groups.values()) and not _by_its_own_label(m, grouping))
        rows = [
            (name, str(of[columns[0]][-1]), *(_cell(of.get(m), m) for m in columns))
            for name, of in sorted(groups.items(), key=lambda item: _order(item[0]))
        ]
        kept = [row for row in rows if any(cell != TOO_FEW for cell in row[2:])]
        left = f"; {len(rows) - len(kept)} more groups have too few faces" if len(kept) < len(rows) else ""
        yield Table(grouping + left, columns, kept)


def _by_its_own_label(measure: str, grouping: str) -> bool:
    """Return whether a calibration error is of faces of one label: it is not 0 then, however good the calibration."""
    return measure.endswith("_ece") and measure.removesuffix("_ece") in grouping.split(" x ")


def _order(group: str) -> list[tuple[int, str]]:
    """Return what sorts "3-9" before "10-19", and words by the alphabet."""
    return [(int(word.split("-")[0].rstrip("+")) if word[0].isdigit() else 0, word) for word in group.split()]


def _cell(row: Sequence[Any] | None, measure: str = "") -> str:
    if row is None or row[0] is None:
        return TOO_FEW
    value, low, high = row[:3]
    return f"{value:.3f} ({low:.3f} to {high:.3f}{' if calibrated' if measure.endswith('_ece') else ''})"
