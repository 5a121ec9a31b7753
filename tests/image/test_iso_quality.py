"""Native values against scikit-image, Pillow and scipy; maps against the figures of the standard's software."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from scipy.special import expit
from skimage.color import rgb2xyz
from skimage.measure import blur_effect as skimage_blur_effect
from skimage.measure import shannon_entropy

from facevalue.image.face_light import (
    _blur,
    background,
    blur_effect,
    chroma,
    face_light,
    luminance,
    skin_distance,
)
from facevalue.image.iso_quality import CHIN, COMPONENTS, EYES, LIDS, LIPS, rival, shape_measures, sigmoid_score, whole

POINTS = {"left": (80, 90), "right": (120, 90), "nose": (100, 113), "mouth_left": (84, 136), "mouth_right": (116, 136)}
POINTS = {name: np.array(at, float) for name, at in POINTS.items()}
OUTLINE = np.array([(60, 70), (140, 70), (140, 160), (60, 160)], float)


def face(photo: np.ndarray) -> dict[str, float]:
    return face_light(photo, POINTS, OUTLINE)


def scores(name: str, *values: float) -> list[float]:
    return COMPONENTS[name].score(np.array(values)).tolist()


def test_figures_of_the_standards_software():
    assert scores("inter_eye_distance", 70) == [50]
    assert scores("head_size", 0.45) == [100]
    assert scores("luminance_mean", 0.5, 0.2) == [100, 50]
    assert scores("pose_yaw", 30, 45, 60, -60, 120) == [75, 50, 25, 25, 0]
    assert scores("pose_pitch", 30) == scores("pose_roll", -30) == [75]
    assert scores("over_exposure_prevention", 0, 0.1) == [100, 9]
    assert scores("dynamic_range", 5) == [63]  # 62.5 goes away from zero
    assert scores("under_exposure_prevention", 0, 1) == [100, 0]
    assert scores("luminance_variance", 1 / 60) == [100]
    assert scores("illumination_uniformity", 1, 0) == [100, 0]
    assert scores("eyes_open", 0.02) == scores("mouth_closed", 0.2) == [50]
    assert scores("leftward_crop", 0.9) == scores("margin_above", 1.4) == scores("margin_below", 1.8) == [50]
    assert scores("natural_colour", 0) == [100]
    assert scores("single_face_present", 0, 1) == [100, 0]


@pytest.mark.parametrize(
    ("name", "h", "a", "s", "x0", "w"),
    [
        ("background_uniformity", 190, 1, -1, 10, 100),
        ("under_exposure_prevention", 120, 0.832, -1, 0.92, 0.05),
        ("natural_colour", 200, 1, -1, 0, 10),
        ("eyes_open", 100, 0, 1, 0.02, 0.01),
        ("mouth_closed", 100, 1, -1, 0.2, 0.06),
        ("inter_eye_distance", 100, 0, 1, 70, 20),
        ("leftward_crop", 100, 0, 1, 0.9, 0.1),
        ("margin_below", 100, 0, 1, 1.8, 0.1),
        ("margin_above", 100, 0, 1, 1.4, 0.1),
    ],
)
def test_the_constants_of_the_maps(name, h, a, s, x0, w):
    native = np.linspace(0, 3 * max(x0, w), 200)
    exact = np.clip(h * (a + s * expit((native - x0) / w)), 0, 100)
    assert abs(COMPONENTS[name].score(native) - exact).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", COMPONENTS)
def test_scores_are_whole_numbers_of_0_to_100_and_nan_stays_nan(name):
    found = COMPONENTS[name].score(np.append(np.linspace(0, 120, 500), np.nan))
    assert np.isnan(found[-1])
    assert ((found[:-1] >= 0) & (found[:-1] <= 100) & (found[:-1] % 1 == 0)).all()


def test_halves_are_rounded_away_from_zero():
    assert whole(np.array([0.5, 1.5, 2.5, 99.5])).tolist() == [1, 2, 3, 100]
    assert sigmoid_score(np.array([-1e9, 1e9]), 0, 1e-3).tolist() == [0, 100]


def test_luminance_is_linear_light():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    assert abs(luminance(pixels).astype(float) - 255 * rgb2xyz(pixels)[..., 1]).max() <= 0.6


def test_chroma_agrees_with_littlecms():
    draw = np.random.default_rng(1)
    for colour in draw.integers(20, 236, (30, 3)):
        flat = Image.new("RGB", (2, 2), tuple(int(c) for c in colour))
        lab = ImageCms.profileToProfile(
            flat, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB", 5003), outputMode="LAB"
        )
        a, b = (np.asarray(lab)[0, 0, i].view(np.int8) for i in (1, 2))
        assert chroma(colour) == pytest.approx((float(a), float(b)), abs=1.2)
    assert chroma(np.array([255.0, 255, 255])) == pytest.approx((0, 0), abs=0.05)


def test_colours_of_skin_and_others():
    skins = np.array([(255, 224, 189), (225, 172, 150), (141, 85, 60), (80, 50, 35)], float)
    assert [skin_distance(skin) for skin in skins] == pytest.approx([0] * 4, abs=2.5)
    assert min(skin_distance(colour) for colour in np.array([(90, 120, 200), (60, 160, 60.0)])) == 100
    assert skin_distance(np.array([255.0, 60, 40])) > 20


@pytest.mark.parametrize("sigma", [0, 1, 3])
def test_the_blur_effect_agrees_with_scikit_image(astronaut, sigma):
    gray = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray, (0, 0), sigma) if sigma else gray
    assert blur_effect(gray) == pytest.approx(skimage_blur_effect(gray.astype(float), h_size=11), abs=2e-3)
    mask = np.zeros(gray.shape, bool)
    mask[60:200, 150:300] = True
    cut = blur_effect(gray[50:210, 140:310], mask=mask[50:210, 140:310])
    assert blur_effect(gray, mask=mask) == pytest.approx(cut, abs=1e-6)


@pytest.mark.parametrize("sigma", [0, 4, 12])
def test_sharpness_is_the_mean_of_two_scales(astronaut, sigma):
    photo = cv2.GaussianBlur(astronaut, (0, 0), sigma) if sigma else astronaut
    gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[:500, :500].astype(float)
    half = gray.reshape(250, 2, 250, 2).mean((1, 3))
    expected = np.mean([skimage_blur_effect(each, h_size=11) for each in (gray, half)])
    assert _blur(photo[:500, :500], np.ones((500, 500), bool)) == pytest.approx(expected, abs=3e-3)


def test_what_does_not_vary_has_no_sharpness():
    assert np.isnan(blur_effect(np.full((50, 50), 9, np.uint8)))


def gradient() -> np.ndarray:
    """Return a photo whose encoded value rises to the right: mean and entropy are those of its columns."""
    row = np.linspace(40, 220, 200).astype(np.uint8)
    return np.repeat(np.tile(row, (200, 1))[..., None], 3, axis=2)


def test_exposure_is_of_the_px_within_the_face():
    found, photo = face(gradient()), gradient()
    inside = luminance(np.ascontiguousarray(photo[70:161, 60:141]))
    assert found["luminance_mean"] == pytest.approx(inside.mean() / 255, abs=2e-3)
    assert found["luminance_variance"] == pytest.approx((inside / 255).var(), abs=5e-4)
    assert found["dynamic_range"] == pytest.approx(shannon_entropy(inside), abs=0.05)
    assert found["under_exposure_prevention"] == pytest.approx((inside <= 25).mean(), abs=0.02)
    outside = photo.copy()
    outside[:68], outside[163:], outside[:, :58], outside[:, 143:] = 0, 255, 0, 255
    again = face(outside)
    for name in ("luminance_mean", "luminance_variance", "dynamic_range", "sharpness", "illumination_uniformity"):
        assert again[name] == pytest.approx(found[name], abs=0.03)


def test_the_light_of_both_cheeks_is_compared():
    flat = np.full((200, 200, 3), (200, 150, 130), np.uint8)
    assert face(flat)["illumination_uniformity"] == 1
    assert face(flat)["natural_colour"] == 0
    half = flat.copy()
    half[:, :100] //= 3
    assert face(half)["illumination_uniformity"] == 0
    assert face(half)["natural_colour"] == pytest.approx(skin_distance(np.array([133.0, 100, 86.5])), abs=0.5)
    found = face_light(flat, POINTS, OUTLINE + np.maximum(0, 105 - OUTLINE) * (1, 0))  # one cheek is not on the face
    assert np.isnan(found["illumination_uniformity"])
    assert np.isnan(found["natural_colour"])


def test_the_background_is_above_the_mouth_and_beside_the_head():
    draw, eyes = np.random.default_rng(2), np.stack([POINTS["left"], POINTS["right"]])
    flat = np.full((300, 300, 3), 128, np.uint8)
    eyes, outline = eyes + 50, OUTLINE + 50
    noise = draw.integers(0, 256, flat.shape).astype(np.uint8)
    head, corner = flat.copy(), flat.copy()
    head[70:230, 110:190] = noise[70:230, 110:190]
    corner[40:110, 65:90] = noise[40:110, 65:90]
    assert background(flat, eyes, outline) == 0
    assert background(head, eyes, outline) == 0
    assert background(corner, eyes, outline) > 5
    below = flat.copy()
    below[215:] = noise[215:]
    assert background(below, eyes, outline) == 0
    close = np.ascontiguousarray(flat[115:, 130:170])
    assert np.isnan(background(close, eyes - (130, 115), outline - (130, 115)))


@pytest.fixture
def mesh():
    draw = np.random.default_rng(3)
    points = draw.normal(size=(3, 468, 2)) * 20 + 200
    for (pair, x), y in zip(zip(EYES, (150, 210), strict=True), (180, 180), strict=True):
        points[:, pair] = draw.normal(size=(3, 2, 2)) + (x, y)
    points[:, CHIN] = 180, 260
    return points


def test_shape_measures_by_hand(mesh):
    found = shape_measures(mesh, np.array([0, 60, 85.0]), (400, 500))
    for i, points in enumerate(mesh):
        left, right = (points[list(pair)].mean(0) for pair in EYES)
        middle, apart = (left + right) / 2, np.hypot(*(right - left))
        tall = np.hypot(*(points[CHIN] - middle))
        gaps = [max(np.hypot(*(points[a] - points[b])) for a, b in pairs) for pairs in (*LIDS, LIPS)]
        expected = {
            "eyes_open": min(gaps[:2]) / tall,
            "mouth_closed": gaps[2] / tall,
            "inter_eye_distance": apart / np.cos(np.radians((0, 60, 80)[i])),
            "head_size": tall / 400,
            "leftward_crop": (left[0] + 0.5) / apart,
            "rightward_crop": (499.5 - right[0]) / apart,
            "margin_above": (middle[1] + 0.5) / tall,
            "margin_below": (399.5 - middle[1]) / tall,
        }
        assert {name: values[i] for name, values in found.items()} == pytest.approx(expected)


def test_shapes_twice_as_large_have_the_same_ratios(mesh):
    one, two = (shape_measures(k * (mesh + 0.5) - 0.5, np.zeros(3), (400 * k, 500 * k)) for k in (1, 2))
    for name in one:
        assert two[name] == pytest.approx(one[name] * (2 if name == "inter_eye_distance" else 1))
    assert all(np.isnan(v).all() for v in shape_measures(np.full((1, 468, 3), np.nan), np.zeros(1), (9, 9)).values())


def test_rivals():
    assert rival(np.array([[0, 0, 9, 9.0]])).tolist() == [0]
    assert rival(np.zeros((0, 4))).tolist() == []
    box = np.array([[0, 0, 30, 30], [0, 0, 12, 12], [50, 50, 65, 65.0]])
    assert rival(box).tolist() == [0.5, 1, 1]
    assert rival(box[::-1]).tolist() == [1, 1, 0.5]
