"""`Findings`: what studies found, one tidy table, a number a row with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError, WrongShape

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

TYPES: Mapping[str, Any] = {
    "study": object,
    "measure": object,
    "group": object,
    "value": np.float64,
    "low": np.float64,
    "high": np.float64,
    "level": np.float64,
    "n": np.int64,
    "method": object,
    "run": object,
}
SHOWN = 20


@dataclass(frozen=True, slots=True, repr=False)
class Findings:
    """One row a number that a study found.

    Parameters
    ----------
    study : (r,) str
        "stability".
    measure : (r,) str
        What was measured; a unit that is not a share or a count ends its name, as in "mean_change_deg".
    group : (r,) str
        Of whom, or under what.
    value : (r,) float64
    low, high : (r,) float64
        The interval; NaN where there is none, as for counts.
    level : (r,) float64
        Its nominal coverage, in (0, 1); NaN where there is none.
    n : (r,) int64
        On how many answers the value rests.
    method : (r,) str
        How the interval was made: "wilson", "bootstrap", "count".
    run : (r,) str
        What was run: instruments with their weights, detector, seed.

    Raises
    ------
    WrongShape
        When a column is not flat, or is as long as no other.

    Examples
    --------
    >>> row = {"study": "stability", "measure": "face_missed", "group": "detector blazeface", "value": 0.04, "low": 0.03,
    ...        "high": 0.06, "level": 0.9, "n": 500, "method": "wilson", "run": "centerface, seed 0"}
    >>> findings = Findings.from_rows([row, row | {"group": "detector yunet", "value": 0.01, "low": 0.005, "high": 0.03}])
    >>> findings[findings.value > 0.02]
    1 finding
    study      measure      group               value   low  high  level    n  method  run
    stability  face_missed  detector blazeface   0.04  0.03  0.06    0.9  500  wilson  centerface, seed 0
    """

    study: np.ndarray
    measure: np.ndarray
    group: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: np.ndarray
    n: np.ndarray
    method: np.ndarray
    run: np.ndarray

    def __post_init__(self) -> None:
        for name, kind in TYPES.items():
            column = np.asarray(getattr(self, name), kind)
            object.__setattr__(self, name, column)
            if column.shape != (len(self),):
                raise WrongShape(f"Findings: {name} has shape {column.shape}, expected {(len(self),)} as study has")

    def __len__(self) -> int:
        return len(self.study)

    def __getitem__(self, rows: Any) -> Findings:
        """Return the rows of a mask, a slice, an index array or a number."""
        rows = [rows] if isinstance(rows, int | np.integer) else rows
        return Findings(**{name: getattr(self, name)[rows] for name in TYPES})

    def __repr__(self) -> str:
        head = f"{len(self)} finding{'s' * (len(self) != 1)}"
        cells = [list(TYPES), *([_text(row[name]) for name in TYPES] for row in self[:SHOWN].to_rows())]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        sides = ["<" if kind is object else ">" for kind in TYPES.values()]
        lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, sides, widths, strict=True)).rstrip() for row in cells]
        rest = [f"and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([head, *lines, *rest])

    def _repr_html_(self) -> str:
        from facevalue.data import _notebook

        return _notebook.findings_html(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return the ten columns as a frame of pandas; RunError where that is not installed."""
        from facevalue.data import _frames

        return _frames.pandas_frame({name: getattr(self, name) for name in TYPES}, {})

    def to_polars(self) -> pl.DataFrame:
        """Return the ten columns as a frame of polars, null where a number is NaN; RunError where that is not installed."""
        from facevalue.data import _frames

        return _frames.polars_frame({name: getattr(self, name) for name in TYPES})

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a mapping a row, with Python's own numbers; None where a number is NaN."""
        columns = [[None if cell != cell else cell for cell in getattr(self, name).tolist()] for name in TYPES]
        return [dict(zip(TYPES, row, strict=True)) for row in zip(*columns, strict=True)]

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Findings:
        """Return the findings of mappings, one a row; None stands for NaN.

        Raises
        ------
        MissingColumn
            When a row lacks one of the ten columns.
        SchemaError
            When a cell is not what its column holds.
        """
        if not isinstance(rows, Sequence):
            raise SchemaError(f"expected a list of findings, a mapping a row; got {type(rows).__name__}")
        for i, row in enumerate(rows):
            if lacking := [name for name in TYPES if name not in row]:
                raise MissingColumn(f"expected findings with {', '.join(TYPES)}; row {i} has no {lacking[0]!r}")
        return cls(**{name: _column(name, [row[name] for row in rows], kind) for name, kind in TYPES.items()})

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table: text, int64 for `n`, float64 with null for NaN."""
        import pyarrow as pa

        types = {object: pa.string(), np.float64: pa.float64(), np.int64: pa.int64()}
        columns = {name: pa.array(getattr(self, name), types[kind], from_pandas=True) for name, kind in TYPES.items()}
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Findings:
        """Return the findings of a table that `to_arrow` made.

        Raises
        ------
        MissingColumn
            When one of the ten columns is not there.
        SchemaError
            When a cell is not what its column holds.
        """
        if lacking := [name for name in TYPES if name not in table.column_names]:
            found = ", ".join(table.column_names)
            raise MissingColumn(f"expected a table of findings with a column {lacking[0]!r}; it has {found}")
        return cls(**{name: _column(name, table[name].to_pylist(), kind) for name, kind in TYPES.items()})


def concatenate(parts: Sequence[Findings]) -> Findings:
    """Return the rows of all parts, in order; of no parts, no rows."""
    return Findings(**{name: np.concatenate([np.empty(0, k), *(getattr(p, name) for p in parts)]) for name, k in TYPES.items()})


def _column(name: str, cells: Sequence[Any], kind: Any) -> np.ndarray:
    given = [np.nan if cell is None and kind is np.float64 else cell for cell in cells]
    wrong = [cell for cell in given if not isinstance(cell, str)] if kind is object else []
    try:
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not text")
        return np.array(given, kind)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"findings: column {name!r} cannot be read: {error}") from error


def _text(cell: Any) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
