"""`Column` and `Faces`: numbers about faces that keep their unit, their source, their band and their reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName, WrongShape, WrongUnit

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """One measure of n faces; it never travels without its unit and its source.

    Parameters
    ----------
    values : (n, ...) float32
        NaN where not measured.
    unit
        "deg", "px", "years", "p" (probability) or "1".
    source
        The instrument and the first digits of its weights' sha256, as in "fairface@sha256:ab12cd34".
    labels
        For a distribution (n, k): the k names.
    low, high : same shape as values, float32
        The band, once calibrated.
    level
        Nominal coverage of the band, in (0, 1).
    why : (n,) str
        The reason where a value is missing, "" where there is none.

    Raises
    ------
    WrongShape
        When `low`, `high`, `why` or `labels` do not fit `values`.
    """

    values: np.ndarray
    unit: str
    source: str
    labels: tuple[str, ...] = ()
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    why: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        object.__setattr__(self, "values", values)
        for name, kind, shape in (
            ("low", np.float32, values.shape),
            ("high", np.float32, values.shape),
            ("why", object, values.shape[:1]),
        ):
            given = getattr(self, name)
            if given is not None and np.shape(given) != shape:
                raise WrongShape(f"{self.source}: {name} has shape {np.shape(given)}, expected {shape}")
            object.__setattr__(self, name, None if given is None else np.asarray(given, kind))
        if self.labels and values.shape[-1] != len(self.labels):
            raise WrongShape(f"{self.source}: {len(self.labels)} labels for values of shape {values.shape}")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Column:
        """Return the same column for the rows of a mask, a slice or an index array."""
        low, high, why = (None if part is None else part[rows] for part in (self.low, self.high, self.why))
        return Column(self.values[rows], self.unit, self.source, self.labels, low, high, self.level, why)

    def _repr_html_(self) -> str:
        from facevalue.data import _notebook

        return _notebook.column_html(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return the columns value (or value[label]), value.low, value.high and value.why; unit and source in `attrs`."""
        from facevalue.data import _frames

        attrs = {"unit": self.unit, "source": self.source, "level": self.level}
        return _frames.pandas_frame(_frames.flat_column("value", self, wide=True), attrs)

    def to_polars(self) -> pl.DataFrame:
        """Return the columns value (or value[label]), value.low, value.high and value.why; null where there is no number."""
        from facevalue.data import _frames

        return _frames.polars_frame(_frames.flat_column("value", self, wide=True))


@dataclass(frozen=True, slots=True, repr=False)
class Faces:
    """One row a face; a photo without a face may stand as a row of NaN whose columns say why.

    Parameters
    ----------
    photo : (n,) str
        sha256 of the photo's bytes.
    box : (n, 4) float32
        x1 y1 x2 y2, px of the upright photo.
    landmarks : (n, 5, 2) float32
        The two eyes, the nose and the mouth's corners, px, image left to right.
    score : (n,) float32
        Detection score in [0, 1].
    columns
        `<instrument>.<measure>` to `Column`.
    path : (n,) str, optional
        The photo's path relative to the input it was found in, "/" between folders.

    Examples
    --------
    >>> faces = Faces(np.array(["ab", "cd"]), np.zeros((2, 4)), np.zeros((2, 5, 2)), np.array([0.9, 0.4]))
    >>> faces = faces.with_column("pose.yaw", Column(np.array([3.0, -8.0]), unit="deg", source="pose@1"))
    >>> faces[faces.score > 0.5]["pose.yaw"].values
    array([3.], dtype=float32)
    """

    photo: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    score: np.ndarray
    columns: Mapping[str, Column] = field(default_factory=dict)
    path: np.ndarray = field(default_factory=lambda: np.empty(0, object))

    def __post_init__(self) -> None:
        n = len(self.photo)
        object.__setattr__(self, "photo", np.asarray(self.photo, dtype=object))
        path = np.asarray(self.path if len(self.path) else [""] * n, dtype=object)
        object.__setattr__(self, "path", path)
        if path.shape != (n,):
            raise WrongShape(f"Faces: path has shape {path.shape}, expected {(n,)} for {n} photos")
        for name, shape in (("box", (n, 4)), ("landmarks", (n, 5, 2)), ("score", (n,))):
            array = np.asarray(getattr(self, name), np.float32)
            object.__setattr__(self, name, array)
            if array.shape != shape:
                raise WrongShape(f"Faces: {name} has shape {array.shape}, expected {shape} for {n} photos")
        for name, column in self.columns.items():
            if len(column) != n:
                raise WrongShape(f"Faces: column {name!r} has {len(column)} rows, expected {n}")

    def __len__(self) -> int:
        return len(self.photo)

    def __repr__(self) -> str:
        lines = [f"{len(self)} faces of {len(set(self.path))} photos"]
        for name, column in self.columns.items():
            shape = " x ".join(map(str, column.values.shape[1:]))
            band = "" if column.low is None else f", band at {column.level}"
            lines.append(f"  {name:24} {column.unit:6} {shape:8} {column.source}{band}")
        return "\n".join(lines)

    def __getitem__(self, key: Any) -> Any:
        """Return `faces["pose.yaw"]`, a `Column`, or `faces[mask]`, the `Faces` of some rows."""
        if isinstance(key, str):
            if key not in self.columns:
                raise MissingColumn(str(UnknownName(key, self.columns, what="column")))
            return self.columns[key]
        rows = np.asarray([key]) if isinstance(key, int | np.integer) else key
        columns = {name: column[rows] for name, column in self.columns.items()}
        picked = (self.photo[rows], self.box[rows], self.landmarks[rows], self.score[rows])
        return Faces(*picked, columns, self.path[rows])

    def with_column(self, name: str, column: Column) -> Faces:
        """Return the same faces with one column more, or one replaced."""
        return replace(self, columns={**self.columns, name: column})

    def _repr_html_(self) -> str:
        from facevalue.data import _notebook

        return _notebook.faces_html(self)

    def legend(self) -> list[dict[str, Any]]:
        """Return a row a column: column, unit, source, level of the band, labels, and the shape of one face's values."""
        from facevalue.data import _frames

        return _frames.legend(self)

    def to_pandas(self, *, wide: bool = False) -> pd.DataFrame:
        """Return a row a face: path, photo, box.x1 to box.y2, score, and each measure; NaN where there is no number.

        A distribution is a column a label, `name[label]`; `name.low` and `name.high` are the band; `name.why`, where any
        value is missing, the reason. Units, sources and levels stand in `attrs`, and the names of what was left out.

        Parameters
        ----------
        wide
            Also landmarks, meshes, embeddings and heat maps: many numbers a face, as one flat list a row.

        Raises
        ------
        RunError
            pandas is not installed.
        """
        from facevalue.data import _frames

        return _frames.pandas_frame(_frames.flat_faces(self, wide=wide), _frames.about(self.legend(), wide=wide))

    def to_polars(self, *, wide: bool = False) -> pl.DataFrame:
        """Return the columns of `to_pandas` as a frame of polars, null where there is no number; `legend` has the units.

        Raises
        ------
        RunError
            polars is not installed.
        """
        from facevalue.data import _frames

        return _frames.polars_frame(_frames.flat_faces(self, wide=wide))

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table: the fields' metadata hold units, sources, labels and levels, the table's the `legend`."""
        import pyarrow as pa

        from facevalue.data import _frames

        arrays: list[pa.Array] = [pa.array(self.path, pa.string()), pa.array(self.photo, pa.string())]
        fields = [pa.field("path", pa.string()), pa.field("photo", pa.string())]
        for name, unit in (("box", "px"), ("landmarks", "px"), ("score", "1")):
            values = getattr(self, name)
            arrays.append(_to_arrow(values))
            fields.append(pa.field(name, arrays[-1].type, metadata=_metadata(values, unit=unit)))
        for name, column in self.columns.items():
            arrays.append(_to_arrow(column.values))
            known = {"unit": column.unit, "source": column.source, "level": column.level, "labels": column.labels}
            fields.append(pa.field(name, arrays[-1].type, metadata=_metadata(column.values, **known)))
            for part in ("low", "high"):
                band = getattr(column, part)
                arrays.append(pa.nulls(len(self)) if band is None else _to_arrow(band))
                fields.append(pa.field(f"{name}.{part}", arrays[-1].type))
            why = [""] * len(self) if column.why is None else column.why
            arrays.append(pa.array([reason or None for reason in why], pa.string()))
            fields.append(pa.field(f"{name}.why", pa.string()))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, _frames.legend_bytes(self)))

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Faces:
        """Return the faces of a table that `to_arrow` made.

        Raises
        ------
        MissingColumn
            When photo, box, landmarks or score is not there.
        """
        for name in ("photo", "box", "landmarks", "score"):
            if name not in table.column_names:
                found = ", ".join(table.column_names)
                raise MissingColumn(f"expected a table of faces with a column {name!r}; it has {found}")
        columns = {}
        for at in table.schema:
            if at.metadata and b"source" in at.metadata:
                columns[at.name] = _column(table, at)
        path = table["path"].to_numpy() if "path" in table.column_names else np.empty(0, object)
        box, landmarks, score = (_from_arrow(table, name) for name in ("box", "landmarks", "score"))
        return cls(table["photo"].to_numpy(), box, landmarks, score, columns, path)


def rows_by_path(faces: Faces) -> dict[str, slice]:
    """Return the rows of each photo's faces, by its path; a photo's rows stand together.

    Examples
    --------
    >>> paths = np.array(["a.jpg", "a.jpg", "b.jpg"])
    >>> rows_by_path(Faces(paths, np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3), path=paths))
    {'a.jpg': slice(0, 2, None), 'b.jpg': slice(2, 3, None)}
    """
    starts = [i for i, path in enumerate(faces.path) if not i or path != faces.path[i - 1]]
    return {faces.path[i]: slice(i, end) for i, end in zip(starts, [*starts[1:], *[len(faces)] * bool(starts)], strict=True)}


def with_faceless(faces: Faces, photos: Sequence[Mapping[str, Any]]) -> Faces:
    """Return the faces in the order of the photos, and a row of NaN, whose columns say why, for each photo without one.

    Parameters
    ----------
    faces
        n faces.
    photos
        One mapping a photo with its `path`, `sha256`, number of `faces` and, where that is 0, the reason `why`.
    """
    without = [photo for photo in photos if not photo["faces"]]
    n, why = len(without), np.array([photo["why"] for photo in without], dtype=object)
    columns = {}
    for name, column in faces.columns.items():
        values = np.full((n, *column.values.shape[1:]), np.nan, np.float32)
        low, high = (None if band is None else values for band in (column.low, column.high))
        columns[name] = replace(column, values=values, why=why, low=low, high=high)
    ids, paths = (np.array([photo[name] for photo in without], object) for name in ("sha256", "path"))
    box, landmarks, score = (np.full((n, *shape), np.nan) for shape in ((4,), (5, 2), ()))
    joined = concatenate([faces, Faces(ids, box, landmarks, score, columns, paths)])
    order = {photo["path"]: i for i, photo in enumerate(photos)}
    picked: Faces = joined[np.argsort([order[path] for path in joined.path], kind="stable")]
    return picked


def concatenate(parts: Sequence[Faces]) -> Faces:
    """Return the rows of all parts, in order.

    Raises
    ------
    WrongShape
        When the parts do not have the same columns, or there are none.
    WrongUnit
        When a column has another unit in one of them.
    SchemaError
        When it has another source, or other labels.
    """
    if not parts or any(list(part.columns) != list(parts[0].columns) for part in parts):
        raise WrongShape(f"expected parts of Faces with the same columns, got {[list(p.columns) for p in parts]}")
    columns = {name: _concatenate(name, [part.columns[name] for part in parts]) for name in parts[0].columns}
    names = ("photo", "box", "landmarks", "score", "path")
    photo, box, landmarks, score, path = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Faces(photo, box, landmarks, score, columns, path)


def _concatenate(column: str, columns: Sequence[Column]) -> Column:
    for name, error in (("unit", WrongUnit), ("source", SchemaError), ("labels", SchemaError)):
        if len(found := {getattr(part, name) for part in columns}) > 1:
            raise error(f"{column}: expected one {name} in all parts, got {sorted(found)}; measure one part again")
    parts: dict[str, Any] = {"values": np.concatenate([part.values for part in columns])}
    parts["level"] = next((part.level for part in columns if part.level is not None), None)
    for name in ("low", "high"):
        bands = [getattr(part, name) for part in columns]
        if any(band is not None for band in bands):
            missing = (np.full_like(part.values, np.nan) for part in columns)
            parts[name] = np.concatenate([m if b is None else b for b, m in zip(bands, missing, strict=True)])
    whys = [np.full(len(c), "", object) if c.why is None else c.why for c in columns]
    parts["why"] = np.concatenate(whys) if any(c.why is not None for c in columns) else None
    return replace(columns[0], **parts)


def _metadata(values: np.ndarray, **known: Any) -> dict[str, str]:
    metadata = {name: str(value) for name, value in known.items() if value not in (None, ()) and name != "labels"}
    if known.get("labels"):
        metadata["labels"] = json.dumps(known["labels"], ensure_ascii=False)
    return metadata | {"shape": json.dumps(values.shape[1:])}


def _to_arrow(values: np.ndarray) -> pa.Array:
    """Return null for NaN: the least and the greatest that a parquet notes let readers take NaN for a value."""
    import pyarrow as pa

    missing = np.isnan(flat := np.ravel(values))
    flat = pa.array(flat, pa.float32(), mask=missing if missing.any() else None)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))


def _from_arrow(table: pa.Table, name: str) -> np.ndarray:
    shape = json.loads((table.schema.field(name).metadata or {}).get(b"shape", b"[]"))
    column = table[name].combine_chunks()
    flat = column.flatten() if shape else column
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float32).reshape(len(table), *shape)


def _column(table: pa.Table, at: pa.Field) -> Column:
    import pyarrow as pa

    metadata = {name.decode(): value.decode() for name, value in at.metadata.items()}
    shape = tuple(json.loads(metadata["shape"]))
    bands: dict[str, Any] = {"low": None, "high": None}
    for part in bands:
        band = f"{at.name}.{part}"
        if band in table.column_names and not pa.types.is_null(table.schema.field(band).type):
            flat = table[band].combine_chunks()
            flat = flat.flatten() if shape else flat
            bands[part] = np.asarray(flat.to_numpy(zero_copy_only=False), np.float32).reshape(len(table), *shape)
    why = table[f"{at.name}.why"].to_pylist() if f"{at.name}.why" in table.column_names else []
    return Column(
        _from_arrow(table, at.name),
        metadata["unit"],
        metadata["source"],
        labels=tuple(json.loads(metadata.get("labels", "[]"))),
        level=float(metadata["level"]) if "level" in metadata else None,
        why=np.array([reason or "" for reason in why], object) if any(why) else None,
        **bands,
    )
