"""`facevalue homophily`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facevalue.cli._options import Consent, Level, Out, Permissive, Purpose, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.annotate.compared import Asked
    from facevalue.data.people import People
    from facevalue.report.homophily import Result
    from facevalue.studies.signed_network import SignedNetwork
    from facevalue.studies.tie_models import Procedure

CONTROL = "same:sex, absdiff:age, sum:quality.sharpness, same:camera, sender:age; or a relation in the ties: kin."
# Cells from which processes are worth their start.
LARGE = 1_000_000


def homophily(
    people: Annotated[
        Path, typer.Option(help="Table of people: id, and whatever is known of them.", exists=True, dir_okay=False)
    ],
    ties: Annotated[
        list[Path],
        typer.Option(
            help="List of ego, alter, relation, sign or weight; or a matrix, DL, Pajek, GraphML.", exists=True, dir_okay=False
        ),
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
        str | None, typer.Option(help="Column of people: 0 or empty for those who named nobody because nobody asked them.")
    ] = None,
    conflicts: Annotated[
        Literal["missing", "error", "positive", "negative"],
        typer.Option(help="What counts where rows contradict each other on one pair."),
    ] = "missing",
    tie_model: Annotated[
        Literal["auto", "logistic", "linear", "none"],
        typer.Option(help="How ties are regressed on similarity: auto is logistic, or linear from a million pairs on."),
    ] = "auto",
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
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether friends, and enemies, look alike beyond what else they share, with the photos' error carried through.

    Example: `facevalue homophily --people people.csv --ties ties.csv --faces photos/ --control same:sex absdiff:age kin
    --within village --out results`.
    """
    from facevalue import models
    from facevalue.annotate.compared import Asked, instruments_for
    from facevalue.cli import _consent, _people
    from facevalue.data.member_photos import member_roster, owned
    from facevalue.data.members import read_members
    from facevalue.data.ties import read_ties
    from facevalue.report.homophily import write_homophily
    from facevalue.studies.signed_network import Rules, signed_network
    from facevalue.studies.tie_models import Procedure

    allowed = _consent.permission(consent, purpose)
    controls = tuple(dict.fromkeys((*(control or ()), *(more or ()), *(interaction or ()))))
    rules = Rules(_people.some(friends), _people.some(enemies), within, wave, symmetrise, answered, conflicts)
    asked = Asked(model, controls, None if tie_model == "none" else tie_model, _dimensions(dimensions), calibration)
    by = Procedure(True, permutations, seed, level, method, within is not None, stop)
    members, reported = read_members(people), read_ties(ties, directed=False if undirected else None)
    network = signed_network(members, reported, rules=rules, controls=controls)
    roster, lost = owned(_people.outside(member_roster(members, faces), out), members)
    roster = _consent.covered_roster(roster, allowed, quiet=quiet)
    found = _people.one(_people.detectors(roster, detector), "--detector")
    wanted = instruments_for(asked, network, roster)
    if only_permissive:
        models.permissive(name for name in dict.fromkeys((found, model, *wanted)) if name in models.names())
    photos = _people.measured(roster, out, found, wanted, workers=workers, quiet=quiet, permission=allowed)
    result = _judged(network, photos, asked, by=by, detector=found, workers=workers, quiet=quiet)
    notes = [*_people.notes(roster), *result.notes]
    result = replace(result, sentences=[*lost, *result.sentences], notes=notes)
    files = write_homophily(result, out)
    if not quiet:
        _print(result, files, out)


def _dimensions(words: str) -> tuple[str, ...] | None:
    """Return the dimensions asked for; None for those that there are."""
    from facevalue.cli import _people

    return {"default": None, "none": ()}.get(words, _people.some(words))


def _judged(
    network: SignedNetwork, photos: People, asked: Asked, *, by: Procedure, detector: str, workers: int, quiet: bool
) -> Result:
    """Return what is to be told, with a bar; large networks of several blocks over processes."""
    from facevalue.annotate.homophily import judged
    from facevalue.cli import _show
    from facevalue.cli._spread import spread

    large = len(network.blocks) > 1 and network.cells > LARGE
    bar = _show.progress("exchanging people", "permutations", quiet=quiet)
    with spread(workers if large else 1) as over, bar as progress:
        return judged(network, photos, asked, detector=detector, by=replace(by, over=over), progress=progress)


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print what was found, what became of people and ties, and where the files are."""
    from rich.console import Console

    from facevalue.report.homophily import terminal

    console = Console(highlight=False, soft_wrap=True)
    for sentence in terminal(result):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
