"""A data set searched: every face compared with every other, and what stood out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facevalue.data.errors import RunError
from facevalue.data.people import NO_PERSON, People
from facevalue.stats.search import Nearest, nearest
from facevalue.stats.similarity import unit
from facevalue.studies.double_names import Links, NamePairs, links, name_pairs
from facevalue.studies.duplicates import Copies, near_duplicates, neighbour_pairs, same_bytes
from facevalue.studies.mislabelled import Mislabelled, mislabelled
from facevalue.studies.strangers import Alike, Strangers, drifted, strangers_alike, told

NEIGHBOURS, CHUNK = 8, 4096
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The photos that can be compared, and what was found among them.

    Parameters
    ----------
    people
        All n photos.
    model
        Whose embeddings are compared.
    rows : (m,) int
        The photos that can be compared; where there are names, that have one.
    u : (m, d) float32
        Their embeddings, of length 1.
    who : (m,) int
        Whose each is, from 0; -1 for nobody's.
    strangers
        What is known of different people.
    comparable : (m,) bool
        Faces such as were calibrated on.
    same, copies
        Rows of equal bytes; and pairs of photos that are one picture.
    names, wrong, alike
        Where there are names.
    linked
        Where there are none.
    notes
        What must be said.
    """

    people: People
    model: str
    rows: np.ndarray
    u: np.ndarray
    who: np.ndarray
    strangers: Strangers
    comparable: np.ndarray
    same: tuple[np.ndarray, np.ndarray]
    copies: Copies
    names: NamePairs | None = None
    wrong: Mislabelled | None = None
    linked: Links | None = None
    alike: Alike | None = None
    notes: tuple[str, ...] = field(default=())

    def counts(self) -> dict[str, int]:
        """Return how many were found of each kind, called or not."""
        found = {"same_bytes": len(self.same[0]), "near_duplicate": len(self.copies.a)}
        if self.names is not None and self.wrong is not None:
            two = int((self.names.answer == "same").sum())
            found |= {"two_names": two, "look_alike": len(self.names.a) - two, "mislabelled": len(self.wrong.photo)}
        if self.linked is not None:
            found["same_person"] = int((self.linked.answer == "same").sum())
        return found


def searched(people: People, model: str, strangers: Strangers, *, seed: int, progress: Progress) -> Seen:
    """Return what stands out among the faces of n photos, each compared with every other.

    Parameters
    ----------
    people, model, seed, progress
        As for `suspects`.
    strangers
        What is known of different people.

    Raises
    ------
    RunError
        Fewer than two photos can be compared, and none is a copy.
    """
    why = people.why(model)
    named = bool((people.person != "").any())
    rows = np.flatnonzero(((why == "") | (why == NO_PERSON)) & _measured(people, model))
    copied = same_bytes(people.faces.photo)
    if len(rows) < 2 and not len(copied[0]):
        reasons = told(Counter(w for w in why.tolist() if w))
        raise RunError(f"expected two photos or more that {model} can compare; got {len(rows)} of {len(people)} ({reasons})")
    u = unit(people.embedding(model)[rows])
    _, who = np.unique(people.person[rows].astype(str), return_inverse=True)
    who = np.where(people.person[rows] == "", -1, who - int((people.person[rows] == "").any()))
    comparable = strangers.comparable(people.faces[rows], model)
    total = len(rows) * (2 if named else 1)
    near = _nearest(u, np.arange(len(rows)), lambda done: progress(done, total))
    least = float(np.cos(np.radians(strangers.degrees)))
    pairs = neighbour_pairs(near, np.arange(len(rows)), least=min(least, strangers.threshold))
    copies = near_duplicates(people.faces, (rows[pairs[0]], rows[pairs[1]], pairs[2]), degrees=strangers.degrees)
    seen = Seen(people, model, rows, u, who, strangers, comparable, copied, copies)
    if not named:
        possible = neighbour_pairs(near, np.arange(len(rows)), least=-1.0)
        return replace(seen, linked=links(len(rows), possible, strangers, comparable=comparable), notes=_notes(seen, None))
    return _named(seen, seed, lambda done: progress(len(rows) + done, total))


def _named(seen: Seen, seed: int, progress: Callable[[int], None]) -> Seen:
    """Return the same with what was found among photos that have names."""
    own = np.flatnonzero(seen.who >= 0)
    mine = replace(seen, rows=seen.rows[own], u=seen.u[own], who=seen.who[own], comparable=seen.comparable[own])
    alike = strangers_alike(mine.people[mine.rows], mine.model, mine.strangers.threshold, level=mine.strangers.level, seed=seed)
    near = _nearest(mine.u, mine.who, progress)
    known: dict[str, Any] = {"comparable": mine.comparable, "seed": seed}
    names = name_pairs(mine.u, mine.who, near, mine.strangers, **known)
    wrong = mislabelled(mine.u, mine.who, near, mine.strangers, **known)
    notes = _notes(mine, alike)
    if drift := drifted(mine.strangers, alike):
        notes += (drift,)
        names = replace(names, called=np.zeros(len(names.called), bool))
        wrong = replace(wrong, called=np.zeros(len(wrong.called), bool))
    return replace(mine, names=names, wrong=wrong, alike=alike, notes=notes)


def _measured(people: People, model: str) -> np.ndarray:
    embedding = people.embedding(model)
    return np.asarray(np.isfinite(embedding).all(1) & embedding.any(1))


def _nearest(u: np.ndarray, labels: np.ndarray, progress: Callable[[int], None]) -> Nearest:
    """Return the nearest rows of another label than each row's own, a chunk at a time."""
    k, parts = min(NEIGHBOURS, max(1, len(u))), []
    for start in range(0, len(u), CHUNK):
        chunk = slice(start, start + CHUNK)
        parts.append(nearest(u[chunk], u, k=k, labels=(labels[chunk], labels)))
        progress(min(start + CHUNK, len(u)))
    empty = np.empty((0, k))
    return Nearest(
        np.concatenate([empty.astype(int), *(part.index for part in parts)]),
        np.concatenate([empty.astype(np.float32), *(part.similarity for part in parts)]),
    )


def _notes(seen: Seen, alike: Alike | None) -> tuple[str, ...]:
    notes = []
    if seen.strangers.verifier is None:
        notes.append(f"Not calibrated: {seen.strangers.threshold:g} is a bare threshold, so that no pair is called.")
    elif unlike := int((~seen.comparable).sum()):
        notes.append(f"{unlike} of {len(seen.rows)} faces are unlike those calibrated on: none of their pairs is called.")
    if seen.copies.points == 5:
        notes.append(
            "Near-duplicates rest on five points a face: annotate with mesh for a sharper rule, and for mirrored copies."
        )
    if alike is None and seen.strangers.verifier is not None:
        notes.append("No photo has a name: that strangers look as alike here as those calibrated on cannot be checked.")
    return tuple(notes)
