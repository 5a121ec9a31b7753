"""Photos written bare: nothing but pixels, and the file is opened again to see that it is so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import PhotoError, Unreadable, WrongShape
from facevalue.data.files import replacing
from facevalue.data.leftovers import leftovers

# Chroma is kept whole: halved, the colour of what is hidden would bleed into its neighbours and theirs into it.
FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "JPEG": ("quality", {"subsampling": 0}),
    "PNG": ("", {"compress_level": 1}),
    "WEBP": ("quality", {"method": 2}),
    "AVIF": ("quality", {"speed": 9, "subsampling": "4:4:4"}),
    "HEIF": ("quality", {"chroma": 444}),
    "TIFF": ("", {"compression": "raw"}),
    "GIF": ("", {}),
    "BMP": ("", {}),
}
BY_SUFFIX = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".heic", ".heif"), "HEIF"),
    **{f".{name.lower()}": name for name in ("PNG", "WEBP", "AVIF", "GIF", "BMP")},
}
BARE = frozenset(BY_SUFFIX)


def write_bare(pixels: np.ndarray, path: str | Path, *, quality: int = 95) -> str:
    """Write a photo in the format of its suffix, without anything but its pixels, and return the sha256 of the file.

    The file is read again before it gets its name: where `leftovers` names anything in it, or it has another size, there is
    no file. Nothing of another file under that name is kept either way: it is replaced, or, on an error, stays as it was.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        RGB, upright.
    path
        *.jpg, .png, .webp, .tif, .bmp, .gif (256 colours), .avif, or .heic with the extra `heic`.
    quality
        Of JPEG, WebP, AVIF and HEIC, 1 to 100.

    Raises
    ------
    PhotoError
        "unknown_format", "leftovers" or "not_written", and the file; "needs_heic".
    WrongShape
        The pixels are none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> sha256 = write_bare(np.zeros((8, 8, 3), np.uint8), folder / "a.png")
    >>> leftovers((folder / "a.png").read_bytes()), hashlib.sha256((folder / "a.png").read_bytes()).hexdigest() == sha256
    ((), True)
    """
    path = Path(path)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise WrongShape(f"{path}: expected (h, w, 3) uint8 RGB, got {pixels.shape} {pixels.dtype}")
    if not 1 <= quality <= 100:
        raise ValueError(f"{path}: expected a quality of 1 to 100, got {quality}")
    encoded = _encoded(pixels, path, quality)
    try:
        with replacing(path) as part:
            part.write_bytes(encoded)
            written = part.read_bytes()
            _check(written, pixels.shape[:2], path)
    except OSError as error:
        raise PhotoError(f"not_written: {path}: {error.strerror or error}") from error
    return hashlib.sha256(written).hexdigest()


def bare_format(path: str | Path) -> str:
    """Return Pillow's name of the format that a path's suffix asks for.

    Raises
    ------
    PhotoError
        "unknown_format": none that can be written bare.

    Examples
    --------
    >>> bare_format("a.JPG")
    'JPEG'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in BY_SUFFIX:
        raise PhotoError(f"unknown_format: {path}: expected one of {', '.join(sorted(BARE))}")
    return BY_SUFFIX[suffix]


def _encoded(pixels: np.ndarray, path: Path, quality: int) -> bytes:
    from PIL import Image

    name = bare_format(path)
    if name == "HEIF":
        _with_heic()
    word, options = FORMATS[name]
    buffer = BytesIO()
    try:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image.save(buffer, name, **options, **({word: quality} if word else {}))
    except (OSError, ValueError, KeyError) as error:
        raise PhotoError(f"not_written: {path}: {' '.join(str(error).split())}") from error
    return buffer.getvalue()


def _with_heic() -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise Unreadable("needs_heic: pip install 'facevalue[heic]'") from error
    register: Callable[[], None] = pillow_heif.register_heif_opener
    register()


def _check(written: bytes, shape: tuple[int, ...], path: Path) -> None:
    """Raise PhotoError where a file has anything but pixels, or other ones."""
    from PIL import Image

    if found := leftovers(written):
        told = "; ".join(f"{one.kind}: {one.detail}" for one in found)
        raise PhotoError(f"leftovers: {path}: expected nothing but pixels, got {told}; it was not written")
    name = bare_format(path)
    with Image.open(BytesIO(written), formats=(name,)) as image:
        if image.size != shape[::-1]:
            raise PhotoError(f"not_written: {path}: expected {shape[1]}x{shape[0]} px, got {image.width}x{image.height}")
