"""Photos in folders and globs of this machine, each with all that lies below it but what is hidden."""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import stat
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from facevalue.data._found import Block, Files, Texts
from facevalue.data._pixels import looks_like_image

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
)
# A camera's raw file opens as a TIFF whose first page is a thumbnail: measured, it would be wrong without a word.
RAW = frozenset(
    (
        ".3fr",
        ".arw",
        ".cr2",
        ".dcr",
        ".dng",
        ".erf",
        ".iiq",
        ".kdc",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raw",
        ".rw2",
        ".sr2",
        ".srw",
    )
)
KINDS = {
    **dict.fromkeys((".txt", ".csv", ".tsv", ".jsonl"), "list"),
    **dict.fromkeys((".parquet", ".pq", ".arrow"), "rows"),
    **dict.fromkeys((".tar", ".tar.gz", ".tgz"), "tar"),
}
Expand = Callable[[str], Iterator[Block]]


class Others:
    """How many different files were met that are not photos: eight bytes each."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, path: str) -> None:
        """Count a file."""
        self._hashes.append(hash(path))

    def beside(self, places: Callable[[], Iterator[str]]) -> int:
        """Return how many there are, but for those that are photos after all, as they were given by name."""
        met = set(self._hashes)
        if met:
            met.difference_update(map(hash, places()))
        return len(met)


def kind(path: str) -> str:
    """Return what holds photos or names them: "list", "rows", "tar"; "" of a file that may itself be one.

    >>> kind("a.CSV"), kind("a/b.tar.gz"), kind("b.parquet"), kind("a.jpg"), kind("a.gz")
    ('list', 'tar', 'rows', '', '')
    """
    name = path.lower()
    return KINDS[".tar.gz"] if name.endswith(".tar.gz") else KINDS.get(Path(name).suffix, "")


def is_suffix(path: str) -> bool:
    """Return whether a path ends like a photo's."""
    return Path(path).suffix.lower() in SUFFIXES


def is_photo(path: str) -> bool:
    """Return whether a file is a photo, by its suffix or by how it begins."""
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES or suffix in RAW:
        return suffix in SUFFIXES
    try:
        with open(path, "rb") if stat.S_ISREG(os.stat(path).st_mode) else io.BytesIO() as file:
            return looks_like_image(file.read(32))
    except OSError:
        return False


def single(path: str) -> Files:
    """Return one file as a photo, whatever it is."""
    folder, name = os.path.split(path)
    return Files(os.path.basename(folder), os.path.join(folder, ""), Texts([name]))


def below(folder: str, root: str, others: Others, expand: Expand | None = None, wanted: Sequence[str] = ()) -> Iterator[Block]:
    """Yield the photos below a folder that match a glob's parts; of a folder without any, those in its tars and tables.

    Parameters
    ----------
    folder, root
        Absolute; paths are relative to the root.
    others
        Counts what is no photo.
    expand
        Opens a tar, or a table of bytes; None leaves them alone.
    wanted
        Parts of a glob.
    """
    base = os.path.join(root, "")
    found, packed = Files(os.path.basename(root), base, Texts(), alone=True), list[str]()
    for name in _sorted(walk(folder), len(base)):
        path = base + name
        if not name:  # the folder itself is closed, or empty and called like a photo
            yield single(root)
            return
        if not fits(name.split("/"), wanted):
            continue
        if is_photo(path) or os.path.isdir(path):
            found.names.append(name)
            found.alone = found.alone and _is_utf8(name)
        elif expand is not None and kind(path) in ("rows", "tar"):
            packed.append(path)
        else:
            others.add(path)
    if len(found) or expand is None:
        for path in packed:
            others.add(path)
        yield found
        return
    for path in packed:
        yield from expand(path)


def _sorted(paths: Iterator[str], start: int) -> Iterator[str]:
    """Yield what follows the first characters of paths, "/" between folders, in the order of their parts."""
    names = [path[start:].replace(os.sep, "\0").encode("utf-8", "surrogatepass") for path in paths]
    names.sort()
    yield from (name.decode("utf-8", "surrogatepass").replace("\0", "/") for name in names)


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def walk(root: str) -> Iterator[str]:
    """Yield the files below a folder, each real folder once, and folders that are closed or pose as photos."""
    seen: set[str] = set()
    closed: list[OSError] = []
    waiting = [root]
    while waiting:
        for at, folders, files in os.walk(waiting.pop(0), onerror=closed.append):
            real = os.path.realpath(at)
            if not folders and not files and Path(at).suffix.lower() in SUFFIXES:
                yield at
            folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
            files = [] if real in seen else [name for name in files if not name.startswith(".")]
            waiting += [path for name in folders if os.path.islink(path := os.path.join(at, name))]
            yield from (os.path.join(at, name) for name in files)
            seen.add(real)
    yield from (error.filename for error in closed)


def matching(pattern: str, others: Others, expand: Expand) -> Iterator[Block]:
    """Yield the photos that match a glob, and those below folders that do."""
    parts = Path(pattern).parts
    paths = [os.path.join(*parts[: i + 1]) for i in range(len(parts))]
    fixed = next(i for i, path in enumerate(paths) if glob.has_magic(parts[i]) and not os.path.exists(path))
    root, wanted = paths[fixed - 1], parts[fixed:]
    if "**" in wanted:
        yield from below(root, root, others, wanted=wanted)
        return
    found = Files(os.path.basename(root), os.path.join(root, ""), Texts())
    for match in sorted(glob.glob(os.path.join(glob.escape(root), *wanted)), key=lambda match: match.split(os.sep)):
        named = Path(match).suffix == Path(pattern).suffix != ""
        if os.path.isdir(match) or (named and kind(match)):
            yield found
            found = Files(found.folder, found.root, Texts())
            yield from below(match, root, others) if os.path.isdir(match) else expand(match)
        elif named or is_photo(match):
            found.names.append(os.path.relpath(match, root).replace(os.sep, "/"))
        else:
            others.add(match)
    yield found


def fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether a path, or a folder that it lies in, matches a glob; both by their parts.

    Examples
    --------
    >>> fits(["a", "b", "c.jpg"], ["a", "*"]), fits(["a", "b", "c.jpg"], ["**", "*.jpg"]), fits(["a.jpg"], ["a", "*"])
    (True, True, False)
    """
    if not wanted:
        return True
    if wanted[0] == "**":
        return fits(parts, wanted[1:]) or (len(parts) > 1 and fits(parts[1:], wanted))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and fits(parts[1:], wanted[1:])
