"""What WebP, AVI, GIF and BMP files hold beside their pixels."""

from __future__ import annotations

from collections.abc import Iterator

from facevalue.data._leftover import Damaged, Data, Leftover, behind, listed, text
from facevalue.data._metadata import colour_profile, xmp
from facevalue.data._streams import in_stream
from facevalue.data._tiff import exif

LISTS = (b"LIST", b"RIFF")
WEBP_PIXELS = (b"VP8 ", b"VP8X", b"ANIM", b"ALPH")
AVI_INDEX = (b"idx1", b"avih", b"strf", b"vprp", b"dmlh", b"indx")
TRACKS = {b"auds": "audio", b"txts": "subtitles", b"mids": "audio"}
DEPTH, MOST = 6, 4_000_000
# A muxer reserves room for an index: a header without entries in it is no content.
EMPTY_INDEX = 16
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
BITFIELDS = (3, 6)


def chunks(data: Data, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and end of each chunk of a RIFF list.

    Raises
    ------
    Damaged
        A chunk reaches beyond the list.
    """
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            raise Damaged(f"the chunk {text(data[at : at + 4])} reaches beyond its end")
        yield data[at : at + 4], at + 8, at + 8 + size
        at += 8 + size + size % 2


def _whole(data: Data, what: str) -> int:
    """Return the end of a RIFF file by its own word."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise Damaged(f"the {what} has {len(data)} of {end} bytes")
    return end


def webp(data: Data) -> Iterator[Leftover]:
    """Yield what a WebP holds beside its pixels; see-through pixels only as a question."""
    end, frames, through = _whole(data, "WebP"), 0, False
    for name, start, stop in chunks(data, 12, end):
        frames += name == b"ANMF"
        through = through or name in (b"ALPH", b"ANMF") or (name == b"VP8L" and bool(data[start + 4] & 0x10))
        if name == b"ICCP":
            yield colour_profile(data[start:stop], "ICCP")
        elif name == b"EXIF":
            yield from exif(data[start:stop], "EXIF")
        elif name == b"XMP ":
            yield from xmp(data[start:stop], "XMP")
        elif name not in (*WEBP_PIXELS, b"VP8L", b"ANMF"):
            yield Leftover("other", f"WebP: chunk {text(name)}, {stop - start} bytes")
    if frames > 1:
        yield Leftover("frames", f"WebP: {frames} frames")
    if through:
        yield Leftover("alpha", "")
    yield from behind(data, end + end % 2 if end < len(data) else end, "WebP")


def avi(data: Data) -> Iterator[Leftover]:
    """Yield what an AVI holds beside its pictures."""
    at, films = 0, list[Leftover]()
    while data[at : at + 4] == b"RIFF":
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if end > len(data):
            raise Damaged(f"the AVI has {len(data)} of {end} bytes")
        for one in _avi_list(data, at + 12, end, 0):
            films += [one] if one.kind == "frames" else []
            if one.kind != "frames":
                yield one
        at = end + end % 2
    if len(films) > 1:
        yield Leftover("frames", f"AVI: {len(films)} tracks of pictures")
    yield from behind(data, min(at, len(data)), "AVI")


def _avi_list(data: Data, start: int, end: int, depth: int) -> Iterator[Leftover]:
    if depth == DEPTH:
        raise Damaged("lists of the AVI lie too deep")
    for name, at, stop in chunks(data, start, end):
        kind = data[at : at + 4]
        if name == b"LIST" and kind == b"INFO":
            yield Leftover("text", f"AVI: {listed([text(tag) for tag, *_ in chunks(data, at + 4, stop)])}")
        elif name == b"LIST" and kind == b"movi":
            yield from in_stream(data, at, stop)
        elif name in LISTS:
            yield from _avi_list(data, at + 4, stop, depth + 1)
        elif name == b"strh":
            yield Leftover("frames" if kind == b"vids" else TRACKS.get(kind, "data_track"), f"AVI: a track of {text(kind)}")
        elif name == b"JUNK":
            if stop - at - data[at:stop].count(b"\0") > EMPTY_INDEX:
                yield Leftover("padding", f"AVI: JUNK of {stop - at} bytes")
        elif name == b"IDIT":
            yield Leftover("time", "AVI: IDIT")
        elif name not in AVI_INDEX:
            yield Leftover("other", f"AVI: chunk {text(name)}, {stop - at} bytes")


def gif(data: Data) -> Iterator[Leftover]:
    """Yield what a GIF holds beside its first frame.

    Raises
    ------
    Damaged
        It has no end.
    """
    at, frames = 13 + _table(data[10]), 0
    while (sign := data[at : at + 1]) != b";":
        if sign == b",":
            frames += 1
            at = _blocks(data, at + 11 + _table(data[at + 9]))[1]
        elif sign == b"!":
            label = data[at + 1]
            body, at = _blocks(data, at + 2)
            yield from _extension(label, body)
        else:
            raise Damaged("the GIF has no end" if not sign else "the GIF has a block that is none")
    if frames > 1:
        yield Leftover("frames", f"GIF: {frames} frames")
    yield from behind(data, at + 1, "GIF")


def _table(packed: int) -> int:
    """Return the bytes of a table of colours."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _blocks(data: Data, at: int) -> tuple[list[bytes], int]:
    """Return blocks up to the empty one, and the place behind it."""
    found = list[bytes]()
    while at < len(data) and (size := data[at]):
        found.append(data[at + 1 : at + 1 + size])
        at += 1 + size
        if len(found) == MOST:
            raise Damaged("the GIF has too many blocks")
    if at >= len(data):
        raise Damaged("the GIF has no end")
    return found, at + 1


def _extension(label: int, body: list[bytes]) -> Iterator[Leftover]:
    first, size = (body[0] if body else b""), sum(map(len, body))
    if label == 0xFE:
        yield Leftover("text", f"GIF: a comment, {size} bytes")
    elif label == 0x01:
        yield Leftover("text", "GIF: a text in the picture")
    elif label == 0xFF and first.startswith(b"XMP Data"):
        yield from xmp(b"".join(body[1:]), "GIF")
    elif label == 0xFF and first.startswith(b"ICCRGBG1"):
        yield colour_profile(b"".join(body[1:]), "GIF")
    elif not (label == 0xF9 or (label == 0xFF and first in LOOPS)):
        yield Leftover("other", f"GIF: extension {label:#x} {text(first) if label == 0xFF else ''}, {size} bytes")


def bmp(data: Data) -> Iterator[Leftover]:
    """Yield what a BMP holds beside its pixels: profile, fourth bytes, gaps, bytes behind its end.

    Raises
    ------
    Damaged
        It is shorter than its pixels.
    """
    start, head = int.from_bytes(data[10:14], "little"), int.from_bytes(data[14:18], "little")
    if head < 40 or len(data) < 54:
        raise Damaged(f"a BMP with a header of {head} bytes: only those of 40 and more are read")
    width, height = (abs(int.from_bytes(data[at : at + 4], "little", signed=True)) for at in (18, 22))
    bits, packing = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    coded = int.from_bytes(data[34:38], "little")
    size = coded if packing not in (0, *BITFIELDS) else (width * bits + 31) // 32 * 4 * height
    if start + size > len(data):
        raise Damaged("the BMP ends before its last pixel")
    if head >= 124 and (profile := int.from_bytes(data[130:134], "little")):
        yield colour_profile(bytes(profile), "BMP")
    colours = int.from_bytes(data[46:50], "little") or (1 << bits if bits <= 8 else 0)
    table = 14 + head + 4 * colours + (12 if head == 40 and packing == 3 else 0)
    if table < start and data[table:start].strip(b"\0"):
        yield Leftover("trailing", f"BMP: {start - table} bytes before the pixels")
    if bits == 32 and len(set(data[start + 3 : start + size : 4])) > 1:
        yield Leftover("alpha", "BMP: a fourth byte a pixel")
    yield from behind(data, start + size, "BMP")
