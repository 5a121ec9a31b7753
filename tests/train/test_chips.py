"""Chips for training are what `annotate` would cut, and more around it."""

import cv2
import numpy as np
import pytest

from facevalue import models
from facevalue.annotate import measure
from facevalue.data.faces import Column, Faces
from facevalue.image import align
from facevalue.train.chips import MARGIN, Chips, cut_chips, wider

from .conftest import photo

CROP = models.card("attributes").crops[0]
INSIDE = slice(MARGIN, -MARGIN)


def mesh(crop: align.Crop, *, scale: float, turn: float, at: tuple[float, float]) -> np.ndarray:
    """Return a mesh, (1, 468, 3), whose five corners lie where the crop is `scale` photo px a px, turned about its middle."""
    a = scale * np.exp(1j * np.radians(turn))
    corners = np.array(crop.template) @ (1, 1j) - (1 + 1j) * (crop.size - 1) / 2
    points = np.zeros((1, 468, 3), np.float32)
    placed = a * corners + complex(*at)
    points[0, align.MESH_EYE_CORNERS, 0], points[0, align.MESH_EYE_CORNERS, 1] = placed.real, placed.imag
    return points


def cut(pixels: np.ndarray, points: np.ndarray, *, gray: bool = False) -> Chips:
    return cut_chips([photo(pixels)], points, CROP, gray=gray)


def far(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return abs(a.astype(int) - b)


@pytest.mark.parametrize(("scale", "turn"), [(0.8, 0), (0.9, -17), (2.6, 8)])
@pytest.mark.parametrize("at", [(224, 124), (20, 500)])
def test_plain_chips_are_what_annotate_cuts(astronaut, scale, turn, at):
    points = mesh(CROP, scale=scale, turn=turn, at=at)
    columns = {"mesh.landmarks": Column(points, "px", "mesh@1"), "mesh.presence": Column(np.ones(1), "p", "mesh@1")}
    faces = Faces(np.array(["a"]), np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1), columns)
    maps = measure._transforms(CROP, faces, [astronaut], [slice(0, 1)])
    expected = measure._cut(maps, CROP.size, [astronaut], [slice(0, 1)], np.ones(1, bool))
    found = cut(astronaut, points)
    assert found.plain.shape == (1, CROP.size, CROP.size, 3)
    assert (found.plain == expected).all()


def test_the_crop_lies_where_the_mesh_says():
    """A photo whose red is its column and whose green is its row, cut without interpolation: px of the photo are read off."""
    ramp = np.zeros((200, 240, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(240), np.arange(200)[:, None]
    chip = cut(ramp, mesh(CROP, scale=1, turn=0, at=(120.5, 80.5))).plain[0]
    assert far(chip[..., 0], np.arange(65, 65 + CROP.size)).max() <= 1
    assert far(chip[..., 1], np.arange(25, 25 + CROP.size)[:, None]).max() <= 1


@pytest.mark.parametrize(("scale", "turn", "apart"), [(0.8, 0, 0), (0.9, -17, 256 / 32)])
def test_the_middle_of_a_wide_chip_is_the_plain_one(astronaut, scale, turn, apart):
    """To the px where the map is upright; OpenCV interpolates between 32nds of a px, and rounds those that lie between."""
    chips = cut(astronaut, mesh(CROP, scale=scale, turn=turn, at=(224, 124)))
    assert chips.wide.shape == (1, CROP.size + 2 * MARGIN, CROP.size + 2 * MARGIN, 3)
    assert far(chips.wide[:, INSIDE, INSIDE], chips.plain).max() <= apart


def test_a_large_face_is_averaged_down_in_both(astronaut):
    """Where the photo is averaged first, the two differ by where the averaged px begin, on average by few of 256 steps."""
    smooth = cv2.GaussianBlur(astronaut, (0, 0), 6)
    chips = cut(smooth, mesh(CROP, scale=2.6, turn=8, at=(240, 260)))
    assert far(chips.wide[:, INSIDE, INSIDE], chips.plain).max() <= 4


@pytest.mark.parametrize("turn", [0, 20])
def test_inside_marks_where_the_photo_ends(turn):
    white = np.full((160, 150, 3), 255, np.uint8)
    chips = cut(white, mesh(CROP, scale=0.8, turn=turn, at=(20, 130)))
    edge = np.round(chips.inside[0] - MARGIN).astype(np.int32)
    blank = [np.zeros((CROP.size, CROP.size), np.uint8) for _ in range(2)]
    filled, line = cv2.fillConvexPoly(blank[0], edge, 1) == 1, cv2.polylines(blank[1], [edge], True, 1, thickness=3) == 1
    seen = chips.plain[0, ..., 0] > 0
    assert 0.2 < seen.mean() < 0.8
    assert (seen == filled)[~line].all()
    assert (chips.wide == 255).all()


def test_outside_the_photo_lies_its_mirror_image():
    columns = np.tile(np.arange(200, dtype=np.uint8)[:, None], (200, 1, 3))
    chips = cut(columns, mesh(CROP, scale=1, turn=0, at=(30.5, 100.5)))
    at = np.arange(CROP.size + 2 * MARGIN) + 31 - (CROP.size + 2 * MARGIN) // 2
    assert at.min() < -MARGIN
    assert far(chips.wide[0, ..., 0], abs(at)).max() <= 1
    assert (chips.plain[0][:, at[INSIDE] < -1] == 0).all()


def test_gray_chips_have_one_channel():
    gray = np.random.default_rng(1).integers(0, 256, (150, 150), np.uint8)
    points = mesh(CROP, scale=1, turn=3, at=(75, 75))
    one, three = cut(gray, points, gray=True), cut(np.repeat(gray[..., None], 3, axis=2), points)
    for name in ("plain", "wide"):
        assert (getattr(one, name) == getattr(three, name)[..., :1]).all()
        assert getattr(one, name).shape[3] == 1


def test_many_photos_are_cut_each_by_its_own_mesh(astronaut):
    points = np.concatenate([mesh(CROP, scale=1, turn=0, at=at) for at in ((200, 120), (230, 140))])
    both = cut_chips([photo(astronaut), photo(astronaut[::-1])], points, CROP, gray=False)
    apart = [cut(pixels, one[None]) for pixels, one in zip((astronaut, astronaut[::-1]), points, strict=True)]
    for name in ("plain", "wide", "inside"):
        assert (getattr(both, name) == np.concatenate([getattr(one, name) for one in apart])).all()


def test_a_wider_crop_shows_the_same_scale():
    assert wider(CROP).size == CROP.size + 2 * MARGIN
    assert np.allclose(np.array(wider(CROP).template) - MARGIN, CROP.template)
