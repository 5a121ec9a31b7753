"""An even subset: which photos to keep, or how to weigh them, so that perceived groups have the shares that are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.faces import Faces
from facevalue.data.findings import Findings, concatenate
from facevalue.data.people import People
from facevalue.stats.calibration import check_level
from facevalue.stats.cube import cube_sample
from facevalue.stats.expected_shares import expected_shares
from facevalue.stats.raking import even_inclusion, off_target, raked_weights
from facevalue.stats.weighting import effective_number
from facevalue.studies.dimensions import tabled
from facevalue.studies.perceived import Perceived, perceived

STUDY = "even_subset"
NOT_NEEDED, SAME_PERSON, OTHER_LABEL = "not_needed", "another_photo_of_the_person", "other_label"
EXPECTED = "expected, if the probabilities are calibrated"


@dataclass(frozen=True, slots=True, eq=False)
class EvenSubset:
    """Which of n faces to keep, and what to weigh them by instead.

    Parameters
    ----------
    path : (n,) str
    keep : (n,) bool
    weight : (n,) float64
        Of mean 1 over the faces that have one; 0 of those without a use. For all of them, kept or not: take the subset or the
        weights.
    why : (n,) str
        Why a face is not kept; "" where it is.
    findings
        Shares before, kept and weighted, and what it costs.
    """

    path: np.ndarray
    keep: np.ndarray
    weight: np.ndarray
    why: np.ndarray
    findings: Findings


def even_subset(
    faces: Faces | People,
    by: Sequence[str],
    *,
    size: int | None = None,
    level: float,
    seed: int,
    shares: Mapping[str, Mapping[str, float]] | None = None,
) -> EvenSubset:
    """Return a subset whose perceived groups, and their intersections, are as even as can be, and weights that do the same.

    Probabilities count, not most likely labels: "share_kept" is the expected share of each group in the subset, with an
    interval for what the probabilities leave open, beside "target", "share_before" and "share_weighted". Faces are drawn at
    random with inclusion probabilities of largest entropy, balanced by the cube method, so that sure and unsure faces
    alike have a chance. The weights are raked. Of a person one photo, drawn at random, may be kept, unless a size is asked for
    that takes more. "effective_n" says as how many people the weighted ones count.

    Parameters
    ----------
    faces
        n measured faces; `People` where it is known who is on each.
    by
        Attributes: "gender", a column with labels, a column of the people; "gender x race" and both words one by one mean
        the cells of both, taken to be perceived regardless of each other.
    size
        How many faces to keep; None for as many as can be even.
    level
        Of the intervals, in (0, 1).
    seed
        Of the draw.
    shares
        By attribute, the wanted share of each label, in any unit; labels not named are not wanted. Without it all are
        wanted alike.

    Raises
    ------
    SchemaError
        A wanted cell in which less than one face is expected, and how many are needed; a size that cannot be.
    UnknownName
        No such attribute or label.

    References
    ----------
    Deville, Tille, Biometrika 91, 2004; Deville, Sarndal, JASA 87, 1992; Kish, Survey Sampling, 1965, section 11.7. Choosing
    greedily, as `balanced_subset` does along dimensions, would take the least sure faces first.

    Examples
    --------
    >>> from facevalue.data.faces import Column
    >>> p = np.repeat([[0.9, 0.1], [0.1, 0.9]], [30, 10], axis=0)
    >>> path = np.array([f"{i}.jpg" for i in range(40)], object)
    >>> gender = {"attributes.gender": Column(p, "p", "m@1", labels=("Male", "Female"))}
    >>> faces = Faces(path, np.zeros((40, 4)), np.zeros((40, 5, 2)), np.ones(40), gender, path)
    >>> found = even_subset(faces, ["gender"], level=0.9, seed=0)
    >>> int(found.keep.sum()), int(found.keep[30:].sum()), found.weight[[0, -1]].round(2)
    (20, 10, array([0.67, 2.  ]))
    """
    check_level(level)
    people = faces if isinstance(faces, People) else _unnamed(faces)
    part = perceived(people.faces, " x ".join(by), truth={}, rates={}, given=people.columns)
    target = _target(part, people, shares or {})
    wanted = target > 0
    p = np.nan_to_num(part.p[:, wanted])
    usable = part.judged & (p.sum(1) >= 0.5)
    who = _persons(people)
    pool = _pool(usable, who, size, seed)
    _check(part, np.array(part.labels, object)[wanted], p[pool], target[wanted], size)
    keep = np.zeros(len(people), bool)
    keep[pool] = _chosen(p[pool], target[wanted], size, seed)
    weight, flaw = _weights(p, target[wanted], usable, who)
    why = np.where(part.why != "", part.why, np.where(usable, NOT_NEEDED, OTHER_LABEL))
    doubled = usable & ~keep & np.isin(who, who[keep])
    why = np.where(keep, "", np.where(doubled, SAME_PERSON, why)).astype(object)
    found = EvenSubset(people.faces.path, keep, weight, why, Findings.from_rows([]))
    run = f"{part.source}, seed {seed}"
    told = [_shares(found, part, target, who, level, run), _lacking(part, target, size or int(keep.sum()), run)]
    return replace(found, findings=concatenate([*told, _costs(found, who, flaw, run)]))


def _unnamed(faces: Faces) -> People:
    return People(faces, np.full(len(faces), "", object), np.zeros(len(faces), int))


def _persons(people: People) -> np.ndarray:
    """Return the number of each face's person; of faces that are nobody's, each its own."""
    names = [f"person {name}" if name else f"face {i}" for i, name in enumerate(people.person)]
    return np.asarray(np.unique(names, return_inverse=True)[1])


def _weights(p: np.ndarray, target: np.ndarray, usable: np.ndarray, who: np.ndarray) -> tuple[np.ndarray, str]:
    """Return weights of mean 1 over usable faces, nearest to those under which people count alike; or why there are none."""
    weight, alike = np.zeros(len(p)), 1 / np.bincount(who[usable])[who[usable]]
    try:
        weight[usable] = raked_weights(p[usable], target, start=alike / alike.mean())
    except ValueError as error:
        return weight, str(error)
    return weight, ""


def _target(part: Perceived, people: People, shares: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Return the wanted share of each cell, (k,), of sum 1."""
    names = part.name.split(" x ")
    if strange := [name for name in shares if name not in names]:
        raise UnknownName(strange[0], names, what="attribute of the subset")
    target = np.ones(1)
    for name in names:
        labels = perceived(people.faces, name, truth={}, rates={}, given=people.columns).labels
        wanted = shares.get(name, dict.fromkeys(labels, 1.0))
        if unknown := [label for label in wanted if label not in labels]:
            raise UnknownName(unknown[0], labels, what=f"label of {name}")
        row = np.array([wanted.get(label, 0.0) for label in labels])
        if not (np.isfinite(row).all() and (row >= 0).all() and row.sum() > 0):
            raise SchemaError(f"{name}: expected wanted shares of 0 or more, not all 0; got {dict(wanted)}")
        target = np.multiply.outer(target, row / row.sum()).ravel()
    return target


def _pool(usable: np.ndarray, who: np.ndarray, size: int | None, seed: int) -> np.ndarray:
    """Return the rows to choose among: one of each person at random, or all where a size asks for more than people."""
    rows = np.flatnonzero(usable)
    order = np.random.default_rng(seed).permutation(rows)
    single = np.sort(order[np.unique(who[order], return_index=True)[1]])
    if size is None or size <= len(single):
        if size is not None and size < 1:
            raise SchemaError(f"expected a size of 1 or more, got {size}")
        return single
    if size > len(rows):
        raise SchemaError(f"expected a size of at most {len(rows)}, the faces that were judged; got {size}")
    return rows


def _check(part: Perceived, cells: np.ndarray, p: np.ndarray, target: np.ndarray, size: int | None) -> None:
    """Raise where a wanted cell is empty, or where no more than a face a cell can be even."""
    expected = p.sum(0)
    needed = np.maximum((size or 1) * target, 1.0)
    if (expected < 1).any():
        told = [
            f"{cell} ({have:.2g} expected, {ceil(need - have)} more needed)"
            for cell, have, need in zip(cells, expected, needed, strict=True)
            if have < 1
        ]
        raise SchemaError(
            f"{part.name}: expected a face or more in every cell; empty: {'; '.join(told)}; or leave labels out of the shares"
        )
    if size is None and (most := float(even_inclusion(p, target).sum())) < len(cells):
        thin = cells[int(np.argmin(expected / target))]
        raise SchemaError(
            f"{part.name}: no subset can be even: {part.source} is too unsure of these faces ({most:.1f} could be kept); "
            f"the thinnest cell is {thin}, {expected.min():.1f} faces expected: add such faces"
        )


def _chosen(p: np.ndarray, target: np.ndarray, size: int | None, seed: int) -> np.ndarray:
    """Return which faces of the pool to keep, (n,) bool."""
    if size == len(p):
        return np.ones(len(p), bool)
    inclusion = even_inclusion(p, target, size=size)
    return cube_sample(np.clip(inclusion, 0, 1), off_target(p, target)[:, :-1], seed=seed)


def _shares(found: EvenSubset, part: Perceived, target: np.ndarray, who: np.ndarray, level: float, run: str) -> Findings:
    """Return what is wanted, and the expected shares before, kept and weighted."""
    cells: dict[str, Any] = {"group": np.array([f"{part.name}: {label}" for label in part.labels], object), "run": run}
    parts = [tabled(STUDY, measure="target", value=target, n=len(found.keep), method="wanted", **cells)]
    for name, weights in (("before", part.judged), ("kept", found.keep), ("weighted", found.weight)):
        rows = weights > 0
        if rows.any():
            value, low, high = expected_shares(part.p[rows], level=level, weights=weights[rows], person=who[rows])
            ends = {"value": value, "low": low, "high": high, "level": level, "method": EXPECTED, "n": int(rows.sum())}
            parts.append(tabled(STUDY, measure=f"share_{name}", **ends, **cells))
    return concatenate(parts)


def _lacking(part: Perceived, target: np.ndarray, size: int, run: str) -> Findings:
    """Return how many faces of a cell more there would have to be for a subset of this size."""
    lacking = np.ceil(size * target - np.nansum(part.p[part.judged], axis=0) - 1e-6)
    rows = lacking >= 1
    groups = np.array([f"{part.name}: {label}" for label in part.labels], object)[rows]
    return tabled(STUDY, measure="faces_lacking", group=groups, value=lacking[rows], method="count", n=size, run=run)


def _costs(found: EvenSubset, who: np.ndarray, flaw: str, run: str) -> Findings:
    """Return how many faces are kept, why others are not, and as how many people the weighted ones count."""
    n, used = len(found.keep), found.weight > 0
    told = {"faces": n, "faces_kept": int(found.keep.sum()), "people_kept": len(np.unique(who[found.keep]))}
    left = {f"faces_left_out: {why}": count for why, count in Counter(found.why.tolist()).most_common() if why}
    rows = []
    for name, count in (told | left | {"faces_weighted": int(used.sum())}).items():
        measure, _, why = name.partition(": ")
        rows.append(tabled(STUDY, measure=measure, group=why or "all", value=count, n=n, method="count", run=run))
    known: dict[str, Any] = {"group": "all", "n": int(used.sum()), "run": run}
    if flaw:
        return concatenate([*rows, tabled(STUDY, measure="not_weighted", value=np.nan, method=flaw, **known)])
    effective = effective_number(np.bincount(who[used], found.weight[used]))
    rows.append(tabled(STUDY, measure="effective_n", value=effective, method="Kish, people as units", **known))
    return concatenate([*rows, tabled(STUDY, measure="largest_weight", value=found.weight.max(), method="raked", **known)])
