"""`facevalue obscure`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import Out, Quiet, Seed, Workers

NAMED = 3

if TYPE_CHECKING:
    from facevalue.annotate.obscured import Obscuring
    from facevalue.annotate.obscured_folder import Given
    from facevalue.data.manifest import Manifest


def obscure(
    paths: Annotated[list[str], typer.Argument(help="Photos, films, folders, globs, lists (.txt, .csv).")],
    out: Out,
    region: Annotated[
        str | None, typer.Option(help="eye, lower, face, head; several with commas.", show_default="face; with --redo as then")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="solid, mean, pixelate, blur, noise, inpaint.", show_default="solid; with --redo as then"),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="In shares of the face's size; higher hides more.", show_default="the method's own")
    ] = None,
    who: Annotated[str, typer.Option(help="all, or targets: those in --targets alone.")] = "all",
    targets: Annotated[
        Path | None,
        typer.Option(help="JSON: photo to boxes of faces, hidden in any case.", exists=True, dir_okay=False),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Folder with a folder a person: these stay visible.", exists=True, file_okay=False)
    ] = None,
    if_unsure: Annotated[
        str, typer.Option(help="No face, or none for sure: blank the picture, box (heads by bodies), or refuse to write it.")
    ] = "blank",
    detector: Annotated[
        str, typer.Option(help="Names, with commas: what any of them finds is hidden.")
    ] = "centerface,blazeface",
    least: Annotated[float, typer.Option(help="Lowest score of a face that is hidden.", min=0.01, max=0.6)] = 0.3,
    redo: Annotated[
        Path | None,
        typer.Option(help="Manifest of an earlier run: its faces, and --targets, are hidden.", exists=True, dir_okay=False),
    ] = None,
    rename: Annotated[bool, typer.Option("--rename", help="Number the files: names give away too.")] = False,
    span: Annotated[str, typer.Option(help="Of films, keep these parts alone: 0:05-0:20,1:10-.")] = "",
    clear: Annotated[str, typer.Option(help="Of films, parts in which nobody is, by your word: shown without a face.")] = "",
    linger: Annotated[
        float, typer.Option(help="Of films, s: a face is hidden so long before and after it is seen.", min=0)
    ] = 0.5,
    audio: Annotated[bool, typer.Option("--audio", help="Of films, keep the sound: voices give people away.")] = False,
    seed: Seed = 0,
    workers: Workers = 0,
    quiet: Quiet = False,
) -> None:
    """Hide faces in photos and films, and everything beside the pixels; what is not surely covered is never passed through.

    The record of what was done lies beside the folder, in OUT.record. Exit code 3: something was refused or could not be read.
    Examples: `facevalue obscure photos/ -o shared`, `facevalue obscure photos/ --region eye,lower --method pixelate -o shared`.
    """
    from facevalue.annotate import engine
    from facevalue.annotate.film_plan import Filming, read_spans
    from facevalue.annotate.obscured import Obscuring
    from facevalue.annotate.obscured_folder import obscure_folder
    from facevalue.cli import _people, _show
    from facevalue.data.manifest import read_manifest

    before = None if redo is None else read_manifest(redo)
    told = {"regions": ("face",), "method": "solid", "strength": None, **({} if before is None else before.settings)}
    settings = Obscuring(
        _people.listed(region, "--region") if region is not None else tuple(told["regions"]),
        method or told["method"],
        told["strength"] if strength is None and method is None else strength,
        seed,
        who,
        if_unsure,
        _people.listed(detector, "--detector"),
        least,
    )
    filming = Filming(read_spans(span) if span else (), read_spans(clear) if clear else (), linger, audio)
    given = replace(_given(settings, targets, keep, before, quiet=quiet), filming=filming, rename=rename)
    given = replace(given, workers=workers or engine.cores())
    with _show.progress("obscuring", "photos and frames", quiet=quiet) as progress:
        manifest = obscure_folder(paths, out, settings, given=given, progress=progress)
    if not quiet:
        _print(manifest, settings, out)
    if {entry.status for entry in manifest.entries} & {"refused", "failed"}:
        raise typer.Exit(3)


def _given(settings: Obscuring, targets: Path | None, keep: Path | None, redo: Manifest | None, *, quiet: bool) -> Given:
    """Read what the run is given, and fetch its models."""
    from facevalue.annotate.allow_list import MODEL, read_allow_list
    from facevalue.annotate.obscured_folder import Given, read_targets
    from facevalue.cli import _show

    if settings.who == "targets" and targets is None:
        raise typer.BadParameter("--who targets needs --targets FILE")
    if redo is not None and (settings.who == "targets" or keep is not None):
        raise typer.BadParameter("--redo takes who is visible from the manifest: leave out --who and --keep")
    if redo is None:
        bodies = ["yolox_nano"] if settings.if_unsure == "box" else []
        _show.prepare([*settings.detectors, "mesh", *bodies, *([MODEL] if keep else [])], quiet=quiet)
    return Given(
        None if targets is None else read_targets(targets),
        None if keep is None else read_allow_list(keep),
        redo,
    )


def _print(manifest: Manifest, settings: Obscuring, out: Path) -> None:
    """Print counts, what was not shown and why, and what the method does not do."""
    from facevalue.annotate.obscured_folder import MANIFEST, record_folder
    from facevalue.annotate.obscured_photos import summed
    from facevalue.image.obscure import METHODS

    for what, counts in summed(manifest).items():
        one = what if counts.total() > 1 else re.sub(r"s\b", "", what, count=1)
        print(f"{counts.total()} {one}: {', '.join(f'{n} {word}' for word, n in counts.items())}")
    if others := manifest.settings["others"]:
        print(f"neither photo nor film, and not copied: {others} other file{'s' if others > 1 else ''}")
    _print_reasons(manifest)
    if warning := METHODS[settings.method].warning:
        print(f"{settings.method}: {warning}")
    print("A hidden face is not anonymity: body, clothes and place still tell. Prove it: facevalue leaks, facevalue frontier.")
    print(f"results: in {out}; what was done, not to be given away: {record_folder(out) / MANIFEST}")


def _print_reasons(manifest: Manifest) -> None:
    """Print a line for each reason: what it means, and the first files that it was."""
    from facevalue.annotate.obscured_folder import REASONS
    from facevalue.annotate.obscured_photos import kind

    named = dict[str, list[str]]()
    for entry in manifest.entries:
        if word := entry.why.partition(":")[0]:
            named.setdefault(word, []).extend([entry.path] if kind(entry) != "frames" else [])
    for word, paths in named.items():
        files = ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
        print(f"{word}: {REASONS.get(word, 'see the manifest.')}" + (f" ({files})" if files else ""))
