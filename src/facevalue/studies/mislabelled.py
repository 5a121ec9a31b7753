"""Mislabelled photos: unlike the other photos of their name, and perhaps like those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facevalue.stats.search import Nearest
from facevalue.studies.double_names import majority, photos_of, several
from facevalue.studies.strangers import Strangers

OTHERS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Mislabelled:
    """Photos that are unlike the others of their name, the least likely to belong there first.

    Parameters
    ----------
    judged
        Photos with another one under their name.
    photo, home : (c,) int
        Row of the photo, and of the photo of another name at whose cosine that name is judged; -1 of none.
    own, likeness : (c,) float
        Cosine that more than half of the other photos of its name do not exceed; that more than half of the home's reach.
    answer : (c,) str
        "same" where the home takes it for its own, "" where none does.
    p, share : (c,) float
        Of a photo under its right name as strange; the share of false ones expected among all as strange.
    called : (c,) bool
        Those that still hold after all photos were searched.
    """

    judged: int
    photo: np.ndarray
    home: np.ndarray
    own: np.ndarray
    likeness: np.ndarray
    answer: np.ndarray
    p: np.ndarray
    share: np.ndarray
    called: np.ndarray


def mislabelled(
    u: np.ndarray, who: np.ndarray, found: Nearest, strangers: Strangers, *, comparable: np.ndarray, seed: int
) -> Mislabelled:
    """Return which photos are unlike their own name's others, by a verdict, and what other name would take them.

    A photo is as alike to a name as more than half of that name's photos are to it. Strange is one that its own name's others
    call "different", or, with p of at most `1 - level`, one that another name calls "same". Of a photo under its right name
    `x = p_own min(1, names p_home)` is at most c with probability `c (1 - ln c)`, as if both were independent; of one without
    another home p_own counts alone. Called are those among which at most `1 - level` are expected to be false, of twice as many
    hypotheses as photos, for there are two kinds.

    Parameters
    ----------
    u : (m, d) float32
        Embeddings of length 1.
    who : (m,) int
        Whose each is, from 0.
    found
        The photos of other names nearest to each.
    strangers
        See there.
    comparable : (m,) bool
        Faces such as were calibrated on; others are not judged.
    seed
        Of the photos of a person with more than 200, of whom 200 are compared.

    References
    ----------
    The product of two p-values: Fisher, Statistical Methods for Research Workers, 4th edition, 1932, section 21.1.
    """
    groups = photos_of(who, seed=seed, most=OTHERS)
    own, count = _own(u, who, groups)
    judged = comparable & (count > 0)
    p_own = np.where(judged, np.minimum(1, several(count) * strangers.unlike(own)), 1.0)
    strange = np.flatnonzero(p_own <= 1 - strangers.level + 1e-9)
    home, likeness, size = _homes(u, strange, who, found, groups)
    answer = strangers.answers(likeness, (home >= 0) & comparable[home])
    mine = answer == "same"
    p_home = np.minimum(1, (len(groups) - 1) * several(size) * strangers.tail(likeness))
    p = np.where(mine, _product(p_own[strange] * p_home), p_own[strange])
    kept = mine | (strangers.answers(own[strange]) == "different")
    share, called = strangers.call(p[kept], np.full(kept.sum(), "same", object), tests=2 * max(1, int(judged.sum())))
    answer[~mine], home, likeness = "", np.where(mine, home, -1), np.where(mine, likeness, np.nan)
    parts = [*(part[kept] for part in (strange, home, own[strange], likeness, answer, p)), share, called]
    order = np.lexsort((parts[2], parts[5]))
    return Mislabelled(int(judged.sum()), *(part[order] for part in parts))


def _product(x: np.ndarray) -> np.ndarray:
    """Return the probability of a product of two p-values of at most x."""
    return np.asarray(np.minimum(1, x * (1 - np.log(np.maximum(x, 1e-300)))))


def _homes(
    u: np.ndarray, rows: np.ndarray, who: np.ndarray, found: Nearest, groups: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each of some rows what `_home` does, (c,) each."""
    homes = [_home(u, i, who, found.index[i], groups) for i in rows.tolist()]
    home, likeness, size = np.array(homes, float).reshape(-1, 3).T
    return home.astype(int), likeness, size


def _own(u: np.ndarray, who: np.ndarray, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine that more than half of the other photos of each photo's name do not exceed, and how many they are."""
    own, count = np.full(len(u), np.nan), np.zeros(len(u), int)
    for person, others in enumerate(groups):
        rows = np.flatnonzero(who == person) if len(others) == OTHERS else others
        if len(others) < 2:
            continue
        cosines = u[rows].astype(np.float64) @ u[others].astype(np.float64).T
        for i, row in enumerate(rows):
            values = cosines[i][others != row].clip(-1, 1)
            own[row], count[row] = values[majority(-values)], len(values)
    return own, count


def _home(u: np.ndarray, i: int, who: np.ndarray, near: np.ndarray, groups: Sequence[np.ndarray]) -> tuple[int, float, int]:
    """Return the other name that is most like a photo: a row of it, the cosine at that row, and how many photos it has."""
    found = (-1, np.nan, 0)
    for person in np.unique(who[near[near >= 0]]).tolist():
        rows = groups[person]
        cosines = (u[rows].astype(np.float64) @ u[i].astype(np.float64)).clip(-1, 1)
        at = majority(cosines)
        if not cosines[at] <= found[1]:
            found = (int(rows[at]), float(cosines[at]), len(rows))
    return found
