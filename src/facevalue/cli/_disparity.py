"""What `facevalue disparity` reads and measures, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from facevalue.confidence.verdict import Verifier
    from facevalue.data.people import People, Roster
    from facevalue.report.disparity import Result
    from facevalue.studies.sample import Sample

INSTRUMENTS = ("pose", "quality")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    by: tuple[str, ...]
    adjust: tuple[str, ...]
    measures: tuple[str, ...]
    model: str
    detector: str | None
    metric: str
    level: float
    seed: int
    workers: int
    only_permissive: bool
    quiet: bool

    def wants(self, measure: str) -> bool:
        """Return whether a kind of measure is asked for."""
        return measure in self.measures


def of_pairs(given: Path, asked: Asked) -> tuple[Sample, list[str]]:
    """Return the sample of a table of scored pairs, and notes on it."""
    from facevalue.data.scored import read_scored
    from facevalue.studies.sample import columns_of, sample_of_pairs

    scored = read_scored(given, list(dict.fromkeys((*columns_of(asked.by), *asked.adjust))))
    if strange := _named(asked.measures):
        raise typer.BadParameter(f"--measures: expected verification and calibration of a table of pairs; got {strange[0]}")
    alone = "Nobody is named in the table: each pair counts as though it shared its people with no other."
    notes = [] if scored.named else [alone]
    return sample_of_pairs(scored, by=asked.by, adjust=asked.adjust, seed=asked.seed, name=given.name), notes


def of_people(
    given: str, info: Path | None, out: Path, asked: Asked, verifier: Verifier | None
) -> tuple[Sample, list[str], list[Any]]:
    """Return the sample of photos of people, measured, notes on it, and the cards of the instruments."""
    from facevalue import models
    from facevalue.cli import _people
    from facevalue.data.scored import with_info
    from facevalue.studies.sample import columns_of, sample_of_people, tellable

    roster = _people.roster(given, out)
    roster = roster if info is None else with_info(roster, info)
    detector = _people.one(_people.detectors(roster, asked.detector), "--detector")
    by = tuple("*".join(_column(name, roster) for name in columns_of([word])) for word in asked.by)
    adjust, told = (tuple(_column(name, roster) for name in names) for names in (asked.adjust, _named(asked.measures)))
    people = _measured(roster, out, detector, asked, (*columns_of(by), *adjust, *told), verifier is not None)
    pairs = asked.wants("verification") or asked.wants("calibration") or asked.wants("failures")
    columns = told
    if asked.wants("columns"):
        every = tellable(people, but=columns_of(by))
        known = every if roster.faces is not None else [name for name in every if name in (*roster.columns, *adjust)]
        columns = tuple(dict.fromkeys((*told, *known)))
    sample = sample_of_people(
        people,
        asked.model if pairs else None,
        by=by,
        adjust=adjust,
        columns=columns,
        metric=asked.metric,
        seed=asked.seed,
        chance=None if verifier is None else _chance(verifier, people, asked),
    )
    notes = [*_people.notes(roster), "The largest face of a photo is compared."]
    if pairs and asked.metric != "cosine":
        notes.append(f"Scores are the {asked.metric} distance with its sign changed, so that higher is more alike.")
    if asked.wants("coverage"):
        sample, note = _covered(sample, people, asked)
        notes.append(note)
    used = dict.fromkeys((detector, *(name.partition(".")[0] for name in (*columns_of(by), *adjust, f"{asked.model}."))))
    return sample, notes, [models.card(name) for name in used if name in models.names()]


def operating_point(fmr: float | None, threshold: float | None, verifier: Verifier | None) -> tuple[float | None, float | None]:
    """Return the false match rate and the threshold: one of them, both of a calibration, a rate of .01 where none is given."""
    if verifier is not None:
        return verifier.fmr, verifier.threshold
    return (None, threshold) if threshold is not None else (0.01 if fmr is None else fmr, None)


def _named(measures: Sequence[str]) -> tuple[str, ...]:
    from facevalue.studies.disparity import MEASURES

    return tuple(name for name in measures if name not in MEASURES)


def _column(name: str, roster: Roster) -> str:
    """Return the column that a word stands for: of the table, of an instrument, or short for one of pose or quality."""
    from facevalue.annotate import instruments

    if name in roster.columns or "." in name:
        return name
    known = [column for one in INSTRUMENTS for column in instruments.columns(one)]
    found = next((column for column in known if column.partition(".")[2] == name), None)
    if found is None:
        there = ", ".join([*roster.columns, *(column.partition(".")[2] for column in known)])
        told = f"{name!r}; there: {there}"
        raise typer.BadParameter(f"expected a column of the table or an instrument's (attributes.race), got {told}")
    return found


def _measured(roster: Roster, out: Path, detector: str, asked: Asked, columns: Sequence[str], calibrated: bool) -> People:
    """Return the people, measured by the model and by the instruments whose columns are asked for."""
    from facevalue import models
    from facevalue.annotate.verify import wanted
    from facevalue.cli import _people

    names = [name.partition(".")[0] for name in columns if name not in roster.columns]
    bands = calibrated or (asked.wants("coverage") and _enough(roster, asked.level))
    names += list(wanted(asked.model) if bands else (asked.model,))
    chosen = list(dict.fromkeys(name for name in names if name != detector))
    if asked.only_permissive:
        models.permissive([detector, *(name for name in chosen if name in models.names())])
    return _people.measured(roster, out, detector, chosen, workers=asked.workers, quiet=asked.quiet)


def _enough(roster: Roster, level: float) -> bool:
    """Return whether there are people enough to count the coverage of bands."""
    import numpy as np

    from facevalue.confidence.coverage import check_people
    from facevalue.data.errors import NotCalibrated

    try:
        check_people(np.array(list(roster.person.values()), object), level=level)
    except NotCalibrated:
        return False
    return True


def _chance(verifier: Verifier, people: People, asked: Asked) -> Any:
    """Return P(same) of scores, at even odds, by a calibration; raise where it is of other instruments."""
    import numpy as np

    from facevalue.models import preprocessing

    if asked.metric != verifier.origin.metric:
        raise typer.BadParameter(f"--metric: expected {verifier.origin.metric}, that of the calibration; got {asked.metric}")
    verifier.origin.check(people.faces, preprocessing=preprocessing(verifier.origin.model))
    least, most = verifier.ratio.bounds

    def chance(scores: np.ndarray) -> np.ndarray:
        ratio = np.clip(10 ** verifier.ratio.fit.log10_ratio(scores), least, most)
        return np.asarray(ratio / (1 + ratio))

    return chance


def _covered(sample: Sample, people: People, asked: Asked) -> tuple[Sample, str]:
    """Return the sample with the coverage of bands by group, and what to say of it."""
    from facevalue.cli import _show
    from facevalue.confidence.coverage import coverage
    from facevalue.data.errors import MissingColumn, NotCalibrated

    grouped = replace(people, columns={grouping.name: grouping.words for grouping in sample.groupings})
    try:
        with _show.progress("counting bands", "splits", quiet=asked.quiet) as progress:
            terms: dict[str, Any] = {"level": asked.level, "seed": asked.seed, "groups": list(grouped.columns)}
            found = coverage(grouped, asked.model, splits=50, progress=progress, **terms)
    except (NotCalibrated, MissingColumn) as error:
        return sample, f"Coverage of bands: not counted: {error}."
    return replace(sample, coverage=found), f"Coverage of bands of {asked.level:.0%}: 50 splits of the people into three parts."


def show(result: Result, files: Sequence[str], out: Path) -> None:
    """Print the chief measures by group, how far groups lie apart, what was refused, and where the files are."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from facevalue.report.disparity import SHORT, digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    for part in found["groupings"]:
        chief = [name for name in SHORT if name in part["measures"]]
        table = Table("group", "people", *(SHORT[name] for name in chief), title=escape(part["title"]), title_justify="left")
        for group in part["groups"]:
            cells = [part["cells"].get((name, group["name"])) for name in chief]
            words = ["" if cell is None else f"{cell['told']}\n{cell['interval']}".strip() for cell in cells]
            table.add_row(escape(group["name"]), f"{group['people']:,}", *map(escape, words))
        console.print(table)
        for line in part["chief"]:
            console.print(line, markup=False)
    for sentence in (*found["sentences"], *result.notes):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
