"""Which photos of a folder, or of an earlier run, show which people of a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from facevalue.data.errors import MissingColumn, RunError, SchemaError
from facevalue.data.faces import Faces
from facevalue.data.files import read_faces
from facevalue.data.networks import Members
from facevalue.data.people import Roster
from facevalue.data.photos import Found, find_photos

SHOWN = 3


def member_roster(members: Members, place: str | Path) -> Roster:
    """Return whom the photos of a folder, or of an earlier run, show.

    Where the table of people names photos or folders, a photo belongs to whom names it, or a folder that holds it, by a path
    below the place given or by the end of its path. Where it names none, to the person whose id is its name without suffix,
    or that of the nearest folder that is an id. Others belong to nobody. What is known of photos by the table comes along.

    Parameters
    ----------
    members
        People.
    place
        A folder of photos, or what `facevalue annotate` wrote.

    Raises
    ------
    RunError
        No photo is there, or none belongs to any of the people.
    MissingColumn
        Faces without paths.
    SchemaError
        A photo is named by two people.
    """
    path = Path(place).expanduser()
    if (path / "faces.parquet").is_file() or path.suffix == ".parquet":
        photos, faces = None, read_faces(path)
        if not any(faces.path):
            raise MissingColumn(f"{path}: expected faces with a column 'path', as annotate writes it; it has none")
    else:
        photos, faces = find_photos(path), None
    if not (paths := _paths(photos, faces)):
        raise RunError(f"expected photos of the people in {path}; found none")
    named = bool(len(members.photo))
    entries = _named(members, paths) if named else _by_id(members, paths)
    if not entries:
        how = f"the table names {members.photo[0]!r}" if named else f"an id is {members.id[0]!r}"
        raise RunError(f"expected photos of the people in {path}; {how}, a photo there is {paths[0]!r}")
    person = {p: str(members.id[members.of[entries[p]]]) if named else str(members.id[entries[p]]) for p in entries}
    columns: dict[str, Mapping[str, str]] = {}
    for name, words in members.photo_columns.items() if named else ():
        columns[name] = {p: str(words[at]) for p, at in entries.items()}
    return Roster(person, photos, faces, columns)


def owned(roster: Roster, members: Members) -> tuple[Roster, list[str]]:
    """Return a roster without photos that belong to nobody, and sentences on these and on photos that are not there.

    Parameters
    ----------
    roster
        As `member_roster` made it.
    members
        For whom.
    """
    paths = _paths(roster.photos, roster.faces)
    strangers = [path for path in paths if path not in roster.person]
    told = [f"{len(strangers)} of {len(paths)} photos belong to nobody in the table ({_first(strangers)}): left out."]
    there = set(_named(members, paths).values())
    lost = [str(name) for row, name in enumerate(members.photo) if row not in there]
    told += [f"{len(lost)} of {len(members.photo)} photos in the table are not in the folder of faces ({_first(lost)})."]
    sentences = [sentence for sentence, some in zip(told, (strangers, lost), strict=True) if some]
    if roster.photos is None or not strangers:
        return roster, sentences
    kept = Found(photo for photo in roster.photos if photo.path in roster.person)
    kept.others = roster.photos.others
    return replace(roster, photos=kept), sentences


def _paths(photos: Found | None, faces: Faces | None) -> list[str]:
    """Return the path of each photo, once."""
    given = (photo.path for photo in photos) if photos is not None else map(str, () if faces is None else faces.path)
    return list(dict.fromkeys(given))


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _ends(path: str) -> list[str]:
    """Return a path and what is left when its first folders are taken away.

    >>> _ends("a/b/c.jpg")
    ['a/b/c.jpg', 'b/c.jpg', 'c.jpg']
    """
    parts = PurePosixPath(path.replace(os.sep, "/")).parts
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _named(members: Members, paths: Iterable[str]) -> dict[str, int]:
    """Return the row of the table's photos that names each path, or a folder that holds it; the longest name counts."""
    known: dict[str, int] = {}
    for i, word in enumerate(members.photo):
        entry = "/".join(part for part in PurePosixPath(str(word).replace("\\", "/")).parts if part not in (".", "/"))
        if members.of[known.setdefault(entry, i)] != members.of[i]:
            raise SchemaError(
                f"people: expected each photo of one person; {word!r} is of {members.id[members.of[i]]} and another"
            )
    found = {}
    for path in paths:
        candidates = [end for whole in (path, *map(str, PurePosixPath(path).parents)) for end in _ends(whole) if end in known]
        if candidates:
            found[path] = known[max(candidates, key=len)]
    return found


def _by_id(members: Members, paths: Iterable[str]) -> dict[str, int]:
    """Return the person whose id a path's name, or its nearest folder, is."""
    known = {str(name): i for i, name in enumerate(members.id)}
    found = {}
    for path in paths:
        whole = PurePosixPath(path)
        names = (whole.stem, *reversed(whole.parts[:-1]))
        if (name := next((name for name in names if name in known), None)) is not None:
            found[path] = known[name]
    return found
