"""`facevalue licences`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facevalue.data.licences import Material

FORBIDDEN = 3
YES = {True: "yes", False: "no", None: "unknown"}
HEADS = {
    "package": ("package", "version", "licence", "commercial use", "needed by"),
    "model": ("model", "weights", "licence", "commercial use", "trained on"),
    "data": ("data carried", "version", "licence", "commercial use", "made from"),
}

CSV = (
    "kind",
    "name",
    "version",
    "licence",
    "commercial_use",
    "copyleft",
    "evidence",
    "inside",
    "needed_by",
    "state",
    "source",
    "trained_on",
    "notices",
    "sha256",
)


def licences(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this model, and what it needs; several times, or `default`. All by default.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON, on stdout.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row each, as CSV, on stdout.")] = False,
    sbom: Annotated[
        Path | None, typer.Option(help="Write a bill of materials, CycloneDX 1.6 JSON, to this file.", dir_okay=False)
    ] = None,
    only_permissive: Annotated[
        bool,
        typer.Option(
            "--only-permissive",
            help="Exit with 3 where something in use (installed, carried, fetched, or named by --model) forbids commercial "
            "use or does not say that it allows it.",
        ),
    ] = False,
) -> None:
    """List the licences of the installed packages, of every model's weights and of the data that this package carries.

    A licence that nobody states is told as unknown. What is listed is what the packages and cards say: it is no advice.

    Example: `facevalue licences --model default --only-permissive`.
    """
    from facevalue import models
    from facevalue.annotate.instruments import DETECTOR, named
    from facevalue.data.files import write_json
    from facevalue.data.sbom import bill_of_materials

    if as_json and as_csv:
        raise typer.BadParameter("expected --json or --csv, got both")
    chosen = [*([DETECTOR] if "default" in model else []), *named(model)] if model else None
    found = models.materials(chosen)
    if sbom:
        write_json(bill_of_materials(found), sbom)
    (_json if as_json else _csv if as_csv else _tables)(found)
    refused = models.unpermissive(found, chosen) if only_permissive else ()
    for one in refused:
        typer.echo(
            f"facevalue: {one.name}: commercial use {YES[one.commercial]}: {one.licence or 'no licence stated'}", err=True
        )
    if refused:
        raise typer.Exit(FORBIDDEN)


def _json(found: Sequence[Material]) -> None:
    import dataclasses
    import json

    rows = [dataclasses.asdict(one) | {"copyleft": one.copyleft} for one in found]
    print(json.dumps({"format": "facevalue.licences/1", "materials": rows}, indent=1, ensure_ascii=False))


def _csv(found: Sequence[Material]) -> None:
    import csv
    import io

    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(CSV)
    for one in found:
        lists = (one.notices, [file.sha256 or "unknown" for file in one.files])
        use, bound = YES[one.commercial], "yes" if one.copyleft else "no"
        writer.writerow(
            [one.kind, one.name, one.version, one.licence or "unknown", use, bound, one.evidence, one.inside]
            + [";".join(one.needed_by), one.state, one.source, one.trained_on, *map(";".join, lists)]
        )
    print(rows.getvalue(), end="")


def _tables(found: Sequence[Material]) -> None:
    """Print a table a kind, and how many of each forbid commercial use or say nothing."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False)
    for kind, heads in HEADS.items():
        rows = [one for one in found if one.kind == kind]
        table = Table(*(Column(head, overflow="fold") for head in heads))
        for one in rows:
            table.add_row(*_row(one))
        console.print(table)
        no, unknown = (sum(one.commercial is answer for one in rows) for answer in (False, None))
        console.print(f"{len(rows)} {kind} rows: {no} forbid commercial use, {unknown} unknown", soft_wrap=True)


def _row(one: Material) -> tuple[str, ...]:
    use = YES[one.commercial] + (", copyleft" if one.copyleft else "")
    licence = one.licence or "unknown"
    if one.kind == "package":
        inside = f"\ninside: {one.inside}" if one.inside else ""
        return one.name, one.version, f"{licence}{inside}", use, ", ".join(one.needed_by)
    return one.name, one.state if one.kind == "model" else one.version, licence, use, one.trained_on or one.about
