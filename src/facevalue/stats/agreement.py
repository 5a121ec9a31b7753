"""Agreement of annotators: with each other, with themselves, and the best that a model blind to annotators can do.

An answer is compared only with answers to the same query. Answers are named by what was chosen (a face), never by where it
stood on the screen, for the same query may be shown in another order. Answers whose annotator is not known ("") are left
out: nobody can say whether they are another's or the same one's again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevalue.stats.calibration import check_level


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two answers to one query agree.

    Parameters
    ----------
    share
        Of the pairs of answers that agree, in [0, 1]; NaN of no pairs.
    pairs
        How many there are.
    """

    share: float
    pairs: int


@dataclass(frozen=True, slots=True)
class NoiseCeiling:
    """Between which accuracies the best model that is blind to annotators lies.

    Parameters
    ----------
    lower
        Accuracy of the plurality of the other annotators; NaN where no query was answered by two.
    upper
        Accuracy of the plurality of all, the judged answer among them.
    n
        Answers to queries that another annotator answered too.
    """

    lower: float
    upper: float
    n: int


def agreement(query: np.ndarray, answer: np.ndarray, annotator: np.ndarray) -> Agreement:
    """Return how often different annotators agree: `sum_q agreeing_q / sum_q pairs_q`, over pairs of answers to a query.

    Of a query with p_k the share of annotators who choose k, the expected share is `sum_k p_k^2`, without bias. A query
    weighs as much as it has pairs.

    Parameters
    ----------
    query : (t,)
        What was asked; equal where the same was asked.
    answer : (t,)
        What was chosen.
    annotator : (t,) str
        "" where it is not known.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        Arrays of several lengths, or NaN.

    References
    ----------
    Fleiss, Measuring nominal scale agreement among many raters, Psychological Bulletin 76, 1971, eq. 2 (of each query).

    Examples
    --------
    >>> agreement(np.array([7, 7, 7, 8]), np.array([1, 1, 2, 1]), np.array(["ann", "bo", "cy", "ann"]))
    Agreement(share=0.3333333333333333, pairs=3)
    """
    known = _Table.of(query, answer, annotator)
    everyone, own = _pairs(known.all), _pairs(known.own)
    return _share(everyone[0] - own[0], everyone[1] - own[1])


def agreement_interval(
    query: np.ndarray, answer: np.ndarray, annotator: np.ndarray, *, level: float, seed: int, resamples: int = 300
) -> tuple[float, float]:
    """Return the percentile interval of the agreement of annotators, by drawing them; a pair of answers weighs `w_r w_s`.

    Parameters
    ----------
    query, answer : (t,)
        What was asked, and what was chosen.
    annotator : (t,) str
        "" where it is not known; such answers make no pair.
    level
        In (0, 1).
    seed
        Of the draws.
    resamples
        How many.

    Returns
    -------
    low, high
        NaN where more than 5 % of the resamples have no pair of answers of different annotators to one query.

    References
    ----------
    Davezies, D'Haultfoeuille, Guyonvarch, Empirical process results for exchangeable arrays, Annals of Statistics 49, 2021.

    Examples
    --------
    >>> query, annotator = np.repeat(np.arange(50), 8), np.tile(np.arange(8), 50)
    >>> low, high = agreement_interval(query, (query + annotator % 2) % 2, annotator, level=0.9, seed=0)
    >>> bool(low < 3 / 7 < high)  # two camps of four, who always disagree
    True
    """
    check_level(level)
    rows = np.asarray(annotator) != ""
    asked, who, said = (np.unique(part[rows], return_inverse=True)[1] for part in (query, annotator, answer))
    k, n = int(said.max(initial=0)) + 1, int(who.max(initial=0)) + 1
    codes = (asked, asked * n + who, asked * k + said, (asked * n + who) * k + said)
    cells = [np.unique(code, return_inverse=True)[1] for code in codes]
    draw, found = np.random.default_rng(seed), np.full(resamples, np.nan)
    for i in range(resamples):
        weights = np.bincount(draw.integers(n, size=n), minlength=n)[who]
        every, own, same, own_same = ((np.bincount(cell, weights) ** 2).sum() for cell in cells)
        found[i] = (same - own_same) / (every - own) if every > own else np.nan
    if np.isnan(found).mean() > 0.05:
        return float("nan"), float("nan")
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def repeat_agreement(query: np.ndarray, answer: np.ndarray, annotator: np.ndarray) -> Agreement:
    """Return how often annotators agree with themselves, over pairs of answers of one annotator to one query.

    Parameters
    ----------
    query, answer, annotator
        As for `agreement`.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        Arrays of several lengths, or NaN.

    Examples
    --------
    >>> repeat_agreement(np.array([7, 7, 7, 8]), np.array([1, 1, 2, 1]), np.array(["ann", "ann", "bo", "ann"]))
    Agreement(share=1.0, pairs=1)
    """
    return _share(*_pairs(_Table.of(query, answer, annotator).own))


def rater_blind_bound(agreed: float, *, alternatives: int = 2) -> float:
    """Return an accuracy that no model blind to annotators exceeds: `1/k + sqrt((k - 1)/k (a - 1/k))`.

    Of two alternatives that is `.5 + .5 sqrt(2a - 1)`.

    The best blind model says of each query what most annotators say, and is right `max_k p_k` of the time. With
    `a = sum_k p_k^2` fixed, the largest p is largest where all others are equal, which gives the formula for one query; as it
    is concave in a, the mean over queries stays below its value at the mean of a. It is reached where all queries are
    equally hard. The agreement itself is a lower bound, for `max_k p_k >= sum_k p_k^2`.

    Parameters
    ----------
    agreed
        Share of pairs of answers by different annotators that agree, as `agreement` returns it, in [0, 1].
    alternatives
        k, out of how many an annotator chooses.

    Returns
    -------
    float
        In [1/k, 1]; NaN where the agreement is below 1/k, which is less than chance, or NaN.

    Raises
    ------
    ValueError
        A share outside [0, 1], or fewer than two alternatives.

    Examples
    --------
    >>> round(rater_blind_bound(0.6576), 4), round(rater_blind_bound(0.5, alternatives=3), 4), rater_blind_bound(0.4)
    (0.7807, 0.6667, nan)
    """
    if alternatives < 2 or agreed < 0 or agreed > 1:
        raise ValueError(f"expected a share in [0, 1] of 2 alternatives or more; got {agreed} of {alternatives}")
    chance = 1 / alternatives
    return float(chance + np.sqrt((1 - chance) * (agreed - chance))) if agreed >= chance else float("nan")


def plurality_hits(query: np.ndarray, answer: np.ndarray, annotator: np.ndarray) -> np.ndarray:
    """Return whether each answer is what most other annotators chose: 1, 0, or `1/m` where it shares the lead with m - 1 more.

    Parameters
    ----------
    query, answer, annotator
        As for `agreement`.

    Returns
    -------
    (t,) float64
        In [0, 1]; NaN where no other annotator answered that query, or the annotator is not known.

    Raises
    ------
    ValueError
        Arrays of several lengths, or NaN.

    Examples
    --------
    >>> plurality_hits(np.array([7, 7, 7, 8]), np.array([1, 1, 2, 1]), np.array(["ann", "bo", "cy", "ann"])).tolist()
    [0.5, 0.5, 0.0, nan]
    """
    known = _Table.of(query, answer, annotator)
    hits = np.full(len(np.asarray(query)), np.nan)
    hits[known.rows] = _lead(known.all[known.asked] - known.own)[known.group, known.place]
    return hits


def noise_ceiling(query: np.ndarray, answer: np.ndarray, annotator: np.ndarray) -> NoiseCeiling:
    """Return what the plurality of the others, and of all, gets right: the best blind model lies between, in expectation.

    The others' plurality cannot beat `max_k p_k`, so `lower` errs down. The plurality of all was chosen with the answer that
    it is judged by, so `upper` errs up; with few answers a query both are far off, and `rater_blind_bound` may be closer.

    Parameters
    ----------
    query, answer, annotator
        As for `agreement`.

    Returns
    -------
    NoiseCeiling

    Raises
    ------
    ValueError
        Arrays of several lengths, or NaN.

    References
    ----------
    Nili et al., A toolbox for representational similarity analysis, PLOS Computational Biology 10, 2014, "noise ceiling".

    Examples
    --------
    >>> noise_ceiling(np.array([7, 7, 7]), np.array([1, 1, 2]), np.array(["ann", "bo", "cy"]))
    NoiseCeiling(lower=0.3333333333333333, upper=0.6666666666666666, n=3)
    """
    known = _Table.of(query, answer, annotator)
    left_out = _lead(known.all[known.asked] - known.own)[known.group, known.place]
    judged = ~np.isnan(left_out)
    if not judged.any():
        return NoiseCeiling(float("nan"), float("nan"), 0)
    included = _lead(known.all)[known.asked[known.group], known.place]
    return NoiseCeiling(float(left_out[judged].mean()), float(included[judged].mean()), int(judged.sum()))


def answer_pairs(query: np.ndarray, annotator: np.ndarray, *, repeated: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of every two answers to one query, by different annotators or, `repeated`, by the same one.

    Parameters
    ----------
    query : (t,)
        What was asked.
    annotator : (t,) str
        "" where it is not known; such answers make no pair.

    Returns
    -------
    first, second : (p,) int
        The earlier row, and the later.

    Raises
    ------
    ValueError
        Arrays of several lengths, or NaN.

    Examples
    --------
    >>> first, second = answer_pairs(np.array([7, 8, 7, 7]), np.array(["ann", "bo", "cy", "ann"]))
    >>> list(zip(first.tolist(), second.tolist()))
    [(0, 2), (2, 3)]
    """
    rows, (asked, who) = _known(query, annotator)
    order = np.argsort(asked, kind="stable")
    sizes = np.bincount(asked) if len(asked) else np.empty(0, int)
    starts = np.cumsum(sizes) - sizes
    parts = [np.empty((2, 0), int)]
    for size in np.unique(sizes[sizes > 1]):
        places = starts[sizes == size][:, None]
        parts.append(np.stack([order[places + side].ravel() for side in np.triu_indices(size, 1)]))
    first, second = np.hstack(parts)
    kept = (who[first] == who[second]) == repeated
    ordered = np.lexsort((second[kept], first[kept]))
    return rows[first[kept][ordered]], rows[second[kept][ordered]]


@dataclass(frozen=True, slots=True)
class _Table:
    """How often each answer was given, by all and by each annotator.

    `all` is (q, k) and `own` (g, k), one row a query, or an annotator's queries; `asked` (g,) names the query of each of the
    latter. `rows` are the answers of known annotators, `group` and `place` their cells of `own`.
    """

    rows: np.ndarray
    all: np.ndarray
    own: np.ndarray
    asked: np.ndarray
    group: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, query: np.ndarray, answer: np.ndarray, annotator: np.ndarray) -> _Table:
        rows, (asked, who, chosen) = _known(query, annotator, answer)
        cells, cell = np.unique(np.stack([asked, chosen], 1), axis=0, return_inverse=True)
        place = (np.arange(len(cells)) - np.searchsorted(cells[:, 0], cells[:, 0]))[cell.reshape(-1)]
        groups, group = np.unique(np.stack([asked, who], 1), axis=0, return_inverse=True)
        k, n = int(place.max(initial=0)) + 1, int(asked.max(initial=-1)) + 1
        everyone = np.bincount(asked * k + place, minlength=n * k).reshape(n, k)
        own = np.bincount(group.reshape(-1) * k + place, minlength=len(groups) * k).reshape(len(groups), k)
        return cls(rows, everyone, own, groups[:, 0], group.reshape(-1), place)


def _known(query: np.ndarray, annotator: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the rows of known annotators, and the numbers of query, annotator and others there."""
    arrays = [np.asarray(array) for array in (query, annotator, *others)]
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 1:
        raise ValueError(f"expected flat arrays of one length, got {[array.shape for array in arrays]}")
    if any(array.dtype.kind == "f" and np.isnan(array).any() for array in arrays):
        raise ValueError("expected queries, answers and annotators without NaN")
    rows = np.flatnonzero(arrays[1] != "") if arrays[1].dtype.kind in "OU" else np.arange(len(arrays[1]))
    return rows, [_numbered(array[rows]) for array in arrays]


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return a number for each value, 0 for the first one; faster than sorting where values are words."""
    number: dict[object, int] = {}
    return np.fromiter((number.setdefault(value, len(number)) for value in values.tolist()), np.int64, len(values))


def _pairs(counts: np.ndarray) -> tuple[int, int]:
    """Return how many pairs of a row agree and how many there are, over all rows."""
    totals = counts.sum(1)
    return int((counts * (counts - 1)).sum()) // 2, int((totals * (totals - 1)).sum()) // 2


def _share(agreeing: int, pairs: int) -> Agreement:
    return Agreement(agreeing / pairs if pairs else float("nan"), pairs)


def _lead(counts: np.ndarray) -> np.ndarray:
    """Return 1/m where m answers of a row share the highest count, 0 elsewhere; NaN in rows without any."""
    highest = counts.max(1, keepdims=True)
    leading = counts == highest
    return np.where(highest > 0, leading / leading.sum(1, keepdims=True), np.nan)
