"""What holds for every corruption: shape, chance, order of severities, units of the face, and where the landmarks go."""

import colorsys
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from scipy import ndimage

from facevalue.image import _blur, _codec, _frame, _noise, _print, _weather
from facevalue.image.corrupt import CORRUPTIONS, SEVERITIES, corrupt
from facevalue.image.jitter import View, compress, halve
from facevalue.image.quality import inter_eye

NINETEEN = [one.name for room in (_noise, _blur, _weather, _codec) for one in room.CORRUPTIONS]
# what is in the photo stays visible in these, each thing at its place or at a new one
SPOTS_STAY = [one.name for room in (_blur, _codec, _frame, _print) for one in room.CORRUPTIONS if one.name != "pixelate"]
# px by which chance moves the middle of a spot of which shuffling, dots or glare have taken parts: 1 px where not said
SCATTERED = {"glass_blur": 3.5, "print_scan": 3.5, "id_card": 2.0}
# levels in px say that a large face and a small one are changed by different shares
OF_THE_FACE = [name for name, one in CORRUPTIONS.items() if not one.unit.startswith("px")]
WITHOUT_CHANCE = {"defocus_blur", "gaussian_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg", "saturate"}
FIVE = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.55], [-0.36, 1.0], [0.36, 1.0]])


@cache
def drawn(size: int = 440, eyes: float = 84.0) -> View:
    """Return a face of ellipses before a colourful wall, with grain and stripes."""
    points = FIVE * eyes + (size / 2, 0.4 * size)
    y, x = np.mgrid[:size, :size]
    photo = np.stack([90 + 60 * x / size, 130 - 50 * y / size, 110 + 20 * np.sin(x / eyes * 9)], axis=2)
    photo = np.ascontiguousarray(photo.clip(0, 255).astype(np.uint8))

    def ellipse(centre: np.ndarray, width: float, height: float, colour: tuple[int, int, int]) -> None:
        place, axes = (tuple(int(round(16 * v)) for v in pair) for pair in (centre, (width * eyes, height * eyes)))
        cv2.ellipse(photo, place, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, 4)

    ellipse(points[2] - (0, 0.5 * eyes), 1.0, 1.4, (70, 45, 30))
    ellipse(points[2], 0.9, 1.3, (205, 160, 130))
    for eye in points[:2]:
        ellipse(eye, 0.2, 0.1, (240, 240, 235))
        ellipse(eye, 0.09, 0.09, (50, 70, 40))
    ellipse(points[2], 0.12, 0.08, (170, 110, 90))
    ellipse(points[3:].mean(0), 0.36, 0.1, (180, 60, 70))
    grain = cv2.GaussianBlur(np.random.default_rng(5).normal(0, 60, (size, size, 3)), (0, 0), eyes / 40)
    box = np.concatenate([points[2] - np.multiply(eyes, (0.95, 1.3)), points[2] + np.multiply(eyes, (0.95, 1.3))])
    view = View((photo + grain).clip(0, 255).astype(np.uint8), box[None], points[None])
    for part in (view.photo, view.box, view.landmarks):
        part.flags.writeable = False
    return view


def spotted(spot: float, *, size: int = 480, eyes: float = 80.0) -> View:
    """Return a dark photo with a bright spot at each landmark, its standard deviation in eye distances."""
    points = FIVE * eyes + (0.49 * size, 0.42 * size)
    y, x = np.mgrid[:size, :size]
    spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * (spot * eyes) ** 2)) for a, b in points)
    photo = np.repeat(np.rint(60 + 170 * spots).astype(np.uint8)[:, :, None], 3, axis=2)
    box = np.concatenate([points.min(0) - 0.5 * eyes, points.max(0) + 0.5 * eyes])
    return View(photo, box[None], points[None])


@pytest.fixture(scope="module")
def portrait(astronaut) -> View:
    """Return the astronaut's face, 82 px between the eyes."""
    points = np.array([[206.3, 102.0], [247.1, 105.3], [224.8, 124.1], [206.8, 142.2], [241.0, 144.9]])
    photo = cv2.resize(astronaut[:256, 96:352], (512, 512), interpolation=cv2.INTER_CUBIC)
    box = (np.array([[184.4, 62.9, 268.4, 174.4]]) - (96, 0, 96, 0)) * 2
    return View(photo, box, (points[None] - (96, 0) + 0.5) * 2 - 0.5)


def eyes(view: View) -> float:
    return float(inter_eye(view.landmarks)[0])


def moved(before: View, after: View) -> float:
    """Return how far the landmarks went on average, in eye distances."""
    return float(np.linalg.norm(after.landmarks - before.landmarks, axis=2).mean()) / eyes(before)


def changed(before: View, after: View, *, everywhere: bool) -> float:
    """Return the mean absolute difference over the photo, or over the face's box."""
    x1, y1, x2, y2 = (0, 0, *before.photo.shape[1::-1]) if everywhere else before.box[0].round().astype(int)
    return float(abs(after.photo[y1:y2, x1:x2].astype(float) - before.photo[y1:y2, x1:x2]).mean())


def centroid(view: View, point: np.ndarray, reach: float) -> np.ndarray:
    """Return the centre of what is brighter than the surround about a point."""
    left, top = np.floor(point - reach).astype(int).clip(0)
    part = view.photo[top : int(point[1] + reach) + 2, left : int(point[0] + reach) + 2]
    y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    near = np.hypot(*(np.array([x, y]) - point[:, None, None])) < reach
    value = part.mean(axis=2)
    weight = near * np.clip(value - np.median(value[near]), 0, None)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_shape_stays_and_nothing_is_changed_in_place(name):
    view = drawn()  # not writeable
    before = View(view.photo.copy(), view.box.copy(), view.landmarks.copy())
    for severity in (1, 5):
        after = corrupt(view, name, severity, seed=0)
        assert (after.photo.shape, after.photo.dtype) == (view.photo.shape, np.uint8)
        assert (after.box.shape, after.landmarks.shape) == (view.box.shape, view.landmarks.shape)
        assert np.isfinite(after.box).all()
        assert np.isfinite(after.landmarks).all()
    for part in ("photo", "box", "landmarks"):
        np.testing.assert_array_equal(getattr(view, part), getattr(before, part))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_chance_is_the_seed(name):
    view = drawn()
    a, b = (corrupt(view, name, 3, seed=7) for _ in range(2))
    for part in ("photo", "box", "landmarks"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    if name in WITHOUT_CHANCE:
        np.testing.assert_array_equal(corrupt(view, name, 3, seed=8).photo, a.photo)


@pytest.mark.parametrize("name", [name for name in NINETEEN if name not in WITHOUT_CHANCE])
def test_another_seed_is_another_draw(name):
    assert len(NINETEEN) == 19
    assert (corrupt(drawn(), name, 3, seed=7).photo != corrupt(drawn(), name, 3, seed=8).photo).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("which", ["portrait", "drawn"])
def test_a_higher_severity_is_further_from_the_photo(name, which, request):
    view = request.getfixturevalue("portrait") if which == "portrait" else drawn()
    views = [corrupt(view, name, severity, seed=3) for severity in SEVERITIES]
    moves = [moved(view, after) for after in views]
    distances = moves if moves[-1] > 0 else [changed(view, v, everywhere=name == "background_faces") for v in views]
    assert distances[0] > 0
    assert (np.diff(distances) > 0).all(), distances


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_level_further_on_the_list_is_further(name):
    levels = np.array(CORRUPTIONS[name].levels)
    assert len(levels) == len(SEVERITIES)
    assert len(set(np.sign(np.diff(levels)))) == 1
    assert np.diff(levels).all()


@pytest.mark.parametrize("name", OF_THE_FACE)
@pytest.mark.parametrize("severity", [2, 4])
def test_a_severity_means_the_same_at_half_the_size(name, severity):
    whole = drawn(720, 144.0)
    half = halve(whole)
    first, then = halve(corrupt(whole, name, severity, seed=2)), corrupt(half, name, severity, seed=2)
    a, b = (changed(half, after, everywhere=True) for after in (first, then))
    assert 1 / 1.5 < a / b < 1.5
    np.testing.assert_allclose(then.landmarks, first.landmarks, atol=0.03 * eyes(half))


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_the_noise_of_a_face_of_few_px_is_what_is_left_of_that_of_many(name):
    whole = drawn(960, 240.0)
    small = halve(halve(halve(whole)))
    there = halve(halve(halve(corrupt(whole, name, 3, seed=2)))).photo - small.photo.astype(float)
    here = corrupt(small, name, 3, seed=2).photo - small.photo.astype(float)
    assert 1 / 1.25 < here.std() / there.std() < 1.25


@pytest.mark.parametrize("name", SPOTS_STAY)
def test_landmarks_lie_where_their_pixels_went(name):
    # waves stretch a wide spot, and its middle is then not where its peak went
    view = spotted(0.02 if name == "elastic" else 0.07)
    for severity in SEVERITIES:
        after = corrupt(view, name, severity, seed=4)
        reach = (0.1 if name == "elastic" else 0.22) * min(eyes(view), eyes(after))
        inside = ((after.landmarks[0] > 16) & (after.landmarks[0] < 479 - 16)).all(1)
        assert inside.any()
        for point in after.landmarks[0][inside]:
            found = centroid(after, point, reach)
            assert np.linalg.norm(found - point) < SCATTERED.get(name, 1.0), (severity, found, point)


def test_an_elastic_box_has_its_sides_where_the_middles_of_its_sides_went():
    view = drawn()
    x1, y1, x2, y2 = view.box[0]
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    sides = np.array([[[x1, y], [x, y1], [x2, y], [x, y2]]]) - 0.5
    followed = replace(view, landmarks=np.concatenate([view.landmarks, sides], axis=1))
    for severity in SEVERITIES:
        after = corrupt(followed, "elastic", severity, seed=1)
        left, top, right, bottom = after.landmarks[0, 5:] + 0.5
        np.testing.assert_allclose(after.box, [[left[0], top[1], right[0], bottom[1]]], atol=1e-3)
        assert abs(after.box - view.box).max() > 0.5


def test_further_landmarks_and_faces_come_along():
    view = drawn()
    more = np.concatenate([view.landmarks, view.landmarks[:, ::-1] + 3], axis=1)
    two = View(view.photo, np.repeat(view.box, 2, 0), np.stack([more[0], more[0] + 20]))
    for name in CORRUPTIONS:
        after = corrupt(two, name, 2, seed=0)
        assert after.landmarks.shape == (2, 10, 2)
        assert after.box.shape == (2, 4)


@pytest.mark.parametrize("severity", [0, 6, 1.5])
def test_a_severity_is_one_of_five(severity):
    with pytest.raises(ValueError, match="expected a severity of 1 to 5"):
        corrupt(drawn(), "fog", severity, seed=0)


def test_a_corruption_is_one_of_the_list():
    with pytest.raises(ValueError, match=r"of gaussian_noise, .*; got 1 of 'rain'"):
        corrupt(drawn(), "rain", 1, seed=0)


def test_a_photo_without_a_face_has_no_scale():
    view = drawn()
    none = View(view.photo, np.empty((0, 4)), np.empty((0, 5, 2)))
    one_place = replace(view, landmarks=np.zeros((1, 5, 2)))
    unknown = replace(view, landmarks=np.full((1, 5, 2), np.nan))
    for wrong in (none, one_place, unknown):
        with pytest.raises(ValueError, match="expected a face whose eyes lie 1 px apart"):
            corrupt(wrong, "fog", 1, seed=0)


def plain(value: int | tuple[int, int, int], size: int = 360, distance: float = 60.0) -> View:
    """Return a photo of one colour."""
    points = FIVE * distance + size / 2
    return View(np.full((size, size, 3), value, np.uint8), np.array([[60, 60, 300, 300.0]]), points[None])


def test_gaussian_noise_has_its_strength():
    noise = corrupt(plain(128), "gaussian_noise", 1, seed=0).photo.astype(float) - 128
    # 388,800 draws: the standard deviation is known to .1 %, the mean to .04
    assert noise.std() == pytest.approx(255 * CORRUPTIONS["gaussian_noise"].levels[0], rel=0.01)
    assert abs(noise.mean()) < 0.25


@pytest.mark.parametrize("value", [90, 160])
def test_shot_noise_is_that_of_counted_photons(value):
    photons = CORRUPTIONS["shot_noise"].levels[0]
    counted = np.random.default_rng(0).poisson(value / 255 * photons, 400_000) * 255 / photons
    seen = corrupt(plain(value), "shot_noise", 1, seed=0).photo.astype(float)
    assert seen.std() == pytest.approx(np.clip(counted, 0, 255).std(), rel=0.05)
    assert seen.mean() == pytest.approx(value, abs=1)


def test_speckle_noise_grows_with_the_value():
    spreads = [corrupt(plain(value), "speckle_noise", 1, seed=0).photo.std() / value for value in (40, 80, 120)]
    np.testing.assert_allclose(spreads, CORRUPTIONS["speckle_noise"].levels[0], rtol=0.02)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulses_strike_their_share(severity):
    share = CORRUPTIONS["impulse_noise"].levels[severity - 1]
    photo = corrupt(plain(128), "impulse_noise", severity, seed=0).photo
    # shares of 388,800 draws: within 5 standard errors
    for value in (0, 255):
        assert (photo == value).mean() == pytest.approx(share / 2, abs=5 * np.sqrt(share / 2 / photo.size))
    assert set(np.unique(photo)) == {0, 128, 255}


def test_a_grain_is_a_sixtieth_of_the_eye_distance():
    noise = corrupt(plain(128, 720, 240.0), "gaussian_noise", 1, seed=0).photo[:, :, 0].astype(int)
    assert (noise.reshape(180, 4, 180, 4) == noise[::4, ::4][:, None, :, None]).all()
    assert len(np.unique(noise[::4, ::4])) > 50


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_gaussian_blur_is_scipys(severity):
    view = drawn()
    sigma = CORRUPTIONS["gaussian_blur"].levels[severity - 1] * eyes(view)
    expected = ndimage.gaussian_filter(view.photo.astype(float), (sigma, sigma, 0), mode="mirror")
    inner = (slice(40, -40), slice(40, -40))
    assert abs(corrupt(view, "gaussian_blur", severity, seed=0).photo - expected)[inner].mean() < 1.2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_defocused_photo_is_the_mean_over_discs(severity):
    view = drawn()
    radius = CORRUPTIONS["defocus_blur"].levels[severity - 1] * eyes(view)
    reach = np.arange(-int(radius) - 1, int(radius) + 2)
    disc = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(reach, reach)), 0, 1)
    expected = ndimage.convolve(view.photo.astype(float), (disc / disc.sum())[:, :, None], mode="nearest")
    assert abs(corrupt(view, "defocus_blur", severity, seed=0).photo - expected).mean() < 1.2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_spreads_a_spot_along_a_line_of_its_length(severity):
    view = plain(0, 480, 80.0)
    view.photo[238:243, 238:243] = 255
    y, x = np.mgrid[:480, :480]
    after = corrupt(view, "motion_blur", severity, seed=5).photo[:, :, 0]
    spread = np.cov(np.array([x, y]).reshape(2, -1), aweights=after.ravel().astype(float))
    across, along = np.sqrt(np.linalg.eigvalsh(spread))
    length = CORRUPTIONS["motion_blur"].levels[severity - 1] * 80
    # the spot itself has a standard deviation of sqrt(2), a line one of its length over sqrt(12)
    assert along == pytest.approx(np.sqrt(length**2 / 12 + 2), rel=0.1)
    assert across < 1.5 + 0.05 * length


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_zoomed_photo_is_the_mean_over_zooms(severity):
    view = drawn()
    level, middle = CORRUPTIONS["zoom_blur"].levels[severity - 1], view.landmarks[0].mean(0)
    total = np.zeros(view.photo.shape)
    for power in np.linspace(-0.5, 0.5, 60):
        factor = (1 + level) ** power
        matrix = np.column_stack([factor * np.eye(2), (1 - factor) * middle])
        total += cv2.warpAffine(view.photo, matrix, (440, 440), borderMode=cv2.BORDER_REPLICATE)
    inner = (slice(30, -30), slice(30, -30))
    assert abs(corrupt(view, "zoom_blur", severity, seed=0).photo - total / 60)[inner].mean() < 2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_takes_each_grain_from_no_further_than_its_level(severity):
    view = plain(0, 480, 120.0)
    view.photo[:, 240:] = 255
    after = corrupt(view, "glass_blur", severity, seed=0).photo[:, :, 0].astype(float)
    reach = CORRUPTIONS["glass_blur"].levels[severity - 1] * 120
    touched = ((after > 5) & (after < 250)).any(0).nonzero()[0] - 239.5
    assert abs(touched).max() < reach + 5
    # a uniform draw: half of the grains a quarter of the way in show what is beyond the edge with chance 3/8
    column = int(240 + reach / 2)
    assert after[:, column - 1 : column + 2].mean() / 255 == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", ["frost", "spatter"])
def test_ice_and_mud_cover_their_share(name, severity):
    share = CORRUPTIONS[name].levels[severity - 1]
    photo = corrupt(plain((0, 0, 255)), name, severity, seed=0).photo.astype(int)
    # what is so thin that it rounds to nothing counts as bare
    assert (abs(photo - (0, 0, 255)).max(2) > 0).mean() == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_fog_is_thickest_at_its_level_and_hides_in_proportion(severity):
    level = CORRUPTIONS["fog"].levels[severity - 1]
    black, red = (corrupt(plain(value), "fog", severity, seed=0).photo.astype(float) for value in ((0, 0, 0), (200, 0, 0)))
    left = (red - black)[:, :, 0] / 200
    assert left.min() == pytest.approx(1 - level, abs=0.02)
    assert left.max() == pytest.approx(1 - 0.75 * level, abs=0.02)


def test_snow_is_white_and_thickens():
    photos = [corrupt(plain((20, 60, 40)), "snow", severity, seed=0).photo.astype(int) for severity in SEVERITIES]
    for thin, thick in zip(photos[:-1], photos[1:], strict=True):
        assert (thick >= thin - 1).all()
    assert photos[0].max() > (20 + 250) / 2


@pytest.mark.parametrize(("name", "severity"), [("brightness", 2), ("brightness", 5), ("saturate", 1), ("saturate", 4)])
def test_colours_are_those_of_colorsys(name, severity):
    colours = np.random.default_rng(1).integers(0, 256, (60, 3)).astype(np.uint8)
    level = CORRUPTIONS[name].levels[severity - 1]
    view = replace(plain(0), photo=np.ascontiguousarray(np.repeat(colours[None], 40, 0)))
    expected = []
    for colour in colours / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(*colour)
        changes = {"brightness": (saturation, min(1, value + level)), "saturate": (min(1, saturation * level), value)}
        expected.append(colorsys.hsv_to_rgb(hue, *changes[name]))
    # hue is kept in 180 steps, saturation in 255: some values away
    assert abs(corrupt(view, name, severity, seed=0).photo[0] - 255 * np.array(expected)).max() < 8


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_leaves_the_mean_and_its_share_of_the_spread(severity):
    view = drawn()
    after = corrupt(view, "contrast", severity, seed=0).photo.astype(float)
    share = CORRUPTIONS["contrast"].levels[severity - 1]
    np.testing.assert_allclose(after.mean((0, 1)), view.photo.mean((0, 1)), atol=0.5)
    np.testing.assert_allclose(after.std((0, 1)), share * view.photo.std((0, 1)), atol=0.3)


def test_pixels_are_squares_with_their_mean():
    view = drawn(400, 100.0)
    after = corrupt(view, "pixelate", 5, seed=0).photo
    side = int(100 * CORRUPTIONS["pixelate"].levels[4])
    squares = view.photo.reshape(400 // side, side, 400 // side, side, 3).mean((1, 3))
    assert abs(after - squares.repeat(side, 0).repeat(side, 1)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_at_its_own_scale_is_jpeg(severity):
    view = drawn(240, 60.0)
    quality = int(CORRUPTIONS["jpeg"].levels[severity - 1])
    assert (corrupt(view, "jpeg", severity, seed=0).photo == compress(view, quality).photo).all()
