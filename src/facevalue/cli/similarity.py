"""`facevalue similarity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.report.similarity import Result


def similarity(
    people: Annotated[str, typer.Argument(help=PEOPLE)],
    out: Out,
    model: Annotated[str, typer.Option(help="Name of a model that embeds.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    metric: Annotated[str, typer.Option(help="cosine, euclidean, euclidean_l2 or angular.")] = "cosine",
    pairs: Annotated[
        int | None, typer.Option(help="At most so many pairs of photos for each two people; all by default.", min=1)
    ] = None,
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Compare each person's photos with everybody's: a matrix with intervals, a heat map, and the gap.

    Example: `facevalue similarity people/ --out results`, where people/ holds a folder of photos a person.
    """
    from facevalue import models
    from facevalue.annotate.people import embedder
    from facevalue.cli import _people, _show
    from facevalue.report import similarity as report
    from facevalue.studies import similarity as study

    metric, model = _people.one(_people.metrics(metric), "--metric"), embedder(model)
    roster = _people.roster(people, out)
    found = _people.one(_people.detectors(roster, detector), "--detector")
    if only_permissive:
        models.permissive(name for name in (found, model) if name in models.names())
    measured = _people.measured(roster, out, found, [model], workers=workers, quiet=quiet)
    with _show.progress("comparing", "people", quiet=quiet) as progress:
        matrix, findings = study.similarity(
            measured, model, metric=metric, level=level, seed=seed, most=pairs, progress=progress
        )
    cards = [models.card(name) for name in (found, model) if name in models.names()]
    result = report.Result(matrix, findings, measured, model, found, pairs, seed, cards, _people.notes(roster))
    files = report.write_similarity(result, out)
    if not quiet:
        _print(result, files, out)


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print the gap, what became of the photos, the most alike people and where the files are."""
    from rich.console import Console

    from facevalue.report.people import interval
    from facevalue.report.similarity import digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    what = "cosine" if result.pairs.metric == "cosine" else f"{result.pairs.metric} distance"
    for name, words in (("mean_same", "one person"), ("mean_different", "two people"), ("gap", "gap")):
        row = found[name]
        value = "no person has two photos" if row["value"] is None else f"{row['value']:.4f}"
        ends = f"  {interval(row)} at {result.pairs.level:g}" if interval(row) else ""
        console.print(f"{words:11} {value}{ends}  (mean {what})" if name != "gap" else f"{words:11} {value}{ends}")
    if found["alike"]:
        first = found["alike"][0]
        ends = f" ({first['interval']})" if first["interval"] else ""
        console.print(f"most alike  {first['row']} and {first['col']}: {first['value']}{ends}", markup=False)
    for sentence in (*found["sentences"], *result.notes):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
