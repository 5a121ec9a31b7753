"""Privacy: whom obscured photos still give away, and what can still be read in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.data.errors import RunError, SchemaError, WrongShape
from facevalue.data.findings import Findings
from facevalue.data.people import People
from facevalue.stats.calibration import check_level
from facevalue.stats.disparity import labels_test
from facevalue.stats.fairness import range_spread
from facevalue.stats.multiplicity import adjusted_p_values
from facevalue.studies.attacks import Attacker, attacks, is_attack, worst, worst_name
from facevalue.studies.attributes_left import attributes_left
from facevalue.studies.resampled import Crowd, Means, Measure, count, nothing

STUDY, CLEAN, BLACK = "privacy", "as they are", "solid"
RESAMPLES, PERMUTATIONS, LEAST = 1000, 999, 10
ARRAYS = ("embeddings", "restored", "inside", "found", "covered")
OF_GROUPS = ("tar", "rank1", "detected")
# Of photos as they are these are 1 by what they say.
SAME = ("_retained", "_agreement")
OF_ATTRIBUTES = ("f1", "balanced_accuracy", "retained", "agreement", "error", "error_years")


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """The photos of people, row by row, obscured in one way.

    Parameters
    ----------
    method, region, strength
        "pixelate", "face", 0.1.
    embeddings : (n, d) float
        Of the chip cut where the CLEAN photo has its landmarks: an attacker may know where the face was.
    restored : (n, d) float
        The same after the obscuring was reversed; NaN where it was not.
    inside : (n, d) float
        The same of a photo of which nothing is shown but what lies under the cover; NaN where there is no cover.
    found : (n,) bool
        Whether a second detector still finds the face.
    covered : (n,) float
        Share of the clean photo's landmarks that lie under the mask, in [0, 1]; NaN where there are none.
    attributes
        By column, as "attributes.gender": distributions (n, k), or numbers (n,), measured on the obscured photo.
    """

    method: str
    region: str
    strength: float
    embeddings: np.ndarray
    restored: np.ndarray
    inside: np.ndarray
    found: np.ndarray
    covered: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = np.shape(self.embeddings)
        parts = {
            "restored": (self.restored, shape),
            "inside": (self.inside, shape),
            "found": (self.found, shape[:1]),
            "covered": (self.covered, shape[:1]),
        }
        for name, (part, wanted) in parts.items():
            if len(shape) != 2 or np.shape(part) != wanted:
                raise WrongShape(f"{self.name}: {name} has shape {np.shape(part)}, expected {wanted}; embeddings {shape}")
        for name, values in self.attributes.items():
            if np.shape(values)[:1] != shape[:1]:
                raise WrongShape(f"{self.name}: {name} has {np.shape(values)[:1]} rows, expected {shape[0]}")

    @property
    def name(self) -> str:
        """Its name in findings: "pixelate face 0.1", or "as they are"."""
        return self.method if self.method == CLEAN else f"{self.method} {self.region} {self.strength:g}"

    def __getitem__(self, rows: Any) -> Condition:
        """Return the photos of a mask, a slice or an index array."""
        arrays = {name: np.asarray(getattr(self, name))[rows] for name in ARRAYS}
        return replace(self, **arrays, attributes={name: np.asarray(it)[rows] for name, it in self.attributes.items()})


def privacy(
    people: People,
    conditions: Sequence[Condition],
    model: str,
    *,
    fmr: float = 1e-3,
    groups: Mapping[str, np.ndarray] | None = None,
    allow_small: bool = False,
    level: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Return whom each condition gives away, and what it leaves to be read, a row a measure; the condition is the `group`.

    Of "as they are": photos, people, pairs_different (of clean photos of different people), threshold (the least cosine at
    which at most `fmr` of them match) and fmr, that at it. Of each condition:

    - naive_tar, naive_tar_refit, naive_rank1: obscured photos against clean OTHER photos of the same people: share at or above
      the threshold; the same at a threshold chosen on obscured against clean photos of different people, as an attacker
      would; share whose best match is their person, of several best a share. rank1_chance: what guessing would find.
    - same_photo_tar, same_photo_tar_refit, same_photo_rank1: against the clean photo that it was made of
    - gallery_tar, gallery_rank1: against other photos obscured alike, at a threshold chosen on them
    - parrot_tar, parrot_rank1: the same by a head that was trained on obscured photos of people who are not compared
    - reversal_tar, reversal_tar_refit, reversal_rank1: as naive, of photos on which the obscuring was reversed;
      reversal_parrot_tar, reversal_parrot_rank1: as parrot, of such photos
    - inside_gallery_tar, inside_parrot_tar and so on: as gallery and parrot, of photos of which nothing is shown but what lies
      under the cover; inside_tar: the larger. What they find is what the cover leaves of the face, and the cover's outline.
    - outside_tar: tar of the condition that blacks out the same region, for nothing of the face but the outline is left there
    - tar, rank1: the largest of all attacks but same_photo, which its method names. Its low end is that attack's, which was
      chosen after the numbers were seen: it is a little too high. Its high end is the largest of any attack
    - naive_fmr: share of pairs of different people that match at the threshold
    - detected, covered, covered_min: share of photos in which a second detector finds the face; mean and least share of
      landmarks under the mask
    - A_f1, A_balanced_accuracy, A_retained and so on of attributes: see `attributes_left`

    Every person weighs the same, but for F1 and balanced accuracy, where every photo does. Groups "CONDITION / sex: female":
    tar, rank1, detected and attributes of these people, at the threshold of all, by the attack that finds most in all.
    "CONDITION / sex": tar_gap and so on, the largest gap between groups, and tar_gap_adjusted_p of no difference, over all
    conditions, measures and groupings; of F1 it compares the shares of faces that are read right.

    Parameters
    ----------
    people
        n clean photos.
    conditions
        Of the same photos, row by row; one whose method is "as they are" replaces that which is added.
    model
        Whose embeddings they are.
    fmr
        The false match rate, in (0, 1).
    groups
        By the name of a grouping, as "sex": the group of each photo, (n,) str, one a person; "" for none.
    allow_small
        Whether fewer than 30 / fmr pairs of people will do.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draws of people, of folds and of permutations.
    progress
        Called with conditions done and in all.

    Raises
    ------
    RunError
        Fewer than two people, or too few pairs.
    WrongShape
        A condition or grouping of another number of photos.
    SchemaError
        Two conditions of one name, or a person in two groups of a grouping.

    References
    ----------
    McPherson, Shokri, Shmatikov, Defeating image obfuscation with deep learning, arXiv 1609.00408 (parrot); Newton, Sweeney,
    Malin, Preserving privacy by de-identifying face images, IEEE TKDE 17, 2005 (naive, parrot,
    reversal); arXiv 2301.05012 (protection that differs between groups).
    """
    check_level(level)
    kept = _checked(people, conditions, model, groups or {})
    seen, names = people[kept], np.unique(people.person[kept].astype(str))
    person = np.searchsorted(names, seen.person.astype(str))
    crowd = Crowd.of(len(names), level=level, seed=seed, resamples=RESAMPLES)
    few = _enough(person, fmr, allow_small)
    attacker = Attacker.of(seen.embedding(model), person, crowd, fmr=fmr, seed=seed)
    of_people = {name: _by_person(np.asarray(of)[kept], person, name) for name, of in (groups or {}).items()}
    parts, told = [condition[kept] for condition in conditions], _Told(seen, person, attacker, of_people, seed)
    if CLEAN not in [part.name for part in parts]:
        parts.insert(0, _clean(seen, model, parts))
    rows, tests = list(_calibration(attacker, few)), list[dict[str, Any]]()
    for done, part in enumerate(parts):
        progress(done, len(parts))
        more, tested = told.rows(part)
        rows += more
        tests += tested
    progress(len(parts), len(parts))
    rows += _outside(parts, rows)
    adjusted = adjusted_p_values(np.array([test["value"] for test in tests]))
    rows += [test | {"value": float(p)} for test, p in zip(tests, adjusted, strict=True)]
    run = f"{people.faces[f'{model}.embedding'].source}, fmr {fmr:g}, seed {seed}"
    return Findings.from_rows([{"study": STUDY, "run": run} | row for row in rows])


def measures(attributes: Sequence[str]) -> list[str]:
    """Return the names of all measures of a condition, of attributes that go by these names.

    >>> {"tar", "naive_tar_refit", "inside_parrot_rank1", "detected", "gender_f1"} <= set(measures(["gender"]))
    True
    """
    alone = ("gallery", "parrot", "reversal_parrot", "inside_gallery", "inside_parrot")
    found = ["tar", "rank1", "inside_tar", "outside_tar", "rank1_chance", "naive_fmr", "detected", "covered", "covered_min"]
    found += [f"{name}_{kind}" for name in ("naive", "same_photo", "reversal") for kind in ("tar", "tar_refit", "rank1")]
    found += [f"{name}_{kind}" for name in alone for kind in ("tar", "rank1")]
    return found + [f"{name}_{kind}" for name in attributes for kind in OF_ATTRIBUTES]


def _outside(parts: Sequence[Condition], rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield of each condition what is recognised by what lies outside its cover: `tar` where the region is blacked out."""
    black = {part.region: part.name for part in parts if part.method == BLACK}
    tars = {row["group"]: row for row in rows if row["measure"] == "tar"}
    for part in parts:
        if part.method == CLEAN:
            continue
        own = {"group": part.name, "measure": "outside_tar"}
        name = black.get(part.region)
        if name is None:
            yield own | nothing(f"{BLACK} {part.region} was not measured")
        else:
            yield {**tars[name], **own, "method": f"{name}, {tars[name]['method']}"}


def _checked(people: People, conditions: Sequence[Condition], model: str, groups: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which photos can be compared, (n,) bool."""
    kept, n = people.usable(model), len(people)
    for what, count_ in [(c.name, len(c.found)) for c in conditions] + [(g, len(of)) for g, of in groups.items()]:
        if count_ != n:
            raise WrongShape(f"{what}: expected {n} photos, as the clean ones are; got {count_}")
    names = [condition.name for condition in conditions]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SchemaError(f"expected conditions of different names; {sorted(twice)[0]!r} is there twice")
    if len(np.unique(people.person[kept].astype(str))) < 2:
        raise RunError(f"expected photos of two people or more that {model} can compare; got {kept.sum()} of {n} photos")
    return kept


def _enough(person: np.ndarray, fmr: float, allow_small: bool) -> str:
    """Return what to say of too few pairs of people, "" where there are enough; refuse too few unless they are allowed."""
    people, needed = len(np.unique(person)), math.ceil(30 / fmr - 1e-9)
    pairs = people * (people - 1) // 2
    if pairs >= needed:
        return ""
    if not allow_small:
        raise RunError(
            f"expected {needed:,} pairs of people or more, to know a false match rate of {fmr:g}; got {pairs:,} of {people:,} "
            "people: give more people, a higher rate, or allow so few (--allow-small)"
        )
    return f"insufficient: needs {needed:,} pairs of people, has {pairs:,}"


def _clean(people: People, model: str, conditions: Sequence[Condition]) -> Condition:
    """Return the photos as they are as a condition; no second detector has seen them."""
    embeddings = people.embedding(model)
    columns = dict.fromkeys(column for condition in conditions for column in condition.attributes)
    none, nowhere = np.full(embeddings.shape, np.nan), np.full(len(people), np.nan)
    attributes = {column: people.faces[column].values for column in columns}
    return Condition(CLEAN, "", 0.0, embeddings, none, none, nowhere, nowhere, attributes)


def _by_person(groups: np.ndarray, person: np.ndarray, name: str) -> np.ndarray:
    """Return the group of each person, (p,) str."""
    pairs = np.unique(np.stack([person.astype(str), groups.astype(str)]), axis=1)
    who, times = np.unique(pairs[0], return_counts=True)
    if (times > 1).any():
        raise SchemaError(f"groups {name!r}: expected one group a person; {(times > 1).sum()} people are in several")
    found = np.empty(len(who), object)
    found[person] = groups.astype(str)
    return found.astype(str)


def _calibration(attacker: Attacker, few: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of the threshold."""
    n, row, counts = len(attacker.person), {"group": CLEAN}, np.bincount(attacker.person)
    pairs = int((n**2 - (counts**2).sum()) // 2)
    yield row | {"measure": "photos"} | count(n, n)
    yield row | {"measure": "people"} | count(len(counts), n)
    yield row | {"measure": "pairs_different"} | count(pairs, n)
    yield row | {"measure": "threshold"} | count(attacker.threshold(), pairs) | {"method": few or "order statistic"}
    found = attacker.false_matches(attacker.clean)
    yield row | {"measure": "fmr"} | found | {"method": few or found["method"]}


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """Makes the rows of a condition."""

    people: People
    person: np.ndarray
    attacker: Attacker
    groups: Mapping[str, np.ndarray]
    seed: int

    def rows(self, condition: Condition) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of a condition, and those of its tests, not yet adjusted."""
        found, not_made = attacks(self.attacker, condition.embeddings, condition.restored, condition.inside)
        of_photos = {"detected": condition.found, "covered": condition.covered}
        found |= {name: Means(self._means(np.asarray(it, np.float64))) for name, it in of_photos.items()}
        read = list(attributes_left(self.people, self.person, condition.attributes))
        if condition.method == CLEAN:
            read = [it for it in read if not it[0].endswith(SAME)]
        found |= {name: measure for name, measure, _ in read}
        against = {name: f"against {it}" for name, _, it in read}
        rows = self._all(condition, found, not_made, against)
        tests = list[dict[str, Any]]()
        for grouping, of in self.groups.items():
            more, tested = self._grouped(f"{condition.name} / {grouping}", of, found, [name for name, *_ in read])
            rows += more
            tests += tested
        return rows, tests

    def _all(
        self, condition: Condition, found: dict[str, Measure], not_made: Mapping[str, str], against: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return the rows over all people."""
        named = {name: self.attacker.crowd.row(measure) for name, measure in found.items()}
        chance = named["rank1_chance"]
        named["rank1_chance"] = count(chance["value"], chance["n"])
        named |= {f"{attack}_{kind}": nothing(why) for attack, why in not_made.items() for kind in ("tar", "rank1")}
        inside = {name: row for name, row in named.items() if name.startswith("inside_")}
        named = {kind: worst(named, kind) for kind in ("tar", "rank1")} | named
        named["inside_tar"] = nothing(not_made["inside"]) if "inside" in not_made else worst(inside, "tar")
        named["naive_fmr"] = self.attacker.false_matches(condition.embeddings)
        least = condition.covered[np.isfinite(condition.covered)]
        named["covered_min"] = count(least.min(), len(least)) if len(least) else nothing("nobody to tell of")
        for name, told in against.items():
            named[name]["method"] += f", {told}"
        return [{"group": condition.name, "measure": name} | row for name, row in named.items()]

    def _grouped(
        self, group: str, of: np.ndarray, found: Mapping[str, Measure], read: Sequence[str]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of each group of people and of the gaps between them, and of the tests of no gap."""
        crowd, rows, chosen = self.attacker.crowd, list[dict[str, Any]](), self._worst(found)
        inside = {value: of == value for value in np.unique(of) if value}
        shown = [
            name for name in found if name.endswith(("_tar", "_tar_refit", "_rank1")) or name in read or name == "detected"
        ]
        for value, own in inside.items():
            cells = {name: crowd.row(found[name], own) for name in shown}
            cells = {kind: worst(cells, kind, name=chosen[kind]) for kind in chosen} | cells
            few = nothing(f"fewer than {LEAST} people") | {"n": int(own.sum())}
            kept = [name for name in cells if name in OF_GROUPS or name in read]
            rows += [
                {"group": f"{group}: {value}", "measure": name} | (cells[name] if own.sum() >= LEAST else few) for name in kept
            ]
        large = {value: own for value, own in inside.items() if own.sum() >= LEAST}
        if len(large) < 2:
            return rows, []
        gaps = [self._gap(name, measure, large) for name, measure in self._compared(found, chosen, read).items()]
        rows += [{"group": group} | gap for gap, _ in gaps]
        return rows, [{"group": group} | test for _, test in gaps]

    def _worst(self, found: Mapping[str, Measure]) -> dict[str, str | None]:
        """Return the attack that finds most in all people, of tar and of rank1: groups are compared by one attack."""
        crowd = self.attacker.crowd
        return {
            kind: worst_name({name: crowd.row(it) for name, it in found.items() if is_attack(name, kind)}, kind)
            for kind in ("tar", "rank1")
        }

    def _compared(
        self, found: Mapping[str, Measure], chosen: Mapping[str, str | None], read: Sequence[str]
    ) -> dict[str, Measure]:
        """Return the measures whose gaps are told."""
        named = {kind: found[name] for kind, name in chosen.items() if name}
        return named | {"detected": found["detected"]} | {name: found[name] for name in read if name.endswith("_f1")}

    def _gap(self, name: str, measure: Measure, groups: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the row of the largest gap between groups, and that of its test."""
        crowd = self.attacker.crowd
        drawn = np.stack([measure.drawn(crowd.draws, own) for own in groups.values()], axis=1)
        spread = range_spread(drawn[0], drawn[1:], level=crowd.level)
        high = min(1.0, max(spread.high, _apart([crowd.row(measure, own) for own in groups.values()])))
        shares, of = measure.shares, np.zeros(len(measure.shares), int)
        for number, own in enumerate(groups.values(), 1):
            of[own] = number
        known = (of > 0) & ~np.isnan(shares)
        ends = {"value": spread.value, "low": spread.low, "high": high, "n": int(known.sum())}
        level = math.nan if math.isnan(spread.low) else crowd.level
        gap = ends | {"measure": f"{name}_gap", "level": level, "method": "simultaneous, bootstrap over people"}
        p = _no_gap(shares[known], of[known], self.seed)
        test = {"measure": f"{name}_gap_adjusted_p", "low": math.nan, "high": math.nan, "level": math.nan, "n": ends["n"]}
        return gap, test | {"value": p, "method": "groups permuted over people, BH"}

    def _means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of each person's photos, (1, p)."""
        known, people = np.isfinite(values), self.attacker.crowd.draws.shape[1]
        with np.errstate(invalid="ignore"):
            sums, counts = (np.bincount(self.person[known], w, people) for w in (values[known], None))
            return np.asarray(sums / counts)[None]


def _apart(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return how far groups may lie apart of which one has few hits or misses: -inf where none has."""
    rare = [i for i, row in enumerate(rows) if "wilson" in row["method"]]
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j and (i in rare or j in rare)]
    return max((float(rows[i]["high"] - rows[j]["low"]) for i, j in pairs), default=-math.inf)


def _no_gap(shares: np.ndarray, of: np.ndarray, seed: int) -> float:
    """Return p of no difference between groups: the least of those of each against the rest, times their number."""
    if not len(shares) or np.ptp(shares) < 1e-12:
        return 1.0 if len(shares) else math.nan
    names, p = labels_test(shares, np.ones(len(shares)), of, seed=seed, permutations=PERMUTATIONS)
    return float(min(1.0, np.nanmin(p) * (len(names) if len(names) > 2 else 1))) if np.isfinite(p).any() else math.nan
