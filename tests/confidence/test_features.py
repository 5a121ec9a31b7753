"""Features by their definition, and missing ones as NaN."""

import numpy as np
import pytest

from facevalue.confidence.features import NAMES, References, face_features
from facevalue.data.errors import MissingColumn
from facevalue.data.faces import Column, Faces
from tests.confidence.measured import MODEL, crowd, replaced

D = 32
REFERENCES = References(np.eye(D)[1:4], 2 * np.eye(D)[0])


def made(n: int = 20) -> Faces:
    return crowd(1, n, np.random.default_rng(0)).faces


def without(faces: Faces, *names: str) -> Faces:
    columns = {name: column for name, column in faces.columns.items() if name not in names}
    return Faces(faces.photo, faces.box, faces.landmarks, faces.score, columns, faces.path)


def test_features_by_the_definition():
    faces = made()
    found = dict(zip(NAMES, face_features(faces, MODEL, REFERENCES).T, strict=True))
    for i in range(len(faces)):
        x = faces["net.embedding"].values[i].astype(float)
        u = x / np.sqrt((x**2).sum())
        assert found["log_flip"][i] == pytest.approx(np.log(faces["net_spread.flip"].values[i]))
        assert found["log_jitter"][i] == pytest.approx(np.log(faces["net_spread.jitter"].values[i]))
        assert found["nearest_angle"][i] == pytest.approx(np.degrees(np.arccos(max(u[1:4]))))
        assert found["unrecognisable_angle"][i] == pytest.approx(np.degrees(np.arccos(u[0])))
        assert found["log_norm"][i] == pytest.approx(np.log(np.sqrt((x**2).sum())))
        assert found["log_inter_eye"][i] == pytest.approx(np.log(faces["quality.inter_eye"].values[i]))
        assert found["log_sharpness"][i] == pytest.approx(np.log(faces["quality.sharpness"].values[i]))


def test_the_norm_is_the_models_own_where_it_has_one():
    faces = made()
    own = faces.with_column("net.norm", Column(np.arange(1.0, 21), "1", "net@1"))
    np.testing.assert_allclose(face_features(own, MODEL, REFERENCES)[:, 4], np.log(np.arange(1.0, 21)))


def test_only_directions_of_embeddings_and_references_count_but_for_the_norm():
    faces = made()
    larger = replaced(faces, slice(None), net__embedding=3 * faces["net.embedding"].values)
    stretched = References(5 * REFERENCES.prototypes, 0.1 * REFERENCES.blind)
    before, after = face_features(faces, MODEL, REFERENCES), face_features(larger, MODEL, stretched)
    np.testing.assert_allclose(np.delete(before, 4, 1), np.delete(after, 4, 1), atol=1e-5)
    np.testing.assert_allclose(after[:, 4] - before[:, 4], np.log(3), atol=1e-6)


@pytest.mark.parametrize(
    ("column", "feature"),
    [
        ("net_spread.flip", 0),
        ("net_spread.jitter", 1),
        ("quality.inter_eye", 5),
        ("quality.sharpness", 6),
    ],
)
def test_a_column_that_is_not_there_or_has_no_value_is_nan_and_nothing_else_is(column, feature):
    faces = made()
    whole = face_features(faces, MODEL, REFERENCES)
    assert np.isfinite(whole).all()
    lost = face_features(without(faces, column), MODEL, REFERENCES)
    assert np.isnan(lost[:, feature]).all()
    np.testing.assert_array_equal(np.delete(lost, feature, 1), np.delete(whole, feature, 1))
    for value in (0.0, -1.0, np.nan):
        found = face_features(replaced(faces, 3, **{column.replace(".", "__"): value}), MODEL, REFERENCES)
        assert np.argwhere(np.isnan(found)).tolist() == [[3, feature]]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_embedding_without_a_direction_has_no_angle_and_no_length(value):
    found = face_features(replaced(made(), 3, net__embedding=value), MODEL, REFERENCES)
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 2], [3, 3], [3, 4]]
    assert not np.isinf(found).any()


def test_without_the_embedding_there_are_no_features():
    with pytest.raises(MissingColumn, match=r"net\.embedding"):
        face_features(without(made(), "net.embedding"), MODEL, REFERENCES)


def test_references_survive_json():
    again = References.from_dict(REFERENCES.to_dict())
    np.testing.assert_array_equal(again.prototypes, REFERENCES.prototypes)
    np.testing.assert_array_equal(again.blind, REFERENCES.blind)
