"""`facevalue purge`."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facevalue.data.consent import Consent
    from facevalue.data.purging import Purge


def purge(
    folders: Annotated[list[Path], typer.Argument(help="Folders to look in, with all below them.", exists=True)],
    person: Annotated[str | None, typer.Option(help="Whose traces are to go, as folders and tables write it.")] = None,
    expire: Annotated[
        bool, typer.Option("--expire", help="Everybody in the register whose consent has run out or was revoked by today.")
    ] = False,
    consent: Annotated[
        Path | None, typer.Option(help="Register of consent, whose rows may name photos.", exists=True, dir_okay=False)
    ] = None,
    photos: Annotated[bool, typer.Option("--photos", help="Delete the photos themselves too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    log: Annotated[
        Path | None, typer.Option(help="File to add a line to; purge.log.jsonl in the first folder.", dir_okay=False)
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="Key, 16 bytes or more, of the person's hash in the log; without one nobody can tell whose line it is.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Take a person out of results, galleries and reports, and list the models that saw them.

    The log holds no name, no path and no measure. Example: `facevalue purge --person anna results/ gallery/ --dry-run`.
    """
    from facevalue.data.consent import read_consent
    from facevalue.data.purging import LOG

    register = None if consent is None else read_consent(consent)
    people = _people(person, register, expire=expire)
    if not people:
        typer.echo(f"nobody's consent in {consent} has ended by {date.today()}: nothing to purge")
    key = None if key_file is None else key_file.read_bytes()
    for name in people:
        found = _found(name, folders, register, photos=photos, lenient=expire)
        if found is None:
            continue
        if expire:
            typer.echo(f"{name}, whose consent has ended:")
        for sentence in found.sentences(dry=dry_run or not yes):
            typer.echo(sentence)
        if dry_run or not (yes or _agreed(name)):
            continue
        found.apply(log=log or folders[0] / LOG, key=key)
        typer.echo(f"purged; a line was added to {log or folders[0] / LOG}")


def _people(person: str | None, register: Consent | None, *, expire: bool) -> tuple[str, ...]:
    """Return whom to purge."""
    if (person is None) != expire:
        raise typer.BadParameter("--person ID or --expire: expected one of them")
    if person is not None:
        return (person,)
    if register is None:
        raise typer.BadParameter("--expire: it needs --consent FILE, the register that says until when")
    return register.ended(date.today())


def _found(name: str, folders: list[Path], register: Consent | None, *, photos: bool, lenient: bool) -> Purge | None:
    """Return what there is of a person; of one of several, None where there is nothing, which is then said."""
    from facevalue.data.fetch import cache
    from facevalue.data.perception import FILE
    from facevalue.data.purging import Nothing, purge

    models = sorted(path.parent for path in (cache() / "perceptual").glob(f"*/{FILE}"))
    try:
        return purge(name, folders, consent=register, models=models, photos=photos)
    except Nothing as error:
        if not lenient:
            raise
        typer.echo(str(error))
        return None


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter("--yes: expected it, as nobody can be asked here; --dry-run only says what would be done")
    return typer.confirm(f"Purge {name}?")
