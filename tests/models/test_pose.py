import numpy as np
import pytest

from facevalue import models
from facevalue.data.errors import MissingColumn
from facevalue.data.faces import Column, Faces
from facevalue.image import align
from facevalue.image.pose import STABLE, angles, head_pose, mean_mesh, rigid
from tests.models.test_mesh import read, readings

PHOTO = np.zeros((8, 8, 3), np.uint8)


def test_pose_is_derived_from_the_mesh_and_nan_stays_nan():
    mesh = np.stack([100 * mean_mesh()[0], np.full((468, 3), np.nan)])
    mesh = np.concatenate([mesh, mesh[:1]])[:, STABLE]
    faces = Faces(["a"] * 3, np.zeros((3, 4)), np.zeros((3, 5, 2)), np.zeros(3))
    faces = faces.with_column("mesh.presence", Column(np.array([1, 1, 0.2]), "p", "mesh@1"))
    measures = models.load("pose").derive(PHOTO, faces.with_column("mesh.rigid", Column(mesh, "px", "mesh@1")))
    assert list(measures) == [output.name for output in models.card("pose").outputs]
    for values in measures.values():
        assert abs(values[0]) < 1e-3
        assert np.isnan(values[1:]).all()
    with pytest.raises(MissingColumn, match="mesh.rigid"):
        models.load("pose").derive(PHOTO, faces)


@pytest.fixture(scope="module")
def meshes(london_neutral):
    return london_neutral["mesh.landmarks"].values.astype(np.float64)


@pytest.fixture(scope="module")
def london(shared, london_neutral):
    """Return what is read in every second of the 102 neutral photos and in its mirrored twin, and their width."""
    known = [london_neutral[f"mesh.{name}"].values for name in ("landmarks", "rigid", "presence")]
    paths = [shared / "data/london/photos/neutral" / name for name in london_neutral.path]
    return [(tuple(values[[i]] for values in known), *twin(read(paths[i]))) for i in range(0, len(paths), 2)]


@pytest.fixture(scope="module")
def groups(shared):
    photos = map(read, sorted((shared / "data/groups").glob("*.jpg")))
    return [(readings(photo), *twin(photo)) for photo in photos]


def twin(photo: np.ndarray) -> tuple:
    """Return what is read in the mirrored photo, and its width."""
    return readings(np.ascontiguousarray(photo[:, ::-1])), photo.shape[1]


def symmetric_mean(meshes: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return the mirror-symmetrised Procrustes mean: mean pitch 0, the eyes a unit apart about the origin."""
    weights = np.zeros(468)
    weights[list(STABLE)] = 1
    both, mean = np.concatenate([meshes, meshes[:, mirror] * (-1, 1, 1)]), meshes[0]
    for _ in range(12):
        rotation, scale, _ = rigid(mean, both, weights)
        straight = np.einsum("nji,nkj->nki", rotation, both) / scale[:, None, None]
        straight -= straight[:, list(STABLE)].mean(1, keepdims=True)
        mean = straight.mean(0)
        mean = (mean + mean[mirror] * (-1, 1, 1)) / 2
        pitch = np.radians(angles(rigid(mean, meshes, weights)[0])[1].mean())
        mean = mean @ np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        left, right = mean[[33, 133]].mean(0), mean[[362, 263]].mean(0)
        mean = (mean - (left + right) / 2) / np.linalg.norm(right - left)
    return mean


def mirror_of(meshes: np.ndarray, twins: np.ndarray) -> np.ndarray:
    """Return which vertex of the mirrored photo's mesh lies on each vertex, at the least summed distance."""
    from scipy.optimize import linear_sum_assignment

    centred = [x - x[:, [33, 263]].mean(1, keepdims=True) for x in (meshes, twins * (-1, 1, 1))]
    first, second = (x.mean(0) for x in centred)
    offset = first.mean(0) - second.mean(0)
    return linear_sum_assignment(((first[:, None] - second[None] - offset) ** 2).sum(2))[1]


@pytest.mark.index
@pytest.mark.shared
def test_the_mean_face_is_made_of_the_london_photos(meshes, london):
    points, mirror = mean_mesh()
    twins = np.stack([mesh[0] for _, (mesh, _, _), _ in london])
    np.testing.assert_array_equal(mirror_of(meshes[::2], twins), mirror)
    np.testing.assert_allclose(symmetric_mean(meshes, mirror), points, atol=2e-3)


@pytest.mark.index
@pytest.mark.shared
def test_london_sitters_look_ahead(meshes):
    pose = head_pose(meshes)
    assert np.median(abs(pose.yaw)) < 2
    assert np.median(abs(pose.roll)) < 2
    assert abs(pose.pitch.mean()) < 0.2
    assert np.median(pose.residual) < 0.03


@pytest.mark.index
@pytest.mark.shared
@pytest.mark.parametrize(("photos", "within_two_degrees"), [("groups", 0.85), ("london", 1)])
def test_a_mirrored_photo_has_the_opposite_yaw_and_roll(photos, within_two_degrees, request):
    apart = []
    for (_, points, presence), (_, twins, _), width in request.getfixturevalue(photos):
        pose, twin = head_pose(points[presence > 0.5]), head_pose(twins)
        middle, other = points[presence > 0.5][:, :, 0].mean(1), width - 1 - twins[:, :, 0].mean(1)
        same = abs(middle[:, None] - other).argmin(1)
        apart.append([pose.yaw + twin.yaw[same], pose.pitch - twin.pitch[same], pose.roll + twin.roll[same]])
    apart = abs(np.concatenate(apart, axis=1))
    assert apart.shape[1] >= 34
    assert (np.median(apart, axis=1) < 0.6).all()
    assert ((apart < 2).mean(1) >= within_two_degrees).all()


@pytest.mark.index
@pytest.mark.shared
def test_yaw_agrees_with_3ddfa_on_the_groups(shared, mirror, groups):
    faceboxes, tddfa, ours, theirs = models.load("faceboxes"), models.load("tddfa"), [], []
    for path, ((mesh, _, _), _, _) in zip(sorted((shared / "data/groups").glob("*.jpg")), groups, strict=True):
        photo = read(path)
        faces = faceboxes(photo)
        middle, at = (faces.box[:, :2] + faces.box[:, 2:]) / 2, mesh[:, :, :2].mean(1)
        apart = np.linalg.norm(at[:, None] - middle[None], axis=2)
        seen = apart.min(1) < 0.3 * np.linalg.norm(mesh[:, 10, :2] - mesh[:, 152, :2], axis=1)
        crop = tddfa.card.crops[0]
        maps = align.transforms(crop, faces.box, faces.landmarks, shape=photo.shape[:2])
        ours.append(head_pose(mesh[seen]).yaw)
        theirs.append(tddfa(align.cut(photo, maps, crop.size))["yaw"][apart.argmin(1)[seen]])
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    assert len(ours) >= 25
    assert abs(ours - theirs).mean() < 8
    turned = abs(theirs) > 10
    assert turned.sum() >= 5
    np.testing.assert_array_equal(np.sign(ours[turned]), np.sign(theirs[turned]))
