"""What `facevalue audit` reads and measures, and what it shows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from facevalue.annotate.audit_request import Request
    from facevalue.annotate.data_set import DataSet
    from facevalue.data.consent import Permission
    from facevalue.report.audit import Result

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """How the command line asks for data sets to be measured."""

    out: Path
    folders: str
    instruments: str
    model: str
    detector: str
    workers: int
    only_permissive: bool
    quiet: bool


def request(by: str, subset: str | None, drawn: str, require: Sequence[str], **more: Any) -> Request:
    """Return what is asked, checked as far as it can be before anything is measured."""
    from facevalue.annotate.audit_request import Request, read_requirements
    from facevalue.cli import _people
    from facevalue.data.errors import UnknownName
    from facevalue.data.labels import DRAWN

    if drawn not in DRAWN:
        raise UnknownName(drawn, DRAWN, what="way to draw labels")
    words = _people.some(by)
    if subset is not None and subset != "even" and not (subset.isdecimal() and int(subset)):
        raise typer.BadParameter(f"--subset: expected even, or a number of photos; got {subset!r}")
    if subset is not None and not words:
        raise typer.BadParameter("--subset: expected groups that are to be even: --by gender, say")
    return Request(
        words, drawn=drawn, subset=subset or "", requirements=read_requirements(require), command=tuple(sys.argv), **more
    )


def measured(given: str, asked: Asked, allowed: Permission | None, request: Request | None = None) -> DataSet:
    """Return a data set, measured into a folder of the results where it was not before; the second one has no request."""
    from facevalue import models
    from facevalue.annotate import engine, run
    from facevalue.annotate.audit_request import check, wanted
    from facevalue.annotate.data_set import FOLDERS, find_set, measure_set
    from facevalue.annotate.instruments import blank, detector, placed
    from facevalue.annotate.measure import Settings
    from facevalue.annotate.people import embedder
    from facevalue.cli import _consent, _people, _show
    from facevalue.data.errors import UnknownName

    if asked.folders not in FOLDERS:
        raise UnknownName(asked.folders, FOLDERS, what="kind of folders")
    names = wanted(asked.instruments.split(","), embedder(asked.model))
    roster = _people.outside(find_set(given, folders=asked.folders), asked.out)
    if asked.only_permissive:
        models.permissive([detector(asked.detector), *names])
    if request is not None:
        check(request, roster.faces or blank(asked.detector, placed(names, asked.detector)), roster.columns)
    roster = _consent.covered_roster(roster, allowed, quiet=asked.quiet)
    if roster.faces is None:
        _show.prepare([asked.detector, *names], quiet=asked.quiet)
    about = {} if allowed is None else allowed.about()
    options = run.Options(asked.workers or engine.cores(), gallery=False, command=tuple(sys.argv), consent=about)
    settings = Settings(detector(asked.detector), placed(names, asked.detector))
    with _show.progress("measuring", "photos", quiet=asked.quiet or roster.faces is not None) as progress:
        return measure_set(
            roster,
            asked.out / ("other" if request is None else "faces"),
            given,
            settings=settings,
            options=options,
            progress=progress,
        )


def steps(*, quiet: bool) -> Callable[[str], Any]:
    """Return what gives a bar to each study."""
    from facevalue.cli import _show

    return lambda what: _show.progress(what, "steps", quiet=quiet)


def show(result: Result, files: Sequence[str], out: Path) -> None:
    """Print the lines that matter, and where the files are."""
    from rich.console import Console

    from facevalue.report.audit import chief, digest

    console = Console(highlight=False, soft_wrap=True)
    for line in chief(digest(result)):
        console.print(line, markup=False)
    console.print(f"{', '.join(name for name in files if not name.endswith(('.svg', '.png', '.pdf')))}: in {out}", markup=False)
