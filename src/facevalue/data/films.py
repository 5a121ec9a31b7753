"""Films: `find_films` in files, folders and globs, beside the photos that `find_photos` finds there."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from facevalue.data.errors import RunError
from facevalue.data.photos import Photo, walk
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
    folder = os.path.isdir(given)
    root = Path(given) if folder else Path("/")
    named = [Path(given)] if os.path.lexists(given) else map(Path, glob.glob(given, recursive=True))
    paths = [path for path in (map(Path, walk(given)) if folder else named) if is_film(path) and not path.is_dir()]
    told = {path: path.relative_to(root).as_posix() if folder else path.name for path in paths}
    return [Photo(told[path], os.path.abspath(path)) for path in sorted(set(paths))]


def is_film(path: str | Path) -> bool:
    """Return whether a path has the suffix of a film.

    >>> is_film("a/b.MP4"), is_film("a.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in VIDEOS
