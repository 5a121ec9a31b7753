"""Attacks on obscured photos: who is on them, told by a face model that compares them with other photos."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevalue.stats.discriminant import unseen_scores
from facevalue.stats.linkage import Links, links, rank_one
from facevalue.stats.probe import person_folds
from facevalue.stats.similarity import unit
from facevalue.stats.verification import error_bound
from facevalue.studies.resampled import Crowd, Means, Measure, nothing

ATTACKS = ("naive", "gallery", "parrot", "reversal", "inside")
FOLDS, LEAST_PEOPLE = 10, 12
BELOW_ALL = -2.0


@dataclass(frozen=True, slots=True, eq=False)
class Attacker:
    """Who has clean photos of people, and is shown others.

    Parameters
    ----------
    clean : (n, d) float
        Embeddings of the clean photos.
    person : (n,) int
        Whose each is, numbered from 0.
    crowd
        Draws of the people.
    fmr
        The false match rate.
    bounds : (1 + r,) float
        A score above it is a match, by clean photos of different people: of all people, and of those of each draw.
    folds : (n,) int
        Of people, for heads that are trained.
    """

    clean: np.ndarray
    person: np.ndarray
    crowd: Crowd
    fmr: float
    bounds: np.ndarray
    folds: np.ndarray

    @classmethod
    def of(cls, clean: np.ndarray, person: np.ndarray, crowd: Crowd, *, fmr: float, seed: int) -> Attacker:
        """Return the attacker whose threshold is that of clean photos."""
        clean, itself = unit(clean).astype(np.float64), np.eye(len(person), dtype=bool)
        bounds = links(_scores(clean, clean), person, person, left_out=itself).bounds(fmr, crowd.draws)
        people = len(np.unique(person))
        folds = (
            person_folds(person, folds=min(FOLDS, people), seed=seed) if people >= LEAST_PEOPLE else np.zeros(len(person), int)
        )
        return cls(clean, person, crowd, fmr, bounds, folds)

    def threshold(self) -> float:
        """Return the least score that is a match."""
        return float(np.nextafter(self.bounds[0], math.inf))

    def naive(self, probes: np.ndarray, *, name: str = "naive") -> Iterator[tuple[str, Measure]]:
        """Yield what comes of comparing photos, (n, d), with clean OTHER photos of people, row by row the same photos."""
        scores, itself = _scores(_unit(probes), self.clean), np.eye(len(self.person), dtype=bool)
        found = links(scores, self.person, self.person, left_out=itself)
        yield f"{name}_tar", Means(found.matched(self.bounds))
        yield f"{name}_tar_refit", self._refit(found)
        share, chance = rank_one(scores, self.person, self.person, left_out=itself)
        yield f"{name}_rank1", Means(share[None])
        if name == "naive":
            yield "rank1_chance", Means(chance[None])

    def same_photo(self, probes: np.ndarray) -> Iterator[tuple[str, Measure]]:
        """Yield what comes of comparing photos with the clean photos that they were made of."""
        scores = _scores(_unit(probes), self.clean)
        others = (self.person[:, None] == self.person) & ~np.eye(len(self.person), dtype=bool)
        found = links(scores, self.person, self.person, left_out=others)
        yield "same_photo_tar", Means(found.matched(self.bounds))
        yield "same_photo_tar_refit", self._refit(found)
        yield "same_photo_rank1", Means(rank_one(scores, self.person, self.person, left_out=others)[0][None])

    def gallery(self, probes: np.ndarray, *, name: str = "gallery") -> Iterator[tuple[str, Measure]]:
        """Yield what comes of comparing photos with each other: a gallery obscured alike."""
        u = _unit(probes)
        yield from self._among(name, _scores(u, u))

    def parrot(self, probes: np.ndarray, *, name: str = "parrot") -> Iterator[tuple[str, Measure]]:
        """Yield what comes of comparing photos with each other by a head that was trained on such photos of other people.

        Raises
        ------
        ValueError
            Too few people, or photos that do not differ.
        """
        known = np.isfinite(probes).all(1)
        if not self.folds.any():
            raise ValueError(f"expected {LEAST_PEOPLE} people or more to train a head on")
        scores = np.full((len(probes), len(probes)), BELOW_ALL)
        scores[np.ix_(known, known)] = unseen_scores(_unit(probes)[known], self.person[known], self.folds[known])
        yield from self._among(name, scores)

    def false_matches(self, probes: np.ndarray) -> dict[str, Any]:
        """Return the row of the rate at which photos match those of other people at the threshold of clean photos."""
        itself = np.eye(len(self.person), dtype=bool)
        found = links(_scores(_unit(probes), self.clean), self.person, self.person, left_out=itself)
        value, *drawn = found.false_matched(float(self.bounds[0]), self.crowd.draws).tolist()
        ends, people = [(1 - self.crowd.level) / 2, (1 + self.crowd.level) / 2], self.crowd.draws.shape[1]
        low, high = np.nanquantile(drawn, ends)
        pairs = people * (people - 1) // 2
        high = max(float(high), error_bound(math.ceil(value * pairs - 1e-9), pairs, ends[1]))
        cells = {"value": value, "low": float(low), "high": high, "level": self.crowd.level, "n": pairs}
        return cells | {"method": "bootstrap over people"}

    def _among(self, name: str, scores: np.ndarray) -> Iterator[tuple[str, Measure]]:
        itself = np.eye(len(self.person), dtype=bool)
        yield f"{name}_tar", self._refit(links(scores, self.person, self.person, left_out=itself))
        yield f"{name}_rank1", Means(rank_one(scores, self.person, self.person, left_out=itself)[0][None])

    def _refit(self, found: Links) -> Means:
        """Return the shares above a threshold that is chosen anew in each draw."""
        return Means(found.matched(found.bounds(self.fmr, self.crowd.draws)))


def attacks(
    attacker: Attacker, photos: np.ndarray, restored: np.ndarray, inside: np.ndarray
) -> tuple[dict[str, Measure], Mapping[str, str]]:
    """Return what each attack finds, and of those that cannot be made why not.

    Parameters
    ----------
    attacker
        Who has clean photos.
    photos : (n, d) float
        Embeddings of the obscured photos.
    restored : (n, d) float
        Of photos on which the obscuring was reversed; NaN where it was not: such a photo is taken as it is.
    inside : (n, d) float
        Of photos of which nothing is shown but what lies under the cover; NaN where there is none.
    """
    found, not_made = dict(attacker.naive(photos)), dict[str, str]()
    found |= dict(attacker.same_photo(photos)) | dict(attacker.gallery(photos))
    trained, undone = {"parrot": photos}, np.isfinite(restored).all(1)
    if undone.any():
        trained["reversal_parrot"] = back = np.where(undone[:, None], restored, photos)
        found |= dict(attacker.naive(back, name="reversal"))
    else:
        not_made["reversal"] = "nothing can be restored"
    if np.isfinite(inside).all(1).any():
        trained["inside_parrot"] = inside
        found |= dict(attacker.gallery(inside, name="inside_gallery"))
    else:
        not_made["inside"] = "nothing is covered"
    for name, shown in trained.items():
        try:
            found |= dict(attacker.parrot(shown, name=name))
        except ValueError as error:
            not_made[name] = f"not to be had: {error}"
    return found, not_made


def is_attack(name: str, kind: str) -> bool:
    """Return whether a measure is an attack's, of a kind: "tar" or "rank1"; linkage of the same photo is none.

    >>> [is_attack(name, "tar") for name in ("naive_tar_refit", "inside_parrot_tar", "same_photo_tar", "outside_tar")]
    [True, True, False, False]
    """
    return name.startswith(ATTACKS) and name.removesuffix("_refit").endswith(f"_{kind}")


def worst_name(rows: Mapping[str, Mapping[str, Any]], kind: str) -> str | None:
    """Return the attack that finds most; None where no attack tells anything."""
    known = [name for name, row in rows.items() if is_attack(name, kind) and not math.isnan(row["value"])]
    return max(known, key=lambda name: float(rows[name]["value"])) if known else None


def worst(rows: Mapping[str, Mapping[str, Any]], kind: str, *, name: str | None = None) -> dict[str, Any]:
    """Return the row of the attack named, or else of that which finds most, its high end the largest of all attacks'.

    Examples
    --------
    >>> rows = {"naive_tar": {"value": 0.1, "low": 0.0, "high": 0.4, "method": "m"}}
    >>> rows["parrot_tar"] = {"value": 0.2, "low": 0.1, "high": 0.3, "method": "m"}
    >>> worst(rows, "tar")
    {'value': 0.2, 'low': 0.1, 'high': 0.4, 'method': 'parrot_tar: m'}
    """
    name = name or worst_name(rows, kind)
    if name is None or math.isnan(rows[name]["value"]):
        return nothing("nobody to tell of")
    highs = [row["high"] for other, row in rows.items() if is_attack(other, kind) and not math.isnan(row["high"])]
    return {**rows[name], "high": max(highs, default=math.nan), "method": f"{name}: {rows[name]['method']}"}


def _unit(rows: np.ndarray) -> np.ndarray:
    return unit(rows).astype(np.float64)


def _scores(probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Return cosines; of a photo without an embedding a score below all others."""
    return np.asarray(np.nan_to_num(probes @ gallery.T, nan=BELOW_ALL))
