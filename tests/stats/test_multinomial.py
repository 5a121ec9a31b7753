"""Multinomial regression against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from facevalue.stats.multinomial import label_learnt, label_predictions, multinomial


def data(n: int, d: int, k: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, d)) @ draw.normal(size=(d, d))
    return x, (x[:, :k] + 2 * draw.normal(size=(n, k))).argmax(1)


def by_scikit(x, y, k, penalty):
    """Return a fitted model; of two labels its weights are the difference of ours, whose penalty is half as much."""
    return LogisticRegression(C=(2 if k == 2 else 1) / (len(x) * penalty), tol=1e-10, max_iter=10_000).fit(x, y)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("penalty", [0.001, 1.0])
def test_probabilities_are_those_of_scikit_learn(k, penalty):
    x, y = data(80, 6, k)
    found = multinomial(x, y, k=k, penalty=penalty, tolerance=1e-9)
    np.testing.assert_allclose(found(x), by_scikit(x, y, k, penalty).predict_proba(x), atol=1e-4)
    np.testing.assert_allclose(found.weights.sum(1), 0, atol=1e-12)


def test_more_columns_than_rows_and_a_label_that_nobody_has():
    x, y = data(30, 60, 2)
    found = multinomial(x, y, k=3, penalty=0.1)(x)
    assert (found.argmax(1) == y).all()
    assert found[:, 2].max() < 0.1


def test_folds_are_predicted_by_the_penalty_with_the_least_loss_of_the_others():
    x, y = data(60, 5, 3)
    folds, penalties = np.arange(60) % 3, (10.0, 0.3, 0.01)
    found = label_predictions(x, y, folds, k=3, penalties=penalties)
    for fold in range(3):
        losses = []
        for penalty in penalties:
            loss = 0.0
            for left in {0, 1, 2} - {fold}:
                kept = (folds != left) & (folds != fold)
                p = scaled(x[kept], y[kept], x[folds == left], penalty)
                loss -= np.log(p[np.arange(20), y[folds == left]]).sum()
            losses.append(loss)
        best = penalties[int(np.argmin(losses))]
        assert found.penalty[fold] == best
        np.testing.assert_allclose(
            found.p[folds == fold], scaled(x[folds != fold], y[folds != fold], x[folds == fold], best), atol=2e-3
        )
    again = label_predictions(x, y, folds, k=3, penalties=found.penalty)
    np.testing.assert_allclose(again.p, found.p, atol=2e-3)
    assert found.prior[0] == pytest.approx((np.bincount(y[folds != 0], minlength=3) + 1) / 43)


def scaled(x, y, new, penalty):
    scale = StandardScaler().fit(x)
    return by_scikit(scale.transform(x), y, 3, penalty).predict_proba(scale.transform(new))


def test_further_rows_are_predicted():
    x, y = data(90, 4, 3)
    found = label_learnt(x[:60], y[:60], np.arange(60) % 3, x[60:], k=3, penalties=(0.1,))
    np.testing.assert_allclose(found, scaled(x[:60], y[:60], x[60:], 0.1), atol=2e-3)


@pytest.mark.parametrize(
    ("y", "penalty"), [(np.array([0, 2]), 1.0), (np.array([0, 1]), 0.0), (np.array([0]), 1.0), (np.array([-1, 0]), 1.0)]
)
def test_what_cannot_be_fitted_is_refused(y, penalty):
    with pytest.raises(ValueError, match="expected x"):
        multinomial(np.ones((2, 1)), y, k=2, penalty=penalty)
    with pytest.raises(ValueError, match="three folds or more"):
        label_predictions(np.ones((2, 1)), np.array([0, 1]), np.array([0, 1]), k=2)
