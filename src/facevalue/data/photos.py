"""Photos: `find_photos` in files, folders, globs, lists, tables, tars, stores; `read_bytes`; `decode` to upright RGB.

What cannot be used is never dropped: `read_bytes` and `decode` raise a `PhotoError` whose `why` begins with one of
the words in `REASONS`, and that becomes the photo's row.
"""

from __future__ import annotations

import functools
import glob
import itertools
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from facevalue.data import _hugging, _stores
from facevalue.data._folders import RAW, SUFFIXES, Others, below, fits, kind, matching, single, walk
from facevalue.data._found import Block, Files, Found, Photo
from facevalue.data._lists import PATH_COLUMNS, listed, resolved, told_beside
from facevalue.data._pixels import decode, one_line, several
from facevalue.data._prefixes import at_address
from facevalue.data._rows import read_row, table
from facevalue.data._stores import MAX_BYTES, as_given, is_address, without_secrets
from facevalue.data._tars import read_member, tar_photos
from facevalue.data.errors import PhotoError, RunError, Unreadable

__all__ = [
    "MAX_BYTES",
    "PATH_COLUMNS",
    "RAW",
    "REASONS",
    "SUFFIXES",
    "Found",
    "Photo",
    "as_given",
    "composed",
    "decode",
    "find_photos",
    "without_secrets",
]
__all__ += ["fits", "is_address", "read_bytes", "resolved", "several", "walk"]

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
ROW = re.compile(r"(?si)(.+\.(?:parquet|pq|arrow))#(\d+)")
MEMBER = re.compile(r"(?si)(.+\.(?:tar|tar\.gz|tgz))#(\d{1,18})\+(\d{1,18})")
RANGE = re.compile(r"\{(\d{1,12})\.\.(\d{1,12})\}")
CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")
MOST = 1_000_000


def find_photos(inputs: Any) -> Found:
    """Return the photos of files, folders, globs, lists of paths, tables of bytes, tars, addresses and data sets.

    A folder is searched with all below it but what is hidden. Its photos are the files with a photo's suffix, broken
    or not, and those with another suffix that begin like an image; the rest are counted in `others`. A path that was
    given but is missing is a photo whose reading fails. A file met twice counts once. Equal paths out of two inputs
    are told apart by the name of the folder that was given, and then by a number. What was found already is given back.

    Parameters
    ----------
    inputs
        Paths, with {a,b} and {000..123} written out; a list is .txt, .csv, .tsv or .jsonl; a table of bytes .parquet, .arrow
        or a folder of `save_to_disk`; a tar .tar, .tar.gz or .tgz; an address s3://bucket/prefix and whatever else fsspec
        opens, of an object, a prefix or a glob. A folder, or a prefix, without photos gives those in its tars and tables.
        Or `Dataset` of `datasets` with a column of images.

    Raises
    ------
    RunError
        When the only input does not exist; a list, a table or a tar cannot be read; an address cannot be listed.
    """
    if isinstance(inputs, Found):
        return inputs
    whole = isinstance(inputs, str | os.PathLike) or _hugging.is_dataset(inputs)
    given: list[Any] = [inputs] if whole else [*inputs]
    others, blocks = Others(), list[Block]()
    for one in given:
        if _hugging.is_dataset(one):
            blocks += _hugging.datasets_of(one)
        else:
            blocks += itertools.chain.from_iterable(_expand(word, others) for word in _braced(as_given(one)))
    found = Found.of(blocks)
    if len(given) == 1 and len(found) == 1 and not _hugging.is_dataset(given[0]):
        _check_only(as_given(given[0]), found[0])
    found.others = others.beside(lambda: (photo.where for photo in found))
    return found


def _check_only(given: str, photo: Photo) -> None:
    """Raise RunError where the only photo is what was given, and nothing is there."""
    absent = photo.why == "missing" if is_address(given) else photo.where == os.path.abspath(given)
    if absent and not os.path.lexists(photo.where):
        raise RunError(f"{given}: expected photos, a folder, a glob, a list, a parquet, a tar or an address; nothing is there")


def _braced(given: str) -> list[str]:
    """Return what a path with {a,b} or {000..123} stands for, unless a file is called so.

    >>> _braced("x-{08..10}.tar"), _braced("{a,b}/c.jpg"), _braced("a{}")
    (['x-08.tar', 'x-09.tar', 'x-10.tar'], ['a/c.jpg', 'b/c.jpg'], ['a{}'])
    """
    if os.path.lexists(given):
        return [given]
    words, done = [given], list[str]()
    while words:
        word = words.pop()
        found = min(filter(None, (RANGE.search(word), CHOICE.search(word))), key=re.Match.start, default=None)
        if found is None:
            done.append(word)
            continue
        parts = _numbers(found[1], found[2]) if found.re is RANGE else found[1].split(",")
        if len(done) + len(words) + len(parts) > MOST:
            raise RunError(f"{given}: expected at most {MOST} paths in braces")
        words += [f"{word[: found.start()]}{part}{word[found.end() :]}" for part in reversed(parts)]
    return done


def _numbers(first: str, last: str) -> Sequence[str]:
    start, end = int(first), int(last)
    if abs(end - start) >= MOST:
        raise RunError(f"{{{first}..{last}}}: expected at most {MOST} paths in braces")
    return [f"{i:0{len(first)}d}" for i in (range(start, end + 1) if start <= end else range(start, end - 1, -1))]


def _expand(given: str, others: Others) -> Iterator[Block]:
    expand = functools.partial(_expand, others=others)
    path = given if is_address(given) else os.path.abspath(given)
    if is_address(given):
        packed = kind(given.partition("::")[0]) if not glob.has_magic(given) else ""
        yield from (
            _packed(path, packed, others) if packed else at_address(path, others, lambda one: _packed(one, kind(one), others))
        )
    elif os.path.isdir(path) and _hugging.is_saved(path):
        yield from _hugging.saved(path)
    elif os.path.isdir(path):
        for block in below(path, path, others, expand):
            if isinstance(block, Files):
                block.told = functools.partial(told_beside, block.root)
            yield block
    elif os.path.isfile(path):
        yield from _packed(path, kind(path), others)
    else:
        matches = list(matching(path, others, expand)) if glob.has_magic(path) else []
        yield from matches if any(map(len, matches)) else [single(path)]


def _packed(path: str, what: str, others: Others) -> Iterator[Block]:
    """Yield the photos that a file names or holds; of a file that does neither, itself."""
    if what == "list":
        yield from listed(path)
    elif what == "rows":
        yield table(path)
    elif what == "tar":
        yield tar_photos(path, others)
    else:
        yield single(path)


def composed(word: str) -> str:
    """Return a word in one spelling of its letters with accents, NFC: file systems and keyboards differ in it.

    Examples
    --------
    >>> len("Zoe\u0308"), len(composed("Zoe\u0308"))
    (4, 3)
    """
    return unicodedata.normalize("NFC", word)


def read_bytes(photo: Photo) -> bytes:
    """Return the bytes of a photo: of its file, its object, its row in a table, its part of a tar.

    Raises
    ------
    PhotoError
        The photo must not be read: `why` is its own.
    Unreadable
        `why` is "missing", "permission_denied", "empty", "truncated: ...", "too_many_bytes: ..." or "unreadable: ...".
    """
    if photo.why:
        raise PhotoError(photo.why)
    data = _read(photo.where) if photo.data is None else photo.data
    if not data:
        raise Unreadable("empty")
    return data


def _read(where: str) -> bytes:
    row, member = ROW.fullmatch(where), MEMBER.fullmatch(where)
    if (row or member) and not os.path.lexists(where):
        return read_row(row[1], int(row[2])) if row else read_member(*_member(member))
    return _stores.read_object(where) if is_address(where) else _read_file(where)


def _member(match: re.Match[str] | None) -> tuple[str, int, int]:
    assert match is not None
    return match[1], int(match[2]), int(match[3])


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
