import numpy as np
import pytest

from facevalue.image.heatmaps import (
    FROM_BODY25,
    JOINTS,
    MIRROR,
    SEEN,
    coco18,
    cropped,
    cropped_maps,
    from_body25,
    heat_maps,
    mirrored,
)

# a person standing in a crop, in shares of its width and height
STANDING = np.array(
    [
        (0.50, 0.10),
        (0.50, 0.20),
        (0.35, 0.21),
        (0.27, 0.34),
        (0.24, 0.47),
        (0.65, 0.21),
        (0.73, 0.34),
        (0.76, 0.47),
        (0.41, 0.52),
        (0.40, 0.72),
        (0.39, 0.93),
        (0.59, 0.52),
        (0.60, 0.72),
        (0.61, 0.93),
        (0.47, 0.08),
        (0.53, 0.08),
        (0.43, 0.10),
        (0.57, 0.10),
    ]
)
CROPS = np.array([(128, 64), (400, 200), (1000, 500)])


def standing(shapes):
    """Return the person in crops of these heights and widths, every joint seen."""
    places = STANDING * np.asarray(shapes)[:, None, ::-1]
    return np.concatenate([places, np.full((len(places), 18, 1), 0.9)], 2)


def plain(joints, shape, sigma):
    """Return the map of one joint, cell by cell."""
    (x, y, confidence), (height, width), found = joints, shape, np.zeros((25, 25))
    if confidence < 0.2:
        return found
    u, v = x / width * 25, y / height * 25
    for j in range(25):
        for i in range(25):
            found[j, i] = np.exp(-((i + 0.5 - u) ** 2 + (j + 0.5 - v) ** 2) / (2 * sigma**2))
    return found


@pytest.mark.parametrize("sigma", [0.8, 1.6, 4.0])
def test_a_spot_is_what_its_formula_says(sigma):
    draw = np.random.default_rng(1)
    shapes = draw.uniform(20, 400, (3, 2))
    joints = draw.uniform(-0.1, 1.1, (3, 18, 3)) * np.concatenate([shapes[:, None, ::-1], np.ones((3, 1, 1))], 2)
    maps, seen = heat_maps(joints, shapes, sigma=sigma)
    expected = [[plain(joint, shape, sigma) for joint in one] for one, shape in zip(joints, shapes, strict=True)]
    np.testing.assert_allclose(maps, expected, atol=2e-6)
    np.testing.assert_array_equal(seen, joints[..., 2] >= SEEN)
    assert 0 < seen.sum() < seen.size
    assert (maps.dtype, maps.min() >= 0, maps.max() <= 1) == (np.float32, True, True)


def test_the_published_spot_grows_with_the_crop_and_ours_does_not():
    heights, widths = CROPS.T
    np.testing.assert_allclose(heights * widths / 1000 / heights, [0.06, 0.20, 0.50], atol=0.005)
    theirs, _ = heat_maps(standing(CROPS), CROPS, paper_exact=True)
    np.testing.assert_allclose(theirs.mean((1, 2, 3)), [0.05, 0.31, 0.69], atol=0.05)
    ours, _ = heat_maps(standing(CROPS), CROPS)
    assert np.ptp(ours.mean((1, 2, 3))) < 1e-6
    # the same spot vertically in the smallest crop, 3.2 cells wide there
    nose = theirs[0, 0]
    row, column = np.unravel_index(nose.argmax(), nose.shape)
    down = -1 / (2 * np.diff(np.log(nose[row : row + 3, column]), 2))
    across = -1 / (2 * np.diff(np.log(nose[row, column : column + 3]), 2))
    np.testing.assert_allclose(np.sqrt(2 * np.concatenate([down, across])), [1.6, 3.2], rtol=1e-3)


def test_what_was_not_seen_is_zeros_and_says_so_where_the_published_code_puts_ones():
    joints = standing(CROPS[:1])
    joints[0, 3, 2], joints[0, 4] = 0.19, 0
    joints[0, 5, 0] = np.nan
    maps, seen = heat_maps(joints, CROPS[:1])
    assert np.flatnonzero(~seen[0]).tolist() == [3, 4, 5]
    assert (maps[0, 3:6] == 0).all()
    assert (maps[0, seen[0]].max((1, 2)) > 0.8).all()
    theirs, known = heat_maps(joints, CROPS[:1], paper_exact=True)
    # its threshold is never applied: a joint of confidence .19 counts, one that was not detected lets everything through
    assert np.flatnonzero(~known[0]).tolist() == [4, 5]
    assert (theirs[0, 4:6] == 1).all()
    assert np.ptp(theirs[0, 3]) > 0


def test_a_joint_at_the_left_edge_is_not_missing():
    joints = standing(CROPS[:1])
    joints[0, 4, 0] = 0
    maps, seen = heat_maps(joints, CROPS[:1])
    assert seen.all()
    assert maps[0, 4].argmax() % 25 == 0
    theirs, known = heat_maps(joints, CROPS[:1], paper_exact=True)
    assert np.flatnonzero(~known[0]).tolist() == [4]
    assert (theirs[0, 4] == 1).all()


def test_the_maps_of_a_mirrored_crop_are_mirrored():
    joints = standing(CROPS)
    joints[0, 3, 2] = 0
    turned = joints[:, list(MIRROR)]
    turned[..., 0] = CROPS[:, 1:] - turned[..., 0]
    expected, there = heat_maps(turned, CROPS)
    maps, seen = mirrored(*heat_maps(joints, CROPS))
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    np.testing.assert_array_equal(seen, there)
    assert np.flatnonzero(~seen[0]).tolist() == [6]
    twice, again = mirrored(maps, seen)
    np.testing.assert_array_equal(twice, heat_maps(joints, CROPS)[0])
    np.testing.assert_array_equal(again, joints[..., 2] > 0)


def test_left_and_right_are_exchanged_by_name():
    for i, name in enumerate(JOINTS):
        sides = {"left": "right", "right": "left"}
        side = name.partition("_")[0]
        assert JOINTS[MIRROR[i]] == name.replace(side, sides.get(side, side))


def test_a_crop_of_the_target_carries_its_joints_along():
    joints, window = standing(CROPS[1:2])[0], np.array([40, 60, 140, 300])
    moved = cropped(joints, window)
    inside = (joints[:, 0] >= 40) & (joints[:, 0] <= 140) & (joints[:, 1] >= 60) & (joints[:, 1] <= 300)
    assert 0 < inside.sum() < 18
    maps, seen = heat_maps(moved[None], np.array([(240, 100)]))
    np.testing.assert_array_equal(seen[0], inside)
    row, column = np.unravel_index(maps[0, 10 - 2].argmax(), (25, 25))
    x, y = joints[8, :2] - window[:2]
    assert (row, column) == (int(y / 240 * 25), int(x / 100 * 25))


def test_maps_alone_are_cropped_as_their_joints_would_be():
    shape, window = np.array([(400, 200)]), np.array([0.2, 0.1, 0.9, 0.8])
    joints = standing(shape)
    maps, _ = heat_maps(joints, shape, sigma=3)
    px = window * (200, 400, 200, 400)
    # joints outside the window too: their spots reach into it
    joints[..., :2] -= px[:2]
    spread = 3 / 0.7
    expected, _ = heat_maps(joints, np.array([(280, 140)]), sigma=spread)
    np.testing.assert_allclose(cropped_maps(maps, window), expected, atol=0.03)
    np.testing.assert_allclose(cropped_maps(maps, np.array([0, 0, 1, 1])), maps, atol=1e-6)
    with pytest.raises(ValueError, match="shares of the crop"):
        cropped_maps(maps, np.array([0, 0, 2, 1]))


def test_coco_17_gets_a_neck():
    names = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist"
    names = [*names.split(), "right_wrist", *(f"{s}_{j}" for j in ("hip", "knee", "ankle") for s in ("left", "right"))]
    joints = np.column_stack([np.arange(17), np.arange(17) * 10, np.linspace(0.3, 0.9, 17)])
    found = coco18(joints)
    for name, one in zip(JOINTS, found, strict=True):
        if name != "neck":
            np.testing.assert_allclose(one, joints[names.index(name)], rtol=1e-6)
    np.testing.assert_allclose(found[1], [5.5, 55, joints[5, 2]], rtol=1e-6)
    joints[6] = 0
    assert coco18(joints)[1].tolist() == [0, 0, 0]
    assert coco18(np.stack([joints, joints])).shape == (2, 18, 3)


def test_body_25_loses_hips_middle_and_feet():
    joints = np.column_stack([np.arange(25), np.arange(25), np.ones(25)])
    assert from_body25(joints)[:, 0].tolist() == [*range(8), *range(9, 15), *range(15, 19)] == list(FROM_BODY25)
    assert coco18(joints[:18], "coco18").tolist() == joints[:18].tolist()


def test_what_is_not_joints_or_crops_is_refused():
    with pytest.raises(ValueError, match=r"\(n, 18, 3\), got \(1, 17, 3\)"):
        heat_maps(np.zeros((1, 17, 3)), CROPS[:1])
    with pytest.raises(ValueError, match="height and a width above 0"):
        heat_maps(np.zeros((1, 18, 3)), np.array([(0, 5)]))
    with pytest.raises(ValueError, match="sigma above 0"):
        heat_maps(np.zeros((1, 18, 3)), CROPS[:1], sigma=0)
    with pytest.raises(ValueError, match="coco17, body25, got 'mpii'"):
        coco18(np.zeros((16, 3)), "mpii")
    with pytest.raises(ValueError, match=r"\(..., 25, 3\) of body25"):
        coco18(np.zeros((18, 3)), "body25")
