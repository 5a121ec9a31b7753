import functools
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevalue.annotate.instruments import ordered
from facevalue.annotate.measure import Settings

FAKE = Settings("fake_detector", ordered(["fake"]))


@functools.cache
def picture(squares: int = 1, *, size: int = 96, suffix: str = "png") -> bytes:
    """Return an image with so many red squares, each a face to the fake detector."""
    pixels = np.zeros((size, size, 3), np.uint8)
    for i in range(squares):
        x, y = 4 + 24 * (i % 3), 4 + 24 * (i // 3)
        pixels[y : y + 16, x : x + 16] = (255, 0, 0)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, {"png": "PNG", "bmp": "BMP", "webp": "WEBP", "tif": "TIFF"}[suffix], lossless=True)
    return buffer.getvalue()


def broken() -> dict[str, bytes]:
    """Return twelve kinds of broken file by a name that says the kind."""
    good = picture()
    jpeg = BytesIO()
    Image.effect_noise((96, 96), 60).convert("RGB").save(jpeg, "JPEG")
    webp = picture(suffix="webp")
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + good[24:29]
    bomb = good[:12] + header + zlib.crc32(header).to_bytes(4, "big") + good[33:]
    return {
        "zero.jpg": b"",
        "text.jpg": b"not a photo\n",
        "html.png": b"<!doctype html><html></html>",
        "zip.jpg": b"PK\x03\x04" + bytes(60),
        "random.png": bytes(range(7, 250)),
        "nulls.tif": bytes(400),
        "half.png": good[: len(good) // 2],
        "half.jpg": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "half.webp": webp[: len(webp) // 2],
        "header.jpg": jpeg.getvalue()[:20],
        "bomb.png": bomb,
        "signature.gif": b"GIF89a",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[int], Path]:
    """Return a maker of folders with n photos of one to five faces each."""

    def make(n: int, *, size: int = 96) -> Path:
        photos = tmp_path / "photos"
        photos.mkdir(exist_ok=True)
        for i in range(n):
            (photos / f"{i:04d}.png").write_bytes(picture(1 + i % 5, size=size))
        return photos

    return make
