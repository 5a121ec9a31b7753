"""Baselines: components against scikit-learn, landmarks free of where, how large and how turned the face is."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from facevalue.data.errors import WrongShape
from facevalue.studies.baselines import five_points, pixel_components, random_network


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(256, size=(12, 8, 8, 3), dtype=np.uint8)


def test_components_are_those_of_scikit_learn(crops):
    gray = (crops @ np.array([0.299, 0.587, 0.114]) / 255).reshape(12, -1)
    expected = PCA(n_components=4).fit_transform(gray)
    np.testing.assert_allclose(np.abs(pixel_components(crops, components=4)), np.abs(expected), atol=1e-9)


def test_a_random_network_is_the_same_for_a_seed_and_blind_to_brightness(crops):
    one, two = random_network(crops, seed=1, units=9), random_network(crops, seed=2, units=9)
    np.testing.assert_array_equal(one, random_network(crops, seed=1, units=9))
    assert not np.allclose(one, two)
    np.testing.assert_allclose(random_network(crops // 2 + 40, seed=1, units=9), random_network(crops // 2, seed=1, units=9))
    with pytest.raises(WrongShape, match=r"expected crops \(n, h, w, 3\)"):
        random_network(crops[..., 0], seed=1)


def test_five_points_do_not_change_with_place_size_and_turn():
    points = np.random.default_rng(0).normal(size=(4, 5, 2))
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(five_points(points), five_points(3 * points @ turn + 7), atol=1e-9)
    points[0] = np.nan
    points[1, 1] = points[1, 0]
    assert np.isnan(five_points(points)).all(1).tolist() == [True, True, False, False]
