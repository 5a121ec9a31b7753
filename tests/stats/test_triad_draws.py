import numpy as np
import pytest

from facevalue.stats import triad_draws
from facevalue.stats.triad_draws import drawn_triads

from .signed import network, one_by_one


def draws(signs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ties of a network, and new signs of them."""
    ends = np.argwhere(np.triu(np.nan_to_num(signs)))
    return ends, np.random.default_rng(0).random((count, len(ends))) < 0.4


def signed_anew(signs: np.ndarray, ends: np.ndarray, negative: np.ndarray) -> np.ndarray:
    new = signs.copy()
    new[*ends.T] = new[*ends.T[::-1]] = np.where(negative, -1, 1)
    return new


@pytest.mark.parametrize(("paths", "at_once"), [(2**16, 1024), (40, 64)])
def test_every_draw_is_counted_as_its_network_one_by_one(monkeypatch, paths, at_once):
    monkeypatch.setattr(triad_draws, "PATHS_AT_ONCE", paths)
    monkeypatch.setattr(triad_draws, "DRAWS_AT_ONCE", at_once)
    signs = network(15, seed=0, density=0.6, unknown=0.1)
    ends, negative = draws(signs, 70)
    closed, pairs = drawn_triads(np.isfinite(signs), ends, negative)
    for k in (0, 1, 63, 64, 69):
        expected = one_by_one(signed_anew(signs, ends, negative[k]))
        assert closed[k].tolist() == expected[0].tolist()
        assert pairs[k].tolist() == expected[2].tolist()


def test_paths_come_in_batches_that_are_no_larger_than_one_person_makes_them(monkeypatch):
    monkeypatch.setattr(triad_draws, "PATHS_AT_ONCE", 100)
    signs = network(40, seed=1)
    ends, _ = draws(signs, 1)
    degree = (signs != 0).sum(0)
    batches = [len(paths.one) for paths in triad_draws._paths(np.isfinite(signs), ends)]
    assert len(batches) > 10
    assert max(batches) <= 100 + degree.max() ** 2


@pytest.mark.parametrize("n", [1, 3])
def test_without_ties_there_is_nothing_to_count(n):
    closed, pairs = drawn_triads(np.ones((n, n), bool), np.empty((0, 2), int), np.empty((5, 0), bool))
    assert closed.shape == (5, 4)
    assert not closed.any()
    assert not pairs.any()
