import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from facevalue.stats.association import areas_under_curve, fold_area, mean_fold_areas, rank_correlations
from facevalue.stats.discard import spearman

Z90 = 1.6448536


def sparse(n, d, *, seed):
    """Return values of which half are 0, and whole numbers that go with the first column."""
    draw = np.random.default_rng(seed)
    x = np.maximum(draw.normal(size=(n, d)), 0)
    return x, np.round(x[:, 0] + draw.normal(size=n), 1)


def test_correlations_are_scipys_under_ties():
    x, y = sparse(80, 4, seed=0)
    found = rank_correlations(x, np.stack([y, -y], 1), level=0.9)
    expected = [stats.spearmanr(column, y).statistic for column in x.T]
    assert np.allclose(found.value[:, 0], expected)
    assert np.allclose(found.value[:, 1], found.value[:, 0] * -1)
    assert np.allclose(found.low[:, 1], -found.high[:, 0])


def test_the_deviation_is_that_of_a_jackknife():
    x, y = sparse(150, 1, seed=1)
    found = rank_correlations(x, y[:, None], level=0.9)
    r = found.value[0, 0]
    half = (np.arctanh(found.high) - np.arctanh(found.low))[0, 0] / 2
    left_out = np.array([spearman(np.delete(x[:, 0], i), np.delete(y, i)) for i in range(150)])
    jackknife = np.sqrt(149 / 150 * ((left_out - left_out.mean()) ** 2).sum())
    assert half * (1 - r**2) == pytest.approx(stats.t(148).ppf(0.95) * jackknife, rel=0.02)


@pytest.mark.parametrize(("n", "strength"), [(40, 0.0), (40, 0.8), (200, 0.5)])
def test_intervals_of_correlations_cover_though_many_values_are_0(n, strength):
    draw = np.random.default_rng(n)

    def sample(count):
        x = draw.normal(size=count)
        return np.maximum(x, 0)[:, None], (strength * x + draw.normal(size=count))[:, None]

    big = sample(100_000)
    truth = spearman(big[0][:, 0], big[1][:, 0])
    runs = [rank_correlations(*sample(n), level=0.9) for _ in range(400)]
    covered = np.mean([run.low[0, 0] <= truth <= run.high[0, 0] for run in runs])
    assert 0.85 <= covered <= 0.95


def test_p_is_that_of_a_permutation():
    x, y = sparse(60, 1, seed=3)
    draw = np.random.default_rng(0)
    y = np.round(draw.normal(size=60) + 0.35 * x[:, 0], 1)
    found = rank_correlations(x, y[:, None], level=0.9)
    by_chance = [abs(spearman(x[:, 0], draw.permutation(y))) for _ in range(4000)]
    assert 0.01 < found.p[0, 0] < 0.5
    assert np.mean(np.array(by_chance) >= abs(found.value[0, 0])) == pytest.approx(found.p[0, 0], abs=0.03)


def test_clusters_widen_the_interval_to_that_of_their_number():
    x, y = sparse(60, 1, seed=4)
    single = rank_correlations(x, y[:, None], level=0.9)
    many = np.repeat(x, 5, axis=0), np.repeat(y, 5)[:, None]
    clustered = rank_correlations(*many, level=0.9, clusters=np.repeat(np.arange(60), 5))
    naive = rank_correlations(*many, level=0.9)
    assert clustered.value == pytest.approx(single.value)
    assert clustered.low == pytest.approx(single.low, abs=1e-9)
    assert naive.low[0, 0] > clustered.low[0, 0] + 0.05


def test_clusters_cover_where_rows_of_one_depend_on_each_other():
    draw, hits, naive = np.random.default_rng(5), 0, 0
    for _ in range(200):
        who = np.repeat(np.arange(40), 6)
        x, y = draw.normal(size=(2, 40))[:, who] + 0.5 * draw.normal(size=(2, 240))
        found = rank_correlations(x[:, None], y[:, None], level=0.9, clusters=who)
        hits += found.low[0, 0] <= 0 <= found.high[0, 0]
        naive += rank_correlations(x[:, None], y[:, None], level=0.9).p[0, 0] < 0.1
    assert 0.83 <= hits / 200 <= 0.95
    assert naive / 200 > 0.3


def test_areas_are_sklearns_and_p_that_of_the_rank_sum_test():
    x, y = sparse(90, 3, seed=6)
    has = y > 0.4
    found = areas_under_curve(x, has, level=0.9)
    assert np.allclose(found.value, [roc_auc_score(has, column) for column in x.T])
    tests = [stats.mannwhitneyu(column[has], column[~has], method="asymptotic", use_continuity=False).pvalue for column in x.T]
    assert np.allclose(found.p, tests)


def test_the_interval_of_an_area_is_delongs_by_pairs():
    x, y = sparse(50, 1, seed=7)
    has = y > 0.3
    up, down = x[has, 0], x[~has, 0]
    wins = (up[:, None] > down).astype(float) + 0.5 * (up[:, None] == down)
    area = wins.mean()
    deviation = np.sqrt(wins.mean(1).var(ddof=1) / len(up) + wins.mean(0).var(ddof=1) / len(down))
    logit = np.log(area / (1 - area)) + np.array([-1, 1]) * Z90 * deviation / (area * (1 - area))
    found = areas_under_curve(x, has, level=0.9)
    assert np.allclose([found.low[0], found.high[0]], 1 / (1 + np.exp(-logit)))


def test_intervals_of_areas_cover():
    draw, truth = np.random.default_rng(8), float(stats.norm.cdf(1 / np.sqrt(2)))
    has = np.arange(60) < 25
    runs = [areas_under_curve(draw.normal(size=(60, 1)) + has[:, None], has, level=0.9) for _ in range(400)]
    assert 0.86 <= np.mean([run.low[0] <= truth <= run.high[0] for run in runs]) <= 0.95


def test_a_perfect_area_has_an_interval_and_a_constant_column_has_none():
    x = np.stack([np.arange(20.0), -np.arange(20.0), np.zeros(20)], 1)
    found = areas_under_curve(x, np.arange(20) >= 10, level=0.9)
    assert found.value.tolist() == [1, 0, 0.5]
    assert found.high[0] == 1
    assert found.low[0] == pytest.approx(10 / (10 + Z90**2))
    assert found.high[1] == pytest.approx(1 - found.low[0])
    assert found.low[1] == 0
    assert np.isnan(found.p[2])
    assert np.isnan(rank_correlations(x[:, 2:], x[:, :1], level=0.9).value[0, 0])


def test_a_correlation_of_1_has_no_interval():
    x = np.arange(9.0)[:, None]
    found = rank_correlations(x, np.exp(x), level=0.9)
    assert found.value[0, 0] == pytest.approx(1)
    assert np.isnan([found.low, found.high]).all()


def test_fold_areas_are_means_of_folds():
    draw = np.random.default_rng(9)
    has, folds = np.tile([True, False, False], 30), np.arange(90) // 9
    scores = draw.normal(size=(90, 2)).round(1) + has[:, None]
    expected = np.mean([roc_auc_score(has[folds == v], scores[folds == v, 0]) for v in range(10)])
    found = fold_area(scores[:, 0], has, folds, level=0.9)
    assert found.value[0] == pytest.approx(expected)
    both = mean_fold_areas(scores, np.stack([has, has], 1), folds)
    assert both == pytest.approx([expected, fold_area(scores[:, 1], has, folds, level=0.9).value[0]])
    one = fold_area(scores[:, 0], has, np.zeros(90), level=0.9)
    delong = areas_under_curve(scores[:, :1], has, level=0.9)
    assert [one.low[0], one.high[0]] == pytest.approx([delong.low[0], delong.high[0]], abs=0.004)
    wide = fold_area(scores[:, 0], has, folds, level=0.9, least_deviation=0.2)
    assert wide.low[0] < found.low[0]


def test_rows_in_another_order_and_rising_changes_of_scale_make_no_difference():
    x, y = sparse(40, 2, seed=10)
    turned = np.random.default_rng(0).permutation(40)
    one = rank_correlations(x, y[:, None], level=0.9)
    other = rank_correlations(np.exp(x[turned]), y[turned, None] ** 3, level=0.9)
    for name in ("value", "low", "high", "p"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (np.zeros((3, 1)), np.zeros((3, 1)), "four or more"),
        (np.zeros((5, 1)), np.zeros((4, 1)), r"got \(5, 1\) and \(4, 1\)"),
        (np.array([[np.nan], [1], [2], [3]]), np.zeros((4, 1)), "1 in x and 0 in y"),
    ],
)
def test_what_cannot_be_ranked_is_refused(x, y, told):
    with pytest.raises(ValueError, match=told):
        rank_correlations(x, y, level=0.9)


def test_areas_need_two_of_each_kind_and_folds_one():
    with pytest.raises(ValueError, match="two or more of each kind"):
        areas_under_curve(np.zeros((5, 1)), np.arange(5) == 0, level=0.9)
    with pytest.raises(ValueError, match="both kinds in every fold"):
        fold_area(np.zeros(4), np.array([True, True, False, False]), np.array([0, 0, 1, 1]), level=0.9)


def test_the_least_deviation_of_a_fold_area_is_that_share_of_two_even_kinds():
    has, folds = np.tile([True, False], 12), np.repeat([0, 1], 12)
    found = fold_area(np.tile([2.0, 1, 3, 2, 1, 2], 4), has, folds, level=0.9, least_deviation=0.3)
    area = found.value[0]
    assert 0.5 < area < 1
    wide = Z90 * 0.3 * 2 * np.sqrt(area * (1 - area)) / (area * (1 - area))
    logit = np.log(area / (1 - area)) + np.array([-wide, wide])
    assert [found.low[0], found.high[0]] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-6)
