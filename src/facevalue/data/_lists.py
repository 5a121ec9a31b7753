"""Lists of photos: lines of a text, rows of a .csv or .tsv, objects of a .jsonl; and the tables that lie beside photos."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from facevalue.data import _stores
from facevalue.data._folders import SUFFIXES
from facevalue.data._found import Block, Files, Listed, Photo, Texts
from facevalue.data._rows import word_of
from facevalue.data.errors import PhotoError, RunError

PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "photo")
BESIDE = ("metadata.csv", "metadata.jsonl")


def listed(path: str) -> Iterator[Block]:
    """Yield a list's photos: addresses, or paths from its folder or the working one, relative to that or to what all share.

    Raises
    ------
    RunError
        It cannot be read, or no column is called like paths.
    """
    suffix = Path(path).suffix.lower()
    lines = _lines(path) if suffix == ".txt" else _column(path, _rows(path))
    if _stores.is_address(path):
        lines = [one if not one or _stores.is_address(one) else f"{path.rpartition('/')[0]}/{one}" for one in lines]
    addresses = [line for line in lines if _stores.is_address(line)]
    if addresses:
        yield from _addresses(addresses)
        lines = [line for line in lines if not _stores.is_address(line)]
    base, places = os.path.dirname(path), list[str]()
    for line in filter(None, lines):
        beside, here = resolved(path, line)
        places.append(here if os.path.lexists(here) and not os.path.lexists(beside) else beside)
    if any(not place.startswith(os.path.join(base, "")) for place in places):
        base = os.path.commonpath([os.path.dirname(place) for place in places])
    root = os.path.join(base, "")
    yield Files(os.path.basename(base), root, Texts(place[len(root) :].replace(os.sep, "/") for place in places))


def _addresses(addresses: Sequence[str]) -> Iterator[Block]:
    """Yield photos at addresses, called by what follows the part that all share."""
    plain = [address.partition("?")[0].rstrip("/") if address.startswith("http") else address for address in addresses]
    base = os.path.commonprefix([one.rpartition("/")[0] + "/" for one in plain]).rpartition("/")[0]
    names = [one[len(base) :].lstrip("/") or f"{i:06d}" for i, one in enumerate(plain)]
    folder = base.rpartition("/")[2]
    if plain == list(addresses):
        yield Files(folder, base + "/", Texts(names))
    else:
        yield Listed([Photo(name, address) for name, address in zip(names, addresses, strict=True)], folder)


def _lines(path: str) -> list[str]:
    text = _text(path)
    return text.split("\0") if "\0" in text else io.StringIO(text, newline=None).read().split("\n")


def _column(path: str, rows: tuple[list[str], list[list[str]]]) -> list[str]:
    """Return the cells of the column of paths."""
    names, cells = rows
    header = [name.strip().lower() for name in names] or [""]
    at = next((header.index(name) for name in PATH_COLUMNS if name in header), None)
    if at is None and len(header) > 1:
        columns = ", ".join(header)
        raise RunError(f"{path}: expected a column called {', '.join(PATH_COLUMNS)}, or only one; it has {columns}")
    bare = at is None and Path(header[0]).suffix in SUFFIXES
    return [row[at or 0] for row in ([names] if bare else []) + cells if len(row) > (at or 0)]


def _rows(path: str) -> tuple[list[str], list[list[str]]]:
    """Return the names of a table's columns, and its rows."""
    if path.lower().endswith(".jsonl"):
        return _objects(path)
    text = _text(path).replace("\0", "\ufffd")
    first = text.partition("\n")[0]
    delimiter = "\t" if path.lower().endswith(".tsv") else ";" if first.count(";") > first.count(",") else ","
    try:
        table = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise RunError(f"{path}: expected a table of paths; it cannot be read: {error}") from error
    return (table[0], table[1:]) if table else ([], [])


def _objects(path: str) -> tuple[list[str], list[list[str]]]:
    """Return the rows of a .jsonl, one object a line; what is neither a word nor a number is empty."""
    names: dict[str, int] = {}
    rows = []
    for number, line in enumerate(filter(str.strip, _text(path).split("\n")), 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}: expected a JSON object a line; line {number} is none: {error}") from error
        if not isinstance(found, dict):
            raise RunError(f"{path}: expected a JSON object a line; line {number} is {type(found).__name__}")
        row = [""] * len(names)
        for name, value in found.items():
            if names.setdefault(name, len(row)) == len(row):
                row.append("")
            row[names[name]] = word_of(value) if isinstance(value, str | int | float) else ""
        rows.append(row)
    return list(names), [row + [""] * (len(names) - len(row)) for row in rows]


def _text(path: str) -> str:
    try:
        if _stores.is_address(path):
            return _stores.read_object(path).decode("utf-8-sig", "surrogateescape")
        return Path(path).read_bytes().decode("utf-8-sig", "surrogateescape")
    except (OSError, PhotoError) as error:
        why = error.why if isinstance(error, PhotoError) else error.strerror
        raise RunError(f"{path}: expected a list of paths; it cannot be read: {why}") from error


def resolved(path: str, line: str) -> tuple[str, str]:
    """Return the two places that a line of a list can mean: from the list's folder, and from the working one."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), line)), os.path.abspath(line)


def told_beside(root: str, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return what a `metadata.csv` or `.jsonl` in the photos' folders says of them, a word each by the name of the column.

    Parameters
    ----------
    root, names
        Of the photos.

    Raises
    ------
    RunError
        Such a table cannot be read, or has no column called like paths.
    """
    folders = sorted({name[: name.rfind("/") + 1] for name in names} | {""})
    row = {name: i for i, name in enumerate(names)}
    found: dict[str, list[str]] = {}
    for folder, table in ((folder, table) for folder in folders for table in BESIDE):
        if not os.path.isfile(path := os.path.join(root, folder, table)):
            continue
        columns, cells = _rows(path)
        of = _column(path, (columns, cells))
        lower = [name.strip().lower() for name in columns]
        for file, line in zip(of, cells, strict=False):
            at = row.get(os.path.normpath(folder + file).replace(os.sep, "/"))
            for name, word in zip(lower, line, strict=False) if at is not None else ():
                if name not in PATH_COLUMNS and at is not None:
                    found.setdefault(name, [""] * len(names))[at] = word.strip()
    return found
