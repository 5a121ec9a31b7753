"""Tables of labelled photos, checked before anything long begins: an error names the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevalue.data import photos
from facevalue.data.errors import MissingColumn, PhotoError, SchemaError, reads

MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """Photos and what people said of them.

    Parameters
    ----------
    photos
        n photos.
    labels
        Name to (n,) int64.
    """

    photos: list[photos.Photo]
    labels: Mapping[str, np.ndarray]


@reads("a parquet of labelled photos")
def read_labelled(path: Path, ranges: Mapping[str, tuple[int, int]]) -> Labelled:
    """Read a parquet with a column of image bytes and columns of whole numbers.

    Parameters
    ----------
    path
        Of the parquet.
    ranges
        The columns that must be there, and the least and largest value of each.

    Raises
    ------
    MissingColumn
        A column is not there.
    SchemaError
        Not a parquet; labels that are missing, no whole numbers or out of range, with their rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid) as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise
        raise SchemaError(f"{path}: expected a parquet of labelled photos; {str(error).splitlines()[0]}") from error
    if absent := [name for name in ranges if name not in names]:
        expected = f"expected the columns {', '.join(ranges)}"
        raise MissingColumn(f"{path}: {expected}; {', '.join(absent)} not among {', '.join(names)}")
    table = pq.read_table(path, columns=list(ranges))
    labels = {name: _whole(table[name].to_pylist(), name, ranges[name], path) for name in ranges}
    return Labelled(list(photos.find_photos(path)), labels)


def _whole(values: Sequence[object], name: str, limits: tuple[int, int], path: Path) -> np.ndarray:
    wrong = [i for i, v in enumerate(values) if not isinstance(v, int) or not limits[0] <= v <= limits[1]]
    if wrong:
        expected, found = f"whole numbers from {limits[0]} to {limits[1]}", f"{values[wrong[0]]!r} in {rows_named(wrong)}"
        raise SchemaError(f"{path}: {name}: expected {expected}, got {found}; mend or drop them")
    return np.array(values, np.int64)


def check_classes(labels: np.ndarray, names: Sequence[str], *, what: str, least: int) -> None:
    """Raise SchemaError where a class has fewer than `least` members: nothing could be learnt or calibrated of it."""
    counts = np.bincount(labels, minlength=len(names))
    if few := [f"{name} {count}" for name, count in zip(names, counts, strict=True) if count < least]:
        raise SchemaError(f"{what}: expected at least {least} faces of each of {', '.join(names)}; got {', '.join(few)}")


def check_photos(table: Labelled, path: Path) -> None:
    """Decode every photo once and raise SchemaError with the rows of those that are broken."""
    wrong, first = list[int](), ""
    for row, photo in enumerate(table.photos):
        try:
            photos.decode(photos.read_bytes(photo), max_pixels=MAX_PIXELS)
        except PhotoError as error:
            first = first or error.why
            wrong.append(row)
    if wrong:
        raise SchemaError(f"{path}: {rows_named(wrong)} cannot be decoded ({first}); mend or drop them")


def rows_named(rows: Sequence[int]) -> str:
    """Return rows in words, ten at most.

    Examples
    --------
    >>> rows_named([3]), rows_named([3, 9])
    ('row 3', '2 rows: 3, 9')
    """
    if len(rows) == 1:
        return f"row {rows[0]}"
    return f"{len(rows)} rows: {', '.join(map(str, rows[:10]))}{' ...' if len(rows) > 10 else ''}"
