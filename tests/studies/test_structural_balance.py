import numpy as np
import pytest

from facevalue.stats.triad_intervals import closure, share_intervals
from facevalue.stats.triads import MEASURES, balance_test, triads
from facevalue.studies.structural_balance import NULLS, structural_balance

from .made import row

TIES, PEOPLE = NULLS["ties"], NULLS["people"]


def signed(n: int, *, seed: int, bad: float = 0.4) -> np.ndarray:
    draw = np.random.default_rng(seed)
    signs = np.triu(np.where(draw.random((n, n)) < 0.6, np.where(draw.random((n, n)) < bad, -1, 1), 0), 1)
    return signs + signs.T


@pytest.fixture(scope="module")
def blocks() -> list[np.ndarray]:
    return [signed(14, seed=0), signed(10, seed=1)]


def test_counts_and_shares_stand_beside_chance(blocks):
    found = structural_balance(blocks, level=0.9, seed=3, permutations=49)
    counted, (low, high) = triads(blocks), share_intervals(blocks, level=0.9)
    for name, value, n in zip(MEASURES, counted.measures, counted.resting, strict=True):
        assert (row(found, name, "all")["value"], row(found, name, "all")["n"]) == (value, n)
    balanced = row(found, "share_balanced", "all")
    assert (balanced["low"], balanced["high"], balanced["level"]) == (low[0], high[0], 0.9)
    assert row(found, "triads +++", "all")["low"] is None
    assert row(found, "open --", "all")["value"] == counted.paths[:, 2, 1].sum()
    assert row(found, "among_all enemy_of_enemy_is_enemy", "all")["value"] == counted.among_all[5]
    for keep, group in NULLS.items():
        test = balance_test(blocks, permutations=49, seed=3, keep=keep)
        at = MEASURES.index("enemy_of_enemy_is_enemy")
        expected = row(found, "expected enemy_of_enemy_is_enemy", group)
        assert expected["value"] == test.expected[at]
        assert (expected["low"], expected["high"]) == tuple(np.quantile(test.null[:, at], [0.05, 0.95]))
        assert row(found, "p enemy_of_enemy_is_enemy", group)["value"] == test.test.two_sided[at]
        assert row(found, "p_error enemy_of_enemy_is_enemy", group)["value"] == test.test.error[at]
        assert row(found, "ratio enemy_of_enemy_is_enemy", group)["value"] == test.ratio[at]
        assert row(found, "mixing", group)["value"] == test.mixing
    assert set(found.study) == {"balance"}
    assert set(found.group) == {"all", TIES, PEOPLE}


def test_balance_is_found_where_it_is_and_not_imposed_where_it_is_not():
    camp = np.random.default_rng(0).choice([-1, 1], 20)
    tied = abs(signed(20, seed=2))
    camps = structural_balance([np.outer(camp, camp) * tied], level=0.9, seed=0, permutations=99)
    assert row(camps, "share_balanced", "all")["value"] == 1
    assert row(camps, "enemy_of_enemy_is_enemy", "all")["value"] == 0
    assert row(camps, "p share_balanced", PEOPLE)["value"] == 0.01
    feud = np.ones((20, 20))
    feud[:9, :9] = -1
    feuds = structural_balance([feud * tied], level=0.9, seed=0, permutations=99)
    assert row(feuds, "ratio enemy_of_enemy_is_enemy", TIES)["value"] > 2
    assert row(feuds, "p triads ---", TIES)["value"] == 0.01


def test_faces_at_the_ends_of_paths(blocks):
    draw = np.random.default_rng(4)
    similarity = [draw.normal(size=block.shape) for block in blocks]
    similarity = [matrix + matrix.T for matrix in similarity]
    found = structural_balance(blocks, level=0.9, seed=0, permutations=9, similarity=similarity)
    expected = closure(blocks, similarity, level=0.9)
    told = row(found, "similarity", "enemy of an enemy: strangers")
    assert (told["value"], told["low"], told["n"]) == (expected.mean[2, 1], expected.low[2, 1], expected.n[2, 1])


def test_a_network_without_triads_says_so():
    found = structural_balance([np.zeros((3, 3)), np.zeros((1, 1))], level=0.9, seed=0, permutations=9)
    assert row(found, "triads +++", "all")["value"] == 0
    assert row(found, "share_balanced", "all")["value"] is None
    assert row(found, "share_balanced", "all")["method"] == "none"
    assert row(found, "p share_balanced", TIES)["value"] is None
    assert row(found, "free", PEOPLE)["value"] is None


def test_levels_are_checked_first(blocks):
    with pytest.raises(ValueError, match="expected a level"):
        structural_balance(blocks, level=1.0, seed=0, permutations=9)
