"""Every kind of file that a folder of photos holds: what is found, what is read, what decodes, and why not."""

import errno
import io
import os
import pickle
import random
import struct
import threading
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facevalue.data import photos
from facevalue.data.errors import PhotoError, RunError, TooLarge, Unreadable
from facevalue.data.photos import REASONS, Photo, decode, find_photos, read_bytes

MOST = 100_000_000


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Smooth and without symmetry, so that lossy formats keep it and every turn shows."""
    y, x = np.mgrid[0:60, 0:80]
    return Image.fromarray(np.stack([x * 3, y * 4, (x + y) * 1.5], axis=-1).astype(np.uint8))


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    """Large enough in every format to be cut anywhere."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8))


def why(data: bytes, **options: int) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, **({"max_pixels": MOST} | options))
    assert caught.value.why.partition(":")[0] in REASONS
    assert "\n" not in caught.value.why
    return caught.value.why


def outcome(act: Callable[[], object]) -> str:
    """Return "", or the first word of the reason why not."""
    try:
        act()
    except PhotoError as error:
        return error.why.partition(":")[0]
    return ""


def why_file(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        read_bytes(Photo(path.name, str(path)))
    assert caught.value.why.partition(":")[0] in REASONS
    return caught.value.why


# --- decode: formats, turns, modes

FORMATS = {
    "jpeg": ("JPEG", {"quality": 95, "subsampling": 0}, 4),
    "progressive jpeg": ("JPEG", {"quality": 95, "progressive": True}, 8),
    "png": ("PNG", {}, 0),
    "webp": ("WEBP", {"quality": 95}, 8),
    "lossless webp": ("WEBP", {"lossless": True}, 0),
    "bmp": ("BMP", {}, 0),
    "tiff": ("TIFF", {}, 0),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}, 0),
    "gif": ("GIF", {}, 40),
    "avif": ("AVIF", {"quality": 95}, 8),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_decodes_to_the_same_pixels(name, picture):
    form, options, far = FORMATS[name]
    pixels = decode(encoded(picture, form, **options), max_pixels=MOST)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.shape == (60, 80, 3)
    assert np.abs(pixels.astype(int) - np.asarray(picture)).max() <= far


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_every_exif_orientation_comes_out_upright(form, turned, picture):
    # stored so that turning it by the standard's definition gives the picture back: undo = inverse of the turn
    upright = np.asarray(picture)
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[turned]
    stored = Image.fromarray(np.ascontiguousarray(undo(upright)))
    exif = Image.Exif()
    exif[0x0112] = turned
    pixels = decode(encoded(stored, form, exif=exif), max_pixels=MOST)
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() < 3


def test_modes_come_out_as_rgb(picture):
    gray = np.asarray(picture.convert("L"))
    cases = {
        "gray": (encoded(picture.convert("L"), "PNG"), 0),
        "gray jpeg": (encoded(picture.convert("L"), "JPEG", quality=95), 3),
        "16-bit png": (encoded(Image.fromarray(gray.astype(np.uint16) * 257), "PNG"), 0),
        "16-bit tiff": (encoded(Image.fromarray(gray.astype(np.uint16) * 257), "TIFF"), 0),
        "32-bit tiff of bytes": (encoded(Image.fromarray(gray.astype(np.int32)), "TIFF"), 0),
        "32-bit tiff of 16 bits": (encoded(Image.fromarray(gray.astype(np.int32) * 257), "TIFF"), 0),
        "float tiff of bytes": (encoded(Image.fromarray(gray.astype(np.float32)), "TIFF"), 0),
        "float tiff up to 1": (encoded(Image.fromarray(gray.astype(np.float32) / 255), "TIFF"), 0),
    }
    for name, (data, far) in cases.items():
        pixels = decode(data, max_pixels=MOST)
        assert (pixels == pixels[:, :, :1]).all(), name
        assert np.abs(pixels[:, :, 0].astype(int) - gray).max() <= far, name


def test_unsigned_32_bits_and_numbers_that_are_none():
    tifffile = pytest.importorskip("tifffile")
    for values, expected in (
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), [0, 128, 255]),
        (np.array([[-5, 0, 255]], np.int32), [0, 0, 255]),
        (np.array([[np.nan, -1, 1]], np.float32), [0, 0, 255]),
        (np.array([[np.inf, 0, 1e6]], np.float32), [0, 0, 0]),
    ):
        out = io.BytesIO()
        tifffile.imwrite(out, np.repeat(values, 4, axis=0), photometric="minisblack")
        assert decode(out.getvalue(), max_pixels=MOST)[0, :, 0].tolist() == expected


def test_16_bit_colour_keeps_its_high_byte(picture):
    deep = np.asarray(picture).astype(np.uint16) * 257
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    pixels = decode(png(80, 60, zlib.compress(lines), depth=16, colour=2), max_pixels=MOST)
    assert np.array_equal(pixels, np.asarray(picture))


TEXT_BOMB = b"Comment\0\0" + zlib.compress(bytes(50_000_000))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, packed: bytes, *, depth: int = 8, colour: int = 2, more: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_one_bit(picture):
    pixels = decode(encoded(picture.convert("1"), "PNG"), max_pixels=MOST)
    assert set(np.unique(pixels)) == {0, 255}


def test_transparency_lies_over_white():
    half = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    half.putpixel((1, 1), (200, 0, 0, 255))
    half.putpixel((2, 2), (200, 0, 0, 128))
    pixels = decode(encoded(half, "PNG"), max_pixels=MOST)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [200, 0, 0]
    assert np.abs(pixels[2, 2].astype(int) - [227, 127, 127]).max() <= 1
    for data in (
        encoded(half, "WEBP", lossless=True),
        encoded(half.convert("LA"), "PNG"),
        encoded(Image.new("L", (4, 4), 7), "PNG", transparency=7),
        encoded(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        encoded(half.quantize(4), "PNG"),
        encoded(half, "GIF"),
    ):
        assert decode(data, max_pixels=MOST)[0, 0].tolist() == [255, 255, 255]


def test_a_palette_whose_transparency_is_bytes_decodes_without_a_warning(picture):
    palette = picture.quantize(16)
    data = encoded(palette, "PNG", transparency=bytes([0] + [255] * 15))
    pixels = decode(data, max_pixels=MOST)
    assert (pixels[np.asarray(palette) == 0] == 255).all()


def test_cmyk(picture):
    small = picture.convert("CMYK")
    for data in (encoded(small, "TIFF"), encoded(small, "JPEG", quality=95)):
        assert np.abs(decode(data, max_pixels=MOST).astype(int) - np.asarray(picture)).max() <= 8


def test_of_many_frames_the_first_is_taken(picture):
    frames = [picture, Image.new("RGB", picture.size), Image.new("RGB", picture.size)]
    for form in ("GIF", "WEBP", "TIFF", "PNG", "AVIF", "MPO"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert decode(data, max_pixels=MOST).mean() > 50, form


def test_the_content_counts_not_the_name(tmp_path, picture):
    (tmp_path / "x.jpg").write_bytes(encoded(picture, "PNG"))
    [photo] = find_photos([tmp_path])
    assert np.array_equal(decode(read_bytes(photo), max_pixels=MOST), np.asarray(picture))


def test_heic_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    data = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(40)
    assert why(data) == "needs_heic: pip install 'facevalue[heic]'"


def test_heic_with_the_extra(picture):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    for data, shape in (
        (encoded(picture, "HEIF", quality=95), (60, 80)),
        (encoded(picture, "HEIF", exif=exif.tobytes()), (80, 60)),
    ):
        assert decode(data, max_pixels=MOST).shape == (*shape, 3)
    assert np.abs(decode(encoded(picture, "HEIF", quality=95), max_pixels=MOST) - np.asarray(picture).astype(int)).max() < 12


def test_decoding_leaves_pillow_and_the_warnings_as_they_were(noise):
    data, limit, filters = encoded(noise, "JPEG"), Image.MAX_IMAGE_PIXELS, list(warnings.filters)

    def work():
        for _ in range(20):
            decode(data, max_pixels=MOST)
            with pytest.raises(TooLarge):
                decode(data, max_pixels=10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS
    assert filters == warnings.filters


# --- decode: broken files


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95])
def test_a_file_cut_short_never_decodes(name, part, noise):
    form, options, _ = FORMATS[name]
    whole = encoded(noise, form, **options)
    reason = why(whole[: int(len(whole) * part)])
    assert reason.startswith(("truncated: ", "unreadable: ")), reason
    if form in ("JPEG", "PNG", "WEBP", "AVIF", "BMP") and part > 0.1:
        assert reason.startswith("truncated: "), reason


def test_a_jpeg_whose_second_half_is_zeros_never_decodes(noise):
    whole = encoded(noise, "JPEG")
    half = len(whole) // 2
    assert why(whole[:half] + bytes(len(whole) - half)).startswith("truncated: ")


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.jpg", b"nothing")
    return out.getvalue()


BROKEN = {
    "zero bytes": (b"", "empty"),
    "text": (b"this is no picture\n" * 20, "not_an_image"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "not_an_image"),
    "zip": (zipped(), "not_an_image"),
    "random": (random.Random(5).randbytes(5000), "not_an_image"),
    "one byte": (b"\xff", "not_an_image"),
    "pdf": (b"%PDF-1.7\n" + bytes(300), "not_an_image"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    "jpeg magic only": (b"\xff\xd8\xff\xe0", "unreadable"),
    "png magic only": (b"\x89PNG\r\n\x1a\n", "unreadable"),
    "gif without a frame": (b"GIF89a\x05\0\x05\0\0\0\0;", "unreadable"),
    "tiff without a page": (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "unreadable"),
    "png of nonsense": (png(5, 5, b"nonsense"), "unreadable"),
    "png with too few lines": (png(50, 50, zlib.compress(bytes(300))), "truncated"),
    "png of no size": (png(0, 0, zlib.compress(b"")), "unreadable"),
    "png bomb": (png(60_000, 60_000, zlib.compress(bytes(1000))), "too_many_pixels"),
    "png text bomb": (png(2, 2, zlib.compress(bytes(14)), more=chunk(b"zTXt", TEXT_BOMB)), "unreadable"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_say_why(name):
    data, word = BROKEN[name]
    assert why(data).partition(":")[0] == word


def test_a_bomb_is_refused_on_its_header_and_says_its_size():
    assert why(BROKEN["png bomb"][0]) == "too_many_pixels: 60000x60000 > 100000000"
    gif = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + b"\0\0\0," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0)
    assert why(gif + b"\x02\x02\x4c\x01\0;") == "too_many_pixels: 60000x60000 > 100000000"


def test_the_limit_is_inclusive(picture):
    data = encoded(picture, "PNG")
    assert decode(data, max_pixels=80 * 60).shape == (60, 80, 3)
    assert why(data, max_pixels=80 * 60 - 1) == "too_many_pixels: 80x60 > 4799"


def test_a_large_picture_within_the_limit_gives_no_warning(monkeypatch, picture):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(encoded(picture, "PNG"), max_pixels=MOST).shape == (60, 80, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_damage_in_the_middle_decodes_or_says_why_but_never_raises_another_error(name, noise):
    """libjpeg mends what it can, as in every viewer; the other formats mostly notice."""
    form, options, _ = FORMATS[name]
    whole = encoded(noise, form, **options)
    draw = random.Random(3)
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(8):
            data[draw.randrange(len(data))] = draw.randrange(256)
        assert outcome(lambda data=bytes(data): decode(data, max_pixels=MOST)) in {"", *REASONS}


def test_running_out_of_memory_is_a_reason(monkeypatch, picture):
    def load(self):
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    assert why(encoded(picture, "PNG")) == "unreadable: MemoryError"


# --- read_bytes


def test_reading_says_why_it_fails(tmp_path, monkeypatch):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(photos.MAX_BYTES + 1)
    assert why_file(tmp_path / "empty.jpg") == "empty"
    assert why_file(tmp_path / "folder.jpg") == "unreadable: is a folder"
    assert why_file(tmp_path / "link.jpg") == "missing"
    assert why_file(tmp_path / "loop.jpg").startswith("unreadable: Too many levels")
    assert why_file(tmp_path / "pipe.jpg") == "unreadable: not a regular file"
    assert why_file(tmp_path / "huge.jpg").startswith("too_many_bytes: ")
    assert why_file(tmp_path / "nothing.jpg") == "missing"
    assert why_file(tmp_path / "empty.jpg" / "inside.jpg") == "missing"
    assert why_file(tmp_path / ("n" * 300)).startswith("unreadable: File name too long")
    assert why_file(tmp_path / "nul\0.jpg") == "missing"


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EACCES, "permission_denied"), (errno.EIO, "unreadable: Input/output error")]
)
def test_a_file_that_may_not_or_cannot_be_read(number, reason, tmp_path, monkeypatch):
    (tmp_path / "x.jpg").write_bytes(b"x")

    def refuse(*args, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(Unreadable) as caught:
        read_bytes(Photo("x.jpg", str(tmp_path / "x.jpg")))
    monkeypatch.undo()
    assert caught.value.why == reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_modes_forbid(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"x")
    (tmp_path / "x.jpg").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    assert why_file(tmp_path / "x.jpg") == "permission_denied"
    assert [photo.path for photo in find_photos([tmp_path])] == ["x.jpg", "closed"]


def test_photos_that_came_as_bytes():
    assert read_bytes(Photo("x", "", b"abc")) == b"abc"
    with pytest.raises(Unreadable, match="empty"):
        read_bytes(Photo("x", "", b""))


# --- find_photos


def touch(folder: Path, *names: str, data: bytes = b"\xff\xd8\xff\xe0") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def paths(*inputs: object) -> list[str]:
    return [photo.path for photo in find_photos(list(inputs))]


def test_a_folder_sorted_and_without_what_is_hidden(tmp_path):
    touch(tmp_path, "b.jpg", "a/2.PNG", "a/1.jpeg", "a.b.jpg", "with space.webp", "new\nline.jpg", "ünïcödé 人.jpg")
    touch(tmp_path, ".hidden.jpg", ".git/x.jpg", "a/._1.jpeg")
    found = find_photos([tmp_path])
    expected = ["a/1.jpeg", "a/2.PNG", "a.b.jpg", "b.jpg", "new\nline.jpg", "with space.webp", "ünïcödé 人.jpg"]
    assert [photo.path for photo in found] == expected
    assert found.others == 0
    assert all(Path(photo.where).is_file() for photo in found)
    assert all(photo.data is None for photo in found)


def test_other_files_are_counted_and_images_without_a_suffix_are_found(tmp_path, picture):
    touch(tmp_path, "notes.txt", "table.csv", "readme", data=b"BMW and other words" * 3)
    touch(tmp_path, "raw.NEF", data=b"II*\0" + bytes(40))
    touch(tmp_path, "broken.jpg", data=b"")
    forms = {"JPEG": "one", "PNG": "two.0", "WEBP": "three.download", "GIF": "four", "TIFF": "five", "AVIF": "six"}
    for form, name in forms.items():
        touch(tmp_path, name, data=encoded(picture, form))
    touch(tmp_path, "seven", data=encoded(picture, "BMP"))
    os.mkfifo(tmp_path / "pipe")
    found = find_photos([tmp_path])
    assert sorted(photo.path for photo in found) == sorted([*forms.values(), "seven", "broken.jpg"])
    assert found.others == 5


def test_a_name_that_is_not_utf8_gets_a_path_that_is(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(name, "wb") as file:
        file.write(b"x")
    [photo] = find_photos([tmp_path])
    assert photo.path == "caf\\xe9.jpg"
    assert read_bytes(photo) == b"x"


def test_links_are_followed_once_and_loops_end(tmp_path):
    touch(tmp_path, "real/x.jpg", "real/deep/y.jpg")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "real/deep/up").symlink_to("..")
    (tmp_path / "self").symlink_to(".")
    touch(tmp_path.parent / f"{tmp_path.name}-other", "z.jpg")
    (tmp_path / "outside").symlink_to(tmp_path.parent / f"{tmp_path.name}-other")
    (tmp_path / "copy.jpg").symlink_to("real/x.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    expected = ["broken.jpg", "copy.jpg", "outside/z.jpg", "real/deep/y.jpg", "real/x.jpg"]
    assert paths(tmp_path) == expected
    assert paths(f"{tmp_path}/**") == expected


def test_an_empty_folder_that_poses_as_a_photo_is_a_row(tmp_path):
    touch(tmp_path, "full.jpg/x.png")
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "empty").mkdir()
    assert paths(tmp_path) == ["full.jpg/x.png", "x.jpg"]
    assert paths(tmp_path / "x.jpg") == ["x.jpg"]


def test_files_and_their_folder_count_once(tmp_path):
    touch(tmp_path, "a/x.jpg", "a/y.jpg")
    assert paths(tmp_path / "a" / "y.jpg", tmp_path / "a", tmp_path / "a" / "." / "x.jpg") == ["y.jpg", "x.jpg"]


def test_a_file_given_by_name_is_a_photo_whatever_it_is(tmp_path):
    touch(tmp_path, "notes.pdf", data=b"%PDF")
    assert paths(tmp_path / "notes.pdf") == ["notes.pdf"]
    assert paths(str(tmp_path / "notes.pdf")) == ["notes.pdf"]
    assert [photo.path for photo in find_photos(tmp_path / "notes.pdf")] == ["notes.pdf"]


def test_equal_paths_are_told_apart_by_folder_and_then_by_number(tmp_path):
    touch(tmp_path, "A/x.jpg", "A/y.jpg", "B/x.jpg", "C/B/x.jpg", "more/A/x.jpg")
    assert paths(tmp_path / "A", tmp_path / "B") == ["A/x.jpg", "y.jpg", "B/x.jpg"]
    names = paths(tmp_path / "A", tmp_path / "more/A", tmp_path / "B", tmp_path / "C")
    assert names == ["A/x.jpg", "y.jpg", "A-2/x.jpg", "B-2/x.jpg", "B/x.jpg"]
    assert names == paths(tmp_path / "A", tmp_path / "more/A", tmp_path / "B", tmp_path / "C")


def test_globs(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/2.png", "b/1.jpg", "b/c/3.jpg", "top.jpg", "odd[1].jpg")
    touch(tmp_path, "a/n.txt", "a/README", data=b"words")
    assert paths(f"{tmp_path}/*.jpg") == ["odd[1].jpg", "top.jpg"]
    assert paths(f"{tmp_path}/*/1.jpg") == ["a/1.jpg", "b/1.jpg"]
    assert paths(f"{tmp_path}/**/*.jpg") == ["a/1.jpg", "b/1.jpg", "b/c/3.jpg", "odd[1].jpg", "top.jpg"]
    assert paths(f"{tmp_path}/b/**") == ["1.jpg", "c/3.jpg"]
    assert paths(f"{tmp_path}/**/c") == ["b/c/3.jpg"]
    assert paths(f"{tmp_path}/b*") == ["b/1.jpg", "b/c/3.jpg"]
    assert paths(f"{tmp_path}/odd[1].jpg") == ["odd[1].jpg"]
    found = find_photos([f"{tmp_path}/a/*"])
    assert [photo.path for photo in found] == ["1.jpg", "2.png"]
    assert found.others == 2
    touch(tmp_path, "a/list.txt", data=b"1.jpg")
    assert paths(f"{tmp_path}/a/l*.txt") == ["1.jpg"]


def test_a_glob_below_a_folder_whose_name_is_a_glob(tmp_path):
    touch(tmp_path, "[set]/1.jpg", "s/2.jpg")
    assert paths(f"{tmp_path}/[set]/*.jpg") == ["1.jpg"]


def test_what_is_missing_is_a_row_unless_it_is_all_there_is(tmp_path):
    touch(tmp_path, "x.jpg")
    found = find_photos([tmp_path / "x.jpg", tmp_path / "gone.jpg", f"{tmp_path}/*.gif", tmp_path / "gone"])
    assert [photo.path for photo in found] == ["x.jpg", "gone.jpg", "*.gif", "gone"]
    for photo in found[1:]:
        with pytest.raises(Unreadable, match="missing"):
            read_bytes(photo)
    for only in ("gone", "*.gif", "**/x", "gone.txt"):
        with pytest.raises(RunError, match="nothing is there") as caught:
            find_photos([tmp_path / only])
        assert "\n" not in str(caught.value)
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    assert paths(tmp_path / "broken.jpg") == ["broken.jpg"]
    (tmp_path / "void").mkdir()
    assert find_photos([tmp_path / "void"]) == []


def test_a_text_list(tmp_path, monkeypatch):
    touch(tmp_path, "lists/in/1.jpg", "elsewhere/2.jpg", "with space .jpg")
    listed = tmp_path / "lists" / "all.txt"
    listed.write_bytes(b"\xef\xbb\xbfin/1.jpg\r\n\r\nin/gone.jpg\r\nin/1.jpg")
    assert paths(listed) == ["in/1.jpg", "in/gone.jpg"]
    monkeypatch.chdir(tmp_path)
    listed.write_text("in/1.jpg\nelsewhere/2.jpg\nwith space .jpg\n/nowhere/3.jpg\n")
    found = find_photos([listed])
    assert [os.path.exists(photo.where) for photo in found] == [True, True, True, False]
    assert found[3].path == "nowhere/3.jpg"
    listed.write_bytes(b"in/1.jpg\0in/new\nline.jpg\0")
    assert paths(listed) == ["in/1.jpg", "in/new\nline.jpg"]
    listed.write_text("")
    assert paths(listed) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "id,File,age\n1,a.jpg,3\n2,b.jpg,4\n", ["a.jpg", "b.jpg"]),
        ("t.csv", 'path,age\n"a, b.jpg",3\n"new\nline.jpg",4\n', ["a, b.jpg", "new\nline.jpg"]),
        ("t.csv", "\ufeffid;Path\r\n1;a.jpg\r\n", ["a.jpg"]),
        ("t.tsv", "image\tage\na, b.jpg\t3\n", ["a, b.jpg"]),
        ("t.csv", "whatever\na.jpg\nb.jpg\n", ["a.jpg", "b.jpg"]),
        ("t.csv", "a.jpg\nb.jpg\n", ["a.jpg", "b.jpg"]),
        ("t.csv", "", []),
    ],
)
def test_a_table_of_paths(name, text, expected, tmp_path):
    (tmp_path / name).write_bytes(text.encode())
    assert paths(tmp_path / name) == expected


def test_a_table_without_a_path_says_what_it_has(tmp_path):
    (tmp_path / "t.csv").write_text("id,age\n1,2\n")
    with pytest.raises(RunError, match=r"t\.csv: expected a column called path.*; it has id, age"):
        find_photos([tmp_path / "t.csv"])


def bodies(n: int) -> list[bytes]:
    return [bytes([i % 256]) * (i + 1) for i in range(n)]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_parquet_of_bytes_is_read_row_by_row(kind, tmp_path):
    data = bodies(50)
    pq.write_table(pa.table({"id": range(50), "jpeg": pa.array(data, kind)}), tmp_path / "p.parquet", row_group_size=20)
    found = find_photos([tmp_path / "p.parquet"])
    assert len(found) == 50
    assert found[7] == Photo("p/000007", f"{tmp_path}/p.parquet#7")
    for i in (*range(50), 3, 49, 21, 20, 0):
        assert read_bytes(pickle.loads(pickle.dumps(found[i]))) == data[i]


def test_a_parquet_as_hugging_face_writes_it(tmp_path):
    structs = [
        {"bytes": b"a", "path": "n/1.jpg"},
        {"bytes": b"", "path": "../2.jpg"},
        None,
        {"bytes": None, "path": None},
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(structs, kind), "label": range(4)}), tmp_path / "h.parquet")
    found = find_photos([tmp_path / "h.parquet"])
    assert [photo.path for photo in found] == ["n/1.jpg", "2.jpg", "h/000002", "h/000003"]
    assert read_bytes(found[0]) == b"a"
    for photo, reason in zip(found[1:], ["empty", "missing", "missing"], strict=True):
        with pytest.raises(Unreadable, match=reason):
            read_bytes(photo)


def test_names_of_a_parquet_are_told_apart(tmp_path):
    pq.write_table(pa.table({"path": ["x.jpg", "x.jpg", "/y.jpg"], "data": bodies(3)}), tmp_path / "p.parquet")
    found = find_photos([tmp_path / "p.parquet"])
    assert [photo.path for photo in found] == ["p/x.jpg", "p-2/x.jpg", "y.jpg"]
    assert read_bytes(found[1]) == b"\1\1"


def test_parquets_that_do_not_serve(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(RunError, match=r"a\.parquet: expected one column of bytes, or one called .*; it has a, b"):
        find_photos([tmp_path / "a.parquet"])
    pq.write_table(pa.table({"a": [b"1"], "b": [b"x"]}), tmp_path / "b.parquet")
    with pytest.raises(RunError, match="it has a, b"):
        find_photos([tmp_path / "b.parquet"])
    (tmp_path / "c.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(RunError, match=r"c\.parquet: expected a parquet of photos; it cannot be read"):
        find_photos([tmp_path / "c.parquet"])


def test_a_damaged_or_lost_parquet_gives_rows_with_a_reason(tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"data": [os.urandom(500) for _ in range(40)]}), path, row_group_size=20, compression="gzip")
    found = find_photos([path])
    whole = bytearray(path.read_bytes())
    whole[40:3000] = bytes(2960)
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Unreadable, match="unreadable: row 3: "):
        read_bytes(found[3])
    assert len(read_bytes(found[30])) == 500
    path.unlink()
    with pytest.raises(Unreadable, match="unreadable: row 30: "):
        read_bytes(found[30])


def test_count_in_is_count_out_on_a_zoo(tmp_path, picture):
    good = [(form, encoded(picture, form)) for form in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")]
    for i, (form, data) in enumerate(good):
        touch(tmp_path, f"good/{i}.{form.lower()}", data=data)
    for i, (data, _) in enumerate(BROKEN.values()):
        touch(tmp_path, f"broken/{i}.jpg", data=data)
    (tmp_path / "broken/link.jpg").symlink_to("nowhere")
    (tmp_path / "broken/folder.jpg").mkdir()
    counts = Counter(
        outcome(lambda photo=photo: decode(read_bytes(photo), max_pixels=MOST)) for photo in find_photos([tmp_path])
    )
    assert counts.pop("") == len(good)
    assert counts == Counter([*(word for _, word in BROKEN.values()), "missing", "unreadable"])
