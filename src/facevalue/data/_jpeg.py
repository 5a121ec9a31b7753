"""What a JPEG holds beside its pixels: segments, and what lies behind its end."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from facevalue.data._leftover import Damaged, Data, Leftover, behind, text
from facevalue.data._metadata import colour_profile, photoshop, xmp
from facevalue.data._tiff import exif

# start, end and restart markers have no length; these segments hold what the pixels need
ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
PIXELS = frozenset((*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD)) - {0xC8}
COMMENT, END, SCAN = 0xFE, 0xD9, 0xDA
NEXT = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
XMP, MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP, ICC, MPF = b"Photoshop 3.0\0", b"ICC_PROFILE\0", b"MPF\0"
MORE_XMP_HEADER = len(MORE_XMP) + 40
JFIF, JFXX, ADOBE = b"JFIF\0", b"JFXX\0", b"Adobe"


def jpeg(data: Data) -> Iterator[Leftover]:
    """Yield what a JPEG holds beside its pixels.

    Raises
    ------
    Damaged
        It has no end, or a segment reaches beyond it.
    """
    split: dict[str, list[bytes]] = {"photoshop": [], "xmp": []}
    frames, at = 0, 2
    while True:
        at, marker, skipped = _marker(data, at)
        if skipped:
            yield Leftover("trailing", f"{skipped} bytes between the segments of the JPEG")
        if marker == END:
            break
        if marker in ALONE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            raise Damaged(f"the segment {marker:#x} of the JPEG reaches beyond its end")
        frames += marker in PIXELS and marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xCC)
        if marker not in PIXELS:
            yield from _segment(marker, data[at + 2 : at + size], split)
        at += size
        if marker == SCAN:
            at = _behind_scan(data, at)
    if split["photoshop"]:
        yield from photoshop(b"".join(split["photoshop"]), "APP13", exif)
    if split["xmp"]:
        yield from xmp(b"".join(split["xmp"]), "APP1, extended")
    if frames > 1:
        yield Leftover("frames", f"{frames} frames in one JPEG")
    yield from behind(data, at, "JPEG")


def _marker(data: Data, at: int) -> tuple[int, int, int]:
    """Return the place behind the next marker, the marker, and how many bytes before it belong to nothing."""
    start = at
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise Damaged("the JPEG has no end")
        marker = data[at + 1]
        if marker not in (0x00, 0xFF):
            return at + 2, marker, len(data[start:at].strip(b"\0\xff"))
        at += 1


def _behind_scan(data: Data, at: int) -> int:
    """Return the place of the first marker behind entropy-coded data."""
    found = NEXT.search(data, at)
    if found is None:
        raise Damaged("the JPEG has no end")
    return found.start()


def _segment(marker: int, body: bytes, split: dict[str, list[bytes]]) -> Iterator[Leftover]:
    """Yield what one segment holds; parts of a block that goes over several segments are gathered."""
    if marker == COMMENT:
        yield Leftover("text", f"a comment, {len(body)} bytes")
    elif marker == 0xE0:
        yield from _app0(body)
    elif marker == 0xE1 and body[:5] == b"Exif\0":
        yield from exif(body, "APP1")
    elif marker == 0xE1 and body.startswith(XMP):
        yield from xmp(body[len(XMP) :], "APP1")
    elif marker == 0xE1 and body.startswith(MORE_XMP):
        split["xmp"].append(body[MORE_XMP_HEADER:])
    elif marker == 0xE2 and body.startswith(ICC):
        yield colour_profile(body, "APP2")
    elif marker == 0xE2 and body.startswith(MPF):
        yield Leftover("preview", "APP2: an index of further pictures (MPF)")
    elif marker == 0xED and body.startswith(PHOTOSHOP):
        split["photoshop"].append(body[len(PHOTOSHOP) :])
    elif not (marker == 0xEE and body[:5] == ADOBE and len(body) == 12):
        name = f"APP{marker - 0xE0}" if marker in range(0xE0, 0xF0) else f"segment {marker:#x}"
        yield Leftover("other", f"{name}: {_name(body)}, {len(body)} bytes")


def _app0(body: bytes) -> Iterator[Leftover]:
    """Yield the thumbnail of a JFIF header or its extension; the header itself belongs to the format."""
    if body[:5] == JFIF and len(body) >= 14:
        width, height = body[12], body[13]
        if width and height:
            yield Leftover("thumbnail", f"APP0: JFIF, {width}x{height}", _bitmap(body[14:], width, height))
        elif len(body) > 14:
            yield Leftover("other", f"APP0: JFIF, {len(body) - 14} bytes too many")
    elif body[:5] == JFXX and len(body) > 8:
        code, raw = body[5], body[6:]
        small = raw if code == 0x10 else _bitmap(raw[2:], raw[0], raw[1]) if code == 0x13 else b""
        yield Leftover("thumbnail", f"APP0: JFXX {code:#x}, {len(raw)} bytes", small)
    else:
        yield Leftover("other", f"APP0: {_name(body)}, {len(body)} bytes")


def _name(body: bytes) -> str:
    """Return the name that a segment begins with, up to its zero; what has none is content, and not told."""
    name, zero, _ = body[:32].partition(b"\0")
    return text(name) if zero else "without a name"


def _bitmap(rgb: bytes, width: int, height: int) -> bytes:
    """Return rows of RGB as a BMP file, or nothing where there are too few."""
    row = 3 * width
    if len(rgb) < row * height:
        return b""
    swapped = bytearray(rgb[: row * height])
    swapped[0::3], swapped[2::3] = swapped[2::3], swapped[0::3]
    rows = b"".join(bytes(swapped[i * row : (i + 1) * row]).ljust((row + 3) // 4 * 4, b"\0") for i in range(height))
    head = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows
