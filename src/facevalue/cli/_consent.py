"""What the commands that take photos do with a register of consent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from facevalue.data.consent import Permission
    from facevalue.data.faces import Faces
    from facevalue.data.people import Roster
    from facevalue.data.photos import Found


def permission(consent: Path | None, purpose: str | None) -> Permission | None:
    """Return what a register allows today for a purpose; None where no register is given."""
    from facevalue.data.consent import read_permission

    if (consent is None) != (purpose is None):
        raise typer.BadParameter("--consent FILE and --purpose WORD: expected both, or neither")
    return None if consent is None or purpose is None else read_permission(consent, purpose)


def covered(given: Sequence[str], allowed: Permission | None, *, quiet: bool) -> Sequence[str] | Found:
    """Return the photos, those that are not covered marked, and say how many; what was given, without a register."""
    from facevalue.data.photos import find_photos

    if allowed is None:
        return given
    found = allowed.photos(find_photos(list(given)))
    if not found:
        return given
    if not quiet:
        tell(Counter(photo.why for photo in found if photo.why))
    return found


def covered_faces(faces: Faces, allowed: Permission | None, *, quiet: bool) -> Faces:
    """Return measured faces, those of photos that are not covered left out but for a row that says why; and say how many."""
    if allowed is None:
        return faces
    marked = allowed.faces(faces)
    if not quiet:
        tell(_of_faces(marked))
    return marked


def covered_roster(roster: Roster, allowed: Permission | None, *, quiet: bool) -> Roster:
    """Return a roster, its photos that are not covered marked, and say how many; as it was, without a register."""
    if allowed is None:
        return roster
    marked = allowed.roster(roster)
    if not quiet:
        tell(_reasons(marked))
    return marked


def tell(reasons: Counter[str]) -> None:
    """Say on stderr how many photos are skipped, and why."""
    if n := sum(reasons.values()):
        told = ", ".join(f"{count} {why}" for why, count in reasons.most_common())
        typer.echo(f"{n} photo{'s' * (n != 1)} skipped: {told}", err=True)


def _reasons(roster: Roster) -> Counter[str]:
    """Return how many photos of a roster are not covered, by reason."""
    if roster.photos is not None:
        return Counter(photo.why for photo in roster.photos if photo.why)
    return Counter() if roster.faces is None else _of_faces(roster.faces)


def _of_faces(faces: Faces) -> Counter[str]:
    """Return how many photos of measured faces are not covered, by reason."""
    from facevalue.data.consent import REASONS

    column = next(iter(faces.columns.values()), None)
    return Counter(why for why in ([] if column is None or column.why is None else column.why) if why in REASONS)
