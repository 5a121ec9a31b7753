"""`facevalue homophily`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facevalue.cli._options import Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.report.homophily import Result

CONTROL = "same:sex, absdiff:age, sum:quality.sharpness, same:camera, sender:age; or a relation in the ties: kin."


def homophily(
    people: Annotated[
        Path, typer.Option(help="Table of people: id, and whatever is known of them.", exists=True, dir_okay=False)
    ],
    ties: Annotated[
        list[Path],
        typer.Option(help="List of ego, alter, relation, sign or weight; or a matrix, DL, Pajek, GraphML.", exists=True),
    ],
    faces: Annotated[Path, typer.Option(help="Folder of photos, or the result of annotate.", exists=True)],
    out: Out,
    more: Annotated[list[str] | None, typer.Argument(metavar="[CONTROL]...", help="Further controls.")] = None,
    model: Annotated[
        str, typer.Option(help="What measures likeness: a model that embeds, perceptual.NAME, geometry, or a column.")
    ] = "dlib_resnet",
    control: Annotated[list[str] | None, typer.Option(help=CONTROL)] = None,
    interaction: Annotated[list[str] | None, typer.Option(help="A product of controls: same:sex*same:ethnicity.")] = None,
    within: Annotated[str | None, typer.Option(help="Column of people: only within it people are exchanged.")] = None,
    friends: Annotated[
        str, typer.Option(help="Relations that are friendly, with commas; by default told by their names.")
    ] = "",
    enemies: Annotated[
        str, typer.Option(help="Relations that are hostile; ties of negative sign are, whatever they are called.")
    ] = "",
    wave: Annotated[str | None, typer.Option(help="Of the ties; by default the last.")] = None,
    undirected: Annotated[bool, typer.Option("--undirected", help="Rows of a table tie both, whoever stands first.")] = False,
    symmetrise: Annotated[
        Literal["either", "both"] | None, typer.Option(help="Take a tie as mutual if either says so, or if both do.")
    ] = None,
    answered: Annotated[
        str | None, typer.Option(help="Column of people: 0 for those who named nobody because nobody asked them.")
    ] = None,
    conflicts: Annotated[
        Literal["missing", "error", "positive", "negative"],
        typer.Option(help="What counts where rows contradict each other on one pair."),
    ] = "missing",
    tie_model: Annotated[
        Literal["logistic", "linear", "none"], typer.Option(help="How ties are regressed on similarity.")
    ] = "logistic",
    dimensions: Annotated[
        str, typer.Option(help="Which face dimensions carry it: columns, with commas; default takes those measured; none.")
    ] = "default",
    calibration: Annotated[
        Path | None, typer.Option(help="File of `facevalue calibrate`: what error a photo brings.", exists=True, dir_okay=False)
    ] = None,
    permutations: Annotated[int, typer.Option(help="How many at most.", min=19)] = 5000,
    stop: Annotated[
        int | None, typer.Option(help="End once so many permutations were as large for every coefficient.", min=1)
    ] = None,
    method: Annotated[Literal["dsp", "y"], typer.Option(help="Permute residuals of predictors, or the outcome.")] = "dsp",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether friends, and enemies, look alike beyond what else they share, with the photos' error carried through.

    Example: `facevalue homophily --people people.csv --ties ties.csv --faces photos/ --control same:sex absdiff:age kin
    --within village --out results`.
    """
    from facevalue.cli import _homophily, _people
    from facevalue.report import homophily as report
    from facevalue.studies.tie_models import Procedure

    terms = tuple(dict.fromkeys((*(control or ()), *(more or ()), *(interaction or ()))))
    asked = _homophily.Asked(
        model, terms, within, _people.some(friends), _people.some(enemies), wave, undirected, symmetrise, answered, conflicts,
        dimensions, calibration, detector, workers, only_permissive, quiet,
    )  # fmt: skip
    by = Procedure(True, permutations, seed, level, method, within is not None, stop)
    network = _homophily.read(people, ties, asked)
    photographed = _homophily.photographed(network, faces, out, asked)
    result = _homophily.found(network, photographed, asked, by, tie_kind=None if tie_model == "none" else tie_model)
    files = report.write_homophily(result, out)
    if not quiet:
        _print(result, files, out)


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print what was found, what became of people and ties, and where the files are."""
    from rich.console import Console

    from facevalue.report.homophily import terminal

    console = Console(highlight=False, soft_wrap=True)
    for sentence in terminal(result):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
