"""Numbers about faces and photos by person: means, shares, the words that two people's photos have in common."""

import numpy as np
import pytest

from facevalue.data.errors import MissingColumn, SchemaError
from facevalue.data.faces import Column
from facevalue.data.people import People
from facevalue.studies.dimensions import dimension_names
from facevalue.studies.face_dimensions import face_dimensions, photo_controls
from facevalue.studies.photo_measures import photo_measure
from tests.studies.made import crowd, people_of


def pictured(photos, *, seed=0):
    """Return people with photos that were taken by cameras, and what was measured."""
    draw = np.random.default_rng(seed)
    people = people_of(*crowd(photos, seed=seed))
    n, faces = len(people), people.faces
    votes = draw.dirichlet(np.ones(3), size=n)
    p = draw.uniform(size=n)
    for name, column in {
        "attributes.age": Column(draw.uniform(20, 60, n), "years", "a@1"),
        "attributes.gender": Column(np.stack([p, 1 - p], 1), "p", "a@1", labels=("female", "male")),
        "expression.votes": Column(votes, "p", "e@1", labels=("happiness", "anger", "fear")),
        "geometry.averageness": Column(draw.uniform(size=n), "1", "geometry"),
        "pose.yaw": Column(draw.uniform(-20, 20, n), "deg", "pose@1"),
        "quality.sharpness": Column(draw.uniform(size=n), "1", "quality@1"),
    }.items():
        faces = faces.with_column(name, column)
    camera = {"camera": draw.choice(["", "A", "B", "C"], n).astype(object), "colour": draw.choice(["x", "y"], n).astype(object)}
    return People(faces, people.person, people.further, camera)


def test_dimensions_without_names_are_numbered_from_0_as_everywhere():
    people = pictured([2, 1])
    places = Column(np.ones((len(people), 2)), "1", "perceptual.mine@1")
    people = People(people.faces.with_column("perceptual.mine.dimensions", places), people.person, people.further)
    names = np.array(["p000", "p001"])
    found = face_dimensions(people, names, ["perceptual.mine"])
    assert [label.partition(": ")[2] for label in found.labels] == dimension_names(2).tolist()
    assert photo_measure(people, "perceptual.mine").labels == ("dimension 0", "dimension 1")


def test_dimensions_are_means_over_photos():
    people, names = pictured([2, 1, 3]), np.array(["p002", "p000", "unseen", "p001"])
    found = face_dimensions(people, names)
    assert found.labels == (
        "attributes.age",
        "attributes.gender: female",
        "pose.yaw",
        "expression.votes: happiness",
        "expression.votes: anger",
        "expression.votes: fear",
        "quality.sharpness",
        "geometry.averageness",
    )
    assert found.units == ("years", "p", "deg", "p", "p", "p", "1", "1")
    for i in (0, 1, 3):
        own = people.faces[people.person == names[i]]
        assert found.values[i, 0] == pytest.approx(own["attributes.age"].values.mean())
        assert found.values[i, 1] == pytest.approx(own["attributes.gender"].values[:, 0].mean())
        assert found.values[i, 2] == pytest.approx(own["pose.yaw"].values.mean(), abs=1e-5)
    assert np.isnan(found.values[2]).all()


def test_values_with_a_reason_against_them_do_not_count():
    people = pictured([2, 1])
    age = Column(np.array([30.0, 50, 40]), "years", "a@1", why=np.array(["", "too_small", "atypical"], object))
    people = People(people.faces.with_column("attributes.age", age), people.person, people.further)
    found = face_dimensions(people, np.array(["p000", "p001"]), ["attributes.age"])
    np.testing.assert_array_equal(found.values, [[30], [np.nan]])


def test_what_is_no_dimension_is_refused():
    people, names = pictured([1, 1]), np.array(["p000", "p001"])
    with pytest.raises(SchemaError, match=r"m\.embedding"):
        face_dimensions(people, names, ["m"])
    with pytest.raises(MissingColumn, match=r"attributes\.height"):
        face_dimensions(people, names, ["attributes.height"])
    with pytest.raises(MissingColumn, match="'lens'; there are: camera, colour"):
        photo_controls(people, names, ["lens"])
    with pytest.raises(MissingColumn, match="'colour'; there are: camera"):
        photo_controls(people, names).same("colour", np.arange(2))


def test_one_camera_is_the_share_of_pairs_of_photos():
    people, names = pictured([4, 3, 5, 2, 6], seed=2), np.array([f"p{i:03d}" for i in range(5)])
    found = photo_controls(people, names)
    assert list(found.shares) == ["camera"]
    block = np.array([3, 0, 2, 4])
    same = found.same("camera", block)
    for i, a in enumerate(names[block]):
        for j, b in enumerate(names[block]):
            mine, theirs = (people.columns["camera"][people.person == who] for who in (a, b))
            pairs = [x == y for x in mine if x for y in theirs if y]
            assert same[i, j] == pytest.approx(np.nan if i == j else np.mean(pairs), nan_ok=True)


def test_controls_take_the_size_of_the_turn_and_the_columns_asked_for():
    people, names = pictured([3, 2]), np.array(["p001", "p000"])
    found = photo_controls(people, names, ["colour"])
    own = people.person == "p001"
    assert found.quality["pose.yaw"][0] == pytest.approx(np.abs(people.faces["pose.yaw"].values[own]).mean())
    assert found.quality["quality.sharpness"][0] == pytest.approx(people.faces["quality.sharpness"].values[own].mean())
    assert found.words == {"colour": ("x", "y")}
    assert found.shares["colour"][0, 1] == pytest.approx((people.columns["colour"][own] == "y").mean())
    unknown = People(people.faces, people.person, people.further, {"camera": np.where(own, "", "A").astype(object)})
    shares = photo_controls(unknown, names).shares["camera"]
    np.testing.assert_array_equal(shares, [[np.nan], [1]])
