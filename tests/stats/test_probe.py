"""Probes against scikit-learn, and what they say of targets that no face can tell."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from facevalue.stats import probe


def people(count: int, photos: int, d: int, *, noise: float = 0.4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors, (count * photos, d), that scatter about a point a person, and whose they are."""
    draw, person = np.random.default_rng(seed), np.repeat(np.arange(count), photos)
    return draw.normal(size=(count, d))[person] + noise * draw.normal(size=(len(person), d)), person


def nested_by_scikit(x, y, folds, penalties):
    """Return out-of-fold predictions of ridge regressions whose penalty is chosen over the other folds."""
    found = np.empty(len(y))
    for fold in np.unique(folds):
        inside, rest = folds == fold, folds != fold
        square = []
        for penalty in penalties:
            errors = 0.0
            for left in np.unique(folds[rest]):
                kept, out = rest & (folds != left), folds == left
                errors += ((y[out] - fitted(x[kept], y[kept], penalty)(x[out])) ** 2).sum()
            square.append(errors)
        found[inside] = fitted(x[rest], y[rest], penalties[int(np.argmin(square))])(x[inside])
    return found


def fitted(x, y, penalty):
    scale = StandardScaler().fit(x)
    model = Ridge(alpha=penalty * len(x)).fit(scale.transform(x), y)
    return lambda new: model.predict(scale.transform(new))


@pytest.mark.parametrize("d", [5, 120])
def test_nested_predictions_are_those_of_scikit_learn(d):
    x, person = people(40, 2, d)
    y = x[:, :3].sum(1) + np.random.default_rng(1).normal(size=len(x))
    folds, penalties = probe.person_folds(person, folds=4, seed=0), (0.001, 0.1, 1.0, 100.0)
    found = probe.ridge_predictions(x, y[:, None], folds, penalties=penalties)
    ours = nested_by_scikit(x, y, folds, penalties)
    np.testing.assert_allclose(found.values[:, 0], ours, atol=1e-8)
    errors = probe.squared_errors(y[:, None], found, person)
    assert errors.r_squared()[0] == pytest.approx(1 - ((y - ours) ** 2).sum() / ((y - found.mean[:, 0]) ** 2).sum())


def test_further_rows_are_predicted_by_the_penalty_of_the_folds():
    x, person = people(30, 2, 8)
    y = x[:, 0] + np.random.default_rng(1).normal(size=len(x))
    folds, penalties, rest = person % 3, (0.01, 1.0, 10.0), np.ones((2, 8))
    predicted, deviation = probe.ridge_learnt(x, y[:, None], folds, rest, penalties=penalties)
    squares = [
        sum(((y[folds == f] - fitted(x[folds != f], y[folds != f], p)(x[folds == f])) ** 2).sum() for f in range(3))
        for p in penalties
    ]
    np.testing.assert_allclose(predicted[:, 0], fitted(x, y, penalties[int(np.argmin(squares))])(rest), atol=1e-8)
    assert deviation[0] == pytest.approx(np.sqrt(min(squares) / len(y)))


def test_folds_hold_whole_people_and_spread_labels():
    person = np.repeat(np.arange(60), np.arange(60) % 3 + 1)
    labels = np.array(["a", "b"])[(person % 4 == 0).astype(int)]
    folds = probe.person_folds(person, folds=5, seed=3, labels=labels)
    assert all(len(set(folds[person == who])) == 1 for who in range(60))
    first = np.unique(person, return_index=True)[1]
    counts = [(labels[first][folds[first] == fold] == "b").sum() for fold in range(5)]
    assert counts == [3] * 5
    for train, test in GroupKFold(5).split(person, groups=folds):
        assert not set(person[train]) & set(person[test])


def test_with_folds_of_people_a_random_target_is_not_read_out_and_with_folds_of_photos_it_is():
    x, person = people(60, 6, 64)
    y = probe.control_targets(np.random.default_rng(2).normal(size=len(x)), person, draws=60, seed=0)
    folds, photos = probe.person_folds(person, folds=5, seed=0), np.random.default_rng(0).permutation(len(x)) % 5
    by_person = probe.squared_errors(y, probe.ridge_predictions(x, y, folds), person)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=300)
    assert by_person.r_squared().mean() <= 0
    assert np.quantile(by_person.r_squared(weights).mean(1), 0.95) < 0.02
    leaky = probe.squared_errors(y, probe.ridge_predictions(x, y, photos), person)
    assert leaky.r_squared().min() > 0.3


def test_a_planted_target_is_recovered_to_its_share():
    x, person = people(400, 2, 10)
    y = x @ np.ones((10, 1)) / np.sqrt(10) / x.std() + np.random.default_rng(1).normal(size=(len(x), 1))
    found = probe.squared_errors(y, probe.ridge_predictions(x, y, probe.person_folds(person, folds=5, seed=0)), person)
    assert found.r_squared()[0] == pytest.approx(0.5, abs=0.06)


def test_what_adds_nothing_is_left_out_and_what_adds_is_weighed():
    x, person = people(80, 1, 60)
    draw = np.random.default_rng(5)
    z = draw.normal(size=(80, 1))
    folds, clear = probe.person_folds(person, folds=5, seed=0), x[:, :1] + z
    gains = []
    for y in (clear, x[:, :1] + draw.normal(size=(80, 1))):
        r = [probe.squared_errors(y, probe.ridge_predictions(x, y, folds, extra=e), person).r_squared()[0] for e in (None, z)]
        gains.append(r[1] - r[0])
    assert gains[0] > 0.3
    assert abs(gains[1]) < 0.05


def test_an_infinite_penalty_is_the_mean():
    x, person = people(20, 1, 3)
    found = probe.ridge_predictions(x, x, person % 4, penalties=(np.inf,))
    np.testing.assert_array_equal(found.values, found.mean)


@pytest.mark.parametrize("strata", [False, True])
def test_exchanged_people_keep_their_values_and_their_number_of_photos(strata):
    person = np.repeat(np.arange(30), np.arange(30) % 2 + 1)
    y, kinds = np.arange(len(person)) + 0.0, person % 3 if strata else None
    moved = probe.permuted_people(y, person, draws=4, seed=0, strata=kinds)
    for column in moved.T:
        assert sorted(column) == sorted(y)
        assert not np.array_equal(column, y)
        for who in range(30):
            source = person[column[person == who].astype(int)]
            assert len(set(source)) == 1
            assert (person == source[0]).sum() == (person == who).sum()
            assert kinds is None or source[0] % 3 == who % 3
    control = probe.control_targets(y, person, draws=4, seed=0, strata=kinds)
    for column in control.T:
        assert all(len(set(column[person == who])) == 1 for who in range(30))
        assert len(set(column)) == 30
        assert set(column) <= set(y)


def test_a_target_that_is_constant_within_people_may_go_to_anybody():
    person = np.repeat([0, 1, 2], [1, 2, 3])
    moved = probe.permuted_people(person * 10, person, draws=40, seed=0)
    assert {tuple(column[[0, 1, 3]]) for column in moved.T} > {(0, 10, 20), (10, 20, 0)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probe.person_folds(np.arange(4), folds=5, seed=0), "got 5 folds of 4 people"),
        (lambda: probe.ridge_predictions(np.ones((4, 1)), np.ones((4, 1)), np.arange(4) % 2), "three folds or more, got 2"),
        (lambda: probe.ridge_predictions(np.ones((4, 1)), np.ones((3, 1)), np.arange(4)), r"got \(4, 1\), \(3, 1\)"),
        (lambda: probe.ridge_predictions(np.full((4, 1), np.nan), np.ones((4, 1)), np.arange(4)), "got 4 in x"),
    ],
)
def test_what_cannot_be_probed_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
