"""How alike friends, enemies and people without a tie look: means, contrasts, by village, by dimension of the face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from facevalue.data.findings import Findings, concatenate
from facevalue.stats.attenuation import calibrated_values, similarity_reliability, standardised_effects, student_quantile
from facevalue.stats.dyadic import dyadic_robust
from facevalue.stats.dyads import Cells, Dyads, cells
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.network_fits import linear_fit
from facevalue.stats.reliability import Reliability
from facevalue.studies.controls import SIMILARITY, read_control
from facevalue.studies.dimensions import tabled
from facevalue.studies.homophily import ENEMY, FRIEND, tie_indicators
from facevalue.studies.pair_sample import PairSample
from facevalue.studies.tie_models import Procedure, fitted

STUDY, NONE = "homophily", "none"
DRAWN, LEAST_VILLAGE = 20_000, 10


def relation_means(sample: PairSample, *, level: float) -> Findings:
    """Return the mean similarity of friends, enemies and others, and the contrasts between them, without any control.

    "mean_similarity" by relation in the similarity's own unit; "difference" by contrast; "d", the difference in standard
    deviations of pairs, and "d_corrected" in those of the true similarity. Intervals are dyadic-robust, with Student's t.

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
    covariance, half = dyadic_robust(fit, counted).covariance, student_quantile(counted, level=level)
    found = [_means(sample, counted, ties, fit.coefficients, covariance, half, level)]
    for (name, weights), scales in zip(_contrasts(ties).items(), [_scales(sample, counted)] * 3, strict=False):
        value, se = float(weights @ fit.coefficients), float(np.sqrt(max(weights @ covariance @ weights, 0)) or np.nan)
        rows = {"group": name, "level": level, "n": len(counted), "method": "dyadic-robust"}
        for measure, scale in (("difference", sample.sd), ("d", scales[0]), ("d_corrected", scales[1])):
            ends = [(value + side * half * se) * scale for side in (-1, 1)]
            found.append(tabled(STUDY, measure=measure, value=value * scale, low=ends[0], high=ends[1], **rows))
    return concatenate(found)


def _contrasts(ties: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return weights of (intercept, ties) by contrast."""
    own = {name: np.eye(1 + len(ties))[1 + k] for k, name in enumerate(ties)}
    found = {f"{name}-{NONE}": weights for name, weights in own.items()}
    if len(own) == 2:
        found[f"{FRIEND}-{ENEMY}"] = own[FRIEND] - own[ENEMY]
    return found


def _scales(sample: PairSample, counted: Cells) -> tuple[float, float]:
    """Return what one unit of the sample's similarity is in standard deviations of pairs, measured and true."""
    if sample.errors is None:
        spread = counted.outcome.std()
        return 1 / float(spread), float("nan")
    one = calibrated_values(counted, sample.errors, given=())
    measured, true = standardised_effects(np.ones(1), one)
    return float(measured[0]), float(true[0])


def _means(
    sample: PairSample,
    counted: Cells,
    ties: Mapping[str, Any],
    b: np.ndarray,
    covariance: np.ndarray,
    half: float,
    level: float,
) -> Findings:
    """Return the mean similarity of each relation."""
    found = []
    for k, name in enumerate([NONE, *ties]):
        weights = np.eye(len(b))[0] + (np.eye(len(b))[k] if k else 0)
        n = int((counted.predictors[:, k - 1] == 1).sum() if k else (counted.predictors == 0).all(1).sum())
        value, se = float(weights @ b), float(np.sqrt(max(weights @ covariance @ weights, 0)) or np.nan)
        low, value, high = (
            sample.mean + sample.sd * (value + side * half * se) if side else sample.mean + sample.sd * value
            for side in (-1, 0, 1)
        )
        rows = {"group": name, "level": level, "n": n, "method": "dyadic-robust"}
        found.append(tabled(STUDY, measure="mean_similarity", value=value, low=low, high=high, **rows))
    return concatenate(found)


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
    found = [tabled(STUDY, measure=np.empty(0, object), group="", value=np.empty(0), n=0, method="")]
    for name, block in zip(sample.block_names, _single(sample), strict=True):
        known = block.known
        columns = [k for k in range(block.predictors.shape[2]) if len(np.unique(block.predictors[known][:, k])) > 1]
        names = [list(tie_indicators(sample.signs))[k] for k in columns]
        measures, rows = np.array([f"{tie}-{NONE}" for tie in names], object), {"group": name, "n": len(block)}
        try:
            counted = cells([Dyads(block.outcome, block.predictors[..., columns])], directed=sample.directed)
            fit = linear_fit(counted, names=names)
        except ValueError as error:
            found.append(tabled(STUDY, measure=measures, value=np.nan, method=f"not fitted: {error}", **rows))
            continue
        se = dyadic_robust(fit, counted).se[1:] if len(block) >= LEAST_VILLAGE else np.full(len(names), np.nan)
        value, half = fit.coefficients[1:], student_quantile(counted, level=level) * se
        ends = {"value": value * sample.sd, "low": (value - half) * sample.sd, "high": (value + half) * sample.sd}
        levels = np.where(np.isfinite(half), level, np.nan)
        found.append(tabled(STUDY, measure=measures, level=levels, method="dyadic-robust", **rows, **ends))
    return concatenate(found)


def _single(sample: PairSample) -> list[Dyads]:
    return sample.dyads(sample.similarity, *tie_indicators(sample.signs).values(), terms=())


def dimension_contrasts(sample: PairSample, dimensions: Mapping[str, Sequence[np.ndarray]], *, by: Procedure) -> Findings:
    """Return how much more alike friends are than untied pairs in one dimension of the face at a time, beyond the controls.

    "dimension" in standard deviations of pairs, with dyadic-robust intervals; "p" by permutation; "adjusted_p" over all
    dimensions at once.

    Parameters
    ----------
    sample
        Of pairs.
    dimensions
        Likeness of the pairs of each block, aligned with the sample's, by name of the dimension.
    by
        How each is tested.
    """
    terms = [term for term in sample.terms if SIMILARITY not in {part.column for part in read_control(term)}]
    ties, found, p = tie_indicators(sample.signs), [], []
    for name, likeness in dimensions.items():
        flat = np.concatenate([part[np.isfinite(part)] for part in likeness])
        scaled = [(part - flat.mean()) / flat.std() for part in likeness]
        blocks = sample.dyads(scaled, *ties.values(), terms=terms)
        words = {"name": name, "kind": "linear", "outcome": name}
        model = fitted(blocks, [*ties, *terms], by=replace(by, directed=sample.directed), only=[FRIEND], **words)
        term = next(term for term in model.terms if term.name == FRIEND)
        ends = {"value": term.value, "low": term.low, "high": term.high, "level": by.level}
        found.append(tabled(STUDY, measure="dimension", group=name, n=model.dyads, method="dyadic-robust", **ends))
        found.append(tabled(STUDY, measure="p", group=name, value=term.p, n=term.permutations, method="permutation"))
        p.append(term.p)
    names = np.array(list(dimensions), object)
    adjusted = adjusted_p_values(np.array(p))
    found.append(tabled(STUDY, measure="adjusted_p", group=names, value=adjusted, n=len(names), method="benjamini_hochberg"))
    return concatenate(found)
