import csv
from itertools import combinations

import numpy as np
import pytest

from facevalue.stats.agreement import (
    agreement,
    agreement_interval,
    answer_pairs,
    noise_ceiling,
    plurality_hits,
    rater_blind_bound,
    repeat_agreement,
)


def made(seed, *, t=300, queries=25, annotators=7, k=3):
    draw = np.random.default_rng(seed)
    query = draw.integers(queries, size=t)
    names = np.array([*(f"a{i}" for i in range(annotators)), ""], object)
    return query, 100 * query + draw.integers(k, size=t), names[draw.integers(annotators + 1, size=t)]


def slow_pairs(query, answer, annotator, *, repeated):
    known = [i for i in range(len(query)) if annotator[i]]
    pairs = [(i, j) for i, j in combinations(known, 2) if query[i] == query[j]]
    return [(i, j) for i, j in pairs if (annotator[i] == annotator[j]) == repeated]


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_a_double_loop(seed):
    arrays = made(seed)
    query, answer, annotator = arrays
    for repeated, measure in ((False, agreement), (True, repeat_agreement)):
        pairs = slow_pairs(*arrays, repeated=repeated)
        found = measure(*arrays)
        assert found.pairs == len(pairs) > 30
        assert found.share == pytest.approx(np.mean([answer[i] == answer[j] for i, j in pairs]))
        first, second = answer_pairs(query, annotator, repeated=repeated)
        assert list(zip(first.tolist(), second.tolist(), strict=True)) == pairs


@pytest.mark.parametrize("seed", range(3))
def test_plurality_is_that_of_a_loop(seed):
    query, answer, annotator = made(seed)
    expected = np.full(len(query), np.nan)
    for i in range(len(query)):
        others = [answer[j] for j in range(len(query)) if query[j] == query[i] and annotator[j] not in ("", annotator[i])]
        if annotator[i] and others:
            values, counts = np.unique(others, return_counts=True)
            best = values[counts == counts.max()]
            expected[i] = (answer[i] in best) / len(best)
    np.testing.assert_allclose(plurality_hits(query, answer, annotator), expected)
    ceiling = noise_ceiling(query, answer, annotator)
    assert ceiling.lower == pytest.approx(np.nanmean(expected))
    assert ceiling.n == np.isfinite(expected).sum()
    assert ceiling.lower < ceiling.upper


def test_order_and_names_of_rows_change_nothing():
    arrays = made(5)
    order = np.random.default_rng(1).permutation(len(arrays[0]))
    renamed = np.array([f"q{one}" for one in arrays[0]], object), arrays[1] * 3 - 7, arrays[2]
    for other in ([array[order] for array in arrays], renamed):
        assert agreement(*other) == agreement(*arrays)
        assert repeat_agreement(*other) == repeat_agreement(*arrays)
        found, first = noise_ceiling(*other), noise_ceiling(*arrays)
        assert (found.lower, found.upper, found.n) == pytest.approx((first.lower, first.upper, first.n))


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_best_blind_model_lies_between_ceilings_and_below_the_bound(k):
    draw = np.random.default_rng(k)
    p = draw.dirichlet(np.full(k, 0.8), size=400)
    query = np.repeat(np.arange(400), 30)
    answer = (draw.random((400, 30, 1)) > p.cumsum(1)[:, None, :]).sum(2).ravel()
    annotator = np.tile([f"a{i}" for i in range(30)], 400)
    best = p.max(1).mean()
    agreed, ceiling = agreement(query, answer, annotator), noise_ceiling(query, answer, annotator)
    assert agreed.share == pytest.approx((p**2).sum(1).mean(), abs=0.01)
    assert agreed.share < ceiling.lower < best < rater_blind_bound(agreed.share, alternatives=k)
    assert best < ceiling.upper
    assert ceiling.upper - ceiling.lower < 0.05


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_bound_is_reached_where_all_queries_are_alike_and_the_rest_is_even(k):
    for p in (1 / k, 0.5, 0.8, 1.0):
        agreed = p**2 + (1 - p) ** 2 / (k - 1)
        assert rater_blind_bound(agreed, alternatives=k) == pytest.approx(max(p, 1 / k), abs=1e-7)
    assert rater_blind_bound(0.7, alternatives=2) == pytest.approx(0.5 + 0.5 * np.sqrt(2 * 0.7 - 1))


def test_too_little_to_compare_is_nan_and_wrong_arrays_are_told():
    alone = np.array([1, 2, 3]), np.array([1, 1, 1]), np.array(["a", "", ""], object)
    assert np.isnan(agreement(*alone).share)
    assert repeat_agreement(*alone).pairs == 0
    assert np.isnan([noise_ceiling(*alone).lower, noise_ceiling(*alone).upper]).all()
    assert np.isnan(plurality_hits(*alone)).all()
    assert np.isnan([rater_blind_bound(0.4), rater_blind_bound(float("nan"))]).all()
    nothing = np.empty(0, int), np.empty(0, int), np.empty(0, object)
    assert agreement(*nothing).pairs == noise_ceiling(*nothing).n == len(plurality_hits(*nothing)) == 0
    with pytest.raises(ValueError, match="one length"):
        agreement(np.zeros(2), np.zeros(3), np.array(["a", "b"]))
    with pytest.raises(ValueError, match="without NaN"):
        agreement(np.zeros(2), np.array([0, np.nan]), np.array(["a", "b"]))
    for wrong in ((1.1, 2), (-0.1, 2), (0.5, 1)):
        with pytest.raises(ValueError, match="expected a share"):
            rater_blind_bound(wrong[0], alternatives=wrong[1])


@pytest.mark.shared
def test_the_figures_of_cfd36(shared):
    with (shared / "data/judgments/cfd36/cfd36_triplets_individual.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    query = np.array([" ".join([row["head"], *sorted([row["winner"], row["loser"]])]) for row in rows])
    answer, annotator = (np.array([row[name] for row in rows]) for name in ("winner", "worker_id"))
    random = np.array([row["sampleAlg"] == "random" for row in rows])
    chosen = query[random], answer[random], annotator[random]
    agreed = agreement(*chosen)
    assert (round(agreed.share, 4), agreed.pairs) == (0.6576, 30819)
    assert rater_blind_bound(agreed.share) == pytest.approx(0.7807, abs=5e-5)
    again = repeat_agreement(query, answer, annotator), repeat_agreement(*chosen)
    assert [(one.share, one.pairs) for one in again] == [(pytest.approx(617 / 849), 849), (pytest.approx(555 / 773), 773)]


def opinions(seed, raters=20, queries=60):
    """Return queries, answers and raters, each rater with a bias, and the agreement to be expected of new ones."""
    draw = np.random.default_rng(seed)
    lean = draw.beta(0.5, 0.5, queries)
    side = draw.random(raters) < 0.7
    query, rater = (each.ravel() for each in np.meshgrid(np.arange(queries), np.arange(raters)))
    p = np.where(side[rater], lean[query], 0.5)
    answer = (draw.random(len(query)) < p).astype(int)
    return query, answer, np.array([f"r{i}" for i in rater], object)


def test_intervals_of_agreement_hold_that_of_the_population():
    truth = np.mean([agreement(*opinions(seed)).share for seed in range(1000, 1150)])
    ends = [agreement_interval(*opinions(seed), level=0.9, seed=0, resamples=150) for seed in range(60)]
    assert np.mean([low < truth < high for low, high in ends]) > 0.8
    assert np.mean([high - low for low, high in ends]) < 0.2


def test_without_two_annotators_agreement_has_no_interval():
    query = np.zeros(5, int)
    assert np.isnan(agreement_interval(query, query, np.array(["a"] * 5, object), level=0.9, seed=0)).all()
    assert np.isnan(agreement_interval(query, query, np.array([""] * 5, object), level=0.9, seed=0)).all()
