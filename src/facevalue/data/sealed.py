"""Sealed folders: every file encrypted with AES-256-GCM under a key that lies elsewhere, so that a change is noticed.

A sealed file is `name.sealed`: 8 bytes that say so, a version, 8 bytes that tell the key, 12 random bytes N; then the file in
pieces of 1 MiB, each with its tag of 16 bytes. Piece i is encrypted under the nonce N xor (0, i, last), i in 4 bytes, last 1
for the final piece and 0 else, so that a piece that lacks, is repeated or stands elsewhere is noticed; the header and the
file's path within the folder are authenticated with each, so that a file in another's place is noticed. Names, sizes and times
are not hidden.

References
----------
Hoang, Reyhanitabar, Rogaway, Vizar, Online authenticated-encryption and its nonce-reuse misuse-resistance, CRYPTO 2015,
section 7: STREAM. NIST SP 800-38D, section 8.2.2: random nonces, at most 2^32 pieces a key. RFC 8446, section 5.3: the xor.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from facevalue.data.errors import RunError, SchemaError
from facevalue.data.files import replacing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUFFIX = ".sealed"
MAGIC = b"FVSEALED"
VERSION = 1
KEY_BYTES, ID_BYTES, NONCE_BYTES, TAG_BYTES = 32, 8, 12, 16
HEADER_BYTES = len(MAGIC) + 1 + ID_BYTES + NONCE_BYTES
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Done:
    """How many files were sealed or unsealed, how many were so already, and their bytes."""

    files: int
    before: int
    bytes: int


def new_key(path: str | Path) -> None:
    """Write a random key of 256 bits, in hexadecimal digits, that its owner alone may read.

    Raises
    ------
    RunError
        The file is there already, or cannot be written.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise RunError(f"{path}: expected no file for a new key, there is one: without it, what it sealed is lost") from error
    except OSError as error:
        raise RunError(f"{path}: expected a place for a new key: {error.strerror}") from error
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")


def read_key(path: str | Path) -> bytes:
    """Return a key that `new_key` wrote.

    Raises
    ------
    SchemaError
        It is no key, or cannot be read.
    """
    try:
        key = bytes.fromhex(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it holds something else"
        raise SchemaError(
            f"{path}: expected a key of {2 * KEY_BYTES} hexadecimal digits; {words}: facevalue seal --new-key makes one"
        ) from None
    if len(key) != KEY_BYTES:
        raise SchemaError(f"{path}: expected a key of {2 * KEY_BYTES} hexadecimal digits, got {2 * len(key)}")
    return key


def check_key_place(folder: str | Path, key_file: str | Path) -> None:
    """Raise SchemaError where a key lies in the folder that it seals, or below it."""
    if Path(key_file).resolve().is_relative_to(Path(folder).resolve()):
        raise SchemaError(f"{key_file}: expected a key outside {folder}: beside what it seals it protects nothing")


def key_id(key: bytes) -> bytes:
    """Return by what a sealed file tells its key, 8 bytes: of the sha256 of it.

    Examples
    --------
    >>> key_id(bytes(32)).hex()
    'd3f72d7c7df4ded5'
    """
    return hashlib.sha256(b"facevalue seal key id" + key).digest()[:ID_BYTES]


def seal_folder(folder: str | Path, key_file: str | Path, *, from_key: str | Path | None = None) -> Done:
    """Encrypt every file of a folder, hidden ones too, and remove the plain one once the sealed one was read back.

    File systems and backups may keep what was removed: overwriting is not attempted, as it does not reach copies.

    Parameters
    ----------
    folder
        With all below it. What was sealed before under this key stays as it is.
    key_file
        The key, outside the folder.
    from_key
        The key of files that were sealed before, which are encrypted anew.

    Returns
    -------
    Done

    Raises
    ------
    SchemaError
        A key lies in the folder or is none; a file is sealed with another key, or was changed; there is a link.
    RunError
        A run is writing into the folder; cryptography is not installed.
    """
    root, key = _root(folder), _outer_key(folder, key_file)
    keys = {key_id(key): key} | ({} if from_key is None else {key_id(old := _outer_key(folder, from_key)): old})
    plain, sealed = _files(root)
    with _held(root):
        due = [path for path in sealed if _authentic(path, root, keys) != key_id(key)]
        for path in due:
            with replacing(path) as part:
                _write(part, _plain(path, root, keys), key, _name(path, root))
                _check(part, path, root, key, _sum(_plain(path, root, keys)))
                shutil.copystat(path, part)
        size = sum(path.stat().st_size for path in [*plain, *due])
        for path in plain:
            target = path.with_name(path.name + SUFFIX)
            with replacing(target) as part:
                _write(part, _pieces(path), key, _name(target, root))
                _check(part, target, root, key, _sum(_pieces(path)))
                shutil.copystat(path, part)
            path.unlink()
    return Done(len(plain) + len(due), len(sealed) - len(due), size)


def unseal_folder(folder: str | Path, key_file: str | Path) -> Done:
    """Decrypt every sealed file of a folder, once all were found to be as they were sealed, and remove the sealed ones.

    Parameters
    ----------
    folder
        With all below it.
    key_file
        The key.

    Returns
    -------
    Done

    Raises
    ------
    SchemaError
        Nothing is sealed; a file is sealed with another key, or was changed, cut short, renamed or moved; another file has
        taken the place of a plain one. Nothing is written then.
    RunError
        A run is writing into the folder; cryptography is not installed.
    """
    root, key = _root(folder), _outer_key(folder, key_file)
    keys = {key_id(key): key}
    plain, sealed = _files(root)
    if not sealed:
        raise SchemaError(f"{folder}: expected sealed files, *{SUFFIX}; there is none among {len(plain)} files")
    with _held(root):
        for path in sealed:
            _authentic(path, root, keys)
            target = path.with_name(path.name.removesuffix(SUFFIX))
            if target.exists() and _sum(_pieces(target)) != _sum(_plain(path, root, keys)):
                raise SchemaError(f"{target}: expected no other file in the place of {path.name}; move one of them away")
        size = 0
        for path in sealed:
            with replacing(path.with_name(path.name.removesuffix(SUFFIX))) as part:
                with part.open("wb") as file:
                    for piece in _plain(path, root, keys):
                        size += file.write(piece)
                shutil.copystat(path, part)
            path.unlink()
    return Done(len(sealed), len(plain), size)


def _root(folder: str | Path) -> Path:
    root = Path(folder).resolve()
    if not root.is_dir():
        raise SchemaError(f"{folder}: expected a folder, there is none; check the path")
    return root


def _outer_key(folder: str | Path, key_file: str | Path) -> bytes:
    check_key_place(folder, key_file)
    return read_key(key_file)


def _files(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the plain files, parts that a stopped command left among them, and the sealed ones, but for locks."""
    plain, sealed = list[Path](), list[Path]()
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            raise SchemaError(f"{path}: expected files and folders, got a link: what it leads to would stay as it is")
        if path.is_file() and path.name != ".lock":
            (sealed if path.suffix == SUFFIX else plain).append(path)
    return plain, sealed


def _name(sealed: Path, root: Path) -> bytes:
    """Return the path of the plain file within the folder, as it is authenticated."""
    return sealed.relative_to(root).as_posix().removesuffix(SUFFIX).encode("utf-8", "surrogateescape")


def _held(root: Path) -> ExitStack:
    """Hold the locks of runs and galleries in a folder."""
    from filelock import FileLock, Timeout

    stack = ExitStack()
    for path in sorted(root.rglob(".lock")):
        try:
            stack.enter_context(FileLock(path, timeout=0))
        except Timeout as error:
            stack.close()
            raise RunError(f"a run is writing to {path.parent}; wait for it to end") from error
    return stack


def _aes(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise RunError("sealing needs cryptography: pip install 'facevalue[seal]'") from error
    return AESGCM(key)


def _nonce(base: bytes, i: int, *, last: bool) -> bytes:
    """Return the nonce of piece i: the file's random one xor the number in 4 bytes and 1 for the last."""
    number = i.to_bytes(4, "big") + bytes([last])
    return base[:-5] + bytes(a ^ b for a, b in zip(base[-5:], number, strict=True))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(PIECE), b"")


def _write(target: Path, pieces: Iterator[bytes], key: bytes, name: bytes) -> None:
    """Write a sealed file; an empty one has one empty piece."""
    aes, base = _aes(key), secrets.token_bytes(NONCE_BYTES)
    header = MAGIC + bytes([VERSION]) + key_id(key) + base
    with target.open("wb") as file:
        file.write(header)
        piece = next(pieces, b"")
        for i, following in enumerate(_ahead(pieces)):
            file.write(aes.encrypt(_nonce(base, i, last=following is None), piece, header + name))
            piece = following or b""
        file.flush()
        os.fsync(file.fileno())


def _ahead(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield the pieces that follow, and None behind the last."""
    yield from pieces
    yield None


def _plain(path: Path, root: Path, keys: dict[bytes, bytes], *, at: Path | None = None) -> Iterator[bytes]:
    """Yield the pieces of a sealed file, each once it is found to be as it was sealed."""
    from cryptography.exceptions import InvalidTag

    with (at or path).open("rb") as file:
        header = _header(file, path, keys)
        aes, base, name = _aes(keys[_id(header)]), header[-NONCE_BYTES:], _name(path, root)
        box, i = file.read(PIECE + TAG_BYTES), 0
        while True:
            following = file.read(PIECE + TAG_BYTES)
            try:
                yield aes.decrypt(_nonce(base, i, last=not following), box, header + name)
            except (InvalidTag, ValueError):
                raise SchemaError(
                    f"{path}: expected the file that was sealed; it was changed, cut short, renamed or moved: "
                    "take it from a backup"
                ) from None
            if not following:
                return
            box, i = following, i + 1


def _header(file: BinaryIO, path: Path, keys: dict[bytes, bytes]) -> bytes:
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise SchemaError(f"{path}: expected a sealed file; it begins like something else, or ends before its header does")
    if header[len(MAGIC)] != VERSION:
        raise SchemaError(f"{path}: expected a sealed file of version {VERSION}, got {header[len(MAGIC)]}")
    if _id(header) not in keys:
        known = " or ".join(one.hex() for one in keys)
        raise SchemaError(f"{path}: expected a file sealed with key {known}, got one of key {_id(header).hex()}: give its key")
    return header


def _id(header: bytes) -> bytes:
    return header[len(MAGIC) + 1 : len(MAGIC) + 1 + ID_BYTES]


def _authentic(path: Path, root: Path, keys: dict[bytes, bytes]) -> bytes:
    """Read a sealed file to its end, raise SchemaError where it was changed, and return which key it is sealed with."""
    _sum(_plain(path, root, keys))
    with path.open("rb") as file:
        return _id(_header(file, path, keys))


def _check(part: Path, path: Path, root: Path, key: bytes, expected: str) -> None:
    """Raise RunError where a sealed file that was just written does not give back the plain one."""
    if _sum(_plain(path, root, {key_id(key): key}, at=part)) != expected:
        raise RunError(f"{path}: the file changed while it was sealed; nothing was removed: do it again when nothing writes")


def _sum(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
