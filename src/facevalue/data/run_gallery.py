"""The gallery of a run: what `facevalue annotate` measured, laid out to be searched, nothing measured anew."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from facevalue.data.errors import MissingColumn, RunError, SchemaError
from facevalue.data.faces import Faces, concatenate
from facevalue.data.files import write_json
from facevalue.data.gallery import update_gallery
from facevalue.data.shards import GALLERY, RUN, find_shards, read_shards

MADE_OF = "made_of.json"
# Faces put into a gallery at a time: a part of it, and what is in memory.
CHUNK = 65_536


def gallery_folders(given: str | Path | Sequence[str | Path], model: str, *, needs: Sequence[str] = ()) -> list[Path]:
    """Return the galleries of some folders; that of a run is made where it is not there, or older than the run.

    Parameters
    ----------
    given
        Folders of galleries or of runs, globs, or a folder in which they lie.
    model
        Whose embeddings are searched.
    needs
        As for `run_gallery`.

    Raises
    ------
    SchemaError
        Nothing of the kind is there.
    """
    runs = find_shards(given)
    of_runs = {os.path.realpath(folder) for run in runs for folder in run.glob("gallery-*")}
    galleries = [folder for folder in find_shards(given, holding=GALLERY) if os.path.realpath(folder) not in of_runs]
    if not runs and not galleries:
        raise SchemaError(
            f"{given}: expected a gallery, or the folder of a run; none is there; --photos FOLDER makes a gallery"
        )
    return [*galleries, *(run_gallery(run, model, needs=needs) for run in runs)]


def run_gallery(run: Path, model: str, *, needs: Sequence[str] = ()) -> Path:
    """Return the gallery of a run, RUN/gallery-MODEL; it is made, in flat memory, unless it is that of the run as it is now.

    Parameters
    ----------
    run
        That `facevalue annotate` wrote.
    model
        Whose embeddings are kept.
    needs
        Of which models, beside it, the gallery is to name the sources: detector and landmarks.

    Raises
    ------
    MissingColumn
        The run was made without one of the models.
    RunError
        The folder cannot be written.
    """
    from filelock import FileLock

    place, part = run / f"gallery-{model}", run / f".gallery-{model}.part"
    now = _state(run)
    if _known(place) == now:
        return place
    try:
        with FileLock(run / ".gallery.lock"):
            if _known(place) == now:
                return place
            shutil.rmtree(part, ignore_errors=True)
            root = _root(run)
            for faces in _faces(run, model, [*needs, model]):
                update_gallery(part, faces, model=model, root=root)
            write_json(now, part / MADE_OF)
            shutil.rmtree(place, ignore_errors=True)
            part.replace(place)
    except OSError as error:
        raise RunError(f"{run}: expected a folder that can be written, for {place.name}; {error.strerror or error}") from error
    return place


def _state(run: Path) -> dict[str, int]:
    """Return what changes when a run does."""
    found = (run / RUN).stat()
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def _known(place: Path) -> dict[str, int] | None:
    try:
        known: dict[str, int] = json.loads((place / MADE_OF).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known


def _root(run: Path) -> str:
    """Return the folder of photos that the run was given, where it was one; the photos' paths are relative to it."""
    try:
        inputs = json.loads((run / "run.json").read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    single = isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], str) and os.path.isabs(inputs[0])
    return os.path.realpath(inputs[0]) if single and os.path.isdir(inputs[0]) else ""


def _faces(run: Path, model: str, names: Sequence[str]) -> Iterator[Faces]:
    """Yield the faces of a run, at least a part of the gallery at a time, with one column of each model."""
    shards = read_shards(run)
    embedding = f"{model}.embedding"
    columns = [_column(run, shards.columns, name) for name in names]
    columns[-1] = embedding
    waiting = list[Faces]()
    for faces in shards.blocks(columns):
        waiting.append(faces)
        if sum(map(len, waiting)) >= CHUNK:
            yield concatenate(waiting)
            waiting = []
    if waiting:
        yield concatenate(waiting)


def _column(run: Path, columns: Sequence[str], name: str) -> str:
    """Return a column of a model, the one with the shortest name."""
    own = sorted((column for column in columns if column.rpartition(".")[0] == name), key=len)
    if not own:
        known = ", ".join(sorted({column.rpartition(".")[0] for column in columns}))
        raise MissingColumn(f"{run}: expected a run with {name}; it has {known}: measure with {name}, or name the same models")
    return own[0]
