"""What a PNG holds beside its pixels: chunks, and what lies behind its end."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator

from facevalue.data._leftover import Damaged, Data, Leftover, behind, text
from facevalue.data._metadata import colour_profile, iptc, photoshop, xmp
from facevalue.data._tiff import exif

HEADER = 8
# pixels and how they are to be seen; tRNS is looked at by itself
PIXELS = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"sBIT",
        b"bKGD",
        b"pHYs",
        b"hIST",
        b"cICP",
        b"mDCV",
        b"cLLI",
    )
)
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
ANIMATED = (b"acTL", b"fcTL", b"fdAT")
XMP_WORDS = (b"XML:com.adobe.xmp", b"Raw profile type xmp", b"Raw profile type APP1")
RAW = re.compile(rb"\s*\w+\s+\d+\s+([0-9A-Fa-f\s]*)")
MOST_TEXT, MOST_ROWS, PIECE = 1 << 26, 1 << 31, 1 << 16
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Left, top, steps across and down of the seven passes of an interlaced picture.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(data: Data) -> Iterator[Leftover]:
    """Yield what a PNG holds beside its pixels; see-through pixels only as a question, for somebody who decodes.

    Raises
    ------
    Damaged
        It has no end, or a chunk reaches beyond it.
    """
    at, through, frames = HEADER, False, 0
    head, coded = b"", list[bytes]()
    while True:
        if at + 12 > len(data):
            raise Damaged("the PNG has no end")
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if at + 12 + size > len(data):
            raise Damaged(f"the chunk {text(name)} of the PNG reaches beyond its end")
        start, at = at + 8, at + 12 + size
        if name == b"IEND":
            break
        through = through or name == b"tRNS" or (name == b"IHDR" and size == 13 and data[start + 9] in (4, 6))
        frames += name == b"fcTL"
        head = data[start : start + size] if name == b"IHDR" else head
        coded += [data[start : start + size]] if name == b"IDAT" else []
        if name not in PIXELS and name not in ANIMATED:
            yield from _chunk(name, data[start : start + size])
    if frames > 1:
        yield Leftover("frames", f"PNG: {frames} frames")
    if through:
        yield Leftover("alpha", "")
    yield from _behind_rows(b"".join(coded), head)
    yield from behind(data, at, "PNG")


def _behind_rows(coded: bytes, head: bytes) -> Iterator[Leftover]:
    """Yield what the packed rows hold behind the last one that is shown, and what lies behind them."""
    wanted = _unpacked(head)
    if wanted > MOST_ROWS:
        yield Leftover("unreadable", f"PNG: {wanted} bytes of rows, too many to look behind the last one")
        return
    unpacker, rows, at = zlib.decompressobj(), 0, 0
    try:
        while at < len(coded) and not unpacker.eof and rows <= wanted:
            waiting, at = coded[at : at + PIECE], at + PIECE
            while waiting and not unpacker.eof and rows <= wanted:
                rows += len(unpacker.decompress(waiting, 16 * PIECE))
                waiting = unpacker.unconsumed_tail
        rows += len(unpacker.flush()) if rows <= wanted else 0
    except zlib.error:
        yield Leftover("unreadable", "PNG: its rows are damaged")
    if rows > wanted:
        yield Leftover("trailing", "PNG: rows of pixels behind the last one that is shown")
    elif unpacker.eof and (rest := unpacker.unused_data + coded[at:]):
        yield Leftover("trailing", f"PNG: {len(rest)} bytes behind its rows")


def _unpacked(head: bytes) -> int:
    """Return how many bytes the rows of a PNG have, by its header: a byte, and its pixels, each."""
    width, height, samples = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big"), SAMPLES.get(head[9], 4)
    total = 0
    for left, top, across, down in ADAM7 if head[12] else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // across), -((top - height) // down)
        total += rows * (1 + (columns * samples * head[8] + 7) // 8) if columns > 0 and rows > 0 else 0
    return total


def _chunk(name: bytes, body: bytes) -> Iterator[Leftover]:
    if name in TEXTS:
        yield from _text(name, body)
    elif name == b"eXIf":
        yield from exif(body, "eXIf")
    elif name == b"iCCP":
        yield colour_profile(body, "iCCP")
    elif name == b"tIME":
        yield Leftover("time", "tIME")
    else:
        yield Leftover("other", f"PNG: chunk {text(name)}, {len(body)} bytes")


def _text(name: bytes, body: bytes) -> Iterator[Leftover]:
    """Yield a text, or the block of metadata that is kept in one."""
    word, _, rest = body.partition(b"\0")
    where = f"{text(name)} {text(word)}"
    if name == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        packed, rest = name == b"zTXt", rest[1:] if name == b"zTXt" else rest
    if packed:
        try:
            unpacker = zlib.decompressobj()
            rest = unpacker.decompress(rest, MOST_TEXT)
        except zlib.error:
            yield Leftover("unreadable", f"{where}: damaged")
            rest = b""
    kind = word.removeprefix(b"Raw profile type ").lower()
    raw = _unhexed(rest) if kind != word.lower() else rest
    if word in XMP_WORDS and b"<" in raw:
        yield from xmp(raw, where)
    elif kind in (b"exif", b"app1") and kind != word.lower():
        yield from exif(raw, where)
    elif kind in (b"iptc", b"8bim") and kind != word.lower():
        yield from photoshop(raw, where, exif) if raw[:4] == b"8BIM" else iptc(raw, where)
    elif kind in (b"icc", b"icm") and kind != word.lower():
        yield colour_profile(raw, where)
    else:
        yield Leftover("text", f"{where}, {len(rest)} bytes")


def _unhexed(profile: bytes) -> bytes:
    """Return the bytes that a profile of ImageMagick spells in hexadecimal."""
    match = RAW.fullmatch(profile)
    try:
        return binascii.unhexlify(re.sub(rb"\s", b"", match[1])) if match else profile
    except binascii.Error:
        return profile
