import pickle
from math import comb
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from facevalue.stats.sign_swaps import permuted_signs
from facevalue.stats.triads import MEASURES, balance_test, triads

from .signed import every_sign, network, one_by_one, popular_enemies, relabelled


@pytest.mark.parametrize(("n", "unknown"), [(5, 0.0), (14, 0.0), (15, 0.2)])
def test_triads_are_those_found_one_by_one(n, unknown):
    signs = network(n, seed=n, unknown=unknown, density=0.6)
    found, (closed, paths, pairs) = triads([signs]), one_by_one(signs)
    assert found.closed[0].tolist() == closed.tolist()
    assert found.paths[0].tolist() == paths.tolist()
    assert found.pairs[0].tolist() == pairs.tolist()
    assert closed.sum() > 0


def test_triangles_are_those_of_networkx():
    signs = network(40, seed=0)
    found = triads([signs])
    for part, count in ((signs != 0, found.closed.sum()), (signs == 1, found.closed[0, 0]), (signs == -1, found.closed[0, 3])):
        assert count == sum(nx.triangles(nx.from_numpy_array(part.astype(int))).values()) / 3


def test_mixed_paths_close_the_triads_that_hold_two_of_them():
    found = triads([network(25, seed=1)])
    assert found.paths[0, 1, 2] == 2 * found.closed[0, 1]
    assert found.paths[0, 1, 0] == 2 * found.closed[0, 2]


def test_measures_are_shares_over_all_blocks():
    blocks = [network(12, seed=2), network(9, seed=3, bad=0.6)]
    found, each = triads(blocks), [one_by_one(block) for block in blocks]
    closed, pairs = each[0][0] + each[1][0], each[0][2] + each[1][2]
    told = dict(zip(MEASURES, found.measures, strict=True))
    assert told["triads +--"] == closed[2]
    assert told["share_balanced"] == pytest.approx((closed[0] + closed[2]) / closed.sum())
    assert told["share_weakly_balanced"] == pytest.approx(1 - closed[1] / closed.sum())
    assert told["enemy_of_enemy_is_enemy"] == pytest.approx(pairs[2, 0] / pairs[2].sum())
    assert told["friend_of_enemy_is_friend"] == pytest.approx(pairs[1, 2] / pairs[1].sum())
    assert found.resting.tolist() == [closed.sum()] * 6 + np.repeat(pairs.sum(1), 2).tolist()
    upper = [block[np.triu_indices(len(block), 1)] for block in blocks]
    friends = [(block == 1).mean() for block in upper]
    exposed = [part[2][2].sum() for part in each]
    assert found.among_all[4] == pytest.approx(np.average(friends, weights=exposed))


def test_order_of_people_does_not_matter():
    signs = network(20, seed=4, unknown=0.1)
    assert np.array_equal(triads([signs]).measures, triads([relabelled(signs, seed=0)]).measures)


def test_people_alone_have_no_triads():
    found = triads([np.zeros((1, 1)), np.array([[0, 1.0], [1, 0]])])
    assert found.closed.sum() == 0
    assert np.isnan(found.measures[4:]).all()


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([], "one block or more"),
        ([np.zeros((2, 3))], r"block 0 has shape \(2, 3\)"),
        ([np.zeros((2, 2)), np.full((2, 2), 2)], "block 1 has 2"),
        ([np.array([[0, 1], [0, 0]])], "block 0 is not symmetric"),
        ([np.array([[0, 1], [np.nan, 0]])], "block 0 is not symmetric"),
    ],
)
def test_signs_that_are_none_are_refused(blocks, told):
    with pytest.raises(ValueError, match=told):
        triads(blocks)


@pytest.mark.parametrize("options", [{"keep": "blocks", "permutations": 9}, {"keep": "ties", "permutations": 0}])
def test_what_is_kept_is_ties_or_people(options):
    with pytest.raises(ValueError, match="expected keep ties or people and 1 permutation or more"):
        balance_test([network(5, seed=0)], seed=0, **options)


def test_expected_triads_over_the_same_ties_are_hypergeometric():
    signs = network(20, seed=5, density=0.5)
    found = balance_test([signs], permutations=3000, seed=0)
    ties, bad, closed = np.triu(signs != 0).sum(), np.triu(signs < 0).sum(), triads([signs]).closed.sum()
    exact = [closed * comb(3, k) * comb(ties - 3, bad - k) / comb(ties, bad) for k in range(4)]
    error = found.null[:, :4].std(0) / np.sqrt(3000)
    assert (abs(found.expected[:4] - exact) < 4 * error).all()
    assert found.ratio[:4] == pytest.approx(found.observed[:4] / found.expected[:4])
    assert (found.free, found.mixing) == (1, 1)


def test_expected_triads_of_people_who_keep_their_enemies_are_those_of_all_such_networks():
    signs = network(7, seed=13, density=0.7, bad=0.4)
    possible = every_sign(signs)
    assert len(possible) > 3
    exact = np.mean([one_by_one(one)[0] for one in possible], axis=0)
    found = balance_test([signs], permutations=2000, seed=0, keep="people")
    error = found.null[:, :4].std(0) / np.sqrt(2000)
    assert (abs(found.expected[:4] - exact) <= 4 * error + 1e-9).all()


@pytest.mark.parametrize("keep", ["ties", "people"])
def test_two_camps_are_balanced(keep):
    draw = np.random.default_rng(0)
    camp = draw.choice([-1, 1], 24)
    tied = np.triu(draw.random((24, 24)) < 0.4, 1)
    found = balance_test([np.outer(camp, camp) * (tied | tied.T)], permutations=199, seed=0, keep=keep)
    assert found.observed[4] == 1
    assert found.test.two_sided[[4, 5]].tolist() == [0.005, 0.005]
    assert found.ratio[MEASURES.index("enemy_of_enemy_is_friend")] > 1.2
    assert found.ratio[MEASURES.index("enemy_of_enemy_is_enemy")] == 0
    assert found.mixing == pytest.approx(1, abs=0.1)


def test_chance_is_not_taken_for_balance():
    draw = np.random.default_rng(1)
    p = np.array(
        [balance_test([popular_enemies(draw, 16, 0.6, 0)], permutations=39, seed=s).test.two_sided for s in range(120)]
    )
    assert ((p <= 0.1).mean(0) <= stats.binom.ppf(0.9999, 120, 0.1) / 120).all()
    assert (p[:, 4] <= 0.1).mean() > 0.02


def test_popular_enemies_pass_for_balance_unless_people_keep_theirs():
    draw = np.random.default_rng(2)
    networks = [popular_enemies(draw, 14, 0.7, 2) for _ in range(30)]
    at = MEASURES.index("triads ---")
    believed = {
        keep: sum(
            balance_test([one], permutations=39, seed=s, keep=keep).test.two_sided[at] <= 0.1 for s, one in enumerate(networks)
        )
        for keep in ("ties", "people")
    }
    assert believed["ties"] > 15
    assert believed["people"] <= stats.binom.ppf(0.999, 30, 0.1)


def test_shares_of_nothing_have_no_p():
    star = np.zeros((5, 5))
    star[0, 1:] = star[1:, 0] = [1, -1, 1, -1]
    found = balance_test([star], permutations=19, seed=0)
    assert np.isnan(found.test.two_sided[4:6]).all()
    assert found.test.two_sided[0] == 1
    assert np.isnan(found.ratio[:6]).all()
    none = balance_test([np.zeros((3, 3))], permutations=19, seed=0, keep="people")
    assert np.isnan([none.free, none.mixing]).all()


def test_blocks_keep_their_own_number_of_negative_ties():
    blocks = [network(12, seed=6, bad=0), network(12, seed=7, bad=1)]
    found = balance_test(blocks, permutations=19, seed=0)
    assert (found.null[:, :4] == found.observed[:4]).all()


def test_draws_are_counted_as_networks_are():
    blocks, null, k = [network(16, seed=8, unknown=0.15, density=0.6), network(9, seed=9)], [], 4
    for number, signs in enumerate(blocks):
        i, j = np.nonzero(np.triu(np.nan_to_num(signs), 1))
        networks = []
        for negative in permuted_signs(signs[i, j] < 0, draws=k, seed=(5, number)):
            new = signs.copy()
            new[i, j] = new[j, i] = np.where(negative, -1, 1)
            networks.append(new)
        null.append(networks)
    found = balance_test(blocks, permutations=k, seed=5).null
    assert np.allclose(found, [triads(pair).measures for pair in zip(*null, strict=True)])


@pytest.mark.parametrize("keep", ["ties", "people"])
def test_blocks_can_be_counted_in_other_processes(keep):
    blocks, sent = [network(12, seed=10), network(9, seed=11)], []

    def over(count, tasks):
        for task in tasks:
            sent.append(task)
            yield count(pickle.loads(pickle.dumps(task)))

    one, other = (balance_test(blocks, permutations=9, seed=3, keep=keep, **given) for given in ({}, {"over": over}))
    assert np.array_equal(one.null, other.null)
    assert (one.free, one.mixing) == (other.free, other.mixing)
    assert len(sent) == 2


@pytest.mark.shared
def test_sampsons_monks(shared: Path):
    like, dislike = (
        np.loadtxt(shared / f"data/networks/sampson/{name}.csv", delimiter=",", skiprows=1) for name in ("samplk3", "sampdlk3")
    )
    reports = like - dislike
    signs = np.sign(reports + reports.T)
    found, (closed, _, pairs) = triads([signs]), one_by_one(signs)
    assert found.closed[0].tolist() == closed.tolist() == [21, 13, 65, 11]
    assert found.pairs[0].tolist() == pairs.tolist()
    test = balance_test([signs], permutations=499, seed=0, keep="people")
    assert test.test.two_sided[4] == 0.002
    assert test.expected[4] == pytest.approx(0.52, abs=0.02)
