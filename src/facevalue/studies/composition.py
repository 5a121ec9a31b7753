"""Composition: which faces a data set holds, by what instruments perceive, with intervals that carry their errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, WrongShape
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.misclassification import (
    effective_counts,
    impossible_shares,
    misclassified_shares,
    pooled_labels,
    share_draws,
)
from facevalue.stats.prediction_powered import Mean, Shares, onto_simplex, prediction_powered_mean, prediction_powered_shares
from facevalue.studies.grouping import too_few_people
from facevalue.studies.measured_shares import LIMITS, Rows, measured_shares
from facevalue.studies.perceived import COLUMNS, GIVEN, Perceived, Rates, perceived, reasons
from facevalue.studies.sample import numbers_of

STUDY, LEAST, SURE = "composition", 30, 0.99
AGE = "attributes.age"
RANDOM = "labelled faces taken as drawn at random"
SHIFT = "assumes label shift: the instrument errs on these faces as on those"
RAW = "most likely label, the instrument's errors left in: no interval"
RAW_MEAN = "the instrument's errors left in: no interval"
BROKEN = f"told less often than the error rates allow, tested at {SURE:g}: label shift does not hold"
POOLED = "labels told too much alike taken together, mixed as in those faces"
CONTRADICTED = "CONTRADICTED by what was told, not to be believed"
APART = "crossed instruments taken to err regardless of each other"
Told = tuple[Shares, str | list[str]]
WORST = "worst case: none, or all, of the faces not judged"


def composition(
    faces: Faces,
    *,
    by: Sequence[str] = (),
    truth: Mapping[str, np.ndarray] | None = None,
    rates: Mapping[str, Any],
    level: float,
    seed: int,
    person: np.ndarray | None = None,
    given: Mapping[str, np.ndarray] | None = None,
    limits: Mapping[str, tuple[float | None, float | None]] = LIMITS,
) -> Findings:
    """Return the shares of perceived age groups, genders, races, expressions, poses and qualities among the faces.

    "share" is by prediction-powered inference where people labelled some of the faces, else by the instrument's error rates;
    without either it is NaN, and says so. Labels that error rates cannot tell apart have one share together, "age_group: 50-59
    or 60-69", and NaN alone. "share_by_matrix" is the second estimate, of the other faces by the confusions of the labelled
    ones, "share_by_rates" a third, by the error rates. All are of the faces that were judged. "raw_share" counts the most
    likely labels, which is biased, and has no interval. "not_judged" is the share of all faces by reason, "share_bounds" what
    share of all faces, judged or not, is possible. "contradicted" rows are labels told less often than the error rates allow,
    tested at .99: then label shift is broken, and shares by them are not to be believed, as their method says too. Labels and
    cells told of nobody are "empty_cell", n 0 with an upper bound; those told of fewer than 30 people "too_small".
    "mean_age_years" is the mean perceived age.

    Parameters
    ----------
    faces
        n faces; what was not measured is left out of the defaults.
    by
        Further attributes: columns with labels, given columns, and intersections, "gender x race".
    truth
        What people labelled, by attribute or column, (n,) str, "" where nobody did; "age" in years. Which faces were labelled
        is taken to be random.
    rates
        By column: `ErrorRates` of distributions, `NumberErrors` of "attributes.age".
    level
        Of each interval, in (0, 1).
    seed
        Of the draws.
    person
        (n,) str: whose each face is; "" where unknown. Faces of one person are not independent.
    given
        Facts about each face, (n,) str, by name: a camera, a source.
    limits
        By column of a quality: below and above what it is told as too low, too high.

    Raises
    ------
    RunError
        No faces.
    UnknownName
        An attribute, or a label of people's, that is not known.
    WrongShape
        Persons, labels or facts that are not one a face.

    References
    ----------
    See `prediction_powered_shares` and `misclassified_shares`; bounds: Manski, Partial Identification of Probability
    Distributions, 2003, chapter 1; empty cells: Hanley, Lippman-Hand, JAMA 249, 1983.
    """
    check_level(level)
    if not len(faces):
        raise RunError("expected one face or more to tell the composition of; got none")
    truth, given = truth or {}, given or {}
    who = _people(person, len(faces))
    run = f"seed {seed}"
    rows = Rows(STUDY, level, who, run)
    rows.count("faces", "all", len(faces), n=len(faces))
    if person is not None:
        rows.count("people", "all", len(np.unique(who)), n=len(faces))
    names = [name for name, column in COLUMNS.items() if column in faces.columns]
    for name in dict.fromkeys((*names, *by)):
        part = perceived(faces, name, truth=truth, rates=_of_labels(rates), given=given)
        _tell(rows, part, seed=seed)
    if AGE in faces.columns:
        _tell_age(rows, faces, truth, rates, seed=seed)
    measured_shares(rows, faces, limits)
    return rows.findings()


def _tell(rows: Rows, part: Perceived, *, seed: int) -> None:
    """Add all that is told of one attribute."""
    lost = rows.not_judged(part.name, part.why, part.source)
    if not part.judged.any():
        rows.add("share", part.name, method=f"not told: no face was judged by {part.source}")
        return
    told = effective_counts(part.told[part.judged], rows.who[part.judged], k=len(part.labels))
    raw = np.bincount(part.told[part.judged], minlength=len(part.labels))
    estimates = list(_estimates(rows, part, told, seed=seed))
    n = int(part.judged.sum())
    for measure, shares, method in estimates:
        rows.shares(measure, part, shares, n=n, method=method)
    for j, label in enumerate(part.labels):
        rows.add("raw_share", f"{part.name}: {label}", value=raw[j] / n, n=n, method=RAW if part.rates != (GIVEN,) else GIVEN)
    first = estimates[0][1]
    for j, label in enumerate(part.labels):
        if lost and np.isfinite(first.low[j]):
            low, high = first.low[j] * (1 - lost), first.high[j] * (1 - lost) + lost
            rows.add("share_bounds", f"{part.name}: {label}", low=low, high=high, n=len(part.p), method=WORST)
    _cells(rows, part, raw, first, lost)


def _estimates(rows: Rows, part: Perceived, told: np.ndarray, *, seed: int) -> Iterator[tuple[str, *Told]]:
    """Yield measure, shares and method of each estimate; the first is the one to go by."""
    known = part.judged & (part.truth >= 0)
    if part.rates == (GIVEN,):
        yield "share", _counted(told, rows.level), "wilson, as given"
        return
    first = "share"
    if known.any() and any(rate != GIVEN for rate in part.rates):
        found = _powered(rows, part, known)
        rows.count("labelled", part.name, int(known.sum()), n=int(part.judged.sum()))
        if np.isfinite(found.values).all():
            yield first, found, f"{found.method}; {RANDOM}"
            yield "share_by_matrix", *_by_matrix(rows, part, known, seed)
            first = "share_by_rates"
        else:
            rows.add("labelled_too_few", part.name, value=float(known.sum()), n=int(known.sum()), method=found.method)
    yield first, *_by_rates(rows, part, told, first, seed)


def _powered(rows: Rows, part: Perceived, known: np.ndarray) -> Shares:
    rest = part.judged & ~known
    clusters = rows.who[rest], rows.who[known]
    return prediction_powered_shares(part.p[rest], part.p[known], part.truth[known], level=rows.level, clusters=clusters)


def _by_matrix(rows: Rows, part: Perceived, known: np.ndarray, seed: int) -> Told:
    """Return the shares of the faces without a label by the confusions of those with one, and how they were told."""
    k, rest = len(part.labels), part.judged & ~known
    if not rest.any():
        return _untold(part, "not told: every face is labelled")
    people = len(np.unique(rows.who[known])) / known.sum()
    table = np.bincount(part.truth[known] * k + part.told[known], minlength=k * k).reshape(k, k) * people
    told = effective_counts(part.told[rest], rows.who[rest], k=k)
    shares = misclassified_shares(told, table, level=rows.level, seed=seed)
    return shares, f"{_named(shares.method, part)} of the {int(known.sum())} labelled faces; {RANDOM}"


def _by_rates(rows: Rows, part: Perceived, told: np.ndarray, measure: str, seed: int) -> Told:
    """Return the estimate by the instruments' recorded error rates, and add that of labels these cannot tell apart."""
    lacking = [name for name, rate in zip(part.name.split(" x "), part.rates, strict=True) if rate is None]
    if lacking:
        return _untold(part, f"not told: no labelled faces, and no error rates of {', '.join(lacking)}; raw shares are biased")
    known = _pooled(part, told)
    of = "; ".join(dict.fromkeys(f"{r.source} ({r.of})" for r in part.rates if r is not None and not isinstance(r, str)))
    if any(len(table) < 2 for table in known.tables if table is not None):
        return _untold(part, f"not told: the error rates tell no labels apart, of {of}")
    shares = misclassified_shares(known.told, *known.tables, level=rows.level, seed=seed)
    wrong = impossible_shares(share_draws(known.told, *known.tables, seed=seed), level=SURE)
    method = f"{shares.method} of {of}; {SHIFT}{f'; {CONTRADICTED}' if wrong.any() else ''}"
    method += (f"; {APART}" if len(part.rates) > 1 else "") + (f"; {POOLED}" if len(known.cells) < len(part.labels) else "")
    n = int(part.judged.sum())
    for cell in np.array(known.cells, object)[wrong]:
        rows.count("contradicted", f"{part.name}: {cell}", 1, n=n, method=BROKEN)
    together = np.bincount(known.of)[known.of] > 1
    for j in dict.fromkeys(known.of[together].tolist()):
        ends = {"value": shares.values[j], "low": shares.low[j], "high": shares.high[j]}
        rows.add(measure, f"{part.name}: {known.cells[j]}", n=n, method=method, **ends)
    alone = [np.where(together, np.nan, end[known.of]) for end in (shares.values, shares.low, shares.high)]
    methods = [
        f"told only as {known.cells[j]}: {POOLED}" if more else method for j, more in zip(known.of, together, strict=True)
    ]
    return Shares(alone[0], alone[1], alone[2], n, 0, ""), methods


@dataclass(frozen=True, slots=True, eq=False)
class _Pooled:
    """Labels as far as error rates tell them apart: cells, how often each was told, confusions, and the cell of each label."""

    cells: list[str]
    told: np.ndarray
    tables: list[np.ndarray | None]
    of: np.ndarray


def _pooled(part: Perceived, told: np.ndarray) -> _Pooled:
    told, names, known, of = told.reshape(part.sizes), list[list[str]](), list[np.ndarray | None](), np.zeros(1, int)
    for axis, (labels, rate) in enumerate(zip(part.parts, part.rates, strict=True)):
        table = None if rate is None or isinstance(rate, str) else rate.counts
        pool = np.eye(len(labels), dtype=int) if table is None else pooled_labels(table)
        names.append([" or ".join(labels[i] for i in np.flatnonzero(column)) for column in pool.T])
        known.append(None if table is None else pool.T @ table @ pool)
        told = np.moveaxis(np.tensordot(told, pool, (axis, 0)), -1, axis)
        of = (of[:, None] * pool.shape[1] + pool.argmax(1)).ravel()
    return _Pooled([", ".join(cell) for cell in product(*names)], told, known, of)


def _untold(part: Perceived, method: str) -> Told:
    gone = np.full(len(part.labels), np.nan)
    return Shares(gone, gone, gone, 0, 0, ""), method


def _cells(rows: Rows, part: Perceived, raw: np.ndarray, shares: Shares, lost: float) -> None:
    """Add what is to be said of labels that were told of nobody, or of few people."""
    alpha, n = 1 - rows.level, max(len(np.unique(rows.who[part.judged])), 1)
    found = _hit_rates(part)
    for j, label in enumerate(part.labels):
        cell = f"{part.name}: {label}"
        people = len(np.unique(rows.who[part.told == j]))
        if not raw[j]:
            rule = min(1.0, (1 - alpha ** (1 / n)) / found[j]) if np.isfinite(found[j]) else np.nan
            high = np.nanmax([rule, shares.high[j]]) if np.isfinite([rule, shares.high[j]]).any() else np.nan
            told = "none told; at most, by the rule of three over the rate at which the label is found, and all not judged"
            rows.add("empty_cell", cell, value=0.0, low=0.0, high=high * (1 - lost) + lost, n=0, method=told)
        elif people < LEAST:
            rows.count("too_small", cell, people, n=int(raw[j]), method=too_few_people(people, LEAST))


def _hit_rates(part: Perceived) -> np.ndarray:
    """Return how often faces of each label are told so, (k,); NaN where nothing is known of it."""
    rates = np.ones(1)
    for rate, size in zip(part.rates, part.sizes, strict=True):
        if rate is None:
            one = np.full(size, np.nan)
        elif isinstance(rate, str):
            one = np.ones(size)
        else:
            one = (np.diag(rate.counts) + 0.5) / (rate.counts.sum(1) + 1)
        rates = (rates[:, None] * one).ravel()
    return rates


def _tell_age(rows: Rows, faces: Faces, truth: Mapping[str, np.ndarray], rates: Mapping[str, Any], *, seed: int) -> None:
    """Add the mean perceived age in years."""
    column = faces[AGE]
    told, why = column.values.astype(np.float64), reasons(column)
    judged = why == ""
    rows.not_judged("age", why, column.source)
    if not judged.any():
        rows.add("mean_age_years", "all", method=f"not told: no face was judged by {column.source}")
        return
    years = numbers_of("age", truth["age"]) if "age" in truth else np.full(len(told), np.nan)
    known, n = judged & np.isfinite(years), int(judged.sum())
    rest = judged & ~known
    clusters = rows.who[rest], rows.who[known]
    found = prediction_powered_mean(told[rest], told[known], years[known], level=rows.level, clusters=clusters)
    method = f"{found.method}; {RANDOM}"
    if not np.isfinite(found.value):
        found, method = _mean_by_rates(rows, faces, told, judged, rates, seed=seed)
    rows.add("mean_age_years", "all", value=found.value, low=found.low, high=found.high, n=n, method=method)
    rows.add(
        "raw_mean_age_years",
        "all",
        value=float(told[judged].mean()),
        n=n,
        method="the instrument's errors left in: no interval",
    )


def _mean_by_rates(
    rows: Rows, faces: Faces, told: np.ndarray, judged: np.ndarray, rates: Mapping[str, Any], *, seed: int
) -> tuple[Mean, str]:
    """Return the mean of a number less what its recorded errors add: `mean told - sum_g p_g bias_g`."""
    group = COLUMNS["age_group"]
    gone = Mean(np.nan, np.nan, np.nan, int(judged.sum()), 0, "")
    if not {AGE, group} <= set(rates) or group not in faces.columns:
        return gone, "not told: no labelled ages, and no error rates of age and age group; the raw mean is biased"
    errors, table = rates[AGE], rates[group]
    labels = faces[group].values[judged]
    counts = effective_counts(labels.argmax(1), rows.who[judged], k=labels.shape[1])
    pool = pooled_labels(table.counts)
    known, n = pool.T @ table.counts @ pool, pool.T @ errors.n
    bias = pool.T @ (errors.n * errors.bias) / n
    if len(known) < 2 or not np.isfinite(bias).all():
        return gone, "not told: the error rates of age group tell too little, or the bias of age is unknown in a group"
    sd = np.sqrt(pool.T @ (errors.n * (errors.sd**2 + errors.bias**2)) / n - bias**2)
    p, draw = share_draws(counts @ pool, known, seed=seed), np.random.default_rng([seed, 1])
    size = len(p.drawn)
    mean = draw.normal(told[judged].mean(), told[judged].std() / np.sqrt(counts.sum()), size)
    drawn = mean - (p.drawn * draw.normal(bias, sd / np.sqrt(n), (size, len(n)))).sum(1)
    value = float(told[judged].mean() - onto_simplex(p.values) @ bias)
    low, high = np.quantile(drawn, [(1 - rows.level) / 2, (1 + rows.level) / 2])
    return Mean(
        value, float(low), float(high), gone.n, 0, ""
    ), f"less the bias by age of {errors.source} ({errors.of}); {SHIFT}"


def _counted(told: np.ndarray, level: float) -> Shares:
    low, high = wilson_interval(told, told.sum(), level=level)
    return Shares(told / told.sum(), low, high, 0, round(float(told.sum())), "wilson")


def _named(method: str, part: Perceived) -> str:
    """Return the method with the label's name in the place of its number."""
    head, _, number = method.partition("label ")
    at, colon, rest = number.partition(":")
    return f"{head}{part.labels[int(at)]}{colon}{rest}" if at.isdigit() and len(part.sizes) == 1 else method


def _of_labels(rates: Mapping[str, Any]) -> dict[str, Rates]:
    return {name: rate for name, rate in rates.items() if hasattr(rate, "counts")}


def _people(person: np.ndarray | None, n: int) -> np.ndarray:
    """Return the number of each face's person, (n,); of faces that are nobody's, each its own."""
    if person is None:
        return np.arange(n)
    if np.shape(person) != (n,):
        raise WrongShape(f"expected a person a face, {n}; got shape {np.shape(person)}")
    names = [f"{i}" if not str(name) else f" {name}" for i, name in enumerate(person)]
    return np.asarray(np.unique(names, return_inverse=True)[1])
