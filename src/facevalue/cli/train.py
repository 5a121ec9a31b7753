"""`facevalue train`: attributes, expression, landmarks, chapnet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from facevalue.data.faces import Faces

app = typer.Typer(help="Train the instruments that the package carries (extra `train`).", no_args_is_help=True)
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; a stopped run goes on from what lies there.")]
Seed = Annotated[int, typer.Option(help="Of the split, the first weights and the augmentation.", min=0)]
Epochs = Annotated[int, typer.Option(help="Epochs at most.", min=1)]


@app.command()
def attributes(
    data: Annotated[Path, typer.Option(help="Parquet of photos with age, gender and race, as shared by UTKFace.")],
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = 40,
) -> None:
    """Train perceived age, gender and race; calibrate them; write ONNX, calibration and figures by group.

    Example: `facevalue train attributes --data utkface.parquet --out run`.
    """
    _train("attributes", data, out, seed=seed, epochs=epochs)


@app.command()
def expression(
    data: Annotated[Path, typer.Option(help="Folder with train.parquet and valid.parquet of FER+.")],
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = 25,
) -> None:
    """Train the distribution of raters' votes over eight emotions; calibrate it; write ONNX, calibration and figures.

    Example: `facevalue train expression --data ferplus/ --out run`.
    """
    _train("expression", data, out, seed=seed, epochs=epochs)


@app.command()
def landmarks(
    photos: Annotated[Path, typer.Option(help="Folder of photos, one face each.")],
    templates: Annotated[Path, typer.Option(help="Folder of .tem files called as the photos are, with 189 or 132 points.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the weights and their figures.")],
    scale: Annotated[float, typer.Option(help="px of a photo a px of a template.", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the folds of people.", min=0)] = 0,
) -> None:
    """Learn where people place 132 points; write the regression and how it agrees with them on people held out.

    Example: `facevalue train landmarks --photos photos/ --templates templates/ --out run`.
    """
    from facevalue.annotate.memory import annotate
    from facevalue.cli import _show
    from facevalue.data.shapes import read_shapes
    from facevalue.train.landmarks import train

    placed, faces = read_shapes(templates), annotate(photos, instruments=["mesh"])
    _show.findings(train(faces, photos, placed, out, scale=scale, seed=seed))


@app.command()
def chapnet(
    data: Annotated[Path, typer.Option(help="Folder of DPaC, or one made like it: data.json, the split, the photos.")],
    out: Out,
    num_epochs: Annotated[int, typer.Option(help="Epochs; the best on the validation part is kept.", min=1)] = 40,
    batch_size: Annotated[int, typer.Option(help="Targets a step.", min=1)] = 16,
    lr: Annotated[float, typer.Option(help="Learning rate of SGD.", min=1e-9)] = 0.01,
    weight_decay: Annotated[float, typer.Option(help="Of SGD.", min=0)] = 5e-4,
    lr_step: Annotated[int, typer.Option(help="Epochs after which the rate falls to a tenth, again and again.", min=1)] = 8,
    ob_face_region: Annotated[str | None, typer.Option(help="Hide eye, lower, face or head in training.")] = None,
    ob_people: Annotated[str | None, typer.Option(help="Of all people (AO) or within the target's box only (TO).")] = None,
    method: Annotated[str, typer.Option(help="How: solid, mean, pixelate, blur, noise, inpaint.")] = "solid",
    backbone: Annotated[str, typer.Option(help="compact, or resnet, for which --weights are to be had.")] = "compact",
    weights: Annotated[
        list[str] | None, typer.Option(help="BRANCH=FILE, again and again: objects, event and target of a net of ResNets.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the net's photos, px: 100, 200 or 400.")] = 400,
    valid: Annotated[float, typer.Option(help="Share of the photos for validation, where the split names none.")] = 0.1,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
    seed: Seed = 0,
    paper_exact: Annotated[bool, typer.Option("--paper-exact", help="With the errors of the published code.")] = False,
) -> None:
    """Train perceived emotion, age and gender from scene, body and joints, faces hidden or not; write an instrument.

    People without a region hide the face; a region without people hides it of all. Example: `facevalue train chapnet --data
    DPaC --ob-face-region face --ob-people AO --out run`; then `facevalue models import chapnet run/chapnet.onnx
    run/chapnet.json`.
    """
    from facevalue.cli import _chapnet

    config: dict[str, Any] = {"epochs": num_epochs, "batch": batch_size, "rate": lr, "decay": weight_decay, "step": lr_step}
    config |= {"backbone": backbone, "size": size, "valid": valid, "seed": seed, "paper_exact": paper_exact}
    _chapnet.train(data, out, config, hidden=(ob_face_region, ob_people), method=method, given=weights or [], device=device)


def _train(name: str, data: Path, out: Path, *, seed: int, epochs: int) -> None:
    from importlib import import_module

    from facevalue.cli import _show
    from facevalue.data.errors import RunError

    try:
        recipe = import_module(f"facevalue.train.{name}").RECIPE
        from facevalue.train.loop import Config
        from facevalue.train.recipe import Around, train
    except ModuleNotFoundError as error:
        raise RunError(f"training needs {error.name}: pip install 'facevalue[train]'") from error
    with _show.progress("training", "epochs", quiet=False) as progress:
        around = Around(_measure, lambda text: typer.echo(text, err=True), progress)
        findings = train(recipe, data, out, Config(seed=seed, epochs=epochs), around=around)
    _show.findings(findings[(findings.group == "all") & (findings.study == name)])


def _measure(tables: Sequence[Path], folder: Path) -> Faces:
    """Return the faces of tables of photos, measured in a run that can be taken up again."""
    from facevalue.annotate import engine, run
    from facevalue.annotate.instruments import ordered
    from facevalue.annotate.measure import Settings
    from facevalue.cli import _show
    from facevalue.data.files import read_faces
    from facevalue.train.recipe import MEASURED

    settings = Settings(instruments=ordered(MEASURED))
    with _show.progress("measuring", "photos", quiet=False) as progress:
        run.run(tables, folder, settings, options=run.Options(engine.cores(), gallery=False), progress=progress)
    return read_faces(folder / "faces.parquet")
