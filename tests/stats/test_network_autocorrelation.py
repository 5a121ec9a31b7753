from __future__ import annotations

import numpy as np
import pytest

from facevalue.stats.network_autocorrelation import network_autocorrelation
from facevalue.stats.permutation import draw_permutations
from tests.stats.networks import attributes, matrix


def test_both_are_the_double_sums():
    draw = np.random.default_rng(0)
    w, y = draw.random((9, 9)), draw.normal(size=9)
    w[2, 3] = np.nan
    found = network_autocorrelation(w, y, permutations=9, seed=0)
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j and (i, j) != (2, 3)]
    total, mean, spread = sum(w[p] for p in pairs), y.mean(), ((y - y.mean()) ** 2).sum()
    assert found.moran == pytest.approx(9 / total * sum(w[i, j] * (y[i] - mean) * (y[j] - mean) for i, j in pairs) / spread)
    assert found.geary == pytest.approx(8 / (2 * total) * sum(w[i, j] * (y[i] - y[j]) ** 2 for i, j in pairs) / spread)


def test_chance_is_kept_and_likeness_found():
    draw = np.random.default_rng(1)
    p = []
    for run in range(300):
        w = draw.random((14, 14)) < 0.2
        p.append(network_autocorrelation(w, draw.normal(size=14), permutations=99, seed=run).test.two_sided)
    assert (abs(np.mean(np.array(p) <= 0.05, axis=0) - 0.05) < 0.04).all()
    y = draw.normal(size=40)
    near = abs(y[:, None] - y) < 0.3
    found = network_autocorrelation(near, y, permutations=199, seed=0)
    assert found.moran > 0.5 > found.geary
    assert (found.test.two_sided == 0.005).all()


@pytest.mark.parametrize(
    ("ties", "values"),
    [
        (np.zeros((4, 4)), np.arange(4.0)),
        (np.ones((4, 4)), np.ones(4)),
        (-np.ones((4, 4)), np.arange(4.0)),
        (np.ones((4, 3)), np.arange(4.0)),
        (np.ones((4, 4)), np.array([1, 2, 3, np.nan])),
    ],
)
def test_what_cannot_be_asked_is_told(ties, values):
    with pytest.raises(ValueError, match="expected ties"):
        network_autocorrelation(ties, values, permutations=9, seed=0)


@pytest.mark.shared
def test_wealth_of_florentine_families_as_r_prints(shared):
    folder = shared / "data/networks/florentine"
    wealth = attributes(folder / "attributes.csv")["wealth"]
    found = network_autocorrelation(matrix(folder / "marriage.csv"), wealth, permutations=9, seed=0)
    assert found.moran == pytest.approx(-0.3107352873, abs=1e-10)
    assert found.geary == pytest.approx(1.683607336, abs=5e-10)


def test_p_counts_exchanges_as_far_from_what_chance_expects():
    draw = np.random.default_rng(3)
    w, y = draw.random((5, 5)), draw.normal(size=5)
    np.fill_diagonal(w, 0)
    found = network_autocorrelation(w, y, permutations=200, seed=7)
    z = y - y.mean()
    of = [5 / w.sum() * (np.outer(z[order], z[order]) * w).sum() / (z**2).sum() for order in draw_permutations(5, 200, seed=7)]
    away = np.abs(np.array(of) + 1 / 4) >= abs(found.moran + 1 / 4) - 1e-12
    assert found.test.two_sided[0] == pytest.approx((1 + away.sum()) / 201)
