"""`facevalue audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facevalue.cli._options import Consent, Out, Permissive, Purpose, Quiet, Seed, Workers

FACES = (
    "A folder with a folder a person, a .csv of path, perhaps person, and words about each photo, photos, the result of "
    "annotate, or a parquet of faces."
)


def audit(
    faces: Annotated[str, typer.Argument(help=FACES)],
    out: Out,
    by: Annotated[str, typer.Option(help="Groups, with commas: race, gender x race, camera (a column of the table).")] = "",
    labels: Annotated[
        Path | None,
        typer.Option(help="A .csv of path, perhaps face, and labels: gender, race, age...", exists=True, dir_okay=False),
    ] = None,
    labels_drawn: Annotated[str, typer.Option(help="How the labelled faces were taken: random or chosen.")] = "random",
    compare: Annotated[str | None, typer.Option(help="A second data set, given like the first.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(help="What must hold: 'faces >= 1000'; @FILE: a line each. Repeatable.")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Propose one in which the first of --by is even: even, or a number.")
    ] = None,
    folders: Annotated[str, typer.Option(help="What the folders of photos are: people, groups or nothing.")] = "people",
    instruments: Annotated[str, typer.Option(help="Instruments, with commas.")] = "default",
    model: Annotated[str, typer.Option(help="Name of a model that embeds: who is in it twice.")] = "dlib_resnet",
    calibration: Annotated[
        Path | None,
        typer.Option(help="File of `facevalue calibrate`; the package's own otherwise.", exists=True, dir_okay=False),
    ] = None,
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "centerface",
    gallery: Annotated[bool, typer.Option(help="Show suspects in the report.")] = True,
    seed: Seed = 0,
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.", min=0.5, max=0.999)] = 0.95,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    consent: Consent = None,
    purpose: Purpose = None,
    quiet: Quiet = False,
) -> None:
    """Say what is in a data set: shares with intervals, who is in it twice, conflicts, failures; compare, and require.

    Example: `facevalue audit people/ --by "gender x race" --labels small.csv --require "faces >= 1000" --out results`.
    """
    from facevalue.annotate.audit import audit as study
    from facevalue.annotate.data_set import find_set
    from facevalue.cli import _audit, _consent
    from facevalue.report.audit import write_audit

    more: dict[str, Any] = {"labels": labels, "model": model, "calibration": calibration, "level": level}
    request = _audit.request(by, subset, labels_drawn, require or [], **more, seed=seed, gallery=gallery)
    asked = _audit.Asked(out, folders, instruments, model, detector, workers, only_permissive, quiet)
    allowed = _consent.permission(consent, purpose)
    if compare is not None:
        find_set(compare, folders=folders)
    data = _audit.measured(faces, asked, allowed, request)
    other = None if compare is None else _audit.measured(compare, asked, allowed)
    result = study(data, request, other=other, progress=_audit.steps(quiet=quiet))
    files = write_audit(result, out)
    if not quiet:
        _audit.show(result, files, out)
    if result.code:
        raise typer.Exit(result.code)
