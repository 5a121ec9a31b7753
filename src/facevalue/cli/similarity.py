"""`facevalue similarity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.data.people import People, Roster
    from facevalue.report.similarity import Result

SOURCE = f"{PEOPLE} Or a glob of such results, or the folder that holds them: shards of one data set."
TOP = "Only the so many pairs of people most alike: for more people than a matrix has room for."
MATRIX = "With --top: all means too, as similarity.npy, written row by row."


def similarity(
    people: Annotated[str, typer.Argument(help=SOURCE)],
    out: Out,
    model: Annotated[str, typer.Option(help="Name of a model that embeds.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    metric: Annotated[str, typer.Option(help="cosine, euclidean, euclidean_l2 or angular.")] = "cosine",
    pairs: Annotated[
        int | None, typer.Option(help="At most so many pairs of photos for each two people; all by default.", min=1)
    ] = None,
    top: Annotated[int | None, typer.Option(help=TOP, min=1)] = None,
    matrix: Annotated[bool, typer.Option("--matrix", help=MATRIX)] = False,
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

    if top is None and matrix:
        raise typer.BadParameter("--matrix: goes with --top; without, similarity.parquet has every cell")
    if top is not None and (metric, pairs) != ("cosine", None):
        raise typer.BadParameter("--top: expected the cosine and all pairs of photos; leave --metric and --pairs out")
    metric, model = _people.one(_people.metrics(metric), "--metric"), embedder(model)
    roster = _roster(people, model, out)
    found = _people.one(_people.detectors(roster, detector), "--detector")
    if only_permissive:
        models.permissive(name for name in (found, model) if name in models.names())
    measured = _people.measured(roster, out, found, [model], workers=workers, quiet=quiet)
    if top is not None:
        _most_alike(measured, model, (top, level, seed), out, matrix=matrix, quiet=quiet)
        return
    with _show.progress("comparing", "people", quiet=quiet) as progress:
        cells, findings = study.similarity(
            measured, model, metric=metric, level=level, seed=seed, most=pairs, progress=progress
        )
    cards = [models.card(name) for name in (found, model) if name in models.names()]
    result = report.Result(cells, findings, measured, model, found, pairs, seed, cards, _people.notes(roster))
    files = report.write_similarity(result, out)
    if not quiet:
        _print(result, files, out)


def _roster(given: str, model: str, out: Path) -> Roster:
    """Return whom the photos show, of several earlier runs where these are given."""
    from facevalue.cli import _people
    from facevalue.data.shards import RUN, find_shards, shard_roster

    if not (Path(given).expanduser() / RUN).is_file() and find_shards(given):
        return shard_roster(given, model)
    return _people.roster(given, out)


def _most_alike(people: People, model: str, how: tuple[int, float, int], out: Path, *, matrix: bool, quiet: bool) -> None:
    """Write the pairs of people most alike, and print what is said on the whole."""
    from rich.console import Console

    from facevalue.cli import _show
    from facevalue.report import most_alike as report
    from facevalue.studies.most_alike import people_most_alike

    k, level, seed = how
    with _show.progress("comparing", "people", quiet=quiet) as progress:
        alike, findings = people_most_alike(people, model, k=k, level=level, seed=seed, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    result = report.Result(alike.to_arrow(), findings, people, model, alike.names, alike.sums)
    with _show.progress("writing", "people", quiet=quiet or not matrix) as progress:
        files = report.write_most_alike(result, out, matrix=matrix, progress=progress)
    if not quiet:
        console = Console(highlight=False, soft_wrap=True)
        for line in report.lines(result):
            console.print(line, markup=False)
        console.print(f"{', '.join(files)}: in {out}", markup=False)


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
