"""Errors of verification by group at one threshold, and the same on resamples of people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facevalue.data.scored import Scored
from facevalue.stats.bootstrap import people_weights
from facevalue.stats.disparity import labels_test, pair_labels_test
from facevalue.stats.roc import sort_pairs
from facevalue.stats.weighting import effective_number
from facevalue.studies.group_counts import BALANCED, Adjusted, Balanced, Counted, Draws, placed, ratio, regression_difference
from facevalue.studies.grouping import Grouping

CROSS, CALIBRATION = "_cross", "calibration_in_the_large"


@dataclass(slots=True)
class PairCells:
    """Which pairs count in which group of a grouping, with what weights.

    Parameters
    ----------
    pairs
        With scores, none NaN.
    grouping
        Of its photos.
    balance
        Of its photos, where they are balanced.
    covariates : (n, c) float
        Of its photos, where differences are adjusted; standardised.
    """

    pairs: Scored
    grouping: Grouping
    balance: Balanced | None
    covariates: np.ndarray | None
    within: np.ndarray = field(init=False)
    code: np.ndarray = field(init=False)
    kinds: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        one, other = self.grouping.code[self.pairs.a], self.grouping.code[self.pairs.b]
        self.within = (one == other) & (one >= 0)
        self.code = one
        across = ~self.pairs.same & (one != other) & (one >= 0) & (other >= 0)
        kinds = {"fmr": self.within & ~self.pairs.same, "fnmr": self.within & self.pairs.same, "cross": across}
        self.kinds = {name: np.flatnonzero(kind) for name, kind in kinds.items()}

    @property
    def g(self) -> int:
        """How many groups."""
        return len(self.grouping.groups)

    def sums(self, weights: np.ndarray, match: np.ndarray) -> dict[str, np.ndarray]:
        """Return hits and n, (2, g), of each measure, under weights of pairs, (m,), and matches, (m,) bool."""
        pairs = self.pairs
        found = {
            "fmr": self._within("fmr", match, weights),
            "fnmr": self._within("fnmr", ~match, weights),
            f"fmr{CROSS}": self._cross(match, weights),
        }
        if self.balance is not None:
            photo = self.balance.weights()
            both = weights * photo[pairs.a] * photo[pairs.b]
            found |= {f"fmr{BALANCED}": self._within("fmr", match, both)}
            found |= {f"fnmr{BALANCED}": self._within("fnmr", ~match, both)}
        if pairs.probability is not None:
            found[CALIBRATION] = self._calibration(weights)
        return found

    def _within(self, kind: str, hit: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = self.kinds[kind]
        code, w = self.code[rows], weights[rows]
        return np.stack([np.bincount(code, w * hit[rows], self.g), np.bincount(code, w, self.g)])

    def _cross(self, match: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = self.kinds["cross"]
        w = weights[rows]
        sums = [
            [np.bincount(self.grouping.code[side[rows]], part, self.g) for part in (w * match[rows], w)]
            for side in (self.pairs.a, self.pairs.b)
        ]
        return np.asarray(np.sum(sums, axis=0))

    def _calibration(self, weights: np.ndarray) -> np.ndarray:
        """Return mean P(same) less 1/2, both kinds weighing the same, as hits of 1; n is 0 where a kind is missing."""
        p = self.pairs.probability
        assert p is not None
        told, p = weights * np.isfinite(p), np.nan_to_num(p)
        means = [ratio(*self._within(kind, p, told)) for kind in ("fnmr", "fmr")]
        value = (means[0] + means[1]) / 2 - 0.5
        return np.stack([np.nan_to_num(value), np.isfinite(value).astype(float)])

    def regressed(self, weights: np.ndarray, match: np.ndarray) -> dict[str, np.ndarray]:
        """Return the difference of each group to the rest that covariates leave, (g,), of both error rates."""
        if self.covariates is None or self.balance is None:
            return {}
        z, pairs, found = self.covariates, self.pairs, {}
        x = np.column_stack([(z[pairs.a] + z[pairs.b]) / 2, np.abs(z[pairs.a] - z[pairs.b])])
        told = self.within & self.balance.rows[pairs.a] & self.balance.rows[pairs.b]
        for name, kind, hit in (("fmr", ~pairs.same, match), ("fnmr", pairs.same, ~match)):
            rows = kind & told
            found[name] = regression_difference(x[rows], self.code[rows], hit[rows], weights[rows], self.g)
        return found


def count_pairs(
    cells: Sequence[PairCells],
    threshold: float | None,
    *,
    fmr: float,
    draws: Draws,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[float, list[list[Counted]], list[list[Adjusted]]]:
    """Return the threshold, and what is counted by each grouping of the same pairs.

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

    sums: list[list[dict[str, np.ndarray]]] = [[] for _ in cells]
    lines: list[list[dict[str, np.ndarray]]] = [[] for _ in cells]
    first, second = pairs.person[pairs.a].astype(str), pairs.person[pairs.b].astype(str)
    whole = np.ones(len(pairs))
    for done, weights in enumerate((whole, *people_weights(first, second, seed=draws.seed, resamples=draws.resamples))):
        progress(done, draws.resamples + 1)
        match = pairs.scores >= at(weights)
        for i, cell in enumerate(cells):
            sums[i].append(cell.sums(weights, match))
            lines[i].append(cell.regressed(weights, match))
    progress(draws.resamples + 1, draws.resamples + 1)
    match = pairs.scores >= at(whole)
    counted = [list(_counted(cell, sums[i], match, draws)) for i, cell in enumerate(cells)]
    adjusted = [list(_adjusted(cell, lines[i])) for i, cell in enumerate(cells)]
    return at(whole), counted, adjusted


def _counted(cell: PairCells, sums: Sequence[Mapping[str, np.ndarray]], match: np.ndarray, draws: Draws) -> Iterator[Counted]:
    people, people_pairs = _people(cell, None), _people_pairs(cell)
    p = _tests(cell, match, draws)
    for name in sums[0]:
        drawn = np.stack([part[name] for part in sums[1:]])
        of, pairs = people["fnmr" if name.startswith("fnmr") else "fmr"], np.full(cell.g, np.nan)
        if name.endswith(BALANCED):
            of = _people(cell, cell.balance)[name.removesuffix(BALANCED)]
        if name.startswith("fmr"):
            pairs = people_pairs[1 if name.endswith(CROSS) else 0]
            pairs = np.minimum(pairs, of * (of - 1) / 2) if name.endswith(BALANCED) else pairs
        errors = name != CALIBRATION and not name.endswith(CROSS)
        hits, n = sums[0][name]
        yield Counted(name, hits, n, drawn, of, pairs, errors, p.get(name))


def _adjusted(cell: PairCells, lines: Sequence[Mapping[str, np.ndarray]]) -> Iterator[Adjusted]:
    for name in lines[0]:
        kind = cell.pairs.same if name == "fnmr" else ~cell.pairs.same
        n = np.bincount(cell.code[kind & cell.within], minlength=cell.g)
        yield Adjusted(name, lines[0][name], np.stack([part[name] for part in lines[1:]]), n)


def _people(cell: PairCells, balance: Balanced | None) -> dict[str, np.ndarray]:
    """Return how many people of each group stand in its pairs of two people ("fmr"), and of one ("fnmr"), in effect."""
    pairs, code, found = cell.pairs, cell.grouping.code, {}
    _, who = np.unique(pairs.person.astype(str), return_inverse=True)
    photo = np.ones(len(code)) if balance is None else balance.weights()
    for name, kind in (("fmr", ~pairs.same), ("fnmr", pairs.same)):
        rows = np.unique(np.append(pairs.a[kind & cell.within], pairs.b[kind & cell.within]))
        table = np.zeros((cell.g, int(who.max()) + 1))
        np.add.at(table, (code[rows], who[rows]), photo[rows])
        found[name] = np.array([effective_number(row > 0 if balance is None else row) for row in table])
    return found


def _people_pairs(cell: PairCells) -> tuple[np.ndarray, np.ndarray]:
    """Return how many pairs of two people are compared, within each group and across, (g,) each."""
    pairs, code = cell.pairs, cell.grouping.code
    _, who = np.unique(pairs.person.astype(str), return_inverse=True)
    kind = ~pairs.same
    ends = np.sort(np.stack([who[pairs.a[kind]], who[pairs.b[kind]]]), axis=0)
    each = np.unique(np.vstack([ends, np.sort(np.stack([code[pairs.a[kind]], code[pairs.b[kind]]]), axis=0)]), axis=1)[2:]
    inside, outside = each[0] == each[1], (each[0] != each[1]) & (each[0] >= 0)
    within = np.bincount(each[0][inside & (each[0] >= 0)], minlength=cell.g)
    return within.astype(float), np.bincount(each[:, outside].ravel(), minlength=cell.g).astype(float)


def _tests(cell: PairCells, match: np.ndarray, draws: Draws) -> dict[str, np.ndarray]:
    """Return p of no difference to the rest, of both error rates, (g,) each, by the people of each group."""
    pairs, code, found = cell.pairs, cell.grouping.code, {}
    by: Any = {"seed": draws.seed, "permutations": draws.permutations}
    rows = cell.within & ~pairs.same
    used = np.unique(np.append(pairs.a[cell.within], pairs.b[cell.within]))
    _, who = np.unique(pairs.person[used].astype(str), return_inverse=True)
    of = np.full(len(code), -1)
    of[used] = who
    labels = np.zeros(int(who.max(initial=-1)) + 1, int)
    labels[who] = code[used]
    names, p = pair_labels_test(match[rows], of[pairs.a[rows]], of[pairs.b[rows]], labels, **by)
    found["fmr"] = placed(names, p, cell.g)
    rows = cell.within & pairs.same
    hits, n = (np.bincount(of[pairs.a[rows]], w, len(labels)) for w in (~match[rows], np.ones(rows.sum())))
    names, p = labels_test(hits, n, labels, **by)
    return found | {"fnmr": placed(names, p, cell.g)}
