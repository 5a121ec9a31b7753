import numpy as np
import pytest
from sklearn.decomposition import PCA

from facevalue.image.dimorphism import dimorphism, dimorphism_left_out, principal_components
from facevalue.image.geometry import align
from facevalue.image.symmetry import object_symmetry
from tests.image.made_shapes import EYES, MIRROR, faces, printed


def test_components_are_scikit_learns():
    shapes = align(faces(30)).shapes
    found, peer = principal_components(shapes), PCA().fit(shapes.reshape(30, -1))
    np.testing.assert_allclose(found.sd[:20] ** 2, peer.explained_variance_[:20])
    np.testing.assert_allclose(found.share[:20], peer.explained_variance_ratio_[:20])
    np.testing.assert_allclose(abs(found.scores[:, :20]), abs(peer.transform(shapes.reshape(30, -1))[:, :20]), atol=1e-9)
    back = found.mean + np.einsum("nk,kpi->npi", found.scores, found.axes)
    np.testing.assert_allclose(back, shapes, atol=1e-12)
    np.testing.assert_allclose(found.scores.std(0, ddof=1)[:20], found.sd[:20])


@pytest.mark.parametrize(("sds", "kept"), [((9, 5, 1, 1, 1, 1, 1, 1, 1), 2), ((1, 1, 1, 1, 1, 1, 1, 1, 1), 0), ((9,), 1)])
def test_the_broken_stick_keeps_what_is_longer_than_chance(sds, kept):
    """With 10 faces the first three sticks are .293, .193 and .143 of the whole."""
    z = np.linalg.qr(np.column_stack([np.ones(10), np.random.default_rng(0).normal(size=(10, 9))]))[0][:, 1:]
    shapes = np.zeros((10, 20, 2))
    shapes[:, : len(sds), 0] = z[:, : len(sds)] * sds
    assert principal_components(shapes).kept == kept


def planted(*, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    sex = np.repeat([0.0, 1.0], 25)
    way = draw.normal(size=(132, 2))
    return align(faces(50, spread=0.002) + apart * sex[:, None, None] * way).shapes, sex


def test_a_planted_difference_is_found_and_a_face_left_out_knows_no_worse():
    shapes, sex = planted(apart=4.0)
    found = principal_components(shapes)
    scores = dimorphism(found.scores[:, : found.kept], sex)
    np.testing.assert_allclose([scores[sex == 0].mean(), scores[sex == 1].mean()], [0, 1], atol=1e-12)
    assert ((scores > 0.5) == sex).all()
    assert ((dimorphism_left_out(shapes, sex) > 0.5) == sex).mean() > 0.95


def test_without_a_difference_only_the_face_left_out_tells_so():
    shapes, sex = planted(apart=0.0)
    inside = dimorphism(principal_components(shapes).scores[:, :20], sex) > 0.5
    outside = dimorphism_left_out(shapes, sex) > 0.5
    assert (inside == sex).mean() > 0.7
    assert 0.3 < (outside == sex).mean() < 0.62


def test_the_score_is_the_place_along_the_way_between_the_means():
    shapes, sex = planted(apart=4.0)
    scores = principal_components(shapes).scores[:, :5]
    women, men = scores[sex == 0].mean(0), scores[sex == 1].mean(0)
    on_it = np.vstack([scores, women + 0.3 * (men - women), women - 2 * (men - women)])
    found = dimorphism(on_it, np.append(sex, [np.nan, np.nan]))
    np.testing.assert_allclose(found[-2:], [0.3, -2])
    np.testing.assert_allclose(found[:-2], dimorphism(scores, sex))
    np.testing.assert_allclose(dimorphism(scores, 1 - sex), 1 - dimorphism(scores, sex), atol=1e-10)


def test_faces_with_gaps_and_faces_of_unknown_sex():
    shapes, sex = planted(apart=4.0)
    whole = dimorphism_left_out(shapes[:49], sex[:49])
    shapes[49] = np.nan
    found = dimorphism_left_out(shapes, sex)
    np.testing.assert_allclose(found[:49], whole)
    assert np.isnan(found[49])
    sex[3] = np.nan
    assert np.isfinite(dimorphism_left_out(shapes, sex)[3])
    assert np.isnan(principal_components(shapes).scores[49]).all()


def test_what_has_no_score_is_refused():
    with pytest.raises(ValueError, match="got 4 women and 0 men"):
        dimorphism(np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="0 female, 1 male or NaN"):
        dimorphism(np.zeros((4, 2)), np.array([1, 2, 1, 2]))
    with pytest.raises(ValueError, match="expected a sex for each of 4 faces"):
        dimorphism(np.zeros((4, 2)), np.zeros(3))
    with pytest.raises(ValueError, match="3 faces or more with all their points, got 2 of 2"):
        principal_components(np.zeros((2, 5, 2)))


@pytest.mark.shared
def test_london_components_and_scores(london, golden, london_sex):
    (_, points), sex = london, london_sex
    found = principal_components(align(points, eyes=EYES).shapes)
    assert found.kept == golden["n_broken_stick"] == 8
    printed(found.sd[:8], ["0.046", "0.026", "0.020", "0.018", "0.018", "0.017", "0.014", "0.013"])
    printed(found.sd[:8], golden["pc_sd"])
    printed(found.sd[:8], [".0461", ".0256", ".0199", ".0185", ".0182", ".0171", ".0139", ".0126"])
    printed(found.share[:8], golden["pc_var"])
    scores = dimorphism(found.scores[:, :8], sex)
    printed(scores[:6], golden["sex_vector_score"].values())
    printed(scores[:6], ["-1.06151", ".00299", "-.25021", ".85499", ".54805", ".58195"])
    assert [round(scores[sex == one].mean(), 12) for one in (0, 1)] == [0, 1] == list(golden["group_means_vs"].values())


@pytest.mark.shared
def test_london_how_well_the_score_tells(london, london_sex):
    (_, points), sex = london, london_sex
    shapes = align(points, eyes=EYES).shapes
    found = principal_components(shapes)
    scores = dimorphism(found.scores[:, :8], sex)
    assert ((scores > 0.5) == sex).sum() == 83
    assert ((dimorphism_left_out(shapes, sex) > 0.5) == sex).sum() == 80
    women, men = scores[sex == 0], scores[sex == 1]
    pooled = np.sqrt((48 * women.var(ddof=1) + 52 * men.var(ddof=1)) / 100)
    printed([(men.mean() - women.mean()) / pooled], ["1.5655"])
    for k, apart in ((8, ".04586"), (None, ".04634")):
        way = found.scores[sex == 1, :k].mean(0) - found.scores[sex == 0, :k].mean(0)
        printed([np.linalg.norm(way)], [apart])
    a = object_symmetry(shapes, MIRROR, eyes=EYES).asymmetry
    printed([a[sex == 0].mean(), a[sex == 1].mean()], [".02868", ".02810"])
