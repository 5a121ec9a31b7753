import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

from facevalue.stats.ridge import PENALTIES, held_out, ridge, stratified_folds


def made(n=50, d=6, *, noise=1.0, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.gamma(2, 3, (n, d))
    return x, (x @ draw.normal(size=(d, 2)) / 5 + noise * draw.normal(size=(n, 2)))


@pytest.mark.parametrize("noise", [0.1, 2.0, 20.0])
def test_weights_and_penalty_are_sklearns(noise):
    x, y = made(noise=noise)
    found = ridge(x, y)
    scaler = StandardScaler().fit(x)
    for k in range(2):
        other = RidgeCV(alphas=50 * np.array(PENALTIES)).fit(scaler.transform(x), y[:, k])
        assert found.penalty[k] == pytest.approx(other.alpha_ / 50)
        assert np.allclose(found.weights[:, k], other.coef_ / scaler.scale_)
        assert np.allclose(found(x)[:, k], other.predict(scaler.transform(x)))


def test_the_deviation_is_hc3_of_least_squares():
    x, y = made()
    found = ridge(x, y, penalties=(0.0,))
    design = np.column_stack([np.ones(len(x)), x])
    inverse = np.linalg.inv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    errors = (y[:, 0] - LinearRegression().fit(x, y[:, 0]).predict(x)) / (1 - leverage)
    sandwich = inverse @ (design.T * errors**2) @ design @ inverse
    assert np.allclose(found.deviation[:, 0], np.sqrt(np.diag(sandwich))[1:])


def test_a_fold_is_told_by_the_others_alone():
    x, y = made()
    folds = np.arange(50) % 5
    told = held_out(x, y, folds)
    changed = np.where((folds == 2)[:, None], 1e3, y)
    again = held_out(x, changed, folds)
    assert np.array_equal(told[folds == 2], again[folds == 2])
    assert not np.allclose(told[folds == 1], again[folds == 1])
    assert np.allclose(told[folds == 2], ridge(x[folds != 2], y[folds != 2])(x[folds == 2]))


def test_columns_that_do_not_vary_or_repeat_do_no_harm():
    x, y = made()
    found = ridge(np.column_stack([x, np.full(50, 7.0)]), y)
    assert np.allclose(found.weights[-1], 0)
    assert np.allclose(found(np.column_stack([x, np.full(50, 9.0)])), ridge(x, y)(x))
    twice = ridge(np.column_stack([x, x]), y, penalties=(0.0,))
    assert np.allclose(twice(np.column_stack([x, x])), ridge(x, y, penalties=(0.0,))(x))
    assert np.allclose(ridge(np.ones((5, 1)), np.arange(5.0)[:, None])(np.ones((1, 1))), 2)


def test_folds_spread_each_label_evenly_and_are_the_seeds():
    labels = np.array(["a"] * 23 + ["b"] * 10 + ["c"] * 4)
    folds = stratified_folds(labels, folds=5, seed=1)
    for label in "abc":
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(folds)) <= 1
    assert np.array_equal(folds, stratified_folds(labels, folds=5, seed=1))
    assert not np.array_equal(folds, stratified_folds(labels, folds=5, seed=2))


@pytest.mark.parametrize(("rows", "fill"), [(2, 0.0), (5, np.nan)])
def test_too_few_rows_and_nan_are_refused(rows, fill):
    with pytest.raises(ValueError, match="expected"):
        ridge(np.full((rows, 1), fill), np.zeros((rows, 1)))
