"""Photos in object stores and behind addresses, through fsspec: what lies there, and the bytes of one object.

One object that cannot be read is its photo's reason; what fails while listing is one line. Reads that time out, or meet a
server that is busy, are tried again; none takes longer than `TIMEOUT` a try.
"""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple, TypeVar

from facevalue.data._pixels import one_line
from facevalue.data.errors import PhotoError, RunError, Unreadable

Result = TypeVar("Result")

ADDRESS = re.compile(r"(?s)((?:[A-Za-z][\w+.-]+::)*[A-Za-z][\w+.-]+://)(.*?)((?:::.*)?)")
COLLAPSED = re.compile(r"([A-Za-z][\w+.-]+):/(?!/)")
BACKENDS = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("ssh", "sftp"), "paramiko"),
    "hf": "huggingface_hub",
}
MAX_BYTES, AHEAD = 1 << 30, 1 << 22
TIMEOUT, LISTING_TIMEOUT = 60.0, 900.0
PAUSES = (0.5, 2.0, 8.0)
BUSY = (408, 425, 429, 500, 502, 503, 504)
PASSING = ("ClientConnectionError", "ClientPayloadError", "HTTPClientError", "EndpointConnectionError", "IncompleteRead")


class Object(NamedTuple):
    """An object or a prefix: its name in its store, and its bytes; None where the store does not say how many."""

    name: str
    size: int | None
    folder: bool


class Place(NamedTuple):
    """A store, the name asked for, and what stands before and behind a name to make it an address again."""

    store: Any
    name: str
    head: str
    tail: str

    def address(self, name: str) -> str:
        """Return the address of a name."""
        return f"{name}{self.tail}" if is_address(name) else f"{self.head}{name}{self.tail}"


def is_address(given: str | os.PathLike[str]) -> bool:
    """Return whether something is an address, such as s3://bucket/photo.jpg, and no path.

    >>> is_address("s3://bucket/a.jpg"), is_address("zip://a.jpg::/tmp/b.zip"), is_address("a/b.jpg"), is_address("C://b.jpg")
    (True, True, False, False)
    """
    return ADDRESS.match(os.fspath(given)) is not None


def as_given(given: str | os.PathLike[str]) -> str:
    """Return a path, or the address that `Path` has taken a slash from; file:// is a path.

    >>> as_given(PurePath("s3://bucket/a")), as_given("file:///tmp/a.jpg"), as_given("a//b")
    ('s3://bucket/a', '/tmp/a.jpg', 'a//b')
    """
    word = os.fspath(given)
    if isinstance(given, PurePath) and not os.path.lexists(word):
        word = COLLAPSED.sub(lambda match: f"{match[1]}://{'/' * (match[1] in ('file', 'local'))}", word)
    if "::" not in word and (match := re.match(r"(?:file|local)://(?:localhost(?=/))?", word)):
        return word[match.end() :] or "/"
    return os.path.expanduser(word)


def without_secrets(given: str | os.PathLike[str]) -> str:
    """Return what was given as it may be written down: of an address no user, no password and no query, which may sign it.

    >>> without_secrets("https://me:word@host/a.jpg?signature=1"), without_secrets("a?b.jpg")
    ('https://host/a.jpg', 'a?b.jpg')
    """
    word = as_given(given)
    return re.sub(r"://[^/@]*@", "://", word).partition("?")[0] if is_address(word) else os.fspath(given)


def place(address: str) -> Place:
    """Return the store of an address.

    Raises
    ------
    RunError
        fsspec, or the package that it needs for this kind of address, is not installed; or it knows no such kind.
    """
    match = ADDRESS.fullmatch(address)
    assert match is not None
    head, raw, tail = match.groups()
    kind = head.removesuffix("://").rpartition("::")[2]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise RunError(f"{address}: expected fsspec to read it: pip install 'facevalue[stores]'") from error
    try:
        store, name = url_to_fs(address)
    except ImportError as error:
        package = BACKENDS.get(kind)
        told = f"pip install {package}" if package else one_line(error)
        raise RunError(f"{address}: expected what fsspec needs for {kind}://: {told}") from error
    except Exception as error:  # each kind of store has its own errors for an address that is none
        raise RunError(f"{address}: expected an address that fsspec can open; {one_line(error)}") from error
    return Place(store, name, head + _host(raw, name), tail)


def _host(raw: str, name: str) -> str:
    """Return what a store has taken off the beginning of a name, such as the host of sftp://host/name."""
    raw, name = raw.rstrip("/"), name.rstrip("/")
    return raw.removesuffix(name) if raw.endswith(name) else ""


def look(where: Place) -> Object | None:
    """Return what lies at a name, None where nothing does."""
    store, name = where.store, where.name
    if name.strip("/") == "" or (where.head.startswith("http") and name.endswith("/")):
        return Object(name, None, True)
    try:
        return _object(attempted(lambda: store.info(name), seconds=LISTING_TIMEOUT), name)
    except Exception as error:  # as above
        if _why(error) == "missing":
            return None
        raise _unlisted(where, error) from error


def listed(where: Place, pattern: str = "") -> list[Object]:
    """Return the objects below a name, or all that match a pattern."""

    def ask() -> Any:
        store = where.store
        return store.glob(pattern, detail=True) if pattern else store.find(where.name, detail=True)

    try:
        found = attempted(ask, seconds=LISTING_TIMEOUT)
        where.store.invalidate_cache()
    except Exception as error:  # as above
        raise _unlisted(where, error) from error
    return [_object(info, name) for name, info in found.items()]


def _object(info: Mapping[str, Any], name: str) -> Object:
    return Object(str(info.get("name", name)), info.get("size"), info.get("type") == "directory")


def _unlisted(where: Place, error: Exception) -> RunError:
    return RunError(f"{where.address(where.name)}: expected photos; it cannot be listed: {_why(error)}")


def read_object(address: str) -> bytes:
    """Return the bytes of an object.

    Raises
    ------
    Unreadable
        `why` is "missing", "permission_denied", "too_many_bytes: ..." or "unreadable: ...".
    """

    def read(where: Place) -> bytes:
        if not where.head.startswith(("http", "ftp")):
            return _fitting(bytes(where.store.cat_file(where.name)))
        size = where.store.info(where.name).get("size")
        if size is not None:
            _check(size)
            return _fitting(bytes(where.store.cat_file(where.name)))
        with where.store.open(where.name, "rb") as file:
            return _fitting(bytes(file.read(MAX_BYTES + 1)))

    return _reading(address, read)


def _fitting(data: bytes) -> bytes:
    _check(len(data))
    return data


def _check(size: int) -> None:
    if why := too_many(size):
        raise Unreadable(why)


def too_many(size: int | None) -> str:
    """Return the reason for which so many bytes are not read; "" where they are."""
    return f"too_many_bytes: {size} > {MAX_BYTES}" if size is not None and size > MAX_BYTES else ""


def read_part(address: str, start: int, end: int) -> bytes:
    """Return some bytes of an object, fewer where it ends before; errors as of `read_object`."""
    return _reading(address, lambda where: _part(where, start, end))


def _part(where: Place, start: int, end: int) -> bytes:
    data = bytes(where.store.cat_file(where.name, start=start, end=end))
    return data if len(data) <= end - start else data[start:end]  # all of it, from a server that knows no parts


def reading(address: str, read: Callable[[], Result]) -> Result:
    """Return what reads an object, tried again where that may help; errors as of `read_object`."""
    return _reading(address, lambda where: read())


def _reading(address: str, read: Callable[[Place], Result]) -> Result:
    try:
        where = place(address)
        return attempted(lambda: read(where))
    except PhotoError:
        raise
    except Exception as error:  # as above
        raise Unreadable(_why(error)) from error


def open_object(address: str) -> io.BufferedReader:
    """Return an object as a file; raises what its store does."""
    where = place(address)
    size = attempted(lambda: where.store.info(where.name)["size"])
    if size is None:
        raise RunError(f"{address}: expected a store that says how large its objects are; copy it here")
    return io.BufferedReader(_Object(where, int(size)), AHEAD)


class _Object(io.RawIOBase):
    """An object as a file without state in its store: every part is asked for by itself, and may be asked for again."""

    def __init__(self, where: Place, size: int) -> None:
        self._where, self._size, self._at = where, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        start, end = self._at, min(self._at + len(buffer), self._size)
        data = attempted(lambda: _part(self._where, start, end)) if start < end else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def attempted(call: Callable[[], Result], *, seconds: float | None = None) -> Result:
    """Return what a call gives; where it times out or the server is busy it is made again, after each of `PAUSES`."""
    for pause in PAUSES:
        try:
            return bounded(call, TIMEOUT if seconds is None else seconds)
        except Exception as error:  # as above
            if not _passes(error):
                raise
        time.sleep(pause)
    return bounded(call, TIMEOUT if seconds is None else seconds)


def bounded(call: Callable[[], Result], seconds: float) -> Result:
    """Return what a call gives, or raise TimeoutError; a call that hangs is left to itself.

    >>> bounded(lambda: 1, 1.0)
    1
    """
    came: list[Result] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            came.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not came:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return came[0]


def _behind(error: Exception) -> Exception:
    """Return what has happened: of whatever a server answers, or does not, fsspec says that there is no such file."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and (_status(cause) or isinstance(cause, OSError)):
        return cause
    return error


def _passes(error: Exception) -> bool:
    """Return whether an error may be gone a moment later."""
    error = _behind(error)
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, TimeoutError | ConnectionError) or _status(error) in BUSY or not names.isdisjoint(PASSING)


def _status(error: Exception) -> int:
    """Return the number with which an HTTP server has answered, 0 where an error knows none."""
    told = (getattr(error, name, None) for name in ("status", "code"))
    return next((int(found) for found in told if isinstance(found, int | str) and str(found).isdecimal()), 0)


def _why(error: Exception) -> str:
    """Return an error as a photo's reason."""
    error = _behind(error)
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "missing"
    if isinstance(error, PermissionError) or status in (401, 403):
        return "permission_denied"
    return f"unreadable: {one_line(error)}"
