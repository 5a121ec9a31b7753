"""Photos: `find_photos` in files, folders, globs, lists and parquets; `read_bytes`; `decode` to upright RGB.

What cannot be used is never dropped: `read_bytes` and `decode` raise a `PhotoError` whose `why` begins with one of
the words in `REASONS`, and that becomes the photo's row.
"""

from __future__ import annotations

import csv
import fnmatch
import functools
import glob
import io
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facevalue.data._pixels import decode, looks_like_image, one_line, several
from facevalue.data._rows import rows
from facevalue.data.errors import PhotoError, RunError, Unreadable

__all__ = ["REASONS", "Found", "Photo", "composed", "decode", "find_photos", "fits"]
__all__ += ["read_bytes", "resolved", "several", "walk"]

REASONS = {
    "missing": "The path was given, but no file is there.",
    "permission_denied": "The file, or its folder, may not be read by this user.",
    "empty": "The file has no bytes.",
    "not_an_image": "The file is not a JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIC image, whatever its name says.",
    "truncated": "The file is an image that ends before its last pixel: a copy or a download was cut short.",
    "unreadable": "The file could not be read, or is an image that is damaged.",
    "too_many_pixels": "The image has more pixels than --max-pixels allows; it was not decoded.",
    "too_many_bytes": "The file is larger than 1 GiB; it was not read.",
    "needs_heic": "The file is HEIC, which an extra reads: pip install 'facevalue[heic]'.",
    "no_consent": "--consent: nobody on it has allowed its use, or not everybody; it was not read.",
    "other_purpose": "--consent: it may be used, but not for this purpose; it was not read.",
    "consent_expired": "--consent: the last day on which it may be used is over; it was not read.",
    "consent_revoked": "--consent: somebody on it has taken their consent back; it was not read.",
}
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
)
# A camera's raw file opens as a TIFF whose first page is a thumbnail: measured, it would be wrong without a word.
RAW = frozenset(
    (
        ".3fr",
        ".arw",
        ".cr2",
        ".dcr",
        ".dng",
        ".erf",
        ".iiq",
        ".kdc",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raw",
        ".rw2",
        ".sr2",
        ".srw",
    )
)
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "photo")
ROW = re.compile(r"(?si)(.+\.(?:parquet|pq))#(\d+)")
MAX_BYTES = 1 << 30

# name of the folder that was given; path relative to it; absolute path, or "<parquet>#<row>"
Entry = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo, found but not yet read.

    Parameters
    ----------
    path
        Relative to the input it was found in, "/" between folders, valid UTF-8, unique within a run.
    where
        The file's absolute path, or "<parquet>#<row>".
    data
        The bytes, of a photo that came as bytes.
    why
        The reason for which it must not be read; "" where it may be.
    """

    path: str
    where: str
    data: bytes | None = None
    why: str = ""


class Found(list[Photo]):
    """The photos of a run, in order, and `others`: how many files in their folders are not photos."""

    others: int = 0


def find_photos(inputs: str | Path | Sequence[str | Path] | Found) -> Found:
    """Return the photos of files, folders, globs, lists of paths (.txt, .csv, .tsv) and parquets of bytes.

    A folder is searched with all below it but what is hidden. Its photos are the files with a photo's suffix, broken
    or not, and those with another suffix that begin like an image; the rest are counted in `others`. A path that was
    given but is missing is a photo whose reading fails. A file met twice counts once. Equal paths out of two inputs
    are told apart by the name of the folder that was given, and then by a number. What was found already is given back.

    Raises
    ------
    RunError
        When the only input does not exist, or a list or a parquet cannot be read.
    """
    if isinstance(inputs, Found):
        return inputs
    given = [os.path.expanduser(one) for one in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    entries: dict[str, Entry] = {}
    others: set[str] = set()
    real = functools.cache(os.path.realpath)
    for one in given:
        for entry in _expand(one, others):
            folder, name = os.path.split(entry[2])
            entries.setdefault(f"{real(folder)}/{name}", entry)
    places = [entry[2] for entry in entries.values()]
    if len(given) == 1 and places == [os.path.abspath(given[0])] and not os.path.lexists(places[0]):
        raise RunError(f"{given[0]}: expected photos, a folder, a glob, a list or a parquet; nothing is there")
    found = Found(_distinct(list(entries.values())))
    found.others = len(others.difference(places))
    return found


def _expand(given: str, others: set[str]) -> Iterator[Entry]:
    path = os.path.abspath(given)
    if os.path.isdir(path):
        yield from _folder(path, path, others)
    elif os.path.isfile(path):
        readers = {".txt": _lines, ".csv": _table, ".tsv": _table, ".parquet": _parquet, ".pq": _parquet}
        yield from readers.get(Path(path).suffix.lower(), _single)(path)
    else:
        matches = list(_glob(path, others)) if glob.has_magic(path) else []
        yield from matches or _single(path)


def _single(path: str) -> Iterator[Entry]:
    yield os.path.basename(os.path.dirname(path)), os.path.basename(path), path


def _folder(folder: str, root: str, others: set[str], wanted: Sequence[str] = ()) -> Iterator[Entry]:
    for path in sorted(walk(folder), key=lambda path: path.split(os.sep)):
        relative = _relative(path, root)
        if not fits(relative.split("/"), wanted):
            continue
        if _is_photo(path) or os.path.isdir(path):
            yield os.path.basename(root), relative, path
        else:
            others.add(path)


def walk(root: str) -> Iterator[str]:
    """Yield the files below a folder, each real folder once, and folders that are closed or pose as photos."""
    seen: set[str] = set()
    closed: list[OSError] = []
    waiting = [root]
    while waiting:
        for at, folders, files in os.walk(waiting.pop(0), onerror=closed.append):
            real = os.path.realpath(at)
            if not folders and not files and Path(at).suffix.lower() in SUFFIXES:
                yield at
            folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
            files = [] if real in seen else [name for name in files if not name.startswith(".")]
            waiting += [path for name in folders if os.path.islink(path := os.path.join(at, name))]
            yield from (os.path.join(at, name) for name in files)
            seen.add(real)
    yield from (error.filename for error in closed)


def _glob(pattern: str, others: set[str]) -> Iterator[Entry]:
    parts = Path(pattern).parts
    paths = [os.path.join(*parts[: i + 1]) for i in range(len(parts))]
    fixed = next(i for i, path in enumerate(paths) if glob.has_magic(parts[i]) and not os.path.exists(path))
    root, wanted = paths[fixed - 1], parts[fixed:]
    if "**" in wanted:
        yield from _folder(root, root, others, wanted)
        return
    for match in sorted(glob.glob(os.path.join(glob.escape(root), *wanted)), key=lambda match: match.split(os.sep)):
        named = Path(match).suffix == Path(pattern).suffix != ""
        if os.path.isdir(match):
            yield from _folder(match, root, others)
        elif named and Path(match).suffix.lower() in {".txt", ".csv", ".tsv", ".parquet", ".pq"}:
            yield from _expand(match, others)
        elif named or _is_photo(match):
            yield os.path.basename(root), _relative(match, root), match
        else:
            others.add(match)


def fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether a path, or a folder that it lies in, matches a glob; both by their parts.

    Examples
    --------
    >>> fits(["a", "b", "c.jpg"], ["a", "*"]), fits(["a", "b", "c.jpg"], ["**", "*.jpg"]), fits(["a.jpg"], ["a", "*"])
    (True, True, False)
    """
    if not wanted:
        return True
    if wanted[0] == "**":
        return fits(parts, wanted[1:]) or (len(parts) > 1 and fits(parts[1:], wanted))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and fits(parts[1:], wanted[1:])


def composed(word: str) -> str:
    """Return a word in one spelling of its letters with accents, NFC: file systems and keyboards differ in it.

    Examples
    --------
    >>> len("Zoe\u0308"), len(composed("Zoe\u0308"))
    (4, 3)
    """
    return unicodedata.normalize("NFC", word)


def _is_photo(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES or suffix in RAW:
        return suffix in SUFFIXES
    try:
        with open(path, "rb") if stat.S_ISREG(os.stat(path).st_mode) else io.BytesIO() as file:
            return looks_like_image(file.read(32))
    except OSError:
        return False


def _lines(path: str) -> Iterator[Entry]:
    text = _read_text(path)
    lines = text.split("\0") if "\0" in text else io.StringIO(text, newline=None).read().split("\n")
    return _listed(path, lines)


def _table(path: str) -> Iterator[Entry]:
    text = _read_text(path).replace("\0", "\ufffd")
    first = text.partition("\n")[0]
    delimiter = "\t" if path.lower().endswith(".tsv") else ";" if first.count(";") > first.count(",") else ","
    try:
        table = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise RunError(f"{path}: expected a table of paths; it cannot be read: {error}") from error
    header = [name.strip().lower() for name in table[0]] if table else [""]
    at = next((header.index(name) for name in PATH_COLUMNS if name in header), None)
    if at is None and len(header) > 1:
        columns = ", ".join(header)
        raise RunError(f"{path}: expected a column called {', '.join(PATH_COLUMNS)}, or only one; it has {columns}")
    bare = at is None and Path(header[0]).suffix in SUFFIXES
    return _listed(path, [row[at or 0] for row in table[0 if bare else 1 :] if len(row) > (at or 0)])


def _read_text(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise RunError(f"{path}: expected a list of paths; it cannot be read: {error.strerror}") from error


def _listed(path: str, lines: Sequence[str]) -> Iterator[Entry]:
    """Yield a list's photos: paths from its folder or the working one, relative to that, or to what all share."""
    base, places = os.path.dirname(path), []
    for line in filter(None, lines):
        beside, here = resolved(path, line)
        places.append(here if os.path.lexists(here) and not os.path.lexists(beside) else beside)
    if any(not place.startswith(os.path.join(base, "")) for place in places):
        base = os.path.commonpath([os.path.dirname(place) for place in places])
    yield from ((os.path.basename(base), _relative(place, base), place) for place in places)


def resolved(path: str, line: str) -> tuple[str, str]:
    """Return the two places that a line of a list can mean: from the list's folder, and from the working one."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), line)), os.path.abspath(line)


def _parquet(path: str) -> Iterator[Entry]:
    stem = Path(path).stem
    for row, name in enumerate(rows(path).names()):
        parts = [part for part in (name or "").replace("\\", "/").split("/") if part not in ("", ".", "..")]
        yield stem, "/".join(parts) or f"{stem}/{row:06d}", f"{path}#{row}"


def _relative(path: str, root: str) -> str:
    return os.path.basename(path) if path == root else os.path.relpath(path, root).replace(os.sep, "/")


def _distinct(entries: Sequence[Entry]) -> Iterator[Photo]:
    paths = [path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for _, path, _ in entries]
    counts = Counter(paths)
    taken = {path for path in paths if counts[path] == 1}
    tried: Counter[str] = Counter()
    for (folder, _, where), path in zip(entries, paths, strict=True):
        name = path
        while counts[path] > 1 and (name == path or name in taken):
            first = f"{folder or 'input'}/{path}"
            tried[first] += 1
            name = first if tried[first] == 1 else f"{folder or 'input'}-{tried[first]}/{path}"
        taken.add(name)
        yield Photo(name, where)


def read_bytes(photo: Photo) -> bytes:
    """Return the bytes of a photo's file, or of its row in a parquet.

    Raises
    ------
    PhotoError
        The photo must not be read: `why` is its own.
    Unreadable
        `why` is "missing", "permission_denied", "empty", "too_many_bytes: ..." or "unreadable: ...".
    """
    if photo.why:
        raise PhotoError(photo.why)
    data, row = photo.data, ROW.fullmatch(photo.where)
    if data is None:
        in_table = row and not os.path.lexists(photo.where)
        data = _read_row(row[1], int(row[2])) if row and in_table else _read_file(photo.where)
    if not data:
        raise Unreadable("empty")
    return data


def _read_row(path: str, row: int) -> bytes:
    try:
        data = rows(path).read(row)
    except Exception as error:  # a damaged page can fail anywhere in Arrow
        raise Unreadable(f"unreadable: row {row}: {one_line(error)}") from error
    if data is None:
        raise Unreadable("missing")
    return data


def _read_file(path: str) -> bytes:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise Unreadable("unreadable: is a folder" if os.access(path, os.R_OK | os.X_OK) else "permission_denied")
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("unreadable: not a regular file")
        if status.st_size > MAX_BYTES:
            raise Unreadable(f"too_many_bytes: {status.st_size} > {MAX_BYTES}")
        with open(path, "rb") as file:
            return file.read()
    except PermissionError as error:
        raise Unreadable("permission_denied") from error
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise Unreadable("missing") from error
    except OSError as error:
        raise Unreadable(f"unreadable: {error.strerror or one_line(error)}") from error
