import numpy as np
import pytest

from facevalue.data.faces import Column, Faces
from facevalue.image.pose import mean_mesh
from facevalue.studies.face_sources import face_sources, photo_quality


def faces(n=6, **columns):
    path = np.array([f"{i}.jpg" for i in range(n)], object)
    named = {name.replace("__", "."): column for name, column in columns.items()}
    return Faces(path, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n), named, path)


def test_numbers_shares_dimensions_embeddings_and_landmarks_are_sources_and_what_stands_beside_is_not():
    draw = np.random.default_rng(0)
    race = draw.dirichlet(np.ones(3), 6)
    mesh = mean_mesh()[0] * 50 + 0.1 * draw.normal(size=(6, 468, 3))
    found = face_sources(
        faces(
            attributes__age=Column(draw.normal(size=6), "years", "a@1"),
            attributes__race=Column(race, "p", "a@1", labels=("x", "y", "z")),
            attributes__race_set=Column(race > 0.2, "1", "a@1", labels=("x", "y", "z")),
            attributes__age_sd=Column(np.ones(6), "years", "a@1"),
            attributes__distance=Column(np.ones(6), "1", "a@1"),
            avfs_u__dimensions=Column(draw.random((6, 2)), "1", "v@1"),
            m__embedding=Column(5 * draw.normal(size=(6, 4)), "1", "m@1"),
            m_spread__flip=Column(draw.normal(size=6), "deg", "m@1"),
            mesh__landmarks=Column(mesh, "px", "mesh@1"),
            mesh__presence=Column(np.ones(6), "p", "mesh@1"),
            pose__yaw=Column(draw.normal(size=6), "deg", "p@1"),
        )
    )
    assert set(found) == {"attributes", "avfs_u", "m", "geometry", "pose"}
    labels = ("attributes.age", "attributes.race: x", "attributes.race: y", "attributes.race: z")
    assert found["attributes"].labels == labels
    assert found["attributes"].values[:, 1:] == pytest.approx(race, abs=1e-6)
    assert found["avfs_u"].labels == ("avfs_u: dimension 0", "avfs_u: dimension 1")
    assert found["m"].labels == ()
    assert np.linalg.norm(found["m"].values, axis=1) == pytest.approx(np.ones(6))
    assert "geometry.nose_width" in found["geometry"].labels
    assert [name for name, source in found.items() if source.of_photos] == ["pose"]


def test_a_column_weighs_one_whatever_its_unit_and_labels():
    draw = np.random.default_rng(1)
    column = Column(draw.dirichlet(np.ones(4), 60), "p", "a@1", labels=tuple("wxyz"))
    made = face_sources(
        faces(
            60,
            a__race=column,
            a__age=Column(99 * draw.normal(size=60), "years", "a@1"),
            a__flat=Column(np.ones(60), "1", "a@1"),
        )
    )["a"]
    spread = made.scaled(np.arange(60)).var(0)
    of = np.array([label.startswith("a.race") for label in made.labels])
    assert spread[of].sum() == pytest.approx(1)
    assert sorted(spread[~of].round(6)) == [0, 1]


def test_a_face_without_one_measure_is_without_the_source_and_says_why():
    why = np.array(["", "too_small: 9 px", "", "", "", ""], object)
    age = Column(np.array([1, np.nan, 3, np.nan, 5, 6]), "years", "a@1", why=why)
    found = face_sources(
        faces(a__age=age, a__weight=Column(np.ones(6), "1", "a@1"), m__embedding=Column(np.eye(6)[:, :3], "1", "m@1"))
    )
    assert found["a"].why.tolist() == ["", "too_small", "", "not_measured", "", ""]
    assert np.isnan(found["a"].values[[1, 3]]).all()
    assert np.isfinite(found["a"].values[[0, 2, 4, 5]]).all()
    assert found["m"].why.tolist() == ["", "", "", *["not_measured"] * 3]  # an embedding of length 0 has no direction


def test_quality_of_photos_counts_the_turn_without_its_side():
    found = photo_quality(faces(pose__yaw=Column(np.array([-5, 5, 0, 1, 2, np.nan]), "deg", "p@1")))
    assert found["pose.yaw"][:5].tolist() == [5, 5, 0, 1, 2]
    assert np.isnan(found["pose.yaw"][5])
