"""What is special to the corruptions of photos of faces; `test_corrupt` has what holds for all."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from facevalue.image import _cover, _frame, _light, _print
from facevalue.image.align import apply
from facevalue.image.corrupt import CORRUPTIONS, SEVERITIES, corrupt
from facevalue.image.jitter import View, halve, to_gray

SIXTEEN = [one.name for room in (_cover, _light, _print, _frame) for one in room.CORRUPTIONS]
FIVE = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.55], [-0.4, 1.155], [0.4, 1.155]])


def plain(value: int | tuple[int, int, int] = 128, size: int = 400, eyes: float = 60.0, turn: float = 0.0) -> View:
    """Return a face without features on a photo of one colour, turned counter-clockwise by degrees."""
    a = np.radians(turn)
    points = FIVE @ (np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * eyes) + (0.5 * size, 0.4 * size)
    box = np.concatenate([points.min(0) - 0.5 * eyes, points.max(0) + 0.5 * eyes])
    return View(np.full((size, size, 3), value, np.uint8), box[None], points[None])


def grainy(size: int = 400, eyes: float = 60.0) -> View:
    """Return a face on a photo of smooth colours."""
    drawn = cv2.GaussianBlur(np.random.default_rng(1).normal(128, 400, (size, size, 3)), (0, 0), 4)
    return replace(plain(size=size, eyes=eyes), photo=drawn.clip(0, 255).astype(np.uint8))


def at(view: View, x: float, y: float) -> np.ndarray:
    """Return the colour at a place of the first face, in eye distances from between the eyes."""
    place = apply(_cover.axes(view.landmarks)[:1], np.array([[[x, y]]], float))[0, 0]
    column, row = place.round().astype(int)
    return view.photo[row, column].astype(float)


def altered(before: View, after: View) -> np.ndarray:
    """Return where the photo changed, (h, w)."""
    return abs(after.photo.astype(int) - before.photo).max(2) > 1


@pytest.mark.parametrize("name", ["sunglasses", "medical_mask", "scarf", "half_shadow", "red_eye"])
def test_what_lies_on_a_face_turns_with_it(name):
    upright, turned = (corrupt(plain(turn=turn), name, 4, seed=1) for turn in (0, 35))
    middle = (200.0, 160.0)
    matrix = cv2.getRotationMatrix2D(middle, 35, 1)
    expected = cv2.warpAffine(upright.photo, matrix, (400, 400), borderValue=(128, 128, 128))
    difference = abs(turned.photo.astype(float) - expected)
    assert abs(upright.photo.astype(float) - expected).mean() > 4 * difference.mean()
    # antialiased edges fall otherwise on the px of another angle
    assert difference.mean() < 0.6


FREE = {"sunglasses": [(0, 0.55), (0, 1.155), (0, -0.7)], "medical_mask": [(-0.5, 0), (0.5, 0), (0, -0.7)]}
FREE |= {"scarf": [(-0.5, 0), (0.5, 0), (0, -0.7)], "red_eye": [(0, 0), (0, 0.55), (0.75, 0)]}
COVERED = {"sunglasses": [(-0.5, 0.05), (0.5, 0.05)], "medical_mask": [(0, 1.155), (0.4, 1.5)]}
COVERED |= {"scarf": [(0, 1.155), (0, 2.2)], "red_eye": [(-0.5, 0), (0.5, 0)]}


@pytest.mark.parametrize("name", FREE)
def test_a_cover_lies_on_its_part_and_no_other(name):
    before = plain((200, 160, 140))
    for severity in SEVERITIES:
        after = corrupt(before, name, severity, seed=2)
        for place in FREE[name]:
            assert abs(at(after, *place) - at(before, *place)).max() <= 1, (severity, place)
    for place in COVERED[name]:
        assert abs(at(after, *place) - at(before, *place)).max() > 25, place


@pytest.mark.parametrize("name", ["sunglasses", "medical_mask", "scarf", "background_faces", "red_eye"])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_higher_severity_covers_more(name, seed):
    before = grainy()
    areas = [altered(before, corrupt(before, name, severity, seed=seed)).mean() for severity in SEVERITIES]
    assert areas[0] > 0
    assert (np.diff(areas) > 0).all(), areas


def test_cloth_in_the_dark_is_dark():
    bright, dark = (corrupt(plain(value), "medical_mask", 5, seed=0) for value in (150, 30))
    assert at(dark, 0, 1.3).max() < 0.5 * at(bright, 0, 1.3).min()


@pytest.mark.parametrize("eyes", [20.0, 60.0, 130.0])
@pytest.mark.parametrize("seed", range(4))
def test_background_faces_are_never_over_the_true_one(eyes, seed):
    before = grainy(eyes=eyes)
    x1, y1, x2, y2 = (_cover._bounds(_cover.axes(before.landmarks))[0] + 0.5).clip(0, 400).astype(int)
    y, x = np.mgrid[:400, :400]
    middle = apply(_cover.axes(before.landmarks), np.array([[_cover.HEAD[:2]]]))[0, 0]
    head = np.hypot((x - middle[0]) / (_cover.HEAD[2] * eyes), (y - middle[1]) / (_cover.HEAD[3] * eyes)) < 0.99
    for severity in SEVERITIES:
        after = corrupt(before, "background_faces", severity, seed=seed)
        np.testing.assert_array_equal(after.photo[head], before.photo[head])
        np.testing.assert_array_equal(after.landmarks, before.landmarks)
        np.testing.assert_array_equal(after.box, before.box)
        assert altered(before, after).any() or (x2 - x1, y2 - y1) == (400, 400)


def test_background_faces_are_one_to_four_and_grow():
    before, counts, largest = grainy(600, 40.0), [], []
    for severity in SEVERITIES:
        labels, count = ndimage.label(
            ndimage.binary_closing(altered(before, corrupt(before, "background_faces", severity, seed=5)), iterations=4)
        )
        sizes = ndimage.sum_labels(labels > 0, labels, range(1, count + 1))
        counts.append(int((sizes > 200).sum()))
        largest.append(np.sqrt(sizes.max() / (np.pi * _cover.HEAD[2] * _cover.HEAD[3] * 40**2)))
    assert counts == [1, 2, 3, 3, 4]
    np.testing.assert_allclose(largest, _cover.BACKGROUND, rtol=0.12)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_half_a_face_is_in_shadow(severity):
    level = CORRUPTIONS["half_shadow"].levels[severity - 1]
    sides = set()
    for seed in range(6):
        after = corrupt(plain(200), "half_shadow", severity, seed=seed)
        left, right = at(after, -0.8, 0.5)[0], at(after, 0.8, 0.5)[0]
        assert min(left, right) == pytest.approx(200 * (1 - level), abs=3)
        assert max(left, right) == pytest.approx(200, abs=3)
        sides.add(left < right)
    assert sides == {True, False}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_light_from_behind_brightens_the_surround_and_darkens_the_face(severity):
    after = corrupt(plain(120, 600, 50.0), "back_light", severity, seed=0)
    level = CORRUPTIONS["back_light"].levels[severity - 1]
    assert at(after, 0, 0.5).max() < 120 * (1 - 0.6 * level)
    assert after.photo[5, 5].min() > 120 + 100 * level
    assert np.ptp(after.photo[5, 5]) == 0


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("value", [120, 230])
def test_low_light_is_counted_photons_and_a_reading(severity, value):
    stops = CORRUPTIONS["low_light"].levels[severity - 1]
    after = corrupt(plain(value), "low_light", severity, seed=0).photo.astype(float)
    rng, light = np.random.default_rng(3), (value / 255) ** 2.2 / 2**stops
    counted = rng.poisson(light / _light.PHOTONS, 400_000) * _light.PHOTONS + rng.normal(0, _light.READING, 400_000)
    expected = 255 * counted.clip(0, 1) ** (1 / 2.2)
    assert np.median(after) == pytest.approx(np.median(expected), abs=2 + stops / 2)
    if stops <= 4:  # further down a straight line is no longer the curve of encoding
        assert after.std() == pytest.approx(expected.std(), rel=0.2)
    steps = np.unique(after) / (1 + stops)
    assert abs(steps - steps.round()).max() * (1 + stops) <= 0.5 + 1e-9


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gray_is_a_mixture_with_luma(severity):
    before = grainy()
    share = CORRUPTIONS["gray"].levels[severity - 1]
    expected = (1 - share) * before.photo + share * to_gray(before).photo.astype(float)
    assert abs(corrupt(before, "gray", severity, seed=0).photo - expected).max() <= 1.5


@pytest.mark.parametrize("seed", range(5))
def test_a_cast_is_one_lamp_ever_stronger(seed):
    before = plain(150)
    levels = np.array(CORRUPTIONS["colour_cast"].levels)
    gains = np.log([corrupt(before, "colour_cast", severity, seed=seed).photo[0, 0] / 150 for severity in SEVERITIES])
    np.testing.assert_allclose(gains / levels[:, None], np.tile(gains[-1] / levels[-1], (5, 1)), atol=0.02)
    assert np.ptp(gains[-1]) > 0.3


def test_eyes_are_reddened_where_the_pupils_are():
    before = plain((200, 160, 140), 400, 100.0)
    pupils = before.landmarks[0, :2] + (6, -3)
    for pupil in pupils:
        cv2.circle(before.photo, tuple(int(v) for v in pupil.round()), 5, (20, 15, 10), -1)
    for severity, radius in zip(SEVERITIES, CORRUPTIONS["red_eye"].levels, strict=True):
        after = corrupt(before, "red_eye", severity, seed=0)
        y, x = np.mgrid[:400, :400]
        for pupil in pupils:
            near = np.hypot(x - pupil[0], y - pupil[1]) < 20
            weight = near * abs(after.photo.astype(float) - before.photo).sum(2)
            found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
            assert np.linalg.norm(found - pupil) < 2.5
            assert np.hypot(x - pupil[0], y - pupil[1])[near & altered(before, after)].max() < 100 * radius * 1.2 + 3.5
            red, green, blue = after.photo[int(pupil[1]), int(pupil[0])].astype(int)
            assert red > 2 * max(green, blue)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_turned_face_has_turned_eyes_and_a_box_of_its_size(severity):
    before = grainy()
    after = corrupt(before, "rotation", severity, seed=0)
    left, right = after.landmarks[0, :2]
    # in the picture y goes down, counter-clockwise is up on the right
    roll = np.degrees(np.arctan2(-(right - left)[1], (right - left)[0]))
    assert roll == pytest.approx(CORRUPTIONS["rotation"].levels[severity - 1])
    np.testing.assert_allclose(after.box[:, 2:] - after.box[:, :2], before.box[:, 2:] - before.box[:, :2])
    turned = ndimage.rotate(before.photo, CORRUPTIONS["rotation"].levels[severity - 1], axes=(0, 1), reshape=False, order=1)
    # scipy turns about the photo's middle, which lies elsewhere: compare about the face's
    there, here = (before.landmarks[0].mean(0) - 199.5), after.landmarks[0].mean(0)
    a = np.radians(roll)
    shift = here - (np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) @ there + 199.5)
    moved = ndimage.shift(turned.astype(float), (shift[1], shift[0], 0), order=1)
    part = (slice(130, 230), slice(150, 250))
    assert abs(after.photo[part] - moved[part]).mean() < 2


def test_a_photo_cropped_as_tightly_already_stays():
    before = grainy(300, 120.0)
    for severity in (1, 2, 3):
        after = corrupt(before, "tight_crop", severity, seed=0)
        np.testing.assert_array_equal(after.photo, before.photo)
        np.testing.assert_allclose(after.landmarks, before.landmarks)


@pytest.mark.parametrize("corner", [(0.15, 0.15), (0.85, 0.2), (0.5, 0.75)])
def test_a_tight_crop_shows_nothing_that_was_not_there(corner):
    view = grainy()
    moved = view.landmarks - view.landmarks[0, 2] + np.array(corner) * 400
    for severity in SEVERITIES:
        after = corrupt(replace(view, landmarks=moved), "tight_crop", severity, seed=0)
        scale = np.ptp(after.landmarks[0, :, 0]) / np.ptp(moved[0, :, 0])
        edge = (np.array([0, 399]) - after.landmarks[0, 2, :, None]) / scale + moved[0, 2, :, None]
        assert (edge > -0.5 - 1e-6).all()
        assert (edge < 399.5 + 1e-6).all()
        assert (after.landmarks >= 0).all()
        assert (after.landmarks <= 399).all()
    # at the tightest the chin, about two eye distances down, leaves the frame when the face is not at the photo's edge
    if corner == (0.85, 0.2):
        assert apply(_cover.axes(after.landmarks), np.array([[[0, 2.1]]]))[0, 0, 1] > 399


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_loose_crop_is_the_photo_smaller_as_pillow_has_it(severity):
    before = grainy()
    after = corrupt(before, "loose_crop", severity, seed=0)
    level = CORRUPTIONS["loose_crop"].levels[severity - 1]
    eyes = np.linalg.norm(after.landmarks[0, 1] - after.landmarks[0, 0]) / 60
    assert eyes == pytest.approx(level, abs=0.5 / 400)
    side = round(400 * level)
    start, rim = (400 - side) // 2, max(2, round(0.04 * side))
    expected = np.asarray(Image.fromarray(before.photo).resize((side, side), Image.Resampling.BOX)).astype(float)
    inner = after.photo[start : start + side, start : start + side].astype(float)
    assert abs(inner - expected)[rim:-rim, rim:-rim].mean() < 1.5


def test_few_px_are_the_means_of_many():
    before = grainy(400, 80.0)
    after = corrupt(before, "small", 2, seed=0)
    assert CORRUPTIONS["small"].levels[1] == 40
    checks = 20 * np.kron(np.ones((200, 200)), [[1, -1], [-1, 1]])[:, :, None]
    inside = before.photo.clip(40, 215)
    a, b = (corrupt(replace(before, photo=(inside + sign * checks).astype(np.uint8)), "small", 2, seed=0) for sign in (0, 1))
    np.testing.assert_array_equal(a.photo, b.photo)
    assert abs(halve(after).photo.astype(float) - halve(before).photo).mean() < 2


def test_a_face_of_fewer_px_stays_small():
    before = grainy(eyes=25.0)
    for severity in (1, 2, 3):
        np.testing.assert_array_equal(corrupt(before, "small", severity, seed=0).photo, before.photo)
    assert (corrupt(before, "small", 4, seed=0).photo != before.photo).any()


def test_a_wave_and_a_screen_are_cosines():
    y, x = np.mgrid[:40, :70]
    wave = np.cos(2 * np.pi * (0.13 * x - 0.07 * y) + 0.4)
    np.testing.assert_allclose(_print._wave((40, 70), 0.13, -0.07, 0.4), wave, atol=1e-5)
    u, v = (3 * y + 4 * x) / 5, (3 * x - 4 * y) / 5
    screen = (np.cos(2 * np.pi * u / 3) + np.cos(2 * np.pi * v / 3)) / 2
    np.testing.assert_allclose(_print._screen((40, 70), float(np.degrees(np.arctan2(3, 4)))), screen, atol=1e-5)


@pytest.mark.parametrize("value", [0, 40, 128, 255])
def test_dots_keep_the_tone_and_spare_black_and_white(value):
    page = _print._halftoned(np.full((240, 240, 3), value, np.uint8), 40)
    np.testing.assert_allclose(page.mean((0, 1)), value, atol=0.5)
    assert (page.std() > 5) == (value in (40, 128))


def test_a_slant_is_opencvs():
    before = grainy()
    slant = _print._slant((400, 400), np.array([(0.02, 0.05), (-0.03, 0.01), (-0.02, -0.04), (0.05, 0)]))
    after = _print._slanted(before, before.photo, slant)
    expected = cv2.perspectiveTransform(before.landmarks, slant)
    np.testing.assert_allclose(after.landmarks, expected)
    x1, y1, x2, y2 = before.box[0] - 0.5
    corners = cv2.perspectiveTransform(np.array([[(x1, y1), (x2, y1), (x1, y2), (x2, y2)]]), slant)[0] + 0.5
    np.testing.assert_allclose(after.box[0], [*corners.min(0), *corners.max(0)])


def test_a_scan_loses_detail_and_range():
    level = np.array(CORRUPTIONS["print_scan"].levels)
    black, white, striped = (plain(value, 400, 130.0) for value in (0, 255, 0))
    striped.photo[::2] = 255
    part = (slice(100, 300), slice(100, 300))
    scans = [
        [corrupt(view, "print_scan", s, seed=1).photo[part].astype(float) for s in SEVERITIES]
        for view in (black, white, striped)
    ]
    darkest, brightest = (np.array([np.median(one) for one in several]) for several in scans[:2])
    assert (np.diff(darkest) > 0).all()
    assert (darkest >= 255 * 0.14 * level - 2).all()
    assert (np.diff(brightest - darkest) < 0).all()
    assert (brightest - darkest <= 255 * (1 - 0.2 * level) + 2).all()
    # stripes of one px, 127 about their mean in the photo, are gone; dots and paper are what is seen
    assert max(one.std() for one in scans[2]) < 60


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_card_holds_the_portrait_smaller_and_stamped_on_one_cheek(severity):
    before, level = plain(190, 600, 90.0), CORRUPTIONS["id_card"].levels[severity - 1]
    after = corrupt(before, "id_card", severity, seed=0)
    share = np.linalg.norm(after.landmarks[0, 1] - after.landmarks[0, 0]) / 90
    assert share == pytest.approx(1 - 0.5 * level, abs=0.002)
    card = np.full((600, 600, 3), 190, np.uint8)
    _print._stamp(card, _cover.axes(before.landmarks)[0], (0.5, 1.0), level)
    stamped = (card < 185).any(2)
    y, x = np.nonzero(stamped)
    places = (np.stack([x, y], axis=1) - (300, 240)) / 90
    assert (abs(places - (0.6, 1.1)).max(1) < 0.45).any()
    assert (places[:, 0] > -0.5).all()
    assert (np.hypot(*(places - (0.5, 0)).T) > 0.3).all()


def crowd() -> View:
    """Return one face, one whose points lie in one place, one half outside the photo, and one far outside."""
    view = grainy()
    points = view.landmarks[0]
    outside = points + (210, 0), points + (5000, -9000)
    return View(view.photo, np.repeat(view.box, 4, 0), np.stack([points, np.full_like(points, 50.0), *outside]))


@pytest.mark.parametrize("name", SIXTEEN)
def test_faces_without_size_or_outside_the_photo_do_no_harm(name):
    before = crowd()
    for severity in (1, 5):
        after = corrupt(before, name, severity, seed=0)
        assert after.photo.shape == before.photo.shape
        assert after.landmarks.shape == before.landmarks.shape
        assert np.isfinite(after.landmarks).all()


@pytest.mark.parametrize("name", ["sunglasses", "medical_mask", "scarf", "red_eye"])
def test_a_face_without_size_is_left_alone(name):
    both = crowd()
    one = View(both.photo, both.box[:1], both.landmarks[:1])
    two = View(both.photo, both.box[:2], both.landmarks[:2])
    unknown = View(both.photo, both.box[:2], np.stack([both.landmarks[0], np.full((5, 2), np.nan)]))
    alone = corrupt(one, name, 3, seed=0)
    np.testing.assert_array_equal(corrupt(two, name, 3, seed=0).photo, alone.photo)
    again = CORRUPTIONS[name].apply(unknown, CORRUPTIONS[name].levels[2], np.random.default_rng(0))
    np.testing.assert_array_equal(again.photo, alone.photo)


@pytest.mark.parametrize("name", SIXTEEN)
def test_a_face_seen_flat_has_no_axes_and_is_no_error(name):
    view = grainy()
    flat = view.landmarks.copy()
    flat[:, 2:, 1] = flat[:, :1, 1]
    after = corrupt(replace(view, landmarks=flat), name, 3, seed=0)
    assert after.photo.shape == view.photo.shape
    if name in {"sunglasses", "medical_mask", "scarf", "background_faces", "half_shadow", "red_eye", "rotation", "tight_crop"}:
        np.testing.assert_array_equal(after.photo, view.photo)
