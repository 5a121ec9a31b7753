"""Words inside the streams of films: notes of encoders and cameras, captions. Only where a stream begins is looked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from facevalue.data._leftover import Data, Leftover

LOOKED = 1 << 18
# H.264 and HEVC: "user data unregistered", its size, 16 bytes of a name, words; MPEG-4: "user data", words
NOTE = re.compile(rb"(?:\x06|[\x4e\x50]\x01)\x05\xff*[^\xff].{16}[ -~]{12}|\x00\x00\x01\xb2[ -~]{4}", re.DOTALL)
CAPTIONS = re.compile(rb"\xb5\x00\x31GA94\x03|\x00\x00\x01\xb2GA94\x03")


def in_stream(data: Data, start: int, end: int) -> Iterator[Leftover]:
    r"""Yield the words that the streams between two bytes of a film carry within their first 256 KiB.

    Examples
    --------
    >>> [one.kind for one in in_stream(b"\0\0\1\x06\x05\x30" + bytes(16) + b"x264 - core 165", 0, 37)]
    ['text']
    """
    head = data[start : min(end, start + LOOKED)]
    if CAPTIONS.search(head):
        yield Leftover("subtitles", "captions inside the stream of pictures")
    elif NOTE.search(head):
        yield Leftover("text", "a note inside the stream of pictures")
