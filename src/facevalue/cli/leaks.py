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
    names: Annotated[
        bool, typer.Option("--names", help="With --originals: a file that has the name of one is a leak.")
    ] = False,
    allow: Annotated[str, typer.Option(help="Kinds that are no leak, with commas, as icc,time: docs/leaks.md.")] = "",
    every: Annotated[int, typer.Option(help="Of films, look at one frame in so many.", min=1)] = 1,
    show: Annotated[bool, typer.Option("--show", help="Show the faces that are still found on the page.")] = False,
    level: Level = 0.9,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Say what a folder of obscured photos and films still gives away, whoever obscured it: faces, thumbnails, places, sound.

    Exit code 0: nothing. 1: something that --allow does not name, or a file that could not be read. Examples: `facevalue leaks
    shared/`, `facevalue leaks shared/ --originals photos/ --detector yunet,scrfd --out audit`.
    """
    from facevalue import models
    from facevalue.annotate.leaks import Auditing, pictures
    from facevalue.cli import _people
    from facevalue.report import leaks as report
    from facevalue.studies.leaks import leaks as study

    settings = Auditing(_people.listed(detector, "--detector"), min_score, every, names, _people.some(allow))
    _check(folder, out, settings, show=show)
    verifier = None if originals is None else _verifier(calibration)
    used = _used(settings, verifier)
    if only_permissive:
        models.permissive(used)
    known = _known(originals, manifest, verifier, used, fpir=fpir, quiet=quiet)
    files = _audited(folder, settings, known, workers=workers, quiet=quiet)
    found = study(files, level=level, run=", ".join(models.card(name).source for name in used))
    shown, told = pictures(folder, files) if show else [], _told(settings, known.originals, files)
    result = report.Result(files, found, settings.detectors, told, [models.card(name) for name in used], shown)
    written = report.write_leaks(result, out) if out is not None else []
    if not quiet:
        _print(result, written, out)
    if any(file.status != "clean" for file in files):
        raise typer.Exit(CODE)


def _check(folder: Path, out: Path | None, settings: Auditing, *, show: bool) -> None:
    """Refuse a report inside the folder that is audited, faces without a page, and to call clean what nobody looked into."""
    from facevalue.data.leaks import allowing

    if show and out is None:
        raise typer.BadParameter("--show needs a page: --out DIR")
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise typer.BadParameter(f"--out: expected a folder outside {folder}, which is given away; got {out}")
    if "unreadable" in settings.allow:
        raise typer.BadParameter("--allow: what is unreadable cannot be called clean: take these files out")
    allowing((), settings.allow)


def _used(settings: Auditing, verifier: Verifier | None) -> list[str]:
    """Return the names of all models."""
    from facevalue.annotate.instruments import ordered

    known = () if verifier is None else (verifier.origin.detector, *ordered([verifier.origin.model]))
    return list(dict.fromkeys((*settings.detectors, *known)))


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


def _told(settings: Auditing, originals: Originals | None, files: Sequence[Audited]) -> list[str]:
    """Return what was done, in sentences."""
    told = [f"Faces with a score of {settings.min_score:g} or more counted." if settings.min_score else "Every face counted."]
    if settings.every > 1:
        told.append(f"Of films one frame in {settings.every} was looked at.")
    if originals is None:
        return [*told, "Without --originals nobody was recognized, and no hidden place was compared."]
    told.append(
        f"A face was called that of an original from a cosine of {originals.threshold:.4f} of {originals.model} on: "
        f"it was compared with {len(originals.embeddings)} faces on {len(originals.photos)} photos."
    )
    seen = [file for file in files if file.sort == "photo" and file.frames]
    places, compared = sum(file.places for file in seen), sum(file.compared for file in seen)
    alone = sum(not file.original for file in seen)
    told.append(
        f"The originals of {len(seen) - alone} photos have {places} faces; at the places of {compared} what is seen now was "
        f"compared too, and was called the face that was there from {originals.own_threshold:.4f} on. "
        f"{f'No original was found of {alone} photos. ' if alone else ''}Of films only the faces that are found were compared."
    )
    if originals.unread:
        reasons = ", ".join(f"{path} ({why})" for path, why in list(originals.unread.items())[:10])
        told.append(f"{len(originals.unread)} originals could not be read: {reasons}.")
    if originals.others:
        told.append(f"{originals.others} files among the originals are no photos: nothing was compared with them.")
    return told


def _print(result: Result, written: Sequence[str], out: Path | None) -> None:
    """Print what was found by kind, the first files with leaks, and where the report is."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from facevalue.report.leaks import digest

    console, found = Console(highlight=False, soft_wrap=True), digest(result)
    counts = found["counts"]
    console.print(
        f"{len(result.files)} files: {counts['clean']} clean, {counts['leaks']} with leaks, {counts['unreadable']} unreadable"
    )
    for row in found["kinds"]:
        console.print(f"  {row['leaks']} {row['kind']} in {row['having']}", markup=False)
    if found["listed"]:
        table = Table("file", "what", "not looked at, because")
        for row in found["listed"][:ROWS]:
            table.add_row(*(escape(row[name]) for name in ("path", "kinds", "why")))
        console.print(table)
    rest = len(found["listed"]) + found["more"] - ROWS
    for sentence in ([f"and {rest} more: --out writes all"] if rest > 0 else []) + list(result.done):
        console.print(sentence, markup=False)
    if found["allowed"]:
        console.print(f"Found, and no leak here: {', '.join(found['allowed'])}.", markup=False)
    if out is not None:
        console.print(f"{', '.join(written)}: in {out}", markup=False)
