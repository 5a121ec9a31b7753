"""Signed networks that are made up, and their triads one by one."""

from itertools import combinations

import numpy as np


def network(n: int, *, seed: int, density: float = 0.4, bad: float = 0.3, unknown: float = 0.0) -> np.ndarray:
    """Return symmetric signs, (n, n)."""
    draw = np.random.default_rng(seed)
    signs = np.where(draw.random((n, n)) < density, np.where(draw.random((n, n)) < bad, -1.0, 1.0), 0.0)
    signs[draw.random((n, n)) < unknown] = np.nan
    signs = np.triu(signs, 1)
    return signs + signs.T


def popular_enemies(draw: np.random.Generator, n: int, density: float, spread: float) -> np.ndarray:
    """Return symmetric signs that depend on nothing but how many enemies each person makes."""
    bad = spread * draw.normal(size=n)
    negative = draw.logistic(size=(n, n)) < bad[:, None] + bad - 1
    signs = np.triu(np.where(draw.random((n, n)) < density, np.where(negative, -1.0, 1.0), 0.0), 1)
    return signs + signs.T


def one_by_one(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return triads by type, (4,), paths and pairs by kind and ends, (3, 3) each."""
    n, closed, paths, pairs = len(signs), np.zeros(4), np.zeros((3, 3)), np.zeros((3, 3))
    for trio in combinations(range(n), 3):
        ties = [signs[i, j] for i, j in combinations(trio, 2)]
        if all(tie in (-1, 1) for tie in ties):
            closed[sum(tie < 0 for tie in ties)] += 1
    for i, j in combinations(range(n), 2):
        if np.isnan(signs[i, j]):
            continue
        seen = set()
        for k in set(range(n)) - {i, j}:
            if abs(signs[i, k]) == 1 and abs(signs[k, j]) == 1:
                kind = int(signs[i, k] < 0) + int(signs[k, j] < 0)
                paths[kind, int(signs[i, j]) + 1] += 1
                seen.add(kind)
        for kind in seen:
            pairs[kind, int(signs[i, j]) + 1] += 1
    return closed, paths, pairs


def relabelled(signs: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the same network with its people in another order."""
    order = np.random.default_rng(seed).permutation(len(signs))
    return signs[np.ix_(order, order)]


def every_sign(signs: np.ndarray) -> list[np.ndarray]:
    """Return all ways to sign the ties of a small network so that everyone has as many enemies as before."""
    i, j = np.nonzero(np.triu(signs != 0, 1))
    enemies, found = (signs < 0).sum(0), []
    for chosen in combinations(range(len(i)), int((signs[i, j] < 0).sum())):
        new = abs(signs)
        new[i[list(chosen)], j[list(chosen)]] = new[j[list(chosen)], i[list(chosen)]] = -1
        if np.array_equal((new < 0).sum(0), enemies):
            found.append(new)
    return found
