"""What became of each photo of people: compared, or not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.files import replacing
from facevalue.data.findings import Findings
from facevalue.data.people import NO_PERSON, People

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = 500


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The photos that a model could not compare, and those with further faces.

    Parameters
    ----------
    reasons
        Photos by reason, the most frequent first.
    failures
        Path, person and reason of the first 500 photos that were not compared.
    hidden
        How many more there are.
    """

    reasons: Mapping[str, int]
    failures: Sequence[tuple[str, str, str]]
    hidden: int


def outcomes(people: People, model: str) -> Outcomes:
    """Return which photos a model could not compare, and why."""
    why = people.why(model)
    failed = np.flatnonzero(why != "")
    rows = [(str(people.faces.path[i]), str(people.person[i]), str(why[i])) for i in failed[:LISTED]]
    return Outcomes(dict(Counter(map(str, why[failed])).most_common()), rows, len(failed) - len(rows))


def outcome_table(people: People, models: Sequence[str]) -> pa.Table:
    """Return a row a photo and model: path, person, model, status, why, further_faces.

    The status is "compared" or "not_compared"; further_faces counts those beside the largest, which is the one compared.
    """
    import pyarrow as pa

    why = np.concatenate([people.why(model) for model in models])
    repeated = {"path": people.faces.path, "person": people.person}
    columns: dict[str, Any] = {name: np.tile(np.asarray(column, object), len(models)) for name, column in repeated.items()}
    columns |= {"model": np.repeat(np.array(models, object), len(people))}
    columns |= {"status": np.where(why == "", "compared", "not_compared"), "why": why}
    return pa.table(columns | {"further_faces": np.tile(people.further, len(models))})


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as CSV or, by the suffix, as parquet."""
    import pyarrow.csv
    import pyarrow.parquet as pq

    with replacing(path) as part:
        if path.suffix == ".parquet":
            pq.write_table(table, part, compression="zstd")
        else:
            pyarrow.csv.write_csv(table, part)


def measures(findings: Findings, group: str) -> dict[str, dict[str, Any]]:
    """Return the rows of one group by their measure."""
    return {row["measure"]: row for row in findings[findings.group == group].to_rows()}


def sentences(found: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, int]) -> list[str]:
    """Return what became of photos and people in plain sentences, none of them left out.

    Examples
    --------
    >>> counts = {"photos": 3, "photos_compared": 2, "photos_with_several_faces": 1, "people": 2, "people_compared": 2,
    ...           "people_of_one_photo": 2}
    >>> for line in sentences({name: {"value": value} for name, value in counts.items()}, {"no_face": 1}): print(line)
    3 photos in: 2 compared, 1 not (1 no_face)
    2 people in: 2 compared, of them 2 with one photo, who cannot be compared with themselves
    1 photo with several faces: the largest was taken
    """
    n = {name: int(row["value"]) for name, row in found.items() if name.startswith(("photos", "people"))}
    told = ", ".join(f"{count} {why}" for why, count in reasons.items())
    lines = [f"{counted(n['photos'], 'photo')} in: {n['photos_compared']} compared, {n['photos'] - n['photos_compared']} not"]
    lines[0] += f" ({told})" if told else ""
    lines.append(f"{n['people']} people in: {n['people_compared']} compared")
    if single := n["people_of_one_photo"]:
        lines[1] += f", of them {single} with one photo, who cannot be compared with themselves"
    if several := n["photos_with_several_faces"]:
        lines.append(f"{counted(several, 'photo')} with several faces: the largest was taken")
    if stray := reasons.get(NO_PERSON):
        lines.append(f"{counted(stray, 'photo')} of nobody, outside the folders of people: not compared")
    return lines


def counted(n: int, noun: str, nouns: str = "") -> str:
    """Return a number and its noun, which for several has an s or another form.

    >>> counted(1, "photo"), counted(2000, "photo"), counted(2, "person", "people")
    ('1 photo', '2,000 photos', '2 people')
    """
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def interval(row: Mapping[str, Any], digits: int = 4) -> str:
    """Return "low to high" of a row of findings, or nothing where it has none.

    >>> interval({"low": 0.25, "high": 0.5}, 2), interval({"low": None, "high": None})
    ('0.25 to 0.50', '')
    """
    return "" if row["low"] is None else f"{row['low']:z.{digits}f} to {row['high']:z.{digits}f}"
