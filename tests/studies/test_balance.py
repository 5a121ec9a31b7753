import itertools

import numpy as np
import pytest

from facevalue.data.errors import SchemaError
from facevalue.stats.separation import separation
from facevalue.studies import balance
from facevalue.studies.balance import balanced_subset, choose, cuts, even, matched_subsets

from .made import row
from .test_comparison import faces


def labelled(x):
    return x[:, 0] > 0.5


def test_a_subset_is_like_its_reference_and_nearer_than_random_ones():
    draw = np.random.default_rng(0)
    pool, like = faces(400, 0.85, draw=draw), faces(200, 0.5, draw=draw)
    chosen = balanced_subset(pool, 80, level=0.9, seed=0, reference=like, resamples=40)
    found = chosen.findings
    assert labelled(pool[chosen.rows]).mean() == pytest.approx(labelled(like).mean(), abs=0.03)
    assert row(found, "after", "dimension 0")["value"] < 0.05
    assert row(found, "after", "all")["value"] < row(found, "random", "all")["low"] / 2
    assert row(found, "before", "dimension 0")["value"] == pytest.approx(0.35, abs=0.05)
    assert row(found, "before", "dimension 0")["low"] > 0.2
    assert row(found, "after", "all")["value"] == pytest.approx(separation(pool[chosen.rows], like).mean())
    assert len(chosen.rows) == len(set(chosen.rows.tolist())) == 80


def test_without_a_reference_faces_stand_at_every_height():
    draw = np.random.default_rng(1)
    pool = draw.exponential(size=(2000, 1))
    chosen = balanced_subset(pool, 60, level=0.9, seed=0, resamples=20)
    counts = np.histogram(pool[chosen.rows, 0], bins=4, range=(even(pool)[0, 0], even(pool)[-1, 0]))[0]
    assert counts.min() >= 10
    assert row(chosen.findings, "before", "dimension 0")["value"] > 0.5
    assert row(chosen.findings, "after", "dimension 0")["value"] < 0.1
    assert row(chosen.findings, "after", "dimension 0")["low"] is None


def test_a_subset_is_about_as_near_as_the_best_of_all():
    draw = np.random.default_rng(2)
    pool, like = faces(12, 0.7, draw=draw, d=2), faces(30, 0.4, draw=draw, d=2)
    found = balanced_subset(pool, 5, level=0.9, seed=0, reference=like, resamples=10)
    every = [separation(pool[list(rows)], like).mean() for rows in itertools.combinations(range(12), 5)]
    assert separation(pool[found.rows], like).mean() <= np.quantile(every, 0.03)


def test_exchanges_only_ever_help(monkeypatch):
    draw = np.random.default_rng(3)
    pool, like = faces(300, 0.9, draw=draw, d=6), faces(200, 0.5, draw=draw, d=6)
    edges = balance._edges(pool, like)
    features, target = balance._heights(pool, edges), balance._heights(like, edges).mean(0)

    def gap(rows):
        return float(((features[rows].mean(0) - target) ** 2).sum())

    exchanged = balance._nearest(features, target, 50, 0)
    monkeypatch.setattr(balance, "_exchanged", lambda *given: False)
    assert gap(exchanged) < gap(balance._nearest(features, target, 50, 0))


def test_a_subset_is_the_seeds_and_may_be_everybody():
    draw = np.random.default_rng(4)
    pool, like = faces(60, 0.8, draw=draw), faces(60, 0.5, draw=draw)
    one, two = (balanced_subset(pool, 20, level=0.9, seed=5, reference=like, resamples=5) for _ in range(2))
    assert np.array_equal(one.rows, two.rows)
    assert np.array_equal(one.findings.value, two.findings.value)
    everybody = balanced_subset(pool, 60, level=0.9, seed=0, reference=like, resamples=5)
    assert np.array_equal(everybody.rows, np.arange(60))
    for size in (0, 61):
        with pytest.raises(SchemaError, match=f"expected a size of 1 to 60, the faces there are; got {size}"):
            balanced_subset(pool, size, level=0.9, seed=0, reference=like)


def test_matched_subsets_are_alike_where_the_sets_are_not():
    draw = np.random.default_rng(5)
    a, b = faces(300, 0.8, draw=draw), faces(250, 0.3, draw=draw)
    in_a, in_b, found = matched_subsets(a, b, 80, level=0.9, seed=0, resamples=40)
    assert row(found, "before", "dimension 0")["value"] == pytest.approx(0.5, abs=0.07)
    assert row(found, "before", "all")["low"] > row(found, "after", "all")["value"]
    assert abs(labelled(a[in_a]).mean() - labelled(b[in_b]).mean()) <= 0.05
    assert row(found, "after", "all")["value"] == pytest.approx(separation(a[in_a], b[in_b]).mean())
    assert (len(in_a), len(in_b)) == (80, 80)


def test_the_choice_of_candidates_follows_the_true_disparity_of_labels():
    draw = np.random.default_rng(6)
    pool = faces(1000, 0.5, draw=draw)
    label, shares = labelled(pool), np.linspace(0.02, 0.98, 40)
    candidates = [
        np.concatenate([draw.choice(np.flatnonzero(label == kind), count, replace=False) for kind, count in counts])
        for counts in [((True, round(100 * share)), (False, 100 - round(100 * share))) for share in draw.permutation(shares)]
    ]
    truth = np.array([abs(2 * label[rows].mean() - 1) for rows in candidates])
    best, found = choose(pool[:, :1], candidates, level=0.9, seed=0, truth=truth)
    assert row(found, "spearman")["value"] > 0.97
    assert row(found, "spearman")["low"] > 0.9
    assert truth[best] < 0.1
    assert row(found, "true_disparity")["value"] == truth[best]
    assert row(found, "least_true_disparity")["value"] == truth.min()
    assert [r["group"] for r in found.to_rows()][: len(candidates)] == [f"candidate {i}" for i in range(40)]
    reference = faces(500, 0.5, draw=draw)[:, :1]
    _, other = choose(pool[:, :1], candidates, level=0.9, seed=0, truth=truth, reference=reference)
    assert row(other, "spearman")["value"] > 0.95
    values = found.value[:40]
    assert np.allclose(values, truth, atol=0.03)
    assert (found.low[:40] <= values).all()
    assert (found.high[:40] >= values).all()


def test_cuts_are_otsus():
    draw = np.random.default_rng(7)
    x = np.column_stack([draw.exponential(size=60), draw.integers(0, 5, 60), np.full(60, 3.0)])
    expected = []
    for column in x.T[:2]:
        splits = np.unique(column)
        middles = (splits[1:] + splits[:-1]) / 2
        within = [
            column[column < cut].var() * (column < cut).sum() + column[column > cut].var() * (column > cut).sum()
            for cut in middles
        ]
        expected.append(middles[np.argmin(within)])
    assert cuts(x)[:2] == pytest.approx(expected)
    assert cuts(x)[2] == 3


def test_candidates_that_are_none_or_have_other_truths_are_refused():
    with pytest.raises(SchemaError, match="got 0 candidates"):
        choose(np.zeros((9, 1)), [], level=0.9, seed=0)
    with pytest.raises(SchemaError, match="got 1 candidates"):
        choose(np.zeros((9, 1)), [np.arange(5)], level=0.9, seed=0, truth=np.zeros(2))
    with pytest.raises(SchemaError, match="4 faces or more"):
        choose(np.zeros((9, 1)), [np.arange(3)], level=0.9, seed=0)
