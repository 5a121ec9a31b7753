"""The photos of a run: blocks of what one input holds, kept as bytes and numbers, and made to `Photo` when asked for."""

from __future__ import annotations

import functools
import itertools
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, overload

import numpy as np


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo, found but not yet read.

    Parameters
    ----------
    path
        Relative to the input it was found in, "/" between folders, valid UTF-8, unique within a run.
    where
        The file's absolute path, its address in a store, "<parquet>#<row>" or "<tar>#<offset>+<bytes>".
    data
        The bytes, of a photo that came as bytes.
    why
        The reason for which it must not be read; "" where it may be.
    """

    path: str
    where: str
    data: bytes | None = None
    why: str = ""


class Texts(Sequence[str]):
    """Strings in one piece of memory: their bytes, and eight for each one's end."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])
        for word in words:
            self.append(word)

    def append(self, word: str) -> None:
        """Add a string."""
        self._bytes += word.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        i = range(len(self))[at]
        return self._bytes[self._ends[i] : self._ends[i + 1]].decode("utf-8", "surrogatepass")


class Block(Protocol):
    """What one input holds: n photos, whose paths are told apart from other blocks' by the name of its folder.

    `alone` says that neither a place nor a path comes twice in it.
    """

    folder: str
    alone: bool

    def __len__(self) -> int: ...
    def __getitem__(self, i: int, /) -> Photo: ...
    def entry(self, i: int, /) -> tuple[str, str]:
        """Return a photo's path and its place; "" where nothing else can have the same place."""
        ...

    def words(self) -> Mapping[str, Sequence[str]]:
        """Return what is given of the photos, a word each, by the name of the column."""
        ...


@dataclass(slots=True)
class Files:
    """Files below one folder, or objects below one prefix; the place is root, name and tail."""

    folder: str
    root: str
    names: Texts
    alone: bool = False
    tail: str = ""
    whys: dict[int, str] = field(default_factory=dict)
    told: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Photo:
        return Photo(*self.entry(i), None, self.whys.get(i, ""))

    def entry(self, i: int) -> tuple[str, str]:
        """Return a photo's path and its place."""
        name = self.names[i]
        return name, f"{self.root}{name}{self.tail}"

    def words(self) -> Mapping[str, Sequence[str]]:
        """Return what a table beside the files says of them."""
        return {} if self.told is None else self.told(self.names)


@dataclass(slots=True)
class Listed:
    """Photos as they came."""

    photos: list[Photo]
    folder: str = ""
    alone: bool = False

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, i: int) -> Photo:
        return self.photos[i]

    def entry(self, i: int) -> tuple[str, str]:
        """Return a photo's path and its place."""
        return self.photos[i].path, self.photos[i].where

    def words(self) -> Mapping[str, Sequence[str]]:
        """Return nothing: nothing is given."""
        return {}


class Found(Sequence[Photo]):
    """The photos of a run, in order, and `others`: how many files in their folders are not photos.

    Photos are made when they are asked for: a million of them take little more memory than their names.
    """

    others: int = 0

    def __init__(self, photos: Iterable[Photo] = ()) -> None:
        self._hold([Listed(list(photos))])

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Found:
        """Return the photos of blocks: a place that is met twice counts once, and equal paths are told apart."""
        found = cls()
        found._hold([block for block in blocks if len(block)])
        if len(found._blocks) > 1 or not all(block.alone for block in found._blocks):
            found._drop_repeated_places()
            found._tell_paths_apart()
        return found

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._kept is None else len(self._kept)

    @overload
    def __getitem__(self, at: int) -> Photo: ...
    @overload
    def __getitem__(self, at: slice) -> list[Photo]: ...
    def __getitem__(self, at: int | slice) -> Photo | list[Photo]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        return self._made(self._row(range(len(self))[at]))

    def __iter__(self) -> Iterator[Photo]:
        rows = range(len(self)) if self._kept is None else map(int, self._kept)
        return map(self._made, rows) if self._renamed or len(self._blocks) != 1 else map(self._plain, rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Photo.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Found({list(self)!r})"

    def words(self) -> dict[str, dict[str, str]]:
        """Return what the inputs give of their photos: by the name of the column, a word for each photo's path.

        Labels and other plain columns of a parquet or a data set, `.cls`, `.txt` and flat `.json` members of a tar, and what a
        `metadata.csv` or `.jsonl` says. Words that are empty are left out.
        """
        found: dict[str, dict[str, str]] = {}
        rows = range(int(self._starts[-1])) if self._kept is None else self._kept
        paths = {int(row): self._renamed.get(int(row)) or self._path(int(row)) for row in rows}
        for block, start in zip(self._blocks, self._starts, strict=False):
            for name, words in block.words().items():
                given = {paths[start + i]: word for i, word in enumerate(words) if word and start + i in paths}
                if given:
                    found.setdefault(name, {}).update(given)
        return found

    def _hold(self, blocks: Sequence[Block]) -> None:
        self._blocks = list(blocks)
        self._starts = [0, *itertools.accumulate(map(len, self._blocks))]
        self._kept: np.ndarray | None = None
        self._renamed: dict[int, str] = {}
        self._last = 0

    def _row(self, i: int) -> int:
        return i if self._kept is None else int(self._kept[i])

    def _plain(self, row: int) -> Photo:
        photo = self._blocks[0][row]
        return photo if photo.path.isascii() else replace(photo, path=spelled(photo.path))

    def _made(self, row: int) -> Photo:
        block = self._block(row)
        photo = self._blocks[block][row - self._starts[block]]
        name = self._renamed.get(row) or spelled(photo.path)
        return photo if name == photo.path else replace(photo, path=name)

    def _entry(self, row: int) -> tuple[str, str]:
        block = self._block(row)
        return self._blocks[block].entry(row - self._starts[block])

    def _path(self, row: int) -> str:
        return spelled(self._entry(row)[0])

    def _block(self, row: int) -> int:
        """Return the number of the block that a row lies in; it is mostly that of the last."""
        last = self._last
        if not self._starts[last] <= row < self._starts[last + 1]:
            last = self._last = int(np.searchsorted(self._starts, row, side="right")) - 1
        return last

    def _drop_repeated_places(self) -> None:
        """Leave out every photo whose place, its folder's links resolved, was met before."""
        real = functools.cache(os.path.realpath)

        def place(row: int) -> str:
            where = self._entry(row)[1]
            if not where or "://" in where:
                return where
            folder, name = os.path.split(where)
            return f"{real(folder)}/{name}"

        repeated = [row for word, rows in _repeated(range(len(self)), place) if word for row in rows[1:]]
        if repeated:
            self._kept = np.delete(np.arange(len(self)), repeated)

    def _tell_paths_apart(self) -> None:
        """Put the name of the input's folder, and then a number, before paths that several photos have."""
        rows = range(len(self)) if self._kept is None else self._kept
        repeated = {row: word for word, group in _repeated(rows, self._path) for row in group}
        if not repeated:
            return
        single = _Known(rows, self._path, repeated)
        taken, tried = set[str](), Counter[str]()
        for row in sorted(repeated):
            path, folder = repeated[row], self._blocks[self._block(row)].folder or "input"
            name = path
            while name == path or name in taken or name in single:
                first = f"{folder}/{path}"
                tried[first] += 1
                name = first if tried[first] == 1 else f"{folder}-{tried[first]}/{path}"
            taken.add(name)
            self._renamed[row] = name


def spelled(path: str) -> str:
    r"""Return a path in valid UTF-8, bytes that are none spelled out.

    >>> spelled("caf\udce9.jpg")
    'caf\\xe9.jpg'
    """
    if path.isascii():
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return path.encode("utf-8", "backslashreplace").decode()


def _repeated(rows: Iterable[int], word: Callable[[int], str]) -> Iterator[tuple[str, list[int]]]:
    """Yield each word that several rows have, and those rows in order; eight bytes a row are kept, not the words."""
    numbers = np.fromiter(map(int, rows), np.int64)
    hashes = np.fromiter((hash(word(int(row))) for row in numbers), np.int64, len(numbers))
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    ends = np.flatnonzero(np.diff(ordered, append=ordered[-1:] + 1)) + 1 if len(ordered) else np.zeros(0, int)
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        groups: dict[str, list[int]] = {}
        for row in numbers[order[start:end]].tolist():
            groups.setdefault(word(row), []).append(row)
        yield from ((name, group) for name, group in groups.items() if len(group) > 1)


class _Known:
    """Whether a word is that of a row, beside those left out."""

    def __init__(self, rows: Iterable[int], word: Callable[[int], str], without: Mapping[int, str]) -> None:
        numbers = np.fromiter((row for row in map(int, rows) if row not in without), np.int64)
        hashes = np.fromiter((hash(word(int(row))) for row in numbers), np.int64, len(numbers))
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._rows, self._word = hashes[order], numbers[order], word

    def __contains__(self, word: str) -> bool:
        start, end = (int(np.searchsorted(self._hashes, hash(word), side=side)) for side in ("left", "right"))
        return any(self._word(int(row)) == word for row in self._rows[start:end])
