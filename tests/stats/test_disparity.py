"""Tables by group: every group a row, small ones NaN."""

import numpy as np
import pytest

from facevalue.stats.bootstrap import bootstrap_interval
from facevalue.stats.calibration import wilson_interval
from facevalue.stats.disparity import by_group, share_by_group

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
