"""What is read in obscured photos, held against words of a table or what the clean photos said."""

from dataclasses import replace

import numpy as np
import pytest

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.studies.attributes_left import attributes_left

from .made import crowd, people_of

PERSON = np.repeat(np.arange(3), 2)


def people(**columns: list[str]) -> People:
    made = people_of(*crowd([2, 2, 2], seed=0))
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]])
    faces = made.faces.with_column("attributes.gender", Column(p, "p", "a@1", labels=("Male", "Female")))
    faces = faces.with_column("attributes.age", Column(np.array([20.0, 30, 40, 50, 60, 70]), "years", "a@1"))
    return replace(made, faces=faces, columns={name: np.array(words, object) for name, words in columns.items()})


def told(given: People, **attributes: np.ndarray) -> dict[str, float]:
    named = {f"attributes.{name}": values for name, values in attributes.items()}
    everyone = np.ones((1, 3)), np.ones(3, bool)
    return {name: float(it.drawn(*everyone)[0]) for name, it, _ in attributes_left(given, PERSON, named)}


def test_words_that_are_no_label_are_left_out_and_ages_that_are_no_number():
    p = np.tile([0.9, 0.1], (6, 1))
    found = told(people(sex=["m", "M", "female", "Woman", "", "other"]), gender=p)
    assert found["gender_balanced_accuracy"] == 0.5
    assert found["gender_agreement"] == pytest.approx((1 + 0 + 0.5) / 3)
    ages = told(people(age=["20", "", "41", "50", "?", "?"]), age=np.array([22.0, 99, 40, np.nan, 60, 60]))
    assert ages == {"age_error_years": pytest.approx((2 + 1) / 2)}
    assert told(people(), age=np.array([[21.0], [31], [40], [50], [60], [64]])) == {
        "age_error_years": pytest.approx((1 + 0 + 3) / 3)
    }


def test_a_column_without_a_label_and_another_shape_are_refused():
    with pytest.raises(SchemaError, match="column 'sex': expected words such as Male, Female; got 0, 1"):
        told(people(sex=["0", "1"] * 3), gender=np.ones((6, 2)))
    with pytest.raises(WrongShape, match=r"attributes\.gender: expected shape \(6, 2\)"):
        told(people(), gender=np.ones((6, 3)))


def test_against_the_clean_reading_the_clean_photos_are_faultless():
    given = people()
    found = told(given, gender=given.faces["attributes.gender"].values)
    assert found == {"gender_f1": 1, "gender_balanced_accuracy": 1, "gender_retained": 1}
