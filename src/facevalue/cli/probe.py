"""`facevalue probe`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    import numpy as np

    from facevalue.data.people import People, Roster
    from facevalue.data.shapes import Shapes
    from facevalue.report.probing import Result

TARGETS = (
    "With commas: geometry, pose, age, brightness, sharpness, size, placed; columns such as attributes.gender, or of --table."
)


def probe(
    people: Annotated[str, typer.Argument(help=PEOPLE)],
    out: Out,
    targets: Annotated[str, typer.Option(help=TARGETS)] = "geometry,pose,brightness",
    model: Annotated[str, typer.Option(help="Name of a model that embeds: whose vectors are probed.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="A .csv of further columns, by path or person.", exists=True, dir_okay=False)
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="A target: does --add tell more of it than the vectors do?")] = None,
    add: Annotated[str, typer.Option(help="Targets of numbers that are added to the vectors for --outcome.")] = "geometry",
    landmarks: Annotated[
        Path | None,
        typer.Option(help="Landmarks placed by people, a folder or file of .tem, .tps or .csv: placed.", exists=True),
    ] = None,
    pixels: Annotated[bool, typer.Option(help="Probe pixels and a random network too, to compare with.")] = True,
    folds: Annotated[int, typer.Option(help="Folds of people.", min=3, max=20)] = 5,
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Tell what a model's vectors encode, and what of it is only the person; and whether landmarks add anything.

    Example: `facevalue probe people/ --targets geometry,pose,attributes.gender --out results`.
    """
    from facevalue import models
    from facevalue.annotate import instruments
    from facevalue.annotate.people import embedder
    from facevalue.cli import _people, _show
    from facevalue.report import probing as report
    from facevalue.studies import increment as adding
    from facevalue.studies import probing as study
    from facevalue.studies import targets as looked_for

    roster, model = _people.roster(people, out), embedder(model)
    detector = _people.one(_people.detectors(roster, detector), "--detector")
    names, added = _people.listed(targets, "--targets"), (_people.listed(add, "--add") if outcome else ())
    rows = _rows(table)
    wanted = tuple(dict.fromkeys([*names, *added, *([outcome] if outcome else [])]))
    used = looked_for.instruments_of(wanted, [*roster.columns, *(rows[0] if rows else ())])
    if only_permissive:
        models.permissive(name for name in (detector, *instruments.ordered([model, *used])) if name in models.names())
    measured = _people.measured(roster, out, detector, [model, *used], workers=workers, quiet=quiet)
    columns = {name: looked_for.read_words(words.tolist()) for name, words in measured.columns.items()}
    columns |= looked_for.table_columns(measured, rows, where=str(table)) if rows else {}
    placed = _placed(landmarks)
    known = looked_for.targets(names, measured, table=columns, placed=placed)
    more, vectors = None, {model: measured.embedding(model)}
    if outcome:
        told = looked_for.outcome(outcome, measured, table=columns, placed=placed)
        further = looked_for.numbers(looked_for.targets(added, measured, table=columns, placed=placed))
        more = adding.increment(
            vectors[model], further, told, measured.person, level=level, seed=seed, group=outcome, folds=folds
        )
    vectors |= _baselines(roster, measured, seed=seed, pixels=pixels, quiet=quiet)
    with _show.progress("probing", "targets", quiet=quiet) as progress:
        findings = study.probing(vectors, known, measured.person, level=level, seed=seed, folds=folds, progress=progress)
    cards = [models.card(name) for name in (detector, *instruments.ordered([model, *used])) if name in models.names()]
    notes = [*_people.notes(roster), *_circular(model, used)]
    result = report.Result(findings, measured, known, model, detector, level, folds, seed, more, added, cards, notes)
    files = report.write_probing(result, out)
    if not quiet:
        _print(result, files, out)


def _rows(table: Path | None) -> list[dict[str, str]]:
    from facevalue.data.people import read_table

    return [] if table is None else read_table(table)


def _placed(path: Path | None) -> Shapes | None:
    from facevalue.data.shapes import read_shapes

    return None if path is None else read_shapes(path)


def _baselines(roster: Roster, people: People, *, seed: int, pixels: bool, quiet: bool) -> dict[str, np.ndarray]:
    """Return the vectors to compare with: five landmarks and, of photos at hand, pixels and a random network."""
    import numpy as np

    from facevalue.annotate.crops import face_crops
    from facevalue.cli import _show
    from facevalue.image.align import arcface
    from facevalue.studies import baselines

    found = {"five landmarks": baselines.five_points(people.faces.landmarks)}
    if roster.photos is None or not pixels:
        return found
    at = {photo.path: photo for photo in roster.photos}
    with _show.progress("cutting", "photos", quiet=quiet) as progress:
        photos = [at[path] for path in people.faces.path]
        crops, why = face_crops(photos, people.faces, arcface(baselines.SIZE), progress=progress)
    there = why == ""
    for name, vectors in (
        ("pixels", baselines.pixel_components(crops[there])),
        ("random network", baselines.random_network(crops[there], seed=seed)),
    ):
        found[name] = np.full((len(crops), vectors.shape[1]), np.nan)
        found[name][there] = vectors
    return found


def _circular(model: str, used: Sequence[str]) -> list[str]:
    """Return a sentence for each instrument that itself looks at the vectors that are probed."""
    from facevalue.annotate import instruments

    return [
        f"{name} itself looks at {model}: that its columns can be read out of {model} says little about faces."
        for name in used
        if name != model and model in instruments.ordered([name])
    ]


def _print(result: Result, files: Sequence[str], out: Path) -> None:
    """Print a line a target, whether the outcome gains, what became of the photos and where the files are."""
    from rich.console import Console

    from facevalue.report.probing import digest, told

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    print(f"{'target':40} {'from ' + result.model:24} {'control':24} adjusted p" + "  people on both sides" * found["leaky"])
    for row in found["rows"]:
        own, name = row["own"], row["name"] if row["measure"] == "r_squared" else f"{row['name']} (accuracy)"
        line = f"{name:40} {told(own['main']):24} {told(own['main_control']):24} {own['adjusted_p']['value']:10.3f}"
        print(f"{line}  {told(own.get('main_leaky'))}".rstrip())
    if more := found["increment"]:
        console.print(f"{more['outcome']}: R2 {told(more['r_squared_vectors'], 3)} from {result.model},", markup=False)
        console.print(f"{told(more['delta_r_squared'], 3)} more with {', '.join(result.added)}", markup=False)
    if found["unvaried"]:
        console.print(f"not probed, as they do not vary: {', '.join(found['unvaried'])}", markup=False)
    for sentence in (*found["sentences"], *result.notes):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
