"""Disparity: what groups of people differ in, errors of verification above all, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.scored import Scored
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.roc import area_under_curve
from facevalue.studies.group_counts import BALANCED, Adjusted, Counted, Draws, balanced
from facevalue.studies.group_means import GroupedPeople, count_people, count_values
from facevalue.studies.group_rates import CALIBRATION, PairCells, count_pairs
from facevalue.studies.group_told import MEASURES, Teller, Terms, too_few_pairs, too_few_people
from facevalue.studies.grouping import Grouping

__all__ = ["MEASURES", "Sample", "Terms", "disparity"]


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


def disparity(
    sample: Sample,
    terms: Terms,
    *,
    level: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return every measure by group, how far groups lie apart, and what is left when they are made alike.

    The rows' `measure`, their `group` "column: word":

    - fmr, fnmr: false matches among pairs of two people of the group, false non-matches of its people, at one threshold for
      all; fmr_cross: between the group and others. calibration_in_the_large: mean P(same) less 1/2, both kinds of pair
      weighing the same. failure_to_acquire. coverage and width of bands. Means and shares of further columns, each person
      weighing the same, and "missing ..." of them.
    - "... balanced": with weights under which groups have the same light, pose and so on; "difference ..." to the rest of the
      groups together, as it is, balanced, and adjusted by linear regression; "p ..." of no difference, by permuting
      labels over people, and "adjusted_p ..." over all of them.

    A row whose `group` is the column alone tells of all its groups that have people enough: "max_min fmr", "max_mean fmr",
    "range ...", discrepancy_rate, garbe; "overlap", "largest_difference_before" and "after" of the balance.

    People are drawn with replacement, whatever their group, with all their photos; the threshold that a rate sets is found
    anew each time, while weights, labels and P(same) stay. A cell of fewer people than `least`, or of fewer pairs of people
    than let 30 false matches expect, is NaN, and its method says how many are lacking.

    Parameters
    ----------
    sample
        Photos, their people and groups.
    terms
        Threshold, least number of people and so on.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap and the permutations.
    progress
        Called with resamples done and resamples in all.

    Raises
    ------
    SchemaError
        No grouping, or scores that are lower for one person's pairs than for two people's.

    References
    ----------
    ISO/IEC 19795-10:2024; Grother, NISTIR 8429, 2022 (ratios); Pereira, Marcel, IEEE TBIOM 4, 2022; Howard and others, 2022
    (GARBE); the rule of 30: Doddington and others, Speech Communication 31, 2000.
    """
    check_level(level)
    if not sample.groupings:
        raise SchemaError("expected columns that group people, got none")
    teller = Teller(terms, level, Draws(seed, terms.resamples, terms.permutations), sample.run)
    rows = list(_counts(sample, teller))
    if sample.pairs is not None and {"verification", "calibration"} & set(terms.measures):
        rows += _verification(sample, sample.pairs, teller, progress)
    rows += _faces(sample, teller)
    if "coverage" in terms.measures:
        rows += _bands(sample, teller)
    return _with_adjusted(Findings.from_rows(rows))


def _counts(sample: Sample, teller: Teller) -> Iterator[dict[str, Any]]:
    for grouping in sample.groupings:
        names = [*grouping.groups, ""]
        for j, name in enumerate(names):
            rows = grouping.code == (j if name else -1)
            group = f"{grouping.name}: {name}" if name else grouping.name
            people = len(np.unique(sample.person[rows & (sample.person != "")].astype(str)))
            yield teller.row("people" if name else "people_unknown", group, people, rows.sum(), grouping.view or "a fact")


def _verification(
    sample: Sample, pairs: Scored, teller: Teller, progress: Callable[[int, int], None]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of pairs."""
    seen = np.isfinite(pairs.scores)
    p = pairs.probability
    p = None if p is None or "calibration" not in teller.terms.measures else p[seen]
    kept = replace(pairs, a=pairs.a[seen], b=pairs.b[seen], same=pairs.same[seen], scores=pairs.scores[seen], probability=p)
    same = kept.same
    yield teller.row("failure_to_compare", "all", float(1 - seen.mean()), len(seen), "count")
    if same.all() or not same.any():
        told = f"{same.sum()} pairs of one person and {(~same).sum()} of two"
        yield teller.row("threshold", "all", math.nan, len(kept), f"not to be had: {told} have a score")
        return
    if (area := area_under_curve(kept.scores[same], kept.scores[~same])) < 0.5:
        raise SchemaError(
            f"expected scores that are higher for one person's pairs; they are lower (AUC {area:.3f}): negate them"
        )
    terms, teller.named = teller.terms, pairs.named
    lost = _unset(kept, terms)
    if lost:
        yield teller.row("threshold", "all", math.nan, len(kept), lost)
        return
    cells = [_cells(kept, grouping, sample, terms) for grouping in sample.groupings]
    fmr = terms.fmr or 0.5
    at, counted, adjusted = count_pairs(cells, terms.threshold, fmr=fmr, draws=teller.draws, progress=progress)
    match = kept.scores >= at
    measured = float(match[~same].mean())
    teller.rate = terms.fmr or measured
    set_by = "given" if terms.threshold is not None else f"the smallest of a false match rate of at most {terms.fmr:g}"
    yield teller.row("threshold", "all", at, len(kept), set_by)
    yield teller.row("fmr", "all", measured, (~same).sum(), "at the threshold")
    yield teller.row("fnmr", "all", float((~match)[same].mean()), same.sum(), "at the threshold")
    for cell, found, lines in zip(cells, counted, adjusted, strict=True):
        yield from _grouped(cell, {one.measure: one for one in found}, lines, teller, list(sample.covariates))


def _grouped(
    cell: PairCells, found: Mapping[str, Counted], lines: Sequence[Adjusted], teller: Teller, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if cell.balance is not None:
        yield from teller.balance("verification", cell.balance, cell.grouping, names)
    wanted = "verification" in teller.terms.measures
    for one in found.values() if wanted else [found[CALIBRATION]] * (CALIBRATION in found):
        yield from teller.tell(one, cell.grouping, cell.balance)
    for tail in ("", BALANCED) if wanted else ():
        if f"fmr{tail}" in found:
            yield from teller.both(found[f"fmr{tail}"], found[f"fnmr{tail}"], cell.grouping, cell.balance)
    for line in lines if wanted else ():
        yield from teller.adjusted(line, cell.grouping, found[line.measure])


def _unset(pairs: Scored, terms: Terms) -> str:
    """Return why no threshold can be set, "" where it can."""
    if terms.threshold is not None or terms.fmr is None:
        return ""
    _, who = np.unique(pairs.person.astype(str), return_inverse=True)
    ends = np.sort(np.stack([who[pairs.a[~pairs.same]], who[pairs.b[~pairs.same]]]), axis=0)
    people = len(np.unique(ends))
    return too_few_pairs(people, np.unique(ends, axis=1).shape[1], terms.fmr, named=pairs.named)


def _cells(pairs: Scored, grouping: Grouping, sample: Sample, terms: Terms) -> PairCells:
    used = np.unique(np.append(pairs.a, pairs.b))
    inside = np.zeros(len(grouping.code), bool)
    inside[used] = True
    code = np.where(inside, grouping.code, -1)
    of = [len(np.unique(pairs.person[code == j].astype(str))) for j in range(len(grouping.groups))]
    found = balanced(sample.covariates, code, np.array(of) >= terms.least)
    x = None
    if found is not None:
        x = np.nan_to_num(np.stack([np.asarray(column, np.float64) for column in sample.covariates.values()], 1))
        x = (x - x[found.rows].mean(0)) / np.where(x[found.rows].std(0) > 0, x[found.rows].std(0), 1)
    return PairCells(pairs, grouping, found, x)


def _faces(sample: Sample, teller: Teller) -> Iterator[dict[str, Any]]:
    """Yield the rows of what needs no pairs."""
    named = sample.person != ""
    _, who = np.unique(sample.person[named].astype(str), return_inverse=True)
    covariates = {name: np.asarray(column, np.float64)[named] for name, column in sample.covariates.items()}
    for grouping in sample.groupings:
        people = GroupedPeople(replace(grouping, code=grouping.code[named]), who, teller.draws)
        if sample.failed is not None and "failures" in teller.terms.measures:
            sums = (np.bincount(who, sample.failed[named]), np.bincount(who).astype(float))
            yield from teller.tell(count_people("failure_to_acquire", *sums, people, errors=True), grouping, None)
        for name, values in sample.values.items():
            of = {} if name in covariates else covariates
            yield from _value(name, np.asarray(values, np.float64)[named], people, of, teller)


def _value(
    name: str, values: np.ndarray, people: GroupedPeople, covariates: Mapping[str, np.ndarray], teller: Teller
) -> Iterator[dict[str, Any]]:
    found, lines, balance = count_values(name, values, people, covariates=covariates, least=teller.terms.least)
    for one in found:
        yield from teller.tell(one, people.grouping, balance)
    for line in lines:
        yield from teller.adjusted(line, people.grouping, found[0])
    gone = np.isnan(values)
    if gone.any():
        sums = (np.bincount(people.who, gone), np.bincount(people.who).astype(float))
        yield from teller.tell(count_people(f"missing {name}", *sums, people, share=True), people.grouping, None)


def _bands(sample: Sample, teller: Teller) -> Iterator[dict[str, Any]]:
    """Yield coverage and width of bands by group, and their range: Wilson's intervals, of people."""
    if sample.coverage is None:
        return
    known = {(row["measure"], row["group"]): row for row in sample.coverage.to_rows()}
    measures = dict.fromkeys(m for m, _ in known if m.startswith(("coverage.", "width.")))
    for grouping in sample.groupings:
        for measure in measures:
            if not any((measure, f"{grouping.name}: {name}") in known for name in grouping.groups):
                continue
            values = []
            for j, name in enumerate(grouping.groups):
                row, group = known.get((measure, f"{grouping.name}: {name}")), f"{grouping.name}: {name}"
                people = len(np.unique(sample.person[grouping.code == j].astype(str)))
                why = too_few_people(people, teller.terms.least) or (
                    "" if row and row["value"] is not None else "too few answers"
                )
                if why or row is None:
                    yield teller.row(measure, group, math.nan, people, why)
                    continue
                values.append(row["value"])
                ends, method = (math.nan, math.nan), "mean of medians over splits"
                if measure.startswith("coverage."):
                    low, high = wilson_interval(row["value"] * people, people, level=teller.level)
                    ends, method = (float(low), float(high)), "wilson, people"
                yield teller.row(measure, group, row["value"], people, method, ends)
            told = len(values) > 1
            method = "no interval" if told else f"too few groups: {len(values)} of {len(grouping.groups)} have enough"
            yield teller.row(f"range {measure}", grouping.name, max(values) - min(values) if told else math.nan, 0, method)


def _with_adjusted(found: Findings) -> Findings:
    """Return the findings with p-values adjusted over all of them, a row each."""
    rows = found.to_rows()
    tested = [row for row in rows if row["measure"].startswith("p ")]
    values = adjusted_p_values(np.array([row["value"] for row in tested], np.float64))
    told = [
        row
        | {"measure": f"adjusted_{row['measure']}", "value": float(p), "method": f"Benjamini and Hochberg, of {len(tested)}"}
        for row, p in zip(tested, values, strict=True)
    ]
    return Findings.from_rows([*rows, *told])
