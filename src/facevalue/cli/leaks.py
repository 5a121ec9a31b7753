"""`facevalue leaks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import Level, Permissive, Quiet, Workers

if TYPE_CHECKING:
    from facevalue.annotate.leaks import Auditing, Known
    from facevalue.annotate.originals import Originals
    from facevalue.confidence.verdict import Verifier
    from facevalue.data.leaks import Audited
    from facevalue.report.leaks import Result

ROWS = 30
CODE = 1


def leaks(
    folder: Annotated[Path, typer.Argument(help="Folder of obscured photos and films, or one file.", exists=True)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the report: not the audited one.", file_okay=False)
    ] = None,
    detector: Annotated[
        str, typer.Option(help="Names, with commas: better others than those that obscured the photos.")
    ] = "yunet",
    min_score: Annotated[float, typer.Option(help="Faces with a lower score do not count.", min=0, max=1)] = 0.0,
    originals: Annotated[
        Path | None, typer.Option(help="Folder of the photos as they were: whose faces are to be seen?", exists=True)
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest of `facevalue obscure`: which original is which.", exists=True, dir_okay=False)
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="With --originals: `facevalue calibrate`'s file.", exists=True, dir_okay=False)
    ] = None,
    fpir: Annotated[
        float, typer.Option(help="With --originals: how often a stranger may be called one of them.", min=1e-6, max=0.5)
    ] = 0.01,
    allow: Annotated[str, typer.Option(help="Kinds that are no leak, with commas, as icc,name: docs/privacy.md.")] = "",
    every: Annotated[int, typer.Option(help="Of films, look at every so manieth frame.", min=1)] = 1,
    show: Annotated[bool, typer.Option("--show", help="Show the faces that are still found on the page.")] = False,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Say what a folder of obscured photos still gives away: faces, thumbnails, places, sound. Whoever obscured it.

    Exit code 0: nothing. 1: something that --allow does not name, or a file that could not be read. Examples: `facevalue leaks
    shared/`, `facevalue leaks shared/ --originals photos/ --detector yunet,scrfd --out audit`.
    """
    from facevalue import models
    from facevalue.annotate.leaks import Auditing, pictures
    from facevalue.cli import _people
    from facevalue.report import leaks as report
    from facevalue.studies.leaks import leaks as study

    settings = Auditing(_people.listed(detector, "--detector"), min_score, every, _people.some(allow))
    _check(folder, out, show=show)
    verifier = None if originals is None else _verifier(calibration)
    names = [*settings.detectors, *([] if verifier is None else [verifier.origin.detector, verifier.origin.model])]
    names = list(dict.fromkeys(names))
    if only_permissive:
        models.permissive(names)
    known = _known(originals, manifest, verifier, names, fpir=fpir, quiet=quiet)
    files = _audited(folder, settings, known, workers=workers, quiet=quiet)
    found = study(files, level=level, run=", ".join(models.card(name).source for name in names))
    shown, told = pictures(folder, files) if show else [], _told(settings, known.originals)
    result = report.Result(files, found, settings.detectors, told, [models.card(name) for name in names], shown)
    written = report.write_leaks(result, out) if out is not None else []
    if not quiet:
        _print(result, written, out)
    if any(file.status != "clean" for file in files):
        raise typer.Exit(CODE)


def _check(folder: Path, out: Path | None, *, show: bool) -> None:
    """Refuse a report inside the folder that is audited, and faces without a page."""
    if show and out is None:
        raise typer.BadParameter("--show needs a page: --out DIR")
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise typer.BadParameter(f"--out: expected a folder outside {folder}, which is given away; got {out}")


def _verifier(calibration: Path | None) -> Verifier:
    from facevalue.annotate.instruments import DETECTOR
    from facevalue.annotate.search import EMBED
    from facevalue.confidence.defaults import default_verifier, read_verifier

    return read_verifier(calibration) if calibration else default_verifier(EMBED, DETECTOR)


def _known(
    originals: Path | None, manifest: Path | None, verifier: Verifier | None, names: Sequence[str], *, fpir: float, quiet: bool
) -> Known:
    """Fetch the models, and read originals and manifest."""
    from facevalue.annotate.leaks import Known
    from facevalue.annotate.originals import read_originals
    from facevalue.cli import _show
    from facevalue.data.manifest import read_manifest

    _show.prepare(names, quiet=quiet)
    read = None if manifest is None else read_manifest(manifest)
    if originals is None or verifier is None:
        return Known(None, read)
    with _show.progress("measuring originals", "photos", quiet=quiet) as progress:
        return Known(read_originals(originals, verifier=verifier, fpir=fpir, progress=progress), read)


def _audited(folder: Path, settings: Auditing, known: Known, *, workers: int, quiet: bool) -> tuple[Audited, ...]:
    from facevalue.annotate import engine
    from facevalue.annotate.leaks import audit
    from facevalue.cli import _show

    with _show.progress("auditing", "files", quiet=quiet) as progress:
        return audit(folder, settings, known=known, workers=workers or engine.cores(), progress=progress)


def _told(settings: Auditing, originals: Originals | None) -> list[str]:
    """Return what was done, in sentences."""
    told = [f"Faces with a score of {settings.min_score:g} or more count." if settings.min_score else "Every face counts."]
    if settings.every > 1:
        told.append(f"Of films every frame number {settings.every} was looked at.")
    if originals is None:
        return [*told, "Without originals nobody was recognized."]
    told.append(
        f"A face is called that of an original from a cosine of {originals.threshold:.4f} of {originals.model} on: "
        f"{len(originals.embeddings)} faces on {len(originals.photos)} photos were compared."
    )
    if originals.unread:
        reasons = ", ".join(f"{path} ({why})" for path, why in list(originals.unread.items())[:10])
        told.append(f"{len(originals.unread)} originals could not be read: {reasons}.")
    return told


def _print(result: Result, written: Sequence[str], out: Path | None) -> None:
    """Print what was found by kind, the first files with leaks, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    from facevalue.report.leaks import digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    counts = found["counts"]
    console.print(
        f"{len(result.files)} files: {counts['clean']} clean, {counts['leaks']} with leaks, {counts['unreadable']} unreadable"
    )
    for row in found["kinds"]:
        console.print(
            f"  {row['leaks']} {row['kind']} in {round(row['files']['value'] * row['files']['n'])} files", markup=False
        )
    if found["listed"]:
        table = Table("file", "what", "not looked at, because")
        for row in found["listed"][:ROWS]:
            table.add_row(row["path"], row["kinds"], row["why"])
        console.print(table)
    rest = len(found["listed"]) + found["more"] - ROWS
    for sentence in ([f"and {rest} more: --out writes all"] if rest > 0 else []) + list(result.done):
        console.print(sentence, markup=False)
    if found["allowed"]:
        console.print(f"found, and allowed: {', '.join(found['allowed'])}", markup=False)
    if out is not None:
        console.print(f"{', '.join(written)}: in {out}", markup=False)
