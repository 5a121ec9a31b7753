"""Linkage by person, against scikit-learn's curve, plain loops and pairs drawn one by one."""

import numpy as np
import pytest

from facevalue.stats.linkage import links, rank_one


def made(people: int = 12, each: int = 3, *, seed: int = 0, lift: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, (n, n), persons, (n,), and which pairs are of a photo with itself."""
    draw, person = np.random.default_rng(seed), np.repeat(np.arange(people), each)
    scores = np.clip(draw.normal(0, 0.3, (len(person),) * 2) + lift * (person[:, None] == person), -1, 1)
    return scores, person, np.eye(len(person), dtype=bool)


@pytest.mark.parametrize("fmr", [0.003, 0.05, 0.4])
def test_the_rate_at_a_bound_is_that_of_scikit_learns_curve(fmr: float):
    from sklearn.metrics import roc_curve

    scores, person, itself = made()
    found = links(scores, person, person, left_out=itself)
    same = person[:, None] == person
    rates, matched, _ = roc_curve(same[~itself], np.round(scores, 6)[~itself], drop_intermediate=False)
    bound = found.bounds(fmr, np.ones((1, 12)))
    assert found.matched(bound).mean() == pytest.approx(matched[rates <= fmr].max())
    assert found.false_matched(bound[0], np.ones((1, 12)))[0] == pytest.approx(rates[rates <= fmr].max())


def test_ties_are_not_split():
    scores, person = np.full((6, 6), 0.5), np.repeat(np.arange(3), 2)
    found = links(scores, person, person, left_out=np.eye(6, dtype=bool))
    assert (found.matched(found.bounds(0.1, np.ones((1, 3)))) == 0).all()
    share, chance = rank_one(scores, person, person, left_out=np.eye(6, dtype=bool))
    assert share.tolist() == chance.tolist() == [pytest.approx(1 / 5)] * 3


def test_a_pair_weighs_as_often_as_both_its_people_were_drawn():
    scores, person, itself = made(9, 2)
    found = links(scores, person, person, left_out=itself)
    one, two = np.nonzero(person[:, None] != person)
    drawn = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), 40).astype(float)
    bounds, values = found.bounds(0.05, drawn), np.round(scores, 6)[one, two]
    for weights, bound in zip(drawn, bounds, strict=True):
        pairs = weights[person[one]] * weights[person[two]]
        assert pairs[values > bound].sum() <= 0.05 * pairs.sum() + 1e-9
        assert pairs[values >= bound].sum() > 0.05 * pairs.sum()
        assert found.false_matched(0.2, weights[None])[0] == pytest.approx(pairs[values > 0.2].sum() / pairs.sum())


def test_the_best_match_is_that_of_a_plain_loop():
    scores, person, itself = made(10, 2, lift=0.2)
    share, chance = rank_one(scores, person, person, left_out=itself)
    hits = np.zeros(10)
    for i in range(20):
        others = [j for j in range(20) if j != i]
        hits[person[i]] += person[max(others, key=lambda j: scores[i, j])] == person[i]
    np.testing.assert_allclose(share, hits / 2)
    np.testing.assert_allclose(chance, 1 / 19)


def test_people_without_a_pair_are_not_counted_but_stand_in_the_gallery():
    scores = np.array([[1.0, 0.4, 0.9], [0.4, 1.0, 0.1], [0.9, 0.1, 1.0]])
    person = np.array([0, 0, 1])
    found = links(scores, person, person, left_out=np.eye(3, dtype=bool))
    assert np.isnan(found.matched(np.zeros(1))[0]).tolist() == [False, True]
    share, _ = rank_one(scores, person, person, left_out=np.eye(3, dtype=bool))
    assert share[0] == 0.5
    assert np.isnan(share[1])


def test_many_pairs_are_looked_at_when_the_top_ones_were_not_drawn():
    """All pairs of the largest scores belong to two people, whom some draws lack."""
    person = np.repeat(np.arange(20), 2)
    scores = np.random.default_rng(0).uniform(-0.1, 0.1, (40, 40))
    scores[:4, :4] = 0.9
    found = links(scores, person, person, left_out=np.eye(40, dtype=bool))
    without = np.ones((1, 20))
    without[0, 0] = 0
    assert found.bounds(0.01, without)[0] < 0.2
    assert found.bounds(0.001, np.ones((1, 20)))[0] == 0.9


def test_scores_that_are_none_are_refused():
    scores, person, itself = made()
    with pytest.raises(ValueError, match="without NaN"):
        links(np.where(itself, np.nan, scores), person, person)
    with pytest.raises(ValueError, match="one person alone"):
        links(scores, person, person, left_out=~itself)
    with pytest.raises(ValueError, match="expected scores of 36 probes"):
        links(scores[1:], person, person)
    with pytest.raises(ValueError, match="false match rate"):
        links(scores, person, person).bounds(1.0, np.ones((1, 12)))


def test_probes_and_a_gallery_of_other_numbers_of_photos():
    draw = np.random.default_rng(4)
    probe, gallery = np.repeat(np.arange(5), [1, 2, 3, 1, 2]), np.repeat(np.arange(5), [3, 1, 1, 2, 2])
    scores = draw.uniform(-1, 1, (9, 9)).round(6)
    found, weights = links(scores, probe, gallery), draw.integers(1, 4, 5).astype(float)
    both = weights[probe][:, None] * weights[gallery] * (probe[:, None] != gallery)
    assert found.false_matched(0.1, weights[None])[0] == pytest.approx(both[scores > 0.1].sum() / both.sum())
