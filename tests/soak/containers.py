"""The pure readers of containers: what they find in photos and films that are damaged."""

import functools
import random
import struct

from facevalue.data.leftovers import KINDS, leftovers
from tests.soak.images import seeds
from tests.soak.mutations import mutated


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def _element(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return name + struct.pack(">I", 0x10000000 | len(body)) + body


@functools.cache
def films() -> dict[str, bytes]:
    """Return the bones of an MP4, a Matroska and an AVI: boxes without pictures."""
    header = _box(b"mvhd", bytes(4), struct.pack(">IIII", 1, 2, 1000, 5000), bytes(80))
    track = _box(b"trak", _box(b"tkhd", bytes(84)), _box(b"mdia", _box(b"hdlr", bytes(8), b"soun", bytes(13))))
    words = _box(b"udta", _box(b"\xa9nam", struct.pack(">HH", 11, 0), b"Ann at home"))
    mp4 = _box(b"ftyp", b"isom", bytes(4), b"isommp42") + _box(b"moov", header, track, words) + _box(b"mdat", bytes(64))
    head = _element(b"\x1a\x45\xdf\xa3", _element(b"\x42\x82", b"webm"))
    about = _element(b"\x15\x49\xa9\x66", _element(b"\x7b\xa9", b"Ann"), _element(b"\x44\x61", bytes(8)))
    mkv = head + _element(b"\x18\x53\x80\x67", about, _element(b"\x1f\x43\xb6\x75", _element(b"\xe7", b"\0"), bytes(40)))

    def riff(name: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    avi = riff(
        b"RIFF", b"AVI ", riff(b"LIST", b"INFO", riff(b"INAM", b"Ann")), riff(b"LIST", b"movi", riff(b"00dc", bytes(32)))
    )
    return {"mp4": mp4, "mkv": mkv, "avi": avi}


def changed(seed: int) -> bytes:
    """Return the file of a trial."""
    draw, known = random.Random(seed), [*seeds().values(), *films().values()]
    data = draw.choice(list(films().values())) if draw.random() < 0.4 else draw.choice(known)
    return mutated(data, draw, known)


def told(data: bytes) -> str:
    """Return whether anything was found; raise where something is found that has no name."""
    found = leftovers(data)
    assert {one.kind for one in found} <= set(KINDS)
    assert all(one.detail for one in found)
    if any(one.kind == "unreadable" for one in found):
        return "unreadable"
    return "leftovers" if found else "bare"


def trial(seed: int) -> str:
    """Look through a changed photo or film; anything but a list of leftovers is a fault."""
    return told(changed(seed))
