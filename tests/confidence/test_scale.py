"""The scale against scikit-learn's ridge, and what it makes of missing features, far ones and many photos of one person."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from facevalue.confidence.scale import FOLDS, RIDGES, Scale, fit_scale
from facevalue.data.errors import WrongShape

NAMES = ("log_flip", "log_jitter", "noise")


def faces(n: int = 600, people: int = 80, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, errors and people: the error grows with the first two features, the third says nothing."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 3)) * [0.5, 2, 100] + [1, -3, 50]
    errors = np.exp(1 + 0.8 * x[:, 0] - 0.2 * x[:, 1] + 0.3 * draw.normal(size=n))
    return x, errors, draw.permutation(np.concatenate([np.arange(people), draw.integers(people, size=n - people)]))


def peer(x: np.ndarray, errors: np.ndarray, people: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the ridge and the predictions by scikit-learn."""
    ids = np.unique(people, return_inverse=True)[1]
    weights = 1 / np.bincount(ids)[ids] / len(np.bincount(ids))
    centre = np.average(x, axis=0, weights=weights)
    z = (x - centre) / np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weights))
    y, losses = np.log(errors), []
    for ridge in RIDGES:
        loss = 0.0
        for train, test in PredefinedSplit(ids % FOLDS).split():
            share = weights[train] / weights[train].sum()
            predicted = Ridge(alpha=ridge).fit(z[train], y[train], sample_weight=share).predict(z[test])
            loss += weights[test] @ (y[test] - predicted) ** 2
        losses.append(loss)
    best = RIDGES[int(np.argmin(losses))]
    return best, np.exp(Ridge(alpha=best).fit(z, y, sample_weight=weights).predict(z))


@pytest.mark.parametrize(("n", "people"), [(600, 80), (40, 15)])
def test_the_scale_is_scikit_learns_ridge_chosen_by_people_left_out(n, people):
    for seed in range(5):
        data = faces(n, people, seed=seed)
        scale, (ridge, predicted) = fit_scale(*data, names=NAMES), peer(*data)
        assert scale.ridge == ridge
        np.testing.assert_allclose(scale.predict(data[0]), predicted, rtol=1e-5)


def test_the_model_is_recovered():
    x, errors, people = faces(5000, 500, seed=1)
    scale = fit_scale(x, errors, people, names=NAMES)
    np.testing.assert_allclose(scale.coefficient / scale.spread, [0.8, -0.2, 0], atol=0.03)
    assert (scale.n, scale.people, scale.unused, scale.missing) == (5000, 500, 0, 0)


def test_units_of_features_do_not_matter_and_those_of_errors_scale():
    x, errors, people = faces(seed=2)
    scale = fit_scale(x, errors, people, names=NAMES).predict(x)
    other = fit_scale(x * [100, 0.01, 3] - [4, 5, 6], errors * 7, people, names=NAMES).predict(x * [100, 0.01, 3] - [4, 5, 6])
    np.testing.assert_allclose(other, 7 * scale, rtol=1e-4)


def test_predictions_stay_within_those_of_the_fit():
    x, errors, people = faces(seed=3)
    scale = fit_scale(x, errors, people, names=NAMES)
    known = scale.predict(x)
    far = scale.predict(np.array([[1e6, 0, 0], [-1e6, 0, 0]]))
    np.testing.assert_allclose(far, [known.max(), known.min()])


def test_a_missing_feature_is_the_median_and_is_counted():
    x, errors, people = faces(seed=4)
    x[::5, 1] = np.nan
    scale = fit_scale(x, errors, people, names=NAMES)
    assert scale.missing == pytest.approx(1 / 15, abs=1e-5)
    holes = np.array([[1.0, np.nan, 50], [np.nan, np.nan, np.nan], [1.0, -3, 50]])
    np.testing.assert_array_equal(scale.missing_features(holes), [1, 3, 0])
    filled = np.where(np.isnan(holes), np.nanmedian(x, axis=0), holes)
    np.testing.assert_allclose(scale.predict(holes), scale.predict(filled), rtol=1e-6)
    assert scale.predict(holes)[0] != scale.predict(holes)[1]


def test_a_person_with_all_photos_twice_weighs_the_same():
    x, errors, people = faces(seed=5)
    more = np.concatenate([np.arange(len(x)), *[np.flatnonzero(people == 3)] * 2])
    once, thrice = (fit_scale(x[rows], errors[rows], people[rows], names=NAMES) for rows in (np.arange(len(x)), more))
    np.testing.assert_allclose(once.predict(x), thrice.predict(x), rtol=1e-5)


def test_without_features_there_is_one_scale_and_a_constant_feature_says_nothing():
    x, errors, people = faces(seed=6)
    nothing = fit_scale(x[:, :0], errors, people, names=())
    shares = [np.log(errors[people == k]).mean() for k in np.unique(people)]
    np.testing.assert_allclose(nothing.predict(np.zeros((3, 0))), np.exp(np.mean(shares)), rtol=1e-5)
    constant = fit_scale(np.full((len(x), 1), 7.1), errors, people, names=["same"])
    np.testing.assert_allclose(constant.predict(np.array([[7.1], [900.0]])), np.exp(np.mean(shares)), rtol=1e-5)


def test_photos_without_an_error_are_left_out_and_counted_and_copies_do_not_rule():
    x, errors, people = faces(seed=7)
    alone = np.where(np.arange(len(x)) % 10 == 0, np.nan, errors)
    used = ~np.isnan(alone)
    without = fit_scale(x[used], alone[used], people[used], names=NAMES)
    assert (without.n, without.unused) == (540, 0)
    whole = fit_scale(x, alone, people, names=NAMES)
    assert (whole.n, whole.unused) == (540, 60)
    np.testing.assert_allclose(whole.predict(x), without.predict(x))
    copies = fit_scale(x, np.where(np.arange(len(x)) == 4, 0.0, errors), people, names=NAMES)
    assert np.isfinite(copies.predict(x)).all()


def test_a_scale_survives_json():
    x, errors, people = faces(seed=8)
    scale = fit_scale(x, errors, people, names=NAMES)
    again = Scale.from_dict(json.loads(json.dumps(scale.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(again.predict(x), scale.predict(x))
    assert again.to_dict() == scale.to_dict()
    assert all(float(f"{value:.7g}") == value for name in ("median", "coefficient") for value in scale.to_dict()[name])


def test_what_cannot_be_fitted_is_refused():
    x, errors, people = faces(seed=9)
    with pytest.raises(WrongShape, match=r"features \(n, 2\): a, b; got \(600, 3\)"):
        fit_scale(x, errors, people, names=["a", "b"])
    with pytest.raises(WrongShape, match=r"errors and people \(600,\) as the features, got \(599,\) and \(600,\)"):
        fit_scale(x, errors[1:], people, names=NAMES)
    with pytest.raises(ValueError, match="errors of 2 or more people, got 1"):
        fit_scale(x, errors, np.zeros(600), names=NAMES)
    with pytest.raises(ValueError, match="errors of 2 or more people, got 0"):
        fit_scale(x, np.full(600, np.nan), people, names=NAMES)
    with pytest.raises(ValueError, match="errors of 0 or more, not mostly 0"):
        fit_scale(x, -errors, people, names=NAMES)
    with pytest.raises(ValueError, match="errors of 0 or more, not mostly 0, got -0.5"):
        fit_scale(x, np.append(errors[1:], -0.5), people, names=NAMES)
    with pytest.raises(ValueError, match="are they copies"):
        fit_scale(x, 0 * errors, people, names=NAMES)
    with pytest.raises(ValueError, match="log_jitter is NaN on all faces"):
        fit_scale(np.where(np.arange(3) == 1, np.nan, x), errors, people, names=NAMES)
    x[3, 0] = np.inf
    with pytest.raises(ValueError, match="log_flip is infinite on 1 faces"):
        fit_scale(x, errors, people, names=NAMES)
