import hashlib

import numpy as np
import pytest
from PIL import Image

from facevalue.data import bare
from facevalue.data.bare import BARE, bare_format, write_bare
from facevalue.data.errors import PhotoError, WrongShape
from facevalue.data.leftovers import leftovers
from facevalue.data.photos import SUFFIXES, decode

from .by_exiftool import exiftool, exiftool_rest, has_exiftool
from .planted import noise, saved

PICTURE = noise(np.random.default_rng(0), 33, 51)
# Mean difference in levels of 255: none without loss.
LOSS = {"PNG": 0, "BMP": 0, "TIFF": 0, "JPEG": 2, "WEBP": 6, "AVIF": 4, "HEIF": 3, "GIF": 8}


def test_every_suffix_of_a_photo_can_be_written():
    assert BARE == SUFFIXES


@pytest.mark.parametrize("suffix", sorted(BARE))
def test_a_file_has_the_pixels_and_nothing_else(suffix, tmp_path):
    if bare_format(f"a{suffix}") == "HEIF":
        pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    path = tmp_path / f"new/a{suffix.upper()}"
    sha256 = write_bare(PICTURE, path)
    data = path.read_bytes()
    assert leftovers(data) == ()
    assert sha256 == hashlib.sha256(data).hexdigest()
    back = decode(data, max_pixels=10**6).astype(int)
    assert np.abs(back - PICTURE).mean() <= LOSS[bare_format(path)]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(not has_exiftool(), reason="exiftool is not installed")
def test_exiftool_finds_nothing_either(tmp_path):
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    paths = [tmp_path / f"a{suffix}" for suffix in sorted(BARE)]
    for path in paths:
        write_bare(PICTURE, path)
    tags = exiftool(paths)
    assert [exiftool_rest(one) for one in tags] == [set()] * len(BARE)
    assert all("File:FileType" in one for one in tags)


def test_read_only_and_strided_pixels_are_written(tmp_path):
    view = np.repeat(PICTURE, 2, 0)[::2]
    view.flags.writeable = False
    write_bare(view, tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), PICTURE)


def test_a_lower_quality_is_smaller(tmp_path):
    for quality in (95, 40):
        write_bare(PICTURE, tmp_path / f"{quality}.jpg", quality=quality)
    assert (tmp_path / "40.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size


def test_what_is_not_bare_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(bare, "_encoded", lambda *_: saved(PICTURE, "JPEG", comment=b"Ann"))
    (tmp_path / "b.jpg").write_bytes(b"before")
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(PhotoError, match=r"^leftovers: .*text: a comment, 3 bytes; it was not written$"):
            write_bare(PICTURE, tmp_path / name)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("b.jpg", b"before")]


def test_other_pixels_than_asked_for_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(bare, "_encoded", lambda *_: saved(PICTURE[:10], "JPEG"))
    with pytest.raises(PhotoError, match="expected 51x33 px, got 51x10"):
        write_bare(PICTURE, tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    with pytest.raises(PhotoError, match=r"^unknown_format: .*a\.txt: expected one of \.avif"):
        write_bare(PICTURE, tmp_path / "a.txt")
    with pytest.raises(PhotoError, match="^not_written"):
        write_bare(np.zeros((1, 70_000, 3), np.uint8), tmp_path / "a.jpg")
    for wrong in (PICTURE[:, :, 0], PICTURE[:0], PICTURE.astype(np.float32)):
        with pytest.raises(WrongShape, match=r"expected \(h, w, 3\) uint8"):
            write_bare(wrong, tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="1 to 100"):
        write_bare(PICTURE, tmp_path / "a.jpg", quality=0)
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r"needs_heic: pip install 'facevalue\[heic\]'"):
        write_bare(PICTURE, tmp_path / "a.heic")
    assert list(tmp_path.iterdir()) == []
