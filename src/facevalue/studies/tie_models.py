"""Regressions over pairs of people: what is fitted, and what is kept of each fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, cast

import numpy as np

from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.dyadic import dyadic_interval, dyadic_robust, person_jackknife
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.error_correction import Kind, corrected_fit
from facevalue.stats.mrqap import Mrqap, mrqap
from facevalue.stats.mrqap_logistic import MrqapLogistic, mrqap_logistic
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.network_logistic import LogisticFit, logistic_fit
from facevalue.stats.predictors import INTERCEPT, Unusable
from facevalue.stats.simex import simex
from facevalue.studies.controls import SIMILARITY, holds_similarity

P = ("p_less", "p_greater", "p", "p_error")
NEGATIVE = "the robust variance came out negative"
SIMEX_DRAWS, MANY = (20, 5), 200_000
ON_ONE = "the coefficient cannot be had without one of the people: no interval"


@dataclass(frozen=True, slots=True)
class Corrected:
    """A coefficient without what the error of the faces' similarity takes from it, or adds.

    Parameters
    ----------
    value, low, high
        By regression calibration, with an interval that carries the doubt about the reliability too.
    simex
        The same by simulation and extrapolation; NaN where that was not run.
    """

    value: float
    low: float
    high: float
    simex: float


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient of a model.

    Parameters
    ----------
    name
        "friend", "similarity", "same:sex", "absdiff:age", "same:sex*same:ethnicity", "(intercept)".
    value, model_se
        The estimate, and the standard error that takes dyads as independent: the statistic is their ratio.
    robust_se
        Dyadic-cluster-robust, without a correction for few people; NaN where the variance came out negative.
    low, high
        By leaving people out: see `facevalue.stats.dyadic.person_jackknife`. NaN where the coefficient rests on one person.
    statistic
        t of a linear model, z of a logistic one.
    p_less, p_greater, p, p_error
        Shares of permutations with a statistic at most, at least, and in size at least as large, `(1 + k) / (1 + r)`; and the
        Monte-Carlo standard error of the last. NaN where nothing was permuted.
    permutations
        How many stand behind the p-values.
    note
        "" or what is to be said, in words.
    corrected
        None where the similarity's error is not known, or plays no part.
    """

    name: str
    value: float
    model_se: float
    robust_se: float
    low: float
    high: float
    statistic: float
    p_less: float = float("nan")
    p_greater: float = float("nan")
    p: float = float("nan")
    p_error: float = float("nan")
    permutations: int = 0
    note: str = ""
    corrected: Corrected | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted regression over dyads.

    Parameters
    ----------
    name
        "similarity", "friend", "enemy", "friend rather than enemy".
    kind
        "linear" or "logistic".
    outcome
        In words: "similarity of two faces (cosine of dlib_resnet)".
    terms
        In order; the intercept first where there is one.
    dyads, people, blocks
        That count in it.
    fit
        What R prints of a fit, by name: rse, df, r_squared, adjusted_r_squared, f, f_p; or null_deviance, deviance, df,
        chi_squared, chi_squared_p, aic, bic, pseudo_r_squared, pseudo_r_squared_mcfadden, fraction_correct, base_rate.
    null : by term
        Statistics under permutation, (r,) each.
    level
        Of the intervals.
    method
        How labels were permuted: "dsp" or "y".
    """

    name: str
    kind: str
    outcome: str
    terms: tuple[Term, ...]
    dyads: int
    people: int
    blocks: int
    fit: Mapping[str, float]
    null: Mapping[str, np.ndarray] = field(default_factory=dict)
    level: float = 0.9
    method: str = "dsp"


@dataclass(frozen=True, slots=True)
class Procedure:
    """How regressions over dyads are tested.

    Parameters
    ----------
    directed
        Whether (i, j) may differ from (j, i).
    permutations, seed, method, stop
        See `facevalue.stats.mrqap.mrqap`.
    level
        Of the intervals, in (0, 1).
    block_intercepts
        Whether each block has a constant of its own.
    over
        The `map` of a pool of processes, for blocks of linear regressions.
    progress
        Called with permutations done and in all.
    """

    directed: bool
    permutations: int
    seed: int
    level: float
    method: str = "dsp"
    block_intercepts: bool = False
    stop: int | None = None
    over: Callable[..., Iterable[Any]] = map
    progress: Callable[[int, int], None] = lambda done, total: None

    def steps(self, count: int) -> Iterator[Procedure]:
        """Give a procedure for each of so many regressions, whose progress is that of all."""

        def progress(done: int, total: int, step: int) -> None:
            self.progress(step * total + done, count * total)

        for step in range(count):
            yield replace(self, progress=partial(progress, step=step))

    def tested(
        self, blocks: Sequence[Dyads], names: Sequence[str], *, kind: str, only: Sequence[str] | None
    ) -> Mrqap | MrqapLogistic:
        """Return a regression of a kind, and the test of the terms named, or of all."""
        given: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("level", "over")}
        if kind == "linear":
            return mrqap(blocks, names=names, only=only, over=self.over, **given)
        return mrqap_logistic(blocks, names=names, only=only, **given)


def fitted(
    blocks: Sequence[Dyads],
    names: Sequence[str],
    *,
    name: str,
    kind: str,
    outcome: str,
    by: Procedure,
    only: Sequence[str] | None = None,
) -> Model:
    """Return a regression over dyads with all that is to be told of it.

    Parameters
    ----------
    blocks
        With p predictors.
    names
        Of the predictors.
    name, kind, outcome
        See `Model`.
    by
        How it is tested.
    only
        The terms to test by permutation; None tests all.

    Raises
    ------
    ValueError
        As `mrqap` and `mrqap_logistic` do.
    """
    found, counted = by.tested(blocks, names, kind=kind, only=only), cells(blocks, directed=by.directed)
    return Model(
        name,
        kind,
        outcome,
        terms=_terms(found, counted, by.level),
        dyads=found.fit.n,
        people=len(np.unique([counted.ego, counted.alter])),
        blocks=len(np.unique(counted.block)) - (found.fit.left_out if isinstance(found.fit, LogisticFit) else 0),
        fit=found.fit.printed,
        null={found.fit.names[k]: found.test.null[:, at] for at, k in enumerate(found.tested)},
        level=by.level,
        method=by.method,
    )


def _terms(found: Mrqap | MrqapLogistic, counted: Cells, level: float) -> tuple[Term, ...]:
    """Return the coefficients of a regression; those that were not tested without p."""
    fit, test = found.fit, found.test
    robust, jackknife = dyadic_robust(fit, counted), person_jackknife(fit, counted)
    low, high = dyadic_interval(fit.coefficients, jackknife.se, people=jackknife.people, level=level)
    numbers = np.stack([fit.coefficients, fit.se, robust.se, low, high, fit.statistic], axis=1).tolist()
    terms = [Term(name, *row) for name, row in zip(fit.names, numbers, strict=True)]
    for at, k in enumerate(found.tested):
        p = (float(part[at]) for part in (test.less, test.greater, test.two_sided, test.error))
        terms[k] = replace(terms[k], **dict(zip(P, p, strict=True)), permutations=int(test.permutations[at]))
        if isinstance(found, MrqapLogistic) and (apart := found.separated[at]):
            terms[k] = _noted(terms[k], f"outcomes were told apart without error under {apart} permutations")
    for said, which in ((NEGATIVE, robust.negative), (ON_ONE, jackknife.rests_on_one)):
        terms = [_noted(term, said) if true else term for term, true in zip(terms, which, strict=True)]
    return tuple(terms)


def _noted(term: Term, said: str) -> Term:
    return replace(term, note="; ".join(filter(None, (term.note, said))))


def with_controls(terms: Sequence[str], fit: Callable[..., Model], *, name: str) -> tuple[Model, list[str]]:
    """Return a regression with the controls that its dyads allow, and a note on each that they do not.

    Left out is a control that is the same for all dyads, is a combination of others, or alone or with others tells outcomes
    apart without error.

    Parameters
    ----------
    terms
        The controls.
    fit
        Makes the regression with the controls `terms`.
    name
        Of the regression, for the notes.

    Raises
    ------
    ValueError
        What `fit` raises for any other reason, or of a predictor that is no control.
    """
    notes = list[str]()
    while True:
        try:
            return fit(terms=terms), notes
        except Unusable as error:
            gone = [term for term in error.predictors if term in terms]
            if not gone:
                raise
            terms = [term for term in terms if term not in gone]
            notes.append(f"{', '.join(gone)}: left out of the regression of {name}, where {error.reason}.")


def corrected(model: Model, blocks: Sequence[Dyads], errors: PersonErrors, *, by: Procedure) -> Model:
    """Return a regression whose first predictor is similarity, with coefficients free of its error beside the naive ones.

    By regression calibration, and by SIMEX as a check: 20 draws, or 5 from 200,000 dyads on. Where controls hold similarity
    too nothing is corrected, as its error is then in several predictors.

    Parameters
    ----------
    model
        As `fitted` gave it for these blocks.
    blocks
        Similarity is the first predictor.
    errors
        Of people, by their number from the first block to the last.
    by
        How the model was fitted.
    """
    if any(holds_similarity(term.name) for term in model.terms if term.name not in (INTERCEPT, SIMILARITY)):
        return model
    at = next(k for k, term in enumerate(model.terms) if term.name != INTERCEPT)
    try:
        rows, note = _corrections(model, blocks, errors, by)
    except ValueError as error:
        rows, note = [None] * len(model.terms), f"the error of similarity cannot be taken off: {error}"
    terms = [replace(term, corrected=row) for term, row in zip(model.terms, rows, strict=True)]
    terms[at] = _noted(terms[at], note)
    return replace(model, terms=tuple(terms))


def _corrections(
    model: Model, blocks: Sequence[Dyads], errors: PersonErrors, by: Procedure
) -> tuple[Sequence[Corrected | None], str]:
    """Return the corrected coefficients, and what is to be said of them."""
    counted, kind = cells(blocks, directed=by.directed), cast(Kind, model.kind)
    right = corrected_fit(counted, errors, column=0, kind=kind, block_intercepts=by.block_intercepts, level=by.level)
    again = np.full(len(right.values), np.nan)
    if np.isfinite(right.values).all():
        fit = partial(linear_fit if kind == "linear" else logistic_fit, block_intercepts=by.block_intercepts)
        draws = SIMEX_DRAWS[len(counted) >= MANY]
        again = simex(counted, errors, fit, column=0, seed=by.seed, draws=draws).values
    return [Corrected(*row) for row in np.stack([right.values, right.low, right.high, again], axis=1).tolist()], right.note
