"""What disparity is counted of, photos of people in groups or a table of scored pairs; and on what terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column
from facevalue.data.findings import Findings
from facevalue.data.pairs import compare_all
from facevalue.data.people import People
from facevalue.data.scored import Scored
from facevalue.stats.folds import cross_fitted_ratio
from facevalue.studies.grouping import Grouping, crossed, grouping, unknown
from facevalue.studies.verification import compared

MEASURES = ("failures", "verification", "calibration", "coverage", "columns")
FOLDS, MOST, WORDS = 5, 100_000, 12


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What is known of n photos of people.

    Parameters
    ----------
    person : (n,) str
        Whose each is; "" for nobody's.
    groupings
        Of the photos.
    pairs
        Scored pairs of these photos.
    failed : (n,) bool, optional
        Which could not be compared.
    values : (n,) float each
        Further measures of the photos, by name; NaN where missing.
    covariates : (n,) float each
        What the groups are to be made alike in.
    coverage
        Of `facevalue.confidence.coverage`, by the same groupings.
    run
        What measured it.
    """

    person: np.ndarray
    groupings: Sequence[Grouping]
    pairs: Scored | None = None
    failed: np.ndarray | None = None
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    coverage: Findings | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """How groups are compared.

    Parameters
    ----------
    fmr
        The false match rate over all pairs that sets the threshold, in (0, 1).
    threshold
        A score that is taken instead; `fmr` is then only what rate is to be counted, None for the rate measured.
    least
        People in a group of which anything is claimed.
    alpha
        What false matches count in the measures of both errors, in [0, 1].
    resamples, permutations
        Of the bootstrap, and of labels for p.
    measures
        Which kinds are told, out of `MEASURES`.
    """

    fmr: float | None = 0.01
    threshold: float | None = None
    least: int = 30
    alpha: float = 0.5
    resamples: int = 1000
    permutations: int = 999
    measures: Sequence[str] = MEASURES


def sample_of_people(
    people: People,
    model: str | None,
    *,
    by: Sequence[str],
    adjust: Sequence[str] = (),
    columns: Sequence[str] = (),
    metric: str = "cosine",
    seed: int,
    chance: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Sample:
    """Return a sample of measured photos: groups, pairs of all photos with their scores, what failed.

    Parameters
    ----------
    people
        n photos.
    model
        That embeds; None for no pairs.
    by
        Columns of the people or of their faces that group them; "sex*age" of two crosses their groups.
    adjust
        Columns of numbers in which groups are made alike.
    columns
        Further columns, whose means and shares are told.
    metric
        Of the scores.
    seed
        Of the pairs, at most 100,000 of a kind, and of the folds.
    chance
        P(same) of scores, (m,); without it likelihood ratios fitted on pairs of other people.

    Raises
    ------
    MissingColumn
        A column that is not there.
    SchemaError
        A column that does not group, or is not of numbers.
    """
    groupings = grouped(by, lambda name: column_of(people, name), people.person)
    values = {k: v for name in columns for k, v in _values(name, column_of(people, name)).items()}
    covariates = {name: numbers_of(name, column_of(people, name)) for name in adjust}
    pairs = failed = None
    run = f"seed {seed}"
    if model is not None:
        seen = np.flatnonzero(people.usable(model))
        failed = ~people.usable(model) & (people.person != "")
        if len(np.unique(people.person[seen].astype(str))) < 2:
            return Sample(people.person, groupings, None, failed, values, covariates, run=run)
        found = compare_all(people.person[seen].astype(str), most=MOST, folds=FOLDS, seed=seed)
        system = compared(people[seen], found, model, detector="", metric=metric)
        run = f"{system.source}, {metric}, seed {seed}"
        p = chance(system.scores) if chance else _ratio(system.scores, found.same, found.fold_a, found.fold_b)
        pairs = Scored(seen[found.a], seen[found.b], found.same, system.scores, people.person, probability=p)
    return Sample(people.person, groupings, pairs, failed, values, covariates, run=run)


def sample_of_pairs(scored: Scored, *, by: Sequence[str], adjust: Sequence[str] = (), seed: int, name: str = "") -> Sample:
    """Return a sample of scored pairs; P(same) is fitted on pairs of other people where the table has none.

    Parameters
    ----------
    scored
        m pairs.
    by, adjust
        Columns of their photos.
    seed
        Of the folds.
    name
        Of the table.

    Raises
    ------
    SchemaError
        A column that does not group, or is not of numbers.
    """
    groupings = grouped(by, scored.columns.__getitem__, scored.person)
    covariates = {column: numbers_of(column, scored.columns[column]) for column in adjust}
    if scored.probability is None:
        names, who = np.unique(scored.person.astype(str), return_inverse=True)
        fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[who]
        p = _ratio(scored.scores, scored.same, fold[scored.a], fold[scored.b])
        scored = Scored(scored.a, scored.b, scored.same, scored.scores, scored.person, scored.columns, p, scored.named)
    return Sample(scored.person, groupings, scored, covariates=covariates, run=f"{name}, seed {seed}".removeprefix(", "))


def columns_of(by: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that words name, each once.

    >>> columns_of(["sex", "sex*age"])
    ('sex', 'age')
    """
    return tuple(dict.fromkeys(name.strip() for word in by for name in word.split("*")))


def grouped(by: Sequence[str], column: Callable[[str], np.ndarray | Column], person: np.ndarray) -> list[Grouping]:
    """Return the groupings that words ask for: of a column, or of several whose groups are crossed, "sex*age"."""
    parts = [[grouping(name, column(name), person) for name in columns_of([word])] for word in by]
    return [crossed(part) if len(part) > 1 else part[0] for part in parts]


def _ratio(scores: np.ndarray, same: np.ndarray, fold_a: np.ndarray, fold_b: np.ndarray) -> np.ndarray | None:
    """Return P(same) at even odds by ratios that were fitted on pairs of other people; None where none can be fitted."""
    seen, p = np.isfinite(scores), np.full(len(scores), np.nan)
    if same[seen].all() or not same[seen].any():
        return None
    log_ratio = cross_fitted_ratio(scores[seen], same[seen], fold_a[seen], fold_b[seen])
    p[seen] = (1 + np.tanh(log_ratio * np.log(10) / 2)) / 2
    return p


def column_of(people: People, name: str) -> np.ndarray | Column:
    """Return a column of the people, or of their faces; raise MissingColumn where it is neither."""
    if name in people.columns:
        return np.asarray(people.columns[name], object)
    if name not in people.faces.columns:
        known = ", ".join([*people.columns, *people.faces.columns]) or "none"
        raise MissingColumn(f"expected a column {name!r}; there are {known}")
    column: Column = people.faces[name]
    return column


def numbers_of(name: str, column: np.ndarray | Column) -> np.ndarray:
    """Return a column as numbers, (n,) float64, NaN where missing; raise SchemaError where it is of words or labels.

    Examples
    --------
    >>> numbers_of("age", np.array(["30", ""], object))
    array([30., nan])
    """
    cells = column.values if isinstance(column, Column) else column
    try:
        numbers = np.array([np.nan if unknown(cell) else float(cell) for cell in cells], np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{name}: expected one number a photo, to make groups alike in it; {error}") from error
    return numbers


def _values(name: str, column: np.ndarray | Column) -> Mapping[str, np.ndarray]:
    """Return a column as numbers whose means are told: itself, or the share of each label or word."""
    if isinstance(column, Column) and column.labels:
        best = column.values.argmax(1)
        gone = np.isnan(column.values).any(1)
        return {f"{name}: {label}": np.where(gone, np.nan, best == j) for j, label in enumerate(column.labels)}
    if isinstance(column, Column):
        return {name: column.values.astype(np.float64)}
    try:
        return {name: numbers_of(name, column)}
    except SchemaError:
        text = np.array(["" if unknown(cell) else str(cell).strip() for cell in column])
        words = [word for word in np.unique(text) if word]
        return {f"{name}: {word}": np.where(text == "", np.nan, text == word) for word in words}


def tellable(people: People, *, but: Sequence[str]) -> tuple[str, ...]:
    """Return the columns whose means or shares can be told: numbers, shares of at most 12 labels, words of at most 12 kinds.

    Parameters
    ----------
    people
        n photos.
    but
        Columns that are left out.
    """
    words = [name for name, column in people.columns.items() if _tells(np.asarray(column, object))]
    faces = [
        name
        for name, column in people.faces.columns.items()
        if not name.endswith(("_set", ".score")) and (column.values.ndim == 1 or 0 < len(column.labels) <= WORDS)
    ]
    return tuple(name for name in (*words, *faces) if name not in but)


def _tells(column: np.ndarray) -> bool:
    try:
        return bool(len(np.unique(numbers_of("", column)[np.isfinite(numbers_of("", column))])) > 1)
    except SchemaError:
        return 1 < len(np.unique(column.astype(str))) <= WORDS
