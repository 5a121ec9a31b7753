"""Outlines of the parts of a face: nested, wide enough, turned with the face; a lower rung holds what the higher one does."""

import cv2
import numpy as np
import pytest
from skimage.measure import points_in_poly

from facevalue.image.pose import mean_mesh
from facevalue.image.regions import BROWS, EYES, REGIONS, body_outlines, box_outlines, filled, mesh_outlines
from facevalue.models import load

FACE, MIRROR = mean_mesh()
MOUTH_AND_JAW = (61, 291, 0, 17, 13, 152, 148, 377, 172, 397, 58, 288, 132, 361, 4, 1, 2, 98, 327)
YAWS, PITCHES, ROLLS = (-50, -20, 0, 35, 60), (-30, 0, 30), (-120, -30, 0, 45, 180)


def seen(*, yaw=0.0, pitch=0.0, roll=0.0, eyes=60.0, at=(300.0, 280.0)) -> np.ndarray:
    """Return the mean face turned, (468, 3) px, as a far camera sees it."""
    a, b, c = np.radians([yaw, pitch, roll])
    across = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return FACE @ (tilt @ nod @ across).T * eyes + (*at, 0)


def holds(outline: np.ndarray, points: np.ndarray, slack: float = 0.01) -> np.ndarray:
    """Return which points a polygon holds, give or take px."""
    polygon = outline.astype(np.float32)
    return np.array([cv2.pointPolygonTest(polygon, (float(x), float(y)), True) >= -slack for x, y in points[:, :2]])


def area(outline: np.ndarray) -> float:
    return cv2.contourArea(outline.astype(np.float32))


@pytest.fixture(params=[(yaw, pitch, roll) for yaw in YAWS for pitch in PITCHES for roll in ROLLS[::2]], ids=str)
def turned(request) -> np.ndarray:
    yaw, pitch, roll = request.param
    return seen(yaw=yaw, pitch=pitch, roll=roll)


def test_each_region_holds_its_vertices_however_the_face_is_turned(turned):
    outlines = mesh_outlines(turned)
    assert tuple(outlines) == REGIONS
    assert holds(outlines["eye"], turned[[*EYES, *BROWS]]).all()
    assert holds(outlines["lower"], turned[list(MOUTH_AND_JAW)]).all()
    assert holds(outlines["face"], turned).all()
    assert holds(outlines["face"], outlines["lower"]).all()
    assert all(holds(outlines["head"], outlines[name]).all() for name in REGIONS)


def test_margins_do_not_shrink_with_a_face_that_looks_aside():
    frontal, aside = (mesh_outlines(seen(yaw=yaw))["eye"] for yaw in (0, 60))
    heights = [np.linalg.norm(bar[3] - bar[0]) for bar in (frontal, aside)]
    assert heights[1] == pytest.approx(heights[0], rel=0.02)


def test_the_eye_region_is_one_rectangle_with_margins_of_035_eye_distances():
    eyes = 60.0
    mesh = seen(eyes=eyes)
    bar = mesh_outlines(mesh)["eye"]
    sides = np.diff(np.vstack([bar, bar[:1]]), axis=0)
    assert bar.shape == (4, 2)
    np.testing.assert_allclose((sides * np.roll(sides, -1, axis=0)).sum(1), 0, atol=1e-6)
    part = mesh[[*EYES, *BROWS], :2]
    expected = np.concatenate([part.min(0), part.max(0)]) + 0.35 * eyes * np.array([-1, -1, 1, 1])
    np.testing.assert_allclose([*bar.min(0), *bar.max(0)], expected, atol=0.02 * eyes)


def test_lower_leaves_the_eyes_and_eye_leaves_the_mouth_of_an_upright_face():
    mesh = seen()
    outlines = mesh_outlines(mesh)
    assert not holds(outlines["lower"], mesh[list(EYES)]).any()
    assert not holds(outlines["eye"], mesh[[61, 291, 13, 152, 2]]).any()


def test_the_widening_of_face_and_lower_is_5_to_15_percent():
    mesh = seen()
    outlines = mesh_outlines(mesh)
    wide, chin = np.ptp(mesh[:, 0]), mesh[152, 1]
    assert 1.05 < np.ptp(outlines["face"][:, 0]) / wide < 1.15
    assert 1.05 < np.ptp(outlines["lower"][:, 0]) / wide < 1.15
    assert 0 < outlines["lower"][:, 1].max() - chin < 0.4 * 60
    assert 0.3 * 60 < mesh[10, 1] - outlines["face"][:, 1].min() < 0.8 * 60  # the forehead up to the hairline


@pytest.mark.parametrize("angle", ROLLS)
def test_outlines_turn_shift_and_grow_with_the_face(angle):
    c, s = 1.7 * np.cos(np.radians(angle)), 1.7 * np.sin(np.radians(angle))
    onto, shift = np.array([[c, -s], [s, c]]), np.array([40.0, -300.0])
    mesh = seen(yaw=25, pitch=-10)[:, :2]
    moved = mesh_outlines(mesh @ onto.T + shift)
    shape = (2400, 2400)
    for name, outline in mesh_outlines(mesh).items():
        expected, got = (filled(shape, [one + 1000]) for one in (outline @ onto.T + shift, moved[name]))
        assert (expected ^ got).sum() < 0.002 * expected.sum()


def test_outlines_of_the_mirrored_face_are_mirrored():
    mesh = seen(yaw=30, pitch=10, roll=15)[:, :2]
    mirrored = mesh[MIRROR] * (-1, 1) + (640, 0)
    for name, outline in mesh_outlines(mirrored).items():
        expected = filled((640, 640), [mesh_outlines(mesh)[name] * (-1, 1) + (640, 0)])
        assert (expected ^ filled((640, 640), [outline])).sum() < 0.004 * expected.sum()


@pytest.mark.parametrize("bad", [np.zeros((468, 3)), np.full((468, 2), np.nan), np.zeros((478, 3))], ids=["flat", "nan", "478"])
def test_a_mesh_that_says_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="take box_outlines"):
        mesh_outlines(bad)


def test_of_a_box_all_four_hold_its_edges_and_the_head_holds_the_others():
    box = np.array([100, 80, 200, 220.0])
    middles = np.array([(100, 150), (200, 150), (150, 80), (150, 220.0)])
    outlines = box_outlines(box)
    assert tuple(outlines) == REGIONS
    assert holds(outlines["face"], middles).all()
    for scale in (0.9, 1.1, 1.25):  # what another detector makes of the face
        for shift in (-10, 10):
            assert holds(outlines["face"], (middles - (150, 150)) * scale + (150 + shift, 150 + shift)).all()
    assert holds(outlines["face"], np.vstack([outlines["eye"], outlines["lower"]])).all()
    assert holds(outlines["head"], outlines["face"]).all()
    np.testing.assert_array_equal(
        filled((300, 300), [outlines["eye"], outlines["lower"]]), filled((300, 300), [outlines["face"]])
    )


def test_a_box_covers_more_than_a_mesh_does():
    mesh = seen()
    box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
    wide, close = box_outlines(box), mesh_outlines(mesh)
    for name in REGIONS:
        assert area(wide[name]) > area(close[name])


@pytest.mark.parametrize("bad", [(0, 0, 0, 9), (5, 0, 2, 9), (0, 0, np.inf, 9), (0, 0, 9)], ids=str)
@pytest.mark.parametrize("outlines", [box_outlines, body_outlines])
def test_a_box_without_area_is_refused(outlines, bad):
    with pytest.raises(ValueError, match="expected a box"):
        outlines(np.array(bad, float))


# a standing person 1,000 px high, seen from the front: head 80 to 225 px down, its middle at (300, 150)
BODY = np.array([150, 80, 450, 1080.0])
STANDING = {0: (300, 165), 1: (315, 150), 2: (285, 150), 3: (345, 155), 4: (255, 155), 5: (400, 290), 6: (200, 290)}
HEAD = np.array([(300, 80), (300, 225), (255, 150), (345, 150), (268, 200), (332, 200), (270, 100), (330, 100.0)])


def joints(*names: int, onto: np.ndarray | None = None) -> np.ndarray:
    """Return COCO's 17 joints of which these are seen."""
    told = np.zeros((17, 3))
    for name in names:
        told[name] = (*STANDING[name], 0.9)
    return told if onto is None else np.column_stack([told[:, :2] @ onto.T, told[:, 2]])


@pytest.mark.parametrize(
    "names", [(0, 1, 2, 3, 4, 5, 6), (3, 4), (5, 6), (0, 5, 6), (0, 1, 2), (0, 3), (3, 4, 5), (0,), (2,), ()], ids=str
)
def test_of_a_body_the_head_is_covered_whichever_joints_are_seen(names):
    outlines = body_outlines(BODY, joints(*names))
    assert tuple(outlines) == REGIONS
    assert all(np.array_equal(outlines["head"], one) for one in outlines.values())
    assert holds(outlines["face"], HEAD).all()
    assert outlines["face"].min(0)[0] > -100
    assert outlines["face"].max(0)[1] < 450  # not the whole body


@pytest.mark.parametrize("angle", [-60, 30, 90])
def test_the_ellipse_lies_along_the_neck(angle):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    onto = np.array([[c, -s], [s, c]])
    corners = np.array([BODY[:2], BODY[2:], BODY[[0, 3]], BODY[[2, 1]]]) @ onto.T
    body = np.concatenate([corners.min(0), corners.max(0)])
    outline = body_outlines(body, joints(*STANDING, onto=onto))["head"]
    assert holds(outline, HEAD @ onto.T).all()
    upright = body_outlines(BODY, joints(*STANDING))["head"]
    np.testing.assert_allclose(outline.mean(0), upright.mean(0) @ onto.T, atol=0.5)
    assert area(outline) == pytest.approx(area(upright), rel=1e-3)


def test_a_head_in_profile_is_not_covered_by_a_sliver():
    told = joints(*STANDING)
    told[:7, 0] = (255, 270, 272, 300, 302, 300, 304)
    assert holds(body_outlines(BODY, told)["head"], (HEAD - (300, 0)) * (1.2, 1) + (300, 0)).all()


def test_joints_that_are_not_sure_or_lie_off_the_body_do_not_count():
    unsure, strayed, unknown = joints(*STANDING), joints(*STANDING), joints(*STANDING)
    unsure[:, 2] = np.minimum(unsure[:, 2], 0.3)
    strayed[:, 0] += 400
    unknown[:] = np.nan
    for told in (unsure, strayed, unknown):
        np.testing.assert_array_equal(body_outlines(BODY, told)["face"], body_outlines(BODY)["face"])


def test_the_upper_part_of_a_body_alone_holds_the_head_of_whoever_stands_sits_or_is_cut_off():
    for box in ((150, 80, 450, 1080), (150, 80, 450, 480), (200, 80, 400, 250), (0, 80, 600, 600)):
        outline = body_outlines(np.array(box, float))["head"]
        assert holds(outline, HEAD).all()
        assert holds(outline, np.array([box[:2], (box[2], box[1])], float)).all()  # a head in a corner


def test_joints_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(17, 3\)"):
        body_outlines(BODY, np.zeros((18, 3)))


def test_a_mask_holds_every_pixel_whose_middle_is_inside_and_hardly_more():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:60, :70]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    for _ in range(30):
        triangle = rng.uniform(-20, 90, (3, 2))
        if area(triangle) < 300:
            continue
        mask = filled((60, 70), [triangle])
        inside = points_in_poly(pixels, triangle).reshape(60, 70)
        away = np.array([cv2.pointPolygonTest(triangle.astype(np.float32), (float(a), float(b)), True) for a, b in pixels])
        assert not (inside & ~mask).any()
        assert (away.reshape(60, 70)[mask] > -2).all()


def test_masks_join_and_are_cut_at_the_photos_edge():
    one, other = np.array([(2, 2), (12, 2), (12, 12), (2, 12.0)]), np.array([(8, 8), (18, 8), (18, 18), (8, 18.0)])
    both = filled((20, 20), [one, other])
    np.testing.assert_array_equal(both, filled((20, 20), [one]) | filled((20, 20), [other]))
    assert both[10, 10]
    assert filled((20, 20), [np.array([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])]).all()
    assert not filled((20, 20), [np.empty((0, 2)), one + 100]).any()
    assert filled((20, 20), [np.array([(5.2, 5.2)])])[5, 5]
    with pytest.raises(ValueError, match="finite"):
        filled((20, 20), [one, other * np.nan])


@pytest.mark.shared
def test_box_and_body_cover_the_meshs_face_of_the_london_set(london_neutral):
    assert len(london_neutral) == 102
    for mesh, box in zip(london_neutral["mesh.landmarks"].values, london_neutral.box, strict=True):
        close, wide = mesh_outlines(mesh), box_outlines(box)
        for name in REGIONS:
            assert holds(wide[name], close[name]).all(), name
        x1, y1, x2, y2 = box
        bust = np.array([x1 - (x2 - x1), y1 - 0.2 * (y2 - y1), x2 + (x2 - x1), 900])
        assert holds(body_outlines(bust)["face"], close["face"]).all()


@pytest.mark.shared
def test_what_another_detector_makes_of_the_face_is_covered(shared, mirror):
    photos = [cv2.imread(str(one))[:, :, ::-1] for one in sorted((shared / "data/groups").glob("sample[1-3].jpg"))]
    first, second = load("centerface"), load("yunet")
    hits, held = 0, []
    for photo in photos:
        ours = [box_outlines(box)["face"] for box in first(np.ascontiguousarray(photo)).box]
        for x1, y1, x2, y2 in second(np.ascontiguousarray(photo)).box:
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            middles = np.array([(x, y), (x1, y), (x2, y), (x, y1), (x, y2)])
            hits += 1
            held.append(any(holds(one, middles).all() for one in ours))
    assert hits >= 9
    assert np.mean(held) == 1
