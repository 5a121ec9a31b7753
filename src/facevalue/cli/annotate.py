"""`facevalue annotate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from facevalue.cli._options import Consent, Permissive, Purpose, Quiet, Workers

Engine = Literal["local", "ray"]


def annotate(
    photos: Annotated[
        list[str],
        typer.Argument(help="Photos, folders, globs, lists, tars, parquet or arrow with bytes, s3:// and other addresses."),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the results, or - for JSON lines on stdout.")],
    instruments: Annotated[str, typer.Option(help="Instruments, with commas: default,fsanet.")] = "default",
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "centerface",
    level: Annotated[float, typer.Option(help="Nominal coverage of sets, intervals and bands.", min=0.01, max=0.999)] = 0.9,
    workers: Workers = 0,
    max_pixels: Annotated[int, typer.Option(help="Refuse photos with more pixels.", min=1)] = 100_000_000,
    engine: Annotated[
        Engine, typer.Option(help="Measure in processes here, or on a Ray cluster: pip install 'facevalue[ray]'.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster, host:6379 or auto; one is started without.")
    ] = None,
    gpus: Annotated[float, typer.Option(help="Share of a GPU that each worker on Ray reserves.", min=0, max=1)] = 0,
    chips: Annotated[bool, typer.Option("--chips", help="Also save aligned faces to detected_faces/.")] = False,
    gallery: Annotated[bool, typer.Option(help="Show faces in the report.")] = True,
    only_permissive: Permissive = False,
    consent: Consent = None,
    purpose: Purpose = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when a photo failed or has no face.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure every face in photos; say what could not be measured, and why.

    Examples: `facevalue annotate photos/ --out results`, `facevalue annotate 'trip/**/*.jpg' -o - -q | jq .faces`.
    """
    from facevalue import models
    from facevalue.annotate import memory, run
    from facevalue.annotate.engine import Ray
    from facevalue.annotate.instruments import named, ordered
    from facevalue.annotate.measure import Settings
    from facevalue.cli import _consent, _show

    if chips and out == "-":
        raise typer.BadParameter("--chips needs a folder: --out DIR")
    if engine == "local" and (address or gpus):
        raise typer.BadParameter("--address and --gpus are of a cluster: --engine ray")
    ray = Ray(address, gpus) if engine == "ray" else None
    names = ordered(named(instruments.split(",")))
    if only_permissive:
        models.permissive([detector, *names])
    allowed = _consent.permission(consent, purpose)
    settings = Settings(detector, names, max_pixels, out if chips else None, level)
    _show.prepare([detector, *names], quiet=quiet)
    given = _consent.covered(photos, allowed, quiet=quiet)
    about = {} if allowed is None else allowed.about()
    options = run.Options(workers, gallery, tuple(sys.argv), about, ray)
    status: Mapping[str, int]
    with _show.progress("measuring", "photos", quiet=quiet) as progress:
        if out == "-":
            status = memory.stream(given, settings, workers=workers, ray=ray, progress=progress)
        else:
            summary = run.run(given, Path(out), settings, options=options, progress=progress)
            status = summary.status
    if out != "-" and not quiet:
        _show.summary(summary, Path(out))
    if strict and set(status) - {"measured"}:
        raise typer.Exit(3)
