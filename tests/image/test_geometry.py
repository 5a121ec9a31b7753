import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist

from facevalue.image.averageness import (
    averageness,
    averageness_from,
    distinctiveness,
    distinctiveness_from,
    frozen,
    reference,
)
from facevalue.image.geometry import (
    align,
    centroid_size,
    full_distance,
    partial_distance,
    riemannian_distance,
    shape_distances,
)
from tests.image.made_shapes import EYES, faces, printed, similar


def by_singular_values(points: np.ndarray, *, project: bool = True) -> np.ndarray:
    """Return aligned shapes by the recipe of geomorph, with real coordinates and singular values."""
    x = points - points.mean(1, keepdims=True)
    x = x / np.sqrt((x**2).sum((1, 2), keepdims=True))
    mean = x[0]
    for _ in range(50):
        u, _, v = np.linalg.svd(np.swapaxes(x, 1, 2) @ mean)
        u[:, :, 1] *= np.sign(np.linalg.det(u @ v))[:, None]
        x = x @ (u @ v)
        mean = x.mean(0) / np.linalg.norm(x.mean(0))
    return x - (x * mean).sum((1, 2))[:, None, None] * mean + mean if project else x


@pytest.mark.parametrize("project", [True, False])
def test_alignment_equals_that_by_singular_values(project):
    points = similar(faces())
    expected = by_singular_values(points, project=project)
    found = align(points, eyes=EYES, project=project)
    np.testing.assert_allclose(shape_distances(found.shapes), cdist(*[expected.reshape(12, -1)] * 2), atol=1e-10)
    np.testing.assert_allclose(found.size, np.sqrt(points.var(1).sum(1) * 132))
    np.testing.assert_allclose(centroid_size(points), found.size)


def test_distances_of_two_faces_are_scipys():
    first, second = faces(6), similar(faces(6, seed=1))
    full = full_distance(first, second)
    for i in range(6):
        np.testing.assert_allclose(full[i] ** 2, procrustes(first[i], second[i])[2], rtol=1e-9)
    t = np.sqrt(1 - full**2)
    np.testing.assert_allclose(partial_distance(first, second), np.sqrt(2 - 2 * t), rtol=1e-9)
    np.testing.assert_allclose(riemannian_distance(first, second), np.arccos(t), rtol=1e-9)


def test_distances_do_not_cancel():
    """By sqrt(2 - 2 T) two alike faces are 1e-8 apart, or not a number."""
    points = faces(20)
    for distance in (partial_distance, full_distance, riemannian_distance):
        assert distance(points, similar(points)).max() < 1e-14
        moved = points.copy()
        moved[:, 3, 0] += 1e-7
        np.testing.assert_allclose(distance(points, moved), 1e-7 * np.sqrt(131 / 132) / centroid_size(points), rtol=0.1)


def test_a_reflection_is_not_laid_on_its_image():
    """scipy's Procrustes reflects where that fits better; a face and its mirror image would then be one."""
    face = np.array([[[0, 0], [2, 0], [1, 3.0], [5, 1]]])
    image = face * (-1, 1)
    assert procrustes(face[0], image[0])[2] < 1e-12
    assert full_distance(face, image)[0] > 0.3
    both = align(np.concatenate([face, image])).shapes
    areas = [np.linalg.det(shape[[1, 2]] - shape[0]) for shape in both]
    assert areas[0] > 0 > areas[1]


def test_place_size_turn_and_order_change_nothing():
    points = faces()
    for project in (True, False):
        before, after = (align(x, eyes=EYES, project=project).shapes for x in (points, similar(points)))
        np.testing.assert_allclose(after, before, atol=1e-12)
    order = np.random.default_rng(1).permutation(12)
    aligned = align(points, eyes=EYES).shapes
    np.testing.assert_allclose(align(points[order], eyes=EYES).shapes, aligned[order], atol=1e-11)
    np.testing.assert_allclose(distinctiveness(aligned[order]), distinctiveness(aligned)[order], rtol=1e-12)


def test_the_mean_is_upright_on_its_principal_axes_and_of_unit_size():
    mean = align(similar(faces()), eyes=EYES).mean
    np.testing.assert_allclose(np.linalg.norm(mean), 1)
    np.testing.assert_allclose(mean[:, 0] @ mean[:, 1], 0, atol=1e-12)
    assert mean[0, 0] < 0 < mean[1, 0]
    assert abs(mean[0, 1] - mean[1, 1]) < 0.01
    assert mean[108, 1] > 0 > mean[118, 1]  # y down: the chin below the hairline


def test_without_eyes_upright_is_as_given():
    points = faces()
    np.testing.assert_allclose(align(points).shapes, align(points, eyes=EYES).shapes, atol=1e-12)
    quarter = np.stack([-points[..., 1], points[..., 0]], axis=2)
    assert align(quarter).mean[0, 1] < -0.02
    np.testing.assert_allclose(align(quarter, eyes=EYES).shapes, align(points).shapes, atol=1e-12)


def test_y_up_leaves_distances_and_turns_the_figures_round():
    points = faces()
    up = align(points * (1, -1), eyes=EYES)
    down = align(points, eyes=EYES)
    np.testing.assert_allclose(shape_distances(up.shapes), shape_distances(down.shapes), atol=1e-12)
    np.testing.assert_allclose(up.mean, down.mean * (1, -1), atol=1e-12)


def test_projection_changes_averageness_more_than_distances():
    points = faces(20, spread=0.01)
    on, off = (align(points, project=project).shapes for project in (True, False))
    assert 0 < np.abs(shape_distances(on) - shape_distances(off)).max() < 5e-3
    assert np.abs(averageness(on) - averageness(off)).max() > 1e-5


def test_projected_shapes_lie_in_the_tangent_space():
    found = align(faces(), eyes=EYES)
    np.testing.assert_allclose((found.shapes * found.mean).sum((1, 2)), 1)
    np.testing.assert_allclose(found.shapes.mean(0), found.mean, atol=1e-11)


def test_faces_with_gaps_stand_aside():
    points = faces()
    gapped = np.insert(points, 4, np.nan, axis=0)
    gapped[4, :100] = 1.0
    found = align(gapped, eyes=EYES)
    rest = np.delete(np.arange(13), 4)
    np.testing.assert_allclose(found.shapes[rest], align(points, eyes=EYES).shapes, atol=1e-12)
    assert np.isnan(found.shapes[4]).all()
    assert np.isnan(found.size[4])
    assert np.flatnonzero(np.isnan(averageness(found.shapes))).tolist() == [4]
    known = frozen(found, scheme="frl132", name="made")
    assert np.flatnonzero(np.isnan(averageness_from(gapped, known))).tolist() == [4]


def test_a_frozen_reference_says_of_its_own_faces_what_the_sample_says():
    points = faces()
    aligned = align(points)
    known = frozen(aligned, scheme="frl132", name="made")
    np.testing.assert_allclose(distinctiveness_from(similar(points), known), distinctiveness(aligned.shapes), rtol=1e-9)
    np.testing.assert_allclose(averageness_from(points, known), averageness(aligned.shapes), rtol=1e-9)
    np.testing.assert_allclose(averageness(aligned.shapes).min(), 0.01)


def test_faces_more_change_a_sample_and_not_a_reference():
    points, more = faces(), faces(5, spread=0.02, seed=3)
    known = frozen(align(points), scheme="frl132", name="made")
    both = np.concatenate([points, more])
    assert np.abs(averageness(align(both).shapes)[:12] - averageness(align(points).shapes)).min() > 1e-3
    np.testing.assert_array_equal(averageness_from(both, known)[:12], averageness_from(points, known))
    assert (averageness_from(more, known) < 0.01).all()


def test_what_cannot_be_aligned_is_refused():
    points = faces(3)
    for wrong in (points[0], points[:, :2], np.zeros((2, 5, 3))):
        with pytest.raises(ValueError, match=r"expected points of shape \(n, p, 2\)"):
            align(wrong)
    points[1] = 7
    with pytest.raises(ValueError, match="all points of face 1 are one"):
        align(points)
    with pytest.raises(ValueError, match="got 2 faces, each with NaN"):
        align(np.full((2, 5, 2), np.nan))
    with pytest.raises(ValueError, match="132 and 131 points"):
        partial_distance(faces(1), faces(1)[:, 1:])
    with pytest.raises(ValueError, match=r"132 points a face, as the reference 'london_frl132' has \(frl132\); got 131"):
        distinctiveness_from(faces(1)[:, 1:], reference("london_frl132"))
    with pytest.raises(ValueError, match="expected a reference out of london_frl132, london_mesh468; got 'london'"):
        reference("london")


@pytest.mark.shared
def test_london_distances_and_averageness_are_the_published_ones(london, golden):
    names, points = london
    assert names[:6].tolist() == ["001", "002", "003", "004", "005", "006"]
    shapes = align(points, eyes=EYES).shapes
    printed(shape_distances(shapes)[0, 1:6], golden["euclidean_distance_to_001"].values())
    printed(distinctiveness(shapes)[:6], golden["distinctiveness"].values())
    printed(averageness(shapes)[:6], golden["averageness"].values())
    printed(shape_distances(shapes)[0, 1:6], [".08565", ".06630", ".12895", ".11151", ".11896"])
    printed(distinctiveness(shapes)[:6], [".08785", ".06495", ".06085", ".07012", ".07002", ".06315"])
    printed(averageness(shapes)[:6], [".05969", ".08259", ".08670", ".07742", ".07752", ".08439"])


@pytest.mark.shared
def test_london_extremes(london):
    names, points = london
    d = distinctiveness(align(points).shapes)
    printed([d.mean()], [".073609"])
    order = d.argsort()
    assert names[order[::-1]][:4].tolist() == ["140", "096", "139", "070"]
    printed(d[order[::-1]][:4], [".1375", ".1318", ".1242", ".1187"])
    assert names[order][:3].tolist() == ["066", "097", "123"]
    printed(d[order][:3], [".0413", ".0423", ".0441"])


@pytest.mark.shared
def test_london_without_projection(london):
    shapes = align(london[1], project=False).shapes
    printed(averageness(shapes)[:6], [".05984", ".08274", ".08685", ".07758", ".07767", ".08455"])


@pytest.mark.shared
def test_london_two_faces_alone(london):
    _, points = london
    one, two = points[:1].repeat(2, 0), points[1:3]
    printed(partial_distance(one, two), [".0856373", ".0663329"])
    printed(full_distance(one, two), [".0855588", ".0662965"])
    printed(riemannian_distance(one, two)[:1], [".0856635"])
    printed(full_distance(one, two)[:1] ** 2, [".0073203"])
    printed([centroid_size(points)[0], centroid_size(points).mean()], ["2006.788", "1975.727"])
    pupils = np.linalg.norm(points[:, 0] - points[:, 1], axis=1)
    printed([pupils[0], pupils.mean()], ["213.150", "201.956"])


@pytest.mark.shared
def test_london_is_unchanged_by_place_size_turn_and_order(london):
    _, points = london
    before, after = (align(x, eyes=EYES).shapes for x in (points, similar(points)[::-1]))
    np.testing.assert_allclose(shape_distances(after)[::-1, ::-1], shape_distances(before), atol=1e-12)


@pytest.mark.shared
def test_the_shipped_reference_is_london(london):
    _, points = london
    known = reference("london_frl132")
    shapes = align(points, eyes=EYES).shapes
    np.testing.assert_allclose(averageness_from(points, known), averageness(shapes), atol=1e-8)
