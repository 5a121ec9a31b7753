"""Prediction sets, intervals, bands of probabilities and abstention: columns in, columns with their doubt out.

Of faces like the calibration faces, a set of level .9 holds the label that people gave at least nine times in ten, in
each category; of other faces nothing is promised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.confidence.conformal import Distribution, Interval, Within, fit_distribution, fit_interval
from facevalue.data.errors import NotCalibrated, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.stats.calibration import Reliability, check_level

__all__ = ["Calibration", "Distribution", "Interval", "Limit", "Within", "fit_distribution", "fit_interval", "with_sets"]


@dataclass(frozen=True, slots=True)
class Limit:
    """Faces with a column below `low` or above `high` are not judged; `why` is the reason that they carry.

    Examples
    --------
    >>> Limit("pose.yaw", -40, 40, "turned_away").broken(np.array([-41.0, -40.0, 40.0, 41.0, np.nan]))
    array([ True, False, False,  True, False])
    """

    column: str
    low: float | None
    high: float | None
    why: str

    def broken(self, values: np.ndarray) -> np.ndarray:
        """Return for each value, (n,), whether it lies outside; NaN does not."""
        below = values < (-np.inf if self.low is None else self.low)
        return np.asarray(below | (values > (np.inf if self.high is None else self.high)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that calibration faces taught of an instrument.

    Parameters
    ----------
    distributions, intervals
        By column, `<instrument>.<head>`; the scale of an interval is the column `<instrument>.<head>_sd`.
    limits
        When to abstain; of several broken limits the first gives the reason.
    """

    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the same in dicts, lists, words and numbers, fit for JSON; nothing is lost."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` wrote."""
        return cls(
            {name: _distribution(part) for name, part in plain["distributions"].items()},
            {name: _interval(part) for name, part in plain["intervals"].items()},
            tuple(Limit(**part) for part in plain["limits"]),
        )


def with_sets(faces: Faces, calibration: Calibration, *, level: float) -> Faces:
    """Return the faces with bands on each calibrated column, sets beside each distribution, and abstention.

    The set is the column `<instrument>.<head>_set`, (n, k) of 0 and 1, never empty. Faces outside a limit have NaN in all
    columns of the instrument but those by which it abstains, and its reason; reasons that were there before stay. A limit
    whose column is NaN withholds nothing.

    Parameters
    ----------
    faces
        n faces with the calibrated columns and those of the limits.
    calibration
        Of the instrument that measured them.
    level
        Nominal coverage of sets, intervals and bands, in (0, 1).

    Raises
    ------
    MissingColumn
        When a calibrated column, or that of a limit, is not there.
    SchemaError
        When a column has other labels than were calibrated.
    NotCalibrated
        When there were too few calibration faces for the level.
    """
    check_level(level)
    abstained, found = _abstained(faces, calibration.limits), dict[str, Column]()
    for name, distribution in calibration.distributions.items():
        found |= _with_set(faces, name, distribution, level)
    for name, interval in calibration.intervals.items():
        found[name] = _with_interval(faces, name, interval, level)
    columns = {**faces.columns, **found}
    names = _beside(columns, calibration)
    return replace(faces, columns=columns | {name: _withheld(columns[name], abstained) for name in names})


def _beside(columns: Mapping[str, Column], calibration: Calibration) -> list[str]:
    """Return the columns of the calibrated instruments, but for those by which they abstain."""
    instruments = {name.split(".")[0] for name in (*calibration.distributions, *calibration.intervals)}
    reasons = {limit.column for limit in calibration.limits}
    return [name for name in columns if name.split(".")[0] in instruments and name not in reasons]


def _with_set(faces: Faces, name: str, distribution: Distribution, level: float) -> dict[str, Column]:
    """Return the column with its bands, and the column of its sets."""
    column, p = faces[name], faces[name].values
    if column.labels != distribution.labels:
        raise SchemaError(f"{name}: calibrated for labels {distribution.labels}, got {column.labels}: calibrate it anew")
    beside = None if distribution.within is None else faces[distribution.within.column].values
    low, high = distribution.bands(p, level=level)
    try:
        sets = distribution.sets(p, level=level, beside=beside).astype(np.float32)
    except NotCalibrated as error:
        raise NotCalibrated(f"{name}: {error}") from error
    sets[np.isnan(p if beside is None else np.hstack([p, beside])).any(1)] = np.nan
    of_sets = replace(column, values=sets, unit="1", low=None, high=None, level=level)
    return {name: replace(column, low=low, high=high, level=level), f"{name}_set": of_sets}


def _with_interval(faces: Faces, name: str, interval: Interval, level: float) -> Column:
    column: Column = faces[name]
    try:
        low, high = interval.band(column.values, faces[f"{name}_sd"].values, level=level)
    except NotCalibrated as error:
        raise NotCalibrated(f"{name}: {error}") from error
    return replace(column, low=low, high=high, level=level)


def _abstained(faces: Faces, limits: Sequence[Limit]) -> np.ndarray:
    """Return the reason of the first limit that each face breaks, "" where it breaks none."""
    why = np.full(len(faces), "", object)
    for limit in reversed(limits):
        why[limit.broken(faces[limit.column].values)] = limit.why
    return why


def _withheld(column: Column, abstained: np.ndarray) -> Column:
    """Return the column with NaN, and the reason, for each face that is not judged."""
    missing = (abstained != "").reshape(-1, *[1] * (column.values.ndim - 1))
    bands = (None if band is None else np.where(missing, np.nan, band) for band in (column.low, column.high))
    before = np.full(len(column), "", object) if column.why is None else column.why
    why = np.where(before == "", abstained, before)
    low, high = bands
    return replace(column, values=np.where(missing, np.nan, column.values), low=low, high=high, why=why if why.any() else None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _distribution(plain: Mapping[str, Any]) -> Distribution:
    within = plain["within"]
    return Distribution(
        tuple(plain["labels"]),
        None if within is None else Within(within["column"], tuple(within["cells"])),
        np.array(plain["category"]),
        tuple(np.array(scores) for scores in plain["scores"]),
        tuple(Reliability(**{name: np.array(part) for name, part in each.items()}) for each in plain["reliability"]),
    )


def _interval(plain: Mapping[str, Any]) -> Interval:
    scores = tuple(np.array(part) for part in plain["scores"])
    return Interval(np.array(plain["edges"]), tuple(plain["grid"]), plain["floor"], scores)
