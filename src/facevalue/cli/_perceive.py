"""What the commands of `facevalue perceive` share: models, judged faces measured or cut out, dimensions of photos."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

if TYPE_CHECKING:
    from facevalue.data.annotators import Annotators
    from facevalue.data.consent import Permission
    from facevalue.data.faces import Faces
    from facevalue.data.perception import Perception
    from facevalue.data.triplets import Triplets
    from facevalue.image.align import Crop

PICTURE = 96


def read_model(given: str) -> Perception:
    """Return a model: the folder of one, an installed instrument, or AVFS's own by its name."""
    from facevalue import models
    from facevalue.data.errors import UnknownName
    from facevalue.data.perception import read_perception

    if given.startswith(models.PERCEPTUAL):
        return models.perception(given)
    if given in (published := models.names(kind="perceptual")):
        from facevalue.models import avfs

        return avfs.perception(given)
    if not Path(given).exists():
        raise UnknownName(given, [*published, *models.installed()], what="folder or perceptual model")
    return read_perception(given)


def read_answers(files: Sequence[Path], *, kind: str | None, format: str | None) -> list[Triplets]:
    """Return the answers of files, those of one kind together."""
    from facevalue.data.judgments import read_judgments
    from facevalue.data.triplets import KINDS, concatenate

    parts = [read_judgments(file, kind=kind, format=format) for file in files]
    alike = {(of, part.items.shape[1]) for of in KINDS for part in parts if part.kind == of}
    return [concatenate([p for p in parts if (p.kind, p.items.shape[1]) == one]) for one in sorted(alike)]


def one_kind(files: Sequence[Path], *, kind: str | None, format: str | None) -> Triplets:
    """Return the answers of files that are all of one kind."""
    from facevalue.data.errors import SchemaError

    given = read_answers(files, kind=kind, format=format)
    if len(given) > 1:
        raise SchemaError(f"expected answers of one kind, got {', '.join(one.kind for one in given)}: one at a time")
    return given[0]


def is_run(given: Sequence[str]) -> bool:
    """Return whether what is given is the result of an earlier run of annotate."""
    first = Path(given[0])
    return len(given) == 1 and ((first / "faces.parquet").is_file() or first.suffix == ".parquet")


def measured(
    given: Sequence[str],
    out: Path,
    names: Sequence[str],
    *,
    detector: str,
    judged: Sequence[str] | np.ndarray | None = None,
    quiet: bool,
    permission: Permission | None = None,
) -> Faces:
    """Return the faces of an earlier run of annotate, or of photos, perhaps only of judged faces, measured into a folder.

    Of what the permission does not cover nothing is read, and each photo is a row that says why.
    """
    from facevalue.annotate import engine, instruments, run
    from facevalue.annotate.judged import judged_photos
    from facevalue.annotate.measure import Settings
    from facevalue.cli import _consent, _show
    from facevalue.data import photos
    from facevalue.data.files import read_faces

    if is_run(given):
        return _consent.covered_faces(read_faces(given[0]), permission, quiet=quiet)
    settings = Settings(instruments.detector(detector), instruments.placed(names, detector))
    photos.find_photos(list(given))  # where there are none, that is said before weights are fetched
    covered = _consent.covered(given, permission, quiet=quiet)
    listed = covered if judged is None else judged_photos(covered, judged)
    _show.prepare([settings.detector, *settings.instruments], quiet=quiet)
    about = {} if permission is None else permission.about()
    options = run.Options(engine.cores(), gallery=False, command=tuple(sys.argv), consent=about)
    with _show.progress("measuring", "photos", quiet=quiet) as progress:
        run.run(listed, out, settings, options=options, progress=progress)
    return read_faces(out)


def instruments_of(columns: Sequence[str]) -> list[str]:
    """Return the instruments that fill columns, each of which must be one of an instrument's."""
    from facevalue.annotate import instruments
    from facevalue.data.errors import UnknownName

    if wrong := [column for column in columns if "." not in column]:
        raise typer.BadParameter(f"--on: expected columns such as dlib_resnet.embedding, got {wrong[0]!r}")
    names = list(dict.fromkeys(column.rpartition(".")[0] for column in columns))
    known = [column for name in instruments.ordered(names) for column in instruments.columns(name)]
    if unknown := [column for column in columns if column not in known]:
        raise UnknownName(unknown[0], known, what="column")
    return names


def cut_out(
    given: Sequence[str],
    names: np.ndarray,
    crop: Crop,
    *,
    detector: str,
    quiet: bool,
    permission: Permission | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of each judged face, and which have a photo of a face, with a bar."""
    from facevalue.annotate.judged import judged_crops
    from facevalue.cli import _consent, _show

    covered = _consent.covered(given, permission, quiet=quiet)
    with _show.progress("cutting out", "faces", quiet=quiet) as progress:
        return judged_crops(covered, names, crop, detector=detector, progress=progress)


def needed(model: Perception) -> list[str]:
    """Return the instruments that a model's head is on, and the model itself where it is one of AVFS's."""
    from facevalue import models

    published = [name for name in models.names(kind="perceptual") if name == model.name]
    return published if model.head is None else instruments_of(model.head.columns)


def check_permissive(detector: str, names: Sequence[str]) -> None:
    """Refuse models that forbid commercial use, those that instruments need among them."""
    from facevalue import models
    from facevalue.annotate.instruments import placed

    models.permissive([detector, *placed(names, detector)])


def pictures(
    given: Sequence[str], main: Faces, names: np.ndarray, *, quiet: bool, permission: Permission | None = None
) -> dict[str, np.ndarray]:
    """Return a small picture of each measured face, by its name; none where a run is given, which has no photos."""
    from facevalue.annotate.crops import face_crops
    from facevalue.cli import _consent, _show
    from facevalue.data.photos import find_photos
    from facevalue.image.align import ffhq

    if is_run(given):
        return {}
    photos = {photo.path: photo for photo in find_photos(_consent.covered(given, permission, quiet=True))}
    with _show.progress("cutting out", "faces", quiet=quiet) as progress:
        crops, why = face_crops([photos[path] for path in main.path], main, ffhq(PICTURE), progress=progress)
    return {str(name): crop for name, crop, reason in zip(names, crops, why, strict=True) if not reason}


def instrument(given: str, *, quiet: bool) -> str:
    """Return the instrument of a model: its own where it is installed or one of AVFS's, else what it is installed as now."""
    from facevalue import models

    if given in models.names(kind="perceptual"):
        return given
    model = read_model(given)
    return given if given.startswith(models.PERCEPTUAL) else installed(model, quiet=quiet)


def installed(model: Perception, *, quiet: bool) -> str:
    """Install a model, say so where it takes the place of another, and return the name of its instrument."""
    from facevalue import models

    name = models.perceptual_name(model.name)
    before = models.card(name).source if name in models.installed() else None
    models.install(model)
    if before not in (None, models.card(name).source) and not quiet:
        typer.echo(f"{name}: takes the place of {before}, another model of that name", err=True)
    return name


def dimensions(
    model: Perception,
    given: Sequence[str],
    out: Path,
    *,
    detector: str,
    quiet: bool,
    permission: Permission | None = None,
) -> Faces:
    """Return the main faces of photos, or of an earlier run, that have a place along the dimensions of a model."""
    name = installed(model, quiet=quiet)
    faces = measured(given, out, [name], detector=detector, quiet=quiet, permission=permission)
    return with_places(faces, name, given[0], quiet=quiet)


def with_photos(
    model: Perception,
    answers: Triplets,
    given: Sequence[str],
    out: Path,
    *,
    detector: str,
    quiet: bool,
    permission: Permission | None = None,
) -> tuple[Perception, Triplets]:
    """Return a model whose faces are judged ones that it places by their photos, and the answers about these."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import about_faces, photo_places

    name = installed(model, quiet=quiet)
    faces = measured(given, out, [name], detector=detector, judged=answers.names, quiet=quiet, permission=permission)
    main = with_places(faces, name, given[0], quiet=quiet)
    places = photo_places(answers.names, main.path)
    kept = about_faces(answers, places >= 0)
    if not len(kept):
        raise SchemaError(f"{given[0]}: no answer is about faces that all have a place along {name}")
    if len(kept) < len(answers) and not quiet:
        typer.echo(f"{len(answers) - len(kept)} answers left out: about faces without a measured photo", err=True)
    embedding = main[f"{name}.dimensions"].values[places[places >= 0]]
    return replace(model, items=kept.names, embedding=embedding), kept


def with_places(faces: Faces, name: str, given: str, *, quiet: bool) -> Faces:
    """Return the main faces that an instrument has placed along its dimensions, and say how many photos have none."""
    from facevalue.annotate.judged import placed
    from facevalue.data.errors import SchemaError

    try:
        main, left = placed(faces, name)
    except SchemaError as error:
        raise SchemaError(f"{given}: {error}") from error
    if left and not quiet:
        typer.echo(f"{given}: {left} of {len(main) + left} photos have no such face and are left out", err=True)
    return main


def groupings(model: Perception, annotators: Annotators) -> dict[str, np.ndarray]:
    """Return the group of each mask's annotator by every grouping that has one group a person, (a,) str; "" where unknown."""
    from facevalue.data.annotators import GROUPINGS
    from facevalue.data.errors import SchemaError

    if not set(model.labels) & set(annotators.ids):
        raise SchemaError(f"--annotators: expected some whose mask {model.name} has; it has none of these {len(annotators)}")
    found = {}
    for by in GROUPINGS:
        groups = annotators.groups(by)
        own = [groups.get(label, ()) for label in model.labels]
        names = np.array([one[0] if len(one) == 1 else "" for one in own], object)
        if len(set(names) - {""}) > 1:
            found[by] = names
    return found


def write_subset(paths: Sequence[np.ndarray], sets: Sequence[str], out: Path) -> None:
    """Write which photos of which set were chosen, as subset.csv."""
    import csv

    from facevalue.data.files import replacing

    with replacing(out / "subset.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = ((name, path) for name, chosen in zip(sets, paths, strict=True) for path in chosen)
        csv.writer(file, lineterminator="\n").writerows([("set", "path"), *rows])


def data_and_models(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the paths that are not models' folders, and those that are, with the installed ones."""
    from facevalue.data.fetch import cache
    from facevalue.data.perception import FILE

    models = [path for path in paths if (path / FILE).is_file()]
    ours = sorted(path.parent for path in (cache() / "perceptual").glob(f"*/{FILE}"))
    return [path for path in paths if path not in models], [*models, *ours]
