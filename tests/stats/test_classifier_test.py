import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from facevalue.stats.classifier_test import _ends, classifier_test, fold_areas


def test_areas_are_sklearns_mean_over_folds_with_weights_and_ties():
    draw = np.random.default_rng(0)
    scores, first = draw.integers(0, 6, size=80).astype(float), draw.random(80) < 0.4
    folds, weights = np.arange(80) % 3, draw.integers(0, 3, size=(4, 80))
    found = fold_areas(scores, first, folds, weights)
    for one, w in zip(found, weights, strict=True):
        parts = [roc_auc_score(first[folds == v], scores[folds == v], sample_weight=w[folds == v]) for v in range(3)]
        assert one == pytest.approx(np.mean(parts))


def test_a_fold_that_a_draw_leaves_without_a_kind_does_not_count():
    scores, first, folds = np.array([0.0, 1, 1, 0]), np.array([False, True, False, True]), np.array([0, 0, 1, 1])
    assert fold_areas(scores, first, folds, np.array([[1, 1, 0, 1], [0, 1, 0, 1]]))[0] == 1
    assert np.isnan(fold_areas(scores, first, folds, np.array([[0, 1, 0, 1]]))[0])


def test_nothing_to_tell_is_half_within_its_interval():
    draw, holds, above = np.random.default_rng(1), [], []
    for seed in range(40):
        who = np.repeat(np.arange(24), 3)
        x = draw.normal(size=(24, 3))[who] + 0.4 * draw.normal(size=(72, 3))
        found = classifier_test(x, who < 12, level=0.9, seed=seed, person=who, draws=(20, 30))
        holds.append(found.low <= 0.5 <= found.high)
        above.append(found.p <= 0.1)
    assert np.mean(holds) >= 0.78
    assert np.mean(above) < 0.26


def test_the_area_is_that_of_the_shift_and_all_told_is_bounded_by_the_people():
    draw = np.random.default_rng(2)
    first = np.arange(600) < 300
    x = draw.normal(size=(600, 1)) + first[:, None]
    found = classifier_test(x, first, level=0.95, seed=0, draws=(20, 60))
    assert found.low <= 0.7602 <= found.high  # of two normal laws one deviation apart: Phi(1 / sqrt 2)
    assert found.p == 1 / 21
    apart = classifier_test(first[:40, None] * 9.0 + 9 * (np.arange(40) < 20)[:, None], np.arange(40) < 20, level=0.95, seed=0)
    assert apart.value == apart.high == 1
    assert 0.75 < apart.low < 0.9


def test_photos_of_a_person_are_told_by_others_alone():
    who = np.repeat(np.arange(40), 2)
    draw = np.random.default_rng(3)
    x = draw.normal(size=(40, 60))[who]
    first = who < 20
    copied = classifier_test(x, first, level=0.9, seed=0, draws=(9, 9)).value  # a copy in another fold tells a photo
    assert copied > classifier_test(x, first, level=0.9, seed=0, person=who, draws=(9, 9)).value + 0.15
    with pytest.raises(ValueError, match="two people or more in each set; got 1 and 1"):
        classifier_test(x[:4], who[:4] < 1, level=0.9, seed=0, person=who[:4])


def test_ends_of_an_area_of_0_are_those_of_1_turned_round():
    low, high = _ends(1.0, 0.0, 20, 0.9)
    assert (low, high) == (pytest.approx(20 / (20 + 1.644854**2)), 1)
    assert _ends(0.0, 0.0, 20, 0.9) == pytest.approx((0, 1 - low))
