"""How far rates of groups lie apart: by hand, by brute force, and the coverage of the intervals."""

import itertools

import numpy as np
import pytest

from facevalue.stats.fairness import (
    discrepancy_rate,
    discrepancy_spread,
    garbe,
    garbe_spread,
    gini,
    max_mean_ratio,
    max_min_ratio,
    range_spread,
    ratio_spread,
)

RATES = np.random.default_rng(0).uniform(0.01, 0.2, (20, 4))
LEVEL = 0.9


def brute_gini(x):
    """Return Gini's coefficient as the paper writes it, by two loops."""
    n = len(x)
    return n / (n - 1) * sum(abs(a - b) for a in x for b in x) / (2 * n**2 * (sum(x) / n))


def test_measures_agree_with_plain_loops():
    for x, y in itertools.pairwise(RATES.tolist()):
        assert max_min_ratio(np.array(x)) == pytest.approx(max(x) / min(x))
        assert max_mean_ratio(np.array(x)) == pytest.approx(max(x) / (x[0] * x[1] * x[2] * x[3]) ** 0.25)
        assert gini(np.array(x)) == pytest.approx(brute_gini(x))
        apart = [max(abs(a - b) for a in z for b in z) for z in (x, y)]
        assert discrepancy_rate(np.array(x), np.array(y), alpha=0.3) == pytest.approx(1 - 0.3 * apart[0] - 0.7 * apart[1])
        assert garbe(np.array(x), np.array(y), alpha=0.3) == pytest.approx(0.3 * brute_gini(x) + 0.7 * brute_gini(y))


def test_leading_axes_and_the_order_of_groups_change_nothing():
    order = np.array([2, 0, 3, 1])
    for measure in (max_min_ratio, max_mean_ratio, gini):
        np.testing.assert_allclose(measure(RATES), [measure(row) for row in RATES])
        np.testing.assert_allclose(measure(RATES[:, order]), measure(RATES))
        np.testing.assert_allclose(measure(RATES * 3), measure(RATES))


def test_rates_of_zero():
    some, none = np.array([0.0, 0.1, 0.1]), np.zeros(3)
    assert np.isinf([max_min_ratio(some), max_mean_ratio(some)]).all()
    assert np.isnan([max_min_ratio(none), max_mean_ratio(none), gini(none), garbe(none, some)]).all()
    assert discrepancy_rate(none, none) == 1
    assert gini(np.array([0.0, 0.0, 0.4])) == pytest.approx(1)
    draws = np.random.default_rng(0).binomial(500, some, size=(200, 3)) / 500
    found = ratio_spread(some, draws, level=LEVEL, floor=np.full(3, 0.001))
    assert np.isinf(found.value)
    assert 1 < found.low < 100
    assert np.isnan(found.high)
    assert np.isnan(ratio_spread(none, draws, level=LEVEL, floor=np.full(3, 0.001)).low)
    assert np.isnan(garbe_spread((none, some), (draws, draws), level=LEVEL).value)


def test_groups_that_are_often_not_drawn_have_no_interval():
    draws = np.random.default_rng(0).normal(0.1, 0.01, (100, 2))
    draws[:10, 0] = np.nan
    rates = np.array([0.1, 0.2])
    spreads = (
        ratio_spread(rates, draws, level=LEVEL, floor=np.full(2, 1e-4)),
        range_spread(rates, draws, level=LEVEL),
        discrepancy_spread((rates, rates), (draws, draws), level=LEVEL),
        garbe_spread((rates, rates), (draws, draws), level=LEVEL),
    )
    for found in spreads:
        assert np.isfinite(found.value)
        assert np.isnan([found.low, found.high]).all()


def test_groups_that_never_vary_are_where_they_are():
    draws = np.tile([0.1, 0.3], (50, 1))
    found = range_spread(draws[0], draws, level=LEVEL)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))


@pytest.mark.parametrize("true", [(0.1, 0.1, 0.1), (0.05, 0.1, 0.1), (0.04, 0.08, 0.16)])
def test_intervals_hold_the_truth_also_where_groups_are_alike(true):
    """Of 300 samples of 600 trials a group; the percentile interval of the ratio would never hold 1."""
    draw, n, true = np.random.default_rng(1), 600, np.array(true)
    held = {name: 0 for name in ("min", "mean", "range", "fdr", "garbe")}
    percentile = 0
    for _ in range(300):
        rates = draw.binomial(n, true, (2, 3)) / n
        draws = [draw.binomial(n, part, (300, 3)) / n for part in rates]
        for to, truth in (("min", max_min_ratio(true)), ("mean", max_mean_ratio(true))):
            found = ratio_spread(rates[0], draws[0], level=LEVEL, floor=np.full(3, 0.5 / n), to=to)
            held[to] += found.low - 1e-12 <= truth <= found.high
        for name, found, truth in (
            ("range", range_spread(rates[0], draws[0], level=LEVEL), np.ptp(true)),
            ("fdr", discrepancy_spread(tuple(rates), tuple(draws), level=LEVEL), discrepancy_rate(true, true)),
            ("garbe", garbe_spread(tuple(rates), tuple(draws), level=LEVEL), garbe(true, true)),
        ):
            held[name] += found.low - 1e-12 <= truth <= found.high + 1e-12
        ends = np.quantile(max_min_ratio(draws[0]), [0.05, 0.95])
        percentile += ends[0] <= max_min_ratio(true) <= ends[1]
    assert min(held.values()) >= 300 * 0.87
    if np.ptp(true) == 0:
        assert percentile == 0


def test_a_tight_interval_tells_groups_apart():
    draw = np.random.default_rng(2)
    rates = np.array([0.1, 0.2])
    found = ratio_spread(rates, draw.binomial(2000, rates, (500, 2)) / 2000, level=LEVEL, floor=np.full(2, 1e-4))
    assert 1.6 < found.low < 2 < found.high < 2.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: max_min_ratio(np.array([0.1])), "two groups or more"),
        (lambda: gini(np.array([0.1, -0.1])), "0 or more"),
        (lambda: garbe(RATES[0], RATES[1], alpha=2), "alpha in"),
        (lambda: ratio_spread(RATES[0], RATES, level=0.9, floor=np.ones(4), to="max"), "'min' or 'mean'"),
        (lambda: range_spread(RATES[0], RATES, level=1.0), "level in"),
    ],
)
def test_what_is_not_to_be_had_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_two_rates_are_taken_over_the_last_axis():
    one, other = RATES[:6], RATES[6:12]
    for measure in (discrepancy_rate, garbe):
        expected = [measure(a, b, alpha=0.2) for a, b in zip(one, other, strict=True)]
        np.testing.assert_allclose(measure(one, other, alpha=0.2), expected)
    draws = tuple(np.random.default_rng(0).normal(part, 0.002, (50, 4)) for part in (one[0], other[0]))
    for spread, measure in ((discrepancy_spread, discrepancy_rate), (garbe_spread, garbe)):
        found = spread((one[0], other[0]), draws, level=LEVEL, alpha=0.2)
        assert found.value == pytest.approx(measure(one[0], other[0], alpha=0.2))
