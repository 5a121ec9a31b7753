"""Blocks of metadata that several containers carry: XMP, IPTC, resources of Photoshop, colour profiles."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from facevalue.data._leftover import Leftover, carved

# base64 of pictures inside XMP: thumbnails of editors, the sharp original and the depth of phones' portraits
XMP_PICTURE = re.compile(rb"(GImage:Data|GDepth:Data|xmpGImg:image)(?:\s*=\s*[\"']|>)([A-Za-z0-9+/=\s&#;]{64,})")
PLACES = (b"GPSL", b"Iptc4xmpExt:Location", b"photoshop:City")
IPTC_RESOURCE, ICC_RESOURCE, XMP_RESOURCE = 0x0404, 0x040F, 0x0424
PICTURES, EXIFS = (0x0409, 0x040C), (0x0422, 0x0423)
PICTURE_HEADER = 28
Exif = Callable[[bytes, str], Iterator[Leftover]]


def xmp(packet: bytes, where: str) -> Iterator[Leftover]:
    """Yield what a packet of XMP holds: itself, places, pictures.

    Examples
    --------
    >>> [one.kind for one in xmp(b"<x exif:GPSLatitude='1,2N'/>", "APP1")]
    ['xmp', 'gps']
    """
    yield Leftover("xmp", f"{where}: XMP, {len(packet)} bytes")
    if any(place in packet for place in PLACES):
        yield Leftover("gps", f"{where}: a place in XMP")
    for match in XMP_PICTURE.finditer(packet):
        kind = {b"GDepth:Data": "auxiliary", b"GImage:Data": "preview"}.get(match[1], "thumbnail")
        plain = re.sub(rb"&#x[0-9A-Fa-f]+;|&#\d+;|[^A-Za-z0-9+/=]", b"", match[2])
        try:
            picture = base64.b64decode(plain)
        except (binascii.Error, ValueError):
            yield Leftover("unreadable", f"{where}: a picture in XMP")
            picture = b""
        yield Leftover(kind, f"{where}: a picture in XMP, {len(picture)} bytes", picture)


def iptc(blob: bytes, where: str) -> Iterator[Leftover]:
    """Yield that there are records of IPTC, and how many bytes of them."""
    if blob:
        yield Leftover("iptc", f"{where}: IPTC, {len(blob)} bytes")


def colour_profile(blob: bytes, where: str) -> Leftover:
    """Return that there is a profile of colours."""
    return Leftover("icc", f"{where}: a colour profile, {len(blob)} bytes")


def photoshop(blob: bytes, where: str, exif: Exif) -> Iterator[Leftover]:
    """Yield what a block of Photoshop's resources holds, each a "8BIM", a number, a name and its bytes."""
    at, others = 0, 0
    while at + 12 <= len(blob):
        number, name = int.from_bytes(blob[at + 4 : at + 6], "big"), blob[at + 6]
        start = at + 6 + (name + 2) // 2 * 2
        size = int.from_bytes(blob[start : start + 4], "big")
        body = blob[start + 4 : start + 4 + size]
        if not blob[at : at + 4].isalnum() or len(body) < size:
            yield Leftover("photoshop", f"{where}: damaged")
            yield from carved(blob[at:], where)
            return
        if number == IPTC_RESOURCE:
            yield from iptc(body, where)
        elif number in PICTURES:
            yield Leftover("thumbnail", f"{where}: a picture of Photoshop, {size} bytes", body[PICTURE_HEADER:])
        elif number in EXIFS:
            yield from exif(body, where)
        elif number == XMP_RESOURCE:
            yield from xmp(body, where)
        elif number == ICC_RESOURCE:
            yield colour_profile(body, where)
        else:
            others += 1
        at = start + 4 + (size + 1) // 2 * 2
    if others or at < len(blob.rstrip(b"\0")):
        yield Leftover("photoshop", f"{where}: {others} resource{'s' * (others != 1)}")
