"""Quantiles, scores and sets, and the law of counted coverage."""

import numpy as np
import pytest
from scipy import stats

from facevalue.stats.conformal import (
    adaptive_scores,
    conformal_p_values,
    conformal_quantile,
    coverage_range,
    hierarchical_quantile,
    prediction_sets,
    scores_needed,
)

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


@pytest.mark.parametrize("level", LEVELS)
def test_the_fewest_scores_of_a_level_suffice_and_one_less_does_not(level):
    needed = scores_needed(level)
    assert conformal_quantile(np.arange(needed), level) == needed - 1
    with pytest.raises(ValueError, match=rf"expected at least {needed} scores for level {level}, got {needed - 1}"):
        conformal_quantile(np.arange(needed - 1), level)


def test_the_quantile_is_the_rank_that_split_conformal_asks_for():
    scores = np.random.default_rng(0).permutation(300)
    assert conformal_quantile(scores, 0.9) == 271 - 1  # the 271st of 0..299
    assert conformal_quantile(np.arange(29), 0.9) == 27 - 1  # 30 * .9 is 27, not a hair more
    with pytest.raises(ValueError, match="1 NaN"):
        conformal_quantile(np.append(np.arange(20.0), np.nan), 0.9)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        conformal_quantile(scores, 1.0)


def test_adaptive_scores_by_the_definition():
    p = np.random.default_rng(1).dirichlet(np.ones(5), 50)
    p[0] = 0.2
    slow = [[sum(q for q in row if q > own) + own / 2 for own in row] for row in p]
    np.testing.assert_allclose(adaptive_scores(p), slow, atol=1e-12)
    np.testing.assert_array_equal(adaptive_scores(p).argmin(1), p.argmax(1))


def test_sets_take_thresholds_by_label_and_by_face():
    scores = np.array([[0.2, 0.9, 0.6], [0.5, 0.5, 0.5]])
    expected = [[True, False, True], [True, False, True]]
    np.testing.assert_array_equal(prediction_sets(scores, np.array([0.5, 0.4, 0.7])), expected)
    by_face = prediction_sets(scores, np.array([[0.1, 1.0, 0.1], [0.4, 0.4, 0.4]]))
    np.testing.assert_array_equal(by_face, [[False, True, False], [False, False, False]])
    with_top = prediction_sets(scores, np.array([0.0, 0.0, 0.0]), top=True)
    np.testing.assert_array_equal(with_top, [[True, False, False], [True, False, False]])


@pytest.mark.parametrize(
    ("n", "mean", "sd", "low", "high"), [(300, 0.90033, 0.02440, 0.830, 0.957), (150, 0.90066, 0.03437, 0.8, 0.973)]
)
def test_coverage_range_at_the_known_figures(n, mean, sd, low, high):
    rank = np.ceil((n + 1) * 0.9)
    law = stats.betabinom(n, rank, n + 1 - rank)
    assert (law.mean() / n, law.std() / n) == pytest.approx((mean, sd), abs=5e-6)
    assert coverage_range(n, n, 0.9) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("n", "m", "level", "confidence"), [(300, 300, 0.9, 0.99), (60, 5000, 0.8, 0.9), (99, 40, 0.99, 0.95)])
def test_coverage_range_agrees_with_scipy(n, m, level, confidence):
    rank = np.ceil((n + 1) * level - 1e-9)
    law = stats.betabinom(m, rank, n + 1 - rank)
    expected = law.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) / m
    assert coverage_range(n, m, level, confidence=confidence) == pytest.approx(tuple(expected))


def test_coverage_range_refuses_what_no_set_could_reach():
    with pytest.raises(ValueError, match="expected 99 calibration"):
        coverage_range(98, 100, 0.99)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_counted_coverage_has_the_stated_mean_and_range(level):
    n, m, times = 200, 300, 400
    draw = np.random.default_rng(2)
    scores = draw.gamma(1.3, size=(times, n + m))
    coverage = np.array([(row[n:] <= conformal_quantile(row[:n], level)).mean() for row in scores])
    rank = np.ceil((n + 1) * level - 1e-9)
    law = stats.betabinom(m, rank, n + 1 - rank)
    assert abs(coverage.mean() - law.mean() / m) < 4 * law.std() / m / np.sqrt(times)
    low, high = coverage_range(n, m, level, confidence=0.95)
    assert ((low <= coverage) & (coverage <= high)).sum() >= stats.binom.ppf(1e-5, times, 0.95)
    assert (coverage < low).any()
    assert (coverage > high).any()


def uneven(draw: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, persons and first photos: easy people have twelve photos, hard ones two."""
    difficulty = np.exp(0.8 * draw.normal(size=people))
    photos = np.where(difficulty < 1, 12, 2)
    person = np.repeat(np.arange(people), photos)
    return abs(draw.normal(size=len(person))) * difficulty[person], person, np.cumsum(photos) - photos


@pytest.fixture(scope="module")
def coverages() -> dict[str, np.ndarray]:
    """Return the coverage of one photo of new people in each of 1500 runs, by three quantiles of 100 people."""
    draw = np.random.default_rng(1)
    found = {"pooled": [], "hierarchical": [], "one photo each": []}
    for _ in range(1500):
        scores, person, first = uneven(draw, 100)
        new, _, at = uneven(draw, 500)
        found["pooled"].append((new[at] <= conformal_quantile(scores, 0.9)).mean())
        found["hierarchical"].append((new[at] <= hierarchical_quantile(scores, person, 0.9)).mean())
        found["one photo each"].append((new[at] <= conformal_quantile(scores[first], 0.9)).mean())
    return {name: np.array(part) for name, part in found.items()}


@pytest.mark.parametrize(
    ("quantile", "mean", "sd"), [("pooled", 0.757, 0.035), ("hierarchical", 0.904, 0.027), ("one photo each", 0.900, 0.033)]
)
def test_pooling_photos_misses_new_people_where_people_weighing_the_same_does_not(coverages, quantile, mean, sd):
    assert coverages[quantile].mean() == pytest.approx(mean, abs=0.0005 + 4 * sd * np.sqrt(2 / 1500))  # both are of 1500 runs
    assert coverages[quantile].std() == pytest.approx(sd, abs=0.01)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_the_hierarchical_quantile_by_the_definition(level):
    scores, person, _ = uneven(np.random.default_rng(3), 30)
    mass = {v: sum(np.mean(scores[person == k] <= v) for k in range(30)) / 31 for v in scores}
    assert hierarchical_quantile(scores, person, level) == min(v for v in scores if mass[v] >= level - 1e-9)
    ties = scores.round(1)
    mass = {v: sum(np.mean(ties[person == k] <= v) for k in range(30)) / 31 for v in ties}
    assert hierarchical_quantile(ties, person, level) == min(v for v in ties if mass[v] >= level - 1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_with_one_photo_each_it_is_the_conformal_quantile(level):
    scores = np.random.default_rng(4).normal(size=scores_needed(level) + 50)
    names = np.random.default_rng(5).permutation(len(scores)).astype(str)
    assert hierarchical_quantile(scores, names, level) == conformal_quantile(scores, level)


def test_a_person_with_all_photos_twice_weighs_the_same():
    scores, person, _ = uneven(np.random.default_rng(6), 40)
    again = np.concatenate([scores, scores[person == 7]]), np.concatenate([person, person[person == 7]])
    order = np.random.default_rng(7).permutation(len(again[0]))
    for level in (0.6, 0.9):
        assert hierarchical_quantile(again[0][order], again[1][order], level) == hierarchical_quantile(scores, person, level)


@pytest.mark.parametrize("level", LEVELS)
def test_the_fewest_people_of_a_level_suffice_and_one_less_does_not(level):
    needed = scores_needed(level)
    scores, person = np.arange(3 * needed), np.repeat(np.arange(needed), 3)
    assert hierarchical_quantile(scores, person, level) >= scores[-3]
    with pytest.raises(ValueError, match=rf"scores of at least {needed} people for level {level}, got {needed - 1}|0 scores"):
        hierarchical_quantile(scores[:-3], person[:-3], level)


def test_hierarchical_scores_without_a_person_or_with_nan_are_refused():
    with pytest.raises(ValueError, match="20 scores with 0 NaN and 19 groups"):
        hierarchical_quantile(np.arange(20.0), np.arange(19), 0.9)
    with pytest.raises(ValueError, match="20 scores with 1 NaN"):
        hierarchical_quantile(np.append(np.arange(19.0), np.nan), np.arange(20), 0.9)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_the_quantile_is_mapies(level):
    from mapie.regression import SplitConformalRegressor
    from sklearn.dummy import DummyRegressor

    scores = np.random.default_rng(8).gamma(1.3, size=300)
    zero = DummyRegressor(strategy="constant", constant=0.0).fit(scores[:, None], scores)
    peer = SplitConformalRegressor(zero, confidence_level=level, prefit=True).conformalize(scores[:, None], scores)
    assert peer.predict_interval(np.zeros((1, 1)))[1][0, 1, 0] == pytest.approx(conformal_quantile(scores, level))


def test_p_values_by_the_definition():
    draw = np.random.default_rng(9)
    calibration, person, _ = uneven(draw, 25)
    calibration, new = calibration.round(1), np.append(draw.gamma(2, size=40).round(1), np.nan)
    plain, by_person = conformal_p_values(calibration, new), conformal_p_values(calibration, new, groups=person)
    for j in range(40):
        above = calibration >= new[j]
        assert plain[j] == pytest.approx((1 + above.sum()) / (len(calibration) + 1))
        assert by_person[j] == pytest.approx((1 + sum(above[person == k].mean() for k in range(25))) / 26)
    assert np.isnan([plain[40], by_person[40]]).all()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_a_score_within_the_quantile_is_one_with_a_p_value_above_the_rest(level):
    draw = np.random.default_rng(10)
    calibration, person, _ = uneven(draw, 60)
    new = draw.gamma(1.5, size=500)
    within = new <= hierarchical_quantile(calibration, person, level)
    np.testing.assert_array_equal(conformal_p_values(calibration, new, groups=person) > 1 - level + 1e-9, within)


@pytest.mark.parametrize("pooled", [False, True])
def test_p_values_of_new_people_are_small_as_often_as_they_say_unless_photos_are_pooled(pooled):
    draw, small = np.random.default_rng(11), []
    for _ in range(400):
        (calibration, person, _), (new, _, first) = uneven(draw, 100), uneven(draw, 300)
        small.append((conformal_p_values(calibration, new[first], groups=None if pooled else person) <= 0.1).mean())
    error, doubt = np.mean(small), 4 * np.std(small) / 20
    assert (error - doubt > 0.2) if pooled else (0.07 < error < 0.1 + doubt)


def test_one_face_is_covered_or_not():
    assert coverage_range(300, 1, 0.9) == (0, 1)
    with pytest.raises(ValueError, match="1 test faces, got 300 and 0"):
        coverage_range(300, 0, 0.9)
