"""`facevalue accuracy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from rich.table import Table

    from facevalue.data.pairs import Comparisons, Listed
    from facevalue.data.people import People, Roster
    from facevalue.report.verification import Result
    from facevalue.studies.verification import System

PAIRS = "LFW's pairs.txt, or a .csv of a,b,same: the pairs to compare; PEOPLE is then the folder of their photos."


def accuracy(
    out: Out,
    people: Annotated[str | None, typer.Argument(help=PEOPLE)] = None,
    pairs: Annotated[Path | None, typer.Option(help=PAIRS, dir_okay=False, exists=True)] = None,
    model: Annotated[str, typer.Option(help="Names of models that embed, with commas.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Names of detectors: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    metric: Annotated[str, typer.Option(help="cosine, euclidean, euclidean_l2, angular, with commas.")] = "cosine",
    folds: Annotated[int, typer.Option(help="Folds of people: a threshold is judged on others than chose it.", min=2)] = 10,
    most: Annotated[
        int, typer.Option(help="At most so many pairs of one person, and of two, drawn at random.", min=1)
    ] = 100_000,
    threshold: Annotated[str | None, typer.Option(help="deepface: judge its own thresholds too, for comparison.")] = None,
    seed: Seed = 0,
    level: Level = 0.95,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Judge how well models, detectors and metrics tell whether two photos show one person.

    Examples: `facevalue accuracy people/ --out results --model dlib_resnet,sface`, `facevalue accuracy lfw/ --pairs pairs.txt
    --out results`.
    """
    from facevalue import models
    from facevalue.annotate.people import embedder
    from facevalue.cli import _people, _show
    from facevalue.report import verification as report
    from facevalue.studies import sweep as study

    if threshold not in (None, "deepface"):
        raise typer.BadParameter(f"--threshold: expected deepface, got {threshold}; its own threshold each system finds itself")
    wanted, metrics = [embedder(name) for name in _people.listed(model, "--model")], _people.metrics(metric)
    roster, given = _roster(people, pairs, out)
    finders = _people.detectors(roster, detector)
    if only_permissive:
        models.permissive(name for name in (*finders, *wanted) if name in models.names())
    seen = {name: _people.measured(roster, out, name, wanted, workers=workers, quiet=quiet) for name in finders}
    compared = _pairs(seen, given, most=most, folds=folds, seed=seed)
    systems = study.systems_of(seen, compared, models=wanted, metrics=metrics)
    known, lacking = _deepface([system for system, _ in systems]) if threshold else ({}, [])
    with _show.progress("judging", "systems", quiet=quiet) as progress:
        found = study.sweep(systems, compared, level=level, seed=seed, thresholds=known, progress=progress)
    cards = [models.card(name) for name in (*finders, *wanted) if name in models.names()]
    drawn = _drawn(compared, given, most)
    done = [*_told(compared, given, most=most, folds=folds, seed=seed), *found.notes, *lacking, *_people.notes(roster)]
    result = report.Result(found.findings, found.curves, seen, wanted, level, seed, drawn, done, cards)
    files = report.write_verification(result, out)
    if not quiet:
        _print(result, files, out)


def _roster(given: str | None, pairs: Path | None, out: Path) -> tuple[Roster, list[Listed] | None]:
    """Return whose photos are to be measured, and the pairs of them where those are listed."""
    from facevalue.cli import _people
    from facevalue.data.errors import RunError
    from facevalue.data.files import read_faces
    from facevalue.data.pairs import owners, photos_of, read_pairs
    from facevalue.data.people import Roster

    if pairs is None:
        if given is None:
            raise typer.BadParameter("expected PEOPLE, or --pairs FILE")
        return _people.roster(given, out), None
    listed, folder = read_pairs(pairs), Path(given).expanduser() if given else pairs.parent
    if folder.suffix == ".parquet" or (folder / "faces.parquet").is_file():
        return Roster(owners(listed), faces=read_faces(folder)), listed
    photos = photos_of(listed, folder)
    if not any(Path(photo.where).exists() for photo in photos):
        raise RunError(f"{folder}: expected the {len(photos)} photos that {pairs} names; none is there, as {photos[0].path}")
    return Roster(owners(listed), photos), listed


def _pairs(seen: Mapping[str, People], given: Sequence[Listed] | None, *, most: int, folds: int, seed: int) -> Comparisons:
    """Return the pairs to compare, by rows that are the same photos for every detector."""
    import numpy as np

    from facevalue.data.pairs import compare_all, compare_listed

    first, *others = seen.values()
    assert all(np.array_equal(first.faces.path, people.faces.path) for people in others)
    if given is not None:
        return compare_listed(given, first.faces.path, folds=folds, seed=seed)
    named = np.flatnonzero(first.person != "")
    found = compare_all(first.person[named], most=most, folds=folds, seed=seed)
    return replace(found, a=named[found.a], b=named[found.b])


def _deepface(systems: Sequence[System]) -> tuple[dict[str, float], list[str]]:
    """Return deepface's thresholds by system, a cosine for its cosine distance, and what to say of those without one."""
    from facevalue.data.errors import UnknownName
    from facevalue.models._thresholds import deepface_threshold

    known, lacking = dict[str, float](), list[str]()
    for system in systems:
        try:
            distance = deepface_threshold(system.model, system.metric)
        except UnknownName:
            lacking += [system.model] if system.model not in lacking else []
        else:
            known[system.name] = 1 - distance if system.metric == "cosine" else distance
    told = ["deepface's thresholds are judged for comparison only: no error rate was ever stated with them."] if known else []
    if lacking:
        told.append(f"deepface has no threshold for {', '.join(lacking)}.")
    return known, told


def _drawn(pairs: Comparisons, given: Sequence[Listed] | None, most: int) -> str:
    """Return which pairs were compared, in words."""
    same = int(pairs.same.sum())
    few = max(same, len(pairs) - same) < most
    return "as listed" if given is not None else "all of them" if few else f"at most {most:,} of a kind, drawn at random"


def _told(pairs: Comparisons, given: Sequence[Listed] | None, *, most: int, folds: int, seed: int) -> list[str]:
    """Return what was done, in sentences."""
    from facevalue.report.people import counted

    same, people = int(pairs.same.sum()), len({*pairs.first.tolist(), *pairs.second.tolist()})
    drawn = "as listed" if given is not None else f"all, or {most:,} of a kind drawn at random where there are more"
    fold = f"people are dealt to {folds} folds at random"
    if given is not None and min(pair.fold for pair in given) >= 0:
        fold = "folds are as listed"
    return [
        f"{counted(same, 'pair')} of one person and {len(pairs) - same:,} of two, of {people:,} people: {drawn}.",
        f"A threshold is chosen on the other folds and other people than it is judged on; {fold}.",
        "The largest face of a photo is compared; every photo was measured once for each detector and model.",
        f"Seed {seed}.",
    ]


SUMMARY = (
    "accuracy",
    "area_under_curve",
    "equal_error_rate",
    "tmr@fmr=0.01",
    "tmr@fmr=0.001",
    "cllr",
    "failure_to_acquire",
    "fixed_accuracy",
)


def _print(result: Result, files: Sequence[str], out: Path) -> None:
    """Print all of one system, or a line a system; the paired differences, what became of the photos, where the files are."""
    from rich.console import Console

    from facevalue.report import verification as report

    console = Console(highlight=False)
    console.print(_one(result) if len(result.curves) == 1 else _several(result, console.width))
    for group, cells in report.differences_by_system(result.findings):
        console.print(f"{group}: {', '.join(cells)}", markup=False, soft_wrap=True)
    if len(result.curves) > 1:
        console.print("intervals, further rates and least Cllr: in accuracy.html and findings.csv")
    told = [f"{part['detector']}: {'; '.join(part['sentences'])}" for part in report.photos(result)]
    for sentence in (*result.done, *told, f"{', '.join(files)}: in {out}"):
        console.print(sentence, markup=False, soft_wrap=True)


def _one(result: Result) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from facevalue.report import verification as report

    (name,) = result.curves
    table = Table("measure", "value", "interval", "n", title=escape(name), title_justify="left")
    for line in report.lines(result.findings, name):
        value, _, why = (line.value or escape(line.method)).partition(": ")
        table.add_row(line.measure, value, line.interval or why, f"{line.n:,}")
    return table


def _several(result: Result, width: int) -> Table:
    """Return a row a system, and as many of the chief measures as a width has room for."""
    from rich.markup import escape
    from rich.table import Table

    from facevalue.report import verification as report
    from facevalue.report.people import measures

    found = {name: measures(result.findings, name) for name in result.curves}
    table = Table("model", "detector", "metric")
    shown = [name for name in SUMMARY if any(name in of for of in found.values())][: max(1, (width - 50) // 12)]
    for name in shown:
        table.add_column(report.short(name), justify="right")
    for name, of in found.items():
        cells = [report.summary_cell(of, measure) for measure in shown]
        table.add_row(*(escape(word) for word in report.parts(name)), *cells)
    return table
