"""The error to expect of people that the scale was not fitted to: it foretells theirs; no photo tells of its own person."""

import numpy as np
import pytest
from scipy import stats

from facevalue.confidence import calibration
from facevalue.confidence import expected_error as room
from facevalue.confidence.angles import template_angles
from facevalue.confidence.calibration import calibrated, fitted_band, halves, references_of
from facevalue.confidence.expected_error import cross_fitted_error, default_error, expected_error
from facevalue.confidence.features import face_features
from facevalue.data.errors import MissingColumn, NotCalibrated, SchemaError
from facevalue.data.faces import Faces
from facevalue.data.people import People
from tests.confidence.measured import DETECTOR, MODEL, crowd, replaced


@pytest.fixture(scope="module")
def people() -> People:
    return crowd(4, 40, np.random.default_rng(0), noise=0.6)


def test_it_foretells_the_angle_to_the_template(people):
    error = cross_fitted_error(people, MODEL, seed=0)
    truth = template_angles(people.embedding(MODEL), people.person)
    assert stats.spearmanr(error, truth).statistic > 0.6
    assert np.median(error / truth) == pytest.approx(1, abs=0.1)


def test_each_half_is_told_by_the_other(people):
    error = cross_fitted_error(people, MODEL, seed=3)
    for fit, rest in (parts := halves(people, 3)), parts[::-1]:
        references = references_of(fit, MODEL, 3)
        expected = fitted_band(fit, MODEL, references).sigma(face_features(rest.faces, MODEL, references))
        assert error[np.isin(people.person, rest.person)] == pytest.approx(expected)


def test_what_a_persons_photos_show_of_their_error_does_not_change_it(people):
    seed, who = 0, people.person == people.person[0]
    before = cross_fitted_error(people, MODEL, seed=seed)
    draw = np.random.default_rng(1)
    other = people.embedding(MODEL).copy()
    other[who] = draw.normal(size=other[who].shape)
    moved = People(replaced(people.faces, who, net__embedding=other[who]), people.person, people.further)
    after = cross_fitted_error(moved, MODEL, seed=seed)
    mates = np.isin(people.person, next(half.person for half in halves(people, seed) if people.person[0] in half.person))
    same = mates & ~who
    assert after[same] == pytest.approx(before[same])
    assert not np.allclose(after[~mates], before[~mates])


def test_photos_that_cannot_be_compared_have_none(people):
    faces = replaced(people.faces, [5, 9], net__embedding=np.nan)
    error = cross_fitted_error(People(faces, people.person, people.further), MODEL, seed=0)
    assert np.flatnonzero(np.isnan(error)).tolist() == [5, 9]


def test_too_few_people_and_missing_columns_are_told(people):
    few = people[np.isin(people.person, np.unique(people.person.astype(str))[:23])]
    with pytest.raises(NotCalibrated, match="needs 24 people with two comparable photos; there are 23"):
        cross_fitted_error(few, MODEL, seed=0)
    with pytest.raises(NotCalibrated, match="there are 23; no calibration comes with the package for net with finder"):
        default_error(few, MODEL, DETECTOR, seed=0)
    faces = people.faces
    bare = Faces(
        faces.photo,
        faces.box,
        faces.landmarks,
        faces.score,
        {name: column for name, column in faces.columns.items() if not name.startswith("net_spread")},
        faces.path,
    )
    with pytest.raises(MissingColumn, match=r"net_spread\.blind"):
        cross_fitted_error(People(bare, people.person, people.further), MODEL, seed=0)


def test_of_too_few_people_the_package_tells_and_says_on_what_data(people, monkeypatch):
    monkeypatch.setattr(calibration, "RESAMPLES", 20)
    monkeypatch.setattr(calibration, "DRAWS", 5)
    verifier = calibrated(people, MODEL, detector=DETECTOR, fmr=0.1, level=0.9, seed=0, data="made of forty")
    monkeypatch.setattr(room, "default_verifier", lambda model, detector: verifier)
    few = people[np.isin(people.person, np.unique(people.person.astype(str))[:5])]
    error, words = default_error(few, MODEL, DETECTOR, seed=0)
    features = face_features(few.faces, MODEL, verifier.references)
    assert error == pytest.approx(verifier.embedding_band.sigma(features))
    assert words == "by the calibration on made of forty; photos that are among those look better than new ones"
    error, words = default_error(people, MODEL, DETECTOR, seed=0)
    assert error == pytest.approx(cross_fitted_error(people, MODEL, seed=0))
    assert "one half" in words
    other = People(few.faces.with_column("quality.inter_eye", few.faces["finder.score"]), few.person, few.further)
    with pytest.raises(SchemaError, match=r"quality\.inter_eye"):
        expected_error(other, verifier)
