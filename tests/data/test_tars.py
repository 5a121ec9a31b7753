"""Photos in tars: found as `tarfile` finds them, read where they lie, and nothing of an archive ever touches a folder."""

import gzip
import io
import json
import os
import pickle
import random
import tarfile
from pathlib import Path

import pytest

from facevalue.data import _tars
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.photos import find_photos, read_bytes

PHOTO = b"\xff\xd8\xff\xe0"


def packed(members: dict[str, bytes], *, form: int = tarfile.USTAR_FORMAT, more: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in more:
            archive.addfile(info)
    return out.getvalue()


def outcomes(given: object) -> dict[str, str | bytes]:
    """What each photo gives: its bytes, or the reason why not."""
    found: dict[str, str | bytes] = {}
    for photo in find_photos(given):
        try:
            found[photo.path] = read_bytes(pickle.loads(pickle.dumps(photo)))
        except PhotoError as error:
            found[photo.path] = error.why
    return found


def body(i: int) -> bytes:
    return PHOTO + random.Random(i).randbytes(700 * i + 1)


SHARD = {f"{i:04d}.{suffix}": body(i) if suffix == "jpg" else b"%d" % i for i in range(5) for suffix in ("cls", "jpg")}
PHOTOS = {name: data for name, data in SHARD.items() if name.endswith("jpg")}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_a_shard_gives_what_tarfile_gives(form, suffix, tmp_path):
    long = {f"{'folder/' * 20}{'n' * 90}.png": b"long", "ünï.jpg": b"accents"}
    data = packed(SHARD | (long if form != tarfile.USTAR_FORMAT else {}), form=form)
    path = tmp_path / f"s{suffix}"
    path.write_bytes(data if suffix == ".tar" else gzip.compress(data))
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.name.endswith(("jpg", "png"))]
        expected = {member.name: archive.extractfile(member).read() for member in members}
    assert outcomes(path) == expected
    assert find_photos(path).others == 5


def test_photos_of_a_packed_tar_are_read_in_any_order(tmp_path):
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(packed(SHARD)))
    found = find_photos(tmp_path / "s.tar.gz")
    for i in (4, 0, 3, 3, 1):
        assert read_bytes(found[i]) == body(i)


def test_shards_by_braces_by_folder_and_by_glob(tmp_path):
    for i in range(3):
        (tmp_path / f"shard-{i:06d}.tar").write_bytes(packed({f"{i}{name}": data for name, data in SHARD.items()}))
    whole = outcomes(f"{tmp_path}/shard-{{000000..000002}}.tar")
    assert list(whole.values()) == [*PHOTOS.values()] * 3
    assert outcomes(tmp_path) == outcomes(f"{tmp_path}/*.tar") == whole
    assert outcomes(f"{tmp_path}/shard-{{000002..000003}}.tar")["shard-000003.tar"] == "missing"
    (tmp_path / "one.jpg").write_bytes(PHOTO)
    assert outcomes(tmp_path) == {"one.jpg": PHOTO}
    assert find_photos(tmp_path).others == 3


def test_equal_names_of_two_shards_are_told_apart(tmp_path):
    for name in ("a.tar", "b.tar"):
        (tmp_path / name).write_bytes(packed({"x.jpg": name.encode()}))
    assert outcomes(tmp_path) == {"a/x.jpg": b"a.tar", "b/x.jpg": b"b.tar"}


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_names_that_lead_out_links_and_devices_touch_nothing(tmp_path, monkeypatch):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    more = (
        special("link.jpg", tarfile.SYMTYPE, "../secret.jpg"),
        special("hard.jpg", tarfile.LNKTYPE, str(tmp_path / "secret.jpg")),
        special("zero.jpg", tarfile.CHRTYPE),
        special("pipe.jpg", tarfile.FIFOTYPE),
        special("folder.jpg", tarfile.DIRTYPE),
    )
    inside = tmp_path / "in"
    inside.mkdir()
    names = ("../../out.jpg", "/etc/abs.jpg", "C:\\win\\x.jpg", "./a/./b.jpg", ".hidden.jpg", "a/._b.jpg")
    (inside / "s.tar").write_bytes(packed({name: name.encode() for name in names}, more=more))
    before = sorted(map(str, tmp_path.rglob("*")))
    assert outcomes(inside / "s.tar") == {
        "out.jpg": b"../../out.jpg",
        "etc/abs.jpg": b"/etc/abs.jpg",
        "C:/win/x.jpg": b"C:\\win\\x.jpg",
        "a/b.jpg": b"./a/./b.jpg",
        "link.jpg": "unreadable: a link in an archive, which is not followed",
        "hard.jpg": "unreadable: a link in an archive, which is not followed",
        "zero.jpg": "unreadable: a device in an archive, which is not followed",
        "pipe.jpg": "unreadable: a pipe in an archive, which is not followed",
    }
    assert sorted(map(str, tmp_path.rglob("*"))) == before


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
@pytest.mark.parametrize("part", [0.15, 0.4, 0.77, 0.9])
def test_of_a_shard_cut_short_the_photos_before_the_cut_are_whole_and_one_says_so(suffix, part, tmp_path):
    data = packed(SHARD)
    data = data.rstrip(b"\0") if suffix == ".tar" else gzip.compress(data)
    (tmp_path / f"s{suffix}").write_bytes(data[: int(len(data) * part)])
    found = outcomes(tmp_path / f"s{suffix}")
    *whole, last = found.values()
    assert whole == list(PHOTOS.values())[: len(whole)]
    assert isinstance(last, str)
    assert last.startswith("truncated: ")


def test_where_a_cut_falls(tmp_path):
    path, data = tmp_path / "s.tar", packed({"a.jpg": b"a" * 600, "a.txt": b"words", "b.jpg": b"b"})
    for end, expected in {
        1000: {"a.jpg": "truncated: 488 of 600 bytes; the archive ends there"},
        1536: {"a.jpg": b"a" * 600, "s/000001": "truncated: the archive, at byte 1536: it has no end"},
        1700: {"a.jpg": b"a" * 600, "s/000001": "truncated: the archive, at byte 1536: truncated header"},
        2050: {"a.jpg": b"a" * 600, "s/000001": "truncated: the archive, at byte 2560: it has no end"},
        3072: {"a.jpg": b"a" * 600, "b.jpg": "truncated: 0 of 1 bytes; the archive ends there"},
        3073: {"a.jpg": b"a" * 600, "b.jpg": b"b", "s/000002": "truncated: the archive, at byte 3584: it has no end"},
        3584 + 512: {"a.jpg": b"a" * 600, "b.jpg": b"b"},
    }.items():
        path.write_bytes(data[:end])
        assert outcomes(path) == expected, end
    path.write_bytes(b"")
    assert outcomes(path) == {"s/000000": "truncated: the archive, at byte 0: it has no end"}
    path.write_bytes(b"this is no tar" * 100)
    assert outcomes(path)["s/000000"].startswith("unreadable: the archive, at byte 0: ")


def test_two_tars_one_behind_the_other_are_read_and_what_else_stands_behind_is_not(tmp_path):
    (tmp_path / "s.tar").write_bytes(packed({"a.jpg": b"a"}) + packed({"b.jpg": b"b"}) + b"junk" * 200)
    assert outcomes(tmp_path / "s.tar") == {"a.jpg": b"a", "b.jpg": b"b"}


def test_sizes_that_lie(tmp_path, monkeypatch):
    huge = tarfile.TarInfo("huge.jpg")
    huge.size = 1 << 40
    (tmp_path / "s.tar").write_bytes(packed({"a.jpg": b"a"})[:1024] + huge.tobuf(tarfile.GNU_FORMAT) + PHOTO)
    why = f"too_many_bytes: {1 << 40} > {1 << 30}"
    assert outcomes(tmp_path / "s.tar") == {"a.jpg": b"a", "huge.jpg": why}
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress((tmp_path / "s.tar").read_bytes()))
    assert outcomes(tmp_path / "s.tar.gz")["s/000001"].startswith(
        "unreadable: the archive, at byte 1024: huge.jpg would unpack"
    )
    negative = bytearray(huge.tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(negative))[0]
    (tmp_path / "n.tar").write_bytes(bytes(negative))
    assert outcomes(tmp_path / "n.tar") == {"n/000000": "unreadable: the archive, at byte 0: a size of -1"}
    monkeypatch.setattr(_tars, "MOST_ZEROS", 4096)
    (tmp_path / "z.tar").write_bytes(bytes(1 << 20) + packed({"a.jpg": b"a"}))
    assert outcomes(tmp_path / "z.tar") == {}


def test_a_tar_that_changes_or_goes_gives_reasons(tmp_path):
    path = tmp_path / "s.tar"
    path.write_bytes(packed(SHARD))
    found = find_photos(path)
    path.write_bytes(packed(SHARD)[:600])
    with pytest.raises(PhotoError, match="truncated: 0 of "):
        read_bytes(found[3])
    path.unlink()
    with pytest.raises(PhotoError, match="missing"):
        read_bytes(found[3])
    path.mkdir()
    with pytest.raises(PhotoError, match="unreadable: "):
        read_bytes(found[3])


def test_a_file_whose_name_looks_like_a_place_in_a_tar_is_a_file(tmp_path):
    (tmp_path / "x.tar#512+3").write_bytes(PHOTO)
    assert outcomes(tmp_path) == {"x.tar#512+3": PHOTO}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_what_a_shard_says_of_its_photos(suffix, tmp_path):
    told = {
        "1.jpg": PHOTO,
        "1.json": json.dumps({"age": 30, "name": "ann", "box": [1], "ok": True}).encode(),
        "1.txt": b" a word\n",
        "x/2.left.jpg": PHOTO,
        "x/2.cls": b"7",
        "2.cls": b"8",
        "3.jpg": PHOTO,
        "3.json": b"{",
        "4.json": b'{"age": 1}',
    }
    data = packed(told)
    (tmp_path / f"s{suffix}").write_bytes(data if suffix == ".tar" else gzip.compress(data))
    found = find_photos(tmp_path / f"s{suffix}")
    assert found.words() == {
        "age": {"1.jpg": "30"},
        "name": {"1.jpg": "ann"},
        "ok": {"1.jpg": "true"},
        "txt": {"1.jpg": "a word"},
        "cls": {"x/2.left.jpg": "7"},
    }


def test_damage_anywhere_is_a_reason_or_a_line(tmp_path):
    whole, draw = packed(SHARD, form=tarfile.PAX_FORMAT), random.Random(2)
    path, name = tmp_path / "s.tar", tmp_path / "s.tar.gz"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 20)):
            at = draw.choice([draw.randrange(len(data)), draw.randrange(2560) // 512 * 512 + draw.randrange(200)])
            data[at] = draw.randrange(256)
        path.write_bytes(data)
        zipped = bytearray(gzip.compress(whole))
        zipped[draw.randrange(10, len(zipped))] ^= 255
        name.write_bytes(zipped)
        for given in (path, name):
            assert outcomes(given)
            os.utime(given, ns=(1, draw.randrange(1 << 40)))


def test_a_million_offsets_take_little_memory(tmp_path):
    with open(tmp_path / "s.tar", "wb") as file:
        for i in range(2000):
            info = tarfile.TarInfo(f"{i:08d}.jpg")
            info.size = 1
            file.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(512))
        file.write(bytes(1024))
    found = find_photos(tmp_path / "s.tar")
    block = found._blocks[0]
    held = len(block.names._bytes) + sum(one.itemsize * len(one) for one in (block.names._ends, block.starts, block.sizes))
    assert (len(found), block.whys) == (2000, {})
    assert held / 2000 < 48


def test_a_tar_that_cannot_be_opened_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "s.tar").write_bytes(packed(SHARD))

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(RunError, match=r"s\.tar: expected a tar of photos; it cannot be read: .*Permission denied"):
        find_photos(Path(tmp_path / "s.tar"))
