"""What a photo or a film gives away beside its pixels: `leftovers` reads the container itself and names every part of it.

Pixels of an obscured photo can hide a face while the same file carries it whole: in a thumbnail, in the preview of an editor,
behind the end, under transparent pixels, on a second page. Nothing is decompressed but texts, and nothing that was found is
told but its kind, place and size. The streams inside a film (as of H.264) are not looked into.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from io import BytesIO

from facevalue.data._boxes import boxed
from facevalue.data._jpeg import jpeg
from facevalue.data._leftover import KINDS, Damaged, Data, Leftover
from facevalue.data._matroska import matroska
from facevalue.data._pixels import one_line
from facevalue.data._png import png
from facevalue.data._riff import avi, bmp, gif, webp
from facevalue.data._tiff import tiff

__all__ = ["KINDS", "Leftover", "container", "leftovers"]

MOST = 2000
MOST_PIXELS = 50_000_000
Reader = Callable[[Data], Iterator[Leftover]]
STARTS: tuple[tuple[bytes, Reader], ...] = (
    (b"\xff\xd8\xff", jpeg),
    (b"\x89PNG\r\n\x1a\n", png),
    (b"GIF87a", gif),
    (b"GIF89a", gif),
    (b"BM", bmp),
    (b"II*\0", tiff),
    (b"MM\0*", tiff),
    (b"II+\0", tiff),
    (b"MM\0+", tiff),
    (b"\x1a\x45\xdf\xa3", matroska),
)
FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def container(head: bytes) -> str:
    r"""Return the name of the container that a file with these first 12 bytes is; "" where none is known.

    Examples
    --------
    >>> container(b"\xff\xd8\xff\xe0" + bytes(8)), container(b"RIFF....WEBP"), container(b"plain words.")
    ('jpeg', 'webp', '')
    """
    reader = _reader(head)
    return "" if reader is None else reader.__name__


def leftovers(data: Data) -> tuple[Leftover, ...]:
    """Return everything in a photo or a film that is not its pixels.

    JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, HEIC; MP4, MOV, M4V, WebM, Matroska, AVI. What a format cannot do without is no
    leftover: sizes, tables, colour spaces without a profile, resolution, which way is up in TIFF, AVIF and HEIC.

    Parameters
    ----------
    data
        The whole file.

    Returns
    -------
    tuple of Leftover
        In their order in the file; none of a bare one. A file that is damaged, or of another format, has one of the kind
        "unreadable".

    Examples
    --------
    >>> from PIL import Image; from io import BytesIO
    >>> bare, told = BytesIO(), BytesIO()
    >>> Image.new("RGB", (8, 8)).save(bare, "JPEG"); Image.new("RGB", (8, 8)).save(told, "JPEG", comment=b"Ann at home")
    >>> leftovers(bare.getvalue())
    ()
    >>> leftovers(told.getvalue())
    (Leftover(kind='text', detail='a comment, 11 bytes'),)
    >>> leftovers(told.getvalue()[:100])[-1].kind
    'unreadable'
    """
    if not len(data):
        return (Leftover("unreadable", "empty"),)
    reader = _reader(data[:12])
    if reader is None:
        return (Leftover("unreadable", "of no format that is known"),)
    found, question = list[Leftover](), False
    try:
        for one in reader(data):
            question = question or (one.kind == "alpha" and not one.detail)
            found += [one] if one.detail else []
            if len(found) > MOST:
                raise Damaged(f"more than {MOST} parts")
    except (Damaged, IndexError, struct.error, OverflowError, MemoryError) as error:
        found.append(Leftover("unreadable", one_line(error)))
    if question:
        found += _see_through(data)
    return tuple(dict.fromkeys(found))


def _reader(head: bytes) -> Reader | None:
    if head[:4] == b"RIFF":
        return {b"WEBP": webp, b"AVI ": avi}.get(head[8:12])
    if head[4:8] in FIRST_BOXES:
        return boxed
    return next((reader for start, reader in STARTS if head.startswith(start)), None)


def _see_through(data: Data) -> Iterator[Leftover]:
    """Yield how many pixels of a picture with an alpha channel are not opaque."""
    from PIL import Image

    from facevalue.data import _pixels

    try:
        formats = (*_pixels.FORMATS, "HEIF") if _pixels._needs_heic(data[:64]) else _pixels.FORMATS
        with _pixels._QUIET, Image.open(BytesIO(data), formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                yield Leftover("alpha", f"{image.width}x{image.height} pixels: too many to look whether they are opaque")
                return
            counts = image.convert("RGBA").getchannel("A").histogram()
    except Exception as error:  # a damaged file can fail anywhere in Pillow, with any error
        yield Leftover("unreadable", f"its alpha channel: {one_line(error)}")
        return
    if hidden := sum(counts[:-1]):
        yield Leftover("alpha", f"{hidden} of {sum(counts)} pixels are not opaque")
