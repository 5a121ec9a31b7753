"""Figures of a trained instrument: each measure over all test faces and in every group, with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facevalue.data.faces import Column
from facevalue.data.findings import Findings
from facevalue.stats.calibration import brier_score, expected_calibration_error
from facevalue.stats.disparity import ByGroup, by_group, share_by_group

LEVEL = 0.9
SEED = 0
# Faces a group must have to be reported, and to have its calibration error reported.
LEAST, LEAST_FOR_ECE = 30, 100
RESAMPLES = 300
DRAWS = 200


class Judge:
    """Collects figures, a row a measure and group: all faces, each grouping, and each two or more of them crossed.

    Parameters
    ----------
    study, run
        For the findings.
    groups
        Name of a grouping to the group of each face, (n,), as labels have them.
    judged : (n,) bool
        Faces that the instrument did not abstain from: figures are of these.
    """

    def __init__(self, study: str, run: str, groups: Mapping[str, np.ndarray], judged: np.ndarray) -> None:
        self._study, self._run, self._groups, self.judged = study, run, groups, judged
        self._rows: list[dict[str, Any]] = []

    def findings(self) -> Findings:
        """Return what was collected."""
        return Findings.from_rows(self._rows)

    def among(self, rows: np.ndarray) -> Judge:
        """Return a judge of some faces only, (n,) bool, whose figures come to the same findings."""
        other = Judge(self._study, self._run, self._groups, self.judged & rows)
        other._rows = self._rows
        return other

    def share(self, measure: str, hits: np.ndarray, *, among: np.ndarray) -> None:
        """Add a share, with Wilson intervals."""
        for name, group in self._groupings():
            if among.any():
                self._add(measure, name, share_by_group(hits[among], group[among], level=LEVEL, least=LEAST), "wilson")

    def statistic(self, measure: str, statistic: Callable[..., float], *arrays: np.ndarray, least: int = LEAST) -> None:
        """Add any statistic of the judged faces, with bootstrap intervals."""
        on = self.judged
        for name, group in self._groupings():
            rows = [array[on] for array in arrays]
            table = by_group(statistic, group[on], *rows, level=LEVEL, seed=SEED, least=least, resamples=RESAMPLES)
            self._add(measure, name, table, "bootstrap")

    def distribution(
        self, head: str, p: Column, sets: Column, truth: np.ndarray, *, shares: np.ndarray | None = None, votes: int = 1
    ) -> None:
        """Add accuracy, calibration error, cross-entropy, and coverage and size of the sets of one head.

        Parameters
        ----------
        head
            Its name.
        p, sets
            Columns of (n, k).
        truth : (n,) int
            The label that the sets should hold.
        shares : (n, k), optional
            What the probabilities are of, where that is not whether the label is true.
        votes
            How many votes a face the shares are counted from.
        """
        truth = np.where(self.judged, truth, 0)
        values, held = p.values, sets.values[np.arange(len(truth)), truth] == 1
        target = np.eye(values.shape[1])[truth] if shares is None else shares
        self.share(f"{head}_accuracy", values.argmax(1) == truth, among=self.judged)
        self._calibration_error(head, values, target, votes)
        self.statistic(f"{head}_cross_entropy", _cross_entropy, values, target)
        self.statistic(f"{head}_brier", brier_score, values, target)
        self.share(f"{head}_set_coverage", held, among=self.judged)
        self.statistic(f"{head}_set_size", np.mean, sets.values.sum(1))
        self.share(f"{head}_set_single", sets.values.sum(1) == 1, among=self.judged)

    def _calibration_error(self, head: str, p: np.ndarray, target: np.ndarray, votes: int) -> None:
        """Add the calibration error; its interval is the range in which it would lie if p were perfectly calibrated.

        It is above 0 even then, the more so the fewer the faces: a bootstrap of it would be biased upwards.
        """
        rng = np.random.default_rng(SEED)
        for name, group in self._groupings():
            at = [np.flatnonzero(self.judged & (group == one)) for one in np.unique(group[self.judged])]
            for rows in (rows for rows in at if len(rows) >= LEAST_FOR_ECE):
                found = np.array([expected_calibration_error(p[rows], target[rows])])
                perfect = [expected_calibration_error(p[rows], drawn(p[rows], rng, votes)) for _ in range(DRAWS)]
                low, high = np.quantile(perfect, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])[:, None]
                one = ByGroup(group[rows[:1]], found, low, high, np.array([len(rows)]), LEVEL)
                self._add(f"{head}_ece", name, one, "range if calibrated")

    def number(self, name: str, column: Column, truth: np.ndarray, *, balanced: np.ndarray) -> None:
        """Add the mean absolute error, over faces and over groups alike, and coverage and width of the interval."""
        assert column.low is not None
        assert column.high is not None
        off = abs(column.values - truth)
        self.statistic(f"{name}_mean_absolute_error", np.mean, off)
        self.statistic(f"{name}_mean_absolute_error_balanced", _balanced, off, balanced)
        self.statistic(f"{name}_bias", np.mean, column.values - truth)
        self.share(f"{name}_interval_coverage", (column.low <= truth) & (truth <= column.high), among=self.judged)
        self.statistic(f"{name}_interval_width", np.mean, column.high - column.low)

    def entropies(self, predicted: np.ndarray, shares: np.ndarray) -> None:
        """Add the raters' own entropy, the predicted one, bits, and the correlation of the two."""
        own = -(shares * np.log2(np.maximum(shares, 1e-12))).sum(1)
        self.statistic("entropy_of_votes", np.mean, own)
        self.statistic("entropy_predicted", np.mean, predicted)
        self.statistic("entropy_correlation", lambda a, b: float(np.corrcoef(a, b)[0, 1]), own, predicted)

    def _groupings(self) -> list[tuple[str, np.ndarray]]:
        names = list(self._groups)
        chosen = [list(some) for count in range(1, len(names) + 1) for some in itertools.combinations(names, count)]
        crossed = [zip(*(self._groups[name] for name in some), strict=True) for some in chosen]
        found = [
            (" x ".join(some), np.array([" ".join(row) for row in rows])) for some, rows in zip(chosen, crossed, strict=True)
        ]
        return [("all", np.full(len(self.judged), "all")), *found]

    def _add(self, measure: str, grouping: str, table: ByGroup, method: str) -> None:
        for group, value, low, high, n in zip(table.group, table.value, table.low, table.high, table.n, strict=True):
            known = {"study": self._study, "measure": measure, "group": group if grouping == "all" else f"{grouping}: {group}"}
            numbers = {"value": value, "low": low, "high": high, "level": table.level, "n": int(n)}
            self._rows.append({**known, **numbers, "method": method, "run": self._run})


def drawn(p: np.ndarray, rng: np.random.Generator, votes: int) -> np.ndarray:
    """Return the shares, (n, k), of so many votes drawn from each distribution, (n, k)."""
    k = p.shape[1]
    labels = [np.minimum((p.cumsum(1) < rng.random((len(p), 1))).sum(1), k - 1) for _ in range(votes)]
    return np.asarray(np.eye(k)[labels].mean(0))


def _cross_entropy(p: np.ndarray, shares: np.ndarray) -> float:
    return -float((shares * np.log(np.maximum(p, 1e-12))).sum(1).mean())


def _balanced(off: np.ndarray, group: np.ndarray) -> float:
    return float(np.mean([off[group == one].mean() for one in np.unique(group)]))
