"""Annotators: how fast, how true to themselves, how like the others they answer, and whose answers look like guesses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.data.findings import Findings
from facevalue.data.judgments import repeated_rows
from facevalue.data.triplets import Triplets
from facevalue.stats.agreement import (
    agreement,
    agreement_interval,
    answer_pairs,
    noise_ceiling,
    plurality_hits,
    rater_blind_bound,
)
from facevalue.stats.binomial import binomial_tail, uniform_test
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.multiplicity import adjusted_p_values

FAST_MS = 300
FAST_SHARE = 0.1
RATE = 0.05
RESAMPLES = 1000
CHECK = "check"
P = "_p"
REASONS: Mapping[str, str] = {
    "fast": "fast",
    "check_accuracy": "check trials",
    "test_retest": "test-retest",
    "agreement_with_others": "agreement",
    "place": "position",
}


def annotators(
    answers: Triplets, *, level: float, seed: int, fast_ms: float = FAST_MS, rate: float = RATE, resamples: int = RESAMPLES
) -> Findings:
    """Return how good the answers of each annotator are, and of all together.

    Of each annotator: `answers`, `median_response_ms`, and with Wilson intervals the shares

    - `fast`: answers in less than `fast_ms`;
    - `check_accuracy`: of check trials, right where the trial offered its own reference, else alike the plurality of others;
    - `test_retest`: of pairs of their own answers to one query that agree;
    - `agreement_with_others`: of answers that are the plurality of the others' (ties count in part);
    - `place_<where>`: of answers at each place of the screen.

    Each has an exact test, whose p-value, adjusted over annotators (Benjamini, Hochberg), is the row `<share>_p`; at `rate` or
    below the annotator is `flagged`. Tested is for `fast`: more than a tenth; for the next three: less than half way between
    guessing and the median annotator, so that a row of honest but odd answers is not flagged; for the place: all places
    equally often. With thousands of answers the last finds habits too small to matter: read the shares beside it.

    Of all: counts of answers, annotators, faces, queries and `identical_rows`; the shares with bootstrap intervals over
    annotators; `agreement` of pairs of annotators with its bound for models blind to them, and the noise ceiling, these also
    for each purpose alone, for a few queries that everybody answered outweigh the rest in pairs. Check trials count in
    `answers`, `median_response_ms`, `fast` and `check_accuracy` alone. Of rankings the answer is the face that was put first.

    Parameters
    ----------
    answers
        Of one kind. Those of nobody ("") count only in the counts.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap.
    fast_ms
        Faster than any honest answer, ms.
    rate
        False discovery rate of the flags, in (0, 1).
    resamples
        Of the bootstrap.

    Returns
    -------
    Findings
        Study "annotators"; group "all", "purpose <purpose>", or the annotator.

    References
    ----------
    Wilson, JASA 22, 1927; Benjamini, Hochberg, JRSS B 57, 1995; bootstrap of pairs: Owen, Annals of Applied Statistics 1, 2007.
    """
    check_level(level)
    judged = _Judged.of(answers)
    shares = list(_shares(judged, fast_ms))
    about = {"study": "annotators", "run": f"judgments {answers.sha256()[:12]}, fast under {fast_ms:g} ms, seed {seed}"}
    rows = [*_counts(answers, judged)]
    for share in shares:
        rows += [_pooled(share, len(judged.names), level=level, seed=seed, resamples=resamples), *_each(share, judged, level)]
    rows += [*_together(judged, level=level, seed=seed, resamples=resamples), *_flags(shares, judged, rate)]
    return Findings.from_rows([about | row for row in rows])


def reasons(findings: Findings, *, rate: float = RATE) -> dict[str, tuple[str, ...]]:
    """Return why each annotator is flagged, in words; annotators who are not flagged are left out."""
    found = dict[str, tuple[str, ...]]()
    for measure, group, value in zip(findings.measure, findings.group, findings.value, strict=True):
        if measure.endswith(P) and value <= rate + 1e-12:
            found[group] = (*found.get(group, ()), REASONS[measure.removesuffix(P)])
    return found


@dataclass(frozen=True, slots=True)
class _Judged:
    """The answers whose annotators are known: `who` (t,) numbers them, `chosen` what they said, out of k."""

    answers: Triplets
    names: np.ndarray
    who: np.ndarray
    query: np.ndarray
    chosen: np.ndarray
    check: np.ndarray
    k: int

    @classmethod
    def of(cls, answers: Triplets) -> _Judged:
        known = answers[answers.annotator != ""]
        number = {name: i for i, name in enumerate(known.annotators)}
        who = np.array([number[name] for name in known.annotator], np.int64)
        chosen = known.items[:, 1] if known.kind == "ranking" else known.chosen
        k = 3 if known.kind == "odd_one_out" else known.items.shape[1] - 1
        check = known.columns.get("purpose", np.full(len(known), "", object)) == CHECK
        return cls(known, known.annotators, who, known.query, chosen, check, k)


@dataclass(frozen=True, slots=True)
class _Share:
    """Hits of trials, whose they are, and from which share on an annotator is suspect."""

    measure: str
    hits: np.ndarray
    who: np.ndarray
    above: bool | None
    suspect: float

    def sums(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return hits and trials of each of n annotators."""
        return np.bincount(self.who, self.hits, n), np.bincount(self.who, minlength=n)

    def p_values(self, n: int) -> np.ndarray:
        """Return how probable such a share is of an annotator who is just not suspect, (n,); NaN without trials."""
        hits, trials = self.sums(n)
        if self.above:
            given = [(int(t - math.floor(h)), int(t), 1 - self.suspect) for h, t in zip(hits, trials, strict=True)]
        else:
            given = [(math.ceil(h - 1e-9), int(t), self.suspect) for h, t in zip(hits, trials, strict=True)]
        return np.array([binomial_tail(*one) if one[1] else np.nan for one in given])


def _shares(judged: _Judged, fast_ms: float) -> Iterator[_Share]:
    known, who = judged.answers, judged.who
    if (times := known.columns.get("response_ms")) is not None:
        timed = ~np.isnan(times)
        yield _Share("fast", (times[timed] < fast_ms).astype(float), who[timed], True, FAST_SHARE)
    others = plurality_hits(judged.query, judged.chosen, who)
    if judged.check.any():
        right = np.where(known.self_referring, _kept(judged) == known.items[:, 0], others)
        yield _below("check_accuracy", right, judged, judged.check)
    first, second = (rows[~judged.check[rows]] for rows in answer_pairs(judged.query, who, repeated=True))
    same = (judged.chosen[first] == judged.chosen[second]).astype(float)
    yield _Share("test_retest", same, who[first], False, _half_way(same, who[first], judged))
    yield _below("agreement_with_others", others, judged, ~judged.check)
    places = _places(judged)
    for place in np.unique(places[places != ""].astype(str)):
        placed = places != ""
        yield _Share(f"place_{place}", (places[placed] == place).astype(float), who[placed], None, 1 / judged.k)


def _kept(judged: _Judged) -> np.ndarray:
    """Return the face that was chosen as most like the reference, (t,)."""
    items = judged.answers.items
    if judged.answers.kind != "anchor":
        return np.asarray(items[:, 1])
    return np.asarray(items[np.arange(len(items)), 3 - judged.answers.odd])


def _below(measure: str, hits: np.ndarray, judged: _Judged, rows: np.ndarray) -> _Share:
    told = rows & ~np.isnan(hits)
    return _Share(measure, hits[told], judged.who[told], False, _half_way(hits[told], judged.who[told], judged))


def _half_way(hits: np.ndarray, who: np.ndarray, judged: _Judged) -> float:
    """Return the middle between guessing and the median annotator's share."""
    n = np.bincount(who, minlength=len(judged.names))
    shares = np.bincount(who, hits, len(judged.names))[n > 0] / n[n > 0]
    return (1 / judged.k + float(np.median(shares))) / 2 if len(shares) else 1 / judged.k


def _places(judged: _Judged) -> np.ndarray:
    """Return where on the screen each answer stood, (t,) str; "" where it is not known, as when the odd one is always last."""
    known = judged.answers
    if "place" in known.columns:
        places = np.array([str(place) for place in known.columns["place"]], object)
    elif known.kind == "odd_one_out" and len(np.unique(known.odd)) > 1:
        places = np.array([str(place + 1) for place in known.odd], object)
    else:
        places = np.full(len(known), "", object)
    places[judged.check] = ""
    return places


def _row(measure: str, group: str, value: float, n: int, method: str, **interval: float) -> dict[str, Any]:
    ends = dict.fromkeys(("low", "high", "level"), np.nan) | interval
    return {"measure": measure, "group": group, "value": float(value), "n": int(n), "method": method} | ends


def _counts(answers: Triplets, judged: _Judged) -> Iterator[dict[str, Any]]:
    told = {
        "answers": len(answers),
        "answers_of_nobody": len(answers) - len(judged.who),
        "check_answers": judged.check.sum(),
        "annotators": len(judged.names),
        "faces": len(np.unique(answers.items)),
        "queries": len(np.unique(answers.query)),
        "identical_rows": repeated_rows(answers).sum(),
    }
    yield from (_row(name, "all", value, len(answers), "count") for name, value in told.items())
    for name, n in zip(judged.names, np.bincount(judged.who, minlength=len(judged.names)), strict=True):
        yield _row("answers", name, n, n, "count")
    if (times := judged.answers.columns.get("response_ms")) is None:
        return
    timed = ~np.isnan(times)
    whose, times = judged.who[timed], times[timed]
    ends = np.cumsum(np.bincount(whose, minlength=len(judged.names)))
    parts = [times, *np.split(times[np.argsort(whose, kind="stable")], ends)[: len(judged.names)]]
    for name, part in zip(("all", *judged.names), parts, strict=True):
        yield _row("median_response_ms", name, np.median(part) if len(part) else np.nan, len(part), "median")


def _pooled(share: _Share, n: int, *, level: float, seed: int, resamples: int) -> dict[str, Any]:
    """Return the share of all, with an interval of a bootstrap over annotators."""
    hits, trials = share.sums(n)
    hits, trials = hits[trials > 0], trials[trials > 0]
    if not len(trials):
        return _row(share.measure, "all", np.nan, 0, "no trials")
    value, method = hits.sum() / trials.sum(), "bootstrap over annotators"
    if len(trials) < 2:
        return _row(share.measure, "all", value, trials.sum(), "one annotator")
    low, high = bootstrap_interval(lambda h, t: h.sum() / t.sum(), hits, trials, level=level, seed=seed, resamples=resamples)
    return _row(share.measure, "all", value, trials.sum(), method, low=float(low), high=float(high), level=level)


def _each(share: _Share, judged: _Judged, level: float) -> Iterator[dict[str, Any]]:
    hits, trials = share.sums(len(judged.names))
    low, high = wilson_interval(hits, trials, level=level)
    for i, name in enumerate(judged.names):
        if trials[i]:
            ends = {"low": float(low[i]), "high": float(high[i]), "level": level}
            yield _row(share.measure, name, hits[i] / trials[i], trials[i], "wilson", **ends)


def _together(judged: _Judged, *, level: float, seed: int, resamples: int) -> Iterator[dict[str, Any]]:
    """Yield how often annotators agree, the bound for models blind to them, the noise ceiling: of all, and by purpose."""
    purposes = judged.answers.columns.get("purpose", np.full(len(judged.who), "", object))
    told = sorted(set(purposes) - {"", CHECK})
    groups = {"all": ~judged.check} | {f"purpose {one}": purposes == one for one in told if len(told) > 1}
    for group, rows in groups.items():
        arrays = judged.query[rows], judged.chosen[rows], judged.who[rows]
        agreed, ceiling = agreement(*arrays), noise_ceiling(*arrays)
        method, ends = "pairs of annotators", dict[str, float]()
        if agreed.pairs:
            low, high = agreement_interval(*arrays, level=level, seed=seed, resamples=resamples)
            method, ends = "bootstrap over annotators", {"low": low, "high": high}
        bounds = {name: rater_blind_bound(max(end, 1 / judged.k), alternatives=judged.k) for name, end in ends.items()}
        bound = rater_blind_bound(agreed.share, alternatives=judged.k)
        at = {"level": level} if ends else {}
        yield _row("agreement", group, agreed.share, agreed.pairs, method, **ends, **at)
        yield _row("rater_blind_bound", group, bound, agreed.pairs, method, **bounds, **at)
        yield _row("noise_ceiling_low", group, ceiling.lower, ceiling.n, "plurality of the others")
        yield _row("noise_ceiling_high", group, ceiling.upper, ceiling.n, "plurality of all")


def _flags(shares: list[_Share], judged: _Judged, rate: float) -> Iterator[dict[str, Any]]:
    """Yield the adjusted p-value of each test of each annotator, and who is flagged by any."""
    n, flagged = len(judged.names), np.zeros(len(judged.names), bool)
    tests = {share.measure: (share.p_values(n), share.sums(n)[1]) for share in shares if share.above is not None}
    if placed := [share for share in shares if share.above is None]:
        counts = np.zeros((n, max(judged.k, len(placed))), np.int64)
        counts[:, : len(placed)] = np.stack([share.sums(n)[0] for share in placed], 1)
        tests["place"] = (np.array([uniform_test(row) for row in counts]), counts.sum(1))
    for measure, (p, trials) in tests.items():
        adjusted = adjusted_p_values(p)
        flagged |= adjusted <= rate + 1e-12
        for name, value, m in zip(judged.names, adjusted, trials, strict=True):
            if m:
                yield _row(f"{measure}{P}", name, value, m, "binomial, benjamini-hochberg")
    for name, is_flagged in zip(judged.names, flagged, strict=True):
        yield _row("flagged", name, is_flagged, len(tests), "tests")
    yield _row("flagged", "all", flagged.sum(), n, "count")
