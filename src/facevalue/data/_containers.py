"""Whether a film's file holds as many bytes as its own outermost boxes say; ffmpeg is silent where one ends between frames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

SEGMENT = bytes.fromhex("18538067")


def ends_early(path: Path) -> bool:
    """Return whether an MP4, QuickTime, AVI, Matroska or WebM file ends before its last outermost box does.

    Parameters
    ----------
    path
        Of a file; other kinds never end early.

    References
    ----------
    ISO/IEC 14496-12, 4.2; Matroska, RFC 9559, 5.1 and EBML, RFC 8794, 4 and 5; RIFF, Microsoft 1991.
    """
    size = os.path.getsize(path)
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF":
            return 8 + int.from_bytes(start[4:8], "little") > size
        if start[:4] == bytes.fromhex("1a45dfa3"):
            return _matroska_end(file, size) > size
        return start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip") and _boxes_end(file, size) > size


def _boxes_end(file: IO[bytes], size: int) -> int:
    """Return where the last of the outermost boxes of an ISO file ends."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return size
        at += length
    return at


def _matroska_end(file: IO[bytes], size: int) -> int:
    """Return where the segment of an EBML file ends; at the file's end where its length is not told."""
    file.seek(4)
    at = 4 + sum(_number(file))
    file.seek(at)
    if file.read(4) != SEGMENT:
        return size
    width, length = _number(file)
    return size if length == (1 << 7 * width) - 1 else at + 4 + width + length


def _number(file: IO[bytes]) -> tuple[int, int]:
    """Return the width in bytes and the value of the variable-length number that comes next."""
    first = file.read(1)[0]
    width = 9 - first.bit_length()
    return width, int.from_bytes(bytes([first & (0xFF >> width)]) + file.read(width - 1), "big")
