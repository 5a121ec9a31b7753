"""Still pictures in boxes: the items of AVIF and HEIC files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facevalue.data._leftover import Damaged, Data, Leftover, carved, text
from facevalue.data._metadata import colour_profile, xmp
from facevalue.data._tiff import exif
from facevalue.data._walk import Box, boxes

PICTURES = frozenset(
    (b"av01", b"hvc1", b"hev1", b"lhv1", b"avc1", b"vvc1", b"jpeg", b"j2k1", b"unci", b"grid", b"iden", b"iovl")
)
PROPERTIES = frozenset(
    b"ispe pixi pasp irot imir av1C hvcC avcC vvcC lhvC j2kH uncC cmpd a1op a1lx lsel clli mdcv cclv amve tols oinf".split()
)
ALPHA = (b":auxiliary:alpha", b"auxid:1")
MOST = 100_000
# Encoders fill their last blocks, of up to 64 px, and cut that off again.
CROPPED = 64


@dataclass(slots=True)
class Item:
    """One item: what it is, and what it says that it holds."""

    kind: bytes
    content: bytes = b""


def items(data: Data, inner: Mapping[bytes, Box], used: list[tuple[int, int]]) -> Iterator[Leftover]:
    """Yield what the items of a still picture hold beside the primary one.

    Parameters
    ----------
    data
        The file.
    inner
        The boxes of its `meta`, by name.
    used
        Filled with the bytes of the file that items point to.
    """
    known = _infos(data, inner[b"iinf"]) if b"iinf" in inner else {}
    places, refs = _places(data, inner), _references(data, inner)
    for number, spans in places.items():
        used += spans
        if number in known:
            yield from _blob(data, known[number], spans)
    yield from _pictures(data, inner, known, places, refs)
    yield from _properties(data, inner)
    for name, box in inner.items():
        if name not in (b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"dinf", b"grpl"):
            yield Leftover("other", f"meta: box {text(name)}, {box.end - box.start} bytes")


def _whole(data: Data, at: int, size: int, end: int) -> int:
    if at + size > end:
        raise Damaged("the boxes of its items are cut short")
    return int.from_bytes(data[at : at + size], "big")


def _infos(data: Data, box: Box) -> dict[int, Item]:
    """Return the items by their number."""
    start = box.start + (6 if data[box.start] == 0 else 8)
    found = dict[int, Item]()
    for one in boxes(data, start, box.end, depth=box.depth):
        version, at = data[one.start], one.start + 4
        if one.name != b"infe" or version < 2:
            continue
        wide = 2 if version == 2 else 4
        number, kind = _whole(data, at, wide, one.end), data[at + wide + 2 : at + wide + 6]
        words = data[at + wide + 6 : one.end].split(b"\0")
        found[number] = Item(kind, words[1] if len(words) > 1 else b"")
    return found


@dataclass(slots=True)
class _Numbers:
    """Reads whole numbers of some bytes, one behind the other, out of a box."""

    data: Data
    at: int
    end: int

    def next(self, size: int) -> int:
        """Return the next one; 0 of no bytes."""
        self.at += size
        return _whole(self.data, self.at - size, size, self.end)


def _places(data: Data, inner: Mapping[bytes, Box]) -> dict[int, list[tuple[int, int]]]:
    """Return the first byte and the end of each piece of each item, in the file."""
    if b"iloc" not in inner:
        return {}
    box = inner[b"iloc"]
    numbers, version = _Numbers(data, box.start + 4, box.end), data[box.start]
    sizes, more = divmod(numbers.next(1), 16), divmod(numbers.next(1), 16)
    widths, base_width = (more[1] if version else 0, *sizes), more[0]
    wide, found = 4 if version == 2 else 2, dict[int, list[tuple[int, int]]]()
    first_of = {0: 0, 1: inner[b"idat"].start if b"idat" in inner else 0}
    for _ in range(min(numbers.next(wide), MOST)):
        number = numbers.next(wide)
        method = numbers.next(2) & 15 if version else 0
        numbers.next(2)
        base = first_of.get(method, 0) + numbers.next(base_width)
        spans = [_span(numbers, base, widths) for _ in range(numbers.next(2))]
        found[number] = spans if method in first_of else []
    return found


def _span(numbers: _Numbers, base: int, widths: tuple[int, ...]) -> tuple[int, int]:
    """Return the first byte and the end of one piece: its index, place and length stand there with these widths."""
    _, offset, length = (numbers.next(width) for width in widths)
    last = base + offset + length if length else len(numbers.data)
    if last > len(numbers.data):
        raise Damaged(f"an item reaches beyond its end: it has {len(numbers.data)} of {last} bytes")
    return base + offset, last


def _references(data: Data, inner: Mapping[bytes, Box]) -> list[tuple[bytes, int, list[int]]]:
    """Return kind, from and to of each reference between items."""
    if b"iref" not in inner:
        return []
    box = inner[b"iref"]
    wide, found = 2 if data[box.start] == 0 else 4, list[tuple[bytes, int, list[int]]]()
    for one in boxes(data, box.start + 4, box.end, depth=box.depth):
        count = _whole(data, one.start + wide, 2, one.end)
        targets = [_whole(data, one.start + wide + 2 + i * wide, wide, one.end) for i in range(count)]
        found.append((one.name, _whole(data, one.start, wide, one.end), targets))
    return found


def _blob(data: Data, item: Item, spans: list[tuple[int, int]]) -> Iterator[Leftover]:
    """Yield what an item that is no picture holds."""
    if item.kind in PICTURES or item.kind == b"tmap":
        return
    blob = b"".join(data[first:last] for first, last in spans)
    if item.kind == b"Exif":
        skip = int.from_bytes(blob[:4], "big")
        yield from exif(blob[4 + skip :] if skip + 4 <= len(blob) else blob, "item Exif")
    elif item.kind == b"mime" and b"rdf" in item.content:
        yield from xmp(blob, "item mime")
    else:
        yield Leftover("other", f"item {text(item.kind)} {text(item.content)}, {len(blob)} bytes")
        yield from carved(blob, f"item {text(item.kind)}")


def _pictures(
    data: Data,
    inner: Mapping[bytes, Box],
    known: Mapping[int, Item],
    places: Mapping[int, list[tuple[int, int]]],
    refs: list[tuple[bytes, int, list[int]]],
) -> Iterator[Leftover]:
    """Yield the pictures that are neither the primary one nor its tiles."""
    primary = None
    if b"pitm" in inner:
        box = inner[b"pitm"]
        primary = _whole(data, box.start + 4, 2 if data[box.start] == 0 else 4, box.end)
    role = {one: "tile" for kind, _, targets in refs if kind == b"dimg" for one in targets}
    role |= {source: "thumbnail" for kind, source, _ in refs if kind == b"thmb"}
    role |= {source: "aux" for kind, source, _ in refs if kind == b"auxl"}
    maps = [one for one, item in known.items() if item.kind == b"tmap"]
    for number, item in known.items():
        if item.kind not in PICTURES or number == primary or role.get(number) == "tile":
            continue
        kind = {"thumbnail": "thumbnail", "aux": "aux"}.get(role.get(number, ""), "frames")
        size = sum(last - first for first, last in places.get(number, []))
        jpeg = b"".join(data[first:last] for first, last in places.get(number, [])) if item.kind == b"jpeg" else b""
        if kind != "aux":
            yield Leftover(kind, f"a further picture, {size} bytes", jpeg)
    if maps:
        yield Leftover("auxiliary", f"{len(maps)} gain maps")


def _properties(data: Data, inner: Mapping[bytes, Box]) -> Iterator[Leftover]:
    """Yield what the properties of the items tell: profiles, depth, texts, and whether pixels may be see-through."""
    if b"iprp" not in inner:
        return
    groups = boxes(data, inner[b"iprp"].start, inner[b"iprp"].end, depth=inner[b"iprp"].depth)
    sizes, shown = list[tuple[int, int]](), list[tuple[int, int]]()
    for box in [one for group in groups if group.name == b"ipco" for one in boxes(data, group.start, group.end, depth=3)]:
        body = data[box.start : box.end]
        if box.name == b"ispe":
            sizes.append((int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:12], "big")))
        elif box.name == b"clap" and len(body) >= 16:
            w, wd, h, hd = (int.from_bytes(body[i : i + 4], "big") for i in (0, 4, 8, 12))
            shown.append((w // max(wd, 1), h // max(hd, 1)))
        elif box.name == b"colr":
            if body[:4] in (b"prof", b"rICC"):
                yield colour_profile(body[4:], "colr")
        elif box.name == b"auxC":
            through = any(word in body for word in ALPHA)
            yield Leftover("alpha", "") if through else Leftover("auxiliary", "depth or another map")
        elif box.name == b"udes":
            yield Leftover("text", "a description of an item")
        elif box.name not in PROPERTIES:
            yield Leftover("other", f"property {text(box.name)}, {len(body)} bytes")
    for width, height in shown:
        if not any(0 <= w - width < CROPPED and 0 <= h - height < CROPPED for w, h in sizes):
            yield Leftover("cropped", "only a part of its pixels is shown")
