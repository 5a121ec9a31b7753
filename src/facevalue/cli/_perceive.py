"""What the commands of `facevalue perceive` share: models, judged faces measured or cut out, dimensions of photos."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

if TYPE_CHECKING:
    from facevalue.data.annotators import Annotators
    from facevalue.data.faces import Faces
    from facevalue.data.perception import Perception
    from facevalue.data.triplets import Triplets
    from facevalue.image.align import Crop

PICTURE = 96


def read_model(given: str) -> Perception:
    """Return a model: the folder of one, an installed instrument, or AVFS's own by its name."""
    from facevalue import models
    from facevalue.data.perception import read_perception

    if given.startswith(models.PERCEPTUAL):
        return models.perception(given)
    if given in models.names(kind="perceptual"):
        from facevalue.models import avfs

        return avfs.perception(given)
    return read_perception(given)


def read_answers(files: Sequence[Path], *, kind: str | None, format: str | None) -> list[Triplets]:
    """Return the answers of files, those of one kind together."""
    from facevalue.data.judgments import read_judgments
    from facevalue.data.triplets import KINDS, concatenate

    parts = [read_judgments(file, kind=kind, format=format) for file in files]
    alike = {(of, part.items.shape[1]) for of in KINDS for part in parts if part.kind == of}
    return [concatenate([p for p in parts if (p.kind, p.items.shape[1]) == one]) for one in sorted(alike)]


def measured(given: Sequence[str], out: Path, names: Sequence[str], *, quiet: bool) -> Faces:
    """Return the faces of an earlier run of annotate, or of photos measured now into a folder."""
    from facevalue.annotate import engine, run
    from facevalue.annotate.instruments import ordered
    from facevalue.annotate.measure import Settings
    from facevalue.cli import _show
    from facevalue.data.files import read_faces

    first = Path(given[0])
    if len(given) == 1 and ((first / "faces.parquet").is_file() or first.suffix == ".parquet"):
        return read_faces(first)
    settings = Settings(instruments=ordered(names))
    _show.prepare([settings.detector, *settings.instruments], quiet=quiet)
    options = run.Options(engine.cores(), gallery=False, command=tuple(sys.argv))
    with _show.progress("measuring", "photos", quiet=quiet) as progress:
        run.run(given, out, settings, options=options, progress=progress)
    return read_faces(out)


def instruments_of(columns: Sequence[str]) -> list[str]:
    """Return the instruments that fill columns."""
    if wrong := [column for column in columns if "." not in column]:
        raise typer.BadParameter(f"--on: expected columns such as dlib_resnet.embedding, got {wrong[0]}")
    return list(dict.fromkeys(column.rpartition(".")[0] for column in columns))


def vectors(answers: Sequence[Triplets], faces: Faces, columns: Sequence[str]) -> tuple[list[Triplets], np.ndarray, int]:
    """Return the answers about faces that were measured, the vectors of these faces, and how many answers are left out."""
    from facevalue import models
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import about_faces, photo_places
    from facevalue.data.people import main_faces
    from facevalue.data.triplets import over_same_faces

    main = faces[main_faces(faces)[0]]
    values = models.vectors(main, tuple(columns))
    together = over_same_faces(answers)
    places = photo_places(together[0].names, main.path)
    known = (places >= 0) & np.isfinite(values).all(1)[places]
    kept = [about_faces(part, known) for part in together]
    left = sum(map(len, together)) - sum(map(len, kept))
    if left == sum(map(len, together)):
        raise SchemaError(
            f"expected photos of the judged faces ({together[0].names[0]!r}, ...) among {main.path[0]!r}, ...: no answer is "
            "about faces that all have one; name the photos as the judgments name the faces"
        )
    return kept, values[places[known]], left


def cut_out(given: Sequence[str], names: np.ndarray, crop: Crop, *, quiet: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop of each judged face, (n, h, w, 3), and which have a photo of a face, (n,) bool."""
    from facevalue.annotate.crops import main_crops
    from facevalue.cli import _show
    from facevalue.data.judged import photo_places
    from facevalue.data.photos import find_photos

    found = find_photos(list(given))
    places = photo_places(names, [photo.path for photo in found])
    seen, crops = places >= 0, np.zeros((len(names), *crop.shape, 3), np.uint8)
    with _show.progress("cutting out", "faces", quiet=quiet) as progress:
        crops[seen], why = main_crops([found[i] for i in places[seen]], crop, progress=progress)
    seen[seen] = why == ""
    return crops, seen


def pictures(given: Sequence[str], names: np.ndarray, *, quiet: bool) -> dict[str, np.ndarray]:
    """Return a small picture of each face that has a photo."""
    from facevalue.image.align import ffhq

    crops, seen = cut_out(given, names, ffhq(PICTURE), quiet=quiet)
    return {str(name): crop for name, crop in zip(names[seen], crops[seen], strict=True)}


def installed(model: Perception) -> str:
    """Install a model, if it is not just so installed, and return the name of its instrument."""
    from facevalue import models

    return models.install(model)


def dimensions(model: Perception, given: Sequence[str], out: Path, *, quiet: bool) -> Faces:
    """Return the main faces of photos, or of an earlier run, that have a place along the dimensions of a model."""
    from facevalue.data.errors import SchemaError
    from facevalue.data.people import main_faces

    name = installed(model)
    faces = measured(given, out, [name], quiet=quiet)
    column = f"{name}.dimensions"
    if column not in faces.columns:
        raise SchemaError(f"{given[0]}: expected the column {column}; annotate with --instruments default,{name}")
    main = faces[main_faces(faces)[0]]
    seen = np.isfinite(main[column].values).all(1)
    if not seen.any():
        raise SchemaError(f"{given[0]}: expected faces with a place along {name}; none of {len(main)} has one")
    if not seen.all() and not quiet:
        typer.echo(f"{given[0]}: {(~seen).sum()} of {len(main)} photos have no such face and are left out", err=True)
    placed: Faces = main[seen]
    return placed


def groupings(model: Perception, annotators: Annotators) -> dict[str, np.ndarray]:
    """Return the group of each mask's annotator by every grouping that has one group a person, (a,) str; "" where unknown."""
    from facevalue.data.annotators import GROUPINGS

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
    place = cache() / "perceptual"
    return [path for path in paths if path not in models], [*models, *([place] if place.is_dir() else [])]
