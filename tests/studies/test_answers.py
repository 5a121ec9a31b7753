"""Answers about faces and how they change, counted by hand."""

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column, Faces
from facevalue.studies.answers import answer_changes, answers

PLACE = np.zeros(4), np.zeros((4, 4)), np.zeros((4, 5, 2)), np.ones(4)


def faces(**columns):
    return Faces(*PLACE, {name.replace("__", "."): column for name, column in columns.items()})


def labels(rows, *, name="p"):
    return Column(np.array(rows, float), name, "m@1", labels=("f", "m"))


def changes(before, after, name, **options):
    return {
        measure: (values.tolist(), rows.tolist()) for measure, values, rows in answer_changes(before, after, name, **options)
    }


def test_labels_sets_and_what_is_missing():
    gone = [np.nan, np.nan]
    before = faces(m__sex=labels([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], gone]), m__sex_set=labels([[1, 0], [1, 1], [0, 1], gone]))
    after = faces(m__sex=labels([[0.2, 0.8], [0.7, 0.3], gone, gone]), m__sex_set=labels([[0, 1], [1, 1], gone, gone]))
    assert changes(before, after, "m.sex") == {
        "m.sex.became_missing": ([False, False, True], [0, 1, 2]),
        "m.sex.label_changed": ([True, False], [0, 1]),
        "m.sex.set_changed": ([True, False], [0, 1]),
    }


def test_numbers_that_leave_their_band_and_those_without_one():
    low, high = np.array([15, 35, np.nan, 55.0]), np.array([25, 45, np.nan, 65.0])
    before = faces(m__age=Column(np.array([20, 40, 50, 60.0]), "years", "m@1", low=low, high=high))
    after = faces(m__age=Column(np.array([24, 46, 90, 55.0]), "years", "m@1"))
    found = changes(before, after, "m.age")
    assert found["m.age.mean_change_years"] == ([4, 6, 40, 5], [0, 1, 2, 3])
    assert found["m.age.beyond_band"] == ([False, True, False], [0, 1, 3])


def test_a_mirror_and_a_turn_are_carried_and_angles_go_the_short_way():
    before = faces(m__roll=Column(np.array([10, -10, 179, 0.0]), "deg", "m@1"))
    after = faces(m__roll=Column(np.array([-8, 10, -179, np.nan]), "deg", "m@1"))
    measure = "m.roll.mean_change_deg"
    assert changes(before, after, "m.roll", carried=(-1.0, 0.0))[measure][0] == [2, 0, 0]
    assert changes(before, after, "m.roll", carried=(1.0, np.array([0, 20, 2, 9.0])))[measure][0] == pytest.approx([18, 0, 0])


def test_answers_are_labels_years_and_degrees_or_those_wanted():
    number = Column(np.zeros(4), "1", "m@1")
    whole = faces(
        m__sex=labels(np.full((4, 2), 0.5)),
        m__sex_set=labels(np.ones((4, 2))),
        m__age=Column(np.zeros(4), "years", "m@1"),
        m__age_sd=Column(np.zeros(4), "years", "m@1"),
        m__light=number,
        m__vector=Column(np.zeros((4, 3)), "1", "m@1"),
    )
    assert list(answers(whole)) == ["m.sex", "m.age"]
    assert list(answers(whole, ["m.light"])) == ["m.light"]
    with pytest.raises(SchemaError, match="m.vector: expected a number"):
        answers(whole, ["m.vector"])
    with pytest.raises(MissingColumn):
        answers(whole, ["m.height"])
    with pytest.raises(SchemaError, match="measured are m.light"):
        answers(faces(m__light=number))
