"""`facevalue report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facevalue.cli._options import Quiet


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of results, with those below them.", exists=True, file_okay=False)
    ],
    quiet: Quiet = False,
) -> None:
    """Draw the pages of results again from what was saved beside them; nothing is measured, no photo is read.

    Example: `facevalue report results/`, after an update that draws pages otherwise.
    """
    from facevalue.data.errors import SchemaError
    from facevalue.report.page import redraw, saved_pages

    failed = False
    for page in dict.fromkeys(page for folder in folders for page in saved_pages(folder)):
        try:
            drawn = redraw(page)
        except SchemaError as error:
            failed = True
            print(f"facevalue: {' '.join(str(error).split())}", file=sys.stderr)
            continue
        if not quiet:
            print(f"{drawn}: drawn again")
    if failed:
        raise typer.Exit(1)
