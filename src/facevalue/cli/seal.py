"""`facevalue seal` and `facevalue unseal`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="Folder, with all below it.", exists=True, file_okay=False)]
KeyFile = Annotated[Path, typer.Option(help="The key, outside the folder.", dir_okay=False)]


def seal(
    folder: Folder,
    key_file: KeyFile,
    make_key: Annotated[bool, typer.Option("--new-key", help="Make the key file first; it must not be there yet.")] = False,
    from_key: Annotated[
        Path | None,
        typer.Option(help="Key of what is sealed already, to be sealed anew with the key file.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Encrypt every file of a folder (AES-256-GCM; extra `seal`), and remove the plain ones.

    Names stay readable. Without the key nothing can be read again: keep it elsewhere, and a copy of it elsewhere still.
    Example: `facevalue seal results/ --key-file ~/keys/results.key --new-key`.
    """
    from facevalue.data.sealed import check_key_place, new_key, seal_folder

    check_key_place(folder, key_file)
    if make_key:
        new_key(key_file)
    done = seal_folder(folder, key_file, from_key=from_key)
    already = f", {done.before} were sealed already" if done.before else ""
    typer.echo(f"{done.files} files sealed{already}; without {key_file} they cannot be read again")
    if done.files:
        typer.echo("the plain files were removed, but file systems, snapshots and backups may keep copies of them")


def unseal(folder: Folder, key_file: KeyFile) -> None:
    """Decrypt every file of a folder that `facevalue seal` encrypted; if one was changed, nothing is written.

    Example: `facevalue unseal results/ --key-file ~/keys/results.key`.
    """
    from facevalue.data.sealed import unseal_folder

    done = unseal_folder(folder, key_file)
    typer.echo(f"{done.files} files unsealed, {done.bytes / 1e6:.1f} MB")
