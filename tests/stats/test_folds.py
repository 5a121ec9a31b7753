"""Folds of people: nobody is judged by what was learned of them."""

import numpy as np
import pytest

from facevalue.data.pairs import compare_all
from facevalue.stats.folds import cross_fitted_ratio, fold_splits
from facevalue.stats.likelihood import logistic


def made(people: int = 30, photos: int = 3, folds: int = 5, seed: int = 0):
    pairs = compare_all(np.repeat(np.arange(people).astype(str), photos), most=None, folds=folds, seed=seed)
    draw = np.random.default_rng(seed)
    return pairs, np.where(pairs.same, 0.5, 0.1) + 0.2 * draw.normal(size=len(pairs))


def people_of(pairs, chosen: np.ndarray) -> set[int]:
    return set(pairs.first[chosen]) | set(pairs.second[chosen])


def test_nobody_is_inside_and_outside_and_each_pair_within_a_fold_is_judged_once():
    pairs, _ = made()
    judged = np.zeros(len(pairs), int)
    for inside, outside in fold_splits(pairs.same, pairs.fold_a, pairs.fold_b):
        assert inside.any()
        assert not people_of(pairs, inside) & people_of(pairs, outside)
        assert len(people_of(pairs, inside)) == 6
        assert len(people_of(pairs, outside)) == 24
        judged += inside
    np.testing.assert_array_equal(judged, pairs.fold_a == pairs.fold_b)


@pytest.mark.parametrize("missing", [True, False])
def test_a_fold_outside_of_which_a_kind_is_missing_is_left_out(missing):
    pairs, _ = made(folds=3)
    kept = (pairs.same != missing) | ((pairs.fold_a == 2) & (pairs.fold_b == 2))
    part = pairs[kept]
    splits = list(fold_splits(part.same, part.fold_a, part.fold_b))
    assert [set(part.fold_a[inside]) for inside, _ in splits] == [{0}, {1}]
    none = pairs[pairs.same != missing]
    assert list(fold_splits(none.same, none.fold_a, none.fold_b)) == []
    assert np.isnan(cross_fitted_ratio(np.zeros(len(none)), none.same, none.fold_a, none.fold_b)).all()


def test_a_fold_that_only_second_people_are_of_is_a_fold_too():
    same, a, b = np.array([True, False, False, True]), np.array([0, 0, 0, 2]), np.array([0, 0, 1, 2])
    found = [(inside.tolist(), outside.tolist()) for inside, outside in fold_splits(same, a, b)]
    assert found == [
        ([False, False, False, False], [True, True, False, True]),
        ([False, False, False, True], [True, True, True, False]),
    ]


def test_ratios_are_those_of_a_fit_to_the_pairs_of_nobody_in_the_fold():
    pairs, scores = made()
    found = cross_fitted_ratio(scores, pairs.same, pairs.fold_a, pairs.fold_b)
    np.testing.assert_array_equal(np.isnan(found), pairs.fold_a != pairs.fold_b)
    for fold in range(5):
        others = [i for i in range(len(pairs)) if fold not in (pairs.fold_a[i], pairs.fold_b[i])]
        own = [i for i in range(len(pairs)) if pairs.fold_a[i] == pairs.fold_b[i] == fold]
        fit = logistic(scores[others], pairs.same[others])
        np.testing.assert_allclose(found[own], (fit.a + fit.b * scores[own]) / np.log(10))


def test_the_scores_of_a_folds_people_do_not_move_their_own_fit():
    pairs, scores = made()
    own = (pairs.fold_a == 2) | (pairs.fold_b == 2)
    before = cross_fitted_ratio(scores, pairs.same, pairs.fold_a, pairs.fold_b)
    turned = np.where(own, -scores, scores)
    after = cross_fitted_ratio(turned, pairs.same, pairs.fold_a, pairs.fold_b)
    inside = (pairs.fold_a == 2) & (pairs.fold_b == 2)
    a, b = np.polyfit(scores[inside], before[inside], 1)[::-1]
    np.testing.assert_allclose(after[inside], a + b * turned[inside], atol=1e-9)
    elsewhere = (pairs.fold_a == pairs.fold_b) & ~own
    assert (abs(before - after)[elsewhere] > 1e-6).all()
