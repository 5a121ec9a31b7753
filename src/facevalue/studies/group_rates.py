"""What is counted by group: errors of pairs and means of people, the same on resamples of people, and what covariates leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.data.scored import Scored
from facevalue.stats.bootstrap import people_weights
from facevalue.stats.disparity import labels_test, pair_labels_test
from facevalue.stats.miscalibration import calibrated_gaps, calibration_gaps
from facevalue.stats.roc import sort_pairs
from facevalue.stats.weighting import Balanced, balanced, difference_to_rest, effective_number, regression_difference
from facevalue.studies.grouping import Grouping, person_means

BALANCED, CROSS, CALIBRATION = " balanced", "fmr_cross", "calibration_in_the_large"


@dataclass(frozen=True, slots=True)
class Draws:
    """What is drawn: the seed, resamples of the bootstrap, and permutations of labels."""

    seed: int
    resamples: int
    permutations: int

    @property
    def permuted(self) -> dict[str, Any]:
        """What the tests that permute labels take."""
        return {"seed": self.seed, "permutations": self.permutations}


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A measure by group, `hits / n`, and the same on resamples of people.

    Parameters
    ----------
    measure
        Its name.
    hits, n : (g,) float
        Sums over each group's pairs, or people.
    drawn : (r, 2, g) float
        Both on resamples.
    people : (g,) float
        How many people it rests on, in effect where they are weighted.
    people_pairs : (g,) float, optional
        How many pairs of two people, where it is of such.
    kind
        "error", a rate of which ratios are told; "share" of photos that have something or not; "mean".
    p : (g,) float, optional
        Of no difference to the rest.
    left : (1 + r, g) float, optional
        The difference to the rest that a regression on covariates leaves, as it is and on resamples.
    """

    measure: str
    hits: np.ndarray
    n: np.ndarray
    drawn: np.ndarray
    people: np.ndarray
    people_pairs: np.ndarray | None = None
    kind: str = "mean"
    p: np.ndarray | None = None
    left: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """The measure of each group, (g,); NaN where there is nothing to count."""
        return _ratio(self.hits, self.n)

    @property
    def draws(self) -> np.ndarray:
        """The same on resamples, (r, g)."""
        return _ratio(self.drawn[:, 0], self.drawn[:, 1])

    @property
    def apart(self) -> tuple[np.ndarray, np.ndarray]:
        """The difference of each group to the rest taken together, (g,), and on resamples, (r, g)."""
        return difference_to_rest(self.hits, self.n), difference_to_rest(self.drawn[:, 0], self.drawn[:, 1])

    @property
    def independent(self) -> np.ndarray:
        """How many independent trials each group's share rests on, (g,): people, or half of them for pairs of two."""
        return np.asarray(np.maximum(self.people // (1 if self.people_pairs is None else 2), 1))

    def spread_out(self, seed: int) -> Counted:
        """Return the same with draws of shares of 0 and 1 that do vary: no resample has what no person had.

        They are drawn as Beta(1, m), m independent trials, whose quantiles are the exact bounds of no error in m.
        """
        if self.kind == "mean":
            return self
        draw, drawn = np.random.default_rng(seed), self.drawn.copy()
        for j in np.flatnonzero(np.isin(self.value, (0, 1))):
            few = draw.beta(1, self.independent[j], len(drawn))
            drawn[:, 0, j] = drawn[:, 1, j] * (few if self.value[j] == 0 else 1 - few)
        return replace(self, drawn=drawn)


def _ratio(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(n > 0, hits / n, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The pairs that count in a measure: their rows, the group of each, its weight, and what match is an error."""

    measure: str
    rows: np.ndarray
    code: np.ndarray
    weight: np.ndarray | float
    error: bool

    def sums(self, weights: np.ndarray, match: np.ndarray, g: int) -> np.ndarray:
        """Return errors and n, (2, g), under weights of pairs, (m,), and matches, (m,) bool."""
        w = weights[self.rows] * self.weight
        return np.stack([np.bincount(self.code, w * (match[self.rows] == self.error), g), np.bincount(self.code, w, g)])


@dataclass(slots=True, eq=False)
class PairGroups:
    """Scored pairs of photos in the groups of a grouping.

    Parameters
    ----------
    pairs
        With scores, none NaN.
    grouping
        Of their photos.
    balance
        Of their photos, where they are balanced.
    covariates : (n, c) float, optional
        Of their photos, where differences are adjusted; standardised.
    """

    pairs: Scored
    grouping: Grouping
    balance: Balanced | None = None
    covariates: np.ndarray | None = None
    parts: dict[str, Part] = field(init=False)
    who: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        pairs, code = self.pairs, self.grouping.code
        _, self.who = np.unique(pairs.person.astype(str), return_inverse=True)
        one, other = code[pairs.a], code[pairs.b]
        within = (one == other) & (one >= 0)
        kinds = {"fmr": np.flatnonzero(within & ~pairs.same), "fnmr": np.flatnonzero(within & pairs.same)}
        self.parts = {name: Part(name, rows, one[rows], 1.0, name == "fmr") for name, rows in kinds.items()}
        rows = np.flatnonzero(~pairs.same & (one != other) & (one >= 0) & (other >= 0))
        self.parts[CROSS] = Part(CROSS, np.tile(rows, 2), np.append(one[rows], other[rows]), 1.0, True)
        if self.balance is not None:
            photo = self.balance.weights
            for name, rows in kinds.items():
                weight = photo[pairs.a[rows]] * photo[pairs.b[rows]]
                self.parts[name + BALANCED] = Part(name + BALANCED, rows, one[rows], weight, name == "fmr")

    @property
    def g(self) -> int:
        """How many groups."""
        return len(self.grouping.groups)

    def _stated(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """Return the rows that state a probability, these, whether both are one person, and the group; None of none."""
        p, rows = self.pairs.probability, np.append(self.parts["fmr"].rows, self.parts["fnmr"].rows)
        if p is None:
            return None
        rows = rows[np.isfinite(p[rows])]
        return rows, p[rows], self.pairs.same[rows], self.grouping.code[self.pairs.a[rows]]

    def gaps(self, weights: np.ndarray) -> np.ndarray:
        """Return what stated probabilities are off by bin, (g, b), under weights of pairs, (m,)."""
        if (stated := self._stated()) is None:
            return np.zeros((self.g, 0))
        return calibration_gaps(*stated[1:], weights[stated[0]], g=self.g)

    def chance(self, draws: Draws) -> np.ndarray:
        """Return the same that chance alone makes, (r, g, b): of people, and pairs of people, as independent answers."""
        if (stated := self._stated()) is None:
            return np.zeros((draws.resamples, self.g, 0))
        n = np.stack([self.people_pairs(self.parts["fmr"]), self.people(self.parts["fnmr"])]).astype(int)
        return calibrated_gaps(*stated[1:], n, seed=draws.seed, resamples=draws.resamples)

    def left(self, part: Part, weights: np.ndarray, match: np.ndarray) -> np.ndarray:
        """Return the difference of each group to the rest that covariates leave of an error rate, (g,)."""
        assert self.covariates is not None
        assert self.balance is not None
        both = self.balance.rows[self.pairs.a[part.rows]] & self.balance.rows[self.pairs.b[part.rows]]
        rows, code = part.rows[both], part.code[both]
        one, other = self.covariates[self.pairs.a[rows]], self.covariates[self.pairs.b[rows]]
        x = np.column_stack([(one + other) / 2, np.abs(one - other)])
        return regression_difference(x, code, match[rows] == part.error, weights[rows], self.g)

    def people(self, part: Part) -> np.ndarray:
        """Return how many people of each group stand in pairs, (g,), in effect where these are weighted."""
        photos = np.unique(np.append(self.pairs.a[part.rows], self.pairs.b[part.rows]))
        told = part.measure.endswith(BALANCED) and self.balance is not None
        weight = self.balance.weights[photos] if told and self.balance is not None else np.ones(len(photos))
        table = np.zeros((self.g, int(self.who.max()) + 1))
        np.add.at(table, (self.grouping.code[photos], self.who[photos]), weight)
        return np.array([effective_number(row if told else row > 0) for row in table])

    def people_pairs(self, part: Part) -> np.ndarray:
        """Return how many pairs of people are compared in each group, (g,)."""
        people = int(self.who.max()) + 1
        ends = np.sort([self.who[self.pairs.a[part.rows]], self.who[self.pairs.b[part.rows]]], axis=0)
        each = np.unique((part.code * people + ends[0]) * people + ends[1])
        return np.bincount(each // people**2, minlength=self.g).astype(float)

    def tests(self, match: np.ndarray, draws: Draws) -> dict[str, np.ndarray]:
        """Return p of no difference to the rest, of both error rates, (g,) each, by the people of each group."""
        pairs, fmr, fnmr = self.pairs, self.parts["fmr"].rows, self.parts["fnmr"].rows
        rows = np.append(fmr, fnmr)
        photos = np.unique(np.append(pairs.a[rows], pairs.b[rows]))
        names, first = np.unique(self.who[photos], return_index=True)
        labels = self.grouping.code[photos][first]
        number = np.full(int(self.who.max()) + 1, -1)
        number[names] = np.arange(len(names))
        a, b = number[self.who[pairs.a]], number[self.who[pairs.b]]
        hits, n = (np.bincount(a[fnmr], w, len(names)) for w in (~match[fnmr], np.ones(len(fnmr))))
        found = {
            "fmr": pair_labels_test(match[fmr], a[fmr], b[fmr], labels, **draws.permuted),
            "fnmr": labels_test(hits, n, labels, **draws.permuted),
        }
        return {measure: _placed(names, p, self.g) for measure, (names, p) in found.items()}


def _placed(names: np.ndarray, p: np.ndarray, g: int) -> np.ndarray:
    found = np.full(g, np.nan)
    found[names] = p
    return found


def count_pairs(
    cells: Sequence[PairGroups],
    threshold: float | None,
    *,
    fmr: float,
    draws: Draws,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[float, list[tuple[list[Counted], np.ndarray]]]:
    """Return the threshold, and by each grouping of the same pairs what is counted, and gaps of P(same), (1 + r, g, b).

    Parameters
    ----------
    cells
        One a grouping.
    threshold
        A score; None for the smallest whose false match rate over all pairs is at most `fmr`, found anew on each resample.
    fmr
        In (0, 1).
    draws
        Of the bootstrap over people, and of their labels.
    progress
        Called with resamples done and resamples in all.
    """
    pairs = cells[0].pairs
    order = sort_pairs(pairs.scores, pairs.same)

    def at(weights: np.ndarray) -> float:
        if threshold is not None:
            return threshold
        curve = order.roc(weights)
        return float(curve.threshold[curve.first_at_most(fmr)]) if np.isfinite(curve.fmr).all() else np.nan

    found: list[list[tuple[np.ndarray, ...]]] = [[] for _ in cells]
    first, second = pairs.person[pairs.a].astype(str), pairs.person[pairs.b].astype(str)
    whole = np.ones(len(pairs))
    for done, weights in enumerate((whole, *people_weights(first, second, seed=draws.seed, resamples=draws.resamples))):
        progress(done, draws.resamples + 1)
        match = pairs.scores >= at(weights)
        for cell, rows in zip(cells, found, strict=True):
            rows.append(_sums(cell, weights, match))
    progress(draws.resamples + 1, draws.resamples + 1)
    match = pairs.scores >= at(whole)
    columns = [[np.stack(column) for column in zip(*rows, strict=True)] for rows in found]
    return at(whole), [(list(_counted(c, column, match, draws)), column[1]) for c, column in zip(cells, columns, strict=True)]


def _sums(cell: PairGroups, weights: np.ndarray, match: np.ndarray) -> tuple[np.ndarray, ...]:
    sums = np.stack([part.sums(weights, match, cell.g) for part in cell.parts.values()])
    lines = [] if cell.balance is None else [cell.left(cell.parts[name], weights, match) for name in ("fmr", "fnmr")]
    return sums, cell.gaps(weights), np.array(lines)


def _counted(cell: PairGroups, columns: Sequence[np.ndarray], match: np.ndarray, draws: Draws) -> Iterator[Counted]:
    sums, gaps, lines = columns
    p, left = cell.tests(match, draws), dict(zip(("fmr", "fnmr"), lines.swapaxes(0, 1), strict=False)) if lines.size else {}
    for i, (name, part) in enumerate(cell.parts.items()):
        people, of_two = cell.people(part), cell.people_pairs(part) if part.error else None
        if of_two is not None and name.endswith(BALANCED):
            of_two = np.minimum(of_two, people * (people - 1) / 2)
        kind, (hits, n) = "share" if name == CROSS else "error", sums[0, i]
        yield Counted(name, hits, n, sums[1:, i], people, of_two, kind, p.get(name), left.get(name))
    if gaps.size:
        large = gaps.sum(-1)
        parts = np.stack([np.nan_to_num(large), np.isfinite(large).astype(float)], axis=1)
        people = np.minimum(*(cell.people(cell.parts[name]) for name in ("fmr", "fnmr")))
        yield Counted(CALIBRATION, parts[0, 0], parts[0, 1], parts[1:], people)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPeople:
    """The people of n photos, in groups, and how they are drawn again.

    Parameters
    ----------
    grouping
        Of the photos.
    who : (n,) int
        Whose each photo is, numbered from 0.
    draws
        Of the bootstrap, and of their labels.
    label : (p,) int
        The group of each person; -1 where it is unknown.
    times : (r, p) float
        How often each person is drawn in each resample.
    """

    grouping: Grouping
    who: np.ndarray
    draws: Draws
    label: np.ndarray = field(init=False)
    times: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        people = int(self.who.max(initial=-1)) + 1
        label, draw = np.full(people, -1), np.random.default_rng(self.draws.seed)
        label[self.who] = self.grouping.code
        times = draw.multinomial(people, np.full(people, 1 / people), size=self.draws.resamples).astype(np.float64)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "times", times)

    @property
    def g(self) -> int:
        """How many groups."""
        return len(self.grouping.groups)


def count_people(
    measure: str,
    hits: np.ndarray,
    n: np.ndarray,
    people: GroupedPeople,
    *,
    kind: str = "mean",
    weights: np.ndarray | None = None,
) -> Counted:
    """Return a measure of people, `sum hits / sum n` by group, and the same on resamples of people.

    Parameters
    ----------
    measure
        Its name.
    hits, n : (p,) float
        Of each person.
    people
        In their groups.
    kind
        Of `Counted`.
    weights : (p,) float, optional
        That balance the groups.
    """
    label, w = people.label, np.ones(len(hits)) if weights is None else weights
    counts = (n > 0) & (label >= 0) & (w > 0)
    cell = np.zeros((len(hits), people.g))
    cell[counts, label[counts]] = w[counts]
    drawn = np.stack([people.times @ (cell * part[:, None]) for part in (hits, n)], axis=1)
    inside = np.array([effective_number(column) for column in cell.T])
    p = None
    if weights is None:
        p = _placed(*labels_test(hits[counts], n[counts], label[counts], **people.draws.permuted), people.g)
    return Counted(measure, hits @ cell, n @ cell, drawn, inside, kind=kind, p=p)


def count_values(
    measure: str, values: np.ndarray, people: GroupedPeople, *, covariates: Mapping[str, np.ndarray], least: int
) -> tuple[list[Counted], Balanced | None]:
    """Return the mean over people of their photos' mean by group; balanced and adjusted where there are covariates.

    Parameters
    ----------
    measure
        Its name.
    values : (n,) float
        Of each photo; NaN where there is none.
    people
        In their groups.
    covariates : (n,) float each
        Of the photos.
    least
        People in a group that is balanced.
    """
    label = people.label
    mean = person_means(values, people.who, len(label))
    hits, n = np.nan_to_num(mean), np.isfinite(mean).astype(float)
    kind = "share" if np.isin(values[np.isfinite(values)], (0, 1)).all() else "mean"
    raw = count_people(measure, hits, n, people, kind=kind)
    own = {name: person_means(column, people.who, len(label)) for name, column in covariates.items()}
    balance = balanced(own, np.where(n > 0, label, -1), raw.people >= least)
    if balance is None:
        return [raw], None
    rows = balance.rows
    x = np.stack(list(own.values()), 1)[rows]
    times = np.vstack([np.ones(len(x)), people.times[:, rows]])
    left = np.stack([regression_difference(x, label[rows], mean[rows], w, people.g) for w in times])
    even = count_people(f"{measure}{BALANCED}", hits, n, people, kind=kind, weights=balance.weights)
    return [replace(raw, left=left), even], balance
