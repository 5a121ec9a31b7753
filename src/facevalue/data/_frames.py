"""Flat columns, a number or a word a row, out of which frames of pandas and polars are made; and what the columns are."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import RunError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from facevalue.data.faces import Column, Faces
    from facevalue.data.triplets import Triplets

LEGEND = "facevalue.columns"
CORNERS = ("x1", "y1", "x2", "y2")
Flat = dict[str, Any]


def flat_faces(faces: Faces, *, wide: bool) -> Flat:
    """Return path, photo, the box's corners, score and all measures as flat columns; landmarks and other lists where wide."""
    corners = {f"box.{corner}": faces.box[:, i] for i, corner in enumerate(CORNERS)}
    flat: Flat = {"path": faces.path, "photo": faces.photo, **corners, "score": faces.score}
    if wide:
        flat["landmarks"] = faces.landmarks.reshape(len(faces), 10)
    for name, column in faces.columns.items():
        flat |= flat_column(name, column, wide=wide)
    return flat


def flat_column(name: str, column: Column, *, wide: bool) -> Flat:
    """Return a measure as flat columns: `name`, or `name[label]` for a distribution, `.low`, `.high` and `.why` beside.

    Many numbers a face without names, as an embedding, are a list a row where wide, and left out otherwise.
    """
    bands = {"": column.values, ".low": column.low, ".high": column.high}
    parts = {end: values for end, values in bands.items() if values is not None and (wide or not listed(column))}
    if listed(column) or not column.labels:
        flat: Flat = {f"{name}{end}": _two_dimensional(values) for end, values in parts.items()}
    else:
        named = list(enumerate(column.labels))
        flat = {f"{name}[{label}]{end}": values[:, i] for i, label in named for end, values in parts.items()}
    if column.why is not None and any(column.why):
        flat[f"{name}.why"] = np.array([reason or None for reason in column.why], object)
    return flat


def flat_triplets(answers: Triplets) -> Flat:
    """Return the names of the items, the place of the odd one, annotator, kind and all further columns, as they are written."""
    flat: Flat = {f"item_{i}": answers.names[answers.items[:, i]] for i in range(answers.items.shape[1])}
    flat |= {"odd": answers.odd, "annotator": answers.annotator, "kind": np.full(len(answers), answers.kind, object)}
    return flat | dict(answers.columns)


def _two_dimensional(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 1 else values.reshape(len(values), int(np.prod(values.shape[1:])))


def listed(column: Column) -> bool:
    """Return whether a measure is many numbers a face without a name each."""
    return column.values.ndim > (2 if column.labels else 1)


def legend(faces: Faces) -> list[dict[str, Any]]:
    """Return a row a column of faces: column, unit, source, level, labels and the shape of one face's values."""
    blank: dict[str, Any] = {"source": None, "level": None, "labels": []}
    found = [
        {"column": "box", "unit": "px", **blank, "shape": [4]},
        {"column": "landmarks", "unit": "px", **blank, "shape": [5, 2]},
        {"column": "score", "unit": "1", **blank, "shape": []},
    ]
    for name, column in faces.columns.items():
        known = {"unit": column.unit, "source": column.source, "level": column.level, "labels": list(column.labels)}
        found.append({"column": name, **known, "shape": list(column.values.shape[1:])})
    return found


def legend_bytes(faces: Faces) -> dict[str, str]:
    """Return the legend as metadata of a whole table, which parquet keeps in words that any reader can read."""
    return {LEGEND: json.dumps(legend(faces), ensure_ascii=False)}


def about(legend: Sequence[Mapping[str, Any]], *, wide: bool) -> dict[str, Any]:
    """Return the legend as a frame of pandas carries it, in `attrs`: units, sources, levels, and what was left out."""
    lists = [row["column"] for row in legend if row["column"] != "box" and len(row["shape"]) > bool(row["labels"])]
    return {
        "units": {row["column"]: row["unit"] for row in legend},
        "sources": {row["column"]: row["source"] for row in legend if row["source"]},
        "levels": {row["column"]: row["level"] for row in legend if row["level"] is not None},
        "left_out": [] if wide else lists,
    }


def pandas_frame(flat: Flat, attrs: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame of pandas; a two-dimensional array becomes a list a row."""
    frame: pd.DataFrame = installed("pandas").DataFrame(
        {name: list(values) if np.ndim(values) > 1 else values for name, values in flat.items()}
    )
    frame.attrs = dict(attrs)
    return frame


def polars_frame(flat: Flat) -> pl.DataFrame:
    """Return a frame of polars, null where a number is NaN; a two-dimensional array becomes an array a row."""
    module = installed("polars")
    series = []
    for name, values in flat.items():
        if np.asarray(values).dtype == object:
            series.append(module.Series(name, list(values), dtype=module.String))
        else:
            series.append(module.Series(name, np.ascontiguousarray(values), nan_to_null=np.ndim(values) == 1))
    frame: pl.DataFrame = module.DataFrame(series)
    return frame


def installed(package: str) -> Any:
    """Return an optional package, or raise RunError with the line that installs it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise RunError(f"expected {package} to make a frame of it; it is not installed: pip install {package}") from error
