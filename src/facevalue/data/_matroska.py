"""What Matroska and WebM films hold beside their pictures."""

from __future__ import annotations

from collections.abc import Iterator

from facevalue.data._leftover import PLAIN_ENCODER, Damaged, Data, Leftover, behind, listed, text
from facevalue.data._streams import in_stream

HEADER, SEGMENT, INFO, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
CLUSTER, CUES, SEEK, ATTACHMENTS, CHAPTERS, TAGS = 0x1F43B675, 0x1C53BB6B, 0x114D9B74, 0x1941A469, 0x1043A770, 0x1254C367
VOID, CRC, TAG, SIMPLE, TAG_NAME, TAG_TEXT = 0xEC, 0xBF, 0x7373, 0x67C8, 0x45A3, 0x4487
ATTACHED, ATTACHED_DATA = 0x61A7, 0x465C
KIND, NAME, DATE, APPS = 0x83, 0x536E, 0x4461, (0x4D80, 0x5741)
IN_INFO = {0x7BA9: "a title", 0x7384: "a file name", 0x3C83AB: "a file name", 0x3E83BB: "a file name"}
# parts of a cluster that no file lacks: times, blocks and groups of them
BLOCKS = frozenset((0xE7, 0xA3, 0xA0, 0xAB, 0xA7))
KINDS = {2: "audio", 17: "subtitles", 18: "other", 32: "data_track", 33: "data_track"}
# the muxer names itself so where it was told to leave its version out
PLAIN_APPS = (b"Lavf", b"")
PLAIN_TAGS = (b"DURATION",)
TOP = (f"{HEADER:x}", f"{SEGMENT:x}")


def matroska(data: Data) -> Iterator[Leftover]:
    """Yield what a Matroska film holds beside one track of pictures.

    Raises
    ------
    Damaged
        An element reaches beyond the one that it lies in.
    """
    end, films = 0, list[Leftover]()
    yield from in_stream(data, 0, len(data))
    while end < len(data) and (end == 0 or data[end : end + 4].hex() in TOP):
        name, at, stop = next(_elements(data, end, len(data)))
        end = stop
        for one in _segment(data, at, stop) if name == SEGMENT else ():
            films += [one] if one.detail == "" else []
            if one.detail:
                yield one
    if len(films) > 1:
        yield Leftover("frames", f"Matroska: {len(films)} tracks of pictures")
    yield from behind(data, end, "Matroska film")


def _number(data: Data, at: int, *, keep: bool) -> tuple[int, int, bool]:
    """Return a number of variable length, the place behind it, and whether it says "unknown"."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not first or at + length > len(data):
        raise Damaged("the Matroska film is damaged or cut short")
    whole = int.from_bytes(data[at : at + length], "big")
    value = whole & ((1 << 7 * length) - 1)
    return whole if keep else value, at + length, value == (1 << 7 * length) - 1


def _elements(data: Data, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, first byte and end of each element; one of unknown length goes to the end, a cluster's parts follow it."""
    while at < end:
        name, at, _ = _number(data, at, keep=True)
        size, at, unknown = _number(data, at, keep=False)
        if unknown and name == CLUSTER:
            yield name, at, at
            continue
        stop = end if unknown else at + size
        if stop > end:
            raise Damaged("the Matroska film is cut short")
        yield name, at, stop
        at = stop


def _segment(data: Data, start: int, end: int) -> Iterator[Leftover]:
    for name, at, stop in _elements(data, start, end):
        if name == INFO:
            yield from _info(data, at, stop)
        elif name == TRACKS:
            for track, first, last in _elements(data, at, stop):
                yield from _track(data, first, last) if track == TRACK else ()
        elif name == TAGS:
            yield from _tags(data, at, stop)
        elif name == ATTACHMENTS:
            yield from _attachments(data, at, stop)
        elif name == CHAPTERS:
            yield Leftover("chapters", f"Matroska: {stop - at} bytes")
        elif name == VOID:
            if data[at:stop].strip(b"\0"):
                yield Leftover("padding", f"Matroska: Void of {stop - at} bytes")
        elif name not in (CLUSTER, CUES, SEEK, CRC, *BLOCKS):
            yield Leftover("other", f"Matroska: element {name:#x}, {stop - at} bytes")


def _info(data: Data, start: int, end: int) -> Iterator[Leftover]:
    for name, at, stop in _elements(data, start, end):
        if name == DATE:
            yield Leftover("time", "Matroska: the day it was made")
        elif name in IN_INFO:
            yield Leftover("text", f"Matroska: {IN_INFO[name]}")
        elif name in APPS and data[at:stop].strip(b"\0") not in PLAIN_APPS:
            yield Leftover("text", "Matroska: the software's name and version")


def _track(data: Data, start: int, end: int) -> Iterator[Leftover]:
    """Yield what a track is; one of pictures without a detail, to be counted."""
    for name, at, stop in _elements(data, start, end):
        if name == KIND:
            kind = int.from_bytes(data[at:stop], "big")
            yield Leftover("frames", "") if kind == 1 else Leftover(KINDS.get(kind, "other"), f"Matroska: track of type {kind}")
        elif name == NAME:
            yield Leftover("text", "Matroska: the name of a track")


def _tags(data: Data, start: int, end: int) -> Iterator[Leftover]:
    names = list[bytes]()
    for tag, at, stop in _elements(data, start, end):
        for one, first, last in _elements(data, at, stop) if tag == TAG else ():
            parts = {part: data[begin:close].strip(b"\0") for part, begin, close in _elements(data, first, last)}
            name = parts.get(TAG_NAME, b"")
            plain = name in PLAIN_TAGS or (name == b"ENCODER" and PLAIN_ENCODER.fullmatch(parts.get(TAG_TEXT, b"")))
            names += [name] if one == SIMPLE and not plain else []
    told = [text(name) for name in names]
    places = [name for name in told if "LOCATION" in name.upper() or "GPS" in name.upper()]
    if places:
        yield Leftover("gps", f"Matroska: {listed(places)}")
    if told:
        yield Leftover("text", f"Matroska: {listed(told)}")


def _attachments(data: Data, start: int, end: int) -> Iterator[Leftover]:
    for name, at, stop in _elements(data, start, end):
        for part, first, last in _elements(data, at, stop) if name == ATTACHED else ():
            if part == ATTACHED_DATA:
                yield Leftover("cover", f"Matroska: an attached file of {last - first} bytes", data[first:last])
