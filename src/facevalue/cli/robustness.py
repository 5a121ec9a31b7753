"""`facevalue robustness`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from rich.table import Table

    from facevalue.confidence.verdict import Verifier
    from facevalue.data.findings import Findings
    from facevalue.data.people import People, Roster
    from facevalue.report.robustness import Part, Result
    from facevalue.studies.robustness import Condition

EVERY = "1,2,3,4,5"
SHOWN = {
    "detection_rate": "faces found",
    "tar": "true matches",
    "coverage.clean": "bands",
    "coverage.widened": "widened bands",
}
FACTOR = (
    "Judge people's own photos instead: folder, of PERSON/LEVEL/photo; outer-folder, of LEVEL/PERSON/photo; or a column of "
    "the .csv."
)


def robustness(
    people: Annotated[str, typer.Argument(help=PEOPLE)],
    out: Out,
    model: Annotated[str, typer.Option(help="Names of models that embed, with commas.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Names of detectors: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    corruptions: Annotated[str, typer.Option(help="Names of corruptions, with commas: docs/robustness.md.")] = "all",
    severities: Annotated[str, typer.Option(help="1 to 5, with commas.")] = EVERY,
    instruments: Annotated[str, typer.Option(help="Whose answers are held against those on the photo as it is.")] = "default",
    factor: Annotated[str | None, typer.Option(help=FACTOR, show_default=False)] = None,
    reference: Annotated[
        str | None, typer.Option(help="With --factor: the level of the reference photos.", show_default=False)
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Take the threshold of `facevalue calibrate`'s file.", dir_okay=False, exists=True)
    ] = None,
    probes: Annotated[int, typer.Option(help="Photos of each person that are corrupted, drawn at random; 0: all.", min=0)] = 1,
    fmr: Annotated[float, typer.Option(help="False match rate of the threshold, on photos as they are.", min=1e-9, max=0.5)] = (
        0.001
    ),
    level: Annotated[float, typer.Option(help="Nominal coverage of intervals and bands.", min=0.5, max=0.99)] = 0.9,
    seed: Seed = 0,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Corrupt people's photos, measure them again, and show where detection, identity, answers and bands break.

    A run that is stopped goes on where it was. Examples: `facevalue robustness people/ --out results`, `facevalue robustness
    people/ --corruptions fog,medical_mask --out results`, `facevalue robustness people/ --factor folder --out results`.
    """
    from facevalue import models
    from facevalue.annotate.people import embedder
    from facevalue.cli import _people, _show
    from facevalue.report import robustness as report

    names = [embedder(name) for name in _people.listed(model, "--model")]
    conditions, roster = _conditions(corruptions, severities), _people.roster(people, out)
    asked = _Asked(out, _wanted(roster, names, instruments), conditions, factor, reference, probes, seed, quiet)
    _check_factor(roster, asked, (corruptions, severities))
    finders = _people.detectors(roster, detector)
    if only_permissive:
        models.permissive([name for name in (*finders, *asked.wanted) if name in models.names()])
    verifier, parts = _verifier(calibration, names, finders), list[report.Part]()
    for finder in finders:
        seen = _people.measured(roster, out, finder, asked.wanted, workers=workers, quiet=quiet)
        photos, found = _under_conditions(roster, seen, finder, names[0], asked, workers=workers)
        parts += [_judged(photos, found, name, finder, verifier, asked, fmr=fmr, level=level) for name in names]
    cards = [models.card(name) for name in (*finders, *asked.wanted) if name in models.names()]
    done = [*_told(asked), *_people.notes(roster)]
    drawn, by = ("", factor) if factor else (_drawn(asked), "")
    result = report.Result(parts, _breaking(parts, level), level, seed, drawn, by, cards, done)
    with _show.progress("drawing", "figures", quiet=quiet) as progress:
        files = report.write_robustness(result, out, progress=progress)
    if not quiet:
        _print(result, files, out)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for: where the results go, instruments, conditions, and whose photos are they."""

    out: Path
    wanted: tuple[str, ...]
    conditions: Sequence[tuple[str, int]]
    factor: str | None
    reference: str | None
    probes: int
    seed: int
    quiet: bool


def _wanted(roster: Roster, names: Sequence[str], instruments: str) -> tuple[str, ...]:
    """Return the models, what their bands need, and the instruments: those asked for, or those of the earlier run."""
    from facevalue import models
    from facevalue.annotate import instruments as known
    from facevalue.annotate.verify import wanted

    if roster.faces is not None:
        there = {column.rpartition(".")[0] for column in roster.faces.columns}
        return tuple(name for name in models.names() if name in {*names, *there} and models.card(name).kind != "detect")
    return known.ordered([*known.named(instruments.split(",")), *(part for name in names for part in wanted(name))])


def _conditions(corruptions: str, severities: str) -> list[tuple[str, int]]:
    """Return names of corruptions and severities."""
    from facevalue.cli import _people
    from facevalue.data.errors import UnknownName
    from facevalue.image.corrupt import CORRUPTIONS, SEVERITIES

    words = _people.listed(severities, "--severities")
    if wrong := [word for word in words if word not in map(str, SEVERITIES)]:
        raise typer.BadParameter(f"--severities: expected 1 to 5 with commas, got {wrong[0]}")
    names = _people.listed(corruptions, "--corruptions")
    names = tuple(CORRUPTIONS) if names == ("all",) else names
    for name in names:
        if name not in CORRUPTIONS:
            raise UnknownName(name, list(CORRUPTIONS), what="corruption")
    return [(name, severity) for name in names for severity in sorted(map(int, words))]


def _check_factor(roster: Roster, asked: _Asked, corrupting: tuple[str, str]) -> None:
    """Raise, before anything is measured, what is wrong with a factor, or with options that go with none."""
    from facevalue.annotate.robustness import check_factor
    from facevalue.data.errors import SchemaError

    if asked.factor is None:
        if asked.reference is not None:
            raise typer.BadParameter("--reference: expected --factor with it, got none")
        if roster.photos is None:
            raise SchemaError("expected photos to corrupt, got faces that were measured earlier: give the photos, or --factor")
        return
    if corrupting != ("all", EVERY):
        raise typer.BadParameter("--factor: expected no --corruptions or --severities with it: people's own photos are judged")
    check_factor(roster, asked.factor, reference=asked.reference)


def _verifier(calibration: Path | None, names: Sequence[str], finders: Sequence[str]) -> Verifier | None:
    """Return the calibration in a file, which must be of the only model and detector."""
    from facevalue.confidence.defaults import read_verifier

    if calibration is None:
        return None
    verifier = read_verifier(calibration)
    made_for = verifier.origin.model, verifier.origin.detector
    if made_for != (names[0], finders[0]) or len(names) + len(finders) > 2:
        told = f"{', '.join(names)} on {', '.join(finders)}"
        raise typer.BadParameter(f"--calibration: {calibration} is of {' on '.join(made_for)}; asked for are {told}")
    return verifier


def _under_conditions(
    roster: Roster, seen: People, finder: str, model: str, asked: _Asked, *, workers: int
) -> tuple[People, dict[str, Condition]]:
    """Return the reference photos and the photos under conditions: people's own, or corrupted with a bar."""
    from facevalue.annotate import engine, instruments
    from facevalue.annotate import robustness as measured
    from facevalue.annotate.corrupted import Corrupting
    from facevalue.cli import _show

    if asked.factor is not None:
        return measured.own_conditions(seen, asked.factor, reference=asked.reference)
    settings = Corrupting(finder, instruments.placed(asked.wanted, finder), seed=asked.seed)
    drawn = measured.drawn_probes(seen, model, most=asked.probes, seed=asked.seed)
    with _show.progress(f"corrupting for {finder}", "photos", quiet=asked.quiet) as progress:
        found = measured.corrupted_conditions(
            roster,
            drawn,
            asked.conditions,
            asked.out / "corrupted" / finder,
            settings=settings,
            workers=workers or engine.cores(),
            progress=progress,
        )
    return seen, found


def _judged(
    photos: People,
    conditions: dict[str, Condition],
    model: str,
    finder: str,
    verifier: Verifier | None,
    asked: _Asked,
    *,
    fmr: float,
    level: float,
) -> Part:
    """Return what one model makes of the photos that one detector found faces in."""
    from facevalue.annotate.robustness import judged
    from facevalue.cli import _show
    from facevalue.report.robustness import Part

    threshold = None
    if verifier is not None:
        verifier.origin.check(photos.faces)
        threshold, fmr = verifier.threshold, verifier.fmr
    with _show.progress(f"judging {model}", "steps", quiet=asked.quiet) as progress:
        findings, notes = judged(
            photos, conditions, model, finder, fmr=fmr, threshold=threshold, level=level, seed=asked.seed, progress=progress
        )
    severities = {name: (one.family, one.severity) for name, one in conditions.items()}
    return Part(model, finder, fmr, findings, severities, notes)


def _breaking(parts: Sequence[Part], level: float) -> Findings:
    """Return where each part breaks, and how much each errs beside the first."""
    from facevalue.data.findings import concatenate
    from facevalue.studies.breaking import breaking_points, mean_corruption_errors

    found = [breaking_points(part.findings, part.severities, part.limits(level)) for part in parts]
    both = concatenate([part.findings for part in parts])
    errors = mean_corruption_errors(both, parts[0].severities, parts[0].rate, [part.name for part in parts])
    return concatenate([*found, errors])


def _drawn(asked: _Asked) -> str:
    """Return which photos were corrupted, in words."""
    return {0: "all photos", 1: "one photo of each person"}.get(asked.probes, f"at most {asked.probes} photos of each person")


def _told(asked: _Asked) -> list[str]:
    """Return what was done, in sentences."""
    if asked.factor is not None:
        return [f"The photos are people's own, by {asked.factor}; they are held against the reference photos of each person."]
    drawn, were = _drawn(asked), "was" if asked.probes == 1 else "were"
    return [
        f"{drawn[0].upper()}{drawn[1:]}, of those that can be compared, {were} corrupted and held against the person's other "
        "photos as they are.",
        f"Severities are in units of the distance between the eyes. Seed {asked.seed}.",
    ]


def _print(result: Result, files: Sequence[str], out: Path) -> None:
    """Print where each corruption breaks what, or each level of a factor, and where the files are."""
    from rich.console import Console

    from facevalue.report import robustness as report

    console = Console(highlight=False)
    for part in result.parts if result.families else ():
        console.print(_table(part.name, [row for row in report.breaks(result) if row["part"] == part.name]))
    if result.families:
        limit = f"{result.level - report.ROOM:g}"
        told = f"broken: fewer than {report.KEPT:g} of faces found, or of true matches; bands that hold fewer than {limit}"
        console.print(told, soft_wrap=True)
    for part in result.parts if result.levels else ():
        for level, row in report.rows_of(part, part.rate).items():
            name = f"{level}, {part.name}" if len(result.parts) > 1 else level
            told = "nobody has two such photos to match"
            if row["value"] is not None:
                told = f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}) of true matches, {row['n']} people"
            console.print(f"{name}: {told}", markup=False, soft_wrap=True)
    notes = [*report.errors(result), *report.failing(result), *(note for part in result.parts for note in part.notes)]
    for sentence in (*result.done, *notes, f"{', '.join(files)}: in {out}"):
        console.print(sentence, markup=False, soft_wrap=True)


def _table(name: str, rows: Sequence[dict[str, str]]) -> Table:
    """Return where each corruption breaks what for one model and detector."""
    from rich.table import Table

    table = Table("corruption", title=f"{name}: first severity of 1 to 5 at which it breaks")
    for head in SHOWN.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(row["family"], *(row[key] or "not judged" for key in SHOWN))
    return table
