"""`facevalue geometry`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facevalue.cli._options import Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.data.faces import Faces
    from facevalue.data.findings import Findings
    from facevalue.data.shapes import Shapes
    from facevalue.report.geometry import Result
    from facevalue.studies.shapes import About, Measured

FACES = "A folder of photos, the result of annotate, or landmarks: a .tem, .tps or .csv file, or a folder of them."
Points = Literal["frl132", "mesh468"]
FORETOLD = "The points are where frl132 foretells that people would place them."
AS_BY_HAND = (
    "Values as by hand and their bands rest on 102 people from whom it had not learned: frontal, neutral, evenly lit. Photos "
    "of another kind lie further off."
)
NO_POINTS = "The earlier run has no frl132 points, only the mesh: annotate with --instruments default,frl132 for them."
READ_ONCE = (
    "The faces are those of an earlier run, read once; nothing was measured anew. The noise is how far the mesh's readings of "
    "a photo and of its mirror image differ, taken as independent from point to point; neighbours err together, and the bands "
    "are far too narrow. Give the photos themselves, with --points mesh468: then each face is read 12 times."
)
READ_AGAIN = (
    "Each face is the mean of 12 readings of the mesh on moved crops; the noise is that of this mean. What another photo of "
    "the person would change, expression above all, is not in the bands."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How photos are measured: None takes frl132, or the mesh where an earlier run has nothing else."""

    points: Points | None
    detector: str
    seed: int
    workers: int
    quiet: bool


def geometry(
    faces: Annotated[Path, typer.Argument(help=FACES)],
    out: Out,
    ratings: Annotated[
        Path | None, typer.Option(help="Table of ratings: face,rater,trait,rating; or face and a column a trait.")
    ] = None,
    info: Annotated[Path | None, typer.Option(help="Table about the faces: face, sex, perhaps yaw.")] = None,
    sex: Annotated[str | None, typer.Option(help="Column of the sexes in --info.", show_default=False)] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="What averageness refers to: london_frl132, london_mesh468, or a file; by default these faces."),
    ] = None,
    points: Annotated[
        Points | None,
        typer.Option(help="Of photos: as people would place them (frl132), or the mesh, read 12 times; by default frl132."),
    ] = None,
    save_reference: Annotated[Path | None, typer.Option(help="Write these faces as a reference into this file.")] = None,
    noise: Annotated[
        float | None, typer.Option(help="Standard deviation of the landmarks, px; of photos it is known.", min=0)
    ] = None,
    max_yaw: Annotated[float, typer.Option(help="Do not measure heads that are turned further, degrees.", min=0)] = 10.0,
    detector: Annotated[str, typer.Option(help="Name of a detector, for photos.")] = "centerface",
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Measure asymmetry, averageness and dimorphism of faces, and how they go with people's ratings.

    Example: `facevalue geometry templates/ --info faces.csv --ratings ratings.csv --out results`.
    """
    import numpy as np

    from facevalue import models
    from facevalue.data.ratings import read_trait_ratings
    from facevalue.image.averageness import frozen
    from facevalue.report import geometry as report
    from facevalue.studies import geometry as study
    from facevalue.studies.references import named_reference, write_reference
    from facevalue.studies.shapes import measure

    if only_permissive:
        models.permissive([detector, "mesh", "pose", "frl132"])
    known = None if reference is None else named_reference(reference)
    shapes, about, notes, names = _shapes(faces, out, _Asked(points, detector, seed, workers, quiet))
    about = _about(shapes, about, info, sex, noise)
    rated = None if ratings is None else read_trait_ratings(ratings, names=shapes.names)
    measured = measure(shapes, about, level=level, seed=seed, reference=known, max_yaw=max_yaw)
    findings = study.geometry(measured, rated, level=level, seed=seed)
    if save_reference is not None:
        count, own = int(measured.there.sum()), frozen(measured.aligned, scheme=measured.scheme, name=save_reference.stem)
        write_reference(own, save_reference, faces=count, source=str(faces))
        notes.append(f"These {count} faces are written to {save_reference.name} as a reference.")
    cards = [models.card(name) for name in names if name in models.names()]
    if about.departures is not None:
        notes.append(AS_BY_HAND)
    elif not np.isfinite(about.noise).any():
        notes.append("How far the landmarks lie from where they belong is not known: --noise takes off what that adds.")
    notes.append(f"Seed {seed}, level {level:g}.")
    result = _result(measured, findings, cards, notes, seed)
    files = report.write_geometry(result, out)
    if not quiet:
        _print(result, files, out)


def _shapes(given: Path, out: Path, asked: _Asked) -> tuple[Shapes, About, list[str], tuple[str, ...]]:
    """Return shapes, what is known of them, notes, and the names of the instruments that placed the points."""
    from facevalue.data.files import read_faces
    from facevalue.data.shapes import holds_landmarks, read_shapes
    from facevalue.models.frl132 import departures
    from facevalue.studies.shapes import About, foretold_shapes, mesh_shapes

    if holds_landmarks(given):
        if asked.points is not None:
            raise typer.BadParameter("--points is of photos; these landmarks are measured as they are")
        shapes = read_shapes(given)
        return shapes, About.unknown(len(shapes)), [], ()
    earlier = (given / "faces.parquet").is_file() or given.suffix == ".parquet"
    faces = read_faces(given) if earlier else _annotated(given, out / "faces", asked)
    lacking = asked.points is None and "frl132.landmarks" not in faces.columns
    if asked.points == "mesh468" or lacking:
        shapes, about = mesh_shapes(faces) if earlier else _read_again(faces, given, asked)
        notes, names = [READ_ONCE if earlier else READ_AGAIN], ["mesh", "pose"]
    else:
        (shapes, about), notes = foretold_shapes(faces, departures()), [FORETOLD]
        names = ["mesh", "pose", "frl132"]
    notes += [NO_POINTS] * lacking + ["Of photos with several faces the largest counts."] * (len(shapes) < len(faces))
    return shapes, about, notes, tuple(names if earlier else [asked.detector, *names])


def _annotated(given: Path, out: Path, asked: _Asked) -> Faces:
    """Measure the photos by the instruments that place the points, or take up an earlier run."""
    from facevalue.annotate import engine, instruments, run
    from facevalue.annotate.measure import Settings
    from facevalue.cli import _show
    from facevalue.data.files import read_faces

    chosen = ["mesh", "pose", *(["frl132"] if asked.points != "mesh468" else [])]
    names = instruments.placed(chosen, instruments.detector(asked.detector))
    _show.prepare([asked.detector, *names], quiet=asked.quiet)
    options = run.Options(asked.workers or engine.cores(), gallery=False, command=tuple(sys.argv))
    with _show.progress(f"measuring with {asked.detector}", "photos", quiet=asked.quiet) as progress:
        run.run([given], out, Settings(asked.detector, names), options=options, progress=progress)
    return read_faces(out)


def _read_again(faces: Faces, given: Path, asked: _Asked) -> tuple[Shapes, About]:
    """Read the mesh of each face again and again, with a bar."""
    from facevalue.annotate import engine
    from facevalue.annotate.readings import mesh_readings
    from facevalue.cli import _show

    workers = asked.workers or engine.cores()
    with _show.progress("reading the mesh again", "photos", quiet=asked.quiet) as progress:
        return mesh_readings(faces, [given], seed=asked.seed, workers=workers, progress=progress)


def _about(shapes: Shapes, about: About, info: Path | None, sex: str | None, noise: float | None) -> About:
    """Return what is known of faces, with what a table and the noise add."""
    import numpy as np

    from facevalue.data.errors import MissingColumn
    from facevalue.data.ratings import read_sexes, read_yaws

    if info is None and sex is not None:
        raise typer.BadParameter("--sex names a column of --info: give --info too")
    if info is not None:
        yaws = read_yaws(info, shapes.names)
        try:
            about = replace(about, sex=read_sexes(info, shapes.names, column=sex))
        except MissingColumn:
            if yaws is None or sex is not None:
                raise
        about = about if yaws is None else replace(about, yaw=np.where(np.isnan(yaws), about.yaw, yaws))
    return about if noise is None else replace(about, noise=np.full(len(shapes), noise), covariance=None, departures=None)


def _result(measured: Measured, findings: Findings, cards: Sequence[Any], notes: Sequence[str], seed: int) -> Result:
    """Return what the report shows."""
    from facevalue.image import landmarks
    from facevalue.report.geometry import Result

    known = landmarks.scheme(measured.scheme) if measured.scheme in landmarks.names() else None
    points = measured.aligned.mean.shape[0]
    return Result(
        measured.names,
        measured.sex,
        measured.columns,
        measured.aligned.shapes,
        measured.aligned.mean,
        mirror=None if known is None else known.mirror,
        components=measured.components,
        reference=measured.reference,
        scheme=f"{points} landmarks of a set that is not known" if known is None else known.about,
        findings=findings,
        seed=seed,
        max_yaw=measured.max_yaw,
        cards=cards,
        notes=notes,
    )


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print what became of the faces, the means, the correlations and where the files are."""
    from rich.console import Console

    from facevalue.report.geometry import digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    for sentence in found["sentences"]:
        console.print(sentence, markup=False)
    for row in found["means"]:
        cells = zip(found["groups"], row["cells"], strict=True)
        told = "   ".join(f"{group} {_number(cell['mean'], row['digits'])}" for group, cell in cells if cell["mean"])
        console.print(f"mean {row['name']:38} {told}", markup=False)
    for row in found["turned"]:
        console.print(f"rank correlation of {row['name']} with the turn of the head: {_number(row, 2)}", markup=False)
    for trait in found["traits"]:
        for one in trait["correlations"]:
            what = f"{one['name']} with {trait['trait']}, {trait['group']}"
            console.print(f"rank correlation of {what}: {_number(one['spearman'], 2)}", markup=False)
    for note in result.notes:
        console.print(note, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)


def _number(row: Mapping[str, Any], digits: int) -> str:
    if row["value"] is None:
        return str(row["method"])
    ends = "" if row["low"] is None else f" ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    return f"{row['value']:.{digits}f}{ends}"
