from dataclasses import replace

import numpy as np
import pytest

from facevalue.report.regression_tables import cells
from facevalue.report.verdicts import told
from facevalue.studies.tie_models import Corrected, Model

from . import homophily as made


def said(*terms, name="similarity", kind="linear"):
    return told(Model(name, kind, "y", terms, 100, 10, 1, {}), "one sd")[0]


OPEN = "No difference can be told between friends and people without a tie"


@pytest.mark.parametrize(
    ("value", "p", "words"),
    [
        (0.05, 0.01, "Friends look more alike than people without a tie: difference 0.050 of one sd"),
        (-0.05, 0.01, "Friends look less alike than people without a tie: difference -0.050 of one sd"),
        (0.005, 0.6, f"{OPEN}: difference 0.005"),
        (0.05, 0.3, f"{OPEN} (interval and permutations do not agree): difference 0.050"),
        (0.005, 0.01, f"{OPEN} (interval and permutations do not agree): difference 0.005"),
        (0.05, np.nan, "Friends look more alike than people without a tie: difference 0.050"),
    ],
)
def test_a_direction_is_named_where_interval_and_permutations_agree(value, p, words):
    one = made.term("friend", value, 0.01)
    sentence = said(replace(one, p=p))
    assert sentence.startswith(words)
    assert f"{value - 1.645 * 0.01:z.3f} to {value + 1.645 * 0.01:z.3f}" in sentence
    assert ("not permuted" in sentence) == np.isnan(p)


def test_odds_are_the_exponents_of_coefficients_naive_beside_corrected():
    one = replace(made.term("similarity", 0.3, 0.05, p=0.002), corrected=Corrected(0.5, 0.4, 0.65, 0.49))
    odds = [f"{np.exp(end):.3f}" for end in (one.value, one.low, one.high)]
    fixed = [f"{np.exp(end):.3f}" for end in (0.5, 0.4, 0.65)]
    assert said(one, name="enemy", kind="logistic") == (
        f"People who look more alike are more often enemies: odds ratio {odds[0]} for one sd (90 % interval {odds[1]} to "
        f"{odds[2]}, p 0.002 ± 0.001); with the error of the photos taken off {fixed[0]} ({fixed[1]} to {fixed[2]})."
    )
    assert cells(one)["odds"] == odds[0]


def test_odds_near_1_keep_the_digits_of_their_interval():
    assert "odds ratio 1.0120 for one sd (90 % interval 1.0087 to 1.0153" in said(
        made.term("similarity", np.log(1.012), 0.002), name="friend", kind="logistic"
    )


def test_a_coefficient_without_an_interval_is_left_open():
    one = made.term("friend", 0.5, 0.1, robust=np.nan, p=0.001)
    assert said(one) == f"{OPEN}: difference 0.500 of one sd (no interval, p 0.001 ± 0.001)."


def test_what_cannot_be_corrected_is_said_so():
    one = replace(made.term("similarity", 0.3, 0.05), corrected=Corrected(np.nan, np.nan, np.nan, np.nan))
    assert said(one, name="friend", kind="logistic").endswith(
        "with the error of the photos taken off: not possible, see the notes."
    )


def test_weights_are_no_correction():
    one = replace(made.term("friend", 0.05, 0.01), corrected=Corrected(0.06, 0.04, 0.08, np.nan))
    assert said(one).endswith("; weighted by how well faces are known 0.060 (0.040 to 0.080).")


def test_with_products_a_coefficient_is_said_to_hold_where_the_others_are_0():
    terms = [made.term(name, 0.3, 0.05) for name in ("similarity", "same:sex", "similarity*same:sex", "same:sex*kin")]
    assert said(*terms, name="friend", kind="logistic").startswith(
        "People who look more alike are more often friends, among pairs where same sex is 0: odds ratio"
    )


@pytest.mark.parametrize(
    ("term", "value", "name", "words"),
    [
        ("friend-enemy", 0.1, "similarity", "Friends look more alike than enemies: "),
        ("enemy", 0.0, "similarity", "No difference can be told between enemies and people without a tie: "),
        ("similarity", 0.1, "friend rather than enemy", "Tied people who look more alike are more often friends, rather than "),
        ("similarity", 0.0, "friend", "No link can be told between looking alike and being friends: "),
        ("similarity", -0.1, "friendship begins", "Friendship begins less often where faces are more alike: "),
        ("similarity", 0.0, "enmity lasts", "No link can be told between how alike faces are and whether enmity lasts: "),
        (
            "friend",
            0.1,
            "faces converge",
            "The faces of friends grew more alike between the waves than those of people without",
        ),
        ("enemy", 0.0, "faces converge", "No difference can be told between how the faces of enemies changed and those of "),
    ],
)
def test_every_question_has_plain_words(term, value, name, words):
    one = made.term(term, value, 0.01, p=0.01 if value else 0.9)
    assert said(one, name=name, kind="linear" if term != "similarity" else "logistic").startswith(words)


def test_nothing_is_said_of_controls():
    assert len(told(made.models()[0], "one sd")) == 3
    assert told(made.krackhardt(), "one sd") == []
