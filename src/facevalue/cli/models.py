"""`facevalue models`: list, show, fetch, verify, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facevalue.cli._options import Permissive

app = typer.Typer(help="The instruments: what they are, where their weights come from.", no_args_is_help=True)


@app.command("list")
def list_models(
    kind: Annotated[
        str,
        typer.Option(
            help="One kind only: detect, landmarks, pose, quality, embed, attributes, expression, perceptual, body or liveness."
        ),
    ] = "",
    only_permissive: Annotated[bool, typer.Option("--only-permissive", help="Only models that allow commercial use.")] = False,
) -> None:
    """List the models: name, kind, whether the weights are here, licence; of a plug-in, which distribution brings it.

    Examples: `facevalue models list`, `facevalue models list --kind embed --only-permissive`.
    """
    from facevalue import models
    from facevalue.cli import _show
    from facevalue.data.errors import UnknownName

    names = [*models.names(kind=kind or None), *(models.installed() if kind in ("", "perceptual") else ())]
    if not names:
        raise UnknownName(kind, {models.card(name).kind for name in models.names()}, what="kind of model")
    _show.models([models.card(name) for name in names if models.card(name).commercial or not only_permissive])
    typer.echo("facevalue models show NAME: all that is known of one")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A model's name.")]) -> None:
    """Show a model's card: files with sha256, crop, input, outputs, licence, data, paper, limits.

    Example: `facevalue models show dlib_resnet`.
    """
    from facevalue import models
    from facevalue.cli import _show

    _show.card(models.card(name))


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Models, or `default`.")],
    only_permissive: Permissive = False,
) -> None:
    """Fetch and convert weights ahead of time.

    Examples: `facevalue models fetch default`, `facevalue models fetch yunet sface`.
    """
    from facevalue import models
    from facevalue.annotate.instruments import DETECTOR, named
    from facevalue.cli import _show

    chosen = [*([DETECTOR] if "default" in names else []), *named(names)]
    if only_permissive:
        models.permissive(chosen)
    _show.prepare(chosen, quiet=False)
    for name in chosen:
        typer.echo(f"{models.card(name).source} is ready")


@app.command()
def verify() -> None:
    """Hash every file of weights in the cache again; exit with 1 where one is not what its card says.

    Example: `facevalue models verify`.
    """
    from facevalue import models
    from facevalue.cli import _show

    if not _show.verified(models.verify()):
        raise typer.Exit(1)


@app.command("import")
def import_file(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    file: Annotated[
        list[Path],
        typer.Argument(help="Its files, by name or in order.", exists=True, dir_okay=False),
    ],
) -> None:
    """Take weights that you already have: check their layers, convert them, keep them.

    Example: `facevalue models import fairface res34_fair_align_multi_7_20190809.pt`.
    """
    from facevalue import models

    typer.echo(f"{models.adopt(name, file).source} is ready")
