"""What is told of groups, and what is refused, since too few people cannot tell it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.stats.fairness import Spread, discrepancy_spread, garbe_spread, range_spread, ratio_spread
from facevalue.stats.verification import error_bound
from facevalue.studies.group_counts import BALANCED, Adjusted, Balanced, Counted, Draws
from facevalue.studies.group_rates import CALIBRATION
from facevalue.studies.grouping import Grouping

STUDY = "disparity"
MEASURES = ("failures", "verification", "calibration", "coverage", "columns")
OVERLAP, APART = 0.1, 0.25
ERRORS = 30


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


@dataclass(slots=True)
class Teller:
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
        """Return one row."""
        level = self.level if np.isfinite(ends).any() else math.nan
        numbers = {"value": value, "low": ends[0], "high": ends[1], "level": level, "n": int(n)}
        return {"study": STUDY, "measure": measure, "group": group, **numbers, "method": method, "run": self.run}

    def refusals(self, counted: Counted, balance: Balanced | None) -> list[str]:
        """Return why the data cannot tell a measure of each group, "" where they can."""
        lost = "" if balance is None or not counted.measure.endswith(BALANCED) else no_overlap(balance)
        found = []
        for people, pairs, n in zip(counted.people, counted.people_pairs, counted.n, strict=True):
            why = too_few_people(people, self.terms.least) or (lost if n else "")
            found.append(why or (too_few_pairs(people, pairs, self.rate, named=self.named) if pairs == pairs else ""))
        return found

    def tell(self, counted: Counted, grouping: Grouping, balance: Balanced | None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a measure: of each group, its difference to the rest, p, and how far all lie apart."""
        why = np.array(self.refusals(counted, balance), object)
        told = (why == "") & np.isfinite(counted.value)
        ends = _percentiles(counted.draws, self.level)
        cross = counted.measure.endswith("_cross")
        counted = counted.spread_out(self.draws.seed)
        apart, drawn = counted.apart
        apart_ends = _percentiles(drawn, self.level)
        for j, name in enumerate(grouping.groups):
            group, n = f"{grouping.name}: {name}", counted.n[j]
            if not told[j]:
                yield self.row(counted.measure, group, math.nan, _size(counted, j), why[j] or "nothing to count")
                continue
            yield self._rate(counted, j, group, (ends[0][j], ends[1][j]))
            if told.sum() > 1 and not cross and np.isfinite(apart[j]):
                method = "bootstrap over people, to the rest"
                name = f"difference {counted.measure}"
                yield self.row(name, group, apart[j], n, method, (apart_ends[0][j], apart_ends[1][j]))
                if counted.p is not None and np.isfinite(counted.p[j]):
                    yield self.row(f"p {counted.measure}", group, counted.p[j], n, "labels permuted over people")
        if not cross:
            yield from self._spreads(counted, grouping.name, told)

    def _rate(self, counted: Counted, j: int, group: str, ends: tuple[float, float]) -> dict[str, Any]:
        value, method = counted.value[j], "bootstrap over people"
        if ends[0] == ends[1] and not (counted.errors or counted.share):
            ends, method = (math.nan, math.nan), "it does not vary"
        if (counted.errors or counted.share) and value in (0, 1):
            independent = int(counted.independent[j])
            bound = error_bound(0, independent, self.level)
            ends, method = ((0.0, bound) if value == 0 else (1 - bound, 1.0)), f"bound of {independent} independent trials"
        return self.row(counted.measure, group, value, _size(counted, j), method, ends)

    def _spreads(self, counted: Counted, name: str, told: np.ndarray) -> Iterator[dict[str, Any]]:
        kinds = {"max_min": "min", "max_mean": "mean"} if counted.errors else {}
        n = float(counted.n[told].sum())
        for word in (*kinds, "range"):
            measure = f"{word} {counted.measure}"
            if told.sum() < 2:
                yield self.row(measure, name, math.nan, n, _few_groups(told))
                continue
            value, draws = counted.value[told], counted.draws[:, told]
            if word in kinds:
                floor = 0.5 / np.maximum(counted.n[told], 1)
                found = ratio_spread(value, draws, level=self.level, floor=floor, to=kinds[word])
            else:
                found = range_spread(value, draws, level=self.level)
            yield self.spread(measure, name, found, n, told)

    def spread(self, measure: str, name: str, found: Spread, n: float, told: np.ndarray) -> dict[str, Any]:
        """Return the row of how far groups lie apart; a ratio to nothing has a lower end alone."""
        method = f"bootstrap over people, simultaneous, of {int(told.sum())} of {len(told)} groups"
        if math.isinf(found.value) or math.isnan(found.value):
            why = f"no error in some group: at least {found.low:.3g}" if found.low == found.low else "no error in any group"
            return self.row(measure, name, math.nan, n, why, (found.low, math.nan))
        return self.row(measure, name, found.value, n, method, (found.low, found.high))

    def both(self, fmr: Counted, fnmr: Counted, grouping: Grouping, balance: Balanced | None) -> Iterator[dict[str, Any]]:
        """Yield the discrepancy rate and GARBE of both errors, of the groups of which both are told."""
        told = np.array(
            [not (one or other) for one, other in zip(*(self.refusals(c, balance) for c in (fmr, fnmr)), strict=True)]
        )
        told &= np.isfinite(fmr.value) & np.isfinite(fnmr.value)
        fmr, fnmr = (one.spread_out(self.draws.seed + i) for i, one in enumerate((fmr, fnmr)))
        n, tail = fmr.n[told].sum() + fnmr.n[told].sum(), BALANCED if fmr.measure.endswith(BALANCED) else ""
        for measure, spread in (("discrepancy_rate", discrepancy_spread), ("garbe", garbe_spread)):
            if told.sum() < 2:
                yield self.row(measure + tail, grouping.name, math.nan, n, _few_groups(told))
                continue
            values, draws = (fmr.value[told], fnmr.value[told]), (fmr.draws[:, told], fnmr.draws[:, told])
            found = spread(values, draws, level=self.level, alpha=self.terms.alpha)
            yield self.spread(measure + tail, grouping.name, found, n, told)

    def adjusted(self, one: Adjusted, grouping: Grouping, raw: Counted) -> Iterator[dict[str, Any]]:
        """Yield the differences that a regression leaves, of the groups of which the measure itself is told and varies."""
        low, high = _percentiles(one.draws, self.level)
        why = self.refusals(raw, None)
        for j, name in enumerate(grouping.groups):
            if not why[j] and low[j] < high[j]:
                method = "linear regression, bootstrap over people"
                group = f"{grouping.name}: {name}"
                yield self.row(f"difference {one.measure} adjusted", group, one.value[j], one.n[j], method, (low[j], high[j]))

    def balance(self, measure: str, found: Balanced, grouping: Grouping, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield how far groups overlap, and how far their covariates lie apart before and after balancing."""
        n, of = int(found.rows.sum()), "of both errors" if measure == "verification" else f"of {measure}"
        yield self.row(f"overlap {measure}", grouping.name, found.balance.overlap, n, no_overlap(found) or of)
        for when, values in (("before", found.balance.before), ("after", found.balance.after)):
            for name, value in zip(names, values, strict=True):
                yield self.row(f"apart {measure} {when}: {name}", grouping.name, value, n, "standard deviations within groups")


def too_few_people(people: float, least: int) -> str:
    """Return what to say of too few people, "" of people enough.

    Examples
    --------
    >>> too_few_people(13, 30), too_few_people(30, 30)
    ('too few: 13 people, 30 needed: 17 more people', '')
    """
    if people >= least - 1e-9:
        return ""
    told = f"{people:.0f}" if float(people).is_integer() else f"in effect {people:.1f}"
    return f"too few: {told} people, {least} needed: {math.ceil(least - people - 1e-9)} more people"


def too_few_pairs(people: float, pairs: float, rate: float, *, named: bool = True) -> str:
    """Return what to say of pairs of people among whom 30 false matches cannot be expected, "" of pairs enough.

    Examples
    --------
    >>> too_few_pairs(49, 1176, 0.01)
    'too few: 1,176 pairs of people, 3,000 needed: 29 more people'
    """
    if not rate > 0:
        return ""
    needed = math.ceil(ERRORS / rate * (1 - 1e-12))
    if pairs >= needed - 1e-9:
        return ""
    wanted = math.ceil((1 + math.sqrt(1 + 8 * needed)) / 2 - 1e-9)
    more = f"{wanted - math.floor(people):,} more people" if named and wanted > people else f"{needed - pairs:,.0f} more pairs"
    return f"too few: {pairs:,.0f} pairs of people, {needed:,} needed: {more}"


def no_overlap(found: Balanced) -> str:
    """Return what to say of groups that cannot be made alike, "" of those that can."""
    worst = float(found.balance.after.max())
    if found.balance.overlap >= OVERLAP and worst <= APART:
        return ""
    return f"no overlap: groups share {found.balance.overlap:.0%} and stay {worst:.1f} standard deviations apart when weighted"


def _few_groups(told: np.ndarray) -> str:
    return f"too few groups: {int(told.sum())} of {len(told)} have enough"


def _size(counted: Counted, j: int) -> float:
    """Return on how many answers a cell rests: pairs or people, in effect where they are weighted."""
    weighted = counted.measure == CALIBRATION or counted.measure.endswith(BALANCED)
    return float(counted.people[j] if weighted else counted.n[j])


def _percentiles(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of each column; NaN where over 5 % of the resamples cannot tell."""
    lost = np.isnan(draws).mean(0) > 0.05
    ends = np.nanquantile(np.where(lost, 0, draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(lost, np.nan, ends)
    return low, high
