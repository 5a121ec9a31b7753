from __future__ import annotations

import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Members
from facevalue.studies.controls import Known, predictors, read_control

COLUMNS = {"sex": ["f", "f", "m", ""], "age": ["20", "25", "", "40"], "name": ["a", "b", "c", "d"]}
BLOCKS = [np.array([0, 1, 2]), np.array([3])]


@pytest.fixture
def known() -> Known:
    members = Members(np.array(list("abcd"), object), {k: np.array(v, object) for k, v in COLUMNS.items()})
    shares = {"camera": np.array([[1, 0], [0.5, 0.5], [0, 1], [np.nan, np.nan]])}
    kin = [np.array([[np.nan, 1, 0], [1, np.nan, 0], [0, 0, np.nan]]), np.full((1, 1), np.nan)]
    return Known(members, {"quality.sharpness": np.array([1.0, 2, 3, 4])}, shares, {"kin": kin})


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("same:sex", (0, 1), 1),
        ("same:sex", (0, 2), 0),
        ("absdiff:age", (0, 1), 5),
        ("absdiff:age", (0, 2), np.nan),
        ("sum:quality.sharpness", (1, 2), 5),
        ("product:age", (0, 1), 500),
        ("min:age", (0, 1), 20),
        ("max:age", (0, 1), 25),
        ("sender:age", (0, 1), 20),
        ("receiver:age", (0, 1), 25),
        ("sender:age", (0, 2), np.nan),
        ("same:camera", (0, 1), 0.5),
        ("same:camera", (0, 2), 0),
        ("kin", (0, 1), 1),
        ("same:sex*kin", (0, 1), 1),
        ("same:sex*absdiff:age", (0, 1), 5),
        ("similarity*same:sex", (0, 1), 1),
    ],
)
def test_each_control(known, word, pair, expected):
    found = predictors([word], known, BLOCKS)
    assert [part.shape for part in found] == [(3, 3, 1), (1, 1, 1)]
    np.testing.assert_equal(found[0][pair][0], expected)


@pytest.mark.parametrize(
    ("word", "error", "told"),
    [
        ("samme:sex", UnknownName, "same"),
        ("same:", SchemaError, "same:sex"),
        ("same:sexx", UnknownName, "sex"),
        ("absdiff:name", SchemaError, "'a'"),
        ("kinn", UnknownName, "kin"),
        ("", SchemaError, "kin"),
        ("similarity", SchemaError, "leave it out"),
    ],
)
def test_what_is_not_understood_is_told(known, word, error, told):
    with pytest.raises(error, match=told):
        predictors([word], known, BLOCKS)


def test_words_about_photos_of_which_none_is_known_are_unknown(known):
    nothing = Known(known.members, {}, {"camera": np.empty((4, 0))}, {})
    assert np.isnan(predictors(["same:camera"], nothing, BLOCKS)[0]).all()


def test_an_interaction_is_read():
    assert [str(part) for part in read_control("same:sex * absdiff:age")] == ["same:sex", "absdiff:age"]
