"""Sealed folders: they open as they were, a second implementation reads them, and no change of a bit passes."""

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from facevalue.data import sealed
from facevalue.data.errors import RunError, SchemaError
from facevalue.data.sealed import key_id, new_key, read_key, seal_folder, unseal_folder

ciphers = pytest.importorskip("cryptography.hazmat.primitives.ciphers", reason="the extra 'seal' is not installed")
FILES = {
    "faces.parquet": b"rows of faces",
    "detected_faces/ann/1_face0.jpg": bytes(range(256)) * 40,
    "empty": b"",
    ".parts/0": b"x",
}
PIECE = 1000


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "PIECE", PIECE)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    new_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def plainly_opened(data: bytes, key: bytes, name: str) -> bytes:
    """Decrypt by the format's description alone, with the cipher in counter mode and GCM's tag apart from `AESGCM`."""
    header, body, plain, i = data[:29], data[29:], b"", 0
    assert header[:9] == b"FVSEALED\x01"
    boxes = [body[at : at + PIECE + 16] for at in range(0, len(body), PIECE + 16)]
    for i, box in enumerate(boxes):
        number = int.from_bytes(header[17:29], "big") ^ (i << 8) ^ (i == len(boxes) - 1)
        mode = ciphers.modes.GCM(number.to_bytes(12, "big"), box[-16:])
        cipher = ciphers.Cipher(ciphers.algorithms.AES(key), mode).decryptor()
        cipher.authenticate_additional_data(header + name.encode())
        plain += cipher.update(box[:-16]) + cipher.finalize()
    return plain


def test_what_is_sealed_opens_as_it_was(folder, key):
    before, times = contents(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    done = seal_folder(folder, key)
    assert (done.files, done.before, done.bytes) == (4, 0, sum(map(len, FILES.values())))
    shut = contents(folder)
    assert shut.keys() == {f"{name}.sealed" for name in FILES}
    assert not any(data and data in box for data in FILES.values() for box in shut.values() if len(data) > 1)
    assert unseal_folder(folder, key).files == 4
    assert contents(folder) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_second_implementation_reads_it(folder, key):
    seal_folder(folder, key)
    for name, data in FILES.items():
        assert plainly_opened((folder / f"{name}.sealed").read_bytes(), read_key(key), name) == data


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_file_of_any_length_has_its_last_piece_marked(tmp_path, key, size):
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "x").mkdir()
    (tmp_path / "x/f").write_bytes(data)
    seal_folder(tmp_path / "x", key)
    box = (tmp_path / "x/f.sealed").read_bytes()
    assert len(box) == 29 + size + 16 * max(1, -(-size // PIECE))
    assert plainly_opened(box, read_key(key), "f") == data
    unseal_folder(tmp_path / "x", key)
    assert (tmp_path / "x/f").read_bytes() == data


def one_sealed(tmp_path: Path, key: Path, data: bytes = b"z" * (2 * PIECE + 500)) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "f").write_bytes(data)
    seal_folder(folder, key)
    return folder / "f.sealed"


def refused(path: Path, key: Path, words: str) -> None:
    before = contents(path.parent)
    with pytest.raises(SchemaError, match=words) as caught:
        unseal_folder(path.parent, key)
    assert "\n" not in str(caught.value)
    assert contents(path.parent) == before


def test_every_bit_of_the_header_and_any_of_the_pieces_counts(tmp_path, key):
    path = one_sealed(tmp_path, key)
    good = path.read_bytes()
    header = [8 * byte + bit for byte in range(29) for bit in (byte % 8, 7 - byte % 8)]
    places = [*header, *np.random.default_rng(0).integers(29 * 8, len(good) * 8, 30).tolist(), len(good) * 8 - 1]
    for place in places:
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        refused(path, key, "expected a|expected the")
    path.write_bytes(good)
    assert unseal_folder(path.parent, key).files == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: 29 + 2 * (PIECE + 16)],
        lambda data: data[: 29 + PIECE + 16],
        lambda data: data[:29],
        lambda data: data[:28],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: data + data[29 : 29 + PIECE + 16],
        lambda data: data[:29] + data[29 + PIECE + 16 : 29 + 2 * (PIECE + 16)] + data[29 : 29 + PIECE + 16] + data[-516:],
        lambda data: data[:29] + data[29 + PIECE + 16 :],
        lambda data: data[: 29 + PIECE + 16] + data[29:],
    ],
    ids=["byte", "last", "two", "pieces", "header", "all", "more", "again", "order", "first", "twice"],
)
def test_what_is_cut_or_reordered_is_refused(tmp_path, key, change):
    path = one_sealed(tmp_path, key)
    path.write_bytes(change(path.read_bytes()))
    refused(path, key, "expected a sealed file|expected the file that was sealed")


def test_a_file_in_the_place_of_another_is_refused(folder, key):
    seal_folder(folder, key)
    (folder / "faces.parquet.sealed").rename(folder / "empty.sealed")
    refused(folder / "empty.sealed", key, r"empty\.sealed: expected the file that was sealed; it was changed")


def test_another_key_is_told(folder, key, tmp_path):
    new_key(tmp_path / "other")
    seal_folder(folder, key)
    ids = [key_id(read_key(tmp_path / name)).hex() for name in ("other", "key")]
    refused(folder / "faces.parquet.sealed", tmp_path / "other", f"sealed with key {ids[0]}, got one of key {ids[1]}")
    with pytest.raises(SchemaError, match="give its key"):
        seal_folder(folder, tmp_path / "other")


def test_a_key_is_changed_and_a_change_that_was_stopped_goes_on(folder, key, tmp_path, monkeypatch):
    new_key(tmp_path / "new")
    seal_folder(folder, key)
    (folder / "fresh").write_bytes(b"plain")
    copystat, left = sealed.shutil.copystat, [2]

    def stopping(*words):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        copystat(*words)

    with monkeypatch.context() as patch:
        patch.setattr(sealed.shutil, "copystat", stopping)
        with pytest.raises(KeyboardInterrupt):
            seal_folder(folder, tmp_path / "new", from_key=key)
    assert {(folder / f"{name}.sealed").read_bytes()[9:17] for name in FILES} == {
        key_id(read_key(tmp_path / name)) for name in ("key", "new")
    }
    done = seal_folder(folder, tmp_path / "new", from_key=key)
    assert (done.files, done.before) == (3, 2)
    refused(folder / "empty.sealed", key, "give its key")
    unseal_folder(folder, tmp_path / "new")
    assert contents(folder) == {**FILES, "fresh": b"plain"}


def test_sealing_and_unsealing_that_were_stopped_go_on(folder, key, monkeypatch):
    unlink, left = Path.unlink, [1]

    def stopping(path, missing_ok=False):
        if not path.name.endswith(".part"):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    for act in (seal_folder, unseal_folder):
        left[0] = 1
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", stopping)
            with pytest.raises(KeyboardInterrupt):
                act(folder, key)
        assert len(contents(folder)) == 5
        act(folder, key)
    assert contents(folder) == FILES


def test_another_file_in_the_place_of_a_plain_one_is_not_overwritten(folder, key):
    seal_folder(folder, key)
    (folder / "empty").write_bytes(b"written since")
    refused(folder / "empty", key, r"empty: expected no other file in the place of empty\.sealed")


def test_two_seals_of_one_file_differ(tmp_path, key):
    path = one_sealed(tmp_path, key)
    first = path.read_bytes()
    unseal_folder(path.parent, key)
    seal_folder(path.parent, key)
    assert first[:17] == path.read_bytes()[:17]
    assert first[17:29] != path.read_bytes()[17:29]
    assert hashlib.sha256(first[29:]).digest() != hashlib.sha256(path.read_bytes()[29:]).digest()


def test_no_nonce_comes_twice_within_a_file():
    base = bytes(range(12))
    seen = {sealed._nonce(base, i, last=last) for i in [*range(300), 2**32 - 1] for last in (False, True)}
    assert len(seen) == 602


def test_keys(tmp_path, folder, key):
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(read_key(key)) == 32
    with pytest.raises(RunError, match="expected no file for a new key, there is one"):
        new_key(key)
    with pytest.raises(RunError, match="expected a place for a new key: No such file"):
        new_key(tmp_path / "absent/key")
    (tmp_path / "short").write_text("00ff")
    for path, words in (
        ("short", "got 4"),
        ("absent", "No such file or directory: facevalue seal --new-key makes one"),
        ("results/empty", "outside"),
    ):
        with pytest.raises(SchemaError, match=words):
            seal_folder(folder, tmp_path / path)
    (tmp_path / "words").write_text("no key")
    with pytest.raises(SchemaError, match="it holds something else"):
        unseal_folder(folder, tmp_path / "words")
    os.link(key, tmp_path / "again")
    assert contents(folder) == FILES


def test_what_cannot_be_sealed_is_said(folder, key, tmp_path):
    with pytest.raises(SchemaError, match=r"expected sealed files, \*\.sealed; there is none among 4 files"):
        unseal_folder(folder, key)
    with pytest.raises(SchemaError, match="absent: expected a folder, there is none"):
        seal_folder(tmp_path / "absent", key)
    (folder / ".lock").touch()
    with FileLock(folder / ".lock"), pytest.raises(RunError, match="a run is writing to"):
        seal_folder(folder, key)
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(SchemaError, match="link: expected files and folders, got a link"):
        seal_folder(folder, key)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def test_a_file_that_changes_while_it_is_sealed_is_not_removed(folder, key, monkeypatch):
    write = sealed._write

    def changing(target, pieces, *words):
        write(target, pieces, *words)
        if "faces.parquet" in target.name:
            (folder / "faces.parquet").write_bytes(b"a row more")

    monkeypatch.setattr(sealed, "_write", changing)
    with pytest.raises(RunError, match=r"faces\.parquet\.sealed: the file changed while it was sealed"):
        seal_folder(folder, key)
    assert (folder / "faces.parquet").read_bytes() == b"a row more"
    assert not (folder / "faces.parquet.sealed").exists()


def test_without_cryptography_it_says_what_to_install(folder, key, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(RunError, match=r"pip install 'facevalue\[seal\]'"):
        seal_folder(folder, key)
    assert contents(folder) == FILES
