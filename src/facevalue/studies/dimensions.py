"""What the dimensions of a perceptual model are about: measured columns, people's words and ratings, annotators' weights.

Dimensions are numbered from 0, as the columns of the embedding are. One number a row of findings: the measure names what it
was compared with, the group the dimension ("dimension 3").
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.data.findings import TYPES, Findings, concatenate
from facevalue.data.perception import Perception
from facevalue.stats.association import Association, areas_under_curve, rank_correlations
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.multiplicity import adjusted_p_values

STUDY = "dimensions"
LEAST = 4


def dimension_names(d: int) -> np.ndarray:
    """Return the names of dimensions in findings, (d,) str.

    >>> dimension_names(2).tolist()
    ['dimension 0', 'dimension 1']
    """
    return np.array([f"dimension {j}" for j in range(d)], object)


def tabled(study: str, **columns: Any) -> Findings:
    """Return findings whose cells are given as arrays or as one value for all rows; the interval may be left out."""
    given: dict[str, Any] = {"study": study, "low": np.nan, "high": np.nan, "level": np.nan, "run": ""} | columns
    wide = np.broadcast_shapes(*(np.shape(given[name]) for name in TYPES))
    return Findings(**{name: np.broadcast_to(np.asarray(given[name], kind), wide).ravel() for name, kind in TYPES.items()})


def correlations(
    dimensions: np.ndarray, columns: Mapping[str, np.ndarray | Column], *, level: float, run: str = ""
) -> Findings:
    """Return the rank correlation of every dimension with every column; of two-valued columns the area under the curve too.

    Distributions and words go label by label. Faces without a number in a column are left out of it and counted. Measures are
    "spearman <column>", "auroc <column>" (the larger value against the smaller), "adjusted_p <column>" (of no association,
    over all dimensions and columns at once) and, once a column, "missing <column>". A column that does not vary has NaN.

    Parameters
    ----------
    dimensions : (n, d) float
        Faces along d dimensions.
    columns
        (n,) numbers, truth values or words ("" where unknown), or (n, k) shares of labels, as instruments perceive them.
    level
        Of the intervals, in (0, 1).
    run
        What measured the columns.

    Raises
    ------
    WrongShape
        A column of another length.
    SchemaError
        No columns, NaN among the dimensions, or a distribution whose labels are not named.

    References
    ----------
    Benjamini, Hochberg, JRSS B 57, 1995; for the rest see `rank_correlations` and `areas_under_curve`.

    Examples
    --------
    >>> found = correlations(np.eye(6)[:, :1], {"age": np.array([60.0, 20, 30, 25, 35, np.nan])}, level=0.9)
    >>> [(row["measure"], row["group"], round(row["value"], 3), row["n"]) for row in found.to_rows()][:2]
    [('spearman age', 'dimension 0', 0.707, 5), ('missing age', 'all', 1.0, 6)]
    """
    check_level(level)
    dimensions = _without_nan(dimensions)
    flat = _flattened(columns, len(dimensions))
    if not flat:
        raise SchemaError("expected columns to compare the dimensions with, got none")
    parts, tested = list[Findings](), list[Findings]()
    for together, rows in _by_missing(flat):
        y = np.stack([flat[name][rows] for name in together], 1)
        found = _ranked(dimensions[rows], y, level)
        for k, name in enumerate(together):
            parts += _column(dimensions[rows], y[:, k], name, found, k, level=level)
            gone = {"value": (~rows).sum(), "n": len(rows), "method": "count"}
            parts.append(tabled(STUDY, measure=f"missing {name}", group="all", **gone))
            known = {"group": dimension_names(dimensions.shape[1]), "value": found.p[:, k], "n": rows.sum(), "method": "BH"}
            tested.append(tabled(STUDY, measure=f"adjusted_p {name}", **known))
    p = concatenate(tested)
    every = concatenate([*parts, replace(p, value=adjusted_p_values(p.value))])
    return replace(every, run=np.full(len(every), run, object))


def _column(x: np.ndarray, y: np.ndarray, name: str, found: Association, k: int, *, level: float) -> list[Findings]:
    """Return the correlations of all dimensions with column k and, where it is two-valued, the areas under the curve."""
    known = {"group": dimension_names(x.shape[1]), "level": level, "n": len(x)}
    value, low, high = (getattr(found, end)[:, k] for end in ("value", "low", "high"))
    ranked = tabled(STUDY, measure=f"spearman {name}", value=value, low=low, high=high, method="influence", **known)
    values, counts = np.unique(y, return_counts=True)
    if len(values) != 2 or counts.min() < 2 or len(x) < LEAST:
        return [ranked]
    area = areas_under_curve(x, y == values[1], level=level)
    ends = {"value": area.value, "low": area.low, "high": area.high}
    return [ranked, tabled(STUDY, measure=f"auroc {name}", method="delong", **ends, **known)]


def _flattened(columns: Mapping[str, np.ndarray | Column], n: int) -> dict[str, np.ndarray]:
    """Return one (n,) float64 a column, or a label of a column."""
    flat: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        labels = column.labels if isinstance(column, Column) else ()
        values = np.asarray(column.values if isinstance(column, Column) else column)
        if values.shape[:1] != (n,) or values.ndim > 2:
            raise WrongShape(f"{name}: expected {n} rows, one a face; got shape {values.shape}")
        if values.dtype.kind in "OUS":
            words = values.astype(str)
            known = [word for word in np.unique(words) if word not in ("", "nan", "None")]
            flat |= {f"{name}: {word}": np.where(np.isin(words, known), words == word, np.nan) for word in known}
        elif values.ndim == 1:
            flat[name] = values.astype(np.float64)
        elif isinstance(column, Column) and not labels:
            raise SchemaError(f"{name}: expected one number a face or shares of labels; got shape {values.shape}, no labels")
        else:
            named = zip(labels or range(values.shape[1]), values.T, strict=True)
            flat |= {f"{name}: {label}": part.astype(np.float64) for label, part in named}
    return flat


def _by_missing(flat: Mapping[str, np.ndarray]) -> list[tuple[list[str], np.ndarray]]:
    """Return the columns that the same faces have, with these faces, (n,) bool."""
    kept: dict[bytes, list[str]] = defaultdict(list)
    for name, values in flat.items():
        kept[(~np.isnan(values)).tobytes()].append(name)
    return [(names, np.frombuffer(rows, bool)) for rows, names in kept.items()]


def _ranked(x: np.ndarray, y: np.ndarray, level: float) -> Association:
    if len(x) >= LEAST:
        return rank_correlations(x, y, level=level)
    return Association(*(np.full((x.shape[1], y.shape[1]), np.nan) for _ in range(4)))


def _without_nan(dimensions: np.ndarray) -> np.ndarray:
    dimensions = np.asarray(dimensions, np.float64)
    if dimensions.ndim != 2 or not dimensions.size:
        raise WrongShape(f"expected faces along dimensions, (n, d); got shape {dimensions.shape}")
    if gone := int(np.isnan(dimensions).any(1).sum()):
        raise SchemaError(f"{gone} of {len(dimensions)} faces have no place along the dimensions (NaN): leave them out")
    return dimensions


def words(
    dimension: np.ndarray, topics: Sequence[Sequence[str]], annotator: np.ndarray, *, level: float, run: str = ""
) -> Findings:
    """Return how many of a dimension's annotators named each word, "word <word>", the most frequent first.

    Words are compared in small letters, without the signs around them; an annotator counts once a word and dimension.

    Parameters
    ----------
    dimension : (t,) int
        Which dimension was looked at.
    topics
        t lists of words.
    annotator : (t,) str
        Who named them.
    level
        Of Wilson's intervals, in (0, 1).
    run
        Where the words are from.

    Raises
    ------
    WrongShape
        When the three are not as long as each other.

    Examples
    --------
    >>> found = words(np.array([0, 0]), [["Smile", "teeth"], ["smile ", "happy"]], np.array(["a", "b"]), level=0.9)
    >>> [(row["measure"], row["group"], row["value"]) for row in found.to_rows()]
    [('word smile', 'dimension 0', 1.0), ('word happy', 'dimension 0', 0.5), ('word teeth', 'dimension 0', 0.5)]
    """
    if not len(dimension) == len(topics) == len(annotator):
        raise WrongShape(f"expected topics of as many rows; got {len(dimension)}, {len(topics)} and {len(annotator)}")
    named = {(int(j), _word(w), who) for j, row, who in zip(dimension, topics, annotator, strict=True) for w in row if _word(w)}
    people = Counter(j for j, _ in {(int(j), who) for j, who in zip(dimension, annotator, strict=True)})
    counts = sorted(Counter((j, word) for j, word, _ in named).items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    if not counts:
        return concatenate([])
    hits, n = np.array([count for _, count in counts]), np.array([people[j] for (j, _), _ in counts])
    low, high = wilson_interval(hits, n, level=level)
    known = {"group": [f"dimension {j}" for (j, _), _ in counts], "measure": [f"word {word}" for (_, word), _ in counts]}
    return tabled(STUDY, **known, value=hits / n, low=low, high=high, level=level, n=n, method="wilson", run=run)


def _word(text: str) -> str:
    """Return a word as it is counted.

    >>> _word(" Long  Hair! ")
    'long hair'
    """
    return re.sub(r"\s+", " ", re.sub(r"^\W+|\W+$", "", text.casefold()))


def ratings(dimensions: np.ndarray, rated: Mapping[str, np.ndarray], *, level: float, run: str = "") -> Findings:
    """Return the rank correlation of people's ratings of faces along a dimension with the faces' place there, "rating".

    The interval is over annotators, whose ratings may depend on each other.

    Parameters
    ----------
    dimensions : (n, d) float
        Faces along d dimensions.
    rated
        (r,) each: "face" (a row of `dimensions`), "dimension" (a column of it), "rating" and "annotator".
    level
        Of the intervals, in (0, 1).
    run
        Where the ratings are from.

    Raises
    ------
    SchemaError
        An array is missing, or names a face or a dimension that is not there; NaN.

    Examples
    --------
    >>> rated = {"face": np.arange(6), "dimension": np.zeros(6, int), "rating": np.array([0, 30, 20, 60, 70, 90]),
    ...          "annotator": np.array(list("abcabc"))}
    >>> found = ratings(np.arange(6.0)[:, None], rated, level=0.9)
    >>> [(row["measure"], row["group"], round(row["value"], 3), row["n"]) for row in found.to_rows()]
    [('rating', 'dimension 0', 0.943, 6)]
    """
    dimensions = _without_nan(dimensions)
    if lacking := [name for name in ("face", "dimension", "rating", "annotator") if name not in rated]:
        raise SchemaError(f"expected ratings with face, dimension, rating and annotator; there is no {lacking[0]!r}")
    face, at = np.asarray(rated["face"]), np.asarray(rated["dimension"])
    for what, given, count in (("face", face, len(dimensions)), ("dimension", at, dimensions.shape[1])):
        if ((given < 0) | (given >= count)).any():
            raise SchemaError(f"ratings: expected a {what} of 0 to {count - 1}, got {given.min()} to {given.max()}")
    parts = []
    for j in np.unique(at):
        rows = at == j
        place, rating = dimensions[face[rows], j], np.asarray(rated["rating"], np.float64)[rows]
        found = _of_annotators(place, rating, np.asarray(rated["annotator"])[rows], level)
        known: dict[str, Any] = {"value": found.value[0], "low": found.low[0], "high": found.high[0], "n": int(rows.sum())}
        known |= {"group": f"dimension {j}", "method": "influence, annotators"}
        parts.append(tabled(STUDY, measure="rating", level=level, run=run, **known))
    return concatenate(parts)


def _of_annotators(place: np.ndarray, rating: np.ndarray, annotator: np.ndarray, level: float) -> Association:
    if np.isnan(rating).any():
        raise SchemaError(f"ratings: {np.isnan(rating).sum()} of {len(rating)} are NaN: leave them out")
    if len(rating) < LEAST or len(np.unique(annotator)) < 2:
        return Association(*(np.full((1, 1), np.nan) for _ in range(4)))
    return rank_correlations(place[:, None], rating[:, None], level=level, clusters=annotator)


def weights(model: Perception, *, level: float, each: bool = True) -> Findings:
    """Return how much annotators weigh each dimension: the mean of their masks, their spread, and each one's own.

    A mask of 1 is that of the typical annotator. Measures of a dimension are "mean_weight" and "sd_weight" over annotators,
    and "population_sd", that of the population on the scale of its link, without the noise of single masks. A measure
    "weight dimension 3" has the annotator, or group of annotators, as its group. Masks that were fitted to few answers lie
    nearer to 1 than those people do: `sd_weight` is then too small.

    Parameters
    ----------
    model
        With masks.
    level
        Of the intervals, in (0, 1): of a mean by its standard error, of a spread by that of its logarithm.
    each
        Whether to list every annotator.

    Raises
    ------
    SchemaError
        A model without masks.

    Examples
    --------
    >>> empty = np.empty(0, object)
    >>> model = Perception("m", empty, np.ones((0, 1)), np.array(["a", "b"], object), np.array([[0.5], [1.5]]))
    >>> found = weights(model, level=0.9)
    >>> [(row["measure"], row["group"], row["value"]) for row in found.to_rows()][0]
    ('mean_weight', 'dimension 0', 1.0)
    """
    check_level(level)
    if not len(model.masks):
        raise SchemaError(f"{model.name}: it has no masks: it was fitted without annotators")
    masks, names, n = np.asarray(model.masks, np.float64), dimension_names(model.d), len(model.masks)
    cells: dict[str, Any] = {"n": n, "run": f"perceptual.{model.name}"}
    mean, spread, (mean_error, log_error) = masks.mean(0), masks.std(0, ddof=min(1, n - 1)), _errors(masks)
    z = NormalDist().inv_cdf((1 + level) / 2)
    known = {"group": names, "level": level, "method": "standard error"} | cells
    ends = {"low": mean - z * mean_error, "high": mean + z * mean_error}
    parts = [tabled(STUDY, measure="mean_weight", value=mean, **ends, **known)]
    ends = {"low": spread * np.exp(-z * log_error), "high": spread * np.exp(z * log_error)}
    parts.append(tabled(STUDY, measure="sd_weight", value=spread, **ends, **known))
    if model.population is not None:
        parts.append(tabled(STUDY, measure="population_sd", group=names, value=model.population.sd, method="fitted", **cells))
    if each:
        own = {"measure": np.array([f"weight {name}" for name in names], object), "group": np.asarray(model.labels)[:, None]}
        parts.append(tabled(STUDY, **own, value=masks, method="fitted", **cells | {"n": 1}))
    return concatenate(parts)


def _errors(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard errors of the means and of the logarithms of the spreads, (d,) each; NaN of fewer than four."""
    n = len(masks)
    if n < LEAST:
        return (np.full(masks.shape[1], np.nan),) * 2
    off = masks - masks.mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = (off**4).mean(0) / (off**2).mean(0) ** 2
        return off.std(0, ddof=1) / np.sqrt(n), np.sqrt(np.maximum(kurtosis - (n - 3) / (n - 1), 0) / n) / 2
