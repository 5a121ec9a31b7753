import numpy as np
import pytest
from scipy import stats

from facevalue.stats.components import crossed_reliability, variance_components
from facevalue.stats.f_distribution import f_quantile
from facevalue.stats.rated import rated_correlations
from facevalue.stats.reliability import (
    FORMS,
    corrected_correlation,
    cronbach_alpha,
    faces_needed,
    intraclass_correlations,
    raters_needed,
    stepped_up,
)

# Shrout, Fleiss 1979, table 2, and the figures that they and, for the ends, psych's ICC print of it
TARGETS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
PUBLISHED = {
    "ICC(1,1)": (0.17, -0.13, 0.72),
    "ICC(2,1)": (0.29, 0.02, 0.76),
    "ICC(3,1)": (0.71, 0.34, 0.95),
    "ICC(1,k)": (0.44, -0.88, 0.91),
    "ICC(2,k)": (0.62, 0.07, 0.93),
    "ICC(3,k)": (0.91, 0.68, 0.99),
}


def judged(draw, n=40, k=6, *, leniency=0.7, noise=1.5):
    return draw.normal(size=(n, 1)) + leniency * draw.normal(size=k) + noise * draw.normal(size=(n, k))


def flat(ratings, asked=None):
    face, rater = np.indices(ratings.shape)
    asked = np.ones(ratings.shape, bool) if asked is None else asked
    return ratings[asked], face[asked], rater[asked]


@pytest.mark.parametrize("form", FORMS)
def test_the_published_example_has_its_published_figures(form):
    found = intraclass_correlations(TARGETS, level=0.95)[form]
    assert (found.value, found.low, found.high) == pytest.approx(PUBLISHED[form], abs=0.0051)


def test_mean_squares_are_those_of_regressions_on_dummies():
    draw = np.random.default_rng(3)
    y = judged(draw, 12, 5)
    found = intraclass_correlations(y, level=0.9)
    rating, face, rater = flat(y)
    faces, raters = (np.eye(size)[code] for code, size in ((face, 12), (rater, 5)))

    def left(*parts):
        design = np.hstack([np.ones((60, 1)), *parts])
        return ((rating - design @ np.linalg.lstsq(design, rating, rcond=None)[0]) ** 2).sum()

    between, judges = (left() - left(faces)) / 11, (left(faces) - left(faces, raters)) / 4
    error, within = left(faces, raters) / 44, left(faces) / 48
    assert found["ICC(1,1)"].value == pytest.approx((between - within) / (between + 4 * within))
    assert found["ICC(3,1)"].value == pytest.approx((between - error) / (between + 4 * error))
    assert found["ICC(2,k)"].value == pytest.approx((between - error) / (between + (judges - error) / 12))
    ratio = between / error
    ends = ratio / stats.f.ppf(0.95, 11, 44), ratio * stats.f.ppf(0.95, 44, 11)
    assert (found["ICC(3,k)"].low, found["ICC(3,k)"].high) == pytest.approx([1 - 1 / f for f in ends])


def test_alpha_is_the_third_form_of_the_mean_and_equals_one_minus_a_ratio_of_variances():
    y = judged(np.random.default_rng(4))
    alpha, third = cronbach_alpha(y, level=0.9), intraclass_correlations(y, level=0.9)["ICC(3,k)"]
    assert (alpha.value, alpha.low, alpha.high) == pytest.approx((third.value, third.low, third.high))
    covariance = np.cov(y.T)
    assert alpha.value == pytest.approx(6 / 5 * (1 - np.trace(covariance) / covariance.sum()))


@pytest.mark.parametrize("form", ["ICC(2,1)", "ICC(3,1)"])
def test_exact_intervals_hold_what_they_promise(form):
    draw = np.random.default_rng(5)
    truth = 1 / (1 + 1.5**2 + (0.7**2 if form == "ICC(2,1)" else 0))
    found = [intraclass_correlations(judged(draw, 20, 5), level=0.9)[form] for _ in range(300)]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert held == pytest.approx(0.9, abs=0.045)
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.02)


def test_faces_of_which_each_had_its_own_raters_have_the_first_form():
    draw = np.random.default_rng(6)
    found = [intraclass_correlations(draw.normal(size=(20, 1)) + draw.normal(size=(20, 4)), level=0.8) for _ in range(250)]
    assert np.mean([one["ICC(1,1)"].low <= 0.5 <= one["ICC(1,1)"].high for one in found]) == pytest.approx(0.8, abs=0.06)


def test_order_and_scale_leave_reliability_as_it_is_and_leniency_counts_in_the_second_form_alone():
    draw = np.random.default_rng(7)
    y = judged(draw)
    known = intraclass_correlations(y, level=0.9)
    moved = intraclass_correlations(3 * y[draw.permutation(40)][:, draw.permutation(6)] - 8, level=0.9)
    lenient = intraclass_correlations(y + np.arange(6), level=0.9)
    for form in FORMS:
        assert moved[form].value == pytest.approx(known[form].value)
    assert lenient["ICC(3,k)"].value == pytest.approx(known["ICC(3,k)"].value)
    assert lenient["ICC(2,k)"].value < known["ICC(2,k)"].value - 0.05


def test_raters_who_agree_wholly_are_reliable_and_those_who_say_one_thing_cannot_be_judged():
    same = intraclass_correlations(np.repeat(np.arange(5.0)[:, None], 3, 1), level=0.9)
    assert [same[form].value for form in FORMS] == [1] * 6
    assert np.isnan(cronbach_alpha(np.ones((4, 3)), level=0.9).value)
    assert np.isnan(intraclass_correlations(np.ones((4, 3)), level=0.9)["ICC(3,1)"].value)


@pytest.mark.parametrize("wrong", [np.ones((1, 3)), np.ones((3, 1)), np.ones(3), np.array([[1, np.nan], [2, 3]])])
def test_tables_that_are_not_complete_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        intraclass_correlations(wrong, level=0.9)
    with pytest.raises(ValueError, match="expected"):
        cronbach_alpha(wrong, level=0.9)


@pytest.mark.parametrize("df", [(1, 1), (5, 15), (3, 0.5), (2.3, 7.7), (101, 250_000)])
def test_quantiles_of_f_are_those_of_scipy(df):
    p = [0.01, 0.05, 0.5, 0.95, 0.999]
    assert [f_quantile(one, *df) for one in p] == pytest.approx(stats.f.ppf(p, *df), rel=1e-8)


def test_components_of_a_complete_design_are_those_of_the_analysis_of_variance():
    y = judged(np.random.default_rng(8), 15, 4)
    found, forms = variance_components(*flat(y)), intraclass_correlations(y, level=0.9)
    assert found.face / (found.face + found.residual) == pytest.approx(forms["ICC(3,1)"].value)
    assert found.face / (found.face + found.rater + found.residual) == pytest.approx(forms["ICC(2,1)"].value)
    alone = variance_components(*flat(y)[:2])
    assert alone.face / (alone.face + alone.residual) == pytest.approx(forms["ICC(1,1)"].value)
    assert found.raters == 4


def test_components_of_a_design_with_gaps_are_without_bias():
    draw = np.random.default_rng(9)
    parts = []
    for _ in range(200):
        y, asked = judged(draw, 30, 10), draw.random((30, 10)) < 0.4
        found = variance_components(*flat(y, asked))
        parts.append((found.face, found.rater, found.residual))
    assert np.mean(parts, axis=0) == pytest.approx([1, 0.49, 2.25], abs=0.1)


def test_one_rater_twice_on_a_face_is_one_rater():
    y, face, rater = flat(judged(np.random.default_rng(10), 12, 4))
    twice = variance_components(np.append(y, y[:5]), np.append(face, face[:5]), np.append(rater, rater[:5]))
    assert twice == variance_components(y, face, rater)


def test_one_rating_a_face_tells_no_reliability():
    found = variance_components(np.arange(6.0), np.arange(6), np.arange(6) % 2)
    assert np.isnan(found.face)
    assert np.isnan(crossed_reliability(np.arange(6.0), np.arange(6), None, level=0.9, seed=0, resamples=9)["ICC(1,k)"].low)


@pytest.mark.parametrize(("n", "k", "share"), [(50, 8, 0.7), (30, 20, 0.3)])
def test_intervals_of_designs_with_gaps_hold_at_least_most_of_what_they_promise(n, k, share):
    draw = np.random.default_rng(11)
    held = []
    for seed in range(60):
        y, asked = judged(draw, n, k), draw.random((n, k)) < share
        found = crossed_reliability(*flat(y, asked), level=0.9, seed=seed, resamples=40)
        held.append([found[f].low <= t <= found[f].high for f, t in (("ICC(2,1)", 1 / 3.74), ("ICC(3,1)", 1 / 3.25))])
    assert ((np.mean(held, axis=0) > 0.78) & (np.mean(held, axis=0) < 0.995)).all()


def test_the_interval_without_known_raters_holds_the_first_form():
    draw = np.random.default_rng(12)
    held = []
    for seed in range(100):
        y = draw.normal(size=(40, 1)) + draw.normal(size=(40, 5))
        face = np.indices(y.shape)[0]
        asked = draw.random(y.shape) < 0.8
        one = crossed_reliability(y[asked], face[asked], None, level=0.9, seed=seed, resamples=60)["ICC(1,1)"]
        held.append(one.low <= 0.5 <= one.high)
    assert np.mean(held) == pytest.approx(0.9, abs=0.07)


def test_more_raters_are_as_reliable_as_was_foretold_and_so_many_are_needed():
    for single, raters in ((0.2, 10), (0.5, 3), (-0.1, 5)):
        assert 1 / stepped_up(single, raters) == pytest.approx((1 / single - 1) / raters + 1)
    assert stepped_up(stepped_up(0.1, 36), 1 / 36) == pytest.approx(0.1)
    assert stepped_up(0.2, raters_needed(0.2, wanted=0.9)) >= 0.9 > stepped_up(0.2, raters_needed(0.2, wanted=0.9) - 1)
    assert raters_needed(-0.1, wanted=0.9) == np.inf
    assert np.isnan(raters_needed(np.nan, wanted=0.9))


def test_correction_for_attenuation_brings_back_what_noise_took():
    draw = np.random.default_rng(13)
    truth = draw.normal(size=20_000)
    x = truth * 0.6 + 0.8 * draw.normal(size=20_000)
    noisy = truth + draw.normal(size=20_000)
    assert corrected_correlation(np.corrcoef(x, noisy)[0, 1], 0.5) == pytest.approx(0.6, abs=0.02)
    assert np.isnan(corrected_correlation(0.3, 0.0))


def test_as_many_faces_as_are_needed_show_the_correlation_as_often_as_promised():
    n, draw = int(faces_needed(0.4, level=0.9)), np.random.default_rng(14)
    x = draw.normal(size=(4000, n))
    y = 0.4 * x + np.sqrt(1 - 0.16) * draw.normal(size=x.shape)
    z = [np.arctanh(np.corrcoef(a, b)[0, 1]) * np.sqrt(n - 3) for a, b in zip(x, y, strict=True)]
    assert np.mean(np.array(z) > stats.norm.ppf(0.95)) == pytest.approx(0.8, abs=0.03)
    assert faces_needed(0.0, level=0.9) == np.inf
    assert np.isnan(faces_needed(np.nan, level=0.9))


def rated(draw, n=50, k=12, *, share=1.0):
    """Return a measure of n faces, and their ratings by k raters with tastes of their own."""
    x = draw.normal(size=(n, 1))
    y = 0.4 * x + draw.normal(size=(n, 1)) + (0.3 * x + 0.5) * draw.normal(size=k) + draw.normal(size=(n, k))
    asked = draw.random((n, k)) < share
    asked[:, 0] |= ~asked.any(1)
    return x, *flat(y, asked)


def test_correlations_are_those_of_scipy_with_the_mean_rating():
    x, rating, face, rater = rated(np.random.default_rng(15), share=0.6)
    x = np.column_stack([x, np.round(x)])
    found = rated_correlations(x, rating, face, rater, level=0.9, seed=0, resamples=20)
    mean = [rating[face == i].mean() for i in range(50)]
    for j in range(2):
        assert found.spearman[j] == pytest.approx(stats.spearmanr(x[:, j], mean)[0])
        assert found.pearson[j] == pytest.approx(stats.pearsonr(x[:, j], mean)[0])
    shuffled = stats.permutation_test(
        (x[:, 0],), lambda a: stats.spearmanr(a, mean)[0], permutation_type="pairings", n_resamples=999, rng=0
    )
    assert found.p[0] == pytest.approx(shuffled.pvalue, abs=0.03)


def test_intervals_are_over_faces_and_raters_and_wider_than_over_faces_alone():
    draw, held, width = np.random.default_rng(16), [], []
    samples = [rated(draw, 40, 8) for _ in range(60)]
    z = [np.arctanh(np.corrcoef(x[:, 0], y.reshape(40, 8).mean(1))[0, 1]) for x, y, *_ in samples]
    truth = np.tanh(np.mean(z))
    for x, rating, face, rater in samples:
        both, alone = (rated_correlations(x, rating, face, who, level=0.9, seed=1, resamples=60) for who in (rater, None))
        held.append([end[0, 0] <= truth <= end[1, 0] for end in (both.pearson_ends, both.spearman_ends)])
        width.append([np.ptp(one.pearson_ends) for one in (both, alone)])
    assert (np.mean(held, axis=0) > 0.8).all()
    assert (np.mean(held, axis=0) < 0.99).all()
    assert np.mean(width, axis=0)[0] > 1.03 * np.mean(width, axis=0)[1]


def test_a_measure_that_does_not_vary_has_no_correlation_and_one_that_is_the_rating_has_no_interval():
    mean = np.array([3.0, 1, 2, 5, 4])
    found = rated_correlations(np.column_stack([np.ones(5), mean]), mean, np.arange(5), None, level=0.9, seed=0, resamples=20)
    assert np.isnan([found.spearman[0], found.pearson[0], *found.pearson_ends[:, 0], found.p[0]]).all()
    assert found.spearman[1] == pytest.approx(1)
    assert np.isnan(found.spearman_ends[:, 1]).all()


@pytest.mark.parametrize(
    ("x", "rating", "face", "words"),
    [
        (np.ones((3, 1)), np.ones(3), np.arange(3), "four faces"),
        (np.ones((5, 1)), np.ones(4), np.arange(4), "each of 5 faces"),
        (np.full((5, 1), np.nan), np.ones(5), np.arange(5), "no NaN"),
        (np.ones((5, 1)), np.ones(5), np.arange(4), "ratings of them"),
    ],
)
def test_what_cannot_be_correlated_is_told(x, rating, face, words):
    with pytest.raises(ValueError, match=words):
        rated_correlations(x, rating, face, None, level=0.9, seed=0)


def test_ends_of_each_measure_are_its_own():
    x, rating, face, rater = rated(np.random.default_rng(17), share=0.6)
    both = np.column_stack([x, np.random.default_rng(1).normal(size=len(x))])
    found = rated_correlations(both, rating, face, rater, level=0.9, seed=2, resamples=30)
    for j in range(2):
        alone = rated_correlations(both[:, [j]], rating, face, rater, level=0.9, seed=2, resamples=30)
        assert found.pearson_ends[:, j] == pytest.approx(alone.pearson_ends[:, 0])
        assert found.spearman_ends[:, j] == pytest.approx(alone.spearman_ends[:, 0])


def test_four_faces_of_a_rater_each_have_a_correlation_and_no_interval():
    found = rated_correlations(
        np.array([[1.0], [2], [3], [5]]), np.array([1.0, 3, 2, 4]), np.arange(4), np.arange(4), level=0.9, seed=0, resamples=20
    )
    assert found.spearman[0] == pytest.approx(0.8)
    assert np.isnan(found.spearman_ends).all()


def test_unreliable_raters_do_not_become_reliable_by_their_number():
    assert stepped_up(-0.5, 3) == stepped_up(-0.5, 4) == -np.inf
    assert np.isnan(stepped_up(np.nan, 4))
    assert stepped_up(-0.2, 3) == pytest.approx(-0.6 / 0.6)
