"""Photos in tar archives, such as the shards of WebDataset, read where they lie: nothing is ever unpacked.

An archive is read through once, header by header, for where its photos begin. Names in it are names and no paths: what leads
out of a folder is taken off, links and devices are not followed. An archive that is cut short gives its photos up to there,
and one that says so.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
import tarfile
import threading
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from facevalue.data import _stores
from facevalue.data._folders import Others, is_suffix
from facevalue.data._found import Photo, Texts
from facevalue.data._pixels import one_line
from facevalue.data._rows import cleaned, word_of
from facevalue.data._stores import MAX_BYTES, too_many
from facevalue.data.errors import RunError, Unreadable

BLOCK = 512
ZEROS = bytes(BLOCK)
LONGEST_NAME, LONGEST_WORD, MOST_ZEROS = 1 << 16, 1 << 16, 1 << 20
GZIP = b"\x1f\x8b"
SUFFIX = re.compile(r"(?i)\.(?:tar|tar\.gz|tgz)$")
SIDECARS = (".cls", ".txt", ".json")
PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
NOT_READ = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
DAMAGED = (EOFError, OSError, zlib.error, tarfile.TarError, ValueError)


class Member(NamedTuple):
    """One member: its name, where its bytes begin, how many they are, and why they are not read."""

    name: str
    start: int
    size: int
    why: str = ""


@dataclass(slots=True)
class TarPhotos:
    """The photos of one archive: a name, an offset and a size each."""

    folder: str
    where: str
    names: Texts = field(default_factory=Texts)
    starts: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    whys: dict[int, str] = field(default_factory=dict)
    alone: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Photo:
        return Photo(*self.entry(i), None, self.whys.get(i, ""))

    def entry(self, i: int) -> tuple[str, str]:
        """Return a photo's path and its place."""
        return self.names[i], f"{self.where}#{self.starts[i]}+{self.sizes[i]}"

    def add(self, member: Member) -> None:
        """Add a photo."""
        name = cleaned(member.name) or f"{self.folder}/{len(self):06d}"
        if why := member.why or too_many(member.size):
            self.whys[len(self)] = why
        self.names.append(name)
        self.starts.append(member.start)
        self.sizes.append(member.size)

    def words(self) -> Mapping[str, list[str]]:
        """Return what members of a photo's own key say: `.cls` and `.txt` whole, of a flat `.json` each entry."""
        row: dict[str, int] = {}
        for i, name in enumerate(self.names):
            row.setdefault(_key(name), i)
        found: dict[str, list[str]] = {}
        with closing(_opened(self.where)) as file:
            for member in members(file):
                at = row.get(_key(cleaned(member.name)))
                if at is None or member.why or not member.name.lower().endswith(SIDECARS) or member.size > LONGEST_WORD:
                    continue
                file.seek(member.start)
                for name, word in _words(member.name, file.read(member.size)):
                    found.setdefault(name, [""] * len(self))[at] = word
        return found


def tar_photos(path: str, others: Others) -> TarPhotos:
    """Return the photos of an archive, a path or an address, plain or packed by gzip; its other members are counted.

    Raises
    ------
    RunError
        It cannot be opened.
    """
    found, last = TarPhotos(SUFFIX.sub("", os.path.basename(path)), path), None
    try:
        with closing(_opened(path)) as file:
            for member in members(file):
                name = PurePosixPath(member.name).name
                if not name and not (last and _is_cut(file, last)):
                    found.add(member)
                last = member if is_suffix(name) and not name.startswith(".") else None
                if last:
                    found.add(member)
                elif name and not name.startswith("."):
                    others.add(f"{path}#{member.start}")
    except RunError:
        raise
    except Exception as error:  # stores have errors of their own
        raise RunError(f"{path}: expected a tar of photos; it cannot be read: {one_line(error)}") from error
    return found


def _is_cut(file: Any, member: Member) -> bool:
    """Return whether an archive ends before a member does: then its own row says so."""
    try:
        return member.size > 0 and not _at(file, member.start + member.size - 1, 1)
    except DAMAGED:
        return True


def members(file: Any) -> Iterator[Member]:
    """Yield the members of an archive but folders, in order; last, one without a name where it is cut short or damaged.

    Parameters
    ----------
    file
        That can be read and sought forward.
    """
    at, zeros, long, pax = 0, 0, dict[bytes, str](), dict[str, str]()
    while True:
        try:
            head = _at(file, at, BLOCK)
            if head == ZEROS and zeros <= MOST_ZEROS:
                at, zeros = at + BLOCK, zeros + BLOCK
                continue
            if zeros and (not head or head == ZEROS):
                return
            info = _header(head)
            if info.type in (*PAX, *LONG):
                _note(info, _at(file, at + BLOCK, min(info.size, LONGEST_NAME)), long, pax)
                at, zeros = at + BLOCK + _padded(info.size), 0
                continue
            member, after = _member(info, at + BLOCK, long, pax)
            if after - at > MAX_BYTES and isinstance(file, gzip.GzipFile):
                raise ValueError(f"{member.name} would unpack to {member.size} bytes")
        except DAMAGED as error:
            if not zeros:  # after its end an archive may have anything
                cut = isinstance(error, EOFError | tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]
                why = f"{'truncated' if cut else 'unreadable'}: the archive, at byte {at}: {one_line(error)}"
                yield Member("", at, 0, why)
            return
        if not info.isdir():
            yield member
        at, zeros, long, pax = after, 0, {}, {}


def _header(head: bytes) -> tarfile.TarInfo:
    if not head:
        raise EOFError("it has no end")
    info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    if info.size < 0:
        raise ValueError(f"a size of {info.size}")
    return info


def _member(info: tarfile.TarInfo, start: int, long: Mapping[bytes, str], pax: Mapping[str, str]) -> tuple[Member, int]:
    """Return a member by its header and what stood before it, and where the next header is."""
    name = pax.get("path") or long.get(tarfile.GNUTYPE_LONGNAME) or info.name
    size = int(pax["size"]) if re.fullmatch(r"[0-9]{1,18}", pax.get("size", "")) else info.size
    kind = "a sparse file" if "GNU.sparse" in pax else NOT_READ.get(info.type, "")
    why = f"unreadable: {kind} in an archive, which is not followed" if kind else ""
    bare = info.isdir() or kind in ("a link", "a device", "a pipe")
    return Member(name, start, size, why), start if bare else start + _padded(size)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _at(file: Any, at: int, size: int) -> bytes:
    file.seek(at)
    return bytes(file.read(size))


def _note(info: tarfile.TarInfo, body: bytes, long: dict[bytes, str], pax: dict[str, str]) -> None:
    """Note a long name, or the records of a header in the style of pax, for the member that follows."""
    if len(body) < min(info.size, LONGEST_NAME):
        raise EOFError("a name ends too early")
    if info.type in LONG:
        long[info.type] = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
        return
    if info.type == tarfile.XGLTYPE:
        return
    while match := re.match(rb"(\d{1,20}) ([^=\n]+)=", body):
        end = int(match[1])
        if end <= match.end():
            return
        name = match[2].decode("utf-8", "replace")
        if name in ("path", "size") or name.startswith("GNU.sparse"):
            pax[name[:10]] = body[match.end() : end - 1].decode("utf-8", "surrogateescape")
        body = body[end:]


def _opened(path: str) -> Any:
    """Return an archive as a file that reads what gzip has packed."""
    file: Any = _stores.open_object(path) if _stores.is_address(path) else open(path, "rb")  # noqa: SIM115
    packed = file.read(2) == GZIP
    file.seek(0)
    return _Unpacked(file) if packed else file


class _Unpacked(gzip.GzipFile):
    """What gzip has packed; its file is closed with it."""

    def __init__(self, file: Any) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._below = file

    def close(self) -> None:
        super().close()
        self._below.close()


def read_member(path: str, start: int, size: int) -> bytes:
    """Return the bytes of a member.

    Raises
    ------
    Unreadable
        `why` is "missing", "permission_denied", "truncated: ...", "too_many_bytes: ..." or "unreadable: ...".
    """
    if why := too_many(size):
        raise Unreadable(why)
    try:
        data = _part(path, start, size) if size else b""
    except PermissionError as error:
        raise Unreadable("permission_denied") from error
    except FileNotFoundError as error:
        raise Unreadable("missing") from error
    except DAMAGED as error:
        raise Unreadable(f"{'truncated' if isinstance(error, EOFError) else 'unreadable'}: {one_line(error)}") from error
    if len(data) < size:
        raise Unreadable(f"truncated: {len(data)} of {size} bytes; the archive ends there")
    return data


def _part(path: str, start: int, size: int) -> bytes:
    if _stores.is_address(path) and not _is_packed(path):
        return _stores.read_part(path, start, start + size)
    if _stores.is_address(path):
        return _stores.reading(path, lambda: _stream(path, os.getpid(), 0).read(start, size))
    with open(path, "rb") as file:
        if file.read(2) != GZIP:
            return _at(file, start, size)
    return _stream(path, os.getpid(), os.stat(path).st_mtime_ns).read(start, size)


@functools.lru_cache(maxsize=64)
def _is_packed(address: str) -> bool:
    return _stores.read_part(address, 0, 2) == GZIP


@functools.lru_cache(maxsize=4)
def _stream(path: str, process: int, changed: int) -> _Stream:
    return _Stream(path)


class _Stream:
    """A packed archive, kept open: photos read in their order cost one pass, one before the last another from the start."""

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, threading.Lock()
        self._file: Any = None

    def read(self, start: int, size: int) -> bytes:
        """Return some bytes."""
        with self._lock:
            file, self._file = self._file or _opened(self._path), None
            data = _at(file, start, size)
            self._file = file
            return data


def _key(name: str) -> str:
    """Return what the members of one sample share: the name up to the first dot of its last part.

    >>> _key("a.b/0001.left.jpg")
    'a.b/0001'
    """
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _words(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    suffix = PurePosixPath(name).suffix.lower()
    text = data.decode("utf-8", "replace").strip()
    if suffix != ".json":
        yield suffix[1:], text
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    for key, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, str | int | float):
            yield str(key), word_of(value)
