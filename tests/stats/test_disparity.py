"""Tables by group: every group a row, small ones NaN."""

import numpy as np
import pytest

from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.disparity import by_group, labels_test, pair_labels_test, share_by_group

GROUPS = np.repeat(["White", "Asian", "Others"], [400, 100, 29])


def test_shares_are_counts_with_wilson_intervals():
    hits = np.random.default_rng(0).random(len(GROUPS)) < 0.8
    table = share_by_group(hits, GROUPS, level=0.95)
    assert list(table.group) == ["Asian", "Others", "White"]
    assert list(table.n) == [100, 29, 400]
    for row in (0, 2):
        of_group = hits[table.group[row] == GROUPS]
        expected = (of_group.mean(), *wilson_interval(of_group.sum(), len(of_group), level=0.95))
        assert (table.value[row], table.low[row], table.high[row]) == pytest.approx(expected)


def test_a_statistic_has_bootstrap_intervals():
    draw = np.random.default_rng(1)
    years, guesses = draw.uniform(0, 90, len(GROUPS)), draw.uniform(0, 90, len(GROUPS))

    def error(a, b):
        return abs(a - b).mean()

    table = by_group(error, GROUPS, years, guesses, level=0.9, seed=2)
    rows = GROUPS == "White"
    expected = bootstrap_interval(error, years[rows], guesses[rows], level=0.9, seed=2)
    assert (table.value[2], table.low[2], table.high[2]) == pytest.approx((error(years[rows], guesses[rows]), *expected))


def test_small_groups_stay_as_rows_without_a_value_and_all_faces_are_counted():
    hits = np.ones(len(GROUPS), bool)
    for table in (share_by_group(hits, GROUPS, level=0.9), by_group(np.mean, GROUPS, hits, level=0.9, seed=0)):
        assert table.n.sum() == len(GROUPS)
        np.testing.assert_array_equal(np.isnan([table.value, table.low, table.high]), [[False, True, False]] * 3)
    assert not np.isnan(share_by_group(hits, GROUPS, level=0.9, least=29).value).any()


def test_the_order_of_faces_changes_nothing():
    draw = np.random.default_rng(3)
    hits, order = draw.random(len(GROUPS)) < 0.5, draw.permutation(len(GROUPS))
    one, two = share_by_group(hits, GROUPS, level=0.9), share_by_group(hits[order], GROUPS[order], level=0.9)
    for name in ("group", "value", "low", "high", "n"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("hits", [np.zeros(len(GROUPS)), np.ones(3, bool)])
def test_hits_that_are_not_hits_are_refused(hits):
    with pytest.raises(ValueError, match="expected bool hits, one a group"):
        share_by_group(hits, GROUPS, level=0.9)


def test_labels_are_permuted_as_scipy_does():
    from scipy.stats import permutation_test

    draw = np.random.default_rng(5)
    y, at = draw.normal(size=40) + np.repeat([0.0, 0.6], 20), np.repeat([0, 1], 20)

    def studentised(a, b, axis=-1):
        squares = (a.var(axis=axis) / a.shape[axis], b.var(axis=axis) / b.shape[axis])
        return np.abs(a.mean(axis=axis) - b.mean(axis=axis)) / np.sqrt(squares[0] + squares[1])

    expected = permutation_test((y[:20], y[20:]), studentised, n_resamples=4999, alternative="greater", vectorized=True, rng=1)
    names, p = labels_test(y, np.ones(40), at, seed=0, permutations=4999)
    assert names.tolist() == [0, 1]
    assert p == pytest.approx([expected.pvalue] * 2, abs=0.02)


def test_no_difference_is_rarely_found_where_groups_vary_unequally():
    """Of 120 samples in which a small group varies most; without the standard error a test of 10 % rejects 35 %."""
    draw, found = np.random.default_rng(6), []
    at = np.repeat([0, 1], [12, 60])
    for seed in range(120):
        y = draw.normal(0, np.where(at == 0, 3.0, 1.0))
        found.append(labels_test(y, np.ones(72), at, seed=seed, permutations=99)[1][0])
    assert 0.06 < np.mean(np.array(found) <= 0.1) < 0.14


def pairs_of(people, draw, *, homophily=0.0, effect=0.0):
    """Return false matches of all pairs of people, who are alike to others by a trait of their own, and two groups."""
    first, second = np.triu_indices(people, 1)
    at, trait = np.arange(people) % 2, draw.normal(size=people)
    within = at[first] == at[second]
    logit = -1.5 + 0.5 * (trait[first] + trait[second]) + homophily * within + effect * (within & (at[first] == 1))
    return draw.random(len(first)) < 1 / (1 + np.exp(-logit)), first, second, at


@pytest.mark.parametrize("homophily", [0.0, 1.5])
def test_pairs_that_share_people_do_not_feign_a_difference(homophily):
    """Also where both groups' own pairs are more alike than pairs across, which permuted labels mix up."""
    draw, found = np.random.default_rng(7), []
    for seed in range(80):
        given = pairs_of(36, draw, homophily=homophily)
        found.append(pair_labels_test(*given, seed=seed, permutations=99)[1][0])
    assert 0.05 < np.mean(np.array(found) <= 0.1) < 0.16


def test_pairs_show_a_difference_that_is_there():
    draw = np.random.default_rng(9)
    p = [pair_labels_test(*pairs_of(60, draw, effect=1.5), seed=s, permutations=199)[1][1] for s in range(12)]
    assert np.mean(np.array(p) <= 0.05) > 0.8


def test_photos_of_the_same_two_people_count_as_one_pair_of_people():
    hits, first, second, at = pairs_of(20, np.random.default_rng(8), effect=1.0)
    once = pair_labels_test(hits, first, second, at, seed=0)[1]
    thrice = pair_labels_test(np.tile(hits, 3), np.tile(second, 3), np.tile(first, 3), at, seed=0)[1]
    np.testing.assert_array_equal(once, thrice)


def test_groups_without_comparisons_have_no_p():
    names, p = pair_labels_test(np.array([True]), np.array([0]), np.array([1]), np.array(["a", "a", "b"]), seed=0)
    assert names.tolist() == ["a", "b"]
    assert np.isnan(p).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: labels_test(np.ones(3), np.ones(2), np.zeros(3), seed=0),
        lambda: labels_test(np.array([np.nan, 1]), np.ones(2), np.zeros(2), seed=0),
        lambda: pair_labels_test(np.ones(1), np.array([0]), np.array([5]), np.zeros(3), seed=0),
    ],
)
def test_what_cannot_be_tested_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_what_no_permutation_reaches_has_the_least_p():
    first, second = np.triu_indices(20, 1)
    labels = np.repeat(["a", "b"], 10)
    _, p = pair_labels_test((first < 10) & (second < 10), first, second, labels, seed=0, permutations=99)
    assert p.tolist() == [0.01, 0.01]
