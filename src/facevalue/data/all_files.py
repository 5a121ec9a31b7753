"""Every file of a folder, whatever it is: an audit may leave none out."""

from __future__ import annotations

import os
from pathlib import Path

from facevalue.data._pixels import looks_like_image
from facevalue.data.leftovers import container
from facevalue.data.photos import SUFFIXES

FILMS = ("boxed", "matroska", "avi")
FILM_SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".3gp"))


def all_files(folder: Path) -> dict[str, Path]:
    """Return every file below a folder, hidden ones too, by its path from there, in order.

    Folders that cannot be listed, and links to folders, which are not followed, are among them: nobody looks into these.
    """
    if folder.is_file():
        return {folder.name: folder}
    closed = list[Path]()
    walk = os.walk(folder, onerror=lambda error: closed.append(Path(error.filename)))
    found = [Path(at) / name for at, folders, names in walk for name in (*names, *_links(at, folders))]
    return {_readable(one.relative_to(folder).as_posix()): one for one in sorted((*found, *closed))}


def _readable(path: str) -> str:
    """Return a path as text, bytes of a name that are none spelled out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _links(at: str, folders: list[str]) -> list[str]:
    return [name for name in folders if os.path.islink(os.path.join(at, name))]


def sort_of(file: Path) -> str:
    """Return whether a file is a "photo", a "film" or another "file", by its suffix or by how it begins."""
    suffix = file.suffix.lower()
    if suffix in SUFFIXES:
        return "photo"
    try:
        head = _head(file) if file.is_file() else b""
    except OSError:
        head = b""
    if looks_like_image(head):
        return "photo"
    return "film" if suffix in FILM_SUFFIXES or container(head[:12]) in FILMS else "file"


def _head(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(32)
