from __future__ import annotations

import numpy as np
import pytest

from facevalue.stats.dyads import Dyads, cells
from facevalue.stats.mrqap import mrqap
from facevalue.stats.permutation import draw_permutations
from tests.stats.networks import apart, attributes, krackhardt, matrix, within

SEED, REPEATS = 4, 12


def made(n: int, p: int = 3, *, seed: int, symmetric: bool = False) -> Dyads:
    draw = np.random.default_rng(seed)
    predictors = draw.normal(size=(n, n, p)) + draw.normal(size=(n, 1, p)) + [100, 0, 5][:p]
    predictors[..., 1] = predictors[..., 0] / 2 + draw.normal(size=(n, n))
    outcome = predictors @ np.array([0.3, 0, -0.5])[:p] + draw.normal(size=(n, n)) + draw.normal(size=n)
    if symmetric:
        predictors, outcome = predictors + predictors.swapaxes(0, 1), outcome + outcome.T
    return Dyads(outcome, predictors)


def with_gaps(block: Dyads, *, outcome: bool, predictor: bool, weights: bool) -> Dyads:
    draw, n = np.random.default_rng(9), len(block)
    y, x = block.outcome.copy(), block.predictors.copy()
    if outcome:
        y[draw.random((n, n)) < 0.2] = np.nan
    if predictor:
        x[draw.random((n, n)) < 0.1, 1] = np.nan
    return Dyads(y, x, draw.uniform(0.5, 2, (n, n)) if weights else None)


def t_values(y: np.ndarray, x: np.ndarray, weights: np.ndarray, *, absorbed: int = 0) -> np.ndarray:
    root = np.sqrt(weights)[:, None]
    b, *_ = np.linalg.lstsq(x * root, y * root[:, 0], rcond=None)
    left = (weights * (y - x @ b) ** 2).sum() / (len(y) - np.linalg.matrix_rank(x))
    return b / np.sqrt(left * np.diag(np.linalg.pinv((x * root).T @ (x * root))))


def slow_null(blocks: list[Dyads], *, method: str, directed: bool, block_intercepts: bool) -> np.ndarray:
    """Refit with every permuted residual put back in a matrix, by least squares with a column a block where asked."""
    sizes = [len(block) for block in blocks]
    n, ends = sum(sizes), np.cumsum(sizes)
    p = blocks[0].predictors.shape[2]
    y, x, w, inside = np.full((n, n), np.nan), np.full((n, n, p), np.nan), np.ones((n, n)), np.zeros((n, n, len(blocks)))
    for i, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        own = slice(end - len(block), end)
        y[own, own], x[own, own], inside[own, own, i] = block.outcome, block.predictors, 1
        w[own, own] = 1 if block.weights is None else block.weights
    constants = inside if block_intercepts else np.ones((n, n, 1))
    counts = ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), bool), 1)
    off = ~np.eye(n, dtype=bool)
    orders = [draw_permutations(len(block), REPEATS, seed=(SEED, i, 0)) for i, block in enumerate(blocks)]
    found = []
    for r in range(REPEATS):
        order = np.concatenate([orders[i][r] + end - len(blocks[i]) for i, end in enumerate(ends)])
        at = np.ix_(order, order)
        if method == "y":
            design = np.concatenate([constants, x], axis=2)
            known = np.isfinite(y[at]) & np.isfinite(x).all(2) & counts & off[at]
            t = t_values(y[at][known], design[known], w[at][known])
            found.append(t[constants.shape[2] if block_intercepts else 0 :])
            continue
        row = []
        design = np.concatenate([constants, x], axis=2)
        for k in range(constants.shape[2] if block_intercepts else 0, design.shape[2]):
            there = np.isfinite(x).all(2) & off
            others = np.delete(design, k, axis=2)
            b, *_ = np.linalg.lstsq(others[there], design[there][:, k], rcond=None)
            left = np.full((n, n), np.nan)
            left[there] = design[there][:, k] - others[there] @ b
            moved = left[at]
            known = np.isfinite(moved) & np.isfinite(y) & there & counts
            row.append(t_values(y[known], np.column_stack([moved[known], others[known]]), w[known])[0])
        found.append(np.array(row))
    return np.array(found)


@pytest.mark.parametrize("method", ["dsp", "y"])
@pytest.mark.parametrize("block_intercepts", [False, True])
@pytest.mark.parametrize(
    ("directed", "gaps"),
    [
        (True, {}),
        (False, {}),
        (True, {"outcome": True}),
        (True, {"predictor": True}),
        (True, {"outcome": True, "predictor": True, "weights": True}),
    ],
)
def test_every_statistic_under_permutation_is_that_of_a_refit(method, block_intercepts, directed, gaps):
    blocks = [made(n, seed=n, symmetric=not directed) for n in (9, 11)]
    given = {"outcome": False, "predictor": False, "weights": False} | gaps
    blocks = [with_gaps(block, **given) for block in blocks] if gaps else blocks
    found = mrqap(
        blocks,
        names=["a", "b", "c"],
        directed=directed,
        permutations=REPEATS,
        seed=SEED,
        method=method,
        block_intercepts=block_intercepts,
    )
    slow = slow_null(blocks, method=method, directed=directed, block_intercepts=block_intercepts)
    np.testing.assert_allclose(found.test.null, slow, rtol=1e-6, atol=1e-8)


def test_single_precision_among_many_people_is_precise_enough():
    block = made(140, seed=3)
    found = mrqap([block], names=["a", "b", "c"], directed=True, permutations=REPEATS, seed=SEED)
    slow = slow_null([block], method="dsp", directed=True, block_intercepts=False)
    np.testing.assert_allclose(found.test.null, slow, atol=2e-5)


def test_spread_over_processes_is_the_same():
    blocks = [made(n, seed=n) for n in (9, 11)]
    given = {"names": ["a", "b", "c"], "directed": True, "permutations": 20, "seed": 1}
    reversed_map = lambda function, tasks: list(reversed([function(task) for task in reversed(list(tasks))]))  # noqa: E731
    assert (mrqap(blocks, **given).test.null == mrqap(blocks, **given, over=reversed_map).test.null).all()


@pytest.mark.parametrize("method", ["dsp", "y"])
def test_a_coefficient_alone_is_tested_as_among_all(method):
    given = {"names": ["a", "b", "c"], "directed": True, "permutations": 20, "seed": 1, "method": method}
    every, alone = (mrqap([made(11, seed=0)], **given, only=only) for only in (None, ["b"]))
    assert alone.tested.tolist() == [2]
    np.testing.assert_allclose(alone.test.null[:, 0], every.test.null[:, 2], rtol=1e-9)


def test_stops_when_the_answer_is_clear():
    draw = np.random.default_rng(0)
    block = Dyads(draw.normal(size=(12, 12)), draw.normal(size=(12, 12, 1)))
    given = {"names": ["a"], "directed": True, "seed": 1}
    stopped = mrqap([block], permutations=5000, stop=10, **given).test
    assert (stopped.permutations < 5000).all()
    whole = mrqap([block], permutations=5000, **given).test
    assert abs(stopped.two_sided[1] - whole.two_sided[1]) < 4 * stopped.error[1]


@pytest.mark.parametrize(
    ("given", "told"),
    [({"method": "x"}, "method dsp or y"), ({"permutations": 0}, "1 permutation or more"), ({"only": ["d"]}, "to test out of")],
)
def test_says_what_it_expected(given, told):
    options = {"names": ["a", "b", "c"], "directed": True, "permutations": 9, "seed": 1} | given
    with pytest.raises(ValueError, match=told):
        mrqap([made(9, seed=0)], **options)


def test_progress_is_told_a_batch_at_a_time():
    told = []
    mrqap([made(9, seed=0)], names=list("abc"), directed=True, permutations=600, seed=1, progress=lambda *at: told.append(at))
    assert told == [(250, 600), (500, 600), (600, 600)]


def test_a_second_permutation_keeps_the_false_rate():
    """Under a null with person effects in outcome and predictors alike, whose predictors are correlated."""
    p = []
    for run in range(120):
        draw = np.random.default_rng(run)
        z = draw.normal(size=(16, 16)) + draw.normal(size=(16, 1)) + draw.normal(size=16)
        x = z + draw.normal(size=(16, 16)) + draw.normal(size=(16, 1)) + draw.normal(size=16)
        y = z + draw.normal(size=(16, 16)) + draw.normal(size=(16, 1)) + draw.normal(size=16)
        block = Dyads(y, np.stack([x, z], axis=2))
        p.append(mrqap([block], names=["x", "z"], directed=True, permutations=99, seed=run).test.two_sided[1])
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.11


@pytest.mark.shared
def test_krackhardt_as_r_prints(shared):
    y, f, r, table = krackhardt(shared)
    same = [within(table["DEPT"]), apart(table["AGE"]), apart(table["TENURE"])]
    x = np.stack([f, r, *same, within(table["LEVEL"])], axis=2)
    found = mrqap([Dyads(y, x)], names=list("frdatl"), directed=True, permutations=4000, seed=1)
    expected = [0.0000, 0.0676, 0.0008, 0.2474, 0.3980, 0.0510, 0.3178]
    error = np.sqrt(np.maximum(found.test.two_sided * (1 - found.test.two_sided), 2e-4) * (1 / 4000 + 1 / 5000))
    assert (abs(found.test.two_sided - expected) < 4 * error).all()
    low, high = np.quantile(found.test.null, [0.25, 0.75], axis=0)
    expected_low = np.array([0.724, -1.008, -0.718, -0.729, -0.968, -0.962, -0.991])
    expected_high = np.array([3.270, 1.026, 0.733, 0.738, 0.880, 1.005, 1.140])
    error = (expected_high - expected_low) * np.sqrt(1 / 4000 + 1 / 5000)  # of a normal quartile, both drawn
    assert (abs(low - expected_low) < 4 * error).all()
    assert (abs(high - expected_high) < 4 * error).all()
    y_permuted = mrqap(
        [Dyads(f, np.stack([y, r, *same], axis=2))], names=list("afdgt"), directed=True, permutations=4000, seed=1, method="y"
    )
    expected = np.array([0.8020, 0.1034, 0.0396, 0.0026, 0.0372, 0.2188])
    error = np.sqrt(expected * (1 - expected) * (1 / 4000 + 1 / 5000))
    assert (abs(y_permuted.test.two_sided - expected) < 4 * error).all()


@pytest.mark.shared
def test_other_networks_have_the_p_that_r_prints(shared):
    y, f, r, _ = krackhardt(shared)
    folder = shared / "data/networks"
    like, dislike = (matrix(folder / f"sampson/{name}.csv") for name in ("samplk3", "sampdlk3"))
    wave, table = matrix(folder / "dutchcollege/Y_t7.csv"), attributes(folder / "dutchcollege/attributes.csv")
    sex, smoker, program = (within(table[name]) for name in ("male", "smoker", "program"))
    signed = np.where(wave >= 2, 1.0, np.where(wave == -1, -1.0, 0.0))
    group = within(attributes(folder / "sampson/attributes.csv")["group"])
    printed = {
        5000: [(y, [f, r], [0.0004, 0.1090, 0.0002]), (like - dislike, [group], [0.067, 0.0])],
        2000: [(signed, [sex, smoker, program, sex * program], [0.6335, 0.1055, 0.0020, 0.0010, 0.9135])],
    }
    for reps, models in printed.items():
        for outcome, predictors, expected in models:
            names = [f"x{k + 1}" for k in range(len(predictors))]
            blocks = [Dyads(outcome, np.stack(predictors, axis=2))]
            found = mrqap(blocks, names=names, directed=True, permutations=4000, seed=1).test.two_sided
            error = np.sqrt(np.maximum(found * (1 - found), 2e-4) * (1 / 4000 + 1 / reps))
            assert (abs(found - expected) < 4 * error).all()


@pytest.mark.shared
def test_cells_of_krackhardt(shared):
    y, f, *_ = krackhardt(shared)
    counted = cells([Dyads(y, f[..., None])], directed=True)
    assert len(counted) == 420
    assert counted.outcome.sum() == 190
