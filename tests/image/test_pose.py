import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facevalue.image.pose import STABLE, angles, head_pose, mean_mesh, rigid

Y_UP = np.array([1.0, -1.0, -1.0])


def turned(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations (n, 3, 3), y down and z away, of heads with these angles in degrees, by scipy's Euler angles."""
    up = Rotation.from_euler("ZYX", np.stack([roll, -np.asarray(yaw), pitch], axis=1), degrees=True).as_matrix()
    return Y_UP[:, None] * up * Y_UP


@pytest.fixture
def heads():
    rng = np.random.default_rng(0)
    at = np.stack([rng.uniform(-80, 80, 40), rng.uniform(-50, 50, 40), rng.uniform(-60, 60, 40)])
    mesh = np.einsum("nij,kj->nki", turned(*at), mean_mesh()[0]) * rng.uniform(20, 200, (40, 1, 1))
    return at, mesh + rng.uniform(0, 900, (40, 1, 3))


def test_the_mirror_map_is_an_involution_with_28_points_on_the_midline():
    _, mirror = mean_mesh()
    np.testing.assert_array_equal(mirror[mirror], np.arange(468))
    midline = np.flatnonzero(mirror == np.arange(468))
    lips = [0, 11, 12, 13, 14, 15, 16, 17]
    assert midline.tolist() == sorted([*lips, 1, 2, 4, 5, 6, 8, 9, 10, 18, 19, 94, 151, 152, 164, 168, 175, 195, 197, 199, 200])


def test_the_mirror_map_pairs_the_known_corners():
    _, mirror = mean_mesh()
    pairs = {33: 263, 133: 362, 61: 291, 78: 308, 159: 386, 145: 374, 70: 300, 107: 336, 98: 327, 127: 356, 234: 454}
    assert {left: int(mirror[left]) for left in pairs} == pairs


def test_the_mean_face_is_its_own_mirror_image_and_has_unit_eye_distance():
    points, mirror = mean_mesh()
    np.testing.assert_allclose(points[mirror] * (-1, 1, 1), points, atol=1e-9)
    eyes = points[[33, 133]].mean(0), points[[263, 362]].mean(0)
    np.testing.assert_allclose(eyes, [(-0.5, 0, 0), (0.5, 0, 0)], atol=2e-4)
    assert points[4, 2] < points[[234, 454], 2].min() - 0.5
    assert set(mirror[list(STABLE)]) == set(STABLE)


def test_the_angles_of_turned_heads_come_back(heads):
    at, mesh = heads
    pose = head_pose(mesh)
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], at, atol=1e-6)
    np.testing.assert_allclose(pose.residual, 0, atol=1e-9)


def test_signs_are_those_of_3ddfa():
    """Positive yaw, pitch and roll move the nose's tip left, and down, and the right-hand eye up in the picture."""
    face = mean_mesh()[0]
    left, down, tilted = (face @ matrix.T for matrix in turned([30, 0, 0], [0, 30, 0], [0, 0, 30]))
    assert left[4, 0] - left[[33, 263], 0].mean() < -0.2
    assert down[4, 1] - down[[33, 263], 1].mean() > face[4, 1] - face[[33, 263], 1].mean() + 0.1
    assert tilted[263, 1] < tilted[33, 1] - 0.3


def test_a_noisy_fit_equals_scipys(heads):
    _, mesh = heads
    points = mean_mesh()[0]
    weights = np.random.default_rng(1).uniform(0.1, 1, 468)
    mesh = mesh + np.random.default_rng(2).normal(0, 3, mesh.shape)
    rotation, scale, misfit = rigid(points, mesh, weights)
    for matrix, s, error, target in zip(rotation, scale, misfit, mesh, strict=True):
        p, t = (x - np.average(x, axis=0, weights=weights) for x in (points, target))
        expected, _ = Rotation.align_vectors(t, p, weights=weights)
        np.testing.assert_allclose(matrix, expected.as_matrix(), atol=1e-6)
        off = np.average(((t / s - p @ matrix.T) ** 2).sum(1), weights=weights)
        np.testing.assert_allclose(error, np.sqrt(off), rtol=1e-6)


def test_a_mirrored_shape_is_never_fitted_by_a_reflection(heads):
    _, mesh = heads
    rotation, _, misfit = rigid(mean_mesh()[0] + (0, 0.1, 0), mesh * (-1, 1, 1), np.ones(468))
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    tetrahedron = np.array([[0, 0, 0], [1.0, 0, 0], [0, 2, 0], [0, 0, 3]])
    rotation, _, misfit = rigid(tetrahedron, tetrahedron[None] * (-1, 1, 1), np.ones(4))
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    assert misfit[0] > 0.3


def test_mirroring_a_mesh_turns_yaw_and_roll_round(heads):
    _, mesh = heads
    mesh = mesh + np.random.default_rng(3).normal(0, 2, mesh.shape)
    pose, twin = head_pose(mesh), head_pose((mesh * (-1, 1, 1))[:, mean_mesh()[1]])
    np.testing.assert_allclose([twin.yaw, twin.pitch, twin.roll], [-pose.yaw, pose.pitch, -pose.roll], atol=1e-6)
    np.testing.assert_allclose(twin.residual, pose.residual)


def test_residual_is_in_eye_distances():
    face = mean_mesh()[0]
    noisy = 50 * (face + np.random.default_rng(0).normal(0, 0.02, (200, 468, 3)))
    expected = 0.02 * np.sqrt(3 - 7 / len(STABLE))
    np.testing.assert_allclose(np.sqrt((head_pose(noisy).residual ** 2).mean()), expected, rtol=0.05)


def test_rows_without_a_mesh_stay_nan_and_rows_do_not_touch(heads):
    _, mesh = heads
    mesh[3, 33] = np.nan
    pose = head_pose(mesh)
    assert np.flatnonzero(np.isnan(pose.yaw)).tolist() == [3]
    np.testing.assert_allclose(head_pose(mesh[5:6]).pitch, pose.pitch[5:6])
    assert head_pose(mesh[:0]).yaw.shape == (0,)
    assert np.isnan(head_pose(mesh[3:4]).residual).all()


def test_the_gimbal_gives_numbers():
    yaw, _, _ = angles(turned([90.0, -90.0], [0, 0], [0, 0]))
    np.testing.assert_allclose(yaw, [90, -90], atol=1e-5)
