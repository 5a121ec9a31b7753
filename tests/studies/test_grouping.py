import numpy as np
import pytest

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.studies.grouping import crossed, grouping, person_means

PERSON = np.array(["ann", "ann", "bo", "bo", "cy", ""], object)


def test_a_fact_of_one_photo_is_a_fact_of_the_person():
    found = grouping("sex", np.array(["f", "", " m", "m", "", "f"], object), PERSON)
    assert found.groups == ("f", "m")
    assert found.code.tolist() == [0, 0, 1, 1, -1, -1]
    assert found.words.tolist() == ["f", "f", "m", "m", "", ""]
    assert found.view == ""


def test_the_label_of_the_mean_share_is_a_persons_perceived_group():
    shares = Column(
        np.array([[0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [np.nan] * 2, [np.nan] * 2, [1, 0]]), "p", "net@1", ("x", "y")
    )
    found = grouping("net.race", shares, PERSON)
    assert found.code.tolist() == [0, 0, 1, 1, -1, -1]
    assert found.view == "as perceived by net@1"


def test_labels_that_nobody_has_are_no_groups():
    shares = Column(np.eye(3)[[0, 0, 2, 2, 2, 2]], "p", "net@1", ("x", "y", "z"))
    assert grouping("race", shares, PERSON).groups == ("x", "z")


def test_numbers_are_cut_into_thirds_of_the_people():
    draw = np.random.default_rng(0)
    person = np.repeat([f"p{i}" for i in range(90)], 2)
    ages = np.repeat(draw.permutation(90).astype(float), 2)
    for values in (ages, Column(ages, "years", "net@1")):
        found = grouping("age", values, person)
        assert np.bincount(found.code).tolist() == [60, 60, 60]
        assert [ages[found.code == j].min() for j in range(3)] == [0, 30, 60]
    assert found.groups == ("up to 29", "30 to 59", "60 or more")
    assert found.view == "thirds of the people, as measured by net@1"


def test_what_is_not_known_is_no_group():
    found = grouping("age", np.array([*map(str, range(20)), "NA", "nan", ""], object), np.array([f"p{i}" for i in range(23)]))
    assert found.groups[0] == "up to 6"
    assert found.code[-3:].tolist() == [-1, -1, -1]


def test_a_few_numbers_are_words():
    assert grouping("score", np.array(["1", "1", "2", "2", "", ""], object), PERSON).groups == ("1", "2")


def test_crossed_groups_are_those_that_somebody_is_of():
    sex = grouping("sex", np.array(["f", "f", "m", "m", "m", ""], object), PERSON)
    eth = grouping("eth", np.array(["x", "x", "x", "x", "y", ""], object), PERSON)
    found = crossed([sex, eth])
    assert (found.name, found.groups) == ("sex*eth", ("f, x", "m, x", "m, y"))
    assert found.code.tolist() == [0, 0, 1, 1, 2, -1]
    again = crossed([eth, sex])
    words = [", ".join(reversed(word.split(", "))) for word in again.words]
    assert words == found.words.tolist()
    with pytest.raises(SchemaError, match=r"sex\*eth: expected two groups of people or more; got m, y"):
        crossed([sex, grouping("eth", np.array(["", "", "", "", "y", "x"], object), np.array([*PERSON[:5], "di"], object))])


def test_means_are_of_the_photos_that_have_a_number():
    found = person_means(np.array([1, np.nan, 3, 5, np.nan, 9.0]), np.array([0, 0, 1, 1, 2, 3]), 4)
    np.testing.assert_array_equal(found, [1, 4, np.nan, 9])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.array(["f", "m", "f", "f", "", ""], object), SchemaError, "one word a person; ann is f and m"),
        (np.array(["f"] * 6, object), SchemaError, "two groups of people or more; got f"),
        (np.array([""] * 6, object), SchemaError, "got none"),
        (np.array(["f"], object), WrongShape, "a value for each of 6 photos, got 1"),
        (Column(np.zeros((6, 4)), "1", "net@1"), SchemaError, "shares of labels; got shape"),
        (Column(np.full(6, np.nan), "1", "net@1"), SchemaError, "there is none"),
    ],
)
def test_what_groups_nobody_is_refused(values, error, message):
    with pytest.raises(error, match=message):
        grouping("sex", values, PERSON)
