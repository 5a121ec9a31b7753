"""What the commands over people share: lists of names, the roster, and measuring with a bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from facevalue.data.consent import Permission
    from facevalue.data.people import People, Roster


def listed(words: str, option: str) -> tuple[str, ...]:
    """Return names given with commas, each once."""
    names = some(words)
    if not names:
        raise typer.BadParameter(f"{option}: expected names with commas, got {words!r}")
    return names


def some(words: str) -> tuple[str, ...]:
    """Return names given with commas, each once; none of nothing."""
    return tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


def one(names: tuple[str, ...], option: str) -> str:
    """Return the only one of names, or say that one is expected."""
    if len(names) != 1:
        raise typer.BadParameter(f"{option}: expected one name, got {', '.join(names)}; accuracy compares several")
    return names[0]


def metrics(words: str) -> tuple[str, ...]:
    """Return names of metrics, or raise UnknownName."""
    from facevalue.data.errors import UnknownName
    from facevalue.stats.similarity import METRICS

    for name in (names := listed(words, "--metric")):
        if name not in METRICS:
            raise UnknownName(name, METRICS, what="metric")
    return names


def roster(given: str | Path, out: Path) -> Roster:
    """Return whom photos show, without what lies in the folder of the results, such as plots of an earlier run.

    Raises
    ------
    RunError
        There are not two people.
    """
    from facevalue.data.errors import RunError
    from facevalue.data.people import find_people

    found = outside(find_people(given), out)
    if len(names := sorted(set(found.person.values()) - {""})) < 2:
        raise RunError(f"{given}: expected photos of two people or more; got those of {len(names)} ({', '.join(names)})")
    return found


def outside(roster: Roster, out: Path) -> Roster:
    """Return a roster without the photos that lie in a folder, such as plots of an earlier run."""
    from facevalue.data.photos import Found

    if roster.photos is None:
        return roster
    inside = tuple(os.path.join(place, "") for place in (os.path.abspath(out), os.path.realpath(out)))
    kept = Found(photo for photo in roster.photos if not photo.where.startswith(inside))
    kept.others = roster.photos.others
    left = {photo.path for photo in kept}
    return replace(roster, photos=kept, person={path: who for path, who in roster.person.items() if path in left})


def notes(roster: Roster) -> list[str]:
    """Return what else is to be said of where the photos came from."""
    if roster.faces is not None:
        return ["The faces are those of an earlier run; nothing was measured anew."]
    others = 0 if roster.photos is None else roster.photos.others
    return [f"{others} files in the folders are not photos: left alone."] if others else []


def detectors(roster: Roster, words: str | None) -> tuple[str, ...]:
    """Return the detectors asked for; of faces measured before, the one that found them."""
    from facevalue import models
    from facevalue.annotate import instruments

    if roster.faces is None:
        return tuple(instruments.detector(name) for name in listed(words or instruments.DETECTOR, "--detector"))
    known = models.names(kind="detect")
    found = tuple(name for name in known if f"{name}.score" in roster.faces.columns)[:1] or ("unknown",)
    if words is not None and listed(words, "--detector") != found:
        raise typer.BadParameter(f"--detector: expected {found[0]}, which found the faces of that earlier run; got {words}")
    return found


def measured(
    roster: Roster,
    out: Path,
    detector: str,
    wanted: Sequence[str],
    *,
    workers: int,
    quiet: bool,
    folder: str = "",
    permission: Permission | None = None,
) -> People:
    """Measure the photos of a roster by one detector and instruments, with a bar, into a folder of `out`.

    The folder is faces/DETECTOR where none is named; weights are fetched first. The permission is written into run.json.
    """
    from facevalue import models
    from facevalue.annotate import engine, instruments, run
    from facevalue.annotate.people import measure_people
    from facevalue.cli import _show

    if roster.faces is None:
        _show.prepare([detector, *instruments.placed(wanted, detector)], quiet=quiet)
    about = {} if permission is None else permission.about()
    options = run.Options(workers or engine.cores(), gallery=False, command=tuple(sys.argv), consent=about)
    with _show.progress(f"measuring with {detector}", "photos", quiet=quiet or roster.faces is not None) as progress:
        people = measure_people(
            roster, out / (folder or f"faces/{detector}"), detector=detector, wanted=wanted, options=options, progress=progress
        )
    for name in set(wanted) & set(models.names(kind="embed")):
        people.embedding(name)
    return people
