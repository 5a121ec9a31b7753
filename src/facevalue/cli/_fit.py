"""How `facevalue perceive fit` comes by its answers, vectors and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from facevalue.data.consent import Permission
    from facevalue.data.perception import Perception
    from facevalue.data.similarities import Similarities
    from facevalue.data.triplets import Triplets

MASKS = ("none", "annotator", "group")
Groups = Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True)
class Encoder:
    """What AVFS's own encoder is fitted with: a configuration, what it starts from, photos, groups; whether to prune it.

    The permission says which of the photos may be read.
    """

    config: str
    checkpoint: Path | None
    photos: tuple[str, ...]
    groups: Groups
    prune: bool
    detector: str
    permission: Permission | None = None


def check(**given: Any) -> None:
    """Refuse a name or a word that is none, and options that lack another or would do nothing."""
    from facevalue import models
    from facevalue.data.perception import LINKS

    models.perceptual_name(given["name"])
    own, mask = given["config"] is not None, given["mask"]
    rules = (
        (mask not in MASKS, f"--mask: expected one of {', '.join(MASKS)}; got {mask!r}"),
        (given["link"] not in LINKS, f"--link: expected one of {', '.join(LINKS)}; got {given['link']!r}"),
        (given["after"] and (mask == "none" or own), "--after: it is for masks: give --mask annotator, or --mask group"),
        (mask != "none" and own, "--mask: the configuration of --config says whose masks there are"),
        (mask == "group" and not given["annotators"], "--mask group: it needs --annotators, what they say of themselves"),
        (given["annotators"] and mask != "group" and not own, "--annotators: it is for --mask group"),
        (given["on"] and own, "--on: the encoder of --config sees photos, not columns"),
        (given["on"] and not given["photos"], "--on: it needs --photos of the judged faces"),
        (given["checkpoint"] and not own, "--checkpoint: it is for --config"),
        (given["part"] and own, "--part: --config takes train and validation by the answers' own column split"),
        (own and not given["photos"], "--config: the encoder needs --photos of the judged faces"),
    )
    for wrong, message in rules:
        if wrong:
            raise typer.BadParameter(message)


def estimator(**settings: Any) -> Any:
    """Return an estimator, or say which extra it needs."""
    from facevalue.data.errors import RunError

    try:
        from facevalue.train.perception import PerceptualEmbedding
    except ModuleNotFoundError as error:
        raise RunError(f"fitting needs {error.name}: pip install 'facevalue[train]'") from error
    return PerceptualEmbedding(**settings)


def answers(files: Sequence[Path], part: str | None, *, kind: str | None, format: str | None) -> list[Triplets] | Similarities:
    """Return the part of the answers that is for fitting, or the matrix that the one file holds."""
    from facevalue.cli._perceive import read_answers
    from facevalue.data.judged import part as part_of
    from facevalue.data.similarities import is_similarities, read_similarities

    if len(files) == 1 and is_similarities(files[0]):
        return read_similarities(files[0])
    return [part_of(one, part, "train") for one in read_answers(files, kind=kind, format=format)]


def fitted(
    estimator: Any,
    given: list[Triplets] | Similarities,
    out: Path,
    *,
    photos: tuple[str, ...],
    columns: tuple[str, ...],
    detector: str,
    groups: Groups,
    quiet: bool,
    permission: Permission | None = None,
) -> Perception:
    """Fit, on a table of the faces or on columns measured on their photos, and write the model into the folder."""
    from facevalue.annotate.judged import judged_vectors
    from facevalue.cli import _perceive, _show
    from facevalue.data.errors import SchemaError
    from facevalue.data.perception import write_perception

    more: dict[str, Any] = {"groups": groups}
    if photos:
        if not isinstance(given, list):
            raise SchemaError("--photos: expected answers to fit a layer to; a matrix of similarities is fitted as a table")
        names, judged = _perceive.instruments_of(columns), [face for one in given for face in one.names]
        faces = _perceive.measured(
            photos, out / "faces", names, detector=detector, judged=judged, quiet=quiet, permission=permission
        )
        kept, values = judged_vectors(given, faces, columns)
        more |= {"vectors": values, "columns": {column: faces[column].source for column in columns}}
        left, given = sum(map(len, given)) - sum(map(len, kept)), kept
        if left and not quiet:
            typer.echo(f"{left} answers left out: about faces without a measured photo", err=True)
    with _show.progress("fitting", "steps", quiet=quiet) as progress:
        model: Perception = estimator.fit(given, progress=progress, **more).model_
    write_perception(model, out)
    return model


def encoder(
    asked: Encoder, files: Sequence[Path], out: Path, *, name: str, kind: str | None, format: str | None, quiet: bool
) -> Perception:
    """Fit AVFS's own encoder as its configuration says, and write the run and the model into the folder."""
    from facevalue.cli import _perceive, _show
    from facevalue.data.errors import RunError
    from facevalue.data.perception import write_perception

    try:
        from facevalue.train import avfs
        from facevalue.train.dimensions import pruned
        from facevalue.train.encoder import fit_encoder
    except ModuleNotFoundError as error:
        raise RunError(f"fitting needs {error.name}: pip install 'facevalue[train]'") from error
    path = Path(asked.config)
    config = avfs.read_config(path) if path.suffix in (".yaml", ".yml") else avfs.preset(path.name, checkpoint=asked.checkpoint)
    given = _perceive.one_kind(files, kind=kind, format=format)
    pictured, pixels = _pixels(given, asked, quiet=quiet)
    with _show.progress("fitting", "epochs", quiet=quiet) as progress:
        model = fit_encoder(config, pictured, pixels, out, groups=asked.groups, progress=progress)
    model = replace(model, name=name)
    if asked.prune:
        model = pruned(model, [], pictured[pictured.columns["split"] == "validation"])
    write_perception(model, out)
    return model


def _pixels(given: Triplets, asked: Encoder, *, quiet: bool) -> tuple[Triplets, np.ndarray]:
    """Return the answers about faces that have a photo, and these faces cut out, (n, 128, 128, 3) uint8 RGB."""
    from facevalue.cli._perceive import cut_out
    from facevalue.data.errors import SchemaError
    from facevalue.data.judged import about_faces
    from facevalue.image.align import ffhq

    crops, seen = cut_out(
        asked.photos, given.names, ffhq(128), detector=asked.detector, quiet=quiet, permission=asked.permission
    )
    kept = about_faces(given, seen)
    if not len(kept):
        raise SchemaError(
            f"expected photos of the judged faces ({given.names[0]!r}, ...); no answer is about faces that all have one"
        )
    if len(kept) < len(given) and not quiet:
        typer.echo(f"{len(given) - len(kept)} answers left out: about faces without a photo of a face", err=True)
    return kept, crops[seen]
