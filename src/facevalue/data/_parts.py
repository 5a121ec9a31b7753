"""The files of a gallery: Arrow parts that are written once, mapped when read, and known by their sha256."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facevalue.data.errors import SchemaError
from facevalue.data.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("faces", "photos")
MOST_PARTS = 16
BATCH = 65_536
# what a first update that was killed leaves behind: no manifest names it
NAME = re.compile(r"(?:faces|photos)-\d{5,}\.arrow")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a gallery: its name, rows, bytes and sha256."""

    file: str
    rows: int
    bytes: int
    sha256: str


def schema(kind: str, dimensions: int) -> pa.Schema:
    """Return the columns of a table of faces, or of photos."""
    import pyarrow as pa

    text, number = pa.string(), pa.float32()
    first = [("folder", text), ("path", text), ("photo", text)]
    if kind == "photos":
        return pa.schema([*first, ("found", pa.int32()), ("faces", pa.int32()), ("why", text)])
    places = [("face", pa.int32()), ("person", text), ("box", pa.list_(number, 4)), ("score", number), ("eyes", number)]
    return pa.schema([*first, *places, ("embedding", pa.list_(number, dimensions))])


def described(path: Path, rows: int) -> Part:
    """Return the part that a file is."""
    return Part(path.name, rows, path.stat().st_size, _sha256(path))


def check(folder: Path, part: Part, *, verify: bool) -> None:
    """Raise SchemaError where a part is missing, has another size or, if asked, another sha256."""
    path = folder / part.file
    came = path.stat().st_size if path.is_file() and path.parent == folder else -1
    if came != part.bytes:
        words = "it is not there" if came < 0 else f"it has {came}"
        raise SchemaError(f"{path}: expected {part.bytes} bytes, {words}: the gallery is damaged, build it anew")
    if verify and (sha256 := _sha256(path)) != part.sha256:
        words = f"expected sha256 {part.sha256[:8]}, got {sha256[:8]}"
        raise SchemaError(f"{path}: {words}: the gallery is damaged, build it anew")


def table(folder: Path, parts: Sequence[Part], kind: str, dimensions: int) -> pa.Table:
    """Return the rows of all parts of a kind, mapped."""
    import pyarrow as pa

    expected = schema(kind, dimensions)
    return pa.concat_tables([expected.empty_table(), *(_mapped(folder / part.file, expected, part.rows) for part in parts)])


def without(
    folder: Path, parts: Sequence[Part], kind: str, dimensions: int, drop: tuple[str, Iterable[str]]
) -> list[Part | pa.Table]:
    """Return the parts that hold no row of some paths of a root, and the rows that are left of the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    root, paths = drop[0], pa.array(sorted(drop[1]), pa.string())
    left: list[Part | pa.Table] = []
    for part in parts:
        rows = table(folder, [part], kind, dimensions)
        gone = pc.and_(pc.equal(rows["folder"], root), pc.is_in(rows["path"], value_set=paths))
        if not pc.any(gone, min_count=0).as_py():
            left.append(part)
        elif len(kept := rows.filter(pc.invert(gone))):
            left.append(kept)
    return left


def write(rows: pa.Table, path: Path) -> Part:
    """Write rows as a part, a batch at a time."""
    import pyarrow as pa

    with replacing(path) as place, pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=BATCH)
    return described(path, len(rows))


def _mapped(path: Path, expected: pa.Schema, count: int) -> pa.Table:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            rows = pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{path}: expected Arrow, got something else ({str(error).splitlines()[0]})") from error
    if rows.schema != expected or len(rows) != count:
        raise SchemaError(
            f"{path}: expected {count} rows of {', '.join(expected.names)}; the gallery is damaged, build it anew"
        )
    return rows


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
