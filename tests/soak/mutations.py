"""Bytes and values changed at random, by a seeded generator."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

LENGTHS = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    10**400,
    1e308,
    -0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "NaN",
    "../../x",
    "\ud800",
    "\0",
    [],
    [[]],
    {},
    {"x": {}},
    [None],
    [1, "a", None],
    ["a"] * 3,
    [[1, 2], [3]],
)
CELLS = (
    "",
    "NA",
    "nan",
    "inf",
    "-1",
    "1e999",
    "²",
    "٣",
    "0x1",
    "1_0",
    '"',
    'a"b',
    ",",
    ";",
    "\n",
    "\r",
    "\0",
    "../../x",
    "/etc/passwd",
    "\u202e",
    "9" * 400,
    "x" * 5000,
    "-",
    "[",
    "2027-02-30",
    "1.5",
    "()",
    " ",
)


def flipped(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes of which a few bits are turned."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return the first bytes."""
    return data[: draw.randrange(len(data))]


def without(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes of which a stretch is left out."""
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.choice((1, 2, 4, 16, 256)) :]


def doubled(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes of which a stretch stands twice, or many times."""
    at, size = draw.randrange(len(data)), draw.choice((1, 4, 16, 200))
    return data[:at] + data[at : at + size] * draw.choice((1, 2, 40)) + data[at:]


def spliced(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return the beginning of one file and the end of another."""
    other = draw.choice(others)
    return data[: draw.randrange(len(data))] + other[draw.randrange(len(other)) :]


def pasted(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes over which a stretch of another file is laid."""
    other = draw.choice(others)
    start, at = draw.randrange(len(other)), draw.randrange(len(data))
    piece = other[start : start + draw.choice((2, 8, 64, 1024))]
    return data[:at] + piece + data[at + len(piece) :]


def lengthened(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes in which a number of one, two, four or eight bytes is another: most of them are lengths somewhere."""
    width, order = draw.choice((1, 2, 4, 4, 8)), draw.choice(("big", "little"))
    near = 0 if draw.random() < 0.6 else max(len(data) - 64, 0)
    at = draw.randrange(near, min(near + 128, len(data))) if draw.random() < 0.5 else draw.randrange(len(data))
    old = int.from_bytes(data[at : at + width], order)
    new = draw.choice((*LENGTHS, old + 1, old - 1, old * 2, len(data))) % (1 << 8 * width)
    return data[:at] + new.to_bytes(width, order) + data[at + width :]


def filled(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes of which a stretch is all 0, all 255 or noise."""
    at, size = draw.randrange(len(data)), draw.choice((1, 4, 32, 512))
    piece = draw.choice((bytes(size), b"\xff" * size, draw.randbytes(size)))
    return data[:at] + piece + data[at + size :]


BYTES: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...]
BYTES = (flipped, flipped, cut, without, doubled, spliced, pasted, lengthened, lengthened, lengthened, filled)


def mutated(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Return bytes changed in one to four ways."""
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        data = draw.choice(BYTES)(data or b"\0", draw, [other for other in others if other])
    return data


def mutated_json(text: bytes, draw: random.Random) -> bytes:
    """Return JSON in which some value is another, is gone, stands twice, or has another name."""
    value = json.loads(text)
    for _ in range(draw.choice((1, 1, 2, 3))):
        value = _changed(value, draw)
    return json.dumps(value, ensure_ascii=draw.random() < 0.9).encode("utf-8", "surrogatepass")


def _changed(value: Any, draw: random.Random) -> Any:
    deeper = isinstance(value, dict | list) and value and draw.random() < 0.85
    if not deeper:
        return _other(value, draw)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copy = draw.choice(keys), value.copy()
    way = draw.random()
    if way < 0.1:
        del copy[key]
    elif way < 0.15:
        copy = copy | {draw.choice(("", "x", "../x", key + "_")): value[key]} if isinstance(copy, dict) else [*copy, value[key]]
    else:
        copy[key] = _changed(value[key], draw)
    return copy


def _other(value: Any, draw: random.Random) -> Any:
    if isinstance(value, list) and draw.random() < 0.3:
        return [value]
    if isinstance(value, int | float) and draw.random() < 0.4:
        return draw.choice((-value, value + 1, value * 1000, str(value)[:99], [value], value // 7))
    return draw.choice(JUNK)


def mutated_table(text: bytes, draw: random.Random) -> bytes:
    """Return lines of text of which cells, lines or columns are others, are gone or stand twice."""
    mark = next((mark for mark in (b"\t", b";", b",") if mark in text.partition(b"\n")[0]), b" ").decode()
    rows = [line.split(mark) for line in text.decode().split("\n")]
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(rows))
        row = rows[at]
        k, way = draw.randrange(len(row)), draw.random()
        if way < 0.5:
            row[k] = draw.choice(CELLS)
        elif way < 0.6:
            row[k] = draw.choice(draw.choice(rows))
        elif way < 0.7:
            del row[k]
            rows[at] = row or [""]
        elif way < 0.8:
            row.insert(k, draw.choice(CELLS))
        elif way < 0.9:
            rows.insert(at, list(draw.choice(rows)))
        elif len(rows) > 1:
            del rows[at]
    return "\n".join(mark.join(row) for row in rows).encode("utf-8", "surrogatepass")
