"""Angles by the definition, for embeddings of any length, with rows that have no direction."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from facevalue.confidence.angles import between, directions, nearest_angle, template_angles, templates, unrecognisable_angle
from facevalue.data.errors import WrongShape
from tests.confidence.simulated import photos_of


def test_template_angles_by_the_definition():
    photos = photos_of(20, np.random.default_rng(0).integers(1, 6, 20), np.random.default_rng(1), d=16)
    u = photos.embeddings / np.linalg.norm(photos.embeddings, axis=1, keepdims=True)
    for i, angle in enumerate(template_angles(photos.embeddings, photos.people)):
        others = (photos.people == photos.people[i]) & (np.arange(len(u)) != i)
        if others.any():
            cosine = cosine_similarity(u[[i]], u[others].mean(0, keepdims=True))[0, 0]
            assert angle == pytest.approx(np.degrees(np.arccos(cosine)))
        else:
            assert np.isnan(angle)


def test_length_order_and_faces_that_were_not_measured_change_nothing():
    draw = np.random.default_rng(2)
    photos = photos_of(15, 4, draw, d=16)
    angles = template_angles(photos.embeddings, photos.people)
    longer = photos.embeddings * draw.uniform(0.1, 10, (60, 1))
    np.testing.assert_allclose(template_angles(longer, photos.people), angles)
    order = draw.permutation(60)
    np.testing.assert_allclose(template_angles(longer[order], photos.people[order]), angles[order])
    with_holes = np.concatenate([photos.embeddings, np.full((1, 16), np.nan), np.zeros((1, 16))])
    of_holes = template_angles(with_holes, np.append(photos.people, ["0", "1"]))
    np.testing.assert_allclose(of_holes[:60], angles)
    assert np.isnan(of_holes[60:]).all()


def test_copies_are_at_no_angle_and_small_angles_are_exact():
    copies = template_angles(np.full((3, 8), 0.1), np.zeros(3))
    np.testing.assert_array_equal(copies, 0)
    tiny = between(np.array([[1.0, 0.0]]), np.array([[1.0, 1e-9]]))
    assert tiny[0] == pytest.approx(np.degrees(1e-9), rel=1e-9)
    assert between(np.array([[1.0, 0.0]]), np.array([-3.0, 0.0]))[0] == 180


def test_the_nearest_reference_is_the_one_of_the_largest_cosine():
    draw = np.random.default_rng(3)
    faces, references = draw.normal(size=(5000, 12)), draw.normal(size=(30, 12))
    expected = np.degrees(np.arccos(cosine_similarity(faces, references).max(1)))
    np.testing.assert_allclose(nearest_angle(faces, references), expected, atol=1e-5)
    faces[7] = np.nan
    assert np.isnan(nearest_angle(faces, references))[7]
    assert nearest_angle(faces[:0], references).shape == (0,)


def test_the_angle_to_the_unrecognisable_by_the_definition():
    faces, centroid = np.random.default_rng(4).normal(size=(40, 12)), np.arange(12.0)
    expected = np.degrees(np.arccos(cosine_similarity(faces, centroid[None])[:, 0]))
    np.testing.assert_allclose(unrecognisable_angle(faces, centroid), expected)


def test_templates_are_the_directions_of_means():
    photos = photos_of(8, 3, np.random.default_rng(5), d=6)
    u = directions(photos.embeddings).reshape(8, 3, 6).mean(1)
    np.testing.assert_allclose(templates(photos.embeddings, photos.people), u / np.linalg.norm(u, axis=1, keepdims=True))
    photos.embeddings[photos.people == "3"] = np.nan
    with pytest.raises(ValueError, match="a direction of each person, 3 has none"):
        templates(photos.embeddings, photos.people)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(WrongShape, match=r"embeddings \(n, d\), got \(4,\)"):
        directions(np.ones(4))
    with pytest.raises(WrongShape, match=r"person of each of 4 embeddings, got \(3,\)"):
        template_angles(np.ones((4, 2)), np.zeros(3))
    with pytest.raises(WrongShape, match=r"references \(r, 2\), 1 or more, each with a direction; got \(0, 2\)"):
        nearest_angle(np.ones((4, 2)), np.ones((0, 2)))
    with pytest.raises(WrongShape, match="with 1 without a direction"):
        nearest_angle(np.ones((4, 2)), np.zeros((1, 2)))
    with pytest.raises(WrongShape, match=r"one width, got \(4, 2\) and \(3,\)"):
        unrecognisable_angle(np.ones((4, 2)), np.ones(3))


def test_opposite_directions_are_half_a_turn_apart_whatever_rounding_does():
    for x in np.random.default_rng(3).normal(size=(200, 1, 37)):
        assert nearest_angle(-3 * x, x)[0] == pytest.approx(180, abs=1e-5)


def test_nobody_has_no_template():
    assert templates(np.empty((0, 4)), np.empty(0, str)).shape == (0, 4)
