"""`facevalue quality`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import PEOPLE, Level, Out, Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    import numpy as np

    from facevalue.data.people import People, Roster
    from facevalue.report.quality import Result

COMPONENTS = (
    "Instruments or single columns, with commas: iso_quality, iso_expression, quality, the model's spread and expected_error "
    "by default."
)
SIGMA = "expected_error"


def quality(
    people: Annotated[str, typer.Argument(help=f"{PEOPLE} A folder of photos alone: components, no errors.")],
    out: Out,
    model: Annotated[str, typer.Option(help="Name of a model that embeds: errors are its.")] = "dlib_resnet",
    detector: Annotated[
        str | None, typer.Option(help="Name of a detector: centerface, or that of the earlier run.", show_default=False)
    ] = None,
    components: Annotated[str | None, typer.Option(help=COMPONENTS, show_default=False)] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="File that `facevalue calibrate` wrote: expected_error is by it.")
    ] = None,
    threshold_fnmr: Annotated[
        float, typer.Option(help="Share of errors before any photo is left out.", min=1e-4, max=0.5)
    ] = 0.05,
    fmr: Annotated[float | None, typer.Option(help="Threshold by this false match rate instead.", min=1e-6, max=0.5)] = None,
    drop: Annotated[float, typer.Option(help="Share of the photos to list as the worst.", min=0.001, max=1)] = 0.1,
    resamples: Annotated[int, typer.Option(help="Draws of the bootstrap.", min=20)] = 1000,
    seed: Seed = 0,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Measure the quality of photos, say which component predicts a model's errors, and which photos to drop first.

    Example: `facevalue quality people/ --out results`, where people/ holds a folder of photos a person.
    """
    from facevalue.annotate.people import embedder
    from facevalue.cli import _people, _show
    from facevalue.report import quality as report
    from facevalue.studies import quality as study
    from facevalue.studies.drop import to_drop

    roster, errors = _roster(people, out)
    model, found = embedder(model), _people.one(_people.detectors(roster, detector), "--detector")
    words, notes = _words(components, model, errors=errors, permissive=only_permissive)
    wanted = _wanted(words, model, errors=errors, calibrated=calibration is not None)
    measured, cards = _measured(roster, out, found, wanted, only_permissive, workers, quiet)
    rated = study.components(measured.faces, model, [word for word in words if word != SIGMA])
    if SIGMA in words or calibration is not None:
        error, told = _sigma(measured, model, found, calibration, seed=seed, asked=components is not None)
        rated, notes = rated | error, [*notes, told]
    notes = [*_people.notes(roster), *notes]
    if not errors:
        notes.append("Nobody has two photos here: no errors can be counted.")
        dropped = to_drop(measured, share=drop)
        result = report.Result(
            measured, rated, list(rated), dropped, model, found, level, seed, resamples, cards=cards, notes=notes
        )
    else:
        pairs = study.matches(measured, model, seed=seed, fnmr=threshold_fnmr, fmr=fmr)
        with _show.progress("drawing", "resamples", quiet=quiet) as progress:
            findings = study.quality(
                measured, model, pairs, rated, level=level, seed=seed, resamples=resamples, progress=progress
            )
        order = study.ranking(findings)
        dropped = to_drop(measured, (model, order[0], rated[order[0]]), share=drop)
        curves = {name: (one.share, one.error) for name in order for one in (study.curve(pairs, rated[name]),)}
        notes += [f"Threshold by {pairs.method}; level {level:g}, {resamples} resamples, seed {seed}."]
        terms = level, seed, resamples, pairs.method
        result = report.Result(measured, rated, order, dropped, model, found, *terms, findings, curves, cards, notes)
    files = report.write_quality(result, out)
    if not quiet:
        _print(result, files, out)


def _roster(given: str, out: Path) -> tuple[Roster, bool]:
    """Return whom photos show, and whether a person has two of them; photos in no folder of a person are nobody's."""
    from collections import Counter

    from facevalue.cli import _people
    from facevalue.data.people import Roster
    from facevalue.data.photos import Found, find_photos

    path = Path(given).expanduser()
    if path.is_dir() and not (path / "faces.parquet").is_file():
        photos = [photo for photo in find_photos(path) if not Path(photo.where).resolve().is_relative_to(out.resolve())]
        if photos and not any("/" in photo.path for photo in photos):
            return Roster({photo.path: "" for photo in photos}, Found(iter(photos))), False
    roster = _people.roster(given, out)
    return roster, max(Counter(who for who in roster.person.values() if who).values()) > 1


def _words(components: str | None, model: str, *, errors: bool, permissive: bool) -> tuple[list[str], list[str]]:
    """Return what is asked for, and what is to be said of it."""
    from facevalue import models
    from facevalue.cli import _people

    if components is not None:
        return list(_people.listed(components, "--components")), []
    words = ["iso_quality", "iso_expression", "quality", *([f"{model}{models.SPREAD}", SIGMA] if errors else [])]
    if not permissive:
        return words, []
    words.remove("iso_expression")
    return words, ["No expression neutrality: the data of `expression` forbid commercial use."]


def _wanted(words: Sequence[str], model: str, *, errors: bool, calibrated: bool) -> list[str]:
    """Return the instruments that what is asked for is made of."""
    from facevalue.models import SPREAD

    named = [word.partition(".")[0] for word in words if word != SIGMA]
    made_of = [f"{model}{SPREAD}", "quality"] if SIGMA in words or calibrated else []
    return list(dict.fromkeys([*([model] if errors else []), *named, *made_of]))


def _measured(
    roster: Roster, out: Path, detector: str, wanted: Sequence[str], permissive: bool, workers: int, quiet: bool
) -> tuple[People, list[object]]:
    """Return the photos with the columns of the instruments wanted, and the cards of what measured them."""
    from facevalue import models
    from facevalue.annotate import instruments
    from facevalue.cli import _people

    names = [name for name in (detector, *instruments.placed(wanted, detector)) if name != "unknown"]
    if permissive:
        models.permissive(names)
    people = _people.measured(roster, out, detector, wanted, workers=workers, quiet=quiet)
    return people, [models.card(name) for name in names]


def _sigma(
    people: People, model: str, detector: str, calibration: Path | None, *, seed: int, asked: bool
) -> tuple[dict[str, np.ndarray], str]:
    """Return minus the error to expect of each face, deg, and where it comes from; only where asked for must it be there."""
    from facevalue.confidence.defaults import read_verifier
    from facevalue.confidence.expected_error import default_error, expected_error
    from facevalue.data.errors import NotCalibrated, SchemaError

    if calibration is not None:
        return {SIGMA: -expected_error(people, read_verifier(calibration))}, f"{SIGMA}: by {calibration}."
    try:
        error, words = default_error(people, model, detector, seed=seed)
    except (NotCalibrated, SchemaError) as missing:
        if asked:
            raise
        return {}, f"No {SIGMA}: {missing}."
    return {SIGMA: -error}, f"{SIGMA}: {words}."


def _print(result: Result, files: Sequence[str], out: Path) -> None:
    """Print the best components, what became of the photos, the worst photos and where the files are."""
    from rich.console import Console

    from facevalue.report.people import interval
    from facevalue.report.quality import digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    for row in found["rows"][:8] if found["counts"] else ():
        gain, rank = row["found"]["gain@0.20"], row["found"]["spearman"]
        words = (
            "none" if one["value"] is None else f"{one['value']:.3f} ({interval(one, 3) or 'no interval'})"
            for one in (gain, rank)
        )
        console.print("{:44} gain {:28} rank correlation {}".format(row["name"], *words), markup=False)
    for row in found["drop"][:5]:
        console.print(f"look at {row['path']}: {row['reason']}", markup=False)
    for sentence in (*found["sentences"], *result.notes):
        console.print(sentence, markup=False)
    console.print(f"{', '.join(files)}: in {out}", markup=False)
