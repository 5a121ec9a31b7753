"""Regressions over pairs of people: what is fitted, and what is kept of each fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np

from facevalue.stats.attenuation import PersonErrors
from facevalue.stats.dyadic import dyadic_interval, dyadic_robust, person_jackknife
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.error_correction import Kind, corrected_fit
from facevalue.stats.mrqap import Mrqap, mrqap
from facevalue.stats.mrqap_logistic import MrqapLogistic, mrqap_logistic
from facevalue.stats.network_fits import INTERCEPT, LogisticFit, linear_fit, logistic_fit
from facevalue.stats.simex import simex

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
    p_less: float
    p_greater: float
    p: float
    p_error: float
    permutations: int
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
        The `map` of a pool of processes, for linear ones of several blocks.
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
    given: dict[str, Any] = {f: getattr(by, f) for f in ("directed", "permutations", "seed", "method", "stop", "progress")}
    given |= {"names": names, "block_intercepts": by.block_intercepts}
    found = mrqap(blocks, only=only, over=by.over, **given) if kind == "linear" else mrqap_logistic(blocks, only=only, **given)
    fit, counted = found.fit, cells(blocks, directed=by.directed)
    return Model(
        name,
        kind,
        outcome,
        _terms(found, counted, by.level),
        fit.n,
        len(np.unique(np.concatenate([counted.ego, counted.alter]))),
        len(np.unique(counted.block)) - (fit.left_out if isinstance(fit, LogisticFit) else 0),
        fit.printed,
        {fit.names[k]: found.test.null[:, at] for at, k in enumerate(found.tested)},
        by.level,
        by.method,
    )


def _terms(found: Mrqap | MrqapLogistic, counted: Cells, level: float) -> tuple[Term, ...]:
    """Return the coefficients of a regression; those that were not tested without p."""
    fit, test, tested = found.fit, found.test, found.tested
    robust, jackknife = dyadic_robust(fit, counted), person_jackknife(fit, counted)
    low, high = dyadic_interval(fit.coefficients, jackknife.se, people=jackknife.people, level=level)
    p, drawn = np.full((4, len(fit.names)), np.nan), np.zeros(len(fit.names), int)
    p[:, tested], drawn[tested] = (test.less, test.greater, test.two_sided, test.error), test.permutations
    numbers = np.stack([fit.coefficients, fit.se, robust.se, low, high, fit.statistic, *p], axis=1)
    separated = np.zeros(len(fit.names), int)
    separated[tested] = found.separated if isinstance(found, MrqapLogistic) else 0
    said = [
        "; ".join(
            text
            for text, told in (
                (NEGATIVE, robust.negative[k]),
                (ON_ONE, jackknife.rests_on_one[k]),
                (f"outcomes were told apart without error under {separated[k]} permutations", separated[k]),
            )
            if told
        )
        for k in range(len(fit.names))
    ]
    rows: list[list[Any]] = [[*row, int(count), words] for row, count, words in zip(numbers.tolist(), drawn, said, strict=True)]
    return tuple(Term(name, *row) for name, row in zip(fit.names, rows, strict=True))


def corrected(model: Model, blocks: Sequence[Dyads], errors: PersonErrors, *, by: Procedure) -> Model:
    """Return a regression whose first predictor is similarity, with coefficients free of its error beside the naive ones.

    By regression calibration, and by SIMEX as a check: 20 draws, or 5 from 200,000 dyads on.

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
    counted, kind = cells(blocks, directed=by.directed), cast(Kind, model.kind)
    right = corrected_fit(counted, errors, column=0, kind=kind, block_intercepts=by.block_intercepts, level=by.level)
    again = np.full(len(right.values), np.nan)
    if np.isfinite(right.values).all():
        fit = partial(linear_fit if kind == "linear" else logistic_fit, block_intercepts=by.block_intercepts)
        draws = SIMEX_DRAWS[len(counted) >= MANY]
        again = simex(counted, errors, fit, column=0, seed=by.seed, draws=draws).values
    numbers = np.stack([right.values, right.low, right.high, again], axis=1).tolist()
    terms = [replace(term, corrected=Corrected(*row)) for term, row in zip(model.terms, numbers, strict=True)]
    at = next(k for k, term in enumerate(terms) if term.name != INTERCEPT)
    terms[at] = replace(terms[at], note="; ".join(filter(None, (terms[at].note, right.note))))
    return replace(model, terms=tuple(terms))
