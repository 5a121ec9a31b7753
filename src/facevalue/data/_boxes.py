"""Boxes of the ISO base media format, and the films in them: MP4, MOV, M4V, 3GP. Pictures in boxes: `_heif`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from facevalue.data._heif import items
from facevalue.data._leftover import PLAIN_ENCODER, Damaged, Data, Leftover, carved, listed, text
from facevalue.data._metadata import xmp
from facevalue.data._streams import in_stream
from facevalue.data._walk import Box, boxes

GROUPS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"dinf", b"gmhd", b"tapt"))
SKIPPED = (b"free", b"skip", b"wide")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
STRUCTURE = frozenset(
    (
        b"ftyp styp sidx ssix mfra pdin vmhd smhd nmhd sthd hmhd gmin stts ctts cslg stss "
        b"stz2 stsc stco co64 sdtp sbgp sgpd subs mehd trex mfhd tfhd tfdt trun saiz saio stdp padb stsh tref "
        b"clef prof enof load iods leva trep"
    ).split()
)
TRACKS = {b"soun": "audio", b"text": "subtitles", b"sbtl": "subtitles", b"subt": "subtitles", b"clcp": "subtitles"}
PICTURES = (b"vide", b"pict")
PLAIN_NAMES = (b"", b"VideoHandler", b"SoundHandler", b"DataHandler", b"SubtitleHandler", b"PictureHandler", b"URLDataHandler")
PLACES = (b"\xa9xyz", b"loci")
COMPRESSOR = 50
SLACK = 64
STREAMS = 16
# Encoders cut off a few frames at a start so that others can be put in order.
SECONDS = 0.5


@dataclass(slots=True)
class Film:
    """What is gathered over the boxes of a file.

    Parameters
    ----------
    tracks
        Kinds of the tracks.
    samples
        Bytes that the tracks point to.
    media, used
        First byte and end of each box of media, and of what the items of a picture point to.
    fragments, moov, items
        Whether the film comes in fragments, whether there is a film, and a still picture.
    timed
        Boxes that say when the film was made.
    scale
        Ticks a second of the whole film.
    edits
        Of the track that is being read: ticks of the film that each piece is shown, and the tick of the track where it begins.
    """

    tracks: list[bytes] = field(default_factory=list)
    samples: int = 0
    media: list[tuple[int, int]] = field(default_factory=list)
    fragments: bool = False
    moov: bool = False
    items: bool = False
    used: list[tuple[int, int]] = field(default_factory=list)
    timed: set[str] = field(default_factory=set)
    scale: int = 0
    edits: list[tuple[int, int]] = field(default_factory=list)


def boxed(data: Data) -> Iterator[Leftover]:
    """Yield what a file of boxes holds beside its pixels.

    Raises
    ------
    Damaged
        A box reaches beyond the one that it lies in.
    """
    film, end = Film(), 0
    for box in boxes(data, 0, len(data), loose=True):
        if box.name == b"":
            yield Leftover("trailing", f"{len(data) - box.start} bytes behind the last box")
            yield from carved(data[box.start :], "behind the last box")
            break
        yield from _box(data, box, film)
        end = box.end
    if not film.moov and not film.items:
        raise Damaged(f"the file of {len(data)} bytes has neither a film nor a picture in its {end} bytes of boxes")
    yield from _whole(data, film)


def _whole(data: Data, film: Film) -> Iterator[Leftover]:
    """Yield what the boxes say together: tracks, times, and media that belong to nothing."""
    if film.timed:
        yield Leftover("time", f"made or changed: {listed(sorted(film.timed))}")
    for handler in film.tracks:
        if handler not in (*PICTURES, b"auxv"):
            yield Leftover(TRACKS.get(handler, "data_track"), f"a track of {text(handler)}")
    films = sum(handler in PICTURES for handler in film.tracks)
    if films > 1 or (films and film.items):
        yield Leftover("frames", f"{films} tracks of pictures" + (" beside a still one" if film.items else ""))
    if b"auxv" in film.tracks:
        yield Leftover("alpha", "a track of its own")
    for start, end in film.media[:STREAMS] if film.moov else ():
        yield from in_stream(data, start, end)
    stored = sum(end - start for start, end in film.media)
    if film.moov and not film.fragments and not film.items and stored - film.samples > SLACK:
        yield Leftover("trailing", f"{stored - film.samples} of {stored} bytes of media belong to no track")
    if film.items and not film.moov:
        yield from _unused(data, film)


def _unused(data: Data, film: Film) -> Iterator[Leftover]:
    """Yield media that no item of a picture points to."""
    lost = 0
    for start, end in film.media:
        reached = start
        for at, stop in [*sorted(film.used), (end, end)]:
            if reached < min(at, end) and data[reached : min(at, end)].strip(b"\0"):
                lost += min(at, end) - reached
                yield from carved(data[reached : min(at, end)], "media that nothing points to")
            reached = max(reached, min(stop, end))
    if lost:
        yield Leftover("trailing", f"{lost} bytes of media that nothing points to")


def _box(data: Data, box: Box, film: Film, above: bytes = b"") -> Iterator[Leftover]:
    """Yield what one box holds."""
    name, at, end = box.name, box.start, box.end
    film.moov, film.fragments = film.moov or name == b"moov", film.fragments or name == b"moof"
    if name in GROUPS:
        film.edits = [] if name == b"trak" else film.edits
        for inner in boxes(data, at, end, depth=box.depth):
            yield from _box(data, inner, film, name)
    elif name in SKIPPED:
        if data[at:end].strip(b"\0"):
            yield Leftover("padding", f"{text(name)} of {end - at} bytes")
            yield from carved(data[at:end], text(name))
    elif name == b"hdlr":
        yield from _handler(data, box, film, above)
    elif name == b"prft":
        film.timed.add("prft")
    elif name == b"mdat":
        film.media.append((at, end))
    elif name == b"stsz":
        film.samples += _samples(data, at, end)
    elif name in READERS:
        yield from READERS[name](data, box, film)
    elif name not in STRUCTURE:
        yield from _other(box)


def _timed(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Take down whether a header has times, and yield what of its track is not shown."""
    wide = data[box.start] == 1
    if data[box.start + 4 : box.start + (20 if wide else 12)].strip(b"\0"):
        film.timed.add(text(box.name))
    at, size = box.start + (20 if wide else 12), 8 if wide else 4
    scale, duration = (int.from_bytes(data[i : i + n], "big") for i, n in ((at, 4), (at + 4, size)))
    if box.name == b"mvhd":
        film.scale = scale
    shown = [(length, begin) for length, begin in film.edits if begin >= 0]
    if box.name == b"mdhd" and shown and scale and film.scale:
        seconds = duration / scale - sum(length for length, _ in shown) / film.scale
        if max(seconds, shown[0][1] / scale) > SECONDS:
            yield Leftover("cropped", f"{max(seconds, shown[0][1] / scale):.1f} s of a track are not shown")


def _edits(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Take down which pieces of a track are shown; a piece that begins at -1 is empty."""
    wide, at = (8 if data[box.start] == 1 else 4), box.start + 8
    step = 2 * wide + 4
    if (box.end - at) % step:
        yield Leftover("other", f"box elst, {box.end - box.start} bytes")
    for i in range(at, box.end - step + 1, step):
        begin = int.from_bytes(data[i + wide : i + 2 * wide], "big", signed=True)
        film.edits.append((int.from_bytes(data[i : i + wide], "big"), begin))


def _references(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Yield that a track has another one for its chapters."""
    if b"chap" in [inner.name for inner in boxes(data, box.start, box.end, depth=box.depth)]:
        yield Leftover("chapters", "a track of chapters")


def _sources(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Yield that a track names another file as its source; one in the file itself has four bytes of flags alone."""
    if any(inner.end - inner.start > 4 for inner in boxes(data, box.start + 8, box.end, depth=box.depth)):
        yield Leftover("text", "the name of another file")


def _uuid(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    told = data[box.start : box.start + 16] == XMP_UUID
    yield from xmp(data[box.start + 16 : box.end], "uuid") if told else _other(box)


def _other(box: Box) -> Iterator[Leftover]:
    yield Leftover("other", f"box {text(box.name)}, {box.end - box.start} bytes")


def _handler(data: Data, box: Box, film: Film, above: bytes) -> Iterator[Leftover]:
    """Yield the name that a track's handler has, where it is not a plain one; QuickTime counts its letters first."""
    if above == b"mdia":
        film.tracks.append(data[box.start + 8 : box.start + 12])
    name = data[box.start + 24 : box.end].strip(b"\0")
    if name and name[0] == len(name) - 1:
        name = name[1:]
    if above == b"mdia" and name.replace(b" ", b"") not in PLAIN_NAMES:
        yield Leftover("text", "the name of a track's handler")


def _samples(data: Data, at: int, end: int) -> int:
    """Return the bytes of all samples of a track."""
    size, count = (int.from_bytes(data[i : i + 4], "big") for i in (at + 4, at + 8))
    if size:
        return size * count
    if at + 12 + 4 * count > end:
        raise Damaged("the table of samples is cut short")
    import array
    import sys

    sizes = array.array("I", data[at + 12 : at + 12 + 4 * count])
    if sys.byteorder == "little":
        sizes.byteswap()
    return sum(sizes)


def _description(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Yield the name of a compressor that a track of pictures carries."""
    entry = box.start + 8
    if film.tracks and film.tracks[-1] in PICTURES and entry + COMPRESSOR + 32 <= box.end:
        first = entry + COMPRESSOR + 1
        name = data[first : first + min(data[first - 1], 31)].strip(b"\0 ")
        if name and not PLAIN_ENCODER.fullmatch(name):
            yield Leftover("text", "the compressor's name")


def _user_data(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Yield what a film says about itself: places, texts, chapters, and the lists inside."""
    names = list[bytes]()
    for inner in boxes(data, box.start, box.end, depth=box.depth, loose=True):
        if inner.name == b"meta":
            yield from _meta(data, inner, film)
        elif inner.name in PLACES:
            yield Leftover("gps", f"udta {text(inner.name)}")
        elif inner.name == b"chpl":
            yield Leftover("chapters", "udta chpl")
        elif inner.name == b"XMP_":
            yield from xmp(data[inner.start : inner.end], "udta")
        elif inner.name == b"":
            if data[inner.start : inner.end].strip(b"\0"):
                yield Leftover("other", f"udta: {inner.end - inner.start} bytes")
        else:
            names.append(inner.name)
            yield from carved(data[inner.start : inner.end], f"udta {text(inner.name)}")
    if names:
        yield Leftover("text", f"udta: {listed([text(name) for name in names])}")


def _meta(data: Data, box: Box, film: Film) -> Iterator[Leftover]:
    """Yield what a box of metadata holds: the items of a still picture, or a list of a film's properties."""
    start = box.start if data[box.start + 4 : box.start + 8] == b"hdlr" else box.start + 4
    inner = {one.name: one for one in boxes(data, start, box.end, depth=box.depth)}
    handler = inner.get(b"hdlr")
    if handler is not None and data[handler.start + 8 : handler.start + 12] == b"pict":
        film.items = True
        yield from items(data, inner, film.used)
        return
    keys, values = inner.get(b"keys"), inner.get(b"ilst")
    names = [data[one.start : one.end] for one in boxes(data, keys.start + 8, keys.end, depth=keys.depth)] if keys else []
    for one in boxes(data, values.start, values.end, depth=box.depth + 1) if values else ():
        names += [] if keys or one.name == b"covr" else [one.name]
        if one.name == b"covr":
            for part in boxes(data, one.start, one.end, depth=one.depth):
                yield Leftover("cover", f"ilst covr, {part.end - part.start} bytes", data[part.start + 8 : part.end])
        else:
            yield from carved(data[one.start : one.end], "ilst")
    places = [text(name) for name in names if b"location" in name.lower() or name in PLACES]
    if places:
        yield Leftover("gps", f"meta {listed(places)}")
    if told := [text(name) for name in names if name not in PLACES]:
        yield Leftover("text", f"meta: {listed(told)}")


READERS: Mapping[bytes, Callable[[Data, Box, Film], Iterator[Leftover]]] = {
    b"meta": _meta,
    b"udta": _user_data,
    b"uuid": _uuid,
    b"mvhd": _timed,
    b"tkhd": _timed,
    b"mdhd": _timed,
    b"elst": _edits,
    b"stsd": _description,
    b"tref": _references,
    b"dref": _sources,
}
