import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from facevalue.stats.kappa import kappa, kappa_interval


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_that_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    first = draw.integers(4, size=80)
    second = np.where(draw.random(80) < 0.6, first, draw.integers(4, size=80))
    counts = np.bincount(first * 4 + second, minlength=16).reshape(4, 4)
    assert kappa(counts) == pytest.approx(cohen_kappa_score(first, second))
    assert kappa_interval(first, second, np.arange(80), k=4, level=0.9)[0] == pytest.approx(cohen_kappa_score(first, second))


def test_the_jackknife_leaves_whole_people_out():
    draw = np.random.default_rng(1)
    first, who = draw.integers(2, size=60), np.repeat(np.arange(20), 3)
    second = np.where(draw.random(60) < 0.7, first, 1 - first)
    left = np.array([cohen_kappa_score(first[who != i], second[who != i]) for i in range(20)])
    deviation = np.sqrt(19 / 20 * ((left - left.mean()) ** 2).sum())
    value, low, high = kappa_interval(first, second, who, k=2, level=0.95)
    assert (value - low, high - value) == pytest.approx((2.0930 * deviation,) * 2, rel=1e-4)


def test_the_interval_holds_the_truth():
    draw, held = np.random.default_rng(2), 0
    for _ in range(150):
        first = draw.integers(2, size=120)
        second = np.where(draw.random(120) < 0.8, first, 1 - first)
        _, low, high = kappa_interval(first, second, np.arange(120), k=2, level=0.9)
        held += low <= 0.6 <= high
    assert 0.83 <= held / 150 <= 0.96


def test_what_cannot_be_told_is_nan():
    ones = np.ones(5, int)
    assert np.isnan(kappa_interval(ones, ones, np.arange(5), k=2, level=0.9)).all()
    value, low, high = kappa_interval(np.array([0, 1, 1]), np.array([0, 1, 1]), np.arange(3), k=2, level=0.9)
    assert value == 1
    assert np.isnan([low, high]).all()
    assert np.isnan(kappa(np.zeros((2, 2))))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="labels 0 .. 1"):
        kappa_interval(np.array([0, 2]), np.array([0, 1]), np.arange(2), k=2, level=0.9)
    with pytest.raises(ValueError, match=r"counts \(..., k, k\)"):
        kappa(np.zeros((2, 3)))


def test_where_one_label_is_all_but_every_answer_nothing_can_be_told():
    assert np.isnan(kappa(np.array([[1e13, 1.0], [0, 0]])))
    assert kappa(np.array([[1e6, 0], [0, 1.0]])) == pytest.approx(1)
