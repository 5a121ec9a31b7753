import functools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from facevalue import models
from facevalue.annotate.memory import annotate
from facevalue.data.errors import MissingColumn
from facevalue.data.faces import Column, Faces
from facevalue.data.shapes import read_shapes
from facevalue.image.landmarks import scheme
from facevalue.models import frl132
from facevalue.models.frl132 import EYES_APART, HEIGHT, POINTS, WIDTH, across, descriptors, edges, frame, project, window

# of face 001 of the London Set: pupils, chin, highest point of the hairline; px of the photo
GOLDEN = {0: (376.3, 420.8), 1: (518.6, 415.3), 108: (453.2, 662.6), 118: (443.3, 247.1)}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def faces_of(meshes: np.ndarray, presence: list[float]) -> Faces:
    n = len(meshes)
    faces = Faces(["a"] * n, np.zeros((n, 4)), np.zeros((n, 5, 2)), np.zeros(n))
    faces = faces.with_column("mesh.presence", Column(np.array(presence), "p", "mesh@1"))
    return faces.with_column("mesh.landmarks", Column(meshes, "px", "mesh@1"))


def edges_anew(gray: np.ndarray) -> np.ndarray:
    """Return the edges of eight directions by scipy, from the angle of each gradient to each direction."""
    reflect = {"mode": "mirror"}
    across, down = (ndimage.sobel(gray.astype(float), axis, **reflect) / 8 for axis in (1, 0))
    found = []
    for k in range(8):
        apart = np.abs(np.angle((across + 1j * down) * np.exp(-2j * np.pi * k / 8)))
        share = np.clip(1 - apart / (2 * np.pi / 8), 0, None)
        found.append(ndimage.gaussian_filter(np.hypot(across, down) * share, 2.5, truncate=4, **reflect))
    return np.stack(found, -1)


def test_edges_equal_a_second_implementation():
    gray = cv2.GaussianBlur(cv2.cvtColor(noise(0), cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    found = edges(noise(0))
    assert [level.shape for level in found] == [(HEIGHT, WIDTH, 8), (HEIGHT // 2, WIDTH // 2, 8)]
    np.testing.assert_allclose(found[0], edges_anew(gray), atol=0.02 * found[0].max())
    np.testing.assert_allclose(found[1], edges_anew(cv2.pyrDown(gray)), atol=0.02 * found[1].max())


def test_descriptors_are_the_edges_on_a_grid_over_their_length():
    levels, points = edges(noise(1)), np.array([[100.25, 120.5], [-40.0, 60], [200, 350]])
    found = descriptors(levels, points)
    assert found.shape == (3, 2, 128)
    steps = np.array([-7.5, -2.5, 2.5, 7.5])
    for i, level in enumerate(levels):
        for point, told in zip(points / 2**i, found[:, i], strict=True):
            at = [(point[1] + y, point[0] + x) for y in steps for x in steps]
            pixels = [ndimage.map_coordinates(level[..., k], np.transpose(at), order=1, mode="nearest") for k in range(8)]
            expected = np.stack(pixels, -1).ravel()
            np.testing.assert_allclose(told, expected / (np.linalg.norm(expected) + 4), atol=2e-3)


def test_a_turn_of_the_picture_by_a_right_angle_turns_directions_by_two():
    square = noise(2)[:WIDTH]
    plain, turned = edges(square)[0], edges(np.ascontiguousarray(np.rot90(square)))[0]
    np.testing.assert_allclose(np.rot90(plain), np.roll(turned, 2, axis=2), atol=1e-2)


def test_a_basis_is_applied_level_by_level():
    draw = np.random.default_rng(3)
    told, basis = draw.normal(size=(5, 2, 128)), draw.normal(size=(2, 128, 6))
    expected = np.hstack([told[:, 0] @ basis[0], told[:, 1] @ basis[1]])
    np.testing.assert_allclose(project(told, basis), expected, atol=1e-9)


def test_the_mirrored_window_is_its_own_inverse_and_the_frame_is_upright():
    points, mirror = np.random.default_rng(4).normal(size=(3, POINTS, 2)), scheme("frl132").mirror
    np.testing.assert_allclose(across(across(points, mirror), mirror), points, atol=1e-9)
    left, right = (frame()[list(eye)].mean(0) for eye in frl132.EYES)
    np.testing.assert_allclose(right - left, [EYES_APART, 0], atol=0.5)
    np.testing.assert_allclose((left + right) / 2, frl132.EYES_AT, atol=1e-6)


def test_a_mirrored_window_is_read_mirrored():
    """It is learned from as many mirrored faces; a point's penalty may still differ from that of its mirror image."""
    known, picture = frl132.regression(), cv2.GaussianBlur(noise(5), (0, 0), 4)
    mesh = frame() + np.random.default_rng(5).normal(0, 2, (468, 2))
    own, mirror = known(edges(picture), mesh), scheme("frl132").mirror
    twin = known(edges(np.ascontiguousarray(picture[:, ::-1])), across(mesh, scheme("mesh468").mirror))
    assert ((across(twin, mirror) - own) ** 2).mean() < 0.1**2 * ((own - known.begin(mesh)) ** 2).mean()


def test_without_edges_to_go_by_the_points_come_from_mesh_and_means():
    """Zero weights leave the start and the offset."""
    known = frl132.regression()
    mute = replace(known, weights=np.zeros_like(known.weights))
    np.testing.assert_allclose(mute(edges(noise(6)), frame()), known.begin(frame()) + known.offset, atol=1e-4)
    start = known.base + (frame().ravel() - known.mesh) @ known.start
    np.testing.assert_allclose(known.begin(frame()).ravel(), start, atol=1e-4)


def test_points_move_with_the_photo_and_a_face_without_mesh_has_none():
    photo = cv2.resize(noise(7)[::8, ::8], (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC)
    mesh = np.pad(frame() * 1.5 + 30, ((0, 0), (0, 1)))
    moved = mesh + [7, 11, 0]
    meshes = np.stack([mesh, np.full_like(mesh, np.nan), mesh])
    found = models.load("frl132").derive(photo, faces_of(meshes, [1, 1, 0.2]))
    assert list(found) == [output.name for output in models.card("frl132").outputs]
    assert np.isnan(found["landmarks"][1:]).all()
    shifted = np.roll(photo, (11, 7), axis=(0, 1))
    again = models.load("frl132").derive(shifted, faces_of(moved[None], [1]))
    np.testing.assert_allclose(again["landmarks"][0], found["landmarks"][0] + [7, 11], atol=0.3)
    with pytest.raises(MissingColumn, match=r"mesh\.landmarks"):
        models.load("frl132").derive(photo, Faces(["a"], np.zeros((1, 4)), np.zeros((1, 5, 2)), np.zeros(1)))


def test_the_window_has_the_eyes_where_they_belong():
    picture, maps = window(np.zeros((900, 900, 3), np.uint8), frame() * 3 + 50)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(maps[0], [[1 / 3, 0, -50 / 3], [0, 1 / 3, -50 / 3]], atol=1e-6)


def test_foretold_faces_are_nearer_to_the_mean_and_more_even_than_people_place_them():
    told = frl132.departures()
    assert list(told) == list(frl132.MEASURES)
    for name, less in (("asymmetry", 0.0035), ("distinctiveness", 0.0109)):
        assert told[name].shape == (102,)
        assert told[name].mean() == pytest.approx(less, abs=2e-4)


@functools.cache
def london(folder: Path) -> tuple[Faces, np.ndarray]:
    """Return six faces and the points that people placed on them, px of the photos."""
    placed = read_shapes(folder / "tem")[:6]
    points = (scheme("frl189").select(placed.points) + 0.5) * 2 / 3 - 0.5
    photos = [folder / "photos" / "neutral" / f"{name}.jpg" for name in placed.names]
    return annotate(photos, instruments=["frl132"], workers=1), points


@pytest.mark.index
@pytest.mark.shared
def test_points_lie_where_people_placed_them(shared, mirror):
    """These faces were learned from; on people held out the error is 2.8 %."""
    faces, points = london(shared / "data" / "london")
    found = faces["frl132.landmarks"].values
    apart = np.linalg.norm(found - points, axis=2) / np.linalg.norm(points[:, :1] - points[:, 1:2], axis=2)
    assert apart.mean() < 0.025
    assert apart.max() < 0.3


@pytest.mark.index
@pytest.mark.shared
def test_golden_points_of_a_photo(shared, mirror):
    faces, _ = london(shared / "data" / "london")
    for point, place in GOLDEN.items():
        np.testing.assert_allclose(faces["frl132.landmarks"].values[0, point], place, atol=0.5)
