"""Walks over the boxes of the ISO base media format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from facevalue.data._leftover import Damaged, Data, text

DEPTH, MOST = 24, 1_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its name, the first byte and the end of what is in it, and how deep it lies."""

    name: bytes
    start: int
    end: int
    depth: int


def boxes(data: Data, at: int, end: int, *, depth: int = 0, loose: bool = False) -> Iterator[Box]:
    r"""Yield the boxes from one byte to another.

    Parameters
    ----------
    data
        The file.
    at, end
        Where they lie.
    depth
        Of the box around them.
    loose
        Whether what is no box ends the walk, as a box without a name, instead of being an error.

    Raises
    ------
    Damaged
        A box reaches beyond the end, or boxes lie too deep.

    Examples
    --------
    >>> [(box.name, box.start, box.end) for box in boxes(b"\0\0\0\x09freex\0\0\0\x08wide", 0, 17)]
    [(b'free', 8, 9), (b'wide', 17, 17)]
    """
    if depth == DEPTH:
        raise Damaged("boxes lie too deep")
    while at + 8 <= end:
        size, name, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        size = end - at if size == 0 else size
        named = all(32 <= letter < 127 or letter == 0xA9 for letter in name)
        if size < start - at or (not named and loose):
            if not loose:
                raise Damaged(f"a box of {size} bytes")
            break
        if at + size > end:
            raise Damaged(f"the box {text(name)} reaches beyond its end: it has {end - at} of {size} bytes")
        yield Box(name, start, at + size, depth + 1)
        at += size
    if loose and data[at:end].strip(b"\0"):
        yield Box(b"", at, end, depth + 1)
