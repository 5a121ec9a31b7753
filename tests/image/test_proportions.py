import numpy as np
import pytest

from facevalue.image.landmarks import names, scheme
from facevalue.image.pose import mean_mesh
from facevalue.image.proportions import _PARTS, frontal, proportions
from tests.image.made_shapes import faces, similar
from tests.image.test_pose import turned

FACE, MIRROR = mean_mesh()


@pytest.fixture
def heads() -> np.ndarray:
    """Return meshes that differ in shape, (30, 468, 3), upright."""
    draw = np.random.default_rng(0)
    return FACE * (1 + 0.1 * draw.normal(size=(30, 1, 3))) + 0.01 * draw.normal(size=(30, 468, 3))


def flat(names_and_values) -> np.ndarray:
    return np.stack([names_and_values[name] for name in sorted(names_and_values)])


def test_the_mean_face_has_the_proportions_that_its_coordinates_say():
    found = {name: float(values[0]) for name, values in proportions(FACE[None, :, :2]).items()}
    x, y = FACE[:, 0], FACE[:, 1]
    wide = x[454] - x[234]
    np.testing.assert_allclose(found["pupil_distance"], 1 / wide, atol=1e-3)
    np.testing.assert_allclose(found["jaw_width"], (x[397] - x[172]) / wide)
    np.testing.assert_allclose(found["nose_width_to_height"], (x[358] - x[129]) / (y[2] - y[168]))
    np.testing.assert_allclose(found["face_width_to_height"], wide / (y[152] - y[168]))
    np.testing.assert_allclose(found["mouth_openness"], (y[14] - y[13]) / (x[291] - x[61]))
    np.testing.assert_allclose(found["brow_height"], (y[[133, 33]].mean() - y[[105, 66]].mean()) / 1, atol=1e-3)
    np.testing.assert_allclose(found["eye_openness_left"], found["eye_openness_right"])
    lids = [np.hypot(x[a] - x[b], y[a] - y[b]) for a, b in ((160, 144), (158, 153))]  # the published formula has two of three
    np.testing.assert_allclose(found["eye_openness_left"], sum(lids) / 2 / np.hypot(x[33] - x[133], y[33] - y[133]), rtol=0.1)


@pytest.mark.parametrize("name", names())
def test_parts_of_the_left_mirror_those_of_the_right(name):
    parts, mirror = _PARTS[name], scheme(name).mirror
    for left, right in (parts.cheeks, parts.jaw, parts.nose, parts.brows, parts.mouth, *zip(*parts.corners, strict=True)):
        assert set(mirror[list(left)]) == set(right)
    for left, right in zip(*parts.lids, strict=True):
        for one, other in zip(left, right, strict=True):
            assert set(mirror[list(one)]) == set(other)
    for middle in (parts.nasion, parts.subnasale, parts.chin, parts.forehead, *parts.upper_lip, *parts.lower_lip):
        assert set(mirror[list(middle)]) == set(middle)


@pytest.mark.parametrize("name", names())
def test_size_place_and_turn_in_the_picture_change_nothing(name):
    known = scheme(name)
    points = np.random.default_rng(0).normal(size=(9, known.count, 2))
    before, after = (proportions(x, name) for x in (points, similar(points)))
    assert before.keys() == after.keys()
    assert len(before) >= 15
    np.testing.assert_allclose(flat(after), flat(before), rtol=1e-9)


def test_a_mirror_swaps_the_eyes_and_leaves_the_rest(heads):
    here, there = (proportions(x[:, :, :2]) for x in (heads, (heads * (-1, 1, 1))[:, MIRROR]))
    there["eye_openness_left"], there["eye_openness_right"] = there["eye_openness_right"], there["eye_openness_left"]
    np.testing.assert_allclose(flat(there), flat(here), rtol=1e-9)


def test_a_turned_head_keeps_its_proportions_where_depth_is_known(heads):
    draw = np.random.default_rng(1)
    rotation = turned(draw.uniform(-40, 40, 30), draw.uniform(-30, 30, 30), draw.uniform(-90, 90, 30))
    moved = 70 * np.einsum("nij,nkj->nki", rotation, heads) + 300
    np.testing.assert_allclose(flat(proportions(moved)), flat(proportions(heads)), rtol=1e-6)
    seen = np.abs(flat(proportions(moved[:, :, :2])) / flat(proportions(heads[:, :, :2])) - 1)
    assert np.median(seen) > 0.02


def test_a_frontal_head_stays_as_it_is():
    np.testing.assert_allclose(frontal(50 * FACE[None] + 9)[0], 50 * (FACE - FACE.mean(0)), atol=1e-9)
    with pytest.raises(ValueError, match=r"a mesh of shape \(n, 468, 3\) or \(n, 478, 3\), got \(1, 468, 2\)"):
        frontal(FACE[None, :, :2])


def test_irises_take_the_place_of_the_corners():
    irises = np.zeros((10, 3))
    irises[:5], irises[5:] = FACE[[33, 133]].mean(0) - (0.1, 0, 0), FACE[[263, 362]].mean(0) + (0.1, 0, 0)
    with_irises = np.concatenate([FACE, irises])[None]
    ratio = proportions(with_irises, "mesh478")["pupil_distance"] / proportions(FACE[None])["pupil_distance"]
    np.testing.assert_allclose(ratio, 1.2, rtol=1e-3)


def test_opening_eye_and_mouth_open_them():
    opened = np.stack([FACE] * 2)
    opened[1, [14, 17], 1] += 0.2
    opened[1, [144, 145, 153], 1] += 0.05
    found = proportions(opened[:, :, :2])
    width = np.linalg.norm(FACE[61, :2] - FACE[291, :2])
    np.testing.assert_allclose(np.diff(found["mouth_openness"]), 0.2 / width)
    assert np.diff(found["eye_openness_left"])[0] > 0.1
    assert np.diff(found["eye_openness_right"])[0] == 0
    np.testing.assert_allclose(np.diff(found["lower_lip"]), 0, atol=1e-12)


def test_the_189_points_are_measured_at_132_of_them():
    few = faces(4)
    many = np.full((4, 189, 2), 7.0)
    many[:, scheme("frl189").kept] = few
    np.testing.assert_array_equal(flat(proportions(many, "frl189")), flat(proportions(few, "frl132")))
    assert "mouth_openness" not in proportions(few, "frl132")


def test_nan_stays_nan_and_rows_do_not_touch(heads):
    heads[2, 0] = np.nan
    found = flat(proportions(heads))
    assert np.flatnonzero(np.isnan(found).any(0)).tolist() == [2]
    np.testing.assert_allclose(flat(proportions(heads[5:6])), found[:, 5:6])
    assert proportions(heads[:0])["nose_width"].shape == (0,)
    flat_face = np.zeros((1, 468, 2))
    assert np.isnan(proportions(flat_face)["pupil_distance"]).all()


def test_points_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected 68 points a face for the landmarks 'ibug68', got 98"):
        proportions(np.zeros((1, 98, 2)), "ibug68")
    with pytest.raises(ValueError, match="got 'dlib'"):
        proportions(np.zeros((1, 68, 2)), "dlib")
