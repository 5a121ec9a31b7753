"""Crops: the maps against scikit-image and dlib, the pixels against an image resize."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import SimilarityTransform

from facevalue.image import align
from facevalue.image.align import Crop, apply, arcface, cut, dlib_chip, invert, similarity, transforms

BOX = np.array([[181.40, 67.14, 269.93, 176.06]])
POINTS = np.array([[[203.0, 110], [244, 108], [224, 132], [208, 150], [241, 149]]])
SHAPE = (512, 512)


def turned(points: np.ndarray, degrees: float, about: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - about) @ turn.T + about


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return peak_signal_noise_ratio(a, b, data_range=255)


# --- maps


@pytest.mark.parametrize("k", [2, 3, 5, 60])
def test_similarity_is_scikit_image_s(k):
    draw = np.random.default_rng(k)
    source, target = draw.normal(size=(20, k, 2)) * 50, draw.normal(size=(k, 2)) * 50
    # near copies of the target, as real landmarks are: for a pattern that is best mirrored the two differ by intent
    source[:10] = target + draw.normal(size=(10, k, 2)) * 5
    for matrix, points in zip(similarity(source, target)[:10], source[:10], strict=True):
        expected = SimilarityTransform.from_estimate(points, target)
        np.testing.assert_allclose(matrix, expected.params[:2], atol=1e-9)


def test_similarity_finds_the_map_that_made_the_points():
    draw = np.random.default_rng(0)
    made = SimilarityTransform(scale=2.5, rotation=1.1, translation=(-30, 12))
    points = draw.random((4, 5, 2)) * 100
    found = similarity(points, np.stack([made(each) for each in points]))
    np.testing.assert_allclose(found, np.broadcast_to(made.params[:2], (4, 2, 3)), atol=1e-9)


def test_no_similarity_is_nearer():
    draw = np.random.default_rng(3)
    source, target = draw.normal(size=(1, 5, 2)) * 20, draw.normal(size=(5, 2)) * 20
    best = similarity(source, target)[0]

    def error(a: float, b: float, x: float, y: float) -> float:
        return float(((source[0] @ np.array([[a, b], [-b, a]]) + (x, y) - target) ** 2).sum())

    least = np.array([best[0, 0], best[1, 0], best[0, 2], best[1, 2]])
    for step in draw.normal(size=(200, 4)) * 0.05:
        assert error(*(least + step)) >= error(*least)


def test_similarity_never_mirrors_and_survives_one_point():
    draw = np.random.default_rng(4)
    points = draw.normal(size=(50, 5, 2))
    assert (np.linalg.det(similarity(points, points[0] * (-1, 1))[:, :, :2]) >= 0).all()
    flat = similarity(np.ones((1, 5, 2)), POINTS[0])
    np.testing.assert_allclose(apply(flat, np.ones((1, 1, 2)))[0, 0], POINTS[0].mean(0))
    assert similarity(np.zeros((0, 5, 2)), POINTS[0]).shape == (0, 2, 3)


def test_invert_and_apply_undo_each_other():
    draw = np.random.default_rng(5)
    maps, points = draw.normal(size=(30, 2, 3)), draw.normal(size=(30, 7, 2))
    np.testing.assert_allclose(apply(invert(maps), apply(maps, points)), points, atol=1e-6)
    whole = np.concatenate([maps, np.broadcast_to([[[0, 0, 1.0]]], (30, 1, 3))], axis=1)
    np.testing.assert_allclose(invert(maps), np.linalg.inv(whole)[:, :2], atol=1e-6)
    expected = [cv2.transform(p[None], m)[0] for p, m in zip(points, maps, strict=True)]
    np.testing.assert_allclose(apply(maps, points), expected, atol=1e-12)


# --- windows


def test_arcface_lays_the_points_on_its_template():
    for size in (112, 224):
        crop = arcface(size)
        template = np.array(crop.template)
        np.testing.assert_allclose(template * 112 / size, align.ARCFACE_112, atol=1e-9)
        for degrees, scale in ((0, 1), (35, 3), (-120, 0.4)):
            points = turned(template * scale, degrees, np.array([300.0, 200]))
            maps = transforms(crop, BOX, points[None], shape=SHAPE)
            np.testing.assert_allclose(apply(maps, points[None])[0], template, atol=1e-9)


def fitting() -> np.ndarray:
    """Return five points that lie as dlib's template has them, but for the rounding to whole px."""
    return np.rint(turned(np.array(align.DLIB_CORNERS) * 130 + (160, 85), -7, np.array([225, 130]))).astype(int)


def turned_away() -> np.ndarray:
    """Return five points of a face turned to the side: no similarity lays them on the template."""
    return np.array([[250, 105], [232, 108], [199, 113], [209, 113], [215, 149]])


@pytest.mark.parametrize("points", [fitting, turned_away])
@pytest.mark.parametrize(("size", "padding"), [(150, 0.25), (64, 0.25), (150, 0.5)])
def test_the_dlib_chip_is_dlib_s(points, size, padding, astronaut):
    dlib = pytest.importorskip("dlib")
    corners = points()
    parts = dlib.points([dlib.point(*map(int, point)) for point in corners])
    details = dlib.get_face_chip_details(dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts), size, padding)
    expected = dlib.extract_image_chip(astronaut, details)
    mesh = np.zeros((1, 468, 3))
    mesh[0, list(align.MESH_EYE_CORNERS), :2] = corners
    maps = transforms(dlib_chip(size, padding), BOX, POINTS, shape=SHAPE, mesh=mesh)
    frame, last = details.rect, size - 1
    window = np.array([[0, 0], [last, 0], [0, last], [last, last]], float)
    theirs = np.array([[x, y] for y in (frame.top(), frame.bottom()) for x in (frame.left(), frame.right())])
    theirs = turned(theirs, np.rad2deg(details.angle), theirs.mean(0))
    # dlib's first and last px show the frame's edges, ours lie half a px of the chip inside
    edge = abs((frame.right() - frame.left() + 1) / size - 1) / 2
    assert np.abs(apply(invert(maps), window[None])[0] - theirs).max() < 0.15 + 1.5 * edge
    if size == 150:  # dlib reduces a larger face by another filter
        assert np.abs(cut(astronaut, maps, size)[0].astype(int) - expected).mean() < 4


def test_a_chip_needs_the_mesh():
    with pytest.raises(ValueError, match="needs the mesh"):
        transforms(dlib_chip(), BOX, POINTS, shape=SHAPE)


def test_eyes_and_mouth_meet_their_places():
    crop = Crop("eyes_mouth", 60, ((20, 20), (40, 20), (30, 45)))
    points = POINTS.copy()
    points[0, :2] = [[220, 120], [260, 120]]
    points[0, 3:] = [[230, 170], [250, 170]]
    maps = transforms(crop, BOX, points, shape=SHAPE)
    np.testing.assert_allclose(apply(maps, points[:, :2])[0], [[20, 20], [40, 20]], atol=1e-9)
    np.testing.assert_allclose(apply(maps, points[:, 3:].mean(1, keepdims=True))[0, 0], (30, 45), atol=1e-9)


def test_a_turned_face_gives_the_crop_of_the_upright_one(astronaut):
    centre = np.array([225.0, 120.0])
    for degrees in (30, -75, 180):
        matrix = np.zeros((2, 3))
        matrix[:, :2] = turned(np.eye(2), degrees, np.zeros(2)).T
        matrix[:, 2] = centre - matrix[:, :2] @ centre
        photo = cv2.warpAffine(astronaut, matrix, SHAPE, flags=cv2.INTER_CUBIC)
        points = turned(POINTS, degrees, centre)
        for crop in (arcface(), Crop("eyes_level", 96, scale=1.2)):
            middle = POINTS.mean(1)
            box = np.hstack([middle - 45, middle + 45]) + 0.5  # boxes count from the edge of a px, points from its centre
            there = turned(middle, degrees, centre)
            upright = cut(astronaut, transforms(crop, box, POINTS, shape=SHAPE), crop.size)[0]
            again = np.hstack([there - 45, there + 45]) + 0.5
            same = cut(photo, transforms(crop, again, points, shape=SHAPE), crop.size)[0]
            assert psnr(same, upright) > 27, (degrees, crop.how)


def test_squares_stand_where_they_should():
    box = np.array([[100.0, 100, 140, 180]])
    corners = np.array([[(0, 0), (50, 50)]]) - 0.5
    for crop, expected in (
        (Crop("upright", 50), (90, 110, 150, 170)),
        (Crop("upright", 50, scale=2), (60, 80, 180, 200)),
        (Crop("upright", 50, shift=0.25), (90, 125, 150, 185)),
    ):
        found = apply(invert(transforms(crop, box, POINTS, shape=SHAPE)), corners)[0] + 0.5
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-9)


def test_a_stretched_window_stays_inside_and_keeps_the_box_s_shape():
    boxes = np.array([[200.0, 150, 240, 210], [0, 0, 40, 60], [470, 380, 510, 398], [-10, 30, 400, 380]])
    crop = Crop("stretched", 80, scale=2.7)
    maps = transforms(crop, boxes, np.repeat(POINTS, 4, axis=0), shape=(400, 512))
    corners = apply(invert(maps), np.broadcast_to(np.array([(0, 0), (80, 80)]) - 0.5, (4, 2, 2))) + 0.5
    low, high = corners[:, 0], corners[:, 1]
    assert (low >= -1e-6).all()
    assert (high <= np.array([512, 400]) + 1e-6).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    scales = (high - low) / sides
    np.testing.assert_allclose(scales[:, 0], scales[:, 1])
    np.testing.assert_allclose(scales[:3], 2.7)
    np.testing.assert_allclose((low + high)[0] / 2, (220, 180))
    assert scales[3, 0] == pytest.approx(399 / 350)


def turned_and_boxed(photo: np.ndarray, box: np.ndarray, points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a face turned about its box until the eyes are level, cut, resized with its aspect, and padded, step by step."""
    x1, y1, x2, y2 = box
    (rx, ry), (lx, ly) = points[:2]
    centre = ((x1 + x2) / 2 - 0.5, (y1 + y2) / 2 - 0.5)
    turn = cv2.getRotationMatrix2D(centre, float(np.degrees(np.arctan2(ly - ry, lx - rx))), 1.0)
    part = cv2.warpAffine(photo, turn, photo.shape[1::-1], flags=cv2.INTER_CUBIC)[y1:y2, x1:x2]
    factor = min(height / part.shape[0], width / part.shape[1])
    shrunk = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_LINEAR
    part = cv2.resize(part, (int(part.shape[1] * factor), int(part.shape[0] * factor)), interpolation=shrunk)
    above, left = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    below, right = height - part.shape[0] - above, width - part.shape[1] - left
    return np.pad(part, ((above, below), (left, right), (0, 0)))


@pytest.mark.parametrize(("height", "width"), [(112, 112), (160, 160), (55, 47), (80, 200)])
@pytest.mark.parametrize("box", [(181, 67, 271, 177), (150, 60, 290, 150), (201, 100, 241, 140)])
def test_a_letterbox_is_a_turn_a_cut_a_resize_and_black(height, width, box, astronaut):
    points = POINTS.copy()
    points[0, :2] = [[203, 116], [243, 100]]
    crop = Crop("letterbox", height, width=width)
    boxes = np.array([box], float)
    frame = align.frames(crop, boxes)
    maps = transforms(crop, boxes, points, shape=SHAPE)
    found = cut(astronaut, maps, crop.shape, within=frame)[0]
    expected = turned_and_boxed(astronaut, np.array(box), points[0], height, width)
    x1, y1, x2, y2 = frame[0]
    inside = np.zeros((height, width), bool)
    inside[y1:y2, x1:x2] = True
    assert (found[~inside] == 0).all()
    assert (expected[~inside] == 0).all()
    assert (x2 - x1 >= width - 1) | (y2 - y1 >= height - 1)
    shrunk = min(height / (box[3] - box[1]), width / (box[2] - box[0])) < 0.5
    assert psnr(found[y1:y2, x1:x2], expected[y1:y2, x1:x2]) > (22 if shrunk else 32)
    for shift in itertools.product((-1, 0, 1), (-1, 0, 1)):
        assert psnr(np.roll(expected, shift, (0, 1)), found) <= psnr(expected, found)
    # the middle of the box lies in the middle of its frame, and the eyes are level
    middle = apply(maps, (boxes[:, :2] + boxes[:, 2:])[:, None] / 2 - 0.5)[0, 0]
    np.testing.assert_allclose(middle, (frame[0, :2] + frame[0, 2:]) / 2 - 0.5, atol=1e-9)
    eyes = apply(maps, points[:, :2].astype(float))[0]
    assert eyes[0, 1] == pytest.approx(eyes[1, 1])
    assert eyes[0, 0] < eyes[1, 0]


def test_a_letterbox_is_black_beside_the_photo_and_beside_the_box():
    photo = np.full((60, 80, 3), 200, np.uint8)
    box = np.array([[60.0, 10, 100, 30]])
    crop = Crop("letterbox", 40)
    pixels = cut(photo, transforms(crop, box, np.full((1, 5, 2), np.nan), shape=(60, 80)), 40, within=align.frames(crop, box))[
        0
    ]
    np.testing.assert_array_equal(align.frames(crop, box), [[0, 10, 40, 30]])
    assert (pixels[:10] == 0).all()
    assert (pixels[30:] == 0).all()
    assert (pixels[11:29, :19] == 200).all()
    assert (pixels[:, 21:] == 0).all()


def test_a_letterbox_without_a_box_is_unusable_and_without_faces_empty():
    crop = Crop("letterbox", 40)
    for box in ([10.0, 10, 10, 30], [np.nan, 1, 2, 3]):
        boxes = np.array([box])
        maps = transforms(crop, boxes, POINTS, shape=SHAPE)
        assert not align.usable(maps).any()
        within = align.frames(crop, boxes)
        assert (cut(np.full((50, 50, 3), 9, np.uint8), maps, 40, within=within) == 0).all()
    none = np.zeros((0, 4))
    assert align.frames(crop, none).shape == (0, 4)
    assert cut(np.zeros((9, 9, 3), np.uint8), transforms(crop, none, POINTS[:0], shape=(9, 9)), 40).shape == (0, 40, 40, 3)
    assert align.frames(arcface(), none) is None


def test_a_stretched_window_may_be_no_square(astronaut):
    crop = Crop("stretched", 55, width=47)
    box = np.array([[180.0, 60, 274, 170]])
    found = cut(astronaut, transforms(crop, box, POINTS, shape=SHAPE), crop.shape)[0]
    assert found.shape == (55, 47, 3)
    expected = cv2.resize(astronaut[60:170, 180:274], (47, 55), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_faces_are_mapped_each_for_itself():
    boxes = np.array([[10.0, 20, 60, 90], [200, 100, 300, 220], [5, 5, 500, 400]])
    points = POINTS + np.array([0, 30, -50])[:, None, None]
    kinds = (Crop("stretched", 64, scale=1.3), Crop("eyes_level", 64, shift=0.1), Crop("letterbox", 64), align.ffhq(64))
    for crop in (arcface(), *kinds):
        whole = transforms(crop, boxes, points, shape=SHAPE)
        for i in range(3):
            one = transforms(crop, boxes[i : i + 1], points[i : i + 1], shape=SHAPE)
            np.testing.assert_allclose(one[0], whole[i], atol=1e-12)
        assert transforms(crop, boxes[:0], points[:0], shape=SHAPE).shape == (0, 2, 3)


def ffhq_aging(photo: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """Return FFHQ-Aging's crop by an oriented rectangle that Pillow stretches, four times as large, and then shrinks."""
    left, right, _, *mouth = points
    across, eyes = right - left, (left + right) / 2
    down = (mouth[0] + mouth[1]) / 2 - eyes
    # the mean of the direction of the eyes and of what is at right angles to that of the mouth
    angle = np.angle((across @ (1, 1j)) - 1j * (down @ (1, 1j)))
    half = max(2.0 * np.hypot(*across), 2.2 * np.hypot(*down))
    centre = eyes + 0.1 * down
    places = [turned(np.array([x, y]) * half, np.degrees(angle), np.zeros(2)) + centre for x, y in QUAD]
    large = Image.fromarray(photo).transform(
        (4 * size, 4 * size), Image.Transform.QUAD, (np.array(places) + 0.5).ravel().tolist(), Image.Resampling.BILINEAR
    )
    return np.asarray(large.resize((size, size), Image.Resampling.BOX))


QUAD = ((-1, -1), (-1, 1), (1, 1), (1, -1))
AGING = {
    "as it is": POINTS[0],
    "turned": turned(POINTS[0], 25, POINTS[0].mean(0)),
    "long": POINTS[0] + np.array([(0, -12), (0, -12), (0, 0), (3, 10), (3, 12)]),
    "upside down": turned(POINTS[0], 170, POINTS[0].mean(0)),
}


@pytest.mark.parametrize("which", AGING)
@pytest.mark.parametrize("size", [96, 128])
def test_the_crop_of_ffhq_aging_is_its_oriented_rectangle(which, size, astronaut):
    points = AGING[which]
    # a smooth photo: a crop of noise would tell of filters, not of places
    photo = cv2.GaussianBlur(np.pad(astronaut, ((300, 300), (300, 300), (0, 0)), "reflect"), (0, 0), 2)
    points = points + 300
    maps = transforms(align.ffhq(size), BOX, points[None], shape=photo.shape[:2])
    found, expected = cut(photo, maps, size)[0], ffhq_aging(photo, points, size)
    assert psnr(found, expected) > 40
    for shift in itertools.product((-1, 0, 1), (-1, 0, 1)):
        assert psnr(np.roll(expected, shift, (0, 1)), found) <= psnr(expected, found)


def test_the_middle_of_the_crop_of_ffhq_aging_is_its_middle():
    whole, middle = (transforms(crop, BOX, POINTS, shape=SHAPE) for crop in (align.ffhq(128), align.ffhq(112, scale=112 / 128)))
    at = np.array([[(0.0, 0), (111, 0), (55.5, 55.5), (0, 111)]])
    np.testing.assert_allclose(apply(whole, apply(invert(middle), at)), at + 8, atol=1e-9)


def test_the_crop_of_ffhq_aging_turns_and_grows_with_the_face():
    for degrees, scale in ((40, 1.0), (-110, 2.5), (0, 0.3)):
        points = turned(POINTS[0] * scale, degrees, np.array([10.0, 20]))
        one, other = (transforms(align.ffhq(64), BOX, each[None], shape=SHAPE) for each in (POINTS[0], points))
        np.testing.assert_allclose(apply(one, POINTS), apply(other, points[None]), atol=1e-9)
    assert not align.usable(transforms(align.ffhq(), BOX, POINTS * np.nan, shape=SHAPE)).any()
    assert not align.usable(transforms(align.ffhq(), BOX, np.ones_like(POINTS), shape=SHAPE)).any()


# --- pixels


@pytest.mark.parametrize("size", [64, 90, 112, 200])
def test_an_upright_square_is_a_resize(size, astronaut):
    side = 96
    box = np.array([[180.0, 60, 180 + side, 60 + side]])
    crop = cut(astronaut, transforms(Crop("upright", size), box, POINTS, shape=SHAPE), size)[0]
    # the resize is given a margin, so that its border sees the photo, as the crop does, and not copies of the edge
    margin = side
    part = astronaut[:, 180 - margin : 180 + side + margin]
    part = np.pad(part, ((margin, 0), (0, 0), (0, 0)))[60 : 60 + side + 2 * margin]
    expected = cv2.resize(part, (3 * size, 3 * size), interpolation=cv2.INTER_LINEAR)[size : 2 * size, size : 2 * size]
    assert np.abs(crop.astype(int) - expected).max() <= 8
    assert psnr(crop, expected) > 45


@pytest.mark.parametrize("shrink", [2, 3, 4, 7])
def test_a_large_face_is_averaged_down_first(shrink, astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((2048, 2048), Image.Resampling.BICUBIC))
    noisy = np.clip(large + np.random.default_rng(0).normal(0, 40, large.shape), 0, 255).astype(np.uint8)
    size = 112
    side = size * shrink
    x, y = 520, 220
    box = np.array([[x, y, x + side + 0.01, y + side + 0.01]])
    crop = cut(noisy, transforms(Crop("upright", size), box, POINTS, shape=(2048, 2048)), size)[0]
    expected = np.asarray(Image.fromarray(noisy[y : y + side, x : x + side]).resize((size, size), Image.Resampling.BOX))
    assert psnr(crop, expected) > 27
    plain = cv2.resize(noisy[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_LINEAR)
    assert psnr(plain, expected) < psnr(crop, expected) - 5 or shrink == 2
    # no shift: the crop is nearest to the average of exactly its own pixels
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        moved = noisy[y + dy * shrink :, x + dx * shrink :][:side, :side]
        other = np.asarray(Image.fromarray(moved).resize((size, size), Image.Resampling.BOX))
        assert psnr(crop, other) < psnr(crop, expected)


@pytest.mark.parametrize("scale", [1.9, 2.0, 2.1, 3.5, 5.3])
def test_nothing_jumps_where_averaging_begins(scale, astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((2048, 2048), Image.Resampling.BICUBIC))
    side = 112 * scale
    box = np.array([[600.0, 300, 600 + side, 300 + side]])
    crop = cut(large, transforms(Crop("upright", 112), box, POINTS, shape=(2048, 2048)), 112)[0]
    window = (600, 300, 600 + side, 300 + side)
    expected = Image.fromarray(large).resize((112, 112), Image.Resampling.BOX, box=window)
    assert psnr(crop, np.asarray(expected)) > 30


def test_outside_the_photo_is_black():
    photo = np.full((50, 60, 3), 200, np.uint8)
    for box in ([-40, -40, 20, 20], [200, 200, 260, 260], [-300, -300, 400, 400], [40, 30, 100, 90]):
        crop = Crop("upright", 32)
        maps = transforms(crop, np.array([box], float), POINTS, shape=photo.shape[:2])
        pixels = cut(photo, maps, 32)[0]
        places = apply(invert(maps), np.stack(np.meshgrid(np.arange(32), np.arange(32)), -1).reshape(1, -1, 2))[0]
        step = max(1, (box[2] - box[0]) / 32) + 1
        outside = ((places < -step) | (places > np.array([59, 49]) + step)).any(1).reshape(32, 32)
        inside = ((places > step) & (places < np.array([59, 49]) - step)).all(1).reshape(32, 32)
        assert (pixels[outside] == 0).all()
        assert (pixels[inside] == 200).all()


def test_cut_gives_one_crop_a_map_and_leaves_the_photo(astronaut):
    photo = astronaut.copy()
    photo.flags.writeable = False
    maps = transforms(arcface(), np.repeat(BOX, 3, 0), np.repeat(POINTS, 3, 0), shape=SHAPE)
    crops = cut(photo, maps, 112)
    assert (crops.shape, crops.dtype) == ((3, 112, 112, 3), np.uint8)
    assert (crops[0] == crops[2]).all()
    assert cut(photo, maps[:0], 112).shape == (0, 112, 112, 3)
    np.testing.assert_array_equal(photo, astronaut)


def test_a_face_without_size_or_place_gives_a_crop_all_the_same(astronaut):
    for points in (np.full((1, 5, 2), 100.0), np.full((1, 5, 2), np.nan)):
        maps = transforms(arcface(), BOX, points, shape=SHAPE)
        assert cut(astronaut, maps, 112).shape == (1, 112, 112, 3)


def test_a_crop_of_a_mirrored_photo_is_the_mirrored_crop(astronaut):
    crop = Crop("upright", 80, scale=1.1)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    box = BOX[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (512, 0, 512, 0)
    one = cut(astronaut, transforms(crop, BOX, POINTS, shape=SHAPE), 80)[0]
    two = cut(mirrored, transforms(crop, box, POINTS, shape=SHAPE), 80)[0]
    assert np.abs(one.astype(int) - two[:, ::-1]).max() <= 4


# --- nudges


def moved(places: np.ndarray, crop: Crop) -> np.ndarray:
    """Return places in a crop, (k, 2) px, turned about its middle, resized and shifted, step by step."""
    right, down, degrees, factor = crop.nudge
    middle = np.array([crop.shape[1] - 1, crop.shape[0] - 1]) / 2
    return (turned(places, -degrees, middle) - middle) * factor + middle + np.array([right, down]) * crop.shape[::-1]


NUDGED = [(0.03, 0, 0, 1.0), (0, -0.1, 0, 1.0), (0, 0, 12.0, 1.0), (0, 0, 0, 1.2), (-0.03, 0.05, -7.0, 0.9)]


@pytest.mark.parametrize("nudge", NUDGED)
def test_a_nudged_crop_is_cut_by_a_moved_template(nudge, astronaut):
    crop = replace(arcface(), nudge=nudge)
    there = Crop("template", 112, tuple(map(tuple, moved(np.array(align.ARCFACE_112), crop))))
    ours, theirs = (transforms(each, BOX, POINTS, shape=SHAPE) for each in (crop, there))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    np.testing.assert_array_equal(cut(astronaut, ours, 112), cut(astronaut, theirs, 112))


@pytest.mark.parametrize("nudge", NUDGED)
@pytest.mark.parametrize(
    "crop",
    [
        arcface(),
        Crop("upright", 60, scale=1.2, shift=0.1),
        Crop("eyes_level", 60),
        Crop("stretched", 55, width=47),
        Crop("letterbox", 55, width=47),
        align.ffhq(50, scale=0.9),
    ],
    ids=lambda crop: crop.how,
)
def test_every_crop_can_be_nudged(crop, nudge):
    crop = replace(crop, nudge=nudge)
    places = np.array([[3.0, 4], [40, 9], [20, 50], [0, 0]])
    at = apply(invert(transforms(replace(crop, nudge=None), BOX, POINTS, shape=SHAPE)), places[None])
    np.testing.assert_allclose(apply(transforms(crop, BOX, POINTS, shape=SHAPE), at)[0], moved(places, crop), atol=1e-6)


def test_a_nudge_to_the_right_and_down_moves_the_face_so_and_a_turn_is_counter_clockwise():
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[48:52, 70:74] = 255
    box = np.array([[0.0, 0, 100, 100]])

    def bright(nudge):
        crop = Crop("upright", 100, nudge=nudge)
        rows, columns = np.nonzero(cut(photo, transforms(crop, box, POINTS, shape=(100, 100)), 100)[0, :, :, 0] > 128)
        return columns.mean(), rows.mean(), len(rows)

    assert bright(None)[:2] == (71.5, 49.5)
    assert bright((0.2, 0, 0, 1.0))[:2] == pytest.approx((91.5, 49.5))
    assert bright((0, 0.3, 0, 1.0))[:2] == pytest.approx((71.5, 79.5))
    x, y, _ = bright((0, 0, 90, 1.0))
    assert (x, y) == pytest.approx((49.5, 27.5), abs=0.6)
    assert bright((0, 0, 0, 2.0))[2] == pytest.approx(4 * 16, rel=0.4)


def test_no_nudge_at_all_is_a_nudge_by_nothing():
    for crop in (arcface(), Crop("letterbox", 40, width=60)):
        still = transforms(replace(crop, nudge=(0, 0, 0, 1.0)), BOX, POINTS, shape=SHAPE)
        np.testing.assert_allclose(still, transforms(crop, BOX, POINTS, shape=SHAPE), atol=1e-12)
    assert not align.usable(transforms(replace(arcface(), nudge=NUDGED[0]), BOX, POINTS * np.nan, shape=SHAPE)).any()
