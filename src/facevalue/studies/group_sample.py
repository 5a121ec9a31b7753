"""Samples for `disparity`: out of measured people, or out of a table of scored pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column
from facevalue.data.pairs import compare_all
from facevalue.data.people import People
from facevalue.data.scored import Scored
from facevalue.stats.folds import cross_fitted_ratio
from facevalue.studies.disparity import Sample
from facevalue.studies.grouping import grouping, unknown
from facevalue.studies.verification import compared

FOLDS, MOST, WORDS = 5, 100_000, 12


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
        Columns of the people or of their faces that group them.
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
    groupings = [grouping(name, column_of(people, name), people.person) for name in by]
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
    groupings = [grouping(column, scored.columns[column], scored.person) for column in by]
    covariates = {column: numbers_of(column, scored.columns[column]) for column in adjust}
    if scored.probability is None:
        names, who = np.unique(scored.person.astype(str), return_inverse=True)
        fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[who]
        p = _ratio(scored.scores, scored.same, fold[scored.a], fold[scored.b])
        scored = Scored(scored.a, scored.b, scored.same, scored.scores, scored.person, scored.columns, p, scored.named)
    return Sample(scored.person, groupings, scored, covariates=covariates, run=f"{name}, seed {seed}".removeprefix(", "))


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
