"""An image file's bytes to upright RGB pixels, or the reason why not."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from facevalue.data.errors import TooLarge, Unreadable

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"))
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BMP_HEADERS = frozenset(n.to_bytes(4, "little") for n in (12, 40, 52, 56, 64, 108, 124))
END_OF_JPEG = b"\xff\xd9"
ORIENTATION = 0x0112
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
SAMPLE_FORMAT = 339
UNSIGNED = (1,)


def decode(data: bytes, *, max_pixels: int) -> np.ndarray:
    """Return the upright RGB pixels of an image file; of several frames or pages, the first.

    EXIF orientation is applied. Transparent pixels are laid over white. CMYK goes to RGB by Pillow's plain formula and
    colour profiles are left alone. 16-bit gray is divided by 257, 16-bit colour keeps its high byte; gray of 32 bits,
    whole or real, is scaled from the smallest of the ranges 0..1 (real only), 0..255, 0..65535, 0..2**32 - 1 that
    holds it. A JPEG damaged in its middle but complete decodes, as in every viewer, to what libjpeg makes of it; a
    file that ends before its last pixel never decodes.

    Parameters
    ----------
    data
        JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, or HEIC with the extra `heic`.
    max_pixels
        Most pixels (width times height) that are decoded; checked on the header.

    Returns
    -------
    (h, w, 3) uint8, contiguous, read-only

    Raises
    ------
    Unreadable
        `why` is "empty", "not_an_image", "truncated: ...", "unreadable: ..." or "needs_heic: ...".
    TooLarge
        `why` is "too_many_pixels: <width>x<height> > <max_pixels>".
    """
    if not data:
        raise Unreadable("empty")
    formats = (*FORMATS, "HEIF") if _needs_heic(data) else FORMATS
    try:
        with _QUIET:
            return _pixels(data, formats, max_pixels)
    except TooLarge:
        raise
    except Exception as error:  # a damaged file can fail anywhere in Pillow, with any error
        raise Unreadable(_why(data, error)) from error


def several(data: bytes) -> bool:
    """Return whether a file that `decode` reads is an animation or has several pages, of which `decode` gives the first."""
    from PIL import Image

    formats = (*FORMATS, "HEIF") if _needs_heic(data) else FORMATS
    try:
        with _QUIET, Image.open(BytesIO(data), formats=formats) as opened:
            return opened.format != "JPEG" and bool(getattr(opened, "is_animated", False))
    except Exception:  # as above; what follows the first picture is damaged, but something follows
        return True


def looks_like_image(head: bytes) -> bool:
    """Return whether a file that begins with these bytes, at least 18, is of a format that `decode` knows."""
    bmp = head[:2] == b"BM" and head[14:18] in BMP_HEADERS
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    boxed = head[4:8] == b"ftyp" and head[8:12] in HEIC | {b"avif", b"avis"}
    return head.startswith(MAGIC) or bmp or webp or boxed


def one_line(error: BaseException) -> str:
    """Return an error's words on one line of at most 160 characters, or its name where it has none."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 160 else words[:159] + "…"


def _pixels(data: bytes, formats: tuple[str, ...], max_pixels: int) -> np.ndarray:
    from PIL import Image

    opened = Image.open(BytesIO(data), formats=formats)
    if opened.width * opened.height > max_pixels:
        raise TooLarge(f"too_many_pixels: {opened.width}x{opened.height} > {max_pixels}")
    if opened.format == "JPEG" and opened.fp and data.rfind(END_OF_JPEG) < opened.fp.tell():
        raise EOFError("the JPEG has no end; what follows its last pixels is filler")
    opened.load()
    turned = opened.getexif().get(ORIENTATION, 1)
    image = _rgb(opened)
    if turned in TURNS:
        image = image.transpose(Image.Transpose[TURNS[turned]])
    pixels = _array(image)
    pixels.flags.writeable = False
    return pixels


def _array(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB image, out of Pillow's own memory where it lies in one block of four bytes a px."""
    import cv2
    import pyarrow as pa

    try:
        quads = pa.array(image).flatten().to_numpy().reshape(image.height, image.width, 4)
    except ValueError:
        return np.asarray(image)
    return np.asarray(cv2.cvtColor(quads, cv2.COLOR_RGBA2RGB))


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        return paper
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if image.mode == "I" and getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, UNSIGNED) == UNSIGNED:
        values = values.view(np.uint32)
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0).clip(0)
    ranges = {"I": (255, 65535, 2**32), "F": (1, 255, 65535, 2**32)}.get(image.mode, (65535,))
    top = next((top for top in ranges if values.max() <= top), values.max())
    return np.rint(values * np.float32(255 / top)).astype(np.uint8)


def _needs_heic(data: bytes) -> bool:
    """Return whether the bytes are HEIC, after making Pillow able to read it."""
    brands = data[8 : int.from_bytes(data[:4], "big")]
    if data[4:8] != b"ftyp" or data[8:12] not in HEIC or b"avif" in brands or b"avis" in brands:
        return False
    try:
        import pillow_heif
    except ImportError as error:
        raise Unreadable("needs_heic: pip install 'facevalue[heic]'") from error
    pillow_heif.register_heif_opener()
    return True


def _why(data: bytes, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if not looks_like_image(data[:32]):
        return "not_an_image"
    if (promised := _promised(data)) > len(data):
        return f"truncated: {len(data)} of {promised} bytes"
    if isinstance(error, UnidentifiedImageError):
        return "unreadable: damaged or cut short"
    words = one_line(error)
    return f"{'truncated' if isinstance(error, EOFError) or 'truncated' in words.lower() else 'unreadable'}: {words}"


def _promised(data: bytes) -> int:
    """Return how many bytes the file says that it has, of WebP, AVIF and HEIC; 0 where it does not say."""
    if data[:4] == b"RIFF":
        return int.from_bytes(data[4:8], "little") + 8
    end = 0
    while data[4:8] == b"ftyp" and end + 8 <= len(data):
        size = int.from_bytes(data[end : end + 4], "big")
        end += size if size > 1 else int.from_bytes(data[end + 8 : end + 16], "big") or len(data)
    return end


class _Quiet:
    """Keep Pillow's warnings, and its own limit on pixels, out of the way: `max_pixels` is the limit here.

    Both are states of the whole process, so the first thread in saves them and the last one out puts them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: int | None = None
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        from PIL import Image

        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        from PIL import Image

        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                Image.MAX_IMAGE_PIXELS = self._limit
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()
