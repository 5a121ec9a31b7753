"""One thing that a file holds beside its pixels; every reader of a container yields these."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Data = bytes | mmap.mmap

KINDS = {
    "exif": "EXIF, or tags of a TIFF that its pixels do not need: camera, owner, times, software.",
    "gps": "A place on earth.",
    "thumbnail": "A small picture of the same photo; it may show what the photo hides.",
    "preview": "A further picture inside the file: a preview, an original kept by an editor, what follows the end of a JPEG.",
    "xmp": "XMP: who edited what with which tool, descriptions, people's names.",
    "iptc": "IPTC: title, author, place, people's names.",
    "photoshop": "Resources of Photoshop other than IPTC and pictures.",
    "icc": "A colour profile: harmless as such, but it can name a device.",
    "makernote": "The camera maker's own block: serial numbers, faces found, previews.",
    "text": "Comments, titles, names of software, texts about the file.",
    "time": "When the file was made or changed.",
    "frames": "Further frames or pages behind the one that is seen first, or a second track of pictures.",
    "alpha": "Pixels that are not opaque: their colours are in the file though they are not seen.",
    "cropped": "Pixels beyond the part that is shown, or seconds of a film that are cut off in name only.",
    "auxiliary": "Depth, gain or other maps that go with the picture.",
    "audio": "Sound: voices identify.",
    "subtitles": "Subtitles or other timed text.",
    "data_track": "A track of data: motion, place, timecode.",
    "chapters": "Names of chapters.",
    "cover": "A cover picture or an attached file.",
    "padding": "Space that is to be skipped, yet not empty.",
    "trailing": "Bytes that nothing in the file points to, or that lie behind its end.",
    "other": "A part of the file whose meaning is not known.",
    "unreadable": "The file, or a part of it, could not be read: what is in it is not known.",
}
JPEG_START = b"\xff\xd8\xff"
CARVED = 16
# ffmpeg's encoders name themselves so where they were told to leave their version out
PLAIN_ENCODER = re.compile(rb"Lavc( [a-z][a-z0-9_-]*)?")


class Damaged(ValueError):
    """A container is not built as its format says."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is not pixels.

    Parameters
    ----------
    kind
        One of `KINDS`.
    detail
        Where it lies, what kind of things it holds and how many; never the things themselves.
    picture
        Bytes of an embedded picture that can be decoded by itself; empty where there is none.
    """

    kind: str
    detail: str
    picture: bytes = field(default=b"", repr=False)


def carved(blob: bytes, where: str, kind: str = "preview") -> Iterator[Leftover]:
    """Yield the JPEGs that begin anywhere in a blob.

    Examples
    --------
    >>> [one.detail for one in carved(b"..." + JPEG_START + b"rest", "MakerNote")]
    ['MakerNote: a JPEG at byte 3']
    """
    for found, match in enumerate(re.finditer(re.escape(JPEG_START), blob)):
        if found == CARVED:
            yield Leftover("unreadable", f"{where}: more than {CARVED} pictures")
            return
        yield Leftover(kind, f"{where}: a JPEG at byte {match.start()}", blob[match.start() :])


def behind(data: Data, end: int, what: str) -> Iterator[Leftover]:
    """Yield what lies behind the end of a container; zeros are nothing."""
    rest = data[end:]
    if rest.strip(b"\0"):
        yield Leftover("trailing", f"{len(rest)} bytes behind the end of the {what}")
        yield from carved(rest, f"behind the end of the {what}")


def text(raw: bytes) -> str:
    r"""Return a name of the file's own as plain text of at most 40 characters.

    Examples
    --------
    >>> text(b"eXIf"), text(b"\xa9xyz"), text(b"a\n\x00b")
    ('eXIf', '©xyz', 'a??b')
    """
    plain = raw[:40].decode("latin-1")
    return "".join(one if one.isprintable() else "?" for one in plain)


def listed(names: list[str], most: int = 6) -> str:
    """Return names as a list that ends after a few.

    Examples
    --------
    >>> listed(["a", "b"]), listed(["a", "b", "c"], 2)
    ('a, b', 'a, b and 1 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
