"""Targets out of columns, tables and placed landmarks."""

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError, UnknownName
from facevalue.data.faces import Column, Faces
from facevalue.data.people import People
from facevalue.data.shapes import Shapes
from facevalue.image.pose import mean_mesh
from facevalue.image.proportions import proportions
from facevalue.studies.targets import instruments_of, numbers, outcome, read_words, table_columns, targets


@pytest.fixture
def people():
    mesh = np.stack([mean_mesh()[0] * (80 + i) for i in range(3)])
    mesh[2] = np.nan
    shares = np.array([[0.7, 0.3], [0.2, 0.8], [np.nan, np.nan]])
    columns = {
        "mesh.landmarks": Column(mesh, "px", "mesh@1"),
        "pose.yaw": Column(np.array([1.0, 2, 3]), "deg", "pose@1"),
        "pose.pitch": Column(np.zeros(3), "deg", "pose@1"),
        "pose.roll": Column(np.zeros(3), "deg", "pose@1"),
        "attributes.gender": Column(shares, "p", "attributes@1", ("male", "female")),
        "m.embedding": Column(np.zeros((3, 4)), "1", "m@1"),
    }
    paths = np.array(["ann/a_1.jpg", "ann/a_2.jpg", "bo/b.jpg"], object)
    faces = Faces(paths, np.zeros((3, 4)), np.zeros((3, 5, 2)), np.ones(3), columns, paths)
    return People(faces, np.array(["ann", "ann", "bo"], object), np.zeros(3, int))


def test_groups_columns_and_tables_become_targets(people):
    table = {"income": np.array([1.0, 2, np.nan]), "pose": np.array(["a", "b", ""], object)}
    found = targets(["geometry", "pose", "attributes.gender", "income", "pose.yaw"], people, table=table)
    assert found["attributes.gender"].tolist() == ["male", "female", ""]
    assert found["pose"].tolist() == ["a", "b", ""]
    assert found["pose.yaw"].tolist() == [1, 2, 3]
    assert "pose.pitch" not in found
    known = proportions(people.faces["mesh.landmarks"].values.astype(float))
    assert {f"geometry.{name}" for name in known} < set(found)
    assert found["geometry.pupil_distance"][0] == pytest.approx(found["geometry.pupil_distance"][1], rel=1e-5)
    assert np.isnan(found["geometry.pupil_distance"][2])


def test_one_of_a_group_can_be_named(people):
    (name,) = targets(["geometry.nose_width"], people)
    assert name == "geometry.nose_width"
    assert outcome("geometry.nose_width", people).shape == (3,)
    with pytest.raises(UnknownName, match="no target is called 'geometry.nose'; did you mean geometry.nose_width"):
        targets(["geometry.nose"], people)
    with pytest.raises(SchemaError, match="pose stands for 3: name one of pose.yaw, pose.pitch, pose.roll"):
        outcome("pose", people)


def test_placed_landmarks_are_found_by_the_name_of_the_photo(people):
    points = np.random.default_rng(0).uniform(size=(2, 68, 2))
    shapes = Shapes(np.array(["b", "a_1"], object), points, "ibug68")
    found = targets(["placed"], people, placed=shapes)
    known = proportions(points, "ibug68")["nose_width"]
    np.testing.assert_array_equal(found["placed.nose_width"], [known[1], np.nan, known[0]])
    with pytest.raises(SchemaError, match="named like the photos, as 'a_1'; they are like 'x'"):
        targets(["placed"], people, placed=Shapes(np.array(["x"], object), points[:1], "ibug68"))
    with pytest.raises(SchemaError, match="--landmarks"):
        targets(["placed"], people)


def test_a_table_goes_by_path_or_by_person(people):
    by_person = table_columns(people, [{"person": "ann", "age": "3"}, {"person": "cy", "age": "4"}], where="t.csv")
    np.testing.assert_array_equal(by_person["age"], [3, 3, np.nan])
    by_path = table_columns(people, [{"path": "bo/b.jpg", "person": "bo", "word": "x"}], where="t.csv")
    assert {name: column.tolist() for name, column in by_path.items()} == {"word": ["", "", "x"]}
    for rows, error, message in (
        ([{"name": "a"}], MissingColumn, "t.csv: expected a column called path or person; it has name"),
        ([{"person": "ann"}, {"person": "ann"}], SchemaError, "each person once; 1 of 2 rows repeat one"),
        ([{"path": "z.jpg"}], SchemaError, "expected path like 'ann/a_1.jpg'; none of 1 fits, the first is 'z.jpg'"),
    ):
        with pytest.raises(error, match=message):
            table_columns(people, rows, where="t.csv")


def test_the_instruments_that_targets_need():
    assert instruments_of(["age", "attributes.race", "size", "placed"]) == ("attributes", "quality")
    assert instruments_of(["geometry.nose_width", "placed.nose_width"]) == ("mesh",)
    assert instruments_of(["age"], known=["age"]) == ()
    with pytest.raises(UnknownName, match="did you mean geometry"):
        instruments_of(["geometri"])


def test_what_is_no_target_is_refused(people):
    for name, error, message in (
        ("m.embedding", SchemaError, "a number a face or shares of labels"),
        ("brightness", MissingColumn, "quality.luminance"),
        ("nothing", UnknownName, "no target is called 'nothing'"),
    ):
        with pytest.raises(error, match=message):
            targets([name], people)
    with pytest.raises(SchemaError, match="got labels: b"):
        numbers({"a": np.ones(2), "b": np.array(["x", "y"])})


@pytest.mark.parametrize(("words", "number"), [(["1e3", "-.5", ""], True), (["1", "1,5"], False), (["NA", "2"], True)])
def test_words_that_are_all_numbers_are_numbers(words, number):
    assert (read_words(words).dtype.kind == "f") == number
