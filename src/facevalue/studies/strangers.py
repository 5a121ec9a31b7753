"""Strangers: how often two people look as alike as a pair that was found, by a calibration, and among how many pairs it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.faces import Faces
from facevalue.data.people import People
from facevalue.stats.bootstrap import people_interval
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.multiplicity import adjusted_p_values, benjamini_hochberg
from facevalue.stats.similarity import unit
from facevalue.stats.verification import error_bound

ATYPICAL = 0.05
DRAWN, RESAMPLES = 300, 300
CAUTION = "unsteady"
NOT_COMPARABLE = "not comparable"


class Verifier(Protocol):
    """What is asked of a calibration: `facevalue.confidence.verdict.Verifier` has it."""

    @property
    def level(self) -> float:
        """Coverage of its own intervals."""

    @property
    def threshold(self) -> float:
        """The cosine that keeps its false match rate."""

    @property
    def origin(self) -> Any:
        """On what it was calibrated."""

    @property
    def rates(self) -> Any:
        """False match rates by score."""

    @property
    def ratio(self) -> Any:
        """Likelihood ratios by score."""

    @property
    def decisions(self) -> Any:
        """Conformal decisions."""

    @property
    def typicality(self) -> Any:
        """Of embeddings."""

    @property
    def limits(self) -> Any:
        """Beyond which nothing was calibrated."""

    def verdict(self, faces: Faces, *, level: float, prior: float) -> Any:
        """Return the verdict on two faces."""


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """What is known of how alike different people look to a model.

    Parameters
    ----------
    known
        A calibration, or a bare threshold, a cosine, of which no rate is known.
    level
        Of answers and calls, in (0, 1): of what is called at most `1 - level` is expected to be wrong.
    """

    known: Verifier | float
    level: float

    @property
    def verifier(self) -> Verifier | None:
        """The calibration, where there is one."""
        return None if isinstance(self.known, int | float) else self.known

    @property
    def threshold(self) -> float:
        """The cosine from which two faces match."""
        return float(self.known) if isinstance(self.known, int | float) else self.known.threshold

    @property
    def degrees(self) -> float:
        """The angle of the threshold."""
        return math.degrees(math.acos(min(1.0, max(-1.0, self.threshold))))

    def check(self, faces: Faces, model: str) -> None:
        """Raise SchemaError where faces were measured by other instruments than those of the calibration."""
        if self.verifier is None:
            return
        origin = self.verifier.origin
        if origin.model != model:
            raise SchemaError(
                f"expected a calibration of {model}, got one of {origin.model}: facevalue calibrate --model {model}"
            )
        needed = (f"{origin.model}.embedding", f"{origin.detector}.score")
        sources = {name: source for name, source in origin.sources.items() if name in needed or name in faces.columns}
        replace(origin, sources=sources).check(faces)

    def rates(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the share of strangers at a cosine or above, and the ends of its interval, as the calibration has them.

        Parameters
        ----------
        score : (n,) float

        Returns
        -------
        value, low, high : (n,) float
            NaN without a calibration, and of NaN.
        """
        score = np.asarray(score, np.float64)
        if self.verifier is None:
            return (np.full(score.shape, np.nan),) * 3
        rates = self.verifier.rates
        at = np.maximum(np.searchsorted(rates.score, score, side="right") - 1, 0)
        value, low, high = (np.where(np.isnan(score), np.nan, part[at]) for part in (rates.fmr, rates.low, rates.high))
        return value, low, high

    def tail(self, score: np.ndarray) -> np.ndarray:
        """Return p of a stranger as alike, `(1 + N FMR(s)) / (N + 1)` of N calibration pairs, (n,); 1 where unknown."""
        if self.verifier is None:
            return np.ones(np.shape(score))
        n = self.verifier.origin.people_pairs
        return np.asarray(np.nan_to_num((1 + n * self.rates(score)[0]) / (n + 1), nan=1.0))

    def unlike(self, score: np.ndarray) -> np.ndarray:
        """Return p of two photos of one person as unlike, (n,); 1 where nothing is known."""
        if self.verifier is None:
            return np.ones(np.shape(score))
        return np.asarray(np.nan_to_num(self.verifier.decisions.p_values(score)[0], nan=1.0))

    def answers(self, score: np.ndarray, comparable: np.ndarray | None = None) -> np.ndarray:
        """Return what a pair by itself says: "same", "different", "undecided", "not comparable", (n,) str; "" of NaN.

        Without a calibration all at the threshold or above are "undecided", all below "different".
        """
        score = np.asarray(score, np.float64)
        above = score >= self.threshold
        if self.verifier is None:
            found = np.where(above, "undecided", "different").astype(object)
        else:
            found = np.asarray(self.verifier.decisions.decision(score, level=self.level), object)
            found[(found == "neither") | ((found == "same") & ~above) | ((found == "different") & above)] = "undecided"
        found[np.isnan(score)] = ""
        if comparable is not None:
            found[~comparable & (found != "")] = NOT_COMPARABLE
        return np.asarray(found)

    def ratio(self, score: float) -> tuple[float, float, float] | None:
        """Return the likelihood ratio at a cosine and the ends of its interval; None without a calibration."""
        if self.verifier is None or math.isnan(score):
            return None
        value, low, high = self.verifier.ratio.at(score, self.level)
        return value, low, high

    def comparable(self, faces: Faces, model: str) -> np.ndarray:
        """Return which faces are such as were calibrated on, (n,) bool: within the limits, and typical."""
        embedding = faces[f"{model}.embedding"].values
        found = np.isfinite(embedding).all(1) & embedding.any(1)
        if self.verifier is None:
            return np.asarray(found)
        for limit in self.verifier.limits:
            if limit.column in faces.columns and limit.why != CAUTION:
                found &= ~limit.broken(faces[limit.column].values)
        strange = benjamini_hochberg(self.verifier.typicality.p_values(embedding), rate=ATYPICAL)
        return np.asarray(found & ~strange)

    def false_alarms(self, pairs: float, score: float, *, factor: float = 1.0) -> tuple[float, float, float]:
        """Return how many of so many pairs of strangers are expected at a cosine or above, and the ends of the interval.

        Parameters
        ----------
        pairs
            How many were compared.
        score
            Of the least alike that was taken.
        factor
            By how much the rate of what was compared may exceed that of a pair of photos, at its upper end.
        """
        value, low, high = (float(part[0]) for part in self.rates(np.array([score])))
        return pairs * value, pairs * low, pairs * float(np.minimum(1, high * factor))

    @property
    def bounds(self) -> tuple[float, float]:
        """The greatest cosine that may be answered "different", and the least that may be answered "same"."""
        if self.verifier is None:
            return self.threshold, self.threshold
        known = self.verifier.decisions
        grid = np.concatenate([known.genuine, known.impostor, [self.threshold, np.nextafter(self.threshold, -1)]])
        grid = np.unique(np.concatenate([grid, grid + 1e-6, grid - 1e-6]).clip(-1, 1))
        answers = self.answers(grid)
        ends = (grid[answers == "different"], grid[answers == "same"])
        return float(ends[0].max(initial=-1)), float(ends[1].min(initial=1))

    def missed(self, score: float) -> tuple[float, float]:
        """Return the share of one person's pairs below a cosine, and the upper end of its interval; NaN where unknown."""
        if self.verifier is None:
            return math.nan, math.nan
        rates, n = self.verifier.rates, self.verifier.origin.pairs_same
        share = float(rates.fnmr[max(int(np.searchsorted(rates.score, score, side="right")) - 1, 0)])
        return share, float(wilson_interval(share * n, n, level=self.verifier.level)[1])

    def call(self, p: np.ndarray, answers: np.ndarray, *, tests: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of false ones expected among all as extreme, (n,), and which to call, (n,) bool.

        Of `tests` hypotheses those not given have p = 1: `min over j >= k of tests p_(j) / j`, called where it is `1 - level`
        at most and the pair by itself is "same".

        References
        ----------
        Benjamini, Hochberg, JRSS B 57, 1995, eq. 1; conformal p-values: Bates and others, arXiv 2104.08279.

        Examples
        --------
        >>> same = np.full(3, "same", object)
        >>> share, called = Strangers(0.5, 0.9).call(np.array([0.001, 0.001, 0.5]), same, tests=100)
        >>> share.round(3), called
        (array([0.05, 0.05, 1.  ]), array([ True,  True, False]))
        """
        if not len(p):
            return np.empty(0), np.empty(0, bool)
        share = np.minimum(adjusted_p_values(p) * tests / len(p), 1)
        return share, np.asarray((share <= 1 - self.level + 1e-12) & (answers == "same"))


@dataclass(frozen=True, slots=True)
class Alike:
    """The share of pairs of two names in a data set that match, with its interval, and of how many pairs."""

    value: float
    low: float
    high: float
    pairs: int


def strangers_alike(people: People, model: str, threshold: float, *, level: float, seed: int) -> Alike:
    """Return how many pairs of two names reach a cosine, one photo a name, at most 300 names.

    Interval: percentiles over people drawn with replacement; where too few errors were seen, the exact bound.

    Parameters
    ----------
    people
        Photos that can be compared, with names.
    model
        Whose embeddings are compared.
    threshold
        A cosine.
    level
        In (0, 1).
    seed
        Of the names, the photos and the bootstrap.

    References
    ----------
    Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007.
    """
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(people))
    _, first = np.unique(people.person[order].astype(str), return_index=True)
    rows = order[draw.permutation(first)[:DRAWN]]
    if len(rows) < 2:
        return Alike(math.nan, math.nan, math.nan, 0)
    u = unit(people.embedding(model)[rows])
    a, b = np.triu_indices(len(rows), 1)
    hits = np.vecdot(u[a], u[b]) >= threshold

    def share(weights: np.ndarray) -> float:
        with np.errstate(invalid="ignore"):
            return float((weights * hits).sum() / weights.sum()) if weights.any() else math.nan

    low, high = people_interval(share, a, b, level=level, seed=seed, resamples=RESAMPLES)
    bound = error_bound(int(hits.sum()), len(hits), (1 + level) / 2)
    return Alike(float(hits.mean()), float(low), max(float(high), bound), len(hits))


def drifted(strangers: Strangers, alike: Alike) -> str:
    """Return what to say where strangers of a data set match more often than those of the calibration, "" otherwise."""
    _, _, high = strangers.rates(np.array([strangers.threshold]))
    if strangers.verifier is None or not alike.low > high[0]:
        return ""
    return (
        f"of pairs of two names {alike.value:.2%} reach the threshold ({alike.low:.2%} to {alike.high:.2%}), of those "
        f"calibrated on {high[0]:.2%} at most: strangers look more alike here, so nothing is called; calibrate on such people"
    )


def told(counts: Mapping[str, int]) -> str:
    """Return counts in words.

    >>> told({"no_face": 2, "too_small": 1})
    '2 no_face, 1 too_small'
    """
    return ", ".join(f"{n} {word}" for word, n in counts.items())
