import numpy as np
import pytest
from scipy.spatial import procrustes

from facevalue.data.faces import Column, Faces
from facevalue.image.landmarks import scheme
from facevalue.stats.search import nearest
from facevalue.stats.similarity import unit
from facevalue.studies.duplicates import _distances, near_duplicates, neighbour_pairs, same_bytes

MIRROR = scheme("mesh468").mirror


def faces_of(points: np.ndarray, *, mesh: bool = True, photo: list[str] | None = None) -> Faces:
    n = len(points)
    names = np.array([f"{i}.jpg" for i in range(n)], object)
    columns = {"mesh.landmarks": Column(points, "px", "mesh@1")} if mesh else {}
    five = points if points.shape[1] == 5 else np.zeros((n, 5, 2))
    return Faces(np.array(photo or names, object), np.ones((n, 4)), five, np.ones(n), columns, names)


def moved(points: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    """Return points turned, scaled and shifted."""
    turn = np.radians(degrees)
    return scale * points @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) + [30, -12]


def flipped(points: np.ndarray) -> np.ndarray:
    """Return the points of the same picture turned over."""
    return points[MIRROR] * [-1, 1] + [900, 0]


def pair(a: int, b: int, cosine: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([a]), np.array([b]), np.array([cosine])


def test_distances_are_those_of_scipy_which_may_turn_a_shape_over():
    draw = np.random.default_rng(0)
    points = draw.normal(size=(6, 20, 2))
    a, b = np.array([0, 1, 2]), np.array([3, 4, 5])
    direct, turned = _distances(points, np.arange(20), a, b)
    expected = [np.sqrt(procrustes(points[i], points[j])[2]) for i, j in zip(a, b, strict=True)]
    assert np.minimum(direct, turned) == pytest.approx(expected, abs=1e-9)


def test_a_copy_is_found_however_it_is_moved_and_another_face_is_not():
    draw = np.random.default_rng(1)
    one = draw.normal(size=(468, 2)) * 100
    faces = faces_of(np.stack([one, moved(one, 20, 0.3) + draw.normal(size=(468, 2)) * 0.1, draw.normal(size=(468, 2))]))
    found = near_duplicates(faces, pair(0, 1, 0.999), degrees=24)
    assert (found.a.tolist(), found.b.tolist(), found.mirrored.tolist(), found.points) == ([0], [1], [False], 468)
    assert found.shape[0] < 0.01
    assert not len(near_duplicates(faces, pair(0, 2, 0.999), degrees=24).a)


def test_a_picture_turned_over_is_found_by_its_mirrored_points():
    one = np.random.default_rng(2).normal(size=(468, 2)) * 100
    found = near_duplicates(faces_of(np.stack([one, moved(flipped(one), -5, 1.4)])), pair(0, 1, 0.995), degrees=24)
    assert found.mirrored.tolist() == [True]
    assert found.shape[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("degrees", "copy"), [(3.9, True), (4.1, False)])
def test_the_embeddings_must_be_near_too(degrees, copy):
    one = np.random.default_rng(3).normal(size=(468, 2)) * 100
    faces = faces_of(np.stack([one, one]))
    assert len(near_duplicates(faces, pair(0, 1, np.cos(np.radians(degrees))), degrees=24).a) == copy


def test_the_same_bytes_are_left_to_their_own_kind():
    one = np.random.default_rng(4).normal(size=(468, 2))
    assert not len(near_duplicates(faces_of(np.stack([one, one]), photo=["x", "x"]), pair(0, 1, 1.0), degrees=24).a)


def test_without_a_mesh_five_points_and_a_smaller_angle_count():
    five = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80.0]])
    faces = faces_of(np.stack([five, moved(five, 10, 2), five[[1, 0, 2, 4, 3]]]), mesh=False)
    assert len(near_duplicates(faces, pair(0, 1, np.cos(np.radians(2.9))), degrees=24).a) == 1
    assert not len(near_duplicates(faces, pair(0, 1, np.cos(np.radians(3.5))), degrees=24).a)
    assert near_duplicates(faces, pair(0, 1, 1.0), degrees=24).points == 5


def test_faces_without_points_are_no_copies():
    assert not len(near_duplicates(faces_of(np.full((2, 468, 2), np.nan)), pair(0, 1, 1.0), degrees=24).a)


def test_same_bytes_is_what_comparing_all_finds():
    photo = np.random.default_rng(5).choice(list("abcdefghij") + [""], size=30)
    a, b = same_bytes(photo)
    expected = {j for j in range(30) if photo[j] and photo[j] in photo[:j].tolist()}
    assert set(b.tolist()) == expected
    assert len(b) == len(expected)
    assert (photo[a] == photo[b]).all()
    assert all(photo[i] not in photo[:i].tolist() for i in a)


def test_neighbour_pairs_are_each_pair_once():
    u = unit(np.random.default_rng(6).normal(size=(12, 4)))
    found = nearest(u, u, k=11, labels=(np.arange(12), np.arange(12)))
    a, b, cosine = neighbour_pairs(found, np.arange(12), least=0.1)
    full = u.astype(float) @ u.T.astype(float)
    expected = {(i, j) for i, j in zip(*np.triu_indices(12, 1), strict=True) if full[i, j] >= 0.1}
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == expected
    assert cosine == pytest.approx(full[a, b], abs=1e-6)
    assert (np.diff(cosine) <= 0).all()
