"""Shares of faces by numbers that carry a band, as pose and quality do; and the rows that a composition collects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from facevalue.data.faces import Column, Faces
from facevalue.data.findings import Findings
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.misclassification import effective_counts
from facevalue.stats.prediction_powered import Shares
from facevalue.studies.perceived import Perceived, reasons

# What the carried instruments are calibrated down to.
LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "quality.inter_eye": (12.0, None),
    "quality.sharpness": (0.006274, None),
}
NONE = float("nan")
ANGLES = (15.0, 30.0, 45.0)
POSES = ("pose.yaw", "pose.pitch")


class Rows:
    """Collects the findings of one study: who each of its n faces is of, and at what level."""

    def __init__(self, study: str, level: float, who: np.ndarray, run: str) -> None:
        self.study, self.level, self.who, self.run = study, level, who, run
        self._rows: list[dict[str, Any]] = []

    def findings(self) -> Findings:
        """Return what was collected."""
        return Findings.from_rows(self._rows)

    def add(
        self, measure: str, group: str, *, method: str, n: int = 0, value: float = NONE, low: float = NONE, high: float = NONE
    ) -> None:
        """Add a number; its level stands where it has an interval."""
        known = {"study": self.study, "measure": measure, "group": group, "n": n, "method": method, "run": self.run}
        numbers = {"value": value, "low": low, "high": high, "level": self.level if np.isfinite(high) else np.nan}
        self._rows.append(known | {name: float(number) for name, number in numbers.items()})

    def count(self, measure: str, group: str, value: float, *, n: int, method: str = "count") -> None:
        """Add a number without an interval."""
        self.add(measure, group, value=float(value), n=n, method=method)

    def shares(self, measure: str, part: Perceived, shares: Shares, *, n: int, method: str | list[str]) -> None:
        """Add a share of each label, by one method or each by its own."""
        methods = [method] * len(part.labels) if isinstance(method, str) else method
        for j, (label, how) in enumerate(zip(part.labels, methods, strict=True)):
            ends = {"value": shares.values[j], "low": shares.low[j], "high": shares.high[j]}
            self.add(measure, f"{part.name}: {label}", n=n, method=how, **ends)

    def share(self, measure: str, group: str, hit: np.ndarray, among: np.ndarray, *, method: str) -> None:
        """Add the share of hits, (n,) bool, among some faces, (n,) bool, whose people are drawn."""
        low, high = self.wilson(hit, among)
        self.add(measure, group, value=float(hit[among].mean()), low=low, high=high, n=int(among.sum()), method=method)

    def wilson(self, hit: np.ndarray, among: np.ndarray) -> tuple[float, float]:
        """Return Wilson's interval of the share of hits, by as many independent faces as they are worth."""
        counts = effective_counts(hit[among].astype(int), self.who[among], k=2)
        low, high = wilson_interval(counts[1], counts.sum(), level=self.level)
        return float(low), float(high)

    def not_judged(self, name: str, why: np.ndarray, source: str) -> float:
        """Add the share of all faces that were not judged, by reason; return that of all reasons together."""
        everyone = np.ones(len(why), bool)
        for reason, _ in Counter(word for word in why if word).most_common():
            self.share("not_judged", f"{name}: {reason}", why == reason, everyone, method=f"wilson; by {source}")
        return float((why != "").mean())


def measured_shares(rows: Rows, faces: Faces, limits: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Add the shares of faces turned by so many degrees, and of those whose quality lies beyond a limit.

    The interval of a share reaches from Wilson's lower end for the faces whose band lies within the bin to the upper end for
    those whose band meets it; without a band it holds the sampling alone, and says so.
    """
    for name in (name for name in POSES if name in faces.columns):
        edges = (0.0, *ANGLES, np.inf)
        words = [f"{a:g} to {b:g} deg" for a, b in zip(edges[:-2], edges[1:-1], strict=True)] + [f"{ANGLES[-1]:g} deg or more"]
        bins = {f"{name}: {word}": ends for word, *ends in zip(words, edges[:-1], edges[1:], strict=True)}
        _binned(rows, name, faces[name], bins, absolute=True)
    for name, (low, high) in limits.items():
        if name in faces.columns:
            bins = {f"{name}: below {low:g}": [-np.inf, low]} if low is not None else {}
            bins |= {f"{name}: above {high:g}": [np.nextafter(high, np.inf), np.inf]} if high is not None else {}
            _binned(rows, name, faces[name], bins, absolute=False)


def _binned(rows: Rows, name: str, column: Column, bins: Mapping[str, list[float]], *, absolute: bool) -> None:
    """Add the share of each bin, a <= value < b."""
    why = reasons(column)
    judged = why == ""
    rows.not_judged(name, why, column.source)
    values, low, high = (column.values if part is None else part for part in (column.values, column.low, column.high))
    if absolute:
        crosses = (low < 0) & (high > 0)
        low, high = np.where(crosses, 0, np.minimum(abs(low), abs(high))), np.maximum(abs(low), abs(high))
        values = abs(values)
    told = "wilson of faces whose band lies within, and of those whose band meets it"
    method = told if column.low is not None else "wilson; no band: the instrument's errors are left in"
    for group, (a, b) in bins.items():
        if not judged.any():
            rows.add("share", group, method=f"not told: no face was judged by {column.source}")
            continue
        within, sure, possible = ((values >= a) & (values < b), (low >= a) & (high < b), (low < b) & (high >= a))
        ends = {"low": rows.wilson(sure, judged)[0], "high": rows.wilson(possible, judged)[1]}
        rows.add("share", group, value=float(within[judged].mean()), n=int(judged.sum()), method=method, **ends)
