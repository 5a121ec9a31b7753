from __future__ import annotations

import numpy as np
import pytest

from facevalue.stats import permutation as module
from facevalue.stats.permutation import batched_test, draw_permutations, permutation_test, permuted_products, qap_test
from tests.stats.networks import krackhardt, matrix


def test_people_change_places_within_their_group_only():
    group = np.array(["a", "b", "a", "b", "c"])
    order = draw_permutations(5, 200, seed=1, within=group)
    assert (group[order] == group).all()
    assert len(np.unique(order, axis=0)) == 4
    assert (np.sort(draw_permutations(7, 50, seed=0), axis=1) == np.arange(7)).all()


@pytest.mark.parametrize("n", [5, 90, 130])
def test_products_are_those_of_permuted_matrices(n):
    draw = np.random.default_rng(n)
    one, other, order = draw.normal(size=(n, n, 2)), draw.normal(size=(n, n, 3)), draw_permutations(n, 3, seed=0)
    slow = [np.einsum("ija,ijb->ab", one[np.ix_(p, p)], other) for p in order]
    np.testing.assert_allclose(
        permuted_products(one, other, order), slow, rtol=1e-9 if n <= 128 else 1e-3, atol=1e-3 if n > 128 else 0
    )


def test_a_p_value_is_never_zero_and_its_error_is_that_of_draws():
    null = np.random.default_rng(0).normal(size=(999, 2))
    found = permutation_test(np.array([100.0, 0.0]), null)
    assert found.two_sided.tolist() == [0.001, 1.0]
    assert found.greater[0] == 0.001
    assert found.less[0] == 1
    assert found.error[0] == pytest.approx(np.sqrt(0.001 * 0.999 / 999))
    low, high = found.interval(level=0.9)
    assert 0 < low[0] < 0.001 < high[0]


def test_ties_count_against_the_claim():
    assert permutation_test(np.array([2.0]), np.array([[2.0 + 1e-12], [2.0 - 1e-12], [0.0]])).two_sided[0] == 0.75


@pytest.mark.parametrize(("statistic", "null"), [(np.nan, 1.0), (1.0, np.nan)])
def test_what_is_no_number_is_an_error(statistic, null):
    with pytest.raises(ValueError, match="expected numbers, got"):
        permutation_test(np.array([statistic]), np.array([[0.0], [null]]))


@pytest.mark.parametrize("endless", [np.inf, -np.inf])
def test_what_is_endless_counts_against_every_claim(endless):
    found = permutation_test(np.array([2.0]), np.array([[endless], [0.0], [1.0]]))
    assert (found.greater[0], found.two_sided[0], found.less[0]) == (0.5, 0.5, 1.0)
    assert permutation_test(np.array([-2.0]), np.array([[endless], [0.0], [1.0]])).less[0] == 0.5


def test_stopping_keeps_the_rate_of_false_claims():
    draw = np.random.default_rng(2)
    p = [permutation_test(draw.normal(size=1), draw.normal(size=(199, 1)), stop=8) for _ in range(3000)]
    assert abs(np.mean([one.two_sided[0] <= 0.05 for one in p]) - 0.05) < 0.012
    assert np.mean([one.permutations[0] for one in p]) < 60


def test_a_correlation_is_that_of_the_dyads():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 9, 9))
    a[2, 3] = b[4, 5] = np.nan
    known = np.isfinite(a) & np.isfinite(b) & ~np.eye(9, dtype=bool)
    found = qap_test(a, b, directed=True, permutations=50, seed=0)
    assert found.correlation == pytest.approx(np.corrcoef(a[known], b[known])[0, 1])
    assert found.dyads == 70
    order = draw_permutations(9, 50, seed=0)
    for r, p in enumerate(order):
        moved = a[np.ix_(p, p)]
        known = np.isfinite(moved) & np.isfinite(b) & ~np.eye(9, dtype=bool)
        assert found.test.null[r, 0] == pytest.approx(np.corrcoef(moved[known], b[known])[0, 1])


def test_the_null_of_correlated_people_is_held():
    p = []
    for run in range(300):
        draw = np.random.default_rng(run)
        a, b = (draw.normal(size=(15, 15)) + draw.normal(size=(15, 1)) + draw.normal(size=15) for _ in range(2))
        p.append(qap_test(a, b, directed=True, permutations=99, seed=run).test.two_sided[0])
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (np.zeros((3, 3)), np.eye(3), "four people"),
        (np.ones((5, 5)), np.eye(5), "throughout"),
        (np.full((5, 5), np.nan), np.eye(5), "no known dyad"),
        (np.arange(25.0).reshape(5, 5), np.arange(36.0).reshape(6, 6), "same people"),
        (np.arange(25.0).reshape(5, 5)[:, :4], np.eye(5), "four people"),
    ],
)
def test_networks_that_cannot_be_compared_are_told(a, b, told):
    with pytest.raises(ValueError, match=told):
        qap_test(a, b, directed=True, permutations=9, seed=0)


def test_undirected_networks_must_be_symmetric():
    a = np.arange(25.0).reshape(5, 5)
    with pytest.raises(ValueError, match="not symmetric"):
        qap_test(a, a + a.T, directed=False, permutations=9, seed=0)
    assert qap_test(a + a.T, a @ a + (a @ a).T, directed=False, permutations=9, seed=0).dyads == 10


@pytest.mark.shared
def test_krackhardt_florentine_and_sampson_as_r_prints(shared):
    a, f, r, _ = krackhardt(shared)
    found = qap_test(a, f, directed=True, permutations=10_000, seed=1)
    assert found.correlation == pytest.approx(0.1545854520, abs=5e-11)
    assert abs(found.test.greater[0] - 0.0222) < 4 * np.sqrt(2 * 0.0222 * 0.9778 / 10_000)
    assert abs(found.test.less[0] - 0.9845) < 4 * np.sqrt(2 * 0.9845 * 0.0155 / 10_000)
    assert found.test.null.std() == pytest.approx(0.0725, abs=0.002)
    for matrices, expected in (((a, r), 0.2235581823), ((f, r), 0.1862355626)):
        found = qap_test(*matrices, directed=True, permutations=2000, seed=1)
        assert found.correlation == pytest.approx(expected, abs=5e-11)
        assert found.test.greater[0] < 0.003
    either = [np.maximum(x, x.T) for x in (a, f)]
    lower = [np.tril(x, -1) + np.tril(x, -1).T for x in (a, f)]
    assert qap_test(*lower, directed=False, permutations=9, seed=1).correlation == pytest.approx(0.1880197431, abs=5e-11)
    assert qap_test(*either, directed=False, permutations=9, seed=1).correlation != pytest.approx(0.1880197431, abs=1e-3)
    marriage, business = (matrix(shared / f"data/networks/florentine/{name}.csv") for name in ("marriage", "business"))
    found = qap_test(marriage, business, directed=False, permutations=10_000, seed=1)
    assert found.correlation == pytest.approx(0.3718678721, abs=5e-11)
    assert abs(found.test.greater[0] - 0.001) < 4 * np.sqrt(2 * 0.001 / 10_000)
    like, dislike = (matrix(shared / f"data/networks/sampson/{name}.csv") for name in ("samplk3", "sampdlk3"))
    found = qap_test(like, dislike, directed=True, permutations=10_000, seed=1)
    assert found.correlation == pytest.approx(-0.2016151002, abs=5e-11)
    assert found.test.less[0] < 0.002


@pytest.mark.parametrize("a", [1, 5, 8, 11])
def test_many_matrices_are_permuted_at_once(a):
    draw = np.random.default_rng(a)
    permuted, fixed = draw.normal(size=(5, 5, a)), draw.normal(size=(5, 5, 2))
    order = np.stack([draw.permutation(5) for _ in range(3)])
    expected = [np.einsum("ija,ijb->ab", permuted[np.ix_(turn, turn)], fixed) for turn in order]
    np.testing.assert_allclose(permuted_products(permuted, fixed, order), expected, atol=1e-5)


def test_batches_end_only_where_all_are_clear(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 10)
    null = np.where(np.arange(40)[:, None] % 10 == 0, [[1.0, 1.0]], [[1.0, -1.0]])
    drawn = lambda done, count: null[done : done + count]  # noqa: E731
    assert len(batched_test(np.zeros(2), drawn, permutations=40, stop=3).null) == 10
    assert len(batched_test(np.array([2.0, 0.0]), drawn, permutations=40, stop=3).null) == 40
    assert len(batched_test(np.zeros(2), drawn, permutations=40).null) == 40


def test_four_people_are_enough_to_correlate():
    a = np.array([[0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 1, 0.0]])
    assert qap_test(a, a, directed=True, permutations=9, seed=0).correlation == pytest.approx(1)
    with pytest.raises(ValueError, match="four people or more"):
        qap_test(a[:3, :3], a[:3, :3], directed=True, permutations=9, seed=0)
