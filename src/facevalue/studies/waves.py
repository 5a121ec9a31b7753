"""Two waves of a network: whether people resembled each other before they were tied, or came to do so after.

Selection is judged among pairs that had no tie at the first wave, so that the resemblance seen there came before the tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from facevalue.data.errors import WrongShape
from facevalue.data.findings import Findings, concatenate
from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.calibration import check_level
from facevalue.stats.dyadic import dyadic_interval, person_jackknife
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.error_correction import Kind
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.predictors import INTERCEPT
from facevalue.studies.controls import holds_similarity
from facevalue.studies.dimensions import tabled
from facevalue.studies.tie_models import Model, Procedure, corrected, fitted, with_controls

STUDY = "waves"
FEWEST = 10
QUESTIONS = {"friendship begins": (0, 1), "enmity begins": (0, -1), "friendship lasts": (1, 1), "enmity lasts": (-1, -1)}
CONVERGENCE = "faces converge"


@dataclass(frozen=True, slots=True)
class _Words:
    """What is compared: a measure, groups of pairs, and which of them."""

    measure: str
    groups: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]


AT_FIRST = _Words(
    "similarity",
    ("become friends", "become enemies", "stay apart", "friends already", "enemies already"),
    (("become friends", "stay apart"), ("become enemies", "stay apart"), ("become friends", "friends already")),
)
SINCE = _Words(
    "change",
    ("friends before", "enemies before", "no tie before"),
    (("friends before", "no tie before"), ("enemies before", "no tie before")),
)


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """Two waves of signs among the same people, by block, and how alike their faces are.

    Parameters
    ----------
    first, second
        Signs of each block, (n, n): 1 friends, -1 enemies, 0 neither, NaN not known. The order of people is the same in all.
    similarity
        On photos of the first wave, (n, n); NaN where one of two has no face.
    later
        On photos of the second; None where there are none. Those of the first again would show no change where there is one.
    controls : (n, n, p) each
        At the first wave; None where there are none.
    names
        Of the p controls.
    errors
        What each person's face brings into the similarity of the first wave; None where it is not known.

    Raises
    ------
    WrongShape
        When blocks differ in number or size, or the names are not as many as the controls.
    """

    first: Sequence[np.ndarray]
    second: Sequence[np.ndarray]
    similarity: Sequence[np.ndarray]
    later: Sequence[np.ndarray] | None = None
    controls: Sequence[np.ndarray] | None = None
    names: tuple[str, ...] = ()
    errors: PersonErrors | None = None

    def __post_init__(self) -> None:
        sizes = [(len(block), len(block)) for block in self.first]
        for name in ("first", "second", "similarity", "later"):
            got = None if (blocks := getattr(self, name)) is None else [np.shape(block) for block in blocks]
            if got is not None and got != sizes:
                raise WrongShape(f"Waves: {name} has blocks of {got}, expected {sizes} as the first wave has people")
        if self.controls is None and not self.names:
            return
        wide = [(*size, len(self.names)) for size in sizes]
        if (got := [np.shape(block) for block in self.controls or ()]) != wide:
            raise WrongShape(f"Waves: controls have blocks of {got}, expected {wide} as there are people and names")

    @property
    def directed(self) -> bool:
        """Whether signs or controls differ between (i, j) and (j, i)."""
        parts = (*self.first, *self.second, *(self.controls or ()))
        return any(not np.allclose(part, np.swapaxes(part, 0, 1), equal_nan=True) for part in map(np.asarray, parts))

    def beside(self, block: int, *predictors: np.ndarray) -> np.ndarray:
        """Return predictors of a block with the controls after them, (n, n, q)."""
        own = np.stack([np.asarray(predictor, np.float64) for predictor in predictors], axis=2)
        return own if self.controls is None else np.concatenate([own, self.controls[block]], axis=2)


def risk_sets(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Mapping[str, list[np.ndarray]]:
    """Return the outcome of each of `QUESTIONS`, by block: 1 where it came about, 0 where it could have, NaN elsewhere.

    "friendship begins" and "enmity begins" are asked of pairs that had no tie, "friendship lasts" of friends, "enmity lasts"
    of enemies. Whose tie is not known at one of the waves is NaN.

    Parameters
    ----------
    first, second
        As in `Waves`.

    Examples
    --------
    >>> before, after = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]), np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    >>> risk_sets([before], [after])["friendship begins"][0]
    array([[nan,  1., nan],
           [ 1., nan,  0.],
           [nan,  0., nan]])
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in QUESTIONS}
    for one, other in zip(first, second, strict=True):
        before, after = np.array(one, np.float64), np.array(other, np.float64)
        np.fill_diagonal(before, np.nan)
        for name, (start, end) in QUESTIONS.items():
            at_risk = (before == start) & np.isfinite(after)
            found[name].append(np.where(at_risk, after == end, np.nan))
    return found


def questions(waves: Waves) -> dict[str, list[Dyads]]:
    """Return the dyads of each regression: those of `risk_sets` on similarity and controls, and the change of faces.

    "faces converge", only where there are photos of both waves, has the change of similarity as outcome, and whether a pair
    was friends, and enemies, at the first wave before the controls, each where there were any. What similarity was before is
    no predictor there: its error would pass for regression to the mean, and friends, more alike to begin with, for diverging
    less.
    """
    outcomes = risk_sets(waves.first, waves.second)
    asked = {
        name: [Dyads(y, waves.beside(i, alike)) for i, (y, alike) in enumerate(zip(blocks, waves.similarity, strict=True))]
        for name, blocks in outcomes.items()
    }
    if waves.later is not None:
        asked[CONVERGENCE] = [
            Dyads(np.subtract(after, before), waves.beside(i, *(_is(signs, sign) for sign in _kinds(waves).values())))
            for i, (signs, before, after) in enumerate(zip(waves.first, waves.similarity, waves.later, strict=True))
        ]
    return asked


def predictor_names(waves: Waves, question: str) -> tuple[str, ...]:
    """Return the names of the predictors of a question."""
    return (tuple(_kinds(waves)) if question == CONVERGENCE else ("similarity",)) + waves.names


def wave_models(waves: Waves, *, by: Procedure, kind: Kind = "logistic") -> tuple[list[Model], list[str]]:
    """Return a regression a question, and notes on what is left out, and why.

    Interactions with similarity have no part.

    Parameters
    ----------
    waves
        n people a block.
    by
        How the regressions are tested; directed as the waves are.
    kind
        Of the regressions of ties; that of the change of faces is linear.

    Returns
    -------
    models
        "friendship begins", "enmity begins", "friendship lasts", "enmity lasts", "faces converge".
    notes
        Too few pairs of one kind, or what the regression could not do with the data; controls that it does without.
    """
    models, by = list[Model](), replace(by, directed=waves.directed)
    terms = [term for term in waves.names if not holds_similarity(term)]
    notes = [f"{term}: left out of the regressions of two waves." for term in waves.names if term not in terms]
    asked = questions(waves)
    for (name, blocks), own in zip(asked.items(), by.steps(len(asked)), strict=True):
        own_kind: Kind = "linear" if name == CONVERGENCE else kind
        try:
            _enough(name, blocks, directed=by.directed)
            fit = partial(_wave_model, waves, blocks, name=name, kind=own_kind, by=own)
            model, told = with_controls(terms, fit, name=name)
        except ValueError as error:
            notes.append(f"No regression of {name}: {error}.")
        else:
            models, notes = [*models, model], [*notes, *told]
    return models, notes


def _wave_model(waves: Waves, blocks: Sequence[Dyads], *, terms: Sequence[str], name: str, kind: Kind, by: Procedure) -> Model:
    """Return the regression of one question with some of the controls."""
    names = predictor_names(waves, name)
    kept = [k for k, one in enumerate(names) if one not in waves.names or one in terms]
    blocks = [replace(block, predictors=block.predictors[..., kept]) for block in blocks]
    outcome = "change of similarity, second wave less first" if name == CONVERGENCE else f"{name} between the waves"
    model = fitted(blocks, [names[k] for k in kept], name=name, kind=kind, outcome=outcome, by=by)
    return corrected(model, blocks, waves.errors, by=by) if waves.errors and name != CONVERGENCE else model


def resemblance(waves: Waves, *, level: float) -> Findings:
    """Return how alike people were at the first wave by what became of them, and how that changed.

    "pairs" of a question is how many could, "came about" how many did. "similarity" at the first wave is of the groups "become
    friends", "become enemies", "stay apart" (of those without a tie), "friends already" and "enemies already"; "difference" of
    two groups, as "become friends - stay apart", is within blocks. With photos of both waves also "change" of "friends
    before", "enemies before" and "no tie before", and its "difference". Groups without pairs have no row; "no face" counts
    the pairs of a group of which one has no face. Where waves are directed (i, j) and (j, i) are two pairs.

    Parameters
    ----------
    waves
        n people a block.
    level
        Of the intervals, in (0, 1): people are left out one by one, see `person_jackknife`.

    Raises
    ------
    ValueError
        A level outside (0, 1).

    Examples
    --------
    >>> draw, n = np.random.default_rng(0), 30
    >>> before, after, noise = (np.triu(draw.integers(0, 2, size=(n, n)), 1) for _ in range(3))
    >>> before, after, noise = (part + part.T for part in (before, after, noise))
    >>> found = resemblance(Waves([before], [after], [after + noise]), level=0.9)
    >>> told = found[found.group == "become friends - stay apart"]
    >>> bool(told.low[0] < 1 < told.high[0]), told.n
    (True, array([199]))
    """
    check_level(level)
    status, tied = zip(*(_groups(*both) for both in zip(waves.first, waves.second, strict=True)), strict=True)
    first = [np.asarray(alike, np.float64) for alike in waves.similarity]
    known: dict[str, Any] = {"level": level, "directed": waves.directed}
    parts = [_counted(waves, directed=waves.directed)]
    parts.append(_compared(first, status, AT_FIRST, **known))
    if waves.later is not None:
        change = [np.subtract(after, before) for before, after in zip(first, waves.later, strict=True)]
        parts.append(_compared(change, tied, SINCE, **known))
    return concatenate(parts)


def _kinds(waves: Waves) -> dict[str, int]:
    """Return the kinds of ties that there were at the first wave, and their signs."""
    return {name: sign for name, sign in (("friend", 1), ("enemy", -1)) if any(np.equal(b, sign).any() for b in waves.first)}


def _is(signs: np.ndarray, sign: int) -> np.ndarray:
    """Return 1 where pairs have a sign, 0 where they have another, NaN where it is not known."""
    return np.where(np.isfinite(np.asarray(signs, np.float64)), np.equal(signs, sign), np.nan)


def _enough(name: str, blocks: Sequence[Dyads], *, directed: bool) -> None:
    """Raise where so few pairs can answer a question that a regression is of no use."""
    outcome = np.concatenate([block.outcome[block.known] for block in blocks])
    pairs = len(outcome) if directed else len(outcome) // 2
    if name == CONVERGENCE:
        if pairs < FEWEST:
            raise ValueError(f"expected {FEWEST} pairs with a face at both waves or more, got {pairs}")
        return
    came = round(outcome.sum() if directed else outcome.sum() / 2)
    if min(came, pairs - came) < FEWEST:
        told = f"it came about for {came} of {pairs}"
        raise ValueError(f"expected {FEWEST} pairs or more for which it came about, and for which not; {told}")


def _groups(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each pair's group of `AT_FIRST` and of `SINCE`, NaN where not known."""
    before, after = np.asarray(first, np.float64), np.asarray(second, np.float64)
    apart = before == 0
    status = [apart & (after == 1), apart & (after == -1), apart & (after == 0), before == 1, before == -1]
    return np.select(status, np.arange(5.0), np.nan), np.select([before == 1, before == -1, apart], np.arange(3.0), np.nan)


def _counted(waves: Waves, *, directed: bool) -> Findings:
    """Return how many pairs each question is asked of, and of how many it came about."""
    parts = []
    for name, outcomes in risk_sets(waves.first, waves.second).items():
        y = np.concatenate([y[np.isfinite(y)] for y in outcomes])
        counts = np.array([len(y), y.sum()]) / (1 if directed else 2)
        measure = np.array(["pairs", "came about"], object)
        parts.append(tabled(STUDY, measure=measure, group=name, value=counts, n=int(counts[0]), method="count"))
    return concatenate(parts)


def _compared(
    values: Sequence[np.ndarray], groups: Sequence[np.ndarray], words: _Words, *, level: float, directed: bool
) -> Findings:
    """Return the mean of values in each group of pairs, and the differences of groups within blocks."""
    names, times = words.groups, 1 if directed else 2
    faceless = [g[np.isfinite(g) & ~np.isfinite(v) & ~np.eye(len(g), dtype=bool)] for v, g in zip(values, groups, strict=True)]
    missing = np.bincount(np.concatenate(faceless).astype(int), minlength=len(names)) / times
    found = cells([Dyads(v, g[..., None]) for v, g in zip(values, groups, strict=True)], directed=directed)
    group = found.predictors[:, 0].astype(int)
    counts = np.bincount(group, minlength=len(names))
    total = (counts + missing).round().astype(int)
    there = np.flatnonzero(total)
    labels = np.array(names, object)[there]
    parts = [tabled(STUDY, measure="no face", group=labels, value=missing[there], n=total[there], method="count")]
    for k in np.flatnonzero(counts):
        alone = replace(_rows(found, group == k), predictors=np.empty((counts[k], 0)))
        parts.append(_estimate(alone, measure=words.measure, group=names[k], level=level))
    for one, other in words.contrasts:
        a, b = names.index(one), names.index(other)
        if counts[a] and counts[b]:
            rows = _rows(replace(found, predictors=(group == a)[:, None].astype(float)), (group == a) | (group == b))
            parts.append(_estimate(rows, measure="difference", group=f"{one} - {other}", level=level))
    return concatenate(parts)


def _rows(found: Cells, kept: np.ndarray) -> Cells:
    return Cells(*(getattr(found, name)[kept] for name in ("outcome", "predictors", "weights", "ego", "alter", "block")))


@dataclass(frozen=True, slots=True)
class _Mean:
    """The mean of m cells, as a fit."""

    names: tuple[str, ...]
    design: np.ndarray
    residuals: np.ndarray
    working_weights: np.ndarray
    bread: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def of(cls, found: Cells) -> _Mean:
        m, mean = len(found), found.outcome.mean()
        return cls((INTERCEPT,), np.ones((m, 1)), found.outcome - mean, np.ones(m), np.array([[1 / m]]), np.array([mean]))


def _estimate(found: Cells, *, measure: str, group: str, level: float) -> Findings:
    """Return the mean of cells, or with a predictor of two groups their difference within blocks."""
    row: dict[str, Any] = {"measure": measure, "group": group, "n": len(found)}
    try:
        fit = linear_fit(found, block_intercepts=True) if found.predictors.shape[1] else _Mean.of(found)
    except ValueError as error:
        return tabled(STUDY, value=np.nan, method=f"none: {error}", **row)
    jackknife = person_jackknife(fit, found)
    low, high = dyadic_interval(fit.coefficients, jackknife.se, people=jackknife.people, level=level)
    told = np.where(np.isfinite(low), level, np.nan)
    return tabled(STUDY, value=fit.coefficients, low=low, high=high, level=told, method="jackknife of people", **row)
