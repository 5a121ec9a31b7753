"""How alike friends, enemies and people without a tie look: means, contrasts, by village, by dimension of the face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from facevalue.data.findings import Findings, concatenate
from facevalue.stats.attenuation import calibrated_values, similarity_reliability, standardised_effects
from facevalue.stats.dyadic import dyadic_interval, person_jackknife
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.network_linear import linear_fit
from facevalue.stats.reliability import Reliability
from facevalue.studies.controls import holds_similarity
from facevalue.studies.dimensions import tabled
from facevalue.studies.homophily import ENEMY, FRIEND, tie_indicators
from facevalue.studies.pair_sample import PairSample
from facevalue.studies.tie_models import Model, Procedure, Term, fitted

STUDY, NONE = "homophily", "none"
ENDS = ("value", "low", "high")
TOLD = {FRIEND: "", ENEMY: f" {ENEMY}"}
DRAWN, LEAST_VILLAGE = 20_000, 10


def relation_means(sample: PairSample, *, level: float) -> Findings:
    """Return the mean similarity of friends, enemies and others, and the contrasts between them, without any control.

    "mean_similarity" by relation in the similarity's own unit; "difference" by contrast; "d", the difference in standard
    deviations of pairs, and "d_corrected" in those of the true similarity. Intervals are by leaving people out.

    Parameters
    ----------
    sample
        Of pairs.
    level
        Of the intervals, in (0, 1).
    """
    ties = tie_indicators(sample.signs)
    counted = cells(sample.dyads(sample.similarity, *ties.values(), terms=()), directed=sample.directed)
    fit = linear_fit(counted, names=list(ties))
    jackknife, (measured, true) = person_jackknife(fit, counted), _scales(sample, counted)
    found = []
    for measure, group, weights, n in _asked(ties, counted):
        value = float(weights @ fit.coefficients)
        ends = dyadic_interval(
            np.array([value]), np.array([jackknife.contrast_se(weights)]), people=jackknife.people, level=level
        )
        row = np.array([value, *(float(end[0]) for end in ends)])
        mean = sample.mean if measure == "mean_similarity" else 0
        scaled = {measure: mean + sample.sd * row}
        if measure == "difference":
            scaled |= {"d": measured * row, "d_corrected": true * row}
        for name, (at, low, high) in scaled.items():
            known = {"group": group, "level": level, "n": n, "method": "jackknife of people"}
            found.append(tabled(STUDY, measure=name, value=at, low=low, high=high, **known))
    return concatenate(found)


def _asked(ties: Mapping[str, Any], counted: Cells) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Give what is asked of the coefficients of (intercept, ties): measure, group, weights, pairs."""
    own = {name: np.eye(1 + len(ties))[1 + k] for k, name in enumerate(ties)}
    none = np.eye(1 + len(ties))[0]
    yield "mean_similarity", NONE, none, int((counted.predictors == 0).all(1).sum())
    for k, (name, weights) in enumerate(own.items()):
        yield "mean_similarity", name, none + weights, int((counted.predictors[:, k] == 1).sum())
    for name, weights in own.items():
        yield "difference", f"{name}-{NONE}", weights, len(counted)
    if len(own) == 2:
        yield "difference", f"{FRIEND}-{ENEMY}", own[FRIEND] - own[ENEMY], len(counted)


def _scales(sample: PairSample, counted: Cells) -> tuple[float, float]:
    """Return what one unit of the sample's similarity is in standard deviations of pairs, measured and true."""
    if sample.errors is None:
        spread = counted.outcome.std()
        return 1 / float(spread), float("nan")
    one = calibrated_values(counted, sample.errors, given=())
    measured, true = standardised_effects(np.ones(1), one)
    return float(measured[0]), float(true[0])


def sample_reliability(sample: PairSample, *, level: float, block_intercepts: bool) -> Reliability | None:
    """Return the share of the similarity's variance over pairs that is not the photos' error, without any control.

    None where the error is not known.
    """
    if sample.errors is None:
        return None
    counted = cells(sample.dyads(sample.similarity, terms=()), directed=False)
    calibration = calibrated_values(counted, sample.errors, given=(), block_intercepts=block_intercepts)
    return similarity_reliability(calibration, counted, sample.errors, level=level)


def relation_samples(sample: PairSample, *, seed: int) -> dict[str, np.ndarray]:
    """Return the similarities of pairs by relation, in their own unit; of more than 20,000 a draw."""
    flat, signs = (
        np.concatenate([part[~np.eye(len(part), dtype=bool)] for part in parts]) for parts in (sample.similarity, sample.signs)
    )
    draw, found = np.random.default_rng(seed), {}
    for name, sign in ((FRIEND, 1), (NONE, 0), (ENEMY, -1)):
        values = sample.mean + sample.sd * flat[(signs == sign) & np.isfinite(flat)]
        if len(values):
            found[name] = values if len(values) <= DRAWN else draw.choice(values, DRAWN, replace=False)
    return found


def village_contrasts(sample: PairSample, *, level: float) -> Findings:
    """Return "friend-none" and "enemy-none" of each village, in its own unit; with an interval from 10 people on.

    Parameters
    ----------
    sample
        Of pairs.
    level
        Of the intervals, in (0, 1).
    """
    ties = tie_indicators(sample.signs)
    blocks = sample.dyads(sample.similarity, *ties.values(), terms=())
    names = zip(sample.block_names, blocks, strict=True)
    return concatenate([_of_village(name, block, list(ties), sample, level=level) for name, block in names])


def _of_village(name: str, block: Dyads, ties: Sequence[str], sample: PairSample, *, level: float) -> Findings:
    """Return the contrasts of one village, of the kinds of ties that it has."""
    own = [k for k, column in enumerate(block.predictors[block.known].T) if len(np.unique(column)) > 1]
    measures = np.array([f"{ties[k]}-{NONE}" for k in own or range(len(ties))], object)
    rows: dict[str, Any] = {"measure": measures, "group": name, "n": len(block)}
    try:
        counted = cells([replace(block, predictors=block.predictors[..., own])], directed=sample.directed)
        fit = linear_fit(counted, names=[ties[k] for k in own])
    except ValueError as error:
        return tabled(STUDY, value=np.nan, method=f"not fitted: {error}", **rows)
    jackknife = person_jackknife(fit, counted)
    se = jackknife.se if len(block) >= LEAST_VILLAGE else np.full(1 + len(own), np.nan)
    low, high = dyadic_interval(fit.coefficients, se, people=jackknife.people, level=level)
    ends = {end: part[1:] * sample.sd for end, part in zip(ENDS, (fit.coefficients, low, high), strict=True)}
    known = np.isfinite(ends["low"])
    method = np.where(known, "jackknife of people", "none").astype(object)
    return tabled(STUDY, level=np.where(known, level, np.nan), method=method, **rows, **ends)


def dimension_contrasts(sample: PairSample, dimensions: Mapping[str, Sequence[np.ndarray]], *, by: Procedure) -> Findings:
    """Return how much more alike tied pairs are than untied ones in one dimension of the face at a time, beyond the controls.

    Of friends "dimension", in standard deviations of pairs, with intervals by leaving people out; "p" by permutation; and
    "adjusted_p" over all dimensions at once. Of enemies the same with " enemy" after it.

    Parameters
    ----------
    sample
        Of pairs.
    dimensions
        Likeness of the pairs of each block, aligned with the sample's, by name of the dimension.
    by
        How each is tested.
    """
    by, found, p = replace(by, directed=sample.directed), list[Findings](), dict[str, dict[str, float]]()
    for (name, likeness), own in zip(dimensions.items(), by.steps(len(dimensions)), strict=True):
        try:
            model = _of_dimension(sample, name, likeness, own)
        except ValueError as error:
            found.append(tabled(STUDY, measure="dimension", group=name, value=np.nan, n=0, method=f"not fitted: {error}"))
            continue
        for term in model.terms:
            if term.name in TOLD:
                found += _of_tie(term, TOLD[term.name], model)
                p.setdefault(TOLD[term.name], {})[name] = term.p
    for told, values in p.items():
        rows = {"group": np.array(list(values), object), "n": len(values), "method": "benjamini_hochberg"}
        found.append(
            tabled(STUDY, measure="adjusted_p" + told, value=adjusted_p_values(np.array(list(values.values()))), **rows)
        )
    return concatenate(found)


def _of_dimension(sample: PairSample, name: str, likeness: Sequence[np.ndarray], by: Procedure) -> Model:
    """Return the regression of likeness in one dimension on ties and controls."""
    terms, ties = [term for term in sample.terms if not holds_similarity(term)], tie_indicators(sample.signs)
    flat = np.concatenate([part[np.isfinite(part)] for part in likeness])
    scaled = [(part - flat.mean()) / (flat.std() or 1) for part in likeness]
    blocks = sample.dyads(scaled, *ties.values(), terms=terms)
    return fitted(blocks, [*ties, *terms], name=name, kind="linear", outcome=name, by=by, only=list(ties))


def _of_tie(term: Term, told: str, model: Model) -> list[Findings]:
    """Return the contrast of one kind of tie in one dimension, and its p."""
    ends = {"value": term.value, "low": term.low, "high": term.high, "level": model.level}
    rows = {"group": model.name, "n": model.dyads, "method": "jackknife of people"}
    p = {"group": model.name, "n": term.permutations, "method": "permutation"}
    return [tabled(STUDY, measure="dimension" + told, **rows, **ends), tabled(STUDY, measure="p" + told, value=term.p, **p)]
