import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from facevalue.stats.raking import _kept, even_inclusion, off_target, raked_weights


def unsure(n, k, *, seed, sharp=3.0):
    """Return calibrated probabilities of n faces and k labels of uneven shares, (n, k)."""
    draw, share = np.random.default_rng(seed), np.arange(1, k + 1) / np.arange(1, k + 1).sum()
    logits = sharp * (draw.normal(size=(n, k)) + sharp * np.eye(k)[draw.choice(k, n, p=share)]) + np.log(share)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_certain_groups_are_post_stratified():
    code = np.repeat([0, 1, 2], [50, 30, 20])
    weights = raked_weights(np.eye(3)[code], np.array([0.2, 0.3, 0.5]), start=np.linspace(1, 2, 100))
    totals = np.bincount(code, weights) / weights.sum()
    assert totals == pytest.approx([0.2, 0.3, 0.5], abs=1e-7)
    within = [weights[code == c] / np.linspace(1, 2, 100)[code == c] for c in range(3)]
    assert all(np.ptp(one) < 1e-9 for one in within)
    assert weights.sum() == pytest.approx(150)


def test_weights_are_those_of_least_divergence():
    p, target = unsure(30, 3, seed=0), np.full(3, 1 / 3)
    found = raked_weights(p, target)
    f = off_target(p, target)
    fit = minimize(
        lambda w: (w * np.log(w)).sum(),
        np.ones(30),
        jac=lambda w: np.log(w) + 1,
        bounds=[(1e-6, None)] * 30,
        constraints=[
            {
                "type": "eq",
                "fun": lambda w: np.append(w @ f[:, :2], w.sum() - 30),
                "jac": lambda w: np.column_stack([f[:, :2], np.ones(30)]).T,
            }
        ],
        options={"maxiter": 300},
    )
    assert found @ f == pytest.approx(np.zeros(3), abs=1e-5)
    assert found == pytest.approx(fit.x, abs=2e-3)


def test_as_many_as_can_be_is_the_linear_programme():
    p, target = unsure(120, 4, seed=1), np.array([0.25, 0.25, 0.3, 0.2])
    f = off_target(p, target)
    best = linprog(-np.ones(120), A_eq=f[:, :3].T, b_eq=np.zeros(3), bounds=(0, 1))
    z = even_inclusion(p, target)
    assert -best.fun * 0.97 < z.sum() <= -best.fun + 0.01
    assert np.abs(z @ f).max() < 0.01


def test_a_size_is_met_and_even_where_it_can_be_and_as_near_as_can_be_beyond():
    p, target = unsure(200, 3, seed=2), np.full(3, 1 / 3)
    most, f = even_inclusion(p, target).sum(), off_target(p, target)
    inside, beyond = even_inclusion(p, target, size=0.6 * most), even_inclusion(p, target, size=150)
    assert inside.sum() == pytest.approx(0.6 * most, abs=0.05)
    assert np.abs(inside @ f).max() < 0.02
    assert beyond.sum() == pytest.approx(150, abs=0.2)
    gap = np.linalg.norm(beyond @ f)
    random = [np.linalg.norm(f[np.random.default_rng(seed).permutation(200)[:150]].sum(0)) for seed in range(20)]
    assert 1 < gap < min(random)
    sure = np.eye(2)[np.repeat([0, 1], [40, 10])]
    assert np.unique(even_inclusion(sure, np.array([0.5, 0.5]), size=10).round(4)).tolist() == [0.125, 0.5]


def test_what_leads_nowhere_is_refused():
    with pytest.raises(ValueError, match="no weights give the shares that are wanted: group 1 of 2 is too thin"):
        raked_weights(np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="expected a size above 0 and below the 2 faces there are, got 2"):
        even_inclusion(np.eye(2), np.array([0.5, 0.5]), size=2)


@pytest.mark.parametrize(("size", "sharpness"), [(None, 0.3), (9.0, 1.0)])
def test_the_slope_of_the_dual_is_that_of_its_value_and_the_curve_that_of_the_slope(size, sharpness):
    draw = np.random.default_rng(2)
    loss = _kept(draw.normal(size=(20, 3)), size, sharpness, 0.4)
    at, step = draw.normal(size=3 if size is None else 4), 1e-6
    _, slope, curve = loss(at)
    ends = [[loss(at + sign * step * axis) for sign in (1, -1)] for axis in np.eye(len(at))]
    assert slope == pytest.approx([(up[0] - down[0]) / (2 * step) for up, down in ends], rel=1e-5)
    assert curve == pytest.approx(np.array([(up[1] - down[1]) / (2 * step) for up, down in ends]), rel=1e-5, abs=1e-6)
