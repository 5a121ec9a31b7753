"""Online codes: their length against the formula, and what vectors that tell something save."""

import numpy as np
import pytest
from scipy.stats import norm

from facevalue.stats.description_length import FRACTIONS, normal_shares, online_code, people_blocks


def test_blocks_are_of_whole_people_and_end_at_the_fractions():
    person = np.repeat(np.arange(1000), 2)
    blocks = people_blocks(person, seed=0)
    assert [len(rows) / 2 for rows in blocks] == pytest.approx(np.diff([0, *(np.ceil(np.array(FRACTIONS) * 1000))]))
    assert sorted(np.concatenate(blocks)) == list(range(2000))
    assert all((np.bincount(person[rows], minlength=1000) % 2 == 0).all() for rows in blocks)
    assert not np.array_equal(blocks[-1], people_blocks(person, seed=1)[-1])


def test_the_length_is_that_of_the_formula():
    draw = np.random.default_rng(0)
    y, blocks = draw.integers(3, size=40), people_blocks(np.arange(40), seed=0)
    p = draw.dirichlet(np.ones(3), size=40)
    code = online_code(y, blocks, lambda known, new: p[new], k=3)
    mixed = 0.99 * p[np.arange(40), y] + 0.01 / 3
    later = np.setdiff1d(np.arange(40), blocks[0])
    assert code.length == pytest.approx(len(blocks[0]) * np.log2(3) - np.log2(mixed[later]).sum())
    assert code.compression == pytest.approx(40 * np.log2(3) / code.length)


def test_it_learns_only_from_what_was_sent():
    seen = []
    blocks = people_blocks(np.arange(64), seed=0)
    online_code(np.zeros(64, int), blocks, lambda known, new: seen.append((known, new)) or np.full((len(new), 2), 0.5), k=2)
    assert [len(known) for known, _ in seen] == list(np.cumsum([len(rows) for rows in blocks])[:-1])
    assert all(not set(known) & set(new) for known, new in seen)


def test_shares_of_a_normal_distribution_are_those_of_scipy():
    edges, centre = np.array([-1.0, 0.2, 2.0]), np.array([0.0, 1.5])
    below = norm.cdf(edges[None], centre[:, None], 0.7)
    expected = np.diff(np.hstack([np.zeros((2, 1)), below, np.ones((2, 1))]), axis=1)
    np.testing.assert_allclose(normal_shares(centre, 0.7, edges), expected, atol=1e-12)


@pytest.mark.parametrize("fractions", [(0.5,), (0.5, 0.2, 1.0), (0.0, 1.0), ()])
def test_fractions_must_rise_to_one(fractions):
    with pytest.raises(ValueError, match="rise to 1"):
        people_blocks(np.arange(4), seed=0, fractions=fractions)


def test_every_row_is_sent_once():
    with pytest.raises(ValueError, match="each of 4 rows once"):
        online_code(np.zeros(4, int), [np.array([0, 1]), np.array([1, 2])], lambda known, new: np.ones((2, 2)), k=2)
