"""People measured: one face a photo, by one detector and any number of models, each photo once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facevalue import models
from facevalue.annotate import instruments, run
from facevalue.annotate.measure import Settings
from facevalue.data.errors import UnknownName
from facevalue.data.files import read_faces
from facevalue.data.people import People, Roster, people


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
    settings = Settings(instruments.detector(detector), instruments.ordered(wanted))
    run.run(roster.photos, out, settings, options=options, progress=progress)
    return people(read_faces(out), roster)
