from __future__ import annotations

import math

import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Members
from facevalue.studies.signed_network import Rules, signed_network
from tests.data.made_ties import text, ties_of

PEOPLE = Members(text(*"abcd"), {"village": text("u", "u", "u", "v"), "asked": text("1", "0", "", "1")})


@pytest.mark.parametrize(
    ("relations", "rules", "controls", "taken"),
    [
        (("friend", "enemy"), Rules(), (), "Friends: friend. Enemies: enemy."),
        (("Trust", "dislikes", "kin"), Rules(), (), "Friends: Trust. Enemies: dislikes. Not used: kin (1 row)."),
        (("advice",), Rules(), (), "Friends: advice. Enemies: none."),
        (("advice", "kin"), Rules(), ("same:village*kin",), "Friends: advice. Enemies: none."),
        (("kin", "foe"), Rules(), (), "Friends: none. Enemies: foe. Not used: kin (1 row)."),
        (("kin", "foe"), Rules(friends=("kin",)), (), "Friends: kin. Enemies: foe."),
        (("foe",), Rules(), (), "Friends: none. Enemies: foe."),
        (("x", "y", "z"), Rules(enemies=("y", "x")), (), "Friends: none. Enemies: y, x. Not used: z (1 row)."),
    ],
)
def test_friends_and_enemies_are_told_by_names(relations, rules, controls, taken):
    ties = ties_of(*(("a", "b", 1, name) for name in relations[:1]), *(("b", "c", 1, name) for name in relations[1:]))
    found = signed_network(PEOPLE, ties, rules=rules, controls=controls)
    assert found.sentences[-1] == taken
    sign = 1 if relations[0] in taken.partition("Enemies")[0] else -1 if relations[0] in taken.partition(" Not")[0] else 0
    assert found.signs()[0][0, 1] == sign


@pytest.mark.parametrize(
    ("rules", "controls", "error", "message"),
    [
        (Rules(), (), SchemaError, "expected to be told which relations are of friends, and which of enemies; there are x, y"),
        (Rules(friends=("x",), enemies=("x",)), (), SchemaError, "'x' is two"),
        (Rules(friends=("x",)), ("x",), SchemaError, "'x' is two"),
        (Rules(friends=("z",)), (), UnknownName, "no relation is called 'z'"),
        (Rules(friends=("x",), wave="3"), (), UnknownName, "no wave is called '3'; known: 1, 2"),
        (Rules(friends=("y",)), (), SchemaError, r"there is none: 1 of 3 rows \(line 3: a-c\) without a known weight"),
    ],
)
def test_what_cannot_be_taken_is_told(rules, controls, error, message):
    ties = ties_of(("a", "b", 1, "x", "1"), ("a", "c", math.nan, "y", "1"), ("b", "c", 1, "x", "2"))
    with pytest.raises(error, match=message):
        signed_network(PEOPLE, ties, rules=rules, controls=controls)


def test_ties_of_those_who_were_not_asked_are_unknown():
    ties = ties_of(("a", "b", 1), ("b", "a", 1), ("c", "d", -1))
    found = signed_network(PEOPLE, ties, rules=Rules(answered="asked"))
    signs = found.signs()[0]
    assert np.isnan(signs[1:3]).all()
    assert signs[[0, 0, 0, 3, 3, 3], [1, 2, 3, 0, 1, 2]].tolist() == [1, 0, 0, 0, 0, 0]
    assert found.sentences[:2] == (
        "2 of 4 people were not asked (asked is 0 or empty): their ties are unknown.",
        "2 of 3 rows (line 3: b-a; line 4: c-d) are of people who were not asked: the tie counts as unknown.",
    )


def test_waves_are_of_friends_and_enemies_and_a_control_may_have_others():
    rows = [("a", "b", 1, "f", "1"), ("a", "c", -1, "f", "2"), ("b", "c", 1, "kin", "0")]
    found = signed_network(PEOPLE, ties_of(*rows), rules=Rules(within="village"), controls=["kin"])
    assert (found.waves, found.wave, found.block_names, found.cells) == (("1", "2"), "2", ("u", "v"), 10)
    assert [found.signs(wave)[0][0, 1:].tolist() for wave in ("1", "2")] == [[1, 0], [0, -1]]
    np.testing.assert_array_equal(found.relation("kin")[0][1:, 1:], [[np.nan, 1], [1, np.nan]])
    assert found.sentences[-2:] == ("Ties of wave 2; there are 1, 2.", "The control kin is of wave 0, its last.")
