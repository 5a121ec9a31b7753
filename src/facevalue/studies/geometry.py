"""Geometry: how asymmetric, average and dimorphic faces are, and what that has to do with how people rate them.

Correlations are within sex, for women's and men's faces differ both in shape and in ratings; a face's rating is the mean over
its raters. The measure of a finding names both, as in "spearman averageness with attractive"; its group is the sex.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError
from facevalue.data.findings import Findings, concatenate
from facevalue.data.ratings import SEXES, TraitRatings, face_places
from facevalue.data.shapes import best
from facevalue.stats.association import rank_correlations
from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import check_level, wilson_interval
from facevalue.stats.components import crossed_reliability
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.stats.rated import LEAST, RatedCorrelations, rated_correlations
from facevalue.stats.reliability import (
    Reliability,
    corrected_correlation,
    cronbach_alpha,
    faces_needed,
    intraclass_correlations,
    raters_needed,
)
from facevalue.studies.dimensions import tabled
from facevalue.studies.shapes import Measured

STUDY = "geometry"
RESAMPLES, WANTED, POWER = 1000, 0.9, 0.8
LOADED = ("asymmetry", "fluctuating_asymmetry", "distinctiveness")


def geometry(
    measured: Measured, ratings: TraitRatings | None, *, level: float, seed: int, resamples: int = RESAMPLES
) -> Findings:
    """Return what the measures of faces are on the whole and by sex, and how they go with ratings.

    Of each measure "mean" and "sd" with intervals over faces, but for "dimorphism", whose means are 0 and 1; "sexed_right",
    the share of faces whose score of dimorphism, from means that they have no part in, is on the side of their sex;
    "spearman asymmetry with yaw", the size of the turn, where that is known. Of each rated trait its raters' reliability
    ("alpha", "icc(2,1)", ...) and "raters_needed" for a reliability of .9; with each measure "spearman" and "pearson", whose
    intervals are over faces and raters, "adjusted_p" over all rank correlations at once, "corrected", the rank correlation
    without the raters' unreliability, and "faces_needed" to show one as large with a probability of .8.

    Parameters
    ----------
    measured
        n faces.
    ratings
        Of these faces, or of others too; None for none.
    level
        Of the intervals, in (0, 1).
    seed
        Of the bootstrap.
    resamples
        Of the bootstrap.

    Returns
    -------
    Findings

    Raises
    ------
    SchemaError
        No rating is of any of the faces, or a name of a rated face fits two.

    References
    ----------
    Benjamini, Hochberg, JRSS B 57, 1995; for the rest see `rated_correlations`, `crossed_reliability` and
    `intraclass_correlations`.
    """
    check_level(level)
    run = f"{measured.scheme}, reference {measured.reference.name}, seed {seed}"
    parts = [_counts(measured), *_means(measured, level=level, seed=seed, resamples=resamples), *_sides(measured, level=level)]
    if ratings is not None:
        parts += _rated(measured, ratings, level=level, seed=seed, resamples=resamples)
    return replace(found := concatenate(parts), run=np.full(len(found), run, object))


def correlated(measured: Measured) -> tuple[str, ...]:
    """Return the measures that are correlated with ratings: as by hand or without noise where known, no two that say the same.

    Distinctiveness is averageness with its sign turned; of the scores of dimorphism that counts in which a face has no part.
    """
    known = measured.columns
    names = [best(known, name) for name in ("asymmetry", "averageness")]
    names.insert(1, "fluctuating_asymmetry")
    names += [name for name in ("dimorphism_left_out", "dimorphism") if name in known][:1]
    return tuple(name for name in names if np.isfinite(known[name].values).any())


def _counts(measured: Measured) -> Findings:
    """Return how many faces there are, are measured, and are not by reason, and of which sex."""
    why = measured.columns["size"].why
    reasons = Counter(str(word).partition(":")[0] for word in (why if why is not None else ()) if word)
    told = {"faces": len(measured), "faces_measured": int(measured.there.sum())}
    told |= {f"faces_{word}": count for word, count in reasons.most_common()}
    rows = [("all", name, value) for name, value in told.items()]
    rows += [
        (sex, "faces_measured", int((measured.there & (measured.sex == sex)).sum())) for sex in SEXES if sex in measured.sex
    ]
    groups, names, values = (np.array(column, object) for column in zip(*rows, strict=True))
    return tabled(STUDY, measure=names, group=groups, value=values, n=len(measured), method="count")


def _groups(measured: Measured) -> dict[str, np.ndarray]:
    """Return the faces of each sex, (n,) bool each; all faces where no sex is known."""
    found = {sex: measured.sex == sex for sex in SEXES if (measured.sex == sex).any()}
    return found or {"all": np.ones(len(measured), bool)}


def _means(measured: Measured, *, level: float, seed: int, resamples: int) -> list[Findings]:
    """Return mean and standard deviation of each measure, over all faces and by sex."""
    parts = []
    groups = {"all": np.ones(len(measured), bool)} | _groups(measured)
    for name, column in measured.columns.items():
        if name == "dimorphism":  # 0 and 1 of the two sexes by construction
            continue
        for group, inside in groups.items():
            values = column.values[inside & np.isfinite(column.values)].astype(np.float64)
            if not len(values):
                continue
            known = {"group": group, "n": len(values), "method": "bootstrap over faces"}
            found = _mean_and_spread(values)
            low, high = (np.full(2, np.nan),) * 2
            if len(values) >= LEAST:
                low, high = bootstrap_interval(_mean_and_spread, values, level=level, seed=seed, resamples=resamples)
            ends = {"value": found, "low": low, "high": high, "level": np.where(np.isnan(low), np.nan, level)}
            parts.append(tabled(STUDY, measure=np.array([f"mean {name}", f"sd {name}"], object), **known, **ends))
    return parts


def _mean_and_spread(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), values.std(ddof=1) if len(values) > 1 else np.nan])


def _sides(measured: Measured, *, level: float) -> list[Findings]:
    """Return how many faces lie on the side of their sex, and how asymmetry goes with the turn of the head."""
    parts = []
    if "dimorphism_left_out" in measured.columns:
        score = measured.columns["dimorphism_left_out"].values
        known = np.isfinite(score) & np.isin(measured.sex, SEXES)
        hits, n = int(((score > 0.5) == (measured.sex == "male"))[known].sum()), int(known.sum())
        low, high = wilson_interval(hits, n, level=level)
        ends = {"value": hits / n, "low": low, "high": high, "level": level, "n": n}
        parts.append(tabled(STUDY, measure="sexed_right", group="all", method="wilson", **ends))
    yaw = np.abs(measured.columns["yaw"].values.astype(np.float64))
    for name in LOADED:
        values = measured.columns[name].values.astype(np.float64)
        both = np.isfinite(yaw) & np.isfinite(values)
        if both.sum() >= LEAST:
            found = rank_correlations(values[both, None], yaw[both, None], level=level)
            ends = {"value": found.value[0], "low": found.low[0], "high": found.high[0], "level": level, "n": int(both.sum())}
            parts.append(tabled(STUDY, measure=f"spearman {name} with yaw", group="all", method="influence", **ends))
    return parts


@dataclass(frozen=True, slots=True)
class _Trait:
    """The ratings of one trait of faces of one group; faces are rows of the measures."""

    name: str
    group: str
    face: np.ndarray
    rater: np.ndarray | None
    rating: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        return np.unique(self.face)


def _rated(measured: Measured, ratings: TraitRatings, *, level: float, seed: int, resamples: int) -> list[Findings]:
    places = face_places(ratings.face, measured.names)
    if (places < 0).all():
        there, here = ratings.face[0], measured.names[0]
        raise SchemaError(f"ratings: expected faces such as {here!r}; got {there!r}, ..., of which none is known")
    unknown = len(set(ratings.face[places < 0].tolist()))
    unrated = int((measured.there & ~np.isin(np.arange(len(measured)), places)).sum())
    counts = {"ratings": len(ratings), "ratings_blank": ratings.blank, "faces_rated_unknown": unknown, "faces_unrated": unrated}
    parts = [tabled(STUDY, measure=name, group="all", value=k, n=len(ratings), method="count") for name, k in counts.items()]
    drawn: dict[str, Any] = {"level": level, "seed": seed, "resamples": resamples}
    tested = []
    for trait in _traits(measured, ratings, places):
        reliability = _reliability(trait, level=level, seed=seed)
        parts.append(_of_raters(trait, reliability, level=level))
        tested.append(_of_measures(measured, trait, reliability, **drawn))
    return [*parts, *_adjusted(concatenate(tested))]


def _traits(measured: Measured, ratings: TraitRatings, places: np.ndarray) -> list[_Trait]:
    """Return the ratings of each trait of the measured faces of each group."""
    found = []
    for trait in dict.fromkeys(ratings.trait.tolist()):
        for group, inside in _groups(measured).items():
            rows = (ratings.trait == trait) & (places >= 0)
            rows &= (inside & measured.there)[places]
            if not rows.any():
                continue
            rater = ratings.rater[rows].astype(str)
            known = None if (rater == "").any() else rater
            found.append(_Trait(trait, group, places[rows], known, ratings.rating[rows]))
    return found


def _reliability(trait: _Trait, *, level: float, seed: int) -> dict[str, Reliability]:
    """Return alpha and the intraclass correlations, by what the design has: none of means, or of one rater."""
    if len(trait.rows) < 2 or len(trait.face) == len(trait.rows):
        return {}
    if trait.rater is None:
        return crossed_reliability(trait.rating, trait.face, None, level=level, seed=seed)
    names, rater = np.unique(trait.rater, return_inverse=True)
    if len(names) < 2:
        return {}
    faces = np.searchsorted(trait.rows, trait.face)
    shape = (len(trait.rows), len(names))
    count = np.bincount(faces * shape[1] + rater, minlength=shape[0] * shape[1])
    if (count > 0).all():
        table = (np.bincount(faces * shape[1] + rater, trait.rating, minlength=len(count)) / count).reshape(shape)
        return {"alpha": cronbach_alpha(table, level=level), **intraclass_correlations(table, level=level)}
    return crossed_reliability(trait.rating, trait.face, trait.rater, level=level, seed=seed)


def _of_mean(reliability: Mapping[str, Reliability]) -> float:
    """Return the reliability of the mean rating: raters' leniency does no harm where all judged all, and does elsewhere."""
    names = ("alpha", "ICC(2,k)", "ICC(1,k)")
    return next((reliability[name].value for name in names if name in reliability), float("nan"))


def _of_raters(trait: _Trait, reliability: Mapping[str, Reliability], *, level: float) -> Findings:
    known = {"group": trait.group, "n": len(trait.face)}
    raters = len(trait.face) if trait.rater is None else len(np.unique(trait.rater))
    counts = {"faces": len(trait.rows), "ratings_a_face": len(trait.face) / len(trait.rows)}
    counts |= {} if trait.rater is None else {"raters": raters}
    parts = [tabled(STUDY, measure=f"{name} of {trait.name}", value=k, method="count", **known) for name, k in counts.items()]
    exact = "alpha" in reliability
    for name, found in reliability.items():
        ends = {"value": found.value, "low": found.low, "high": found.high, "level": np.nan if np.isnan(found.low) else level}
        method = (
            "exact F" if exact else "bootstrap over faces and raters" if trait.rater is not None else "bootstrap over faces"
        )
        parts.append(tabled(STUDY, measure=f"{name.lower()} of {trait.name}", method=method, **ends, **known))
    forms = ("ICC(3,1)" if exact else "ICC(2,1)", "ICC(1,1)")
    single = next((reliability[name] for name in forms if name in reliability), None)
    if single is not None:
        needed = raters_needed(single.value, wanted=WANTED)
        parts.append(
            tabled(STUDY, measure=f"raters_needed of {trait.name}", value=needed, method="Spearman and Brown", **known)
        )
    return concatenate(parts)


def _of_measures(
    measured: Measured, trait: _Trait, reliability: Mapping[str, Reliability], *, level: float, seed: int, resamples: int
) -> Findings:
    """Return the correlations of a trait with each measure, one at a time: each has the faces that have it."""
    parts = []
    for name in correlated(measured):
        values = measured.columns[name].values.astype(np.float64)
        rows = trait.rows[np.isfinite(values[trait.rows])]
        what, known = f"{name} with {trait.name}", {"group": trait.group, "n": len(rows)}
        if len(rows) < LEAST:
            parts.append(tabled(STUDY, measure=f"spearman {what}", value=np.nan, method="too few faces", **known))
            continue
        kept = np.isin(trait.face, rows)
        face, rater = np.searchsorted(rows, trait.face[kept]), None if trait.rater is None else trait.rater[kept]
        found = rated_correlations(
            values[rows, None], trait.rating[kept], face, rater, level=level, seed=seed, resamples=resamples
        )
        several = rater is not None and len(np.unique(rater)) > 1
        method = f"bootstrap over faces{' and raters' if several else ''}"
        parts += _correlation_rows(found, what, _of_mean(reliability), level=level, method=method, known=known)
    return concatenate(parts)


def _correlation_rows(
    found: RatedCorrelations, what: str, reliable: float, *, level: float, method: str, known: Mapping[str, Any]
) -> list[Findings]:
    parts = []
    root = np.sqrt(reliable) if reliable > 0 else np.nan
    for kind, r, (low, high), how in (
        ("spearman", found.spearman[0], found.spearman_ends[:, 0], method),
        ("pearson", found.pearson[0], found.pearson_ends[:, 0], method),
        (
            "corrected",
            corrected_correlation(found.spearman[0], reliable),
            found.spearman_ends[:, 0] / root,
            "reliability as known",
        ),
    ):
        ends = {"low": low, "high": high, "level": np.nan if np.isnan(low) else level}
        parts.append(tabled(STUDY, measure=f"{kind} {what}", value=r, method=how, **ends, **known))
    needed = faces_needed(float(found.spearman[0]), level=level, power=POWER)
    parts.append(tabled(STUDY, measure=f"p {what}", value=found.p[0], method="permutation of ranks", **known))
    return [*parts, tabled(STUDY, measure=f"faces_needed {what}", value=needed, method=f"power {POWER:g}", **known)]


def _adjusted(found: Findings) -> list[Findings]:
    """Return the findings with "adjusted_p" in the place of p, over all of them at once."""
    tests = np.array([name.startswith("p ") for name in found.measure], bool)
    if not tests.any():
        return [found]
    names = np.array([f"adjusted_{name}" if test else name for name, test in zip(found.measure, tests, strict=True)], object)
    values = found.value.copy()
    values[tests] = adjusted_p_values(values[tests])
    return [replace(found, measure=names, value=values)]
