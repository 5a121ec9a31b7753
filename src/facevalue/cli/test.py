"""`facevalue test`: chapnet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevalue.cli._options import Level, Out, Quiet, Seed

if TYPE_CHECKING:
    from facevalue.report.chapnet import Result

app = typer.Typer(help="Test what was trained (extra `train`).", no_args_is_help=True)
CHECKPOINTS = "Checkpoint of `facevalue train chapnet`, `<epoch>.pth` beside its net.json; again and again for more."
CONDITIONS = "all, or with commas: intact, and eye, lower, face or head with :TO or :AO, as in face:AO."


@app.callback()
def _group() -> None:
    """Test what was trained (extra `train`)."""


@app.command()
def chapnet(
    cp_path: Annotated[list[Path], typer.Option(help=CHECKPOINTS)],
    data: Annotated[Path, typer.Option(help="Folder of DPaC, or one made like it; its test part is used.")],
    out: Out,
    conditions: Annotated[str, typer.Option(help=CONDITIONS)] = "all",
    method: Annotated[
        str | None, typer.Option(help="How faces are hidden.", show_default="as in the first net's training")
    ] = None,
    ratings: Annotated[
        Path | None, typer.Option(help="What people said: .csv of image, person, condition, rater, label.", exists=True)
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
    level: Level = 0.9,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Show every net photos of every condition: a matrix of what was trained by what is tested, and what each branch gives.

    Example: `facevalue test chapnet --cp-path a/cp_dpac_None_None/31.pth --cp-path b/cp_dpac_face_AO/28.pth --data DPaC
    --conditions intact,face:AO --out results`.
    """
    from facevalue.cli import _chapnet, _show

    _chapnet.check_torch()
    from facevalue.report import chapnet as report
    from facevalue.train.chapnet import Around
    from facevalue.train.chapnet_data import Hiding
    from facevalue.train.chapnet_data import conditions as parsed
    from facevalue.train.chapnet_loop import device_of
    from facevalue.train.chapnet_tested import under_conditions

    if method is not None:
        _chapnet.check("compact", 400, method)
    wanted, hiding = parsed(conditions), Hiding(method, seed=seed) if method else None
    lines: list[str] = []
    with _show.progress("testing", "nets x conditions", quiet=quiet) as progress:
        around = Around(device_of(device), {}, _chapnet.find, lines.append, progress)
        findings = under_conditions(
            cp_path, data, wanted, around=around, hiding=hiding, ratings=ratings, level=level, seed=seed
        )
    result = report.Result(findings, [one.name for one in wanted], level, seed, lines)
    files = report.write_chapnet(result, out)
    if not quiet:
        _print(result, files, out)


def _print(result: Result, files: list[str], out: Path) -> None:
    """Print the matrix of macro-F1 of each task, what stands out, and where the files are."""
    from rich.console import Console
    from rich.table import Table

    from facevalue.report.chapnet import digest

    console, found = Console(highlight=False), digest(result)
    for task in found["tasks"]:
        table = Table("trained on", title=f"{task['name']}: macro-F1")
        for name in found["tested"]:
            table.add_column(name, justify="right")
        for row in task["rows"]:
            table.add_row(row["name"], *("\n".join(part for part in cell if part) for cell in row["cells"]))
        console.print(table)
    for sentence in (*found["sentences"], *result.notes):
        console.print(sentence, markup=False, soft_wrap=True)
    console.print(f"{', '.join(files)}: in {out}", markup=False, soft_wrap=True)
