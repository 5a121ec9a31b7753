"""Arguments and options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PEOPLE = "A folder with a folder a person, a .csv of path,person, or the result of annotate."

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.", file_okay=False, writable=True)]
Level = Annotated[float, typer.Option(help="Nominal coverage of the intervals.", min=0.5, max=0.999)]
Seed = Annotated[int, typer.Option(help="Of all that is drawn at random.", min=0)]
Workers = Annotated[int, typer.Option(help="Processes; 0 takes one a core.", min=0)]
Permissive = Annotated[bool, typer.Option("--only-permissive", help="Refuse models that forbid commercial use.")]
Consent = Annotated[
    Path | None,
    typer.Option(
        help="Register of consent, a .csv or .parquet of person, photos, purpose, until: what it does not cover is not read.",
        exists=True,
        dir_okay=False,
    ),
]
Purpose = Annotated[str | None, typer.Option(help="What the photos are to be used for, a word of the register.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables.")]
