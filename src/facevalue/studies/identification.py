"""Open-set identification: how often somebody who is not in a gallery would be taken for somebody who is.

Each search takes a face of a named person and looks for it among the faces of all other named people, as if that person
had never been in the gallery: whatever it finds is wrong. One face a person is searched, so that searches are independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.data.findings import Findings
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.search import nearest, rows

LEAST_SEARCHES = 1000
# Rule of 30: a rate is measured to within about a third at 90 % once 30 errors are expected.
ERRORS = 30
RANKS = (1, 5)


@dataclass(frozen=True, slots=True)
class OpenSet:
    """What searches of a gallery for people in it, and for people taken out of it, found.

    Parameters
    ----------
    others : (s,) float32
        Best cosine to any other person, rising; one a person.
    own : (t,) float32
        Best cosine to another photo of the same person, of the t searched people who have one.
    rank : (t,) int64
        1 + how many faces of other people come before it; `beyond` where that is further down than was looked.
    beyond
        One rank more than was looked at.
    level
        Nominal coverage of the intervals.
    """

    others: np.ndarray
    own: np.ndarray
    rank: np.ndarray
    beyond: int
    level: float

    def fpir(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the share of searches for absent people that find a face at this score or above, and its interval.

        FPIR(s) = #{best cosine to another person >= s} / searches.

        Parameters
        ----------
        score : (...) float
            Cosines.

        Returns
        -------
        value, low, high : (...) float64
            NaN where nothing was searched, or the score is NaN.

        References
        ----------
        Interval: Wilson, JASA 22, 1927. FPIR: ISO/IEC 19795-1:2021, open-set identification.

        Examples
        --------
        >>> OpenSet(np.array([0.1, 0.2, 0.3, 0.9], "f"), np.empty(0), np.empty(0), 6, 0.9).fpir(np.array([0.3, 0.95]))[0]
        array([0.5, 0. ])
        """
        score, n = np.asarray(score, np.float32), len(self.others)
        if not n:
            return (np.full(score.shape, np.nan),) * 3
        hits = n - np.searchsorted(self.others, score)
        table = np.stack([hits / n, *wilson_interval(hits, np.full(score.shape, n), level=self.level)])
        value, low, high = np.where(np.isnan(score), np.nan, table)
        return value, low, high

    def threshold(self, fpir: float) -> float:
        """Return the least cosine at which no more than this share of searches find a face; NaN with too few searches.

        Examples
        --------
        >>> scores = np.arange(100, dtype="f") / 100
        >>> cut = OpenSet(scores, np.empty(0), np.empty(0), 6, 0.9).threshold(0.5)
        >>> round(cut, 4), float((scores >= cut).mean())
        (0.49, 0.5)
        """
        if len(self.others) < searches_needed(fpir):
            return math.nan
        allowed = int(fpir * len(self.others) + 1e-9)
        return float(np.nextafter(self.others[-1 - allowed], np.inf, dtype=self.others.dtype))


def searches_needed(fpir: float) -> int:
    """Return how many searches a false positive rate of this size needs: 30 / FPIR.

    Raises
    ------
    ValueError
        When the rate is not in (0, 1).

    References
    ----------
    Doddington, Przybocki, Martin, Reynolds, The NIST speaker recognition evaluation, Speech Communication 31, 2000: the
    rule of 30.

    Examples
    --------
    >>> searches_needed(0.01)
    3000
    """
    if not 0 < fpir < 1:
        raise ValueError(f"expected a false positive rate in (0, 1), got {fpir}")
    return math.ceil(ERRORS / fpir - 1e-9)


def search_for_absent(
    gallery: np.ndarray | Sequence[np.ndarray], people: np.ndarray, *, level: float, seed: int, most: int = LEAST_SEARCHES
) -> OpenSet:
    """Search a gallery for one face of each of its people, first without all faces of that person, then with the others.

    Parameters
    ----------
    gallery : (m, d) float32, or pieces of it
        Embeddings of length 1.
    people : (m,) str
        Whose each is; "" where nobody knows: such a face is neither searched for nor found.
    level
        Of the intervals, in (0, 1).
    seed
        Of the people drawn, and of the face of each.
    most
        At most so many people are drawn.

    Raises
    ------
    ValueError
        As many names as rows were expected; or the gallery is not of unit float32.

    Examples
    --------
    >>> gallery = np.array([[1, 0], [0.8, 0.6], [0, 1]], "f")
    >>> found = search_for_absent(gallery, np.array(["anna", "anna", "ben"]), level=0.9, seed=1)
    >>> found.others, found.own, found.rank
    (array([0. , 0.6], dtype=float32), array([0.8], dtype=float32), array([1]))
    """
    check_level(level)
    pieces = [gallery] if isinstance(gallery, np.ndarray) else list(gallery)
    names, labels = np.unique(np.asarray(people, str), return_inverse=True)
    labels = np.where(names[labels] == "", -1, labels)
    k = min(max(RANKS), len(labels))
    probes = _one_each(labels, most, np.random.default_rng(seed))
    if not len(probes):
        return OpenSet(np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0, np.int64), k + 1, level)
    queries = rows(pieces, probes)
    found = nearest(queries, pieces, k=k, labels=(labels[probes], labels)).similarity
    own = _best_own(queries, pieces, probes, labels)
    mated, some = np.isfinite(own), np.isfinite(found[:, 0])
    rank = 1 + (found[mated] > own[mated, None]).sum(1)
    return OpenSet(np.sort(found[some, 0]), own[mated], rank, k + 1, level)


def identification(
    gallery: np.ndarray | Sequence[np.ndarray], people: np.ndarray, *, fpir: float, level: float, seed: int, run: str = ""
) -> Findings:
    """Return how a gallery identifies: the threshold for a rate of false positives, that rate, and what it misses.

    FPIR(t) = searches for absent people that find anybody at t or above / all such searches. FNIR(t, R) = searches for
    people with another photo in the gallery that do not find it at t or above among the first R / all such searches.

    Parameters
    ----------
    gallery : (m, d) float32, or pieces of it
        Embeddings of length 1.
    people : (m,) str
        Whose each is; "" where nobody knows.
    fpir
        Wanted rate, in (0, 1); with fewer than 30 / fpir people the threshold is NaN and its method says how many it needs.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draws.
    run
        For the findings: what made the embeddings.

    Returns
    -------
    Findings
        people, threshold, fpir, fnir by rank, found_at_rank by rank.

    References
    ----------
    ISO/IEC 19795-1:2021; Grother, Ngan, Hanaoka, FRVT part 2: identification, NISTIR 8271, section 3.

    Examples
    --------
    >>> gallery = np.array([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]], "f")
    >>> found = identification(gallery, np.array(["anna", "anna", "ben", "ben"]), fpir=0.01, level=0.9, seed=0)
    >>> found.measure[1], found.method[1], int(found.n[1])
    ('threshold', 'insufficient: needs 3000 people', 2)
    """
    needed = searches_needed(fpir)
    found = search_for_absent(gallery, people, level=level, seed=seed, most=max(LEAST_SEARCHES, needed))
    return findings(found, fpir=fpir, run=f"{run}, seed {seed}" if run else f"seed {seed}")


def findings(found: OpenSet, *, fpir: float, run: str) -> Findings:
    """Return the rows of `identification`, of searches already made."""
    searches, mated = len(found.others), len(found.own)
    cut = found.threshold(fpir)
    short = "" if np.isfinite(cut) else f"insufficient: needs {searches_needed(fpir)} people"
    wanted = f"FPIR {fpir:g}"
    table: list[tuple[str, str, float, float, float, int, str]] = [
        ("people", "searched", searches, np.nan, np.nan, searches, "count"),
        ("threshold", wanted, cut, np.nan, np.nan, searches, short or "order statistic"),
        ("fpir", wanted, *_at(found, cut), searches, short or "wilson"),
    ]
    for rank in (r for r in RANKS if r < found.beyond):
        missed = (found.rank > rank) | (found.own < cut)
        share = (np.nan,) * 3 if short else _share(missed, found.level)
        table.append(("fnir", f"{wanted}, rank {rank}", *share, mated, short or "wilson"))
        table.append(("found_at_rank", f"rank {rank}", *_share(found.rank <= rank, found.level), mated, "wilson"))
    names = ("measure", "group", "value", "low", "high", "n", "method")
    shared = {"study": "identification", "run": run}
    levels = (found.level if np.isfinite(low) else np.nan for _, _, _, low, *_ in table)
    every = [{**shared, **dict(zip(names, row, strict=True)), "level": at} for row, at in zip(table, levels, strict=True)]
    return Findings.from_rows(every)


def _one_each(labels: np.ndarray, most: int, draw: np.random.Generator) -> np.ndarray:
    """Return the row of one face, drawn at random, of each of at most so many people."""
    order = draw.permutation(len(labels))
    known, first = np.unique(labels[order], return_index=True)
    first = first[known >= 0]
    drawn = draw.permutation(len(first))[:most]
    return np.sort(order[first[drawn]])


def _best_own(queries: np.ndarray, pieces: Sequence[np.ndarray], probes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the best cosine of each probe and another row of its person, NaN where there is none."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.stack([labels[probes], labels[probes] + 1]))
    best = np.full(len(probes), np.nan, np.float32)
    for i, (start, stop) in enumerate(ends.T):
        own = order[start:stop][order[start:stop] != probes[i]]
        if len(own):
            best[i] = (rows(pieces, own) @ queries[i]).max()
    return best


def _at(found: OpenSet, cut: float) -> tuple[float, float, float]:
    value, low, high = found.fpir(np.array(cut))
    return float(value), float(low), float(high)


def _share(hits: np.ndarray, level: float) -> tuple[float, float, float]:
    if not len(hits):
        return (np.nan,) * 3
    low, high = wilson_interval(int(hits.sum()), len(hits), level=level)
    return float(hits.mean()), float(low), float(high)
