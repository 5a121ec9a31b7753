"""Disparity: what groups of people differ in, errors of verification above all, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings
from facevalue.data.scored import Scored
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.fairness import Spread, discrepancy_spread, garbe_spread, range_spread, ratio_spread
from facevalue.stats.miscalibration import BINS, miscalibration
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.roc import area_under_curve
from facevalue.stats.verification import error_bound
from facevalue.stats.weighting import Balanced, balanced
from facevalue.studies.group_rates import (
    BALANCED,
    CALIBRATION,
    CROSS,
    Counted,
    Draws,
    GroupedPeople,
    PairGroups,
    count_pairs,
    count_people,
    count_values,
)
from facevalue.studies.grouping import Grouping, no_overlap, too_few_pairs, too_few_people
from facevalue.studies.sample import MEASURES, Sample, Terms

__all__ = ["MEASURES", "Sample", "Terms", "disparity"]


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
      all; fmr_cross: between the group and others. Of P(same), both kinds of pair weighing the same: calibration_error, the
      expected calibration error, and calibration_in_the_large, its mean less 1/2. failure_to_acquire. coverage and width of
      bands. Means and shares of further columns, each person weighing the same, and "missing ..." of them.
    - "... balanced": with weights under which groups have the same light, pose and so on; "difference ..." to the rest of the
      groups together, as it is, balanced, and adjusted by linear regression; "p ..." of no difference, by permuting
      labels over people, and "adjusted_p ..." over all of them.

    A row whose `group` is the column alone tells of all its groups that have people enough: "max_min fmr", "max_mean fmr",
    "range ...", discrepancy_rate, garbe; "overlap ...", "apart ... before: light" and "after" of the balance.

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
    ISO/IEC 19795-10:2024; Grother, NIST IR 8429, 2022 (ratios); Pereira, Marcel, IEEE TBIOM 4, 2022; Howard and others, 2022
    (GARBE); the rule of 30: Doddington and others, Speech Communication 31, 2000.
    """
    check_level(level)
    if not sample.groupings:
        raise SchemaError("expected columns that group people, got none")
    table = _Table(terms, level, Draws(seed, terms.resamples, terms.permutations), sample.run)
    rows = list(_counts(sample, table))
    if sample.pairs is not None and {"verification", "calibration"} & set(terms.measures):
        rows += _verification(sample, sample.pairs, table, progress)
    rows += _faces(sample, table)
    if "coverage" in terms.measures and sample.coverage is not None:
        rows += _bands(sample, sample.coverage, table)
    return _with_adjusted(Findings.from_rows(rows))


@dataclass(slots=True)
class _Table:
    """Makes rows of findings, and refuses what the data cannot tell."""

    terms: Terms
    level: float
    draws: Draws
    run: str
    rate: float = math.nan
    named: bool = True

    def row(
        self, measure: str, group: str, value: float, n: float, method: str, ends: tuple[float, float] = (math.nan,) * 2
    ) -> dict[str, Any]:
        level = self.level if np.isfinite(ends).any() else math.nan
        numbers = {"value": value, "low": ends[0], "high": ends[1], "level": level, "n": int(n)}
        return {"study": "disparity", "measure": measure, "group": group, **numbers, "method": method, "run": self.run}

    def refusals(self, counted: Counted, balance: Balanced | None) -> np.ndarray:
        """Return why the data cannot tell a measure of each group, (g,) str; "" where they can."""
        lost = "" if balance is None or not counted.measure.endswith(BALANCED) else no_overlap(balance.balance)
        pairs = counted.people_pairs if counted.people_pairs is not None else [math.nan] * len(counted.people)
        found = []
        for people, of_two, n in zip(counted.people, pairs, counted.n, strict=True):
            why = too_few_people(people, self.terms.least) or (lost if n else "")
            found.append(why or (too_few_pairs(people, of_two, self.rate, named=self.named) if of_two == of_two else ""))
        return np.array(found, object)

    def tell(self, counted: Counted, grouping: Grouping, balance: Balanced | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a measure: of each group, its difference to the rest, p, and how far all lie apart."""
        why = self.refusals(counted, balance)
        told = (why == "") & np.isfinite(counted.value)
        ends = _percentiles(counted.draws, self.level)
        counted = counted.spread_out(self.draws.seed)
        for j, name in enumerate(grouping.groups):
            group = f"{grouping.name}: {name}"
            if told[j]:
                yield self._rate(counted, j, group, ends[j])
            else:
                yield self.row(counted.measure, group, math.nan, _size(counted, j), why[j] or "nothing to count")
        if counted.measure == CROSS:
            return
        if told.sum() > 1:
            yield from self._differences(counted, grouping, told)
        if counted.left is not None:
            yield from self._adjusted(counted, counted.left, grouping, why == "")
        yield from self._spreads(counted, grouping.name, told)

    def _rate(self, counted: Counted, j: int, group: str, ends: np.ndarray) -> dict[str, Any]:
        value, method, share = counted.value[j], "bootstrap over people", counted.kind != "mean"
        low, high = ends
        if low == high and not share:
            low, high, method = math.nan, math.nan, "it does not vary"
        if share and value in (0, 1):
            independent = int(counted.independent[j])
            bound = error_bound(0, independent, self.level)
            low, high = (0.0, bound) if value == 0 else (1 - bound, 1.0)
            method = f"bound of {independent} independent trials"
        return self.row(counted.measure, group, value, _size(counted, j), method, (low, high))

    def _differences(self, counted: Counted, grouping: Grouping, told: np.ndarray) -> Iterator[dict[str, Any]]:
        """Yield the differences to the rest, and p."""
        apart, drawn = counted.apart
        ends = _percentiles(drawn, self.level)
        for j in np.flatnonzero(told & np.isfinite(apart)):
            group, n = f"{grouping.name}: {grouping.groups[j]}", _size(counted, int(j))
            method = "bootstrap over people, to the rest"
            yield self.row(f"difference {counted.measure}", group, apart[j], n, method, tuple(ends[j]))
            if counted.p is not None and np.isfinite(counted.p[j]):
                yield self.row(f"p {counted.measure}", group, counted.p[j], n, "labels permuted over people")

    def _adjusted(self, raw: Counted, left: np.ndarray, grouping: Grouping, told: np.ndarray) -> Iterator[dict[str, Any]]:
        """Yield the differences that a regression leaves, of the groups of which the measure itself is told and varies."""
        ends, name = _percentiles(left[1:], self.level), f"difference {raw.measure} adjusted"
        for j in np.flatnonzero(told & (ends[:, 0] < ends[:, 1])):
            group, method = f"{grouping.name}: {grouping.groups[j]}", "linear regression, bootstrap over people"
            yield self.row(name, group, left[0, j], raw.n[j], method, tuple(ends[j]))

    def _spreads(self, counted: Counted, name: str, told: np.ndarray) -> Iterator[dict[str, Any]]:
        value, draws, n = counted.value[told], counted.draws[:, told], sum(_size(counted, int(j)) for j in np.flatnonzero(told))
        floor = 0.5 / np.maximum(counted.n[told], 1)
        kinds: dict[str, Callable[[], Spread]] = {
            "max_min": lambda: ratio_spread(value, draws, level=self.level, floor=floor, to="min"),
            "max_mean": lambda: ratio_spread(value, draws, level=self.level, floor=floor, to="mean"),
            "range": lambda: range_spread(value, draws, level=self.level),
        }
        for word in kinds if counted.kind == "error" else ("range",):
            yield self.spread(f"{word} {counted.measure}", name, kinds[word], n, told)

    def spread(self, measure: str, name: str, of: Callable[[], Spread], n: float, told: np.ndarray) -> dict[str, Any]:
        """Return the row of how far groups lie apart; a ratio to nothing has a lower end alone."""
        if told.sum() < 2:
            return self.row(measure, name, math.nan, n, _few_groups(told))
        found, method = of(), f"bootstrap over people, simultaneous, of {int(told.sum())} of {len(told)} groups"
        if not math.isfinite(found.value):
            why = f"no error in some group: at least {found.low:.3g}" if found.low == found.low else "no error in any group"
            return self.row(measure, name, math.nan, n, why, (found.low, math.nan))
        return self.row(measure, name, found.value, n, method, (found.low, found.high))

    def both(self, fmr: Counted, fnmr: Counted, grouping: Grouping, balance: Balanced | None) -> Iterator[dict[str, Any]]:
        """Yield the discrepancy rate and GARBE of both errors, of the groups of which both are told."""
        told = np.all([(self.refusals(one, balance) == "") & np.isfinite(one.value) for one in (fmr, fnmr)], axis=0)
        kinds = [one.spread_out(self.draws.seed + i) for i, one in enumerate((fmr, fnmr))]
        n, tail = sum(one.n[told].sum() for one in kinds), BALANCED if fmr.measure.endswith(BALANCED) else ""
        values, draws = tuple(one.value[told] for one in kinds), tuple(one.draws[:, told] for one in kinds)
        how: dict[str, Any] = {"level": self.level, "alpha": self.terms.alpha}
        for name, of in (("discrepancy_rate", discrepancy_spread), ("garbe", garbe_spread)):
            yield self.spread(name + tail, grouping.name, lambda of=of: of(values, draws, **how), n, told)  # type: ignore[misc]

    def calibration(self, large: Counted, gaps: np.ndarray, cell: PairGroups) -> Iterator[dict[str, Any]]:
        """Yield the expected calibration error of each group, and the range of them."""
        why, measure = self.refusals(large, None), "calibration_error"
        told = (why == "") & np.isfinite(large.value)
        grouping, chance = cell.grouping, cell.chance(self.draws)[:, told]
        found = miscalibration(gaps[0][told], gaps[1:][:, told], chance, level=self.level) if told.any() else None
        for j, name in enumerate(grouping.groups):
            group, at = f"{grouping.name}: {name}", int(told[:j].sum())
            if found is None or not told[j]:
                yield self.row(measure, group, math.nan, large.people[j], why[j] or "nothing to count")
                continue
            ends, method = (found.low[at], found.high[at]), f"bootstrap over people, simultaneous, of {BINS} bins"
            yield self.row(measure, group, found.value[at], large.people[j], method, ends)
        n = large.people[told].sum()
        yield self.spread(f"range {measure}", grouping.name, lambda: found.spread, n, told)  # type: ignore[union-attr]

    def balance(self, measure: str, found: Balanced, grouping: Grouping, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield how far groups overlap, and how far their covariates lie apart before and after balancing."""
        n = int(found.rows.sum())
        yield self.row(
            f"overlap {measure}", grouping.name, found.balance.overlap, n, no_overlap(found.balance) or "of both errors"
        )
        for when, values in (("before", found.balance.before), ("after", found.balance.after)):
            for name, value in zip(names, values, strict=True):
                yield self.row(f"apart {measure} {when}: {name}", grouping.name, value, n, "standard deviations within groups")


def _few_groups(told: np.ndarray) -> str:
    return f"too few groups: {int(told.sum())} of {len(told)} have enough"


def _size(counted: Counted, j: int) -> float:
    """Return on how many answers a cell rests: pairs or people, in effect where they are weighted."""
    weighted = counted.measure == CALIBRATION or counted.measure.endswith(BALANCED)
    return float(counted.people[j] if weighted else counted.n[j])


def _percentiles(draws: np.ndarray, level: float) -> np.ndarray:
    """Return the percentile interval of each column, (g, 2); NaN where over 5 % of the resamples cannot tell."""
    lost = np.isnan(draws).mean(0) > 0.05
    ends = np.nanquantile(np.where(lost, 0, draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(np.where(lost, np.nan, ends).T)


def _counts(sample: Sample, table: _Table) -> Iterator[dict[str, Any]]:
    for grouping in sample.groupings:
        names = [*grouping.groups, ""]
        for j, name in enumerate(names):
            rows = grouping.code == (j if name else -1)
            group = f"{grouping.name}: {name}" if name else grouping.name
            people = len(np.unique(sample.person[rows & (sample.person != "")].astype(str)))
            yield table.row("people" if name else "people_unknown", group, people, rows.sum(), grouping.view or "a fact")


def _verification(
    sample: Sample, pairs: Scored, table: _Table, progress: Callable[[int, int], None]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of pairs."""
    seen = np.isfinite(pairs.scores)
    p = pairs.probability
    p = None if p is None or "calibration" not in table.terms.measures else p[seen]
    kept = replace(pairs, a=pairs.a[seen], b=pairs.b[seen], same=pairs.same[seen], scores=pairs.scores[seen], probability=p)
    same = kept.same
    yield table.row("failure_to_compare", "all", float(1 - seen.mean()), len(seen), "count")
    if same.all() or not same.any():
        told = f"{same.sum()} pairs of one person and {(~same).sum()} of two"
        yield table.row("threshold", "all", math.nan, len(kept), f"not to be had: {told} have a score")
        return
    if (area := area_under_curve(kept.scores[same], kept.scores[~same])) < 0.5:
        raise SchemaError(
            f"expected scores that are higher for one person's pairs; they are lower (AUC {area:.3f}): negate them"
        )
    terms, table.named = table.terms, pairs.named
    lost = _unset(kept, terms)
    if lost:
        yield table.row("threshold", "all", math.nan, len(kept), lost)
        return
    cells = [_groups(kept, grouping, sample, terms) for grouping in sample.groupings]
    at, found = count_pairs(cells, terms.threshold, fmr=terms.fmr or 0.5, draws=table.draws, progress=progress)
    match = kept.scores >= at
    measured = float(match[~same].mean())
    table.rate = terms.fmr or measured
    set_by = "given" if terms.threshold is not None else f"the smallest of a false match rate of at most {terms.fmr:g}"
    yield table.row("threshold", "all", at, len(kept), set_by)
    yield table.row("fmr", "all", measured, (~same).sum(), "at the threshold")
    yield table.row("fnmr", "all", float((~match)[same].mean()), same.sum(), "at the threshold")
    for cell, (counted, gaps) in zip(cells, found, strict=True):
        yield from _grouped(cell, {one.measure: one for one in counted}, gaps, table, list(sample.covariates))


def _grouped(
    cell: PairGroups, found: dict[str, Counted], gaps: np.ndarray, table: _Table, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if cell.balance is not None:
        yield from table.balance("verification", cell.balance, cell.grouping, names)
    large = found.pop(CALIBRATION, None)
    if "verification" in table.terms.measures:
        for one in found.values():
            yield from table.tell(one, cell.grouping, cell.balance)
        for tail in ("", BALANCED) if cell.balance is not None else ("",):
            yield from table.both(found[f"fmr{tail}"], found[f"fnmr{tail}"], cell.grouping, cell.balance)
    if large is not None:
        yield from table.calibration(large, gaps, cell)
        yield from table.tell(large, cell.grouping)


def _unset(pairs: Scored, terms: Terms) -> str:
    """Return why no threshold can be set, "" where it can."""
    if terms.threshold is not None or terms.fmr is None:
        return ""
    _, who = np.unique(pairs.person.astype(str), return_inverse=True)
    ends = np.sort(np.stack([who[pairs.a[~pairs.same]], who[pairs.b[~pairs.same]]]), axis=0)
    people = len(np.unique(ends))
    return too_few_pairs(people, np.unique(ends, axis=1).shape[1], terms.fmr, named=pairs.named)


def _groups(pairs: Scored, grouping: Grouping, sample: Sample, terms: Terms) -> PairGroups:
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
    return PairGroups(pairs, grouping, found, x)


def _faces(sample: Sample, table: _Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of what needs no pairs."""
    named = sample.person != ""
    _, who = np.unique(sample.person[named].astype(str), return_inverse=True)
    covariates = {name: np.asarray(column, np.float64)[named] for name, column in sample.covariates.items()}
    for grouping in sample.groupings:
        people = GroupedPeople(replace(grouping, code=grouping.code[named]), who, table.draws)
        if sample.failed is not None and "failures" in table.terms.measures:
            sums = (np.bincount(who, sample.failed[named]), np.bincount(who).astype(float))
            yield from table.tell(count_people("failure_to_acquire", *sums, people, kind="error"), grouping)
        for name, values in sample.values.items():
            of = {} if name in covariates else covariates
            yield from _value(name, np.asarray(values, np.float64)[named], people, of, table)


def _value(
    name: str, values: np.ndarray, people: GroupedPeople, covariates: Mapping[str, np.ndarray], table: _Table
) -> Iterator[dict[str, Any]]:
    found, balance = count_values(name, values, people, covariates=covariates, least=table.terms.least)
    for one in found:
        yield from table.tell(one, people.grouping, balance)
    gone = np.isnan(values)
    if gone.any():
        sums = (np.bincount(people.who, gone), np.bincount(people.who).astype(float))
        yield from table.tell(count_people(f"missing {name}", *sums, people, kind="share"), people.grouping)


def _bands(sample: Sample, coverage: Findings, table: _Table) -> Iterator[dict[str, Any]]:
    """Yield coverage and width of bands by group, and their range: Wilson's intervals, of people."""
    known = {(row["measure"], row["group"]): row["value"] for row in coverage.to_rows()}
    measures = dict.fromkeys(m for m, _ in known if m.startswith(("coverage.", "width.")))
    for grouping in sample.groupings:
        people = [len(np.unique(sample.person[grouping.code == j].astype(str))) for j in range(len(grouping.groups))]
        groups = [f"{grouping.name}: {name}" for name in grouping.groups]
        for measure in measures:
            if any((measure, group) in known for group in groups):
                values = [known.get((measure, group)) for group in groups]
                yield from _band(
                    measure, grouping.name, dict(zip(groups, zip(values, people, strict=True), strict=True)), table
                )


def _band(measure: str, name: str, of: Mapping[str, tuple[float | None, int]], table: _Table) -> Iterator[dict[str, Any]]:
    told = []
    for group, (value, people) in of.items():
        why = too_few_people(people, table.terms.least) or ("too few answers" if value is None else "")
        if why or value is None:
            yield table.row(measure, group, math.nan, people, why)
            continue
        told.append(value)
        ends, method = (math.nan, math.nan), "mean of medians over splits"
        if measure.startswith("coverage."):
            low, high = wilson_interval(value * people, people, level=table.level)
            ends, method = (float(low), float(high)), "wilson, people"
        yield table.row(measure, group, value, people, method, ends)
    enough = np.arange(len(of)) < len(told)
    method, value = ("no interval", max(told) - min(told)) if len(told) > 1 else (_few_groups(enough), math.nan)
    yield table.row(f"range {measure}", name, value, 0, method)


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
