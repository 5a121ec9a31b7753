"""Homophily: whether people who are tied are more alike in face than chance, beyond what else they share.

Two regressions over pairs answer it. With similarity as outcome the coefficients of friend and enemy are contrasts with
pairs without a tie; with a tie as outcome that of similarity says how it goes with the odds of a tie.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from facevalue.data.errors import RunError, SchemaError
from facevalue.stats.attenuation import calibrated_values, precision_weights
from facevalue.stats.dyadic import dyadic_interval, person_jackknife
from facevalue.stats.dyads import Dyads, cells
from facevalue.stats.error_correction import Kind
from facevalue.stats.network_linear import linear_fit
from facevalue.studies.controls import SIMILARITY, holds_similarity
from facevalue.studies.pair_sample import PairSample
from facevalue.studies.tie_models import Corrected, Model, Procedure, corrected, fitted, with_controls

FRIEND, ENEMY, CONTRAST, RATHER = "friend", "enemy", "friend-enemy", "friend rather than enemy"


def homophily(
    sample: PairSample, *, by: Procedure, tie_kind: Kind | None = "logistic", what: str = ""
) -> tuple[list[Model], list[str]]:
    """Return the regressions of similarity on ties, and of ties on similarity; and why one could not be fitted.

    Parameters
    ----------
    sample
        Of pairs.
    by
        How they are tested.
    tie_kind
        "logistic", "linear", or None for no regression of ties.
    what
        The similarity, in words.

    Raises
    ------
    SchemaError
        The regression of similarity cannot be fitted, as with a control that is the same for all pairs.
    """
    outcomes = tie_outcomes(sample.signs) if tie_kind else {}
    steps = replace(by, directed=sample.directed).steps(2 + len(outcomes))
    try:
        models, notes = [similarity_model(sample, by=next(steps), contrast_by=next(steps), what=what)], list[str]()
    except ValueError as error:
        raise SchemaError(f"similarity cannot be regressed on ties: {error}") from error
    for name, outcome in outcomes.items():
        fit = functools.partial(tie_model, sample, outcome, name=name, kind=tie_kind or "logistic", by=next(steps))
        try:
            model, told = with_controls(sample.terms, fit, name=name)
        except ValueError as error:
            notes.append(f"No regression of {name}: {error}.")
        else:
            models, notes = [*models, model], [*notes, *told]
    return models, notes


def tie_outcomes(signs: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return outcomes of ties by name: friend against no tie, enemy against no tie, friend against enemy; NaN elsewhere.

    Examples
    --------
    >>> signs = [np.array([[np.nan, 1, 0], [1, np.nan, -1], [0, -1, np.nan]])]
    >>> {name: outcome[0][1].tolist() for name, outcome in tie_outcomes(signs).items()}
    {'friend': [1.0, nan, nan], 'enemy': [nan, nan, 1.0], 'friend rather than enemy': [1.0, nan, 0.0]}
    """
    there = {sign: any((part == sign).any() for part in signs) for sign in (1, -1)}
    found = {}
    if there[1]:
        found[FRIEND] = [np.where(part >= 0, part, np.nan) for part in signs]
    if there[-1]:
        found[ENEMY] = [np.where(part <= 0, -part + 0.0, np.nan) for part in signs]
    if all(there.values()):
        found[RATHER] = [np.where(part != 0, (part + 1) / 2, np.nan) for part in signs]
    return found


def similarity_model(sample: PairSample, *, by: Procedure, contrast_by: Procedure | None = None, what: str = "") -> Model:
    """Return the regression of similarity on friend, enemy and the controls that do not contain similarity.

    Where enemies are, a last term says how much more alike friends are than enemies: the coefficient of friend once all tied
    pairs have one of their own. Corrected are all coefficients by weights, `1 / (tau^2 + e_i + e_j)`: people whose photos tell
    little count for less.
    """
    terms = [term for term in sample.terms if not holds_similarity(term)]
    ties = tie_indicators(sample.signs)
    words = {"name": SIMILARITY, "kind": "linear", "outcome": f"similarity of two faces ({what})" if what else "similarity"}
    found = _weighted(sample.dyads(sample.similarity, *ties.values(), terms=terms), [*ties, *terms], sample, by, words)
    if len(ties) < 2:
        return found
    tied = {FRIEND: ties[FRIEND], "tied": [abs(part) for part in sample.signs]}
    blocks = sample.dyads(sample.similarity, *tied.values(), terms=terms)
    contrast = _weighted(blocks, [CONTRAST, "tied", *terms], sample, contrast_by or by, words, [CONTRAST])
    last = next(term for term in contrast.terms if term.name == CONTRAST)
    return replace(found, terms=(*found.terms, last), null={**found.null, CONTRAST: contrast.null[CONTRAST]})


def tie_indicators(signs: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return 1 for each kind of tie that is there, else 0; NaN where unknown."""
    found = {}
    for name, sign in ((FRIEND, 1), (ENEMY, -1)):
        if any((part == sign).any() for part in signs):
            found[name] = [np.where(np.isnan(part), np.nan, part == sign) for part in signs]
    if not found:
        raise RunError("expected ties among people with faces; there is none, neither friend nor enemy")
    return found


def _weighted(
    blocks: list[Dyads],
    names: Sequence[str],
    sample: PairSample,
    by: Procedure,
    words: Mapping[str, str],
    only: Sequence[str] | None = None,
) -> Model:
    """Return a regression of similarity, with coefficients by precision beside it."""
    found = fitted(blocks, names, by=by, only=only, **words)
    if sample.errors is None:
        return found
    counted = cells(blocks, directed=by.directed)
    calibration = calibrated_values(counted, sample.errors, block_intercepts=by.block_intercepts)
    if not calibration.signal > 0:
        return found
    weighed = replace(counted, weights=precision_weights(calibration.errors, calibration.signal))
    fit = linear_fit(weighed, names=names, block_intercepts=by.block_intercepts)
    jackknife = person_jackknife(fit, weighed)
    low, high = dyadic_interval(fit.coefficients, jackknife.se, people=jackknife.people, level=by.level)
    ends = zip(fit.coefficients, low, high, strict=True)
    rows = [Corrected(float(b), float(start), float(end), float("nan")) for b, start, end in ends]
    return replace(found, terms=tuple(replace(term, corrected=row) for term, row in zip(found.terms, rows, strict=True)))


def tie_model(
    sample: PairSample,
    outcome: Sequence[np.ndarray],
    *,
    name: str,
    kind: Kind,
    by: Procedure,
    terms: Sequence[str] | None = None,
) -> Model:
    """Return the regression of a tie on similarity and controls; corrected for the error of similarity where it is known.

    Parameters
    ----------
    sample
        Of pairs.
    outcome
        Of each block, (n_b, n_b): 1, 0 or NaN.
    name, kind
        See `Model`.
    by
        How it is tested.
    terms
        The controls to take; None takes all.

    Raises
    ------
    ValueError
        As `mrqap` and `mrqap_logistic` do.
    """
    terms = sample.terms if terms is None else terms
    blocks = sample.dyads(outcome, sample.similarity, terms=terms)
    names = [SIMILARITY, *terms]
    found = fitted(blocks, names, name=name, kind=kind, outcome=f"{name}: 1 or 0", by=by)
    return corrected(found, blocks, sample.errors, by=by) if sample.errors is not None else found
