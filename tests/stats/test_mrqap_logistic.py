"""Logistic MRQAP against plain refits, and against what R's sna prints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import expit

from facevalue.stats.dyads import Dyads
from facevalue.stats.mrqap_logistic import mrqap_logistic
from facevalue.stats.permutation import draw_permutations
from tests.stats.networks import apart, attributes, krackhardt, matrix, within

SEED, REPEATS = 4, 8
NAMES = ["a", "b", "c"]


def made(n: int, *, seed: int, symmetric: bool = False) -> Dyads:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, n, 3)) + draw.normal(size=(n, 1, 3)) + [40, 0, 5]
    x[..., 1] = (x[..., 0] - 40) / 2 + draw.normal(size=(n, n))
    odds = x @ np.array([0.4, 0, -0.5]) - 14 + draw.normal(size=(n, 1))
    y = (draw.random((n, n)) < expit(odds)).astype(float)
    if symmetric:
        y, x = np.maximum(y, y.T), x + x.swapaxes(0, 1)
    return Dyads(y, x)


def with_gaps(block: Dyads, *, outcome: float = 0, predictor: bool = False, weights: bool = False) -> Dyads:
    draw, n = np.random.default_rng(9), len(block)
    y, x = block.outcome.copy(), block.predictors.copy()
    y[draw.random((n, n)) < outcome] = np.nan
    if predictor:
        x[draw.random((n, n)) < 0.1, 1] = np.nan
        x[0, :, 2] = np.nan
    return Dyads(y, x, draw.uniform(0.5, 2, (n, n)) if weights else None)


def refit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return z of each column, by reweighted least squares over columns orthogonal to the last, which keeps its z."""
    b = np.zeros(x.shape[1])
    scale = np.sqrt((x**2).mean(0))
    for _ in range(60):
        p = expit(x @ b)
        v = np.maximum(weights * p * (1 - p), 1e-300)
        root = np.sqrt(v)
        step, *_ = np.linalg.lstsq(x / scale * root[:, None], weights * (y - p) / root, rcond=1e-13)
        b = b + step / scale
    return b / scale_free_se(x, root, scale)


def scale_free_se(x: np.ndarray, root: np.ndarray, scale: np.ndarray) -> np.ndarray:
    r = np.linalg.qr(x / scale * root[:, None], mode="r")
    return np.sqrt((np.linalg.inv(r) ** 2).sum(1)) / scale


def slow_null(blocks: list[Dyads], *, method: str, directed: bool, block_intercepts: bool) -> np.ndarray:
    """Put every permuted residual back in a matrix of all people and refit, with a column a block where asked."""
    ends = np.cumsum([len(block) for block in blocks])
    n, p = ends[-1], 3
    y, x, w, constants = np.full((n, n), np.nan), np.full((n, n, p), np.nan), np.ones((n, n)), np.zeros((n, n, len(blocks)))
    for i, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        own = slice(end - len(block), end)
        y[own, own], x[own, own], constants[own, own, i] = block.outcome, block.predictors, 1
        w[own, own] = 1 if block.weights is None else block.weights
    constants = constants if block_intercepts else np.ones((n, n, 1))
    counts, off = ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), bool), 1), ~np.eye(n, dtype=bool)
    design, first = np.concatenate([constants, x], axis=2), constants.shape[2] if block_intercepts else 0
    there = np.isfinite(x).all(2) & off
    orders = [draw_permutations(len(block), REPEATS, seed=(SEED, i, 0)) for i, block in enumerate(blocks)]
    found = []
    for r in range(REPEATS):
        at = np.concatenate([orders[i][r] + end - len(blocks[i]) for i, end in enumerate(ends)])
        at = np.ix_(at, at)
        if method == "y":
            known = np.isfinite(y[at]) & there & counts
            found.append(refit(design[known], y[at][known], w[at][known])[first:])
            continue
        row = []
        for k in range(first, design.shape[2]):
            others, left = np.delete(design, k, axis=2), np.full((n, n), np.nan)
            b, *_ = np.linalg.lstsq(others[there], design[there][:, k], rcond=None)
            left[there] = design[there][:, k] - others[there] @ b
            known = np.isfinite(left[at]) & np.isfinite(y) & there & counts
            row.append(refit(np.column_stack([others[known], left[at][known]]), y[known], w[known])[-1])
        found.append(np.array(row))
    return np.array(found)


@pytest.mark.parametrize("method", ["dsp", "y"])
@pytest.mark.parametrize("block_intercepts", [False, True])
@pytest.mark.parametrize(
    ("directed", "gaps"),
    [
        (True, {}),
        (False, {}),
        (True, {"outcome": 0.7}),
        (True, {"predictor": True}),
        (True, {"outcome": 0.2, "predictor": True, "weights": True}),
    ],
)
def test_every_z_under_permutation_is_that_of_a_plain_refit(method, block_intercepts, directed, gaps):
    blocks = [with_gaps(made(n, seed=n, symmetric=not directed), **gaps) for n in (14, 17)]
    options = {"method": method, "directed": directed, "block_intercepts": block_intercepts}
    found = mrqap_logistic(blocks, names=NAMES, permutations=REPEATS, seed=SEED, **options)
    np.testing.assert_allclose(found.test.null, slow_null(blocks, **options), atol=1e-6)
    assert not found.separated.any()
