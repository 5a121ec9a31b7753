from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facevalue.data.errors import RunError, SchemaError
from facevalue.data.member_photos import member_roster, owned
from facevalue.data.networks import Members


def text(*words: str) -> np.ndarray:
    return np.array(words, object)


@pytest.fixture
def photos(tmp_path):
    for path in ("ann/1.png", "ann/2.png", "bo.png", "old/cy.png", "other/else.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / path)
    return tmp_path


def test_photos_belong_to_the_id_in_their_name_or_folder(photos):
    found = member_roster(Members(text("bo", "ann", "cy", "dee")), photos)
    assert found.person == {"ann/1.png": "ann", "ann/2.png": "ann", "bo.png": "bo", "old/cy.png": "cy"}
    assert len(found.photos) == 5


def test_photos_belong_to_whom_the_table_says(photos):
    camera = {"camera": text("A", "B", "")}
    members = Members(text("x", "y"), {}, text("ann", "./old/cy.png", "else.png"), np.array([0, 1, 1]), camera)
    found = member_roster(members, photos)
    assert found.person == {"ann/1.png": "x", "ann/2.png": "x", "old/cy.png": "y", "other/else.png": "y"}
    assert found.columns["camera"] == {"ann/1.png": "A", "ann/2.png": "A", "old/cy.png": "B", "other/else.png": ""}


def test_a_photo_of_a_folder_may_be_another_persons(photos):
    members = Members(text("x", "y"), {}, text("ann", "ann/2.png"), np.array([0, 1]))
    assert member_roster(members, photos).person == {"ann/1.png": "x", "ann/2.png": "y"}


def test_photos_of_nobody_and_those_that_are_not_there_are_told(photos):
    members = Members(text("x", "y"), {}, text("ann", "old/di.png", "bo.png"), np.array([0, 1, 1]))
    roster = member_roster(members, photos)
    assert len(roster.photos) == 5
    kept, sentences = owned(roster, members)
    assert {photo.path for photo in kept.photos} == set(kept.person) == {"ann/1.png", "ann/2.png", "bo.png"}
    assert sentences == [
        "2 of 5 photos belong to nobody in the table (old/cy.png, other/else.png): left out.",
        "1 of 3 photos in the table are not in the folder of faces (old/di.png).",
    ]
    everybody = Members(text("ann", "bo", "cy", "other"))
    whole = member_roster(everybody, photos)
    assert owned(whole, everybody) == (whole, [])


def test_words_about_photos_are_of_photos_that_the_table_names(photos):
    camera = {"camera": np.empty(0, object)}
    assert member_roster(Members(text("ann", "bo"), photo_columns=camera), photos).columns == {}


def test_what_does_not_fit_is_told(photos, tmp_path):
    with pytest.raises(RunError, match=r"'zoe', a photo there is 'ann/1.png'"):
        member_roster(Members(text("zoe")), photos)
    with pytest.raises(RunError, match=r"table names 'zoe.jpg'"):
        member_roster(Members(text("zoe"), {}, text("zoe.jpg"), np.array([0])), photos)
    with pytest.raises(SchemaError, match=r"'bo.png' is of y and another"):
        member_roster(Members(text("x", "y"), {}, text("bo.png", "bo.png"), np.array([0, 1])), photos)
