import numpy as np
import pytest

from facevalue.image.averageness import distinctiveness, distinctiveness_from, frozen
from facevalue.image.dimorphism import dimorphism, principal_components
from facevalue.image.geometry import Aligned, align, centroid_size, partial_distance
from facevalue.image.landmark_noise import (
    Noise,
    asymmetry_estimate,
    distinctiveness_estimate,
    landmark_covariance,
    noise_free_asymmetry,
    noise_free_distinctiveness,
    reading_noise,
)
from facevalue.image.pose import mean_mesh
from facevalue.image.proportions import frontal
from facevalue.image.symmetry import asymmetry, mirrored, object_symmetry, symmetrised
from tests.image.made_shapes import EYES, MIRROR, even, faces, printed, similar
from tests.image.test_pose import turned


def test_asymmetry_is_half_the_distance_from_the_mirror_image_and_that_from_the_symmetric_face():
    points = faces()
    found = asymmetry(points, MIRROR)
    np.testing.assert_allclose(found, partial_distance(mirrored(points, MIRROR), points) / 2, rtol=1e-12)
    x = points - points.mean(1, keepdims=True)
    x = x / np.linalg.norm(x, axis=(1, 2), keepdims=True)
    for a, face in zip(found, x, strict=True):
        u, _, v = np.linalg.svd(mirrored(face[None], MIRROR)[0].T @ face)
        assert np.linalg.det(u @ v) > 0
        np.testing.assert_allclose(a, np.linalg.norm(face - (face + mirrored(face[None], MIRROR)[0] @ u @ v) / 2), rtol=1e-9)


def test_a_symmetric_face_has_none_to_the_last_digit():
    assert asymmetry(similar(even()), MIRROR).max() < 1e-14


def test_mirroring_needs_both_halves():
    """Without new names, or without the mirror, an even face would look like one that is torn apart."""
    face = even(1)
    assert partial_distance(face * (-1, 1), face)[0] > 0.6
    assert partial_distance(face[:, MIRROR], face)[0] > 0.6
    np.testing.assert_array_equal(mirrored(mirrored(face, MIRROR), MIRROR), face)


def test_place_size_turn_and_order_change_no_asymmetry():
    points = faces()
    np.testing.assert_allclose(asymmetry(similar(points)[::-1], MIRROR)[::-1], asymmetry(points, MIRROR), rtol=1e-10)


def test_a_mirror_leaves_asymmetry_and_turns_what_is_directional_round():
    points = faces() + 5 * np.random.default_rng(9).normal(size=(132, 2))
    shapes, images = align(points, eyes=EYES).shapes, align(mirrored(points, MIRROR), eyes=EYES).shapes
    np.testing.assert_allclose(asymmetry(mirrored(points, MIRROR), MIRROR), asymmetry(points, MIRROR), rtol=1e-10)
    here, there = (object_symmetry(x, MIRROR, eyes=EYES) for x in (shapes, images))
    np.testing.assert_allclose(there.asymmetry, here.asymmetry, rtol=1e-9)
    np.testing.assert_allclose(there.fluctuating, here.fluctuating, rtol=1e-9)
    np.testing.assert_allclose(there.directional, -here.directional, atol=1e-10)
    assert np.linalg.norm(here.directional) > 0.02


def test_what_all_faces_share_is_directional_and_not_fluctuating():
    shift = 4 * np.random.default_rng(9).normal(size=(132, 2))
    found = object_symmetry(align(even() + shift, eyes=EYES).shapes, MIRROR, eyes=EYES)
    assert found.asymmetry.min() > 0.02
    assert found.fluctuating.max() < 0.02 * found.asymmetry.min() + 0.002
    away = object_symmetry(align(faces(40), eyes=EYES).shapes, MIRROR, eyes=EYES)
    assert 1.8 < (away.fluctuating / away.asymmetry).min() <= (away.fluctuating / away.asymmetry).max() < 2.1


def test_the_asymmetry_of_a_sample_is_that_of_each_face():
    points = faces(30)
    sample = object_symmetry(align(points, eyes=EYES).shapes, MIRROR, eyes=EYES).asymmetry
    np.testing.assert_allclose(sample, asymmetry(points, MIRROR), rtol=0.01)


def test_symmetrised_faces_are_symmetric():
    found = symmetrised(align(faces(), eyes=EYES), MIRROR, eyes=EYES)
    assert asymmetry(found.shapes, MIRROR).max() < 1e-12
    np.testing.assert_allclose(found.size, centroid_size(faces()))


def test_mirroring_before_the_principal_axes_spoils_the_symmetric_face():
    aligned = align(faces(), eyes=EYES)
    good = symmetrised(aligned, MIRROR, eyes=EYES).shapes
    z = aligned.shapes @ np.array([1, 1j]) * np.exp(0.1j)
    tilted = Aligned(np.stack([z.real, z.imag], axis=2), aligned.mean, aligned.size)
    bad = symmetrised(tilted, MIRROR, eyes=EYES).shapes
    assert partial_distance(good, bad).min() > 0.002
    assert asymmetry(bad, MIRROR).max() < 1e-12  # nothing tells but the axes


def test_a_turned_head_looks_crooked_and_is_not_once_it_is_turned_back():
    face, mirror = mean_mesh()
    heads = np.einsum("nij,kj->nki", turned([0, 10, 20, 30], [0] * 4, [0] * 4), face)
    seen = asymmetry(heads[:, :, :2], mirror)
    assert seen[0] < 1e-9
    assert (np.diff(seen) > 0.01).all()
    assert asymmetry(frontal(heads)[:, :, :2], mirror).max() < 1e-6


def test_maps_that_are_no_mirror_are_refused():
    points = faces(1)
    with pytest.raises(ValueError, match="expected a mirror map of 132 points, got shape"):
        asymmetry(points, MIRROR[1:])
    for wrong in (np.roll(np.arange(132), 1), np.zeros(132, int)):
        with pytest.raises(ValueError, match="its own inverse"):
            asymmetry(points, wrong)


def test_nan_stays_nan():
    points = faces()
    points[3, 7] = np.nan
    for values in (
        asymmetry(points, MIRROR),
        object_symmetry(align(points).shapes, MIRROR).fluctuating,
        asymmetry_estimate(points, MIRROR, Noise(1), level=0.9, seed=0).high,
    ):
        assert np.flatnonzero(np.isnan(values)).tolist() == [3]


@pytest.mark.parametrize("sigma", [1.0, 3.0, 6.0])
def test_noise_adds_what_the_formulas_take_away(sigma):
    points = faces(spread=0.003)
    size, draw = centroid_size(points), np.random.default_rng(0)
    known = frozen(align(points), scheme="frl132", name="made")
    noisy = [points + draw.normal(0, sigma, points.shape) for _ in range(200)]
    a, d = asymmetry(points, MIRROR), distinctiveness_from(points, known)
    a_squares = np.mean([asymmetry(x, MIRROR) ** 2 for x in noisy], axis=0)
    d_squares = np.mean([distinctiveness_from(x, known) ** 2 for x in noisy], axis=0)
    np.testing.assert_allclose(noise_free_asymmetry(np.sqrt(a_squares), sigma, size, 132), a, rtol=0.04)
    np.testing.assert_allclose(noise_free_distinctiveness(np.sqrt(d_squares), sigma, size, 132), d, rtol=0.04)
    assert (noise_free_asymmetry(np.zeros(12), sigma, size, 132) == 0).all()


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_intervals_hold_the_true_asymmetry_as_often_as_they_say(sigma):
    """The truth spreads about .03; with 8 px of a 1000 px face noise alone is three times that."""
    truth = faces(150, spread=0.003)
    a = asymmetry(truth, MIRROR)
    noisy = truth + np.random.default_rng(1).normal(0, sigma, truth.shape)
    found = asymmetry_estimate(noisy, MIRROR, Noise(sigma), level=0.9, seed=2)
    covered = ((found.low <= a) & (a <= found.high)).mean()
    assert 0.84 <= covered <= (0.96 if sigma < 1 else 1.0)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert sigma > 1 or found.told.all()


def test_of_symmetric_faces_one_cannot_tell():
    truth = even(60)
    noisy = truth + np.random.default_rng(1).normal(0, 4, truth.shape)
    found = asymmetry_estimate(noisy, MIRROR, Noise(4.0), level=0.9, seed=0)
    assert asymmetry(noisy, MIRROR).min() > 0.03
    assert found.told.mean() <= 0.1
    crooked = asymmetry_estimate(
        noisy + 6 * np.random.default_rng(2).normal(size=(132, 2)), MIRROR, Noise(4.0), level=0.9, seed=0
    )
    assert crooked.told.mean() > 0.95


def test_intervals_of_distinctiveness_hold_the_truth():
    truth = faces(200, spread=0.003)
    known = frozen(align(truth), scheme="frl132", name="made")
    noisy = truth + np.random.default_rng(1).normal(0, 1.0, truth.shape)
    found = distinctiveness_estimate(noisy, known, Noise(np.full(200, 1.0)), level=0.9, seed=2)
    d = distinctiveness_from(truth, known)
    assert 0.85 <= ((found.low <= d) & (d <= found.high)).mean() <= 0.97
    np.testing.assert_allclose(found.value.mean(), d.mean(), rtol=0.01)
    assert distinctiveness_from(noisy, known).mean() > 1.02 * d.mean()


def test_a_covariance_does_what_a_sigma_does():
    points, sigma = faces(), np.full(len(faces()), 3.0)
    one = asymmetry_estimate(points, MIRROR, Noise(sigma), level=0.9, seed=0)
    other = asymmetry_estimate(points, MIRROR, Noise(sigma, np.eye(264)), level=0.9, seed=1)
    np.testing.assert_allclose(other.value, one.value, rtol=0.06)
    np.testing.assert_allclose(other.high, one.high, rtol=0.06)
    shift = np.kron(np.ones((132, 132)), np.eye(2))  # of place alone: it costs nothing
    free = asymmetry_estimate(points, MIRROR, Noise(sigma, shift), level=0.9, seed=1)
    np.testing.assert_allclose(free.high, asymmetry(points, MIRROR), rtol=1e-3)


def read_again(truth, readings, seed, *, modes=6, together=2.0, alone=0.5):
    """Return readings of faces whose points err together, in a few ways, and a little alone; twice as much in every second."""
    draw = np.random.default_rng(seed)
    ways = np.random.default_rng(99).normal(size=(modes, *truth.shape[1:])) * together / np.sqrt(modes)
    some = np.einsum("rnk,kpx->rnpx", draw.normal(size=(readings, len(truth), modes)), ways)
    noise = some + alone * draw.normal(size=some.shape)
    return truth + noise * (1 + np.arange(len(truth)) % 2)[:, None, None]


def test_the_noise_of_readings_is_recovered():
    sd = np.random.default_rng(0).uniform(0.5, 3, 264)
    truth = faces(40)
    readings = truth + np.random.default_rng(1).normal(size=(8, 40, 132, 2)) * sd.reshape(132, 2)
    found = landmark_covariance(readings)
    np.testing.assert_allclose(reading_noise(readings).mean(), np.sqrt((sd**2).mean()), rtol=0.02)
    np.testing.assert_allclose(np.sqrt(np.diag(found)), sd / np.sqrt((sd**2).mean()), rtol=0.2, atol=0.02)
    off = found - np.diag(np.diag(found))
    assert np.abs(off).mean() < 0.06 * np.diag(found).mean()  # by chance alone: sqrt(2 / pi) / sqrt(280) = .048
    twice = reading_noise(read_again(truth, 8, 3))
    np.testing.assert_allclose(twice[1::2].mean() / twice[::2].mean(), 2, rtol=0.15)


def test_points_that_err_together_are_found_to():
    truth = faces(40)
    many = landmark_covariance(read_again(truth, 400, 0)[:, :2])
    few = landmark_covariance(read_again(truth, 6, 1))
    assert np.linalg.norm(few - many) < 0.25 * np.linalg.norm(many)
    assert np.linalg.eigvalsh(many)[-6:].sum() > 0.85 * 264


@pytest.mark.parametrize("n", [4, 30])
def test_intervals_of_the_mean_of_readings_hold_the_truth_where_points_err_together(n):
    """Faces differ in the ways in which points err; there, independent noise of the same size gives bands far too narrow."""
    hits, naive = [], []
    for run in range(60 // n):
        truth = read_again(even(n), 2, run + 50, together=8.0)[0]
        readings = read_again(truth, 12, run)
        a, sigma = asymmetry(truth, MIRROR), reading_noise(readings) / np.sqrt(12)
        for noise, kept in ((Noise(sigma, landmark_covariance(readings)), hits), (Noise(sigma), naive)):
            found = asymmetry_estimate(readings.mean(0), MIRROR, noise, level=0.9, seed=run)
            kept.extend(((found.low <= a) & (a <= found.high)).tolist())
    assert 0.8 <= np.mean(hits) <= 0.99
    assert np.mean(naive) < 0.6


def test_readings_that_say_nothing_of_noise_are_refused():
    truth = faces(3)
    for wrong in (truth[None], truth):
        with pytest.raises(ValueError, match="2 readings or more"):
            reading_noise(wrong)
    with pytest.raises(ValueError, match="without NaN that differ; got 3 of 3 others"):
        landmark_covariance(np.stack([truth, truth]))
    gone = read_again(truth, 4, 0)
    gone[1, 2, 5] = np.nan
    assert np.isnan(reading_noise(gone)).tolist() == [False, False, True]
    with pytest.raises(ValueError, match="got 1 of 3 others"):
        landmark_covariance(gone)


def test_noise_fits_the_points():
    points = faces(1)
    with pytest.raises(ValueError, match=r"a covariance of shape \(264, 264\), got \(132, 132\)"):
        asymmetry_estimate(points, MIRROR, Noise(1.0, np.eye(132)), level=0.9, seed=0)
    with pytest.raises(ValueError, match="a level in"):
        asymmetry_estimate(points, MIRROR, Noise(1), level=90, seed=0)


@pytest.mark.shared
def test_london_asymmetry(london):
    names, points = london
    found = object_symmetry(align(points, eyes=EYES).shapes, MIRROR, eyes=EYES)
    printed(found.asymmetry[:6], [".03683", ".04764", ".02555", ".03234", ".02221", ".03098"])
    printed(found.fluctuating[:6], [".07035", ".08764", ".05058", ".06748", ".04451", ".05748"])
    assert names[found.asymmetry.argmax()] == names[found.fluctuating.argmax()] == "139"
    printed([found.asymmetry.max(), found.fluctuating.max()], [".0770", ".1455"])
    printed([found.asymmetry.mean(), found.fluctuating.mean()], [".028375", ".054861"])
    printed([np.corrcoef(found.asymmetry, found.fluctuating)[0, 1]], [".9623"])


@pytest.mark.shared
def test_london_asymmetry_of_each_face_alone(london):
    names, points = london
    alone = asymmetry(points, MIRROR)
    printed(alone[:6], [".036925", ".047731", ".025592", ".032426", ".022265", ".031033"])
    printed([alone[names == "139"][0], alone.mean()], [".077249", ".0284464"])
    shapes = align(points, eyes=EYES).shapes
    projected, sample = asymmetry(shapes, MIRROR), object_symmetry(shapes, MIRROR, eyes=EYES).asymmetry
    np.testing.assert_allclose(projected, sample, atol=2.6e-4)
    printed([np.corrcoef(projected, sample)[0, 1]], ["1.00000"])
    face = points[:1]
    printed([partial_distance(face * (-1, 1), face)[0] / 2, partial_distance(face[:, MIRROR], face)[0] / 2], [".660", ".660"])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("sigma", "mean", "formula", "r"),
    [
        (1, ".02908", ".02909", ".999"),
        (2, ".03090", ".03093", ".993"),
        (4, ".03706", ".03721", ".969"),
        (6.45, ".04739", ".04769", ".895"),
    ],
)
def test_london_asymmetry_under_noise(london, sigma, mean, formula, r):
    _, points = london
    truth, size, draw = asymmetry(points, MIRROR), centroid_size(points), np.random.default_rng(0)
    printed([np.sqrt(truth**2 + 132 * sigma**2 / size**2).mean()], [formula])
    noisy = np.stack([asymmetry(points + draw.normal(0, sigma, points.shape), MIRROR) for _ in range(20)])
    np.testing.assert_allclose(noisy.mean(), float(mean), atol=1e-4)
    np.testing.assert_allclose(np.mean([np.corrcoef(one, truth)[0, 1] for one in noisy]), float(r), atol=6e-3)
    back = noise_free_asymmetry(np.sqrt((noisy**2).mean(0)), sigma, size, 132)
    np.testing.assert_allclose(back.mean(), truth.mean(), rtol=0.02)


@pytest.mark.shared
@pytest.mark.parametrize(("sigma", "mean", "r"), [(2, ".07552", ".999"), (4, ".08082", ".993"), (6.45, ".09096", ".980")])
def test_london_distinctiveness_under_noise(london, sigma, mean, r):
    _, points = london
    truth, size, draw = distinctiveness(align(points).shapes), centroid_size(points), np.random.default_rng(0)
    noisy = np.stack([distinctiveness(align(points + draw.normal(0, sigma, points.shape)).shapes) for _ in range(20)])
    np.testing.assert_allclose(noisy.mean(), float(mean), atol=2e-4)
    np.testing.assert_allclose(np.mean([np.corrcoef(one, truth)[0, 1] for one in noisy]), float(r), atol=6e-3)
    added = ((noisy**2).mean(0) - truth**2).mean()
    assert 0.95 <= added / (264 * sigma**2 / size**2).mean() <= 0.99
    np.testing.assert_allclose(
        noise_free_distinctiveness(np.sqrt((noisy**2).mean(0)), sigma, size, 132).mean(), truth.mean(), rtol=0.02
    )


@pytest.mark.shared
def test_london_principal_axes_come_before_the_mirror(london, london_sex):
    """Trap 1 of the published recipe, at its digits: the second score would be .0945 instead of .1212."""
    _, points = london
    aligned = align(points, eyes=EYES)
    found = principal_components(symmetrised(aligned, MIRROR, eyes=EYES).shapes)
    assert found.kept == 7
    scores = dimorphism(found.scores[:, :7], london_sex)
    printed(scores[:6], ["-.99017", ".12116", "-.20532", ".74847", ".55476", ".52599"])
    first = points[0] - points[0].mean(0)  # without the axes shapes lie as the first one does
    lie = (first @ np.array([1, 1j])).conj() @ (aligned.shapes[0] @ np.array([1, 1j]))
    z = aligned.shapes @ np.array([1, 1j]) * (lie.conj() / abs(lie))
    tilted = Aligned(np.stack([z.real, z.imag], axis=2), aligned.mean, aligned.size)
    spoilt = principal_components(symmetrised(tilted, MIRROR, eyes=EYES).shapes)
    wrong = dimorphism(spoilt.scores[:, : spoilt.kept], london_sex)
    np.testing.assert_allclose(wrong[:6], [-1.00314, 0.09447, -0.21124, 0.76141, 0.55809, 0.53395], atol=2e-4)
