"""Where the faces lie after a change is where the pixels went."""

import cv2
import numpy as np
import pytest

from facevalue.image.jitter import MIRRORED, View, blur, brighten, compress, halve, jitter, mirror, rotate, to_gray
from facevalue.models.fake import find

POINTS = np.array([[[62.0, 70.0], [110.0, 66.0], [88.0, 96.0], [70.0, 120.0], [104.0, 118.0]]])


def dotted(width: int = 201, height: int = 180) -> View:
    """Return a photo with a bright dot at each landmark, each in its own gray."""
    y, x = np.mgrid[:height, :width]
    photo = np.zeros((height, width))
    for a, b in POINTS[0]:
        photo += 250 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 4.0**2))
    photo = np.repeat(np.rint(photo.clip(0, 255)).astype(np.uint8)[:, :, None], 3, axis=2)
    return View(photo, np.array([[40, 40, 140, 160.0]]), POINTS)


def centroids(view: View) -> np.ndarray:
    """Return the centre of the brightness around each landmark."""
    found = np.empty((5, 2))
    for i, (a, b) in enumerate(view.landmarks[0]):
        reach = 0.2 * np.linalg.norm(view.landmarks[0, 1] - view.landmarks[0, 0])
        y, x = np.mgrid[: view.photo.shape[0], : view.photo.shape[1]]
        weight = view.photo[:, :, 0] * (np.hypot(x - a, y - b) < reach)
        found[i] = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
    return found


CHANGES = {
    "mirror": mirror,
    "rotate": lambda view: rotate(view, 5.0),
    "rotate back": lambda view: rotate(view, -5.0),
    "halve": halve,
    "blur": lambda view: blur(view, 0.015),
    "compress": lambda view: compress(view, 50),
    "gray": to_gray,
    "brighten": lambda view: brighten(view, 0.7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_landmarks_follow_the_pixels(name):
    view = dotted()
    np.testing.assert_allclose(centroids(view), POINTS[0], atol=0.1)
    changed = CHANGES[name](view)
    assert changed.photo.dtype == np.uint8
    np.testing.assert_allclose(centroids(changed), changed.landmarks[0], atol=0.15)


@pytest.mark.parametrize("name", CHANGES)
def test_the_photo_given_is_left_as_it_was(name):
    view = dotted()
    for part in (view.photo, view.box, view.landmarks):
        part.flags.writeable = False
    CHANGES[name](view)
    np.testing.assert_array_equal(view.photo, dotted().photo)


@pytest.mark.parametrize("change", [mirror, halve], ids=["mirror", "halve"])
def test_boxes_are_where_a_detector_finds_them(change):
    photo = np.zeros((120, 90, 3), np.uint8)
    photo[20:60, 10:50] = (255, 0, 0)
    found = find((), photo)
    changed = change(View(photo, found.box, found.landmarks))
    np.testing.assert_allclose(changed.box, find((), changed.photo).box)


def test_a_mirror_keeps_the_order_from_left_to_right_and_undoes_itself():
    view = mirror(dotted())
    assert view.landmarks[0, 0, 0] < view.landmarks[0, 2, 0] < view.landmarks[0, 1, 0]
    assert np.array_equal(np.array(MIRRORED)[list(MIRRORED)], range(5))
    twice = mirror(view)
    for name in ("photo", "box", "landmarks"):
        np.testing.assert_allclose(getattr(twice, name), getattr(dotted(), name))


def test_a_turn_is_counter_clockwise_and_undoes_itself():
    view = rotate(dotted(), 5.0)
    eyes = view.landmarks[0, 1] - view.landmarks[0, 0]
    before = POINTS[0, 1] - POINTS[0, 0]
    assert np.degrees(np.arctan2(-eyes[1], eyes[0]) - np.arctan2(-before[1], before[0])) == pytest.approx(5)
    back = rotate(view, -5.0)
    np.testing.assert_allclose(back.landmarks, POINTS, atol=1e-9)
    np.testing.assert_allclose(back.box, dotted().box, atol=1e-9)
    np.testing.assert_allclose(view.box[:, 2:] - view.box[:, :2], [[100, 120]])


def test_jitter_stays_in_its_bounds_and_reaches_them():
    n = 4000
    view = View(dotted().photo, np.repeat(dotted().box, n, 0), np.repeat(POINTS, n, 0))
    moved = jitter(view, seed=0)
    size, before = moved.box[:, 2:] - moved.box[:, :2], view.box[:, 2:] - view.box[:, :2]
    factor = size / before
    centre = ((moved.box[:, 2:] + moved.box[:, :2]) - (view.box[:, 2:] + view.box[:, :2])) / 2 / before
    points = (moved.landmarks - view.landmarks) / np.linalg.norm(POINTS[0, 1] - POINTS[0, 0])
    np.testing.assert_allclose(factor[:, 0], factor[:, 1])
    for values, bound in ((factor[:, 0] - 1, 0.1), (centre, 0.05), (points, 0.05)):
        assert abs(values).max() <= bound * (1 + 1e-9)
        # all m uniform draws are below .99 of the bound with chance .99^m < 1e-17
        assert abs(values).max() > 0.99 * bound
        # a uniform's sd is bound / sqrt(3); the mean of m lies within 5 sd of 0 but for 6e-7
        assert abs(values.mean()) < 5 * bound / np.sqrt(3 * values.size)
    assert abs(np.corrcoef(points.reshape(n, -1).T) - np.eye(10)).max() < 5 / np.sqrt(n)


def test_jitter_is_its_seed():
    a, b, c = (jitter(dotted(), seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(a.box, b.box)
    np.testing.assert_array_equal(a.landmarks, b.landmarks)
    assert (a.box != c.box).all()


def test_faces_without_landmarks_stay_without():
    view = View(dotted().photo, dotted().box, np.full((1, 5, 2), np.nan))
    for change in (lambda v: jitter(v, seed=0), mirror, halve, lambda v: rotate(v, 5.0)):
        assert np.isnan(change(view).landmarks).all()
        assert np.isfinite(change(view).box).all()


def test_gray_and_brightness_are_their_formulas():
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    view = View(photo, dotted().box, POINTS)
    luma = photo @ np.array([0.299, 0.587, 0.114])
    assert abs(to_gray(view).photo - luma[:, :, None]).max() <= 1
    for factor in (0.7, 1.3):
        assert abs(brighten(view, factor).photo - (photo * factor).clip(0, 255)).max() <= 0.5 + 1e-9


def test_a_blur_is_as_wide_as_the_face_asks():
    photo = np.zeros((301, 301, 3), np.uint8)
    photo[100:201, 150] = 255
    blurred = blur(View(photo, np.array([[0, 0, 200, 200.0], [0, 0, 400, 400.0]]), np.repeat(POINTS, 2, 0)), 0.02).photo
    row = blurred[150, :, 0].astype(float)
    x = np.arange(301) - 150
    assert np.sqrt((row * x**2).sum() / row.sum()) == pytest.approx(0.02 * 300, rel=0.03)


def test_jpeg_is_that_of_its_quality():
    photo = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8), (0, 0), 2)
    view = View(photo, dotted().box, POINTS)
    errors = [np.mean((compress(view, quality).photo.astype(float) - photo) ** 2) for quality in (95, 50, 5)]
    assert 0 < errors[0] < errors[1] < errors[2]
    flat = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    assert abs(compress(View(flat, view.box, POINTS), 50).photo.astype(int) - flat).max() <= 3
