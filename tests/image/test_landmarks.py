import numpy as np
import pytest

from facevalue.data.shapes import SCHEMES, read_shapes
from facevalue.image.averageness import reference
from facevalue.image.landmarks import frl_mean, names, scheme, scheme_of

MEANS = {"frl132": frl_mean, "mesh468": lambda: reference("london_mesh468").mean}


@pytest.mark.parametrize("name", names())
def test_every_mirror_map_is_an_involution(name):
    known = scheme(name)
    p = len(known.kept)
    assert known.mirror.shape == (p,)
    assert sorted(known.mirror.tolist()) == list(range(p))
    np.testing.assert_array_equal(known.mirror[known.mirror], np.arange(p))
    assert len(set(known.kept.tolist())) == p <= known.count
    assert (p - len(known.midline)) % 2 == 0


@pytest.mark.parametrize("name", names())
def test_a_mirror_swaps_the_eyes(name):
    known = scheme(name)
    left, right = known.eyes
    assert set(known.mirror[list(left)]) == set(right)
    assert scheme_of(known.count) is known


@pytest.mark.parametrize(
    ("name", "midline"),
    [
        ("frl132", [49, 84, 90, 95, 108, 118]),
        ("ibug68", [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]),
        ("wflw98", [16, 51, 52, 53, 54, 57, 79, 85, 90, 94]),
        ("insightface106", [0, 53, 60, 62, 71, 72, 73, 74, 80, 86]),
    ],
)
def test_chin_nose_and_lips_are_on_the_midline(name, midline):
    assert scheme(name).midline.tolist() == midline


def test_two_sets_that_share_points_have_one_mirror_map():
    """The iBUG points stand among InsightFace's; mirroring there, or mirroring here, is one thing."""
    jaw = [1, 10, 12, 14, 16, 3, 5, 7, 0, 23, 21, 19, 32, 30, 28, 26, 17]
    brows = [43, 48, 49, 51, 50, 102, 103, 104, 105, 101]
    nose = [72, 73, 74, 86, 78, 79, 80, 85, 84]
    eyes = [35, 41, 42, 39, 37, 36, 89, 95, 96, 93, 91, 90]
    mouth = [52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55, 65, 66, 62, 70, 69, 57, 60, 54]
    among = np.array([*jaw, *brows, *nose, *eyes, *mouth])
    np.testing.assert_array_equal(scheme("insightface106").mirror[among], among[scheme("ibug68").mirror])


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_face_is_nearly_its_own_mirror_image(name):
    mean, mirror = MEANS[name](), scheme(name).mirror
    np.testing.assert_allclose(mean[mirror] * (-1, 1), mean, atol=0.01)
    assert np.linalg.norm(mean[mirror] * (-1, 1) - mean) < 0.06
    assert np.linalg.norm(mean * (-1, 1) - mean) > 1.3
    left, right = (mean[list(eye)].mean(0) for eye in scheme(name).eyes)
    assert left[0] < -0.02 < 0.02 < right[0]


def test_neighbours_in_the_mirrored_mean_are_no_mirror_map():
    """Hence the map is shipped, not derived."""
    mean = frl_mean()
    nearest = np.linalg.norm((mean * (-1, 1))[:, None] - mean, axis=2).argmin(1)
    assert (nearest != scheme("frl132").mirror).any()
    assert (nearest == scheme("frl132").mirror).mean() > 0.9


def test_the_189_points_lose_57():
    known = scheme("frl189")
    lost = {*range(44, 50), *range(99, 104), *range(115, 125), *range(145, 179), 183, 184}
    assert known.kept.tolist() == [i for i in range(189) if i not in lost]
    points = np.arange(189 * 2.0).reshape(1, 189, 2)
    chosen = known.select(points)
    np.testing.assert_array_equal(chosen[0, 44], points[0, 50])
    assert known.select(chosen) is chosen
    with pytest.raises(ValueError, match=r"expected 189 points a face for the landmarks 'frl189', got 188"):
        known.select(points[:, 1:])


def test_the_irises_keep_top_and_bottom():
    mirror = scheme("mesh478").mirror
    np.testing.assert_array_equal(mirror[:468], scheme("mesh468").mirror)
    assert mirror[[468, 470, 472]].tolist() == [473, 475, 477]
    assert mirror[[469, 471]].tolist() == [476, 474]


def test_unknown_sets_are_named():
    with pytest.raises(ValueError, match=r"expected landmarks out of frl132, .*; got 'dlib'"):
        scheme("dlib")
    with pytest.raises(ValueError, match=r"132 \(frl132\), .*; got 5"):
        scheme_of(5)


def test_files_and_maps_know_the_same_sets():
    assert {scheme(name).count: name for name in names()} == SCHEMES


@pytest.mark.shared
def test_the_shipped_map_is_the_published_one(shared):
    london = shared / "data" / "london"
    published = np.loadtxt(london / "mirrored_landmarks_132_zero_based.txt", dtype=int)
    np.testing.assert_array_equal(scheme("frl132").mirror, published)
    points = scheme("frl189").select(read_shapes(london / "tem").points)
    turned = (points * (-1, 1))[:, published]
    centred, mirrored = (x - x.mean(1, keepdims=True) for x in (points, turned))
    pupils = np.linalg.norm(points[:, 0] - points[:, 1], axis=1)
    assert (np.linalg.norm(centred - mirrored, axis=2).mean(0) / pupils.mean() < 0.15).all()
