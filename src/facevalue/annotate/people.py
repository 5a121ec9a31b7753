"""People measured: one face a photo, by one detector and any number of models, each photo once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facevalue import models
from facevalue.annotate import instruments, run
from facevalue.annotate.measure import Settings
from facevalue.annotate.memory import InMemory
from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.faces import Faces, concatenate, with_faceless
from facevalue.data.files import read_faces
from facevalue.data.people import People, Roster, people
from facevalue.data.photos import decode, read_bytes
from facevalue.image.jitter import View


def embedder(name: str) -> str:
    """Return the name of a model that embeds, or raise UnknownName."""
    known = models.names(kind="embed")
    if name not in known:
        raise UnknownName(name, known, what="model that embeds")
    return name


def measure_people(
    roster: Roster,
    out: Path,
    *,
    detector: str,
    wanted: Sequence[str],
    options: run.Options,
    progress: run.Progress = lambda done, total: None,
) -> People:
    """Return the main face of each photo of a roster, measured, or as it was measured before.

    Parameters
    ----------
    roster
        Who is on which photo.
    out
        Folder of an `annotate` run, which is taken up where it lies there already.
    detector
        Name of its card.
    wanted
        Names of models that embed, and of other instruments; those that they need come along.
    options, progress
        As for `facevalue.annotate.run.run`.

    Raises
    ------
    UnknownName, WeightsError
        No such model; its weights are not to be had.
    """
    if roster.photos is None:
        assert roster.faces is not None
        return people(roster.faces, roster)
    settings = Settings(instruments.detector(detector), instruments.placed(wanted, detector))
    run.run(roster.photos, out, settings, options=options, progress=progress)
    return people(read_faces(out), roster)


def measure_changed(
    roster: Roster,
    known: People,
    changes: Mapping[str, Callable[[View], View]],
    *,
    detector: str,
    wanted: Sequence[str],
    progress: run.Progress = lambda done, total: None,
) -> dict[str, People]:
    """Return the people measured again under each change of their photos; each photo is read once.

    Parameters
    ----------
    roster
        Who is on which photo.
    known
        The photos as they are, measured; those without a face are rows of NaN here too.
    changes
        By name.
    detector, wanted, progress
        As for `measure_people`.

    Raises
    ------
    SchemaError
        The roster has faces that were measured earlier, and no photos.
    """
    if roster.photos is None:
        raise SchemaError("expected photos to change, got faces that were measured earlier: give the photos themselves")
    settings = Settings(instruments.detector(detector), instruments.placed(wanted, detector))
    measurer, row = InMemory(settings), {path: i for i, path in enumerate(known.faces.path)}
    found: dict[str, list[Faces]] = {name: [measurer.blank] for name in changes}
    for done, photo in enumerate(roster.photos):
        progress(done, len(roster.photos))
        face = known.faces[row[photo.path]]
        if np.isfinite(face.box).all():
            view = View(decode(read_bytes(photo), max_pixels=settings.max_pixels), face.box, face.landmarks)
            seen = measurer.measure([change(view).photo for change in changes.values()])
            for i, name in enumerate(changes):
                part = seen[np.flatnonzero(seen.path == str(i))]
                paths, ids = (np.full(len(part), word, object) for word in (photo.path, face.photo[0]))
                found[name].append(replace(part, path=paths, photo=ids))
    progress(len(roster.photos), len(roster.photos))
    return {name: people(_complete(concatenate(parts), known), roster) for name, parts in found.items()}


def _complete(faces: Faces, known: People) -> Faces:
    """Return the faces in the order of the photos, and a row of NaN for each photo without one."""
    count = dict(zip(*np.unique(faces.path.astype(str), return_counts=True), strict=True))
    why = next(iter(known.faces.columns.values())).why
    ids = zip(known.faces.path, known.faces.photo, [""] * len(known) if why is None else why, strict=True)
    rows = [{"path": p, "sha256": sha, "faces": int(count.get(p, 0)), "why": reason or "no_face"} for p, sha, reason in ids]
    return with_faceless(faces, rows)
