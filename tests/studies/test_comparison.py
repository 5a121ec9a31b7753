import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from facevalue.data.errors import SchemaError, WrongShape
from facevalue.studies.comparison import comparison

from .made import row


def faces(n, share, *, draw, d=4, blur=0.15):
    """Return faces along dimensions of which the first says, not without error, whether a face has a label."""
    label = np.arange(n) < round(share * n)
    x = np.maximum(draw.normal(size=(n, d)), 0)
    x[:, 0] = np.maximum(label + blur * draw.normal(size=n), 0)
    return x


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.3, 0.6), (0.9, 0.1)])
def test_disparity_without_labels_is_that_of_labels(first, second):
    draw = np.random.default_rng(0)
    a, b = faces(400, first, draw=draw), faces(300, second, draw=draw)
    found = comparison(a, b, level=0.9, seed=0, resamples=100)
    one = row(found, "disparity", "dimension 0")
    assert one["value"] == pytest.approx(abs(first - second), abs=0.06)
    assert one["low"] <= abs(first - second) <= one["high"]


def test_the_difference_is_hedges_and_the_area_sklearns():
    draw = np.random.default_rng(1)
    a, b = faces(80, 0.5, draw=draw), faces(60, 0.8, draw=draw)
    found = comparison(a, b, level=0.9, seed=0, resamples=20)
    spread = np.sqrt((a[:, 0].var(ddof=1) + b[:, 0].var(ddof=1)) / 2)
    assert row(found, "difference", "dimension 0")["value"] == pytest.approx((a[:, 0].mean() - b[:, 0].mean()) / spread)
    area = roc_auc_score(np.arange(140) < 80, np.concatenate([a[:, 2], b[:, 2]]))
    assert row(found, "auroc", "dimension 2")["value"] == pytest.approx(area)


def test_intervals_of_the_difference_cover_where_spreads_differ():
    draw, truth = np.random.default_rng(2), 0.5 / np.sqrt((1 + 4) / 2)
    hits = 0
    for seed in range(150):
        a, b = draw.normal(size=(60, 1)) + 0.5, 2 * draw.normal(size=(30, 1))
        one = row(comparison(a, b, level=0.9, seed=seed, resamples=2), "difference")
        hits += one["low"] <= truth <= one["high"]
    assert 0.85 <= hits / 150 <= 0.96


def test_p_of_all_dimensions_is_even_where_nothing_differs_and_small_where_one_dimension_does():
    draw, p, touched = np.random.default_rng(3), [], []
    for seed in range(60):
        a, b = faces(50, 0.5, draw=draw), faces(40, 0.5, draw=draw)
        found = comparison(a, b, level=0.9, seed=seed, resamples=99)
        p.append(row(found, "p")["value"])
        touched.append(row(found, "disparity", "all")["low"])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(touched) > 0.05) <= 0.1
    found = comparison(faces(50, 0.1, draw=draw), faces(40, 0.9, draw=draw), level=0.9, seed=0, resamples=199)
    assert row(found, "p")["value"] == pytest.approx(1 / 200)
    assert row(found, "adjusted_p", "dimension 0")["value"] < 1e-6
    assert row(found, "disparity", "all")["value"] > row(found, "chance")["high"]


def test_all_dimensions_together_tell_the_sets_as_sklearn_tells_them():
    draw = np.random.default_rng(4)
    a, b = draw.normal(size=(150, 6)) + 0.35, draw.normal(size=(100, 6))
    inside = np.arange(250) < 150
    x = StandardScaler().fit_transform(np.vstack([a, b]))
    areas = cross_val_score(RidgeClassifier(10.0), x, inside, cv=10, scoring="roc_auc")
    one = row(comparison(a, b, level=0.9, seed=0, resamples=20), "auroc", "all")
    assert one["value"] == pytest.approx(areas.mean(), abs=0.03)
    assert 0.6 < one["low"] < one["value"] < one["high"]


def test_the_order_of_sets_and_faces_turns_signs_and_nothing_else():
    draw = np.random.default_rng(5)
    a, b = faces(40, 0.2, draw=draw), faces(30, 0.7, draw=draw)
    one, other = comparison(a, b, level=0.9, seed=0, resamples=20), comparison(b, a[::-1], level=0.9, seed=0, resamples=20)
    assert row(one, "disparity", "dimension 0")["value"] == pytest.approx(row(other, "disparity", "dimension 0")["value"])
    assert row(one, "difference", "dimension 0")["value"] == pytest.approx(-row(other, "difference", "dimension 0")["value"])
    assert row(one, "auroc", "dimension 0")["value"] == pytest.approx(1 - row(other, "auroc", "dimension 0")["value"])


def test_a_dimension_that_no_face_has_is_a_row_of_no_disparity():
    a, b = np.zeros((9, 2)), np.zeros((8, 2))
    a[:, 1], b[:, 1] = np.arange(9), np.arange(8)
    found = comparison(a, b, level=0.9, seed=0, resamples=20)
    assert row(found, "disparity", "dimension 0")["value"] == pytest.approx(0)
    assert row(found, "difference", "dimension 0")["value"] is None
    assert row(found, "adjusted_p", "dimension 0")["value"] is None
    assert row(found, "disparity", "all")["value"] is not None


def test_sets_that_cannot_be_compared_are_refused():
    with pytest.raises(SchemaError, match="expected 4 faces or more in each set, got 3 and 9"):
        comparison(np.zeros((3, 2)), np.zeros((9, 2)), level=0.9, seed=0)
    with pytest.raises(SchemaError, match="1 of 18 faces have no place"):
        comparison(np.where(np.arange(9)[:, None] == 2, np.nan, 0), np.zeros((9, 1)), level=0.9, seed=0)
    with pytest.raises(WrongShape, match="same dimensions"):
        comparison(np.zeros((9, 2)), np.zeros((9, 3)), level=0.9, seed=0)
