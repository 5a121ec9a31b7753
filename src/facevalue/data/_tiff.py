"""Directories of TIFF: those of EXIF blocks, and TIFF files whose every byte is accounted for."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from facevalue.data._leftover import Damaged, Data, Leftover, behind, carved, listed
from facevalue.data._metadata import colour_profile, iptc, photoshop, xmp

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
MAKERNOTE, XMP, IPTC, PHOTOSHOP, ICC, SUB, EXIF, GPS, INTEROP = 37500, 700, 33723, 34377, 34675, 330, 34665, 34853, 40965
POINTERS = {EXIF: "exif", GPS: "gps", INTEROP: "interop", SUB: "sub"}
APART = frozenset((MAKERNOTE, XMP, IPTC, PHOTOSHOP, ICC, *POINTERS))
# What pixels need: size, samples, compression, strips and tiles, colours, and which way is up.
PIXELS = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 290, 291, 292, 293, 296, 297)
) | frozenset((301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340, 341, 342, 347, *range(512, 522)))
PIXELS |= frozenset((529, 530, 531, 532))
STRIPS = ((273, 279), (324, 325), (513, 514))
NAMES = {
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    274: "Orientation",
    305: "Software",
    306: "DateTime",
    315: "Artist",
    33432: "Copyright",
    36867: "DateTimeOriginal",
    37510: "UserComment",
    40091: "XPTitle",
    40092: "XPComment",
    40093: "XPAuthor",
    42016: "ImageUniqueID",
    42032: "CameraOwnerName",
    42033: "BodySerialNumber",
    42037: "LensSerialNumber",
}
MOST_DIRECTORIES, MOST_FIELDS, MOST_PIECES = 256, 4096, 1_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a directory: its type, how many values, where they are and how many bytes they take."""

    kind: int
    count: int
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory: what it is for, and its entries by tag."""

    role: str
    fields: Mapping[int, Field]


@dataclass(slots=True)
class Tiff:
    """A TIFF block in memory, and which bytes of it were accounted for.

    Parameters
    ----------
    data
        From its "II" or "MM" on.
    """

    data: Data
    order: str = ""
    big: bool = False
    used: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        head = self.data[:4]
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or head[2:4].strip(b"\0") not in (b"*", b"+"):
            raise Damaged("expected a TIFF block, II or MM")
        self.big = b"+" in head[2:4]
        self.used.append((0, 16 if self.big else 8))

    def number(self, at: int, code: str) -> int:
        """Return one whole number."""
        size = struct.calcsize(code)
        if at < 0 or at + size > len(self.data):
            raise Damaged(f"a TIFF block of {len(self.data)} bytes points to byte {at}")
        return int(struct.unpack(self.order + code, self.data[at : at + size])[0])

    def directories(self) -> Iterator[Directory]:
        """Yield all directories, those that others point to after these."""
        waiting = [("ifd0", self.number(8, "Q") if self.big else self.number(4, "I"))]
        seen = set[int]()
        while waiting:
            role, at = waiting.pop(0)
            if at == 0:
                continue
            if at in seen:
                raise Damaged("TIFF directories go in a circle")
            if len(seen) == MOST_DIRECTORIES:
                raise Damaged(f"more than {MOST_DIRECTORIES} TIFF directories")
            seen.add(at)
            directory, following = self._directory(role, at)
            yield directory
            for tag, name in POINTERS.items():
                if tag in directory.fields:
                    waiting += [(name, place) for place in self.numbers(directory.fields[tag])]
            if role in ("ifd0", "next", "sub"):
                waiting.append(("next" if role == "ifd0" else role, following))

    def _directory(self, role: str, at: int) -> tuple[Directory, int]:
        """Return a directory and the place of the next one."""
        head, entry, code, room = (8, 20, "Q", 8) if self.big else (2, 12, "I", 4)
        count = self.number(at, "Q" if self.big else "H")
        if count > MOST_FIELDS:
            raise Damaged(f"a TIFF directory of {count} entries")
        self.used.append((at, at + head + count * entry + room))
        fields = {}
        for i in range(count):
            place = at + head + i * entry
            tag, kind, n = self.number(place, "H"), self.number(place + 2, "H"), self.number(place + 4, code)
            size, inline = SIZES.get(kind, 1) * n, place + 4 + room
            where = inline if size <= room else self.number(inline, code)
            if where + size > len(self.data):
                raise Damaged(f"TIFF tag {tag} lies beyond the end")
            self.used.append((where, where + size))
            fields[tag] = Field(kind, n, where, size)
        last = at + head + count * entry
        return Directory(role, fields), self.number(last, code) if last + room <= len(self.data) else 0

    def raw(self, one: Field) -> bytes:
        """Return the bytes of an entry."""
        return self.data[one.at : one.at + one.size]

    def numbers(self, one: Field) -> list[int]:
        """Return the values of an entry of whole numbers."""
        if one.kind not in WHOLE:
            raise Damaged(f"a TIFF entry of type {one.kind} where whole numbers are expected")
        if one.count > MOST_PIECES:
            raise Damaged(f"a TIFF entry of {one.count} values")
        return [int(v) for v in struct.unpack(f"{self.order}{one.count}{WHOLE[one.kind]}", self.raw(one))]

    def pieces(self, directory: Directory) -> list[tuple[int, int]]:
        """Return the first byte and the end of each strip, tile or JPEG of a directory."""
        found = list[tuple[int, int]]()
        for starts, sizes in STRIPS:
            if starts in directory.fields and sizes in directory.fields:
                places = zip(self.numbers(directory.fields[starts]), self.numbers(directory.fields[sizes]), strict=False)
                found += [(at, at + size) for at, size in places]
        return found


def exif(blob: bytes, where: str) -> Iterator[Leftover]:
    r"""Yield what an EXIF block holds; a damaged one is EXIF still, and searched for pictures.

    Examples
    --------
    >>> block = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x0f\x01\x02\0\x04\0\0\0abc\0" + b"\0\0\0\0"
    >>> [(one.kind, one.detail) for one in exif(block, "APP1")]
    [('exif', 'APP1: 1 tag: Make')]
    """
    blob = blob[6:] if blob[:6] in (b"Exif\0\0", b"Exif\0\xff") else blob
    pictures = set[int]()
    try:
        tiff = Tiff(blob)
        for directory in tiff.directories():
            if directory.role in ("next", "sub"):
                picture = b"".join(blob[at:end] for at, end in tiff.pieces(directory)[:1])
                kind = "thumbnail" if directory.role == "next" else "preview"
                jpeg = picture[:3] == b"\xff\xd8\xff"
                yield Leftover(kind, f"{where}: a second directory with {len(picture)} bytes", picture if jpeg else b"")
                pictures |= {at for at, _ in tiff.pieces(directory)}
            yield from _told(tiff, directory, where, PIXELS if directory.role in ("next", "sub") else frozenset())
    except (Damaged, struct.error) as error:
        yield Leftover("exif", f"{where}: damaged")
        yield Leftover("unreadable", f"{where}: EXIF: {error}")
    for found in carved(blob, where):
        if len(blob) - len(found.picture) not in pictures:
            yield found


def _told(tiff: Tiff, directory: Directory, where: str, needed: frozenset[int]) -> Iterator[Leftover]:
    """Yield what the entries of a directory tell, but for those that its pixels need."""
    tags = [tag for tag in directory.fields if tag not in needed and tag not in APART]
    names = listed([NAMES.get(tag, f"{tag:#06x}") for tag in tags])
    count = f"{len(tags)} tag{'s' * (len(tags) != 1)}"
    if directory.role == "gps":
        yield Leftover("gps", f"{where}: GPS, {count}")
    elif tags or (directory.role == "exif" and not directory.fields):
        yield Leftover("exif", f"{where}: {count}: {names}")
    for tag, one in directory.fields.items():
        if tag == MAKERNOTE:
            yield Leftover("makernote", f"{where}: {one.size} bytes")
        elif tag == XMP:
            yield from xmp(tiff.raw(one), where)
        elif tag == IPTC:
            yield from iptc(tiff.raw(one), where)
        elif tag == PHOTOSHOP:
            yield from photoshop(tiff.raw(one), where, exif)
        elif tag == ICC:
            yield colour_profile(tiff.raw(one), where)


def tiff(data: Data) -> Iterator[Leftover]:
    """Yield what a TIFF file holds beside the pixels of its first page; see-through pixels only as a question."""
    block = Tiff(data)
    for number, directory in enumerate(block.directories()):
        if directory.role in ("next", "sub"):
            small = 254 in directory.fields and block.numbers(directory.fields[254])[0] & 1
            yield Leftover("thumbnail" if small else "frames", f"TIFF: directory {number} with {len(directory.fields)} tags")
        elif directory.role == "ifd0" and 338 in directory.fields:
            extra = block.numbers(directory.fields[338])
            yield Leftover("alpha", "" if extra in ([1], [2]) else f"TIFF: {len(extra)} further channels")
        needed = PIXELS if directory.role in ("ifd0", "next", "sub") else frozenset[int]()
        yield from _told(block, directory, "TIFF", needed)
        for at, end in block.pieces(directory):
            if end > len(data):
                raise Damaged("its pixels lie beyond its end")
            block.used.append((at, end))
    yield from _unused(data, block.used)


def _unused(data: Data, used: list[tuple[int, int]]) -> Iterator[Leftover]:
    """Yield the bytes between and behind those that are used, where they are not zeros."""
    reached, lost = 0, 0
    for at, end in sorted(used):
        if at > reached and data[reached:at].strip(b"\0"):
            lost += at - reached
            yield from carved(data[reached:at], "bytes that nothing points to")
        reached = max(reached, end)
    if lost:
        yield Leftover("trailing", f"TIFF: {lost} bytes that nothing points to")
    yield from behind(data, reached, "TIFF")
