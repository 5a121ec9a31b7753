"""Calibration error by group: against `expected_calibration_error`, and the coverage of its intervals."""

import numpy as np
import pytest

from facevalue.stats.calibration import expected_calibration_error
from facevalue.stats.miscalibration import calibrated_gaps, calibration_gaps, miscalibration


def sampled(n, draw, *, wrong=0.0, apart=2.0):
    """Return P(same) of n pairs of one person and 3 n of two, whose log odds are `wrong` too high, and which these are."""
    same = np.arange(4 * n) < n
    score = draw.normal(apart * (same - 0.5))
    return 1 / (1 + np.exp(-(apart * score + wrong))), same


def test_gaps_make_the_expected_calibration_error_where_answers_are_as_frequent():
    draw = np.random.default_rng(0)
    p, same = draw.random(400), np.arange(400) % 2 == 0
    code = draw.permutation(np.repeat([0, 1], 200).reshape(-1, 2), axis=0).ravel()
    gaps = calibration_gaps(p, same, code, np.ones(400), g=3)
    for j in (0, 1):
        rows = code == j
        assert same[rows].mean() == 0.5
        expected = expected_calibration_error(np.stack([1 - p[rows], p[rows]], 1), same[rows].astype(int), label=1)
        assert np.abs(gaps[j]).sum() == pytest.approx(expected)
        assert gaps[j].sum() == pytest.approx(p[rows].mean() - 0.5)
    assert np.isnan(gaps[2]).all()


def test_weights_are_as_many_pairs():
    draw = np.random.default_rng(1)
    p, same = sampled(20, draw)
    times, code = draw.integers(0, 4, len(p)), draw.integers(2, size=len(p))
    one = calibration_gaps(p, same, code, times.astype(float), g=2)
    two = calibration_gaps(*(np.repeat(part, times) for part in (p, same, code)), np.ones(times.sum()), g=2)
    np.testing.assert_allclose(one, two, atol=1e-12)


def judged(groups, draw, seed):
    """Return the calibration error of groups of pairs, by resamples of pairs."""
    p, same, code = (
        np.concatenate(part) for part in zip(*((*g, np.full(len(g[0]), j)) for j, g in enumerate(groups)), strict=True)
    )
    g, gaps = len(groups), calibration_gaps(p, same, code, np.ones(len(p)), g=len(groups))
    draws = [calibration_gaps(p, same, code, draw.poisson(1.0, len(p)).astype(float), g=g) for _ in range(60)]
    n = np.stack([np.bincount(code[same == y], minlength=g) for y in (False, True)])
    return miscalibration(gaps, np.stack(draws), calibrated_gaps(p, same, code, n, seed=seed, resamples=60), level=0.9)


@pytest.mark.parametrize("apart", [2.0, 5.0])
def test_right_probabilities_are_not_called_wrong_and_small_groups_not_worse(apart):
    """Of 60 samples: also where nobody erred in the sample, though some would; the plain error is larger in the small group."""
    draw, held, size = np.random.default_rng(2), np.zeros(2), np.zeros(2)
    for seed in range(60):
        found = judged([sampled(n, draw, apart=apart) for n in (30, 300)], draw, seed)
        held += [(found.low == 0).all(), found.spread.low == 0]
        size += found.value
    assert (held >= 60 * 0.88).all()
    assert size[0] > 1.2 * size[1]


def test_intervals_hold_the_true_error_and_show_a_large_one():
    draw = np.random.default_rng(3)
    p, same = sampled(100_000, draw, wrong=1.5)
    true = np.abs(calibration_gaps(p, same, np.zeros(len(p), int), np.ones(len(p)), g=1)).sum()
    found = [judged([sampled(150, draw, wrong=1.5), sampled(150, draw)], draw, seed) for seed in range(40)]
    assert np.mean([one.low[0] <= true <= one.high[0] for one in found]) >= 0.88
    assert np.mean([one.low[0] > 0 for one in found]) > 0.9
    assert np.mean([one.spread.low <= true <= one.spread.high for one in found]) >= 0.88


def test_groups_that_are_often_not_drawn_have_no_interval():
    gaps = np.full((2, 3), 0.1)
    draws = np.tile(gaps, (50, 1, 1))
    draws[:5, 0] = np.nan
    found = miscalibration(gaps, draws, np.zeros((50, 2, 3)), level=0.9)
    np.testing.assert_allclose(found.value, 0.3)
    assert np.isnan([*found.low, *found.high, found.spread.low, found.spread.high]).all()


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="one group or more"):
        miscalibration(np.zeros((0, 3)), np.zeros((5, 0, 3)), np.zeros((5, 0, 3)), level=0.9)
    with pytest.raises(ValueError, match="level in"):
        miscalibration(np.zeros((1, 3)), np.zeros((5, 1, 3)), np.zeros((5, 1, 3)), level=90)
