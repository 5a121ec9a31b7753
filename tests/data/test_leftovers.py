import struct
import zlib

import numpy as np
import pytest

from facevalue.data import _png
from facevalue.data._streams import in_stream
from facevalue.data.leftovers import KINDS, container, leftovers
from facevalue.data.photos import decode

from .by_exiftool import exiftool, exiftool_kinds, has_exiftool, written
from .planted import PLANTS, chunk, chunked, noise, saved, small

FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
PHOTOS = [name for name, one in PLANTS.items() if one.suffix not in FILMS]
# One film of each container and kind; the benchmark has all.
FEW_FILMS = (
    "mp4_audio",
    "mp4_texts",
    "mp4_cover",
    "mp4_cut",
    "mp4_note",
    "mp4_subtitles",
    "mov_texts",
    "mov_chapters",
    "mov_timecode",
    "mkv_texts",
    "mkv_note",
    "webm_tracks",
    "avi_audio",
    "avi_note",
)
PICTURE = noise(np.random.default_rng(0))


@pytest.fixture(scope="session", params=[*PHOTOS, *FEW_FILMS])
def name(request):
    if PLANTS[request.param].suffix in FILMS:
        pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    return request.param


@pytest.fixture(scope="session")
def planted(name):
    return PLANTS[name].make(PICTURE)


def test_what_is_planted_is_found(name, planted):
    kinds = {one.kind for one in leftovers(planted)}
    assert PLANTS[name].kinds <= kinds <= set(KINDS) - {"unreadable"}
    if name not in ("jpeg_two_pictures", "tiff_pages", "avif_frames", "mp4_cover"):  # their writers leave more
        assert kinds == PLANTS[name].kinds


@pytest.mark.skipif(not has_exiftool(), reason="exiftool is not installed")
def test_exiftool_finds_nothing_more(tmp_path):
    paths = [tmp_path / f"{name}{PLANTS[name].suffix}" for name in PHOTOS]
    for path in paths:
        path.write_bytes(PLANTS[path.stem].make(PICTURE))
    found = {path.stem: exiftool_kinds(tags) for path, tags in zip(paths, exiftool(paths), strict=True)}
    for path in paths:
        assert found[path.stem] <= {one.kind for one in leftovers(path.read_bytes())}, path.stem
    assert sum(PLANTS[name].kinds == kinds for name, kinds in found.items()) > len(PHOTOS) / 3


@pytest.mark.parametrize("start", [0.3, 0.9])
def test_a_file_that_ends_early_is_never_clean(planted, start):
    found = leftovers(planted[: int(start * len(planted))])
    assert found, "cut short and clean"


def test_damage_is_told_and_never_raised(planted):
    draw = np.random.default_rng(1)
    for _ in range(6):
        data = bytearray(planted)
        for at in draw.integers(0, len(data), 8):
            data[at] = draw.integers(0, 256)
        assert {one.kind for one in leftovers(bytes(data))} <= set(KINDS)


def test_nothing_that_was_planted_is_told(planted):
    told = repr(leftovers(planted))
    assert "Ann" not in told
    assert "52" not in told.replace("bytes", "").split(" ")


def test_embedded_pictures_can_be_decoded():
    for name in (
        "jpeg_exif",
        "jpeg_photoshop",
        "jpeg_jfxx",
        "jpeg_jfif",
        "jpeg_extended_xmp",
        "jpeg_behind_the_end",
        "png_exif",
    ):
        pictures = [one.picture for one in leftovers(PLANTS[name].make(PICTURE)) if one.picture]
        assert [decode(picture, max_pixels=10**6).shape[2] for picture in pictures] == [3], name


def test_a_raw_thumbnail_keeps_its_pixels():
    found = leftovers(PLANTS["jpeg_jfif"].make(PICTURE))
    np.testing.assert_array_equal(decode(found[0].picture, max_pixels=10**6), PICTURE[::4, ::4])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF"])
def test_what_pillow_writes_of_pixels_alone_is_bare(format):
    if format == "HEIF":
        pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    assert leftovers(saved(PICTURE, format)) == ()


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_of_pictures_alone_is_bare(suffix):
    pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    from .planted import filmed

    assert leftovers(filmed(PICTURE, suffix)) == ()


@pytest.mark.skipif(not has_exiftool(), reason="exiftool is not installed")
def test_what_exiftool_writes_is_found(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(PICTURE, "JPEG"))
    (tmp_path / "t.jpg").write_bytes(small(PICTURE))
    place = ("-GPS:GPSLatitude=5", "-GPS:GPSLatitudeRef=N")
    written(path, "-XMP:Creator=Ann", "-IPTC:City=Bo", *place, "-Comment=x", f"-ThumbnailImage<={tmp_path / 't.jpg'}")
    found = leftovers(path.read_bytes())
    assert {one.kind for one in found} == {"exif", "gps", "thumbnail", "xmp", "text", "iptc"}
    assert [one.picture for one in found if one.kind == "thumbnail"] == [small(PICTURE)]


def test_bytes_of_no_format_are_told():
    assert [one.kind for one in leftovers(b"")] == ["unreadable"]
    assert [one.kind for one in leftovers(b"plain words, no picture")] == ["unreadable"]
    assert container(b"plain words.") == ""


def test_a_circle_of_directories_ends():
    circle = b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0"
    assert [one.kind for one in leftovers(circle)] == ["unreadable"]


def test_boxes_within_boxes_end():
    deep = b""
    for _ in range(5000):
        deep = (8 + len(deep)).to_bytes(4, "big") + b"moov" + deep
    assert leftovers(b"\0\0\0\x10ftypisom\0\0\0\0" + deep)[-1].kind == "unreadable"


def test_a_text_that_would_unpack_to_gigabytes_is_cut():
    bomb = zlib.compress(bytes(1 << 22))
    data = chunk(saved(PICTURE, "PNG"), b"zTXt", b"Comment\0\0" + bomb)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_png, "MOST_TEXT", 1000)
        assert [one.detail for one in leftovers(data)] == ["zTXt Comment, 1000 bytes"]


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (9, 33), (8, 1)])
def test_rows_of_an_interlaced_png_are_counted(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    passes = [pixels[top::down, left::across] for left, top, across, down in _png.ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    for more, kinds in ((b"", []), (b"\0", ["trailing"])):
        parts = (b"IHDR", struct.pack(">IIBBBBB", *shape[::-1], 8, 0, 0, 0, 1)), (b"IDAT", zlib.compress(rows + more))
        data = b"\x89PNG\r\n\x1a\n" + b"".join(chunked(name, body) for name, body in (*parts, (b"IEND", b"")))
        np.testing.assert_array_equal(decode(data, max_pixels=10**6)[:, :, 0], pixels)
        assert [one.kind for one in leftovers(data)] == kinds


def test_a_png_of_rows_without_end_is_told_and_not_unpacked():
    bomb = zlib.compress(bytes(1 << 24))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunked(*part) for part in ((b"IHDR", head), (b"IDAT", bomb), (b"IEND", b"")))
    assert [one.detail for one in leftovers(data)] == ["PNG: rows of pixels behind the last one that is shown"]
    huge = data.replace(head, struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 8, 0, 0, 0, 0))
    assert [one.kind for one in leftovers(huge)] == ["unreadable"]


def test_chance_is_no_note_in_a_stream():
    draw = np.random.default_rng(0)
    assert [*in_stream(draw.bytes(1 << 18), 0, 1 << 18), *in_stream(bytes(1 << 18), 0, 1 << 18)] == []
    captions = draw.bytes(999) + b"\x06\x04\x47\xb5\0\x31GA94\x03"
    assert [one.kind for one in in_stream(captions, 0, len(captions))] == ["subtitles"]


def test_a_track_that_lies_in_another_file_is_told():
    source = b"\0\0\0\x14alis\0\0\0\0Ann/at.m"
    dref = struct.pack(">I", 16 + len(source)) + b"dref" + bytes(4) + struct.pack(">I", 1) + source
    data = b"\0\0\0\x10ftypisom\0\0\0\0" + struct.pack(">I", 8 + len(dref)) + b"moov" + dref
    assert [one.detail for one in leftovers(data)] == ["the name of another file"]
    plain = data.replace(source, b"\0\0\0\x0calis\0\0\0\1" + b"\0\0\0\x08alis")
    assert leftovers(plain) == ()


def test_opaque_alpha_is_no_leak_and_one_pixel_is():
    opaque = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)])
    one = opaque.copy()
    one[0, 0, 3] = 254
    assert leftovers(saved(opaque, "PNG")) == ()
    assert [found.detail for found in leftovers(saved(one, "PNG"))] == ["1 of 3072 pixels are not opaque"]


def test_plants_cover_the_formats_and_the_kinds():
    assert {one.suffix for one in PLANTS.values()} >= {
        ".jpg",
        ".png",
        ".webp",
        ".tif",
        ".gif",
        ".bmp",
        ".avif",
        ".heic",
        *FILMS,
    }
    planted = frozenset().union(*(one.kinds for one in PLANTS.values()))
    assert set(KINDS) - planted == {"unreadable"}
