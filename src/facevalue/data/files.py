"""Reading and writing: faces, findings, JSON. A file appears whole, under its name, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facevalue.data.errors import MissingColumn, RunError, SchemaError, reads
from facevalue.data.faces import Faces, with_faceless
from facevalue.data.findings import Findings

# a name of 255 bytes is the longest that file systems take: room is left for what is put before and behind it
NAME_BYTES = 200


def nameable(word: str) -> str:
    """Return a name that a file can have: without NUL; of one of more than 200 bytes its beginning and digits of its sha256.

    Examples
    --------
    >>> nameable("a.jpg"), nameable("a" * 300)[-12:], len(nameable("a" * 300))
    ('a.jpg', 'aaa~9835fa6b', 189)
    """
    data = word.replace("\0", "\ufffd").encode("utf-8", "surrogateescape")
    if len(data) <= NAME_BYTES:
        return data.decode("utf-8", "surrogateescape")
    return f"{data[: NAME_BYTES - 20].decode('utf-8', 'ignore')}~{hashlib.sha256(data).hexdigest()[:8]}"


def inside(folder: Path, name: str) -> Path:
    """Return where a name that came out of a file lies below a folder.

    Raises
    ------
    RunError
        It would lie elsewhere: by "..", as an absolute path, or through a link; or no file can have that name.

    Examples
    --------
    >>> inside(Path("out"), "a/b.jpg").as_posix()
    'out/a/b.jpg'
    >>> inside(Path("out"), "../b.jpg")
    Traceback (most recent call last):
        ...
    facevalue.data.errors.RunError: out: expected names of files in it, got '../b.jpg', which lies elsewhere; mend the name
    """
    place = folder / name
    plain = "\0" not in name and not os.path.isabs(name) and ".." not in Path(name).parts and place != folder
    if not plain or not Path(os.path.realpath(place.parent)).is_relative_to(os.path.realpath(folder)):
        raise RunError(f"{folder}: expected names of files in it, got {name[:80]!r}, which lies elsewhere; mend the name")
    return place


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, remove it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    short = path.name if len(os.fsencode(path.name)) <= NAME_BYTES else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    part = path.with_name(f".{short}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(value: Any, path: Path, *, indent: int | None = 1) -> None:
    """Write a value as UTF-8 JSON, on one line where the indent is None; NaN is refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path, *, expected: str) -> dict[str, Any]:
    """Read a JSON object; raise SchemaError where it is not there or is something else than was expected."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path}: expected {expected}; {error}") from error
    if not isinstance(value, dict):
        raise SchemaError(f"{path}: expected {expected}, got JSON of another kind")
    return value


def write_faces(faces: Faces, path: str | Path) -> None:
    """Write faces as one parquet file, with units, sources, bands and reasons.

    Parameters
    ----------
    faces
        n faces.
    path
        Of the file, usually `*.parquet`.
    """
    import pyarrow.parquet as pq

    with replacing(Path(path)) as part:
        pq.write_table(faces.to_arrow(), part, compression="zstd")


@reads("faces, as annotate writes them")
def read_faces(path: str | Path) -> Faces:
    """Read faces from a parquet file, or every photo of a run from its folder.

    Parameters
    ----------
    path
        A file that `write_faces` or `facevalue annotate` wrote: its rows, one a face. Or the folder of an `annotate`
        run: the same, and a row of NaN for each photo without a face, whose columns say why.

    Raises
    ------
    SchemaError
        Not parquet, or not faces.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    file = path / "faces.parquet" if path.is_dir() else path
    try:
        faces = Faces.from_arrow(pq.read_table(file))
        if not path.is_dir():
            return faces
        photos = pq.read_table(path / "photos.parquet").to_pylist()
    except FileNotFoundError as error:
        raise SchemaError(f"{path}: expected a parquet file of faces, or the folder of an annotate run; {error}") from error
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{file}: expected parquet, got something else ({str(error).splitlines()[0]})") from error
    except MissingColumn as error:
        raise SchemaError(f"{file}: {error}") from error
    return with_faceless(faces, photos)


def write_findings(findings: Findings, path: str | Path) -> None:
    """Write findings as parquet, CSV or JSON (a list of rows), by the suffix.

    Parameters
    ----------
    findings
        r rows.
    path
        `*.parquet`, `*.csv` or `*.json`. What is not a number is an empty cell of a CSV, and null in JSON.

    Raises
    ------
    SchemaError
        Another suffix.
    """
    path, suffix = Path(path), _findings_suffix(path)
    if suffix == ".json":
        write_json(findings.to_rows(), path)
        return
    import pyarrow.csv
    import pyarrow.parquet as pq

    with replacing(path) as part:
        if suffix == ".csv":
            pyarrow.csv.write_csv(findings.to_arrow(), part)
        else:
            pq.write_table(findings.to_arrow(), part, compression="zstd")


@reads("findings, as facevalue writes them")
def read_findings(path: str | Path) -> Findings:
    """Read findings that `write_findings` wrote.

    Raises
    ------
    SchemaError
        Another suffix, no such file, not what its suffix says, or not findings.
    """
    import pyarrow.csv
    import pyarrow.parquet as pq

    path, suffix = Path(path), _findings_suffix(path)
    try:
        if suffix == ".json":
            return Findings.from_rows(json.loads(path.read_text(encoding="utf-8")))
        if suffix == ".csv":
            parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
            convert = pyarrow.csv.ConvertOptions(column_types=Findings.from_rows([]).to_arrow().schema)
            return Findings.from_arrow(pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert))
        return Findings.from_arrow(pq.read_table(path))
    except (OSError, ValueError, TypeError, SchemaError) as error:
        words = str(error).splitlines()[0]
        raise SchemaError(f"{path}: expected findings as {suffix[1:]}; {words}") from error


def _findings_suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".parquet", ".csv", ".json"):
        raise SchemaError(f"{path}: expected a file of findings called *.parquet, *.csv or *.json")
    return suffix
