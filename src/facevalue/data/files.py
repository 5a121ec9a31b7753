"""Reading and writing: faces as parquet, results as JSON. A file appears whole, under its name, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Faces, with_faceless


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, remove it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(value: Any, path: Path) -> None:
    """Write a value as indented UTF-8 JSON; NaN is refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


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
