"""Regressions over pairs of people: what is fitted, and what is kept of each fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


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
    robust_se, low, high
        Dyadic-cluster-robust; NaN where the variance came out negative, see `note`.
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
