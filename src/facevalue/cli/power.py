"""`facevalue power`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import Level, Out, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.report.power import Result
    from facevalue.studies.power import Grid

GRID = "Further designs, as people=50,100,200; or villages, ties, effect, reliability or photos."
EFFECT = (
    "Log odds of a friend per standard deviation of true similarity. At the other defaults .1 makes the odds 1.1 times as high "
    "for each, and friends .05 standard deviations of the measured similarity more alike than pairs without a tie; .2, 1.2 "
    "times and .1; .3, 1.35 times and .15; .5, 1.65 times and .25."
)
RELIABILITY = (
    "Share of the variance of similarity over all pairs that is not the photos' error, with one photo of each; "
    "`facevalue homophily` prints it of a pilot."
)
LONG = 120


def power(
    out: Out,
    people: Annotated[int, typer.Option(help="Of a village, with a usable photo.")] = 60,
    villages: Annotated[int, typer.Option(help="In which ties are asked about.")] = 5,
    ties: Annotated[float, typer.Option(help="Friends of a person, on average.")] = 6.0,
    enemies: Annotated[float, typer.Option(help="Enemies of a person, on average.")] = 1.0,
    effect: Annotated[float, typer.Option(help=EFFECT)] = 0.2,
    reliability: Annotated[float, typer.Option(help=RELIABILITY)] = 0.7,
    photos: Annotated[int, typer.Option(help="Of a person.")] = 1,
    directed: Annotated[bool, typer.Option("--directed", help="Ties have a direction: who names whom.")] = False,
    grid: Annotated[str, typer.Option(help=GRID)] = "",
    permutations: Annotated[int, typer.Option(help="Of each test, at most: 199 cost .01 of power, or less.")] = 199,
    runs: Annotated[int, typer.Option(help="Studies that are simulated for each design.")] = 200,
    alpha: Annotated[float, typer.Option(help="A p of at most this is a find.")] = 0.05,
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    quiet: Quiet = False,
) -> None:
    """Say, by simulation, how often a study would find that friends look alike, and how many permutations it needs.

    Example: `facevalue power --people 60 --villages 10 --effect .2 --grid villages=5,10,20 --out results`.
    """
    import time

    from facevalue.cli import _show
    from facevalue.cli._spread import spread
    from facevalue.report import power as report
    from facevalue.studies import power as study
    from facevalue.studies.simulated_network import Design

    start = time.perf_counter()
    design = Design(people, villages, ties, enemies, effect, 0.0, reliability, photos, directed)
    simulation, further = study.Simulation(runs, permutations, alpha, seed), _grid(grid)
    if not quiet:
        _say_beforehand(*study.expected_seconds(design, further, simulation=simulation), workers)
    with spread(workers) as over, _show.progress("simulating", "studies", quiet=quiet) as progress:
        found = study.power(design, further, simulation=simulation, level=level, over=over, progress=progress)
    axis, values = (further.axis, further.values) if further else ("", ())
    result = report.Result(found, design, axis, values, simulation, level, time.perf_counter() - start)
    files = report.write_power(result, out)
    if not quiet:
        _print(result, files, out)


def _say_beforehand(studies: int, seconds: float, workers: int) -> None:
    """Print to stderr how many studies are to be made, and about how long that takes."""
    from facevalue.annotate.engine import cores

    processes = workers or cores()
    wall = seconds / processes
    long = f"{wall / 60:.0f} min" if wall > LONG else f"{max(1, wall):.0f} s"
    less = "; fewer --runs are quicker and less precise" if wall > LONG else ""
    typer.echo(f"{studies:,} studies: about {long} in {processes} process{'' if processes == 1 else 'es'}{less}.", err=True)


def _grid(words: str) -> Grid | None:
    """Return the grid of "people=50,100,200"; none of no words."""
    from facevalue.studies.power import AXES, Grid

    if not words:
        return None
    axis, _, values = words.partition("=")
    try:
        numbers = sorted({float(value) for value in values.split(",")})
    except ValueError as error:
        raise typer.BadParameter(
            f"--grid: expected one of {', '.join(AXES)} and numbers, as people=50,100,200; got {words}"
        ) from error
    return Grid(axis.strip(), tuple(numbers))


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print the powers of each design, what they rest on, and where the files are."""
    from rich.console import Console
    from rich.table import Table

    from facevalue.report.power import HEADS, digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    table = Table("design", *HEADS, title=f"power at alpha {result.simulation.alpha:g}, with intervals at {result.level:g}")
    for row in found["rows"]:
        table.add_row(row["group"], *(f"{cell['told']}\n{cell['interval']}" for cell in row["cells"]))
    console.print(table)
    for sentence in found["sentences"]:
        console.print(sentence, markup=False)
    console.print(f"{result.seconds:.0f} s; {', '.join(files)}: in {out}", markup=False)
