"""Judgments as the descent takes them: choices about numbered faces, by raters who share masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.similarities import Similarities
from facevalue.data.triplets import Triplets, over_same_faces
from facevalue.studies.kept import choices
from facevalue.train.loop import device

HELD, MOST_HELD = 0.25, 64_000
MOST_FACES = 400
Groups = Mapping[str, Sequence[str]]
Judgments = Triplets | Similarities | Sequence[Triplets]
Vectors = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Part:
    """Answers of one kind, as choices.

    Parameters
    ----------
    from_target
        Whether the items are a target and those to choose among, or three faces of which one is odd.
    items : (t, k) int
    chosen : (t,) int
    rater : (t,) int
        Rows of `Task.shares`.
    """

    from_target: bool
    items: Tensor
    chosen: Tensor
    rater: Tensor


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be explained.

    Parameters
    ----------
    parts
        Answers; none where similarities are given.
    n
        The number of faces.
    shares : (r, l) sparse
        The share of each of l masks in that of each of r raters; no column where there are no masks.
    vectors : (n, k), optional
        Of the faces, standardised; without them each face has a row of its own.
    counts : (n, n), optional
        Over how many third faces each pair was kept, symmetric.
    """

    parts: Sequence[Part]
    n: int
    shares: Tensor
    vectors: Tensor | None = None
    counts: Tensor | None = None


def listed(answers: Judgments) -> list[Triplets]:
    """Return the sets of answers over the same faces, without check trials."""
    if isinstance(answers, Similarities):
        return []
    parts = over_same_faces([answers] if isinstance(answers, Triplets) else list(answers))
    parts = [part[~part.self_referring] for part in parts]
    if not sum(len(part) for part in parts):
        raise SchemaError("expected answers to fit to, got none but check trials")
    return [part for part in parts if len(part)]


def held_rows(answers: Triplets, *, seed: int) -> np.ndarray:
    """Return which answers are kept for the evidence, (t,) bool: a quarter, and 64,000 at most."""
    held = np.zeros(len(answers), bool)
    held[np.random.default_rng(seed).permutation(len(answers))[: min(int(HELD * len(answers)), MOST_HELD)]] = True
    return held


def standardised(vectors: np.ndarray | None, names: np.ndarray) -> Vectors | None:
    """Return vectors with a mean of 0 and an sd of 1 in each column, the means and the sds."""
    if vectors is None:
        return None
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise WrongShape(f"expected vectors ({len(names)}, k), a row a face; got {vectors.shape}")
    if lacking := np.flatnonzero(~np.isfinite(vectors).all(1)).tolist():
        raise SchemaError(f"expected a finite vector of each face; {len(lacking)} have none, {names[lacking[0]]!r} the first")
    centre, scale = vectors.mean(0), vectors.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    return ((vectors - centre) / scale).astype(np.float32), centre.astype(np.float32), scale.astype(np.float32)


def masks_of(
    given: Iterable[Triplets], mask: str, groups: Groups | None
) -> tuple[list[str], dict[str, tuple[str, ...]], Tensor]:
    """Return the masks' names, the names of each annotator's, and the share of each mask in each annotator's.

    The rows of the shares are the annotators who have a mask, sorted, and one for everybody else: the mean of all masks.
    """
    people = sorted({person for part in given for person in part.annotators})
    if mask == "none":
        return [], {}, _no_masks(1)
    if not people:
        raise SchemaError(f"expected annotators for masks by {mask}, got answers that do not say whose they are")
    own = {person: (person,) for person in people} if mask == "annotator" else _own_groups(people, groups or {})
    members = {person: labels for person, labels in own.items() if labels}
    names = sorted({label for labels in members.values() for label in labels})
    row = {label: i for i, label in enumerate(names)}
    mixed = [[row[label] for label in labels] for labels in members.values()] + [list(row.values())]
    places = [(i, j, 1 / len(columns)) for i, columns in enumerate(mixed) for j in columns]
    at, values = torch.tensor([place[:2] for place in places]).T, torch.tensor([place[2] for place in places])
    return names, members, _sparse(at, values, (len(mixed), len(names)))


def _own_groups(people: Sequence[str], groups: Groups) -> dict[str, tuple[str, ...]]:
    """Return the groups of each annotator, sorted; none of those whose groups are not known."""
    if not any(groups.get(person) for person in people):
        raise SchemaError(f"expected groups of the annotators for masks by group, got none of any of {len(people)}")
    if alone := [person for person, own in groups.items() if isinstance(own, str)]:
        raise SchemaError(f"expected a list of groups of each annotator, got the text {groups[alone[0]]!r} of {alone[0]!r}")
    return {person: tuple(sorted(set(groups.get(person, ())))) for person in people}


def _no_masks(raters: int) -> Tensor:
    return _sparse(torch.zeros((2, 0), dtype=torch.int64), torch.zeros(0), (raters, 0))


def _sparse(at: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(at, values, shape, device=device(), check_invariants=True).coalesce()


def task_of(
    answers: Judgments,
    given: Sequence[Triplets],
    known: Vectors | None,
    members: Mapping[str, Sequence[str]],
    shares: Tensor,
) -> Task:
    """Return some of the answers as a task, or the similarities as one.

    Parameters
    ----------
    answers
        As they were given.
    given
        Sets of answers about the same faces, as `listed` returns them.
    known
        Vectors of the faces, as `standardised` returns them.
    members, shares
        As `masks_of` returns them.
    """
    vectors = None if known is None else to_tensor(known[0])
    if isinstance(answers, Similarities):
        return Task((), len(answers.names), shares, vectors, to_tensor(_counts(answers)))
    people = sorted(members) if shares.shape[1] else []
    return Task([_part(part, people) for part in given], len(given[0].names), shares, vectors)


def _counts(alike: Similarities) -> np.ndarray:
    """Return over how many third faces each pair was kept, (n, n) float32."""
    n, pairs = len(alike), int(np.isfinite(alike.values).sum()) // 2
    if n < 3 or not pairs:
        raise SchemaError(f"expected similarities of three faces or more, got {pairs} of {n} faces")
    if n > MOST_FACES:
        raise SchemaError(
            f"expected similarities of {MOST_FACES} faces at most, as all threes are looked at; got {n}: give answers"
        )
    answered = np.where(alike.count > 0, alike.count, n - 2)
    return np.asarray(np.nan_to_num(alike.values) * answered, np.float32)


def _part(answers: Triplets, people: Sequence[str]) -> Part:
    """Return the answers as choices; a ranking is one choice after the other, each among the faces that are left."""
    row = {person: i for i, person in enumerate(people)}
    rater = np.array([row.get(person, len(people)) for person in answers.annotator], np.int64)
    items, (_, chosen) = answers.items, choices(answers)
    if answers.kind == "ranking":
        gone = range(items.shape[1] - 2)
        left = [np.pad(items[:, 1 + k :], ((0, 0), (0, k)), constant_values=-1) for k in gone]
        items = np.hstack([np.tile(items[:, :1], (len(gone), 1)), np.vstack(left)])
        chosen, rater = np.tile(chosen, len(gone)), np.tile(rater, len(gone))
    return Part(answers.kind != "odd_one_out", *map(to_tensor, (items, chosen, rater)))


def to_tensor(values: Any) -> Tensor:
    """Return an array as a tensor where the fit runs."""
    return torch.as_tensor(np.ascontiguousarray(values)).to(device())
