"""Calibration: what known people teach of a model's scores, and how many people that takes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from facevalue.confidence.angles import directions
from facevalue.confidence.bands import Decisions, EmbeddingBand, PairBand, match_people
from facevalue.confidence.features import NAMES, References, face_features
from facevalue.confidence.scale import significant
from facevalue.confidence.sets import Limit
from facevalue.confidence.typical import Typicality, prototypes
from facevalue.confidence.verdict import Origin, Rates, Ratio, Verifier
from facevalue.data.errors import NotCalibrated
from facevalue.data.faces import concatenate
from facevalue.data.pairs import Comparisons, compare_all
from facevalue.data.people import People
from facevalue.stats.bootstrap import people_interval, people_weights
from facevalue.stats.conformal import scores_needed
from facevalue.stats.folds import cross_fitted_ratio
from facevalue.stats.likelihood import likelihood_ratio_bounds, logistic
from facevalue.stats.roc import sort_pairs
from facevalue.stats.verification import error_bound

MIXED = ", half of the photos changed (blur, size, JPEG, light, gray)"
LEAST = 24
FOLDS = 3
PROTOTYPES = 8
MOST = 200_000
FITTED = 5_000
DRAWS, RESAMPLES = 200, 1000
GRID = 120


def people_needed(fmr: float) -> int:
    """Return the least number of people who make `30 / fmr` pairs of different people.

    Examples
    --------
    >>> people_needed(0.01), people_needed(0.001)
    (78, 246)
    """
    pairs = math.ceil(30 / fmr * (1 - 1e-12))
    return math.ceil((1 + math.sqrt(1 + 8 * pairs)) / 2)


def calibrated(
    people: People, model: str, *, detector: str, fmr: float, level: float, seed: int, data: str, preprocessing: str = ""
) -> Verifier:
    """Return what the photos of known people teach of a model's cosines.

    The threshold keeps the false match rate among all pairs of different people. Likelihood ratios are log-linear, fitted to
    all pairs; their range is what pairs of people on whom they were not fitted can vouch for, people counting, not photos.
    Intervals are percentiles over people drawn with replacement; where too few errors were seen, the exact bound. Half of
    the people fit the scales of the bands and the typicality, the other half calibrates them.

    Parameters
    ----------
    people
        Photos with the columns of the model, of its `_spread`, and `quality`.
    model, detector
        Names.
    fmr
        False match rate to keep, in (0, 1).
    level
        Of the intervals, in (0, 1).
    seed
        Of all that is drawn.
    data
        What to call the data set.
    preprocessing
        See `facevalue.models.preprocessing`.

    Raises
    ------
    NotCalibrated
        There are too few people for the rate, or for anything: how many more are needed.
    MissingColumn
        The photos were not measured by the detector, the model, its spread and quality.

    References
    ----------
    The rule of 30: Doddington and others, Speech Communication 31, 2000. Range of ratios: Vergeer and others, Science and
    Justice 56, 2016. Bands: see `facevalue.confidence.bands`.
    """
    seen = people[people.usable(model)]
    check_people(seen.person, fmr=fmr, level=level)
    pairs = compare_all(seen.person, most=MOST, folds=FOLDS, seed=seed)
    u = directions(seen.embedding(model))
    scores = np.vecdot(u[pairs.a], u[pairs.b])
    curve = sort_pairs(scores, pairs.same).roc()
    origin = replace(_origin(seen, pairs, model, detector, data), preprocessing=preprocessing)
    typicality, references, embedding_band, pair_band = _bands(seen, model, seed)
    return Verifier(
        origin,
        level,
        fmr,
        float(curve.threshold[curve.first_at_most(fmr)]),
        _rates(pairs, scores, level, seed),
        _ratio(pairs, scores, seed),
        _decisions(seen, model, seed),
        references,
        typicality,
        embedding_band,
        pair_band,
        tuple(_limits(seen, model)),
    )


def check_people(person: np.ndarray, *, fmr: float, level: float) -> None:
    """Raise NotCalibrated, saying how many more are needed, where the people on photos, (n,) str, are too few."""
    names, photos = np.unique(person[person != ""].astype(str), return_counts=True)
    several, least = int((photos > 1).sum()), max(LEAST, 2 * scores_needed(level))
    if several < least:
        raise NotCalibrated(
            f"expected {least} people or more with two photos that can be compared, there are {several} of {len(names)}: "
            f"you need {least - several} more people"
        )
    needed = people_needed(fmr)
    if len(names) < needed:
        reach = 30 / (len(names) * (len(names) - 1) / 2)
        raise NotCalibrated(
            f"a false match rate of {fmr:g} needs {needed} people (30 expected errors among pairs of different people), there "
            f"are {len(names)}: you need {needed - len(names)} more people, or ask for --fmr {math.ceil(reach * 1e4) / 1e4:g}"
        )


def _limits(seen: People, model: str) -> Iterator[Limit]:
    """Yield the ends of what these faces show of size, sharpness, light and steadiness."""
    for column, ends, why in (
        ("quality.inter_eye", (True, False), "too_small"),
        ("quality.sharpness", (True, False), "too_blurred"),
        ("quality.luminance", (True, True), "badly_lit"),
        (f"{model}_spread.flip", (False, True), "unsteady"),
        (f"{model}_spread.jitter", (False, True), "unsteady"),
    ):
        if column in seen.faces.columns:
            values = seen.faces[column].values
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            yield Limit(column, low if ends[0] else None, high if ends[1] else None, why)


def _origin(seen: People, pairs: Comparisons, model: str, detector: str, data: str) -> Origin:
    photos = hashlib.sha256("\n".join(sorted(map(str, seen.faces.photo))).encode()).hexdigest()
    columns = (f"{detector}.score", f"{model}.embedding", f"{model}_spread.flip", "quality.inter_eye")
    sources = {name: seen.faces[name].source for name in columns}
    n = len(np.unique(seen.person.astype(str)))
    same = int(pairs.same.sum())
    return Origin(data, n, len(seen), same, pairs.people_pairs, photos, model, "cosine", detector, sources)


def _rates(pairs: Comparisons, scores: np.ndarray, level: float, seed: int) -> Rates:
    """Return the rates on a grid that is fine where impostors are rare."""
    impostor, genuine = scores[~pairs.same], scores[pairs.same]
    shares = np.append(np.geomspace(1 / len(impostor), 1, GRID), np.linspace(0, 1, 81))
    grid = np.unique(np.concatenate([np.quantile(impostor, 1 - shares), np.quantile(genuine, np.linspace(0, 1, 41))]))
    at = np.searchsorted(grid, impostor, side="right") - 1

    def fmr(weights: np.ndarray | None) -> np.ndarray:
        below = np.cumsum(np.bincount(at, weights, len(grid) + 1))
        with np.errstate(invalid="ignore"):
            return np.asarray(1 - np.append(0, below[:-2]) / below[-1])

    first, second = pairs.first[~pairs.same], pairs.second[~pairs.same]
    value = fmr(None)
    low, high = people_interval(fmr, first, second, level=level, seed=seed, resamples=RESAMPLES)
    n = pairs.people_pairs
    bounds = [error_bound(math.ceil(v * n - 1e-9), n, (1 + level) / 2) for v in value]
    fnmr = np.searchsorted(np.sort(genuine), grid) / len(genuine)
    return Rates(*(np.round(part, 7) for part in (grid, value, low, np.maximum(high, bounds), fnmr)))


def _ratio(pairs: Comparisons, scores: np.ndarray, seed: int) -> Ratio:
    elsewhere = cross_fitted_ratio(scores, pairs.same, pairs.fold_a, pairs.fold_b)
    judged = np.isfinite(elsewhere)
    kinds = 10 ** elsewhere[judged & pairs.same], 10 ** elsewhere[judged & ~pairs.same]
    n_people = len(np.unique(pairs.first[judged & pairs.same]))
    bounds = likelihood_ratio_bounds(*kinds, effective=(n_people, pairs[judged].people_pairs))
    draw = np.random.default_rng(seed)
    different = draw.permutation(np.flatnonzero(~pairs.same))[:FITTED]
    few = np.concatenate([np.flatnonzero(pairs.same), different])
    draws = [
        logistic(scores[few], pairs.same[few], weights=weights)
        for weights in people_weights(pairs.first[few], pairs.second[few], seed=seed, resamples=DRAWS)
    ]
    fit = logistic(scores[few], pairs.same[few])
    return Ratio(fit, np.round([(one.a, one.b) for one in draws], 5), bounds)


def _decisions(seen: People, model: str, seed: int) -> Decisions:
    """Return decisions by one pair of photos a person, and pairs of two people that share nobody."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(seen))
    person, embeddings = seen.person[order].astype(str), seen.embedding(model)[order]
    rank = np.argsort(person, kind="stable")
    _, starts, counts = np.unique(person[rank], return_index=True, return_counts=True)
    one, other = rank[starts[counts > 1]], rank[starts[counts > 1] + 1]
    first = draw.permutation(rank[starts])
    a, b = first[: len(first) // 2], first[len(first) // 2 :][: len(first) // 2]
    u = directions(embeddings)
    return Decisions((u[one] * u[other]).sum(1), (u[a] * u[b]).sum(1))


def _bands(seen: People, model: str, seed: int) -> tuple[Typicality, References, EmbeddingBand, PairBand]:
    fit, rest = halves(seen, seed)
    references = references_of(fit, model, seed)
    embedding_band = fitted_band(fit, model, references)
    embedding_band = embedding_band.calibrate(rest.embedding(model), rest.person, face_features(rest.faces, model, references))
    typicality = Typicality().fit(fit.embedding(model), fit.person).calibrate(rest.embedding(model), rest.person)
    return typicality, references, embedding_band, paired_band(rest, model, references, embedding_band, seed)


def mixed(people: People, changed: Mapping[str, People], model: str, *, seed: int) -> People:
    """Return the photos, each at random as it is or changed: half of them as they are, the others by any change.

    A change that keeps more than one photo in ten from being compared is left out.

    Parameters
    ----------
    people
        n photos.
    changed
        By the name of the change, the same photos row by row, measured after it.
    model
        That must be able to compare them.
    seed
        Of the draws.
    """
    fit = {name: other for name, other in changed.items() if other.usable(model).mean() >= 0.9 * people.usable(model).mean()}
    draw = np.random.default_rng(seed)
    which = draw.integers(len(fit), size=len(people)) if fit else np.full(len(people), -1)
    which[draw.random(len(people)) < 0.5] = -1
    parts = [people, *fit.values()]
    faces = concatenate([part.faces[np.flatnonzero(which == i - 1)] for i, part in enumerate(parts)])
    order = np.concatenate([np.flatnonzero(which == i - 1) for i in range(len(parts))])
    return People(faces[np.argsort(order)], people.person, people.further, people.columns)


def halves(seen: People, seed: int) -> tuple[People, People]:
    """Return the photos of every other person, in a random order of those with four photos, two and one, and of the rest."""
    names, photos = np.unique(seen.person.astype(str), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-np.digitize(photos[order], (2, 4)), kind="stable")]
    in_fit = np.isin(seen.person.astype(str), names[order[1::2]])
    return seen[in_fit], seen[~in_fit]


def references_of(fit: People, model: str, seed: int) -> References:
    """Return prototypes of these people, and the mean of what the model makes of them made unrecognisable."""
    blind = directions(fit.faces[f"{model}_spread.blind"].values).mean(0)
    n = len(np.unique(fit.person.astype(str)))
    centres = prototypes(fit.embedding(model), fit.person, k=max(1, min(PROTOTYPES, n // 6)), seed=seed)
    return References(significant(centres), significant(blind / np.linalg.norm(blind)))


def fitted_band(fit: People, model: str, references: References) -> EmbeddingBand:
    """Return the embedding band whose scale these people fit."""
    features = face_features(fit.faces, model, references)
    return EmbeddingBand().fit(fit.embedding(model), fit.person, features, names=NAMES)


def paired_band(rest: People, model: str, references: References, band: EmbeddingBand, seed: int) -> PairBand:
    """Return the pair band that these people, on whom the scale was not fitted, calibrate."""
    replicates = match_people(rest.person.astype(str), seed=seed)
    sigma = band.sigma(face_features(rest.faces, model, references))[replicates.rows[:, 0]]
    return PairBand().calibrate(replicates.cosines(rest.embedding(model)), sigma, replicates.cells)
