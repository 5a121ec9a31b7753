import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from facevalue.stats.separation import bootstrapped, permuted, separation, separation_interval


def by_definition(a, b):
    """Return 2 times the integral of |F_a - F_b| over (F_a + F_b) / 2, face by face."""

    def height(values, at):
        return np.mean(values < at) + np.mean(values == at) / 2

    gaps = [np.mean([abs(height(a, at) - height(b, at)) for at in side]) for side in (a, b)]
    return float(sum(gaps))


def sparse(n, share, *, draw, shift=0.0):
    return np.where(draw.random((n, 1)) < share, np.exp(draw.normal(size=(n, 1)) + shift), 0)


def test_it_is_the_area_between_distributions():
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 6, (30, 3)), draw.integers(1, 9, (17, 3))
    assert separation(a, b) == pytest.approx([by_definition(*columns) for columns in zip(a.T, b.T, strict=True)])
    assert separation(a, b) == pytest.approx(separation(b, a))
    assert separation(a, a) == pytest.approx(0)


def test_of_a_property_it_is_the_difference_of_shares():
    a, b = np.repeat([0.0, 5], [30, 10])[:, None], np.repeat([0.0, 5], [20, 60])[:, None]
    assert separation(a, b)[0] == pytest.approx(0.75 - 0.25)


def test_where_one_lies_above_it_is_twice_the_area_under_the_curve_less_1():
    a = np.arange(40.0)
    b = a[5:] + 3
    area = roc_auc_score(np.repeat([0, 1], [40, 35]), np.concatenate([a, b]))
    assert separation(a[:, None], b[:, None])[0] == pytest.approx(2 * area - 1)


def test_it_sees_a_difference_of_spread_which_the_area_under_the_curve_does_not():
    a, b = np.linspace(-1, 1, 101), np.linspace(-3, 3, 101)
    area = roc_auc_score(np.repeat([0, 1], 101), np.concatenate([a, b]))
    assert area == pytest.approx(0.5, abs=0.001)
    assert separation(a[:, None], b[:, None])[0] > 0.3


def test_scale_and_order_make_no_difference():
    draw = np.random.default_rng(1)
    a, b = sparse(30, 0.5, draw=draw), sparse(20, 0.8, draw=draw)
    assert separation(a, b) == pytest.approx(separation(np.sqrt(a)[::-1], np.sqrt(b)[::-1]))


def test_weights_are_copies():
    draw = np.random.default_rng(2)
    a, b = sparse(12, 0.5, draw=draw), sparse(9, 0.8, draw=draw)
    counts = draw.integers(0, 4, (1, 12)), draw.integers(0, 4, (1, 9))
    copied = separation(np.repeat(a, counts[0][0], axis=0), np.repeat(b, counts[1][0], axis=0))
    assert separation(a, b, weights=counts)[0] == pytest.approx(copied, abs=1e-6)


def test_resamples_are_those_of_an_explicit_loop():
    draw = np.random.default_rng(3)
    a, b = sparse(40, 0.5, draw=draw), sparse(60, 0.8, draw=draw)
    fast = bootstrapped(a, b, seed=0, resamples=2000)[:, 0]
    slow = [separation(a[draw.integers(0, 40, 40)], b[draw.integers(0, 60, 60)])[0] for _ in range(2000)]
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.01)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.1)
    still = bootstrapped(a, b, seed=0, resamples=500, drawn=(False, True))[:, 0]
    assert 0 < still.std() < fast.std()
    assert np.ptp(bootstrapped(a, b, seed=0, resamples=5, drawn=(False, False))) == pytest.approx(0, abs=1e-6)


def test_permutations_make_what_chance_makes():
    draw = np.random.default_rng(4)
    pool = sparse(90, 0.6, draw=draw)
    chance = permuted(pool[:30], pool[30:] + 5, seed=0, resamples=400)[:, 0]
    pool[30:] += 5
    orders = [draw.permutation(90) for _ in range(400)]
    expected = [separation(pool[order[:30]], pool[order[30:]])[0] for order in orders]
    assert chance.mean() == pytest.approx(np.mean(expected), abs=0.015)
    assert separation(pool[:30], pool[30:])[0] > chance.max()


@pytest.mark.parametrize(("share", "shift"), [(0.4, 0.0), (0.4, 1.0), (0.8, 0.0)])
def test_intervals_hold_the_true_separation(share, shift):
    draw = np.random.default_rng(5)
    truth = separation(sparse(100_000, 0.4, draw=draw), sparse(100_000, share, draw=draw, shift=shift))[0]
    covered, reach = 0, 0
    for seed in range(150):
        a, b = sparse(120, 0.4, draw=draw), sparse(120, share, draw=draw, shift=shift)
        value = separation(a, b)
        low, high = separation_interval(value, bootstrapped(a, b, seed=seed, resamples=150), level=0.9)
        covered += low[0] <= truth + 0.002 and truth <= high[0]
        reach += low[0] > 0
    assert 0.82 <= covered / 150 <= 0.98
    assert (reach / 150 > 0.9) == (share == 0.8)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="same dimensions"):
        separation(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="expected no NaN, got faces with NaN, 1 and 0"):
        separation(np.array([[np.nan]]), np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"expected weights \(r, 2\)"):
        separation(np.zeros((2, 1)), np.ones((1, 1)), weights=(np.ones((1, 3)), np.ones((1, 1))))
