"""Persons, and splits that none of them straddles."""

import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.train import attributes, expression
from facevalue.train.recipe import EMBEDDING, Sample, _places
from facevalue.train.splits import persons, split

SHARES, UNSPLIT = attributes.RECIPE.shares, expression.RECIPE.shares


def photographed(people: int, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of 1 to `most` photos of each person, and who is on each; people lie far apart, photos near."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), draw.integers(1, most + 1, people))
    who = draw.permutation(who)
    return draw.normal(0, 1, (people, 16))[who] + draw.normal(0, 0.01, (len(who), 16)), who


def joined(embeddings: np.ndarray, same: float) -> np.ndarray:
    """Walk from face to near face: a second implementation of `persons`."""
    near = np.linalg.norm(embeddings[:, None] - embeddings, axis=2) < same
    found = np.full(len(near), -1)
    for first in range(len(near)):
        waiting = [first] if found[first] < 0 else []
        while waiting:
            at = waiting.pop()
            found[at] = first
            waiting += np.flatnonzero(near[at] & (found < 0)).tolist()
    return found


@pytest.mark.parametrize("same", [0.1, 0.25, 0.5])
def test_persons_are_chains_of_near_faces(same: float) -> None:
    embeddings = np.random.default_rng(4).uniform(0, 2, (300, 3))
    assert persons(embeddings, same=same).tolist() == joined(embeddings, same).tolist()


def test_persons_of_more_faces_than_a_block() -> None:
    embeddings, who = photographed(600, 4, seed=5)
    assert len(who) > 1024
    first = {person: row for row, person in reversed(list(enumerate(who.tolist())))}
    assert persons(embeddings).tolist() == [first[person] for person in who.tolist()]


def test_two_copies_of_a_photo_are_one_person_whatever_their_place() -> None:
    embeddings = np.random.default_rng(6).normal(0, 1, (3000, 128)) / 128**0.5
    copied = np.concatenate([embeddings, embeddings[::-1]])
    rows = np.arange(3000)
    assert persons(copied).tolist() == [*rows, *rows[::-1]]


@pytest.mark.parametrize("seed", range(5))
def test_no_person_straddles_two_parts_and_none_is_lost(seed: int) -> None:
    embeddings, who = photographed(200, 6, seed=seed)
    parts = split(persons(embeddings), SHARES, seed=seed)
    assert list(parts) == list(SHARES)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(who)))
    people = [set(who[at].tolist()) for at in parts.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == 200
    # the ends of the parts are rounded to whole people
    assert all(abs(len(found) - 200 * share) <= 1 for found, share in zip(people, SHARES.values(), strict=True))


@pytest.mark.parametrize("shares", [SHARES, UNSPLIT])
def test_the_shares_are_all_there_is(shares) -> None:
    assert sum(shares.values()) == pytest.approx(1)


def test_a_split_is_drawn_by_its_seed() -> None:
    groups = np.arange(400)
    first, again, other = (split(groups, SHARES, seed=seed) for seed in (1, 1, 2))
    assert all((first[name] == again[name]).all() for name in SHARES)
    # of 280 faces to learn from, drawn twice out of 400, more than 240 would be the same with a probability under 1e-12
    assert len(np.intersect1d(first["fit"], other["fit"])) < 240


def faces(embeddings: np.ndarray) -> Faces:
    n = len(embeddings)
    column = Column(embeddings, "1", "dlib_resnet@1")
    return Faces(np.arange(n).astype(str), np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), {EMBEDDING: column})


def test_the_persons_of_a_given_test_are_in_no_other_part() -> None:
    embeddings, who = photographed(300, 4, seed=7)
    rows = np.flatnonzero(np.random.default_rng(8).random(len(who)) < 0.8)
    test = np.random.default_rng(9).random(len(who)) < 0.1
    sample = Sample([], [], {}, np.ones(len(who), bool), test)
    places = _places(sample, rows, faces(embeddings[rows]), UNSPLIT, 0)
    assert list(places) == [*UNSPLIT, "test"]
    assert places["test"].tolist() == np.flatnonzero(test[rows]).tolist()
    people = {name: set(who[rows[at]].tolist()) for name, at in places.items()}
    assert sum(map(len, people.values())) == len(set.union(*people.values()))
    tested = set(who[rows][test[rows]].tolist())
    assert people["test"] == tested
    assert set.union(*people.values()) == set(who[rows].tolist())
    left = len(set(who[rows].tolist()) - tested)
    for name, share in UNSPLIT.items():
        assert abs(len(people[name]) - share * left) <= 5 * (left * share * (1 - share)) ** 0.5


def test_without_a_given_test_one_is_drawn() -> None:
    embeddings, who = photographed(100, 3, seed=10)
    sample = Sample([], [], {}, np.ones(len(who), bool))
    places = _places(sample, np.arange(len(who)), faces(embeddings), SHARES, 3)
    wanted = split(persons(embeddings.astype(np.float32)), SHARES, seed=3)
    assert all((places[name] == wanted[name]).all() for name in SHARES)
