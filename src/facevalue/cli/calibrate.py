"""`facevalue calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facevalue.cli._options import Permissive, Quiet, Seed, Workers

if TYPE_CHECKING:
    from facevalue.data.people import People, Roster


def calibrate(
    people: Annotated[str, typer.Argument(help="Folders person/photo, a .csv of path,person, or an annotate result.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the calibration, *.json.", dir_okay=False)],
    model: Annotated[str, typer.Option(help="Model that embeds.")] = "dlib_resnet",
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "centerface",
    fmr: Annotated[float, typer.Option(help="False match rate to keep.", min=1e-9, max=0.5)] = 0.01,
    name: Annotated[str, typer.Option(help="What to call the data set.")] = "",
    by: Annotated[str, typer.Option(help="Columns of the .csv by whose groups coverage is counted, with commas.")] = "",
    changes: Annotated[
        Literal["none", "count", "mix"],
        typer.Option(
            help="count: coverage on blurred, small, JPEG, dark, bright, gray photos too; mix: calibrate on a mix of them."
        ),
    ] = "none",
    level: Annotated[float, typer.Option(help="Nominal coverage of intervals and bands.", min=0.5, max=0.99)] = 0.9,
    seed: Seed = 0,
    workers: Workers = 0,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Learn from photos of known people what a model's scores mean: a threshold, P(same), likelihood ratios, bands.

    The file holds numbers for `facevalue verify --calibration`, and is refused for any other model, weights or detector.
    Beside it: the coverage of its bands, counted on people they were made without, and the faces measured, in a folder.

    Example: `facevalue calibrate people/ --fmr 0.001 --out mine.json`.
    """
    import numpy as np

    from facevalue.annotate.people import embedder
    from facevalue.annotate.verify import wanted
    from facevalue.cli import _people, _show
    from facevalue.confidence import calibration, coverage
    from facevalue.confidence.defaults import write_verifier
    from facevalue.data.files import write_findings
    from facevalue.data.people import find_people
    from facevalue.models import permissive, preprocessing

    groups = [word.strip() for word in by.split(",") if word.strip()]
    roster, instruments, mix = find_people(people), wanted(embedder(model)), changes == "mix"
    if only_permissive:
        permissive([detector, model])
    if missing := [group for group in groups if group not in roster.columns]:
        raise typer.BadParameter(f"--by: {people} has no column {missing[0]}; it has {', '.join(roster.columns) or 'none'}")
    whose = np.array(list(roster.person.values()), object)
    coverage.check_people(whose, level=level)
    calibration.check_people(whose, fmr=fmr, level=level)
    folder = f"{out.stem}_faces"
    known = _people.measured(roster, out.parent, detector, instruments, workers=workers, quiet=quiet, folder=folder)
    changed = {} if changes == "none" else _changed(roster, known, detector, instruments, quiet=quiet)
    base = calibration.mixed(known, changed, model, seed=seed) if mix else known
    data = (name or Path(people).name) + (calibration.MIXED if mix else "")
    named = {"detector": detector, "data": data, "preprocessing": preprocessing(model)}
    made = calibration.calibrated(base, model, fmr=fmr, level=level, seed=seed, **named)
    with _show.progress("counting", "splits", quiet=quiet) as progress:
        found = coverage.coverage(
            known, model, level=level, seed=seed, groups=groups, changed=changed, mix=mix, progress=progress
        )
    write_verifier(made, out)
    write_findings(found, out.with_name(f"{out.stem}_coverage.csv"))
    if not quiet:
        _show.calibration(made, found, out)


def _changed(roster: Roster, known: People, detector: str, instruments: Sequence[str], *, quiet: bool) -> dict[str, People]:
    """Return the people measured again under each change of their photos."""
    from facevalue.annotate.people import measure_changed
    from facevalue.cli import _show
    from facevalue.confidence.coverage import CHANGES

    with _show.progress("changing", "photos", quiet=quiet) as progress:
        return measure_changed(roster, known, CHANGES, detector=detector, wanted=instruments, progress=progress)
