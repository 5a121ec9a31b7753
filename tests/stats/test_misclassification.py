"""True shares by a matrix of confusions: the inverse, its likelihood, crossed labels, coverage, and what is impossible."""

import numpy as np
import pytest
from scipy import optimize

from facevalue.stats.misclassification import (
    effective_counts,
    impossible_shares,
    misclassified_shares,
    most_likely_shares,
    pooled_labels,
    share_draws,
    useless,
)
from facevalue.stats.prediction_powered import prediction_powered_shares

LEVEL = 0.95


def rates(k: int, wrong: float = 0.2) -> np.ndarray:
    return np.full((k, k), wrong / (k - 1)) + (1 - wrong - wrong / (k - 1)) * np.eye(k)


def test_of_two_labels_it_is_rogan_and_gladen_s() -> None:
    confusion = np.array([[70, 30], [10, 90]])
    specificity, sensitivity = 0.7, 0.9
    found = share_draws(np.array([500, 500]), confusion, seed=0).values
    assert found[1] == pytest.approx((0.5 + specificity - 1) / (sensitivity + specificity - 1))
    assert misclassified_shares(np.array([500, 500]), confusion, level=LEVEL, seed=0).values == pytest.approx(found)


def test_inside_the_simplex_the_likeliest_shares_are_the_inverse() -> None:
    truth, matrix = np.array([0.5, 0.3, 0.15, 0.05]), rates(4)
    told = 10_000 * truth @ matrix
    assert share_draws(told, matrix * 100, seed=0).values == pytest.approx(truth)
    assert most_likely_shares(told, matrix) == pytest.approx(truth, abs=1e-6)


def test_outside_the_simplex_the_likeliest_shares_are_a_solver_s() -> None:
    told, matrix = np.array([700.0, 250, 50]), rates(3, 0.4)
    start = np.full(3, 1 / 3)
    solved = optimize.minimize(
        lambda p: -(told / 1000 * np.log(p @ matrix)).sum(),
        start,
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
    ).x
    assert (share_draws(told, matrix * 100, seed=0).values < 0).any()
    assert most_likely_shares(told, matrix) == pytest.approx(solved, abs=1e-3)


def test_crossed_labels_are_inverted_by_the_matrices_kronecker_product() -> None:
    draw = np.random.default_rng(1)
    told, a, b = (
        draw.integers(50, 100, (2, 3)),
        np.array([[80, 20], [30, 70]]),
        np.array([[8, 1, 1], [1, 8, 1], [2, 0, 8]]) * 10,
    )
    m = np.kron(*(c / c.sum(1, keepdims=True) for c in (a, b)))
    expected = np.linalg.inv(m.T) @ (told.ravel() / told.sum())
    found = share_draws(told, a, b, seed=2)
    assert found.values == pytest.approx(expected)
    # many draws of matrices that are well known scatter about it as the told counts do
    sure = share_draws(told, a * 10_000, b * 10_000, seed=3)
    q = (told.ravel() + 0.5) / (told + 0.5).sum()
    spread = np.linalg.inv(m.T) @ (np.diag(q) - np.outer(q, q)) @ np.linalg.inv(m) / (told.sum() + 4)
    assert sure.drawn.mean(0) == pytest.approx(np.linalg.inv(m.T) @ q, abs=0.01)
    assert sure.drawn.std(0) == pytest.approx(np.sqrt(np.diag(spread)), rel=0.1)


def test_a_given_label_has_no_error() -> None:
    told = np.array([[300, 100], [100, 500]])
    confusion = np.array([[90, 10], [10, 90]])
    found = misclassified_shares(told, confusion, None, level=LEVEL, seed=4)
    assert found.values.reshape(2, 2).sum(0) == pytest.approx([0.4, 0.6])
    assert misclassified_shares(told[:, 0], None, level=LEVEL, seed=4).values == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("shares", [(0.95, 0.05), (0.7, 0.2, 0.07, 0.03)])
def test_intervals_hold_the_true_shares(shares: tuple[float, ...]) -> None:
    k, runs, held = len(shares), 200, []
    for run in range(runs):
        draw = np.random.default_rng([5, run])
        told = draw.multinomial(2000, np.array(shares) @ rates(k))
        confusion = np.array([draw.multinomial(60, row) for row in rates(k)])
        found = misclassified_shares(told, confusion, level=LEVEL, seed=run, draws=300)
        held.append((found.low <= shares) & (shares <= found.high))
        assert (found.low <= found.values).all()
        assert (found.values <= found.high).all()
    sure = 3 * np.sqrt(0.95 * 0.05 / runs)
    assert (np.mean(held, 0) > 0.95 - sure).all()
    assert np.mean(held) < 0.985


def test_it_agrees_in_expectation_with_prediction_powered_shares() -> None:
    shares, apart, runs = np.array([0.6, 0.3, 0.1]), [], 150
    for run in range(runs):
        draw = np.random.default_rng([6, run])
        truth = draw.choice(3, 1600, p=shares)
        told = (rates(3)[truth].cumsum(1) < draw.random((1600, 1))).sum(1)
        powered = prediction_powered_shares(np.eye(3)[told[600:]], np.eye(3)[told[:600]], truth[:600], level=LEVEL)
        table = np.bincount(truth[:600] * 3 + told[:600], minlength=9).reshape(3, 3)
        by_matrix = share_draws(np.bincount(told[600:], minlength=3), table, seed=run, draws=2).values
        apart.append((powered.values - shares, by_matrix - shares))
    for off in np.moveaxis(apart, 1, 0):
        assert abs(off.mean(0)).max() < 4 * np.max(off.std(0)) / np.sqrt(runs)


def test_what_no_mixture_can_tell_is_found_and_what_one_can_is_not() -> None:
    confusion = (rates(3, 0.3) * 200).round()
    solved = optimize.linprog(np.zeros(3), A_eq=np.vstack([rates(3, 0.3).T, np.ones(3)]), b_eq=[0.9, 0.08, 0.02, 1])
    assert not solved.success
    found = share_draws(np.array([900, 80, 20]), confusion, seed=7)
    assert impossible_shares(found, level=LEVEL).tolist() == [False, True, True]
    alarms = 0
    for run in range(200):
        draw = np.random.default_rng([8, run])
        told = draw.multinomial(1000, np.array([1.0, 0, 0]) @ rates(3, 0.3))
        table = np.array([draw.multinomial(100, row) for row in rates(3, 0.3)])
        alarms += impossible_shares(share_draws(told, table, seed=run, draws=300), level=LEVEL).any()
    assert alarms <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_matrix_that_says_nothing_gives_no_shares_and_the_reason() -> None:
    flat = misclassified_shares(np.array([10, 20]), np.array([[50, 50], [55, 45]]), level=LEVEL, seed=9)
    assert np.isnan([flat.values, flat.low, flat.high]).all()
    assert flat.method == "misclassification matrix: told labels hardly depend on true ones (least singular value 0.05)"
    assert useless(np.array([[50, 0, 0], [0, 50, 0], [0, 0, 0]])) == "too few faces of label 2: 0, 10 needed"


def test_labels_told_alike_are_pooled_until_the_rest_can_be_told() -> None:
    matrix = np.array([[80, 10, 10, 0], [5, 50, 45, 0], [5, 48, 47, 0], [0, 1, 1, 1]])
    assert useless(matrix).startswith("too few faces of label 3")
    pool = pooled_labels(matrix)
    assert (pool.sum(1) == 1).all()
    assert pool[:, pool[1] == 1].ravel().tolist() == [0, 1, 1, 1]
    assert useless(pool.T @ matrix @ pool) == ""
    assert pooled_labels(rates(4) * 100).tolist() == np.eye(4).tolist()
    assert pooled_labels(np.full((3, 3), 20)).tolist() == [[1], [1], [1]]


def test_people_s_photos_count_as_many_as_they_are_worth() -> None:
    draw = np.random.default_rng(10)
    told = draw.integers(0, 3, 300)
    assert effective_counts(told, np.arange(300), k=3) == pytest.approx(np.bincount(told))
    four = effective_counts(np.repeat(told, 4), np.repeat(np.arange(300), 4), k=3)
    assert four.sum() == pytest.approx(300, rel=0.01)
    assert four / four.sum() == pytest.approx(np.bincount(told) / 300)
    mixed = effective_counts(draw.integers(0, 3, 1200), np.repeat(np.arange(300), 4), k=3).sum()
    assert 1000 < mixed <= 1200
    assert effective_counts(np.array([0, 0, 1]), np.zeros(3), k=2).sum() == pytest.approx(1)
    assert effective_counts(np.zeros(6, int), np.repeat([0, 1, 2], 2), k=2).tolist() == [3, 0]
    assert effective_counts(np.empty(0, int), np.empty(0), k=2).tolist() == [0, 0]


def test_the_same_seed_gives_the_same_and_the_order_of_labels_does_not_matter() -> None:
    told, confusion = np.array([500, 300, 200]), (rates(3) * 100).round()
    first, again = (misclassified_shares(told, confusion, level=LEVEL, seed=11) for _ in range(2))
    assert first.low.tolist() == again.low.tolist()
    turned = misclassified_shares(told[::-1], confusion[::-1, ::-1], level=LEVEL, seed=12)
    assert turned.values[::-1] == pytest.approx(first.values)
    assert turned.high[::-1] == pytest.approx(first.high, abs=0.02)


@pytest.mark.parametrize(
    ("told", "confusion"),
    [([1, 2], [[1, 2, 3]] * 3), ([0, 0], [[9, 1], [1, 9]]), ([1, -1], [[9, 1], [1, 9]]), ([1, np.nan], [[9, 1], [1, 9]])],
)
def test_bad_input_is_refused(told: list, confusion: list) -> None:
    with pytest.raises(ValueError, match="expected counts"):
        misclassified_shares(np.array(told), np.array(confusion), level=LEVEL, seed=0)


def test_the_most_likely_shares_after_some_steps_are_those_of_the_formula():
    told, m, p = (
        np.array([0.2, 0.5, 0.3, 0.0]),
        np.eye(4)[:, [0, 1, 2, 2]] * 0.7 + np.array([0.1, 0.1, 0.1, 0.0]),
        np.full(4, 0.25),
    )
    m /= m.sum(1, keepdims=True)
    for _ in range(2):
        mixed = p @ m
        p = p * (m[:, :3] @ (told[:3] / mixed[:3]))
    assert most_likely_shares(told, m, steps=2) == pytest.approx(p)
    never = np.array([[8, 2, 0], [3, 7, 0], [4, 6, 0]])
    assert most_likely_shares(np.array([4, 6, 0]), never).sum() == pytest.approx(1)
