import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as of_scipy

from facevalue.stats.energy import drawn_people, energy_distance, energy_test, exchanged, kinds


def people(draw, *, alone=(12, 12), both=0, most=4, d=3):
    """Return photos, (n, d), their set and their person; photos of one are alike."""
    count = sum(alone) + both
    who = np.repeat(np.arange(count), draw.integers(1, most + 1, size=count))
    kind = np.repeat([0, 2, 1], [*alone, both])[who]
    first = np.where(kind == 1, draw.random(len(who)) < 0.5, kind == 0)
    return draw.normal(size=(count, d))[who] + 0.5 * draw.normal(size=(len(who), d)), first, who


def test_along_one_dimension_it_is_scipys():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=40), 1.5 * draw.normal(size=25) + 0.3
    x = np.concatenate([a, b])
    first = np.arange(65) < 40
    found = energy_distance(abs(x[:, None] - x), first[None], ~first[None])[0]
    assert found == pytest.approx(of_scipy(a, b) ** 2 / (2 * abs(a[:, None] - b).mean()), rel=1e-5)


def test_weights_are_as_many_copies():
    draw = np.random.default_rng(1)
    x, counts = draw.normal(size=(8, 2)), np.array([2, 1, 3, 0, 1, 2, 1, 1])
    first = np.arange(8) < 4
    copies, of_first = np.repeat(x, counts, axis=0), np.repeat(first, counts)
    one = energy_distance(cdist(x, x), (counts * first)[None], (counts * ~first)[None])
    assert one == pytest.approx(energy_distance(cdist(copies, copies), of_first[None], ~of_first[None]), rel=1e-5)


def test_points_apart_are_1_and_equal_faces_0():
    ends = np.repeat([[0.0], [3.0]], 5, axis=0)
    first = np.arange(10) < 5
    assert energy_test(ends, first, level=0.9, seed=0, draws=(9, 9)).value == pytest.approx(1)
    same = energy_test(np.zeros((10, 1)), first, level=0.9, seed=0, draws=(9, 9))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_exchange_keeps_people_whole_and_swaps_those_of_both_sets():
    _, first, who = people(np.random.default_rng(2), alone=(6, 9), both=7)
    numbers, kind = kinds(first, who)
    draws = exchanged(first, who, 60, seed=0)
    for chosen in draws:
        inside = np.bincount(numbers, chosen) / np.bincount(numbers)
        assert set(inside[kind != 1]) <= {0.0, 1.0}
        assert inside[kind != 1].sum() == (kind == 0).sum()
        for person in np.flatnonzero(kind == 1):
            mine = numbers == person
            assert np.array_equal(chosen[mine], first[mine]) or np.array_equal(chosen[mine], ~first[mine])
    assert 0.3 < (draws[:, (kind == 1)[numbers]] == first[(kind == 1)[numbers]]).mean() < 0.7


def test_people_are_drawn_whole_as_many_of_each_kind():
    _, first, who = people(np.random.default_rng(3), alone=(5, 4), both=3)
    numbers, kind = kinds(first, who)
    for weights in drawn_people(first, who, 20, seed=0):
        per_person = [set(weights[numbers == person]) for person in range(len(kind))]
        assert all(len(one) == 1 for one in per_person)
        drawn = np.array([min(one) for one in per_person])
        assert [drawn[kind == one].sum() for one in range(3)] == [(kind == one).sum() for one in range(3)]


@pytest.mark.parametrize("both", [0, 8])
def test_type_1_error_is_held_for_several_photos_a_person_and_lost_without_people(both):
    draw, p, naive = np.random.default_rng(40 + both), [], []
    for seed in range(60):
        x, first, who = people(draw, both=both)
        p.append(energy_test(x, first, level=0.9, seed=seed, person=who, draws=(39, 1)).p)
        naive.append(energy_test(x, first, level=0.9, seed=seed, draws=(39, 1)).p)
    assert np.mean(np.array(p) <= 0.1) < 0.24  # binomial: .1 of 60 exceeds it once in 1,000
    assert np.mean(np.array(naive) <= 0.1) > 0.2


def test_a_shift_is_found_and_the_interval_holds_the_distance_of_many():
    draw = np.random.default_rng(5)
    many = np.vstack([draw.normal(size=(600, 2)), draw.normal(size=(600, 2)) + 0.8])
    first = np.arange(1200) < 600
    truth = energy_distance(cdist(many, many), first[None], ~first[None])[0]
    hits, p = [], []
    for seed in range(25):
        x = np.vstack([draw.normal(size=(40, 2)), draw.normal(size=(40, 2)) + 0.8])
        found = energy_test(x, np.arange(80) < 40, level=0.9, seed=seed, draws=(39, 40))
        hits.append(found.low <= truth <= found.high)
        p.append(found.p)
    assert np.mean(hits) >= 0.75
    assert np.mean(np.array(p) <= 0.05) > 0.9


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="expected faces .* of two sets without NaN"):
        energy_test(np.zeros((4, 2)), np.ones(4, bool), level=0.9, seed=0)
    with pytest.raises(ValueError, match="1 NaN"):
        energy_test(np.array([[0.0], [np.nan]]), np.array([True, False]), level=0.9, seed=0)
    with pytest.raises(ValueError, match="expected distances"):
        energy_distance(np.zeros((3, 3)), np.ones((1, 3)), np.ones((1, 2)))


def test_the_range_of_chance_is_that_of_the_exchanges():
    x, first, who = people(np.random.default_rng(5), alone=(8, 8))
    found = energy_test(x, first, level=0.8, seed=3, person=who, draws=(60, 20))
    chosen = exchanged(first, who, 60, seed=3)
    null = energy_distance(cdist(x, x), chosen, ~chosen)
    assert (found.chance_low, found.chance_high) == pytest.approx(tuple(np.quantile(null, [0.1, 0.9])), rel=1e-4)
    assert found.chance == pytest.approx(null.mean(), rel=1e-4)
