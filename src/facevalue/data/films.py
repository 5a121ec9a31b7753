"""Films: `find_films` in files, folders and globs, beside the photos that `find_photos` finds there."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from facevalue.data.errors import RunError
from facevalue.data.photos import Photo
from facevalue.data.video import VIDEOS


def find_films(inputs: Sequence[str | Path]) -> tuple[list[Photo], list[str]]:
    """Return the films of files, folders (recursive, but for what is hidden) and globs, and the inputs that may hold photos.

    Raises
    ------
    RunError
        Two films have one path relative to their folders: give them in two runs.

    Examples
    --------
    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.mp4", "b.jpg"): _ = (folder / name).write_bytes(b"")
    >>> films, others = find_films([folder])
    >>> [film.path for film in films], others == [str(folder)]
    (['a.mp4'], True)
    """
    found, others = dict[str, Photo](), list[str]()
    for given in map(os.path.expanduser, map(str, inputs)):
        films = _within(given)
        if not films or os.path.isdir(given) or glob.has_magic(given):
            others.append(given)
        for film in films:
            if found.setdefault(film.path, film).where != film.where:
                raise RunError(f"{film.where}: expected films of different names, {found[film.path].where} is called so too")
    return list(found.values()), others


def _within(given: str) -> list[Photo]:
    """Return the films of one input, in order of their paths."""
    if os.path.isdir(given):
        root = Path(given)
        paths = [path for path in root.rglob("*") if not any(part.startswith(".") for part in path.relative_to(root).parts)]
        return [
            Photo(path.relative_to(root).as_posix(), os.path.abspath(path))
            for path in sorted(paths)
            if is_film(path) and not path.is_dir()
        ]
    places = [given] if os.path.lexists(given) else glob.glob(given, recursive=True)
    return [
        Photo(Path(place).name, os.path.abspath(place))
        for place in sorted(places)
        if is_film(place) and not os.path.isdir(place)
    ]


def is_film(path: str | Path) -> bool:
    """Return whether a path has the suffix of a film.

    >>> is_film("a/b.MP4"), is_film("a.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in VIDEOS
