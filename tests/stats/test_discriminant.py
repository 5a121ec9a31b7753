"""The light head against scikit-learn's, and that nobody is judged by a head that saw them."""

import numpy as np
import pytest

from facevalue.stats.discriminant import fit_discriminant, ledoit_wolf, unseen_scores
from facevalue.stats.probe import person_folds


def photos(people: int = 30, each: int = 3, *, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw, person = np.random.default_rng(seed), np.repeat(np.arange(people), each)
    mixing = draw.normal(size=(d, d))
    return 1.5 * draw.normal(size=(people, d))[person] + draw.normal(size=(len(person), d)) @ mixing, person


@pytest.mark.parametrize("shrinkage", [0.0, 0.2, 0.9])
def test_directions_are_those_of_scikit_learn(shrinkage: float):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, person = photos()
    head = fit_discriminant(x, person, shrinkage=shrinkage)
    other = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage).fit(x, person)
    theirs = other.scalings_[:, : len(head.ratio)]
    signs = np.sign((theirs * head.directions).sum(0))
    np.testing.assert_allclose(head.directions, theirs * signs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(head.apply(x), (x - x.mean(0)) @ theirs * signs, rtol=1e-6, atol=1e-8)


def test_the_shrinkage_is_that_of_ledoit_and_wolf():
    from sklearn.covariance import ledoit_wolf_shrinkage

    x, person = photos()
    residuals = x - np.stack([x[person == p].mean(0) for p in person])
    assert ledoit_wolf(residuals) == pytest.approx(ledoit_wolf_shrinkage(residuals, assume_centered=True))
    assert fit_discriminant(x, person).shrinkage == pytest.approx(ledoit_wolf(residuals))
    assert ledoit_wolf(np.eye(3)) == 1


def test_within_people_the_mapped_photos_have_covariance_one():
    x, person = photos(200, 2)
    y = fit_discriminant(x, person, shrinkage=0.0).apply(x)
    y -= np.stack([y[person == p].mean(0) for p in person])
    np.testing.assert_allclose(y.T @ y / len(y), np.eye(8), atol=1e-8)


def test_the_head_does_not_depend_on_the_order_of_photos_nor_on_a_turn_of_the_space():
    x, person = photos()
    order = np.random.default_rng(1).permutation(len(x))
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0]
    one = fit_discriminant(x, person, shrinkage=0.3)
    shuffled = fit_discriminant(x[order], person[order], shrinkage=0.3)
    turned = fit_discriminant(x @ turn, person, shrinkage=0.3)
    np.testing.assert_allclose(shuffled.apply(x), one.apply(x), atol=1e-8)
    np.testing.assert_allclose(abs(turned.apply(x @ turn)), abs(one.apply(x)), atol=1e-8)


def test_a_person_of_one_photo_says_nothing_of_the_covariance_within():
    x, person = photos()
    more = np.vstack([x, 50 * np.ones((1, 8))])
    head = fit_discriminant(more, np.append(person, 99), shrinkage=0.1)
    inner = np.linalg.inv(head.directions @ head.directions.T)
    residuals = x - np.stack([x[person == p].mean(0) for p in person])
    plain = residuals.T @ residuals / len(x)
    np.testing.assert_allclose(inner, 0.9 * plain + 0.1 * np.trace(plain) / 8 * np.eye(8), rtol=1e-6)


def test_what_cannot_be_learnt_from_is_refused():
    x, person = photos()
    with pytest.raises(ValueError, match="NaN"):
        fit_discriminant(np.where(x > 0, np.nan, x), person)
    with pytest.raises(ValueError, match="shrinkage in"):
        fit_discriminant(x, person, shrinkage=1.5)
    with pytest.raises(ValueError, match="two people"):
        fit_discriminant(x, np.arange(len(x)))
    with pytest.raises(ValueError, match="all are equal"):
        fit_discriminant(np.ones_like(x), person)
    with pytest.raises(ValueError, match="shrink more"):
        fit_discriminant(x[:6], person[:6], shrinkage=0.0)
    with pytest.raises(ValueError, match="three folds"):
        unseen_scores(x, person, person % 2)
    with pytest.raises(ValueError, match="each person in one"):
        unseen_scores(x, person, np.arange(len(x)) % 3)


def test_scores_of_two_people_do_not_change_with_what_the_head_would_learn_of_them():
    """Were either person among those a head learns from, moving their photos apart would change the directions."""
    x, person = photos()
    folds = person_folds(person, folds=5, seed=0)
    before = unseen_scores(x, person, folds)
    a, b = 0, int(person[folds != folds[0]][0])
    moved = x.copy()
    moved[person == a] *= np.array([[1], [9], [40]])
    after = unseen_scores(moved, person, folds)
    others = (folds == folds[a]) & (person != a)
    ours = np.ix_(others, person == b)
    np.testing.assert_allclose(after[ours], before[ours], atol=1e-9)
    elsewhere = (folds != folds[a]) & (folds != folds[person == b][0])
    assert abs(after[np.ix_(elsewhere, person == b)] - before[np.ix_(elsewhere, person == b)]).max() > 1e-3


def test_a_head_on_noise_finds_nobody():
    draw, person = np.random.default_rng(3), np.repeat(np.arange(60), 2)
    x = draw.normal(size=(120, 40))
    scores = unseen_scores(x, person, person_folds(person, folds=6, seed=0))
    assert not np.isnan(scores).any()
    np.testing.assert_allclose(scores, scores.T)
    same = (person[:, None] == person) & ~np.eye(120, dtype=bool)
    assert abs(scores[same].mean()) < 4 * scores[same].std() / 60**0.5


def test_photos_of_one_fold_are_scored_by_the_head_that_lacks_it_and_the_next():
    x, person = photos()
    folds = person_folds(person, folds=4, seed=0)
    scores = unseen_scores(x, person, folds, shrinkage=0.2)
    for fold in range(4):
        own, rest = folds == fold, (folds != fold) & (folds != (fold + 1) % 4)
        rows = fit_discriminant(x[rest], person[rest], shrinkage=0.2).apply(x[own])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(scores[np.ix_(own, own)], rows @ rows.T, atol=1e-9)


def test_one_dimension_is_scaled_by_what_photos_of_a_person_vary():
    x, person = np.array([[-1.0], [1], [3], [5], [8], [12]]), np.array([0, 0, 1, 1, 2, 2])
    head = fit_discriminant(x, person, shrinkage=0.0)
    within = np.array([-1, 1, -1, 1, -2, 2.0])
    assert head.directions == pytest.approx(np.array([[1 / np.sqrt((within**2).mean())]]))
    assert head.ratio == pytest.approx([x.var() / (within**2).mean() - 1])
