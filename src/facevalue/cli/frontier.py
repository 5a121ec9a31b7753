"""`facevalue frontier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from rich.table import Table

    from facevalue.annotate.attacked import Attacking, Treatment
    from facevalue.data.findings import Findings
    from facevalue.data.people import People, Roster
    from facevalue.report.frontier import Result

METHODS = "Names with commas: solid, mean, pixelate, blur, noise, inpaint."
STRENGTHS = "low, medium and high of each method, or numbers in its unit, with commas; solid, mean and inpaint have none."
REQUIRE = 'As in "tar<=0.01 and gender_f1>=0.8": exit code 1 where no way to obscure meets it.'
SECOND = "Detector that looks for the faces again; another than the first."
READ = "By which is judged what can still be read: instruments of attributes and expression, with commas."


def frontier(
    people: Annotated[str, typer.Argument(help=PEOPLE)],
    out: Out,
    methods: Annotated[str, typer.Option(help=METHODS)] = "solid,mean,pixelate,blur,inpaint",
    regions: Annotated[str, typer.Option(help="Of eye, lower, face and head, with commas.")] = "eye,lower,face,head",
    strengths: Annotated[str, typer.Option(help=STRENGTHS)] = "low,medium,high",
    model: Annotated[str, typer.Option(help="Name of a model that embeds: it recognises people.")] = "dlib_resnet",
    detector: Annotated[str, typer.Option(help="Name of the detector that finds the faces.")] = "centerface",
    second_detector: Annotated[str, typer.Option(help=SECOND)] = "yunet",
    instruments: Annotated[str, typer.Option(help=READ)] = "attributes,expression",
    reversal: Annotated[bool, typer.Option(help="Attack restored photos too, which takes longer.")] = True,
    group: Annotated[str, typer.Option(help="Columns of the .csv, with commas, by which protection is told apart.")] = "",
    fmr: Annotated[float, typer.Option(help="False match rate of the threshold, on clean photos.", min=1e-9, max=0.5)] = 0.001,
    allow_small: Annotated[bool, typer.Option("--allow-small", help="Go on with too few pairs for that rate.")] = False,
    require: Annotated[str, typer.Option(help=REQUIRE)] = "",
    level: Level = 0.9,
    seed: Seed = 0,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Obscure people's photos in many ways, attack them, and hold what they give away against what they still tell.

    A run that is stopped goes on where it was. Examples: `facevalue frontier people/ --out results`, `facevalue frontier
    people.csv --group sex --methods solid,blur --require "tar<=0.01 and gender_f1>=0.8" --out results`.
    """
    from facevalue import models
    from facevalue.annotate.frontier import check_groups, check_required, planned
    from facevalue.cli import _people
    from facevalue.report import frontier as report

    words = {"--methods": methods, "--regions": regions, "--strengths": strengths}
    ways = planned(*(_people.listed(given, option) for option, given in words.items()))
    settings = _settings(model, detector, second_detector, _people.listed(instruments, "--instruments"), reversal, seed)
    check_required(require, settings.fresh)
    if only_permissive:
        models.permissive(settings.models)
    roster = _people.roster(people, out)
    check_groups(roster.columns, groups := _people.some(group))
    judging = {"fmr": fmr, "level": level, "groups": groups, "allow_small": allow_small}
    photos, findings = _judged(roster, ways, out, settings, judging, workers=workers, quiet=quiet)
    result = replace(_result(findings, ways, settings, require, judging), notes=_people.notes(roster), people=photos)
    files = report.write_frontier(result, out)
    if not quiet:
        _print(result, files, out)
    if require and not result.met:
        raise typer.Exit(1)


def _settings(model: str, detector: str, second: str, instruments: Sequence[str], reversal: bool, seed: int) -> Attacking:
    """Return what measures and attacks."""
    from facevalue.annotate import instruments as known
    from facevalue.annotate.attacked import Attacking
    from facevalue.annotate.frontier import read_columns
    from facevalue.annotate.people import embedder

    if second == detector:
        raise typer.BadParameter(f"--second-detector: expected another than --detector, which is {detector}")
    placed = known.placed([embedder(model), *instruments], known.detector(detector))
    settings = Attacking(detector, placed, model=model, second=known.detector(second), restoring=reversal, seed=seed)
    if not read_columns(settings.fresh):
        raise typer.BadParameter(f"--instruments: expected one of attributes or of expression, got {', '.join(instruments)}")
    return settings


def _judged(
    roster: Roster,
    ways: Sequence[Treatment],
    out: Path,
    settings: Attacking,
    judging: Mapping[str, Any],
    *,
    workers: int,
    quiet: bool,
) -> tuple[People, Findings]:
    """Measure the photos as they are, obscure and attack them, and judge, each with a bar."""
    from facevalue.annotate import engine
    from facevalue.annotate.frontier import frontier as study
    from facevalue.cli import _people, _show

    people = _people.measured(roster, out, settings.detector, settings.instruments, workers=workers, quiet=quiet)
    _show.prepare([settings.second], quiet=quiet)
    bars = (
        _show.progress("attacking", "photos x ways", quiet=quiet),
        _show.progress("judging", "ways", quiet=quiet),
    )
    with bars[1] as judge, bars[0] as attacking:
        options: dict[str, Any] = {"workers": workers or engine.cores(), "progress": attacking, "judging": judge}
        return people, study(roster, people, ways, out / "attacked", settings=settings, **judging, **options)


def _result(
    findings: Findings,
    ways: Sequence[Treatment],
    settings: Attacking,
    require: str,
    judging: Mapping[str, Any],
) -> Result:
    """Return what the report shows: the findings, the frontiers, and who meets what is required."""
    from facevalue import models
    from facevalue.report import frontier as report
    from facevalue.studies.pareto import meets, pareto

    utilities = [name for name in report.utilities(findings) if name.endswith("_f1")]
    fronts = {name: [way for way, best in pareto(findings, utility=name).items() if best] for name in utilities}
    met = [way for way, fine in meets(findings, require).items() if fine] if require else []
    cards = [models.card(name) for name in settings.models]
    return report.Result(
        findings,
        {way.name: (way.method, way.region, way.strength or 0.0) for way in ways},
        fronts,
        settings.model,
        settings.detector,
        settings.second,
        judging["fmr"],
        judging["level"],
        settings.seed,
        require,
        met,
        cards,
    )


def _print(result: Result, files: Sequence[str], out: Path) -> None:
    """Print what each way gives away and leaves, what stands out, and where the files are."""
    from rich.console import Console

    from facevalue.report.frontier import digest

    console, found = Console(highlight=False), digest(result)
    console.print(_table(found))
    for sentence in (*found["sentences"], *result.notes, "Hiding the face is not anonymity: body, clothes and place stay."):
        console.print(sentence, markup=False, soft_wrap=True)
    console.print(f"{', '.join(files)}: in {out}", markup=False, soft_wrap=True)


def _table(found: Mapping[str, Any]) -> Table:
    """Return a row a way: who is recognised by the worst attack, whether it is still detected, what can be read."""
    from rich.table import Table

    shown = [i for i, name in enumerate(found["heads"]) if name in ("tar", "detected") or name.endswith("_f1")]
    table = Table(
        "way", "worst attack", caption="people recognised at the threshold, by the worst attack; * none is better in both"
    )
    for i in shown:
        table.add_column(list(found["heads"].values())[i], justify="right")
    for row in found["rows"]:
        cells = ["\n".join(part for part in row["cells"][i] if part) for i in shown]
        table.add_row(row["name"] + " *" * row["front"], row["by"] or "none", *cells)
    return table
