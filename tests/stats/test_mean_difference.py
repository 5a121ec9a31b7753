import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from facevalue.stats.mean_difference import mean_difference


def test_without_covariates_it_is_cohens_and_with_them_that_of_least_squares():
    draw = np.random.default_rng(0)
    first, q = draw.random(90) < 0.4, draw.normal(size=(90, 2))
    x = draw.normal(size=(90, 3)) + first[:, None] + q @ draw.normal(size=(2, 3))
    spread = np.sqrt((x[first].var(0, ddof=1) + x[~first].var(0, ddof=1)) / 2)
    assert mean_difference(x, first, level=0.9).value == pytest.approx((x[first].mean(0) - x[~first].mean(0)) / spread)
    fit = LinearRegression().fit(np.column_stack([first, q]), x)
    assert mean_difference(x, first, level=0.9, covariates=q).value == pytest.approx(fit.coef_[:, 0] / spread)


def test_the_error_is_that_of_a_jackknife_over_people():
    draw = np.random.default_rng(1)
    who = np.repeat(np.arange(60), draw.integers(1, 4, size=60))
    first = draw.random(len(who)) < 0.5
    x = (draw.normal(size=60)[who] + draw.normal(size=len(who)) + 0.6 * first)[:, None]
    found = mean_difference(x, first, level=0.9, person=who)
    left = np.array([mean_difference(x[who != g], first[who != g], level=0.9).value[0] for g in range(60)])
    jackknife = np.sqrt(59 / 60 * ((left - left.mean()) ** 2).sum())
    wide = (found.high - found.low)[0] / 2 / 1.672  # t of 58 degrees of freedom
    assert wide == pytest.approx(jackknife, rel=0.06)


def test_intervals_cover_with_photos_of_the_same_people_in_both_sets_and_none_without_them():
    draw, truth, hits, naive = np.random.default_rng(2), 0.5 / np.sqrt(1.5), [], []
    for _ in range(150):
        who = np.repeat(np.arange(30), 4)
        first = np.where(who < 15, True, who >= 25) & (draw.random(120) < 0.8)
        x = (draw.normal(size=30)[who] + np.sqrt(0.5) * draw.normal(size=120) + 0.5 * first)[:, None]
        for kept, person in ((hits, who), (naive, None)):
            found = mean_difference(x, first, level=0.9, person=person)
            kept.append(found.low[0] <= truth <= found.high[0])
    assert 0.82 <= np.mean(hits) <= 0.97
    assert np.mean(naive) < 0.8


def test_a_difference_that_goes_with_blur_vanishes_where_blur_is_equal():
    draw, hits, raw = np.random.default_rng(3), [], []
    for _ in range(100):
        first = np.arange(100) < 50
        blur = draw.normal(size=100) + first
        x = (blur + draw.normal(size=100))[:, None]
        raw.append(mean_difference(x, first, level=0.95).p[0])
        hits.append(mean_difference(x, first, level=0.95, covariates=blur[:, None]).p[0])
    assert np.mean(np.array(raw) < 0.05) > 0.8
    assert np.mean(np.array(hits) < 0.05) < 0.13


def test_p_and_interval_agree_and_a_flat_dimension_has_none():
    x = np.column_stack([np.random.default_rng(4).normal(size=40), np.ones(40)])
    first = np.arange(40) < 20
    p = mean_difference(x, first, level=0.9).p[0]
    edge = mean_difference(x, first, level=1 - p)
    assert min(abs(edge.low[0]), abs(edge.high[0])) < 1e-6
    assert np.isnan([edge.value[1], edge.low[1], edge.p[1]]).all()
    turned = mean_difference(-x, ~first, level=0.9)
    assert turned.value[0] == pytest.approx(mean_difference(x, first, level=0.9).value[0])


def test_too_few_and_nan_are_refused():
    with pytest.raises(ValueError, match="expected two faces of each set and four people; got 1, 5 and 6"):
        mean_difference(np.zeros((6, 1)), np.arange(6) < 1, level=0.9)
    with pytest.raises(ValueError, match="without NaN"):
        mean_difference(np.full((6, 1), np.nan), np.arange(6) < 3, level=0.9)
