import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

from facevalue.stats import similarity as module
from facevalue.stats.similarity import METRICS, alike, paired_similarity, similarity, unit

SECOND = {
    "cosine": cosine_similarity,
    "euclidean": euclidean_distances,
    "euclidean_l2": lambda a, b: cdist(a / np.linalg.norm(a, axis=1)[:, None], b / np.linalg.norm(b, axis=1)[:, None]),
    "angular": lambda a, b: np.arccos(np.clip(1 - cdist(a, b, "cosine"), -1, 1)) / np.pi,
}


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def rows(draw, n, d=16, scale=1.0):
    return (scale * draw.standard_normal((n, d))).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("block", [1, 64, module.BLOCK])
def test_a_second_implementation_agrees_whatever_the_block(draw, monkeypatch, metric, block):
    monkeypatch.setattr(module, "BLOCK", block)
    a, b = rows(draw, 23, scale=20), rows(draw, 17, scale=0.5)
    expected = SECOND[metric](a.astype(float), b.astype(float))
    found = similarity(a, b, metric=metric)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert paired_similarity(a[:17], b, metric=metric) == pytest.approx(np.diag(expected), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "euclidean_l2", "angular"])
def test_small_distances_keep_their_digits(draw, metric):
    a = rows(draw, 6, scale=30).astype(float)
    b = (a + 1e-3 * draw.standard_normal(a.shape)).astype(np.float32)
    a = a.astype(np.float32)
    exact = np.linalg.norm(a.astype(float) - b, axis=1)
    if metric != "euclidean":
        exact = np.diag(SECOND["euclidean_l2"](a.astype(float), b.astype(float)))
    if metric == "angular":
        exact = 2 * np.arcsin(exact / 2) / np.pi
    for found in (np.diag(similarity(a, b, metric=metric)), paired_similarity(a, b, metric=metric)):
        assert found == pytest.approx(exact, rel=2e-2 if metric != "euclidean" else 1e-5)
    assert not np.diag(similarity(a, a, metric=metric)).any()


def test_the_thresholds_of_one_model_agree_on_unit_vectors():
    """A cosine distance of .30 is, between unit vectors, an l2 of .775 and an angle of .253: one verdict, four words."""
    a, b = np.array([[1.0, 0.0]]), np.array([[0.7, np.sqrt(1 - 0.49)]])
    cosine, raw, l2, angle = (similarity(a, b, metric=metric)[0, 0] for metric in METRICS)
    assert 1 - cosine == pytest.approx(0.3, abs=1e-6)
    assert (raw, l2) == (pytest.approx(0.7746, abs=1e-4),) * 2
    assert angle == pytest.approx(np.arccos(0.7) / np.pi, abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_that_is_not_finite_is_nan_and_touches_no_other(draw, metric):
    a, b = rows(draw, 4), rows(draw, 3)
    clean = similarity(a, b, metric=metric)
    a[1, 2], b[2, 0] = np.nan, np.inf
    found = similarity(a, b, metric=metric)
    wrong = np.zeros((4, 3), bool)
    wrong[1], wrong[:, 2] = True, metric != "euclidean"
    assert np.isnan(found[wrong]).all()
    assert found[:, :2][~wrong[:, :2]] == pytest.approx(clean[:, :2][~wrong[:, :2]])
    assert not np.isfinite(found[:, 2]).any()


def test_a_row_without_length_has_no_direction():
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    assert np.isnan([similarity(zero, one, metric=m)[0, 0] for m in ("cosine", "euclidean_l2", "angular")]).all()
    assert similarity(zero, one, metric="euclidean")[0, 0] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("metric", METRICS)
def test_symmetry_range_and_no_pairs(draw, metric):
    a = rows(draw, 30)
    found = similarity(a, a, metric=metric)
    assert found == pytest.approx(found.T, abs=1e-6)
    assert (np.abs(found) <= 1).all() or metric.startswith("euclidean")
    assert similarity(a[:0], a, metric=metric).shape == (0, 30)
    assert paired_similarity(a[:0], a[:0], metric=metric).shape == (0,)


def test_every_metric_ranks_unit_vectors_alike(draw):
    a, b = unit(rows(draw, 1)), unit(rows(draw, 50))
    orders = [np.argsort(alike(similarity(a, b, metric=metric), metric)[0]).tolist() for metric in METRICS]
    assert all(order == orders[0] for order in orders)


def test_scaling_changes_only_the_raw_distance(draw):
    a, b = rows(draw, 5), rows(draw, 5)
    for metric in METRICS:
        same = np.allclose(similarity(a, b, metric=metric), similarity(a * 1e15, b * 1e-15, metric=metric), atol=1e-6)
        assert same == (metric != "euclidean")


def test_what_does_not_fit_is_refused(draw):
    a = rows(draw, 3)
    with pytest.raises(ValueError, match="expected a metric among cosine"):
        similarity(a, a, metric="manhattan")
    with pytest.raises(ValueError, match="expected a metric among cosine"):
        alike(a, "manhattan")
    with pytest.raises(ValueError, match=r"one d; got \(3, 16\) and \(3, 4\)"):
        similarity(a, a[:, :4], metric="cosine")
    with pytest.raises(ValueError, match="got 3 and 2"):
        paired_similarity(a, a[:2], metric="cosine")
