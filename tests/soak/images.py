"""Small photos of every format and form, and trials of `decode` on what is left of them."""

import functools
import io
import random

import numpy as np
from PIL import Image, ImageCms

from facevalue.data.errors import PhotoError
from facevalue.data.photos import REASONS, decode, several
from tests.soak.mutations import mutated

MAX_PIXELS = 20_000_000


def _saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _pixels() -> np.ndarray:
    """Return a picture, (40, 56, 3) uint8, with structure and noise."""
    rows, columns = np.mgrid[:40, :56]
    draw = np.random.default_rng(0)
    return np.stack([rows * 6, columns * 4, draw.integers(0, 256, (40, 56))], 2).astype(np.uint8)


@functools.cache
def seeds() -> dict[str, bytes]:
    """Return a small photo of each form by its name; HEIC only where the extra is installed."""
    pixels = _pixels()
    rgb, draw = Image.fromarray(pixels), np.random.default_rng(1)
    gray, alpha = rgb.convert("L"), Image.fromarray(np.dstack([pixels, pixels[:, :, 1]]))
    deep = Image.fromarray(draw.integers(0, 65536, (40, 56)).astype(np.uint16))
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {
        "jpeg": _saved(rgb, "JPEG"),
        "progressive": _saved(rgb, "JPEG", progressive=True, quality=60),
        "gray.jpeg": _saved(gray, "JPEG"),
        "cmyk.jpeg": _saved(rgb.convert("CMYK"), "JPEG"),
        "restarts.jpeg": _saved(rgb, "JPEG", restart_marker_blocks=2, subsampling=0),
        "icc.jpeg": _saved(rgb, "JPEG", icc_profile=icc, comment=b"Ann at home"),
        "png": _saved(rgb, "PNG"),
        "deep.png": _saved(deep, "PNG"),
        "palette.png": _saved(rgb.quantize(17), "PNG"),
        "alpha.png": _saved(alpha, "PNG"),
        "see-through.png": _saved(rgb.quantize(9), "PNG", transparency=3),
        "bit.png": _saved(rgb.convert("1"), "PNG"),
        "text.png": _saved(gray, "PNG", icc_profile=icc),
        "interlaced.png": _interlaced(),
        "webp": _saved(rgb, "WEBP"),
        "lossless.webp": _saved(alpha, "WEBP", lossless=True, exif=_exif(6)),
        "animated.webp": _saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)]),
        "bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(rgb.quantize(16), "BMP"),
        "bit.bmp": _saved(rgb.convert("1"), "BMP"),
        "gif": _saved(rgb, "GIF"),
        "animated.gif": _saved(rgb.quantize(8), "GIF", save_all=True, append_images=[rgb.rotate(180).quantize(8)]),
        "avif": _saved(rgb, "AVIF", speed=10),
        "alpha.avif": _saved(alpha, "AVIF", speed=10),
    }
    for name in ("raw", "tiff_lzw", "tiff_deflate", "tiff_jpeg", "packbits"):
        found[f"{name}.tiff"] = _saved(rgb, "TIFF", compression=name)
    found |= {"group4.tiff": _saved(rgb.convert("1"), "TIFF", compression="group4"), "deep.tiff": _saved(deep, "TIFF")}
    found["real.tiff"] = _saved(Image.fromarray(pixels[:, :, 0].astype(np.float32) / 255), "TIFF")
    found["cmyk.tiff"] = _saved(rgb.convert("CMYK"), "TIFF")
    found |= {f"turned{k}.jpeg": _saved(rgb, "JPEG", exif=_exif(k)) for k in range(1, 9)}
    return found | _heic(rgb)


def _exif(turned: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112], made[0x010F] = turned, "Camera of Ann"
    made.get_ifd(0x8825)[1] = "N"
    return made


def _interlaced() -> bytes:
    """Return an interlaced PNG, 8 x 8 gray, which Pillow reads but does not write."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = [bytes(1 + n) for n, count in ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)) for _ in range(count)]
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def _heic(rgb: Image.Image) -> dict[str, bytes]:
    try:
        import pillow_heif
    except ImportError:
        return {}
    buffer = io.BytesIO()
    pillow_heif.from_pillow(rgb).save(buffer, quality=50)
    return {"heic": buffer.getvalue()}


def resized(data: bytes, draw: random.Random) -> bytes:
    """Return a photo whose header promises other, mostly huge, sizes; data that is no PNG, BMP, GIF or JPEG stays."""
    high, wide = (draw.choice((0, 1, 7, 20_000, 65_535, 2**31 - 1, 2**32 - 1)) for _ in range(2))
    if data[:4] == b"\x89PNG":
        import zlib

        body = data[12:16] + wide.to_bytes(4, "big") + high.to_bytes(4, "big") + data[24:29]
        return data[:12] + body + zlib.crc32(body).to_bytes(4, "big") + data[33:]
    if data[:2] == b"BM":
        return data[:18] + wide.to_bytes(4, "little") + high.to_bytes(4, "little") + data[26:]
    if data[:3] == b"GIF":
        return data[:6] + (wide & 0xFFFF).to_bytes(2, "little") + (high & 0xFFFF).to_bytes(2, "little") + data[10:]
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (at := data.find(marker)) > 0:
            return data[: at + 5] + (high & 0xFFFF).to_bytes(2, "big") + (wide & 0xFFFF).to_bytes(2, "big") + data[at + 9 :]
    return data


def changed(seed: int) -> bytes:
    """Return the photo of a trial."""
    draw, known = random.Random(seed), list(seeds().values())
    data = draw.choice(known)
    if draw.random() < 0.1:
        data = resized(data, draw)
    return data if draw.random() < 0.02 else mutated(data, draw, known)


def trial(seed: int) -> str:
    """Decode a changed photo; anything but upright RGB or a reason that is known is a fault."""
    return told(changed(seed))


def told(data: bytes) -> str:
    """Return "decoded", or the first word of the reason why not; raise where neither is as promised."""
    several(data)
    try:
        pixels = decode(data, max_pixels=MAX_PIXELS)
    except PhotoError as error:
        word, detail = error.why.partition(":")[0], error.why
        if word not in REASONS or len(detail.splitlines()) != 1:
            raise AssertionError(f"expected a reason of one line, got {detail!r}") from error
        return word
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
    assert pixels.flags.c_contiguous
    return "decoded"
